#include "fake_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#define REQUEST_MAX (1024 * 1024)

struct fake_conn {
	struct fake_conn *next;
	struct fake_node *node; /* NULL after the node was stopped */
	uv_tcp_t tcp;
	uv_write_t write;
	char *in;
	size_t n;
	char *out;
	bool huge;
};

static void on_conn_closed(uv_handle_t *h)
{
	struct fake_conn *c = h->data;
	struct fake_conn **p;

	for (p = c->node ? &c->node->conns : NULL; p && *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	free(c->in);
	free(c->out);
	free(c);
}

static void conn_close(struct fake_conn *c)
{
	if (!uv_is_closing((uv_handle_t *)&c->tcp))
		uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
}

static void send_out(struct fake_conn *c, size_t n);

static void on_written(uv_write_t *w, int status)
{
	struct fake_conn *c = w->data;

	if (!status && c->huge)
		send_out(c, strlen(c->out));
	else
		conn_close(c);
}

static void send_out(struct fake_conn *c, size_t n)
{
	uv_buf_t b = uv_buf_init(c->out, (unsigned)n);

	c->write.data = c;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written))
		conn_close(c);
}

static void respond(struct fake_conn *c, int status, const char *body, size_t length)
{
	const char *header = c->node->header ? c->node->header : "";
	size_t size = strlen(body) + strlen(header) + 256;

	c->out = malloc(size);
	assert_non_null(c->out);
	snprintf(c->out, size,
		 "HTTP/1.1 %d Status\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
		 "Location: http://127.0.0.1:1/elsewhere\r\nConnection: close\r\n%s\r\n%s",
		 status, length, header, body);
	send_out(c, strlen(c->out));
}

static void answer(struct fake_conn *c, const char *body)
{
	struct fake_node *f = c->node;
	json_t *req = json_loads(body, 0, NULL);
	const char *method = json_string_value(json_object_get(req, "method"));
	long long id = json_integer_value(json_object_get(req, "id"));
	enum fake_mode mode = f->mode;
	char value[8192] = "\"0x2a\"", text[16384];
	bool is_error = false;

	assert_non_null(method);
	f->n_requests++;
	if (strcmp(method, "eth_chainId") == 0) {
		f->n_chain_id++;
		snprintf(value, sizeof value, "\"0x%x\"", f->chain_id);
		if (f->mode_spares_chain_id)
			mode = FAKE_OK;
	} else if (f->answer) {
		f->answer(f->arg, method, json_object_get(req, "params"), value, sizeof value,
			  &is_error);
	}
	json_decref(req);
	if (mode == FAKE_WRONG_ID)
		id++;
	snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"%s\":%s}", id,
		 is_error ? "error" : "result", value);
	switch (mode) {
	case FAKE_OK:
	case FAKE_WRONG_ID: respond(c, 200, text, strlen(text)); return;
	case FAKE_SILENT: return;
	case FAKE_GARBAGE: respond(c, 200, "<html>oops", 10); return;
	case FAKE_TRAILING:
		strcat(text, "{}");
		respond(c, 200, text, strlen(text));
		return;
	case FAKE_HUGE:
		c->huge = true;
		memset(text, ' ', sizeof text - 1);
		text[sizeof text - 1] = '\0';
		respond(c, 200, text, 1u << 30);
		return;
	case FAKE_STATUS:
		respond(c, f->status, f->body ? f->body : "", f->body ? strlen(f->body) : 0);
		return;
	case FAKE_CUT: respond(c, 200, "{\"jsonrpc\":", strlen(text)); return;
	case FAKE_SLAM: conn_close(c); return;
	case FAKE_400_ERROR:
		snprintf(text, sizeof text,
			 "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"error\":{\"code\":-32600,"
			 "\"message\":\"too big\"}}",
			 id);
		respond(c, 400, text, strlen(text));
		return;
	}
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	struct fake_conn *c = h->data;

	(void)hint;
	*b = uv_buf_init(c->in + c->n, (unsigned)(REQUEST_MAX - 1 - c->n));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct fake_conn *c = s->data;
	char *end, *length, *auth;

	(void)b;
	if (n < 0 || !c->node) {
		conn_close(c);
		return;
	}
	c->n += (size_t)n;
	c->in[c->n] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	length = strcasestr(c->in, "\r\nContent-Length: ");
	if (!end || !length || c->out ||
	    (size_t)(c->in + c->n - end - 4) < strtoul(length + 18, NULL, 10))
		return;
	auth = strcasestr(c->in, "\r\nAuthorization: ");
	if (auth)
		snprintf(c->node->last_authorization, sizeof c->node->last_authorization, "%.*s",
			 (int)strcspn(auth + 17, "\r"), auth + 17);
	answer(c, end + 4);
}

static void on_connection(uv_stream_t *s, int status)
{
	struct fake_node *f = s->data;
	struct fake_conn *c = calloc(1, sizeof *c);

	assert_int_equal(status, 0);
	assert_non_null(c);
	c->in = malloc(REQUEST_MAX);
	assert_non_null(c->in);
	c->node = f;
	c->next = f->conns;
	f->conns = c;
	uv_tcp_init(f->loop, &c->tcp);
	c->tcp.data = c;
	assert_int_equal(uv_accept(s, (uv_stream_t *)&c->tcp), 0);
	uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

void fake_node_start(struct fake_node *f, uv_loop_t *loop, int port)
{
	struct sockaddr_in addr;
	int len = sizeof addr;

	f->loop = loop;
	uv_ip4_addr("127.0.0.1", port, &addr);
	assert_int_equal(uv_tcp_init(loop, &f->tcp), 0);
	assert_int_equal(uv_tcp_bind(&f->tcp, (struct sockaddr *)&addr, 0), 0);
	f->tcp.data = f;
	assert_int_equal(uv_listen((uv_stream_t *)&f->tcp, 64, on_connection), 0);
	assert_int_equal(uv_tcp_getsockname(&f->tcp, (struct sockaddr *)&addr, &len), 0);
	f->port = ntohs(addr.sin_port);
	f->listening = true;
	if (!f->chain_id)
		f->chain_id = 31337;
}

void fake_node_stop(struct fake_node *f)
{
	struct fake_conn *c;

	if (!f->listening)
		return;
	f->listening = false;
	for (c = f->conns; c; c = c->next) {
		c->node = NULL;
		conn_close(c);
	}
	f->conns = NULL;
	uv_close((uv_handle_t *)&f->tcp, NULL);
}

int fake_dead_port(void)
{
	struct sockaddr_in addr;
	uv_loop_t loop;
	uv_tcp_t tcp;
	int len = sizeof addr;

	uv_loop_init(&loop);
	uv_tcp_init(&loop, &tcp);
	uv_ip4_addr("127.0.0.1", 0, &addr);
	assert_int_equal(uv_tcp_bind(&tcp, (struct sockaddr *)&addr, 0), 0);
	assert_int_equal(uv_tcp_getsockname(&tcp, (struct sockaddr *)&addr, &len), 0);
	uv_close((uv_handle_t *)&tcp, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return ntohs(addr.sin_port);
}
