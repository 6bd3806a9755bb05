#include "coordinator/provers/evidence.h"

#include "coordinator/base/log.h"

#include <stdlib.h>
#include <string.h>

#define DAY_S 86400

struct evidence_book {
	const struct registrar *registrar;
	size_t n, max;
	struct evidence *items;
};

struct evidence *evidence_find(struct evidence_book *b, const struct eth_address *signer)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (eth_address_equal(&b->items[i].signer, signer))
			return &b->items[i];
	return NULL;
}

const struct evidence *evidence_of_quote(const struct evidence_book *b, const uint8_t sha256[32],
					 uint64_t generation, int64_t now)
{
	const struct evidence *e;
	size_t i;

	for (i = 0; i < b->n; i++) {
		e = &b->items[i];
		if (memcmp(e->quote_sha256, sha256, 32) == 0)
			return e->generation == generation && now < e->valid_to ? e : NULL;
	}
	return NULL;
}

/* Drops those of keys that the registrar has forgotten. */
static void sweep(struct evidence_book *b)
{
	size_t i, kept = 0;

	for (i = 0; i < b->n; i++) {
		if (registrar_find(b->registrar, &b->items[i].signer))
			b->items[kept++] = b->items[i];
		else
			collateral_set_unref(b->items[i].collateral);
	}
	b->n = kept;
}

void evidence_put(struct evidence_book *b, const struct quote_checked *r,
		  const struct collateral_set *collateral, uint64_t generation)
{
	struct evidence *e = evidence_find(b, &r->signer);

	if (!e && b->n == b->max)
		sweep(b);
	/* A newcomer's evidence comes before its row: while the table is full it has no place. */
	if (!e && b->n == b->max)
		return;
	if (!e) {
		e = &b->items[b->n++];
		memset(e, 0, sizeof *e);
	}
	collateral_set_unref(e->collateral);
	if (memcmp(e->quote_sha256, r->keys.whole.sha256, 32) != 0)
		e->contract[0] = '\0';
	e->signer = r->signer;
	e->tcb_status = r->tcb_status;
	e->tcb_date = r->tcb_date;
	e->valid_to = r->valid_to;
	e->evaluation_number = r->evaluation_number;
	e->platform = r->platform;
	e->generation = generation;
	memcpy(e->quote_sha256, r->keys.whole.sha256, 32);
	e->collateral = collateral_set_ref(collateral);
}

static void warn_of_expiry(struct evidence *e, int64_t now, int64_t warning_s)
{
	const int64_t left = e->valid_to - now;
	char signer[ETH_ADDRESS_TEXT_SIZE], when[32];

	if (left > warning_s || e->warned_of == e->valid_to)
		return;
	e->warned_of = e->valid_to;
	eth_address_print(signer, &e->signer);
	tdxv_time_text(when, sizeof when, e->valid_to);
	log_event(LOG_WARN, "evidence_expires", log_str("signer", signer), log_str("at", when),
		  log_i64("days", left / DAY_S),
		  log_str("reason",
			  "the first piece of its collateral ends then and no newer has come: see "
			  "proof-coordinator collateral"));
}

void evidence_tick(struct evidence_book *b, int64_t now, int64_t warning_s)
{
	size_t i;

	sweep(b);
	for (i = 0; i < b->n; i++)
		warn_of_expiry(&b->items[i], now, warning_s);
}

int64_t evidence_seconds_left(const struct evidence_book *b, int64_t now)
{
	int64_t least = INT64_MAX;
	size_t i;

	for (i = 0; i < b->n; i++)
		if (b->items[i].valid_to - now < least)
			least = b->items[i].valid_to - now;
	return least;
}

struct evidence_book *evidence_new(const struct registrar *registrar, size_t max)
{
	struct evidence_book *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->registrar = registrar;
	b->max = max;
	b->items = calloc(max, sizeof *b->items);
	if (b->items)
		return b;
	free(b);
	return NULL;
}

void evidence_free(struct evidence_book *b)
{
	size_t i;

	if (!b)
		return;
	for (i = 0; i < b->n; i++)
		collateral_set_unref(b->items[i].collateral);
	free(b->items);
	free(b);
}
