/* The streaming validator: the same verdict whatever the chunks, and the same as jansson's. */
#include "encoding/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define DEPTH 8

enum kind {
	VALID,
	INVALID,
	VALID_NOT_KEPT, /* grammatical, but jansson cannot represent it */
	TOO_DEEP,       /* for this test's limit, not for jansson's */
};

struct doc {
	const char *text;
	enum kind kind;
};

/* Nested at most DEPTH deep. */
static const struct doc docs[] = {
    {"{}", VALID},
    {"[]", VALID},
    {" { } ", VALID},
    {"\t\r\n [\n]\r\t ", VALID},
    {"{\"a\":1}", VALID},
    {"{ \"a\" : 1 , \"b\" : [ ] }", VALID},
    {"[1,[2,[3,{\"k\":[4]}]]]", VALID},
    {"[[[[[[[[]]]]]]]]", VALID},
    {"[[[[[[[[[]]]]]]]]]", TOO_DEEP},
    {"[{\"a\":{\"b\":{\"c\":[{\"d\":[]}]}}}]", VALID},
    {"[[],{},[{}],\"\",0]", VALID},
    /* top-level scalars */
    {"null", VALID},
    {"true", VALID},
    {" false ", VALID},
    {"\"\"", VALID},
    {"\"a\" ", VALID},
    {"0", VALID},
    {"12", VALID},
    {" -3.25e+07 ", VALID},
    {"nul", INVALID},
    {"nulll", INVALID},
    {"True", INVALID},
    {"falsy", INVALID},
    {"truefalse", INVALID},
    {"t", INVALID},
    /* numbers */
    {"[0,-0,1,-1,10,1.0,1.25,-1.5e3,1E9,1e-9,1e+9,0.0,0e0,1234567890]", VALID},
    {"[18446744073709551616]", VALID_NOT_KEPT},
    {"[1e999]", VALID_NOT_KEPT},
    {"[01]", INVALID},
    {"[-01]", INVALID},
    {"[00]", INVALID},
    {"[+1]", INVALID},
    {"[.5]", INVALID},
    {"[1.]", INVALID},
    {"[1.e1]", INVALID},
    {"[1e]", INVALID},
    {"[1e+]", INVALID},
    {"[1e+-1]", INVALID},
    {"[-]", INVALID},
    {"[--1]", INVALID},
    {"[1-1]", INVALID},
    {"[1.2.3]", INVALID},
    {"[0x10]", INVALID},
    {"[1e5.5]", INVALID},
    {"[NaN]", INVALID},
    {"[Infinity]", INVALID},
    {"[1 2]", INVALID},
    {"-", INVALID},
    {"1.", INVALID},
    {"1e", INVALID},
    {"01", INVALID},
    {"12 3", INVALID},
    {"12,", INVALID},
    {"12]", INVALID},
    /* structure */
    {"", INVALID},
    {"   ", INVALID},
    {"{", INVALID},
    {"[", INVALID},
    {"}", INVALID},
    {"]", INVALID},
    {",", INVALID},
    {":", INVALID},
    {"[}", INVALID},
    {"{]", INVALID},
    {"[1}", INVALID},
    {"{\"a\":1]", INVALID},
    {"[1,]", INVALID},
    {"[,1]", INVALID},
    {"[,]", INVALID},
    {"[1,,2]", INVALID},
    {"{,}", INVALID},
    {"{\"a\"}", INVALID},
    {"{\"a\":}", INVALID},
    {"{\"a\",1}", INVALID},
    {"{\"a\":1,}", INVALID},
    {"{\"a\":1,,\"b\":2}", INVALID},
    {"{\"a\":1 \"b\":2}", INVALID},
    {"{\"a\"::1}", INVALID},
    {"{a:1}", INVALID},
    {"{1:1}", INVALID},
    {"{null:1}", INVALID},
    {"{'a':1}", INVALID},
    {"[\"a\":1]", INVALID},
    {"[1:2]", INVALID},
    {"{\"a\":1}}", INVALID},
    {"[]]", INVALID},
    {"[][]", INVALID},
    {"{}{}", INVALID},
    {"{} x", INVALID},
    {"null null", INVALID},
    {"\"a\"\"b\"", INVALID},
    {"[1]/* */", INVALID},
    {"// x\n[]", INVALID},
    {"\xef\xbb\xbf[]", INVALID},
    {"\x0b[]", INVALID},
    {"[]\x0c", INVALID},
    {"[\xa0]", INVALID},
    /* strings */
    {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", VALID},
    {"[\"\\u0041\\uabCD\\uFFFF\"]", VALID},
    {"[\"\\ud83d\\ude00\"]", VALID},
    {"[\"\\ud83d\"]", VALID_NOT_KEPT},
    {"[\"\\u0000\"]", VALID_NOT_KEPT},
    {"[\"a\x7f\"]", VALID},
    {"[\"\\x41\"]", INVALID},
    {"[\"\\'\"]", INVALID},
    {"[\"\\U0041\"]", INVALID},
    {"[\"\\u004\"]", INVALID},
    {"[\"\\u004g\"]", INVALID},
    {"[\"\\u\"]", INVALID},
    {"[\"\\\"]", INVALID},
    {"[\"a\nb\"]", INVALID},
    {"[\"a\tb\"]", INVALID},
    {"[\"\x1f\"]", INVALID},
    {"[\"a]", INVALID},
    {"\"", INVALID},
    {"\"a", INVALID},
    {"\"\\", INVALID},
    {"\"\\u12", INVALID},
    {"['a']", INVALID},
    {"{\"\\u0061\":\"\\u0061\"}", VALID},
    {"{\"\\q\":1}", INVALID},
    {"{\"\":\"\"}", VALID},
    /* UTF-8 */
    {"[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]", VALID},
    {"{\"\xc3\xa9\":0}", VALID},
    {"[\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"]", VALID},
    {"[\"\xed\x9f\xbf\xee\x80\x80\"]", VALID},
    {"[\"\x80\"]", INVALID},
    {"[\"\xbf\"]", INVALID},
    {"[\"\xc0\x80\"]", INVALID},
    {"[\"\xc1\xbf\"]", INVALID},
    {"[\"\xe0\x9f\xbf\"]", INVALID},
    {"[\"\xf0\x8f\xbf\xbf\"]", INVALID},
    {"[\"\xed\xa0\x80\"]", INVALID},
    {"[\"\xed\xbf\xbf\"]", INVALID},
    {"[\"\xf4\x90\x80\x80\"]", INVALID},
    {"[\"\xf5\x80\x80\x80\"]", INVALID},
    {"[\"\xff\"]", INVALID},
    {"[\"\xfe\"]", INVALID},
    {"[\"\xc3\"]", INVALID},
    {"[\"\xe2\x82\"]", INVALID},
    {"[\"\xf0\x9f\x98\"]", INVALID},
    {"[\"\xe2\x82x\"]", INVALID},
    {"[\"\xc3\xc3\xa9\"]", INVALID},
    {"[\"\xc3\\u00e9\"]", INVALID},
    {"{\"\xff\":1}", INVALID},
    {"\"\xc3", INVALID},
    {"\xc3\xa9", INVALID},
};
#define DOCS (sizeof docs / sizeof docs[0])

struct verdict {
	enum json_scan_state state;
	uint64_t used;
	uint8_t first;
	char words[sizeof((struct why *)0)->text];
};

/* Scans text cut at a and b (a <= b), with an empty chunk thrown in. */
static struct verdict scan_cut(const char *text, size_t n, size_t a, size_t b, bool check_utf8)
{
	const size_t cuts[] = {0, a, a, b, n};
	struct verdict v = {0};
	struct json_scan s;
	struct why why = {""};
	size_t i;

	json_scan_init(&s, DEPTH, check_utf8);
	for (i = 0; i + 1 < sizeof cuts / sizeof cuts[0] && v.state != JSON_SCAN_WRONG; i++)
		v.state = json_scan_feed(&s, text + cuts[i], cuts[i + 1] - cuts[i], &why);
	if (v.state != JSON_SCAN_WRONG)
		v.state = json_scan_end(&s, &why);
	v.used = s.used;
	v.first = s.first;
	memcpy(v.words, why.text, sizeof v.words);
	return v;
}

static struct verdict scan_bytewise(const char *text, size_t n, bool check_utf8)
{
	struct verdict v = {0};
	struct json_scan s;
	struct why why = {""};
	size_t i;

	json_scan_init(&s, DEPTH, check_utf8);
	for (i = 0; i < n && v.state != JSON_SCAN_WRONG; i++)
		v.state = json_scan_feed(&s, text + i, 1, &why);
	if (v.state != JSON_SCAN_WRONG)
		v.state = json_scan_end(&s, &why);
	v.used = s.used;
	v.first = s.first;
	memcpy(v.words, why.text, sizeof v.words);
	return v;
}

static void same(const char *text, const struct verdict *a, const struct verdict *b)
{
	if (a->state != b->state || a->used != b->used || a->first != b->first ||
	    strcmp(a->words, b->words) != 0)
		fail_msg("%s: chunks matter: \"%s\" (%d, %d) and \"%s\" (%d, %d)", text, a->words,
			 (int)a->state, (int)a->used, b->words, (int)b->state, (int)b->used);
}

static void test_every_chunking(void **state)
{
	size_t i, a, b, n;

	(void)state;
	for (i = 0; i < DOCS; i++) {
		const char *text = docs[i].text;
		struct verdict whole, other;
		int utf8;

		n = strlen(text);
		for (utf8 = 0; utf8 < 2; utf8++) {
			whole = scan_cut(text, n, n, n, utf8);
			other = scan_bytewise(text, n, utf8);
			same(text, &whole, &other);
			for (a = 0; a <= n; a++) {
				for (b = a; b <= n; b++) {
					other = scan_cut(text, n, a, b, utf8);
					same(text, &whole, &other);
				}
			}
		}
	}
}

static void test_verdicts(void **state)
{
	size_t i, n;

	(void)state;
	for (i = 0; i < DOCS; i++) {
		struct verdict v;

		n = strlen(docs[i].text);
		v = scan_cut(docs[i].text, n, 0, n, true);
		if ((v.state == JSON_SCAN_DONE) !=
		    (docs[i].kind == VALID || docs[i].kind == VALID_NOT_KEPT))
			fail_msg("%s: %s", docs[i].text, v.words);
		assert_int_equal(v.state == JSON_SCAN_DONE, v.words[0] == '\0');
	}
}

static void test_agrees_with_jansson(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < DOCS; i++) {
		json_t *j = json_loads(docs[i].text, JSON_DECODE_ANY, NULL);

		if ((j != NULL) != (docs[i].kind == VALID || docs[i].kind == TOO_DEEP))
			fail_msg("%s: jansson says %s", docs[i].text, j ? "yes" : "no");
		json_decref(j);
	}
}

/* Every document with each byte replaced or removed: still jansson's verdict. */
static void test_agrees_with_jansson_on_mutations(void **state)
{
	static const char replacements[] = "{}[]\",:\\0e-. tn\x80\xc3\x1f";
	unsigned compared = 0;
	size_t i, k, r, n;
	char text[256];

	(void)state;
	for (i = 0; i < DOCS; i++) {
		n = strlen(docs[i].text);
		if (docs[i].kind == VALID_NOT_KEPT || docs[i].kind == TOO_DEEP)
			continue;
		for (k = 0; k < n; k++) {
			for (r = 0; r < sizeof replacements; r++) {
				size_t m = n;
				struct verdict v;
				json_t *j;

				memcpy(text, docs[i].text, n + 1);
				if (replacements[r])
					text[k] = replacements[r];
				else
					memmove(text + k, text + k + 1, m-- - k);
				/* jansson refuses what it cannot keep: NUL, half a surrogate pair,
				 * numbers out of range. */
				if (strstr(text, "\\u0000") || strstr(text, "\\ud8") ||
				    strstr(text, "\\ude") || strchr(text, '9') ||
				    strstr(text, "e505") || strstr(text, "[[[[[[["))
					continue;
				v = scan_cut(text, m, 0, m, true);
				j = json_loadb(text, m, JSON_DECODE_ANY, NULL);
				if ((v.state == JSON_SCAN_DONE) != (j != NULL))
					fail_msg("%s: jansson says %s, we: %s", text,
						 j ? "yes" : "no", v.words);
				json_decref(j);
				compared++;
			}
		}
	}
	assert_true(compared > 10000);
}

/* Number arrays are scanned eight bytes at a time: what is said must be what is said of single
 * bytes. */
static void test_number_arrays_by_the_word(void **state)
{
	static const char usual[] = "0123456789,", odd[] = " -.eE]}[\"\xff:;/";
	unsigned seed = 20240229;
	size_t i, n, k, wrong = 0;
	uint8_t text[200];

	(void)state;
	for (i = 0; i < 60000; i++) {
		struct json_scan whole, single;
		enum json_scan_state a, b = JSON_SCAN_MORE;
		struct why why_a = {""}, why_b = {""};

		text[0] = '[';
		for (n = 1; n < sizeof text; n++) {
			bool after_comma = text[n - 1] == ',' || text[n - 1] == '[';
			unsigned r = (unsigned)rand_r(&seed);

			/* Mostly well formed; a slip of each kind now and then. */
			text[n] = after_comma ? (uint8_t)('1' + r % 9) : (uint8_t)usual[r % 11];
			if (rand_r(&seed) % 300 == 0 && r & 1)
				text[n] = (uint8_t)odd[r % (sizeof odd - 1)];
			else if (rand_r(&seed) % 300 == 0)
				text[n] = (uint8_t)usual[r % 11];
		}
		json_scan_init(&whole, 8, false);
		json_scan_init(&single, 8, false);
		a = json_scan_feed(&whole, text, sizeof text, &why_a);
		for (k = 0; k < sizeof text && b != JSON_SCAN_WRONG; k++)
			b = json_scan_feed(&single, text + k, 1, &why_b);
		assert_int_equal(a, b);
		assert_string_equal(why_a.text, why_b.text);
		assert_int_equal(whole.used, single.used);
		assert_int_equal(whole.mode, single.mode);
		wrong += a == JSON_SCAN_WRONG;
	}
	assert_in_range(wrong, 1000, 59000);
}

static void test_utf8_may_be_ignored(void **state)
{
	struct verdict v;

	(void)state;
	v = scan_bytewise("{\"\xff\":\"\xc3\x28\xed\xa0\x80\"}", 13, false);
	assert_int_equal(v.state, JSON_SCAN_DONE);
	v = scan_bytewise("{\"\xff\":\"\xc3\x28\xed\xa0\x80\"}", 13, true);
	assert_int_equal(v.state, JSON_SCAN_WRONG);
	assert_non_null(strstr(v.words, "byte 2: not UTF-8"));
	v = scan_bytewise("[\xff]", 3, false);
	assert_int_equal(v.state, JSON_SCAN_WRONG);
}

/* The server answers as soon as the value is whole. */
static void test_done_before_the_end(void **state)
{
	struct json_scan s;
	struct why why = {""};

	(void)state;
	json_scan_init(&s, DEPTH, false);
	assert_int_equal(json_scan_feed(&s, " {\"a\":1", 7, &why), JSON_SCAN_MORE);
	assert_int_equal(s.first, '{');
	assert_int_equal(s.used, 7);
	assert_int_equal(json_scan_feed(&s, "}", 1, &why), JSON_SCAN_DONE);
	assert_int_equal(s.used, 8);
	assert_int_equal(json_scan_feed(&s, "", 0, &why), JSON_SCAN_DONE);
	assert_int_equal(json_scan_feed(&s, " \r\n\t", 4, &why), JSON_SCAN_DONE);
	assert_int_equal(s.used, 8);
	assert_int_equal(json_scan_end(&s, &why), JSON_SCAN_DONE);
	assert_int_equal(json_scan_feed(&s, "x", 1, &why), JSON_SCAN_WRONG);
	assert_non_null(strstr(why.text, "byte 12"));
	assert_int_equal(json_scan_feed(&s, " ", 1, &why), JSON_SCAN_WRONG);
	assert_int_equal(json_scan_end(&s, &why), JSON_SCAN_WRONG);
	assert_non_null(strstr(why.text, "12"));

	json_scan_init(&s, DEPTH, false);
	assert_int_equal(json_scan_feed(&s, "12", 2, &why), JSON_SCAN_MORE);
	assert_int_equal(json_scan_feed(&s, "3 ", 2, &why), JSON_SCAN_MORE);
	assert_int_equal(s.first, '1');
	assert_int_equal(json_scan_end(&s, &why), JSON_SCAN_DONE);
	assert_int_equal(s.used, 3);

	json_scan_init(&s, DEPTH, false);
	assert_int_equal(json_scan_feed(&s, "\"ACK\"", 5, &why), JSON_SCAN_DONE);
	assert_int_equal(s.first, '"');
}

/* What stands behind a value is not looked at, wherever the pieces end. */
static void test_a_value_alone(void **state)
{
	static const char text[] = "{\"a\":[{\"b\":\"}\"}]},\"format\":null}}";
	const size_t value = strlen("{\"a\":[{\"b\":\"}\"}]}");
	struct json_scan s;
	struct why why = {""};
	size_t step, at, taken;

	(void)state;
	for (step = 1; step <= sizeof text; step++) {
		json_scan_init(&s, DEPTH, true);
		for (at = 0; at < value; at += taken) {
			const size_t n = sizeof text - 1 - at < step ? sizeof text - 1 - at : step;
			const enum json_scan_state is =
			    json_scan_feed_value(&s, text + at, n, &taken, &why);

			assert_int_equal(is, at + taken == value ? JSON_SCAN_DONE : JSON_SCAN_MORE);
			assert_true(taken > 0 && at + taken <= value);
		}
		assert_int_equal(s.used, value);
		assert_int_equal(json_scan_feed_value(&s, text + at, 1, &taken, &why),
				 JSON_SCAN_DONE);
		assert_int_equal(taken, 0);
	}
	json_scan_init(&s, DEPTH, true);
	assert_int_equal(json_scan_feed_value(&s, "{]}", 3, &taken, &why), JSON_SCAN_WRONG);
	assert_int_equal(taken, 0);
}

static enum json_scan_state nested(size_t depth, unsigned depth_max, const char *open,
				   const char *shut)
{
	struct json_scan s;
	enum json_scan_state state = JSON_SCAN_MORE;
	size_t i;

	json_scan_init(&s, depth_max, true);
	for (i = 0; i < depth; i++)
		state = json_scan_feed(&s, open, strlen(open), NULL);
	json_scan_feed(&s, "0", 1, NULL);
	for (i = 0; i < depth; i++)
		state = json_scan_feed(&s, shut, strlen(shut), NULL);
	return state;
}

static void test_depth(void **state)
{
	static const unsigned depths[] = {1, 2, 63, 64, 65, 127, 128, 511, 512};
	struct json_scan s;
	struct why why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof depths / sizeof depths[0]; i++) {
		unsigned d = depths[i];

		assert_int_equal(nested(d, d, "[", "]"), JSON_SCAN_DONE);
		assert_int_equal(nested(d, d, "{\"a\":", "}"), JSON_SCAN_DONE);
		assert_int_equal(nested(d + 1, d, "[", "]"), JSON_SCAN_WRONG);
		assert_int_equal(nested(d + 1, d, "{\"a\":", "}"), JSON_SCAN_WRONG);
		assert_int_equal(nested(d, d, "[", "}"), JSON_SCAN_WRONG);
		assert_int_equal(nested(d, d, "{\"a\":", "]"), JSON_SCAN_WRONG);
	}
	assert_int_equal(nested(512, 100000, "[", "]"), JSON_SCAN_DONE);
	assert_int_equal(nested(513, 100000, "[", "]"), JSON_SCAN_WRONG);
	/* Siblings do not add up; kinds of brackets alternate. */
	assert_int_equal(nested(200, 512, "[{},[],{\"k\":", "}]"), JSON_SCAN_DONE);
	json_scan_init(&s, 2, true);
	assert_int_equal(json_scan_feed(&s, "[{},{},[[", 9, &why), JSON_SCAN_WRONG);
	assert_string_equal(why.text, "byte 8: nested more than 2 deep");
}

static void test_sentences(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
	    {"", "the text ends at byte 0 where a value was expected"},
	    {"[1,", "the text ends at byte 3 where a value was expected"},
	    {"{\"a\"", "the text ends at byte 4 where ':' was expected"},
	    {"[tru", "the text ends at byte 4 where true, false or null was expected"},
	    {"[trux]", "byte 4: expected true, false or null, found 'x'"},
	    {"[1}", "byte 2: expected ',' or a closing bracket, found '}'"},
	    {"[12x]", "byte 3: expected ',' or a closing bracket, found 'x'"},
	    {"[01]", "byte 2: expected the end of a number that starts with 0, found '1'"},
	    {"[1.]", "byte 3: expected a digit, found ']'"},
	    {"{\"a\" 1}", "byte 5: expected ':', found '1'"},
	    {"{1}", "byte 1: expected a key or '}', found '1'"},
	    {"{} {}", "byte 3: expected nothing but white space after the value, found '{'"},
	    {"12 3", "byte 3: expected nothing but white space after the value, found '3'"},
	    {"[\"\\q\"]", "byte 3: expected an escape (one of \"\\/bfnrtu), found 'q'"},
	    {"[\"\n\"]", "byte 2: expected a character of a string, found the byte 10"},
	    {"[\"\xc3\"]", "byte 3: not UTF-8: '\"' does not belong here"},
	};
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		n = strlen(cases[i].text);
		assert_string_equal(scan_cut(cases[i].text, n, 0, n, true).words, cases[i].words);
	}
}

static void test_nul_bytes(void **state)
{
	(void)state;
	assert_int_equal(scan_bytewise("[\0]", 3, true).state, JSON_SCAN_WRONG);
	assert_int_equal(scan_bytewise("[\"\0\"]", 5, true).state, JSON_SCAN_WRONG);
	assert_int_equal(scan_bytewise("[]\0", 3, true).state, JSON_SCAN_WRONG);
	assert_int_equal(scan_bytewise("\0", 1, true).state, JSON_SCAN_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_chunking),
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_agrees_with_jansson),
	    cmocka_unit_test(test_agrees_with_jansson_on_mutations),
	    cmocka_unit_test(test_number_arrays_by_the_word),
	    cmocka_unit_test(test_utf8_may_be_ignored),
	    cmocka_unit_test(test_done_before_the_end),
	    cmocka_unit_test(test_a_value_alone),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_sentences),
	    cmocka_unit_test(test_nul_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
