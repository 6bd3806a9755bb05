/*
 * fake_engine.h -- an engine of a shared store that keeps nothing, and says what a test wants said.
 */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "coordinator/store/engine.h"

struct fake_engine {
	struct engine e;
	uv_mutex_t mutex; /* guards all below */
	struct engine_news_list news;
	enum store_rc verdict; /* of each group; UNREACHABLE: of each transaction */
	struct store_instance instance[STORE_SLOTS + 1];
	size_t n; /* of them */
	/* So many transactions fail as a whole, each after it saw a revision more. */
	unsigned fail_whole;
	uint64_t rev;
	uint64_t seen; /* by the loop, when the last group was submitted */
	char said[STORE_STATUS_SIZE];
	bool closed;
};

/* For store_options.engine; the memory stays the caller's, until closed at least. */
struct engine *fake_engine_init(struct fake_engine *f, unsigned slot);
/* Told in the next turn, within some ms; number is a fence. */
void fake_engine_tell(struct fake_engine *f, enum engine_news_kind kind, uint64_t number,
		      const char *sentence);
void fake_engine_answer(struct fake_engine *f, enum store_rc verdict);
/* One more coordinator is seen. */
void fake_engine_add(struct fake_engine *f, const struct store_instance *instance);

#endif
