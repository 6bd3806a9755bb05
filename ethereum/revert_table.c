#include "ethereum/revert.h"

#include <string.h>

/* Selectors are written out so that a revert can be found by eye; a test recomputes each. */
static const struct revert_entry table[] = {
    /* ethrex OnChainProposer: verification. */
    {0x62013a95, "InvalidTdxProof()", "",
     "the TDX signature is not by the signer registered in TDXVerifier, or does not cover this "
     "batch's public inputs"},
    {0x14add973, "InvalidRisc0Proof()", "", "the RISC0 verifier refused the proof of this batch"},
    {0x7ff849b5, "InvalidSp1Proof()", "", "the SP1 verifier refused the proof of this batch"},
    {0xceb05a46, "BatchNotSequential()", "",
     "the first batch is not the one after the last verified: read lastVerifiedBatch again"},
    {0xc26a3294, "BatchNotCommitted()", "", "the batch has not been committed on L1 yet"},
    {0x7dc57e7b, "EmptyBatchArray()", "", "verifyBatches was called without any batch"},
    {0xfc5221bd, "BatchArrayLengthMismatch()", "", "the lists of proofs differ in length"},
    {0x1420ad0b, "ExpiredPrivilegedTransactionDeadline()", "",
     "a privileged transaction waits longer than its deadline: batches that leave it out are "
     "refused until one includes it"},
    {0x2da8b4d4, "UseAlignedVerification()", "",
     "this proposer verifies through Aligned: it takes verifyBatchesAligned only"},
    {0xc8d8ecb9, "UseSmartContractVerification()", "",
     "this proposer verifies by contracts: it takes verifyBatches only"},
    {0x44602025, "AlignedProofVerificationFailed()", "",
     "Aligned's aggregator does not know the proof"},
    {0x63934992, "AlignedAggregatorCallFailed()", "", "the call to Aligned's aggregator failed"},
    {0x5f83abb8, "IncorrectFirstBatchNumber()", "",
     "the first batch is not the one after the last verified"},
    {0xfbd95da9, "LastBatchExceedsCommitted()", "",
     "the last batch has not been committed on L1 yet"},
    {0xc1af923d, "Sp1ProofArrayLengthMismatch()", "",
     "the number of SP1 proofs differs from the number of batches"},
    {0x60fecd3e, "Risc0ProofArrayLengthMismatch()", "",
     "the number of RISC0 proofs differs from the number of batches"},
    /* ethrex OnChainProposer: commitment. */
    {0xcd1793fe, "BatchNumberNotSuccessor()", "",
     "the batch is not the one after the last committed"},
    {0x884923cf, "BatchAlreadyCommitted()", "", "the batch is committed already"},
    {0xf1cbbe55, "LastBlockHashIsZero()", "", "the batch's last block hash is zero"},
    {0x9e6e5638, "InvalidPrivilegedTransactionLogs()", "",
     "the batch's privileged transactions differ from those that wait in the bridge"},
    {0x52ba57cb, "InvalidL2MessageRollingHash()", "",
     "the messages received from another L2 differ from those that wait in the bridge"},
    {0x0c9c8061, "ValidiumBlobPublished()", "", "a validium's commitment carries a blob"},
    {0xe1aa9667, "RollupBlobNotPublished()", "", "a rollup's commitment carries no blob"},
    {0xf6b9798e, "MissingVerificationKeyForCommit()", "",
     "no verification key is registered for the commit hash of this ethrex version"},
    {0xdb2665e8, "CannotRevertVerifiedBatch()", "", "a verified batch cannot be reverted"},
    {0xcd988645, "NoBatchesToRevert()", "", "there is no batch to revert"},
    /* OpenZeppelin: access, pausing, upgrades, calls, signatures. */
    {0xe2517d3f, "AccessControlUnauthorizedAccount(address,bytes32)", "account,role",
     "the sending key lacks this role in the Timelock: grant it SEQUENCER"},
    {0x6697b232, "AccessControlBadConfirmation()", "",
     "a role can be renounced by its holder only"},
    {0x118cdaa7, "OwnableUnauthorizedAccount(address)", "account",
     "the caller is not the owner: for OnChainProposer the owner is the Timelock, so send to the "
     "Timelock"},
    {0x1e4fbdf7, "OwnableInvalidOwner(address)", "owner", "this address cannot be the owner"},
    {0xd93c0665, "EnforcedPause()", "",
     "the contract is paused: nothing is verified until its owner unpauses it"},
    {0x8dfc202b, "ExpectedPause()", "", "this call is allowed only while the contract is paused"},
    {0x3ee5aeb5, "ReentrancyGuardReentrantCall()", "",
     "a call came back into the contract while it was running"},
    {0xf92ee8a9, "InvalidInitialization()", "", "the contract is initialised already"},
    {0xd7e6bcf8, "NotInitializing()", "",
     "this call is allowed only while the contract is initialised"},
    {0xd6bda275, "FailedCall()", "", "a call that the contract made failed without a reason"},
    {0x1425ea42, "FailedInnerCall()", "", "a call that the contract made failed without a reason"},
    {0xcf479181, "InsufficientBalance(uint256,uint256)", "balance,needed",
     "the contract's balance is too small"},
    {0x9996b315, "AddressEmptyCode(address)", "target", "there is no contract at this address"},
    {0xe07c8dba, "UUPSUnauthorizedCallContext()", "",
     "an upgrade function was called directly instead of through its proxy"},
    {0xaa1d49a4, "UUPSUnsupportedProxiableUUID(bytes32)", "slot",
     "the new implementation is not made for this proxy"},
    {0x4c9c8ce3, "ERC1967InvalidImplementation(address)", "implementation",
     "there is no contract at the implementation's address"},
    {0xf645eedf, "ECDSAInvalidSignature()", "", "no signer can be recovered from the signature"},
    {0xfce698f7, "ECDSAInvalidSignatureLength(uint256)", "length",
     "the signature is not 65 bytes long"},
    {0xd78bce0c, "ECDSAInvalidSignatureS(bytes32)", "s", "the signature's s is in the upper half"},
    {0xe2850c59, "TimelockUnauthorizedCaller(address)", "caller",
     "only the Timelock itself may call this"},
    {0x54336609, "TimelockInsufficientDelay(uint256,uint256)", "delay,minimum",
     "the operation's delay is below the Timelock's minimum"},
    {0x5ead8eb5, "TimelockUnexpectedOperationState(bytes32,bytes32)", "operation,expected states",
     "the Timelock's operation is not in a state that allows this"},
    {0xffb03211, "TimelockInvalidOperationLength(uint256,uint256,uint256)",
     "targets,payloads,values", "the lists of a Timelock operation differ in length"},
    /* Automata PCCS: TCB info. */
    {0xea8cd522, "TCB_Cert_Expired()", "",
     "the TCB signing certificate is not on the PCCS, or is outside its validity: upload the "
     "SIGNING certificate"},
    {0x841a0280, "Missing_TCB_Cert()", "",
     "the TCB signing certificate is not on the PCCS: upload the SIGNING certificate"},
    {0x7fb57a7a, "TCB_Cert_Revoked(uint256)", "serial",
     "the TCB signing certificate is on the root CRL"},
    {0x8de7233f, "Invalid_TCB_Cert_Signature()", "",
     "the JSON was altered, or was signed by another signing certificate than the one on the PCCS"},
    {0xbae57649, "TCB_Expired()", "",
     "the chain's time is outside the TCB info's issueDate and nextUpdate: fetch it again"},
    {0x3d78f9f9, "TCB_Out_Of_Date()", "",
     "the PCCS holds TCB info as new as this one, or with a higher evaluation number"},
    {0x5aeb6bce, "TCBInfo_Invalid()", "", "the TCB info is not the JSON that the PCCS expects"},
    {0x8dcbb595, "TCB_TDX_Version_Invalid()", "",
     "the TCB info for TDX has a version that the PCCS does not take"},
    {0x31ab78b5, "TCB_TDX_ID_Invalid()", "", "the TCB info's id is not TDX"},
    {0x10182796, "ParsingFailed()", "", "the JSON could not be parsed on chain"},
    {0x331b9eaa, "Use_Async_Upsert()", "",
     "this DAO takes TCB info in several steps only (asynchronous uploads), from its attesters"},
    /* Automata PCCS: enclave identity. */
    {0x9ac04499, "Enclave_Id_Expired()", "",
     "the chain's time is outside the identity's issueDate and nextUpdate: fetch it again"},
    {0x7a204327, "Enclave_Id_Out_Of_Date()", "",
     "the PCCS holds an identity as new as this one, or with a higher evaluation number"},
    {0x4e0f5696, "Incorrect_Enclave_Id_Version()", "",
     "the TD_QE identity must be uploaded with version 4"},
    {0x289fa0cb, "Enclave_Id_Mismatch()", "",
     "the id argument differs from the id inside the JSON"},
    {0x72bd8361, "Duplicate_Collateral()", "",
     "exactly this collateral is on the PCCS already: nothing is left to do"},
    {0x615c8467, "Invalid_Tcb_Evaluation_Data_Number()", "",
     "the JSON's TCB evaluation number is not that of this contract"},
    /* Automata PCCS: certificates and CRLs. A CA is 0 root, 1 processor, 2 platform, 3 signing. */
    {0x5f066611, "Certificate_Expired(uint8)", "ca",
     "the certificate is outside its validity, or the certificate of its issuer is not on the PCCS "
     "yet"},
    {0x6d8932ad, "Crl_Expired(uint8)", "ca",
     "the CRL is outside its thisUpdate and nextUpdate: fetch it again"},
    {0x9f4daa9e, "Certificate_Out_Of_Date()", "",
     "the PCCS holds a certificate or CRL as new as this one"},
    {0x291990cd, "Certificate_Revoked(uint8,uint256)", "ca,serial",
     "the certificate is on the root CRL"},
    {0xe1406f79, "Root_Key_Mismatch()", "", "the root certificate is not Intel's production root"},
    {0x1e7ab599, "Invalid_Issuer_Name()", "",
     "the certificate's issuer does not fit the place it is uploaded to"},
    {0x92ec707e, "Invalid_Subject_Name()", "",
     "the certificate's subject does not fit the place it is uploaded to"},
    {0xcd69d374, "Missing_Issuer()", "",
     "the issuer's certificate is not on the PCCS: upload it first"},
    {0xe7ef341f, "Invalid_Signature()", "",
     "the certificate or CRL is not signed by the issuer on the PCCS"},
    {0x9849e774, "Invalid_PCK_CA(uint8)", "ca", "the processor or platform CA is expected here"},
    {0x33247a8a, "Missing_Certificate(uint8)", "ca", "this certificate is not on the PCCS"},
    {0xdba942a2, "Certificate_Expired()", "", "the PCK certificate is outside its validity"},
    {0x167c231a, "Certificate_Revoked(uint256)", "serial",
     "the PCK certificate is on the CRL of its CA"},
    {0xa7ee790d, "Issuer_Expired(uint8)", "ca",
     "the certificate of the PCK's issuer is outside its validity"},
    {0xf465bfb2, "Issuer_Revoked(uint8,uint256)", "ca,serial",
     "the certificate of the PCK's issuer is on the root CRL"},
    {0xbf00a30d, "Pck_Out_Of_Date()", "", "the PCCS holds a PCK certificate as new as this one"},
    {0x82fba295, "Pck_Not_Found()", "", "this PCK certificate is not on the PCCS"},
    {0x4a629e24, "TCB_Mismatch()", "", "the TCB level does not fit the PCK certificate"},
    /* Automata PCCS: TCB evaluation numbers. */
    {0x925ca6d8, "TCB_Eval_Cert_Expired()", "",
     "the TCB signing certificate is not on the PCCS, or is outside its validity: upload the "
     "SIGNING certificate"},
    {0xc750d267, "TCB_Eval_Expired()", "",
     "the chain's time is outside the validity of the list of evaluation numbers: fetch it again"},
    {0x9ddee474, "TCB_Eval_Out_Of_Date()", "",
     "the PCCS holds a list of evaluation numbers as new as this one"},
    {0xeca8017e, "Invalid_TCB_Eval_Cert_Signature()", "",
     "the list of evaluation numbers was altered, or was signed by another signing certificate"},
    /* Automata PCCS: the router, access, fees. */
    {0xa78bf21a, "TcbEvalExpiredOrNotFound(uint8)", "id",
     "the list of TCB evaluation numbers is missing on the PCCS, or has expired"},
    {0x0a2a9142, "QEIdentityExpiredOrNotFound(uint8,uint256)", "id,version",
     "the QE identity is missing on the PCCS, or has expired: upload it"},
    {0x343385cf, "FmspcTcbExpiredOrNotFound(uint8,uint256)", "id,version",
     "the TCB info of this platform is missing on the PCCS, or has expired: upload it"},
    {0xcc16ebed, "CertExpiredOrNotFound(uint8)", "ca",
     "this certificate is missing on the PCCS, or has expired: upload it"},
    {0x482b7129, "CrlExpiredOrNotFound(uint8)", "ca",
     "the CRL of this CA is missing on the PCCS, or has expired: upload it"},
    {0x82b42900, "Unauthorized()", "",
     "the sending key may not write to this PCCS: it needs the attester's role"},
    {0x953769d0, "Unauthorized_Caller(address)", "caller",
     "this caller may not read from the PCCS: the contract that reads must be authorised in its "
     "storage"},
    {0xee90c468, "Forbidden()", "", "the PCCS router answers authorised callers only"},
    {0x9bb42d4b, "Insufficient_Funds()", "", "the attestation fee was not paid in full"},
    {0x1356a63b, "BP_Not_Valid()", "", "the fee's basis points are out of range"},
    {0xc40a532b, "Withdrawal_Failed()", "", "the collected fees could not be paid out"},
    /* DcapVerifier: what Automata's contracts have no name for. */
    {0x88b31131, "No_Fee_Is_Asked()", "",
     "ether was sent with the call: this verifier asks no fee and would keep it"},
    {0xb9286123, "Too_Much_Collateral(uint256)", "size",
     "this piece of collateral does not fit into the code of one contract (24575 bytes)"},
    {0x639eda5f, "Unknown_CA(uint8)", "ca",
     "certificates are kept for CAs 0 root, 1 processor, 2 platform and 3 signing"},
    {0x83a974de, "Invalid_Key_Usage(uint8)", "ca",
     "the certificate's key may not sign what its place is for"},
};

const struct revert_entry *revert_table(size_t *n)
{
	*n = sizeof table / sizeof table[0];
	return table;
}

struct reason {
	const char *text;
	const char *meaning;
};

static const struct reason reasons[] = {
    {"TDXVerifier: only sequencer can update keys",
     "the sending key has no SEQUENCER role in the Timelock"},
    {"TDXVerifier: quote verification failed",
     "the DCAP contract refused the quote: ask verifyAndAttestOnChain for its reason"},
    {"TDXVerifier: Unsupported quote version", "the contract takes quotes of version 4 only"},
    {"TDXVerifier: Quote is not of type TDX",
     "the quote is not from a TDX guest, or the quote verifier answers in another layout than this "
     "contract reads (Automata v1.1)"},
    {"TDXVerifier: TCB_STATUS != OK", "the contract takes platforms whose TCB is up to date only"},
    {"TDXVerifier: debug attributes are set",
     "the guest runs in debug mode: its memory is open to the host"},
    {"TDXVerifier: MRTD mismatch", "the guest's firmware is not the one that the contract expects"},
    {"TDXVerifier: RTMR0 mismatch",
     "the guest's virtual hardware is not the one that the contract expects"},
    {"TDXVerifier: RTMR1 mismatch",
     "the guest's kernel image is not the one that the contract expects"},
    {"TDXVerifier: RTMR2 mismatch",
     "the guest's command line or initrd is not the one that the contract expects"},
    {"TDXVerifier: invalid signature",
     "the signature is not by the registered signer, or not over these public inputs"},
    {"TDXVerifier: authorized signer not registered", "no prover's key is registered yet"},
    {"FORBIDDEN",
     "the PCCS storage does not let this contract write: it has not been granted access"},
};

const char *revert_reason_meaning(const char *reason)
{
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (strcmp(reasons[i].text, reason) == 0)
			return reasons[i].meaning;
	return NULL;
}

/* Solidity, "Panic via assert and Error via require". */
const char *revert_panic_meaning(uint64_t code)
{
	switch (code) {
	case 0x00: return "a panic without a cause given by the compiler";
	case 0x01: return "an assertion failed";
	case 0x11: return "an arithmetic operation overflowed";
	case 0x12: return "division by zero";
	case 0x21: return "a value that its enum does not have";
	case 0x22: return "a byte array in storage is wrongly encoded";
	case 0x31: return "pop from an empty array";
	case 0x32: return "an array index out of bounds";
	case 0x41: return "too much memory was asked for";
	case 0x51: return "a call through an uninitialised function pointer";
	}
	return NULL;
}
