// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {IRiscZeroVerifier, ISP1Verifier} from "../src/IVerifiers.sol";

/// Accepts the proof that is keccak256(verification key ‖ journal digest), nothing else.
contract MockRisc0Verifier is IRiscZeroVerifier {
    error VerificationFailed();

    function verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) external pure {
        bytes32 wanted = keccak256(abi.encodePacked(imageId, journalDigest));
        if (keccak256(seal) != keccak256(abi.encodePacked(wanted))) revert VerificationFailed();
    }
}

/// Accepts the proof that is keccak256(verification key ‖ public values), nothing else.
contract MockSp1Verifier is ISP1Verifier {
    error VerificationFailed();

    function verifyProof(
        bytes32 programVKey,
        bytes calldata publicValues,
        bytes calldata proofBytes
    ) external pure {
        bytes32 wanted = keccak256(abi.encodePacked(programVKey, publicValues));
        if (keccak256(proofBytes) != keccak256(abi.encodePacked(wanted))) {
            revert VerificationFailed();
        }
    }
}
