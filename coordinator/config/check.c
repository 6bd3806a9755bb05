/* What no row can see by itself: settings against each other, against the formats of what they
 * name, and against the machine. Whatever `run` would refuse is refused here, so that `config` says
 * it. */
#include "coordinator/base/file.h"
#include "coordinator/base/listen_at.h"
#include "coordinator/base/url.h"
#include "coordinator/collateral/collateral.h"
#include "coordinator/config/config_store.h"
#include "coordinator/config/config_tls.h"
#include "coordinator/config/config_upstream.h"
#include "coordinator/config/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <regex.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define P             "ETHREX_PROOF_COORDINATOR_"
#define DATA_DIR_MAX  900 /* what is put behind it has room then */
#define AT(member)    offsetof(struct config, member)
#define POLICY_BYTES  (1u << 20)
#define CA_FILE_BYTES (4u << 20)

/* ---- words ---- */

/* RFC 9110, 5.5: what would not be cut off, or end the header. */
static bool is_token(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static void check_words(struct loader *l)
{
	struct config *c = l->c;
	char shown[CONFIG_SHOWN_SIZE];
	regex_t re;

	if (!log_level_parse(&c->log_level, c->log_level_text))
		config_mistake(l, P "LOG_LEVEL: \"%s\" is not error, warn, info or debug",
			       config_shown(shown, c->log_level_text));
	c->log_format = strcmp(c->log_format_text, "json") == 0 ? LOG_JSON : LOG_LOGFMT;
	if (c->log_format == LOG_LOGFMT && strcmp(c->log_format_text, "logfmt") != 0)
		config_mistake(l, P "LOG_FORMAT: \"%s\" is not logfmt or json",
			       config_shown(shown, c->log_format_text));
	if (regcomp(&re, c->commit_hash_pattern, REG_EXTENDED | REG_NOSUB) == 0)
		regfree(&re);
	else
		config_mistake(l, P "COMMIT_HASH_PATTERN: \"%s\" is not a regular expression",
			       config_shown(shown, c->commit_hash_pattern));
	if (!is_token(c->admin_token))
		config_mistake(l, P "ADMIN_TOKEN has a space or a control character: no header "
				    "can carry it");
	c->register_by_file = strcmp(c->register_route, "file") == 0;
	if (!c->register_by_file && strcmp(c->register_route, "direct") != 0)
		config_mistake(l, P "REGISTER_ROUTE: \"%s\" is not direct or file",
			       config_shown(shown, c->register_route));
	c->collateral_early = strcmp(c->collateral_update_text, "early") == 0;
	if (!c->collateral_early && strcmp(c->collateral_update_text, "standard") != 0)
		config_mistake(l, P "COLLATERAL_UPDATE: \"%s\" is not standard or early",
			       config_shown(shown, c->collateral_update_text));
}

static void check_numbers(struct loader *l)
{
	const struct config *c = l->c;

	if (c->max_message_bytes > CONFIG_LARGEST_MESSAGE)
		config_mistake(l,
			       P "MAX_MESSAGE_BYTES (%" PRIu64 ") is more than the %u bytes that "
				 "all large unfinished messages may take together",
			       c->max_message_bytes, CONFIG_LARGEST_MESSAGE);
	if (c->min_retry_delay_s > c->max_retry_delay_s &&
	    !config_is_bad(l, AT(min_retry_delay_s)) && !config_is_bad(l, AT(max_retry_delay_s)))
		config_mistake(l,
			       "ETHREX_MIN_RETRY_DELAY (%" PRIu64 " s) is more than "
			       "ETHREX_MAX_RETRY_DELAY (%" PRIu64 " s)",
			       c->min_retry_delay_s, c->max_retry_delay_s);
}

/* ---- URLs ---- */

/* What two nodes must say is not said by one that is named twice. */
static bool is_given_before(const struct config *c, const char *url)
{
	size_t i;

	for (i = 0; i < c->n_rpc_urls; i++)
		if (strcmp(c->rpc_urls[i], url) == 0)
			return true;
	return false;
}

static void split_urls(struct loader *l)
{
	struct config *c = l->c;
	char *save = NULL, *url, masked[URL_MASKED_SIZE];
	const char *flaw;
	struct why why;
	unsigned n = 0;

	snprintf(c->rpc_urls_split, sizeof c->rpc_urls_split, "%s", c->rpc_urls_text);
	for (url = strtok_r(c->rpc_urls_split, ", ", &save); url;
	     url = strtok_r(NULL, ", ", &save)) {
		url_mask(masked, sizeof masked, url);
		n++;
		if (!strstr(masked, "://"))
			snprintf(masked, sizeof masked, "its URL %u (not shown: it may hold a key)",
				 n);
		flaw = url_http_flaw(url);
		if (flaw) {
			config_mistake(l, "ETHREX_ETH_RPC_URL: %s %s", masked, flaw);
			l->bad_urls = true;
			continue;
		}
		if (is_given_before(c, url)) {
			why_set(&why, "%s is given twice: it is one node, and counts once", masked);
			config_note(c, "ETHREX_ETH_RPC_URL", false, &why);
			continue;
		}
		if (c->n_rpc_urls == CONFIG_RPC_URLS_MAX) {
			config_mistake(l, "ETHREX_ETH_RPC_URL: more than %d endpoints",
				       CONFIG_RPC_URLS_MAX);
			return;
		}
		c->rpc_urls[c->n_rpc_urls++] = url;
	}
}

static void check_urls(struct loader *l)
{
	struct collateral_source source[COLLATERAL_SOURCES_MAX];
	struct why why;
	size_t n;

	split_urls(l);
	if (!collateral_sources_parse(source, &n, l->c->collateral_sources, &why))
		config_mistake(l, P "COLLATERAL_SOURCES: %s", why.text);
	if (!url_ok(l->c->collateral_root_crl_url, &why))
		config_mistake(l, P "COLLATERAL_ROOT_CRL_URL: %s", why.text);
}

/* ---- files that are read ---- */

static void check_file(struct loader *l, const char *name, const char *path, size_t max,
		       bool (*ok)(const struct buf *text, struct why *why))
{
	char shown[CONFIG_SHOWN_SIZE];
	struct why why = {""};
	struct buf text;

	if (!*path)
		return;
	buf_init(&text, max);
	if (access(path, R_OK))
		config_mistake(l, P "%s: cannot read \"%s\": %s", name, config_shown(shown, path),
			       strerror(errno));
	else if (!file_read(&text, path, &why))
		config_mistake(l, P "%s: %s", name, why.text);
	else if (!ok(&text, &why))
		config_mistake(l, P "%s: \"%s\": %s", name, config_shown(shown, path), why.text);
	buf_free(&text);
}

static bool policy_ok(const struct buf *text, struct why *why)
{
	struct tdxv_policy policy;
	struct tdxv_why reason = {""};

	tdxv_policy_default(&policy);
	if (tdxv_policy_parse(&policy, (const char *)text->p, text->len, &reason) == TDXV_OK)
		return true;
	why_set(why, "%s", reason.text);
	return false;
}

static bool ca_ok(const struct buf *text, struct why *why)
{
	static const char begin[] = "-----BEGIN ";

	if (text->len && memmem(text->p, text->len, begin, sizeof begin - 1))
		return true;
	why_set(why, "there is no certificate in PEM in it");
	return false;
}

static void check_files(struct loader *l)
{
	const struct config *c = l->c;
	char shown[CONFIG_SHOWN_SIZE];
	struct why why;

	check_file(l, "POLICY_FILE", c->policy_file, POLICY_BYTES, policy_ok);
	check_file(l, "COLLATERAL_CA_FILE", c->collateral_ca_file, CA_FILE_BYTES, ca_ok);
	check_file(l, "REMOTE_SIGNER_CA_FILE", c->remote_signer_ca_file, CA_FILE_BYTES, ca_ok);
	if (!c->dcap_root_file[0])
		return;
	if (access(c->dcap_root_file, R_OK))
		config_mistake(l, P "DCAP_ROOT_FILE: cannot read \"%s\": %s",
			       config_shown(shown, c->dcap_root_file), strerror(errno));
	else if (!collateral_root_ok(c->dcap_root_file, &why))
		config_mistake(l, P "DCAP_ROOT_FILE: %s", why.text);
}

/* ---- directories that are written ---- */

/* Can files be made there? false with the sentence. */
static bool dir_takes_files(const char *path, struct why *why)
{
	char shown[CONFIG_SHOWN_SIZE];
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		why_set(why, "\"%s\" is not a directory", config_shown(shown, path));
	else if (access(path, W_OK | X_OK))
		why_set(why, "cannot write to the directory \"%s\": %s", config_shown(shown, path),
			strerror(errno));
	else
		return true;
	return false;
}

static void check_data_dir(struct loader *l)
{
	const struct config *c = l->c;
	char parent[CONFIG_TEXT_MAX], token[CONFIG_TEXT_MAX + 32], secret[CONFIG_TEXT_MAX];
	struct stat st;
	struct why why;

	snprintf(parent, sizeof parent, "%s", c->data_dir);
	if (!c->data_dir[0] || strlen(c->data_dir) > DATA_DIR_MAX) {
		config_mistake(l, P "DATA_DIR: the path is %s",
			       c->data_dir[0] ? "longer than 900 characters" : "empty");
		return;
	}
	/* One that is not there is made, its parent is not. */
	if (!dir_takes_files(stat(c->data_dir, &st) == 0 || errno != ENOENT ? c->data_dir
									    : dirname(parent),
			     &why)) {
		config_mistake(l, P "DATA_DIR: %s", why.text);
		return;
	}
	snprintf(token, sizeof token, "%s/admin.token", c->data_dir);
	if (!c->admin_token[0] && access(token, F_OK) == 0 &&
	    !file_read_secret(secret, sizeof secret, token, &why))
		config_mistake(l, P "ADMIN_TOKEN is not set, and the data directory's: %s",
			       why.text);
	secret_wipe(secret, sizeof secret);
}

/* ---- listeners ---- */

static void check_socket(struct loader *l, const char *path)
{
	char dir[CONFIG_TEXT_MAX], shown[CONFIG_SHOWN_SIZE];
	struct stat st;
	struct why why;

	snprintf(dir, sizeof dir, "%s", path);
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		config_mistake(l, P "ADMIN_LISTEN: \"%s\" is there, and is no socket",
			       config_shown(shown, path));
	else if (strcmp(dirname(dir), l->c->data_dir) != 0 && !dir_takes_files(dir, &why))
		config_mistake(l, P "ADMIN_LISTEN: %s", why.text);
}

static void check_listeners(struct loader *l)
{
	const struct config *c = l->c;
	struct listen_at provers = {.size = 0}, admin = {.size = 0};
	char shown[CONFIG_SHOWN_SIZE];
	struct why why;

	if (!listen_at_ip(&provers, c->listen_address, (uint16_t)c->listen_port, &why))
		config_mistake(l, P "LISTEN_ADDRESS: \"%s\": %s",
			       config_shown(shown, c->listen_address), why.text);
	if (!listen_at_local(&admin, c->admin_listen, &why))
		config_mistake(l, P "ADMIN_LISTEN: \"%s\": %s",
			       config_shown(shown, c->admin_listen), why.text);
	else if (listen_at_path(c->admin_listen) && c->admin_open_reads)
		config_mistake(l, P
			       "ADMIN_OPEN_READS needs ADMIN_LISTEN to be a loopback port: a Unix "
			       "socket has its mode to say who may read");
	else if (listen_at_path(c->admin_listen) && l->need_chain)
		check_socket(l, listen_at_path(c->admin_listen));
	else if (provers.size && listen_at_overlap(&provers, &admin))
		config_mistake(l,
			       P "ADMIN_LISTEN and LISTEN_ADDRESS with LISTEN_PORT are the same");
}

static void check_metrics(struct loader *l)
{
	const struct config *c = l->c;
	struct listen_at metrics, other;
	char shown[CONFIG_SHOWN_SIZE];
	struct why why;

	if (!c->metrics_address[0])
		return;
	if (!listen_at_ip(&metrics, c->metrics_address, (uint16_t)c->metrics_port, &why)) {
		config_mistake(l, P "METRICS_ADDRESS: \"%s\": %s",
			       config_shown(shown, c->metrics_address), why.text);
		return;
	}
	if (listen_at_ip(&other, c->listen_address, (uint16_t)c->listen_port, &why) &&
	    listen_at_overlap(&other, &metrics))
		config_mistake(l, P "METRICS_ADDRESS with METRICS_PORT and LISTEN_ADDRESS with "
				    "LISTEN_PORT are the same");
	if (!listen_at_path(c->admin_listen) && listen_at_local(&other, c->admin_listen, &why) &&
	    listen_at_overlap(&other, &metrics))
		config_mistake(l, P "METRICS_ADDRESS with METRICS_PORT and ADMIN_LISTEN are the "
				    "same");
}

static void default_admin_listen(struct loader *l)
{
	struct config *c = l->c;

	if (!c->admin_listen[0] && snprintf(c->admin_listen, sizeof c->admin_listen,
					    "unix:%.1000s/admin.sock", c->data_dir) > 112)
		config_mistake(l,
			       P
			       "ADMIN_LISTEN is not set, and %.300s/admin.sock is longer than the "
			       "107 characters of a Unix socket's path: set it, or a shorter "
			       "DATA_DIR",
			       c->data_dir);
	else
		check_listeners(l);
}

/* ---- what is there and does nothing ---- */

static void note_idle(struct loader *l, size_t at, const char *name, const char *without)
{
	struct why why;

	if (!config_is_given(l, at))
		return;
	why_set(&why, "it does nothing without %s", without);
	config_note(l->c, name, false, &why);
}

static void check_idle(struct loader *l)
{
	const struct config *c = l->c;

	if (!c->tls_listen[0]) {
		note_idle(l, AT(tls_certificate_file), P "TLS_CERTIFICATE_FILE", P "TLS_LISTEN");
		note_idle(l, AT(tls_key_file), P "TLS_KEY_FILE", P "TLS_LISTEN");
		note_idle(l, AT(tls_client_ca_file), P "TLS_CLIENT_CA_FILE", P "TLS_LISTEN");
		note_idle(l, AT(tls_client_keys), P "TLS_CLIENT_KEYS", P "TLS_LISTEN");
	}
	if (!c->metrics_address[0])
		note_idle(l, AT(metrics_port), P "METRICS_PORT", P "METRICS_ADDRESS");
}

/* ---- what must be there ---- */

static void check_needed(struct loader *l)
{
	const struct config *c = l->c;

	if (!c->n_rpc_urls && !l->bad_urls)
		config_mistake(l, "ETHREX_ETH_RPC_URL is needed: the L1 node's JSON-RPC endpoint");
	if (!c->has_proposer && !config_is_bad(l, AT(proposer)))
		config_mistake(l, "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS is needed");
}

void config_check(struct loader *l)
{
	struct why why;

	check_words(l);
	check_numbers(l);
	default_admin_listen(l);
	check_metrics(l);
	check_urls(l);
	if (!config_check_tls(l->c, l->need_chain, &why))
		config_mistake(l, "%s", why.text);
	config_check_upstream(l);
	config_check_store(l);
	if (!l->need_chain)
		return;
	check_idle(l);
	check_files(l);
	check_data_dir(l);
	check_needed(l);
	config_check_keys(l);
}
