/* fake_pcs.h -- a scripted PCS or PCCS on 127.0.0.1, on the test's own libuv loop, that serves
 * forged collateral. */
#ifndef TESTS_FAKE_PCS_H
#define TESTS_FAKE_PCS_H

#include "coordinator/collateral/collateral.h"
#include "tests/unit/verifier/forge.h"

#include <stdbool.h>
#include <uv.h>

enum fake_pcs_mode {
	PCS_OK,
	PCS_SILENT,       /* never answers */
	PCS_SLAM,         /* closes without an answer */
	PCS_CUT,          /* closes in the middle of the body */
	PCS_HUGE,         /* 2 MiB of nothing */
	PCS_GARBAGE,      /* something else than collateral */
	PCS_EMPTY,        /* HTTP 200 without a body */
	PCS_STATUS,       /* an HTTP status */
	PCS_NO_CHAIN,     /* without the issuer chain's header */
	PCS_TWO_CHAINS,   /* with two of them */
	PCS_BAD_ENCODING, /* the header is not URL-encoded */
	PCS_LONG_HEADERS, /* a header of 90 KiB */
};

struct fake_pcs {
	uv_loop_t *loop;
	uv_tcp_t tcp;
	int port;
	bool listening;
	const struct forged *serves;
	const char *numbers; /* the list that it serves; NULL: none, HTTP 404 */
	enum fake_pcs_mode mode;
	unsigned mode_parts; /* bit per part that the mode is for; 0: all */
	int status;
	const char *retry_after; /* NULL: no such header */
	bool old_header;         /* SGX-TCB-Info-Issuer-Chain */
	bool hex_crls;           /* as a PCCS writes them */
	unsigned n_requests, n_part[COLLATERAL_PARTS];
	char path[COLLATERAL_PARTS][512]; /* last request for each */
	struct fake_pcs_conn *conns;
};

void fake_pcs_start(struct fake_pcs *f, uv_loop_t *loop, const struct forged *serves);
void fake_pcs_stop(struct fake_pcs *f);

#endif
