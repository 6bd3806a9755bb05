#include "coordinator/work/internal.h"
#include "encoding/words.h"

#include <inttypes.h>
#include <string.h>

void work_counts(const struct work *w, struct work_counts *out)
{
	size_t v;

	*out = (struct work_counts){
	    .batches = w->batches.n - first_open(w),
	    .retained = first_open(w),
	    .last = w->batches.n ? order_at(&w->batches, w->batches.n - 1).key : 0,
	    .broken = w->broken_n,
	    .proof_bytes = w->proof_bytes,
	    .inputs = w->inputs_n,
	    .leases = w->worked_on,
	    .sources = w->sources.n,
	};
	for (v = 0; v < w->limits.max_versions; v++)
		out->versions += w->versions[v].inputs != 0;
	memcpy(out->candidates, w->by_state, sizeof out->candidates);
	memcpy(out->wanting, w->wanting, sizeof out->wanting);
}

static void slot_count(const struct slot *s, unsigned n[WORK_STATES])
{
	const struct candidate *c;

	memset(n, 0, WORK_STATES * sizeof *n);
	for (c = s ? s->first : NULL; c; c = c->next)
		n[c->state]++;
}

static void say_leased(const struct work *w, const struct batch *b, enum prover_type type,
		       uint64_t now_ms, struct why *why)
{
	const struct slot *s = b->slot[type];
	const uint64_t alone_ms = s->granted_ms + work_patience_ms(w, type);
	const char *name = prover_type_name(type), *to = s->lease.source->text;

	if (alone_ms > now_ms)
		why_set(why,
			"batch %" PRIu64 " waits: %s is leased to %s, and for %" PRIu64
			" s more to nobody else",
			b->number, name, to, (alone_ms - now_ms + 999) / 1000);
	else
		why_set(why,
			"batch %" PRIu64 " waits: %s is leased to %s for %" PRIu64
			" s already; who asks next has it too",
			b->number, name, to, (now_ms - s->granted_ms) / 1000);
}

static void say_why_waiting(const struct work *w, const struct batch *b, enum prover_type type,
			    uint64_t now_ms, struct why *why)
{
	const struct slot *s = b->slot[type];
	const char *name = prover_type_name(type);
	unsigned n[WORK_STATES];
	const struct input *in;

	slot_count(s, n);
	n[WORK_CANDIDATE] += n[WORK_REVERTED];
	for (in = b->inputs; in && in->broken; in = in->next_in_batch)
		;
	if (n[WORK_CANDIDATE] && b->number > w->chain.committed)
		why_set(why, "batch %" PRIu64 " waits to be committed: %u %s proof%s %s kept",
			b->number, n[WORK_CANDIDATE], name, words_s(n[WORK_CANDIDATE]),
			words_are(n[WORK_CANDIDATE]));
	else if (n[WORK_CANDIDATE])
		why_set(why, "batch %" PRIu64 " waits: %u %s proof%s %s to be judged", b->number,
			n[WORK_CANDIDATE], name, words_s(n[WORK_CANDIDATE]),
			words_are(n[WORK_CANDIDATE]));
	else if (n[WORK_UNDECIDED])
		why_set(why, "batch %" PRIu64 " waits: %u %s proof%s %s to be judged by a dry run",
			b->number, n[WORK_UNDECIDED], name, words_s(n[WORK_UNDECIDED]),
			words_are(n[WORK_UNDECIDED]));
	else if (s && s->lease.ticket && s->lease.expires_ms > now_ms)
		say_leased(w, b, type, now_ms, why);
	else if (b->inputs && !in)
		why_set(why,
			"batch %" PRIu64 " waits for its input to be put again: what is stored "
			"is broken",
			b->number);
	else if (!b->inputs)
		why_set(why, "batch %" PRIu64 " waits for its input", b->number);
	else if (n[WORK_GOOD])
		why_set(
		    why,
		    "batch %" PRIu64 " waits for a %s prover: its %u good proof%s %s by another "
		    "key than the one that counts",
		    b->number, name, n[WORK_GOOD], words_s(n[WORK_GOOD]), words_are(n[WORK_GOOD]));
	else if (n[WORK_BAD])
		why_set(why, "batch %" PRIu64 " waits for a %s prover: %u proof%s %s bad",
			b->number, name, n[WORK_BAD], words_s(n[WORK_BAD]),
			words_were(n[WORK_BAD]));
	else
		why_set(why, "batch %" PRIu64 " waits for a %s prover with commit hash %s",
			b->number, name, b->inputs->version->commit_hash);
}

bool work_oldest_waiting(const struct work *w, uint64_t now_ms, uint64_t *batch, struct why *why)
{
	uint64_t number = w->chain_known ? w->chain.verified + 1 : 0;
	size_t i = order_lower_bound(&w->batches, number);
	int t;

	if (!w->needed_known) {
		*batch = number;
		why_set(why, "L1 has not yet said which proof types it needs");
		return true;
	}
	for (; i < w->batches.n; i++, number++) {
		const struct batch *b = order_at(&w->batches, i).item;

		if (!w->chain_known)
			number = b->number;
		if (b->number != number)
			break;
		for (t = 0; t < PROVER_TYPES; t++) {
			if (!(w->needed & PROVER_TYPE_BIT(t)) || slot_has_good(w, b->slot[t]))
				continue;
			*batch = number;
			say_why_waiting(w, b, (enum prover_type)t, now_ms, why);
			return true;
		}
		if (w->chain_known && number > w->chain.committed) {
			*batch = number;
			why_set(why, "batch %" PRIu64 " is proven and waits to be committed",
				number);
			return true;
		}
	}
	if (i < w->batches.n || (w->chain_known && number <= w->chain.committed)) {
		*batch = number;
		why_set(why, "batch %" PRIu64 " waits for its input", number);
		return true;
	}
	why_set(why, "no batch waits for a proof");
	return false;
}

bool work_next_batch(const struct work *w, uint64_t from, uint64_t now_ms,
		     struct work_batch_info *out)
{
	size_t i = order_lower_bound(&w->batches, from);
	const struct batch *b;
	const struct input *in;
	int t;

	if (i == w->batches.n)
		return false;
	b = order_at(&w->batches, i).item;
	*out = (struct work_batch_info){
	    .batch = b->number,
	    .committed = w->chain_known && b->number <= w->chain.committed,
	    .verified = batch_is_verified(w, b),
	};
	for (in = b->inputs; in; in = in->next_in_batch) {
		out->inputs++;
		out->broken += in->broken;
		out->input_bytes += in->size;
	}
	for (t = 0; t < PROVER_TYPES; t++) {
		const struct slot *s = b->slot[t];
		struct work_type_info *info = &out->type[t];

		info->needed = w->needed_known && w->needed & PROVER_TYPE_BIT(t);
		info->satisfied = slot_satisfied(w, s);
		slot_count(s, info->candidates);
		if (b->leased & PROVER_TYPE_BIT(t) && s->lease.expires_ms > now_ms) {
			info->leased = true;
			info->lease_since_ms = s->granted_ms;
			info->lease_expires_ms = s->lease.expires_ms;
			memcpy(info->lease_source, s->lease.source->text,
			       sizeof info->lease_source);
		}
	}
	return true;
}
