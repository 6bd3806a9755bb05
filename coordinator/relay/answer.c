#include "coordinator/relay/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX                                                                                  \
	300 /* what stands around an input is three deep; the input's own check is 256             \
	     */
#define INPUT_NULL "null"

static const struct proto_limits none = {0};

void answer_init(struct answer *a)
{
	memset(a, 0, sizeof *a);
	json_scan_init(&a->whole, DEPTH_MAX, false);
}

/* What it is, for whoever reads that it is no answer: another server's, perhaps. */
static void say_beginning(struct answer *a)
{
	const struct why said = a->why;

	why_set(&a->why, "%s; it begins: %.*s", said.text, (int)a->n_begin, a->begin);
}

void answer_other(struct answer *a, const char *sentence)
{
	why_set(&a->why, "%s", sentence);
	say_beginning(a);
}

static bool wrong(struct answer *a)
{
	say_beginning(a);
	a->at = ANSWER_WRONG;
	return false;
}

/* One small byte more, checked. */
static bool keep(struct answer *a, const void *bytes, size_t n)
{
	if (a->n + n > sizeof a->small) {
		why_set(&a->why, "more than %d bytes that are no input", ANSWER_SMALL_MAX);
		return wrong(a);
	}
	switch (json_scan_feed(&a->whole, bytes, n, &a->why)) {
	case JSON_SCAN_MORE: break;
	case JSON_SCAN_DONE: a->complete = true; break;
	case JSON_SCAN_WRONG: return wrong(a);
	}
	memcpy(a->small + a->n, bytes, n);
	a->n += n;
	return true;
}

/* Up to the brace that begins an input. What follows it is the input's. */
static bool take_head(struct answer *a, struct span *bytes)
{
	size_t input_at, n = 0;
	bool found = false;

	while (n < bytes->n && !found && !a->complete) {
		if (!keep(a, bytes->p + n, 1))
			return false;
		if (bytes->p[n++] == '{')
			found = proofdata_peek_input(span_of(a->small, a->n), &input_at);
	}
	bytes->p += n;
	bytes->n -= n;
	if (!found) {
		if (a->complete)
			a->at = ANSWER_TAIL;
		return true;
	}
	/* The brace goes to the input, and `null` stands in its place. */
	a->n = input_at;
	a->has_input = true;
	a->at = ANSWER_INPUT;
	bytes->p--;
	bytes->n++;
	json_scan_init(&a->input, DEPTH_MAX - 3, true);
	json_scan_init(&a->whole, DEPTH_MAX, false);
	json_scan_feed(&a->whole, a->small, a->n, NULL);
	return keep(a, INPUT_NULL, strlen(INPUT_NULL));
}

static bool take_input(struct answer *a, struct span *bytes, struct span *piece)
{
	size_t n;
	const enum json_scan_state state =
	    json_scan_feed_value(&a->input, bytes->p, bytes->n, &n, &a->why);

	*piece = span_of(bytes->p, n);
	bytes->p += n;
	bytes->n -= n;
	if (state == JSON_SCAN_WRONG)
		return wrong(a);
	if (state == JSON_SCAN_DONE)
		a->at = ANSWER_TAIL;
	return true;
}

/* A second document behind the first, as a network that repeats itself makes it, is let be. */
static bool take_tail(struct answer *a, struct span *bytes)
{
	while (bytes->n && !a->complete) {
		if (!keep(a, bytes->p, 1))
			return false;
		bytes->p++;
		bytes->n--;
	}
	bytes->p += bytes->n;
	bytes->n = 0;
	return true;
}

/* What comes is seen before it is taken, and what is left over is seen again. */
static void keep_beginning(struct answer *a, struct span bytes)
{
	const size_t seen = a->bytes < a->n_begin ? a->n_begin - (size_t)a->bytes : 0;
	size_t n = sizeof a->begin - a->n_begin;

	if (!n || bytes.n <= seen)
		return;
	n = bytes.n - seen < n ? bytes.n - seen : n;
	memcpy(a->begin + a->n_begin, bytes.p + seen, n);
	a->n_begin += n;
}

bool answer_take(struct answer *a, struct span *bytes, struct span *piece)
{
	const size_t before = bytes->n;
	bool ok = false;

	keep_beginning(a, *bytes);
	*piece = span_of(NULL, 0);
	switch (a->at) {
	case ANSWER_HEAD: ok = take_head(a, bytes); break;
	case ANSWER_INPUT: ok = take_input(a, bytes, piece); break;
	case ANSWER_TAIL: ok = take_tail(a, bytes); break;
	case ANSWER_WRONG: break;
	}
	a->bytes += before - bytes->n;
	return ok;
}

bool answer_batch(struct answer *a, uint64_t *batch)
{
	char text[ANSWER_SMALL_MAX + 8];
	struct proofdata m;
	int n = snprintf(text, sizeof text, "%.*s}}", (int)a->n, (const char *)a->small);

	if (!a->has_input ||
	    proofdata_decode(&m, span_of(text, (size_t)n), &none, &a->why) != PROTO_OK)
		return false;
	*batch = m.id;
	if (!m.has_id)
		why_set(&a->why, "an input without a number");
	return m.has_id;
}

enum answer_kind answer_end(struct answer *a)
{
	struct why why;

	if (a->at == ANSWER_WRONG)
		return ANSWER_BAD;
	if (!a->bytes)
		return ANSWER_NOTHING;
	if (a->at == ANSWER_INPUT || json_scan_end(&a->whole, &why) != JSON_SCAN_DONE) {
		why_set(&a->why, "the answer ends after %" PRIu64 " bytes, in the middle",
			a->bytes);
		return ANSWER_CUT;
	}
	if (proofdata_decode(&a->message, span_of(a->small, a->n), &none, &a->why) != PROTO_OK) {
		say_beginning(a);
		return ANSWER_BAD;
	}
	a->message.has_input = a->has_input;
	return ANSWER_MESSAGE;
}
