#include "coordinator/verdicts/policy.h"

#include "coordinator/base/file.h"

#include <stdlib.h>

#define POLICY_BYTES (1u << 20)

struct policy *policy_ref(struct policy *p)
{
	p->refs++;
	return p;
}

void policy_unref(struct policy *p)
{
	if (p && --p->refs == 0)
		free(p);
}

struct policy *policy_load(const char *path, struct why *why)
{
	struct policy *p = calloc(1, sizeof *p);
	struct tdxv_why reason = {""};
	struct buf text;

	if (!p) {
		why_set(why, "out of memory");
		return NULL;
	}
	p->refs = 1;
	tdxv_policy_default(&p->policy);
	if (!path[0])
		return p;
	buf_init(&text, POLICY_BYTES);
	if (!file_read(&text, path, why))
		goto failed;
	if (tdxv_policy_parse(&p->policy, (const char *)text.p, text.len, &reason) != TDXV_OK) {
		why_set(why, "the policy file %s: %s", path, reason.text);
		goto failed;
	}
	buf_free(&text);
	return p;
failed:
	buf_free(&text);
	free(p);
	return NULL;
}
