/* The parts: from the settings to each room's options, made in order, and loaded. */
#include "coordinator/admin/listen.h"
#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/base/system.h"
#include "coordinator/daemon_internal.h"
#include "coordinator/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESEND_POLLS         12u
#define GAS_PER_REGISTRATION 60000ull /* a dev-mode register uses about 48,000 */
#define TDX_PROOF_MAX        65536    /* a signature, and in older dialects what it covers */

/* ---- settings ---- */

static void registrar_settings(const struct daemon *d, struct registrar_settings *out)
{
	*out = (struct registrar_settings){
	    .max_provers = d->config->max_provers,
	    .allow_dev_mode = d->config->tdx_dev_mode,
	    .silence_ms = d->config->prover_silence_ms,
	    .drain_ms = d->config->prover_timeout_ms,
	    .gas_per_day = d->config->register_gas_per_day,
	    .gas_per_registration = GAS_PER_REGISTRATION,
	    .retry_min_ms = 5000,
	    .retry_max_ms = 600000,
	    .external_route = d->config->register_by_file,
	};
}

static void agenda_settings(const struct daemon *d, struct agenda_options *out)
{
	const struct config *c = d->config;
	struct sender_options *s = &out->outbox.sender;

	*out = (struct agenda_options){
	    .outbox = {.proposer = c->proposer},
	    .verify_to = c->has_timelock ? c->timelock : c->proposer,
	    .max_batches = c->verify_max_batches,
	    .max_proof_bytes = CONFIG_MAX_PROOF_BYTES,
	    .gas_cap = c->tx_gas_cap,
	    .funds_low_wei = c->funds_low_wei,
	    .register_by_file = c->register_by_file,
	    .verify_elsewhere = !c->submit_l1,
	    .data_dir = c->data_dir,
	    .pccs = {.enclave_id_dao = c->enclave_id_dao,
		     .fmspc_tcb_dao = c->fmspc_tcb_dao,
		     .pcs_dao = c->pcs_dao,
		     .margin_s = c->onchain_margin_s,
		     .enabled = !c->no_onchain_pccs},
	};
	sender_options_default(s);
	s->max_fee = c->max_fee_per_gas;
	s->gas_cap = c->tx_gas_cap;
	s->confirmations = (unsigned)c->confirmations;
	s->bump_min_ms = (uint32_t)(c->min_retry_delay_s * 1000);
	s->bump_max_ms = (uint32_t)(c->max_retry_delay_s * 1000);
	if (c->send_interval_ms < s->poll_ms)
		s->poll_ms = (uint32_t)c->send_interval_ms;
	/* Who looks more often also says it again sooner. */
	if (RESEND_POLLS * s->poll_ms < s->resend_ms)
		s->resend_ms = RESEND_POLLS * s->poll_ms;
}

static void quotes_settings(const struct daemon *d, struct quotes_options *out)
{
	const struct config *c = d->config;

	*out = (struct quotes_options){.policy_file = c->policy_file,
				       .max_provers = c->max_provers,
				       .max_verifications = c->max_verifications,
				       .max_refusals = CONFIG_MAX_REFUSALS,
				       .max_clock_skew_s = (int64_t)c->max_clock_skew_s,
				       .expiry_warning_s = (int64_t)c->expiry_warning_s};
}

static void session_settings(const struct daemon *d, struct session_options *out)
{
	const struct config *c = d->config;

	*out = (struct session_options){
	    .limits = {.proof_max = CONFIG_MAX_PROOF_BYTES, .payload_max = REGISTRAR_PAYLOAD_MAX},
	    .error_replies = c->error_replies,
	    .setup_timeout_ms = c->setup_timeout_ms};
}

static struct span refusal(const struct daemon *d)
{
	static const char busy[] = "{\"Error\":{\"code\":\"busy\",\"message\":\"too many "
				   "connections\"}}";

	return d->config->error_replies ? span_of(busy, sizeof busy - 1) : span_of(NULL, 0);
}

/* What a reload changed reaches the rooms. */
void daemon_take_settings(struct daemon *d, FILE *notes)
{
	struct registrar_settings registrar;
	struct agenda_options agenda;
	struct quotes_options quotes;
	struct session_options session;
	struct why why = {""};

	registrar_settings(d, &registrar);
	registrar_set_settings(d->registrar, &registrar);
	agenda_settings(d, &agenda);
	agenda_set_options(d->agenda, &agenda);
	l1_set_every(d->l1, d->config->send_interval_ms);
	reaper_set_keep(d->reaper, d->config->retention_s * 1000);
	session_settings(d, &session);
	session_set_options(d->session, &session);
	if (d->server)
		server_set_refusal(d->server, refusal(d));
	daemon_take_tls(d, notes);
	quotes_settings(d, &quotes);
	if (!quotes_reload(d->quotes, &quotes, &why))
		fprintf(notes, "%s: the former policy stays\n", why.text);
}

/* ---- the parts ---- */

static bool make_rule(struct daemon *d, struct why *why)
{
	return commit_hash_rule_new(&d->rule, d->config->commit_hash_pattern, why);
}

static bool make_book(struct daemon *d, struct why *why)
{
	const struct config *c = d->config;
	struct registrar_settings rs;
	struct work_limits wl = {.max_batches = c->max_batches,
				 .max_inputs = c->max_inputs,
				 .max_versions = 64,
				 .max_candidates = (unsigned)c->candidates_per_batch,
				 .max_candidates_per_source = (unsigned)c->candidates_per_source,
				 .max_leases_per_source = (unsigned)c->leases_per_source,
				 .max_proof_bytes = c->proof_quota_bytes,
				 .lease_ms = c->prover_timeout_ms};
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = CONFIG_MAX_PROOF_BYTES;
	wl.proof_max[PROVER_TDX] = TDX_PROOF_MAX;
	registrar_settings(d, &rs);
	d->work = work_new(&wl);
	d->registrar = registrar_new(&rs);
	if (!d->work || !d->registrar) {
		why_set(why, "out of memory for the work book");
		return false;
	}
	if (c->exec_only)
		work_set_needed(d->work, PROVER_TYPE_BIT(PROVER_EXEC));
	return true;
}

static bool make_work(struct daemon *d, struct why *why)
{
	const struct config *c = d->config;
	const struct inputs_options options = {.data_dir = c->data_dir,
					       .max_bytes = c->max_input_bytes,
					       .quota_bytes = c->input_quota_bytes,
					       .disk_floor = c->disk_floor_bytes};
	const bool made = make_book(d, why);
	const struct inputs_parts inputs = {&d->loop, d->store, d->work, d->rule};

	return made && inputs_new(&d->inputs, &inputs, &options, why) &&
	       serve_new(&d->serve,
			 &(struct serve_parts){d->store, d->work, d->inputs, d->rule, d->registrar},
			 why);
}

static bool make_reaper(struct daemon *d, struct why *why)
{
	const struct config *c = d->config;
	const struct reaper_parts parts = {&d->loop, d->store, d->work, d->inputs};
	const struct reaper_options options = {.data_dir = c->data_dir,
					       .keep_ms = c->retention_s * 1000,
					       .alone = c->n_rpc_urls < 2,
					       .input_quota = c->input_quota_bytes,
					       .input_max = c->max_input_bytes,
					       .proof_quota = c->proof_quota_bytes,
					       .max_batches = c->max_batches,
					       .max_inputs = c->max_inputs,
					       .disk_floor = c->disk_floor_bytes};

	return reaper_new(&d->reaper, &parts, &options, why);
}

static bool make_rpc(struct daemon *d, struct why *why)
{
	struct rpc_options o = {.urls = (const char *const *)d->config->rpc_urls,
				.n_urls = d->config->n_rpc_urls,
				.chain_id = d->config->chain_id,
				.call_timeout_ms = (uint32_t)d->config->rpc_timeout_ms,
				.deadline_ms = (uint32_t)(2 * d->config->rpc_timeout_ms),
				.max_in_flight = CONFIG_RPC_MAX_IN_FLIGHT,
				.max_calls = 4 * CONFIG_RPC_MAX_IN_FLIGHT,
				.body_max = CONFIG_RPC_MAX_BODY_BYTES,
				.proxy_from_environment = false};

	uv_random(NULL, NULL, &o.seed, sizeof o.seed, 0, NULL);
	d->rpc = rpc_new(&d->loop, &o, why);
	return d->rpc != NULL;
}

static bool make_l1(struct daemon *d, struct why *why)
{
	const struct l1_parts parts = {&d->loop, d->rpc, d->store};
	const struct l1_options options = {.proposer = d->config->proposer,
					   .confirmations = (unsigned)d->config->confirmations,
					   .every_ms = d->config->send_interval_ms};
	const struct l1_events events = {daemon_on_facts, daemon_on_l1_failed, daemon_on_fatal, d};

	return l1_new(&d->l1, &parts, &options, &events, why) &&
	       commitments_new(&d->commitments, d->rpc, &d->config->proposer, why);
}

static void on_collateral_changed(void *arg, const struct collateral_key *key,
				  const struct collateral_set *set)
{
	struct daemon *d = arg;
	char name[COLLATERAL_KEY_SIZE], from[32], to[32];

	collateral_key_text(name, key);
	tdxv_time_text(from, sizeof from, set->facts.valid_from);
	tdxv_time_text(to, sizeof to, set->facts.valid_to);
	log_event(LOG_INFO, "collateral", log_str("platform", name), log_str("valid_from", from),
		  log_str("valid_to", to), log_u64("evaluation", set->facts.tcb_evaluation_number));
	quotes_changed(d->quotes);
}

static void on_collateral_note(void *arg, const struct collateral_key *key, const char *sentence)
{
	char name[COLLATERAL_KEY_SIZE] = "";

	(void)arg;
	if (key)
		collateral_key_text(name, key);
	log_limited(LOG_WARN, "collateral_trouble", "", name, log_str("platform", name),
		    log_str("reason", sentence));
}

static bool make_collateral(struct daemon *d, struct why *why)
{
	const struct config *c = d->config;
	struct collateral_settings s = {.sources = c->collateral_sources,
					.root_crl_url = c->collateral_root_crl_url,
					.ca_file = c->collateral_ca_file,
					.root_file = c->dcap_root_file,
					.data_dir = c->data_dir,
					.update = c->collateral_early ? COLLATERAL_EARLY
								      : COLLATERAL_STANDARD,
					.tcb_evaluation_number = (uint32_t)c->collateral_number,
					.timeout_ms = (uint32_t)c->collateral_timeout_ms,
					.piece_max = CONFIG_COLLATERAL_MAX_PIECE_BYTES,
					.max_keys = CONFIG_COLLATERAL_MAX_PLATFORMS,
					.max_stale = (int64_t)c->collateral_max_stale_s,
					.rest_min = 5,
					.rest_max = 600,
					.proxy_from_environment = false,
					.on_changed = on_collateral_changed,
					.on_note = on_collateral_note,
					.arg = d};
	const int64_t now = (int64_t)(clock_wall_ms() / 1000);

	uv_random(NULL, NULL, &s.seed, sizeof s.seed, 0, NULL);
	if (!collateral_new(&d->collateral, &d->loop, &s, now, why))
		return false;
	if (c->collateral_early || c->collateral_number || !c->collateral_look_ahead)
		return true;
	s.update = COLLATERAL_EARLY;
	s.data_dir = "";
	s.on_changed = NULL;
	s.on_note = NULL;
	return collateral_new(&d->early, &d->loop, &s, now, why);
}

static bool make_proofs(struct daemon *d, struct why *why)
{
	const struct proofs_parts parts = {.store = d->store,
					   .work = d->work,
					   .registrar = d->registrar,
					   .l1 = d->l1,
					   .commitments = d->commitments,
					   .wake = d->wake};

	return proofs_new(&d->proofs, &parts, CONFIG_MAX_PROOF_BYTES, why);
}

static bool make_quotes(struct daemon *d, struct why *why)
{
	struct quotes_parts parts = {.loop = &d->loop,
				     .store = d->store,
				     .l1 = d->l1,
				     .registrar = d->registrar,
				     .collateral = d->collateral,
				     .early = d->early,
				     .wake = d->wake};
	struct quotes_options options;

	d->verdicts = verdicts_new(CONFIG_MAX_VERDICTS);
	if (!d->verdicts) {
		why_set(why, "out of memory for the verdicts");
		return false;
	}
	parts.verdicts = d->verdicts;
	quotes_settings(d, &options);
	return quotes_new(&d->quotes, &parts, &options, why);
}

static void on_setup_answer(void *arg, uint64_t conn, enum setup_code code, const char *sentence)
{
	struct daemon *d = arg;

	session_setup_answer(d->session, conn, code, sentence);
}

static void on_setup_hold(void *arg, uint64_t conn)
{
	struct daemon *d = arg;

	session_setup_hold(d->session, conn);
}

static bool on_setup_waits(void *arg, uint64_t conn)
{
	struct daemon *d = arg;

	return session_setup_waits(d->session, conn);
}

static bool make_setup(struct daemon *d, struct why *why)
{
	const struct setup_parts parts = {.store = d->store,
					  .registrar = d->registrar,
					  .quotes = d->quotes,
					  .l1 = d->l1,
					  .wake = d->wake};
	const struct setup_events events = {on_setup_answer, on_setup_hold, on_setup_waits, d};

	return setup_new(&d->setup, &parts, &events, why);
}

static bool make_agenda(struct daemon *d, struct why *why)
{
	const struct agenda_parts parts = {.loop = &d->loop,
					   .store = d->store,
					   .rpc = d->rpc,
					   .l1 = d->l1,
					   .registrar = d->registrar,
					   .work = d->work,
					   .proofs = d->proofs,
					   .quotes = d->quotes,
					   .relay = d->relay,
					   .collateral = d->collateral,
					   .wake = d->wake,
					   .signing = d->signing};
	struct agenda_options options;

	agenda_settings(d, &options);
	return agenda_new(&d->agenda, &parts, &options, why);
}

static bool make_session(struct daemon *d, struct why *why)
{
	const struct session_parts parts = {&d->loop, d->serve,     d->proofs,
					    d->setup, d->registrar, d->relay};
	struct session_options options;

	session_settings(d, &options);
	return session_new(&d->session, &parts, &options, why);
}

static bool make_admin(struct daemon *d, struct why *why)
{
	const struct config *c = d->config;
	const struct admin_parts parts = {.loop = &d->loop,
					  .store = d->store,
					  .work = d->work,
					  .inputs = d->inputs,
					  .serve = d->serve,
					  .proofs = d->proofs,
					  .registrar = d->registrar,
					  .quotes = d->quotes,
					  .verdicts = d->verdicts,
					  .setup = d->setup,
					  .collateral = d->collateral,
					  .session = d->session,
					  .agenda = d->agenda,
					  .relay = d->relay,
					  .l1 = d->l1,
					  .rpc = d->rpc,
					  .wake = d->wake,
					  .signing = d->signing};
	const struct admin_options options = {.listen = c->admin_listen,
					      .token = d->admin_token,
					      .max_connections = CONFIG_ADMIN_MAX_CONNECTIONS,
					      .idle_timeout_s =
						  (unsigned)(c->read_timeout_ms / 1000 + 1),
					      .metrics_address = c->metrics_address,
					      .metrics_port = (uint16_t)c->metrics_port,
					      .open_reads = c->admin_open_reads,
					      .max_clock_skew_s = (int64_t)c->max_clock_skew_s,
					      .tdx_dev_mode = c->tdx_dev_mode,
					      .version = program_version,
					      .instance = c->instance,
					      .settings = d->settings,
					      .started_ms = d->started_ms};

	daemon_cluster_settings(d);
	return admin_token(d->admin_token, sizeof d->admin_token, c->admin_token, c->data_dir,
			   why) &&
	       admin_new(&d->admin, &parts, &options, why);
}

/* One source may have a message of the largest size, or a quarter of the memory in others, and
 * small ones beside them. */
static size_t buffered_per_source(const struct config *c)
{
	const size_t quarter = CONFIG_MAX_BUFFERED_BYTES / 4;
	const size_t large = c->max_message_bytes > quarter ? c->max_message_bytes : quarter;

	return large / 7 * 8 + 8;
}

static bool make_server(struct daemon *d, struct why *why)
{
	const struct config *c = d->config;
	const struct server_options o = {.address = c->listen_address,
					 .port = (uint16_t)c->listen_port,
					 .tls = daemon_tls_options(d),
					 .max_message = c->max_message_bytes,
					 .max_connections = c->max_connections,
					 .max_connections_per_source =
					     c->max_connections_per_source,
					 .max_buffered_total = CONFIG_MAX_BUFFERED_BYTES,
					 .max_buffered_per_source = buffered_per_source(c),
					 .read_timeout_ms = c->read_timeout_ms,
					 .write_timeout_ms = CONFIG_WRITE_TIMEOUT_MS,
					 .total_timeout_ms = c->total_timeout_ms,
					 .hold_timeout_ms = c->total_timeout_ms,
					 .refusal = refusal(d),
					 .handler = session_message,
					 .on_beginning = session_beginning,
					 .on_bad = session_bad,
					 .on_end = session_end,
					 .log = session_server_log,
					 .arg = d->session};

	return server_new(&d->server, &d->loop, &o, why) == SERVER_OK;
}

/* ---- all of them ---- */

/* The engine for several coordinators. */
static bool open_shared(struct daemon *d, struct engine **out, struct why *why)
{
	const struct config *c = d->config;
	char listen[CONFIG_TEXT_MAX + 8];
	const struct postgres_options options = {.url = c->store_conninfo,
						 .password = c->store_password,
						 .instance = c->instance,
						 .version = program_version,
						 .listen = listen};

	snprintf(listen, sizeof listen, "%.100s:%u", c->listen_address, (unsigned)c->listen_port);
	return postgres_open(out, &options, why) == STORE_OK;
}

static bool open_store(struct daemon *d, struct why *why)
{
	const struct store_events events = daemon_store_events(d);
	struct store_options options = {.dir = d->config->data_dir,
					.max_queue = CONFIG_STORE_QUEUE,
					.max_queue_bytes = CONFIG_STORE_QUEUE_BYTES,
					.lazy_ms = 1000,
					.checkpoint_pages = 1000,
					.events = &events};

	if (d->config->store_url[0] && !open_shared(d, &options.engine, why))
		return false;
	return store_open(&d->store, &d->loop, &options, why) == STORE_OK;
}

static bool make_wake(struct daemon *d, struct why *why)
{
	d->wake = wake_new(&d->loop, daemon_on_wake, d, why);
	return d->wake != NULL;
}

bool daemon_make_parts(struct daemon *d, struct why *why)
{
	static bool (*const steps[])(struct daemon * d, struct why * why) = {
	    make_wake,       make_rule,   open_store, daemon_lock_keys,  daemon_make_signing,
	    make_work,       make_reaper, make_rpc,   make_l1,           make_proofs,
	    make_collateral, make_quotes, make_setup, daemon_make_relay, make_agenda,
	    make_session,    daemon_load, make_admin, daemon_make_tls,   make_server};
	size_t i;

	for (i = 0; i < sizeof steps / sizeof *steps; i++)
		if (!steps[i](d, why))
			return false;
	return true;
}

/* Whatever no callback can name any more. */
void daemon_free_parts(struct daemon *d)
{
	size_t i;

	session_free(d->session);
	relay_free(d->relay);
	setup_free(d->setup);
	agenda_free(d->agenda);
	quotes_free(d->quotes);
	verdicts_free(d->verdicts);
	proofs_free(d->proofs);
	serve_free(d->serve);
	l1_free(d->l1);
	commitments_free(d->commitments);
	reaper_free(d->reaper);
	inputs_free(d->inputs);
	work_free(d->work);
	registrar_free(d->registrar);
	commit_hash_rule_free(d->rule);
	certificates_free(d->certificates);
	for (i = 0; i < 2; i++)
		if (d->key_locks[i] >= 0)
			close(d->key_locks[i]);
}
