/*
 * The daemon of a release that is not there yet: this one's, with more steps of the schema, and a
 * version of its own. LATER: 1, the next release, beside which this one may go on, or 2, the one
 * after it, beside which neither may.
 */
#include "coordinator/postgres/internal.h"

#include <string.h>

#include "cli/version.h"

/* This release's, under another name. */
#define schema_known schema_here
#include "coordinator/postgres/steps.c"
#undef schema_known

#define STEPS      (sizeof steps / sizeof *steps)
#define TEXT_OF(n) #n
#define VERSION(n) "97." TEXT_OF(n) ".0"

static const struct schema_step later[] = {
    /* Rows of this release get the default; their deletion takes what belongs to them along. */
    {"ALTER TABLE proof ADD taken_by text NOT NULL DEFAULT current_setting('application_name');\n"
     "ALTER TABLE prover ADD weight integer NOT NULL DEFAULT 1;\n"
     "CREATE TABLE proof_note (proof bigint REFERENCES proof ON DELETE CASCADE,"
     " note text NOT NULL, rev bigint NOT NULL, writer bigint NOT NULL);\n"
     "CREATE INDEX proof_note_rev ON proof_note (rev);\n"
     "CREATE INDEX prover_weight ON prover (weight);\n",
     STEPS},
    {"ALTER TABLE prover ALTER weight TYPE bigint;\n"
     "DROP TABLE proof_note;\n"
     "ALTER TABLE proof DROP taken_by;\n",
     STEPS + 2},
};

static struct schema_step all[STEPS + 2];
const struct schema schema_known = {all, STEPS + LATER};
const char program_version[] = VERSION(LATER);

static void __attribute__((constructor)) join(void)
{
	memcpy(all, steps, sizeof steps);
	memcpy(all + STEPS, later, sizeof later);
}
