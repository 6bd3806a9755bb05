// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Layout} from "./Layout.sol";
import {Memory} from "./Memory.sol";

/// Which TCB level a platform, a module or the QE reaches, over what Layout.sol describes; statuses
/// are the numbers of the verifier's output.
library TcbMatch {
    uint256 internal constant OUT_OF_DATE = 4;
    uint256 internal constant OUT_OF_DATE_CONFIGURATION = 5;
    uint256 internal constant REVOKED = 6;
    uint256 internal constant RELAUNCH = 8;
    uint256 internal constant RELAUNCH_CONFIGURATION = 9;

    uint256 private constant LANES = 0x00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant CARRIES =
        0x0100010001000100010001000100010001000100010001000100010001000100;

    /// The module identity for this major version: its identity hash and where its levels are.
    function module(
        uint256 info,
        uint256 major
    ) internal pure returns (bool known, bytes32 identity, uint256 levels) {
        unchecked {
            uint256 n = _byte(info + Layout.TCB_MODULES);
            uint256 p = info + Layout.TCB_MODULES + 1;
            for (; n > 0; --n) {
                if (_byte(p) == major)
                    return (
                        true,
                        Memory.load(p + Layout.MODULE_IDENTITY),
                        p + Layout.MODULE_LEVELS
                    );
                p = _after(p + Layout.MODULE_LEVELS);
            }
        }
    }

    /// The highest level whose SVN this one reaches. `levels` begins with their number.
    function isvsvn(
        uint256 levels,
        uint256 svn
    ) internal pure returns (bool found, uint256 status) {
        unchecked {
            uint256 n = _byte(levels);
            for (uint256 p = levels + 1; n > 0; --n) {
                uint256 level = Memory.number(p, p + Layout.ISVSVN_LEVEL_SIZE);
                if (svn >= level >> 8) return (true, level & 0xff);
                p += Layout.ISVSVN_LEVEL_SIZE;
            }
        }
    }

    /// The highest platform level that component SVNs, PCESVN and TEE_TCB_SVN reach.
    function platform(
        uint256 info,
        uint256 svns,
        uint256 pcesvn,
        uint256 tee
    ) internal pure returns (bool found, uint256 status, uint256 advisoriesAt) {
        unchecked {
            uint256 p = info + Layout.TCB_MODULES + 1;
            for (uint256 n = _byte(p - 1); n > 0; --n) {
                p = _after(p + Layout.MODULE_LEVELS);
            }
            // A module with a major version is judged by its own identity: the first two
            // components are its SVN and version, not the platform's.
            uint256 compared = (tee >> 112) & 0xff == 0 ? type(uint128).max : type(uint112).max;
            uint256 end = p + 1 + _byte(p) * Layout.LEVEL_SIZE;
            for (++p; p != end; p += Layout.LEVEL_SIZE) {
                uint256 need = uint256(Memory.load(p));
                if (!_covers(svns, need >> 128) || pcesvn < (need >> 112) & 0xffff) continue;
                if (
                    !_covers(
                        tee,
                        Memory.number(p + Layout.LEVEL_TDX, p + Layout.LEVEL_STATUS) & compared
                    )
                ) continue;
                return (
                    true,
                    _byte(p + Layout.LEVEL_STATUS),
                    end + Memory.number(p + Layout.LEVEL_ADVISORIES, p + Layout.LEVEL_SIZE)
                );
            }
        }
    }

    /// Platform, QE and module together: the worst of them counts.
    function converge(uint256 status, uint256 component) internal pure returns (uint256) {
        if (status == REVOKED || component == REVOKED) return REVOKED;
        if (component != OUT_OF_DATE) return status;
        return _needsConfiguration(status) ? OUT_OF_DATE_CONFIGURATION : OUT_OF_DATE;
    }

    /// What a TD that was launched with one TCB and runs on another should do.
    function relaunch(uint256 launch, uint256 current) internal pure returns (uint256) {
        if (launch != OUT_OF_DATE && launch != OUT_OF_DATE_CONFIGURATION) return launch;
        if (current >= OUT_OF_DATE) return launch;
        return
            _needsConfiguration(launch) || _needsConfiguration(current)
                ? RELAUNCH_CONFIGURATION
                : RELAUNCH;
    }

    /// abi.encode(string[]) of packed advisories; nothing for none.
    function advisories(uint256 p) internal pure returns (bytes memory) {
        string[] memory ids = new string[](_byte(p++));
        if (ids.length == 0) return "";
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 size = _byte(p++);
            ids[i] = string(Memory.copy(p, p + size));
            p += size;
        }
        return abi.encode(ids);
    }

    function _needsConfiguration(uint256 status) private pure returns (bool) {
        return status == 2 || status == 3 || status == OUT_OF_DATE_CONFIGURATION;
    }

    function _after(uint256 levels) private pure returns (uint256) {
        unchecked {
            return levels + 1 + _byte(levels) * Layout.ISVSVN_LEVEL_SIZE;
        }
    }

    function _byte(uint256 p) private pure returns (uint256 b) {
        assembly ("memory-safe") {
            b := byte(0, mload(p))
        }
    }

    /// Whether each of 16 bytes is at least its counterpart. Each gets a lane of 16 bits with a bit
    /// above it that a subtraction takes when it is less.
    function _covers(uint256 have, uint256 need) private pure returns (bool) {
        unchecked {
            return ((_spread(have) | CARRIES) - _spread(need)) & CARRIES == CARRIES;
        }
    }

    function _spread(uint256 b) private pure returns (uint256) {
        return (b & LANES) | (((b >> 8) & LANES) << 128);
    }
}
