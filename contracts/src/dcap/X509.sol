// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Der} from "./Der.sol";
import {Memory} from "./Memory.sol";

/// A certificate as far as this verifier needs it.
struct Cert {
    bytes32 digest; // SHA-256 of the part that is signed
    bytes32 id; // Keccak-256 of it
    uint256 r;
    uint256 s;
    uint256 serial;
    bytes32 issuer; // Keccak-256 of the names' DER
    bytes32 subject;
    bytes32 commonName; // the subject's, as Der.word()
    uint256 from; // seconds since 1970, both inclusive
    uint256 to;
    bytes32 x;
    bytes32 y;
    bool isCa;
    uint256 usage; // first octet of keyUsage
}

/// The part of RFC 5280 that Intel's certificates use: version 3, P-256 keys, ECDSA with SHA-256.
/// Nothing here trusts: signature, time and names are for the caller to judge.
library X509 {
    uint256 internal constant MAX_SIZE = 2048; // real ones: up to 1300

    uint256 internal constant USAGE_SIGN = 0x80;
    uint256 internal constant USAGE_CERT_SIGN = 0x04;
    uint256 internal constant USAGE_CRL_SIGN = 0x02;

    // Identifiers as Der.word() gives them: the length is the last byte.
    bytes32 private constant P256_KEY =
        bytes32(bytes19(0x06072a8648ce3d020106082a8648ce3d030107)) | bytes32(uint256(19));
    bytes32 private constant COMMON_NAME = bytes32(bytes3(0x550403)) | bytes32(uint256(3));
    bytes32 private constant CONSTRAINTS = bytes32(bytes3(0x551d13)) | bytes32(uint256(3));
    bytes32 private constant KEY_USAGE = bytes32(bytes3(0x551d0f)) | bytes32(uint256(3));
    bytes32 internal constant AKI = bytes32(bytes3(0x551d23)) | bytes32(uint256(3));
    bytes32 private constant SKI = bytes32(bytes3(0x551d0e)) | bytes32(uint256(3));
    bytes32 private constant CRL_POINTS = bytes32(bytes3(0x551d1f)) | bytes32(uint256(3));
    bytes32 private constant SGX = bytes32(bytes9(0x2a864886f84d010d01)) | bytes32(uint256(9));

    uint256 private constant HAS_CONSTRAINTS = 1;
    uint256 private constant HAS_USAGE = 2;
    uint256 private constant HAS_AKI = 4;
    uint256 private constant HAS_SKI = 8;
    uint256 private constant HAS_CRL_POINTS = 16;
    uint256 private constant HAS_ALL = 31;

    /// Reads the certificate that fills [p, end) in memory. sgx, sgxEnd: where the value of its SGX
    /// extension lies, 0 when it has none.
    function parse(
        uint256 p,
        uint256 end
    ) internal view returns (Cert memory c, uint256 sgx, uint256 sgxEnd) {
        unchecked {
            if (end - p > MAX_SIZE) revert("a certificate of more than 2048 bytes");
            p = Der.only(p, end, Der.SEQUENCE);
            (uint256 tbs, uint256 next) = Der.take(p, end, Der.SEQUENCE);
            (c.r, c.s) = Der.signature(Der.algorithm(next, end), end);
            (c.digest, c.id) = (Memory.sha(p, next), Memory.keccak(p, next));
            (sgx, sgxEnd) = _toBeSigned(c, tbs, next);
        }
    }

    function _toBeSigned(
        Cert memory c,
        uint256 p,
        uint256 end
    ) private pure returns (uint256, uint256) {
        unchecked {
            (uint256 v, uint256 next) = Der.take(p, end, Der.CONTEXT_0);
            v = Der.only(v, next, Der.INTEGER);
            if (Der.integer(v, next, 8) != 2) revert("a certificate that is not of version 3");
            (v, next) = Der.take(next, end, Der.INTEGER);
            c.serial = Der.serial(v, next);
            if (c.serial >> 160 != 0) revert("a serial number of more than 20 octets");
            p = Der.algorithm(next, end);
            (, next) = Der.take(p, end, Der.SEQUENCE);
            c.issuer = Memory.keccak(p, next);
            (v, p) = Der.take(next, end, Der.SEQUENCE);
            (c.from, v) = Der.time(v, p);
            (c.to, v) = Der.time(v, p);
            if (v != p) revert("a malformed validity");
            (v, next) = Der.take(p, end, Der.SEQUENCE);
            c.subject = Memory.keccak(p, next);
            c.commonName = _commonName(v, next);
            (v, p) = Der.take(next, end, Der.SEQUENCE);
            _key(c, v, p);
            v = Der.only(p, end, Der.CONTEXT_3);
            return _extensions(c, Der.only(v, end, Der.SEQUENCE), end);
        }
    }

    function _commonName(uint256 p, uint256 end) private pure returns (bytes32 name) {
        bool seen;
        while (p != end) {
            uint256 set;
            (set, p) = Der.take(p, end, Der.SET);
            while (set != p) {
                (uint256 v, uint256 next) = Der.take(set, p, Der.SEQUENCE);
                set = next;
                (uint256 oid, uint256 oidEnd) = Der.take(v, next, Der.OID);
                uint256 tag;
                (tag, v, next) = Der.any(oidEnd, next);
                if (next != set || (tag != Der.UTF8_STRING && tag != Der.PRINTABLE_STRING))
                    revert("a malformed name");
                if (Der.word(oid, oidEnd) != COMMON_NAME) continue;
                if (seen) revert("a malformed name"); // two common names: which one counts?
                seen = true;
                name = Der.word(v, next);
            }
        }
    }

    function _key(Cert memory c, uint256 p, uint256 end) private pure {
        unchecked {
            (uint256 v, uint256 next) = Der.take(p, end, Der.SEQUENCE);
            bool known = Der.word(v, next) == P256_KEY;
            v = Der.only(next, end, Der.BIT_STRING);
            if (!known || end - v != 66 || Memory.number(v, v + 2) != 4)
                revert("a public key that is no uncompressed P-256 point");
            c.x = Memory.load(v + 2);
            c.y = Memory.load(v + 34);
        }
    }

    function _extensions(
        Cert memory c,
        uint256 p,
        uint256 end
    ) private pure returns (uint256 sgx, uint256 sgxEnd) {
        uint256 seen;
        while (p != end) {
            uint256 v;
            (v, p) = Der.take(p, end, Der.SEQUENCE);
            (bytes32 oid, bool critical, uint256 value, uint256 valueEnd) = Der.extension(v, p);
            uint256 bit;
            if (oid == CONSTRAINTS) {
                bit = HAS_CONSTRAINTS;
                c.isCa = _isCa(value, valueEnd);
            } else if (oid == KEY_USAGE) {
                bit = HAS_USAGE;
                c.usage = _usage(value, valueEnd);
            } else if (oid == AKI) {
                seen |= HAS_AKI;
            } else if (oid == SKI) {
                seen |= HAS_SKI;
            } else if (oid == CRL_POINTS) {
                seen |= HAS_CRL_POINTS;
            } else if (oid == SGX) {
                if (sgx != 0) revert("a repeated SGX extension");
                (sgx, sgxEnd) = (value, valueEnd);
            } else if (critical) {
                revert("an unknown critical extension");
            }
            if (seen & bit != 0) revert("a repeated extension");
            seen |= bit;
        }
        if (seen != HAS_ALL)
            revert("AKI, SKI, CRL distribution points, keyUsage or basicConstraints is missing");
    }

    function _isCa(uint256 p, uint256 end) private pure returns (bool isCa) {
        p = Der.only(p, end, Der.SEQUENCE);
        uint256 v;
        if (Der.peek(p, end, Der.BOOLEAN)) {
            (v, p) = Der.take(p, end, Der.BOOLEAN);
            if (p != v + 1) revert("malformed basicConstraints");
            isCa = Der.first(v) != 0;
        }
        if (p != end) {
            p = Der.only(p, end, Der.INTEGER);
            Der.integer(p, end, 8);
        }
    }

    function _usage(uint256 p, uint256 end) private pure returns (uint256) {
        p = Der.only(p, end, Der.BIT_STRING);
        if (end < p + 2 || end > p + 3 || Der.first(p) > 7) revert("malformed keyUsage");
        return Der.first(p + 1);
    }
}
