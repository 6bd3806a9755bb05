#include "measurement/event_log.h"
#include "verifier/tools/measurements_file.h"
#include "verifier/tools/tdx_quote.h"

#include <stdio.h>
#include <string.h>

/* What the replayed log is set beside. */
struct expected {
	struct buf bytes;
	struct measurements file; /* of measurements.json */
	struct event_log log;     /* of it, or another event log */
	bool is_log;
};

static bool read_log(struct buf *bytes, struct event_log *log, const char *path, bool tpm)
{
	struct why why = {""};

	if (!read_file(bytes, path))
		return false;
	if (event_log_parse(log, tpm ? EVENT_LOG_TPM : EVENT_LOG_TD, buf_span(bytes), &why))
		return true;
	complain("%s: %s", path ? path : "stdin", why.text);
	buf_free(bytes);
	return false;
}

static bool read_expected(struct expected *e, const char *path, bool tpm)
{
	struct why why = {""};
	size_t i = 0;

	memset(e, 0, sizeof *e);
	if (!read_file(&e->bytes, path))
		return false;
	while (i < e->bytes.len && strchr(" \t\r\n", e->bytes.p[i]))
		i++;
	e->is_log = i == e->bytes.len || e->bytes.p[i] != '{';
	if (e->is_log ? event_log_parse(&e->log, tpm ? EVENT_LOG_TPM : EVENT_LOG_TD,
					buf_span(&e->bytes), &why)
		      : measurements_parse(&e->file, buf_span(&e->bytes), &why)) {
		if (!e->is_log)
			e->log = e->file.events;
		return true;
	}
	complain("%s: %s", path, why.text);
	buf_free(&e->bytes);
	return false;
}

static void free_expected(struct expected *e)
{
	if (e->is_log)
		event_log_free(&e->log);
	else
		measurements_free(&e->file);
	buf_free(&e->bytes);
}

/* ---- what is told ---- */

static void print_events(const struct event_log *log, bool json)
{
	char words[EVENT_WORDS_SIZE], name[16];
	size_t i;

	for (i = 0; i < log->n; i++) {
		const struct event *e = &log->events[i];

		event_words(words, sizeof words, e);
		if (e->rtmr == EVENT_OF_TPM_ALONE)
			snprintf(name, sizeof name, "PCR%u", e->pcr);
		else
			snprintf(name, sizeof name, e->rtmr == EVENT_OF_MRTD ? "MRTD" : "RTMR%d",
				 e->rtmr);
		if (json) {
			printf("%s{\"event\":%zu,\"register\":\"%s\",\"pcr\":%u,\"digest\":\"",
			       i ? "," : "", i + 1, name, e->pcr);
			print_hex((struct tdxv_bytes){e->digest, DIGEST_SIZE});
			fputs("\",\"what\":", stdout);
			print_json_string(words);
			fputs("}", stdout);
			continue;
		}
		printf("event %3zu  %-5s  ", i + 1, name);
		print_hex((struct tdxv_bytes){e->digest, 8});
		printf("...  %s\n", words);
	}
}

static void finding(bool json, bool *any, const char *sentence)
{
	if (json) {
		fputs(*any ? "," : "", stdout);
		print_json_string(sentence);
	} else {
		puts(sentence);
	}
	*any = true;
}

/* The register's value does not follow from the log: which event would explain it. */
static void explain(char *out, size_t size, const struct event_log *log, unsigned rtmr,
		    const uint8_t *value, struct register_difference d)
{
	static const uint8_t empty[DIGEST_SIZE];
	char event[EVENT_WORDS_SIZE + 32] = "", words[EVENT_WORDS_SIZE];

	if (d.event < log->n) {
		event_words(words, sizeof words, &log->events[d.event]);
		snprintf(event, sizeof event, "event %zu, %s", d.event + 1, words);
	}
	switch (d.match) {
	case REGISTER_SAME: snprintf(out, size, "RTMR%u is the same", rtmr); return;
	case REGISTER_STOPPED_BEFORE:
		if (memcmp(value, empty, DIGEST_SIZE) == 0)
			snprintf(
			    out, size,
			    "RTMR%u differs: the quote's is empty; the log's first for it is %s",
			    rtmr, event);
		else
			snprintf(out, size, "RTMR%u differs: the quote was made before %s", rtmr,
				 event);
		return;
	case REGISTER_WITHOUT:
		snprintf(out, size, "RTMR%u differs: the quote's has not %s", rtmr, event);
		return;
	case REGISTER_TWICE:
		snprintf(out, size, "RTMR%u differs: into the quote's went twice %s", rtmr, event);
		return;
	case REGISTER_OTHER: break;
	}
	if (*event)
		snprintf(out, size,
			 "RTMR%u differs, and no single event explains it; the first that it is "
			 "made of is %s; "
			 "--expect FILE names the one that is not as it should be",
			 rtmr, event);
	else
		snprintf(
		    out, size,
		    "RTMR%u differs: the quote's is not empty, and the log has no event for it",
		    rtmr);
}

static void against_quote(const struct event_log *log, const struct input *q, bool json, bool *any)
{
	char sentence[2 * EVENT_WORDS_SIZE], name[16];
	unsigned i;

	for (i = 0; i < RTMR_COUNT; i++) {
		struct register_difference d;

		snprintf(name, sizeof name, "rtmr%u", i);
		d = event_log_compare(log, i, body_field(q, name).p);
		if (d.match == REGISTER_SAME)
			continue;
		/* The running system may extend RTMR3, and whoever keeps that log is not firmware.
		 */
		if (i == 3 && d.event == log->n) {
			complain("RTMR3 is not compared: the quote's is not empty, and the log has "
				 "no event for it");
			continue;
		}
		explain(sentence, sizeof sentence, log, i, body_field(q, name).p, d);
		finding(json, any, sentence);
	}
}

/* "the command line" of 'the command line "console=ttyS0"' */
static size_t noun(const char *words)
{
	size_t n = strcspn(words, "\"(");

	while (n > 0 && words[n - 1] == ' ')
		n--;
	return n;
}

/* Names the thing that differs: what was expected, what the log has. */
static void difference(char *out, size_t size, unsigned rtmr, const struct event *want,
		       const struct event *have, size_t number)
{
	char w[EVENT_WORDS_SIZE], h[EVENT_WORDS_SIZE], wd[9], hd[9];
	size_t n;

	if (want)
		event_words(w, sizeof w, want);
	if (have)
		event_words(h, sizeof h, have);
	if (!want) {
		snprintf(out, size, "RTMR%u: event %zu, %s, is not expected", rtmr, number, h);
		return;
	}
	if (!have) {
		snprintf(out, size, "RTMR%u: %s is expected, and the log has no such event", rtmr,
			 w);
		return;
	}
	hex_encode(wd, want->digest, 4);
	hex_encode(hd, have->digest, 4);
	n = noun(w);
	if (n == noun(h) && memcmp(w, h, n) == 0)
		snprintf(out, size,
			 "RTMR%u: %.*s differs (event %zu): expected %s, digest %s..., measured "
			 "%s, digest %s...",
			 rtmr, (int)n, w, number, w, wd, h, hd);
	else
		snprintf(out, size,
			 "RTMR%u: event %zu differs: expected %s, digest %s..., measured %s, "
			 "digest %s...",
			 rtmr, number, w, wd, h, hd);
}

static void against_expected(const struct event_log *log, const struct expected *e, bool json,
			     bool *any)
{
	char sentence[3 * EVENT_WORDS_SIZE];
	unsigned i;

	for (i = 0; i < RTMR_COUNT; i++) {
		size_t a, b;

		if (!event_log_first_difference(&a, &b, &e->log, log, i))
			continue;
		/* Of RTMR0 and RTMR3 a prediction knows the first events at most; a TPM's log has
		 * not those. */
		if (!e->is_log && (i == 0 || i == 3) &&
		    (a == e->log.n || log->kind == EVENT_LOG_TPM))
			continue;
		difference(sentence, sizeof sentence, i, a < e->log.n ? &e->log.events[a] : NULL,
			   b < log->n ? &log->events[b] : NULL, b + 1);
		finding(json, any, sentence);
	}
}

static void print_registers(const struct event_log *log, bool json)
{
	uint8_t rtmr[RTMR_COUNT][DIGEST_SIZE];
	unsigned i;

	event_log_replay(log, rtmr);
	for (i = 0; i < RTMR_COUNT; i++) {
		printf(json ? ",\"rtmr%u\":\"" : "rtmr%u  ", i);
		print_hex((struct tdxv_bytes){rtmr[i], DIGEST_SIZE});
		fputs(json ? "\"" : "\n", stdout);
	}
}

int verb_replay(const struct options *o)
{
	struct expected expected = {.is_log = false};
	struct input quote = {.is_report = false};
	struct event_log log;
	struct buf bytes;
	bool any = false;
	int status = EXIT_TROUBLE;

	if (!read_log(&bytes, &log, o->file[0], o->tpm))
		return EXIT_TROUBLE;
	if (o->quote && !read_input(&quote, o->quote, true))
		goto out;
	if (o->quote && quote.body_type == TDXV_BODY_SGX) {
		complain("%s: an SGX quote has no RTMRs", o->quote);
		goto out;
	}
	if (o->expect && !read_expected(&expected, o->expect, o->tpm))
		goto out;
	if (o->json)
		fputs("{\"events\":[", stdout);
	print_events(&log, o->json);
	if (o->json)
		fputs("]", stdout);
	print_registers(&log, o->json);
	if (o->json)
		fputs(",\"differences\":[", stdout);
	if (o->quote)
		against_quote(&log, &quote, o->json, &any);
	if (o->expect) {
		against_expected(&log, &expected, o->json, &any);
		free_expected(&expected);
	}
	if (o->json)
		puts("]}");
	else if (!any && (o->quote || o->expect))
		printf("%s: the log leads to it\n", o->quote ? o->quote : o->expect);
	status = any ? EXIT_REFUSED : EXIT_ACCEPTED;
out:
	buf_free(&quote.bytes);
	event_log_free(&log);
	buf_free(&bytes);
	return status;
}
