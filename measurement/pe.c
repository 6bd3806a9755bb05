#include "measurement/pe.h"

#include "measurement/slice.h"

#include <string.h>

/* Offsets in the DOS header, the COFF header behind "PE\0\0", the optional header, a section's. */
#define PE_AT              0x3cu
#define COFF_SIZE          20u
#define COFF_MACHINE       0u
#define COFF_SECTIONS      2u
#define COFF_OPTIONAL_SIZE 16u
#define MACHINE_X86_64     0x8664u
#define OPT_MAGIC_PLUS     0x20bu
#define OPT_HEADERS_SIZE   60u
#define OPT_CHECKSUM       64u
#define OPT_DIRECTORIES    108u
#define OPT_CERTIFICATES   144u /* the fifth directory: offset and size of the certificate table */
#define OPT_SIZE_MIN       152u
#define SECTION_SIZE       40u
#define SEC_VIRTUAL_SIZE   8u
#define SEC_RAW_SIZE       16u
#define SEC_RAW            20u

struct pe {
	struct span image;
	size_t optional; /* offset of the optional header */
	uint64_t headers, certificates;
	const uint8_t *section[PE_SECTIONS_MAX]; /* their headers, in the order of their content */
	unsigned n;
};

static void sort_sections(struct pe *pe)
{
	unsigned i, k;

	for (i = 1; i < pe->n; i++)
		for (k = i;
		     k > 0 && le32(pe->section[k - 1] + SEC_RAW) > le32(pe->section[k] + SEC_RAW);
		     k--) {
			const uint8_t *other = pe->section[k];

			pe->section[k] = pe->section[k - 1];
			pe->section[k - 1] = other;
		}
}

static bool parse_optional(struct pe *pe, size_t size, struct why *why)
{
	const uint8_t *p = pe->image.p + pe->optional;

	if (size < OPT_SIZE_MIN || le16(p) != OPT_MAGIC_PLUS || le32(p + OPT_DIRECTORIES) < 5) {
		why_set(why, "the executable has no PE32+ header with a certificate directory");
		return false;
	}
	pe->headers = le32(p + OPT_HEADERS_SIZE);
	pe->certificates = le32(p + OPT_CERTIFICATES + 4);
	if (pe->headers < pe->optional + OPT_CERTIFICATES + 8 || pe->headers > pe->image.n ||
	    pe->certificates > pe->image.n) {
		why_set(why,
			"the executable's headers (%llu bytes) and certificates (%llu) do not fit "
			"into its %zu bytes",
			(unsigned long long)pe->headers, (unsigned long long)pe->certificates,
			pe->image.n);
		return false;
	}
	return true;
}

static bool parse(struct pe *pe, struct span image, struct why *why)
{
	struct span coff, table, content;
	unsigned i;

	memset(pe, 0, sizeof *pe);
	pe->image = image;
	if (image.n < PE_AT + 4 || memcmp(image.p, "MZ", 2) != 0 ||
	    !slice(&coff, image, le32(image.p + PE_AT), 4 + COFF_SIZE) ||
	    memcmp(coff.p, "PE\0", 4) != 0 || le16(coff.p + 4 + COFF_MACHINE) != MACHINE_X86_64) {
		why_set(why, "not an executable of x86-64 firmware (PE32+)");
		return false;
	}
	coff = (struct span){coff.p + 4, COFF_SIZE};
	pe->optional = (size_t)(coff.p - image.p) + COFF_SIZE;
	pe->n = le16(coff.p + COFF_SECTIONS);
	if (pe->n > PE_SECTIONS_MAX) {
		why_set(why, "the executable has %u sections; at most %u are read", pe->n,
			PE_SECTIONS_MAX);
		return false;
	}
	if (!slice(&table, image, pe->optional + le16(coff.p + COFF_OPTIONAL_SIZE),
		   pe->n * SECTION_SIZE)) {
		why_set(why, "the executable ends inside its headers");
		return false;
	}
	for (i = 0; i < pe->n; i++) {
		pe->section[i] = table.p + i * SECTION_SIZE;
		if (slice(&content, image, le32(pe->section[i] + SEC_RAW),
			  le32(pe->section[i] + SEC_RAW_SIZE)))
			continue;
		why_set(why, "section %u of the executable lies outside its %zu bytes", i + 1,
			image.n);
		return false;
	}
	sort_sections(pe);
	return parse_optional(pe, le16(coff.p + COFF_OPTIONAL_SIZE), why);
}

bool pe_authenticode(uint8_t out[DIGEST_SIZE], struct span image, struct why *why)
{
	struct digest_stream s;
	uint64_t hashed;
	struct pe pe;
	size_t at;
	unsigned i;

	if (!parse(&pe, image, why))
		return false;
	digest_start(&s);
	at = pe.optional + OPT_CHECKSUM;
	digest_add(&s, span_of(image.p, at));
	digest_add(&s, span_of(image.p + at + 4, OPT_CERTIFICATES - OPT_CHECKSUM - 4));
	at = pe.optional + OPT_CERTIFICATES + 8;
	digest_add(&s, span_of(image.p + at, (size_t)pe.headers - at));
	hashed = pe.headers;
	for (i = 0; i < pe.n; i++) {
		const uint32_t size = le32(pe.section[i] + SEC_RAW_SIZE);

		if (size)
			digest_add(&s, span_of(image.p + le32(pe.section[i] + SEC_RAW), size));
		hashed += size;
	}
	/* What stands behind the sections, but for the certificates at the very end. */
	if (image.n > hashed + pe.certificates)
		digest_add(&s,
			   span_of(image.p + hashed, (size_t)(image.n - hashed - pe.certificates)));
	digest_end(&s, out);
	if (image.n <= hashed || image.n >= hashed + pe.certificates)
		return true;
	why_set(why,
		"the executable's certificates have %llu bytes, and %llu are left behind its "
		"sections: firmware measures none such",
		(unsigned long long)pe.certificates, (unsigned long long)(image.n - hashed));
	return false;
}

/* The section of that name. Stubs differ in which of two they take, and older ones compare no more
 * of a section's name than their own has: all that start with it count. */
static const uint8_t *find_section(const struct pe *pe, const char *name, unsigned *found)
{
	const uint8_t *exact = NULL;
	const size_t n = strlen(name);
	unsigned i;

	*found = 0;
	for (i = 0; i < pe->n; i++) {
		const uint8_t *p = pe->section[i];

		if (n > 8 || memcmp(p, name, n) != 0)
			continue;
		++*found;
		if (n == 8 || p[n] == 0)
			exact = p;
	}
	return exact;
}

bool pe_has_section(struct span image, const char *name)
{
	struct pe pe;
	unsigned n = 0;

	if (parse(&pe, image, NULL))
		find_section(&pe, name, &n);
	return n > 0;
}

static bool is_named(const uint8_t *section, const char *const *names)
{
	for (; *names; names++)
		if (strncmp((const char *)section, *names, 8) == 0)
			return true;
	return false;
}

bool pe_holds(struct span image, const char *const *but, const void *bytes, size_t n)
{
	struct pe pe;
	unsigned i;

	if (!parse(&pe, image, NULL))
		return false;
	for (i = 0; i < pe.n; i++)
		if (!is_named(pe.section[i], but) &&
		    memmem(image.p + le32(pe.section[i] + SEC_RAW),
			   le32(pe.section[i] + SEC_RAW_SIZE), bytes, n))
			return true;
	return false;
}

bool pe_section(struct span *out, struct span image, const char *name, struct why *why)
{
	const uint8_t *p;
	struct pe pe;
	unsigned n;

	if (!parse(&pe, image, why))
		return false;
	p = find_section(&pe, name, &n);
	if (!p) {
		why_set(why, "the executable has no section %s: is it a unified kernel image?",
			name);
		return false;
	}
	if (n > 1) {
		why_set(why,
			"the executable has %u sections whose names start with %s; which one a "
			"stub takes is its own affair",
			n, name);
		return false;
	}
	*out = span_of(image.p + le32(p + SEC_RAW), le32(p + SEC_VIRTUAL_SIZE));
	if (out->n > 0 && out->n <= le32(p + SEC_RAW_SIZE))
		return true;
	why_set(why, "section %s has %zu bytes in memory, and %u in the file", name, out->n,
		le32(p + SEC_RAW_SIZE));
	return false;
}
