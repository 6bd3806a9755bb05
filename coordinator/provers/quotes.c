/* What a job weighs is in quote_checked.h; this file says when, with what, and what follows. */
#include "coordinator/provers/quotes.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/provers/policy.h"
#include "coordinator/provers/verdicts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_SIZE   64
#define CHAINS_CACHED 256
#define EPOCH_MS      3600000u /* a refusal that time may have healed is not believed longer */
#define SOURCES_MAX   1024

enum phase {
	PHASE_OWN,   /* in the pool: what needs no collateral */
	PHASE_FETCH, /* waits for collateral */
	PHASE_WHOLE, /* in the pool */
	PHASE_FETCH_EARLY,
	PHASE_EARLY, /* in the pool: what a recheck finds with Intel's early TCB info */
};

struct job {
	struct job *next;
	struct quotes *a;
	uv_work_t work;
	enum phase phase;
	struct buf quote;
	char source[SOURCE_SIZE];
	quotes_cb *cb; /* NULL: a recheck */
	void *arg;
	struct eth_address signer; /* recheck: whose quote */
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
	struct job *jobs;
	size_t n_jobs;
	unsigned in_pool;
	bool closing;
	void (*done)(void *arg);
	void *done_arg;
	struct evidence_book *evidence;
	/* rechecks go one at a time through the registrar's table */
	bool rechecking, recheck_again;
	size_t recheck_at;
	uint64_t epoch_ms;
	struct contract_image image; /* the contract's when last looked at */
	bool has_image;
	char answer[QUOTE_CHECK_SENTENCE_MAX];
	struct quotes_counters counters;
};

static void recheck(struct quotes *a);
static void recheck_next(struct quotes *a);
static void start_work(struct job *job, enum phase phase);

void quotes_changed(struct quotes *a)
{
	refusals_new_epoch(a->refusals);
	recheck(a);
}

bool quotes_reload(struct quotes *a, const struct quotes_options *options, struct why *why)
{
	struct policy *fresh = policy_load(options->policy_file, why);

	if (!fresh)
		return false;
	policy_unref(a->policy);
	a->policy = fresh;
	a->o = *options;
	quotes_changed(a);
	return true;
}

/* ---- the end of a job ---- */

static void job_free(struct job *job)
{
	struct quotes *a = job->a;
	struct job **at;

	for (at = &a->jobs; *at; at = &(*at)->next)
		if (*at == job) {
			*at = job->next;
			a->n_jobs--;
			break;
		}
	policy_unref(job->policy);
	collateral_set_unref(job->set);
	buf_free(&job->quote);
	buf_free(&job->result.json);
	buf_free(&job->early.json);
	free(job);
}

static void keep_verdict(const struct job *job, const char *answer, const char *sentence)
{
	const struct quote_checked *r = &job->result;
	const struct verdict_note note = {.sha256 = r->whole_key.sha256,
					  .at = job->now,
					  .source = job->source,
					  .answer = answer,
					  .sentence = sentence,
					  .signer = r->authentic_bytes ? &r->signer : NULL,
					  .json = buf_span(&r->json)};

	verdicts_keep(job->a->p.verdicts, job->a->p.store, &note);
}

static void remember_refusal(const struct job *job)
{
	const struct quote_checked *r = &job->result;

	refusals_add(job->a->refusals, &r->whole_key, r->lasting, r->sentence);
	/* Whoever signs the same again is refused the same, whatever he did to the rest. */
	if (r->authentic_bytes)
		refusals_add(job->a->refusals, &r->signed_key, false, r->sentence);
}

static void fitness_found(struct quotes *a, const struct job *job, const char *unfit)
{
	const struct registrar_prover *p = registrar_find(a->p.registrar, &job->signer);
	const enum registrar_fit before = p ? p->fit : REGISTRAR_FIT_UNKNOWN;
	const enum registrar_fit now = unfit ? REGISTRAR_UNFIT : REGISTRAR_FIT;
	char text[ETH_ADDRESS_TEXT_SIZE];

	if (!p)
		return;
	eth_address_print(text, &job->signer);
	if (unfit && before != REGISTRAR_UNFIT) {
		a->counters.became_unfit++;
		log_event(LOG_WARN, "quote_unfit", log_str("signer", text),
			  log_str("reason", unfit));
	} else if (!unfit && before != REGISTRAR_FIT) {
		log_event(LOG_INFO, "quote_fit", log_str("signer", text),
			  log_str("tcb_status", tdxv_tcb_status_name(job->result.tcb_status)));
	}
	registrar_set_fit(a->p.registrar, &job->signer, now, unfit ? unfit : "");
}

static void end_recheck(struct job *job, const char *unfit)
{
	struct quotes *a = job->a;

	fitness_found(a, job, unfit);
	if (unfit && job->result.json.len)
		keep_verdict(job, "refused", unfit);
	job_free(job);
	recheck_next(a);
}

/* Consumes the job. */
static void end_job(struct job *job, enum quotes_rc rc, const char *sentence)
{
	struct quotes *a = job->a;
	struct quotes_result out = {rc, job->result.signer, sentence};

	if (!job->cb) {
		end_recheck(job, sentence);
		return;
	}
	if (rc == QUOTES_ATTESTED)
		evidence_put(a->evidence, &job->result, job->set);
	a->counters.verdicts[rc]++;
	switch (rc) {
	case QUOTES_ATTESTED:
		refusals_absolve(a->refusals, job->source);
		keep_verdict(job, "attested", "");
		break;
	case QUOTES_REFUSED:
		refusals_blame(a->refusals, job->source, clock_wall_ms());
		remember_refusal(job);
		keep_verdict(job, "refused", sentence);
		break;
	case QUOTES_RETRY: break;
	}
	job->cb(job->arg, &out);
	job_free(job);
}

/* ---- the phases ---- */

static void on_collateral(void *arg, const struct collateral_set *set, const char *sentence)
{
	struct job *job = arg;
	char text[QUOTE_CHECK_SENTENCE_MAX];

	if (job->a->closing)
		return;
	if (!set) {
		snprintf(text, sizeof text, "%s", sentence);
		end_job(job, QUOTES_RETRY, text);
		return;
	}
	job->set = collateral_set_ref(set);
	start_work(job, PHASE_WHOLE);
}

static void fetch(struct job *job)
{
	struct why why = {""};

	job->phase = PHASE_FETCH;
	if (!collateral_get(job->a->p.collateral, &job->result.platform, job->now, on_collateral,
			    job, &why))
		end_job(job, QUOTES_RETRY, why.text);
}

/* ---- what is to come ---- */

static void end_early(struct job *job, const char *sentence)
{
	struct evidence *s = evidence_find(job->a->evidence, &job->signer);
	char text[ETH_ADDRESS_TEXT_SIZE];
	struct why why;

	if (s && strcmp(s->early, sentence) != 0) {
		snprintf(s->early, sizeof s->early, "%s", sentence);
		eth_address_print(text, &s->signer);
		why_set(&why, "with Intel's early TCB info it does not pass: %s", sentence);
		if (sentence[0])
			log_event(LOG_WARN, "tcb_recovery_ahead", log_str("signer", text),
				  log_str("reason", why.text));
	}
	end_recheck(job, NULL);
}

static void on_early_collateral(void *arg, const struct collateral_set *set, const char *sentence)
{
	struct job *job = arg;

	(void)sentence;
	if (job->a->closing)
		return;
	if (!set) {
		end_early(job, "");
		return;
	}
	collateral_set_unref(job->set);
	job->set = collateral_set_ref(set);
	start_work(job, PHASE_EARLY);
}

/* A kept quote passes today. Will it pass when the early TCB info becomes the standard one? */
static void look_ahead(struct job *job)
{
	struct why why = {""};

	evidence_put(job->a->evidence, &job->result, job->set);
	job->phase = PHASE_FETCH_EARLY;
	if (!job->a->p.early || !collateral_get(job->a->p.early, &job->result.platform, job->now,
						on_early_collateral, job, &why))
		end_early(job, "");
}

static void in_pool(uv_work_t *work)
{
	struct job *job = work->data;
	const bool whole = job->phase != PHASE_OWN;
	const struct quote_check_input in = {
	    .quote = buf_span(&job->quote),
	    .collateral = whole ? job->set->checked : job->a->nothing,
	    .whole = whole,
	    .policy = &job->policy->policy,
	    .image = &job->image,
	    .cache = job->a->cache,
	    .now = whole ? collateral_set_time(job->set, job->now) : job->now};

	quote_check(job->phase == PHASE_EARLY ? &job->early : &job->result, &in);
}

static void maybe_closed(struct quotes *a)
{
	if (a->closing && a->in_pool == 0 && a->done) {
		void (*done)(void *arg) = a->done;

		a->done = NULL;
		done(a->done_arg);
	}
}

static void after_pool(uv_work_t *work, int status)
{
	struct job *job = work->data;
	struct quotes *a = job->a;

	(void)status;
	a->in_pool--;
	if (a->closing) {
		maybe_closed(a);
		return;
	}
	a->counters.ecdsa_operations += job->result.ecdsa_operations;
	if (job->phase == PHASE_EARLY)
		end_early(job, job->early.undecided ? "" : job->early.sentence);
	else if (!job->result.passed)
		end_job(job, job->result.undecided ? QUOTES_RETRY : QUOTES_REFUSED,
			job->result.sentence);
	else if (job->phase == PHASE_OWN)
		fetch(job);
	else if (!job->cb)
		look_ahead(job);
	else
		end_job(job, QUOTES_ATTESTED, "");
}

static void start_work(struct job *job, enum phase phase)
{
	job->phase = phase;
	if (phase != PHASE_EARLY)
		buf_free(&job->result.json);
	job->work.data = job;
	if (uv_queue_work(job->a->p.loop, &job->work, in_pool, after_pool) == 0)
		job->a->in_pool++;
	else
		end_job(job, QUOTES_RETRY, "libuv's pool takes no work");
}

/* NULL with the sentence: not now. */
static struct job *job_new(struct quotes *a, struct span quote, const char *source, struct why *why)
{
	struct job *job;
	int64_t now;

	if (!a->has_image) {
		why_set(why, "L1 has not yet said which measurements the TDXVerifier demands");
		return NULL;
	}
	if (!l1_time(a->p.l1, a->o.max_clock_skew_s, &now, why))
		return NULL;
	job = calloc(1, sizeof *job);
	if (!job) {
		why_set(why, "out of memory");
		return NULL;
	}
	job->a = a;
	job->now = now;
	job->image = a->image;
	job->policy = policy_ref(a->policy);
	snprintf(job->source, sizeof job->source, "%s", source);
	buf_init(&job->result.json, QUOTE_CHECK_JSON_MAX);
	buf_init(&job->quote, TDXV_QUOTE_MAX);
	job->next = a->jobs;
	a->jobs = job;
	a->n_jobs++;
	if (!buf_add(&job->quote, quote.p, quote.n)) {
		why_set(why, "a quote of %zu bytes is over %u, or memory is short", quote.n,
			TDXV_QUOTE_MAX);
		job_free(job);
		return NULL;
	}
	return job;
}

/* ---- a prover's quote ---- */

/* True: it was refused before; *sentence says why. */
static bool is_remembered(struct quotes *a, struct span quote, const char **sentence)
{
	struct refusal_key whole, signed_part;
	struct tdxv_quote q;

	quote_check_keys(&whole, &signed_part, &q, quote);
	*sentence = refusals_find(a->refusals, &whole);
	if (!*sentence && q.signed_part.n)
		*sentence = refusals_find(a->refusals, &signed_part);
	return *sentence != NULL;
}

bool quotes_verify(struct quotes *a, struct span quote, const char *source, quotes_cb *cb,
		   void *arg, struct quotes_result *out)
{
	const uint64_t now = clock_wall_ms(), wait = refusals_wait_ms(a->refusals, source, now);
	const char *before;
	struct why why = {""};
	struct job *job;

	*out = (struct quotes_result){.rc = QUOTES_RETRY, .sentence = a->answer};
	if (wait) {
		a->counters.penalties++;
		snprintf(
		    a->answer, sizeof a->answer,
		    "quotes from %s were refused one after the other: the next is looked at in "
		    "%" PRIu64 " s",
		    source, (wait + 999) / 1000);
		return false;
	}
	if (is_remembered(a, quote, &before)) {
		a->counters.remembered++;
		refusals_blame(a->refusals, source, now);
		snprintf(a->answer, sizeof a->answer, "refused before: %s", before);
		out->rc = QUOTES_REFUSED;
		return false;
	}
	if (a->n_jobs >= a->o.max_verifications) {
		snprintf(a->answer, sizeof a->answer, "%zu quotes are being verified: try again",
			 a->n_jobs);
		return false;
	}
	job = job_new(a, quote, source, &why);
	if (!job) {
		snprintf(a->answer, sizeof a->answer, "%s", why.text);
		return false;
	}
	job->cb = cb;
	job->arg = arg;
	start_work(job, PHASE_OWN);
	return true;
}

/* ---- again ---- */

static void recheck_next(struct quotes *a)
{
	const struct registrar_prover *p;
	struct why why = {""};
	struct job *job;

	while ((p = registrar_at(a->p.registrar, a->recheck_at)) && p->kind != REGISTRAR_QUOTE)
		a->recheck_at++;
	if (!p) {
		a->rechecking = false;
		if (a->recheck_again)
			recheck(a);
		wake_up(a->p.wake);
		return;
	}
	a->recheck_at++;
	job = job_new(a, p->payload, p->source, &why);
	if (!job) {
		/* L1 or memory is not there: quotes_tick() comes back to it. */
		a->rechecking = false;
		a->recheck_again = true;
		log_event(LOG_WARN, "recheck_postponed", log_str("reason", why.text));
		return;
	}
	a->counters.rechecks++;
	job->signer = p->signer;
	start_work(job, PHASE_OWN);
}

static void recheck(struct quotes *a)
{
	if (a->closing || !a->has_image)
		return;
	if (a->rechecking) {
		a->recheck_again = true;
		return;
	}
	a->recheck_again = false;
	a->rechecking = true;
	a->recheck_at = 0;
	recheck_next(a);
}

void quotes_on_facts(struct quotes *a)
{
	const struct l1_facts *f = l1_facts(a->p.l1);
	struct contract_image image;

	if (!f || !f->has_tdx_verifier || f->tdx_dev_mode || !f->has_measurements)
		return;
	memcpy(image.measurement, f->measurement, sizeof image.measurement);
	if (a->has_image && memcmp(&image, &a->image, sizeof image) == 0)
		return;
	if (a->has_image)
		log_event(
		    LOG_WARN, "measurements_changed",
		    log_str("reason", "the TDXVerifier demands other measurements than before"));
	a->image = image;
	a->has_image = true;
	quotes_changed(a);
}

/* ---- time ---- */

void quotes_tick(struct quotes *a)
{
	const uint64_t now_ms = clock_wall_ms();
	struct why why = {""};
	int64_t now;

	if (a->closing || !l1_time(a->p.l1, a->o.max_clock_skew_s, &now, &why))
		return;
	collateral_tick(a->p.collateral, now);
	if (a->p.early)
		collateral_tick(a->p.early, now);
	if (a->recheck_again && !a->rechecking)
		recheck(a);
	if (now_ms >= a->epoch_ms + EPOCH_MS) {
		a->epoch_ms = now_ms;
		quotes_changed(a);
	}
	evidence_tick(a->evidence, now, a->o.expiry_warning_s);
}

/* ---- life ---- */

const struct quotes_counters *quotes_counters(const struct quotes *a)
{
	return &a->counters;
}

const struct evidence *quotes_evidence(const struct quotes *a, const struct eth_address *signer)
{
	return evidence_find(a->evidence, signer);
}

int64_t quotes_seconds_left(const struct quotes *a, int64_t now)
{
	return evidence_seconds_left(a->evidence, now);
}

bool quotes_new(struct quotes **out, const struct quotes_parts *parts,
		const struct quotes_options *options, struct why *why)
{
	const struct refusals_settings rs = {.max_quotes = options->max_refusals,
					     .max_sources = SOURCES_MAX,
					     .free_refusals = 8,
					     .first_wait_ms = 1000,
					     .max_wait_ms = 600000,
					     .forget_ms = 60000};
	struct quotes *a = calloc(1, sizeof *a);

	*out = NULL;
	if (!a) {
		why_set(why, "out of memory");
		return false;
	}
	a->p = *parts;
	a->o = *options;
	a->epoch_ms = clock_wall_ms();
	a->policy = policy_load(options->policy_file, why);
	if (!a->policy)
		goto failed;
	a->nothing = collateral_root_only(parts->collateral);
	a->cache = tdxv_cache_new(CHAINS_CACHED);
	a->refusals = refusals_new(&rs);
	a->evidence = evidence_new(parts->registrar, options->max_provers);
	if (!a->cache || !a->refusals || !a->evidence) {
		why_set(why, "out of memory for quote verification");
		goto failed;
	}
	*out = a;
	return true;
failed:
	quotes_free(a);
	return false;
}

void quotes_close(struct quotes *a, void (*done)(void *arg), void *arg)
{
	struct job *job;

	if (!a) {
		done(arg);
		return;
	}
	a->closing = true;
	a->done = done;
	a->done_arg = arg;
	for (job = a->jobs; job; job = job->next) {
		if (a->p.collateral)
			collateral_cancel(a->p.collateral, job);
		if (a->p.early)
			collateral_cancel(a->p.early, job);
	}
	maybe_closed(a);
}

void quotes_free(struct quotes *a)
{
	if (!a)
		return;
	while (a->jobs)
		job_free(a->jobs);
	evidence_free(a->evidence);
	refusals_free(a->refusals);
	tdxv_cache_free(a->cache);
	policy_unref(a->policy);
	free(a);
}
