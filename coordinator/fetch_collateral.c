#include "coordinator/fetch_collateral.h"

#include "coordinator/base/clock.h"
#include "coordinator/collateral/collateral.h"
#include "verifier/tools/collateral_dir.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fetch {
	struct collateral *c;
	struct buf *out;
	struct why *why;
	bool ok;
};

static bool is_text(struct tdxv_bytes b)
{
	size_t i;

	for (i = 0; i < b.n; i++)
		if (b.p[i] < '\t' || b.p[i] > '~')
			return false;
	return true;
}

static json_t *piece_json(struct tdxv_bytes piece)
{
	json_t *j;
	char *hex;

	if (is_text(piece))
		return json_stringn((const char *)piece.p, piece.n);
	hex = malloc(2 * piece.n + 1);
	if (!hex)
		return NULL;
	hex_encode(hex, piece.p, piece.n);
	j = json_string(hex);
	free(hex);
	return j;
}

/* The file's name without its ending. */
static void piece_name(char out[64], enum collateral_file file)
{
	const char *name = collateral_file_name(file);

	snprintf(out, 64, "%.*s", (int)strcspn(name, "."), name);
}

static bool write_bundle(struct buf *out, const struct collateral_set *set)
{
	struct tdxv_collateral_input pieces = set->pieces;
	json_t *root = json_object();
	char name[64], *text;
	bool ok = root != NULL;
	int i;

	for (i = 0; ok && i < COLLATERAL_FILES; i++) {
		const struct tdxv_bytes *piece =
		    collateral_file_piece(&pieces, (enum collateral_file)i);

		if (piece->n == 0)
			continue; /* the QE identity's chain when it is the TCB info's */
		piece_name(name, (enum collateral_file)i);
		ok = json_object_set_new(root, name, piece_json(*piece)) == 0;
	}
	text = ok ? json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;
	ok = text && buf_add_str(out, text) && buf_add(out, "\n", 1);
	free(text);
	json_decref(root);
	return ok;
}

static void on_set(void *arg, const struct collateral_set *set, const char *sentence)
{
	struct fetch *f = arg;

	f->ok = set && !*sentence && write_bundle(f->out, set);
	if (!f->ok)
		why_set(f->why, "%s", *sentence ? sentence : "out of memory");
	collateral_close(f->c, NULL, NULL);
}

static bool platform_of(struct collateral_key *key, struct span quote, struct why *why)
{
	struct tdxv_why reason;
	struct tdxv_quote q;
	struct tdxv_pck pck;

	if (tdxv_quote_parse(&q, quote.p, quote.n, &reason) != TDXV_OK ||
	    tdxv_quote_pck(&pck, &q, &reason) != TDXV_OK) {
		why_set(why, "%s", reason.text);
		return false;
	}
	*key = collateral_key_of(&pck);
	return true;
}

/* The cache first, as a directory that is only read: the daemon may be writing it. */
static struct collateral_settings settings_of(const struct config *c, const char *sources)
{
	return (struct collateral_settings){.sources = sources,
					    .root_crl_url = c->collateral_root_crl_url,
					    .ca_file = c->collateral_ca_file,
					    .root_file = c->dcap_root_file,
					    .data_dir = "",
					    .update = c->collateral_early ? COLLATERAL_EARLY
									  : COLLATERAL_STANDARD,
					    .tcb_evaluation_number = (uint32_t)c->collateral_number,
					    .timeout_ms = (uint32_t)c->collateral_timeout_ms,
					    .piece_max = CONFIG_COLLATERAL_MAX_PIECE_BYTES};
}

bool fetch_collateral(struct buf *out, const struct config *c, struct span quote, struct why *why)
{
	char sources[2 * CONFIG_TEXT_MAX + 32];
	struct fetch f = {.out = out, .why = why};
	const int64_t now = (int64_t)(clock_wall_ms() / 1000);
	struct collateral_settings s = settings_of(c, sources);
	struct collateral_key key;
	uv_loop_t loop;

	snprintf(sources, sizeof sources, "dir:%s/collateral,%s", c->data_dir,
		 c->collateral_sources);
	if (!platform_of(&key, quote, why))
		return false;
	if (uv_loop_init(&loop) != 0) {
		why_set(why, "the event loop does not start");
		return false;
	}
	if (collateral_new(&f.c, &loop, &s, now, why) &&
	    !collateral_get(f.c, &key, now, on_set, &f, why))
		collateral_close(f.c, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return f.ok;
}
