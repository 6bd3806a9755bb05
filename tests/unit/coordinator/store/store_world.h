/*
 * store_world.h -- a data directory, a loop and a store for the tests, and a gate in front of every
 * fsync of this program: a closed gate holds the store's thread where the test wants it.
 */
#ifndef TESTS_STORE_WORLD_H
#define TESTS_STORE_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "coordinator/store/store.h"

/* ---- the gate; also the place where a sync is made to fail ---- */

static struct {
	uv_mutex_t mutex;
	uv_cond_t changed;
	bool closed;
	unsigned waiting;
	int (*fault)(void); /* an errno, or 0 */
} gate;

static inline void gate_init(void)
{
	uv_mutex_init(&gate.mutex);
	uv_cond_init(&gate.changed);
}

static inline void gate_close(void)
{
	uv_mutex_lock(&gate.mutex);
	gate.closed = true;
	uv_mutex_unlock(&gate.mutex);
}

static inline void gate_open(void)
{
	uv_mutex_lock(&gate.mutex);
	gate.closed = false;
	uv_cond_broadcast(&gate.changed);
	uv_mutex_unlock(&gate.mutex);
}

/* Returns when a thread stands at the gate. */
static inline void gate_await(void)
{
	uv_mutex_lock(&gate.mutex);
	while (!gate.waiting)
		uv_cond_wait(&gate.changed, &gate.mutex);
	uv_mutex_unlock(&gate.mutex);
}

static inline int gated(long call, int fd)
{
	int error;

	uv_mutex_lock(&gate.mutex);
	gate.waiting++;
	uv_cond_broadcast(&gate.changed);
	while (gate.closed)
		uv_cond_wait(&gate.changed, &gate.mutex);
	gate.waiting--;
	uv_mutex_unlock(&gate.mutex);
	error = gate.fault ? gate.fault() : 0;
	if (error) {
		errno = error;
		return -1;
	}
	return (int)syscall(call, fd);
}

/* The program's own symbols come before the C library's, for SQLite's library too. */
int fsync(int fd)
{
	return gated(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return gated(SYS_fdatasync, fd);
}

/* ---- the world ---- */

struct world {
	uv_loop_t loop;
	char root[64], dir[80];
	struct store *store;
	struct store_options options;
	unsigned called, ok; /* commit callbacks */
	enum store_rc last_rc;
	struct why why;
	bool closed;
};

static inline void world_make(struct world *w)
{
	memset(w, 0, sizeof *w);
	strcpy(w->root, "/tmp/test_store.XXXXXX");
	assert_non_null(mkdtemp(w->root));
	snprintf(w->dir, sizeof w->dir, "%s/data", w->root);
	w->options.dir = w->dir;
	assert_int_equal(uv_loop_init(&w->loop), 0);
}

static inline enum store_rc world_open(struct world *w)
{
	enum store_rc rc = store_open(&w->store, &w->loop, &w->options, &w->why);

	assert_true((rc == STORE_OK) == (w->store != NULL));
	return rc;
}

static inline void world_on_close(void *arg)
{
	((struct world *)arg)->closed = true;
}

static inline void world_close(struct world *w)
{
	w->closed = false;
	store_close(w->store, world_on_close, w);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_true(w->closed);
	w->store = NULL;
}

static inline void world_free(struct world *w)
{
	char command[128];

	assert_int_equal(uv_loop_close(&w->loop), 0);
	snprintf(command, sizeof command, "rm -rf %s", w->root);
	assert_int_equal(system(command), 0);
}

static inline void world_on_commit(void *arg, enum store_rc rc, const struct why *why)
{
	struct world *w = arg;

	w->called++;
	w->ok += rc == STORE_OK;
	w->last_rc = rc;
	w->why = *why;
}

static inline enum store_rc world_submit(struct world *w, const struct store_change *c, size_t n)
{
	return store_commit(w->store, c, n, world_on_commit, w);
}

static inline void world_await(struct world *w, unsigned calls)
{
	while (w->called < calls)
		uv_run(&w->loop, UV_RUN_ONCE);
}

/* Submits one group and waits for its verdict. */
static inline enum store_rc world_commit(struct world *w, const struct store_change *c, size_t n)
{
	unsigned calls = w->called;

	assert_int_equal(world_submit(w, c, n), STORE_OK);
	world_await(w, calls + 1);
	return w->last_rc;
}

static inline struct span text(const char *s)
{
	return span_of(s, strlen(s));
}

static inline struct store_change a_proof(uint64_t id, struct span bytes)
{
	return (struct store_change){
	    .kind = CHANGE_PROOF_PUT,
	    .proof = {.id = id,
		      .batch = id / 3,
		      .prover_type = 2,
		      .bytes = bytes,
		      .public_values = text("public"),
		      .source = text("192.0.2.7"),
		      .received_ms = 1700000000000 + id},
	};
}

#endif
