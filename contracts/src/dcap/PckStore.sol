// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Blob} from "./Blob.sol";
import {DocumentStore} from "./DocumentStore.sol";
import {Layout} from "./Layout.sol";
import {Memory} from "./Memory.sol";
import {P256} from "./P256.sol";
import {Platform} from "./Pck.sol";
import {Cert, X509} from "./X509.sol";

/// A PCK certificate as far as a quote needs it, issued by the key of a stored CA.
struct Leaf {
    bytes32 x;
    bytes32 y;
    uint256 serial;
    uint256 from; // seconds since 1970, both inclusive
    uint256 to;
    uint8 ca;
    bytes20 issuer; // the id of the CA's key
    Platform platform;
}

/// PCK certificates: read and checked with each quote, or once for all and kept. What is kept is
/// what cannot change: the content, and that the CA's key signed it. Expiry and revocation, of the
/// certificate and of its CA, are looked at with each quote.
abstract contract PckStore is DocumentStore {
    bytes32 private constant LEAF_NAME =
        bytes32("Intel SGX PCK Certificate") | bytes32(uint256(25));

    /// Keeps a PCK certificate, in DER. Anyone may call: it is checked as a quote's is.
    function cachePckCertificate(bytes calldata der) external returns (bytes32 key) {
        key = PCK_KEY(keccak256(der));
        (Leaf memory leaf, bool isKept) = _kept(key);
        if (isKept) revert Duplicate_Collateral();
        leaf = _parsed(der);
        _checkLeaf(leaf);
        Platform memory p = leaf.platform;
        bytes memory content = abi.encodePacked(
            leaf.x,
            leaf.y,
            uint128(p.svns),
            uint16(p.pcesvn),
            uint160(leaf.serial),
            uint16(p.pceid),
            p.fmspc,
            leaf.ca,
            leaf.issuer
        );
        _store(key, keccak256(der), content, leaf.from, leaf.to);
    }

    /// Under which key a PCK certificate is kept: by the Keccak-256 of its DER.
    function PCK_KEY(bytes32 hash) public pure returns (bytes32) {
        return Memory.pair(bytes32("PCK certificate"), hash);
    }

    /// The certificate of a quote's certification data: the chain in PEM, or the leaf in DER.
    function _leaf(bytes calldata data) internal view returns (Leaf memory leaf) {
        if (data.length != 0 && data[0] == 0x30) {
            bool isKept;
            (leaf, isKept) = _kept(PCK_KEY(keccak256(data)));
            if (isKept) return leaf;
        }
        return _parsed(data);
    }

    /// One that is kept, and that the stored CA's key of today signed.
    function _kept(bytes32 key) private view returns (Leaf memory leaf, bool isKept) {
        Piece memory piece = _pieces[key];
        if (piece.blob == address(0)) return (leaf, false);
        bytes memory blob = Blob.read(piece.blob);
        (uint256 p, ) = Memory.span(blob);
        leaf.ca = uint8(Memory.number(p + Layout.PCK_CA, p + Layout.PCK_ISSUER));
        leaf.issuer = bytes20(Memory.load(p + Layout.PCK_ISSUER));
        if (_keyOf(_pieces[PCS_KEY(leaf.ca, false)]) != leaf.issuer) return (leaf, false);
        (leaf.from, leaf.to) = (piece.from, piece.to);
        leaf.x = Memory.load(p + Layout.PCK_X);
        leaf.y = Memory.load(p + Layout.PCK_Y);
        leaf.serial = Memory.number(p + Layout.PCK_SERIAL, p + Layout.PCK_PCEID);
        leaf.platform.svns = Memory.number(p + Layout.PCK_SVNS, p + Layout.PCK_PCESVN);
        leaf.platform.pcesvn = Memory.number(p + Layout.PCK_PCESVN, p + Layout.PCK_SERIAL);
        leaf.platform.pceid = Memory.number(p + Layout.PCK_PCEID, p + Layout.PCK_FMSPC);
        leaf.platform.fmspc = bytes6(Memory.load(p + Layout.PCK_FMSPC));
        return (leaf, true);
    }

    /// One that is read now, and its CA's signature.
    function _parsed(bytes calldata data) private view returns (Leaf memory leaf) {
        Cert memory c;
        (c, leaf.platform) = _certs.certificate(data);
        if (!leaf.platform.known) revert("the PCK certificate has no SGX extension");
        if (c.commonName != LEAF_NAME) revert("the certificate is no PCK certificate");
        if (c.isCa || c.usage & X509.USAGE_SIGN == 0)
            revert("the PCK certificate is a CA's, or may not sign");
        bytes memory issuer;
        (leaf.ca, issuer) = _issuer(c.issuer);
        (bytes32 x, bytes32 y) = (_word(issuer, Layout.CERT_X), _word(issuer, Layout.CERT_Y));
        if (!P256.verify(c.digest, c.r, c.s, x, y))
            revert("the PCK certificate is not signed by the PCK CA");
        leaf.issuer = P256.id(x, y);
        (leaf.x, leaf.y, leaf.serial) = (c.x, c.y, c.serial);
        (leaf.from, leaf.to) = (c.from, c.to);
    }

    /// The stored CA of that name.
    function _issuer(bytes32 name) private view returns (uint8 ca, bytes memory blob) {
        for (ca = PLATFORM; ca >= PROCESSOR; --ca) {
            Piece memory piece = _pieces[PCS_KEY(ca, false)];
            if (piece.blob == address(0)) continue;
            blob = Blob.read(piece.blob);
            if (_word(blob, Layout.CERT_SUBJECT) == name) return (ca, blob);
        }
        revert("the certificate of the CA that issued the PCK certificate is missing");
    }

    /// What time and the CRLs say of a certificate and its CA.
    function _checkLeaf(Leaf memory leaf) internal view {
        if (block.timestamp < leaf.from) revert("the PCK certificate is not valid yet");
        if (block.timestamp > leaf.to) revert("the PCK certificate has expired");
        Piece memory piece = _pieces[PCS_KEY(leaf.ca, false)];
        if (piece.revoked) revert("the PCK CA is revoked");
        if (!_isNow(piece.from, piece.to)) revert("the PCK CA's certificate has expired");
        piece = _pieces[PCS_KEY(leaf.ca, true)];
        if (piece.blob == address(0)) revert("the PCK CRL is missing");
        if (!_isNow(piece.from, piece.to)) revert("the PCK CRL has expired");
        bytes memory crl = Blob.read(piece.blob);
        if (bytes20(_word(crl, Layout.SIGNER)) != leaf.issuer)
            revert("the PCK CRL is of a former key of the PCK CA");
        if (_isListed(crl, leaf.serial)) revert("the PCK certificate is revoked");
    }
}
