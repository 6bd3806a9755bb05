#include "coordinator/base/file.h"
#include "coordinator/base/url.h"
#include "coordinator/collateral/source.h"
#include "coordinator/config/config_table.h"
#include "coordinator/config/config_tls.h"
#include "coordinator/config/retired.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SETTING_MAX 4096
#define ENV_FILE_MAX     (256 * 1024)

/* What one row was given as: text and where it came from. */
struct given {
	char text[CONFIG_TEXT_MAX];
	enum config_origin origin;
	bool set;
};

struct loader {
	struct config *c;
	struct given *given; /* one a row */
	FILE *errors;
	bool need_chain;
	unsigned mistakes;
};

static void mistake(struct loader *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void mistake(struct loader *l, const char *fmt, ...)
{
	va_list ap;

	l->mistakes++;
	va_start(ap, fmt);
	fputs("config: ", l->errors);
	vfprintf(l->errors, fmt, ap);
	fputc('\n', l->errors);
	va_end(ap);
}

bool config_row_is_secret(const struct config_row *r)
{
	return r->type == TYPE_SECRET || r->type == TYPE_KEY;
}

static void give(struct loader *l, size_t row, const char *text, enum config_origin origin)
{
	struct given *g = &l->given[row];
	size_t n = strlen(text);

	if (g->set && g->origin > origin)
		return;
	if (n >= sizeof g->text) {
		mistake(l, "%s is %zu characters long, at most %zu are allowed",
			config_rows[row].name, n, sizeof g->text - 1);
		return;
	}
	memcpy(g->text, text, n + 1);
	g->origin = origin;
	g->set = true;
}

static void give_from_file(struct loader *l, size_t row, const char *path, enum config_origin o)
{
	char text[FILE_SETTING_MAX + 1];
	struct why why = {""};

	/* Overruled: a service has its keys from elsewhere than its file says. */
	if (l->given[row].set && l->given[row].origin > o)
		return;
	if (file_read_secret(text, sizeof text, path, &why))
		give(l, row, text, o);
	else
		mistake(l, "%s_FILE: %s", config_rows[row].name, why.text);
	secret_wipe(text, sizeof text);
}

/* Returns the row that NAME (or NAME_FILE of a secret) sets; -1 if none. */
static int row_of(const char *name, size_t n, bool *is_file)
{
	size_t i;

	*is_file = false;
	for (i = 0; i < config_rows_count; i++) {
		const struct config_row *r = &config_rows[i];
		size_t len = r->name ? strlen(r->name) : 0;

		if (!r->name)
			continue;
		if ((n == len && memcmp(name, r->name, n) == 0) ||
		    (r->older && n == strlen(r->older) && memcmp(name, r->older, n) == 0))
			return (int)i;
		if (config_row_is_secret(r) && n == len + 5 && memcmp(name, r->name, len) == 0 &&
		    memcmp(name + len, "_FILE", 5) == 0) {
			*is_file = true;
			return (int)i;
		}
	}
	return -1;
}

static void give_retired(struct loader *l, const struct config_retired *r, const char *value)
{
	struct config *c = l->c;
	struct config_note note = {.name = config_retired_env(r)};

	switch (config_retired_given(r, value, &note.sentence)) {
	case RETIRED_SILENT: break;
	case RETIRED_NOTE:
		if (c->n_notes < CONFIG_NOTES_MAX)
			c->notes[c->n_notes++] = note;
		break;
	case RETIRED_ERROR:
		/* Of no matter to a verb that only talks to the daemon. */
		if (l->need_chain)
			mistake(l, "%s: %s", note.name, note.sentence.text);
		break;
	}
}

static void give_pair(struct loader *l, const char *name, size_t nlen, const char *value,
		      enum config_origin origin)
{
	bool is_file;
	int row = row_of(name, nlen, &is_file);

	if (row < 0 && config_retired_name(name, nlen)) {
		if (*value)
			give_retired(l, config_retired_name(name, nlen), value);
		return;
	}
	if (row < 0) {
		if (nlen > 25 && memcmp(name, "ETHREX_PROOF_COORDINATOR_", 25) == 0 &&
		    !strstr(name, "REMOTE_SIGNER_PUBLIC_KEY"))
			mistake(l, "%.*s is not a setting of this program", (int)nlen, name);
		return;
	}
	if (!*value)
		return; /* empty counts as not given, as compose files write it */
	if (is_file)
		give_from_file(l, (size_t)row, value, origin);
	else
		give(l, (size_t)row, value, origin);
}

static void read_env_file(struct loader *l, const char *path)
{
	char *text = malloc(ENV_FILE_MAX + 1), *line, *save = NULL;
	unsigned number = 0;
	size_t n;
	FILE *f;

	if (!text)
		return;
	f = fopen(path, "re");
	if (!f) {
		mistake(l, "--env-file: cannot open \"%s\": %s", path, strerror(errno));
		free(text);
		return;
	}
	n = fread(text, 1, ENV_FILE_MAX + 1, f);
	fclose(f);
	if (n > ENV_FILE_MAX) {
		mistake(l, "--env-file: \"%s\" is longer than %d bytes", path, ENV_FILE_MAX);
		n = 0;
	}
	text[n] = '\0';
	for (line = text; line; line = save) {
		char *eq, *end, *value;

		save = strchr(line, '\n');
		if (save)
			*save++ = '\0';
		number++;
		while (isspace((unsigned char)*line))
			line++;
		if (!*line || *line == '#')
			continue;
		if (strncmp(line, "export ", 7) == 0)
			line += 7;
		eq = strchr(line, '=');
		if (!eq) {
			mistake(l, "%s:%u: no '=' in \"%.40s\"", path, number, line);
			continue;
		}
		value = eq + 1;
		end = value + strlen(value);
		while (end > value && isspace((unsigned char)end[-1]))
			*--end = '\0';
		if (end - value >= 2 && (*value == '"' || *value == '\'') && end[-1] == *value) {
			end[-1] = '\0';
			value++;
		}
		give_pair(l, line, (size_t)(eq - line), value, FROM_ENV_FILE);
	}
	secret_wipe(text, ENV_FILE_MAX + 1);
	free(text);
}

static void read_environment(struct loader *l)
{
	char **e;

	for (e = environ; *e; e++) {
		const char *eq = strchr(*e, '=');

		if (eq)
			give_pair(l, *e, (size_t)(eq - *e), eq + 1, FROM_ENVIRONMENT);
	}
}

/* What a flag of n characters names; all unset: nothing. */
struct named {
	const struct config_row *row;
	const struct config_retired *retired;
	bool env_file;
};

static struct named find_flag(const char *flag, size_t n)
{
	struct named found = {.env_file = n == 8 && memcmp(flag, "env-file", 8) == 0};
	size_t i;

	for (i = 0; i < config_rows_count; i++)
		if (config_rows[i].flag && strlen(config_rows[i].flag) == n &&
		    memcmp(config_rows[i].flag, flag, n) == 0)
			found.row = &config_rows[i];
	found.retired = config_retired_flag(flag, n);
	return found;
}

static bool may_stand_alone(const struct named *f)
{
	return (f->row && f->row->type == TYPE_BOOL) ||
	       (f->retired && config_retired_is_bool(f->retired));
}

static void give_flag(struct loader *l, const struct named *f, const char *value)
{
	if (f->row)
		give(l, (size_t)(f->row - config_rows), value, FROM_FLAG);
	else if (f->retired)
		give_retired(l, f->retired, value);
	else if (snprintf(l->c->env_file, sizeof l->c->env_file, "%s", value) >=
		 (int)sizeof l->c->env_file)
		mistake(l, "--env-file: the path is too long");
}

static void read_flags(struct loader *l, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		const char *flag = argv[i] + 2, *eq;
		struct named found;
		size_t n;

		if (strncmp(argv[i], "--", 2) != 0) {
			mistake(l, "\"%s\" is not a flag (flags begin with --)", argv[i]);
			continue;
		}
		eq = strchr(flag, '=');
		n = eq ? (size_t)(eq - flag) : strlen(flag);
		found = find_flag(flag, n);
		if (!found.row && !found.retired && !found.env_file) {
			mistake(l, "--%.*s is not a flag of this program (see --help)", (int)n,
				flag);
			if (!eq && i + 1 < argc && argv[i + 1][0] != '-')
				i++;
		} else if (eq) {
			give_flag(l, &found, eq + 1);
		} else if (may_stand_alone(&found) && (i + 1 == argc || argv[i + 1][0] == '-')) {
			give_flag(l, &found, "true");
		} else if (i + 1 < argc) {
			give_flag(l, &found, argv[++i]);
		} else {
			mistake(l, "--%.*s needs a value", (int)n, flag);
		}
	}
}

static bool parse_bool(bool *out, const char *text)
{
	static const char *const yes[] = {"true", "1", "yes", "on"};
	static const char *const no[] = {"false", "0", "no", "off"};
	size_t i;

	for (i = 0; i < 4; i++) {
		if (strcasecmp(text, yes[i]) == 0) {
			*out = true;
			return true;
		}
		if (strcasecmp(text, no[i]) == 0) {
			*out = false;
			return true;
		}
	}
	return false;
}

static bool parse_u64(uint64_t *out, const char *text)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0;
}

static void store_row(struct loader *l, size_t row)
{
	const struct config_row *r = &config_rows[row];
	struct given *g = &l->given[row];
	const char *text = g->set ? g->text : r->fallback;
	char *at = (char *)l->c + r->at;
	struct why why = {""};

	if (!r->name || !text)
		return;
	switch (r->type) {
	case TYPE_TEXT:
	case TYPE_SECRET:
	case TYPE_URLS: snprintf(at, CONFIG_TEXT_MAX, "%s", text); break;
	case TYPE_U64: {
		uint64_t v;

		if (!parse_u64(&v, text))
			mistake(l, "%s: \"%s\" is not a whole number", r->name, text);
		else if (v < r->min || v > r->max)
			mistake(l, "%s: %" PRIu64 " is not between %" PRIu64 " and %" PRIu64,
				r->name, v, r->min, r->max);
		else
			memcpy(at, &v, sizeof v);
		break;
	}
	case TYPE_BOOL: {
		bool v = false;

		if (!parse_bool(&v, text))
			mistake(l, "%s: \"%s\" is neither true nor false", r->name, text);
		else
			memcpy(at, &v, sizeof v);
		break;
	}
	case TYPE_ADDRESS:
		if (eth_address_parse((struct eth_address *)(void *)at, text, &why))
			*((bool *)((char *)l->c + r->has)) = true;
		else
			mistake(l, "%s: %s", r->name, why.text);
		break;
	case TYPE_KEY:
		/* The text is a secret: the mistake names the setting, never the value. */
		if (eth_key_parse((struct eth_key *)(void *)at, text, &why))
			*((bool *)((char *)l->c + r->has)) = true;
		else
			mistake(l, "%s: not a secp256k1 private key (32 bytes in hex)", r->name);
		break;
	}
}

static void split_urls(struct loader *l)
{
	struct config *c = l->c;
	char *save = NULL, *url;

	snprintf(c->rpc_urls_split, sizeof c->rpc_urls_split, "%s", c->rpc_urls_text);
	for (url = strtok_r(c->rpc_urls_split, ", ", &save); url;
	     url = strtok_r(NULL, ", ", &save)) {
		if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
			char masked[128];

			url_mask(masked, sizeof masked, url);
			mistake(l, "ETHREX_ETH_RPC_URL: \"%s\" is neither http:// nor https://",
				masked);
			continue;
		}
		if (c->n_rpc_urls == CONFIG_RPC_URLS_MAX) {
			mistake(l, "ETHREX_ETH_RPC_URL: more than %d endpoints",
				CONFIG_RPC_URLS_MAX);
			return;
		}
		c->rpc_urls[c->n_rpc_urls++] = url;
	}
}

static void check_readable(struct loader *l, const char *setting, const char *path)
{
	if (*path && access(path, R_OK))
		mistake(l, "ETHREX_PROOF_COORDINATOR_%s: cannot read \"%s\": %s", setting, path,
			strerror(errno));
}

static void check_collateral(struct loader *l)
{
	struct collateral_source source[COLLATERAL_SOURCES_MAX];
	struct config *c = l->c;
	struct why why;
	size_t n;

	if (!collateral_sources_parse(source, &n, c->collateral_sources, &why))
		mistake(l, "ETHREX_PROOF_COORDINATOR_COLLATERAL_SOURCES: %s", why.text);
	if (!url_ok(c->collateral_root_crl_url, &why))
		mistake(l, "ETHREX_PROOF_COORDINATOR_COLLATERAL_ROOT_CRL_URL: %s", why.text);
	c->collateral_early = strcmp(c->collateral_update_text, "early") == 0;
	if (!c->collateral_early && strcmp(c->collateral_update_text, "standard") != 0)
		mistake(l,
			"ETHREX_PROOF_COORDINATOR_COLLATERAL_UPDATE: \"%s\" is not standard or "
			"early",
			c->collateral_update_text);
	check_readable(l, "COLLATERAL_CA_FILE", c->collateral_ca_file);
	check_readable(l, "DCAP_ROOT_FILE", c->dcap_root_file);
}

static void check_together(struct loader *l, bool need_chain)
{
	struct config *c = l->c;
	struct why why = {""};
	regex_t re;

	if (!log_level_parse(&c->log_level, c->log_level_text))
		mistake(l,
			"ETHREX_PROOF_COORDINATOR_LOG_LEVEL: \"%s\" is not error, warn, info or "
			"debug",
			c->log_level_text);
	if (strcmp(c->log_format_text, "logfmt") == 0)
		c->log_format = LOG_LOGFMT;
	else if (strcmp(c->log_format_text, "json") == 0)
		c->log_format = LOG_JSON;
	else
		mistake(l, "ETHREX_PROOF_COORDINATOR_LOG_FORMAT: \"%s\" is not logfmt or json",
			c->log_format_text);
	if (regcomp(&re, c->commit_hash_pattern, REG_EXTENDED | REG_NOSUB) == 0)
		regfree(&re);
	else
		mistake(l,
			"ETHREX_PROOF_COORDINATOR_COMMIT_HASH_PATTERN: \"%s\" is not a regular "
			"expression",
			c->commit_hash_pattern);
	if (!c->admin_listen[0] && snprintf(c->admin_listen, sizeof c->admin_listen,
					    "unix:%.1000s/admin.sock", c->data_dir) > 112)
		mistake(l,
			"ETHREX_PROOF_COORDINATOR_ADMIN_LISTEN: the data directory's path is too "
			"long for a Unix socket; set one");
	if (c->max_message_bytes > CONFIG_LARGEST_MESSAGE)
		mistake(l,
			"ETHREX_PROOF_COORDINATOR_MAX_MESSAGE_BYTES (%" PRIu64 ") is more than "
			"the %u bytes that all large unfinished messages may take together",
			c->max_message_bytes, CONFIG_LARGEST_MESSAGE);
	if (c->min_retry_delay_s > c->max_retry_delay_s)
		mistake(l,
			"ETHREX_MIN_RETRY_DELAY (%" PRIu64 " s) is more than "
			"ETHREX_MAX_RETRY_DELAY (%" PRIu64 " s)",
			c->min_retry_delay_s, c->max_retry_delay_s);
	c->register_by_file = strcmp(c->register_route, "file") == 0;
	if (!c->register_by_file && strcmp(c->register_route, "direct") != 0)
		mistake(l, "ETHREX_PROOF_COORDINATOR_REGISTER_ROUTE: \"%s\" is not direct or file",
			c->register_route);
	split_urls(l);
	check_collateral(l);
	if (!config_check_tls(c, need_chain, &why))
		mistake(l, "%s", why.text);
	if (!need_chain)
		return;
	if (!c->n_rpc_urls)
		mistake(l, "ETHREX_ETH_RPC_URL is needed: the L1 node's JSON-RPC endpoint");
	if (!c->has_proposer)
		mistake(l, "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS is needed");
	if (!c->has_l1_key)
		mistake(l, "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY or ..._L1_PRIVATE_KEY_FILE is "
			   "needed: the key that sends verifyBatches");
}

bool config_load(struct config *c, int argc, char **argv, bool need_chain, FILE *errors)
{
	struct loader l = {.c = c, .errors = errors, .need_chain = need_chain};
	size_t i;

	memset(c, 0, sizeof *c);
	l.given = calloc(config_rows_count, sizeof *l.given);
	if (!l.given) {
		fputs("config: out of memory\n", errors);
		return false;
	}
	read_flags(&l, argc, argv);
	read_environment(&l);
	if (c->env_file[0])
		read_env_file(&l, c->env_file);
	for (i = 0; i < config_rows_count; i++)
		store_row(&l, i);
	check_together(&l, need_chain);
	secret_wipe(l.given, config_rows_count * sizeof *l.given);
	free(l.given);
	return l.mistakes == 0;
}
