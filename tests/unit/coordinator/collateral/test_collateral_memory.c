/* Every allocation of the collateral client fails once: it says so, leaks nothing, and works again
 * with the next question. */
#include "collateral_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static atomic_long fail_at = -1, seen;

static bool fails(void)
{
	long at = atomic_load(&fail_at);

	return at >= 0 && atomic_fetch_add(&seen, 1) == at;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t n)
{
	return fails() ? NULL : __real_realloc(old, n);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

/* One question, from the opening to the close; true when the point of failure was reached. */
static bool one_life(struct world *w, long at)
{
	struct got g = {0};
	struct why why = {""};
	bool reached;

	atomic_store(&seen, 0);
	atomic_store(&fail_at, at);
	if (!collateral_new(&w->c, &w->loop, &w->settings, FORGE_NOW, &why)) {
		assert_true(why.text[0]);
	} else if (!collateral_get(w->c, &w->key, FORGE_NOW, world_on_answer, &g, &why)) {
		assert_says(why.text, "out of memory");
		world_close(w);
	} else {
		world_wait(w, &g);
		atomic_store(&fail_at, -1);
		if (!g.set)
			assert_true(g.sentence[0]);
		got_free(&g);
		world_get(w, FORGE_NOW + 60, &g);
		assert_non_null(g.set);
		assert_true(g.set->facts.usable);
		got_free(&g);
		world_close(w);
	}
	reached = atomic_load(&seen) > at;
	atomic_store(&fail_at, -1);
	return reached;
}

static void test_from_a_directory(void **state)
{
	struct world *w = *state;
	char dir[160], command[200];
	long at;

	snprintf(dir, sizeof dir, "%s/offline", w->dir);
	world_write_directory(dir, &w->good);
	snprintf(w->sources, sizeof w->sources, "dir:%s", dir);
	w->settings.data_dir = w->dir;
	snprintf(command, sizeof command, "rm -rf %s/collateral", w->dir);
	for (at = 0; one_life(w, at); at++)
		assert_int_equal(system(command), 0);
	assert_true(at >= 20);
}

static void test_from_disk(void **state)
{
	struct world *w = *state;
	long at;

	w->settings.data_dir = w->dir;
	one_life(w, 1000000);
	for (at = 0; one_life(w, at); at++)
		;
	assert_true(at >= 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_from_a_directory),
	    TEST(test_from_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
