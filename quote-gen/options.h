/* options.h -- settings of quote-gen: flags, then environment, then defaults. */
#ifndef QUOTE_GEN_OPTIONS_H
#define QUOTE_GEN_OPTIONS_H

#include "cli/cli.h"
#include "encoding/why.h"
#include "protocol/proofdata.h"
#include "quote-gen/quote.h"

struct options {
	char host[256];
	char port[8];
	char executor[1024]; /* a path, or OPTIONS_NONE; empty: nothing to execute (Exec) */
	char commit_hash[COMMIT_HASH_MAX + 1];
	enum prover_type prover_type; /* TDX or Exec */
	uint64_t key_ask_ms, register_again_ms;
	uint64_t interval_ms; /* between two requests, and before a retry */
	uint64_t batches;     /* stop after so many; 0: never */
	uint64_t input_max, output_max, executor_timeout_ms, executor_memory;
	char reports[QUOTE_REPORTS_MAX];
	char without_quote[16];                   /* OPTIONS_REGISTER or OPTIONS_WAIT */
	char tls_server_keys[1024], tls_ca[1024]; /* both empty: plain TCP */
	char tls_identity[1024];                  /* a path, OPTIONS_NONE or OPTIONS_ATTESTED */
	uint64_t connect_timeout_ms, io_timeout_ms, setup_timeout_ms;
	char doubt[600]; /* a value that looks as if it were in another unit; empty: none does */
};

#define OPTIONS_NONE "none" /* nothing is executed: for the devnet, see devnet_executor.h */

#define OPTIONS_ATTESTED "attested"

/* Where the kernel gives no quote: send the bare address, or ask again. */
#define OPTIONS_REGISTER "register"
#define OPTIONS_WAIT     "wait"

/* Does it speak TLS? */
bool options_tls(const struct options *o);

enum options_rc { OPTIONS_RUN, OPTIONS_EXIT, OPTIONS_WRONG };

/* EXIT: --help or --version was printed. WRONG: the sentence says what. */
enum options_rc options_read(struct options *out, int argc, char **argv, struct why *why);

#endif
