/*~ Stop 1 of the tour: who holds what, and the order of starting and stopping. One libuv loop owns
 * it all; the store's thread and libuv's pool only ever see copies. This is the only file that sees
 * every room: it makes them, wires their events, and closes them in order. */
#include "coordinator/daemon_internal.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/base/system.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define UNASKED_MS       15000  /* a prover that is idle asks more often */
#define UNASKED_PAUSE_MS 600000 /* between two lines about it, at most */
#define WATCH_MS         5000   /* between two looks at what time does to the evidence */

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
	if (d->session)
		session_set_server(d->session, NULL);
	if (d->setup)
		setup_stop(d->setup);
	if (d->admin)
		admin_set_server(d->admin, NULL);
	admin_close(d->admin, done, d);
}

static void close_relay(struct daemon *d, done_cb *done)
{
	d->admin = NULL;
	relay_close(d->relay, done, d);
}

static void close_l1(struct daemon *d, done_cb *done)
{
	l1_close(d->l1, done, d);
}

static void close_agenda(struct daemon *d, done_cb *done)
{
	agenda_close(d->agenda, done, d);
}

static void close_signing(struct daemon *d, done_cb *done)
{
	signing_close(d->signing, done, d);
}

static void close_rpc(struct daemon *d, done_cb *done)
{
	d->signing = NULL;
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
	if (d->early)
		collateral_close(d->early, done, d);
	else
		done(d);
}

static void close_wake(struct daemon *d, done_cb *done)
{
	d->early = NULL;
	wake_close(d->wake, done, d);
}

static void close_inputs(struct daemon *d, done_cb *done)
{
	d->wake = NULL;
	if (d->inputs)
		inputs_close(d->inputs, done, d);
	else
		done(d);
}

static void close_store(struct daemon *d, done_cb *done)
{
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
	/* Nobody handles them any more: one that comes while all is tidied up must not kill. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

static void close_next(void *arg)
{
	static void (*const steps[])(struct daemon * d, done_cb * done) = {
	    close_server,  close_admin,  close_relay,  close_l1,         close_agenda,
	    close_signing, close_rpc,    close_quotes, close_collateral, close_early,
	    close_wake,    close_inputs, close_store,  close_handles};
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
	if (d->proofs)
		proofs_stop(d->proofs);
	if (d->reaper)
		reaper_stop(d->reaper);
	if (d->inputs)
		inputs_stop(d->inputs);
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
	if (d->session)
		session_drain(d->session);
	if (d->admin)
		admin_set_state(d->admin, ADMIN_DRAINING);
	/* On a shared store the next leader comes when this one has closed its: until then it
	 * leads on. */
	if (d->agenda && !(d->store && store_is_shared(d->store)))
		agenda_stop(d->agenda);
	system_notify("STOPPING=1");
	log_event(LOG_INFO, "draining", log_u64("deadline_ms", d->config->drain_timeout_ms),
		  log_u64("connections",
			  d->server ? server_counters(d->server)->connections : (size_t)0));
	uv_timer_start(&d->drain_timer, on_drain_timer, d->config->drain_timeout_ms + 1000, 0);
	if (d->server)
		server_drain(d->server, d->config->drain_timeout_ms, on_drained, d);
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
	struct config *fresh;
	unsigned changed = 0;
	FILE *notes;
	bool ok;

	(void)number;
	/* Of parts that were never made, or are being closed, none takes settings. */
	if (d->closing) {
		log_event(LOG_WARN, "reload",
			  log_str("note", "the coordinator ends: nothing is read again"));
		return;
	}
	if (!d->config->env_file[0]) {
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
	argv[1] = d->config->env_file;
	ok = config_load_again(fresh, d->config, 2, argv, notes);
	if (ok) {
		changed = config_reload(d->config, fresh, notes);
		log_configure(d->config->log_level, d->config->log_format);
		daemon_take_settings(d, notes);
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

static void announce(struct daemon *d)
{
	const struct config *c = d->config;
	char l1[ETH_ADDRESS_TEXT_SIZE] = "none", tdx[ETH_ADDRESS_TEXT_SIZE] = "none";
	char listen[CONFIG_TEXT_MAX + 8], tls[80] = "none", metrics[CONFIG_TEXT_MAX + 8] = "none";
	size_t i;

	if (c->has_verify_from)
		eth_address_print(l1, &c->verify_from);
	if (c->has_register_from)
		eth_address_print(tdx, &c->register_from);
	snprintf(listen, sizeof listen, "%s:%u", c->listen_address, server_port(d->server));
	if (d->certificates)
		snprintf(tls, sizeof tls, "%s:%u", c->tls_address, server_tls_port(d->server));
	if (c->metrics_address[0])
		snprintf(metrics, sizeof metrics, "%s:%u", c->metrics_address,
			 admin_metrics_port(d->admin));
	log_event(LOG_INFO, "ready", log_str("version", program_version), log_str("listen", listen),
		  log_str("tls", tls), log_str("admin", c->admin_listen),
		  log_str("metrics", metrics), log_str("data_dir", c->data_dir),
		  log_str("verify_from", l1), log_str("register_from", tdx),
		  log_u64("start_ms", clock_wall_ms() - d->started_ms));
	if (c->tdx_dev_mode)
		log_event(LOG_WARN, "tdx_dev_mode",
			  log_str("warning",
				  "ETHREX_TDX_DEV_MODE is on: prover keys are registered "
				  "without any attestation; never use this with real value"));
	for (i = 0; i < c->n_notes; i++)
		log_event(LOG_WARN, c->notes[i].suspect ? "setting_suspected" : "setting_ignored",
			  log_str("name", c->notes[i].name),
			  log_str("reason", c->notes[i].sentence.text));
	system_notify("READY=1\nSTATUS=serving provers");
}

/* Secrets must not end on disk: no core dump, no ptrace by others of the same user. */
static void forbid_core_dumps(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Batches want proofs, and nobody comes for them. */
static void look_for_provers(struct daemon *d)
{
	const uint64_t *answers = serve_counters(d->serve), now = clock_mono_ms();
	struct work_counts counts;
	struct why why = {""};
	uint64_t asked = 0, batch;
	size_t wanting = 0;
	int i;

	work_counts(d->work, &counts);
	for (i = 0; i < PROVER_TYPES; i++)
		wanting += counts.wanting[i];
	for (i = 0; i <= WORK_NOT_NEEDED; i++)
		asked += answers[i];
	if (asked != d->asked || !wanting || counts.leases) {
		d->asked = asked;
		d->asked_ms = now;
		d->unasked_said_ms = UNASKED_MS;
	} else if (now - d->asked_ms >= d->unasked_said_ms) {
		const uint64_t age = now - d->asked_ms;

		d->unasked_said_ms = age + (age < UNASKED_PAUSE_MS ? age : UNASKED_PAUSE_MS);
		work_oldest_waiting(d->work, now, &batch, &why);
		log_limited(LOG_WARN, "no_prover", "", "", log_str("reason", why.text),
			    log_u64("nobody_asked_s", age / 1000));
	}
}

/* Once when it begins, and once when it is over. */
static void look_at_head(struct daemon *d)
{
	struct why why = {""};
	const bool far = l1_is_fresh(d->l1) && l1_head_is_far(d->l1, &why);

	if (far && !d->head_far)
		log_event(LOG_WARN, "l1_head_far", log_str("reason", why.text));
	else if (!far && d->head_far)
		log_event(LOG_INFO, "l1_head_near",
			  log_u64("head_time", (uint64_t)l1_head_time(d->l1)));
	d->head_far = far;
}

static void on_watch(uv_timer_t *t)
{
	struct daemon *d = t->data;

	log_limited_say(false);
	work_expire(d->work, clock_mono_ms());
	if (d->admin)
		admin_say(d->admin);
	if (d->closing || d->draining)
		return;
	look_for_provers(d);
	look_at_head(d);
	quotes_tick(d->quotes);
	reaper_tick(d->reaper);
	inputs_look(d->inputs);
}

static bool start(struct daemon *d, struct why *why)
{
	if (!daemon_make_parts(d, why))
		return false;
	session_set_server(d->session, d->server);
	admin_set_server(d->admin, d->server);
	admin_set_state(d->admin, ADMIN_READY);
	admin_say(d->admin);
	announce(d);
	l1_start(d->l1);
	if (d->relay)
		relay_start(d->relay);
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
	struct why why = {"out of memory"};
	int code = EXIT_FAILURE, rc;

	forbid_core_dumps();
	log_configure(config->log_level, config->log_format);
	if (!log_start(&why))
		log_event(LOG_WARN, "log_waits", log_str("reason", why.text));
	rc = d ? uv_loop_init(&d->loop) : 0;
	if (!d || rc != 0) {
		if (rc != 0)
			why_set(&why, "libuv has no loop: %s", uv_strerror(rc));
		log_event(LOG_ERROR, "start_failed", log_str("reason", why.text));
		log_stop();
		config_wipe(config);
		free(d);
		return code;
	}
	d->config = config;
	d->started_ms = clock_wall_ms();
	d->asked_ms = clock_mono_ms();
	d->unasked_said_ms = UNASKED_MS;
	d->key_locks[0] = d->key_locks[1] = -1;
	start_signals(d);
	if (!start(d, &why)) {
		log_event(LOG_ERROR, "start_failed", log_str("reason", why.text));
		d->exit_code = EXIT_FAILURE;
		shut_down(d);
	}
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
	daemon_free_parts(d);
	code = d->exit_code;
	log_limited_say(true);
	log_event(LOG_INFO, "stopped", log_i64("exit_code", code));
	log_stop();
	config_wipe(d->config);
	secret_wipe(d, sizeof *d);
	free(d);
	return code;
}
