/*
 * admin_world.h -- an admin with the rooms below it, and its clients, in one thread: the loop turns
 * while a client waits.
 */
#ifndef TESTS_ADMIN_WORLD_H
#define TESTS_ADMIN_WORLD_H

#include "coordinator/admin/internal.h"
#include "l1_world.h"

#define WORLD_TOKEN       "0123456789abcdef"
#define WORLD_INPUT_MAX   (1u << 20)
#define WORLD_INPUT_QUOTA (3u << 19)

struct admin_world {
	uv_loop_t loop;
	struct l1_world w;
	char dir[64], listen[96], collateral_source[96];
	struct admin_parts p;
	struct commit_hash_rule *rule;
	struct commitments *commitments;
	struct admin *admin; /* NULL once it was closed */
	unsigned facts, wakes;
	bool closed;
};

/* An answer, whole. */
struct answer {
	int status; /* 0: the connection ended without one */
	char head[4096];
	struct buf body;
	json_t *json; /* NULL: it is no JSON */
};

/* listen: NULL is a Unix socket of the world's own. The admin is ready. */
void admin_world_open(struct admin_world *x, const char *listen);
void admin_world_open_with(struct admin_world *x, const char *listen, unsigned max_connections,
			   unsigned idle_timeout_s);
/* On a shared store. */
void admin_world_open_shared(struct admin_world *x, struct engine *engine);
/* The admin alone; turns the loop until it has ended. */
void admin_world_close_admin(struct admin_world *x);
/* All but the directory, which the caller may read; then admin_world_remove(). */
void admin_world_close(struct admin_world *x);
void admin_world_remove(struct admin_world *x);

/* Turns the loop until done says so; fails after a minute. */
void admin_world_until(struct admin_world *x, bool (*done)(struct admin_world *x));
void admin_world_turn(struct admin_world *x);
/* Reads a round of L1's facts. */
void admin_world_read_l1(struct admin_world *x);

/* A descriptor that is the caller's. */
int admin_world_connect(struct admin_world *x);
void admin_world_send(struct admin_world *x, int fd, const void *bytes, size_t n);
void admin_world_receive(struct admin_world *x, int fd, struct answer *out);
/* One request over a connection of its own; head: header lines, each with its CRLF; may be "". */
void admin_world_ask(struct admin_world *x, struct answer *out, const char *method, const char *url,
		     const char *head, struct span body);
/* With the token and without a body. */
void admin_world_get(struct admin_world *x, struct answer *out, const char *url);
void admin_world_post(struct admin_world *x, struct answer *out, const char *url);
void answer_free(struct answer *a);
/* Its "code"; "" where there is none. */
const char *answer_code(const struct answer *a);

#define WORLD_BEARER "Authorization: Bearer " WORLD_TOKEN "\r\n"

#endif
