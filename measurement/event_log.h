/*
 * event_log.h -- the log that firmware, boot loader and kernel keep of what they measured.
 *
 * The form is that of the TCG PC Client Platform Firmware Profile (section 10, "crypto agile"): a
 * first record in the old form names the hash algorithms, the others carry a digest for each of
 * them. A TD's log is what the ACPI table CCEL points at (UEFI specification, section 38, EFI_CC);
 * its first number is 0 for MRTD and 1..4 for RTMR0..3. A TPM's first number is a PCR;
 * section 38.4.1 of the UEFI specification says which register takes the place of which PCR.
 */
#ifndef MEASUREMENT_EVENT_LOG_H
#define MEASUREMENT_EVENT_LOG_H

#include "encoding/why.h"
#include "measurement/digest.h"

#define EVENT_LOG_BYTES_MAX (4u * 1024u * 1024u)
#define EVENT_LOG_MAX       4096u

enum event_log_kind {
	EVENT_LOG_TD,  /* registers by number: MRTD, RTMR0..3 */
	EVENT_LOG_TPM, /* PCRs, told as the registers that take their place; see EVENT_OF_TPM_ALONE
			*/
};

/* Event types of the profile, section 10.4.1; the ones that are known by name here. */
enum event_type {
	EVENT_POST_CODE = 0x01,
	EVENT_NO_ACTION = 0x03,
	EVENT_SEPARATOR = 0x04,
	EVENT_TAG = 0x06,
	EVENT_PLATFORM_CONFIG_FLAGS = 0x0a,
	EVENT_IPL = 0x0d,
	EVENT_EFI_VARIABLE_DRIVER_CONFIG = (int)0x80000001,
	EVENT_EFI_VARIABLE_BOOT = (int)0x80000002,
	EVENT_EFI_BOOT_APPLICATION = (int)0x80000003,
	EVENT_EFI_GPT = (int)0x80000006,
	EVENT_EFI_ACTION = (int)0x80000007,
	EVENT_EFI_FIRMWARE_BLOB = (int)0x8000000a,
	EVENT_EFI_HANDOFF_TABLES = (int)0x8000000b,
	EVENT_EFI_VARIABLE_AUTHORITY = (int)0x800000e0,
};

#define EVENT_OF_MRTD -1
/* In a TPM's log: what a TD's would not have. Each PCR has a separator, each register one; and
 * systemd-stub 252..255 measures its sections into PCR 11..13, for it knows a TPM and no TD. */
#define EVENT_OF_TPM_ALONE -2
#define EVENT_WORDS_SIZE   2304u /* enough for event_words() */

struct event {
	int rtmr;     /* 0..3, EVENT_OF_MRTD or EVENT_OF_TPM_ALONE */
	unsigned pcr; /* of a TPM's log */
	uint32_t type;
	uint8_t digest[DIGEST_SIZE];
	const char
	    *words; /* borrowed; what it is, where that is known better than from data; or NULL */
	struct span data; /* into the log's bytes: what the event says of itself, often not what was
			     hashed */
};

/* A register's value, set beside the one that the events lead to. */
enum register_match {
	REGISTER_SAME,
	REGISTER_STOPPED_BEFORE, /* the value is what the events before `event` lead to */
	REGISTER_WITHOUT,        /* the value is what all but `event` lead to */
	REGISTER_TWICE,          /* the value is what comes out when `event` happens twice */
	REGISTER_OTHER,          /* none of these; `event` is the register's first one */
};
struct register_difference {
	enum register_match match;
	size_t event; /* index into the log; its length where the register has no event */
};

struct event_log {
	enum event_log_kind kind;
	struct event *events; /* owned, in the order of the log */
	size_t n;
};

/* Reads a log; its bytes must outlive *out. The log ends with its bytes, or where a record is all
 * zeroes or all ones, as in the tables that firmware leaves behind. False, with nothing to free and
 * the sentence: no log, one without SHA-384, one cut short, a register that there is not, more than
 * EVENT_LOG_MAX events. */
bool event_log_parse(struct event_log *out, enum event_log_kind kind, struct span bytes,
		     struct why *why);
void event_log_free(struct event_log *log);

/* The registers that these events lead to. */
void event_log_replay(const struct event_log *log, uint8_t rtmr[RTMR_COUNT][DIGEST_SIZE]);

/* How a register's value and the events of the log fit together. Up to COMPARE_EVENTS_MAX events of
 * a register are tried one by one; with more only REGISTER_SAME, _STOPPED_BEFORE and _OTHER are
 * told. */
#define COMPARE_EVENTS_MAX 256u
struct register_difference event_log_compare(const struct event_log *log, unsigned rtmr,
					     const uint8_t value[DIGEST_SIZE]);

/* The first event of a register that is not the same in both logs: its index in each, or that log's
 * n where it has no such event. False when they agree. */
bool event_log_first_difference(size_t *in_a, size_t *in_b, const struct event_log *a,
				const struct event_log *b, unsigned rtmr);

/* What an event is, in words: 'the command line "console=ttyS0"'. Text out of the log is shown as
 * text: whatever is not a printable character becomes a '?'. Cut at the size of out. */
void event_words(char *out, size_t size, const struct event *e);

#endif
