/* An ethrex behind this coordinator: its settings, and the prover that waits for it. */
#include "coordinator/daemon_internal.h"

static bool on_again(void *arg, uint64_t conn, const struct proofdata *request, const char *source)
{
	struct daemon *d = arg;

	return session_again(d->session, conn, request, source);
}

bool daemon_make_relay(struct daemon *d, struct why *why)
{
	const struct config *c = d->config;
	const struct relay_parts parts = {.loop = &d->loop,
					  .store = d->store,
					  .work = d->work,
					  .inputs = d->inputs,
					  .proofs = d->proofs,
					  .registrar = d->registrar,
					  .l1 = d->l1};
	const struct relay_options options = {
	    .host = c->upstream_host,
	    .port = c->upstream_port,
	    .submit = !c->submit_upstream ? RELAY_SUBMIT_L1
		      : c->submit_l1      ? RELAY_SUBMIT_BOTH
					  : RELAY_SUBMIT_UPSTREAM,
	    .ahead = (unsigned)c->upstream_ahead,
	    .poll_ms = c->upstream_poll_ms,
	    .idle_ms = c->upstream_timeout_ms,
	    .wait_ms = c->upstream_wait_ms,
	    .max_bytes = c->upstream_max_bytes,
	};
	const struct relay_events events = {on_again, d};

	if (!c->upstream[0])
		return true;
	return relay_new(&d->relay, &parts, &options, &events, why);
}
