#include "coordinator/inputs/commit_hash.h"

#include "protocol/proofdata.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct commit_hash_rule {
	regex_t regex;
	char pattern[256]; /* for sentences */
};

bool commit_hash_rule_new(struct commit_hash_rule **out, const char *pattern, struct why *why)
{
	struct commit_hash_rule *rule = calloc(1, sizeof *rule);
	char reason[128];
	int rc;

	*out = NULL;
	if (!rule) {
		why_set(why, "out of memory");
		return false;
	}
	rc = regcomp(&rule->regex, pattern, REG_EXTENDED | REG_NOSUB);
	if (rc != 0) {
		regerror(rc, &rule->regex, reason, sizeof reason);
		why_set(why, "the commit hash pattern \"%.100s\" is none: %s", pattern, reason);
		free(rule);
		return false;
	}
	snprintf(rule->pattern, sizeof rule->pattern, "%s", pattern);
	*out = rule;
	return true;
}

void commit_hash_rule_free(struct commit_hash_rule *rule)
{
	if (!rule)
		return;
	regfree(&rule->regex);
	free(rule);
}

bool commit_hash_ok(const struct commit_hash_rule *rule, const char *hash, struct why *why)
{
	if (strlen(hash) <= COMMIT_HASH_MAX && regexec(&rule->regex, hash, 0, NULL, 0) == 0)
		return true;
	why_set(why, "commit hash \"%.80s\" does not match %s", hash, rule->pattern);
	return false;
}
