#include "coordinator/l1/facts_row.h"

#include "coordinator/base/log.h"
#include "protocol/proofdata.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_HERE 3 /* 1 and 2 were bytes of a struct */

/* Numbers of 64 bits do not fit JSON's readers everywhere: they are kept as text. */
static json_t *number(uint64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)n);
	return json_string(text);
}

static json_t *hex(const uint8_t *p, size_t n)
{
	char text[2 * sizeof(struct l1_facts) + 1];

	hex_encode(text, p, n);
	return json_string(text);
}

bool l1_row_put(struct buf *out, const struct l1_facts *f)
{
	json_t *o = json_pack(
	    "{s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:o, s:o}",
	    "version", VERSION_HERE, "needed", (int)f->needed, "l1_chain_id",
	    number(f->l1_chain_id), "l2_chain_id", number(f->l2_chain_id), "committed",
	    number(f->committed), "verified", number(f->verified), "final", number(f->final),
	    "proposer", hex(f->proposer.b, 20), "tdx_verifier", hex(f->tdx_verifier.b, 20),
	    "signer", hex(f->signer.b, 20), "has_tdx_verifier", f->has_tdx_verifier, "tdx_dev_mode",
	    f->tdx_dev_mode, "paused", f->paused, "has_measurements", f->has_measurements,
	    "measurements", hex(f->measurement[0], sizeof f->measurement), "quote_verifier",
	    hex(f->quote_verifier.b, 20));
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	bool ok = text && buf_add_str(out, text);

	free(text);
	json_decref(o);
	return ok;
}

void l1_row_keep(struct store *store, const struct l1_facts *f)
{
	struct buf row;

	buf_init(&row, L1_ROW_MAX);
	if (l1_row_put(&row, f))
		store_put_fact(store, L1_FACT, row.p, row.len);
	buf_free(&row);
}

static bool get_number(uint64_t *out, const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	char *end;

	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return *end == '\0';
}

static bool get_hex(uint8_t *out, size_t n, const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text && strlen(text) == 2 * n && hex_decode(out, n, text, 2 * n);
}

static bool get_bool(bool *out, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	*out = json_is_true(v);
	return json_is_boolean(v);
}

bool l1_row_get(struct l1_facts *out, struct span row)
{
	json_t *o = json_loadb((const char *)row.p, row.n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *needed = json_object_get(o, "needed");
	struct l1_facts f = {.needed = (uint32_t)json_integer_value(needed)};
	const bool ok =
	    json_integer_value(json_object_get(o, "version")) == VERSION_HERE &&
	    json_is_integer(needed) && get_number(&f.l1_chain_id, o, "l1_chain_id") &&
	    get_number(&f.l2_chain_id, o, "l2_chain_id") &&
	    get_number(&f.committed, o, "committed") && get_number(&f.verified, o, "verified") &&
	    get_number(&f.final, o, "final") && get_hex(f.proposer.b, 20, o, "proposer") &&
	    get_hex(f.tdx_verifier.b, 20, o, "tdx_verifier") &&
	    get_hex(f.signer.b, 20, o, "signer") &&
	    get_bool(&f.has_tdx_verifier, o, "has_tdx_verifier") &&
	    get_bool(&f.tdx_dev_mode, o, "tdx_dev_mode") && get_bool(&f.paused, o, "paused") &&
	    get_bool(&f.has_measurements, o, "has_measurements") &&
	    get_hex(f.measurement[0], sizeof f.measurement, o, "measurements") &&
	    get_hex(f.quote_verifier.b, 20, o, "quote_verifier");

	json_decref(o);
	if (ok)
		*out = f;
	return ok;
}

bool l1_row_fits(const struct l1_facts *f, const struct eth_address *proposer, uint64_t chain_id,
		 struct why *why)
{
	if (!eth_address_equal(&f->proposer, proposer)) {
		why_set(why,
			"the data directory, or the database of STORE, belongs to another "
			"OnChainProposer than the one in the settings: use another "
			"ETHREX_PROOF_COORDINATOR_DATA_DIR or database, or the former address");
		return false;
	}
	if (chain_id && chain_id != f->l1_chain_id) {
		why_set(
		    why,
		    "the data directory, or the database of STORE, belongs to L1 chain id %" PRIu64
		    ", the settings say %" PRIu64,
		    f->l1_chain_id, chain_id);
		return false;
	}
	return true;
}

void l1_say_facts(const struct l1_facts *f)
{
	char needs[32];

	snprintf(needs, sizeof needs, "%s%s%s%s",
		 f->needed & PROVER_TYPE_BIT(PROVER_RISC0) ? "RISC0 " : "",
		 f->needed & PROVER_TYPE_BIT(PROVER_SP1) ? "SP1 " : "",
		 f->needed & PROVER_TYPE_BIT(PROVER_TDX) ? "TDX" : "",
		 f->needed & PROVER_TYPE_BIT(PROVER_EXEC) ? "Exec" : "");
	log_event(LOG_INFO, "l1_read", log_u64("chain_id", f->l1_chain_id),
		  log_u64("l2_chain_id", f->l2_chain_id), log_u64("committed", f->committed),
		  log_u64("verified", f->verified), log_str("needs", needs),
		  log_str("tdx_dev_mode", f->tdx_dev_mode ? "true" : "false"));
}

bool l1_same_facts(const struct l1_facts *a, const struct l1_facts *b)
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
