#include "coordinator/config/config_table.h"

#include <stddef.h>

#define P         "ETHREX_PROOF_COORDINATOR_"
#define AT(field) offsetof(struct config, field)
#define KIB       1024ull
#define MIB       (1024 * KIB)
#define GIB       (1024 * MIB)
#define HOUR_MS   3600000ull

/* TEXT(env, older, flag, field, default, reload, help) and so on keep the table one row a line. */
#define TEXT(n, o, f, field, d, r, h)                                                              \
	{                                                                                          \
		NULL, n, o, f, TYPE_TEXT, AT(field), 0, 0, 0, d, r, h                              \
	}
#define NUM(n, f, field, lo, hi, d, r, h)                                                          \
	{                                                                                          \
		NULL, n, NULL, f, TYPE_U64, AT(field), 0, lo, hi, d, r, h                          \
	}
#define FLAG(n, o, f, field, d, r, h)                                                              \
	{                                                                                          \
		NULL, n, o, f, TYPE_BOOL, AT(field), 0, 0, 0, d, r, h                              \
	}
#define GROUP(g)                                                                                   \
	{                                                                                          \
		g, NULL, NULL, NULL, TYPE_TEXT, 0, 0, 0, 0, NULL, false, NULL                      \
	}

/* clang-format off */
const struct config_row config_rows[] = {
	GROUP("Listener for provers"),
	TEXT(P "LISTEN_ADDRESS", "PROOF_COORDINATOR_ADDRESS", "proof-coordinator.addr", listen_address, "127.0.0.1", false, "address to listen on for provers"),
	NUM(P "LISTEN_PORT", "proof-coordinator.port", listen_port, 0, 65535, "3900", false, "port to listen on (0: any free one, named in the log)"),
	NUM(P "MAX_CONNECTIONS", "proof-coordinator.max-connections", max_connections, 1, 1000000, "16384", false, "connections at once, in all"),
	NUM(P "MAX_CONNECTIONS_PER_SOURCE", "proof-coordinator.max-connections-per-source", max_connections_per_source, 1, 1000000, "1024", false, "connections at once from one IPv4 address or IPv6 /64"),
	NUM(P "MAX_MESSAGE_BYTES", "proof-coordinator.max-message-bytes", max_message_bytes, 1024, GIB, "16777216", false, "largest message that a prover may send"),
	NUM(P "READ_TIMEOUT", "proof-coordinator.read-timeout", read_timeout_ms, 100, HOUR_MS, "30000", false, "ms without a byte from the client before it is let go"),
	NUM(P "TOTAL_TIMEOUT", "proof-coordinator.total-timeout", total_timeout_ms, 1000, 24 * HOUR_MS, "120000", false, "ms for a whole message to arrive"),
	NUM(P "SETUP_TIMEOUT", "proof-coordinator.setup-timeout", setup_timeout_ms, 1000, 24 * HOUR_MS, "600000", false, "ms that a ProverSetup may wait for its registration on L1"),
	FLAG(P "ERROR_REPLIES", NULL, "proof-coordinator.error-replies", error_replies, "true", true, "answer {\"Error\":{code,message}} before closing on what cannot be served"),

	GROUP("TLS listener for provers"),
	TEXT(P "TLS_LISTEN", NULL, "proof-coordinator.tls-listen", tls_listen, "", false, "ADDRESS:PORT of a second listener, for TLS 1.3 (default: none)"),
	TEXT(P "TLS_CERTIFICATE_FILE", NULL, "proof-coordinator.tls-certificate-file", tls_certificate_file, "", true, "PEM file of its certificate, and of the chain after it"),
	TEXT(P "TLS_KEY_FILE", NULL, "proof-coordinator.tls-key-file", tls_key_file, "", true, "PEM file of its private key"),
	TEXT(P "TLS_CLIENT_CA_FILE", NULL, "proof-coordinator.tls-client-ca-file", tls_client_ca_file, "", true, "PEM file of the authority whose certificates give provers an identity"),
	{NULL, P "TLS_CLIENT_KEYS", NULL, "proof-coordinator.tls-client-keys", TYPE_HASHES, AT(tls_client_keys), 0, 0, 0, "", true, "keys that are an identity: SHA-256 of their SubjectPublicKeyInfo in hex, comma separated"},

	GROUP("Work"),
	NUM(P "PROVER_TIMEOUT", "proof-coordinator.prover-timeout", prover_timeout_ms, 1000, 24 * HOUR_MS, "600000", false, "ms after which an unanswered batch is handed out again"),
	NUM(P "MAX_BATCHES", "proof-coordinator.max-batches", max_batches, 1, 10000000, "100000", false, "unverified batches kept"),
	NUM(P "MAX_INPUTS", "proof-coordinator.max-inputs", max_inputs, 1, 10000000, "200000", false, "stored inputs (batch and commit hash) kept"),
	NUM(P "MAX_PROVERS", "proof-coordinator.max-provers", max_provers, 1, 100000, "64", false, "prover keys kept"),
	NUM(P "CANDIDATES_PER_BATCH", "proof-coordinator.candidates-per-batch", candidates_per_batch, 1, 64, "4", false, "proofs kept for one batch and type until they are judged"),
	NUM(P "CANDIDATES_PER_SOURCE", "proof-coordinator.candidates-per-source", candidates_per_source, 1, 1000000, "256", false, "unjudged proofs kept from one source"),
	NUM(P "LEASES_PER_SOURCE", "proof-coordinator.leases-per-source", leases_per_source, 0, 1000000, "1024", false, "batches leased at once to one source (0: any number)"),
	TEXT(P "COMMIT_HASH_PATTERN", NULL, "proof-coordinator.commit-hash-pattern", commit_hash_pattern, "^[0-9a-f]{7,40}$", false, "POSIX extended regular expression for a prover's commit hash"),

	GROUP("An ethrex behind this coordinator"),
	{NULL, P "UPSTREAM", NULL, "proof-coordinator.upstream", TYPE_SOURCES, AT(upstream), 0, 0, 0, "", false, "tcp://HOST:PORT of ethrex's own coordinator, from which inputs are fetched (default: none; inputs are put by hand)"},
	TEXT(P "SUBMIT", NULL, "proof-coordinator.submit", submit_text, "l1", false, "who sends verifyBatches: l1 (this coordinator), upstream (ethrex, to which good proofs are forwarded) or both"),
	NUM(P "UPSTREAM_PREFETCH", "proof-coordinator.upstream-prefetch", upstream_ahead, 0, 1024, "4", false, "inputs fetched ahead of the provers, of each dialect, commit hash and type that they ask for"),
	NUM(P "UPSTREAM_POLL", "proof-coordinator.upstream-poll", upstream_poll_ms, 50, HOUR_MS, "1000", false, "ms between two questions after the answer that there is nothing"),
	NUM(P "UPSTREAM_TIMEOUT", "proof-coordinator.upstream-timeout", upstream_timeout_ms, 100, HOUR_MS, "30000", false, "ms without a byte of an answer before it is given up"),
	NUM(P "UPSTREAM_WAIT", "proof-coordinator.upstream-wait", upstream_wait_ms, 0, 60000, "3000", false, "ms that a prover waits for an input that is being fetched, before it hears that there is none (0: not at all)"),
	NUM(P "UPSTREAM_MAX_BYTES", "proof-coordinator.upstream-max-bytes", upstream_max_bytes, KIB, 1024 * GIB, "268435456", false, "largest answer taken from upstream; MAX_INPUT_BYTES holds for the input in it"),

	GROUP("Store and inputs"),
	TEXT(P "DATA_DIR", NULL, "proof-coordinator.data-dir", data_dir, "proof-coordinator-data", false, "directory of the database and the inputs; with STORE, of this coordinator's own files and copies of inputs"),
	{NULL, P "STORE", NULL, "proof-coordinator.store", TYPE_STORE, AT(store_url), 0, 0, 0, "", false, "postgres://USER@HOST[:PORT][,HOST...]/DATABASE[?sslmode=...&sslrootcert=FILE...] of a PostgreSQL that several coordinators share (default: SQLite in the data directory)"},
	{NULL, P "STORE_PASSWORD", NULL, NULL, TYPE_SECRET, AT(store_password), 0, 0, 0, "", false, "the password for it"},
	TEXT(P "INSTANCE", NULL, "proof-coordinator.instance", instance_text, "", false, "name of this coordinator among those that share a STORE (default: the host's name and LISTEN_PORT)"),
	NUM(P "MAX_INPUT_BYTES", "proof-coordinator.max-input-bytes", max_input_bytes, KIB, 1024 * GIB, "1073741824", false, "largest batch input"),
	NUM(P "INPUT_QUOTA_BYTES", "proof-coordinator.input-quota-bytes", input_quota_bytes, KIB, 1048576 * GIB, "107374182400", false, "all stored inputs together"),
	NUM(P "PROOF_QUOTA_BYTES", "proof-coordinator.proof-quota-bytes", proof_quota_bytes, KIB, 1048576 * GIB, "10737418240", false, "all kept proofs together"),
	NUM(P "RETENTION", "proof-coordinator.retention", retention_s, 0, 31536000, "86400", true, "seconds that inputs and proofs are kept once their batch is verified and confirmed; less where a quota or the disk needs the room"),
	NUM(P "DISK_FLOOR_BYTES", "proof-coordinator.disk-floor-bytes", disk_floor_bytes, 0, 1024 * GIB, "1073741824", false, "free disk space below which no input is taken"),

	GROUP("Admin listener"),
	TEXT(P "ADMIN_LISTEN", NULL, "proof-coordinator.admin-listen", admin_listen, "", false, "unix:PATH, or ADDRESS:PORT on loopback, [::1]:PORT too (default: unix:admin.sock in the data directory)"),
	FLAG(P "ADMIN_OPEN_READS", NULL, "proof-coordinator.admin-open-reads", admin_open_reads, "false", false, "whoever can reach a loopback ADMIN_LISTEN may read without the token, and see the status page at once"),
	{NULL, P "ADMIN_TOKEN", NULL, NULL, TYPE_SECRET, AT(admin_token), 0, 0, 0, "", false, "bearer token (default: made at first start, admin.token in the data directory)"},

	GROUP("Metrics listener"),
	TEXT(P "METRICS_ADDRESS", NULL, "metrics.addr", metrics_address, "", false, "address of a listener for Prometheus and for Kubernetes' probes: /metrics, /livez, /readyz (default: none)"),
	NUM(P "METRICS_PORT", "metrics.port", metrics_port, 0, 65535, "3903", false, "its port (0: any free one, named in the log)"),

	GROUP("L1"),
	{NULL, "ETHREX_ETH_RPC_URL", NULL, "eth.rpc-url", TYPE_URLS, AT(rpc_urls_text), 0, 0, 0, "", false, "JSON-RPC endpoints, comma separated, in order of preference"},
	NUM(P "L1_CHAIN_ID", "proof-coordinator.l1-chain-id", chain_id, 0, UINT64_MAX, "0", false, "expected L1 chain id (0: learnt from the first answer, then kept)"),
	NUM(P "RPC_TIMEOUT", "proof-coordinator.rpc-timeout", rpc_timeout_ms, 100, HOUR_MS, "10000", false, "ms for one JSON-RPC answer"),
	{NULL, "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", NULL, "l1.on-chain-proposer-address", TYPE_ADDRESS, AT(proposer), AT(has_proposer), 0, 0, NULL, false, "the OnChainProposer"},
	{NULL, "ETHREX_TIMELOCK_ADDRESS", NULL, "l1.timelock-address", TYPE_ADDRESS, AT(timelock), AT(has_timelock), 0, 0, NULL, false, "the Timelock that verifyBatches goes through, where there is one"},
	{NULL, P "L1_PRIVATE_KEY", NULL, NULL, TYPE_KEY, AT(l1_key), AT(has_l1_key), 0, 0, NULL, false, "key that sends verifyBatches"},
	{NULL, P "TDX_PRIVATE_KEY", NULL, NULL, TYPE_KEY, AT(tdx_key), AT(has_tdx_key), 0, 0, NULL, false, "key that sends register (needed when the contract requires TDX)"},
	TEXT(P "KEYSTORE_FILE", NULL, "proof-coordinator.keystore-file", keystore_file, "", false, "encrypted key file (Web3 Secret Storage, version 3) instead of L1_PRIVATE_KEY; registers too where no TDX_PRIVATE_KEY is given"),
	{NULL, P "KEYSTORE_PASSWORD", NULL, NULL, TYPE_SECRET, AT(keystore_password), 0, 0, 0, "", false, "its password"},
	{NULL, P "REMOTE_SIGNER_URL", NULL, "proof-coordinator.remote-signer-url", TYPE_URLS, AT(remote_signer_url), 0, 0, 0, "", false, "Web3Signer that signs instead of L1_PRIVATE_KEY; registers too where no TDX_PRIVATE_KEY is given"},
	TEXT(P "REMOTE_SIGNER_PUBLIC_KEY", NULL, "proof-coordinator.remote-signer-public-key", remote_signer_public_key, "", false, "the public key that it signs with, in hex"),
	TEXT(P "REMOTE_SIGNER_CA_FILE", NULL, "proof-coordinator.remote-signer-ca-file", remote_signer_ca_file, "", false, "PEM file of the authorities, or of the one certificate, to trust for its TLS, instead of the system's"),
	NUM(P "REMOTE_SIGNER_TIMEOUT", "proof-coordinator.remote-signer-timeout", remote_signer_timeout_ms, 100, 60000, "10000", false, "ms for one answer of it"),
	NUM(P "SEND_INTERVAL", "proof-coordinator.send-interval", send_interval_ms, 50, HOUR_MS, "5000", true, "ms between two looks at L1"),
	NUM("ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS", "eth.maximum-allowed-max-fee-per-gas", max_fee_per_gas, 1, 1000000000000000ull, "10000000000", true, "wei a gas that is never exceeded"),
	NUM("ETHREX_MIN_RETRY_DELAY", "eth.min-retry-delay", min_retry_delay_s, 1, 86400, "96", false, "seconds before the first fee bump"),
	NUM("ETHREX_MAX_RETRY_DELAY", "eth.max-retry-delay", max_retry_delay_s, 1, 604800, "1800", false, "seconds between two bumps at most"),
	NUM(P "TX_GAS_CAP", "proof-coordinator.tx-gas-cap", tx_gas_cap, 100000, UINT64_MAX, "16777216", false, "gas of one transaction at most (EIP-7825)"),
	NUM(P "VERIFY_MAX_BATCHES", "proof-coordinator.verify-max-batches", verify_max_batches, 1, 1024, "1024", true, "batches in one verifyBatches at most (as many as its gas allows)"),
	NUM(P "FUNDS_LOW", "proof-coordinator.funds-low", funds_low_wei, 0, UINT64_MAX, "50000000000000000", true, "wei below which a sending key's balance is warned about (0: never)"),
	NUM(P "CONFIRMATIONS", "proof-coordinator.confirmations", confirmations, 1, 1000, "2", false, "blocks on top, its own included, before a transaction counts"),
	NUM(P "REGISTER_GAS_PER_DAY", "proof-coordinator.register-gas-per-day", register_gas_per_day, 0, UINT64_MAX, "50000000", true, "gas that registrations may use in one day (UTC)"),
	NUM(P "PROVER_SILENCE", "proof-coordinator.prover-silence", prover_silence_ms, 1000, 1000 * HOUR_MS, "600000", true, "longest silence of the active key, in ms, before a proven standby replaces it"),

	GROUP("Attestation"),
	TEXT(P "POLICY_FILE", NULL, "proof-coordinator.policy-file", policy_file, "", true, "measurement policy (JSON, see config/policy.example.json); what the TDXVerifier demands always comes on top"),
	NUM(P "MAX_VERIFICATIONS", "proof-coordinator.max-verifications", max_verifications, 1, 4096, "64", false, "quotes being verified at once"),
	NUM(P "MAX_CLOCK_SKEW", "proof-coordinator.max-clock-skew", max_clock_skew_s, 0, 31536000, "3600", false, "seconds that L1's head and this machine's clock may differ (0: L1's time counts, whatever it is)"),
	FLAG(P "LOOK_AHEAD", NULL, "proof-coordinator.look-ahead", collateral_look_ahead, "true", false, "verify kept quotes with Intel's early TCB info too, and warn of what will not pass"),
	NUM(P "EXPIRY_WARNING", "proof-coordinator.expiry-warning", expiry_warning_s, 0, 31536000, "604800", false, "seconds before the end of a key's evidence at which to warn"),
	{NULL, "ENCLAVE_ID_DAO", NULL, "proof-coordinator.enclave-id-dao", TYPE_ADDRESS, AT(enclave_id_dao), AT(has_enclave_id_dao), 0, 0, NULL, false, "on-chain PCCS: QE identities (default: found on chain)"},
	{NULL, "FMSPC_TCB_DAO", NULL, "proof-coordinator.fmspc-tcb-dao", TYPE_ADDRESS, AT(fmspc_tcb_dao), AT(has_fmspc_tcb_dao), 0, 0, NULL, false, "on-chain PCCS: TCB infos (default: found on chain)"},
	{NULL, "PCS_DAO", NULL, "proof-coordinator.pcs-dao", TYPE_ADDRESS, AT(pcs_dao), AT(has_pcs_dao), 0, 0, NULL, false, "on-chain PCCS: certificates and CRLs (default: found on chain)"},
	FLAG(P "NO_ONCHAIN_PCCS", NULL, "no-onchain-pccs", no_onchain_pccs, "false", false, "upload no collateral: somebody else does"),
	NUM(P "ONCHAIN_MARGIN", "proof-coordinator.onchain-margin", onchain_margin_s, 0, 2592000, "86400", false, "seconds of validity that collateral on chain must have left, or it is uploaded anew"),
	TEXT(P "REGISTER_ROUTE", NULL, "proof-coordinator.register-route", register_route, "direct", false, "direct: register is sent; file: its call is written to DATA_DIR/proposals for governance to send"),

	GROUP("Collateral"),
	{NULL, P "COLLATERAL_SOURCES", NULL, "proof-coordinator.collateral-sources", TYPE_SOURCES, AT(collateral_sources), 0, 0, 0, "https://api.trustedservices.intel.com", false, "where collateral comes from, comma separated, in order: https://... (Intel's PCS or its like), pccs+https://... (a PCCS), dir:/path (files)"},
	{NULL, P "COLLATERAL_ROOT_CRL_URL", NULL, "proof-coordinator.collateral-root-crl-url", TYPE_SOURCES, AT(collateral_root_crl_url), 0, 0, 0, "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der", false, "the root CA's CRL, where the source is no PCCS"},
	TEXT(P "COLLATERAL_CA_FILE", NULL, "proof-coordinator.collateral-ca-file", collateral_ca_file, "", false, "PEM file of the authorities to trust for a PCCS's TLS, instead of the system's"),
	TEXT(P "COLLATERAL_UPDATE", NULL, "proof-coordinator.collateral-update", collateral_update_text, "standard", false, "standard or early: which TCB evaluation to ask for, until the contracts go by another"),
	NUM(P "COLLATERAL_TCB_EVALUATION_NUMBER", "proof-coordinator.collateral-tcb-evaluation-number", collateral_number, 0, 1000000, "0", false, "tcbEvaluationDataNumber to ask for, whatever the contracts go by (0: as COLLATERAL_UPDATE says)"),
	NUM(P "COLLATERAL_TIMEOUT", "proof-coordinator.collateral-timeout", collateral_timeout_ms, 100, HOUR_MS, "10000", false, "ms for one answer of a source"),
	NUM(P "COLLATERAL_MAX_STALE", "proof-coordinator.collateral-max-stale", collateral_max_stale_s, 0, 31536000, "0", false, "seconds after its expiry that collateral may serve where no newer can be had"),
	TEXT(P "DCAP_ROOT_FILE", NULL, "proof-coordinator.dcap-root-file", dcap_root_file, "", false, "PEM file of a root CA to trust instead of Intel's; for tests"),

	GROUP("Modes"),
	FLAG("ETHREX_TDX_DEV_MODE", NULL, "tdx-dev-mode", tdx_dev_mode, "false", false, "accept 20-byte payloads for a dev-mode TDXVerifier; nothing is attested"),
	FLAG(P "DEV_MODE", NULL, "proof-coordinator.dev-mode", exec_only, "false", false, "only Exec proofs are needed; for a contract that requires none"),

	GROUP("Process"),
	TEXT(P "LOG_LEVEL", NULL, "log.level", log_level_text, "info", true, "error, warn, info or debug"),
	TEXT(P "LOG_FORMAT", NULL, "log.format", log_format_text, "logfmt", true, "logfmt or json"),
	NUM(P "DRAIN_TIMEOUT", "proof-coordinator.drain-timeout", drain_timeout_ms, 0, HOUR_MS, "10000", true, "ms to finish what is in flight after SIGTERM"),
};
/* clang-format on */
const size_t config_rows_count = sizeof config_rows / sizeof *config_rows;
