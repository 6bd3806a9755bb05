/* contract_model: where Automata's contracts do not say UpToDate though Intel's library does. */
#include "coordinator/dcap/contract_model.h"

#include "pccs_world.h"

#include <jansson.h>
#include <unistd.h>

#define V1_0 PCCS_STACK_AUTOMATA_V1_0
#define V1_1 PCCS_STACK_AUTOMATA_V1_1
#define OWN  PCCS_STACK_OWN

static struct span exact(const char *name, const struct buf *response)
{
	struct tdxv_piece piece;
	struct tdxv_why why;

	if (tdxv_piece_json(&piece, name, (struct tdxv_bytes){response->p, response->len}, &why) !=
	    TDXV_OK)
		fail_msg("%s", why.text);
	return span_of(piece.exact.p, piece.exact.n);
}

/* "" where it agrees. */
static const char *says(enum pccs_stack stack, const struct forge *f)
{
	static struct why why;
	struct forged x;
	struct tdxv_quote q;
	struct tdxv_pck pck;

	forge_build(&x, f);
	assert_int_equal(tdxv_quote_parse(&q, x.quote.p, x.quote.len, NULL), TDXV_OK);
	assert_int_equal(tdxv_quote_pck(&pck, &q, NULL), TDXV_OK);
	why.text[0] = '\0';
	if (contract_model_agrees(stack, &q, &pck, exact("tcbInfo", &x.tcb_info),
				  exact("enclaveIdentity", &x.qe_identity), &why))
		why.text[0] = '\0';
	else
		assert_true(why.text[0]);
	forged_free(&x);
	return why.text;
}

static void all_sixteen_components(void **state)
{
	struct forge f;

	(void)state;
	forge_init(&f);
	assert_string_equal(says(V1_0, &f), "");
	assert_string_equal(says(V1_1, &f), "");
	/* The module's SVN is short of a level's component 0, which Intel leaves out. */
	f.body[0] = (uint8_t)(f.level[0].tdx - 1);
	assert_non_null(strstr(says(V1_0, &f), "because it compares TDX component 0 ("));
	assert_non_null(strstr(says(V1_1, &f), "Automata v1.1: "));
	assert_string_equal(says(OWN, &f), "");
	/* With a lower level beneath, that one is found. */
	f.n_levels = 2;
	f.level[1] = f.level[0];
	f.level[1].tdx = 1;
	f.level[1].status = "OutOfDate";
	assert_non_null(strstr(says(V1_0, &f), "Automata v1.0: OutOfDate, because it compares TDX "
					       "component 0 ("));
	f.level[1].status = "Revoked";
	assert_non_null(strstr(says(V1_0, &f), "below every TCB level, because"));
}

static void modules_of_version_0(void **state)
{
	struct forge f;

	(void)state;
	forge_init(&f);
	f.body[1] = 0;
	for (unsigned i = 0; i < f.n_levels; i++)
		f.level[i].tdx = 0;
	assert_string_equal(says(V1_0, &f), "Automata v1.0: \"TDXModule check failed\", because it "
					    "knows no TDX module of version 0");
	assert_string_equal(says(V1_1, &f), "");
	assert_string_equal(says(OWN, &f), "");
}

static void attributes_that_no_td_may_have(void **state)
{
	struct forge f;

	(void)state;
	forge_init(&f);
	memcpy(f.body + TDXV_TD_TDATTRIBUTES, "\1\0\1\xf8\0\0\0\xc0", 8);
	assert_string_equal(says(OWN, &f), "");
	f.body[TDXV_TD_TDATTRIBUTES + 4] = 0x10;
	assert_string_equal(says(OWN, &f), "DcapVerifier: TDATTRIBUTES have a bit that no TD may "
					   "have (010001f8100000c0)");
	assert_string_equal(says(V1_0, &f), "");
}

static void fields_of_another_year(void **state)
{
	struct forge f;

	(void)state;
	forge_init(&f);
	f.tcb_extra = ",\"other\":1";
	assert_non_null(strstr(says(V1_0, &f), "Automata v1.0: TCBInfo_Invalid(), because"));
	assert_string_equal(says(V1_1, &f), "");
	/* Beside a level's components both take it for more of them; elsewhere neither looks. */
	f.tcb_extra = NULL;
	f.tcb_find = "\"pcesvn\":";
	f.tcb_replace = "\"colour\":[],\"pcesvn\":";
	assert_string_equal(says(V1_0, &f), "Automata v1.0: TCBInfo_Invalid(), because it does "
					    "not know colour of a level's tcb");
	assert_non_null(strstr(says(V1_1, &f), "Automata v1.1: TCBInfo_Invalid(), because"));
	assert_string_equal(says(OWN, &f), "");
	f.tcb_find = "\"tcbStatus\":";
	f.tcb_replace = "\"colour\":5,\"tcbStatus\":";
	assert_string_equal(says(V1_0, &f), "");
	assert_string_equal(says(V1_1, &f), "");
}

/* The chain's identity may be another than ours: a stranger's early one, say. */
static void another_qe_identity(void **state)
{
	struct forge f;

	(void)state;
	forge_init(&f);
	f.qe_number = 18;
	assert_string_equal(says(V1_0, &f), "");
	f.qe_level[0].sgx = 7;
	f.qe_level[1].status = "OutOfDate";
	assert_string_equal(says(V1_0, &f),
			    "Automata v1.0: OutOfDate, because of the quoting enclave's ISVSVN 4 "
			    "by the QE identity of tcbEvaluationDataNumber 18 that it judges with");
	assert_non_null(strstr(says(V1_1, &f), "Automata v1.1: OutOfDate, because of the quoting"));
	assert_string_equal(says(OWN, &f), "");
	f.n_qe_levels = 1;
	assert_non_null(strstr(says(V1_0, &f), "below every TCB level, because of the quoting"));
	forge_init(&f);
	f.qe_prodid = 3;
	assert_string_equal(
	    says(V1_0, &f),
	    "Automata v1.0: \"Verification failed by QEIdentity check\", because the "
	    "quoting enclave has another ISVPRODID than the QE identity of "
	    "tcbEvaluationDataNumber 17 that it judges with");
	forge_init(&f);
	f.qe_misc = "01000000";
	assert_non_null(strstr(says(V1_0, &f), "another MISCSELECT than"));
	forge_init(&f);
	f.qe_attributes = "13000000000000000000000000000000";
	assert_non_null(strstr(says(V1_1, &f), "another ATTRIBUTES than"));
	forge_init(&f);
	f.qe_mrsigner = "0000000000000000000000000000000000000000000000000000000000000000";
	assert_non_null(strstr(says(V1_0, &f), "another MRSIGNER than"));
}

/* ---- real quotes: v1.0 itself agrees on 39 of 46 ---- */

static char vectors[2048];

static void load(struct buf *out, const json_t *vector, const char *member)
{
	static uint8_t block[TDXV_COLLATERAL_PIECE_MAX];
	char path[4096];
	size_t n;
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", vectors,
		 json_string_value(json_object_get(vector, member)));
	file = fopen(path, "rb");
	assert_non_null(file);
	n = fread(block, 1, sizeof block, file);
	fclose(file);
	buf_init(out, sizeof block);
	assert_true(buf_add(out, block, n));
}

static void real_quotes(void **state)
{
	unsigned up_to_date = 0, agrees[2] = {0};
	char path[4096];
	json_t *manifest, *vector;
	size_t i;

	(void)state;
	snprintf(path, sizeof path, "%s/MANIFEST.json", vectors);
	manifest = json_load_file(path, 0, NULL);
	if (!manifest) {
		print_message("SKIP: no vectors of real quotes (VECTORS_DIR)\n");
		skip();
	}
	json_array_foreach (json_object_get(manifest, "positive"), i, vector) {
		const json_t *expect = json_object_get(vector, "expect");
		const char *status =
		    json_string_value(json_object_get(json_object_get(expect, "launch"), "status"));
		struct buf quote, info, identity;
		struct tdxv_quote q;
		struct tdxv_pck pck;
		struct why why = {""};

		load(&quote, vector, "quote");
		load(&info, vector, "tcb_info");
		load(&identity, vector, "qe_identity");
		assert_int_equal(tdxv_quote_parse(&q, quote.p, quote.len, NULL), TDXV_OK);
		if (q.version == 4 && q.tdx && status && strcmp(status, "UpToDate") == 0) {
			assert_int_equal(tdxv_quote_pck(&pck, &q, NULL), TDXV_OK);
			up_to_date++;
			if (contract_model_agrees(V1_0, &q, &pck, exact("tcbInfo", &info),
						  exact("enclaveIdentity", &identity), &why))
				agrees[0]++;
			else
				print_message("%s: %s\n",
					      json_string_value(json_object_get(vector, "id")),
					      why.text);
			agrees[1] +=
			    contract_model_agrees(V1_1, &q, &pck, exact("tcbInfo", &info),
						  exact("enclaveIdentity", &identity), &why);
		}
		buf_free(&quote);
		buf_free(&info);
		buf_free(&identity);
	}
	print_message("%u UpToDate, v1.0 agrees on %u, v1.1 on %u\n", up_to_date, agrees[0],
		      agrees[1]);
	/* As the real contracts answered. */
	assert_int_equal(up_to_date, 46);
	assert_int_equal(agrees[0], 39);
	assert_int_equal(agrees[1], 40);
	json_decref(manifest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_sixteen_components),
	    cmocka_unit_test(modules_of_version_0),
	    cmocka_unit_test(attributes_that_no_td_may_have),
	    cmocka_unit_test(fields_of_another_year),
	    cmocka_unit_test(another_qe_identity),
	    cmocka_unit_test(real_quotes),
	};
	const char *dir = getenv("VECTORS_DIR");
	int failed;

	snprintf(vectors, sizeof vectors, "%.2000s/dcap", dir ? dir : "");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	forge_keys_free();
	return failed;
}
