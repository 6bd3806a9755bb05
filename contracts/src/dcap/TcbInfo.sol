// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Json} from "./Json.sol";
import {IsvsvnLevels} from "./IsvsvnLevels.sol";
import {Memory} from "./Memory.sol";
import {Names} from "./Names.sol";

/// What is kept of a signed JSON document.
struct Document {
    uint256 from; // issueDate and nextUpdate
    uint256 to;
    uint256 evaluation; // tcbEvaluationDataNumber
    bytes32 subject; // the FMSPC of TCB info; the id of a QE identity, as Json.word() gives it
    bytes packed; // what the verifier reads: Layout.sol
}

/// TCB info for TDX, version 3 (PCS API version 4).
library TcbInfo {
    struct Level {
        uint256 platform; // 16 SGX component SVNs, then PCESVN in two bytes
        uint256 tdx; // 16 TDX component SVNs
        uint256 status;
        bytes advisories; // as IsvsvnLevels.advisories() packs them
    }

    struct Module {
        bytes mrsigner;
        bytes attributes;
        uint256 major; // TEE_TCB_SVN[1] that it is for; 0 when no quote can name it
        bytes levels;
    }

    bytes32 private constant TDX = bytes32("TDX") | bytes32(uint256(3));
    uint256 private constant ONLY_SVN = 0x7b2273766e223a; // {"svn":

    uint256 private constant MAX_LEVELS = 64;
    uint256 private constant MAX_MODULES = 16;

    uint256 private constant HAS_ID = 1;
    uint256 private constant HAS_VERSION = 2;
    uint256 private constant HAS_ISSUED = 4;
    uint256 private constant HAS_NEXT = 8;
    uint256 private constant HAS_FMSPC = 16;
    uint256 private constant HAS_PCEID = 32;
    uint256 private constant HAS_TYPE = 64;
    uint256 private constant HAS_NUMBER = 128;
    uint256 private constant HAS_LEVELS = 256;
    uint256 private constant HAS_MODULE = 512;
    uint256 private constant HAS_ALL = 1023;

    uint256 private constant MODULE_SIGNER = 1;
    uint256 private constant MODULE_ATTRIBUTES = 2;
    uint256 private constant MODULE_MASK = 4;
    uint256 private constant MODULE_ID = 8;
    uint256 private constant MODULE_LEVELS = 16;
    uint256 private constant MODULE_PLAIN = MODULE_SIGNER | MODULE_ATTRIBUTES | MODULE_MASK;
    uint256 private constant MODULE_ALL = MODULE_PLAIN | MODULE_ID | MODULE_LEVELS;

    function parse(bytes memory text) internal pure returns (Document memory d) {
        Json.Reader memory r = Json.open(text);
        uint256 mark = Json.object(r);
        uint256 seen;
        uint256 pceid;
        bytes32 plain;
        bytes memory modules = hex"00";
        bytes memory levels;
        while (true) {
            (bool more, bytes32 key) = Json.member(r, mark);
            if (!more) break;
            if (key == Names.ID) {
                if (Json.word(r) != TDX) revert("TCB info: the id is not TDX");
                seen |= HAS_ID;
            } else if (key == Names.VERSION) {
                if (Json.number(r, type(uint32).max) != 3) revert("TCB info: the version is not 3");
                seen |= HAS_VERSION;
            } else if (key == Names.ISSUE_DATE) {
                d.from = Json.time(r);
                seen |= HAS_ISSUED;
            } else if (key == Names.NEXT_UPDATE) {
                d.to = Json.time(r);
                seen |= HAS_NEXT;
            } else if (key == Names.FMSPC) {
                d.subject = bytes6(uint48(Json.hexNumber(r, 6)));
                seen |= HAS_FMSPC;
            } else if (key == Names.PCE_ID) {
                pceid = Json.hexNumber(r, 2);
                seen |= HAS_PCEID;
            } else if (key == Names.TCB_TYPE) {
                Json.number(r, 0);
                seen |= HAS_TYPE;
            } else if (key == Names.EVALUATION) {
                d.evaluation = Json.number(r, type(uint32).max);
                seen |= HAS_NUMBER;
            } else if (key == Names.TDX_MODULE) {
                (Module memory m, uint256 has) = _module(r);
                if (has != MODULE_PLAIN) revert("TCB info: tdxModule lacks a member");
                plain = _identity(m);
                seen |= HAS_MODULE;
            } else if (key == Names.TDX_MODULES) {
                modules = _modules(r);
            } else if (key == Names.TCB_LEVELS) {
                levels = _levels(r);
                seen |= HAS_LEVELS;
            } else {
                Json.skip(r);
            }
        }
        Json.close(r);
        if (seen != HAS_ALL) revert("TCB info: a member is missing");
        d.packed = abi.encodePacked(uint16(pceid), plain, modules, levels);
    }

    /// MRSIGNERSEAM and SEAMATTRIBUTES, which are neighbours in the TD report.
    function _identity(Module memory m) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(m.mrsigner, m.attributes));
    }

    function _module(Json.Reader memory r) private pure returns (Module memory m, uint256 seen) {
        uint256 mark = Json.object(r);
        while (true) {
            (bool more, bytes32 key) = Json.member(r, mark);
            if (!more) break;
            if (key == Names.MRSIGNER) {
                m.mrsigner = Json.hexBytes(r, 48);
                seen |= MODULE_SIGNER;
            } else if (key == Names.ATTRIBUTES) {
                m.attributes = Json.hexBytes(r, 8);
                seen |= MODULE_ATTRIBUTES;
            } else if (key == Names.ATTRIBUTES_MASK) {
                Json.hexNumber(r, 8); // SEAMATTRIBUTES must be zero, all of them
                seen |= MODULE_MASK;
            } else if (key == Names.ID) {
                m.major = _major(Json.word(r));
                seen |= MODULE_ID;
            } else if (key == Names.TCB_LEVELS) {
                m.levels = IsvsvnLevels.read(r);
                seen |= MODULE_LEVELS;
            } else {
                Json.skip(r);
            }
        }
    }

    /// "TDX_03": two hex digits, all in either case; 0 for an id of another form.
    function _major(bytes32 id) private pure returns (uint256 major) {
        bytes4 family = bytes4(id);
        if (family & 0xdfdfdfff != "TDX_" || uint8(id[31]) != 6) return 0;
        for (uint256 i = 4; i < 6; ++i) {
            uint8 c = uint8(id[i]);
            if (c >= 0x30 && c <= 0x39) c -= 0x30;
            else if (c >= 0x41 && c <= 0x46) c -= 0x37;
            else if (c >= 0x61 && c <= 0x66) c -= 0x57;
            else return 0;
            major = (major << 4) | c;
        }
    }

    /// A byte with their number; then for each the major version, its identity and its levels.
    function _modules(Json.Reader memory r) private pure returns (bytes memory packed) {
        packed = hex"00";
        uint256 majors; // a bit for each that was seen
        uint256 n;
        Json.array(r);
        for (; Json.element(r, n); ++n) {
            if (n == MAX_MODULES) revert("TCB info: more than 16 TDX module identities");
            (Module memory m, uint256 has) = _module(r);
            if (has != MODULE_ALL) revert("TCB info: a TDX module identity lacks a member");
            if (m.major != 0 && (majors >> m.major) & 1 != 0)
                revert("TCB info: a TDX module identity is repeated");
            majors |= 1 << m.major;
            packed = abi.encodePacked(packed, uint8(m.major), _identity(m), m.levels);
        }
        if (n == 0) revert("TCB info: there are no TDX module identities");
        packed[0] = bytes1(uint8(n));
    }

    /// A byte with their number; then, highest first, for each the SVNs (34 bytes), the status and
    /// where its advisories begin, counted from the last level's end; at last the advisories.
    function _levels(Json.Reader memory r) private pure returns (bytes memory packed) {
        Level[] memory sorted = new Level[](MAX_LEVELS);
        uint256 n;
        Json.array(r);
        for (; Json.element(r, n); ++n) {
            if (n == MAX_LEVELS) revert("TCB info: more than 64 TCB levels");
            Level memory level = _level(r);
            uint256 i = n;
            for (; i > 0; --i) {
                Level memory other = sorted[i - 1];
                if (other.platform > level.platform) break;
                if (other.platform == level.platform) {
                    if (other.tdx == level.tdx)
                        revert("TCB info: two TCB levels with the same SVNs");
                    if (other.tdx > level.tdx) break;
                }
                sorted[i] = other;
            }
            sorted[i] = level;
        }
        if (n == 0) revert("TCB info: there are no TCB levels");
        packed = abi.encodePacked(uint8(n));
        bytes memory advisories;
        for (uint256 i = 0; i < n; ++i) {
            Level memory level = sorted[i];
            packed = abi.encodePacked(
                packed,
                uint144(level.platform),
                uint128(level.tdx),
                uint8(level.status),
                uint16(advisories.length)
            );
            advisories = abi.encodePacked(advisories, level.advisories);
        }
        packed = abi.encodePacked(packed, advisories);
    }

    function _level(Json.Reader memory r) private pure returns (Level memory level) {
        uint256 seen;
        level.advisories = hex"00";
        uint256 mark = Json.object(r);
        while (true) {
            (bool more, bytes32 key) = Json.member(r, mark);
            if (!more) break;
            if (key == Names.TCB) {
                (level.platform, level.tdx) = _tcb(r);
                seen |= 1;
            } else if (key == Names.TCB_DATE) {
                Json.time(r);
                seen |= 2;
            } else if (key == Names.TCB_STATUS) {
                level.status = Json.status(r);
                seen |= 4;
            } else if (key == Names.ADVISORIES) {
                level.advisories = IsvsvnLevels.advisories(r);
            } else {
                Json.skip(r);
            }
        }
        if (seen != 7) revert("a TCB level without tcb, tcbDate or tcbStatus");
    }

    function _tcb(Json.Reader memory r) private pure returns (uint256 platform, uint256 tdx) {
        uint256 seen;
        uint256 pcesvn;
        uint256 mark = Json.object(r);
        while (true) {
            (bool more, bytes32 key) = Json.member(r, mark);
            if (!more) break;
            if (key == Names.SGX_COMPONENTS) {
                platform = _components(r);
                seen |= 1;
            } else if (key == Names.TDX_COMPONENTS) {
                tdx = _components(r);
                seen |= 2;
            } else if (key == Names.PCESVN) {
                pcesvn = Json.number(r, 0xffff);
                seen |= 4;
            } else if (bytes10(key) == "sgxtcbcomp") {
                revert("TCB info: components of version 2");
            } else {
                Json.skip(r);
            }
        }
        if (seen != 7) revert("TCB info: a TCB level lacks components or pcesvn");
        platform = (platform << 16) | pcesvn;
    }

    /// [{"svn":n,...} x 16]
    function _components(Json.Reader memory r) private pure returns (uint256 svns) {
        unchecked {
            uint256 n;
            Json.array(r);
            for (; Json.element(r, n); ++n) {
                // Most are {"svn":n} and nothing else.
                uint256 start = r.at;
                if (uint256(Memory.load(start)) >> 200 == ONLY_SVN) {
                    r.at = start + 7;
                    uint256 svn = Json.number(r, 255);
                    if (Json.take(r, 0x7d) && n < 16) {
                        svns = (svns << 8) | svn;
                        continue;
                    }
                    r.at = start;
                }
                bool seen;
                uint256 mark = Json.object(r);
                while (true) {
                    (bool more, bytes32 key) = Json.member(r, mark);
                    if (!more) break;
                    if (key == Names.SVN) {
                        svns = (svns << 8) | Json.number(r, 255);
                        seen = true;
                    } else if (
                        (key == Names.CATEGORY || key == Names.TYPE) && Json.peek(r) != 0x22
                    ) {
                        revert("TCB info: a component's category or type is no string");
                    } else {
                        Json.skip(r);
                    }
                }
                if (!seen || n == 16) revert("TCB info: not 16 components with an svn each");
            }
            if (n != 16) revert("TCB info: not 16 components with an svn each");
        }
    }
}
