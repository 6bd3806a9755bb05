// The block builder of sequencer/ as a source of batches: a child process that is asked for one
// batch after the other. Its chain lives in memory, so what L1 has committed is built again first.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { RpcError, cast } from "../tools.mjs";

const PRIVILEGED_TX_SENT =
	"PrivilegedTxSent(address,address,address,uint256,uint256,uint256,bytes)";
const COMMITTED = "BatchCommitted(bytes32)";
// Deposits a batch; ethrex takes up to 300.
const MAX_DEPOSITS = 300;

const word = (data, i) => "0x" + data.slice(2 + 64 * i, 66 + 64 * i);
const address = (data, i) => "0x" + word(data, i).slice(-40);

/** A queued deposit as the builder wants it; the data begins behind its offset and length. */
function deposit(log) {
	const length = Number(word(log.data, 6));
	return {
		from: address(log.data, 0),
		to: address(log.data, 1),
		transactionId: Number(word(log.data, 2)),
		value: "0x" + BigInt(word(log.data, 3)).toString(16),
		gasLimit: Number(word(log.data, 4)),
		data: "0x" + log.data.slice(2 + 64 * 7, 2 + 64 * 7 + 2 * length),
	};
}

export class BuiltChain {
	/** argv: the builder and its arguments; rpc, proposer, bridge: where deposits and commits are seen. */
	constructor(argv, { rpc, proposer, bridge, genesisStateRoot }) {
		Object.assign(this, { argv, rpc, proposer, bridge, genesisStateRoot });
		this.start();
	}

	start() {
		this.child?.kill();
		this.child = spawn(this.argv[0], this.argv.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
		this.child.stdin.on("error", () => {}); // its end is told by the missing answer
		this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
		this.taken = 0; // deposits in the batches built so far
		this.made = []; // what L1 was, or is to be, told of each
		this.latest = undefined;
	}

	async ask(request) {
		this.child.stdin.write(JSON.stringify(request) + "\n");
		const [summary, input] = [await this.lines.next(), await this.lines.next()];
		if (summary.done || input.done)
			throw new RpcError(`the block builder ended at batch ${request.batch}`);
		return { ...JSON.parse(summary.value), bytes: Buffer.from(input.value) };
	}

	logs(where, event) {
		return this.rpc.call("eth_getLogs", {
			address: where,
			fromBlock: "0x0",
			topics: [cast("keccak", event)],
		});
	}

	/** How many deposits batch `number` took, by the transaction that committed it; undefined: not committed. */
	async committedDeposits(number) {
		for (const log of (await this.logs(this.proposer, COMMITTED)).reverse()) {
			const { input } = await this.rpc.call("eth_getTransactionByHash", log.transactionHash);
			const arguments_ = "0x" + input.slice(10);
			if (Number(word(arguments_, 0)) === number) return Number(word(arguments_, 3).slice(0, 6));
		}
		return undefined;
	}

	/** Deposits in the bridge's queue. They leave it when their batch is verified, and a batch is held
	 * against its head: while some of an earlier batch are there, L1 refuses further ones. */
	async pending() {
		const call = { to: this.bridge, data: cast("sig", "getPendingTransactionHashes()") };
		return Number(word(await this.rpc.call("eth_call", call, "latest"), 1));
	}

	async next() {
		const number = this.made.length + 1;
		const queued = (await this.logs(this.bridge, PRIVILEGED_TX_SENT))
			.map(deposit)
			.slice(this.taken);
		const before = await this.committedDeposits(number);
		const deposits = queued.slice(
			0,
			before ?? ((await this.pending()) > queued.length ? 0 : MAX_DEPOSITS),
		);
		const batch = await this.ask({ batch: number, deposits });
		if (number === 1 && this.genesisStateRoot && batch.initialStateRoot !== this.genesisStateRoot)
			throw new RpcError(
				`the contract starts from state root ${this.genesisStateRoot}, the L2 from ${batch.initialStateRoot}: deploy again`,
			);
		this.taken += deposits.length;
		this.made.push(batch.lastBlockHash);
		this.latest = { ...batch, deposits: deposits.length };
		return this.latest;
	}

	/** Batch `number`, built again where it is not the latest: L1 is asked what is in it. */
	async batch(number) {
		if (this.latest?.batch === number) return this.latest;
		if (number <= this.made.length) this.start();
		while (this.made.length < number) await this.next();
		return this.latest;
	}

	/** L1 went back: what it said of deposits may be another thing now. */
	forget() {
		if (this.made.length) this.start();
	}

	close() {
		this.child.kill();
	}
}
