#include "fake_pcs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#define REQUEST_MAX 8192
#define HUGE_BODY   (2u * 1024 * 1024)

struct fake_pcs_conn {
	struct fake_pcs_conn *next;
	struct fake_pcs *pcs; /* NULL after it was stopped */
	uv_tcp_t tcp;
	uv_write_t write;
	char in[REQUEST_MAX];
	size_t n;
	struct buf out;
	bool answered;
};

static void on_closed(uv_handle_t *h)
{
	struct fake_pcs_conn *c = h->data, **p;

	for (p = c->pcs ? &c->pcs->conns : NULL; p && *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	buf_free(&c->out);
	free(c);
}

static void conn_close(struct fake_pcs_conn *c)
{
	if (!uv_is_closing((uv_handle_t *)&c->tcp))
		uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_written(uv_write_t *w, int status)
{
	(void)status;
	conn_close(w->data);
}

static void send_out(struct fake_pcs_conn *c)
{
	uv_buf_t b = uv_buf_init((char *)c->out.p, (unsigned)c->out.len);

	c->write.data = c;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written))
		conn_close(c);
}

static void add_encoded(struct buf *out, const struct buf *text)
{
	size_t i;

	for (i = 0; i < text->len; i++) {
		uint8_t c = text->p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-')
			assert_true(buf_add(out, &c, 1));
		else
			assert_true(buf_printf(out, "%%%02X", c));
	}
}

static int part_of(const char *path)
{
	if (strstr(path, "/tdx/certification/v4/tcb?"))
		return COLLATERAL_TCB_INFO;
	if (strstr(path, "/tdx/certification/v4/qe/identity"))
		return COLLATERAL_QE_IDENTITY;
	if (strstr(path, "/sgx/certification/v4/pckcrl?"))
		return COLLATERAL_PCK_CRL;
	if (strstr(path, "/sgx/certification/v4/rootcacrl") || strstr(path, "/root.der"))
		return COLLATERAL_ROOT_CRL;
	if (strstr(path, "/tdx/certification/v4/tcbevaluationdatanumbers"))
		return COLLATERAL_NUMBERS;
	fail_msg("unexpected request %s", path);
	return -1;
}

static void add_chain_header(struct fake_pcs_conn *c, int part, enum fake_pcs_mode mode)
{
	static const char *const name[] = {"TCB-Info-Issuer-Chain",
					   "SGX-Enclave-Identity-Issuer-Chain",
					   "SGX-PCK-CRL-Issuer-Chain"};
	const struct forged *x = c->pcs->serves;
	const char *header;
	int times;

	if (part >= COLLATERAL_ROOT_CRL || mode == PCS_NO_CHAIN)
		return;
	header = part == COLLATERAL_TCB_INFO && c->pcs->old_header ? "SGX-TCB-Info-Issuer-Chain"
								   : name[part];
	for (times = mode == PCS_TWO_CHAINS ? 2 : 1; times; times--) {
		buf_printf(&c->out, "%s: ", header);
		if (mode == PCS_BAD_ENCODING)
			buf_add_str(&c->out, "-----BEGIN%2");
		else
			add_encoded(&c->out,
				    part == COLLATERAL_PCK_CRL ? &x->pck_crl_chain : &x->tcb_chain);
		buf_add_str(&c->out, "\r\n");
	}
}

static void respond(struct fake_pcs_conn *c, int part, enum fake_pcs_mode mode)
{
	const struct forged *x = c->pcs->serves;
	const char *list = c->pcs->numbers ? c->pcs->numbers : "";
	const struct buf numbers = {.p = (uint8_t *)(uintptr_t)list, .len = strlen(list)};
	const struct buf *bodies[] = {&x->tcb_info, &x->qe_identity, &x->pck_crl, &x->root_crl,
				      &numbers};
	int status = mode == PCS_STATUS                               ? c->pcs->status
		     : part == COLLATERAL_NUMBERS && !c->pcs->numbers ? 404
								      : 200;
	struct buf body;
	char hex[4096] = "";
	size_t i, declared;

	buf_init(&body, HUGE_BODY);
	if (mode == PCS_GARBAGE) {
		buf_add_str(&body, "<html>oops</html>");
	} else if (mode == PCS_HUGE) {
		for (i = 0; i < HUGE_BODY / sizeof hex; i++)
			buf_add(&body, hex, sizeof hex);
	} else if (status == 200 && mode != PCS_EMPTY) {
		if (c->pcs->hex_crls &&
		    (part == COLLATERAL_PCK_CRL || part == COLLATERAL_ROOT_CRL)) {
			assert_true(bodies[part]->len * 2 < sizeof hex);
			hex_encode(hex, bodies[part]->p, bodies[part]->len);
			buf_add_str(&body, hex);
		} else {
			buf_add(&body, bodies[part]->p, bodies[part]->len);
		}
	}
	declared = body.len;
	if (mode == PCS_CUT)
		body.len /= 2;
	buf_init(&c->out, 4 * HUGE_BODY);
	buf_printf(&c->out,
		   "HTTP/1.1 %d Status\r\nContent-Length: %zu\r\nConnection: close\r\n"
		   "Location: http://127.0.0.1:1/elsewhere\r\n",
		   status, declared);
	if (c->pcs->retry_after)
		buf_printf(&c->out, "Retry-After: %s\r\n", c->pcs->retry_after);
	if (mode == PCS_LONG_HEADERS)
		buf_printf(&c->out, "X-Long: %090000d\r\n", 0);
	add_chain_header(c, part, mode);
	buf_add_str(&c->out, "\r\n");
	buf_add(&c->out, body.p, body.len);
	buf_free(&body);
	send_out(c);
}

static void answer(struct fake_pcs_conn *c)
{
	struct fake_pcs *f = c->pcs;
	enum fake_pcs_mode mode = f->mode;
	char path[512];
	int part;

	c->answered = true;
	assert_int_equal(sscanf(c->in, "GET %511s HTTP/1.1\r\n", path), 1);
	part = part_of(path);
	f->n_requests++;
	f->n_part[part]++;
	memcpy(f->path[part], path, sizeof path);
	if (f->mode_parts && !(f->mode_parts & 1u << part))
		mode = PCS_OK;
	if (mode == PCS_SLAM)
		conn_close(c);
	else if (mode != PCS_SILENT)
		respond(c, part, mode);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	struct fake_pcs_conn *c = h->data;

	(void)hint;
	*b = uv_buf_init(c->in + c->n, (unsigned)(REQUEST_MAX - 1 - c->n));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct fake_pcs_conn *c = s->data;

	(void)b;
	if (n < 0 || !c->pcs) {
		conn_close(c);
		return;
	}
	c->n += (size_t)n;
	c->in[c->n] = '\0';
	if (!c->answered && strstr(c->in, "\r\n\r\n"))
		answer(c);
}

static void on_connection(uv_stream_t *s, int status)
{
	struct fake_pcs *f = s->data;
	struct fake_pcs_conn *c = calloc(1, sizeof *c);

	assert_int_equal(status, 0);
	assert_non_null(c);
	c->pcs = f;
	c->next = f->conns;
	f->conns = c;
	uv_tcp_init(f->loop, &c->tcp);
	c->tcp.data = c;
	assert_int_equal(uv_accept(s, (uv_stream_t *)&c->tcp), 0);
	uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

void fake_pcs_start(struct fake_pcs *f, uv_loop_t *loop, const struct forged *serves)
{
	struct sockaddr_in addr;
	int len = sizeof addr;

	f->loop = loop;
	f->serves = serves;
	uv_ip4_addr("127.0.0.1", 0, &addr);
	assert_int_equal(uv_tcp_init(loop, &f->tcp), 0);
	assert_int_equal(uv_tcp_bind(&f->tcp, (struct sockaddr *)&addr, 0), 0);
	f->tcp.data = f;
	assert_int_equal(uv_listen((uv_stream_t *)&f->tcp, 64, on_connection), 0);
	assert_int_equal(uv_tcp_getsockname(&f->tcp, (struct sockaddr *)&addr, &len), 0);
	f->port = ntohs(addr.sin_port);
	f->listening = true;
}

void fake_pcs_stop(struct fake_pcs *f)
{
	struct fake_pcs_conn *c;

	if (!f->listening)
		return;
	f->listening = false;
	for (c = f->conns; c; c = c->next) {
		c->pcs = NULL;
		conn_close(c);
	}
	f->conns = NULL;
	uv_close((uv_handle_t *)&f->tcp, NULL);
}
