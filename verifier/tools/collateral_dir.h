/*
 * collateral_dir.h -- the pieces of collateral as files of one directory, for the programs.
 *
 *     tcb_info.json  qe_identity.json  tcb_signing_chain.pem  qe_identity_signing_chain.pem
 *     pck_crl  pck_crl_issuer_chain.pem  root_ca_crl
 *
 * Each may also end in .der, .pem or .hex.
 */
#ifndef VERIFIER_COLLATERAL_DIR_H
#define VERIFIER_COLLATERAL_DIR_H

#include "encoding/bytes.h"
#include "encoding/why.h"
#include "verifier/include/tdxverify.h"

enum collateral_file {
	FILE_TCB_INFO,
	FILE_QE_IDENTITY,
	FILE_TCB_SIGNING_CHAIN,
	FILE_QE_IDENTITY_SIGNING_CHAIN, /* absent: the same as FILE_TCB_SIGNING_CHAIN */
	FILE_PCK_CRL,
	FILE_PCK_CRL_ISSUER_CHAIN,
	FILE_ROOT_CA_CRL,
	COLLATERAL_FILES,
};

/* "tcb_info.json" and so on. */
const char *collateral_file_name(enum collateral_file file);
/* Where the piece belongs. */
struct tdxv_bytes *collateral_file_piece(struct tdxv_collateral_input *in,
					 enum collateral_file file);

enum collateral_read {
	COLLATERAL_READ,
	COLLATERAL_ABSENT,
	COLLATERAL_UNREADABLE, /* or longer than out's ceiling; the sentence says which */
};

/* Reads a piece into out, which was born with its ceiling and is empty unless COLLATERAL_READ. */
enum collateral_read collateral_file_read(struct buf *out, const char *dir,
					  enum collateral_file file, struct why *why);

#endif
