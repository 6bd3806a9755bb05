/*
 * answer.h -- an answer of the upstream coordinator, read as it comes in. Pure.
 *
 * Of an input only the bytes around it are kept: its own are handed on piece by piece. What is left
 * reads as the same message with `null` for the input, and is decoded as any other.
 */
#ifndef COORDINATOR_RELAY_ANSWER_H
#define COORDINATOR_RELAY_ANSWER_H

#include "encoding/json_scan.h"
#include "protocol/proofdata.h"

/* The longest message without an input, and the most that may stand around one. */
#define ANSWER_SMALL_MAX 4096

#define ANSWER_SHOWN 64

struct answer {
	enum { ANSWER_HEAD, ANSWER_INPUT, ANSWER_TAIL, ANSWER_WRONG } at;
	struct json_scan whole, input;
	uint8_t small[ANSWER_SMALL_MAX];
	size_t n;
	uint64_t bytes;           /* in all */
	char begin[ANSWER_SHOWN]; /* its first bytes, for a sentence */
	size_t n_begin;
	bool has_input, complete;
	struct proofdata message; /* from answer_input() and answer_end() on */
	struct why why;           /* ANSWER_WRONG */
};

void answer_init(struct answer *a);
/* Takes from the front of *bytes: all of it, or up to where something is to be done first.
 * *piece: bytes of the input, a view into it; n 0: none. Call until bytes->n is 0. False: this is
 * no answer, see why. */
bool answer_take(struct answer *a, struct span *bytes, struct span *piece);
/* Once the first piece of an input is there: the batch it is of. False, see why. */
bool answer_batch(struct answer *a, uint64_t *batch);

enum answer_kind {
	ANSWER_NOTHING, /* not a byte */
	ANSWER_CUT,     /* the end of the stream came too early; see why */
	ANSWER_BAD,     /* no message of a coordinator's; see why */
	ANSWER_MESSAGE, /* message, with has_input where it had one; borrows from the answer */
};
/* The stream has ended. */
enum answer_kind answer_end(struct answer *a);
/* It is a message, and not the one that was waited for: why says that sentence and how it begins.
 */
void answer_other(struct answer *a, const char *sentence);

#endif
