// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Json} from "./Json.sol";
import {IsvsvnLevels} from "./IsvsvnLevels.sol";
import {Names} from "./Names.sol";
import {Document} from "./TcbInfo.sol";

/// The identity of an enclave, version 2.
library QeIdentity {
    bytes32 internal constant TD_QE = bytes32("TD_QE") | bytes32(uint256(5));

    uint256 private constant HAS_ALL = 4095;

    struct Fields {
        uint256 miscselect;
        uint256 miscselectMask;
        uint256 attributes;
        uint256 attributesMask;
        uint256 mrsigner;
        uint256 isvprodid;
        bytes levels;
    }

    function parse(bytes memory text) internal pure returns (Document memory d) {
        Json.Reader memory r = Json.open(text);
        Fields memory f;
        uint256 mark = Json.object(r);
        uint256 seen;
        while (true) {
            (bool more, bytes32 key) = Json.member(r, mark);
            if (!more) break;
            seen |= _member(r, key, d, f);
        }
        Json.close(r);
        if (seen != HAS_ALL) revert("QE identity: a member is missing");
        d.packed = abi.encodePacked(
            uint32(f.miscselect),
            uint32(f.miscselectMask),
            uint128(f.attributes),
            uint128(f.attributesMask),
            f.mrsigner,
            uint16(f.isvprodid),
            f.levels
        );
    }

    function _member(
        Json.Reader memory r,
        bytes32 key,
        Document memory d,
        Fields memory f
    ) private pure returns (uint256) {
        if (key == Names.ID) {
            d.subject = Json.word(r);
            return 1;
        }
        if (key == Names.VERSION) {
            if (Json.number(r, type(uint32).max) != 2) revert("QE identity: the version is not 2");
            return 2;
        }
        if (key == Names.ISSUE_DATE) {
            d.from = Json.time(r);
            return 4;
        }
        if (key == Names.NEXT_UPDATE) {
            d.to = Json.time(r);
            return 8;
        }
        if (key == Names.EVALUATION) {
            d.evaluation = Json.number(r, type(uint32).max);
            return 16;
        }
        if (key == Names.MISCSELECT) {
            f.miscselect = Json.hexNumber(r, 4);
            return 32;
        }
        if (key == Names.MISCSELECT_MASK) {
            f.miscselectMask = Json.hexNumber(r, 4);
            return 64;
        }
        if (key == Names.ATTRIBUTES) {
            f.attributes = Json.hexNumber(r, 16);
            return 128;
        }
        if (key == Names.ATTRIBUTES_MASK) {
            f.attributesMask = Json.hexNumber(r, 16);
            return 256;
        }
        if (key == Names.MRSIGNER) {
            f.mrsigner = Json.hexNumber(r, 32);
            return 512;
        }
        if (key == Names.ISVPRODID) {
            f.isvprodid = Json.number(r, 0xffff);
            return 1024;
        }
        if (key == Names.TCB_LEVELS) {
            f.levels = IsvsvnLevels.read(r);
            return 2048;
        }
        Json.skip(r);
        return 0;
    }
}
