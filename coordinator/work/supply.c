/* For whoever brings inputs, and whoever gets batches verified elsewhere. */
#include "coordinator/work/internal.h"

#include <string.h>

void version_note_newest(struct work *w, struct version *v, uint64_t batch)
{
	v->newest = batch > v->newest ? batch : v->newest;
	if (batch < w->newest)
		return;
	w->newest = batch;
	memcpy(w->newest_hash, v->commit_hash, sizeof w->newest_hash);
}

size_t work_wanting(const struct work *w, const char *commit_hash, unsigned mask)
{
	const struct version *v = version_find(w, commit_hash);

	return v ? version_wanting(v, mask & w->needed) : 0;
}

size_t work_open(const struct work *w, const char *commit_hash, unsigned mask)
{
	const struct version *v = version_find(w, commit_hash);
	size_t most = 0;
	int t;

	for (t = 0; v && t < PROVER_TYPES; t++)
		if (mask & w->needed & PROVER_TYPE_BIT(t) && v->open[t].n > most)
			most = v->open[t].n;
	return most;
}

bool work_has_gap(const struct work *w)
{
	const size_t first = first_open(w), n = w->batches.n;

	if (first == n || !w->chain_known)
		return w->broken_n > 0;
	/* Their numbers rise: without a gap, by one each. */
	return w->broken_n > 0 ||
	       order_at(&w->batches, n - 1).key != w->chain.verified + (n - first);
}

const char *work_only_hash(const struct work *w)
{
	const struct version *only = NULL;
	size_t v;

	for (v = 0; v < w->limits.max_versions; v++) {
		if (!w->versions[v].inputs || !version_wanting(&w->versions[v], w->needed))
			continue;
		if (only)
			return NULL;
		only = &w->versions[v];
	}
	return only ? only->commit_hash : NULL;
}

static bool only_a_contract_judges(const struct candidate *c)
{
	return c->state == WORK_UNDECIDED && c->type != PROVER_TDX;
}

static const struct candidate *slot_best(const struct work *w, const struct slot *s)
{
	const struct candidate *c, *undecided = NULL;

	for (c = s ? s->first : NULL; c; c = c->next) {
		if (candidate_counts(w, c))
			return c;
		if (!undecided && only_a_contract_judges(c))
			undecided = c;
	}
	return undecided;
}

bool work_next_good(const struct work *w, struct work_good *at, size_t max)
{
	const uint64_t from = w->chain.verified >= at->batch ? w->chain.verified + 1 : at->batch;
	size_t i = order_lower_bound(&w->batches, from), end = w->batches.n;
	int t = from == at->batch && at->id ? (int)at->type + 1 : 0;

	end = max < end - i ? i + max : end;
	for (; i < end; i++, t = 0) {
		const struct batch *b = order_at(&w->batches, i).item;

		if (!w->chain_known || !batch_is_committed(w, b))
			break;
		at->batch = b->number;
		for (; t < PROVER_TYPES; t++) {
			const struct candidate *c =
			    w->needed & PROVER_TYPE_BIT(t) ? slot_best(w, b->slot[t]) : NULL;

			if (!c)
				continue;
			at->type = (enum prover_type)t;
			at->id = c->id;
			return true;
		}
		at->batch++;
	}
	at->id = 0;
	return false;
}

bool work_is_good(const struct work *w, uint64_t id)
{
	const struct candidate *c = order_find(&w->candidates, id);

	return c && !batch_is_verified(w, c->batch) && batch_is_committed(w, c->batch) &&
	       (candidate_counts(w, c) || only_a_contract_judges(c));
}
