/* The way to the key that sends: given, in a keystore, or at a remote signer; one of them. */
#include "coordinator/base/file.h"
#include "coordinator/base/url.h"
#include "coordinator/config/internal.h"
#include "coordinator/signing/keystore.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define P "ETHREX_PROOF_COORDINATOR_"

static bool is_words(const char *text)
{
	unsigned words = 0;

	for (; *text; text += strspn(text, " \t\r\n"), words++) {
		const size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz");

		if (!n || !strchr(" \t\r\n", text[n]))
			return false;
		text += n;
	}
	return words >= 12;
}

void config_describe_no_key(struct why *out, const char *text)
{
	const char *digits = text + (strncasecmp(text, "0x", 2) == 0 ? 2 : 0);
	const size_t n = strspn(digits, "0123456789abcdefABCDEF");

	if (*text == '{')
		why_set(out, "it is JSON; an encrypted key file is given as " P "KEYSTORE_FILE");
	else if (strncmp(text, "-----BEGIN", 10) == 0)
		why_set(out, "it is PEM");
	else if (is_words(text))
		why_set(out, "it is several words; of a mnemonic the key of one account is wanted");
	else if (digits[n])
		why_set(out, "character %zu of %zu is no hex digit",
			(size_t)(digits - text) + n + 1, strlen(text));
	else if (n == 64)
		why_set(out, "its number is 0, or not below the curve's order");
	else
		why_set(out, "it has %zu hex digits%s", n,
			n == 40              ? ", as an address has"
			: n > 127 && n < 131 ? ", as a public key has"
					     : "");
}

static bool is_one_way(struct loader *l)
{
	const struct config *c = l->c;
	const bool remote = c->remote_signer_url[0] || c->remote_signer_public_key[0];
	const unsigned ways =
	    (unsigned)c->has_l1_key + (c->keystore_file[0] != '\0') + (unsigned)remote;

	/* Where upstream alone submits nothing is verified from here; and what is wrong with a key
	 * that was given was said. */
	if (!ways && (!c->submit_l1 || config_is_bad(l, offsetof(struct config, l1_key))))
		return false;
	if (!ways)
		config_mistake(l, P "L1_PRIVATE_KEY or ..._L1_PRIVATE_KEY_FILE is needed: the key "
				    "that sends verifyBatches (or ..._KEYSTORE_FILE, or "
				    "..._REMOTE_SIGNER_URL)");
	else if (ways > 1)
		config_mistake(l,
			       "there are %u ways to the key that sends verifyBatches, and one is "
			       "wanted:%s%s%s",
			       ways, c->has_l1_key ? " " P "L1_PRIVATE_KEY" : "",
			       c->keystore_file[0] ? " " P "KEYSTORE_FILE" : "",
			       remote ? " " P "REMOTE_SIGNER_URL" : "");
	return ways == 1;
}

static bool open_keystore(struct loader *l)
{
	struct config *c = l->c;
	struct why why = {""};
	struct buf file;
	bool ok = false;

	if (!c->keystore_password[0]) {
		if (!config_is_bad(l, offsetof(struct config, keystore_password)))
			config_mistake(l, P "KEYSTORE_PASSWORD or ..._KEYSTORE_PASSWORD_FILE is "
					    "needed, and not empty: what opens " P "KEYSTORE_FILE");
		return false;
	}
	buf_init(&file, KEYSTORE_FILE_MAX);
	if (file_read(&file, c->keystore_file, &why))
		ok = keystore_decrypt(&c->l1_key, buf_span(&file), c->keystore_password, &why) ==
		     KEYSTORE_OK;
	buf_free(&file);
	if (!ok)
		config_mistake(l, P "KEYSTORE_FILE: %s", why.text);
	return ok && eth_key_address(&c->verify_from, &c->l1_key);
}

static bool check_remote(struct loader *l)
{
	struct config *c = l->c;
	const char *url = c->remote_signer_url, *flaw = url_http_flaw(url);
	char masked[URL_MASKED_SIZE];
	struct why why = {""};

	url_mask(masked, sizeof masked, url);
	if (!url[0] || !c->remote_signer_public_key[0])
		config_mistake(l, P "REMOTE_SIGNER_URL and " P
				    "REMOTE_SIGNER_PUBLIC_KEY belong together");
	else if (flaw)
		config_mistake(l, P "REMOTE_SIGNER_URL: \"%s\" %s", masked, flaw);
	else if (strpbrk(url, "?#, "))
		config_mistake(l, P "REMOTE_SIGNER_URL has a query, a fragment or several URLs");
	else if (!eth_public_key_parse(c->remote_point, c->remote_signer_public_key, &why))
		config_mistake(l, P "REMOTE_SIGNER_PUBLIC_KEY: %s", why.text);
	else {
		eth_public_key_address(&c->verify_from, c->remote_point);
		return true;
	}
	return false;
}

static void keep_running(struct config *c, const struct config *running)
{
	memcpy(c->remote_point, running->remote_point, sizeof c->remote_point);
	c->verify_from = running->verify_from;
	c->register_from = running->register_from;
	c->has_verify_from = running->has_verify_from;
	c->has_register_from = running->has_register_from;
	c->has_l1_key = running->has_l1_key;
	c->has_tdx_key = running->has_tdx_key;
}

void config_check_keys(struct loader *l)
{
	struct config *c = l->c;

	if (l->running) {
		keep_running(c, l->running);
		return;
	}
	if (c->keystore_password[0] && !c->keystore_file[0])
		config_mistake(l, P "KEYSTORE_PASSWORD is given, and no " P "KEYSTORE_FILE");
	if (is_one_way(l)) {
		if (c->has_l1_key)
			c->has_verify_from = eth_key_address(&c->verify_from, &c->l1_key);
		else
			c->has_verify_from =
			    c->keystore_file[0] ? open_keystore(l) : check_remote(l);
	}
	if (c->has_tdx_key) {
		c->has_register_from = eth_key_address(&c->register_from, &c->tdx_key);
	} else if (!c->has_l1_key) {
		/* Whoever gave a key apart for verifyBatches gives one apart for registrations. */
		c->register_from = c->verify_from;
		c->has_register_from = c->has_verify_from;
	}
}
