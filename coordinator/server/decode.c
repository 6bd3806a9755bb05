#include "coordinator/server/decode.h"

#include "coordinator/proofs/proofs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* While it is in the pool the job owns all of this but next. */
struct job {
	struct job *next;
	struct decoder *decoder;
	struct server *server;
	uv_work_t work;
	bool in_pool;
	char source[SERVER_SOURCE_TEXT];
	struct span text;
	struct proto_limits limits;
	struct decoded out;
};

struct decoder {
	uv_loop_t *loop;
	struct decoder_options options;
	decoded_fn *done;
	void *arg;
	struct job *jobs; /* in the order of their coming */
	size_t in_pool;
	struct decoder_counters counters;
};

static void run_next(struct decoder *d);

/* Out of the list, and its connection is free. */
static void job_end(struct job *job)
{
	struct decoder *d = job->decoder;
	struct job **at;

	for (at = &d->jobs; *at != job; at = &(*at)->next)
		;
	*at = job->next;
	d->counters.waiting--;
	proofdata_free(&job->out.message);
	conn_unpin(job->server, job->out.conn);
	free(job);
}

static void decode(uv_work_t *work)
{
	struct job *job = work->data;
	struct decoded *out = &job->out;
	const struct proof *proof = &out->message.proof;

	out->err = proofdata_decode_scanned(&out->message, job->text, &job->limits, &out->why);
	if (!out->err && out->message.kind == MSG_PROOF_SUBMIT)
		out->has_digest = proofs_digest(out->digest, buf_span(&proof->bytes),
						buf_span(&proof->public_values));
}

static void on_decoded(uv_work_t *work, int status)
{
	struct job *job = work->data;
	struct decoder *d = job->decoder;

	(void)status; /* jobs are never cancelled */
	d->in_pool--;
	if (server_conn(job->server, job->out.conn))
		d->done(d->arg, &job->out);
	job_end(job);
	run_next(d);
}

static bool has_its_turn(const struct decoder *d, const struct job *job)
{
	const struct job *other;

	for (other = d->jobs; other; other = other->next)
		if (other->in_pool && strcmp(other->source, job->source) == 0)
			return false;
	return true;
}

static void run_next(struct decoder *d)
{
	struct job *job, *next;

	for (job = d->jobs; job && d->in_pool < d->options.max_jobs; job = next) {
		next = job->next;
		if (job->in_pool || !has_its_turn(d, job))
			continue;
		if (!server_conn(job->server, job->out.conn)) {
			job_end(job);
			continue;
		}
		job->in_pool = true;
		d->in_pool++;
		d->counters.jobs++;
		job->work.data = job;
		uv_queue_work(d->loop, &job->work, decode, on_decoded);
	}
}

static bool has_room(struct decoder *d, const char *source, struct why *why)
{
	const struct job *job;
	size_t of_source = 0;

	for (job = d->jobs; job; job = job->next)
		of_source += strcmp(job->source, source) == 0;
	if (d->counters.waiting < d->options.max_waiting &&
	    of_source < d->options.max_waiting_per_source)
		return true;
	d->counters.refused++;
	why_set(why, "%zu large messages wait to be read, %zu of them from %s: try again",
		d->counters.waiting, of_source, source);
	return false;
}

bool decoder_take(struct decoder *d, struct server *server, struct conn *conn, struct span message,
		  const char *source, const struct proto_limits *limits, struct why *why)
{
	struct job *job, **last;

	if (!has_room(d, source, why))
		return false;
	job = calloc(1, sizeof *job);
	if (!job) {
		why_set(why, "out of memory");
		return false;
	}
	job->decoder = d;
	job->server = server;
	job->text = message;
	job->limits = *limits;
	snprintf(job->source, sizeof job->source, "%s", source);
	job->out.conn = conn_id(conn);
	job->out.source = job->source;
	job->out.bytes = message.n;
	conn_pin(conn);
	for (last = &d->jobs; *last; last = &(*last)->next)
		;
	*last = job;
	d->counters.waiting++;
	run_next(d);
	return true;
}

const struct decoder_counters *decoder_counters(const struct decoder *d)
{
	return &d->counters;
}

struct decoder *decoder_new(uv_loop_t *loop, const struct decoder_options *options,
			    decoded_fn *done, void *arg)
{
	struct decoder *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->loop = loop;
	d->options = *options;
	d->done = done;
	d->arg = arg;
	return d;
}

void decoder_free(struct decoder *d)
{
	free(d);
}
