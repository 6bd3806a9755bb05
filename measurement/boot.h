/*
 * boot.h -- the events that booting a unified kernel image from a disk leads to, before it boots.
 *
 * OVMF (edk2 2025.02 and IntelTdx builds) starts \EFI\BOOT\BOOTX64.EFI from the disk alone; it is a
 * systemd-stub of version 252..255 with .linux, .initrd and .cmdline, which has the kernel loaded
 * by the firmware and knows no registers but a TPM's; the kernel's own EFI stub (Linux 6.9 and
 * later, drivers/firmware/efi/libstub) measures command line and initial RAM disk. RTMR1 and RTMR2
 * follow from these files alone. Of RTMR0 the ACPI tables and, before a first boot, the boot
 * variables cannot be known; see docs/GUEST.md.
 */
#ifndef MEASUREMENT_BOOT_H
#define MEASUREMENT_BOOT_H

#include "measurement/event_log.h"

#define BOOT_EVENTS_MAX  16u
#define COMMAND_LINE_MAX 4096u /* what a kernel of x86 takes: COMMAND_LINE_SIZE 2048, in UTF-16 */

struct boot_events {
	struct event event[BOOT_EVENTS_MAX]; /* of RTMR1 and RTMR2 */
	size_t n;
	char command_line[EVENT_WORDS_SIZE]; /* private: what the words of its event are */
};

/* disk: the bytes of a disk image. False with the sentence: see boot_disk.h and pe.h; a stub whose
 * measurements are not known; a kernel that makes none in a TD; a section that is missing. *out
 * refers to itself: it is not copied. */
bool boot_events_predict(struct boot_events *out, struct span disk, struct why *why);

/* The events as a log, to replay and to compare; borrows. */
struct event_log boot_events_log(struct boot_events *b);

#endif
