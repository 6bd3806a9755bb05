/*
 * proposal.h -- a registration as a file, where register() is not for the coordinator to send.
 */
#ifndef COORDINATOR_TRANSACTIONS_PROPOSAL_H
#define COORDINATOR_TRANSACTIONS_PROPOSAL_H

#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/address.h"

/* Writes DATA_DIR/proposals/<signer>.json: {"to","value","data","function","signer"}, what a
 * governance or timelock proposal has to call. Replaces an older one as a whole. path receives the
 * file's name. False with the sentence when the disk refuses. */
bool proposal_write(char *path, size_t path_size, const char *data_dir,
		    const struct eth_address *verifier, const struct eth_address *signer,
		    struct span calldata, struct why *why);

#endif
