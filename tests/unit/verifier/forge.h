/*
 * forge.h -- a make-believe Intel: root, CAs, platform, quoting enclave, collateral and CRLs, every
 * field of which can be set before it is all signed.
 *
 * Keys come from fixed secrets, so that two runs build the same certificates but for the
 * signatures' own randomness.
 */
#ifndef TESTS_VERIFIER_FORGE_H
#define TESTS_VERIFIER_FORGE_H

#include "encoding/bytes.h"
#include "verifier/include/tdxverify.h"

#define FORGE_NOW  1768435200 /* 2026-01-15T00:00:00Z */
#define FORGE_DAY  86400
#define FORGE_YEAR (365 * FORGE_DAY)

enum forge_key {
	KEY_ROOT,
	KEY_CA,
	KEY_PCK,
	KEY_TCB,
	KEY_ATTESTATION,
	KEY_EVIL,
	KEYS,
};

struct forge_cert {
	const char *name, *issuer;
	enum forge_key key, signer;
	int64_t from, to;
	bool is_ca, no_constraints;
	unsigned usage; /* first octet of the bit string */
	unsigned serial;
	/* Unless empty: instead of serial; instead of name; after the other extensions. */
	struct tdxv_bytes serial_der, name_der, more_extensions;
};

struct forge_crl {
	const char *issuer;
	enum forge_key signer;
	int64_t from, to;
	unsigned revoked; /* a serial number, or 0 */
	bool no_number;
	unsigned more;                 /* entries after it, with the serial numbers that follow */
	struct tdxv_bytes revoked_der; /* the serial number's INTEGER instead of revoked's */
	struct tdxv_bytes number_der;  /* the CRL number's value, unless empty */
	bool number_twice;
};

struct forge_level {
	unsigned sgx, pcesvn, tdx; /* SVN of each component */
	const char *status, *date, *advisory;
};

struct forge {
	struct forge_cert root, ca, pck, tcb;
	struct forge_crl root_crl, pck_crl;
	/* SGX extension */
	uint8_t ppid[16], fmspc[6], pceid[2], comp_svn[16];
	unsigned pcesvn;
	unsigned no_tcb_entry;       /* the one of 1 to 18 that is left out, or 0 */
	bool no_fmspc, has_platform; /* has_platform: the entries that only a Platform CA writes */
	struct tdxv_bytes sgx_more;  /* entries after the others */
	/* TCB info */
	const char *tcb_id, *tcb_issued, *tcb_next, *tcb_fmspc, *tcb_pceid, *tcb_extra;
	unsigned tcb_version, tcb_number;
	enum forge_key tcb_signer;
	unsigned n_levels;
	struct forge_level level[8];
	const char *module_id, *module_mrsigner, *module_attributes;
	unsigned n_module_levels;
	struct forge_level module_level[4]; /* sgx: isvsvn */
	const char *tcb_find,
	    *tcb_replace; /* in the body, before it is signed; the first occurrence */
	/* QE identity */
	const char *qe_find, *qe_replace; /* the same */
	const char *qe_id, *qe_issued, *qe_next, *qe_mrsigner, *qe_attributes, *qe_misc;
	unsigned qe_prodid, qe_version, qe_number; /* qe_number 0: the TCB info's */
	enum forge_key qe_signer;
	unsigned n_qe_levels;
	struct forge_level qe_level[4]; /* sgx: isvsvn */
	/* quote */
	unsigned version;
	enum tdxv_body body_type;
	uint8_t body[TDXV_TD15EX_SIZE];
	uint8_t qe_report[TDXV_SGX_SIZE]; /* report data is filled in */
	bool keep_report_data;
	unsigned auth_size, cert_type;
	bool key_off_curve; /* of the attestation key, for which the QE report vouches all the same
			     */
	enum forge_key attestation_key, quote_signer, qe_report_signer;
	struct tdxv_bytes
	    pck_chain; /* carried as it is instead of a chain made anew, unless empty */
};

struct forged {
	struct buf quote, tcb_info, qe_identity, tcb_chain, pck_crl, pck_crl_chain, root_crl, root;
};

/* All good: a TD 1.0 quote of version 4 that is UpToDate at FORGE_NOW. */
void forge_init(struct forge *f);
/* The same as another kind of quote. */
void forge_init_kind(struct forge *f, unsigned version, enum tdxv_body body);
void forge_build(struct forged *out, const struct forge *f);
/* Signs the QE report and the quote anew in place, when it still has the layout of a quote. */
void forge_resign(uint8_t *quote, size_t n);
/* Signs n bytes: r||s. */
void forge_sign(uint8_t out[64], enum forge_key signer, const void *p, size_t n);
/* Appends SEQUENCE{tbs, ecdsa-with-SHA256, signature}: a certificate or CRL. */
void forge_seal(struct buf *out, const uint8_t *tbs, size_t n, enum forge_key signer);
/* Appends PEM, its base64 in one line. */
void forge_pem(struct buf *out, const char *label, const uint8_t *der, size_t n);
void forged_free(struct forged *x);
void forged_input(struct tdxv_collateral_input *in, const struct forged *x);
/* The whole way: collateral, verification, verdict. The collateral goes to *c. */
void forged_verify(struct tdxv_verdict *v, struct tdxv_collateral **c, const struct forged *x,
		   const struct tdxv_policy *policy, int64_t now);
/* A public key, x||y. */
void forge_public_key(uint8_t point[64], enum forge_key k);
/* The root's. */
void forge_root_key(uint8_t point[64]);
void forge_keys_free(void);

#endif
