#include "guest/uki/uki.h"

#include "encoding/endian.h"

#include <string.h>

/* Microsoft's PE format: offsets within the COFF header, the optional header, a section's header.
 */
#define DOS_PE_AT        0x3c
#define COFF_SIZE        20
#define COFF_SECTIONS    2
#define COFF_TIME        4
#define COFF_SYMBOLS     8
#define COFF_SYMBOLS_N   12
#define COFF_OPTIONAL    16
#define OPT_MAGIC        0
#define OPT_INIT_DATA    8
#define OPT_ALIGN        32
#define OPT_FILE_ALIGN   36
#define OPT_IMAGE_SIZE   56
#define OPT_HEADERS_SIZE 60
#define OPT_CHECKSUM     64
#define OPT_SIZE_MIN     112
#define PE32_PLUS        0x20b
#define SECTION_SIZE     40
#define SEC_VIRTUAL_SIZE 8
#define SEC_VIRTUAL      12
#define SEC_RAW_SIZE     16
#define SEC_RAW          20
#define SEC_FLAGS        36
#define INITIALIZED_READ 0x40000040u /* IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ */
#define PAGE             4096

struct image {
	size_t coff, optional, sections; /* where these stand */
	uint16_t n;
	uint32_t align, file_align, headers_size;
	uint64_t memory_end, file_end;
};

static uint64_t up(uint64_t n, uint32_t align)
{
	return (n + align - 1) / align * align;
}

static bool is_power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* Where the headers are, and where memory and file end, of all sections. */
static bool read_stub(struct image *m, struct span stub, struct why *why)
{
	const uint8_t *optional, *section;
	uint16_t i, optional_size;

	memset(m, 0, sizeof *m);
	if (stub.n < DOS_PE_AT + 4 || memcmp(stub.p, "MZ", 2) != 0)
		goto none;
	m->coff = (size_t)le32(stub.p + DOS_PE_AT) + 4;
	if (m->coff + COFF_SIZE + OPT_SIZE_MIN > stub.n ||
	    memcmp(stub.p + m->coff - 4, "PE\0", 4) != 0)
		goto none;
	m->n = le16(stub.p + m->coff + COFF_SECTIONS);
	optional_size = le16(stub.p + m->coff + COFF_OPTIONAL);
	m->optional = m->coff + COFF_SIZE;
	m->sections = m->optional + optional_size;
	optional = stub.p + m->optional;
	m->align = le32(optional + OPT_ALIGN);
	m->file_align = le32(optional + OPT_FILE_ALIGN);
	m->headers_size = le32(optional + OPT_HEADERS_SIZE);
	if (le16(optional + OPT_MAGIC) != PE32_PLUS || optional_size < OPT_SIZE_MIN ||
	    !is_power_of_two(m->align) || !is_power_of_two(m->file_align) ||
	    m->align > (1u << 20) || m->file_align > PAGE || m->headers_size > stub.n ||
	    m->sections + (size_t)m->n * SECTION_SIZE > m->headers_size)
		goto none;
	m->align = m->align < PAGE ? PAGE : m->align;
	for (i = 0; i < m->n; i++) {
		uint64_t memory, file;

		section = stub.p + m->sections + (size_t)i * SECTION_SIZE;
		memory = (uint64_t)le32(section + SEC_VIRTUAL) + le32(section + SEC_VIRTUAL_SIZE);
		file = (uint64_t)le32(section + SEC_RAW) + le32(section + SEC_RAW_SIZE);
		m->memory_end = memory > m->memory_end ? memory : m->memory_end;
		m->file_end = file > m->file_end ? file : m->file_end;
	}
	if (m->file_end < m->headers_size || m->file_end > stub.n)
		goto none;
	return true;
none:
	why_set(why, "the stub is no whole PE32+ program");
	return false;
}

static bool has_section(struct span stub, const struct image *m, const char *name)
{
	char padded[9] = "";
	uint16_t i;

	memcpy(padded, name, strnlen(name, 8));
	for (i = 0; i < m->n; i++)
		if (memcmp(stub.p + m->sections + (size_t)i * SECTION_SIZE, padded, 8) == 0)
			return true;
	return false;
}

static bool check_sections(struct span stub, const struct image *m,
			   const struct uki_section *sections, size_t n, struct why *why)
{
	size_t i, j;

	if (n > UKI_SECTIONS_MAX || m->sections + (m->n + n) * SECTION_SIZE > m->headers_size) {
		why_set(why, "the stub has no room for the headers of %zu sections", n);
		return false;
	}
	for (i = 0; i < n; i++) {
		bool twice = has_section(stub, m, sections[i].name);

		for (j = 0; j < i; j++)
			twice = twice || strcmp(sections[i].name, sections[j].name) == 0;
		if (twice || strlen(sections[i].name) > 8 || sections[i].data.n == 0 ||
		    sections[i].data.n > UKI_MAX) {
			why_set(why,
				"the section \"%.20s\" is there already, empty, too large, or its "
				"name too long",
				sections[i].name);
			return false;
		}
	}
	return true;
}

/* Zeros up to that length. */
static bool pad(struct buf *out, uint64_t to)
{
	static const uint8_t zeros[PAGE];

	while (out->len < to) {
		uint64_t n = to - out->len;

		if (!buf_add(out, zeros, n < PAGE ? (size_t)n : PAGE))
			return false;
	}
	return true;
}

static bool append(struct buf *out, struct image *m, const struct uki_section *s)
{
	uint64_t at = up(m->memory_end, m->align), file = up(m->file_end, m->file_align);
	uint64_t raw = up(s->data.n, m->file_align);
	uint8_t *header = out->p + m->sections + (size_t)m->n * SECTION_SIZE;

	if (at + raw > UINT32_MAX || file + raw > UINT32_MAX)
		return false;
	memset(header, 0, SECTION_SIZE);
	memcpy(header, s->name, strlen(s->name));
	put_le32(header + SEC_VIRTUAL_SIZE, (uint32_t)s->data.n);
	put_le32(header + SEC_VIRTUAL, at);
	put_le32(header + SEC_RAW_SIZE, raw);
	put_le32(header + SEC_RAW, file);
	put_le32(header + SEC_FLAGS, INITIALIZED_READ);
	m->n++;
	m->memory_end = at + s->data.n;
	m->file_end = file + raw;
	return pad(out, file) && buf_add(out, s->data.p, s->data.n) && pad(out, m->file_end);
}

bool uki_make(struct buf *out, struct span stub, const struct uki_section *sections, size_t n,
	      struct why *why)
{
	struct image m;
	uint64_t data = 0;
	uint8_t *optional;
	size_t i;

	if (!read_stub(&m, stub, why) || !check_sections(stub, &m, sections, n, why))
		return false;
	if (!buf_add(out, stub.p, (size_t)m.file_end))
		goto too_long;
	for (i = 0; i < n; i++) {
		data += up(sections[i].data.n, m.file_align);
		if (!append(out, &m, &sections[i]))
			goto too_long;
	}
	out->p[m.coff + COFF_SECTIONS] = (uint8_t)m.n;
	out->p[m.coff + COFF_SECTIONS + 1] = (uint8_t)(m.n >> 8);
	put_le32(out->p + m.coff + COFF_TIME, 0);
	put_le32(out->p + m.coff + COFF_SYMBOLS, 0);
	put_le32(out->p + m.coff + COFF_SYMBOLS_N, 0);
	optional = out->p + m.optional;
	put_le32(optional + OPT_INIT_DATA, le32(optional + OPT_INIT_DATA) + data);
	put_le32(optional + OPT_IMAGE_SIZE, up(m.memory_end, m.align));
	put_le32(optional + OPT_CHECKSUM, 0);
	return true;
too_long:
	why_set(why, "the image would be longer than %zu bytes", out->max);
	return false;
}
