#include "coordinator/cluster/cluster.h"

#include "coordinator/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER   "abcdefghijklmnopqrstuvwxyz"
#define NAMES   "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LOWER "0123456789._+~-" /* as the settings allow */
#define NUMBERS 8

static const char *const number_names[NUMBERS] = {"connections",    "leases",          "provers",
						  "inputs_granted", "proofs_accepted", "l1_block",
						  "l1_age_s",       "uptime_s"};

static const char *const setting_names[CLUSTER_SETTINGS] = {
    [CLUSTER_TIMELOCK] = "ETHREX_TIMELOCK_ADDRESS",
    [CLUSTER_VERIFY_FROM] = "the key that verifies",
    [CLUSTER_REGISTER_FROM] = "the key that registers",
    [CLUSTER_REGISTER_ROUTE] = "REGISTER_ROUTE",
    [CLUSTER_DEV_MODE] = "ETHREX_TDX_DEV_MODE",
    [CLUSTER_COMMIT_HASH_PATTERN] = "COMMIT_HASH_PATTERN",
    [CLUSTER_UPSTREAM] = "UPSTREAM",
    [CLUSTER_SUBMIT] = "SUBMIT"};

/* ---- what one says of itself ---- */

/* FNV-1a: they are no secrets, and nobody gains by a collision. */
void cluster_settings(char out[CLUSTER_SETTINGS_SIZE], const char *const values[CLUSTER_SETTINGS])
{
	const char *p;
	uint32_t hash;
	size_t i;

	for (i = 0; i < CLUSTER_SETTINGS; i++) {
		hash = 2166136261u;
		for (p = values[i]; *p; p++)
			hash = (uint32_t)((hash ^ (uint8_t)*p) * UINT64_C(16777619));
		snprintf(out + 8 * i, 9, "%08" PRIx32, hash);
	}
}

static bool print(char out[STORE_STATUS_SIZE], const struct cluster_figures *f)
{
	const int64_t numbers[NUMBERS] = {(int64_t)f->connections,
					  (int64_t)f->leases,
					  (int64_t)f->provers,
					  (int64_t)f->inputs_granted,
					  (int64_t)f->proofs_accepted,
					  (int64_t)f->l1_block,
					  f->l1_age_s,
					  (int64_t)f->uptime_s};
	int n = snprintf(out, STORE_STATUS_SIZE, "{\"state\":\"%.16s\"", f->state);
	size_t i;

	for (i = 0; i < NUMBERS && n < STORE_STATUS_SIZE; i++)
		n += snprintf(out + n, STORE_STATUS_SIZE - (size_t)n, ",\"%s\":%" PRId64,
			      number_names[i], numbers[i]);
	if (n < STORE_STATUS_SIZE && f->settings)
		n += snprintf(out + n, STORE_STATUS_SIZE - (size_t)n, ",\"settings\":\"%.*s\"",
			      CLUSTER_SETTINGS_SIZE - 1, f->settings);
	if (n < STORE_STATUS_SIZE)
		n += snprintf(out + n, STORE_STATUS_SIZE - (size_t)n, "}");
	return n < STORE_STATUS_SIZE;
}

void cluster_say(struct store *store, const struct cluster_figures *figures)
{
	char text[STORE_STATUS_SIZE];

	if (print(text, figures))
		store_say(store, text);
}

/* Of at least 0; else null. */
static json_t *number_of(const json_t *said, const char *name)
{
	const json_t *v = json_object_get(said, name);

	return json_is_integer(v) && json_integer_value(v) >= 0
		   ? json_integer(json_integer_value(v))
		   : json_null();
}

static json_t *state_of(const json_t *said)
{
	const char *text = json_string_value(json_object_get(said, "state"));

	return text && *text && !text[strspn(text, LOWER)] ? json_string(text) : json_null();
}

/* null: it said nothing that is understood. */
static json_t *figures_json(const char *text)
{
	json_t *said = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *out;
	size_t i;

	if (!json_is_object(said)) {
		json_decref(said);
		return json_null();
	}
	out = json_pack("{s:o}", "state", state_of(said));
	for (i = 0; i < NUMBERS; i++)
		json_object_set_new(out, number_names[i], number_of(said, number_names[i]));
	json_decref(said);
	return out;
}

/* ---- all of them ---- */

static void make_plain(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (text += strspn(text, NAMES); *text; text += strspn(text, NAMES))
		*text++ = '?';
}

static void know_itself(struct store_instance *out, struct store *store,
			const struct cluster_self *self)
{
	out->leads = store_leads(store);
	if (!print(out->status, &self->figures))
		out->status[0] = '\0';
}

static void see_itself(struct store_instance *out, struct store *store,
		       const struct cluster_self *self)
{
	*out = (struct store_instance){.slot = store_slot(store),
				       .started_ms = self->started_ms,
				       .seen_ms = clock_wall_ms(),
				       .is_this = true};
	snprintf(out->name, sizeof out->name, "%s", self->name);
	snprintf(out->version, sizeof out->version, "%s", self->version);
}

size_t cluster_see(struct store_instance out[STORE_SLOTS], struct store *store,
		   const struct cluster_self *self)
{
	size_t i, n = store_instances(store, out, STORE_SLOTS);

	n = n < STORE_SLOTS ? n : STORE_SLOTS;
	if (!n) {
		see_itself(out, store, self);
		n = 1;
	}
	for (i = 0; i < n; i++) {
		out[i].seen_before_ms += store_lost_ms(store);
		if (out[i].is_this)
			know_itself(&out[i], store, self);
		make_plain(out[i].name, sizeof out[i].name);
		make_plain(out[i].version, sizeof out[i].version);
		out[i].status[sizeof out[i].status - 1] = '\0';
	}
	return n;
}

static bool is_gone(const struct store_instance *c)
{
	return !c->is_this && c->seen_before_ms > STORE_NOT_SEEN_MS;
}

static bool is_silent(const struct store_instance *c)
{
	return !c->is_this && !is_gone(c) && c->seen_before_ms > CLUSTER_SILENT_MS;
}

/* By what they say; NULL: none that is there. */
static const struct store_instance *other_leader(const struct store_instance *c, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (c[i].leads && !c[i].is_this && !is_gone(&c[i]))
			return &c[i];
	return NULL;
}

static bool is_off(const struct store_instance *c)
{
	return !is_gone(c) && llabs(c->skew_ms) > STORE_SKEW_WARN_MS;
}

/* "; gone: NAME and 2 more" */
static void add_those(struct why *out, const struct store_instance *c, size_t n, const char *what,
		      bool (*are)(const struct store_instance *))
{
	size_t i, found = 0, used = strlen(out->text), size = sizeof out->text;
	const struct store_instance *first = NULL;

	for (i = 0; i < n; i++) {
		first = !first && are(&c[i]) ? &c[i] : first;
		found += are(&c[i]);
	}
	if (found > 1)
		snprintf(out->text + used, size - used, "; %s: %s and %zu more", what, first->name,
			 found - 1);
	else if (found)
		snprintf(out->text + used, size - used, "; %s: %s", what, first->name);
}

/* The names of those that both know and that are not the same. */
static void name_settings(struct why *out, const char *one, const char *other)
{
	size_t i, used = 0;

	out->text[0] = '\0';
	for (i = 0; i < CLUSTER_SETTINGS && strnlen(one, 8) == 8 && strnlen(other, 8) == 8; i++) {
		if (memcmp(one, other, 8) != 0)
			used += (size_t)snprintf(out->text + used, sizeof out->text - used, "%s%s",
						 used ? ", " : "", setting_names[i]);
		one += 8;
		other += 8;
	}
}

/* "NAME (UPSTREAM, SUBMIT)": the first that has others. */
static void name_differing(struct why *out, const struct store_instance *c, size_t n,
			   const char *settings)
{
	struct why which;
	const char *its;
	json_t *said;
	size_t i;

	out->text[0] = '\0';
	for (i = 0; i < n && settings && !out->text[0]; i++) {
		if (c[i].is_this || is_gone(&c[i]))
			continue;
		said = json_loads(c[i].status, JSON_REJECT_DUPLICATES, NULL);
		its = json_string_value(json_object_get(said, "settings"));
		name_settings(&which, settings, its ? its : "");
		if (which.text[0])
			why_set(out, "%s (%s)", c[i].name, which.text);
		json_decref(said);
	}
}

void cluster_differ(struct why *out, struct store *store, const struct cluster_self *self)
{
	static struct store_instance found[STORE_SLOTS];

	name_differing(out, found, cluster_see(found, store, self), self->figures.settings);
}

static void describe(struct why *out, const struct store *store, const struct store_instance *c,
		     size_t n, const struct cluster_self *self)
{
	struct why differing;
	const struct store_instance *leader = other_leader(c, n);
	size_t i, used, others = 0;

	for (i = 0; i < n; i++)
		others += !c[i].is_this && !is_gone(&c[i]) && !is_silent(&c[i]);
	if (!store_is_shared(store))
		why_set(out, "this coordinator is alone: its state is in its data directory");
	else if (*store_lost(store))
		why_set(out, "nothing can be stored: %s", store_lost(store));
	else if (store_leads(store))
		why_set(out, "this coordinator leads; others beside it: %zu", others);
	else if (leader)
		why_set(out, "another coordinator leads: %s", leader->name);
	else
		why_set(out, "no coordinator leads now: nothing is judged or sent");
	if (*store_lost(store))
		return; /* what was seen before is old */
	add_those(out, c, n, "silent", is_silent);
	add_those(out, c, n, "gone", is_gone);
	add_those(out, c, n, "clock off", is_off);
	name_differing(&differing, c, n, self->figures.settings);
	used = strlen(out->text);
	if (differing.text[0])
		snprintf(out->text + used, sizeof out->text - used, "; other settings: %.300s",
			 differing.text);
}

void cluster_describe(struct why *out, struct store *store, const struct cluster_self *self)
{
	static struct store_instance found[STORE_SLOTS];

	const size_t n = cluster_see(found, store, self);

	describe(out, store, found, n, self);
}

static json_t *coordinator_json(const struct store_instance *c)
{
	return json_pack(
	    "{s:s, s:I, s:s, s:I, s:I, s:b, s:b, s:I, s:b, s:I, s:o}", "name", c->name, "slot",
	    (json_int_t)c->slot, "version", c->version, "schema", (json_int_t)c->schema,
	    "started_ms", (json_int_t)c->started_ms, "leads", c->leads, "this", c->is_this,
	    "seen_s_ago", (json_int_t)(c->seen_before_ms / 1000), "gone", is_gone(c),
	    "clock_skew_ms", (json_int_t)c->skew_ms, "figures", figures_json(c->status));
}

json_t *cluster_json(struct store *store, const struct cluster_self *self)
{
	static struct store_instance found[STORE_SLOTS];
	const size_t n = cluster_see(found, store, self);
	json_t *list = json_array();
	struct why says = {""};
	size_t i;

	describe(&says, store, found, n, self);
	for (i = 0; i < n; i++)
		json_array_append_new(list, coordinator_json(&found[i]));
	return json_pack("{s:b, s:s, s:b, s:s, s:o}", "shared", store_is_shared(store), "says",
			 says.text, "leads", store_leads(store), "trouble", store_lost(store),
			 "coordinators", list);
}

void cluster_json_still(json_t *cluster)
{
	json_t *c, *figures;
	size_t i;

	json_array_foreach (json_object_get(cluster, "coordinators"), i, c) {
		figures = json_object_get(c, "figures");
		json_object_del(c, "seen_s_ago");
		json_object_del(c, "clock_skew_ms");
		json_object_del(figures, "uptime_s");
		json_object_del(figures, "l1_age_s");
	}
}
