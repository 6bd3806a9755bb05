#include "verifier/tools/collateral_dir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[COLLATERAL_FILES] = {
    [FILE_TCB_INFO] = "tcb_info.json",
    [FILE_QE_IDENTITY] = "qe_identity.json",
    [FILE_TCB_SIGNING_CHAIN] = "tcb_signing_chain.pem",
    [FILE_QE_IDENTITY_SIGNING_CHAIN] = "qe_identity_signing_chain.pem",
    [FILE_PCK_CRL] = "pck_crl",
    [FILE_PCK_CRL_ISSUER_CHAIN] = "pck_crl_issuer_chain.pem",
    [FILE_ROOT_CA_CRL] = "root_ca_crl",
};

const char *collateral_file_name(enum collateral_file file)
{
	return names[file];
}

struct tdxv_bytes *collateral_file_piece(struct tdxv_collateral_input *in,
					 enum collateral_file file)
{
	struct tdxv_bytes *piece[COLLATERAL_FILES] = {
	    [FILE_TCB_INFO] = &in->tcb_info,
	    [FILE_QE_IDENTITY] = &in->qe_identity,
	    [FILE_TCB_SIGNING_CHAIN] = &in->tcb_signing_chain,
	    [FILE_QE_IDENTITY_SIGNING_CHAIN] = &in->qe_identity_signing_chain,
	    [FILE_PCK_CRL] = &in->pck_crl,
	    [FILE_PCK_CRL_ISSUER_CHAIN] = &in->pck_crl_issuer_chain,
	    [FILE_ROOT_CA_CRL] = &in->root_ca_crl,
	};

	return piece[file];
}

static enum collateral_read read_open(struct buf *out, FILE *f, const char *path, struct why *why)
{
	uint8_t block[16384];
	bool fits = true;
	size_t n;

	while (fits && (n = fread(block, 1, sizeof block, f)) > 0)
		fits = buf_add(out, block, n);
	if (fits && !ferror(f))
		return COLLATERAL_READ;
	if (!fits)
		why_set(why, "%s: longer than %zu bytes, or memory is short", path, out->max);
	else
		why_set(why, "%s: %s", path, strerror(errno));
	buf_free(out);
	return COLLATERAL_UNREADABLE;
}

enum collateral_read collateral_file_read(struct buf *out, const char *dir,
					  enum collateral_file file, struct why *why)
{
	static const char *const ending[] = {"", ".der", ".pem", ".hex"};
	enum collateral_read got;
	char path[4096];
	size_t i;
	FILE *f;

	for (i = 0; i < sizeof ending / sizeof ending[0]; i++) {
		snprintf(path, sizeof path, "%s/%s%s", dir, names[file], ending[i]);
		f = fopen(path, "rbe");
		if (f) {
			got = read_open(out, f, path, why);
			fclose(f);
			return got;
		}
		if (errno != ENOENT && errno != ENOTDIR) {
			why_set(why, "%s: %s", path, strerror(errno));
			return COLLATERAL_UNREADABLE;
		}
	}
	return COLLATERAL_ABSENT;
}
