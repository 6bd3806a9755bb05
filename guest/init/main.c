/*
 * guest-init: PID 1 of the measured guest. All that it is told is on the measured command line
 * (settings.h). It opens no console to anybody, listens nowhere and starts one program.
 *
 * The machine powers off when it cannot be what it was measured to be, and when the program is
 * done; docs/GUEST.md has the table.
 */
#include "guest/init/events.h"
#include "guest/init/modules.h"
#include "guest/init/network.h"
#include "guest/init/payload.h"
#include "guest/init/root.h"
#include "guest/init/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM "/usr/bin/quote-gen"
#define FLAGS   "/run/quote-gen.env"

static bool read_command_line(struct guest_settings *s, struct why *why)
{
	char text[COMMAND_LINE_MAX + 1] = "";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0) {
		why_set(why, "/proc/cmdline: %s", strerror(errno));
		return false;
	}
	text[n] = '\0';
	return guest_settings_read(s, text, why);
}

/* Where quotes come from. Outside of a trust domain there is none: quote-gen says so. */
static void mount_configfs(void)
{
	mount("configfs", "/sys/kernel/config", "configfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
}

static void set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		say("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* The host holds the console's other end: no key on it makes the kernel show its registers. And
 * from here on the kernel stays the one that was measured. */
static void close_doors(void)
{
	set("/proc/sys/kernel/sysrq", "0");
	set("/proc/sys/kernel/modules_disabled", "1");
	set("/proc/sys/kernel/kexec_load_disabled", "1");
}

static bool start(struct guest_settings *s, struct why *why)
{
	if (!root_mount_kernel_file_systems(why) || !read_command_line(s, why))
		return false;
	modules_load("/modules");
	close_doors();
	mount_configfs();
	if (s->print_events)
		events_print();
	return network_up(s, why) && root_enter(s, why) && payload_complete(s, why);
}

/* Another PID 1, told by a file what quote-gen is to be told. Returns when it cannot be. */
static void hand_over(const struct guest_settings *s, struct why *why)
{
	char *argv[] = {(char *)(uintptr_t)s->init, NULL}, *environment[] = {NULL};

	if (!payload_write_flags(s, FLAGS, why))
		return;
	execve(s->init, argv, environment);
	why_set(why, "%s: %s", s->init, strerror(errno));
}

int main(void)
{
	static struct guest_settings settings;
	struct why why = {""};

	if (getpid() != 1) {
		fputs("guest-init: this is PID 1 of the measured guest, and nothing else\n",
		      stderr);
		return 1;
	}
	umask(022);
	if (start(&settings, &why)) {
		if (!settings.init[0]) {
			payload_supervise(&settings, PROGRAM);
			power_off();
		}
		hand_over(&settings, &why);
	}
	say("cannot start: %s", why.text);
	power_off();
}
