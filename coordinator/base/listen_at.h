/*
 * listen_at.h -- where a listener is to stand, read from a setting: what cannot be listened on is
 * found by whoever checks the settings, not by the listener.
 */
#ifndef COORDINATOR_BASE_LISTEN_AT_H
#define COORDINATOR_BASE_LISTEN_AT_H

#include "encoding/why.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct listen_at {
	struct sockaddr_storage address;
	socklen_t size;
};

/* A numeric IPv4 or IPv6 address. False with the sentence, which leaves it to the caller to show
 * the text. */
bool listen_at_ip(struct listen_at *out, const char *ip, uint16_t port, struct why *why);

/* For the machine's own alone: "unix:PATH", 127.x.x.x:PORT or [::1]:PORT; "localhost" is
 * 127.0.0.1. */
bool listen_at_local(struct listen_at *out, const char *text, struct why *why);
/* The PATH of "unix:PATH"; NULL: it is no such listener. */
const char *listen_at_path(const char *text);

/* The sentence of a bind() or listen() that failed with that errno: what, then what most likely is
 * wrong, and the setting that can say another place. */
void listen_at_refused(struct why *why, const char *what, int error, const char *setting);

/* Would the second find the port taken by the first? */
bool listen_at_overlap(const struct listen_at *a, const struct listen_at *b);

#endif
