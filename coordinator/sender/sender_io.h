/*
 * sender_io.h -- the glue between the pure sender, the RPC client and the owner.
 *
 * Maps each sender_action to RPC calls and their replies to one sender_event, and keeps the
 * wake-up timer. What is not RPC (persist, sign, goal, finished) goes to the owner's callbacks.
 * All on the loop's thread.
 */
#ifndef COORDINATOR_SENDER_SENDER_IO_H
#define COORDINATOR_SENDER_SENDER_IO_H

#include "coordinator/l1/rpc.h"
#include "coordinator/sender/sender.h"

struct sender_io;

/* The owner answers by sender_io_answer() with the ticket, from inside the callback or later. The
 * intent and the action are valid during the callback only. */
struct sender_io_owner {
	/* -> SENDER_EV_DONE once durable, or SENDER_EV_FAILED */
	void (*persist)(void *arg, uint64_t ticket, const struct sender_intent *intent);
	/* -> SENDER_EV_SIGNED or SENDER_EV_FAILED */
	void (*sign)(void *arg, const struct sender_action *action);
	/* -> SENDER_EV_GOAL or SENDER_EV_FAILED */
	void (*check_goal)(void *arg, const struct sender_action *action);
	/* The end of the intent. A new wish may be made from inside. */
	void (*finished)(void *arg, const struct sender_action *action);
	void *arg;
};

struct sender_io_options {
	struct sender_options sender;
	unsigned fee_percentile; /* of eth_feeHistory's rewards, 1..100 */
};

/* NULL with a sentence. rpc must outlive it. */
struct sender_io *sender_io_new(uv_loop_t *loop, struct rpc *rpc,
				const struct sender_io_options *options,
				const struct sender_io_owner *owner, struct why *why);

bool sender_io_wish(struct sender_io *io, const struct sender_wish *wish, struct why *why);
bool sender_io_resume(struct sender_io *io, struct sender_intent *intent, struct why *why);
/* The owner's answer; what the event points to is used during the call only. */
void sender_io_answer(struct sender_io *io, const struct sender_event *event);

/* The sender inside, for sender_busy(), sender_intent() and sender_set_max_fee(). */
struct sender *sender_io_sender(struct sender_io *io);
void sender_io_describe(const struct sender_io *io, char *out, size_t size);

/* Cancels what is on the wire, without finishing the intent (it stays persisted); frees io and
 * then calls cb (which may be NULL). */
void sender_io_close(struct sender_io *io, void (*cb)(void *arg), void *arg);

#endif
