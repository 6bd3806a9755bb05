/*
 * decode [MEGABYTES]: what a large ProofSubmit costs: the scan on its way in, then the decoder.
 * Prints the CPU time of one message, the least of several rounds. With a FILE beside it the
 * message is written there, for whoever wants to give it to another parser.
 */
#include "encoding/json_scan.h"
#include "protocol/proofdata.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 15

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void make_message(struct buf *out, size_t size)
{
	unsigned seed = 1;

	buf_add_str(out, "{\"ProofSubmit\":{\"id\":1,\"proof\":{\"Proof\":{\"prover_type\":\"SP1\","
			 "\"proof\":[7");
	while (out->len < size)
		buf_printf(out, ",%u", (unsigned)rand_r(&seed) >> 8 & 0xff);
	buf_add_str(out, "]}}}}");
}

static double scan(struct span text)
{
	double start = cpu_ms();
	struct json_scan s;
	size_t at;

	json_scan_init(&s, 128, false);
	/* As it comes from the network. */
	for (at = 0; at < text.n; at += 65536)
		json_scan_feed(&s, text.p + at, text.n - at < 65536 ? text.n - at : 65536, NULL);
	return json_scan_end(&s, NULL) == JSON_SCAN_DONE ? cpu_ms() - start : -1;
}

static double decode(struct span text)
{
	const struct proto_limits limits = {.proof_max = text.n, .payload_max = 1};
	double start = cpu_ms(), took;
	struct proofdata m;

	if (proofdata_decode_scanned(&m, text, &limits, NULL) != PROTO_OK)
		return -1;
	took = cpu_ms() - start;
	proofdata_free(&m);
	return took;
}

static double least(double (*work)(struct span), struct span text)
{
	double best = 1e9, took;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		took = work(text);
		if (took < 0)
			exit(1);
		best = took < best ? took : best;
	}
	return best;
}

int main(int argc, char **argv)
{
	size_t size = (argc > 1 ? strtoul(argv[1], NULL, 10) : 11) << 20;
	struct buf text;
	double scanned, decoded;
	FILE *f = argc > 2 ? fopen(argv[2], "w") : NULL;

	buf_init(&text, size + 4096);
	make_message(&text, size);
	if (f && (fwrite(text.p, 1, text.len, f) != text.len || fclose(f)))
		return 1;
	scanned = least(scan, buf_span(&text));
	decoded = least(decode, buf_span(&text));
	printf("bytes=%zu scan_ms=%.2f decode_ms=%.2f both_ms=%.2f\n", text.len, scanned, decoded,
	       scanned + decoded);
	buf_free(&text);
	return 0;
}
