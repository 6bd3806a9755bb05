/* The measured command line: what it sets, and every way in which it is refused. */
#include "guest/init/settings.h"
#include "guest/init/verity.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HASH   "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define SALT   "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define NEEDED "roothash=" HASH " guest.verity=105," SALT " guest.net=10.0.2.15/24,10.0.2.2"

static void what_it_sets(void **state)
{
	struct guest_settings s;
	struct why why = {""};
	char text[INET_ADDRSTRLEN];

	(void)state;
	assert_true(guest_settings_read(
	    &s,
	    "console=ttyS0 panic=-1  " NEEDED
	    "\tguest.init=/usr/lib/systemd/systemd guest.events=serial "
	    "quote-gen.coordinator=10.0.2.2:3900 quote-gen.tls-identity=attested unknown.thing=1\n",
	    &why));
	assert_string_equal(s.root_hash,
			    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
	assert_string_equal(s.salt, SALT);
	assert_int_equal(s.blocks, 105);
	assert_false(s.dhcp);
	assert_int_equal(s.prefix, 24);
	assert_string_equal(inet_ntop(AF_INET, &s.address, text, sizeof text), "10.0.2.15");
	assert_string_equal(inet_ntop(AF_INET, &s.gateway, text, sizeof text), "10.0.2.2");
	assert_string_equal(s.init, "/usr/lib/systemd/systemd");
	assert_true(s.print_events);
	assert_int_equal(s.flags, 2);
	assert_string_equal(s.flag[0], "--coordinator");
	assert_string_equal(s.value[0], "10.0.2.2:3900");
	assert_string_equal(s.flag[1], "--tls-identity");

	assert_true(guest_settings_read(
	    &s, "roothash=" HASH " guest.verity=1," SALT " guest.net=dhcp", &why));
	assert_true(s.dhcp && !s.print_events && s.flags == 0 && s.init[0] == '\0');
}

static void the_least_is_needed(void **state)
{
	struct guest_settings s;
	struct why why = {""};

	(void)state;
	assert_false(guest_settings_read(&s, "", &why));
	assert_string_equal(why.text, "the command line has no roothash");
	assert_false(guest_settings_read(&s, "roothash=" HASH " guest.net=dhcp", &why));
	assert_string_equal(why.text, "the command line has no guest.verity");
	assert_false(guest_settings_read(&s, "roothash=" HASH " guest.verity=1," SALT, &why));
	assert_string_equal(why.text, "the command line has no guest.net");
}

static void what_is_refused(void **state)
{
	static const char *const refused[][2] = {
	    {"roothash=" HASH, "the command line has roothash twice"},
	    {"guest.verity=1,00", "the command line has guest.verity twice"},
	    {"guest.nets=dhcp", "the command line's guest.nets is no setting of the guest"},
	    {"guest.init", "the command line's guest.init= is not an absolute path"},
	    {"guest.init=sbin/init", "the command line's guest.init=sbin/init is not"},
	    {"guest.events=yes", "the command line's guest.events=yes is not serial"},
	    {"quote-gen.input-max", "quote-gen.input-max is no setting of the guest"},
	    {"quote-gen.=1", "is longer than"},
	    {"quote-gen.batches=1 quote-gen.batches=2", "has quote-gen.batches twice"},
	};
	static const char *const nets[] = {"",
					   "10.0.2.15",
					   "10.0.2.15/24",
					   "10.0.2.15/0,10.0.2.2",
					   "10.0.2.15/33,10.0.2.2",
					   "10.0.2.15,10.0.2.2/24",
					   "10.0.2/24,10.0.2.2",
					   "10.0.2.15/24,host",
					   "10.0.2.15/ 24,10.0.2.2"};
	static const char *const verities[] = {"105",
					       "0," SALT,
					       "-1," SALT,
					       "105,00",
					       "105," SALT "00",
					       ",," SALT,
					       "4503599627370496," SALT};
	struct guest_settings s;
	struct why why;
	char line[COMMAND_LINE_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof refused / sizeof *refused; i++) {
		snprintf(line, sizeof line, NEEDED " %s", refused[i][0]);
		assert_false(guest_settings_read(&s, line, &why));
		if (!strstr(why.text, refused[i][1]))
			fail_msg("%s: %s", refused[i][0], why.text);
	}
	for (i = 0; i < sizeof nets / sizeof *nets; i++) {
		snprintf(line, sizeof line, "guest.net=%s", nets[i]);
		assert_false(guest_settings_read(&s, line, &why));
		assert_non_null(strstr(why.text, "guest.net="));
	}
	for (i = 0; i < sizeof verities / sizeof *verities; i++) {
		snprintf(line, sizeof line, "guest.verity=%s", verities[i]);
		assert_false(guest_settings_read(&s, line, &why));
		assert_non_null(strstr(why.text, "guest.verity="));
	}
}

static void every_ceiling(void **state)
{
	struct guest_settings s;
	struct why why;
	char line[COMMAND_LINE_MAX + 1];
	size_t i, n;

	(void)state;
	memset(line, 'x', sizeof line);
	line[COMMAND_LINE_MAX] = '\0';
	assert_false(guest_settings_read(&s, line, &why));
	assert_string_equal(why.text, "the command line is longer than 2047 characters");

	n = (size_t)snprintf(line, sizeof line, NEEDED);
	for (i = 0; i < FLAGS_MAX; i++)
		n += (size_t)snprintf(line + n, sizeof line - n, " quote-gen.f%zu=v", i);
	assert_true(guest_settings_read(&s, line, &why));
	assert_int_equal(s.flags, FLAGS_MAX);
	assert_false(guest_settings_add_flag(&s, "--more", "1"));
	assert_true(guest_settings_add_flag(&s, "--f0", "another"));
	assert_string_equal(s.value[0], "v");
	snprintf(line + n, sizeof line - n, " quote-gen.more=1");
	assert_false(guest_settings_read(&s, line, &why));
	assert_string_equal(why.text, "the command line has more than 32 settings of quote-gen");
}

static void the_table_of_the_device(void **state)
{
	struct guest_settings s;
	struct why why;
	char table[TABLE_MAX], too_long[TABLE_MAX];

	(void)state;
	assert_true(guest_settings_read(&s, NEEDED, &why));
	assert_true(verity_table(table, &s, "/dev/vda2", "/dev/vda3"));
	assert_string_equal(table,
			    "1 /dev/vda2 /dev/vda3 4096 4096 105 0 sha256 "
			    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff "
			    "" SALT " 1 panic_on_corruption");
	memset(too_long, 'x', sizeof too_long - 1);
	too_long[sizeof too_long - 1] = '\0';
	assert_false(verity_table(table, &s, too_long, "/dev/vda3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_it_sets),
	    cmocka_unit_test(the_least_is_needed),
	    cmocka_unit_test(what_is_refused),
	    cmocka_unit_test(every_ceiling),
	    cmocka_unit_test(the_table_of_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
