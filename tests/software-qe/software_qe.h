/*
 * software_qe.h -- a quoting enclave in software, with a make-believe Intel behind it, so that a
 * devnet without TDX hardware goes the way that hardware goes. NOTHING IS ATTESTED: every
 * key is known to everybody who has this source.
 *
 * A PKI directory holds one platform's certificates, which are made once and then kept, so that
 * quotes and collateral carry the same bytes, and its collateral, which is issued anew each time:
 *   pck_chain.pem                PCK leaf, PCK CA, root: what quotes carry
 *   root_ca.pem                  the root, and its public key x||y as 128 hex digits in
 *   root_ca_key.hex
 *   platform                     FMSPC and CA, as they were asked for first
 *   tcb_info.json, qe_identity.json, tcb_signing_chain.pem, pck_crl.der, pck_crl_issuer_chain.pem,
 *   root_ca_crl.der              what `tdx-quote verify --collateral` reads
 *   tcb_evaluation_numbers.json  Intel's list: the collateral's number is the standard one
 */
#ifndef TESTS_SOFTWARE_QE_H
#define TESTS_SOFTWARE_QE_H

#include "encoding/why.h"
#include "tests/unit/verifier/forge.h"

#include <signal.h>

#define REPORT_DATA_SIZE 64

struct pki_wish {
	const char *dir;
	const char *fmspc; /* 12 hex digits; NULL: as the directory has it, else 90c06f000000 */
	const char *ca;    /* "platform" or "processor"; NULL: likewise, else platform */
	const char *tcb_status; /* of the platform's level; NULL: UpToDate */
	unsigned evaluation;    /* tcbEvaluationDataNumber */
	unsigned early;         /* one more in the list, not yet a year old; 0: none */
	unsigned age;           /* seconds since the collateral was issued */
	unsigned valid;         /* seconds for which it is still good */
	const char *expired;    /* a piece that ended a second ago, or NULL */
	const char *revoked;    /* "pck", "ca" or "tcb-signing", or NULL */
};

enum flaw {
	FLAW_NONE,
	FLAW_SIGNATURE,    /* of the quote: by another key */
	FLAW_QE_SIGNATURE, /* of the QE report: by another key */
	FLAW_BINDING,      /* the QE report does not name the attestation key */
	FLAW_CHAIN,        /* the PCK certificate is signed by another key */
	FLAW_REPORT_DATA,  /* not what was asked for */
	FLAW_CUT,          /* half of the quote */
	FLAW_PROVIDER,     /* another kind of trust domain */
	FLAW_GENERATION,   /* somebody else wrote meanwhile */
};

struct qe {
	struct forge forge; /* the quotes to make; report data is filled in */
	struct buf chain;
	enum flaw flaw;
	unsigned delay_ms; /* between question and answer */
};

/* Makes or renews the collateral. False with the sentence; a wrong value is named. */
bool pki_make(const struct pki_wish *wish, struct why *why);
/* Reads the certificate chain that quotes carry into qe->chain, which pki_close() frees. */
bool pki_open(struct qe *qe, const char *dir, struct why *why);
void pki_close(struct qe *qe);
/* Appends a quote over the report data. */
void qe_quote(struct buf *out, const struct qe *qe, const uint8_t report_data[REPORT_DATA_SIZE]);

/* Answers each request that appears in `dir` until *stop is set. What an earlier run left there is
 * removed first. False with the sentence when the directory cannot be watched. */
bool reports_serve(const char *dir, const struct qe *qe, const volatile sig_atomic_t *stop,
		   struct why *why);

/* The same as a file system mounted on `dir`, in the very file operations that configfs answers in,
 * for provers that do not wait. False with the sentence when it cannot be mounted. */
bool mount_serve(const char *dir, const struct qe *qe, const volatile sig_atomic_t *stop,
		 struct why *why);

#endif
