/*
 * forward_plan.h -- which proof goes to the upstream coordinator next, and what became of it. Pure.
 *
 * ethrex keeps the first proof of a batch and type that it gets, whatever it is worth, so one is
 * chosen, durably, before it is sent; the same one is sent until it is acknowledged, the lowest
 * batch first. A batch that upstream hands out again after that has lost its proof there: its
 * sender threw it away, or its store was in memory. Then it is sent again.
 */
#ifndef COORDINATOR_RELAY_FORWARD_PLAN_H
#define COORDINATOR_RELAY_FORWARD_PLAN_H

#include "coordinator/work/work.h"

#define FORWARD_MAX            65536 /* batches and types remembered */
#define FORWARD_LOOK           4096  /* batches passed over in one look */
#define FORWARD_RETRY_MIN_MS   500u
#define FORWARD_RETRY_MAX_MS   15000u
#define FORWARD_OVERDUE_MS     600000u /* ethrex sends each minute at the latest */
#define FORWARD_AGAIN_DOUBTFUL 2 /* times that upstream lost a proof which it alone can judge */

struct forward_entry {
	uint64_t batch;
	enum prover_type type;
	uint64_t id; /* the proof that was chosen */
	bool stored; /* that is durable: it may have been sent */
	bool acknowledged;
	uint64_t acknowledged_ms; /* wall clock */
	unsigned failures, again;
	uint64_t next_ms;
};

struct forward_plan {
	struct forward_entry *e; /* by batch and type */
	size_t n, cap;
	size_t acknowledged; /* of them */
	struct work_good at; /* where the next look goes on */
};

void forward_plan_free(struct forward_plan *p);

struct forward_due {
	uint64_t batch, id;
	enum prover_type type;
	bool chosen; /* before, durably */
};
/* Of batches up to `through`. False: nothing now. */
bool forward_plan_next(struct forward_plan *p, const struct work *w, uint64_t through,
		       uint64_t now_ms, struct forward_due *due);
/* Was a proof of this type chosen, and so may be with upstream, for a batch after..through? */
bool forward_plan_has(const struct forward_plan *p, uint64_t after, uint64_t through,
		      enum prover_type type);
/* From the first batch on again: something may be good now that was not. */
void forward_plan_rewind(struct forward_plan *p);
/* It is chosen; and that is durable. False: out of memory, or FORWARD_MAX are remembered. */
bool forward_plan_chosen(struct forward_plan *p, const struct forward_due *due);
void forward_plan_stored(struct forward_plan *p, const struct forward_due *due);
void forward_plan_acknowledged(struct forward_plan *p, uint64_t batch, enum prover_type type,
			       uint64_t wall_ms);
/* No acknowledgement: it is sent again later, and others before it. */
void forward_plan_failed(struct forward_plan *p, uint64_t batch, enum prover_type type,
			 uint64_t now_ms);

/* Upstream handed this batch out for this type, asked at asked_ms (wall clock). True: it has lost
 * the proof that it had acknowledged, which is sent again. *entry: as it is then. */
bool forward_plan_handed_out(struct forward_plan *p, uint64_t batch, enum prover_type type,
			     uint64_t asked_ms, uint64_t now_ms, struct forward_entry *entry);

/* The batch that is to be verified next is not, long after its proof was acknowledged (wall
 * clocks): its store may be another by now. True: such a one, which is sent again, is in *entry. */
bool forward_plan_overdue(struct forward_plan *p, uint64_t batch, uint64_t wall_ms,
			  struct forward_entry *entry);

/* At the start, in any order. False: out of memory, or too many. */
bool forward_plan_restore(struct forward_plan *p, const struct forward_entry *entry);
/* Forgets the first one of a batch up to `through`. False: there is none. */
bool forward_plan_drop(struct forward_plan *p, uint64_t through, struct forward_entry *dropped);

/* NULL: none. */
const struct forward_entry *forward_plan_find(const struct forward_plan *p, uint64_t batch,
					      enum prover_type type);

#endif
