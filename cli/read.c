#include "cli/cli.h"

#include "cli/guess.h"

#include <errno.h>
#include <string.h>

/* ---- what might have been meant ---- */

static const char *nearest_verb(const struct cli_program *p, const char *typed)
{
	struct guess g = guess_of(typed, strlen(typed));
	size_t i;

	for (i = 0; i < p->n_verbs; i++)
		guess_consider(&g, p->verbs[i].name);
	return g.best;
}

static const char *nearest_flag(const struct cli_program *p, const char *flag, size_t n)
{
	struct guess g = guess_of(flag, n);
	const struct cli_option *o;
	struct cli_option setting;
	size_t i;

	for (i = 0; i < p->n_verbs; i++)
		for (o = p->verbs[i].options; o && o->flag; o++)
			guess_consider(&g, o->flag);
	for (i = 0; p->setting_at && p->setting_at(&setting, i); i++)
		guess_consider(&g, setting.flag);
	guess_consider(&g, "help");
	guess_consider(&g, "version");
	return g.best;
}

/* ---- what the tables know ---- */

static const struct cli_option *find_option(const struct cli_verb *verb, const char *flag, size_t n)
{
	const struct cli_option *o;

	for (o = verb->options; o && o->flag; o++)
		if (strlen(o->flag) == n && memcmp(o->flag, flag, n) == 0)
			return o;
	return NULL;
}

static const struct cli_option *find_anywhere(const struct cli_program *p, const char *flag,
					      size_t n)
{
	const struct cli_option *found = NULL;
	size_t i;

	for (i = 0; i < p->n_verbs && !found; i++)
		found = find_option(&p->verbs[i], flag, n);
	return found;
}

static bool has_verbs(const struct cli_program *p)
{
	return p->verbs[0].name != NULL;
}

const char *cli_value(const struct cli_call *call, const char *flag)
{
	size_t i;

	for (i = call->n_given; i-- > 0;)
		if (strcmp(call->given[i].option->flag, flag) == 0)
			return call->given[i].value;
	return NULL;
}

/* ---- reading ---- */

enum ask { ASK_NOTHING, ASK_HELP, ASK_ALL, ASK_VERSION, ASK_MAN, ASK_COMPLETION };

struct reader {
	struct cli_call *call;
	const struct cli_program *p;
	int argc, at;
	char **argv;
	enum ask ask;
	struct why *why;
};

static bool is_flag(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

static bool is_truth(const char *word)
{
	static const char *const words[] = {"true", "false", "1", "0", "yes", "no", "on", "off"};
	size_t i;

	for (i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static bool asks(struct reader *r, const char *word)
{
	static const struct {
		const char *word;
		enum ask ask;
	} known[] = {{"--help", ASK_HELP},
		     {"-h", ASK_HELP},
		     {"--version", ASK_VERSION},
		     {"--man", ASK_MAN},
		     {"--bash-completion", ASK_COMPLETION}};
	size_t i;

	for (i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(word, known[i].word) == 0) {
			r->ask = known[i].ask;
			return true;
		}
	}
	return false;
}

static bool take_option(struct reader *r, const struct cli_option *o, const char *inlined)
{
	const char *value = inlined;

	if (!o->value && inlined) {
		why_set(r->why, "--%s takes no value", o->flag);
		return false;
	}
	if (!o->value) {
		value = "";
	} else if (!value) {
		if (r->at == r->argc) {
			why_set(r->why, "--%s needs a value: %s", o->flag, o->value);
			return false;
		}
		value = r->argv[r->at++];
	}
	if (r->call->n_given == CLI_OPTIONS_MAX) {
		why_set(r->why, "too many options");
		return false;
	}
	r->call->given[r->call->n_given].option = o;
	r->call->given[r->call->n_given++].value = value;
	return true;
}

/* The words of a setting stay together, before all that was not read yet. */
static bool take_setting(struct reader *r, const struct cli_option *o, char *word, bool inlined)
{
	struct cli_call *call = r->call;

	call->settings[call->n_settings++] = word;
	if (inlined || !o->value)
		return true;
	if (o->optional && (r->at == r->argc || !is_truth(r->argv[r->at])))
		return true;
	if (r->at == r->argc) {
		why_set(r->why, "--%s needs a value", o->flag);
		return false;
	}
	call->settings[call->n_settings++] = r->argv[r->at++];
	return true;
}

static bool take_flag(struct reader *r, char *word)
{
	const bool is_long = word[1] == '-';
	const char *flag = word + 2, *eq = strchr(flag, '=');
	const size_t n = eq ? (size_t)(eq - flag) : strlen(flag);
	const struct cli_option *o = is_long ? find_anywhere(r->p, flag, n) : NULL;
	struct cli_option setting;
	const char *near;

	if (asks(r, word))
		return true;
	if (o)
		return take_option(r, o, eq ? eq + 1 : NULL);
	if (is_long && r->p->setting_of && r->p->setting_of(&setting, flag, n))
		return take_setting(r, &setting, word, eq != NULL);
	near = is_long ? nearest_flag(r->p, flag, n) : NULL;
	why_set(r->why, "\"%.*s\" is not a flag%s%s%s", (int)(n < 80 ? n + 2 : 80), word,
		near ? " (is --" : "", near ? near : "", near ? " meant?)" : "");
	return false;
}

static bool take_verb(struct reader *r, const char *word)
{
	const char *near;
	size_t i;

	for (i = 0; i < r->p->n_verbs; i++) {
		if (strcmp(word, r->p->verbs[i].name) != 0)
			continue;
		r->call->verb = &r->p->verbs[i];
		/* "help VERB": the next word is the verb that it is about. */
		if (strcmp(word, "help") == 0) {
			r->ask = ASK_ALL;
			r->call->verb = NULL;
		}
		return true;
	}
	near = nearest_verb(r->p, word);
	why_set(r->why, "\"%.40s\" is not a verb%s%s%s", word, near ? " (is " : "",
		near ? near : "", near ? " meant?)" : "");
	return false;
}

static bool take_word(struct reader *r, const char *word)
{
	struct cli_call *call = r->call;

	if (!call->verb)
		return take_verb(r, word);
	if (call->n_arguments == CLI_ARGUMENTS_MAX) {
		why_set(r->why, "too many arguments, from \"%.40s\" on", word);
		return false;
	}
	call->argument[call->n_arguments++] = word;
	return true;
}

static bool read_words(struct reader *r)
{
	bool flags = true;

	while (r->at < r->argc) {
		char *word = r->argv[r->at++];

		if (flags && strcmp(word, "--") == 0)
			flags = false;
		else if (!(flags && is_flag(word) ? take_flag(r, word) : take_word(r, word)))
			return false;
	}
	return true;
}

/* What no word shows by itself. */
static bool fits(const struct cli_program *p, const struct cli_call *call, struct why *why)
{
	const struct cli_verb *v = call->verb;
	const char *name;
	size_t i;

	if (!v) {
		why_set(why, "a verb is missing");
		return false;
	}
	name = v->name ? v->name : p->name;
	for (i = 0; i < call->n_given; i++) {
		const char *flag = call->given[i].option->flag;

		if (!find_option(v, flag, strlen(flag))) {
			why_set(why, "%s takes no --%s", name, flag);
			return false;
		}
	}
	if (call->n_settings && !v->settings) {
		why_set(why, "%s takes no settings, so not %.80s", name, call->settings[0]);
		return false;
	}
	if (call->n_arguments > v->max) {
		why_set(why, "%s takes %s%s: \"%.40s\" is too much", name,
			v->max ? v->arguments : "no arguments", v->max ? " alone" : "",
			call->argument[v->max]);
		return false;
	}
	if (call->n_arguments < v->min) {
		why_set(why, "%s needs %s", name, v->arguments);
		return false;
	}
	return true;
}

static void answer(const struct reader *r, FILE *out)
{
	switch (r->ask) {
	case ASK_NOTHING: break;
	case ASK_ALL:
	case ASK_HELP:
		cli_help(r->p, has_verbs(r->p) ? r->call->verb : &r->p->verbs[0], out);
		if (r->ask == ASK_ALL && !r->call->verb && r->p->help_settings)
			r->p->help_settings(out);
		break;
	case ASK_VERSION: fprintf(out, "%s %s\n", r->p->name, r->p->version); break;
	case ASK_MAN: cli_man(r->p, out); break;
	case ASK_COMPLETION: cli_completion(r->p, out); break;
	}
}

enum cli_rc cli_read(struct cli_call *call, const struct cli_program *p, int argc, char **argv,
		     FILE *out, struct why *why)
{
	struct reader r = {.call = call, .p = p, .argc = argc, .at = 1, .argv = argv, .why = why};
	bool ok;

	memset(call, 0, sizeof *call);
	/* The program's own name makes room: what is kept never overtakes what is read. */
	call->settings = argv + 1;
	if (!has_verbs(p))
		call->verb = &p->verbs[0];
	ok = read_words(&r);
	/* Whoever asks for help has it, whatever else is on the line. */
	if (r.ask != ASK_NOTHING && (ok || r.ask == ASK_HELP)) {
		answer(&r, out);
		return CLI_DONE;
	}
	return ok && fits(p, call, why) ? CLI_RUN : CLI_WRONG;
}

enum cli_rc cli_start(struct cli_call *call, const struct cli_program *p, int argc, char **argv,
		      int *status)
{
	struct why why = {""};
	const enum cli_rc rc = cli_read(call, p, argc, argv, stdout, &why);
	const char *verb = call->verb && call->verb->name ? call->verb->name : NULL;

	*status = 0;
	if (rc == CLI_WRONG) {
		fprintf(stderr, "%s: %s; see %s%s%s --help\n", p->name, why.text, p->name,
			verb ? " " : "", verb ? verb : "");
		*status = CLI_USAGE;
	} else if (rc == CLI_DONE) {
		*status = cli_end(p, 0);
	}
	return rc;
}

int cli_end(const struct cli_program *p, int status)
{
	/* The first of the two writes: what failed before it is remembered by the other. */
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "%s: the answer cannot be written: %s\n", p->name, strerror(errno));
	return status ? status : 1;
}
