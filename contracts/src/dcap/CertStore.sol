// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Blob} from "./Blob.sol";
import {CertParser} from "./CertParser.sol";
import {Crl, Crls} from "./Crl.sol";
import {Layout} from "./Layout.sol";
import {Memory} from "./Memory.sol";
import {P256} from "./P256.sol";
import {Cert, X509} from "./X509.sol";

/// Certificates and CRLs: anyone may upload, for each piece is verified against the root key when
/// it comes. It is kept in the form in which a quote needs it. What is stored is only replaced by
/// what is newer; by anything good when its signer's key is no longer the one that counts.
abstract contract CertStore {
    // The names of Automata's errors where they mean the same.
    error Duplicate_Collateral();
    error Missing_Issuer();
    error Invalid_Signature();
    error Invalid_Issuer_Name();
    error Invalid_Subject_Name();
    error Invalid_PCK_CA(uint8 ca);
    error Root_Key_Mismatch();
    error Certificate_Expired(uint8 ca);
    error Certificate_Out_Of_Date();
    error Certificate_Revoked(uint8 ca, uint256 serial);
    error Crl_Expired(uint8 ca);
    // And our own.
    error Unknown_CA(uint8 ca);
    error Invalid_Key_Usage(uint8 ca);

    event Stored(bytes32 indexed key, bytes32 hash, uint256 from, uint256 to);

    /// A piece of collateral: a blob that begins with its hash, and the time in which it counts,
    /// seconds since 1970, both inclusive.
    struct Piece {
        address blob;
        uint40 from;
        uint40 to;
        bool revoked; // a certificate that the stored root CRL names
    }

    /// What root certificate, root CRL and TCB signing certificate mean for a quote, in one slot:
    /// the time in which all three count, and the id of the key whose JSON counts (0: none).
    struct Trust {
        uint40 from;
        uint40 to;
        bytes20 signer;
    }

    uint8 internal constant ROOT = 0;
    uint8 internal constant PROCESSOR = 1;
    uint8 internal constant PLATFORM = 2;
    uint8 internal constant SIGNING = 3;

    // What fits into one blob; Intel's longest list so far has 129 entries.
    uint256 private constant MAX_REVOKED = 1226;

    bytes32 private constant INTEL_X =
        0x0ba9c4c0c0c86193a3fe23d6b02cda10a8bbd4e88e48b4458561a36e705525f5;
    bytes32 private constant INTEL_Y =
        0x67918e2edc88e40d860bd0cc4ee26aacc988e505a953558c453f6b0904ae7394;

    // Common names, the length in the last byte.
    bytes32 private constant ROOT_NAME = bytes32("Intel SGX Root CA") | bytes32(uint256(17));
    bytes32 private constant PROCESSOR_NAME =
        bytes32("Intel SGX PCK Processor CA") | bytes32(uint256(26));
    bytes32 private constant PLATFORM_NAME =
        bytes32("Intel SGX PCK Platform CA") | bytes32(uint256(25));
    bytes32 private constant SIGNING_NAME = bytes32("Intel SGX TCB Signing") | bytes32(uint256(21));

    bytes32 private immutable _rootX;
    bytes32 private immutable _rootY;
    CertParser internal immutable _certs;

    mapping(bytes32 key => Piece) internal _pieces;
    Trust internal _trust;

    /// The root CA's public key; both zero: Intel's.
    constructor(bytes32 rootX, bytes32 rootY) {
        (_rootX, _rootY) = rootX | rootY == 0 ? (INTEL_X, INTEL_Y) : (rootX, rootY);
        _certs = new CertParser();
    }

    // -- Certificates ----------------------------------------------------------------------------

    /// ca: 0 root, 1 PCK Processor CA, 2 PCK Platform CA, 3 TCB signing; the root first.
    function upsertPcsCertificates(uint8 ca, bytes calldata cert) external returns (bytes32 key) {
        (Cert memory c, ) = _certs.certificate(cert);
        key = PCS_KEY(ca, false);
        Piece memory old = _pieces[key];
        _checkNew(old, c.id);
        _checkCert(ca, c);
        if (old.blob != address(0) && !old.revoked && c.from <= old.from)
            revert Certificate_Out_Of_Date();
        if (!_isNow(c.from, c.to)) revert Certificate_Expired(ca);
        if (ca != ROOT) {
            Piece memory list = _pieces[PCS_KEY(ROOT, true)];
            if (list.blob != address(0) && _isListed(Blob.read(list.blob), c.serial))
                revert Certificate_Revoked(ca, c.serial);
        }
        _store(key, c.id, abi.encodePacked(c.x, c.y, c.subject, uint160(c.serial)), c.from, c.to);
        if (ca == ROOT || ca == SIGNING) _renewTrust();
    }

    /// Name, rights, issuer and signature.
    function _checkCert(uint8 ca, Cert memory c) private view {
        bytes32 name;
        uint256 usage = X509.USAGE_CERT_SIGN | X509.USAGE_CRL_SIGN;
        if (ca == ROOT) {
            name = ROOT_NAME;
        } else if (ca == SIGNING) {
            (name, usage) = (SIGNING_NAME, X509.USAGE_SIGN);
        } else {
            if (ca > SIGNING) revert Unknown_CA(ca);
            name = ca == PLATFORM ? PLATFORM_NAME : PROCESSOR_NAME;
        }
        if (c.commonName != name) revert Invalid_Subject_Name();
        if (c.isCa != (ca != SIGNING) || c.usage & usage != usage) revert Invalid_Key_Usage(ca);
        Piece memory root = _pieces[PCS_KEY(ROOT, false)];
        bytes32 issuer = c.subject;
        if (ca == ROOT && (c.x != _rootX || c.y != _rootY)) revert Root_Key_Mismatch();
        if (ca != ROOT && root.blob == address(0)) revert Missing_Issuer();
        if (root.blob != address(0)) issuer = _word(Blob.read(root.blob), Layout.CERT_SUBJECT);
        // Another certificate of the root has the same name: those that it issued refer to it.
        if (c.issuer != issuer || (ca == ROOT && c.subject != issuer)) revert Invalid_Issuer_Name();
        if (!P256.verify(c.digest, c.r, c.s, _rootX, _rootY)) revert Invalid_Signature();
    }

    // -- CRLs ------------------------------------------------------------------------------------

    function upsertRootCACrl(bytes calldata rootcacrl) external returns (bytes32 key) {
        key = _upsertCrl(ROOT, rootcacrl);
        bytes memory list = Blob.read(_pieces[key].blob);
        for (uint8 ca = PROCESSOR; ca <= SIGNING; ++ca) {
            Piece storage piece = _pieces[PCS_KEY(ca, false)];
            if (piece.blob == address(0)) continue;
            bool revoked = _isListed(
                list,
                uint256(_word(Blob.read(piece.blob), Layout.CERT_SERIAL)) >> 96
            );
            if (piece.revoked != revoked) piece.revoked = revoked;
        }
        _renewTrust();
    }

    /// ca: 1 PCK Processor CA, 2 PCK Platform CA.
    function upsertPckCrl(uint8 ca, bytes calldata crl) external returns (bytes32 key) {
        if (ca != PROCESSOR && ca != PLATFORM) revert Invalid_PCK_CA(ca);
        return _upsertCrl(ca, crl);
    }

    function _upsertCrl(uint8 ca, bytes calldata der) private returns (bytes32 key) {
        Crl memory c = _certs.crl(der);
        key = PCS_KEY(ca, true);
        Piece memory old = _pieces[key];
        _checkNew(old, c.id);
        Piece memory piece = _pieces[PCS_KEY(ca, false)];
        if (piece.blob == address(0)) revert Missing_Issuer();
        bytes memory issuer = Blob.read(piece.blob);
        if (c.issuer != _word(issuer, Layout.CERT_SUBJECT)) revert Invalid_Issuer_Name();
        (bytes32 x, bytes32 y) = (_word(issuer, Layout.CERT_X), _word(issuer, Layout.CERT_Y));
        if (!P256.verify(c.digest, c.r, c.s, x, y)) revert Invalid_Signature();
        if (c.serials.length > MAX_REVOKED * Crls.SERIAL_SIZE)
            revert("a CRL of more than 1226 entries");
        bytes20 signer = P256.id(x, y);
        if (_isOf(old, signer) && c.from <= old.from) revert Certificate_Out_Of_Date();
        if (!_isNow(c.from, c.to)) revert Crl_Expired(ca);
        _store(key, c.id, bytes.concat(signer, c.serials), c.from, c.to);
    }

    /// Whether a CRL's blob names the serial number.
    function _isListed(bytes memory crl, uint256 serial) internal pure returns (bool) {
        (uint256 p, uint256 end) = Memory.span(crl);
        return Crls.has(p + Layout.CRL_SERIALS, end, serial);
    }

    // -- Common ----------------------------------------------------------------------------------

    function _checkNew(Piece memory old, bytes32 hash) internal view {
        if (old.blob != address(0) && _word(Blob.read(old.blob), 0) == hash)
            revert Duplicate_Collateral();
    }

    /// Whether a CRL or document was signed with this key.
    function _isOf(Piece memory piece, bytes20 signer) internal view returns (bool) {
        return
            piece.blob != address(0) &&
            bytes20(_word(Blob.read(piece.blob), Layout.SIGNER)) == signer;
    }

    function _store(
        bytes32 key,
        bytes32 hash,
        bytes memory content,
        uint256 from,
        uint256 to
    ) internal {
        // Years end with 9999: 38 bits are enough.
        _pieces[key] = Piece(
            Blob.write(bytes.concat(hash, content)),
            uint40(from),
            uint40(to),
            false
        );
        emit Stored(key, hash, from, to);
    }

    /// The id of a stored certificate's key.
    function _keyOf(Piece memory piece) internal view returns (bytes20) {
        bytes memory blob = Blob.read(piece.blob);
        return P256.id(_word(blob, Layout.CERT_X), _word(blob, Layout.CERT_Y));
    }

    /// To be called when one of the three pieces that it sums up has changed.
    function _renewTrust() private {
        Piece memory root = _pieces[PCS_KEY(ROOT, false)];
        Piece memory list = _pieces[PCS_KEY(ROOT, true)];
        Piece memory signing = _pieces[PCS_KEY(SIGNING, false)];
        Trust memory t = Trust(_later(root.from, _later(list.from, signing.from)), root.to, 0);
        if (list.to < t.to) t.to = list.to; // 0 for a piece that is missing
        if (signing.to < t.to) t.to = signing.to;
        if (signing.blob != address(0) && !signing.revoked) t.signer = _keyOf(signing);
        _trust = t;
    }

    function _later(uint40 a, uint40 b) private pure returns (uint40) {
        return a > b ? a : b;
    }

    function _isNow(uint256 from, uint256 to) internal view returns (bool) {
        return from <= block.timestamp && block.timestamp <= to;
    }

    /// 32 bytes of a blob.
    function _word(bytes memory data, uint256 at) internal pure returns (bytes32 w) {
        assembly ("memory-safe") {
            w := mload(add(add(data, 32), at))
        }
    }

    function PCS_KEY(uint8 ca, bool isCrl) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes4(0xe90e3dc7), ca, isCrl));
    }
}
