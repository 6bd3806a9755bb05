// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Memory} from "./Memory.sol";

/// The first certificate of a PEM text. 32 characters are looked at in one word: a byte plus a
/// constant sets its top bit when the byte is at least some character, and no carry leaves a byte
/// as long as none has its top bit set before.
library Pem {
    uint256 private constant ONES =
        0x0101010101010101010101010101010101010101010101010101010101010101;
    uint256 private constant HIGH =
        0x8080808080808080808080808080808080808080808080808080808080808080;

    // The two lines, in the lowest bytes.
    uint256 private constant BEGIN = 0x2d2d2d2d2d424547494e2043455254494649434154452d2d2d2d2d;
    uint256 private constant END = 0x2d2d2d2d2d454e442043455254494649434154452d2d2d2d2d;
    uint256 private constant BEGIN_SIZE = 27;
    uint256 private constant END_SIZE = 25;

    /// The DER of the certificate that the text begins with. What follows it is not looked at.
    function first(bytes calldata text) internal pure returns (bytes memory der) {
        if (text.length < BEGIN_SIZE || uint216(bytes27(text)) != BEGIN)
            revert("the certification data does not begin with a certificate in PEM");
        (uint256 from, uint256 to) = _compact(text[BEGIN_SIZE:]);
        return _decode(from, to);
    }

    /// Copies the characters up to the end line to free memory, without white space. As OpenSSL
    /// reads PEM, and with it Intel's library: the label stands at the end of its line, no line is
    /// empty, and the end begins one.
    function _compact(bytes calldata text) private pure returns (uint256 from, uint256 to) {
        bool ended;
        assembly ("memory-safe") {
            from := mload(0x40)
            to := from
            let p := text.offset
            let end := add(p, text.length)
            // The rest of the label's line: blanks and a newline.
            for {} and(shr(byte(0, calldataload(p)), 0x100002200), 1) {
                p := add(p, 1)
            } {}
            if xor(byte(0, calldataload(p)), 0x0a) {
                p := end
            }
            p := add(p, 1)
            for {} lt(p, end) {} {
                // The usual line: 64 characters of which none is white space, and a newline.
                if and(lt(add(p, 64), end), eq(byte(0, calldataload(add(p, 64))), 0x0a)) {
                    let a := calldataload(p)
                    let b := calldataload(add(p, 32))
                    let low := not(or(a, b)) // top bit: below 0x80
                    let visible := and( // top bit: at least '!'
                        add(and(a, not(HIGH)), mul(0x5f, ONES)),
                        add(and(b, not(HIGH)), mul(0x5f, ONES))
                    )
                    if eq(and(and(low, visible), HIGH), HIGH) {
                        mstore(to, a)
                        mstore(add(to, 32), b)
                        to := add(to, 64)
                        p := add(p, 65)
                        continue
                    }
                }
                // The end, or any other line, character by character.
                if eq(shr(56, calldataload(p)), END) {
                    ended := iszero(gt(add(p, END_SIZE), end))
                    break
                }
                let start := to
                for {} lt(p, end) {} {
                    let c := byte(0, calldataload(p))
                    p := add(p, 1)
                    switch c
                    case 0x20 {}
                    case 0x09 {}
                    case 0x0d {}
                    case 0x0a {
                        break
                    }
                    default {
                        mstore8(to, c)
                        to := add(to, 1)
                    }
                }
                if eq(to, start) {
                    break
                }
            }
        }
        if (!ended) revert("the certificate in PEM has an empty line, or no end that begins one");
    }

    /// The result is put behind the text.
    function _decode(uint256 from, uint256 to) private pure returns (bytes memory der) {
        bool ok;
        uint256 size;
        uint256 padding;
        unchecked {
            if (to == from || (to - from) % 4 != 0)
                revert("the certificate's base64 has an impossible length");
            if (Memory.number(to - 1, to) == 0x3d)
                padding = Memory.number(to - 2, to - 1) == 0x3d ? 2 : 1;
            size = ((to - from) / 4) * 3;
        }
        assembly ("memory-safe") {
            // 'A', which is zero bits, in place of the padding and up to the end of the last word.
            mstore(sub(to, padding), mul(0x41, ONES))
            der := and(add(to, 95), not(31))
            let out := add(der, 32)
            let bad := 0
            for {
                let p := from
            } lt(p, to) {
                p := add(p, 32)
            } {
                let w := mload(p)
                bad := or(bad, w)
                w := and(w, not(HIGH))
                // The top bit of a byte of w + (0x80 - k) says that the byte is at least k. Of the
                // thresholds + , / : A [ a { a character inside one of the ranges + /-9 A-Z a-z
                // reaches an odd number.
                let t := add(w, mul(sub(0x80, 0x2b), ONES))
                let inside := xor(t, add(w, mul(sub(0x80, 0x2c), ONES)))
                let plus := and(shr(7, t), ONES)
                t := add(w, mul(sub(0x80, 0x2f), ONES))
                inside := xor(inside, xor(t, add(w, mul(sub(0x80, 0x3a), ONES))))
                let slash := and(shr(7, t), ONES)
                t := add(w, mul(sub(0x80, 0x41), ONES))
                inside := xor(inside, xor(t, add(w, mul(sub(0x80, 0x5b), ONES))))
                let upper := and(shr(7, t), ONES)
                t := add(w, mul(sub(0x80, 0x61), ONES))
                inside := xor(inside, xor(t, add(w, mul(sub(0x80, 0x7b), ONES))))
                let lower := and(shr(7, t), ONES)
                let zero := and(shr(7, add(w, mul(sub(0x80, 0x30), ONES))), ONES)
                bad := or(bad, not(inside))
                // '+' is 62, '/' 63, '0' 52, 'A' 0, 'a' 26.
                w := add(w, mul(19, plus))
                w := sub(
                    w,
                    add(add(mul(3, slash), mul(12, zero)), add(mul(69, upper), mul(6, lower)))
                )
                // Six bits a byte close ranks: 2, 4, 8, 16 and at last 32 of them at a time.
                w := or(
                    and(
                        shr(2, w),
                        0x0fc00fc00fc00fc00fc00fc00fc00fc00fc00fc00fc00fc00fc00fc00fc00fc0
                    ),
                    and(w, 0x003f003f003f003f003f003f003f003f003f003f003f003f003f003f003f003f)
                )
                w := or(
                    and(
                        shr(4, w),
                        0x00fff00000fff00000fff00000fff00000fff00000fff00000fff00000fff000
                    ),
                    and(w, 0x00000fff00000fff00000fff00000fff00000fff00000fff00000fff00000fff)
                )
                w := or(
                    and(
                        shr(8, w),
                        0x0000ffffff0000000000ffffff0000000000ffffff0000000000ffffff000000
                    ),
                    and(w, 0x0000000000ffffff0000000000ffffff0000000000ffffff0000000000ffffff)
                )
                w := or(
                    and(
                        shr(16, w),
                        0x00000000ffffffffffff00000000000000000000ffffffffffff000000000000
                    ),
                    and(w, 0x00000000000000000000ffffffffffff00000000000000000000ffffffffffff)
                )
                w := or(
                    and(
                        shr(32, w),
                        0x0000000000000000ffffffffffffffffffffffff000000000000000000000000
                    ),
                    and(w, 0x0000000000000000000000000000000000000000ffffffffffffffffffffffff)
                )
                mstore(out, shl(64, w))
                out := add(out, 24)
            }
            // The bits of the last characters that belong to no byte must be zero.
            let behind := add(add(der, 32), sub(size, padding))
            ok := iszero(or(and(bad, HIGH), shr(sub(256, shl(3, padding)), mload(behind))))
            mstore(der, sub(size, padding))
            mstore(0x40, and(add(out, 63), not(31)))
        }
        if (!ok) revert("the certificate's base64 has a character that cannot be there");
    }
}
