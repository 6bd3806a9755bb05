#include "coordinator/collateral/source.h"

#include "coordinator/l1/rpc.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCCS_PREFIX "pccs+"
#define DIR_PREFIX  "dir:"

static bool is_loopback(const char *host)
{
	unsigned char ip[4];

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (uv_inet_pton(AF_INET, host, ip) == 0 && ip[0] == 127);
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

bool collateral_url_ok(const char *url, struct why *why)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, masked[COLLATERAL_NAME_SIZE];
	bool ok = false;

	rpc_mask_url(masked, sizeof masked, url);
	if (!u || curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0))
		why_set(why, "\"%s\" is not a URL", masked);
	else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		why_set(why, "\"%s\" has a user or password in it, which are not sent", masked);
	else if (has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT))
		why_set(why, "\"%s\" has a query or fragment after its path", masked);
	else if (strcmp(scheme, "http") == 0 && !is_loopback(host))
		why_set(why, "\"%s\" is plain http and not on this host: use https", masked);
	else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		why_set(why, "\"%s\" is neither http:// nor https://", masked);
	else
		ok = true;
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(u);
	return ok;
}

static bool parse_one(struct collateral_source *s, const char *text, struct why *why)
{
	bool pccs = strncmp(text, PCCS_PREFIX, strlen(PCCS_PREFIX)) == 0;
	char masked[COLLATERAL_NAME_SIZE - sizeof PCCS_PREFIX];
	size_t n;

	memset(s, 0, sizeof *s);
	if (strncmp(text, DIR_PREFIX, strlen(DIR_PREFIX)) == 0) {
		const char *path = text + strlen(DIR_PREFIX);

		if (!*path) {
			why_set(why, "\"dir:\" names no directory");
			return false;
		}
		s->kind = COLLATERAL_DIRECTORY;
		snprintf(s->at, sizeof s->at, "%s", path);
		snprintf(s->name, sizeof s->name, "dir:%.100s", path);
		return true;
	}
	if (pccs)
		text += strlen(PCCS_PREFIX);
	if (!collateral_url_ok(text, why))
		return false;
	s->kind = pccs ? COLLATERAL_PCCS : COLLATERAL_PCS;
	snprintf(s->at, sizeof s->at, "%s", text);
	for (n = strlen(s->at); n && s->at[n - 1] == '/'; n--)
		s->at[n - 1] = '\0';
	rpc_mask_url(masked, sizeof masked, text);
	snprintf(s->name, sizeof s->name, "%s%s", pccs ? PCCS_PREFIX : "", masked);
	return true;
}

bool collateral_sources_parse(struct collateral_source out[COLLATERAL_SOURCES_MAX], size_t *n,
			      const char *text, struct why *why)
{
	char *copy = strdup(text), *save = NULL, *one;
	bool ok = copy != NULL;

	*n = 0;
	if (!ok)
		why_set(why, "out of memory");
	for (one = ok ? strtok_r(copy, ", ", &save) : NULL; one && ok;
	     one = strtok_r(NULL, ", ", &save)) {
		if (*n == COLLATERAL_SOURCES_MAX) {
			why_set(why, "more than %d sources", COLLATERAL_SOURCES_MAX);
			ok = false;
		} else if (strlen(one) >= sizeof out->at) {
			why_set(why, "a source of %zu characters is too long", strlen(one));
			ok = false;
		} else {
			ok = parse_one(&out[*n], one, why);
			*n += ok;
		}
	}
	if (ok && !*n) {
		why_set(why, "no source is named");
		ok = false;
	}
	free(copy);
	return ok;
}
