/*
 * verity.h -- a dm-verity device over two partitions, all of whose parameters are measured ones.
 * linux/Documentation/admin-guide/device-mapper/verity.rst
 */
#ifndef GUEST_INIT_VERITY_H
#define GUEST_INIT_VERITY_H

#include "guest/init/settings.h"

#define VERITY_DEVICE "/dev/dm-0"
#define TABLE_MAX     512

/* The line of its table. No superblock is read: nobody measured it. A block that does not fit its
 * hash stops the kernel, now or later. False: longer than TABLE_MAX. */
bool verity_table(char out[TABLE_MAX], const struct guest_settings *s, const char *data,
		  const char *hashes);

/* Makes VERITY_DEVICE, read-only. data, hashes: block devices. False with the sentence. */
bool verity_open(const struct guest_settings *s, const char *data, const char *hashes,
		 struct why *why);

/* Reads the whole device, so that no flipped bit waits for its turn. False with the sentence; more
 * often the kernel has stopped by then. */
bool verity_read_all(const struct guest_settings *s, struct why *why);

#endif
