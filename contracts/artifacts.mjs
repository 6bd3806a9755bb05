// What compile.mjs made, and how it gets onto a chain.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cast } from "./tools.mjs";

const here = dirname(fileURLToPath(import.meta.url));

export function artifact(name) {
	const path = join(here, "out", `${name}.json`);
	if (!existsSync(path))
		throw new Error(`${path} is missing: run node contracts/compile.mjs first`);
	return JSON.parse(readFileSync(path));
}

// The ABI type of a constructor argument, tuples spelt out as cast wants them.
function typeOf(input) {
	if (!input.type.startsWith("tuple")) return input.type;
	return `(${input.components.map(typeOf).join(",")})${input.type.slice("tuple".length)}`;
}

/** Deploys a contract of out/ from an unlocked account; returns the receipt. */
export async function deployContract(rpc, from, name, args) {
	const { abi, bytecode } = artifact(name);
	const inputs = abi.find((entry) => entry.type === "constructor")?.inputs ?? [];
	const encoded = cast("abi-encode", `constructor(${inputs.map(typeOf).join(",")})`, ...args);
	return rpc.send({ from, data: bytecode + encoded.slice(2) });
}
