/* metrics.h -- the daemon's numbers as Prometheus text (version 0.0.4). */
#ifndef COORDINATOR_ADMIN_METRICS_H
#define COORDINATOR_ADMIN_METRICS_H

#include "encoding/bytes.h"

struct daemon;

/* Labels are closed sets: never a batch number, an address or a source. */
bool metrics_write(struct buf *out, const struct daemon *d);

#endif
