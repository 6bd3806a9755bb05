/*
 * cli.h -- a program's command line as one table: its verbs, their arguments, their options. What
 * is typed is read by it, and the help texts, the man page and bash's completion come from it, so
 * that none of them can say what another does not.
 *
 * Nothing is opened and nothing kept; what is written goes to the FILE that is given.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "encoding/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CLI_USAGE         64 /* exit status for what nobody can make sense of (sysexits.h) */
#define CLI_ARGUMENTS_MAX 4
#define CLI_OPTIONS_MAX   16

/* An option: --flag VALUE, --flag=VALUE or, where value is NULL, --flag. In every table that has it
 * a flag takes the same. */
struct cli_option {
	const char *flag;     /* without the two dashes */
	const char *value;    /* what stands for it: FILE, DIR, PATH and PEM are completed as files,
				 "a|b" as these words; NULL: it takes none */
	const char *env;      /* the environment variable that means the same, or NULL */
	const char *fallback; /* its default as text; NULL or empty: none */
	const char *help;
	bool optional; /* a value may follow, true or false, and need not */
};

struct cli_verb {
	const char *name;      /* NULL: the one thing that a program without verbs does */
	const char *arguments; /* as usage shows them: "BATCH FILE", "[QUOTE]"; never NULL */
	unsigned min, max;     /* how many, CLI_ARGUMENTS_MAX at most */
	const struct cli_option *options; /* ended by a flag of NULL; NULL: none */
	bool settings;                    /* the program's settings are flags of it too */
	const char *help;                 /* one line */
	const char *more; /* sentences for its own help; NULL: none. Lines of at most 79 */
};

struct cli_exit {
	int status;
	const char *meaning;
};

struct cli_program {
	const char *name, *version;
	const char *summary; /* half a sentence, for the head of the man page */
	const char *about;   /* a paragraph; lines of at most 79 */
	const struct cli_verb *verbs;
	size_t n_verbs; /* one, without a name: there are no verbs */
	/* Settings that are flags as well; both NULL: there are none. setting_at: the i-th of those
	 * that are documented. setting_of: any that is understood, by its n characters. */
	bool (*setting_at)(struct cli_option *out, size_t i);
	bool (*setting_of)(struct cli_option *out, const char *flag, size_t n);
	/* After the overview where the verb "help" was given, which exists then; or NULL. */
	void (*help_settings)(FILE *out);
	const struct cli_exit *exits;
	size_t n_exits;
	const char *see_also; /* "tdx-quote(1), quote-gen(1)" */
};

/* What was typed. Everything points into argv. */
struct cli_call {
	const struct cli_verb *verb;
	const char *argument[CLI_ARGUMENTS_MAX];
	size_t n_arguments;
	struct {
		const struct cli_option *option;
		const char *value; /* "" of an option that takes none */
	} given[CLI_OPTIONS_MAX];
	size_t n_given;
	char **settings; /* flags of the settings as they were typed, values after them */
	int n_settings;
};

enum cli_rc {
	CLI_RUN,
	CLI_DONE,  /* help or version was asked for, and is written */
	CLI_WRONG, /* the sentence says what makes no sense, and what might */
};

/* Reads a command line; flags may stand before or after the verb, "--" ends them. argv is put in
 * another order. Help, version, man page (--man, for scdoc) and completion (--bash-completion) are
 * written to out. */
enum cli_rc cli_read(struct cli_call *call, const struct cli_program *p, int argc, char **argv,
		     FILE *out, struct why *why);
/* The same for main(): a mistake goes to stderr, and *status is what to exit with unless CLI_RUN is
 * returned. */
enum cli_rc cli_start(struct cli_call *call, const struct cli_program *p, int argc, char **argv,
		      int *status);

/* What main() exits with: the status, or 1 and a sentence on stderr where what was printed could
 * not be written, as on a full disk. */
int cli_end(const struct cli_program *p, int status);

/* The value of an option, "" where it takes none; NULL: it was not given. */
const char *cli_value(const struct cli_call *call, const char *flag);

/* The overview, or what one verb does; the man page in scdoc's language; bash's completion. */
void cli_help(const struct cli_program *p, const struct cli_verb *verb, FILE *out);
void cli_man(const struct cli_program *p, FILE *out);
void cli_completion(const struct cli_program *p, FILE *out);

#endif
