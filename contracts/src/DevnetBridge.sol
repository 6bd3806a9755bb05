// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {ICommonBridge} from "./ICommonBridge.sol";
import {IOnChainProposer} from "./IOnChainProposer.sol";

/// The L1 end of a devnet's bridge: queues deposits of ether for the L2, in the shape and with the
/// hashes of ethrex's CommonBridge, and pays what verified batches withdrew. Ether only, and no
/// messages from or to other L2s.
contract DevnetBridge is ICommonBridge {
    error CallerIsNotTheProposer();
    error NothingToDeposit();
    error NotThatManyPending();
    error NoRouteToOtherChains();
    error BatchNotVerified();
    error WithdrawalAlreadyClaimed();
    error InvalidWithdrawalProof();
    error PaymentRefused();

    event PrivilegedTxSent(
        address indexed l1From,
        address from,
        address to,
        uint256 transactionId,
        uint256 value,
        uint256 gasLimit,
        bytes data
    );
    event WithdrawalsPublished(
        uint256 indexed withdrawalLogsBatchNumber,
        bytes32 indexed withdrawalsLogsMerkleRoot
    );
    event WithdrawalClaimed(uint256 indexed withdrawalMessageId);

    address public constant ETH_TOKEN = 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE;
    address public constant L2_BRIDGE_ADDRESS = 0x000000000000000000000000000000000000FFff;
    uint256 private constant DEPOSIT_GAS = 105_000;
    /// A devnet may rest for a night with deposits in its queue.
    uint256 public constant PRIVILEGED_TX_MAX_WAIT = 7 days;

    address public immutable onChainProposer;
    uint256 public immutable L2_CHAIN_ID;

    mapping(uint256 batchNumber => bytes32) public batchWithdrawalLogsMerkleRoots;
    mapping(uint256 messageId => bool) public claimedWithdrawalIDs;
    uint256 public transactionId;

    // The queue: hashes[firstPending..], with the time by which each must be on L2.
    bytes32[] private hashes;
    uint256[] private deadlines;
    uint256 private firstPending;

    modifier onlyProposer() {
        if (msg.sender != onChainProposer) revert CallerIsNotTheProposer();
        _;
    }

    /// @param proposer address at which the OnChainProposer is, or is about to be
    constructor(address proposer, uint256 l2ChainId) {
        onChainProposer = proposer;
        L2_CHAIN_ID = l2ChainId;
    }

    /// The sent value appears on L2 at `l2Recipient`.
    function deposit(address l2Recipient) external payable {
        if (msg.value == 0) revert NothingToDeposit();
        bytes memory data = abi.encodeWithSignature("mintETH(address)", l2Recipient);
        uint256 id = transactionId++;
        address bridge = L2_BRIDGE_ADDRESS;
        hashes.push(
            keccak256(
                abi.encodePacked(
                    L2_CHAIN_ID,
                    bridge,
                    bridge,
                    id,
                    msg.value,
                    DEPOSIT_GAS,
                    keccak256(data)
                )
            )
        );
        deadlines.push(block.timestamp + PRIVILEGED_TX_MAX_WAIT);
        emit PrivilegedTxSent(msg.sender, bridge, bridge, id, msg.value, DEPOSIT_GAS, data);
    }

    /// Pays `claimedAmount` to the caller, who was the receiver of that withdrawal on L2.
    function claimWithdrawal(
        uint256 claimedAmount,
        uint256 withdrawalBatchNumber,
        uint256 withdrawalMessageId,
        bytes32[] calldata withdrawalProof
    ) external {
        if (withdrawalBatchNumber > IOnChainProposer(onChainProposer).lastVerifiedBatch()) {
            revert BatchNotVerified();
        }
        if (claimedWithdrawalIDs[withdrawalMessageId]) revert WithdrawalAlreadyClaimed();
        bytes32 root = batchWithdrawalLogsMerkleRoots[withdrawalBatchNumber];
        bytes32 message = keccak256(
            abi.encodePacked(ETH_TOKEN, ETH_TOKEN, msg.sender, claimedAmount)
        );
        bytes32 leaf = keccak256(abi.encodePacked(L2_BRIDGE_ADDRESS, message, withdrawalMessageId));
        if (root == 0 || !MerkleProof.verifyCalldata(withdrawalProof, root, leaf)) {
            revert InvalidWithdrawalProof();
        }
        claimedWithdrawalIDs[withdrawalMessageId] = true;
        emit WithdrawalClaimed(withdrawalMessageId);
        (bool paid, ) = msg.sender.call{value: claimedAmount}("");
        if (!paid) revert PaymentRefused();
    }

    function getPendingTransactionHashes() external view returns (bytes32[] memory pending) {
        pending = new bytes32[](hashes.length - firstPending);
        for (uint256 i = 0; i < pending.length; ++i) pending[i] = hashes[firstPending + i];
    }

    function getPendingTransactionsVersionedHash(uint16 number) external view returns (bytes32) {
        if (number == 0 || number > hashes.length - firstPending) revert NotThatManyPending();
        bytes memory all;
        for (uint256 i = 0; i < number; ++i) all = bytes.concat(all, hashes[firstPending + i]);
        return bytes32(bytes2(number)) | (keccak256(all) & bytes32(uint256(type(uint240).max)));
    }

    function getPendingL2MessagesVersionedHash(uint256, uint16) external pure returns (bytes32) {
        return 0;
    }

    function removePendingTransactionHashes(uint16 number) external onlyProposer {
        if (number > hashes.length - firstPending) revert NotThatManyPending();
        firstPending += number;
    }

    function removePendingL2Messages(uint256, uint16) external pure {
        revert NoRouteToOtherChains();
    }

    function publishWithdrawals(uint256 batchNumber, bytes32 root) external onlyProposer {
        batchWithdrawalLogsMerkleRoots[batchNumber] = root;
        emit WithdrawalsPublished(batchNumber, root);
    }

    function publishL2Messages(BalanceDiff[] calldata balanceDiffs) external view onlyProposer {
        if (balanceDiffs.length != 0) revert NoRouteToOtherChains();
    }

    function hasExpiredPrivilegedTransactions() external view returns (bool) {
        return firstPending < hashes.length && block.timestamp > deadlines[firstPending];
    }
}
