// What the deployer and the devnet sequencer share: cast, JSON-RPC, env files.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const castBinary = join(dirname(fileURLToPath(import.meta.url)), "node_modules", ".bin", "cast");

/** Runs cast offline (ABI encoding, addresses); returns its one line of output. */
export function cast(...args) {
	return execFileSync(castBinary, args, {
		encoding: "utf8",
		stdio: ["ignore", "pipe", "pipe"],
	}).trim();
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The node answered, and the answer is an error: repeating the call will not help. */
export class RpcError extends Error {}

/** A JSON-RPC endpoint whose accounts are unlocked (anvil's): no private key is needed here. */
export class Rpc {
	constructor(url) {
		this.url = url;
		this.id = 0;
	}

	async call(method, ...params) {
		const reply = await fetch(this.url, {
			method: "POST",
			headers: { "content-type": "application/json" },
			body: JSON.stringify({ jsonrpc: "2.0", id: ++this.id, method, params }),
			signal: AbortSignal.timeout(15000),
		});
		const answer = await reply.json();
		if (answer.error) {
			const data = typeof answer.error.data === "string" ? ` data ${answer.error.data}` : "";
			throw new RpcError(`${method}: ${answer.error.message}${data}`);
		}
		return answer.result;
	}

	/** One 32-byte word from a getter without arguments. */
	async read(address, getter) {
		return BigInt(
			await this.call("eth_call", { to: address, data: cast("sig", getter) }, "latest"),
		);
	}

	async hasCode(address) {
		return (await this.call("eth_getCode", address, "latest")).length > 2;
	}

	/** Sends from an unlocked account and returns the receipt of a transaction that succeeded. */
	async send(tx, deadlineMs = 60000) {
		// A dry run: anvil mines what reverts, and its receipt would not tell the reason.
		await this.call("eth_call", tx, "latest");
		const hash = await this.call("eth_sendTransaction", tx);
		let unknown = 0; // how often in a row the node did not know the transaction at all
		for (const end = Date.now() + deadlineMs; Date.now() < end; await sleep(100)) {
			const receipt = await this.call("eth_getTransactionReceipt", hash);
			if (!receipt) {
				unknown = (await this.call("eth_getTransactionByHash", hash)) ? 0 : unknown + 1;
				if (unknown === 10)
					throw new Error(`transaction ${hash} is gone: L1 went back, or dropped it`);
				continue;
			}
			if (BigInt(receipt.status) !== 1n) throw new RpcError(`transaction ${hash} reverted`);
			return receipt;
		}
		throw new Error(`transaction ${hash} has no receipt after ${deadlineMs / 1000} s`);
	}
}

/** KEY=VALUE lines; empty lines and # comments are skipped. */
export function readEnvFile(path) {
	const env = {};
	for (const line of readFileSync(path, "utf8").split("\n")) {
		const eq = line.indexOf("=");
		if (eq > 0 && !line.startsWith("#")) env[line.slice(0, eq).trim()] = line.slice(eq + 1).trim();
	}
	return env;
}

export function isTrue(value) {
	if (value === undefined || value === "" || value === "false" || value === "0") return false;
	if (value === "true" || value === "1") return true;
	throw new Error(`"${value}" is neither true nor false`);
}

/** Ends the program with one sentence instead of a stack trace. */
export function die(program) {
	return (error) => {
		process.stderr.write(`${program}: ${error.stderr || error.cause?.message || error.message}\n`);
		process.exit(1);
	};
}
