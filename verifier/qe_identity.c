#include "verifier/internal.h"

#include <string.h>

bool tdxv__advisories(struct json *j, struct level *level, struct advisory_pool *pool)
{
	struct tdxv_bytes id;
	bool first = true;
	unsigned i;

	level->advisory = (uint16_t)pool->n;
	tdxv__json_array(j);
	while (tdxv__json_element(j, &first)) {
		if (!tdxv__json_string(j, &id))
			return false;
		if (id.n == 0 || id.n >= TDXV_NAME_MAX)
			return tdxv__json_fail(j, "an advisory id of impossible length");
		for (i = 0; i < id.n; i++)
			if (id.p[i] <= ' ' || id.p[i] > '~')
				return tdxv__json_fail(j,
						       "an advisory id with a strange character");
		if (pool->n == ADVISORIES_MAX || level->n_advisories == LEVEL_ADVISORIES_MAX)
			return tdxv__json_fail(j, "too many advisories");
		pool->id[pool->n++] = id;
		level->n_advisories++;
	}
	return !j->failed;
}

static bool isvsvn(struct json *j, uint16_t *out)
{
	struct json_object o;
	struct tdxv_bytes key;
	bool seen = false;
	uint64_t n;

	tdxv__json_object(j, &o);
	while (tdxv__json_member(j, &o, &key)) {
		if (tdxv__bytes_are(key, "isvsvn")) {
			seen = tdxv__json_uint(j, UINT16_MAX, &n);
			*out = (uint16_t)(seen ? n : 0);
		} else {
			tdxv__json_skip(j, NULL);
		}
	}
	return !j->failed && (seen || tdxv__json_fail(j, "tcb without isvsvn"));
}

static bool isvsvn_level(struct json *j, struct level *l, struct advisory_pool *pool)
{
	struct json_object o;
	struct tdxv_bytes key;
	unsigned seen = 0;

	memset(l, 0, sizeof *l);
	tdxv__json_object(j, &o);
	while (tdxv__json_member(j, &o, &key)) {
		if (tdxv__bytes_are(key, "tcb"))
			seen |= isvsvn(j, &l->isvsvn) ? 1 : 0;
		else if (tdxv__bytes_are(key, "tcbDate"))
			seen |= tdxv__json_time(j, &l->date) ? 2 : 0;
		else if (tdxv__bytes_are(key, "tcbStatus"))
			seen |= tdxv__json_status(j, &l->status) ? 4 : 0;
		else if (tdxv__bytes_are(key, "advisoryIDs"))
			tdxv__advisories(j, l, pool);
		else
			tdxv__json_skip(j, NULL);
	}
	if (j->failed)
		return false;
	if (seen != 7)
		return tdxv__json_fail(j, "a TCB level without tcb, tcbDate or tcbStatus");
	if (l->status != TDXV_TCB_UP_TO_DATE && l->status != TDXV_TCB_OUT_OF_DATE &&
	    l->status != TDXV_TCB_REVOKED)
		return tdxv__json_fail(j, "a status that a module or enclave cannot have");
	return true;
}

bool tdxv__isvsvn_levels(struct json *j, struct level *level, unsigned *n,
			 struct advisory_pool *pool)
{
	bool first = true;
	struct level l;

	*n = 0;
	tdxv__json_array(j);
	while (tdxv__json_element(j, &first)) {
		if (!isvsvn_level(j, &l, pool))
			return false;
		if (*n == ISVSVN_LEVELS_MAX)
			return tdxv__json_fail(j, "too many TCB levels");
		/* Which counts of others: releases of Intel's library sort, or take the first that
		 * fits. */
		if (*n && l.isvsvn >= level[*n - 1].isvsvn)
			return tdxv__json_fail(j, "two TCB levels whose isvsvn does not fall");
		level[(*n)++] = l;
	}
	return !j->failed && (*n > 0 || tdxv__json_fail(j, "there are no TCB levels"));
}

enum {
	HAS_ID = 1 << 0,
	HAS_VERSION = 1 << 1,
	HAS_ISSUED = 1 << 2,
	HAS_NEXT = 1 << 3,
	HAS_NUMBER = 1 << 4,
	HAS_MISC = 1 << 5,
	HAS_MISC_MASK = 1 << 6,
	HAS_ATTR = 1 << 7,
	HAS_ATTR_MASK = 1 << 8,
	HAS_SIGNER = 1 << 9,
	HAS_PRODUCT = 1 << 10,
	HAS_LEVELS = 1 << 11,
	HAS_ALL = (1 << 12) - 1,
};

static bool kind(struct json *j, enum qe_kind *out)
{
	struct tdxv_bytes id;

	if (!tdxv__json_string(j, &id))
		return false;
	if (tdxv__bytes_are(id, "QE"))
		*out = QE_SGX;
	else if (tdxv__bytes_are(id, "TD_QE"))
		*out = QE_TDX;
	else if (tdxv__bytes_are(id, "QVE"))
		*out = QE_QVE;
	else
		return tdxv__json_fail(j, "an id that is none of QE, TD_QE, QVE");
	return true;
}

static unsigned member(struct qe_identity *q, struct json *j, struct tdxv_bytes key)
{
	uint64_t n = 0;
	bool ok;

	if (tdxv__bytes_are(key, "id"))
		return kind(j, &q->kind) ? HAS_ID : 0;
	if (tdxv__bytes_are(key, "version")) {
		ok = tdxv__json_uint(j, UINT32_MAX, &n);
		q->version = (uint32_t)n;
		return ok ? HAS_VERSION : 0;
	}
	if (tdxv__bytes_are(key, "issueDate"))
		return tdxv__json_time(j, &q->issued) ? HAS_ISSUED : 0;
	if (tdxv__bytes_are(key, "nextUpdate"))
		return tdxv__json_time(j, &q->next_update) ? HAS_NEXT : 0;
	if (tdxv__bytes_are(key, "tcbEvaluationDataNumber")) {
		ok = tdxv__json_uint(j, UINT32_MAX, &n);
		q->evaluation_number = (uint32_t)n;
		return ok ? HAS_NUMBER : 0;
	}
	if (tdxv__bytes_are(key, "miscselect"))
		return tdxv__json_hex(j, q->miscselect, 4) ? HAS_MISC : 0;
	if (tdxv__bytes_are(key, "miscselectMask"))
		return tdxv__json_hex(j, q->miscselect_mask, 4) ? HAS_MISC_MASK : 0;
	if (tdxv__bytes_are(key, "attributes"))
		return tdxv__json_hex(j, q->attributes, 16) ? HAS_ATTR : 0;
	if (tdxv__bytes_are(key, "attributesMask"))
		return tdxv__json_hex(j, q->attributes_mask, 16) ? HAS_ATTR_MASK : 0;
	if (tdxv__bytes_are(key, "mrsigner"))
		return tdxv__json_hex(j, q->mrsigner, 32) ? HAS_SIGNER : 0;
	if (tdxv__bytes_are(key, "isvprodid")) {
		ok = tdxv__json_uint(j, UINT16_MAX, &n);
		q->isvprodid = (uint16_t)n;
		return ok ? HAS_PRODUCT : 0;
	}
	if (tdxv__bytes_are(key, "tcbLevels"))
		return tdxv__isvsvn_levels(j, q->level, &q->n_levels, &q->pool) ? HAS_LEVELS : 0;
	tdxv__json_skip(j, NULL);
	return 0;
}

bool tdxv__qe_identity_parse(struct qe_identity *q, struct tdxv_bytes body, struct tdxv_why *why)
{
	struct json_object o;
	struct tdxv_bytes key;
	unsigned seen = 0;
	struct json j;

	memset(q, 0, sizeof *q);
	tdxv__json_init(&j, body, why);
	if (!tdxv__json_canonical(&j))
		return false;
	tdxv__json_object(&j, &o);
	while (tdxv__json_member(&j, &o, &key))
		seen |= member(q, &j, key);
	if (!tdxv__json_end(&j))
		return false;
	if (seen != HAS_ALL)
		return tdxv__json_fail(&j, "a member of the QE identity is missing");
	if (q->version != 2) {
		tdxv__why(why, "version %lu is not 2", (unsigned long)q->version);
		return false;
	}
	return true;
}
