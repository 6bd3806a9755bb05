// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Memory} from "./Memory.sol";
import {Time} from "./Time.sol";

/// Collateral is signed over its exact bytes, so it is read in place, and only in the one spelling
/// that Intel writes: no white space, integers for numbers, no escape that a shorter one or none
/// would do for. Intel's library verifies what it read and wrote again, so another spelling, though
/// signed, does not pass there. Repeated keys are refused, for two readers may not pick the same
/// one; escapes are refused in strings that are used.
library Json {
    struct Reader {
        uint256 at; // memory addresses
        uint256 end;
        uint256 depth;
        uint256 top; // of the stack of keys
        uint256 advisories; // seen so far
    }

    uint256 private constant MAX_KEYS = 64; // of one object
    uint256 private constant MAX_DIGITS = 19; // of a number
    uint256 private constant MAX_NEGATIVE = 10 ** 18 - 1;
    uint256 private constant MAX_DEPTH = 15; // 16 with the object that holds body and signature

    uint256 private constant ONES =
        0x0101010101010101010101010101010101010101010101010101010101010101;
    uint256 private constant LOW =
        0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f;

    // A bit for each character that may follow a backslash: " \ b f n r t.
    uint256 private constant ESCAPES = 0x144044100000000000000400000000;
    uint256 private constant HEX_DIGITS = 0x7e0000007e03ff000000000000; // a bit for each of 0-9 A-F a-f

    // "    -  -  T  :  :  Z"
    uint256 private constant PUNCTUATION =
        0x000000002d00002d00005400003a00003a00005a000000000000000000000000;
    uint256 private constant PUNCTUATION_MASK =
        0x00000000ff0000ff0000ff0000ff0000ff0000ff000000000000000000000000;

    uint256 private constant TRUE = 0x74727565;
    uint256 private constant NULL = 0x6e756c6c;
    uint256 private constant FALSE = 0x66616c7365;

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

    /// The next byte; 0 at the end.
    function peek(Reader memory r) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            let p := mload(r)
            if lt(p, mload(add(r, 32))) {
                c := byte(0, mload(p))
            }
        }
    }

    function take(Reader memory r, uint256 c) internal pure returns (bool) {
        unchecked {
            if (peek(r) != c) return false;
            ++r.at;
            return true;
        }
    }

    function _misplaced() private pure {
        revert("JSON: a comma, a colon or an end is expected");
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
                if iszero(and(shr(byte(1, mload(to)), ESCAPES), 1)) {
                    break
                }
                plain := 0
                to := add(to, 2)
            }
            ok := and(ok, lt(to, end))
        }
        if (!ok) revert("JSON: a string without an end, or with a character or escape not due");
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
                if (c != 0x2c) _misplaced();
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
            if (!take(r, 0x3a)) _misplaced();
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
                if (c != 0x2c) _misplaced();
                ++r.at;
            }
            return true;
        }
    }

    function number(Reader memory r, uint256 max) internal pure returns (uint256 n) {
        uint256 p = r.at;
        uint256 end = r.end;
        bool ok;
        assembly ("memory-safe") {
            let start := p
            for {} lt(p, end) {
                p := add(p, 1)
            } {
                let c := sub(byte(0, mload(p)), 0x30)
                if gt(c, 9) {
                    break
                }
                n := add(mul(n, 10), c)
            }
            // At least one digit, none that cannot be counted, no zero in front. A fraction or
            // exponent is none of the signs that may follow.
            let size := sub(p, start)
            ok := and(
                lt(sub(size, 1), MAX_DIGITS),
                or(eq(size, 1), gt(byte(0, mload(start)), 0x30))
            )
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
                            if (!take(r, 0x3a)) _misplaced();
                        }
                        skip(r);
                    } while (take(r, 0x2c));
                    if (!take(r, close_)) _misplaced();
                }
                --r.depth;
            } else {
                _literal(r);
            }
        }
    }

    /// true, false, null or an integer.
    function _literal(Reader memory r) private pure {
        uint256 w = uint256(Memory.load(r.at));
        unchecked {
            if (w >> 224 == TRUE || w >> 224 == NULL) {
                r.at += 4;
            } else if (w >> 216 == FALSE) {
                r.at += 5;
            } else if (take(r, 0x2d)) {
                // Not -0, and one digit less: all of these fit into 63 bits.
                if (peek(r) == 0x30) revert("JSON: a value is expected");
                number(r, MAX_NEGATIVE);
            } else {
                number(r, type(uint64).max);
            }
        }
        // What lies behind the text may look like more of it; close() sees that it was read.
    }
}
