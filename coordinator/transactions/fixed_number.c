#include "coordinator/transactions/fixed_number.h"

#include "coordinator/base/clock.h"
#include "coordinator/base/log.h"
#include "coordinator/l1/call.h"
#include "coordinator/provers/quotes.h"
#include "ethereum/abi.h"
#include "ethereum/uint256.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MS     2000u
#define CHOICE_FIXED 2u /* DcapVerifier.EvaluationChoice */

struct fixed_number {
	const struct desk *desk;
	struct eth_address entry; /* that was asked last */
	bool asking, known;
	uint64_t retry_at; /* monotonic ms */
};

static void ask(struct fixed_number *f, const char *signature, l1_read_cb *then)
{
	uint8_t selector[4] = {0};
	const struct l1_call call = {.to = &f->entry,
				     .calldata = span_of(selector, sizeof selector)};

	abi_selector(selector, signature);
	f->asking = l1_call(f->desk->p->rpc, &call, then, f);
}

/* True: the first word of the answer. False: not known now, or for this contract never. */
static bool take(struct fixed_number *f, const struct l1_read *read, uint64_t *out)
{
	struct uint256 word;

	f->asking = false;
	f->known = read->kind != L1_READ_FAILED;
	if (read->kind != L1_READ_OK || read->data.n < sizeof word.be)
		return false;
	memcpy(word.be, read->data.p, sizeof word.be);
	return uint256_to_u64(out, &word);
}

static void on_number(void *arg, const struct l1_read *read)
{
	struct fixed_number *f = arg;
	struct collateral_want want = {0};
	struct why why = {""};
	uint64_t number;

	if (!take(f, read, &number) || number == 0 || number > UINT32_MAX)
		return;
	want.number = (uint32_t)number;
	log_event(LOG_INFO, "evaluation_number_fixed", log_u64("number", number));
	if (!collateral_want(f->desk->p->collateral, &want, &why)) {
		log_event(LOG_ERROR, "evaluation_number_differs", log_str("reason", why.text));
		return;
	}
	/* What was judged with another is judged anew. */
	quotes_changed(f->desk->p->quotes);
	wake_up(f->desk->p->wake);
}

static void on_choice(void *arg, const struct l1_read *read)
{
	struct fixed_number *f = arg;
	uint64_t choice;

	if (!take(f, read, &choice) || choice != CHOICE_FIXED)
		return;
	f->known = false;
	ask(f, "evaluationNumber()", on_number);
}

void fixed_number_pump(struct fixed_number *f)
{
	const struct l1_facts *facts = l1_facts(f->desk->p->l1);
	const uint64_t now = clock_mono_ms();

	if (!f->desk->p->collateral || !facts || !facts->has_tdx_verifier || facts->tdx_dev_mode ||
	    eth_address_is_zero(&facts->quote_verifier) || f->asking)
		return;
	if (!eth_address_equal(&f->entry, &facts->quote_verifier)) {
		f->entry = facts->quote_verifier;
		f->known = false;
		f->retry_at = 0;
	}
	if (f->known || now < f->retry_at)
		return;
	f->retry_at = now + RETRY_MS;
	ask(f, "evaluationChoice()", on_choice);
}

bool fixed_number_new(struct fixed_number **out, const struct desk *desk, struct why *why)
{
	*out = calloc(1, sizeof **out);
	if (*out)
		(*out)->desk = desk;
	else
		why_set(why, "out of memory");
	return *out != NULL;
}

void fixed_number_free(struct fixed_number *f)
{
	free(f);
}
