/* What a platform lacks for the newest level that is not behind. */
#include "verifier/internal.h"

#include <stdio.h>
#include <string.h>

#define QE_ISVSVN 258

struct list {
	struct tdxv_shortfall *at;
	size_t cap, n;
};

static void compare(struct list *l, const char *what, int index, unsigned have, unsigned need)
{
	struct tdxv_shortfall *s;

	if (have >= need)
		return;
	if (l->n < l->cap) {
		s = &l->at[l->n];
		*s = (struct tdxv_shortfall){.have = have, .need = need};
		if (index)
			snprintf(s->what, sizeof s->what, "%s %d", what, index);
		else
			snprintf(s->what, sizeof s->what, "%s", what);
	}
	l->n++;
}

static bool is_behind(enum tdxv_tcb_status s)
{
	return s == TDXV_TCB_OUT_OF_DATE || s == TDXV_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED ||
	       s == TDXV_TCB_REVOKED;
}

/* Levels come highest first: the last one that is not behind asks for the least. NULL: none. */
static const struct level *least_current(const struct level *level, unsigned n)
{
	const struct level *found = NULL;
	unsigned i;

	for (i = 0; i < n && !is_behind(level[i].status); i++)
		found = &level[i];
	return found;
}

static void compare_platform(struct list *l, const struct tdxv_verdict *v, const struct tcb_info *t)
{
	static const char *const tdx_name[16] = {"TDX module SVN", "TDX module version",
						 "TDX late microcode update"};
	const uint8_t *svn = v->quote.body.p + TDXV_TD_TEE_TCB_SVN;
	const struct level *want = least_current(t->level, t->n_levels);
	int i;

	if (!want)
		return;
	for (i = 0; i < 16; i++)
		compare(l, i == 7 ? "SEAMLDR ACM (SGX TCB component)" : "SGX TCB component", i + 1,
			v->pck.comp_svn[i], want->sgx[i]);
	compare(l, "PCE SVN", 0, v->pck.pcesvn, want->pcesvn);
	for (i = v->quote.tdx && svn[1] > 0 ? 2 : 0; v->quote.tdx && i < 16; i++)
		compare(l, tdx_name[i] ? tdx_name[i] : "TDX TCB component", tdx_name[i] ? 0 : i + 1,
			svn[i], want->tdx[i]);
}

size_t tdxv_tcb_shortfalls(struct tdxv_shortfall *out, size_t cap, const struct tdxv_verdict *v,
			   const struct tdxv_collateral *c)
{
	struct list l = {out, cap, 0};
	const struct module *module;
	const struct level *want;
	const uint8_t *svn, *qe;

	if (!c->has_tcb_info || v->check[TDXV_CHECK_PCK_EXTENSION].status != TDXV_PASS)
		return 0;
	compare_platform(&l, v, &c->tcb_info);
	svn = v->quote.body.p + TDXV_TD_TEE_TCB_SVN;
	module = v->quote.tdx && svn[1] > 0 ? tdxv__module(&c->tcb_info, svn) : NULL;
	want = module ? least_current(module->level, module->n_levels) : NULL;
	if (want)
		compare(&l, "TDX module SVN", 0, svn[0], want->isvsvn);
	want = c->has_qe_identity ? least_current(c->qe_identity.level, c->qe_identity.n_levels)
				  : NULL;
	qe = v->quote.qe_report.p + QE_ISVSVN;
	if (want)
		compare(&l, "quoting enclave SVN", 0, qe[0] | (unsigned)qe[1] << 8, want->isvsvn);
	return l.n;
}
