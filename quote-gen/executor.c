#include "quote-gen/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TURN_MS 200

struct child {
	pid_t pid;
	int to, from; /* its stdin and stdout; -1: closed */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool start(struct child *c, const char *path, struct why *why)
{
	char *argv[] = {(char *)(uintptr_t)path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int in[2] = {-1, -1}, out[2] = {-1, -1}, rc;

	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
		why_set(why, "no pipe for the executor: %s", strerror(errno));
		close_fd(&in[0]);
		close_fd(&in[1]);
		return false;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	/* A group of its own, so that what the program starts is killed with it. */
	posix_spawnattr_init(&attributes);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE); /* which we ignore, and it would inherit */
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	rc = posix_spawn(&c->pid, path, &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(in[0]);
	close(out[1]);
	c->to = in[1];
	c->from = out[0];
	if (rc != 0) {
		why_set(why, "cannot start the executor %s: %s", path, strerror(rc));
		close_fd(&c->to);
		close_fd(&c->from);
		return false;
	}
	fcntl(c->to, F_SETFL, O_NONBLOCK);
	fcntl(c->from, F_SETFL, O_NONBLOCK);
	return true;
}

/* Feeds and reads until stdout ends. */
static bool pump(struct child *c, struct buf *out, struct span input, uint64_t deadline,
		 const volatile int *stop, struct why *why)
{
	uint8_t chunk[65536];
	size_t at = 0;

	while (c->from >= 0) {
		struct pollfd p[2] = {{.fd = c->from, .events = POLLIN},
				      {.fd = c->to, .events = POLLOUT}};
		ssize_t n;

		if (*stop || now_ms() >= deadline) {
			why_set(why, *stop ? "stopped" : "the executor took longer than allowed");
			return false;
		}
		if (at == input.n)
			close_fd(&c->to);
		if (poll(p, c->to >= 0 ? 2 : 1, TURN_MS) < 0 && errno != EINTR) {
			why_set(why, "poll: %s", strerror(errno));
			return false;
		}
		if (c->to >= 0 && p[1].revents) {
			n = write(c->to, input.p + at, input.n - at);
			if (n > 0)
				at += (size_t)n;
			else if (n < 0 && errno != EAGAIN && errno != EINTR)
				close_fd(&c->to); /* it reads no more: its exit status tells */
		}
		if (!p[0].revents)
			continue;
		n = read(c->from, chunk, sizeof chunk);
		if (n == 0)
			close_fd(&c->from);
		if (n > 0 && !buf_add(out, chunk, (size_t)n)) {
			why_set(why, "the executor wrote more than %zu bytes", out->max);
			return false;
		}
	}
	return true;
}

/* Waits for the end, which closing stdout announced. */
static bool reap(struct child *c, uint64_t deadline, const volatile int *stop, struct why *why)
{
	const struct timespec turn = {0, 10000000};
	int status;

	for (;;) {
		pid_t got = waitpid(c->pid, &status, WNOHANG);

		if (got == c->pid)
			break;
		if (*stop || now_ms() >= deadline || (got < 0 && errno != EINTR)) {
			why_set(why, *stop ? "stopped" : "the executor took longer than allowed");
			return false;
		}
		nanosleep(&turn, NULL);
	}
	c->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFEXITED(status))
		why_set(why, "the executor failed with exit status %d", WEXITSTATUS(status));
	else
		why_set(why, "the executor was killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	return false;
}

bool executor_run(struct buf *out, const char *path, struct span input, uint64_t timeout_ms,
		  const volatile int *stop, struct why *why)
{
	struct child c = {0, -1, -1};
	uint64_t deadline = now_ms() + timeout_ms;
	bool ok;

	if (!start(&c, path, why))
		return false;
	ok = pump(&c, out, input, deadline, stop, why) && reap(&c, deadline, stop, why);
	if (c.pid > 0) {
		kill(-c.pid, SIGKILL);
		waitpid(c.pid, NULL, 0);
	}
	close_fd(&c.to);
	close_fd(&c.from);
	if (ok && out->len == 0) {
		why_set(why, "the executor ended well but wrote no program output");
		return false;
	}
	return ok;
}
