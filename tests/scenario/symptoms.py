"""What an operator sees, what the coordinator says of it, and what to do: test_symptoms.py provokes each and looks for the
words, scripts/symptoms-table makes docs/RUNBOOK.md's table of it. In the words, ‹…› stands for what varies."""

import re
from typing import NamedTuple


PAGE = "the same, on the page alone"


class Symptom(NamedTuple):
    sign: str
    event: str  # of the log; "": nothing went wrong yet
    log: str    # what that line says
    status: str  # what `status` and the page say; "": the log alone; PAGE: the page alone, under the last refusals
    remedy: str


SYMPTOMS = {
    "no_prover": Symptom(
        "no prover", "no_prover", "batch ‹1› waits for a TDX prover with commit hash ‹52e4b64›\" nobody_asked_s=‹15›", "batch ‹1› waits for a TDX prover with commit hash ‹52e4b64›",
        "start a prover of that version; does it reach `LISTEN_ADDRESS`?"),
    "wrong_measurement": Symptom(
        "prover of wrong measurement", "setup_refused", "RTMR1", PAGE,
        "`tdx-quote diff GOOD BAD` says what changed: boot the image that the contract was made for"),
    "expired_collateral": Symptom(
        "expired collateral", "setup_refused", "expired", PAGE,
        "`proof-coordinator collateral`, then `collateral refresh`"),
    "rpc_down": Symptom(
        "RPC down", "endpoint_failed", "Failed to connect to ‹127.0.0.1 port 8545›", "L1 is not read: ‹URL›: Failed to connect",
        "mend the node, or add one to `ETHREX_ETH_RPC_URL`"),
    "no_name": Symptom(
        "L1's name is not resolved", "endpoint_failed", "Could not resolve host: ‹no-such-host.invalid›: is the name right, and does this machine's DNS answer?",
        "L1 is not read: ‹URL›: Could not resolve host: ‹no-such-host.invalid›", "correct `ETHREX_ETH_RPC_URL`, or mend DNS"),
    "no_tls": Symptom(
        "https:// where HTTP is spoken", "endpoint_failed", "wrong version number: no TLS is spoken there; is http:// meant?",
        "no TLS is spoken there; is http:// meant?", "`http://` in `ETHREX_ETH_RPC_URL`"),
    "tls_not_trusted": Symptom(
        "L1's certificate is not trusted", "endpoint_failed",
        "SSL certificate problem: ‹self-signed certificate›: it is trusted once its authority is among this machine's",
        "SSL certificate problem: ‹self-signed certificate›: it is trusted once its authority is among this machine's",
        "`update-ca-certificates` with its authority, or correct `ETHREX_ETH_RPC_URL`"),
    "no_http": Symptom(
        "another protocol than HTTP at L1's port", "endpoint_failed", "no HTTP is spoken there; is https:// meant, or another port?",
        "no HTTP is spoken there; is https:// meant, or another port?", "correct `ETHREX_ETH_RPC_URL`"),
    "tls_wanted": Symptom(
        "http:// where HTTPS is spoken", "endpoint_failed", "HTTP status 400: is https:// meant instead of http:// in ETHREX_ETH_RPC_URL?",
        "HTTP status 400: is https:// meant instead of http:// in ETHREX_ETH_RPC_URL?", "`https://` in `ETHREX_ETH_RPC_URL`"),
    "key_of_l1_refused": Symptom(
        "L1 refuses the key in its URL", "endpoint_failed", "HTTP status ‹401›: is the key in ETHREX_ETH_RPC_URL right?",
        "HTTP status ‹401›: is the key in ETHREX_ETH_RPC_URL right?", "correct the key in `ETHREX_ETH_RPC_URL`"),
    "node_behind_down": Symptom(
        "a proxy without its node", "endpoint_failed", "HTTP status ‹503›: the node behind it does not serve now; mend it, or add an endpoint to ETHREX_ETH_RPC_URL",
        "HTTP status ‹503›: the node behind it does not serve now", "mend the node, or add one to `ETHREX_ETH_RPC_URL`"),
    "wrong_chain": Symptom(
        "wrong chain id", "endpoint_of_another_chain", "is on chain ‹31337›, not on chain ‹5›: set aside",
        "is on chain ‹31337›, not on chain ‹5›: set aside", "correct `ETHREX_ETH_RPC_URL` or `L1_CHAIN_ID`"),
    "no_json_rpc": Symptom(
        "HTTP 501 from L1", "endpoint_failed", "HTTP status 501: no JSON-RPC is served there; is ETHREX_ETH_RPC_URL right?",
        "HTTP status 501: no JSON-RPC is served there", "correct `ETHREX_ETH_RPC_URL`"),
    "gas_runs_out": Symptom(
        "key soon out of gas", "funds_low", "‹0x…› wei=‹100› low_below=‹200›", "verify    ‹0x…› has ‹0.1 ETH›",
        "fund that address"),
    "out_of_gas": Symptom(
        "key out of gas", "funds_low", "wei=‹1›",
        "insufficient funds: the sending key has ‹1› wei, the transaction may cost ‹257250437518224›", "fund the address under `balances`"),
    "no_code": Symptom(
        "contract without code", "l1_unreadable", "of the OnChainProposer ‹0x34…› is answered with nothing at block ‹7›: the node is not synced, or the address is wrong",
        "L1 is not read: ‹REQUIRE_TDX_PROOF()› of the OnChainProposer ‹0x34…› is answered with nothing",
        "is that address the OnChainProposer's on that chain (`ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS`)? Else wait for the node"),
    "another_contract": Symptom(
        "a contract of another kind", "contract_of_another_kind",
        "the contract at ‹0x34…› holds no ethrex OnChainProposer (REQUIRE_TDX_PROOF() does not answer): is ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS right?",
        "", "correct `ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS`; it ended with 78, and nothing starts it again"),
    "paused": Symptom(
        "contract paused", "", "", "the OnChainProposer is paused", "the contract's owner paused it, and alone can go on"),
    "no_role": Symptom(
        "key of somebody else", "address_refused", "the sending key ‹0x7e…› has not the SEQUENCER role of the Timelock ‹0xe7…›",
        "the sending key ‹0x7e…› has not the SEQUENCER role of the Timelock ‹0xe7…›",
        "give `L1_PRIVATE_KEY_FILE` the sequencer's key, or have the role granted to that address"),
    "port_taken": Symptom(
        "port taken", "start_failed",
        "cannot listen on ‹127.0.0.1 port 3900›: Address already in use: another process has that port (ss -ltnp shows it)", "",
        "end that process, or set the port that the line names"),
    "not_our_address": Symptom(
        "address of another machine", "start_failed",
        "cannot listen on ‹203.0.113.7 port 3900›: Cannot assign requested address: this machine has no such address; correct ETHREX_PROOF_COORDINATOR_LISTEN_ADDRESS",
        "", "an address of this machine, or `0.0.0.0`, in `LISTEN_ADDRESS`"),
    "web_page": Symptom(
        "web page instead of L1", "endpoint_failed", "the reply of ‹52› bytes is not JSON but a web page: no JSON-RPC is served there; is ETHREX_ETH_RPC_URL right?",
        "is not JSON but a web page: no JSON-RPC is served there", "correct `ETHREX_ETH_RPC_URL`"),
    "too_many_requests": Symptom(
        "L1 wants fewer requests", "endpoint_failed", "HTTP status 429: it wants fewer requests; is its plan enough?",
        "HTTP status 429: it wants fewer requests", "a larger plan, or one more endpoint in `ETHREX_ETH_RPC_URL`"),
    "head_far": Symptom(
        "L1 lags, or the clock is wrong", "l1_head_far", "L1's head is ‹7200› s behind this machine's clock: does the node lag, or is the clock wrong?",
        "; L1's head is ‹7200› s behind this machine's clock: does the node lag, or is the clock wrong?",
        "compare `date -u` with another machine's: run NTP, or mend the node"),
    "fees_high": Symptom(
        "base fee above the ceiling", "", "",
        "the base fee of ‹29309082032› wei is not below the maximum of ‹10000000000› wei (ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS)",
        "wait, or raise `ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS` and send SIGHUP"),
    "disk_full": Symptom(
        "disk full", "proof_not_kept", "batch=‹1› reason=", "nothing can be stored: ‹…›",
        "free space: provers keep their proofs and come again"),
    "disk_floor": Symptom(
        "disk nearly full", "input_refused", "bytes free, and ‹1073741824› are to stay free",
        "; no input is taken: ‹0› bytes are free on the disk, and ‹1073741824› are to stay free (ETHREX_PROOF_COORDINATOR_DISK_FLOOR_BYTES)",
        "free space: the sequencer puts its inputs again"),
    "leased": Symptom(
        "batch behind a lease", "work_granted", "batch=‹1›",
        "batch ‹1› waits: TDX is leased to ‹127.0.0.1›, and for ‹58› s more to nobody else",
        "wait, or start another prover: who asks after that has it too"),
    "silent_key": Symptom(
        "silent key", "key_silent", "the registered key ‹A› is silent for ‹130› s; ‹B›, which has shown a proof since, takes over in ‹470› s",
        "`promote ‹B›` does it now", "`proof-coordinator promote B`, or mend A's prover"),
    "wrong_commit_hash": Symptom(
        "wrong commit hash", "version_mismatch",
        "commit_hash=‹abcdef1› source=‹127.0.0.1› reason=\"nothing to prove for commit hash ‹abcdef1›, but for ‹52e4b64›\"",
        "waits for a TDX prover with commit hash ‹52e4b64›", "run prover and sequencer of one version"),
    "behind_nat": Symptom(
        "provers behind NAT", "refused", "connection from ‹127.0.0.1› refused: limit on source; ‹1› are open", "",
        "raise `MAX_CONNECTIONS_PER_SOURCE`, `LEASES_PER_SOURCE` and `CANDIDATES_PER_SOURCE`"),
    "dev_contract": Symptom(
        "dev contract, production daemon", "setup_refused",
        "is in dev mode, where nothing is attested, and this daemon was not told to accept that (ETHREX_TDX_DEV_MODE=true)",
        "no prover can be registered: the TDXVerifier is in dev mode, where nothing is attested, and ETHREX_TDX_DEV_MODE is not set",
        "deploy a production TDXVerifier; for a devnet `ETHREX_TDX_DEV_MODE=true`"),
    "dev_contract_real_quote": Symptom(
        "real quote, dev contract", "setup_refused",
        "is in dev mode and would take the first 20 bytes of this quote of ‹5004› bytes, its header ‹04…›, as the signer's address",
        "the TDXVerifier is in dev mode, where nothing is attested, and ETHREX_TDX_DEV_MODE is not set",
        "deploy a production TDXVerifier, or run the prover in dev mode too"),
    "production_contract": Symptom(
        "production contract, dev daemon", "setup_refused",
        "takes TDX quotes; this payload is a bare address (20 bytes): the prover found no quote interface (configfs-tsm) or is not in a TD",
        "only quotes are registered: ETHREX_TDX_DEV_MODE is set, and the TDXVerifier is not in dev mode",
        "take `ETHREX_TDX_DEV_MODE` away, run provers in a trust domain"),
    "nonce_taken": Symptom(
        "nonces of somebody else", "", "", "transactions of the sending key that are not ours are pending (nonce ‹0›",
        "give this coordinator a key of its own"),
    "timelock_wrong": Symptom(
        "Timelock wrong", "address_refused", "there is no contract at ‹0x12…›", "there is no contract at ‹0x12…›",
        "correct `ETHREX_TIMELOCK_ADDRESS`, restart"),
    "timelock_omitted": Symptom(
        "Timelock omitted", "address_refused",
        "the OnChainProposer is owned by ‹0xe7…›, not by the sending key ‹0x70…›: is that a Timelock, for ETHREX_TIMELOCK_ADDRESS?",
        "is that a Timelock, for ETHREX_TIMELOCK_ADDRESS?", "set `ETHREX_TIMELOCK_ADDRESS` to that address, restart"),
    "database_unreachable": Symptom(
        "database out of reach", "store_lost", "PostgreSQL, database ‹coordinator› at ‹127.0.0.1:5432›: ‹…›",
        "nothing can be stored: PostgreSQL, database ‹coordinator› at ‹127.0.0.1:5432›: ‹…›",
        "is the server up, and reached from here? Provers go to another coordinator meanwhile; it comes back by itself"),
    "another_leads": Symptom(
        "one of several sends nothing", "", "", "another coordinator leads: ‹c1›", "nothing: `status` of the one that leads says what is sent"),
    "no_leader": Symptom(
        "none of several sends", "leads_no_more", "nothing is signed or sent from here until this coordinator leads again",
        "no coordinator leads now: nothing is judged or sent", "see whether another program holds the database's lock, and the clocks"),
    "coordinator_gone": Symptom(
        "one of several is gone", "", "", "; gone: ‹c2›", "start it again; taken away for good it is forgotten after a day"),
    "clock_off": Symptom(
        "clock is off", "store_trouble", "this host's clock is ‹5.000› s ahead of the database's", "; clock off: ‹c2›",
        "run NTP there and on the database's host"),
    "settings_differ": Symptom(
        "settings of one differ", "settings_differ", "‹c2› (‹the key that verifies›)", "; other settings: ‹c2› (‹the key that verifies›)",
        "make them the same on each, restart the one that is wrong"),
    "same_name": Symptom(
        "two of one name", "start_failed", "a coordinator with the name ‹c1› is there: give each its own ETHREX_PROOF_COORDINATOR_INSTANCE",
        "", "give each its own `INSTANCE`"),
    "database_unfit": Symptom(
        "database set up otherwise", "start_failed", "‹coordinator› lacks rights on the table ‹proof›, which is ‹postgres›'s: GRANT", "",
        "as it says; [what the database must be](CLUSTER.md#setting-it-up)"),
    "database_went_back": Symptom(
        "database restored, or another's", "store_is_another", "it went back, or is another copy: revision ‹12›, which was seen, is not there",
        "", "nothing: it ends and is started anew, with what the database has. What was acknowledged since is not in it"),
}


def pattern(words):
    """A regular expression for the words, whatever stands for ‹…›."""
    return ".+?".join(re.escape(piece) for piece in re.split(r"‹[^›]*›", words))


def table():
    yield "| symptom | event | the log says | `status` and the page say | do |"
    yield "|---|---|---|---|---|"
    for s in SYMPTOMS.values():
        yield f"| {s.sign} | {s.event} | {s.log} | {s.status} | {s.remedy} |"
