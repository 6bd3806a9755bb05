// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {EvaluationNumbers} from "./EvaluationNumbers.sol";
import {QeIdentity} from "./QeIdentity.sol";
import {Document, TcbInfo} from "./TcbInfo.sol";

/// The readers of Intel's JSON, apart from the verifier as CertParser is, and trusted as little.
contract DocumentParser {
    function tcbInfo(bytes calldata json) external pure returns (Document memory) {
        return TcbInfo.parse(json);
    }

    function qeIdentity(bytes calldata json) external pure returns (Document memory) {
        return QeIdentity.parse(json);
    }

    function evaluationNumbers(bytes calldata json) external pure returns (Document memory) {
        return EvaluationNumbers.parse(json);
    }
}
