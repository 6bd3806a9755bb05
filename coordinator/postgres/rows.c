/* Structs to parameters, and columns to structs. */
#include "coordinator/postgres/internal.h"

#include <string.h>

/* ---- structs to parameters ---- */

static void param_signer(struct params *p, bool has, const uint8_t v[20])
{
	if (has)
		param_bytes(p, span_of(v, 20));
	else
		param_null(p);
}

static void params_of_input_key(struct params *p, const struct store_input *r)
{
	param_u64(p, r->batch);
	param_bytes(p, r->commit_hash);
	param_bytes(p, span_of(r->sha256, sizeof r->sha256));
}

static void params_of_proof(struct params *p, const struct store_proof *r)
{
	param_u64(p, r->id);
	param_u64(p, r->batch);
	param_int(p, r->prover_type);
	param_bytes(p, r->bytes);
	param_bytes(p, r->public_values);
	param_bytes(p, r->source);
	param_u64(p, r->received_ms);
	param_int(p, r->state);
	param_signer(p, r->has_signer, r->signer);
	param_bytes(p, r->reason);
	param_u64(p, r->judged_ms);
}

static void params_of_proof_state(struct params *p, const struct store_proof_state *r)
{
	param_u64(p, r->id);
	param_int(p, r->state);
	param_signer(p, r->has_signer, r->signer);
	param_bytes(p, r->reason);
	param_u64(p, r->judged_ms);
}

static void params_of_proof_range(struct params *p, const struct store_proof_range *r)
{
	param_u64(p, r->first);
	param_u64(p, r->last);
	param_int(p, (int)r->from);
	param_int(p, r->state);
	param_bytes(p, r->reason);
}

static void params_of_prover(struct params *p, const struct store_prover *r)
{
	param_bytes(p, span_of(r->signer, 20));
	param_bytes(p, r->payload);
	param_int(p, r->payload_kind);
	param_bytes(p, r->source);
	param_u64(p, r->first_seen_ms);
	param_u64(p, r->last_seen_ms);
	param_u64(p, r->last_proof_ms);
	param_u64(p, r->proofs_good);
	param_int(p, r->state);
	param_bytes(p, r->reason);
}

void params_of_change(struct params *p, const struct store_change *c)
{
	switch (c->kind) {
	case CHANGE_FACT_PUT:
		param_bytes(p, c->fact.key);
		param_bytes(p, c->fact.value);
		break;
	case CHANGE_FACT_DEL: param_bytes(p, c->fact.key); break;
	case CHANGE_INPUT_PUT:
		params_of_input_key(p, &c->input);
		param_u64(p, c->input.size);
		param_u64(p, c->input.created_ms);
		break;
	case CHANGE_INPUT_REPLACED:
		params_of_input_key(p, &c->input);
		param_u64(p, c->input.replaced_ms);
		break;
	case CHANGE_INPUT_DEL: params_of_input_key(p, &c->input); break;
	case CHANGE_PROOF_PUT: params_of_proof(p, &c->proof); break;
	case CHANGE_PROOF_STATE: params_of_proof_state(p, &c->proof_state); break;
	case CHANGE_PROOF_RANGE: params_of_proof_range(p, &c->proof_range); break;
	case CHANGE_PROOF_DEL: param_u64(p, c->proof.id); break;
	case CHANGE_LEASE_PUT:
		param_u64(p, c->lease.batch);
		param_int(p, c->lease.prover_type);
		param_bytes(p, c->lease.source);
		param_u64(p, c->lease.expires_ms);
		break;
	case CHANGE_LEASE_DEL:
		param_u64(p, c->lease.batch);
		param_int(p, c->lease.prover_type);
		break;
	case CHANGE_PROVER_PUT: params_of_prover(p, &c->prover); break;
	case CHANGE_PROVER_DEL: param_bytes(p, span_of(c->prover.signer, 20)); break;
	case CHANGE_INTENT_PUT:
		param_u64(p, c->intent.id);
		param_bytes(p, c->intent.data);
		break;
	case CHANGE_INTENT_DEL: param_u64(p, c->intent.id); break;
	case CHANGE_INPUT_DEL_THROUGH:
	case CHANGE_PROOF_DEL_THROUGH:
	case CHANGE_LEASE_DEL_THROUGH: param_u64(p, c->through); break;
	}
}

/* ---- columns to structs ---- */

struct reader {
	const PGresult *r;
	int row, at; /* the next column */
	bool sane;   /* false: a fixed-size column has another size */
};

static uint64_t read_u64(struct reader *r)
{
	return cell_u64(r->r, r->row, r->at++);
}

static int read_int(struct reader *r)
{
	return cell_int(r->r, r->row, r->at++);
}

static struct span read_span(struct reader *r)
{
	return cell_bytes(r->r, r->row, r->at++);
}

/* Two columns: the blob, NULL when it is over the limit, and its length. */
static struct span read_limited(struct reader *r)
{
	const bool is_null = PQgetisnull(r->r, r->row, r->at);
	struct span v = read_span(r);

	v.n = (size_t)read_int(r);
	if (is_null)
		v.p = NULL;
	return v;
}

static void read_fixed(struct reader *r, uint8_t *out, size_t n)
{
	struct span v = read_span(r);

	if (v.n == n)
		memcpy(out, v.p, n);
	else
		r->sane = false;
}

static bool read_signer(struct reader *r, uint8_t out[20])
{
	if (PQgetisnull(r->r, r->row, r->at)) {
		r->at++;
		return false;
	}
	read_fixed(r, out, 20);
	return true;
}

static void read_input(struct reader *r, struct store_input *i)
{
	i->batch = read_u64(r);
	i->commit_hash = read_span(r);
	read_fixed(r, i->sha256, sizeof i->sha256);
	i->size = read_u64(r);
	i->created_ms = read_u64(r);
	i->replaced_ms = read_u64(r);
}

static void read_proof(struct reader *r, struct store_proof *p)
{
	p->id = read_u64(r);
	p->batch = read_u64(r);
	p->prover_type = read_int(r);
	p->source = read_span(r);
	p->received_ms = read_u64(r);
	p->state = read_int(r);
	p->has_signer = read_signer(r, p->signer);
	p->reason = read_span(r);
	p->judged_ms = read_u64(r);
	p->bytes = read_limited(r);
	p->public_values = read_limited(r);
}

static void read_lease(struct reader *r, struct store_lease *l)
{
	l->batch = read_u64(r);
	l->prover_type = read_int(r);
	l->source = read_span(r);
	l->expires_ms = read_u64(r);
}

static void read_prover(struct reader *r, struct store_prover *p)
{
	read_fixed(r, p->signer, sizeof p->signer);
	p->payload = read_span(r);
	p->payload_kind = read_int(r);
	p->source = read_span(r);
	p->first_seen_ms = read_u64(r);
	p->last_seen_ms = read_u64(r);
	p->last_proof_ms = read_u64(r);
	p->proofs_good = read_u64(r);
	p->state = read_int(r);
	p->reason = read_span(r);
}

/* What was deleted, as the DEL that says so. */
static void read_gone(struct reader *r, struct store_change *c)
{
	static const struct {
		const char *name;
		enum store_change_kind kind;
	} kinds[] = {{"fact", CHANGE_FACT_DEL},
		     {"input", CHANGE_INPUT_DEL},
		     {"proof", CHANGE_PROOF_DEL},
		     {"lease", CHANGE_LEASE_DEL},
		     {"prover", CHANGE_PROVER_DEL},
		     {"intent", CHANGE_INTENT_DEL},
		     {"inputs", CHANGE_INPUT_DEL_THROUGH},
		     {"proofs", CHANGE_PROOF_DEL_THROUGH},
		     {"leases", CHANGE_LEASE_DEL_THROUGH}};
	const size_t n = sizeof kinds / sizeof *kinds;
	struct span kind = read_span(r);
	const uint64_t number = read_u64(r);
	const int type = read_int(r);
	const struct span name = read_span(r);
	size_t i;

	for (i = 0; i < n && !span_eq(kind, span_of(kinds[i].name, strlen(kinds[i].name))); i++)
		;
	if (i == n) {
		r->sane = false;
		return;
	}
	c->kind = kinds[i].kind;
	if (c->kind == CHANGE_FACT_DEL) {
		c->fact.key = name;
	} else if (c->kind == CHANGE_INPUT_DEL) {
		c->input.batch = number;
		c->input.commit_hash = name;
		read_fixed(r, c->input.sha256, 32);
	} else if (c->kind == CHANGE_PROOF_DEL) {
		c->proof.id = number;
	} else if (c->kind == CHANGE_LEASE_DEL) {
		c->lease.batch = number;
		c->lease.prover_type = type;
	} else if (c->kind == CHANGE_PROVER_DEL) {
		r->at--;
		read_fixed(r, c->prover.signer, 20);
	} else if (c->kind == CHANGE_INTENT_DEL) {
		c->intent.id = number;
	} else {
		c->through = number;
	}
}

bool row_read(uint64_t *rev, struct store_change *out, const PGresult *r, int at, int table)
{
	struct reader reader = {.r = r, .row = at, .sane = true};

	memset(out, 0, sizeof *out);
	*rev = read_u64(&reader);
	switch (table + S_SINCE_FACT) {
	case S_SINCE_FACT:
		out->kind = CHANGE_FACT_PUT;
		out->fact.key = read_span(&reader);
		out->fact.value = read_span(&reader);
		break;
	case S_SINCE_INPUT:
		out->kind = CHANGE_INPUT_PUT;
		read_input(&reader, &out->input);
		break;
	case S_SINCE_PROOF:
		out->kind = CHANGE_PROOF_PUT;
		read_proof(&reader, &out->proof);
		break;
	case S_SINCE_LEASE:
		out->kind = CHANGE_LEASE_PUT;
		read_lease(&reader, &out->lease);
		break;
	case S_SINCE_PROVER:
		out->kind = CHANGE_PROVER_PUT;
		read_prover(&reader, &out->prover);
		break;
	case S_SINCE_INTENT:
		out->kind = CHANGE_INTENT_PUT;
		out->intent.id = read_u64(&reader);
		out->intent.data = read_span(&reader);
		break;
	default: read_gone(&reader, out); break;
	}
	return reader.sane;
}

bool row_read_proof(struct store_proof *out, const PGresult *r)
{
	struct reader reader = {.r = r, .at = 1, .sane = true};

	memset(out, 0, sizeof *out);
	read_proof(&reader, out);
	return reader.sane;
}
