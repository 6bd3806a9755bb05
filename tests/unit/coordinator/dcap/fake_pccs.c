#include "fake_pccs.h"

#include "ethereum/abi.h"
#include "ethereum/keccak.h"
#include "verifier/internal.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const struct eth_address fake_entry = {{0xe0}};
static const struct eth_address verifier = {{0xe1}}, router = {{0xe2}}, pcs = {{0xd1}},
				qe = {{0xd2}}, tcb = {{0xd3}}, numbers = {{0xd4}},
				multicall3 = {{0xca, 0x11, 0xbd, 0xe0, 0x59, 0x77, 0xb3,
					       0x63, 0x11, 0x67, 0x02, 0x88, 0x62, 0xbe,
					       0x2a, 0x17, 0x39, 0x76, 0xca, 0x11}};

void fake_pccs_init(struct fake_pccs *f, enum pccs_stack stack, int64_t now)
{
	*f = (struct fake_pccs){.stack = stack,
				.now = now,
				.choice = 2,
				.number = 17,
				.attester = true,
				.own_version = 1};
}

static struct eth_address versioned(struct eth_address dao, uint32_t number)
{
	dao.b[19] = (uint8_t)number;
	return dao;
}

static struct eth_address at(const struct fake_pccs *f, struct eth_address address)
{
	return f->stack == PCCS_STACK_OWN ? fake_entry : address;
}

static bool is(const struct eth_address *a, struct eth_address b)
{
	return eth_address_equal(a, &b);
}

/* ---- cells ---- */

static struct fake_cell *find_of(struct fake_pccs *f, const struct eth_address *dao,
				 const uint8_t key[32], uint32_t number)
{
	for (size_t i = 0; i < f->n_cells; i++)
		if (is(dao, f->cell[i].dao) && memcmp(f->cell[i].key, key, 32) == 0 &&
		    f->cell[i].number == number)
			return &f->cell[i];
	return NULL;
}

/* Of the number that counts, where documents go by numbers. */
static struct fake_cell *find(struct fake_pccs *f, const struct eth_address *dao,
			      const uint8_t key[32])
{
	struct fake_cell *cell = find_of(f, dao, key, 0);

	return cell ? cell : find_of(f, dao, key, f->number);
}

static void key_of(uint8_t out[32], const char *hex)
{
	uint8_t bytes[128];
	size_t n = strlen(hex) / 2;

	assert_true(hex_decode(bytes, n, hex, 2 * n));
	keccak256(out, bytes, n);
}

static void pcs_key(uint8_t out[32], unsigned ca, bool crl)
{
	char hex[32];

	snprintf(hex, sizeof hex, "e90e3dc7%02x%02x", ca, crl);
	key_of(out, hex);
}

static void identity_key(const struct fake_pccs *f, const struct eth_address *dao, uint8_t out[32])
{
	char hex[256];

	snprintf(hex, sizeof hex, "ff818fce%064x%064x", 2, 4);
	if (f->stack == PCCS_STACK_AUTOMATA_V1_1)
		snprintf(hex + strlen(hex), 9, "%08x", dao->b[19]);
	key_of(out, hex);
}

static void tcb_key(const struct fake_pccs *f, const struct eth_address *dao,
		    const uint8_t fmspc[6], uint8_t out[32])
{
	char hex[256], text[13];

	hex_encode(text, fmspc, 6);
	snprintf(hex, sizeof hex, "bb69b29c01%s%08x", text, 3);
	if (f->stack == PCCS_STACK_AUTOMATA_V1_1)
		snprintf(hex + strlen(hex), 9, "%08x", dao->b[19]);
	key_of(out, hex);
}

static void numbers_key(uint8_t out[32])
{
	key_of(out, "bebc728401");
}

/* ---- reads ---- */

static bool calls(struct span calldata, const char *signature)
{
	uint8_t selector[4];

	abi_selector(selector, signature);
	return calldata.n >= 4 && memcmp(calldata.p, selector, 4) == 0;
}

static uint64_t word(struct span calldata, size_t i)
{
	uint64_t v = 0;

	assert_true(calldata.n >= 4 + 32 * (i + 1));
	for (size_t k = 24; k < 32; k++)
		v = v << 8 | calldata.p[4 + 32 * i + k];
	return v;
}

static enum pccs_answer give_u64(struct buf *out, uint64_t v)
{
	struct uint256 w = uint256_from_u64(v);

	assert_true(buf_add(out, w.be, 32));
	return PCCS_OK;
}

static enum pccs_answer give_address(struct buf *out, struct eth_address a)
{
	static const uint8_t zero[12];

	assert_true(buf_add(out, zero, 12) && buf_add(out, a.b, 20));
	return PCCS_OK;
}

static enum pccs_answer give_key(struct buf *out, const uint8_t key[32])
{
	assert_true(buf_add(out, key, 32));
	return PCCS_OK;
}

static bool has_list(struct fake_pccs *f)
{
	struct eth_address dao = at(f, numbers);
	uint8_t key[32];

	numbers_key(key);
	return find_of(f, &dao, key, 0) != NULL;
}

static enum pccs_answer call_entry(struct fake_pccs *f, struct span c, struct buf *out)
{
	bool own = f->stack == PCCS_STACK_OWN;

	if (own && f->choice < 3 && calls(c, "evaluationChoice()")) {
		give_u64(out, f->choice);
		return give_u64(out, f->choice == 2 ? f->number : 0);
	}
	if (own && f->choice < 3 && calls(c, "evaluationNumber()"))
		return give_u64(out, f->choice == 2 || has_list(f) ? f->number : 0);

	if (calls(c, "dcapVerifierVersion()") && own)
		return give_u64(out, f->own_version);
	if (calls(c, "takesLeafOnly()") && own)
		return give_u64(out, 1);
	if (calls(c, "getBp()"))
		return give_u64(out, f->fee_bp);
	if (calls(c, "quoteVerifiers(uint16)"))
		return give_address(out, word(c, 0) == 4 && !f->no_verifier
					     ? at(f, verifier)
					     : (struct eth_address){{0}});
	return PCCS_REVERTED;
}

static enum pccs_answer call_router(struct fake_pccs *f, struct span c, struct buf *out)
{
	bool one = f->stack == PCCS_STACK_AUTOMATA_V1_1;
	struct abi_value id = abi_u64(1);
	uint8_t key[32];

	if (calls(c, "pcsDaoAddr()"))
		return give_address(out, at(f, pcs));
	if (calls(c, "qeIdDaoAddr()") && (!one || f->both_routers))
		return give_address(out,
				    f->no_identity_dao ? (struct eth_address){{0}} : at(f, qe));
	if (calls(c, "fmspcTcbDaoAddr()") && (!one || f->both_routers))
		return give_address(out, at(f, tcb));
	if (!one)
		return PCCS_REVERTED;
	if (calls(c, "tcbEvalDaoAddr()"))
		return give_address(out, numbers);
	if (calls(c, "qeIdDaoVersionedAddr(uint32)") && !f->no_versioned)
		return give_address(out, versioned(qe, (uint32_t)word(c, 0)));
	if (calls(c, "fmspcTcbDaoVersionedAddr(uint32)") && !f->no_versioned)
		return give_address(out, versioned(tcb, (uint32_t)word(c, 0)));
	if (calls(c, "getStandardTcbEvaluationDataNumber(uint8)")) {
		struct fake_cell *cell;

		numbers_key(key);
		cell = find(f, &numbers, key);
		if (word(c, 0) == 1 && cell && cell->to >= f->now)
			return give_u64(out, f->number);
		abi_encode_call(out, "TcbEvalExpiredOrNotFound(uint8)", &id, 1, NULL);
	}
	return PCCS_REVERTED;
}

static enum pccs_answer give_document(struct fake_pccs *f, const struct eth_address *dao,
				      struct span c, struct buf *out)
{
	static const uint8_t fmspc[6] = {0x90, 0xc0, 0x6f};
	struct abi_value json = abi_bytes(span_of(NULL, 0)), document[2], whole;
	struct fake_cell *cell;
	uint8_t key[32];

	if (calls(c, "getTcbInfo(uint256,string,uint256)"))
		tcb_key(f, dao, fmspc, key);
	else
		identity_key(f, dao, key);
	cell = find(f, dao, key);
	if (cell)
		json = abi_bytes(span_of(cell->json, strlen(cell->json)));
	json.kind = ABI_STRING;
	document[0] = json;
	document[1] = abi_bytes(span_of(NULL, 0));
	whole = abi_list(document, 2);
	assert_int_equal(abi_encode(out, "((string,bytes))", &whole, 1, NULL), ETH_OK);
	return PCCS_OK;
}

static enum pccs_answer call_dao(struct fake_pccs *f, const struct eth_address *dao, struct span c,
				 struct buf *out)
{
	struct fake_cell *cell;
	uint8_t key[32];

	if (calls(c, "PCS_KEY(uint8,bool)") && is(dao, at(f, pcs))) {
		pcs_key(key, (unsigned)word(c, 0), word(c, 1) != 0);
		return give_key(out, key);
	}
	if (calls(c, "ENCLAVE_ID_KEY(uint256,uint256)") && dao->b[0] == at(f, qe).b[0]) {
		assert_int_equal(word(c, 0), 2);
		assert_int_equal(word(c, 1), 4);
		identity_key(f, dao, key);
		return give_key(out, key);
	}
	if (calls(c, "FMSPC_TCB_KEY(uint8,bytes6,uint32)") && dao->b[0] == at(f, tcb).b[0]) {
		assert_int_equal(word(c, 0), 1);
		assert_int_equal(word(c, 2), 3);
		tcb_key(f, dao, c.p + 4 + 32, key);
		return give_key(out, key);
	}
	if (calls(c, "TCB_EVAL_KEY(uint8)") && is(dao, at(f, numbers))) {
		numbers_key(key);
		return give_key(out, key);
	}
	if (calls(c, "rolesOf(address)") && f->stack == PCCS_STACK_AUTOMATA_V1_1)
		return give_u64(out, f->attester ? 1 : 2);
	if (calls(c, "getTcbInfo(uint256,string,uint256)") ||
	    calls(c, "getEnclaveIdentity(uint256,uint256)"))
		return give_document(f, dao, c, out);
	if (calls(c, "asyncUpsertProtocolVersion()") && f->async)
		return give_u64(out, 2);
	if (!calls(c, "getCollateralValidity(bytes32)") && !calls(c, "getCollateralHash(bytes32)"))
		return PCCS_REVERTED;
	cell = find(f, dao, c.p + 4);
	if (calls(c, "getCollateralHash(bytes32)"))
		return cell ? give_key(out, cell->hash) : PCCS_REVERTED;
	give_u64(out, cell ? (uint64_t)cell->from : 0);
	return give_u64(out, cell ? (uint64_t)cell->to : 0);
}

enum pccs_answer fake_pccs_call(struct fake_pccs *f, const struct eth_address *to, struct span c,
				struct buf *out)
{
	enum pccs_answer a = PCCS_REVERTED;

	f->reads++;
	if (f->down)
		return PCCS_FAILED;
	if (is(to, multicall3) && f->multicall) {
		give_u64(out, 32);
		return give_u64(out, 0);
	}
	if (is(to, fake_entry))
		a = call_entry(f, c, out);
	if (a != PCCS_OK && is(to, at(f, verifier)) && calls(c, "pccsRouter()"))
		return give_address(out, f->no_router ? (struct eth_address){{0}} : at(f, router));
	if (a != PCCS_OK && is(to, at(f, router)))
		a = call_router(f, c, out);
	if (a != PCCS_OK && (to->b[0] & 0xf0) == (at(f, pcs).b[0] & 0xf0) && out->len == 0)
		a = call_dao(f, to, c, out);
	return a;
}

/* ---- uploads ---- */

struct upload {
	const char *name;
	uint8_t key[32], hash[32];
	int64_t from, to;
	const char *expired, *older, *missing_issuer; /* errors */
	unsigned ca, issuer;                          /* their arguments, where they have one */
	uint32_t number;
};

static enum pccs_sent revert(struct buf *out, const char *error, unsigned ca)
{
	struct abi_value arg = abi_u64(ca);

	abi_encode_call(out, error, &arg, strstr(error, "()") ? 0 : 1, NULL);
	return PCCS_SEND_REVERTED;
}

static void read_json(struct upload *u, const struct abi_value *document, const char *name)
{
	struct buf whole;
	struct tdxv_piece piece;
	struct tdxv_why why;

	assert_int_equal(document->items.p[1].bytes.n, 64);
	buf_init(&whole, 100000);
	buf_printf(&whole, "{\"%s\":", name);
	buf_add(&whole, document->items.p[0].bytes.p, document->items.p[0].bytes.n);
	buf_printf(&whole, ",\"signature\":\"%0128d\"}", 0);
	if (tdxv_piece_json(&piece, name, (struct tdxv_bytes){whole.p, whole.len}, &why) != TDXV_OK)
		fail_msg("%s", why.text);
	SHA256(document->items.p[0].bytes.p, document->items.p[0].bytes.n, u->hash);
	u->from = piece.valid_from;
	u->to = piece.valid_to;
	u->number = piece.evaluation_number;
	u->issuer = 3;
	buf_free(&whole);
}

static void read_certificate(struct upload *u, unsigned ca, struct span der)
{
	static const char *const names[] = {"root", "processor", "platform", "signing"};
	struct cert c;

	assert_true(tdxv__cert_parse(&c, (struct tdxv_bytes){der.p, der.n}, NULL));
	*u = (struct upload){.name = names[ca],
			     .from = c.not_before,
			     .to = c.not_after,
			     .expired = "Certificate_Expired(uint8)",
			     .older = "Certificate_Out_Of_Date()",
			     .missing_issuer = "Certificate_Expired(uint8)",
			     .ca = ca};
	keccak256(u->hash, c.tbs.p, c.tbs.n);
	pcs_key(u->key, ca, false);
}

static void read_crl(struct upload *u, unsigned ca, struct span der)
{
	uint8_t *room = malloc(der.n);
	struct crl c;

	assert_int_equal(der.p[0], 0x30);
	assert_true(tdxv__crl_parse(&c, room, (struct tdxv_bytes){der.p, der.n}, NULL));
	*u = (struct upload){.name = ca ? "pck crl" : "root crl",
			     .from = c.this_update,
			     .to = c.next_update,
			     .expired = "Crl_Expired(uint8)",
			     .older = "Certificate_Out_Of_Date()",
			     .missing_issuer = "Certificate_Expired(uint8)",
			     .ca = ca,
			     .issuer = ca};
	keccak256(u->hash, c.tbs.p, c.tbs.n);
	pcs_key(u->key, ca, true);
	free(room);
}

/* False: no upload of this contract. */
static bool decode(const struct fake_pccs *f, const struct eth_address *to, struct span c,
		   struct upload *u)
{
	static const char *const uploads[] = {
	    "upsertPcsCertificates(uint8,bytes)",
	    "upsertRootCACrl(bytes)",
	    "upsertPckCrl(uint8,bytes)",
	    "upsertEnclaveIdentity(uint256,uint256,(string,bytes))",
	    "upsertFmspcTcb((string,bytes))",
	    "upsertTcbEvaluationData((string,bytes))",
	};
	struct eth_address dao[] = {pcs, pcs, pcs, qe, tcb, numbers};
	static const uint8_t fmspc[6] = {0x90, 0xc0, 0x6f};
	struct abi_value *v, *a;
	size_t i = 0;

	while (i < 6 && !calls(c, uploads[i]))
		i++;
	if (i == 6 || to->b[0] != at(f, dao[i]).b[0])
		return false;
	assert_int_equal(abi_decode(&v, strchr(uploads[i], '('), span_of(c.p + 4, c.n - 4), NULL),
			 ETH_OK);
	a = v->items.p;
	*u = (struct upload){.name = ""};
	switch (i) {
	case 0: read_certificate(u, a[0].word.be[31], a[1].bytes); break;
	case 1: read_crl(u, 0, a[0].bytes); break;
	case 2: read_crl(u, a[0].word.be[31], a[1].bytes); break;
	case 3:
		assert_int_equal(a[0].word.be[31], 2);
		assert_int_equal(a[1].word.be[31], 4);
		read_json(u, &a[2], "enclaveIdentity");
		u->name = "identity";
		u->expired = "Enclave_Id_Expired()";
		u->older = "Enclave_Id_Out_Of_Date()";
		u->missing_issuer = "TCB_Cert_Expired()";
		identity_key(f, to, u->key);
		break;
	case 4:
		read_json(u, &a[0], "tcbInfo");
		u->name = "tcb";
		u->expired = "TCB_Expired()";
		u->older = "TCB_Out_Of_Date()";
		u->missing_issuer = "TCB_Cert_Expired()";
		tcb_key(f, to, fmspc, u->key);
		break;
	case 5:
		read_json(u, &a[0], "tcbEvaluationDataNumbers");
		u->name = "numbers";
		u->expired = "TCB_Eval_Expired()";
		u->older = "TCB_Eval_Out_Of_Date()";
		u->missing_issuer = "TCB_Eval_Cert_Expired()";
		numbers_key(u->key);
		break;
	}
	abi_value_free(v);
	return true;
}

static bool has_issuer(struct fake_pccs *f, const struct upload *u)
{
	struct eth_address dao = at(f, pcs);
	struct fake_cell *cell;
	uint8_t key[32], root[32];

	pcs_key(root, 0, false);
	if (memcmp(root, u->key, 32) == 0)
		return true;
	pcs_key(key, u->issuer, false);
	cell = find(f, &dao, key);
	return cell && cell->from <= f->now && f->now <= cell->to;
}

static uint32_t number_in(const char *json)
{
	return (uint32_t)strtoul(strchr(json, ':') + 1, NULL, 10);
}

/* All, or none. */
static enum pccs_sent send_many(struct fake_pccs *f, struct span c, struct buf *out)
{
	struct fake_pccs before = *f;
	enum pccs_sent sent = PCCS_MINED;
	struct eth_address to;
	struct abi_value *v, *call;

	assert_true(f->multicall && calls(c, "aggregate3((address,bool,bytes)[])"));
	assert_int_equal(
	    abi_decode(&v, "((address,bool,bytes)[])", span_of(c.p + 4, c.n - 4), NULL), ETH_OK);
	if (f->multicall_lies) {
		abi_value_free(v);
		return PCCS_MINED;
	}
	if (f->multicall_max && v->items.p[0].items.n > f->multicall_max)
		sent = PCCS_SEND_DOES_NOT_FIT;
	for (size_t i = 0; sent == PCCS_MINED && i < v->items.p[0].items.n; i++) {
		call = v->items.p[0].items.p[i].items.p;
		assert_true(abi_to_address(&to, &call[0]) && !abi_is_true(&call[1]));
		sent = fake_pccs_send(f, &to, call[2].bytes, out);
	}
	abi_value_free(v);
	if (sent != PCCS_MINED)
		*f = before;
	out->len = 0; /* the inner reason is not passed on */
	return sent;
}

enum pccs_sent fake_pccs_send(struct fake_pccs *f, const struct eth_address *to, struct span c,
			      struct buf *out)
{
	bool one = f->stack == PCCS_STACK_AUTOMATA_V1_1;
	struct fake_cell *cell;
	struct upload u;
	uint32_t json_number;

	if (is(to, multicall3))
		return send_many(f, c, out);
	if (!decode(f, to, c, &u))
		return PCCS_SEND_REVERTED;
	assert_true(f->n_log < FAKE_LOG);
	snprintf(f->log[f->n_log++], PCCS_NAME_MAX, "%s", u.name);
	if (f->revert_with)
		return f->revert_with[0] ? revert(out, f->revert_with, 0) : PCCS_SEND_REVERTED;
	if (one && !is(to, pcs) && !f->attester)
		return revert(out, "Unauthorized()", 0);
	if (f->async && u.name[0] == 't')
		return revert(out, "Use_Async_Upsert()", 0);
	if (f->stack == PCCS_STACK_OWN && f->choice < 2 && u.number && !has_list(f))
		return PCCS_SEND_REVERTED;
	/* A list that is past its next update counts all the same. */
	if (u.from > f->now || (f->now > u.to && !(f->stack == PCCS_STACK_OWN && u.name[0] == 'n')))
		return revert(out, u.expired, u.ca);
	if (!has_issuer(f, &u))
		return revert(out, u.missing_issuer, u.issuer);
	if (one && (u.name[0] == 't' || u.name[0] == 'i') && u.number != to->b[19])
		return revert(out, "Invalid_Tcb_Evaluation_Data_Number()", 0);
	json_number = u.number;
	if (f->stack != PCCS_STACK_OWN || f->choice == 3)
		u.number = 0;
	cell = find_of(f, to, u.key, u.number);
	if (cell && memcmp(cell->hash, u.hash, 32) == 0)
		return revert(out, "Duplicate_Collateral()", 0);
	if (cell &&
	    (u.from <= cell->from || (f->stack == PCCS_STACK_AUTOMATA_V1_0 && cell->json[0] &&
				      json_number < number_in(cell->json))))
		return revert(out, u.older, 0);
	if (f->deaf)
		return PCCS_MINED;
	if (u.name[0] == 'n' && f->next_number)
		f->number = f->next_number;
	if (!cell) {
		assert_true(f->n_cells < FAKE_CELLS);
		cell = &f->cell[f->n_cells++];
	}
	*cell = (struct fake_cell){.dao = *to, .from = u.from, .to = u.to, .number = u.number};
	memcpy(cell->key, u.key, 32);
	memcpy(cell->hash, u.hash, 32);
	if (u.name[0] == 't' || u.name[0] == 'i')
		snprintf(cell->json, sizeof cell->json, "{\"tcbEvaluationDataNumber\":%u}",
			 json_number);
	return PCCS_MINED;
}

/* ---- a job ---- */

void fake_pccs_do(struct fake_pccs *f, struct pccs *p, const struct pccs_step *step)
{
	enum pccs_answer answer;
	enum pccs_sent sent;
	struct buf out;

	buf_init(&out, 256);
	if (step->kind == PCCS_SEND) {
		assert_true(step->order >= 1 && step->order <= step->of);
		sent = fake_pccs_send(f, &step->to, step->calldata, &out);
		f->transactions += sent == PCCS_MINED;
		pccs_sent(p, sent, buf_span(&out), NULL);
	}
	for (size_t i = 0; i < step->n_reads; i++) {
		out.len = 0;
		answer = fake_pccs_call(f, &step->reads[i].to, step->reads[i].calldata, &out);
		pccs_answer(p, i, answer, buf_span(&out), "node 1: it hung up");
	}
	buf_free(&out);
}

enum pccs_step_kind fake_pccs_run(struct fake_pccs *f, struct pccs *p, struct why *why)
{
	struct pccs_step step;

	for (unsigned i = 0; i < 64; i++) {
		why->text[0] = '\0';
		pccs_next(p, f->now, &step, why);
		assert_true(strlen(why->text) > 10);
		if (step.kind != PCCS_READ && step.kind != PCCS_SEND)
			return step.kind;
		fake_pccs_do(f, p, &step);
	}
	fail_msg("the job does not end: %s", why->text);
	return PCCS_WAIT;
}
