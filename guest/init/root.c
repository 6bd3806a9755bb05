#include "guest/init/root.h"

#include "guest/init/say.h"
#include "guest/init/verity.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_DEVICES "/sys/class/block"
#define DEVICE_MAX    300
#define WAIT_TURNS    200 /* of 50 ms */
#define NEW_ROOT      "/new-root"

static bool mount_on(const char *what, const char *where, const char *type, unsigned long flags,
		     struct why *why)
{
	if ((mkdir(where, 0755) == 0 || errno == EEXIST) &&
	    mount(what, where, type, flags, NULL) == 0)
		return true;
	if (errno == EBUSY) /* the kernel was first */
		return true;
	why_set(why, "%s on %s: %s", type ? type : what, where, strerror(errno));
	return false;
}

bool root_mount_kernel_file_systems(struct why *why)
{
	const unsigned long plain = MS_NOSUID | MS_NOEXEC;

	return mount_on("dev", "/dev", "devtmpfs", plain, why) &&
	       mount_on("proc", "/proc", "proc", plain | MS_NODEV, why) &&
	       mount_on("sys", "/sys", "sysfs", plain | MS_NODEV, why) &&
	       mount_on("run", "/run", "tmpfs", plain | MS_NODEV, why);
}

static bool is_named(const char *device, const char *name)
{
	char path[DEVICE_MAX], line[256], wanted[80];
	FILE *f;
	bool found = false;

	snprintf(path, sizeof path, BLOCK_DEVICES "/%.250s/uevent", device);
	snprintf(wanted, sizeof wanted, "PARTNAME=%.60s\n", name);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof line, f))
		found = strcmp(line, wanted) == 0;
	if (f)
		fclose(f);
	return found;
}

static bool find_partition(char out[DEVICE_MAX], const char *name)
{
	DIR *d = opendir(BLOCK_DEVICES);
	struct dirent *entry;
	bool found = false;

	while (d && !found && (entry = readdir(d)) != NULL) {
		found = entry->d_name[0] != '.' && is_named(entry->d_name, name);
		if (found)
			snprintf(out, DEVICE_MAX, "/dev/%.250s", entry->d_name);
	}
	if (d)
		closedir(d);
	return found;
}

static bool await_partition(char out[DEVICE_MAX], const char *name, struct why *why)
{
	int i;

	for (i = 0; i < WAIT_TURNS; i++) {
		if (find_partition(out, name))
			return true;
		nanosleep(&(struct timespec){0, 50000000}, NULL);
	}
	why_set(why, "no disk has a partition with the name \"%s\"", name);
	return false;
}

/* What the initramfs mounted goes along; then the mount of the new root lies over the old. */
static bool switch_root(struct why *why)
{
	static const char *const along[] = {"/dev", "/proc", "/sys", "/run"};
	char to[64];
	size_t i;

	for (i = 0; i < sizeof along / sizeof *along; i++) {
		snprintf(to, sizeof to, NEW_ROOT "%s", along[i]);
		if (mount(along[i], to, NULL, MS_MOVE, NULL) != 0) {
			why_set(why, "%s to the root: %s", along[i], strerror(errno));
			return false;
		}
	}
	if (chdir(NEW_ROOT) == 0 && mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 &&
	    chdir("/") == 0)
		return true;
	why_set(why, "the root cannot be entered: %s", strerror(errno));
	return false;
}

bool root_enter(const struct guest_settings *s, struct why *why)
{
	char data[DEVICE_MAX], hashes[DEVICE_MAX];

	if (!await_partition(data, "root", why) || !await_partition(hashes, "root-verity", why) ||
	    !verity_open(s, data, hashes, why) || !verity_read_all(s, why))
		return false;
	say("the root is the measured one: %s", s->root_hash);
	return mount_on(VERITY_DEVICE, NEW_ROOT, "erofs", MS_RDONLY | MS_NODEV | MS_NOSUID, why) &&
	       switch_root(why);
}
