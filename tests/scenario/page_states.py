"""States of the coordinator as the admin API tells them, and a server that shows the page with one of them.

The page's files and headers are those of a real daemon; the answers here are made up, and test_page.py
holds each to docs/openapi.json as it holds the daemon's.
"""

import copy
import http.server
import json
import threading
import time

A, B, C = "0xE376E9fF3B5493b6747Cd786546467488D7E4286", "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", "0x1563915e194D8CfBA1943570603F7606A3115508"
TX = "0x0f567523bcd623f03a064071544b71a78354b5b449cb0b3a3d20186f749a2569"
QUOTE = "9a1c" * 16
SECOND = 1000


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def run(first, last, state, committed=True, **more):
    return {"first": first, "last": last, "state": state, "committed": committed, "bad_proofs": 0, **more}


def endpoint(name="http://127.0.0.1:8545", state="ready", error=""):
    return {"endpoint": name, "state": state, "latency_ms": 12, "last_error": error}


def funds(key, address, wei, low=False):
    return {"key": key, "address": address, "balance_wei": wei, "low": low}


def signer(key, address, trouble=""):
    return {"key": key, "address": address, "way": "process", "where": "process 4711, confined", "trouble": trouble, "signed": 7,
            "not_signed": 1 if trouble else 0}


def relay(state="up", failure=""):
    """An ethrex behind it."""
    return {"asks": True, "says": "this coordinator asks upstream", "host": "127.0.0.1", "port": 3910, "submit": "chosen", "state": state, "state_for_s": 61, "last_failure": failure,
            "dialect": "p7", "spins": False, "provers_waiting": 1, "fetching_waits_for": "", "checkpoints_through": 116, "demands": [],
            "proofs": {"acknowledged": 116, "not_acknowledged": 0, "first_not_acknowledged": 0, "last": "acknowledged"}}


def coordinator(name, slot, figures=True, **more):
    """One on the database."""
    says = {"state": "ready", "connections": 12, "leases": 2, "provers": 5, "inputs_granted": 480, "proofs_accepted": 412,
            "l1_block": 19231007, "l1_age_s": 7, "uptime_s": 93784}
    return {"name": name, "slot": slot, "version": "0.2.0", "schema": 1, "started_ms": int(time.time() - 93784) * SECOND, "leads": False,
            "this": False, "seen_s_ago": 1, "gone": False, "clock_skew_ms": 12, "figures": says if figures else None, **more}


def alone():
    return {"shared": False, "says": "this coordinator is alone: its state is in its data directory", "leads": True, "trouble": "", "upstream": "",
            "coordinators": [coordinator("host-a-3900", 0, leads=True, this=True, seen_s_ago=0, clock_skew_ms=0)]}


def several(**more):
    return {"shared": True, "says": "another coordinator leads: host-b-3900; gone: host-d-3900", "leads": False, "trouble": "", "upstream": "", "coordinators": [
        coordinator("host-a-3900", 0, this=True), coordinator("host-b-3900", 1, leads=True),
        coordinator("a-name-as-long-as-the-settings-allow-it.example.org-0123456-3900", 2, clock_skew_ms=-2740),
        coordinator("host-d-3900", 3, figures=False, gone=True, leads=True, seen_s_ago=340)], **more}


def evidence(days, ahead="", contract="", status="UpToDate"):
    return {"ahead": ahead, "contract": contract, "tcb_status": status, "tcb_date": iso(-86400 * 200), "valid_to": iso(86400 * days),
            "tcb_evaluation_number": 17, "fmspc": "90c06f000000", "quote_sha256": QUOTE}


def prover(signer, active, state, **more):
    now = int(time.time() * SECOND)
    return {"signer": signer, "active": active, "state": state, "payload": "quote", "source": "10.0.0.7", "first_seen_ms": now - 90000000,
            "last_seen_ms": now - 4000, "last_proof_ms": now - 61000, "proofs": 412, "evidence": evidence(21), "names": [signer], **more}


def past(kind, first=None, last=None, signer=None, outcome="confirmed", sentence="", ago=90, **more):
    return {"kind": kind, "first_batch": first, "last_batch": last, "signer": signer, "at_ms": int(time.time() - ago) * SECOND,
            "outcome": outcome, "sentence": sentence, "attempts_made": 1, "hash": TX, "block": 812, "gas_used": 153330,
            "gas_price_wei": 1546693363, **more}


def verdict(reason, source="10.0.0.9", **more):
    return {"quote_sha256": QUOTE, "at": int(time.time()) - 340, "source": source, "answer": "refused", "reason": reason, "signer": None, **more}


def platform(**more):
    return {"platform": "90c06f000000 platform standard", "fetching": False, "refresh_at": iso(86400 * 15), "last_failure": "",
            "valid_from": iso(-86400), "valid_to": iso(86400 * 28), "stale": False, "tcb_evaluation_number": 17, "fetched_at": iso(-3600),
            "source": "https://api.trustedservices.intel.com:443", **more}


def source(**more):
    return {"source": "https://api.trustedservices.intel.com:443", "failures_in_a_row": 0, "rests_until": None, "last_failure": "",
            "answers": {"ok": 12}, **more}


def normal():
    now = int(time.time() * SECOND)
    return {
        "at_ms": now, "uptime_s": 93784, "version": "0.2.0", "state": "ready", "tdx_dev_mode": False, "cluster": alone(),
        "l1": {"readable": True, "trouble": "", "head_time": now // SECOND - 7, "chain_id": 1, "l2_chain_id": 65536999,
               "last_committed_batch": 131, "last_verified_batch": 116, "needs": ["TDX"], "signer": A,
               "endpoints": [endpoint("https://l1.example.org"), endpoint("http://127.0.0.1:8545", "resting", "HTTP status 502")],
               "funds": [funds("verify", B, "1834000000000000000"), funds("register", C, "412000000000000000")],
               "signers": [signer("verify", B), signer("register", C)],
               "sender": "verify batches 117 to 119: waiting for the receipt, attempt 2 (31 s)", "next": "verifying batches 117 to 119"},
        "work": {"batches": 18, "inputs": 17, "input_bytes": 218103808, "leases": 2, "retained_batches": 41, "proof_bytes": 6144,
                 "inputs_broken": [], "oldest_waiting": "batch 120 waits: 1 TDX proof is to be judged"},
        "batches": {"last": 134, "beyond": None, "runs": [
            run(101, 116, "verified"), run(117, 119, "sent"), run(120, 121, "proven"), run(122, 123, "judged"),
            run(124, 124, "leased", wants="TDX", leased_to="10.0.0.7", since_ms=now - 43000),
            run(125, 125, "leased", wants="TDX", leased_to="prover-b.example.org", since_ms=now - 250000),
            run(126, 129, "open", wants="TDX"), run(130, 130, "waiting_for_input"), run(131, 131, "open", wants="TDX", bad_proofs=1),
            run(132, 133, "open", committed=False, wants="TDX"), run(134, 134, "proven", committed=False)]},
        "transaction": {"kind": "verify", "first_batch": 117, "last_batch": 119, "signer": None, "from": B, "to": C, "gas_limit": 412000,
                        "attempts_made": 2, "attempts": [
                            {"nonce": 81, "max_fee_per_gas_wei": 3100000000, "max_priority_fee_per_gas_wei": 1000000000, "hash": TX},
                            {"nonce": 81, "max_fee_per_gas_wei": 3720000000, "max_priority_fee_per_gas_wei": 1200000000,
                             "hash": "0x" + TX[:1:-1]}]},
        "transactions": [past("verify", 113, 116), past("verify", 109, 112, ago=200), past("register", signer=A, ago=4000)],
        "provers": [prover(A, True, "active, 412 proofs shown"),
                    prover(B, False, "standby", source="prover-b.example.org", proofs=9, evidence=evidence(5, status="SWHardeningNeeded"))],
        "provers_known": 2, "relay": None, "platforms": [platform()], "sources": [source()],
        "verdicts": [verdict("rtmr1 is 3c…e1, the contract wants 8f…02", contract="TDXVerifier: RTMR1 mismatch"),
                     verdict("the TCB status is OutOfDate: TDX module 1.5.5 is short of 1.5.6", quote_sha256="77aa" * 16)],
    }


def idle():
    o = normal()
    o["batches"] = {"last": 0, "runs": [], "beyond": None}
    o["l1"].update(last_committed_batch=0, last_verified_batch=0, signer=None, sender="nothing to send", next="no batch is to be verified",
                   endpoints=[endpoint()])
    o["work"].update(batches=0, inputs=0, leases=0, oldest_waiting="no batch waits for a proof")
    o.update(transaction=None, transactions=[], provers=[], provers_known=0, verdicts=[], platforms=[], uptime_s=4)
    return o


def trouble():
    o = normal()
    o["state"] = "draining"
    o["cluster"] = several(says="nothing can be stored: the server closed the connection", trouble="the server closed the connection")
    o["l1"].update(readable=False, trouble="http://127.0.0.1:8545: connection refused; https://l1.example.org: HTTP status 501", head_time=0,
                   endpoints=[endpoint(state="set_aside", error="connection refused"), endpoint("https://l1.example.org", "resting", "HTTP status 501")],
                   next="the OnChainProposer is paused", sender="verify batches 117 to 119: insufficient funds for gas * price + value (90 s)")
    o["l1"]["funds"][0].update(balance_wei="31000000000000", low=True)
    o["relay"] = relay("down", "connection refused")
    o["l1"]["signers"][0] = signer("verify", B, "the signing process ended")
    o["work"]["inputs_broken"] = [{"batch": 120, "commit_hash": "52e4b64"}]
    o["batches"]["runs"][2] = run(120, 121, "input_broken")
    o["provers"][0]["evidence"] = evidence(-1, ahead="OutOfDate from 2026-12-08 on: TDX module 1.5.5 is short of 1.5.6",
                                           contract="the contract's verifier: TCB status 6")
    o["platforms"] = [platform(valid_to=iso(-7200), stale=True, last_failure="no source has it: HTTP status 503")]
    o["sources"] = [source(failures_in_a_row=14, last_failure="HTTP status 503")]
    o["transactions"].insert(0, past("verify", 117, 119, outcome="failed on chain", sentence="InvalidTdxProof()", ago=8))
    return o


def follower():
    """Another coordinator on the same database leads; one is gone, and a clock is off."""
    o = normal()
    o["cluster"] = several()
    o["l1"].update(next=o["cluster"]["says"], sender="waits for this coordinator to lead")
    o["transaction"] = None
    o["relay"] = {**relay("not asked yet"), "asks": False, "says": "host-b-3900 leads, and asks upstream"}
    return o


def many():
    """50,000 batches wait, and no two neighbours are in one state."""
    o = normal()
    words = ["open", "leased", "proven", "judged", "waiting_for_input"]
    runs = [run(1, 16, "verified")]
    for n in range(17, 257):
        state = words[n % 5]
        more = {"wants": "TDX"} if state in ("open", "leased") else {}
        if state == "leased":
            more.update(leased_to=f"10.0.{n % 256}.7", since_ms=o["at_ms"] - n * 3000)
        runs.append(run(n, n, state, **more))
    o["batches"] = {"last": 50016, "runs": runs, "beyond": {"first": 257, "last": 50016}}
    o["l1"].update(last_committed_batch=50016, last_verified_batch=16)
    o["work"].update(batches=49990, inputs=49950, leases=812, oldest_waiting="batch 17 waits: 1 TDX proof is to be judged")
    o["provers"] = [prover(f"0x{n:040x}", n == 0, "standby" if n else "active", source=f"10.0.0.{n}") for n in range(12)]
    o["provers_known"] = 300
    return o


def dev():
    o = idle()
    o["tdx_dev_mode"] = True
    o["state"] = "starting"
    return o


STATES = {"normal": normal, "idle": idle, "follower": follower, "trouble": trouble, "many": many, "dev": dev}
SCRIPT = "<img src=x onerror=\"window.hit=1\"><script>window.hit=1</script><b class=hostile>&amp;{}</b>"


def hostile(value=None, name="", keep=("state", "valid_to", "kind", "at_ms", "answer")):
    """Markup in every string of a state, but where the program itself says one of a few words."""
    value = trouble() if value is None and not name else copy.deepcopy(value)
    if isinstance(value, dict):
        return {k: hostile(v, k) if v is not None else (SCRIPT.format(k) if k in ("rests_until", "block") else None) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(v, name) for v in value]
    if isinstance(value, str) and name not in keep:
        return SCRIPT.format(name)
    return value


class Stage:
    """Serves the page of a real daemon, and one state as its API."""

    def __init__(self, files, state, streams=True, token=None):
        """files: {path: (headers, bytes)}"""
        stage = self
        self.state, self.seen, self.streams, self.stopped, self.open_streams = state, [], streams, False, 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body, kind="application/json", headers=()):
                self.send_response(status)
                for key, value in [*headers, ("content-type", kind), ("content-length", len(body))]:
                    self.send_header(key, str(value))
                self.end_headers()
                self.wfile.write(body)

            def any(self):
                stage.seen.append((self.command, self.path, self.headers.get("authorization")))
                if self.path in files:
                    headers, body = files[self.path]
                    kind = headers.pop("Content-Type", None) or headers.get("kind")
                    headers["kind"] = kind
                    self.answer(200, body, kind, [(k, v) for k, v in headers.items() if k != "kind"])
                elif token and self.headers.get("authorization") != f"Bearer {token}":
                    self.answer(401, b'{"code":"bad_token","message":"no Authorization: Bearer TOKEN, or a wrong one"}')
                elif self.path == "/api/v1/events" and stage.streams:
                    self.stream()
                elif self.path == "/api/v1/events":
                    self.answer(503, b'{"code":"too_many_streams","message":"8 event streams are open"}')
                elif self.path == "/api/v1/overview":
                    self.answer(200, json.dumps(stage.state()).encode())
                elif self.path.startswith("/api/v1/verdicts/"):
                    self.answer(200, json.dumps({"verdict": {"checks": [{"check": "rtmr1", "ok": False, "said": SCRIPT}]}}).encode())
                else:
                    self.answer(200, json.dumps({"code": "done", "message": f"done: {SCRIPT}"}).encode())

            do_GET = do_POST = do_DELETE = any

            def stream(self):
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                self.close_connection = True
                stage.open_streams += 1
                try:
                    while not stage.stopped:
                        self.wfile.write(b"event: overview\ndata: " + json.dumps(stage.state()).encode() + b"\n\n")
                        time.sleep(0.3)
                except OSError:
                    pass
                stage.open_streams -= 1

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.stopped = True
        self.server.shutdown()
        self.server.server_close()
