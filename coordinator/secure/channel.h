/*
 * channel.h -- TLS between a connection's bytes and its socket.
 *
 * recv and send as the kernel's, on a socket that does not block. One thread at a time may use a
 * channel: the loop's, or the pool's while it sends a file.
 */
#ifndef COORDINATOR_SECURE_CHANNEL_H
#define COORDINATOR_SECURE_CHANNEL_H

#include "coordinator/secure/certificates.h"

#include <sys/types.h>

struct channel;

/* fd stays the caller's. NULL: out of memory. */
struct channel *channel_new(const struct certificates *certificates, int fd);
/* Sends nothing. NULL is fine. */
void channel_free(struct channel *ch);

enum channel_step { CHANNEL_DONE, CHANNEL_WANTS_READ, CHANNEL_WANTS_WRITE, CHANNEL_FAILED };
/* The handshake, as far as it goes now. FAILED with the sentence; the peer got an alert. */
enum channel_step channel_accept(struct channel *ch, struct why *why);
/* As certificates_client(). */
enum client_key channel_client(const struct channel *ch, const struct certificates *certificates,
			       uint8_t hash[TLS_KEY_HASH], struct why *why);

#define CHANNEL_RECORD 16384
/* One record at most. 0: nothing more comes, see channel_was_cut(). -1 with errno; EAGAIN: not now;
 * EPROTO: what came is not TLS. With room for a record nothing that was read is held back: the
 * channel is ready when its socket is. */
ssize_t channel_recv(struct channel *ch, void *to, size_t n);
/* The stream ended without close_notify: somebody on the way may have cut it. */
bool channel_was_cut(const struct channel *ch);

/* As many as one record holds. -1 with errno; after EAGAIN the same bytes must be sent again. */
ssize_t channel_send(struct channel *ch, const void *from, size_t n);
/* Sends close_notify; what the peer still sends can be read. */
enum channel_step channel_end(struct channel *ch);

#endif
