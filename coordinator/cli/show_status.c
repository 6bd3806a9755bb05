/* What the daemon does and waits for, on one screen. */
#include "coordinator/cli/columns.h"
#include "coordinator/cli/show.h"
#include "encoding/words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WEI_DIGITS    18
#define SHOWN         6 /* digits of an ether after the point */
#define BLOCK_AHEAD_S 60

static bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static const char *mebibytes(char out[24], long long bytes)
{
	if (bytes < 1024)
		snprintf(out, 24, "%lld B", bytes);
	else if (bytes < 1024 * 1024)
		snprintf(out, 24, "%.1f KiB", (double)bytes / 1024);
	else
		snprintf(out, 24, "%.1f MiB", (double)bytes / (1024 * 1024));
	return out;
}

/* Wei in decimal, of any length, as ether; what is beyond the sixth place is cut. */
static const char *ether(char out[96], const char *wei)
{
	const size_t n = strlen(wei);
	char padded[128];

	if (n > 78 || strspn(wei, "0123456789") != n) {
		snprintf(out, 96, "?");
		return out;
	}
	snprintf(padded, sizeof padded, "%.*s%s", n > WEI_DIGITS ? 0 : (int)(WEI_DIGITS + 1 - n),
		 "0000000000000000000", wei);
	snprintf(out, 96, "%.*s.%.*s ETH", (int)(strlen(padded) - WEI_DIGITS), padded, SHOWN,
		 padded + strlen(padded) - WEI_DIGITS);
	return out;
}

static void show_head(const json_t *answer)
{
	const bool ready = is_true(answer, "ready");
	char up[24];

	printf("coordinator  %s%s%s, version %s, up %s\n", paint(ready ? PAINT_GOOD : PAINT_BAD),
	       ready ? "ready" : "NOT READY", paint(PAINT_PLAIN), show_text(answer, "version"),
	       show_duration(up, show_number(answer, "uptime_s")));
	if (is_true(answer, "tdx_dev_mode"))
		printf("             %sTDX development mode: nothing is attested%s\n",
		       paint(PAINT_BAD), paint(PAINT_PLAIN));
}

/* By this machine's clock, which is the daemon's. A block may be some seconds ahead. */
static void show_head_age(long long head_time)
{
	const long long age = (long long)time(NULL) - head_time;
	char text[24];

	if (head_time && age < -BLOCK_AHEAD_S)
		printf(", head %s AHEAD of this clock", show_duration(text, -age));
	else if (head_time)
		printf(", head %s old", show_duration(text, age < 0 ? 0 : age));
	putchar('\n');
}

static void show_l1(const json_t *l1)
{
	const bool readable = is_true(l1, "readable"), known = show_number(l1, "chain_id") != 0;
	const json_t *one;
	size_t i;

	printf("L1           %s%s%s, ", paint(readable ? PAINT_PLAIN : PAINT_BAD),
	       readable ? "readable" : "NOT READABLE", paint(PAINT_PLAIN));
	if (known)
		printf("chain %lld (L2 %lld)", show_number(l1, "chain_id"),
		       show_number(l1, "l2_chain_id"));
	else
		printf("chain not known yet");
	show_head_age(show_number(l1, "head_time"));
	if (*show_text(l1, "trouble") != '-')
		printf("             %s\n", show_text(l1, "trouble"));
	json_array_foreach (json_object_get(l1, "endpoints"), i, one) {
		printf("             %s %s, %lld ms", show_text(one, "endpoint"),
		       show_text(one, "state"), show_number(one, "latency_ms"));
		if (*show_text(one, "last_error") != '-')
			printf("; last error: %s", show_text(one, "last_error"));
		putchar('\n');
	}
	printf("batches      %lld committed, %lld verified on L1\n",
	       show_number(l1, "last_committed_batch"), show_number(l1, "last_verified_batch"));
	printf("needs        ");
	if (json_array_size(json_object_get(l1, "needs")) == 0)
		printf(known ? "no proofs" : "not known yet");
	json_array_foreach (json_object_get(l1, "needs"), i, one)
		printf("%s%s", i ? ", " : "",
		       json_string_value(one) ? json_string_value(one) : "?");
	if (*show_text(l1, "signer") != '-')
		printf("; the key on chain is %s", show_text(l1, "signer"));
	putchar('\n');
}

/* follows: it sends nothing, and reads no balance. */
static void show_funds(const json_t *funds, bool follows)
{
	const json_t *one;
	char text[96];
	size_t i;

	json_array_foreach (funds, i, one) {
		const char *wei = show_text(one, "balance_wei");
		const bool low = is_true(one, "low");

		printf("%s%-9s %s ", i ? "             " : "balances     ", show_text(one, "key"),
		       show_text(one, "address"));
		if (follows) {
			puts("is read by the coordinator that leads");
			continue;
		}
		printf("has %s%s%s\n", *wei == '-' ? "not been read yet" : ether(text, wei),
		       low ? paint(PAINT_BAD) : "", low ? ": LOW, fund it" : "");
		fputs(low ? paint(PAINT_PLAIN) : "", stdout);
	}
}

static void show_work(const json_t *work)
{
	const long long batches = show_number(work, "batches");
	char inputs[24], proofs[24];
	const json_t *one;
	size_t i;

	printf(
	    "kept         %lld batch%s, %lld input%s (%s), proofs of %s; %lld leased to provers\n",
	    batches, batches == 1 ? "" : "es", show_number(work, "inputs"),
	    words_s((uint64_t)show_number(work, "inputs")),
	    mebibytes(inputs, show_number(work, "input_bytes")),
	    mebibytes(proofs, show_number(work, "proof_bytes")), show_number(work, "leases"));
	json_array_foreach (json_object_get(work, "inputs_broken"), i, one)
		printf("             %sthe input of batch %lld for %s cannot be read: put it "
		       "again%s\n",
		       paint(PAINT_BAD), show_number(one, "batch"), show_text(one, "commit_hash"),
		       paint(PAINT_PLAIN));
	if (*show_text(work, "oldest_waiting") != '-')
		printf("waiting      %s\n", show_text(work, "oldest_waiting"));
}

/* "TDX leased to 10.0.0.7; RISC0 2 unjudged" */
static void types_of(char *out, size_t size, const json_t *types)
{
	const json_t *one;
	const char *name;
	size_t used = 0;

	out[0] = '\0';
	json_object_foreach ((json_t *)types, name, one) {
		if (used >= size)
			return;
		used += (size_t)snprintf(out + used, size - used, "%s%s ", used ? "; " : "", name);
		if (used >= size)
			return;
		if (is_true(one, "done"))
			used += (size_t)snprintf(out + used, size - used, "proven");
		else if (*show_text(one, "leased_to") != '-')
			used += (size_t)snprintf(out + used, size - used, "leased to %s",
						 show_text(one, "leased_to"));
		else
			used += (size_t)snprintf(out + used, size - used, "open");
		if (used < size && show_number(one, "unjudged"))
			used += (size_t)snprintf(out + used, size - used, ", %lld unjudged",
						 show_number(one, "unjudged"));
		if (used < size && show_number(one, "bad"))
			used += (size_t)snprintf(out + used, size - used, ", %lld bad",
						 show_number(one, "bad"));
	}
}

static void show_batches(const json_t *list)
{
	static const char *const heads[] = {"BATCH", "STATE", "INPUT", "PROOFS"};
	json_t *rows = json_array();
	const json_t *b;
	size_t i;

	json_array_foreach (list, i, b) {
		const bool known = show_number(b, "input_bytes") > 0;
		char number[24], input[24], types[256];

		snprintf(number, sizeof number, "%lld", show_number(b, "batch"));
		types_of(types, sizeof types, json_object_get(b, "types"));
		json_array_append_new(
		    rows,
		    json_pack("[s, s, s, s]", number,
			      is_true(b, "verified")    ? "verified"
			      : is_true(b, "committed") ? "committed"
							: "not committed",
			      known ? mebibytes(input, show_number(b, "input_bytes")) : "missing",
			      types));
	}
	putchar('\n');
	columns_print(heads, 4, rows, "no batch is open");
}

/* The others in a table, where there may be any. */
static void show_others(const json_t *cluster)
{
	if (json_is_true(json_object_get(cluster, "shared"))) {
		putchar('\n');
		show_coordinators(cluster);
	}
}

void show_status(const json_t *answer)
{
	const json_t *cluster = json_object_get(answer, "cluster");
	const json_t *l1 = json_object_get(answer, "l1"), *work = json_object_get(answer, "work");

	show_head(answer);
	printf("cluster      %s\n", show_text(cluster, "says"));
	if (*show_text(cluster, "upstream") != '-')
		printf("upstream     %s\n", show_text(cluster, "upstream"));
	show_l1(l1);
	show_funds(json_object_get(l1, "funds"),
		   is_true(cluster, "shared") && !is_true(cluster, "leads"));
	show_work(work);
	printf("sender       %s\n", show_text(l1, "sender"));
	printf("next         %s\n", show_text(l1, "next"));
	show_others(cluster);
	show_batches(json_object_get(answer, "batches"));
}
