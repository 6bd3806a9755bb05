"""A whole world for one test: anvil with the contracts, coordinators, provers, a sequencer.

Real processes on random loopback ports in one directory, which goes with the test. BUILD_DIR
names the build whose programs are tried (default: build/release). L1_CLIENT names a client of clients.WORDS:
what stands between coordinators and anvil is then as strict and speaks as that one does.
"""

import http.client
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import pytest

from cluster import Cluster
from endpoint import Endpoint
from l1 import BIN, CONTRACTS, L1, ZERO, Signer, cast, compile_contracts, free_port
from process import PATIENCE, Process, clean_env, program, until
from standins import Pccs, SoftwareQE, make_pki, root_key, upload_collateral

L2_CHAIN_ID = 560048
COMMIT_HASH = "52e4b64"
BATCHES = 64  # described in the templates: as many as any test feeds
# Accounts 1 and 2 of every anvil: public, worth nothing elsewhere.
L1_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
TDX_KEY = "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
COMMIT_BATCH = (
    "commitBatch(uint256,bytes32,bytes32,bytes32,bytes32,uint256,bytes32,"
    "(uint256,uint256,(address,address,address,uint256)[],bytes32[])[],(uint256,bytes32)[])"
)
# Of make_pki()'s platform and collateral.
FMSPC, PLATFORM_CA, EVALUATION_NUMBER, PKI_AGE = "0x90c06f000000", 2, 17, 86400
FLAVOURS = {
    "tdx": {"ETHREX_L2_TDX": "true", "ETHREX_TDX_DEV_MODE": "true"},
    "production": {"ETHREX_L2_TDX": "true", "ETHREX_DEPLOYER_DCAP_ADDRESS": "0x" + "aa" * 20},
    "exec": {},
    # A TDXVerifier whose quote verifier trusts the root of make_pki(); provers need a SoftwareQE.
    "dcap": {"ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER": "true", "ETHREX_DEPLOYER_DCAP_EVALUATION": "17"},
    # The same, which goes by a list of evaluation numbers.
    "dcap-standard": {"ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER": "true"},
    "dcap-early": {"ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER": "true", "ETHREX_DEPLOYER_DCAP_EVALUATION": "early"},
    # The same with the stand-ins of Automata's contracts.
    "automata-v1.0": {"ETHREX_L2_TDX": "true"},
    "automata-v1.1": {"ETHREX_L2_TDX": "true"},
}
P = "ETHREX_PROOF_COORDINATOR_"
LATE_L1 = float(os.environ.get("LATE_L1") or 0)  # seconds by which a coordinator hears L1 late: finds tests that do not wait for it


class Node(L1):
    """anvil on a state of its own, which outlives its process; a block at each transaction and
    every second."""

    def __init__(self, state, log, *flags):
        self.state, self.flags, self.log_file = state, flags, log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ids, self.process = 0, None
        self.start()
        self.accounts = self.rpc("eth_accounts")

    def start(self):
        command = [BIN / "anvil", "--silent", "--host", "127.0.0.1", "--port", str(self.port), "--hardfork", "osaka",
                   "--mixed-mining", "--block-time", "1", "--state", self.state, *self.flags]
        with open(self.log_file, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True)
        until("an answer of anvil", self.answers)

    def answers(self):
        assert self.process.poll() is None, "anvil ended"
        try:
            return self.rpc("eth_chainId")
        except OSError:
            return None


def make_strict(l1, entry, pki):
    """From now on it verifies what it is given under that root, and uses as much gas as the original."""
    router = l1.address(l1.address(entry, "quoteVerifiers(uint16)", 4), "pccsRouter()")
    seals = l1.deploy("AutomataSeals", cast("keccak", "0x" + root_key(pki)))
    l1.send(l1.address(router, "pcsDaoAddr()"), "setSeals(address)", seals)
    l1.send(entry, "setVerifyGas(uint256)", 3_500_000)


def automata(l1, flavour, pki):
    """Deploys a stand-in of that release for quotes of make_pki()'s platform; returns its entry point."""
    if flavour == "automata-v1.0":
        entry = l1.deploy("AutomataV10")
    else:
        router = l1.deploy("AutomataV11Router")
        l1.send(router, "addNumber(uint32)", EVALUATION_NUMBER)
        entry = l1.deploy("AutomataV11", router)
    l1.send(entry, "setPlatform(bytes6,uint8)", FMSPC, PLATFORM_CA)
    make_strict(l1, entry, pki)
    return entry


class Templates:
    """Deployed chains to start from, and the batches, made once a run."""

    def __init__(self, where):
        self.where, self.made, self.inputs = where, {}, None

    def chain(self, flavour):
        """(state file, addresses)"""
        if flavour not in self.made:
            if not self.made:
                compile_contracts()
            state, env = self.where / f"{flavour}.json", self.where / f"{flavour}.env"
            node = Node(state, self.where / "anvil.log")
            try:
                settings = dict(FLAVOURS[flavour])
                if flavour.startswith("automata-"):
                    settings["ETHREX_DEPLOYER_DCAP_ADDRESS"] = automata(node, flavour, self.where / "pki")
                if flavour.startswith("dcap"):
                    settings["ETHREX_DEPLOYER_DCAP_ROOT_KEY"] = root_key(self.where / "pki")
                subprocess.run(["node", CONTRACTS / "deploy.mjs", "--rpc", node.url, "--env", env],
                               env=clean_env(**settings), check=True, timeout=120, stdout=subprocess.DEVNULL)
            finally:
                node.close()
            self.made[flavour] = (state, dict(line.split("=", 1) for line in env.read_text().splitlines()))
        return self.made[flavour]

    def batch(self, number):
        """What a sequencer knows of a batch: input bytes, commitment, calldata of commitBatch."""
        if self.inputs is None:
            script = (
                f'import {{ Chain }} from "{CONTRACTS}/devnet/batches.mjs"; const c = new Chain(), out = [];'
                f"for (let n = 1; n <= {BATCHES}; n++) {{ const b = c.batch(n);"
                "out.push({input: b.bytes.toString(), state: b.stateRoot, last: b.last.hash, count: b.nonPrivileged}); }"
                "console.log(JSON.stringify({genesis: c.genesisStateRoot, batches: out}));"
            )
            done = subprocess.run(["node", "--input-type=module", "-e", script], env=clean_env(), check=True,
                                  timeout=120, stdout=subprocess.PIPE)
            made = json.loads(done.stdout)
            before = made["genesis"]
            for b in made["batches"]:
                words = [before, b["state"], ZERO, ZERO, ZERO, b["last"], f"0x{L2_CHAIN_ID:064x}", f"0x{b['count']:064x}"]
                b["public_inputs"] = "0x" + "".join(w[2:] for w in words)
                b["input"] = b["input"].encode()
                before = b["state"]
            self.inputs, self.code = made["batches"], cast("keccak", COMMIT_HASH)
        b = self.inputs[number - 1]
        if "commit" not in b:
            b["commit"] = cast("calldata", COMMIT_BATCH, number, b["state"], ZERO, ZERO, b["last"], b["count"],
                               self.code, "[]", "[]")
        return b


class Coordinator(Process):
    """The daemon under test; settings without the common prefix get it."""

    def __init__(self, world, name="coordinator", **settings):
        super().__init__(world.dir / f"{name}.log")
        self.world = world
        self.port, self.admin_port = free_port(), free_port()
        key, tdx = world.secret("l1.key", L1_KEY), world.secret("tdx.key", TDX_KEY)
        self.settings = self.named({
            "ETHREX_ETH_RPC_URL": world.rpc_url,
            "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS": world.proposer,
            "ETHREX_TIMELOCK_ADDRESS": world.timelock,
            "ETHREX_TDX_DEV_MODE": "true" if world.flavour == "tdx" else "false",
            "L1_PRIVATE_KEY_FILE": key, "TDX_PRIVATE_KEY_FILE": tdx,
            "LISTEN_PORT": self.port, "ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}", "DATA_DIR": world.dir / f"{name}-data",
            "SEND_INTERVAL": 200, "CONFIRMATIONS": 1, "PROVER_TIMEOUT": 2000, "DISK_FLOOR_BYTES": 0,
            "RPC_TIMEOUT": 2000, "LOG_LEVEL": "debug",
        })
        if world.sources:
            self.change(COLLATERAL_SOURCES=",".join(world.sources), DCAP_ROOT_FILE=world.pki() / "root_ca.pem")
        self.change(**settings)
        self.preload, self.binary = {}, ("coordinator", "proof-coordinator")

    @staticmethod
    def named(settings):
        return {k if k.startswith("ETHREX_") else P + k: str(v) for k, v in settings.items()}

    def change(self, **settings):
        """None takes a setting away."""
        gone = [k if k.startswith("ETHREX_") else P + k for k, v in settings.items() if v is None]
        self.settings.update(self.named({k: v for k, v in settings.items() if v is not None}))
        for k in gone:
            self.settings.pop(k, None)

    @property
    def data(self):
        return pathlib.Path(self.settings[P + "DATA_DIR"])

    def env(self):
        return clean_env(**self.settings)

    def start(self, *flags, ready=True):
        self.spawn([program(*self.binary), "run", *flags], env={**self.env(), **self.preload})
        if ready:
            self.saw(r"event=ready\b")
        return self

    def clock_off(self, seconds):
        """From its next start on."""
        library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        if not library:
            pytest.skip("SKIPPED: no clock was set: faketime is missing (scripts/install-deps test)")
        self.preload = {"LD_PRELOAD": library, "FAKETIME": f"{seconds:+}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def verb(self, *argv, **env):
        return subprocess.run([program(*self.binary), *map(str, argv)], text=True, timeout=PATIENCE, env={**self.env(), **env},
                              capture_output=True, check=False)

    def events(self, name):
        """The fields of each log line of that event."""
        found = []
        for line in self.log().splitlines():
            if re.search(rf"\bevent={name}( |$)", line):
                found.append(dict(word.split("=", 1) for word in shlex.split(line) if "=" in word))
        return found

    def told(self, name, times=1):
        """The same, once there are so many: a line may come after the answer that it is about."""
        return until(f"{times} event={name}", lambda: len(found := self.events(name)) >= times and found)

    # --- the admin listener ---

    @property
    def token(self):
        return (self.data / "admin.token").read_text().strip()

    def admin(self, method, path, body=None, **headers):
        """(status, text)"""
        link = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE)
        fields = {k.replace("_", "-"): v for k, v in headers.items()}
        if "authorization" not in fields:
            fields["authorization"] = f"Bearer {self.token}"
        try:
            link.request(method, path, body, fields)
            reply = link.getresponse()
            return reply.status, reply.read().decode()
        finally:
            link.close()

    def put(self, number, body, commit_hash=COMMIT_HASH, **headers):
        return self.admin("PUT", f"/api/v1/batches/{number}?commit_hash={commit_hash}", body, **headers)

    def status(self):
        return json.loads(self.admin("GET", "/api/v1/status")[1])

    def provers(self):
        return {p["signer"].lower(): p for p in json.loads(self.admin("GET", "/api/v1/provers")[1])["provers"]}

    def metric(self, name):
        found = re.search(rf"^proof_coordinator_{re.escape(name)} (\S+)$", self.admin("GET", "/metrics")[1], re.M)
        return float(found[1]) if found else None

    # --- the provers' listener ---

    def connect(self, source="127.0.0.1"):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0))

    def say(self, message, source="127.0.0.1", half_close=True):
        """Sends one message (bytes, or what json makes of it) and returns the whole reply."""
        if not isinstance(message, bytes):
            message = json.dumps(message, separators=(",", ":")).encode()
        with self.connect(source) as s:
            s.sendall(message)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            reply = b""
            while piece := s.recv(1 << 16):
                reply += piece
            return reply

    def ask(self, message, **options):
        """The reply as Python sees its JSON; None: closed without a word."""
        reply = self.say(message, **options)
        return json.loads(reply) if reply else None

    def request(self, commit_hash=COMMIT_HASH, prover_type="TDX", **options):
        """(number, input) of a batch to prove, or (None, the whole reply)."""
        reply = self.ask({"InputRequest": {"commit_hash": commit_hash, "prover_type": prover_type}}, **options)
        response = reply.get("InputResponse") if isinstance(reply, dict) else None
        return (response["id"], response["input"]) if response and response["id"] is not None else (None, reply)

    def submit(self, number, proof, prover_type="TDX", **options):
        """True for an ACK, else the reply."""
        message = {"ProofSubmit": {"id": number, "proof": {"Proof": {"prover_type": prover_type, "proof": list(proof)}}}}
        reply = self.ask(message, **options)
        return True if reply == {"ProofSubmitACK": {"id": number}} else reply

    def setup(self, payload, **options):
        """True for an ACK, else the reply."""
        reply = self.ask({"ProverSetup": {"prover_type": "TDX", "payload": list(payload)}}, **options)
        return True if reply == "ProverSetupACK" else reply

    def enroll(self, key):
        """A ProverSetup repeated, as quote-gen does, until it is acknowledged."""
        until("ProverSetupACK", lambda: self.setup(key.payload) is True, pause=0.2)

    # --- the store of a stopped daemon ---

    def stored_proofs(self):
        """{(batch, proof bytes)}"""
        db = next(self.data.glob("*.db"))
        with sqlite3.connect(db) as link:
            rows = set(link.execute("SELECT batch, bytes FROM proof"))
        link.close()
        return rows


class Prover(Process):
    """quote-gen; with a SoftwareQE its key comes in a quote."""

    def __init__(self, world, coordinator, name="prover", prover_type="TDX", executor="none", qe=None,
                 **more):
        super().__init__(world.dir / f"{name}.log")
        if qe:
            more["QUOTE_GEN_TSM_REPORT_DIR"] = qe.reports
        self.env = clean_env(
            ETHREX_PROOF_COORDINATOR_URL=f"127.0.0.1:{coordinator.port}", QUOTE_GEN_EXECUTOR=executor,
            QUOTE_GEN_PROVER_TYPE=prover_type, QUOTE_GEN_INTERVAL=50, VERGEN_GIT_SHA=COMMIT_HASH, **more)

    def start(self):
        self.spawn([program("quote-gen", "quote-gen")], env=self.env)
        return self

    @property
    def address(self):
        sent = bytes.fromhex(self.saw(r"Sending quote ([0-9a-f]{40,})$")[1])
        at = 0 if len(sent) == 20 else {4: 568, 5: 574}[sent[0]]  # report data, quotes v4 and v5
        return "0x" + sent[at:at + 20].hex()

    def processed(self, count):
        """The batches that it says are done, once there are so many."""
        def look():
            done = [int(n) for n in re.findall(r"^Processed batch (\d+)$", self.log(), re.M)]
            return len(done) >= count and done
        return until(f"{count} batches processed", look)


class Sequencer(Process):
    def __init__(self, world, coordinator, *flags, interval=0.2):
        super().__init__(world.dir / "sequencer.log")
        self.argv = ["node", CONTRACTS / "devnet" / "sequencer.mjs", "--env", world.env_file, "--rpc", world.l1.url,
                     "--admin", f"http://127.0.0.1:{coordinator.admin_port}", "--token-file",
                     coordinator.data / "admin.token", "--commit-hash", COMMIT_HASH, "--interval", interval, *flags]

    def start(self):
        self.spawn(self.argv, env=clean_env())
        return self


class Key(Signer):
    """A prover's key, and what it signs."""

    @property
    def payload(self):
        return bytes.fromhex(self.address[2:])


class World:
    def __init__(self, templates, directory, flavour="tdx"):
        self.templates, self.dir, self.flavour = templates, directory, flavour
        self.dir.mkdir(parents=True, exist_ok=True)
        state, env = templates.chain(flavour)
        self.parts, self.sources, self.fed, self.pki_age = [], [], 0, PKI_AGE
        shutil.copy(state, self.dir / "l1.json")
        self.l1 = Node(self.dir / "l1.json", self.dir / "anvil.log")
        self.l1.rpc("evm_mine")  # until then its head is as old as the template
        client = os.environ.get("L1_CLIENT")
        self.front = Endpoint(self.l1, client=client, late=LATE_L1) if client or LATE_L1 else None
        self.rpc_url = self.front.url if self.front else self.l1.url
        self.proposer = env["ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS"]
        self.timelock = env["ETHREX_TIMELOCK_ADDRESS"]
        self.verifier = env["ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS"]
        self.env_file = self.dir / "contracts.env"
        self.env_file.write_text("".join(f"{k}={v}\n" for k, v in env.items()))

    def secret(self, name, text):
        path = self.dir / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        return path

    def coordinator(self, *args, **settings):
        return self.add(Coordinator(self, *args, **settings))

    def cluster(self, count, *args, **settings):
        return Cluster(self, count, *args, **settings)

    def prover(self, coordinator, *args, **more):
        return self.add(Prover(self, coordinator, *args, **more))

    def pki(self, *flags):
        """The directory of this world's platform and collateral; flags (software-qe pki) renew it. Dates have seconds,
        so what comes later in the same one is newer only by its age."""
        where = self.dir / "pki"
        if flags and "--age" not in flags:
            flags += ("--age", self.pki_age - 60)
        if flags:
            age = int(flags[flags.index("--age") + 1])
            assert age < self.pki_age or not where.exists(), f"--age {age} is not newer than {self.pki_age}"
            self.pki_age = age
        return make_pki(where, *flags)

    def software_qe(self, *flags, **more):
        return self.add(SoftwareQE(self, *flags, **more).start())

    def pccs(self, *flags, **more):
        """A source of collateral for the coordinators that are made later, after those there are."""
        server = self.add(Pccs(self, *flags, **more).start())
        self.sources.append(server.source)
        return server

    def upload_collateral(self, pccs, **more):
        """What that server has becomes what the quote verifier on the chain goes by."""
        return upload_collateral(self.l1, self.dcap, pccs, **more)

    def sequencer(self, coordinator, *flags, **more):
        return self.add(Sequencer(self, coordinator, *flags, **more))

    def add(self, part):
        self.parts.append(part)
        return part

    def close(self):
        for part in self.parts:
            part.kill()
        for part in self.parts:
            getattr(part, "remove", lambda: None)()
        if self.front:
            self.front.close()
        if self.l1.process.poll() is None:
            self.l1.process.kill()
            self.l1.process.wait(PATIENCE)

    def logs(self):
        return {p.name: p.read_text(errors="replace") for p in sorted(self.dir.glob("*.log"))}

    # --- what a sequencer does ---

    def batch(self, number):
        return self.templates.batch(number)

    def put(self, coordinator, first, last):
        for n in range(first, last + 1):
            status, text = coordinator.put(n, self.batch(n)["input"])
            assert status in (200, 201), f"batch {n}: {status} {text}"

    def commit(self, first, last):
        for n in range(first, last + 1):
            self.l1.transact({"from": self.l1.accounts[0], "to": self.timelock, "data": self.batch(n)["commit"]})

    def feed(self, coordinator, last):
        """Inputs, then commitments, of the batches up to `last` that were not fed before."""
        self.put(coordinator, self.fed + 1, last)
        self.commit(self.fed + 1, last)
        self.fed = max(self.fed, last)

    # --- what a prover does ---

    def proof(self, key, number):
        return bytes.fromhex(key.sign(self.batch(number)["public_inputs"])[2:])

    def prove(self, coordinator, key, **options):
        """One honest round: the batch that was proven and acknowledged, or None."""
        number, _ = coordinator.request(**options)
        if number is not None:
            assert coordinator.submit(number, self.proof(key, number), **options) is True
        return number

    # --- what the chain says ---

    @property
    def dcap(self):
        """The quote verifier behind the TDXVerifier."""
        return self.l1.address(self.verifier, "quoteVerifier()")

    @property
    def verified(self):
        return self.l1.number(self.proposer, "lastVerifiedBatch()")

    @property
    def signer(self):
        return self.l1.address(self.verifier, "authorizedSignature()").lower()

    def until_verified(self, number, seconds=PATIENCE):
        until(f"batch {number} verified", lambda: self.verified >= number, seconds)
        assert self.verified == number if number == self.fed else self.verified >= number

    def unverify(self, snapshot, c, number):
        """L1 goes back to before anything was verified. No block comes until c has seen the verification and that:
        sent again at once, it would be verified as before when looked at."""
        until(f"the verification of batch {number} seen", lambda: c.status()["l1"]["last_verified_batch"] == number)
        self.l1.rpc("evm_setAutomine", False)
        self.l1.rpc("evm_setIntervalMining", 0)
        assert self.l1.rpc("evm_revert", snapshot) is True
        assert self.verified == 0
        c.saw("event=l1_went_back")
        self.l1.rpc("evm_setIntervalMining", 1)


class Background:
    """Calls something again and again in a thread until told to stop; keeps what it raised. pause: between two calls,
    for thousands of connections a second fill the tables of the machine, and then nobody gets one."""

    def __init__(self, action, pause=0.02):
        self.stopping, self.error, self.results = threading.Event(), None, []

        def loop():
            while not self.stopping.wait(pause):
                try:
                    self.results.append(action())
                except OSError:
                    pass
                except Exception as error:  # for the test's thread, which raises it
                    self.error = error
                    return
        self.thread = threading.Thread(target=loop, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping.set()
        self.thread.join(PATIENCE)
        if self.error:
            raise self.error
        return self.results


__all__ = ["Background", "COMMIT_HASH", "Coordinator", "EVALUATION_NUMBER", "FMSPC", "Key", "L1_KEY", "Node", "P", "PATIENCE",
           "TDX_KEY", "Templates", "World", "automata", "cast", "clean_env", "free_port", "program", "signal", "until"]
