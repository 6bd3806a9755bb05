/*
 * cluster.h -- the coordinators on one database, for whoever looks on: as each is last seen there,
 * and what it says of itself.
 *
 * What is read there others wrote: names and figures are taken only in the form that they should
 * have, so that neither a table nor a line of metrics can be made something else by them.
 */
#ifndef COORDINATOR_CLUSTER_CLUSTER_H
#define COORDINATOR_CLUSTER_CLUSTER_H

#include "coordinator/store/store.h"

#include <jansson.h>

/* It is seen each second: after this it does not speak, and another may lead in its place. */
#define CLUSTER_SILENT_MS 5000

/* What is to be the same on each, for any of them may lead. */
enum cluster_setting {
	CLUSTER_TIMELOCK,
	CLUSTER_VERIFY_FROM,
	CLUSTER_REGISTER_FROM,
	CLUSTER_REGISTER_ROUTE,
	CLUSTER_DEV_MODE,
	CLUSTER_COMMIT_HASH_PATTERN,
	CLUSTER_UPSTREAM,
	CLUSTER_SUBMIT,
	CLUSTER_SETTINGS,
};

/* Eight digits of each, in this order: a later version adds its own at the end. */
#define CLUSTER_SETTINGS_SIZE (8 * CLUSTER_SETTINGS + 1)

/* Of their values, as texts: to be compared, not to be read. */
void cluster_settings(char out[CLUSTER_SETTINGS_SIZE], const char *const values[CLUSTER_SETTINGS]);

/* What a coordinator says of itself. */
struct cluster_figures {
	const char *state; /* lower-case letters */
	uint64_t connections;
	uint64_t leases;                          /* of all coordinators, as known there */
	uint64_t provers;                         /* keys, likewise */
	uint64_t inputs_granted, proofs_accepted; /* there, in this run */
	uint64_t l1_block;
	int64_t l1_age_s; /* of that block; -1: none was read */
	uint64_t uptime_s;
	const char *settings; /* of cluster_settings(); NULL: it says nothing of them */
};

struct cluster_self {
	const char *name, *version;
	uint64_t started_ms;
	struct cluster_figures figures;
};

/* To the others. */
void cluster_say(struct store *store, const struct cluster_figures *figures);

/* All that are seen, by slot, and of this one what is so now; it alone where the store is not
 * shared, or shows none yet. At least one; their texts are plain words. */
size_t cluster_see(struct store_instance out[STORE_SLOTS], struct store *store,
		   const struct cluster_self *self);

/* Whether this one is alone, who leads, or why nothing can be stored; and who is silent or gone, or
 * has a clock that is off or other settings. */
void cluster_describe(struct why *out, struct store *store, const struct cluster_self *self);

/* Which coordinator that is there has other settings than this one, and which; "": none. */
void cluster_differ(struct why *out, struct store *store, const struct cluster_self *self);

/* All of that; NULL: no memory. */
json_t *cluster_json(struct store *store, const struct cluster_self *self);
/* Takes what grows by itself out of it. */
void cluster_json_still(json_t *cluster);

#endif
