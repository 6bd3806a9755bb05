// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Der} from "./Der.sol";
import {Memory} from "./Memory.sol";

/// What a PCK certificate says of its platform.
struct Platform {
    uint256 svns; // 16 component SVNs, the first in the highest of 16 bytes
    uint256 pcesvn;
    uint256 pceid;
    bytes6 fmspc;
    bool known; // the certificate has such an extension
}

/// The SGX extension of a PCK certificate, OID 1.2.840.113741.1.13.1: a sequence of {OID, value}.
library Pck {
    uint256 private constant ARC = 0x2a864886f84d010d01;
    uint256 private constant TCB_ARC = 0x2a864886f84d010d0102;
    uint256 private constant CONFIGURATION_ARC = 0x2a864886f84d010d0107;

    uint256 private constant NEEDED = 0x3e; // PPID, TCB, PCEID, FMSPC, SGX type
    uint256 private constant PLATFORM = 0xc0; // the Platform CA's: instance id and configuration
    uint256 private constant ALL_TCB = 0x7fffe; // 1 to 18

    function parse(uint256 p, uint256 end) internal pure returns (Platform memory out) {
        p = Der.only(p, end, Der.SEQUENCE);
        uint256 seen;
        while (p != end) {
            uint256 v;
            (v, p) = Der.take(p, end, Der.SEQUENCE);
            uint256 k;
            (k, v) = _suffix(v, p, ARC, 9);
            if (k == 0 || k > 7 || (seen >> k) & 1 != 0)
                revert("SGX extension: an unknown or repeated entry");
            seen |= 1 << k;
            if (k == 1 || k == 6)
                _octets(v, p, 16); // PPID, platform instance id
            else if (k == 2) _tcb(out, v, p);
            else if (k == 3) out.pceid = _octets(v, p, 2);
            else if (k == 4) out.fmspc = bytes6(uint48(_octets(v, p, 6)));
            else if (k == 5) _sgxType(v, p);
            else _configuration(v, p);
        }
        if (seen != NEEDED && seen != NEEDED | PLATFORM)
            revert("SGX extension: an entry is missing");
        out.known = true;
    }

    /// Takes an OID; k is the number after the arc of n octets, 0 when it is of another family.
    function _suffix(
        uint256 p,
        uint256 end,
        uint256 arc,
        uint256 n
    ) private pure returns (uint256 k, uint256 next) {
        (p, next) = Der.take(p, end, Der.OID);
        unchecked {
            if (next - p != n + 1) return (0, next);
            uint256 oid = Memory.number(p, next);
            if (oid >> 8 == arc && oid & 0x80 == 0) k = oid & 0x7f;
        }
    }

    function _octets(uint256 p, uint256 end, uint256 n) private pure returns (uint256) {
        p = Der.only(p, end, Der.OCTET_STRING);
        if (end - p != n) revert("SGX extension: an octet string of another size");
        return Memory.number(p, end);
    }

    function _tcb(Platform memory out, uint256 p, uint256 end) private pure {
        p = Der.only(p, end, Der.SEQUENCE);
        uint256 seen;
        uint256 svns;
        while (p != end) {
            uint256 v;
            (v, p) = Der.take(p, end, Der.SEQUENCE);
            uint256 k;
            (k, v) = _suffix(v, p, TCB_ARC, 10);
            if (k == 0 || k > 18 || (seen >> k) & 1 != 0)
                revert("SGX extension: an unknown or repeated TCB entry");
            seen |= 1 << k;
            if (k == 18) {
                _octets(v, p, 16); // CPUSVN: levels are matched by the components
                continue;
            }
            uint256 n = Der.integer(Der.only(v, p, Der.INTEGER), p, 2);
            if (k == 17) out.pcesvn = n;
            else if (n < 256) svns |= n << (8 * (16 - k));
            else revert("SGX extension: a TCB component above 255");
        }
        if (seen != ALL_TCB) revert("SGX extension: a TCB entry is missing");
        out.svns = svns;
    }

    function _sgxType(uint256 p, uint256 end) private pure {
        p = Der.only(p, end, Der.ENUMERATED);
        if (end - p != 1 || Der.first(p) > 2) revert("SGX extension: an unknown SGX type");
    }

    function _configuration(uint256 p, uint256 end) private pure {
        p = Der.only(p, end, Der.SEQUENCE);
        uint256 seen;
        while (p != end) {
            uint256 v;
            (v, p) = Der.take(p, end, Der.SEQUENCE);
            uint256 k;
            (k, v) = _suffix(v, p, CONFIGURATION_ARC, 10);
            v = Der.only(v, p, Der.BOOLEAN);
            if (k == 0 || k > 3 || (seen >> k) & 1 != 0 || p - v != 1)
                revert("SGX extension: an unknown or repeated configuration flag");
            seen |= 1 << k;
        }
    }
}
