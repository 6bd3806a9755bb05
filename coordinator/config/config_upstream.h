/* config_upstream.h -- the settings of an ethrex behind this coordinator, against each other and
 * the listeners. */
#ifndef COORDINATOR_CONFIG_CONFIG_UPSTREAM_H
#define COORDINATOR_CONFIG_CONFIG_UPSTREAM_H

#include "coordinator/config/internal.h"

/* Fills in what they say. Names are looked up only where the daemon is to run. */
void config_check_upstream(struct loader *l);

#endif
