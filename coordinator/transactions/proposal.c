#include "coordinator/transactions/proposal.h"

#include "coordinator/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool write_text(const char *path, const char *to, const char *signer, const char *data)
{
	FILE *f = fopen(path, "we");
	bool ok;

	if (!f)
		return false;
	ok = fprintf(f,
		     "{\n  \"function\": \"register(bytes)\",\n  \"signer\": \"%s\",\n"
		     "  \"to\": \"%s\",\n  \"value\": \"0\",\n  \"data\": \"0x%s\"\n}\n",
		     signer, to, data) > 0 &&
	     fflush(f) == 0 && fsync(fileno(f)) == 0;
	return fclose(f) == 0 && ok;
}

bool proposal_write(char *path, size_t path_size, const char *data_dir,
		    const struct eth_address *verifier, const struct eth_address *signer,
		    struct span calldata, struct why *why)
{
	char to[ETH_ADDRESS_TEXT_SIZE], who[ETH_ADDRESS_TEXT_SIZE], directory[1100], fresh[1200];
	char *data = malloc(2 * calldata.n + 1);
	bool ok;

	eth_address_print(to, verifier);
	eth_address_print(who, signer);
	snprintf(directory, sizeof directory, "%s/proposals", data_dir);
	snprintf(fresh, sizeof fresh, "%s/%s.tmp", directory, who);
	snprintf(path, path_size, "%s/%s.json", directory, who);
	if (!data) {
		why_set(why, "out of memory");
		return false;
	}
	hex_encode(data, calldata.p, calldata.n);
	ok = file_dir_make(directory, why);
	if (ok && (!write_text(fresh, to, who, data) || rename(fresh, path) != 0)) {
		why_set(why, "cannot write %s: %s", path, strerror(errno));
		ok = false;
	}
	free(data);
	return ok && file_dir_sync(directory, why);
}
