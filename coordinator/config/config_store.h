/* config_store.h -- the settings of a store that several coordinators share, against each other. */
#ifndef COORDINATOR_CONFIG_CONFIG_STORE_H
#define COORDINATOR_CONFIG_CONFIG_STORE_H

#include "coordinator/config/internal.h"

/* Fills in store_conninfo and instance. Where there is a store, libpq's own variables (PGHOST and
 * its like) are taken out of the environment: they would overrule what the settings say. Files are
 * looked at only where the daemon is to run. */
void config_check_store(struct loader *l);

#endif
