/* What a remote signer answers: a signature, a list of keys, or refused in words. */
#include "coordinator/signing/remote.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t digest[32] = {1}, point[ETH_POINT_SIZE] = {2};
	uint8_t sig[ETH_SIGNATURE_SIZE];
	struct eth_address by;
	struct why why = {""};
	size_t n;

	if (remote_parse_signature(sig, span_of(data, size), &why)) {
		/* What is normal stays as it is. */
		if (eth_signature_normalise(sig, &why) && eth_signature_normalise(sig, &why))
			eth_recover(&by, digest, sig, ETH_RECOVER_ANY, &why);
	} else if (!why.text[0]) {
		abort();
	}
	/* No point of the curve: it is in no list. */
	if (remote_parse_keys(&n, span_of(data, size), point, &why))
		abort();
	remote_refusal(&why, 500, span_of(data, size));
	return 0;
}
