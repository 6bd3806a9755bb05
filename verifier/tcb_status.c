#include "verifier/internal.h"

#include <string.h>

static const char *const names[] = {
    [TDXV_TCB_UP_TO_DATE] = "UpToDate",
    [TDXV_TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
    [TDXV_TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
    [TDXV_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
    [TDXV_TCB_OUT_OF_DATE] = "OutOfDate",
    [TDXV_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
    [TDXV_TCB_REVOKED] = "Revoked",
    [TDXV_TCB_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
    [TDXV_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
    [TDXV_TCB_NOT_SUPPORTED] = "NotSupported",
    [TDXV_TCB_NOT_EVALUATED] = "NotEvaluated",
};

const char *tdxv_tcb_status_name(enum tdxv_tcb_status s)
{
	return (unsigned)s <= TDXV_TCB_NOT_EVALUATED ? names[s] : "NotEvaluated";
}

bool tdxv_tcb_status_parse(enum tdxv_tcb_status *s, const char *word, size_t n)
{
	unsigned i;

	for (i = 0; i < TDXV_TCB_NOT_SUPPORTED; i++) {
		if (strlen(names[i]) == n && memcmp(names[i], word, n) == 0) {
			*s = (enum tdxv_tcb_status)i;
			return true;
		}
	}
	*s = TDXV_TCB_NOT_EVALUATED;
	return false;
}

static bool needs_configuration(enum tdxv_tcb_status s)
{
	return s == TDXV_TCB_CONFIGURATION_NEEDED ||
	       s == TDXV_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
	       s == TDXV_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

enum tdxv_tcb_status tdxv_tcb_converge(enum tdxv_tcb_status platform,
				       enum tdxv_tcb_status component)
{
	if (platform == TDXV_TCB_REVOKED || component == TDXV_TCB_REVOKED)
		return TDXV_TCB_REVOKED;
	if (component != TDXV_TCB_OUT_OF_DATE)
		return platform;
	return needs_configuration(platform) ? TDXV_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED
					     : TDXV_TCB_OUT_OF_DATE;
}

enum tdxv_tcb_status tdxv__relaunch(enum tdxv_tcb_status launch, enum tdxv_tcb_status current)
{
	if (launch != TDXV_TCB_OUT_OF_DATE && launch != TDXV_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED)
		return launch;
	if (current > TDXV_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED)
		return launch;
	return needs_configuration(launch) || needs_configuration(current)
		   ? TDXV_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
		   : TDXV_TCB_TD_RELAUNCH_ADVISED;
}

static bool covers(const uint8_t *have, const uint8_t *need, unsigned from)
{
	unsigned i;

	for (i = from; i < 16; i++)
		if (have[i] < need[i])
			return false;
	return true;
}

const struct level *tdxv__platform_level(const struct tcb_info *t, const struct tdxv_pck *pck,
					 const uint8_t *tee_tcb_svn)
{
	unsigned i;

	for (i = 0; i < t->n_levels; i++) {
		const struct level *l = &t->level[i];

		if (!covers(pck->comp_svn, l->sgx, 0) || pck->pcesvn < l->pcesvn)
			continue;
		/* A module with a major version is judged by its own identity: components 0 and 1
		 * are its SVN and version, not the platform's. */
		if (t->tdx && !covers(tee_tcb_svn, l->tdx, tee_tcb_svn[1] > 0 ? 2 : 0))
			continue;
		return l;
	}
	return NULL;
}

const struct level *tdxv__isvsvn_level(const struct level *level, unsigned n, unsigned svn)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (svn >= level[i].isvsvn)
			return &level[i];
	return NULL;
}

const struct module *tdxv__module(const struct tcb_info *t, const uint8_t *tee_tcb_svn)
{
	unsigned i;

	for (i = 0; i < t->n_modules; i++)
		if (t->module[i].major == tee_tcb_svn[1])
			return &t->module[i];
	return NULL;
}
