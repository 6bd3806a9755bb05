/*
 * internal.h -- what quotes.c and again.c share; nobody else includes it.
 *
 * A job belongs to one quote. Its verdict belongs to the generation of collateral, policy and
 * contract in which it was judged: when another has begun meanwhile, it is judged again.
 */
#ifndef COORDINATOR_PROVERS_INTERNAL_H
#define COORDINATOR_PROVERS_INTERNAL_H

#include "coordinator/provers/quotes.h"
#include "coordinator/verdicts/policy.h"

enum quote_phase {
	PHASE_OWN,   /* in the pool: what needs no collateral */
	PHASE_FETCH, /* waits for collateral */
	PHASE_WHOLE, /* in the pool */
	PHASE_FETCH_EARLY,
	PHASE_EARLY, /* in the pool: what a recheck finds with Intel's early TCB info */
};

struct quote_job {
	struct quote_job *next;
	struct quotes *a;
	uv_work_t work;
	enum quote_phase phase;
	struct buf quote;
	char source[REGISTRAR_SOURCE_SIZE];
	quotes_cb *cb; /* NULL: a recheck */
	void *arg;
	struct eth_address signer; /* recheck: whose quote */
	/* What it is judged by, taken when it goes to the pool. */
	uint64_t generation;
	unsigned rounds; /* that ended with another generation */
	struct policy *policy;
	struct contract_image image;
	const struct collateral_set *set;
	int64_t now;
	struct quote_checked result, early;
};

struct quotes {
	struct quotes_parts p;
	struct quotes_options o;
	struct policy *policy;
	const struct tdxv_collateral *nothing; /* for PHASE_OWN; the client's */
	struct tdxv_cache *cache;
	struct refusals *refusals;
	struct quote_job *jobs;
	size_t n_jobs;
	unsigned in_pool;
	bool closing;
	void (*done)(void *arg);
	void *done_arg;
	struct evidence_book *evidence;
	/* rechecks go one at a time through the registrar's table */
	bool rechecking, recheck_again;
	bool unknown_only, look_again; /* the round is of quotes_look(); another one is due */
	size_t recheck_at;
	uint64_t epoch_ms;           /* monotonic */
	uint64_t generation;         /* of collateral, policy and contract together */
	struct contract_image image; /* the contract's when last looked at */
	bool has_image;
	char answer[QUOTE_CHECK_SENTENCE_MAX];
	struct quotes_counters counters;
};

/* quotes.c */
/* NULL with the sentence: not now. */
struct quote_job *quote_job_new(struct quotes *a, struct span quote, const char *source,
				struct why *why);
void quote_job_free(struct quote_job *job);
void quote_job_start(struct quote_job *job, enum quote_phase phase);
void quote_job_keep_verdict(const struct quote_job *job, const char *answer, const char *sentence);

/* again.c */
/* What was fit is not known to be so until it is verified again. */
void quotes_doubt(struct quotes *a);
void quotes_recheck(struct quotes *a);
/* A recheck passed: and with Intel's early TCB info? */
void quotes_look_ahead(struct quote_job *job);
void quotes_early_end(struct quote_job *job, const char *sentence);
/* unfit: the sentence; NULL: it passed. Consumes the job. */
void quotes_recheck_end(struct quote_job *job, const char *unfit);

#endif
