#include "coordinator/cli/show.h"

#include "coordinator/cli/columns.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *show_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s && *s ? s : "-";
}

long long show_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *show_duration(char out[24], long long s)
{
	if (s < 120)
		snprintf(out, 24, "%lld s", s);
	else if (s < 7200)
		snprintf(out, 24, "%lld min", s / 60);
	else if (s < 172800)
		snprintf(out, 24, "%lld h", s / 3600);
	else
		snprintf(out, 24, "%lld d", s / 86400);
	return out;
}

#define AGE_SIZE 32

/* How long ago a moment in milliseconds was: "12 s ago", "never". */
static const char *age(char out[AGE_SIZE], long long ms)
{
	const long long s = (long long)time(NULL) - ms / 1000;
	char duration[24];

	if (ms <= 0)
		return "never";
	snprintf(out, AGE_SIZE, "%s ago", show_duration(duration, s > 0 ? s : 0));
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

/* Of the names by which it can be revoked those of its platform. */
static void platform_names(char out[200], const json_t *names)
{
	const json_t *name;
	size_t i, n = 0;

	out[0] = '\0';
	json_array_foreach (names, i, name) {
		const char *text = json_string_value(name);

		if (text && n < 199 &&
		    (strncmp(text, "ppid:", 5) == 0 || strncmp(text, "fmspc:", 6) == 0))
			n += (size_t)snprintf(out + n, 200 - n, "%s%s", n ? ", " : "platform ",
					      text);
	}
}

static const char *or_nothing(const char *text)
{
	return *text == '-' ? "" : text;
}

static json_t *prover_row(const json_t *p)
{
	char names[200];

	const json_t *e = json_object_get(p, "evidence");
	char seen[AGE_SIZE], proof[AGE_SIZE], proofs[24], ahead[600] = "";

	snprintf(proofs, sizeof proofs, "%lld", show_number(p, "proofs"));
	if (*show_text(e, "ahead") != '-')
		snprintf(ahead, sizeof ahead, "at the next TCB recovery: %s",
			 show_text(e, "ahead"));
	platform_names(names, json_object_get(p, "names"));
	return json_pack(
	    "[s, s, s, s, s, s, s, s, s, s, s]", show_text(p, "signer"), show_text(e, "tcb_status"),
	    show_text(e, "valid_to"), age(seen, show_number(p, "last_seen_ms")),
	    age(proof, show_number(p, "last_proof_ms")), proofs, show_text(p, "source"),
	    show_text(p, "state"), ahead, or_nothing(show_text(e, "contract")), names);
}

static json_t *evidence_row(const json_t *p)
{
	const json_t *e = json_object_get(p, "evidence");
	char number[24], quote[17], ahead[600] = "";

	snprintf(number, sizeof number, "%lld", show_number(e, "tcb_evaluation_number"));
	snprintf(quote, sizeof quote, "%s", show_text(e, "quote_sha256"));
	if (*show_text(e, "ahead") != '-')
		snprintf(ahead, sizeof ahead, "at the next TCB recovery: %s",
			 show_text(e, "ahead"));
	return json_pack("[s, s, s, s, s, s, s, s]", show_text(p, "signer"),
			 show_text(e, "tcb_status"), show_text(e, "tcb_date"), number,
			 show_text(e, "fmspc"), show_text(e, "valid_to"), quote, ahead);
}

static json_t *rows_of(const json_t *list, json_t *(*row)(const json_t *))
{
	json_t *rows = json_array();
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		json_array_append_new(rows, row(one));
	return rows;
}

void show_provers(const json_t *answer)
{
	static const char *const heads[] = {"KEY",        "TCB",    "EVIDENCE UNTIL", "SETUP",
					    "LAST PROOF", "PROOFS", "FROM",           "STATE"};

	columns_print(heads, 8, rows_of(json_object_get(answer, "provers"), prover_row),
		      "no prover has registered here");
}

static json_t *platform_row(const json_t *p)
{
	char to[64], next[64], number[24], failed[600] = "";

	snprintf(number, sizeof number, "%lld", show_number(p, "tcb_evaluation_number"));
	snprintf(to, sizeof to, "%s%s", show_text(p, "valid_to"),
		 json_is_true(json_object_get(p, "stale")) ? " (STALE)" : "");
	snprintf(next, sizeof next, "%s",
		 json_is_true(json_object_get(p, "fetching")) ? "being fetched now"
							      : show_text(p, "refresh_at"));
	if (*show_text(p, "last_failure") != '-')
		snprintf(failed, sizeof failed, "last fetch failed: %s",
			 show_text(p, "last_failure"));
	return json_pack("[s, s, s, s, s, s, s]", show_text(p, "platform"),
			 show_text(p, "valid_from"), to, number, next, show_text(p, "source"),
			 failed);
}

static void show_platforms(const json_t *list)
{
	static const char *const heads[] = {"PLATFORM",   "VALID FROM",   "VALID TO",
					    "EVALUATION", "NEXT REFRESH", "SOURCE"};

	columns_print(heads, 6, rows_of(list, platform_row), "none is known yet");
}

static json_t *source_row(const json_t *s)
{
	const json_t *answers = json_object_get(s, "answers"), *n;
	char counts[160] = "", failed[600] = "";
	const char *outcome;
	size_t used = 0;

	json_object_foreach ((json_t *)answers, outcome, n)
		if (used < sizeof counts)
			used += (size_t)snprintf(counts + used, sizeof counts - used, "%s%s %lld",
						 used ? ", " : "", outcome,
						 (long long)json_integer_value(n));
	if (*show_text(s, "last_failure") != '-')
		snprintf(failed, sizeof failed, "last failure: %s", show_text(s, "last_failure"));
	return json_pack("[s, s, s, s]", show_text(s, "source"), show_text(s, "rests_until"),
			 *counts ? counts : "none yet", failed);
}

void show_collateral(const json_t *answer)
{
	static const char *const heads[] = {"SOURCE", "RESTS UNTIL", "ANSWERS"};

	puts("Platforms:");
	show_platforms(json_object_get(answer, "platforms"));
	puts("\nSources:");
	columns_print(heads, 3, rows_of(json_object_get(answer, "sources"), source_row),
		      "none is set");
}

static json_t *item_row(const json_t *item)
{
	return json_pack("[s, s]", show_text(item, "what"), show_text(item, "state"));
}

void show_tcb_status(const json_t *answer)
{
	static const char *const heads[] = {
	    "KEY", "TCB", "TCB DATE", "EVALUATION", "FMSPC", "EVIDENCE UNTIL", "QUOTE"};
	static const char *const pieces[] = {"PIECE", "STATE"};
	const json_t *chain = json_object_get(answer, "on_chain");

	puts("Provers:");
	columns_print(heads, 7, rows_of(json_object_get(answer, "provers"), evidence_row),
		      "none has shown a quote");
	puts("\nCollateral here:");
	show_platforms(json_object_get(answer, "platforms"));
	printf("\nCollateral on chain (%s):\n", show_text(chain, "stack"));
	if (*show_text(chain, "at") != '-')
		printf("  now: %s\n", show_text(chain, "at"));
	if (*show_text(chain, "verdict") != '-')
		printf("  verdict: %s\n", show_text(chain, "verdict"));
	columns_print(pieces, 2, rows_of(json_object_get(chain, "items"), item_row),
		      "  not read yet: it is when a quote is registered");
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
	const char *status = show_text(check, "status");

	if (strcmp(status, "fail") != 0)
		return;
	printf("  %-26s not true: %s: %s\n", show_text(check, "check"), show_text(check, "claim"),
	       show_text(check, "reason"));
	show_value(check, "got");
	show_value(check, "want");
}

static bool any_failed(const json_t *checks)
{
	const json_t *check;
	size_t i;

	json_array_foreach (checks, i, check)
		if (strcmp(show_text(check, "status"), "fail") == 0)
			return true;
	return false;
}

static const char *moment(char out[32], const json_t *answer)
{
	const time_t at = (time_t)show_number(answer, "at");
	struct tm when;

	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &when));
	return out;
}

static json_t *verdict_row(const json_t *v)
{
	char hash[17], text[32];

	snprintf(hash, sizeof hash, "%s", show_text(v, "quote_sha256"));
	return json_pack("[s, s, s, s, s]", hash, moment(text, v), show_text(v, "answer"),
			 show_text(v, "source"), show_text(v, "reason"));
}

static json_t *revocation_row(const json_t *r)
{
	char at[AGE_SIZE], keys[24];

	snprintf(keys, sizeof keys, "%zu", json_array_size(json_object_get(r, "keys")));
	return json_pack("[s, s, s]", show_text(r, "what"), age(at, show_number(r, "at_ms")), keys);
}

void show_revocations(const json_t *answer)
{
	static const char *const heads[] = {"REVOKED", "SINCE", "KEYS KEPT HERE"};

	columns_print(heads, 3, rows_of(json_object_get(answer, "revocations"), revocation_row),
		      "nothing is revoked");
}

void show_verdicts(const json_t *answer)
{
	static const char *const heads[] = {"QUOTE", "WHEN", "ANSWER", "TO", "REASON"};

	columns_print(heads, 5, rows_of(json_object_get(answer, "verdicts"), verdict_row),
		      "no verdict on a quote is kept");
}

void show_verdict(const json_t *answer)
{
	const json_t *verdict = json_object_get(answer, "verdict");
	char text[32];

	moment(text, answer);
	printf("quote     %s\n", show_text(answer, "quote_sha256"));
	printf("answer    %s, %s, to %s\n", show_text(answer, "answer"), text,
	       show_text(answer, "source"));
	printf("key       %s\n", show_text(answer, "signer"));
	if (*show_text(answer, "reason") != '-')
		printf("reason    %s\n", show_text(answer, "reason"));
	if (*show_text(answer, "contract") != '-')
		printf("contract  %s\n", show_text(answer, "contract"));
	if (!json_is_object(verdict))
		return;
	if (strcmp(show_text(verdict, "tcb_status"), "NotEvaluated") != 0)
		printf("TCB       %s, collateral good until %s\n", show_text(verdict, "tcb_status"),
		       show_text(verdict, "collateral_valid_to"));
	if (!any_failed(json_object_get(verdict, "checks"))) {
		puts("checks    none of Intel's failed");
		return;
	}
	puts("failed checks:");
	show_list(json_object_get(verdict, "checks"), "  none was made", show_check);
}
