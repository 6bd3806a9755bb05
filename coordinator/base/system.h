/*
 * system.h -- what the machine around the daemon is told and asked: one daemon a key, the service
 * manager.
 */
#ifndef COORDINATOR_BASE_SYSTEM_H
#define COORDINATOR_BASE_SYSTEM_H

#include "encoding/why.h"
#include "ethereum/address.h"

/* One daemon a key: two that send from one account would take each other's nonces. The lock is an
 * abstract Unix socket named after the key and the chain; it ends with the process, and is seen on
 * the same machine and network namespace only. where: whatever tells chains apart (endpoints,
 * contract). store: "", or what tells shared databases apart; those of one share the key, for only
 * one of them sends. Returns a descriptor that holds it, or -1 with the sentence. */
int system_lock_key(const struct eth_address *key, const char *where, const char *store,
		    struct why *why);

/* Tells a service manager how the daemon is (the sd_notify protocol, one datagram).
 * state: "READY=1\nSTATUS=...". Without NOTIFY_SOCKET in the environment nothing happens. */
void system_notify(const char *state);

/* What this process uses. False: the system does not say. */
struct system_usage {
	double cpu_seconds;
	uint64_t resident_bytes, virtual_bytes, open_fds, max_fds;
};
bool system_usage(struct system_usage *out);

#endif
