// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {IAttestation} from "../src/TDXVerifier.sol";

/// Stands in for Automata's entry point: gives the answer that the test stored for a quote,
/// and refuses every quote that it does not know.
contract MockDcap is IAttestation {
    mapping(bytes32 quoteHash => bytes) private _outputs;

    function setOutput(bytes calldata rawQuote, bytes calldata output) external {
        _outputs[keccak256(rawQuote)] = output;
    }

    function verifyAndAttestOnChain(
        bytes calldata rawQuote
    ) external payable returns (bool success, bytes memory output) {
        output = _outputs[keccak256(rawQuote)];
        success = output.length != 0;
        if (!success) output = "Unsupported quote version";
    }
}
