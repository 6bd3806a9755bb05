/* admin_internal.h -- shared by the listener (admin.c) and the routes (admin_routes.c). */
#ifndef COORDINATOR_ADMIN_INTERNAL_H
#define COORDINATOR_ADMIN_INTERNAL_H

#include "coordinator/admin.h"
#include "coordinator/intake.h"

#include <microhttpd.h>

/* One HTTP request. It lives from its first line to libmicrohttpd's completion callback, and longer
 * only while an upload's callback can still name it. */
struct admin_request {
	struct admin *admin;
	struct MHD_Connection *connection;
	struct upload *upload; /* a PUT in progress */
	bool suspended;
	bool finishing;  /* the upload's end was asked for */
	bool gone;       /* the client went away; free on the upload's last callback */
	bool checked;    /* method, host and token were looked at */
	unsigned status; /* 0: not decided yet */
	const char *content_type;
	struct buf body;
};

struct admin {
	struct daemon *daemon;
	struct MHD_Daemon *http;
	uv_poll_t poll;
	uv_timer_t timer;
	int listen_fd;
	bool is_unix, closing;
	unsigned handles;
	char socket_path[CONFIG_TEXT_MAX];
	void (*done)(void *arg);
	void *done_arg;
};

/* Decides on a request from its first line. Leaves status 0 and starts an upload for a PUT. */
void admin_route(struct admin_request *r, const char *method, const char *url);

bool admin_start_upload(struct admin_request *r, uint64_t batch, const char *commit_hash,
			struct why *why);

/* Sets the answer. */
void admin_answer(struct admin_request *r, unsigned status, const char *type);
void admin_error(struct admin_request *r, unsigned status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
