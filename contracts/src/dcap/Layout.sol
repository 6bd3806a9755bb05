// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// Where things are in what is stored: the one place that writers and readers of a blob share.
/// Numbers are big-endian. Every blob begins with the hash of what it was made from.
library Layout {
    // A certificate: key, hash of the subject's name, serial number (20 bytes).
    uint256 internal constant CERT_X = 32;
    uint256 internal constant CERT_Y = 64;
    uint256 internal constant CERT_SUBJECT = 96;
    uint256 internal constant CERT_SERIAL = 128;

    // A CRL: the id of the key that signed it, then the serial numbers (20 bytes each).
    uint256 internal constant SIGNER = 32;
    uint256 internal constant CRL_SERIALS = 52;

    // A signed document: the id of the key that signed it, then its content as one of those below.
    uint256 internal constant CONTENT = 52;

    // TCB info: PCEID; the identity of TDX modules without a version of their own; the number of
    // module identities (1), those; the number of platform levels (1), those; their advisories.
    uint256 internal constant TCB_PCEID = 0;
    uint256 internal constant TCB_PLAIN = 2;
    uint256 internal constant TCB_MODULES = 34;

    // A module identity: major version, Keccak-256 of MRSIGNERSEAM and SEAMATTRIBUTES, levels.
    uint256 internal constant MODULE_IDENTITY = 1;
    uint256 internal constant MODULE_LEVELS = 33;

    // A platform level: 16 SGX components and PCESVN, 16 TDX components, status, where its
    // advisories are behind the last level.
    uint256 internal constant LEVEL_TDX = 18;
    uint256 internal constant LEVEL_STATUS = 34;
    uint256 internal constant LEVEL_ADVISORIES = 35;
    uint256 internal constant LEVEL_SIZE = 37;

    // Levels of a module or of the QE: their number (1), then for each ISVSVN and status.
    uint256 internal constant ISVSVN_LEVEL_SIZE = 3;

    // A QE identity: MISCSELECT and mask (4 each), attributes and mask (16 each), MRSIGNER,
    // ISVPRODID, levels.
    uint256 internal constant QE_MISCSELECT = 0;
    uint256 internal constant QE_ATTRIBUTES = 8;
    uint256 internal constant QE_MRSIGNER = 40;
    uint256 internal constant QE_ISVPRODID = 72;
    uint256 internal constant QE_LEVELS = 74;

    // A list of evaluation numbers: for each the number (4) and the day of its recovery event (5).
    uint256 internal constant NUMBER_DATE = 4;
    uint256 internal constant NUMBER_SIZE = 9;

    // A cached PCK certificate: key, 16 component SVNs and PCESVN, serial number (20), PCEID,
    // FMSPC, which CA issued it (1), the id of that CA's key.
    uint256 internal constant PCK_X = 32;
    uint256 internal constant PCK_Y = 64;
    uint256 internal constant PCK_SVNS = 96;
    uint256 internal constant PCK_PCESVN = 112;
    uint256 internal constant PCK_SERIAL = 114;
    uint256 internal constant PCK_PCEID = 134;
    uint256 internal constant PCK_FMSPC = 136;
    uint256 internal constant PCK_CA = 142;
    uint256 internal constant PCK_ISSUER = 143;
}
