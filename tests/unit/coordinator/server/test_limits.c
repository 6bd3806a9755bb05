#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/server/limits.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static struct limits_source source(const char *text)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return limits_source_of((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return limits_source_of((struct sockaddr *)&v6);
}

static void assert_text(const char *address, const char *want)
{
	char out[LIMITS_SOURCE_TEXT];

	assert_string_equal(limits_source_text(source(address), out), want);
}

static void test_sources(void **state)
{
	struct sockaddr unix_like = {.sa_family = AF_UNIX};
	struct limits_source none = limits_source_of(&unix_like);
	static const uint8_t zero[16];

	(void)state;
	assert_text("192.0.2.1", "192.0.2.1");
	assert_text("::ffff:192.0.2.1", "192.0.2.1");
	assert_text("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
	assert_text("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64");
	assert_text("::1", "::/64");
	assert_text("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::/64");
	assert_memory_equal(none.bytes, zero, sizeof zero);
}

static void test_connections(void **state)
{
	struct limits *l = limits_new(&(struct limits_options){
	    .max_connections = 4, .max_connections_per_source = 2, .max_bytes = 100, .seed = 7});
	uint32_t a1, a2, b1, c1, d1;

	(void)state;
	assert_int_equal(limits_enter(l, &a1, source("10.0.0.1")), LIMITS_OK);
	assert_int_equal(limits_enter(l, &a2, source("10.0.0.1")), LIMITS_OK);
	assert_int_equal(a1, a2);
	assert_int_equal(limits_enter(l, &d1, source("10.0.0.1")), LIMITS_SOURCE_CONNECTIONS);
	assert_int_equal(limits_enter(l, &b1, source("2001:db8::1")), LIMITS_OK);
	assert_int_equal(limits_enter(l, &c1, source("2001:db8::2")), LIMITS_OK);
	assert_int_equal(b1, c1);
	assert_int_equal(limits_enter(l, &d1, source("10.0.0.9")), LIMITS_CONNECTIONS);
	assert_int_equal(limits_connections(l), 4);
	assert_int_equal(limits_sources(l), 2);
	limits_leave(l, a1);
	assert_int_equal(limits_enter(l, &d1, source("10.0.0.9")), LIMITS_OK);
	limits_leave(l, a2);
	limits_leave(l, b1);
	limits_leave(l, c1);
	limits_leave(l, d1);
	assert_int_equal(limits_connections(l), 0);
	assert_int_equal(limits_sources(l), 0);
	limits_free(l);
}

static void test_bytes(void **state)
{
	struct limits *l = limits_new(&(struct limits_options){.max_connections = 4,
							       .max_bytes = 800,
							       .max_bytes_per_source = 688,
							       .small = 64,
							       .seed = 7});
	uint32_t a, b, c, d;

	(void)state;
	assert_int_equal(limits_enter(l, &a, source("10.0.0.1")), LIMITS_OK);
	assert_int_equal(limits_enter(l, &b, source("10.0.0.2")), LIMITS_OK);
	assert_int_equal(limits_enter(l, &c, source("10.0.0.3")), LIMITS_OK);
	assert_int_equal(limits_enter(l, &d, source("10.0.0.4")), LIMITS_OK);
	/* 602 of 688 are for a source's large buffers, the rest for its small ones. */
	assert_int_equal(limits_grow(l, a, 0, 603), LIMITS_SOURCE_BYTES);
	assert_int_equal(limits_grow(l, a, 0, 500), LIMITS_OK);
	assert_int_equal(limits_grow(l, a, 500, 600), LIMITS_OK);
	assert_int_equal(limits_grow(l, a, 0, 65), LIMITS_SOURCE_BYTES);
	assert_int_equal(limits_grow(l, a, 0, 64), LIMITS_OK);
	assert_int_equal(limits_grow(l, a, 0, 25), LIMITS_SOURCE_BYTES);
	limits_shrink(l, a, 64);
	assert_int_equal(limits_bytes(l), 600);
	/* 700 of 800 are for large ones, and for small ones of a source that holds more. */
	assert_int_equal(limits_grow(l, b, 0, 101), LIMITS_BYTES);
	assert_int_equal(limits_grow(l, b, 0, 100), LIMITS_OK);
	assert_int_equal(limits_grow(l, a, 0, 1), LIMITS_BYTES);
	assert_int_equal(limits_grow(l, b, 0, 1), LIMITS_BYTES);
	assert_int_equal(limits_grow(l, c, 0, 65), LIMITS_BYTES);
	assert_int_equal(limits_grow(l, c, 0, 60), LIMITS_OK);
	assert_int_equal(limits_grow(l, c, 60, 65), LIMITS_BYTES);
	assert_int_equal(limits_grow(l, c, 0, 5), LIMITS_BYTES);
	assert_int_equal(limits_grow(l, c, 60, 64), LIMITS_OK);
	assert_int_equal(limits_grow(l, d, 0, 37), LIMITS_BYTES);
	assert_int_equal(limits_grow(l, d, 0, 36), LIMITS_OK);
	assert_int_equal(limits_grow(l, d, 0, SIZE_MAX), LIMITS_SOURCE_BYTES);
	limits_shrink(l, a, 600);
	limits_shrink(l, b, 100);
	limits_shrink(l, c, 64);
	limits_shrink(l, d, 36);
	assert_int_equal(limits_bytes(l), 0);
	limits_leave(l, a);
	limits_leave(l, b);
	limits_leave(l, c);
	limits_leave(l, d);
	limits_free(l);
}

#define MANY 3000

/* Sources come and go in a seeded order; a plain table says what the counts must be. */
static void test_many_sources(void **state)
{
	struct limits *l = limits_new(&(struct limits_options){
	    .max_connections = MANY, .max_connections_per_source = 3, .max_bytes = 1, .seed = 99});
	static uint32_t tickets[MANY][3];
	static unsigned counts[MANY];
	size_t total = 0, sources = 0, i;
	unsigned seed = 12345;

	(void)state;
	for (i = 0; i < 200000; i++) {
		size_t at = (size_t)rand_r(&seed) % MANY;
		struct sockaddr_in v4 = {.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl((uint32_t)(0x0a000000 + at))};
		struct limits_source s = limits_source_of((struct sockaddr *)&v4);

		if (rand_r(&seed) % 2) {
			enum limits_verdict want = total == MANY     ? LIMITS_CONNECTIONS
						   : counts[at] == 3 ? LIMITS_SOURCE_CONNECTIONS
								     : LIMITS_OK;
			uint32_t ticket;

			assert_int_equal(limits_enter(l, &ticket, s), want);
			if (want == LIMITS_OK) {
				sources += counts[at] == 0;
				tickets[at][counts[at]++] = ticket;
				total++;
			}
		} else if (counts[at] > 0) {
			limits_leave(l, tickets[at][--counts[at]]);
			sources -= counts[at] == 0;
			total--;
		}
		assert_int_equal(limits_connections(l), total);
		assert_int_equal(limits_sources(l), sources);
	}
	limits_free(l);
}

static void test_moves(void **state)
{
	struct limits *l = limits_new(&(struct limits_options){
	    .max_connections = 3, .max_connections_per_source = 1, .max_bytes = 100, .seed = 7});
	const struct limits_source key = {{1, 2, 3}};
	uint32_t a, b, c;

	(void)state;
	assert_int_equal(limits_enter(l, &a, source("10.0.0.1")), LIMITS_OK);
	assert_int_equal(limits_move(l, &a, key), LIMITS_OK);
	/* The address has its place again, the key has none left. */
	assert_int_equal(limits_enter(l, &b, source("10.0.0.1")), LIMITS_OK);
	assert_int_equal(limits_move(l, &b, key), LIMITS_SOURCE_CONNECTIONS);
	assert_int_equal(limits_connections(l), 2);
	assert_int_equal(limits_sources(l), 2);
	assert_int_equal(limits_grow(l, b, 0, 10), LIMITS_OK);
	limits_shrink(l, b, 10);
	/* A move needs no place of its own. */
	assert_int_equal(limits_enter(l, &c, source("10.0.0.2")), LIMITS_OK);
	assert_int_equal(limits_move(l, &c, source("10.0.0.3")), LIMITS_OK);
	assert_int_equal(limits_connections(l), 3);
	limits_leave(l, a);
	limits_leave(l, b);
	limits_leave(l, c);
	assert_int_equal(limits_sources(l), 0);
	limits_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sources), cmocka_unit_test(test_connections),
	    cmocka_unit_test(test_bytes),   cmocka_unit_test(test_many_sources),
	    cmocka_unit_test(test_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
