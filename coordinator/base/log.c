#include "coordinator/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES  8192
#define VALUE_MAX_BYTES 1024
#define FIELDS_MAX      12

static enum log_level current_level = LOG_INFO;
static enum log_format current_format = LOG_LOGFMT;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_configure(enum log_level level, enum log_format format)
{
	current_level = level;
	current_format = format;
}

bool log_enabled(enum log_level level)
{
	return level <= current_level;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
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
};

/* Leaves room for the closing bytes, which put_raw() of the end may then always use. */
static void put(struct line *l, const char *s, size_t n)
{
	size_t room = sizeof l->text - 8 - l->n;

	if (n > room)
		n = room;
	memcpy(l->text + l->n, s, n);
	l->n += n;
}

static void put_str(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static void put_escaped(struct line *l, const char *s)
{
	char u[8];

	put(l, "\"", 1);
	for (; *s; s++) {
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

static bool is_plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
			return false;
	return true;
}

static bool is_number(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && n < 16 && s[n] == '\0';
}

static void put_field(struct line *l, const char *key, size_t klen, const char *value)
{
	if (current_format == LOG_JSON) {
		put_str(l, ",\"");
		put(l, key, klen);
		put_str(l, "\":");
		if (is_number(value))
			put_str(l, value);
		else
			put_escaped(l, value);
		return;
	}
	put_str(l, " ");
	put(l, key, klen);
	put_str(l, "=");
	if (is_plain(value))
		put_str(l, value);
	else
		put_escaped(l, value);
}

/* The format is cut at its " key=" marks and each piece is rendered alone, so that what a value
 * holds can never look like a field. va_list is consumed piece by piece by vsnprintf over a format
 * whose earlier pieces were already printed, which C does not allow; hence a private separator. */
#define SEP '\x1f'

void log_event(enum log_level level, const char *event, const char *fields, ...)
{
	struct line l = {.n = 0};
	char format[512], rendered[FIELDS_MAX * VALUE_MAX_BYTES / 2];
	const char *keys[FIELDS_MAX];
	size_t klens[FIELDS_MAX], n = 0, at = 0, i;
	struct timespec now;
	struct tm tm;
	char stamp[64], *value;
	const char *p;
	va_list ap;

	if (!log_enabled(level))
		return;
	for (p = fields; *p && n < FIELDS_MAX;) {
		const char *eq = strchr(p, '='), *end;

		if (!eq)
			break;
		keys[n] = p;
		klens[n] = (size_t)(eq - p);
		n++;
		for (end = eq + 1; *end; end++) {
			size_t k;

			if (*end != ' ')
				continue;
			k = strspn(end + 1, "abcdefghijklmnopqrstuvwxyz0123456789_");
			if (k && end[1 + k] == '=')
				break;
		}
		if (at + (size_t)(end - eq) + 1 >= sizeof format)
			break;
		memcpy(format + at, eq + 1, (size_t)(end - eq - 1));
		at += (size_t)(end - eq - 1);
		format[at++] = SEP;
		p = *end ? end + 1 : end;
	}
	format[at] = '\0';

	va_start(ap, fields);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	vsnprintf(rendered, sizeof rendered, format, ap);
#pragma GCC diagnostic pop
	va_end(ap);

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	snprintf(stamp, sizeof stamp, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 now.tv_nsec / 1000000);
	if (current_format == LOG_JSON) {
		put_str(&l, "{\"ts\":\"");
		put_str(&l, stamp);
		put_str(&l, "\",\"level\":\"");
		put_str(&l, level_names[level]);
		put_str(&l, "\",\"event\":\"");
		put_str(&l, event);
		put_str(&l, "\"");
	} else {
		put_str(&l, "ts=");
		put_str(&l, stamp);
		put_str(&l, " level=");
		put_str(&l, level_names[level]);
		put_str(&l, " event=");
		put_str(&l, event);
	}
	value = rendered;
	for (i = 0; i < n && value; i++) {
		char *end = strchr(value, SEP);

		if (end)
			*end = '\0';
		if (strlen(value) > VALUE_MAX_BYTES)
			value[VALUE_MAX_BYTES] = '\0';
		put_field(&l, keys[i], klens[i], value);
		value = end ? end + 1 : NULL;
	}
	if (current_format == LOG_JSON)
		l.text[l.n++] = '}';
	l.text[l.n++] = '\n';
	if (write(STDERR_FILENO, l.text, l.n) < 0)
		return; /* nowhere left to say it */
}
