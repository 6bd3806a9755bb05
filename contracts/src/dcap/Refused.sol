// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// What is wrong with a quote or a piece of collateral, in words.
error Refused(string reason);
