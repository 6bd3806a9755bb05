/*
 * payload.h -- quote-gen, which the guest is there for: how much memory it has, and what follows
 * when it ends.
 */
#ifndef GUEST_INIT_PAYLOAD_H
#define GUEST_INIT_PAYLOAD_H

#include "guest/init/settings.h"

/* ---- decisions, pure ---- */

/* Of a batch input: its text in quote-gen, and five times that in the executor (measured: 3.8,
 * docs/GUEST.md); besides that, what both need without one. */
#define MEMORY_PER_BYTE 6
#define MEMORY_FIXED    (256ull << 20)
#define INPUT_MIN       (1ull << 20)
/* Of the executor's address space: what its allocator reserves and never touches (measured: 270 MiB
 * without a large input, 10 of them used). */
#define UNTOUCHED (320ull << 20)

/* How long an input may be, and how much address space the executor may have, of that many bytes of
 * free memory. False: not even an input of INPUT_MIN would fit. */
bool payload_memory(uint64_t *input_max, uint64_t *executor_memory, uint64_t available);

enum payload_next { PAYLOAD_RESTART, PAYLOAD_POWER_OFF };

struct payload_end {
	enum payload_next next;
	uint64_t wait_ms; /* before the restart */
};

#define RESTART_FIRST_MS 1000
#define RESTART_MAX_MS   60000
#define RAN_WELL_MS      600000 /* after which a restart is the first again */

/* It ended with that status of waitpid(): 0 is its work done and 64 a setting that no restart
 * mends; anything else is tried again, ever later. waited: before the start that ended, 0 at first.
 */
struct payload_end payload_ended(int status, uint64_t ran_ms, uint64_t waited_ms);

/* ---- effects ---- */

/* Completes the settings with the flags that follow from this machine: --input-max,
 * --executor-memory, and --without-quote wait. False with the sentence. */
bool payload_complete(struct guest_settings *s, struct why *why);

/* Writes them as QUOTE_GEN_FLAGS=... to path, for a service manager. False with the sentence. */
bool payload_write_flags(const struct guest_settings *s, const char *path, struct why *why);

/* Runs program again and again, and reaps what is orphaned meanwhile. Returns when it is time to
 * power off. */
void payload_supervise(const struct guest_settings *s, const char *program);

#endif
