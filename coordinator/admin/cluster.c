/* This coordinator among those on its database. */
#include "coordinator/admin/internal.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"

#include <string.h>

/* Of one that is ready and can store nothing. */
static const char *state_now(const struct admin *a)
{
	return a->state == ADMIN_READY && *store_lost(a->p.store) ? "lost"
								  : admin_state_name(a->state);
}

uint64_t admin_uptime_s(const struct admin *a)
{
	return (clock_mono_ms() - a->began_ms) / 1000;
}

struct cluster_self admin_self(const struct admin *a)
{
	const struct admin_parts *d = &a->p;
	const int64_t head = l1_head_time(d->l1), now = (int64_t)(clock_wall_ms() / 1000);
	struct work_counts counts;

	work_counts(d->work, &counts);
	return (struct cluster_self){
	    .name = a->o.instance ? a->o.instance : "",
	    .version = a->o.version,
	    .started_ms = a->o.started_ms,
	    .figures = {.state = state_now(a),
			.connections = a->server ? server_counters(a->server)->connections : 0,
			.leases = counts.leases,
			.provers = registrar_count(d->registrar),
			.inputs_granted = serve_counters(d->serve)[WORK_GRANT],
			.proofs_accepted = session_acks(d->session),
			.l1_block = l1_head_number(d->l1),
			.l1_age_s = head ? now - head : -1,
			.uptime_s = admin_uptime_s(a),
			.settings = a->o.settings}};
}

/* Those of the one that leads count, and any may lead: that they are others is said once. */
static void say_differing(struct admin *a, const struct cluster_self *self)
{
	struct why differing;

	cluster_differ(&differing, a->p.store, self);
	if (differing.text[0] && strcmp(differing.text, a->differing.text) != 0)
		log_event(LOG_WARN, "settings_differ", log_str("other", differing.text));
	a->differing = differing;
}

void admin_say(struct admin *a)
{
	struct cluster_self self = admin_self(a);

	say_differing(a, &self);

	/* They read it when it is there again. */
	self.figures.state = admin_state_name(a->state);
	cluster_say(a->p.store, &self.figures);
}

json_t *admin_cluster_json(const struct admin *a)
{
	const struct cluster_self self = admin_self(a);
	json_t *cluster = cluster_json(a->p.store, &self);
	struct relay_info i = {.asks = false};

	if (a->p.relay)
		relay_info(a->p.relay, &i);
	json_object_set_new(cluster, "upstream", json_string(i.says.text));
	return cluster;
}

void admin_cluster(struct admin_request *r, const char *rest)
{
	(void)rest;
	admin_json(r, MHD_HTTP_OK, admin_cluster_json(r->admin));
}
