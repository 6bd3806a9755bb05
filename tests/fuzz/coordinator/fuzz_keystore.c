/* A keystore's JSON, damaged: refused in words, or a key. */
#include "coordinator/signing/keystore.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct eth_key none;
	struct why why = {""};
	struct eth_key key;
	enum keystore_rc rc;

	rc = keystore_decrypt(&key, span_of(data, size), "testpassword", &why);
	if ((rc == KEYSTORE_OK) == (memcmp(&key, &none, sizeof key) == 0))
		abort();
	if ((rc == KEYSTORE_OK) == (why.text[0] != '\0'))
		abort();
	eth_key_wipe(&key);
	return 0;
}
