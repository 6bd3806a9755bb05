/*
 * pccs_internal.h -- what the files of pccs share; nobody else includes it.
 */
#ifndef COORDINATOR_DCAP_INTERNAL_H
#define COORDINATOR_DCAP_INTERNAL_H

#include "coordinator/dcap/onchain_pccs.h"

#define CALL_MAX  260 /* of a read: selector, three words and a short string */
#define SENDS_MAX 2   /* of one piece in one job */

#define TCB_TYPE_TDX     1u
#define TCB_VERSION      3u
#define IDENTITY_TD_QE   2u
#define IDENTITY_VERSION 4u

enum choice { /* DcapVerifier's, numbered as on chain: which evaluation number counts */
	      CHOICE_STANDARD,
	      CHOICE_EARLY,
	      CHOICE_FIXED,
};

enum item_id { /* in the order in which the contracts take them */
	       ITEM_ROOT,
	       ITEM_ROOT_CRL,
	       ITEM_PCK_CA,
	       ITEM_SIGNING,
	       ITEM_PCK_CRL,
	       ITEM_NUMBERS,
	       ITEM_IDENTITY,
	       ITEM_TCB,
	       ITEMS,
};

struct item {
	char name[PCCS_NAME_MAX];
	bool needed; /* by the stack that was found */

	/* what the job brought */
	bool ours;
	struct buf exact; /* the signed JSON object, or DER */
	uint8_t signature[64], hash[32];
	int64_t from, to;
	uint32_t number; /* tcbEvaluationDataNumber */
	bool judges;     /* the contracts will judge with ours, not with the chain's */

	/* what the chain holds */
	bool has_dao, has_key, read;
	struct eth_address dao;
	uint8_t key[32], chain_hash[32];
	int64_t chain_from, chain_to; /* both 0: absent */
	struct buf held;              /* the chain's JSON, or CRL; may be empty */
	uint32_t chain_number;        /* its tcbEvaluationDataNumber; 0: not known */
	bool no_attester;             /* its DAO takes uploads from attesters, and we are none */

	unsigned sends;
	bool overtaken;     /* the contract says that ours is not newer than its own */
	bool permanent;     /* of blocked */
	struct why blocked; /* why ours cannot be uploaded; empty: it can */
};

enum stage {
	STAGE_ENTRY,     /* what the entry point is */
	STAGE_VERIFIER,  /* its verifier's router */
	STAGE_ROUTER,    /* the router's DAOs */
	STAGE_NUMBER,    /* versioned and own: the evaluation number */
	STAGE_VERSIONED, /* versioned: the DAOs of that number */
	STAGE_KEYS,      /* under which key each piece stands */
	STAGE_STATE,     /* window and hash of each */
	STAGE_DECIDE,
	STAGE_SEND, /* an upload is with the caller */
	STAGE_OVER,
};

struct answer {
	bool here;
	enum pccs_answer kind;
	uint8_t data[64];
	size_t n;
	char text[200]; /* when it is not OK */
};

struct read {
	struct eth_address to;
	uint8_t calldata[CALL_MAX];
	size_t n;
	const char *signature;
	struct item *holds; /* not NULL: asks for the JSON or CRL that is held of it */
	struct answer answer;
};

struct pccs {
	struct pccs_settings settings;
	struct eth_address entry;
	uint8_t fmspc[6];
	enum pccs_ca ca;
	struct eth_address sender;
	uint64_t gas_cap;
	bool insists;
	bool crl_due;
	struct item item[ITEMS];

	enum stage stage;
	bool asked; /* the reads of this stage are with the caller */
	size_t n_reads;
	struct read read[PCCS_READS_MAX];
	enum pccs_step_kind end; /* OVER: READY, REFUSED or WAIT */
	struct why sentence;

	enum pccs_stack stack;
	bool leaf_only, async_upload;
	struct eth_address verifier, router;
	enum choice choice;
	uint32_t number; /* that the contracts verify with now; 0 is not known, or any */
	uint32_t counts; /* the same once our list is there, if it goes there */
	uint32_t listed_standard, listed_early;
	bool numbers_sought;
	struct pccs_lack lack;
	char number_text[200];

	/* What is due, in order; the first n_sending of it are with the caller. */
	enum item_id sending[ITEMS];
	size_t n_sending;
	bool multicall;      /* several may go in one transaction: */
	size_t together_max; /* at most so many */
	unsigned order, of;
	struct buf calldata; /* of the upload */
};

/* pccs.c */
/* Ends the job; kind is READY, REFUSED or WAIT. */
void pccs_end(struct pccs *p, enum pccs_step_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* pccs_pieces.c */
/* False: the job is over. */
bool pccs_take_pieces(struct pccs *p, const struct pccs_job *job);
/* Appends the call that uploads ours. */
bool pccs_upload_calldata(struct buf *out, const struct pccs *p, const struct item *item,
			  struct why *why);

/* pccs_batch.c */
const struct eth_address *pccs_multicall(void);
/* Appends a call that asks nothing of it. */
bool pccs_multicall_probe(struct buf *out);
bool pccs_multicall_is_there(const uint8_t *answer, size_t n);
/* Fills calldata with as many of those that are due as go together, and sets n_sending. */
bool pccs_batch_calldata(struct pccs *p, struct why *why);
/* True: fewer of them are to be tried, and nothing is known of any yet. */
bool pccs_batch_smaller(struct pccs *p, enum pccs_sent sent);

/* pccs_find.c */
/* Queues the reads of the stage; when there are none the stage has moved on. */
void pccs_ask(struct pccs *p);
/* All answers are here: moves to the next stage or ends the job. */
void pccs_take_answers(struct pccs *p);

/* The answer to a read of what is held. */
void pccs_take_held(struct pccs *p, struct item *item, struct span data);

/* pccs_judge.c */
/* Chooses the next upload, or ends the job. */
void pccs_decide(struct pccs *p, int64_t now);
/* The answer to the upload of the one that was sent. */
void pccs_upload_reverted(struct pccs *p, struct item *item, struct span data);

#endif
