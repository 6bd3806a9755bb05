// A node of our own for one script, with the clock at a time of our choice.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Rpc, sleep } from "./tools.mjs";

const binary = join(dirname(fileURLToPath(import.meta.url)), "node_modules", ".bin", "anvil");

function freePort() {
	return new Promise((resolve) => {
		const server = createServer().listen(0, "127.0.0.1", () => {
			const { port } = server.address();
			server.close(() => resolve(port));
		});
	});
}

/** Osaka, with the gas cap of one transaction; run(rpc) gets it, and it ends with that. */
export async function withAnvil(timestamp, run) {
	const port = await freePort();
	const args = ["--silent", "--host", "127.0.0.1", "--port", String(port)];
	args.push("--hardfork", "osaka", "--enable-tx-gas-limit", "--timestamp", String(timestamp));
	const anvil = spawn(binary, args, { stdio: "ignore" });
	const rpc = new Rpc(`http://127.0.0.1:${port}`);
	try {
		for (const end = Date.now() + 30000; ; await sleep(50)) {
			try {
				await rpc.call("eth_chainId");
				break;
			} catch (error) {
				if (anvil.exitCode !== null || Date.now() > end)
					throw new Error(`anvil did not start: ${error.message}`);
			}
		}
		return await run(rpc);
	} finally {
		anvil.kill();
	}
}
