/*
 * where.h -- where the daemon is that a verb is for: its socket, its token.
 */
#ifndef COORDINATOR_CLI_WHERE_H
#define COORDINATOR_CLI_WHERE_H

#include "coordinator/config/config.h"

/* As proof-coordinator.service has them. */
#define WHERE_SERVICE_FILE "/etc/proof-coordinator/coordinator.env"
#define WHERE_SERVICE_DIR  "/var/lib/proof-coordinator"

struct where_service {
	const char *env_file, *data_dir;
};
/* The two above. */
extern const struct where_service where_service;

/* The settings of a verb that talks to the daemon, as config_load() has them. Where neither they
 * nor the environment say where it is, and none has its socket in the data directory that `run`
 * would take by default, the service that systemd runs is looked for: its data directory, and its
 * file where that may be read. */
bool where_load(struct config *c, int argc, char **argv, const struct where_service *service,
		FILE *errors);

#endif
