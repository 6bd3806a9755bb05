#include "coordinator/collateral/internal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct owned_set {
	struct collateral_set set; /* first: what others see */
	struct collateral_part part[COLLATERAL_PARTS];
	struct tdxv_collateral *checked;
	atomic_uint references;
};

static const char *const ca_name[] = {"processor", "platform"};

void collateral_key_text(char out[COLLATERAL_KEY_SIZE], const struct collateral_key *key)
{
	char fmspc[13];

	hex_encode(fmspc, key->fmspc, 6);
	snprintf(out, COLLATERAL_KEY_SIZE, "%s-%s", fmspc, ca_name[key->ca]);
}

bool collateral_key_parse(struct collateral_key *key, const char *text)
{
	char again[COLLATERAL_KEY_SIZE];

	memset(key, 0, sizeof *key);
	if (strlen(text) < 14 || !hex_decode(key->fmspc, 6, text, 12))
		return false;
	key->ca = strcmp(text + 13, ca_name[COLLATERAL_PLATFORM]) == 0 ? COLLATERAL_PLATFORM
								       : COLLATERAL_PROCESSOR;
	collateral_key_text(again, key);
	return strcmp(again, text) == 0;
}

struct collateral_key collateral_key_of(const struct tdxv_pck *pck)
{
	struct collateral_key key = {.ca = pck->platform_ca ? COLLATERAL_PLATFORM
							    : COLLATERAL_PROCESSOR};

	memcpy(key.fmspc, pck->fmspc, 6);
	return key;
}

void collateral_part_free(struct collateral_part *part)
{
	buf_free(&part->body);
	buf_free(&part->chain);
	part->source[0] = '\0';
}

void collateral_part_move(struct collateral_part *to, struct collateral_part *from)
{
	collateral_part_free(to);
	*to = *from;
	memset(from, 0, sizeof *from);
}

static struct tdxv_bytes view(const struct buf *b)
{
	return (struct tdxv_bytes){b->p, b->len};
}

void collateral_input_of(struct tdxv_collateral_input *in,
			 const struct collateral_part part[COLLATERAL_PARTS])
{
	*in = (struct tdxv_collateral_input){
	    .tcb_info = view(&part[COLLATERAL_TCB_INFO].body),
	    .qe_identity = view(&part[COLLATERAL_QE_IDENTITY].body),
	    .tcb_signing_chain = view(&part[COLLATERAL_TCB_INFO].chain),
	    .qe_identity_signing_chain = view(&part[COLLATERAL_QE_IDENTITY].chain),
	    .pck_crl = view(&part[COLLATERAL_PCK_CRL].body),
	    .pck_crl_issuer_chain = view(&part[COLLATERAL_PCK_CRL].chain),
	    .root_ca_crl = view(&part[COLLATERAL_ROOT_CRL].body),
	};
}

const struct collateral_set *collateral_set_new(const struct collateral_key *key,
						struct collateral_part part[COLLATERAL_PARTS],
						struct tdxv_collateral *checked, int64_t fetched_at,
						const struct collateral_want *want)
{
	struct owned_set *o = calloc(1, sizeof *o);
	int i;

	if (!o)
		return NULL;
	for (i = 0; i < COLLATERAL_PARTS; i++) {
		collateral_part_move(&o->part[i], &part[i]);
		snprintf(o->set.source[i], COLLATERAL_NAME_SIZE, "%s", o->part[i].source);
	}
	o->checked = checked;
	atomic_init(&o->references, 1);
	o->set.key = *key;
	o->set.checked = checked;
	o->set.fetched_at = fetched_at;
	o->set.want = *want;
	o->set.numbers_response = view(&o->part[COLLATERAL_NUMBERS].body);
	if (o->set.numbers_response.n)
		collateral_numbers_read(&o->set.numbers, o->set.numbers_response, NULL);
	collateral_input_of(&o->set.pieces, o->part);
	tdxv_collateral_facts(&o->set.facts, checked);
	return &o->set;
}

/* Sets are only ever made above, as the first member of what owns them. */
static struct owned_set *owner(const struct collateral_set *set)
{
	return (struct owned_set *)(void *)(uintptr_t)set;
}

const struct collateral_set *collateral_set_ref(const struct collateral_set *set)
{
	atomic_fetch_add(&owner(set)->references, 1);
	return set;
}

void collateral_set_unref(const struct collateral_set *set)
{
	struct owned_set *o = owner(set);
	int i;

	if (!o || atomic_fetch_sub(&o->references, 1) != 1)
		return;
	for (i = 0; i < COLLATERAL_PARTS; i++)
		collateral_part_free(&o->part[i]);
	tdxv_collateral_free(o->checked);
	free(o);
}

bool collateral_set_stale(const struct collateral_set *set, int64_t now)
{
	return now > set->facts.valid_to || now < set->facts.valid_from;
}

int64_t collateral_set_time(const struct collateral_set *set, int64_t now)
{
	return now > set->facts.valid_to ? set->facts.valid_to : now;
}

bool collateral_set_same(const struct collateral_set *a, const struct collateral_set *b)
{
	const struct owned_set *x = owner(a), *y = owner(b);
	int i;

	for (i = 0; i < COLLATERAL_PARTS; i++)
		if (!span_eq(buf_span(&x->part[i].body), buf_span(&y->part[i].body)) ||
		    !span_eq(buf_span(&x->part[i].chain), buf_span(&y->part[i].chain)))
			return false;
	return true;
}
