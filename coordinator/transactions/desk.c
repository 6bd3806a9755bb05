#include "coordinator/transactions/desk.h"

#include "coordinator/base/log.h"
#include "encoding/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void desk_say(const struct desk *desk, const char *fmt, ...)
{
	struct why text;
	va_list ap;

	va_start(ap, fmt);
	utf8_vprint(text.text, sizeof text.text, fmt, ap);
	va_end(ap);
	if (strcmp(text.text, desk->now->text) == 0)
		return;
	*desk->now = text;
	log_event(LOG_DEBUG, "settle", log_str("now", text.text));
}
