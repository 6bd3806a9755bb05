/* Who signs, and that nobody else on this machine does: from the settings to the room's options. */
#include "coordinator/daemon_internal.h"

#include "coordinator/base/system.h"

#include <inttypes.h>
#include <string.h>

#define LOCAL_TIMEOUT_MS 10000

static void on_lost(void *arg, const char *sentence)
{
	struct daemon *d = arg;

	if (d->closing)
		return;
	/* The keys were its own alone: whoever starts the daemon anew gives them again. */
	d->exit_code = EXIT_FAILURE;
	daemon_fail(d, "signer_lost", sentence);
}

bool daemon_lock_keys(struct daemon *d, struct why *why)
{
	const struct config *c = d->config;
	const struct eth_address a[] = {c->verify_from, c->register_from};
	const bool given[] = {c->has_verify_from, c->has_register_from};
	char where[2 * CONFIG_TEXT_MAX], proposer[ETH_ADDRESS_TEXT_SIZE], database[24] = "";
	int i;

	eth_address_print(proposer, &d->config->proposer);
	snprintf(where, sizeof where, "%s %s", proposer, d->config->rpc_urls_text);
	if (store_is_shared(d->store))
		snprintf(database, sizeof database, "%016" PRIx64, store_identity(d->store));
	for (i = 0; i < 2; i++) {
		if (!given[i] || (i == 1 && given[0] && eth_address_equal(&a[0], &a[1])))
			continue;
		d->key_locks[i] = system_lock_key(&a[i], where, database, why);
		if (d->key_locks[i] < 0)
			return false;
	}
	return true;
}

static struct signing_account account(bool given, const struct eth_key *key, bool is_local,
				      const struct eth_address *from)
{
	if (!given)
		return (struct signing_account){.way = SIGNING_NONE};
	return (struct signing_account){.way = is_local ? SIGNING_LOCAL : SIGNING_REMOTE,
					.key = is_local ? key : NULL,
					.address = *from};
}

bool daemon_make_signing(struct daemon *d, struct why *why)
{
	struct config *c = d->config;
	const bool has_key = c->has_l1_key || c->keystore_file[0];
	const struct signing_events events = {on_lost, d};
	struct signing_options o = {
	    .accounts = {[SIGNING_SENDER] =
			     account(c->has_verify_from, &c->l1_key, has_key, &c->verify_from),
			 [SIGNING_REGISTRAR] = account(
			     c->has_register_from, c->has_tdx_key ? &c->tdx_key : &c->l1_key,
			     c->has_tdx_key || has_key, &c->register_from)},
	    .chain_id = c->chain_id,
	    .max_fee = c->max_fee_per_gas,
	    .max_gas = c->tx_gas_cap,
	    .verify_to = c->has_timelock ? c->timelock : c->proposer,
	    .local_timeout_ms = LOCAL_TIMEOUT_MS,
	    .remote_url = c->remote_signer_url,
	    .remote_ca_file = c->remote_signer_ca_file,
	    .remote_timeout_ms = (uint32_t)c->remote_signer_timeout_ms};
	bool made;

	memcpy(o.remote_point, c->remote_point, sizeof o.remote_point);
	uv_random(NULL, NULL, &o.seed, sizeof o.seed, 0, NULL);
	made = signing_new(&d->signing, &d->loop, &o, &events, why);
	config_forget_keys(c);
	return made;
}
