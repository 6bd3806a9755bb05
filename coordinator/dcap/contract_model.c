#include "coordinator/dcap/contract_model.h"

#include "encoding/endian.h"
#include "encoding/words.h"

#include <jansson.h>
#include <string.h>

#define COMPONENTS  16
#define ATTRIBUTES  8
#define MODULE_SVNS 2 /* the module's SVN and version, which Intel compares elsewhere */

/* In the quoting enclave's report. */
#define QE_MISCSELECT 16
#define QE_ATTRIBUTES 48
#define QE_MRSIGNER   128
#define QE_ISVPRODID  256
#define QE_ISVSVN     258

/* ---- DcapVerifier ---- */

/* Its rule on TDATTRIBUTES, which no policy softens. */
static bool attributes_allowed(const uint8_t *body, struct why *why)
{
	static const uint8_t allowed[ATTRIBUTES] = {0x01, 0, 0x01, 0xf8, 0, 0, 0, 0xc0};
	char hex[2 * ATTRIBUTES + 1];

	for (size_t i = 0; i < ATTRIBUTES; i++)
		if (body[TDXV_TD_TDATTRIBUTES + i] & ~allowed[i]) {
			hex_encode(hex, body + TDXV_TD_TDATTRIBUTES, ATTRIBUTES);
			why_set(why, "TDATTRIBUTES have a bit that no TD may have (%s)", hex);
			return false;
		}
	return true;
}

/* ---- the TCB info's fields, as v1.0 reads them ---- */

/* Each once, nothing else, and the levels after what is read before them. */
static bool v1_0_reads(const json_t *info, struct why *why)
{
	static const char *const fields[] = {"id",        "version",
					     "issueDate", "nextUpdate",
					     "fmspc",     "pceId",
					     "tcbType",   "tcbEvaluationDataNumber",
					     "tdxModule", "tdxModuleIdentities",
					     "tcbLevels"};
	const size_t n = sizeof fields / sizeof *fields;
	const char *key, *last = "";
	json_t *value;

	for (size_t i = 0; i < n; i++)
		if (!json_object_get(info, fields[i])) {
			why_set(why, "TCBInfo_Invalid(), because the TCB info has no %s",
				fields[i]);
			return false;
		}
	json_object_foreach ((json_t *)(uintptr_t)info, key, value) {
		size_t i = 0;

		while (i < n && strcmp(key, fields[i]) != 0)
			i++;
		if (i == n) {
			why_set(why,
				"TCBInfo_Invalid(), because it does not know the TCB info's %.40s",
				key);
			return false;
		}
		last = key;
	}
	if (strcmp(last, "tcbLevels") == 0)
		return true;
	why_set(why, "TCBInfo_Invalid(), because the TCB info's levels do not come last");
	return false;
}

/* ---- levels ---- */

/* Both releases count 16 components in every member of a level's "tcb" but pcesvn. */
static bool levels_are_read(const json_t *info, struct why *why)
{
	static const char *const known[] = {"pcesvn", "sgxtcbcomponents", "tdxtcbcomponents", NULL};
	const json_t *levels = json_object_get(info, "tcbLevels");
	const char *key;
	json_t *value;

	for (size_t i = 0; i < json_array_size(levels); i++) {
		json_object_foreach (json_object_get(json_array_get(levels, i), "tcb"), key,
				     value) {
			if (words_have(known, key))
				continue;
			why_set(why,
				"TCBInfo_Invalid(), because it does not know %.40s of a level's "
				"tcb",
				key);
			return false;
		}
	}
	return true;
}

/* Index of the first component that is short, at or after from; COMPONENTS: none. -1: the level is
 * malformed. */
static int short_component(const json_t *tcb, const char *name, const uint8_t *has, int from,
			   json_int_t *wanted)
{
	const json_t *components = json_object_get(tcb, name);

	if (json_array_size(components) != COMPONENTS)
		return -1;
	for (int i = from; i < COMPONENTS; i++) {
		*wanted = json_integer_value(
		    json_object_get(json_array_get(components, (size_t)i), "svn"));
		if (has[i] < *wanted)
			return i;
	}
	return COMPONENTS;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* Where Intel finds a level, and this contract the same or a lower one. */
static bool levels_agree(const json_t *info, const uint8_t *tdx, const struct tdxv_pck *pck,
			 struct why *why)
{
	const json_t *levels = json_object_get(info, "tcbLevels");
	const int from = tdx[1] > 0 ? MODULE_SVNS : 0;
	json_int_t wanted = 0, differs_at = 0;
	bool sgx = false;
	int differs = COMPONENTS;

	for (size_t i = 0; i < json_array_size(levels); i++) {
		const json_t *level = json_array_get(levels, i);
		const json_t *tcb = json_object_get(level, "tcb");
		const char *status = text_of(level, "tcbStatus");
		int at;

		sgx = sgx || (short_component(tcb, "sgxtcbcomponents", pck->comp_svn, 0, &wanted) ==
				  COMPONENTS &&
			      pck->pcesvn >= json_integer_value(json_object_get(tcb, "pcesvn")));
		if (!sgx)
			continue;
		if (strcmp(status, "Revoked") == 0)
			break;
		at = short_component(tcb, "tdxtcbcomponents", tdx, 0, &wanted);
		if (at < COMPONENTS) {
			if (at >= 0 && at < from && differs == COMPONENTS) {
				differs = at;
				differs_at = wanted;
			}
			continue;
		}
		if (strcmp(status, "UpToDate") == 0)
			return true;
		if (differs < COMPONENTS)
			why_set(why, "%s, because it compares TDX component %d (%d < %d)", status,
				differs, tdx[differs], (int)differs_at);
		else
			why_set(why, "%s, by the TCB info that it judges with", status);
		return false;
	}
	if (differs < COMPONENTS)
		why_set(why,
			"below every TCB level, because it compares TDX component %d (%d < %d)",
			differs, tdx[differs], (int)differs_at);
	else
		why_set(why, "below every TCB level of the TCB info that it judges with");
	return false;
}

/* ---- the QE identity ---- */

/* False also where the identity has no such hex. */
static bool masked_equal(const json_t *identity, const char *name, const char *mask_name,
			 const uint8_t *has, size_t n)
{
	const char *hex = text_of(identity, name), *mask_hex = text_of(identity, mask_name);
	uint8_t wanted[16], mask[16];

	if (!hex_decode(wanted, n, hex, strlen(hex)) ||
	    !hex_decode(mask, n, mask_hex, strlen(mask_hex)))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((has[i] & mask[i]) != wanted[i])
			return false;
	return true;
}

/* What of the enclave is not the identity's; NULL: nothing. */
static const char *foreign_part(const json_t *identity, const uint8_t *report)
{
	const char *mrsigner = text_of(identity, "mrsigner");
	uint8_t wanted[32];

	if (!masked_equal(identity, "miscselect", "miscselectMask", report + QE_MISCSELECT, 4))
		return "MISCSELECT";
	if (!masked_equal(identity, "attributes", "attributesMask", report + QE_ATTRIBUTES, 16))
		return "ATTRIBUTES";
	if (!hex_decode(wanted, sizeof wanted, mrsigner, strlen(mrsigner)) ||
	    memcmp(wanted, report + QE_MRSIGNER, sizeof wanted) != 0)
		return "MRSIGNER";
	return json_integer_value(json_object_get(identity, "isvprodid")) ==
		       le16(report + QE_ISVPRODID)
		   ? NULL
		   : "ISVPRODID";
}

static bool identity_agrees(const json_t *identity, const uint8_t *report, struct why *why)
{
	const json_t *levels = json_object_get(identity, "tcbLevels");
	const int svn = le16(report + QE_ISVSVN);
	const int number =
	    (int)json_integer_value(json_object_get(identity, "tcbEvaluationDataNumber"));
	const char *foreign = foreign_part(identity, report), *status = "below every TCB level";

	if (foreign) {
		why_set(why,
			"\"Verification failed by QEIdentity check\", because the quoting enclave "
			"has another %s than the QE identity of tcbEvaluationDataNumber %d that it "
			"judges with",
			foreign, number);
		return false;
	}
	for (size_t i = 0; i < json_array_size(levels); i++) {
		const json_t *level = json_array_get(levels, i);
		const json_t *tcb = json_object_get(level, "tcb");

		if (svn < json_integer_value(json_object_get(tcb, "isvsvn")))
			continue;
		status = text_of(level, "tcbStatus");
		if (strcmp(status, "UpToDate") == 0)
			return true;
		break;
	}
	why_set(why,
		"%s, because of the quoting enclave's ISVSVN %d by the QE identity of "
		"tcbEvaluationDataNumber %d that it judges with",
		status, svn, number);
	return false;
}

static bool identity_is_read(struct span qe_identity, const uint8_t *report, struct why *why)
{
	json_t *identity;
	bool ok;

	if (qe_identity.n == 0)
		return true;
	identity =
	    json_loadb((const char *)qe_identity.p, qe_identity.n, JSON_REJECT_DUPLICATES, NULL);
	ok = identity && identity_agrees(identity, report, why);
	if (!identity)
		why_set(why, "the QE identity that it judges with cannot be read");
	json_decref(identity);
	return ok;
}

bool contract_model_agrees(enum pccs_stack stack, const struct tdxv_quote *quote,
			   const struct tdxv_pck *pck, struct span tcb_info,
			   struct span qe_identity, struct why *why)
{
	const uint8_t *tdx = quote->body.p; /* TEE_TCB_SVN comes first in a TD report */
	json_t *info;
	bool ok;

	if (stack == PCCS_STACK_OWN && quote->tdx && !attributes_allowed(tdx, why)) {
		why_wrap(why, "%s", pccs_stack_name(stack));
		return false;
	}
	if ((stack != PCCS_STACK_AUTOMATA_V1_0 && stack != PCCS_STACK_AUTOMATA_V1_1) || !quote->tdx)
		return true;
	if (!identity_is_read(qe_identity, quote->qe_report.p, why)) {
		why_wrap(why, "%s", pccs_stack_name(stack));
		return false;
	}
	if (tcb_info.n == 0)
		return true;
	if (stack == PCCS_STACK_AUTOMATA_V1_0 && tdx[1] == 0) {
		why_set(why, "Automata v1.0: \"TDXModule check failed\", because it knows no TDX "
			     "module of version 0");
		return false;
	}
	info = json_loadb((const char *)tcb_info.p, tcb_info.n, JSON_REJECT_DUPLICATES, NULL);
	ok = info && (stack != PCCS_STACK_AUTOMATA_V1_0 || v1_0_reads(info, why)) &&
	     levels_are_read(info, why) && levels_agree(info, tdx, pck, why);
	if (!info)
		why_set(why, "the TCB info that it judges with cannot be read");
	if (!ok)
		why_wrap(why, "%s", pccs_stack_name(stack));
	json_decref(info);
	return ok;
}
