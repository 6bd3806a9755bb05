// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Memory} from "./Memory.sol";
import {Time} from "./Time.sol";

/// Collateral is signed over its exact bytes, so it is read in place. Repeated keys are refused,
/// for two readers may not pick the same one; escapes are refused in strings that are used.
library Json {
    struct Reader {
        uint256 at; // memory addresses
        uint256 end;
        uint256 depth;
        uint256 top; // of the stack of keys
        uint256 advisories; // seen so far
    }

    uint256 private constant MAX_KEYS = 64; // of one object
    uint256 private constant MAX_DEPTH = 15; // 16 with the object that holds body and signature

    uint256 private constant ONES =
        0x0101010101010101010101010101010101010101010101010101010101010101;
    uint256 private constant LOW =
        0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f;

    uint256 private constant HEX_DIGITS = 0x7e0000007e03ff000000000000; // a bit for each of 0-9 A-F a-f

    // "    -  -  T  :  :  Z"
    uint256 private constant PUNCTUATION =
        0x000000002d00002d00005400003a00003a00005a000000000000000000000000;
    uint256 private constant PUNCTUATION_MASK =
        0x00000000ff0000ff0000ff0000ff0000ff0000ff000000000000000000000000;

    bytes32 internal constant UP_TO_DATE = keccak256("UpToDate");
    bytes32 internal constant SW_HARDENING = keccak256("SWHardeningNeeded");
    bytes32 internal constant CONFIGURATION_AND_SW_HARDENING =
        keccak256("ConfigurationAndSWHardeningNeeded");
    bytes32 internal constant CONFIGURATION = keccak256("ConfigurationNeeded");
    bytes32 internal constant OUT_OF_DATE = keccak256("OutOfDate");
    bytes32 internal constant OUT_OF_DATE_CONFIGURATION = keccak256("OutOfDateConfigurationNeeded");
    bytes32 internal constant REVOKED = keccak256("Revoked");

    /// The text must be one object, from its first byte to its last.
    function open(bytes memory json) internal pure returns (Reader memory r) {
        (r.at, r.end) = Memory.span(json);
        if (json.length < 2 || json[0] != "{" || json[json.length - 1] != "}")
            revert("JSON: the text is not one object");
        uint256 keys;
        assembly ("memory-safe") {
            keys := mload(0x40)
            mstore(0x40, add(keys, mul(32, mul(MAX_KEYS, MAX_DEPTH))))
        }
        r.top = keys;
    }

    function close(Reader memory r) internal pure {
        if (r.at != r.end) revert("JSON: something follows the object");
    }

    /// The next byte that is not white space; 0 at the end.
    function peek(Reader memory r) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            let p := mload(r)
            let end := mload(add(r, 32))
            for {} lt(p, end) {
                p := add(p, 1)
            } {
                c := byte(0, mload(p))
                // Tab, newline, return, space.
                if iszero(and(shr(c, 0x100002600), 1)) {
                    break
                }
                c := 0
            }
            mstore(r, p)
        }
    }

    function take(Reader memory r, uint256 c) internal pure returns (bool) {
        unchecked {
            if (peek(r) != c) return false;
            ++r.at;
            return true;
        }
    }

    /// A string's bytes, between the quotes.
    function _string(Reader memory r) private pure returns (uint256 from, uint256 to, bool plain) {
        if (!take(r, 0x22)) revert("JSON: a string is expected");
        from = r.at;
        uint256 end = r.end;
        bool ok;
        assembly ("memory-safe") {
            // The top bit of every byte that is zero, and of no other.
            function zeros(w) -> z {
                z := not(or(or(add(and(w, LOW), LOW), w), LOW))
            }
            plain := 1
            to := from
            for {} lt(to, end) {} {
                // 32 characters at once: where is the first quote, backslash or control character?
                let w := mload(to)
                let special := or(
                    or(zeros(xor(w, mul(0x22, ONES))), zeros(xor(w, mul(0x5c, ONES)))),
                    zeros(and(w, mul(0xe0, ONES)))
                )
                to := add(to, shr(3, clz(special)))
                if iszero(special) {
                    continue
                }
                let c := byte(0, mload(to))
                if iszero(eq(c, 0x5c)) {
                    ok := eq(c, 0x22)
                    break
                }
                plain := 0
                to := add(to, 2)
            }
            ok := and(ok, lt(to, end))
        }
        if (!ok) revert("JSON: a string with a control character or without an end");
        unchecked {
            r.at = to + 1;
        }
    }

    function text(Reader memory r) internal pure returns (uint256 from, uint256 to) {
        bool plain;
        (from, to, plain) = _string(r);
        if (!plain) revert("JSON: an escape in a string that must be plain");
    }

    /// Up to 31 bytes of a string, the length in the last byte; a hash for longer ones.
    function word(Reader memory r) internal pure returns (bytes32 w) {
        (uint256 from, uint256 to) = text(r);
        assembly ("memory-safe") {
            let size := sub(to, from)
            switch lt(size, 32)
            case 1 {
                let unused := shl(3, sub(32, size))
                w := or(shl(unused, shr(unused, mload(from))), size)
            }
            default {
                w := keccak256(from, size)
            }
        }
    }

    function _enter(Reader memory r, uint256 open_) private pure {
        if (!take(r, open_)) revert("JSON: an object or array is expected");
        unchecked {
            if (++r.depth > MAX_DEPTH) revert("JSON: too deeply nested");
        }
    }

    /// Walking an object: begin with object(), then member() until it says no. `mark` is where the
    /// object's keys begin on the stack.
    function object(Reader memory r) internal pure returns (uint256 mark) {
        _enter(r, 0x7b);
        return r.top;
    }

    function member(Reader memory r, uint256 mark) internal pure returns (bool more, bytes32 key) {
        unchecked {
            uint256 c = peek(r);
            if (c == 0x7d) {
                ++r.at;
                --r.depth;
                r.top = mark;
                return (false, 0);
            }
            uint256 top = r.top;
            if (top != mark) {
                if (c != 0x2c) revert("JSON: a comma or } is expected");
                ++r.at;
            }
            key = word(r);
            bool repeated;
            assembly ("memory-safe") {
                for {
                    let p := mark
                } lt(p, top) {
                    p := add(p, 32)
                } {
                    repeated := or(repeated, eq(mload(p), key))
                }
            }
            if (repeated) revert("JSON: a member is repeated");
            if (top - mark == 32 * MAX_KEYS) revert("JSON: an object with too many members");
            assembly ("memory-safe") {
                mstore(top, key)
            }
            r.top = top + 32;
            if (!take(r, 0x3a)) revert("JSON: a colon is expected");
            return (true, key);
        }
    }

    function array(Reader memory r) internal pure {
        _enter(r, 0x5b);
    }

    /// Whether there is one more element; `index` counts those before.
    function element(Reader memory r, uint256 index) internal pure returns (bool) {
        unchecked {
            uint256 c = peek(r);
            if (c == 0x5d) {
                ++r.at;
                --r.depth;
                return false;
            }
            if (index != 0) {
                if (c != 0x2c) revert("JSON: a comma or ] is expected");
                ++r.at;
            }
            return true;
        }
    }

    function number(Reader memory r, uint256 max) internal pure returns (uint256 n) {
        peek(r);
        uint256 p = r.at;
        uint256 end = r.end;
        bool ok;
        assembly ("memory-safe") {
            let start := p
            let c
            for {} lt(p, end) {
                p := add(p, 1)
            } {
                c := sub(byte(0, mload(p)), 0x30)
                if gt(c, 9) {
                    break
                }
                n := add(mul(n, 10), c)
            }
            let size := sub(p, start)
            // At least one digit, none that cannot be counted, no zero in front; no fraction.
            ok := and(
                and(gt(size, 0), lt(size, 20)),
                or(eq(size, 1), gt(byte(0, mload(start)), 0x30))
            )
            c := byte(0, mload(p))
            ok := and(ok, iszero(or(eq(c, 0x2e), or(eq(c, 0x65), eq(c, 0x45)))))
        }
        if (!ok || n > max) revert("JSON: an unsigned integer in range is expected");
        r.at = p;
    }

    /// 2 * size hex digits, in either case.
    function hexBytes(Reader memory r, uint256 size) internal pure returns (bytes memory out) {
        (uint256 p, uint256 end) = text(r);
        bool ok = end - p == 2 * size;
        out = new bytes(ok ? size : 0);
        assembly ("memory-safe") {
            let good := 1
            let to := add(out, 32)
            for {} lt(p, end) {
                p := add(p, 2)
            } {
                let w := mload(p)
                let a := byte(0, w)
                let b := byte(1, w)
                good := and(good, and(shr(a, HEX_DIGITS), shr(b, HEX_DIGITS)))
                // A letter's low bits count from 1 and stand for 10: nine more.
                a := add(and(a, 15), mul(9, shr(6, a)))
                b := add(and(b, 15), mul(9, shr(6, b)))
                mstore8(to, add(shl(4, a), b))
                to := add(to, 1)
            }
            ok := and(ok, good)
        }
        if (!ok) revert("JSON: hex digits are missing, too many, or none");
    }

    /// At most 32 bytes of hex as a number.
    function hexNumber(Reader memory r, uint256 size) internal pure returns (uint256) {
        (uint256 from, uint256 to) = Memory.span(hexBytes(r, size));
        return Memory.number(from, to);
    }

    /// 2026-01-31T00:00:00Z, in seconds since 1970.
    function time(Reader memory r) internal pure returns (uint256 t) {
        (uint256 p, uint256 end) = text(r);
        uint256 w = uint256(Memory.load(p));
        bool ok;
        unchecked {
            if (end - p == 20 && w & PUNCTUATION_MASK == PUNCTUATION) {
                uint256 century;
                (ok, century) = Time.twoDigits(p);
                // YYMMDDhhmmss without what stands between.
                uint256 digits = (((w >> 224) & 0xffff) << 80) |
                    (((w >> 200) & 0xffff) << 64) |
                    (((w >> 176) & 0xffff) << 48) |
                    (((w >> 152) & 0xffff) << 32) |
                    (((w >> 128) & 0xffff) << 16) |
                    ((w >> 104) & 0xffff);
                bool fine;
                (fine, t) = Time.fromDigits(century, digits);
                ok = ok && fine;
            }
        }
        if (!ok) revert("JSON: a time like 2026-01-31T00:00:00Z is expected");
    }

    /// A TCB status, as the number that the output has for it.
    function status(Reader memory r) internal pure returns (uint256) {
        (uint256 from, uint256 to) = text(r);
        bytes32 h = Memory.keccak(from, to);
        if (h == UP_TO_DATE) return 0;
        if (h == SW_HARDENING) return 1;
        if (h == CONFIGURATION_AND_SW_HARDENING) return 2;
        if (h == CONFIGURATION) return 3;
        if (h == OUT_OF_DATE) return 4;
        if (h == OUT_OF_DATE_CONFIGURATION) return 5;
        if (h == REVOKED) return 6;
        revert("JSON: an unknown TCB status");
    }

    /// Any value.
    function skip(Reader memory r) internal pure {
        unchecked {
            uint256 c = peek(r);
            if (c == 0x22) {
                _string(r);
            } else if (c == 0x7b || c == 0x5b) {
                _enter(r, c);
                uint256 close_ = c + 2; // } after {, ] after [
                if (!take(r, close_)) {
                    do {
                        if (c == 0x7b) {
                            _string(r);
                            if (!take(r, 0x3a)) revert("JSON: a colon is expected");
                        }
                        skip(r);
                    } while (take(r, 0x2c));
                    if (!take(r, close_)) revert("JSON: a comma or an end is expected");
                }
                --r.depth;
            } else {
                _literal(r);
            }
        }
    }

    /// true, false, null, or the characters of a number.
    function _literal(Reader memory r) private pure {
        uint256 p = r.at;
        uint256 end = r.end;
        bool ok;
        assembly ("memory-safe") {
            let w := mload(p)
            switch shr(224, w)
            case 0x74727565 {
                p := add(p, 4)
            }
            case 0x6e756c6c {
                p := add(p, 4)
            }
            default {
                switch shr(216, w)
                case 0x66616c7365 {
                    p := add(p, 5)
                }
                default {
                    // + - . 0-9 E e
                    for {} lt(p, end) {
                        p := add(p, 1)
                    } {
                        if iszero(and(shr(byte(0, mload(p)), 0x200000002003ff680000000000), 1)) {
                            break
                        }
                    }
                }
            }
            ok := iszero(gt(p, end))
        }
        if (!ok || p == r.at) revert("JSON: a value is expected");
        r.at = p;
    }
}
