#include "guest/init/verity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CONTROL    "/dev/mapper/control"
#define SECTOR     512
#define READ_CHUNK (1u << 20)

bool verity_table(char out[TABLE_MAX], const struct guest_settings *s, const char *data,
		  const char *hashes)
{
	int n = snprintf(out, TABLE_MAX,
			 "1 %s %s %d %d %" PRIu64 " 0 sha256 %s %s 1 panic_on_corruption", data,
			 hashes, VERITY_BLOCK, VERITY_BLOCK, s->blocks, s->root_hash, s->salt);

	return n > 0 && n < TABLE_MAX;
}

/* One request to the device mapper, about the device "root". */
struct request {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char table[TABLE_MAX];
};

static bool ask(int control, unsigned long what, struct request *r, uint32_t flags,
		const char *name, struct why *why)
{
	r->head.version[0] = DM_VERSION_MAJOR;
	r->head.data_size = sizeof *r;
	r->head.data_start = sizeof r->head;
	r->head.flags = flags;
	strcpy(r->head.name, "root");
	if (ioctl(control, what, r) == 0)
		return true;
	why_set(why, "the device mapper refuses to %s the root device: %s", name, strerror(errno));
	return false;
}

bool verity_open(const struct guest_settings *s, const char *data, const char *hashes,
		 struct why *why)
{
	struct request create = {0}, load = {0}, resume = {0};
	int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	bool ok;

	if (control < 0) {
		why_set(why, "%s: %s", CONTROL, strerror(errno));
		return false;
	}
	load.head.target_count = 1;
	load.target.length = s->blocks * (VERITY_BLOCK / SECTOR);
	strcpy(load.target.target_type, "verity");
	ok = verity_table(load.table, s, data, hashes);
	if (!ok)
		why_set(why, "the table of the root device is longer than %d characters",
			TABLE_MAX - 1);
	ok =
	    ok && ask(control, DM_DEV_CREATE, &create, 0, "make", why) &&
	    ask(control, DM_TABLE_LOAD, &load, DM_READONLY_FLAG, "set up", why) &&
	    ask(control, DM_DEV_SUSPEND, &resume, 0, "start", why); /* no DM_SUSPEND_FLAG: resume */
	close(control);
	return ok;
}

bool verity_read_all(const struct guest_settings *s, struct why *why)
{
	int fd = open(VERITY_DEVICE, O_RDONLY | O_CLOEXEC);
	char *chunk = malloc(READ_CHUNK);
	uint64_t left = s->blocks * VERITY_BLOCK;
	ssize_t n = -1;

	while (fd >= 0 && chunk && left > 0 && (n = read(fd, chunk, READ_CHUNK)) > 0)
		left -= (uint64_t)n < left ? (uint64_t)n : left;
	if (left > 0)
		why_set(why, "%s: %s with %" PRIu64 " bytes to go", VERITY_DEVICE,
			n == 0 ? "it ends" : strerror(errno), left);
	free(chunk);
	if (fd >= 0)
		close(fd);
	return left == 0;
}
