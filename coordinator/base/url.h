/*
 * url.h -- URLs of others: checked, and masked for logs.
 */
#ifndef COORDINATOR_BASE_URL_H
#define COORDINATOR_BASE_URL_H

#include "encoding/why.h"

#include <stdbool.h>
#include <stddef.h>

#define URL_MASKED_SIZE 128

/* scheme://host:port of a URL, without user, path and query, which may hold credentials.
 * "(unreadable URL)" where it is none. */
void url_mask(char *out, size_t size, const char *url);

/* What keeps it from being http:// or https:// with a host, and with a port that can be where one
 * is given: the rest of a sentence; NULL: nothing. */
const char *url_http_flaw(const char *url);

/* https, or http to a loopback address; no user, query or fragment. False with the sentence. */
bool url_ok(const char *url, struct why *why);

/* A URL's host, an IPv6 address in brackets or without: "localhost" or a loopback address? */
bool url_host_is_loopback(const char *host);

#endif
