/*
 * A source's answer: status, the header with the issuer chain, the body. The first byte chooses the
 * part that was asked for and whether the rest is the answer as it is (chain, newline, body) or
 * edits to a good one; the second the status.
 *
 * Promise: an answer that is no good has a sentence, and so has a part that does not pass the
 * check.
 */
#include "coordinator/collateral/internal.h"
#include "tests/fuzz/coordinator/edits.h"
#include "tests/unit/verifier/forge.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAW        0x80
#define ANSWER_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct forged x;
static struct collateral_key key;
static struct buf list;                     /* of TCB evaluation numbers */
static struct buf answer[COLLATERAL_PARTS]; /* chain, newline, body */
static const struct collateral_source source = {
    .kind = COLLATERAL_PCCS, .at = "https://pccs.example", .name = "https://pccs.example"};

static const struct buf *body_of(int id)
{
	switch (id) {
	case COLLATERAL_TCB_INFO: return &x.tcb_info;
	case COLLATERAL_QE_IDENTITY: return &x.qe_identity;
	case COLLATERAL_PCK_CRL: return &x.pck_crl;
	case COLLATERAL_NUMBERS: return &list;
	default: return &x.root_crl;
	}
}

static const struct buf *chain_of(int id)
{
	static const struct buf none;

	switch (id) {
	case COLLATERAL_TCB_INFO:
	case COLLATERAL_QE_IDENTITY: return &x.tcb_chain;
	case COLLATERAL_PCK_CRL: return &x.pck_crl_chain;
	default: return &none;
	}
}

static void build_list(void)
{
	static const char body[] =
	    "{\"id\":\"TDX\",\"version\":1,\"issueDate\":\"2026-01-10T00:00:00Z\",\"nextUpdate\":"
	    "\"2026-02-09T00:00:00Z\",\"tcbEvalNumbers\":[{\"tcbEvaluationDataNumber\":17,"
	    "\"tcbRecoveryEventDate\":\"2025-01-01T00:00:00Z\",\"tcbDate\":"
	    "\"2025-01-01T00:00:00Z\"}]}";
	uint8_t raw[64];
	char hex[129];

	forge_sign(raw, KEY_TCB, body, sizeof body - 1);
	hex_encode(hex, raw, sizeof raw);
	buf_init(&list, ANSWER_MAX);
	if (!buf_printf(&list, "{\"tcbEvaluationDataNumbers\":%s,\"signature\":\"%s\"}", body, hex))
		abort();
}

static void build(void)
{
	struct forge f;

	forge_init(&f);
	forge_build(&x, &f);
	build_list();
	memcpy(key.fmspc, f.fmspc, sizeof key.fmspc);
	key.ca = COLLATERAL_PLATFORM;
	for (int id = 0; id < COLLATERAL_PARTS; id++) {
		const struct buf *chain = chain_of(id), *body = body_of(id);

		buf_init(&answer[id], ANSWER_MAX);
		for (size_t i = 0; i < chain->len; i++)
			buf_printf(&answer[id], isalnum(chain->p[i]) ? "%c" : "%%%02X",
				   chain->p[i]);
		if (!buf_add_str(&answer[id], "\n") || !buf_add(&answer[id], body->p, body->len))
			abort();
	}
}

static void check(struct collateral_part part[COLLATERAL_PARTS])
{
	struct collateral_check c = {
	    .key = &key, .part = part, .root_pem = buf_span(&x.root), .now = FORGE_NOW};

	collateral_check(&c);
	for (int id = 0; id < COLLATERAL_PARTS; id++)
		if ((c.verdict[id] == PART_BAD || c.verdict[id] == PART_STALE) &&
		    !c.why[id].text[0])
			abort();
	tdxv_collateral_free(c.checked);
}

/* The part that came between those that were there. */
static void among_others(struct collateral_part *came, int id)
{
	struct collateral_part part[COLLATERAL_PARTS] = {0};

	for (int i = 0; i < COLLATERAL_PARTS; i++) {
		const struct buf *chain = chain_of(i), *body = body_of(i);

		if (i == id)
			continue;
		buf_init(&part[i].body, ANSWER_MAX);
		buf_init(&part[i].chain, ANSWER_MAX);
		if (!buf_add(&part[i].body, body->p, body->len) ||
		    !buf_add(&part[i].chain, chain->p, chain->len))
			abort();
	}
	collateral_part_move(&part[id], came);
	check(part);
	for (int i = 0; i < COLLATERAL_PARTS; i++)
		collateral_part_free(&part[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const long statuses[] = {200, 200, 200, 200, 404, 410, 429, 302, 500, 0};
	static uint8_t text[ANSWER_MAX + 1];
	const struct collateral_asking asking = {
	    .source = &source, .root_crl_url = "", .key = &key};
	struct collateral_reply reply = {.arrived = true, .sentence = ""};
	struct collateral_part part = {0};
	struct why why = {""};
	size_t size;
	uint8_t *newline;
	int id;

	if (!x.root.len)
		build();
	if (n < 2 || n - 2 > ANSWER_MAX)
		return 0;
	id = data[0] % COLLATERAL_PARTS;
	reply.status = statuses[data[1] % (sizeof statuses / sizeof *statuses)];
	size = data[0] & RAW ? n - 2 : answer[id].len;
	memcpy(text, data[0] & RAW ? data + 2 : answer[id].p, size);
	if (!(data[0] & RAW))
		apply_edits(text, size, data + 2, n - 2);
	newline = memchr(text, '\n', size);
	if (!newline)
		return 0;
	*newline = '\0';
	reply.chain = newline == text ? NULL : (const char *)text;
	reply.retry_after = reply.chain;
	reply.body = span_of(newline + 1, size - (size_t)(newline + 1 - text));
	if (http_retry_after(reply.retry_after, FORGE_NOW) > 86400)
		abort();
	if (collateral_reply_read(&part, &asking, (enum collateral_part_id)id, &reply, &why) ==
	    COLLATERAL_OK)
		among_others(&part, id);
	else if (!why.text[0] || part.body.len)
		abort();
	return 0;
}
