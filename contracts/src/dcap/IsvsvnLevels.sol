// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Json} from "./Json.sol";
import {Memory} from "./Memory.sol";
import {Names} from "./Names.sol";

/// TCB levels of a TDX module or of the QE: {"tcb":{"isvsvn":n},"tcbDate","tcbStatus"},
/// packed highest first.
library IsvsvnLevels {
    uint256 private constant MAX = 16;
    uint256 private constant MAX_ADVISORIES = 64; // of one level
    uint256 private constant MAX_ADVISORIES_IN_ALL = 1024;
    uint256 private constant MAX_ADVISORY = 63;

    uint256 private constant OUT_OF_DATE = 4;
    uint256 private constant REVOKED = 6;

    /// A byte with the number of levels, then the levels.
    function read(Json.Reader memory r) internal pure returns (bytes memory packed) {
        uint256 n;
        uint256 last; // SVN << 8 | status
        Json.array(r);
        for (; Json.element(r, n); ++n) {
            if (n == MAX) revert("more than 16 TCB levels of a module or enclave");
            uint256 level = _level(r);
            // Which counts of others: releases of Intel's library sort, or take the first that fits.
            if (n != 0 && level >> 8 >= last >> 8) revert("TCB levels that do not fall");
            packed = abi.encodePacked(packed, uint24(level));
            last = level;
        }
        if (n == 0) revert("there are no TCB levels");
        packed = abi.encodePacked(uint8(n), packed);
    }

    function _level(Json.Reader memory r) private pure returns (uint256 level) {
        uint256 seen;
        uint256 mark = Json.object(r);
        while (true) {
            (bool more, bytes32 key) = Json.member(r, mark);
            if (!more) break;
            if (key == Names.TCB) {
                level |= _isvsvn(r) << 8;
                seen |= 1;
            } else if (key == Names.TCB_DATE) {
                Json.time(r);
                seen |= 2;
            } else if (key == Names.TCB_STATUS) {
                uint256 status = Json.status(r);
                if (status != 0 && status != OUT_OF_DATE && status != REVOKED)
                    revert("a status that a module or enclave cannot have");
                level |= status;
                seen |= 4;
            } else if (key == Names.ADVISORIES) {
                advisories(r);
            } else {
                Json.skip(r);
            }
        }
        if (seen != 7) revert("a TCB level without tcb, tcbDate or tcbStatus");
    }

    function _isvsvn(Json.Reader memory r) private pure returns (uint256 svn) {
        bool seen;
        uint256 mark = Json.object(r);
        while (true) {
            (bool more, bytes32 key) = Json.member(r, mark);
            if (!more) break;
            if (key == Names.ISVSVN) (svn, seen) = (Json.number(r, 0xffff), true);
            else Json.skip(r);
        }
        if (!seen) revert("a tcb without isvsvn");
    }

    /// The first byte counts; each advisory follows with its length in front.
    function advisories(Json.Reader memory r) internal pure returns (bytes memory packed) {
        packed = hex"00";
        uint256 n;
        Json.array(r);
        for (; Json.element(r, n); ++n) {
            (uint256 from, uint256 to) = Json.text(r);
            if (n == MAX_ADVISORIES || r.advisories++ == MAX_ADVISORIES_IN_ALL)
                revert("too many advisories");
            if (from == to || to - from > MAX_ADVISORY) revert("an advisory of impossible length");
            bool strange;
            for (uint256 p = from; p != to; ) {
                assembly ("memory-safe") {
                    // Visible ASCII is 0x21 to 0x7e.
                    strange := or(strange, gt(sub(byte(0, mload(p)), 0x21), 0x5d))
                    p := add(p, 1)
                }
            }
            if (strange) revert("an advisory with a strange character");
            packed = abi.encodePacked(packed, uint8(to - from), Memory.copy(from, to));
        }
        packed[0] = bytes1(uint8(n));
    }
}
