#include "coordinator/daemon.h"

#include "coordinator/admin/admin.h"
#include "coordinator/base/system.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/server/session.h"
#include "coordinator/transactions/agenda.h"
#include "coordinator/work/proofs.h"
#include "coordinator/work/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define TOKEN_BYTES          32
#define RESEND_POLLS         12u
#define GAS_PER_REGISTRATION 60000ull /* a dev-mode register uses about 48,000 */
#define WATCH_MS             5000     /* between two looks at what time does to the evidence */

/* ---- the end ---- */

/* Front to back: no more messages, no more inputs, no more L1, and the store last, so that what was
 * accepted before is stored. Each part says when it is done. */
typedef void done_cb(void *arg);

static void close_server(struct daemon *d, done_cb *done)
{
	if (d->server)
		server_stop(d->server, done, d);
	else
		done(d);
}

static void close_admin(struct daemon *d, done_cb *done)
{
	d->server = NULL;
	admin_close(d->admin, done, d);
}

static void close_l1(struct daemon *d, done_cb *done)
{
	d->admin = NULL;
	l1_close(d->l1, done, d);
}

static void close_agenda(struct daemon *d, done_cb *done)
{
	agenda_close(d->agenda, done, d);
}

static void close_rpc(struct daemon *d, done_cb *done)
{
	if (d->rpc)
		rpc_close(d->rpc, done, d);
	else
		done(d);
}

static void close_quotes(struct daemon *d, done_cb *done)
{
	d->rpc = NULL;
	quotes_close(d->quotes, done, d);
}

static void close_collateral(struct daemon *d, done_cb *done)
{
	if (d->collateral)
		collateral_close(d->collateral, done, d);
	else
		done(d);
}

static void close_early(struct daemon *d, done_cb *done)
{
	d->collateral = NULL;
	if (d->collateral_early)
		collateral_close(d->collateral_early, done, d);
	else
		done(d);
}

static void close_wake(struct daemon *d, done_cb *done)
{
	d->collateral_early = NULL;
	wake_close(d->wake, done, d);
}

static void close_store(struct daemon *d, done_cb *done)
{
	d->wake = NULL;
	if (d->store)
		store_close(d->store, done, d);
	else
		done(d);
}

static void on_handle_closed(uv_handle_t *h)
{
	(void)h;
}

static void close_handles(struct daemon *d, done_cb *done)
{
	uv_handle_t *handles[] = {(uv_handle_t *)&d->on_term, (uv_handle_t *)&d->on_int,
				  (uv_handle_t *)&d->on_hup, (uv_handle_t *)&d->drain_timer,
				  (uv_handle_t *)&d->watch_timer};
	size_t i;

	(void)done;
	d->store = NULL;
	for (i = 0; i < sizeof handles / sizeof *handles; i++)
		uv_close(handles[i], on_handle_closed);
}

static void close_next(void *arg)
{
	static void (*const steps[])(struct daemon * d, done_cb * done) = {
	    close_server,     close_admin, close_l1,   close_agenda, close_rpc,    close_quotes,
	    close_collateral, close_early, close_wake, close_store,  close_handles};
	struct daemon *d = arg;

	steps[d->closing_step++](d, close_next);
}

static void shut_down(struct daemon *d)
{
	if (d->closing)
		return;
	d->closing = true;
	if (d->agenda)
		agenda_stop(d->agenda);
	close_next(d);
}

static void on_drained(void *arg)
{
	shut_down(arg);
}

static void on_drain_timer(uv_timer_t *t)
{
	shut_down(t->data);
}

static void drain(struct daemon *d)
{
	if (d->closing)
		return;
	if (d->draining) {
		shut_down(d);
		return;
	}
	d->draining = true;
	d->ready = false;
	if (d->agenda)
		agenda_stop(d->agenda);
	system_notify("STOPPING=1");
	log_event(LOG_INFO, "draining", log_u64("deadline_ms", d->config.drain_timeout_ms),
		  log_u64("connections",
			  d->server ? server_counters(d->server)->connections : (size_t)0));
	uv_timer_start(&d->drain_timer, on_drain_timer, d->config.drain_timeout_ms + 1000, 0);
	if (d->server)
		server_drain(d->server, d->config.drain_timeout_ms, on_drained, d);
	else
		shut_down(d);
}

void daemon_fail(struct daemon *d, const char *event, const char *sentence)
{
	log_event(LOG_ERROR, event, log_str("reason", sentence));
	if (!d->exit_code)
		d->exit_code = EXIT_CONFIG;
	drain(d);
}

/* ---- signals ---- */

static void take_settings(struct daemon *d);

static void on_stop_signal(uv_signal_t *h, int number)
{
	log_event(LOG_INFO, "signal", log_str("name", number == SIGTERM ? "SIGTERM" : "SIGINT"));
	drain(h->data);
}

static void on_reload_signal(uv_signal_t *h, int number)
{
	struct daemon *d = h->data;
	char *argv[2], flag[] = "--env-file";
	char text[4096] = "", *line, *save = NULL;
	struct why why = {""};
	struct config *fresh;
	unsigned changed = 0;
	FILE *notes;
	bool ok;

	(void)number;
	if (!d->config.env_file[0]) {
		log_event(
		    LOG_WARN, "reload",
		    log_str(
			"note",
			"no --env-file was given at the start: there is nothing to read again"));
		return;
	}
	fresh = malloc(sizeof *fresh);
	notes = fresh ? fmemopen(text, sizeof text - 1, "w") : NULL;
	if (!notes) {
		free(fresh);
		return;
	}
	argv[0] = flag;
	argv[1] = d->config.env_file;
	ok = config_load(fresh, 2, argv, true, notes);
	if (ok) {
		changed = config_reload(&d->config, fresh, notes);
		log_configure(d->config.log_level, d->config.log_format);
		take_settings(d);
		if (!quotes_reload(d->quotes, &why))
			fprintf(notes, "%s: the former policy stays\n", why.text);
	}
	fclose(notes);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		log_event(LOG_WARN, "reload", log_str("note", line));
	log_event(ok ? LOG_INFO : LOG_ERROR, "reload", log_u64("changed", changed),
		  log_str("result", ok ? "taken over" : "refused, the former settings stay"));
	config_wipe(fresh);
	free(fresh);
}

/* ---- the start ---- */

/* Secrets must not end on disk: no core dump, no ptrace by others of the same user. */
static void forbid_core_dumps(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static bool make_token(struct daemon *d, struct why *why)
{
	char path[CONFIG_TEXT_MAX + 32], text[2 * TOKEN_BYTES + 2];
	uint8_t random[TOKEN_BYTES];
	ssize_t n;
	int fd;

	if (d->config.admin_token[0]) {
		memcpy(d->admin_token, d->config.admin_token, sizeof d->admin_token);
		return true;
	}
	snprintf(path, sizeof path, "%s/admin.token", d->config.data_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		n = read(fd, d->admin_token, sizeof d->admin_token - 1);
		close(fd);
		while (n > 0 && (d->admin_token[n - 1] == '\n' || d->admin_token[n - 1] == ' '))
			n--;
		d->admin_token[n > 0 ? n : 0] = '\0';
		if (n > 0)
			return true;
	}
	if (uv_random(NULL, NULL, random, sizeof random, 0, NULL) != 0) {
		why_set(why, "no randomness for the admin token");
		return false;
	}
	hex_encode(text, random, sizeof random);
	memcpy(d->admin_token, text, 2 * TOKEN_BYTES + 1);
	text[2 * TOKEN_BYTES] = '\n';
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, text, 2 * TOKEN_BYTES + 1) != 2 * TOKEN_BYTES + 1 ||
	    fsync(fd) < 0) {
		why_set(why, "cannot write %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	close(fd);
	secret_wipe(text, sizeof text);
	secret_wipe(random, sizeof random);
	return true;
}

static void registrar_settings(const struct daemon *d, struct registrar_settings *out)
{
	*out = (struct registrar_settings){
	    .max_provers = d->config.max_provers,
	    .allow_dev_mode = d->config.tdx_dev_mode,
	    .silence_ms = d->config.prover_silence_ms,
	    .drain_ms = d->config.prover_timeout_ms,
	    .gas_per_day = d->config.register_gas_per_day,
	    .gas_per_registration = GAS_PER_REGISTRATION,
	    .retry_min_ms = 5000,
	    .retry_max_ms = 600000,
	    .external_route = d->config.register_by_file,
	};
}

static void agenda_settings(const struct daemon *d, struct agenda_options *out)
{
	const struct config *c = &d->config;
	struct sender_options *s = &out->outbox.sender;

	*out = (struct agenda_options){
	    .outbox = {.proposer = c->proposer,
		       .l1_key = c->has_l1_key ? &c->l1_key : NULL,
		       .tdx_key = c->has_tdx_key ? &c->tdx_key : NULL},
	    .verify_to = c->has_timelock ? c->timelock : c->proposer,
	    .max_batches = c->verify_max_batches,
	    .max_proof_bytes = c->max_proof_bytes,
	    .gas_cap = c->tx_gas_cap,
	    .register_by_file = c->register_by_file,
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
					   .wake = d->wake};
	struct agenda_options options;

	agenda_settings(d, &options);
	return agenda_new(&d->agenda, &parts, &options, why);
}

/* What a reload changed reaches the rooms. */
static void take_settings(struct daemon *d)
{
	struct registrar_settings registrar;
	struct agenda_options agenda;

	registrar_settings(d, &registrar);
	registrar_set_settings(d->registrar, &registrar);
	agenda_settings(d, &agenda);
	agenda_set_options(d->agenda, &agenda);
	l1_set_every(d->l1, d->config.send_interval_ms);
}

static bool make_work(struct daemon *d, struct why *why)
{
	const struct config *c = &d->config;
	struct registrar_settings rs;
	struct work_limits wl = {.max_batches = c->max_batches,
				 .max_inputs = c->max_inputs,
				 .max_versions = 64,
				 .max_candidates = (unsigned)c->candidates_per_batch,
				 .max_candidates_per_source = (unsigned)c->candidates_per_source,
				 .lease_ms = c->prover_timeout_ms};
	int t;

	for (t = 0; t < PROVER_TYPES; t++)
		wl.proof_max[t] = c->max_proof_bytes;
	/* A signature, and in the older dialects the public values that it covers. */
	wl.proof_max[PROVER_TDX] = c->max_proof_bytes < 65536 ? c->max_proof_bytes : 65536;
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

static bool make_rpc(struct daemon *d, struct why *why)
{
	struct rpc_options o = {.urls = (const char *const *)d->config.rpc_urls,
				.n_urls = d->config.n_rpc_urls,
				.chain_id = d->config.chain_id,
				.call_timeout_ms = (uint32_t)d->config.rpc_timeout_ms,
				.deadline_ms = (uint32_t)(2 * d->config.rpc_timeout_ms),
				.max_in_flight = (unsigned)d->config.rpc_max_in_flight,
				.max_calls = 4 * (unsigned)d->config.rpc_max_in_flight,
				.body_max = d->config.rpc_max_body_bytes};

	uv_random(NULL, NULL, &o.seed, sizeof o.seed, 0, NULL);
	d->rpc = rpc_new(&d->loop, &o, why);
	return d->rpc != NULL;
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
	log_event(LOG_WARN, "collateral_trouble", log_str("platform", name),
		  log_str("reason", sentence));
}

static bool make_collateral(struct daemon *d, struct why *why)
{
	const struct config *c = &d->config;
	struct collateral_settings s = {.sources = c->collateral_sources,
					.root_crl_url = c->collateral_root_crl_url,
					.ca_file = c->collateral_ca_file,
					.root_file = c->dcap_root_file,
					.data_dir = c->data_dir,
					.update = c->collateral_early ? COLLATERAL_EARLY
								      : COLLATERAL_STANDARD,
					.tcb_evaluation_number = (uint32_t)c->collateral_number,
					.timeout_ms = (uint32_t)c->collateral_timeout_ms,
					.piece_max = c->collateral_piece_max,
					.max_keys = (unsigned)c->collateral_max_keys,
					.max_stale = (int64_t)c->collateral_max_stale_s,
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
	return collateral_new(&d->collateral_early, &d->loop, &s, now, why);
}

/* ---- what L1 says reaches the rooms ---- */

static void gone_input(void *arg, uint64_t batch, const char *commit_hash, const uint8_t sha256[32],
		       bool last_use)
{
	upload_drop(arg, batch, commit_hash, sha256, last_use);
}

static void gone_candidate(void *arg, uint64_t id)
{
	proofs_forget(arg, id);
}

static void gone_lease(void *arg, uint64_t batch, enum prover_type type)
{
	struct daemon *d = arg;
	const struct store_change change = {.kind = CHANGE_LEASE_DEL,
					    .lease = {.batch = batch, .prover_type = (int)type}};

	store_commit_lazy(d->store, &change, 1);
}

static void tell_registrar(struct daemon *d, const struct l1_facts *f)
{
	const bool promoting = registrar_promoted(d->registrar) != NULL;
	const struct eth_address *counting;
	struct why why = {""};
	char text[ETH_ADDRESS_TEXT_SIZE];

	registrar_set_contract(d->registrar, &f->tdx_verifier, f->tdx_dev_mode);
	switch (registrar_set_signer(d->registrar, &f->signer, clock_wall_ms(), &why)) {
	case REGISTRAR_SIGNER_SAME: break;
	case REGISTRAR_SIGNER_FIRST:
	case REGISTRAR_SIGNER_OURS:
		eth_address_print(text, &f->signer);
		log_event(LOG_INFO, "signer_on_chain",
			  log_str("signer", eth_address_is_zero(&f->signer) ? "none" : text));
		break;
	case REGISTRAR_SIGNER_CHANGED:
		log_event(LOG_WARN, "signer_changed", log_str("reason", why.text));
		break;
	}
	if (promoting && !registrar_promoted(d->registrar))
		store_drop_fact(d->store, "promoted");
	/* Not simply the chain's: while a switch is under way, the key that comes. */
	counting = registrar_counting_signer(d->registrar);
	work_set_signer(d->work, counting ? WORK_SIGNER_IS : WORK_SIGNER_NONE, counting);
}

static uint32_t needed_types(const struct daemon *d, const struct l1_facts *f)
{
	return d->config.exec_only ? PROVER_TYPE_BIT(PROVER_EXEC) : f->needed;
}

/* At the start, after the load: what an earlier run was told counts until L1 answers. */
static void restore_facts(struct daemon *d)
{
	const struct l1_facts *f = l1_facts(d->l1);
	struct work_chain chain = {0};
	struct why why = {""};

	if (!f)
		return;
	/* final stays 0: nothing is dropped on what an earlier run was told. */
	chain.committed = f->committed;
	chain.verified = f->verified;
	work_set_needed(d->work, needed_types(d, f));
	work_set_chain(d->work, &chain, NULL, &why);
	if (f->has_tdx_verifier)
		tell_registrar(d, f);
}

/* Settings that cannot go with this chain: the event and the sentence; NULL: none. */
static const char *misfit(const struct daemon *d, const struct l1_facts *f, const char **event)
{
	if (f->l1_chain_id == 1 && d->config.tdx_dev_mode) {
		*event = "dev_mode_on_mainnet";
		return "ETHREX_TDX_DEV_MODE is on and the L1 is Ethereum mainnet (chain id 1): "
		       "anyone could register any key; refused";
	}
	if (d->config.exec_only && f->needed != PROVER_TYPE_BIT(PROVER_EXEC)) {
		*event = "dev_mode_on_contract_with_proofs";
		return "ETHREX_PROOF_COORDINATOR_DEV_MODE sends empty proofs, but the "
		       "OnChainProposer requires real ones; unset it";
	}
	if ((f->needed & PROVER_TYPE_BIT(PROVER_TDX)) && !d->config.has_tdx_key) {
		*event = "tdx_key_missing";
		return "the OnChainProposer requires TDX proofs: give "
		       "ETHREX_PROOF_COORDINATOR_TDX_PRIVATE_KEY_FILE, the key that registers";
	}
	return NULL;
}

static void on_facts(void *arg, const struct l1_facts *f)
{
	struct daemon *d = arg;
	const struct work_gone gone = {gone_input, gone_candidate, gone_lease, d};
	const struct work_chain chain = {f->committed, f->verified, f->final};
	const char *event = NULL, *sentence = misfit(d, f, &event);
	unsigned before;
	struct why why = {""};

	if (sentence) {
		daemon_fail(d, event, sentence);
		return;
	}
	if (!work_needed(d->work, &before) || before != needed_types(d, f))
		work_set_needed(d->work, needed_types(d, f));
	switch (work_set_chain(d->work, &chain, &gone, &why)) {
	case WORK_CHAIN_SAME:
	case WORK_CHAIN_FORWARD: break;
	case WORK_CHAIN_BACK:
	case WORK_CHAIN_BACK_LOST:
		log_event(LOG_WARN, "l1_went_back", log_str("reason", why.text));
		commitments_forget(d->commitments);
		break;
	}
	if (f->has_tdx_verifier)
		tell_registrar(d, f);
	quotes_on_facts(d->quotes);
	if (!agenda_open(d->agenda, f->l1_chain_id, &why)) {
		daemon_fail(d, "sender_failed", why.text);
		return;
	}
	proofs_judge(d);
	wake_up(d->wake);
}

static void on_wake(void *arg)
{
	struct daemon *d = arg;

	if (d->closing)
		return;
	if (d->session)
		session_answer_setups(d->session);
	if (!d->draining && d->agenda)
		agenda_next(d->agenda);
}

static void on_l1_failed(void *arg, const char *sentence)
{
	struct daemon *d = arg;

	(void)sentence;
	wake_up(d->wake);
}

static void on_fatal(void *arg, const char *event, const char *sentence)
{
	daemon_fail(arg, event, sentence);
}

static bool make_l1(struct daemon *d, struct why *why)
{
	const struct l1_parts parts = {&d->loop, d->rpc, d->store};
	const struct l1_options options = {.proposer = d->config.proposer,
					   .confirmations = (unsigned)d->config.confirmations,
					   .every_ms = d->config.send_interval_ms};
	const struct l1_events events = {on_facts, on_l1_failed, on_fatal, d};

	return l1_new(&d->l1, &parts, &options, &events, why) &&
	       commitments_new(&d->commitments, d->rpc, &d->config.proposer, why);
}

static void on_watch(uv_timer_t *t)
{
	struct daemon *d = t->data;

	if (!d->closing && !d->draining)
		quotes_tick(d->quotes);
}

static bool make_server(struct daemon *d, struct why *why)
{
	const struct config *c = &d->config;
	static const char busy[] = "{\"Error\":{\"code\":\"busy\",\"message\":\"too many "
				   "connections\"}}";
	const struct server_options o = {
	    .address = c->listen_address,
	    .port = (uint16_t)c->listen_port,
	    .max_message = c->max_message_bytes,
	    .max_connections = c->max_connections,
	    .max_connections_per_source = c->max_connections_per_source,
	    .max_buffered_total = c->max_buffered_bytes,
	    .read_timeout_ms = c->read_timeout_ms,
	    .write_timeout_ms = c->write_timeout_ms,
	    .total_timeout_ms = c->total_timeout_ms,
	    .hold_timeout_ms = c->total_timeout_ms,
	    .refusal = c->error_replies ? span_of(busy, sizeof busy - 1) : span_of(NULL, 0),
	    .handler = session_message,
	    .on_bad = session_bad,
	    .on_end = session_end,
	    .log = session_server_log,
	    .arg = d->session};

	return server_new(&d->server, &d->loop, &o, why) == SERVER_OK;
}

static void announce(struct daemon *d)
{
	const struct config *c = &d->config;
	char l1[ETH_ADDRESS_TEXT_SIZE] = "none", tdx[ETH_ADDRESS_TEXT_SIZE] = "none";
	char listen[CONFIG_TEXT_MAX + 8];
	struct eth_address a;

	if (c->has_l1_key && eth_key_address(&a, &c->l1_key))
		eth_address_print(l1, &a);
	if (c->has_tdx_key && eth_key_address(&a, &c->tdx_key))
		eth_address_print(tdx, &a);
	snprintf(listen, sizeof listen, "%s:%u", c->listen_address, server_port(d->server));
	log_event(LOG_INFO, "ready", log_str("version", VERSION), log_str("listen", listen),
		  log_str("admin", c->admin_listen), log_str("data_dir", c->data_dir),
		  log_str("verify_from", l1), log_str("register_from", tdx),
		  log_u64("start_ms", clock_wall_ms() - d->started_ms));
	if (c->tdx_dev_mode)
		log_event(LOG_WARN, "tdx_dev_mode",
			  log_str("warning",
				  "ETHREX_TDX_DEV_MODE is on: prover keys are registered "
				  "without any attestation; never use this with real value"));
	if (c->qpl_tool_path[0])
		log_event(LOG_WARN, "setting_ignored",
			  log_str("name", "ETHREX_PROOF_COORDINATOR_QPL_TOOL_PATH"),
			  log_str("reason", "no external tool is used"));
	system_notify("READY=1\nSTATUS=serving provers");
}

static bool claim_keys(struct daemon *d, struct why *why)
{
	const struct eth_key *keys[] = {&d->config.l1_key, &d->config.tdx_key};
	const bool given[] = {d->config.has_l1_key, d->config.has_tdx_key};
	struct eth_address a[2];
	char where[2 * CONFIG_TEXT_MAX], proposer[ETH_ADDRESS_TEXT_SIZE];
	int i;

	eth_address_print(proposer, &d->config.proposer);
	snprintf(where, sizeof where, "%s %s", proposer, d->config.rpc_urls_text);
	for (i = 0; i < 2; i++) {
		if (!given[i] || !eth_key_address(&a[i], keys[i]) ||
		    (i == 1 && given[0] && eth_address_equal(&a[0], &a[1])))
			continue;
		d->key_claims[i] = system_lock_key(&a[i], where, why);
		if (d->key_claims[i] < 0)
			return false;
	}
	return true;
}

static bool start(struct daemon *d, struct why *why)
{
	const struct store_options so = {.dir = d->config.data_dir,
					 .max_queue = d->config.store_queue_max,
					 .max_queue_bytes = d->config.store_queue_bytes};
	bool ok;

	d->wake = wake_new(&d->loop, on_wake, d, why);
	if (!d->wake || store_open(&d->store, &d->loop, &so, why) != STORE_OK ||
	    !claim_keys(d, why))
		return false;
	ok = make_token(d, why) && make_work(d, why) && make_rpc(d, why) && make_l1(d, why) &&
	     proofs_new(&d->proofs, d, why) && session_new(&d->session, d, why) &&
	     make_collateral(d, why) && quotes_new(&d->quotes, d, why) && make_agenda(d, why) &&
	     daemon_load(d, why);
	if (ok) {
		restore_facts(d);
		agenda_resume(d->agenda);
	}
	if (!ok || !admin_new(&d->admin, d, why) || !make_server(d, why))
		return false;
	d->ready = true;
	announce(d);
	l1_start(d->l1);
	uv_timer_start(&d->watch_timer, on_watch, WATCH_MS, WATCH_MS);
	return true;
}

static void start_signals(struct daemon *d)
{
	uv_signal_init(&d->loop, &d->on_term);
	uv_signal_init(&d->loop, &d->on_int);
	uv_signal_init(&d->loop, &d->on_hup);
	uv_timer_init(&d->loop, &d->drain_timer);
	uv_timer_init(&d->loop, &d->watch_timer);
	d->on_term.data = d->on_int.data = d->on_hup.data = d->drain_timer.data = d;
	d->watch_timer.data = d;
	uv_signal_start(&d->on_term, on_stop_signal, SIGTERM);
	uv_signal_start(&d->on_int, on_stop_signal, SIGINT);
	uv_signal_start(&d->on_hup, on_reload_signal, SIGHUP);
}

int daemon_run(struct config *config)
{
	struct daemon *d = calloc(1, sizeof *d);
	struct why why = {""};
	int code;

	if (!d)
		return EXIT_FAILURE;
	forbid_core_dumps();
	d->config = *config;
	secret_wipe(config, sizeof *config);
	/* The copies of the URLs moved with the struct. */
	for (size_t i = 0; i < d->config.n_rpc_urls; i++)
		d->config.rpc_urls[i] =
		    d->config.rpc_urls_split + (d->config.rpc_urls[i] - config->rpc_urls_split);
	d->started_ms = clock_wall_ms();
	d->key_claims[0] = d->key_claims[1] = -1;
	log_configure(d->config.log_level, d->config.log_format);
	if (regcomp(&d->commit_hash_pattern, d->config.commit_hash_pattern,
		    REG_EXTENDED | REG_NOSUB) != 0 ||
	    uv_loop_init(&d->loop) != 0) {
		free(d);
		return EXIT_FAILURE;
	}
	start_signals(d);
	if (!start(d, &why)) {
		log_event(LOG_ERROR, "start_failed", log_str("reason", why.text));
		d->exit_code = EXIT_FAILURE;
		shut_down(d);
	}
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
	l1_free(d->l1);
	commitments_free(d->commitments);
	session_free(d->session);
	agenda_free(d->agenda);
	quotes_free(d->quotes);
	proofs_free(d->proofs);
	work_free(d->work);
	registrar_free(d->registrar);
	regfree(&d->commit_hash_pattern);
	for (int i = 0; i < 2; i++)
		if (d->key_claims[i] >= 0)
			close(d->key_claims[i]);
	code = d->exit_code;
	log_event(LOG_INFO, "stopped", log_i64("exit_code", code));
	config_wipe(&d->config);
	secret_wipe(d, sizeof *d);
	free(d);
	return code;
}
