/*
 * collateral_internal.h -- what the files of the collateral client share. Decisions (request,
 * check, rest) are pure; fetch, disk and collateral.c are the effects.
 */
#ifndef COORDINATOR_COLLATERAL_INTERNAL_H
#define COORDINATOR_COLLATERAL_INTERNAL_H

#include "coordinator/base/http.h"
#include "coordinator/collateral/collateral.h"
#include "verifier/tools/collateral_dir.h"

#define ALL_PARTS   ((1u << COLLATERAL_PARTS) - 1)
#define QUOTE_PARTS (ALL_PARTS & ~(1u << COLLATERAL_NUMBERS)) /* what a quote is judged with */

/* "TCB info" and so on. */
const char *collateral_part_name(enum collateral_part_id id);

/* One part as it was served; absent while body.len is 0. */
struct collateral_part {
	struct buf body, chain; /* the root CRL and the list have no chain */
	char source[COLLATERAL_NAME_SIZE];
};

void collateral_part_free(struct collateral_part *part);
/* Moves from, which becomes absent. */
void collateral_part_move(struct collateral_part *to, struct collateral_part *from);

/* ---- collateral_request.c: what is asked over HTTP, and what the answer is worth ---- */

struct collateral_asking {
	const struct collateral_source *source;
	const char *root_crl_url;
	const struct collateral_key *key;
	enum collateral_update update;
	uint32_t number;
};

bool collateral_request_url(char *out, size_t size, const struct collateral_asking *asking,
			    enum collateral_part_id id);

/* The second name is that of older versions of the API; NULL where there is none. */
void collateral_chain_headers(const char *name[2], enum collateral_part_id id);

/* An HTTP answer, as views. */
struct collateral_reply {
	bool arrived;
	long status;
	struct span body;
	const char *sentence;    /* unless arrived */
	const char *chain;       /* value of the issuer chain's header, or NULL */
	const char *retry_after; /* value of the header, or NULL */
};

/* OK: part holds the answer, its chain decoded. Anything else: why says what it was. */
enum collateral_outcome collateral_reply_read(struct collateral_part *part,
					      const struct collateral_asking *asking,
					      enum collateral_part_id id,
					      const struct collateral_reply *reply,
					      struct why *why);

/* Appends what a URL-encoded PEM text stands for; strictly. */
bool collateral_url_decode(struct buf *out, const char *text, struct why *why);

/* ---- collateral_rest.c: how long what fails is left alone ---- */

struct collateral_rest {
	unsigned failures; /* in a row */
	int64_t until;     /* rests before this time */
	int64_t asked;     /* as long as its own word goes (Retry-After); 0: it said none */
};

struct collateral_rest_limits {
	uint32_t min, max; /* seconds */
};

/* Doubles from min to max, 25 percent of jitter either way; never less than at_least. random: any
 * number. */
void collateral_rest_failed(struct collateral_rest *rest, const struct collateral_rest_limits *l,
			    int64_t now, uint32_t at_least, uint64_t random);
void collateral_rest_worked(struct collateral_rest *rest);
/* Ends what nobody asked for. */
void collateral_rest_cut(struct collateral_rest *rest);
/* The time to fetch anew: the half of the window; where that has passed already, the half of what
 * is left, at least ten minutes on. With up to 5 percent of jitter, backwards. */
int64_t collateral_refresh_time(const struct tdxv_collateral_facts *facts, int64_t fetched_at,
				uint64_t random);

/* ---- collateral_check.c: whether parts are good ---- */

enum collateral_verdict {
	PART_ABSENT,
	PART_PENDING, /* nothing against it, but what vouches for it is not there yet */
	PART_GOOD,
	PART_STALE, /* good but for its next update, which passed less than max_stale ago */
	PART_BAD,
};

struct collateral_check {
	/* in, borrowed */
	const struct collateral_key *key;
	const struct collateral_part *part; /* COLLATERAL_PARTS of them */
	const struct collateral_set *floor; /* what is in use; NULL: nothing */
	struct span root_pem;
	uint32_t number; /* wanted tcbEvaluationDataNumber, 0: any */
	int64_t now, max_stale;
	/* out */
	enum collateral_verdict verdict[COLLATERAL_PARTS];
	enum collateral_outcome outcome[COLLATERAL_PARTS]; /* of a bad or stale one */
	struct why why[COLLATERAL_PARTS];                  /* the same */
	struct tdxv_collateral *checked;                   /* the caller's; NULL: no memory */
	struct tdxv_collateral_facts facts;
};

/* Some 0.5 ms; for libuv's pool. */
void collateral_check(struct collateral_check *check);

/* ---- collateral_set.c ---- */

/* Takes the parts and checked; NULL without memory, and then they are still the caller's. */
const struct collateral_set *collateral_set_new(const struct collateral_key *key,
						struct collateral_part part[COLLATERAL_PARTS],
						struct tdxv_collateral *checked, int64_t fetched_at,
						const struct collateral_want *want);
bool collateral_set_same(const struct collateral_set *a, const struct collateral_set *b);
void collateral_input_of(struct tdxv_collateral_input *in,
			 const struct collateral_part part[COLLATERAL_PARTS]);

/* ---- collateral_disk.c: blocking, for libuv's pool ---- */

/* What about.json says of a directory of the cache. */
struct collateral_about {
	int64_t fetched_at;
	enum collateral_update update;
	uint32_t number;
	struct collateral_want want;
	char source[COLLATERAL_PARTS][COLLATERAL_NAME_SIZE];
};

/* Reads the parts of the mask that dir holds; the others stay as they are. outcome and why are
 * those of the parts in the mask. */
void collateral_dir_parts(struct collateral_part part[COLLATERAL_PARTS], unsigned mask,
			  const char *dir, size_t piece_max,
			  enum collateral_outcome outcome[COLLATERAL_PARTS],
			  struct why why[COLLATERAL_PARTS]);
/* False where there is none or it cannot be read. */
bool collateral_about_read(struct collateral_about *about, const char *dir);
/* Writes cache/<key>/, each file whole or not at all, about.json last, and leaves at most max_keys
 * directories, the newest. */
bool collateral_disk_write(const char *cache, const struct collateral_set *set,
			   enum collateral_update update, uint32_t number, unsigned max_keys,
			   struct why *why);
/* The keys in cache, at most max of them; returns how many. */
size_t collateral_disk_keys(struct collateral_key *keys, size_t max, const char *cache);

/* ---- collateral_fetch.c: one key's way through the sources ---- */

struct collateral_standing { /* of a source */
	struct collateral_source source;
	struct collateral_rest rest;
	uint64_t count[COLLATERAL_OUTCOME_COUNT];
	int64_t last_failure_at;
	struct why last_failure;
};

/* What all fetches share. */
struct collateral_shared {
	uv_loop_t *loop;
	struct http *http;
	struct collateral_standing source[COLLATERAL_SOURCES_MAX];
	size_t n_sources;
	char root_crl_url[1024], ca_file[1024], cache[1024]; /* "": none */
	struct buf root_pem;
	struct tdxv_collateral *root_only;
	enum collateral_update update;
	uint32_t number; /* the settings' */
	struct collateral_want want;
	uint32_t timeout_ms;
	size_t piece_max;
	unsigned max_keys;
	int64_t max_stale;
	struct collateral_rest_limits rest;
	uint64_t random; /* state */
};

uint64_t collateral_random(struct collateral_shared *s);
/* The number that is asked for; 0: none, but what update says. */
uint32_t collateral_number_asked(const struct collateral_shared *s);

struct collateral_fetch;

struct collateral_fetched {
	const struct collateral_set *set; /* a reference for the taker; NULL: failed */
	bool from_disk;                   /* and no source was asked */
	const char *story;                /* what went wrong at the sources, even with a set */
};

/* Called once, from the loop, with the fetch already freed. After collateral_fetch_stop() it is
 * called with set NULL once the pool has let go. */
typedef void collateral_fetch_cb(void *arg, const struct collateral_fetched *fetched);

/* floor: the set in use or NULL; with NULL the disk is looked at first. disk_only: no source is
 * asked. NULL without memory, with no callback. Never calls cb from inside. */
struct collateral_fetch *collateral_fetch_start(struct collateral_shared *s,
						const struct collateral_key *key,
						const struct collateral_set *floor, bool disk_only,
						int64_t now, collateral_fetch_cb *cb, void *arg);
/* A fetch from disk alone may go on to the sources. */
void collateral_fetch_widen(struct collateral_fetch *f);
/* Goes on where the transfers have ended. To be called when curl is not on the stack. */
void collateral_fetch_step(struct collateral_fetch *f);
/* Ends its transfers. True: it is freed, and no callback will come; else the pool has it. */
bool collateral_fetch_stop(struct collateral_fetch *f);

#endif
