// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Json} from "./Json.sol";
import {Layout} from "./Layout.sol";
import {Memory} from "./Memory.sol";
import {Names} from "./Names.sol";
import {Document} from "./TcbInfo.sol";

/// Intel's list of TCB evaluation numbers for TDX, version 1: each number with the day of the
/// recovery event that it came with.
library EvaluationNumbers {
    bytes32 private constant TDX = bytes32("TDX") | bytes32(uint256(3));

    uint256 private constant MAX = 64; // real lists: 3 to 8
    uint256 internal constant NEVER = type(uint40).max;
    uint256 private constant YEAR = 365 days;

    function parse(bytes memory text) internal pure returns (Document memory d) {
        Json.Reader memory r = Json.open(text);
        uint256 mark = Json.object(r);
        uint256 seen;
        while (true) {
            (bool more, bytes32 key) = Json.member(r, mark);
            if (!more) break;
            if (key == Names.ID) {
                if (Json.word(r) == TDX) seen |= 1;
            } else if (key == Names.VERSION) {
                if (Json.number(r, type(uint32).max) == 1) seen |= 2;
            } else if (key == Names.ISSUE_DATE) {
                d.from = Json.time(r);
                seen |= 4;
            } else if (key == Names.NEXT_UPDATE) {
                d.to = Json.time(r);
                seen |= 8;
            } else if (key == Names.EVALUATION_NUMBERS) {
                d.packed = _entries(r);
                seen |= 16;
            } else {
                Json.skip(r);
            }
        }
        Json.close(r);
        if (seen != 31) revert("evaluation numbers: no list for TDX of version 1, or incomplete");
    }

    function _entries(Json.Reader memory r) private pure returns (bytes memory packed) {
        uint256 n;
        Json.array(r);
        for (; Json.element(r, n); ++n) {
            (uint256 number, uint256 date) = _entry(r);
            packed = abi.encodePacked(packed, uint32(number), uint40(date));
        }
        if (n == 0 || n > MAX) revert("evaluation numbers: none, or more than 64");
    }

    function _entry(Json.Reader memory r) private pure returns (uint256 number, uint256 date) {
        uint256 seen;
        uint256 mark = Json.object(r);
        while (true) {
            (bool more, bytes32 key) = Json.member(r, mark);
            if (!more) break;
            if (key == Names.EVALUATION) {
                number = Json.number(r, type(uint32).max);
                seen |= 1;
            } else if (key == Names.RECOVERY_DATE) {
                date = Json.time(r);
                seen |= 2;
            } else if (key == Names.TCB_DATE) {
                Json.time(r);
                seen |= 4;
            } else {
                Json.skip(r);
            }
        }
        if (seen != 7 || number == 0) revert("evaluation numbers: an entry lacks number or dates");
    }

    /// Of a packed list, the newest number whose recovery event was 365 days ago or more at that
    /// time, 0 when there is none; and until when that is so.
    function standard(
        uint256 p,
        uint256 end,
        uint256 time
    ) internal pure returns (uint256 number, uint256 until) {
        until = NEVER;
        for (; p < end; p += Layout.NUMBER_SIZE) {
            uint256 n = Memory.number(p, p + Layout.NUMBER_DATE);
            uint256 from = Memory.number(p + Layout.NUMBER_DATE, p + Layout.NUMBER_SIZE) + YEAR;
            if (from > time) {
                if (from < until) until = from;
            } else if (n > number) {
                number = n;
            }
        }
    }
}
