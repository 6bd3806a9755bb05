/* What follows when quote-gen ends, and how its memory is divided. */
#include "guest/init/payload.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define EXITED(code) ((code) << 8)

static void it_starts_again_ever_later(void **state)
{
	uint64_t waited = 0;
	static const uint64_t expected[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof expected / sizeof *expected; i++) {
		struct payload_end e = payload_ended(i % 2 ? EXITED(1) : SIGKILL, 10, waited);

		assert_int_equal(e.next, PAYLOAD_RESTART);
		assert_int_equal(e.wait_ms, expected[i]);
		waited = e.wait_ms;
	}
	assert_int_equal(payload_ended(EXITED(1), RAN_WELL_MS, waited).wait_ms, RESTART_FIRST_MS);
	assert_int_equal(payload_ended(EXITED(1), RAN_WELL_MS - 1, waited).wait_ms, RESTART_MAX_MS);
}

static void when_it_powers_off(void **state)
{
	(void)state;
	assert_int_equal(payload_ended(EXITED(0), 10, 0).next, PAYLOAD_POWER_OFF);
	assert_int_equal(payload_ended(EXITED(64), 10, 0).next, PAYLOAD_POWER_OFF);
	assert_int_equal(payload_ended(EXITED(127), 10, 0).next, PAYLOAD_RESTART);
}

static void memory_is_divided(void **state)
{
	uint64_t input, executor, mib;

	(void)state;
	for (mib = 1; mib <= 1 << 20; mib *= 2) {
		uint64_t all = mib << 20;

		if (!payload_memory(&input, &executor, all)) {
			assert_true(all < MEMORY_FIXED + MEMORY_PER_BYTE * INPUT_MIN);
			continue;
		}
		assert_true(input >= INPUT_MIN);
		assert_true(input * MEMORY_PER_BYTE + MEMORY_FIXED <= all);
		assert_true(executor >= UNTOUCHED + (MEMORY_PER_BYTE - 1) * input);
	}
	assert_true(payload_memory(&input, &executor, 1858ull << 20));
	assert_int_equal(input, 279969792);
}

static void flags_for_a_service_manager(void **state)
{
	struct guest_settings s = {.flags = 0};
	char path[] = "/tmp/guest-flags-XXXXXX", name[64], line[256];
	struct why why = {""};
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(name, sizeof name, "%s/env", path);
	assert_true(guest_settings_add_flag(&s, "--batches", "2"));
	assert_true(guest_settings_add_flag(&s, "--interval", "9"));
	assert_true(payload_write_flags(&s, name, &why));
	f = fopen(name, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	assert_string_equal(line, "QUOTE_GEN_FLAGS=--batches 2 --interval 9\n");
	fclose(f);
	assert_false(payload_write_flags(&s, name, &why)); /* never over what is there */
	assert_non_null(strstr(why.text, "File exists"));
	unlink(name);
	rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_starts_again_ever_later),
	    cmocka_unit_test(when_it_powers_off),
	    cmocka_unit_test(memory_is_divided),
	    cmocka_unit_test(flags_for_a_service_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
