// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Crl, Crls} from "./Crl.sol";
import {Memory} from "./Memory.sol";
import {Pck, Platform} from "./Pck.sol";
import {Pem} from "./Pem.sol";
import {QeIdentity} from "./QeIdentity.sol";
import {Document, TcbInfo} from "./TcbInfo.sol";
import {Cert, X509} from "./X509.sol";

/// The readers of DER, PEM and JSON, apart from the verifier for the sake of its size. Without
/// state, and trusted with nothing but to read right: signatures, times and names are the
/// verifier's to judge.
contract DcapParser {
    /// The PCK certificate of a quote's certification data: the chain in PEM, of which the first
    /// certificate is read, or that one alone in DER.
    function pck(
        bytes calldata data
    ) external view returns (Cert memory leaf, Platform memory platform) {
        bool isDer = data.length != 0 && data[0] == 0x30;
        uint256 sgx;
        uint256 sgxEnd;
        (leaf, sgx, sgxEnd) = _certificate(isDer ? bytes(data) : Pem.first(data));
        platform = Pck.parse(sgx, sgxEnd);
    }

    function certificate(bytes calldata der) external view returns (Cert memory c) {
        (c, , ) = _certificate(der);
    }

    function crl(bytes calldata der) external view returns (Crl memory) {
        return Crls.parse(der);
    }

    function tcbInfo(bytes calldata json) external pure returns (Document memory) {
        return TcbInfo.parse(json);
    }

    function qeIdentity(bytes calldata json) external pure returns (Document memory) {
        return QeIdentity.parse(json);
    }

    function _certificate(bytes memory der) private view returns (Cert memory, uint256, uint256) {
        (uint256 from, uint256 to) = Memory.span(der);
        return X509.parse(from, to);
    }
}
