// Registers the sample quote on a fresh chain, from nothing: verifier, real collateral, TDXVerifier.
import { withAnvil } from "./anvil.mjs";
import { deployContract } from "./artifacts.mjs";
import {
	callWithBytes,
	evaluation,
	loadNumbers,
	loadVector,
	needVectors,
	quoteExample,
	upload,
} from "./dcap.mjs";
import { MEASUREMENTS } from "./measurements.mjs";
import { die } from "./tools.mjs";

const ZERO = "0x" + "00".repeat(32);

async function main() {
	const vector = loadVector(needVectors(), "seed_quote_example");
	const quote = quoteExample();
	console.log(
		`chain time ${new Date(vector.now * 1000).toISOString()}, hardfork osaka, 16,777,216 gas a transaction at most`,
	);
	await withAnvil(vector.now, async (rpc) => {
		const [me] = await rpc.call("eth_accounts");
		const say = (what, { gasUsed }) =>
			console.log(`${what.padEnd(40)}${Number(gasUsed).toLocaleString("en").padStart(12)} gas`);
		const deploy = async (name, args) => {
			const receipt = await deployContract(rpc, me, name, args);
			say(`deploy ${name}`, receipt);
			return receipt.contractAddress;
		};
		const dcap = await deploy("DcapVerifier", [ZERO, ZERO, ...evaluation("standard")]);
		const pieces = { ...vector, numbers: loadNumbers("06") };
		for (const piece of [
			"root",
			"rootCrl",
			"ca",
			"signing",
			"pckCrl",
			"numbers",
			"identity",
			"tcbInfo",
		])
			say(
				`upload ${piece}`,
				await rpc.send({ from: me, to: dcap, data: upload[piece](pieces[piece]) }),
			);
		const timelock = await deploy("Timelock", ["30", `[${me}]`, `[${me}]`, me, me]);
		const verifier = await deploy("TDXVerifier", [
			dcap,
			timelock,
			"false",
			...Object.values(MEASUREMENTS),
		]);
		const data = callWithBytes("register(bytes)", quote);
		say(
			`register, a quote of ${quote.length} bytes`,
			await rpc.send({ from: me, to: verifier, data }),
		);
		const signer = (await rpc.read(verifier, "authorizedSignature()"))
			.toString(16)
			.padStart(40, "0");
		console.log(`authorizedSignature: 0x${signer}`);
	});
}

main().catch(die("register-example"));
