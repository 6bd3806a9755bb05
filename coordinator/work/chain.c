#include "coordinator/work/internal.h"
#include "encoding/words.h"

#include <inttypes.h>
#include <string.h>

/* What is verified wants nothing, and is refreshed when it is verified no more. */
static void refresh_every_batch(struct work *w)
{
	size_t i;

	for (i = first_open(w); i < w->batches.n; i++)
		batch_refresh_all(w, order_at(&w->batches, i).item);
}

void work_set_needed(struct work *w, unsigned mask)
{
	mask &= WORK_TYPES_ALL;
	if (w->needed_known && w->needed == mask)
		return;
	w->needed_known = true;
	w->needed = mask;
	refresh_every_batch(w);
}

bool work_needed(const struct work *w, unsigned *mask)
{
	*mask = w->needed;
	return w->needed_known;
}

void work_set_signer(struct work *w, enum work_signer kind, const struct eth_address *signer)
{
	static const struct eth_address none;
	const struct eth_address *to = kind == WORK_SIGNER_IS ? signer : &none;

	if (w->signer_kind == kind && eth_address_equal(&w->signer, to))
		return;
	w->signer_kind = kind;
	w->signer = *to;
	refresh_every_batch(w);
}

void work_chain_is_old(struct work *w)
{
	w->chain_old = true;
}

bool work_chain(const struct work *w, struct work_chain *chain)
{
	*chain = w->chain;
	return w->chain_known;
}

static void refresh_between(struct work *w, uint64_t after, uint64_t last)
{
	size_t i = order_lower_bound(&w->batches, after + 1);

	for (; i < w->batches.n && order_at(&w->batches, i).key <= last; i++)
		batch_refresh_all(w, order_at(&w->batches, i).item);
}

/* revertBatch() or a reorg took the commitments away that these were judged by: what is committed
 * instead may be something else. */
static void forget_judgements(struct work *w, uint64_t after, uint64_t last)
{
	size_t i = order_lower_bound(&w->batches, after + 1);

	for (; i < w->batches.n && order_at(&w->batches, i).key <= last; i++) {
		struct batch *b = order_at(&w->batches, i).item;
		int t;

		b->blameless = true;
		for (t = 0; t < PROVER_TYPES; t++)
			if (b->slot[t])
				slot_revert(w, b, b->slot[t]);
		batch_refresh_all(w, b);
	}
}

static enum work_chain_change say_change(const struct work *w, const struct work_chain *was,
					 struct why *why)
{
	const struct work_chain *now = &w->chain;
	char range[WORDS_RANGE_SIZE];

	if (now->verified < was->verified && now->verified < w->dropped) {
		why_set(why,
			"lastVerifiedBatch went back from %" PRIu64 " to %" PRIu64
			"; %s %s final, and nothing of that is kept: put the inputs again",
			was->verified, now->verified,
			words_batches(range, now->verified + 1, w->dropped),
			words_were(w->dropped - now->verified));
		return WORK_CHAIN_BACK_LOST;
	}
	if (now->verified < was->verified) {
		why_set(why,
			"lastVerifiedBatch went back from %" PRIu64 " to %" PRIu64
			"; %s %s open again",
			was->verified, now->verified,
			words_batches(range, now->verified + 1, was->verified),
			words_are(was->verified - now->verified));
		return WORK_CHAIN_BACK;
	}
	if (now->committed < was->committed) {
		why_set(why,
			"lastCommittedBatch went back from %" PRIu64 " to %" PRIu64
			"; proofs of %s will be judged again",
			was->committed, now->committed,
			words_batches(range, now->committed + 1, was->committed));
		return WORK_CHAIN_BACK;
	}
	return memcmp(was, now, sizeof *now) == 0 ? WORK_CHAIN_SAME : WORK_CHAIN_FORWARD;
}

enum work_chain_change work_set_chain(struct work *w, const struct work_chain *chain,
				      struct why *why)
{
	struct work_chain was = w->chain, now = *chain;
	bool known = w->chain_known;

	if (now.final > now.verified)
		now.final = now.verified;
	w->chain_known = true;
	w->chain_old = false;
	w->chain = now;
	if (!known)
		refresh_between(w, 0, UINT64_MAX);
	else if (now.verified > was.verified)
		refresh_between(w, was.verified, now.verified);
	else if (now.verified < was.verified)
		refresh_between(w, now.verified, was.verified);
	if (known && now.committed > was.committed)
		refresh_between(w, was.committed, now.committed);
	if (known && now.committed < was.committed)
		forget_judgements(w, now.committed, was.committed);
	return known ? say_change(w, &was, why) : WORK_CHAIN_FORWARD;
}

size_t work_drop_through(struct work *w, uint64_t through, size_t max, uint64_t max_bytes,
			 const struct work_gone *gone, uint64_t *last)
{
	const uint64_t bytes = w->proof_bytes;
	size_t n;

	if (through > w->chain.final)
		through = w->chain.final;
	for (n = 0; n < max && w->batches.n && bytes - w->proof_bytes < max_bytes; n++) {
		if (order_at(&w->batches, 0).key > through)
			break;
		*last = order_at(&w->batches, 0).key;
		work_drop_batch(w, order_at(&w->batches, 0).item, gone);
	}
	if (n && *last > w->dropped)
		w->dropped = *last;
	return n;
}

static bool batch_is_signed_by(const struct batch *b, const struct eth_address *signer)
{
	const struct candidate *c = b->slot[PROVER_TDX] ? b->slot[PROVER_TDX]->first : NULL;

	for (; c; c = c->next)
		if (c->state == WORK_GOOD && c->has_signer && eth_address_equal(&c->signer, signer))
			return true;
	return false;
}

size_t work_signer_batches(const struct work *w, const struct eth_address *signer)
{
	size_t n = 0, i;

	for (i = first_open(w); i < w->batches.n; i++) {
		const struct batch *b = order_at(&w->batches, i).item;

		n += !batch_is_verified(w, b) && batch_is_signed_by(b, signer);
	}
	return n;
}

size_t work_signer_run(const struct work *w, const struct eth_address *signer)
{
	uint64_t first = w->chain.verified + 1;
	size_t from = order_lower_bound(&w->batches, first), n = 0;

	while (from + n < w->batches.n) {
		const struct batch *b = order_at(&w->batches, from + n).item;

		if (b->number != first + n || !batch_is_signed_by(b, signer))
			break;
		n++;
	}
	return n;
}

/* ---- runs ---- */

struct picker {
	const struct work *w;
	bool with_undecided;
	bool has_signer; /* of all TDX proofs */
	struct eth_address signer;
};

static bool picker_takes(const struct picker *p, const struct candidate *c)
{
	if (c->state != WORK_GOOD)
		return false;
	if (c->type != PROVER_TDX || !p->has_signer)
		return true;
	return c->has_signer && eth_address_equal(&c->signer, &p->signer);
}

static const struct candidate *pick_one(const struct picker *p, const struct slot *s)
{
	const struct candidate *c, *best = NULL;

	for (c = s ? s->first : NULL; c; c = c->next)
		if (picker_takes(p, c))
			return c;
	/* No dry run for what a recover refuses; and who may be trusted goes first. */
	for (c = s && p->with_undecided && !slot_is_rebuilt(s) ? s->first : NULL; c; c = c->next)
		if (c->state == WORK_UNDECIDED && (!best || (c->trusted && !best->trusted)))
			best = c;
	return best;
}

/* False: a type is missing; the sentence names it. */
static bool pick_batch(struct picker *p, const struct batch *b, struct work_run_batch *out,
		       struct why *why)
{
	int t;

	*out = (struct work_run_batch){.batch = b->number};
	for (t = 0; t < PROVER_TYPES; t++) {
		const struct candidate *c;

		if (!(p->w->needed & PROVER_TYPE_BIT(t)))
			continue;
		c = pick_one(p, b->slot[t]);
		if (!c) {
			why_set(why, "batch %" PRIu64 " has no good %s proof%s", b->number,
				prover_type_name((enum prover_type)t),
				t == PROVER_TDX && p->has_signer ? " by the key that counts" : "");
			return false;
		}
		out->id[t] = c->id;
		out->decided[t] = c->state == WORK_GOOD;
		if (t == PROVER_TDX && !p->has_signer && c->state == WORK_GOOD && c->has_signer) {
			p->has_signer = true;
			p->signer = c->signer;
		}
	}
	return true;
}

static void run_with(struct picker p, size_t max_batches, struct work_run *run, struct why *why)
{
	uint64_t first = p.w->chain.verified + 1;
	size_t i = order_lower_bound(&p.w->batches, first);

	for (run->n = 0; run->n < max_batches; run->n++, i++) {
		uint64_t number = first + run->n;

		if (number > p.w->chain.committed) {
			why_set(why, "batch %" PRIu64 " is not committed", number);
			break;
		}
		if (i >= p.w->batches.n || order_at(&p.w->batches, i).key != number) {
			why_set(why, "batch %" PRIu64 " has no input", number);
			break;
		}
		if (!pick_batch(&p, order_at(&p.w->batches, i).item, &run->batches[run->n], why))
			break;
	}
	run->has_signer = p.has_signer && p.w->needed & PROVER_TYPE_BIT(PROVER_TDX);
	run->signer = p.signer;
}

void work_run(const struct work *w, size_t max_batches, bool with_undecided,
	      const struct eth_address *signer, struct work_run *run, struct why *why)
{
	struct picker p = {.w = w, .with_undecided = with_undecided};
	const struct candidate *c, *best = NULL;
	const struct batch *b;
	size_t longest = 0;

	run->first = w->chain.verified + 1;
	run->n = 0;
	run->mask = w->needed;
	run->has_signer = false;
	if (!w->chain_known || !w->needed_known || w->needed == 0) {
		why_set(why, "L1 has not yet said what is committed and which proofs it needs");
		return;
	}
	if (max_batches > WORK_RUN_BATCHES_MAX)
		max_batches = WORK_RUN_BATCHES_MAX;
	if (signer) {
		p.has_signer = true;
		p.signer = *signer;
	} else if (w->needed & PROVER_TYPE_BIT(PROVER_TDX)) {
		b = work_batch(w, run->first);
		c = b && b->slot[PROVER_TDX] ? b->slot[PROVER_TDX]->first : NULL;
		for (; c; c = c->next) {
			if (c->state != WORK_GOOD || !c->has_signer)
				continue;
			p.has_signer = true;
			p.signer = c->signer;
			run_with(p, max_batches, run, why);
			if (!best || run->n > longest) {
				best = c;
				longest = run->n;
			}
		}
		p.has_signer = best != NULL;
		if (best)
			p.signer = best->signer;
	}
	run_with(p, max_batches, run, why);
}
