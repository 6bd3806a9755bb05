// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// What the devnet's users call: a token, and as much state to read and write as is wanted.
contract DevnetToken {
    error InsufficientBalance(address owner, uint256 balance, uint256 wanted);

    event Transfer(address indexed from, address indexed to, uint256 value);

    uint256 public constant totalSupply = 1e27;
    uint256 private constant SLOTS = 1 << 14;

    mapping(address owner => uint256) public balanceOf;
    mapping(uint256 index => uint256) public scattered;

    constructor() {
        balanceOf[msg.sender] = totalSupply;
        emit Transfer(address(0), msg.sender, totalSupply);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        uint256 balance = balanceOf[msg.sender];
        if (balance < value) revert InsufficientBalance(msg.sender, balance, value);
        balanceOf[msg.sender] = balance - value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        return true;
    }

    /// Adds one to `count` of 16,384 slots, which ones following from `seed`: each costs a proof
    /// of its own in the batch's witness.
    function scatter(uint256 seed, uint256 count) external {
        for (uint256 i = 0; i < count; ++i) {
            ++scattered[uint256(keccak256(abi.encodePacked(seed, i))) % SLOTS];
        }
    }
}
