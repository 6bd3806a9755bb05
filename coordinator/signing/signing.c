#include "coordinator/signing/signing.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/base/retry.h"
#include "coordinator/signing/process.h"
#include "coordinator/signing/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAW_MAX (WIRE_DATA_MAX + 1024)
/* A remote signer that failed is left alone for so long (ms); doubles. With its timeout it stays
 * below the minute that the sender waits for an action. */
#define REST_MIN 500
#define REST_MAX 30000

/* What is under way. */
struct request {
	struct request *next;
	struct signing *signing;
	uint64_t id;
	uint64_t at_ms; /* monotonic. Local: too late; remote and not asked yet: time to ask */
	enum signing_kind kind;
	struct eth_tx tx;
	struct buf data;
	struct remote_request *remote; /* NULL: local, or not asked yet */
	signing_cb *cb;
	void *arg;
};

struct signing {
	uv_loop_t *loop;
	struct signing_options o;
	struct signing_events events;
	struct signer_process *process; /* NULL: no local key */
	bool confined, is_lost;
	struct remote *remote;    /* NULL: no remote one */
	struct policy policy;     /* of what the remote one is asked */
	unsigned remote_failures; /* in a row */
	uint64_t remote_rest_ms;  /* it is left alone until then */
	struct request *first;
	unsigned n;
	struct settled { /* what the process could not be told yet, in order */
		enum signing_who who;
		uint64_t nonce;
	} settled[POLICY_NONCES_MAX];
	unsigned n_settled;
	uint64_t last_id;
	uv_timer_t timer;
	struct {
		char where[96];
		struct why trouble;
		uint64_t made, failed;
	} seen[SIGNING_ACCOUNTS];
	void (*closed)(void *arg);
	void *closed_arg;
};

static enum signing_way way_of(const struct signing *s, enum signing_kind kind)
{
	return s->o.accounts[signing_who(kind)].way;
}

static bool is_local(const struct request *q)
{
	return way_of(q->signing, q->kind) == SIGNING_LOCAL;
}

/* ---- the answer ---- */

static void unlink_request(struct signing *s, struct request *q)
{
	struct request **at = &s->first;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	s->n--;
}

static void request_free(struct request *q)
{
	buf_free(&q->data);
	free(q);
}

static void answer_failed(struct request *q, const char *sentence)
{
	struct signing *s = q->signing;
	const enum signing_who who = signing_who(q->kind);
	const struct signing_answer a = {.sentence = sentence};

	unlink_request(s, q);
	s->seen[who].failed++;
	why_set(&s->seen[who].trouble, "%s", sentence);
	log_limited(LOG_WARN, "not_signed", who == SIGNING_SENDER ? "verify" : "register", "",
		    log_u64("nonce", q->tx.nonce), log_str("reason", sentence));
	q->cb(q->arg, &a);
	request_free(q);
}

/* Puts the transaction together with a signature that is believed in nothing. False: it is of no
 * use. */
static bool answer_signed(struct request *q, const uint8_t *sig)
{
	struct signing *s = q->signing;
	const enum signing_who who = signing_who(q->kind);
	struct signing_answer a = {.sentence = ""};
	struct why why = {""};
	struct buf raw;

	buf_init(&raw, RAW_MAX);
	if (eth_tx_assemble(&raw, a.hash, &q->tx, sig, &s->o.accounts[who].address, &why) !=
	    ETH_OK) {
		why_wrap(&why, "what %s made is of no use",
			 way_of(s, q->kind) == SIGNING_REMOTE ? s->seen[who].where
							      : "the process that holds the keys");
		answer_failed(q, why.text);
	} else {
		unlink_request(s, q);
		s->seen[who].made++;
		s->seen[who].trouble.text[0] = '\0';
		a.ok = true;
		a.raw = buf_span(&raw);
		q->cb(q->arg, &a);
		request_free(q);
	}
	buf_free(&raw);
	return a.ok;
}

/* ---- the process ---- */

static struct request *find(const struct signing *s, uint64_t id)
{
	struct request *q;

	for (q = s->first; q; q = q->next)
		if (is_local(q) && q->id == id)
			return q;
	return NULL;
}

static void fail_all_local(struct signing *s, const char *sentence)
{
	struct request *q, *next;

	for (q = s->first; q; q = next) {
		next = q->next;
		if (is_local(q))
			answer_failed(q, sentence);
	}
}

static void on_message(void *arg, const struct wire_message *m)
{
	struct signing *s = arg;
	struct request *q = find(s, m->id);
	struct why why;

	if (m->kind == WIRE_ANEW) {
		why_set(&why, "the process that signs died and another one is in its place: %.*s",
			(int)m->sentence.n, (const char *)m->sentence.p);
		log_event(LOG_WARN, "signer_anew", log_str("reason", why.text));
		fail_all_local(s, why.text);
	} else if (q && m->kind == WIRE_SIGNED) {
		answer_signed(q, m->sig);
	} else if (q) {
		why_set(&why, "the signer refuses: %.*s", (int)m->sentence.n,
			(const char *)m->sentence.p);
		answer_failed(q, why.text);
	}
}

static void on_lost(void *arg, const char *sentence)
{
	struct signing *s = arg;

	s->is_lost = true;
	fail_all_local(s, sentence);
	s->events.lost(s->events.arg, sentence);
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer);

static void arm(struct signing *s)
{
	const uint64_t now = clock_mono_ms();
	uint64_t first = UINT64_MAX;
	const struct request *q;

	for (q = s->first; q; q = q->next)
		if (!q->remote && q->at_ms < first)
			first = q->at_ms;
	if (first == UINT64_MAX)
		uv_timer_stop(&s->timer);
	else
		uv_timer_start(&s->timer, on_timer, first > now ? first - now : 0, 0);
}

/* ---- the remote one ---- */

static void on_remote(void *arg, const uint8_t *sig, const char *sentence)
{
	struct request *q = arg;
	struct signing *s = q->signing;
	bool ok = sig != NULL;

	/* First, for the answer may ask again. */
	s->remote_rest_ms = clock_mono_ms() + retry_backoff(REST_MIN, REST_MAX, s->remote_failures);
	if (ok)
		ok = answer_signed(q, sig);
	else
		answer_failed(q, sentence);
	s->remote_failures = ok ? 0 : s->remote_failures + 1;
	if (ok)
		s->remote_rest_ms = 0;
	arm(s);
}

static bool ask_remote(struct request *q, struct why *why)
{
	struct signing *s = q->signing;
	struct buf payload;

	buf_init(&payload, RAW_MAX);
	if (policy_permits(&s->policy, q->kind, &q->tx, why) &&
	    eth_tx_payload(&payload, &q->tx, why) == ETH_OK)
		q->remote = remote_sign(s->remote, buf_span(&payload), on_remote, q, why);
	buf_free(&payload);
	return q->remote != NULL;
}

static void on_timer(uv_timer_t *timer)
{
	struct signing *s = timer->data;
	const uint64_t now = clock_mono_ms();
	struct request *q, *next;
	struct why late, why;

	why_set(&late, "the process that signs does not answer in %u ms", s->o.local_timeout_ms);
	for (q = s->first; q; q = next) {
		next = q->next;
		if (q->remote || q->at_ms > now)
			continue;
		if (is_local(q))
			answer_failed(q, late.text);
		else if (!ask_remote(q, &why))
			answer_failed(q, why.text);
	}
	arm(s);
}

/* ---- a request ---- */

/* It must know before it is asked for the next call at such a nonce. */
static bool tell_settled(struct signing *s, struct why *why)
{
	unsigned i;

	for (i = 0; i < s->n_settled; i++) {
		const struct wire_message m = {.kind = WIRE_SETTLED,
					       .who = s->settled[i].who,
					       .tx = {.nonce = s->settled[i].nonce}};

		if (!process_send(s->process, &m, why))
			break;
	}
	s->n_settled -= i;
	memmove(s->settled, s->settled + i, s->n_settled * sizeof *s->settled);
	return s->n_settled == 0;
}

static bool ask_process(struct request *q, struct why *why)
{
	const struct wire_message m = {
	    .kind = WIRE_SIGN, .id = q->id, .what = q->kind, .tx = q->tx};

	return tell_settled(q->signing, why) && process_send(q->signing->process, &m, why);
}

static struct request *request_new(struct signing *s, enum signing_kind kind,
				   const struct eth_tx *tx, signing_cb *cb, void *arg)
{
	struct request *q = calloc(1, sizeof *q), **at = &s->first;

	if (!q)
		return NULL;
	*q = (struct request){
	    .signing = s, .id = ++s->last_id, .kind = kind, .tx = *tx, .cb = cb, .arg = arg};
	buf_init(&q->data, WIRE_DATA_MAX);
	if (!buf_add(&q->data, tx->data.p, tx->data.n)) {
		request_free(q);
		return NULL;
	}
	q->tx.data = buf_span(&q->data);
	while (*at)
		at = &(*at)->next;
	*at = q;
	s->n++;
	return q;
}

void signing_sign(struct signing *s, enum signing_kind kind, const struct eth_tx *tx,
		  signing_cb *cb, void *arg)
{
	struct signing_answer refused = {.sentence = "out of memory"};
	struct request *q = NULL;
	struct why why = {""};
	bool ok;

	if (way_of(s, kind) == SIGNING_NONE)
		refused.sentence = "no key is given for this kind of transaction";
	else if (s->closed)
		refused.sentence = "the coordinator is stopping";
	else if (s->n == SIGNING_REQUESTS_MAX)
		refused.sentence = "too many transactions wait for their signature";
	else
		q = request_new(s, kind, tx, cb, arg);
	if (!q) {
		cb(arg, &refused);
		return;
	}
	if (is_local(q)) {
		q->at_ms = clock_mono_ms() + s->o.local_timeout_ms;
		ok = ask_process(q, &why);
	} else {
		q->at_ms = s->remote_rest_ms;
		ok = clock_mono_ms() < q->at_ms || ask_remote(q, &why);
	}
	if (!ok)
		answer_failed(q, why.text);
	arm(s);
}

struct adding {
	struct signing *signing;
	enum signing_kind kind;
};

static bool add_contract(void *arg, const struct eth_address *to, struct span data, struct why *why)
{
	const struct adding *a = arg;
	const struct wire_message m = {.kind = WIRE_CONTRACT, .what = a->kind, .tx = {.to = *to}};

	(void)data;
	/* Should it not arrive, what goes there is refused, in words. */
	if (way_of(a->signing, a->kind) == SIGNING_REMOTE)
		policy_add_contract(&a->signing->policy, a->kind, to, why);
	else if (way_of(a->signing, a->kind) == SIGNING_LOCAL)
		process_send(a->signing->process, &m, why);
	return true;
}

void signing_add_contracts(struct signing *s, enum signing_kind kind, const struct eth_address *to,
			   struct span data)
{
	struct adding a = {s, kind};
	struct why why;

	policy_each_call(kind, to, data, add_contract, &a, &why);
}

void signing_settle(struct signing *s, enum signing_kind kind, uint64_t nonce)
{
	struct why why;

	if (way_of(s, kind) == SIGNING_REMOTE)
		policy_settle(&s->policy, signing_who(kind), nonce);
	else if (way_of(s, kind) == SIGNING_LOCAL && s->n_settled < POLICY_NONCES_MAX) {
		s->settled[s->n_settled++] = (struct settled){signing_who(kind), nonce};
		tell_settled(s, &why);
	}
}

bool signing_address(const struct signing *s, enum signing_kind kind, struct eth_address *out)
{
	if (way_of(s, kind) == SIGNING_NONE)
		return false;
	*out = s->o.accounts[signing_who(kind)].address;
	return true;
}

bool signing_info(const struct signing *s, enum signing_who who, struct signing_info *out)
{
	if (s->o.accounts[who].way == SIGNING_NONE)
		return false;
	*out = (struct signing_info){.way = s->o.accounts[who].way,
				     .address = s->o.accounts[who].address,
				     .where = s->seen[who].where,
				     .trouble = s->seen[who].trouble.text,
				     .made = s->seen[who].made,
				     .failed = s->seen[who].failed};
	return true;
}

/* ---- life ---- */

static bool uses(const struct signing *s, enum signing_way way)
{
	return s->o.accounts[SIGNING_SENDER].way == way ||
	       s->o.accounts[SIGNING_REGISTRAR].way == way;
}

static uint64_t fee_ceiling(uint64_t setting)
{
	return setting > UINT64_MAX / SIGNING_FEE_ROOM ? UINT64_MAX : setting * SIGNING_FEE_ROOM;
}

static bool check_addresses(const struct signing *s, const struct wire_message *ready,
			    struct why *why)
{
	int i;

	for (i = 0; i < SIGNING_ACCOUNTS; i++)
		if (s->o.accounts[i].way == SIGNING_LOCAL &&
		    !eth_address_equal(&ready->from[i], &s->o.accounts[i].address)) {
			why_set(why, "the process that holds the keys has another one");
			return false;
		}
	return true;
}

static bool start_process(struct signing *s, struct why *why)
{
	const struct process_events events = {on_message, on_lost, s};
	struct wire_message hello = {.kind = WIRE_HELLO,
				     .chain_id = s->o.chain_id,
				     .max_fee = fee_ceiling(s->o.max_fee),
				     .max_gas = s->o.max_gas},
			    ready;
	bool ok;
	int i;

	for (i = 0; i < SIGNING_ACCOUNTS; i++)
		if (s->o.accounts[i].way == SIGNING_LOCAL)
			hello.keys[i] = *s->o.accounts[i].key;
	ok = process_start(&s->process, s->loop, &hello, &ready, &events, why);
	secret_wipe(&hello, sizeof hello);
	if (!ok || !check_addresses(s, &ready, why))
		return false;
	s->confined = ready.confined;
	log_event(LOG_INFO, "signer_started", log_i64("pid", process_pid(s->process)),
		  log_str("system_calls", s->confined ? "few" : "all: no seccomp here"));
	return true;
}

static bool start_remote(struct signing *s, struct why *why)
{
	struct remote_options o = {.url = s->o.remote_url,
				   .ca_file = s->o.remote_ca_file,
				   .timeout_ms = s->o.remote_timeout_ms,
				   .seed = s->o.seed};
	int i;

	policy_init(&s->policy, s->o.chain_id, fee_ceiling(s->o.max_fee), s->o.max_gas);
	for (i = 0; i < SIGNING_ACCOUNTS; i++)
		if (s->o.accounts[i].way == SIGNING_REMOTE)
			s->policy.from[i] = s->o.accounts[i].address;
	memcpy(o.point, s->o.remote_point, sizeof o.point);
	return remote_new(&s->remote, s->loop, &o, why);
}

static void on_timer_closed(uv_handle_t *h)
{
	struct signing *s = h->data;
	void (*closed)(void *arg) = s->closed;
	void *arg = s->closed_arg;

	free(s);
	closed(arg);
}

static void close_timer(void *arg)
{
	struct signing *s = arg;

	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static void close_remote(void *arg)
{
	struct signing *s = arg;

	if (s->remote)
		remote_close(s->remote, close_timer, s);
	else
		close_timer(s);
}

void signing_close(struct signing *s, void (*done)(void *arg), void *arg)
{
	if (!s) {
		done(arg);
		return;
	}
	s->closed = done;
	s->closed_arg = arg;
	while (s->first) {
		if (s->first->remote)
			remote_stop(s->first->remote);
		answer_failed(s->first, "the coordinator is stopping");
	}
	if (s->process)
		process_close(s->process, close_remote, s);
	else
		close_remote(s);
}

static void nothing_left(void *arg)
{
	(void)arg;
}

static void set_places(struct signing *s)
{
	int i;

	for (i = 0; i < SIGNING_ACCOUNTS; i++)
		if (s->o.accounts[i].way == SIGNING_REMOTE)
			snprintf(s->seen[i].where, sizeof s->seen[i].where, "%.90s",
				 remote_host(s->remote));
		else if (s->o.accounts[i].way == SIGNING_LOCAL)
			snprintf(s->seen[i].where, sizeof s->seen[i].where, "process %d%s",
				 process_pid(s->process), s->confined ? ", confined" : "");
}

bool signing_new(struct signing **out, uv_loop_t *loop, const struct signing_options *options,
		 const struct signing_events *events, struct why *why)
{
	struct signing *s = calloc(1, sizeof *s);
	int i;

	*out = NULL;
	if (!s) {
		why_set(why, "out of memory");
		return false;
	}
	s->loop = loop;
	s->o = *options;
	s->events = *events;
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	if ((uses(s, SIGNING_LOCAL) && !start_process(s, why)) ||
	    (uses(s, SIGNING_REMOTE) && !start_remote(s, why))) {
		signing_close(s, nothing_left, NULL);
		return false;
	}
	for (i = 0; i < SIGNING_ACCOUNTS; i++)
		s->o.accounts[i].key = NULL; /* may be wiped now */
	set_places(s);
	signing_add_contracts(s, SIGNING_VERIFY, &options->verify_to, span_of(NULL, 0));
	*out = s;
	return true;
}
