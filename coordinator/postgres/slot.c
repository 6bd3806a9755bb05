/* A place among the coordinators: one of the rows of instance, and a lock on its number. */
#include "coordinator/postgres/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WAIT_MS 8000 /* a session whose host died ends after 6 s */
#define REST_MS 250

enum place { PLACE_TAKEN, PLACE_HELD, PLACE_NONE, PLACE_FAILED };

static enum store_rc lock_number(struct link *s, unsigned slot, bool *mine, struct why *why)
{
	struct params p = {0};
	enum store_rc rc;
	PGresult *r;

	param_int(&p, 100 + (int)slot);
	r = link_query(s, "SELECT pg_try_advisory_lock(1414809688, $1)", "i", &p, &rc, why);
	*mine = r && *PQgetvalue(r, 0, 0) != 0;
	PQclear(r);
	return rc;
}

enum store_rc slot_lock(struct postgres *e, struct why *why)
{
	return lock_number(&e->main, e->engine.slot, &e->slot_locked, why);
}

/* The row of that name, else a free one; of that name *seen says when it was seen last. */
static PGresult *find(struct postgres *e, bool *named, enum store_rc *rc, struct why *why)
{
	struct params p = {0}, gone = {0};
	PGresult *r;

	param_text(&p, e->name);
	r = link_query(&e->main,
		       "SELECT slot, (extract(epoch FROM seen) * 1000)::bigint FROM instance"
		       " WHERE name = $1",
		       "t", &p, rc, why);
	*named = r && PQntuples(r) == 1;
	if (!r || *named)
		return r;
	PQclear(r);
	param_u64(&gone, STORE_NOT_SEEN_MS);
	/* They hold nothing that is missed, so that whoever emptied the table did no harm. */
	*rc = link_run(&e->main,
		       "INSERT INTO instance (slot) SELECT generate_series(0, 63)"
		       " ON CONFLICT (slot) DO NOTHING",
		       why);
	if (*rc != STORE_OK)
		return NULL;
	return link_query(&e->main,
			  "SELECT slot, 0::bigint FROM instance WHERE name = '' OR"
			  " seen < clock_timestamp() - $1 * interval '1 millisecond'"
			  " ORDER BY name <> '', slot FOR UPDATE SKIP LOCKED LIMIT 1",
			  "l", &gone, rc, why);
}

static enum store_rc sign(struct postgres *e, struct why *why)
{
	struct params p = {0};
	enum store_rc rc;

	param_int(&p, (int)e->engine.slot);
	param_text(&p, e->name);
	param_u64(&p, e->token);
	param_text(&p, e->version);
	param_int(&p, schema_known.version);
	param_text(&p, e->listen);
	PQclear(link_query(&e->main,
			   "UPDATE instance SET name = $2, token = $3, version = $4,"
			   " schema = $5, listen = $6, started = clock_timestamp(),"
			   " seen = clock_timestamp(), rev = (SELECT rev FROM head),"
			   " skew_ms = 0, fence = 0, status = '' WHERE slot = $1",
			   "itltit", &p, &rc, why));
	return rc;
}

static enum place try_once(struct postgres *e, uint64_t *seen, enum store_rc *rc, struct why *why)
{
	struct link *s = &e->main;
	bool named = false;
	PGresult *r;

	link_deadline(s, OPEN_MS);
	*rc = link_run(s, "BEGIN", why);
	if (*rc != STORE_OK)
		return PLACE_FAILED;
	*rc = schema_hold(s, &schema_known, why);
	r = *rc == STORE_OK ? find(e, &named, rc, why) : NULL;
	if (!r || PQntuples(r) == 0) {
		PQclear(r);
		if (s->conn)
			link_run(s, "ROLLBACK", NULL);
		return *rc == STORE_OK ? PLACE_NONE : PLACE_FAILED;
	}
	e->engine.slot = (unsigned)cell_int(r, 0, 0);
	*seen = cell_u64(r, 0, 1);
	PQclear(r);
	*rc = slot_lock(e, why);
	if (*rc == STORE_OK && e->slot_locked)
		*rc = sign(e, why);
	if (*rc == STORE_OK && e->slot_locked)
		*rc = link_run(s, "COMMIT", why);
	if (*rc == STORE_OK && e->slot_locked)
		return PLACE_TAKEN;
	if (s->conn)
		link_run(s, "ROLLBACK", NULL);
	if (s->conn && e->slot_locked)
		link_run(s, "SELECT pg_advisory_unlock_all()", NULL);
	e->slot_locked = false;
	/* The name was taken by another meanwhile. */
	if (*rc == STORE_CONFLICT)
		*rc = STORE_OK;
	return *rc == STORE_OK ? PLACE_HELD : PLACE_FAILED;
}

enum store_rc slot_take(struct postgres *e, struct why *why)
{
	const uint64_t until = after_ms(WAIT_MS);
	uint64_t seen = 0, first = 0;
	enum store_rc rc;

	for (;; uv_sleep(REST_MS)) {
		switch (try_once(e, &seen, &rc, why)) {
		case PLACE_TAKEN: return STORE_OK;
		case PLACE_FAILED: return rc;
		case PLACE_NONE:
			why_set(why, "%s: %d coordinators are there already", e->where,
				STORE_SLOTS);
			return STORE_IN_USE;
		case PLACE_HELD: break;
		}
		first = first ? first : seen;
		/* Whose row changes lives; else its session may be about to end. */
		if ((first && seen && seen != first) || uv_hrtime() >= until) {
			why_set(why,
				"%s: a coordinator with the name %s is there: give each its own "
				"ETHREX_PROOF_COORDINATOR_INSTANCE",
				e->where, e->name);
			return STORE_IN_USE;
		}
	}
}
