/* A new connection: where to, and what it has to keep to. */
#include "coordinator/pq/link.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/base/resolve.h"

/* Where libpq's own default, ~/.postgresql/root.crt, is not what a service has. */
static const char *const root_files[] = {"/etc/ssl/certs/ca-certificates.crt",
					 "/etc/pki/tls/certs/ca-bundle.crt"};

#define KEYWORDS_MAX 64
#define LIST_MAX     1024
#define ENTRY_MAX    260
/* Where no file can be: libpq then looks for none in a home directory. */
#define NOWHERE "/dev/null/none"

struct keywords {
	int n;
	unsigned places;
	const char *names[KEYWORDS_MAX + 1], *values[KEYWORDS_MAX + 1];
	char hosts[LIST_MAX], addresses[LIST_MAX], ports[LIST_MAX];
};

static const char *value_of(const PQconninfoOption *o, const char *keyword)
{
	for (; o->keyword; o++)
		if (strcmp(o->keyword, keyword) == 0)
			return o->val && *o->val ? o->val : NULL;
	return NULL;
}

static PQconninfoOption *parse(const char *url, struct why *why)
{
	char *error = NULL;
	PQconninfoOption *o = PQconninfoParse(url, &error);
	size_t n;

	if (o)
		return o;
	n = error ? strcspn(error, "\n") : 0;
	why_set(why, "the address of the database makes no sense: %.*s", (int)n,
		error ? error : "");
	PQfreemem(error);
	return NULL;
}

bool link_where(char *out, size_t size, const char *url, struct why *why)
{
	PQconninfoOption *o = parse(url, why);
	const char *host, *port, *name;

	if (!o)
		return false;
	host = value_of(o, "host") ? value_of(o, "host") : value_of(o, "hostaddr");
	port = value_of(o, "port");
	name = value_of(o, "dbname") ? value_of(o, "dbname") : value_of(o, "user");
	snprintf(out, size, "PostgreSQL, database %.60s at %.120s%s%.40s", name ? name : "(none)",
		 host ? host : "this host", port ? ":" : "", port ? port : "");
	PQconninfoFree(o);
	return true;
}

/* ---- where to ---- */

static unsigned count_of(const char *list)
{
	unsigned n = 1;

	for (; list && *list; list++)
		n += *list == ',';
	return n;
}

/* Entry i of a list with commas; the last one where there are fewer. */
static void entry_of(char out[ENTRY_MAX], const char *list, unsigned i)
{
	const char *comma;

	for (; list && i && (comma = strchr(list, ',')); i--)
		list = comma + 1;
	snprintf(out, ENTRY_MAX, "%.*s", list ? (int)strcspn(list, ",") : 0, list ? list : "");
}

static void add_place(struct keywords *k, const char *host, const char *address, const char *port)
{
	const char *comma = k->places++ ? "," : "";
	const size_t h = strlen(k->hosts), a = strlen(k->addresses), p = strlen(k->ports);

	if (h + strlen(host) + 2 > LIST_MAX || a + strlen(address) + 2 > LIST_MAX ||
	    p + strlen(port) + 2 > LIST_MAX)
		return;
	snprintf(k->hosts + h, LIST_MAX - h, "%s%s", comma, host);
	snprintf(k->addresses + a, LIST_MAX - a, "%s%s", comma, address);
	snprintf(k->ports + p, LIST_MAX - p, "%s%s", comma, port);
}

/* Each host with its addresses, from host number `by` on. libpq would look names up itself, and
 * wait for as long as that takes. False: none was found. */
static bool find_places(struct keywords *k, const char *hosts, const char *ports, unsigned by,
			unsigned ms, struct why *why)
{
	const unsigned n = count_of(hosts);
	char host[ENTRY_MAX], port[ENTRY_MAX];
	struct resolved found;
	unsigned i;
	size_t j;

	for (i = 0; i < n; i++) {
		entry_of(host, hosts, (i + by) % n);
		entry_of(port, ports, (i + by) % n);
		if (!*host || *host == '/') {
			add_place(k, host, "", port);
			continue;
		}
		if (!resolve(&found, host, ms / (2 * n), why))
			continue;
		for (j = 0; j < found.n; j++)
			add_place(k, host, found.address[j], port);
	}
	return k->places > 0;
}

/* ---- how ---- */

static void keyword(struct keywords *k, const char *name, const char *value)
{
	int i;

	for (i = 0; i < k->n && strcmp(k->names[i], name) != 0; i++)
		;
	if (i >= KEYWORDS_MAX || !value)
		return;
	k->names[i] = name;
	k->values[i] = value;
	if (i == k->n)
		k->names[++k->n] = NULL;
}

/* Who is to be checked without a word of whose authority is checked by the system's. */
static void choose_authority(struct keywords *k, const PQconninfoOption *o)
{
	const char *mode = value_of(o, "sslmode");
	size_t i;

	if (!mode || strncmp(mode, "verify", 6) != 0 || value_of(o, "sslrootcert"))
		return;
	for (i = 0; i < sizeof root_files / sizeof *root_files; i++)
		if (!access(root_files[i], R_OK))
			keyword(k, "sslrootcert", root_files[i]);
}

static void choose(struct keywords *k, const PQconninfoOption *o, const char *password,
		   const char *name)
{
	static const char *const home_files[] = {"passfile", "sslcert", "sslrootcert", "sslcrl"};
	const PQconninfoOption *i;
	size_t j;

	for (i = o; i->keyword; i++)
		if (i->val && *i->val)
			keyword(k, i->keyword, i->val);
	if (k->places) {
		keyword(k, "host", k->hosts);
		keyword(k, "hostaddr", k->addresses);
		keyword(k, "port", k->ports);
	}
	if (password && *password)
		keyword(k, "password", password);
	for (j = 0; j < sizeof home_files / sizeof *home_files; j++)
		if (!value_of(o, home_files[j]))
			keyword(k, home_files[j], NOWHERE);
	/* Else whoever has a Kerberos ticket would go without the TLS that was asked for. */
	keyword(k, "gssencmode", "disable");
	keyword(k, "application_name", name);
	keyword(k, "client_encoding", "UTF8");
	keyword(k, "keepalives", "1");
	keyword(k, "keepalives_idle", "2");
	keyword(k, "keepalives_interval", "1");
	keyword(k, "keepalives_count", "3");
	keyword(k, "tcp_user_timeout", "3000");
	choose_authority(k, o);
}

/* libpq's sentence names the host; what an operator does about it is added where it is known. */
static void explain(const struct link *s, struct why *why)
{
	static const struct {
		const char *says, *hint;
	} hints[] = {
	    {"no password supplied", "see ETHREX_PROOF_COORDINATOR_STORE_PASSWORD"},
	    {"does not support SSL", "TLS is wanted: set ssl = on there"},
	    {"certificate verify failed",
	     "its certificate has expired, is revoked, or is signed by another authority than the "
	     "one of sslrootcert=FILE"},
	    {"does not match host name",
	     "give the name that is in its certificate, or it a certificate of this name"},
	    {"protocol version",
	     "TLS 1.2 is the oldest: see the server's ssl_max_protocol_version"},
	    {"unsupported protocol",
	     "TLS 1.2 is the oldest: see the server's ssl_max_protocol_version"},
	    {"session is read-only",
	     "give the primary too: with target_session_attrs=read-write it is found among several "
	     "hosts; if this is the primary, its default_transaction_read_only is on"},
	    {"hot standby mode",
	     "it is a read-only replica: give the primary too, which is found among several hosts"},
	    {"could not load private key file",
	     "sslkey is to be the key of sslcert, in PEM and without a passphrase"},
	    {"alert unknown ca", "the server does not know the authority that signed sslcert"},
	    {"expected authentication request", "what listens there is no PostgreSQL"},
	    {"invalid response to SSL negotiation", "what listens there is no PostgreSQL"},
	};
	char text[400];
	const char *hint;
	size_t i;

	link_flatten(text, sizeof text, PQerrorMessage(s->conn));
	hint = link_hint(text);
	for (i = 0; !hint && i < sizeof hints / sizeof *hints; i++)
		if (strstr(text, hints[i].says))
			hint = hints[i].hint;
	why_set(why, "%s: %.300s%s%s", s->where, text, hint ? "; " : "", hint ? hint : "");
}

static bool connected(struct link *s, struct why *why)
{
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;
	struct pollfd p;
	uint64_t now;

	while (want != PGRES_POLLING_OK) {
		now = uv_hrtime();
		if (want == PGRES_POLLING_FAILED) {
			explain(s, why);
			return false;
		}
		if (now >= s->due) {
			why_set(why, "%s: no connection in time%s%s", s->where,
				PQhost(s->conn) && *PQhost(s->conn) ? ", last tried: " : "",
				PQhost(s->conn) ? PQhost(s->conn) : "");
			return false;
		}
		p.fd = PQsocket(s->conn);
		p.events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT;
		p.revents = 0;
		if (p.fd < 0 || poll(&p, 1, (int)((s->due - now) / 1000000 + 1)) > 0)
			want = PQconnectPoll(s->conn);
	}
	return true;
}

static void on_notice(void *arg, const PGresult *r)
{
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	struct link *s = arg;

	if (severity && strcmp(severity, "WARNING") == 0)
		link_flatten(s->warning, sizeof s->warning, message ? message : "(no text)");
}

/* A password that the server does not ask for keeps nobody out. */
static void note_trust(struct link *s, bool given)
{
	if (given && !PQconnectionUsedPassword(s->conn))
		snprintf(s->note, sizeof s->note,
			 "%s: the server let this user in without the password: see trust, peer "
			 "and cert in its pg_hba.conf",
			 s->where);
}

enum store_rc link_open(struct link *s, const char *url, const char *password, const char *name,
			const char *where, unsigned attempt, unsigned ms, struct why *why)
{
	PQconninfoOption *o = parse(url, why);
	enum store_rc rc = STORE_UNREACHABLE;
	struct keywords k = {.n = 0};

	memset(s, 0, sizeof *s);
	s->where = where;
	link_deadline(s, ms);
	if (!o)
		return STORE_FOREIGN;
	if (value_of(o, "host") && !value_of(o, "hostaddr") &&
	    !find_places(&k, value_of(o, "host"), value_of(o, "port"), attempt, ms, why)) {
		why_wrap(why, "%s", where);
		PQconninfoFree(o);
		return STORE_UNREACHABLE;
	}
	choose(&k, o, password, name);
	s->conn = PQconnectStartParams(k.names, k.values, 0);
	PQconninfoFree(o);
	if (!s->conn) {
		why_set(why, "out of memory for a connection");
		return STORE_NO_MEMORY;
	}
	PQsetNoticeReceiver(s->conn, on_notice, s);
	/* With the SQLSTATE: what else it says may be in any language. */
	PQsetErrorVerbosity(s->conn, PQERRORS_VERBOSE);
	if (connected(s, why)) {
		PQsetErrorVerbosity(s->conn, PQERRORS_DEFAULT);
		note_trust(s, password && *password);
		rc = link_settle(s, why);
	}
	if (rc != STORE_OK)
		link_close(s);
	return rc;
}
