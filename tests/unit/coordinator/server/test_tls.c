/* The TLS listener: what a connection is worth, how it ends, and what it costs a stranger to try.
 */
#include "tls_world.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#define ASK "{\"InputRequest\":{\"commit_hash\":\"abc1234\",\"prover_type\":\"TDX\"}}"

/* -- a message and its end --------------------------------------------------------------------- */

static void test_a_message(void **state)
{
	struct tls_world *t = tls_world_new();
	struct peer p;

	(void)state;
	tls_world_start(t);
	p = peer_connect(t, NULL);
	peer_say(t, &p, ASK);
	peer_expect(t, &p, ASK);
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_string_equal(t->w->message, ASK);
	assert_string_equal(t->w->source, "127.0.0.1");
	assert_int_equal(t->w->delivered, 1);
	assert_int_equal(world_counters(t->w)->handshakes, 1);
	assert_int_equal(world_counters(t->w)->handshaking, 0);
	assert_int_equal(world_counters(t->w)->bytes_in, strlen(ASK));
	assert_int_equal(world_counters(t->w)->bytes_out, strlen(ASK));
	assert_int_equal(world_counters(t->w)->buffered, 0);
	tls_world_free(t);
}

static void test_a_half_close(void **state)
{
	struct tls_world *t = tls_world_new();
	struct peer p;

	(void)state;
	t->w->answer = ANSWER_LATER;
	tls_world_start(t);
	p = peer_connect(t, NULL);
	peer_say(t, &p, ASK);
	SSL_shutdown(p.ssl);
	WORLD_UNTIL(t->w, t->w->last_id != 0);
	/* It has said all, and still waits. */
	world_turns(t->w, 20);
	assert_non_null(server_conn(t->w->server, t->w->last_id));
	conn_reply(server_conn(t->w->server, t->w->last_id), span_of("\"late\"", 6));
	peer_expect(t, &p, "\"late\"");
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_int_equal(t->w->delivered, 1);
	tls_world_free(t);
}

static void test_messages_that_end_too_early(void **state)
{
	struct tls_world *t = tls_world_new();
	struct peer p;

	(void)state;
	tls_world_start(t);
	p = peer_connect(t, NULL);
	peer_say(t, &p, "{\"a\":1");
	SSL_shutdown(p.ssl);
	peer_expect(t, &p, "\"bad truncated\"");
	assert_string_equal(t->w->sentence, "the stream ended inside the message, after 6 bytes");

	/* TCP ends, TLS does not: somebody on the way may have cut it. */
	p = peer_connect(t, NULL);
	peer_say(t, &p, "{\"a\":1");
	client_half_close(p.fd);
	peer_expect(t, &p, "\"bad truncated\"");
	assert_non_null(strstr(t->w->sentence, "without TLS's close_notify"));

	p = peer_connect(t, NULL);
	SSL_shutdown(p.ssl);
	peer_expect(t, &p, "\"bad empty\"");
	tls_world_free(t);
}

static void test_byte_by_byte(void **state)
{
	struct tls_world *t = tls_world_new();
	struct peer p;
	BIO *wire = BIO_new(BIO_s_mem());
	uint8_t byte;

	(void)state;
	tls_world_start(t);
	p = peer_connect(t, NULL);
	/* What the client would send is caught, and sent in the smallest pieces. */
	SSL_set0_wbio(p.ssl, wire);
	peer_say(t, &p, ASK);
	while (BIO_read(wire, &byte, 1) == 1) {
		assert_int_equal(world_counters(t->w)->messages, 0);
		client_send(t->w, p.fd, &byte, 1);
		world_turn(t->w);
	}
	peer_expect(t, &p, ASK);
	tls_world_free(t);
}

static void test_large_messages(void **state)
{
	struct tls_world *t = tls_world_new();
	size_t n = t->w->options.max_message, size;
	char *message = malloc(n), *got = malloc(n + 1);
	struct peer p;

	(void)state;
	tls_world_start(t);
	/* Around the sizes of records and of the shared buffer, and where the kernel is full. */
	for (size = n; size > 1000; size = size > 200000 ? size - 131071 : size / 2) {
		memset(message, 'x', size);
		message[0] = message[size - 1] = '"';
		p = peer_new(tls_socket(t, "127.0.0.1", 4096), NULL);
		assert_true(peer_shakes_hands(t, &p));
		peer_send(t, &p, message, size);
		assert_int_equal(peer_read(t, &p, got, n + 1), size);
		assert_memory_equal(got, message, size);
		peer_free(&p);
	}
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_int_equal(world_counters(t->w)->buffered, 0);
	assert_int_equal(world_counters(t->w)->resets, 0);
	p = peer_connect(t, NULL);
	memset(message, 'x', n);
	message[0] = '"';
	peer_send(t, &p, message, n);
	peer_say(t, &p, "x");
	peer_expect(t, &p, "\"bad oversize\"");
	free(message);
	free(got);
	tls_world_free(t);
}

static void refuse_beginning(void *arg, struct conn *conn, struct span beginning,
			     const char *source)
{
	struct world *w = arg;

	assert_true(beginning.n >= 64 * 1024);
	snprintf(w->source, sizeof w->source, "%s", source);
	conn_reply(conn, span_of("\"no\"", 4));
}

/* Refused by its beginning: the answer is heard behind what was on its way. */
static void test_a_long_message_that_is_not_wanted(void **state)
{
	struct tls_world *t = tls_world_new();
	struct party who = party_new((struct party_options){.name = "x", .issuer = &t->authority});
	const size_t n = 900 * 1024;
	char *message = malloc(n), want[SERVER_SOURCE_TEXT];
	struct peer p;

	(void)state;
	t->w->options.on_beginning = refuse_beginning;
	tls_world_start(t);
	memset(message, 'x', n);
	message[0] = message[n - 1] = '"';
	p = peer_connect(t, &who);
	peer_send(t, &p, message, n);
	peer_expect(t, &p, "\"no\"");
	assert_string_equal(t->w->source, party_source(&who, want));
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_int_equal(world_counters(t->w)->messages, 0);
	assert_int_equal(world_counters(t->w)->buffered, 0);
	party_free(&who);
	free(message);
	tls_world_free(t);
}

/* What the TLS listener accepts has the least send buffer that there is. */
static void little_room(struct tls_world *t)
{
	const int least = 1;
	int fd, found = 0;

	for (fd = 3; fd < 100; fd++) {
		struct sockaddr_in at = {.sin_family = AF_INET};
		socklen_t n = sizeof at;

		if (getsockname(fd, (struct sockaddr *)&at, &n) == 0 &&
		    ntohs(at.sin_port) == server_tls_port(t->w->server))
			found += setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0;
	}
	assert_int_equal(found, 1);
}

/* close_notify comes after every reply, also when the socket is full at that moment. */
static void test_no_room_for_the_end(void **state)
{
	enum { MOST = 9000 };
	struct tls_world *t = tls_world_new();
	char message[MOST], got[MOST + 1];
	size_t size;

	(void)state;
	tls_world_start(t);
	little_room(t);
	memset(message, 'x', sizeof message);
	message[0] = '"';
	for (size = 1500; size < MOST; size += 101) {
		struct peer p = peer_new(tls_socket(t, "127.0.0.1", 1), NULL);

		message[size - 1] = '"';
		assert_true(peer_shakes_hands(t, &p));
		peer_send(t, &p, message, size);
		WORLD_UNTIL(t->w, world_counters(t->w)->messages == (size - 1500) / 101 + 1);
		world_turns(t->w, 3);
		assert_int_equal(peer_read(t, &p, got, sizeof got), size);
		assert_memory_equal(got, message, size);
		peer_free(&p);
		message[size - 1] = 'x';
	}
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_int_equal(t->w->delivered, world_counters(t->w)->messages);
	tls_world_free(t);
}

static void test_a_file(void **state)
{
	enum { SIZE = 3 * 1024 * 1024 + 17 };
	struct tls_world *t = tls_world_new();
	const size_t whole = world_head.n + SIZE + world_tail.n;
	uint8_t *content = malloc(SIZE), *got = malloc(whole + 1);
	struct peer p;
	size_t i;

	(void)state;
	for (i = 0; i < SIZE; i++)
		content[i] = (uint8_t)(i * 2654435761u >> 13);
	t->w->file = memfd_create("input", MFD_CLOEXEC);
	assert_int_equal(pwrite(t->w->file, content, SIZE, 0), SIZE);
	t->w->answer = ANSWER_FILE;
	t->w->file_length = SIZE;
	tls_world_start(t);
	for (i = 0; i < 3; i++) {
		p = peer_new(tls_socket(t, "127.0.0.1", i == 1 ? 4096 : 0), NULL);
		assert_true(peer_shakes_hands(t, &p));
		peer_say(t, &p, ASK);
		if (i == 2)
			SSL_shutdown(p.ssl);
		assert_int_equal(peer_read(t, &p, (char *)got, whole + 1), whole);
		assert_memory_equal(got, world_head.p, world_head.n);
		assert_memory_equal(got + world_head.n, content, SIZE);
		assert_memory_equal(got + world_head.n + SIZE, world_tail.p, world_tail.n);
		peer_free(&p);
	}
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_int_equal(t->w->delivered, 3);

	/* A file that is shorter than promised never looks whole. */
	t->w->file_length = SIZE + 1;
	p = peer_connect(t, NULL);
	peer_say(t, &p, ASK);
	assert_int_equal(peer_read(t, &p, (char *)got, whole + 1), -1);
	peer_free(&p);
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_int_equal(world_counters(t->w)->file_errors, 1);
	free(content);
	free(got);
	tls_world_free(t);
}

static void test_stopped_in_the_middle(void **state)
{
	struct tls_world *t = tls_world_new();
	struct peer p[3];
	size_t i;

	(void)state;
	t->w->file = memfd_create("input", MFD_CLOEXEC);
	t->w->file_length = 8 << 20;
	assert_int_equal(ftruncate(t->w->file, 8 << 20), 0);
	t->w->answer = ANSWER_FILE;
	tls_world_start(t);
	for (i = 0; i < 3; i++)
		p[i] = peer_new(tls_socket(t, "127.0.0.1", 4096), NULL);
	assert_true(peer_shakes_hands(t, &p[0]) && peer_shakes_hands(t, &p[1]));
	peer_say(t, &p[0], ASK);
	SSL_connect(p[2].ssl);
	WORLD_UNTIL(t->w, world_counters(t->w)->messages == 1);
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 3);
	tls_world_free(t);
	for (i = 0; i < 3; i++)
		peer_free(&p[i]);
}

/* -- who it is --------------------------------------------------------------------------------- */

static void ask_as(struct tls_world *t, const struct party *who)
{
	struct peer p = peer_connect(t, who);

	peer_say(t, &p, ASK);
	peer_expect(t, &p, ASK);
}

static void expect_source(struct tls_world *t, const struct party *who, bool key)
{
	char want[SERVER_SOURCE_TEXT];

	ask_as(t, who);
	assert_string_equal(t->w->source, key ? party_source(who, want) : "127.0.0.1");
}

static void test_a_pinned_key(void **state)
{
	struct tls_world *t = tls_world_new();
	/* Its certificate does not matter, the key does. */
	struct party pinned = party_new((struct party_options){.name = "x", .from = 1, .to = 0});
	struct party other = party_new((struct party_options){.name = "x"});
	char text[SERVER_SOURCE_TEXT];

	(void)state;
	snprintf(t->pins, sizeof t->pins, "%064d, %s", 0, party_source(&pinned, text) + 4);
	tls_world_start(t);
	expect_source(t, &pinned, true);
	expect_source(t, &other, false);
	assert_non_null(strstr(t->w->events, "authority that is not trusted"));
	party_free(&pinned);
	party_free(&other);
	tls_world_free(t);
}

static void test_a_signed_key(void **state)
{
	struct tls_world *t = tls_world_new();
	struct party strangers = party_new((struct party_options){.name = "CA", .authority = true});
	const struct {
		struct party_options options;
		bool key;
		const char *words;
	} cases[] = {
	    {{.name = "good", .issuer = &t->authority, .usage = "clientAuth"}, true, NULL},
	    {{.name = "no usage", .issuer = &t->authority}, true, NULL},
	    {{.name = "old", .issuer = &t->authority, .from = -2 * DAY, .to = -DAY},
	     false,
	     "has expired"},
	    {{.name = "early", .issuer = &t->authority, .from = DAY, .to = 2 * DAY},
	     false,
	     "not valid yet"},
	    {{.name = "server's", .issuer = &t->authority, .usage = "serverAuth"},
	     false,
	     "not meant for this end"},
	    {{.name = "stranger's", .issuer = &strangers}, false, "authority that is not trusted"},
	    {{.name = "own"}, false, "authority that is not trusted"},
	};
	size_t i;

	(void)state;
	tls_world_start(t);
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct party who = party_new(cases[i].options);

		t->w->events[0] = '\0';
		expect_source(t, &who, cases[i].key);
		/* Said once a minute. */
		if (cases[i].words && i == 2)
			assert_non_null(strstr(t->w->events, cases[i].words));
		party_free(&who);
	}
	party_free(&strangers);
	tls_world_free(t);
}

static void test_why_a_key_is_unknown(void **state)
{
	const struct {
		long from, to;
		const char *usage, *words;
	} cases[] = {{DAY, 2 * DAY, NULL, "not valid yet"},
		     {-DAY, DAY, "serverAuth", "not meant for this end"}};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tls_world *t = tls_world_new();
		struct party who = party_new((struct party_options){.name = "x",
								    .issuer = &t->authority,
								    .from = cases[i].from,
								    .to = cases[i].to,
								    .usage = cases[i].usage});

		tls_world_start(t);
		expect_source(t, &who, false);
		assert_non_null(strstr(t->w->events, cases[i].words));
		party_free(&who);
		tls_world_free(t);
	}
}

static void test_an_attested_key(void **state)
{
	struct tls_world *t = tls_world_new();
	struct party who = party_new((struct party_options){.name = "guest"});

	(void)state;
	t->ca_file[0] = '\0';
	tls_world_start(t);
	expect_source(t, &who, false);
	assert_non_null(strstr(t->w->events, "not pinned, and no quote that passed here names it"));
	party_hash(&who, t->attested);
	expect_source(t, &who, true);
	party_free(&who);
	tls_world_free(t);
}

static EVP_PKEY *public_of_one_private_of_other(const EVP_PKEY *one, const EVP_PKEY *other)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY *made = NULL;
	BIGNUM *scalar = NULL;
	uint8_t point[65];
	OSSL_PARAM *params;
	size_t n;

	assert_int_equal(
	    EVP_PKEY_get_octet_string_param(one, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &n),
	    1);
	assert_int_equal(EVP_PKEY_get_bn_param(other, OSSL_PKEY_PARAM_PRIV_KEY, &scalar), 1);
	OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, n);
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, scalar);
	params = OSSL_PARAM_BLD_to_param(b);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &made, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(scalar);
	EVP_PKEY_CTX_free(ctx);
	return made;
}

/* A certificate without its key is nobody's. */
static void test_somebody_elses_certificate(void **state)
{
	struct tls_world *t = tls_world_new();
	struct party pinned = party_new((struct party_options){.name = "x"});
	struct party thief = party_new((struct party_options){.name = "x"});
	char text[SERVER_SOURCE_TEXT], got[16];
	struct party both;
	struct peer p;

	(void)state;
	snprintf(t->pins, sizeof t->pins, "%s", party_source(&pinned, text) + 4);
	tls_world_start(t);
	both.key = public_of_one_private_of_other(pinned.key, thief.key);
	both.certificate = pinned.certificate;
	p = peer_new(tls_socket(t, "127.0.0.1", 0), &both);
	/* With TLS 1.3 the client is done before the server has seen its proof. */
	if (peer_shakes_hands(t, &p))
		assert_int_equal(peer_read(t, &p, got, sizeof got), -1);
	peer_free(&p);
	EVP_PKEY_free(both.key);
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_int_equal(world_counters(t->w)->messages, 0);
	party_free(&pinned);
	party_free(&thief);
	tls_world_free(t);
}

/* Two keys behind one address do not take each other's places, nor those of the address. */
static void test_a_key_has_limits_of_its_own(void **state)
{
	struct tls_world *t = tls_world_new();
	struct party a = party_new((struct party_options){.name = "a", .issuer = &t->authority});
	struct party b = party_new((struct party_options){.name = "b", .issuer = &t->authority});
	struct peer p[5];

	(void)state;
	t->w->options.max_connections_per_source = 2;
	tls_world_start(t);
	p[0] = peer_connect(t, &a);
	p[1] = peer_connect(t, &a);
	p[2] = peer_connect(t, &b);
	p[3] = peer_connect(t, &b);
	WORLD_UNTIL(t->w, world_counters(t->w)->handshakes == 4);
	ask_as(t, NULL);
	p[4] = peer_connect(t, &a);
	peer_expect(t, &p[4], "\"bad busy\"");
	assert_string_equal(t->w->sentence, "too many connections with this key");
	peer_say(t, &p[0], ASK);
	peer_expect(t, &p[0], ASK);
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 3);
	ask_as(t, &a);
	peer_free(&p[1]);
	peer_free(&p[2]);
	peer_free(&p[3]);
	party_free(&a);
	party_free(&b);
	tls_world_free(t);
}

/* -- what is no TLS, and what is no good --------------------------------------------------------
 */

static void test_the_wrong_port(void **state)
{
	struct tls_world *t = tls_world_new();
	char port[64], got[64];
	struct peer p;
	int fd;

	(void)state;
	tls_world_start(t);
	fd = tls_socket(t, "127.0.0.1", 0);
	client_say(t->w, fd, ASK);
	client_expect(t->w, fd, "\"bad tls\"");
	snprintf(port, sizeof port, "the port for plain TCP is %u", server_port(t->w->server));
	assert_non_null(strstr(t->w->sentence, port));

	p = peer_new(client(t->w), NULL);
	assert_false(peer_shakes_hands(t, &p));
	WORLD_UNTIL(t->w, t->w->bads == 2);
	snprintf(port, sizeof port, "TLS has port %u", server_tls_port(t->w->server));
	assert_non_null(strstr(t->w->sentence, port));
	assert_int_equal(t->w->bad, SERVER_BAD_JSON);
	peer_free(&p);

	fd = tls_socket(t, "127.0.0.1", 0);
	client_half_close(fd);
	assert_int_equal(client_read(t->w, fd, got, sizeof got), 0);
	assert_int_equal(t->w->bad, SERVER_BAD_EMPTY);
	close(fd);
	tls_world_free(t);
}

static void test_old_tls(void **state)
{
	struct tls_world *t = tls_world_new();
	struct peer p;

	(void)state;
	tls_world_start(t);
	p = peer_new(tls_socket(t, "127.0.0.1", 0), NULL);
	SSL_set_max_proto_version(p.ssl, TLS1_2_VERSION);
	assert_false(peer_shakes_hands(t, &p));
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
	WORLD_UNTIL(t->w, t->w->bads == 1);
	assert_int_equal(t->w->bad, SERVER_BAD_TLS);
	assert_string_equal(t->w->sentence,
			    "the TLS handshake failed: the other side does not speak TLS 1.3");
	peer_free(&p);
	tls_world_free(t);
}

/* A peer that does not believe the certificate says so. */
static void test_a_peer_that_refuses(void **state)
{
	struct tls_world *t = tls_world_new();
	struct peer p;

	(void)state;
	tls_world_start(t);
	p = peer_new(tls_socket(t, "127.0.0.1", 0), NULL);
	SSL_set_verify(p.ssl, SSL_VERIFY_PEER, NULL);
	assert_false(peer_shakes_hands(t, &p));
	WORLD_UNTIL(t->w, t->w->bads == 1);
	assert_string_equal(t->w->sentence,
			    "the TLS handshake failed: the other side refuses: unknown CA");
	peer_free(&p);
	tls_world_free(t);
}

static void test_garbage(void **state)
{
	struct tls_world *t = tls_world_new();
	unsigned seed = 7, i, j;

	(void)state;
	tls_world_start(t);
	for (i = 0; i < 200; i++) {
		uint8_t noise[600] = {22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
		const unsigned keep = i % 12;
		int fd = tls_socket(t, "127.0.0.1", 0);
		char got[64];

		for (j = keep ? keep : 1; j < sizeof noise; j++)
			noise[j] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
		client_send(t->w, fd, noise, sizeof noise);
		client_half_close(fd);
		while (client_read(t->w, fd, got, sizeof got) > 0)
			;
		close(fd);
	}
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_int_equal(world_counters(t->w)->bad[SERVER_BAD_TLS], 200);
	assert_int_equal(world_counters(t->w)->handshaking, 0);
	ask_as(t, NULL);
	tls_world_free(t);
}

/* Garbage in a channel that was good. */
static void test_a_broken_record(void **state)
{
	struct tls_world *t = tls_world_new();
	struct peer p;

	(void)state;
	tls_world_start(t);
	p = peer_connect(t, NULL);
	WORLD_UNTIL(t->w, world_counters(t->w)->handshakes == 1);
	client_say(t->w, p.fd, "\x17\x03\x03\x01\x20");
	client_send(t->w, p.fd, (const char[288]){0}, 288);
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_int_equal(world_counters(t->w)->resets, 1);
	peer_free(&p);
	tls_world_free(t);
}

static void test_key_updates(void **state)
{
	struct tls_world *t = tls_world_new();
	struct peer p;
	int i;

	(void)state;
	t->w->options.read_timeout_ms = 300;
	tls_world_start(t);
	p = peer_connect(t, NULL);
	peer_say(t, &p, "{\"a\":");
	assert_int_equal(SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	peer_say(t, &p, "1}");
	peer_expect(t, &p, "{\"a\":1}");

	/* Without end they are no message, and others have their turns. */
	p = peer_connect(t, NULL);
	for (i = 0; t->w->bads == 0; i++) {
		ERR_clear_error();
		if (SSL_key_update(p.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
		    SSL_do_handshake(p.ssl) != 1)
			break;
		if (i % 50 == 0)
			ask_as(t, NULL);
	}
	WORLD_UNTIL(t->w, t->w->bads == 1);
	assert_int_equal(t->w->bad, SERVER_BAD_READ_TIMEOUT);
	peer_free(&p);
	tls_world_free(t);
}

/* -- handshakes have an end -------------------------------------------------------------------- */

static void test_half_handshakes(void **state)
{
	struct tls_world *t = tls_world_new();
	char got[64];
	int fd[3], i;
	struct peer p;

	(void)state;
	t->w->options.tls.handshake_timeout_ms = 300;
	tls_world_start(t);
	/* Silence; one byte; a hello and nothing after it. */
	for (i = 0; i < 3; i++)
		fd[i] = tls_socket(t, "127.0.0.1", 0);
	client_say(t->w, fd[1], "\x16");
	p = peer_new(fd[2], NULL);
	SSL_connect(p.ssl);
	WORLD_UNTIL(t->w, t->w->bads == 3);
	assert_int_equal(t->w->bad, SERVER_BAD_TLS);
	assert_string_equal(t->w->sentence, "the TLS handshake was not complete after 300 ms");
	assert_int_equal(client_read(t->w, fd[0], got, sizeof got), 0);
	close(fd[0]);
	close(fd[1]);
	peer_free(&p);
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 0);
	assert_int_equal(world_counters(t->w)->handshaking, 0);
	tls_world_free(t);
}

static void test_handshakes_have_ceilings(void **state)
{
	struct tls_world *t = tls_world_new();
	struct world *w = t->w;
	int fd[6], more, i;
	char got[64];

	(void)state;
	w->options.tls.max_handshakes = 5;
	w->options.tls.max_handshakes_per_source = 3;
	tls_world_start(t);
	for (i = 0; i < 3; i++)
		fd[i] = tls_socket(t, "127.0.0.2", 0);
	WORLD_UNTIL(w, world_counters(w)->handshaking == 3);
	more = tls_socket(t, "127.0.0.2", 0);
	assert_int_equal(client_read(w, more, got, sizeof got), 0);
	close(more);
	assert_int_equal(world_counters(w)->refused[SERVER_REFUSED_HANDSHAKES], 1);
	/* Others have their places, until there is none. */
	ask_as(t, NULL);
	ask_as(t, NULL);
	fd[3] = tls_socket(t, "127.0.0.3", 0);
	fd[4] = tls_socket(t, "127.0.0.4", 0);
	WORLD_UNTIL(w, world_counters(w)->handshaking == 5);
	fd[5] = tls_socket(t, "127.0.0.5", 0);
	assert_int_equal(client_read(w, fd[5], got, sizeof got), 0);
	assert_int_equal(world_counters(w)->refused[SERVER_REFUSED_HANDSHAKES], 2);
	/* The plain port has nothing to do with it. */
	more = client(w);
	client_say(w, more, ASK);
	client_expect(w, more, ASK);
	for (i = 0; i < 6; i++)
		close(fd[i]);
	WORLD_UNTIL(w, world_counters(w)->handshaking == 0);
	ask_as(t, NULL);
	tls_world_free(t);
}

static void test_a_slow_message(void **state)
{
	struct tls_world *t = tls_world_new();
	BIO *wire = BIO_new(BIO_s_mem());
	struct peer p;
	uint8_t byte;

	(void)state;
	t->w->options.read_timeout_ms = 300;
	tls_world_start(t);
	p = peer_connect(t, NULL);
	SSL_set0_wbio(p.ssl, wire);
	peer_say(t, &p, ASK);
	/* Bytes of a record that never ends are no bytes of a message. */
	while (t->w->bads == 0) {
		if (BIO_pending(wire) > 1 && BIO_read(wire, &byte, 1) == 1)
			client_send(t->w, p.fd, &byte, 1);
		world_turns(t->w, 20);
	}
	assert_int_equal(t->w->bad, SERVER_BAD_READ_TIMEOUT);
	peer_expect(t, &p, "\"bad read_timeout\"");
	tls_world_free(t);
}

static void test_drain(void **state)
{
	struct tls_world *t = tls_world_new();
	struct peer p;
	char got[16];
	int fd;

	(void)state;
	tls_world_start(t);
	fd = tls_socket(t, "127.0.0.1", 0);
	p = peer_connect(t, NULL);
	WORLD_UNTIL(t->w, world_counters(t->w)->connections == 2);
	peer_say(t, &p, "{\"a\":");
	WORLD_UNTIL(t->w, world_counters(t->w)->bytes_in == 5);
	server_drain(t->w->server, 600000, world_on_drained, t->w);
	assert_int_equal(client_read(t->w, fd, got, sizeof got), 0);
	close(fd);
	assert_false(t->w->drained);
	peer_say(t, &p, "1}");
	peer_expect(t, &p, "{\"a\":1}");
	WORLD_UNTIL(t->w, t->w->drained);
	tls_world_free(t);
}

/* -- files ------------------------------------------------------------------------------------- */

static bool shows(struct tls_world *t, const struct party *who)
{
	struct peer p = peer_connect(t, NULL);
	uint8_t want[TLS_KEY_HASH], got[TLS_KEY_HASH];

	party_hash(who, want);
	assert_true(tls_key_hash(got, SSL_get0_peer_certificate(p.ssl)));
	peer_say(t, &p, ASK);
	peer_expect(t, &p, ASK);
	return memcmp(want, got, sizeof want) == 0;
}

static void test_reload(void **state)
{
	struct tls_world *t = tls_world_new();
	struct party next = party_new((struct party_options){.name = "next"});
	const struct certificates_options files = tls_world_files(t);
	struct why why = {""};
	struct peer open;

	(void)state;
	tls_world_start(t);
	assert_true(shows(t, &t->server));
	open = peer_connect(t, NULL);
	/* Half of a renewal: the former stays. */
	write_certificate(t->certificate_file, &next);
	assert_false(certificates_reload(t->certificates, &files, &why));
	assert_non_null(strstr(why.text, "does not belong to the certificate"));
	assert_non_null(strstr(why.text, t->key_file));
	assert_true(shows(t, &t->server));
	write_key(t->key_file, &next);
	assert_true(certificates_reload(t->certificates, &files, &why));
	assert_true(shows(t, &next));
	peer_say(t, &open, ASK);
	peer_expect(t, &open, ASK);
	party_free(&next);
	tls_world_free(t);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void expect_refused(const struct tls_world *t, const char *path, const char *words)
{
	const struct certificates_options files = tls_world_files(t);
	struct certificates *c;
	struct why why = {""};

	assert_false(certificates_new(&c, &files, &why));
	assert_null(c);
	if (!strstr(why.text, path) || !strstr(why.text, words))
		fail_msg("\"%s\" names neither %s nor %s", why.text, path, words);
}

static void test_files_that_are_no_good(void **state)
{
	struct tls_world *t = tls_world_new();
	struct certificates_options files = tls_world_files(t);
	struct certificates *c;
	struct why why = {""};
	FILE *f;

	(void)state;
	strcpy(t->pins, "abc");
	expect_refused(t, "\"abc\"", "64 digits");
	t->pins[0] = '\0';
	write_text(t->ca_file, "none");
	expect_refused(t, t->ca_file, "no certificate in PEM form");
	unlink(t->ca_file);
	expect_refused(t, t->ca_file, "No such file");
	write_certificate(t->ca_file, &t->authority);
	f = fopen(t->key_file, "w");
	PEM_write_PrivateKey(f, t->server.key, EVP_aes_128_cbc(), NULL, 0, NULL, (void *)"secret");
	fclose(f);
	expect_refused(t, t->key_file, "encrypted with a passphrase");
	write_text(t->key_file, "none");
	expect_refused(t, t->key_file, "no private key in PEM form");
	write_text(t->certificate_file, "none");
	expect_refused(t, t->certificate_file, "no certificate in PEM form");

	write_certificate(t->certificate_file, &t->server);
	write_key(t->key_file, &t->server);
	assert_true(certificates_new(&c, &files, &why));
	assert_string_equal(certificates_warning(c), "");
	chmod(t->key_file, 0644);
	assert_true(certificates_reload(c, &files, &why));
	assert_non_null(strstr(certificates_warning(c), "everyone may read or write"));
	certificates_free(c);
	tls_world_free(t);
}

int main(void)
{
#define TEST(f) cmocka_unit_test(f)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_message),
	    TEST(test_a_half_close),
	    TEST(test_messages_that_end_too_early),
	    TEST(test_byte_by_byte),
	    TEST(test_large_messages),
	    TEST(test_a_long_message_that_is_not_wanted),
	    TEST(test_no_room_for_the_end),
	    TEST(test_a_file),
	    TEST(test_stopped_in_the_middle),
	    TEST(test_a_pinned_key),
	    TEST(test_a_signed_key),
	    TEST(test_why_a_key_is_unknown),
	    TEST(test_an_attested_key),
	    TEST(test_somebody_elses_certificate),
	    TEST(test_a_key_has_limits_of_its_own),
	    TEST(test_the_wrong_port),
	    TEST(test_old_tls),
	    TEST(test_a_peer_that_refuses),
	    TEST(test_garbage),
	    TEST(test_a_broken_record),
	    TEST(test_key_updates),
	    TEST(test_half_handshakes),
	    TEST(test_handshakes_have_ceilings),
	    TEST(test_a_slow_message),
	    TEST(test_drain),
	    TEST(test_reload),
	    TEST(test_files_that_are_no_good),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
