/*
 * work/internal.h -- what the files of the book of work share; nobody else includes it.
 *
 * Sets that must be walked in order of batch or id are sorted arrays (encoding/order.h).
 */
#ifndef COORDINATOR_WORK_INTERNAL_H
#define COORDINATOR_WORK_INTERNAL_H

#include "coordinator/work/work.h"
#include "encoding/order.h"

/* ---- source.c: interned sources, their quotas, and what is remembered of them ---- */

#define SOURCE_BUCKETS   4096
#define SOURCES_GOOD_MAX 64  /* that delivered a good proof; the newest are remembered */
#define SOURCES_BAD_MAX  256 /* that delivered a bad one */

struct source {
	struct source *next;
	unsigned refs, unjudged, leases;
	bool in_good, in_bad; /* in the rings below */
	uint64_t good_ms;     /* when the last good proof came, if in_good */
	unsigned bad;         /* bad proofs since the last good one */
	uint64_t muted_until_ms;
	char text[WORK_SOURCE_SIZE];
};
struct source_ring {
	struct source *at[SOURCES_BAD_MAX];
	size_t next;
};
struct sources {
	struct source *bucket[SOURCE_BUCKETS];
	struct source_ring good, bad;
	size_t n;
};

/* Takes a reference; makes the source where there is none. NULL: out of memory. */
struct source *source_get(struct sources *s, const char *text);
struct source *source_find(const struct sources *s, const char *text);
void source_put(struct sources *s, struct source *source);
/* For good: the rings let go of what they hold. */
void sources_free(struct sources *s);

void source_did_well(struct sources *s, struct source *source, uint64_t now_ms);
/* attested: a quote of a key there passed. Mutes it when nobody there does well: for a while that
 * doubles, up to max_ms. */
void source_did_badly(struct sources *s, struct source *source, bool attested, uint64_t max_ms,
		      uint64_t now_ms);

/* ---- the state ---- */

struct version {
	char commit_hash[COMMIT_HASH_MAX + 1];
	size_t inputs;                     /* 0: this place is free */
	uint64_t newest;                   /* the highest batch that came under it */
	struct order open[PROVER_TYPES];   /* batches with an input here that nobody has */
	struct order leased[PROVER_TYPES]; /* that want a proof, and somebody has them */
	size_t wanting[PROVER_TYPES];      /* both */
};

struct input {
	struct input *next_in_batch;
	struct input *next_same_bucket;
	struct version *version;
	uint8_t sha256[32];
	uint64_t size;
	bool broken; /* its bytes cannot be had: never in version->open */
};

struct lease {
	uint64_t ticket; /* 0: not leased */
	uint64_t expires_ms;
	uint64_t batch;
	enum prover_type type;
	struct source *source;
	size_t heap_at;
	bool foreign; /* another book gave it */
};

struct candidate {
	struct candidate *next; /* of the slot, ascending ids */
	uint64_t id;
	struct batch *batch;
	enum prover_type type;
	enum work_state state;
	struct source *source;
	bool trusted;     /* its source was, when it came */
	bool reserved;    /* it stands in a place of its source's own */
	uint64_t took_ms; /* from the grant to its source until it came; 0: not granted */
	uint8_t sha256[32];
	size_t size;
	bool looked; /* ASIDE: judged since, and not good */
	bool has_signer;
	struct eth_address signer;
};

/* A source that was granted the batch, or that is passed over for it. */
struct claim {
	struct source *source;
	unsigned times;      /* granted */
	uint64_t granted_ms; /* the last time */
	uint64_t avoid_until_ms;
	bool trusted;
};
#define CLAIMS_MAX         64 /* of a slot; those of trusted sources push out the others */
#define CLAIMS_UNKNOWN_MAX 16 /* of sources that nothing good is known of */
#define PLACES_PER_CLAIM   4  /* reserved: several provers may stand behind one address */

/* What a batch has of one prover type; made when it is first needed. */
struct slot {
	struct lease lease;
	bool granted;        /* ever, under this input: the clock runs since */
	uint64_t granted_ms; /* the first time; a later grant does not restart it */
	unsigned again;      /* handed out again to trusted sources, after that */
	uint64_t again_ms;   /* the last of those */
	struct candidate *first;
	struct claim *claims;
	unsigned claims_n, claims_cap;
};

/* How long proofs take here: the last good ones of a type. */
#define PACE_PROOFS 16
struct pace {
	uint64_t took_ms[PACE_PROOFS];
	unsigned n, next;
};

struct batch {
	uint64_t number;
	struct input *inputs;
	struct slot *slot[PROVER_TYPES];
	unsigned wanting, open, leased; /* bit sets of types; kept by batch_refresh() */
	unsigned unjudged;              /* candidates that wait to be judged */
	bool blameless; /* proofs may be of an input or a commitment that is no more */
};

struct work {
	struct work_limits limits;
	bool needed_known, chain_known, chain_old;
	unsigned needed;
	struct work_chain chain;
	enum work_signer signer_kind;
	struct eth_address signer;

	struct order batches;    /* by number */
	struct order candidates; /* by id */
	struct order unjudged;   /* batches with candidates that wait to be judged, by number */
	struct version *versions;
	struct input **inputs_by_hash; /* hash table, inputs_mask + 1 buckets */
	size_t inputs_mask, inputs_n, broken_n;
	struct lease **heap; /* by expires_ms, the next one first */
	size_t heap_n, heap_cap;
	struct sources sources;
	uint64_t next_id, next_ticket;
	unsigned slot, stride; /* of ids */
	size_t by_state[WORK_STATES];
	uint64_t proof_bytes;
	uint64_t dropped; /* the highest batch that was */
	uint64_t newest;  /* the highest batch that came, and a commit hash that it came under */
	char newest_hash[COMMIT_HASH_MAX + 1];
	size_t wanting[PROVER_TYPES];
	size_t worked_on; /* leases of what is wanted */
	struct pace pace[PROVER_TYPES];
};

/* work.c */
struct batch *work_batch(const struct work *w, uint64_t number);
/* The batch, made where there is none. NULL: out of memory. */
struct batch *work_batch_make(struct work *w, uint64_t number);
struct slot *batch_slot_make(struct batch *b, enum prover_type type);
bool batch_is_verified(const struct work *w, const struct batch *b);
bool batch_is_committed(const struct work *w, const struct batch *b);
/* Of a good candidate: does it count with the key that the contract holds? */
bool candidate_counts(const struct work *w, const struct candidate *c);
bool slot_satisfied(const struct work *w, const struct slot *s);
/* To be called after anything that decides whether the batch wants, or can be handed out for, a
 * type. */
void batch_refresh(struct work *w, struct batch *b, enum prover_type type);
void batch_refresh_all(struct work *w, struct batch *b);
/* NULL: it has no input. */
struct version *version_find(const struct work *w, const char *commit_hash);
/* An input of it came. */
void version_note_newest(struct work *w, struct version *v, uint64_t batch);
/* Batches of it that want one of these types. */
size_t version_wanting(const struct version *v, unsigned mask);
/* Index in w->batches of the first that is not verified. */
size_t first_open(const struct work *w);
/* Forgets the batch and all that it has. */
void work_drop_batch(struct work *w, struct batch *b, const struct work_gone *gone);

/* lease.c */
/* The slot must not be leased. False: out of memory. */
bool lease_begin(struct work *w, struct batch *b, enum prover_type type, struct source *source,
		 uint64_t expires_ms);
/* The source has the batch since then. */
void slot_note_grant(struct work *w, struct slot *s, struct source *source, bool trusted,
		     uint64_t now_ms);
/* Does not refresh the batch. */
void lease_end(struct work *w, struct slot *s);

/* claim.c */
struct claim *claim_find(const struct slot *s, const struct source *source);
/* Made where there is none; may push out another. NULL: out of memory, or all are worth more. */
struct claim *claim_get(struct work *w, struct slot *s, struct source *source, bool trusted);
void claims_free(struct work *w, struct slot *s);
/* The source is not offered the batch again before then. */
void claim_avoid(struct work *w, struct slot *s, struct source *source, uint64_t until_ms);
bool source_is_trusted(const struct source *source, bool attested);
void pace_add(struct pace *p, uint64_t took_ms);
/* How long a batch is its first holder's alone. */
uint64_t work_patience_ms(const struct work *w, enum prover_type type);
/* Has it a genuine proof that does not count just now? */
bool slot_is_contested(const struct work *w, const struct slot *s);
/* For how many ms a source is passed over whose proof is genuine but does not count. */
uint64_t pass_over_ms(const struct work *w, const struct slot *s, const struct source *source);

/* candidate.c */
/* So that candidate_set_state() cannot fail, for one more. */
bool candidate_reserve(struct work *w);
/* Puts a new candidate, in state RESERVED, everywhere it belongs. False: out of memory. */
bool candidate_link(struct work *w, struct batch *b, struct candidate *c, const char *source);
/* looked: it was judged, and so waits no more. */
void candidate_set_state(struct work *w, struct candidate *c, enum work_state state, bool looked);
/* A verdict, and what it says of the source. Does not refresh the batch. */
void candidate_judge(struct work *w, struct candidate *c, enum work_state state,
		     const struct eth_address *signer, uint64_t now_ms);
/* Of one source: those that take up room. NULL: none. */
unsigned slot_unjudged_of(const struct slot *s, const struct source *source);
void candidate_unlink(struct work *w, struct candidate *c);
/* The same, and refreshes the batch. */
void candidate_drop(struct work *w, struct candidate *c);
/* Their commitment is no more: those that are not bad become REVERTED. Does not refresh the batch.
 */
void slot_revert(struct work *w, struct batch *b, struct slot *s);
/* Their input is no more: those that no commitment has confirmed become ASIDE. As above. */
void slot_set_aside(struct work *w, struct slot *s);
/* Notes how long its source took, if it was granted the batch. */
void candidate_took(struct candidate *c, uint64_t received_ms);
/* It is durable, and was not before: its source has done what it can here. */
void candidate_came(struct work *w, struct candidate *c, uint64_t now_ms);
/* Has it a good one that counts? */
bool slot_has_good(const struct work *w, const struct slot *s);
/* See work_is_rebuilt(). */
bool slot_is_rebuilt(const struct slot *s);
/* By unjudged proofs, of the places that are open to all. */
unsigned slot_places_taken(const struct slot *s);

/* foreign.c: the next id of this book's own. */
uint64_t work_id_after(const struct work *w, uint64_t seen);

#endif
