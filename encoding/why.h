/*
 * why.h -- the sentence that goes with an error code.
 *
 * Every room has a closed enum of errors that drives logic; the sentence reaches the operator and
 * carries the value that failed. It is bounded, always NUL-terminated, UTF-8 whatever it quotes and
 * wherever it is cut, and grows outwards:
 * why_wrap() puts "outer: " in front of what is already there.
 *
 * A NULL struct why is allowed everywhere: the sentence is then dropped.
 */
#ifndef ENCODING_WHY_H
#define ENCODING_WHY_H

struct why {
	char text[512];
};

void why_set(struct why *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void why_wrap(struct why *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
