/* Where the shared database is: every refusal in words that give no password away, and what is
 * taken means to libpq what it means here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "coordinator/config/store_url.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CA "sslrootcert=/ca.pem"

static struct store_url url;
static struct why why;

static void take(const char *text)
{
	why.text[0] = '\0';
	if (!store_url_parse(&url, text, &why))
		fail_msg("%s: %s", text, why.text);
}

static void refuse(const char *text, const char *words)
{
	why.text[0] = '\0';
	if (store_url_parse(&url, text, &why))
		fail_msg("%s passes", text);
	if (!strstr(why.text, words))
		fail_msg("%s: \"%s\" is not in: %s", text, words, why.text);
}

/* ---- what is taken ---- */

static const char *option(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val ? options->val : "";
	fail_msg("libpq knows no %s", keyword);
	return NULL;
}

/* The lists of hosts and ports as libpq has them. */
static void expect_hosts(const PQconninfoOption *options)
{
	char hosts[1024] = "", ports[256] = "", *p = ports, *h = hosts;
	const char *theirs = option(options, "port");
	size_t i;

	for (i = 0; i < url.n_hosts; i++) {
		h += sprintf(h, "%s%s", i ? "," : "", url.host[i].name);
		p += sprintf(p, "%s%u", i ? "," : "", url.host[i].port);
	}
	assert_string_equal(option(options, "host"), hosts);
	/* One that is not given is empty there, or there is none at all. */
	if (strspn(theirs, ",") == strlen(theirs))
		for (i = 0; i < url.n_hosts; i++)
			assert_int_equal(url.host[i].port, 5432);
	else if (!strstr(theirs, ",,") && theirs[0] != ',' && theirs[strlen(theirs) - 1] != ',')
		assert_string_equal(theirs, ports);
}

static void test_libpq_reads_the_same(void **state)
{
	static const char *const urls[] = {
	    "postgres://coordinator@127.0.0.1/proofs",
	    "postgresql://coordinator@localhost:5433/proofs",
	    "postgres://a@[::1]:5433/proofs?sslmode=disable",
	    "postgres://a@[::1]/proofs",
	    "postgres://a@/proofs?host=/run/postgresql",
	    "postgres://a@/proofs?host=%2Frun%2Fpostgresql&port=5433",
	    "postgres://a@%2Frun%2Fpostgresql/proofs",
	    "postgres://a@%2Frun%2Fpostgresql:5433/proofs",
	    "postgres://a%40b%3ac@127.0.0.1/p%2fq",
	    "postgres://a@db.example/proofs?" CA,
	    "postgres://a@db1.example,db2.example:5433,[fd00::1]:5434/proofs?" CA,
	    "postgres://a@db1.example:1,db2.example:2/p?" CA "&target_session_attrs=primary",
	    "postgres://a@db.example/proofs?sslmode=verify-ca&" CA
	    "&sslcert=/c.pem&sslkey=/k%20k.pem",
	    "postgres://a@db.example:65535/proofs?sslmode=require&sslcrl=/crl.pem"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof urls / sizeof *urls; i++) {
		char *error = NULL;
		PQconninfoOption *theirs;

		take(urls[i]);
		theirs = PQconninfoParse(url.conninfo, &error);
		if (!theirs)
			fail_msg("%s: %s", url.conninfo, error);
		assert_string_equal(option(theirs, "user"), url.user);
		assert_string_equal(option(theirs, "dbname"), url.database);
		assert_string_equal(option(theirs, "sslmode"), url.sslmode);
		assert_string_equal(option(theirs, "sslrootcert"), url.sslrootcert);
		assert_string_equal(option(theirs, "sslcert"), url.sslcert);
		assert_string_equal(option(theirs, "sslkey"), url.sslkey);
		assert_string_equal(option(theirs, "sslcrl"), url.sslcrl);
		assert_string_equal(option(theirs, "target_session_attrs"),
				    url.target_session_attrs);
		assert_string_equal(option(theirs, "password"), "");
		expect_hosts(theirs);
		PQconninfoFree(theirs);
	}
}

static void test_the_pieces(void **state)
{
	(void)state;
	take("postgres://a%40b@db1.example,[fd00::1]:5433/p%25q?" CA);
	assert_string_equal(url.user, "a@b");
	assert_string_equal(url.database, "p%q");
	assert_int_equal(url.n_hosts, 2);
	assert_string_equal(url.host[0].name, "db1.example");
	assert_int_equal(url.host[0].port, 5432);
	assert_string_equal(url.host[1].name, "fd00::1");
	assert_int_equal(url.host[1].port, 5433);
	assert_string_equal(url.sslrootcert, "/ca.pem");
}

static void test_tls_is_demanded_of_whoever_is_elsewhere(void **state)
{
	static const struct {
		const char *host;
		bool elsewhere;
	} hosts[] = {{"127.0.0.1", false},
		     {"127.1.2.3", false},
		     {"localhost", false},
		     {"[::1]", false},
		     {"%2Frun%2Fpostgresql", false},
		     {"128.0.0.1", true},
		     {"localhost.example", true},
		     {"[fd00::1]", true},
		     {"db", true},
		     {"127.0.0.1,db", true},
		     {"db,localhost", true}};
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		snprintf(text, sizeof text, "postgres://a@%s/p", hosts[i].host);
		take(text);
		assert_int_equal(url.is_elsewhere, hosts[i].elsewhere);
		assert_int_equal(store_url_verifies(&url), hosts[i].elsewhere);
		assert_string_equal(url.sslmode, hosts[i].elsewhere ? "verify-full" : "prefer");
		assert_false(url.sslmode_given);
		/* Whoever says otherwise may have it so. */
		snprintf(text, sizeof text, "postgres://a@%s/p?sslmode=disable", hosts[i].host);
		take(text);
		assert_true(url.sslmode_given);
		assert_false(store_url_demands_tls(&url));
	}
	/* Whoever names an authority wants to be sure. */
	take("postgres://a@127.0.0.1/p?" CA);
	assert_true(store_url_verifies(&url) && !url.sslmode_given);
	take("postgres://a@db/p?sslmode=require");
	assert_true(store_url_demands_tls(&url) && !store_url_verifies(&url));
}

static void test_of_several_the_one_that_writes(void **state)
{
	(void)state;
	take("postgres://a@127.0.0.1:1,127.0.0.1:2/p");
	assert_non_null(strstr(url.conninfo, "?sslmode=prefer&target_session_attrs=read-write"));
	take("postgres://a@127.0.0.1:1,127.0.0.1:2/p?target_session_attrs=any");
	assert_non_null(strstr(url.conninfo, "attrs=any&sslmode=prefer"));
	assert_null(strstr(url.conninfo, "read-write"));
	take("postgres://a@127.0.0.1/p");
	assert_string_equal(url.target_session_attrs, "");
}

/* ---- what is refused ---- */

static void test_a_password_is_refused_unseen(void **state)
{
	static const char *const urls[] = {
	    "postgres://a:hunter2@127.0.0.1/p",   "postgres://a:hunter2@/p",
	    "postgres://a:hun/ter2@127.0.0.1/p",  "postgres://a:hun?ter2@127.0.0.1/p",
	    "postgres://a:hunter2@x@127.0.0.1/p", "postgres://:hunter2@127.0.0.1/p",
	    "postgres://a:hunter2#@127.0.0.1/p",  "postgres://a:@127.0.0.1/p",
	    "postgres://a:hun@ter2/p@127.0.0.1/p"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof urls / sizeof *urls; i++) {
		refuse(urls[i], "password");
		assert_null(strstr(why.text, "hun"));
		assert_null(strstr(why.text, "ter2"));
	}
	refuse("postgres://a@127.0.0.1/p?password=hunter2", "STORE_PASSWORD_FILE");
	assert_null(strstr(why.text, "hunter2"));
	refuse("postgres://a@127.0.0.1/p?sslpassword=hunter2", "STORE_PASSWORD_FILE");
	assert_null(strstr(why.text, "hunter2"));
	refuse("postgres://a@127.0.0.1/p?passfile=/x", "STORE_PASSWORD_FILE");
	/* Of another kind of database, or of none. */
	refuse("mysql://a:hunter2@127.0.0.1/p", "does not begin with postgres://");
	refuse("host=127.0.0.1 password=hunter2", "does not begin with postgres://");
}

static void test_what_is_missing(void **state)
{
	(void)state;
	refuse("postgres://", "names no user");
	refuse("postgres://127.0.0.1/p", "names no user");
	refuse("postgres://@127.0.0.1/p", "names no user");
	refuse("postgres://a@127.0.0.1", "names no database");
	refuse("postgres://a@127.0.0.1/", "names no database");
	refuse("postgres://a@127.0.0.1?sslmode=disable", "names no database");
	refuse("postgres://a@/p", "names no host");
	refuse("postgres://a@127.0.0.1,/p", "host 2 has no name");
	refuse("postgres://a@,127.0.0.1/p", "host 1 has no name");
	refuse("postgres://a@:5432/p", "host 1 has no name");
}

static void test_hosts_and_ports(void **state)
{
	static const char *const ports[] = {"",      "0",  "65536", "99999999999", "x",
					    "5432x", "-1", "+1",    "%30"};
	char text[600];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof ports / sizeof *ports; i++) {
		snprintf(text, sizeof text, "postgres://a@127.0.0.1:%s/p", ports[i]);
		refuse(text, "is not one of 1 to 65535");
		snprintf(text, sizeof text, "postgres://a@127.0.0.1,[::1]:%s/p", ports[i]);
		refuse(text, "is not one of 1 to 65535");
		if (!ports[i][0] || ports[i][0] == '%')
			continue;
		snprintf(text, sizeof text, "postgres://a@/p?host=/run&port=%.6s", ports[i]);
		refuse(text, "is not one of 1 to 65535");
	}
	refuse("postgres://a@[::1/p", "host 1 has a '[', and no ']'");
	refuse("postgres://a@[127.0.0.1]/p", "is not an IPv6 address");
	refuse("postgres://a@[::1]x/p", "something else than a port");
	refuse("postgres://a@fd00::1/p", "is not one of 1 to 65535");
	refuse("postgres://a@d(b/p", "neither a name nor an address");
	refuse("postgres://a@d%20b/p", "neither a name nor an address");
	refuse("postgres://a@1,2,3,4,5,6,7,8,9/p", "more than 8 hosts");
	memset(text, 'h', sizeof text);
	memcpy(text, "postgres://a@", 13);
	strcpy(text + 400, "/p");
	refuse(text, "the host is longer than 255 characters");
}

/* Behind a comma libpq finds another host, to which TLS would not be demanded. */
static void test_no_host_hides_in_a_directory(void **state)
{
	static const char *const urls[] = {"postgres://a@/p?host=/run/postgresql,db.example",
					   "postgres://a@/p?host=/run/postgresql%2cdb.example",
					   "postgres://a@/p?host=/run/postgresql,&sslmode=prefer",
					   "postgres://a@%2Frun%2Cdb.example/p",
					   "postgres://a@127.0.0.1,%2Frun%2Cdb.example:5433/p"};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof urls / sizeof *urls; i++)
		refuse(urls[i], "a ',' in the directory of a socket");
}

static void test_percent_signs(void **state)
{
	(void)state;
	refuse("postgres://a%@127.0.0.1/p", "a '%' in the user");
	refuse("postgres://a%4@127.0.0.1/p", "a '%' in the user");
	refuse("postgres://a%zz@127.0.0.1/p", "a '%' in the user");
	refuse("postgres://a%00@127.0.0.1/p", "a '%' in the user");
	refuse("postgres://a@127.0.0.1/p%", "a '%' in the database's name");
	refuse("postgres://a@h%/p", "a '%' in the host");
	refuse("postgres://a@127.0.0.1/p?sslmode=%", "a '%' in the sslmode");
	refuse("postgres://a@127.0.0.1/p q", "a space or a control character in the database's");
	refuse("postgres://a\t@127.0.0.1/p", "a space or a control character in the user");
}

static void test_parameters(void **state)
{
	(void)state;
	refuse("postgres://a@127.0.0.1/p?colour=red", "\"colour\" is none of host, port, sslmode");
	refuse("postgres://a@127.0.0.1/p?sslmod=require", "\"sslmod\" is none of");
	refuse("postgres://a@127.0.0.1/p?SSLMODE=require", "\"SSLMODE\" is none of");
	refuse("postgres://a@127.0.0.1/p?sslmode", "\"sslmode\" has no value");
	refuse("postgres://a@127.0.0.1/p?sslmode=", "\"sslmode\" has no value");
	refuse("postgres://a@127.0.0.1/p?sslmode=disable&sslmode=require", "there twice");
	refuse("postgres://a@127.0.0.1/p?sslmode=full", "sslmode \"full\" is none of disable");
	refuse("postgres://a@127.0.0.1/p?", "ends in '?'");
	refuse("postgres://a@127.0.0.1/p?sslmode=disable&", "ends in '&'");
	refuse("postgres://a@127.0.0.1/p?&sslmode=disable", "\"\" is none of");
	refuse("postgres://a@127.0.0.1/p?application_name=x", "is said by this program itself");
	refuse("postgres://a@127.0.0.1/p?options=-cfsync=off", "is said by this program itself");
	refuse("postgres://a@127.0.0.1/p?connect_timeout=0", "is said by this program itself");
	refuse("postgres://a@127.0.0.1/p?hostaddr=10.0.0.1", "\"hostaddr\" is none of");
	refuse("postgres://a@127.0.0.1/p?target_session_attrs=standby", "this program writes");
	refuse("postgres://a@127.0.0.1/p?target_session_attrs=read-only", "this program writes");
	refuse("postgres://a@127.0.0.1/p?port=5433", "for the directory of a socket");
	refuse("postgres://a@127.0.0.1/p?host=/run", "for the directory of a socket");
	refuse("postgres://a@/p?host=db", "for the directory of a socket");
	refuse("postgres://a@/p?port=5433", "for the directory of a socket");
}

static void test_tls_that_contradicts_itself(void **state)
{
	(void)state;
	refuse("postgres://a@127.0.0.1/p?sslmode=disable&" CA, "a file for TLS is given");
	refuse("postgres://a@127.0.0.1/p?sslcert=/c", "sslcert and sslkey belong together");
	refuse("postgres://a@127.0.0.1/p?sslkey=/c", "sslcert and sslkey belong together");
	refuse("postgres://a@/p?host=/run&sslmode=require", "there is no TLS at a socket");
	refuse("postgres://a@/p?host=/run&" CA, "there is no TLS at a socket");
}

static void test_lengths(void **state)
{
	char text[2000];

	(void)state;
	snprintf(text, sizeof text, "postgres://%064d@127.0.0.1/p", 1);
	refuse(text, "the user is longer than 63 characters");
	snprintf(text, sizeof text, "postgres://a@127.0.0.1/%064d", 1);
	refuse(text, "the database's name is longer than 63 characters");
	snprintf(text, sizeof text, "postgres://a@127.0.0.1/p?sslmode=%01500d", 1);
	refuse(text, "longer than 1023 characters");
	/* The longest there is has room for what is filled in. */
	snprintf(text, sizeof text, "postgres://a@127.0.0.1,db/p?sslrootcert=%0983d", 1);
	assert_int_equal(strlen(text), 1023);
	take(text);
	assert_string_equal(url.conninfo + 1023,
			    "&sslmode=verify-full&target_session_attrs=read-write");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_libpq_reads_the_same),
	    cmocka_unit_test(test_the_pieces),
	    cmocka_unit_test(test_tls_is_demanded_of_whoever_is_elsewhere),
	    cmocka_unit_test(test_of_several_the_one_that_writes),
	    cmocka_unit_test(test_a_password_is_refused_unseen),
	    cmocka_unit_test(test_what_is_missing),
	    cmocka_unit_test(test_hosts_and_ports),
	    cmocka_unit_test(test_no_host_hides_in_a_directory),
	    cmocka_unit_test(test_percent_signs),
	    cmocka_unit_test(test_parameters),
	    cmocka_unit_test(test_tls_that_contradicts_itself),
	    cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
