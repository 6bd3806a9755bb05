#include "coordinator/dcap/words.h"

#include "encoding/words.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define CHAIN_DOES_NOT_VERIFY                                                                      \
	"the PCK chain does not verify: a signature, a date, a revoked certificate, or an "        \
	"authority key identifier that is not the issuer's subject key identifier"

static const struct {
	const char *reason, *words;
} table[] = {
    /* Automata v1.1 */
    {"TEE", "the quote's TEE type is unknown to the contract"},
    {"OUTS", "the output of a zero-knowledge proof has the wrong size"},
    {"QHS", "the quote is too short for its header"},
    {"QHV", "the quote's version is not the one that this contract verifies"},
    {"QHATTF", "the quote's attestation key type is not ECDSA P-256"},
    {"QEVEN", "the quote's QE vendor is not Intel"},
    {"QBS", "the quote's body has the wrong size"},
    {"QBF", "the quote's body is malformed"},
    {"ADS", "the quote's signature data has not the length that it declares"},
    {"ADF", "the quote's signature data is malformed, or carries no PCK chain in PEM"},
    {"TD10F", "the TD report 1.0 is malformed"},
    {"TD15F", "the TD report 1.5 is malformed"},
    {"TDMF", "the TDX module is not the one that the TCB info describes"},
    {"TDRF", "the TD must be relaunched: it was started under an older TCB that cannot be judged"},
    {"TCBR",
     "the platform's TCB is revoked, or its TCB info is missing on the PCCS or has expired"},
    {"QEF", "the report of the quoting enclave is malformed"},
    {"QEVE", "the quoting enclave does not vouch for the attestation key, or is not the one of the "
	     "QE identity"},
    {"QEIDVE", "the QE identity is missing on the PCCS, or has expired"},
    {"X509VE", CHAIN_DOES_NOT_VERIFY},
    {"ATTVE", "the signature of the quote or of its QE report does not hold"},
    {"TCBCH", "the TCB info's hash is not the one of the zero-knowledge proof"},
    {"QEIDCH", "the QE identity's hash is not the one of the zero-knowledge proof"},
    {"ROOTH", "the root CA's hash is not the one of the zero-knowledge proof"},
    {"SIGNH", "the signing certificate's hash is not the one of the zero-knowledge proof"},
    {"ROOTCRLH", "the root CRL's hash is not the one of the zero-knowledge proof"},
    {"PCKCRLM", "the PCK CRL of the zero-knowledge proof is missing on the PCCS"},
    {"PCKCRLH", "the PCK CRL's hash is not the one of the zero-knowledge proof"},
    /* Automata v1.0 */
    {"Unsupported quote version", "the entry point has no verifier for quotes of this version"},
    {"Unknown TEE type", "the quote's TEE type is unknown to the contract"},
    {"Quote length is less than Header length", "the quote is too short for its header"},
    {"Quote length is less than minimum", "the quote is too short"},
    {"quote auth data length is incorrect",
     "the quote's signature data has not the length that it declares"},
    {"failed to parse authdata",
     "the quote's signature data is malformed, or carries no PCK chain in PEM"},
    {"Unsupported attestation key type", "the quote's attestation key type is not ECDSA P-256"},
    {"Not a valid Intel SGX QE Vendor ID", "the quote's QE vendor is not Intel"},
    {"Invalid QEReport data", "the quoting enclave does not vouch for the attestation key"},
    {"quote body length is incorrect", "the quote's body has the wrong size"},
    {"Failed to locate a valid FMSPC TCB Status",
     "the platform is below every TCB level of the PCCS's TCB info, or revoked"},
    {"Failed to locate a valid TDXModule TCB Status",
     "the TCB info has no identity for the TDX module's version, or it is revoked"},
    {"TDXModule check failed", "the TDX module is not the one that the TCB info describes; v1.0 "
			       "knows none of version 0"},
    {"Verification failed by QEIdentity check",
     "the quoting enclave is not the one of the QE identity, or revoked"},
    {"Failed to verify X509 Chain", CHAIN_DOES_NOT_VERIFY},
    {"Failed to verify attestation and/or qe report signatures",
     "the signature of the quote or of its QE report does not hold"},
};

const char *dcap_reason_words(const char *reason)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (strcmp(table[i].reason, reason) == 0)
			return table[i].words;
	return NULL;
}

const char *dcap_empty_revert_words(void)
{
	return "it reverts without a reason, which means collateral missing on the PCCS, a "
	       "signature that does not hold, or too little gas";
}

bool dcap_reason_is_final(const char *reason)
{
	static const char *const final[] = {
	    "TEE",
	    "QHS",
	    "QHV",
	    "QHATTF",
	    "QEVEN",
	    "QBS",
	    "QBF",
	    "ADS",
	    "ADF",
	    "TD10F",
	    "TD15F",
	    "Unsupported quote version",
	    "Unknown TEE type",
	    "Quote length is less than Header length",
	    "Quote length is less than minimum",
	    "quote body length is incorrect",
	    "quote auth data length is incorrect",
	    "failed to parse authdata",
	    "Unsupported attestation key type",
	    "Not a valid Intel SGX QE Vendor ID",
	    "Invalid QEReport data",
	    NULL,
	};

	return words_have(final, reason);
}

bool dcap_reason_is_of_crls(const char *reason)
{
	static const char *const of_crls[] = {
	    /* DcapVerifier */
	    "the PCK certificate is revoked",
	    "the PCK CA is revoked",
	    "the TCB signing certificate is revoked",
	    /* Automata v1.1, v1.0 */
	    "X509VE",
	    "Failed to verify X509 Chain",
	    NULL,
	};

	return words_have(of_crls, reason);
}

bool dcap_revert_is_final(const struct eth_revert *r)
{
	return revert_is(r, "Unauthorized_Caller(address)") || revert_is(r, "Forbidden()");
}

const char *dcap_status_name(uint8_t status)
{
	static const char *const names[] = {
	    "UpToDate",
	    "SWHardeningNeeded",
	    "ConfigurationAndSWHardeningNeeded",
	    "ConfigurationNeeded",
	    "OutOfDate",
	    "OutOfDateConfigurationNeeded",
	    "Revoked",
	    "Unrecognized",
	    "TDRelaunchAdvised",
	    "TDRelaunchAdvisedConfigurationNeeded",
	};

	return status < sizeof names / sizeof names[0] ? names[status] : "of an unknown number";
}
