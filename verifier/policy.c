#include "verifier/internal.h"

#include <stdlib.h>
#include <string.h>

void tdxv_policy_default(struct tdxv_policy *p)
{
	static const struct tdxv_policy strict = TDXV__POLICY_STRICT;

	*p = strict;
}

static bool status_accepted(const struct tdxv_policy *p, enum tdxv_tcb_status s, int64_t date,
			    int64_t now)
{
	if (p->accepted_statuses & 1u << s)
		return true;
	/* Without a sign, for any two times may be further apart than a signed number tells. */
	if (p->grace_seconds <= 0 || now < date ||
	    (uint64_t)now - (uint64_t)date > (uint64_t)p->grace_seconds)
		return false;
	/* Within the grace period an outdated TCB counts as what it was before. */
	if (s == TDXV_TCB_OUT_OF_DATE)
		return p->accepted_statuses & 1u << TDXV_TCB_UP_TO_DATE;
	if (s == TDXV_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED)
		return p->accepted_statuses & 1u << TDXV_TCB_CONFIGURATION_NEEDED;
	return false;
}

/* The first advisory that the allow-list does not name; NULL when there is none. */
static const struct tdxv_bytes *untolerated(const struct tdxv_policy *p,
					    const struct tdxv_bytes *advisory, unsigned n)
{
	unsigned i, k;

	for (i = 0; i < n; i++) {
		for (k = 0; k < p->n_advisories; k++)
			if (tdxv__bytes_are(advisory[i], p->advisory[k]))
				break;
		if (k == p->n_advisories)
			return &advisory[i];
	}
	return NULL;
}

static void tcb_policy(struct tdxv_verdict *v, const struct tdxv_policy *p, int64_t now)
{
	struct tdxv_check *c = &v->check[TDXV_CHECK_POLICY_TCB_STATUS];
	const struct tdxv_bytes *bad;

	if (v->tcb_status == TDXV_TCB_NOT_EVALUATED)
		return;
	tdxv__judge(c, status_accepted(p, v->tcb_status, v->tcb_date, now),
		    "this TCB status is not among the accepted ones");
	tdxv__got(c, "status", tdxv__status(v->tcb_status));
	if (c->status == TDXV_PASS && v->has_current &&
	    !status_accepted(p, v->current.status, v->current.date, now)) {
		tdxv__judge(c, false, "the TCB running now is not among the accepted ones");
		tdxv__got(c, "current status", tdxv__status(v->current.status));
	}
	tdxv__want(c, "TCB date", tdxv__time(v->tcb_date));

	c = &v->check[TDXV_CHECK_POLICY_TCB_EVALUATION];
	if (p->min_tcb_evaluation_number) {
		tdxv__judge(c, v->tcb_evaluation_number >= p->min_tcb_evaluation_number,
			    "the collateral is older than the policy wants");
		tdxv__got(c, "collateral", tdxv__number(v->tcb_evaluation_number));
		tdxv__want(c, "minimum", tdxv__number(p->min_tcb_evaluation_number));
	}
	if (!p->restrict_advisories)
		return;
	c = tdxv__judge(&v->check[TDXV_CHECK_POLICY_ADVISORIES], true, NULL);
	bad = untolerated(p, v->advisory, v->n_advisories);
	if (!bad)
		bad = untolerated(p, v->current_advisory, v->n_current_advisories);
	if (!bad)
		return;
	tdxv__judge(c, false, "an advisory is not in the allow-list");
	tdxv__got(c, "advisory", tdxv__text_bytes(*bad));
}

static bool any_of(const struct tdxv_any_of *set, const uint8_t *value)
{
	unsigned i;

	for (i = 0; i < set->n; i++)
		if (memcmp(set->value[i], value, 48) == 0)
			return true;
	return false;
}

static void set_policy(struct tdxv_check *c, const struct tdxv_any_of *set, const uint8_t *value)
{
	if (set->n == 0)
		return;
	tdxv__judge(c, any_of(set, value),
		    set->n == 1 ? "it differs from the policy's" : "it is none of the policy's");
	tdxv__got(c, "quote", tdxv__hex(value, 48));
	tdxv__want(c, set->n == 1 ? "policy" : "policy, first", tdxv__hex(set->value[0], 48));
}

static void masked_policy(struct tdxv_check *c, const struct tdxv_masked *m, const uint8_t *value)
{
	bool ok = true;
	unsigned i;

	if (tdxv__is_zero(m->mask, 8))
		return;
	for (i = 0; i < 8; i++)
		ok = ok && (value[i] & m->mask[i]) == (m->value[i] & m->mask[i]);
	tdxv__judge(c, ok, "bits under the policy's mask differ");
	tdxv__got(c, "quote", tdxv__hex(value, 8));
	tdxv__want(c, "policy", tdxv__hex(m->value, 8));
}

static const uint8_t *measurement(const struct tdxv_verdict *v, unsigned reg)
{
	return v->quote.body.p +
	       (reg == TDXV_MRTD ? TDXV_TD_MRTD : TDXV_TD_RTMR0 + 48 * (reg - TDXV_RTMR0));
}

/* How many of the image's registers the TD has; all: whether it has every one asked for. */
static unsigned likeness(const struct tdxv_verdict *v, const struct tdxv_image *image, bool *all)
{
	unsigned reg, n = 0;

	*all = true;
	for (reg = 0; reg < TDXV_REGISTERS; reg++) {
		if (image->reg[reg].n == 0)
			continue;
		if (any_of(&image->reg[reg], measurement(v, reg)))
			n++;
		else
			*all = false;
	}
	return n;
}

static void image_policy(struct tdxv_verdict *v, const struct tdxv_policy *p, int64_t now)
{
	struct tdxv_check *c = &v->check[TDXV_CHECK_POLICY_IMAGE];
	const struct tdxv_image *best = NULL, *stale = NULL;
	unsigned i, n, most = 0;
	bool all = false, best_all = false;

	if (p->n_images == 0)
		return;
	for (i = 0; i < p->n_images; i++) {
		const struct tdxv_image *image = &p->image[i];

		n = likeness(v, image, &all);
		if (now < image->valid_from || now > image->valid_until) {
			if (all)
				stale = image;
			continue;
		}
		if (!best || (all && !best_all) || (all == best_all && n > most)) {
			best = image;
			best_all = all;
			most = n;
		}
	}
	if (best_all) {
		v->image = best->name;
		tdxv__got(tdxv__judge(c, true, NULL), "image", tdxv__text(best->name));
	} else if (stale) {
		tdxv__judge(c, false, "the matching image is not valid now");
		tdxv__got(c, "image", tdxv__text(stale->name));
		tdxv__want(
		    c, now < stale->valid_from ? "valid from" : "valid until",
		    tdxv__time(now < stale->valid_from ? stale->valid_from : stale->valid_until));
		return;
	} else if (best) {
		tdxv__judge(c, false, "no image of the policy has these measurements");
		tdxv__got(c, "closest image", tdxv__text(best->name));
	} else {
		tdxv__judge(c, false, "no image of the policy is valid now");
		return;
	}
	for (i = 0; i < TDXV_REGISTERS; i++)
		set_policy(&v->check[TDXV_CHECK_POLICY_MRTD + (int)i], &best->reg[i],
			   measurement(v, i));
}

/* What an enclave does not have cannot be what the policy asks for. */
static void refuse_enclave(struct tdxv_verdict *v, const struct tdxv_policy *p)
{
	const struct {
		enum tdxv_check_id id;
		bool asked;
	} row[] = {
	    {TDXV_CHECK_POLICY_TD_ATTRIBUTES, !tdxv__is_zero(p->td_attributes.mask, 8)},
	    {TDXV_CHECK_POLICY_XFAM, !tdxv__is_zero(p->xfam.mask, 8)},
	    {TDXV_CHECK_POLICY_MRSEAM, p->mrseam.n > 0},
	    {TDXV_CHECK_POLICY_MRSIGNERSEAM, p->mrsignerseam.n > 0},
	    {TDXV_CHECK_POLICY_IMAGE, p->n_images > 0},
	};
	size_t i;

	for (i = 0; i < sizeof row / sizeof row[0]; i++)
		if (row[i].asked)
			tdxv__judge(&v->check[row[i].id], false,
				    "the policy is about TDs and this is an SGX enclave");
}

static bool has_reserved_bit(const uint8_t *attributes)
{
	unsigned bit;

	for (bit = 0; bit < 64; bit++)
		if (attributes[bit / 8] & 1u << bit % 8 && !tdxv_td_attribute_name(bit))
			return true;
	return false;
}

static uint64_t little_endian(const uint8_t *p)
{
	uint64_t n = 0;
	int i;

	for (i = 7; i >= 0; i--)
		n = n << 8 | p[i];
	return n;
}

static void put_bits(struct sink *s, const char *what, uint64_t bits)
{
	unsigned bit;

	for (bit = 0; bit < 64; bit++) {
		if (!(bits >> bit & 1))
			continue;
		tdxv__put(s, "%s%s%s", s->n ? ", " : "", what, tdxv_td_attribute_name(bit));
	}
}

/* The named attributes; debug and profiling, and bits without a name, are other checks'. */
static void bits_policy(struct tdxv_verdict *v, const struct tdxv_policy *p, uint64_t have)
{
	struct tdxv_check *c = &v->check[TDXV_CHECK_POLICY_TD_BITS];
	struct sink s = {v->text[2].text, sizeof v->text[2].text, 0};
	uint64_t named = 0, over, missing = p->td_required & ~have;
	unsigned bit;

	for (bit = 8; bit < 64; bit++)
		if (tdxv_td_attribute_name(bit))
			named |= UINT64_C(1) << bit;
	over = have & named & ~(p->td_allowed | p->td_required);
	tdxv__judge(c, !over && !missing,
		    over ? "it has what the policy does not allow"
			 : "it lacks what the policy requires");
	if (c->status == TDXV_FAIL) {
		put_bits(&s, "", over);
		put_bits(&s, "no ", missing);
		tdxv__put_end(&s);
		tdxv__got(c, "", (struct tdxv_value){.kind = TDXV_VALUE_SENTENCE, .num = 2});
	}
}

void tdxv__policy_apply(struct tdxv_verdict *v, const struct tdxv_policy *p, int64_t now)
{
	const uint8_t *body = v->quote.body.p, *attributes;
	struct tdxv_check *c = &v->check[TDXV_CHECK_POLICY_DEBUG];
	bool debug;

	tcb_policy(v, p, now);
	if (!body)
		return;
	if (!v->quote.tdx) {
		attributes = body + 48;
		debug = attributes[0] & 2;
	} else {
		/* All of the lowest byte makes a TD untrusted (TUD), not bit 0 alone. */
		attributes = body + TDXV_TD_TDATTRIBUTES;
		debug = attributes[0] & ~(p->td_allowed | p->td_required) & 0xff;
	}
	tdxv__judge(c, !debug || p->allow_debug, "debug or profiling is on: the host can look in");
	tdxv__got(c, "attributes", tdxv__hex(attributes, 8));
	if (!v->quote.tdx) {
		refuse_enclave(v, p);
		return;
	}
	if (!p->allow_reserved_attributes) {
		c = &v->check[TDXV_CHECK_POLICY_RESERVED];
		tdxv__judge(c, !has_reserved_bit(attributes), "a reserved bit is set");
		tdxv__got(c, "attributes", tdxv__hex(attributes, 8));
	}
	bits_policy(v, p, little_endian(attributes));
	masked_policy(&v->check[TDXV_CHECK_POLICY_TD_ATTRIBUTES], &p->td_attributes, attributes);
	masked_policy(&v->check[TDXV_CHECK_POLICY_XFAM], &p->xfam, body + TDXV_TD_XFAM);
	set_policy(&v->check[TDXV_CHECK_POLICY_MRSEAM], &p->mrseam, body + TDXV_TD_MRSEAM);
	set_policy(&v->check[TDXV_CHECK_POLICY_MRSIGNERSEAM], &p->mrsignerseam,
		   body + TDXV_TD_MRSIGNERSEAM);
	image_policy(v, p, now);
}
