#include "l1_world.h"

#include "coordinator/base/clock.h"
#include "ethereum/abi.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

static bool asks(const char *data, const char *signature)
{
	uint8_t selector[4];
	char hex[9];

	abi_selector(selector, signature);
	hex_encode(hex, selector, 4);
	return strncmp(data + 2, hex, 8) == 0;
}

static void word(char *out, size_t size, uint64_t n)
{
	snprintf(out, size, "\"0x%064" PRIx64 "\"", n);
}

static void address_word(char *out, size_t size, const struct eth_address *a)
{
	char hex[41];

	hex_encode(hex, a->b, 20);
	snprintf(out, size, "\"0x%024d%s\"", 0, hex);
}

static void revert(char *out, size_t size, bool *is_error, const char *signature)
{
	uint8_t selector[4];
	char hex[9] = "";

	if (signature) {
		abi_selector(selector, signature);
		hex_encode(hex, selector, 4);
	}
	*is_error = true;
	snprintf(out, size, "{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0x%s\"}",
		 hex);
}

/* The seven words of the getter: roots and counts are made of the batch's number. */
static void commitment(const struct l1_world *w, char *out, size_t size, const char *data)
{
	const uint64_t batch = strtoull(data + 10 + 48, NULL, 16);
	size_t used = (size_t)snprintf(out, size, "\"0x");
	int i;

	for (i = 0; i < 7; i++)
		used += (size_t)snprintf(out + used, size - used, "%062" PRIx64 "%02x",
					 (uint64_t)(w->lags  ? 0
						    : i == 0 ? batch
						    : i == 4 ? w->recommitted
							     : 0),
					 i == 0 && !w->lags ? 0x11 : 0);
	snprintf(out + used, size - used, "\"");
}

static void at_proposer(struct l1_world *w, const char *data, const char *block, char *out,
			size_t size, bool *is_error)
{
	if (asks(data, "REQUIRE_TDX_PROOF()") && !w->old)
		word(out, size, w->needs_tdx);
	else if (asks(data, "REQUIRE_RISC0_PROOF()") || asks(data, "REQUIRE_SP1_PROOF()"))
		word(out, size, 0);
	else if (asks(data, "ALIGNED_MODE()"))
		word(out, size, w->aligned);
	else if (asks(data, "SEQUENCER_REGISTRY()") && w->based)
		word(out, size, 1);
	else if (asks(data, "CHAIN_ID()"))
		word(out, size, L1_WORLD_L2_CHAIN);
	else if (asks(data, w->old ? "TDXVERIFIER()" : "TDX_VERIFIER_ADDRESS()"))
		address_word(out, size, &w->verifier);
	else if (asks(data, "owner()"))
		address_word(out, size, &w->owner);
	else if (asks(data, "paused()"))
		word(out, size, w->paused);
	else if (asks(data, "lastCommittedBatch()"))
		word(out, size, w->committed);
	else if (asks(data, "lastVerifiedBatch()") && w->huge)
		snprintf(out, size, "\"0x%064d\"", 0), memset(out + 3, 'f', 64);
	else if (asks(data, "lastVerifiedBatch()"))
		word(out, size,
		     (w->asked_other && w->other_differs ? w->other_verified : w->verified) -
			 (strcmp(block, "latest") ? w->final_lags : 0));
	else if (asks(data, "batchCommitments(uint256)"))
		commitment(w, out, size, data);
	else if (asks(data, "verifyBatches(uint256,bytes[],bytes[],bytes[])") && !w->no_verify) {
		/* The round's probe names no proofs; a dry run does. */
		w->n_dry_runs += strlen(data) > 600;
		if (strlen(data) <= 600)
			revert(out, size, is_error, "EmptyBatch()");
		else if (w->refusal)
			revert(out, size, is_error, w->refusal);
		else
			snprintf(out, size, "\"0x\"");
	} else {
		revert(out, size, is_error, NULL);
	}
}

static void at_verifier(struct l1_world *w, const char *data, char *out, size_t size,
			bool *is_error)
{
	if (asks(data, "isDevMode()"))
		word(out, size, w->dev_mode);
	else if (asks(data, "authorizedSignature()"))
		address_word(out, size, &w->signer);
	else if (asks(data, "register(bytes)") && !w->register_refused)
		snprintf(out, size, "\"0x\"");
	else
		revert(out, size, is_error, NULL);
}

static void at_timelock(struct l1_world *w, const char *data, char *out, size_t size,
			bool *is_error)
{
	if (asks(data, "SEQUENCER()"))
		word(out, size, 7);
	else if (asks(data, "hasRole(bytes32,address)"))
		word(out, size, !w->no_role && data[10 + 63] == '7');
	else
		revert(out, size, is_error, NULL);
}

static bool is_to(const char *to, const struct eth_address *a)
{
	char hex[41];

	hex_encode(hex, a->b, 20);
	return strcasecmp(to + 2, hex) == 0;
}

/* What a transaction does, when it is mined. */
static void take_effect(struct l1_world *w)
{
	struct abi_value *v = NULL;
	struct uint256 last;
	uint64_t n;

	if (!w->calldata.len || w->no_effect)
		return;
	if (eth_address_equal(&w->tx.to, &w->proposer)) {
		assert_int_equal(abi_decode(&v, "(uint256,bytes[],bytes[],bytes[])",
					    span_of(w->calldata.p + 4, w->calldata.len - 4), NULL),
				 ETH_OK);
		memcpy(last.be, w->calldata.p + 4, 32);
		assert_true(uint256_to_u64(&n, &last));
		w->verified = n + v->items.p[3].items.n - 1;
	} else {
		assert_int_equal(abi_decode(&v, "(bytes)",
					    span_of(w->calldata.p + 4, w->calldata.len - 4), NULL),
				 ETH_OK);
		assert_int_equal(v->items.p[0].bytes.n, 20);
		memcpy(w->signer.b, v->items.p[0].bytes.p, 20);
	}
	abi_value_free(v);
}

static void take_raw(struct l1_world *w, const char *hex, char *out, size_t size)
{
	struct eth_address from;
	struct buf raw;
	char text[65];

	buf_init(&raw, 1 << 18);
	assert_true(hex_decode_buf(&raw, hex, strlen(hex)));
	assert_int_equal(eth_tx_decode(&w->tx, &from, w->hash, buf_span(&raw), NULL), ETH_OK);
	assert_true(eth_address_equal(&from, &w->sender));
	assert_int_equal(w->tx.chain_id, L1_WORLD_CHAIN_ID);
	w->calldata.len = 0;
	assert_true(buf_add(&w->calldata, w->tx.data.p, w->tx.data.n));
	w->tx.data = (struct span){NULL, 0};
	buf_free(&raw);
	w->n_raw++;
	w->nonce++;
	w->mined_at = ++w->head;
	take_effect(w);
	hex_encode(text, w->hash, 32);
	snprintf(out, size, "\"0x%s\"", text);
}

static void receipt(const struct l1_world *w, const char *asked, char *out, size_t size)
{
	char hash[65];

	hex_encode(hash, w->hash, 32);
	if (!w->n_raw || strcmp(asked + 2, hash) != 0)
		snprintf(out, size, "null");
	else
		snprintf(out, size,
			 "{\"status\":\"0x1\",\"blockNumber\":\"0x%" PRIx64 "\",\"blockHash\":"
			 "\"0x%064d\",\"transactionHash\":\"0x%s\",\"gasUsed\":\"0xbb80\"}",
			 w->mined_at, 0, hash);
}

static void on_call(struct l1_world *w, const json_t *params, char *out, size_t size,
		    bool *is_error)
{
	const json_t *call = json_array_get(params, 0), *at = json_array_get(params, 1);
	const char *to = json_string_value(json_object_get(call, "to"));
	const char *data = json_string_value(json_object_get(call, "data"));
	const char *block = json_string_value(at) ? json_string_value(at) : "latest";

	w->n_calls++;
	if (w->genesis && !w->asked_other) {
		snprintf(out, size, "\"0x\"");
	} else if (w->reads_fail) {
		*is_error = true;
		snprintf(out, size, "{\"code\":-32000,\"message\":\"the node is ill\"}");
	} else if (is_to(to, &w->proposer)) {
		at_proposer(w, data, block, out, size, is_error);
	} else if (is_to(to, &w->timelock) && !w->timelock_gone) {
		at_timelock(w, data, out, size, is_error);
	} else if (is_to(to, &w->verifier)) {
		at_verifier(w, data, out, size, is_error);
	} else {
		snprintf(out, size, "\"0x\"");
	}
}

static void code(const struct l1_world *w, const char *at, char *out, size_t size)
{
	const bool there = is_to(at, &w->proposer) || is_to(at, &w->verifier) ||
			   (is_to(at, &w->timelock) && !w->timelock_gone);

	snprintf(out, size, there ? "\"0x60\"" : "\"0x\"");
}

static void estimate(struct l1_world *w, const json_t *params, char *out, size_t size,
		     bool *is_error)
{
	const json_t *data = json_object_get(json_array_get(params, 0), "data");

	*is_error = w->most_estimated && json_string_length(data) > w->most_estimated;
	w->n_too_big += *is_error;
	snprintf(out, size,
		 *is_error ? "{\"code\":-32000,\"message\":\"gas required exceeds allowance "
			     "(16777216)\"}"
			   : "\"0xbb80\"");
}

static void on_method(void *arg, const char *method, const json_t *params, char *out, size_t size,
		      bool *is_error)
{
	struct l1_world *w = arg;
	const char *second = json_string_value(json_array_get(params, 1));
	uint64_t nonce = w->nonce;

	if (w->ill_method && !w->asked_other && strcmp(method, w->ill_method) == 0) {
		*is_error = strstr(w->ill_answer, "\"code\"") != NULL;
		snprintf(out, size, "%s", w->ill_answer);
	} else if (strcmp(method, "eth_getBlockByNumber") == 0) {
		w->head++;
		snprintf(out, size,
			 "{\"number\":\"0x%" PRIx64 "\",\"timestamp\":\"0x%" PRIx64 "\",\"hash\":"
			 "\"0x%064d\",\"parentHash\":\"0x%064d\"}",
			 w->head, w->time, 0, 0);
	} else if (strcmp(method, "eth_getTransactionCount") == 0) {
		if (second[0] == '0' && w->n_raw && strtoull(second + 2, NULL, 16) < w->mined_at)
			nonce--;
		snprintf(out, size, "\"0x%" PRIx64 "\"", nonce);
	} else if (strcmp(method, "eth_getBalance") == 0) {
		*is_error = w->no_balance;
		if (w->no_balance)
			snprintf(out, size, "{\"code\":-32601,\"message\":\"Method not found\"}");
		else if (w->balance)
			snprintf(out, size, "\"0x%" PRIx64 "\"", w->balance);
		else
			snprintf(out, size, "\"0x56bc75e2d63100000\"");
	} else if (strcmp(method, "eth_feeHistory") == 0) {
		snprintf(out, size,
			 "{\"baseFeePerGas\":[\"0x1\",\"0x3b9aca00\"],"
			 "\"reward\":[[\"0x5f5e100\"]]}");
	} else if (strcmp(method, "eth_estimateGas") == 0) {
		estimate(w, params, out, size, is_error);
	} else if (strcmp(method, "eth_getCode") == 0) {
		code(w, json_string_value(json_array_get(params, 0)), out, size);
	} else if (strcmp(method, "eth_call") == 0) {
		on_call(w, params, out, size, is_error);
	} else if (strcmp(method, "eth_sendRawTransaction") == 0) {
		take_raw(w, json_string_value(json_array_get(params, 0)), out, size);
	} else if (strcmp(method, "eth_getTransactionReceipt") == 0) {
		receipt(w, json_string_value(json_array_get(params, 0)), out, size);
	} else {
		fail_msg("unexpected method %s", method);
	}
}

static void on_other(void *arg, const char *method, const json_t *params, char *out, size_t size,
		     bool *is_error)
{
	struct l1_world *w = arg;

	w->asked_other = true;
	on_method(arg, method, params, out, size, is_error);
	w->asked_other = false;
}

static void open_world(struct l1_world *w, uv_loop_t *loop, bool two, uint32_t rest_ms)
{
	struct rpc_options o = {
	    .n_urls = two ? 2 : 1, .backoff_min_ms = 10, .backoff_max_ms = rest_ms};
	struct why why = {""};
	const char *urls[2];
	char url[64], other[64];

	memset(w, 0, sizeof *w);
	w->loop = loop;
	w->two = two;
	w->proposer = (struct eth_address){{0x0a, 1}};
	w->verifier = (struct eth_address){{0x0b, 2}};
	w->needs_tdx = w->dev_mode = true;
	w->head = 100;
	w->time = clock_wall_ms() / 1000;
	w->nonce = 5;
	assert_true(eth_key_parse(&w->key, L1_WORLD_KEY, &why));
	assert_true(eth_key_address(&w->sender, &w->key));
	w->owner = w->sender;
	w->timelock = (struct eth_address){{0x0c, 3}};
	buf_init(&w->calldata, 1 << 18);
	w->node.chain_id = L1_WORLD_CHAIN_ID;
	w->node.answer = on_method;
	w->node.arg = w;
	fake_node_start(&w->node, loop, 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%d", w->node.port);
	urls[0] = url;
	if (two) {
		w->other.chain_id = L1_WORLD_CHAIN_ID;
		w->other.answer = on_other;
		w->other.arg = w;
		fake_node_start(&w->other, loop, 0);
		snprintf(other, sizeof other, "http://127.0.0.1:%d", w->other.port);
		urls[1] = other;
	}
	o.urls = urls;
	w->rpc = rpc_new(loop, &o, &why);
	assert_non_null(w->rpc);
}

void l1_world_open(struct l1_world *w, uv_loop_t *loop)
{
	open_world(w, loop, false, 50);
}

void l1_world_open_two(struct l1_world *w, uv_loop_t *loop)
{
	open_world(w, loop, true, 50);
}

void l1_world_open_patient(struct l1_world *w, uv_loop_t *loop)
{
	open_world(w, loop, true, 600000);
}

void l1_world_close(struct l1_world *w)
{
	rpc_close(w->rpc, NULL, NULL);
	fake_node_stop(&w->node);
	if (w->two)
		fake_node_stop(&w->other);
	uv_run(w->loop, UV_RUN_DEFAULT);
	buf_free(&w->calldata);
	eth_key_wipe(&w->key);
}

static void on_beat(uv_timer_t *t)
{
	(void)t;
}

static void on_beat_closed(uv_handle_t *h)
{
	*(bool *)h->data = true;
}

/* A beat, so that a turn of the loop never waits for an event that does not come. */
static void turn(struct l1_world *w, bool (*done)(void *arg), void *arg, uint64_t until)
{
	bool closed = false;
	uv_timer_t beat;

	uv_timer_init(w->loop, &beat);
	beat.data = &closed;
	uv_timer_start(&beat, on_beat, 5, 5);
	while (clock_mono_ms() < until && !(done && done(arg)))
		uv_run(w->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&beat, on_beat_closed);
	while (!closed)
		uv_run(w->loop, UV_RUN_ONCE);
}

void l1_world_until(struct l1_world *w, bool (*done)(void *arg), void *arg)
{
	turn(w, done, arg, clock_mono_ms() + 30000);
	assert_true(done(arg));
}

void l1_world_wait(struct l1_world *w, unsigned ms)
{
	turn(w, NULL, NULL, clock_mono_ms() + ms);
}
