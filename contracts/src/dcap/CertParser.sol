// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Crl, Crls} from "./Crl.sol";
import {Memory} from "./Memory.sol";
import {Pck, Platform} from "./Pck.sol";
import {Pem} from "./Pem.sol";
import {Cert, X509} from "./X509.sol";

/// The readers of DER and PEM, apart from the verifier for the sake of its size. Without state, and
/// trusted with nothing but to read right: signatures, times and names are the verifier's to judge.
contract CertParser {
    /// A certificate, in DER, or the first of a chain in PEM; platform: what its SGX extension says,
    /// which only a PCK certificate has.
    function certificate(
        bytes calldata data
    ) external view returns (Cert memory c, Platform memory platform) {
        bool isDer = data.length != 0 && data[0] == 0x30;
        (uint256 from, uint256 to) = Memory.span(isDer ? bytes(data) : Pem.first(data));
        (c, from, to) = X509.parse(from, to);
        if (from != 0) platform = Pck.parse(from, to);
    }

    function crl(bytes calldata der) external view returns (Crl memory) {
        return Crls.parse(der);
    }
}
