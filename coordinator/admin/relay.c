/* An ethrex behind this coordinator, in the status and by itself. */
#include "coordinator/admin/internal.h"

#include "coordinator/base/clock.h"

#include <inttypes.h>

static json_t *demand_json(const struct relay *relay, const struct work *work,
			   const struct fetch_demand *d)
{
	const unsigned mask =
	    d->key.has_type ? PROVER_TYPE_BIT(d->key.type) : (unsigned)WORK_TYPES_ALL;
	const uint64_t now_ms = clock_mono_ms();

	(void)relay;
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I}", "dialect",
			 dialect_name(d->key.dialect), "commit_hash", d->key.commit_hash, "type",
			 d->key.has_type ? prover_type_name(d->key.type) : "any", "asked_in",
			 dialect_name(d->speaks), "asked_for_s_ago",
			 (json_int_t)((now_ms - d->wanted_ms) / 1000), "ahead",
			 (json_int_t)work_open(work, d->key.commit_hash, mask), "last_answer",
			 fetch_heard_name(d->heard), "last_answer_s_ago",
			 (json_int_t)(d->heard == FETCH_NEVER ? 0 : (now_ms - d->heard_ms) / 1000),
			 "last_batch", (json_int_t)d->batch);
}

json_t *admin_relay_json(const struct admin_parts *d)
{
	json_t *demands = json_array();
	const struct fetch_demand *demand;
	struct relay_info i;
	size_t at = 0;

	if (!d->relay) {
		json_decref(demands);
		return json_null();
	}
	relay_info(d->relay, &i);
	while ((demand = relay_demand(d->relay, &at)))
		json_array_append_new(demands, demand_json(d->relay, d->work, demand));
	return json_pack(
	    "{s:b, s:s, s:s, s:I, s:s, s:s, s:I, s:s, s:s, s:b, s:I, s:s, s:I, s:o, s:{s:I, s:I, "
	    "s:I, "
	    "s:s}}",
	    "asks", i.asks, "says", i.says.text, "host", i.host, "port", (json_int_t)i.port,
	    "submit", relay_submit_name(i.submit), "state", health_name(i.health), "state_for_s",
	    (json_int_t)(i.health->state == HEALTH_UNKNOWN ? 0 : i.state_for_ms / 1000),
	    "last_failure", i.health->why.text, "dialect", i.dialect, "spins", i.spins,
	    "provers_waiting", (json_int_t)i.waiting, "fetching_waits_for", i.trouble,
	    "checkpoints_through", (json_int_t)relay_checkpoints(l1_facts(d->l1)), "demands",
	    demands, "proofs", "acknowledged", (json_int_t)i.acknowledged, "not_acknowledged",
	    (json_int_t)i.not_acknowledged, "first_not_acknowledged", (json_int_t)i.forward_batch,
	    "last", i.forward);
}

void admin_checkpoints(struct admin_request *r, const char *rest)
{
	const struct admin_parts *d = &r->admin->p;

	(void)rest;
	admin_json(r, MHD_HTTP_OK,
		   json_pack("{s:b, s:I}", "known", l1_facts(d->l1) != NULL, "through",
			     (json_int_t)relay_checkpoints(l1_facts(d->l1))));
}
