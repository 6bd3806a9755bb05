/* test.h -- what the tests of this room share. */
#ifndef TESTS_UNIT_ETHEREUM_TEST_H
#define TESTS_UNIT_ETHEREUM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "encoding/bytes.h"
#include "encoding/why.h"

/* Hex into memory that is exactly as long, so that a sanitizer sees a read behind it. Freed by the
 * caller: free((void *)span.p). */
static inline struct span unhex(const char *hex)
{
	size_t n = strlen(hex) - (strncmp(hex, "0x", 2) == 0 ? 2 : 0);
	uint8_t *p = malloc(n / 2 + !n);

	assert_non_null(p);
	assert_true(n == 0 || hex_decode(p, n / 2, hex, strlen(hex)));
	return span_of(p, n / 2);
}

static inline void unhex_free(struct span s)
{
	free((void *)s.p);
}

static inline void assert_hex(const void *p, size_t n, const char *hex)
{
	struct span want = unhex(hex);

	assert_int_equal(n, want.n);
	if (n > 0)
		assert_memory_equal(p, want.p, n);
	unhex_free(want);
}

static inline void assert_says(const struct why *why, const char *part)
{
	if (!strstr(why->text, part))
		fail_msg("\"%s\" does not say \"%s\"", why->text, part);
}

#endif
