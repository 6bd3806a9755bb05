/*
 * pccs.h -- what the on-chain PCCS lacks for one quote, and which upload comes next.
 *
 * A contract that verifies quotes reads collateral from DAO contracts. For the quote at hand this
 * machine finds them from the entry point on, tells the stacks apart, reads what they hold, and
 * asks for exactly the uploads that are missing, expired, about to expire, or of a lower evaluation
 * number than what the caller has, in the order in which the contracts take them. What is still
 * good is left alone though ours is newer, until the caller insists: the contracts' verdict needs
 * it. Where the chain has Multicall3 as many as fit go up in one transaction.
 *
 * Pure: the caller makes the calls and sends the transactions. One job at a time:
 *
 *     pccs_begin(p, &job, &why);
 *     while (pccs_next(p, now, &step, &why) == PCCS_READ || step.kind == PCCS_SEND)
 *             READ: eth_call each of step.reads, without "from"; pccs_answer() for each
 *             SEND: dry run, send, receipt; pccs_sent()
 *
 * READY, REFUSED and WAIT end the job: pccs_next() repeats them until the next pccs_begin(), which
 * looks at everything anew.
 */
#ifndef COORDINATOR_DCAP_ONCHAIN_PCCS_H
#define COORDINATOR_DCAP_ONCHAIN_PCCS_H

#include "encoding/bytes.h"
#include "encoding/why.h"
#include "ethereum/address.h"
#include "verifier/include/tdxverify.h"

#define PCCS_READS_MAX 20 /* of one step */
#define PCCS_NAME_MAX  64

struct pccs_settings {
	/* Take the place of what is found on chain; zero: as found. The DAO of PCK certificates is
	 * not among them: quotes carry theirs. */
	struct eth_address enclave_id_dao, fmspc_tcb_dao, pcs_dao;
	uint64_t margin_s; /* what ends sooner than this is about to expire, and is named */
	bool enabled;      /* else nothing is sent: somebody else uploads */
};

struct pccs;

/* NULL: out of memory. */
struct pccs *pccs_new(const struct pccs_settings *settings);
void pccs_free(struct pccs *p);

enum pccs_ca { /* who issued the PCK certificate, by common name; numbered as on chain */
	       PCCS_PROCESSOR = 1,
	       PCCS_PLATFORM = 2,
};

struct pccs_job {
	struct eth_address entry; /* TDXVerifier.quoteVerifier() */
	uint8_t fmspc[6];
	enum pccs_ca ca;
	struct eth_address sender; /* of uploads; zero: not known */
	uint64_t gas_cap;          /* of one upload; 0: none */
	/* As served. A piece that is not there is empty: then only the chain's own can serve. All
	 * are copied as far as they are needed. They should have been verified before. */
	struct tdxv_collateral_input pieces;
	/* Intel's list, {"tcbEvaluationDataNumbers":...}, for the stacks that go by it; may be
	 * empty. By it these numbers count now; 0: none. */
	struct tdxv_bytes evaluation_numbers;
	uint32_t listed_standard, listed_early;
	bool numbers_sought; /* the sources were asked for the list, even if none gave it */
};

/* False: the job is over already, and pccs_next() says the same as the sentence. */
bool pccs_begin(struct pccs *p, const struct pccs_job *job, struct why *why);

/* ---- what next ---- */

enum pccs_step_kind {
	PCCS_READ,
	PCCS_SEND,
	PCCS_READY,   /* the contracts have all they need; the sentence tells what was left alone */
	PCCS_REFUSED, /* not with these pieces and these contracts, however often it is tried */
	PCCS_WAIT,    /* not now: begin again when time has passed or other pieces have come */
};

struct pccs_read {
	struct eth_address to;
	struct span calldata;
};

struct pccs_step {
	enum pccs_step_kind kind;
	size_t n_reads;
	struct pccs_read reads[PCCS_READS_MAX];
	/* SEND */
	struct eth_address to;
	struct span calldata;
	char name[PCCS_NAME_MAX]; /* "TCB info of FMSPC b0c06f000000", "root CA CRL and 5 more" */
	unsigned pieces;          /* that go up with it */
	unsigned order, of;       /* its first is upload number order of those known to be due */
};

/* Returns step->kind. Every kind has a sentence. Spans are the machine's, good until the next call
 * that is not const. A step is repeated until it has been answered. now: unix seconds. */
enum pccs_step_kind pccs_next(struct pccs *p, int64_t now, struct pccs_step *step, struct why *why);

enum pccs_answer {
	PCCS_OK,       /* data: what was returned */
	PCCS_REVERTED, /* data: the revert's; may be empty */
	PCCS_NO_CODE,  /* nothing is deployed there; an OK without data means the same */
	PCCS_FAILED,   /* no endpoint could say; sentence */
};

/* The answer to read i of the last step; late and doubled ones are ignored. sentence may be NULL.
 */
void pccs_answer(struct pccs *p, size_t i, enum pccs_answer answer, struct span data,
		 const char *sentence);

enum pccs_sent {
	PCCS_MINED,
	PCCS_SEND_REVERTED,     /* in the dry run or on chain; data: the revert's */
	PCCS_SEND_DOES_NOT_FIT, /* needs more gas than a transaction or block may have */
	PCCS_SEND_FAILED,       /* could not be sent or followed; sentence */
};

/* The outcome of the last step's SEND. */
void pccs_sent(struct pccs *p, enum pccs_sent sent, struct span data, const char *sentence);

/* At a SEND or after READY: the chain's pieces will not do, so ours go there where they are newer.
 * pccs_next() says what follows. False: that was so already. */
bool pccs_insist(struct pccs *p);

/* At a SEND: whether CRLs are among what is uploaded by and by. */
bool pccs_sends_crl(const struct pccs *p);

/* The TCB info that the contracts will judge with once all uploads are made: ours, or the chain's
 * own where that is left alone; and its tcbEvaluationDataNumber. Empty: not known. Known from the
 * first SEND or READY on. */
struct span pccs_tcb_info(const struct pccs *p, uint32_t *number);
/* The same of the QE identity. */
struct span pccs_qe_identity(const struct pccs *p);
/* Whether a CRL of the chain's, which is left alone, revokes the quote's PCK certificate or its
 * CA's, with the sentence. Of Automata's contracts, whose CRLs can be read. */
bool pccs_revokes(const struct pccs *p, const struct tdxv_quote *quote, struct why *why);

struct pccs_lack {
	uint32_t number; /* not 0: collateral of this tcbEvaluationDataNumber */
	bool numbers;    /* Intel's list of these numbers */
};
/* After a WAIT: whether other pieces than the job's are what is waited for. */
bool pccs_lacks(const struct pccs *p, struct pccs_lack *out);

/* ---- what is known ---- */

enum pccs_stack {
	PCCS_STACK_UNKNOWN,
	PCCS_STACK_AUTOMATA_V1_0, /* one DAO of each kind */
	PCCS_STACK_AUTOMATA_V1_1, /* a DAO for each tcbEvaluationDataNumber, uploads by attesters */
	PCCS_STACK_OWN,           /* contracts/src/DcapVerifier.sol */
};

enum pccs_stack pccs_stack(const struct pccs *p);
const char *pccs_stack_name(enum pccs_stack stack);
/* The contract takes quotes whose certification data is the PCK certificate alone, in DER. */
bool pccs_takes_leaf_only(const struct pccs *p);
/* The tcbEvaluationDataNumber that the contracts verify with; 0: any, or not known yet. Collateral
 * of another number cannot be uploaded. */
uint32_t pccs_wanted_evaluation_number(const struct pccs *p);

enum pccs_state {
	PCCS_UNREAD,
	PCCS_ABSENT,
	PCCS_EXPIRED,
	PCCS_EXPIRING, /* within the margin */
	PCCS_FRESH,
};

struct pccs_item {
	char name[PCCS_NAME_MAX];
	struct eth_address dao; /* zero while it is not known */
	enum pccs_state state;
	int64_t valid_from, valid_to; /* of what the chain holds */
	bool differs;                 /* from the piece that the job brought */
	char text[200];               /* the state in words */
};

/* The i-th piece that the last job's quote needs; false when there is none of that number. */
bool pccs_describe(const struct pccs *p, size_t i, int64_t now, struct pccs_item *out);

#endif
