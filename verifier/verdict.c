#include "verifier/internal.h"

#include <string.h>

static const char *const check_names[] = {
#define NAME(id, name, claim) name,
    TDXV_CHECKS(NAME)
#undef NAME
};

static const char *const check_claims[] = {
#define CLAIM(id, name, claim) claim,
    TDXV_CHECKS(CLAIM)
#undef CLAIM
};

const char *tdxv_check_name(enum tdxv_check_id id)
{
	return (unsigned)id < TDXV_CHECK_COUNT ? check_names[id] : "unknown";
}

const char *tdxv_check_claim(enum tdxv_check_id id)
{
	return (unsigned)id < TDXV_CHECK_COUNT ? check_claims[id] : "unknown";
}

bool tdxv_check_is_policy(enum tdxv_check_id id)
{
	return id >= TDXV_CHECK_POLICY_TCB_STATUS && id < TDXV_CHECK_COUNT;
}

const char *tdxv_error_name(enum tdxv_error e)
{
	switch (e) {
	case TDXV_OK: return "no error";
	case TDXV_ERR_QUOTE_FORMAT: return "malformed quote";
	case TDXV_ERR_POLICY_FORMAT: return "malformed policy";
	case TDXV_ERR_CERT_FORMAT: return "malformed certificate";
	case TDXV_ERR_PIECE_FORMAT: return "malformed collateral";
	case TDXV_ERR_NO_MEMORY: return "out of memory";
	case TDXV_ERR_ARGUMENT: return "invalid argument";
	}
	return "unknown error";
}

/* -- Filling in -- */

struct tdxv_check *tdxv__judge(struct tdxv_check *c, bool ok, const char *reason)
{
	*c =
	    (struct tdxv_check){.status = ok ? TDXV_PASS : TDXV_FAIL, .reason = ok ? NULL : reason};
	return c;
}

void tdxv__got(struct tdxv_check *c, const char *label, struct tdxv_value value)
{
	c->got_label = label;
	c->got = value;
}

void tdxv__want(struct tdxv_check *c, const char *label, struct tdxv_value value)
{
	c->want_label = label;
	c->want = value;
}

struct tdxv_value tdxv__hex(const uint8_t *p, size_t n)
{
	return (struct tdxv_value){TDXV_VALUE_HEX, 0, {p, n}};
}

struct tdxv_value tdxv__text_bytes(struct tdxv_bytes b)
{
	return (struct tdxv_value){TDXV_VALUE_TEXT, 0, b};
}

struct tdxv_value tdxv__text(const char *s)
{
	return tdxv__text_bytes(tdxv__bytes(s, strlen(s)));
}

struct tdxv_value tdxv__number(int64_t n)
{
	return (struct tdxv_value){TDXV_VALUE_NUMBER, n, {NULL, 0}};
}

struct tdxv_value tdxv__time(int64_t t)
{
	return (struct tdxv_value){TDXV_VALUE_TIME, t, {NULL, 0}};
}

struct tdxv_value tdxv__status(enum tdxv_tcb_status s)
{
	return (struct tdxv_value){TDXV_VALUE_STATUS, (int64_t)s, {NULL, 0}};
}

void tdxv__judge_window(struct tdxv_check *c, int64_t now, int64_t from, int64_t to)
{
	tdxv__judge(c, now >= from && now <= to,
		    now < from ? "it is not valid yet" : "it has expired");
	tdxv__got(c, "now", tdxv__time(now));
	tdxv__want(c, now < from ? "valid from" : "valid to", tdxv__time(now < from ? from : to));
}

/* -- Writing out -- */

static void put_value(struct sink *s, const struct tdxv_verdict *v, const struct tdxv_value *x)
{
	char when[32];

	switch (x->kind) {
	case TDXV_VALUE_NONE: break;
	case TDXV_VALUE_HEX: tdxv__put_hex(s, x->bytes); break;
	case TDXV_VALUE_TEXT: tdxv__put_text(s, x->bytes); break;
	case TDXV_VALUE_NUMBER: tdxv__put(s, "%lld", (long long)x->num); break;
	case TDXV_VALUE_TIME:
		tdxv_time_text(when, sizeof when, x->num);
		tdxv__put(s, "%s", when);
		break;
	case TDXV_VALUE_STATUS:
		tdxv__put(s, "%s", tdxv_tcb_status_name((enum tdxv_tcb_status)x->num));
		break;
	case TDXV_VALUE_SENTENCE: tdxv__put(s, "%s", v->text[x->num].text); break;
	}
}

static void put_labelled(struct sink *s, const struct tdxv_verdict *v, const char *separator,
			 const char *label, const struct tdxv_value *x)
{
	if (x->kind == TDXV_VALUE_NONE)
		return;
	tdxv__put(s, "%s%s%s", separator, label, *label ? " " : "");
	put_value(s, v, x);
}

static void put_sentence(struct sink *s, const struct tdxv_verdict *v, enum tdxv_check_id id)
{
	const struct tdxv_check *c = &v->check[id];

	switch (c->status) {
	case TDXV_NOT_RUN: tdxv__put(s, "not looked at: %s", tdxv_check_claim(id)); break;
	case TDXV_PASS:
		tdxv__put(s, "%s", tdxv_check_claim(id));
		put_labelled(s, v, ": ", c->got_label, &c->got);
		break;
	case TDXV_FAIL:
		tdxv__put(s, "not so that %s: %s", tdxv_check_claim(id), c->reason);
		put_labelled(s, v, ": ", c->got_label, &c->got);
		put_labelled(s, v, ", ", c->want_label, &c->want);
		break;
	}
}

size_t tdxv_check_sentence(char *out, size_t cap, const struct tdxv_verdict *v,
			   enum tdxv_check_id id)
{
	struct sink s = {out, cap, 0};

	put_sentence(&s, v, id);
	return tdxv__put_end(&s);
}

size_t tdxv_verdict_summary(char *out, size_t cap, const struct tdxv_verdict *v)
{
	struct sink s = {out, cap, 0};
	const char *separator = "";
	int i;

	for (i = 0; i < TDXV_CHECK_COUNT; i++) {
		if (v->check[i].status != TDXV_FAIL)
			continue;
		tdxv__put(&s, "%s", separator);
		put_sentence(&s, v, (enum tdxv_check_id)i);
		separator = "; ";
	}
	if (s.n == 0)
		tdxv__put(&s, "the quote is %s, TCB status %s",
			  v->accepted ? "accepted" : "not accepted",
			  tdxv_tcb_status_name(v->tcb_status));
	return tdxv__put_end(&s);
}

static void put_json_value(struct sink *s, const struct tdxv_verdict *v, const char *key,
			   const char *label, const struct tdxv_value *x)
{
	char text[2048];
	struct sink t = {text, sizeof text, 0};

	if (x->kind == TDXV_VALUE_NONE)
		return;
	put_value(&t, v, x);
	tdxv__put_end(&t);
	tdxv__put(s, ",\"%s_label\":", key);
	tdxv__put_json_string(s, tdxv__bytes(label, strlen(label)));
	tdxv__put(s, ",\"%s\":", key);
	tdxv__put_json_string(s, tdxv__bytes(text, strlen(text)));
}

static void put_json_check(struct sink *s, const struct tdxv_verdict *v, enum tdxv_check_id id)
{
	static const char *const word[] = {"not_run", "pass", "fail"};
	const struct tdxv_check *c = &v->check[id];

	tdxv__put(s, "{\"check\":\"%s\",\"claim\":\"%s\",\"status\":\"%s\"", tdxv_check_name(id),
		  tdxv_check_claim(id), word[c->status]);
	if (c->reason) {
		tdxv__put(s, ",\"reason\":");
		tdxv__put_json_string(s, tdxv__bytes(c->reason, strlen(c->reason)));
	}
	put_json_value(s, v, "got", c->got_label, &c->got);
	put_json_value(s, v, "want", c->want_label, &c->want);
	tdxv__put(s, "}");
}

static void put_json_tcb(struct sink *s, const char *name, const struct tdxv_tcb *t)
{
	char when[32];

	tdxv_time_text(when, sizeof when, t->date);
	tdxv__put(s,
		  ",\"%s\":{\"status\":\"%s\",\"platform\":\"%s\",\"module\":\"%s\","
		  "\"qe\":\"%s\",\"date\":\"%s\"}",
		  name, tdxv_tcb_status_name(t->status), tdxv_tcb_status_name(t->platform),
		  tdxv_tcb_status_name(t->module), tdxv_tcb_status_name(t->qe), when);
}

static void put_json_list(struct sink *s, const char *name, const struct tdxv_bytes *list,
			  unsigned n)
{
	unsigned i;

	tdxv__put(s, ",\"%s\":[", name);
	for (i = 0; i < n; i++) {
		tdxv__put(s, "%s", i ? "," : "");
		tdxv__put_json_string(s, list[i]);
	}
	tdxv__put(s, "]");
}

size_t tdxv_verdict_json(char *out, size_t cap, const struct tdxv_verdict *v)
{
	struct sink s = {out, cap, 0};
	char when[32];
	int i;

	tdxv_time_text(when, sizeof when, v->now);
	tdxv__put(&s, "{\"accepted\":%s,\"authentic\":%s,\"now\":\"%s\",\"tcb_status\":\"%s\"",
		  v->accepted ? "true" : "false", v->authentic ? "true" : "false", when,
		  tdxv_tcb_status_name(v->tcb_status));
	if (v->launch.status != TDXV_TCB_NOT_EVALUATED) {
		put_json_tcb(&s, "launch", &v->launch);
		if (v->has_current)
			put_json_tcb(&s, "current", &v->current);
	}
	put_json_list(&s, "advisories", v->advisory, v->n_advisories);
	if (v->has_current)
		put_json_list(&s, "current_advisories", v->current_advisory,
			      v->n_current_advisories);
	tdxv__put(&s, ",\"fmspc\":\"");
	tdxv__put_hex(&s, tdxv__bytes(v->pck.fmspc, 6));
	tdxv_time_text(when, sizeof when, v->collateral_valid_to);
	tdxv__put(&s, "\",\"tcb_evaluation_number\":%lu,\"collateral_valid_to\":\"%s\"",
		  (unsigned long)v->tcb_evaluation_number, when);
	if (v->image) {
		tdxv__put(&s, ",\"image\":");
		tdxv__put_json_string(&s, tdxv__bytes(v->image, strlen(v->image)));
	}
	tdxv__put(&s, ",\"checks\":[");
	for (i = 0; i < TDXV_CHECK_COUNT; i++) {
		tdxv__put(&s, "%s", i ? "," : "");
		put_json_check(&s, v, (enum tdxv_check_id)i);
	}
	tdxv__put(&s, "]}");
	return tdxv__put_end(&s);
}
