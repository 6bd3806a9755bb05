// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {ICommonBridge} from "./ICommonBridge.sol";

/// The calls, events and errors of ethrex's OnChainProposer (not the based one) that this
/// devnet has. Selectors stand beside the errors because senders decide on them.
interface IOnChainProposer {
    error MissingRisc0Verifier(); // 0x1871c084
    error MissingSp1Verifier(); // 0xc0b62621
    error MissingTdxVerifier(); // 0xee7f6b60
    error AlignedModeRequiresSp1(); // 0xb41e395e
    error AlignedModeDoesNotSupportRisc0(); // 0xadae5cff
    error CommitHashIsZero(); // 0x1f14b5aa
    error MissingSp1VerificationKey(); // 0x544c07b4
    error MissingRisc0VerificationKey(); // 0x60c177e0
    error BridgeIsZeroAddress(); // 0x850138f2
    error BridgeIsContractAddress(); // 0xdf655de9

    error BatchNumberNotSuccessor(); // 0xcd1793fe
    error BatchAlreadyCommitted(); // 0x884923cf
    error LastBlockHashIsZero(); // 0xf1cbbe55
    error InvalidPrivilegedTransactionLogs(); // 0x9e6e5638
    error InvalidL2MessageRollingHash(); // 0x52ba57cb
    error ValidiumBlobPublished(); // 0x0c9c8061
    error RollupBlobNotPublished(); // 0xe1aa9667
    error MissingVerificationKeyForCommit(); // 0xf6b9798e

    error UseAlignedVerification(); // 0x2da8b4d4
    error BatchNotSequential(); // 0xceb05a46
    error BatchNotCommitted(); // 0xc26a3294
    error EmptyBatchArray(); // 0x7dc57e7b
    error BatchArrayLengthMismatch(); // 0xfc5221bd
    error ExpiredPrivilegedTransactionDeadline(); // 0x1420ad0b
    error InvalidRisc0Proof(); // 0x14add973
    error InvalidSp1Proof(); // 0x7ff849b5
    error InvalidTdxProof(); // 0x62013a95

    error CannotRevertVerifiedBatch(); // 0xdb2665e8
    error NoBatchesToRevert(); // 0xcd988645

    event BatchCommitted(bytes32 indexed newStateRoot);
    event BatchVerified(uint256 indexed lastVerifiedBatch);
    event BatchReverted(bytes32 indexed newStateRoot);
    event VerificationKeyUpgraded(string verifier, bytes32 commitHash, bytes32 newVerificationKey);

    function lastCommittedBatch() external view returns (uint256);

    function lastVerifiedBatch() external view returns (uint256);

    function commitBatch(
        uint256 batchNumber,
        bytes32 newStateRoot,
        bytes32 withdrawalsLogsMerkleRoot,
        bytes32 processedPrivilegedTransactionsRollingHash,
        bytes32 lastBlockHash,
        uint256 nonPrivilegedTransactions,
        bytes32 commitHash,
        ICommonBridge.BalanceDiff[] calldata balanceDiffs,
        ICommonBridge.L2MessageRollingHash[] calldata l2MessageRollingHashes
    ) external;

    function verifyBatches(
        uint256 firstBatchNumber,
        bytes[] calldata risc0BlockProofs,
        bytes[] calldata sp1ProofsBytes,
        bytes[] calldata tdxSignatures
    ) external;

    function revertBatch(uint256 batchNumber) external;

    function pause() external;

    function unpause() external;
}
