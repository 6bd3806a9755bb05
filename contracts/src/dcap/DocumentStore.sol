// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {Blob} from "./Blob.sol";
import {CertStore} from "./CertStore.sol";
import {DocumentParser} from "./DocumentParser.sol";
import {EvaluationNumbers} from "./EvaluationNumbers.sol";
import {Layout} from "./Layout.sol";
import {Memory} from "./Memory.sol";
import {P256} from "./P256.sol";
import {QeIdentity} from "./QeIdentity.sol";
import {Document} from "./TcbInfo.sol";

/// A signed object, byte for byte, and its signature: r and s.
struct SignedJson {
    string text;
    bytes signature;
}

/// Intel's signed JSON: TCB info and QE identity, each once for every evaluation number, and the
/// list of these numbers. Which number counts was chosen at deployment; what somebody uploads for
/// another changes nothing.
abstract contract DocumentStore is CertStore {
    // The names of Automata's errors where they mean the same.
    error Missing_TCB_Cert();
    error TCB_Cert_Expired();
    error TCB_Cert_Revoked(uint256 serial);
    error Invalid_TCB_Cert_Signature();
    error TCB_Expired();
    error TCB_Out_Of_Date();
    error Enclave_Id_Expired();
    error Enclave_Id_Out_Of_Date();
    error Enclave_Id_Mismatch();
    error Incorrect_Enclave_Id_Version();
    error TCB_Eval_Expired();
    error TCB_Eval_Out_Of_Date();

    /// STANDARD: the newest number whose recovery event is 365 days ago or more. EARLY: the newest.
    /// Both by the newest list that was uploaded. FIXED: one number for good.
    enum Evaluation {
        STANDARD,
        EARLY,
        FIXED
    }

    /// What the stored list means, in one slot: the number that counts (0: none), until when, and
    /// the id of the key that signed the list (0: there is none).
    struct Counting {
        uint32 number;
        uint40 until; // exclusive
        bytes20 signer;
    }

    uint8 internal constant TDX = 1;
    uint256 internal constant TD_QE = 2;
    uint256 internal constant IDENTITY_VERSION = 4; // the PCS API's
    uint32 internal constant TCB_INFO_VERSION = 3;

    string private constant NO_LIST = "the list of TCB evaluation numbers is missing";

    DocumentParser private immutable _documents;
    Evaluation private immutable _choice;
    uint32 private immutable _fixed;

    Counting private _counting;

    constructor(Evaluation choice, uint32 number) {
        _documents = new DocumentParser();
        require(choice == Evaluation.FIXED || number == 0, "a number is for FIXED only");
        (_choice, _fixed) = (choice, number);
    }

    // -- Uploads ---------------------------------------------------------------------------------

    function upsertFmspcTcb(SignedJson calldata json) external returns (bytes32 key) {
        Document memory d = _documents.tcbInfo(bytes(json.text));
        key = FMSPC_TCB_KEY(TDX, bytes6(d.subject), TCB_INFO_VERSION);
        key = _keyOfNumber(key, d.evaluation);
        if (!_storeNewer(key, json, d)) revert TCB_Out_Of_Date();
        if (!_isNow(d.from, d.to)) revert TCB_Expired();
    }

    /// id: 2 (TD_QE); version: 4, of the PCS API.
    function upsertEnclaveIdentity(
        uint256 id,
        uint256 version,
        SignedJson calldata json
    ) external returns (bytes32 key) {
        if (version != IDENTITY_VERSION) revert Incorrect_Enclave_Id_Version();
        Document memory d = _documents.qeIdentity(bytes(json.text));
        if (id != TD_QE || d.subject != QeIdentity.TD_QE) revert Enclave_Id_Mismatch();
        key = _keyOfNumber(ENCLAVE_ID_KEY(TD_QE, IDENTITY_VERSION), d.evaluation);
        if (!_storeNewer(key, json, d)) revert Enclave_Id_Out_Of_Date();
        if (!_isNow(d.from, d.to)) revert Enclave_Id_Expired();
    }

    /// The list of evaluation numbers. Its dates lie in the past and stay true: it counts until a
    /// later one replaces it, whatever its nextUpdate says.
    function upsertTcbEvaluationData(SignedJson calldata json) external returns (bytes32 key) {
        Document memory d = _documents.evaluationNumbers(bytes(json.text));
        key = TCB_EVAL_KEY(TDX);
        if (!_storeNewer(key, json, d)) revert TCB_Eval_Out_Of_Date();
        if (block.timestamp < d.from) revert TCB_Eval_Expired();
        (uint256 p, uint256 end) = Memory.span(d.packed);
        (uint256 number, uint256 until) = _numberOf(p, end);
        _counting = Counting(
            uint32(number),
            uint40(until),
            _keyOf(_pieces[PCS_KEY(SIGNING, false)])
        );
    }

    /// Where a document goes. Nobody pays for one while no list tells which of them counts.
    function _keyOfNumber(bytes32 key, uint256 number) private view returns (bytes32) {
        if (_choice != Evaluation.FIXED && _counting.signer == 0) revert(NO_LIST);
        return numberedKey(key, number);
    }

    /// Stores it, unless the one that is stored is as new, of the same key; the same again is
    /// refused.
    function _storeNewer(
        bytes32 key,
        SignedJson calldata json,
        Document memory d
    ) private returns (bool) {
        (bytes32 hash, bytes20 signer) = _checkSigned(bytes(json.text), json.signature);
        Piece memory old = _pieces[key];
        _checkNew(old, hash);
        if (_isOf(old, signer) && d.from <= old.from) return false;
        _store(key, hash, bytes.concat(signer, d.packed), d.from, d.to);
        return true;
    }

    function _checkSigned(
        bytes memory text,
        bytes memory rs
    ) private view returns (bytes32 hash, bytes20 signer) {
        Piece memory piece = _pieces[PCS_KEY(SIGNING, false)];
        if (piece.blob == address(0)) revert Missing_TCB_Cert();
        bytes memory cert = Blob.read(piece.blob);
        if (piece.revoked) revert TCB_Cert_Revoked(uint256(_word(cert, Layout.CERT_SERIAL)) >> 96);
        if (!_isNow(piece.from, piece.to)) revert TCB_Cert_Expired();
        (bytes32 x, bytes32 y) = (_word(cert, Layout.CERT_X), _word(cert, Layout.CERT_Y));
        (uint256 p, uint256 end) = Memory.span(text);
        hash = Memory.sha(p, end);
        if (
            rs.length != 64 ||
            !P256.verify(hash, uint256(_word(rs, 0)), uint256(_word(rs, 32)), x, y)
        ) revert Invalid_TCB_Cert_Signature();
        signer = P256.id(x, y);
    }

    // -- The number that counts ------------------------------------------------------------------

    /// Of a packed list in memory, now: the number (0: none), and until when.
    function _numberOf(uint256 p, uint256 end) private view returns (uint256, uint256) {
        uint256 time = _choice == Evaluation.EARLY ? EvaluationNumbers.NEVER : block.timestamp;
        return EvaluationNumbers.standard(p, end, time);
    }

    /// Of the stored list: the number (0: none), and the id of the key that signed it.
    function _listed() private view returns (uint256 number, bytes20 signer) {
        Counting memory c = _counting;
        (number, signer) = (c.number, c.signer);
        if (signer == 0 || block.timestamp < c.until) return (number, signer);
        (uint256 p, uint256 end) = Memory.span(Blob.read(_pieces[TCB_EVAL_KEY(TDX)].blob));
        (number, ) = _numberOf(p + Layout.CONTENT, end);
    }

    /// The number with which a quote is judged. signer: the key whose documents count.
    function _evaluation(bytes20 signer) internal view returns (uint256 number) {
        if (_choice == Evaluation.FIXED) return _fixed;
        bytes20 by;
        (number, by) = _listed();
        if (by == 0) revert(NO_LIST);
        if (by != signer) revert("the list of TCB evaluation numbers is signed with a former key");
        if (number == 0) revert("no TCB evaluation number of the list is a year old");
    }

    /// The evaluation number that counts now; 0: no list tells.
    function evaluationNumber() public view returns (uint32) {
        if (_choice == Evaluation.FIXED) return _fixed;
        (uint256 number, ) = _listed();
        return uint32(number);
    }

    /// What was chosen at deployment; number: for FIXED, else 0.
    function evaluationChoice() external view returns (Evaluation choice, uint32 number) {
        return (_choice, _fixed);
    }

    // -- What is stored --------------------------------------------------------------------------

    /// (0, 0) when it is absent. Under the key of Automata's v1.0 a document stands with the number
    /// that counts now, under numberedKey() with any.
    function getCollateralValidity(bytes32 key) external view returns (uint64 from, uint64 to) {
        Piece memory piece = _pieceOf(key);
        return (piece.from, piece.to);
    }

    /// SHA-256 of a JSON string, Keccak-256 of the signed part of a certificate or CRL. Reverts
    /// without data when it is absent.
    function getCollateralHash(bytes32 key) external view returns (bytes32) {
        address blob = _pieceOf(key).blob;
        require(blob != address(0));
        return _word(Blob.read(blob), 0);
    }

    function _pieceOf(bytes32 key) private view returns (Piece memory piece) {
        piece = _pieces[key];
        if (piece.blob == address(0)) piece = _pieces[numberedKey(key, evaluationNumber())];
    }

    /// The key of the document of one evaluation number.
    function numberedKey(bytes32 key, uint256 number) public pure returns (bytes32) {
        return Memory.pair(key, bytes32(number));
    }

    function FMSPC_TCB_KEY(
        uint8 tcbId,
        bytes6 fmspc,
        uint32 version
    ) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes4(0xbb69b29c), tcbId, fmspc, version));
    }

    function ENCLAVE_ID_KEY(uint256 id, uint256 version) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes4(0xff818fce), id, version));
    }

    function TCB_EVAL_KEY(uint8 id) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes4(0xbebc7284), id));
    }
}
