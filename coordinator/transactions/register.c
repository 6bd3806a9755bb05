#include "coordinator/transactions/register.h"

#include "coordinator/daemon.h"
#include "coordinator/transactions/agenda.h"
#include "coordinator/transactions/prepare.h"
#include "coordinator/transactions/proposal.h"
#include "coordinator/transactions/verify_batches.h"
#include "ethereum/abi.h"
#include "ethereum/revert.h"

#include <inttypes.h>

#define REGISTER_GAS_HEADROOM 200000ull /* a dev-mode register uses about 48,000 */

void register_keep_gas(struct daemon *d)
{
	uint64_t kept[2];

	kept[1] = registrar_gas_used(d->registrar, clock_wall_ms(), &kept[0]);
	store_put_fact(d->store, "register_gas", kept, sizeof kept);
}

static bool register_calldata(const struct daemon *d, struct buf *out, struct span payload,
			      struct why *why)
{
	const struct abi_value arg = abi_bytes(payload);

	if (!l1_facts(d->l1)->tdx_dev_mode)
		return prepare_register_call(d->prepare, out, payload, why);
	return abi_encode_call(out, "register(bytes)", &arg, 1, why) == ETH_OK;
}

/* Of one registration: a dev-mode one is small, a real one takes what the contracts need. */
static uint64_t register_gas_cap(const struct daemon *d)
{
	const uint64_t left = registrar_gas_left(d->registrar, clock_wall_ms());

	if (l1_facts(d->l1)->tdx_dev_mode)
		return REGISTER_GAS_HEADROOM;
	return left < d->config.tx_gas_cap ? left : d->config.tx_gas_cap;
}

/* Somebody else sends it: the call waits in a file for him, and L1 tells when it is done. */
void register_offer(struct daemon *d, const struct registrar_step *step,
		    struct eth_address *offered, struct why *now)
{
	char text[ETH_ADDRESS_TEXT_SIZE], path[CONFIG_TEXT_MAX + 64];
	struct why why = {""};
	struct buf calldata;

	eth_address_print(text, &step->signer);
	why_set(now, "the registration of %s waits to be sent by somebody else", text);
	if (eth_address_equal(offered, &step->signer))
		return;
	buf_init(&calldata, INTENT_MAX);
	if (register_calldata(d, &calldata, step->payload, &why) &&
	    proposal_write(path, sizeof path, d->config.data_dir, &l1_facts(d->l1)->tdx_verifier,
			   &step->signer, buf_span(&calldata), &why)) {
		*offered = step->signer;
		log_event(LOG_INFO, "registration_offered", log_str("signer", text),
			  log_str("file", path));
	} else {
		registrar_register_failed(d->registrar, &step->signer, why.text, false, 0,
					  clock_wall_ms());
		log_event(LOG_ERROR, "registration_not_offered", log_str("signer", text),
			  log_str("reason", why.text));
	}
	buf_free(&calldata);
}

void register_start(struct daemon *d, const struct registrar_step *step, struct why *now)
{
	const struct l1_facts *f = l1_facts(d->l1);
	struct sender_wish wish = {.id = d->next_intent, .kind = SENDER_REGISTER};
	char text[ETH_ADDRESS_TEXT_SIZE];
	struct why why = {""};
	struct buf calldata;

	buf_init(&calldata, INTENT_MAX);
	wish.to = f->tdx_verifier;
	wish.signer = step->signer;
	wish.gas_cap = register_gas_cap(d);
	eth_address_print(text, &step->signer);
	if (!eth_key_address(&wish.from, &d->config.tdx_key) ||
	    !register_calldata(d, &calldata, step->payload, &why))
		goto failed;
	wish.calldata = buf_span(&calldata);
	if (!registrar_register_begin(d->registrar, &step->signer, wish.gas_cap, clock_wall_ms(),
				      &why)) {
		why_set(now, "registration waits: %s", why.text);
		goto out;
	}
	if (!sender_io_wish(d->sender, &wish, &why)) {
		registrar_register_failed(d->registrar, &step->signer, why.text, false, 0,
					  clock_wall_ms());
		goto failed;
	}
	d->next_intent++;
	log_event(LOG_INFO, "registration_started", log_str("signer", text));
	why_set(now, "registering %s", text);
	goto out;
failed:
	why_set(now, "the registration was not started: %.400s", why.text);
	log_event(LOG_ERROR, "registration_not_started", log_str("signer", text),
		  log_str("reason", why.text));
out:
	buf_free(&calldata);
}

void register_over(struct daemon *d, const struct sender_action *a)
{
	const struct eth_address *signer = &a->intent->signer;
	char text[ETH_ADDRESS_TEXT_SIZE];
	struct eth_revert r;
	const char *reason;
	uint64_t now = clock_wall_ms(), gas = a->has_receipt ? a->gas_used : 0;

	eth_address_print(text, signer);
	d->counters.gas_register += gas;
	if (a->outcome == SENDER_CONFIRMED || a->outcome == SENDER_ALREADY_TRUE) {
		registrar_register_done(d->registrar, gas, now);
		log_event(LOG_INFO, "registered", log_str("signer", text), log_u64("gas", gas));
	} else {
		revert_read(&r, a->revert_data);
		reason = r.kind == REVERT_NONE ? a->sentence : r.text;
		registrar_register_failed(d->registrar, signer, reason, false, gas, now);
		log_event(LOG_WARN, "registration_failed", log_str("signer", text),
			  log_str("outcome", sender_outcome_text(a->outcome)),
			  log_str("reason", reason));
	}
	settle_keep_prover(d, signer);
	register_keep_gas(d);
}
