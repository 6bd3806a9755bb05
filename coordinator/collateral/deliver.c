#include "coordinator/collateral/client.h"
#include "encoding/utf8.h"

#include <stdio.h>
#include <stdlib.h>

static void deliver_later(struct collateral *c, struct delivery *d)
{
	*c->deliveries_end = d;
	c->deliveries_end = &d->next;
	uv_timer_start(&c->soon, collateral_on_soon, 0, 0);
}

static struct delivery *delivery_new(enum delivery_kind kind, const struct collateral_key *key,
				     const struct collateral_set *set, const char *sentence)
{
	struct delivery *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->kind = kind;
	d->key = *key;
	d->set = set ? collateral_set_ref(set) : NULL;
	utf8_print(d->sentence, sizeof d->sentence, "%s", sentence);
	return d;
}

static void delivery_free(struct delivery *d)
{
	collateral_set_unref(d->set);
	free(d);
}

static struct delivery *pop(struct collateral *c)
{
	struct delivery *d = c->deliveries;

	if (d) {
		c->deliveries = d->next;
		if (!c->deliveries)
			c->deliveries_end = &c->deliveries;
	}
	return d;
}

static void call(struct collateral *c, const struct delivery *d)
{
	switch (d->kind) {
	case DELIVER_ANSWER: d->waiter.cb(d->waiter.arg, d->set, d->sentence); break;
	case DELIVER_CHANGED: c->on_changed(c->arg, &d->key, d->set); break;
	case DELIVER_NOTE: c->on_note(c->arg, &d->key, d->sentence); break;
	}
}

void collateral_on_soon(uv_timer_t *t)
{
	struct collateral *c = t->data;
	struct delivery *d;
	size_t n = 0;

	/* Only as many as were owed when this began: an answer may bring forth another question. */
	for (d = c->deliveries; d; d = d->next)
		n++;
	for (; n && !c->closing && (d = pop(c)); n--) {
		if (d->kind == DELIVER_ANSWER)
			c->n_waiters--;
		call(c, d);
		delivery_free(d);
	}
	if (!c->closing && c->deliveries)
		uv_timer_start(&c->soon, collateral_on_soon, 0, 0);
}

void collateral_note(struct collateral *c, const struct collateral_key *key, const char *sentence)
{
	struct delivery *d =
	    c->on_note && !c->closing ? delivery_new(DELIVER_NOTE, key, NULL, sentence) : NULL;

	if (d)
		deliver_later(c, d);
}

void collateral_changed(struct entry *e, const struct collateral_set *set)
{
	struct delivery *d =
	    e->c->on_changed ? delivery_new(DELIVER_CHANGED, &e->key, set, "") : NULL;

	if (d)
		deliver_later(e->c, d);
}

static void answer_one(struct collateral *c, const struct collateral_key *key,
		       const struct waiter *w, const struct collateral_set *set,
		       const char *sentence)
{
	struct delivery *d = delivery_new(DELIVER_ANSWER, key, set, sentence);

	if (!d) { /* it must be told something, and now is all there is */
		c->n_waiters--;
		w->cb(w->arg, NULL, "out of memory");
		return;
	}
	d->waiter = *w;
	deliver_later(c, d);
}

void collateral_answer(struct entry *e, const struct collateral_set *set, const char *sentence)
{
	struct waiter *w;

	while ((w = e->waiters)) {
		e->waiters = w->next;
		answer_one(e->c, &e->key, w, set, sentence);
		free(w);
	}
}

void collateral_answer_now(struct collateral *c, const char *sentence)
{
	struct delivery *d;
	struct waiter *w;
	size_t i;

	while ((d = pop(c))) {
		if (d->kind == DELIVER_ANSWER)
			d->waiter.cb(d->waiter.arg, NULL, sentence);
		delivery_free(d);
	}
	for (i = 0; i < c->n_entries; i++) {
		while ((w = c->entries[i]->waiters)) {
			c->entries[i]->waiters = w->next;
			w->cb(w->arg, NULL, sentence);
			free(w);
		}
	}
}

void collateral_cancel(struct collateral *c, const void *arg)
{
	struct delivery **d = &c->deliveries;
	size_t i;

	for (i = 0; i < c->n_entries; i++) {
		struct waiter **w = &c->entries[i]->waiters;

		while (*w) {
			struct waiter *gone = *w;

			if (gone->arg != arg) {
				w = &gone->next;
				continue;
			}
			*w = gone->next;
			free(gone);
			c->n_waiters--;
		}
	}
	while (*d) {
		struct delivery *gone = *d;

		if (gone->kind != DELIVER_ANSWER || gone->waiter.arg != arg) {
			d = &gone->next;
			continue;
		}
		*d = gone->next;
		delivery_free(gone);
		c->n_waiters--;
	}
	c->deliveries_end = d;
}
