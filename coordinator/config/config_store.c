#include "coordinator/config/config_store.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define P       "ETHREX_PROOF_COORDINATOR_"
#define ALLOWED "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* ---- its name ---- */

static void take_default_name(struct config *c)
{
	char host[256] = "", *bad;

	gethostname(host, sizeof host - 1);
	for (bad = host; *(bad += strspn(bad, ALLOWED));)
		*bad = '-';
	/* The longest port leaves room for so much of the host's. */
	snprintf(c->instance, sizeof c->instance, "%.57s-%u", *host ? host : "localhost",
		 (unsigned)c->listen_port);
}

static void check_instance(struct loader *l)
{
	struct config *c = l->c;
	char shown[CONFIG_SHOWN_SIZE];
	const size_t n = strlen(c->instance_text);

	if (!n) {
		take_default_name(c);
		if (c->store_url[0] && !c->listen_port)
			config_mistake(l, P "INSTANCE is needed where " P "LISTEN_PORT is 0: "
					    "two coordinators of one host would have one name");
	} else if (n >= sizeof c->instance || c->instance_text[strspn(c->instance_text, ALLOWED)]) {
		config_mistake(l,
			       P "INSTANCE: \"%.80s\" is not 1 to %zu letters, digits, '.', '_' "
				 "and '-'",
			       config_shown(shown, c->instance_text), sizeof c->instance - 1);
	} else {
		memcpy(c->instance, c->instance_text, n + 1);
	}
}

/* ---- the database ---- */

static void check_file(struct loader *l, const char *parameter, const char *path, bool secret)
{
	struct stat st;

	if (!*path)
		return;
	if (access(path, R_OK) || stat(path, &st))
		config_mistake(l, P "STORE: cannot read %s \"%.200s\": %s", parameter, path,
			       strerror(errno));
	else if (!S_ISREG(st.st_mode))
		config_mistake(l, P "STORE: %s \"%.200s\" is not a file", parameter, path);
	else if (secret && (st.st_mode & (S_IROTH | S_IWOTH)))
		config_mistake(l,
			       P "STORE: %s \"%.200s\" may be read or written by everyone: "
				 "chmod 0600 it",
			       parameter, path);
}

/* One that cannot be read as such libpq leaves out without a word. */
static void check_revocations(struct loader *l, const char *path)
{
	BIO *file = *path ? BIO_new_file(path, "r") : NULL;
	X509_CRL *list = file ? PEM_read_bio_X509_CRL(file, NULL, NULL, NULL) : NULL;

	if (file && !list)
		config_mistake(
		    l, P "STORE: sslcrl \"%.200s\" has no list of revocations in it (PEM)", path);
	X509_CRL_free(list);
	BIO_free(file);
}

static void check_files(struct loader *l, const struct store_url *u)
{
	check_file(l, "sslrootcert", u->sslrootcert, false);
	check_file(l, "sslcert", u->sslcert, false);
	check_file(l, "sslkey", u->sslkey, true);
	check_file(l, "sslcrl", u->sslcrl, false);
	check_revocations(l, u->sslcrl);
}

static void note_weak_tls(struct loader *l, const struct store_url *u)
{
	struct why why;

	if (!u->is_elsewhere || store_url_verifies(u))
		return;
	why_set(&why, "sslmode is %s: %s", u->sslmode,
		store_url_demands_tls(u)
		    ? "whoever is between here and the database can pretend to be it "
		      "(verify-full)"
		    : "what is sent to the database, and the database itself, are anybody's who "
		      "is in between (verify-full)");
	config_note(l->c, P "STORE", true, &why);
}

/* libpq takes what a URL does not say from PGHOSTADDR, PGOPTIONS, PGSERVICE and their like. */
static void forget_libpq_variables(struct loader *l)
{
	char name[64] = "", first[64] = "";
	struct why why;
	bool found;
	char **e;

	do {
		found = false;
		for (e = environ; *e && !found; e++) {
			const size_t n = strcspn(*e, "=");

			found = strncmp(*e, "PG", 2) == 0 && n < sizeof name;
			if (found)
				snprintf(name, sizeof name, "%.*s", (int)n, *e);
		}
		if (found && !first[0])
			memcpy(first, name, sizeof first);
	} while (found && unsetenv(name) == 0);
	if (!first[0])
		return;
	why_set(&why,
		"%s and what else of the environment begins with PG are not used: where the "
		"database is, this setting alone says",
		first);
	config_note(l->c, P "STORE", false, &why);
}

void config_check_store(struct loader *l)
{
	struct config *c = l->c;
	struct store_url url;
	struct why why = {""};

	check_instance(l);
	if (!c->store_url[0]) {
		if (c->store_password[0] && l->need_chain)
			config_mistake(l, P "STORE_PASSWORD is given, and no " P "STORE");
		return;
	}
	if (!store_url_parse(&url, c->store_url, &why)) {
		config_mistake(l, P "STORE: %s", why.text);
		return;
	}
	memcpy(c->store_conninfo, url.conninfo, sizeof c->store_conninfo);
	if (l->need_chain)
		check_files(l, &url);
	note_weak_tls(l, &url);
	if (!l->running)
		forget_libpq_variables(l);
}
