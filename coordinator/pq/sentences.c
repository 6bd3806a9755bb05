/* What the server says, and what an operator does about it. */
#include "coordinator/pq/link.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *state;
	enum store_rc rc;
	const char *hint;
} states[] = {
    {"53100", STORE_DISK, "the disk of the database is full"},
    {"53200", STORE_DISK, "the server is out of memory"},
    {"53300", STORE_UNREACHABLE,
     "no connection is left: see max_connections, and the CONNECTION LIMIT of the role and of the "
     "database; each coordinator has up to four"},
    {"53400", STORE_DISK, "see temp_file_limit, and what else the server limits"},
    {"25006", STORE_FOREIGN,
     "it is read-only: give the primary, or target_session_attrs=read-write; if this is the "
     "primary, its default_transaction_read_only is on"},
    {"57P01", STORE_UNREACHABLE, "the server was shut down, or ended this session"},
    {"57P02", STORE_UNREACHABLE, "the server crashed"},
    {"57P03", STORE_UNREACHABLE, "the server is starting or stopping"},
    {"57P05", STORE_UNREACHABLE, "this coordinator was silent for too long"},
    {"25P03", STORE_UNREACHABLE, "this coordinator was silent for too long"},
    {"57014", STORE_UNREACHABLE, "the statement took too long, or somebody cancelled it"},
    {"55P03", STORE_UNREACHABLE, "another session holds what this one waits for"},
    {"28P01", STORE_UNREACHABLE,
     "the password is another, or has expired: see ETHREX_PROOF_COORDINATOR_STORE_PASSWORD, and "
     "VALID UNTIL of the role"},
    {"28000", STORE_UNREACHABLE, "see the server's pg_hba.conf, and whether the role may LOGIN"},
    {"3D000", STORE_UNREACHABLE, "create it first"},
    {"3F000", STORE_FOREIGN,
     "no schema that is there is in the role's search_path: ALTER ROLE ... SET search_path"},
    {"42501", STORE_FOREIGN, "the user lacks rights: GRANT them, or make it the owner"},
    {"42P01", STORE_CORRUPT, "a table is missing"},
    {"42703", STORE_CORRUPT, "a column is missing"},
    {"42P10", STORE_CORRUPT, "a key is missing: was the backup restored to its end?"},
    /* On the next connection statements are prepared as the tables are then. */
    {"0A000", STORE_CORRUPT, "a column was altered"},
    {"42P07", STORE_FOREIGN, "a table of another program stands there"},
    {"XX001", STORE_CORRUPT, "the database is damaged"},
    {"XX002", STORE_CORRUPT, "the database is damaged"},
};

void link_flatten(char *out, size_t size, const char *text)
{
	const char *before = "";
	size_t n = 0, length, last = 0;

	for (; *text; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		/* libpq says what might be the cause behind a tab, where it is in the server's
		 * source, and the same again without TLS. */
		if (*text == '\t' || strncmp(text, "LOCATION:", 9) == 0 ||
		    (length == last && memcmp(text, before, length) == 0))
			continue;
		before = text;
		last = length;
		if (n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? "; " : "",
					      (int)length, text);
	}
	if (!n)
		out[0] = '\0';
}

const char *link_hint(const char *message)
{
	char coded[12];
	size_t i;

	for (i = 0; i < sizeof states / sizeof *states; i++) {
		snprintf(coded, sizeof coded, "  %s: ", states[i].state);
		if (strstr(message, coded))
			return states[i].hint;
	}
	return NULL;
}

enum store_rc link_rc(struct link *s, const PGresult *r, struct why *why)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	char text[256];
	size_t i;

	snprintf(s->state, sizeof s->state, "%s", state ? state : "");
	if (PQresultStatus(r) == PGRES_PIPELINE_ABORTED) {
		why_set(why, "%s: a statement before it failed", s->where);
		return STORE_DISK;
	}
	link_flatten(text, sizeof text, message ? message : PQresultErrorMessage(r));
	for (i = 0; state && i < sizeof states / sizeof *states; i++)
		if (strcmp(states[i].state, state) == 0) {
			why_set(why, "%s: %s (%s)", s->where, text, states[i].hint);
			return states[i].rc;
		}
	why_set(why, "%s: %s (SQLSTATE %s)", s->where, text, state ? state : "none");
	/* Class 22, a value that no column can take, and 23, a constraint. */
	return state && (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0)
		   ? STORE_CONFLICT
		   : STORE_DISK;
}
