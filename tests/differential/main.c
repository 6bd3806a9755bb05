/* differential-cases: subjects for the comparison of libtdxverify with the on-chain verifier. */
#include "tests/differential/cases.h"
#include "tests/unit/verifier/forge.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: differential-cases forged STRIDE\n"
			    "       differential-cases vectors DIR\n"
			    "       differential-cases random SEED N\n"
			    "One JSON object a line goes to standard output.\n";

int main(int argc, char **argv)
{
	bool ok = true;

	if (argc == 3 && strcmp(argv[1], "forged") == 0 && atoi(argv[2]) > 0) {
		cases_forged(stdout, (unsigned)atoi(argv[2]));
	} else if (argc == 3 && strcmp(argv[1], "vectors") == 0) {
		ok = cases_vectors(stdout, argv[2]);
		if (!ok)
			fprintf(stderr, "differential-cases: no MANIFEST.json in %s\n", argv[2]);
	} else if (argc == 4 && strcmp(argv[1], "random") == 0) {
		cases_random(stdout, strtoull(argv[2], NULL, 10), (unsigned)atoi(argv[3]));
	} else {
		fputs(usage, stderr);
		return 2;
	}
	forge_keys_free();
	return ok && fflush(stdout) == 0 ? 0 : 1;
}
