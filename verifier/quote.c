/*
 * Layouts: Intel TDX DCAP Quoting Library API, appendix A (quote version 4 and 5); SGX ECDSA
 * Quote Library Reference, appendix A (version 3). All integers are little-endian.
 */
#include "verifier/internal.h"

#include <string.h>

#define HEADER_SIZE 48u
#define TEE_SGX     0u
#define TEE_TDX     0x81u

static const uint8_t intel_qe_vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
					    0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

/* Reads from the front of what is left; a read past the end fails and moves nothing. */
static bool take(struct tdxv_bytes *left, size_t n, struct tdxv_bytes *out)
{
	if (n > left->n)
		return false;
	*out = (struct tdxv_bytes){left->p, n};
	left->p += n;
	left->n -= n;
	return true;
}

static bool take_u16(struct tdxv_bytes *left, uint16_t *out)
{
	struct tdxv_bytes b;

	if (!take(left, 2, &b))
		return false;
	*out = (uint16_t)(b.p[0] | b.p[1] << 8);
	return true;
}

static bool take_u32(struct tdxv_bytes *left, uint32_t *out)
{
	struct tdxv_bytes b;

	if (!take(left, 4, &b))
		return false;
	*out = b.p[0] | (uint32_t)b.p[1] << 8 | (uint32_t)b.p[2] << 16 | (uint32_t)b.p[3] << 24;
	return true;
}

static enum tdxv_error cut_short(const char *where, struct tdxv_bytes left, struct tdxv_why *why)
{
	tdxv__why(why, "the quote ends inside its %s (%zu bytes are left)", where, left.n);
	return TDXV_ERR_QUOTE_FORMAT;
}

static enum tdxv_error parse_header(struct tdxv_quote *q, struct tdxv_bytes *left,
				    struct tdxv_why *why)
{
	uint16_t key_type = 0;
	uint32_t tee = 0;

	if (!take_u16(left, &q->version) || !take_u16(left, &key_type) || !take_u32(left, &tee) ||
	    !take_u16(left, &q->qe_svn) || !take_u16(left, &q->pce_svn) ||
	    !take(left, 16, &q->vendor_id) || !take(left, 20, &q->user_data))
		return cut_short("header", *left, why);
	if (q->version < 3 || q->version > 5) {
		tdxv__why(why, "quote version %u is none of 3, 4, 5", q->version);
		return TDXV_ERR_QUOTE_FORMAT;
	}
	if (key_type != 2) {
		tdxv__why(why, "attestation key type %u is not 2 (ECDSA P-256)", key_type);
		return TDXV_ERR_QUOTE_FORMAT;
	}
	if (tee != TEE_SGX && tee != TEE_TDX) {
		tdxv__why(why, "TEE type 0x%x is neither 0 (SGX) nor 0x81 (TDX)", (unsigned)tee);
		return TDXV_ERR_QUOTE_FORMAT;
	}
	q->tdx = tee == TEE_TDX;
	if (q->version == 3 && q->tdx) {
		tdxv__why(why, "a version 3 quote is SGX, but TEE type is 0x81");
		return TDXV_ERR_QUOTE_FORMAT;
	}
	if (memcmp(q->vendor_id.p, intel_qe_vendor, 16) != 0) {
		char hex[33];

		hex_encode(hex, q->vendor_id.p, 16);
		tdxv__why(why, "QE vendor id %s is not Intel's", hex);
		return TDXV_ERR_QUOTE_FORMAT;
	}
	return TDXV_OK;
}

static enum tdxv_error parse_body(struct tdxv_quote *q, struct tdxv_bytes *left,
				  struct tdxv_why *why)
{
	uint16_t type;
	uint32_t size;

	q->body_type = q->tdx ? TDXV_BODY_TD10 : TDXV_BODY_SGX;
	if (q->version == 5) {
		if (!take_u16(left, &type) || !take_u32(left, &size))
			return cut_short("body descriptor", *left, why);
		if (type < TDXV_BODY_SGX || type > TDXV_BODY_TD15EX) {
			tdxv__why(why, "body type %u is none of 1 to 4", type);
			return TDXV_ERR_QUOTE_FORMAT;
		}
		q->body_type = (enum tdxv_body)type;
		if ((q->body_type == TDXV_BODY_SGX) == q->tdx) {
			tdxv__why(why, "body type %u (%s) does not go with a TEE type of %s", type,
				  tdxv_body_name(q->body_type), q->tdx ? "TDX" : "SGX");
			return TDXV_ERR_QUOTE_FORMAT;
		}
		if (size != tdxv_body_size(q->body_type)) {
			tdxv__why(why, "a %s has %zu bytes, the quote declares %lu",
				  tdxv_body_name(q->body_type), tdxv_body_size(q->body_type),
				  (unsigned long)size);
			return TDXV_ERR_QUOTE_FORMAT;
		}
	}
	if (!take(left, tdxv_body_size(q->body_type), &q->body))
		return cut_short("body", *left, why);
	return TDXV_OK;
}

/* QE report and what certifies it; *left is exactly the room that was declared for it. */
static enum tdxv_error parse_certification(struct tdxv_quote *q, struct tdxv_bytes *left,
					   struct tdxv_why *why)
{
	uint16_t auth_size;
	uint32_t cert_size;

	if (!take(left, TDXV_SGX_SIZE, &q->qe_report) || !take(left, 64, &q->qe_report_signature))
		return cut_short("QE report", *left, why);
	if (!take_u16(left, &auth_size) || !take(left, auth_size, &q->qe_auth_data))
		return cut_short("QE authentication data", *left, why);
	if (!take_u16(left, &q->cert_type) || !take_u32(left, &cert_size))
		return cut_short("certification data header", *left, why);
	if (q->cert_type < 1 || q->cert_type > 5) {
		tdxv__why(why, "certification data type %u is none of 1 to 5", q->cert_type);
		return TDXV_ERR_QUOTE_FORMAT;
	}
	if (!take(left, cert_size, &q->cert_data))
		return cut_short("certification data", *left, why);
	return TDXV_OK;
}

static enum tdxv_error parse_signature_data(struct tdxv_quote *q, struct tdxv_bytes left,
					    struct tdxv_why *why)
{
	struct tdxv_bytes wrapped;
	enum tdxv_error e;
	uint16_t outer_type;
	uint32_t outer_size;

	if (!take(&left, 64, &q->signature) || !take(&left, 64, &q->attestation_key))
		return cut_short("signature", left, why);
	if (q->version == 3)
		return parse_certification(q, &left, why);
	if (!take_u16(&left, &outer_type) || !take_u32(&left, &outer_size))
		return cut_short("outer certification data header", left, why);
	if (outer_type != 6) {
		tdxv__why(why, "outer certification data type %u is not 6 (QE report)", outer_type);
		return TDXV_ERR_QUOTE_FORMAT;
	}
	if (!take(&left, outer_size, &wrapped))
		return cut_short("outer certification data", left, why);
	e = parse_certification(q, &wrapped, why);
	if (e == TDXV_OK && wrapped.n != 0) {
		tdxv__why(why, "%zu bytes follow the certification data inside its wrapper",
			  wrapped.n);
		return TDXV_ERR_QUOTE_FORMAT;
	}
	return e;
}

enum tdxv_error tdxv_quote_parse(struct tdxv_quote *q, const uint8_t *bytes, size_t n,
				 struct tdxv_why *why)
{
	struct tdxv_bytes left = {bytes, n}, data;
	uint32_t data_size;
	enum tdxv_error e;

	*q = (struct tdxv_quote){0};
	if (n > TDXV_QUOTE_MAX) {
		tdxv__why(why, "%zu bytes are more than a quote can have (%u)", n, TDXV_QUOTE_MAX);
		return TDXV_ERR_QUOTE_FORMAT;
	}
	e = parse_header(q, &left, why);
	if (e == TDXV_OK)
		e = parse_body(q, &left, why);
	if (e != TDXV_OK)
		goto fail;
	q->signed_part = (struct tdxv_bytes){bytes, n - left.n};
	if (!take_u32(&left, &data_size)) {
		e = cut_short("signature data length", left, why);
		goto fail;
	}
	if (!take(&left, data_size, &data)) {
		tdxv__why(why, "the quote declares %lu bytes of signature data, %zu are left",
			  (unsigned long)data_size, left.n);
		e = TDXV_ERR_QUOTE_FORMAT;
		goto fail;
	}
	q->trailing_size = left.n;
	q->declared_size = n - left.n;
	e = parse_signature_data(q, data, why);
	if (e == TDXV_OK)
		return TDXV_OK;
fail:
	*q = (struct tdxv_quote){0};
	return e;
}

static const struct tdxv_field sgx_fields[] = {
    {"cpusvn", 0, 16},     {"miscselect", 16, 4}, {"attributes", 48, 16}, {"mrenclave", 64, 32},
    {"mrsigner", 128, 32}, {"isvprodid", 256, 2}, {"isvsvn", 258, 2},     {"reportdata", 320, 64},
};

static const struct tdxv_field td_fields[] = {
    {"tee_tcb_svn", 0, 16},
    {"mrseam", 16, 48},
    {"mrsignerseam", 64, 48},
    {"seamattributes", 112, 8},
    {"tdattributes", 120, 8},
    {"xfam", 128, 8},
    {"mrtd", 136, 48},
    {"mrconfigid", 184, 48},
    {"mrowner", 232, 48},
    {"mrownerconfig", 280, 48},
    {"rtmr0", 328, 48},
    {"rtmr1", 376, 48},
    {"rtmr2", 424, 48},
    {"rtmr3", 472, 48},
    {"reportdata", 520, 64},
    /* TD report 1.5 */
    {"tee_tcb_svn2", 584, 16},
    {"mrservicetd", 600, 48},
    /* TD report 1.5 Ex */
    {"vmid", 648, 1},
    {"tdid", 649, 32},
    {"devinfo", 681, 48},
    {"initial_servicetd_hash", 729, 48},
    {"initial_servicetd_attributes", 777, 8},
    {"initial_cpusvn", 785, 16},
    {"initial_tee_tcb_svn", 801, 16},
    {"initial_tee_fmspc", 817, 12},
    {"current_servicetd_hash", 829, 48},
    {"current_servicetd_attributes", 877, 8},
};

const struct tdxv_field *tdxv_body_fields(enum tdxv_body type, size_t *n)
{
	switch (type) {
	case TDXV_BODY_SGX: *n = sizeof sgx_fields / sizeof sgx_fields[0]; return sgx_fields;
	case TDXV_BODY_TD10: *n = 15; return td_fields;
	case TDXV_BODY_TD15: *n = 17; return td_fields;
	case TDXV_BODY_TD15EX: *n = 27; return td_fields;
	}
	*n = 0;
	return td_fields;
}

const char *tdxv_body_name(enum tdxv_body type)
{
	switch (type) {
	case TDXV_BODY_SGX: return "SGX enclave report";
	case TDXV_BODY_TD10: return "TD report 1.0";
	case TDXV_BODY_TD15: return "TD report 1.5";
	case TDXV_BODY_TD15EX: return "TD report 1.5 Ex";
	}
	return "unknown body";
}

size_t tdxv_body_size(enum tdxv_body type)
{
	switch (type) {
	case TDXV_BODY_SGX: return TDXV_SGX_SIZE;
	case TDXV_BODY_TD10: return TDXV_TD10_SIZE;
	case TDXV_BODY_TD15: return TDXV_TD15_SIZE;
	case TDXV_BODY_TD15EX: return TDXV_TD15EX_SIZE;
	}
	return 0;
}

const char *tdxv_td_attribute_name(unsigned bit)
{
	switch (bit) {
	case 0: return "DEBUG";
	case 4: return "HGS_PLUS_PROF";
	case 5: return "PERF_PROF";
	case 6: return "PMT_PROF";
	case 16: return "ICSSD";
	case 27: return "LASS";
	case 28: return "SEPT_VE_DISABLE";
	case 29: return "MIGRATABLE";
	case 30: return "PKS";
	case 31: return "KL";
	case 62: return "TPA";
	case 63: return "PERFMON";
	}
	return NULL;
}
