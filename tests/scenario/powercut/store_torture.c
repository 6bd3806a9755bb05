/*
 * store_torture.c -- a store that works until it is killed, and the check of what is left.
 *
 *   store_torture run DIR      prints "ACK ID" for each proof and "INPUT SHA256" for each input,
 * after the store's callback and never before; does not end store_torture verify DIR   prints
 * "PROOF ID" and "INPUT SHA256" for what is there and whole; a sentence and status 1 when the store
 * does not open or load
 *
 * Bytes follow from the number of the proof or input, so that the check needs no memory of the run.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/store/input_file.h"
#include "coordinator/store/store.h"

#define SUBMITTERS       4
#define PROOF_MAX        6000
#define INPUT_MAX        60000
#define CHECKPOINT_PAGES 8 /* so that a short life folds the log back many times */

struct torture {
	uv_loop_t loop;
	struct store *store;
	const char *dir;
	uint64_t next; /* proof or input */
	uint64_t pending;
	struct buf ids; /* uint64_t each */
	bool damaged;
	struct input_writer *writer;
	uint64_t input_batch;
	uint8_t input_sha256[32];
};

static void die(const char *what, const struct why *why)
{
	fprintf(stderr, "store_torture: %s: %s\n", what, why->text);
	exit(1);
}

/* One write(2) a line: a line that the reader has was printed before the kill. */
static void say(const char *word, const char *value)
{
	char line[128];
	int n = snprintf(line, sizeof line, "%s %s\n", word, value);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		exit(1);
}

static void say_id(const char *word, uint64_t id)
{
	char text[32];

	snprintf(text, sizeof text, "%lu", id);
	say(word, text);
}

static uint32_t mix(uint64_t x)
{
	x = (x ^ 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
	return (uint32_t)(x >> 29);
}

static size_t proof_bytes(uint64_t id, uint8_t out[PROOF_MAX])
{
	size_t i, n = 100 + mix(id) % (PROOF_MAX - 100);

	for (i = 0; i < n; i++)
		out[i] = (uint8_t)mix(id * 65536 + i);
	return n;
}

static size_t input_bytes(uint64_t number, char out[INPUT_MAX])
{
	size_t i, n = (size_t)sprintf(out, "{\"input\":%lu,\"filler\":\"", number);
	size_t end = n + mix(number) % (INPUT_MAX - 100);

	for (i = n; i < end; i++)
		out[i] = (char)('a' + mix(number * 65536 + i) % 26);
	out[i++] = '"';
	out[i++] = '}';
	return i;
}

/* ---- run ---- */

struct submission {
	struct torture *t;
	uint64_t id;
};

static void submit_proof(struct submission *s);

static void on_proof_stored(void *arg, enum store_rc rc, const struct why *why)
{
	struct submission *s = arg;

	if (rc != STORE_OK)
		die("proof", why);
	say_id("ACK", s->id);
	submit_proof(s);
}

static void submit_proof(struct submission *s)
{
	struct store_change c[2] = {{.kind = CHANGE_PROOF_PUT}, {.kind = CHANGE_FACT_PUT}};
	static uint8_t bytes[PROOF_MAX];
	struct store_change lazy = {.kind = CHANGE_LEASE_PUT};

	s->id = s->t->next++;
	c[0].proof.id = c[0].proof.batch = s->id;
	c[0].proof.bytes = span_of(bytes, proof_bytes(s->id, bytes));
	c[1].fact.key = span_of("last", 4);
	c[1].fact.value = span_of(&s->id, sizeof s->id);
	if (store_commit(s->t->store, c, 2, on_proof_stored, s) != STORE_OK)
		exit(1);
	lazy.lease.batch = s->id % 16;
	lazy.lease.expires_ms = s->id;
	store_commit_lazy(s->t->store, &lazy, 1);
}

static void start_input(struct torture *t);

static void on_input_stored(void *arg, enum store_rc rc, const struct why *why)
{
	struct torture *t = arg;
	char hex[65];

	if (rc != STORE_OK)
		die("input", why);
	hex_encode(hex, t->input_sha256, 32);
	say("INPUT", hex);
	start_input(t);
}

static void on_input_finished(void *arg, enum input_rc rc, const uint8_t sha256[32], uint64_t size,
			      const struct why *why)
{
	struct store_change c = {.kind = CHANGE_INPUT_PUT};
	struct torture *t = arg;

	if (rc != INPUT_OK)
		die("input file", why);
	memcpy(t->input_sha256, sha256, 32);
	c.input.batch = t->input_batch;
	c.input.commit_hash = span_of("torture", 7);
	c.input.size = size;
	memcpy(c.input.sha256, sha256, 32);
	if (store_commit(t->store, &c, 1, on_input_stored, t) != STORE_OK)
		exit(1);
}

static void on_input_written(void *arg, enum input_rc rc, const struct why *why)
{
	struct torture *t = arg;

	if (rc != INPUT_OK)
		die("input file", why);
	input_writer_finish(t->writer, on_input_finished, t);
}

static void start_input(struct torture *t)
{
	struct input_limits limits = {.max_bytes = INPUT_MAX, .depth_max = 4};
	static char bytes[INPUT_MAX];
	size_t n;

	t->input_batch = t->next++;
	n = input_bytes(t->input_batch, bytes);
	t->writer = input_writer_new(&t->loop, t->dir, &limits);
	if (!t->writer)
		exit(1);
	input_writer_write(t->writer, bytes, n, on_input_written, t);
}

static void run(struct torture *t)
{
	struct submission submissions[SUBMITTERS];
	size_t i;

	for (i = 0; i < SUBMITTERS; i++) {
		submissions[i] = (struct submission){.t = t};
		submit_proof(&submissions[i]);
	}
	start_input(t);
	uv_run(&t->loop, UV_RUN_DEFAULT);
}

/* ---- verify ---- */

static void on_proof_read(void *arg, enum store_rc rc, const struct store_proof *p,
			  const struct why *why)
{
	static uint8_t want[PROOF_MAX];
	struct torture *t = arg;

	if (rc != STORE_OK)
		die("reading a proof", why);
	if (span_eq(p->bytes, span_of(want, proof_bytes(p->id, want)))) {
		say_id("PROOF", p->id);
	} else {
		fprintf(stderr, "store_torture: proof %lu has other bytes\n", p->id);
		t->damaged = true;
	}
	t->pending--;
}

/* Only noted: a read may not run beside the load. */
static bool note_proof(void *arg, const struct store_proof *row, struct why *why)
{
	struct torture *t = arg;

	if (row->id >= t->next)
		t->next = row->id + 1;
	why_set(why, "too many proofs");
	return buf_add(&t->ids, &row->id, sizeof row->id);
}

static bool note_input(void *arg, const struct store_input *row, struct why *why)
{
	struct torture *t = arg;

	(void)why;
	if (row->batch >= t->next)
		t->next = row->batch + 1;
	return true;
}

static bool see_input(void *arg, const struct store_input *row, struct why *why)
{
	static uint8_t bytes[INPUT_MAX];
	struct torture *t = arg;
	uint8_t sha256[32];
	struct why note;
	char hex[65];
	ssize_t n;
	int fd = -1;

	(void)why;
	if (input_file_open(&fd, t->dir, row->sha256, row->size, &note) != INPUT_OK)
		fd = -1;
	n = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1;
	hex_encode(hex, row->sha256, 32);
	if (n >= 0 && (uint64_t)n == row->size &&
	    EVP_Digest(bytes, (size_t)n, sha256, NULL, EVP_sha256(), NULL) &&
	    memcmp(sha256, row->sha256, 32) == 0) {
		say("INPUT", hex);
	} else {
		fprintf(stderr, "store_torture: the row of input %s has no file with its content\n",
			hex);
		t->damaged = true;
	}
	if (fd >= 0)
		close(fd);
	return true;
}

static void verify(struct torture *t)
{
	size_t i;

	for (i = 0; i < t->ids.len; i += sizeof(uint64_t)) {
		uint64_t id;

		memcpy(&id, t->ids.p + i, sizeof id);
		t->pending++;
		if (store_read_proof(t->store, id, on_proof_read, t) != STORE_OK)
			exit(1);
	}
	while (t->pending)
		uv_run(&t->loop, UV_RUN_ONCE);
	store_close(t->store, NULL, NULL);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	uv_loop_close(&t->loop);
}

int main(int argc, char **argv)
{
	struct store_visitor visitor = {.proof = note_proof, .input = note_input};
	struct store_options options = {.max_queue = 1 << 20, .checkpoint_pages = CHECKPOINT_PAGES};
	struct torture t = {0};
	bool verifying;
	struct why why;

	if (argc != 3 || (strcmp(argv[1], "run") && strcmp(argv[1], "verify"))) {
		fprintf(stderr, "usage: store_torture run|verify DIR\n");
		return 2;
	}
	verifying = strcmp(argv[1], "verify") == 0;
	if (verifying)
		visitor.input = see_input;
	buf_init(&t.ids, 1 << 20);
	options.dir = t.dir = argv[2];
	uv_loop_init(&t.loop);
	if (store_open(&t.store, &t.loop, &options, &why) != STORE_OK)
		die("open", &why);
	if (input_files_prepare(t.dir, &why) != INPUT_OK)
		die("inputs", &why);
	if (store_load(t.store, &visitor, &t, &why) != STORE_OK)
		die("load", &why);
	if (verifying)
		verify(&t);
	else
		run(&t);
	buf_free(&t.ids);
	return t.damaged ? 1 : 0;
}
