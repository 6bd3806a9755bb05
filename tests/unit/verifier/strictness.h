/*
 * strictness.h -- properly signed bytes that Intel's library, or the DER and JSON that it reads
 * with, refuses or takes for something else, and beside each what is one step inside of what is
 * allowed. For libtdxverify's tests, which know what must fail, and for the comparison with the
 * on-chain verifier, which must say the same.
 *
 * S(change, check): change is a statement over "struct forge *f"; check is the one that then fails,
 * COUNT where all is well.
 */
#ifndef TESTS_VERIFIER_STRICTNESS_H
#define TESTS_VERIFIER_STRICTNESS_H

#include "tests/unit/verifier/forge.h"

#define DER(text) ((struct tdxv_bytes){(const uint8_t *)(text), sizeof(text) - 1})

#define OCTETS_20                                                                                  \
	"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"                                                 \
	"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"

#define STRICT_SERIALS(S)                                                                          \
	S(f->pck.serial_der = DER("\x02\x15\x00" OCTETS_20), COUNT)                                \
	S(f->pck.serial_der = DER("\x02\x15\x01" OCTETS_20), PCK_CHAIN_FORMAT)                     \
	S(f->pck.serial_der = DER("\x02\x02\x00\x0d"), PCK_CHAIN_FORMAT)                           \
	S(f->pck.serial_der = DER("\x02\x02\x00\x8d"), COUNT)                                      \
	S(f->pck.serial_der = DER("\x02\x01\x8d"), PCK_CHAIN_FORMAT)                               \
	S(f->pck.serial_der = DER("\x02\x00"), PCK_CHAIN_FORMAT)                                   \
	S(f->ca.serial_der = DER("\x02\x02\x00\x0c"), PCK_CHAIN_FORMAT)                            \
	S(f->tcb.serial_der = DER("\x02\x01\x8d"), TCB_SIGNING_CHAIN)                              \
	S(f->tcb.serial_der = DER("\x02\x00"), TCB_SIGNING_CHAIN)                                  \
	S((f->pck_crl.revoked = 13, f->pck_crl.revoked_der = DER("\x02\x01\x0d")),                 \
	  PCK_LEAF_NOT_REVOKED)                                                                    \
	S((f->pck_crl.revoked = 13, f->pck_crl.revoked_der = DER("\x02\x02\x00\x0d")),             \
	  PCK_CRL_FORMAT)                                                                          \
	S((f->pck_crl.revoked = 13, f->pck_crl.revoked_der = DER("\x02\x01\xf3")), PCK_CRL_FORMAT) \
	S((f->pck_crl.revoked = 13, f->pck_crl.revoked_der = DER("\x02\x02\xff\xf3")),             \
	  PCK_CRL_FORMAT)                                                                          \
	S((f->pck_crl.revoked = 13, f->pck_crl.revoked_der = DER("\x02\x02\x80\x0d")),             \
	  PCK_CRL_FORMAT)                                                                          \
	S((f->pck_crl.revoked = 13, f->pck_crl.revoked_der = DER("\x02\x00")), PCK_CRL_FORMAT)     \
	S((f->pck_crl.revoked = 13, f->pck_crl.revoked_der = DER("\x02\x15\x01" OCTETS_20)),       \
	  COUNT)                                                                                   \
	S((f->root_crl.revoked = 12, f->root_crl.revoked_der = DER("\x02\x02\x00\x0c")),           \
	  ROOT_CRL_FORMAT)                                                                         \
	S((f->root_crl.revoked = 12, f->root_crl.revoked_der = DER("\x02\x01\x0c")),               \
	  PCK_CA_NOT_REVOKED)

/* A CRL's own number. */
#define STRICT_NUMBERS(S)                                                                          \
	S(f->pck_crl.number_der = DER("\x02\x01\x00"), COUNT)                                      \
	S(f->pck_crl.number_der = DER("\x02\x15\x01" OCTETS_20), COUNT)                            \
	S(f->pck_crl.number_der = DER("\x02\x00"), PCK_CRL_FORMAT)                                 \
	S(f->pck_crl.number_der = DER("\x02\x01\x8d"), PCK_CRL_FORMAT)                             \
	S(f->pck_crl.number_der = DER("\x02\x02\x00\x0d"), PCK_CRL_FORMAT)                         \
	S(f->pck_crl.number_der = DER("\x02\x02\x0d"), PCK_CRL_FORMAT)                             \
	S(f->pck_crl.number_der = DER("\x02\x01\x0d\x00"), PCK_CRL_FORMAT)                         \
	S(f->pck_crl.number_der = DER("\x0a\x01\x01"), PCK_CRL_FORMAT)                             \
	S(f->pck_crl.number_twice = true, PCK_CRL_FORMAT)                                          \
	S(f->root_crl.number_der = DER("\x0d"), ROOT_CRL_FORMAT)                                   \
	S(f->root_crl.number_twice = true, ROOT_CRL_FORMAT)

#define SGX_ARC "\x06\x0a\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01"
#define SGX_INSTANCE                                                                               \
	"\x30\x1e" SGX_ARC "\x06\x04\x10"                                                          \
	"0123456789abcdef"
#define SGX_FLAG(k, v)  "\x30\x10\x06\x0b\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01\x07" k "\x01\x01" v
#define SGX_FLAGS(a, b) "\x30\x32" SGX_ARC "\x07\x30\x24" a b

#define STRICT_SGX_ENTRIES(S)                                                                      \
	S(f->sgx_more = DER("\x30\x0f" SGX_ARC "\x08\x02\x01\x05"), PCK_EXTENSION)                 \
	S(f->sgx_more = DER("\x30\x08\x06\x03\x55\x04\x03\x02\x01\x05"), PCK_EXTENSION)            \
	S(f->sgx_more = DER(SGX_INSTANCE), PCK_EXTENSION)                                          \
	S(f->sgx_more = DER(SGX_FLAGS(SGX_FLAG("\x01", "\xff"), SGX_FLAG("\x02", "\xff"))),        \
	  PCK_EXTENSION)                                                                           \
	S(f->has_platform = true, COUNT)                                                           \
	S(f->sgx_more =                                                                            \
	      DER(SGX_INSTANCE SGX_FLAGS(SGX_FLAG("\x01", "\xff"), SGX_FLAG("\x02", "\xff"))),     \
	  COUNT)                                                                                   \
	S(f->sgx_more =                                                                            \
	      DER(SGX_INSTANCE SGX_FLAGS(SGX_FLAG("\x01", "\xff"), SGX_FLAG("\x01", "\x00"))),     \
	  PCK_EXTENSION)                                                                           \
	S(f->sgx_more =                                                                            \
	      DER(SGX_INSTANCE SGX_FLAGS(SGX_FLAG("\x01", "\xff"), SGX_FLAG("\x04", "\xff"))),     \
	  PCK_EXTENSION)

#define PCK_NAME(size, tag, more)                                                                  \
	"\x30" size "\x31\x22\x30\x20\x06\x03\x55\x04\x03" tag "\x19"                              \
	"Intel SGX PCK Certificate" more

#define STRICT_CERTIFICATES(S)                                                                     \
	S(f->pck.name_der = DER(PCK_NAME("\x24", "\x0c", "")), COUNT)                              \
	S(f->pck.name_der = DER(PCK_NAME("\x24", "\x13", "")), COUNT)                              \
	S(f->pck.name_der = DER(PCK_NAME("\x24", "\x16", "")), PCK_CHAIN_FORMAT)                   \
	S(f->pck.name = "Intel SGX PCK Certificate 2", PCK_CHAIN_NAMES)                            \
	S(f->pck.name_der = DER(PCK_NAME("\x32", "\x0c",                                           \
					 "\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03"            \
					 "A B")),                                                  \
	  PCK_CHAIN_FORMAT)                                                                        \
	S(f->pck.more_extensions = DER("\x30\x81\x09\x06\x03\x55\x1d\x20\x04\x02\x30\x00"),        \
	  PCK_CHAIN_FORMAT)                                                                        \
	S(f->pck.more_extensions = DER("\x30\x80\x06\x03\x55\x1d\x20\x04\x02\x30\x00\x00\x00"),    \
	  PCK_CHAIN_FORMAT)                                                                        \
	S(f->pck.name_der = DER(PCK_NAME("\x24", "\x04", "")), PCK_CHAIN_FORMAT)                   \
	S(f->pck.more_extensions = DER("\x30\x09\x06\x03\x55\x1d\x20\x04\x02\x30\x00"), COUNT)     \
	S(f->pck.more_extensions =                                                                 \
	      DER("\x30\x0c\x06\x03\x55\x1d\x20\x01\x01\xff\x04\x02\x30\x00"),                     \
	  PCK_CHAIN_FORMAT)                                                                        \
	S(f->pck.more_extensions = DER("\x30\x09\x06\x03\x55\x1d\x13\x04\x02\x30\x00"),            \
	  PCK_CHAIN_FORMAT)                                                                        \
	S(f->pck.more_extensions = DER("\x30\x0b\x06\x03\x55\x1d\x0f\x04\x04\x03\x02\x00\xc0"),    \
	  PCK_CHAIN_FORMAT)

/* What the on-chain verifier does not look at: the rest of names, identifiers that it does not
 * know. */
#define STRICT_BYTES(S)                                                                            \
	S(f->pck.name_der = DER(PCK_NAME("\x32", "\x0c",                                           \
					 "\x31\x0c\x30\x0a\x06\x03\x55\x04\x0a\x0c\x03"            \
					 "A B")),                                                  \
	  COUNT)                                                                                   \
	S(f->pck.name_der = DER(PCK_NAME("\x32", "\x0c",                                           \
					 "\x31\x0c\x30\x0a\x06\x03\x55\x04\x0a\x0c\x03"            \
					 "A\xff"                                                   \
					 "B")),                                                    \
	  PCK_CHAIN_FORMAT)                                                                        \
	S(f->pck.name_der = DER(PCK_NAME("\x32", "\x0c",                                           \
					 "\x31\x0c\x30\x0a\x06\x03\x55\x04\x8a\x0c\x03"            \
					 "A B")),                                                  \
	  PCK_CHAIN_FORMAT)                                                                        \
	S(f->pck.name_der = DER(PCK_NAME("\x32", "\x0c",                                           \
					 "\x31\x0c\x30\x0a\x06\x03\x80\x04\x0a\x0c\x03"            \
					 "A B")),                                                  \
	  PCK_CHAIN_FORMAT)                                                                        \
	S(f->pck.more_extensions = DER("\x30\x06\x06\x00\x04\x02\x30\x00"), PCK_CHAIN_FORMAT)

#define STRICT_COMPONENT(S, member, check)                                                         \
	S((f->tcb_find = "\"pcesvn\":11", f->tcb_replace = "\"pcesvn\":11,\"" member "\":0"), check)

/* Beside an SVN: what Intel calls the component is a string. */
#define STRICT_LABEL(S, member, check)                                                             \
	S((f->tcb_find = "{\"svn\":", f->tcb_replace = "{" member ",\"svn\":"), check)

#define STRICT_LABELS(S)                                                                           \
	STRICT_LABEL(S, "\"category\":\"BIOS\",\"type\":\"\"", COUNT)                              \
	STRICT_LABEL(S, "\"kind\":5", COUNT)                                                       \
	STRICT_LABEL(S, "\"category\":5", TCB_INFO_FORMAT)                                         \
	STRICT_LABEL(S, "\"category\":null", TCB_INFO_FORMAT)                                      \
	STRICT_LABEL(S, "\"type\":{}", TCB_INFO_FORMAT)                                            \
	STRICT_LABEL(S, "\"category\":\"BIOS\",\"type\":[\"x\"]", TCB_INFO_FORMAT)

#define STRICT_MODULE(id)                                                                          \
	"{\"id\":\"" id "\",\"mrsigner\":\""                                                       \
	"000000000000000000000000000000000000000000000000"                                         \
	"000000000000000000000000000000000000000000000000"                                         \
	"\",\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\","          \
	"\"tcbLevels\":[{\"tcb\":{\"isvsvn\":0},\"tcbDate\":\"2024-03-13T00:00:00Z\","             \
	"\"tcbStatus\":\"UpToDate\"}]},"

#define STRICT_MODULES(S, id, check)                                                               \
	S((f->tcb_find = "\"tdxModuleIdentities\":[",                                              \
	   f->tcb_replace = "\"tdxModuleIdentities\":[" STRICT_MODULE(id)),                        \
	  check)

/* Which of two counts? */
#define STRICT_IDENTITIES(S)                                                                       \
	S(f->module_id = "Tdx_01", COUNT)                                                          \
	S(f->module_id = "tDX_01", COUNT)                                                          \
	STRICT_MODULES(S, "TDX_05", COUNT)                                                         \
	STRICT_MODULES(S, "tdx_01", TCB_INFO_FORMAT)                                               \
	S((f->module_level[1].sgx = f->module_level[0].sgx,                                        \
	   f->module_level[1].date = "2020-01-01T00:00:00Z"),                                      \
	  TCB_INFO_FORMAT)                                                                         \
	S((f->qe_level[1].sgx = f->qe_level[0].sgx, f->qe_level[1].date = "2020-01-01T00:00:00Z"), \
	  QE_IDENTITY_FORMAT)                                                                      \
	S((f->module_level[0].sgx = 1, f->module_level[0].status = "OutOfDate",                    \
	   f->module_level[1].sgx = 5, f->module_level[1].status = "UpToDate"),                    \
	  TCB_INFO_FORMAT)                                                                         \
	S((f->qe_level[0].sgx = 1, f->qe_level[0].status = "OutOfDate", f->qe_level[1].sgx = 4,    \
	   f->qe_level[1].status = "UpToDate"),                                                    \
	  QE_IDENTITY_FORMAT)                                                                      \
	S(f->qe_level[0].sgx = 65536, QE_IDENTITY_FORMAT)                                          \
	S(f->level[0].advisory = "", TCB_INFO_FORMAT)                                              \
	S(f->level[0].advisory = "INTEL SA", TCB_INFO_FORMAT)                                      \
	S(f->level[0].advisory = "INTEL-SA-00001", COUNT)                                          \
	S(f->level[0].advisory = "INTEL\\\"SA", TCB_INFO_FORMAT)

#define STRICT_COMPONENTS(S)                                                                       \
	STRICT_COMPONENT(S, "sgxtcbcomp01svn", TCB_INFO_FORMAT)                                    \
	STRICT_COMPONENT(S, "sgxtcbcomp17svn", TCB_INFO_FORMAT)                                    \
	STRICT_COMPONENT(S, "sgxtcbcomp1/svn", TCB_INFO_FORMAT)                                    \
	STRICT_COMPONENT(S, "sgxtcbcomp", TCB_INFO_FORMAT)                                         \
	STRICT_COMPONENT(S, "another", COUNT)

/* Values of a member of a signed body that is not looked at. */
static const struct {
	const char *value;
	bool passes;
} strict_value[] = {
    /* What JSON has, in the spelling of a plain writer. */
    {"0", true},
    {"-5", true},
    {"9223372036854775807", true},
    {"true", true},
    {"false", true},
    {"null", true},
    {"\"a b\"", true},
    {"\"\\\"\\\\\\b\\f\\n\\r\\t\"", true},
    {"{}", true},
    {"[]", true},
    {"{\"a\":[1,{\"b\":\"}\"}]}", true},
    /* The same in another spelling: Intel's library signs what it would write itself. */
    {" 0", false},
    {"[1, 2]", false},
    {"{\"a\" :1}", false},
    {"1\n", false},
    {"\"\\u0061\"", false},
    {"\"\\/\"", false},
    {"1.5", false},
    {"1e2", false},
    {"1E2", false},
    {"-0", false},
    {"10000000000000000000", false},
    {"18446744073709551616", false},
    {"-999999999999999999", true},
    {"-9223372036854775809", false},
    /* What JSON does not have. */
    {"1.2.3", false},
    {"+1", false},
    {"-", false},
    {".5", false},
    {"5.", false},
    {"01", false},
    {"1e", false},
    {"--1", false},
    {"1-1", false},
    {"e", false},
    {"NaN", false},
    {"tru", false},
    {"True", false},
    {"'x'", false},
    {"\"\\x\"", false},
    {"\"\\u12g4\"", false},
    {"\"\\u12\"", false},
    {"[1,]", false},
    {"[,1]", false},
    {"{\"a\":1,}", false},
    {"{a:1}", false},
    {"", false},
};

#endif
