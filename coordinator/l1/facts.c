/* Here L1 becomes facts. Each row of the table below is one question; a phase
 * is asked at once, the next phase when all answers are in, and only a whole round is published. */
#include "coordinator/l1/facts.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/l1/call.h"
#include "coordinator/l1/facts_row.h"
#include "coordinator/l1/second.h"
#include "coordinator/l1/tip.h"
#include "encoding/utf8.h"
#include "ethereum/abi.h"
#include "protocol/proofdata.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SAY_EVERY_MS 60000 /* while it lasts */
#define STATIC_EVERY 120   /* rounds between two looks at what hardly ever changes */

enum question {
	Q_RISC0,
	Q_SP1,
	Q_TDX,
	Q_ALIGNED,
	Q_REGISTRY,
	Q_L2_CHAIN,
	Q_VERIFIER,
	Q_VERIFIER_OLD,
	Q_DEV_MODE,
	Q_QUOTE_VERIFIER,
	Q_MRTD,
	Q_RTMR0,
	Q_RTMR1,
	Q_RTMR2,
	Q_PROBE,
	Q_COMMITTED,
	Q_VERIFIED,
	Q_FINAL,
	Q_SIGNER,
	Q_PAUSED,
	Q_COUNT,
};

enum target { AT_PROPOSER, AT_VERIFIER };

static const struct row {
	const char *signature;
	enum target target;
	int phase; /* 0, 1: static; 2: the heads */
} rows[Q_COUNT] = {
    [Q_RISC0] = {"REQUIRE_RISC0_PROOF()", AT_PROPOSER, 0},
    [Q_SP1] = {"REQUIRE_SP1_PROOF()", AT_PROPOSER, 0},
    [Q_TDX] = {"REQUIRE_TDX_PROOF()", AT_PROPOSER, 0},
    [Q_ALIGNED] = {"ALIGNED_MODE()", AT_PROPOSER, 0},
    [Q_REGISTRY] = {"SEQUENCER_REGISTRY()", AT_PROPOSER, 0},
    [Q_L2_CHAIN] = {"CHAIN_ID()", AT_PROPOSER, 0},
    [Q_VERIFIER] = {"TDX_VERIFIER_ADDRESS()", AT_PROPOSER, 0},
    [Q_VERIFIER_OLD] = {"TDXVERIFIER()", AT_PROPOSER, 0},
    [Q_DEV_MODE] = {"isDevMode()", AT_VERIFIER, 1},
    [Q_QUOTE_VERIFIER] = {"quoteVerifier()", AT_VERIFIER, 1},
    [Q_MRTD] = {"MRTD()", AT_VERIFIER, 1},
    [Q_RTMR0] = {"RTMR0()", AT_VERIFIER, 1},
    [Q_RTMR1] = {"RTMR1()", AT_VERIFIER, 1},
    [Q_RTMR2] = {"RTMR2()", AT_VERIFIER, 1},
    [Q_PROBE] = {"verifyBatches(uint256,bytes[],bytes[],bytes[])", AT_PROPOSER, 1},
    [Q_COMMITTED] = {"lastCommittedBatch()", AT_PROPOSER, 2},
    [Q_VERIFIED] = {"lastVerifiedBatch()", AT_PROPOSER, 2},
    [Q_FINAL] = {"lastVerifiedBatch()", AT_PROPOSER, 2},
    [Q_SIGNER] = {"authorizedSignature()", AT_VERIFIER, 2},
    [Q_PAUSED] = {"paused()", AT_PROPOSER, 2},
};

/* ABI-encoded bytes of length 48: offset, length, 48 bytes padded to 64. */
#define MEASUREMENT_ANSWER 128

struct answer {
	enum l1_read_kind kind;
	int endpoint;
	struct uint256 word;
	bool has_measurement;
	uint8_t measurement[48];
	struct eth_revert revert;
};

struct asked {
	struct l1 *l1;
	enum question q;
};

struct l1 {
	struct l1_parts p;
	struct l1_options o;
	struct l1_events events;
	uv_timer_t timer;
	bool started, closing, known, fresh, round, again;
	bool doubted, retried;    /* in this round; since the timer's last */
	uint32_t another_kind_by; /* endpoints that said so since the last whole round */
	bool former; /* the round under way is of before this one led: it may lack what was sent */
	int phase;
	unsigned outstanding, rounds;
	struct rpc_block block, head; /* of the round under way, and of the last whole one */
	struct asked asked[Q_COUNT];
	struct answer answer[Q_COUNT];
	struct second second;
	struct tip tip;
	char failed[768]; /* of this round */
	char trouble[768];
	uint64_t said_ms; /* when it was logged last */
	struct l1_facts facts;
	void (*done)(void *arg);
	void *done_arg;
};

#define FAIL_WITH(c, ...) utf8_print((c)->failed, sizeof(c)->failed, __VA_ARGS__)

/* ---- rounds ---- */

static void run_phase(struct l1 *c, int phase);

static bool is_true(const struct answer *a)
{
	return a->kind == L1_READ_OK && a->word.be[31] == 1;
}

static struct eth_address as_address(const struct answer *a)
{
	struct eth_address out;

	memcpy(out.b, a->word.be + 12, 20);
	return out;
}

/* A contract of another kind is no reason to try again: what it is, after its address. */
static const char *another_kind(const struct l1 *c, enum question *by)
{
	const struct answer *a = c->answer;

	*by = Q_ALIGNED;
	if (is_true(&a[*by]))
		return "has ALIGNED_MODE on: its proofs are aggregated by Aligned, which this "
		       "coordinator does not do";
	*by = Q_REGISTRY;
	if (a[*by].kind == L1_READ_OK)
		return "is the OnChainProposer of based rollups (it has a SEQUENCER_REGISTRY), "
		       "which this coordinator does not serve";
	*by = Q_TDX;
	if (a[*by].kind != L1_READ_OK)
		return a[Q_VERIFIER_OLD].kind == L1_READ_OK
			   ? "is the OnChainProposer of an older ethrex (no REQUIRE_TDX_PROOF()); "
			     "it wants verifyBatch, one batch at a time: upgrade the contract"
			   : "holds no ethrex OnChainProposer (REQUIRE_TDX_PROOF() does not "
			     "answer): is ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS right?";
	*by = Q_PROBE;
	if (a[*by].kind == L1_READ_REVERTED && a[*by].revert.kind == REVERT_NONE)
		return "has no verifyBatches(uint256,bytes[],bytes[],bytes[]): it is of an older "
		       "ethrex, which verifies one batch at a time with verifyBatch";
	return NULL;
}

/* No such answer is that of a node that is well and has seen this chain: the others are asked. */
static void doubt(struct l1 *c, int endpoint)
{
	rpc_doubt(c->p.rpc, endpoint, c->failed);
	c->doubted |= endpoint >= 0;
}

static void round_failed(struct l1 *c)
{
	c->round = false;
	if (c->doubted && !c->retried && rpc_endpoint_count(c->p.rpc) > 1) {
		c->retried = true;
		l1_refresh(c);
		return;
	}
	if (strcmp(c->trouble, c->failed) != 0 || clock_mono_ms() - c->said_ms >= SAY_EVERY_MS) {
		log_event(LOG_WARN, "l1_unreadable", log_str("reason", c->failed));
		c->said_ms = clock_mono_ms();
		utf8_print(c->trouble, sizeof c->trouble, "%s", c->failed);
	}
	c->events.failed(c->events.arg, c->failed);
}

/* True: the round is over. Nothing starts the coordinator again after that, so where there are
 * several endpoints it is not for one of them to say. */
static bool is_another_kind(struct l1 *c)
{
	enum question by;
	const char *kind = another_kind(c, &by);
	const int endpoint = c->answer[by].endpoint;
	char at[ETH_ADDRESS_TEXT_SIZE];

	if (!kind)
		return false;
	eth_address_print(at, &c->o.proposer);
	FAIL_WITH(c, "the contract at %s %s", at, kind);
	c->another_kind_by |= endpoint < 0 ? 0 : 1u << endpoint;
	if (rpc_endpoint_count(c->p.rpc) == 1 || c->another_kind_by & (c->another_kind_by - 1)) {
		c->round = false;
		c->events.fatal(c->events.arg, "contract_of_another_kind", c->failed);
	} else {
		doubt(c, endpoint);
		round_failed(c);
	}
	return true;
}

/* What a production TDXVerifier demands of a quote. */
static void take_measurements(struct l1_facts *f, const struct answer *a)
{
	int i;

	f->has_measurements = a[Q_QUOTE_VERIFIER].kind == L1_READ_OK;
	f->quote_verifier = as_address(&a[Q_QUOTE_VERIFIER]);
	for (i = 0; i < L1_MEASUREMENTS; i++) {
		f->has_measurements = f->has_measurements && a[Q_MRTD + i].has_measurement;
		memcpy(f->measurement[i], a[Q_MRTD + i].measurement, 48);
	}
}

static void round_done(struct l1 *c)
{
	struct l1_facts f = {0};
	const struct answer *a = c->answer;

	f.l1_chain_id = rpc_chain_id(c->p.rpc);
	f.proposer = c->o.proposer;
	f.needed = (is_true(&a[Q_RISC0]) ? PROVER_TYPE_BIT(PROVER_RISC0) : 0) |
		   (is_true(&a[Q_SP1]) ? PROVER_TYPE_BIT(PROVER_SP1) : 0) |
		   (is_true(&a[Q_TDX]) ? PROVER_TYPE_BIT(PROVER_TDX) : 0);
	if (!f.needed)
		f.needed = PROVER_TYPE_BIT(PROVER_EXEC);
	if (!uint256_to_u64(&f.l2_chain_id, &a[Q_L2_CHAIN].word) ||
	    !uint256_to_u64(&f.committed, &a[Q_COMMITTED].word) ||
	    !uint256_to_u64(&f.verified, &a[Q_VERIFIED].word)) {
		FAIL_WITH(c, "the OnChainProposer answers with numbers beyond 64 bits");
		round_failed(c);
		return;
	}
	if (f.verified > f.committed) {
		FAIL_WITH(c,
			  "lastVerifiedBatch is %" PRIu64 " and lastCommittedBatch %" PRIu64
			  ": no contract says that",
			  f.verified, f.committed);
		if (a[Q_VERIFIED].endpoint == a[Q_COMMITTED].endpoint)
			doubt(c, a[Q_VERIFIED].endpoint);
		round_failed(c);
		return;
	}
	if (a[Q_FINAL].kind == L1_READ_OK && uint256_to_u64(&f.final, &a[Q_FINAL].word))
		f.final = second_confirm(&c->second, a[Q_FINAL].endpoint,
					 f.final < f.verified ? f.final : f.verified,
					 c->block.number - c->o.confirmations + 1);
	else
		f.final = c->known ? c->facts.final : 0;
	if (f.final > f.verified)
		f.final = f.verified;
	f.paused = is_true(&a[Q_PAUSED]);
	f.has_tdx_verifier = is_true(&a[Q_TDX]) && a[Q_VERIFIER].kind == L1_READ_OK;
	if (f.has_tdx_verifier) {
		f.tdx_verifier = as_address(&a[Q_VERIFIER]);
		f.tdx_dev_mode = is_true(&a[Q_DEV_MODE]);
		f.signer = as_address(&a[Q_SIGNER]);
		if (!f.tdx_dev_mode)
			take_measurements(&f, a);
	}
	if (c->trouble[0] || !c->fresh)
		l1_say_facts(&f);
	c->trouble[0] = '\0';
	if (!c->known || !l1_same_facts(&f, &c->facts)) {
		c->facts = f;
		c->known = true;
		if (store_leads(c->p.store))
			l1_row_keep(c->p.store, &c->facts);
	}
	c->fresh = true;
	c->another_kind_by = 0;
	c->head = c->block;
	c->rounds++;
	c->round = false;
	c->facts.recommitted = tip_changed(&c->tip, f.committed);
	c->events.facts(c->events.arg, &c->facts);
	if (c->again)
		l1_refresh(c);
}

static bool wanted(const struct l1 *c, enum question q)
{
	if (rows[q].target == AT_VERIFIER)
		return is_true(&c->answer[Q_TDX]) && c->answer[Q_VERIFIER].kind == L1_READ_OK;
	if (q == Q_FINAL)
		return c->block.number >= c->o.confirmations;
	return true;
}

/* What must have answered for the round to count. */
static bool needed(enum question q)
{
	return q == Q_COMMITTED || q == Q_VERIFIED || q == Q_L2_CHAIN || q == Q_SIGNER ||
	       q == Q_DEV_MODE;
}

static const char *target_text(char out[ETH_ADDRESS_TEXT_SIZE], const struct l1 *c, enum question q)
{
	const struct eth_address verifier = as_address(&c->answer[Q_VERIFIER]);

	eth_address_print(out, rows[q].target == AT_VERIFIER ? &verifier : &c->o.proposer);
	return out;
}

/* A node at its genesis, or one that is still syncing, says nothing about the contract. */
static void refuse_silence(struct l1 *c)
{
	char text[ETH_ADDRESS_TEXT_SIZE];
	int q;

	for (q = 0; q < Q_COUNT && !c->failed[0]; q++) {
		if (rows[q].phase != c->phase || !wanted(c, (enum question)q) ||
		    c->answer[q].kind != L1_READ_NO_CODE || q == Q_FINAL)
			continue;
		FAIL_WITH(c,
			  "%s of the %s %s is answered with nothing at block %" PRIu64
			  ": the node is not synced, or the address is wrong",
			  rows[q].signature,
			  rows[q].target == AT_PROPOSER ? "OnChainProposer" : "TDXVerifier",
			  target_text(text, c, (enum question)q), c->block.number);
		doubt(c, c->answer[q].endpoint);
	}
}

static void phase_done(struct l1 *c)
{
	int q;

	refuse_silence(c);
	for (q = 0; q < Q_COUNT && !c->failed[0]; q++) {
		if (rows[q].phase != c->phase || !wanted(c, (enum question)q) ||
		    !needed((enum question)q) || c->answer[q].kind == L1_READ_OK ||
		    (c->phase == 0 && c->answer[Q_TDX].kind != L1_READ_OK))
			continue;
		FAIL_WITH(c, "%s of the %s does not answer: %s", rows[q].signature,
			  rows[q].target == AT_PROPOSER ? "OnChainProposer" : "TDXVerifier",
			  c->answer[q].kind == L1_READ_REVERTED ? c->answer[q].revert.text
								: "no result");
		doubt(c, c->answer[q].endpoint);
	}
	if (c->failed[0]) {
		round_failed(c);
		return;
	}
	if (c->phase == 0 && c->answer[Q_TDX].kind == L1_READ_OK &&
	    !is_true(&c->answer[Q_ALIGNED]) && c->answer[Q_REGISTRY].kind != L1_READ_OK) {
		run_phase(c, 1);
		return;
	}
	if (c->phase < 2) {
		if (!is_another_kind(c))
			run_phase(c, 2);
		return;
	}
	c->round = !c->former;
	if (c->former)
		l1_refresh(c);
	else
		round_done(c);
}

static void on_answer(void *arg, const struct l1_read *read)
{
	struct asked *asked = arg;
	struct l1 *c = asked->l1;
	struct answer *a = &c->answer[asked->q];

	if (c->closing)
		return;
	a->kind = read->kind;
	a->endpoint = read->endpoint;
	a->has_measurement = read->kind == L1_READ_OK && read->data.n >= MEASUREMENT_ANSWER &&
			     read->data.p[31] == 32 && read->data.p[63] == 48;
	if (a->has_measurement)
		memcpy(a->measurement, read->data.p + 64, 48);
	if (read->kind == L1_READ_OK && read->data.n >= 32)
		memcpy(a->word.be, read->data.p, 32);
	else if (read->kind == L1_READ_OK)
		a->kind = L1_READ_NO_CODE;
	a->revert = read->revert;
	if (read->kind == L1_READ_FAILED && asked->q != Q_FINAL) {
		FAIL_WITH(c, "%s", read->sentence);
		c->doubted |= read->endpoint >= 0; /* by l1_call() */
	}
	if (--c->outstanding == 0)
		phase_done(c);
}

static bool question_calldata(enum question q, struct buf *out)
{
	const struct abi_value probe[] = {abi_u64(1), abi_list(NULL, 0), abi_list(NULL, 0),
					  abi_list(NULL, 0)};

	return abi_encode_call(out, rows[q].signature, probe, q == Q_PROBE ? 4 : 0, NULL) == ETH_OK;
}

static void run_phase(struct l1 *c, int phase)
{
	const struct eth_address verifier = as_address(&c->answer[Q_VERIFIER]);
	struct buf calldata;
	int q;

	c->phase = phase;
	c->failed[0] = '\0';
	c->outstanding = 1; /* held until all are asked */
	buf_init(&calldata, 1024);
	for (q = 0; q < Q_COUNT; q++) {
		struct l1_call call = {.to = &c->o.proposer};

		if (rows[q].phase != phase || !wanted(c, (enum question)q))
			continue;
		calldata.len = 0;
		if (rows[q].target == AT_VERIFIER)
			call.to = &verifier;
		if (q == Q_FINAL)
			call.block = c->block.number - c->o.confirmations + 1;
		c->asked[q] = (struct asked){c, (enum question)q};
		c->answer[q].kind = L1_READ_FAILED;
		if (!question_calldata((enum question)q, &calldata)) {
			FAIL_WITH(c, "out of memory");
			continue;
		}
		call.calldata = buf_span(&calldata);
		if (l1_call(c->p.rpc, &call, on_answer, &c->asked[q]))
			c->outstanding++;
		else
			FAIL_WITH(c, "too many JSON-RPC calls at once");
	}
	buf_free(&calldata);
	if (--c->outstanding == 0)
		phase_done(c);
}

static void on_head(void *arg, const struct rpc_reply *reply)
{
	struct l1 *c = arg;
	struct rpc_block head = {0};
	struct why why = {"the node knows no latest block"};
	bool found = false;

	if (c->closing)
		return;
	if (reply->status != RPC_OK || !rpc_parse_block(reply->result, &found, &head, &why) ||
	    !found) {
		FAIL_WITH(c, "%s", reply->status == RPC_OK ? why.text : reply->sentence);
		doubt(c, reply->endpoint);
		round_failed(c);
		return;
	}
	c->block = head;
	run_phase(c, c->fresh && c->rounds % STATIC_EVERY ? 2 : 0);
}

void l1_refresh(struct l1 *c)
{
	struct why why = {""};

	c->again = c->round;
	if (c->closing || !c->started || c->round)
		return;
	c->round = true;
	c->doubted = c->former = false;
	if (!rpc_call(c->p.rpc, "eth_getBlockByNumber", "[\"latest\",false]", NULL, on_head, c,
		      &why)) {
		FAIL_WITH(c, "%s", why.text);
		round_failed(c);
	}
}

static void on_timer(uv_timer_t *t)
{
	struct l1 *c = t->data;

	uv_timer_start(t, on_timer, c->o.every_ms, 0);
	c->retried = false;
	if (!c->round)
		l1_refresh(c);
}

/* ---- life ---- */

bool l1_new(struct l1 **out, const struct l1_parts *parts, const struct l1_options *options,
	    const struct l1_events *events, struct why *why)
{
	struct l1 *c = *out = calloc(1, sizeof *c);

	if (!c) {
		why_set(why, "out of memory");
		return false;
	}
	c->p = *parts;
	c->o = *options;
	c->events = *events;
	c->tip = (struct tip){.rpc = parts->rpc, .proposer = options->proposer};
	c->second = (struct second){.rpc = parts->rpc, .proposer = options->proposer};
	uv_timer_init(parts->loop, &c->timer);
	c->timer.data = c;
	return true;
}

bool l1_foreign(const struct l1 *c, struct span row, struct why *why)
{
	struct l1_facts f;

	return !l1_row_get(&f, row) || l1_row_fits(&f, &c->o.proposer, rpc_chain_id(c->p.rpc), why);
}

bool l1_restore(struct l1 *c, struct span row, struct why *why)
{
	struct l1_facts f;

	if (!l1_foreign(c, row, why))
		return false;
	if (!l1_row_get(&f, row))
		return true;
	rpc_expect_chain(c->p.rpc, f.l1_chain_id);
	c->facts = f;
	c->known = true;
	return true;
}

void l1_lead(struct l1 *c)
{
	c->former = c->round;
	if (c->known)
		l1_row_keep(c->p.store, &c->facts);
}

void l1_set_every(struct l1 *c, uint64_t every_ms)
{
	c->o.every_ms = every_ms;
}

void l1_start(struct l1 *c)
{
	c->started = true;
	uv_timer_start(&c->timer, on_timer, 0, 0);
}

static void on_closed(uv_handle_t *h)
{
	struct l1 *c = h->data;

	c->done(c->done_arg);
}

void l1_free(struct l1 *c)
{
	free(c);
}

void l1_close(struct l1 *c, void (*done)(void *arg), void *arg)
{
	if (!c) {
		done(arg);
		return;
	}
	c->closing = true;
	c->done = done;
	c->done_arg = arg;
	uv_close((uv_handle_t *)&c->timer, on_closed);
}

const struct l1_facts *l1_facts(const struct l1 *c)
{
	return c && c->known ? &c->facts : NULL;
}

bool l1_is_fresh(const struct l1 *c)
{
	return c->fresh;
}

int64_t l1_head_time(const struct l1 *c)
{
	return (int64_t)c->head.timestamp;
}

uint64_t l1_head_number(const struct l1 *c)
{
	return c->head.number;
}

const char *l1_trouble(const struct l1 *c)
{
	return c->trouble;
}
