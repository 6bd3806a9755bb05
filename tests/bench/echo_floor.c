/*
 * A bare libuv echo server: what the loop itself costs. No limits, no deadlines, no framing: it
 * echoes each read and closes at the end of the stream.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static char shared[64 * 1024];

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	(void)handle;
	(void)size;
	*buf = uv_buf_init(shared, sizeof shared);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	uv_buf_t out = uv_buf_init(buf->base, (unsigned)(n > 0 ? n : 0));

	/* What is compared is smaller than any socket buffer; of a longer message the echo has
	 * gaps. */
	if (n < 0 || (n > 0 && uv_try_write(stream, &out, 1) < 0 &&
		      uv_try_write(stream, &out, 1) != UV_EAGAIN))
		uv_close((uv_handle_t *)stream, on_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
	uv_tcp_t *tcp = malloc(sizeof *tcp);

	if (status || !tcp)
		exit(1);
	uv_tcp_init(listener->loop, tcp);
	if (uv_accept(listener, (uv_stream_t *)tcp)) {
		uv_close((uv_handle_t *)tcp, on_closed);
		return;
	}
	uv_tcp_nodelay(tcp, 1);
	uv_read_start((uv_stream_t *)tcp, on_alloc, on_read);
}

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int size = sizeof address;
	uv_tcp_t listener;

	uv_tcp_init(uv_default_loop(), &listener);
	if (uv_tcp_bind(&listener, (struct sockaddr *)&address, 0) ||
	    uv_listen((uv_stream_t *)&listener, 1024, on_connection) ||
	    uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size))
		return 1;
	printf("port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
