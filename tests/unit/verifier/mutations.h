/*
 * mutations.h -- every way to break a good quote or its collateral in one place.
 *
 * M(change, check, how): change is a statement over "struct forge *f"; check is the one that then
 * fails; with keep_root the trusted root stays that of the unbroken forge.
 */
#ifndef TESTS_VERIFIER_MUTATIONS_H
#define TESTS_VERIFIER_MUTATIONS_H

enum { keep_root = 1 };

#define MUTATIONS(M)                                                                               \
	M(f->root.key = f->root.signer = f->ca.signer = f->tcb.signer = KEY_EVIL,                  \
	  PCK_CA_SIGNATURE, keep_root)                                                             \
	M(f->root.signer = KEY_EVIL, PCK_ROOT_TRUSTED, 0)                                          \
	M(f->root.is_ca = false, PCK_ROOT_TRUSTED, 0)                                              \
	M(f->root.to = FORGE_NOW - 1, PCK_CHAIN_TIME, 0)                                           \
	M(f->ca.signer = KEY_EVIL, PCK_CA_SIGNATURE, 0)                                            \
	M(f->ca.signer = KEY_EVIL, PCK_CRL_CHAIN, 0)                                               \
	M(f->ca.issuer = "Intel SGX Root C", PCK_CA_SIGNATURE, 0)                                  \
	M(f->ca.name = "Intel SGX PCK Platform", PCK_CHAIN_NAMES, 0)                               \
	M(f->ca.is_ca = false, PCK_CA_USAGE, 0)                                                    \
	M(f->ca.usage = 0x80, PCK_CA_USAGE, 0)                                                     \
	M(f->ca.from = FORGE_NOW + 1, PCK_CHAIN_TIME, 0)                                           \
	M(f->ca.to = FORGE_NOW - 1, PCK_CHAIN_TIME, 0)                                             \
	M(f->ca.to = FORGE_NOW - 1, PCK_CRL_CHAIN_TIME, 0)                                         \
	M(f->ca.no_constraints = true, PCK_CHAIN_FORMAT, 0)                                        \
	M(f->pck.signer = KEY_EVIL, PCK_LEAF_SIGNATURE, 0)                                         \
	M(f->pck.signer = KEY_ROOT, PCK_LEAF_SIGNATURE, 0)                                         \
	M(f->pck.signer = KEY_TCB, PCK_LEAF_SIGNATURE, 0)                                          \
	M(f->pck.issuer = "Intel SGX PCK Processor CA", PCK_LEAF_SIGNATURE, 0)                     \
	M(f->pck.name = "Intel SGX PCK Certificat", PCK_CHAIN_NAMES, 0)                            \
	M(f->pck.is_ca = true, PCK_LEAF_USAGE, 0)                                                  \
	M(f->pck.usage = 0x04, PCK_LEAF_USAGE, 0)                                                  \
	M(f->pck.from = FORGE_NOW + 1, PCK_CHAIN_TIME, 0)                                          \
	M(f->pck.to = FORGE_NOW - 1, PCK_CHAIN_TIME, 0)                                            \
	M(f->pck.key = KEY_EVIL, QE_REPORT_SIGNATURE, 0)                                           \
	M(f->no_fmspc = true, PCK_EXTENSION, 0)                                                    \
	M(f->no_tcb_entry = 1, PCK_EXTENSION, 0)                                                   \
	M(f->no_tcb_entry = 16, PCK_EXTENSION, 0)                                                  \
	M(f->no_tcb_entry = 17, PCK_EXTENSION, 0)                                                  \
	M(f->no_tcb_entry = 18, PCK_EXTENSION, 0)                                                  \
	M(f->pcesvn = 65536, PCK_EXTENSION, 0)                                                     \
	M(f->fmspc[0] ^= 1, TCB_INFO_FMSPC, 0)                                                     \
	M(f->pceid[1] ^= 1, TCB_INFO_PCEID, 0)                                                     \
	M(f->comp_svn[15] = 2, PLATFORM_TCB, 0)                                                    \
	M(f->pcesvn = 4, PLATFORM_TCB, 0)                                                          \
	M(f->tcb.signer = KEY_EVIL, TCB_SIGNING_CHAIN, 0)                                          \
	M(f->tcb.name = "Intel SGX TCB Signin", TCB_SIGNING_CHAIN, 0)                              \
	M(f->tcb.is_ca = true, TCB_SIGNING_CHAIN, 0)                                               \
	M(f->tcb.usage = 0x02, QE_SIGNING_CHAIN, 0)                                                \
	M(f->tcb.key = KEY_EVIL, TCB_INFO_SIGNATURE, 0)                                            \
	M(f->tcb.to = FORGE_NOW - 1, TCB_SIGNING_TIME, 0)                                          \
	M(f->tcb.from = FORGE_NOW + 1, QE_SIGNING_TIME, 0)                                         \
	M(f->root_crl.signer = KEY_EVIL, ROOT_CRL_SIGNATURE, 0)                                    \
	M(f->root_crl.issuer = "Intel SGX Root C", ROOT_CRL_ISSUER, 0)                             \
	M(f->root_crl.no_number = true, ROOT_CRL_FORMAT, 0)                                        \
	M(f->root_crl.from = FORGE_NOW + 1, ROOT_CRL_TIME, 0)                                      \
	M(f->root_crl.to = FORGE_NOW - 1, ROOT_CRL_TIME, 0)                                        \
	M(f->root_crl.revoked = 12, PCK_CA_NOT_REVOKED, 0)                                         \
	M(f->root_crl.revoked = 14, TCB_SIGNING_NOT_REVOKED, 0)                                    \
	M(f->root_crl.revoked = 14, QE_SIGNING_NOT_REVOKED, 0)                                     \
	M(f->pck_crl.signer = KEY_EVIL, PCK_CRL_SIGNATURE, 0)                                      \
	M(f->pck_crl.issuer = "Intel SGX PCK Processor CA", PCK_CRL_SIGNATURE, 0)                  \
	M(f->pck_crl.no_number = true, PCK_CRL_FORMAT, 0)                                          \
	M(f->pck_crl.from = FORGE_NOW + 1, PCK_CRL_TIME, 0)                                        \
	M(f->pck_crl.to = FORGE_NOW - 1, PCK_CRL_TIME, 0)                                          \
	M(f->pck_crl.revoked = 13, PCK_LEAF_NOT_REVOKED, 0)                                        \
	M(f->tcb_signer = KEY_PCK, TCB_INFO_SIGNATURE, 0)                                          \
	M(f->tcb_id = "SGX", TCB_INFO_TEE, 0)                                                      \
	M(f->tcb_id = "TDZ", TCB_INFO_FORMAT, 0)                                                   \
	M(f->tcb_version = 2, TCB_INFO_FORMAT, 0)                                                  \
	M(f->tcb_issued = "2026-01-15T00:00:01Z", TCB_INFO_TIME, 0)                                \
	M(f->tcb_next = "2026-01-14T23:59:59Z", TCB_INFO_TIME, 0)                                  \
	M(f->tcb_next = "2026-02-30T00:00:00Z", TCB_INFO_FORMAT, 0)                                \
	M(f->tcb_next = "2026-02-09T00:00:00.5Z", TCB_INFO_FORMAT, 0)                              \
	M(f->tcb_fmspc = "90C06F000001", TCB_INFO_FMSPC, 0)                                        \
	M(f->tcb_fmspc = "90C06F0000", TCB_INFO_FORMAT, 0)                                         \
	M(f->tcb_pceid = "0001", TCB_INFO_PCEID, 0)                                                \
	M(f->tcb_extra = ",\"fmspc\":\"90C06F000000\"", TCB_INFO_FORMAT, 0)                        \
	M(f->tcb_extra = ",\"x\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", TCB_INFO_FORMAT, 0)         \
	M(f->n_levels = 0, TCB_INFO_FORMAT, 0)                                                     \
	M(f->level[1] = f->level[0], TCB_INFO_FORMAT, 0)                                           \
	M(f->level[0].sgx = 256, TCB_INFO_FORMAT, 0)                                               \
	M(f->level[0].status = "Fine", TCB_INFO_FORMAT, 0)                                         \
	M(f->level[0].status = "TDRelaunchAdvised", TCB_INFO_FORMAT, 0)                            \
	M(f->level[0].status = "Revoked", POLICY_TCB_STATUS, 0)                                    \
	M(f->module_id = "TDX_03", TDX_MODULE_KNOWN, 0)                                            \
	M(f->module_id = "TDX_1", TDX_MODULE_KNOWN, 0)                                             \
	M(f->module_attributes = "0100000000000000", TDX_MODULE_ATTRIBUTES, 0)                     \
	M(f->module_level[0].status = "SWHardeningNeeded", TCB_INFO_FORMAT, 0)                     \
	M(f->module_level[1].sgx = 5, TCB_INFO_FORMAT, 0)                                          \
	M(f->n_module_levels = 0, TCB_INFO_FORMAT, 0)                                              \
	M(f->body[0] = 2, TDX_MODULE_TCB, 0)                                                       \
	M(f->body[2] = 2, PLATFORM_TCB, 0)                                                         \
	M(f->body[TDXV_TD_MRSIGNERSEAM] = 1, TDX_MODULE_SIGNER, 0)                                 \
	M(f->body[TDXV_TD_SEAMATTRIBUTES] = 1, TDX_MODULE_ATTRIBUTES, 0)                           \
	M(f->body[TDXV_TD_TDATTRIBUTES] = 1, POLICY_DEBUG, 0)                                      \
	M(f->body[TDXV_TD_TDATTRIBUTES + 1] = 1, POLICY_RESERVED, 0)                               \
	M(f->qe_signer = KEY_EVIL, QE_IDENTITY_SIGNATURE, 0)                                       \
	M(f->qe_id = "QE", QE_IDENTITY_TEE, 0)                                                     \
	M(f->qe_id = "QVE", QE_IDENTITY_TEE, 0)                                                    \
	M(f->qe_id = "Q", QE_IDENTITY_FORMAT, 0)                                                   \
	M(f->qe_version = 1, QE_IDENTITY_FORMAT, 0)                                                \
	M(f->qe_issued = "2026-01-15T00:00:01Z", QE_IDENTITY_TIME, 0)                              \
	M(f->qe_next = "2026-01-14T23:59:59Z", QE_IDENTITY_TIME, 0)                                \
	M(f->qe_misc = "00000001", QE_MISCSELECT, 0)                                               \
	M(f->qe_prodid = 1, QE_ISVPRODID, 0)                                                       \
	M(f->qe_report[16] = 1, QE_MISCSELECT, 0)                                                  \
	M(f->qe_report[48] |= 2, QE_ATTRIBUTES, 0)                                                 \
	M(f->qe_report[128] ^= 1, QE_MRSIGNER, 0)                                                  \
	M(f->qe_report[257] = 1, QE_ISVPRODID, 0)                                                  \
	M(f->qe_report[258] = 1, QE_TCB, 0)                                                        \
	M(f->qe_report[352] = 1, QE_REPORT_PADDING, 0)                                             \
	M(f->keep_report_data = true, QE_REPORT_BINDING, 0)                                        \
	M(f->qe_report_signer = KEY_EVIL, QE_REPORT_SIGNATURE, 0)                                  \
	M(f->quote_signer = KEY_EVIL, QUOTE_SIGNATURE, 0)                                          \
	M(f->quote_signer = KEY_PCK, QUOTE_SIGNATURE, 0)                                           \
	M(f->version = 6, QUOTE_FORMAT, 0)                                                         \
	M(f->version = 3, QUOTE_FORMAT, 0)

#endif
