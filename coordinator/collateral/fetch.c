#include "coordinator/collateral/internal.h"

#include "coordinator/base/retry.h"
#include "encoding/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONNECT_TIMEOUT_MS 5000
#define FROM_DISK          (-1)
#define PATH_SIZE          1280

struct request {
	struct collateral_fetch *f;
	enum collateral_part_id id;
	struct http_transfer *transfer;
};

struct collateral_fetch {
	struct collateral_shared *s;
	struct collateral_key key;
	const struct collateral_set *floor;
	bool disk_only, stopped;
	bool any_asked;     /* of the sources */
	bool fed;           /* by a source: what comes out is new to the disk */
	bool last_resort;   /* every source was asked: stale parts will do */
	int64_t begun, now; /* now follows the loop's clock from round to round */
	uint64_t begun_at;  /* of the loop */
	int64_t disk_fetched_at;
	struct collateral_want want, disk_want;
	uint32_t number; /* asked for; 0: none */
	struct collateral_part part[COLLATERAL_PARTS];
	struct collateral_part spare[COLLATERAL_PARTS]; /* stale ones */
	unsigned asked[COLLATERAL_SOURCES_MAX];         /* bit per part */

	/* the source that is being asked */
	int source;
	unsigned offered; /* parts that it gave and that were not checked yet */
	unsigned n_running;
	bool failed; /* it rests for this */
	uint32_t at_least;
	struct request request[COLLATERAL_PARTS];

	/* in the pool */
	uv_work_t work;
	bool in_pool;
	char dir[PATH_SIZE]; /* to read parts from; "": none */
	unsigned read_mask;
	enum collateral_outcome read_outcome[COLLATERAL_PARTS];
	struct why read_why[COLLATERAL_PARTS];
	struct collateral_check check;

	char story[COLLATERAL_SENTENCE_SIZE];
	int told_source; /* the last one in the story, and what was said of it */
	struct why told;
	collateral_fetch_cb *cb;
	void *arg;
};

uint32_t collateral_number_asked(const struct collateral_shared *s)
{
	return s->number ? s->number : s->want.number;
}

uint64_t collateral_random(struct collateral_shared *s)
{
	return retry_random(&s->random);
}

/* ---- what a source did ---- */

static struct collateral_standing *standing(struct collateral_fetch *f)
{
	return f->source == FROM_DISK ? NULL : &f->s->source[f->source];
}

static void tell(struct collateral_fetch *f, const char *sentence)
{
	const char *who = f->source == FROM_DISK ? "disk" : standing(f)->source.name;
	bool same = f->story[0] && f->told_source == f->source;
	size_t n = strlen(f->story);

	/* Four requests to a dead host say the same. */
	if (same && strcmp(sentence, f->told.text) == 0)
		return;
	f->told_source = f->source;
	why_set(&f->told, "%s", sentence);
	if (same)
		utf8_print(f->story + n, sizeof f->story - n, ", %s", sentence);
	else
		utf8_print(f->story + n, sizeof f->story - n, "%s%s: %s", n ? "; " : "", who,
			   sentence);
}

static void count(struct collateral_fetch *f, enum collateral_outcome outcome,
		  const struct why *why)
{
	struct collateral_standing *st = standing(f);

	if (outcome != COLLATERAL_OK)
		tell(f, why->text);
	if (!st)
		return;
	st->count[outcome]++;
	if (outcome == COLLATERAL_OK)
		return;
	st->last_failure = *why;
	st->last_failure_at = f->now;
	/* What it serves may be wrong for this key alone; that it does not serve is for all. */
	if (outcome == COLLATERAL_UNREACHABLE || outcome == COLLATERAL_RATE_LIMITED ||
	    outcome == COLLATERAL_BAD_STATUS)
		f->failed = true;
}

static void round_over(struct collateral_fetch *f)
{
	struct collateral_standing *st = standing(f);

	f->now = f->begun + (int64_t)((uv_now(f->s->loop) - f->begun_at) / 1000);
	if (!st)
		return;
	if (f->failed)
		collateral_rest_failed(&st->rest, &f->s->rest, f->now, f->at_least,
				       collateral_random(f->s));
	else
		collateral_rest_worked(&st->rest);
}

/* ---- the end ---- */

static void fetch_free(struct collateral_fetch *f)
{
	int i;

	for (i = 0; i < COLLATERAL_PARTS; i++) {
		collateral_part_free(&f->part[i]);
		collateral_part_free(&f->spare[i]);
	}
	tdxv_collateral_free(f->check.checked);
	collateral_set_unref(f->floor);
	free(f);
}

static void finish(struct collateral_fetch *f, const struct collateral_set *set)
{
	char story[COLLATERAL_SENTENCE_SIZE];
	struct collateral_fetched done = {.set = set, .from_disk = !f->fed, .story = story};
	collateral_fetch_cb *cb = f->cb;
	void *arg = f->arg;

	memcpy(story, f->story, sizeof story);
	fetch_free(f);
	cb(arg, &done);
}

static void finish_whole(struct collateral_fetch *f)
{
	const struct collateral_set *set = collateral_set_new(
	    &f->key, f->part, f->check.checked, f->fed ? f->now : f->disk_fetched_at,
	    f->any_asked ? &f->want : &f->disk_want);

	if (set)
		f->check.checked = NULL;
	else
		tell(f, "out of memory");
	finish(f, set);
}

/* ---- the pool ---- */

static void next(struct collateral_fetch *f);

/* What other settings fetched is not what these would. */
static bool cache_serves(struct collateral_about *about, const struct collateral_fetch *f)
{
	return collateral_about_read(about, f->dir) && about->update == f->s->update &&
	       about->number == f->s->number;
}

static void read_directory(struct collateral_fetch *f)
{
	struct collateral_about about = {0};
	const char *dir = f->dir;
	struct stat st;
	int i;

	if (f->source != FROM_DISK && stat(dir, &st))
		dir = standing(f)->source.at;
	if (f->source == FROM_DISK && !cache_serves(&about, f))
		f->read_mask = 0;
	if (f->source == FROM_DISK)
		f->disk_fetched_at = about.fetched_at, f->disk_want = about.want;
	collateral_dir_parts(f->part, f->read_mask, dir, f->s->piece_max, f->read_outcome,
			     f->read_why);
	for (i = 0; i < COLLATERAL_PARTS; i++)
		if ((f->read_mask & 1u << i) && f->part[i].body.len)
			snprintf(f->part[i].source, COLLATERAL_NAME_SIZE, "%s",
				 f->source == FROM_DISK ? about.source[i]
							: standing(f)->source.name);
}

static void do_work(uv_work_t *w)
{
	struct collateral_fetch *f = w->data;

	if (f->dir[0])
		read_directory(f);
	collateral_check(&f->check);
}

static void apply(struct collateral_fetch *f, int i)
{
	struct collateral_check *c = &f->check;
	bool offered = f->offered & 1u << i;

	switch (c->verdict[i]) {
	case PART_ABSENT: return;
	case PART_PENDING:
	case PART_GOOD:
		if (offered)
			count(f, COLLATERAL_OK, NULL);
		return;
	case PART_STALE:
		if (f->last_resort)
			return;
		count(f, c->outcome[i], &c->why[i]);
		if (!f->spare[i].body.len)
			collateral_part_move(&f->spare[i], &f->part[i]);
		break;
	case PART_BAD: count(f, c->outcome[i], &c->why[i]); break;
	}
	collateral_part_free(&f->part[i]);
}

/* All that a quote is judged with. */
static bool whole(const struct collateral_fetch *f)
{
	int i;

	for (i = 0; i < COLLATERAL_NUMBERS; i++)
		if (!f->part[i].body.len || f->check.verdict[i] == PART_PENDING)
			return false;
	return f->check.checked && f->check.facts.usable;
}

static unsigned missing(const struct collateral_fetch *f)
{
	unsigned mask = 0;
	int i;

	for (i = 0; i < COLLATERAL_PARTS; i++)
		if (!f->part[i].body.len && (i != COLLATERAL_NUMBERS || f->want.numbers))
			mask |= 1u << i;
	return mask;
}

static void after_work(uv_work_t *w, int status)
{
	struct collateral_fetch *f = w->data;
	static const struct why no_memory = {"out of memory to check what it gave"};
	int i;

	(void)status; /* never cancelled: f must stay until the pool has let go anyway */
	f->in_pool = false;
	if (f->stopped) {
		finish(f, NULL);
		return;
	}
	for (i = 0; f->dir[0] && i < COLLATERAL_PARTS; i++) {
		if (!(f->read_mask & 1u << i))
			continue;
		if (f->part[i].body.len) {
			f->offered |= 1u << i;
			f->fed = f->fed || f->source != FROM_DISK;
		} else if (f->source != FROM_DISK || f->read_outcome[i] != COLLATERAL_NOT_FOUND) {
			count(f, f->read_outcome[i], &f->read_why[i]);
		}
	}
	for (i = 0; i < COLLATERAL_PARTS; i++) {
		if (f->check.checked) {
			apply(f, i);
		} else if (f->offered & 1u << i) {
			tell(f, no_memory.text);
			collateral_part_free(&f->part[i]);
		}
	}
	round_over(f);
	if (whole(f) && !missing(f)) {
		finish_whole(f);
		return;
	}
	next(f);
}

static void to_pool(struct collateral_fetch *f, const char *dir, unsigned read_mask)
{
	snprintf(f->dir, sizeof f->dir, "%s", dir);
	f->read_mask = read_mask;
	tdxv_collateral_free(f->check.checked);
	f->check = (struct collateral_check){
	    .key = &f->key,
	    .part = f->part,
	    .floor = f->floor,
	    .root_pem = buf_span(&f->s->root_pem),
	    .number = f->number,
	    .now = f->now,
	    .max_stale = f->s->max_stale,
	};
	f->work.data = f;
	f->in_pool = true;
	uv_queue_work(f->s->loop, &f->work, do_work, after_work);
}

/* ---- HTTP ---- */

static void on_answer(void *arg, const struct http_answer *a)
{
	struct request *r = arg;
	struct collateral_fetch *f = r->f;
	struct collateral_asking asking = {
	    .source = &standing(f)->source, .key = &f->key, .number = f->number};
	struct collateral_reply reply = {
	    .arrived = a->arrived, .status = a->status, .body = a->body, .sentence = a->sentence};
	enum collateral_outcome outcome;
	const char *header[2];
	struct why why;

	r->transfer = NULL;
	f->n_running--;
	if (a->arrived) {
		collateral_chain_headers(header, r->id);
		reply.chain = header[0] ? http_header(a, header[0]) : NULL;
		if (!reply.chain && header[1])
			reply.chain = http_header(a, header[1]);
		reply.retry_after = http_header(a, "Retry-After");
	}
	outcome = collateral_reply_read(&f->part[r->id], &asking, r->id, &reply, &why);
	if (outcome == COLLATERAL_OK) {
		f->offered |= 1u << r->id;
		f->fed = true;
		return;
	}
	if (reply.retry_after && (reply.status == 429 || reply.status == 503)) {
		uint32_t wait = http_retry_after(reply.retry_after, f->now);

		f->at_least = wait > f->at_least ? wait : f->at_least;
	}
	count(f, outcome, &why);
}

static void ask(struct collateral_fetch *f, unsigned mask)
{
	struct collateral_shared *s = f->s;
	const struct collateral_source *source = &standing(f)->source;
	struct collateral_asking asking = {.source = source,
					   .root_crl_url = s->root_crl_url,
					   .key = &f->key,
					   .update = s->update,
					   .number = f->number};
	static const struct why not_started = {"the request could not be started"};
	char url[2048];
	int i;

	for (i = 0; i < COLLATERAL_PARTS; i++) {
		struct request *r = &f->request[i];
		struct http_request req = {
		    .url = url,
		    .ca_file = source->kind == COLLATERAL_PCCS && s->ca_file[0] ? s->ca_file : NULL,
		    .timeout_ms = s->timeout_ms,
		    .connect_timeout_ms =
			s->timeout_ms < CONNECT_TIMEOUT_MS ? s->timeout_ms : CONNECT_TIMEOUT_MS,
		    .answer_max = s->piece_max};

		if (!(mask & 1u << i))
			continue;
		*r = (struct request){.f = f, .id = (enum collateral_part_id)i};
		if (collateral_request_url(url, sizeof url, &asking, r->id))
			r->transfer = http_get(s->http, &req, on_answer, r);
		if (r->transfer)
			f->n_running++;
		else
			count(f, COLLATERAL_UNREACHABLE, &not_started);
	}
}

/* ---- the way ---- */

static void directory_of(char out[PATH_SIZE], const char *base, const struct collateral_key *key)
{
	char name[COLLATERAL_KEY_SIZE];

	collateral_key_text(name, key);
	snprintf(out, PATH_SIZE, "%s/%s", base, name);
}

/* The first source that was not yet asked for something that is missing; -1: none. */
static int choose(struct collateral_fetch *f, unsigned want, unsigned *mask)
{
	struct why why;
	size_t i;

	for (i = 0; i < f->s->n_sources; i++) {
		struct collateral_standing *st = &f->s->source[i];

		*mask = want & ~f->asked[i];
		if (!*mask)
			continue;
		if (st->rest.until <= f->now)
			return (int)i;
		if (!f->asked[i]) {
			f->source = (int)i;
			why_set(&why, "rests for %lld s more, for %.400s",
				(long long)(st->rest.until - f->now), st->last_failure.text);
			tell(f, why.text);
		}
		f->asked[i] = ALL_PARTS;
	}
	return -1;
}

static bool take_spares(struct collateral_fetch *f)
{
	unsigned want = missing(f) & QUOTE_PARTS;
	int i;

	for (i = 0; i < COLLATERAL_PARTS; i++)
		if ((want & 1u << i) && !f->spare[i].body.len)
			return false;
	for (i = 0; i < COLLATERAL_PARTS; i++)
		if (want & 1u << i)
			collateral_part_move(&f->part[i], &f->spare[i]);
	return true;
}

static void next(struct collateral_fetch *f)
{
	unsigned want = missing(f), mask = 0;
	char dir[PATH_SIZE];

	f->offered = 0;
	f->failed = false;
	f->at_least = 0;
	f->source = f->disk_only ? -1 : choose(f, want, &mask);
	if (f->source >= 0) {
		f->any_asked = true;
		f->asked[f->source] |= mask;
		if (standing(f)->source.kind == COLLATERAL_DIRECTORY) {
			directory_of(dir, standing(f)->source.at, &f->key);
			to_pool(f, dir, mask);
			return;
		}
		ask(f, mask);
		if (!f->n_running) { /* none could be started: the next source */
			round_over(f);
			next(f);
		}
		return;
	}
	if (whole(f)) { /* a list is good to have */
		finish_whole(f);
		return;
	}
	if (!f->disk_only && !f->last_resort && take_spares(f)) {
		f->last_resort = true;
		to_pool(f, "", 0);
		return;
	}
	finish(f, NULL);
}

void collateral_fetch_step(struct collateral_fetch *f)
{
	if (f->in_pool || f->n_running)
		return;
	if (f->offered) {
		to_pool(f, "", 0);
		return;
	}
	round_over(f);
	next(f);
}

void collateral_fetch_widen(struct collateral_fetch *f)
{
	f->disk_only = false;
}

struct collateral_fetch *collateral_fetch_start(struct collateral_shared *s,
						const struct collateral_key *key,
						const struct collateral_set *floor, bool disk_only,
						int64_t now, collateral_fetch_cb *cb, void *arg)
{
	struct collateral_fetch *f = calloc(1, sizeof *f);
	char dir[PATH_SIZE] = "";

	if (!f)
		return NULL;
	f->s = s;
	f->key = *key;
	f->floor = floor ? collateral_set_ref(floor) : NULL;
	f->disk_only = disk_only;
	f->want = s->want;
	f->number = collateral_number_asked(s);
	f->begun = f->now = now;
	f->begun_at = uv_now(s->loop);
	f->cb = cb;
	f->arg = arg;
	f->source = FROM_DISK;
	if (!floor && s->cache[0])
		directory_of(dir, s->cache, key);
	/* Also with nothing to read: the callback must not come from inside. */
	to_pool(f, dir, dir[0] ? ALL_PARTS : 0);
	return f;
}

bool collateral_fetch_stop(struct collateral_fetch *f)
{
	int i;

	f->stopped = true;
	for (i = 0; i < COLLATERAL_PARTS; i++)
		if (f->request[i].transfer)
			http_stop(f->request[i].transfer);
	if (f->in_pool)
		return false;
	fetch_free(f);
	return true;
}
