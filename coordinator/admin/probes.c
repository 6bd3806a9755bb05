/* The listener for machines that look on: Prometheus, and the probes of Kubernetes.
 *
 *     GET /metrics                Prometheus text
 *     GET /livez, /healthz        200 while the loop turns
 *     GET /readyz                 200 while provers are served, else 503
 *
 * It may stand on any address, since it tells numbers only and changes nothing. Its places are its
 * own: whoever fills them takes none of the operator's. When three quarters are taken the oldest
 * connection goes, so that the next to come is answered. */
#include "coordinator/admin/internal.h"

#include "coordinator/base/listen_at.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION_MEMORY (16u * 1024)
#define IDLE_S            10
#define METRICS_MAX       (4u << 20)

static void turn(struct admin *a);

static void on_timer(uv_timer_t *t)
{
	turn(t->data);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	(void)status;
	(void)events;
	turn(h->data);
}

static void turn(struct admin *a)
{
	struct admin_probes *p = &a->probes;
	const unsigned before = p->connections;

	if (!p->http)
		return;
	MHD_run(p->http);
	admin_plan_turn(&p->timer, on_timer, p->http, p->connections < before);
}

/* ---- places ---- */

static void end_oldest(struct admin_probes *p)
{
	struct admin_probe *oldest = NULL;
	size_t i;

	for (i = 0; i < ADMIN_PROBES_MAX; i++) {
		struct admin_probe *at = &p->places[i];

		if (at->number && !at->ending && (!oldest || at->number < oldest->number))
			oldest = at;
	}
	if (!oldest)
		return;
	oldest->ending = true;
	p->ending++;
	p->turned_away++;
	shutdown(oldest->fd, SHUT_RDWR);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **slot,
			  enum MHD_ConnectionNotificationCode code)
{
	struct admin_probes *p = arg;
	struct admin_probe *at = *slot;
	const union MHD_ConnectionInfo *info;

	if (code != MHD_CONNECTION_NOTIFY_STARTED) {
		if (at) {
			p->connections--;
			p->ending -= at->ending;
			*at = (struct admin_probe){.number = 0};
		}
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	for (at = p->places; at < p->places + ADMIN_PROBES_MAX && at->number; at++)
		;
	if (!info || at == p->places + ADMIN_PROBES_MAX)
		return;
	*at = (struct admin_probe){.fd = info->connect_fd, .number = ++p->number};
	*slot = at;
	p->connections++;
	if (4 * (p->connections - p->ending) > 3 * ADMIN_PROBES_MAX)
		end_oldest(p);
}

/* ---- answers ---- */

static unsigned answer(struct buf *body, const struct admin *a, const char *method, const char *url)
{
	const bool asks = strcmp(url, "/readyz") == 0;
	const char *text;
	bool ready;

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		buf_add_str(body, "only GET is served here\n");
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	}
	if (strcmp(url, "/metrics") == 0)
		return admin_metrics(body, a) ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR;
	if (strcmp(url, "/livez") == 0 || strcmp(url, "/healthz") == 0) {
		buf_add_str(body, "ok\n");
		return MHD_HTTP_OK;
	}
	ready = admin_is_ready(a, &text);
	buf_add_str(body, asks ? text : "/metrics, /livez and /readyz are served here\n");
	if (!asks)
		return MHD_HTTP_NOT_FOUND;
	return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *n, void **slot)
{
	struct MHD_Response *response;
	enum MHD_Result sent = MHD_NO;
	struct buf body;
	unsigned status;

	(void)version;
	(void)data;
	/* The head first; then a body, which is nobody's; then the answer. */
	if (!*slot || *n) {
		*slot = arg;
		*n = 0;
		return MHD_YES;
	}
	buf_init(&body, METRICS_MAX);
	status = answer(&body, arg, method, url);
	response = MHD_create_response_from_buffer(body.len, body.p, MHD_RESPMEM_MUST_COPY);
	buf_free(&body);
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"text/plain; version=0.0.4; charset=utf-8");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	sent = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return sent;
}

/* ---- life ---- */

/* A listening descriptor, or -1 with the sentence; *port is where it stands. */
static int listen_on(const char *ip, uint16_t wanted, uint16_t *port, struct why *why)
{
	struct listen_at at;
	const int one = 1;
	char what[128];
	int fd, error;

	if (!listen_at_ip(&at, ip, wanted, why)) {
		why_wrap(why, "the metrics' listener \"%s\"", ip);
		return -1;
	}
	fd = socket(at.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&at.address, at.size) == 0 &&
	    listen(fd, ADMIN_PROBES_MAX) == 0 &&
	    getsockname(fd, (struct sockaddr *)&at.address, &at.size) == 0) {
		/* IPv4 and IPv6 have the port at the same place. */
		*port = ntohs(((const struct sockaddr_in *)(const void *)&at.address)->sin_port);
		return fd;
	}
	error = errno;
	snprintf(what, sizeof what, "%.100s port %u for metrics", ip, wanted);
	listen_at_refused(why, what, error,
			  "ETHREX_PROOF_COORDINATOR_METRICS_ADDRESS or ..._METRICS_PORT");
	if (fd >= 0)
		close(fd);
	return -1;
}

bool admin_probes_begin(struct admin *a, struct why *why)
{
	struct admin_probes *p = &a->probes;
	const union MHD_DaemonInfo *info;
	int fd;

	if (!a->o.metrics_address || !a->o.metrics_address[0])
		return true;
	fd = listen_on(a->o.metrics_address, a->o.metrics_port, &p->port, why);
	if (fd < 0)
		return false;
	p->http = MHD_start_daemon(
	    MHD_USE_EPOLL, 0, NULL, NULL, on_request, a, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, p, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_PROBES_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
	info = p->http ? MHD_get_daemon_info(p->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		why_set(why, "libmicrohttpd could not be started for metrics");
		if (p->http)
			MHD_stop_daemon(p->http);
		else
			close(fd);
		p->http = NULL;
		return false;
	}
	uv_poll_init(a->p.loop, &p->poll, info->epoll_fd);
	uv_timer_init(a->p.loop, &p->timer);
	p->poll.data = p->timer.data = a;
	a->handles += 2;
	uv_poll_start(&p->poll, UV_READABLE, on_readable);
	turn(a);
	return true;
}

void admin_probes_end(struct admin *a, uv_close_cb on_closed)
{
	struct admin_probes *p = &a->probes;

	if (!p->http)
		return;
	MHD_stop_daemon(p->http);
	p->http = NULL;
	uv_close((uv_handle_t *)&p->poll, on_closed);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

uint16_t admin_metrics_port(const struct admin *a)
{
	return a->probes.port;
}
