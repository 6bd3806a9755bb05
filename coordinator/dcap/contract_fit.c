#include "coordinator/dcap/contract_fit.h"

#include <string.h>

#define HEX_SHOWN   8    /* bytes of a measurement that a sentence shows */
#define DEBUG_FLAGS 0x0f /* low bits of the first attribute byte: DEBUG and the profiling bits */

void reasons_add(struct buf *reasons, const char *sentence)
{
	if (reasons->len)
		buf_add_str(reasons, "; ");
	buf_add_str(reasons, sentence);
}

bool contract_fits_quote(const struct tdxv_quote *q, const struct contract_image *image,
			 struct buf *reasons)
{
	static const struct {
		const char *name;
		size_t at;
	} registers[] = {{"MRTD", TDXV_TD_MRTD},
			 {"RTMR0", TDXV_TD_RTMR0},
			 {"RTMR1", TDXV_TD_RTMR0 + 48},
			 {"RTMR2", TDXV_TD_RTMR0 + 96}};
	char got[2 * HEX_SHOWN + 1], want[2 * HEX_SHOWN + 1];
	const size_t before = reasons->len;
	struct why why;
	size_t i;

	if (!q->tdx) {
		reasons_add(reasons, "the quote is an SGX enclave's, the TDXVerifier wants a TD's");
		return false;
	}
	if (q->version != 4 || q->body_type != TDXV_BODY_TD10) {
		why_set(
		    &why,
		    "the quote has version %u with a %s, the TDXVerifier reads version 4 with a "
		    "%s",
		    q->version, tdxv_body_name(q->body_type), tdxv_body_name(TDXV_BODY_TD10));
		reasons_add(reasons, why.text);
	}
	if (q->body.p[TDXV_TD_TDATTRIBUTES] & DEBUG_FLAGS) {
		why_set(&why,
			"the TD can be debugged: the low bits of its attributes are %x, the "
			"TDXVerifier wants 0",
			q->body.p[TDXV_TD_TDATTRIBUTES] & DEBUG_FLAGS);
		reasons_add(reasons, why.text);
	}
	for (i = 0; i < sizeof registers / sizeof *registers; i++) {
		const uint8_t *value = q->body.p + registers[i].at;

		if (memcmp(value, image->measurement[i], 48) == 0)
			continue;
		hex_encode(got, value, HEX_SHOWN);
		hex_encode(want, image->measurement[i], HEX_SHOWN);
		why_set(&why, "%s differs from the TDXVerifier's: quote %s..., contract %s...",
			registers[i].name, got, want);
		reasons_add(reasons, why.text);
	}
	return reasons->len == before;
}

bool contract_fits_status(enum tdxv_tcb_status status, struct buf *reasons)
{
	struct why why;

	if (status == TDXV_TCB_UP_TO_DATE)
		return true;
	why_set(&why, "the TCB status is %s, the TDXVerifier takes only UpToDate",
		tdxv_tcb_status_name(status));
	reasons_add(reasons, why.text);
	return false;
}
