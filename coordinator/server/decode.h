/*
 * decode.h -- large messages are decoded in libuv's pool, in turn.
 *
 * A few at once, and of one source one at a time, in the order in which they came; the others wait,
 * up to a ceiling in all and per source. The message stays in its connection's buffer (conn_pin),
 * counted there; a connection that ends meanwhile loses its turn. Everything is called on the
 * loop's thread.
 */
#ifndef COORDINATOR_SERVER_DECODE_H
#define COORDINATOR_SERVER_DECODE_H

#include "coordinator/server/limits.h"
#include "coordinator/server/server.h"
#include "protocol/proofdata.h"

struct decoder;

struct decoded {
	uint64_t conn;
	const char *source;
	size_t bytes; /* of the message */
	enum proto_err err;
	struct why why;           /* where err is set */
	struct proofdata message; /* else; the callback may take its bufs, the rest is freed */
	bool has_digest;
	uint8_t digest[32]; /* proofs_digest() of a ProofSubmit */
};
/* Only for a connection that still waits for its answer. */
typedef void decoded_fn(void *arg, struct decoded *d);

struct decoder_options {
	size_t max_jobs;    /* in the pool at once */
	size_t max_waiting; /* in all, those in the pool among them */
	size_t max_waiting_per_source;
};

/* NULL: out of memory. */
struct decoder *decoder_new(uv_loop_t *loop, const struct decoder_options *options,
			    decoded_fn *done, void *arg);
/* After the servers of all its connections have stopped. NULL is fine. */
void decoder_free(struct decoder *d);

/* Takes over conn's message, which its server has scanned; done is called later. False with the
 * sentence: too many wait. limits is copied. */
bool decoder_take(struct decoder *d, struct server *server, struct conn *conn, struct span message,
		  const char *source, const struct proto_limits *limits, struct why *why);

struct decoder_counters {
	uint64_t jobs, refused;
	size_t waiting; /* now */
};
const struct decoder_counters *decoder_counters(const struct decoder *d);

#endif
