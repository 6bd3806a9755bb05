#include "coordinator/admin/internal.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/listen_at.h"
#include "coordinator/base/log.h"
#include "coordinator/page/page.h"
#include "coordinator/transactions/funds.h"
#include "encoding/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BATCHES_SHOWN 50

void admin_answer(struct admin_request *r, unsigned status, const char *type)
{
	r->status = status;
	r->content_type = type;
}

void admin_json(struct admin_request *r, unsigned status, json_t *j)
{
	char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;

	if (text && buf_add_str(&r->body, text) && buf_add_str(&r->body, "\n"))
		admin_answer(r, status, "application/json");
	else
		admin_answer(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain");
	free(text);
	json_decref(j);
}

void admin_reply(struct admin_request *r, unsigned status, const char *code, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	utf8_vprint(text, sizeof text, fmt, ap); /* a URL need not be UTF-8, and JSON must be */
	va_end(ap);
	admin_json(r, status, json_pack("{s:s, s:s}", "code", code, "message", text));
}

/* ---- who may ask ---- */

/* A browser that was sent to a hostile name that resolves to 127.0.0.1 says that name here. */
static bool host_is_local(const struct admin_request *r)
{
	const char *host =
	    MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	size_t n;

	if (listen_at_path(r->admin->o.listen))
		return true;
	if (!host)
		return false;
	if (strncmp(host, "[::1]", 5) == 0)
		return !host[5] || host[5] == ':';
	n = strcspn(host, ":");
	/* Digits and dots only: 127.0.0.1.example.org is a name like any other. */
	return (n == 9 && strncmp(host, "localhost", 9) == 0) ||
	       (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n);
}

static bool token_is_right(const struct admin_request *r)
{
	const char *given = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
							MHD_HTTP_HEADER_AUTHORIZATION);
	const char *token = r->admin->o.token;
	size_t n = strlen(token), end;

	/* RFC 9110, 11.1 and 11.4: a scheme in whatever case, then one space or more. */
	if (!given || strncasecmp(given, "Bearer ", 7) != 0)
		return false;
	given += 7 + strspn(given + 7, " ");
	for (end = strlen(given); end && given[end - 1] == ' '; end--)
		;
	return end == n && secret_equal(given, token, n);
}

/* ---- what can be asked ---- */

static void on_health(struct admin_request *r, const char *rest)
{
	(void)rest;
	buf_add_str(&r->body, "ok\n");
	admin_answer(r, MHD_HTTP_OK, "text/plain");
}

const char *admin_state_name(enum admin_state state)
{
	static const char *const names[] = {"starting", "ready", "draining"};

	return names[state];
}

/* While nothing can be stored provers are better served by another coordinator, if there is one. */
bool admin_is_ready(const struct admin *a, const char **text)
{
	static const char *const words[] = {"starting\n", "ready\n", "draining\n"};
	const bool lost = a->state == ADMIN_READY && *store_lost(a->p.store);

	*text = lost ? "database unreachable\n" : words[a->state];
	return a->state == ADMIN_READY && !lost;
}

static void on_ready(struct admin_request *r, const char *rest)
{
	const char *text;
	const bool ready = admin_is_ready(r->admin, &text);

	(void)rest;
	buf_add_str(&r->body, text);
	admin_answer(r, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain");
}

static void on_metrics(struct admin_request *r, const char *rest)
{
	bool ok = admin_metrics(&r->body, r->admin);

	(void)rest;
	admin_answer(r, ok ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR,
		     "text/plain; version=0.0.4");
}

json_t *admin_address(const struct eth_address *a)
{
	char text[ETH_ADDRESS_TEXT_SIZE];

	if (!a || eth_address_is_zero(a))
		return json_null();
	eth_address_print(text, a);
	return json_string(text);
}

static json_t *funds_json(const struct admin_parts *d)
{
	json_t *all = json_array();
	char wei[UINT256_DECIMAL_SIZE];
	struct funds_info i;
	int k;

	for (k = 0; k < FUNDS_KEYS; k++) {
		if (!funds_of(agenda_funds(d->agenda), (enum funds_key)k, &i))
			continue;
		uint256_to_decimal(wei, &i.balance);
		json_array_append_new(all,
				      json_pack("{s:s, s:o, s:s?, s:b}", "key", i.key, "address",
						admin_address(&i.address), "balance_wei",
						i.known ? wei : NULL, "low", i.low));
	}
	return all;
}

static json_t *signers_json(const struct admin_parts *d)
{
	static const char *const names[SIGNING_ACCOUNTS] = {"verify", "register"};
	json_t *all = json_array();
	struct signing_info i;
	int k;

	for (k = 0; k < SIGNING_ACCOUNTS; k++)
		if (signing_info(d->signing, (enum signing_who)k, &i))
			json_array_append_new(
			    all, json_pack("{s:s, s:o, s:s, s:s, s:s, s:I, s:I}", "key", names[k],
					   "address", admin_address(&i.address), "way",
					   i.way == SIGNING_REMOTE ? "remote" : "process", "where",
					   i.where, "trouble", i.trouble, "signed",
					   (json_int_t)i.made, "not_signed", (json_int_t)i.failed));
	return all;
}

/* NULL: contract and settings agree, or a key is there whatever they say. */
static const char *mode_mixed_up(const struct admin *a)
{
	const struct l1_facts *f = l1_facts(a->p.l1);

	if (!f || !f->has_tdx_verifier || !eth_address_is_zero(&f->signer) ||
	    f->tdx_dev_mode == a->o.tdx_dev_mode)
		return NULL;
	return f->tdx_dev_mode
		   ? "no prover can be registered: the TDXVerifier is in dev mode, where nothing "
		     "is "
		     "attested, and ETHREX_TDX_DEV_MODE is not set"
		   : "only quotes are registered: ETHREX_TDX_DEV_MODE is set, and the TDXVerifier "
		     "is not in dev mode";
}

/* What happens next; while nothing does, why: nothing can be stored, L1 cannot be read, or another
 * one does it. */
static const char *next_sentence(const struct admin *a, char *room, size_t size)
{
	const struct admin_parts *d = &a->p;
	const char *why = l1_trouble(d->l1);
	struct rpc_endpoint_info info;
	const struct cluster_self self = admin_self(a);
	struct why cluster, refused, far = {""};

	if (store_refused(d->store, &refused)) {
		utf8_print(room, size, "nothing can be stored: %s", refused.text);
		return room;
	}
	if (*store_lost(d->store) || (!*why && l1_is_fresh(d->l1) && !store_leads(d->store))) {
		cluster_describe(&cluster, d->store, &self);
		snprintf(room, size, "%s", cluster.text);
		return room;
	}
	if (!*why && l1_is_fresh(d->l1)) {
		utf8_print(room, size, "%s%s%s",
			   mode_mixed_up(a) ? mode_mixed_up(a) : agenda_sentence(d->agenda),
			   l1_head_is_far(d->l1, &far) ? "; " : "", far.text);
		return room;
	}
	if (!*why && rpc_endpoint_info(d->rpc, 0, &info) && info.last_error[0])
		utf8_print(room, size, "L1 is not read: %s: %s", info.name, info.last_error);
	else if (!*why)
		snprintf(room, size, "L1's first answer is waited for");
	else
		utf8_print(room, size, "L1 is not read: %s", why);
	return room;
}

json_t *admin_l1_json(const struct admin *a)
{
	const struct admin_parts *d = &a->p;
	const struct l1_facts *f = l1_facts(d->l1);
	json_t *endpoints = json_array(), *needs = json_array();
	struct rpc_endpoint_info info;
	char sender[512] = "waits for L1 to name its chain id", next[896];
	size_t i;
	int t;
	static const char *const states[] = {"unproven", "ready", "resting", "set_aside"};

	for (i = 0; rpc_endpoint_info(d->rpc, i, &info); i++)
		json_array_append_new(endpoints, json_pack("{s:s, s:s, s:i, s:s}", "endpoint",
							   info.name, "state", states[info.state],
							   "latency_ms", (int)info.latency_ms,
							   "last_error", info.last_error));
	for (t = 0; f && t < PROVER_TYPES; t++)
		if (f->needed & PROVER_TYPE_BIT(t))
			json_array_append_new(needs,
					      json_string(prover_type_name((enum prover_type)t)));
	if (!store_leads(d->store))
		snprintf(sender, sizeof sender, "the coordinator that leads sends");
	else if (agenda_sender(d->agenda))
		sender_io_describe(agenda_sender(d->agenda), sender, sizeof sender);
	return json_pack("{s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:s}",
			 "readable", l1_is_fresh(d->l1) && !l1_trouble(d->l1)[0], "trouble",
			 l1_trouble(d->l1), "head_time", (json_int_t)l1_head_time(d->l1),
			 "chain_id", (json_int_t)(f ? f->l1_chain_id : 0), "l2_chain_id",
			 (json_int_t)(f ? f->l2_chain_id : 0), "last_committed_batch",
			 (json_int_t)(f ? f->committed : 0), "last_verified_batch",
			 (json_int_t)(f ? f->verified : 0), "needs", needs, "signer",
			 admin_address(f ? &f->signer : NULL), "endpoints", endpoints, "funds",
			 funds_json(d), "signers", signers_json(d), "sender", sender, "next",
			 next_sentence(a, next, sizeof next));
}

static json_t *batch_json(const struct work_batch_info *b)
{
	json_t *types = json_object();
	int t;

	for (t = 0; t < PROVER_TYPES; t++) {
		const struct work_type_info *i = &b->type[t];

		if (!i->needed)
			continue;
		json_object_set_new(
		    types, prover_type_name((enum prover_type)t),
		    json_pack("{s:b, s:s, s:i, s:i, s:i}", "done", i->satisfied, "leased_to",
			      i->leased ? i->lease_source : "", "unjudged",
			      (int)(i->candidates[WORK_CANDIDATE] + i->candidates[WORK_UNDECIDED]),
			      "good", (int)i->candidates[WORK_GOOD], "bad",
			      (int)i->candidates[WORK_BAD]));
	}
	return json_pack("{s:I, s:b, s:b, s:I, s:o}", "batch", (json_int_t)b->batch, "committed",
			 b->committed, "verified", b->verified, "input_bytes",
			 (json_int_t)b->input_bytes, "types", types);
}

/* What must be put again: the first of those whose bytes cannot be had. */
static json_t *broken_json(const struct work *work, size_t n)
{
	static struct work_input_info found[BATCHES_SHOWN];
	json_t *list = json_array();
	size_t got, i;
	uint64_t from = 0;

	while (json_array_size(list) < n && json_array_size(list) < BATCHES_SHOWN &&
	       (got = work_next_inputs(work, from, found, BATCHES_SHOWN))) {
		for (i = 0; i < got && i < BATCHES_SHOWN; i++)
			if (found[i].broken)
				json_array_append_new(list, json_pack("{s:I, s:s}", "batch",
								      (json_int_t)found[i].batch,
								      "commit_hash",
								      found[i].commit_hash));
		from = found[0].batch + 1;
	}
	return list;
}

json_t *admin_work_json(const struct admin *a)
{
	const struct admin_parts *d = &a->p;
	struct work_counts counts;
	struct why why = {""}, full;
	uint64_t waiting;

	work_counts(d->work, &counts);
	work_oldest_waiting(d->work, clock_mono_ms(), &waiting, &why);
	if (!inputs_have_room(d->inputs, 1, &full))
		utf8_print(why.text + strlen(why.text), sizeof why.text - strlen(why.text),
			   "; no input is taken: %s", full.text);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:s}", "batches",
			 (json_int_t)counts.batches, "inputs", (json_int_t)counts.inputs,
			 "input_bytes", (json_int_t)inputs_bytes(d->inputs), "leases",
			 (json_int_t)counts.leases, "retained_batches", (json_int_t)counts.retained,
			 "proof_bytes", (json_int_t)counts.proof_bytes, "inputs_broken",
			 broken_json(d->work, counts.broken), "oldest_waiting", why.text);
}

static void on_status(struct admin_request *r, const char *rest)
{
	const struct admin *a = r->admin;
	const struct admin_parts *d = &a->p;
	json_t *batches = json_array();
	struct work_batch_info b = {0};
	uint64_t from = work_first_open(d->work), now = clock_mono_ms();
	const char *text;
	int shown;

	(void)rest;
	for (shown = 0; shown < BATCHES_SHOWN && work_next_batch(d->work, from, now, &b); shown++) {
		json_array_append_new(batches, batch_json(&b));
		from = b.batch + 1;
	}
	admin_json(r, MHD_HTTP_OK,
		   json_pack("{s:s, s:b, s:b, s:I, s:o, s:o, s:o, s:o, s:o}", "version",
			     a->o.version, "ready", admin_is_ready(a, &text), "tdx_dev_mode",
			     a->o.tdx_dev_mode, "uptime_s", (json_int_t)admin_uptime_s(a),
			     "cluster", admin_cluster_json(a), "l1", admin_l1_json(a), "work",
			     admin_work_json(a), "batches", batches, "relay", admin_relay_json(d)));
}

/* .../{number}?commit_hash={hash}; false: answered. */
static bool batch_and_hash(struct admin_request *r, const char *number, uint64_t *batch,
			   const char **hash)
{
	char *end;

	*hash = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, "commit_hash");
	errno = 0;
	*batch = strtoull(number, &end, 10);
	if (*number < '0' || *number > '9' || *end || errno)
		admin_reply(r, MHD_HTTP_BAD_REQUEST, "bad_batch", "\"%.40s\" is not a batch number",
			    number);
	else if (!*hash)
		admin_reply(r, MHD_HTTP_BAD_REQUEST, "no_commit_hash",
			    "the query needs commit_hash=..., the prover's short git hash");
	else if (r->admin->state != ADMIN_READY)
		admin_reply(r, MHD_HTTP_SERVICE_UNAVAILABLE, "not_ready", "not serving now");
	return !r->status;
}

static void on_put_batch(struct admin_request *r, const char *number)
{
	struct why why = {""};
	uint64_t batch;
	const char *hash;

	if (!batch_and_hash(r, number, &batch, &hash))
		return;
	if (!admin_start_upload(r, batch, hash, &why))
		admin_reply(r, MHD_HTTP_BAD_REQUEST, "bad_request", "%s", why.text);
}

static void on_delete_batch(struct admin_request *r, const char *number)
{
	uint64_t batch;
	const char *hash;

	if (batch_and_hash(r, number, &batch, &hash))
		admin_delete_input(r, batch, hash);
}

static void on_resume(struct admin_request *r, const char *rest)
{
	(void)rest;
	agenda_resume_sending(r->admin->p.agenda);
	admin_reply(r, MHD_HTTP_OK, "resumed",
		    "the addresses are checked again, and what a receipt without effect held goes "
		    "on");
}

static void serve_file(struct admin_request *r, enum page_file file)
{
	const struct page *page = page_of(file);

	buf_add(&r->body, page->bytes, page->n);
	admin_answer(r, MHD_HTTP_OK, page->type);
}

static void on_page(struct admin_request *r, const char *rest)
{
	(void)rest;
	serve_file(r, PAGE_INDEX);
}

static void on_style(struct admin_request *r, const char *rest)
{
	(void)rest;
	serve_file(r, PAGE_STYLE);
}

static void on_script(struct admin_request *r, const char *rest)
{
	(void)rest;
	serve_file(r, PAGE_SCRIPT);
}

/* Who is answered: anybody; who has the token, or anybody where the settings open the reads; who
 * has the token. STREAM: a READ that has a ceiling of its own. */
enum access { OPEN, READ, STREAM, TOKEN };

/* prefix: what follows the URL is the run function's rest; else the URL must end there. docs/API.md
 * and docs/openapi.json have each of them. */
static const struct route {
	const char *method, *url;
	enum access access;
	bool prefix;
	void (*run)(struct admin_request *r, const char *rest);
} routes[] = {
    {"GET", "/", OPEN, false, on_page},
    {"GET", "/page.css", OPEN, false, on_style},
    {"GET", "/page.js", OPEN, false, on_script},
    {"GET", "/healthz", OPEN, false, on_health},
    {"GET", "/readyz", OPEN, false, on_ready},
    {"GET", "/metrics", OPEN, false, on_metrics},
    {"GET", "/api/v1/status", READ, false, on_status},
    {"GET", "/api/v1/cluster", READ, false, admin_cluster},
    {"GET", "/api/v1/overview", READ, false, admin_on_overview},
    {"GET", "/api/v1/events", STREAM, false, admin_stream},
    {"POST", "/api/v1/sender/resume", TOKEN, false, on_resume},
    {"PUT", "/api/v1/batches/", TOKEN, true, on_put_batch},
    {"DELETE", "/api/v1/batches/", TOKEN, true, on_delete_batch},
    {"GET", "/api/v1/checkpoints", READ, false, admin_checkpoints},
    {"GET", "/api/v1/provers", READ, false, admin_provers},
    {"POST", "/api/v1/provers/", TOKEN, true, admin_change_prover},
    {"GET", "/api/v1/revocations", READ, false, admin_revocations},
    {"POST", "/api/v1/revocations/", TOKEN, true, admin_revoke_named},
    {"DELETE", "/api/v1/revocations/", TOKEN, true, admin_unrevoke},
    {"GET", "/api/v1/verdicts", READ, true, admin_verdicts},
    {"GET", "/api/v1/tcb-status", READ, false, admin_tcb},
    {"GET", "/api/v1/collateral", READ, false, admin_collateral},
    {"POST", "/api/v1/collateral/refresh", TOKEN, false, admin_collateral_refresh},
};

static bool serves(const struct route *route, const char *url)
{
	const size_t n = strlen(route->url);

	/* A prefix ends where a part of the path does. */
	return strncmp(url, route->url, n) == 0 &&
	       (!url[n] || (route->prefix && (url[n] == '/' || url[n - 1] == '/')));
}

/* HEAD is GET without the body: libmicrohttpd leaves that out. Of a stream nothing would be left.
 */
static bool takes(const struct route *route, const char *method)
{
	return strcmp(method, route->method) == 0 ||
	       (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0 && route->access != STREAM &&
		strcmp(route->method, MHD_HTTP_METHOD_GET) == 0);
}

/* For the header of a 405 (RFC 9110, 15.5.6). */
static void allow(struct admin_request *r, const struct route *route)
{
	const size_t n = strlen(r->allow);

	snprintf(r->allow + n, sizeof r->allow - n, "%s%s%s", n ? ", " : "", route->method,
		 takes(route, MHD_HTTP_METHOD_HEAD) ? ", " MHD_HTTP_METHOD_HEAD : "");
}

const char *admin_refusal_name(enum admin_refusal refusal)
{
	static const char *const names[ADMIN_REFUSAL_COUNT] = {"malformed", "bad_host",
							       "cross_site", "bad_token", "busy"};

	return names[refusal];
}

static void refuse(struct admin_request *r, enum admin_refusal refusal, unsigned status,
		   const char *what)
{
	const char *name = admin_refusal_name(refusal);

	r->admin->refused[refusal]++;
	log_limited(LOG_WARN, "admin_refused", name, "", log_str("reason", name),
		    log_str("note", what));
	admin_reply(r, status, name, "the request has %s", what);
}

/* A page of another site makes a browser ask: it could not read the answer, but hold a connection.
 */
static bool asked_by_another_site(const struct admin_request *r, const struct route *route)
{
	const char *site =
	    MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, "Sec-Fetch-Site");

	return route->access != OPEN && site && strcmp(site, "same-origin") != 0 &&
	       strcmp(site, "none") != 0;
}

/* Without the token; the listener's place is looked at too, whatever the settings say. */
static bool is_open(const struct admin *a, const struct route *route)
{
	return route->access == OPEN ||
	       (route->access != TOKEN && a->o.open_reads && !listen_at_path(a->o.listen));
}

void admin_route(struct admin_request *r, const char *method, const char *url)
{
	const char *fault = admin_malformed(r);
	const struct route *found = NULL;
	size_t i;

	for (i = 0; i < sizeof routes / sizeof *routes && !found; i++) {
		if (!serves(&routes[i], url))
			continue;
		allow(r, &routes[i]);
		if (takes(&routes[i], method))
			found = &routes[i];
	}
	r->hang_up = fault != NULL;
	if (fault)
		refuse(r, ADMIN_MALFORMED, MHD_HTTP_BAD_REQUEST, fault);
	else if (!host_is_local(r))
		refuse(r, ADMIN_BAD_HOST, MHD_HTTP_FORBIDDEN,
		       "a Host header that is not loopback's");
	else if (!found)
		admin_reply(r, *r->allow ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND,
			    *r->allow ? "bad_method" : "not_found",
			    "%.20s %.200s is not served%s%s", method, url,
			    *r->allow ? ", but with " : "", r->allow);
	else if (asked_by_another_site(r, found))
		refuse(r, ADMIN_CROSS_SITE, MHD_HTTP_FORBIDDEN,
		       "a Sec-Fetch-Site header of another site's page");
	else if (!is_open(r->admin, found) && !token_is_right(r))
		refuse(r, ADMIN_BAD_TOKEN, MHD_HTTP_UNAUTHORIZED,
		       "no Authorization: Bearer TOKEN, or a wrong one");
	else if (found->access != STREAM && !is_open(r->admin, found) && !admin_trust(r))
		refuse(r, ADMIN_BUSY, MHD_HTTP_SERVICE_UNAVAILABLE,
		       "to wait: too many others are in progress");
	else
		found->run(r, url + strlen(found->url));
}
