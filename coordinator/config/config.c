#include "cli/guess.h"
#include "coordinator/base/file.h"
#include "coordinator/base/url.h"
#include "coordinator/config/internal.h"
#include "coordinator/config/retired.h"
#include "encoding/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SETTING_MAX 4096
#define PATH_NAME_USUAL  32

void config_mistake(struct loader *l, const char *fmt, ...)
{
	char line[2 * CONFIG_TEXT_MAX], *p;
	va_list ap;

	l->mistakes++;
	va_start(ap, fmt);
	utf8_vprint(line, sizeof line, fmt, ap);
	va_end(ap);
	/* A line each, whatever was typed. */
	for (p = line; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	fprintf(l->errors, "config: %s\n", line);
}

static const struct given *given_at(const struct loader *l, size_t at)
{
	size_t i;

	for (i = 0; i < config_rows_count; i++)
		if (config_rows[i].name && config_rows[i].at == at)
			return &l->given[i];
	return NULL;
}

bool config_is_bad(const struct loader *l, size_t at)
{
	const struct given *g = given_at(l, at);

	return g && g->bad;
}

bool config_is_given(const struct loader *l, size_t at)
{
	const struct given *g = given_at(l, at);

	return g && g->set;
}

bool config_row_is_secret(const struct config_row *r)
{
	return r->type == TYPE_SECRET || r->type == TYPE_KEY;
}

bool config_row_is_of_keys(const struct config_row *r)
{
	return r->type == TYPE_KEY || r->at == offsetof(struct config, keystore_password);
}

bool config_is_key(const char *value)
{
	size_t n;

	value += strspn(value, " \t\"'");
	if (value[0] == '0' && (value[1] == 'x' || value[1] == 'X'))
		value += 2;
	n = strspn(value, "0123456789abcdefABCDEF");
	return n == 64 && value[n + strspn(value + n, " \t\r\n\"'")] == '\0';
}

const char *config_shown(char out[CONFIG_SHOWN_SIZE], const char *value)
{
	if (config_is_key(value))
		snprintf(out, CONFIG_SHOWN_SIZE, "(hidden: it looks like a private key)");
	else if (strstr(value, "://"))
		url_mask(out, CONFIG_SHOWN_SIZE, value);
	else
		snprintf(out, CONFIG_SHOWN_SIZE, "%s", value);
	return out;
}

static void give(struct loader *l, size_t row, const char *text, enum config_origin origin)
{
	struct given *g = &l->given[row];
	size_t n = strlen(text);

	if (g->set && g->origin > origin)
		return;
	if (n >= sizeof g->text) {
		config_mistake(l, "%s is %zu characters long, at most %zu are allowed",
			       config_rows[row].name, n, sizeof g->text - 1);
		return;
	}
	memcpy(g->text, text, n + 1);
	g->in_file = false;
	g->origin = origin;
	g->set = true;
}

/* Or the secret itself, by mistake? What is there may be named, and so may what has several names
 * of the usual length from the root on. */
static bool is_path(const char *text)
{
	unsigned names = 0;

	if (config_is_key(text))
		return false;
	if (access(text, F_OK) == 0)
		return true;
	while (*text == '/') {
		const size_t n = strcspn(++text, "/");

		if (n < 1 || n > PATH_NAME_USUAL)
			return false;
		names++;
		text += n;
	}
	return names > 1;
}

static void give_from_file(struct loader *l, size_t row, const char *path, enum config_origin o)
{
	char text[FILE_SETTING_MAX + 1];
	struct why why = {""};

	/* Overruled: a service has its keys from elsewhere than its file says. And who only talks
	 * to the daemon may be somebody who cannot read them. */
	if ((l->given[row].set && l->given[row].origin > o) ||
	    (!l->need_chain && config_rows[row].type == TYPE_KEY))
		return;
	if (file_read_secret(text, sizeof text, path, &why)) {
		give(l, row, text, o);
		l->given[row].in_file = true;
		secret_wipe(text, sizeof text);
		return;
	}
	l->given[row].bad = true;
	if (is_path(path))
		config_mistake(l, "%s_FILE: %s", config_rows[row].name, why.text);
	else
		config_mistake(
		    l,
		    "%s_FILE is no path of a file (hidden: is it the secret itself? then "
		    "give it as %s)",
		    config_rows[row].name, config_rows[row].name);
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

bool config_names_secret(const char *name, size_t n)
{
	bool is_file;
	const int row = row_of(name, n, &is_file);

	return row >= 0 && !is_file && config_row_is_secret(&config_rows[row]);
}

void config_note(struct config *c, const char *name, bool suspect, const struct why *sentence)
{
	if (c->n_notes < CONFIG_NOTES_MAX)
		c->notes[c->n_notes++] = (struct config_note){name, suspect, *sentence};
}

static void give_retired(struct loader *l, const struct config_retired *r, const char *value)
{
	struct why sentence = {""};

	switch (config_retired_given(r, value, &sentence)) {
	case RETIRED_SILENT: break;
	case RETIRED_NOTE: config_note(l->c, config_retired_env(r), false, &sentence); break;
	case RETIRED_ERROR:
		/* Of no matter to a verb that only talks to the daemon. */
		if (l->need_chain)
			config_mistake(l, "%s: %s", config_retired_env(r), sentence.text);
		break;
	}
}

/* ethrex reads names of its own: one of those that is near to ours is noted alone. */
static void give_unknown(struct loader *l, const char *name, size_t n, bool has_value)
{
	const bool ours = n > 25 && memcmp(name, "ETHREX_PROOF_COORDINATOR_", 25) == 0;
	struct guess g = guess_of(name, n);
	struct why why;
	size_t i;

	if (!ours && (n < 7 || memcmp(name, "ETHREX_", 7) != 0))
		return;
	for (i = 0; i < config_rows_count; i++)
		if (config_rows[i].name)
			guess_consider(&g, config_rows[i].name);
	if (ours) {
		config_mistake(l, "%.*s is not a setting of this program%s%s%s", (int)n, name,
			       g.best ? " (is " : "", g.best ? g.best : "",
			       g.best ? " meant?)" : "");
	} else if (g.best && has_value) {
		why_set(&why, "%.*s is set, and nothing here reads that: is this name meant?",
			(int)n, name);
		config_note(l->c, g.best, false, &why);
	}
}

void config_give(struct loader *l, const char *name, size_t nlen, const char *value,
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
		give_unknown(l, name, nlen, *value != '\0');
		return;
	}
	if (!*value)
		return; /* empty counts as not given, as compose files write it */
	if (l->running && config_row_is_of_keys(&config_rows[row]))
		return;
	if (is_file)
		give_from_file(l, (size_t)row, value, origin);
	else
		give(l, (size_t)row, value, origin);
}

static void read_environment(struct loader *l)
{
	char **e;

	for (e = environ; *e; e++) {
		const char *eq = strchr(*e, '=');

		if (eq)
			config_give(l, *e, (size_t)(eq - *e), eq + 1, FROM_ENVIRONMENT);
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
		config_mistake(l, "--env-file: the path is too long");
}

static void read_flags(struct loader *l, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		const char *flag = argv[i] + 2, *eq;
		char shown[CONFIG_SHOWN_SIZE];
		struct named found;
		size_t n;

		if (strncmp(argv[i], "--", 2) != 0) {
			config_mistake(l, "\"%s\" is not a flag (flags begin with --)",
				       config_shown(shown, argv[i]));
			continue;
		}
		eq = strchr(flag, '=');
		n = eq ? (size_t)(eq - flag) : strlen(flag);
		found = find_flag(flag, n);
		if (!found.row && !found.retired && !found.env_file) {
			config_mistake(l, "--%.*s is not a flag of this program (see --help)",
				       (int)n, flag);
			if (!eq && i + 1 < argc && argv[i + 1][0] != '-')
				i++;
		} else if (eq) {
			give_flag(l, &found, eq + 1);
		} else if (may_stand_alone(&found) && (i + 1 == argc || argv[i + 1][0] == '-')) {
			give_flag(l, &found, "true");
		} else if (i + 1 < argc) {
			give_flag(l, &found, argv[++i]);
		} else {
			config_mistake(l, "--%.*s needs a value", (int)n, flag);
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

struct unit_number config_number(const struct config_row *r)
{
	const char *bytes = strstr(r->name, "_BYTES");
	struct unit_number n = {.min = r->min, .max = r->max};

	n.unit = bytes && !bytes[6] ? UNIT_BYTES : unit_of_help(r->help);
	n.fallback = r->fallback ? strtoull(r->fallback, NULL, 10) : 0;
	return n;
}

static void store_number(struct loader *l, const struct config_row *r, const char *text, bool given)
{
	const struct unit_number n = config_number(r);
	char shown[CONFIG_SHOWN_SIZE];
	struct why why = {""};
	uint64_t v;

	if (!unit_read(&v, &n, config_shown(shown, text), &why)) {
		config_mistake(l, "%s: %s", r->name, why.text);
		return;
	}
	memcpy((char *)l->c + r->at, &v, sizeof v);
	if (given && unit_suspect(&n, v, &why))
		config_note(l->c, r->name, true, &why);
}

static void store_row(struct loader *l, size_t row)
{
	const struct config_row *r = &config_rows[row];
	struct given *g = &l->given[row];
	const unsigned before = l->mistakes;
	const char *text = g->set ? g->text : r->fallback;
	char *at = (char *)l->c + r->at;
	char shown[CONFIG_SHOWN_SIZE];
	struct why why = {""};

	/* An empty file of a key is how a service says that there is none, whatever its settings'
	 * file says. */
	if (!r->name || !text || (r->type == TYPE_KEY && !*text))
		return;
	/* It goes no further: nobody who quotes a value can quote this one. */
	if (config_is_key(text) && !config_row_is_secret(r) && r->type != TYPE_HASHES) {
		config_mistake(l, "%s is %s, which this setting does not take", r->name,
			       config_shown(shown, text));
		return;
	}
	switch (r->type) {
	case TYPE_TEXT:
	case TYPE_SECRET:
	case TYPE_URLS:
	case TYPE_SOURCES:
	case TYPE_STORE:
	case TYPE_HASHES: snprintf(at, CONFIG_TEXT_MAX, "%s", text); break;
	case TYPE_U64: store_number(l, r, text, g->set); break;
	case TYPE_BOOL: {
		bool v = false;

		if (!parse_bool(&v, text))
			config_mistake(l, "%s: \"%s\" is neither true nor false", r->name,
				       config_shown(shown, text));
		else
			memcpy(at, &v, sizeof v);
		break;
	}
	case TYPE_ADDRESS:
		if (!eth_address_parse((struct eth_address *)(void *)at, text, &why))
			config_mistake(l, "%s: %s", r->name, why.text);
		else if (eth_address_is_zero((struct eth_address *)(void *)at))
			config_mistake(l,
				       "%s is the zero address, where no contract is: leave it "
				       "empty where there is none",
				       r->name);
		else
			*((bool *)((char *)l->c + r->has)) = true;
		break;
	case TYPE_KEY:
		/* The text is a secret: the mistake names the setting, never the value. */
		if (eth_key_parse((struct eth_key *)(void *)at, text, &why)) {
			*((bool *)((char *)l->c + r->has)) = true;
		} else {
			config_describe_no_key(&why, text);
			config_mistake(l, "%s%s: not a secp256k1 private key (32 bytes in hex): %s",
				       r->name, g->in_file ? "_FILE" : "", why.text);
		}
		break;
	}
	g->bad = g->bad || l->mistakes > before;
}

static bool load(struct loader *l, int argc, char **argv)
{
	struct config *c = l->c;
	size_t i;

	memset(c, 0, sizeof *c);
	l->given = calloc(config_rows_count, sizeof *l->given);
	if (!l->given) {
		fputs("config: out of memory\n", l->errors);
		return false;
	}
	read_flags(l, argc, argv);
	read_environment(l);
	if (c->env_file[0])
		config_read_env_file(l, c->env_file);
	c->place_by_default = !c->env_file[0];
	for (i = 0; i < config_rows_count; i++) {
		store_row(l, i);
		if (l->given[i].set && (config_rows[i].at == offsetof(struct config, data_dir) ||
					config_rows[i].at == offsetof(struct config, admin_listen)))
			c->place_by_default = false;
	}
	config_check(l);
	secret_wipe(l->given, config_rows_count * sizeof *l->given);
	free(l->given);
	return l->mistakes == 0;
}

bool config_load(struct config *c, int argc, char **argv, bool need_chain, FILE *errors)
{
	struct loader l = {.c = c, .errors = errors, .need_chain = need_chain};

	return load(&l, argc, argv);
}

bool config_load_again(struct config *fresh, const struct config *running, int argc, char **argv,
		       FILE *errors)
{
	struct loader l = {.c = fresh, .running = running, .errors = errors, .need_chain = true};

	return load(&l, argc, argv);
}

void config_forget_keys(struct config *c)
{
	bool is_file;
	char **e;

	eth_key_wipe(&c->l1_key);
	eth_key_wipe(&c->tdx_key);
	secret_wipe(c->keystore_password, sizeof c->keystore_password);
	/* Where the kernel shows it, in /proc/PID/environ, and where it was read from. */
	for (e = environ; *e; e++) {
		char *eq = strchr(*e, '=');
		const int row = eq ? row_of(*e, (size_t)(eq - *e), &is_file) : -1;

		if (row >= 0 && !is_file && config_row_is_of_keys(&config_rows[row]))
			secret_wipe(eq + 1, strlen(eq + 1));
	}
}
