/* write_private.h -- a file as the daemon's secrets are: for its owner alone. */
#ifndef TESTS_WRITE_PRIVATE_H
#define TESTS_WRITE_PRIVATE_H

#include "coordinator/base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static inline void write_private(const char *path, const char *text)
{
	assert_true(file_write_whole(path, span_of(text, strlen(text)), 0600, NULL));
}

#endif
