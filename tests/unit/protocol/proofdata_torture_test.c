/* Every message again, with each of its allocations failing once. Linked with --wrap=realloc. */
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

static long fail_at = -1, calls;

void *__wrap_realloc(void *p, size_t n)
{
	return calls++ == fail_at ? NULL : __real_realloc(p, n);
}

/* Decodes and encodes; true if no allocation was refused. */
static bool run(const struct sample *s)
{
	struct span json = span_of(s->json, strlen(s->json));
	struct proofdata m;
	struct why why = {""};
	enum proto_err err;
	struct buf out;

	calls = 0;
	buf_init(&out, 8192);
	err = proofdata_decode(&m, json, &sample_limits, &why);
	if (!err) {
		err = proofdata_encode(&out, &m, &why);
		assert_true(!err || out.len == 0);
	}
	if (err) {
		assert_int_equal(err, PROTO_NO_MEMORY);
		assert_non_null(strstr(why.text, "no "));
	}
	proofdata_free(&m);
	buf_free(&out);
	return err == PROTO_OK;
}

static void test_each_allocation_fails_once(void **state)
{
	long refused = 0;
	size_t i;

	(void)state;
	for (i = 0; i < SAMPLES; i++) {
		for (fail_at = 0; !run(&samples[i]); fail_at++)
			refused++;
		assert_true(calls <= fail_at);
	}
	assert_true(refused > (long)SAMPLES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_fails_once)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
