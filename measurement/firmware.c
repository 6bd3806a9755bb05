#include "measurement/firmware.h"

#include "measurement/slice.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE            4096u
#define CHUNK           256u  /* what TDH.MR.EXTEND takes at a time */
#define FOOTER_FROM_END 0x30u /* where the GUIDed table's own GUID stands */
#define TABLE_MAX       4096u
#define HOB_MAX         4096u

/* 96B582DE-1FB2-45F7-BAEA-A366C55A082D and E47A6535-984A-4798-865E-4685A7BF8EC2 */
static const uint8_t table_guid[16] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
				       0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
static const uint8_t tdx_guid[16] = {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
				     0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2};

/* The table is read from its end: each entry's GUID, and before it the entry's length. */
static bool find_descriptor(struct span *out, struct span file)
{
	const size_t n = file.n;
	size_t at, start;

	if (n < FOOTER_FROM_END + 2 || memcmp(file.p + n - FOOTER_FROM_END, table_guid, 16) != 0)
		return false;
	at = n - FOOTER_FROM_END - 2;
	start = le16(file.p + at);
	if (start < 18 || start > TABLE_MAX || start > at + 18)
		return false;
	start = at + 18 - start;
	while (at >= start + 18) {
		const size_t length = le16(file.p + at - 18);

		if (length < 18 || length > at - start)
			return false;
		if (length >= 22 && memcmp(file.p + at - 16, tdx_guid, 16) == 0) {
			const uint32_t back = le32(file.p + at - 22);

			return back <= n && slice(out, file, n - back, 16) &&
			       memcmp(out->p, "TDVF", 4) == 0;
		}
		at -= length;
	}
	return false;
}

static bool read_section(struct firmware_section *s, const uint8_t *p, struct span file,
			 size_t number, struct why *why)
{
	const uint64_t offset = le32(p), size = le32(p + 4);

	s->address = le64(p + 8);
	s->size = le64(p + 16);
	s->type = le32(p + 24);
	s->attributes = le32(p + 28);
	if (!slice(&s->data, file, offset, size)) {
		why_set(why,
			"section %zu of the firmware's TDVF descriptor is at %" PRIu64 "..%" PRIu64
			" of a file "
			"of %zu bytes: is this "
			"half of a split pair? The merged file is needed",
			number, offset, (offset + size), file.n);
		return false;
	}
	if (s->address % PAGE || s->size % PAGE || s->size < size || s->size > FIRMWARE_BYTES_MAX ||
	    s->address > UINT64_MAX - s->size) {
		why_set(why,
			"section %zu of the firmware's TDVF descriptor takes %" PRIu64
			" bytes at 0x%" PRIx64 " "
			"for %" PRIu64 " in the file; whole "
			"pages, up to %u bytes, are wanted",
			number, s->size, s->address, size, FIRMWARE_BYTES_MAX);
		return false;
	}
	return true;
}

bool firmware_parse(struct firmware *out, struct span file, struct why *why)
{
	struct span head, table;
	size_t i;

	memset(out, 0, sizeof *out);
	if (file.n > FIRMWARE_BYTES_MAX || !find_descriptor(&head, file)) {
		why_set(why, "the file has no TDVF descriptor: it is no firmware that starts a TD");
		return false;
	}
	out->n = le32(head.p + 12);
	if (out->n < 1 || out->n > FIRMWARE_SECTIONS_MAX ||
	    !slice(&table, file, (uint64_t)(head.p - file.p) + 16, 32 * (uint64_t)out->n)) {
		why_set(why, "the firmware's TDVF descriptor names %zu sections; 1 to %u are read",
			out->n, FIRMWARE_SECTIONS_MAX);
		return false;
	}
	for (i = 0; i < out->n; i++)
		if (!read_section(&out->section[i], table.p + 32 * i, file, i + 1, why))
			return false;
	return true;
}

/* ---- MRTD ---- */

/* The 128 bytes that stand for one call of the TDX module. */
static void add_call(struct digest_stream *s, const char *name, uint64_t address)
{
	uint8_t call[128] = {0};

	memcpy(call, name, strlen(name));
	put_le64(call + 16, address);
	digest_add(s, span_of(call, sizeof call));
}

static void measure_page(struct digest_stream *s, const struct firmware_section *section,
			 uint64_t at)
{
	uint8_t chunk[CHUNK];
	uint64_t k;

	for (k = at; k < at + PAGE; k += CHUNK) {
		const uint64_t there = k < section->data.n ? section->data.n - k : 0;

		memset(chunk, 0, sizeof chunk);
		if (there)
			memcpy(chunk, section->data.p + k, there < CHUNK ? (size_t)there : CHUNK);
		add_call(s, "MR.EXTEND", section->address + k);
		digest_add(s, span_of(chunk, CHUNK));
	}
}

void firmware_mrtd(uint8_t out[DIGEST_SIZE], const struct firmware *f, enum page_order order)
{
	struct digest_stream s;
	uint64_t at;
	size_t i;

	digest_start(&s);
	for (i = 0; i < f->n; i++) {
		const struct firmware_section *section = &f->section[i];
		const bool extends = section->attributes & SECTION_EXTENDS_MRTD;

		for (at = 0; at < section->size; at += PAGE) {
			if (!(section->attributes & SECTION_PAGE_AUG))
				add_call(&s, "MEM.PAGE.ADD", section->address + at);
			if (extends && order == PAGES_ONE_PASS)
				measure_page(&s, section, at);
		}
		for (at = 0; extends && order == PAGES_TWO_PASS && at < section->size; at += PAGE)
			measure_page(&s, section, at);
	}
	digest_end(&s, out);
}

/* ---- the hand-off block ---- */

#define HOB_HANDOFF      1u
#define HOB_RESOURCE     3u
#define HOB_HEADER_SIZE  8u
#define HOB_HANDOFF_SIZE 56u
#define HOB_VERSION      9u
#define SYSTEM_MEMORY    0u
#define UNACCEPTED       7u
#define PRESENT          7u /* present, initialised, tested */
/* q35 puts what is above under 4 GiB in one piece only below this much memory. */
#define LOW_MEMORY_MAX 0xb0000000ull
#define LOW_MEMORY     0x80000000ull
#define HIGH_MEMORY_AT 0x100000000ull

static bool add_resource(struct buf *hob, uint32_t type, uint64_t start, uint64_t length)
{
	uint8_t r[48] = {0};

	put_le32(r, HOB_RESOURCE | (uint32_t)sizeof r << 16);
	put_le32(r + 24, type);
	put_le32(r + 28, PRESENT);
	put_le64(r + 32, start);
	put_le64(r + 40, length);
	return buf_add(hob, r, sizeof r);
}

static int by_address(const void *a, const void *b)
{
	const struct firmware_section *const *x = a, *const *y = b;

	return (*x)->address < (*y)->address ? -1 : (*x)->address > (*y)->address;
}

/* What the VMM has accepted for the firmware before the start, and all that lies between. */
static bool add_low_memory(struct buf *hob, const struct firmware *f, uint64_t low, struct why *why)
{
	const struct firmware_section *accepted[FIRMWARE_SECTIONS_MAX];
	uint64_t at = 0;
	size_t i, n = 0;

	for (i = 0; i < f->n; i++)
		if (f->section[i].type == SECTION_TD_HOB || f->section[i].type == SECTION_TEMP_MEM)
			accepted[n++] = &f->section[i];
	qsort(accepted, n, sizeof *accepted, by_address);
	for (i = 0; i < n; i++) {
		const struct firmware_section *s = accepted[i];

		if (s->address < at || s->address > low || s->size > low - s->address) {
			why_set(why,
				"the firmware takes memory at 0x%" PRIx64 "..0x%" PRIx64
				", which a machine with "
				"0x%" PRIx64 " bytes below "
				"4 GiB has not, or has given away",
				s->address, (s->address + s->size), low);
			return false;
		}
		if ((s->address > at && !add_resource(hob, UNACCEPTED, at, s->address - at)) ||
		    !add_resource(hob, SYSTEM_MEMORY, s->address, s->size))
			return false;
		at = s->address + s->size;
	}
	return at == low || add_resource(hob, UNACCEPTED, at, low - at);
}

bool firmware_hob(uint8_t out[DIGEST_SIZE], const struct firmware *f, uint64_t memory,
		  struct why *why)
{
	const uint64_t low = memory < LOW_MEMORY_MAX ? memory : LOW_MEMORY;
	uint8_t handoff[HOB_HANDOFF_SIZE] = {0};
	struct buf hob;
	size_t i = 0;
	bool ok;

	while (i < f->n && f->section[i].type != SECTION_TD_HOB)
		i++;
	if (i == f->n) {
		why_set(why, "the firmware has no section for a hand-off block (TD HOB)");
		return false;
	}
	buf_init(&hob, HOB_MAX);
	put_le32(handoff, HOB_HANDOFF | HOB_HANDOFF_SIZE << 16);
	put_le32(handoff + 8, HOB_VERSION);
	ok = buf_add(&hob, handoff, sizeof handoff) && add_low_memory(&hob, f, low, why) &&
	     (memory == low || add_resource(&hob, UNACCEPTED, HIGH_MEMORY_AT, memory - low));
	if (ok) {
		/* The end mark is counted, and not measured. */
		put_le64(hob.p + 48, f->section[i].address + hob.len + HOB_HEADER_SIZE);
		digest_of(out, buf_span(&hob));
	}
	buf_free(&hob);
	return ok;
}

bool firmware_cfv(uint8_t out[DIGEST_SIZE], const struct firmware *f, struct why *why)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (f->section[i].type == SECTION_CFV) {
			digest_of(out, f->section[i].data);
			return true;
		}
	why_set(why, "the firmware has no configuration volume (CFV)");
	return false;
}
