#include "cli/cli.h"

#include <string.h>

/* Lower-case words of "[refresh|fetch QUOTE]" are typed as they stand; the others stand for
 * something. */
static bool next_word(const char **text, const char **word, size_t *n)
{
	*text += strspn(*text, " []|");
	*word = *text;
	*n = strcspn(*text, " []|");
	*text += *n;
	return *n > 0;
}

static bool is_lower(const char *word)
{
	return *word >= 'a' && *word <= 'z';
}

static bool is_file(const char *word, size_t n)
{
	static const char *const files[] = {"FILE",  "DIR",    "PATH",  "PEM",
					    "QUOTE", "REPORT", "IMAGE", "EVENTLOG"};
	size_t i;

	for (i = 0; i < sizeof files / sizeof *files; i++)
		if (strlen(files[i]) == n && memcmp(word, files[i], n) == 0)
			return true;
	return false;
}

static bool names_files(const char *text)
{
	const char *word;
	size_t n;

	while (next_word(&text, &word, &n))
		if (is_file(word, n))
			return true;
	return false;
}

static void words_of(FILE *out, const char *text, bool all)
{
	const char *word;
	size_t n;

	while (next_word(&text, &word, &n))
		if (all || is_lower(word))
			fprintf(out, " %.*s", (int)n, word);
}

/* What may follow a flag: a line of the case over the word before. */
static void after_flag(FILE *out, const struct cli_option *o)
{
	if (!o->value)
		return;
	fprintf(out, "\t--%s) ", o->flag);
	if (strchr(o->value, '|')) {
		fputs("COMPREPLY=($(compgen -W \"", out);
		words_of(out, o->value, true);
		fputs("\" -- \"$cur\"))", out);
	} else if (names_files(o->value)) {
		fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", out);
	} else {
		fputs("COMPREPLY=()", out);
	}
	fputs("; return ;;\n", out);
}

static bool seen_before(const struct cli_program *p, size_t verb, const char *flag)
{
	const struct cli_option *o;
	size_t i;

	for (i = 0; i < verb; i++)
		for (o = p->verbs[i].options; o && o->flag; o++)
			if (strcmp(o->flag, flag) == 0)
				return true;
	return false;
}

static void all_flags(const struct cli_program *p, FILE *out)
{
	const struct cli_option *o;
	struct cli_option setting;
	size_t i;

	for (i = 0; i < p->n_verbs; i++)
		for (o = p->verbs[i].options; o && o->flag; o++)
			if (!seen_before(p, i, o->flag))
				after_flag(out, o);
	for (i = 0; p->setting_at && p->setting_at(&setting, i); i++)
		if (!setting.optional)
			after_flag(out, &setting);
}

static void of_verb(const struct cli_verb *v, FILE *out)
{
	const struct cli_option *o;

	fprintf(out, "\t%s) words=\"", v->name ? v->name : "\"\"");
	words_of(out, v->arguments, false);
	fputs("\" flags=\"--help", out);
	for (o = v->options; o && o->flag; o++)
		fprintf(out, " --%s", o->flag);
	fprintf(out, "%s\" files=%s ;;\n", v->settings ? " $settings" : "",
		names_files(v->arguments) ? "yes" : "");
}

void cli_completion(const struct cli_program *p, FILE *out)
{
	const bool verbs = p->verbs[0].name != NULL;
	struct cli_option setting;
	char name[64];
	size_t i;

	snprintf(name, sizeof name, "%s", p->name);
	for (i = 0; name[i]; i++)
		if (name[i] == '-')
			name[i] = '_';
	fprintf(
	    out,
	    "# bash completion of %s, as `%s --bash-completion` writes it\n"
	    "_%s() {\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= word\n"
	    "\tlocal words= flags= files= settings=\"",
	    p->name, p->name, name);
	for (i = 0; p->setting_at && p->setting_at(&setting, i); i++)
		fprintf(out, "%s--%s", i ? " " : "", setting.flag);
	fputs("\"\n\tcase $prev in\n", out);
	all_flags(p, out);
	fputs("\tesac\n", out);
	if (verbs) {
		fputs("\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n\t\tcase $word "
		      "in\n\t\t",
		      out);
		for (i = 0; i < p->n_verbs; i++)
			fprintf(out, "%s%s", i ? " | " : "", p->verbs[i].name);
		fputs(") verb=$word; break ;;\n\t\tesac\n\tdone\n", out);
	}
	fputs("\tcase $verb in\n", out);
	for (i = 0; i < p->n_verbs; i++)
		of_verb(&p->verbs[i], out);
	if (verbs) {
		fputs("\t*) flags=\"--help --version\" words=\"", out);
		for (i = 0; i < p->n_verbs; i++)
			fprintf(out, "%s%s", i ? " " : "", p->verbs[i].name);
		fputs("\" ;;\n", out);
	}
	fprintf(out,
		"\tesac\n"
		"\tcase $cur in\n"
		"\t-*) COMPREPLY=($(compgen -W \"$flags\" -- \"$cur\")) ;;\n"
		"\t*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		"\t\t[ -z \"$files\" ] || COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n"
		"\tesac\n"
		"}\n"
		"complete -o filenames -F _%s %s\n",
		name, p->name);
}
