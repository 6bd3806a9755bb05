#include "guest/init/payload.h"

#include "guest/init/say.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define USAGE 64 /* sysexits.h: a setting is wrong */

bool payload_memory(uint64_t *input_max, uint64_t *executor_memory, uint64_t available)
{
	if (available < MEMORY_FIXED + MEMORY_PER_BYTE * INPUT_MIN)
		return false;
	*input_max = (available - MEMORY_FIXED) / MEMORY_PER_BYTE;
	*executor_memory = available - *input_max + UNTOUCHED;
	return true;
}

struct payload_end payload_ended(int status, uint64_t ran_ms, uint64_t waited_ms)
{
	struct payload_end end = {PAYLOAD_RESTART, RESTART_FIRST_MS};

	if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == USAGE))
		end.next = PAYLOAD_POWER_OFF;
	else if (waited_ms > 0 && ran_ms < RAN_WELL_MS)
		end.wait_ms = waited_ms * 2 < RESTART_MAX_MS ? waited_ms * 2 : RESTART_MAX_MS;
	return end;
}

/* ---- settings ---- */

static bool free_memory(uint64_t *bytes, struct why *why)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	bool found = false;

	*bytes = 0;
	while (f && !found && fgets(line, sizeof line, f))
		if (strncmp(line, "MemAvailable:", 13) == 0) {
			*bytes = strtoull(line + 13, NULL, 10) * 1024;
			found = true;
		}
	if (f)
		fclose(f);
	if (!found)
		why_set(why, "/proc/meminfo does not say how much memory there is");
	return found;
}

static bool add_number(struct guest_settings *s, const char *flag, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, n);
	return guest_settings_add_flag(s, flag, text);
}

bool payload_complete(struct guest_settings *s, struct why *why)
{
	uint64_t available, input_max, executor_memory;

	if (!free_memory(&available, why))
		return false;
	if (!payload_memory(&input_max, &executor_memory, available)) {
		why_set(why,
			"%" PRIu64 " MiB of free memory are too little: give the machine 512 MiB",
			available >> 20);
		return false;
	}
	say("%" PRIu64 " MiB of memory are free: a batch input may have %" PRIu64 " bytes at most",
	    available >> 20, input_max);
	/* Without a quote a bare address goes to the coordinator only where the command line, which
	 * is measured, says so. */
	if (add_number(s, "--input-max", input_max) &&
	    add_number(s, "--executor-memory", executor_memory) &&
	    guest_settings_add_flag(s, "--without-quote", "wait"))
		return true;
	why_set(why, "the command line has more than %d settings of quote-gen", FLAGS_MAX - 3);
	return false;
}

bool payload_write_flags(const struct guest_settings *s, const char *path, struct why *why)
{
	FILE *f = fopen(path, "wxe");
	size_t i;
	bool ok = f != NULL;

	if (f)
		fputs("QUOTE_GEN_FLAGS=", f);
	for (i = 0; f && i < s->flags; i++)
		fprintf(f, "%s%s %s", i ? " " : "", s->flag[i], s->value[i]);
	if (f) {
		fputc('\n', f);
		ok = fclose(f) == 0;
	}
	if (!ok)
		why_set(why, "%s: %s", path, strerror(errno));
	return ok;
}

/* ---- running ---- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* In the child: root's files, none of its powers. Does not return. */
static void become(const struct guest_settings *s, const char *program)
{
	char *argv[2 * FLAGS_MAX + 2] = {(char *)(uintptr_t)program};
	char *environment[] = {NULL};
	size_t i, n = 1;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (i = 0; i < s->flags; i++) {
		argv[n++] = (char *)(uintptr_t)s->flag[i];
		argv[n++] = (char *)(uintptr_t)s->value[i];
	}
	setsid();
	if (null >= 0 && dup2(null, STDIN_FILENO) == STDIN_FILENO &&
	    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) == 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		execve(program, argv, environment);
	say("%s: %s", program, strerror(errno));
	_exit(127);
}

static void say_end(const char *program, int status, const struct payload_end *end)
{
	char how[80], then[80] = "the machine powers off";

	if (WIFEXITED(status))
		snprintf(how, sizeof how, "ended with status %d", WEXITSTATUS(status));
	else
		snprintf(how, sizeof how, "was ended by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	if (end->next == PAYLOAD_RESTART)
		snprintf(then, sizeof then, "it starts again in %" PRIu64 " s",
			 end->wait_ms / 1000);
	say("%s %s: %s", program, how, then);
}

/* Until that child ends: its status. */
static int wait_for(pid_t child)
{
	int status;

	for (;;) {
		pid_t got = waitpid(-1, &status, 0);

		if (got == child)
			return status;
		if (got < 0 && errno != EINTR)
			return USAGE << 8; /* there is no such child: nothing would ever end */
	}
}

void payload_supervise(const struct guest_settings *s, const char *program)
{
	struct payload_end end = {PAYLOAD_RESTART, 0};

	while (end.next == PAYLOAD_RESTART) {
		struct timespec pause = {(time_t)(end.wait_ms / 1000), 0};
		uint64_t began;
		pid_t child;
		int status = 127 << 8;

		nanosleep(&pause, NULL);
		began = now_ms();
		child = fork();
		if (child == 0)
			become(s, program);
		if (child > 0)
			status = wait_for(child);
		end = payload_ended(status, now_ms() - began, end.wait_ms);
		say_end(program, status, &end);
	}
}
