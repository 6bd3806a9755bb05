/* pccs: contracts of no known stack, contracts that refuse, pieces that cannot be, all in words. */
#include "pccs_world.h"

#include "coordinator/dcap/words.h"
#include "ethereum/abi.h"

static void stacks_that_cannot_be_used(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);

	(void)state;
	w->chain.fee_bp = 250;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "asks a fee of 250 basis points of the gas (getBp()), and "
		       "TDXVerifier.register sends no value");
	w->chain.fee_bp = 0;
	w->chain.no_verifier = true;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "0xE000000000000000000000000000000000000000 has no verifier for quotes of "
		       "version 4");
	w->chain.no_verifier = false;
	w->job.entry.b[0] = 0x77;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "it is none of Automata's v1.0 and v1.1 and DcapVerifier");
	assert_int_equal(pccs_stack(w->p), PCCS_STACK_UNKNOWN);
	w->job.entry = fake_entry;
	w->chain.down = true;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_says(w, "dcapVerifierVersion() of 0xE000000000000000000000000000000000000000: "
		       "node 1: it hung up");
	w->chain.down = false;
	w->chain.stack = PCCS_STACK_OWN;
	w->chain.own_version = 2;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "is a DcapVerifier of version 2, this program knows version 1");
	w->chain.stack = PCCS_STACK_AUTOMATA_V1_1;
	w->chain.both_routers = true;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "has qeIdDaoAddr(), has fmspcTcbDaoAddr() and has tcbEvalDaoAddr()");
	world_free(w);
}

/* Nothing deployed, or rubbish instead of words. */
static void rubbish_answers(void **state)
{
	static const uint8_t ones[200] = {[0 ... 199] = 0xff};
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
	struct pccs_step step;

	(void)state;
	for (size_t n = 0; n <= sizeof ones; n += 8) {
		assert_true(pccs_begin(w->p, &w->job, NULL));
		while (pccs_next(w->p, FORGE_NOW, &step, &w->why) == PCCS_READ)
			for (size_t i = 0; i < step.n_reads; i++)
				pccs_answer(w->p, i, PCCS_OK, span_of(ones, n), NULL);
		assert_int_equal(step.kind, PCCS_REFUSED);
		assert_says(w, n ? "an answer that makes no sense"
				 : "there is no contract that knows this call");
	}
	world_free(w);
}

static void attesters_only(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_1, NULL);

	(void)state;
	w->chain.attester = false;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "root,root crl,platform,signing,pck crl,numbers");
	assert_says(w, "the versioned DAO takes uploads only from its attesters (ATTESTER_ROLE)");
	w->chain.attester = true;
	assert_int_equal(run(w), PCCS_READY);
	/* What the attesters have uploaded is older than ours, and will do. */
	w->chain.attester = false;
	w->forge.tcb_issued = "2026-01-12T00:00:00Z";
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	assert_int_equal(insist(w), PCCS_READY);
	assert_uploads(w, "tcb");
	assert_says(w, "the PCCS's is older: the versioned DAO takes uploads only from");
	world_free(w);
}

/* ---- known before anything is paid for ---- */

static void roles_are_asked_for_first(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_1, NULL);
	struct pccs_lack lack;

	(void)state;
	w->job.sender.b[0] = 1;
	w->chain.attester = false;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "list of TCB evaluation numbers: it is not on the PCCS: the versioned DAO "
		       "takes uploads only from its attesters (ATTESTER_ROLE)");
	/* Without the role nobody needs to fetch a list. */
	w->job.evaluation_numbers.n = 0;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_false(pccs_lacks(w->p, &lack));
	w->chain.attester = true;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_true(pccs_lacks(w->p, &lack) && lack.numbers);
	assert_uploads(w, "");
	world_numbers(w, "2026-01-10T00:00:00Z", "2026-02-09T00:00:00Z");
	assert_int_equal(run(w), PCCS_READY);
	/* What is there needs no role. */
	w->chain.attester = false;
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "");
	world_free(w);
}

static void tcb_info_over_the_gas_cap(void **state)
{
	static char extra[12000];
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);

	(void)state;
	snprintf(extra, sizeof extra, ",\"other\":\"%09000d\"", 0);
	w->job.gas_cap = 16777216;
	w->forge.tcb_extra = extra;
	world_forge(w);
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "TCB info of FMSPC 90c06f000000: it is not on the PCCS: its ");
	assert_says(w, " million gas, more than one transaction may have");
	/* Over what is there it costs the half. */
	w->forge.tcb_extra = NULL;
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	w->forge.tcb_extra = extra;
	w->forge.tcb_issued = "2026-01-12T00:00:00Z";
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	assert_int_equal(insist(w), PCCS_READY);
	assert_uploads(w, "tcb");
	world_free(w);
}

static void a_crl_over_the_gas_cap(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);

	(void)state;
	w->job.gas_cap = 16777216;
	w->forge.pck_crl.revoked = 1000;
	w->forge.pck_crl.more = 400;
	world_forge(w);
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "PCK CRL of the Platform CA: it is not on the PCCS: its ");
	assert_says(w, " million gas, more than one transaction may have");
	w->forge.pck_crl.more = 44;
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	world_free(w);
	/* DcapVerifier's cost grows with the CRL and no faster. */
	w = world_new(PCCS_STACK_OWN, NULL);
	w->job.gas_cap = 16777216;
	w->forge.pck_crl.revoked = 1000;
	w->forge.pck_crl.more = 400;
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	world_free(w);
}

/* Anybody may upload Intel's early TCB info to v1.0, which never takes the standard one again. */
static void early_collateral_of_a_stranger(void **state)
{
	static const char held[] = "{\"tcbEvaluationDataNumber\":18}";
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
	uint32_t number;

	(void)state;
	assert_int_equal(run(w), PCCS_READY);
	assert_int_equal(pccs_tcb_info(w->p, &number).n > 1000, 1); /* ours, which is the chain's */
	/* A number that rises goes up at once. */
	w->forge.tcb_number = 18;
	w->forge.tcb_issued = w->forge.qe_issued = "2026-01-11T00:00:00Z";
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "identity,tcb");
	/* Now that is the stranger's, and ours is newer, of 17. */
	w->forge.tcb_number = 17;
	w->forge.tcb_issued = w->forge.qe_issued = "2026-01-12T00:00:00Z";
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "");
	assert_int_equal(pccs_tcb_info(w->p, &number).n, sizeof held - 1);
	assert_memory_equal(pccs_tcb_info(w->p, &number).p, held, sizeof held - 1);
	assert_int_equal(number, 18);
	assert_int_equal(insist(w), PCCS_READY);
	assert_uploads(w, "");
	assert_says(w, "the PCCS's has tcbEvaluationDataNumber 18, ours 17, and the contract takes "
		       "no lower one");
	w->chain.now = FORGE_NOW + 26 * FORGE_DAY;
	w->forge.tcb_issued = w->forge.qe_issued = "2026-02-10T00:00:00Z";
	w->forge.tcb_next = w->forge.qe_next = "2026-03-10T00:00:00Z";
	world_forge(w);
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "TD_QE identity: the PCCS's has expired: the PCCS's has "
		       "tcbEvaluationDataNumber 18, ours 17");
	world_free(w);
}

static void the_zero_address(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);

	(void)state;
	w->chain.no_router = true;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "pccsRouter() of ");
	assert_says(w, "it names the zero address, which is no contract");
	/* A DAO that was never set is not one that is missing. */
	w->chain.no_router = false;
	w->chain.no_identity_dao = true;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "qeIdDaoAddr() of ");
	assert_says(w, "it names the zero address, which is no contract; its owner must set it");
	world_free(w);
}

static void asynchronous_uploads(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_1, NULL);

	(void)state;
	w->chain.async = true;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_says(w, "asynchronous uploads, protocol 2");
	w->chain.async = false;
	assert_int_equal(run(w), PCCS_READY);
	w->chain.async = true;
	assert_int_equal(run(w), PCCS_READY);
	world_free(w);
}

static void what_uploads_meet(void **state)
{
	static const struct {
		const char *error;
		enum pccs_step_kind end;
		const char *words;
	} cases[] = {
	    {"", PCCS_WAIT,
	     "collateral missing on the PCCS, a signature that does not hold, or too little gas"},
	    {"TCB_Cert_Expired()", PCCS_WAIT, "the TCB signing certificate is not on the PCCS"},
	    {"Invalid_TCB_Cert_Signature()", PCCS_REFUSED, "the JSON was altered"},
	    {"TCB_Out_Of_Date()", PCCS_READY,
	     "the PCCS's is older: the contract says that ours is not newer than its own"},
	    {"Unauthorized()", PCCS_READY, "the sending key may not write to this PCCS"},
	    {"Root_Key_Mismatch()", PCCS_REFUSED, "not Intel's production root"},
	    {"Something_Else()", PCCS_WAIT, "0x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
		bool good = cases[i].end == PCCS_READY;

		assert_int_equal(run(w), PCCS_READY);
		w->chain.revert_with = cases[i].error;
		/* A newer one that is refused: the chain's still serves, or it does not. */
		if (!good)
			w->chain.now = FORGE_NOW + 26 * FORGE_DAY;
		w->forge.qe_issued = w->forge.tcb_issued =
		    good ? "2026-01-12T00:00:00Z" : "2026-02-10T00:00:00Z";
		w->forge.qe_next = w->forge.tcb_next = "2026-03-10T00:00:00Z";
		world_forge(w);
		if (good) {
			assert_int_equal(run(w), PCCS_READY);
			assert_int_equal(insist(w), PCCS_READY);
		} else {
			assert_int_equal(run(w), cases[i].end);
		}
		assert_uploads(w, good ? "identity,tcb" : "identity");
		assert_says(w, cases[i].words);
		assert_says(w, "TD_QE identity");
		world_free(w);
	}
}

/* Somebody was faster: with the same, or with a newer one. */
static void somebody_else_uploads(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
	struct world *other = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
	struct pccs_step step;

	(void)state;
	for (int newer = 0; newer < 2; newer++) {
		other->forge = w->forge;
		if (newer)
			other->forge.qe_issued = "2026-01-13T00:00:00Z";
		world_forge(other);
		if (!newer) /* the very same bytes */
			other->job.pieces = w->job.pieces;
		w->chain.n_cells = w->chain.n_log = 0;
		assert_true(pccs_begin(w->p, &w->job, NULL));
		while (pccs_next(w->p, FORGE_NOW, &step, NULL) == PCCS_READ)
			fake_pccs_do(&w->chain, w->p, &step);
		assert_int_equal(step.kind, PCCS_SEND);
		/* Now, between the dry run and the upload. */
		other->chain = w->chain;
		assert_int_equal(run(other), PCCS_READY);
		w->chain = other->chain;
		w->chain.n_log = 0;
		assert_int_equal(fake_pccs_run(&w->chain, w->p, &w->why), PCCS_READY);
		/* Each is tried, and is taken for done. */
		assert_uploads(w, "root,root crl,platform,signing,pck crl,identity,tcb");
		if (newer)
			assert_says(w, "TD_QE identity: the PCCS's is newer than ours");
	}
	world_free(other);
	world_free(w);
}

static void uploads_that_never_arrive(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
	struct pccs_step step;

	(void)state;
	w->chain.deaf = true;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "root,root");
	assert_says(w, "it was uploaded, yet the contract still shows another");
	for (int fits = 0; fits < 2; fits++) {
		assert_true(pccs_begin(w->p, &w->job, NULL));
		while (pccs_next(w->p, FORGE_NOW, &step, NULL) == PCCS_READ)
			fake_pccs_do(&w->chain, w->p, &step);
		pccs_sent(w->p, fits ? PCCS_SEND_FAILED : PCCS_SEND_DOES_NOT_FIT, span_of(NULL, 0),
			  fits ? "no endpoint took it" : "27370000 gas");
		assert_int_equal(fake_pccs_run(&w->chain, w->p, &w->why),
				 fits ? PCCS_WAIT : PCCS_REFUSED);
		assert_says(w, fits ? "could not be made: no endpoint took it"
				    : "needs more gas than one transaction may have: 27370000 gas");
	}
	world_free(w);
}

static void pieces_that_cannot_be(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
	struct tdxv_bytes good;
	struct forged other;

	(void)state;
	w->job.fmspc[0] = 0x11;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "TCB info of FMSPC 11c06f000000 cannot be used: it is for FMSPC "
		       "90c06f000000, the quote's is 11c06f000000");
	w->job.fmspc[0] = 0x90;
	w->job.ca = PCCS_PROCESSOR;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "it is \"Intel SGX PCK Platform CA\", not \"Intel SGX PCK Processor CA\"");
	w->job.ca = PCCS_PLATFORM;
	w->job.pieces.qe_identity.n--;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "TD_QE identity cannot be used: byte ");
	world_forge(w);
	w->job.pieces.root_ca_crl.n /= 2;
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "root CA CRL cannot be used: ");
	world_forge(w);
	good = w->job.pieces.tcb_info;
	w->job.pieces.tcb_info = w->job.pieces.qe_identity;
	assert_int_equal(run(w), PCCS_REFUSED);
	w->job.pieces.tcb_info = good;
	w->forge.tcb_id = "SGX";
	world_forge(w);
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "it is \"SGX\", not \"TDX\"");
	w->forge.tcb_id = "TDX";
	world_forge(w);
	w->forge.tcb.key = w->forge.tcb_signer = KEY_EVIL; /* another signer */
	forge_build(&other, &w->forge);
	w->job.pieces.qe_identity_signing_chain =
	    (struct tdxv_bytes){other.tcb_chain.p, other.tcb_chain.len};
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "are signed with different keys");
	forged_free(&other);
	w->forge.tcb.key = w->forge.tcb_signer = KEY_TCB;
	forge_build(&other,
		    &w->forge); /* the same certificate, signed anew: other bytes, one key */
	w->job.pieces.qe_identity_signing_chain =
	    (struct tdxv_bytes){other.tcb_chain.p, other.tcb_chain.len};
	assert_int_equal(run(w), PCCS_READY);
	forged_free(&other);
	w->job.pieces.qe_identity_signing_chain = w->job.pieces.tcb_signing_chain;
	assert_int_equal(run(w), PCCS_READY);
	/* CRLs as hex, as a PCCS gives them. */
	{
		char hex[8192];

		hex_encode(hex, w->forged.pck_crl.p, w->forged.pck_crl.len);
		w->job.pieces.pck_crl = (struct tdxv_bytes){(uint8_t *)hex, strlen(hex)};
		assert_int_equal(run(w), PCCS_READY);
		assert_uploads(w, "");
	}
	world_free(w);
}

static void reasons_in_words(void **state)
{
	(void)state;
	assert_non_null(strstr(dcap_reason_words("QEIDVE"), "QE identity"));
	assert_non_null(strstr(dcap_reason_words("TCBR"), "revoked"));
	assert_non_null(strstr(dcap_reason_words("Unsupported quote version"), "no verifier"));
	assert_null(dcap_reason_words("something new"));
	assert_null(dcap_reason_words(""));
	assert_non_null(strstr(dcap_reason_words("TDXModule check failed"), "none of version 0"));
	assert_true(dcap_reason_is_final("Unsupported quote version"));
	assert_false(dcap_reason_is_final("Failed to locate a valid FMSPC TCB Status"));
	assert_false(dcap_reason_is_final("TCBR"));
	assert_true(dcap_reason_is_of_crls("the PCK certificate is revoked"));
	assert_true(dcap_reason_is_of_crls("X509VE"));
	assert_false(dcap_reason_is_of_crls("the PCK CRL is missing"));
	assert_false(dcap_reason_is_of_crls("TCBR"));
	assert_string_equal(dcap_status_name(0), "UpToDate");
	assert_string_equal(dcap_status_name(4), "OutOfDate");
	assert_string_equal(dcap_status_name(10), "of an unknown number");
	assert_non_null(strstr(dcap_empty_revert_words(), "too little gas"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(stacks_that_cannot_be_used),
	    cmocka_unit_test(rubbish_answers),
	    cmocka_unit_test(attesters_only),
	    cmocka_unit_test(roles_are_asked_for_first),
	    cmocka_unit_test(tcb_info_over_the_gas_cap),
	    cmocka_unit_test(a_crl_over_the_gas_cap),
	    cmocka_unit_test(early_collateral_of_a_stranger),
	    cmocka_unit_test(the_zero_address),
	    cmocka_unit_test(asynchronous_uploads),
	    cmocka_unit_test(what_uploads_meet),
	    cmocka_unit_test(somebody_else_uploads),
	    cmocka_unit_test(uploads_that_never_arrive),
	    cmocka_unit_test(pieces_that_cannot_be),
	    cmocka_unit_test(reasons_in_words),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	forge_keys_free();
	return failed;
}
