/* The environment file: lines of NAME=value as shells, systemd and Docker have them. */
#include "coordinator/config/internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ENV_FILE_MAX (256 * 1024)

struct env_file {
	struct loader *l;
	const char *path;
	bool open_to_all; /* everybody may read it */
};

/* Without the quotes around it. False: one has no partner. */
static bool unquote(char **value, char *end)
{
	char *v = *value;

	if (*v != '"' && *v != '\'')
		return true;
	if (end - v < 2 || end[-1] != *v)
		return false;
	end[-1] = '\0';
	*value = v + 1;
	return true;
}

/* The value may be a secret, and so may a line that was broken: neither is shown. */
static void take_line(struct env_file *f, char *line, unsigned number)
{
	char *eq, *end, *value;
	size_t n;

	line += strspn(line, " \t\r\v\f");
	if (!*line || *line == '#')
		return;
	if (strncmp(line, "export", 6) == 0 && (line[6] == ' ' || line[6] == '\t'))
		line += 6 + strspn(line + 6, " \t");
	eq = strchr(line, '=');
	if (!eq) {
		config_mistake(f->l, "%s:%u: there is no '='", f->path, number);
		return;
	}
	for (n = (size_t)(eq - line); n && isspace((unsigned char)line[n - 1]); n--)
		;
	value = eq + 1 + strspn(eq + 1, " \t");
	for (end = value + strlen(value); end > value && isspace((unsigned char)end[-1]); end--)
		end[-1] = '\0';
	if (!unquote(&value, end)) {
		config_mistake(f->l, "%s:%u: the quote before the value of %.*s is not closed",
			       f->path, number, (int)(n < 80 ? n : 80), line);
		return;
	}
	if (f->open_to_all && *value && config_names_secret(line, n)) {
		config_mistake(f->l,
			       "%s holds %.*s, and everyone may read it: chmod 0600 it, or give "
			       "%.*s_FILE",
			       f->path, (int)n, line, (int)n, line);
		return;
	}
	config_give(f->l, line, n, value, FROM_ENV_FILE);
}

static void take_lines(struct env_file *f, char *text)
{
	char *line = text, *next;
	unsigned number;

	for (number = 1; line; number++, line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		take_line(f, line, number);
	}
}

void config_read_env_file(struct loader *l, const char *path)
{
	static const char bom[] = "\xef\xbb\xbf";
	char shown[CONFIG_SHOWN_SIZE], *text = malloc(ENV_FILE_MAX + 1);
	struct env_file file = {l, config_shown(shown, path), false};
	FILE *f = text ? fopen(path, "re") : NULL;
	struct stat st;
	size_t n;

	if (!f || fstat(fileno(f), &st)) {
		config_mistake(l, "--env-file: cannot open \"%s\": %s", file.path, strerror(errno));
		goto out;
	}
	setvbuf(f, NULL, _IONBF, 0); /* no copy that nobody wipes */
	file.open_to_all = S_ISREG(st.st_mode) && (st.st_mode & S_IROTH);
	n = fread(text, 1, ENV_FILE_MAX + 1, f);
	if (ferror(f))
		config_mistake(l, "--env-file: cannot read \"%s\": %s", file.path, strerror(errno));
	else if (n > ENV_FILE_MAX)
		config_mistake(l, "--env-file: \"%s\" is longer than %d bytes", file.path,
			       ENV_FILE_MAX);
	else if (memchr(text, 0, n))
		config_mistake(l, "--env-file: \"%s\" has zero bytes in it: it must be UTF-8",
			       file.path);
	else {
		text[n] = '\0';
		take_lines(&file, text + (strncmp(text, bom, 3) == 0 ? 3 : 0));
	}
out:
	if (f)
		fclose(f);
	if (text)
		secret_wipe(text, ENV_FILE_MAX + 1);
	free(text);
}
