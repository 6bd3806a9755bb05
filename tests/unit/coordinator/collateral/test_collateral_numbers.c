/* The list of TCB evaluation numbers: read, trusted, and fetched where contracts go by it; and
 * collateral of the number that they ask for. */
#include "collateral_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ENTRY(number, date)                                                                        \
	"{\"tcbEvaluationDataNumber\":" number ",\"tcbRecoveryEventDate\":\"" date                 \
	"\",\"tcbDate\":\"" date "\"}"
#define HEAD                                                                                       \
	"{\"id\":\"TDX\",\"version\":1,\"issueDate\":\"2026-01-10T00:00:00Z\",\"nextUpdate\":"     \
	"\"2026-02-09T00:00:00Z\",\"tcbEvalNumbers\":["
#define OF_17   ENTRY("17", "2025-01-15T00:00:00Z")
#define OF_18   ENTRY("18", "2025-01-16T00:00:00Z")
#define UNTIL   "]}"
#define OF_BOTH HEAD OF_18 "," OF_17 UNTIL

static struct tdxv_bytes bytes_of(const char *text)
{
	return (struct tdxv_bytes){(const uint8_t *)text, strlen(text)};
}

/* Good until the next call but one. */
static const char *signed_by(enum forge_key key, const char *body)
{
	static char text[2][16384];
	static unsigned turn;
	uint8_t raw[64];
	char hex[129], *out = text[turn++ % 2];

	forge_sign(raw, key, body, strlen(body));
	hex_encode(hex, raw, sizeof raw);
	snprintf(out, sizeof text[0], "{\"tcbEvaluationDataNumbers\":%s,\"signature\":\"%s\"}",
		 body, hex);
	return out;
}

static int64_t at(const char *text)
{
	int64_t t;

	assert_true(tdxv_time_parse(&t, text, strlen(text)));
	return t;
}

/* ---- pure ---- */

static bool real_list(struct collateral_numbers *out, const char *name)
{
	const char *vectors = getenv("VECTORS_DIR");
	char path[4096], text[8192];
	struct why why = {""};
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, "%s/dcap/evaluation/tdx_tcb_evaluation_%s.json",
		 vectors ? vectors : "", name);
	f = fopen(path, "rb");
	if (!f)
		return false;
	n = fread(text, 1, sizeof text, f);
	fclose(f);
	if (!collateral_numbers_read(out, (struct tdxv_bytes){(uint8_t *)text, n}, &why))
		fail_msg("%s: %s", path, why.text);
	return true;
}

static void intels_own_lists(void **state)
{
	static const struct {
		const char *time;
		uint32_t june, october;
	} days[] = {
	    {"2025-11-11T23:59:59Z", 17, 17}, {"2025-11-12T00:00:00Z", 18, 18},
	    {"2026-05-12T23:59:59Z", 18, 18}, {"2026-05-13T00:00:00Z", 19, 19},
	    {"2026-08-11T23:59:59Z", 19, 19}, {"2026-08-12T00:00:00Z", 19, 20},
	};
	struct collateral_numbers june, october;

	(void)state;
	if (!real_list(&june, "0625") || !real_list(&october, "1025")) {
		print_message("SKIP: VECTORS_DIR has no lists of evaluation numbers\n");
		skip();
	}
	assert_int_equal(june.issued, at("2025-06-05T01:31:32Z"));
	assert_int_equal(june.n, 3);
	assert_int_equal(collateral_numbers_early(&june), 19);
	assert_int_equal(collateral_numbers_early(&october), 20);
	assert_int_equal(collateral_numbers_standard(&june, at("2020-01-01T00:00:00Z")), 0);
	for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
		assert_int_equal(collateral_numbers_standard(&june, at(days[i].time)),
				 days[i].june);
		assert_int_equal(collateral_numbers_standard(&october, at(days[i].time)),
				 days[i].october);
	}
}

static void lists_that_are_none(void **state)
{
	static const struct {
		const char *body, *says;
	} cases[] = {
	    {"{\"id\":\"SGX\",\"version\":1,\"issueDate\":\"2026-01-10T00:00:00Z\",\"nextUpdate\":"
	     "\"2026-02-09T00:00:00Z\",\"tcbEvalNumbers\":[" OF_17 UNTIL,
	     "no list for TDX of version 1"},
	    {"{\"id\":\"TDX\",\"version\":2,\"issueDate\":\"2026-01-10T00:00:00Z\",\"nextUpdate\":"
	     "\"2026-02-09T00:00:00Z\",\"tcbEvalNumbers\":[" OF_17 UNTIL,
	     "no list for TDX of version 1"},
	    {HEAD UNTIL, "it has 0 numbers, 1 to 64 are possible"},
	    {HEAD OF_17 ",{\"tcbEvaluationDataNumber\":18}" UNTIL,
	     "its entry 1 lacks a number or a date"},
	    {HEAD ENTRY("0", "2025-01-15T00:00:00Z") UNTIL, "its entry 0 lacks"},
	    {HEAD ENTRY("4294967296", "2025-01-15T00:00:00Z") UNTIL, "its entry 0 lacks"},
	    {HEAD ENTRY("17", "2025-01-15") UNTIL, "its entry 0 lacks"},
	    {HEAD "17" UNTIL, "its entry 0 lacks"},
	    {"[]", "."},
	};
	char many[8192] = HEAD;
	struct collateral_numbers list;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct why why = {""};

		assert_false(collateral_numbers_read(
		    &list, bytes_of(signed_by(KEY_TCB, cases[i].body)), &why));
		assert_true(strlen(why.text) > 5);
		if (cases[i].says[1])
			assert_says(why.text, cases[i].says);
		assert_int_equal(list.n, 0);
	}
	for (int i = 0; i < 65; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many), "%s%s", i ? "," : "",
			 OF_17);
	strcat(many, UNTIL);
	assert_false(collateral_numbers_read(&list, bytes_of(signed_by(KEY_TCB, many)), NULL));
	assert_true(collateral_numbers_read(&list, bytes_of(signed_by(KEY_TCB, OF_BOTH)), NULL));
	assert_int_equal(collateral_numbers_standard(&list, FORGE_NOW), 17);
	assert_int_equal(collateral_numbers_standard(&list, FORGE_NOW + FORGE_DAY), 18);
	assert_int_equal(collateral_numbers_early(&list), 18);
}

static void who_signed_it(void **state)
{
	struct world *w = *state;
	const struct tdxv_bytes chain = {w->good.tcb_chain.p, w->good.tcb_chain.len};
	struct why why = {""};
	char changed[16384];

	assert_true(collateral_numbers_signed(bytes_of(signed_by(KEY_TCB, OF_BOTH)), chain, &why));
	assert_false(
	    collateral_numbers_signed(bytes_of(signed_by(KEY_EVIL, OF_BOTH)), chain, &why));
	assert_says(why.text, "not signed with the key of the TCB info's signing certificate");
	snprintf(changed, sizeof changed, "%s", signed_by(KEY_TCB, OF_BOTH));
	*strstr(changed, "18,") = '2';
	assert_false(collateral_numbers_signed(bytes_of(changed), chain, &why));
	assert_false(collateral_numbers_signed(bytes_of(signed_by(KEY_TCB, OF_BOTH)),
					       (struct tdxv_bytes){NULL, 0}, &why));
}

/* ---- fetched ---- */

static void wants(struct world *w, uint32_t number, bool numbers)
{
	const struct collateral_want want = {number, numbers};
	struct why why = {""};

	if (!collateral_want(w->c, &want, &why))
		fail_msg("%s", why.text);
}

static void a_list_comes_only_when_it_is_wanted(void **state)
{
	struct world *w = *state;
	struct got g;

	w->a.numbers = w->b.numbers = signed_by(KEY_TCB, OF_BOTH);
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_int_equal(g.set->numbers.n, 0);
	assert_int_equal(w->a.n_part[COLLATERAL_NUMBERS], 0);
	assert_true(collateral_suits(w->c, g.set));
	wants(w, 0, true);
	assert_false(collateral_suits(w->c, g.set));
	got_free(&g);
	world_get(w, FORGE_NOW, &g);
	assert_true(collateral_suits(w->c, g.set));
	assert_int_equal(g.set->numbers.n, 2);
	assert_string_equal(w->a.path[COLLATERAL_NUMBERS],
			    "/tdx/certification/v4/tcbevaluationdatanumbers");
	assert_int_equal(g.set->numbers_response.n, strlen(w->a.numbers));
	assert_int_equal(w->b.n_requests, 0);
	got_free(&g);
	/* From memory now. */
	world_get(w, FORGE_NOW, &g);
	assert_int_equal(w->a.n_part[COLLATERAL_NUMBERS], 1);
	got_free(&g);
}

static void the_first_good_list_counts(void **state)
{
	static const struct {
		enum forge_key key;
		const char *body, *says;
	} bad[] = {
	    {KEY_EVIL, OF_BOTH,
	     "its list of TCB evaluation numbers: it is not signed with the key"},
	    {KEY_TCB, HEAD UNTIL, "its list of TCB evaluation numbers: it has 0 numbers"},
	    {KEY_TCB,
	     "{\"id\":\"TDX\",\"version\":1,\"issueDate\":\"2026-01-16T00:00:00Z\",\"nextUpdate\":"
	     "\"2026-02-09T00:00:00Z\",\"tcbEvalNumbers\":[" OF_17 UNTIL,
	     "its list of TCB evaluation numbers: it is not issued yet"},
	};
	struct world *w = *state;
	char list[2][4096];

	snprintf(list[1], sizeof list[1], "%s", signed_by(KEY_TCB, OF_BOTH));
	w->b.numbers = list[1];
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct got g;

		snprintf(list[0], sizeof list[0], "%s", signed_by(bad[i].key, bad[i].body));
		w->a.numbers = list[0];
		w->b.n_requests = 0;
		world_open(w);
		wants(w, 0, true);
		world_get(w, FORGE_NOW, &g);
		assert_int_equal(g.set->numbers.n, 2);
		world_settle(w);
		assert_says(w->last_note, bad[i].says);
		assert_int_equal(w->b.n_requests, 1);
		got_free(&g);
		world_close(w);
	}
}

/* Quotes are judged without it: contracts may have a list already. */
static void without_a_list_the_rest_is_served(void **state)
{
	struct world *w = *state;
	struct got g;

	world_open(w);
	wants(w, 0, true);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	assert_string_equal(g.sentence, "");
	assert_int_equal(g.set->numbers.n, 0);
	assert_true(collateral_suits(w->c, g.set));
	world_settle(w);
	assert_says(w->last_note, "it has no list of TCB evaluation numbers (HTTP 404)");
	assert_int_equal(w->a.n_part[COLLATERAL_NUMBERS], 1);
	assert_int_equal(w->b.n_part[COLLATERAL_NUMBERS], 1);
	got_free(&g);
	/* Nor is it asked for over and over. */
	world_get(w, FORGE_NOW, &g);
	assert_int_equal(w->a.n_part[COLLATERAL_NUMBERS], 1);
	got_free(&g);
}

/* Registrations wait for it, and the next planned fetch may be weeks away. */
static void a_list_that_is_missed_is_asked_for_again(void **state)
{
	struct world *w = *state;
	struct got g;

	world_open(w);
	wants(w, 0, true);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	world_settle(w);
	collateral_tick(w->c, FORGE_NOW); /* not at once */
	world_settle(w);
	assert_int_equal(w->a.n_part[COLLATERAL_NUMBERS], 1);
	w->a.numbers = signed_by(KEY_TCB, OF_BOTH);
	collateral_tick(w->c, FORGE_NOW + 60);
	world_settle(w);
	assert_int_equal(collateral_peek(w->c, &w->key, FORGE_NOW + 60)->numbers.n, 2);
	assert_int_equal(w->n_changed, 1);
	collateral_tick(w->c, FORGE_NOW + 1200); /* no more once it is there */
	world_settle(w);
	assert_int_equal(w->a.n_part[COLLATERAL_NUMBERS], 2);
}

static void another_number(void **state)
{
	struct world *w = *state;
	struct forged other = {0};
	struct why why;
	struct got g;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	/* A lower one, issued earlier: ages of another number's say nothing. */
	w->forge.tcb_number = 16;
	w->forge.tcb_issued = w->forge.qe_issued = "2026-01-09T00:00:00Z";
	forge_build(&other, &w->forge);
	w->a.serves = w->b.serves = &other;
	wants(w, 16, false);
	world_get(w, FORGE_NOW, &g);
	assert_int_equal(g.set->facts.tcb_evaluation_number, 16);
	assert_true(collateral_suits(w->c, g.set));
	assert_string_equal(w->a.path[COLLATERAL_TCB_INFO],
			    "/tdx/certification/v4/tcb?fmspc=90c06f000000&"
			    "tcbEvaluationDataNumber=16");
	assert_string_equal(w->a.path[COLLATERAL_QE_IDENTITY],
			    "/tdx/certification/v4/qe/identity?tcbEvaluationDataNumber=16");
	assert_int_equal(w->n_changed, 1);
	got_free(&g);
	/* No source has it: what was there serves on, and does not suit. */
	wants(w, 15, false);
	world_get(w, FORGE_NOW, &g);
	assert_int_equal(g.set->facts.tcb_evaluation_number, 16);
	assert_false(collateral_suits(w->c, g.set));
	assert_says(g.sentence, "has tcbEvaluationDataNumber 16, asked for was 15");
	got_free(&g);
	world_close(w);
	/* The operator's own word stands. */
	w->settings.tcb_evaluation_number = 16;
	world_open(w);
	assert_false(collateral_want(w->c, &(struct collateral_want){15, false}, &why));
	assert_says(why.text, "the contracts verify with tcbEvaluationDataNumber 15, and the "
			      "settings ask for 16 (COLLATERAL_TCB_EVALUATION_NUMBER)");
	world_close(w);
	forged_free(&other);
}

/* What contracts asked for outlives a restart, and so does the list. */
static void a_restart(void **state)
{
	struct world *w = *state;
	struct got g;

	w->settings.data_dir = w->dir;
	w->a.numbers = signed_by(KEY_TCB, OF_BOTH);
	world_open(w);
	wants(w, 17, true);
	world_get(w, FORGE_NOW, &g);
	got_free(&g);
	world_settle(w);
	world_close(w);
	w->a.n_requests = w->b.n_requests = 0;
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_int_equal(w->a.n_requests + w->b.n_requests, 0);
	assert_int_equal(g.set->numbers.n, 2);
	assert_true(g.set->want.numbers);
	assert_int_equal(g.set->want.number, 17);
	got_free(&g);
	collateral_refresh(w->c, NULL, FORGE_NOW);
	world_settle(w);
	assert_int_equal(w->a.n_part[COLLATERAL_NUMBERS], 2);
	assert_non_null(strstr(w->a.path[COLLATERAL_TCB_INFO], "tcbEvaluationDataNumber=17"));
}

#define WORLD(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(intels_own_lists),
	    cmocka_unit_test(lists_that_are_none),
	    WORLD(who_signed_it),
	    WORLD(a_list_comes_only_when_it_is_wanted),
	    WORLD(the_first_good_list_counts),
	    WORLD(without_a_list_the_rest_is_served),
	    WORLD(a_list_that_is_missed_is_asked_for_again),
	    WORLD(another_number),
	    WORLD(a_restart),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	forge_keys_free();
	return failed;
}
