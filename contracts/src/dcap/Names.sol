// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// Members of the JSON documents, as Json.word() gives them: the length is the last byte.
library Names {
    bytes32 internal constant ID = bytes32("id") | bytes32(uint256(2));
    bytes32 internal constant VERSION = bytes32("version") | bytes32(uint256(7));
    bytes32 internal constant ISSUE_DATE = bytes32("issueDate") | bytes32(uint256(9));
    bytes32 internal constant NEXT_UPDATE = bytes32("nextUpdate") | bytes32(uint256(10));
    bytes32 internal constant FMSPC = bytes32("fmspc") | bytes32(uint256(5));
    bytes32 internal constant PCE_ID = bytes32("pceId") | bytes32(uint256(5));
    bytes32 internal constant TCB_TYPE = bytes32("tcbType") | bytes32(uint256(7));
    bytes32 internal constant EVALUATION =
        bytes32("tcbEvaluationDataNumber") | bytes32(uint256(23));
    bytes32 internal constant EVALUATION_NUMBERS = bytes32("tcbEvalNumbers") | bytes32(uint256(14));
    bytes32 internal constant RECOVERY_DATE =
        bytes32("tcbRecoveryEventDate") | bytes32(uint256(20));
    bytes32 internal constant TDX_MODULE = bytes32("tdxModule") | bytes32(uint256(9));
    bytes32 internal constant TDX_MODULES = bytes32("tdxModuleIdentities") | bytes32(uint256(19));
    bytes32 internal constant TCB_LEVELS = bytes32("tcbLevels") | bytes32(uint256(9));
    bytes32 internal constant MRSIGNER = bytes32("mrsigner") | bytes32(uint256(8));
    bytes32 internal constant ATTRIBUTES = bytes32("attributes") | bytes32(uint256(10));
    bytes32 internal constant ATTRIBUTES_MASK = bytes32("attributesMask") | bytes32(uint256(14));
    bytes32 internal constant MISCSELECT = bytes32("miscselect") | bytes32(uint256(10));
    bytes32 internal constant MISCSELECT_MASK = bytes32("miscselectMask") | bytes32(uint256(14));
    bytes32 internal constant ISVPRODID = bytes32("isvprodid") | bytes32(uint256(9));
    bytes32 internal constant TCB = bytes32("tcb") | bytes32(uint256(3));
    bytes32 internal constant TCB_DATE = bytes32("tcbDate") | bytes32(uint256(7));
    bytes32 internal constant TCB_STATUS = bytes32("tcbStatus") | bytes32(uint256(9));
    bytes32 internal constant ADVISORIES = bytes32("advisoryIDs") | bytes32(uint256(11));
    bytes32 internal constant ISVSVN = bytes32("isvsvn") | bytes32(uint256(6));
    bytes32 internal constant SGX_COMPONENTS = bytes32("sgxtcbcomponents") | bytes32(uint256(16));
    bytes32 internal constant TDX_COMPONENTS = bytes32("tdxtcbcomponents") | bytes32(uint256(16));
    bytes32 internal constant PCESVN = bytes32("pcesvn") | bytes32(uint256(6));
    bytes32 internal constant SVN = bytes32("svn") | bytes32(uint256(3));
    bytes32 internal constant CATEGORY = bytes32("category") | bytes32(uint256(8));
    bytes32 internal constant TYPE = bytes32("type") | bytes32(uint256(4));
}
