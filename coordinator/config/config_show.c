/* What the settings are, shown: the running ones, the help text, and what a reload changes. */
#include "coordinator/config/internal.h"
#include "coordinator/config/retired.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static size_t row_size(const struct config_row *r)
{
	switch (r->type) {
	case TYPE_TEXT:
	case TYPE_SECRET:
	case TYPE_URLS:
	case TYPE_SOURCES:
	case TYPE_STORE:
	case TYPE_HASHES: return CONFIG_TEXT_MAX;
	case TYPE_U64: return sizeof(uint64_t);
	case TYPE_BOOL: return sizeof(bool);
	case TYPE_ADDRESS: return sizeof(struct eth_address);
	case TYPE_KEY: return sizeof(struct eth_key);
	}
	return 0;
}

static bool row_differs(const struct config_row *r, const void *a, const void *b)
{
	if (row_size(r) == CONFIG_TEXT_MAX)
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

		if (!r->name || config_row_is_of_keys(r) || !row_differs(r, a, b))
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

/* Text that is no URL and no key is shown as it is, whatever its length. */
static const char *show_text(char shown[CONFIG_SHOWN_SIZE], const char *text)
{
	return config_is_key(text) || strstr(text, "://") ? config_shown(shown, text) : text;
}

/* Each without its user, path and query. */
static void show_urls(char *out, size_t n, const char *list)
{
	static const char pccs[] = "pccs+";
	char copy[CONFIG_TEXT_MAX], shown[CONFIG_SHOWN_SIZE], *save = NULL, *one;
	size_t used = 0;

	snprintf(copy, sizeof copy, "%s", list);
	for (one = strtok_r(copy, ", ", &save); one && used < n;
	     one = strtok_r(NULL, ", ", &save)) {
		const bool is_pccs = strncmp(one, pccs, sizeof pccs - 1) == 0;

		used += (size_t)snprintf(
		    out + used, n - used, "%s%s%s", used ? "," : "", is_pccs ? pccs : "",
		    config_shown(shown, one + (is_pccs ? sizeof pccs - 1 : 0)));
	}
}

/* Whose key it is, wherever it is. */
static void key_text(char *out, size_t n, const struct config *c, const struct config_row *r)
{
	const bool is_l1 = r->at == offsetof(struct config, l1_key);
	const struct eth_address *from = is_l1 ? &c->verify_from : &c->register_from;
	const char *place = "(set, hidden)";

	if (is_l1 ? !c->has_verify_from : !c->has_register_from)
		return;
	if (is_l1 ? !c->has_l1_key : !c->has_tdx_key)
		place = c->keystore_file[0] ? "(in the keystore)" : "(at the remote signer)";
	snprintf(out, n, "%s address ", place);
	eth_address_print(out + strlen(out), from);
}

static void row_text(char *out, size_t n, const struct config *c, const struct config_row *r)
{
	const char *at = (const char *)c + r->at;
	uint64_t u;
	bool b;
	struct eth_address a;
	char shown[CONFIG_SHOWN_SIZE];

	out[0] = '\0';
	switch (r->type) {
	case TYPE_TEXT: snprintf(out, n, "%s", show_text(shown, at)); break;
	case TYPE_SECRET: snprintf(out, n, "%s", *at ? "(set, hidden)" : ""); break;
	case TYPE_U64:
		memcpy(&u, at, sizeof u);
		snprintf(out, n, "%" PRIu64, u);
		break;
	case TYPE_BOOL:
		memcpy(&b, at, sizeof b);
		snprintf(out, n, "%s", b ? "true" : "false");
		break;
	case TYPE_HASHES: snprintf(out, n, "%s", at); break;
	case TYPE_STORE:
		/* What could not be read may have a password in it. */
		snprintf(out, n, "%s",
			 *at && !c->store_conninfo[0] ? "(hidden)" : c->store_conninfo);
		break;
	case TYPE_URLS: show_urls(out, n, at); break;
	case TYPE_SOURCES:
		if (strcmp(at, r->fallback) == 0)
			snprintf(out, n, "%s", at);
		else
			show_urls(out, n, at);
		break;
	case TYPE_KEY: key_text(out, n, c, r); break;
	case TYPE_ADDRESS:
		memcpy(&b, (const char *)c + r->has, sizeof b);
		if (!b)
			break;
		memcpy(&a, at, sizeof a);
		eth_address_print(out, &a);
		break;
	}
}

static void print_json(const struct config *c, FILE *out)
{
	char text[CONFIG_TEXT_MAX + 128];
	json_t *o = json_object();
	size_t i;

	for (i = 0; i < config_rows_count; i++)
		if (config_rows[i].name) {
			row_text(text, sizeof text, c, &config_rows[i]);
			json_object_set_new(o, config_rows[i].name, json_string(text));
		}
	json_dumpf(o, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
	fputc('\n', out);
	json_decref(o);
}

void config_print(const struct config *c, FILE *out, bool json)
{
	char text[CONFIG_TEXT_MAX + 128];
	size_t i;

	if (json) {
		print_json(c, out);
		return;
	}
	for (i = 0; i < config_rows_count; i++) {
		const struct config_row *r = &config_rows[i];

		if (!r->name) {
			fprintf(out, "%s# %s\n", i ? "\n" : "", r->group);
			continue;
		}
		row_text(text, sizeof text, c, r);
		fprintf(out, "%s=%s\n", r->name, text);
	}
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
		fprintf(out, "  %s%s\n", r->name, config_row_is_secret(r) ? " (or ..._FILE)" : "");
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

static const struct cli_option env_file = {
    "env-file", "FILE", NULL, NULL, "a file with settings, NAME=value a line", false};

static bool flag_of_row(struct cli_option *out, const struct config_row *r)
{
	if (!r->name || !r->flag)
		return false;
	*out = (struct cli_option){r->flag,     "VALUE", r->name,
				   r->fallback, r->help, r->type == TYPE_BOOL};
	return true;
}

bool config_flag_at(struct cli_option *out, size_t i)
{
	size_t row;

	*out = env_file;
	for (row = 0; i > 0 && row < config_rows_count; row++)
		if (flag_of_row(out, &config_rows[row]))
			i--;
	return i == 0;
}

bool config_flag_of(struct cli_option *out, const char *flag, size_t n)
{
	const struct config_retired *retired = config_retired_flag(flag, n);
	size_t i;

	for (i = 0; config_flag_at(out, i); i++)
		if (strlen(out->flag) == n && memcmp(out->flag, flag, n) == 0)
			return true;
	if (!retired)
		return false;
	*out = (struct cli_option){
	    .flag = flag, .value = "VALUE", .optional = config_retired_is_bool(retired)};
	return true;
}

void config_wipe(struct config *c)
{
	secret_wipe(c, sizeof *c);
}
