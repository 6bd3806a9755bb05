/*
 * columns.h -- tables on a terminal, and the colours that only a terminal gets.
 */
#ifndef COORDINATOR_CLI_COLUMNS_H
#define COORDINATOR_CLI_COLUMNS_H

#include <jansson.h>
#include <stddef.h>

enum paint { PAINT_PLAIN, PAINT_HEAD, PAINT_GOOD, PAINT_BAD };

/* The escape sequence for what follows; "" unless stdout is a terminal that wants colours (no
 * NO_COLOR, no TERM=dumb).
 */
const char *paint(enum paint p);

/* Prints rows under their heads on stdout, each column as wide as its widest cell; the last may be
 * long. A row is a JSON array of n strings; each further one that is not empty is a line below it.
 * Takes rows over. nothing: what is said where there is none. */
void columns_print(const char *const *heads, size_t n, json_t *rows, const char *nothing);

/* Puts '?' for what could move a terminal's cursor, in every string below j: much of what the
 * daemon tells was said by strangers. Returns j or a copy; takes j over. */
json_t *columns_plain(json_t *j);

#endif
