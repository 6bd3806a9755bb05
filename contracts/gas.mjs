// Measures what every step costs on a fresh chain and writes GAS.md, or with --print to standard
// output.
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withAnvil } from "./anvil.mjs";
import { deployContract } from "./artifacts.mjs";
import {
	callWithBytes,
	evaluation,
	leafOf,
	leafOnly,
	loadNumbers,
	loadVector,
	needVectors,
	quoteExample,
	upload,
} from "./dcap.mjs";
import { forgeCa, serials } from "./forge.mjs";
import { MEASUREMENTS } from "./measurements.mjs";
import { cast, die } from "./tools.mjs";

const ZERO = "0x" + "00".repeat(32);
const LONG_CRL = 129; // entries; Intel's longest so far
const MOST = 1226; // entries that a stored CRL may have
const CRL_SERIALS = 53; // where they begin in the code of a stored CRL: STOP, hash, signer

/** Where a contract's n-th creation lands. */
const created = (by, n) =>
	cast("compute-address", by, "--nonce", String(n)).match(/0x[0-9a-fA-F]{40}/)[0];

class Table {
	constructor() {
		this.rows = [];
	}

	add(step, gas, automata = "") {
		this.rows.push([step, Number(gas), automata]);
	}

	toString() {
		const number = (n) => (n === "" ? "" : n.toLocaleString("en"));
		const lines = this.rows.map(
			([step, gas, automata]) => `| ${step} | ${number(gas)} | ${number(automata)} |`,
		);
		return ["| step | gas | Automata v1.0, same precompile |", "|---|---:|---:|", ...lines].join(
			"\n",
		);
	}
}

/** Sends, and returns the gas used. */
async function gasOf(rpc, from, to, data) {
	return (await rpc.send({ from, to, data })).gasUsed;
}

async function sample(table, manifest) {
	const first = loadVector(manifest, "seed_quote_example"),
		later = loadVector(manifest, "pos0001");
	const six = loadVector(manifest, "pos0004"),
		quote = quoteExample(),
		short = leafOnly(quote);
	await withAnvil(first.now, async (rpc) => {
		const [me] = await rpc.call("eth_accounts");
		const deployed = await deployContract(rpc, me, "DcapVerifier", [
			ZERO,
			ZERO,
			...evaluation("standard"),
		]);
		const dcap = deployed.contractAddress;
		const put = (piece, bytes) => gasOf(rpc, me, dcap, upload[piece](bytes));
		table.add("deploy DcapVerifier", deployed.gasUsed, 33010000);
		table.add("upload the root certificate", await put("root", first.root), 800890);
		table.add("upload the root CRL", await put("rootCrl", first.rootCrl), 558972);
		table.add("upload the PCK Platform CA", await put("ca", first.ca), 904365);
		table.add("upload the TCB signing certificate", await put("signing", first.signing), 905988);
		table.add("upload a PCK CRL, 44 entries", await put("pckCrl", first.pckCrl), 3185943);
		table.add("upload the list of evaluation numbers, 3", await put("numbers", loadNumbers("06")));
		table.add("upload the QE identity", await put("identity", first.identity), 1457119);
		table.add("upload TCB info, 2 levels", await put("tcbInfo", first.tcbInfo), 5834691);

		const timelock = (
			await deployContract(rpc, me, "Timelock", ["30", `[${me}]`, `[${me}]`, me, me])
		).contractAddress;
		const verifier = await deployContract(rpc, me, "TDXVerifier", [
			dcap,
			timelock,
			"false",
			...Object.values(MEASUREMENTS),
		]);
		const register = (bytes) =>
			gasOf(rpc, me, verifier.contractAddress, callWithBytes("register(bytes)", bytes));
		const verify = (entry) => gasOf(rpc, me, dcap, callWithBytes(`${entry}(bytes)`, quote));
		table.add(
			"verifyAndAttestOnChain, 5,006 bytes, 44-entry CRL",
			await verify("verifyAndAttestOnChain"),
			3776019,
		);
		table.add("verifyAndAttestOnChainV11, the same", await verify("verifyAndAttestOnChainV11"));
		table.add("register, 5,006 bytes, first", await register(quote), 3897357);
		table.add("register, again", await register(quote), 3877457);
		table.add(
			`register, leaf only (${short.length.toLocaleString("en")} bytes), again`,
			await register(short),
		);
		table.add("cache the PCK certificate", await put("leaf", leafOf(quote)));
		table.add("register, leaf only, cached, again", await register(short));

		// The PCK CRL was the fifth piece, the parsers the contract's first two creations.
		const blob = created(dcap, 7),
			code = await rpc.call("eth_getCode", blob, "latest");
		const long =
			code.slice(0, 2 + 2 * CRL_SERIALS) +
			serials(LONG_CRL)
				.map((s) => s.toString("hex"))
				.join("");
		await rpc.call("anvil_setCode", blob, long);
		table.add(`register, again, ${LONG_CRL}-entry CRL in place of that one`, await register(quote));
		await rpc.call("anvil_setCode", blob, code);

		const wind = async (time) => {
			await rpc.call("evm_setNextBlockTimestamp", time);
			await rpc.call("evm_mine");
		};
		await wind(six.now);
		table.add("renew the root CRL", await put("rootCrl", six.rootCrl));
		table.add("renew the PCK CRL, 57 entries", await put("pckCrl", six.pckCrl));
		table.add(
			"upload the QE identity of another number",
			await put("identity", six.identity),
			1200000,
		);
		table.add("upload TCB info, 6 levels", await put("tcbInfo", six.tcbInfo), 14750000);
		await wind(later.now);
		table.add("upload TCB info, 3 levels", await put("tcbInfo", later.tcbInfo));
	});
}

async function longCrl(table) {
	const now = 1768435200,
		forged = forgeCa(now);
	await withAnvil(now, async (rpc) => {
		const [me] = await rpc.call("eth_accounts");
		const dcap = (
			await deployContract(rpc, me, "DcapVerifier", [...forged.rootKey, ...evaluation("standard")])
		).contractAddress;
		await gasOf(rpc, me, dcap, upload.root(forged.root));
		await gasOf(rpc, me, dcap, upload.ca(forged.ca));
		const before = await rpc.call("evm_snapshot");
		const crl = (entries) => gasOf(rpc, me, dcap, upload.pckCrl(forged.crl(entries)));
		table.add(`upload a PCK CRL, ${LONG_CRL} entries (forged)`, await crl(LONG_CRL), 27370000);
		await rpc.call("evm_revert", before);
		table.add(
			`upload a PCK CRL, ${MOST.toLocaleString("en")} entries, the most (forged)`,
			await crl(MOST),
		);
	});
}

async function main() {
	const table = new Table();
	await sample(table, needVectors());
	await longCrl(table);
	const text = `# Gas of DcapVerifier

Whole transactions, calldata included, on anvil with hardfork osaka and the cap of 16,777,216 gas a
transaction; the sample quote of ethrex's documentation and real collateral of its time. The other
column: Automata's contracts v1.0, which ethrex deploys, measured in the same way; what exceeds the
cap cannot be sent. The evaluation number is the standard one; a fixed one saves 2,514 gas a quote. A
CRL of more than ${MOST.toLocaleString("en")} entries is refused. \`node contracts/gas.mjs\` writes this file; a test
compares it with what is measured.

${table}
`;
	if (process.argv[2] === "--print") process.stdout.write(text);
	else writeFileSync(join(dirname(fileURLToPath(import.meta.url)), "GAS.md"), text);
}

main().catch(die("gas"));
