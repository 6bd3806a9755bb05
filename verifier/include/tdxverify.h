/*
 * tdxverify.h -- full local verification of Intel TDX (and SGX) attestation quotes.
 *
 * A quote, the collateral that Intel publishes for its platform, a policy and a time go in; a
 * verdict comes out: one line for every check that was made, with the values that were compared,
 * so that a single run says everything that is wrong.
 *
 * The library is pure. It opens nothing, reads no clock, no environment and no locale, and keeps no
 * global mutable state: OpenSSL's description of the curve P-256 is set up once, by whichever
 * thread needs it first, and never changed; tables of multiples of Intel's keys are constants. The
 * time is an argument, in seconds since 1970-01-01T00:00:00Z. The only dependency is OpenSSL's
 * libcrypto.
 *
 * Rules that hold for every function:
 *  1. Arguments come in the order: outputs, object worked on, inputs, time, sentence. A length
 *     follows right after its array.
 *  2. Pointers must not be NULL unless the comment says so. A struct tdxv_why pointer may always be
 *     NULL: the sentence is then dropped.
 *  3. Functions that can be given bad data return enum tdxv_error; TDXV_OK is 0. On any other value
 *     the outputs are zeroed and the sentence names the value that failed.
 *  4. Views (struct tdxv_bytes, struct tdxv_quote, struct tdxv_verdict) borrow: they are good as
 *     long as the bytes and objects that they were made from.
 *  5. Objects made by *_new belong to the caller and go back through *_free, which takes NULL.
 *  6. A const object may be used by any number of threads at once. struct tdxv_cache locks itself.
 *
 * The facts behind the checks are in Intel's "TDX DCAP Quote Generation Library and Quote
 * Verification Library" and "Provisioning Certification Service" documents; where Intel's library
 * is laxer than it should be (certificates not yet valid, collateral from the future, CA
 * certificates that are no CA) this one refuses. It is never laxer: what Intel's library cannot
 * read, or verifies over another spelling than the signed one, is refused here too.
 */
#ifndef TDXVERIFY_H
#define TDXVERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TDXV_VERSION "0.2.0"

/* The version of the library that runs, where TDXV_VERSION is that of this header. */
const char *tdxv_version(void);

/* -- Small things ---------------------------------------------------------------------------- */

/* A view of somebody else's bytes. */
struct tdxv_bytes {
	const uint8_t *p;
	size_t n;
};

/* One sentence, always NUL-terminated. */
struct tdxv_why {
	char text[256];
};

enum tdxv_error {
	TDXV_OK = 0,
	TDXV_ERR_QUOTE_FORMAT,  /* the bytes are no quote of a known layout */
	TDXV_ERR_POLICY_FORMAT, /* the text is no policy */
	TDXV_ERR_CERT_FORMAT,   /* no PEM, no certificate, or one outside of Intel's profile */
	TDXV_ERR_NO_MEMORY,     /* an allocation failed */
	TDXV_ERR_ARGUMENT,      /* the call makes no sense as asked; the sentence says why */
	TDXV_ERR_PIECE_FORMAT,  /* the bytes are no piece of collateral of that kind */
};

/* A fixed phrase for each error; never NULL. */
const char *tdxv_error_name(enum tdxv_error e);

/* -- Quotes ---------------------------------------------------------------------------------- */

#define TDXV_QUOTE_MAX   (64u * 1024u) /* a longer quote is refused (real ones: up to 23 kB) */
#define TDXV_TD10_SIZE   584u
#define TDXV_TD15_SIZE   648u
#define TDXV_TD15EX_SIZE 885u
#define TDXV_SGX_SIZE    384u

/* Offsets inside a TD report body (all TD layouts begin with these 584 bytes). */
#define TDXV_TD_TEE_TCB_SVN    0u   /* 16 */
#define TDXV_TD_MRSEAM         16u  /* 48 */
#define TDXV_TD_MRSIGNERSEAM   64u  /* 48 */
#define TDXV_TD_SEAMATTRIBUTES 112u /* 8 */
#define TDXV_TD_TDATTRIBUTES   120u /* 8 */
#define TDXV_TD_XFAM           128u /* 8 */
#define TDXV_TD_MRTD           136u /* 48 */
#define TDXV_TD_MRCONFIGID     184u /* 48 */
#define TDXV_TD_MROWNER        232u /* 48 */
#define TDXV_TD_MROWNERCONFIG  280u /* 48 */
#define TDXV_TD_RTMR0          328u /* 4 x 48 */
#define TDXV_TD_REPORTDATA     520u /* 64 */
/* TD 1.5 adds: */
#define TDXV_TD_TEE_TCB_SVN2 584u /* 16 */
#define TDXV_TD_MRSERVICETD  600u /* 48 */

enum tdxv_body {
	TDXV_BODY_SGX = 1, /* 384-byte enclave report */
	TDXV_BODY_TD10 = 2,
	TDXV_BODY_TD15 = 3,
	TDXV_BODY_TD15EX = 4,
};

/* A quote taken apart. Every pointer is inside the bytes given to tdxv_quote_parse(). */
struct tdxv_quote {
	uint16_t version; /* 3, 4 or 5 */
	bool tdx;         /* else SGX */
	enum tdxv_body body_type;
	uint16_t qe_svn, pce_svn; /* meaningful in version 3, reserved later */
	struct tdxv_bytes vendor_id, user_data;
	struct tdxv_bytes signed_part; /* what the quote signature covers */
	struct tdxv_bytes body;
	struct tdxv_bytes signature, attestation_key;     /* 64 bytes each: r||s and x||y */
	struct tdxv_bytes qe_report, qe_report_signature; /* 384 and 64 */
	struct tdxv_bytes qe_auth_data;
	uint16_t cert_type;          /* 1..5; only 5 (PCK chain in PEM) can be verified offline */
	struct tdxv_bytes cert_data; /* as carried: PEM often ends in a NUL */
	size_t declared_size;        /* header to the end of the signature data */
	size_t trailing_size;        /* bytes after that: padding of capture buffers, ignored */
};

/* Takes a quote apart. TDXV_ERR_QUOTE_FORMAT when a length, version, type or id is wrong. */
enum tdxv_error tdxv_quote_parse(struct tdxv_quote *q, const uint8_t *bytes, size_t n,
				 struct tdxv_why *why);

/* A named field of a body. */
struct tdxv_field {
	const char *name; /* lower case, as in "mrtd" */
	uint16_t at, size;
};

/* The fields of a body layout in order; *n receives their number. */
const struct tdxv_field *tdxv_body_fields(enum tdxv_body type, size_t *n);
/* "TD report 1.0" and so on. */
const char *tdxv_body_name(enum tdxv_body type);
/* Size in bytes of a body of that type. */
size_t tdxv_body_size(enum tdxv_body type);

/* TD attribute bits by name ("DEBUG", "SEPT_VE_DISABLE"); NULL for a reserved bit. */
const char *tdxv_td_attribute_name(unsigned bit);

/* What Intel wrote into a PCK certificate. */
struct tdxv_pck {
	uint8_t fmspc[6];
	uint8_t pceid[2];
	uint8_t ppid[16];
	uint8_t cpusvn[16];
	uint8_t comp_svn[16]; /* the component integers: these, not CPUSVN, decide the TCB level */
	uint16_t pcesvn;
	uint8_t sgx_type; /* 0 standard, 1 scalable, 2 scalable with integrity */
	bool has_platform;
	uint8_t platform_instance_id[16];
	bool dynamic_platform, cached_keys, smt_enabled;
	bool platform_ca; /* issued by the PCK Platform CA, else by the Processor CA */
};

/* Reads the PCK certificate that the quote carries, without verifying anything.
 * TDXV_ERR_CERT_FORMAT when there is none or it is malformed. */
enum tdxv_error tdxv_quote_pck(struct tdxv_pck *pck, const struct tdxv_quote *q,
			       struct tdxv_why *why);

/* -- TCB statuses ---------------------------------------------------------------------------- */

enum tdxv_tcb_status {
	TDXV_TCB_UP_TO_DATE,
	TDXV_TCB_SW_HARDENING_NEEDED,
	TDXV_TCB_CONFIGURATION_NEEDED,
	TDXV_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	TDXV_TCB_OUT_OF_DATE,
	TDXV_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
	TDXV_TCB_REVOKED,
	TDXV_TCB_TD_RELAUNCH_ADVISED,
	TDXV_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
	TDXV_TCB_NOT_SUPPORTED, /* no TCB level matches */
	TDXV_TCB_NOT_EVALUATED, /* something before it failed */
};

/* Intel's word for it, e.g. "SWHardeningNeeded"; never NULL. */
const char *tdxv_tcb_status_name(enum tdxv_tcb_status s);
/* The reverse, over n characters; false for an unknown word. */
bool tdxv_tcb_status_parse(enum tdxv_tcb_status *s, const char *word, size_t n);
/* The rule by which the platform's status absorbs that of the TDX module and of the quoting
 * enclave (each UpToDate, OutOfDate or Revoked). */
enum tdxv_tcb_status tdxv_tcb_converge(enum tdxv_tcb_status platform,
				       enum tdxv_tcb_status component);

/* -- Collateral ------------------------------------------------------------------------------ */

#define TDXV_COLLATERAL_PIECE_MAX (1024u * 1024u)

/* The pieces as Intel's PCS or a PCCS serves them. CRLs may be DER, PEM or hex of DER; chains are
 * PEM, leaf first. An empty piece is reported as a failed check, not as an error. */
struct tdxv_collateral_input {
	struct tdxv_bytes tcb_info;                  /* {"tcbInfo":...,"signature":...} */
	struct tdxv_bytes qe_identity;               /* {"enclaveIdentity":...,"signature":...} */
	struct tdxv_bytes tcb_signing_chain;         /* TCB signing certificate, root */
	struct tdxv_bytes qe_identity_signing_chain; /* empty: the same as tcb_signing_chain */
	struct tdxv_bytes pck_crl;
	struct tdxv_bytes pck_crl_issuer_chain; /* PCK CA, root */
	struct tdxv_bytes root_ca_crl;
};

/* Parsed and checked collateral: signatures are verified once, here; times at each verification. */
struct tdxv_collateral;

/* Copies and checks the pieces. What is wrong with them is kept and becomes part of each verdict,
 * so the call fails only for TDXV_ERR_NO_MEMORY, for TDXV_ERR_ARGUMENT (a piece larger than
 * TDXV_COLLATERAL_PIECE_MAX) and for a bad root.
 * root_pem: a root to trust instead of Intel's, for tests; empty for Intel's. */
enum tdxv_error tdxv_collateral_new(struct tdxv_collateral **out,
				    const struct tdxv_collateral_input *in,
				    struct tdxv_bytes root_pem, struct tdxv_why *why);
void tdxv_collateral_free(struct tdxv_collateral *c);

/* Both ends inclusive; both 0 for a piece that is absent or cannot be read. */
struct tdxv_window {
	int64_t from, to;
};

/* What a caller needs to know to keep collateral fresh. */
struct tdxv_collateral_facts {
	bool usable;                  /* every time-independent check passed */
	int64_t valid_from, valid_to; /* intersection of all windows; both ends inclusive */
	bool tdx;                     /* TCB info is for TDX */
	uint8_t fmspc[6], pceid[2];
	uint32_t tcb_evaluation_number, qe_evaluation_number;
	unsigned ecdsa_operations; /* signature verifications done by tdxv_collateral_new() */
	bool tdx_qe;               /* QE identity is for TDX */
	bool platform_ca; /* the PCK CRL's issuer is the Platform CA, else the Processor CA */
	/* each piece's own, from its issue to its next update */
	struct tdxv_window tcb_info, qe_identity, pck_crl, root_ca_crl;
};

void tdxv_collateral_facts(struct tdxv_collateral_facts *out, const struct tdxv_collateral *c);

/* -- Pieces ---------------------------------------------------------------------------------- */

/* One piece of collateral taken apart, for one who stores it elsewhere, as an on-chain PCCS does.
 * Nothing is verified here. What does not apply is empty or zero. */
struct tdxv_piece {
	struct tdxv_bytes exact;      /* JSON: the signed object byte for byte; else the DER */
	struct tdxv_bytes tbs;        /* what the signature covers; for JSON the same as exact */
	struct tdxv_bytes name;       /* a certificate's common name; a JSON object's id */
	uint8_t signature[64];        /* r||s */
	int64_t valid_from, valid_to; /* notBefore and notAfter, thisUpdate.., issueDate.. */
	bool has_fmspc;
	uint8_t fmspc[6];
	uint32_t evaluation_number; /* tcbEvaluationDataNumber */
};

/* A response {"<member>":{...},"signature":"..."}; members are tcbInfo, enclaveIdentity and
 * tcbEvaluationDataNumbers. Views into the response. */
enum tdxv_error tdxv_piece_json(struct tdxv_piece *out, const char *member,
				struct tdxv_bytes response, struct tdxv_why *why);
/* Certificate number index, from 0, of a PEM chain. Decoded into room, where the views point. */
enum tdxv_error tdxv_piece_certificate(struct tdxv_piece *out, uint8_t *room, size_t room_size,
				       struct tdxv_bytes pem, unsigned index, struct tdxv_why *why);
/* A CRL in DER, PEM or hex. Decoded into room, of raw.n bytes or more, where the views point. */
enum tdxv_error tdxv_piece_crl(struct tdxv_piece *out, uint8_t *room, struct tdxv_bytes raw,
			       struct tdxv_why *why);
/* Whether a CRL in DER, PEM or hex names certificate number index of a PEM chain, which its issuer
 * issued. False also when one of the two cannot be read, or memory is short. */
bool tdxv_crl_names(struct tdxv_bytes crl, struct tdxv_bytes pem, unsigned index);

/* -- Policy ---------------------------------------------------------------------------------- */

#define TDXV_ANY_OF_MAX   16
#define TDXV_IMAGES_MAX   16
#define TDXV_ADVISORY_MAX 64 /* in a policy's allow-list */
#define TDXV_NAME_MAX     64

/* n == 0: not looked at. Otherwise the value must equal one of the n. */
struct tdxv_any_of {
	unsigned n;
	uint8_t value[TDXV_ANY_OF_MAX][48];
};

/* Bits under mask must equal value; bytes are in the order of the quote. */
struct tdxv_masked {
	uint8_t mask[8], value[8];
};

enum tdxv_register { /* the measurement registers, in the order of struct tdxv_image.reg */
		     TDXV_MRTD,
		     TDXV_RTMR0,
		     TDXV_RTMR1,
		     TDXV_RTMR2,
		     TDXV_RTMR3,
		     TDXV_REGISTERS,
};

/* One guest image. Several may be valid at once; a TD must match all of one. */
struct tdxv_image {
	char name[TDXV_NAME_MAX];
	int64_t valid_from, valid_until; /* inclusive; INT64_MIN and INT64_MAX when open */
	struct tdxv_any_of reg[TDXV_REGISTERS];
};

struct tdxv_policy {
	uint32_t accepted_statuses; /* bit set: 1u << enum tdxv_tcb_status */
	/* OutOfDate counts as accepted until tcb_date + grace_seconds; 0: no grace. */
	int64_t grace_seconds;
	uint32_t min_tcb_evaluation_number; /* of TCB info and QE identity alike */
	bool restrict_advisories;           /* else every one is tolerated, at launch and now */
	unsigned n_advisories;
	char advisory[TDXV_ADVISORY_MAX][TDXV_NAME_MAX];
	bool allow_debug;
	bool allow_reserved_attributes; /* TD attribute bits without a public meaning */
	/* Named TD attributes, 1 << bit each: those a TD may have, and those it must have (which
	 * then it may). One that is in neither is refused. Bits 0 to 7 are allow_debug's as well.
	 */
	uint64_t td_allowed, td_required;
	struct tdxv_masked td_attributes, xfam;
	struct tdxv_any_of mrseam, mrsignerseam;
	unsigned n_images; /* 0: measurements are not looked at */
	struct tdxv_image image[TDXV_IMAGES_MAX];
};

/* What tdxv_policy_default() lets a TD be: LASS, PKS and KL are the guest's own protections. */
#define TDXV_TD_REQUIRED_DEFAULT (UINT64_C(1) << 28)
#define TDXV_TD_ALLOWED_DEFAULT  (UINT64_C(1) << 27 | UINT64_C(1) << 30 | UINT64_C(1) << 31)

/* Only UpToDate; SEPT_VE_DISABLE, without which the host can inject faults that the guest does not
 * expect; of the other TD attributes only LASS, PKS and KL: no DEBUG and no profiling, not
 * MIGRATABLE, not TPA, not PERFMON, not ICSSD, no reserved bit. Nothing else is restricted. */
void tdxv_policy_default(struct tdxv_policy *p);

/*
 * Reads a policy from JSON. Every member may be absent and then keeps tdxv_policy_default()'s
 * value; an unknown or repeated one is refused, so that a typing error does not open a door.
 *
 *   {
 *     "accepted_tcb_statuses": ["UpToDate", "SWHardeningNeeded"],      never "Revoked"
 *     "grace_days": 30,
 *     "min_tcb_evaluation_number": 17,
 *     "allowed_advisories": ["INTEL-SA-00837"],
 *     "allow_debug": false,
 *     "allow_reserved_attributes": false,
 *     "td_attribute_bits": {"SEPT_VE_DISABLE": "required", "PERFMON": "allowed",
 *                           "MIGRATABLE": "refused"},       names as tdxv_td_attribute_name()'s
 *     "td_attributes": {"mask": "<8 bytes of hex>", "value": "<8 bytes of hex>"},
 *     "xfam": {"mask": ..., "value": ...},
 *     "mrseam": "<48 bytes of hex>" or a list of such, "mrsignerseam": the same,
 *     "images": [{
 *       "name": "release 7",
 *       "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2026-06-30T23:59:59Z",
 *       "mrtd": ..., "rtmr0": ..., "rtmr1": ..., "rtmr2": ..., "rtmr3": ...  hex or a list; absent:
 *     }]                                                                   not looked at
 *   }
 *
 * tdx-quote measurements --policy-json writes one from a quote.
 */
enum tdxv_error tdxv_policy_parse(struct tdxv_policy *p, const char *json, size_t n,
				  struct tdxv_why *why);

/* -- Cache ----------------------------------------------------------------------------------- */

/* Remembers PCK chains whose signatures held, keyed by their exact bytes and by the root they were
 * verified against; under the issuers of a remembered chain only a new leaf is verified. Time
 * windows and revocation are looked at anew for every quote. */
struct tdxv_cache;

/* capacity: number of chains kept, 1..4096; the least recently used one makes room.
 * NULL when memory is short or the capacity is out of range. */
struct tdxv_cache *tdxv_cache_new(unsigned capacity);
void tdxv_cache_free(struct tdxv_cache *cache);

struct tdxv_cache_stats {
	uint64_t hits, misses, evictions;
	unsigned used, capacity;
};

void tdxv_cache_stats(struct tdxv_cache_stats *out, struct tdxv_cache *cache);

/* -- Verdict --------------------------------------------------------------------------------- */

/* Every check, in the order in which a verdict lists them: id, short name, what it asserts. */
#define TDXV_CHECKS(X)                                                                             \
	X(QUOTE_FORMAT, "quote_format", "the quote is well formed")                                \
	X(QUOTE_CERT_TYPE, "quote_cert_type", "the quote carries its PCK certificate chain")       \
	X(PCK_CHAIN_FORMAT, "pck_chain_format", "the PCK chain is three certificates")             \
	X(PCK_CHAIN_NAMES, "pck_chain_names",                                                      \
	  "leaf, CA and root of the PCK chain have Intel's names")                                 \
	X(PCK_ROOT_TRUSTED, "pck_root_trusted", "the PCK chain ends at the trusted root")          \
	X(PCK_CA_SIGNATURE, "pck_ca_signature", "the PCK CA is issued by the root")                \
	X(PCK_CA_USAGE, "pck_ca_usage", "the PCK CA certificate is that of a CA")                  \
	X(PCK_LEAF_SIGNATURE, "pck_leaf_signature", "the PCK certificate is issued by the PCK CA") \
	X(PCK_LEAF_USAGE, "pck_leaf_usage", "the PCK certificate is an end entity's and may sign") \
	X(PCK_EXTENSION, "pck_extension", "the PCK certificate carries the SGX extension")         \
	X(PCK_CHAIN_TIME, "pck_chain_time", "the PCK chain is valid now")                          \
	X(ROOT_CRL_FORMAT, "root_crl_format", "the root CRL is well formed")                       \
	X(ROOT_CRL_ISSUER, "root_crl_issuer", "the root CRL names the trusted root as issuer")     \
	X(ROOT_CRL_SIGNATURE, "root_crl_signature", "the root CRL is signed by the trusted root")  \
	X(ROOT_CRL_TIME, "root_crl_time", "the root CRL is current")                               \
	X(PCK_CRL_CHAIN, "pck_crl_chain", "the PCK CRL's issuer chain ends at the trusted root")   \
	X(PCK_CRL_CHAIN_TIME, "pck_crl_chain_time", "the PCK CRL's issuer chain is valid now")     \
	X(PCK_CRL_FORMAT, "pck_crl_format", "the PCK CRL is well formed")                          \
	X(PCK_CRL_ISSUER, "pck_crl_issuer", "the PCK CRL comes from the CA that issued the PCK")   \
	X(PCK_CRL_SIGNATURE, "pck_crl_signature", "the PCK CRL is signed by the PCK CA")           \
	X(PCK_CRL_TIME, "pck_crl_time", "the PCK CRL is current")                                  \
	X(PCK_CA_NOT_REVOKED, "pck_ca_not_revoked", "the PCK CA is not revoked")                   \
	X(PCK_LEAF_NOT_REVOKED, "pck_leaf_not_revoked", "the PCK certificate is not revoked")      \
	X(TCB_SIGNING_CHAIN, "tcb_signing_chain",                                                  \
	  "the TCB signing chain ends at the trusted root")                                        \
	X(TCB_SIGNING_TIME, "tcb_signing_time", "the TCB signing chain is valid now")              \
	X(TCB_SIGNING_NOT_REVOKED, "tcb_signing_not_revoked",                                      \
	  "the TCB signing certificate is not revoked")                                            \
	X(TCB_INFO_FORMAT, "tcb_info_format", "the TCB info is well formed")                       \
	X(TCB_INFO_SIGNATURE, "tcb_info_signature",                                                \
	  "the TCB info is signed by the TCB signing key")                                         \
	X(TCB_INFO_TIME, "tcb_info_time", "the TCB info is current")                               \
	X(QE_SIGNING_CHAIN, "qe_signing_chain",                                                    \
	  "the QE identity's signing chain ends at the trusted root")                              \
	X(QE_SIGNING_TIME, "qe_signing_time", "the QE identity's signing chain is valid now")      \
	X(QE_SIGNING_NOT_REVOKED, "qe_signing_not_revoked",                                        \
	  "the QE identity's signing certificate is not revoked")                                  \
	X(QE_IDENTITY_FORMAT, "qe_identity_format", "the QE identity is well formed")              \
	X(QE_IDENTITY_SIGNATURE, "qe_identity_signature",                                          \
	  "the QE identity is signed by its signing key")                                          \
	X(QE_IDENTITY_TIME, "qe_identity_time", "the QE identity is current")                      \
	X(TCB_INFO_TEE, "tcb_info_tee", "the TCB info is for the quote's kind of TEE")             \
	X(TCB_INFO_FMSPC, "tcb_info_fmspc", "the TCB info is for the platform's FMSPC")            \
	X(TCB_INFO_PCEID, "tcb_info_pceid", "the TCB info is for the platform's PCE id")           \
	X(QE_IDENTITY_TEE, "qe_identity_tee", "the QE identity is for the quote's kind of TEE")    \
	X(QE_REPORT_SIGNATURE, "qe_report_signature", "the QE report is signed by the PCK key")    \
	X(QE_REPORT_BINDING, "qe_report_binding", "the QE report vouches for the attestation key") \
	X(QE_REPORT_PADDING, "qe_report_padding", "the rest of the QE report data is zero")        \
	X(QE_MISCSELECT, "qe_miscselect", "the QE's MISCSELECT is the identity's")                 \
	X(QE_ATTRIBUTES, "qe_attributes", "the QE's attributes are the identity's")                \
	X(QE_MRSIGNER, "qe_mrsigner", "the QE's MRSIGNER is the identity's")                       \
	X(QE_ISVPRODID, "qe_isvprodid", "the QE's ISVPRODID is the identity's")                    \
	X(QUOTE_KEY, "quote_key", "the attestation key is a point of P-256")                       \
	X(QUOTE_SIGNATURE, "quote_signature", "the quote is signed by the attestation key")        \
	X(TDX_MODULE_KNOWN, "tdx_module_known",                                                    \
	  "the TCB info knows the TDX module's major version")                                     \
	X(TDX_MODULE_SIGNER, "tdx_module_signer", "MRSIGNERSEAM is that of the TDX module")        \
	X(TDX_MODULE_ATTRIBUTES, "tdx_module_attributes",                                          \
	  "SEAMATTRIBUTES are zero and the TDX module's")                                          \
	X(TDX_MODULE_TCB, "tdx_module_tcb", "a TCB level covers the TDX module's SVN")             \
	X(QE_TCB, "qe_tcb", "a TCB level covers the QE's SVN")                                     \
	X(PLATFORM_TCB, "platform_tcb", "a TCB level covers the platform's SVNs")                  \
	X(CURRENT_TCB, "current_tcb", "the TCB running now is known and not revoked")              \
	X(POLICY_TCB_STATUS, "policy_tcb_status", "the policy accepts the TCB status")             \
	X(POLICY_ADVISORIES, "policy_advisories", "the policy tolerates every advisory")           \
	X(POLICY_TCB_EVALUATION, "policy_tcb_evaluation",                                          \
	  "the TCB evaluation number is high enough")                                              \
	X(POLICY_DEBUG, "policy_debug", "the TD or enclave is not in debug mode")                  \
	X(POLICY_RESERVED, "policy_reserved", "no TD attribute bit without a meaning is set")      \
	X(POLICY_TD_BITS, "policy_td_bits", "each named TD attribute is as the policy wants it")   \
	X(POLICY_TD_ATTRIBUTES, "policy_td_attributes", "the TD attributes are the policy's")      \
	X(POLICY_XFAM, "policy_xfam", "XFAM is the policy's")                                      \
	X(POLICY_MRSEAM, "policy_mrseam", "MRSEAM is one of the policy's")                         \
	X(POLICY_MRSIGNERSEAM, "policy_mrsignerseam", "MRSIGNERSEAM is one of the policy's")       \
	X(POLICY_IMAGE, "policy_image", "the measurements are those of an image valid now")        \
	X(POLICY_MRTD, "policy_mrtd", "MRTD is the image's")                                       \
	X(POLICY_RTMR0, "policy_rtmr0", "RTMR0 is the image's")                                    \
	X(POLICY_RTMR1, "policy_rtmr1", "RTMR1 is the image's")                                    \
	X(POLICY_RTMR2, "policy_rtmr2", "RTMR2 is the image's")                                    \
	X(POLICY_RTMR3, "policy_rtmr3", "RTMR3 is the image's")

enum tdxv_check_id {
#define TDXV_CHECK_ID(id, name, claim) TDXV_CHECK_##id,
	TDXV_CHECKS(TDXV_CHECK_ID)
#undef TDXV_CHECK_ID
	    TDXV_CHECK_COUNT
};

enum tdxv_check_status {
	TDXV_NOT_RUN, /* a check that it depends on failed, or the policy does not ask */
	TDXV_PASS,
	TDXV_FAIL,
};

enum tdxv_value_kind {
	TDXV_VALUE_NONE,
	TDXV_VALUE_HEX,      /* bytes, shown in hex */
	TDXV_VALUE_TEXT,     /* bytes, shown as text */
	TDXV_VALUE_NUMBER,   /* num */
	TDXV_VALUE_TIME,     /* num, seconds since 1970 */
	TDXV_VALUE_STATUS,   /* num, enum tdxv_tcb_status */
	TDXV_VALUE_SENTENCE, /* the verdict's text[num] */
};

struct tdxv_value {
	enum tdxv_value_kind kind;
	int64_t num;
	struct tdxv_bytes bytes;
};

struct tdxv_check {
	enum tdxv_check_status status;
	const char *reason;                 /* why it failed; NULL unless TDXV_FAIL */
	const char *got_label, *want_label; /* where each value comes from; NULL without a value */
	struct tdxv_value got, want;
};

/* How the TCB of one moment was judged. */
struct tdxv_tcb {
	enum tdxv_tcb_status platform, module, qe; /* of the matching level of each */
	enum tdxv_tcb_status status;               /* all three converged */
	int64_t date;                              /* the earliest of the matching levels' dates */
};

#define TDXV_VERDICT_ADVISORIES_MAX 192

struct tdxv_verdict {
	bool accepted;  /* every check that was asked for passed */
	bool authentic; /* every check that is not the policy's passed */
	int64_t now;
	struct tdxv_quote quote; /* zeroed unless QUOTE_FORMAT passed */
	struct tdxv_pck pck;     /* zeroed unless PCK_EXTENSION passed */
	struct tdxv_check check[TDXV_CHECK_COUNT];
	enum tdxv_tcb_status tcb_status; /* the final one, with relaunch taken into account */
	struct tdxv_tcb launch;          /* as measured when the TD was started */
	bool has_current;                /* body TD 1.5 and later */
	struct tdxv_tcb current;
	int64_t tcb_date;
	unsigned n_advisories; /* union of the levels matched at launch; sorted, no repetition */
	struct tdxv_bytes advisory[TDXV_VERDICT_ADVISORIES_MAX];
	unsigned n_platform_advisories; /* those of the platform's level alone, in its order */
	const struct tdxv_bytes *platform_advisory;
	unsigned n_current_advisories; /* the union of the levels matched by the current TCB */
	struct tdxv_bytes current_advisory[TDXV_VERDICT_ADVISORIES_MAX];
	uint32_t tcb_evaluation_number; /* the lower of TCB info's and QE identity's */
	int64_t collateral_valid_to;    /* the earliest end of all windows */
	const char *image;              /* name of the policy's matching image, else NULL */
	unsigned ecdsa_operations;      /* verifications done by this call */
	size_t ca_serial_size, leaf_serial_size;
	uint8_t ca_serial[21], leaf_serial[21]; /* of the PCK chain, as in the certificates */
	struct tdxv_why text[3];                /* sentences that checks refer to by number */
};

/*
 * Verifies one quote. Never fails: what is wrong is in the verdict. Allocates nothing itself when
 * the PCK chain is in the cache (OpenSSL does).
 *
 * policy and cache may be NULL: tdxv_policy_default() and no cache.
 * The verdict borrows from the quote's bytes, the collateral and the policy, and points into
 * itself: pass it by address, do not copy it.
 * A verified quote can be replayed by anyone: compare REPORTDATA with what you expect.
 */
void tdxv_verify(struct tdxv_verdict *v, const uint8_t *quote, size_t n,
		 const struct tdxv_collateral *collateral, const struct tdxv_policy *policy,
		 struct tdxv_cache *cache, int64_t now);

const char *tdxv_check_name(enum tdxv_check_id id);  /* "pck_root_trusted" */
const char *tdxv_check_claim(enum tdxv_check_id id); /* what it asserts, as half a sentence */
bool tdxv_check_is_policy(enum tdxv_check_id id);

/* The functions that write text work like snprintf: at most cap bytes with a NUL at the end, and
 * the length that the whole text has (without NUL) is returned. */

/* One check in one sentence, with its values. */
size_t tdxv_check_sentence(char *out, size_t cap, const struct tdxv_verdict *v,
			   enum tdxv_check_id id);
/* The failed checks' sentences joined by "; ", or that the quote is accepted. */
size_t tdxv_verdict_summary(char *out, size_t cap, const struct tdxv_verdict *v);
/* The whole verdict as one JSON object. */
size_t tdxv_verdict_json(char *out, size_t cap, const struct tdxv_verdict *v);
/* 2026-01-31T00:00:00Z; years outside of 0..9999 as a plain number of seconds. */
size_t tdxv_time_text(char *out, size_t cap, int64_t t);
/* Reads that form only; false for anything else. */
bool tdxv_time_parse(int64_t *t, const char *s, size_t n);

/* -- Without layouts -------------------------------------------------------------------------- */

/*
 * What is in struct tdxv_verdict and struct tdxv_policy may grow with a release. Programs that take
 * these objects from here, and ask by function, need not be built anew; other languages need no
 * layout at all.
 */

/* For tdxv_verify(), any number of times; NULL: no memory. */
struct tdxv_verdict *tdxv_verdict_new(void);
void tdxv_verdict_free(struct tdxv_verdict *v);
bool tdxv_verdict_accepted(const struct tdxv_verdict *v);
bool tdxv_verdict_authentic(const struct tdxv_verdict *v);
enum tdxv_tcb_status tdxv_verdict_tcb_status(const struct tdxv_verdict *v);

/* tdxv_policy_default()'s, for tdxv_policy_parse() to change; NULL: no memory. */
struct tdxv_policy *tdxv_policy_new(void);
void tdxv_policy_free(struct tdxv_policy *p);

/*
 * From bytes to JSON in one call. collateral is one JSON object of strings with the pieces' names,
 * as `proof-coordinator collateral fetch` and `tdx-quote collateral fetch` write it: tcb_info,
 * qe_identity, tcb_signing_chain, pck_crl, pck_crl_issuer_chain, root_ca_crl and, if it differs,
 * qe_identity_signing_chain. policy: JSON as tdxv_policy_parse() reads it; NULL:
 * tdxv_policy_default(). root_pem: NULL for Intel's.
 *
 * Returns tdxv_verdict_json()'s text, with "accepted": true or false; or, where nothing could be
 * judged,
 * {"error": tdxv_error_name(), "message": the sentence}. Free it with tdxv_text_free(). NULL: no
 * memory. The collateral's signatures are verified in each call: who judges many quotes keeps a
 * struct tdxv_collateral.
 */
char *tdxv_judge(const uint8_t *quote, size_t n, const char *collateral, const char *policy,
		 const char *root_pem, int64_t now);
void tdxv_text_free(char *text);

/* -- What is short ----------------------------------------------------------------------------- */

/* An SVN below what the TCB info or the QE identity asks of a platform that is not out of date. */
struct tdxv_shortfall {
	char what[48]; /* "SGX TCB component 3", "TDX module SVN", "quoting enclave SVN" */
	unsigned have, need;
};

/*
 * Compares the platform of a verdict with the lowest level that is neither OutOfDate nor Revoked,
 * of the platform, of its TDX module and of the quoting enclave. At most cap are written, in that
 * order; the number that there are is returned, 0 for a platform that is not behind, or when the
 * quote or the collateral could not be read. With collateral of Intel's early update it tells what
 * the next TCB recovery will ask for.
 */
size_t tdxv_tcb_shortfalls(struct tdxv_shortfall *out, size_t cap, const struct tdxv_verdict *v,
			   const struct tdxv_collateral *c);

/* -- On-chain report ------------------------------------------------------------------------- */

enum tdxv_report_layout {
	TDXV_REPORT_V1_0, /* Automata evm-v1.0.0, as ethrex deploys it: body at 13, MRTD at 149 */
	TDXV_REPORT_V1_1, /* v1.1 and later: body at 11 */
};

#define TDXV_REPORT_MAX (16u * 1024u)

/* The status byte of the report; 7 for those that have none. */
uint8_t tdxv_report_status(enum tdxv_tcb_status s);

/* The bytes that verifyAndAttestOnChain returns for this body, status, FMSPC and advisories.
 * *n: in, the room in out; out, the bytes written. TDXV_ERR_ARGUMENT when there is too little room
 * or the layout cannot hold the body (1.0 knows version 4 and TD report 1.0 or SGX). */
enum tdxv_error tdxv_report_build(uint8_t *out, size_t *n, enum tdxv_report_layout layout,
				  const struct tdxv_quote *q, enum tdxv_tcb_status status,
				  const uint8_t fmspc[6], const struct tdxv_bytes *advisory,
				  size_t n_advisories, struct tdxv_why *why);
/* The same from a verdict, which must be authentic and not Revoked. */
enum tdxv_error tdxv_report_from_verdict(uint8_t *out, size_t *n, enum tdxv_report_layout layout,
					 const struct tdxv_verdict *v, struct tdxv_why *why);

/* A report taken apart; the body points into the bytes given. */
struct tdxv_report {
	enum tdxv_report_layout layout;
	uint16_t version;
	enum tdxv_body body_type;
	uint8_t status;
	uint8_t fmspc[6];
	struct tdxv_bytes body, advisories; /* advisories: ABI-encoded string[], or empty */
};

/* TDXV_ERR_QUOTE_FORMAT when the bytes are no report. */
enum tdxv_error tdxv_report_parse(struct tdxv_report *r, const uint8_t *bytes, size_t n,
				  struct tdxv_why *why);

#ifdef __cplusplus
}
#endif

#endif
