/* Here L1 becomes facts. Each row of the table below is one question; a phase
 * is asked at once, the next phase when all answers are in, and only a whole round is published. */
#include "coordinator/l1/facts.h"

#include "coordinator/daemon.h"
#include "coordinator/transactions/verify_batches.h"
#include "coordinator/work/proofs.h"
#include "ethereum/abi.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CALL_BODY_MAX    (512u * 1024)
#define STATIC_EVERY     120 /* rounds between two looks at what hardly ever changes */
#define COMMITMENT_CACHE 64

enum question {
	Q_RISC0,
	Q_SP1,
	Q_TDX,
	Q_ALIGNED,
	Q_REGISTRY,
	Q_L2_CHAIN,
	Q_VERIFIER,
	Q_VERIFIER_OLD,
	Q_OWNER,
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
    [Q_OWNER] = {"owner()", AT_PROPOSER, 0},
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
	enum chain_read_kind kind;
	struct uint256 word;
	bool has_measurement;
	uint8_t measurement[48];
	struct eth_revert revert;
};

struct asked {
	struct chain *chain;
	enum question q;
};

struct commitment_slot {
	uint64_t batch; /* 0 with !used */
	bool used;
	struct batch_commitment c; /* without initial_state_root */
};

struct pending_call {
	chain_read_cb *cb;
	void *arg;
};

struct chain {
	struct daemon *d;
	uv_timer_t timer;
	bool started, closing, known, fresh, round, again;
	int phase;
	unsigned outstanding, rounds;
	uint64_t block;
	int64_t block_time, head_time; /* of the round under way, and of the last whole one */
	struct asked asked[Q_COUNT];
	struct answer answer[Q_COUNT];
	char failed[768]; /* of this round */
	char trouble[768];
	struct chain_facts facts;
	struct commitment_slot cache[COMMITMENT_CACHE];
	void (*done)(void *arg);
	void *done_arg;
};

/* ---- single calls ---- */

static void on_reply(void *arg, const struct rpc_reply *reply)
{
	struct pending_call *p = arg;
	struct chain_read read = {.endpoint = reply->endpoint, .sentence = ""};
	struct buf data;
	struct why why = {""};

	buf_init(&data, CALL_BODY_MAX);
	switch (reply->status) {
	case RPC_OK:
		if (!rpc_parse_data(reply->result, &data, &why)) {
			read.kind = CHAIN_READ_FAILED;
			read.sentence = why.text;
		} else if (data.len == 0) {
			read.kind = CHAIN_READ_NO_CODE;
		} else {
			read.kind = CHAIN_READ_OK;
			read.data = buf_span(&data);
		}
		break;
	case RPC_ERROR:
		if (reply->node_error == NODE_REVERTED || reply->has_data) {
			read.kind = CHAIN_READ_REVERTED;
			read.data = reply->data;
			revert_read(&read.revert, reply->data);
		} else {
			read.kind = CHAIN_READ_FAILED;
			read.sentence = reply->message;
		}
		break;
	case RPC_UNREACHABLE:
	case RPC_BAD_REPLY:
	case RPC_CANCELLED:
		read.kind = CHAIN_READ_FAILED;
		read.sentence = reply->sentence;
		break;
	}
	p->cb(p->arg, &read);
	buf_free(&data);
	free(p);
}

static bool put_hex(struct buf *b, struct span data)
{
	char *hex = malloc(2 * data.n + 1);
	bool ok = hex != NULL;

	if (ok) {
		hex_encode(hex, data.p, data.n);
		ok = buf_add_str(b, hex);
	}
	free(hex);
	return ok;
}

/* "[{"to":...,"data":...},block]", and the replaced code. */
static bool put_params(struct buf *b, const struct chain_call *call)
{
	char text[ETH_ADDRESS_TEXT_SIZE];
	bool ok;

	eth_address_print(text, call->to);
	ok = buf_printf(b, "[{\"to\":\"%s\"", text);
	if (call->from) {
		eth_address_print(text, call->from);
		ok = ok && buf_printf(b, ",\"from\":\"%s\"", text);
	}
	ok = ok && buf_add_str(b, ",\"data\":\"0x") && put_hex(b, call->calldata) &&
	     buf_add_str(b, "\"},");
	ok = ok && (call->block ? buf_printf(b, "\"0x%" PRIx64 "\"", call->block)
				: buf_add_str(b, "\"latest\""));
	if (call->replaced) {
		eth_address_print(text, call->replaced);
		ok = ok && buf_printf(b, ",{\"%s\":{\"code\":\"0x", text) &&
		     put_hex(b, call->code) && buf_add_str(b, "\"}}");
	}
	return ok && buf_add_str(b, "]") && buf_add(b, "", 1);
}

bool chain_call(struct chain *c, const struct chain_call *call, chain_read_cb *cb, void *arg)
{
	struct pending_call *p = calloc(1, sizeof *p);
	struct rpc_call_options options = {.avoid = call->avoid};
	struct why why = {""};
	struct buf params;
	bool ok = false;

	buf_init(&params, 2 * CALL_BODY_MAX);
	if (p && c->d->rpc && put_params(&params, call)) {
		*p = (struct pending_call){cb, arg};
		ok = rpc_call(c->d->rpc, "eth_call", (const char *)params.p, &options, on_reply, p,
			      &why) != 0;
	}
	if (!ok)
		free(p); /* else the callback's now */
	buf_free(&params);
	return ok;
}

/* ---- rounds ---- */

static void run_phase(struct chain *c, int phase);

static bool is_true(const struct answer *a)
{
	return a->kind == CHAIN_READ_OK && a->word.be[31] == 1;
}

static struct eth_address as_address(const struct answer *a)
{
	struct eth_address out;

	memcpy(out.b, a->word.be + 12, 20);
	return out;
}

/* A contract of another kind is no reason to try again: the sentence says what it is. */
static const char *another_kind(const struct chain *c)
{
	const struct answer *probe = &c->answer[Q_PROBE];

	if (is_true(&c->answer[Q_ALIGNED]))
		return "the OnChainProposer has ALIGNED_MODE on: its proofs are aggregated by "
		       "Aligned, which this coordinator does not do";
	if (c->answer[Q_REGISTRY].kind == CHAIN_READ_OK)
		return "the OnChainProposer is the one of based rollups (it has a "
		       "SEQUENCER_REGISTRY), which this coordinator does not serve";
	if (c->answer[Q_TDX].kind != CHAIN_READ_OK)
		return c->answer[Q_VERIFIER_OLD].kind == CHAIN_READ_OK
			   ? "the OnChainProposer is of an older ethrex (no REQUIRE_TDX_PROOF()); "
			     "it "
			     "wants verifyBatch, one batch at a time: upgrade the contract"
			   : "the OnChainProposer's address holds no ethrex OnChainProposer "
			     "(REQUIRE_TDX_PROOF() does not answer)";
	if (probe->kind == CHAIN_READ_NO_CODE ||
	    (probe->kind == CHAIN_READ_REVERTED && probe->revert.kind == REVERT_NONE))
		return "the OnChainProposer has no verifyBatches(uint256,bytes[],bytes[],bytes[]): "
		       "it is of an older ethrex, which verifies one batch at a time with "
		       "verifyBatch";
	return NULL;
}

static void round_failed(struct chain *c)
{
	c->round = false;
	if (strcmp(c->trouble, c->failed) != 0) {
		log_event(LOG_WARN, "l1_unreadable", log_str("reason", c->failed));
		snprintf(c->trouble, sizeof c->trouble, "%s", c->failed);
	}
	settle_tick(c->d);
}

static void keep_facts(struct chain *c)
{
	daemon_keep_fact(c->d, "chain", &c->facts, sizeof c->facts);
}

static bool same_facts(const struct chain_facts *a, const struct chain_facts *b)
{
	return a->needed == b->needed && a->l1_chain_id == b->l1_chain_id &&
	       a->l2_chain_id == b->l2_chain_id && a->committed == b->committed &&
	       a->verified == b->verified && a->final == b->final && a->paused == b->paused &&
	       a->has_tdx_verifier == b->has_tdx_verifier && a->tdx_dev_mode == b->tdx_dev_mode &&
	       eth_address_equal(&a->proposer, &b->proposer) &&
	       eth_address_equal(&a->tdx_verifier, &b->tdx_verifier) &&
	       eth_address_equal(&a->signer, &b->signer) &&
	       a->has_measurements == b->has_measurements &&
	       memcmp(a->measurement, b->measurement, sizeof a->measurement) == 0 &&
	       eth_address_equal(&a->quote_verifier, &b->quote_verifier);
}

/* What a production TDXVerifier demands of a quote. */
static void take_measurements(struct chain_facts *f, const struct answer *a)
{
	int i;

	f->has_measurements = a[Q_QUOTE_VERIFIER].kind == CHAIN_READ_OK;
	f->quote_verifier = as_address(&a[Q_QUOTE_VERIFIER]);
	for (i = 0; i < CHAIN_MEASUREMENTS; i++) {
		f->has_measurements = f->has_measurements && a[Q_MRTD + i].has_measurement;
		memcpy(f->measurement[i], a[Q_MRTD + i].measurement, 48);
	}
}

static void round_done(struct chain *c)
{
	struct chain_facts f = {.version = CHAIN_FACTS_VERSION};
	char needs[32];
	const struct answer *a = c->answer;

	f.l1_chain_id = rpc_chain_id(c->d->rpc);
	f.proposer = c->d->config.proposer;
	f.needed = (is_true(&a[Q_RISC0]) ? WORK_TYPE_BIT(PROVER_RISC0) : 0) |
		   (is_true(&a[Q_SP1]) ? WORK_TYPE_BIT(PROVER_SP1) : 0) |
		   (is_true(&a[Q_TDX]) ? WORK_TYPE_BIT(PROVER_TDX) : 0);
	if (!f.needed)
		f.needed = WORK_TYPE_BIT(PROVER_EXEC);
	if (!uint256_to_u64(&f.l2_chain_id, &a[Q_L2_CHAIN].word) ||
	    !uint256_to_u64(&f.committed, &a[Q_COMMITTED].word) ||
	    !uint256_to_u64(&f.verified, &a[Q_VERIFIED].word)) {
		snprintf(c->failed, sizeof c->failed,
			 "the OnChainProposer answers with numbers beyond 64 bits");
		round_failed(c);
		return;
	}
	if (a[Q_FINAL].kind != CHAIN_READ_OK || !uint256_to_u64(&f.final, &a[Q_FINAL].word))
		f.final = c->known ? c->facts.final : 0;
	f.paused = is_true(&a[Q_PAUSED]);
	f.has_tdx_verifier = is_true(&a[Q_TDX]) && a[Q_VERIFIER].kind == CHAIN_READ_OK;
	if (f.has_tdx_verifier) {
		f.tdx_verifier = as_address(&a[Q_VERIFIER]);
		f.tdx_dev_mode = is_true(&a[Q_DEV_MODE]);
		f.signer = as_address(&a[Q_SIGNER]);
		if (!f.tdx_dev_mode)
			take_measurements(&f, a);
	}
	if (c->trouble[0] || !c->fresh) {
		snprintf(needs, sizeof needs, "%s%s%s%s",
			 f.needed & WORK_TYPE_BIT(PROVER_RISC0) ? "RISC0 " : "",
			 f.needed & WORK_TYPE_BIT(PROVER_SP1) ? "SP1 " : "",
			 f.needed & WORK_TYPE_BIT(PROVER_TDX) ? "TDX" : "",
			 f.needed & WORK_TYPE_BIT(PROVER_EXEC) ? "Exec" : "");
		log_event(LOG_INFO, "l1_read", log_u64("chain_id", f.l1_chain_id),
			  log_u64("l2_chain_id", f.l2_chain_id), log_u64("committed", f.committed),
			  log_u64("verified", f.verified), log_str("needs", needs),
			  log_str("tdx_dev_mode",
				  f.has_tdx_verifier && f.tdx_dev_mode ? "true" : "false"));
	}
	c->trouble[0] = '\0';
	if (!c->known || !same_facts(&f, &c->facts)) {
		c->facts = f;
		c->known = true;
		keep_facts(c);
	}
	c->fresh = true;
	c->head_time = c->block_time;
	c->rounds++;
	c->round = false;
	settle_on_chain(c->d);
	proofs_judge(c->d);
	settle_tick(c->d);
	if (c->again && !c->closing) {
		c->again = false;
		chain_refresh(c);
	}
}

static bool wanted(const struct chain *c, enum question q)
{
	if (rows[q].target == AT_VERIFIER)
		return is_true(&c->answer[Q_TDX]) && c->answer[Q_VERIFIER].kind == CHAIN_READ_OK;
	if (q == Q_FINAL)
		return c->block >= c->d->config.confirmations;
	return true;
}

/* What must have answered for the round to count. */
static bool needed(enum question q)
{
	return q == Q_COMMITTED || q == Q_VERIFIED || q == Q_L2_CHAIN || q == Q_SIGNER ||
	       q == Q_DEV_MODE;
}

static void phase_done(struct chain *c)
{
	const char *kind;
	int q;

	for (q = 0; q < Q_COUNT && !c->failed[0]; q++)
		if (rows[q].phase == c->phase && wanted(c, (enum question)q) &&
		    needed((enum question)q) && c->answer[q].kind != CHAIN_READ_OK &&
		    !(c->phase == 0 && c->answer[Q_TDX].kind != CHAIN_READ_OK))
			snprintf(c->failed, sizeof c->failed, "%s of the %s does not answer: %s",
				 rows[q].signature,
				 rows[q].target == AT_PROPOSER ? "OnChainProposer" : "TDXVerifier",
				 c->answer[q].kind == CHAIN_READ_REVERTED ? c->answer[q].revert.text
									  : "no result");
	if (c->failed[0]) {
		round_failed(c);
		return;
	}
	if (c->phase == 0 && c->answer[Q_TDX].kind == CHAIN_READ_OK &&
	    !is_true(&c->answer[Q_ALIGNED]) && c->answer[Q_REGISTRY].kind != CHAIN_READ_OK) {
		run_phase(c, 1);
		return;
	}
	if (c->phase < 2) {
		kind = another_kind(c);
		if (kind) {
			c->round = false;
			daemon_fail(c->d, "contract_of_another_kind", kind);
			return;
		}
		run_phase(c, 2);
		return;
	}
	round_done(c);
}

static void on_answer(void *arg, const struct chain_read *read)
{
	struct asked *asked = arg;
	struct chain *c = asked->chain;
	struct answer *a = &c->answer[asked->q];

	if (c->closing)
		return;
	a->kind = read->kind;
	a->has_measurement = read->kind == CHAIN_READ_OK && read->data.n >= MEASUREMENT_ANSWER &&
			     read->data.p[31] == 32 && read->data.p[63] == 48;
	if (a->has_measurement)
		memcpy(a->measurement, read->data.p + 64, 48);
	if (read->kind == CHAIN_READ_OK && read->data.n >= 32)
		memcpy(a->word.be, read->data.p, 32);
	else if (read->kind == CHAIN_READ_OK)
		a->kind = CHAIN_READ_NO_CODE;
	if (read->kind == CHAIN_READ_REVERTED)
		a->revert = read->revert;
	if (read->kind == CHAIN_READ_FAILED && asked->q != Q_FINAL)
		snprintf(c->failed, sizeof c->failed, "%s", read->sentence);
	if (--c->outstanding == 0)
		phase_done(c);
}

static bool question_calldata(enum question q, struct buf *out)
{
	const struct abi_value probe[] = {abi_u64(1), abi_list(NULL, 0), abi_list(NULL, 0),
					  abi_list(NULL, 0)};

	return abi_encode_call(out, rows[q].signature, probe, q == Q_PROBE ? 4 : 0, NULL) == ETH_OK;
}

static void run_phase(struct chain *c, int phase)
{
	const struct eth_address verifier = as_address(&c->answer[Q_VERIFIER]);
	const struct eth_address owner = as_address(&c->answer[Q_OWNER]);
	struct buf calldata;
	int q;

	c->phase = phase;
	c->failed[0] = '\0';
	c->outstanding = 1; /* held until all are asked */
	buf_init(&calldata, 1024);
	for (q = 0; q < Q_COUNT; q++) {
		struct chain_call call = {.to = &c->d->config.proposer};

		if (rows[q].phase != phase || !wanted(c, (enum question)q))
			continue;
		calldata.len = 0;
		if (rows[q].target == AT_VERIFIER)
			call.to = &verifier;
		if (q == Q_PROBE && c->answer[Q_OWNER].kind == CHAIN_READ_OK)
			call.from = &owner;
		if (q == Q_FINAL)
			call.block = c->block - c->d->config.confirmations + 1;
		c->asked[q] = (struct asked){c, (enum question)q};
		c->answer[q].kind = CHAIN_READ_FAILED;
		if (!question_calldata((enum question)q, &calldata)) {
			snprintf(c->failed, sizeof c->failed, "out of memory");
			continue;
		}
		call.calldata = buf_span(&calldata);
		if (chain_call(c, &call, on_answer, &c->asked[q]))
			c->outstanding++;
		else
			snprintf(c->failed, sizeof c->failed, "too many JSON-RPC calls at once");
	}
	buf_free(&calldata);
	if (--c->outstanding == 0)
		phase_done(c);
}

static void on_head(void *arg, const struct rpc_reply *reply)
{
	struct chain *c = arg;
	struct rpc_block head = {0};
	struct why why = {"the node knows no latest block"};
	bool found = false;

	if (c->closing)
		return;
	if (reply->status != RPC_OK || !rpc_parse_block(reply->result, &found, &head, &why) ||
	    !found) {
		snprintf(c->failed, sizeof c->failed, "%s",
			 reply->status == RPC_OK ? why.text : reply->sentence);
		round_failed(c);
		return;
	}
	c->block = head.number;
	c->block_time = (int64_t)head.timestamp;
	run_phase(c, c->fresh && c->rounds % STATIC_EVERY ? 2 : 0);
}

void chain_refresh(struct chain *c)
{
	struct why why = {""};

	if (c->closing || !c->started)
		return;
	if (c->round) {
		c->again = true;
		return;
	}
	c->round = true;
	if (!rpc_call(c->d->rpc, "eth_getBlockByNumber", "[\"latest\",false]", NULL, on_head, c,
		      &why)) {
		snprintf(c->failed, sizeof c->failed, "%s", why.text);
		round_failed(c);
	}
}

static void on_timer(uv_timer_t *t)
{
	struct chain *c = t->data;

	uv_timer_start(t, on_timer, c->d->config.send_interval_ms, 0);
	if (!c->round)
		chain_refresh(c);
}

/* ---- commitments ---- */

struct commitment_wish {
	struct chain *chain;
	uint64_t batch;
	unsigned outstanding;
	bool failed;
	char sentence[768];
	chain_commitment_cb *cb;
	void *arg;
	struct half {
		struct commitment_wish *wish;
		uint64_t batch;
		struct batch_commitment c;
	} half[2]; /* the batch, and the one before */
};

static void commitment_end(struct commitment_wish *w)
{
	struct batch_commitment c = w->half[0].c;

	if (--w->outstanding)
		return;
	if (w->failed) {
		w->cb(w->arg, NULL, w->sentence);
	} else {
		memcpy(c.initial_state_root, w->half[1].c.new_state_root, 32);
		c.chain_id = uint256_from_u64(w->chain->facts.l2_chain_id);
		w->cb(w->arg, &c, "");
	}
	free(w);
}

static void on_commitment(void *arg, const struct chain_read *read)
{
	struct half *h = arg;
	struct commitment_wish *w = h->wish;
	struct commitment_slot *slot = &w->chain->cache[h->batch % COMMITMENT_CACHE];
	const uint8_t *p = read->data.p;

	/* newStateRoot, blobVersionedHash, privilegedRollingHash, withdrawalsRoot, lastBlockHash,
	 * nonPrivilegedTransactions, commitHash: the getter leaves out the struct's arrays. */
	if (read->kind != CHAIN_READ_OK || read->data.n < 7 * 32) {
		w->failed = true;
		snprintf(w->sentence, sizeof w->sentence, "batchCommitments(%" PRIu64 "): %s",
			 h->batch,
			 read->kind == CHAIN_READ_REVERTED ? read->revert.text
			 : read->kind == CHAIN_READ_FAILED ? read->sentence
							   : "no usable answer");
	} else {
		memcpy(h->c.new_state_root, p, 32);
		memcpy(h->c.blob_versioned_hash, p + 32, 32);
		memcpy(h->c.privileged_rolling_hash, p + 64, 32);
		memcpy(h->c.withdrawals_root, p + 96, 32);
		memcpy(h->c.last_block_hash, p + 128, 32);
		memcpy(h->c.non_privileged_count.be, p + 160, 32);
		*slot = (struct commitment_slot){.batch = h->batch, .used = true, .c = h->c};
	}
	commitment_end(w);
}

bool chain_commitment(struct chain *c, uint64_t batch, chain_commitment_cb *cb, void *arg)
{
	struct commitment_wish *w = calloc(1, sizeof *w);
	struct buf calldata;
	int i;

	if (!w)
		return false;
	*w = (struct commitment_wish){
	    .chain = c, .batch = batch, .cb = cb, .arg = arg, .outstanding = 1};
	buf_init(&calldata, 1024);
	for (i = 0; i < 2; i++) {
		struct half *h = &w->half[i];
		const struct commitment_slot *slot;
		struct abi_value v;
		struct chain_call call = {.to = &c->d->config.proposer};

		h->wish = w;
		h->batch = batch - (uint64_t)i;
		slot = &c->cache[h->batch % COMMITMENT_CACHE];
		if (slot->used && slot->batch == h->batch) {
			h->c = slot->c;
			continue;
		}
		v = abi_u64(h->batch);
		calldata.len = 0;
		w->outstanding++;
		if (abi_encode_call(&calldata, "batchCommitments(uint256)", &v, 1, NULL) ==
		    ETH_OK) {
			call.calldata = buf_span(&calldata);
			if (chain_call(c, &call, on_commitment, h))
				continue;
		}
		w->outstanding--;
		w->failed = true;
		snprintf(w->sentence, sizeof w->sentence, "too many JSON-RPC calls at once");
	}
	buf_free(&calldata);
	commitment_end(w);
	return true;
}

/* ---- life ---- */

bool chain_new(struct chain **out, struct daemon *d, struct why *why)
{
	struct chain *c = calloc(1, sizeof *c);

	*out = c;
	if (!c) {
		why_set(why, "out of memory");
		return false;
	}
	c->d = d;
	uv_timer_init(&d->loop, &c->timer);
	c->timer.data = c;
	return true;
}

void chain_restore(struct chain *c, const struct chain_facts *facts)
{
	c->facts = *facts;
	c->known = true;
}

void chain_start(struct chain *c)
{
	c->started = true;
	uv_timer_start(&c->timer, on_timer, 0, 0);
}

static void on_closed(uv_handle_t *h)
{
	struct chain *c = h->data;

	c->done(c->done_arg);
}

void chain_free(struct chain *c)
{
	free(c);
}

void chain_close(struct chain *c, void (*done)(void *arg), void *arg)
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

void chain_forget_commitments(struct chain *c)
{
	memset(c->cache, 0, sizeof c->cache);
}

const struct chain_facts *chain_facts(const struct chain *c)
{
	return c && c->known ? &c->facts : NULL;
}

bool chain_is_fresh(const struct chain *c)
{
	return c->fresh;
}

int64_t chain_head_time(const struct chain *c)
{
	return c->head_time;
}

const char *chain_trouble(const struct chain *c)
{
	return c->trouble;
}
