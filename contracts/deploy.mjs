// Deploys the L1 side of a devnet on a node with unlocked accounts (anvil), so no key is needed.
// Settings come from the environment, named as ethrex's deployer names them; the addresses go to
// an env file. Where the recorded contracts are still on the chain, nothing is done.
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { deployContract } from "./artifacts.mjs";
import { evaluation } from "./dcap.mjs";
import { Chain, L2_CHAIN_ID } from "./devnet/batches.mjs";
import { measurements } from "./measurements.mjs";
import { Rpc, cast, die, isTrue, readEnvFile } from "./tools.mjs";

const USAGE = `usage: deploy.mjs --rpc URL --env FILE
environment:
  ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER, ETHREX_L2_TDX   true: deploy the TDXVerifier, require TDX proofs
  ETHREX_TDX_DEV_MODE                                  true: it takes 20 address bytes for a quote
  ETHREX_DEPLOYER_DCAP_ADDRESS                         quote verifier (default without dev mode: a new DcapVerifier, whose
  ETHREX_DEPLOYER_DCAP_ROOT_KEY                        trusted root key is this: 128 hex digits x||y, default Intel's)
  ETHREX_DEPLOYER_DCAP_EVALUATION                      its TCB evaluation number: standard (default), early, or one
  ETHREX_DEPLOYER_TDX_MEASUREMENTS                     measurements.json, as the guest's build writes it (default: ethrex's image)
  ETHREX_DEPLOYER_TDX_MRTD, _RTMR0, _RTMR1, _RTMR2     48 bytes of hex each, in place of its or ethrex's
  ETHREX_DEPLOYER_TDX_ACCEPT_UNCONFIRMED               true: values of it that no TD's quote has confirmed, without dev mode
  ETHREX_L2_SP1, ETHREX_L2_RISC0                       true: require these proofs as well, by
  ETHREX_DEPLOYER_{SP1,RISC0}_VERIFIER_ADDRESS         this verifier and
  ETHREX_DEPLOYER_{SP1,RISC0}_VK                       this verification key of
  ETHREX_DEPLOYER_COMMIT_HASH                          this code version (default: 52e4b64)
  ETHREX_DEPLOYER_COMMITTER_L1_ADDRESS, _PROOF_SENDER_L1_ADDRESS, _TDX_REGISTRAR_L1_ADDRESS
                                                       sequencer role (default: the node's accounts 0, 1, 2)
  ETHREX_DEPLOYER_GENESIS_STATE_ROOT                   default: the state before the devnet's batch 1
  ETHREX_DEPLOYER_ROLLUP                               true: each commit must carry a blob (default: validium)
  ETHREX_DEPLOYER_L2_CHAIN_ID          default: that of the made-up batches
`;

const NOBODY = "0x" + "00".repeat(20);
// Dev mode never calls the quote verifier, but its constructor argument must not be zero.
const NO_DCAP = "0x00000000000000000000000000000000000000AA";
const MIN_DELAY_SECONDS = 30;
const ZERO = "0x" + "00".repeat(32);

async function deploy(rpc, from, name, args) {
	const receipt = await deployContract(rpc, from, name, args);
	console.log(`${name} at ${receipt.contractAddress} (${Number(receipt.gasUsed)} gas)`);
	return receipt.contractAddress;
}

/** A further proof type that is required: its verifier and key must be told. */
function otherType(env, type) {
	if (!isTrue(env[`ETHREX_L2_${type}`])) return { required: false, verifier: NOBODY, vk: ZERO };
	const verifier = env[`ETHREX_DEPLOYER_${type}_VERIFIER_ADDRESS`];
	const vk = env[`ETHREX_DEPLOYER_${type}_VK`];
	if (!verifier || !vk)
		throw new Error(
			`ETHREX_L2_${type} needs ETHREX_DEPLOYER_${type}_VERIFIER_ADDRESS and ETHREX_DEPLOYER_${type}_VK`,
		);
	return { required: true, verifier, vk };
}

function settings(env) {
	const tdx = isTrue(env.ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER) || isTrue(env.ETHREX_L2_TDX);
	const devMode = isTrue(env.ETHREX_TDX_DEV_MODE);
	const dcap = env.ETHREX_DEPLOYER_DCAP_ADDRESS || (devMode ? NO_DCAP : undefined);
	const deployDcap = isTrue(env.ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER) && !dcap;
	if (tdx && !dcap && !deployDcap)
		throw new Error(
			"a TDXVerifier that checks quotes needs ETHREX_DEPLOYER_DCAP_ADDRESS, or ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER=true for a new one; without either set ETHREX_TDX_DEV_MODE=true",
		);
	const rootKey = (env.ETHREX_DEPLOYER_DCAP_ROOT_KEY || "00".repeat(64))
		.replace(/^0x/, "")
		.toLowerCase();
	if (!/^[0-9a-f]{128}$/.test(rootKey))
		throw new Error(`ETHREX_DEPLOYER_DCAP_ROOT_KEY is not 128 hex digits: ${rootKey}`);
	return {
		tdx,
		devMode,
		dcap,
		rootKey: deployDcap ? rootKey : undefined,
		evaluation: evaluation(env.ETHREX_DEPLOYER_DCAP_EVALUATION || "standard"),
		measurements: measurements(env),
		sp1: otherType(env, "SP1"),
		risc0: otherType(env, "RISC0"),
		commitHash: env.ETHREX_DEPLOYER_COMMIT_HASH || "52e4b64",
		genesisStateRoot: env.ETHREX_DEPLOYER_GENESIS_STATE_ROOT || new Chain().genesisStateRoot,
		validium: !isTrue(env.ETHREX_DEPLOYER_ROLLUP),
		l2ChainId: env.ETHREX_DEPLOYER_L2_CHAIN_ID || String(L2_CHAIN_ID),
	};
}

async function alreadyThere(rpc, envFile, wanted) {
	if (!existsSync(envFile)) return false;
	const env = readEnvFile(envFile);
	if (env.ETHREX_DEPLOYER_SETTINGS !== wanted) return false;
	for (const name of [
		"ETHREX_TIMELOCK_ADDRESS",
		"ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS",
		"ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS",
	])
		if (env[name] && env[name] !== NOBODY && !(await rpc.hasCode(env[name]))) return false;
	return true;
}

async function main() {
	const { values } = parseArgs({
		options: { rpc: { type: "string" }, env: { type: "string" }, help: { type: "boolean" } },
	});
	if (values.help) return void process.stdout.write(USAGE);
	if (!values.rpc || !values.env) throw new Error(USAGE);

	const rpc = new Rpc(values.rpc);
	const s = settings(process.env);
	const chainId = Number(await rpc.call("eth_chainId"));
	const fingerprint = cast("keccak", JSON.stringify({ ...s, chainId }));
	if (await alreadyThere(rpc, values.env, fingerprint)) {
		console.log(`contracts are deployed already (${values.env})`);
		return;
	}

	const accounts = await rpc.call("eth_accounts");
	const deployer = accounts[0];
	const committer = process.env.ETHREX_DEPLOYER_COMMITTER_L1_ADDRESS || accounts[0];
	const sender = process.env.ETHREX_DEPLOYER_PROOF_SENDER_L1_ADDRESS || accounts[1];
	const registrar = process.env.ETHREX_DEPLOYER_TDX_REGISTRAR_L1_ADDRESS || accounts[2];

	// Deployed first, for what follows counts on the nonces between.
	const dcap = s.rootKey
		? await deploy(rpc, deployer, "DcapVerifier", [
				"0x" + s.rootKey.slice(0, 64),
				"0x" + s.rootKey.slice(64),
				...s.evaluation,
			])
		: s.dcap;

	// Timelock and bridge must know the proposer, which must know them: it comes last, and a
	// contract's address follows from its deployer's nonce.
	const nonce = Number(await rpc.call("eth_getTransactionCount", deployer, "latest"));
	const last = nonce + (s.tdx ? 3 : 2);
	const [foreseen] = cast("compute-address", deployer, "--nonce", String(last)).match(
		/0x[0-9a-fA-F]{40}/,
	);
	const bridge = await deploy(rpc, deployer, "DevnetBridge", [foreseen, s.l2ChainId]);
	const timelock = await deploy(rpc, deployer, "Timelock", [
		String(MIN_DELAY_SECONDS),
		`[${committer},${sender},${registrar}]`,
		`[${deployer}]`,
		deployer,
		foreseen,
	]);
	const tdxVerifier = s.tdx
		? await deploy(rpc, deployer, "TDXVerifier", [
				dcap,
				timelock,
				String(s.devMode),
				...s.measurements,
			])
		: NOBODY;
	const proposer = await deploy(rpc, deployer, "OnChainProposer", [
		"(" +
			[
				String(s.validium),
				timelock,
				s.risc0.required,
				s.sp1.required,
				s.tdx,
				false,
				s.risc0.verifier,
				s.sp1.verifier,
				tdxVerifier,
				s.sp1.vk,
				s.risc0.vk,
				cast("keccak", s.commitHash),
				s.genesisStateRoot,
				s.l2ChainId,
				bridge,
			].join(",") +
			")",
	]);
	if (proposer.toLowerCase() !== foreseen.toLowerCase())
		throw new Error(
			`the OnChainProposer is at ${proposer}, not at ${foreseen}: somebody else used ${deployer} meanwhile; run again`,
		);

	const env = {
		ETHREX_ETH_RPC_URL: values.rpc,
		ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS: proposer,
		ETHREX_TIMELOCK_ADDRESS: timelock,
		ETHREX_WATCHER_BRIDGE_ADDRESS: bridge,
		ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS: tdxVerifier,
		...(s.tdx && !s.devMode ? { ETHREX_DEPLOYER_DCAP_ADDRESS: dcap } : {}),
		ETHREX_DEPLOYER_SP1_VERIFIER_ADDRESS: s.sp1.verifier,
		ETHREX_DEPLOYER_RISC0_VERIFIER_ADDRESS: s.risc0.verifier,
		ETHREX_DEPLOYER_COMMITTER_L1_ADDRESS: committer,
		ETHREX_DEPLOYER_PROOF_SENDER_L1_ADDRESS: sender,
		ETHREX_DEPLOYER_TDX_REGISTRAR_L1_ADDRESS: registrar,
		ETHREX_DEPLOYER_GENESIS_STATE_ROOT: s.genesisStateRoot,
		ETHREX_DEPLOYER_SETTINGS: fingerprint,
	};
	const text = Object.entries(env)
		.map(([key, value]) => `${key}=${value}\n`)
		.join("");
	mkdirSync(dirname(values.env), { recursive: true });
	writeFileSync(values.env + ".tmp", text);
	renameSync(values.env + ".tmp", values.env);
}

main().catch(die("deploy"));
