/*
 * agenda_world.h -- what goes to L1 next: with a real store, sender and client, and an L1 of a few
 * variables.
 */
#ifndef TESTS_AGENDA_WORLD_H
#define TESTS_AGENDA_WORLD_H

#include "../l1/l1_world.h"
#include "../signing/signing_world.h"
#include "../store/fenced_engine.h"
#include "coordinator/base/clock.h"
#include "coordinator/proofs/proofs.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/transactions/agenda.h"
#include "ethereum/abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BATCHES 4

struct fixture {
	uv_loop_t loop;
	struct l1_world w;
	char dir[64];
	struct store *store;
	struct work *work;
	struct registrar *registrar;
	struct l1 *l1;
	struct commitments *commitments;
	struct proofs *proofs;
	struct wake *wake;
	struct signing *signing;
	struct agenda *agenda;
	struct agenda_options options;
	struct eth_key prover;
	struct eth_address signer;
	unsigned acks;
	bool store_is_closed;
	bool shared; /* the store, by an engine that the test tells who leads */
	struct fenced_engine *engine;
};

/* Quotes have tests of their own; a dev-mode contract asks for none. */
const struct evidence *quotes_evidence(const struct quotes *a, const struct eth_address *signer)
{
	(void)a;
	(void)signer;
	return NULL;
}

void quotes_changed(struct quotes *a)
{
	(void)a;
}

void quotes_note_contract(struct quotes *a, const struct eth_address *signer, const char *words)
{
	(void)a;
	(void)signer;
	(void)words;
}

static inline void on_facts(void *arg, const struct l1_facts *f)
{
	struct fixture *x = arg;
	const struct work_chain chain = {f->committed, f->verified, f->final};
	const struct eth_address *counting;
	struct why why = {""};

	work_set_needed(x->work, f->needed);
	work_set_chain(x->work, &chain, &why);
	registrar_set_contract(x->registrar, &f->tdx_verifier, f->tdx_dev_mode);
	registrar_set_signer(x->registrar, &f->signer, clock_wall_ms(), &why);
	counting = registrar_counting_signer(x->registrar);
	work_set_signer(x->work, counting ? WORK_SIGNER_IS : WORK_SIGNER_NONE, counting);
	assert_true(agenda_open(x->agenda, f->l1_chain_id, &why));
	proofs_judge(x->proofs);
	wake_up(x->wake);
}

static inline void on_failed(void *arg, const char *sentence)
{
	(void)arg;
	(void)sentence;
}

static inline void on_fatal(void *arg, const char *event, const char *sentence)
{
	(void)arg;
	fail_msg("%s: %s", event, sentence);
}

static inline void on_wake(void *arg)
{
	struct fixture *x = arg;

	if (x->agenda)
		agenda_next(x->agenda);
}

static inline void on_leads(void *arg, uint64_t fence, const struct store_change *intents, size_t n)
{
	struct fixture *x = arg;
	struct why why = {""};

	if (!fence)
		agenda_yield(x->agenda);
	else if (!agenda_lead(x->agenda, intents, n, &why))
		fail_msg("%s", why.text);
	l1_refresh(x->l1);
	wake_up(x->wake);
}

static inline void make_agenda(struct fixture *x)
{
	const struct agenda_parts parts = {.loop = &x->loop,
					   .store = x->store,
					   .rpc = x->w.rpc,
					   .l1 = x->l1,
					   .registrar = x->registrar,
					   .work = x->work,
					   .proofs = x->proofs,
					   .wake = x->wake,
					   .signing = x->signing};
	struct why why = {""};

	assert_true(agenda_new(&x->agenda, &parts, &x->options, &why));
}

static inline void make_book(struct fixture *x)
{
	const struct registrar_settings rs = {.max_provers = 8,
					      .allow_dev_mode = true,
					      .silence_ms = 600000,
					      .drain_ms = 600000,
					      .gas_per_day = 50000000,
					      .gas_per_registration = 60000,
					      .retry_min_ms = 5000,
					      .retry_max_ms = 600000};
	struct work_limits wl = {.max_batches = 100,
				 .max_inputs = 100,
				 .max_versions = 4,
				 .max_candidates = 4,
				 .max_candidates_per_source = 100,
				 .lease_ms = 60000};
	struct why why = {""};
	uint64_t b;
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = 65536;
	x->work = work_new(&wl);
	x->registrar = registrar_new(&rs);
	assert_true(x->work && x->registrar);
	for (b = 1; b <= BATCHES; b++) {
		const uint8_t sha[32] = {(uint8_t)b};

		assert_int_equal(work_add_input(x->work, b, "abcdef0", sha, 10, &why),
				 WORK_INPUT_NEW);
	}
}

static inline void open_parts(struct fixture *x)
{
	const struct store_events se = {.leads = on_leads, .arg = x};
	struct store_options so = {.dir = x->dir, .events = &se};
	const struct l1_events events = {on_facts, on_failed, on_fatal, x};
	const struct l1_options lo = {
	    .proposer = x->w.proposer, .confirmations = 1, .every_ms = 20};
	struct proofs_parts pp;
	struct l1_parts lp;
	struct why why = {""};

	if (x->shared) {
		x->engine = fenced_engine_new(x->dir, &why);
		assert_non_null(x->engine);
		so.engine = &x->engine->engine;
	}
	assert_int_equal(store_open(&x->store, &x->loop, &so, &why), STORE_OK);
	make_book(x);
	x->wake = wake_new(&x->loop, on_wake, x, &why);
	lp = (struct l1_parts){&x->loop, x->w.rpc, x->store};
	assert_true(l1_new(&x->l1, &lp, &lo, &events, &why));
	assert_true(commitments_new(&x->commitments, x->w.rpc, &x->w.proposer, &why));
	pp = (struct proofs_parts){x->store, x->work, x->registrar, x->l1, x->commitments, x->wake};
	assert_true(proofs_new(&x->proofs, &pp, 65536, &why));
	x->signing = signing_world_open(&x->loop, &x->w.key, &x->w.key, &x->w.proposer);
	make_agenda(x);
}

static inline void nothing(void *arg)
{
	(void)arg;
}

static inline void on_store_closed(void *arg)
{
	((struct fixture *)arg)->store_is_closed = true;
}

/* What is on the wire still calls back, and must find nobody. */
static inline void close_parts(struct fixture *x)
{
	proofs_stop(x->proofs);
	l1_close(x->l1, nothing, NULL);
	agenda_close(x->agenda, nothing, NULL);
	signing_world_close(&x->loop, x->signing);
	wake_close(x->wake, nothing, NULL);
	x->store_is_closed = false;
	store_close(x->store, on_store_closed, x);
	while (!x->store_is_closed)
		uv_run(&x->loop, UV_RUN_ONCE);
	l1_world_wait(&x->w, 50);
	agenda_free(x->agenda);
	proofs_free(x->proofs);
	commitments_free(x->commitments);
	l1_free(x->l1);
	work_free(x->work);
	registrar_free(x->registrar);
}

static inline int setup_store(void **state, bool shared)
{
	struct fixture *x = calloc(1, sizeof *x);

	x->shared = shared;
	uv_loop_init(&x->loop);
	l1_world_open(&x->w, &x->loop);
	x->w.committed = BATCHES;
	strcpy(x->dir, "/tmp/test_agenda.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	x->options = (struct agenda_options){.outbox = {.proposer = x->w.proposer},
					     .verify_to = x->w.proposer,
					     .max_batches = 32,
					     .max_proof_bytes = 65536,
					     .gas_cap = 16777216,
					     .data_dir = x->dir};
	sender_options_default(&x->options.outbox.sender);
	x->options.outbox.sender.confirmations = 1;
	x->options.outbox.sender.poll_ms = 10;
	x->options.outbox.sender.retry_min_ms = 5;
	open_parts(x);
	x->prover.secret[31] = 7;
	assert_true(eth_key_address(&x->signer, &x->prover));
	*state = x;
	return 0;
}

static inline int setup(void **state)
{
	return setup_store(state, false);
}

static inline int setup_shared(void **state)
{
	return setup_store(state, true);
}

static inline int teardown(void **state)
{
	struct fixture *x = *state;
	char command[128];

	close_parts(x);
	l1_world_close(&x->w);
	eth_key_wipe(&x->prover);
	assert_int_equal(uv_loop_close(&x->loop), 0);
	snprintf(command, sizeof command, "rm -rf %s", x->dir);
	assert_int_equal(system(command), 0);
	free(x);
	return 0;
}

/* A ProverSetup of 20 bytes, kept. */
static inline void enlist(struct fixture *x)
{
	struct registrar_check check;
	struct why why = {""};

	registrar_set_contract(x->registrar, &x->w.verifier, true);
	if (!registrar_check(x->registrar, span_of(x->signer.b, 20), NULL, "10.0.0.5",
			     clock_wall_ms(), &check, &why))
		fail_msg("%s", why.text);
	assert_true(registrar_setup(x->registrar, &check, &why));
	wake_up(x->wake);
}

static inline void on_answer(void *arg, enum proof_answer answer, const char *code,
			     const char *sentence)
{
	struct fixture *x = arg;

	(void)code;
	if (answer != PROOF_ACK)
		fail_msg("%s", sentence);
	x->acks++;
}

/* The eight words that the chain of l1_world commits for this batch. */
static inline void prove(struct fixture *x, uint64_t batch, const struct eth_key *key)
{
	uint8_t words[8][32] = {{0}}, sig[65];
	struct proof proof = {.prover_type = PROVER_TDX};
	int i;

	words[0][30] = (uint8_t)(batch - 1);
	words[1][30] = (uint8_t)batch;
	words[0][31] = words[1][31] = 0x11;
	for (i = 0; i < 8; i++)
		words[6][24 + i] = (uint8_t)((uint64_t)L1_WORLD_L2_CHAIN >> 8 * (7 - i));
	assert_true(eip191_sign(sig, key, words, sizeof words));
	buf_init(&proof.bytes, 65);
	buf_init(&proof.public_values, 1);
	assert_true(buf_add(&proof.bytes, sig, sizeof sig));
	proofs_submit(x->proofs, batch, &proof, NULL, "10.0.0.5", on_answer, x);
	buf_free(&proof.bytes);
}

static inline bool is_registered(void *arg)
{
	struct fixture *x = arg;
	const struct eth_address *signer = registrar_signer(x->registrar);

	return signer && eth_address_equal(signer, &x->signer) &&
	       agenda_counters(x->agenda)->txs[SENDER_CONFIRMED] > 0;
}

static inline bool outbox_is_idle(const struct fixture *x)
{
	return !sender_busy(sender_io_sender(agenda_sender(x->agenda)));
}

static inline bool all_verified(void *arg)
{
	struct fixture *x = arg;

	/* the chain says so, and what was sent has come to its end */
	return l1_facts(x->l1) && l1_facts(x->l1)->verified == BATCHES && outbox_is_idle(x);
}

static inline bool dry_run_was_refused(void *arg)
{
	struct fixture *x = arg;

	return agenda_counters(x->agenda)->txs[SENDER_REVERTED] > 0;
}

#endif
