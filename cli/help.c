/* What a person reads: on the terminal, and as a page of the manual. */
#include "cli/cli.h"

#include <string.h>

#define WIDTH 79

/* Words from column at on, further lines from column `from` on. */
static void wrap(FILE *out, size_t at, size_t from, const char *text)
{
	size_t n;

	while (*text) {
		n = strcspn(text, " ");
		if (at > from && at + 1 + n > WIDTH) {
			fprintf(out, "\n%*s", (int)from, "");
			at = from;
		} else if (at > from) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, n, out);
		at += n;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', out);
}

static void usage_of(const struct cli_program *p, const struct cli_verb *v, FILE *out)
{
	const struct cli_option *o;

	fputs(p->name, out);
	if (v->name)
		fprintf(out, " %s", v->name);
	if (v->arguments[0])
		fprintf(out, " %s", v->arguments);
	for (o = v->options; o && o->flag; o++)
		fprintf(out, o->value ? " [--%s %s]" : " [--%s]", o->flag, o->value);
	if (v->settings)
		fputs(v->name ? " [SETTINGS]" : " [OPTIONS]", out);
}

static void show_option(FILE *out, const struct cli_option *o)
{
	fprintf(out, "  --%s", o->flag);
	if (o->value)
		fprintf(out, " %s", o->value);
	if (o->env)
		fprintf(out, "  (%s)", o->env);
	fputs("\n      ", out);
	if (o->fallback && *o->fallback) {
		char with[1024];

		snprintf(with, sizeof with, "%s [%s]", o->help, o->fallback);
		wrap(out, 6, 6, with);
	} else {
		wrap(out, 6, 6, o->help);
	}
}

static void show_settings(const struct cli_program *p, FILE *out)
{
	struct cli_option o;
	size_t i;

	for (i = 0; p->setting_at(&o, i); i++)
		show_option(out, &o);
}

static void show_exits(const struct cli_program *p, FILE *out)
{
	size_t i;

	fputs("\nexit status:\n", out);
	for (i = 0; i < p->n_exits; i++) {
		fprintf(out, "  %-3d ", p->exits[i].status);
		wrap(out, 6, 6, p->exits[i].meaning);
	}
}

static void help_verb(const struct cli_program *p, const struct cli_verb *v, FILE *out)
{
	const struct cli_option *o;

	fputs("usage: ", out);
	usage_of(p, v, out);
	fprintf(out, "\n\n%s%s", v->name ? v->help : p->about, v->name ? "." : "");
	fprintf(out, "%s%s\n", v->more ? "\n\n" : "", v->more ? v->more : "");
	fputs("\noptions:\n", out);
	for (o = v->options; o && o->flag; o++)
		show_option(out, o);
	if (!v->name && v->settings)
		show_settings(p, out);
	fputs(v->name ? "  --help\n" : "  --help, --version\n", out);
	if (v->name && v->settings)
		fprintf(out,
			"  SETTINGS\n      where the daemon is: --env-file FILE, or flags like "
			"--proof-coordinator.data-dir DIR;\n      `%s help` lists them all\n",
			p->name);
	if (!v->name)
		show_exits(p, out);
}

void cli_help(const struct cli_program *p, const struct cli_verb *verb, FILE *out)
{
	size_t i;

	if (verb) {
		help_verb(p, verb, out);
		return;
	}
	fprintf(out, "%s %s - %s\n\n%s\n\nusage: %s VERB [ARGUMENTS]\n\n", p->name, p->version,
		p->summary, p->about, p->name);
	for (i = 0; i < p->n_verbs; i++) {
		const struct cli_verb *v = &p->verbs[i];
		char left[80];

		snprintf(left, sizeof left, "%s%s%s", v->name, v->arguments[0] ? " " : "",
			 v->arguments);
		fprintf(out, "  %-32s", left);
		/* What does not fit beside goes below. */
		if (strlen(left) > 31)
			fprintf(out, "\n%34s", "");
		wrap(out, 34, 34, v->help);
	}
	fprintf(out, "\n%s VERB --help says more of each.\n", p->name);
	show_exits(p, out);
}

/* ---- scdoc ---- */

/* Text whose every character is meant as it stands. */
static void literal(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("\\*_[]|#<>~.", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void man_option(FILE *out, const struct cli_option *o)
{
	fputs("*--", out);
	literal(out, o->flag);
	fputc('*', out);
	if (o->value) {
		fputs(" ", out);
		literal(out, o->value);
	}
	if (o->env) {
		fputs(" (", out);
		literal(out, o->env);
		fputc(')', out);
	}
	fputs("\n\t", out);
	literal(out, o->help);
	if (o->fallback && *o->fallback) {
		fputs(" (default: ", out);
		literal(out, o->fallback);
		fputc(')', out);
	}
	fputs("\n\n", out);
}

/* A paragraph: its lines were broken for a terminal, and no line of roff's may begin with a dot. */
static void man_text(FILE *out, const char *text)
{
	char one[2] = "";

	for (; *text; text++) {
		const bool paragraph = text[0] == '\n' && text[1] == '\n';

		one[0] = *text == '\n' ? ' ' : *text;
		if (paragraph)
			fputs("\n\n", out);
		else
			literal(out, one);
		text += paragraph;
	}
	fputs("\n\n", out);
}

static void man_verb(const struct cli_program *p, const struct cli_verb *v, FILE *out)
{
	const struct cli_option *o;
	struct cli_option setting;
	size_t i;

	if (v->name) {
		/* A heading goes to roff as it is: nothing in it may need to be escaped. */
		fprintf(out, "## %s\n\n*%s %s* ", v->name, p->name, v->name);
		literal(out, v->arguments);
		fputs(v->arguments[0] ? "++\n" : "\n\n", out);
		literal(out, v->help);
		fputs(".\n\n", out);
	}
	if (v->more)
		man_text(out, v->more);
	for (o = v->options; o && o->flag; o++)
		man_option(out, o);
	for (i = 0; !v->name && v->settings && p->setting_at(&setting, i); i++)
		man_option(out, &setting);
}

void cli_man(const struct cli_program *p, FILE *out)
{
	const bool verbs = p->verbs[0].name != NULL;
	struct cli_option o;
	size_t i;

	fprintf(out, "%s(1)\n\n# NAME\n\n%s - ", p->name, p->name);
	literal(out, p->summary);
	fprintf(out, "\n\n# SYNOPSIS\n\n*%s* %s\n\n# DESCRIPTION\n\n", p->name,
		verbs ? "VERB \\[ARGUMENTS\\]" : "\\[OPTIONS\\]");
	man_text(out, p->about);
	fputs(verbs ? "# VERBS\n\n" : "# OPTIONS\n\n", out);
	for (i = 0; i < p->n_verbs; i++)
		man_verb(p, &p->verbs[i], out);
	if (verbs && p->setting_at) {
		fputs("# SETTINGS\n\nA flag wins over the environment, the environment over the "
		      "file that *--env-file* names.\n\n",
		      out);
		for (i = 0; p->setting_at(&o, i); i++)
			man_option(out, &o);
	}
	fputs("# EXIT STATUS\n\n", out);
	for (i = 0; i < p->n_exits; i++) {
		fprintf(out, "*%d*\n\t", p->exits[i].status);
		literal(out, p->exits[i].meaning);
		fputs("\n\n", out);
	}
	fprintf(out, "# SEE ALSO\n\n%s\n", p->see_also);
}
