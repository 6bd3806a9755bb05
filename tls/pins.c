#include "tls/tls.h"

#include <string.h>

#define SEPARATORS ", \t\r\n"

bool tls_pins_parse(struct tls_pins *out, const char *text, struct why *why)
{
	out->n = 0;
	for (text += strspn(text, SEPARATORS); *text; text += strspn(text, SEPARATORS)) {
		const size_t n = strcspn(text, SEPARATORS);

		if (out->n == TLS_PINS_MAX) {
			why_set(why, "more than %d keys", TLS_PINS_MAX);
			return false;
		}
		if (!hex_decode(out->hash[out->n], TLS_KEY_HASH, text, n)) {
			why_set(why,
				"\"%.*s\" is not the SHA-256 of a SubjectPublicKeyInfo in hex (64 "
				"digits)",
				n > 80 ? 80 : (int)n, text);
			return false;
		}
		out->n++;
		text += n;
	}
	return true;
}

bool tls_pinned(const struct tls_pins *pins, const uint8_t hash[TLS_KEY_HASH])
{
	size_t i;

	for (i = 0; i < pins->n; i++)
		if (memcmp(pins->hash[i], hash, TLS_KEY_HASH) == 0)
			return true;
	return false;
}
