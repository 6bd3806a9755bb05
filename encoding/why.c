#include "encoding/why.h"

#include "encoding/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void why_set(struct why *w, const char *fmt, ...)
{
	va_list ap;

	if (!w)
		return;
	va_start(ap, fmt);
	utf8_vprint(w->text, sizeof w->text, fmt, ap);
	va_end(ap);
}

void why_wrap(struct why *w, const char *fmt, ...)
{
	char inner[sizeof w->text];
	va_list ap;
	size_t n;

	if (!w)
		return;
	memcpy(inner, w->text, sizeof inner);
	va_start(ap, fmt);
	vsnprintf(w->text, sizeof w->text, fmt, ap);
	va_end(ap);
	n = strlen(w->text);
	snprintf(w->text + n, sizeof w->text - n, "%s%s", inner[0] ? ": " : "", inner);
	utf8_mend(w->text);
}
