#include "coordinator/verdicts/verdicts.h"

#include "coordinator/store/store.h"

#include <stdlib.h>
#include <string.h>

#define FACT     "verdict/" /* and 64 hex digits */
#define CONTRACT "contract"
#define LASTING  "lasting"

struct kept {
	char hex[65]; /* empty: free */
	json_t *json;
};

struct verdicts {
	size_t max, n, next; /* next: where the next one goes; a ring in order of arrival */
	struct kept *kept;
};

struct verdicts *verdicts_new(size_t max)
{
	struct verdicts *v = calloc(1, sizeof *v);

	if (!v)
		return NULL;
	v->max = max;
	v->kept = calloc(max, sizeof *v->kept);
	if (v->kept)
		return v;
	free(v);
	return NULL;
}

void verdicts_free(struct verdicts *v)
{
	size_t i;

	if (!v)
		return;
	for (i = 0; i < v->max; i++)
		json_decref(v->kept[i].json);
	free(v->kept);
	free(v);
}

static void fact_key(char out[sizeof FACT + 64], const char *hex)
{
	memcpy(out, FACT, sizeof FACT);
	strcat(out, hex);
}

/* Newest first: i counts back from the last one put. NULL: no more. */
static struct kept *newest(const struct verdicts *v, size_t i)
{
	return i < v->n ? &v->kept[(v->next + 2 * v->max - 1 - i) % v->max] : NULL;
}

static struct kept *find(const struct verdicts *v, const char *hex)
{
	struct kept *k;
	size_t i;

	for (i = 0; (k = newest(v, i)); i++)
		if (strcmp(k->hex, hex) == 0)
			return k;
	return NULL;
}

/* Takes json over. *forgotten: the key that made room, or "". */
static void put(struct verdicts *v, const char *hex, json_t *json, char forgotten[65])
{
	struct kept *k = find(v, hex);

	forgotten[0] = '\0';
	if (k) {
		json_decref(k->json);
		k->json = json;
		return;
	}
	k = &v->kept[v->next];
	if (v->n == v->max) {
		memcpy(forgotten, k->hex, 65);
		json_decref(k->json);
	} else {
		v->n++;
	}
	memcpy(k->hex, hex, 65);
	k->json = json;
	v->next = (v->next + 1) % v->max;
}

static void store_json(struct store *store, const char *hex, const json_t *j)
{
	char key[sizeof FACT + 64], *text = json_dumps(j, JSON_COMPACT);

	fact_key(key, hex);
	if (text)
		store_put_fact(store, key, text, strlen(text));
	free(text);
}

/* "": nothing to do. */
static void drop(struct store *store, const char *hex)
{
	char key[sizeof FACT + 64];

	if (!hex[0])
		return;
	fact_key(key, hex);
	store_drop_fact(store, key);
}

void verdicts_keep(struct verdicts *v, struct store *store, const struct verdict_note *note)
{
	char hex[65], forgotten[65], signer[ETH_ADDRESS_TEXT_SIZE];
	json_t *verdict = json_loadb((const char *)note->json.p, note->json.n, 0, NULL), *j;
	const struct kept *former;

	hex_encode(hex, note->sha256, 32);
	if (note->signer)
		eth_address_print(signer, note->signer);
	j = json_pack("{s:s, s:I, s:s, s:s, s:s, s:o, s:o}", "quote_sha256", hex, "at",
		      (json_int_t)note->at, "source", note->source, "answer", note->answer,
		      "reason", note->sentence, "signer",
		      note->signer ? json_string(signer) : json_null(), "verdict",
		      verdict ? verdict : json_null());
	if (!j)
		return;
	if (note->lasting)
		json_object_set_new(j, LASTING, json_true());
	former = find(v, hex);
	if (former)
		json_object_set(j, CONTRACT, json_object_get(former->json, CONTRACT));
	put(v, hex, j, forgotten);
	store_json(store, hex, j);
	drop(store, forgotten);
}

void verdicts_note_contract(struct verdicts *v, struct store *store, const uint8_t sha256[32],
			    const char *words)
{
	const struct kept *k;
	char hex[65];

	hex_encode(hex, sha256, 32);
	k = find(v, hex);
	if (!k || json_object_set_new(k->json, CONTRACT, json_string(words)) != 0)
		return;
	store_json(store, hex, k->json);
}

static bool is_verdict(const struct store_fact *row)
{
	const size_t n = strlen(FACT);

	return row->key.n == n + 64 && memcmp(row->key.p, FACT, n) == 0;
}

static void take(struct verdicts *v, const struct store_fact *row, char forgotten[65])
{
	json_t *j = json_loadb((const char *)row->value.p, row->value.n, 0, NULL);
	char hex[65];

	forgotten[0] = '\0';
	memcpy(hex, row->key.p + strlen(FACT), 64);
	hex[64] = '\0';
	if (j)
		put(v, hex, j, forgotten);
}

bool verdicts_fact_get(struct verdicts *v, const struct store_fact *row)
{
	char forgotten[65];

	if (!is_verdict(row))
		return false;
	take(v, row, forgotten);
	return true;
}

bool verdicts_fact_foreign(struct verdicts *v, const struct store_change *change,
			   struct store *leaders)
{
	char forgotten[65];

	if (!is_verdict(&change->fact))
		return false;
	/* One that is dropped stays in memory until newer ones have pushed it out here too. */
	if (change->kind != CHANGE_FACT_PUT)
		return true;
	take(v, &change->fact, forgotten);
	if (leaders)
		drop(leaders, forgotten);
	return true;
}

const char *verdicts_lasting_refusal(const struct verdicts *v, const struct store_fact *row,
				     uint8_t sha256[32])
{
	const struct kept *k;
	char hex[65];

	if (!is_verdict(row))
		return NULL;
	memcpy(hex, row->key.p + strlen(FACT), 64);
	hex[64] = '\0';
	k = find(v, hex);
	if (!k || !hex_decode(sha256, 32, hex, 64) ||
	    !json_is_true(json_object_get(k->json, LASTING)))
		return NULL;
	return json_string_value(json_object_get(k->json, "reason"));
}

const json_t *verdicts_find(const struct verdicts *v, const char *hex_prefix)
{
	const size_t n = strlen(hex_prefix);
	struct kept *k;
	size_t i;

	for (i = 0; (k = newest(v, i)); i++)
		if (n >= 4 && n <= 64 && strncmp(k->hex, hex_prefix, n) == 0)
			return k->json;
	return NULL;
}

json_t *verdicts_list(const struct verdicts *v)
{
	json_t *list = json_array(), *row;
	struct kept *k;
	size_t i;

	for (i = 0; (k = newest(v, i)); i++) {
		row = json_copy(k->json);
		json_object_del(row, "verdict");
		json_array_append_new(list, row);
	}
	return list;
}
