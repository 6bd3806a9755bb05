/* internal.h -- shared by the listener (admin.c, connections.c), the routes (routes.c, provers.c),
 * the event streams and the metrics. */
#ifndef COORDINATOR_ADMIN_INTERNAL_H
#define COORDINATOR_ADMIN_INTERNAL_H

#include "coordinator/admin/admin.h"
#include "coordinator/cluster/cluster.h"
#include "coordinator/inputs/upload.h"
#include "coordinator/registrar/revocations.h"
#include "coordinator/store/store.h"

#include <jansson.h>

#include <microhttpd.h>

/* One HTTP request. It lives from its first line to libmicrohttpd's completion callback, and longer
 * only while an upload's or a commit's callback can still name it. */
struct admin_request {
	struct admin_request *next; /* of those that the listener still knows */
	struct admin *admin;
	struct MHD_Connection *connection;
	struct upload *upload; /* a PUT in progress */
	bool committing;       /* the answer is there, and waits until it is durable */
	unsigned status_after; /* that answer's */
	void (*on_kept)(struct admin_request *r); /* NULL: what is committed was done before */
	struct registrar *registrar; /* of on_kept, which comes when the client is gone too */
	struct revocation lifting;
	bool suspended;
	bool finishing; /* the upload's end was asked for */
	bool gone;      /* the client went away; free on the last callback */
	bool checked;   /* method, host and token were looked at */
	bool trusted;   /* by admin_trust() */
	bool zero_in_uri;
	bool streams;    /* the answer is an event stream */
	bool kept;       /* by admin_keep() */
	bool hang_up;    /* the answer ends the connection, whatever was still to come */
	unsigned status; /* 0: not decided yet */
	const char *content_type;
	char allow[40]; /* the methods that its URL takes; empty: there is no such URL */
	struct buf body;
};

/* Who asks, or how, is the reason; all of them are logged, first and then by the number. */
enum admin_refusal {
	ADMIN_MALFORMED,
	ADMIN_BAD_HOST,
	ADMIN_CROSS_SITE,
	ADMIN_BAD_TOKEN,
	ADMIN_BUSY
};
#define ADMIN_REFUSAL_COUNT 5
const char *admin_refusal_name(enum admin_refusal refusal);

/* Who looks at the overview, and what was sent last. */
struct admin_events {
	uv_timer_t timer; /* runs while somebody looks */
	struct admin_stream *streams;
	unsigned n;
	struct admin_event *last; /* NULL: none */
	uint64_t number, sent_ms; /* its */
	json_t *said;             /* what of it is compared with the next */
};

/* probes.c: the metrics' own listener, and who is connected to it. */
#define ADMIN_PROBES_MAX 32
struct admin_probe {
	int fd;
	uint64_t number; /* in the order in which they came; 0: the place is free */
	bool ending;
};
struct admin_probes {
	struct MHD_Daemon *http; /* NULL: none */
	uint16_t port;
	struct admin_probe places[ADMIN_PROBES_MAX];
	unsigned connections, ending;
	uint64_t number, turned_away;
	uv_poll_t poll;
	uv_timer_t timer;
};

struct admin {
	struct admin_parts p;
	struct admin_options o;
	enum admin_state state;
	uint64_t began_ms;           /* monotonic */
	const struct server *server; /* NULL: none yet, or no more */
	struct MHD_Daemon *http;
	struct admin_request *requests;
	struct admin_connection *oldest, *newest;
	unsigned connections, ending, trusted,
	    kept; /* of them: turned away, with a request in progress, event streams */
	uint64_t turned_away, refused[ADMIN_REFUSAL_COUNT];
	struct admin_events events;
	struct admin_probes probes;
	struct why differing; /* whose settings were last said to be others */
	uv_poll_t poll;
	uv_timer_t timer;
	bool closing, stopped;
	uint64_t stop_at; /* closing: then whatever is owed is owed no more; uv_now() */
	unsigned handles;
	void (*done)(void *arg);
	void *done_arg;
};

/* Decides on a request from its first line. Leaves status 0 and starts an upload for a PUT. */
void admin_route(struct admin_request *r, const char *method, const char *url);

/* wellformed.c: what is wrong with its first lines, or NULL. */
const char *admin_malformed(const struct admin_request *r);

/* connections.c: MHD_NotifyConnectionCallback; arg is the struct admin. */
void admin_on_connection(void *arg, struct MHD_Connection *connection, void **slot,
			 enum MHD_ConnectionNotificationCode code);
/* The request shows the token: its connection stays until admin_trust_ends(). False: as many as may
 * do already. */
bool admin_trust(struct admin_request *r);
void admin_trust_ends(struct admin_request *r);
/* Its connection is an event stream's: it stays, and is none of those. False: it ends already. */
bool admin_keep(struct admin_request *r);
void admin_keep_ends(struct admin_request *r);

/* admin.c: libmicrohttpd runs in the loop's next turn. */
void admin_turn_soon(struct admin *a);
/* The timer calls back when this one wants to run again; fewer: connections than before its run. */
void admin_plan_turn(uv_timer_t *timer, uv_timer_cb cb, struct MHD_Daemon *http, bool fewer);

/* events.c; at most an eighth of the connections are streams. */
void admin_stream(struct admin_request *r, const char *rest);
/* NULL: no memory. */
struct MHD_Response *admin_stream_response(struct admin_request *r);
void admin_events_begin(struct admin *a);
/* The listener is closing: each ends in order in the next turn. */
void admin_events_end(struct admin *a);

/* overview.c: all that the page shows, of a bounded size whatever waits. NULL: no memory. */
json_t *admin_overview(const struct admin *a);
/* strip.c; sent: the transaction under way, or NULL. */
json_t *admin_strip_json(const struct admin *a, const struct sender_intent *sent);
void admin_on_overview(struct admin_request *r, const char *rest);

bool admin_start_upload(struct admin_request *r, uint64_t batch, const char *commit_hash,
			struct why *why);

/* Answers once the input has gone durably. */
void admin_delete_input(struct admin_request *r, uint64_t batch, const char *commit_hash);

/* The answer that was set is given once the changes are durable; where the disk refuses, another.
 */
void admin_commit(struct admin_request *r, const struct store_change *changes, size_t n);

/* Takes j over. */
void admin_json(struct admin_request *r, unsigned status, json_t *j);
/* The address's checksummed text, null for the zero address and for NULL. */
json_t *admin_address(const struct eth_address *a);
/* routes.c and provers.c: parts of more than one answer. */
json_t *admin_l1_json(const struct admin *a);
json_t *admin_work_json(const struct admin *a);
json_t *admin_platforms_json(const struct admin *a);
json_t *admin_sources_json(const struct admin *a);
/* At most max of them. */
json_t *admin_provers_json(const struct admin *a, size_t max);

/* provers.c: what is behind these URLs; rest is what follows the prefix. */
void admin_provers(struct admin_request *r, const char *rest);
void admin_change_prover(struct admin_request *r, const char *rest);
/* revocations.c; a name is one of revocations.h's. */
void admin_revoke(struct admin_request *r, const struct revocation *what);
void admin_revocations(struct admin_request *r, const char *rest);
void admin_revoke_named(struct admin_request *r, const char *rest);
void admin_unrevoke(struct admin_request *r, const char *rest);
void admin_verdicts(struct admin_request *r, const char *rest);
void admin_tcb(struct admin_request *r, const char *rest);
void admin_collateral(struct admin_request *r, const char *rest);
void admin_collateral_refresh(struct admin_request *r, const char *rest);

/* cluster.c */
uint64_t admin_uptime_s(const struct admin *a);
struct cluster_self admin_self(const struct admin *a);
json_t *admin_cluster_json(const struct admin *a);
void admin_cluster(struct admin_request *r, const char *rest);

/* relay.c */
json_t *admin_relay_json(const struct admin_parts *d); /* null without an upstream */
void admin_checkpoints(struct admin_request *r, const char *rest);

/* Sets the answer. */
void admin_answer(struct admin_request *r, unsigned status, const char *type);
/* {"code", "message"}: the form of every answer that is no document, good or bad. */
void admin_reply(struct admin_request *r, unsigned status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* probes.c: does nothing where the settings want none. False with the sentence. */
bool admin_probes_begin(struct admin *a, struct why *why);
/* on_closed: once for each of its handles, which admin_probes_begin() has counted. */
void admin_probes_end(struct admin *a, uv_close_cb on_closed);

/* "ready", and so on. */
const char *admin_state_name(enum admin_state state);
/* Are provers served? The text is what /readyz says. */
bool admin_is_ready(const struct admin *a, const char **text);

/* Prometheus text. False: no room. */
bool admin_metrics(struct buf *out, const struct admin *a);

#endif
