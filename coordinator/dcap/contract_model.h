/*
 * contract_model.h -- what the contract that is faced says of a platform that Intel's library calls
 * UpToDate.
 *
 * Automata's contracts differ from Intel's library: they compare all 16 TDX components where Intel
 * leaves out the module's own two, and know no member of a level's "tcb" beside components and
 * PCESVN; v1.0 knows no TDX module of version 0, and no TCB info with fields of another year. Which
 * of it holds for a quote is found here, before gas is spent. DcapVerifier decides as the library
 * does, but for TDATTRIBUTES, which no policy of ours softens there. Pure.
 *
 * Source: contracts/src/DcapVerifier.sol; Automata's V4QuoteVerifier, TCBInfoV3Base and
 * FmspcTcbHelper of v1.0 and v1.1.
 */
#ifndef COORDINATOR_DCAP_CONTRACT_MODEL_H
#define COORDINATOR_DCAP_CONTRACT_MODEL_H

#include "coordinator/dcap/onchain_pccs.h"

/* tcb_info, qe_identity: the signed objects that the contract will judge with, which may be others
 * than those that Intel's verdict is by; empty: not known. True: the contract agrees, as far as it
 * is known. False with the sentence, which begins with the contract's name. */
bool contract_model_agrees(enum pccs_stack stack, const struct tdxv_quote *quote,
			   const struct tdxv_pck *pck, struct span tcb_info,
			   struct span qe_identity, struct why *why);

#endif
