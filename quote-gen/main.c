/*~ Stop 10 of the tour: the other end of the wire. A key is born, quoted and registered; then batch
 * after batch is executed and its public inputs signed. The key never leaves this process. */
#include "ethereum/key.h"
#include "ethereum/public_inputs.h"
#include "quote-gen/clock.h"
#include "quote-gen/devnet_executor.h"
#include "quote-gen/executor.h"
#include "quote-gen/link.h"
#include "quote-gen/options.h"
#include "quote-gen/quote.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#define MESSAGE_MAX       (1u << 20)
#define REPLY_MAX         (1u << 20)
#define TURN_MS           200
#define REPORT_KEY_AT     32 /* in the report data; the contract reads the address before it */
#define SETUP_AGAIN_AFTER 5  /* failed exchanges in a row: the coordinator may have forgotten us */

static volatile int stop;

struct prover {
	struct options options;
	struct eth_key key;
	struct eth_address address;
	struct link_tls *tls;          /* NULL: plain TCP */
	uint8_t tls_key[TLS_KEY_HASH]; /* that the quote names; zero: none */
	unsigned failures;             /* in a row */
	bool unproven; /* the last batch came, but has no proof: it is not submitted */
	uint64_t proven;
	uint64_t asked_ms, registered_again_ms; /* monotonic; 0: never */
};

static void on_stop_signal(int number)
{
	(void)number;
	stop = 1;
}

static void pause_ms(uint64_t ms)
{
	/* In short turns: a signal between the check and the sleep is noticed soon all the same. */
	for (; ms > 0 && !stop; ms -= ms < TURN_MS ? ms : TURN_MS) {
		long turn = ms < TURN_MS ? (long)ms : TURN_MS;

		nanosleep(&(struct timespec){0, turn * 1000000}, NULL);
	}
}

static bool make_key(struct prover *p, struct why *why)
{
	uint8_t random[32];
	bool ok = false;
	int i;

	for (i = 0; i < 4 && !ok; i++)
		ok = getrandom(random, sizeof random, 0) == (ssize_t)sizeof random &&
		     eth_key_generate(&p->key, random) && eth_key_address(&p->address, &p->key);
	secret_wipe(random, sizeof random);
	if (!ok)
		why_set(why, "no randomness for a key: %s", strerror(errno));
	return ok;
}

static bool make_tls(struct prover *p, struct why *why)
{
	const char *identity = p->options.tls_identity;
	const bool attested = strcmp(identity, OPTIONS_ATTESTED) == 0;
	const bool file = !attested && strcmp(identity, OPTIONS_NONE) != 0;
	const struct link_tls_options options = {.server_keys = p->options.tls_server_keys,
						 .ca_file = p->options.tls_ca,
						 .identity_file = file ? identity : "",
						 .make_identity = attested};

	if (!options_tls(&p->options))
		return true;
	if (!link_tls_new(&p->tls, p->tls_key, &options, why))
		return false;
	if (link_tls_warning(p->tls)[0])
		printf("WARNING: %s\n", link_tls_warning(p->tls));
	return true;
}

/* Sends m and decodes the reply, whose bytes raw keeps. */
static bool ask(struct prover *p, const struct proofdata *m, uint64_t io_timeout_ms,
		size_t reply_max, struct buf *raw, struct proofdata *reply, struct why *why)
{
	const struct link_options link = {p->options.host, p->options.port,
					  p->options.connect_timeout_ms, io_timeout_ms, p->tls};
	const struct proto_limits limits = {MESSAGE_MAX, MESSAGE_MAX};
	struct buf out;
	bool ok;

	buf_init(&out, MESSAGE_MAX);
	buf_init(raw, reply_max);
	memset(reply, 0, sizeof *reply);
	ok = proofdata_encode(&out, m, why) == PROTO_OK &&
	     link_exchange(raw, &link, buf_span(&out), &stop, why);
	buf_free(&out);
	if (ok && raw->len == 0) {
		why_set(why, "EOF while parsing a value at line 1 column 0");
		ok = false;
	}
	ok = ok && proofdata_decode(reply, buf_span(raw), &limits, why) == PROTO_OK;
	if (ok && reply->kind == MSG_ERROR) {
		why_set(why, "the coordinator says: %s (%s)", reply->error_message,
			reply->error_code);
		ok = false;
	}
	if (!ok) {
		proofdata_free(reply);
		buf_free(raw);
	}
	return ok;
}

static bool setup_once(struct prover *p)
{
	struct proofdata m = {
	    .kind = MSG_PROVER_SETUP, .has_prover_type = true, .prover_type = PROVER_TDX};
	uint8_t report_data[REPORT_DATA_SIZE] = {0};
	struct proofdata reply;
	struct buf raw;
	struct why why = {""};
	size_t i;
	bool ok;

	memcpy(report_data, p->address.b, 20);
	memcpy(report_data + REPORT_KEY_AT, p->tls_key, sizeof p->tls_key);
	buf_init(&m.payload, QUOTE_SIZE_MAX);
	if (!quote_from_kernel(&m.payload, p->options.reports, report_data, &stop, &why)) {
		printf("Error creating quote: %s\n", why.text);
		if (strcmp(p->options.without_quote, OPTIONS_WAIT) == 0) {
			buf_free(&m.payload);
			return false;
		}
		puts("WARNING: without a quote the bare address is sent: only a verifier in "
		     "development mode takes it.");
		m.payload.len = 0;
		buf_add(&m.payload, p->address.b, 20);
	}
	fputs("Sending quote ", stdout);
	for (i = 0; i < m.payload.len; i++)
		printf("%02x", m.payload.p[i]);
	putchar('\n');
	why.text[0] = '\0';
	ok = ask(p, &m, p->options.setup_timeout_ms, REPLY_MAX, &raw, &reply, &why);
	buf_free(&m.payload);
	if (ok) {
		ok = reply.kind == MSG_PROVER_SETUP_ACK;
		if (!ok)
			why_set(&why, "Expecting ProofData::ProverSetupACK, got %s",
				message_kind_name(reply.kind));
		proofdata_free(&reply);
		buf_free(&raw);
	}
	if (!ok && !stop)
		printf("Error sending quote: Failed to get ProverSetupAck: %s\n", why.text);
	return ok;
}

static void setup(struct prover *p)
{
	while (!stop && !setup_once(p))
		pause_ms(p->options.interval_ms);
	p->failures = 0;
}

/* What the coordinator says of our key. False: nothing; ethrex's knows no such question. */
static bool key_state(struct prover *p, enum key_state *out)
{
	struct proofdata m = {.kind = MSG_KEY_STATE};
	struct proofdata reply;
	struct buf raw;
	struct why why = {""};
	bool ok;

	memcpy(m.key, p->address.b, sizeof m.key);
	if (!ask(p, &m, p->options.io_timeout_ms, REPLY_MAX, &raw, &reply, &why))
		return false;
	ok = reply.kind == MSG_KEY_STATE_RESPONSE;
	*out = reply.key_state;
	proofdata_free(&reply);
	buf_free(&raw);
	return ok;
}

/* Asks now and then, and when exchanges fail: a coordinator may have forgotten us. A standby is
 * known, and waits. */
static void keep_known(struct prover *p)
{
	const bool failing = p->failures >= SETUP_AGAIN_AFTER;
	enum key_state state = KEY_UNKNOWN;
	const uint64_t now = clock_ms();

	if (stop || p->options.prover_type != PROVER_TDX ||
	    (!failing && now - p->asked_ms < p->options.key_ask_ms))
		return;
	p->asked_ms = now;
	p->failures = 0;
	if (key_state(p, &state) ? state != KEY_UNKNOWN : !failing)
		return;
	if (p->registered_again_ms && now - p->registered_again_ms < p->options.register_again_ms)
		return;
	printf("The coordinator does not know our key: registering again\n");
	p->registered_again_ms = now;
	setup(p);
}

static bool execute(struct prover *p, struct buf *output, struct span input, struct why *why)
{
	const struct executor_limits limits = {p->options.executor_timeout_ms,
					       p->options.executor_memory};
	struct devnet_summary s;
	char hash[65];

	if (strcmp(p->options.executor, OPTIONS_NONE) != 0) {
		if (executor_run(output, p->options.executor, input, &limits, &stop, why) !=
		    EXECUTOR_OK)
			return false;
		if (why->text[0])
			printf("Executor: %s\n", why->text);
		why->text[0] = '\0';
		return true;
	}
	if (!devnet_execute(output, &s, input, why))
		return false;
	hex_encode(hash, s.last_block_hash, 32);
	printf("NOT EXECUTED (builtin-devnet): blocks %" PRIu64 " to %" PRIu64 ", %" PRIu64
	       " transactions, last block hash 0x%s\n",
	       s.first_block, s.last_block, s.transactions, hash);
	return true;
}

static bool make_proof(struct prover *p, struct proof *proof, struct span input, struct why *why)
{
	uint8_t signature[ETH_SIGNATURE_SIZE];
	static const uint8_t sentinel = 0; /* what ethrex's Exec prover submits */
	struct buf output;
	bool ok;

	proof->prover_type = p->options.prover_type;
	if (proof->prover_type == PROVER_EXEC && !p->options.executor[0])
		return buf_add(&proof->bytes, &sentinel, 1);
	buf_init(&output, p->options.output_max);
	ok = execute(p, &output, input, why);
	if (ok && !public_inputs_size(output.len)) {
		why_set(why,
			"the executor wrote %zu bytes, which are no batch's public inputs (256 "
			"bytes, and "
			"more where messages go to or come from other chains)",
			output.len);
		ok = false;
	}
	if (ok && proof->prover_type == PROVER_EXEC) {
		ok = buf_add(&proof->bytes, &sentinel, 1);
	} else if (ok) {
		ok = eip191_sign(signature, &p->key, output.p, output.len) &&
		     buf_add(&proof->bytes, signature, sizeof signature);
		if (!ok)
			why_set(why, "the output could not be signed");
	}
	buf_free(&output);
	return ok;
}

static bool submit(struct prover *p, uint64_t batch, struct span input, struct why *why)
{
	struct proofdata m = {
	    .kind = MSG_PROOF_SUBMIT, .dialect = DIALECT_P7, .has_id = true, .id = batch};
	struct proofdata reply;
	struct buf raw;
	bool ok;

	buf_init(&m.proof.bytes, MESSAGE_MAX);
	p->unproven = !make_proof(p, &m.proof, input, why);
	if (p->unproven && !stop)
		why_wrap(why, "batch %" PRIu64, batch);
	ok = !p->unproven && ask(p, &m, p->options.io_timeout_ms, REPLY_MAX, &raw, &reply, why);
	buf_free(&m.proof.bytes);
	if (!ok)
		return false;
	ok = reply.kind == MSG_PROOF_SUBMIT_ACK && reply.id == batch;
	if (!ok)
		why_set(why, "Expecting ProofData::ProofSubmitACK of batch %" PRIu64 ", got %s",
			batch, message_kind_name(reply.kind));
	proofdata_free(&reply);
	buf_free(&raw);
	return ok;
}

/* One request, and the batch that it brings. False with the sentence. */
static bool work_once(struct prover *p, struct why *why)
{
	struct proofdata m = {.kind = MSG_INPUT_REQUEST,
			      .dialect = DIALECT_P7,
			      .has_prover_type = true,
			      .prover_type = p->options.prover_type};
	struct proofdata reply;
	struct buf raw;
	bool ok = false;

	memcpy(m.commit_hash, p->options.commit_hash, sizeof m.commit_hash);
	if (!ask(p, &m, p->options.io_timeout_ms, p->options.input_max, &raw, &reply, why))
		return false;
	if (reply.kind == MSG_VERSION_MISMATCH) {
		why_set(why, "the coordinator has batches for another version than %s",
			p->options.commit_hash);
	} else if (reply.kind == MSG_PROVER_TYPE_NOT_NEEDED) {
		why_set(why, "the coordinator needs no %s proofs",
			prover_type_name(p->options.prover_type));
	} else if (reply.kind != MSG_INPUT_RESPONSE) {
		why_set(why, "Expecting ProofData::Response, got %s",
			message_kind_name(reply.kind));
	} else if (!reply.has_id || !reply.has_input) {
		why_set(why, "No blocks to prove.");
	} else if (submit(p, reply.id, reply.input, why)) {
		printf("Processed batch %" PRIu64 "\n", reply.id);
		p->proven++;
		ok = true;
	}
	proofdata_free(&reply);
	buf_free(&raw);
	return ok;
}

static void work(struct prover *p)
{
	struct why why;

	while (!stop && (!p->options.batches || p->proven < p->options.batches)) {
		pause_ms(p->options.interval_ms);
		keep_known(p);
		why.text[0] = '\0';
		p->unproven = false;
		if (stop || work_once(p, &why)) {
			p->failures = 0;
			continue;
		}
		printf("Error: %s\n", why.text);
		/* Idle answers and batches that cannot be proved are no failures of the
		 * coordinator; refused connections may mean a new one. */
		if (p->unproven || strncmp(why.text, "No blocks", 9) == 0)
			p->failures = 0;
		else
			p->failures++;
	}
}

int main(int argc, char **argv)
{
	const struct rlimit none = {0, 0};
	struct sigaction action = {.sa_handler = on_stop_signal};
	struct prover p = {.failures = 0};
	struct why why = {""};
	int code = EXIT_SUCCESS;

	switch (options_read(&p.options, argc, argv, &why)) {
	case OPTIONS_EXIT: return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		fprintf(stderr, "quote-gen: %s; see quote-gen --help\n", why.text);
		return CLI_USAGE;
	case OPTIONS_RUN: break;
	}
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Ignored, as whoever starts us may have it, it hides how children end. */
	signal(SIGCHLD, SIG_DFL);
	if (strcmp(p.options.executor, OPTIONS_NONE) == 0)
		puts("WARNING: the built-in devnet executor executes NOTHING: it signs what the "
		     "headers "
		     "of its input say. Never use it outside of a devnet.");
	else if (p.options.executor[0] && !executor_check(p.options.executor, &why))
		printf("WARNING: %s: while it is so, no batch is executed.\n", why.text);
	if (p.options.doubt[0])
		printf("WARNING: %s\n", p.options.doubt);
	if (p.options.prover_type == PROVER_TDX && strcmp(p.options.reports, QUOTE_REPORTS) != 0)
		printf("WARNING: quotes come from %s, not from the kernel.\n", p.options.reports);
	if (!make_tls(&p, &why) || (p.options.prover_type == PROVER_TDX && !make_key(&p, &why))) {
		fprintf(stderr, "quote-gen: %s\n", why.text);
		code = EXIT_FAILURE;
	} else if (p.options.prover_type == PROVER_TDX) {
		setup(&p);
	}
	if (code == EXIT_SUCCESS)
		work(&p);
	eth_key_wipe(&p.key);
	link_tls_free(p.tls);
	return code;
}
