#include "coordinator/server/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What one job may do before others have their turn in the pool. */
#define SLICE_NS UINT64_C(20000000)
#define PIECE    (8 * 1024 * 1024)

enum stream_state {
	STREAM_SLICE, /* the slice is over, the socket takes more */
	STREAM_FULL,  /* the socket takes no more now */
	STREAM_DONE,
	STREAM_PEER_GONE,
	STREAM_FILE_SHORT,
	STREAM_FILE_ERROR,
};

/* While a job runs it owns all of this, and conn->out, which holds head and tail. */
struct stream {
	uv_work_t work;
	struct server *server;
	uint64_t id;
	int socket, file;
	struct channel *channel; /* NULL: plain TCP */
	bool running, advised;
	const uint8_t *head, *tail;
	size_t head_left, tail_left;
	off_t offset;
	uint64_t left;
	uint64_t sent; /* in this slice */
	enum stream_state state;
	int error;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* False when the slice ends here; state says why. */
static bool took(struct stream *st, ssize_t n)
{
	if (n > 0) {
		st->sent += (uint64_t)n;
		return true;
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n == 0) {
		st->state = STREAM_FILE_SHORT;
	} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
		st->state = STREAM_FULL;
	} else if (errno == EPIPE || errno == ECONNRESET || errno == ETIMEDOUT ||
		   errno == ENOTCONN || errno == EPROTO) {
		st->state = STREAM_PEER_GONE;
	} else {
		st->state = STREAM_FILE_ERROR;
		st->error = errno;
	}
	return false;
}

static bool send_bytes(struct stream *st, const uint8_t **p, size_t *left, int flags)
{
	while (*left > 0) {
		ssize_t n = st->channel ? channel_send(st->channel, *p, *left)
					: send(st->socket, *p, *left, MSG_NOSIGNAL | flags);

		if (!took(st, n))
			return false;
		if (n > 0) {
			*p += n;
			*left -= (size_t)n;
		}
	}
	return true;
}

/* As sendfile(2). A piece that the socket did not take is read again: the file does not change. */
static ssize_t send_encrypted(struct stream *st, size_t n)
{
	uint8_t piece[CHANNEL_RECORD];
	ssize_t got = pread(st->file, piece, n < sizeof piece ? n : sizeof piece, st->offset);
	ssize_t sent = got > 0 ? channel_send(st->channel, piece, (size_t)got) : got;

	if (sent > 0)
		st->offset += sent;
	return sent;
}

static void run_slice(uv_work_t *work)
{
	struct stream *st = work->data;
	uint64_t end = now_ns() + SLICE_NS;

	st->state = STREAM_SLICE;
	if (!st->advised) {
		posix_fadvise(st->file, st->offset, (off_t)st->left, POSIX_FADV_SEQUENTIAL);
		st->advised = true;
	}
	if (!send_bytes(st, &st->head, &st->head_left, MSG_MORE))
		return;
	while (st->left > 0) {
		size_t piece = st->left < PIECE ? (size_t)st->left : PIECE;
		ssize_t n = st->channel ? send_encrypted(st, piece)
					: sendfile(st->socket, st->file, &st->offset, piece);

		if (!took(st, n))
			return;
		if (n > 0)
			st->left -= (uint64_t)n;
		if (st->left > 0 && now_ns() >= end)
			return;
	}
	if (send_bytes(st, &st->tail, &st->tail_left, 0))
		st->state = STREAM_DONE;
}

static void failed(struct conn *c)
{
	struct stream *st = c->stream;
	struct server *s = c->server;

	if (st->state == STREAM_PEER_GONE) {
		s->counters.resets++;
	} else {
		s->counters.file_errors++;
		server_log_gated(s, GATE_FILE, "file_failed",
				 "a reply was cut short: its file %s, %llu bytes before the end",
				 st->state == STREAM_FILE_SHORT ? "ended early"
								: strerror(st->error),
				 (unsigned long long)st->left);
	}
	conn_close(c, false, CONN_RESET);
}

static void on_slice(uv_work_t *work, int status)
{
	struct stream *st = work->data;
	struct server *s = st->server;
	struct conn *c = server_lookup(s, st->id);

	(void)status; /* jobs are never cancelled */
	st->running = false;
	s->counters.bytes_out += st->sent;
	if (c->phase == CONN_DOOMED) {
		conn_close(c, false, CONN_RESET);
		server_job_done(s);
		return;
	}
	if (st->sent > 0)
		conn_progress(c, s->options.write_timeout_ms);
	switch (st->state) {
	case STREAM_SLICE: stream_continue(c); break;
	case STREAM_FULL: conn_poll(c, EPOLLOUT | EPOLLONESHOT); break;
	case STREAM_DONE:
		s->counters.replies++;
		c->answered = true;
		c->stream = NULL;
		stream_free(st);
		conn_finish(c);
		break;
	case STREAM_PEER_GONE:
	case STREAM_FILE_SHORT:
	case STREAM_FILE_ERROR: failed(c); break;
	}
	server_job_done(s);
}

void stream_continue(struct conn *c)
{
	struct stream *st = c->stream;

	if (st->running)
		return;
	st->sent = 0;
	st->running = true;
	c->server->jobs++;
	uv_queue_work(c->server->loop, &st->work, run_slice, on_slice);
}

bool stream_running(const struct conn *c)
{
	return c->stream && c->stream->running;
}

void stream_free(struct stream *st)
{
	if (!st)
		return;
	close(st->file);
	free(st);
}

void conn_reply_file(struct conn *c, struct span head, int fd, uint64_t offset, uint64_t length,
		     struct span tail)
{
	struct server *s = c->server;
	struct stream *st;

	if (c->phase != CONN_PENDING) {
		close(fd);
		return;
	}
	conn_set_phase(c, CONN_WRITING);
	st = calloc(1, sizeof *st);
	if (!st || conn_append(c, &c->out, head.p, head.n) ||
	    conn_append(c, &c->out, tail.p, tail.n)) {
		server_log(s, "reply_dropped", "no memory for a reply of %llu bytes",
			   (unsigned long long)length);
		free(st);
		close(fd);
		conn_close(c, false, CONN_RESET);
		return;
	}
	conn_release_message(c);
	*st = (struct stream){
	    .server = s,
	    .id = c->id,
	    .socket = c->fd,
	    .channel = c->channel,
	    .file = fd,
	    .head = c->out.p,
	    .head_left = head.n,
	    .tail = c->out.p + head.n,
	    .tail_left = tail.n,
	    .offset = (off_t)offset,
	    .left = length,
	};
	st->work.data = st;
	c->stream = st;
	conn_write_deadline(c, head.n + length + tail.n);
	/* Not to be woken by what the peer sends meanwhile. */
	if (!c->polled || conn_poll(c, EPOLLONESHOT))
		stream_continue(c);
}
