#include "coordinator/base/retry.h"

uint64_t retry_backoff(uint64_t min, uint64_t max, unsigned failures)
{
	uint64_t wait = min;

	for (; failures && wait < max; failures--)
		wait = wait > max / 2 ? max : wait * 2;
	return wait < max ? wait : max;
}

uint64_t retry_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t retry_spread(uint64_t value, unsigned part, uint64_t random)
{
	const uint64_t limit = value / part;

	return value - limit + random % (2 * limit + 1);
}
