/* work_world.h -- small worlds for the tests of work: one commit hash, few words a step. */
#ifndef TESTS_WORK_WORLD_H
#define TESTS_WORK_WORLD_H

#include "coordinator/work/work.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TDX  PROVER_TYPE_BIT(PROVER_TDX)
#define SP1  PROVER_TYPE_BIT(PROVER_SP1)
#define EXEC PROVER_TYPE_BIT(PROVER_EXEC)

static const enum prover_type tdx = PROVER_TDX, sp1 = PROVER_SP1, exec_type = PROVER_EXEC;
static const struct eth_address key_a = {{0xaa}}, key_b = {{0xbb}};

static inline struct work_limits limits(void)
{
	struct work_limits l = {.max_batches = 1000,
				.max_inputs = 2000,
				.max_versions = 4,
				.max_candidates = 4,
				.max_candidates_per_source = 256,
				.max_leases_per_source = 0,
				.lease_ms = 1000};
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		l.proof_max[t] = 100000;
	return l;
}

static inline void digest_of(uint8_t out[32], uint64_t v)
{
	memset(out, 0, 32);
	memcpy(out, &v, sizeof v);
	out[31] = 1;
}

static inline enum work_input_rc put(struct work *w, uint64_t batch, const char *hash,
				     uint64_t content)
{
	uint8_t sha[32];
	struct why why;

	digest_of(sha, content);
	return work_add_input(w, batch, hash, sha, content + 10, &why);
}

static inline struct work *world_with(struct work_limits l, unsigned mask, uint64_t first,
				      uint64_t last)
{
	struct work *w = work_new(&l);
	uint64_t b;

	assert_non_null(w);
	if (mask)
		work_set_needed(w, mask);
	for (b = first; b <= last; b++)
		assert_int_equal(put(w, b, "abc1234", b), WORK_INPUT_NEW);
	return w;
}

static inline void chain(struct work *w, uint64_t committed, uint64_t verified)
{
	static const struct work_gone nobody;
	uint64_t last;
	struct work_chain c = {committed, verified, verified};
	struct why why;

	work_set_chain(w, &c, &why);
	work_drop_through(w, verified, SIZE_MAX, UINT64_MAX, &nobody, &last);
}

/* The batch that is granted; 0 when nothing is. */
static inline uint64_t ask(struct work *w, const enum prover_type *type, const char *source,
			   uint64_t now)
{
	struct work_grant g;
	struct why why;

	return work_request(w, "abc1234", type, &(struct work_source){source, false, 0}, now, &g,
			    &why) == WORK_GRANT
		   ? g.batch
		   : 0;
}

static inline enum work_request_rc ask_for(struct work *w, const char *hash,
					   const enum prover_type *type, const char *source,
					   uint64_t now, struct work_grant *g, struct why *why)
{
	return work_request(w, hash, type, &(struct work_source){source, false, 0}, now, g, why);
}

static inline enum work_submit_rc offer_at(struct work *w, uint64_t batch, enum prover_type type,
					   const char *source, uint64_t content, uint64_t now,
					   uint64_t *id)
{
	struct work_proof p = {
	    .batch = batch, .type = type, .source = source, .received_ms = now, .size = 65};
	struct why why = {{0}};
	enum work_submit_rc rc;

	digest_of(p.sha256, content);
	rc = work_submit_check(w, &p, id, &why);
	if (rc != WORK_ACCEPT && rc != WORK_DUPLICATE && rc != WORK_AGAIN)
		assert_true(strlen(why.text) > 10);
	return rc;
}

static inline enum work_submit_rc offer(struct work *w, uint64_t batch, enum prover_type type,
					const char *source, uint64_t content, uint64_t *id)
{
	return offer_at(w, batch, type, source, content, 0, id);
}

static inline uint64_t keep(struct work *w, uint64_t batch, enum prover_type type,
			    const char *source, uint64_t content)
{
	uint64_t id;

	assert_int_equal(offer(w, batch, type, source, content, &id), WORK_ACCEPT);
	assert_true(work_kept(w, id, 0));
	return id;
}

static inline void good(struct work *w, uint64_t id, const struct eth_address *signer)
{
	assert_true(work_judged(w, id, WORK_GOOD, signer, 0, NULL));
}

#endif
