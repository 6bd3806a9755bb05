#include "coordinator/transactions/register.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/registrar/rows.h"
#include "coordinator/transactions/proposal.h"
#include "ethereum/abi.h"
#include "ethereum/revert.h"

#define REGISTER_GAS_HEADROOM 200000ull /* a dev-mode register uses about 48,000 */
#define PROPOSAL_PATH_MAX     1200

static bool register_calldata(const struct desk *d, const struct prepare *prepare, struct buf *out,
			      struct span payload, struct why *why)
{
	const struct abi_value arg = abi_bytes(payload);

	if (!l1_facts(d->p->l1)->tdx_dev_mode)
		return prepare_register_call(prepare, out, payload, why);
	return abi_encode_call(out, "register(bytes)", &arg, 1, why) == ETH_OK;
}

/* Of one registration: a dev-mode one is small, a real one takes what the contracts need. */
static uint64_t register_gas_cap(const struct desk *d)
{
	const uint64_t left = registrar_gas_left(d->p->registrar, clock_wall_ms());

	if (l1_facts(d->p->l1)->tdx_dev_mode)
		return REGISTER_GAS_HEADROOM;
	return left < d->o->gas_cap ? left : d->o->gas_cap;
}

/* Somebody else sends it: the call waits in a file for him, and L1 tells when it is done. */
void register_offer(const struct desk *d, const struct prepare *prepare,
		    const struct registrar_step *step, struct eth_address *offered)
{
	char text[ETH_ADDRESS_TEXT_SIZE], path[PROPOSAL_PATH_MAX];
	struct why why = {""};
	struct buf calldata;

	eth_address_print(text, &step->signer);
	desk_say(d, "the registration of %s waits to be sent by somebody else", text);
	if (eth_address_equal(offered, &step->signer))
		return;
	buf_init(&calldata, OUTBOX_INTENT_MAX);
	if (register_calldata(d, prepare, &calldata, step->payload, &why) &&
	    proposal_write(path, sizeof path, d->o->data_dir, &l1_facts(d->p->l1)->tdx_verifier,
			   &step->signer, buf_span(&calldata), &why)) {
		*offered = step->signer;
		log_event(LOG_INFO, "registration_offered", log_str("signer", text),
			  log_str("file", path));
	} else {
		registrar_register_failed(d->p->registrar, &step->signer, why.text, false, 0,
					  clock_wall_ms());
		prover_held_keep(d->p->store, d->p->registrar);
		log_event(LOG_ERROR, "registration_not_offered", log_str("signer", text),
			  log_str("reason", why.text));
	}
	buf_free(&calldata);
}

void register_start(const struct desk *d, const struct prepare *prepare,
		    const struct registrar_step *step)
{
	const struct l1_facts *f = l1_facts(d->p->l1);
	struct sender_wish wish = {.kind = SENDER_REGISTER};
	char text[ETH_ADDRESS_TEXT_SIZE];
	struct why why = {""};
	struct buf calldata;

	buf_init(&calldata, OUTBOX_INTENT_MAX);
	wish.to = f->tdx_verifier;
	wish.signer = step->signer;
	wish.gas_cap = register_gas_cap(d);
	eth_address_print(text, &step->signer);
	if (!register_calldata(d, prepare, &calldata, step->payload, &why))
		goto failed;
	wish.calldata = buf_span(&calldata);
	if (!registrar_register_begin(d->p->registrar, &step->signer, wish.gas_cap, clock_wall_ms(),
				      &why)) {
		desk_say(d, "registration waits: %s", why.text);
		goto out;
	}
	if (!outbox_wish(d->outbox, &wish, &why)) {
		registrar_register_failed(d->p->registrar, &step->signer, why.text, false, 0,
					  clock_wall_ms());
		prover_held_keep(d->p->store, d->p->registrar);
		goto failed;
	}
	log_event(LOG_INFO, "registration_started", log_str("signer", text));
	desk_say(d, "registering %s", text);
	goto out;
failed:
	desk_say(d, "the registration was not started: %.400s", why.text);
	log_event(LOG_ERROR, "registration_not_started", log_str("signer", text),
		  log_str("reason", why.text));
out:
	buf_free(&calldata);
}

uint64_t register_over(const struct desk *d, const struct sender_action *a)
{
	const struct eth_address *signer = &a->intent->signer;
	char text[ETH_ADDRESS_TEXT_SIZE];
	struct eth_revert r;
	const char *reason;
	uint64_t now = clock_wall_ms(), gas = a->has_receipt ? a->gas_used : 0;

	eth_address_print(text, signer);
	if (a->outcome == SENDER_CONFIRMED || a->outcome == SENDER_ALREADY_TRUE) {
		registrar_register_done(d->p->registrar, gas, now);
		log_event(LOG_INFO, "registered", log_str("signer", text), log_u64("gas", gas));
	} else {
		revert_read(&r, a->revert_data);
		reason = r.kind == REVERT_NONE ? a->sentence : r.text;
		registrar_register_failed(d->p->registrar, signer, reason, false, gas, now);
		log_event(LOG_WARN, "registration_failed", log_str("signer", text),
			  log_str("outcome", sender_outcome_text(a->outcome)),
			  log_str("reason", reason));
	}
	prover_keep(d->p->store, d->p->registrar, signer);
	prover_held_keep(d->p->store, d->p->registrar);
	prover_gas_keep(d->p->store, d->p->registrar, now);
	return gas;
}
