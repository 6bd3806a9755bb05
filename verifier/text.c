#include "verifier/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tdxv__why(struct tdxv_why *w, const char *fmt, ...)
{
	va_list ap;

	if (!w)
		return;
	va_start(ap, fmt);
	vsnprintf(w->text, sizeof w->text, fmt, ap);
	va_end(ap);
}

void tdxv__why_prefix(struct tdxv_why *w, const char *prefix)
{
	size_t n = strlen(prefix), old;

	if (!w || n >= sizeof w->text)
		return;
	old = strlen(w->text);
	if (old > sizeof w->text - 1 - n)
		old = sizeof w->text - 1 - n;
	memmove(w->text + n, w->text, old);
	memcpy(w->text, prefix, n);
	w->text[n + old] = '\0';
}

void tdxv__put(struct sink *s, const char *fmt, ...)
{
	size_t room = s->n < s->cap ? s->cap - s->n : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? s->p + s->n : NULL, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		s->n += (size_t)n;
}

static void put_char(struct sink *s, char c)
{
	if (s->n < s->cap)
		s->p[s->n] = c;
	s->n++;
}

void tdxv__put_hex(struct sink *s, struct tdxv_bytes b)
{
	static const char digit[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < b.n; i++) {
		put_char(s, digit[b.p[i] >> 4]);
		put_char(s, digit[b.p[i] & 15]);
	}
}

void tdxv__put_text(struct sink *s, struct tdxv_bytes b)
{
	size_t i;

	for (i = 0; i < b.n; i++)
		put_char(s, b.p[i] >= 0x20 && b.p[i] < 0x7f ? (char)b.p[i] : '?');
}

void tdxv__put_json_string(struct sink *s, struct tdxv_bytes b)
{
	size_t i;

	put_char(s, '"');
	for (i = 0; i < b.n; i++) {
		if (b.p[i] == '"' || b.p[i] == '\\')
			put_char(s, '\\');
		put_char(s, b.p[i] >= 0x20 && b.p[i] < 0x7f ? (char)b.p[i] : '?');
	}
	put_char(s, '"');
}

size_t tdxv__put_end(struct sink *s)
{
	if (s->cap)
		s->p[s->n < s->cap ? s->n : s->cap - 1] = '\0';
	return s->n;
}

struct tdxv_bytes tdxv__bytes(const void *p, size_t n)
{
	return (struct tdxv_bytes){p, n};
}

bool tdxv__bytes_eq(struct tdxv_bytes a, struct tdxv_bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool tdxv__bytes_are(struct tdxv_bytes a, const char *text)
{
	return tdxv__bytes_eq(a, tdxv__bytes(text, strlen(text)));
}

bool tdxv__is_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;
	size_t i;

	for (i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

/* Days between 1970-01-01 and the first of March that begins the year's computational year. */
static int64_t days_from_civil(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool tdxv__civil_time(int64_t *t, int year, int month, int day, int hour, int minute, int second)
{
	static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59)
		return false;
	if (day > length[month - 1] + (month == 2 && leap))
		return false;
	*t = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return true;
}

static bool digits(const char *s, int n, int *out)
{
	int i, v = 0;

	for (i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (s[i] - '0');
	}
	*out = v;
	return true;
}

bool tdxv_time_parse(int64_t *t, const char *s, size_t n)
{
	int year, month, day, hour, minute, second;

	return n == 20 && digits(s, 4, &year) && s[4] == '-' && digits(s + 5, 2, &month) &&
	       s[7] == '-' && digits(s + 8, 2, &day) && s[10] == 'T' && digits(s + 11, 2, &hour) &&
	       s[13] == ':' && digits(s + 14, 2, &minute) && s[16] == ':' &&
	       digits(s + 17, 2, &second) && s[19] == 'Z' &&
	       tdxv__civil_time(t, year, month, day, hour, minute, second);
}

static void put_time(struct sink *s, int64_t t)
{
	int64_t day = t / 86400, second = t % 86400;
	int64_t era, of_era, year_of_era, of_year, month_index, year;
	int month, date;

	if (t < -62167219200 || t > 253402300799) { /* years 0 and 9999 */
		tdxv__put(s, "%lld", (long long)t);
		return;
	}
	if (second < 0) {
		second += 86400;
		day--;
	}
	day += 719468;
	era = (day >= 0 ? day : day - 146096) / 146097;
	of_era = day - era * 146097;
	year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month_index = (5 * of_year + 2) / 153;
	date = (int)(of_year - (153 * month_index + 2) / 5 + 1);
	month = (int)(month_index < 10 ? month_index + 3 : month_index - 9);
	year = year_of_era + era * 400 + (month <= 2);
	tdxv__put(s, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)year, month, date, (int)(second / 3600),
		  (int)(second / 60 % 60), (int)(second % 60));
}

size_t tdxv_time_text(char *out, size_t cap, int64_t t)
{
	struct sink s = {out, cap, 0};

	put_time(&s, t);
	return tdxv__put_end(&s);
}
