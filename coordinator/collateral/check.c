#include "coordinator/collateral/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NONE TDXV_CHECK_COUNT

/* What a part's goodness rests on, in the order in which a failure is told. */
static const struct rule {
	enum tdxv_check_id format, chain, signature;
	enum tdxv_check_id not_revoked; /* needs the root CRL, which may come later */
	enum tdxv_check_id chain_time, own_time;
} rules[COLLATERAL_PARTS] = {
    [COLLATERAL_TCB_INFO] = {TDXV_CHECK_TCB_INFO_FORMAT, TDXV_CHECK_TCB_SIGNING_CHAIN,
			     TDXV_CHECK_TCB_INFO_SIGNATURE, TDXV_CHECK_TCB_SIGNING_NOT_REVOKED,
			     TDXV_CHECK_TCB_SIGNING_TIME, TDXV_CHECK_TCB_INFO_TIME},
    [COLLATERAL_QE_IDENTITY] = {TDXV_CHECK_QE_IDENTITY_FORMAT, TDXV_CHECK_QE_SIGNING_CHAIN,
				TDXV_CHECK_QE_IDENTITY_SIGNATURE, TDXV_CHECK_QE_SIGNING_NOT_REVOKED,
				TDXV_CHECK_QE_SIGNING_TIME, TDXV_CHECK_QE_IDENTITY_TIME},
    [COLLATERAL_PCK_CRL] = {TDXV_CHECK_PCK_CRL_FORMAT, TDXV_CHECK_PCK_CRL_CHAIN,
			    TDXV_CHECK_PCK_CRL_SIGNATURE, NONE, TDXV_CHECK_PCK_CRL_CHAIN_TIME,
			    TDXV_CHECK_PCK_CRL_TIME},
    [COLLATERAL_ROOT_CRL] = {TDXV_CHECK_ROOT_CRL_FORMAT, TDXV_CHECK_ROOT_CRL_ISSUER,
			     TDXV_CHECK_ROOT_CRL_SIGNATURE, NONE, NONE, TDXV_CHECK_ROOT_CRL_TIME},
};

static bool failed(const struct tdxv_verdict *v, enum tdxv_check_id check)
{
	return check != NONE && v->check[check].status == TDXV_FAIL;
}

static struct tdxv_window window_of(const struct tdxv_collateral_facts *f,
				    enum collateral_part_id id)
{
	switch (id) {
	case COLLATERAL_TCB_INFO: return f->tcb_info;
	case COLLATERAL_QE_IDENTITY: return f->qe_identity;
	case COLLATERAL_PCK_CRL: return f->pck_crl;
	case COLLATERAL_ROOT_CRL: return f->root_ca_crl;
	case COLLATERAL_NUMBERS:
	case COLLATERAL_PARTS: break;
	}
	return (struct tdxv_window){0, 0};
}

static uint32_t number_of(const struct tdxv_collateral_facts *f, enum collateral_part_id id)
{
	if (id == COLLATERAL_TCB_INFO)
		return f->tcb_evaluation_number;
	return id == COLLATERAL_QE_IDENTITY ? f->qe_evaluation_number : 0;
}

static void bad(struct collateral_check *c, enum collateral_part_id id,
		enum collateral_outcome outcome)
{
	c->verdict[id] = PART_BAD;
	c->outcome[id] = outcome;
}

static void tell(struct collateral_check *c, enum collateral_part_id id,
		 const struct tdxv_verdict *v, enum tdxv_check_id check)
{
	char sentence[400];

	tdxv_check_sentence(sentence, sizeof sentence, v, check);
	why_set(&c->why[id], "%s", sentence);
}

/* Signatures, chains, formats. False when that settles it. */
static bool judge_trust(struct collateral_check *c, enum collateral_part_id id,
			const struct tdxv_verdict *v)
{
	const struct rule *r = &rules[id];
	const enum tdxv_check_id order[] = {r->format, r->chain, r->signature, r->not_revoked};
	size_t i;

	for (i = 0; i < sizeof order / sizeof order[0]; i++) {
		if (!failed(v, order[i]))
			continue;
		tell(c, id, v, order[i]);
		bad(c, id, i == 0 ? COLLATERAL_MALFORMED : COLLATERAL_UNTRUSTED);
		return false;
	}
	c->verdict[id] = v->check[r->signature].status == TDXV_PASS ? PART_GOOD : PART_PENDING;
	return true;
}

/* Signed by Intel, and yet another thing than what was asked for. */
static bool judge_kind(struct collateral_check *c, enum collateral_part_id id)
{
	static const char *const ca[] = {"Processor CA", "Platform CA"};
	const struct tdxv_collateral_facts *f = &c->facts;
	struct why *why = &c->why[id];
	char got[13], want[13];

	hex_encode(got, f->fmspc, 6);
	hex_encode(want, c->key->fmspc, 6);
	if (id == COLLATERAL_TCB_INFO && !f->tdx)
		why_set(why, "its TCB info is for SGX, not for TDX");
	else if (id == COLLATERAL_TCB_INFO && memcmp(f->fmspc, c->key->fmspc, 6) != 0)
		why_set(why, "its TCB info is for FMSPC %s, asked for was %s", got, want);
	else if (id == COLLATERAL_QE_IDENTITY && !f->tdx_qe)
		why_set(why, "its QE identity is not that of the TDX quoting enclave");
	else if (id == COLLATERAL_PCK_CRL && f->platform_ca != (c->key->ca == COLLATERAL_PLATFORM))
		why_set(why, "its PCK CRL is the %s's, asked for was the %s's", ca[f->platform_ca],
			ca[c->key->ca]);
	else if (c->number && number_of(f, id) && number_of(f, id) != c->number)
		why_set(why,
			"its %s has tcbEvaluationDataNumber %" PRIu32 ", asked for was %" PRIu32,
			collateral_part_name(id), number_of(f, id), c->number);
	else
		return true;
	bad(c, id, COLLATERAL_MISTAKEN);
	return false;
}

static bool judge_age(struct collateral_check *c, enum collateral_part_id id)
{
	struct tdxv_window got, used;
	char a[32], b[32];

	/* Ages of another number's say nothing. */
	if (!c->floor || (c->number && number_of(&c->floor->facts, id) &&
			  number_of(&c->floor->facts, id) != c->number))
		return true;
	got = window_of(&c->facts, id);
	used = window_of(&c->floor->facts, id);
	if (used.to < c->now)
		return true;
	if (got.from < used.from) {
		tdxv_time_text(a, sizeof a, got.from);
		tdxv_time_text(b, sizeof b, used.from);
		why_set(&c->why[id], "its %s of %s is older than that in use, of %s",
			collateral_part_name(id), a, b);
	} else if (number_of(&c->facts, id) < number_of(&c->floor->facts, id)) {
		why_set(&c->why[id],
			"its %s has tcbEvaluationDataNumber %" PRIu32
			", less than that in use, %" PRIu32,
			collateral_part_name(id), number_of(&c->facts, id),
			number_of(&c->floor->facts, id));
	} else {
		return true;
	}
	bad(c, id, COLLATERAL_OLDER);
	return false;
}

static void judge_time(struct collateral_check *c, enum collateral_part_id id,
		       const struct tdxv_verdict *v)
{
	const struct rule *r = &rules[id];
	struct tdxv_window w = window_of(&c->facts, id);

	if (failed(v, r->chain_time)) {
		tell(c, id, v, r->chain_time);
		bad(c, id, COLLATERAL_EXPIRED);
	} else if (failed(v, r->own_time)) {
		tell(c, id, v, r->own_time);
		bad(c, id, COLLATERAL_EXPIRED);
		if (c->now > w.to && c->now - w.to <= c->max_stale)
			c->verdict[id] = PART_STALE;
	}
}

/* The library knows nothing of the list. What it says of the TCB info's chain vouches for it. */
static void judge_numbers(struct collateral_check *c)
{
	const enum collateral_part_id id = COLLATERAL_NUMBERS;
	const struct tdxv_bytes response = {c->part[id].body.p, c->part[id].body.len};
	const struct buf *chain = &c->part[COLLATERAL_TCB_INFO].chain;
	struct collateral_numbers list;
	struct why *why = &c->why[id];

	c->verdict[id] = PART_PENDING;
	if (!collateral_numbers_read(&list, response, why)) {
		bad(c, id, COLLATERAL_MALFORMED);
	} else if (list.issued > c->now) {
		why_set(why, "it is not issued yet");
		bad(c, id, COLLATERAL_EXPIRED);
	} else if (c->verdict[COLLATERAL_TCB_INFO] != PART_GOOD &&
		   c->verdict[COLLATERAL_TCB_INFO] != PART_STALE) {
		return;
	} else if (!collateral_numbers_signed(response, (struct tdxv_bytes){chain->p, chain->len},
					      why)) {
		bad(c, id, COLLATERAL_UNTRUSTED);
	} else if (c->floor && list.issued < c->floor->numbers.issued) {
		why_set(why, "it is older than the one in use");
		bad(c, id, COLLATERAL_OLDER);
	} else {
		c->verdict[id] = PART_GOOD;
		return;
	}
	why_wrap(why, "its %s", collateral_part_name(id));
}

void collateral_check(struct collateral_check *c)
{
	struct tdxv_collateral_input in;
	struct tdxv_verdict v;
	struct tdxv_why why;
	int i;

	collateral_input_of(&in, c->part);
	if (tdxv_collateral_new(&c->checked, &in, (struct tdxv_bytes){c->root_pem.p, c->root_pem.n},
				&why) != TDXV_OK)
		return;
	tdxv_collateral_facts(&c->facts, c->checked);
	/* Without a quote the verdict is about the collateral alone. */
	tdxv_verify(&v, NULL, 0, c->checked, NULL, NULL, c->now);
	for (i = 0; i < COLLATERAL_NUMBERS; i++) {
		enum collateral_part_id id = (enum collateral_part_id)i;

		c->verdict[id] = PART_ABSENT;
		if (c->part[id].body.len && judge_trust(c, id, &v) && judge_kind(c, id) &&
		    judge_age(c, id))
			judge_time(c, id, &v);
	}
	c->verdict[COLLATERAL_NUMBERS] = PART_ABSENT;
	if (c->part[COLLATERAL_NUMBERS].body.len)
		judge_numbers(c);
}
