/*
 * config.h -- environment and flags -> one validated struct.
 *
 * Precedence: flag, environment, environment file (--env-file), default. Every setting is one row
 * of the table in config_table.c, which also makes the help text and `proof-coordinator config`.
 * Every mistake is reported, not only the first. Secrets come from NAME or NAME_FILE, never from a
 * flag; printing masks them and the credentials inside RPC URLs.
 */
#ifndef COORDINATOR_CONFIG_CONFIG_H
#define COORDINATOR_CONFIG_CONFIG_H

#include "cli/cli.h"
#include "coordinator/base/log.h"
#include "coordinator/config/store_url.h"
#include "encoding/bytes.h"
#include "ethereum/address.h"
#include "ethereum/key.h"

#include <stdio.h>

#define CONFIG_RPC_URLS_MAX 8
#define CONFIG_TEXT_MAX     1024

#define CONFIG_NOTES_MAX 32

enum config_origin { FROM_DEFAULT, FROM_ENV_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct config {
	/* listener for provers */
	char listen_address[CONFIG_TEXT_MAX];
	uint64_t listen_port;
	uint64_t max_connections, max_connections_per_source;
	uint64_t max_message_bytes;
	uint64_t read_timeout_ms, total_timeout_ms, setup_timeout_ms;
	bool error_replies;

	/* TLS listener for provers; no tls_listen: none */
	char tls_listen[CONFIG_TEXT_MAX];
	char tls_address[64];
	uint64_t tls_port;
	char tls_certificate_file[CONFIG_TEXT_MAX], tls_key_file[CONFIG_TEXT_MAX];
	char tls_client_ca_file[CONFIG_TEXT_MAX], tls_client_keys[CONFIG_TEXT_MAX];

	/* work */
	uint64_t prover_timeout_ms;
	uint64_t max_batches, max_inputs, max_provers;
	uint64_t candidates_per_batch, candidates_per_source, leases_per_source;
	char commit_hash_pattern[CONFIG_TEXT_MAX];

	/* an ethrex behind this coordinator; no upstream: none */
	char upstream[CONFIG_TEXT_MAX], upstream_host[256];
	uint16_t upstream_port;
	char submit_text[CONFIG_TEXT_MAX];
	bool submit_l1, submit_upstream; /* who sends verifyBatches */
	uint64_t upstream_ahead, upstream_poll_ms, upstream_timeout_ms, upstream_wait_ms;
	uint64_t upstream_max_bytes;

	/* store and inputs; no store_url: SQLite in data_dir */
	char store_url[CONFIG_TEXT_MAX];
	char store_conninfo[STORE_URL_CONNINFO_MAX]; /* the URL for libpq: nothing left unsaid */
	char store_password[CONFIG_TEXT_MAX];        /* secret; empty: none is sent */
	char instance_text[CONFIG_TEXT_MAX];
	char instance[64]; /* this one's name among the coordinators of a store; never empty */
	char data_dir[CONFIG_TEXT_MAX];
	uint64_t max_input_bytes, input_quota_bytes, proof_quota_bytes, disk_floor_bytes;
	uint64_t retention_s;

	/* admin listener */
	char admin_listen[CONFIG_TEXT_MAX];
	bool admin_open_reads;
	char admin_token[CONFIG_TEXT_MAX]; /* secret; empty: made at first start in the data dir */

	/* metrics' listener */
	char metrics_address[CONFIG_TEXT_MAX]; /* empty: none */
	uint64_t metrics_port;

	/* L1 */
	char rpc_urls_text[CONFIG_TEXT_MAX];
	char *rpc_urls[CONFIG_RPC_URLS_MAX]; /* point into rpc_urls_split */
	char rpc_urls_split[CONFIG_TEXT_MAX];
	size_t n_rpc_urls;
	uint64_t chain_id; /* 0: learnt from the first answer and kept */
	uint64_t rpc_timeout_ms;
	struct eth_address proposer;
	struct eth_address timelock;
	bool has_proposer, has_timelock;
	struct eth_key l1_key, tdx_key; /* secrets */
	bool has_l1_key, has_tdx_key;
	/* Instead of l1_key's: where it comes from. The keystore's key is put into l1_key. */
	char keystore_file[CONFIG_TEXT_MAX];
	char keystore_password[CONFIG_TEXT_MAX]; /* secret */
	char remote_signer_url[CONFIG_TEXT_MAX], remote_signer_ca_file[CONFIG_TEXT_MAX];
	char remote_signer_public_key[CONFIG_TEXT_MAX];
	uint64_t remote_signer_timeout_ms;
	uint8_t remote_point[ETH_POINT_SIZE];
	/* Who sends verifyBatches, and who registers: wherever their keys are. */
	struct eth_address verify_from, register_from;
	bool has_verify_from, has_register_from;
	uint64_t send_interval_ms;
	uint64_t max_fee_per_gas;
	uint64_t min_retry_delay_s, max_retry_delay_s;
	uint64_t tx_gas_cap, verify_max_batches, confirmations;
	uint64_t register_gas_per_day;
	uint64_t funds_low_wei;
	uint64_t prover_silence_ms;

	/* attestation */
	char policy_file[CONFIG_TEXT_MAX];
	uint64_t max_verifications;
	uint64_t max_clock_skew_s, expiry_warning_s;
	struct eth_address enclave_id_dao, fmspc_tcb_dao, pcs_dao; /* zero: found on chain */
	bool has_enclave_id_dao, has_fmspc_tcb_dao, has_pcs_dao;
	bool collateral_look_ahead;
	bool no_onchain_pccs;
	uint64_t onchain_margin_s;
	char register_route[CONFIG_TEXT_MAX];
	bool register_by_file;

	/* collateral */
	char collateral_sources[CONFIG_TEXT_MAX], collateral_root_crl_url[CONFIG_TEXT_MAX];
	char collateral_ca_file[CONFIG_TEXT_MAX], collateral_update_text[CONFIG_TEXT_MAX];
	char dcap_root_file[CONFIG_TEXT_MAX];
	bool collateral_early;
	uint64_t collateral_number, collateral_timeout_ms, collateral_max_stale_s;

	/* modes */
	bool tdx_dev_mode;
	bool exec_only; /* ETHREX_PROOF_COORDINATOR_DEV_MODE */

	/* process */
	char log_level_text[CONFIG_TEXT_MAX], log_format_text[CONFIG_TEXT_MAX];
	enum log_level log_level;
	enum log_format log_format;
	uint64_t drain_timeout_ms;
	char env_file[CONFIG_TEXT_MAX];
	/* nobody said where the data directory and the admin listener are, nor gave a file */
	bool place_by_default;

	/* what is to be said of settings that were given: names that are still understood, and
	 * (suspect) values that look as if they were in another unit */
	struct config_note {
		const char *name;
		bool suspect;
		struct why sentence;
	} notes[CONFIG_NOTES_MAX];
	size_t n_notes;
};

/* Reads everything and validates it for running the daemon. argv holds flags only ("--name value"
 * or "--name=value"). Each mistake is printed on errors as one line. False if there was any; the
 * struct must be released with config_wipe() either way. need_chain: whether L1 settings and keys
 * are required (the daemon) or not (verbs that only talk to it). */
bool config_load(struct config *c, int argc, char **argv, bool need_chain, FILE *errors);

/* The same at a reload, into fresh: keys, which nobody needs again, are not read. */
bool config_load_again(struct config *fresh, const struct config *running, int argc, char **argv,
		       FILE *errors);

/* Whoever signs has the keys by now: here they are wiped, in *c and in the environment. */
void config_forget_keys(struct config *c);

/* Takes over from fresh what may change while running (log level and format, fee cap, send
 * interval, retries, budgets, error replies); names on errors each other setting that differs and
 * needs a restart. Returns how many settings changed. */
unsigned config_reload(struct config *running, const struct config *fresh, FILE *errors);

/* ---- ceilings that are no settings: nobody ever needed another value ---- */

#define CONFIG_MAX_BUFFERED_BYTES         (64u << 20) /* of unfinished messages together */
#define CONFIG_LARGEST_MESSAGE            (56u << 20) /* an eighth of it is kept for small ones */
#define CONFIG_WRITE_TIMEOUT_MS           30000
#define CONFIG_TLS_HANDSHAKE_MS           10000
#define CONFIG_TLS_HANDSHAKES             1024       /* at once */
#define CONFIG_TLS_HANDSHAKES_PER_SOURCE  16         /* so that 50 hostile addresses leave places */
#define CONFIG_MAX_PROOF_BYTES            (4u << 20) /* decoded */
#define CONFIG_STORE_QUEUE                4096
#define CONFIG_STORE_QUEUE_BYTES          (128u << 20)
#define CONFIG_ADMIN_MAX_CONNECTIONS      64
#define CONFIG_RPC_MAX_IN_FLIGHT          64
#define CONFIG_RPC_MAX_BODY_BYTES         (8u << 20)
#define CONFIG_MAX_REFUSALS               1024 /* remembered */
#define CONFIG_MAX_VERDICTS               64
#define CONFIG_COLLATERAL_MAX_PIECE_BYTES (1u << 20)
#define CONFIG_COLLATERAL_MAX_PLATFORMS   64

/* The effective settings, one NAME=value a line with its origin; secrets masked. */
void config_print(const struct config *c, FILE *out, bool json);

/* Every setting with flag, default and one line of help. */
void config_help(FILE *out);

/* Settings as flags: the i-th there is, and any that is understood, by its n characters. */
bool config_flag_at(struct cli_option *out, size_t i);
bool config_flag_of(struct cli_option *out, const char *flag, size_t n);

void config_wipe(struct config *c);

#endif
