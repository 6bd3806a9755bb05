/*
 * Inputs as chunks of 1 MiB: to the database in one transaction, and back into a file. Each goes
 * over a connection of its own, in a thread of libuv's pool, so that the store's thread never waits
 * for one.
 */
#include "coordinator/postgres/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/store/input_sink.h"

#define CHUNK   INPUT_CHUNK_MAX
#define STEP_MS 10000 /* for a chunk */
#define WINDOW  4     /* chunks that are on their way at once */
/* Another coordinator may be sharing the same one; but for one that is fetched a prover waits. */
#define SHARE_LOCK_MS "10000"
#define FETCH_LOCK_MS "700"

static enum input_rc rc_of(enum store_rc rc)
{
	switch (rc) {
	case STORE_OK: return INPUT_OK;
	case STORE_DISK: return INPUT_DISK_FULL;
	default: return INPUT_IO;
	}
}

/* Of several hosts this one may be another than the store's thread is on. */
static enum store_rc make_own(struct link *s, const struct postgres *e, const char *lock_ms,
			      struct why *why)
{
	struct params p = {0};
	enum store_rc rc;
	PGresult *r;

	param_text(&p, lock_ms);
	r = link_query(s,
		       "SELECT identity, set_config('statement_timeout', '10s', false),"
		       " set_config('lock_timeout', $1, false),"
		       " set_config('idle_in_transaction_session_timeout', '30s', false)"
		       " FROM head",
		       "t", &p, &rc, why);

	if (r && (PQntuples(r) != 1 || cell_u64(r, 0, 0) != e->engine.identity)) {
		why_set(why, "%s: it is another database than the one of the proofs", s->where);
		rc = STORE_FOREIGN;
	}
	PQclear(r);
	return rc;
}

static enum store_rc open_own(struct link *s, struct postgres *e, const char *lock_ms,
			      struct why *why)
{
	enum store_rc rc =
	    link_open(s, e->url, e->password, e->app, e->where, e->attempts, OPEN_MS, why);

	link_deadline(s, STEP_MS);
	if (rc == STORE_OK)
		rc = make_own(s, e, lock_ms, why);
	if (rc == STORE_OK)
		rc = link_run(s, "BEGIN", why);
	return rc;
}

static void key_of(struct params *p, const uint8_t sha256[32])
{
	param_bytes(p, span_of(sha256, 32));
}

/* The answer to one chunk that is on its way. */
static PGresult *settle_one(struct link *s, enum store_rc *rc, struct why *why)
{
	PGresult *r;

	link_deadline(s, STEP_MS);
	r = link_expect(s, rc, why);
	if (s->conn && !link_end(s, *rc == STORE_OK ? why : NULL))
		*rc = STORE_UNREACHABLE;
	return r;
}

/* ---- to the database ---- */

/* What is there already is young again, so that nobody removes it before its row is stored. */
static enum store_rc name_it(struct link *s, const uint8_t sha256[32], uint64_t size,
			     struct why *why)
{
	struct params p = {0};
	enum store_rc rc;

	key_of(&p, sha256);
	param_u64(&p, size);
	PQclear(link_query(s,
			   "INSERT INTO input_file (sha256, size) VALUES ($1, $2)"
			   " ON CONFLICT (sha256) DO UPDATE SET size = excluded.size,"
			   " shared = clock_timestamp()",
			   "bl", &p, &rc, why));
	return rc;
}

/* Up to a whole chunk; 0 at the end. False: an error of the file. */
static bool read_chunk(int fd, uint8_t *chunk, size_t *n)
{
	ssize_t got = 1;

	for (*n = 0; *n < CHUNK && got; *n += (size_t)got) {
		got = read(fd, chunk + *n, CHUNK - *n);
		if (got < 0 && errno != EINTR)
			return false;
		got = got < 0 ? 0 : got;
	}
	return true;
}

/* Chunks that are there are made what they should be; those that are so are not written again. */
static void send_chunk(struct link *s, const uint8_t sha256[32], int n, struct span bytes)
{
	struct params p = {0};

	key_of(&p, sha256);
	param_int(&p, n);
	param_bytes(&p, bytes);
	link_send_sql(s,
		      "INSERT INTO input_chunk AS c (sha256, n, bytes) VALUES ($1, $2, $3)"
		      " ON CONFLICT (sha256, n) DO UPDATE SET bytes = excluded.bytes"
		      " WHERE c.bytes <> excluded.bytes",
		      "bib", &p);
	link_sync(s);
}

/* sum: of all that was sent. */
static enum input_rc send_chunks(struct link *s, int fd, const uint8_t sha256[32], EVP_MD_CTX *sum,
				 uint8_t *chunk, struct why *why)
{
	enum store_rc rc = STORE_OK;
	int n = 0, waiting = 0;
	size_t length;

	for (;; n++) {
		if (!read_chunk(fd, chunk, &length) || !EVP_DigestUpdate(sum, chunk, length)) {
			why_set(why, "an input cannot be read: %s", strerror(errno));
			return INPUT_IO;
		}
		if (!length || rc != STORE_OK)
			break;
		send_chunk(s, sha256, n, span_of(chunk, length));
		if (++waiting == WINDOW) {
			PQclear(settle_one(s, &rc, why));
			waiting--;
		}
	}
	for (; waiting; waiting--)
		PQclear(settle_one(s, &rc, why));
	return rc_of(rc);
}

/* A file that is not what its name says must not take the place of one that is. */
static enum input_rc check_sum(EVP_MD_CTX *sum, const uint8_t sha256[32], struct why *why)
{
	uint8_t got[32];

	if (EVP_DigestFinal_ex(sum, got, NULL) && memcmp(got, sha256, sizeof got) == 0)
		return INPUT_OK;
	why_set(why, "the file of an input does not have the bytes that it is named after");
	return INPUT_BROKEN;
}

enum input_rc inputs_share(struct engine *engine, const char *dir, const uint8_t sha256[32],
			   uint64_t size, struct why *why)
{
	struct postgres *e = postgres_of(engine);
	struct link s = {0};
	EVP_MD_CTX *sum;
	enum input_rc rc;
	uint8_t *chunk;
	int fd;

	rc = input_file_open(&fd, dir, sha256, size, why);
	if (rc != INPUT_OK)
		return rc;
	rc = INPUT_IO;
	chunk = malloc(CHUNK);
	sum = EVP_MD_CTX_new();
	if (!chunk || !sum || !EVP_DigestInit_ex(sum, EVP_sha256(), NULL)) {
		why_set(why, "out of memory for an input");
		goto out;
	}
	rc = rc_of(open_own(&s, e, SHARE_LOCK_MS, why));
	if (rc == INPUT_OK)
		rc = rc_of(name_it(&s, sha256, size, why));
	if (rc == INPUT_OK)
		rc = send_chunks(&s, fd, sha256, sum, chunk, why);
	if (rc == INPUT_OK)
		rc = check_sum(sum, sha256, why);
	link_deadline(&s, STEP_MS);
	if (rc == INPUT_OK)
		rc = rc_of(link_run(&s, "COMMIT", why));
out:
	link_close(&s);
	EVP_MD_CTX_free(sum);
	free(chunk);
	close(fd);
	return rc;
}

/* ---- and back ---- */

static enum store_rc check_there(struct link *s, const uint8_t sha256[32], uint64_t size,
				 struct why *why)
{
	struct params p = {0};
	enum store_rc rc;
	PGresult *r;

	key_of(&p, sha256);
	r = link_query(s, "SELECT size FROM input_file WHERE sha256 = $1", "b", &p, &rc, why);
	if (!r)
		return rc;
	if (PQntuples(r) == 0 || cell_u64(r, 0, 0) != size) {
		why_set(why, "%s: the input is not there with %" PRIu64 " bytes", s->where, size);
		rc = STORE_NOT_FOUND;
	}
	PQclear(r);
	return rc;
}

static void ask_chunk(struct link *s, const uint8_t sha256[32], uint64_t n)
{
	struct params p = {0};

	key_of(&p, sha256);
	param_int(&p, (int)n);
	link_send_sql(s, "SELECT bytes FROM input_chunk WHERE sha256 = $1 AND n = $2", "bi", &p);
	link_sync(s);
}

static enum input_rc take_chunks(struct link *s, struct input_sink *sink, const uint8_t sha256[32],
				 uint64_t size, struct why *why)
{
	const uint64_t chunks = (size + CHUNK - 1) / CHUNK;
	enum input_rc written = INPUT_OK;
	enum store_rc rc = STORE_OK;
	uint64_t asked = 0, n;
	PGresult *r;

	for (n = 0; n < chunks && rc == STORE_OK && written == INPUT_OK; n++) {
		for (; asked < chunks && asked < n + WINDOW; asked++)
			ask_chunk(s, sha256, asked);
		r = settle_one(s, &rc, why);
		if (r && PQntuples(r) == 1)
			written = input_sink_write(sink, cell_bytes(r, 0, 0), why);
		PQclear(r);
	}
	return rc == STORE_OK ? written : INPUT_IO;
}

enum input_rc inputs_fetch(struct engine *engine, const char *dir, const uint8_t sha256[32],
			   uint64_t size, struct why *why)
{
	struct postgres *e = postgres_of(engine);
	struct input_sink *sink = NULL;
	struct link s = {0};
	enum input_rc rc;
	enum store_rc there;

	there = open_own(&s, e, FETCH_LOCK_MS, why);
	if (there == STORE_OK)
		there = check_there(&s, sha256, size, why);
	rc = there == STORE_NOT_FOUND ? INPUT_BROKEN : there == STORE_OK ? INPUT_OK : INPUT_IO;
	if (rc == INPUT_OK)
		rc = input_sink_open(&sink, dir, why);
	if (rc == INPUT_OK)
		rc = take_chunks(&s, sink, sha256, size, why);
	link_close(&s);
	if (rc == INPUT_OK)
		return input_sink_publish(sink, sha256, size, why);
	input_sink_abort(sink);
	return rc;
}
