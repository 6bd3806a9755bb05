#include "coordinator/admin/internal.h"

#include "coordinator/admin/listen.h"
#include "coordinator/base/clock.h"
#include "coordinator/base/listen_at.h"
#include "coordinator/page/page.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTION_MEMORY (128u * 1024)
#define CLOSE_WAIT_MS     5000 /* for what is on its way to the disk */
#define CLOSE_TURN_MS     5

static void turn(struct admin *a);
static void stop(struct admin *a);

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

/* At its limit of connections libmicrohttpd no longer watches the listener, and takes that up again
 * when it runs with fewer: which nothing else would make it do, once the last one has ended by its
 * timeout. */
void admin_plan_turn(uv_timer_t *timer, uv_timer_cb cb, struct MHD_Daemon *http, bool fewer)
{
	MHD_UNSIGNED_LONG_LONG wait;

	if (fewer)
		uv_timer_start(timer, cb, 0, 0);
	else if (MHD_get_timeout(http, &wait) == MHD_YES)
		uv_timer_start(timer, cb, wait, 0);
	else
		uv_timer_stop(timer);
}

/* Runs libmicrohttpd once and asks it when it wants to run again. */
static void turn(struct admin *a)
{
	const unsigned before = a->connections;

	if (a->stopped)
		return;
	MHD_run(a->http);
	if (a->closing)
		return;
	admin_plan_turn(&a->timer, on_timer, a->http, a->connections < before);
}

void admin_turn_soon(struct admin *a)
{
	if (!a->closing)
		uv_timer_start(&a->timer, on_timer, 0, 0);
}

static void unlist(struct admin_request *r)
{
	struct admin_request **at;

	for (at = &r->admin->requests; *at; at = &(*at)->next)
		if (*at == r) {
			*at = r->next;
			return;
		}
}

static void request_free(struct admin_request *r)
{
	if (r->admin)
		unlist(r);
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
	admin_turn_soon(r->admin);
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

static void on_upload_end(void *arg, enum upload_rc rc, const char *sentence)
{
	struct admin_request *r = arg;

	r->upload = NULL;
	if (r->gone) {
		request_free(r);
		return;
	}
	switch (rc) {
	case UPLOAD_CREATED: admin_reply(r, MHD_HTTP_CREATED, "created", "%s", sentence); break;
	case UPLOAD_SAME: admin_reply(r, MHD_HTTP_OK, "same", "%s", sentence); break;
	case UPLOAD_OTHER_CONTENT:
		admin_reply(r, MHD_HTTP_CONFLICT, "other_content", "%s", sentence);
		break;
	case UPLOAD_INVALID:
		admin_reply(r, MHD_HTTP_UNPROCESSABLE_CONTENT, "invalid_input", "%s", sentence);
		break;
	case UPLOAD_TOO_BIG:
		admin_reply(r, MHD_HTTP_CONTENT_TOO_LARGE, "too_big", "%s", sentence);
		break;
	case UPLOAD_NO_SPACE:
		admin_reply(r, MHD_HTTP_INSUFFICIENT_STORAGE, "no_space", "%s", sentence);
		break;
	case UPLOAD_GONE: admin_reply(r, MHD_HTTP_GONE, "verified", "%s", sentence); break;
	case UPLOAD_FAILED:
		admin_reply(r, MHD_HTTP_SERVICE_UNAVAILABLE, "failed", "%s", sentence);
		break;
	}
	resume(r);
}

static enum MHD_Result send_answer(struct admin_request *r)
{
	/* A browser keeps what it is given to this listener's own page. */
	static const struct {
		const char *name, *value;
	} guards[] = {
	    {"Content-Security-Policy", PAGE_POLICY},
	    {"X-Content-Type-Options", "nosniff"},
	    {"X-Frame-Options", "DENY"},
	    {"Referrer-Policy", "no-referrer"},
	    {"Cross-Origin-Resource-Policy", "same-origin"},
	    {"Cross-Origin-Opener-Policy", "same-origin"},
	};
	struct MHD_Response *response;
	enum MHD_Result sent;
	size_t i;

	response = r->streams ? admin_stream_response(r)
			      : MHD_create_response_from_buffer(r->body.len, r->body.p,
								MHD_RESPMEM_MUST_COPY);
	if (!response)
		return MHD_NO;
	for (i = 0; i < sizeof guards / sizeof *guards; i++)
		MHD_add_response_header(response, guards[i].name, guards[i].value);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				r->content_type ? r->content_type : "application/json");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (r->hang_up)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	if (r->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, r->allow);
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
		if (r->status && !r->hang_up &&
		    !MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
						 MHD_HTTP_HEADER_EXPECT))
			return MHD_YES;
		return r->status ? send_answer(r) : MHD_YES;
	}
	/* libmicrohttpd may call again while suspended, with bytes that it has already: they keep.
	 */
	if (r->suspended)
		return MHD_YES;
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

static void reply_not_kept(struct admin_request *r, const char *why)
{
	const char *so = "done, but a restart would forget it";

	if (r->on_kept)
		so = "not done, say it again";
	else if (store_is_shared(r->admin->p.store))
		so = "the other coordinators do not know it, say it again";
	r->body.len = 0;
	admin_reply(r, MHD_HTTP_SERVICE_UNAVAILABLE, "not_kept", "%s: %s", so, why);
}

static void on_durable(void *arg, enum store_rc rc, const struct why *why)
{
	struct admin_request *r = arg;

	r->committing = false;
	r->status = r->status_after;
	if (rc == STORE_OK && r->on_kept)
		r->on_kept(r);
	if (r->gone) {
		request_free(r);
		return;
	}
	if (rc != STORE_OK)
		reply_not_kept(r, why->text);
	resume(r);
}

void admin_commit(struct admin_request *r, const struct store_change *changes, size_t n)
{
	r->status_after = r->status;
	r->status = 0;
	r->committing = true;
	if (store_commit(r->admin->p.store, changes, n, on_durable, r) == STORE_OK)
		return;
	r->committing = false;
	reply_not_kept(r, "the store's queue is full");
}

static void on_input_deleted(void *arg, bool ok, const char *sentence)
{
	struct admin_request *r = arg;

	r->committing = false;
	if (r->gone) {
		request_free(r);
		return;
	}
	admin_reply(r, ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
		    ok ? "deleted" : "try_again", "%s", sentence);
	resume(r);
}

void admin_delete_input(struct admin_request *r, uint64_t batch, const char *commit_hash)
{
	struct why why = {""};

	r->committing =
	    inputs_delete(r->admin->p.inputs, batch, commit_hash, on_input_deleted, r, &why);
	if (!r->committing)
		admin_reply(r, MHD_HTTP_NOT_FOUND, "not_deleted", "%s", why.text);
}

/* The client is gone, and the listener may go before the last callback comes. */
static void forget(struct admin_request *r)
{
	unlist(r);
	r->admin = NULL;
	r->gone = true;
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
	admin_trust_ends(r);
	admin_keep_ends(r);
	if (r->committing) {
		forget(r);
	} else if (!r->upload) {
		request_free(r);
	} else if (r->finishing) {
		forget(r); /* the durable part goes on; its end frees the request */
	} else {
		upload_abort(r->upload);
		request_free(r);
	}
}

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
	struct admin_request *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->zero_in_uri = strstr(uri, "%00") != NULL;
	r->admin = arg;
	r->connection = connection;
	r->next = r->admin->requests;
	r->admin->requests = r;
	buf_init(&r->body, 4u << 20);
	return r;
}

bool admin_start_upload(struct admin_request *r, uint64_t batch, const char *commit_hash,
			struct why *why)
{
	static const struct upload_events events = {on_upload_progress, on_upload_end};

	return upload_new(&r->upload, r->admin->p.inputs, batch, commit_hash, &events, r, why);
}

void admin_set_state(struct admin *a, enum admin_state state)
{
	a->state = state;
}

void admin_set_server(struct admin *a, const struct server *server)
{
	a->server = server;
}

bool admin_new(struct admin **out, const struct admin_parts *parts,
	       const struct admin_options *options, struct why *why)
{
	struct admin *a = calloc(1, sizeof *a);
	const union MHD_DaemonInfo *info;
	int fd;

	*out = NULL;
	if (!a) {
		why_set(why, "out of memory");
		return false;
	}
	a->p = *parts;
	a->o = *options;
	a->began_ms = clock_mono_ms();
	fd = admin_listen(options->listen, why);
	if (fd < 0) {
		free(a);
		return false;
	}
	a->http = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, a,
	    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, a,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, a, MHD_OPTION_NOTIFY_CONNECTION,
	    admin_on_connection, a, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
	    MHD_OPTION_CONNECTION_LIMIT, options->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
	    options->idle_timeout_s, MHD_OPTION_END);
	info = a->http ? MHD_get_daemon_info(a->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		why_set(why, "libmicrohttpd could not be started");
		close(fd);
		free(a);
		return false;
	}
	uv_poll_init(parts->loop, &a->poll, info->epoll_fd);
	uv_timer_init(parts->loop, &a->timer);
	admin_events_begin(a);
	a->poll.data = a->timer.data = a;
	a->handles = 3;
	uv_poll_start(&a->poll, UV_READABLE, on_readable);
	turn(a);
	if (!admin_probes_begin(a, why)) {
		stop(a);
		return false;
	}
	*out = a;
	return true;
}

/* ---- the end ---- */

static void on_handle_closed(uv_handle_t *h)
{
	struct admin *a = h->data;

	if (--a->handles)
		return;
	if (a->done)
		a->done(a->done_arg);
	free(a);
}

/* Is an answer still to come that is worth waiting for? */
static bool owes(const struct admin *a)
{
	const struct admin_request *r;

	for (r = a->requests; r; r = r->next)
		if (r->committing || r->finishing)
			return true;
	return false;
}

/* No connection may be suspended when libmicrohttpd stops: it aborts the process. */
static void stop(struct admin *a)
{
	const char *path = listen_at_path(a->o.listen);
	struct admin_request *r;

	a->stopped = true;
	for (r = a->requests; r; r = r->next)
		resume(r);
	admin_events_end(a);
	admin_probes_end(a, on_handle_closed);
	MHD_stop_daemon(a->http);
	if (path)
		unlink(path);
	uv_close((uv_handle_t *)&a->poll, on_handle_closed);
	uv_close((uv_handle_t *)&a->timer, on_handle_closed);
	uv_close((uv_handle_t *)&a->events.timer, on_handle_closed);
}

static void on_closing(uv_timer_t *t)
{
	struct admin *a = t->data;
	const bool last = !owes(a) || uv_now(a->p.loop) >= a->stop_at;

	MHD_run(a->http);
	if (!last)
		return;
	MHD_run(a->http); /* what was decided in the turn before goes out in this one */
	stop(a);
}

static void refuse_upload(struct admin_request *r)
{
	upload_abort(r->upload);
	r->upload = NULL;
	admin_reply(r, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping", "the coordinator is stopping");
	resume(r);
}

void admin_close(struct admin *a, void (*done)(void *arg), void *arg)
{
	struct admin_request *r;

	if (!a) {
		done(arg);
		return;
	}
	a->done = done;
	a->done_arg = arg;
	a->closing = true;
	a->state = ADMIN_DRAINING;
	a->stop_at = uv_now(a->p.loop) + CLOSE_WAIT_MS;
	for (r = a->requests; r; r = r->next)
		if (r->upload && !r->finishing)
			refuse_upload(r);
	admin_events_end(a);
	uv_timer_start(&a->timer, on_closing, 0, CLOSE_TURN_MS);
}
