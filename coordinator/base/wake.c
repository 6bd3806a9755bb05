#include "coordinator/base/wake.h"

#include <stdlib.h>

struct wake {
	uv_timer_t timer; /* of 0 ms: due in the loop's next turn, and coalesced by being one */
	void (*run)(void *arg);
	void *arg;
	bool closing;
	void (*done)(void *arg);
	void *done_arg;
};

struct wake *wake_new(uv_loop_t *loop, void (*run)(void *arg), void *arg, struct why *why)
{
	struct wake *w = calloc(1, sizeof *w);

	if (!w) {
		why_set(why, "out of memory");
		return NULL;
	}
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	w->run = run;
	w->arg = arg;
	return w;
}

static void on_timer(uv_timer_t *t)
{
	struct wake *w = t->data;

	w->run(w->arg);
}

void wake_up(struct wake *w)
{
	if (!w->closing && !uv_is_active((uv_handle_t *)&w->timer))
		uv_timer_start(&w->timer, on_timer, 0, 0);
}

static void on_closed(uv_handle_t *h)
{
	struct wake *w = h->data;
	void (*done)(void *arg) = w->done;
	void *arg = w->done_arg;

	free(w);
	done(arg);
}

void wake_close(struct wake *w, void (*done)(void *arg), void *arg)
{
	if (!w) {
		done(arg);
		return;
	}
	w->closing = true;
	w->done = done;
	w->done_arg = arg;
	uv_close((uv_handle_t *)&w->timer, on_closed);
}
