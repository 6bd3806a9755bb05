/*
 * internal.h -- what the files of this room share and callers do not see.
 */
#ifndef VERIFIER_INTERNAL_H
#define VERIFIER_INTERNAL_H

#include "encoding/bytes.h"
#include "verifier/include/tdxverify.h"

#include <stdatomic.h>

/* -- text.c: sentences, times, a sink that counts what does not fit ---------------------------- */

void tdxv__why(struct tdxv_why *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tdxv__why_prefix(struct tdxv_why *w, const char *prefix);

struct sink {
	char *p;
	size_t cap, n; /* n keeps counting past cap */
};

void tdxv__put(struct sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tdxv__put_hex(struct sink *s, struct tdxv_bytes b);
/* Text from collateral or a quote: control and non-ASCII bytes become '?'. */
void tdxv__put_text(struct sink *s, struct tdxv_bytes b);
/* With the quotes around it. */
void tdxv__put_json_string(struct sink *s, struct tdxv_bytes b);
/* Ends the text with a NUL and returns its whole length. */
size_t tdxv__put_end(struct sink *s);

/* Seconds since 1970 of a valid civil date in years 0..9999; false for an invalid one. */
bool tdxv__civil_time(int64_t *t, int year, int month, int day, int hour, int minute, int second);

struct tdxv_bytes tdxv__bytes(const void *p, size_t n);
bool tdxv__bytes_eq(struct tdxv_bytes a, struct tdxv_bytes b);
bool tdxv__bytes_are(struct tdxv_bytes a, const char *text);
bool tdxv__is_zero(const uint8_t *p, size_t n);

/* -- der.c: a strict reader of DER, without recursion ------------------------------------------ */

enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT_0 = 0xa0,
	DER_CONTEXT_3 = 0xa3,
};

/* Takes the next element off the front of *in. whole (may be NULL): with tag and length. */
bool tdxv__der_any(struct tdxv_bytes *in, uint8_t *tag, struct tdxv_bytes *value,
		   struct tdxv_bytes *whole);
/* The same, and the tag must be that one. */
bool tdxv__der_take(struct tdxv_bytes *in, uint8_t tag, struct tdxv_bytes *value,
		    struct tdxv_bytes *whole);
bool tdxv__der_peek(struct tdxv_bytes in, uint8_t tag);
/* A non-negative INTEGER's value (content bytes given) of at most 8 bytes. */
bool tdxv__der_uint(struct tdxv_bytes value, uint64_t *out);
/* An OBJECT IDENTIFIER that is one. */
bool tdxv__der_oid(struct tdxv_bytes *in, struct tdxv_bytes *out);
/* A serial number, not negative (Intel's library takes -13 for 13), in the shortest form: two such
 * are the same number exactly when they are the same bytes. */
bool tdxv__der_serial(struct tdxv_bytes *in, struct tdxv_bytes *out);
/* Of at most 20 octets (RFC 5280, section 4.1.2.2). */
bool tdxv__serial_is_certificates(struct tdxv_bytes serial);
/* UTCTime or GeneralizedTime in the form that RFC 5280 asks for. */
bool tdxv__der_time(struct tdxv_bytes *in, int64_t *t);
/* ECDSA-Sig-Value to r||s, 32 bytes each. */
bool tdxv__der_signature(struct tdxv_bytes der, uint8_t rs[64]);

/* -- cert.c: PEM and the X.509 profile of Intel's certificates --------------------------------- */

struct cert {
	struct tdxv_bytes der, tbs, issuer, subject, serial,
	    sgx; /* sgx: extension value or empty */
	struct tdxv_bytes common_name, issuer_common_name;
	const uint8_t *key; /* x||y, 64 bytes */
	uint8_t signature[64];
	int64_t not_before, not_after;
	bool has_constraints, is_ca, has_usage, has_aki, has_ski, has_crl_points;
	uint16_t usage; /* bit 0 digitalSignature, 1 nonRepudiation, 5 keyCertSign, 6 cRLSign */
};

#define USAGE_SIGN      (1u << 0)
#define USAGE_CERT_SIGN (1u << 5)
#define USAGE_CRL_SIGN  (1u << 6)

#define CERT_DER_MAX 2048 /* real ones: up to 1300 */

/* Decodes the next PEM block labelled "CERTIFICATE" or "X509 CRL" off the front of *in into out
 * (room for cap bytes). False with *wrong false: no further block. */
bool tdxv__pem_next(struct tdxv_bytes *in, const char *label, uint8_t *out, size_t cap, size_t *n,
		    bool *wrong);
/* Views into der. */
bool tdxv__cert_parse(struct cert *c, struct tdxv_bytes der, struct tdxv_why *why);

#define CHAIN_MAX 3

struct chain {
	unsigned n;
	struct cert cert[CHAIN_MAX]; /* leaf first */
	uint8_t der[CHAIN_MAX][CERT_DER_MAX];
};

/* Reads exactly want certificates; what follows the last is ignored unless it is one more. */
bool tdxv__chain_parse(struct chain *c, struct tdxv_bytes pem, unsigned want, struct tdxv_why *why);

/* -- pck.c: the SGX extension ------------------------------------------------------------------ */

bool tdxv__pck_parse(struct tdxv_pck *p, const struct cert *leaf, struct tdxv_why *why);

/* -- crl.c ------------------------------------------------------------------------------------- */

struct crl {
	struct tdxv_bytes tbs, issuer, revoked; /* revoked: the entries, possibly none */
	uint8_t signature[64];
	int64_t this_update, next_update;
	unsigned entries;
};

/* raw: DER, PEM or hex text. Decoded into scratch (room for raw.n bytes); the views point there. */
bool tdxv__crl_parse(struct crl *c, uint8_t *scratch, struct tdxv_bytes raw, struct tdxv_why *why);
bool tdxv__crl_has(const struct crl *c, struct tdxv_bytes serial);

/* -- ecdsa.c: P-256 and SHA-256 ---------------------------------------------------------------- */

struct key { /* a public one, on the curve; good for any number of threads */
	uint8_t xy[64];
	const struct p256_table *table; /* or NULL, then there is the point */
	struct ec_point_st *point;
};

void tdxv__sha256(uint8_t out[32], struct tdxv_bytes a, struct tdxv_bytes b);
/* False when the point is not on the curve or memory is short. */
bool tdxv__key_load(struct key *k, const uint8_t xy[64]);
/* Fine for one that is all zero, or was not loaded. */
void tdxv__key_clear(struct key *k);
/* r and s of 1 to n - 1, and the signature holds. A key of p256_tables.c is verified out of its
 * table, in half the time; the answer is the same. */
bool tdxv__verify(const struct key *k, struct tdxv_bytes message, const uint8_t rs[64]);

/* -- json.c: a reader of JSON over the raw bytes ----------------------------------------------- */

#define JSON_KEYS_MAX  64
#define JSON_DEPTH_MAX 16

struct json {
	struct tdxv_bytes all;
	size_t at;
	unsigned depth;
	struct tdxv_why *why;
	bool failed;
};

void tdxv__json_init(struct json *j, struct tdxv_bytes text, struct tdxv_why *why);
/* Only white space is left. */
bool tdxv__json_end(struct json *j);
bool tdxv__json_fail(struct json *j, const char *what);

/* Walking an object: begin, then next() until it says false; then check j->failed. */
struct json_object {
	unsigned n;
	struct tdxv_bytes key[JSON_KEYS_MAX]; /* seen, so that a repetition is refused */
};
bool tdxv__json_object(struct json *j, struct json_object *o);
bool tdxv__json_member(struct json *j, struct json_object *o, struct tdxv_bytes *key);
/* The same for an array; first is true before the first element. */
bool tdxv__json_array(struct json *j);
bool tdxv__json_element(struct json *j, bool *first);

/* Values. Strings that are used must hold no escape. */
bool tdxv__json_string(struct json *j, struct tdxv_bytes *s);
bool tdxv__json_uint(struct json *j, uint64_t max, uint64_t *out);
bool tdxv__json_bool(struct json *j, bool *out);
bool tdxv__json_hex(struct json *j, uint8_t *out, size_t n);
bool tdxv__json_time(struct json *j, int64_t *t);
bool tdxv__json_status(struct json *j, enum tdxv_tcb_status *s);
/* Any value; raw (may be NULL) receives its exact bytes. */
bool tdxv__json_skip(struct json *j, struct tdxv_bytes *raw);
/* First byte of the next value, 0 at the end. */
uint8_t tdxv__json_peek(struct json *j);

/*
 * Whether the whole text is what a writer without white space writes: nothing between its tokens,
 * whole numbers that fit, and in strings no escape that has a shorter spelling. Intel's library
 * writes the body that it parsed anew and verifies the signature over that: another spelling,
 * though signed, does not pass there. Starts over at the front.
 */
bool tdxv__json_canonical(struct json *j);

/* {"<name>":{...},"signature":"<128 hex>"}: the exact bytes of the object, and the signature. */
bool tdxv__json_signed(struct tdxv_bytes text, const char *name, struct tdxv_bytes *body,
		       uint8_t signature[64], struct tdxv_why *why);

/* -- tcb_info.c, qe_identity.c ----------------------------------------------------------------- */

#define LEVELS_MAX           64
#define ISVSVN_LEVELS_MAX    16 /* of a TDX module or the QE */
#define MODULES_MAX          16
#define ADVISORIES_MAX       1024
#define LEVEL_ADVISORIES_MAX 64

struct level { /* of the platform, or with isvsvn alone of a module or of the QE */
	uint8_t sgx[16], tdx[16];
	uint16_t pcesvn, isvsvn;
	enum tdxv_tcb_status status;
	int64_t date;
	uint16_t advisory, n_advisories; /* a range of the pool */
};

struct module {
	uint8_t major; /* TEE_TCB_SVN[1] */
	uint8_t mrsigner[48], attributes[8], attributes_mask[8];
	unsigned n_levels;
	struct level level[ISVSVN_LEVELS_MAX];
};

struct advisory_pool {
	unsigned n;
	struct tdxv_bytes id[ADVISORIES_MAX];
};

struct tcb_info {
	bool tdx;
	uint32_t version;
	int64_t issued, next_update;
	uint8_t fmspc[6], pceid[2];
	uint32_t evaluation_number;
	struct module plain; /* "tdxModule": no levels of its own */
	unsigned n_modules;
	struct module module[MODULES_MAX];
	unsigned n_levels;
	struct level level[LEVELS_MAX]; /* highest first */
	struct advisory_pool pool;
};

enum qe_kind {
	QE_SGX,
	QE_TDX,
	QE_QVE,
};

struct qe_identity {
	enum qe_kind kind;
	uint32_t version, evaluation_number;
	int64_t issued, next_update;
	uint8_t miscselect[4], miscselect_mask[4]; /* in the order of the report */
	uint8_t attributes[16], attributes_mask[16], mrsigner[32];
	uint16_t isvprodid;
	unsigned n_levels;
	struct level level[ISVSVN_LEVELS_MAX];
	struct advisory_pool pool;
};

/* body: the signed object alone. */
bool tdxv__tcb_info_parse(struct tcb_info *t, struct tdxv_bytes body, struct tdxv_why *why);
bool tdxv__qe_identity_parse(struct qe_identity *q, struct tdxv_bytes body, struct tdxv_why *why);

/* Shared by both: {"tcb":{"isvsvn":n},"tcbDate","tcbStatus","advisoryIDs"} levels, highest first.
 */
bool tdxv__isvsvn_levels(struct json *j, struct level *level, unsigned *n,
			 struct advisory_pool *pool);
bool tdxv__advisories(struct json *j, struct level *level, struct advisory_pool *pool);

/* -- tcb_status.c ------------------------------------------------------------------------------ */

/* NULL when none matches. use_all: compare TDX components from 0, else from 2. */
const struct level *tdxv__platform_level(const struct tcb_info *t, const struct tdxv_pck *pck,
					 const uint8_t *tee_tcb_svn);
const struct level *tdxv__isvsvn_level(const struct level *level, unsigned n, unsigned svn);
/* The identity for TEE_TCB_SVN[1]; NULL when there is none. */
const struct module *tdxv__module(const struct tcb_info *t, const uint8_t *tee_tcb_svn);
enum tdxv_tcb_status tdxv__relaunch(enum tdxv_tcb_status launch, enum tdxv_tcb_status current);

/* -- collateral.c ------------------------------------------------------------------------------ */

struct signing_chain { /* leaf and root */
	struct chain chain;
	struct key own;
	const struct key
	    *key; /* of the leaf, own or another chain's; NULL until the chain is trusted */
};

extern const char tdxv__platform_ca[]; /* common name */

struct root { /* the trust anchor: a key, under the name "Intel SGX Root CA" */
	struct key key;
};

struct tdxv_collateral {
	struct root root;
	struct signing_chain tcb_signer, qe_signer, pck_ca;
	const struct cert *known_root; /* one whose self-signature held, so that it is seen once */
	struct crl root_crl, pck_crl;
	bool has_root_crl, has_pck_crl, has_tcb_info, has_qe_identity;
	struct tcb_info tcb_info;
	struct qe_identity qe_identity;
	struct tdxv_check check[TDXV_CHECK_COUNT]; /* those that do not depend on quote or time */
	struct tdxv_why text[8];
	unsigned n_text;
	unsigned ecdsa_operations;
	uint8_t *bytes; /* copies of the pieces that views point into */
};

/* The pinned key, Intel's name for it, the rights of a CA, its own signature (unless known has the
 * same bytes). NULL, or what is wrong. */
const char *tdxv__root_wrong(const struct root *root, const struct cert *cert,
			     const struct cert *known, unsigned *operations);
/* By name, by the issuer's right to sign, and by signature. NULL, or what is wrong. */
const char *tdxv__issue_wrong(const struct cert *cert, const struct cert *issuer,
			      const struct key *issuer_key, unsigned *operations);

/* -- chain.c, cache.c -------------------------------------------------------------------------- */

struct verified_chain { /* a PCK chain whose signatures hold; shared, never changed */
	atomic_uint references;
	struct chain chain;
	struct tdxv_pck pck;
	struct key key; /* of the leaf */
};

/* On success returns the chain, to be given back with tdxv__chain_release(). On failure NULL, and
 * the checks in v say why. v->quote must be filled. */
struct verified_chain *tdxv__pck_chain(struct tdxv_verdict *v, const struct tdxv_collateral *c,
				       struct tdxv_cache *cache);
void tdxv__chain_release(struct verified_chain *chain);

struct verified_chain *tdxv__cache_get(struct tdxv_cache *cache, struct tdxv_bytes pem,
				       const uint8_t root_key[64]);
/* Whether a chain in the cache has the very same CA and root certificates, under that root key. */
bool tdxv__cache_has_issuer(struct tdxv_cache *cache, const struct chain *chain,
			    const uint8_t root_key[64]);
/* Takes its own reference. A cache that cannot remember is no error. */
void tdxv__cache_put(struct tdxv_cache *cache, struct tdxv_bytes pem, const uint8_t root_key[64],
		     struct verified_chain *chain);

/* -- verdict.c, policy.c ----------------------------------------------------------------------- */

/* Passes when ok, else fails for that reason; the check is returned for its values. */
struct tdxv_check *tdxv__judge(struct tdxv_check *c, bool ok, const char *reason);
void tdxv__got(struct tdxv_check *c, const char *label, struct tdxv_value value);
void tdxv__want(struct tdxv_check *c, const char *label, struct tdxv_value value);
struct tdxv_value tdxv__hex(const uint8_t *p, size_t n);
struct tdxv_value tdxv__text(const char *s);
struct tdxv_value tdxv__text_bytes(struct tdxv_bytes b);
struct tdxv_value tdxv__number(int64_t n);
struct tdxv_value tdxv__time(int64_t t);
struct tdxv_value tdxv__status(enum tdxv_tcb_status s);
/* Inside [from, to], both inclusive; a failure shows now and the end that it missed. */
void tdxv__judge_window(struct tdxv_check *c, int64_t now, int64_t from, int64_t to);

#define TDXV__POLICY_STRICT                                                                        \
	{                                                                                          \
		.accepted_statuses = 1u << TDXV_TCB_UP_TO_DATE,                                    \
		.td_allowed = TDXV_TD_ALLOWED_DEFAULT, .td_required = TDXV_TD_REQUIRED_DEFAULT,    \
	}

void tdxv__policy_apply(struct tdxv_verdict *v, const struct tdxv_policy *p, int64_t now);

#endif
