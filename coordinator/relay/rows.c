#include "coordinator/relay/rows.h"

#include "encoding/endian.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEMAND       "relay.demand/"
#define WANTED       "relay.wanted/"
#define HEARD        "relay.heard/"
#define FORWARD      "relay.forward/"
#define ROW_VERSION  1
#define DEMAND_SIZE  17
#define FORWARD_SIZE 18

static void fact(struct relay_row *out, enum store_change_kind kind, size_t n)
{
	out->change = (struct store_change){.kind = kind};
	out->change.fact.key = span_of(out->key, strlen(out->key));
	out->change.fact.value = span_of(out->value, n);
}

/* ---- what upstream is asked for: DIALECT/TYPE/HASH, the last may be anything ---- */

#define KEY_TEXT_SIZE (COMMIT_HASH_MAX + 24)

static size_t key_text(char out[KEY_TEXT_SIZE], const struct fetch_key *key)
{
	return (size_t)snprintf(out, KEY_TEXT_SIZE, "%d/%d/%s", (int)key->dialect,
				key->has_type ? (int)key->type : -1, key->commit_hash);
}

static void demand_key(struct relay_row *out, const struct fetch_key *key)
{
	char text[KEY_TEXT_SIZE];

	key_text(text, key);
	snprintf(out->key, sizeof out->key, DEMAND "%s", text);
}

void demand_row_put(struct relay_row *out, const struct fetch_demand *d, uint64_t wall_ms)
{
	demand_key(out, &d->key);
	out->value[0] = ROW_VERSION;
	put_be64(out->value + 1, wall_ms);
	put_be64(out->value + 9, d->proven ? d->batch : 0);
	fact(out, CHANGE_FACT_PUT, DEMAND_SIZE);
}

void demand_row_drop(struct relay_row *out, const struct fetch_key *key)
{
	demand_key(out, key);
	fact(out, CHANGE_FACT_DEL, 0);
}

/* ---- what coordinators tell each other: VERSION, [HEARD, length of the hash, hash,] the key ----
 */

void wanted_row_put(struct relay_row *out, unsigned slot, unsigned place,
		    const struct fetch_key *key)
{
	char text[KEY_TEXT_SIZE];
	const size_t n = key_text(text, key);

	snprintf(out->key, sizeof out->key, WANTED "%u/%u", slot, place);
	out->value[0] = ROW_VERSION;
	memcpy(out->value + 1, text, n);
	fact(out, CHANGE_FACT_PUT, 1 + n);
}

void heard_row_put(struct relay_row *out, unsigned place, const struct fetch_key *key,
		   enum fetch_heard heard, const char *code_hash)
{
	char text[KEY_TEXT_SIZE];
	const size_t n = key_text(text, key), hash = strlen(code_hash);

	snprintf(out->key, sizeof out->key, HEARD "%u", place);
	out->value[0] = ROW_VERSION;
	out->value[1] = (uint8_t)heard;
	out->value[2] = (uint8_t)hash;
	memcpy(out->value + 3, code_hash, hash);
	memcpy(out->value + 3 + hash, text, n);
	fact(out, CHANGE_FACT_PUT, 3 + hash + n);
}

/* A number at the front of *text, and what ends it; both are taken off. */
static bool take_number(const char **text, char end, long long *out)
{
	char *at;

	errno = 0;
	*out = strtoll(*text, &at, 10);
	if (errno || at == *text || *at != end)
		return false;
	*text = at + (end != '\0');
	return true;
}

static bool key_get(struct fetch_key *out, const char *text)
{
	long long dialect, type;

	if (!take_number(&text, '/', &dialect) || !take_number(&text, '/', &type) ||
	    strlen(text) > COMMIT_HASH_MAX || dialect <= DIALECT_P1_P2 || dialect > DIALECT_P7 ||
	    type < -1 || type >= PROVER_TYPES)
		return false;
	*out = (struct fetch_key){.dialect = (enum dialect)dialect,
				  .has_type = type >= 0,
				  .type = type >= 0 ? (enum prover_type)type : PROVER_EXEC};
	strcpy(out->commit_hash, text);
	return true;
}

static bool demand_row_get(struct demand_row *out, const char *key, struct span value)
{
	*out = (struct demand_row){.batch = 0};
	if (value.n != DEMAND_SIZE || value.p[0] != ROW_VERSION ||
	    !key_get(&out->key, key + strlen(DEMAND)))
		return false;
	out->asked_ms = be64(value.p + 1);
	out->batch = be64(value.p + 9);
	return true;
}

/* The rest of a value, from `at` on. */
static bool key_get_at(struct fetch_key *out, struct span value, size_t at)
{
	char text[KEY_TEXT_SIZE];

	if (at > value.n || value.n - at >= sizeof text)
		return false;
	memcpy(text, value.p + at, value.n - at);
	text[value.n - at] = '\0';
	return key_get(out, text);
}

static bool wanted_row_get(struct demand_row *out, struct span value)
{
	*out = (struct demand_row){.batch = 0};
	return value.n && value.p[0] == ROW_VERSION && key_get_at(&out->key, value, 1);
}

static bool heard_row_get(struct demand_row *out, struct span value)
{
	size_t hash;

	*out = (struct demand_row){.batch = 0};
	if (value.n < 3 || value.p[0] != ROW_VERSION || value.p[1] >= FETCH_HEARD_COUNT)
		return false;
	hash = value.p[2];
	if (hash > COMMIT_HASH_MAX || hash > value.n - 3 || memchr(value.p + 3, 0, hash))
		return false;
	out->heard = (enum fetch_heard)value.p[1];
	memcpy(out->code_hash, value.p + 3, hash);
	return key_get_at(&out->key, value, 3 + hash);
}

/* ---- what is forwarded: BATCH/TYPE ---- */

static void forward_key(struct relay_row *out, const struct forward_entry *e)
{
	snprintf(out->key, sizeof out->key, FORWARD "%" PRIu64 "/%d", e->batch, (int)e->type);
}

void forward_row_put(struct relay_row *out, const struct forward_entry *e)
{
	forward_key(out, e);
	out->value[0] = ROW_VERSION;
	out->value[1] = e->acknowledged;
	put_be64(out->value + 2, e->id);
	put_be64(out->value + 10, e->acknowledged_ms);
	fact(out, CHANGE_FACT_PUT, FORWARD_SIZE);
}

void forward_row_drop(struct relay_row *out, const struct forward_entry *e)
{
	forward_key(out, e);
	fact(out, CHANGE_FACT_DEL, 0);
}

static bool forward_row_get(struct forward_entry *out, const char *key, struct span value)
{
	uint64_t batch;
	long long type;
	char *end;

	key += strlen(FORWARD);
	errno = 0;
	batch = strtoull(key, &end, 10);
	if (errno || end == key || *end != '/')
		return false;
	key = end + 1;
	if (!take_number(&key, '\0', &type) || value.n != FORWARD_SIZE ||
	    value.p[0] != ROW_VERSION || type < 0 || type >= PROVER_TYPES)
		return false;
	*out = (struct forward_entry){.batch = batch,
				      .type = (enum prover_type)type,
				      .id = be64(value.p + 2),
				      .acknowledged = value.p[1] != 0,
				      .acknowledged_ms = be64(value.p + 10)};
	return true;
}

enum relay_row_kind relay_row_get(const struct store_fact *row, struct demand_row *demand,
				  struct forward_entry *entry)
{
	char key[RELAY_KEY_SIZE];

	if (row->key.n >= sizeof key)
		return RELAY_ROW_NONE;
	memcpy(key, row->key.p, row->key.n);
	key[row->key.n] = '\0';
	if (strncmp(key, DEMAND, strlen(DEMAND)) == 0 && demand_row_get(demand, key, row->value))
		return RELAY_ROW_DEMAND;
	if (strncmp(key, WANTED, strlen(WANTED)) == 0 && wanted_row_get(demand, row->value))
		return RELAY_ROW_WANTED;
	if (strncmp(key, HEARD, strlen(HEARD)) == 0 && heard_row_get(demand, row->value))
		return RELAY_ROW_HEARD;
	if (strncmp(key, FORWARD, strlen(FORWARD)) == 0 && forward_row_get(entry, key, row->value))
		return RELAY_ROW_FORWARD;
	return RELAY_ROW_NONE;
}
