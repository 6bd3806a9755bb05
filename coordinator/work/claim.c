/* Whom a batch was granted to, who is passed over for it, and how long its holder has it alone. */
#include "coordinator/work/internal.h"

#include <stdlib.h>

#define PASS_OVER_MIN_MS  2000 /* provers ask every few seconds */
#define PATIENCE_MIN_MS   500
#define PATIENCE_FIRST_MS 60000 /* before any proof of a TEE or Exec prover was good */

struct claim *claim_find(const struct slot *s, const struct source *source)
{
	unsigned i;

	for (i = 0; s && source && i < s->claims_n; i++)
		if (s->claims[i].source == source)
			return &s->claims[i];
	return NULL;
}

/* The one to push out: the oldest of the unknown, when these are too many or there is no room. */
static struct claim *claim_weakest(const struct slot *s, bool trusted)
{
	struct claim *oldest = NULL;
	unsigned i, unknown = 0;

	for (i = 0; i < s->claims_n; i++) {
		struct claim *c = &s->claims[i];

		if (c->trusted)
			continue;
		unknown++;
		if (!oldest || c->granted_ms < oldest->granted_ms)
			oldest = c;
	}
	if (s->claims_n == CLAIMS_MAX || (!trusted && unknown >= CLAIMS_UNKNOWN_MAX))
		return oldest;
	return NULL;
}

static struct claim *claim_place(struct slot *s)
{
	unsigned cap = s->claims_cap ? s->claims_cap * 2 : 2;
	struct claim *claims;

	if (s->claims_n == CLAIMS_MAX)
		return NULL;
	if (s->claims_n == s->claims_cap) {
		claims = realloc(s->claims, cap * sizeof *claims);
		if (!claims)
			return NULL;
		s->claims = claims;
		s->claims_cap = cap;
	}
	return &s->claims[s->claims_n++];
}

struct claim *claim_get(struct work *w, struct slot *s, struct source *source, bool trusted)
{
	struct claim *c = claim_find(s, source);

	if (c) {
		c->trusted |= trusted;
		return c;
	}
	c = claim_weakest(s, trusted);
	if (c)
		source_put(&w->sources, c->source);
	else
		c = claim_place(s);
	if (!c)
		return NULL;
	source->refs++;
	*c = (struct claim){.source = source, .trusted = trusted};
	return c;
}

void claims_free(struct work *w, struct slot *s)
{
	unsigned i;

	for (i = 0; i < s->claims_n; i++)
		source_put(&w->sources, s->claims[i].source);
	free(s->claims);
	s->claims = NULL;
	s->claims_n = s->claims_cap = 0;
}

void claim_avoid(struct work *w, struct slot *s, struct source *source, uint64_t until_ms)
{
	struct claim *c = claim_get(w, s, source, source_is_trusted(source, false));

	if (c && c->avoid_until_ms < until_ms)
		c->avoid_until_ms = until_ms;
}

/* Several provers may share a source, and one of the others is the one whose proof counts. So it is
 * passed over for a few polls only, longer each time, of a length that keeps provers in step from
 * meeting the same batch for ever. */
uint64_t pass_over_ms(const struct work *w, const struct slot *s, const struct source *source)
{
	const struct claim *c = claim_find(s, source);
	uint64_t poll = w->limits.lease_ms / 120, most = work_patience_ms(w, PROVER_TDX);
	unsigned times = c ? c->times : 1;

	if (poll < PASS_OVER_MIN_MS)
		poll = PASS_OVER_MIN_MS;
	poll *= 1 + times % 3 + times / 3;
	return poll < most ? poll : most;
}

bool slot_is_contested(const struct work *w, const struct slot *s)
{
	const struct candidate *c;

	for (c = s->first; c; c = c->next)
		if (c->state == WORK_GOOD && !candidate_counts(w, c))
			return true;
	return false;
}

/* ---- how long proofs take here ---- */

void pace_add(struct pace *p, uint64_t took_ms)
{
	p->took_ms[p->next] = took_ms;
	p->next = (p->next + 1) % PACE_PROOFS;
	if (p->n < PACE_PROOFS)
		p->n++;
}

uint64_t work_longest_ms(const struct work *w, enum prover_type type)
{
	const struct pace *p = &w->pace[type];
	uint64_t longest = 0;
	unsigned i;

	for (i = 0; i < p->n; i++)
		if (p->took_ms[i] > longest)
			longest = p->took_ms[i];
	return longest;
}

uint64_t work_patience_ms(const struct work *w, enum prover_type type)
{
	const bool cheap = type == PROVER_TDX || type == PROVER_EXEC;
	const uint64_t longest = work_longest_ms(w, type), most = w->limits.lease_ms;
	uint64_t ms;

	if (w->pace[type].n == 0)
		ms = cheap ? PATIENCE_FIRST_MS : most;
	else if (longest > most)
		ms = most;
	else
		ms = longest * (cheap ? 2 : 3);
	if (ms < PATIENCE_MIN_MS)
		ms = PATIENCE_MIN_MS;
	return ms < most ? ms : most;
}
