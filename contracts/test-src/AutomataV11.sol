// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {ROOT} from "./AutomataSeals.sol";
import {
    Reading,
    StandInDao,
    AutomataPcsDao,
    StandInJsonDao,
    TcbInfoJsonObj,
    EnclaveIdentityJsonObj,
    Unauthorized_Caller,
    TcbEvalJsonObj,
    StandInTcbDao,
    StandInIdentityDao,
    StandInEntry
} from "./AutomataDaos.sol";

// STAND-INS FOR TESTS of Automata's release 1.1. A DAO for each tcbEvaluationDataNumber, which only
// attesters may fill; what is missing or expired is named; the body stands two bytes earlier than in
// release 1.0.

uint256 constant ATTESTER_ROLE = 1;

abstract contract StandInRoles {
    error Unauthorized();

    address public immutable owner = tx.origin; // solhint-disable-line avoid-tx-origin
    mapping(address user => uint256) public rolesOf;

    function grantRoles(address user, uint256 roles) external payable {
        if (msg.sender != owner) revert Unauthorized();
        rolesOf[user] |= roles;
    }

    function _onlyAttesters() internal view {
        if (rolesOf[msg.sender] & ATTESTER_ROLE == 0) revert Unauthorized();
    }
}

abstract contract StandInVersioned is StandInRoles {
    error Invalid_Tcb_Evaluation_Data_Number();

    uint32 public immutable TCB_EVALUATION_NUMBER;

    constructor(uint32 number) {
        TCB_EVALUATION_NUMBER = number;
    }

    function _checkNumber(string calldata json) internal view {
        if (Reading.number(json, "tcbEvaluationDataNumber") != TCB_EVALUATION_NUMBER)
            revert Invalid_Tcb_Evaluation_Data_Number();
    }
}

contract AutomataV11TcbDao is StandInTcbDao, StandInVersioned {
    error Use_Async_Upsert();

    /// Uploads in several steps, which this stand-in announces and does not have.
    bool private _async;

    constructor(AutomataPcsDao pcs, uint32 number) StandInJsonDao(pcs) StandInVersioned(number) {}

    function setAsync(bool async) external {
        _async = async;
    }

    function asyncUpsertProtocolVersion() external view returns (uint256) {
        if (!_async) revert();
        return 2;
    }

    function FMSPC_TCB_KEY(
        uint8 tcbId,
        bytes6 fmspc,
        uint32 version
    ) public view override returns (bytes32) {
        return
            keccak256(
                abi.encodePacked(bytes4(0xbb69b29c), tcbId, fmspc, version, TCB_EVALUATION_NUMBER)
            );
    }

    function upsertFmspcTcb(TcbInfoJsonObj calldata info) external returns (bytes32 key) {
        if (_async) revert Use_Async_Upsert();
        key = _keyOf(info.tcbInfoStr);
        _put(key, info.tcbInfoStr, info.signature);
    }

    function _last(bytes32, string calldata json) internal view override {
        _checkNumber(json);
        _onlyAttesters();
    }
}

contract AutomataV11IdentityDao is StandInIdentityDao, StandInVersioned {
    constructor(AutomataPcsDao pcs, uint32 number) StandInJsonDao(pcs) StandInVersioned(number) {}

    function ENCLAVE_ID_KEY(uint256 id, uint256 version) public view override returns (bytes32) {
        return keccak256(abi.encodePacked(bytes4(0xff818fce), id, version, TCB_EVALUATION_NUMBER));
    }

    function upsertEnclaveIdentity(
        uint256 id,
        uint256 version,
        EnclaveIdentityJsonObj calldata identity
    ) external returns (bytes32 key) {
        _check(id, version, identity.identityStr);
        key = ENCLAVE_ID_KEY(id, version);
        _put(key, identity.identityStr, identity.signature);
    }

    function _last(bytes32, string calldata json) internal view override {
        _checkNumber(json);
        _onlyAttesters();
    }
}

/// The list of evaluation numbers, which says which of them is standard.
contract AutomataV11TcbEvalDao is StandInJsonDao, StandInRoles {
    error TCB_Eval_Expired();
    error TCB_Eval_Out_Of_Date();
    error TCB_Eval_Cert_Expired();

    string private _list;

    constructor(AutomataPcsDao pcs) StandInJsonDao(pcs) {}

    function standard(uint8) external view returns (uint32) {
        return this.standardOf(_list);
    }

    function standardOf(string calldata list) external view returns (uint32) {
        return Reading.standard(list, block.timestamp);
    }

    function TCB_EVAL_KEY(uint8 tcbId) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes4(0xbebc7284), tcbId));
    }

    function upsertTcbEvaluationData(TcbEvalJsonObj calldata list) external returns (bytes32 key) {
        string calldata json = list.tcbEvaluationDataNumbers;
        key = TCB_EVAL_KEY(keccak256(Reading.text(json, "id")) == keccak256("TDX") ? 1 : 0);
        _put(key, json, list.signature);
    }

    function _last(bytes32, string calldata json) internal override {
        _onlyAttesters();
        _list = json;
    }

    function _expired() internal pure override {
        revert TCB_Eval_Expired();
    }

    function _outOfDate() internal pure override {
        revert TCB_Eval_Out_Of_Date();
    }

    function _signerExpired() internal pure override {
        revert TCB_Eval_Cert_Expired();
    }
}

contract AutomataV11Router {
    error TcbEvalExpiredOrNotFound(uint8 id);
    error QEIdentityExpiredOrNotFound(uint8 id, uint256 version);
    error CrlExpiredOrNotFound(uint8 ca);

    AutomataPcsDao public immutable pcsDaoAddr = new AutomataPcsDao();
    AutomataV11TcbEvalDao public immutable tcbEvalDaoAddr;
    mapping(uint32 number => AutomataV11IdentityDao) public qeIdDaoVersionedAddr;
    mapping(uint32 number => AutomataV11TcbDao) public fmspcTcbDaoVersionedAddr;

    constructor() {
        tcbEvalDaoAddr = new AutomataV11TcbEvalDao(pcsDaoAddr);
    }

    function addNumber(uint32 number) external {
        qeIdDaoVersionedAddr[number] = new AutomataV11IdentityDao(pcsDaoAddr, number);
        fmspcTcbDaoVersionedAddr[number] = new AutomataV11TcbDao(pcsDaoAddr, number);
    }

    function getStandardTcbEvaluationDataNumber(uint8 id) public view returns (uint32) {
        if (!_fresh(tcbEvalDaoAddr, tcbEvalDaoAddr.TCB_EVAL_KEY(id)))
            revert TcbEvalExpiredOrNotFound(id);
        return tcbEvalDaoAddr.standard(id);
    }

    /// Empty: everything is there and fresh; else the code of what is not.
    function whatIsWrong(bytes6 fmspc, uint8 ca) external view returns (string memory) {
        uint32 number = getStandardTcbEvaluationDataNumber(1);
        AutomataV11IdentityDao identity = qeIdDaoVersionedAddr[number];
        AutomataV11TcbDao tcb = fmspcTcbDaoVersionedAddr[number];
        if (address(identity) == address(0)) revert QEIdentityExpiredOrNotFound(2, 4);
        if (!_fresh(identity, identity.ENCLAVE_ID_KEY(2, 4))) return "QEIDVE";
        if (!_fresh(tcb, tcb.FMSPC_TCB_KEY(1, fmspc, 3))) return "TCBR";
        _needsCrl(ROOT);
        _needsCrl(ca);
        return "";
    }

    /// Of a missing certificate nobody complains.
    function _needsCrl(uint8 ca) private view {
        if (!_fresh(pcsDaoAddr, pcsDaoAddr.PCS_KEY(ca, true))) revert CrlExpiredOrNotFound(ca);
    }

    function _fresh(StandInDao dao, bytes32 key) private view returns (bool) {
        (uint64 from, uint64 to) = dao.getCollateralValidity(key);
        return from <= block.timestamp && block.timestamp <= to;
    }
}

contract AutomataV11QuoteVerifier {
    AutomataV11Router public immutable pccsRouter;
    address public constant P256_VERIFIER = address(0x100);

    constructor(AutomataV11Router router) {
        pccsRouter = router;
    }
}

/// Deploys the whole stack; router.addNumber() adds the DAOs of an evaluation number.
contract AutomataV11 is StandInEntry {
    AutomataV11QuoteVerifier private immutable _verifier;

    constructor(AutomataV11Router router) {
        _verifier = new AutomataV11QuoteVerifier(router);
    }

    function quoteVerifiers(uint16 version) public view returns (address) {
        return version == 4 || version == 5 ? address(_verifier) : address(0);
    }

    /// Body at 11, MRTD at 147.
    function _verify(bytes calldata quote) internal view override returns (bool, bytes memory) {
        uint16 bodyType = 2;
        uint256 at = 48;
        uint256 size = 584;

        if (quote.length < 54) return (false, "QHS");
        (uint16 version, bytes4 tee) = _kind(quote);
        if (quoteVerifiers(version) == address(0)) return (false, "Unsupported quote version");
        if (tee != 0x81000000) return (false, "TEE");
        if (version == 5) {
            bodyType = uint8(quote[48]);
            at = 54;
            if (bodyType == 3) size = 648;
            else if (bodyType != 2) return (false, "QBS");
        }
        if (quote.length < at + size + 4) return (false, "ADS");
        AutomataV11Router router = _verifier.pccsRouter();
        router.getStandardTcbEvaluationDataNumber(1); // asked for first
        if (_isShutOut) revert Unauthorized_Caller(address(router));
        string memory wrong = router.whatIsWrong(fmspc, ca);
        if (bytes(wrong).length != 0) return (false, bytes(wrong));
        return (true, abi.encodePacked(version, bodyType, status, fmspc, quote[at:at + size]));
    }
}
