#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/store/engine.h"
#include "encoding/words.h"

#define SPANS_MAX 4

/* The spans of a change that a copy must own; a DEL has those of its key only. */
static size_t spans_of(struct store_change *c, struct span *out[SPANS_MAX])
{
	size_t n = 0;

	switch (c->kind) {
	case CHANGE_FACT_PUT:
		out[n++] = &c->fact.key;
		out[n++] = &c->fact.value;
		break;
	case CHANGE_FACT_DEL: out[n++] = &c->fact.key; break;
	case CHANGE_INPUT_PUT:
	case CHANGE_INPUT_REPLACED:
	case CHANGE_INPUT_DEL: out[n++] = &c->input.commit_hash; break;
	case CHANGE_PROOF_PUT:
		out[n++] = &c->proof.bytes;
		out[n++] = &c->proof.public_values;
		out[n++] = &c->proof.source;
		out[n++] = &c->proof.reason;
		break;
	case CHANGE_PROOF_STATE: out[n++] = &c->proof_state.reason; break;
	case CHANGE_PROOF_RANGE: out[n++] = &c->proof_range.reason; break;
	case CHANGE_LEASE_PUT: out[n++] = &c->lease.source; break;
	case CHANGE_PROVER_PUT:
		out[n++] = &c->prover.payload;
		out[n++] = &c->prover.source;
		out[n++] = &c->prover.reason;
		break;
	case CHANGE_INTENT_PUT: out[n++] = &c->intent.data; break;
	case CHANGE_PROOF_DEL:
	case CHANGE_LEASE_DEL:
	case CHANGE_PROVER_DEL:
	case CHANGE_INTENT_DEL:
	case CHANGE_INPUT_DEL_THROUGH:
	case CHANGE_PROOF_DEL_THROUGH:
	case CHANGE_LEASE_DEL_THROUGH: break;
	}
	return n;
}

size_t change_group_size(const struct store_change *changes, size_t n)
{
	size_t i, j, spans, bytes = sizeof(struct change_group) + n * sizeof *changes;
	struct span *at[SPANS_MAX];

	for (i = 0; i < n; i++) {
		struct store_change c = changes[i];

		spans = spans_of(&c, at);
		for (j = 0; j < spans; j++)
			bytes += at[j]->p ? at[j]->n : 0;
	}
	return bytes;
}

struct change_group *change_group_new(const struct store_change *changes, size_t n)
{
	size_t i, j, spans, bytes = change_group_size(changes, n);
	struct change_group *g = malloc(bytes);
	struct span *at[SPANS_MAX];
	uint8_t *end;

	if (!g)
		return NULL;
	g->bytes = bytes;
	g->n = n;
	memcpy(g->changes, changes, n * sizeof *changes);
	end = (uint8_t *)&g->changes[n];
	for (i = 0; i < n; i++) {
		spans = spans_of(&g->changes[i], at);
		for (j = 0; j < spans; j++) {
			/* A long blob that is only named, as in a visit. */
			if (!at[j]->p && at[j]->n)
				continue;
			if (at[j]->n)
				memcpy(end, at[j]->p, at[j]->n);
			at[j]->p = end;
			end += at[j]->n;
		}
	}
	return g;
}

void change_describe(const struct store_change *c, char *out, size_t n)
{
	char hex[41], range[WORDS_RANGE_SIZE];

	switch (c->kind) {
	case CHANGE_FACT_PUT:
	case CHANGE_FACT_DEL:
		snprintf(out, n, "fact %.*s", c->fact.key.n < 64 ? (int)c->fact.key.n : 64,
			 c->fact.key.n ? (const char *)c->fact.key.p : "");
		break;
	case CHANGE_INPUT_PUT:
	case CHANGE_INPUT_REPLACED:
	case CHANGE_INPUT_DEL:
		snprintf(out, n, "input of batch %" PRIu64 " for commit %.*s", c->input.batch,
			 c->input.commit_hash.n < 64 ? (int)c->input.commit_hash.n : 64,
			 c->input.commit_hash.n ? (const char *)c->input.commit_hash.p : "");
		break;
	case CHANGE_PROOF_PUT:
		snprintf(out, n, "proof %" PRIu64 " of batch %" PRIu64, c->proof.id,
			 c->proof.batch);
		break;
	case CHANGE_PROOF_STATE: snprintf(out, n, "proof %" PRIu64, c->proof_state.id); break;
	case CHANGE_PROOF_RANGE:
		snprintf(out, n, "proofs of %s",
			 words_batches(range, c->proof_range.first, c->proof_range.last));
		break;
	case CHANGE_PROOF_DEL: snprintf(out, n, "proof %" PRIu64, c->proof.id); break;
	case CHANGE_LEASE_PUT:
	case CHANGE_LEASE_DEL:
		snprintf(out, n, "lease of batch %" PRIu64 ", prover type %d", c->lease.batch,
			 c->lease.prover_type);
		break;
	case CHANGE_PROVER_PUT:
	case CHANGE_PROVER_DEL:
		hex_encode(hex, c->prover.signer, 20);
		snprintf(out, n, "prover 0x%s", hex);
		break;
	case CHANGE_INTENT_PUT:
	case CHANGE_INTENT_DEL: snprintf(out, n, "intent %" PRIu64, c->intent.id); break;
	case CHANGE_INPUT_DEL_THROUGH:
	case CHANGE_PROOF_DEL_THROUGH:
	case CHANGE_LEASE_DEL_THROUGH:
		snprintf(out, n, "batches up to %" PRIu64, c->through);
		break;
	}
}
