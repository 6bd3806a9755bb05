#include "verifier/internal.h"

#include <string.h>

static bool name(struct json *j, char out[TDXV_NAME_MAX])
{
	struct tdxv_bytes s;

	if (!tdxv__json_string(j, &s))
		return false;
	if (s.n == 0 || s.n >= TDXV_NAME_MAX)
		return tdxv__json_fail(j, "a name that is empty or longer than 63 bytes");
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

/* "hex" or ["hex", ...] */
static bool any_of(struct json *j, struct tdxv_any_of *set)
{
	bool first = true;

	if (tdxv__json_peek(j) == '"') {
		set->n = 1;
		return tdxv__json_hex(j, set->value[0], 48);
	}
	tdxv__json_array(j);
	while (tdxv__json_element(j, &first)) {
		if (set->n == TDXV_ANY_OF_MAX)
			return tdxv__json_fail(j, "too many alternatives");
		if (!tdxv__json_hex(j, set->value[set->n], 48))
			return false;
		set->n++;
	}
	/* An empty list would read as "any": say so by leaving the member out. */
	return !j->failed && (set->n || tdxv__json_fail(j, "a list without alternatives"));
}

static bool masked(struct json *j, struct tdxv_masked *m)
{
	struct json_object o;
	struct tdxv_bytes key;
	unsigned seen = 0;

	tdxv__json_object(j, &o);
	while (tdxv__json_member(j, &o, &key)) {
		if (tdxv__bytes_are(key, "mask"))
			seen |= tdxv__json_hex(j, m->mask, 8) ? 1 : 0;
		else if (tdxv__bytes_are(key, "value"))
			seen |= tdxv__json_hex(j, m->value, 8) ? 2 : 0;
		else
			return tdxv__json_fail(j, "an unknown member beside mask and value");
	}
	return !j->failed && (seen == 3 || tdxv__json_fail(j, "mask and value go together"));
}

static bool attribute_bit(struct tdxv_bytes name_of, uint64_t *out)
{
	unsigned bit;

	for (bit = 0; bit < 64; bit++) {
		const char *word = tdxv_td_attribute_name(bit);

		if (word && tdxv__bytes_are(name_of, word)) {
			*out = UINT64_C(1) << bit;
			return true;
		}
	}
	return false;
}

/* {"PERFMON":"allowed",...}; one that is not named keeps what it was. */
static bool attribute_bits(struct json *j, struct tdxv_policy *p)
{
	struct json_object o;
	struct tdxv_bytes key, word;
	uint64_t bit;

	tdxv__json_object(j, &o);
	while (tdxv__json_member(j, &o, &key)) {
		if (!attribute_bit(key, &bit))
			return tdxv__json_fail(j, "a TD attribute that does not exist");
		if (!tdxv__json_string(j, &word))
			return false;
		p->td_allowed &= ~bit;
		p->td_required &= ~bit;
		if (tdxv__bytes_are(word, "allowed"))
			p->td_allowed |= bit;
		else if (tdxv__bytes_are(word, "required"))
			p->td_required |= bit;
		else if (!tdxv__bytes_are(word, "refused"))
			return tdxv__json_fail(j, "a TD attribute is allowed, required or refused");
	}
	return !j->failed;
}

static bool statuses(struct json *j, uint32_t *set)
{
	enum tdxv_tcb_status s;
	bool first = true;

	*set = 0;
	tdxv__json_array(j);
	while (tdxv__json_element(j, &first)) {
		if (!tdxv__json_status(j, &s))
			return false;
		if (s == TDXV_TCB_REVOKED)
			return tdxv__json_fail(j, "Revoked cannot be accepted");
		*set |= 1u << s;
	}
	return !j->failed;
}

static bool advisories(struct json *j, struct tdxv_policy *p)
{
	bool first = true;

	p->restrict_advisories = true;
	tdxv__json_array(j);
	while (tdxv__json_element(j, &first)) {
		if (p->n_advisories == TDXV_ADVISORY_MAX)
			return tdxv__json_fail(j, "too many advisories");
		if (!name(j, p->advisory[p->n_advisories]))
			return false;
		p->n_advisories++;
	}
	return !j->failed;
}

static bool image(struct json *j, struct tdxv_image *i)
{
	static const char *const reg[] = {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"};
	bool has_name = false, has_register = false;
	struct json_object o;
	struct tdxv_bytes key;
	unsigned k;

	memset(i, 0, sizeof *i);
	i->valid_from = INT64_MIN;
	i->valid_until = INT64_MAX;
	tdxv__json_object(j, &o);
	while (tdxv__json_member(j, &o, &key)) {
		for (k = 0; k < TDXV_REGISTERS && !tdxv__bytes_are(key, reg[k]); k++)
			;
		if (k < TDXV_REGISTERS)
			has_register = any_of(j, &i->reg[k]) || has_register;
		else if (tdxv__bytes_are(key, "name"))
			has_name = name(j, i->name);
		else if (tdxv__bytes_are(key, "valid_from"))
			tdxv__json_time(j, &i->valid_from);
		else if (tdxv__bytes_are(key, "valid_until"))
			tdxv__json_time(j, &i->valid_until);
		else
			return tdxv__json_fail(j, "an unknown member of an image");
	}
	if (j->failed)
		return false;
	if (i->valid_from > i->valid_until)
		return tdxv__json_fail(j, "an image with valid_from after valid_until");
	return (has_name && has_register) ||
	       tdxv__json_fail(j, "an image without a name or without a measurement");
}

static bool images(struct json *j, struct tdxv_policy *p)
{
	bool first = true;

	tdxv__json_array(j);
	while (tdxv__json_element(j, &first)) {
		if (p->n_images == TDXV_IMAGES_MAX)
			return tdxv__json_fail(j, "too many images");
		if (!image(j, &p->image[p->n_images]))
			return false;
		p->n_images++;
	}
	return !j->failed && (p->n_images || tdxv__json_fail(j, "a list without images"));
}

static void member(struct tdxv_policy *p, struct json *j, struct tdxv_bytes key)
{
	uint64_t n = 0;

	if (tdxv__bytes_are(key, "accepted_tcb_statuses")) {
		statuses(j, &p->accepted_statuses);
	} else if (tdxv__bytes_are(key, "grace_days")) {
		if (tdxv__json_uint(j, 36500, &n))
			p->grace_seconds = (int64_t)n * 86400;
	} else if (tdxv__bytes_are(key, "min_tcb_evaluation_number")) {
		if (tdxv__json_uint(j, UINT32_MAX, &n))
			p->min_tcb_evaluation_number = (uint32_t)n;
	} else if (tdxv__bytes_are(key, "allowed_advisories")) {
		advisories(j, p);
	} else if (tdxv__bytes_are(key, "allow_debug")) {
		tdxv__json_bool(j, &p->allow_debug);
	} else if (tdxv__bytes_are(key, "allow_reserved_attributes")) {
		tdxv__json_bool(j, &p->allow_reserved_attributes);
	} else if (tdxv__bytes_are(key, "td_attribute_bits")) {
		attribute_bits(j, p);
	} else if (tdxv__bytes_are(key, "td_attributes")) {
		masked(j, &p->td_attributes);
	} else if (tdxv__bytes_are(key, "xfam")) {
		masked(j, &p->xfam);
	} else if (tdxv__bytes_are(key, "mrseam")) {
		any_of(j, &p->mrseam);
	} else if (tdxv__bytes_are(key, "mrsignerseam")) {
		any_of(j, &p->mrsignerseam);
	} else if (tdxv__bytes_are(key, "images")) {
		images(j, p);
	} else {
		tdxv__json_fail(j, "an unknown member of the policy");
	}
}

enum tdxv_error tdxv_policy_parse(struct tdxv_policy *p, const char *json, size_t n,
				  struct tdxv_why *why)
{
	struct json_object o;
	struct tdxv_bytes key;
	struct json j;

	tdxv_policy_default(p);
	tdxv__json_init(&j, tdxv__bytes(json, n), why);
	tdxv__json_object(&j, &o);
	while (tdxv__json_member(&j, &o, &key))
		member(p, &j, key);
	if (tdxv__json_end(&j))
		return TDXV_OK;
	memset(p, 0, sizeof *p);
	tdxv__why_prefix(why, "policy, ");
	return TDXV_ERR_POLICY_FORMAT;
}
