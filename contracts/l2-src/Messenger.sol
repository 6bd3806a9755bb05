// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// At 0x…fffe from genesis on. What it logs is what a batch says to L1.
contract Messenger {
    event L1Message(address indexed senderOnL2, bytes32 indexed data, uint256 indexed messageId);

    /// Number of messages sent so far, and so the id of the latest.
    uint256 public lastMessageId;

    function sendMessageToL1(bytes32 data) external {
        emit L1Message(msg.sender, data, ++lastMessageId);
    }
}
