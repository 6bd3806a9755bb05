#include "measurement/event_log.h"

#include "measurement/slice.h"

#include <stdlib.h>
#include <string.h>

#define ALG_SHA384     0x000cu
#define ALGORITHMS_MAX 8u
#define SIGNATURE_AT   32u /* of the first record: its old form has one SHA-1 digest */

struct algorithms {
	uint16_t id[ALGORITHMS_MAX], size[ALGORITHMS_MAX];
	uint32_t n;
};

/* Of the first n that the log names; 0: not among them. */
static uint16_t size_of(const struct algorithms *a, uint32_t n, uint16_t id)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (a->id[i] == id)
			return a->size[i];
	return 0;
}

static bool parse_first(struct algorithms *a, struct span bytes, size_t *end, struct why *why)
{
	static const char signature[16] = "Spec ID Event03";
	struct span spec;
	bool sha384 = false;
	uint32_t i;

	if (bytes.n < SIGNATURE_AT || le32(bytes.p + 4) != EVENT_NO_ACTION ||
	    !slice(&spec, bytes, SIGNATURE_AT, le32(bytes.p + 28)) || spec.n < 28 ||
	    memcmp(spec.p, signature, sizeof signature) != 0) {
		why_set(why, "not an event log: its first record is no \"Spec ID Event03\"");
		return false;
	}
	a->n = le32(spec.p + 24);
	if (a->n < 1 || a->n > ALGORITHMS_MAX || spec.n < 28 + 4 * (size_t)a->n) {
		why_set(why, "the event log names %u hash algorithms; 1 to %u are read", a->n,
			ALGORITHMS_MAX);
		return false;
	}
	for (i = 0; i < a->n; i++) {
		const uint16_t id = le16(spec.p + 28 + 4 * i), size = le16(spec.p + 30 + 4 * i);

		if (size == 0 || size_of(a, i, id)) {
			why_set(
			    why,
			    "the event log names the hash algorithm 0x%04x twice, or with digests "
			    "of 0 bytes",
			    id);
			return false;
		}
		a->id[i] = id;
		a->size[i] = size;
		sha384 |= a->id[i] == ALG_SHA384 && a->size[i] == DIGEST_SIZE;
	}
	if (!sha384) {
		why_set(why,
			"the event log has no SHA-384 digests; RTMRs are made of nothing else");
		return false;
	}
	*end = SIGNATURE_AT + spec.n;
	return true;
}

/* UEFI specification, table 38.4: the register that takes the place of a PCR. */
static int rtmr_of_pcr(unsigned pcr)
{
	if (pcr == 0)
		return EVENT_OF_MRTD;
	if (pcr == 1 || pcr == 7)
		return 0;
	if (pcr <= 6)
		return 1;
	return pcr >= 11 && pcr <= 13 ? EVENT_OF_TPM_ALONE : 2;
}

static bool place(struct event *e, enum event_log_kind kind, uint32_t number, size_t record,
		  struct why *why)
{
	const uint32_t last = kind == EVENT_LOG_TPM ? 23 : RTMR_COUNT;

	if (number > last) {
		why_set(why, "event %zu of the log is for register %u; the last one is %u%s",
			record, number, last,
			kind == EVENT_LOG_TD && number <= 23 ? " (is it a TPM's log?)" : "");
		return false;
	}
	e->pcr = number;
	e->rtmr = kind == EVENT_LOG_TPM ? rtmr_of_pcr(number) : (int)number - 1;
	return true;
}

static bool take_digests(struct event *e, const struct algorithms *a, struct span bytes, size_t *at,
			 size_t record, struct why *why)
{
	const uint32_t n = le32(bytes.p + *at + 8);
	bool found = false;
	struct span b;
	uint16_t size;
	uint32_t i;

	*at += 12;
	for (i = 0; i < n; i++) {
		if (!slice(&b, bytes, *at, 2))
			goto cut;
		size = size_of(a, a->n, le16(b.p));
		if (size == 0) {
			why_set(why,
				"event %zu of the log has a digest of algorithm 0x%04x, which its "
				"first record does not name",
				record, le16(b.p));
			return false;
		}
		if (!slice(&b, bytes, *at + 2, size))
			goto cut;
		if (le16(b.p - 2) == ALG_SHA384 && size == DIGEST_SIZE) {
			if (found) {
				why_set(why, "event %zu of the log has two SHA-384 digests",
					record);
				return false;
			}
			memcpy(e->digest, b.p, DIGEST_SIZE);
			found = true;
		}
		*at += 2 + (size_t)size;
	}
	if (!found)
		why_set(why, "event %zu of the log has no SHA-384 digest", record);
	return found;
cut:
	why_set(why, "the event log ends inside the digests of event %zu", record);
	return false;
}

/* What firmware leaves behind the last record: eight equal bytes, or as many as are left. */
static bool is_padding(struct span bytes, size_t at)
{
	const size_t n = bytes.n - at < 8 ? bytes.n - at : 8;
	size_t i;

	for (i = 0; i < n; i++)
		if (bytes.p[at + i] != bytes.p[at] || (bytes.p[at] != 0 && bytes.p[at] != 0xff))
			return false;
	return true;
}

static bool parse_event(struct event *e, enum event_log_kind kind, const struct algorithms *a,
			struct span bytes, size_t *at, size_t record, struct why *why)
{
	struct span b;

	if (!slice(&b, bytes, *at, 12)) {
		why_set(why, "the event log ends inside event %zu", record);
		return false;
	}
	if (!place(e, kind, le32(b.p), record, why))
		return false;
	e->type = le32(b.p + 4);
	if (!take_digests(e, a, bytes, at, record, why))
		return false;
	if (!slice(&b, bytes, *at, 4) || !slice(&e->data, bytes, *at + 4, le32(b.p))) {
		why_set(why, "the event log ends inside the data of event %zu", record);
		return false;
	}
	*at += 4 + e->data.n;
	return true;
}

static bool add(struct event_log *log, const struct event *e, size_t *room)
{
	if (log->n == *room) {
		const size_t more = *room ? 2 * *room : 64;
		struct event *bigger = realloc(log->events, more * sizeof *bigger);

		if (!bigger)
			return false;
		log->events = bigger;
		*room = more;
	}
	log->events[log->n++] = *e;
	return true;
}

static bool has_separator(const struct event_log *log, int rtmr)
{
	size_t i;

	for (i = 0; i < log->n; i++)
		if (log->events[i].rtmr == rtmr && log->events[i].type == EVENT_SEPARATOR)
			return true;
	return false;
}

bool event_log_parse(struct event_log *out, enum event_log_kind kind, struct span bytes,
		     struct why *why)
{
	struct algorithms algorithms;
	size_t at = 0, room = 0, record;
	struct event e;

	*out = (struct event_log){.kind = kind};
	if (bytes.n > EVENT_LOG_BYTES_MAX) {
		why_set(why, "the event log has %zu bytes; at most %u are read", bytes.n,
			EVENT_LOG_BYTES_MAX);
		return false;
	}
	if (!parse_first(&algorithms, bytes, &at, why))
		return false;
	for (record = 1; !is_padding(bytes, at); record++) {
		memset(&e, 0, sizeof e);
		if (record > EVENT_LOG_MAX) {
			why_set(why, "the event log has more than %u events", EVENT_LOG_MAX);
			goto fail;
		}
		if (!parse_event(&e, kind, &algorithms, bytes, &at, record, why))
			goto fail;
		if (e.type == EVENT_NO_ACTION)
			continue; /* says something, extends nothing */
		if (kind == EVENT_LOG_TPM && e.type == EVENT_SEPARATOR &&
		    has_separator(out, e.rtmr))
			e.rtmr = EVENT_OF_TPM_ALONE;
		if (!add(out, &e, &room)) {
			why_set(why, "no memory for %zu events", out->n + 1);
			goto fail;
		}
	}
	return true;
fail:
	event_log_free(out);
	return false;
}

void event_log_free(struct event_log *log)
{
	free(log->events);
	log->events = NULL;
	log->n = 0;
}

void event_log_replay(const struct event_log *log, uint8_t rtmr[RTMR_COUNT][DIGEST_SIZE])
{
	size_t i;

	memset(rtmr, 0, RTMR_COUNT * DIGEST_SIZE);
	for (i = 0; i < log->n; i++)
		if (log->events[i].rtmr >= 0)
			digest_extend(rtmr[log->events[i].rtmr], log->events[i].digest);
}
