/* network.h -- the one network interface of the guest, and its address. IPv4. */
#ifndef GUEST_INIT_NETWORK_H
#define GUEST_INIT_NETWORK_H

#include "guest/init/settings.h"

/* Waits for an interface, brings it up, gives it the address of the settings or one that DHCP
 * offers, and a default route. False with the sentence. */
bool network_up(const struct guest_settings *s, struct why *why);

#endif
