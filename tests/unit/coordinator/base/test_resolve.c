/* resolve: what a name leads to, and an end to the waiting. */
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "coordinator/base/resolve.h"

/* The program's own symbol comes before the C library's. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **out)
{
	static struct sockaddr_in sin = {.sin_family = AF_INET};
	static struct addrinfo one = {
	    .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&sin, .ai_addrlen = sizeof sin};

	(void)service;
	if (hints->ai_flags & AI_NUMERICHOST && node[0] != '1')
		return EAI_NONAME;
	if (strcmp(node, "slow") == 0)
		usleep(400000);
	if (strcmp(node, "nobody") == 0)
		return EAI_NONAME;
	sin.sin_addr.s_addr = htonl(0xc0000207);
	*out = &one;
	return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
	(void)list;
}

static void test_resolve(void **state)
{
	struct resolved found;
	struct why why;

	(void)state;
	assert_true(resolve(&found, "somebody", 5000, &why));
	assert_int_equal(found.n, 1);
	assert_string_equal(found.address[0], "192.0.2.7");
	/* An address needs no time. */
	assert_true(resolve(&found, "192.0.2.7", 0, &why));
	assert_string_equal(found.address[0], "192.0.2.7");
	assert_false(resolve(&found, "nobody", 5000, &why));
	assert_non_null(strstr(why.text, "the name nobody: "));
	assert_false(found.again);
	assert_false(resolve(&found, "slow", 50, &why));
	assert_string_equal(why.text, "no answer in time about the name slow");
	assert_true(found.again);
	/* The one that was given up ends by itself. */
	usleep(600000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_resolve)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
