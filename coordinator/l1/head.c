/* L1's time, and how far this machine's clock is off it. */
#include "coordinator/l1/facts.h"

#include "coordinator/base/clock.h"

#include <inttypes.h>

/* What L1's blocks are apart at most where all is well, many times over. */
#define FAR_S 600

static int64_t wall_s(void)
{
	return (int64_t)(clock_wall_ms() / 1000);
}

static int64_t off_by(int64_t head, int64_t wall)
{
	return head > wall ? head - wall : wall - head;
}

static const char *side(int64_t head, int64_t wall)
{
	return head > wall ? "ahead of" : "behind";
}

bool l1_time(const struct l1 *c, int64_t max_skew_s, int64_t *now, struct why *why)
{
	const int64_t wall = wall_s(), head = l1_head_time(c);

	if (!head) {
		why_set(why, "L1 has not yet said what time it is there");
		return false;
	}
	if (max_skew_s && off_by(head, wall) > max_skew_s) {
		why_set(why,
			"L1's head is %" PRId64 " s %s this machine's clock, more than the %" PRId64
			" s that ETHREX_PROOF_COORDINATOR_MAX_CLOCK_SKEW allows: which is right?",
			off_by(head, wall), side(head, wall), max_skew_s);
		return false;
	}
	*now = head;
	return true;
}

bool l1_head_is_far(const struct l1 *c, struct why *why)
{
	const int64_t wall = wall_s(), head = l1_head_time(c);

	if (!head || off_by(head, wall) <= FAR_S)
		return false;
	why_set(why,
		"L1's head is %" PRId64 " s %s this machine's clock: does the node lag, or is the "
		"clock wrong?",
		off_by(head, wall), side(head, wall));
	return true;
}
