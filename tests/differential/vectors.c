#include "tests/differential/cases.h"
#include "tests/differential/subject.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct file {
	uint8_t *p;
	size_t n;
};

/* An empty file for what is absent. */
static struct file load(const char *dir, const char *name)
{
	struct file f = {NULL, 0};
	char path[8192];
	FILE *in;
	long n;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	in = fopen(path, "rb");
	if (!in)
		return f;
	fseek(in, 0, SEEK_END);
	n = ftell(in);
	rewind(in);
	f.p = malloc((size_t)n + 1);
	if (!f.p)
		abort();
	f.n = fread(f.p, 1, (size_t)n, in);
	fclose(in);
	return f;
}

static const char *text(const json_t *entry, const char *key)
{
	const char *s = json_string_value(json_object_get(entry, key));

	return s ? s : "";
}

static struct tdxv_bytes view(const struct file *f)
{
	return (struct tdxv_bytes){f->p, f->n};
}

static void vector(FILE *out, const char *dir, const json_t *entry)
{
	static const char *const key[] = {"quote",
					  "tcb_info",
					  "qe_identity",
					  "tcb_signing_chain",
					  "qe_identity_signing_chain",
					  "pck_crl",
					  "pck_crl_issuer_chain",
					  "root_ca_crl",
					  "root_ca"};
	struct subject s = {.id = text(entry, "id")};
	struct file f[9];
	size_t i;

	for (i = 0; i < 9; i++)
		f[i] = load(dir, text(entry, key[i]));
	s.quote = view(&f[0]);
	s.in.tcb_info = view(&f[1]);
	s.in.qe_identity = view(&f[2]);
	s.in.tcb_signing_chain = view(&f[3]);
	s.in.qe_identity_signing_chain = view(&f[4]);
	s.in.pck_crl = view(&f[5]);
	s.in.pck_crl_issuer_chain = view(&f[6]);
	s.in.root_ca_crl = view(&f[7]);
	s.root = view(&f[8]);
	s.now = s.uploaded = json_integer_value(json_object_get(entry, "now"));
	subject_write(out, &s);
	for (i = 0; i < 9; i++)
		free(f[i].p);
}

bool cases_vectors(FILE *out, const char *dir)
{
	static const char *const list[] = {"positive", "negative", "synthetic"};
	struct file f = load(dir, "MANIFEST.json");
	json_t *manifest, *entry;
	size_t i, k;

	if (!f.p)
		return false;
	manifest = json_loadb((const char *)f.p, f.n, 0, NULL);
	for (i = 0; i < 3; i++)
		json_array_foreach (json_object_get(manifest, list[i]), k, entry)
			vector(out, dir, entry);
	json_decref(manifest);
	free(f.p);
	return true;
}
