/*
 * verify_file QUOTE DIR SECONDS -- the smallest program around the library.
 *
 *     cc verify_file.c $(pkg-config --cflags --libs tdxverify)
 *
 * DIR holds the collateral under the names below; SECONDS is the time since 1970 to judge by.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tdxverify.h"

static struct tdxv_bytes slurp(const char *dir, const char *name)
{
	struct tdxv_bytes out = {NULL, 0};
	size_t room = 1024 * 1024;
	uint8_t *p = malloc(room);
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s%s%s", dir, *dir ? "/" : "", name);
	f = fopen(path, "rb");
	if (!p || !f) {
		perror(path);
		exit(2);
	}
	out.p = p;
	out.n = fread(p, 1, room, f);
	fclose(f);
	return out;
}

int main(int argc, char **argv)
{
	struct tdxv_verdict *verdict = tdxv_verdict_new();
	struct tdxv_collateral *collateral;
	struct tdxv_collateral_input in = {.tcb_info = {NULL, 0}};
	struct tdxv_bytes quote, intels_root = {NULL, 0};
	struct tdxv_why why;
	char summary[4096];
	bool accepted;

	if (argc != 4 || !verdict) {
		fprintf(stderr, "usage: verify_file QUOTE DIR SECONDS\n");
		return 2;
	}
	quote = slurp("", argv[1]);
	in.tcb_info = slurp(argv[2], "tcb_info.json");
	in.qe_identity = slurp(argv[2], "qe_identity.json");
	in.tcb_signing_chain = slurp(argv[2], "tcb_signing_chain.pem");
	in.pck_crl = slurp(argv[2], "pck_crl.der");
	in.pck_crl_issuer_chain = slurp(argv[2], "pck_crl_issuer_chain.pem");
	in.root_ca_crl = slurp(argv[2], "root_ca_crl.der");

	/* Once per set of collateral; the object serves any number of quotes and threads. */
	if (tdxv_collateral_new(&collateral, &in, intels_root, &why) != TDXV_OK) {
		fprintf(stderr, "%s\n", why.text);
		return 2;
	}
	tdxv_verify(verdict, quote.p, quote.n, collateral, NULL, NULL, strtoll(argv[3], NULL, 10));
	tdxv_verdict_summary(summary, sizeof summary, verdict);
	puts(summary);
	accepted = tdxv_verdict_accepted(verdict);

	tdxv_verdict_free(verdict);
	tdxv_collateral_free(collateral);
	free((void *)quote.p);
	free((void *)in.tcb_info.p);
	free((void *)in.qe_identity.p);
	free((void *)in.tcb_signing_chain.p);
	free((void *)in.pck_crl.p);
	free((void *)in.pck_crl_issuer_chain.p);
	free((void *)in.root_ca_crl.p);
	return accepted ? 0 : 1;
}
