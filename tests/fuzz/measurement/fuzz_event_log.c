/* Event logs, of a TD and of a TPM: read, replayed, told in words and compared. */
#include "measurement/event_log.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t rtmr[RTMR_COUNT][DIGEST_SIZE];
	char words[EVENT_WORDS_SIZE];
	struct event_log log;
	size_t i, k;

	if (n < 1 || !event_log_parse(&log, data[0] & 1 ? EVENT_LOG_TPM : EVENT_LOG_TD,
				      span_of(data + 1, n - 1), NULL))
		return 0;
	event_log_replay(&log, rtmr);
	for (i = 0; i < log.n && i < 64; i++)
		event_words(words, sizeof words, &log.events[i]);
	for (i = 0; i < RTMR_COUNT; i++) {
		if (event_log_compare(&log, (unsigned)i, rtmr[i]).match != REGISTER_SAME)
			abort();
		if (event_log_first_difference(&k, &k, &log, &log, (unsigned)i))
			abort();
	}
	event_log_free(&log);
	return 0;
}
