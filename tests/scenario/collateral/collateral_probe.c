/* The collateral client as a process of its own, for scenarios.
 *
 *     collateral_probe forge DIR               forged collateral, its root and quote, a TLS key
 *     collateral_probe get SOURCES ROOT CA DATA  one set, at the time of the forged collateral
 */
#include "coordinator/collateral/collateral.h"
#include "tests/unit/verifier/forge.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "collateral_probe: %s\n", what);
	exit(2);
}

static FILE *create(const char *dir, const char *name)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "wb");
	must(f != NULL, path);
	return f;
}

static void write_piece(const char *dir, const char *name, const struct buf *b)
{
	FILE *f = create(dir, name);

	must(fwrite(b->p, 1, b->len, f) == b->len && fclose(f) == 0, name);
}

/* A certificate for 127.0.0.1 that signs itself, valid now. */
static void write_tls(const char *dir)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
	X509_NAME *name;
	FILE *f;

	must(key && cert && san, "a TLS certificate cannot be made");
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	name = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"test", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	X509_add_ext(cert, san, -1);
	must(X509_sign(cert, key, EVP_sha256()) > 0, "the TLS certificate cannot be signed");
	f = create(dir, "tls.pem");
	must(PEM_write_X509(f, cert) && fclose(f) == 0, "tls.pem");
	f = create(dir, "tls.key");
	must(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) && fclose(f) == 0, "tls.key");
	X509_EXTENSION_free(san);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int forge(const char *dir)
{
	struct forge f;
	struct forged x;

	forge_init(&f);
	forge_build(&x, &f);
	write_piece(dir, "tcb_info.json", &x.tcb_info);
	write_piece(dir, "qe_identity.json", &x.qe_identity);
	write_piece(dir, "tcb_signing_chain.pem", &x.tcb_chain);
	write_piece(dir, "pck_crl.der", &x.pck_crl);
	write_piece(dir, "pck_crl_issuer_chain.pem", &x.pck_crl_chain);
	write_piece(dir, "root_ca_crl.der", &x.root_crl);
	write_piece(dir, "root.pem", &x.root);
	write_piece(dir, "quote.bin", &x.quote);
	write_tls(dir);
	forged_free(&x);
	forge_keys_free();
	return 0;
}

struct got {
	struct collateral *c;
	bool served;
};

static void on_answer(void *arg, const struct collateral_set *set, const char *sentence)
{
	struct got *g = arg;
	int i;

	g->served = set != NULL;
	printf("%s\n", set ? "served" : "none");
	for (i = 0; set && i < COLLATERAL_NUMBERS; i++)
		printf("%s\n", set->source[i]);
	if (*sentence)
		printf("%s\n", sentence);
	fflush(stdout);
	collateral_close(g->c, NULL, NULL);
}

static int get(char **argv)
{
	struct collateral_settings settings = {
	    .sources = argv[0],
	    .root_file = argv[1],
	    .ca_file = argv[2],
	    .data_dir = argv[3],
	    .root_crl_url = "https://127.0.0.1:1/root.der",
	    .timeout_ms = 5000,
	};
	struct collateral_key key;
	struct got g = {NULL, false};
	struct why why;
	uv_loop_t loop;

	uv_loop_init(&loop);
	must(collateral_key_parse(&key, "90c06f000000-platform"), "the key");
	if (!collateral_new(&g.c, &loop, &settings, FORGE_NOW, &why) ||
	    !collateral_get(g.c, &key, FORGE_NOW, on_answer, &g, &why))
		must(false, why.text);
	uv_run(&loop, UV_RUN_DEFAULT);
	must(uv_loop_close(&loop) == 0, "a handle was left open");
	return g.served ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "forge") == 0)
		return forge(argv[2]);
	if (argc == 6 && strcmp(argv[1], "get") == 0)
		return get(argv + 2);
	fputs("usage: collateral_probe forge DIR | get SOURCES ROOT CA DATA\n", stderr);
	return 64;
}
