/*
 * server.h -- the TCP side of the daemon: bytes in, bytes out, every wait bounded.
 *
 * One message a connection. The peer writes one JSON document and half-closes; it is also complete
 * when the JSON value is (an object or a string at the top level). The handler is then called once
 * and answers now or later; the reply is written and the connection closed. What the bytes mean is
 * the business of the layer above.
 *
 * Everything runs on the thread of the given loop, except that files are sent by jobs in libuv's
 * pool. A struct conn may be gone after any call that answers it and after the handler returns:
 * whoever answers later keeps conn_id() and asks server_conn().
 *
 * Times are milliseconds, sizes are bytes. SIGPIPE is ignored process-wide by server_new().
 */
#ifndef COORDINATOR_SERVER_SERVER_H
#define COORDINATOR_SERVER_SERVER_H

#include "coordinator/secure/certificates.h"
#include "encoding/bytes.h"
#include "encoding/why.h"

#include <uv.h>

struct server;
struct conn;

/* Why a connection did not yield a message, or not an answer. */
enum server_bad {
	SERVER_BAD_EMPTY,         /* end of stream before the first byte */
	SERVER_BAD_JSON,          /* not one JSON value, or neither an object nor a string */
	SERVER_BAD_TRUNCATED,     /* end of stream inside the value */
	SERVER_BAD_OVERSIZE,      /* more than max_message */
	SERVER_BAD_BUSY,          /* a ceiling on buffered bytes is reached, or memory is out */
	SERVER_BAD_READ_TIMEOUT,  /* no byte for read_timeout_ms */
	SERVER_BAD_TOTAL_TIMEOUT, /* message not complete total_timeout_ms after the accept */
	SERVER_BAD_HOLD_TIMEOUT,  /* the handler did not answer in the time it was given */
	SERVER_BAD_TLS,           /* the handshake failed or took too long, or there was none */
};
#define SERVER_BAD_COUNT 9

enum server_refusal {
	SERVER_REFUSED_CONNECTIONS, /* max_connections */
	SERVER_REFUSED_SOURCE,      /* max_connections_per_source */
	SERVER_REFUSED_DESCRIPTORS, /* EMFILE, ENFILE */
	SERVER_REFUSED_MEMORY,      /* ENOMEM, ENOBUFS */
	SERVER_REFUSED_HANDSHAKES,  /* max_handshakes, max_handshakes_per_source */
};
#define SERVER_REFUSED_COUNT 5

#define SERVER_SOURCE_TEXT 72
/* The message is complete. It stays valid until conn is answered or closed. source is what limits
 * count by: an IPv4 address, the /64 of an IPv6 one, or "key:" and the hex of tls_key_hash(): a key
 * that the client has and that is pinned, signed by the client authority, or attested. Valid during
 * the call, at most SERVER_SOURCE_TEXT with its NUL. */
typedef void server_message_fn(void *arg, struct conn *conn, struct span message,
			       const char *source);

/* A long message comes: its first 64 KiB are there, or twice as many as last time. A call that
 * answers conn refuses it; what still comes of it is then read and dropped. */
typedef void server_beginning_fn(void *arg, struct conn *conn, struct span beginning,
				 const char *source);

/* There will be no message (or no answer in time). May call conn_reply() with an error document;
 * when it returns without, the connection is closed silently. After a failed handshake no reply can
 * be sent, and conn_reply() does nothing. */
typedef void server_bad_fn(void *arg, struct conn *conn, enum server_bad bad,
			   const struct why *why);

/* A connection whose message was handed over has ended. delivered: the kernel took the whole reply
 * and the peer had not reset the connection until then. Not called by server_stop(). */
typedef void server_end_fn(void *arg, uint64_t conn_id, bool delivered);

/* Something an operator wants to know. event is a stable name, sentence one line; usual: nothing to
 * worry about. Repeated events of one kind are reported at most once a second. */
typedef void server_log_fn(void *arg, bool usual, const char *event, const char *sentence);

/* Did a quote that passed here name this key? */
typedef bool server_attested_fn(void *arg, const uint8_t hash[TLS_KEY_HASH]);

/* A second listener, that speaks TLS. */
struct server_tls_options {
	struct certificates *certificates; /* NULL: none; borrowed for the server's life */
	const char *address;               /* numeric */
	uint16_t port;                     /* 0: any free one, see server_tls_port() */
	uint64_t handshake_timeout_ms;     /* from the accept on */
	size_t max_handshakes;             /* at once, not finished */
	size_t max_handshakes_per_source;  /* the same from one address; 0: any number */
	server_attested_fn *attested;      /* NULL: no key is */
};

struct server_options {
	const char *address; /* numeric IPv4 or IPv6 */
	uint16_t port;       /* 0: any free one, see server_port() */
	int backlog;         /* 0: 1024; of each listener */
	struct server_tls_options tls;

	size_t max_message;                /* required */
	size_t max_connections;            /* required */
	size_t max_connections_per_source; /* 0: only max_connections counts */
	/* Messages and unsent replies in memory. Of both the last eighth is kept for small ones
	 * (128 KiB), see limits.h. */
	size_t max_buffered_total;      /* required */
	size_t max_buffered_per_source; /* 0: only max_buffered_total counts */

	uint64_t read_timeout_ms;   /* required: no byte came for that long */
	uint64_t write_timeout_ms;  /* required: no byte of the reply was taken for that long */
	uint64_t total_timeout_ms;  /* required: accept to complete message; and a reply's allowance
				     * on top of its length / min_write_rate */
	uint64_t hold_timeout_ms;   /* required: a handler's time to answer unless conn_hold() */
	uint64_t linger_timeout_ms; /* 0: 2000; for the peer to close after the reply */
	uint64_t min_write_rate;    /* bytes a second a reply must average; 0: 16384 */

	struct span refusal; /* sent to a refused connection; borrowed for the server's life */

	server_message_fn *handler;        /* required */
	server_beginning_fn *on_beginning; /* may be NULL */
	server_bad_fn *on_bad;             /* NULL: close silently */
	server_end_fn *on_end;             /* may be NULL */
	server_log_fn *log;                /* may be NULL */
	void *arg;                         /* first argument of all of them */
};

struct server_counters {
	uint64_t accepted;
	uint64_t refused[SERVER_REFUSED_COUNT];
	uint64_t bad[SERVER_BAD_COUNT]; /* the three timeouts of enum server_bad among them */
	uint64_t write_timeouts;
	uint64_t linger_timeouts; /* the reply was out, the peer did not close */
	uint64_t resets;          /* the peer vanished before the reply was out */
	uint64_t accept_pauses;
	uint64_t messages;
	uint64_t replies; /* whole replies taken by the kernel */
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t file_errors; /* a file that could not be read to the promised length */
	uint64_t handshakes;  /* of TLS, completed */
	size_t handshaking;   /* now */
	size_t connections;   /* now */
	size_t waiting;       /* now: messages handed over and not yet answered */
	size_t buffered;      /* now: bytes */
};

enum server_err {
	SERVER_OK,
	SERVER_OPTIONS, /* a required option is missing, or the address is not numeric */
	SERVER_BIND,    /* the address cannot be listened on */
	SERVER_SYSTEM,  /* memory, descriptors, the loop */
};

/* Listens when it returns SERVER_OK. The soft limit on descriptors is raised to what
 * max_connections needs; where that is not allowed, fewer connections are served and the log says
 * how many (event "fd_limit"). */
enum server_err server_new(struct server **out, uv_loop_t *loop,
			   const struct server_options *options, struct why *why);
uint16_t server_port(const struct server *server);
uint16_t server_tls_port(const struct server *server); /* 0: no such listener */
const struct server_counters *server_counters(const struct server *server);

/* Accepts no more, closes connections that have sent nothing, lets the others finish for at most
 * deadline_ms, closes what is left, then calls done from the loop: once, never inside this call.
 * A second call shortens or extends the deadline and replaces done. */
void server_drain(struct server *server, uint64_t deadline_ms, void (*done)(void *arg), void *arg);

/* Closes everything now; the memory is freed when the loop has run its close callbacks, after which
 * done (may be NULL) is called. Allowed inside any callback. NULL is allowed: done is not called.
 */
void server_stop(struct server *server, void (*done)(void *arg), void *arg);

/* The connection that still waits for an answer under this id, or NULL: answered, gone, unknown.
 * Ids are never 0 and not used again. */
struct conn *server_conn(struct server *server, uint64_t id);
uint64_t conn_id(const struct conn *conn);

#define CONN_PEER_TEXT 56
/* "192.0.2.1:40000" or "[2001:db8::1]:40000"; returns out. */
const char *conn_peer(const struct conn *conn, char out[CONN_PEER_TEXT]);

/* The answer is due this long from now, instead of hold_timeout_ms. */
void conn_hold(struct conn *conn, uint64_t ms);

/* Answers and closes. The bytes are copied when the kernel does not take them at once and may lie
 * inside the message. conn is gone to the caller. */
void conn_reply(struct conn *conn, struct span bytes);

/* Answers with head, length bytes of the file from offset on, and tail, sent by the pool in slices.
 * fd is taken and closed in any case; head and tail are copied. A file that ends early or cannot be
 * read resets the connection, so that the peer never takes a part for the whole. */
void conn_reply_file(struct conn *conn, struct span head, int fd, uint64_t offset, uint64_t length,
		     struct span tail);

/* Keeps the message's memory where it is, and conn's server, until conn_unpin(): for a job in the
 * pool that reads it. conn may be answered or end meanwhile. */
void conn_pin(struct conn *conn);
void conn_unpin(struct server *server, uint64_t conn_id);

/* Closes without a byte, in order (the peer reads an empty body, not a reset). */
void conn_close_silent(struct conn *conn);

const char *server_bad_name(enum server_bad bad); /* "read_timeout": stable, for metrics */
const char *server_refusal_name(enum server_refusal refusal); /* likewise */

/* Settings changed: what a refused connection hears from now on; borrowed. */
void server_set_refusal(struct server *s, struct span refusal);

#endif
