// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Blob} from "./dcap/Blob.sol";
import {CertStore} from "./dcap/CertStore.sol";
import {DocumentStore} from "./dcap/DocumentStore.sol";
import {Layout} from "./dcap/Layout.sol";
import {Memory} from "./dcap/Memory.sol";
import {P256} from "./dcap/P256.sol";
import {Platform} from "./dcap/Pck.sol";
import {Leaf, PckStore} from "./dcap/PckStore.sol";
import {Quote, Quotes} from "./dcap/Quote.sol";
import {TcbMatch} from "./dcap/TcbMatch.sol";

/// Verifies TDX quotes against Intel's root, with the interface of Automata's contracts v1.0: the
/// entry point, the router and the stores of collateral are all this one contract.
contract DcapVerifier is PckStore {
    error No_Fee_Is_Asked();

    bytes32 private constant LEAF_NAME =
        bytes32("Intel SGX PCK Certificate") | bytes32(uint256(25));

    // Offsets in a TD report.
    uint256 private constant MRSIGNERSEAM = 64;
    uint256 private constant SEAMATTRIBUTES = 112;
    uint256 private constant TDATTRIBUTES = 120;
    uint256 private constant TEE_TCB_SVN_2 = 584;

    // Offsets in the QE's report.
    uint256 private constant QE_MISCSELECT = 16;
    uint256 private constant QE_ATTRIBUTES = 48;
    uint256 private constant QE_MRSIGNER = 128;
    uint256 private constant QE_ISVPRODID = 256;
    uint256 private constant QE_ISVSVN = 258;
    uint256 private constant QE_REPORTDATA = 320;

    // TDATTRIBUTES that a TD may have, as they lie in its report: DEBUG (bit 0, the caller's to
    // refuse), ICSSD (16), LASS (27), SEPT_VE_DISABLE (28), MIGRATABLE (29), PKS (30), KL (31), TPA
    // (62), PERFMON (63). Nothing defines the others, but for the rest of the first byte, which
    // opens the TD to a profiler: HGS_PLUS_PROF, PERF_PROF, PMT_PROF.
    bytes8 private constant ATTRIBUTES_ALLOWED = 0x010001f8000000c0;

    /// The root CA's public key, both zero: Intel's; and which evaluation number counts.
    constructor(
        bytes32 rootX,
        bytes32 rootY,
        Evaluation choice,
        uint32 number
    ) CertStore(rootX, rootY) DocumentStore(choice, number) {}

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
        bytes20 signer = _signer();
        Leaf memory leaf = _leaf(rawQuote[q.cert:q.cert + q.certSize]);
        _checkLeaf(leaf);
        _checkSignatures(rawQuote, q, leaf);
        (uint256 status, bytes memory advisories) = _judge(rawQuote, q, leaf.platform, signer);
        return
            bytes.concat(
                v11
                    ? bytes.concat(bytes2(uint16(q.version)), bytes2(uint16(q.bodyType)))
                    : bytes.concat(bytes2(uint16(q.version)), bytes4(0x81000000)),
                bytes1(uint8(status)),
                leaf.platform.fmspc,
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
        if (piece.blob == address(0)) _refuse(what, " is missing");
        if (block.timestamp < piece.from) _refuse(what, " is not valid yet");
        if (block.timestamp > piece.to) _refuse(what, " has expired");
    }

    function _refuse(string memory what, string memory how) private pure {
        revert(string.concat(what, how));
    }

    function _decimal(uint256 n) private pure returns (string memory digits) {
        for (; n != 0 || bytes(digits).length == 0; n /= 10) {
            digits = string(abi.encodePacked(uint8(48 + (n % 10)), digits));
        }
    }

    // -- Signatures ------------------------------------------------------------------------------

    /// The PCK key vouches for the QE's report, that for the attestation key, that for the quote.
    function _checkSignatures(bytes calldata quote, Quote memory q, Leaf memory leaf) private view {
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
        uint256 number = _evaluation(signer);
        uint256 qe = _qeStatus(
            quote[q.signature + Quotes.QE_REPORT:q.signature + Quotes.QE_SIGNATURE],
            number,
            signer
        );
        bytes32 key = FMSPC_TCB_KEY(TDX, pck.fmspc, TCB_INFO_VERSION);
        uint256 info = _document(key, number, signer, "the TCB info for the platform's FMSPC");
        if (Memory.number(info + Layout.TCB_PCEID, info + Layout.TCB_PLAIN) != pck.pceid)
            revert("the TCB info is for another PCE");
        bytes calldata body = quote[q.body:q.body + q.bodySize];
        if (bytes8(body[TDATTRIBUTES:]) & ~ATTRIBUTES_ALLOWED != 0)
            revert("TDATTRIBUTES have a bit that no TD may have");
        _checkModule(body, info);
        uint256 at;
        (status, at) = _converged(info, pck, uint128(bytes16(body)), qe);
        if (q.bodyType == Quotes.TD15) {
            (uint256 current, ) = _converged(info, pck, uint128(bytes16(body[TEE_TCB_SVN_2:])), qe);
            if (current == TcbMatch.REVOKED) revert("the TCB that the TD runs on now is revoked");
            status = TcbMatch.relaunch(status, current);
        }
        if (status == TcbMatch.REVOKED) revert("the TCB is revoked");
        advisories = TcbMatch.advisories(at);
    }

    /// Platform, module and QE for one TEE_TCB_SVN; where the platform level's advisories are.
    function _converged(
        uint256 info,
        Platform memory pck,
        uint256 svn,
        uint256 qe
    ) private pure returns (uint256 status, uint256 advisories) {
        bool found;
        (found, status, advisories) = TcbMatch.platform(info, pck.svns, pck.pcesvn, svn);
        if (!found) revert("the platform is below every TCB level");
        status = TcbMatch.converge(status, qe);
        uint256 major = (svn >> 112) & 0xff;
        if (major == 0) return (status, advisories);
        (bool known, , uint256 levels) = TcbMatch.module(info, major);
        if (!known) revert("the TCB info has no identity for the TDX module's version");
        uint256 module;
        (found, module) = TcbMatch.isvsvn(levels, svn >> 120);
        if (!found) revert("the TDX module is below every TCB level");
        status = TcbMatch.converge(status, module);
    }

    /// MRSIGNERSEAM and SEAMATTRIBUTES are those of the module that the TD was launched with.
    function _checkModule(bytes calldata body, uint256 info) private pure {
        bytes32 identity = Memory.load(info + Layout.TCB_PLAIN);
        uint256 major = uint8(body[1]);
        if (major != 0) {
            bool known;
            (known, identity, ) = TcbMatch.module(info, major);
            if (!known) revert("the TCB info has no identity for the TDX module's version");
        }
        if (bytes8(body[SEAMATTRIBUTES:]) != 0) revert("SEAMATTRIBUTES are not zero");
        if (keccak256(body[MRSIGNERSEAM:SEAMATTRIBUTES + 8]) != identity)
            revert("MRSIGNERSEAM or SEAMATTRIBUTES are not those of the TDX module");
    }

    /// The QE against its identity: its status, or a refusal.
    function _qeStatus(
        bytes calldata report,
        uint256 number,
        bytes20 signer
    ) private view returns (uint256 status) {
        bytes32 key = ENCLAVE_ID_KEY(TD_QE, IDENTITY_VERSION);
        uint256 id = _document(key, number, signer, "the QE identity");
        uint256 masks = Memory.number(id + Layout.QE_MISCSELECT, id + Layout.QE_ATTRIBUTES);
        if (uint32(bytes4(report[QE_MISCSELECT:])) & (masks & 0xffffffff) != masks >> 32)
            revert("the QE's MISCSELECT is not the identity's");
        masks = uint256(Memory.load(id + Layout.QE_ATTRIBUTES));
        if (uint128(bytes16(report[QE_ATTRIBUTES:])) & (masks & type(uint128).max) != masks >> 128)
            revert("the QE's attributes are not the identity's");
        if (bytes32(report[QE_MRSIGNER:]) != Memory.load(id + Layout.QE_MRSIGNER))
            revert("the QE's MRSIGNER is not the identity's");
        if (
            Quotes.le16(report, QE_ISVPRODID) !=
            Memory.number(id + Layout.QE_ISVPRODID, id + Layout.QE_LEVELS)
        ) revert("the QE's ISVPRODID is not the identity's");
        bool found;
        (found, status) = TcbMatch.isvsvn(id + Layout.QE_LEVELS, Quotes.le16(report, QE_ISVSVN));
        if (!found) revert("the QE is below every TCB level");
    }

    /// Where in memory the content of a stored document begins.
    function _document(
        bytes32 key,
        uint256 number,
        bytes20 signer,
        string memory what
    ) private view returns (uint256 content) {
        Piece memory piece = _pieces[numberedKey(key, number)];
        if (!_isNow(piece.from, piece.to)) {
            what = string.concat(what, " of evaluation number ", _decimal(number));
            _checkPiece(piece, what);
        }
        bytes memory blob = Blob.read(piece.blob);
        if (bytes20(_word(blob, Layout.SIGNER)) != signer)
            _refuse(what, " is signed with a former key");
        (content, ) = Memory.span(blob);
        content += Layout.CONTENT;
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
