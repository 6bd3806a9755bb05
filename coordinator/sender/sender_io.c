#include "coordinator/sender/sender_io.h"

#include "coordinator/sender/sender_io_internal.h"
#include "ethereum/tx.h"

#include <stdlib.h>
#include <string.h>

static void run(struct sender_io *io, const struct sender_actions *actions);

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* ---- jobs ---- */

bool sender_io_add_hex(struct buf *b, const void *p, size_t n)
{
	const uint8_t *bytes = p;
	char piece[2 * 512 + 1];
	bool ok = buf_add_str(b, "0x");

	while (ok && n) {
		size_t k = n < 512 ? n : 512;

		hex_encode(piece, bytes, k);
		ok = buf_add(b, piece, 2 * k);
		bytes += k;
		n -= k;
	}
	return ok;
}

static void job_stop(struct job *j)
{
	unsigned i;

	j->stopping = true;
	for (i = 0; i < JOB_CALLS_MAX; i++)
		if (j->calls[i].cookie)
			rpc_cancel(j->io->rpc, j->calls[i].cookie);
	j->stopping = false;
}

bool sender_io_take(struct job_call *c)
{
	c->cookie = 0;
	c->job->n_open--;
	return !c->job->stopping;
}

void sender_io_done(struct job *j)
{
	struct sender_actions actions;

	job_stop(j);
	j->event.ticket = j->ticket;
	sender_step(j->io->sender, &j->event, now_ms(), &actions);
	run(j->io, &actions);
}

void sender_io_failed(struct job *j, const char *sentence)
{
	j->event =
	    (struct sender_event){.kind = SENDER_EV_FAILED, .endpoint = -1, .sentence = sentence};
	sender_io_done(j);
}

void sender_io_no_answer(struct job *j, int endpoint, const char *sentence)
{
	rpc_doubt(j->io->rpc, endpoint, sentence);
	sender_io_failed(j, sentence);
}

bool sender_io_call(struct job *j, unsigned i, const char *method, const struct buf *params,
		    const struct rpc_call_options *options, rpc_cb *cb)
{
	struct job_call *c = &j->calls[i];
	struct buf text;
	struct why why = {""};

	buf_init(&text, PARAMS_MAX + 1);
	if (buf_add(&text, params->p, params->len) && buf_add(&text, "", 1))
		c->cookie =
		    rpc_call(j->io->rpc, method, (const char *)text.p, options, cb, c, &why);
	else
		why_set(&why, "%s: no memory for %zu bytes", method, params->len);
	buf_free(&text);
	if (!c->cookie) {
		sender_io_failed(j, why.text);
		return false;
	}
	j->n_open++;
	return true;
}

/* ---- fees ---- */

static void on_tip(void *arg, const struct rpc_reply *reply)
{
	struct job_call *c = arg;
	struct job *j = c->job;

	if (!sender_io_take(c))
		return;
	/* not every node has an oracle: the operator's least tip is used then */
	if (reply->status != RPC_OK || !rpc_parse_u64(reply->result, &j->event.fees.tip, NULL))
		j->event.fees.tip = 0;
	sender_io_done(j);
}

static void ask_tip(struct job *j)
{
	const struct rpc_call_options o = {.deadline_ms = j->io->opts.sender.action_timeout_ms};
	struct buf params;

	buf_init(&params, 16);
	if (!buf_add_str(&params, "[]"))
		sender_io_failed(j, "out of memory");
	else
		sender_io_call(j, 0, "eth_maxPriorityFeePerGas", &params, &o, on_tip);
	buf_free(&params);
}

/* Where a node has no history: a base fee rises by an eighth a block at most (EIP-1559). */
static void on_head_fee(void *arg, const struct rpc_reply *reply)
{
	struct job_call *c = arg;
	struct job *j = c->job;
	struct rpc_block head = {0};
	struct why why = {""};
	bool found = false;

	if (!sender_io_take(c))
		return;
	if (reply->status != RPC_OK) {
		sender_io_no_answer(j, reply->endpoint, reply->sentence);
		return;
	}
	if (!rpc_parse_block(reply->result, &found, &head, &why) || !found || !head.has_base_fee ||
	    head.base_fee > UINT64_MAX / 2) {
		sender_io_no_answer(j, reply->endpoint,
				    why.text[0] ? why.text
						: "the node has neither a fee history nor a "
						  "base fee in its latest block");
		return;
	}
	j->event = (struct sender_event){.kind = SENDER_EV_FEES, .endpoint = reply->endpoint};
	j->event.fees.next_base_fee = head.base_fee + head.base_fee / 8 + 1;
	ask_tip(j);
}

static void ask_head_fee(struct job *j)
{
	const struct rpc_call_options o = {.deadline_ms = j->io->opts.sender.action_timeout_ms};
	struct buf params;

	buf_init(&params, 64);
	if (!buf_add_str(&params, "[\"latest\",false]"))
		sender_io_failed(j, "out of memory");
	else
		sender_io_call(j, 0, "eth_getBlockByNumber", &params, &o, on_head_fee);
	buf_free(&params);
}

static void on_fee_history(void *arg, const struct rpc_reply *reply)
{
	struct job_call *c = arg;
	struct job *j = c->job;
	struct rpc_fee_history h;

	if (!sender_io_take(c))
		return;
	if (reply->status != RPC_OK && reply->status != RPC_ERROR) {
		sender_io_failed(j, reply->sentence);
		return;
	}
	/* an error, null or an empty history: the head has a base fee all the same */
	if (reply->status == RPC_ERROR || !rpc_parse_fee_history(reply->result, &h, NULL)) {
		ask_head_fee(j);
		return;
	}
	j->event = (struct sender_event){.kind = SENDER_EV_FEES, .endpoint = reply->endpoint};
	j->event.fees.next_base_fee = h.next_base_fee;
	j->event.fees.tip = h.tip;
	if (h.has_tip)
		sender_io_done(j);
	else
		ask_tip(j);
}

/* ---- broadcast ---- */

static void on_sent(void *arg, const struct rpc_reply *reply)
{
	struct job_call *c = arg;
	struct job *j = c->job;

	if (!sender_io_take(c))
		return;
	if (reply->status != RPC_OK && reply->status != RPC_ERROR) {
		sender_io_failed(j, reply->sentence);
		return;
	}
	j->event = (struct sender_event){
	    .kind = SENDER_EV_SENT, .endpoint = reply->endpoint, .sentence = reply->sentence};
	j->event.sent = reply->status == RPC_OK ? NODE_OK : reply->node_error;
	sender_io_done(j);
}

/* ---- actions ---- */

static void start_call(struct job *j, const struct sender_action *a)
{
	struct rpc_call_options o = {.avoid = a->avoid,
				     .deadline_ms = j->io->opts.sender.action_timeout_ms};
	struct buf params;
	const char *method = NULL;
	rpc_cb *cb = NULL;
	bool ok = false;

	buf_init(&params, PARAMS_MAX);
	switch (a->kind) {
	case SENDER_READ_FEES:
		method = "eth_feeHistory";
		cb = on_fee_history;
		ok = buf_printf(&params, "[\"0x5\",\"latest\",[%u]]", j->io->opts.fee_percentile);
		break;
	case SENDER_BROADCAST:
		method = "eth_sendRawTransaction";
		cb = on_sent;
		ok = buf_add_str(&params, "[\"") &&
		     sender_io_add_hex(&params, a->raw.p, a->raw.n) && buf_add_str(&params, "\"]");
		break;
	case SENDER_READ_VIEW:
	case SENDER_DRY_RUN:
	case SENDER_ESTIMATE:
	case SENDER_SIGN:
	case SENDER_PERSIST:
	case SENDER_CHECK_GOAL:
	case SENDER_FINISHED: break;
	}
	if (!ok)
		sender_io_failed(j, "out of memory for the parameters of an RPC call");
	else
		sender_io_call(j, 0, method, &params, &o, cb);
	buf_free(&params);
}

static void on_timer(uv_timer_t *timer)
{
	static const struct sender_event tick = {.kind = SENDER_EV_TICK, .endpoint = -1};
	struct sender_io *io = timer->data;
	struct sender_actions actions;

	sender_step(io->sender, &tick, now_ms(), &actions);
	run(io, &actions);
}

static void run(struct sender_io *io, const struct sender_actions *actions)
{
	const struct sender_action *a = &actions->a[0];
	uint64_t now = now_ms();

	if (io->closing)
		return;
	if (actions->wake_at_ms == UINT64_MAX) {
		uv_timer_stop(&io->timer);
	} else {
		uv_update_time(io->loop);
		uv_timer_start(&io->timer, on_timer,
			       actions->wake_at_ms > now ? actions->wake_at_ms - now : 0, 0);
	}
	if (!actions->n)
		return;
	job_stop(&io->job);
	io->job.kind = a->kind;
	io->job.ticket = a->ticket;
	switch (a->kind) {
	case SENDER_READ_VIEW: sender_io_read_view(&io->job, a); return;
	case SENDER_DRY_RUN:
	case SENDER_ESTIMATE: sender_io_simulate(&io->job, a); return;
	case SENDER_READ_FEES:
	case SENDER_BROADCAST: start_call(&io->job, a); return;
	case SENDER_SIGN: io->owner.sign(io->owner.arg, a); return;
	case SENDER_PERSIST: io->owner.persist(io->owner.arg, a->ticket, a->intent); return;
	case SENDER_CHECK_GOAL: io->owner.check_goal(io->owner.arg, a); return;
	case SENDER_FINISHED: io->owner.finished(io->owner.arg, a); return;
	}
}

/* ---- life ---- */

struct sender_io *sender_io_new(uv_loop_t *loop, struct rpc *rpc,
				const struct sender_io_options *options,
				const struct sender_io_owner *owner, struct why *why)
{
	struct sender_io *io = NULL;
	unsigned i;

	if (options->fee_percentile < 1 || options->fee_percentile > 100) {
		why_set(why, "the fee percentile %u is not in 1..100", options->fee_percentile);
		return NULL;
	}
	io = calloc(1, sizeof *io);
	if (!io) {
		why_set(why, "out of memory");
		return NULL;
	}
	io->sender = sender_new(&options->sender, why);
	if (!io->sender) {
		free(io);
		return NULL;
	}
	io->loop = loop;
	io->rpc = rpc;
	io->opts = *options;
	io->owner = *owner;
	io->job.io = io;
	for (i = 0; i < JOB_CALLS_MAX; i++)
		io->job.calls[i].job = &io->job;
	uv_timer_init(loop, &io->timer);
	io->timer.data = io;
	return io;
}

bool sender_io_wish(struct sender_io *io, const struct sender_wish *wish, struct why *why)
{
	struct sender_actions actions;

	if (!sender_wish(io->sender, wish, now_ms(), &actions, why))
		return false;
	run(io, &actions);
	return true;
}

bool sender_io_resume(struct sender_io *io, struct sender_intent *intent, struct why *why)
{
	struct sender_actions actions;

	if (!sender_resume(io->sender, intent, now_ms(), &actions, why))
		return false;
	run(io, &actions);
	return true;
}

void sender_io_answer(struct sender_io *io, const struct sender_event *event)
{
	struct sender_actions actions;

	sender_step(io->sender, event, now_ms(), &actions);
	run(io, &actions);
}

struct sender *sender_io_sender(struct sender_io *io)
{
	return io->sender;
}

void sender_io_describe(const struct sender_io *io, char *out, size_t size)
{
	sender_describe(io->sender, now_ms(), out, size);
}

static void on_closed(uv_handle_t *h)
{
	struct sender_io *io = h->data;
	void (*closed)(void *) = io->closed;
	void *arg = io->closed_arg;

	sender_free(io->sender);
	free(io);
	if (closed)
		closed(arg);
}

void sender_io_close(struct sender_io *io, void (*cb)(void *arg), void *arg)
{
	if (io->closing)
		return;
	io->closing = true;
	io->closed = cb;
	io->closed_arg = arg;
	job_stop(&io->job);
	uv_close((uv_handle_t *)&io->timer, on_closed);
}
