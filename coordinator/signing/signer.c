#include "coordinator/signing/signer.h"

#include "coordinator/signing/confine.h"
#include "coordinator/signing/wire.h"
#include "ethereum/keccak.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOCKET      STDIN_FILENO
#define USAGE_ERROR 64
#define PAUSE_MS    100 /* before a child that died has a successor */

/* Keeper and child share it, so that a new child knows what the former one signed. */
struct held {
	struct eth_key keys[SIGNING_ACCOUNTS]; /* secret */
	struct policy policy;
	uint8_t packet[WIRE_MESSAGE_MAX + 1];
};

static void say(const struct wire_message *m)
{
	uint8_t room[WIRE_SENTENCE_MAX + 64];
	struct buf out;

	buf_init(&out, sizeof room);
	if (wire_encode(&out, m))
		while (send(SOCKET, out.p, out.len, MSG_NOSIGNAL) < 0 && errno == EINTR)
			;
	buf_free(&out);
}

static void refuse(uint64_t id, const char *sentence)
{
	const size_t n = strlen(sentence);

	say(&(struct wire_message){
	    .kind = WIRE_REFUSED,
	    .id = id,
	    .sentence = span_of(sentence, n < WIRE_SENTENCE_MAX ? n : WIRE_SENTENCE_MAX)});
}

/* False at the end. */
static bool hear(struct held *h, struct wire_message *m)
{
	ssize_t n;

	for (;;) {
		n = recv(SOCKET, h->packet, sizeof h->packet, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		/* What is no message came from nobody who speaks this. */
		return wire_decode(m, span_of(h->packet, (size_t)n));
	}
}

/* ---- the child ---- */

static void sign(struct held *h, const struct wire_message *m)
{
	const struct eth_key *key = &h->keys[signing_who(m->what)];
	struct wire_message answer = {.kind = WIRE_SIGNED, .id = m->id};
	struct why why = {""};
	uint8_t digest[32];
	struct buf payload;

	buf_init(&payload, WIRE_MESSAGE_MAX + 512);
	if (eth_tx_payload(&payload, &m->tx, &why) != ETH_OK ||
	    !policy_permits(&h->policy, m->what, &m->tx, &why)) {
		refuse(m->id, why.text);
	} else {
		keccak256(digest, payload.p, payload.len);
		if (eth_sign_digest(answer.sig, key, digest))
			say(&answer);
		else
			refuse(m->id, "the key signs nothing");
	}
	buf_free(&payload);
}

static int serve(struct held *h)
{
	struct wire_message m;
	struct why why;

	while (hear(h, &m)) {
		switch (m.kind) {
		case WIRE_SIGN: sign(h, &m); break;
		case WIRE_CONTRACT:
			/* One too many is known by the refusals that follow. */
			policy_add_contract(&h->policy, m.what, &m.tx.to, &why);
			break;
		case WIRE_SETTLED: policy_settle(&h->policy, m.who, m.tx.nonce); break;
		case WIRE_HELLO: /* there is one, at the start */
		case WIRE_READY:
		case WIRE_SIGNED:
		case WIRE_REFUSED:
		case WIRE_ANEW: secret_wipe(m.keys, sizeof m.keys); return EXIT_SUCCESS;
		}
	}
	return EXIT_SUCCESS;
}

/* ---- the keeper ---- */

static void say_anew(int status)
{
	char text[128];
	const int n =
	    WIFSIGNALED(status)
		? snprintf(text, sizeof text, "it was ended by signal %d (%s)", WTERMSIG(status),
			   strsignal(WTERMSIG(status)))
		: snprintf(text, sizeof text, "it ended with code %d", WEXITSTATUS(status));

	say(&(struct wire_message){.kind = WIRE_ANEW, .sentence = span_of(text, (size_t)n)});
}

static int keep(struct held *h, bool confined)
{
	const struct timespec pause = {0, PAUSE_MS * 1000000};
	const pid_t me = getpid();
	int status = 0;

	for (;;) {
		const pid_t child = fork();

		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != me || (confined && !confine_calls(false)))
				_exit(EXIT_FAILURE);
			_exit(serve(h));
		}
		if (child > 0) {
			while (waitpid(child, &status, 0) < 0 && errno == EINTR)
				;
			if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
				return EXIT_SUCCESS;
			say_anew(status);
		}
		nanosleep(&pause, NULL);
	}
}

static bool take_keys(struct held *h, struct wire_message *ready)
{
	struct wire_message hello;
	int i;

	if (!hear(h, &hello) || hello.kind != WIRE_HELLO) {
		refuse(0, "the daemon did not begin with the keys");
		return false;
	}
	policy_init(&h->policy, hello.chain_id, hello.max_fee, hello.max_gas);
	for (i = 0; i < SIGNING_ACCOUNTS; i++) {
		h->keys[i] = hello.keys[i];
		eth_key_address(&h->policy.from[i], &h->keys[i]); /* false: none is given */
		ready->from[i] = h->policy.from[i];
	}
	secret_wipe(&hello, sizeof hello);
	secret_wipe(h->packet, sizeof h->packet);
	return true;
}

static bool is_started_by_run(void)
{
	int type = 0;
	socklen_t n = sizeof type;

	return getsockopt(SOCKET, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET;
}

int signer_main(void)
{
	struct wire_message ready = {.kind = WIRE_READY};
	struct held *h;
	int code = EXIT_FAILURE;

	if (!is_started_by_run()) {
		fputs("proof-coordinator signer is started by proof-coordinator run, not by hand\n",
		      stderr);
		return USAGE_ERROR;
	}
	confine_shield();
	h = mmap(NULL, sizeof *h, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h == MAP_FAILED) {
		refuse(0, "there is no memory for the keys");
		return code;
	}
	mlock(h, sizeof h->keys); /* where the limit is 0, swap is the operator's to encrypt */
	madvise(h, sizeof *h, MADV_DONTDUMP);
	if (take_keys(h, &ready)) {
		ready.confined = confine_calls(true);
		say(&ready);
		code = keep(h, ready.confined);
	}
	secret_wipe(h, sizeof *h);
	return code;
}
