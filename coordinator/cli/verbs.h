/*
 * verbs.h -- what proof-coordinator can be asked to do, as the table that its command line, its
 * help, its man page and its completion are.
 */
#ifndef COORDINATOR_CLI_VERBS_H
#define COORDINATOR_CLI_VERBS_H

#include "cli/cli.h"

enum verb {
	VERB_RUN,
	VERB_CONFIG,
	VERB_PUT_INPUT,
	VERB_DROP_INPUT,
	VERB_STATUS,
	VERB_CLUSTER,
	VERB_PROVERS,
	VERB_EXPLAIN,
	VERB_TCB_STATUS,
	VERB_COLLATERAL,
	VERB_PROMOTE,
	VERB_REVOKE,
	VERB_UNREVOKE,
	VERB_REVOCATIONS,
	VERB_RESUME,
	VERB_CHECKPOINTS,
	VERB_STORE,
	VERB_METRICS,
	VERB_HEALTHCHECK,
	VERB_HELP,
	VERB_COUNT,
};

extern const struct cli_program verbs_program;
enum verb verbs_of(const struct cli_call *call);

#endif
