#include "verifier/internal.h"

#include <string.h>
#include <strings.h>

/* Says what a component is of; may be left out, but is a string. */
static bool is_label(struct tdxv_bytes key)
{
	return tdxv__bytes_are(key, "category") || tdxv__bytes_are(key, "type");
}

/* [{"svn":n,...} x 16] */
static bool components(struct json *j, uint8_t out[16])
{
	bool first = true, seen;
	struct json_object o;
	struct tdxv_bytes key;
	unsigned n = 0;
	uint64_t svn;

	tdxv__json_array(j);
	while (tdxv__json_element(j, &first)) {
		if (n == 16)
			return tdxv__json_fail(j, "more than 16 TCB components");
		seen = false;
		tdxv__json_object(j, &o);
		while (tdxv__json_member(j, &o, &key)) {
			if (tdxv__bytes_are(key, "svn")) {
				seen = tdxv__json_uint(j, UINT8_MAX, &svn);
				out[n] = (uint8_t)(seen ? svn : 0);
			} else if (is_label(key) && tdxv__json_peek(j) != '"') {
				tdxv__json_fail(j,
						"a TCB component's category or type is no string");
			} else {
				tdxv__json_skip(j, NULL);
			}
		}
		if (j->failed || !seen)
			return tdxv__json_fail(j, "a TCB component without svn");
		n++;
	}
	return !j->failed && (n == 16 || tdxv__json_fail(j, "fewer than 16 TCB components"));
}

/* "sgxtcbcomp07svn" of version 2: the index 0..15, or -1. */
static int component_of_v2(struct tdxv_bytes key)
{
	int i;

	if (key.n != 15 || memcmp(key.p, "sgxtcbcomp", 10) != 0 ||
	    memcmp(key.p + 12, "svn", 3) != 0)
		return -1;
	if (key.p[10] < '0' || key.p[10] > '1' || key.p[11] < '0' || key.p[11] > '9')
		return -1;
	i = (key.p[10] - '0') * 10 + (key.p[11] - '0');
	return i >= 1 && i <= 16 ? i - 1 : -1;
}

/* Version 2 names each component in a member of its own, version 3 has one list of them. What looks
 * like a component but is none of the version's would be a second opinion on the same SVN. */
static bool is_stray_component(struct tdxv_bytes key, uint32_t version)
{
	if (key.n < 10 || memcmp(key.p, "sgxtcbcomp", 10) != 0)
		return false;
	return version == 2 ? component_of_v2(key) < 0 : !tdxv__bytes_are(key, "sgxtcbcomponents");
}

static bool tcb(struct json *j, struct level *l, uint32_t version, uint32_t *seen)
{
	struct json_object o;
	struct tdxv_bytes key;
	uint64_t n;
	int i;

	*seen = 0;
	tdxv__json_object(j, &o);
	while (tdxv__json_member(j, &o, &key)) {
		if (is_stray_component(key, version)) {
			tdxv__json_fail(j, "an SGX TCB component that is not of this version");
		} else if (tdxv__bytes_are(key, "sgxtcbcomponents")) {
			if (components(j, l->sgx))
				*seen |= 0xffff;
		} else if (tdxv__bytes_are(key, "tdxtcbcomponents")) {
			if (components(j, l->tdx))
				*seen |= 1u << 16;
		} else if (tdxv__bytes_are(key, "pcesvn")) {
			if (tdxv__json_uint(j, UINT16_MAX, &n)) {
				l->pcesvn = (uint16_t)n;
				*seen |= 1u << 17;
			}
		} else if ((i = component_of_v2(key)) >= 0) {
			if (tdxv__json_uint(j, UINT8_MAX, &n)) {
				l->sgx[i] = (uint8_t)n;
				*seen |= 1u << i;
			}
		} else {
			tdxv__json_skip(j, NULL);
		}
	}
	return !j->failed;
}

/* Descending by SGX components, PCESVN, TDX components. */
static int compare(const struct level *a, const struct level *b)
{
	int c = memcmp(b->sgx, a->sgx, 16);

	if (c == 0)
		c = (b->pcesvn > a->pcesvn) - (b->pcesvn < a->pcesvn);
	return c ? c : memcmp(b->tdx, a->tdx, 16);
}

static bool level(struct tcb_info *t, struct json *j)
{
	struct level l = {.n_advisories = 0};
	struct json_object o;
	struct tdxv_bytes key;
	uint32_t tcb_seen = 0;
	unsigned seen = 0, i;

	tdxv__json_object(j, &o);
	while (tdxv__json_member(j, &o, &key)) {
		if (tdxv__bytes_are(key, "tcb"))
			seen |= tcb(j, &l, t->version, &tcb_seen) ? 1 : 0;
		else if (tdxv__bytes_are(key, "tcbDate"))
			seen |= tdxv__json_time(j, &l.date) ? 2 : 0;
		else if (tdxv__bytes_are(key, "tcbStatus"))
			seen |= tdxv__json_status(j, &l.status) ? 4 : 0;
		else if (tdxv__bytes_are(key, "advisoryIDs"))
			tdxv__advisories(j, &l, &t->pool);
		else
			tdxv__json_skip(j, NULL);
	}
	if (j->failed)
		return false;
	if (seen != 7)
		return tdxv__json_fail(j, "a TCB level without tcb, tcbDate or tcbStatus");
	/* TDX components in SGX TCB info mean nothing: the id decides. */
	if ((tcb_seen | (t->tdx ? 0 : 1u << 16)) != 0x3ffff)
		return tdxv__json_fail(j, "a TCB level that lacks components or pcesvn");
	if (!t->tdx)
		memset(l.tdx, 0, sizeof l.tdx);
	if (l.status >= TDXV_TCB_TD_RELAUNCH_ADVISED)
		return tdxv__json_fail(j, "a status that a TCB level cannot have");
	if (t->n_levels == LEVELS_MAX)
		return tdxv__json_fail(j, "too many TCB levels");
	for (i = t->n_levels; i > 0; i--) {
		int c = compare(&t->level[i - 1], &l);

		if (c == 0)
			return tdxv__json_fail(j, "two TCB levels with the same SVNs");
		if (c < 0)
			break;
		t->level[i] = t->level[i - 1];
	}
	t->level[i] = l;
	t->n_levels++;
	return true;
}

static bool levels(struct tcb_info *t, struct json *j)
{
	bool first = true;

	tdxv__json_array(j);
	while (tdxv__json_element(j, &first))
		if (!level(t, j))
			return false;
	return !j->failed && (t->n_levels > 0 || tdxv__json_fail(j, "there are no TCB levels"));
}

enum { MODULE_SIGNER = 1, MODULE_ATTR = 2, MODULE_MASK = 4, MODULE_ID = 8, MODULE_LEVELS = 16 };

static bool module_id(struct module *m, struct json *j)
{
	struct tdxv_bytes id;

	/* "TDX_03": two hex digits, all in either case. */
	if (!tdxv__json_string(j, &id))
		return false;
	if (id.n == 6 && strncasecmp((const char *)id.p, "TDX_", 4) == 0 &&
	    hex_decode(&m->major, 1, (const char *)id.p + 4, 2))
		return true;
	m->major = 0; /* an id of another form names no module of today */
	return true;
}

static unsigned module(struct tcb_info *t, struct json *j, struct module *m)
{
	struct json_object o;
	struct tdxv_bytes key;
	unsigned seen = 0;

	memset(m, 0, sizeof *m);
	tdxv__json_object(j, &o);
	while (tdxv__json_member(j, &o, &key)) {
		if (tdxv__bytes_are(key, "mrsigner"))
			seen |= tdxv__json_hex(j, m->mrsigner, 48) ? MODULE_SIGNER : 0;
		else if (tdxv__bytes_are(key, "attributes"))
			seen |= tdxv__json_hex(j, m->attributes, 8) ? MODULE_ATTR : 0;
		else if (tdxv__bytes_are(key, "attributesMask"))
			seen |= tdxv__json_hex(j, m->attributes_mask, 8) ? MODULE_MASK : 0;
		else if (tdxv__bytes_are(key, "id"))
			seen |= module_id(m, j) ? MODULE_ID : 0;
		else if (tdxv__bytes_are(key, "tcbLevels"))
			seen |= tdxv__isvsvn_levels(j, m->level, &m->n_levels, &t->pool)
				    ? MODULE_LEVELS
				    : 0;
		else
			tdxv__json_skip(j, NULL);
	}
	return j->failed ? 0 : seen;
}

static bool modules(struct tcb_info *t, struct json *j)
{
	bool first = true;
	unsigned i;

	tdxv__json_array(j);
	while (tdxv__json_element(j, &first)) {
		struct module *m = &t->module[t->n_modules];

		if (t->n_modules == MODULES_MAX)
			return tdxv__json_fail(j, "too many TDX module identities");
		if (module(t, j, m) !=
		    (MODULE_SIGNER | MODULE_ATTR | MODULE_MASK | MODULE_ID | MODULE_LEVELS))
			return tdxv__json_fail(j, "a TDX module identity lacks a member");
		for (i = 0; i < t->n_modules; i++)
			if (m->major && t->module[i].major == m->major)
				return tdxv__json_fail(j, "a TDX module identity is repeated");
		t->n_modules++;
	}
	return !j->failed &&
	       (t->n_modules > 0 || tdxv__json_fail(j, "there are no TDX module identities"));
}

enum {
	HAS_ID = 1 << 0,
	HAS_VERSION = 1 << 1,
	HAS_ISSUED = 1 << 2,
	HAS_NEXT = 1 << 3,
	HAS_FMSPC = 1 << 4,
	HAS_PCEID = 1 << 5,
	HAS_TYPE = 1 << 6,
	HAS_NUMBER = 1 << 7,
	HAS_LEVELS = 1 << 8,
	HAS_MODULE = 1 << 9,
	HAS_MODULES = 1 << 10,
};

static bool identify(struct tcb_info *t, struct json *j)
{
	struct tdxv_bytes id;

	if (!tdxv__json_string(j, &id))
		return false;
	t->tdx = tdxv__bytes_are(id, "TDX");
	return t->tdx || tdxv__bytes_are(id, "SGX") ||
	       tdxv__json_fail(j, "an id that is neither SGX nor TDX");
}

static unsigned member(struct tcb_info *t, struct json *j, struct tdxv_bytes key,
		       struct tdxv_bytes *levels_raw)
{
	uint64_t n = 0;
	bool ok;

	if (tdxv__bytes_are(key, "id"))
		return identify(t, j) ? HAS_ID : 0;
	if (tdxv__bytes_are(key, "version")) {
		ok = tdxv__json_uint(j, UINT32_MAX, &n);
		t->version = (uint32_t)n;
		return ok ? HAS_VERSION : 0;
	}
	if (tdxv__bytes_are(key, "issueDate"))
		return tdxv__json_time(j, &t->issued) ? HAS_ISSUED : 0;
	if (tdxv__bytes_are(key, "nextUpdate"))
		return tdxv__json_time(j, &t->next_update) ? HAS_NEXT : 0;
	if (tdxv__bytes_are(key, "fmspc"))
		return tdxv__json_hex(j, t->fmspc, 6) ? HAS_FMSPC : 0;
	if (tdxv__bytes_are(key, "pceId"))
		return tdxv__json_hex(j, t->pceid, 2) ? HAS_PCEID : 0;
	if (tdxv__bytes_are(key, "tcbType"))
		return tdxv__json_uint(j, 0, &n) ? HAS_TYPE : 0;
	if (tdxv__bytes_are(key, "tcbEvaluationDataNumber")) {
		ok = tdxv__json_uint(j, UINT32_MAX, &n);
		t->evaluation_number = (uint32_t)n;
		return ok ? HAS_NUMBER : 0;
	}
	if (tdxv__bytes_are(key, "tdxModule"))
		return module(t, j, &t->plain) == (MODULE_SIGNER | MODULE_ATTR | MODULE_MASK)
			   ? HAS_MODULE
			   : (unsigned)tdxv__json_fail(j, "tdxModule lacks a member");
	if (tdxv__bytes_are(key, "tdxModuleIdentities"))
		return modules(t, j) ? HAS_MODULES : 0;
	if (tdxv__bytes_are(key, "tcbLevels"))
		return tdxv__json_skip(j, levels_raw) ? HAS_LEVELS : 0;
	tdxv__json_skip(j, NULL);
	return 0;
}

bool tdxv__tcb_info_parse(struct tcb_info *t, struct tdxv_bytes body, struct tdxv_why *why)
{
	const unsigned always = HAS_VERSION | HAS_ISSUED | HAS_NEXT | HAS_FMSPC | HAS_PCEID |
				HAS_TYPE | HAS_NUMBER | HAS_LEVELS;
	struct tdxv_bytes key, levels_raw = {0};
	struct json_object o;
	unsigned seen = 0;
	struct json j;

	memset(t, 0, sizeof *t);
	tdxv__json_init(&j, body, why);
	if (!tdxv__json_canonical(&j))
		return false;
	tdxv__json_object(&j, &o);
	while (tdxv__json_member(&j, &o, &key))
		seen |= member(t, &j, key, &levels_raw);
	if (!tdxv__json_end(&j))
		return false;
	if ((seen & always) != always)
		return tdxv__json_fail(&j, "a member of the TCB info is missing");
	if (t->version != 2 && t->version != 3) {
		tdxv__why(why, "version %lu is neither 2 nor 3", (unsigned long)t->version);
		return false;
	}
	/* Version 2 is SGX only and has no id. */
	if ((t->version == 3) != ((seen & HAS_ID) != 0))
		return tdxv__json_fail(&j, "the id does not suit the version");
	if (t->tdx ? !(seen & HAS_MODULE) : (seen & (HAS_MODULE | HAS_MODULES)) != 0)
		return tdxv__json_fail(&j, "tdxModule does not suit the id");
	/* What a level must hold depends on the id, which may come after the levels. */
	j.at = (size_t)(levels_raw.p - body.p);
	j.depth = 1;
	return levels(t, &j);
}
