#include "coordinator/config/config_tls.h"

#include "coordinator/config/internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define P "ETHREX_PROOF_COORDINATOR_TLS_"

static bool parse_listen(struct config *c, struct why *why)
{
	char shown[CONFIG_SHOWN_SIZE];
	const char *text = c->tls_listen, *colon = strrchr(text, ':');
	const bool v6 = text[0] == '[';
	size_t n = colon ? (size_t)(colon - text) : 0;
	uint8_t address[16];
	char *end;

	if (v6 && n > 2 && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n && n < sizeof c->tls_address && strspn(colon + 1, "0123456789") &&
	    strlen(colon) < 7) {
		memcpy(c->tls_address, text, n);
		c->tls_address[n] = '\0';
		c->tls_port = strtoul(colon + 1, &end, 10);
		if (!*end && c->tls_port <= 65535 &&
		    inet_pton(v6 ? AF_INET6 : AF_INET, c->tls_address, address) == 1)
			return true;
	}
	why_set(why, P "LISTEN: \"%.100s\" is not a numeric ADDRESS:PORT or [IPv6]:PORT",
		config_shown(shown, c->tls_listen));
	return false;
}

struct certificates_options config_certificates(const struct config *c)
{
	return (struct certificates_options){.certificate_file = c->tls_certificate_file,
					     .key_file = c->tls_key_file,
					     .client_ca_file = c->tls_client_ca_file,
					     .client_keys = c->tls_client_keys};
}

static bool has_a_key(const struct config *c)
{
	return config_is_key(c->tls_listen) || config_is_key(c->tls_certificate_file) ||
	       config_is_key(c->tls_key_file) || config_is_key(c->tls_client_ca_file);
}

bool config_check_tls(struct config *c, bool files, struct why *why)
{
	const struct certificates_options options = config_certificates(c);
	struct certificates *tried;
	struct tls_pins pins;

	if (!c->tls_listen[0] || has_a_key(c)) /* such a value was refused already, unseen */
		return true;
	if (!parse_listen(c, why))
		return false;
	if (!c->tls_certificate_file[0] || !c->tls_key_file[0]) {
		why_set(why, P "%s is needed with " P "LISTEN",
			c->tls_certificate_file[0] ? "KEY_FILE" : "CERTIFICATE_FILE");
		return false;
	}
	if (!tls_pins_parse(&pins, c->tls_client_keys, why)) {
		why_wrap(why, P "CLIENT_KEYS");
		return false;
	}
	if (!files)
		return true;
	if (!certificates_new(&tried, &options, why)) {
		why_wrap(why, P "CERTIFICATE_FILE, KEY_FILE, CLIENT_CA_FILE");
		return false;
	}
	certificates_free(tried);
	return true;
}
