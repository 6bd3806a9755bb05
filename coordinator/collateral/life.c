#include "coordinator/base/url.h"
#include "coordinator/collateral/client.h"

#include <stdio.h>
#include <stdlib.h>

#define ROOT_PEM_MAX 16384

void collateral_unref(struct collateral *c)
{
	void (*closed)(void *) = c->closed;
	void *arg = c->closed_arg;
	size_t i;

	if (--c->live > 0)
		return;
	for (i = 0; i < c->n_entries; i++)
		collateral_entry_free(c->entries[i]);
	free(c->entries);
	tdxv_collateral_free(c->s.root_only);
	buf_free(&c->s.root_pem);
	free(c);
	if (closed)
		closed(arg);
}

static void on_soon_closed(uv_handle_t *h)
{
	collateral_unref(h->data);
}

static void on_http_closed(void *arg)
{
	collateral_unref(arg);
}

void collateral_close(struct collateral *c, void (*cb)(void *arg), void *arg)
{
	size_t i;

	c->closing = true;
	c->closed = cb;
	c->closed_arg = arg;
	collateral_answer_now(c, "the collateral client was closed");
	for (i = 0; i < c->n_entries; i++) {
		struct entry *e = c->entries[i];

		if (e->fetch && collateral_fetch_stop(e->fetch))
			e->fetch = NULL;
		else if (e->fetch)
			c->live++;
	}
	http_close(c->s.http, on_http_closed, c);
	uv_close((uv_handle_t *)&c->soon, on_soon_closed);
}

static bool copy_text(char *out, size_t size, const char *text, const char *what, struct why *why)
{
	int n = snprintf(out, size, "%s", text ? text : "");

	if (n >= 0 && (size_t)n < size)
		return true;
	why_set(why, "%s is %d characters long, at most %zu are allowed", what, n, size - 1);
	return false;
}

/* A root that is none is found here, not with the first fetch. */
static bool load_root(struct tdxv_collateral **out, struct buf *pem, const char *path,
		      struct why *why)
{
	struct tdxv_collateral_input nothing = {.tcb_info = {NULL, 0}};
	struct tdxv_why wrong;
	uint8_t block[ROOT_PEM_MAX + 1];
	size_t n = 0;
	FILE *f;

	buf_init(pem, ROOT_PEM_MAX);
	if (path && *path) {
		f = fopen(path, "rbe");
		n = f ? fread(block, 1, sizeof block, f) : 0;
		if (f)
			fclose(f);
		if (n == 0 || !buf_add(pem, block, n)) {
			why_set(why, "the root certificate %s %s", path,
				n ? "is too long" : "cannot be read, or is empty");
			return false;
		}
	}
	if (tdxv_collateral_new(out, &nothing, (struct tdxv_bytes){pem->p, n}, &wrong) == TDXV_OK)
		return true;
	why_set(why, "%s%s%s", n ? path : "", n ? ": " : "", wrong.text);
	return false;
}

bool collateral_root_ok(const char *path, struct why *why)
{
	struct tdxv_collateral *root = NULL;
	struct buf pem;
	const bool ok = load_root(&root, &pem, path, why);

	tdxv_collateral_free(root);
	buf_free(&pem);
	return ok;
}

static bool take_settings(struct collateral_shared *s, const struct collateral_settings *o,
			  struct why *why)
{
	struct collateral_source source[COLLATERAL_SOURCES_MAX];
	char cache[sizeof s->cache];
	size_t i;
	FILE *f;

	if (!collateral_sources_parse(source, &s->n_sources, o->sources, why) ||
	    !copy_text(s->root_crl_url, sizeof s->root_crl_url, o->root_crl_url,
		       "the root CRL's URL", why) ||
	    !url_ok(s->root_crl_url, why) ||
	    !copy_text(s->ca_file, sizeof s->ca_file, o->ca_file, "the CA file's path", why) ||
	    !load_root(&s->root_only, &s->root_pem, o->root_file, why))
		return false;
	f = s->ca_file[0] ? fopen(s->ca_file, "rbe") : NULL;
	if (s->ca_file[0] && !f) {
		why_set(why, "the CA file %.200s cannot be read", s->ca_file);
		return false;
	}
	if (f)
		fclose(f);
	if (o->data_dir && *o->data_dir) {
		if (!copy_text(cache, sizeof cache - 16, o->data_dir, "the data directory", why))
			return false;
		snprintf(s->cache, sizeof s->cache, "%.1000s/collateral", cache);
	}
	for (i = 0; i < s->n_sources; i++)
		s->source[i].source = source[i];
	s->update = o->update;
	s->number = o->tcb_evaluation_number;
	s->timeout_ms = o->timeout_ms ? o->timeout_ms : 10000;
	s->piece_max = o->piece_max ? o->piece_max : TDXV_COLLATERAL_PIECE_MAX;
	s->max_keys = o->max_keys ? o->max_keys : 64;
	s->max_stale = o->max_stale;
	s->rest.min = o->rest_min ? o->rest_min : 5;
	s->rest.max = o->rest_max ? o->rest_max : 600;
	s->random = o->seed;
	if (s->piece_max > TDXV_COLLATERAL_PIECE_MAX) {
		why_set(why, "a piece of %zu bytes is more than the %u that can be checked",
			s->piece_max, TDXV_COLLATERAL_PIECE_MAX);
		return false;
	}
	return true;
}

bool collateral_new(struct collateral **out, uv_loop_t *loop,
		    const struct collateral_settings *settings, int64_t now, struct why *why)
{
	struct collateral *c = calloc(1, sizeof *c);

	*out = NULL;
	if (!c) {
		why_set(why, "out of memory");
		return false;
	}
	if (!take_settings(&c->s, settings, why))
		goto fail;
	c->entries = calloc(c->s.max_keys, sizeof(struct entry *));
	c->s.loop = loop;
	c->s.http = c->entries ? http_new(loop, settings->proxy_from_environment,
					  collateral_on_http_round, c, why)
			       : NULL;
	if (!c->entries)
		why_set(why, "out of memory");
	if (!c->s.http)
		goto fail;
	c->deliveries_end = &c->deliveries;
	c->on_changed = settings->on_changed;
	c->on_note = settings->on_note;
	c->arg = settings->arg;
	uv_timer_init(loop, &c->soon);
	c->soon.data = c;
	c->live = 2; /* the timer and http */
	collateral_set_clock(c, now);
	collateral_load_cache(c);
	*out = c;
	return true;
fail:
	tdxv_collateral_free(c->s.root_only);
	buf_free(&c->s.root_pem);
	free(c->entries);
	free(c);
	return false;
}
