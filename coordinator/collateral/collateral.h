/*
 * collateral.h -- what Intel says about a platform: fetched, checked, kept fresh and kept on disk.
 *
 * A set of collateral belongs to a key: the platform's FMSPC and the CA that issued its PCK. Four
 * parts make it: TCB info, QE identity (both for TDX), the CA's CRL and the root's CRL. Sources are
 * asked in their order, each for the parts that are still missing. A part counts when its
 * signatures hold up to the trusted root, it is what was asked for, current, and not older than the
 * one in use; else its source is passed over with a sentence, and the next is asked. A source that
 * fails or asks for patience rests. Only the URLs of the settings are used: no redirects, nothing
 * from inside a certificate.
 *
 * A set is replaced as a whole and kept in DATA_DIR/collateral/<fmspc>-<ca>/, in the layout of a
 * directory source. What is read back is checked like an answer from anywhere.
 *
 * Contracts that judge quotes with the collateral of one TCB evaluation number are served with
 * collateral_want(): sets of that number, and Intel's list of the numbers beside them.
 *
 * All functions are called on the loop's thread, but for collateral_set_ref() and _unref(), which
 * may be called on any. Times are seconds since 1970. Callbacks come from the loop or from inside
 * collateral_close(), never from inside another call, and may call anything here.
 */
#ifndef COORDINATOR_COLLATERAL_COLLATERAL_H
#define COORDINATOR_COLLATERAL_COLLATERAL_H

#include "coordinator/collateral/numbers.h"
#include "coordinator/collateral/source.h"
#include "encoding/why.h"
#include "verifier/include/tdxverify.h"

#include <uv.h>

#define COLLATERAL_SENTENCE_SIZE 1024

enum collateral_ca { COLLATERAL_PROCESSOR, COLLATERAL_PLATFORM }; /* by the PCK issuer's name */

struct collateral_key {
	uint8_t fmspc[6];
	enum collateral_ca ca;
};

/* "90c06f000000-platform" */
#define COLLATERAL_KEY_SIZE 24
void collateral_key_text(char out[COLLATERAL_KEY_SIZE], const struct collateral_key *key);
/* False for any other text. */
bool collateral_key_parse(struct collateral_key *key, const char *text);
struct collateral_key collateral_key_of(const struct tdxv_pck *pck);

enum collateral_part_id {
	COLLATERAL_TCB_INFO,
	COLLATERAL_QE_IDENTITY,
	COLLATERAL_PCK_CRL,
	COLLATERAL_ROOT_CRL,
	COLLATERAL_NUMBERS, /* the list; wanted only where contracts go by it */
	COLLATERAL_PARTS,
};

/* What contracts judge quotes with, beyond the settings. */
struct collateral_want {
	uint32_t number; /* tcbEvaluationDataNumber; 0: whatever the settings ask for */
	bool numbers;    /* Intel's list of these numbers too */
};

/* Never changes. Borrowed from a callback or a list; who keeps it takes a reference. */
struct collateral_set {
	struct collateral_key key;
	struct tdxv_collateral_input pieces; /* views into the set, as they were served */
	const struct tdxv_collateral *checked;
	struct tdxv_collateral_facts
	    facts; /* usable; valid_from, valid_to: of all pieces together */
	int64_t fetched_at;
	struct tdxv_bytes numbers_response; /* Intel's list as it was served; may be empty */
	struct collateral_numbers numbers;  /* the same; its key is that of the TCB info */
	struct collateral_want want;        /* what it was fetched for */
	char source[COLLATERAL_PARTS][COLLATERAL_NAME_SIZE]; /* who gave each part */
};

const struct collateral_set *collateral_set_ref(const struct collateral_set *set);
/* NULL is fine. */
void collateral_set_unref(const struct collateral_set *set);
/* Past its next update, or not valid yet. */
bool collateral_set_stale(const struct collateral_set *set, int64_t now);
/* The time at which to verify a quote with it: now, or the end of its window for a stale one that
 * the settings allowed to be served. */
int64_t collateral_set_time(const struct collateral_set *set, int64_t now);

/* ---- the client ---- */

struct collateral;

enum collateral_update { COLLATERAL_STANDARD, COLLATERAL_EARLY };

/* Strings are copied. */
struct collateral_settings {
	const char *sources;      /* see collateral_source.h */
	const char *root_crl_url; /* for sources of Intel's kind */
	const char *ca_file;      /* PEM of the authorities to trust for a PCCS; "": the system's */
	const char *root_file;    /* PEM of a root to trust instead of Intel's; "": Intel's */
	const char *data_dir;     /* must be there; "": nothing is kept on disk */
	enum collateral_update update;
	uint32_t tcb_evaluation_number; /* 0: what update says */
	uint32_t timeout_ms;            /* for one answer; 0: 10000 */
	size_t piece_max;               /* 0: TDXV_COLLATERAL_PIECE_MAX, which it may not exceed */
	unsigned max_keys;              /* 0: 64 */
	int64_t max_stale;           /* seconds past the end of its window that a set may serve */
	uint32_t rest_min, rest_max; /* seconds after failures in a row; 0: 5 and 600 */
	uint64_t seed;               /* of the jitter */
	bool proxy_from_environment;

	/* Each may be NULL. on_changed: a set with another content, or fetched for another want,
	 * has replaced one. on_note: a sentence for the log: what a source did wrong, also where
	 * the next one made up for it, or why the disk cannot be written. */
	void (*on_changed)(void *arg, const struct collateral_key *key,
			   const struct collateral_set *set);
	void (*on_note)(void *arg, const struct collateral_key *key, const char *sentence);
	void *arg;
};

/* Is a root certificate (PEM) in that file? What collateral_new() would say of it. */
bool collateral_root_ok(const char *path, struct why *why);

/* Also begins to read what is on disk. False with a sentence: settings that cannot work, a file
 * that cannot be read, no memory. */
bool collateral_new(struct collateral **out, uv_loop_t *loop,
		    const struct collateral_settings *settings, int64_t now, struct why *why);
/* Answers those who wait with NULL, ends transfers, waits for libuv's pool, frees c and then calls
 * cb (which may be NULL). */
void collateral_close(struct collateral *c, void (*cb)(void *arg), void *arg);

/* Trusts the root and knows nothing else: a verdict with it judges a quote's PCK chain and
 * signatures before anything is fetched for the platform that it claims. Lives as long as c. */
const struct tdxv_collateral *collateral_root_only(const struct collateral *c);

/* set is NULL when there is none: the sentence then names what each source did. With a stale set
 * the sentence says why there is no fresh one; else it is empty. */
typedef void collateral_cb(void *arg, const struct collateral_set *set, const char *sentence);

/* The key must come from a PCK certificate whose chain holds (collateral_root_only()): no stranger
 * chooses what is fetched. cb comes later, from the loop: from memory or disk while fresh, else
 * from the sources; calls for one key share one fetch. False with a sentence, and no callback: too
 * many keys or waiters, no memory, closing. */
bool collateral_get(struct collateral *c, const struct collateral_key *key, int64_t now,
		    collateral_cb *cb, void *arg, struct why *why);
/* The callbacks with this arg will not come. */
void collateral_cancel(struct collateral *c, const void *arg);

/* On top of what was wanted before. It is fetched so from now on, for all keys, also after a
 * restart; what is in memory and does not suit is fetched anew when it is next asked for. Of a list
 * it is enough that the sources were asked. False with the sentence: the settings name another
 * number. */
bool collateral_want(struct collateral *c, const struct collateral_want *want, struct why *why);
bool collateral_suits(const struct collateral *c, const struct collateral_set *set);

/* What is in memory and may serve now, without a fetch; NULL if nothing. Borrowed. */
const struct collateral_set *collateral_peek(struct collateral *c, const struct collateral_key *key,
					     int64_t now);

/* Fetches a key anew (NULL: all that are known), whatever its age; where a fetch is under
 * way, once more after it. Only a source that asked for patience itself (Retry-After) still rests.
 * What fails is tried again until it has brought something. */
void collateral_refresh(struct collateral *c, const struct collateral_key *key, int64_t now);
/* Fetches what has passed the half of its window, with jitter, what a refresh did not bring, and
 * sets without the list that is wanted. To be called now and then. */
void collateral_tick(struct collateral *c, int64_t now);

/* ---- for status output and metrics ---- */

struct collateral_info {
	struct collateral_key key;
	const struct collateral_set *set; /* NULL: none; may be too old to be served */
	bool fetching;
	int64_t refresh_at;       /* 0: not planned */
	const char *last_failure; /* of the last fetch; empty when it succeeded */
};

size_t collateral_count(const struct collateral *c);
/* False for an index out of range. Borrowed until the next call. */
bool collateral_at(const struct collateral *c, size_t i, struct collateral_info *out);

/* One outcome of one request to a source, as a label of a metric. */
#define COLLATERAL_OUTCOMES(X)                                                                     \
	X(OK, "ok")                                                                                \
	X(UNREACHABLE, "unreachable") /* no answer, or none in time */                             \
	X(RATE_LIMITED, "rate_limited")                                                            \
	X(NOT_FOUND, "not_found") /* 404, 410, or no file */                                       \
	X(BAD_STATUS, "bad_status")                                                                \
	X(MALFORMED, "malformed")                                                                  \
	X(UNTRUSTED, "untrusted") /* a signature or chain does not hold */                         \
	X(MISTAKEN, "mistaken")   /* not what was asked for */                                     \
	X(EXPIRED, "expired")     /* or not valid yet */                                           \
	X(OLDER, "older")         /* than what is in use */

enum collateral_outcome {
#define COLLATERAL_OUTCOME_ID(id, name) COLLATERAL_##id,
	COLLATERAL_OUTCOMES(COLLATERAL_OUTCOME_ID)
#undef COLLATERAL_OUTCOME_ID
	    COLLATERAL_OUTCOME_COUNT
};

const char *collateral_outcome_name(enum collateral_outcome outcome);

struct collateral_source_info {
	const char *name;
	uint64_t count[COLLATERAL_OUTCOME_COUNT];
	unsigned failures;  /* in a row */
	int64_t rest_until; /* 0: does not rest */
	int64_t last_failure_at;
	const char *last_failure;
};

/* False: there is no source of that number. */
bool collateral_source_at(const struct collateral *c, size_t i, struct collateral_source_info *out);

#endif
