// usage: seal.mjs DIRECTORY PORT: what the sequencer PUTs as a batch's input becomes a file, as a sealed batch's input
// becomes a row of ethrex's store.
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";

const [directory, port] = process.argv.slice(2);

createServer((request, reply) => {
	const pieces = [];
	request.on("data", (piece) => pieces.push(piece));
	request.on("end", () => {
		const url = new URL(request.url, "http://localhost");
		const name = `${url.pathname.split("/").pop()}.${url.searchParams.get("commit_hash")}.json`;
		writeFileSync(`${directory}/.${name}`, Buffer.concat(pieces));
		renameSync(`${directory}/.${name}`, `${directory}/${name}`);
		reply.writeHead(201).end("sealed\n");
	});
}).listen(Number(port), "127.0.0.1");
