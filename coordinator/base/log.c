#include "coordinator/base/log.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log_limit.h"
#include "coordinator/base/log_writer.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES  8192
#define VALUE_MAX_BYTES 1024
#define OTHERS_AT_MOST  20           /* of what is no refusal, a minute */
#define EXACT_MAX       (1ull << 53) /* beyond it readers of JSON round a number */

static _Atomic enum log_level current_level = LOG_INFO;
static _Atomic enum log_format current_format = LOG_LOGFMT;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_configure(enum log_level level, enum log_format format)
{
	current_level = level;
	current_format = format;
}

bool log_level_parse(enum log_level *out, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof level_names / sizeof *level_names; i++)
		if (strcmp(name, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	return false;
}

struct line {
	char text[LINE_MAX_BYTES];
	size_t n;
	bool full;
};

/* Leaves room for the closing bytes. */
static void put(struct line *l, const char *s, size_t n)
{
	if (n > sizeof l->text - 8 - l->n) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->n, s, n);
	l->n += n;
}

static void put_str(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static void put_escaped(struct line *l, const char *s, size_t n)
{
	char u[8];

	put(l, "\"", 1);
	for (; n; s++, n--) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			put(l, "\\", 1);
			put(l, s, 1);
		} else if (c < 0x20 || c == 0x7f) {
			snprintf(u, sizeof u, "\\u%04x", c);
			put_str(l, u);
		} else {
			put(l, s, 1);
		}
	}
	put(l, "\"", 1);
}

static bool is_plain(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] <= 0x20 || s[i] == '"' || s[i] == '=' || s[i] == '\\' ||
		    s[i] == 0x7f)
			return false;
	return n > 0;
}

static void put_text(struct line *l, const char *s, size_t n)
{
	if (current_format == LOG_LOGFMT && is_plain(s, n))
		put(l, s, n);
	else
		put_escaped(l, s, n);
}

static bool is_exact(const struct log_field *f)
{
	if (f->kind == LOG_UNSIGNED)
		return f->u < EXACT_MAX;
	return f->i < (int64_t)EXACT_MAX && f->i > -(int64_t)EXACT_MAX;
}

static void put_number(struct line *l, const struct log_field *f)
{
	char digits[24];

	if (f->kind == LOG_UNSIGNED)
		snprintf(digits, sizeof digits, "%" PRIu64, f->u);
	else
		snprintf(digits, sizeof digits, "%" PRId64, f->i);
	if (is_exact(f))
		put_str(l, digits);
	else
		put_text(l, digits, strlen(digits));
}

/* Whole or not at all: a line that is cut stays well formed. */
static bool put_field(struct line *l, const struct log_field *f)
{
	const bool json = current_format == LOG_JSON;
	const size_t before = l->n;

	put_str(l, json ? ",\"" : " ");
	put_str(l, f->key);
	put_str(l, json ? "\":" : "=");
	if (f->kind == LOG_TEXT)
		put_text(l, f->text, strnlen(f->text, VALUE_MAX_BYTES));
	else
		put_number(l, f);
	if (l->full)
		l->n = before;
	return !l->full;
}

static void put_head(struct line *l, enum log_level level, const char *event)
{
	const bool json = current_format == LOG_JSON;
	struct timespec now;
	struct tm tm;
	char head[256];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	snprintf(head, sizeof head,
		 json ? "{\"ts\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"level\":\"%s\","
			"\"event\":\"%s\""
		      : "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ level=%s event=%s",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 now.tv_nsec / 1000000, level_names[level], event);
	put_str(l, head);
}

static void put_line(struct line *l, enum log_level level, const char *event,
		     const struct log_field *fields)
{
	l->n = 0;
	l->full = false;
	put_head(l, level, event);
	while (fields->key && put_field(l, fields))
		fields++;
	if (current_format == LOG_JSON)
		l->text[l->n++] = '}';
	l->text[l->n++] = '\n';
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields)
{
	struct line l;

	if (!log_is_on(level))
		return;
	put_line(&l, level, event, fields);
	if (log_writer_runs())
		log_writer_put(l.text, l.n);
	else if (write(STDERR_FILENO, l.text, l.n) < 0)
		return; /* nowhere left to say it */
}

bool log_is_on(enum log_level level)
{
	return level <= current_level;
}

/* ---- what strangers provoke ---- */

static struct log_limit limit;

void log_limited_fields(enum log_level level, const char *event, const char *kind,
			const char *source, const struct log_field *fields)
{
	if (!log_is_on(level))
		return;
	if (log_is_on(LOG_DEBUG) ||
	    log_limit_ask(&limit, event, kind, source, level <= LOG_WARN ? 1 : OTHERS_AT_MOST,
			  clock_mono_ms()))
		log_fields(level, event, fields);
}

void log_limited_say(bool all)
{
	struct log_limit_count c;

	while (log_limit_due(&limit, &c, clock_mono_ms(), all))
		log_event(LOG_WARN, "repeated", log_str("of", c.event), log_str("kind", c.kind),
			  log_str("source", c.source), log_u64("more", c.left_out),
			  log_u64("within_s", (c.within_ms + 999) / 1000));
}

uint64_t log_limited_left_out(void)
{
	return limit.left_out;
}

/* ---- without waiting ---- */

static size_t write_note(char out[LOG_NOTE_SIZE], uint64_t dropped)
{
	const struct log_field fields[] = {
	    log_u64("lines", dropped), log_str("reason", "nobody read stderr"), {.key = NULL}};
	struct line l;

	put_line(&l, LOG_WARN, "log_dropped", fields);
	memcpy(out, l.text, l.n);
	return l.n;
}

bool log_start(struct why *why)
{
	return log_writer_start(write_note, why);
}

void log_stop(void)
{
	log_writer_stop();
}

uint64_t log_dropped(void)
{
	return log_writer_dropped();
}
