/* The collateral client's files: the cache that survives a restart, and directories as sources. */
#include "collateral_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY FORGE_DAY

static int setup(void **state)
{
	struct world *w;

	world_setup(state);
	w = *state;
	w->settings.data_dir = w->dir;
	return 0;
}

static void kill_sources(struct world *w)
{
	w->a.mode = w->b.mode = PCS_SLAM;
	w->a.n_requests = w->b.n_requests = 0;
}

static char *cached(struct world *w, const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/collateral/90c06f000000-platform/%s", w->dir, name);
	return path;
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Fetched, written and closed. */
static void fill(struct world *w)
{
	struct got g;

	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	got_free(&g);
	world_settle(w);
	world_close(w);
	assert_int_equal(access(cached(w, "about.json"), R_OK), 0);
}

static void test_a_restart_needs_no_source(void **state)
{
	struct world *w = *state;
	struct collateral_info info;
	struct got g;

	fill(w);
	kill_sources(w);
	world_open(w);
	world_get(w, FORGE_NOW + DAY, &g);
	assert_non_null(g.set);
	assert_string_equal(g.sentence, "");
	assert_int_equal(g.set->fetched_at, FORGE_NOW);
	assert_non_null(strstr(g.set->source[COLLATERAL_PCK_CRL], "http://127.0.0.1:"));
	assert_int_equal(w->a.n_requests + w->b.n_requests, 0);
	assert_true(collateral_at(w->c, 0, &info));
	assert_in_range(info.refresh_at, FORGE_NOW + 11 * DAY, FORGE_NOW + 12 * DAY);
	got_free(&g);
}

static void test_what_is_on_disk_is_listed_without_being_asked_for(void **state)
{
	struct world *w = *state;
	struct collateral_info info;

	fill(w);
	kill_sources(w);
	world_open(w);
	assert_int_equal(collateral_count(w->c), 1);
	world_settle(w);
	assert_true(collateral_at(w->c, 0, &info));
	assert_non_null(info.set);
	assert_int_equal(w->a.n_requests + w->b.n_requests, 0);
}

static void test_a_set_past_its_time_is_fetched_anew(void **state)
{
	struct world *w = *state;
	struct forged x;
	struct forge f = w->forge;
	struct got g;

	fill(w);
	f.tcb_issued = f.qe_issued = "2026-02-05T00:00:00Z";
	f.tcb_next = f.qe_next = "2026-03-07T00:00:00Z";
	forge_build(&x, &f);
	w->a.serves = &x;
	w->a.n_requests = 0;
	w->now = FORGE_NOW + 26 * DAY;
	world_open(w);
	world_get(w, FORGE_NOW + 26 * DAY, &g);
	assert_non_null(g.set);
	/* Both CRLs are good for some days more. */
	assert_int_equal(w->a.n_requests, 2);
	assert_int_equal(g.set->fetched_at, FORGE_NOW + 26 * DAY);
	got_free(&g);
	world_close(w);
	forged_free(&x);
}

static void test_a_stale_set_on_disk_serves_as_the_policy_allows(void **state)
{
	struct world *w = *state;
	struct got g;

	fill(w);
	kill_sources(w);
	w->settings.max_stale = 2 * DAY;
	w->now = FORGE_NOW + 26 * DAY;
	world_open(w);
	world_get(w, FORGE_NOW + 26 * DAY, &g);
	assert_non_null(g.set);
	assert_true(collateral_set_stale(g.set, FORGE_NOW + 26 * DAY));
	assert_int_equal(g.set->fetched_at, FORGE_NOW);
	assert_says(g.sentence, "no answer");
	got_free(&g);
}

static void test_spoilt_files_are_fetched_anew(void **state)
{
	static const char *const names[] = {"tcb_info.json",
					    "qe_identity.json",
					    "tcb_signing_chain.pem",
					    "qe_identity_signing_chain.pem",
					    "pck_crl",
					    "pck_crl_issuer_chain.pem",
					    "root_ca_crl"};
	static const char *const spoils[] = {"", "no collateral at all", NULL};
	struct world *w = *state;
	size_t i, k;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		for (k = 0; k < sizeof spoils / sizeof spoils[0]; k++) {
			struct got g;

			fill(w);
			if (spoils[k])
				write_text(cached(w, names[i]), spoils[k]);
			else
				unlink(cached(w, names[i]));
			w->a.n_requests = 0;
			world_open(w);
			world_get(w, FORGE_NOW + 1, &g);
			assert_non_null(g.set);
			assert_true(g.set->facts.usable);
			/* Without its own file the QE identity has the TCB info's chain. */
			if (spoils[k] || i != 3)
				assert_true(w->a.n_requests > 0);
			got_free(&g);
			world_close(w);
		}
	}
}

static void test_one_flipped_bit_is_found(void **state)
{
	struct world *w = *state;
	struct got g;
	FILE *f;
	int c;

	fill(w);
	f = fopen(cached(w, "tcb_info.json"), "r+b");
	assert_non_null(f);
	fseek(f, 200, SEEK_SET);
	c = fgetc(f);
	fseek(f, 200, SEEK_SET);
	fputc(c ^ 1, f);
	fclose(f);
	kill_sources(w);
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_null(g.set);
	assert_says(g.sentence, "disk: not so that the TCB info");
	got_free(&g);
}

static void test_other_settings_do_not_use_the_cache(void **state)
{
	struct world *w = *state;
	struct got g;

	fill(w);
	w->settings.update = COLLATERAL_EARLY;
	w->a.n_requests = 0;
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	assert_int_equal(w->a.n_requests, 4);
	got_free(&g);
	world_close(w);
	write_text(cached(w, "about.json"), "[]");
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_int_equal(w->a.n_requests, 8);
	got_free(&g);
}

static void test_directories_are_bounded(void **state)
{
	struct world *w = *state;
	struct collateral_key keys[16];
	char path[160];
	unsigned i;

	w->settings.max_keys = 3;
	for (i = 0; i < 5; i++) {
		char fmspc[13];
		struct forge f = w->forge;
		struct forged x;
		struct got g;

		snprintf(fmspc, sizeof fmspc, "90C06F0000%02X", i);
		f.tcb_fmspc = fmspc;
		forge_build(&x, &f);
		w->a.serves = &x;
		w->key.fmspc[5] = (uint8_t)i;
		world_open(w);
		world_get(w, FORGE_NOW, &g);
		assert_non_null(g.set);
		got_free(&g);
		world_settle(w);
		world_close(w);
		w->a.serves = &w->good;
		forged_free(&x);
	}
	snprintf(path, sizeof path, "%s/collateral", w->dir);
	assert_int_equal(collateral_disk_keys(keys, 16, path), 3);
	for (i = 0; i < 3; i++)
		assert_in_range(keys[i].fmspc[5], 2, 4);
}

static void test_a_disk_that_cannot_be_written_is_told(void **state)
{
	struct world *w = *state;
	char path[160];
	struct got g;

	snprintf(path, sizeof path, "%s/collateral", w->dir);
	write_text(path, "a file where a directory should be");
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	got_free(&g);
	world_settle(w);
	assert_says(w->last_note, "is not a directory");
}

static void test_a_directory_is_a_source(void **state)
{
	struct world *w = *state;
	char dir[160], sub[200];
	struct got g;

	kill_sources(w);
	w->settings.data_dir = "";
	snprintf(dir, sizeof dir, "%s/offline", w->dir);
	snprintf(w->sources, sizeof w->sources, "dir:%s", dir);
	world_write_directory(dir, &w->good);
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	assert_string_equal(g.set->source[0], w->sources);
	got_free(&g);
	world_close(w);

	/* A platform's own directory hides what lies above it. */
	snprintf(sub, sizeof sub, "%s/90c06f000000-platform", dir);
	world_write_directory(sub, &w->good);
	snprintf(sub, sizeof sub, "%s/90c06f000000-platform/root_ca_crl.der", dir);
	unlink(sub);
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_null(g.set);
	assert_says(g.sentence, "no root_ca_crl in ");
	assert_int_equal(world_count(w, 0, COLLATERAL_NOT_FOUND), 1);
	got_free(&g);
}

static void test_a_directory_fills_what_a_source_lacks(void **state)
{
	struct world *w = *state;
	char dir[160], from[256];
	struct got g;

	w->settings.data_dir = "";
	w->a.mode = PCS_STATUS;
	w->a.status = 404;
	w->a.mode_parts = 1u << COLLATERAL_QE_IDENTITY;
	snprintf(dir, sizeof dir, "%s/offline", w->dir);
	world_write_directory(dir, &w->good);
	snprintf(w->sources, sizeof w->sources, "http://127.0.0.1:%d,dir:%s", w->a.port, dir);
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	snprintf(from, sizeof from, "dir:%s", dir);
	assert_string_equal(g.set->source[COLLATERAL_QE_IDENTITY], from);
	assert_non_null(strstr(g.set->source[COLLATERAL_TCB_INFO], "http://"));
	got_free(&g);
}

static void test_the_cache_is_a_directory_source(void **state)
{
	struct world *w = *state;
	struct got g;

	fill(w);
	kill_sources(w);
	snprintf(w->sources, sizeof w->sources, "dir:%s/collateral", w->dir);
	w->settings.data_dir = "";
	world_open(w);
	world_get(w, FORGE_NOW, &g);
	assert_non_null(g.set);
	got_free(&g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_restart_needs_no_source),
	    TEST(test_what_is_on_disk_is_listed_without_being_asked_for),
	    TEST(test_a_set_past_its_time_is_fetched_anew),
	    TEST(test_a_stale_set_on_disk_serves_as_the_policy_allows),
	    TEST(test_spoilt_files_are_fetched_anew),
	    TEST(test_one_flipped_bit_is_found),
	    TEST(test_other_settings_do_not_use_the_cache),
	    TEST(test_directories_are_bounded),
	    TEST(test_a_disk_that_cannot_be_written_is_told),
	    TEST(test_a_directory_is_a_source),
	    TEST(test_a_directory_fills_what_a_source_lacks),
	    TEST(test_the_cache_is_a_directory_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
