/* DHCP messages: what is asked, what is taken from an answer, and answers that are none. */
#include "guest/init/dhcp.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t mac[DHCP_MAC] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static const uint8_t cookie[] = {99, 130, 83, 99};

/* An offer as QEMU's user network makes it. */
static size_t an_answer(uint8_t out[DHCP_MESSAGE_MAX], uint8_t kind)
{
	static const uint8_t yours[] = {10, 0, 2, 15};
	const uint8_t options[] = {53, 1, kind, 54, 4, 10, 0, 2, 2, 1,  4, 255, 255, 255, 0,
				   0,  3, 4,    10, 0, 2,  2, 6, 4, 10, 0, 2,   3,   255};

	memset(out, 0, DHCP_MESSAGE_MAX);
	out[0] = 2;
	memcpy(out + 4, "\1\2\3\4", 4);
	memcpy(out + 16, yours, sizeof yours);
	memcpy(out + 28, mac, sizeof mac);
	memcpy(out + 236, cookie, sizeof cookie);
	memcpy(out + 240, options, sizeof options);
	return 240 + sizeof options;
}

static uint32_t transaction(void)
{
	uint32_t t;

	memcpy(&t, "\1\2\3\4", 4);
	return t;
}

static void an_offer_is_read(void **state)
{
	uint8_t m[DHCP_MESSAGE_MAX];
	size_t n = an_answer(m, DHCP_OFFER);
	struct lease l;
	struct in_addr server;
	enum dhcp_kind kind;

	(void)state;
	assert_true(dhcp_read(&kind, &l, &server, span_of(m, n), transaction(), mac));
	assert_int_equal(kind, DHCP_OFFER);
	assert_int_equal(ntohl(l.address.s_addr), 0x0a00020f);
	assert_int_equal(ntohl(l.gateway.s_addr), 0x0a000202);
	assert_int_equal(ntohl(server.s_addr), 0x0a000202);
	assert_int_equal(l.prefix, 24);
}

static void answers_that_are_none(void **state)
{
	uint8_t m[DHCP_MESSAGE_MAX];
	size_t n, i;
	static const size_t at[] = {0, 4, 28, 236};
	struct lease l;
	struct in_addr server;
	enum dhcp_kind kind;

	(void)state;
	for (i = 0; i < sizeof at / sizeof *at; i++) {
		n = an_answer(m, DHCP_OFFER);
		m[at[i]] ^= 1;
		assert_false(dhcp_read(&kind, &l, &server, span_of(m, n), transaction(), mac));
	}
	for (i = 0; i < an_answer(m, DHCP_OFFER); i++) { /* whatever it is cut to: no byte beyond */
		uint8_t *cut = malloc(i ? i : 1);

		assert_non_null(cut);
		memcpy(cut, m, i);
		dhcp_read(&kind, &l, &server, span_of(cut, i), transaction(), mac);
		free(cut);
	}
	n = an_answer(m, 7);
	assert_false(dhcp_read(&kind, &l, &server, span_of(m, n), transaction(), mac));
	n = an_answer(m, DHCP_ACK);
	memset(m + 16, 0, 4); /* no address */
	assert_false(dhcp_read(&kind, &l, &server, span_of(m, n), transaction(), mac));
	n = an_answer(m, DHCP_ACK);
	m[240 + 12] = 1; /* 255.1.255.0 is no net mask */
	assert_false(dhcp_read(&kind, &l, &server, span_of(m, n), transaction(), mac));
	n = an_answer(m, DHCP_NAK);
	assert_true(dhcp_read(&kind, &l, &server, span_of(m, n), transaction(), mac));
	assert_int_equal(kind, DHCP_NAK);
}

static void what_is_asked(void **state)
{
	uint8_t m[DHCP_MESSAGE_MAX];
	const struct in_addr none = {0}, address = {htonl(0x0a00020f)},
			     server = {htonl(0x0a000202)};
	static const uint8_t discover[] = {53, 1, 1, 55, 2, 1, 3, 255};
	static const uint8_t request[] = {53, 1,  3, 50, 4, 10, 0, 2, 15, 54,
					  4,  10, 0, 2,  2, 55, 2, 1, 3,  255};

	(void)state;
	assert_true(dhcp_write(m, DHCP_DISCOVER, transaction(), mac, none, none) >= 300);
	assert_int_equal(m[0], 1);
	assert_memory_equal(m + 4, "\1\2\3\4", 4);
	assert_memory_equal(m + 28, mac, sizeof mac);
	assert_memory_equal(m + 240, discover, sizeof discover);
	dhcp_write(m, DHCP_REQUEST, transaction(), mac, address, server);
	assert_memory_equal(m + 240, request, sizeof request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_offer_is_read),
	    cmocka_unit_test(answers_that_are_none),
	    cmocka_unit_test(what_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
