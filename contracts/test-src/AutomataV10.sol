// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {
    Reading,
    StandInDao,
    AutomataPcsDao,
    StandInJsonDao,
    TcbInfoJsonObj,
    EnclaveIdentityJsonObj,
    Unauthorized_Caller,
    StandInTcbDao,
    StandInIdentityDao,
    StandInEntry
} from "./AutomataDaos.sol";

// STAND-INS FOR TESTS of Automata's release 1.0, the one that ethrex deploys. One DAO for each kind
// of collateral, open to everybody; expired collateral verifies; what is missing reverts without
// data.

contract AutomataV10TcbDao is StandInTcbDao {
    mapping(bytes32 key => uint32) private _numbers;

    constructor(AutomataPcsDao pcs) StandInJsonDao(pcs) {}

    function FMSPC_TCB_KEY(
        uint8 tcbId,
        bytes6 fmspc,
        uint32 version
    ) public pure override returns (bytes32) {
        return keccak256(abi.encodePacked(bytes4(0xbb69b29c), tcbId, fmspc, version));
    }

    function upsertFmspcTcb(TcbInfoJsonObj calldata info) external returns (bytes32 key) {
        if (address(_pcs.seals()) != address(0)) _checkFields(bytes(info.tcbInfoStr));
        key = _keyOf(info.tcbInfoStr);
        _put(key, info.tcbInfoStr, info.signature);
    }

    /// Eleven members, all of them known, and the levels last.
    function _checkFields(bytes calldata json) private pure {
        string[11] memory known = [
            "id",
            "version",
            "issueDate",
            "nextUpdate",
            "fmspc",
            "pceId",
            "tcbType",
            "tcbEvaluationDataNumber",
            "tdxModule",
            "tdxModuleIdentities",
            "tcbLevels"
        ];
        uint256 n;
        uint256 depth;
        bytes32 last;
        for (uint256 i = 0; i < json.length; i++) {
            bytes1 c = json[i];
            if (c == "{" || c == "[") depth++;
            else if (c == "}" || c == "]") depth--;
            if (c != '"') continue;
            uint256 end = i + 1;
            while (json[end] != '"') end++;
            if (depth == 1 && json[end + 1] == ":") {
                last = keccak256(json[i + 1:end]);
                uint256 k = 0;
                while (k < 11 && keccak256(bytes(known[k])) != last) k++;
                if (k == 11) revert TCBInfo_Invalid();
                n++;
            }
            i = end;
        }
        if (n != 11 || last != keccak256("tcbLevels")) revert TCBInfo_Invalid();
    }

    /// A number never goes down again: after early TCB info, standard's is refused.
    function _last(bytes32 key, string calldata json) internal override {
        uint32 number = Reading.number(json, "tcbEvaluationDataNumber");
        if (number < _numbers[key]) revert TCB_Out_Of_Date();
        _numbers[key] = number;
    }
}

contract AutomataV10IdentityDao is StandInIdentityDao {
    mapping(bytes32 key => uint32) private _numbers;

    constructor(AutomataPcsDao pcs) StandInJsonDao(pcs) {}

    function ENCLAVE_ID_KEY(uint256 id, uint256 version) public pure override returns (bytes32) {
        return keccak256(abi.encodePacked(bytes4(0xff818fce), id, version));
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

    function _last(bytes32 key, string calldata json) internal override {
        uint32 number = Reading.number(json, "tcbEvaluationDataNumber");
        if (number < _numbers[key]) revert Enclave_Id_Out_Of_Date();
        _numbers[key] = number;
    }
}

contract AutomataV10Router {
    AutomataPcsDao public immutable pcsDaoAddr = new AutomataPcsDao();
    AutomataV10IdentityDao public immutable qeIdDaoAddr = new AutomataV10IdentityDao(pcsDaoAddr);
    AutomataV10TcbDao public immutable fmspcTcbDaoAddr = new AutomataV10TcbDao(pcsDaoAddr);

    /// Present, whatever its dates. Without CRLs and certificates it verifies as well.
    function hasAll(bytes6 fmspc) external view returns (bool) {
        return
            _has(qeIdDaoAddr, qeIdDaoAddr.ENCLAVE_ID_KEY(2, 4)) &&
            _has(fmspcTcbDaoAddr, fmspcTcbDaoAddr.FMSPC_TCB_KEY(1, fmspc, 3));
    }

    function _has(StandInDao dao, bytes32 key) private view returns (bool) {
        (, uint64 to) = dao.getCollateralValidity(key);
        return to != 0;
    }
}

contract AutomataV10QuoteVerifier {
    AutomataV10Router public immutable pccsRouter = new AutomataV10Router();
    address public constant P256_VERIFIER = address(0x100);
    uint16 public constant quoteVersion = 4;
}

/// Deploys the whole stack.
contract AutomataV10 is StandInEntry {
    AutomataV10QuoteVerifier private immutable _verifier = new AutomataV10QuoteVerifier();

    function quoteVerifiers(uint16 version) public view returns (address) {
        return version == 4 ? address(_verifier) : address(0);
    }

    /// Body at 13, MRTD at 149.
    function _verify(bytes calldata quote) internal view override returns (bool, bytes memory) {
        if (quote.length < 48) return (false, "Quote length is less than Header length");
        (uint16 version, bytes4 tee) = _kind(quote);
        if (quoteVerifiers(version) == address(0)) return (false, "Unsupported quote version");
        if (tee != 0x81000000) return (false, "Unknown TEE type");
        if (quote.length < 636) return (false, "Quote length is less than minimum");
        if (_isShutOut) revert Unauthorized_Caller(address(_verifier.pccsRouter()));
        if (!_verifier.pccsRouter().hasAll(fmspc)) revert();
        return (true, abi.encodePacked(version, tee, status, fmspc, quote[48:632]));
    }
}
