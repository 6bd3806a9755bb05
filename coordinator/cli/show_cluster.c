/* The coordinators on one database, a line each. */
#include "coordinator/cli/columns.h"
#include "coordinator/cli/show.h"

#include <stdio.h>

#define HEADS     10
#define CELL_SIZE 48
#define SILENT_S  5 /* it is seen each second */

/* A figure; "-" where it is not known. */
static json_t *figure(const json_t *figures, const char *key)
{
	const json_t *v = json_object_get(figures, key);
	char text[CELL_SIZE];

	if (!json_is_integer(v))
		return json_string("-");
	snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
	return json_string(text);
}

static const char *role(const json_t *c)
{
	if (json_is_true(json_object_get(c, "gone")))
		return "gone";
	return json_is_true(json_object_get(c, "leads")) ? "leads" : "follows";
}

/* What it said of itself is old once it is silent. */
static const char *state(const json_t *c)
{
	if (json_is_true(json_object_get(c, "gone")))
		return "-";
	if (!json_is_true(json_object_get(c, "this")) && show_number(c, "seen_s_ago") > SILENT_S)
		return "silent";
	return show_text(json_object_get(c, "figures"), "state");
}

/* In tenths, never "-0.0". */
static double show_seconds(long long ms)
{
	return ms > -50 && ms < 50 ? 0 : (double)ms / 1000;
}

static json_t *coordinator_row(const json_t *c)
{
	const json_t *figures = json_object_get(c, "figures");
	char name[96], slot[24], seen[CELL_SIZE], skew[32], took[24];

	snprintf(name, sizeof name, "%s%s", show_text(c, "name"),
		 json_is_true(json_object_get(c, "this")) ? " (this)" : "");
	snprintf(slot, sizeof slot, "%lld", show_number(c, "slot"));
	snprintf(seen, sizeof seen, "%s ago", show_duration(took, show_number(c, "seen_s_ago")));
	snprintf(skew, sizeof skew, "%+.1f s", show_seconds(show_number(c, "clock_skew_ms")));
	return json_pack("[s, s, s, s, s, s, o, o, o, o]", name, slot, role(c), state(c), seen,
			 skew, figure(figures, "connections"), figure(figures, "leases"),
			 figure(figures, "proofs_accepted"), json_string(show_text(c, "version")));
}

void show_coordinators(const json_t *cluster)
{
	static const char *const heads[HEADS] = {"COORDINATOR", "SLOT",   "ROLE",  "STATE",
						 "SEEN",        "CLOCK",  "CONNS", "LEASES",
						 "PROOFS",      "VERSION"};
	json_t *rows = json_array();
	const json_t *c;
	size_t i;

	json_array_foreach (json_object_get(cluster, "coordinators"), i, c)
		json_array_append_new(rows, coordinator_row(c));
	columns_print(heads, HEADS, rows, "no coordinator is seen");
}

void show_cluster(const json_t *answer)
{
	puts(show_text(answer, "says"));
	if (*show_text(answer, "upstream") != '-')
		puts(show_text(answer, "upstream"));
	if (json_is_true(json_object_get(answer, "shared"))) {
		putchar('\n');
		show_coordinators(answer);
	}
}
