#include "quote-gen/executor.h"

#include "quote-gen/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TURN_MS      200
#define SENTENCE_MAX 400
#define LAST_WORDS   (64 * 1024) /* what a pipe holds: read after the end, at most */

struct child {
	pid_t pid;
	int to, from, err; /* its stdin, stdout and stderr; -1: closed */
	const struct executor_limits *limits;
	uint64_t memory; /* the limit, or our own where that is lower */
	uint64_t deadline;
	const volatile int *stop;
	char first[SENTENCE_MAX];    /* its first whole line on stderr, printable */
	char sentence[SENTENCE_MAX]; /* its last line there */
	size_t said;
	bool line_ended;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_pair(int pair[2])
{
	close_fd(&pair[0]);
	close_fd(&pair[1]);
}

static int spawn(pid_t *pid, const char *path, int in, int out, int err)
{
	char *argv[] = {(char *)(uintptr_t)path, NULL};
	/* It reads none, and has no business with what ours holds. */
	char *environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	/* A group of its own, so that what the program starts is killed with it. */
	posix_spawnattr_init(&attributes);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE); /* which we ignore, and it would inherit */
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	rc = posix_spawn(pid, path, &actions, &attributes, argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return rc;
}

/* A limit may only be lowered: one that is ours already holds for the executor too. */
static uint64_t memory_limit(uint64_t wanted)
{
	struct rlimit ours;

	if (getrlimit(RLIMIT_AS, &ours) != 0 || ours.rlim_max == RLIM_INFINITY)
		return wanted;
	return wanted < ours.rlim_max ? wanted : ours.rlim_max;
}

static bool start(struct child *c, const char *path, struct why *why)
{
	struct rlimit memory;
	int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, rc;

	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
		why_set(why, "no pipe for the executor: %s", strerror(errno));
		close_pair(in);
		close_pair(out);
		return false;
	}
	c->memory = memory_limit(c->limits->memory);
	memory = (struct rlimit){c->memory, c->memory};
	rc = spawn(&c->pid, path, in[0], out[1], err[1]);
	/* Before it has a byte of input: what it needs until then is little. */
	if (rc == 0 && prlimit(c->pid, RLIMIT_AS, &memory, NULL) != 0 && errno != ESRCH)
		rc = errno;
	close_fd(&in[0]);
	close_fd(&out[1]);
	close_fd(&err[1]);
	c->to = in[1];
	c->from = out[0];
	c->err = err[0];
	if (rc != 0) {
		why_set(why, "cannot start the executor %s: %s", path, strerror(rc));
		return false;
	}
	fcntl(c->to, F_SETFL, O_NONBLOCK);
	fcntl(c->from, F_SETFL, O_NONBLOCK);
	fcntl(c->err, F_SETFL, O_NONBLOCK);
	return true;
}

/* False, in words, when it is time to give up. */
static bool may_go_on(const struct child *c, struct why *why)
{
	if (*c->stop)
		why_set(why, "stopped");
	else if (clock_ms() >= c->deadline)
		why_set(why, "the executor took longer than allowed, %" PRIu64 " ms",
			c->limits->timeout_ms);
	else
		return true;
	return false;
}

/* Keeps the starts of its first and of its last line. The bytes that it read; none: there are none
 * now. */
static size_t hear(struct child *c)
{
	char chunk[4096];
	ssize_t i, n = read(c->err, chunk, sizeof chunk);

	if (n == 0)
		close_fd(&c->err);
	for (i = 0; i < n; i++) {
		if (chunk[i] == '\n') {
			if (c->first[0] == '\0')
				memcpy(c->first, c->sentence, c->said); /* zeros behind it */
			c->line_ended = true;
			continue;
		}
		if (c->line_ended)
			c->said = 0;
		c->line_ended = false;
		if (c->said < sizeof c->sentence - 1)
			c->sentence[c->said++] =
			    (chunk[i] >= ' ' && chunk[i] < 127) ? chunk[i] : '?';
	}
	c->sentence[c->said] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* What a program that has ended said before. Others may hold its stderr and say more: no more than
 * a pipe holds. */
static void hear_last(struct child *c)
{
	size_t n = 1, all;

	for (all = 0; c->err >= 0 && n > 0 && all < LAST_WORDS; all += n)
		n = hear(c);
}

static void feed(struct child *c, struct span *left)
{
	ssize_t n = write(c->to, left->p, left->n);

	if (n > 0) {
		left->p += n;
		left->n -= (size_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		close_fd(&c->to); /* it reads no more: its exit status tells */
	}
}

/* It stays unreaped, so that its group remains its own. */
static bool has_ended(const struct child *c)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	       info.si_pid == c->pid;
}

/* Feeds and reads until stdout ends, or the program has ended and left no more there: what it
 * started may hold it open. */
static bool pump(struct child *c, struct buf *out, struct span input, struct why *why)
{
	uint8_t chunk[65536];
	bool ended = false;

	while (c->from >= 0) {
		struct pollfd p[3] = {{.fd = c->from, .events = POLLIN},
				      {.fd = c->err, .events = POLLIN},
				      {.fd = c->to, .events = POLLOUT}};
		ssize_t n;

		if (!may_go_on(c, why))
			return false;
		if (input.n == 0)
			close_fd(&c->to);
		p[2].fd = c->to; /* poll skips negative ones */
		if (poll(p, 3, TURN_MS) < 0 && errno != EINTR) {
			why_set(why, "poll: %s", strerror(errno));
			return false;
		}
		if (c->to >= 0 && p[2].revents)
			feed(c, &input);
		if (c->err >= 0 && p[1].revents)
			hear(c);
		if (!p[0].revents) {
			if (ended)
				close_fd(&c->from);
			else
				ended = has_ended(c);
			continue;
		}
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

static bool is_refusal(int status)
{
	return status == 65 || (status >= 80 && status <= 94);
}

static enum executor_rc how_it_ended(const struct child *c, int status, struct why *why)
{
	const char *colon = c->said ? ": " : "";
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	char how[80];

	if (WIFEXITED(status) && code == 0) {
		why_set(why, "%s", c->sentence);
		return EXECUTOR_OK;
	}
	if (is_refusal(code)) {
		why_set(why, "the executor refuses the input (exit status %d)%s%s", code, colon,
			c->sentence);
		return EXECUTOR_REFUSED;
	}
	/* Either may come from a limit; what aborts says why first, then perhaps how to learn more.
	 */
	if (WIFEXITED(status))
		snprintf(how, sizeof how, "failed with exit status %d", code);
	else
		snprintf(how, sizeof how, "was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	why_set(why, "the executor %s, limits %" PRIu64 " bytes of memory and %" PRIu64 " ms%s%s",
		how, c->memory, c->limits->timeout_ms, colon,
		WIFSIGNALED(status) && c->first[0] ? c->first : c->sentence);
	return EXECUTOR_FAILED;
}

/* Waits for the end, which closing stdout announced, and ends what it started. */
static enum executor_rc reap(struct child *c, struct why *why)
{
	const struct timespec turn = {0, 2000000};
	int status;

	while (!has_ended(c)) {
		hear_last(c);
		if (!may_go_on(c, why))
			return EXECUTOR_FAILED;
		nanosleep(&turn, NULL);
	}
	hear_last(c);
	kill(-c->pid, SIGKILL);
	if (waitpid(c->pid, &status, 0) != c->pid) {
		why_set(why, "waitpid: %s", strerror(errno));
		return EXECUTOR_FAILED;
	}
	c->pid = 0;
	return how_it_ended(c, status, why);
}

enum executor_rc executor_run(struct buf *out, const char *path, struct span input,
			      const struct executor_limits *limits, const volatile int *stop,
			      struct why *why)
{
	struct child c = {.to = -1, .from = -1, .err = -1, .limits = limits, .stop = stop};
	enum executor_rc rc = EXECUTOR_FAILED;

	c.deadline = clock_ms() + limits->timeout_ms;
	if (start(&c, path, why) && pump(&c, out, input, why))
		rc = reap(&c, why);
	if (c.pid > 0) {
		kill(-c.pid, SIGKILL);
		waitpid(c.pid, NULL, 0);
	}
	close_fd(&c.to);
	close_fd(&c.from);
	close_fd(&c.err);
	if (rc == EXECUTOR_OK && out->len == 0) {
		why_set(why, "the executor ended well but wrote no program output");
		return EXECUTOR_FAILED;
	}
	return rc;
}

/* ---- where it is ---- */

static bool is_program(char *path, size_t size, const char *directory, size_t n)
{
	int k = snprintf(path, size, "%.*s/" EXECUTOR_NAME, (int)n, directory);

	return n > 0 && k > 0 && (size_t)k < size && access(path, X_OK) == 0;
}

bool executor_check(const char *path, struct why *why)
{
	struct stat st;

	if (stat(path, &st) != 0)
		why_set(why, "the executor %s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		why_set(why, "the executor %s is no file", path);
	else if (access(path, X_OK) != 0)
		why_set(why, "the executor %s: %s", path, strerror(errno));
	else
		return true;
	return false;
}

bool executor_find(char *path, size_t size)
{
	const char *at = getenv("PATH"), *slash;
	char self[1024];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash && is_program(path, size, self, (size_t)(slash - self)))
			return true;
	}
	while (at && *at) {
		size_t length = strcspn(at, ":");

		/* An empty or relative entry is where we happen to stand: nothing to trust. */
		if (*at == '/' && is_program(path, size, at, length))
			return true;
		at += length + (at[length] == ':');
	}
	path[0] = '\0';
	return false;
}
