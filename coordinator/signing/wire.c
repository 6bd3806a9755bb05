#include "coordinator/signing/wire.h"

#include "encoding/endian.h"

#include <string.h>

/* ---- fields, the same list for both directions ---- */

struct field_io {
	struct buf *out; /* NULL: reads */
	struct span in;
	bool ok;
};

static void bytes(struct field_io *io, void *p, size_t n)
{
	if (!io->ok)
		return;
	if (io->out) {
		io->ok = buf_add(io->out, p, n);
	} else if (io->in.n < n) {
		io->ok = false;
	} else {
		memcpy(p, io->in.p, n);
		io->in.p += n;
		io->in.n -= n;
	}
}

static void number(struct field_io *io, uint64_t *v)
{
	uint8_t be[8];

	put_be64(be, *v);
	bytes(io, be, sizeof be);
	*v = be64(be);
}

/* A byte below limit. */
static unsigned choice(struct field_io *io, unsigned v, unsigned limit)
{
	uint8_t b = (uint8_t)v;

	bytes(io, &b, 1);
	if (b >= limit)
		io->ok = false;
	return io->ok ? b : 0;
}

/* What is left of the packet. */
static void rest(struct field_io *io, struct span *v, size_t max)
{
	if (!io->ok)
		return;
	if (!io->out) {
		*v = io->in;
		io->in.n = 0;
	}
	io->ok = v->n <= max && (!io->out || buf_add(io->out, v->p, v->n));
}

static void tx_fields(struct field_io *io, struct eth_tx *tx)
{
	number(io, &tx->chain_id);
	number(io, &tx->nonce);
	number(io, &tx->max_priority_fee);
	number(io, &tx->max_fee);
	number(io, &tx->gas);
	bytes(io, tx->to.b, sizeof tx->to.b);
	rest(io, &tx->data, WIRE_DATA_MAX);
}

static void fields(struct field_io *io, struct wire_message *m)
{
	int i;

	switch (m->kind) {
	case WIRE_HELLO:
		for (i = 0; i < SIGNING_ACCOUNTS; i++)
			bytes(io, m->keys[i].secret, sizeof m->keys[i].secret);
		number(io, &m->chain_id);
		number(io, &m->max_fee);
		number(io, &m->max_gas);
		break;
	case WIRE_CONTRACT:
		m->what = choice(io, m->what, SIGNING_KINDS);
		bytes(io, m->tx.to.b, sizeof m->tx.to.b);
		break;
	case WIRE_SIGN:
		number(io, &m->id);
		m->what = choice(io, m->what, SIGNING_KINDS);
		tx_fields(io, &m->tx);
		break;
	case WIRE_SETTLED:
		m->who = choice(io, m->who, SIGNING_ACCOUNTS);
		number(io, &m->tx.nonce);
		break;
	case WIRE_READY:
		for (i = 0; i < SIGNING_ACCOUNTS; i++)
			bytes(io, m->from[i].b, sizeof m->from[i].b);
		m->confined = choice(io, m->confined, 2);
		break;
	case WIRE_SIGNED:
		number(io, &m->id);
		bytes(io, m->sig, sizeof m->sig);
		break;
	case WIRE_REFUSED:
		number(io, &m->id);
		rest(io, &m->sentence, WIRE_SENTENCE_MAX);
		break;
	case WIRE_ANEW: rest(io, &m->sentence, WIRE_SENTENCE_MAX); break;
	}
}

bool wire_encode(struct buf *out, const struct wire_message *m)
{
	struct wire_message copy = *m;
	struct field_io io = {.out = out, .ok = true};
	const size_t before = out->len;
	uint8_t kind = (uint8_t)m->kind;

	bytes(&io, &kind, 1);
	fields(&io, &copy);
	if (!io.ok)
		out->len = before;
	secret_wipe(copy.keys, sizeof copy.keys);
	return io.ok;
}

bool wire_decode(struct wire_message *m, struct span packet)
{
	struct field_io io = {.in = packet, .ok = true};
	uint8_t kind = 0;

	memset(m, 0, sizeof *m);
	m->tx.type = ETH_TX_DYNAMIC_FEE;
	bytes(&io, &kind, 1);
	if (!io.ok || kind < WIRE_HELLO || kind > WIRE_ANEW)
		return false;
	m->kind = (enum wire_kind)kind;
	fields(&io, m);
	if (io.ok && io.in.n == 0)
		return true;
	secret_wipe(m->keys, sizeof m->keys);
	return false;
}
