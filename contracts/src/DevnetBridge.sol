// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {ICommonBridge} from "./ICommonBridge.sol";

/// The bridge of a devnet L2 that has no messages: its queues are always empty and it takes
/// none out. Withdrawal roots are kept as the real one keeps them.
contract DevnetBridge is ICommonBridge {
    error CallerIsNotTheProposer();
    error NoPendingMessages();
    error NoRouteToOtherChains();

    event WithdrawalsPublished(
        uint256 indexed withdrawalLogsBatchNumber,
        bytes32 indexed withdrawalsLogsMerkleRoot
    );

    address public immutable onChainProposer;
    mapping(uint256 batchNumber => bytes32) public batchWithdrawalLogsMerkleRoots;

    modifier onlyProposer() {
        if (msg.sender != onChainProposer) revert CallerIsNotTheProposer();
        _;
    }

    /// @param proposer address at which the OnChainProposer is, or is about to be
    constructor(address proposer) {
        onChainProposer = proposer;
    }

    function getPendingTransactionsVersionedHash(uint16) external pure returns (bytes32) {
        return 0;
    }

    function getPendingL2MessagesVersionedHash(uint256, uint16) external pure returns (bytes32) {
        return 0;
    }

    function removePendingTransactionHashes(uint16) external pure {
        revert NoPendingMessages();
    }

    function removePendingL2Messages(uint256, uint16) external pure {
        revert NoPendingMessages();
    }

    function publishWithdrawals(uint256 batchNumber, bytes32 root) external onlyProposer {
        batchWithdrawalLogsMerkleRoots[batchNumber] = root;
        emit WithdrawalsPublished(batchNumber, root);
    }

    function publishL2Messages(BalanceDiff[] calldata balanceDiffs) external view onlyProposer {
        if (balanceDiffs.length != 0) revert NoRouteToOtherChains();
    }

    function hasExpiredPrivilegedTransactions() external pure returns (bool) {
        return false;
    }
}
