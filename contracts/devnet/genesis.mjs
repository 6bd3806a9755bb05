// The real L2 of the devnet before its first block: ethrex's system contracts as far as they are
// needed, and one rich account. Written for the block builder (sequencer/).
import { writeFileSync } from "node:fs";
import { artifact } from "../artifacts.mjs";
import { die } from "../tools.mjs";

const CHAIN_ID = 65536999;
const USER = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const BRIDGE = "0x000000000000000000000000000000000000ffff";
const MESSENGER = "0x000000000000000000000000000000000000fffe";
// EIP-4788 and EIP-2935, code and address.
const BEACON_ROOTS = [
	"0x000f3df6d732807ef1319fb7b8bb8522d0beac02",
	"0x3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500",
];
const BLOCK_HASHES = [
	"0x0000f90827f1c53a10cb7a02335b175320002935",
	"0x3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500",
];

function genesis() {
	const forks =
		"homestead eip150 eip155 eip158 byzantium constantinople petersburg istanbul muirGlacier berlin london arrowGlacier grayGlacier mergeNetsplit";
	const contract = (code) => ({ balance: "0x0", nonce: "0x1", code });
	return {
		config: {
			chainId: CHAIN_ID,
			...Object.fromEntries(forks.split(" ").map((fork) => [`${fork}Block`, 0])),
			shanghaiTime: 0,
			cancunTime: 0,
			pragueTime: 0,
			terminalTotalDifficulty: "0x0",
			terminalTotalDifficultyPassed: true,
			depositContractAddress: "0x00000000219ab540356cbb839cbe05303d7705fa",
			blobSchedule: {
				cancun: { target: 3, max: 6, baseFeeUpdateFraction: 3338477 },
				prague: { target: 6, max: 9, baseFeeUpdateFraction: 5007716 },
			},
		},
		nonce: "0x0",
		timestamp: "0x68d14000",
		extraData: "0x",
		gasLimit: "0x1c9c380",
		difficulty: "0x0",
		mixHash: "0x" + "00".repeat(32),
		coinbase: "0x" + "00".repeat(20),
		baseFeePerGas: "0x3b9aca00",
		alloc: {
			[USER]: { balance: "0xd3c21bcecceda1000000" },
			[BRIDGE]: contract(artifact("CommonBridgeL2").deployedBytecode),
			[MESSENGER]: contract(artifact("Messenger").deployedBytecode),
			[BEACON_ROOTS[0]]: contract(BEACON_ROOTS[1]),
			[BLOCK_HASHES[0]]: contract(BLOCK_HASHES[1]),
		},
	};
}

const [file] = process.argv.slice(2);
try {
	if (!file) throw new Error("usage: genesis.mjs FILE");
	writeFileSync(
		file,
		JSON.stringify({ genesis: genesis(), token: artifact("DevnetToken").bytecode }, null, 1) + "\n",
	);
} catch (error) {
	die("genesis")(error);
}
