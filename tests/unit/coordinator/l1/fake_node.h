/* fake_node.h -- a scripted JSON-RPC node on 127.0.0.1, on the test's own libuv loop. */
#ifndef TESTS_FAKE_NODE_H
#define TESTS_FAKE_NODE_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

enum fake_mode {
	FAKE_OK,
	FAKE_SILENT,   /* never answers */
	FAKE_GARBAGE,  /* HTTP 200 with something else than JSON */
	FAKE_TRAILING, /* a good reply and then more */
	FAKE_HUGE,     /* without an end in sight */
	FAKE_WRONG_ID,
	FAKE_STATUS,    /* an HTTP status with `body` */
	FAKE_CUT,       /* closes in the middle of the body */
	FAKE_SLAM,      /* closes without an answer */
	FAKE_400_ERROR, /* HTTP 400 with a JSON-RPC error */
};

struct fake_node;

/* The value after "result":, or an error object when *is_error is set; JSON text of at most size.
 */
typedef void fake_answer(void *arg, const char *method, const json_t *params, char *out,
			 size_t size, bool *is_error);

struct fake_node {
	uv_loop_t *loop;
	uv_tcp_t tcp;
	int port;
	enum fake_mode mode;
	bool mode_spares_chain_id; /* eth_chainId is answered well in any mode */
	int status;
	const char *body;   /* NULL: empty */
	const char *header; /* a line more, with its end; NULL: none */
	unsigned chain_id;
	unsigned n_requests, n_chain_id;
	fake_answer *answer; /* NULL: "0x2a" for everything */
	void *arg;
	char last_authorization[128];
	bool listening;
	struct fake_conn *conns;
};

void fake_node_start(struct fake_node *f, uv_loop_t *loop, int port);
void fake_node_stop(struct fake_node *f);
/* A port that nobody listens on. */
int fake_dead_port(void);

#endif
