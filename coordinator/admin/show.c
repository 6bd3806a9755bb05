#include "coordinator/admin/show.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s && *s ? s : "-";
}

static long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* How long ago a moment in milliseconds was: "12 s", "3 h". */
static const char *age(char out[24], long long ms)
{
	long long s = (long long)time(NULL) - ms / 1000;

	if (ms <= 0)
		return "never";
	if (s < 120)
		snprintf(out, 24, "%lld s ago", s > 0 ? s : 0);
	else if (s < 7200)
		snprintf(out, 24, "%lld min ago", s / 60);
	else if (s < 172800)
		snprintf(out, 24, "%lld h ago", s / 3600);
	else
		snprintf(out, 24, "%lld d ago", s / 86400);
	return out;
}

static void show_list(const json_t *list, const char *nothing, void (*show)(const json_t *))
{
	const json_t *row;
	size_t i;

	if (json_array_size(list) == 0)
		puts(nothing);
	json_array_foreach (list, i, row)
		show(row);
}

/* Of the names by which it can be revoked those that fit a line. */
static void show_names(const json_t *names)
{
	const json_t *name;
	const char *text;
	size_t i, n = 0;

	json_array_foreach (names, i, name) {
		text = json_string_value(name);
		if (text && (strncmp(text, "ppid:", 5) == 0 || strncmp(text, "fmspc:", 6) == 0))
			printf("%s%s", n++ ? ", " : "    platform ", text);
	}
	if (n)
		putchar('\n');
}

static void show_prover(const json_t *p)
{
	const json_t *evidence = json_object_get(p, "evidence");
	char seen[24], proof[24];

	printf("%s  %s\n", text_of(p, "signer"), text_of(p, "state"));
	printf("    from %s, setup %s, last proof %s, %lld proofs\n", text_of(p, "source"),
	       age(seen, number_of(p, "last_seen_ms")), age(proof, number_of(p, "last_proof_ms")),
	       number_of(p, "proofs"));
	if (json_is_object(evidence))
		printf("    TCB %s of %s (evaluation %lld), FMSPC %s, evidence good until %s\n"
		       "    quote %.16s\n",
		       text_of(evidence, "tcb_status"), text_of(evidence, "tcb_date"),
		       number_of(evidence, "tcb_evaluation_number"), text_of(evidence, "fmspc"),
		       text_of(evidence, "valid_to"), text_of(evidence, "quote_sha256"));
	if (*text_of(evidence, "contract") != '-')
		printf("    %s\n", text_of(evidence, "contract"));
	show_names(json_object_get(p, "names"));
	if (*text_of(evidence, "ahead") != '-')
		printf("    at the next TCB recovery: %s\n", text_of(evidence, "ahead"));
}

static void show_revocation(const json_t *row)
{
	char at[24];

	printf("%s  %s, keys kept here: %zu\n", text_of(row, "what"),
	       age(at, number_of(row, "at_ms")), json_array_size(json_object_get(row, "keys")));
}

void show_revocations(const json_t *answer)
{
	show_list(json_object_get(answer, "revocations"), "nothing is revoked", show_revocation);
}

void show_provers(const json_t *answer)
{
	show_list(json_object_get(answer, "provers"), "no prover has registered here", show_prover);
}

static void show_platform(const json_t *p)
{
	printf("%s  %s to %s%s, evaluation %lld, from %s\n", text_of(p, "platform"),
	       text_of(p, "valid_from"), text_of(p, "valid_to"),
	       json_is_true(json_object_get(p, "stale")) ? " (STALE)" : "",
	       number_of(p, "tcb_evaluation_number"), text_of(p, "source"));
	printf("    next refresh %s%s\n", text_of(p, "refresh_at"),
	       json_is_true(json_object_get(p, "fetching")) ? ", being fetched now" : "");
	if (*text_of(p, "last_failure") != '-')
		printf("    last fetch failed: %s\n", text_of(p, "last_failure"));
}

static void show_source(const json_t *s)
{
	const json_t *answers = json_object_get(s, "answers"), *n;
	const char *outcome;

	printf("%s ", text_of(s, "source"));
	json_object_foreach ((json_t *)answers, outcome, n)
		printf(" %s %lld", outcome, (long long)json_integer_value(n));
	if (*text_of(s, "rests_until") != '-')
		printf(", rests until %s", text_of(s, "rests_until"));
	putchar('\n');
	if (*text_of(s, "last_failure") != '-')
		printf("    last failure: %s\n", text_of(s, "last_failure"));
}

void show_collateral(const json_t *answer)
{
	puts("Platforms:");
	show_list(json_object_get(answer, "platforms"), "none is known yet", show_platform);
	puts("\nSources:");
	show_list(json_object_get(answer, "sources"), "none is set", show_source);
}

static void show_item(const json_t *item)
{
	printf("  %-34s %s\n", text_of(item, "what"), text_of(item, "state"));
}

void show_tcb_status(const json_t *answer)
{
	const json_t *chain = json_object_get(answer, "on_chain");

	puts("Provers:");
	show_list(json_object_get(answer, "provers"), "none has shown a quote", show_prover);
	puts("\nCollateral here:");
	show_list(json_object_get(answer, "platforms"), "none is known yet", show_platform);
	printf("\nCollateral on chain (%s):\n", text_of(chain, "stack"));
	if (*text_of(chain, "at") != '-')
		printf("  now: %s\n", text_of(chain, "at"));
	if (*text_of(chain, "verdict") != '-')
		printf("  verdict: %s\n", text_of(chain, "verdict"));
	show_list(json_object_get(chain, "items"),
		  "  not read yet: it is when a quote is registered", show_item);
}

static void show_value(const json_t *check, const char *key)
{
	const json_t *value = json_object_get(check, key);
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)value, name, v)
		if (json_is_string(v))
			printf("%*s%s: %s\n", 38, "", name, json_string_value(v));
}

static void show_check(const json_t *check)
{
	const char *status = text_of(check, "status");

	if (strcmp(status, "fail") != 0)
		return;
	printf("  %-26s not true: %s: %s\n", text_of(check, "check"), text_of(check, "claim"),
	       text_of(check, "reason"));
	show_value(check, "got");
	show_value(check, "want");
}

static bool any_failed(const json_t *checks)
{
	const json_t *check;
	size_t i;

	json_array_foreach (checks, i, check)
		if (strcmp(text_of(check, "status"), "fail") == 0)
			return true;
	return false;
}

void show_verdict(const json_t *answer)
{
	const json_t *verdict = json_object_get(answer, "verdict");
	time_t at = (time_t)number_of(answer, "at");
	struct tm when;
	char text[32];

	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &when));
	printf("quote     %s\n", text_of(answer, "quote_sha256"));
	printf("answer    %s, %s, to %s\n", text_of(answer, "answer"), text,
	       text_of(answer, "source"));
	printf("key       %s\n", text_of(answer, "signer"));
	if (*text_of(answer, "reason") != '-')
		printf("reason    %s\n", text_of(answer, "reason"));
	if (*text_of(answer, "contract") != '-')
		printf("contract  %s\n", text_of(answer, "contract"));
	if (!json_is_object(verdict))
		return;
	if (strcmp(text_of(verdict, "tcb_status"), "NotEvaluated") != 0)
		printf("TCB       %s, collateral good until %s\n", text_of(verdict, "tcb_status"),
		       text_of(verdict, "collateral_valid_to"));
	if (!any_failed(json_object_get(verdict, "checks"))) {
		puts("checks    none of Intel's failed");
		return;
	}
	puts("failed checks:");
	show_list(json_object_get(verdict, "checks"), "  none was made", show_check);
}
