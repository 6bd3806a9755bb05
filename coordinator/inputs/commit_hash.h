/*
 * commit_hash.h -- which commit hashes there can be: a pattern of the operator's.
 */
#ifndef COORDINATOR_INPUTS_COMMIT_HASH_H
#define COORDINATOR_INPUTS_COMMIT_HASH_H

#include "encoding/why.h"

#include <stdbool.h>

struct commit_hash_rule;

/* pattern: a POSIX extended regular expression. False with the sentence; *out is NULL. */
bool commit_hash_rule_new(struct commit_hash_rule **out, const char *pattern, struct why *why);
void commit_hash_rule_free(struct commit_hash_rule *rule);
/* False with the sentence, which names hash and pattern. */
bool commit_hash_ok(const struct commit_hash_rule *rule, const char *hash, struct why *why);

#endif
