/*
 * remote.h -- a Web3Signer, asked as ethrex asks it.
 *
 *     POST URL/api/v1/eth1/sign/PUBLIC_KEY   {"data": "0x..."}
 *
 * It signs the Keccak-256 of the data and answers with r, s and v in hex. Nothing it says is
 * believed here: the caller recovers the signer.
 */
#ifndef COORDINATOR_SIGNING_REMOTE_H
#define COORDINATOR_SIGNING_REMOTE_H

#include "coordinator/base/http.h"
#include "ethereum/key.h"

#define REMOTE_ANSWER_MAX (64u * 1024)
#define REMOTE_KEYS_MAX   (1024u * 1024) /* the list of its public keys: 7,000 of them */

struct remote;

struct remote_options {
	const char *url, *ca_file; /* outlive it; no file: "" */
	uint8_t point[ETH_POINT_SIZE];
	uint32_t timeout_ms;
	uint64_t seed;
};

/* Asks it at once which keys it has, says in the log what it finds, and asks again, less and less
 * often, until it has ours. False with the sentence; *out is NULL. */
bool remote_new(struct remote **out, uv_loop_t *loop, const struct remote_options *options,
		struct why *why);

/* sig is NULL where sentence says why not. */
typedef void remote_cb(void *arg, const uint8_t *sig, const char *sentence);

/* payload is copied. NULL with the sentence: it could not be asked. The request is freed after its
 * callback. */
struct remote_request;
struct remote_request *remote_sign(struct remote *r, struct span payload, remote_cb *cb, void *arg,
				   struct why *why);
/* No callback comes. */
void remote_stop(struct remote_request *q);

/* scheme://host:port, for words. */
const char *remote_host(const struct remote *r);

/* Every request must have been stopped. Frees r, then done from the loop. */
void remote_close(struct remote *r, void (*done)(void *arg), void *arg);

/* ---- what its answers mean: pure ---- */

/* The body of a 200. False with the sentence. */
bool remote_parse_signature(uint8_t sig[ETH_SIGNATURE_SIZE], struct span body, struct why *why);
/* Does a list of public keys (JSON) hold this one? n: how many there are. False with the sentence:
 * it is no such list, or ours is not in it. */
bool remote_parse_keys(size_t *n, struct span body, const uint8_t point[ETH_POINT_SIZE],
		       struct why *why);
/* An HTTP status that is not 200, in words. */
void remote_refusal(struct why *why, long status, struct span body);

#endif
