/* client.h -- the verbs that talk to a running daemon through its admin listener. */
#ifndef COORDINATOR_CLI_CLIENT_H
#define COORDINATOR_CLI_CLIENT_H

#include "coordinator/config/config.h"

#include <jansson.h>

#define CLIENT_REFUSED     1
#define CLIENT_UNREACHABLE 2

/* Exit codes: 0 done; 1 the daemon refused (the sentence is on stderr); 2 it cannot be reached, or
 * has not answered within 4 s (healthcheck), 15 s, or a minute and what an upload of 1 MiB/s takes.
 */

/* GET path, printed on stdout as it came or, where show is not NULL, by it. */
int client_get(const struct config *c, const char *path, void (*show)(const json_t *));
/* POST without a body; the answer's sentence is printed, or raw: the answer as it came. */
int client_post(const struct config *c, const char *path, bool raw);
/* DELETE; the answer's sentence is printed. */
int client_delete(const struct config *c, const char *path);
/* The number and the hash as an upload's URL may have them; false with the sentence. */
bool client_batch_ok(const char *batch, const char *commit_hash, struct why *why);
/* Uploads a file ("-": stdin is not a file and is refused) as the input of a batch; raw: the answer
 * is printed as it came. */
int client_put_input(const struct config *c, const char *batch, const char *commit_hash,
		     const char *file, bool raw);
/* Has the input of a batch deleted; the answer's sentence is printed. */
int client_drop_input(const struct config *c, const char *batch, const char *commit_hash);
/* Those checkpoint_batch_N that an ethrex upstream needs no more: a sentence, or, of a directory,
 * the paths that are there, one a line. */
int client_checkpoints(const struct config *c, const char *directory);
/* 0 if provers are served, else 1; prints nothing on success. */
int client_healthcheck(const struct config *c);

#endif
