#include "coordinator/base/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void url_mask(char *out, size_t size, const char *url)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL;

	if (u && !curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) &&
	    !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
	    !curl_url_get(u, CURLUPART_HOST, &host, 0)) {
		/* A scheme that curl does not know has no default. */
		curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
		snprintf(out, size, "%s://%s%s%s", scheme, host, port ? ":" : "", port ? port : "");
	} else
		snprintf(out, size, "(unreadable URL)");
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
}

const char *url_http_flaw(const char *url)
{
	char masked[URL_MASKED_SIZE];

	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return "is neither http:// nor https://";
	url_mask(masked, sizeof masked, url);
	return strstr(masked, "://") ? NULL : "has no host, or a port that is none";
}

bool url_host_is_loopback(const char *host)
{
	unsigned char ip[4];

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       strcmp(host, "::1") == 0 || (inet_pton(AF_INET, host, ip) == 1 && ip[0] == 127);
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

bool url_ok(const char *url, struct why *why)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL, masked[URL_MASKED_SIZE];
	bool ok = false;

	url_mask(masked, sizeof masked, url);
	if (!u || curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0))
		why_set(why, "what is there is not a URL (not shown: it may hold a key), which is "
			     "https://HOST[:PORT][/PATH]");
	else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		why_set(why, "\"%s\" has a user or password in it, which are not sent", masked);
	else if (has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT))
		why_set(why, "\"%s\" has a query or fragment after its path", masked);
	else if (strcmp(scheme, "http") == 0 && !url_host_is_loopback(host))
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
