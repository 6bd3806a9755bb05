// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// Bytes kept as the code of a contract: one cold read for all of them, where storage asks for one
/// a word.
library Blob {
    error Too_Much_Collateral(uint256 size);

    uint256 private constant MAX_SIZE = 24575; // EIP-170, less the STOP in front

    function write(bytes memory data) internal returns (address at) {
        if (data.length > MAX_SIZE) revert Too_Much_Collateral(data.length);
        // Copies what follows these ten bytes; the STOP keeps anybody from running it.
        bytes memory creation = abi.encodePacked(
            hex"61",
            uint16(data.length + 1),
            hex"80600a5f395ff3",
            hex"00",
            data
        );
        assembly ("memory-safe") {
            at := create(0, add(creation, 32), mload(creation))
        }
        if (at == address(0)) revert Too_Much_Collateral(data.length);
    }

    function read(address at) internal view returns (bytes memory data) {
        assembly ("memory-safe") {
            let size := sub(extcodesize(at), 1)
            data := mload(0x40)
            mstore(data, size)
            extcodecopy(at, add(data, 32), 1, size)
            mstore(0x40, and(add(add(data, size), 63), not(31)))
        }
    }
}
