// A make-believe Intel as far as a PCK CRL needs it: a root, its PCK Platform CA, CRLs of any length.
import { createHash, generateKeyPairSync, sign } from "node:crypto";

function der(tag, ...parts) {
	const body = Buffer.concat(parts);
	const n = body.length;
	const octets = (n.toString(16).length + 1) >> 1;
	const size = n < 0x80 ? [n] : [0x80 | octets, ...hex(n.toString(16).padStart(2 * octets, "0"))];
	return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

const hex = (text) => Buffer.from(text, "hex");
const sequence = (...parts) => der(0x30, ...parts);
const oid = (bytes) => der(0x06, hex(bytes));
/** A non-negative number in its shortest form. */
function integer(bytes) {
	const rest = bytes.subarray(bytes.findIndex((octet) => octet !== 0));
	return der(0x02, rest[0] & 0x80 ? Buffer.concat([Buffer.alloc(1), rest]) : rest);
}
const octets = (data) => der(0x04, data);
const bits = (data) => der(0x03, Buffer.alloc(1), data);
const extension = (id, value, critical = false) =>
	sequence(oid(id), ...(critical ? [hex("0101ff")] : []), octets(value));
const ECDSA_SHA256 = sequence(oid("2a8648ce3d040302"));

function time(seconds) {
	const text = new Date(seconds * 1000).toISOString().replace(/\.\d+|[-:T]/g, "");
	return der(0x17, Buffer.from(text.slice(2)));
}

const CERT_AND_CRL_SIGN = "06"; // keyUsage

/** A name as Intel writes it. */
function name(commonName) {
	const utf8 = (id, text) => der(0x31, sequence(oid(id), der(0x0c, Buffer.from(text))));
	const place = [
		utf8("55040a", "Intel Corporation"),
		utf8("550407", "Santa Clara"),
		utf8("550408", "CA"),
	];
	return sequence(
		utf8("550403", commonName),
		...place,
		der(0x31, sequence(oid("550406"), der(0x13, Buffer.from("US")))),
	);
}

function seal(tbs, signer) {
	return sequence(tbs, ECDSA_SHA256, bits(sign("sha256", tbs, signer.privateKey)));
}

function certificate(subject, issuer, key, signer, from, to, usage = CERT_AND_CRL_SIGN) {
	const spki = key.publicKey.export({ type: "spki", format: "der" });
	const id = createHash("sha1").update(spki).digest();
	const extensions = [
		extension("551d23", sequence(der(0x80, id))),
		extension(
			"551d1f",
			sequence(
				sequence(der(0xa0, der(0xa0, der(0x86, Buffer.from("https://example.org/root.der"))))),
			),
		),
		extension("551d0e", octets(id)),
		extension("551d0f", hex("030201" + usage), true),
		extension("551d13", hex("30060101ff020100"), true),
	];
	return seal(
		sequence(
			der(0xa0, hex("020102")),
			integer(id),
			ECDSA_SHA256,
			name(issuer),
			sequence(time(from), time(to)),
			name(subject),
			spki,
			der(0xa3, sequence(...extensions)),
		),
		signer,
	);
}

/** Serial numbers of 20 octets, as Intel's are; the same ones every time. */
export function serials(count) {
	return Array.from({ length: count }, (_, i) => createHash("sha1").update(`serial ${i}`).digest());
}

/** {rootKey: [x, y], root, ca, crl(count)}: valid around `now`; rootUsage: first octet of keyUsage. */
export function forgeCa(now, rootUsage) {
	const [rootKey, caKey] = [0, 1].map(() => generateKeyPairSync("ec", { namedCurve: "P-256" }));
	const { x, y } = rootKey.publicKey.export({ format: "jwk" });
	const [from, to] = [now - 86400, now + 86400 * 30];
	const [ROOT, CA] = ["Intel SGX Root CA", "Intel SGX PCK Platform CA"];
	const entry = (serial) =>
		sequence(integer(serial), time(from), sequence(extension("551d15", hex("0a0101"))));
	const number = extension("551d14", hex("020101")),
		authority = extension("551d23", sequence(der(0x80, Buffer.alloc(20, 7))));
	return {
		rootKey: [x, y].map((n) => "0x" + Buffer.from(n, "base64url").toString("hex")),
		root: certificate(ROOT, ROOT, rootKey, rootKey, from, to, rootUsage),
		ca: certificate(CA, ROOT, caKey, rootKey, from, to),
		crl: (count) => {
			const revoked = sequence(...serials(count).map(entry));
			const head = [hex("020101"), ECDSA_SHA256, name(CA), time(from), time(to)];
			return seal(sequence(...head, revoked, der(0xa0, sequence(number, authority))), caKey);
		},
	};
}
