import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { die, isTrue } from "./tools.mjs";

/** The image that ethrex's TDXVerifier was published for; its sample quote carries the same. */
export const MEASUREMENTS = {
	MRTD: "0x91eb2b44d141d4ece09f0c75c2c53d247a3c68edd7fafe8a3520c942a604a407de03ae6dc5f87f27428b2538873118b7",
	RTMR0:
		"0x4f3d617a1c89bd9a89ea146c15b04383b7db7318f41a851802bba8eace5a6cf71050e65f65fd50176e4f006764a42643",
	RTMR1:
		"0x53827a034d1e4c7f13fd2a12aee4497e7097f15a04794553e12fe73e2ffb8bd57585e771951115a13ec4d7e6bc193038",
	RTMR2:
		"0x2ca1a728ff13c36195ad95e8f725bf00d7f9c5d6ed730fb8f50cccad692ab81aefc83d594819375649be934022573528",
};

const NAMES = ["MRTD", "RTMR0", "RTMR1", "RTMR2"];

/** What `tdx-quote measure --json` wrote: NAME to value, with what is wrong with it. */
function readFile(path) {
	let file;
	try {
		file = JSON.parse(readFileSync(path, "utf8"));
	} catch (e) {
		throw new Error(`ETHREX_DEPLOYER_TDX_MEASUREMENTS: ${path}: ${e.message}`);
	}
	const rows = Object.fromEntries(
		NAMES.map((name) => {
			const row = file?.[name.toLowerCase()];
			if (typeof row !== "object" || row === null || !("value" in row))
				throw new Error(
					`ETHREX_DEPLOYER_TDX_MEASUREMENTS: ${path} has no ${name.toLowerCase()}: it is no measurements.json`,
				);
			if (row.value !== null && !is48Bytes(row.value))
				throw new Error(
					`${path}: ${name.toLowerCase()} is not 48 bytes of hex: ${JSON.stringify(row.value)}`,
				);
			return [name, row];
		}),
	);
	for (const register of [1, 2]) {
		const events = (Array.isArray(file.events) ? file.events : []).filter(
			(e) => e?.rtmr === register,
		);
		const { value } = rows[`RTMR${register}`];
		if (value !== null && events.length > 0 && replayed(events) !== bare(value))
			throw new Error(
				`${path}: rtmr${register} is ${value}, which is not what its ${events.length} events lead to: ${replayed(events)}`,
			);
	}
	return rows;
}

const is48Bytes = (value) => typeof value === "string" && /^(0x)?[0-9a-fA-F]{96}$/.test(value);
const bare = (value) => value.replace(/^0x/, "").toLowerCase();

/** What a register holds after these events, in hex. */
function replayed(events) {
	return events
		.reduce(
			(register, e) =>
				createHash("sha384")
					.update(register)
					.update(Buffer.from(`${e.digest}`, "hex"))
					.digest(),
			Buffer.alloc(48),
		)
		.toString("hex");
}

/** MRTD and RTMR0..2 by the settings: each one's own, else the file's, else ethrex's image. What no TD's quote has
 * confirmed is for development, or for who says so. */
export function measurements(env) {
	const path = env.ETHREX_DEPLOYER_TDX_MEASUREMENTS;
	const file = path ? readFile(path) : {};
	const development = isTrue(env.ETHREX_TDX_DEV_MODE);
	const accepted = isTrue(env.ETHREX_DEPLOYER_TDX_ACCEPT_UNCONFIRMED);
	return NAMES.map((name) => {
		const own = env[`ETHREX_DEPLOYER_TDX_${name}`];
		const row = file[name];
		if (!own && row && !development) {
			if (row.value === null)
				throw new Error(
					`${path}: ${name.toLowerCase()} is not known (${row.how ?? "how is not said"}); ETHREX_DEPLOYER_TDX_${name} says it, or tdx-quote measure --from-quote learns it`,
				);
			if (row.confirmed !== true && !accepted)
				throw new Error(
					`${path}: ${name.toLowerCase()} is not confirmed by a TD's quote (${row.how ?? "how is not said"}); ETHREX_DEPLOYER_TDX_ACCEPT_UNCONFIRMED=true takes it all the same`,
				);
		}
		const value = own || (row?.value ?? MEASUREMENTS[name]);
		if (!is48Bytes(value))
			throw new Error(`ETHREX_DEPLOYER_TDX_${name} is not 48 bytes of hex: ${value}`);
		return "0x" + bare(value);
	});
}

/** As a program: a line NAME VALUE each, for scripts/devnet. */
if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
	try {
		measurements(process.env).forEach((value, i) =>
			console.log(`${NAMES[i].toLowerCase()} ${value}`),
		);
	} catch (e) {
		die("measurements")(e);
	}
}
