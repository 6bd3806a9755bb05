/*
 * modules.h -- the kernel's modules, in the order of their names: guest/build numbered them so that
 * each comes after those that it depends on.
 */
#ifndef GUEST_INIT_MODULES_H
#define GUEST_INIT_MODULES_H

/* Loads and forgets each file of the directory. One that does not load is said and left: what it
 * would have driven is missed by whoever needs it (tdx-guest finds nothing outside of a TD). */
void modules_load(const char *directory);

#endif
