/* The directory that plays /sys/kernel/config/tsm/report: inotify tells of requests and of what is
 * written to them. */
#include "tests/software-qe/software_qe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_MAX 256
#define FORGOTTEN_MS 60000 /* a request that nobody has finished by then is removed */
#define TURN_MS      100
#define QUOTE_MAX    (32u * 1024u) /* what the kernel gives at most */

static const char *const attributes[] = {"provider", "generation", "inblob", "outblob"};

struct request {
	char name[NAME_MAX + 1]; /* empty: free */
	int watch, dir;
	unsigned generation;
	bool asked, answered;
	int64_t made, due; /* ms */
	uint8_t report_data[REPORT_DATA_SIZE];
};

struct reports {
	const struct qe *qe;
	int inotify, dir;
	struct request request[REQUESTS_MAX];
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The attribute appears with its whole content; a rename is no write that the watch would report.
 */
static bool publish(const struct request *r, const char *name, const void *p, size_t n)
{
	char fresh[32];
	int fd;
	bool ok;

	snprintf(fresh, sizeof fresh, ".%s", name);
	fd = openat(r->dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ok = n == 0 || write(fd, p, n) == (ssize_t)n;
	close(fd);
	return ok && renameat(r->dir, fresh, r->dir, name) == 0;
}

static bool publish_generation(const struct request *r)
{
	char text[16];

	return publish(r, "generation", text,
		       (size_t)snprintf(text, sizeof text, "%u\n", r->generation));
}

static void remove_request(int reports, const char *name)
{
	int dir = openat(reports, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	char fresh[32];
	size_t i;

	for (i = 0; dir >= 0 && i < sizeof attributes / sizeof *attributes; i++) {
		snprintf(fresh, sizeof fresh, ".%s", attributes[i]);
		unlinkat(dir, fresh, 0);
		unlinkat(dir, attributes[i], 0);
	}
	if (dir >= 0)
		close(dir);
	unlinkat(reports, name, AT_REMOVEDIR);
}

static void finish(struct reports *s, struct request *r)
{
	inotify_rm_watch(s->inotify, r->watch);
	remove_request(s->dir, r->name);
	close(r->dir);
	r->name[0] = '\0';
}

static void begin(struct reports *s, const char *name)
{
	const char *provider = s->qe->flaw == FLAW_PROVIDER ? "sev_guest\n" : "tdx_guest\n";
	struct request *r = s->request;
	char path[64 + NAME_MAX];

	while (r < s->request + REQUESTS_MAX && r->name[0])
		r++;
	if (r == s->request + REQUESTS_MAX) {
		printf("request %s is one too many: %d are open\n", name, REQUESTS_MAX);
		return;
	}
	memset(r, 0, sizeof *r);
	r->dir = openat(s->dir, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (r->dir < 0)
		return; /* it is gone again */
	snprintf(path, sizeof path, "/proc/self/fd/%d", r->dir);
	r->watch = inotify_add_watch(s->inotify, path, IN_CLOSE_WRITE | IN_CLOSE_NOWRITE);
	r->made = now_ms();
	snprintf(r->name, sizeof r->name, "%s", name);
	if (r->watch < 0 || !publish(r, "inblob", "", 0) || !publish_generation(r) ||
	    !publish(r, "provider", provider, strlen(provider))) {
		printf("request %s has no attributes: %s\n", name, strerror(errno));
		finish(s, r);
	}
}

static void take_question(struct reports *s, struct request *r)
{
	uint8_t bytes[REPORT_DATA_SIZE + 1];
	int fd = openat(r->dir, "inblob", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);

	if (fd >= 0)
		close(fd);
	if (n != REPORT_DATA_SIZE) {
		printf("request %s: inblob has %zd bytes, not %d\n", r->name, n, REPORT_DATA_SIZE);
		return;
	}
	memcpy(r->report_data, bytes, REPORT_DATA_SIZE);
	r->generation += s->qe->flaw == FLAW_GENERATION ? 2 : 1;
	unlinkat(r->dir, "outblob", 0);
	publish_generation(r);
	r->asked = true;
	r->answered = false;
	r->due = now_ms() + s->qe->delay_ms;
}

static void answer(struct reports *s, struct request *r)
{
	char hex[2 * REPORT_DATA_SIZE + 1];
	struct buf quote;

	buf_init(&quote, QUOTE_MAX);
	qe_quote(&quote, s->qe, r->report_data);
	r->answered = publish(r, "outblob", quote.p, quote.len);
	r->asked = false;
	hex_encode(hex, r->report_data, REPORT_DATA_SIZE);
	printf("request %s: a quote of %zu bytes for report data %s\n", r->name, quote.len, hex);
	buf_free(&quote);
}

static struct request *of_watch(struct reports *s, int watch)
{
	size_t i;

	for (i = 0; i < REQUESTS_MAX; i++)
		if (s->request[i].name[0] && s->request[i].watch == watch)
			return &s->request[i];
	return NULL;
}

static void take_event(struct reports *s, const struct inotify_event *e)
{
	struct request *r = of_watch(s, e->wd);

	if (e->mask & IN_Q_OVERFLOW)
		puts("the kernel dropped events: open requests may go unanswered");
	else if (!r && (e->mask & (IN_CREATE | IN_MOVED_TO)) && (e->mask & IN_ISDIR))
		begin(s, e->name);
	else if (r && e->len && (e->mask & IN_CLOSE_WRITE) && strcmp(e->name, "inblob") == 0)
		take_question(s, r);
	else if (r && e->len && r->answered && (e->mask & IN_CLOSE_NOWRITE) &&
		 strcmp(e->name, "generation") == 0)
		finish(s, r); /* whoever asked has checked that the answer is his */
}

static void take_events(struct reports *s)
{
	_Alignas(struct inotify_event) char events[64 * 1024];
	ssize_t n = read(s->inotify, events, sizeof events), at = 0;

	while (at < n) {
		const struct inotify_event *e = (const void *)(events + at);

		take_event(s, e);
		at += (ssize_t)(sizeof *e + e->len);
	}
}

static void take_turn(struct reports *s)
{
	int64_t now = now_ms();
	size_t i;

	for (i = 0; i < REQUESTS_MAX; i++) {
		struct request *r = &s->request[i];

		if (r->name[0] && r->asked && now >= r->due)
			answer(s, r);
		if (r->name[0] && now - r->made > FORGOTTEN_MS + s->qe->delay_ms)
			finish(s, r);
	}
}

/* Milliseconds until something must be done without an event. */
static int pause_of(const struct reports *s)
{
	int64_t now = now_ms(), least = TURN_MS;
	size_t i;

	for (i = 0; i < REQUESTS_MAX; i++) {
		const struct request *r = &s->request[i];

		if (r->name[0] && r->asked && r->due - now < least)
			least = r->due > now ? r->due - now : 0;
	}
	return (int)least;
}

static void clear(int dir)
{
	DIR *list = fdopendir(openat(dir, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC));
	char inblob[NAME_MAX + 16];
	struct dirent *e;

	while (list && (e = readdir(list))) {
		snprintf(inblob, sizeof inblob, "%s/inblob", e->d_name);
		if (faccessat(dir, inblob, F_OK, 0) == 0)
			remove_request(dir, e->d_name);
	}
	if (list)
		closedir(list);
}

bool reports_serve(const char *dir, const struct qe *qe, const volatile sig_atomic_t *stop,
		   struct why *why)
{
	struct reports *s = calloc(1, sizeof *s);
	struct pollfd ready;
	bool ok;

	if (!s) {
		why_set(why, "no memory");
		return false;
	}
	s->qe = qe;
	s->inotify = inotify_init1(IN_CLOEXEC);
	s->dir = open(dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	ok = s->inotify >= 0 && s->dir >= 0;
	if (ok) {
		clear(s->dir);
		ok = inotify_add_watch(s->inotify, dir, IN_CREATE | IN_MOVED_TO) >= 0;
	}
	if (ok)
		printf("software-qe answers requests in %s; NOTHING IS ATTESTED\n", dir);
	else
		why_set(why, "cannot watch %s: %s", dir, strerror(errno));
	ready = (struct pollfd){s->inotify, POLLIN, 0};
	while (ok && !*stop) {
		if (poll(&ready, 1, pause_of(s)) > 0)
			take_events(s);
		take_turn(s);
	}
	if (s->inotify >= 0)
		close(s->inotify);
	if (s->dir >= 0)
		close(s->dir);
	free(s);
	return ok;
}
