/* All that the status page shows, in one answer of a bounded size. */
#include "coordinator/admin/internal.h"

#include "coordinator/base/clock.h"

#define PROVERS_SHOWN   64
#define PLATFORMS_SHOWN 32
#define VERDICTS_SHOWN  20
#define ATTEMPTS_SHOWN  8

static json_t *hash_json(const uint8_t hash[32])
{
	char text[2 * 32 + 3] = "0x";

	hex_encode(text + 2, hash, 32);
	return json_string(text);
}

/* The newest attempts, oldest first. */
static json_t *attempts_json(const struct sender_intent *in)
{
	json_t *list = json_array();
	unsigned i = in->n_attempts > ATTEMPTS_SHOWN ? in->n_attempts - ATTEMPTS_SHOWN : 0;

	for (; i < in->n_attempts; i++) {
		const struct sender_attempt *t = &in->attempts[i];

		json_array_append_new(
		    list, json_pack("{s:I, s:I, s:I, s:o}", "nonce", (json_int_t)t->nonce,
				    "max_fee_per_gas_wei", (json_int_t)t->max_fee,
				    "max_priority_fee_per_gas_wei", (json_int_t)t->tip, "hash",
				    hash_json(t->hash)));
	}
	return list;
}

static const char *kind_name(enum sender_kind kind)
{
	static const char *const names[] = {"verify", "register", "upload"};

	return names[kind];
}

/* What it is about: batches, or a key. */
static json_t *goal_json(enum sender_kind kind, uint64_t first, uint64_t last,
			 const struct eth_address *signer)
{
	const bool batches = kind == SENDER_VERIFY;

	return json_pack("{s:s, s:o, s:o, s:o}", "kind", kind_name(kind), "first_batch",
			 batches ? json_integer((json_int_t)first) : json_null(), "last_batch",
			 batches ? json_integer((json_int_t)last) : json_null(), "signer",
			 batches ? json_null() : admin_address(signer));
}

static json_t *transaction_json(const struct sender_intent *in)
{
	json_t *j;

	if (!in)
		return json_null();
	j = goal_json(in->kind, in->first_batch, in->last_batch, &in->signer);
	json_object_update_new(j, json_pack("{s:o, s:o, s:I, s:i, s:o}", "from",
					    admin_address(&in->from), "to", admin_address(&in->to),
					    "gas_limit", (json_int_t)in->gas, "attempts_made",
					    (int)in->n_attempts, "attempts", attempts_json(in)));
	return j;
}

static json_t *past_json(const struct agenda *agenda)
{
	json_t *list = json_array(), *j;
	const struct agenda_past *p;
	size_t i;

	for (i = 0; (p = agenda_past(agenda, i)); i++) {
		j = goal_json(p->kind, p->first_batch, p->last_batch, &p->signer);
		json_object_update_new(
		    j, json_pack(
			   "{s:I, s:s, s:s, s:i, s:o, s:o, s:o, s:o}", "at_ms",
			   (json_int_t)p->at_ms, "outcome", sender_outcome_text(p->outcome),
			   "sentence", p->sentence.text, "attempts_made", (int)p->attempts, "hash",
			   p->has_receipt ? hash_json(p->hash) : json_null(), "block",
			   p->has_receipt ? json_integer((json_int_t)p->block) : json_null(),
			   "gas_used",
			   p->has_receipt ? json_integer((json_int_t)p->gas_used) : json_null(),
			   "gas_price_wei",
			   p->has_receipt ? json_integer((json_int_t)p->gas_price) : json_null()));
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *verdicts_json(const struct verdicts *v)
{
	json_t *list = verdicts_list(v);

	while (json_array_size(list) > VERDICTS_SHOWN)
		json_array_remove(list, json_array_size(list) - 1);
	return list;
}

static json_t *platforms_json(const struct admin *a)
{
	json_t *list = admin_platforms_json(a);

	while (json_array_size(list) > PLATFORMS_SHOWN)
		json_array_remove(list, json_array_size(list) - 1);
	return list;
}

json_t *admin_overview(const struct admin *a)
{
	const struct admin_parts *d = &a->p;
	struct sender_io *io = agenda_sender(d->agenda);
	const struct sender_intent *in = io ? sender_intent(sender_io_sender(io)) : NULL;

	return json_pack(
	    "{s:I, s:I, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}",
	    "at_ms", (json_int_t)clock_wall_ms(), "uptime_s", (json_int_t)admin_uptime_s(a),
	    "version", a->o.version, "state", admin_state_name(a->state), "tdx_dev_mode",
	    a->o.tdx_dev_mode, "cluster", admin_cluster_json(a), "l1", admin_l1_json(a), "work",
	    admin_work_json(a), "batches", admin_strip_json(a, in), "transaction",
	    transaction_json(in), "transactions", past_json(d->agenda), "provers",
	    admin_provers_json(a, PROVERS_SHOWN), "provers_known",
	    (json_int_t)registrar_count(d->registrar), "platforms", platforms_json(a), "sources",
	    admin_sources_json(a), "verdicts", verdicts_json(d->verdicts), "relay",
	    admin_relay_json(d));
}

void admin_on_overview(struct admin_request *r, const char *rest)
{
	(void)rest;
	admin_json(r, MHD_HTTP_OK, admin_overview(r->admin));
}
