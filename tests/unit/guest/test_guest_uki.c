/* Sections appended to a small PE program of our own, and stubs that are refused. */
#include "guest/uki/uki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PE       0x80
#define COFF     (PE + 4)
#define OPTIONAL (COFF + 20)
#define SECTIONS (OPTIONAL + 112)
#define HEADERS  0x400
#define STUB     0x600

static void put(uint8_t *p, uint32_t v, int n)
{
	for (; n > 0; n--, v >>= 8)
		*p++ = (uint8_t)v;
}

static uint32_t get(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* One section, ".text", of 0x200 bytes at 0x1000. */
static void a_stub(uint8_t out[STUB])
{
	memset(out, 0, STUB);
	memcpy(out, "MZ", 2);
	put(out + 0x3c, PE, 4);
	memcpy(out + PE, "PE\0", 4);
	put(out + COFF + 2, 1, 2);
	put(out + COFF + 4, 0x12345678, 4); /* time */
	put(out + COFF + 8, 0x500, 4);      /* symbols */
	put(out + COFF + 12, 9, 4);
	put(out + COFF + 16, 112, 2);
	put(out + OPTIONAL, 0x20b, 2);
	put(out + OPTIONAL + 32, 0x1000, 4);
	put(out + OPTIONAL + 36, 0x200, 4);
	put(out + OPTIONAL + 56, 0x2000, 4);
	put(out + OPTIONAL + 60, HEADERS, 4);
	put(out + OPTIONAL + 64, 0xabcdef, 4); /* checksum */
	memcpy(out + SECTIONS, ".text\0\0", 8);
	put(out + SECTIONS + 8, 0x1f0, 4);
	put(out + SECTIONS + 12, 0x1000, 4);
	put(out + SECTIONS + 16, 0x200, 4);
	put(out + SECTIONS + 20, HEADERS, 4);
}

static bool make(struct buf *out, const uint8_t *stub, size_t n, const struct uki_section *s,
		 size_t sections, struct why *why)
{
	buf_init(out, UKI_MAX);
	return uki_make(out, span_of(stub, n), s, sections, why);
}

static void sections_are_appended(void **state)
{
	uint8_t stub[STUB];
	char kernel[5000];
	const struct uki_section s[] = {{".cmdline", span_of("console", 7)},
					{".linux", span_of(kernel, sizeof kernel)}};
	const uint8_t *header;
	struct why why = {""};
	struct buf a, b;

	(void)state;
	a_stub(stub);
	memset(kernel, 'k', sizeof kernel);
	assert_true(make(&a, stub, sizeof stub, s, 2, &why));
	assert_int_equal(a.len, 0x600 + 0x200 + 0x1400);
	assert_int_equal(get(a.p + COFF + 2) & 0xffff, 3);
	assert_int_equal(get(a.p + COFF + 4), 0); /* time */
	assert_int_equal(get(a.p + COFF + 8), 0);
	assert_int_equal(get(a.p + COFF + 12), 0);
	assert_int_equal(get(a.p + OPTIONAL + 64), 0);
	assert_int_equal(get(a.p + OPTIONAL + 56), 0x5000);
	header = a.p + SECTIONS + 40;
	assert_memory_equal(header, ".cmdline", 8);
	assert_int_equal(get(header + 8), 7);
	assert_int_equal(get(header + 12), 0x2000);
	assert_int_equal(get(header + 20), 0x600);
	assert_memory_equal(a.p + 0x600, "console\0", 8);
	header += 40;
	assert_int_equal(get(header + 8), sizeof kernel);
	assert_int_equal(get(header + 12), 0x3000);
	assert_int_equal(get(header + 20), 0x800);
	assert_memory_equal(a.p + 0x800, kernel, sizeof kernel);
	/* Time and checksum of the stub are not in it. */
	put(stub + COFF + 4, 1, 4);
	put(stub + OPTIONAL + 64, 1, 4);
	assert_true(make(&b, stub, sizeof stub, s, 2, &why));
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.p, b.p, a.len);
	buf_free(&a);
	buf_free(&b);
}

static void what_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
		int n;
	} broken[] = {{0, 0, 2},
		      {0x3c, 0xfffffff0, 4},
		      {PE, 0, 4},
		      {OPTIONAL, 0x10b, 2},
		      {COFF + 2, 0xffff, 2},
		      {COFF + 16, 0xffff, 2},
		      {OPTIONAL + 32, 0, 4},
		      {OPTIONAL + 32, 0x1001, 4},
		      {OPTIONAL + 36, 0, 4},
		      {OPTIONAL + 60, 0x10000, 4},
		      {SECTIONS + 16, 0x10000, 4},
		      {SECTIONS + 20, 0xffffff00, 4}};
	const struct uki_section one = {".linux", span_of("k", 1)};
	const struct uki_section bad[][2] = {{one, one},
					     {one, {".text", span_of("k", 1)}},
					     {one, {".toolonganame", span_of("k", 1)}},
					     {one, {".initrd", span_of("", 0)}}};
	struct uki_section many[UKI_SECTIONS_MAX];
	char names[UKI_SECTIONS_MAX][9];
	uint8_t stub[STUB];
	struct why why;
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof broken / sizeof *broken; i++) {
		a_stub(stub);
		put(stub + broken[i].at, broken[i].value, broken[i].n);
		assert_false(make(&out, stub, sizeof stub, &one, 1, &why));
		assert_string_equal(why.text, "the stub is no whole PE32+ program");
		buf_free(&out);
	}
	a_stub(stub);
	for (i = 0; i < sizeof stub; i++) { /* cut anywhere */
		uint8_t *cut = malloc(i ? i : 1);

		assert_non_null(cut);
		memcpy(cut, stub, i);
		assert_false(make(&out, cut, i, &one, 1, &why));
		buf_free(&out);
		free(cut);
	}
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(make(&out, stub, sizeof stub, bad[i], 2, &why));
		assert_non_null(strstr(why.text, bad[i][1].name));
		buf_free(&out);
	}
	put(stub + OPTIONAL + 60, SECTIONS + 40 * UKI_SECTIONS_MAX, 4);
	for (i = 0; i < UKI_SECTIONS_MAX; i++) {
		snprintf(names[i], sizeof names[i], ".s%zu", i);
		many[i] = (struct uki_section){names[i], span_of("x", 1)};
	}
	assert_false(make(&out, stub, sizeof stub, many, UKI_SECTIONS_MAX, &why));
	assert_string_equal(why.text, "the stub has no room for the headers of 8 sections");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sections_are_appended),
	    cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
