// Talks to a DcapVerifier: pieces of collateral and the calls that upload them.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cast } from "./tools.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const ROOT = 0,
	PLATFORM = 2,
	SIGNING = 3;
const TD_QE = 2,
	PCS_VERSION = 4;

/** Real quotes and collateral, which are not part of this repository. */
export const VECTORS = process.env.VECTORS_DIR || join(here, "..", "..", "shared", "vectors");

export function needVectors() {
	const manifest = join(VECTORS, "dcap", "MANIFEST.json");
	if (!existsSync(manifest))
		throw new Error(
			`${manifest} is missing: set VECTORS_DIR to the directory of the real quotes and collateral`,
		);
	return JSON.parse(readFileSync(manifest));
}

const read = (name) => readFileSync(join(VECTORS, "dcap", name));

function pem(name) {
	const found = read(name)
		.toString()
		.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END/g);
	return [...found].map(([, text]) => Buffer.from(text, "base64"));
}

/** {"NAME":{...},"signature":"..."}: the object's exact bytes, which are what is signed, and r||s. */
function signed(name) {
	const [, body, signature] = read(name)
		.toString()
		.match(/^\{"\w+":(\{.*\}),"signature":"([0-9a-f]{128})"\}\s*$/s);
	return { body: Buffer.from(body), signature: Buffer.from(signature, "hex") };
}

/** Intel's list of evaluation numbers of that month of 2025. */
export const loadNumbers = (month) => signed(`evaluation/tdx_tcb_evaluation_${month}25.json`);

/** What a DcapVerifier's constructor takes for "standard", "early" or a number. */
export function evaluation(choice) {
	const named = ["standard", "early"].indexOf(choice);
	if (named >= 0) return [String(named), "0"];
	if (!/^[0-9]{1,9}$/.test(choice) || Number(choice) === 0)
		throw new Error(`"${choice}" is neither standard nor early nor a TCB evaluation number`);
	return ["2", choice];
}

/** One vector of the manifest as the pieces that a DcapVerifier takes. */
export function loadVector(manifest, id) {
	const v = [...manifest.positive, ...manifest.synthetic].find((vector) => vector.id === id);
	if (!v) throw new Error(`the manifest has no vector ${id}`);
	const [ca, root] = pem(v.pck_crl_issuer_chain);
	const [signing] = pem(v.tcb_signing_chain);
	return {
		now: v.now,
		root,
		ca,
		signing,
		rootCrl: read(v.root_ca_crl),
		pckCrl: read(v.pck_crl),
		identity: signed(v.qe_identity),
		tcbInfo: signed(v.tcb_info),
		quote: read(v.quote),
	};
}

/** The sample quote, as long as the buffer that it came in: zero bytes follow it. */
export function quoteExample() {
	return Buffer.from(
		readFileSync(join(VECTORS, "quote.example")).toString().trim().replace(/^0x/, ""),
		"hex",
	);
}

const word = (n) => Buffer.from(BigInt(n).toString(16).padStart(64, "0"), "hex");
const tail = (data) =>
	Buffer.concat([word(data.length), data, Buffer.alloc((32 - (data.length % 32)) % 32)]);
const selector = (signature) => Buffer.from(cast("sig", signature).slice(2), "hex");

/** A call whose last argument is the only dynamic one. */
export function callWithBytes(signature, data, ...numbers) {
	const head = Buffer.concat(numbers.map(word));
	return (
		"0x" +
		Buffer.concat([selector(signature), head, word(head.length + 32), tail(data)]).toString("hex")
	);
}

/** The same with (string body, bytes signature). */
export function callWithSigned(signature, piece, ...numbers) {
	const head = Buffer.concat(numbers.map(word)),
		body = tail(piece.body);
	const pair = [word(64), word(64 + body.length), body, tail(piece.signature)];
	return (
		"0x" +
		Buffer.concat([selector(signature), head, word(head.length + 32), ...pair]).toString("hex")
	);
}

const CERT = "upsertPcsCertificates(uint8,bytes)";

/** The upload of one piece. */
export const upload = {
	root: (der) => callWithBytes(CERT, der, ROOT),
	rootCrl: (der) => callWithBytes("upsertRootCACrl(bytes)", der),
	ca: (der) => callWithBytes(CERT, der, PLATFORM),
	signing: (der) => callWithBytes(CERT, der, SIGNING),
	pckCrl: (der) => callWithBytes("upsertPckCrl(uint8,bytes)", der, PLATFORM),
	identity: (piece) =>
		callWithSigned(
			"upsertEnclaveIdentity(uint256,uint256,(string,bytes))",
			piece,
			TD_QE,
			PCS_VERSION,
		),
	tcbInfo: (piece) => callWithSigned("upsertFmspcTcb((string,bytes))", piece),
	numbers: (piece) => callWithSigned("upsertTcbEvaluationData((string,bytes))", piece),
	leaf: (der) => callWithBytes("cachePckCertificate(bytes)", der),
};

/** Where a quote's signature and its certification data begin. */
function places(quote) {
	const bodySize = quote.readUInt16LE(0) === 5 ? 6 + quote.readUInt32LE(50) : 584;
	const signature = 48 + bodySize + 4;
	return { signature, cert: signature + 590 + quote.readUInt16LE(signature + 582) };
}

/** The PCK certificate of a quote, in DER. */
export function leafOf(quote) {
	const { cert } = places(quote);
	const text = quote.subarray(cert, cert + quote.readUInt32LE(cert - 4)).toString("latin1");
	return Buffer.from(text.match(/-----BEGIN CERTIFICATE-----([^-]*)-----END/)[1], "base64");
}

/** The quote with its certification data, which is not signed, replaced by the leaf alone in DER. */
export function leafOnly(quote) {
	const { signature, cert } = places(quote);
	const leaf = leafOf(quote);
	const out = Buffer.concat([quote.subarray(0, cert), leaf]);
	out.writeUInt32LE(out.length - signature, signature - 4);
	out.writeUInt32LE(out.length - signature - 134, signature + 130);
	out.writeUInt32LE(leaf.length, cert - 4);
	return out;
}
