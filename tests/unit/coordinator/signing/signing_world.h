/*
 * signing_world.h -- whoever signs, in a real process: the test's own program started anew, which
 * must then be it.
 *
 *     int main(int argc, char **argv)
 *     {
 *             if (signing_world_is_it(argc, argv))
 *                     return signer_main();
 */
#ifndef TESTS_SIGNING_WORLD_H
#define TESTS_SIGNING_WORLD_H

#include "coordinator/signing/signer.h"
#include "coordinator/signing/signing.h"

#include <stdlib.h>
#include <string.h>

#define SIGNING_WORLD_FEE 10000000000ull
#define SIGNING_WORLD_GAS 16777216ull

static inline bool signing_world_is_it(int argc, char **argv)
{
	return argc == 2 && strcmp(argv[1], SIGNER_VERB) == 0;
}

static inline void signing_world_on_lost(void *arg, const char *sentence)
{
	(void)arg;
	(void)sentence;
	abort();
}

static inline void signing_world_on_closed(void *arg)
{
	*(bool *)arg = true;
}

/* A key that is NULL: none. */
static inline struct signing *signing_world_open(uv_loop_t *loop, const struct eth_key *sender,
						 const struct eth_key *registrar,
						 const struct eth_address *verify_to)
{
	const struct eth_key *keys[SIGNING_ACCOUNTS] = {sender, registrar};
	const struct signing_events events = {signing_world_on_lost, NULL};
	struct signing_options o = {.max_fee = SIGNING_WORLD_FEE,
				    .max_gas = SIGNING_WORLD_GAS,
				    .verify_to = *verify_to,
				    .local_timeout_ms = 10000};
	struct signing *s;
	struct why why;
	int i;

	for (i = 0; i < SIGNING_ACCOUNTS; i++) {
		if (!keys[i])
			continue;
		o.accounts[i].way = SIGNING_LOCAL;
		o.accounts[i].key = keys[i];
		eth_key_address(&o.accounts[i].address, keys[i]);
	}
	if (!signing_new(&s, loop, &o, &events, &why))
		abort();
	return s;
}

static inline void signing_world_close(uv_loop_t *loop, struct signing *s)
{
	bool closed = false;

	signing_close(s, signing_world_on_closed, &closed);
	while (!closed)
		uv_run(loop, UV_RUN_ONCE);
}

#endif
