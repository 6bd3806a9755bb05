/* utf8.h -- text that is UTF-8, or is made so: what goes into JSON has to be. */
#ifndef ENCODING_UTF8_H
#define ENCODING_UTF8_H

#include "encoding/bytes.h"

#include <stdarg.h>

/* Length (1..4) of the valid UTF-8 sequence that s starts with; 0 if there is none. */
size_t utf8_sequence(struct span s);
/* Each byte that belongs to none becomes '?', in place. */
void utf8_mend(char *text);
/* As snprintf; a text that was cut inside a character, or quotes bytes that are none, is mended.
 */
void utf8_print(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void utf8_vprint(char *out, size_t size, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

#endif
