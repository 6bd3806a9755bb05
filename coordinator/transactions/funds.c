#include "coordinator/transactions/funds.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define EVERY_MS 60000u

struct purse {
	struct funds *funds;
	enum funds_key key;
	bool reading, known, low;
	struct uint256 balance;
};

struct funds {
	const struct desk *desk;
	struct purse purse[FUNDS_KEYS];
	uint64_t next_at; /* monotonic ms */
};

static bool address_of(const struct funds *f, enum funds_key key, struct eth_address *out)
{
	return outbox_from(f->desk->outbox, key == FUNDS_VERIFY ? SENDER_VERIFY : SENDER_REGISTER,
			   out);
}

static void weigh(struct purse *p)
{
	const struct uint256 mark = uint256_from_u64(p->funds->desk->o->funds_low_wei);
	const bool low = uint256_cmp(&p->balance, &mark) < 0;
	char has[UINT256_DECIMAL_SIZE], text[ETH_ADDRESS_TEXT_SIZE];
	struct funds_info info;

	if (low == p->low || !funds_of(p->funds, p->key, &info))
		return;
	p->low = low;
	uint256_to_decimal(has, &p->balance);
	eth_address_print(text, &info.address);
	log_event(low ? LOG_WARN : LOG_INFO, low ? "funds_low" : "funds_restored",
		  log_str("key", info.key), log_str("address", text), log_str("wei", has),
		  log_u64("low_below", p->funds->desk->o->funds_low_wei));
}

static void on_balance(void *arg, const struct rpc_reply *reply)
{
	struct purse *p = arg;
	struct why why = {""};

	p->reading = false;
	if (reply->status != RPC_OK || !rpc_parse_quantity(reply->result, p->balance.be, &why)) {
		p->known = p->known && reply->status != RPC_ERROR;
		return;
	}
	p->known = true;
	weigh(p);
}

static void read_balance(struct purse *p)
{
	char text[ETH_ADDRESS_TEXT_SIZE], params[sizeof text + 16];
	struct eth_address address;
	struct why why = {""};

	if (p->reading || !address_of(p->funds, p->key, &address))
		return;
	eth_address_print(text, &address);
	snprintf(params, sizeof params, "[\"%s\",\"latest\"]", text);
	p->reading = rpc_call(p->funds->desk->p->rpc, "eth_getBalance", params, NULL, on_balance, p,
			      &why) != 0;
}

void funds_pump(struct funds *f)
{
	const uint64_t now = clock_mono_ms();
	int k;

	if (now < f->next_at)
		return;
	f->next_at = now + EVERY_MS;
	for (k = 0; k < FUNDS_KEYS; k++)
		read_balance(&f->purse[k]);
}

void funds_refresh(struct funds *f)
{
	f->next_at = 0;
}

bool funds_of(const struct funds *f, enum funds_key key, struct funds_info *out)
{
	const struct purse *p = &f->purse[key];

	*out = (struct funds_info){.key = key == FUNDS_VERIFY ? "verify" : "register",
				   .known = p->known,
				   .balance = p->balance,
				   .low = p->low};
	return address_of(f, key, &out->address);
}

bool funds_new(struct funds **out, const struct desk *desk, struct why *why)
{
	struct funds *f = *out = calloc(1, sizeof *f);
	int k;

	if (!f) {
		why_set(why, "out of memory");
		return false;
	}
	f->desk = desk;
	for (k = 0; k < FUNDS_KEYS; k++)
		f->purse[k] = (struct purse){.funds = f, .key = (enum funds_key)k};
	return true;
}

void funds_free(struct funds *f)
{
	free(f);
}
