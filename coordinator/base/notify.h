/* notify.h -- tells a service manager how the daemon is (the sd_notify protocol, one datagram). */
#ifndef COORDINATOR_BASE_NOTIFY_H
#define COORDINATOR_BASE_NOTIFY_H

/* state: "READY=1\nSTATUS=...". Without NOTIFY_SOCKET in the environment nothing happens. */
void notify_service_manager(const char *state);

#endif
