// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Time} from "./Time.sol";

/// A strict reader of DER in memory. Positions are memory addresses. An element's value ends where
/// its next sibling begins, so that one pair (value, next) is both the content and the way on.
library Der {
    uint256 internal constant BOOLEAN = 0x01;
    uint256 internal constant INTEGER = 0x02;
    uint256 internal constant BIT_STRING = 0x03;
    uint256 internal constant OCTET_STRING = 0x04;
    uint256 internal constant OID = 0x06;
    uint256 internal constant ENUMERATED = 0x0a;
    uint256 internal constant UTF8_STRING = 0x0c;
    uint256 internal constant PRINTABLE_STRING = 0x13;
    uint256 internal constant UTC_TIME = 0x17;
    uint256 internal constant GENERALIZED_TIME = 0x18;
    uint256 internal constant SEQUENCE = 0x30;
    uint256 internal constant SET = 0x31;
    uint256 internal constant CONTEXT_0 = 0xa0;
    uint256 internal constant CONTEXT_3 = 0xa3;

    // ecdsa-with-SHA256, the content of an AlgorithmIdentifier, as word() gives it.
    bytes32 private constant ECDSA_SHA256 =
        bytes32(bytes10(0x06082a8648ce3d040302)) | bytes32(uint256(10));

    /// The element at p, which must have this tag and end at or before `end`.
    function take(
        uint256 p,
        uint256 end,
        uint256 tag
    ) internal pure returns (uint256 value, uint256 next) {
        bool ok;
        assembly ("memory-safe") {
            let w := mload(p)
            let size := byte(1, w)
            value := add(p, 2)
            ok := eq(byte(0, w), tag)
            if gt(size, 0x7f) {
                // One to three octets of length, in the shortest form.
                let octets := and(size, 0x7f)
                value := add(value, octets)
                size := shr(sub(256, shl(3, octets)), shl(16, w))
                ok := and(ok, and(lt(sub(octets, 1), 3), and(gt(size, 0x7f), gt(byte(2, w), 0))))
            }
            next := add(value, size)
            ok := and(ok, iszero(gt(next, end)))
        }
        if (!ok) revert("malformed DER");
    }

    /// The element at p, whatever its tag. Nothing that Intel issues has a tag above 30.
    function any(
        uint256 p,
        uint256 end
    ) internal pure returns (uint256 tag, uint256 value, uint256 next) {
        tag = first(p);
        if (tag & 0x1f == 0x1f) revert("malformed DER");
        (value, next) = take(p, end, tag);
    }

    /// Whether an element with this tag begins at p.
    function peek(uint256 p, uint256 end, uint256 tag) internal pure returns (bool) {
        return p < end && first(p) == tag;
    }

    /// The last element of a list: nothing may follow it.
    function only(uint256 p, uint256 end, uint256 tag) internal pure returns (uint256 value) {
        uint256 next;
        (value, next) = take(p, end, tag);
        if (next != end) revert("malformed DER: something follows");
    }

    function first(uint256 p) internal pure returns (uint256 b) {
        assembly ("memory-safe") {
            b := byte(0, mload(p))
        }
    }

    /// Up to 31 bytes as one word, the length in the last byte; 0 for longer ones. Two values are
    /// equal when their words are.
    function word(uint256 from, uint256 to) internal pure returns (bytes32 w) {
        assembly ("memory-safe") {
            let size := sub(to, from)
            if lt(size, 32) {
                let unused := shl(3, sub(32, size))
                w := or(shl(unused, shr(unused, mload(from))), size)
            }
        }
    }

    /// A non-negative INTEGER of at most `maxBytes` (sign octet not counted), canonical.
    function integer(
        uint256 value,
        uint256 next,
        uint256 maxBytes
    ) internal pure returns (uint256 n) {
        bool ok;
        assembly ("memory-safe") {
            let size := sub(next, value)
            let w := mload(value)
            // Not empty, not negative, no zero octet that the next one's sign does not ask for.
            ok := and(gt(size, 0), lt(byte(0, w), 0x80))
            if and(gt(size, 1), iszero(byte(0, w))) {
                ok := and(ok, gt(byte(1, w), 0x7f))
                value := add(value, 1)
                size := sub(size, 1)
            }
            ok := and(ok, iszero(gt(size, maxBytes)))
            n := shr(shl(3, sub(32, size)), mload(value))
        }
        if (!ok) revert("malformed DER: an integer");
    }

    /// A serial number: a non-negative INTEGER in its shortest form, for Intel's library takes -13
    /// for 13. 2^160 or more when it has more than 20 octets, which no certificate may have.
    function serial(uint256 value, uint256 next) internal pure returns (uint256 n) {
        bool ok;
        assembly ("memory-safe") {
            let size := sub(next, value)
            let w := mload(value)
            // Nine zero bits in front would be an octet too many, unless it is the only one.
            let head := shr(247, w)
            ok := or(eq(size, 1), and(gt(size, 1), gt(head, 0)))
            ok := and(ok, lt(head, 0x100))
            n := not(0)
            if lt(size, 22) {
                n := shr(sub(256, shl(3, size)), w)
            }
        }
        if (!ok) revert("malformed DER: a serial number");
    }

    /// Takes the AlgorithmIdentifier, which must be ECDSA with SHA-256.
    function algorithm(uint256 p, uint256 end) internal pure returns (uint256 next) {
        uint256 value;
        (value, next) = take(p, end, SEQUENCE);
        if (word(value, next) != ECDSA_SHA256)
            revert("a signature algorithm other than ECDSA with SHA-256");
    }

    /// The BIT STRING that ends a certificate or CRL: ECDSA-Sig-Value.
    function signature(uint256 p, uint256 end) internal pure returns (uint256 r, uint256 s) {
        uint256 value = only(p, end, BIT_STRING);
        if (value + 2 > end || first(value) != 0) revert("malformed DER: a signature");
        p = only(value + 1, end, SEQUENCE);
        uint256 next;
        (value, next) = take(p, end, INTEGER);
        r = integer(value, next, 32);
        value = only(next, end, INTEGER);
        s = integer(value, end, 32);
    }

    /// UTCTime or GeneralizedTime as RFC 5280 has them; in seconds, 0 for what is before 1970.
    function time(uint256 p, uint256 end) internal pure returns (uint256 t, uint256 next) {
        uint256 tag;
        uint256 value;
        (tag, value, next) = any(p, end);
        bool ok;
        uint256 century;
        if (tag == UTC_TIME && next - value == 13) {
            century = first(value) >= 0x35 ? 19 : 20; // years 50 to 99 are of the last century
            ok = true;
        } else if (tag == GENERALIZED_TIME && next - value == 15) {
            (ok, century) = Time.twoDigits(value);
            value += 2;
        }
        if (!ok || first(value + 12) != 0x5a) revert("malformed DER: a time");
        uint256 digits;
        assembly ("memory-safe") {
            digits := shr(160, mload(value))
        }
        (ok, t) = Time.fromDigits(century, digits);
        if (!ok) revert("malformed DER: a time");
    }

    /// An extension of a certificate, CRL or CRL entry; value and end of its content.
    function extension(
        uint256 p,
        uint256 end
    ) internal pure returns (bytes32 oid, bool critical, uint256 value, uint256 valueEnd) {
        (uint256 v, uint256 next) = take(p, end, OID);
        oid = word(v, next);
        if (peek(next, end, BOOLEAN)) {
            (v, next) = take(next, end, BOOLEAN);
            if (next != v + 1) revert("malformed DER: an extension");
            critical = first(v) != 0;
        }
        value = only(next, end, OCTET_STRING);
        valueEnd = end;
    }
}
