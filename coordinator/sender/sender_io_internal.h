/* sender_io_internal.h -- shared by sender_io.c, view.c and simulate.c. */
#ifndef COORDINATOR_SENDER_SENDER_IO_INTERNAL_H
#define COORDINATOR_SENDER_SENDER_IO_INTERNAL_H

#include "coordinator/sender/sender_io.h"

/* A call with the largest data, twice its bytes in hex, and what stands around it. */
#define PARAMS_MAX (2 * SENDER_TX_BYTES_MAX + 1024)
/* latest, pending and deep nonce, balance, receipts */
#define JOB_CALLS_MAX (4 + SENDER_ATTEMPTS_MAX)

struct job_call {
	struct job *job;
	uint64_t cookie; /* 0: not under way */
};

/* The RPC calls of one action. There is one action at a time, and so one job. */
struct job {
	struct sender_io *io;
	enum sender_action_kind kind;
	uint64_t ticket;
	bool stopping;    /* what still calls back is to be ignored */
	unsigned n_open;  /* calls under way */
	unsigned n_calls; /* of the second stage of a view */
	uint64_t depth;
	bool lacks_pending; /* the node does not know the pending block */
	/* a simulation */
	uint64_t at_block;
	uint32_t avoid;
	unsigned nonce_reads;
	struct job_call calls[JOB_CALLS_MAX];
	struct sender_event event; /* filled as replies come */
	struct sender_receipt receipts[SENDER_ATTEMPTS_MAX];
};

struct sender_io {
	uv_loop_t *loop;
	struct rpc *rpc;
	struct sender_io_options opts;
	struct sender_io_owner owner;
	struct sender *sender;
	uv_timer_t timer;
	struct job job;
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* Starts call i of the job; false after the job was ended with SENDER_EV_FAILED. */
bool sender_io_call(struct job *j, unsigned i, const char *method, const struct buf *params,
		    const struct rpc_call_options *options, rpc_cb *cb);
/* Ends the job: stops its other calls and hands the event to the sender. */
void sender_io_done(struct job *j);
void sender_io_failed(struct job *j, const char *sentence);
/* The same, for an endpoint's answer that is none: others are asked for a while. */
void sender_io_no_answer(struct job *j, int endpoint, const char *sentence);
/* First lines of every callback: false when the reply comes too late to matter. */
bool sender_io_take(struct job_call *c);

bool sender_io_add_hex(struct buf *b, const void *p, size_t n);

void sender_io_read_view(struct job *j, const struct sender_action *a);
void sender_io_simulate(struct job *j, const struct sender_action *a);

#endif
