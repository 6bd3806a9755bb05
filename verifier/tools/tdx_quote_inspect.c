#include "verifier/tools/tdx_quote.h"

#include <stdio.h>
#include <string.h>

static void field(bool json, const char *name, struct tdxv_bytes b)
{
	if (json)
		printf(",\"%s\":\"", name);
	else
		printf("%-28s ", name);
	print_hex(b);
	fputs(json ? "\"" : "\n", stdout);
}

static void number(bool json, const char *name, unsigned long n)
{
	printf(json ? ",\"%s\":%lu" : "%-28s %lu\n", name, n);
}

static void text(bool json, const char *name, const char *s)
{
	printf(json ? ",\"%s\":\"%s\"" : "%-28s %s\n", name, s);
}

static void body(bool json, enum tdxv_body type, struct tdxv_bytes b)
{
	size_t n, i;
	const struct tdxv_field *f = tdxv_body_fields(type, &n);

	for (i = 0; i < n; i++)
		field(json, f[i].name, (struct tdxv_bytes){b.p + f[i].at, f[i].size});
}

static void attributes(bool json, struct tdxv_bytes a)
{
	const char *separator = "";
	unsigned bit;

	if (json)
		fputs(",\"td_attribute_names\":[", stdout);
	else
		printf("%-28s ", "td_attribute_names");
	for (bit = 0; bit < 64; bit++) {
		const char *name = tdxv_td_attribute_name(bit);
		char unnamed[16];

		if (!(a.p[bit / 8] & 1u << bit % 8))
			continue;
		if (!name) {
			snprintf(unnamed, sizeof unnamed, "RESERVED_%u", bit);
			name = unnamed;
		}
		printf(json ? "%s\"%s\"" : "%s%s", separator, name);
		separator = json ? "," : " ";
	}
	fputs(json ? "]" : "\n", stdout);
}

static void pck(bool json, const struct tdxv_quote *q)
{
	struct tdxv_pck p;
	struct tdxv_why why;

	if (tdxv_quote_pck(&p, q, &why) != TDXV_OK) {
		text(json, "pck_certificate", why.text);
		return;
	}
	field(json, "pck_fmspc", (struct tdxv_bytes){p.fmspc, 6});
	field(json, "pck_pceid", (struct tdxv_bytes){p.pceid, 2});
	field(json, "pck_ppid", (struct tdxv_bytes){p.ppid, 16});
	field(json, "pck_cpusvn", (struct tdxv_bytes){p.cpusvn, 16});
	field(json, "pck_component_svns", (struct tdxv_bytes){p.comp_svn, 16});
	number(json, "pck_pcesvn", p.pcesvn);
	number(json, "pck_sgx_type", p.sgx_type);
	if (p.has_platform) {
		field(json, "pck_platform_instance_id",
		      (struct tdxv_bytes){p.platform_instance_id, 16});
		number(json, "pck_dynamic_platform", p.dynamic_platform);
		number(json, "pck_cached_keys", p.cached_keys);
		number(json, "pck_smt_enabled", p.smt_enabled);
	}
}

static void quote(bool json, const struct tdxv_quote *q)
{
	static const struct {
		const char *name;
		uint16_t at, size;
	} qe[] = {
	    {"qe_cpusvn", 0, 16},     {"qe_miscselect", 16, 4}, {"qe_attributes", 48, 16},
	    {"qe_mrenclave", 64, 32}, {"qe_mrsigner", 128, 32}, {"qe_reportdata", 320, 64},
	};
	size_t i;

	number(json, "version", q->version);
	text(json, "tee", q->tdx ? "TDX" : "SGX");
	text(json, "body_type", tdxv_body_name(q->body_type));
	number(json, "attestation_key_type", 2); /* a quote with another one is not taken apart */
	number(json, q->version == 3 ? "qe_svn" : "reserved_8", q->qe_svn);
	number(json, q->version == 3 ? "pce_svn" : "reserved_10", q->pce_svn);
	field(json, "qe_vendor_id", q->vendor_id);
	field(json, "user_data", q->user_data);
	number(json, "declared_size", q->declared_size);
	number(json, "trailing_size", q->trailing_size);
	body(json, q->body_type, q->body);
	if (q->tdx)
		attributes(json, (struct tdxv_bytes){q->body.p + TDXV_TD_TDATTRIBUTES, 8});
	field(json, "signature", q->signature);
	field(json, "attestation_key", q->attestation_key);
	for (i = 0; i < sizeof qe / sizeof qe[0]; i++)
		field(json, qe[i].name, (struct tdxv_bytes){q->qe_report.p + qe[i].at, qe[i].size});
	number(json, "qe_isvprodid", q->qe_report.p[256] | q->qe_report.p[257] << 8);
	number(json, "qe_isvsvn", q->qe_report.p[258] | q->qe_report.p[259] << 8);
	field(json, "qe_report_signature", q->qe_report_signature);
	field(json, "qe_auth_data", q->qe_auth_data);
	number(json, "certification_data_type", q->cert_type);
	number(json, "certification_data_size", q->cert_data.n);
	pck(json, q);
}

int verb_inspect(const struct options *o)
{
	struct input in;

	if (!read_input(&in, o->file[0], true))
		return EXIT_TROUBLE;
	if (o->json)
		fputs(in.is_report ? "{\"kind\":\"report\"" : "{\"kind\":\"quote\"", stdout);
	else
		printf("%-28s %s\n", "kind", in.is_report ? "report" : "quote");
	if (in.is_report) {
		number(o->json, "version", in.report.version);
		text(o->json, "layout", in.report.layout == TDXV_REPORT_V1_0 ? "1.0" : "1.1");
		text(o->json, "body_type", tdxv_body_name(in.body_type));
		number(o->json, "tcb_status", in.report.status);
		field(o->json, "fmspc", (struct tdxv_bytes){in.report.fmspc, 6});
		body(o->json, in.body_type, in.body);
		if (in.body_type != TDXV_BODY_SGX)
			attributes(o->json, body_field(&in, "tdattributes"));
		field(o->json, "advisories", in.report.advisories);
	} else {
		quote(o->json, &in.quote);
	}
	if (o->json)
		puts("}");
	buf_free(&in.bytes);
	return EXIT_ACCEPTED;
}

static const char *const registers[] = {"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"};

/* The policy's reader takes no escapes, so that a name means what it shows. */
bool is_image_name(const char *name)
{
	size_t n = strlen(name), i;

	for (i = 0; i < n; i++)
		if (name[i] < ' ' || name[i] > '~' || name[i] == '"' || name[i] == '\\')
			return false;
	return n > 0 && n < TDXV_NAME_MAX;
}

int verb_measurements(const struct options *o)
{
	struct input in;
	const char *separator = "";
	size_t i;

	if (o->name && !is_image_name(o->name)) {
		complain("image name '%s' is not 1 to %u printable characters without quotes",
			 o->name, TDXV_NAME_MAX - 1);
		return EXIT_TROUBLE;
	}
	if (!read_input(&in, o->file[0], true))
		return EXIT_TROUBLE;
	if (in.body_type == TDXV_BODY_SGX) {
		complain("an SGX quote has no MRTD and no RTMRs");
		buf_free(&in.bytes);
		return EXIT_TROUBLE;
	}
	if (o->policy_json) {
		printf("{\n  \"accepted_tcb_statuses\": [\"UpToDate\"],\n  \"images\": [\n    {\n"
		       "      \"name\": \"%s\"",
		       o->name ? o->name : "image");
		separator = ",\n";
	} else if (o->json) {
		fputs("{", stdout);
	}
	for (i = 0; i < 5; i++) {
		if (o->solidity && i == 4)
			break; /* the contract looks at MRTD and RTMR0..2 */
		if (o->policy_json)
			printf("%s      \"%s\": \"", separator, registers[i]);
		else if (o->solidity)
			printf("%shex\"", separator);
		else if (o->json)
			printf("%s\"%s\":\"", separator, registers[i]);
		else
			printf("%-6s", registers[i]);
		print_hex(body_field(&in, registers[i]));
		fputs(o->policy_json || o->solidity || o->json ? "\"" : "\n", stdout);
		separator = o->policy_json || o->solidity ? ",\n" : ",";
	}
	if (o->policy_json)
		puts("\n    }\n  ]\n}");
	else if (o->json)
		puts("}");
	else if (o->solidity)
		puts("");
	buf_free(&in.bytes);
	return EXIT_ACCEPTED;
}
