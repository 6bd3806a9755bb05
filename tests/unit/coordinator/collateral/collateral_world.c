#include "collateral_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void write_file(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(b->p, 1, b->len, f), b->len);
	assert_int_equal(fclose(f), 0);
}

static void on_changed(void *arg, const struct collateral_key *key,
		       const struct collateral_set *set)
{
	struct world *w = arg;

	assert_memory_equal(key->fmspc, set->key.fmspc, 6);
	w->n_changed++;
}

static void on_note(void *arg, const struct collateral_key *key, const char *sentence)
{
	struct world *w = arg;

	(void)key;
	w->n_notes++;
	snprintf(w->last_note, sizeof w->last_note, "%s", sentence);
}

static void on_beat(uv_timer_t *t)
{
	(void)t;
}

int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	uv_loop_init(&w->loop);
	uv_timer_init(&w->loop, &w->beat);
	uv_timer_start(&w->beat, on_beat, 5, 5);
	snprintf(w->dir, sizeof w->dir, "/tmp/collateral-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	forge_init(&w->forge);
	forge_build(&w->good, &w->forge);
	snprintf(w->root_file, sizeof w->root_file, "%s/root.pem", w->dir);
	write_file(w->root_file, &w->good.root);
	fake_pcs_start(&w->a, &w->loop, &w->good);
	fake_pcs_start(&w->b, &w->loop, &w->good);
	snprintf(w->sources, sizeof w->sources,
		 "http://127.0.0.1:%d,pccs+http://127.0.0.1:%d/pccs/", w->a.port, w->b.port);
	snprintf(w->root_crl_url, sizeof w->root_crl_url, "http://127.0.0.1:%d/root.der",
		 w->a.port);
	w->now = FORGE_NOW;
	w->key = (struct collateral_key){.ca = COLLATERAL_PLATFORM};
	memcpy(w->key.fmspc, w->forge.fmspc, 6);
	w->settings = (struct collateral_settings){.sources = w->sources,
						   .root_crl_url = w->root_crl_url,
						   .root_file = w->root_file,
						   .timeout_ms = 1000,
						   .on_changed = on_changed,
						   .on_note = on_note,
						   .arg = w};
	*state = w;
	return 0;
}

void world_open(struct world *w)
{
	struct why why = {""};

	if (!collateral_new(&w->c, &w->loop, &w->settings, w->now, &why))
		fail_msg("%s", why.text);
}

static void on_closed(void *arg)
{
	*(bool *)arg = true;
}

void world_close(struct world *w)
{
	bool closed = false;

	if (!w->c)
		return;
	collateral_close(w->c, on_closed, &closed);
	while (!closed)
		uv_run(&w->loop, UV_RUN_ONCE);
	w->c = NULL;
}

int world_teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	world_close(w);
	fake_pcs_stop(&w->a);
	fake_pcs_stop(&w->b);
	uv_close((uv_handle_t *)&w->beat, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	snprintf(command, sizeof command, "rm -rf %s", w->dir);
	assert_int_equal(system(command), 0);
	forged_free(&w->good);
	forge_keys_free();
	free(w);
	return 0;
}

void world_on_answer(void *arg, const struct collateral_set *set, const char *sentence)
{
	struct got *g = arg;

	g->n++;
	g->set = set ? collateral_set_ref(set) : NULL;
	snprintf(g->sentence, sizeof g->sentence, "%s", sentence);
}

void got_free(struct got *g)
{
	collateral_set_unref(g->set);
	*g = (struct got){0};
}

void world_ask(struct world *w, int64_t now, struct got *g)
{
	struct why why = {""};

	*g = (struct got){0};
	if (!collateral_get(w->c, &w->key, now, world_on_answer, g, &why))
		fail_msg("%s", why.text);
	assert_int_equal(g->n, 0);
}

void world_wait(struct world *w, struct got *g)
{
	while (!g->n)
		uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(g->n, 1);
}

void world_get(struct world *w, int64_t now, struct got *g)
{
	world_ask(w, now, g);
	world_wait(w, g);
}

static void on_pause(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

/* The callbacks that are owed come in the loop's next round. */
void world_settle(struct world *w)
{
	struct collateral_info info;
	bool busy = true, over = false;
	uv_timer_t pause;
	size_t i;

	while (busy) {
		busy = false;
		for (i = 0; collateral_at(w->c, i, &info); i++)
			busy = busy || info.fetching;
		if (busy)
			uv_run(&w->loop, UV_RUN_ONCE);
	}
	uv_timer_init(&w->loop, &pause);
	pause.data = &over;
	uv_timer_start(&pause, on_pause, 100, 0);
	while (!over)
		uv_run(&w->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&pause, NULL);
	uv_run(&w->loop, UV_RUN_NOWAIT);
}

void world_write_directory(const char *dir, const struct forged *x)
{
	const struct {
		const char *name;
		const struct buf *b;
	} file[] = {{"tcb_info.json", &x->tcb_info},
		    {"qe_identity.json", &x->qe_identity},
		    {"tcb_signing_chain.pem", &x->tcb_chain},
		    {"pck_crl.der", &x->pck_crl},
		    {"pck_crl_issuer_chain.pem", &x->pck_crl_chain},
		    {"root_ca_crl.der", &x->root_crl}};
	char path[256];
	size_t i;

	mkdir(dir, 0700);
	for (i = 0; i < sizeof file / sizeof file[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, file[i].name);
		write_file(path, file[i].b);
	}
}

uint64_t world_count(struct world *w, size_t source, enum collateral_outcome outcome)
{
	struct collateral_source_info info;

	assert_true(collateral_source_at(w->c, source, &info));
	return info.count[outcome];
}
