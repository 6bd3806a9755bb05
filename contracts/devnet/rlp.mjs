// Just enough of Ethereum's encodings to build block headers that hash to what they should.
import { keccak_256 } from "@noble/hashes/sha3";
import { bytesToHex, concatBytes, hexToBytes } from "@noble/hashes/utils";

export const keccak = (bytes) => keccak_256(bytes);
export const toHex = (bytes) => "0x" + bytesToHex(bytes);
export const fromHex = (hex) => hexToBytes(hex.slice(2));

/** A number (or its 0x string) as the minimal big-endian bytes that RLP wants; 0 is empty. */
export function quantity(value) {
	const n = BigInt(value);
	if (n === 0n) return new Uint8Array();
	const hex = n.toString(16);
	return hexToBytes(hex.length % 2 ? "0" + hex : hex);
}

function prefix(length, short) {
	if (length < 56) return Uint8Array.of(short + length);
	const size = quantity(length);
	return concatBytes(Uint8Array.of(short + 55 + size.length), size);
}

/** `item` is bytes, or an array of items. */
export function rlp(item) {
	if (Array.isArray(item)) {
		const body = concatBytes(...item.map(rlp));
		return concatBytes(prefix(body.length, 0xc0), body);
	}
	if (item.length === 1 && item[0] < 0x80) return item;
	return concatBytes(prefix(item.length, 0x80), item);
}

const HEADER_QUANTITIES = new Set([
	"difficulty",
	"number",
	"gasLimit",
	"gasUsed",
	"timestamp",
	"baseFeePerGas",
	"blobGasUsed",
	"excessBlobGas",
]);
const HEADER_FIELDS = [
	"parentHash",
	"sha3Uncles",
	"miner",
	"stateRoot",
	"transactionsRoot",
	"receiptsRoot",
	"logsBloom",
	"difficulty",
	"number",
	"gasLimit",
	"gasUsed",
	"timestamp",
	"extraData",
	"mixHash",
	"nonce",
	"baseFeePerGas",
	"withdrawalsRoot",
	"blobGasUsed",
	"excessBlobGas",
	"parentBeaconBlockRoot",
	"requestsHash",
];

/** A Prague header in the JSON of a prover input. */
export function headerRlp(header) {
	return rlp(
		HEADER_FIELDS.map((f) => (HEADER_QUANTITIES.has(f) ? quantity(header[f]) : fromHex(header[f]))),
	);
}

function hexPrefix(nibbles, leaf) {
	const odd = nibbles.length % 2;
	const all = odd ? [2 * leaf + 1, ...nibbles] : [2 * leaf, 0, ...nibbles];
	const bytes = new Uint8Array(all.length / 2);
	for (let i = 0; i < bytes.length; i++) bytes[i] = all[2 * i] * 16 + all[2 * i + 1];
	return bytes;
}

// Nodes shorter than a hash stand in their parent themselves.
function reference(node) {
	const encoded = rlp(node);
	return encoded.length < 32 ? node : keccak(encoded);
}

function trieNode(entries, depth) {
	const [first] = entries;
	if (entries.length === 1) return [hexPrefix(first.key.slice(depth), 1), first.value];
	let common = depth;
	while (entries.every((e) => common < e.key.length && e.key[common] === first.key[common]))
		common++;
	if (common > depth)
		return [hexPrefix(first.key.slice(depth, common), 0), reference(trieNode(entries, common))];
	const branch = [];
	for (let nibble = 0; nibble < 16; nibble++) {
		const below = entries.filter((e) => e.key[depth] === nibble);
		branch.push(below.length ? reference(trieNode(below, depth + 1)) : new Uint8Array());
	}
	// No index is a prefix of another one, so a branch never holds a value.
	return [...branch, new Uint8Array()];
}

/** Root of the trie from rlp(index) to values[index]: transactions, receipts, withdrawals. */
export function listRoot(values) {
	if (values.length === 0) return keccak(rlp(new Uint8Array()));
	const entries = values.map((value, i) => ({
		key: [...rlp(quantity(i))].flatMap((byte) => [byte >> 4, byte & 15]),
		value,
	}));
	return keccak(rlp(trieNode(entries, 0)));
}
