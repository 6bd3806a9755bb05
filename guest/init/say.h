/* say.h -- sentences on the console, each with "guest: " in front, and the end of the machine. */
#ifndef GUEST_INIT_SAY_H
#define GUEST_INIT_SAY_H

void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Does not return. */
void power_off(void) __attribute__((noreturn));

#endif
