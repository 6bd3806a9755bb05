#include "guest/init/modules.h"

#include "guest/init/say.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_module(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long rc = fd < 0 ? -1 : syscall(SYS_finit_module, fd, "", 0);

	if (rc != 0 && errno != EEXIST)
		say("%s: %s%s", path, strerror(errno),
		    strstr(path, "tdx-guest") && errno == ENODEV
			? " (this machine is no trust domain)"
			: "");
	if (fd >= 0)
		close(fd);
	unlink(path); /* the initramfs is memory */
}

void modules_load(const char *directory)
{
	struct dirent **names;
	int i, n = scandir(directory, &names, is_module, alphasort);
	char path[512];

	if (n < 0) {
		say("%s: %s", directory, strerror(errno));
		return;
	}
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/%s", directory, names[i]->d_name);
		load(path);
		free(names[i]);
	}
	free(names);
}
