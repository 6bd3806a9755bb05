/* The collateral client's pure parts: settings, URLs, headers, waits, keys, sets. */
#include "collateral_world.h"
#include "coordinator/base/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_sources(void **state)
{
	struct collateral_source s[COLLATERAL_SOURCES_MAX];
	struct why why = {""};
	size_t n;

	(void)state;
	assert_true(collateral_sources_parse(
	    s, &n,
	    "https://api.trustedservices.intel.com, pccs+https://pccs.example:8081/x/,dir:/var/c",
	    &why));
	assert_int_equal(n, 3);
	assert_int_equal(s[0].kind, COLLATERAL_PCS);
	assert_string_equal(s[0].name, "https://api.trustedservices.intel.com:443");
	assert_int_equal(s[1].kind, COLLATERAL_PCCS);
	assert_string_equal(s[1].at, "https://pccs.example:8081/x");
	assert_string_equal(s[1].name, "pccs+https://pccs.example:8081");
	assert_int_equal(s[2].kind, COLLATERAL_DIRECTORY);
	assert_string_equal(s[2].at, "/var/c");
	assert_true(collateral_sources_parse(
	    s, &n, "http://localhost:1,http://127.1.2.3:1,pccs+http://[::1]:1", &why));
}

static void test_sources_that_are_none(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
	    {"", "no source is named"},
	    {" , ", "no source is named"},
	    {"http://pccs.example",
	     "\"http://pccs.example:80\" is plain http and not on this host"},
	    {"http://127.0.0.1.example", "is plain http"},
	    {"http://localhost.example", "is plain http"},
	    {"ftp://127.0.0.1", "neither http:// nor https://"},
	    {"https://user:secret@pccs.example", "has a user or password in it"},
	    {"https://pccs.example/?a=b", "has a query or fragment"},
	    {"https://pccs.example/#a", "has a query or fragment"},
	    {"dir:", "names no directory"},
	    {"pccs+pccs", "is not a URL"},
	    {"dir:a,dir:b,dir:c,dir:d,dir:e,dir:f,dir:g,dir:h,dir:i", "more than 8 sources"},
	};
	struct collateral_source s[COLLATERAL_SOURCES_MAX];
	struct why why;
	size_t n, i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (collateral_sources_parse(s, &n, bad[i].text, &why))
			fail_msg("taken: %s", bad[i].text);
		assert_says(why.text, bad[i].says);
		assert_null(strstr(why.text, "secret"));
	}
}

static void test_settings_that_cannot_work(void **state)
{
	struct world *w = *state;
	struct why why;
	struct collateral *c;

	w->settings.root_file = "/nonexistent/root.pem";
	assert_false(collateral_new(&c, &w->loop, &w->settings, FORGE_NOW, &why));
	assert_says(why.text, "/nonexistent/root.pem cannot be read");
	w->settings.root_file = "/dev/zero";
	assert_false(collateral_new(&c, &w->loop, &w->settings, FORGE_NOW, &why));
	assert_says(why.text, "is too long");
	w->settings.root_file = "/etc/hostname";
	assert_false(collateral_new(&c, &w->loop, &w->settings, FORGE_NOW, &why));
	assert_says(why.text, "/etc/hostname: root to trust");
	w->settings.root_file = "";
	w->settings.ca_file = "/nonexistent/ca.pem";
	assert_false(collateral_new(&c, &w->loop, &w->settings, FORGE_NOW, &why));
	assert_says(why.text, "the CA file /nonexistent/ca.pem cannot be read");
	w->settings.ca_file = "";
	w->settings.piece_max = TDXV_COLLATERAL_PIECE_MAX + 1;
	assert_false(collateral_new(&c, &w->loop, &w->settings, FORGE_NOW, &why));
	w->settings.piece_max = 0;
	w->settings.root_crl_url = "http://elsewhere.example/root.der";
	assert_false(collateral_new(&c, &w->loop, &w->settings, FORGE_NOW, &why));
	assert_says(why.text, "is plain http");
	assert_null(c);
}

static void test_keys(void **state)
{
	static const char *const bad[] = {"",
					  "90c06f000000",
					  "90c06f000000-",
					  "90c06f000000-platforms",
					  "90C06F000000-platform",
					  "0x90c06f0000-platform",
					  "90c06f00000g-platform",
					  "90c06f000000_platform",
					  "../../../etc/-platform"};
	struct collateral_key key;
	char text[COLLATERAL_KEY_SIZE];
	size_t i;

	(void)state;
	assert_true(collateral_key_parse(&key, "90c06f000000-processor"));
	assert_int_equal(key.ca, COLLATERAL_PROCESSOR);
	collateral_key_text(text, &key);
	assert_string_equal(text, "90c06f000000-processor");
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(collateral_key_parse(&key, bad[i]));
}

static void test_url_decoding_is_strict(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
	    {"a%", "a '%' without two hex digits at offset 1"},
	    {"%2", "offset 0"},
	    {"%2g", "offset 0"},
	    {"%-1", "offset 0"},
	    {"%00", "byte 0x00 at offset 0 is no text"},
	    {"ab%7F", "byte 0x7f at offset 2 is no text"},
	    {"%C3%A4", "byte 0xc3"},
	    {"a b", "byte 0x20 at offset 1 is not URL-encoded"},
	    {"a\"b", "byte 0x22"},
	    {"a\xc3", "byte 0xc3"},
	    {"0123456789abcdef0", "longer than 16 bytes"},
	};
	struct why why;
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 16);
	assert_true(collateral_url_decode(&out, "-A%0a%0D%20b+/%3d=%2B", &why));
	assert_true(span_eq(buf_span(&out), span_of("-A\n\r b+/==+", 11)));
	buf_free(&out);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(collateral_url_decode(&out, bad[i].text, &why));
		assert_says(why.text, bad[i].says);
		buf_free(&out);
	}
}

static void test_retry_after(void **state)
{
	(void)state;
	assert_int_equal(http_retry_after(NULL, 0), 0);
	assert_int_equal(http_retry_after("", 0), 0);
	assert_int_equal(http_retry_after("120", 0), 120);
	assert_int_equal(http_retry_after("-5", 0), 0);
	assert_int_equal(http_retry_after("99999999999999999999", 0), 86400);
	assert_int_equal(http_retry_after("soon", 0), 0);
	assert_int_equal(http_retry_after("Thu, 15 Jan 2026 00:02:00 GMT", FORGE_NOW), 120);
	assert_int_equal(http_retry_after("Thu, 15 Jan 2026 00:02:00 GMT", FORGE_NOW + 900), 0);
}

static void test_rests_double_to_a_ceiling(void **state)
{
	const struct collateral_rest_limits limits = {8, 100};
	static const int64_t want[] = {8, 16, 32, 64, 100, 100};
	struct collateral_rest rest;
	uint64_t random;
	size_t i;

	(void)state;
	for (random = 0; random < 60; random++) {
		rest = (struct collateral_rest){0};
		for (i = 0; i < sizeof want / sizeof want[0]; i++) {
			collateral_rest_failed(&rest, &limits, 1000, 0, random);
			assert_in_range(rest.until, 1000 + want[i] * 3 / 4, 1000 + want[i] * 5 / 4);
		}
		collateral_rest_failed(&rest, &limits, 1000, 7200, random);
		assert_int_equal(rest.until, 8200);
		collateral_rest_worked(&rest);
		assert_int_equal(rest.failures, 0);
	}
}

static void test_the_time_to_refresh(void **state)
{
	struct tdxv_collateral_facts f = {.valid_from = 0, .valid_to = 30 * FORGE_DAY};
	uint64_t random;

	(void)state;
	assert_int_equal(collateral_refresh_time(&f, 0, 0), 15 * FORGE_DAY);
	assert_int_equal(collateral_refresh_time(&f, 10 * FORGE_DAY, 0), 15 * FORGE_DAY);
	/* Served when half of its time was over: in the middle of what is left. */
	assert_int_equal(collateral_refresh_time(&f, 20 * FORGE_DAY, 0), 25 * FORGE_DAY);
	assert_int_equal(collateral_refresh_time(&f, 30 * FORGE_DAY - 60, 0),
			 30 * FORGE_DAY - 60 + 600);
	assert_int_equal(collateral_refresh_time(&f, 40 * FORGE_DAY, 0), 40 * FORGE_DAY + 600);
	for (random = 0; random < 1000000; random += 997)
		assert_in_range(collateral_refresh_time(&f, 0, random), 15 * FORGE_DAY * 95 / 100,
				15 * FORGE_DAY);
}

/* Without what vouches for it a part is neither good nor bad. */
static void test_a_lonely_part_is_pending(void **state)
{
	struct world *w = *state;
	struct collateral_part part[COLLATERAL_PARTS] = {{{0}, {0}, ""}};
	struct collateral_check c = {
	    .key = &w->key, .part = part, .now = FORGE_NOW, .root_pem = buf_span(&w->good.root)};

	part[COLLATERAL_ROOT_CRL].body = w->good.root_crl;
	collateral_check(&c);
	assert_non_null(c.checked);
	assert_int_equal(c.verdict[COLLATERAL_ROOT_CRL], PART_PENDING);
	assert_int_equal(c.verdict[COLLATERAL_TCB_INFO], PART_ABSENT);
	tdxv_collateral_free(c.checked);
	part[COLLATERAL_PCK_CRL].body = w->good.pck_crl;
	part[COLLATERAL_PCK_CRL].chain = w->good.pck_crl_chain;
	collateral_check(&c);
	assert_int_equal(c.verdict[COLLATERAL_ROOT_CRL], PART_GOOD);
	assert_int_equal(c.verdict[COLLATERAL_PCK_CRL], PART_GOOD);
	assert_false(c.facts.usable);
	tdxv_collateral_free(c.checked);
}

static void test_outcomes_have_names(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < COLLATERAL_OUTCOME_COUNT; i++)
		assert_non_null(collateral_outcome_name((enum collateral_outcome)i));
	assert_string_equal(collateral_outcome_name(COLLATERAL_RATE_LIMITED), "rate_limited");
}

#define WORLD(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sources),
	    cmocka_unit_test(test_sources_that_are_none),
	    WORLD(test_settings_that_cannot_work),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_url_decoding_is_strict),
	    cmocka_unit_test(test_retry_after),
	    cmocka_unit_test(test_rests_double_to_a_ceiling),
	    cmocka_unit_test(test_the_time_to_refresh),
	    WORLD(test_a_lonely_part_is_pending),
	    cmocka_unit_test(test_outcomes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
