/* Who may keep a connection. Any client of the machine can connect, and without the token it can
 * still be slow, or silent. Half of the places is for requests in progress that have shown the
 * token; whoever else is connected goes, the oldest first, when three quarters are taken: the last
 * quarter is for those who just come. Event streams stay too, an eighth of the places at most
 * (events.c). So /healthz is always answered. */
#include "coordinator/admin/internal.h"

#include <stdlib.h>
#include <sys/socket.h>

struct admin_connection {
	struct admin_connection *older, *newer;
	int fd;
	bool trusted; /* a request with the token is in progress */
	bool kept;    /* it is an event stream's */
	bool ending;
};

static void append(struct admin *a, struct admin_connection *c)
{
	c->older = a->newest;
	c->newer = NULL;
	*(a->newest ? &a->newest->newer : &a->oldest) = c;
	a->newest = c;
}

static void take_out(struct admin *a, struct admin_connection *c)
{
	*(c->older ? &c->older->newer : &a->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &a->newest) = c->older;
}

/* libmicrohttpd sees the end of the stream and closes. */
static void end_oldest_stranger(struct admin *a)
{
	struct admin_connection *c = a->oldest;

	while (c && (c->trusted || c->kept || c->ending))
		c = c->newer;
	if (!c)
		return;
	c->ending = true;
	a->ending++;
	a->turned_away++;
	shutdown(c->fd, SHUT_RDWR);
}

static void begin(struct admin *a, struct MHD_Connection *connection, void **slot)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct admin_connection *c = info ? calloc(1, sizeof *c) : NULL;

	*slot = c;
	if (!c)
		return;
	c->fd = info->connect_fd;
	append(a, c);
	a->connections++;
	if (4 * (a->connections - a->ending) > 3 * a->o.max_connections)
		end_oldest_stranger(a);
}

static void end(struct admin *a, struct admin_connection *c)
{
	if (!c)
		return;
	take_out(a, c);
	a->connections--;
	a->ending -= c->ending;
	a->trusted -= c->trusted;
	a->kept -= c->kept;
	free(c);
}

void admin_on_connection(void *arg, struct MHD_Connection *connection, void **slot,
			 enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		begin(arg, connection, slot);
	else
		end(arg, *slot);
}

static struct admin_connection *connection_of(const struct admin_request *r)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

bool admin_trust(struct admin_request *r)
{
	struct admin_connection *c = connection_of(r);

	if (!c || c->ending || 2 * r->admin->trusted >= r->admin->o.max_connections)
		return false;
	c->trusted = r->trusted = true;
	r->admin->trusted++;
	return true;
}

void admin_trust_ends(struct admin_request *r)
{
	struct admin_connection *c = r->trusted ? connection_of(r) : NULL;

	if (!c)
		return;
	c->trusted = r->trusted = false;
	r->admin->trusted--;
	take_out(r->admin, c);
	append(r->admin, c);
}

bool admin_keep(struct admin_request *r)
{
	struct admin_connection *c = connection_of(r);

	if (!c || c->ending)
		return false;
	r->admin->kept++;
	c->kept = r->kept = true;
	return true;
}

void admin_keep_ends(struct admin_request *r)
{
	struct admin_connection *c = r->kept ? connection_of(r) : NULL;

	if (!c)
		return;
	r->admin->kept--;
	c->kept = r->kept = false;
}
