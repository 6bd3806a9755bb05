/*
 * rows.h -- what the store keeps of provers: each row's writer and reader side by side.
 */
#ifndef COORDINATOR_REGISTRAR_ROWS_H
#define COORDINATOR_REGISTRAR_ROWS_H

#include "coordinator/registrar/registrar.h"
#include "coordinator/store/store.h"

/* ---- a prover ---- */

/* Borrows from prover. */
void prover_row_put(struct store_change *out, const struct registrar_prover *prover);
/* At the start. False with the sentence: the table is full. */
bool prover_row_get(struct registrar *r, const struct store_prover *row, struct why *why);
/* Has what is known of that prover kept, with the next commit: after a crash, a key that has shown
 * proofs must not look like one that never did. Unknown: nothing to do. */
void prover_keep(struct store *store, const struct registrar *r, const struct eth_address *signer);
/* The same, but the row of a key that the registrar does not know is deleted. */
void prover_row_follow(struct store *store, const struct registrar *r,
		       const struct eth_address *signer);

/* A PROVER_PUT or PROVER_DEL of another coordinator. What it says of a key is taken over; where
 * more is known here, and a leader's store is given, it is said again there; NULL: this one does
 * not lead. False with the sentence: no room. */
bool prover_row_foreign(struct registrar *r, const struct store_change *change,
			struct store *leaders, struct why *why);

/* ---- facts ---- */

/* The gas that registrations have used today. */
#define PROVER_GAS_FACT "register_gas"
void prover_gas_keep(struct store *store, const struct registrar *r, uint64_t now_ms);

/* Whom the operator promoted, while it is not done: 20 bytes. */
#define PROVER_PROMOTED_FACT "promoted"
void prover_promoted_put(struct store_change *out, const struct eth_address *signer);
void prover_promoted_drop(struct store *store);

/* What the operator revoked: never dropped but at his word. out borrows from room. */
#define PROVER_REVOKED_FACT "revoked/"
struct prover_revoked_row {
	char key[sizeof PROVER_REVOKED_FACT + REVOCATION_TEXT_SIZE];
	uint8_t value[8];
};
void prover_revoked_put(struct store_change *out, struct prover_revoked_row *room,
			const struct revocation *what);
void prover_revoked_drop(struct store_change *out, struct prover_revoked_row *room,
			 const struct revocation *what);

/* On a shared store: that a registration failed, and when the next is tried; 8 bytes,
 * little-endian, and the sentence. The registrar holds none: dropped. */
#define PROVER_HELD_FACT "register_held"
void prover_held_keep(struct store *store, const struct registrar *r);

/* At the start: any of these facts. False: another one. What is not well formed is passed over. */
bool prover_fact_get(struct registrar *r, const struct store_fact *row);
/* The same of a FACT_PUT or FACT_DEL of another coordinator. *unrevoked: what was refused may pass
 * now. */
bool prover_fact_foreign(struct registrar *r, const struct store_change *change, bool *unrevoked);

#endif
