#include "coordinator/server/internal.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

void conn_write_deadline(struct conn *c, uint64_t length)
{
	const struct server_options *o = &c->server->options;
	uint64_t seconds = length / o->min_write_rate;

	c->due_final = uv_now(c->server->loop) + o->total_timeout_ms + seconds * 1000;
	conn_progress(c, o->write_timeout_ms);
}

/* As much as the kernel takes; *error is 0 when the rest has to wait. */
static size_t send_some(struct conn *c, const uint8_t *p, size_t n, int *error)
{
	size_t sent = 0;

	*error = 0;
	while (sent < n) {
		ssize_t k = conn_send(c, p + sent, n - sent);

		if (k >= 0)
			sent += (size_t)k;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		else if (errno != EINTR) {
			*error = errno;
			break;
		}
	}
	c->server->counters.bytes_out += sent;
	return sent;
}

static void write_failed(struct conn *c)
{
	c->server->counters.resets++;
	conn_close(c, false, CONN_RESET);
}

/* TLS says that it ends, as far as the socket takes it; what follows is between the kernels. False:
 * the socket is full. */
static bool end_channel(struct conn *c)
{
	enum channel_step step = c->channel ? channel_end(c->channel) : CHANNEL_DONE;

	if (step == CHANNEL_WANTS_WRITE) {
		if (!c->ending) {
			conn_set_phase(c, CONN_WRITING);
			conn_write_deadline(c, 0);
			c->ending = true;
		}
		conn_poll(c, EPOLLOUT);
		return false;
	}
	channel_free(c->channel);
	c->channel = NULL;
	return true;
}

void conn_finish(struct conn *c)
{
	struct server *s = c->server;

	if (!end_channel(c))
		return;

	/* Closed with bytes unread, the connection would be reset, and the reply lost with it. */
	conn_set_phase(c, CONN_LINGERING);
	conn_release_message(c);
	conn_release(c, &c->out);
	if (!c->eof && shutdown(c->fd, SHUT_WR) == 0 && conn_discard(c)) {
		/* Who still sends a message reads the answer behind it. */
		if (c->cut)
			conn_progress(c, s->options.read_timeout_ms);
		else
			deadlines_set(c, uv_now(s->loop) + s->options.linger_timeout_ms);
		conn_poll(c, EPOLLIN);
		return;
	}
	conn_close(c, c->answered && c->eof, CONN_IN_ORDER);
}

void conn_write(struct conn *c)
{
	int error;
	size_t sent = send_some(c, c->out.p + c->out_sent, c->out.len - c->out_sent, &error);

	c->out_sent += sent;
	if (error) {
		write_failed(c);
	} else if (c->out_sent == c->out.len) {
		c->server->counters.replies++;
		c->answered = true;
		conn_finish(c);
	} else if (sent > 0) {
		conn_progress(c, c->server->options.write_timeout_ms);
	}
}

void conn_reply(struct conn *c, struct span bytes)
{
	struct server *s = c->server;
	size_t sent;
	int error;

	if (c->phase != CONN_PENDING)
		return;
	conn_set_phase(c, CONN_WRITING);
	sent = send_some(c, bytes.p, bytes.n, &error);
	if (error) {
		write_failed(c);
		return;
	}
	if (sent == bytes.n) {
		s->counters.replies++;
		c->answered = true;
		conn_finish(c);
		return;
	}
	if (conn_append(c, &c->out, bytes.p + sent, bytes.n - sent) != LIMITS_OK) {
		server_log(s, "reply_dropped", "no room for %zu bytes of a reply", bytes.n - sent);
		conn_close(c, false, CONN_RESET);
		return;
	}
	conn_release_message(c);
	conn_write_deadline(c, bytes.n);
	conn_poll(c, EPOLLOUT);
}

void conn_close_silent(struct conn *c)
{
	if (c->phase == CONN_PENDING)
		conn_finish(c);
}
