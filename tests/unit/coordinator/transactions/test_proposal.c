/* proposal: the file that governance reads. */
#include "coordinator/transactions/proposal.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void it_says_what_to_call(void **state)
{
	static const uint8_t calldata[] = {0x82, 0xfb, 0xdc, 0x9c, 0x00};
	struct eth_address verifier = {{0x11}}, signer = {{0x22}};
	char dir[] = "/tmp/proposal-XXXXXX", path[256], directory[256];
	struct why why = {""};
	json_t *j;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_true(proposal_write(path, sizeof path, dir, &verifier, &signer,
				   span_of(calldata, sizeof calldata), &why));
	assert_true(proposal_write(path, sizeof path, dir, &verifier, &signer,
				   span_of(calldata, sizeof calldata), &why));
	j = json_load_file(path, 0, NULL);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "data")), "0x82fbdc9c00");
	assert_string_equal(json_string_value(json_object_get(j, "to")),
			    "0x1100000000000000000000000000000000000000");
	json_decref(j);
	unlink(path);
	snprintf(directory, sizeof directory, "%s/proposals", dir);
	assert_int_equal(rmdir(directory), 0); /* no leftovers */
	assert_false(proposal_write(path, sizeof path, "/nonexistent", &verifier, &signer,
				    span_of(calldata, sizeof calldata), &why));
	assert_non_null(strstr(why.text, "/nonexistent"));
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(it_says_what_to_call)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
