/* The glue: real keys, real JSON-RPC over loopback, a scripted node that mines what it is sent. */
#include "coordinator/sender/sender_io.h"
#include "ethereum/tx.h"
#include "fake_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY "0x0123456789012345678901234567890123456789012345678901234567890123"

struct chain {
	uint64_t head, nonce;
	bool mined, fails, refuses, no_rewards, indexing, goal;
	const char *fees; /* what is answered instead of a fee history */
	bool not_found;   /* an error in place of null for a receipt that is not there */
	unsigned unseen;  /* times that its receipt is asked for before it is mined */
	bool bare;        /* no methods and fields that a node may lack */
	/* strict as ethrex: a simulation names the nonce; so often it has moved on meanwhile */
	bool wants_nonce, no_simulation, no_estimate, no_code;
	unsigned nothings; /* so often its estimate is 0 */
	unsigned moves_on;
	unsigned n_dry_runs;
	uint8_t hash[32];
	uint64_t block;
	struct eth_tx tx;
	unsigned n_raw;
};

struct fixture {
	uv_loop_t loop;
	struct fake_node node;
	struct chain chain;
	struct rpc *rpc;
	struct sender_io *io;
	struct eth_key key;
	struct eth_address address;
	struct buf stored;
	unsigned n_persisted, n_goals;
	bool finished, answer_later;
	uint64_t later_ticket;
	enum sender_outcome outcome;
	bool has_receipt;
	uint8_t tx_hash[32];
	uint64_t gas_used, block_number;
	char sentence[512];
	uint8_t revert_data[8];
	size_t revert_n;
};

static void mine(struct chain *c)
{
	c->mined = true;
	c->block = ++c->head;
	c->nonce++;
}

static void take_raw(struct fixture *f, const char *hex, char *out, size_t size)
{
	struct chain *c = &f->chain;
	struct eth_address from;
	struct buf raw;
	struct why why = {""};
	char text[65];

	buf_init(&raw, 1 << 18);
	assert_true(hex_decode_buf(&raw, hex, strlen(hex)));
	assert_int_equal(eth_tx_decode(&c->tx, &from, c->hash, buf_span(&raw), &why), ETH_OK);
	assert_true(eth_address_equal(&from, &f->address));
	assert_int_equal(c->tx.chain_id, 31337);
	assert_int_equal(c->tx.nonce, c->nonce);
	assert_true(span_eq(c->tx.data, span_of("\x01\x02\x03\x04", 4)));
	/* persisted before it was sent */
	assert_true(f->n_persisted > 0);
	c->tx.data = (struct span){NULL, 0};
	c->n_raw++;
	if (!c->unseen)
		mine(c);
	hex_encode(text, c->hash, 32);
	snprintf(out, size, "\"0x%s\"", text);
	buf_free(&raw);
}

static bool nonce_fits(struct chain *c, const json_t *call)
{
	const char *nonce = json_string_value(json_object_get(call, "nonce"));

	if (c->moves_on) {
		c->moves_on--;
		return false;
	}
	return nonce && strtoull(nonce + 2, NULL, 16) == c->nonce;
}

static void node_answer(void *arg, const char *method, const json_t *params, char *out, size_t size,
			bool *is_error)
{
	struct fixture *f = arg;
	struct chain *c = &f->chain;
	static const char zero[] =
	    "0000000000000000000000000000000000000000000000000000000000000000";

	if (c->bare &&
	    (strcmp(method, "eth_getBalance") == 0 || strcmp(method, "eth_feeHistory") == 0 ||
	     strcmp(method, "eth_maxPriorityFeePerGas") == 0 ||
	     (strcmp(method, "eth_getTransactionCount") == 0 &&
	      strcmp(json_string_value(json_array_get(params, 1)), "pending") == 0))) {
		*is_error = true;
		snprintf(out, size,
			 "{\"code\":-32601,\"message\":\"the method %s does not exist\"}", method);
	} else if (strcmp(method, "eth_getBlockByNumber") == 0) {
		/* here, for a view begins with the head: nothing happens in the middle of one */
		if (c->n_raw && !c->mined && !c->unseen)
			mine(c);
		c->head++;
		snprintf(out, size,
			 "{\"number\":\"0x%llx\",\"timestamp\":\"0x1\",\"hash\":\"0x%s\","
			 "\"parentHash\":\"0x%s\",\"baseFeePerGas\":\"0x77359400\"}",
			 (unsigned long long)c->head, zero, zero);
	} else if (strcmp(method, "eth_getTransactionCount") == 0) {
		const char *block = json_string_value(json_array_get(params, 1));
		uint64_t n = c->nonce;

		/* the block before the transaction's */
		if (block[0] == '0' && c->mined && strtoull(block + 2, NULL, 16) < c->block)
			n--;
		snprintf(out, size, "\"0x%llx\"", (unsigned long long)n);
	} else if (strcmp(method, "eth_getBalance") == 0) {
		snprintf(out, size, "\"0x56bc75e2d63100000\"");
	} else if (strcmp(method, "eth_feeHistory") == 0) {
		assert_string_equal(json_string_value(json_array_get(params, 0)), "0x5");
		if (c->fees)
			snprintf(out, size, "%s", c->fees);
		else
			snprintf(out, size,
				 "{\"baseFeePerGas\":[\"0x1\",\"0x3b9aca00\"],\"reward\":%s}",
				 c->no_rewards ? "[]" : "[[\"0x5f5e100\"]]");
	} else if (strcmp(method, "eth_maxPriorityFeePerGas") == 0) {
		snprintf(out, size, "\"0x77359400\"");
	} else if (strcmp(method, "eth_call") == 0 || strcmp(method, "eth_estimateGas") == 0) {
		const json_t *call = json_array_get(params, 0);

		assert_string_equal(json_string_value(json_object_get(call, "data")), "0x01020304");
		c->n_dry_runs += strcmp(method, "eth_call") == 0;
		if (c->wants_nonce && !nonce_fits(c, call)) {
			*is_error = true;
			snprintf(out, size,
				 "{\"code\":-32015,\"message\":\"Vm execution error: Invalid "
				 "Transaction: Nonce mismatch: expected %llu, got 0\"}",
				 (unsigned long long)c->nonce);
		} else if (strcmp(method, "eth_call") == 0 ? c->no_simulation : c->no_estimate) {
			*is_error = true;
			snprintf(out, size,
				 "{\"code\":-32015,\"message\":\"Vm execution error: Invalid "
				 "Transaction: Sender account 0x1 shouldn't be a contract\"}");
		} else if (c->refuses || (c->fails && c->mined)) {
			*is_error = true;
			snprintf(out, size,
				 "{\"code\":3,\"message\":\"execution reverted\",\"data\":"
				 "\"0x62013a95\"}");
		} else if (c->nothings && strcmp(method, "eth_estimateGas") == 0) {
			snprintf(out, size, "\"0x0\"");
			c->nothings--;
		} else {
			snprintf(out, size, "\"0x186a0\"");
		}
	} else if (strcmp(method, "eth_getCode") == 0) {
		snprintf(out, size, c->no_code ? "\"0x\"" : "\"0x60\"");
	} else if (strcmp(method, "eth_sendRawTransaction") == 0) {
		take_raw(f, json_string_value(json_array_get(params, 0)), out, size);
	} else if (strcmp(method, "eth_getTransactionReceipt") == 0) {
		char hash[65];

		hex_encode(hash, c->hash, 32);
		if (c->indexing) {
			*is_error = true;
			snprintf(out, size,
				 "{\"code\":-32000,\"message\":\"transaction indexing is in "
				 "progress\"}");
			c->indexing = false;
		} else if (!c->mined) {
			c->unseen -= c->unseen > 0;
			*is_error = c->not_found;
			snprintf(out, size, "%s",
				 c->not_found ? "{\"code\":-32000,\"message\":\"unknown "
						"transaction\"}"
					      : "null");
		} else {
			snprintf(out, size,
				 "{\"status\":\"0x%d\",\"blockNumber\":\"0x%llx\",\"blockHash\":"
				 "\"0x%s\",\"transactionHash\":\"0x%s\",\"gasUsed\":\"0x5208\"%s}",
				 !c->fails, (unsigned long long)c->block, zero, hash,
				 c->bare ? ",\"effectiveGasPrice\":null" : "");
		}
	} else {
		fail_msg("unexpected method %s", method);
	}
}

static void on_persist(void *arg, uint64_t ticket, const struct sender_intent *intent)
{
	struct fixture *f = arg;
	struct sender_event e = {.kind = SENDER_EV_DONE, .ticket = ticket, .endpoint = -1};

	f->n_persisted++;
	f->stored.len = 0;
	assert_true(sender_intent_encode(intent, &f->stored));
	if (f->answer_later)
		f->later_ticket = ticket;
	else
		sender_io_answer(f->io, &e);
}

static void on_sign(void *arg, const struct sender_action *a)
{
	struct fixture *f = arg;
	struct sender_event e = {.kind = SENDER_EV_SIGNED, .ticket = a->ticket, .endpoint = -1};
	const struct eth_tx tx = sender_action_tx(a);
	struct why why = {""};
	struct buf raw;

	buf_init(&raw, SENDER_TX_BYTES_MAX);
	if (eth_tx_sign(&raw, e.done_signed.hash, &tx, &f->key, &why) != ETH_OK) {
		e.kind = SENDER_EV_FAILED;
		e.sentence = why.text;
	} else {
		e.done_signed.raw = buf_span(&raw);
	}
	sender_io_answer(f->io, &e);
	buf_free(&raw);
}

static void on_goal(void *arg, const struct sender_action *a)
{
	struct fixture *f = arg;
	struct sender_event e = {.kind = SENDER_EV_GOAL, .ticket = a->ticket, .endpoint = 0};

	assert_int_equal(a->intent->last_batch, 9);
	f->n_goals++;
	e.goal = f->chain.goal;
	if (a->at_block != SENDER_LATEST) {
		assert_int_equal(a->at_block, f->chain.block);
		assert_int_equal(a->endpoint, 0);
		e.goal = f->chain.mined && !f->chain.fails;
	}
	sender_io_answer(f->io, &e);
}

static void on_finished(void *arg, const struct sender_action *a)
{
	struct fixture *f = arg;

	f->finished = true;
	f->outcome = a->outcome;
	f->has_receipt = a->has_receipt;
	memcpy(f->tx_hash, a->tx_hash, 32);
	f->gas_used = a->gas_used;
	f->block_number = a->block_number;
	snprintf(f->sentence, sizeof f->sentence, "%s", a->sentence);
	f->revert_n = a->revert_data.n < 8 ? a->revert_data.n : 8;
	if (f->revert_n)
		memcpy(f->revert_data, a->revert_data.p, f->revert_n);
}

/* As a run of the daemon does. */
static void begin(struct fixture *f)
{
	const struct sender_io_owner owner = {on_persist, on_sign, on_goal, on_finished, f};
	struct sender_io_options options = {.fee_percentile = 50};
	struct why why = {""};

	sender_options_default(&options.sender);
	options.sender.chain_id = 31337;
	options.sender.poll_ms = 20;
	options.sender.retry_min_ms = 10;
	options.sender.resend_ms = 50;
	f->io = sender_io_new(&f->loop, f->rpc, &options, &owner, &why);
	assert_non_null(f->io);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct rpc_options ro = {.n_urls = 1, .backoff_min_ms = 10, .backoff_max_ms = 50};
	struct why why = {""};
	const char *urls[1];
	char url[64];

	assert_non_null(f);
	uv_loop_init(&f->loop);
	f->chain = (struct chain){.head = 100, .nonce = 5};
	f->node.answer = node_answer;
	f->node.arg = f;
	fake_node_start(&f->node, &f->loop, 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%d", f->node.port);
	urls[0] = url;
	ro.urls = urls;
	f->rpc = rpc_new(&f->loop, &ro, &why);
	assert_non_null(f->rpc);
	assert_true(eth_key_parse(&f->key, KEY, &why));
	assert_true(eth_key_address(&f->address, &f->key));
	buf_init(&f->stored, 1 << 18);
	begin(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sender_io_close(f->io, NULL, NULL);
	rpc_close(f->rpc, NULL, NULL);
	fake_node_stop(&f->node);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	buf_free(&f->stored);
	eth_key_wipe(&f->key);
	free(f);
	return 0;
}

static void wish(struct fixture *f)
{
	struct sender_wish w = {.id = 3,
				.kind = SENDER_VERIFY,
				.from = f->address,
				.to = {{9, 9}},
				.calldata = span_of("\x01\x02\x03\x04", 4),
				.first_batch = 8,
				.last_batch = 9};
	struct why why = {""};

	assert_true(sender_io_wish(f->io, &w, &why));
}

static void run_until_finished(struct fixture *f)
{
	while (!f->finished)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static void test_confirmed(void **state)
{
	struct fixture *f = *state;

	f->chain.indexing = true;
	wish(f);
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_CONFIRMED);
	assert_true(f->has_receipt);
	assert_memory_equal(f->tx_hash, f->chain.hash, 32);
	assert_int_equal(f->gas_used, 21000);
	assert_int_equal(f->block_number, f->chain.block);
	assert_int_equal(f->chain.n_raw, 1);
	assert_int_equal(f->chain.tx.nonce, 5);
	assert_int_equal(f->chain.tx.gas, 120000);
	assert_int_equal(f->chain.tx.max_priority_fee, 100000000);
	assert_int_equal(f->chain.tx.max_fee, 2100000000);
	assert_true(f->chain.head >= f->chain.block + 2);
}

static void test_tip_from_the_oracle(void **state)
{
	struct fixture *f = *state;

	f->chain.no_rewards = true;
	wish(f);
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_CONFIRMED);
	assert_int_equal(f->chain.tx.max_priority_fee, 2000000000);
	assert_int_equal(f->chain.tx.max_fee, 4000000000);
}

/* No fee history, no balance, no pending block, no price in the receipt. */
static void test_what_a_node_may_lack(void **state)
{
	struct fixture *f = *state;

	f->chain.bare = true;
	wish(f);
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_CONFIRMED);
	assert_true(f->has_receipt);
	assert_int_equal(f->chain.tx.max_priority_fee, 1);
	/* twice what the head's 2 gwei can become, and the tip */
	assert_int_equal(f->chain.tx.max_fee, 4500000003);
}

/* A fee history that is there and says nothing. */
static void test_fee_histories_that_say_nothing(void **state)
{
	static const char *const histories[] = {
	    "null",
	    "{}",
	    "{\"baseFeePerGas\":[],\"reward\":[]}",
	    "{\"oldestBlock\":\"0x1\",\"baseFeePerGas\":[null],\"reward\":null}",
	    "{\"baseFeePerGas\":[\"0x1\"],\"reward\":[[null]]}",
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof histories / sizeof histories[0]; i++) {
		f->chain.fees = histories[i];
		f->chain.mined = f->finished = false;
		f->chain.n_raw = 0;
		wish(f);
		run_until_finished(f);
		assert_int_equal(f->outcome, SENDER_CONFIRMED);
		/* twice what the head's 2 gwei can become, and the oracle's tip */
		assert_int_equal(f->chain.tx.max_fee, 6500000002);
	}
}

/* "unknown transaction" where others answer null: no reason to look no further. */
static void test_a_receipt_that_is_not_found(void **state)
{
	struct fixture *f = *state;

	f->chain.not_found = true;
	f->chain.unseen = 2;
	wish(f);
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_CONFIRMED);
	assert_int_equal(f->chain.unseen, 0);
}

static void test_simulations_name_the_nonce(void **state)
{
	struct fixture *f = *state;

	f->chain.wants_nonce = true;
	f->chain.moves_on = 2;
	wish(f);
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_CONFIRMED);
	assert_int_equal(f->chain.n_raw, 1);
	assert_int_equal(f->chain.n_dry_runs, 3);
}

static void test_without_a_dry_run_the_estimate_decides(void **state)
{
	struct fixture *f = *state;
	char text[512];

	f->chain.no_simulation = f->chain.no_estimate = true;
	wish(f);
	do {
		uv_run(&f->loop, UV_RUN_ONCE);
		sender_io_describe(f->io, text, sizeof text);
	} while (!strstr(text, "the node makes no estimate of this call: "));
	assert_non_null(strstr(text, "shouldn't be a contract"));
	assert_int_equal(f->chain.n_raw, 0);
	f->chain.no_estimate = false;
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_CONFIRMED);
}

/* Less gas than any transaction uses: no node would take what is signed for it. */
static void test_an_estimate_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	char text[512];

	f->chain.nothings = 2;
	wish(f);
	do {
		uv_run(&f->loop, UV_RUN_ONCE);
		sender_io_describe(f->io, text, sizeof text);
	} while (!strstr(text, "eth_estimateGas: 0 gas is less than any transaction uses"));
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_CONFIRMED);
	assert_int_equal(f->chain.n_raw, 1);
}

static void test_nothing_is_sent_to_an_address_without_code(void **state)
{
	struct fixture *f = *state;

	f->chain.no_code = true;
	wish(f);
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_REVERTED);
	assert_non_null(strstr(f->sentence, "there is no contract at 0x0909"));
	assert_int_equal(f->n_goals, 1);
	assert_int_equal(f->chain.n_raw, 0);
}

static void test_reverted(void **state)
{
	struct fixture *f = *state;

	f->chain.refuses = true;
	wish(f);
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_REVERTED);
	assert_int_equal(f->revert_n, 4);
	assert_memory_equal(f->revert_data, "\x62\x01\x3a\x95", 4);
	assert_non_null(strstr(f->sentence, "InvalidTdxProof"));
	assert_int_equal(f->n_goals, 1);
	assert_int_equal(f->chain.n_raw, 0);
}

static void test_failed_on_chain(void **state)
{
	struct fixture *f = *state;

	f->chain.fails = true;
	wish(f);
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_FAILED_ON_CHAIN);
	assert_int_equal(f->revert_n, 4);
	assert_int_equal(f->n_goals, 1);
}

static void test_resume(void **state)
{
	struct fixture *f = *state;
	struct sender_intent in;
	struct why why = {""};

	/* the durable answer never comes: the daemon dies between persist and broadcast */
	f->answer_later = true;
	wish(f);
	while (!f->n_persisted)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->chain.n_raw, 0);
	sender_io_close(f->io, NULL, NULL);
	begin(f);
	f->answer_later = false;
	sender_intent_init(&in);
	assert_true(sender_intent_decode(&in, buf_span(&f->stored), &why));
	assert_true(sender_io_resume(f->io, &in, &why));
	run_until_finished(f);
	assert_int_equal(f->outcome, SENDER_CONFIRMED);
	assert_int_equal(f->chain.n_raw, 1);
}

static void test_close_in_the_middle(void **state)
{
	struct fixture *f = *state;

	wish(f);
	uv_run(&f->loop, UV_RUN_ONCE);
	uv_run(&f->loop, UV_RUN_ONCE);
	assert_false(f->finished);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_confirmed),
	    T(test_tip_from_the_oracle),
	    T(test_what_a_node_may_lack),
	    T(test_fee_histories_that_say_nothing),
	    T(test_a_receipt_that_is_not_found),
	    T(test_simulations_name_the_nonce),
	    T(test_without_a_dry_run_the_estimate_decides),
	    T(test_an_estimate_that_cannot_be),
	    T(test_nothing_is_sent_to_an_address_without_code),
	    T(test_reverted),
	    T(test_failed_on_chain),
	    T(test_resume),
	    T(test_close_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
