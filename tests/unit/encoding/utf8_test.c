/* What is cut inside a character, or is none, is UTF-8 nevertheless. */
#include "encoding/utf8.h"
#include "encoding/why.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool is_utf8(const char *text)
{
	struct span rest = span_of(text, strlen(text));
	size_t n;

	for (; rest.n && (n = utf8_sequence(rest)); rest.n -= n)
		rest.p += n;
	return rest.n == 0;
}

static void mended(const char *text, const char *wanted)
{
	char copy[64];

	snprintf(copy, sizeof copy, "%s", text);
	utf8_mend(copy);
	assert_string_equal(copy, wanted);
}

static void test_mend(void **state)
{
	(void)state;
	mended("", "");
	mended("plain", "plain");
	mended("caf\xc3\xa9", "caf\xc3\xa9");
	mended("\xff\xfe", "??");
	mended("a\xc3", "a?");
	mended("a\xe2\x82", "a??");
	mended("\xc3(\xc3\xa9", "?(\xc3\xa9");
	mended("\xed\xa0\x80", "???"); /* half a surrogate pair */
}

/* At each place where the end can fall. */
static void test_cut(void **state)
{
	char text[16], wide[600] = "";
	struct why why;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		utf8_print(text, sizeof text, "%.*s%s", (int)i, "abcd",
			   "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80");
		assert_int_equal(strlen(text), 15);
		assert_true(is_utf8(text));
	}
	for (i = 0; i + 2 < sizeof wide; i += 2)
		memcpy(wide + i, "\xc3\xa9", 3);
	why_set(&why, "%s", wide);
	assert_true(is_utf8(why.text));
	why_wrap(&why, "outside");
	assert_true(is_utf8(why.text));
	why_set(&why, "a name: \"%s\"", "\xff");
	assert_string_equal(why.text, "a name: \"?\"");
	why_set(NULL, "nothing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mend),
	    cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
