/*
 * settings.h -- what the measured command line tells the guest. Pure.
 *
 * Words are separated by blanks; there is no quoting. Those of the guest:
 *
 *   roothash=HEX               root hash of the verity tree over the root file system, SHA-256
 *   guest.verity=BLOCKS,SALT   its data blocks of 4,096 bytes, and its salt of 32 bytes in hex
 *   guest.net=dhcp             or ADDRESS/PREFIX,GATEWAY
 *   guest.init=PATH            a program of the root that becomes PID 1; without it, ours stays
 *   guest.events=serial        what the firmware measured is written to the console (docs/GUEST.md)
 *   quote-gen.NAME=VALUE       the flag --NAME VALUE of quote-gen
 *
 * Anything else that begins with "guest." is refused, as is a word that comes twice: a misspelt
 * setting must not pass for none. The rest is the kernel's.
 */
#ifndef GUEST_INIT_SETTINGS_H
#define GUEST_INIT_SETTINGS_H

#include "encoding/why.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMMAND_LINE_MAX 2048 /* COMMAND_LINE_SIZE of Linux on x86 */
#define FLAGS_MAX        32   /* of quote-gen */
#define VERITY_BLOCK     4096

struct guest_settings {
	char root_hash[65], salt[65]; /* lower-case hex */
	uint64_t blocks;
	bool dhcp;
	struct in_addr address, gateway; /* where it is not dhcp */
	unsigned prefix;
	char init[128]; /* "": ours */
	bool print_events;
	size_t flags;
	char flag[FLAGS_MAX][64], value[FLAGS_MAX][256]; /* flag: with its "--" */
};

/* False with the sentence. */
bool guest_settings_read(struct guest_settings *out, const char *command_line, struct why *why);

/* Tells quote-gen a further flag, unless the command line does. False: there are FLAGS_MAX. */
bool guest_settings_add_flag(struct guest_settings *s, const char *flag, const char *value);

#endif
