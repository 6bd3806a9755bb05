// A stand-in for ethrex's sequencer, for the devnet and the tests: gives each batch's input to
// the coordinator (PUT) and then commits the batch on L1, as ethrex stores an input before it
// commits. Batches come from the block builder (--builder), which executes them, or are made up
// (batches.mjs); both are the same on every run, so it resumes wherever the chain is, and gives an
// input once more when the coordinator says that its copy broke.
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { parseArgs } from "node:util";
import { Rpc, RpcError, cast, die, readEnvFile, sleep } from "../tools.mjs";
import { Chain } from "./batches.mjs";
import { BuiltChain } from "./builder.mjs";

const USAGE = `usage: sequencer.mjs --env FILE --admin URL --token-file FILE [options]
  --env FILE           the deployer's output (addresses, RPC URL)
  --admin URL[,URL...] the coordinator's admin listener, http://127.0.0.1:PORT or unix:/PATH; of several
                       coordinators of one store, each: the first that answers is asked
  --token-file FILE    its bearer token
  --rpc URL            L1 node (default: ETHREX_ETH_RPC_URL of the env file)
  --commit-hash HASH   code version that the batches are for (default: 52e4b64)
  --interval SECONDS   between batches (default: BATCH_INTERVAL, else 5)
  --builder PROGRAM    l2-block-builder of sequencer/ (default: made-up batches that nobody executed)
  --setup FILE         what genesis.mjs wrote, for --builder
  --blocks N, --load N blocks a batch, further transactions a block, for --builder (default: 2, 0)
  --transactions KIND  what a block holds, for --builder: usual, none or full (default: usual)
  --rollup             each commit carries its batch as a blob, for --builder (default: validium)
  --batches N          stop after batch N (default: never)
  --max-unverified N   pause while N batches wait for verification, 0 = never (default: 32)
`;
const ZERO = "0x" + "00".repeat(32);
const RETRY_MS = 1000;
const COMMIT_BATCH =
	"commitBatch(uint256,bytes32,bytes32,bytes32,bytes32,uint256,bytes32," +
	"(uint256,uint256,(address,address,address,uint256)[],bytes32[])[],(uint256,bytes32)[])";

function log(line) {
	console.log(`${new Date().toISOString()} ${line}`);
}

function number(text, name) {
	const n = Number(text);
	if (!Number.isFinite(n) || n < 0) throw new Error(`--${name} ${text} is not a number`);
	return n;
}

function options() {
	const { values } = parseArgs({
		options: {
			env: { type: "string" },
			admin: { type: "string" },
			"token-file": { type: "string" },
			rpc: { type: "string" },
			"commit-hash": { type: "string", default: "52e4b64" },
			interval: { type: "string", default: process.env.BATCH_INTERVAL || "5" },
			builder: { type: "string" },
			setup: { type: "string" },
			blocks: { type: "string", default: "2" },
			load: { type: "string", default: "0" },
			transactions: { type: "string", default: "usual" },
			rollup: { type: "boolean", default: false },
			batches: { type: "string", default: "Infinity" },
			"max-unverified": { type: "string", default: "32" },
			help: { type: "boolean" },
		},
	});
	if (values.help) {
		process.stdout.write(USAGE);
		process.exit(0);
	}
	for (const name of ["env", "admin", "token-file"])
		if (!values[name]) throw new Error(`--${name} is missing\n${USAGE}`);
	if (!/^[0-9a-f]{7,40}$/.test(values["commit-hash"]))
		throw new Error(`--commit-hash ${values["commit-hash"]} is not 7 to 40 hex digits`);
	if (values.builder && !values.setup) throw new Error(`--builder needs --setup\n${USAGE}`);
	const env = readEnvFile(values.env);
	return {
		builder: values.builder && [
			values.builder,
			values.setup,
			"build",
			"--blocks",
			values.blocks,
			"--load",
			values.load,
			"--transactions",
			values.transactions,
			...(values.rollup ? ["--rollup"] : []),
		],
		bridge: env.ETHREX_WATCHER_BRIDGE_ADDRESS,
		admin: values.admin.split(","),
		tokenFile: values["token-file"],
		commitHash: values["commit-hash"],
		intervalMs: number(values.interval, "interval") * 1000,
		lastBatch: values.batches === "Infinity" ? Infinity : number(values.batches, "batches"),
		maxUnverified: number(values["max-unverified"], "max-unverified") || Infinity,
		rpc: new Rpc(values.rpc || env.ETHREX_ETH_RPC_URL),
		proposer: env.ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS,
		timelock: env.ETHREX_TIMELOCK_ADDRESS,
		committer: env.ETHREX_DEPLOYER_COMMITTER_L1_ADDRESS,
		genesisStateRoot: env.ETHREX_DEPLOYER_GENESIS_STATE_ROOT,
	};
}

/** One request to one admin listener; resolves to {status, text}. The token is read each time: the
 * coordinator makes it. */
function askOne(o, admin, method, path, body) {
	const unix = admin.startsWith("unix:") ? admin.slice(5) : null;
	const target = unix ? { socketPath: unix, path, host: "localhost" } : new URL(path, admin);
	return new Promise((resolve, reject) => {
		const headers = {
			authorization: `Bearer ${readFileSync(o.tokenFile, "utf8").trim()}`,
			"content-type": "application/json",
			"content-length": body.length,
		};
		const handle = (reply) => {
			let text = "";
			reply.setEncoding("utf8");
			reply.on("data", (chunk) => (text += chunk));
			reply.on("end", () => resolve({ status: reply.statusCode, text: text.trim() }));
			reply.on("error", reject);
		};
		const call = unix
			? request({ ...target, method, headers, timeout: 60000 }, handle)
			: request(target, { method, headers, timeout: 60000 }, handle);
		call.on("timeout", () => call.destroy(new Error("no answer within 60 s")));
		call.on("error", reject);
		call.end(body);
	});
}

/** The same to whichever coordinator answers. One that does not is the last to be asked again. */
async function ask(o, method, path, body = Buffer.alloc(0)) {
	for (let left = o.admin.length; ; left--) {
		try {
			return await askOne(o, o.admin[0], method, path, body);
		} catch (error) {
			if (left <= 1) throw error;
			o.admin.push(o.admin.shift());
		}
	}
}

async function storeInput(o, batch) {
	const path = `/api/v1/batches/${batch.number}?commit_hash=${o.commitHash}`;
	for (let said = ""; ; await sleep(RETRY_MS)) {
		let trouble;
		try {
			const { status, text } = await ask(o, "PUT", path, batch.bytes);
			if (status === 201 || status === 200) return status;
			trouble = `${status} ${text}`;
			// Only what may pass by itself is repeated: too many requests, no room, restarting.
			if (status < 500 && status !== 408 && status !== 429)
				throw new RpcError(`batch ${batch.number}: the coordinator refuses the input: ${trouble}`);
		} catch (error) {
			if (error instanceof RpcError) throw error;
			trouble = error.message;
		}
		if (trouble !== said) log(`batch ${batch.number}: input not stored yet: ${trouble}`);
		said = trouble;
	}
}

/** Batches whose inputs the coordinator had and cannot read any more; none while it does not answer. */
async function brokenInputs(o) {
	try {
		const { status, text } = await ask(o, "GET", "/api/v1/status");
		const broken = status === 200 ? JSON.parse(text).work.inputs_broken : [];
		return broken.filter((b) => b.commit_hash === o.commitHash).map((b) => b.batch);
	} catch {
		return [];
	}
}

/** What makes a transaction one of type 3 that carries the batch's blob. */
function blobFields(batch) {
	if (!batch.blob) return {};
	return {
		...batch.blob,
		blobVersionedHashes: [batch.versionedHash],
		maxFeePerBlobGas: "0x3b9aca00",
	};
}

async function commit(o, batch) {
	const calldata = cast(
		"calldata",
		COMMIT_BATCH,
		String(batch.number),
		batch.stateRoot,
		batch.withdrawalsRoot,
		batch.privilegedDigest,
		batch.lastBlockHash,
		String(batch.nonPrivileged),
		cast("keccak", o.commitHash),
		"[]",
		"[]",
	);
	return o.rpc.send({ from: o.committer, to: o.timelock, data: calldata, ...blobFields(batch) });
}

/** Repeats while the node is unreachable; an answer, good or bad, ends it. */
async function insist(what, action) {
	for (let said = ""; ; await sleep(RETRY_MS)) {
		try {
			return await action();
		} catch (error) {
			if (error instanceof RpcError) throw error;
			const trouble = error.cause?.message || error.message;
			if (trouble !== said) log(`${what}: ${trouble}`);
			said = trouble;
		}
	}
}

/** The made-up batches, with the fields of built ones. */
class MadeUpChain {
	chain = new Chain();

	async batch(n) {
		const batch = this.chain.batch(n);
		return {
			...batch,
			lastBlockHash: batch.last.hash,
			withdrawalsRoot: ZERO,
			privilegedDigest: ZERO,
		};
	}

	forget() {}
	close() {}
}

function madeUp(o) {
	const made = new MadeUpChain();
	const chain = made.chain;
	if (o.genesisStateRoot && o.genesisStateRoot !== chain.genesisStateRoot)
		throw new Error(
			`the contract starts from state root ${o.genesisStateRoot}, batch 1 from ` +
				`${chain.genesisStateRoot}: deploy again, or set VECTORS_DIR as it was then`,
		);
	log(
		`batch 1 is ${chain.startsWithRealBlock ? "the real block" : "generated"}: ${chain.first.last.hash}`,
	);
	return made;
}

async function main() {
	const o = options();
	const source = o.builder ? new BuiltChain(o.builder, o) : madeUp(o);
	const batchOf = async (n) => ({ ...(await source.batch(n)), number: n });
	const read = (getter) => insist(getter, () => o.rpc.read(o.proposer, getter)).then(Number);
	const again = async (n, why) =>
		log(`batch ${n}: ${why}, input given again (${await storeInput(o, await batchOf(n))})`);

	let seen = { committed: Infinity, verified: Infinity };
	for (;;) {
		const committed = await read("lastCommittedBatch()");
		const verified = await read("lastVerifiedBatch()");
		// At the start, and when L1 went back: the coordinator may have lost or dropped these.
		const wentBack = committed < seen.committed || verified < seen.verified;
		if (wentBack) source.forget();
		for (let n = verified + 1; wentBack && n <= committed; n++) await again(n, "already committed");
		for (const n of await brokenInputs(o))
			if (n > verified && n <= committed) await again(n, "broken in the coordinator");
		seen = { committed, verified };
		if (committed >= o.lastBatch) return source.close();
		if (committed - verified >= o.maxUnverified) {
			await sleep(RETRY_MS);
			continue;
		}
		const batch = await insist(`batch ${committed + 1}`, () => batchOf(committed + 1));
		const status = await storeInput(o, batch);
		try {
			const receipt = await insist(`batch ${batch.number}`, () => commit(o, batch));
			seen.committed = batch.number;
			log(
				`batch ${batch.number}: blocks ${batch.firstBlock}..${batch.lastBlock}, ${batch.nonPrivileged} transactions, ` +
					(batch.withdrawals
						? `${batch.deposits} deposits, ${batch.withdrawals.length} withdrawals, `
						: "") +
					`input ${batch.bytes.length} bytes (${status}), committed in ${receipt.transactionHash}` +
					(batch.initialStateRoot ? `, state ${batch.initialStateRoot} to ${batch.stateRoot}` : ""),
			);
		} catch (error) {
			// A commit whose answer was lost, or an L1 that went back under it, makes the repeated one revert.
			if ((await read("lastCommittedBatch()")) === committed) throw error;
		}
		await sleep(o.intervalMs);
	}
}

main().catch(die("sequencer"));
