#include "coordinator/collateral/source.h"

#include "coordinator/base/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCCS_PREFIX "pccs+"
#define DIR_PREFIX  "dir:"

static bool parse_one(struct collateral_source *s, const char *text, struct why *why)
{
	bool pccs = strncmp(text, PCCS_PREFIX, strlen(PCCS_PREFIX)) == 0;
	char masked[COLLATERAL_NAME_SIZE - sizeof PCCS_PREFIX];
	size_t n;

	memset(s, 0, sizeof *s);
	if (strncmp(text, DIR_PREFIX, strlen(DIR_PREFIX)) == 0) {
		const char *path = text + strlen(DIR_PREFIX);

		if (!*path) {
			why_set(why, "\"dir:\" names no directory");
			return false;
		}
		s->kind = COLLATERAL_DIRECTORY;
		snprintf(s->at, sizeof s->at, "%s", path);
		snprintf(s->name, sizeof s->name, "dir:%.100s", path);
		return true;
	}
	if (pccs)
		text += strlen(PCCS_PREFIX);
	if (!url_ok(text, why))
		return false;
	s->kind = pccs ? COLLATERAL_PCCS : COLLATERAL_PCS;
	snprintf(s->at, sizeof s->at, "%s", text);
	for (n = strlen(s->at); n && s->at[n - 1] == '/'; n--)
		s->at[n - 1] = '\0';
	url_mask(masked, sizeof masked, text);
	snprintf(s->name, sizeof s->name, "%s%s", pccs ? PCCS_PREFIX : "", masked);
	return true;
}

bool collateral_sources_parse(struct collateral_source out[COLLATERAL_SOURCES_MAX], size_t *n,
			      const char *text, struct why *why)
{
	char *copy = strdup(text), *save = NULL, *one;
	bool ok = copy != NULL;

	*n = 0;
	if (!ok)
		why_set(why, "out of memory");
	for (one = ok ? strtok_r(copy, ", ", &save) : NULL; one && ok;
	     one = strtok_r(NULL, ", ", &save)) {
		if (*n == COLLATERAL_SOURCES_MAX) {
			why_set(why, "more than %d sources", COLLATERAL_SOURCES_MAX);
			ok = false;
		} else if (strlen(one) >= sizeof out->at) {
			why_set(why, "a source of %zu characters is too long", strlen(one));
			ok = false;
		} else {
			ok = parse_one(&out[*n], one, why);
			*n += ok;
		}
	}
	if (ok && !*n) {
		why_set(why, "no source is named");
		ok = false;
	}
	free(copy);
	return ok;
}
