/*
 * pe.h -- executables of firmware: what is measured of one, and its sections.
 *
 * Microsoft "PE Format"; the hash is that of "Windows Authenticode Portable Executable Signature
 * Format", by which UEFI firmware measures a boot application (TCG PC Client Platform Firmware
 * Profile, 3.3.4.1). Only x86-64 (PE32+) executables are read.
 */
#ifndef MEASUREMENT_PE_H
#define MEASUREMENT_PE_H

#include "encoding/why.h"
#include "measurement/digest.h"

#define PE_SECTIONS_MAX 96u

/* The hash without the checksum, the entry of the certificate table, and the certificates. False
 * with the sentence: not such an executable, or one whose parts lie outside it or do not add up. */
bool pe_authenticode(uint8_t out[DIGEST_SIZE], struct span image, struct why *why);

/* A section's content, without the padding behind it. False with the sentence: no such section,
 * more than one, an empty one, or one that is longer in memory than in the file. */
bool pe_section(struct span *out, struct span image, const char *name, struct why *why);

/* Whether a section has that name, or one that starts with it. */
bool pe_has_section(struct span image, const char *name);

/* Whether the n bytes stand in a section of the executable whose name is none of but, which ends
 * with NULL. False too for what is no such executable. */
bool pe_holds(struct span image, const char *const *but, const void *bytes, size_t n);

#endif
