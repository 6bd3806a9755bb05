/* config_tls.h -- the settings of the TLS listener, tried together. */
#ifndef COORDINATOR_CONFIG_CONFIG_TLS_H
#define COORDINATOR_CONFIG_CONFIG_TLS_H

#include "coordinator/config/config.h"
#include "coordinator/secure/certificates.h"

/* "ADDRESS:PORT", "[IPv6]:PORT" -> c->tls_address, c->tls_port; and with files, everything is read
 * as the daemon will. False with the sentence, which begins with the setting's name. Without
 * TLS_LISTEN there is nothing to check. */
bool config_check_tls(struct config *c, bool files, struct why *why);

/* Borrows from c. */
struct certificates_options config_certificates(const struct config *c);

#endif
