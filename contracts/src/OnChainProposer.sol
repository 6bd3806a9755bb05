// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ICommonBridge} from "./ICommonBridge.sol";
import {IOnChainProposer} from "./IOnChainProposer.sol";
import {IRiscZeroVerifier, ISP1Verifier, ITDXVerifier} from "./IVerifiers.sol";

/// Commits and verifies batches as ethrex's OnChainProposer does, for a devnet: no proxy (what
/// ethrex sets in `initialize` is set at construction) and no verification through Aligned.
/// The owner is the Timelock; everybody else goes through it.
contract OnChainProposer is IOnChainProposer, Ownable2Step, Pausable {
    struct Config {
        bool validium;
        address owner;
        bool requireRisc0Proof;
        bool requireSp1Proof;
        bool requireTdxProof;
        bool aligned;
        address risc0Verifier;
        address sp1Verifier;
        address tdxVerifier;
        bytes32 sp1Vk;
        bytes32 risc0Vk;
        bytes32 commitHash;
        bytes32 genesisStateRoot;
        uint256 chainId;
        address bridge;
    }

    // The order of the fields is the ABI of batchCommitments(uint256); arrays are left out there.
    struct BatchCommitmentInfo {
        bytes32 newStateRoot;
        bytes32 blobKZGVersionedHash;
        bytes32 processedPrivilegedTransactionsRollingHash;
        bytes32 withdrawalsLogsMerkleRoot;
        bytes32 lastBlockHash;
        uint256 nonPrivilegedTransactions;
        ICommonBridge.BalanceDiff[] balanceDiffs;
        bytes32 commitHash;
        ICommonBridge.L2MessageRollingHash[] l2InMessageRollingHashes;
    }

    uint8 private constant SP1_VERIFIER_ID = 1;
    uint8 private constant RISC0_VERIFIER_ID = 2;

    bool public immutable VALIDIUM;
    bool public immutable REQUIRE_RISC0_PROOF;
    bool public immutable REQUIRE_SP1_PROOF;
    bool public immutable REQUIRE_TDX_PROOF;
    bool public immutable ALIGNED_MODE;
    address public immutable RISC0_VERIFIER_ADDRESS;
    address public immutable SP1_VERIFIER_ADDRESS;
    address public immutable TDX_VERIFIER_ADDRESS;
    address public immutable BRIDGE;
    uint256 public immutable CHAIN_ID;

    uint256 public lastVerifiedBatch;
    uint256 public lastCommittedBatch;
    mapping(uint256 batchNumber => BatchCommitmentInfo) public batchCommitments;
    mapping(bytes32 commitHash => mapping(uint8 verifierId => bytes32)) public verificationKeys;

    constructor(Config memory c) Ownable(c.owner) {
        if (c.requireRisc0Proof && c.risc0Verifier == address(0)) revert MissingRisc0Verifier();
        if (c.requireSp1Proof && !c.aligned && c.sp1Verifier == address(0)) {
            revert MissingSp1Verifier();
        }
        if (c.requireTdxProof && c.tdxVerifier == address(0)) revert MissingTdxVerifier();
        if (c.aligned && !c.requireSp1Proof) revert AlignedModeRequiresSp1();
        if (c.aligned && c.requireRisc0Proof) revert AlignedModeDoesNotSupportRisc0();
        if (c.commitHash == 0) revert CommitHashIsZero();
        if (c.requireSp1Proof && c.sp1Vk == 0) revert MissingSp1VerificationKey();
        if (c.requireRisc0Proof && c.risc0Vk == 0) revert MissingRisc0VerificationKey();
        if (c.bridge == address(0)) revert BridgeIsZeroAddress();
        if (c.bridge == address(this)) revert BridgeIsContractAddress();

        VALIDIUM = c.validium;
        REQUIRE_RISC0_PROOF = c.requireRisc0Proof;
        REQUIRE_SP1_PROOF = c.requireSp1Proof;
        REQUIRE_TDX_PROOF = c.requireTdxProof;
        ALIGNED_MODE = c.aligned;
        RISC0_VERIFIER_ADDRESS = c.risc0Verifier;
        SP1_VERIFIER_ADDRESS = c.sp1Verifier;
        TDX_VERIFIER_ADDRESS = c.tdxVerifier;
        BRIDGE = c.bridge;
        CHAIN_ID = c.chainId;

        verificationKeys[c.commitHash][SP1_VERIFIER_ID] = c.sp1Vk;
        verificationKeys[c.commitHash][RISC0_VERIFIER_ID] = c.risc0Vk;
        batchCommitments[0].newStateRoot = c.genesisStateRoot;
        batchCommitments[0].commitHash = c.commitHash;
    }

    /// A zero key retires the code version `commitHash` for SP1.
    function upgradeSP1VerificationKey(bytes32 commitHash, bytes32 newVk) external onlyOwner {
        _setVerificationKey("SP1", SP1_VERIFIER_ID, commitHash, newVk);
    }

    /// A zero key retires the code version `commitHash` for RISC0.
    function upgradeRISC0VerificationKey(bytes32 commitHash, bytes32 newVk) external onlyOwner {
        _setVerificationKey("RISC0", RISC0_VERIFIER_ID, commitHash, newVk);
    }

    /// @param processedPrivilegedTransactionsRollingHash zero, or what the bridge answers for the
    ///        number of L1 messages in its first two bytes
    /// @param lastBlockHash hash of the last block of the batch
    /// @param nonPrivilegedTransactions transactions that did not come from L1 or another L2
    /// @param commitHash keccak256 of the ASCII short git hash of the code that proves the batch
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
    ) external onlyOwner whenNotPaused {
        BatchCommitmentInfo storage batch = batchCommitments[batchNumber];

        if (batchNumber != lastCommittedBatch + 1) revert BatchNumberNotSuccessor();
        if (batch.newStateRoot != 0) revert BatchAlreadyCommitted();
        if (lastBlockHash == 0) revert LastBlockHashIsZero();
        _checkInboundMessages(processedPrivilegedTransactionsRollingHash, l2MessageRollingHashes);
        if (withdrawalsLogsMerkleRoot != 0) {
            ICommonBridge(BRIDGE).publishWithdrawals(batchNumber, withdrawalsLogsMerkleRoot);
        }
        bytes32 blob = blobhash(0);
        if (VALIDIUM && blob != 0) revert ValidiumBlobPublished();
        if (!VALIDIUM && blob == 0) revert RollupBlobNotPublished();
        if (commitHash == 0) revert CommitHashIsZero();
        if (
            (REQUIRE_SP1_PROOF && verificationKeys[commitHash][SP1_VERIFIER_ID] == 0) ||
            (REQUIRE_RISC0_PROOF && verificationKeys[commitHash][RISC0_VERIFIER_ID] == 0)
        ) revert MissingVerificationKeyForCommit();

        batch.newStateRoot = newStateRoot;
        batch.blobKZGVersionedHash = blob;
        batch
            .processedPrivilegedTransactionsRollingHash = processedPrivilegedTransactionsRollingHash;
        batch.withdrawalsLogsMerkleRoot = withdrawalsLogsMerkleRoot;
        batch.lastBlockHash = lastBlockHash;
        batch.nonPrivilegedTransactions = nonPrivilegedTransactions;
        batch.commitHash = commitHash;
        batch.balanceDiffs = balanceDiffs;
        batch.l2InMessageRollingHashes = l2MessageRollingHashes;
        lastCommittedBatch = batchNumber;
        emit BatchCommitted(newStateRoot);
    }

    /// One entry per batch in each array; empty bytes where a type is not required.
    function verifyBatches(
        uint256 firstBatchNumber,
        bytes[] calldata risc0BlockProofs,
        bytes[] calldata sp1ProofsBytes,
        bytes[] calldata tdxSignatures
    ) external onlyOwner whenNotPaused {
        if (ALIGNED_MODE) revert UseAlignedVerification();
        uint256 count = risc0BlockProofs.length;
        if (count == 0) revert EmptyBatchArray();
        if (sp1ProofsBytes.length != count || tdxSignatures.length != count) {
            revert BatchArrayLengthMismatch();
        }
        for (uint256 i = 0; i < count; ++i) {
            _verifyBatch(
                firstBatchNumber + i,
                risc0BlockProofs[i],
                sp1ProofsBytes[i],
                tdxSignatures[i]
            );
        }
    }

    /// Forgets `batchNumber` and all committed after it.
    function revertBatch(uint256 batchNumber) external onlyOwner whenPaused {
        if (batchNumber <= lastVerifiedBatch) revert CannotRevertVerifiedBatch();
        if (batchNumber > lastCommittedBatch) revert NoBatchesToRevert();
        for (uint256 n = batchNumber; n <= lastCommittedBatch; ++n) {
            delete batchCommitments[n];
        }
        lastCommittedBatch = batchNumber - 1;
        emit BatchReverted(batchCommitments[lastCommittedBatch].newStateRoot);
    }

    function pause() external onlyOwner {
        _pause();
    }

    function unpause() external onlyOwner {
        _unpause();
    }

    function _setVerificationKey(
        string memory verifier,
        uint8 verifierId,
        bytes32 commitHash,
        bytes32 newVk
    ) private {
        if (commitHash == 0) revert CommitHashIsZero();
        verificationKeys[commitHash][verifierId] = newVk;
        emit VerificationKeyUpgraded(verifier, commitHash, newVk);
    }

    function _checkInboundMessages(
        bytes32 fromL1,
        ICommonBridge.L2MessageRollingHash[] calldata fromL2
    ) private view {
        ICommonBridge bridge = ICommonBridge(BRIDGE);

        if (fromL1 != 0 && bridge.getPendingTransactionsVersionedHash(_countIn(fromL1)) != fromL1)
            revert InvalidPrivilegedTransactionLogs();
        for (uint256 i = 0; i < fromL2.length; ++i) {
            bytes32 hash = fromL2[i].rollingHash;
            if (bridge.getPendingL2MessagesVersionedHash(fromL2[i].chainId, _countIn(hash)) != hash)
                revert InvalidL2MessageRollingHash();
        }
    }

    function _verifyBatch(
        uint256 batchNumber,
        bytes calldata risc0Proof,
        bytes calldata sp1Proof,
        bytes calldata tdxSignature
    ) private {
        ICommonBridge bridge = ICommonBridge(BRIDGE);

        // A verified batch's commitment is deleted, so the order of these two decides the error.
        if (batchNumber != lastVerifiedBatch + 1) revert BatchNotSequential();
        BatchCommitmentInfo memory batch = batchCommitments[batchNumber];
        if (batch.newStateRoot == 0) revert BatchNotCommitted();

        uint16 fromL1 = _countIn(batch.processedPrivilegedTransactionsRollingHash);
        if (fromL1 > 0) bridge.removePendingTransactionHashes(fromL1);
        for (uint256 i = 0; i < batch.l2InMessageRollingHashes.length; ++i) {
            ICommonBridge.L2MessageRollingHash memory fromL2 = batch.l2InMessageRollingHashes[i];
            bridge.removePendingL2Messages(fromL2.chainId, _countIn(fromL2.rollingHash));
        }
        if (batch.nonPrivilegedTransactions != 0 && bridge.hasExpiredPrivilegedTransactions()) {
            revert ExpiredPrivilegedTransactionDeadline();
        }

        _checkProofs(_publicInputs(batch), batch.commitHash, risc0Proof, sp1Proof, tdxSignature);

        bridge.publishL2Messages(batch.balanceDiffs);
        lastVerifiedBatch = batchNumber;
        delete batchCommitments[batchNumber - 1];
        emit BatchVerified(batchNumber);
    }

    function _checkProofs(
        bytes memory publicInputs,
        bytes32 commitHash,
        bytes calldata risc0Proof,
        bytes calldata sp1Proof,
        bytes calldata tdxSignature
    ) private view {
        if (REQUIRE_RISC0_PROOF) {
            bytes32 vk = verificationKeys[commitHash][RISC0_VERIFIER_ID];
            try
                IRiscZeroVerifier(RISC0_VERIFIER_ADDRESS).verify(
                    risc0Proof,
                    vk,
                    sha256(publicInputs)
                )
            {} catch {
                revert InvalidRisc0Proof();
            }
        }
        if (REQUIRE_SP1_PROOF) {
            bytes32 vk = verificationKeys[commitHash][SP1_VERIFIER_ID];
            try
                ISP1Verifier(SP1_VERIFIER_ADDRESS).verifyProof(vk, publicInputs, sp1Proof)
            {} catch {
                revert InvalidSp1Proof();
            }
        }
        if (REQUIRE_TDX_PROOF) {
            try ITDXVerifier(TDX_VERIFIER_ADDRESS).verify(publicInputs, tdxSignature) {} catch {
                revert InvalidTdxProof();
            }
        }
    }

    /// What every proof of a batch speaks about: 256 bytes, and more only where the batch has
    /// messages to or from other L2s. Nothing has a length in front: the order is the format.
    function _publicInputs(BatchCommitmentInfo memory batch) private view returns (bytes memory) {
        bytes memory out = abi.encodePacked(
            batchCommitments[lastVerifiedBatch].newStateRoot,
            batch.newStateRoot,
            batch.withdrawalsLogsMerkleRoot,
            batch.processedPrivilegedTransactionsRollingHash,
            batch.blobKZGVersionedHash,
            batch.lastBlockHash,
            CHAIN_ID,
            batch.nonPrivilegedTransactions
        );
        for (uint256 i = 0; i < batch.balanceDiffs.length; ++i) {
            ICommonBridge.BalanceDiff memory diff = batch.balanceDiffs[i];
            out = abi.encodePacked(out, diff.chainId, diff.value);
            for (uint256 k = 0; k < diff.assetDiffs.length; ++k) {
                ICommonBridge.AssetDiff memory asset = diff.assetDiffs[k];
                out = abi.encodePacked(
                    out,
                    asset.tokenL1,
                    asset.tokenL2,
                    asset.destTokenL2,
                    asset.value
                );
            }
            out = abi.encodePacked(out, diff.message_hashes);
        }
        for (uint256 i = 0; i < batch.l2InMessageRollingHashes.length; ++i) {
            ICommonBridge.L2MessageRollingHash memory fromL2 = batch.l2InMessageRollingHashes[i];
            out = abi.encodePacked(out, fromL2.chainId, fromL2.rollingHash);
        }
        return out;
    }

    /// A rolling hash carries the number of its messages in the first two bytes.
    function _countIn(bytes32 rollingHash) private pure returns (uint16) {
        return uint16(bytes2(rollingHash));
    }
}
