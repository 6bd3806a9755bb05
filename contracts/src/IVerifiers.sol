// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

interface IRiscZeroVerifier {
    function verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) external view;
}

interface ISP1Verifier {
    function verifyProof(
        bytes32 programVKey,
        bytes calldata publicValues,
        bytes calldata proofBytes
    ) external view;
}

interface ITDXVerifier {
    function verify(bytes calldata payload, bytes calldata signature) external view;
}
