// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {ICommonBridge} from "./ICommonBridge.sol";
import {IOnChainProposer} from "./IOnChainProposer.sol";

/// Owner of the OnChainProposer. Sequencers commit and verify through it at once; everything
/// else waits for the delay, except for the security council.
contract Timelock is TimelockController {
    event EmergencyExecution(address indexed target, uint256 value, bytes data);

    bytes32 public constant SEQUENCER = keccak256("SEQUENCER");
    bytes32 public constant SECURITY_COUNCIL = keccak256("SECURITY_COUNCIL");

    IOnChainProposer public immutable onChainProposer;

    /// @param proposer address at which the OnChainProposer is, or is about to be
    constructor(
        uint256 minDelay,
        address[] memory sequencers,
        address[] memory governance,
        address securityCouncil,
        address proposer
    ) TimelockController(minDelay, governance, governance, securityCouncil) {
        for (uint256 i = 0; i < sequencers.length; ++i) {
            _grantRole(SEQUENCER, sequencers[i]);
        }
        _grantRole(SECURITY_COUNCIL, securityCouncil);
        onChainProposer = IOnChainProposer(proposer);
    }

    function isSequencer(address account) external view returns (bool) {
        return hasRole(SEQUENCER, account);
    }

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
    ) external onlyRole(SEQUENCER) {
        onChainProposer.commitBatch(
            batchNumber,
            newStateRoot,
            withdrawalsLogsMerkleRoot,
            processedPrivilegedTransactionsRollingHash,
            lastBlockHash,
            nonPrivilegedTransactions,
            commitHash,
            balanceDiffs,
            l2MessageRollingHashes
        );
    }

    function verifyBatches(
        uint256 firstBatchNumber,
        bytes[] calldata risc0BlockProofs,
        bytes[] calldata sp1ProofsBytes,
        bytes[] calldata tdxSignatures
    ) external onlyRole(SEQUENCER) {
        onChainProposer.verifyBatches(
            firstBatchNumber,
            risc0BlockProofs,
            sp1ProofsBytes,
            tdxSignatures
        );
    }

    /// Runs a call as this contract without the delay (pause, revertBatch, roles, …).
    function emergencyExecute(
        address target,
        uint256 value,
        bytes calldata data
    ) external payable onlyRole(SECURITY_COUNCIL) {
        _execute(target, value, data);
        emit EmergencyExecution(target, value, data);
    }
}
