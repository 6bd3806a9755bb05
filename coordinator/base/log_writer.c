#include "coordinator/base/log_writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES (1u << 20)
#define LOOK_MS    200
#define STALL_S    1 /* at the end: without a byte taken */
#define STOP_S     5 /* at the end: in all */

static struct writer {
	pthread_mutex_t lock;
	pthread_cond_t more, less;
	pthread_t thread;
	char *ring;
	size_t at, used; /* the thread writes from at; others append behind at + used */
	uint64_t dropped, said;
	log_note_fn *note;
	bool runs, stopping, abandoned, ended;
} w = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void append(const char *bytes, size_t n)
{
	const size_t end = (w.at + w.used) % RING_BYTES;
	const size_t first = n < RING_BYTES - end ? n : RING_BYTES - end;

	memcpy(w.ring + end, bytes, first);
	memcpy(w.ring, bytes + first, n - first);
	w.used += n;
}

static void say_what_is_missing(void)
{
	char text[LOG_NOTE_SIZE];

	if (w.dropped == w.said || RING_BYTES - w.used < RING_BYTES / 8)
		return;
	append(text, w.note(text, w.dropped - w.said));
	w.said = w.dropped;
}

/* What cannot be written because nobody is there any more is missing too, but there is no place to
 * say so. */
static size_t lose(const char *bytes, size_t n)
{
	uint64_t lines = 0;
	size_t i;

	for (i = 0; i < n; i++)
		lines += bytes[i] == '\n';
	w.dropped += lines;
	w.said += lines;
	return n;
}

/* Without the lock: the bytes from at on are the thread's until it moves at. Where poll() says so a
 * pipe takes PIPE_BUF bytes without waiting. */
static ssize_t write_some(const char *bytes, size_t n)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t sent;

	if (poll(&p, 1, LOOK_MS) <= 0)
		return 0;
	sent = write(STDERR_FILENO, bytes, n);
	return sent >= 0 ? sent : errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static void *run(void *arg)
{
	ssize_t sent;
	size_t n;

	pthread_mutex_lock(&w.lock);
	while (!w.abandoned && (w.used || !w.stopping)) {
		if (!w.used) {
			pthread_cond_wait(&w.more, &w.lock);
			continue;
		}
		n = w.used < RING_BYTES - w.at ? w.used : RING_BYTES - w.at;
		if (n > PIPE_BUF)
			n = PIPE_BUF;
		pthread_mutex_unlock(&w.lock);
		sent = write_some(w.ring + w.at, n);
		pthread_mutex_lock(&w.lock);
		if (sent < 0)
			sent = (ssize_t)lose(w.ring + w.at, n);
		w.at = (w.at + (size_t)sent) % RING_BYTES;
		w.used -= (size_t)sent;
		say_what_is_missing();
		if (sent > 0)
			pthread_cond_signal(&w.less);
	}
	w.ended = true;
	pthread_cond_signal(&w.less);
	pthread_mutex_unlock(&w.lock);
	return arg;
}

static void init_conditions(void)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w.more, &monotonic);
	pthread_cond_init(&w.less, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

bool log_writer_start(log_note_fn *note, struct why *why)
{
	sigset_t all, before;
	int error = ENOMEM;

	if (w.ring) {
		why_set(why, "the log's former thread has not ended");
		return false;
	}
	w.ring = malloc(RING_BYTES);
	w.note = note;
	w.at = w.used = 0;
	w.said = w.dropped;
	w.stopping = w.abandoned = w.ended = false;
	init_conditions();
	/* Signals are for the loop; and a reader that is gone is an error here, no SIGPIPE. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (w.ring)
		error = pthread_create(&w.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w.runs = error == 0;
	if (w.runs)
		return true;
	why_set(why, "the log has no thread: %s", strerror(error));
	free(w.ring);
	w.ring = NULL;
	return false;
}

bool log_writer_runs(void)
{
	return w.runs;
}

void log_writer_put(const char *line, size_t n)
{
	pthread_mutex_lock(&w.lock);
	/* Nothing gets in before the note about what did not. */
	if (w.dropped != w.said || n > RING_BYTES - w.used)
		w.dropped++;
	else
		append(line, n);
	pthread_cond_signal(&w.more);
	pthread_mutex_unlock(&w.lock);
}

/* Until the thread has ended, nothing was taken for STALL_S, or STOP_S have passed. */
static void wait_until_ended(void)
{
	struct timespec start, until;
	size_t before;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!w.ended) {
		before = w.used;
		clock_gettime(CLOCK_MONOTONIC, &until);
		if (until.tv_sec >= start.tv_sec + STOP_S)
			return;
		until.tv_sec += STALL_S;
		if (pthread_cond_timedwait(&w.less, &w.lock, &until) && w.used == before)
			return;
	}
}

void log_writer_stop(void)
{
	if (!w.runs)
		return;
	pthread_mutex_lock(&w.lock);
	w.stopping = true;
	pthread_cond_signal(&w.more);
	wait_until_ended();
	w.abandoned = true;
	wait_until_ended();
	w.runs = false;
	pthread_mutex_unlock(&w.lock);
	if (!w.ended) {
		/* Another writer was quicker, and it waits in the kernel: it ends with the process.
		 */
		pthread_detach(w.thread);
		return;
	}
	pthread_join(w.thread, NULL);
	free(w.ring);
	w.ring = NULL;
	pthread_cond_destroy(&w.more);
	pthread_cond_destroy(&w.less);
}

uint64_t log_writer_dropped(void)
{
	uint64_t n;

	pthread_mutex_lock(&w.lock);
	n = w.dropped;
	pthread_mutex_unlock(&w.lock);
	return n;
}
