/* For those who would rather not know a struct's layout: other languages, and programs that outlive
 * a release. */
#include "verifier/internal.h"

#include <stdlib.h>
#include <string.h>

const char *tdxv_version(void)
{
	return TDXV_VERSION;
}

/* ---- verdicts without their layout ---- */

struct tdxv_verdict *tdxv_verdict_new(void)
{
	return calloc(1, sizeof(struct tdxv_verdict));
}

void tdxv_verdict_free(struct tdxv_verdict *v)
{
	free(v);
}

bool tdxv_verdict_accepted(const struct tdxv_verdict *v)
{
	return v->accepted;
}

bool tdxv_verdict_authentic(const struct tdxv_verdict *v)
{
	return v->authentic;
}

enum tdxv_tcb_status tdxv_verdict_tcb_status(const struct tdxv_verdict *v)
{
	return v->tcb_status;
}

struct tdxv_policy *tdxv_policy_new(void)
{
	struct tdxv_policy *p = calloc(1, sizeof *p);

	if (p)
		tdxv_policy_default(p);
	return p;
}

void tdxv_policy_free(struct tdxv_policy *p)
{
	free(p);
}

/* ---- a bundle of collateral ---- */

struct piece {
	const char *name;
	size_t at; /* in struct tdxv_collateral_input */
};

static const struct piece pieces[] = {
    {"tcb_info", offsetof(struct tdxv_collateral_input, tcb_info)},
    {"qe_identity", offsetof(struct tdxv_collateral_input, qe_identity)},
    {"tcb_signing_chain", offsetof(struct tdxv_collateral_input, tcb_signing_chain)},
    {"qe_identity_signing_chain",
     offsetof(struct tdxv_collateral_input, qe_identity_signing_chain)},
    {"pck_crl", offsetof(struct tdxv_collateral_input, pck_crl)},
    {"pck_crl_issuer_chain", offsetof(struct tdxv_collateral_input, pck_crl_issuer_chain)},
    {"root_ca_crl", offsetof(struct tdxv_collateral_input, root_ca_crl)},
};

/* \uXXXX of a character that is ASCII: there is no other in collateral. */
static bool ascii_escape(uint8_t *out, const uint8_t *hex, size_t n)
{
	unsigned value = 0;
	size_t i;

	if (n < 4)
		return false;
	for (i = 0; i < 4; i++) {
		const uint8_t c = hex[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + (unsigned)((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	*out = (uint8_t)value;
	return value > 0 && value < 0x80;
}

/* A JSON string, quotes included, into room, which is as long as it at least. */
static bool unescape(struct tdxv_bytes *out, uint8_t *room, struct tdxv_bytes raw)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	size_t i, n = 0;

	for (i = 1; i + 1 < raw.n; i++) {
		const char *known;

		if (raw.p[i] != '\\') {
			room[n++] = raw.p[i];
			continue;
		}
		i++;
		known = raw.p[i] ? strchr(from, raw.p[i]) : NULL;
		if (known) {
			room[n++] = (uint8_t)to[known - from];
		} else if (raw.p[i] == 'u' &&
			   ascii_escape(&room[n], raw.p + i + 1, raw.n - i - 2)) {
			n++;
			i += 4;
		} else {
			return false;
		}
	}
	*out = tdxv__bytes(room, n);
	return true;
}

static struct tdxv_bytes *piece_named(struct tdxv_collateral_input *in, struct tdxv_bytes key)
{
	size_t i;

	for (i = 0; i < sizeof pieces / sizeof *pieces; i++)
		if (tdxv__bytes_are(key, pieces[i].name))
			return (struct tdxv_bytes *)(void *)((char *)in + pieces[i].at);
	return NULL;
}

/* The pieces point into room, of text.n bytes. */
static bool read_bundle(struct tdxv_collateral_input *in, uint8_t *room, struct tdxv_bytes text,
			struct tdxv_why *why)
{
	struct json_object members;
	struct tdxv_bytes key, raw;
	struct json j;
	size_t used = 0;

	memset(in, 0, sizeof *in);
	tdxv__json_init(&j, text, why);
	if (!tdxv__json_object(&j, &members))
		return false;
	while (tdxv__json_member(&j, &members, &key)) {
		struct tdxv_bytes *piece = piece_named(in, key);

		if (!piece)
			return tdxv__json_fail(&j, "a member that is no piece of collateral");
		if (tdxv__json_peek(&j) != '"' || !tdxv__json_skip(&j, &raw))
			return tdxv__json_fail(&j, "a piece of collateral that is no string");
		if (!unescape(piece, room + used, raw))
			return tdxv__json_fail(&j, "an escape that no collateral has");
		used += piece->n;
	}
	return !j.failed && tdxv__json_end(&j);
}

/* ---- from bytes to text ---- */

static char *error_text(enum tdxv_error e, const struct tdxv_why *why)
{
	char *text = malloc(1024);
	struct sink s = {text, 1024, 0};

	if (!text)
		return NULL;
	tdxv__put(&s, "{\"error\":\"%s\",\"message\":", tdxv_error_name(e));
	tdxv__put_json_string(&s, tdxv__bytes(why->text, strlen(why->text)));
	tdxv__put(&s, "}");
	tdxv__put_end(&s);
	return text;
}

static char *verdict_text(const uint8_t *quote, size_t n, const struct tdxv_collateral *collateral,
			  const struct tdxv_policy *policy, int64_t now)
{
	struct tdxv_verdict *v = tdxv_verdict_new();
	char *text = NULL;
	size_t length;

	if (v) {
		tdxv_verify(v, quote, n, collateral, policy, NULL, now);
		length = tdxv_verdict_json(NULL, 0, v);
		text = malloc(length + 1);
		if (text)
			tdxv_verdict_json(text, length + 1, v);
	}
	tdxv_verdict_free(v);
	return text;
}

char *tdxv_judge(const uint8_t *quote, size_t n, const char *collateral, const char *policy,
		 const char *root_pem, int64_t now)
{
	const struct tdxv_bytes bundle = tdxv__bytes(collateral, strlen(collateral));
	const struct tdxv_bytes root = tdxv__bytes(root_pem, root_pem ? strlen(root_pem) : 0);
	struct tdxv_policy *p = tdxv_policy_new();
	uint8_t *room = malloc(bundle.n + 1);
	struct tdxv_collateral *c = NULL;
	struct tdxv_collateral_input in;
	enum tdxv_error e = TDXV_OK;
	struct tdxv_why why = {""};
	char *text = NULL;

	if (p && room) {
		if (policy)
			e = tdxv_policy_parse(p, policy, strlen(policy), &why);
		if (e == TDXV_OK && !read_bundle(&in, room, bundle, &why))
			e = TDXV_ERR_PIECE_FORMAT;
		if (e == TDXV_OK)
			e = tdxv_collateral_new(&c, &in, root, &why);
		text = e == TDXV_OK ? verdict_text(quote, n, c, p, now) : error_text(e, &why);
	}
	tdxv_collateral_free(c);
	tdxv_policy_free(p);
	free(room);
	return text;
}

void tdxv_text_free(char *text)
{
	free(text);
}
