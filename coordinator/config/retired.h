/*
 * retired.h -- names that are still understood, each with the sentence that says what became of it.
 */
#ifndef COORDINATOR_CONFIG_RETIRED_H
#define COORDINATOR_CONFIG_RETIRED_H

#include "encoding/why.h"

#include <stddef.h>

struct config_retired;

/* By environment variable or by flag, of n characters; NULL: no such name. */
const struct config_retired *config_retired_name(const char *name, size_t n);
const struct config_retired *config_retired_flag(const char *flag, size_t n);

enum config_retired_answer {
	RETIRED_SILENT, /* as if it were not given */
	RETIRED_NOTE,   /* goes on; the sentence is worth saying */
	RETIRED_ERROR,  /* what was wanted cannot be had; the sentence says why */
};
/* What giving that value means; the sentence does not name the setting. */
enum config_retired_answer config_retired_given(const struct config_retired *r, const char *value,
						struct why *sentence);
/* Is its flag one that may stand without a value? */
int config_retired_is_bool(const struct config_retired *r);

const char *config_retired_env(const struct config_retired *r);
/* For tests and the list in the help: NULL past the end. */
const struct config_retired *config_retired_at(size_t i);

#endif
