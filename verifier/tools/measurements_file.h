/*
 * measurements_file.h -- measurements.json: what an image's registers will hold, and how that is
 * known.
 *
 * {"image": {"sha256"}, "firmware": {"sha256"}, "memory": BYTES,
 *  "mrtd" | "rtmr0" | "rtmr1" | "rtmr2": {"value": HEX or null, "confirmed": BOOL, "how":
 * SENTENCE}, "mrtd_computed": {"one_pass": HEX, "two_pass": HEX}, "events": [{"rtmr": N, "digest":
 * HEX, "what": TEXT}, ...]}
 *
 * A value is confirmed when a TD's quote has held it; a computed one alone is not.
 */
#ifndef VERIFIER_TOOLS_MEASUREMENTS_FILE_H
#define VERIFIER_TOOLS_MEASUREMENTS_FILE_H

#include "encoding/why.h"
#include "measurement/event_log.h"

#define MEASURED_REGISTERS 4u /* MRTD, RTMR0..2: what TDXVerifier compares */

enum { REG_MRTD, REG_RTMR0, REG_RTMR1, REG_RTMR2 };
extern const char *const measured_names[MEASURED_REGISTERS];

struct measured_value {
	uint8_t value[DIGEST_SIZE];
	bool known, confirmed;
	char how[128];
};

struct measurements {
	struct measured_value reg[MEASURED_REGISTERS];
	char image_sha256[65], firmware_sha256[65]; /* "" where there is none */
	uint64_t memory;                            /* bytes; 0: not said */
	bool has_mrtd_orders;
	uint8_t mrtd_one_pass[DIGEST_SIZE], mrtd_two_pass[DIGEST_SIZE];
	struct event_log events; /* owned: release with measurements_free() */
	char (*words)[EVENT_WORDS_SIZE];
};

/* As one JSON object on stdout. */
void measurements_print(const struct measurements *m);
/* Reads such a file's bytes. False, with nothing to free and the sentence. */
bool measurements_parse(struct measurements *out, struct span json, struct why *why);
void measurements_free(struct measurements *m);

#endif
