/*
 * rows.h -- what the store keeps of provers: each row's writer and reader side by side.
 */
#ifndef COORDINATOR_PROVERS_ROWS_H
#define COORDINATOR_PROVERS_ROWS_H

#include "coordinator/provers/registrar.h"
#include "coordinator/store/store.h"

void prover_row_put(struct store_change *out, const struct registrar_prover *prover);
void prover_keep(struct store *store, const struct registrar *registrar,
		 const struct eth_address *signer);
void registrar_gas_keep(struct store *store, const struct registrar *registrar, uint64_t now_ms);

#endif
