/* Server-sent events: the overview, whenever it has changed, to whoever looks.
 *
 * It is made once for all, at most once a second and only while somebody looks. A stream that has
 * nothing to send is suspended; one that reads slowly keeps the text that it began with, so there
 * are never more texts than streams and one. */
#include "coordinator/admin/internal.h"

#include "coordinator/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TURN_MS 1000
#define BEAT_MS 10000 /* so often something is sent, changed or not */
#define BLOCK   (16u * 1024)

struct admin_event {
	unsigned refs;
	size_t n;
	char text[];
};

struct admin_stream {
	struct admin_stream *next;
	struct admin *admin;
	struct MHD_Connection *connection;
	struct admin_event *at; /* being sent; NULL: none */
	size_t sent;            /* bytes of it */
	uint64_t seen;          /* number of the newest that was begun */
	bool suspended, over;
};

static void unref(struct admin_event *e)
{
	if (e && --e->refs == 0)
		free(e);
}

/* json: compact, so without a line break. NULL: no memory. */
static struct admin_event *event_of(const char *json)
{
	static const char before[] = "event: overview\ndata: ", after[] = "\n\n";
	const size_t n = strlen(json);
	struct admin_event *e = malloc(sizeof *e + sizeof before + n + sizeof after);

	if (!e)
		return NULL;
	e->refs = 1;
	memcpy(e->text, before, sizeof before - 1);
	memcpy(e->text + sizeof before - 1, json, n);
	memcpy(e->text + sizeof before - 1 + n, after, sizeof after - 1);
	e->n = sizeof before - 1 + n + sizeof after - 1;
	return e;
}

/* Has anything changed but the clock? Takes j over. */
static bool is_news(struct admin_events *ev, json_t *j)
{
	bool same;

	json_object_del(j, "at_ms");
	json_object_del(j, "uptime_s");
	cluster_json_still(json_object_get(j, "cluster"));
	same = ev->said && json_equal(ev->said, j);
	json_decref(ev->said);
	ev->said = j;
	return !same;
}

static void renew(struct admin *a)
{
	struct admin_events *ev = &a->events;
	const uint64_t now = uv_now(a->p.loop);
	json_t *j = admin_overview(a);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	struct admin_event *e;

	if (!text || (!is_news(ev, j) && ev->last && now - ev->sent_ms < BEAT_MS)) {
		if (!text)
			json_decref(j);
		free(text);
		return;
	}
	e = event_of(text);
	free(text);
	if (!e)
		return;
	unref(ev->last);
	ev->last = e;
	ev->number++;
	ev->sent_ms = now;
}

static void wake(struct admin_stream *s)
{
	if (!s->suspended)
		return;
	s->suspended = false;
	MHD_resume_connection(s->connection);
}

/* While it is suspended libmicrohttpd does not look whether the client is still there. */
static void look_after(struct admin_stream *s)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(s->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	char byte;
	ssize_t n;

	if (!s->suspended || !info)
		return;
	n = recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	s->over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void on_turn(uv_timer_t *t)
{
	struct admin *a = t->data;
	struct admin_stream *s;

	if (a->closing)
		return;
	renew(a);
	for (s = a->events.streams; s; s = s->next) {
		look_after(s);
		if (s->over || s->seen != a->events.number)
			wake(s);
	}
	admin_turn_soon(a);
}

static ssize_t on_read(void *arg, uint64_t at, char *out, size_t max)
{
	struct admin_stream *s = arg;
	struct admin_events *ev = &s->admin->events;
	size_t n;

	(void)at;
	if (s->admin->closing)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (s->over)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (!s->at) {
		if (!ev->last || s->seen == ev->number) {
			s->suspended = true;
			MHD_suspend_connection(s->connection);
			return 0;
		}
		s->at = ev->last;
		s->at->refs++;
		s->seen = ev->number;
		s->sent = 0;
	}
	n = s->at->n - s->sent < max ? s->at->n - s->sent : max;
	memcpy(out, s->at->text + s->sent, n);
	s->sent += n;
	if (s->sent == s->at->n) {
		unref(s->at);
		s->at = NULL;
	}
	return (ssize_t)n;
}

static void forget_last(struct admin_events *ev)
{
	unref(ev->last);
	ev->last = NULL;
	json_decref(ev->said);
	ev->said = NULL;
}

static void on_over(void *arg)
{
	struct admin_stream *s = arg, **at;
	struct admin_events *ev = &s->admin->events;

	for (at = &ev->streams; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	unref(s->at);
	free(s);
	if (--ev->n == 0) {
		uv_timer_stop(&ev->timer);
		forget_last(ev);
	}
}

void admin_stream(struct admin_request *r, const char *rest)
{
	struct admin *a = r->admin;

	(void)rest;
	if (8 * (a->kept + 1) > a->o.max_connections)
		admin_reply(r, MHD_HTTP_SERVICE_UNAVAILABLE, "too_many_streams",
			    "%u event streams are open, and there are no more; "
			    "GET /api/v1/overview has the same",
			    a->kept);
	else if (!admin_keep(r))
		admin_reply(r, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
			    "the connection was to be closed");
	else
		r->streams = true, r->status = MHD_HTTP_OK;
}

struct MHD_Response *admin_stream_response(struct admin_request *r)
{
	struct admin *a = r->admin;
	struct admin_events *ev = &a->events;
	struct admin_stream *s = calloc(1, sizeof *s);
	struct MHD_Response *response;

	if (!s)
		return NULL;
	s->admin = a;
	s->connection = r->connection;
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, s, on_over);
	if (!response) {
		free(s);
		return NULL;
	}
	s->next = ev->streams;
	ev->streams = s;
	if (ev->n++ == 0) {
		renew(a);
		uv_timer_start(&ev->timer, on_turn, TURN_MS, TURN_MS);
	}
	r->content_type = "text/event-stream";
	return response;
}

void admin_events_begin(struct admin *a)
{
	uv_timer_init(a->p.loop, &a->events.timer);
	a->events.timer.data = a;
}

void admin_events_end(struct admin *a)
{
	struct admin_stream *s;

	for (s = a->events.streams; s; s = s->next)
		wake(s);
}
