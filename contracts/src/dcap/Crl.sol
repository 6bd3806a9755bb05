// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Der} from "./Der.sol";
import {Memory} from "./Memory.sol";
import {X509} from "./X509.sol";

struct Crl {
    bytes32 digest; // SHA-256 of the part that is signed
    bytes32 id; // Keccak-256 of it
    uint256 r;
    uint256 s;
    bytes32 issuer; // Keccak-256 of the name's DER
    uint256 from; // thisUpdate and nextUpdate
    uint256 to;
    bytes serials; // 20 bytes each, big-endian
}

/// X.509 version 2 CRLs as Intel issues them (RFC 5280, section 5).
library Crls {
    uint256 internal constant SERIAL_SIZE = 20;

    bytes32 private constant NUMBER = bytes32(bytes3(0x551d14)) | bytes32(uint256(3));
    bytes32 private constant REASON = bytes32(bytes3(0x551d15)) | bytes32(uint256(3));

    function parse(bytes memory der) internal view returns (Crl memory c) {
        (uint256 p, uint256 end) = Memory.span(der);
        p = Der.only(p, end, Der.SEQUENCE);
        (uint256 v, uint256 next) = Der.take(p, end, Der.SEQUENCE);
        (c.r, c.s) = Der.signature(Der.algorithm(next, end), end);
        c.digest = Memory.sha(p, next);
        c.id = Memory.keccak(p, next);
        _toBeSigned(c, v, next);
    }

    function _toBeSigned(Crl memory c, uint256 p, uint256 end) private pure {
        (uint256 v, uint256 next) = Der.take(p, end, Der.INTEGER);
        if (Der.integer(v, next, 8) != 1) revert("a CRL that is not of version 2");
        p = Der.algorithm(next, end);
        (, next) = Der.take(p, end, Der.SEQUENCE);
        c.issuer = Memory.keccak(p, next);
        (c.from, p) = Der.time(next, end);
        (c.to, p) = Der.time(p, end);
        if (Der.peek(p, end, Der.SEQUENCE)) {
            (v, p) = Der.take(p, end, Der.SEQUENCE);
            c.serials = _entries(v, p);
        }
        v = Der.only(p, end, Der.CONTEXT_0);
        _extensions(Der.only(v, end, Der.SEQUENCE), end);
    }

    function _entries(uint256 p, uint256 end) private pure returns (bytes memory serials) {
        // An entry has at least 20 bytes, as many as its place in the list; 32 more, for whole words
        // are written.
        serials = new bytes(end - p + 32);
        (uint256 to, ) = Memory.span(serials);
        uint256 at = to;
        while (p != end) {
            uint256 entry;
            (entry, p) = Der.take(p, end, Der.SEQUENCE);
            (uint256 v, uint256 next) = Der.take(entry, p, Der.INTEGER);
            uint256 serial = Der.serial(v, next);
            assembly ("memory-safe") {
                // Another number is no certificate's that could be accepted.
                if iszero(shr(160, serial)) {
                    mstore(at, shl(96, serial))
                    at := add(at, 20)
                }
            }
            (, next) = Der.time(next, p);
            if (next != p) _entryExtensions(Der.only(next, p, Der.SEQUENCE), p);
        }
        assembly ("memory-safe") {
            mstore(serials, sub(at, to))
        }
    }

    function _entryExtensions(uint256 p, uint256 end) private pure {
        while (p != end) {
            uint256 v;
            (v, p) = Der.take(p, end, Der.SEQUENCE);
            (bytes32 oid, bool critical, , ) = Der.extension(v, p);
            if (critical && oid != REASON) revert("a CRL entry with an unknown critical extension");
        }
    }

    function _extensions(uint256 p, uint256 end) private pure {
        uint256 numbers;
        bool authority;
        while (p != end) {
            uint256 v;
            (v, p) = Der.take(p, end, Der.SEQUENCE);
            (bytes32 oid, bool critical, uint256 value, uint256 valueEnd) = Der.extension(v, p);
            if (oid == NUMBER) {
                // Intel's library reads it, though nothing is done with it.
                Der.serial(Der.only(value, valueEnd, Der.INTEGER), valueEnd);
                ++numbers;
            } else if (oid == X509.AKI) authority = true;
            else if (critical) revert("a CRL with an unknown critical extension");
        }
        if (numbers != 1 || !authority) revert("a CRL without CRL number or authority key id");
    }

    /// Whether the list of a stored CRL, in memory between two addresses, names the serial number.
    function has(uint256 p, uint256 end, uint256 serial) internal pure returns (bool found) {
        assembly ("memory-safe") {
            for {} lt(p, end) {
                p := add(p, 20)
            } {
                if eq(shr(96, mload(p)), serial) {
                    found := 1
                    break
                }
            }
        }
    }
}
