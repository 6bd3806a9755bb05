// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Blob} from "./dcap/Blob.sol";
import {DcapStore} from "./dcap/DcapStore.sol";
import {Memory} from "./dcap/Memory.sol";
import {P256} from "./dcap/P256.sol";
import {Platform} from "./dcap/Pck.sol";
import {Quote, Quotes} from "./dcap/Quote.sol";
import {Tcb} from "./dcap/Tcb.sol";
import {Cert, X509} from "./dcap/X509.sol";

/// Verifies TDX quotes against Intel's root, with the interface of Automata's contracts v1.0: the
/// entry point, the router and the stores of collateral are all this one contract.
contract DcapVerifier is DcapStore {
    error No_Fee_Is_Asked();

    bytes32 private constant LEAF_NAME =
        bytes32("Intel SGX PCK Certificate") | bytes32(uint256(25));

    // Offsets in a TD report.
    uint256 private constant MRSIGNERSEAM = 64;
    uint256 private constant SEAMATTRIBUTES = 112;
    uint256 private constant TEE_TCB_SVN_2 = 584;

    // Offsets in the QE's report.
    uint256 private constant QE_MISCSELECT = 16;
    uint256 private constant QE_ATTRIBUTES = 48;
    uint256 private constant QE_MRSIGNER = 128;
    uint256 private constant QE_ISVPRODID = 256;
    uint256 private constant QE_ISVSVN = 258;
    uint256 private constant QE_REPORTDATA = 320;

    // Offsets in a packed QE identity.
    uint256 private constant ID_ATTRIBUTES = 8;
    uint256 private constant ID_MRSIGNER = 40;
    uint256 private constant ID_ISVPRODID = 72;
    uint256 private constant ID_LEVELS = 74;

    constructor(bytes32 rootX, bytes32 rootY) DcapStore(rootX, rootY) {}

    // -- Entry points ----------------------------------------------------------------------------

    /// Quote version 4. On success the output of Automata's v1.0: version, TEE type, TCB status,
    /// FMSPC, TD report, and the platform level's advisories if there are any. Otherwise false and
    /// the reason in words. A TD in debug mode is for the caller to refuse.
    function verifyAndAttestOnChain(
        bytes calldata rawQuote
    ) external payable returns (bool, bytes memory) {
        return _answer(rawQuote, false);
    }

    /// Quote versions 4 and 5, with the output of Automata's v1.1: the body's type in place of the
    /// TEE's, in two bytes.
    function verifyAndAttestOnChainV11(
        bytes calldata rawQuote
    ) external payable returns (bool, bytes memory) {
        return _answer(rawQuote, true);
    }

    /// The output alone. Reverts with the reason for a quote that is not good.
    function reportOf(bytes calldata rawQuote, bool v11) external view returns (bytes memory) {
        Quote memory q = Quotes.parse(rawQuote);
        if (q.version == 5 && !v11) revert("the output of v1.0 knows no quote of version 5");
        // The certification data is not signed. Only the first certificate is read; the rest of the
        // chain is what is stored here.
        (Cert memory leaf, Platform memory pck) = _parser.pck(rawQuote[q.cert:q.cert + q.certSize]);
        bytes20 signer = _signer();
        _checkLeaf(leaf);
        _checkSignatures(rawQuote, q, leaf);
        (uint256 status, bytes memory advisories) = _judge(rawQuote, q, pck, signer);
        return
            bytes.concat(
                v11
                    ? bytes.concat(bytes2(uint16(q.version)), bytes2(uint16(q.bodyType)))
                    : bytes.concat(bytes2(uint16(q.version)), bytes4(0x81000000)),
                bytes1(uint8(status)),
                pck.fmspc,
                rawQuote[q.body:q.body + q.bodySize],
                advisories
            );
    }

    function _answer(bytes calldata rawQuote, bool v11) private view returns (bool, bytes memory) {
        if (msg.value != 0) revert No_Fee_Is_Asked();
        try this.reportOf(rawQuote, v11) returns (bytes memory output) {
            return (true, output);
        } catch Error(string memory reason) {
            return (false, bytes(reason));
        } catch (bytes memory e) {
            // Want of gas is no verdict.
            assembly ("memory-safe") {
                revert(add(e, 32), mload(e))
            }
        }
    }

    // -- The PCK certificate ---------------------------------------------------------------------

    function _checkLeaf(Cert memory leaf) private view {
        if (leaf.commonName != LEAF_NAME) revert("the certificate is no PCK certificate");
        if (leaf.isCa || leaf.usage & X509.USAGE_SIGN == 0)
            revert("the PCK certificate is a CA's, or may not sign");
        if (block.timestamp < leaf.from) revert("the PCK certificate is not valid yet");
        if (block.timestamp > leaf.to) revert("the PCK certificate has expired");
        (uint8 ca, Piece memory piece, bytes memory issuer) = _issuer(leaf.issuer);
        if (piece.revoked) revert("the PCK CA is revoked");
        if (!_isNow(piece.from, piece.to)) revert("the PCK CA's certificate has expired");
        (bytes32 x, bytes32 y) = (_word(issuer, CERT_X), _word(issuer, CERT_Y));
        if (!P256.verify(leaf.digest, leaf.r, leaf.s, x, y))
            revert("the PCK certificate is not signed by the PCK CA");

        piece = _pieces[PCS_KEY(ca, true)];
        if (piece.blob == address(0)) revert("the PCK CRL is missing");
        if (!_isNow(piece.from, piece.to)) revert("the PCK CRL has expired");
        bytes memory crl = Blob.read(piece.blob);
        if (bytes20(_word(crl, SIGNER)) != P256.id(x, y))
            revert("the PCK CRL is of a former key of the PCK CA");
        if (_isListed(crl, leaf.serial)) revert("the PCK certificate is revoked");
    }

    /// The stored CA of that name.
    function _issuer(
        bytes32 name
    ) private view returns (uint8 ca, Piece memory piece, bytes memory blob) {
        for (ca = PLATFORM; ca >= PROCESSOR; --ca) {
            piece = _pieces[PCS_KEY(ca, false)];
            if (piece.blob == address(0)) continue;
            blob = Blob.read(piece.blob);
            if (_word(blob, CERT_SUBJECT) == name) return (ca, piece, blob);
        }
        revert("the certificate of the CA that issued the PCK certificate is missing");
    }

    /// The id of the key that TCB info and QE identity must be signed with.
    function _signer() private view returns (bytes20) {
        Trust memory t = _trust;
        if (_isNow(t.from, t.to) && t.signer != 0) return t.signer;
        _checkPiece(_pieces[PCS_KEY(ROOT, false)], "the root certificate");
        _checkPiece(_pieces[PCS_KEY(ROOT, true)], "the root CRL");
        _checkPiece(_pieces[PCS_KEY(SIGNING, false)], "the TCB signing certificate");
        revert("the TCB signing certificate is revoked");
    }

    function _checkPiece(Piece memory piece, string memory what) private view {
        if (piece.blob == address(0)) revert(string.concat(what, " is missing"));
        if (block.timestamp < piece.from) revert(string.concat(what, " is not valid yet"));
        if (block.timestamp > piece.to) revert(string.concat(what, " has expired"));
    }

    // -- Signatures ------------------------------------------------------------------------------

    /// The PCK key vouches for the QE's report, that for the attestation key, that for the quote.
    function _checkSignatures(bytes calldata quote, Quote memory q, Cert memory leaf) private view {
        unchecked {
            uint256 at = q.signature;
            bytes calldata report = quote[at + Quotes.QE_REPORT:at + Quotes.QE_SIGNATURE];
            (bytes32 r, bytes32 s) = _pair(quote, at + Quotes.QE_SIGNATURE);
            if (!P256.verify(sha256(report), uint256(r), uint256(s), leaf.x, leaf.y))
                revert("the QE report is not signed with the PCK certificate's key");
            bytes32 bound = sha256(
                bytes.concat(
                    quote[at + Quotes.KEY:at + Quotes.KEY + 64],
                    quote[q.auth:q.auth + q.authSize]
                )
            );
            (bytes32 hash, bytes32 padding) = _pair(report, QE_REPORTDATA);
            if (hash != bound) revert("the QE report does not vouch for the attestation key");
            if (padding != 0) revert("the rest of the QE report's data is not zero");
            (bytes32 x, bytes32 y) = _pair(quote, at + Quotes.KEY);
            (r, s) = _pair(quote, at);
            if (!P256.verify(sha256(quote[:at - 4]), uint256(r), uint256(s), x, y))
                revert("the quote is not signed with the attestation key");
        }
    }

    /// 64 bytes; the caller knows that they are there.
    function _pair(bytes calldata data, uint256 at) private pure returns (bytes32 a, bytes32 b) {
        assembly ("memory-safe") {
            a := calldataload(add(data.offset, at))
            b := calldataload(add(data.offset, add(at, 32)))
        }
    }

    // -- TCB -------------------------------------------------------------------------------------

    function _judge(
        bytes calldata quote,
        Quote memory q,
        Platform memory pck,
        bytes20 signer
    ) private view returns (uint256 status, bytes memory advisories) {
        uint256 qe = _qeStatus(
            quote[q.signature + Quotes.QE_REPORT:q.signature + Quotes.QE_SIGNATURE],
            signer
        );
        bytes32 key = FMSPC_TCB_KEY(TDX, pck.fmspc, TCB_INFO_VERSION);
        uint256 info = _document(key, signer, "the TCB info for the platform's FMSPC");
        if (Memory.number(info, info + Tcb.PLAIN) != pck.pceid)
            revert("the TCB info is for another PCE");
        bytes calldata body = quote[q.body:q.body + q.bodySize];
        _checkModule(body, info);
        uint256 at;
        (status, at) = _converged(info, pck, uint128(bytes16(body)), qe);
        if (q.bodyType == Quotes.TD15) {
            (uint256 current, ) = _converged(info, pck, uint128(bytes16(body[TEE_TCB_SVN_2:])), qe);
            if (current == Tcb.REVOKED) revert("the TCB that the TD runs on now is revoked");
            status = Tcb.relaunch(status, current);
        }
        if (status == Tcb.REVOKED) revert("the TCB is revoked");
        advisories = Tcb.advisories(at);
    }

    /// Platform, module and QE for one TEE_TCB_SVN; where the platform level's advisories are.
    function _converged(
        uint256 info,
        Platform memory pck,
        uint256 svn,
        uint256 qe
    ) private pure returns (uint256 status, uint256 advisories) {
        bool found;
        (found, status, advisories) = Tcb.platform(info, pck.svns, pck.pcesvn, svn);
        if (!found) revert("the platform is below every TCB level");
        status = Tcb.converge(status, qe);
        uint256 major = (svn >> 112) & 0xff;
        if (major == 0) return (status, advisories);
        (bool known, , uint256 levels) = Tcb.module(info, major);
        if (!known) revert("the TCB info has no identity for the TDX module's version");
        uint256 module;
        (found, module) = Tcb.isvsvn(levels, svn >> 120);
        if (!found) revert("the TDX module is below every TCB level");
        status = Tcb.converge(status, module);
    }

    /// MRSIGNERSEAM and SEAMATTRIBUTES are those of the module that the TD was launched with.
    function _checkModule(bytes calldata body, uint256 info) private pure {
        bytes32 identity = Memory.load(info + Tcb.PLAIN);
        uint256 major = uint8(body[1]);
        if (major != 0) {
            bool known;
            (known, identity, ) = Tcb.module(info, major);
            if (!known) revert("the TCB info has no identity for the TDX module's version");
        }
        if (bytes8(body[SEAMATTRIBUTES:]) != 0) revert("SEAMATTRIBUTES are not zero");
        if (keccak256(body[MRSIGNERSEAM:SEAMATTRIBUTES + 8]) != identity)
            revert("MRSIGNERSEAM or SEAMATTRIBUTES are not those of the TDX module");
    }

    /// The QE against its identity: its status, or a refusal.
    function _qeStatus(
        bytes calldata report,
        bytes20 signer
    ) private view returns (uint256 status) {
        uint256 id = _document(ENCLAVE_ID_KEY(TD_QE, IDENTITY_VERSION), signer, "the QE identity");
        uint256 masks = Memory.number(id, id + 8);
        if (uint32(bytes4(report[QE_MISCSELECT:])) & (masks & 0xffffffff) != masks >> 32)
            revert("the QE's MISCSELECT is not the identity's");
        masks = uint256(Memory.load(id + ID_ATTRIBUTES));
        if (uint128(bytes16(report[QE_ATTRIBUTES:])) & (masks & type(uint128).max) != masks >> 128)
            revert("the QE's attributes are not the identity's");
        if (bytes32(report[QE_MRSIGNER:]) != Memory.load(id + ID_MRSIGNER))
            revert("the QE's MRSIGNER is not the identity's");
        if (Quotes.le16(report, QE_ISVPRODID) != Memory.number(id + ID_ISVPRODID, id + ID_LEVELS))
            revert("the QE's ISVPRODID is not the identity's");
        bool found;
        (found, status) = Tcb.isvsvn(id + ID_LEVELS, Quotes.le16(report, QE_ISVSVN));
        if (!found) revert("the QE is below every TCB level");
    }

    /// Where in memory the content of a stored document begins.
    function _document(
        bytes32 key,
        bytes20 signer,
        string memory what
    ) private view returns (uint256 content) {
        Piece memory piece = _pieces[key];
        if (!_isNow(piece.from, piece.to)) _checkPiece(piece, what);
        bytes memory blob = Blob.read(piece.blob);
        if (bytes20(_word(blob, SIGNER)) != signer)
            revert(string.concat(what, " is signed with a former key"));
        (content, ) = Memory.span(blob);
        content += CONTENT;
    }

    // -- What Automata's pieces answer -----------------------------------------------------------

    function quoteVerifiers(uint16 version) external view returns (address) {
        return version == 4 || version == 5 ? address(this) : address(0);
    }

    function pccsRouter() external view returns (address) {
        return address(this);
    }

    function qeIdDaoAddr() external view returns (address) {
        return address(this);
    }

    function fmspcTcbDaoAddr() external view returns (address) {
        return address(this);
    }

    function pcsDaoAddr() external view returns (address) {
        return address(this);
    }

    function P256_VERIFIER() external pure returns (address) {
        return P256.PRECOMPILE;
    }

    function getBp() external pure returns (uint16) {
        return 0;
    }

    /// Tells this contract from Automata's.
    function dcapVerifierVersion() external pure returns (uint256) {
        return 1;
    }

    /// Whether a quote may carry its PCK certificate alone, in DER, instead of the chain in PEM.
    function takesLeafOnly() external pure returns (bool) {
        return true;
    }
}
