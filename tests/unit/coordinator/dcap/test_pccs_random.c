/* pccs: whatever the chain holds, refuses or fails to say, a job ends, with a sentence; and READY
 * means that everything is there and in date. */
#include "pccs_world.h"

#define ROUNDS   400
#define VARIANTS 4

static uint64_t seed = 0x5eed;

static unsigned below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static bool chance(unsigned percent)
{
	return below(100) < percent;
}

static struct forged variant[VARIANTS];

static void build_variants(void)
{
	static const char *const issued[VARIANTS] = {"2026-01-02T00:00:00Z", "2026-01-08T00:00:00Z",
						     "2026-01-12T00:00:00Z",
						     "2026-01-20T00:00:00Z"};
	static const char *const next[VARIANTS] = {"2026-01-14T00:00:00Z", "2026-02-08T00:00:00Z",
						   "2026-02-11T00:00:00Z", "2026-02-19T00:00:00Z"};

	for (int i = 0; i < VARIANTS; i++) {
		struct forge f;

		forge_init(&f);
		f.tcb_issued = f.qe_issued = issued[i];
		f.tcb_next = f.qe_next = next[i];
		f.tcb_number = i == 3 ? 18 : 17;
		f.pck_crl.from += (i - 2) * 3 * FORGE_DAY;
		f.pck_crl.to += (i - 2) * 20 * FORGE_DAY;
		f.root.from += i * FORGE_DAY;
		forge_build(&variant[i], &f);
	}
}

static void choose_pieces(struct world *w)
{
	struct tdxv_bytes *pieces[] = {
	    &w->job.pieces.tcb_info,          &w->job.pieces.qe_identity,
	    &w->job.pieces.tcb_signing_chain, &w->job.pieces.pck_crl,
	    &w->job.pieces.root_ca_crl,       &w->job.pieces.pck_crl_issuer_chain,
	    &w->job.evaluation_numbers};

	forged_input(&w->job.pieces, &variant[below(VARIANTS)]);
	world_numbers(w, chance(80) ? "2026-01-10T00:00:00Z" : "2026-01-16T00:00:00Z",
		      "2026-02-09T00:00:00Z");
	for (size_t i = 0; i < 7; i++)
		if (chance(4))
			pieces[i]->n = 0;
}

static void choose_chain(struct world *w)
{
	static const char *const errors[] = {"",
					     "Duplicate_Collateral()",
					     "TCB_Out_Of_Date()",
					     "Unauthorized()",
					     "Root_Key_Mismatch()",
					     "TCB_Expired()"};

	w->chain.now += ((int64_t)below(5) - 2) * 10 * FORGE_DAY;
	w->chain.attester = chance(80);
	w->chain.async = chance(10);
	w->chain.multicall = chance(50);
	w->chain.multicall_lies = chance(10);
	w->chain.multicall_max = below(4);
	w->chain.deaf = chance(5);
	w->chain.number = chance(80) ? 17 : 18;
	w->chain.revert_with = chance(10) ? errors[below(6)] : NULL;
}

/* By the machine's own account, and by the fake's memory. */
static bool all_in_date(const struct world *w)
{
	size_t needed = 0, in_date = 0;
	struct pccs_item item;

	for (; pccs_describe(w->p, needed, w->chain.now, &item); needed++)
		if (item.state != PCCS_FRESH && item.state != PCCS_EXPIRING)
			return false;
	for (size_t i = 0; i < w->chain.n_cells; i++)
		in_date += w->chain.cell[i].to >= w->chain.now;
	return in_date >= needed;
}

/* One answer in so many is lost, wrong or late. */
static enum pccs_step_kind run_on(struct world *w, unsigned percent)
{
	static const uint8_t noise[64] = {[0 ... 63] = 0xa5};
	struct pccs_step step;

	for (unsigned i = 0; i < 100; i++) {
		pccs_next(w->p, w->chain.now, &step, &w->why);
		if (step.kind != PCCS_READ && step.kind != PCCS_SEND)
			return step.kind;
		for (size_t r = 0; r < step.n_reads; r++)
			if (chance(percent))
				pccs_answer(w->p, r, (enum pccs_answer)below(4),
					    span_of(noise, below(65)), chance(50) ? "lost" : NULL);
		if (step.kind == PCCS_SEND && chance(percent))
			pccs_sent(w->p, (enum pccs_sent)below(4), span_of(noise, below(65)), NULL);
		else
			fake_pccs_do(&w->chain, w->p, &step);
	}
	fail_msg("the job does not end: %s", w->why.text);
	return PCCS_WAIT;
}

static enum pccs_step_kind run_through_noise(struct world *w, unsigned percent)
{
	enum pccs_step_kind end;

	w->chain.n_log = 0;
	if (!pccs_begin(w->p, &w->job, &w->why))
		return PCCS_REFUSED;
	end = run_on(w, percent);
	/* As where the contracts' verdict needs what is newer. */
	return end == PCCS_READY && chance(50) && pccs_insist(w->p) ? run_on(w, percent) : end;
}

static void every_job_ends(void **state)
{
	unsigned ends[5] = {0};

	(void)state;
	build_variants();
	for (unsigned round = 0; round < ROUNDS; round++) {
		static const enum pccs_stack stacks[] = {PCCS_STACK_AUTOMATA_V1_0,
							 PCCS_STACK_AUTOMATA_V1_1, PCCS_STACK_OWN};
		struct pccs_settings settings = {.margin_s = below(40) * (uint64_t)FORGE_DAY,
						 .enabled = chance(90)};
		struct world w = {.job = {.ca = PCCS_PLATFORM, .fmspc = {0x90, 0xc0, 0x6f}}};

		fake_pccs_init(&w.chain, stacks[below(3)], FORGE_NOW);
		w.chain.choice = below(4);
		w.job.listed_standard = w.job.listed_early = chance(90) ? 17 : below(2) * 18;
		w.job.numbers_sought = chance(50);
		w.job.entry = fake_entry;
		w.p = pccs_new(&settings);
		assert_non_null(w.p);
		for (unsigned jobs = 1 + below(4); jobs > 0; jobs--) {
			unsigned noise = chance(50) ? 0 : below(20);
			enum pccs_step_kind end;

			choose_pieces(&w);
			choose_chain(&w);
			end = run_through_noise(&w, noise);
			assert_true(strlen(w.why.text) > 10);
			assert_true(w.chain.n_log <= 16);
			assert_true(settings.enabled || w.chain.n_log == 0);
			if (end == PCCS_READY && noise == 0 && !all_in_date(&w))
				fail_msg("round %u: ready, but: %s", round, w.why.text);
			ends[end]++;
		}
		pccs_free(w.p);
	}
	/* Each way to end was met. */
	assert_true(ends[PCCS_READY] > 20 && ends[PCCS_REFUSED] > 20 && ends[PCCS_WAIT] > 20);
	for (int i = 0; i < VARIANTS; i++)
		forged_free(&variant[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_job_ends)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	forge_keys_free();
	return failed;
}
