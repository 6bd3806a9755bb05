#include "cli/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NEAR_FACTOR  3   /* what is meant lies that near to the default */
#define FAR_FACTOR   100 /* and what was given that far from it */
#define LOOSE_FACTOR 100 /* amounts differ more from one to the other than times do */
#define KIB          1024ull
#define G            1000000000ull

struct scale {
	const char *suffix; /* as it is written after a number */
	const char *name;   /* as a sentence has it; NULL: not one to be guessed */
	uint64_t factor;
};

/* From the smallest on: the first that fits is what was meant. */
static const struct scale scales[][16] = {
    [UNIT_NONE] = {{0}},
    [UNIT_MS] = {{"ms", NULL, 1},
		 {"msec", NULL, 1},
		 {"millisecond", NULL, 1},
		 {"s", "seconds", 1000},
		 {"sec", NULL, 1000},
		 {"second", NULL, 1000},
		 {"m", "minutes", 60000},
		 {"min", NULL, 60000},
		 {"minute", NULL, 60000},
		 {"h", "hours", 3600000},
		 {"hr", NULL, 3600000},
		 {"hour", NULL, 3600000},
		 {"d", NULL, 86400000},
		 {"day", NULL, 86400000},
		 {0}},
    [UNIT_SECONDS] = {{"s", NULL, 1},
		      {"sec", NULL, 1},
		      {"second", NULL, 1},
		      {"m", "minutes", 60},
		      {"min", NULL, 60},
		      {"minute", NULL, 60},
		      {"h", "hours", 3600},
		      {"hr", NULL, 3600},
		      {"hour", NULL, 3600},
		      {"d", "days", 86400},
		      {"day", NULL, 86400},
		      {"w", NULL, 604800},
		      {"week", NULL, 604800},
		      {0}},
    [UNIT_BYTES] = {{"b", NULL, 1},
		    {"byte", NULL, 1},
		    {"k", "KiB", KIB},
		    {"kb", NULL, 1000},
		    {"kib", NULL, KIB},
		    {"m", "MiB", KIB *KIB},
		    {"mb", NULL, 1000000},
		    {"mib", NULL, KIB *KIB},
		    {"g", "GiB", KIB *KIB *KIB},
		    {"gb", NULL, G},
		    {"gib", NULL, KIB *KIB *KIB},
		    {"t", NULL, KIB *KIB *KIB *KIB},
		    {"tb", NULL, 1000 * G},
		    {"tib", NULL, KIB *KIB *KIB *KIB},
		    {0}},
    [UNIT_WEI] =
	{{"wei", NULL, 1}, {"gwei", "gwei", G}, {"ether", "ether", G *G}, {"eth", NULL, G *G}, {0}},
    [UNIT_GAS] = {{"gas", NULL, 1},
		  {"k", NULL, 1000},
		  {"m", "million", 1000000},
		  {"million", NULL, 1000000},
		  {0}},
};

const char *unit_name(enum unit u)
{
	static const char *const names[] = {"", "milliseconds", "seconds", "bytes", "wei", "gas"};

	return names[u];
}

static bool begins_with_word(const char *text, const char *word)
{
	const size_t n = strlen(word);

	return strncmp(text, word, n) == 0 && !isalnum((unsigned char)text[n]);
}

enum unit unit_of_help(const char *help)
{
	static const struct {
		const char *word;
		enum unit unit;
	} words[] = {{"ms", UNIT_MS},
		     {"seconds", UNIT_SECONDS},
		     {"bytes", UNIT_BYTES},
		     {"wei", UNIT_WEI},
		     {"gas", UNIT_GAS}};
	const char *in = strstr(help, ", in ");
	size_t i;

	for (i = 0; i < sizeof words / sizeof *words; i++)
		if (begins_with_word(help, words[i].word) ||
		    (in && begins_with_word(in + 5, words[i].word)))
			return words[i].unit;
	return UNIT_NONE;
}

/* "0.5" times factor. False: not a whole number, or too large. */
static bool times(uint64_t *out, const char *text, const char **end, uint64_t factor)
{
	uint64_t digit_is = factor, part;
	bool whole = true;
	char *after;

	errno = 0;
	*out = strtoull(text, &after, 10);
	if (errno || __builtin_mul_overflow(*out, factor, out))
		return false;
	if (*after == '.') {
		for (after++; isdigit((unsigned char)*after); after++) {
			whole = whole && digit_is % 10 == 0;
			digit_is /= 10;
			if (!whole && *after != '0')
				return false;
			part = digit_is * (uint64_t)(*after - '0');
			if (__builtin_add_overflow(*out, part, out))
				return false;
		}
	}
	*end = after;
	return true;
}

/* "second" and "seconds" alike, of whatever is spelt out. */
static bool is_suffix(const char *text, const char *suffix)
{
	const size_t n = strlen(suffix);

	if (strncasecmp(text, suffix, n) != 0)
		return false;
	return !text[n] || (n > 2 && strcasecmp(text + n, "s") == 0);
}

/* Numbers as people write them: "10_000", "10,000", "0x1f90", "1e18", "+5", "5.0", white space
 * around them. */
static bool convert_plain(uint64_t *out, const char *text)
{
	uint64_t power = 1;
	unsigned long tens;
	char digits[32], *after;
	const char *end;
	size_t n = 0;

	if (strncasecmp(text, "0x", 2) == 0) {
		errno = 0;
		*out = strtoull(text, &after, 16);
		return !errno && isxdigit((unsigned char)text[2]) && !*after;
	}
	for (; *text && n < sizeof digits - 1; text++) {
		if (isdigit((unsigned char)*text) || *text == '.')
			digits[n++] = *text;
		else if (!n || !strchr("_,'", *text) || strspn(text + 1, "0123456789") != 3)
			break;
	}
	digits[n] = '\0';
	if (n && (*text == 'e' || *text == 'E') && isdigit((unsigned char)text[1])) {
		tens = strtoul(text + 1, &after, 10);
		for (text = after; tens; tens--)
			if (__builtin_mul_overflow(power, (uint64_t)10, &power))
				return false;
	}
	return n && !*text && times(out, digits, &end, power) && !*end;
}

/* What a number with a suffix is. */
static bool convert(uint64_t *out, enum unit u, const char *text)
{
	const struct scale *s;
	const char *end;
	char trimmed[64];
	size_t n;

	text += strspn(text, " \t");
	text += *text == '+';
	n = strlen(text);
	while (n && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	if (!isdigit((unsigned char)*text) || n >= sizeof trimmed)
		return false;
	memcpy(trimmed, text, n);
	trimmed[n] = '\0';
	for (s = scales[u]; s->suffix; s++) {
		if (!times(out, trimmed, &end, s->factor))
			continue;
		end += strspn(end, " ");
		if (is_suffix(end, s->suffix))
			return true;
	}
	return convert_plain(out, trimmed);
}

static bool in_range(const struct unit_number *n, uint64_t v)
{
	return v >= n->min && v <= n->max;
}

static bool is_near(uint64_t v, uint64_t fallback, uint64_t factor)
{
	return v >= fallback / factor && v / factor <= fallback;
}

/* The scale in which value makes sense: then it is near the default. NULL: none. */
static const struct scale *meant(const struct unit_number *n, uint64_t value, uint64_t *would_be)
{
	const bool time = n->unit == UNIT_MS || n->unit == UNIT_SECONDS;
	const struct scale *s;

	if (!value || !n->fallback || value > n->fallback / FAR_FACTOR)
		return NULL;
	for (s = scales[n->unit]; s->suffix; s++)
		if (s->name && !__builtin_mul_overflow(value, s->factor, would_be) &&
		    in_range(n, *would_be) &&
		    is_near(*would_be, n->fallback, time ? NEAR_FACTOR : LOOSE_FACTOR))
			return s;
	return NULL;
}

bool unit_read(uint64_t *out, const struct unit_number *n, const char *text, struct why *why)
{
	const struct scale *s;
	uint64_t would_be;
	char *end;

	errno = 0;
	*out = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
	if (!isdigit((unsigned char)*text) || *end || errno) {
		const char *of = n->unit == UNIT_NONE ? "" : " of ";

		if (convert(&would_be, n->unit, text) && in_range(n, would_be))
			why_set(why, "\"%.40s\" is not a whole number%s%s (write %" PRIu64 ")",
				text, of, unit_name(n->unit), would_be);
		else if (isdigit((unsigned char)*text) && !*end)
			why_set(why, "%.80s is not between %" PRIu64 " and %" PRIu64 "%s%s", text,
				n->min, n->max, n->unit == UNIT_NONE ? "" : " ",
				unit_name(n->unit));
		else
			why_set(why, "\"%.256s\" is not a whole number%s%s", text, of,
				unit_name(n->unit));
		return false;
	}
	if (in_range(n, *out))
		return true;
	s = meant(n, *out, &would_be);
	why_set(why, "%" PRIu64 " is not between %" PRIu64 " and %" PRIu64 "%s%s", *out, n->min,
		n->max, n->unit == UNIT_NONE ? "" : " ", unit_name(n->unit));
	if (s) {
		const size_t used = strlen(why->text);

		snprintf(why->text + used, sizeof why->text - used,
			 " (are %" PRIu64 " %s meant? write %" PRIu64 ")", *out, s->name, would_be);
	}
	return false;
}

bool unit_suspect(const struct unit_number *n, uint64_t value, struct why *why)
{
	uint64_t would_be;
	const struct scale *s = meant(n, value, &would_be);

	if (!s)
		return false;
	why_set(why, "it is %" PRIu64 " %s: are %" PRIu64 " %s meant? then write %" PRIu64, value,
		unit_name(n->unit), value, s->name, would_be);
	return true;
}
