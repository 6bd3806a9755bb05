/*
 * store_url.h -- where the shared database is: a postgres:// URL as libpq reads it, with what this
 * program would not connect by refused in words. Pure; nothing is looked up or opened.
 */
#ifndef COORDINATOR_CONFIG_STORE_URL_H
#define COORDINATOR_CONFIG_STORE_URL_H

#include "encoding/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_URL_TEXT_MAX     1024
#define STORE_URL_CONNINFO_MAX (STORE_URL_TEXT_MAX + 80)
#define STORE_URL_HOSTS_MAX    8
#define STORE_URL_NAME_MAX     64 /* PostgreSQL's names are shorter than this */

struct store_url {
	char user[STORE_URL_NAME_MAX], database[STORE_URL_NAME_MAX];
	struct store_url_host {
		char name[256]; /* a name, an address, or the directory of a socket */
		uint16_t port;
	} host[STORE_URL_HOSTS_MAX];
	size_t n_hosts;
	/* of the parameters; "": not given */
	char sslmode[16], target_session_attrs[16];
	char sslrootcert[STORE_URL_TEXT_MAX], sslcert[STORE_URL_TEXT_MAX],
	    sslkey[STORE_URL_TEXT_MAX], sslcrl[STORE_URL_TEXT_MAX];
	bool sslmode_given;
	bool is_elsewhere; /* a host that is not this machine */
	/* The URL for libpq, with what was not said filled in: sslmode, and, of several hosts, that
	 * one is wanted that writes. */
	char conninfo[STORE_URL_CONNINFO_MAX];
};

/* False with the sentence, which quotes nothing that might be a password. sslmode, where the URL
 * has none: verify-full if a host is elsewhere or sslrootcert is given, else prefer. */
bool store_url_parse(struct store_url *out, const char *text, struct why *why);

/* Is a connection without TLS, or with anybody's certificate, out of the question? */
bool store_url_demands_tls(const struct store_url *url);
/* Is the server's certificate checked, against sslrootcert or the system's authorities? */
bool store_url_verifies(const struct store_url *url);

#endif
