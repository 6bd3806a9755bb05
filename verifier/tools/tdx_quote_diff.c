#include "verifier/tools/tdx_quote.h"

#include <stdio.h>
#include <string.h>

/* What an operator should look at first when a field differs. */
static const struct {
	const char *field, *cause;
} causes[] = {
    {"tee_tcb_svn", "another TDX module or microcode on the host; not part of the image"},
    {"mrseam", "the host runs another build of the TDX module"},
    {"mrsignerseam", "the TDX module is signed by somebody else"},
    {"seamattributes", "the TDX module runs with other attributes"},
    {"tdattributes", "the TD was started with other attributes (debug, performance counters, "
		     "SEPT_VE_DISABLE): see the hypervisor's options"},
    {"xfam", "other CPU extensions are offered to the guest: another CPU model or -cpu option"},
    {"mrtd", "another firmware: the OVMF/TDVF file, its version or its build options"},
    {"mrconfigid", "the hypervisor passed another configuration id"},
    {"mrowner", "the hypervisor passed another owner id"},
    {"mrownerconfig", "the hypervisor passed another owner configuration"},
    {"rtmr0", "the virtual machine was given another shape: memory size, number of CPUs, "
	      "devices or their order, ACPI tables, hypervisor version, boot variables"},
    {"rtmr1", "another boot image: the boot loader or unified kernel image, its partition "
	      "table, or the boot order"},
    {"rtmr2", "another kernel command line or initial RAM disk, often because the root file "
	      "system's hash is in it: the image was rebuilt or its inputs changed"},
    {"rtmr3", "something in the running system extended RTMR3"},
    {"tee_tcb_svn2", "the TDX module was updated while the TD ran"},
    {"mrservicetd", "another service TD (migration) is bound"},
    {"tdid", "another TD: each start has its own"},
    {"cpusvn", "other microcode on the host; not part of the image"},
    {"miscselect", "the enclave was started with other features"},
    {"attributes", "the enclave was started with other attributes (debug, XFRM)"},
    {"mrenclave", "another build of the enclave"},
    {"mrsigner", "the enclave is signed by another key"},
    {"isvprodid", "another product of the enclave's author"},
    {"isvsvn", "another security version of the enclave"},
};

static const char *cause_of(const char *field)
{
	size_t i;

	for (i = 0; i < sizeof causes / sizeof causes[0]; i++)
		if (strcmp(causes[i].field, field) == 0)
			return causes[i].cause;
	return NULL;
}

static void difference(const struct options *o, const char *name, struct tdxv_bytes a,
		       struct tdxv_bytes b, const char *separator)
{
	const char *cause = cause_of(name);

	if (o->json) {
		printf("%s{\"field\":\"%s\",\"first\":\"", separator, name);
		print_hex(a);
		fputs("\",\"second\":\"", stdout);
		print_hex(b);
		fputs("\"", stdout);
		if (cause)
			printf(",\"usual_cause\":\"%s\"", cause);
		fputs("}", stdout);
		return;
	}
	printf("%s differs\n  first   ", name);
	print_hex(a);
	fputs("\n  second  ", stdout);
	print_hex(b);
	puts("");
	if (cause)
		printf("  usual cause: %s\n", cause);
}

int verb_diff(const struct options *o)
{
	struct input a = {.is_report = false}, b = {.is_report = false};
	const struct tdxv_field *f;
	unsigned found = 0;
	int status = EXIT_TROUBLE;
	size_t n, m, i;

	if (!read_input(&a, o->file[0], true) || !read_input(&b, o->file[1], true))
		goto out;
	if ((a.body_type == TDXV_BODY_SGX) != (b.body_type == TDXV_BODY_SGX)) {
		complain("one is a TD's, the other an SGX enclave's");
		goto out;
	}
	f = tdxv_body_fields(a.body_type, &n);
	tdxv_body_fields(b.body_type, &m);
	if (o->json)
		fputs("{\"differences\":[", stdout);
	for (i = 0; i < n && i < m; i++) {
		struct tdxv_bytes x = {a.body.p + f[i].at, f[i].size};
		struct tdxv_bytes y = {b.body.p + f[i].at, f[i].size};

		/* Report data is a nonce or a key: it is meant to differ. */
		if (strcmp(f[i].name, "reportdata") == 0 || memcmp(x.p, y.p, x.n) == 0)
			continue;
		difference(o, f[i].name, x, y, found ? "," : "");
		found++;
	}
	if (o->json)
		puts("]}");
	else if (!found)
		puts("no measurement differs");
	status = found ? EXIT_REFUSED : EXIT_ACCEPTED;
out:
	buf_free(&a.bytes);
	buf_free(&b.bytes);
	return status;
}
