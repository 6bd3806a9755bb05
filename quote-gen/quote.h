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

#define REPORT_DATA_SIZE 64
#define QUOTE_SIZE_MAX   (32 * 1024)

/* Appends the quote to out (ceiling: at least QUOTE_SIZE_MAX). False with the sentence: there is no
 * such interface, or the TDX module gave none. */
bool quote_from_kernel(struct buf *out, const uint8_t report_data[REPORT_DATA_SIZE],
		       struct why *why);

#endif
