/* Which batch a prover gets. A lease orders work, it never withholds it: what has been out for
 * longer than such proofs take here is handed out again, and the clock runs from its first grant.
 */
#include "coordinator/work/internal.h"

#include <inttypes.h>
#include <string.h>

/* How many batches are passed over in one request. */
#define SCAN_MAX 256
/* No prover asks twice in this time, but two behind one address may. */
#define JUST_NOW_MS 1000

/* A request, and what is known about who makes it. */
struct asker {
	const struct version *version;
	const struct source *source; /* NULL: never heard of */
	bool trusted;
	unsigned skip;
	uint64_t now_ms;
};

static bool is_passed_over(const struct slot *s, const struct asker *a)
{
	const struct claim *c = claim_find(s, a->source);

	return c && a->now_ms < c->avoid_until_ms;
}

/* Would a proof of theirs find no room? Who is trusted has a place in what it is granted. */
static bool has_no_room(const struct work *w, const struct slot *s, const struct asker *a)
{
	return !a->trusted && slot_places_taken(s) >= w->limits.max_candidates;
}

/* A stranger's zero-knowledge proof of what it was granted, which only a dry run can judge: work
 * done twice is dear, so it holds the batch as long as a lease would. */
static bool waits_for_a_dry_run(const struct work *w, const struct slot *s, enum prover_type type,
				uint64_t now_ms)
{
	const struct candidate *c = s && type != PROVER_TDX ? s->first : NULL;

	for (; c; c = c->next)
		if (c->state == WORK_UNDECIDED && c->took_ms &&
		    now_ms < s->granted_ms + work_patience_ms(w, type))
			return true;
	return false;
}

static struct batch *oldest_open(const struct work *w, enum prover_type type, const struct asker *a)
{
	const struct order *open = &a->version->open[type];
	size_t i, end = open->n < SCAN_MAX ? open->n : SCAN_MAX;
	struct batch *last = NULL;
	unsigned skip = a->skip;

	for (i = 0; i < end; i++) {
		struct batch *b = order_at(open, i).item;

		if (is_passed_over(b->slot[type], a) || has_no_room(w, b->slot[type], a) ||
		    waits_for_a_dry_run(w, b->slot[type], type, a->now_ms))
			continue;
		if (!skip--)
			return b;
		last = b;
	}
	return last;
}

/* Somebody who is likely to prove it has it again, or this very source has it: others first. */
static bool is_in_good_hands(const struct slot *s, const struct asker *a, uint64_t patience_ms)
{
	const struct claim *c = claim_find(s, a->source);

	return (c && c->times && a->now_ms < c->granted_ms + patience_ms) ||
	       (s->again == 1 && a->now_ms < s->again_ms + patience_ms);
}

static bool was_just_granted(const struct slot *s, const struct asker *a)
{
	const struct claim *c = claim_find(s, a->source);

	return c && c->times && a->now_ms < c->granted_ms + JUST_NOW_MS;
}

/* Of those that somebody has. spare: in good hands too. */
static struct batch *oldest_overdue(const struct work *w, enum prover_type type,
				    const struct asker *a, bool spare)
{
	const struct order *leased = &a->version->leased[type];
	const uint64_t patience_ms = work_patience_ms(w, type);
	size_t i, end = leased->n < SCAN_MAX ? leased->n : SCAN_MAX;

	for (i = 0; i < end; i++) {
		struct batch *b = order_at(leased, i).item;
		const struct slot *s = b->slot[type];

		if (is_passed_over(s, a) || has_no_room(w, s, a))
			continue;
		/* The proof that is there is no use, and who made it cannot be told from who asks.
		 */
		if (slot_is_contested(w, s) && !was_just_granted(s, a))
			return b;
		if (a->now_ms >= s->granted_ms + patience_ms &&
		    (spare || !is_in_good_hands(s, a, patience_ms)))
			return b;
	}
	return NULL;
}

static struct batch *older(struct batch *a, struct batch *b)
{
	if (!a || !b)
		return a ? a : b;
	return a->number < b->number ? a : b;
}

/* fresh: may it take a lease that nobody has? */
static struct batch *choose(const struct work *w, enum prover_type type, const struct asker *a,
			    bool fresh)
{
	struct batch *b =
	    older(fresh ? oldest_open(w, type, a) : NULL, oldest_overdue(w, type, a, false));

	return b ? b : oldest_overdue(w, type, a, true);
}

bool work_wants(const struct work *w, uint64_t batch, unsigned mask)
{
	const struct batch *b = work_batch(w, batch);

	return b && b->wanting & mask;
}

/* ---- the answer ---- */

size_t version_wanting(const struct version *v, unsigned mask)
{
	size_t n = 0;
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		if (mask & PROVER_TYPE_BIT(t))
			n += v->wanting[t];
	return n;
}

/* Do inputs come under this commit hash, or did they last? */
static bool is_current(const struct work *w, const struct version *mine, const char *commit_hash)
{
	return mine ? mine->newest == w->newest : strcmp(commit_hash, w->newest_hash) == 0;
}

static enum work_request_rc request_nothing(const struct work *w, const struct version *mine,
					    const char *commit_hash, unsigned mask, struct why *why)
{
	size_t v;

	if (mine && version_wanting(mine, mask)) {
		why_set(why, "all that commit hash %s could prove is being proven", commit_hash);
		return WORK_EMPTY;
	}
	for (v = 0; v < w->limits.max_versions; v++) {
		const struct version *other = &w->versions[v];

		if (other != mine && other->inputs && version_wanting(other, mask)) {
			why_set(why, "nothing to prove for commit hash %s, but for %s", commit_hash,
				other->commit_hash);
			return WORK_VERSION_MISMATCH;
		}
	}
	if (w->newest && !is_current(w, mine, commit_hash)) {
		why_set(why, "nothing to prove; inputs come under commit hash %s, not under %s",
			w->newest_hash, commit_hash);
		return WORK_VERSION_MISMATCH;
	}
	why_set(why, "nothing to prove");
	return WORK_EMPTY;
}

static void grant_fill(struct work_grant *grant, const struct batch *b, const struct version *v)
{
	const struct input *in = b->inputs;

	while (in->version != v)
		in = in->next_in_batch;
	*grant = (struct work_grant){.batch = b->number, .size = in->size};
	memcpy(grant->sha256, in->sha256, sizeof grant->sha256);
}

void slot_note_grant(struct work *w, struct slot *s, struct source *source, bool trusted,
		     uint64_t now_ms)
{
	struct claim *c = claim_get(w, s, source, trusted);

	if (c) {
		c->times++;
		c->granted_ms = now_ms;
	}
	if (s->granted && trusted) {
		s->again++;
		s->again_ms = now_ms;
	}
	if (!s->granted) {
		s->granted = true;
		s->granted_ms = now_ms;
	}
}

static enum work_request_rc grant_lease(struct work *w, struct batch *b, enum prover_type type,
					const struct work_source *from, uint64_t now_ms,
					struct work_grant *grant, struct why *why)
{
	struct source *src = source_get(&w->sources, from->name);
	struct slot *s = batch_slot_make(b, type);
	enum work_request_rc rc = WORK_EMPTY;

	if (s && s->lease.ticket)
		lease_end(w, s);
	if (!src || !s || !lease_begin(w, b, type, src, now_ms + w->limits.lease_ms)) {
		why_set(why, "out of memory for a lease");
	} else {
		slot_note_grant(w, s, src, source_is_trusted(src, from->attested), now_ms);
		grant->ticket = s->lease.ticket;
		grant->expires_ms = s->lease.expires_ms;
		rc = WORK_GRANT;
	}
	batch_refresh(w, b, type);
	source_put(&w->sources, src);
	return rc;
}

enum work_request_rc work_request(struct work *w, const char *commit_hash,
				  const enum prover_type *type, const struct work_source *from,
				  uint64_t now_ms, struct work_grant *grant, struct why *why)
{
	struct asker a = {.version = version_find(w, commit_hash),
			  .source = source_find(&w->sources, from->name),
			  .skip = from->skip,
			  .now_ms = now_ms};
	struct batch *b = NULL;
	bool fresh = true;
	unsigned mask;
	int t;

	*grant = (struct work_grant){0};
	if (!w->needed_known) {
		why_set(why, "L1 has not yet said which proof types it needs");
		return WORK_EMPTY;
	}
	mask = type ? PROVER_TYPE_BIT(*type) : WORK_TYPES_ALL;
	if (!(mask & w->needed)) {
		why_set(why, "the contract needs no %s proof",
			type ? prover_type_name(*type) : "single");
		return WORK_NOT_NEEDED;
	}
	work_expire(w, now_ms);
	a.trusted = source_is_trusted(a.source, from->attested);
	if (type && w->limits.max_leases_per_source && a.source)
		fresh = a.source->leases < w->limits.max_leases_per_source;
	for (t = 0; a.version && t < PROVER_TYPES; t++)
		if (mask & PROVER_TYPE_BIT(t))
			b = older(b, type ? choose(w, (enum prover_type)t, &a, fresh)
					  : oldest_open(w, (enum prover_type)t, &a));
	if (!b && !fresh) {
		why_set(why, "%s has %u batches in work: that is the limit", from->name,
			a.source->leases);
		return WORK_EMPTY;
	}
	if (!b)
		return request_nothing(w, a.version, commit_hash, mask, why);
	grant_fill(grant, b, a.version);
	return type ? grant_lease(w, b, *type, from, now_ms, grant, why) : WORK_GRANT;
}
