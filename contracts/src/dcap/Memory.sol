// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// Reads of bytes that lie in memory between two addresses.
library Memory {
    /// Where the bytes begin and end.
    function span(bytes memory b) internal pure returns (uint256 from, uint256 to) {
        assembly ("memory-safe") {
            from := add(b, 32)
            to := add(from, mload(b))
        }
    }

    function load(uint256 p) internal pure returns (bytes32 w) {
        assembly ("memory-safe") {
            w := mload(p)
        }
    }

    /// Up to 32 bytes as a big-endian number.
    function number(uint256 from, uint256 to) internal pure returns (uint256 n) {
        assembly ("memory-safe") {
            n := shr(shl(3, sub(32, sub(to, from))), mload(from))
        }
    }

    function keccak(uint256 from, uint256 to) internal pure returns (bytes32 h) {
        assembly ("memory-safe") {
            h := keccak256(from, sub(to, from))
        }
    }

    /// Keccak-256 of two words.
    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32 h) {
        assembly ("memory-safe") {
            mstore(0, a)
            mstore(32, b)
            h := keccak256(0, 64)
        }
    }

    /// SHA-256, by the precompile.
    function sha(uint256 from, uint256 to) internal view returns (bytes32 h) {
        assembly ("memory-safe") {
            if iszero(staticcall(gas(), 2, from, sub(to, from), 0, 32)) {
                revert(0, 0)
            }
            h := mload(0)
        }
    }

    /// A copy of at most a few words.
    function copy(uint256 from, uint256 to) internal pure returns (bytes memory b) {
        b = new bytes(to - from);
        assembly ("memory-safe") {
            mcopy(add(b, 32), from, sub(to, from))
        }
    }
}
