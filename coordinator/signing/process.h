/*
 * process.h -- the daemon's end of the process that holds the local keys (signer.h).
 */
#ifndef COORDINATOR_SIGNING_PROCESS_H
#define COORDINATOR_SIGNING_PROCESS_H

#include "coordinator/signing/wire.h"

#include <uv.h>

#define PROCESS_PROGRAM "/proc/self/exe" /* what runs, also once another file has its name */

struct signer_process;

struct process_events {
	/* WIRE_SIGNED, WIRE_REFUSED or WIRE_ANEW. */
	void (*answer)(void *arg, const struct wire_message *m);
	/* It has ended, and comes back with a restart of the daemon alone. */
	void (*lost)(void *arg, const char *sentence);
	void *arg;
};

/* Starts it with the keys of hello, and waits, some seconds at most, until it has named their
 * addresses in ready. False with the sentence; *out is NULL. */
bool process_start(struct signer_process **out, uv_loop_t *loop, const struct wire_message *hello,
		   struct wire_message *ready, const struct process_events *events,
		   struct why *why);

/* Never waits. False with the sentence: it is gone, or takes nothing at the moment. */
bool process_send(struct signer_process *p, const struct wire_message *m, struct why *why);

int process_pid(const struct signer_process *p);

/* No event comes after this. Ends it, then calls done from the loop. */
void process_close(struct signer_process *p, void (*done)(void *arg), void *arg);

#endif
