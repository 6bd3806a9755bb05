#include "guest/init/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

void say(const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n >= 0)
		dprintf(STDOUT_FILENO, "guest: %s\n", text);
}

void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	/* PID 1 must not end: the kernel would panic and, told panic=-1, start over. */
	for (;;)
		pause();
}
