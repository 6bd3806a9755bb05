/* root.h -- the root file system: found by the names of its partitions, verified, entered. */
#ifndef GUEST_INIT_ROOT_H
#define GUEST_INIT_ROOT_H

#include "guest/init/settings.h"

/* /dev, /proc, /sys, /run of the initramfs. False with the sentence. */
bool root_mount_kernel_file_systems(struct why *why);

/* Waits for the partitions "root" and "root-verity", opens, reads and mounts them read-only, and
 * makes them "/". A name says where to look; what is found there is held against the root hash.
 * False with the sentence. */
bool root_enter(const struct guest_settings *s, struct why *why);

#endif
