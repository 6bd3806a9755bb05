/*
 * boot_disk.h -- a disk image as firmware sees it: its partition table, and what it boots from it.
 *
 * GPT: UEFI specification, section 5.3, sectors of 512 bytes. The EFI system partition is FAT32
 * ("FAT: General Overview of On-Disk Format", 1.03); the boot application is the fallback path of
 * the specification's section 3.5.1.1, \EFI\BOOT\BOOTX64.EFI.
 */
#ifndef MEASUREMENT_BOOT_DISK_H
#define MEASUREMENT_BOOT_DISK_H

#include "encoding/bytes.h"
#include "encoding/why.h"

#define BOOT_APPLICATION_MAX (512u * 1024u * 1024u)

struct boot_disk {
	struct buf gpt_event;   /* what firmware measures of the partition table (UEFI_GPT_DATA) */
	struct buf application; /* \EFI\BOOT\BOOTX64.EFI */
};

/* Reads a disk image. False, with nothing to free and the sentence: no GPT, a check sum that is
 * wrong, no EFI system partition or one that is not FAT32, no such file, a chain of clusters that
 * does not end. */
bool boot_disk_read(struct boot_disk *out, struct span disk, struct why *why);
void boot_disk_free(struct boot_disk *disk);

#endif
