/*
 * policy.h -- the measurement policy of a file, shared with jobs that outlive a reload. Not for
 * several threads: counted on the loop.
 */
#ifndef COORDINATOR_VERDICTS_POLICY_H
#define COORDINATOR_VERDICTS_POLICY_H

#include "encoding/why.h"
#include "verifier/include/tdxverify.h"

struct policy {
	unsigned refs;
	struct tdxv_policy policy;
};

/* The default policy where path is empty. One reference is the caller's. NULL with the sentence. */
struct policy *policy_load(const char *path, struct why *why);
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p);

#endif
