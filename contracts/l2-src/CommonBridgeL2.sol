// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Messenger} from "./Messenger.sol";

/// The L2 end of the bridge, at 0x…ffff from genesis on: ether that was deposited on L1 appears
/// here, ether that is withdrawn ends here. ETH only.
contract CommonBridgeL2 {
    error CallerIsNotTheBridge();
    error NothingToWithdraw();

    event DepositProcessed(address indexed receiver, uint256 amount);
    event WithdrawalInitiated(address indexed sender, address indexed receiver, uint256 amount);

    address public constant ETH_TOKEN = 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE;
    address public constant BURN_ADDRESS = address(0);
    Messenger public constant MESSENGER = Messenger(0x000000000000000000000000000000000000FFFE);

    /// Called by a privileged transaction from this address to itself, whose value is new ether.
    /// A receiver that refuses it gets it back on L1.
    function mintETH(address receiver) external payable {
        if (msg.sender != address(this)) revert CallerIsNotTheBridge();
        (bool taken, ) = receiver.call{value: msg.value}("");
        if (!taken) _withdraw(receiver, msg.value);
        emit DepositProcessed(receiver, msg.value);
    }

    /// @param receiver who may claim the sent value on L1 once the batch is verified
    function withdraw(address receiver) external payable {
        if (msg.value == 0) revert NothingToWithdraw();
        _withdraw(receiver, msg.value);
    }

    function _withdraw(address receiver, uint256 amount) private {
        (bool burnt, ) = BURN_ADDRESS.call{value: amount}("");
        assert(burnt);
        emit WithdrawalInitiated(msg.sender, receiver, amount);
        MESSENGER.sendMessageToL1(
            keccak256(abi.encodePacked(ETH_TOKEN, ETH_TOKEN, receiver, amount))
        );
    }
}
