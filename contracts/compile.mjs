// Compiles the contracts into out/NAME.json ({contractName, abi, bytecode, deployedBytecode}) with the pinned solc-js.
// Same sources, same bytes; a group is left alone while neither its sources nor the compiler changed.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
	existsSync,
	mkdirSync,
	readFileSync,
	readdirSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const USAGE = `usage: compile.mjs [GROUP...]   without one: all, side by side
  devnet  the L1 side of a devnet (seconds)
  dcap    the on-chain quote verifier (more than a minute)
  l2      what a devnet's L2 holds
  tests   what the tests deploy beside them
`;

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "out");

// The quote verifier would not fit into the 24,576 bytes of a contract if it were made for speed.
const isDcap = (file) => /[/]Dcap[A-Z]|[/]dcap[/]/.test(file);
const GROUPS = {
	devnet: {
		has: (file) => file.startsWith("src/") && !isDcap(file),
		runs: 10000,
		evmVersion: "prague",
	},
	dcap: { has: isDcap, runs: 200, evmVersion: "osaka" },
	l2: { has: (file) => file.startsWith("l2-src/"), runs: 10000, evmVersion: "prague" },
	tests: { has: (file) => file.startsWith("test-src/"), runs: 10000, evmVersion: "prague" },
};

const sources = {};
for (const dir of ["src", "src/dcap", "l2-src", "test-src"])
	for (const name of readdirSync(join(here, dir))
		.filter((n) => n.endsWith(".sol"))
		.sort())
		sources[`${dir}/${name}`] = { content: readFileSync(join(here, dir, name), "utf8") };

function findImport(path) {
	if (sources[path]) return { contents: sources[path].content };
	const file = join(here, "node_modules", path);
	return existsSync(file) ? { contents: readFileSync(file, "utf8") } : { error: "not found" };
}

/** Everything that a group's bytes depend on: test contracts may import from src. */
function inputsOf(name, files) {
	const hash = createHash("sha256").update(name);
	for (const file of ["package-lock.json", "compile.mjs"])
		hash.update(readFileSync(join(here, file)));
	const read = name === "tests" ? Object.keys(sources).filter((file) => !isDcap(file)) : files;
	return hash.update(JSON.stringify(read.map((file) => [file, sources[file]]))).digest("hex");
}

function compile(name) {
	const { has, runs, evmVersion } = GROUPS[name];
	const files = Object.keys(sources).filter(has);
	const stamp = join(out, `.group-${name}.json`);
	const inputs = inputsOf(name, files);
	const before = existsSync(stamp) ? JSON.parse(readFileSync(stamp)) : { names: [] };
	if (before.inputs === inputs && before.names.every((n) => existsSync(join(out, `${n}.json`))))
		return;

	const input = {
		language: "Solidity",
		sources: Object.fromEntries(files.map((file) => [file, sources[file]])),
		settings: {
			viaIR: true,
			optimizer: { enabled: true, runs },
			evmVersion,
			metadata: { bytecodeHash: "none", appendCBOR: false },
			// What lies in a directory of its own is part of a contract above it.
			outputSelection: Object.fromEntries(
				files
					.filter((file) => file.split("/").length === 2)
					.map((file) => [
						file,
						{ "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] },
					]),
			),
		},
	};
	const solc = createRequire(import.meta.url)("solc");
	const result = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
	// A warning is an error here; those of the library are not ours to mend.
	const ours = (result.errors ?? []).filter(
		(e) => e.severity === "error" || !e.sourceLocation?.file.startsWith("@openzeppelin/"),
	);
	if (ours.length) {
		for (const e of ours) process.stderr.write(e.formattedMessage + "\n");
		process.exit(1);
	}

	mkdirSync(out, { recursive: true });
	rmSync(stamp, { force: true });
	for (const old of before.names) rmSync(join(out, `${old}.json`), { force: true });
	const names = [];
	for (const [contractName, contract] of Object.values(result.contracts ?? {}).flatMap(
		Object.entries,
	)) {
		if (!contract.evm.bytecode.object) continue; // an interface
		const artifact = {
			contractName,
			abi: contract.abi,
			bytecode: "0x" + contract.evm.bytecode.object,
			deployedBytecode: "0x" + contract.evm.deployedBytecode.object,
		};
		const fresh = join(out, `${contractName}.tmp.${process.pid}`);
		writeFileSync(fresh, JSON.stringify(artifact, null, 1) + "\n");
		renameSync(fresh, join(out, `${contractName}.json`));
		names.push(contractName);
	}
	const fresh = `${stamp}.tmp.${process.pid}`;
	writeFileSync(fresh, JSON.stringify({ inputs, names }) + "\n");
	renameSync(fresh, stamp);
	console.log(`compiled ${names.length} contracts (${name}) with solc ${solc.version()}`);
}

const wanted = process.argv.slice(2);
if (wanted.some((name) => !GROUPS[name])) {
	process.stderr.write(USAGE);
	process.exit(2);
}
if (wanted.length === 1) {
	compile(wanted[0]);
} else {
	const one = (name) =>
		new Promise((done) => {
			spawn(process.execPath, [fileURLToPath(import.meta.url), name], { stdio: "inherit" }).on(
				"exit",
				done,
			);
		});
	const codes = await Promise.all((wanted.length ? wanted : Object.keys(GROUPS)).map(one));
	process.exit(codes.some((code) => code !== 0) ? 1 : 0);
}
