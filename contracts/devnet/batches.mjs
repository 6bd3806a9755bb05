// The devnet's L2: an endless chain of batches, the same ones on every run.
//
// Batch 1 is a real block with its execution witness where $VECTORS_DIR has it, else generated.
// The batches after it have the same shape and are chained on it (parent hashes, roots of
// transactions and receipts, counts), but nobody executed them: their state roots and
// signatures are made up, and their witness holds no state.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils";
import { fromHex, headerRlp, keccak, listRoot, quantity, rlp, toHex } from "./rlp.mjs";

export const L2_CHAIN_ID = 560048;
const DEPOSIT_CONTRACT = "0x00000000219ab540356cbb839cbe05303d7705fa";

const REAL_BLOCK = "batch/hoodi-1265656.input.json";
const REAL_BLOCK_HASH_ENDS = ["0xac77c202", "e6db"];
const PRIVILEGED_TRANSACTION = 0x7e;
const TRANSFER_GAS = 21000;
const EMPTY_UNCLES = toHex(keccak(rlp([])));
const NO_REQUESTS = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ZERO_HASH = "0x" + "00".repeat(32);

function vectorsDir() {
	const repo = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
	return process.env.VECTORS_DIR || join(repo, "..", "shared", "vectors");
}

const made = (...what) => toHex(keccak(utf8ToBytes(["devnet", ...what].join(" "))));
const hex = (n) => "0x" + BigInt(n).toString(16);

function transfer(number, index) {
	return {
		type: "0x2",
		nonce: hex(index),
		to: made("to", number, index).slice(0, 42),
		gas: hex(TRANSFER_GAS),
		value: hex(1000000 + index),
		input: "0x",
		maxPriorityFeePerGas: "0x1",
		maxFeePerGas: "0x3b9aca00",
		gasPrice: "0x3b9aca00",
		accessList: [],
		chainId: hex(L2_CHAIN_ID),
		yParity: "0x0",
		v: "0x0",
		r: hex(made("r", number, index)),
		s: hex(BigInt(made("s", number, index)) >> 1n),
	};
}

function transferBytes(t) {
	const fields = [
		quantity(t.chainId),
		quantity(t.nonce),
		quantity(t.maxPriorityFeePerGas),
		quantity(t.maxFeePerGas),
		quantity(t.gas),
		fromHex(t.to),
		quantity(t.value),
		fromHex(t.input),
		[],
		quantity(t.yParity),
		quantity(t.r),
		quantity(t.s),
	];
	return concatBytes(Uint8Array.of(2), rlp(fields));
}

function receiptBytes(index) {
	const bloom = new Uint8Array(256);
	return concatBytes(
		Uint8Array.of(2),
		rlp([quantity(1), quantity(TRANSFER_GAS * (index + 1)), bloom, []]),
	);
}

function nextBlock(parent) {
	const number = Number(parent.header.number) + 1;
	const transactions = Array.from({ length: 1 + (number % 4) }, (_, i) => transfer(number, i));
	const header = {
		parentHash: parent.hash,
		sha3Uncles: EMPTY_UNCLES,
		miner: made("sequencer").slice(0, 42),
		stateRoot: made("state", number),
		transactionsRoot: toHex(listRoot(transactions.map(transferBytes))),
		receiptsRoot: toHex(listRoot(transactions.map((_, i) => receiptBytes(i)))),
		logsBloom: "0x" + "00".repeat(256),
		difficulty: "0x0",
		number: hex(number),
		gasLimit: hex(30000000),
		gasUsed: hex(TRANSFER_GAS * transactions.length),
		timestamp: hex(Number(parent.header.timestamp) + 5),
		extraData: "0x",
		mixHash: ZERO_HASH,
		nonce: "0x0000000000000000",
		baseFeePerGas: "0x7",
		withdrawalsRoot: toHex(listRoot([])),
		blobGasUsed: "0x0",
		excessBlobGas: "0x0",
		parentBeaconBlockRoot: ZERO_HASH,
		requestsHash: NO_REQUESTS,
	};
	return { header, body: { transactions, uncles: [], withdrawals: [] } };
}

function hashed(header) {
	const bytes = headerRlp(header);
	return { header, bytes, hash: toHex(keccak(bytes)) };
}

function generatedBatch(number, parent) {
	const blocks = [];
	let last = parent;
	for (let i = 0; i < 1 + (number % 3); i++) {
		blocks.push(nextBlock(last));
		last = hashed(blocks[i].header);
	}
	const input = {
		blocks,
		execution_witness: {
			codes: [],
			block_headers_bytes: [[...parent.bytes]],
			first_block_number: Number(blocks[0].header.number),
			// What ethrex's own types insist on.
			chain_config: { chainId: L2_CHAIN_ID, depositContractAddress: DEPOSIT_CONTRACT },
			state_trie_root: null,
			storage_trie_roots: {},
		},
		elasticity_multiplier: 2,
		blob_commitment: new Array(48).fill(0),
		blob_proof: new Array(48).fill(0),
		fee_configs: blocks.map(() => ({
			base_fee_vault: null,
			operator_fee_config: null,
			l1_fee_config: null,
		})),
	};
	return describe(number, Buffer.from(JSON.stringify(input)), input, last);
}

function describe(number, bytes, input, last) {
	const transactions = input.blocks.flatMap((block) => block.body.transactions);
	return {
		number,
		bytes, // what is PUT to the coordinator
		last, // of the last block: header, bytes, hash
		firstBlock: Number(input.blocks[0].header.number),
		lastBlock: Number(last.header.number),
		stateRoot: last.header.stateRoot,
		nonPrivileged: transactions.filter((t) => Number(t.type) !== PRIVILEGED_TRANSACTION).length,
	};
}

/** {first: batch 1, genesisStateRoot, real: whether batch 1 is the real block}. */
function start() {
	const path = join(vectorsDir(), REAL_BLOCK);
	if (!existsSync(path)) {
		const genesis = nextBlock({
			header: { number: -1, timestamp: 1700000000 },
			hash: ZERO_HASH,
		}).header;
		return {
			first: generatedBatch(1, hashed(genesis)),
			genesisStateRoot: genesis.stateRoot,
			real: false,
		};
	}
	const bytes = readFileSync(path);
	const input = JSON.parse(bytes);
	const last = hashed(input.blocks[input.blocks.length - 1].header);
	const [head, tail] = REAL_BLOCK_HASH_ENDS;
	if (!last.hash.startsWith(head) || !last.hash.endsWith(tail))
		throw new Error(`${path}: the block hashes to ${last.hash}, not to ${head}…${tail}`);
	const parentHash = input.blocks[0].header.parentHash;
	const parent = input.execution_witness.block_headers_bytes
		.map((numbers) => Uint8Array.from(numbers))
		.find((header) => toHex(keccak(header)) === parentHash);
	if (!parent)
		throw new Error(`${path}: no header in the witness hashes to the parent ${parentHash}`);
	return {
		first: describe(1, bytes, input, last),
		genesisStateRoot: stateRootOf(parent),
		real: true,
	};
}

// Four fields of 32, 32, 20 and 32 bytes open every header, behind a 3-byte list prefix.
function stateRootOf(headerBytes) {
	const at = 3 + 33 + 33 + 21;
	if (headerBytes[0] !== 0xf9 || headerBytes[at] !== 0xa0) throw new Error("not a block header");
	return toHex(headerBytes.slice(at + 1, at + 33));
}

export class Chain {
	constructor() {
		const { first, genesisStateRoot, real } = start();
		this.genesisStateRoot = genesisStateRoot;
		this.startsWithRealBlock = real;
		this.first = first;
		this.ends = [undefined, first.last]; // last block of each batch made so far
	}

	/** Batches count from 1. */
	batch(number) {
		if (number === 1) return this.first;
		for (let n = this.ends.length; n < number; n++)
			this.ends[n] = generatedBatch(n, this.ends[n - 1]).last;
		const batch = generatedBatch(number, this.ends[number - 1]);
		this.ends[number] = batch.last;
		return batch;
	}
}
