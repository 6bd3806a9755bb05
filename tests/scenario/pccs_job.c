/*
 * pccs_job ENTRY NOW TCB_ISSUED LIST_ISSUED -- one job of pccs over stdin and stdout, with forged
 * collateral, so that a test can let it meet real contracts. The list of evaluation numbers is left
 * out when its date is "-".
 *
 *     < quote HEX                              of the platform that the collateral is for
 *     < leaf HEX                               the same with the PCK certificate alone
 *     < read ADDRESS HEX    > ok HEX | reverted HEX | failed
 *     < send ADDRESS HEX    > mined | reverted HEX
 *     < item STATE NAME: TEXT
 *     < ready|refused|wait STACK NUMBER SENTENCE
 */
#include "../unit/verifier/forge.h"
#include "coordinator/dcap/onchain_pccs.h"
#include "coordinator/dcap/quote_call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 65536

static void print_bytes(const char *words, struct span data)
{
	char *hex = malloc(2 * data.n + 1);

	if (!hex)
		abort();
	hex_encode(hex, data.p, data.n);
	printf("%s 0x%s\n", words, hex);
	fflush(stdout);
	free(hex);
}

static void print_call(const char *word, const struct eth_address *to, struct span data)
{
	char address[ETH_ADDRESS_TEXT_SIZE], words[64];

	eth_address_print(address, to);
	snprintf(words, sizeof words, "%s %s", word, address);
	print_bytes(words, data);
}

/* Reads one answer; data receives the bytes behind the word. */
static void read_line(char *word, size_t size, struct buf *data)
{
	static char line[LINE];
	char *space;

	data->len = 0;
	if (!fgets(line, sizeof line, stdin))
		exit(2);
	line[strcspn(line, "\n")] = '\0';
	space = strchr(line, ' ');
	if (space) {
		*space = '\0';
		if (!hex_decode_buf(data, space + 1, strlen(space + 1)))
			exit(2);
	}
	snprintf(word, size, "%.15s", line);
}

static void answer_reads(struct pccs *p, const struct pccs_step *step, struct buf *data)
{
	for (size_t i = 0; i < step->n_reads; i++) {
		char word[16];
		enum pccs_answer a;

		print_call("read", &step->reads[i].to, step->reads[i].calldata);
		read_line(word, sizeof word, data);
		a = strcmp(word, "ok") == 0         ? PCCS_OK
		    : strcmp(word, "reverted") == 0 ? PCCS_REVERTED
						    : PCCS_FAILED;
		pccs_answer(p, i, a, buf_span(data), "the test says so");
	}
}

static void make_send(struct pccs *p, const struct pccs_step *step, struct buf *data)
{
	char word[16];

	fprintf(stderr, "%u of %u: %s\n", step->order, step->of, step->name);
	print_call("send", &step->to, step->calldata);
	read_line(word, sizeof word, data);
	pccs_sent(p, strcmp(word, "mined") == 0 ? PCCS_MINED : PCCS_SEND_REVERTED, buf_span(data),
		  NULL);
}

static void print_end(const struct pccs *p, const struct pccs_step *step, const struct why *why,
		      int64_t now)
{
	static const char *const states[] = {"unread", "absent", "expired", "expiring", "fresh"};
	const char *word = step->kind == PCCS_READY     ? "ready"
			   : step->kind == PCCS_REFUSED ? "refused"
							: "wait";
	struct pccs_item item;

	for (size_t i = 0; pccs_describe(p, i, now, &item); i++)
		printf("item %s %s: %s\n", states[item.state], item.name, item.text);
	printf("%s %d %" PRIu32 " %s\n", word, (int)pccs_stack(p), pccs_wanted_evaluation_number(p),
	       why->text);
}

int main(int argc, char **argv)
{
	const struct pccs_settings settings = {.margin_s = FORGE_DAY, .enabled = true};
	struct pccs_job job = {.ca = PCCS_PLATFORM};
	char numbers[1024];
	struct pccs_step step;
	struct forged forged;
	struct forge forge;
	struct buf data;
	struct why why;
	struct pccs *p = pccs_new(&settings);
	int64_t now;

	if (argc != 5 || !p || !eth_address_parse(&job.entry, argv[1], NULL))
		return 2;
	now = strtoll(argv[2], NULL, 10);
	buf_init(&data, LINE);
	forge_init(&forge);
	forge.tcb_issued = forge.qe_issued = argv[3];
	forge_build(&forged, &forge);
	forged_input(&job.pieces, &forged);
	memcpy(job.fmspc, forge.fmspc, sizeof job.fmspc);
	snprintf(numbers, sizeof numbers,
		 "{\"tcbEvaluationDataNumbers\":{\"id\":\"TDX\",\"version\":1,\"issueDate\":\"%s\","
		 "\"nextUpdate\":\"2026-03-01T00:00:00Z\",\"tcbEvalNumbers\":["
		 "{\"tcbEvaluationDataNumber\":18,\"tcbRecoveryEventDate\":\"2025-08-12T00:00:"
		 "00Z\",\"tcbDate\":\"2025-08-13T00:00:00Z\"},"
		 "{\"tcbEvaluationDataNumber\":17,\"tcbRecoveryEventDate\":\"2024-03-12T00:00:"
		 "00Z\",\"tcbDate\":\"2024-03-13T00:00:00Z\"}]},"
		 "\"signature\":\"%0128d\"}",
		 argv[4], 0);
	if (strcmp(argv[4], "-") != 0)
		job.evaluation_numbers =
		    (struct tdxv_bytes){(const uint8_t *)numbers, strlen(numbers)};
	print_bytes("quote", buf_span(&forged.quote));
	if (!quote_call_quote(&data, buf_span(&forged.quote), true, NULL))
		return 2;
	print_bytes("leaf", buf_span(&data));

	pccs_begin(p, &job, &why);
	for (;;) {
		pccs_next(p, now, &step, &why);
		if (step.kind == PCCS_READ)
			answer_reads(p, &step, &data);
		else if (step.kind == PCCS_SEND)
			make_send(p, &step, &data);
		else
			break;
	}
	print_end(p, &step, &why, now);
	buf_free(&data);
	forged_free(&forged);
	forge_keys_free();
	pccs_free(p);
	return 0;
}
