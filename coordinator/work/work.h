/*
 * work.h -- which batch goes to whom, and which proofs it has.
 *
 * Pure: no clock, no files, no sockets. Time is an argument in milliseconds; the caller makes a
 * change durable first and tells this module afterwards. Everything is bounded by work_limits.
 *
 * A batch is known by its inputs, one per commit hash of the provers that can read it. For each
 * prover type it has at most one lease and a few candidates: proofs that were kept. A candidate is
 * judged when its batch is committed on L1. A batch wants a type while the type is needed, the
 * batch is not verified, and no candidate of the type is good or, with some reason to think so,
 * could be. It is handed out while it wants a type; a gap in the numbers never holds back what is
 * behind it.
 *
 * A lease orders work, it never withholds it: once a batch has been out for longer than such proofs
 * take here, it is handed out again.
 *
 * Sources (who sent it, as text) are hints and carry quotas: several provers may share one. One is
 * trusted when it delivered a good proof or a key there was attested: no more is asked of it than
 * of a stranger, but in a batch that it was granted it has a place for its proof, whatever others
 * send. What one key did is not held against a source where another does well.
 */
#ifndef COORDINATOR_WORK_WORK_H
#define COORDINATOR_WORK_WORK_H

#include "encoding/why.h"
#include "ethereum/address.h"
#include "protocol/proofdata.h"

#define WORK_TYPES_ALL       ((1u << PROVER_TYPES) - 1)
#define WORK_SOURCE_SIZE     72 /* with the NUL; longer ones are cut */
#define WORK_CANDIDATES_MAX  64 /* the largest max_candidates */
#define WORK_RUN_BATCHES_MAX 1024

struct work_limits {
	size_t max_batches; /* not verified */
	size_t max_inputs;
	size_t max_versions;     /* different commit hashes at once */
	unsigned max_candidates; /* unjudged ones of strangers per batch and type, <= 64 */
	unsigned max_candidates_per_source; /* unjudged ones of one source in all */
	unsigned max_leases_per_source;     /* 0: no limit */
	size_t proof_max[PROVER_TYPES];     /* bytes of a proof with its public values */
	uint64_t max_proof_bytes;           /* of all proofs; 0: no limit */
	uint64_t lease_ms;
};

struct work;

/* NULL: out of memory, or a limit that is 0 or too large. */
struct work *work_new(const struct work_limits *limits);
/* NULL is fine. */
void work_free(struct work *w);
/* Before anything else: ids of proofs are k * stride + slot, so that books which share a store
 * never hand out the same. At the start 0 and 1. */
void work_set_ids(struct work *w, unsigned slot, unsigned stride);

/* ---- what the chain says ---- */

/* Bit set of PROVER_TYPE_BIT. A contract that needs none is served Exec: pass that bit. */
void work_set_needed(struct work *w, unsigned mask);
/* False while work_set_needed was never called. */
bool work_needed(const struct work *w, unsigned *mask);

/* Whose TDX proofs count. UNKNOWN (the start): any key's. IS: that key's only; the others' good
 * proofs are kept and count again when their key does. NONE: nobody's. While a switch is under way,
 * name the key that comes. Batches that thereby want TDX again are handed out again. */
enum work_signer { WORK_SIGNER_UNKNOWN, WORK_SIGNER_NONE, WORK_SIGNER_IS };
void work_set_signer(struct work *w, enum work_signer kind, const struct eth_address *signer);

/* What the caller may delete. Called from inside the function that takes it; must not call back
 * into this module. Any member may be NULL. */
struct work_gone {
	/* last_use: no other input has these bytes, the file may go too */
	void (*input)(void *arg, uint64_t batch, const char *commit_hash, const uint8_t sha256[32],
		      uint64_t size, bool last_use);
	void (*candidate)(void *arg, uint64_t id);
	void (*lease)(void *arg, uint64_t batch, enum prover_type type);
	void *arg;
};

struct work_chain {
	uint64_t committed; /* lastCommittedBatch() at the head */
	uint64_t verified;  /* lastVerifiedBatch() at the head: these are not handed out */
	uint64_t final;     /* lastVerifiedBatch() that is confirmed: these may be dropped */
};

enum work_chain_change {
	WORK_CHAIN_SAME,
	WORK_CHAIN_FORWARD,
	WORK_CHAIN_BACK,      /* a reorg or revertBatch: something verified is open, or something
				 committed is not, again */
	WORK_CHAIN_BACK_LOST, /* the same, and batches are open again that were already dropped */
};

/* final <= verified is enforced. Nothing is dropped here: what verified falls behind again is in
 * work again. When committed goes back, the proofs of batches that are no longer committed, but for
 * the bad ones, become WORK_REVERTED. The sentence for BACK and BACK_LOST names the batches. */
enum work_chain_change work_set_chain(struct work *w, const struct work_chain *chain,
				      struct why *why);

/* Forgets the oldest batches with all they have: those up to `through` that are final, at most max
 * of them and no more once their proofs had max_bytes. How many; *last is the last one's number. */
size_t work_drop_through(struct work *w, uint64_t through, size_t max, uint64_t max_bytes,
			 const struct work_gone *gone, uint64_t *last);
/* What it was told is an earlier run's word: until it is told anew, no input is replaced on it. */
void work_chain_is_old(struct work *w);
/* False while work_set_chain was never called. */
bool work_chain(const struct work *w, struct work_chain *chain);

/* ---- inputs ---- */

enum work_input_rc {
	WORK_INPUT_NEW,      /* taken (or, from the check, would be) */
	WORK_INPUT_SAME,     /* these bytes are already there */
	WORK_INPUT_REPLACE,  /* other bytes are there, and the batch is not committed */
	WORK_INPUT_CONFLICT, /* other bytes are there, and the batch is committed, or may be */
	WORK_INPUT_VERIFIED, /* that is final: nobody needs it */
	WORK_INPUT_NO_ROOM,  /* a ceiling; the sentence says which */
	WORK_INPUT_BAD,      /* commit hash empty or longer than COMMIT_HASH_MAX */
	WORK_INPUT_NO_MEMORY,
};

/* sha256 NULL (not known yet): an input that is there gives SAME. One whose bytes are broken is as
 * good as not there for the same bytes: NEW. Changes nothing. */
enum work_input_rc work_check_input(const struct work *w, uint64_t batch, const char *commit_hash,
				    const uint8_t *sha256, struct why *why);
/* After the row is durable, and at the start for each stored row. */
enum work_input_rc work_add_input(struct work *w, uint64_t batch, const char *commit_hash,
				  const uint8_t sha256[32], uint64_t size, struct why *why);
/* As work_add_input(), of a row that is stored: whatever the chain and the ceilings on batches and
 * inputs say. */
enum work_input_rc work_restore_input(struct work *w, uint64_t batch, const char *commit_hash,
				      const uint8_t sha256[32], uint64_t size, struct why *why);
/* The row of other bytes is durable: these count from now on. The batch's leases are over, and its
 * proofs that no commitment has confirmed are WORK_ASIDE. False: no such input, nothing is done. */
bool work_replace_input(struct work *w, uint64_t batch, const char *commit_hash,
			const uint8_t sha256[32], uint64_t size, const struct work_gone *gone);
/* The input goes; proofs and leases as above. Through gone->input. False: no such input. */
bool work_drop_input(struct work *w, uint64_t batch, const char *commit_hash,
		     const struct work_gone *gone);
/* Its bytes cannot be had: it is not handed out until it is added again. An unknown one is fine. */
void work_input_broken(struct work *w, uint64_t batch, const char *commit_hash);
/* Has any input these bytes? */
bool work_uses_bytes(const struct work *w, const uint8_t sha256[32]);

struct work_input_info {
	uint64_t batch, size;
	char commit_hash[COMMIT_HASH_MAX + 1];
	uint8_t sha256[32];
	bool broken;
};
/* The inputs of the first batch >= from that has any and is not final, at most max of them; the
 * number that exists is returned. 0: there is no such batch. */
size_t work_next_inputs(const struct work *w, uint64_t from, struct work_input_info *out,
			size_t max);

/* False: no such input. */
bool work_input(const struct work *w, uint64_t batch, const char *commit_hash, uint8_t sha256[32],
		uint64_t *size);

/* ---- requests ---- */

enum work_request_rc {
	WORK_GRANT,
	WORK_EMPTY, /* nothing now; the sentence says why */
	/* nothing for this commit hash, but something for another, or inputs come under another */
	WORK_VERSION_MISMATCH,
	WORK_NOT_NEEDED, /* the chain does not need this type */
};

struct work_grant {
	uint64_t batch;
	uint8_t sha256[32];
	uint64_t size;
	uint64_t ticket; /* 0: no lease was taken */
	uint64_t expires_ms;
};

struct work_source {
	const char *name;
	bool attested; /* the quote of a key there passed */
	unsigned skip; /* open batches to pass over while there are others: another book may have
			* taken the first */
};

/* The oldest batch for this commit hash that wants the type and that nobody has, or that somebody
 * has had for longer than work_patience_ms(). A grant is a lease until expires_ms, and ends the one
 * before. type NULL (dialects that do not say it): the oldest batch that wants any needed type,
 * without a lease. from takes nothing that nobody has beyond its quota of leases, and not at once
 * what it just failed to prove. */
enum work_request_rc work_request(struct work *w, const char *commit_hash,
				  const enum prover_type *type, const struct work_source *from,
				  uint64_t now_ms, struct work_grant *grant, struct why *why);

/* How long a batch is its first holder's alone, from the first grant on: twice what the slowest of
 * the last good proofs took (three times for zero-knowledge types, where work done twice is dear);
 * before the first, a minute (a whole lease for those); never longer than a lease. */
uint64_t work_patience_ms(const struct work *w, enum prover_type type);
/* What the slowest of the last good proofs took, from the grant on; 0: none was seen. */
uint64_t work_longest_ms(const struct work *w, enum prover_type type);

/* Is a proof of one of these types still wanted of it? */
bool work_wants(const struct work *w, uint64_t batch, unsigned mask);

/* The reply could not be sent: gives the lease back. False: the ticket is over. */
bool work_ungrant(struct work *w, uint64_t batch, enum prover_type type, uint64_t ticket);

/* Ends the leases whose time is over, as each request does: for when nobody asks. */
void work_expire(struct work *w, uint64_t now_ms);

/* At the start, for each stored lease, with what is left of it; unknown batches are ignored. */
void work_restore_lease(struct work *w, uint64_t batch, enum prover_type type, const char *source,
			uint64_t left_ms, uint64_t now_ms);

/* ---- what another book, that shares the store, made durable; each may come again ---- */

/* The batch is leased to this source: what was here ends, its ticket is over. */
void work_foreign_lease(struct work *w, uint64_t batch, enum prover_type type, const char *source,
			uint64_t left_ms, uint64_t now_ms);
/* It is leased to nobody. */
void work_foreign_unlease(struct work *w, uint64_t batch, enum prover_type type);
/* The batches up to this one are dropped, whatever the chain says here. */
void work_foreign_through(struct work *w, uint64_t through, const struct work_gone *gone);

/* ---- candidates ---- */

enum work_state {
	WORK_RESERVED,  /* room held while the caller makes it durable; not acknowledged */
	WORK_CANDIDATE, /* durable, not judged */
	WORK_GOOD,
	WORK_BAD,
	WORK_UNDECIDED, /* only a dry run can tell */
	WORK_REVERTED,  /* its commitment is no more: waits, and the next one judges it */
	WORK_ASIDE,     /* of an input or a commitment that is no more: counts only if the next
			   commitment proves it good, and costs its source nothing if not */
};
#define WORK_STATES (WORK_ASIDE + 1)
const char *work_state_name(enum work_state state);

enum work_submit_rc {
	WORK_ACCEPT,    /* room is reserved under *id: work_kept() or work_release() follows */
	WORK_DUPLICATE, /* acknowledge and drop: kept already (as *id), or the batch needs none */
	WORK_AGAIN,     /* kept, and was found bad: *id is a candidate again; acknowledge */
	WORK_IN_FLIGHT, /* the same bytes are being made durable: no acknowledgement yet */
	WORK_UNKNOWN_BATCH, /* no input is stored for it */
	WORK_TYPE_NOT_NEEDED,
	WORK_NOT_YET,      /* the chain has not yet said which types it needs */
	WORK_NO_ROOM,      /* this batch has its fill of unjudged ones */
	WORK_SOURCE_QUOTA, /* this source has its fill of unjudged ones, here or in all, or what it
			      sent was bad */
	WORK_TOO_BIG,
	WORK_NO_MEMORY,
};

struct work_proof {
	uint64_t batch;
	enum prover_type type;
	const char *source;
	bool attested; /* as of struct work_source */
	uint64_t received_ms;
	size_t size;        /* bytes of the proof and its public values */
	uint8_t sha256[32]; /* of both: equal means the same proof */
};

/* What can be said before a proof is there: ACCEPT (it may be wanted), UNKNOWN_BATCH, NOT_YET,
 * TYPE_NOT_NEEDED or TOO_BIG. text: how long its JSON text is at least. */
enum work_submit_rc work_submit_wanted(struct work *w, uint64_t batch, enum prover_type type,
				       size_t text, struct why *why);
/* Every answer but ACCEPT, DUPLICATE and AGAIN has a sentence for the prover. DUPLICATE and AGAIN
 * end the source's lease of the batch, ACCEPT's ends with work_kept(). */
enum work_submit_rc work_submit_check(struct work *w, const struct work_proof *proof, uint64_t *id,
				      struct why *why);
/* The proof is durable: it is a candidate now. False: its batch was dropped
 * meanwhile; acknowledge, and delete the row. */
bool work_kept(struct work *w, uint64_t id, uint64_t now_ms);
/* It could not be made durable. An id that is gone is fine. */
void work_release(struct work *w, uint64_t id);

/* At the start, for each stored proof, whatever the limits say; ids handed out later are larger. A
 * good one speaks for its source as if it came now.
 * signer: NULL if none. False: out of memory, an id that exists, or state RESERVED. */
bool work_restore_candidate(struct work *w, uint64_t id, const struct work_proof *proof,
			    enum work_state state, const struct eth_address *signer);

/* A stored proof is now this; judged: the state is a verdict. Proofs of batches that were dropped
 * are passed over. False: out of memory, id 0, or state RESERVED. */
bool work_foreign_candidate(struct work *w, uint64_t id, const struct work_proof *proof,
			    enum work_state state, bool judged, const struct eth_address *signer);
/* Its row is no more. */
void work_foreign_forget(struct work *w, uint64_t id);

struct work_candidate {
	uint64_t id;
	uint64_t batch;
	enum prover_type type;
	enum work_state state;
	bool has_signer;
	struct eth_address signer;
	char source[WORK_SOURCE_SIZE];
};

/* Candidates not judged yet whose batch is committed and not verified, oldest batch first. Start
 * with *after = 0 and pass it back: it is the last batch and id seen. False: no more. */
struct work_judge_at {
	uint64_t batch, id;
};
bool work_next_to_judge(const struct work *w, struct work_judge_at *after,
			struct work_candidate *out);

/* What this verdict makes of the proof: the state itself; or ASIDE, where the proof may be of an
 * input or a commitment that is no more, and nobody is to blame. */
enum work_state work_verdict(const struct work *w, uint64_t id, enum work_state state);

/* state: GOOD, BAD, UNDECIDED or ASIDE; it may change again later. signer: NULL, or whom a TDX
 * proof recovers to. When the batch wants the type again, a source that failed does not get it back
 * at once, and one whose proof is good but does not count, for a few polls. Bad proofs mute a
 * source for a while where nobody does well. Of the bad, those judged and set aside, and the good
 * by a key that has another good one here, only the last max_candidates are remembered; older ones
 * go through gone. False: the id is gone. */
bool work_judged(struct work *w, uint64_t id, enum work_state state,
		 const struct eth_address *signer, uint64_t now_ms, const struct work_gone *gone);

/* Has the batch a TDX proof whose signer is known? Then its public inputs were rebuilt as the
 * contract does it, and what recovers to nobody's key is no proof. */
bool work_is_rebuilt(const struct work *w, uint64_t batch);

bool work_find_candidate(const struct work *w, uint64_t id, struct work_candidate *out);
/* All of one batch and type, RESERVED ones left out, in the order of their ids; at most max are
 * written, the number that exists is returned. */
size_t work_candidates(const struct work *w, uint64_t batch, enum prover_type type,
		       struct work_candidate *out, size_t max);
/* Batches not verified that have a good proof by this key. */
size_t work_signer_batches(const struct work *w, const struct eth_address *signer);
/* Of those, the ones that can be verified with it: from verified + 1 on, without a gap. */
size_t work_signer_run(const struct work *w, const struct eth_address *signer);

/* ---- what can be sent to L1 ---- */

struct work_run_batch {
	uint64_t batch;
	uint64_t id[PROVER_TYPES];  /* 0 for types that are not needed */
	bool decided[PROVER_TYPES]; /* GOOD; otherwise UNDECIDED, for a dry run to tell */
};

struct work_run {
	uint64_t first;
	size_t n; /* 0: nothing to send */
	unsigned mask;
	bool has_signer;
	struct eth_address signer;      /* the key of all TDX proofs */
	struct work_run_batch *batches; /* the caller's, room for max_batches */
};

/* The longest run from verified + 1, all committed, in which every needed type has a good proof;
 * with_undecided: or one that only a dry run can judge. signer: the key that all TDX proofs must be
 * of (undecided ones are taken on trust); NULL: the key that gives the longest run. run->batches
 * must have room for max_batches <= WORK_RUN_BATCHES_MAX. With n == 0 the sentence says what is
 * missing. */
void work_run(const struct work *w, size_t max_batches, bool with_undecided,
	      const struct eth_address *signer, struct work_run *run, struct why *why);

/* ---- for whoever brings inputs, and whoever gets batches verified elsewhere ---- */

/* Batches with an input under this commit hash that want any of these types, and those of them that
 * nobody has. */
size_t work_wanting(const struct work *w, const char *commit_hash, unsigned mask);
size_t work_open(const struct work *w, const char *commit_hash, unsigned mask);
/* Is an input missing after the last verified batch, with others behind it? */
bool work_has_gap(const struct work *w);
/* The commit hash that all batches which want a proof have their inputs under; NULL: there are
 * several, or none. */
const char *work_only_hash(const struct work *w);

/* The proof of a committed batch that would be sent, or the first that only a contract can judge.
 */
struct work_good {
	uint64_t batch;
	enum prover_type type;
	uint64_t id; /* 0: before the first */
};
/* The next one after *at, by batch and type, of batches that are not verified. False: no more, or
 * max batches were passed over; *at is where to go on. */
bool work_next_good(const struct work *w, struct work_good *at, size_t max);
/* Does this proof stand still as such? */
bool work_is_good(const struct work *w, uint64_t id);

/* ---- for people ---- */

struct work_counts {
	size_t batches;  /* not verified */
	size_t retained; /* verified, and kept */
	uint64_t last;   /* the highest that is known; 0: none */
	size_t inputs, versions, sources;
	size_t leases;                  /* of what is still wanted */
	size_t broken;                  /* inputs whose bytes cannot be had */
	uint64_t proof_bytes;           /* of all that is kept */
	size_t candidates[WORK_STATES]; /* by state */
	size_t wanting[PROVER_TYPES];   /* batches that want the type, leased or not */
};
void work_counts(const struct work *w, struct work_counts *out);

/* The oldest batch after verified that cannot be sent yet, and why, in a sentence ("batch 8 waits:
 * TDX is leased to 10.0.0.7 for 312 s more"). False: there is none, and the sentence says so. */
bool work_oldest_waiting(const struct work *w, uint64_t now_ms, uint64_t *batch, struct why *why);

struct work_type_info {
	bool needed, satisfied, leased;
	char lease_source[WORK_SOURCE_SIZE];
	uint64_t lease_since_ms, lease_expires_ms; /* since it was first granted */
	unsigned candidates[WORK_STATES];          /* by state */
};
struct work_batch_info {
	uint64_t batch;
	bool committed, verified;
	size_t inputs, broken;
	uint64_t input_bytes; /* all of them */
	struct work_type_info type[PROVER_TYPES];
};
/* The first known batch >= from. False: there is none. The first that is not verified: from
 * work_first_open(). */
uint64_t work_first_open(const struct work *w);
bool work_next_batch(const struct work *w, uint64_t from, uint64_t now_ms,
		     struct work_batch_info *out);

#endif
