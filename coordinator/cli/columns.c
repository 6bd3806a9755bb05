#include "coordinator/cli/columns.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS_MAX 10

const char *paint(enum paint p)
{
	static const char *const codes[] = {"\033[0m", "\033[1m", "\033[32m", "\033[1;31m"};
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if ((no && *no) || !term || strcmp(term, "dumb") == 0 || !isatty(STDOUT_FILENO))
		return "";
	return codes[p];
}

static const char *cell(const json_t *row, size_t i)
{
	const char *s = json_string_value(json_array_get(row, i));

	return s ? s : "";
}

static void line(const size_t *width, size_t n, const char *(*at)(const void *, size_t),
		 const void *from)
{
	size_t i;

	for (i = 0; i + 1 < n; i++)
		printf("%-*s  ", (int)width[i], at(from, i));
	printf("%s", at(from, n - 1));
}

static const char *of_heads(const void *heads, size_t i)
{
	return ((const char *const *)heads)[i];
}

static const char *of_row(const void *row, size_t i)
{
	return cell(row, i);
}

void columns_print(const char *const *heads, size_t n, json_t *rows, const char *nothing)
{
	size_t width[COLUMNS_MAX], i, k;
	const json_t *row;

	if (json_array_size(rows) == 0 || n > COLUMNS_MAX) {
		puts(nothing);
		json_decref(rows);
		return;
	}
	for (i = 0; i < n; i++)
		width[i] = strlen(heads[i]);
	json_array_foreach (rows, k, row)
		for (i = 0; i < n; i++)
			if (strlen(cell(row, i)) > width[i])
				width[i] = strlen(cell(row, i));
	fputs(paint(PAINT_HEAD), stdout);
	line(width, n, of_heads, heads);
	printf("%s\n", paint(PAINT_PLAIN));
	json_array_foreach (rows, k, row) {
		line(width, n, of_row, row);
		putchar('\n');
		for (i = n; i < json_array_size(row); i++)
			if (*cell(row, i))
				printf("    %s\n", cell(row, i));
	}
	json_decref(rows);
}

static void plain_text(char *text, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const unsigned char c = (unsigned char)text[i];

		/* C0, DEL, and C1 as UTF-8 has it. */
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			text[i] = '?';
		else if (c == 0xc2 && i + 1 < n && (unsigned char)text[i + 1] < 0xa0)
			text[i] = text[i + 1] = '?';
	}
}

static json_t *plain_string(const json_t *s)
{
	const size_t n = json_string_length(s);
	char *copy = malloc(n + 1);
	size_t i;
	json_t *out;

	if (!copy)
		return json_string("");
	memcpy(copy, json_string_value(s), n + 1);
	plain_text(copy, n);
	for (i = 0; i < n; i++)
		if (copy[i] == '\n' || copy[i] == '\t' || !copy[i])
			copy[i] = ' ';
	out = json_stringn(copy, n);
	free(copy);
	return out ? out : json_string("");
}

json_t *columns_plain(json_t *j)
{
	const char *key;
	json_t *value, *out;
	size_t i;

	if (!j)
		return NULL;
	if (json_is_string(j)) {
		out = plain_string(j);
		json_decref(j);
		return out;
	}
	if (json_is_object(j))
		json_object_foreach (j, key, value)
			json_object_set_new(j, key, columns_plain(json_incref(value)));
	if (json_is_array(j))
		json_array_foreach (j, i, value)
			json_array_set_new(j, i, columns_plain(json_incref(value)));
	return j;
}
