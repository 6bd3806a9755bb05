/*
 * pccs_world.h -- forged collateral, a fake chain and a job over both.
 */
#ifndef TESTS_COORDINATOR_PCCS_WORLD_H
#define TESTS_COORDINATOR_PCCS_WORLD_H

#include "../../verifier/forge.h"
#include "fake_pccs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
	struct fake_pccs chain;
	struct forge forge;
	struct forged forged;
	struct pccs_job job;
	struct pccs *p;
	struct why why;
	char numbers[512];
};

static inline void world_forge(struct world *w)
{
	forged_free(&w->forged);
	forge_build(&w->forged, &w->forge);
	forged_input(&w->job.pieces, &w->forged);
}

static inline void world_numbers(struct world *w, const char *issued, const char *next)
{
	snprintf(w->numbers, sizeof w->numbers,
		 "{\"tcbEvaluationDataNumbers\":{\"id\":\"TDX\",\"version\":1,\"issueDate\":\"%s\","
		 "\"nextUpdate\":\"%s\",\"tcbEvalNumbers\":[{\"tcbEvaluationDataNumber\":17}]},"
		 "\"signature\":\"%0128d\"}",
		 issued, next, 0);
	w->job.evaluation_numbers =
	    (struct tdxv_bytes){(const uint8_t *)w->numbers, strlen(w->numbers)};
}

static inline struct world *world_new(enum pccs_stack stack, const struct pccs_settings *settings)
{
	static const struct pccs_settings usual = {.margin_s = 2 * FORGE_DAY, .enabled = true};
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	fake_pccs_init(&w->chain, stack, FORGE_NOW);
	forge_init(&w->forge);
	world_forge(w);
	world_numbers(w, "2026-01-10T00:00:00Z", "2026-02-09T00:00:00Z");
	w->job.entry = fake_entry;
	memcpy(w->job.fmspc, w->forge.fmspc, 6);
	w->job.ca = PCCS_PLATFORM;
	w->p = pccs_new(settings ? settings : &usual);
	assert_non_null(w->p);
	return w;
}

static inline void world_free(struct world *w)
{
	pccs_free(w->p);
	forged_free(&w->forged);
	free(w);
}

/* A whole job. */
static inline enum pccs_step_kind run(struct world *w)
{
	w->chain.n_log = 0;
	if (!pccs_begin(w->p, &w->job, &w->why))
		return PCCS_REFUSED;
	return fake_pccs_run(&w->chain, w->p, &w->why);
}

/* The job that ended READY goes on with what is newer here. */
static inline enum pccs_step_kind insist(struct world *w)
{
	w->chain.n_log = 0;
	assert_true(pccs_insist(w->p));
	return fake_pccs_run(&w->chain, w->p, &w->why);
}

static inline void assert_says(const struct world *w, const char *part)
{
	if (!strstr(w->why.text, part))
		fail_msg("\"%s\" does not say \"%s\"", w->why.text, part);
}

/* The uploads that were tried, joined by commas. */
static inline void assert_uploads(const struct world *w, const char *wanted)
{
	char got[1024] = "";

	for (size_t i = 0; i < w->chain.n_log; i++)
		snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i ? "," : "",
			 w->chain.log[i]);
	assert_string_equal(got, wanted);
}

#endif
