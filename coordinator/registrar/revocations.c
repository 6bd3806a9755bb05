#include "coordinator/registrar/revocations.h"

#include "verifier/include/tdxverify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *prefix;
	size_t size;
} kinds[REVOCATION_KINDS] = {
    [REVOCATION_KEY] = {"", sizeof(struct eth_address)},
    [REVOCATION_PPID] = {"ppid:", 16},
    [REVOCATION_FMSPC] = {"fmspc:", 6},
    [REVOCATION_MRTD] = {"mrtd:", 48},
    [REVOCATION_RTMR0] = {"rtmr0:", 48},
    [REVOCATION_RTMR1] = {"rtmr1:", 48},
    [REVOCATION_RTMR2] = {"rtmr2:", 48},
    [REVOCATION_RTMR3] = {"rtmr3:", 48},
};

/* ---- words ---- */

struct revocation revocation_of_key(const struct eth_address *signer)
{
	struct revocation out = {.kind = REVOCATION_KEY};

	memcpy(out.value, signer->b, sizeof signer->b);
	return out;
}

bool revocation_parse(struct revocation *out, const char *text, struct why *why)
{
	struct eth_address signer;
	struct why reason;
	size_t kind, n;

	for (kind = REVOCATION_KEY + 1; kind < REVOCATION_KINDS; kind++) {
		n = strlen(kinds[kind].prefix);
		if (strncmp(text, kinds[kind].prefix, n) != 0)
			continue;
		*out = (struct revocation){.kind = (enum revocation_kind)kind};
		if (strlen(text + n) == 2 * kinds[kind].size &&
		    hex_decode(out->value, kinds[kind].size, text + n, 2 * kinds[kind].size))
			return true;
		why_set(why, "\"%.120s\": behind %s there are %zu hex digits", text,
			kinds[kind].prefix, 2 * kinds[kind].size);
		return false;
	}
	if (!eth_address_parse(&signer, text, &reason)) {
		if (strlen(text) == ETH_ADDRESS_TEXT_SIZE - 1 && strncmp(text, "0x", 2) == 0)
			*why = reason; /* a digit, or the checksum */
		else
			why_set(why,
				"\"%.120s\" is neither an address (0x and 40 hex digits) nor "
				"ppid:, fmspc:, mrtd: or rtmr0: to rtmr3: with hex digits",
				text);
		return false;
	}
	*out = revocation_of_key(&signer);
	return true;
}

void revocation_print(char out[REVOCATION_TEXT_SIZE], const struct revocation *what)
{
	const char *prefix = kinds[what->kind].prefix;
	struct eth_address signer;

	if (what->kind == REVOCATION_KEY) {
		memcpy(signer.b, what->value, sizeof signer.b);
		eth_address_print(out, &signer);
		return;
	}
	snprintf(out, REVOCATION_TEXT_SIZE, "%s", prefix);
	hex_encode(out + strlen(prefix), what->value, kinds[what->kind].size);
}

/* ---- what a prover can be revoked by ---- */

static void put(struct traits *t, enum revocation_kind kind, const uint8_t *value)
{
	t->has[kind] = true;
	memcpy(t->value[kind], value, kinds[kind].size);
}

void traits_of(struct traits *out, const struct eth_address *signer, struct span payload)
{
	struct tdxv_quote q;
	struct tdxv_pck pck;
	size_t i;

	*out = (struct traits){0};
	put(out, REVOCATION_KEY, signer->b);
	if (tdxv_quote_parse(&q, payload.p, payload.n, NULL) != TDXV_OK || !q.tdx)
		return;
	put(out, REVOCATION_MRTD, q.body.p + TDXV_TD_MRTD);
	for (i = 0; i < 4; i++)
		put(out, (enum revocation_kind)(REVOCATION_RTMR0 + i),
		    q.body.p + TDXV_TD_RTMR0 + 48 * i);
	if (tdxv_quote_pck(&pck, &q, NULL) != TDXV_OK)
		return;
	put(out, REVOCATION_PPID, pck.ppid);
	put(out, REVOCATION_FMSPC, pck.fmspc);
}

bool traits_at(const struct traits *t, enum revocation_kind kind, struct revocation *out)
{
	*out = (struct revocation){.kind = kind};
	memcpy(out->value, t->value[kind], sizeof out->value);
	return t->has[kind];
}

/* ---- the set ---- */

static int order(const void *a, const void *b)
{
	const struct revocation *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return memcmp(x->value, y->value, sizeof x->value);
}

static struct revocation *find(const struct revocations *s, const struct revocation *what)
{
	return s->n ? bsearch(what, s->at, s->n, sizeof *s->at, order) : NULL;
}

bool revocations_has(const struct revocations *s, const struct revocation *what)
{
	return find(s, what) != NULL;
}

void revocations_free(struct revocations *s)
{
	free(s->at);
	*s = (struct revocations){0};
}

bool revocations_add(struct revocations *s, const struct revocation *what, struct why *why)
{
	struct revocation *more;
	size_t i;

	if (find(s, what))
		return true;
	if (s->n == REVOCATIONS_MAX) {
		why_set(why, "%zu are revoked: that is the limit; lift what is of no use any more",
			s->n);
		return false;
	}
	more = realloc(s->at, (s->n + 1) * sizeof *more);
	if (!more) {
		why_set(why, "out of memory");
		return false;
	}
	s->at = more;
	for (i = s->n++; i > 0 && order(&more[i - 1], what) > 0; i--)
		more[i] = more[i - 1];
	more[i] = *what;
	return true;
}

bool revocations_remove(struct revocations *s, const struct revocation *what)
{
	struct revocation *found = find(s, what);

	if (!found)
		return false;
	memmove(found, found + 1, (size_t)(s->at + --s->n - found) * sizeof *found);
	return true;
}

const struct revocation *revocations_find(const struct revocations *s, const struct traits *t)
{
	const struct revocation *found;
	struct revocation what;
	int kind;

	for (kind = 0; kind < REVOCATION_KINDS; kind++) {
		found = traits_at(t, (enum revocation_kind)kind, &what) ? find(s, &what) : NULL;
		if (found)
			return found;
	}
	return NULL;
}
