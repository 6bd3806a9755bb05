// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Crl, Crls} from "../src/dcap/Crl.sol";
import {Memory} from "../src/dcap/Memory.sol";
import {P256} from "../src/dcap/P256.sol";
import {Cert, X509} from "../src/dcap/X509.sol";

error Certificate_Expired(uint8 ca);
error Root_Key_Mismatch();
error Invalid_Issuer_Name();
error Invalid_Subject_Name();

uint8 constant ROOT = 0;
uint8 constant PROCESSOR = 1;
uint8 constant PLATFORM = 2;
uint8 constant SIGNING = 3;

/// FOR TESTS: the names, key identifiers and signatures that Automata's DAOs look at. A signature
/// that does not hold reverts without data, as where a contract decodes the precompile's empty
/// answer.
contract AutomataSeals {
    /// Keccak-256 of the root's key, Intel's in the originals.
    bytes32 public immutable ROOT_KEY;

    constructor(bytes32 rootKey) {
        ROOT_KEY = rootKey;
    }

    /// Names first, then the root's key, then the signature. root: the root's certificate.
    function checkCertificate(uint8 ca, bytes memory der, bytes memory root) external view {
        Cert memory c = _certificate(der);
        if (ca == ROOT) root = der;
        Cert memory issuer = _certificate(root);
        if (c.issuer != issuer.subject) revert Invalid_Issuer_Name();
        if (c.commonName != _name(ca)) revert Invalid_Subject_Name();
        if (ca == ROOT && keccak256(abi.encode(c.x, c.y)) != ROOT_KEY) revert Root_Key_Mismatch();
        _checkKeyId(der, root);
        _check(c.digest, c.r, c.s, issuer);
    }

    function checkCrl(bytes memory der, bytes memory signer) external view {
        Crl memory c = Crls.parse(der);
        Cert memory issuer = _certificate(signer);
        if (c.issuer != issuer.subject) revert Invalid_Issuer_Name();
        _checkKeyId(der, signer);
        _check(c.digest, c.r, c.s, issuer);
    }

    function checkDocument(
        string calldata json,
        bytes calldata signature,
        bytes memory signer
    ) external view {
        if (signature.length != 64) revert();
        uint256 r = uint256(bytes32(signature[:32]));
        uint256 s = uint256(bytes32(signature[32:]));
        _check(sha256(bytes(json)), r, s, _certificate(signer));
    }

    function _certificate(bytes memory der) private view returns (Cert memory c) {
        (uint256 from, uint256 to) = Memory.span(der);
        (c, , ) = X509.parse(from, to);
    }

    function _check(bytes32 digest, uint256 r, uint256 s, Cert memory signer) private view {
        if (!P256.verify(digest, r, s, signer.x, signer.y)) revert();
    }

    function _name(uint8 ca) private pure returns (bytes32) {
        bytes memory name = "Intel SGX Root CA";
        if (ca == PROCESSOR) name = "Intel SGX PCK Processor CA";
        else if (ca == PLATFORM) name = "Intel SGX PCK Platform CA";
        else if (ca == SIGNING) name = "Intel SGX TCB Signing";
        return bytes32(name) | bytes32(name.length); // as X509 has it
    }

    /// The authority's key identifier must be the issuer's own.
    function _checkKeyId(bytes memory der, bytes memory issuer) private pure {
        if (_keyId(der, 0x0603551d23, 11) != _keyId(issuer, 0x0603551d0e, 9)) revert();
    }

    /// The 20 bytes at that distance from the extension's OID.
    function _keyId(bytes memory der, bytes5 oid, uint256 at) private pure returns (bytes20 id) {
        for (uint256 i = 0; i + 31 <= der.length; i++) {
            (uint256 p, ) = Memory.span(der);
            if (bytes5(Memory.load(p + i)) == oid) return bytes20(Memory.load(p + i + at));
        }
    }
}
