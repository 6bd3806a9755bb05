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
#define SERVER_MIN   140000 /* idle_session_timeout */

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
	const PQconninfoOption *i;

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
	    {"password authentication failed", "; see ETHREX_PROOF_COORDINATOR_STORE_PASSWORD"},
	    {"no password supplied", "; see ETHREX_PROOF_COORDINATOR_STORE_PASSWORD"},
	    {"does not support SSL", "; TLS is wanted: set ssl = on there"},
	    {"certificate verify failed",
	     "; sslrootcert=FILE names the authority that signed the server's certificate"},
	    {"session is read-only", "; give the primary too: with target_session_attrs=read-write "
				     "it is found among several hosts"},
	    {"does not exist", "; create it first"},
	};
	char text[400];
	size_t i;

	link_flatten(text, sizeof text, PQerrorMessage(s->conn));
	for (i = 0; i < sizeof hints / sizeof *hints; i++)
		if (strstr(text, hints[i].says))
			break;
	why_set(why, "%s: %.300s%s", s->where, text,
		i < sizeof hints / sizeof *hints ? hints[i].hint : "");
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

/* What the server has to keep to in this session, and whether it can be used at all. What the
 * operator set for the durability of a COMMIT is never lowered. */
static const char settle_sql[] =
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',"
    " set_config('idle_session_timeout', '6000', false),"
    " set_config('idle_in_transaction_session_timeout', '3000', false),"
    " set_config('statement_timeout', '3000', false),"
    " set_config('lock_timeout', '700', false),"
    " set_config('default_transaction_isolation', 'read committed', false),"
    " set_config('synchronous_commit',"
    " CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, false),"
    " set_config('tcp_keepalives_idle', '2', false),"
    " set_config('tcp_keepalives_interval', '1', false),"
    " set_config('tcp_keepalives_count', '3', false),"
    " set_config('tcp_user_timeout', '5000', false)";

static enum store_rc settle(struct link *s, struct why *why)
{
	const int version = PQserverVersion(s->conn);
	bool replica, read_only;
	enum store_rc rc;
	PGresult *r;

	if (version < SERVER_MIN) {
		why_set(why, "%s: the server is version %d.%d, and 14 is the oldest that will do",
			s->where, version / 10000, version % 100);
		return STORE_FOREIGN;
	}
	if (PQsetnonblocking(s->conn, 1) || !PQenterPipelineMode(s->conn)) {
		why_set(why, "%s: the connection cannot be used without blocking", s->where);
		return STORE_UNREACHABLE;
	}
	r = link_query(s, settle_sql, "", NULL, &rc, why);
	if (!r)
		return rc;
	replica = *PQgetvalue(r, 0, 0) != 0;
	read_only = *PQgetvalue(r, 0, 1) != 0;
	PQclear(r);
	if (!replica && !read_only)
		return STORE_OK;
	why_set(why, "%s: %s is %s; give the primary, or target_session_attrs=read-write", s->where,
		PQhost(s->conn), replica ? "a read-only replica" : "set read-only");
	return STORE_UNREACHABLE;
}

static void on_notice(void *arg, const PGresult *r)
{
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	struct link *s = arg;

	if (severity && strcmp(severity, "WARNING") == 0)
		link_flatten(s->warning, sizeof s->warning, message ? message : "(no text)");
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
	if (connected(s, why))
		rc = settle(s, why);
	if (rc != STORE_OK)
		link_close(s);
	return rc;
}
