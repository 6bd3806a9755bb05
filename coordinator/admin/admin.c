#include "coordinator/admin/internal.h"

#include "coordinator/daemon.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTION_MEMORY (128u * 1024)

static void turn(struct admin *a);

static void on_readable(uv_poll_t *h, int status, int events)
{
	(void)status;
	(void)events;
	turn(h->data);
}

static void on_timer(uv_timer_t *t)
{
	turn(t->data);
}

/* Runs libmicrohttpd once and asks it when it wants to run again. */
static void turn(struct admin *a)
{
	MHD_UNSIGNED_LONG_LONG wait;

	if (a->closing)
		return;
	MHD_run(a->http);
	if (MHD_get_timeout(a->http, &wait) == MHD_YES)
		uv_timer_start(&a->timer, on_timer, wait, 0);
	else
		uv_timer_stop(&a->timer);
}

static void request_free(struct admin_request *r)
{
	buf_free(&r->body);
	free(r);
}

static void resume(struct admin_request *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	MHD_resume_connection(r->connection);
	/* From the loop, not from inside whatever callback brought us here. */
	uv_timer_start(&r->admin->timer, on_timer, 0, 0);
}

static void suspend(struct admin_request *r)
{
	r->suspended = true;
	MHD_suspend_connection(r->connection);
}

static void on_upload_progress(void *arg)
{
	struct admin_request *r = arg;

	resume(r);
}

static void on_upload_end(void *arg, enum intake_rc rc, const char *sentence)
{
	struct admin_request *r = arg;

	r->upload = NULL;
	if (r->gone) {
		request_free(r);
		return;
	}
	switch (rc) {
	case INTAKE_CREATED: admin_error(r, MHD_HTTP_CREATED, "created", "%s", sentence); break;
	case INTAKE_SAME: admin_error(r, MHD_HTTP_OK, "same", "%s", sentence); break;
	case INTAKE_OTHER_CONTENT:
		admin_error(r, MHD_HTTP_CONFLICT, "other_content", "%s", sentence);
		break;
	case INTAKE_INVALID:
		admin_error(r, MHD_HTTP_UNPROCESSABLE_CONTENT, "invalid_input", "%s", sentence);
		break;
	case INTAKE_TOO_BIG:
		admin_error(r, MHD_HTTP_CONTENT_TOO_LARGE, "too_big", "%s", sentence);
		break;
	case INTAKE_NO_SPACE:
		admin_error(r, MHD_HTTP_INSUFFICIENT_STORAGE, "no_space", "%s", sentence);
		break;
	case INTAKE_GONE: admin_error(r, MHD_HTTP_GONE, "verified", "%s", sentence); break;
	case INTAKE_FAILED:
		admin_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "failed", "%s", sentence);
		break;
	}
	resume(r);
}

static enum MHD_Result send_answer(struct admin_request *r)
{
	struct MHD_Response *response;
	enum MHD_Result sent;

	response = MHD_create_response_from_buffer(r->body.len, r->body.p, MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				r->content_type ? r->content_type : "application/json");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (r->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	sent = MHD_queue_response(r->connection, r->status, response);
	MHD_destroy_response(response);
	return sent;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *n, void **slot)
{
	struct admin_request *r = *slot;
	size_t take;

	(void)arg;
	(void)version;
	r->connection = connection;
	if (!r->checked) {
		r->checked = true;
		admin_route(r, method, url);
		/* An answer before the body would leave the client writing into a closed socket
		 * unless the body is read; an early one is given where there is none. */
		if (r->status && !MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							      MHD_HTTP_HEADER_EXPECT))
			return MHD_YES;
		return r->status ? send_answer(r) : MHD_YES;
	}
	if (*n > 0) {
		if (!r->upload || r->status) {
			*n = 0;
			return MHD_YES;
		}
		take = *n < INPUT_CHUNK_MAX ? *n : INPUT_CHUNK_MAX;
		upload_write(r->upload, data, take);
		/* What is refused at once has no callback to come that would resume it. */
		if (r->upload) {
			suspend(r);
			*n -= take;
		} else {
			*n = 0;
		}
		return MHD_YES;
	}
	if (r->upload && !r->finishing) {
		r->finishing = true;
		suspend(r);
		upload_finish(r->upload);
		return MHD_YES;
	}
	if (r->committing) {
		suspend(r);
		return MHD_YES;
	}
	return r->status ? send_answer(r) : MHD_YES;
}

static void on_durable(void *arg, enum store_rc rc, const struct why *why)
{
	struct admin_request *r = arg;

	r->committing = false;
	r->status = r->status_after;
	if (r->gone) {
		request_free(r);
		return;
	}
	if (rc != STORE_OK) {
		r->body.len = 0;
		admin_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "not_kept",
			    "done, but a restart would forget it: %s", why->text);
	}
	resume(r);
}

void admin_commit(struct admin_request *r, const struct store_change *changes, size_t n)
{
	struct daemon *d = r->admin->daemon;

	r->status_after = r->status;
	r->status = 0;
	r->committing = true;
	if (store_commit(d->store, changes, n, on_durable, r) == STORE_OK)
		return;
	r->committing = false;
	r->body.len = 0;
	admin_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "not_kept",
		    "done, but a restart would forget it: the store's queue is full");
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **slot,
			 enum MHD_RequestTerminationCode code)
{
	struct admin_request *r = *slot;

	(void)arg;
	(void)connection;
	(void)code;
	*slot = NULL;
	if (!r)
		return;
	if (r->committing) {
		r->gone = true;
	} else if (!r->upload) {
		request_free(r);
	} else if (r->finishing) {
		r->gone = true; /* the durable part goes on; its end frees the request */
	} else {
		upload_abort(r->upload);
		request_free(r);
	}
}

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
	struct admin_request *r = calloc(1, sizeof *r);

	(void)uri;
	if (!r)
		return NULL;
	r->admin = arg;
	r->connection = connection;
	buf_init(&r->body, 4u << 20);
	return r;
}

bool admin_start_upload(struct admin_request *r, uint64_t batch, const char *commit_hash,
			struct why *why)
{
	static const struct upload_events events = {on_upload_progress, on_upload_end};

	return upload_new(&r->upload, r->admin->daemon, batch, commit_hash, &events, r, why);
}

static int listen_unix(struct admin *a, const char *path, struct why *why)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd;
	mode_t old;

	if (strlen(path) >= sizeof to.sun_path) {
		why_set(why, "the admin socket's path \"%s\" is longer than %zu characters", path,
			sizeof to.sun_path - 1);
		return -1;
	}
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto failed;
	/* A live listener answers; a stale file of a dead one does not and may go. The lock on the
	 * data directory has already kept a second daemon out. */
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
		why_set(why, "another program listens on %s", path);
		close(fd);
		return -1;
	}
	close(fd);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	old = umask(0177);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, 64) < 0) {
		umask(old);
		goto failed;
	}
	umask(old);
	a->is_unix = true;
	snprintf(a->socket_path, sizeof a->socket_path, "%s", path);
	return fd;
failed:
	why_set(why, "cannot listen on unix:%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int listen_tcp(const char *text, struct why *why)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd, one = 1;
	unsigned long port;
	char *end;

	if (!colon || (size_t)(colon - text) >= sizeof host)
		goto malformed;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (*end || !colon[1] || port > 65535)
		goto malformed;
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		goto malformed;
	if ((ntohl(to.sin_addr.s_addr) >> 24) != 127) {
		why_set(why, "the admin listener must be on loopback or a Unix socket, not on %s",
			host);
		return -1;
	}
	to.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, 64) < 0) {
		why_set(why, "cannot listen on %s for admin: %s", text, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
malformed:
	why_set(why, "the admin listener \"%s\" is neither unix:PATH nor 127.x.x.x:PORT", text);
	return -1;
}

bool admin_new(struct admin **out, struct daemon *d, struct why *why)
{
	const char *text = d->config.admin_listen;
	struct admin *a = calloc(1, sizeof *a);
	const union MHD_DaemonInfo *info;

	*out = NULL;
	if (!a) {
		why_set(why, "out of memory");
		return false;
	}
	a->daemon = d;
	a->listen_fd =
	    strncmp(text, "unix:", 5) == 0 ? listen_unix(a, text + 5, why) : listen_tcp(text, why);
	if (a->listen_fd < 0) {
		free(a);
		return false;
	}
	a->http = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, a,
	    MHD_OPTION_LISTEN_SOCKET, a->listen_fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, a,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, a, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)d->config.admin_max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)(d->config.read_timeout_ms / 1000 + 1), MHD_OPTION_END);
	info = a->http ? MHD_get_daemon_info(a->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		why_set(why, "libmicrohttpd could not be started");
		close(a->listen_fd);
		free(a);
		return false;
	}
	uv_poll_init(&d->loop, &a->poll, info->epoll_fd);
	uv_timer_init(&d->loop, &a->timer);
	a->poll.data = a->timer.data = a;
	a->handles = 2;
	uv_poll_start(&a->poll, UV_READABLE, on_readable);
	turn(a);
	*out = a;
	return true;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct admin *a = h->data;

	if (--a->handles)
		return;
	if (a->socket_path[0])
		unlink(a->socket_path);
	a->done(a->done_arg);
	free(a);
}

void admin_close(struct admin *a, void (*done)(void *arg), void *arg)
{
	if (!a) {
		done(arg);
		return;
	}
	a->done = done;
	a->done_arg = arg;
	a->closing = true;
	uv_close((uv_handle_t *)&a->poll, on_handle_closed);
	uv_close((uv_handle_t *)&a->timer, on_handle_closed);
	MHD_stop_daemon(a->http);
}
