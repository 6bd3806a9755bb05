/*
 * input_jobs.h -- what is done with stored inputs beside the loop: a file's bytes compared with its
 * hash, and files removed by the slice. Both are work for libuv's pool; callbacks come from the
 * loop.
 */
#ifndef COORDINATOR_STORE_INPUT_JOBS_H
#define COORDINATOR_STORE_INPUT_JOBS_H

#include "coordinator/store/input_file.h"

/* INPUT_OK, INPUT_BROKEN (missing, or other bytes than its name says) or INPUT_IO. */
typedef void input_check_cb(void *arg, enum input_rc rc, const struct why *why);

/* Reads the whole file. False: no memory, and no callback. */
bool input_file_check(uv_loop_t *loop, const char *dir, const uint8_t sha256[32], uint64_t size,
		      input_check_cb *cb, void *arg);

#define INPUT_REMOVE_MAX 256 /* files a slice */

/* why says the first error, "" if there was none: what could not be removed is swept at the next
 * start. */
typedef void input_remove_cb(void *arg, const struct why *why);

/* Removes files that no row names, n <= INPUT_REMOVE_MAX. One that is not there is fine. False: no
 * memory, and no callback. */
bool input_files_remove(uv_loop_t *loop, const char *dir, const uint8_t (*hashes)[32], size_t n,
			input_remove_cb *cb, void *arg);

#endif
