/*
 * listen.h -- where the operator's listener stands, and the token that it asks for.
 */
#ifndef COORDINATOR_ADMIN_LISTEN_H
#define COORDINATOR_ADMIN_LISTEN_H

#include "encoding/why.h"

#include <stdbool.h>
#include <stddef.h>

/* text: as listen_at_local() has it. Returns a listening, non-blocking descriptor, or -1
 * with the sentence. */
int admin_listen(const char *text, struct why *why);

/* given, or that of DATA_DIR/admin.token, which is made where it is absent or empty. out is a
 * secret of at least 65 bytes. False with the sentence. */
bool admin_token(char *out, size_t size, const char *given, const char *data_dir, struct why *why);

#endif
