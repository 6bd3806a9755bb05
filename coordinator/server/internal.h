/*
 * server_internal.h -- what the server's files share. Nobody else includes it.
 *
 * Connections hang in one epoll set of the server's own, which is one handle in the libuv loop: a
 * connection costs neither a libuv handle nor a deferred close, and an event names its connection
 * by id, so that one freed earlier in the same batch is simply not found.
 *
 *     server.c            birth, drain, death; the table of connections
 *     server_listen.c     accepting and refusing
 *     handshake.c         the first phase of a connection to the TLS listener
 *     server_conn.c       a connection's phases, reading, the events
 *     server_reply.c      answers from memory, the end of a connection
 *     server_stream.c     answers from a file, in the pool
 *     server_deadlines.c  one timer for all deadlines
 */
#ifndef COORDINATOR_SERVER_INTERNAL_H
#define COORDINATOR_SERVER_INTERNAL_H

#include "coordinator/secure/channel.h"
#include "coordinator/server/limits.h"
#include "coordinator/server/server.h"
#include "encoding/json_scan.h"

#define SERVER_CHUNK (64 * 1024) /* the read buffer that all connections share */
#define SERVER_BULK_BUDGET                                                                         \
	(256 * 1024) /* of all long messages together: others wait a turn, not many */
#define SERVER_SMALL                                                                               \
	(128 * 1024) /* a ProverSetup with a quote of 32 kB; real ones have up to 23               \
		      */
#define SERVER_BEGINNING (64 * 1024)
#define SERVER_EVENTS    128 /* taken from the epoll set in a turn */
#define SERVER_ACCEPTS   64  /* in a turn */
#define SERVER_TLS_FIRST 22  /* the first byte of a TLS connection, RFC 8446 5.1 */
#define SERVER_PAUSE_MS  50  /* no accepts after running out of descriptors */

enum conn_phase {
	CONN_HANDSHAKE, /* TLS: there is no channel yet */
	CONN_READING,   /* the message is not complete */
	CONN_PENDING,   /* the layer above has it; the only phase in which it can be answered */
	CONN_WRITING,   /* the answer is on its way */
	CONN_LINGERING, /* all is sent and shut down; the peer's end of stream is awaited */
	CONN_DOOMED,    /* closed but for a job in the pool that still uses socket or message */
};

struct stream;

struct conn {
	struct server *server;
	uint64_t id; /* generation << 32 | slot */
	int fd;
	enum conn_phase phase;
	bool eof;           /* the peer's end of stream was read */
	bool handed_over;   /* its message went to the handler: on_end is owed */
	bool answered;      /* with a whole reply */
	bool pinned;        /* a job reads the message */
	bool cut;           /* answered before its message was complete */
	bool polled;        /* fd is in the epoll set */
	uint32_t events;    /* with this mask */
	uint32_t ticket;    /* of limits */
	uint32_t due_at;    /* place in server_deadlines */
	uint64_t due;       /* the deadline, 0: none */
	uint64_t due_final; /* progress does not move the deadline past this */
	struct buf in;
	struct buf out;
	size_t out_sent;
	size_t show_at;          /* length of the message at which its beginning is shown next */
	struct stream *stream;   /* the answer comes from a file */
	struct channel *channel; /* NULL: plain TCP, or TLS is over */
	bool ending;             /* WRITING: all but close_notify is sent */
	bool has_key;
	uint8_t key[TLS_KEY_HASH];
	uint32_t handshake_ticket; /* of server->handshakes, in CONN_HANDSHAKE */
	struct limits_source source;
	uint8_t peer_address[16];
	uint16_t peer_port;
	bool peer_v4;
	struct json_scan scan;
};

/* A binary heap over the connections' deadlines. A deadline that moves later is only noted in the
 * connection: the heap learns of it when the old key comes up. */
struct deadline {
	uint64_t key; /* <= conn->due */
	struct conn *conn;
};

struct slot {
	struct conn *conn;   /* NULL: free */
	uint32_t generation; /* of the id that the slot has or had last */
	uint32_t next_free;
};

/* Allows one event a second to be logged, and counts what was left out. */
struct log_gate {
	uint64_t next;
	uint64_t left_out;
};

enum { LISTENER_PLAIN, LISTENER_TLS, LISTENERS };

struct listener {
	int fd; /* -1: closed */
	uint16_t port;
};

struct server {
	uv_loop_t *loop;
	struct server_options options;
	struct server_counters counters;
	struct limits *limits;
	uint8_t *chunk;

	int epoll;
	uv_poll_t poll;   /* on epoll */
	uv_timer_t timer; /* for the heap's top */
	uv_timer_t pause; /* until accepting resumes */
	uv_timer_t drain;
	unsigned handles;  /* of these four, not yet closed */
	uint64_t timer_at; /* what timer is set to; UINT64_MAX: not set */

	struct listener listeners[LISTENERS];
	int spare; /* a descriptor to give up when there is no other */
	bool paused;
	struct limits *handshakes; /* NULL: no TLS */
	unsigned handshake_steps;  /* in this turn */

	struct slot *slots;
	uint32_t slots_used, slots_cap, free_slot; /* free_slot: index + 1; 0: none */
	struct deadline *heap;
	size_t heap_len, heap_cap;

	unsigned jobs;    /* in the pool */
	size_t bulk_left; /* in this turn */
	bool draining, stopping;
	void (*drained)(void *arg);
	void *drained_arg;
	void (*stopped)(void *arg);
	void *stopped_arg;
	struct log_gate gates[SERVER_REFUSED_COUNT + 3];
};

#define GATE_ACCEPT      (SERVER_REFUSED_COUNT)
#define GATE_FILE        (SERVER_REFUSED_COUNT + 1)
#define GATE_UNKNOWN_KEY (SERVER_REFUSED_COUNT + 2)
/* The listeners' names among the epoll set's ids are their indices; a connection's are larger. */
#define ID_CONNECTIONS (UINT64_C(1) << 32)

/* server.c */
struct conn *server_lookup(struct server *s, uint64_t id); /* in any phase */
/* Room for one more connection in the table; false when memory is out. */
bool server_table_add(struct server *s, struct conn *c);
void server_table_remove(struct server *s, struct conn *c);
/* A connection is gone: a drain may be over now. */
void server_one_less(struct server *s);
void server_note(struct server *s, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void server_log(struct server *s, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As server_log, at most once a second for each gate. */
void server_log_gated(struct server *s, unsigned gate, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A job has ended: a stop may be over now. */
void server_job_done(struct server *s);

/* server_listen.c */
enum server_err server_listen(struct server *s, struct why *why);
void server_unlisten(struct server *s);
void server_accept(struct server *s, unsigned listener);
void server_accept_resume(uv_timer_t *timer);

/* server_conn.c */
enum conn_born { CONN_BORN, CONN_NO_MEMORY, CONN_NO_HANDSHAKE };
/* Takes fd and ticket and reads what is there; both are still the caller's when it was not born. */
enum conn_born conn_new(struct server *s, int fd, const struct sockaddr *address, uint32_t ticket,
			bool tls);
/* The message may come: its deadlines begin, and what is there is read. */
void conn_await_message(struct conn *c);
/* There will be no message: tells the layer above, which may answer. c may be gone after it. */
void conn_report(struct conn *c, enum server_bad bad, const struct why *why);
/* As recv(2) and send(2), through the channel where there is one. */
ssize_t conn_recv(struct conn *c, void *to, size_t n);
ssize_t conn_send(struct conn *c, const void *from, size_t n);
void conn_events(struct server *s, uint64_t id, uint32_t events);
/* Sets the epoll mask; 0 still reports errors and hang-ups. False and conn closed on failure. */
bool conn_poll(struct conn *c, uint32_t events);
void conn_expired(struct conn *c);
void conn_set_phase(struct conn *c, enum conn_phase phase);
/* Reads and drops what the peer still sends. False: nothing more will come, see c->eof. */
bool conn_discard(struct conn *c);
/* Ends the connection now and frees it, or dooms it while a job uses it. */
enum conn_farewell { CONN_IN_ORDER, CONN_RESET };
void conn_close(struct conn *c, bool delivered, enum conn_farewell farewell);
/* Appends to a buffer of c within the ceilings; the whole or nothing. */
enum limits_verdict conn_append(struct conn *c, struct buf *b, const void *bytes, size_t n);
void conn_release(struct conn *c, struct buf *b);
/* The same of the message, unless it is pinned. */
void conn_release_message(struct conn *c);

/* handshake.c */
/* Of a new connection; false: too many at once. */
bool handshake_begin(struct conn *c);
void handshake_continue(struct conn *c);
void handshake_expired(struct conn *c);
/* It leaves its first phase. */
void handshake_over(struct conn *c);

/* server_reply.c */
void conn_write(struct conn *c);
/* Nothing more will be sent: close, or wait for the peer's end of stream. */
void conn_finish(struct conn *c);
/* Starts the deadlines of a reply of length bytes. */
void conn_write_deadline(struct conn *c, uint64_t length);
/* A byte moved: the deadline is timeout_ms from now, but not past due_final. */
void conn_progress(struct conn *c, uint64_t timeout_ms);

/* server_stream.c */
/* Runs the next slice. */
void stream_continue(struct conn *c);
bool stream_running(const struct conn *c);
/* Only when no job runs; NULL is allowed. */
void stream_free(struct stream *st);

/* server_deadlines.c */
/* Room for one more; false when memory is out. */
bool deadlines_reserve(struct server *s);
void deadlines_set(struct conn *c, uint64_t due);
void deadlines_remove(struct conn *c);
void deadlines_tick(uv_timer_t *timer);

#endif
