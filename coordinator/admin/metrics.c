#include "coordinator/admin/internal.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/base/system.h"
#include "coordinator/server/decode.h"
#include "coordinator/transactions/funds.h"
#include "coordinator/transactions/prepare.h"

#include <inttypes.h>
#include <stdio.h>

#define P "proof_coordinator_"

struct out {
	struct buf *b;
	bool ok;
};

static void head(struct out *o, const char *name, const char *type, const char *help)
{
	o->ok = o->ok &&
		buf_printf(o->b, "# HELP " P "%s %s\n# TYPE " P "%s %s\n", name, help, name, type);
}

static void plain(struct out *o, const char *name, const char *type, const char *help, uint64_t v)
{
	head(o, name, type, help);
	o->ok = o->ok && buf_printf(o->b, P "%s %" PRIu64 "\n", name, v);
}

/* What is left of a time, or an age: below 0 where it is over, or still to come. */
static void seconds(struct out *o, const char *name, const char *help, int64_t v)
{
	head(o, name, "gauge", help);
	o->ok = o->ok && buf_printf(o->b, P "%s %" PRId64 "\n", name, v);
}

/* A label's value is one word: of a sentence's words, "failed_on_chain". */
static void labelled(struct out *o, const char *name, const char *label, const char *value,
		     uint64_t v)
{
	char word[64], *c;

	snprintf(word, sizeof word, "%s", value);
	for (c = word; *c; c++)
		if (*c == ' ')
			*c = '_';
	o->ok = o->ok && buf_printf(o->b, P "%s{%s=\"%s\"} %" PRIu64 "\n", name, label, word, v);
}

/* What every program tells of itself, by Prometheus' own names. */
static void write_process(struct out *o, const struct admin_options *a)
{
	struct system_usage u;

	o->ok =
	    o->ok && buf_printf(o->b,
				"# HELP " P "build_info 1, and which version runs.\n"
				"# TYPE " P "build_info gauge\n" P "build_info{version=\"%s\"} 1\n"
				"# HELP process_start_time_seconds When it started (Unix "
				"time).\n"
				"# TYPE process_start_time_seconds gauge\n"
				"process_start_time_seconds %.3f\n",
				a->version, (double)a->started_ms / 1000);
	if (!system_usage(&u))
		return;
	o->ok = o->ok &&
		buf_printf(o->b,
			   "# HELP process_cpu_seconds_total User and system CPU time.\n"
			   "# TYPE process_cpu_seconds_total counter\n"
			   "process_cpu_seconds_total %.6f\n"
			   "# HELP process_resident_memory_bytes Memory in RAM.\n"
			   "# TYPE process_resident_memory_bytes gauge\n"
			   "process_resident_memory_bytes %" PRIu64 "\n"
			   "# HELP process_virtual_memory_bytes Memory mapped.\n"
			   "# TYPE process_virtual_memory_bytes gauge\n"
			   "process_virtual_memory_bytes %" PRIu64 "\n"
			   "# HELP process_open_fds Descriptors open.\n"
			   "# TYPE process_open_fds gauge\n"
			   "process_open_fds %" PRIu64 "\n"
			   "# HELP process_max_fds Descriptors that may be open.\n"
			   "# TYPE process_max_fds gauge\n"
			   "process_max_fds %" PRIu64 "\n",
			   u.cpu_seconds, u.resident_bytes, u.virtual_bytes, u.open_fds, u.max_fds);
}

static void write_decoder(struct out *o, const struct decoder_counters *c)
{
	plain(o, "decoder_queue", "gauge", "Large messages being decoded, or waiting for it.",
	      c->waiting);
	plain(o, "decoder_messages_total", "counter", "Large messages decoded.", c->jobs);
	plain(o, "decoder_refusals_total", "counter",
	      "Large messages refused, since too many waited.", c->refused);
}

static void write_server(struct out *o, const struct server_counters *c)
{
	int i;

	plain(o, "connections", "gauge", "Connections of provers now.", c->connections);
	plain(o, "buffered_bytes", "gauge", "Bytes of unfinished messages and replies.",
	      c->buffered);
	plain(o, "connections_accepted_total", "counter", "Connections accepted.", c->accepted);
	plain(o, "messages_total", "counter", "Whole messages received.", c->messages);
	plain(o, "received_bytes_total", "counter", "Bytes received from provers.", c->bytes_in);
	plain(o, "sent_bytes_total", "counter", "Bytes sent to provers.", c->bytes_out);
	plain(o, "tls_handshakes_total", "counter", "TLS handshakes completed.", c->handshakes);
	plain(o, "tls_handshaking", "gauge", "TLS handshakes under way.", c->handshaking);
	head(o, "connections_refused_total", "counter", "Connections refused, by reason.");
	for (i = 0; i < SERVER_REFUSED_COUNT; i++)
		labelled(o, "connections_refused_total", "reason",
			 server_refusal_name((enum server_refusal)i), c->refused[i]);
	head(o, "bad_messages_total", "counter",
	     "Connections without a usable message, by reason.");
	for (i = 0; i < SERVER_BAD_COUNT; i++)
		labelled(o, "bad_messages_total", "reason", server_bad_name((enum server_bad)i),
			 c->bad[i]);
}

static void write_work(struct out *o, const struct admin_parts *d)
{
	static const char *const requests[] = {"granted", "empty", "version_mismatch",
					       "not_needed"};
	static const char *const submits[] = {
	    "accepted", "duplicate", "judged_again", "in_flight", "unknown_batch", "not_needed",
	    "not_yet",  "no_room",   "source_quota", "too_big",   "no_memory"};
	struct work_counts counts;
	int i;

	work_counts(d->work, &counts);
	plain(o, "batches", "gauge", "Batches that are not verified.", counts.batches);
	plain(o, "retained_batches", "gauge", "Verified batches that are kept.", counts.retained);
	plain(o, "inputs", "gauge", "Stored inputs.", counts.inputs);
	plain(o, "input_bytes", "gauge", "Bytes of stored inputs.", inputs_bytes(d->inputs));
	plain(o, "inputs_broken", "gauge", "Stored inputs whose bytes cannot be had.",
	      counts.broken);
	plain(o, "proof_bytes", "gauge", "Bytes of kept proofs.", counts.proof_bytes);
	plain(o, "leases", "gauge", "Batches that a prover works on.", counts.leases);
	head(o, "proofs", "gauge", "Proofs kept, by state.");
	for (i = WORK_CANDIDATE; i < WORK_STATES; i++)
		labelled(o, "proofs", "state", work_state_name((enum work_state)i),
			 counts.candidates[i]);
	head(o, "batches_wanting", "gauge", "Batches that want a proof of a type.");
	for (i = 0; i < PROVER_TYPES; i++)
		labelled(o, "batches_wanting", "type", prover_type_name((enum prover_type)i),
			 counts.wanting[i]);
	head(o, "requests_total", "counter", "Input requests, by answer.");
	for (i = 0; i <= WORK_NOT_NEEDED; i++)
		labelled(o, "requests_total", "answer", requests[i], serve_counters(d->serve)[i]);
	head(o, "submits_total", "counter", "Proofs submitted, by what became of them.");
	for (i = 0; i <= WORK_NO_MEMORY; i++)
		labelled(o, "submits_total", "answer", submits[i],
			 proofs_counters(d->proofs)->submits[i]);
	plain(o, "acks_total", "counter", "Proofs acknowledged.", session_acks(d->session));
	head(o, "judged_total", "counter", "Proofs judged, by verdict.");
	for (i = WORK_GOOD; i < WORK_STATES; i++)
		labelled(o, "judged_total", "verdict", work_state_name((enum work_state)i),
			 proofs_counters(d->proofs)->judged[i]);
	plain(o, "inputs_stored_total", "counter", "Inputs stored.",
	      inputs_counters(d->inputs)->stored);
	plain(o, "inputs_refused_total", "counter", "Inputs refused.",
	      inputs_counters(d->inputs)->refused);
}

static void write_funds(struct out *o, const struct admin_parts *d)
{
	char wei[UINT256_DECIMAL_SIZE], address[ETH_ADDRESS_TEXT_SIZE];
	struct funds_info i;
	int k;

	head(o, "account_balance_wei", "gauge", "What the sending keys have, by what they send.");
	for (k = 0; k < FUNDS_KEYS; k++) {
		if (!funds_of(agenda_funds(d->agenda), (enum funds_key)k, &i) || !i.known)
			continue;
		uint256_to_decimal(wei, &i.balance);
		eth_address_print(address, &i.address);
		o->ok = o->ok &&
			buf_printf(o->b, P "account_balance_wei{key=\"%s\",address=\"%s\"} %s\n",
				   i.key, address, wei);
	}
	head(o, "funds_low", "gauge", "1 while a sending key has less than FUNDS_LOW.");
	for (k = 0; k < FUNDS_KEYS; k++)
		if (funds_of(agenda_funds(d->agenda), (enum funds_key)k, &i))
			labelled(o, "funds_low", "key", i.key, i.low);
}

static void write_l1(struct out *o, const struct admin_parts *d)
{
	static const char *const setups[] = {"active", "standby", "waiting", "refused", "retry"};
	const struct l1_facts *f = l1_facts(d->l1);
	uint64_t day;
	int i;

	plain(o, "l1_readable", "gauge", "1 while the last look at L1 succeeded.",
	      l1_is_fresh(d->l1) && !l1_trouble(d->l1)[0]);
	if (l1_head_time(d->l1))
		seconds(o, "l1_head_age_seconds",
			"This machine's clock less the time of L1's head, as last read.",
			(int64_t)(clock_wall_ms() / 1000) - l1_head_time(d->l1));
	plain(o, "last_committed_batch", "gauge", "lastCommittedBatch().", f ? f->committed : 0);
	plain(o, "last_verified_batch", "gauge", "lastVerifiedBatch().", f ? f->verified : 0);
	head(o, "transactions_total", "counter", "L1 transactions, by outcome.");
	for (i = 0; i < SENDER_OUTCOMES; i++)
		labelled(o, "transactions_total", "outcome",
			 sender_outcome_text((enum sender_outcome)i),
			 agenda_counters(d->agenda)->txs[i]);
	head(o, "gas_used_total", "counter", "Gas used on L1, by kind.");
	labelled(o, "gas_used_total", "kind", "verify", agenda_counters(d->agenda)->gas_verify);
	labelled(o, "gas_used_total", "kind", "register", agenda_counters(d->agenda)->gas_register);
	labelled(o, "gas_used_total", "kind", "upload", agenda_counters(d->agenda)->gas_upload);
	write_funds(o, d);
	plain(o, "register_gas_today", "gauge", "Gas that registrations used or hold today (UTC).",
	      registrar_gas_used(d->registrar, clock_wall_ms(), &day));
	plain(o, "provers", "gauge", "Prover keys known.", registrar_count(d->registrar));
	plain(o, "setups_waiting", "gauge",
	      "ProverSetups being verified, or waiting for a registration.",
	      setup_waiting(d->setup));
	head(o, "setups_total", "counter", "ProverSetups, by answer.");
	for (i = 0; i <= REGISTRAR_RETRY; i++)
		labelled(o, "setups_total", "answer", setups[i], setup_counters(d->setup)[i]);
}

static void write_relay(struct out *o, const struct relay *relay)
{
	const struct relay_counters *c = relay_counters(relay);
	struct relay_info i;
	int h;

	relay_info(relay, &i);
	/* The others do not know. */
	if (i.asks) {
		plain(o, "upstream_up", "gauge", "1 while upstream answers.",
		      i.health->state == HEALTH_UP);
		plain(o, "upstream_spins", "gauge",
		      "1 while upstream looks as if it ran without a prover timeout.", i.spins);
	}
	head(o, "upstream_answers_total", "counter", "Answers to questions for inputs, by kind.");
	for (h = FETCH_NEW; h < FETCH_HEARD_COUNT; h++)
		labelled(o, "upstream_answers_total", "answer",
			 fetch_heard_name((enum fetch_heard)h), c->heard[h]);
	plain(o, "upstream_provers_waiting", "gauge", "Provers that wait for an input.", i.waiting);
	plain(o, "proofs_forwarded_total", "counter", "Proofs that upstream acknowledged.",
	      c->forwarded);
	plain(o, "proofs_forward_failures_total", "counter",
	      "Proofs sent upstream and not acknowledged.", c->forward_failures);
	plain(o, "proofs_forward_lost_total", "counter",
	      "Proofs that upstream acknowledged and has lost since.", c->forward_lost);
	plain(o, "proofs_forward_pending", "gauge",
	      "Proofs chosen to be forwarded and not acknowledged.", i.not_acknowledged);
}

static void write_attestation(struct out *o, const struct admin_parts *d)
{
	static const char *const verdicts[] = {"attested", "refused", "retry"};
	const struct quotes_counters *c = quotes_counters(d->quotes);
	const int64_t left = quotes_seconds_left(d->quotes, l1_head_time(d->l1));
	struct collateral_source_info source;
	uint64_t answers[COLLATERAL_OUTCOME_COUNT] = {0};
	size_t i;
	int v;

	head(o, "quotes_total", "counter", "Quotes that provers offered, by verdict.");
	for (v = 0; v <= QUOTES_RETRY; v++)
		labelled(o, "quotes_total", "verdict", verdicts[v], c->verdicts[v]);
	plain(o, "quotes_remembered_total", "counter",
	      "Known, good or bad, and not looked at again.", c->remembered);
	plain(o, "quotes_penalised_total", "counter",
	      "Not looked at, since their source had offered bad ones.", c->penalties);
	plain(o, "quote_rechecks_total", "counter", "Kept quotes verified again.", c->rechecks);
	plain(o, "quotes_unfit_total", "counter", "Kept quotes that no longer pass.",
	      c->became_unfit);
	if (left != INT64_MAX)
		seconds(o, "evidence_expires_seconds",
			"Until the first piece of evidence of a kept key ends.", left);
	plain(o, "collateral_uploads_total", "counter", "Pieces uploaded to the on-chain PCCS.",
	      prepare_uploads(agenda_prepare(d->agenda)));
	for (i = 0; d->collateral && collateral_source_at(d->collateral, i, &source); i++)
		for (v = 0; v < COLLATERAL_OUTCOME_COUNT; v++)
			answers[v] += source.count[v];
	head(o, "collateral_answers_total", "counter", "Answers of collateral sources.");
	for (v = 0; v < COLLATERAL_OUTCOME_COUNT; v++)
		labelled(o, "collateral_answers_total", "outcome",
			 collateral_outcome_name((enum collateral_outcome)v), answers[v]);
}

/* Of each coordinator a line; a slot is one's alone, whatever its name. */
static void of_each(struct out *o, const struct store_instance *found, size_t n, const char *name,
		    const char *help, double (*value)(const struct store_instance *))
{
	size_t i;

	head(o, name, "gauge", help);
	for (i = 0; i < n; i++)
		o->ok = o->ok && buf_printf(o->b, P "%s{name=\"%s\",slot=\"%u\"} %.3f\n", name,
					    found[i].name, found[i].slot, value(&found[i]));
}

static double seen_seconds(const struct store_instance *c)
{
	return (double)c->seen_before_ms / 1000;
}

static double skew_seconds(const struct store_instance *c)
{
	return (double)c->skew_ms / 1000;
}

static void write_versions(struct out *o, const struct store_instance *found, size_t n)
{
	size_t i;

	head(o, "cluster_version_info", "gauge",
	     "1, and each coordinator's version and that of its tables; 0: not known.");
	for (i = 0; i < n; i++)
		o->ok = o->ok &&
			buf_printf(o->b,
				   P "cluster_version_info{name=\"%s\",slot=\"%u\",version=\"%s\","
				     "schema=\"%u\"} 1\n",
				   found[i].name, found[i].slot, found[i].version, found[i].schema);
}

static void write_cluster(struct out *o, const struct admin *a)
{
	static struct store_instance found[STORE_SLOTS];
	const struct cluster_self self = admin_self(a);
	struct store *store = a->p.store;
	const size_t n = cluster_see(found, store, &self);
	struct store_stats stats;
	struct why differing;

	store_stats(store, &stats);
	head(o, "instance_info", "gauge", "1, and which of the coordinators this is.");
	o->ok = o->ok && buf_printf(o->b, P "instance_info{name=\"%s\",slot=\"%u\"} 1\n",
				    a->o.instance ? a->o.instance : "", store_slot(store));
	plain(o, "leader", "gauge", "1 while this coordinator leads; alone it does.",
	      store_leads(store));
	plain(o, "leadership_changes_total", "counter",
	      "How often this one began to lead, or ended to.", stats.leads_changed);
	plain(o, "database_reachable", "gauge", "1 while changes can be stored.",
	      !*store_lost(store));
	plain(o, "database_losses_total", "counter", "How often the database went out of reach.",
	      stats.times_lost);
	plain(o, "cluster_instances", "gauge",
	      "Coordinators on the database, as last seen; alone 1.",
	      store_is_shared(store) ? store_instances(store, NULL, 0) : 1);
	of_each(o, found, n, "cluster_seen_seconds",
		"How long ago each coordinator was seen in the database.", seen_seconds);
	of_each(o, found, n, "cluster_clock_skew_seconds",
		"The clock of each coordinator less the database's.", skew_seconds);
	write_versions(o, found, n);
	cluster_differ(&differing, store, &self);
	plain(o, "cluster_settings_differ", "gauge",
	      "1 while another coordinator has other settings than this one.",
	      differing.text[0] != '\0');
	head(o, "store_conflicts_total", "counter",
	     "Groups that another coordinator's rows contradicted; decided anew.");
	labelled(o, "store_conflicts_total", "kind", "lease", stats.lease_conflicts);
	labelled(o, "store_conflicts_total", "kind", "other",
		 stats.conflicts - stats.lease_conflicts);
	plain(o, "store_not_leader_total", "counter",
	      "Groups that only the leader may store, refused since another led.",
	      stats.not_leader);
	plain(o, "store_unreachable_total", "counter",
	      "Groups refused since the database was out of reach.", stats.unreachable);
}

static void write_store(struct out *o, struct store *store)
{
	struct store_stats stats;

	store_stats(store, &stats);
	plain(o, "store_transactions_total", "counter", "Durable commits (one fsync each).",
	      stats.transactions);
	plain(o, "store_groups_total", "counter", "Groups of changes stored.", stats.groups);
	plain(o, "store_failures_total", "counter", "Groups that disk or database refused.",
	      stats.groups_failed);
	plain(o, "store_refusals_total", "counter", "Groups refused for a full queue.",
	      stats.groups_refused);
	plain(o, "store_lazy_refusals_total", "counter",
	      "Changes that nobody waits for, refused for a full queue.", stats.lazy_refused);
	plain(o, "store_queue", "gauge", "Groups waiting for the disk.", stats.queue);
	head(o, "store_commit_seconds_total", "counter", "Time spent in commits.");
	o->ok = o->ok && buf_printf(o->b, P "store_commit_seconds_total %.6f\n",
				    (double)stats.commit_ns_total / 1e9);
}

bool admin_metrics(struct buf *out, const struct admin *a)
{
	const struct admin_parts *d = &a->p;
	struct out o = {out, true};
	int i;

	plain(&o, "up", "gauge", "1 between start and drain; see database_reachable too.",
	      a->state == ADMIN_READY);
	write_process(&o, &a->o);
	plain(&o, "log_lines_dropped_total", "counter",
	      "Log lines that found no room, since nobody read stderr.", log_dropped());
	plain(&o, "log_lines_left_out_total", "counter",
	      "Log lines that were only counted, since there were many of their kind.",
	      log_limited_left_out());
	head(&o, "admin_refused_total", "counter", "Requests that nobody may make, by reason.");
	for (i = 0; i < ADMIN_REFUSAL_COUNT; i++)
		labelled(&o, "admin_refused_total", "reason",
			 admin_refusal_name((enum admin_refusal)i), a->refused[i]);
	plain(&o, "admin_connections_ended_total", "counter",
	      "Connections of the admin listener ended to make room for newer ones.",
	      a->turned_away);
	plain(&o, "metrics_connections_ended_total", "counter",
	      "Connections of the metrics' listener ended to make room for newer ones.",
	      a->probes.turned_away);
	if (a->server)
		write_server(&o, server_counters(a->server));
	write_decoder(&o, session_decoder(d->session));
	write_work(&o, d);
	write_l1(&o, d);
	write_attestation(&o, d);
	if (d->relay)
		write_relay(&o, d->relay);
	write_cluster(&o, a);
	write_store(&o, d->store);
	return o.ok;
}
