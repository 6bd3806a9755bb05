// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// The part of ethrex's CommonBridge that the OnChainProposer talks to.
interface ICommonBridge {
    struct AssetDiff {
        address tokenL1;
        address tokenL2;
        address destTokenL2;
        uint256 value;
    }

    struct BalanceDiff {
        uint256 chainId;
        uint256 value;
        AssetDiff[] assetDiffs;
        bytes32[] message_hashes;
    }

    struct L2MessageRollingHash {
        uint256 chainId;
        bytes32 rollingHash;
    }

    /// Rolling hash of the first `number` queued L1 messages; its first two bytes are `number`.
    function getPendingTransactionsVersionedHash(uint16 number) external view returns (bytes32);

    /// The same for messages queued from the L2 `chainId`.
    function getPendingL2MessagesVersionedHash(
        uint256 chainId,
        uint16 number
    ) external view returns (bytes32);

    function removePendingTransactionHashes(uint16 number) external;

    function removePendingL2Messages(uint256 chainId, uint16 number) external;

    function publishWithdrawals(uint256 batchNumber, bytes32 withdrawalsLogsMerkleRoot) external;

    function publishL2Messages(BalanceDiff[] calldata balanceDiffs) external;

    /// True while a queued L1 message is older than its inclusion deadline.
    function hasExpiredPrivilegedTransactions() external view returns (bool);
}
