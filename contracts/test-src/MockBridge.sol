// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {ICommonBridge} from "../src/ICommonBridge.sol";

/// A bridge that answers what the test told it, and counts what it was asked to do.
contract MockBridge is ICommonBridge {
    bytes32 public pendingFromL1;
    mapping(uint256 chainId => bytes32) public pendingFromL2;
    bool public hasExpiredPrivilegedTransactions;

    uint256 public removedFromL1;
    mapping(uint256 chainId => uint256) public removedFromL2;
    uint256 public publishedDiffs;
    mapping(uint256 batchNumber => bytes32) public withdrawals;

    function setPendingFromL1(bytes32 rollingHash) external {
        pendingFromL1 = rollingHash;
    }

    function setPendingFromL2(uint256 chainId, bytes32 rollingHash) external {
        pendingFromL2[chainId] = rollingHash;
    }

    function setExpired(bool expired) external {
        hasExpiredPrivilegedTransactions = expired;
    }

    function getPendingTransactionsVersionedHash(uint16) external view returns (bytes32) {
        return pendingFromL1;
    }

    function getPendingL2MessagesVersionedHash(
        uint256 chainId,
        uint16
    ) external view returns (bytes32) {
        return pendingFromL2[chainId];
    }

    function removePendingTransactionHashes(uint16 number) external {
        removedFromL1 += number;
    }

    function removePendingL2Messages(uint256 chainId, uint16 number) external {
        removedFromL2[chainId] += number;
    }

    function publishWithdrawals(uint256 batchNumber, bytes32 root) external {
        withdrawals[batchNumber] = root;
    }

    function publishL2Messages(BalanceDiff[] calldata balanceDiffs) external {
        publishedDiffs += balanceDiffs.length;
    }
}
