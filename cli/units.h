/*
 * units.h -- numbers with a unit, as people give them: what was meant by "30s" where milliseconds
 * are expected, and whether 10 wei a gas are meant at all.
 */
#ifndef CLI_UNITS_H
#define CLI_UNITS_H

#include "encoding/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unit { UNIT_NONE, UNIT_MS, UNIT_SECONDS, UNIT_BYTES, UNIT_WEI, UNIT_GAS };

/* The unit that a setting's help names, by its first word of that kind; UNIT_NONE: it counts
 * things. */
enum unit unit_of_help(const char *help);
/* "milliseconds", "bytes"; "" for UNIT_NONE. */
const char *unit_name(enum unit u);

struct unit_number {
	enum unit unit;
	uint64_t min, max, fallback;
};

/* Reads a whole number in its unit. False: the sentence says what it should be, and what might be
 * written instead of a text like "30s", "16MiB" or "10gwei". */
bool unit_read(uint64_t *out, const struct unit_number *n, const char *text, struct why *why);

/* Does a value look as if it were in another unit, such as seconds for milliseconds? True with the
 * sentence. */
bool unit_suspect(const struct unit_number *n, uint64_t value, struct why *why);

#endif
