#include "coordinator/base/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Whoever of the two lets go last frees it. */
struct lookup {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool done, abandoned;
	int error; /* of getaddrinfo() */
	struct resolved found;
	char host[256];
};

static void lookup_free(struct lookup *l)
{
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->mutex);
	free(l);
}

static int look(struct resolved *out, const char *host, int flags)
{
	const struct addrinfo hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
	struct addrinfo *list = NULL, *i;
	int error = getaddrinfo(host, NULL, &hints, &list);

	for (i = error ? NULL : list; i && out->n < RESOLVE_MAX; i = i->ai_next)
		if (!getnameinfo(i->ai_addr, i->ai_addrlen, out->address[out->n],
				 sizeof out->address[0], NULL, 0, NI_NUMERICHOST))
			out->n++;
	if (!error)
		freeaddrinfo(list);
	return error;
}

static void *thread_main(void *arg)
{
	struct lookup *l = arg;
	struct resolved found = {0};
	const int error = look(&found, l->host, 0);
	bool abandoned;

	pthread_mutex_lock(&l->mutex);
	l->found = found;
	l->error = error;
	l->done = true;
	abandoned = l->abandoned;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->mutex);
	if (abandoned)
		lookup_free(l);
	return NULL;
}

static struct lookup *lookup_start(const char *host)
{
	struct lookup *l = calloc(1, sizeof *l);
	pthread_condattr_t monotonic;
	pthread_t thread;

	if (!l)
		return NULL;
	strncpy(l->host, host, sizeof l->host - 1);
	pthread_mutex_init(&l->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&thread, NULL, thread_main, l)) {
		lookup_free(l);
		return NULL;
	}
	pthread_detach(thread);
	return l;
}

bool resolve(struct resolved *out, const char *host, unsigned ms, struct why *why)
{
	struct timespec until;
	struct lookup *l;
	bool done;
	int error;

	/* An address is not looked up. */
	*out = (struct resolved){0};
	if (!look(out, host, AI_NUMERICHOST))
		return out->n > 0;
	l = lookup_start(host);
	if (!l) {
		why_set(why, "no resources to look up %.100s", host);
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&l->mutex);
	while (!l->done && !pthread_cond_timedwait(&l->changed, &l->mutex, &until))
		;
	done = l->done;
	error = l->error;
	*out = l->found;
	out->again = !done || error == EAI_AGAIN;
	l->abandoned = !done;
	pthread_mutex_unlock(&l->mutex);
	if (done)
		lookup_free(l);
	if (!done)
		why_set(why, "no answer in time about the name %.100s", host);
	else if (error)
		why_set(why, "the name %.100s: %s", host, gai_strerror(error));
	return done && !error && out->n;
}
