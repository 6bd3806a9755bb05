/* collateral_world.h -- two fake sources, a client, and what its callbacks said. */
#ifndef TESTS_COLLATERAL_WORLD_H
#define TESTS_COLLATERAL_WORLD_H

#include "coordinator/collateral/internal.h"
#include "fake_pcs.h"

struct got {
	unsigned n;
	const struct collateral_set *set; /* a reference */
	char sentence[COLLATERAL_SENTENCE_SIZE];
};

struct world {
	uv_loop_t loop;
	uv_timer_t beat; /* a round of the loop may run a timer and then still wait for an event */
	char dir[64], root_file[96], sources[1024], root_crl_url[128];
	struct forge forge;
	struct forged good;
	struct fake_pcs a, b; /* both serve good; a is of Intel's kind, b a PCCS */
	struct collateral_settings settings;
	struct collateral *c;
	int64_t now; /* at which it is opened */
	struct collateral_key key;
	unsigned n_changed, n_notes;
	char last_note[COLLATERAL_SENTENCE_SIZE];
};

int world_setup(void **state);
int world_teardown(void **state);
void world_open(struct world *w);
void world_close(struct world *w);
void world_ask(struct world *w, int64_t now, struct got *g);
void world_wait(struct world *w, struct got *g);
/* Asks and waits; g->set may be NULL. */
void world_get(struct world *w, int64_t now, struct got *g);
/* Until nothing is fetched or saved any more. */
void world_settle(struct world *w);
void got_free(struct got *g);
void world_on_answer(void *arg, const struct collateral_set *set, const char *sentence);
/* Writes forged collateral as a directory source has it. */
void world_write_directory(const char *dir, const struct forged *x);
uint64_t world_count(struct world *w, size_t source, enum collateral_outcome outcome);

#define assert_says(text, what)                                                                    \
	do {                                                                                       \
		if (!strstr((text), (what)))                                                       \
			fail_msg("\"%s\" does not say \"%s\"", (text), (what));                    \
	} while (0)

#endif
