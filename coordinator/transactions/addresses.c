#include "coordinator/transactions/addresses.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/base/retry.h"
#include "coordinator/l1/call.h"
#include "encoding/utf8.h"
#include "ethereum/abi.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECHECK_MS   15000u /* after a refusal */
#define RETRY_MS     2000u  /* after no answer */
#define DOUBT_MIN_MS 15000u
#define DOUBT_MAX_MS 3600000u

/* One question after the other, of the address that target() names. */
enum check {
	CHECK_CODE,
	CHECK_OWNER,
	CHECK_ROLE_NAME, /* what the Timelock calls a sequencer: asked before whether we are one */
	CHECK_ROLE,
	CHECK_IDENTITY_DAO,
	CHECK_TCB_DAO,
	CHECK_PCS_DAO,
	CHECK_COUNT,
};

static const struct row {
	const char *signature; /* NULL: is there code? */
	unsigned words;        /* arguments, all zero where they are not named in ask() */
	const char *setting;   /* of a DAO */
} rows[CHECK_COUNT] = {
    [CHECK_CODE] = {NULL, 0, NULL},
    [CHECK_OWNER] = {"owner()", 0, NULL},
    [CHECK_ROLE_NAME] = {"SEQUENCER()", 0, NULL},
    [CHECK_ROLE] = {"hasRole(bytes32,address)", 2, NULL},
    [CHECK_IDENTITY_DAO] = {"ENCLAVE_ID_KEY(uint256,uint256)", 2, "ENCLAVE_ID_DAO"},
    [CHECK_TCB_DAO] = {"FMSPC_TCB_KEY(uint8,bytes6,uint32)", 3, "FMSPC_TCB_DAO"},
    [CHECK_PCS_DAO] = {"PCS_KEY(uint8,bool)", 2, "PCS_DAO"},
};

/* Verification goes by one half of the checks, registration by the other. */
enum half { VERIFY_HALF, REGISTER_HALF, HALVES };

struct side {
	char refused[400];   /* by the last whole check; "" passed */
	char finding[400];   /* of the one under way */
	char doubt[400];     /* "" none */
	unsigned doubts;     /* in a row, for the wait */
	uint64_t doubted_at; /* monotonic ms */
};

struct addresses {
	const struct desk *desk;
	struct side side[HALVES];
	bool checked, due, running, stopped;
	uint64_t check_at; /* monotonic ms */
	uint64_t began_at;
	enum check check;
	uint8_t role[32];
};

static enum half half_of(enum sender_kind kind)
{
	return kind == SENDER_VERIFY ? VERIFY_HALF : REGISTER_HALF;
}

static bool is_timelock(const struct addresses *a)
{
	return !eth_address_equal(&a->desk->o->verify_to, &a->desk->o->outbox.proposer);
}

static const struct eth_address *target(const struct addresses *a)
{
	const struct agenda_options *o = a->desk->o;

	switch (a->check) {
	case CHECK_OWNER: return &o->outbox.proposer;
	case CHECK_CODE:
	case CHECK_ROLE_NAME:
	case CHECK_ROLE: return &o->verify_to;
	case CHECK_IDENTITY_DAO: return &o->pccs.enclave_id_dao;
	case CHECK_TCB_DAO: return &o->pccs.fmspc_tcb_dao;
	case CHECK_PCS_DAO: return &o->pccs.pcs_dao;
	case CHECK_COUNT: break;
	}
	abort(); /* no question is asked after the last */
}

static bool applies(const struct addresses *a)
{
	static const struct eth_address none;
	struct eth_address from;

	switch (a->check) {
	case CHECK_CODE: return true;
	case CHECK_OWNER:
	case CHECK_ROLE_NAME: return outbox_from(a->desk->outbox, SENDER_VERIFY, &from);
	case CHECK_ROLE:
		return is_timelock(a) && outbox_from(a->desk->outbox, SENDER_VERIFY, &from) &&
		       memcmp(a->role, (const uint8_t[32]){0}, 32) != 0;
	case CHECK_IDENTITY_DAO:
	case CHECK_TCB_DAO:
	case CHECK_PCS_DAO: return a->desk->o->pccs.enabled && !eth_address_equal(target(a), &none);
	case CHECK_COUNT: break;
	}
	return false;
}

/* ---- what an answer means ---- */

static void find(struct addresses *a, enum half half, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void find(struct addresses *a, enum half half, const char *fmt, ...)
{
	char *out = a->side[half].finding;
	va_list ap;

	if (out[0])
		return;
	va_start(ap, fmt);
	utf8_vprint(out, sizeof a->side[half].finding, fmt, ap);
	va_end(ap);
}

static void judge_owner(struct addresses *a, const struct l1_read *read)
{
	char owner[ETH_ADDRESS_TEXT_SIZE], ours[ETH_ADDRESS_TEXT_SIZE];
	struct eth_address is, should = a->desk->o->verify_to;

	if (read->kind != L1_READ_OK || read->data.n < 32)
		return;
	memcpy(is.b, read->data.p + 12, 20);
	if (!is_timelock(a))
		outbox_from(a->desk->outbox, SENDER_VERIFY, &should);
	if (eth_address_equal(&is, &should))
		return;
	eth_address_print(owner, &is);
	eth_address_print(ours, &should);
	if (is_timelock(a))
		find(a, VERIFY_HALF,
		     "the OnChainProposer is owned by %s, not by the Timelock of "
		     "ETHREX_TIMELOCK_ADDRESS, %s: nothing is sent there",
		     owner, ours);
	else
		find(a, VERIFY_HALF,
		     "the OnChainProposer is owned by %s, not by the sending key %s: is that a "
		     "Timelock, for ETHREX_TIMELOCK_ADDRESS?",
		     owner, ours);
}

static void judge_role(struct addresses *a, const struct l1_read *read)
{
	char ours[ETH_ADDRESS_TEXT_SIZE], timelock[ETH_ADDRESS_TEXT_SIZE];
	struct eth_address from;

	if (read->kind != L1_READ_OK || read->data.n < 32 || read->data.p[31])
		return;
	outbox_from(a->desk->outbox, SENDER_VERIFY, &from);
	eth_address_print(ours, &from);
	eth_address_print(timelock, &a->desk->o->verify_to);
	find(a, VERIFY_HALF, "the sending key %s has not the SEQUENCER role of the Timelock %s",
	     ours, timelock);
}

static void judge_dao(struct addresses *a, const struct l1_read *read)
{
	char dao[ETH_ADDRESS_TEXT_SIZE];

	if (read->kind == L1_READ_OK && read->data.n == 32)
		return;
	eth_address_print(dao, target(a));
	find(a, REGISTER_HALF,
	     "the address of the setting %s, %s, is no DAO of that kind: nothing is registered",
	     rows[a->check].setting, dao);
}

static void judge(struct addresses *a, const struct l1_read *read)
{
	switch (a->check) {
	case CHECK_OWNER: judge_owner(a, read); return;
	case CHECK_ROLE_NAME:
		if (read->kind == L1_READ_OK && read->data.n == 32)
			memcpy(a->role, read->data.p, 32);
		return;
	case CHECK_ROLE: judge_role(a, read); return;
	case CHECK_IDENTITY_DAO:
	case CHECK_TCB_DAO:
	case CHECK_PCS_DAO: judge_dao(a, read); return;
	case CHECK_CODE:
	case CHECK_COUNT: return;
	}
}

/* ---- one check after the other ---- */

static void next(struct addresses *a);

static void again(struct addresses *a, uint64_t ms)
{
	a->running = false;
	a->due = true;
	a->check_at = clock_mono_ms() + ms;
}

static void over(struct addresses *a)
{
	bool refused = false;
	int h;

	a->running = false;
	a->checked = true;
	for (h = 0; h < HALVES; h++) {
		struct side *s = &a->side[h];

		if (s->finding[0] && strcmp(s->finding, s->refused) != 0)
			log_event(LOG_ERROR, "address_refused", log_str("reason", s->finding));
		else if (!s->finding[0] && s->refused[0])
			log_event(LOG_INFO, "address_accepted", log_str("was", s->refused));
		memcpy(s->refused, s->finding, sizeof s->refused);
		refused = refused || s->refused[0];
		if (!s->refused[0] && s->doubt[0] && s->doubted_at <= a->began_at) {
			log_event(LOG_INFO, "doubt_ended",
				  log_str("reason", "the addresses passed their check again"));
			s->doubt[0] = '\0';
		}
		a->due = a->due || s->doubt[0];
	}
	if (refused)
		again(a, RECHECK_MS);
	wake_up(a->desk->p->wake);
}

static void on_code(void *arg, const struct rpc_reply *reply)
{
	struct addresses *a = arg;
	char to[ETH_ADDRESS_TEXT_SIZE];

	if (a->stopped)
		return;
	if (reply->status != RPC_OK && reply->status != RPC_ERROR) {
		again(a, RETRY_MS);
		return;
	}
	if (reply->status == RPC_OK && json_string_length(reply->result) == 2) {
		eth_address_print(to, target(a));
		find(a, VERIFY_HALF, "there is no contract at %s, the address of %s", to,
		     is_timelock(a) ? "ETHREX_TIMELOCK_ADDRESS" : "the OnChainProposer");
	}
	a->check++;
	next(a);
}

static void on_answer(void *arg, const struct l1_read *read)
{
	struct addresses *a = arg;

	if (a->stopped)
		return;
	if (read->kind == L1_READ_FAILED) {
		again(a, RETRY_MS);
		return;
	}
	judge(a, read);
	a->check++;
	next(a);
}

static bool ask_code(struct addresses *a)
{
	char text[ETH_ADDRESS_TEXT_SIZE], params[sizeof text + 16];
	struct why why = {""};

	eth_address_print(text, target(a));
	snprintf(params, sizeof params, "[\"%s\",\"latest\"]", text);
	return rpc_call(a->desk->p->rpc, "eth_getCode", params, NULL, on_code, a, &why) != 0;
}

static bool ask(struct addresses *a)
{
	uint8_t calldata[4 + 3 * 32] = {0};
	const struct l1_call call = {.to = target(a),
				     .calldata = span_of(calldata, 4 + 32 * rows[a->check].words)};
	struct eth_address from;

	abi_selector(calldata, rows[a->check].signature);
	if (a->check == CHECK_ROLE) {
		memcpy(calldata + 4, a->role, 32);
		if (outbox_from(a->desk->outbox, SENDER_VERIFY, &from))
			memcpy(calldata + 4 + 32 + 12, from.b, 20);
	}
	return l1_call(a->desk->p->rpc, &call, on_answer, a);
}

static void next(struct addresses *a)
{
	while (a->check < CHECK_COUNT && !applies(a))
		a->check++;
	if (a->check == CHECK_COUNT)
		over(a);
	else if (!(rows[a->check].signature ? ask(a) : ask_code(a)))
		again(a, RETRY_MS);
}

void addresses_pump(struct addresses *a)
{
	const uint64_t now = clock_mono_ms();
	int h;

	if (a->stopped || a->running || (a->checked && !a->due) || now < a->check_at)
		return;
	for (h = 0; h < HALVES; h++)
		if (a->side[h].doubt[0] && now < a->side[h].doubted_at)
			return;
	a->running = true;
	a->due = false;
	a->began_at = now;
	a->check = CHECK_CODE;
	memset(a->role, 0, sizeof a->role);
	for (h = 0; h < HALVES; h++)
		a->side[h].finding[0] = '\0';
	next(a);
}

/* ---- what it comes to ---- */

bool addresses_allow(const struct addresses *a, enum sender_kind kind, struct why *why)
{
	const struct side *s = &a->side[half_of(kind)];

	if (!a->checked)
		why_set(why, "the addresses of the contracts are being checked");
	else if (s->refused[0])
		why_set(why, "%s", s->refused);
	else if (s->doubt[0])
		why_set(why, "%s", s->doubt);
	else
		return true;
	return false;
}

void addresses_doubt(struct addresses *a, enum sender_kind kind, const char *sentence)
{
	struct side *s = &a->side[half_of(kind)];
	const uint64_t wait = retry_backoff(DOUBT_MIN_MS, DOUBT_MAX_MS, s->doubts++);
	struct why why;

	why_set(&why,
		"held for %" PRIu64 " s, until the addresses pass their check again or `proof-"
		"coordinator resume` says so: %s",
		wait / 1000, sentence);
	utf8_print(s->doubt, sizeof s->doubt, "%.399s", why.text);
	s->doubted_at = clock_mono_ms() + wait;
	a->due = true;
	log_event(LOG_ERROR, "no_effect", log_str("reason", s->doubt));
}

void addresses_took_effect(struct addresses *a, enum sender_kind kind)
{
	a->side[half_of(kind)].doubts = 0;
}

void addresses_trust(struct addresses *a)
{
	int h;

	for (h = 0; h < HALVES; h++) {
		a->side[h].doubt[0] = '\0';
		a->side[h].doubts = 0;
	}
	log_event(LOG_INFO, "doubt_ended", log_str("reason", "the operator says so"));
	addresses_recheck(a);
}

void addresses_recheck(struct addresses *a)
{
	a->due = true;
	a->check_at = 0;
}

/* ---- life ---- */

void addresses_stop(struct addresses *a)
{
	a->stopped = true;
}

bool addresses_new(struct addresses **out, const struct desk *desk, struct why *why)
{
	struct addresses *a = *out = calloc(1, sizeof *a);

	if (!a) {
		why_set(why, "out of memory");
		return false;
	}
	a->desk = desk;
	return true;
}

void addresses_free(struct addresses *a)
{
	free(a);
}
