/*
 * devnet_executor.h -- EXECUTES NOTHING. For the devnet only.
 *
 * Derives the 256 bytes of public inputs from the input alone: roots and hashes are taken from the
 * headers instead of from an execution. It does check that the headers hang together: the first
 * block's parent is the last header of the witness, each block's parent is the block before it,
 * numbers are consecutive. An input whose hashes do not match is refused in words.
 */
#ifndef QUOTE_GEN_DEVNET_EXECUTOR_H
#define QUOTE_GEN_DEVNET_EXECUTOR_H

#include "encoding/bytes.h"
#include "encoding/why.h"

struct devnet_summary {
	uint64_t first_block, last_block, transactions;
	uint8_t last_block_hash[32];
};

/* Appends the public inputs to out. summary may be NULL. */
bool devnet_execute(struct buf *out, struct devnet_summary *summary, struct span input,
		    struct why *why);

#endif
