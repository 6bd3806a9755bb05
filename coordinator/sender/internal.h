/* sender_private.h -- the sender's state, shared by sender.c, sender_plan.c and sender_follow.c. */
#ifndef COORDINATOR_SENDER_INTERNAL_H
#define COORDINATOR_SENDER_INTERNAL_H

#include "coordinator/sender/sender.h"

#define OPINIONS_MAX 32
/* What a call without data to an account without code costs. */
#define FILL_GAS 21000
/* Missing nonces below ours that are worth filling; beyond, our own transaction is abandoned. */
#define GAP_MAX 16

enum phase {
	PH_IDLE,
	PH_SLEEP,
	PH_PLAN_VIEW,
	PH_PLAN_FEES,
	PH_DRY_RUN,
	PH_ESTIMATE,
	PH_BUMP_FEES,
	PH_SIGN,
	PH_PERSIST,
	PH_BROADCAST,
	PH_FOLLOW,
	PH_FILL_FEES,
	PH_FILL_SIGN,
	PH_FILL_SEND,
	PH_GOAL,
	PH_EXPLAIN,
};

/* Why the goal is asked for. */
enum goal_reason {
	GOAL_AFTER_REVERT,
	GOAL_AFTER_LOST_NONCE,
	GOAL_AFTER_FAILURE,
	GOAL_AFTER_RECEIPT,
};

/* What one endpoint says about the question of the round. */
struct opinion {
	int endpoint;
	uint64_t value;
	uint64_t head;
};

enum verdict { ASK_ANOTHER, AGREED, DISAGREE };

struct sender {
	struct sender_options opts;
	uint64_t random;

	enum phase phase, after_sleep;
	uint64_t last_ticket;
	uint64_t asked; /* ticket of the action under way, 0: none */
	uint64_t wake_at;
	struct sender_intent intent;
	uint64_t gas_cap;
	uint64_t started_ms;
	unsigned failures; /* in a row, for the backoff */
	struct why note;   /* the latest trouble, for status output and outcomes */

	/* Something of this intent may sit in a pool: it can no longer be dropped. */
	bool exposed, was_exposed;

	struct opinion opinions[OPINIONS_MAX];
	unsigned n_opinions;

	/* the plan for the next signature */
	uint64_t nonce, gas, max_fee, tip;
	bool has_balance;
	struct uint256 balance;
	uint64_t foreign_since, funds_since; /* 0: no trouble */
	unsigned reverts, split_dry_runs;
	uint32_t dry_run_avoid;
	struct buf revert_data;

	/* following */
	uint64_t bump_at, bump_wait, resend_at;
	unsigned send_failures;
	uint32_t send_avoid;    /* endpoints that had the newest bytes lately */
	bool refused_as_used;   /* the newest bytes' last answer was that their nonce is used up */
	uint64_t refused_since; /* since when no node takes the newest bytes; 0: one did */
	uint64_t lost_since;    /* since when views show their nonce used up; 0: they do not */
	uint64_t gap_since;     /* 0: no nonce below ours is missing */
	bool abandoning; /* the nonce is planned anew, for ours is out of the chain's reach */
	uint64_t fill_nonce, fill_at;
	unsigned fill_raises;
	struct buf fill_raw;
	bool mined;
	unsigned mined_attempt;
	struct sender_receipt receipt;
	int receipt_by;      /* the endpoint that showed it */
	unsigned unmoved;    /* looks at its block that found no effect */
	uint32_t goal_avoid; /* who said so */
	enum goal_reason goal_reason;
	unsigned explain_tries;
};

/* sender.c */
struct sender_action *sender_ask(struct sender *s, enum phase phase, uint64_t now,
				 struct sender_actions *out);
void sender_rest(struct sender *s, enum phase after, uint64_t ms, uint64_t now);
uint64_t sender_backoff(struct sender *s, unsigned failures);
uint64_t sender_jitter(struct sender *s, uint64_t ms);
/* One more view of a question: do two endpoints agree on the value, or, where only one answers,
 * does it say the same twice? */
enum verdict sender_weigh(struct sender *s, struct opinion o, bool drop_stale);
void sender_finish(struct sender *s, enum sender_outcome outcome, struct sender_actions *out);
/* Ends a wish that got nothing sent in its time. */
bool sender_out_of_time(struct sender *s, uint64_t now, struct sender_actions *out);
const struct sender_attempt *sender_newest(const struct sender *s);

/* sender_plan.c */
void plan_on_view(struct sender *s, const struct sender_event *e, uint64_t now,
		  struct sender_actions *out);
void plan_on_fees(struct sender *s, const struct sender_event *e, uint64_t now,
		  struct sender_actions *out);
void plan_on_dry_run(struct sender *s, const struct sender_event *e, uint64_t now,
		     struct sender_actions *out);
void plan_on_estimate(struct sender *s, const struct sender_event *e, uint64_t now,
		      struct sender_actions *out);
void plan_on_bump_fees(struct sender *s, const struct sender_event *e, uint64_t now,
		       struct sender_actions *out);
void plan_on_fill_fees(struct sender *s, const struct sender_event *e, uint64_t now,
		       struct sender_actions *out);
bool plan_can_bump(const struct sender *s);

/* sender_follow.c */
void follow_on_signed(struct sender *s, const struct sender_event *e, uint64_t now,
		      struct sender_actions *out);
void follow_on_sent(struct sender *s, const struct sender_event *e, uint64_t now,
		    struct sender_actions *out);
void follow_on_view(struct sender *s, const struct sender_event *e, uint64_t now,
		    struct sender_actions *out);
void follow_on_fill_signed(struct sender *s, const struct sender_event *e, uint64_t now,
			   struct sender_actions *out);
void follow_on_fill_sent(struct sender *s, const struct sender_event *e, uint64_t now);
void follow_on_goal(struct sender *s, const struct sender_event *e, uint64_t now,
		    struct sender_actions *out);
void follow_on_explained(struct sender *s, const struct sender_event *e,
			 struct sender_actions *out);

#endif
