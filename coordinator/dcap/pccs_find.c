/*
 * From the entry point to the DAO contracts and what they hold: TDXVerifier.quoteVerifier() ->
 * quoteVerifiers(4) -> pccsRouter() -> the DAOs -> keys -> windows and hashes.
 *
 * Automata v1.0's router knows qeIdDaoAddr(), v1.1's knows tcbEvalDaoAddr() and one DAO for each
 * evaluation number; only DcapVerifier answers dcapVerifierVersion(), and evaluationChoice() says
 * which number counts there.
 */
#include "coordinator/dcap/internal.h"

#include "ethereum/abi.h"
#include "ethereum/revert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTE_VERSION  4u
#define OWN_VERSION    1u
#define ASYNC_PROTOCOL 2u
#define ATTESTER_ROLE  1u
#define NAMES_NO_STACK "it is none of Automata's v1.0 and v1.1 and DcapVerifier"

/* ---- asking ---- */

static void ask(struct pccs *p, const struct eth_address *to, const char *signature,
		const struct abi_value *args, size_t n)
{
	struct read *r = &p->read[p->n_reads];
	struct buf b;

	buf_init(&b, CALL_MAX);
	if (abi_encode_call(&b, signature, args, n, NULL) != ETH_OK) {
		pccs_end(p, PCCS_WAIT, "memory is short for a call of %s", signature);
		buf_free(&b);
		return;
	}
	*r = (struct read){.to = *to, .n = b.len, .signature = signature};
	memcpy(r->calldata, b.p, b.len);
	buf_free(&b);
	p->n_reads++;
}

static void ask_plain(struct pccs *p, const struct eth_address *to, const char *signature)
{
	ask(p, to, signature, NULL, 0);
}

static void ask_u64(struct pccs *p, const struct eth_address *to, const char *signature, uint64_t v)
{
	struct abi_value arg = abi_u64(v);

	ask(p, to, signature, &arg, 1);
}

static void ask_multicall(struct pccs *p)
{
	struct read *r = &p->read[p->n_reads];
	struct buf b;

	buf_init(&b, CALL_MAX);
	if (pccs_multicall_probe(&b)) {
		*r = (struct read){.to = *pccs_multicall(), .n = b.len, .signature = "aggregate3"};
		memcpy(r->calldata, b.p, b.len);
		p->n_reads++;
	}
	buf_free(&b);
}

static void ask_key(struct pccs *p, enum item_id id)
{
	const struct eth_address *dao = &p->item[id].dao;
	uint8_t fmspc[32] = {0};
	struct abi_value args[3];
	uint64_t ca;

	switch (id) {
	case ITEM_NUMBERS: ask_u64(p, dao, "TCB_EVAL_KEY(uint8)", TCB_TYPE_TDX); return;
	case ITEM_IDENTITY:
		args[0] = abi_u64(IDENTITY_TD_QE);
		args[1] = abi_u64(IDENTITY_VERSION);
		ask(p, dao, "ENCLAVE_ID_KEY(uint256,uint256)", args, 2);
		return;
	case ITEM_TCB:
		memcpy(fmspc, p->fmspc, sizeof p->fmspc);
		args[0] = abi_u64(TCB_TYPE_TDX);
		args[1] = abi_bytes32(fmspc);
		args[2] = abi_u64(TCB_VERSION);
		ask(p, dao, "FMSPC_TCB_KEY(uint8,bytes6,uint32)", args, 3);
		return;
	case ITEM_SIGNING: ca = 3; break;
	case ITEM_PCK_CA:
	case ITEM_PCK_CRL: ca = (uint64_t)p->ca; break;
	case ITEM_ROOT:
	case ITEM_ROOT_CRL:
	case ITEMS: ca = 0; break;
	}
	args[0] = abi_u64(ca);
	args[1] = abi_bool(id == ITEM_ROOT_CRL || id == ITEM_PCK_CRL);
	ask(p, dao, "PCS_KEY(uint8,bool)", args, 2);
}

static bool wants_key(const struct item *item)
{
	return item->needed && item->has_dao && !item->has_key;
}

static bool wants_reading(const struct item *item)
{
	return item->needed && item->has_key && !item->read;
}

/* v1.1: only attesters write there. */
static bool wants_role(const struct pccs *p, enum item_id id)
{
	return p->stack == PCCS_STACK_AUTOMATA_V1_1 && id >= ITEM_NUMBERS &&
	       !eth_address_is_zero(&p->sender) && wants_key(&p->item[id]);
}

static void ask_keys(struct pccs *p)
{
	const struct abi_value sender = abi_address(&p->sender);
	bool tcb = wants_key(&p->item[ITEM_TCB]);

	for (int i = 0; i < ITEMS; i++) {
		if (!wants_key(&p->item[i]))
			continue;
		ask_key(p, (enum item_id)i);
		if (wants_role(p, (enum item_id)i))
			ask(p, &p->item[i].dao, "rolesOf(address)", &sender, 1);
	}
	if (tcb)
		ask_plain(p, &p->item[ITEM_TCB].dao, "asyncUpsertProtocolVersion()");
}

/* What Automata's DAOs hold can be read whole, by a call of nobody. */
static bool asks_held(const struct pccs *p, enum item_id id)
{
	return p->stack != PCCS_STACK_OWN &&
	       (id == ITEM_IDENTITY || id == ITEM_TCB || id == ITEM_ROOT_CRL || id == ITEM_PCK_CRL);
}

static void ask_held(struct pccs *p, enum item_id id)
{
	struct item *item = &p->item[id];
	struct abi_value args[3];
	char fmspc[13];
	const size_t before = p->n_reads;

	item->held.len = 0;
	item->chain_number = 0;
	if (id == ITEM_IDENTITY) {
		args[0] = abi_u64(IDENTITY_TD_QE);
		args[1] = abi_u64(IDENTITY_VERSION);
		ask(p, &item->dao, "getEnclaveIdentity(uint256,uint256)", args, 2);
	} else if (id != ITEM_TCB) {
		ask_u64(p, &item->dao, "getCertificateById(uint8)",
			id == ITEM_PCK_CRL ? (uint64_t)p->ca : 0);
	} else {
		hex_encode(fmspc, p->fmspc, sizeof p->fmspc);
		args[0] = abi_u64(TCB_TYPE_TDX);
		args[1] = abi_bytes(span_of(fmspc, 12));
		args[1].kind = ABI_STRING;
		args[2] = abi_u64(TCB_VERSION);
		ask(p, &item->dao, "getTcbInfo(uint256,string,uint256)", args, 3);
	}
	if (p->n_reads > before)
		p->read[before].holds = item;
}

static void take_held_crl(struct item *item, struct span data)
{
	struct abi_value *v = NULL;

	if (abi_decode(&v, "(bytes,bytes)", data, NULL) != ETH_OK)
		return;
	buf_add(&item->held, v->items.p[1].bytes.p, v->items.p[1].bytes.n);
	abi_value_free(v);
}

void pccs_take_held(struct pccs *p, struct item *item, struct span data)
{
	static const char member[] = "\"tcbEvaluationDataNumber\":";
	struct abi_value *v = NULL;
	struct span text;
	const char *at;

	if (item == &p->item[ITEM_ROOT_CRL] || item == &p->item[ITEM_PCK_CRL]) {
		take_held_crl(item, data);
		return;
	}
	if (abi_decode(&v, "((string,bytes))", data, NULL) != ETH_OK)
		return;
	text = v->items.p[0].items.p[0].bytes;
	/* The NUL ends the number's text, whatever comes. */
	if (text.n && buf_add(&item->held, text.p, text.n) && buf_add(&item->held, "", 1)) {
		item->held.len--;
		at = memmem(item->held.p, item->held.len, member, sizeof member - 1);
		if (at)
			item->chain_number = (uint32_t)strtoul(at + sizeof member - 1, NULL, 10);
	}
	abi_value_free(v);
}

static void ask_state(struct pccs *p)
{
	for (int i = 0; i < ITEMS; i++) {
		const struct item *item = &p->item[i];
		struct abi_value key = abi_bytes32(item->key);

		if (!wants_reading(item))
			continue;
		ask(p, &item->dao, "getCollateralValidity(bytes32)", &key, 1);
		ask(p, &item->dao, "getCollateralHash(bytes32)", &key, 1);
		if (asks_held(p, (enum item_id)i))
			ask_held(p, (enum item_id)i);
	}
}

void pccs_ask(struct pccs *p)
{
	p->n_reads = 0;
	switch (p->stage) {
	case STAGE_ENTRY:
		ask_plain(p, &p->entry, "dcapVerifierVersion()");
		ask_plain(p, &p->entry, "takesLeafOnly()");
		ask_plain(p, &p->entry, "getBp()");
		ask_u64(p, &p->entry, "quoteVerifiers(uint16)", QUOTE_VERSION);
		ask_multicall(p);
		break;
	case STAGE_VERIFIER: ask_plain(p, &p->verifier, "pccsRouter()"); break;
	case STAGE_ROUTER:
		ask_plain(p, &p->router, "qeIdDaoAddr()");
		ask_plain(p, &p->router, "fmspcTcbDaoAddr()");
		ask_plain(p, &p->router, "pcsDaoAddr()");
		ask_plain(p, &p->router, "tcbEvalDaoAddr()");
		break;
	case STAGE_NUMBER:
		if (p->stack == PCCS_STACK_OWN) {
			ask_plain(p, &p->entry, "evaluationChoice()");
			ask_plain(p, &p->entry, "evaluationNumber()");
			break;
		}
		ask_u64(p, &p->router, "getStandardTcbEvaluationDataNumber(uint8)", TCB_TYPE_TDX);
		break;
	case STAGE_VERSIONED:
		ask_u64(p, &p->router, "qeIdDaoVersionedAddr(uint32)", p->number);
		ask_u64(p, &p->router, "fmspcTcbDaoVersionedAddr(uint32)", p->number);
		break;
	case STAGE_KEYS: ask_keys(p); break;
	case STAGE_STATE: ask_state(p); break;
	case STAGE_DECIDE:
	case STAGE_SEND:
	case STAGE_OVER: return;
	}
	if (p->n_reads || p->stage == STAGE_OVER)
		p->asked = p->stage != STAGE_OVER;
	else
		p->stage = p->stage == STAGE_KEYS ? STAGE_STATE : STAGE_DECIDE;
}

/* ---- answers ---- */

static bool ok(const struct pccs *p, size_t i)
{
	return p->read[i].answer.kind == PCCS_OK;
}

static bool number_of(const struct answer *a, size_t at, uint64_t *out)
{
	struct uint256 word;

	if (a->kind != PCCS_OK || a->n < at + 32)
		return false;
	memcpy(word.be, a->data + at, 32);
	return uint256_to_u64(out, &word);
}

static bool address_of(const struct answer *a, struct eth_address *out)
{
	static const uint8_t zero[12];

	if (a->kind != PCCS_OK || a->n < 32 || memcmp(a->data, zero, sizeof zero) != 0)
		return false;
	memcpy(out->b, a->data + 12, sizeof out->b);
	return !eth_address_is_zero(out);
}

static bool is_zero(const struct answer *a)
{
	static const uint8_t zero[32];

	return a->kind == PCCS_OK && a->n == sizeof zero && memcmp(a->data, zero, sizeof zero) == 0;
}

/* "pccsRouter() of 0x...: it reverts: ..." */
static void fail(struct pccs *p, enum pccs_step_kind kind, size_t i, const char *consequence)
{
	const struct read *r = &p->read[i];
	const char *said = r->answer.text;
	char to[ETH_ADDRESS_TEXT_SIZE];

	if (r->answer.kind == PCCS_OK)
		said = is_zero(&r->answer) ? "it names the zero address, which is no contract"
					   : "an answer that makes no sense";
	eth_address_print(to, &r->to);
	pccs_end(p, kind, "%s of %s: %s%s%s", r->signature, to, said, consequence ? "; " : "",
		 consequence ? consequence : "");
}

static void take_entry(struct pccs *p)
{
	uint64_t version = 0, leaf = 0, bp;
	char entry[ETH_ADDRESS_TEXT_SIZE];
	bool own = number_of(&p->read[0].answer, 0, &version);

	eth_address_print(entry, &p->entry);
	if (!number_of(&p->read[2].answer, 0, &bp)) {
		fail(p, PCCS_REFUSED, 2, "as a DCAP entry point " NAMES_NO_STACK);
		return;
	}
	if (own && version != OWN_VERSION) {
		pccs_end(p, PCCS_REFUSED,
			 "%s is a DcapVerifier of version %" PRIu64
			 ", this program knows version %u",
			 entry, version, OWN_VERSION);
		return;
	}
	if (bp != 0) {
		pccs_end(
		    p, PCCS_REFUSED,
		    "%s asks a fee of %" PRIu64 " basis points of the gas (getBp()), and "
		    "TDXVerifier.register sends no value with its call: the owner of the entry "
		    "point must set it to 0",
		    entry, bp);
		return;
	}
	if (!address_of(&p->read[3].answer, &p->verifier)) {
		if (ok(p, 3))
			pccs_end(p, PCCS_REFUSED,
				 "%s has no verifier for quotes of version %u (quoteVerifiers)",
				 entry, QUOTE_VERSION);
		else
			fail(p, PCCS_REFUSED, 3, "as a DCAP entry point " NAMES_NO_STACK);
		return;
	}
	if (own)
		p->stack = PCCS_STACK_OWN;
	p->multicall = p->n_reads > 4 && ok(p, 4) &&
		       pccs_multicall_is_there(p->read[4].answer.data, p->read[4].answer.n);
	p->leaf_only = own && number_of(&p->read[1].answer, 0, &leaf) && leaf == 1;
	p->stage = STAGE_VERIFIER;
}

static void set_dao(struct item *item, const struct eth_address *found,
		    const struct eth_address *override)
{
	const struct eth_address *dao =
	    override && !eth_address_is_zero(override) ? override : found;

	if (item->has_dao && eth_address_equal(&item->dao, dao))
		return;
	item->dao = *dao;
	item->has_dao = true;
	item->has_key = item->read = false;
}

static void take_router(struct pccs *p)
{
	struct eth_address qe, tcb, pcs, numbers;
	bool has_qe = address_of(&p->read[0].answer, &qe),
	     has_tcb = address_of(&p->read[1].answer, &tcb),
	     has_numbers = address_of(&p->read[3].answer, &numbers);
	char router[ETH_ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < p->n_reads; i++)
		if (is_zero(&p->read[i].answer)) {
			fail(p, PCCS_REFUSED, i, "its owner must set it");
			return;
		}
	if (!address_of(&p->read[2].answer, &pcs)) {
		fail(p, PCCS_REFUSED, 2, "as a PCCS router " NAMES_NO_STACK);
		return;
	}
	if (has_qe == has_numbers || has_qe != has_tcb ||
	    (p->stack == PCCS_STACK_OWN && has_numbers)) {
		eth_address_print(router, &p->router);
		pccs_end(p, PCCS_REFUSED,
			 "the PCCS router %s %s qeIdDaoAddr(), %s fmspcTcbDaoAddr() and %s "
			 "tcbEvalDaoAddr(): " NAMES_NO_STACK,
			 router, has_qe ? "has" : "lacks", has_tcb ? "has" : "lacks",
			 has_numbers ? "has" : "lacks");
		return;
	}
	for (int i = ITEM_ROOT; i <= ITEM_PCK_CRL; i++)
		set_dao(&p->item[i], &pcs, &p->settings.pcs_dao);
	if (has_numbers) {
		p->stack = PCCS_STACK_AUTOMATA_V1_1;
		p->item[ITEM_NUMBERS].needed = true;
		set_dao(&p->item[ITEM_NUMBERS], &numbers, NULL);
		p->stage = STAGE_NUMBER;
		return;
	}
	if (p->stack != PCCS_STACK_OWN)
		p->stack = PCCS_STACK_AUTOMATA_V1_0;
	set_dao(&p->item[ITEM_IDENTITY], &qe, &p->settings.enclave_id_dao);
	set_dao(&p->item[ITEM_TCB], &tcb, &p->settings.fmspc_tcb_dao);
	set_dao(&p->item[ITEM_NUMBERS], &p->entry, NULL);
	p->stage = p->stack == PCCS_STACK_OWN ? STAGE_NUMBER : STAGE_KEYS;
}

static void take_choice(struct pccs *p)
{
	uint64_t choice, number;

	p->stage = STAGE_KEYS;
	/* Contracts from before the choice keep one document of each kind. */
	if (p->read[0].answer.kind == PCCS_REVERTED || p->read[0].answer.kind == PCCS_NO_CODE)
		return;
	if (!number_of(&p->read[0].answer, 0, &choice) || choice > CHOICE_FIXED) {
		fail(p, PCCS_REFUSED, 0, NULL);
	} else if (!number_of(&p->read[1].answer, 0, &number) || number > UINT32_MAX) {
		fail(p, PCCS_REFUSED, 1, NULL);
	} else {
		p->choice = (enum choice)choice;
		p->number = (uint32_t)number;
		p->item[ITEM_NUMBERS].needed = p->choice != CHOICE_FIXED;
	}
}

/* Without a number the list of numbers may be uploaded first. */
static void take_number(struct pccs *p)
{
	const struct answer *a = &p->read[0].answer;
	uint64_t number;

	p->number = 0;
	p->stage = STAGE_KEYS;
	if (number_of(a, 0, &number) && number > 0 && number <= UINT32_MAX) {
		p->number = (uint32_t)number;
		p->stage = STAGE_VERSIONED;
		return;
	}
	snprintf(p->number_text, sizeof p->number_text, "%.190s",
		 a->kind == PCCS_OK ? "the answer makes no sense" : a->text);
}

static void take_versioned(struct pccs *p)
{
	struct eth_address qe, tcb;
	char words[96];

	snprintf(words, sizeof words,
		 "the contracts verify with evaluation number %u, but have no DAO for it",
		 p->number);
	for (size_t i = 0; i < 2; i++)
		if (!address_of(&p->read[i].answer, i ? &tcb : &qe)) {
			fail(p, PCCS_WAIT, i, words);
			return;
		}
	set_dao(&p->item[ITEM_IDENTITY], &qe, &p->settings.enclave_id_dao);
	set_dao(&p->item[ITEM_TCB], &tcb, &p->settings.fmspc_tcb_dao);
	p->stage = STAGE_KEYS;
}

static void take_keys(struct pccs *p)
{
	uint64_t protocol, roles = 0;
	size_t r = 0;

	if (wants_key(&p->item[ITEM_TCB]))
		p->async_upload = number_of(&p->read[p->n_reads - 1].answer, 0, &protocol) &&
				  protocol >= ASYNC_PROTOCOL;
	for (int i = 0; i < ITEMS; i++) {
		struct item *item = &p->item[i];

		if (!wants_key(item))
			continue;
		if (!ok(p, r) || p->read[r].answer.n < 32) {
			fail(p, PCCS_REFUSED, r, "this is no DAO of a known on-chain PCCS");
			return;
		}
		memcpy(item->key, p->read[r].answer.data, 32);
		item->no_attester = wants_role(p, (enum item_id)i) &&
				    number_of(&p->read[r + 1].answer, 0, &roles) &&
				    !(roles & ATTESTER_ROLE);
		r += wants_role(p, (enum item_id)i) ? 2 : 1;
		item->has_key = true;
	}
	p->stage = STAGE_STATE;
}

static bool time_of(const struct answer *a, size_t at, int64_t *out)
{
	uint64_t v;

	if (!number_of(a, at, &v) || v > INT64_MAX)
		return false;
	*out = (int64_t)v;
	return true;
}

static void take_state(struct pccs *p)
{
	size_t r = 0;

	for (int i = 0; i < ITEMS; i++) {
		struct item *item = &p->item[i];
		const struct answer *validity = &p->read[r].answer;
		bool absent;

		if (!wants_reading(item))
			continue;
		if (!time_of(validity, 0, &item->chain_from) ||
		    !time_of(validity, 32, &item->chain_to)) {
			fail(p, PCCS_WAIT, r, "what it holds is not known");
			return;
		}
		absent = item->chain_from == 0 && item->chain_to == 0;
		/* The hash of what is absent reverts. */
		if (!absent && (!ok(p, r + 1) || p->read[r + 1].answer.n < 32)) {
			fail(p, PCCS_WAIT, r + 1, "what it holds is not known");
			return;
		}
		memcpy(item->chain_hash, p->read[r + 1].answer.data, 32);
		item->read = true;
		r += asks_held(p, (enum item_id)i) ? 3 : 2;
	}
	p->stage = STAGE_DECIDE;
}

void pccs_take_answers(struct pccs *p)
{
	for (size_t i = 0; i < p->n_reads; i++)
		if (p->read[i].answer.kind == PCCS_FAILED) {
			fail(p, PCCS_WAIT, i, NULL);
			return;
		}
	switch (p->stage) {
	case STAGE_ENTRY: take_entry(p); break;
	case STAGE_VERIFIER:
		p->stage = STAGE_ROUTER;
		if (!address_of(&p->read[0].answer, &p->router))
			fail(p, PCCS_REFUSED, 0, "as a quote verifier " NAMES_NO_STACK);
		break;
	case STAGE_ROUTER: take_router(p); break;
	case STAGE_NUMBER:
		if (p->stack == PCCS_STACK_OWN)
			take_choice(p);
		else
			take_number(p);
		break;
	case STAGE_VERSIONED: take_versioned(p); break;
	case STAGE_KEYS: take_keys(p); break;
	case STAGE_STATE: take_state(p); break;
	case STAGE_DECIDE:
	case STAGE_SEND:
	case STAGE_OVER: break;
	}
}
