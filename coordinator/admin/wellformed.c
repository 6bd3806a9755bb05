/* Requests that could be read in two ways are not read at all: two lengths, a length beside chunks,
 * a zero byte that ends a text for one reader and not for the other. */
#include "coordinator/admin/internal.h"

#include <string.h>
#include <strings.h>

/* Said once, or not at all. */
static const struct single {
	const char *name, *twice;
	enum MHD_ValueKind kind;
} singles[] = {
    {MHD_HTTP_HEADER_CONTENT_LENGTH, "two " MHD_HTTP_HEADER_CONTENT_LENGTH " headers",
     MHD_HEADER_KIND},
    {MHD_HTTP_HEADER_TRANSFER_ENCODING, "two " MHD_HTTP_HEADER_TRANSFER_ENCODING " headers",
     MHD_HEADER_KIND},
    {MHD_HTTP_HEADER_HOST, "two " MHD_HTTP_HEADER_HOST " headers", MHD_HEADER_KIND},
    {MHD_HTTP_HEADER_AUTHORIZATION, "two " MHD_HTTP_HEADER_AUTHORIZATION " headers",
     MHD_HEADER_KIND},
    {MHD_HTTP_HEADER_EXPECT, "two " MHD_HTTP_HEADER_EXPECT " headers", MHD_HEADER_KIND},
    {"commit_hash", "two commit_hash in the query", MHD_GET_ARGUMENT_KIND},
};
enum { LENGTH, CHUNKS, SINGLES = sizeof singles / sizeof *singles };

struct look {
	unsigned seen[SINGLES];
	const char *fault; /* NULL: none yet */
};

/* In whatever case: so libmicrohttpd looks up headers and arguments. */
static bool is(const char *known, const char *key, size_t n)
{
	return strlen(known) == n && strncasecmp(known, key, n) == 0;
}

static enum MHD_Result look_at(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_n,
			       const char *value, size_t value_n)
{
	struct look *l = arg;
	size_t i;

	if (memchr(key, 0, key_n) || (value && memchr(value, 0, value_n)))
		l->fault = "a zero byte in it";
	else if (kind == MHD_HEADER_KIND && (memchr(key, ' ', key_n) || memchr(key, '\t', key_n)))
		l->fault = "white space in the name of a header";
	for (i = 0; i < SINGLES; i++)
		if (singles[i].kind == kind && is(singles[i].name, key, key_n) && ++l->seen[i] > 1)
			l->fault = singles[i].twice;
	if (is(singles[CHUNKS].name, key, key_n) && (!value || strcasecmp(value, "chunked") != 0))
		l->fault = "a transfer encoding other than chunked";
	return MHD_YES;
}

const char *admin_malformed(const struct admin_request *r)
{
	struct look l = {.fault = r->zero_in_uri ? "a zero byte in it" : NULL};

	MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND, look_at,
				    &l);
	if (!l.fault && l.seen[LENGTH] && l.seen[CHUNKS])
		l.fault = "both Content-Length and Transfer-Encoding";
	return l.fault;
}
