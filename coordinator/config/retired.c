#include "coordinator/config/retired.h"

#include "coordinator/config/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define P   "ETHREX_PROOF_COORDINATOR_"
#define F   "proof-coordinator."
#define MIB 1048576ull

enum kind {
	IGNORED, /* of ethrex's; nothing here needs it */
	REFUSED, /* a mode that this program does not have; "" and false are fine */
	FIXED,   /* a ceiling that was a setting until 0.2; smaller is stricter */
};

struct config_retired {
	const char *name, *flag;
	enum kind kind;
	uint64_t fixed;
	const char *sentence; /* of IGNORED and REFUSED */
};

static const struct config_retired retired[] = {
    {"ETHREX_MAX_NUMBER_OF_RETRIES", "eth.max-number-of-retries", IGNORED, 0,
     "accepted and ignored: what was sent is followed to its end, whatever the number of tries"},
    {"ETHREX_BACKOFF_FACTOR", "eth.backoff-factor", IGNORED, 0,
     "accepted and ignored: the wait between two fee bumps doubles"},
    {"PCK_DAO", F "pck-dao", IGNORED, 0,
     "accepted and ignored: no quote that carries its PCK certificate needs it"},
    {P "QPL_TOOL_PATH", F "qpl-tool-path", IGNORED, 0,
     "accepted and ignored: no external tool is used"},
    {"ETHREX_ALIGNED_MODE", "aligned", REFUSED, 0,
     "proofs aggregated by Aligned are not supported"},
    {"ETHREX_BASED", "based", REFUSED, 0, "based rollups are not supported"},
    {P "MAX_BUFFERED_BYTES", F "max-buffered-bytes", FIXED, 64 * MIB, NULL},
    {P "WRITE_TIMEOUT", F "write-timeout", FIXED, 30000, NULL},
    {P "MAX_PROOF_BYTES", F "max-proof-bytes", FIXED, 4 * MIB, NULL},
    {P "STORE_QUEUE", F "store-queue", FIXED, 4096, NULL},
    {P "STORE_QUEUE_BYTES", F "store-queue-bytes", FIXED, 128 * MIB, NULL},
    {P "ADMIN_MAX_CONNECTIONS", F "admin-max-connections", FIXED, 64, NULL},
    {P "RPC_MAX_IN_FLIGHT", F "rpc-max-in-flight", FIXED, 64, NULL},
    {P "RPC_MAX_BODY_BYTES", F "rpc-max-body-bytes", FIXED, 8 * MIB, NULL},
    {P "MAX_REFUSALS", F "max-refusals", FIXED, 1024, NULL},
    {P "MAX_VERDICTS", F "max-verdicts", FIXED, 64, NULL},
    {P "COLLATERAL_MAX_PIECE_BYTES", F "collateral-max-piece-bytes", FIXED, MIB, NULL},
    {P "COLLATERAL_MAX_PLATFORMS", F "collateral-max-platforms", FIXED, 64, NULL},
};

#define COUNT (sizeof retired / sizeof *retired)

static bool is(const char *known, const char *given, size_t n)
{
	return strlen(known) == n && memcmp(known, given, n) == 0;
}

const struct config_retired *config_retired_name(const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < COUNT; i++)
		if (is(retired[i].name, name, n))
			return &retired[i];
	return NULL;
}

const struct config_retired *config_retired_flag(const char *flag, size_t n)
{
	size_t i;

	for (i = 0; i < COUNT; i++)
		if (is(retired[i].flag, flag, n))
			return &retired[i];
	return NULL;
}

const struct config_retired *config_retired_at(size_t i)
{
	return i < COUNT ? &retired[i] : NULL;
}

const char *config_retired_env(const struct config_retired *r)
{
	return r->name;
}

int config_retired_is_bool(const struct config_retired *r)
{
	return r->kind == REFUSED;
}

static bool is_off(const char *value)
{
	static const char *const off[] = {"", "false", "0", "no", "off"};
	size_t i;

	for (i = 0; i < sizeof off / sizeof *off; i++)
		if (strcasecmp(value, off[i]) == 0)
			return true;
	return false;
}

static enum config_retired_answer given_fixed(const struct config_retired *r, const char *value,
					      struct why *sentence)
{
	unsigned long long wanted;
	char shown[CONFIG_SHOWN_SIZE];
	char *end;

	errno = 0;
	wanted = strtoull(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end || errno) {
		why_set(sentence,
			"\"%s\" is not a whole number; and it is fixed at %" PRIu64 " since 0.2",
			config_shown(shown, value), r->fixed);
		return RETIRED_ERROR;
	}
	if (wanted < r->fixed) {
		why_set(sentence,
			"is fixed at %" PRIu64 " since 0.2; the stricter %llu can no longer be had",
			r->fixed, wanted);
		return RETIRED_ERROR;
	}
	why_set(sentence, "is fixed at %" PRIu64 " since 0.2", r->fixed);
	return RETIRED_NOTE;
}

enum config_retired_answer config_retired_given(const struct config_retired *r, const char *value,
						struct why *sentence)
{
	switch (r->kind) {
	case IGNORED: why_set(sentence, "%s", r->sentence); return RETIRED_NOTE;
	case REFUSED:
		why_set(sentence, "%s", r->sentence);
		return is_off(value) ? RETIRED_SILENT : RETIRED_ERROR;
	case FIXED: return given_fixed(r, value, sentence);
	}
	return RETIRED_SILENT;
}
