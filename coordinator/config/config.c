#include "coordinator/base/url.h"
#include "coordinator/collateral/source.h"
#include "coordinator/config/config_table.h"

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

static bool is_secret(const struct config_row *r)
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

/* A secret's file: one line, white space around it dropped. A file that others may read is
 * refused, as ssh does. */
static void give_from_file(struct loader *l, size_t row, const char *path, enum config_origin o)
{
	char text[FILE_SETTING_MAX + 1], *s = text;
	struct stat st;
	ssize_t n;
	int fd;

	/* Overruled: a service has its keys from elsewhere than its file says. */
	if (l->given[row].set && l->given[row].origin > o)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		mistake(l, "%s_FILE: cannot open \"%s\": %s", config_rows[row].name, path,
			strerror(errno));
		return;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0007)) {
		mistake(l,
			"%s_FILE: \"%s\" may be read or written by everyone (mode %04o); chmod "
			"0600 it",
			config_rows[row].name, path, (unsigned)(st.st_mode & 07777));
		close(fd);
		return;
	}
	n = read(fd, text, sizeof text);
	close(fd);
	if (n < 0 || (size_t)n == sizeof text) {
		mistake(l, "%s_FILE: \"%s\" %s", config_rows[row].name, path,
			n < 0 ? strerror(errno) : "is too long for a secret");
		secret_wipe(text, sizeof text);
		return;
	}
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = '\0';
	while (isspace((unsigned char)*s))
		s++;
	give(l, row, s, o);
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
		if (is_secret(r) && n == len + 5 && memcmp(name, r->name, len) == 0 &&
		    memcmp(name + len, "_FILE", 5) == 0) {
			*is_file = true;
			return (int)i;
		}
	}
	return -1;
}

static void give_pair(struct loader *l, const char *name, size_t nlen, const char *value,
		      enum config_origin origin)
{
	bool is_file;
	int row = row_of(name, nlen, &is_file);

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

static void read_flags(struct loader *l, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		const char *flag = argv[i], *eq, *value;
		size_t n, row;

		if (strncmp(flag, "--", 2) != 0) {
			mistake(l, "\"%s\" is not a flag (flags begin with --)", flag);
			continue;
		}
		flag += 2;
		eq = strchr(flag, '=');
		n = eq ? (size_t)(eq - flag) : strlen(flag);
		for (row = 0; row < config_rows_count; row++)
			if (config_rows[row].flag && strlen(config_rows[row].flag) == n &&
			    memcmp(config_rows[row].flag, flag, n) == 0)
				break;
		if (row == config_rows_count && !(n == 8 && memcmp(flag, "env-file", 8) == 0)) {
			mistake(l, "--%.*s is not a flag of this program (see --help)", (int)n,
				flag);
			if (!eq && i + 1 < argc && argv[i + 1][0] != '-')
				i++;
			continue;
		}
		if (eq) {
			value = eq + 1;
		} else if (row < config_rows_count && config_rows[row].type == TYPE_BOOL &&
			   (i + 1 == argc || argv[i + 1][0] == '-')) {
			value = "true";
		} else if (i + 1 < argc) {
			value = argv[++i];
		} else {
			mistake(l, "--%.*s needs a value", (int)n, flag);
			continue;
		}
		if (row < config_rows_count)
			give(l, row, value, FROM_FLAG);
		else if (snprintf(l->c->env_file, sizeof l->c->env_file, "%s", value) >=
			 (int)sizeof l->c->env_file)
			mistake(l, "--env-file: the path is too long");
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
	if (c->max_message_bytes > c->max_buffered_bytes)
		mistake(l,
			"ETHREX_PROOF_COORDINATOR_MAX_MESSAGE_BYTES (%" PRIu64 ") is more than "
			"MAX_BUFFERED_BYTES (%" PRIu64 ")",
			c->max_message_bytes, c->max_buffered_bytes);
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
	if (!need_chain)
		return;
	if (!c->n_rpc_urls)
		mistake(l, "ETHREX_ETH_RPC_URL is needed: the L1 node's JSON-RPC endpoint");
	if (!c->has_proposer)
		mistake(l, "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS is needed");
	if (c->remote_signer_url[0])
		mistake(l, "ETHREX_PROOF_COORDINATOR_REMOTE_SIGNER_URL: a remote signer is not "
			   "supported; give ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY_FILE");
	else if (!c->has_l1_key)
		mistake(l, "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY or ..._L1_PRIVATE_KEY_FILE is "
			   "needed: the key that sends verifyBatches");
	if (c->aligned_mode)
		mistake(l, "ETHREX_ALIGNED_MODE: proofs aggregated by Aligned are not supported");
	if (c->based)
		mistake(l, "ETHREX_BASED: based rollups are not supported");
}

bool config_load(struct config *c, int argc, char **argv, bool need_chain, FILE *errors)
{
	struct loader l = {.c = c, .errors = errors};
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

static size_t row_size(const struct config_row *r)
{
	switch (r->type) {
	case TYPE_TEXT:
	case TYPE_SECRET:
	case TYPE_URLS: return CONFIG_TEXT_MAX;
	case TYPE_U64: return sizeof(uint64_t);
	case TYPE_BOOL: return sizeof(bool);
	case TYPE_ADDRESS: return sizeof(struct eth_address);
	case TYPE_KEY: return sizeof(struct eth_key);
	}
	return 0;
}

static bool row_differs(const struct config_row *r, const void *a, const void *b)
{
	if (r->type == TYPE_TEXT || r->type == TYPE_SECRET || r->type == TYPE_URLS)
		return strcmp(a, b) != 0;
	return memcmp(a, b, row_size(r)) != 0;
}

unsigned config_reload(struct config *running, const struct config *fresh, FILE *errors)
{
	unsigned changed = 0;
	size_t i;

	for (i = 0; i < config_rows_count; i++) {
		const struct config_row *r = &config_rows[i];
		char *a = (char *)running + r->at;
		const char *b = (const char *)fresh + r->at;

		if (!r->name || !row_differs(r, a, b))
			continue;
		if (r->reload) {
			memcpy(a, b, row_size(r));
			changed++;
		} else {
			fprintf(errors, "%s differs from the running one: restart to use it\n",
				r->name);
		}
	}
	running->log_level = fresh->log_level;
	running->log_format = fresh->log_format;
	return changed;
}

static void row_text(char *out, size_t n, const struct config *c, const struct config_row *r)
{
	const char *at = (const char *)c + r->at;
	uint64_t u;
	bool b;
	struct eth_address a;

	out[0] = '\0';
	switch (r->type) {
	case TYPE_TEXT: snprintf(out, n, "%s", at); break;
	case TYPE_SECRET: snprintf(out, n, "%s", *at ? "(set, hidden)" : ""); break;
	case TYPE_U64:
		memcpy(&u, at, sizeof u);
		snprintf(out, n, "%" PRIu64, u);
		break;
	case TYPE_BOOL:
		memcpy(&b, at, sizeof b);
		snprintf(out, n, "%s", b ? "true" : "false");
		break;
	case TYPE_URLS: {
		size_t i, used = 0;

		for (i = 0; i < c->n_rpc_urls && used < n; i++) {
			char masked[256];

			url_mask(masked, sizeof masked, c->rpc_urls[i]);
			used +=
			    (size_t)snprintf(out + used, n - used, "%s%s", i ? "," : "", masked);
		}
		break;
	}
	case TYPE_ADDRESS:
	case TYPE_KEY:
		memcpy(&b, (const char *)c + r->has, sizeof b);
		if (!b)
			break;
		if (r->type == TYPE_ADDRESS)
			memcpy(&a, at, sizeof a);
		else if (!eth_key_address(&a, (const struct eth_key *)(const void *)at))
			break;
		snprintf(out, n, "%s", r->type == TYPE_KEY ? "(set, hidden) address " : "");
		eth_address_print(out + strlen(out), &a);
		break;
	}
}

void config_print(const struct config *c, FILE *out, bool json)
{
	char text[CONFIG_TEXT_MAX + 64];
	bool first = true;
	size_t i;

	if (json)
		fputc('{', out);
	for (i = 0; i < config_rows_count; i++) {
		const struct config_row *r = &config_rows[i];
		const char *s;

		if (!r->name) {
			if (!json)
				fprintf(out, "%s# %s\n", i ? "\n" : "", r->group);
			continue;
		}
		row_text(text, sizeof text, c, r);
		if (!json) {
			fprintf(out, "%s=%s\n", r->name, text);
			continue;
		}
		fprintf(out, "%s\"%s\":\"", first ? "" : ",", r->name);
		for (s = text; *s; s++)
			if (*s == '"' || *s == '\\' || (unsigned char)*s < 0x20)
				fprintf(out, "\\u%04x", (unsigned)(unsigned char)*s);
			else
				fputc(*s, out);
		fputc('"', out);
		first = false;
	}
	if (json)
		fputs("}\n", out);
}

void config_help(FILE *out)
{
	size_t i;

	for (i = 0; i < config_rows_count; i++) {
		const struct config_row *r = &config_rows[i];

		if (!r->name) {
			fprintf(out, "\n%s:\n", r->group);
			continue;
		}
		fprintf(out, "  %s%s\n", r->name, is_secret(r) ? " (or ..._FILE)" : "");
		if (r->flag)
			fprintf(out, "      --%s\n", r->flag);
		fprintf(out, "      %s", r->help);
		if (r->fallback && *r->fallback)
			fprintf(out, " [%s]", r->fallback);
		if (r->reload)
			fputs(" (SIGHUP)", out);
		fputc('\n', out);
	}
}

void config_wipe(struct config *c)
{
	secret_wipe(c, sizeof *c);
}
