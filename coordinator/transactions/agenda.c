#include "coordinator/transactions/agenda.h"

#include "coordinator/daemon.h"
#include "ethereum/abi.h"

#include <stdlib.h>
#include <string.h>

struct persisting {
	struct daemon *daemon;
	uint64_t ticket;
};

static void on_persisted(void *arg, enum store_rc rc, const struct why *why)
{
	struct persisting *p = arg;
	struct sender_event e = {.kind = rc == STORE_OK ? SENDER_EV_DONE : SENDER_EV_FAILED,
				 .ticket = p->ticket,
				 .endpoint = -1,
				 .sentence = rc == STORE_OK ? "" : why->text};

	if (p->daemon->sender && !p->daemon->closing)
		sender_io_answer(p->daemon->sender, &e);
	free(p);
}

void agenda_persist(void *arg, uint64_t ticket, const struct sender_intent *in)
{
	struct daemon *d = arg;
	const struct sender_attempt *last =
	    in->n_attempts ? &in->attempts[in->n_attempts - 1] : NULL;
	struct sender_event failed = {.kind = SENDER_EV_FAILED,
				      .ticket = ticket,
				      .endpoint = -1,
				      .sentence = "the store's queue is full"};
	struct store_change change = {.kind = CHANGE_INTENT_PUT};
	struct persisting *p = malloc(sizeof *p);
	struct buf blob;

	buf_init(&blob, INTENT_MAX);
	if (!p || !sender_intent_encode(in, &blob)) {
		failed.sentence = "out of memory";
		goto failed;
	}
	*p = (struct persisting){d, ticket};
	change.intent = (struct store_intent){.id = in->id,
					      .kind = (int)in->kind,
					      .first_batch = in->first_batch,
					      .last_batch = in->last_batch,
					      .data = buf_span(&blob),
					      .gas = in->gas,
					      .updated_ms = clock_wall_ms()};
	memcpy(change.intent.from, in->from.b, 20);
	memcpy(change.intent.to, in->to.b, 20);
	memcpy(change.intent.signer, in->signer.b, 20);
	change.intent.has_signer = !eth_address_is_zero(&in->signer);
	if (last) {
		change.intent.nonce = last->nonce;
		change.intent.max_fee = last->max_fee;
		change.intent.priority_fee = last->tip;
		memcpy(change.intent.hash, last->hash, 32);
	}
	if (store_commit(d->store, &change, 1, on_persisted, p) != STORE_OK)
		goto failed;
	buf_free(&blob);
	return;
failed:
	buf_free(&blob);
	free(p);
	sender_io_answer(d->sender, &failed);
}

void agenda_sign(void *arg, const struct sender_action *a)
{
	struct daemon *d = arg;
	const struct config *c = &d->config;
	const struct eth_key *key = a->intent->kind == SENDER_VERIFY ? &c->l1_key : &c->tdx_key;
	struct sender_event e = {.kind = SENDER_EV_SIGNED, .ticket = a->ticket, .endpoint = -1};
	struct why why = {""};
	struct buf raw;

	buf_init(&raw, SENDER_TX_BYTES_MAX + 4096);
	if (sender_io_sign(a, key, &raw, e.done_signed.hash, &why)) {
		e.done_signed.raw = buf_span(&raw);
	} else {
		e.kind = SENDER_EV_FAILED;
		e.sentence = why.text;
	}
	sender_io_answer(d->sender, &e);
	buf_free(&raw);
}

struct goal {
	struct daemon *daemon;
	uint64_t ticket;
	enum sender_kind kind;
	uint64_t last_batch;
	struct eth_address signer;
};

static void on_goal(void *arg, const struct l1_read *read)
{
	struct goal *g = arg;
	struct sender_event e = {.kind = SENDER_EV_GOAL,
				 .ticket = g->ticket,
				 .endpoint = read->endpoint,
				 .sentence = ""};
	struct uint256 word;
	uint64_t n;

	if (read->kind != L1_READ_OK || read->data.n < 32) {
		e.kind = SENDER_EV_FAILED;
		e.sentence =
		    read->kind == L1_READ_FAILED ? read->sentence : "the contract does not answer";
	} else if (g->kind == SENDER_VERIFY) {
		memcpy(word.be, read->data.p, 32);
		e.goal = uint256_to_u64(&n, &word) && n >= g->last_batch;
	} else {
		e.goal = memcmp(read->data.p + 12, g->signer.b, 20) == 0;
	}
	if (g->daemon->sender && !g->daemon->closing)
		sender_io_answer(g->daemon->sender, &e);
	free(g);
}

void agenda_check_goal(void *arg, uint64_t ticket, const struct sender_intent *in)
{
	struct daemon *d = arg;
	struct sender_event failed = {.kind = SENDER_EV_FAILED,
				      .ticket = ticket,
				      .endpoint = -1,
				      .sentence = "too many JSON-RPC calls at once"};
	struct goal *g = malloc(sizeof *g);
	uint8_t selector[4] = {0};
	struct l1_call call = {.calldata = span_of(selector, sizeof selector)};

	if (in->kind == SENDER_UPLOAD) {
		sender_io_answer(d->sender, &(struct sender_event){.kind = SENDER_EV_GOAL,
								   .ticket = ticket,
								   .endpoint = -1,
								   .sentence = ""});
		return;
	}
	abi_selector(selector,
		     in->kind == SENDER_VERIFY ? "lastVerifiedBatch()" : "authorizedSignature()");
	call.to = in->kind == SENDER_VERIFY ? &d->config.proposer : &in->to;
	if (g) {
		*g = (struct goal){d, ticket, in->kind, in->last_batch, in->signer};
		if (l1_call(d->rpc, &call, on_goal, g))
			return;
	}
	free(g);
	sender_io_answer(d->sender, &failed);
}
