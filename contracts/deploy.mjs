// Deploys the L1 side of a devnet on a node with unlocked accounts (anvil), so no key is needed.
// Settings come from the environment, named as ethrex's deployer names them; the addresses go to
// an env file. Where the recorded contracts are still on the chain, nothing is done.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Chain, L2_CHAIN_ID } from "./devnet/batches.mjs";
import { Rpc, cast, die, isTrue, readEnvFile } from "./tools.mjs";

const USAGE = `usage: deploy.mjs --rpc URL --env FILE
environment:
  ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER, ETHREX_L2_TDX   true: deploy the TDXVerifier, require TDX proofs
  ETHREX_TDX_DEV_MODE                                  true: it takes 20 address bytes for a quote
  ETHREX_DEPLOYER_DCAP_ADDRESS                         quote verifier, needed without dev mode
  ETHREX_DEPLOYER_TDX_MRTD, _RTMR0, _RTMR1, _RTMR2     48-byte measurements (default: ethrex's)
  ETHREX_L2_SP1, ETHREX_L2_RISC0                       true: require these proofs as well, by
  ETHREX_DEPLOYER_{SP1,RISC0}_VERIFIER_ADDRESS         this verifier and
  ETHREX_DEPLOYER_{SP1,RISC0}_VK                       this verification key of
  ETHREX_DEPLOYER_COMMIT_HASH                          this code version (default: 52e4b64)
  ETHREX_DEPLOYER_COMMITTER_L1_ADDRESS, _PROOF_SENDER_L1_ADDRESS, _TDX_REGISTRAR_L1_ADDRESS
                                                       sequencer role (default: the node's accounts 0, 1, 2)
  ETHREX_DEPLOYER_GENESIS_STATE_ROOT                   default: the state before the devnet's batch 1
`;

// The image that ethrex's TDXVerifier was published for; its sample quote carries the same.
const MEASUREMENTS = {
	MRTD: "0x91eb2b44d141d4ece09f0c75c2c53d247a3c68edd7fafe8a3520c942a604a407de03ae6dc5f87f27428b2538873118b7",
	RTMR0: "0x4f3d617a1c89bd9a89ea146c15b04383b7db7318f41a851802bba8eace5a6cf71050e65f65fd50176e4f006764a42643",
	RTMR1: "0x53827a034d1e4c7f13fd2a12aee4497e7097f15a04794553e12fe73e2ffb8bd57585e771951115a13ec4d7e6bc193038",
	RTMR2: "0x2ca1a728ff13c36195ad95e8f725bf00d7f9c5d6ed730fb8f50cccad692ab81aefc83d594819375649be934022573528",
};
const NOBODY = "0x" + "00".repeat(20);
// Dev mode never calls the quote verifier, but its constructor argument must not be zero.
const NO_DCAP = "0x00000000000000000000000000000000000000AA";
const MIN_DELAY_SECONDS = 30;
const ZERO = "0x" + "00".repeat(32);

const here = dirname(fileURLToPath(import.meta.url));

function artifact(name) {
	const path = join(here, "out", `${name}.json`);
	if (!existsSync(path)) throw new Error(`${path} is missing: run node contracts/compile.mjs first`);
	return JSON.parse(readFileSync(path));
}

// The ABI type of a constructor argument, tuples spelt out as cast wants them.
function typeOf(input) {
	if (!input.type.startsWith("tuple")) return input.type;
	return `(${input.components.map(typeOf).join(",")})${input.type.slice("tuple".length)}`;
}

async function deploy(rpc, from, name, args) {
	const { abi, bytecode } = artifact(name);
	const inputs = abi.find((entry) => entry.type === "constructor")?.inputs ?? [];
	const encoded = cast("abi-encode", `constructor(${inputs.map(typeOf).join(",")})`, ...args);
	const receipt = await rpc.send({ from, data: bytecode + encoded.slice(2) });
	console.log(`${name} at ${receipt.contractAddress} (${Number(receipt.gasUsed)} gas)`);
	return receipt.contractAddress;
}

/** A further proof type that is required: its verifier and key must be told. */
function otherType(env, type) {
	if (!isTrue(env[`ETHREX_L2_${type}`])) return { required: false, verifier: NOBODY, vk: ZERO };
	const verifier = env[`ETHREX_DEPLOYER_${type}_VERIFIER_ADDRESS`];
	const vk = env[`ETHREX_DEPLOYER_${type}_VK`];
	if (!verifier || !vk)
		throw new Error(`ETHREX_L2_${type} needs ETHREX_DEPLOYER_${type}_VERIFIER_ADDRESS and ETHREX_DEPLOYER_${type}_VK`);
	return { required: true, verifier, vk };
}

function settings(env) {
	const tdx = isTrue(env.ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER) || isTrue(env.ETHREX_L2_TDX);
	const devMode = isTrue(env.ETHREX_TDX_DEV_MODE);
	const dcap = env.ETHREX_DEPLOYER_DCAP_ADDRESS || (devMode ? NO_DCAP : undefined);
	if (tdx && !dcap)
		throw new Error("a TDXVerifier that checks quotes needs ETHREX_DEPLOYER_DCAP_ADDRESS; without one set ETHREX_TDX_DEV_MODE=true");
	const measurements = Object.entries(MEASUREMENTS).map(([name, known]) => {
		const value = env[`ETHREX_DEPLOYER_TDX_${name}`] || known;
		if (!/^(0x)?[0-9a-fA-F]{96}$/.test(value)) throw new Error(`ETHREX_DEPLOYER_TDX_${name} is not 48 bytes of hex: ${value}`);
		return "0x" + value.replace(/^0x/, "").toLowerCase();
	});
	return {
		tdx,
		devMode,
		dcap,
		measurements,
		sp1: otherType(env, "SP1"),
		risc0: otherType(env, "RISC0"),
		commitHash: env.ETHREX_DEPLOYER_COMMIT_HASH || "52e4b64",
		genesisStateRoot: env.ETHREX_DEPLOYER_GENESIS_STATE_ROOT || new Chain().genesisStateRoot,
	};
}

async function alreadyThere(rpc, envFile, wanted) {
	if (!existsSync(envFile)) return false;
	const env = readEnvFile(envFile);
	if (env.ETHREX_DEPLOYER_SETTINGS !== wanted) return false;
	for (const name of ["ETHREX_TIMELOCK_ADDRESS", "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", "ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS"])
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

	// Timelock and bridge must know the proposer, which must know them: it comes last, and a
	// contract's address follows from its deployer's nonce.
	const nonce = Number(await rpc.call("eth_getTransactionCount", deployer, "latest"));
	const last = nonce + (s.tdx ? 3 : 2);
	const [foreseen] = cast("compute-address", deployer, "--nonce", String(last)).match(/0x[0-9a-fA-F]{40}/);
	const bridge = await deploy(rpc, deployer, "DevnetBridge", [foreseen]);
	const timelock = await deploy(rpc, deployer, "Timelock", [
		String(MIN_DELAY_SECONDS), `[${committer},${sender},${registrar}]`, `[${deployer}]`, deployer, foreseen,
	]);
	const tdxVerifier = s.tdx
		? await deploy(rpc, deployer, "TDXVerifier", [s.dcap, timelock, String(s.devMode), ...s.measurements])
		: NOBODY;
	const proposer = await deploy(rpc, deployer, "OnChainProposer", [
		"(" + [
			true, timelock, s.risc0.required, s.sp1.required, s.tdx, false,
			s.risc0.verifier, s.sp1.verifier, tdxVerifier, s.sp1.vk, s.risc0.vk,
			cast("keccak", s.commitHash), s.genesisStateRoot, L2_CHAIN_ID, bridge,
		].join(",") + ")",
	]);
	if (proposer.toLowerCase() !== foreseen.toLowerCase())
		throw new Error(`the OnChainProposer is at ${proposer}, not at ${foreseen}: somebody else used ${deployer} meanwhile; run again`);

	const env = {
		ETHREX_ETH_RPC_URL: values.rpc,
		ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS: proposer,
		ETHREX_TIMELOCK_ADDRESS: timelock,
		ETHREX_WATCHER_BRIDGE_ADDRESS: bridge,
		ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS: tdxVerifier,
		ETHREX_DEPLOYER_SP1_VERIFIER_ADDRESS: s.sp1.verifier,
		ETHREX_DEPLOYER_RISC0_VERIFIER_ADDRESS: s.risc0.verifier,
		ETHREX_DEPLOYER_COMMITTER_L1_ADDRESS: committer,
		ETHREX_DEPLOYER_PROOF_SENDER_L1_ADDRESS: sender,
		ETHREX_DEPLOYER_TDX_REGISTRAR_L1_ADDRESS: registrar,
		ETHREX_DEPLOYER_GENESIS_STATE_ROOT: s.genesisStateRoot,
		ETHREX_DEPLOYER_SETTINGS: fingerprint,
	};
	const text = Object.entries(env).map(([key, value]) => `${key}=${value}\n`).join("");
	mkdirSync(dirname(values.env), { recursive: true });
	writeFileSync(values.env + ".tmp", text);
	renameSync(values.env + ".tmp", values.env);
}

main().catch(die("deploy"));
