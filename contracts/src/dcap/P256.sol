// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// ECDSA over P-256 by the precompile of EIP-7951.
library P256 {
    address internal constant PRECOMPILE = address(0x100);

    /// False as well for r or s out of range, for a key that is no point, and where a chain has no
    /// such precompile: all of these give an empty answer. A high s is valid.
    function verify(
        bytes32 digest,
        uint256 r,
        uint256 s,
        bytes32 x,
        bytes32 y
    ) internal view returns (bool ok) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, digest)
            mstore(add(p, 32), r)
            mstore(add(p, 64), s)
            mstore(add(p, 96), x)
            mstore(add(p, 128), y)
            mstore(0, 0)
            // It fails for want of gas only, which is no verdict.
            if iszero(staticcall(gas(), 0x100, p, 160, 0, 32)) {
                revert(0, 0)
            }
            ok := and(eq(returndatasize(), 32), eq(mload(0), 1))
        }
    }

    /// Names a key in 20 bytes, as an address does.
    function id(bytes32 x, bytes32 y) internal pure returns (bytes20) {
        return bytes20(keccak256(abi.encode(x, y)));
    }
}
