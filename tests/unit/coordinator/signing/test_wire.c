/* What daemon and signer say: there and back, and whatever is no message. */
#include "coordinator/signing/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t data[WIRE_DATA_MAX + 1];

/* One of each kind, with a value in every field that it has. */
static struct wire_message sample(enum wire_kind kind)
{
	struct wire_message m = {.kind = kind};

	switch (kind) {
	case WIRE_HELLO:
		memset(m.keys, 0x5a, sizeof m.keys);
		m.chain_id = 1;
		m.max_fee = UINT64_MAX;
		m.max_gas = 16777216;
		break;
	case WIRE_SIGN:
		m.id = 77;
		m.tx = (struct eth_tx){.chain_id = 31337,
				       .nonce = 1ull << 40,
				       .max_priority_fee = 2,
				       .max_fee = 3,
				       .gas = 4,
				       .data = span_of(data, 1000)};
		m.tx.to.b[0] = 1;
		m.what = SIGNING_UPLOAD;
		break;
	case WIRE_CONTRACT:
		m.what = SIGNING_REGISTER;
		m.tx.to.b[19] = 9;
		break;
	case WIRE_SETTLED:
		m.who = SIGNING_REGISTRAR;
		m.tx.nonce = 8;
		break;
	case WIRE_READY:
		m.from[1].b[3] = 7;
		m.confined = true;
		break;
	case WIRE_SIGNED:
		m.id = 5;
		m.sig[64] = 1;
		break;
	case WIRE_REFUSED: m.id = 6; /* fall through */
	case WIRE_ANEW: m.sentence = span_of("because", 7); break;
	}
	return m;
}

static void test_there_and_back(void **state)
{
	struct wire_message m, back;
	struct buf packet, again;
	int k;

	(void)state;
	for (k = WIRE_HELLO; k <= WIRE_ANEW; k++) {
		m = sample((enum wire_kind)k);
		buf_init(&packet, WIRE_MESSAGE_MAX);
		buf_init(&again, WIRE_MESSAGE_MAX);
		assert_true(wire_encode(&packet, &m));
		assert_true(wire_decode(&back, buf_span(&packet)));
		assert_int_equal(back.kind, k);
		assert_int_equal(back.id, m.id);
		assert_int_equal(back.what, m.what);
		assert_int_equal(back.tx.nonce, m.tx.nonce);
		assert_true(span_eq(back.tx.data, m.tx.data));
		assert_true(span_eq(back.sentence, m.sentence));
		assert_memory_equal(back.keys, m.keys, sizeof m.keys);
		assert_true(wire_encode(&again, &back));
		assert_true(span_eq(buf_span(&again), buf_span(&packet)));
		buf_free(&packet);
		buf_free(&again);
	}
}

static void test_what_is_no_message(void **state)
{
	static const uint8_t unknown[] = {0}, above[] = {WIRE_ANEW + 1};
	struct wire_message m;
	struct buf packet;
	size_t n;
	int k;

	(void)state;
	assert_false(wire_decode(&m, span_of(NULL, 0)));
	assert_false(wire_decode(&m, span_of(unknown, 1)));
	assert_false(wire_decode(&m, span_of(above, 1)));
	for (k = WIRE_HELLO; k <= WIRE_SIGNED; k++) {
		m = sample((enum wire_kind)k);
		m.tx.data.n = 0;
		buf_init(&packet, WIRE_MESSAGE_MAX);
		assert_true(wire_encode(&packet, &m));
		for (n = 0; n < packet.len; n++)
			assert_false(wire_decode(&m, span_of(packet.p, n)));
		assert_true(buf_add(&packet, "", 1));
		assert_int_equal(wire_decode(&m, buf_span(&packet)), k == WIRE_SIGN);
		buf_free(&packet);
	}
}

static void test_choices_and_ceilings(void **state)
{
	struct wire_message m = sample(WIRE_CONTRACT), big = sample(WIRE_SIGN);
	struct buf packet;

	(void)state;
	buf_init(&packet, WIRE_MESSAGE_MAX);
	assert_true(wire_encode(&packet, &m));
	packet.p[1] = SIGNING_KINDS;
	assert_false(wire_decode(&m, buf_span(&packet)));
	packet.len = 0;
	big.tx.data = span_of(data, WIRE_DATA_MAX);
	assert_true(wire_encode(&packet, &big));
	packet.len = 0;
	big.tx.data.n++;
	assert_false(wire_encode(&packet, &big));
	assert_int_equal(packet.len, 0);
	buf_free(&packet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back),
					   cmocka_unit_test(test_what_is_no_message),
					   cmocka_unit_test(test_choices_and_ceilings)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
