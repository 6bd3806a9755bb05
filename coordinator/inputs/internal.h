/* internal.h -- what inputs.c and upload.c share. */
#ifndef COORDINATOR_INPUTS_INTERNAL_H
#define COORDINATOR_INPUTS_INTERNAL_H

#include "coordinator/inputs/inputs.h"

struct inputs {
	struct inputs_parts p;
	struct inputs_options o;
	uint64_t bytes;
	struct inputs_counters counters;
	uint8_t (*files)[32]; /* during the load: hashes that rows name */
	size_t n_files, cap_files;
};

/* The row of an input that is about to be added; borrows from the arguments. */
void input_row_put(struct store_change *out, uint64_t batch, const char *commit_hash,
		   const uint8_t sha256[32], uint64_t size, uint64_t now_ms);

#endif
