/* Each line of stdin, a message of p7, read by our protocol library and written again by it. A line
 * that it refuses ends the program with a sentence. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/proofdata.h"

#define MESSAGE_MAX (64u << 20)

static bool reencode(struct buf *out, struct span line, struct why *why)
{
	const struct proto_limits limits = {MESSAGE_MAX, MESSAGE_MAX};
	struct proofdata m = {0};
	bool ok = proofdata_decode(&m, line, &limits, why) == PROTO_OK;

	/* Messages that all generations share are written as any. */
	if (ok && (m.dialect == DIALECT_P7 || m.dialect == DIALECT_P6))
		m.dialect = DIALECT_P7;
	ok = ok && proofdata_encode(out, &m, why) == PROTO_OK;
	proofdata_free(&m);
	return ok;
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	struct why why = {0};

	while ((n = getline(&line, &size, stdin)) > 0) {
		struct span text = {(const uint8_t *)line, (size_t)n - (line[n - 1] == '\n')};
		struct buf out;
		bool ok;

		buf_init(&out, MESSAGE_MAX);
		ok = reencode(&out, text, &why);
		if (ok)
			printf("%.*s\n", (int)out.len, (const char *)out.p);
		else
			fprintf(stderr, "reencode: %s: %.200s\n", why.text, line);
		buf_free(&out);
		if (!ok)
			return 1;
	}
	free(line);
	return 0;
}
