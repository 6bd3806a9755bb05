#include "coordinator/transactions/proposal.h"

#include "coordinator/base/file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The call as JSON text; the caller frees it. NULL: no memory. */
static char *call_json(const char *to, const char *signer, struct span calldata)
{
	char *data = malloc(2 * calldata.n + 3), *text = NULL;
	json_t *o = NULL;

	if (data) {
		memcpy(data, "0x", 2);
		hex_encode(data + 2, calldata.p, calldata.n);
		o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "function", "register(bytes)", "signer",
			      signer, "to", to, "value", "0", "data", data);
	}
	if (o)
		text = json_dumps(o, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(o);
	free(data);
	return text;
}

bool proposal_write(char *path, size_t path_size, const char *data_dir,
		    const struct eth_address *verifier, const struct eth_address *signer,
		    struct span calldata, struct why *why)
{
	char to[ETH_ADDRESS_TEXT_SIZE], who[ETH_ADDRESS_TEXT_SIZE], directory[1100];
	char *text;
	bool ok;

	eth_address_print(to, verifier);
	eth_address_print(who, signer);
	snprintf(directory, sizeof directory, "%s/proposals", data_dir);
	snprintf(path, path_size, "%s/%s.json", directory, who);
	text = call_json(to, who, calldata);
	if (!text) {
		why_set(why, "out of memory");
		return false;
	}
	ok = file_dir_make(directory, why) &&
	     file_write_whole(path, span_of(text, strlen(text)), 0644, why);
	free(text);
	return ok;
}
