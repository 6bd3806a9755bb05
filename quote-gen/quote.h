/*
 * quote.h -- a TDX quote over 64 bytes of report data, from the kernel.
 *
 * Linux's configfs-tsm (6.7 and later): a directory below /sys/kernel/config/tsm/report is one
 * request. Documentation/ABI/testing/configfs-tsm-report.
 */
#ifndef QUOTE_GEN_QUOTE_H
#define QUOTE_GEN_QUOTE_H

#include "encoding/bytes.h"
#include "encoding/why.h"

#define REPORT_DATA_SIZE  64
#define QUOTE_SIZE_MAX    (32 * 1024)
#define QUOTE_REPORTS     "/sys/kernel/config/tsm/report"
#define QUOTE_REPORTS_MAX 1024 /* characters of a path to such a directory */

/* Appends the quote to out (ceiling: at least QUOTE_SIZE_MAX). `reports` is QUOTE_REPORTS, or an
 * ordinary directory in which something plays the kernel: there an attribute may come up to 5 s
 * after its directory, the quote up to 30 s after the question. False with the sentence: there is
 * no such interface, the TDX module gave none, or *stop was set meanwhile. */
bool quote_from_kernel(struct buf *out, const char *reports,
		       const uint8_t report_data[REPORT_DATA_SIZE], const volatile int *stop,
		       struct why *why);

#endif
