/*
 * firmware.h -- what a TD's firmware file leads to before it runs: MRTD, and the first of RTMR0.
 *
 * The file says of itself what is loaded where: the "TDVF" descriptor, found through the GUIDed
 * table at the file's end (Intel TDX Virtual Firmware Design Guide, section 11). MRTD is extended
 * by the TDX module page by page (Intel TDX Module Base Architecture Specification,
 * "TDH.MEM.PAGE.ADD", "TDH.MR.EXTEND"). The hand-off block is what QEMU writes for it
 * (hw/i386/tdvf-hob.c).
 */
#ifndef MEASUREMENT_FIRMWARE_H
#define MEASUREMENT_FIRMWARE_H

#include "encoding/why.h"
#include "measurement/digest.h"

#define FIRMWARE_SECTIONS_MAX 32u
#define FIRMWARE_BYTES_MAX    (64u * 1024u * 1024u)

enum firmware_section_type { /* TDVF Design Guide, table 11-3 */
			     SECTION_BFV,
			     SECTION_CFV,
			     SECTION_TD_HOB,
			     SECTION_TEMP_MEM,
};

#define SECTION_EXTENDS_MRTD 1u /* attributes: the content is measured */
#define SECTION_PAGE_AUG     2u /* not added before the start */

struct firmware_section {
	struct span data;          /* into the file; shorter than size where the rest is zeroes */
	uint64_t address, size;    /* in the guest; whole pages */
	uint32_t type, attributes; /* enum firmware_section_type, or another number */
};

struct firmware {
	struct firmware_section section[FIRMWARE_SECTIONS_MAX];
	size_t n;
};

/* Borrows the file's bytes. False with the sentence: no descriptor (firmware without TDX), or one
 * whose sections lie outside the file (half of a split pair: the merged file is needed). */
bool firmware_parse(struct firmware *out, struct span file, struct why *why);

/* The order in which a VMM adds and measures pages decides about MRTD. */
enum page_order {
	PAGES_ONE_PASS, /* a page is added, then measured, then the next one */
	PAGES_TWO_PASS, /* a section's pages are added, then they are measured */
};
void firmware_mrtd(uint8_t out[DIGEST_SIZE], const struct firmware *f, enum page_order order);

/* The digest of the hand-off block for a machine with so many bytes of memory. False with the
 * sentence: less memory than the sections need, or no section for the block. */
bool firmware_hob(uint8_t out[DIGEST_SIZE], const struct firmware *f, uint64_t memory,
		  struct why *why);

/* The digest of the configuration volume. False with the sentence: there is none. */
bool firmware_cfv(uint8_t out[DIGEST_SIZE], const struct firmware *f, struct why *why);

#endif
