/* What an earlier run made durable becomes the state in memory. */
#include "coordinator/daemon.h"
#include "coordinator/provers/quotes.h"
#include "coordinator/provers/rows.h"
#include "coordinator/store/input_file.h"
#include "coordinator/transactions/agenda.h"
#include "coordinator/transactions/prepare.h"
#include "coordinator/work/proofs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct loading {
	struct daemon *d;
	uint8_t (*files)[32]; /* hashes that rows name */
	size_t n, cap;
	uint64_t now;
};

static bool text_of(char *out, size_t size, struct span s)
{
	if (s.n >= size)
		return false;
	if (s.n)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

static bool is_key(const struct store_fact *row, const char *key)
{
	return span_eq(row->key, span_of(key, strlen(key)));
}

static bool load_fact(void *arg, const struct store_fact *row, struct why *why)
{
	struct loading *l = arg;
	uint64_t gas[2];
	struct eth_address promoted;
	char hex[65];

	if (row->key.n == strlen(QUOTES_FACT) + 64 &&
	    memcmp(row->key.p, QUOTES_FACT, strlen(QUOTES_FACT)) == 0) {
		text_of(hex, sizeof hex, span_of(row->key.p + strlen(QUOTES_FACT), 64));
		quotes_restore_verdict(l->d->quotes, hex, row->value);
		return true;
	}
	if (is_key(row, "promoted") && row->value.n == sizeof promoted.b) {
		memcpy(promoted.b, row->value.p, sizeof promoted.b);
		registrar_restore_promoted(l->d->registrar, &promoted);
	}
	if (is_key(row, "register_gas") && row->value.n == sizeof gas) {
		memcpy(gas, row->value.p, sizeof gas);
		registrar_restore_gas(l->d->registrar, gas[0], gas[1]);
	}
	if (is_key(row, L1_FACT))
		return l1_restore(l->d->l1, row->value, why);
	return true;
}

static bool load_input(void *arg, const struct store_input *row, struct why *why)
{
	struct loading *l = arg;
	struct why note = {""};
	char hash[COMMIT_HASH_MAX + 1];
	uint8_t(*grown)[32];
	uint64_t size;
	int fd;

	if (!text_of(hash, sizeof hash, row->commit_hash))
		return true;
	fd = input_file_open(l->d->config.data_dir, row->sha256, &size, &note);
	if (fd < 0) {
		/* Its batch can be put again: nothing was promised about inputs but their 201. */
		log_event(LOG_ERROR, "input_missing", log_u64("batch", row->batch),
			  log_str("commit_hash", hash), log_str("reason", note.text));
		return true;
	}
	close(fd);
	if (size != row->size) {
		why_set(&note, "its file has %" PRIu64 " bytes instead of %" PRIu64, size,
			row->size);
		log_event(LOG_ERROR, "input_missing", log_u64("batch", row->batch),
			  log_str("commit_hash", hash), log_str("reason", note.text));
		return true;
	}
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		grown = realloc(l->files, l->cap * sizeof *grown);
		if (!grown) {
			why_set(why, "out of memory");
			return false;
		}
		l->files = grown;
	}
	memcpy(l->files[l->n++], row->sha256, 32);
	switch (work_add_input(l->d->work, row->batch, hash, row->sha256, row->size, &note)) {
	case WORK_INPUT_NEW: l->d->input_bytes += row->size; return true;
	case WORK_INPUT_SAME:
	case WORK_INPUT_VERIFIED: return true;
	case WORK_INPUT_CONFLICT:
	case WORK_INPUT_NO_ROOM:
	case WORK_INPUT_BAD:
	case WORK_INPUT_NO_MEMORY: break;
	}
	why_set(why, "batch %" PRIu64 ": %s", row->batch, note.text);
	return false;
}

static bool load_proof(void *arg, const struct store_proof *row, struct why *why)
{
	struct loading *l = arg;
	char source[WORK_SOURCE_SIZE] = "";
	struct eth_address signer;
	struct work_proof wp = {.batch = row->batch,
				.type = (enum prover_type)row->prover_type,
				.source = source,
				.size = row->bytes.n + row->public_values.n};

	memcpy(signer.b, row->signer, 20);
	text_of(source, sizeof source, row->source);
	/* Large proofs come without their bytes: a later copy of one is then kept once more. */
	if (!row->bytes.p && row->bytes.n)
		memcpy(wp.sha256, &row->id, sizeof row->id);
	else if (!proofs_digest(wp.sha256, row->bytes,
				span_of(row->public_values.p,
					row->public_values.p ? row->public_values.n : 0)))
		return false;
	if (row->prover_type < 0 || row->prover_type >= PROVER_TYPES ||
	    !work_restore_candidate(l->d->work, row->id, &wp, (enum work_state)row->state,
				    row->has_signer ? &signer : NULL)) {
		why_set(why,
			"the stored proof %" PRIu64 " of batch %" PRIu64 " cannot be taken over",
			row->id, row->batch);
		return false;
	}
	return true;
}

static bool load_lease(void *arg, const struct store_lease *row, struct why *why)
{
	struct loading *l = arg;
	char source[WORK_SOURCE_SIZE] = "";

	(void)why;
	text_of(source, sizeof source, row->source);
	if (row->prover_type >= 0 && row->prover_type < PROVER_TYPES)
		work_restore_lease(l->d->work, row->batch, (enum prover_type)row->prover_type,
				   source, row->expires_ms, l->now);
	return true;
}

static bool load_prover(void *arg, const struct store_prover *row, struct why *why)
{
	struct loading *l = arg;
	struct registrar_prover p = {.kind = (enum registrar_payload_kind)row->payload_kind,
				     .payload = row->payload,
				     .first_seen_ms = row->first_seen_ms,
				     .last_seen_ms = row->last_seen_ms,
				     .last_proof_ms = row->last_proof_ms,
				     .proofs = row->proofs_good,
				     .revoked = row->state == 1};

	memcpy(p.signer.b, row->signer, 20);
	text_of(p.source, sizeof p.source, row->source);
	text_of(p.refused.text, sizeof p.refused.text, row->reason);
	if (registrar_restore(l->d->registrar, &p))
		return true;
	why_set(why, "the stored provers do not fit: raise ETHREX_PROOF_COORDINATOR_MAX_PROVERS");
	return false;
}

static bool load_intent(void *arg, const struct store_intent *row, struct why *why)
{
	struct loading *l = arg;

	return agenda_restore_intent(l->d->agenda, row, why);
}

bool daemon_load(struct daemon *d, struct why *why)
{
	const struct store_visitor visitor = {.fact = load_fact,
					      .input = load_input,
					      .proof = load_proof,
					      .lease = load_lease,
					      .prover = load_prover,
					      .intent = load_intent};
	struct loading l = {.d = d, .now = clock_wall_ms()};
	struct work_counts counts;
	size_t removed = 0;
	bool ok;

	ok = input_files_prepare(d->config.data_dir, why) == INPUT_OK &&
	     store_load(d->store, &visitor, &l, why) == STORE_OK &&
	     input_files_sweep(d->config.data_dir, (const uint8_t(*)[32])l.files, l.n, &removed,
			       why) == INPUT_OK;
	free(l.files);
	if (!ok)
		return false;
	work_counts(d->work, &counts);
	log_event(LOG_INFO, "state_loaded", log_u64("batches", counts.batches),
		  log_u64("inputs", counts.inputs),
		  log_u64("candidates", counts.candidates[WORK_CANDIDATE]),
		  log_u64("good", counts.candidates[WORK_GOOD]),
		  log_u64("provers", registrar_count(d->registrar)),
		  log_u64("swept_files", removed));
	return true;
}
