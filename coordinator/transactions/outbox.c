#include "coordinator/transactions/outbox.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/l1/call.h"
#include "ethereum/abi.h"

#include <stdlib.h>
#include <string.h>

#define FEE_PERCENTILE 50
#define TROUBLE_MS     30000u

/* Nonces that were asked a signature for, and whose calls are not over. */
struct made {
	enum sender_kind kind;
	uint64_t nonce;
};

struct outbox {
	struct outbox_parts p;
	struct outbox_options o;
	struct outbox_events events;
	struct sender_io *sender;
	uint64_t term; /* each sender's own: what was asked for a former one is for nobody */
	bool closing;
	uint64_t next_id;
	struct sender_intent left_open; /* id 0: none */
	struct made made[SENDER_ATTEMPTS_MAX];
	unsigned n_made;
	uint64_t trouble_at; /* monotonic ms: since when; 0: none */
	bool trouble_said;
};

/* What a sender asked. */
struct asked {
	struct outbox *outbox;
	uint64_t term, ticket;
};

static struct asked asked_now(struct outbox *o, uint64_t ticket)
{
	return (struct asked){o, o->term, ticket};
}

static bool is_waited_for(const struct asked *q)
{
	const struct outbox *o = q->outbox;

	return o->sender && !o->closing && q->term == o->term;
}

static void answer(const struct asked *q, struct sender_event e)
{
	e.ticket = q->ticket;
	if (is_waited_for(q))
		sender_io_answer(q->outbox->sender, &e);
}

static void answer_failed(const struct asked *q, const char *sentence)
{
	answer(q, (struct sender_event){
		      .kind = SENDER_EV_FAILED, .endpoint = -1, .sentence = sentence});
}

/* ---- the row ---- */

static bool row_put(struct store_change *change, struct buf *blob, const struct sender_intent *in)
{
	*change = (struct store_change){.kind = CHANGE_INTENT_PUT};
	if (!sender_intent_encode(in, blob))
		return false;
	change->intent = (struct store_intent){.id = in->id, .data = buf_span(blob)};
	return true;
}

bool outbox_restore(struct outbox *o, const struct store_intent *row, struct why *why)
{
	if (row->id >= o->next_id)
		o->next_id = row->id + 1;
	/* Ids grow, and there is one intent at a time: an older one is a deletion that was lost. */
	sender_intent_free(&o->left_open);
	sender_intent_init(&o->left_open);
	return sender_intent_decode(&o->left_open, row->data, why);
}

struct persisting {
	struct asked asked;
	void (*then)(struct persisting *p, bool ok, const char *sentence); /* consumes it */
	/* a signature that waits for it */
	enum sender_kind kind;
	struct eth_tx tx;
	struct buf data;
};

static void persisting_free(struct persisting *p)
{
	buf_free(&p->data);
	free(p);
}

static void on_persisted(void *arg, enum store_rc rc, const struct why *why)
{
	struct persisting *p = arg;

	p->then(p, rc == STORE_OK, why->text);
}

/* Takes p over, which may be NULL: out of memory. */
static void keep(struct outbox *o, uint64_t ticket, const struct sender_intent *in,
		 struct persisting *p)
{
	const struct asked asked = asked_now(o, ticket);
	const char *trouble = "out of memory";
	struct store_change change;
	struct buf blob;

	buf_init(&blob, OUTBOX_INTENT_MAX);
	if (p && row_put(&change, &blob, in)) {
		if (store_commit(o->p.store, &change, 1, on_persisted, p) == STORE_OK) {
			buf_free(&blob);
			return;
		}
		trouble = "the store's queue is full";
	}
	buf_free(&blob);
	if (p)
		persisting_free(p);
	answer_failed(&asked, trouble);
}

static struct persisting *persisting_new(struct outbox *o, uint64_t ticket,
					 void (*then)(struct persisting *p, bool ok,
						      const char *sentence))
{
	struct persisting *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->asked = asked_now(o, ticket);
	p->then = then;
	buf_init(&p->data, SENDER_TX_BYTES_MAX);
	return p;
}

static void persisted(struct persisting *p, bool ok, const char *sentence)
{
	if (ok)
		answer(&p->asked, (struct sender_event){
				      .kind = SENDER_EV_DONE, .endpoint = -1, .sentence = ""});
	else
		answer_failed(&p->asked, sentence);
	persisting_free(p);
}

static void persist(void *arg, uint64_t ticket, const struct sender_intent *in)
{
	keep(arg, ticket, in, persisting_new(arg, ticket, persisted));
}

/* ---- signing ---- */

static enum signing_kind signing_kind(enum sender_kind kind)
{
	switch (kind) {
	case SENDER_VERIFY: break;
	case SENDER_REGISTER: return SIGNING_REGISTER;
	case SENDER_UPLOAD: return SIGNING_UPLOAD;
	}
	return SIGNING_VERIFY;
}

bool outbox_from(const struct outbox *o, enum sender_kind kind, struct eth_address *out)
{
	return signing_address(o->p.signing, signing_kind(kind), out);
}

/* Where the setting names no address, L1's is the one. */
static void know_contracts(struct outbox *o, enum sender_kind kind, const struct eth_address *to,
			   struct span data)
{
	if (kind != SENDER_VERIFY)
		signing_add_contracts(o->p.signing, signing_kind(kind), to, data);
}

/* All its attempts are over: their nonces are free for other calls, as far as we know. So are those
 * of what was to be signed for it and never came from the signer, which may have signed it. */
static void settle(struct outbox *o, const struct sender_intent *in)
{
	unsigned i;

	for (i = 0; i < in->n_attempts; i++)
		if (!i || in->attempts[i].nonce != in->attempts[i - 1].nonce)
			signing_settle(o->p.signing, signing_kind(in->kind), in->attempts[i].nonce);
	for (i = 0; i < o->n_made; i++) /* once more is fine */
		signing_settle(o->p.signing, signing_kind(o->made[i].kind), o->made[i].nonce);
	o->n_made = 0;
}

static bool is_attempt_of(const struct made *m, const struct sender_intent *in)
{
	unsigned i;

	if (!in->id || signing_who(signing_kind(in->kind)) != signing_who(signing_kind(m->kind)))
		return false;
	for (i = 0; i < in->n_attempts; i++)
		if (in->attempts[i].nonce == m->nonce)
			return true;
	return false;
}

/* What was signed here under a former term, and is no part of what is open now, is over. */
static void settle_former(struct outbox *o)
{
	unsigned i, kept = 0;

	for (i = 0; i < o->n_made; i++)
		if (is_attempt_of(&o->made[i], &o->left_open))
			o->made[kept++] = o->made[i];
		else
			signing_settle(o->p.signing, signing_kind(o->made[i].kind),
				       o->made[i].nonce);
	o->n_made = kept;
}

static void note_made(struct outbox *o, enum sender_kind kind, uint64_t nonce)
{
	unsigned i;

	for (i = 0; i < o->n_made; i++)
		if (o->made[i].nonce == nonce && o->made[i].kind == kind)
			return;
	if (o->n_made < SENDER_ATTEMPTS_MAX)
		o->made[o->n_made++] = (struct made){kind, nonce};
}

static void on_signed(void *arg, const struct signing_answer *a)
{
	struct asked *q = arg;
	struct sender_event e = {.kind = SENDER_EV_SIGNED, .endpoint = -1};

	if (a->ok) {
		e.done_signed.raw = a->raw;
		memcpy(e.done_signed.hash, a->hash, sizeof e.done_signed.hash);
		answer(q, e);
	} else {
		answer_failed(q, a->sentence);
	}
	free(q);
}

static void sign_now(const struct asked *asked, enum sender_kind kind, const struct eth_tx *tx)
{
	struct outbox *o = asked->outbox;
	struct asked *q = malloc(sizeof *q);

	if (!q) {
		answer_failed(asked, "out of memory");
		return;
	}
	*q = *asked;
	note_made(o, kind, tx->nonce);
	signing_sign(o->p.signing, signing_kind(kind), tx, on_signed, q);
}

static void may_sign(struct persisting *p, bool ok, const char *sentence)
{
	if (!ok)
		answer_failed(&p->asked, sentence);
	else if (is_waited_for(&p->asked))
		sign_now(&p->asked, p->kind, &p->tx);
	persisting_free(p);
}

/* Where several may lead, the store says right before each signature that this one does: nothing is
 * signed by one that was paused, or cut off, while another took over. */
static void sign_if_leading(struct outbox *o, const struct sender_action *a,
			    const struct eth_tx *tx)
{
	struct persisting *p = persisting_new(o, a->ticket, may_sign);

	if (p && !buf_add(&p->data, tx->data.p, tx->data.n)) {
		persisting_free(p);
		p = NULL;
	}
	if (p) {
		p->kind = a->intent->kind;
		p->tx = *tx;
		p->tx.data = buf_span(&p->data);
	}
	keep(o, a->ticket, a->intent, p);
}

static void sign(void *arg, const struct sender_action *a)
{
	struct outbox *o = arg;
	const struct asked asked = asked_now(o, a->ticket);
	const struct eth_tx tx = sender_action_tx(a);
	struct eth_address from;

	/* An intent of an earlier run may have been another key's. */
	if (!outbox_from(o, a->intent->kind, &from))
		answer_failed(&asked, "no key is given for this kind of transaction");
	else if (!eth_address_equal(&from, &a->intent->from))
		answer_failed(&asked, "the signing key is not that of the intent's sender");
	else if (store_is_shared(o->p.store))
		sign_if_leading(o, a, &tx);
	else
		sign_now(&asked, a->intent->kind, &tx);
}

/* ---- the goal ---- */

struct goal {
	struct asked asked;
	enum sender_kind kind;
	uint64_t last_batch;
	struct eth_address signer, contract;
	uint8_t selector[4];
	bool at_block;
	uint8_t block_hash[32];
	int only; /* 1 + endpoint whose answer alone counts; 0: any */
	uint32_t avoid;
};

static bool ask_goal(struct goal *g);

static bool is_reached(const struct goal *g, struct span answered)
{
	struct uint256 word;
	uint64_t n;

	if (g->kind != SENDER_VERIFY)
		return memcmp(answered.p + 12, g->signer.b, 20) == 0;
	memcpy(word.be, answered.p, 32);
	return uint256_to_u64(&n, &word) && n >= g->last_batch;
}

/* A node that keeps no such state, or knows no EIP-1898: the latest state serves as well, of the
 * endpoint whose head was seen past the block. */
static bool ask_at_the_head(struct goal *g)
{
	if (!g->at_block || g->only < 1)
		return false;
	g->at_block = false;
	return ask_goal(g);
}

static void on_goal(void *arg, const struct l1_read *read)
{
	struct goal *g = arg;
	const bool asked_at_block = g->at_block;

	if (read->kind == L1_READ_FAILED && ask_at_the_head(g))
		return;
	if (read->kind == L1_READ_FAILED || read->kind == L1_READ_NO_CODE || read->data.n < 32)
		answer_failed(&g->asked, read->kind == L1_READ_FAILED
					     ? read->sentence
					     : "the contract does not answer");
	else if (!asked_at_block && g->only && read->endpoint != g->only - 1)
		answer_failed(&g->asked,
			      "the endpoint that showed the receipt does not tell the state");
	else if (read->kind == L1_READ_OK)
		answer(&g->asked, (struct sender_event){.kind = SENDER_EV_GOAL,
							.endpoint = read->endpoint,
							.goal = is_reached(g, read->data),
							.sentence = ""});
	else
		answer_failed(&g->asked, "the contract does not answer");
	free(g);
}

static bool ask_goal(struct goal *g)
{
	const struct l1_call call = {.to = &g->contract,
				     .calldata = span_of(g->selector, sizeof g->selector),
				     .block_hash = g->at_block ? g->block_hash : NULL,
				     .avoid = g->at_block ? g->avoid : 0,
				     .prefer = g->at_block ? 0 : g->only};

	return l1_call(g->asked.outbox->p.rpc, &call, on_goal, g);
}

static void check_goal(void *arg, const struct sender_action *a)
{
	struct outbox *o = arg;
	const struct asked asked = asked_now(o, a->ticket);
	const struct sender_intent *in = a->intent;
	struct goal *g;

	/* Of an upload its owner reads the chain again anyway. */
	if (in->kind == SENDER_UPLOAD) {
		answer(&asked, (struct sender_event){
				   .kind = SENDER_EV_GOAL, .endpoint = -1, .sentence = ""});
		return;
	}
	g = malloc(sizeof *g);
	if (g) {
		*g = (struct goal){
		    .asked = asked,
		    .kind = in->kind,
		    .last_batch = in->last_batch,
		    .signer = in->signer,
		    .contract = in->kind == SENDER_VERIFY ? o->o.proposer : in->to,
		};
		abi_selector(g->selector, in->kind == SENDER_VERIFY ? "lastVerifiedBatch()"
								    : "authorizedSignature()");
		g->at_block = a->at_block != SENDER_LATEST;
		memcpy(g->block_hash, a->block_hash, 32);
		g->only = g->at_block ? a->endpoint + 1 : 0;
		g->avoid = a->avoid;
		if (ask_goal(g))
			return;
	}
	free(g);
	answer_failed(&asked, "too many JSON-RPC calls at once");
}

/* ---- wishes ---- */

static void on_finished(void *arg, const struct sender_action *a)
{
	struct outbox *o = arg;
	const struct store_change change = {.kind = CHANGE_INTENT_DEL,
					    .intent = {.id = a->intent->id}};

	store_commit_lazy(o->p.store, &change, 1);
	settle(o, a->intent);
	o->events.finished(o->events.arg, a);
}

bool outbox_is_free(const struct outbox *o)
{
	return o->sender && !o->closing && !sender_busy(sender_io_sender(o->sender));
}

bool outbox_wish(struct outbox *o, struct sender_wish *wish, struct why *why)
{
	if (!o->sender) {
		why_set(why, "L1 has not yet said which chain it is");
		return false;
	}
	if (!outbox_from(o, wish->kind, &wish->from)) {
		why_set(why, "no key is given for this kind of transaction");
		return false;
	}
	know_contracts(o, wish->kind, &wish->to, wish->calldata);
	wish->id = o->next_id;
	if (!sender_io_wish(o->sender, wish, why))
		return false;
	o->next_id++;
	return true;
}

void outbox_watch(struct outbox *o)
{
	const char *note = o->sender ? sender_trouble(sender_io_sender(o->sender)) : "";
	const uint64_t now = clock_mono_ms();

	if (!note[0]) {
		o->trouble_at = 0;
		o->trouble_said = false;
	} else if (!o->trouble_at) {
		o->trouble_at = now;
	} else if (!o->trouble_said && now - o->trouble_at >= TROUBLE_MS) {
		o->trouble_said = true;
		log_event(LOG_WARN, "transaction_waits", log_str("reason", note));
	}
}

/* ---- life ---- */

const struct sender_intent *outbox_left_open(const struct outbox *o)
{
	return o->left_open.id ? &o->left_open : NULL;
}

struct sender_io *outbox_sender(const struct outbox *o)
{
	return o ? o->sender : NULL;
}

void outbox_set_options(struct outbox *o, const struct sender_options *options)
{
	o->o.sender = *options;
	if (!o->sender)
		return;
	sender_set_max_fee(sender_io_sender(o->sender), options->max_fee);
	sender_set_poll(sender_io_sender(o->sender), options->poll_ms, options->resend_ms);
}

bool outbox_open(struct outbox *o, uint64_t chain_id, struct why *why)
{
	static const char *const kinds[] = {"verify", "register", "upload"};
	const struct sender_io_owner owner = {persist, sign, check_goal, on_finished, o};
	struct sender_io_options options = {.sender = o->o.sender,
					    .fee_percentile = FEE_PERCENTILE};

	if (o->sender)
		return true;
	options.sender.chain_id = chain_id;
	uv_random(NULL, NULL, &options.sender.seed, sizeof options.sender.seed, 0, NULL);
	o->sender = sender_io_new(o->p.loop, o->p.rpc, &options, &owner, why);
	if (!o->sender)
		return false;
	if (!o->left_open.id)
		return true;
	log_event(LOG_INFO, "intent_resumed", log_u64("id", o->left_open.id),
		  log_str("kind", kinds[o->left_open.kind]),
		  log_u64("attempts", o->left_open.n_attempts));
	know_contracts(o, o->left_open.kind, &o->left_open.to, buf_span(&o->left_open.calldata));
	return sender_io_resume(o->sender, &o->left_open, why);
}

bool outbox_new(struct outbox **out, const struct outbox_parts *parts,
		const struct outbox_options *options, const struct outbox_events *events,
		struct why *why)
{
	struct outbox *o = *out = calloc(1, sizeof *o);

	if (!o) {
		why_set(why, "out of memory");
		return false;
	}
	o->p = *parts;
	o->o = *options;
	o->events = *events;
	o->next_id = 1;
	sender_intent_init(&o->left_open);
	return true;
}

bool outbox_lead(struct outbox *o, const struct store_change *intents, size_t n, struct why *why)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!outbox_restore(o, &intents[i].intent, why))
			return false;
	settle_former(o);
	return true;
}

void outbox_yield(struct outbox *o)
{
	struct sender_io *sender = o->sender;

	o->sender = NULL;
	o->term++;
	sender_intent_free(&o->left_open);
	sender_intent_init(&o->left_open);
	if (sender)
		sender_io_close(sender, NULL, NULL);
}

void outbox_close(struct outbox *o, void (*done)(void *arg), void *arg)
{
	struct sender_io *sender;

	if (!o || !o->sender) {
		done(arg);
		return;
	}
	o->closing = true;
	sender = o->sender;
	o->sender = NULL;
	sender_io_close(sender, done, arg);
}

void outbox_free(struct outbox *o)
{
	if (!o)
		return;
	sender_intent_free(&o->left_open);
	free(o);
}
