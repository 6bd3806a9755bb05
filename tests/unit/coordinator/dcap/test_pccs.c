/* pccs: each stack is found and told apart, and gets exactly what it lacks, in order. */
#include "pccs_world.h"

#include "ethereum/abi.h"

#define ALL_OF_ONE "root,root crl,platform,signing,pck crl,identity,tcb"

static void an_empty_chain_gets_all(void **state)
{
	static const struct {
		enum pccs_stack stack;
		const char *uploads, *name;
		uint32_t number;
		bool leaf_only;
	} stacks[] = {
	    {PCCS_STACK_AUTOMATA_V1_0, ALL_OF_ONE, "Automata v1.0", 0, false},
	    {PCCS_STACK_AUTOMATA_V1_1,
	     "root,root crl,platform,signing,pck crl,numbers,identity,tcb", "Automata v1.1", 17,
	     false},
	    {PCCS_STACK_OWN, ALL_OF_ONE, "DcapVerifier", 17, true},
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world *w = world_new(stacks[i].stack, NULL);
		struct pccs_item item;
		size_t n = 0;

		assert_int_equal(run(w), PCCS_READY);
		assert_uploads(w, stacks[i].uploads);
		assert_int_equal(pccs_stack(w->p), stacks[i].stack);
		assert_string_equal(pccs_stack_name(pccs_stack(w->p)), stacks[i].name);
		assert_says(w, stacks[i].name);
		assert_says(w, "90c06f000000");
		assert_int_equal(pccs_wanted_evaluation_number(w->p), stacks[i].number);
		assert_int_equal(pccs_takes_leaf_only(w->p), stacks[i].leaf_only);
		for (; pccs_describe(w->p, n, FORGE_NOW, &item); n++) {
			assert_int_equal(item.state, PCCS_FRESH);
			assert_false(item.differs);
			assert_false(eth_address_is_zero(&item.dao));
			assert_non_null(strstr(item.text, "fresh, expires in "));
		}
		assert_int_equal(n, w->chain.n_cells);
		/* A second time there is nothing to do, and the answer is repeated. */
		assert_int_equal(run(w), PCCS_READY);
		assert_uploads(w, "");
		assert_int_equal(fake_pccs_run(&w->chain, w->p, &w->why), PCCS_READY);
		world_free(w);
	}
}

/* The steps that a caller sees: names, order, selectors, and nothing skipped. */
static void steps(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
	static const char *const names[] = {
	    "root CA certificate",           "root CA CRL",
	    "PCK Platform CA certificate",   "TCB signing certificate",
	    "PCK CRL of the Platform CA",    "TD_QE identity",
	    "TCB info of FMSPC 90c06f000000"};
	static const uint8_t selectors[][4] = {{0x3b, 0x39, 0x54, 0x55}, {0x6b, 0x1c, 0x53, 0x99},
					       {0x3b, 0x39, 0x54, 0x55}, {0x3b, 0x39, 0x54, 0x55},
					       {0x08, 0x85, 0x4e, 0x04}, {0x30, 0xf7, 0x04, 0xea},
					       {0xa8, 0x34, 0x9f, 0xb7}};
	unsigned sends = 0, reads = 0;
	struct pccs_step step, again;

	(void)state;
	assert_true(pccs_begin(w->p, &w->job, NULL));
	for (;;) {
		enum pccs_step_kind kind = pccs_next(w->p, FORGE_NOW, &step, &w->why);

		assert_int_equal(pccs_next(w->p, FORGE_NOW, &again, NULL), kind);
		if (kind == PCCS_READY)
			break;
		if (kind == PCCS_READ) {
			assert_int_equal(again.n_reads, step.n_reads);
			reads += (unsigned)step.n_reads;
			fake_pccs_do(&w->chain, w->p, &step);
			/* Second answers, and answers to what was not asked, are ignored. */
			for (size_t i = 0; i <= step.n_reads; i++)
				pccs_answer(w->p, i, PCCS_FAILED, span_of(NULL, 0), "late");
			continue;
		}
		assert_int_equal(kind, PCCS_SEND);
		assert_true(sends < 7);
		assert_string_equal(step.name, names[sends]);
		assert_memory_equal(step.calldata.p, selectors[sends], 4);
		assert_int_equal(step.order, sends + 1);
		assert_int_equal(step.of, 7);
		sends++;
		fake_pccs_do(&w->chain, w->p, &step);
	}
	assert_int_equal(sends, 7);
	/* entry 4 and Multicall3, verifier 1, router 4, keys 7 and one, state 14 and two documents
	 * and two CRLs, then one piece after each send */
	assert_int_equal(reads, 5 + 1 + 4 + 8 + 18 + 7 * 2 + 4);
	/* Out of turn: nothing happens. */
	pccs_sent(w->p, PCCS_SEND_FAILED, span_of(NULL, 0), "late");
	pccs_answer(w->p, 0, PCCS_FAILED, span_of(NULL, 0), "late");
	assert_int_equal(pccs_next(w->p, FORGE_NOW, &step, NULL), PCCS_READY);
	world_free(w);
}

/* Seven blocks become one, where anybody may upload. */
static void together_where_the_chain_can(void **state)
{
	static const struct {
		enum pccs_stack stack;
		uint64_t choice;
		unsigned transactions;
	} cases[] = {{PCCS_STACK_AUTOMATA_V1_0, 2, 1},
		     {PCCS_STACK_OWN, 2, 1},
		     {PCCS_STACK_OWN, 0, 1},
		     {PCCS_STACK_AUTOMATA_V1_1, 2, 8}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int multicall = 0; multicall < 2; multicall++) {
			struct world *w = world_new(cases[i].stack, NULL);
			const bool list =
			    cases[i].choice == 0 || cases[i].stack == PCCS_STACK_AUTOMATA_V1_1;

			w->chain.choice = cases[i].choice;
			w->chain.multicall = multicall;
			w->job.listed_standard = 17;
			assert_int_equal(run(w), PCCS_READY);
			assert_uploads(w, list ? "root,root crl,platform,signing,pck "
						 "crl,numbers,identity,tcb"
					       : "root,root crl,platform,signing,pck "
						 "crl,identity,tcb");
			assert_int_equal(w->chain.transactions,
					 multicall ? cases[i].transactions : 7u + list);
			world_free(w);
		}
}

static void fewer_together_where_they_do_not_fit(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);

	(void)state;
	w->chain.multicall = true;
	w->chain.multicall_max = 4;
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "root,root crl,platform,signing,pck crl,identity,tcb");
	assert_int_equal(w->chain.transactions, 3); /* of 7: 3, 3 and 1 */
	world_free(w);
}

/* One that is refused is found by itself, and the others go up. */
static void one_of_many_is_refused(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);

	(void)state;
	w->chain.multicall = true;
	w->chain.revert_with = "Root_Key_Mismatch()";
	assert_int_equal(run(w), PCCS_REFUSED);
	assert_says(w, "root CA certificate: it is not on the PCCS: the contract refuses it");
	assert_int_equal(w->chain.transactions, 0);
	world_free(w);
}

/* What is there is something else: it costs one transaction. */
static void another_contract_at_that_address(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);

	(void)state;
	w->chain.multicall = w->chain.multicall_lies = true;
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "root,root crl,platform,signing,pck crl,identity,tcb");
	assert_int_equal(w->chain.transactions, 1 + 7);
	world_free(w);
}

/* What goes over is the exact signed text and its signature. */
static void exact_bytes(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
	struct pccs_step step = {.kind = PCCS_READ};
	struct abi_value *v;
	const char *body;
	char hex[129];

	(void)state;
	assert_int_equal(run(w), PCCS_READY);
	w->forge.tcb_issued = "2026-01-12T00:00:00Z";
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	assert_true(pccs_insist(w->p));
	while (pccs_next(w->p, FORGE_NOW, &step, NULL) == PCCS_READ)
		fake_pccs_do(&w->chain, w->p, &step);
	assert_int_equal(step.kind, PCCS_SEND);
	assert_int_equal(abi_decode(&v, "((string,bytes))",
				    span_of(step.calldata.p + 4, step.calldata.n - 4), NULL),
			 ETH_OK);
	body = strstr((char *)w->forged.tcb_info.p, "{\"id\"");
	if (!body)
		body = memchr(w->forged.tcb_info.p + 1, '{', 100);
	assert_memory_equal(v->items.p[0].items.p[0].bytes.p, body,
			    v->items.p[0].items.p[0].bytes.n);
	assert_int_equal(body[v->items.p[0].items.p[0].bytes.n], ',');
	hex_encode(hex, v->items.p[0].items.p[1].bytes.p, 64);
	assert_non_null(memmem(w->forged.tcb_info.p, w->forged.tcb_info.len, hex, 128));
	abi_value_free(v);
	world_free(w);
}

static void only_what_is_older_is_uploaded(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
	struct pccs_item item;

	(void)state;
	assert_int_equal(run(w), PCCS_READY);
	w->forge.tcb_issued = "2026-01-12T00:00:00Z";
	w->forge.pck_crl.from += 3600;
	world_forge(w);
	/* The chain's is good, and ours costs gas: only when the contracts' verdict needs it. */
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "");
	assert_says(w, "PCK CRL of the Platform CA: ours is newer, and the PCCS's is good until ");
	assert_says(w, "TCB info of FMSPC 90c06f000000: ours is newer");
	assert_int_equal(insist(w), PCCS_READY);
	assert_uploads(w, "pck crl,tcb");
	assert_false(pccs_insist(w->p));
	/* Another of the same date: no contract would take it. */
	w->forge.tcb_number = 16;
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "");
	assert_says(w, "the PCCS's is another of the same date (2026-01-12T00:00:00Z)");
	/* The chain's is newer now: left alone, and said. */
	w->forge.tcb_issued = "2026-01-11T00:00:00Z";
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "");
	assert_says(w, "TCB info of FMSPC 90c06f000000: the PCCS's is newer than ours "
		       "(2026-01-12T00:00:00Z and 2026-01-11T00:00:00Z)");
	assert_true(pccs_describe(w->p, 6, FORGE_NOW, &item));
	assert_true(item.differs);
	assert_non_null(strstr(item.text, "newer than ours"));
	assert_false(pccs_describe(w->p, 7, FORGE_NOW, &item));
	world_free(w);
}

static void expiry(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);
	struct pccs_item item;

	(void)state;
	assert_int_equal(run(w), PCCS_READY);
	/* One day before the end, with a margin of two, and nothing newer. */
	w->chain.now = FORGE_NOW + 24 * FORGE_DAY;
	assert_int_equal(run(w), PCCS_READY);
	assert_says(w, "TD_QE identity: it expires within 25 hours, and ours is the same");
	assert_true(pccs_describe(w->p, 5, w->chain.now, &item));
	assert_int_equal(item.state, PCCS_EXPIRING);
	assert_non_null(strstr(item.text, "about to expire, expires in 24 hours"));
	/* v1.0 would verify with it; we do not. */
	w->chain.now = FORGE_NOW + 26 * FORGE_DAY;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_says(w, "TD_QE identity: the PCCS's has expired, and ours is no newer");
	assert_true(pccs_describe(w->p, 5, w->chain.now, &item));
	assert_int_equal(item.state, PCCS_EXPIRED);
	assert_non_null(strstr(item.text, "expired 24 hours ago (2026-02-09T00:00:00Z)"));
	/* Newer ones have come. */
	w->forge.tcb_issued = w->forge.qe_issued = "2026-02-10T00:00:00Z";
	w->forge.tcb_next = w->forge.qe_next = "2026-03-10T00:00:00Z";
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "identity,tcb");
	/* No source has any, and the chain's are good. */
	memset(&w->job.pieces, 0, sizeof w->job.pieces);
	assert_int_equal(run(w), PCCS_READY);
	w->chain.now = FORGE_NOW + 29 * FORGE_DAY;
	assert_int_equal(run(w), PCCS_READY);
	assert_says(w, "PCK CRL of the Platform CA: it expires within 25 hours, and no collateral "
		       "source has given another");
	w->chain.now = FORGE_NOW + 31 * FORGE_DAY;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_says(w, "PCK CRL of the Platform CA: the PCCS's has expired, and no collateral "
		       "source has given another");
	world_free(w);
}

/* Nothing is uploaded while a later piece cannot be had: it would be gas for nothing. */
static void no_gas_for_half_a_set(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, NULL);

	(void)state;
	w->job.pieces.tcb_info.n = 0;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "TCB info of FMSPC 90c06f000000: it is not on the PCCS, and no collateral "
		       "source has given it");
	world_forge(w);
	w->chain.now = FORGE_NOW + 26 * FORGE_DAY;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "ours expired at 2026-02-09T00:00:00Z and must be fetched again");
	w->chain.now = FORGE_NOW - 6 * FORGE_DAY;
	w->forge.root_crl.from -= FORGE_YEAR;
	w->forge.pck_crl.from -= 10 * FORGE_DAY;
	world_forge(w);
	assert_int_equal(run(w), PCCS_WAIT);
	assert_says(w, "ours is not valid before 2026-01-10T00:00:00Z");
	world_free(w);
}

static void evaluation_numbers(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_1, NULL);

	(void)state;
	/* The chain verifies with 18; ours has 17. */
	w->chain.number = 18;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "root,root crl,platform,signing,pck crl,numbers");
	assert_says(w, "tcbEvaluationDataNumber 18, ours has 17: collateral of number 18 must be");
	assert_int_equal(pccs_wanted_evaluation_number(w->p), 18);
	w->chain.number = 17;
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "identity,tcb");
	/* Another number: other DAOs, which lack them. */
	w->chain.number = 18;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	/* The list has expired, and a newer one is there. */
	w->chain.number = 17;
	w->chain.now = FORGE_NOW + 26 * FORGE_DAY;
	w->forge.tcb_issued = w->forge.qe_issued = "2026-02-10T00:00:00Z";
	w->forge.tcb_next = w->forge.qe_next = "2026-03-10T00:00:00Z";
	world_forge(w);
	assert_int_equal(run(w), PCCS_WAIT);
	assert_says(w, "list of TCB evaluation numbers: the PCCS's has expired, and ours is no");
	world_numbers(w, "2026-02-10T00:00:00Z", "2026-03-10T00:00:00Z");
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "numbers,identity,tcb");
	/* No list anywhere. */
	w->chain.n_cells = 0;
	w->job.evaluation_numbers.n = 0;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "list of TCB evaluation numbers: it is not on the PCCS");
	/* A number without a DAO. */
	world_numbers(w, "2026-02-10T00:00:00Z", "2026-03-10T00:00:00Z");
	w->chain.no_versioned = true;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_says(w, "evaluation number 17, but have no DAO for it");
	world_free(w);
}

/* The list that we upload moves the chain to another number, and so to other DAOs. */
static void the_number_moves_under_us(void **state)
{
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_1, NULL);

	(void)state;
	assert_int_equal(run(w), PCCS_READY);
	w->chain.next_number = 18;
	world_numbers(w, "2026-01-12T00:00:00Z", "2026-02-11T00:00:00Z");
	assert_int_equal(run(w), PCCS_READY);
	assert_int_equal(insist(w), PCCS_WAIT);
	assert_uploads(w, "numbers");
	assert_says(w, "collateral of number 18 must be fetched");
	assert_int_equal(pccs_wanted_evaluation_number(w->p), 18);
	world_free(w);
}

/* A DcapVerifier that goes by a list: the list after the certificates, then its number's. */
static void a_list_that_is_missing(void **state)
{
	struct world *w = world_new(PCCS_STACK_OWN, NULL);
	struct tdxv_bytes list = w->job.evaluation_numbers;
	struct pccs_lack lack;
	struct pccs_item item;

	(void)state;
	w->chain.choice = 0;
	w->job.evaluation_numbers.n = 0;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "list of TCB evaluation numbers: the contract goes by it, and it must be "
		       "fetched");
	assert_true(pccs_lacks(w->p, &lack));
	assert_true(lack.numbers);
	assert_int_equal(lack.number, 0);
	/* No source has it. */
	w->job.numbers_sought = true;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_says(w, "list of TCB evaluation numbers: it is not on the PCCS, and no collateral "
		       "source has given it");
	assert_false(pccs_lacks(w->p, &lack));
	/* One that says nothing yet. */
	w->job.evaluation_numbers = list;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "it is not on the PCCS: none of the numbers of ours is a year old");
	/* By ours 17 counts, though its next update has passed: the date is of the past. */
	world_numbers(w, "2025-06-05T00:00:00Z", "2025-07-05T00:00:00Z");
	w->job.listed_standard = 17;
	w->job.listed_early = 18;
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "root,root crl,platform,signing,pck crl,numbers,identity,tcb");
	assert_int_equal(pccs_wanted_evaluation_number(w->p), 17);
	assert_true(pccs_describe(w->p, 5, FORGE_NOW, &item));
	assert_string_equal(item.text, "by it number 17 counts");
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "");
	/* With the chain's alone. */
	w->job.evaluation_numbers.n = 0;
	assert_int_equal(run(w), PCCS_READY);
	world_free(w);
}

/* Before a first upload it is known with which number the contract will verify. */
static void no_gas_for_another_number(void **state)
{
	struct world *w = world_new(PCCS_STACK_OWN, NULL);
	struct pccs_lack lack;

	(void)state;
	w->chain.choice = 1;
	w->chain.number = 18;
	w->job.listed_standard = 17;
	w->job.listed_early = 18;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "TD_QE identity: the contracts verify with tcbEvaluationDataNumber 18, ours "
		       "has 17: collateral of number 18 must be fetched");
	assert_true(pccs_lacks(w->p, &lack));
	assert_false(lack.numbers);
	assert_int_equal(lack.number, 18);
	w->forge.tcb_number = 18;
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "root,root crl,platform,signing,pck crl,numbers,identity,tcb");
	/* The same with a fixed one. */
	w->chain.choice = 2;
	w->chain.number = 19;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_true(pccs_lacks(w->p, &lack));
	assert_int_equal(lack.number, 19);
	/* And one from before there was a choice takes what it is given. */
	w->chain.n_cells = 0;
	w->chain.choice = 3;
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, ALL_OF_ONE);
	assert_int_equal(pccs_wanted_evaluation_number(w->p), 0);
	world_free(w);
}

/* A newer list goes up when another number counts by it, and only then. */
static void a_newer_list(void **state)
{
	static const struct pccs_settings off = {.enabled = false};
	struct world *w = world_new(PCCS_STACK_OWN, NULL);
	struct pccs *mine = w->p, *idle = pccs_new(&off);

	(void)state;
	w->chain.choice = 0;
	w->job.listed_standard = 17;
	assert_int_equal(run(w), PCCS_READY);
	world_numbers(w, "2026-01-12T00:00:00Z", "2026-02-11T00:00:00Z");
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "");
	/* By it 18 counts: then 18's is needed, and the chain's of 17 counts no longer. */
	w->job.listed_standard = w->chain.next_number = 18;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "collateral of number 18 must be fetched");
	w->forge.tcb_number = 18;
	world_forge(w);
	w->p = idle;
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "");
	assert_says(w, "list of TCB evaluation numbers: by the PCCS's number 17 counts, by ours, "
		       "which is newer, 18: uploads are switched off");
	w->p = mine;
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "numbers,identity,tcb");
	/* An older one is named. */
	world_numbers(w, "2026-01-10T00:00:00Z", "2026-02-09T00:00:00Z");
	w->job.listed_standard = 17;
	assert_int_equal(run(w), PCCS_READY);
	assert_uploads(w, "");
	assert_says(w, "the PCCS's is newer than ours: by it number 18 counts, by ours 17");
	/* Years later none of a strange list's numbers counts. */
	w->chain.number = 0;
	w->job.listed_standard = 0;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_says(w, "none of the numbers of the PCCS's is a year old");
	pccs_free(idle);
	world_free(w);
}

static void switched_off(void **state)
{
	static const struct pccs_settings off = {.margin_s = 60, .enabled = false};
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, &off);
	struct pccs *on, *mine = w->p;

	(void)state;
	assert_int_equal(run(w), PCCS_WAIT);
	assert_uploads(w, "");
	assert_says(w, "root CA certificate: it is not on the PCCS: uploads are switched off here "
		       "(--no-onchain-pccs)");
	on = pccs_new(&(struct pccs_settings){.enabled = true});
	w->p = on;
	assert_int_equal(run(w), PCCS_READY);
	w->p = mine;
	assert_int_equal(run(w), PCCS_READY);
	/* Older but good: it will do. */
	w->forge.tcb_issued = "2026-01-12T00:00:00Z";
	world_forge(w);
	assert_int_equal(run(w), PCCS_READY);
	assert_int_equal(insist(w), PCCS_READY);
	assert_uploads(w, "");
	assert_says(w, "the PCCS's is older: uploads are switched off");
	pccs_free(on);
	world_free(w);
}

static void overrides(void **state)
{
	static const struct pccs_settings s = {.enclave_id_dao = {{0xd2, 1}},
					       .fmspc_tcb_dao = {{0xd3, 2}},
					       .pcs_dao = {{0xd1, 3}},
					       .enabled = true};
	struct world *w = world_new(PCCS_STACK_AUTOMATA_V1_0, &s);
	struct pccs_item item;

	(void)state;
	/* The fake's other DAOs hold nothing and take nothing, so the first upload fails. */
	run(w);
	assert_true(pccs_describe(w->p, 0, FORGE_NOW, &item));
	assert_true(eth_address_equal(&item.dao, &s.pcs_dao));
	assert_true(pccs_describe(w->p, 5, FORGE_NOW, &item));
	assert_true(eth_address_equal(&item.dao, &s.enclave_id_dao));
	assert_true(pccs_describe(w->p, 6, FORGE_NOW, &item));
	assert_true(eth_address_equal(&item.dao, &s.fmspc_tcb_dao));
	world_free(w);
}

static void before_a_job(void **state)
{
	struct pccs *p = pccs_new(&(struct pccs_settings){.enabled = true});
	struct pccs_step step;
	struct pccs_item item;
	struct why why;

	(void)state;
	assert_int_equal(pccs_next(p, 1, &step, &why), PCCS_WAIT);
	assert_string_equal(why.text, "no quote has been looked at yet");
	assert_false(pccs_describe(p, 0, 1, &item));
	assert_int_equal(pccs_stack(p), PCCS_STACK_UNKNOWN);
	pccs_free(p);
	pccs_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(before_a_job),
	    cmocka_unit_test(an_empty_chain_gets_all),
	    cmocka_unit_test(steps),
	    cmocka_unit_test(together_where_the_chain_can),
	    cmocka_unit_test(fewer_together_where_they_do_not_fit),
	    cmocka_unit_test(one_of_many_is_refused),
	    cmocka_unit_test(another_contract_at_that_address),
	    cmocka_unit_test(exact_bytes),
	    cmocka_unit_test(only_what_is_older_is_uploaded),
	    cmocka_unit_test(expiry),
	    cmocka_unit_test(no_gas_for_half_a_set),
	    cmocka_unit_test(evaluation_numbers),
	    cmocka_unit_test(the_number_moves_under_us),
	    cmocka_unit_test(a_list_that_is_missing),
	    cmocka_unit_test(no_gas_for_another_number),
	    cmocka_unit_test(a_newer_list),
	    cmocka_unit_test(switched_off),
	    cmocka_unit_test(overrides),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	forge_keys_free();
	return failed;
}
