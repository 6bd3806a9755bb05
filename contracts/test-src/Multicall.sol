// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// STAND-IN FOR TESTS of the Multicall3 that most chains have at
/// 0xcA11bde05977b3631167028862bE2a173976CA11: as much of it as an uploader of collateral calls.
contract Multicall {
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }
    struct Result {
        bool success;
        bytes returnData;
    }

    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            // solhint-disable-next-line avoid-low-level-calls
            (bool success, bytes memory data) = calls[i].target.call(calls[i].callData);
            results[i] = Result(success, data);
            // The reason is not passed on.
            require(success || calls[i].allowFailure, "Multicall3: call failed");
        }
    }
}
