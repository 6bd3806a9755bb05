/* config_table.h -- one row a setting: names, type, unit, limits, default, help. */
#ifndef COORDINATOR_CONFIG_CONFIG_TABLE_H
#define COORDINATOR_CONFIG_CONFIG_TABLE_H

#include "coordinator/config/config.h"

enum config_type {
	TYPE_TEXT,
	TYPE_SECRET,
	TYPE_U64,
	TYPE_BOOL,
	TYPE_ADDRESS,
	TYPE_KEY,
	TYPE_URLS,    /* of L1: shown without what may be a secret */
	TYPE_SOURCES, /* likewise, one or several, pccs+https:// and dir: too */
	TYPE_STORE,   /* a database: shown as it is used, for it holds no secret */
	TYPE_HASHES,  /* SHA-256 in hex, which a private key would look like; shown as they are */
};

struct config_row {
	const char *group; /* a heading in the help text; NULL: as the row before */
	const char *name;  /* environment variable */
	const char *older; /* the name that earlier documentation used, or NULL */
	const char *flag;  /* without the two dashes; NULL for secrets */
	enum config_type type;
	size_t at;            /* offset in struct config */
	size_t has;           /* offset of the bool that says it was given, or 0 */
	uint64_t min, max;    /* TYPE_U64 */
	const char *fallback; /* default as text; NULL: none */
	bool reload;          /* may change while running */
	const char *help;
};

extern const struct config_row config_rows[];
extern const size_t config_rows_count;

/* Is its value one that is never shown, and that NAME_FILE may hold? */
bool config_row_is_secret(const struct config_row *r);

#endif
