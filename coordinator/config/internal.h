/* internal.h -- what reading the settings (config.c, env_file.c) and checking them share. */
#ifndef COORDINATOR_CONFIG_INTERNAL_H
#define COORDINATOR_CONFIG_INTERNAL_H

#include "cli/units.h"
#include "coordinator/config/config_table.h"

/* What one row was given as: text and where it came from. */
struct given {
	char text[CONFIG_TEXT_MAX];
	enum config_origin origin;
	bool set;
	bool in_file; /* of NAME_FILE */
	bool bad;     /* what was given makes no value, which was said: nothing follows from it */
};

struct loader {
	struct config *c;
	struct given *given; /* one a row */
	FILE *errors;
	bool need_chain;
	const struct config *running; /* a reload: keys are not read; NULL else */
	unsigned mistakes;
	bool bad_urls; /* as given.bad, of L1's endpoints */
};

/* One line for the operator. What was typed stands in it by config_shown() alone. */
void config_mistake(struct loader *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Was it given, as nothing that makes a value? at: the row's offset. */
bool config_is_bad(const struct loader *l, size_t at);
/* What a text that is no private key is instead, without a part of it. */
void config_describe_no_key(struct why *out, const char *text);
bool config_is_given(const struct loader *l, size_t at);

/* What is to be said of a setting that was taken; name outlives c. */
void config_note(struct config *c, const char *name, bool suspect, const struct why *sentence);

#define CONFIG_SHOWN_SIZE 256
/* A value as it may be shown: no private key, nothing of a URL that may be a secret. Returns out.
 */
const char *config_shown(char out[CONFIG_SHOWN_SIZE], const char *value);
/* A key, or what opens one: read at the start alone. */
bool config_row_is_of_keys(const struct config_row *r);
/* 64 hex digits, with 0x or without: a private key, whatever the setting is. */
bool config_is_key(const char *value);

/* NAME=value, of n characters the name; what is no setting of this program is passed over. */
void config_give(struct loader *l, const char *name, size_t n, const char *value,
		 enum config_origin origin);
/* Does this name, of n characters, set a secret by its value? */
bool config_names_secret(const char *name, size_t n);
/* A number's unit, limits and default; of a TYPE_U64. */
struct unit_number config_number(const struct config_row *r);
/* env_file.c */
void config_read_env_file(struct loader *l, const char *path);

/* config_keys.c: one way to the key, and the address it leads to. */
void config_check_keys(struct loader *l);

/* check.c: what no row can see by itself, and all that `run` would refuse. */
void config_check(struct loader *l);

#endif
