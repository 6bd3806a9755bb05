// Compiles src/ and test-src/ into out/NAME.json ({contractName, abi, bytecode}) with the pinned
// solc-js. Same sources, same bytes; nothing is done when neither sources nor compiler changed.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "out");
const stamp = join(out, ".inputs-sha256");
const require = createRequire(import.meta.url);

const sources = {};
for (const dir of ["src", "src/dcap", "test-src"])
	for (const name of readdirSync(join(here, dir)).filter((n) => n.endsWith(".sol")).sort())
		sources[`${dir}/${name}`] = { content: readFileSync(join(here, dir, name), "utf8") };

const hash = createHash("sha256");
for (const file of ["package-lock.json", "compile.mjs"]) hash.update(readFileSync(join(here, file)));
hash.update(JSON.stringify(sources));
const inputs = hash.digest("hex");
if (existsSync(stamp) && readFileSync(stamp, "utf8") === inputs) process.exit(0);

// The quote verifier would not fit into the 24,576 bytes of a contract if it were made for speed.
const isDcap = (file) => /[/]Dcap[A-Z]|[/]dcap[/]/.test(file);

const inputFor = (files, runs, evmVersion) => ({
	language: "Solidity",
	sources: Object.fromEntries(files.map((file) => [file, sources[file]])),
	settings: {
		viaIR: true,
		optimizer: { enabled: true, runs },
		evmVersion,
		metadata: { bytecodeHash: "none" },
		// What lies in a directory of its own is part of a contract above it.
		outputSelection: Object.fromEntries(
			files.filter((file) => file.split("/").length === 2).map((file) => [file, { "*": ["abi", "evm.bytecode.object"] }]),
		),
	},
});

function findImport(path) {
	const file = join(here, "node_modules", path);
	return existsSync(file) ? { contents: readFileSync(file, "utf8") } : { error: "not found" };
}

const solc = require("solc");
const files = Object.keys(sources);
const results = [
	inputFor(files.filter((file) => !isDcap(file)), 10000, "prague"),
	inputFor(files.filter(isDcap), 200, "osaka"),
].map((input) => JSON.parse(solc.compile(JSON.stringify(input), { import: findImport })));
// A warning is an error here; those of the library are not ours to mend.
const ours = results.flatMap((result) => result.errors ?? []).filter(
	(e) => e.severity === "error" || !e.sourceLocation?.file.startsWith("@openzeppelin/"),
);
if (ours.length) {
	for (const e of ours) process.stderr.write(e.formattedMessage + "\n");
	process.exit(1);
}

const fresh = join(here, `out.tmp.${process.pid}`);
mkdirSync(fresh);
let count = 0;
const compiled = results.flatMap((result) => Object.values(result.contracts ?? {}).flatMap(Object.entries));
for (const [name, contract] of compiled) {
	if (!contract.evm.bytecode.object) continue; // an interface
	const artifact = { contractName: name, abi: contract.abi, bytecode: "0x" + contract.evm.bytecode.object };
	writeFileSync(join(fresh, `${name}.json`), JSON.stringify(artifact, null, 1) + "\n");
	count++;
}
writeFileSync(join(fresh, ".inputs-sha256"), inputs);
rmSync(out, { recursive: true, force: true });
renameSync(fresh, out);
console.log(`compiled ${count} contracts with solc ${solc.version()}`);
