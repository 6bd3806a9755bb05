#include "coordinator/config/store_url.h"

#include "coordinator/base/url.h"
#include "encoding/words.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define PORT      5432
#define FORM      "postgres://USER@HOST/DATABASE"
#define SHOWN_MAX 64 /* characters of what was typed, in a sentence */

/* What stands between two signs of the URL. */
struct piece {
	const char *p;
	size_t len;
};

static struct piece piece_of(const char *p, size_t len)
{
	return (struct piece){p, len};
}

static int shown(const struct piece *s)
{
	return (int)(s->len < SHOWN_MAX ? s->len : SHOWN_MAX);
}

/* Up to the first of signs, which is taken off with it. */
static struct piece cut(struct piece *rest, const char *signs)
{
	struct piece first = {rest->p, 0};

	while (first.len < rest->len && !strchr(signs, rest->p[first.len]))
		first.len++;
	rest->p += first.len + (first.len < rest->len);
	rest->len -= first.len + (first.len < rest->len);
	return first;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* what: the part of the URL, for the sentence. */
static bool decode(char *out, size_t size, struct piece in, const char *what, struct why *why)
{
	size_t i, n = 0;

	for (i = 0; i < in.len; i++) {
		int c = (unsigned char)in.p[i];

		if (c == '%') {
			const int hi = i + 2 < in.len ? hex(in.p[i + 1]) : -1;
			const int lo = i + 2 < in.len ? hex(in.p[i + 2]) : -1;

			if (hi < 0 || lo < 0 || hi + lo == 0) {
				why_set(why,
					"a '%%' in the %s is not followed by two hex digits, or by "
					"00 (a '%%' itself is written %%25)",
					what);
				return false;
			}
			c = hi << 4 | lo;
			i += 2;
		} else if (c <= ' ' || c == 0x7f) {
			why_set(why, "there is a space or a control character in the %s", what);
			return false;
		}
		if (n + 1 >= size) {
			why_set(why, "the %s is longer than %zu characters", what, size - 1);
			return false;
		}
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return true;
}

/* ---- hosts ---- */

static bool read_port(uint16_t *out, struct piece text, struct why *why)
{
	unsigned long port = 0;
	size_t i;

	for (i = 0; i < text.len && i < 6 && text.p[i] >= '0' && text.p[i] <= '9'; i++)
		port = port * 10 + (unsigned)(text.p[i] - '0');
	if (!text.len || i < text.len || port < 1 || port > 65535) {
		why_set(why, "the port \"%.*s\" is not one of 1 to 65535", shown(&text), text.p);
		return false;
	}
	*out = (uint16_t)port;
	return true;
}

static bool is_name(const char *host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_";

	return host[strspn(host, allowed)] == '\0';
}

/* libpq parts hosts at commas once they are decoded: what follows one would be a host that nobody
 * looked at. */
static bool is_one_directory(const char *name, struct why *why)
{
	if (!strchr(name, ','))
		return true;
	why_set(why, "there is a ',' in the directory of a socket: several hosts stand before the "
		     "database, postgres://USER@HOST,HOST2/DATABASE");
	return false;
}

static bool read_host_name(struct store_url_host *out, struct piece *rest, size_t number,
			   struct why *why)
{
	const bool v6 = rest->len && rest->p[0] == '[';
	uint8_t address[16];
	struct piece name;

	if (v6 && !memchr(rest->p, ']', rest->len)) {
		why_set(why, "host %zu has a '[', and no ']' after it", number);
		return false;
	}
	if (v6) {
		rest->p++;
		rest->len--;
	}
	name = cut(rest, v6 ? "]" : ":");
	if (!decode(out->name, sizeof out->name, name, "host", why))
		return false;
	if (v6 && inet_pton(AF_INET6, out->name, address) != 1)
		why_set(why, "\"[%.*s]\" is not an IPv6 address", shown(&name), name.p);
	else if (v6 && rest->len && rest->p[0] != ':')
		why_set(why, "behind \"[%.*s]\" there is something else than a port", shown(&name),
			name.p);
	else if (!out->name[0])
		why_set(why, "host %zu has no name: %s", number, FORM);
	else if (out->name[0] != '/' && !v6 && !is_name(out->name))
		why_set(why, "the host \"%.*s\" is neither a name nor an address", shown(&name),
			name.p);
	else
		return is_one_directory(out->name, why);
	return false;
}

/* HOST, HOST:PORT or [IPv6]:PORT. */
static bool read_host(struct store_url *u, struct piece text, struct why *why)
{
	struct store_url_host *h = &u->host[u->n_hosts];
	const bool v6 = text.len && text.p[0] == '[';
	const bool ported = memchr(text.p, ':', text.len) != NULL;
	struct piece rest = text;

	if (!read_host_name(h, &rest, u->n_hosts + 1, why))
		return false;
	h->port = PORT;
	if (v6 ? rest.len > 0 : ported) {
		if (v6)
			cut(&rest, ":");
		if (!read_port(&h->port, rest, why))
			return false;
	}
	u->n_hosts++;
	return true;
}

static bool read_hosts(struct store_url *u, struct piece list, struct why *why)
{
	while (list.len) {
		/* A comma at the end is a host without a name. */
		const bool more = memchr(list.p, ',', list.len) != NULL;

		if (u->n_hosts == STORE_URL_HOSTS_MAX) {
			why_set(why, "there are more than %d hosts", STORE_URL_HOSTS_MAX);
			return false;
		}
		if (!read_host(u, cut(&list, ","), why))
			return false;
		if (more && !list.len) {
			why_set(why, "host %zu has no name: %s", u->n_hosts + 1, FORM);
			return false;
		}
	}
	return true;
}

static bool is_elsewhere(const struct store_url *u)
{
	size_t i;

	for (i = 0; i < u->n_hosts; i++)
		if (u->host[i].name[0] != '/' && !url_host_is_loopback(u->host[i].name))
			return true;
	return false;
}

static bool is_socket(const struct store_url *u)
{
	size_t i;

	for (i = 0; i < u->n_hosts; i++)
		if (u->host[i].name[0] != '/')
			return false;
	return true;
}

/* ---- parameters ---- */

/* These are this program's to say. */
static const char *const ours[] = {"application_name",
				   "client_encoding",
				   "connect_timeout",
				   "keepalives",
				   "keepalives_count",
				   "keepalives_idle",
				   "keepalives_interval",
				   "options",
				   "replication",
				   "tcp_user_timeout",
				   NULL};

/* Of a socket, where the hosts would have them before the database. */
struct socket_parameters {
	char host[256], port[8];
};

static bool refuse_parameter(const char *name, struct why *why)
{
	if (strcmp(name, "password") == 0 || strcmp(name, "passfile") == 0 ||
	    strcmp(name, "sslpassword") == 0)
		why_set(why,
			"the parameter \"%s\" is not taken: the password comes from a file of its "
			"own, ..._STORE_PASSWORD_FILE",
			name);
	else if (words_have(ours, name))
		why_set(why, "the parameter \"%s\" is said by this program itself", name);
	else
		why_set(
		    why,
		    "the parameter \"%s\" is none of host, port, sslmode, sslrootcert, sslcert, "
		    "sslkey, sslcrl and target_session_attrs",
		    name);
	return false;
}

static bool read_parameter(struct store_url *u, struct socket_parameters *at, struct piece text,
			   struct why *why)
{
	const struct {
		const char *name;
		char *out;
		size_t size;
	} known[] = {
	    {"host", at->host, sizeof at->host},
	    {"port", at->port, sizeof at->port},
	    {"sslmode", u->sslmode, sizeof u->sslmode},
	    {"sslrootcert", u->sslrootcert, sizeof u->sslrootcert},
	    {"sslcert", u->sslcert, sizeof u->sslcert},
	    {"sslkey", u->sslkey, sizeof u->sslkey},
	    {"sslcrl", u->sslcrl, sizeof u->sslcrl},
	    {"target_session_attrs", u->target_session_attrs, sizeof u->target_session_attrs}};
	const size_t n = sizeof known / sizeof *known;
	const struct piece key = cut(&text, "=");
	char name[SHOWN_MAX + 1];
	size_t i;

	snprintf(name, sizeof name, "%.*s", shown(&key), key.p);
	for (i = 0; i < n && strcmp(name, known[i].name) != 0; i++)
		;
	if (i == n)
		return refuse_parameter(name, why);
	if (known[i].out[0])
		why_set(why, "the parameter \"%s\" is there twice", name);
	else if (!text.len)
		why_set(why, "the parameter \"%s\" has no value", name);
	else
		return decode(known[i].out, known[i].size, text, name, why);
	return false;
}

static bool take_socket(struct store_url *u, const struct socket_parameters *at, struct why *why)
{
	if ((at->host[0] && (at->host[0] != '/' || u->n_hosts)) || (at->port[0] && !at->host[0])) {
		why_set(why, "the parameters \"host\" and \"port\" are for the directory of a "
			     "socket, where no HOST:PORT stands before the database");
		return false;
	}
	if (!at->host[0])
		return true;
	if (!is_one_directory(at->host, why))
		return false;
	memcpy(u->host[0].name, at->host, sizeof at->host);
	u->host[0].port = PORT;
	u->n_hosts = 1;
	return !at->port[0] ||
	       read_port(&u->host[0].port, piece_of(at->port, strlen(at->port)), why);
}

static bool read_parameters(struct store_url *u, struct piece list, struct why *why)
{
	struct socket_parameters at = {"", ""};

	while (list.len)
		if (!read_parameter(u, &at, cut(&list, "&"), why))
			return false;
	return take_socket(u, &at, why);
}

/* ---- what the parameters say together ---- */

static bool check_words(const struct store_url *u, struct why *why)
{
	static const char *const modes[] = {"disable",   "allow",       "prefer", "require",
					    "verify-ca", "verify-full", NULL};
	static const char *const sessions[] = {"any", "primary", "read-write", NULL};

	if (u->sslmode[0] && !words_have(modes, u->sslmode))
		why_set(why,
			"sslmode \"%s\" is none of disable, allow, prefer, require, verify-ca and "
			"verify-full",
			u->sslmode);
	else if (u->target_session_attrs[0] && !words_have(sessions, u->target_session_attrs))
		why_set(why,
			"target_session_attrs \"%s\" is none of any, primary and read-write: this "
			"program writes",
			u->target_session_attrs);
	else
		return true;
	return false;
}

static bool check_tls(const struct store_url *u, struct why *why)
{
	const bool files = u->sslrootcert[0] || u->sslcert[0] || u->sslkey[0] || u->sslcrl[0];

	if (is_socket(u) && (files || store_url_demands_tls(u)))
		why_set(why, "there is no TLS at a socket: sslmode and its files are for a host");
	else if (files && strcmp(u->sslmode, "disable") == 0)
		why_set(why, "sslmode is disable, and a file for TLS is given");
	else if (!u->sslcert[0] != !u->sslkey[0])
		why_set(why, "sslcert and sslkey belong together");
	else
		return true;
	return false;
}

static bool complete(struct store_url *u, const char *text, struct why *why)
{
	char sign = strchr(text, '?') ? '&' : '?';
	size_t n;

	if (!check_words(u, why))
		return false;
	u->is_elsewhere = is_elsewhere(u);
	u->sslmode_given = u->sslmode[0] != '\0';
	if (!u->sslmode_given)
		strcpy(u->sslmode, u->is_elsewhere || u->sslrootcert[0] ? "verify-full" : "prefer");
	if (!check_tls(u, why))
		return false;
	n = (size_t)snprintf(u->conninfo, sizeof u->conninfo, "%s", text);
	if (!u->sslmode_given) {
		n += (size_t)snprintf(u->conninfo + n, sizeof u->conninfo - n, "%csslmode=%s", sign,
				      u->sslmode);
		sign = '&';
	}
	if (u->n_hosts > 1 && !u->target_session_attrs[0]) {
		strcpy(u->target_session_attrs, "read-write");
		snprintf(u->conninfo + n, sizeof u->conninfo - n, "%ctarget_session_attrs=%s", sign,
			 u->target_session_attrs);
	}
	return true;
}

bool store_url_demands_tls(const struct store_url *u)
{
	return strcmp(u->sslmode, "require") == 0 || store_url_verifies(u);
}

bool store_url_verifies(const struct store_url *u)
{
	return strncmp(u->sslmode, "verify-", 7) == 0;
}

/* ---- the whole ---- */

/* USER@, and behind it the hosts. Until it is known that no password is in there, nothing of it is
 * quoted. */
static bool read_user(struct store_url *u, struct piece *authority, struct piece rest,
		      struct why *why)
{
	const char *at = memrchr(authority->p, '@', authority->len);
	const size_t len = at ? (size_t)(at - authority->p) : 0;

	if ((at && memchr(authority->p, ':', len)) || memchr(rest.p, '@', rest.len)) {
		why_set(why, "there is a password in it, or an '@' that is not written %%40: a "
			     "password comes from a file of its own, ..._STORE_PASSWORD_FILE");
		return false;
	}
	if (!len) {
		why_set(why, "it names no user: %s", FORM);
		return false;
	}
	if (!decode(u->user, sizeof u->user, piece_of(authority->p, len), "user", why))
		return false;
	authority->len -= len + 1;
	authority->p = at + 1;
	return true;
}

bool store_url_parse(struct store_url *u, const char *text, struct why *why)
{
	const size_t scheme = strncmp(text, "postgresql://", 13) == 0 ? 13 : 11;
	struct piece rest = {text, strlen(text)}, authority, database;

	memset(u, 0, sizeof *u);
	if (scheme == 11 && strncmp(text, "postgres://", 11) != 0) {
		why_set(why, "it does not begin with postgres://");
		return false;
	}
	if (rest.len >= STORE_URL_TEXT_MAX) {
		why_set(why, "it is longer than %d characters", STORE_URL_TEXT_MAX - 1);
		return false;
	}
	if (strchr("?&", text[rest.len - 1])) {
		why_set(why, "it ends in '%c', where a parameter should follow",
			text[rest.len - 1]);
		return false;
	}
	rest = piece_of(text + scheme, rest.len - scheme);
	authority = piece_of(rest.p, strcspn(rest.p, "/?"));
	rest = piece_of(rest.p + authority.len, rest.len - authority.len);
	if (!read_user(u, &authority, rest, why) || !read_hosts(u, authority, why))
		return false;
	if (rest.len && rest.p[0] == '/')
		rest = piece_of(rest.p + 1, rest.len - 1);
	database = cut(&rest, "?");
	if (!decode(u->database, sizeof u->database, database, "database's name", why))
		return false;
	if (!u->database[0]) {
		why_set(why, "it names no database: %s", FORM);
		return false;
	}
	if (!read_parameters(u, rest, why))
		return false;
	if (!u->n_hosts) {
		why_set(why, "it names no host: %s, or ...@/DATABASE?host=/run/postgresql", FORM);
		return false;
	}
	return complete(u, text, why);
}
