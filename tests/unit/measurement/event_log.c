/* Event logs: made here, and real ones of ../shared/vectors/guest where they are. */
#include "measurement/event_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct buf bytes;
static struct event_log entry;

static void put32(uint32_t v)
{
	const uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
			      (uint8_t)(v >> 24)};

	assert_true(buf_add(&bytes, b, 4));
}

static void put16(uint16_t v)
{
	const uint8_t b[2] = {(uint8_t)v, (uint8_t)(v >> 8)};

	assert_true(buf_add(&bytes, b, 2));
}

/* The first record; algorithm 0 is left out. */
static void begin(uint16_t first, uint16_t second)
{
	static const uint8_t zero[20];
	const uint32_t n = 1 + (second != 0);

	buf_free(&bytes);
	buf_init(&bytes, 1 << 20);
	put32(0);
	put32(EVENT_NO_ACTION);
	buf_add(&bytes, zero, 20);
	put32(28 + 4 * n + 1);
	buf_add(&bytes, "Spec ID Event03", 16);
	put32(0);
	put32(0x02000200);
	put32(n);
	put16(first);
	put16(first == 0x0c ? 48 : 32);
	if (second) {
		put16(second);
		put16(second == 0x0c ? 48 : 32);
	}
	buf_add(&bytes, zero, 1);
}

static void put_digest(uint16_t algorithm, const void *data, size_t n)
{
	uint8_t digest[DIGEST_SIZE];

	digest_of(digest, span_of(data, n));
	put16(algorithm);
	buf_add(&bytes, digest, algorithm == 0x0c ? 48 : 32);
}

static void put_event(uint32_t reg, uint32_t type, const void *data, size_t n)
{
	put32(reg);
	put32(type);
	put32(1);
	put_digest(0x0c, data, n);
	put32((uint32_t)n);
	buf_add(&bytes, data, n);
}

static void a_small_log(void)
{
	static const char cmdline[] = "c\0o\0n\0s\0o\0l\0e\0\0"; /* and the NUL of the literal */

	begin(0x0c, 0);
	put_event(1, EVENT_SEPARATOR, "\0\0\0\0", 4);
	put_event(2, (uint32_t)EVENT_EFI_ACTION, "Calling EFI Application from Boot Option", 40);
	put_event(0, EVENT_NO_ACTION, "a remark", 8);
	put_event(2, (uint32_t)EVENT_EFI_ACTION, "Exit Boot Services Invocation", 29);
	put_event(3, EVENT_IPL, cmdline, sizeof cmdline);
}

static void parse(void)
{
	struct why why = {""};

	event_log_free(&entry);
	if (!event_log_parse(&entry, EVENT_LOG_TD, buf_span(&bytes), &why))
		fail_msg("%s", why.text);
}

static void refused(enum event_log_kind kind, struct span log, const char *words)
{
	struct event_log out;
	struct why why = {""};

	assert_false(event_log_parse(&out, kind, log, &why));
	assert_null(out.events);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
}

static void events_are_replayed_in_order(void **state)
{
	uint8_t want[RTMR_COUNT][DIGEST_SIZE] = {{0}}, got[RTMR_COUNT][DIGEST_SIZE], d[DIGEST_SIZE];

	(void)state;
	a_small_log();
	parse();
	assert_int_equal(entry.n, 4); /* a remark extends nothing */
	digest_of(d, span_of("\0\0\0\0", 4));
	digest_extend(want[0], d);
	digest_of(d, span_of("Calling EFI Application from Boot Option", 40));
	digest_extend(want[1], d);
	digest_of(d, span_of("Exit Boot Services Invocation", 29));
	digest_extend(want[1], d);
	digest_of(d, entry.events[3].data);
	digest_extend(want[2], d);
	event_log_replay(&entry, got);
	assert_memory_equal(got, want, sizeof want);
}

static void what_firmware_leaves_behind_ends_the_log(void **state)
{
	uint8_t pad[64];

	(void)state;
	memset(pad, 0xff, sizeof pad);
	a_small_log();
	buf_add(&bytes, pad, sizeof pad);
	parse();
	assert_int_equal(entry.n, 4);
	memset(pad, 0, sizeof pad);
	a_small_log();
	buf_add(&bytes, pad, sizeof pad);
	parse();
	assert_int_equal(entry.n, 4);
}

static void other_digests_beside_ours_are_passed_over(void **state)
{
	uint8_t d[DIGEST_SIZE];

	(void)state;
	begin(0x0b, 0x0c);
	put32(1);
	put32(EVENT_SEPARATOR);
	put32(2);
	put_digest(0x0b, "x", 1);
	put_digest(0x0c, "x", 1);
	put32(0);
	parse();
	assert_int_equal(entry.n, 1);
	digest_of(d, span_of("x", 1));
	assert_memory_equal(entry.events[0].digest, d, sizeof d);
}

static void a_tpm_s_registers_take_their_places(void **state)
{
	static const int place[] = {EVENT_OF_MRTD,
				    0,
				    1,
				    1,
				    1,
				    1,
				    1,
				    0,
				    2,
				    2,
				    2,
				    EVENT_OF_TPM_ALONE,
				    EVENT_OF_TPM_ALONE,
				    EVENT_OF_TPM_ALONE,
				    2,
				    2};
	unsigned pcr;

	(void)state;
	begin(0x0c, 0);
	for (pcr = 0; pcr < 16; pcr++)
		put_event(pcr, EVENT_POST_CODE, "x", 1);
	put_event(2, EVENT_SEPARATOR, "x", 1);
	put_event(3, EVENT_SEPARATOR, "x", 1);
	event_log_free(&entry);
	assert_true(event_log_parse(&entry, EVENT_LOG_TPM, buf_span(&bytes), NULL));
	for (pcr = 0; pcr < 16; pcr++) {
		assert_int_equal(entry.events[pcr].rtmr, place[pcr]);
		assert_int_equal(entry.events[pcr].pcr, pcr);
	}
	/* One separator a register. */
	assert_int_equal(entry.events[16].rtmr, 1);
	assert_int_equal(entry.events[17].rtmr, EVENT_OF_TPM_ALONE);
	refused(EVENT_LOG_TD, buf_span(&bytes), "is it a TPM's log?");
}

static void what_is_no_log_is_said(void **state)
{
	size_t n;

	(void)state;
	refused(EVENT_LOG_TD, span_of("", 0), "not an event log");
	begin(0x0b, 0);
	refused(EVENT_LOG_TD, buf_span(&bytes), "no SHA-384");
	begin(0x0c, 0);
	put_event(5, EVENT_SEPARATOR, "x", 1);
	refused(EVENT_LOG_TD, buf_span(&bytes),
		"event 1 of the log is for register 5; the last one is 4");
	begin(0x0c, 0);
	put32(1);
	put32(EVENT_SEPARATOR);
	put32(1);
	put_digest(0x0b, "x", 1);
	put32(0);
	refused(EVENT_LOG_TD, buf_span(&bytes), "algorithm 0x000b");
	begin(0x0c, 0);
	put32(1);
	put32(EVENT_SEPARATOR);
	put32(0);
	put32(0);
	refused(EVENT_LOG_TD, buf_span(&bytes), "event 1 of the log has no SHA-384 digest");
	/* Every length that cuts the last record. */
	a_small_log();
	for (n = bytes.len - 1; n > bytes.len - 80; n--)
		refused(EVENT_LOG_TD, span_of(bytes.p, n), "ends inside");
	/* The ceilings. */
	begin(0x0c, 0);
	for (n = 0; n <= EVENT_LOG_MAX; n++)
		put_event(1, EVENT_SEPARATOR, "", 0);
	refused(EVENT_LOG_TD, buf_span(&bytes), "more than 4096 events");
	refused(EVENT_LOG_TD, span_of(bytes.p, EVENT_LOG_BYTES_MAX + 1u),
		"at most 4194304 are read");
}

static struct register_difference against(size_t left_out, size_t twice, size_t stop)
{
	uint8_t value[DIGEST_SIZE] = {0};
	size_t i;

	for (i = 0; i < entry.n && i < stop; i++) {
		if (entry.events[i].rtmr != 1 || i == left_out)
			continue;
		digest_extend(value, entry.events[i].digest);
		if (i == twice)
			digest_extend(value, entry.events[i].digest);
	}
	return event_log_compare(&entry, 1, value);
}

static void a_value_that_differs_is_explained(void **state)
{
	static const uint8_t other[DIGEST_SIZE] = {1};
	struct register_difference d;
	int i;

	(void)state;
	begin(0x0c, 0);
	for (i = 0; i < 5; i++)
		put_event(2, EVENT_SEPARATOR, &i, sizeof i);
	parse();
	assert_int_equal(against(99, 99, 99).match, REGISTER_SAME);
	d = against(99, 99, 3);
	assert_int_equal(d.match, REGISTER_STOPPED_BEFORE);
	assert_int_equal(d.event, 3);
	d = against(2, 99, 99);
	assert_int_equal(d.match, REGISTER_WITHOUT);
	assert_int_equal(d.event, 2);
	d = against(99, 1, 99);
	assert_int_equal(d.match, REGISTER_TWICE);
	assert_int_equal(d.event, 1);
	d = event_log_compare(&entry, 1, other);
	assert_int_equal(d.match, REGISTER_OTHER);
	assert_int_equal(d.event, 0);
	d = event_log_compare(&entry, 3, other);
	assert_int_equal(d.match, REGISTER_OTHER);
	assert_int_equal(d.event, entry.n);
}

static void two_logs_part_at_their_first_difference(void **state)
{
	struct event_log a;
	struct buf kept;
	size_t i, k;

	(void)state;
	a_small_log();
	kept = bytes;
	memset(&bytes, 0, sizeof bytes);
	assert_true(event_log_parse(&a, EVENT_LOG_TD, buf_span(&kept), NULL));
	begin(0x0c, 0);
	put_event(1, EVENT_SEPARATOR, "\0\0\0\0", 4);
	put_event(3, EVENT_IPL, "x", 1);
	put_event(2, (uint32_t)EVENT_EFI_ACTION, "Calling EFI Application from Boot Option", 40);
	parse();
	assert_false(event_log_first_difference(&i, &k, &a, &entry, 0));
	assert_true(event_log_first_difference(&i, &k, &a, &entry, 1));
	assert_int_equal(i, 2);
	assert_int_equal(k, entry.n);
	assert_true(event_log_first_difference(&i, &k, &a, &entry, 2));
	assert_int_equal(i, 3);
	assert_int_equal(k, 1);
	event_log_free(&a);
	buf_free(&kept);
}

static void events_are_told_in_words(void **state)
{
	char words[EVENT_WORDS_SIZE];

	(void)state;
	a_small_log();
	put_event(3, EVENT_IPL, "kernel_cmdline: root=\033[2J", 24);
	put_event(3, 0x12345678, "", 0);
	parse();
	event_words(words, sizeof words, &entry.events[1]);
	assert_string_equal(words, "the step \"Calling EFI Application from Boot Option\"");
	event_words(words, sizeof words, &entry.events[3]);
	assert_string_equal(words, "the command line \"console\"");
	event_words(words, sizeof words, &entry.events[4]);
	assert_string_equal(words, "the command line \"root=?[2\"");
	event_words(words, sizeof words, &entry.events[5]);
	assert_string_equal(words, "an event of type 0x12345678");
}

/* Real logs, with the first bytes of what they lead to. */
static const struct real {
	const char *name;
	size_t events;
	const char *rtmr[RTMR_COUNT];
} real[] = {
    {"gt_ccel_data.dat",
     43,
     {"3fa2f61f395b7f5f", "f62dbc072bd5d3f3", "4969684dc87381fc", "0000000000000000"}},
    {"coco_CCEL_data_ovmf",
     20,
     {"8566f998798db094", "775b9f6bfe99f8a3", "94eaf7a7bf398ed8", "0000000000000000"}},
    {"coco_CCEL_data_grub",
     37,
     {"cec0a104f691f60d", "6c289e0c62182d41", "08919d017ba0e52c", "0000000000000000"}},
    {"coco_CCEL_data_gcp",
     21,
     {"3300980705adf09d", "204d49f78d29918f", "0000000000000000", "0000000000000000"}},
    {"ge_CCEL_unpadded.data.bin",
     19,
     {"8083cd6898cc52a9", "6484f0d72c03521c", "c3e7ed9d7e909b29", "0000000000000000"}},
    {"ge_cos-113-intel-tdx-dupe-separator-unpadded.bin",
     43,
     {"a4de2df23e961129", "0ee9366c928a7709", "4969684dc87381fc", "0000000000000000"}},
    {"ge_event_log.bin",
     27,
     {"f68df15175d7c810", "8adfd9a44e117252", "0000000000000000", "0000000000000000"}},
};

static bool read_vector(struct buf *out, const char *name)
{
	const char *dir = getenv("VECTORS_DIR");
	char path[4096];
	uint8_t block[65536];
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, "%s/guest/%s", dir && *dir ? dir : "../shared/vectors", name);
	f = fopen(path, "rb");
	if (!f)
		return false;
	buf_free(out);
	buf_init(out, EVENT_LOG_BYTES_MAX);
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		assert_true(buf_add(out, block, n));
	fclose(f);
	return true;
}

static void real_logs_lead_to_what_was_recorded(void **state)
{
	uint8_t rtmr[RTMR_COUNT][DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof real / sizeof *real; i++) {
		if (!read_vector(&bytes, real[i].name)) {
			print_message("SKIP: no real event logs (guest/%s)\n", real[i].name);
			skip();
		}
		parse();
		assert_int_equal(entry.n, real[i].events);
		event_log_replay(&entry, rtmr);
		for (k = 0; k < RTMR_COUNT; k++) {
			hex_encode(hex, rtmr[k], DIGEST_SIZE);
			assert_memory_equal(hex, real[i].rtmr[k], 16);
		}
		buf_free(&bytes);
	}
}

static int clean(void **state)
{
	(void)state;
	event_log_free(&entry);
	buf_free(&bytes);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(events_are_replayed_in_order),
	    cmocka_unit_test(what_firmware_leaves_behind_ends_the_log),
	    cmocka_unit_test(other_digests_beside_ours_are_passed_over),
	    cmocka_unit_test(a_tpm_s_registers_take_their_places),
	    cmocka_unit_test(what_is_no_log_is_said),
	    cmocka_unit_test(a_value_that_differs_is_explained),
	    cmocka_unit_test(two_logs_part_at_their_first_difference),
	    cmocka_unit_test(events_are_told_in_words),
	    cmocka_unit_test(real_logs_lead_to_what_was_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, clean);
}
