#include "coordinator/collateral/internal.h"

#include "coordinator/base/retry.h"

#define REFRESH_FLOOR 600 /* seconds from a fetch to the next planned one */

void collateral_rest_failed(struct collateral_rest *rest, const struct collateral_rest_limits *l,
			    int64_t now, uint32_t at_least, uint64_t random)
{
	uint64_t wait = retry_spread(retry_backoff(l->min, l->max, rest->failures), 4, random);

	if (wait < at_least)
		wait = at_least;
	rest->failures++;
	rest->until = now + (int64_t)wait;
	rest->asked = at_least ? now + (int64_t)at_least : 0;
}

void collateral_rest_worked(struct collateral_rest *rest)
{
	*rest = (struct collateral_rest){0};
}

void collateral_rest_cut(struct collateral_rest *rest)
{
	if (rest->until > rest->asked)
		rest->until = rest->asked;
}

int64_t collateral_refresh_time(const struct tdxv_collateral_facts *facts, int64_t fetched_at,
				uint64_t random)
{
	int64_t half = facts->valid_from + (facts->valid_to - facts->valid_from) / 2;
	int64_t left = facts->valid_to - fetched_at, wait;

	wait = half > fetched_at ? half - fetched_at : left / 2;
	if (wait > 0)
		wait -= (int64_t)(random % (uint64_t)(wait / 20 + 1));
	return fetched_at + (wait < REFRESH_FLOOR ? REFRESH_FLOOR : wait);
}
