/*
 * uki.h -- a unified kernel image: systemd's stub, with sections appended that it looks for.
 *
 * The bytes follow from the stub and the sections alone: time stamp and checksum are zero, the
 * stub's symbols are left out. https://uapi-group.org/specifications/specs/unified_kernel_image/
 */
#ifndef GUEST_UKI_UKI_H
#define GUEST_UKI_UKI_H

#include "encoding/bytes.h"
#include "encoding/why.h"

#define UKI_MAX          (1u << 30) /* bytes */
#define UKI_SECTIONS_MAX 8

struct uki_section {
	const char *name; /* ".cmdline", at most 8 characters */
	struct span data;
};

/* Appends the image to out (empty; ceiling: at least UKI_MAX): each section in the order given, on
 * pages of its own. False with the sentence: the stub is no PE32+ program, or has no room for
 * further headers, or has a section of that name. */
bool uki_make(struct buf *out, struct span stub, const struct uki_section *sections, size_t n,
	      struct why *why);

#endif
