#include "verifier/tools/tdx_quote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORTFALLS 40 /* 16 SGX and 16 TDX components, PCE, module, quoting enclave */

static bool load_policy(struct tdxv_policy *p, const char *path)
{
	struct tdxv_why why;
	struct buf text;
	bool ok;

	if (!read_file(&text, path))
		return false;
	tdxv_policy_default(p);
	ok = tdxv_policy_parse(p, (const char *)text.p, text.len, &why) == TDXV_OK;
	if (!ok)
		complain("%s: %s", path, why.text);
	buf_free(&text);
	return ok;
}

/* What decided, once more where the eye ends up. */
static void print_end(const struct tdxv_verdict *v, const struct tdxv_collateral *c,
		      bool images_compared)
{
	struct tdxv_shortfall lacks[SHORTFALLS];
	char line[1024];
	size_t n, k;
	int i;

	n = tdxv_tcb_shortfalls(lacks, SHORTFALLS, v, c);
	for (k = 0; k < n && k < SHORTFALLS; k++)
		printf("short        %s: %u, an up-to-date platform has %u\n", lacks[k].what,
		       lacks[k].have, lacks[k].need);
	if (v->accepted) {
		puts(images_compared ? "verdict      accepted"
				     : "verdict      genuine; image not compared");
		return;
	}
	puts("verdict      REFUSED");
	for (i = 0; i < TDXV_CHECK_COUNT; i++) {
		if (v->check[i].status != TDXV_FAIL)
			continue;
		tdxv_check_sentence(line, sizeof line, v, (enum tdxv_check_id)i);
		printf("FAIL  %-24s %s\n", tdxv_check_name((enum tdxv_check_id)i), line);
	}
}

static void print_checks(const struct tdxv_verdict *v)
{
	static const char *const word[] = {"-   ", "ok  ", "FAIL"};
	char line[1024], when[32];
	int i;
	unsigned k;

	for (i = 0; i < TDXV_CHECK_COUNT; i++) {
		tdxv_check_sentence(line, sizeof line, v, (enum tdxv_check_id)i);
		printf("%s  %-24s %s\n", word[v->check[i].status],
		       tdxv_check_name((enum tdxv_check_id)i), line);
	}
	printf("\nTCB status   %s\n", tdxv_tcb_status_name(v->tcb_status));
	if (v->tcb_status != TDXV_TCB_NOT_EVALUATED && v->tcb_status != TDXV_TCB_NOT_SUPPORTED) {
		tdxv_time_text(when, sizeof when, v->tcb_date);
		printf("TCB date     %s\n", when);
	}
	for (k = 0; k < v->n_advisories; k++)
		printf("%s%.*s%s", k ? ", " : "advisories   ", (int)v->advisory[k].n,
		       (const char *)v->advisory[k].p, k + 1 == v->n_advisories ? "\n" : "");
	if (v->image)
		printf("image        %s\n", v->image);
	if (v->collateral_valid_to != INT64_MAX) {
		tdxv_time_text(when, sizeof when, v->collateral_valid_to);
		printf("valid until  %s\n", when);
	}
}

static bool print_json(const struct tdxv_verdict *v)
{
	size_t n = tdxv_verdict_json(NULL, 0, v);
	char *text = malloc(n + 1);

	if (!text)
		return false;
	tdxv_verdict_json(text, n + 1, v);
	puts(text);
	free(text);
	return true;
}

int verb_verify(const struct options *o)
{
	static struct tdxv_policy policy;
	static struct tdxv_verdict v;
	const struct tdxv_policy *asked = o->policy ? &policy : NULL;
	struct tdxv_collateral *c = NULL;
	struct input in = {.is_report = false};
	int status = EXIT_TROUBLE;
	int64_t now;

	if (!o->collateral) {
		complain("verify needs --collateral PATH; see tdx-quote verify --help");
		return EXIT_USAGE;
	}
	if (!chosen_time(&now, o->time) || (asked && !load_policy(&policy, o->policy)) ||
	    !read_input(&in, o->file[0], false))
		goto out;
	c = load_collateral(o->collateral, o->root);
	if (!c)
		goto out;
	tdxv_verify(&v, in.bytes.p, in.bytes.len, c, asked, NULL, now);
	if (!o->json) {
		print_checks(&v);
		print_end(&v, c, asked && asked->n_images);
	} else if (!print_json(&v)) {
		goto out;
	}
	status = v.accepted ? EXIT_ACCEPTED : EXIT_REFUSED;
out:
	tdxv_collateral_free(c);
	buf_free(&in.bytes);
	return status;
}

/* From collateral: what the chain would say. Without: under the status that the caller claims. */
static bool build_report(uint8_t *out, size_t *n, const struct options *o, const struct input *in,
			 enum tdxv_report_layout layout, int *exit_status)
{
	static struct tdxv_verdict v;
	enum tdxv_tcb_status status = TDXV_TCB_UP_TO_DATE;
	struct tdxv_collateral *c;
	struct tdxv_pck pck;
	struct tdxv_why why;
	int64_t now;
	bool ok;

	*exit_status = EXIT_TROUBLE;
	if (o->collateral) {
		if (!chosen_time(&now, o->time))
			return false;
		c = load_collateral(o->collateral, o->root);
		if (!c)
			return false;
		tdxv_verify(&v, in->bytes.p, in->bytes.len, c, NULL, NULL, now);
		ok = tdxv_report_from_verdict(out, n, layout, &v, &why) == TDXV_OK;
		tdxv_collateral_free(c);
		if (!ok) {
			complain("%s", why.text);
			*exit_status = v.authentic ? EXIT_TROUBLE : EXIT_REFUSED;
		}
		return ok;
	}
	if (o->status && !tdxv_tcb_status_parse(&status, o->status, strlen(o->status))) {
		complain("'%s' is no TCB status", o->status);
		return false;
	}
	if (!o->status)
		complain(
		    "nothing was verified: status UpToDate is assumed (--collateral verifies)");
	if (o->fmspc) {
		if (!hex_decode(pck.fmspc, 6, o->fmspc, strlen(o->fmspc))) {
			complain("FMSPC '%s' is not 6 bytes of hex", o->fmspc);
			return false;
		}
	} else if (tdxv_quote_pck(&pck, &in->quote, &why) != TDXV_OK) {
		complain("%s", why.text);
		return false;
	}
	ok = tdxv_report_build(out, n, layout, &in->quote, status, pck.fmspc, NULL, 0, &why) ==
	     TDXV_OK;
	if (!ok)
		complain("%s", why.text);
	return ok;
}

int verb_report(const struct options *o)
{
	static uint8_t report[TDXV_REPORT_MAX];
	enum tdxv_report_layout layout = TDXV_REPORT_V1_0;
	size_t n = sizeof report;
	struct input in;
	int status;

	if (o->layout && strcmp(o->layout, "1.1") == 0) {
		layout = TDXV_REPORT_V1_1;
	} else if (o->layout && strcmp(o->layout, "1.0") != 0) {
		complain("layout '%s' is neither 1.0 nor 1.1", o->layout);
		return EXIT_TROUBLE;
	}
	if (!read_input(&in, o->file[0], false))
		return EXIT_TROUBLE;
	if (build_report(report, &n, o, &in, layout, &status)) {
		status = EXIT_ACCEPTED;
		if (o->raw) {
			fwrite(report, 1, n, stdout);
		} else if (o->json) {
			printf("{\"layout\":\"%s\",\"report\":\"",
			       layout == TDXV_REPORT_V1_0 ? "1.0" : "1.1");
			print_hex((struct tdxv_bytes){report, n});
			puts("\"}");
		} else {
			print_hex((struct tdxv_bytes){report, n});
			puts("");
		}
	}
	buf_free(&in.bytes);
	return status;
}
