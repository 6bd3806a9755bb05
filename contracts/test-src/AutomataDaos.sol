// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {
    AutomataSeals,
    Certificate_Expired,
    PLATFORM,
    PROCESSOR,
    ROOT,
    SIGNING
} from "./AutomataSeals.sol";

// STAND-INS FOR TESTS. They answer with the ABI, the errors and the quirks of Automata's on-chain
// PCCS. Once seals are set (setSeals) they look at signatures, names and key identifiers as the
// originals do, and use as much gas; until then they store what they are given, so that windows and
// orders can be tried with certificates that nobody signed. Never deploy them where a quote matters.

error Duplicate_Collateral();
error Unauthorized_Caller(address caller);
error Certificate_Out_Of_Date();
error Crl_Expired(uint8 ca);
error Invalid_PCK_CA(uint8 ca);
error Missing_Certificate(uint8 ca);
error TCB_Cert_Expired();

/// As much of DER, of dates and of Intel's JSON as the windows of collateral need.
library Reading {
    error ParsingFailed();

    /// The element at `at`: where its content begins and where it ends.
    function element(
        bytes calldata der,
        uint256 at
    ) internal pure returns (uint256 start, uint256 end) {
        uint256 size = uint8(der[at + 1]);
        start = at + 2;
        if (size >= 0x80) {
            uint256 octets = size & 0x7f;
            size = 0;
            for (uint256 i = 0; i < octets; i++) size = (size << 8) | uint8(der[start + i]);
            start += octets;
        }
        end = start + size;
        if (end > der.length) revert ParsingFailed();
    }

    /// Window and Keccak-256 of the signed part, of a certificate or (`crl`) of a CRL.
    function window(
        bytes calldata der,
        bool crl
    ) internal pure returns (uint64 from, uint64 to, bytes32 hash) {
        (uint256 tbs, ) = element(der, 0);
        (uint256 at, uint256 tbsEnd) = element(der, tbs);
        hash = keccak256(der[tbs:tbsEnd]);
        // A certificate: [0] version, serial, algorithm, issuer; a CRL: version, algorithm, issuer.
        for (uint256 skip = crl ? 3 : 4; skip > 0; skip--) (, at) = element(der, at);
        if (!crl) (at, ) = element(der, at);
        uint256 end;
        (from, end) = derTime(der, at);
        (to, ) = derTime(der, end);
    }

    /// UTCTime (tag 0x17) or GeneralizedTime (0x18).
    function derTime(
        bytes calldata der,
        uint256 at
    ) internal pure returns (uint64 time, uint256 end) {
        (uint256 start, uint256 stop) = element(der, at);
        bool utc = der[at] == 0x17;
        uint256 year = utc ? 2000 + digits(der, start, 2) : digits(der, start, 4);
        if (utc && year >= 2050) year -= 100;
        start += utc ? 2 : 4;
        time = civil(year, digits(der, start, 2), digits(der, start + 2, 2));
        time += uint64(digits(der, start + 4, 2) * 3600 + digits(der, start + 6, 2) * 60);
        time += uint64(digits(der, start + 8, 2));
        end = stop;
    }

    /// Where the value of the first member of that name begins.
    function member(string calldata json, string memory name) internal pure returns (uint256) {
        bytes calldata all = bytes(json);
        bytes memory key = abi.encodePacked('"', name, '":');
        bytes32 wanted = keccak256(key);
        for (uint256 i = 0; i + key.length <= all.length; i++)
            if (all[i] == '"' && all[i + 1] == key[1] && keccak256(all[i:i + key.length]) == wanted)
                return i + key.length;
        revert ParsingFailed();
    }

    function number(string calldata json, string memory name) internal pure returns (uint32 value) {
        uint256 at = member(json, name);
        for (bytes1 c = bytes(json)[at]; c >= "0" && c <= "9"; c = bytes(json)[++at])
            value = value * 10 + uint8(c) - 48;
    }

    /// The text of a string member, without its quotes.
    function text(string calldata json, string memory name) internal pure returns (bytes calldata) {
        uint256 start = member(json, name) + 1;
        uint256 end = start;
        while (bytes(json)[end] != '"') end++;
        return bytes(json)[start:end];
    }

    /// "2026-01-31T00:00:00Z"
    function date(string calldata json, string memory name) internal pure returns (uint64 time) {
        bytes calldata t = text(json, name);
        time = civil(digits(t, 0, 4), digits(t, 5, 2), digits(t, 8, 2));
        time += uint64(digits(t, 11, 2) * 3600 + digits(t, 14, 2) * 60 + digits(t, 17, 2));
    }

    /// The first number of a list whose recovery event is twelve months ago, 0 when there is none.
    function standard(string calldata json, uint256 time) internal pure returns (uint32) {
        uint256 at = member(json, "tcbEvalNumbers");
        bytes32 quoted = keccak256('"tcbEvaluationDataNumber"');
        for (; at + 25 <= bytes(json).length; at++) {
            if (bytes(json)[at] != '"' || keccak256(bytes(json)[at:at + 25]) != quoted) continue;
            string calldata rest = string(bytes(json)[at:]);
            if (time >= uint256(date(rest, "tcbRecoveryEventDate")) + 365 days)
                return number(rest, "tcbEvaluationDataNumber");
        }
        return 0;
    }

    function fmspc(string calldata json) internal pure returns (bytes6) {
        return hex6(text(json, "fmspc"));
    }

    function hex6(bytes calldata t) internal pure returns (bytes6) {
        uint48 value;
        if (t.length != 12) revert ParsingFailed();
        for (uint256 i = 0; i < 12; i++) {
            uint8 c = uint8(t[i]) | 0x20;
            value = (value << 4) | (c >= 0x61 ? c - 0x57 : c & 0x0f);
        }
        return bytes6(value);
    }

    function digits(bytes calldata t, uint256 at, uint256 n) private pure returns (uint256 value) {
        for (uint256 i = at; i < at + n; i++) value = value * 10 + uint8(t[i]) - 48;
    }

    /// Seconds from 1970 to the beginning of that day.
    function civil(uint256 year, uint256 month, uint256 day) private pure returns (uint64) {
        uint256 y = month <= 2 ? year - 1 : year;
        uint256 ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
        return uint64((y * 365 + y / 4 - y / 100 + y / 400 + ofYear - 719468) * 86400);
    }
}

/// What the originals' parsers use for it.
library Gas {
    function burn(uint256 amount) internal view {
        uint256 left = gasleft();
        if (left > amount) while (gasleft() > left - amount) {}
    }
}

/// What all DAOs share: pieces under keys, and getters of which some are for readers only.
abstract contract StandInDao {
    struct Piece {
        uint64 from;
        uint64 to;
        bytes32 hash;
        bytes data;
    }

    mapping(bytes32 key => Piece) internal _pieces;
    mapping(address caller => bool) internal _readers;

    constructor() {
        _readers[address(0)] = true; // an eth_call without "from" may read
    }

    /// (0, 0): absent.
    function getCollateralValidity(bytes32 key) external view returns (uint64, uint64) {
        return (_pieces[key].from, _pieces[key].to);
    }

    function getCollateralHash(bytes32 key) external view returns (bytes32 hash) {
        hash = _pieces[key].hash;
        if (hash == 0) revert();
    }

    function getAttestedData(bytes32 key) external view returns (bytes memory) {
        _onlyReaders();
        return _pieces[key].data;
    }

    function _onlyReaders() internal view {
        if (!_readers[msg.sender]) revert Unauthorized_Caller(msg.sender);
    }

    /// The window of a document: both ends belong to it.
    function _within(uint64 from, uint64 to) internal view returns (bool) {
        return from <= block.timestamp && block.timestamp <= to;
    }

    /// The window of a certificate or CRL: neither end does.
    function _inside(uint64 from, uint64 to) internal view returns (bool) {
        return from < block.timestamp && block.timestamp < to;
    }

    /// What comes a second time is refused before anything else is looked at.
    function _isNew(bytes32 key, bytes32 hash) internal view {
        if (_pieces[key].hash == hash) revert Duplicate_Collateral();
    }
}

/// Certificates and CRLs; open to everybody.
contract AutomataPcsDao is StandInDao {
    /// Zero: nothing is verified.
    AutomataSeals public seals;

    function setSeals(AutomataSeals seals_) external {
        seals = seals_;
    }

    /// For the DAOs of documents, whom the originals' storage lets read.
    function dataOf(uint8 ca) public view returns (bytes memory) {
        return _pieces[PCS_KEY(ca, false)].data;
    }

    function PCS_KEY(uint8 ca, bool isCrl) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes4(0xe90e3dc7), ca, isCrl));
    }

    function getCertificateById(
        uint8 ca
    ) external view returns (bytes memory cert, bytes memory crl) {
        _onlyReaders();
        cert = _pieces[PCS_KEY(ca, false)].data;
        crl = _pieces[PCS_KEY(ca, true)].data;
        if (cert.length == 0) revert Missing_Certificate(ca);
    }

    function upsertPcsCertificates(uint8 ca, bytes calldata der) external returns (bytes32 key) {
        (uint64 from, uint64 to, bytes32 hash) = Reading.window(der, false);
        key = PCS_KEY(ca, false);
        _isNew(key, hash);
        if (!_inside(from, to)) revert Certificate_Expired(ca);
        if (ca != ROOT) _needs(ROOT);
        if (address(seals) != address(0)) seals.checkCertificate(ca, der, dataOf(ROOT));
        _put(key, from, to, hash, der);
    }

    function upsertRootCACrl(bytes calldata der) external returns (bytes32) {
        return _crl(ROOT, der);
    }

    function upsertPckCrl(uint8 ca, bytes calldata der) external returns (bytes32) {
        if (ca != PROCESSOR && ca != PLATFORM) revert Invalid_PCK_CA(ca);
        return _crl(ca, der);
    }

    function _crl(uint8 ca, bytes calldata der) private returns (bytes32 key) {
        (uint64 from, uint64 to, bytes32 hash) = Reading.window(der, true);
        key = PCS_KEY(ca, true);
        _isNew(key, hash);
        if (!_inside(from, to)) revert Crl_Expired(ca);
        _needs(ca);
        if (address(seals) != address(0)) {
            Gas.burn((der.length * der.length) / 2);
            seals.checkCrl(der, dataOf(ca));
        }
        _put(key, from, to, hash, der);
    }

    /// An absent issuer reads as an expired one.
    function _needs(uint8 issuer) private view {
        Piece storage piece = _pieces[PCS_KEY(issuer, false)];
        if (!_inside(piece.from, piece.to)) revert Certificate_Expired(issuer);
    }

    function _put(bytes32 key, uint64 from, uint64 to, bytes32 hash, bytes calldata der) private {
        if (from <= _pieces[key].from) revert Certificate_Out_Of_Date();
        _pieces[key] = Piece(from, to, hash, der);
    }
}

/// Signed JSON: it wants the signing certificate first, and something strictly newer each time.
abstract contract StandInJsonDao is StandInDao {
    AutomataPcsDao internal immutable _pcs;

    constructor(AutomataPcsDao pcs) {
        _pcs = pcs;
    }

    function _expired() internal pure virtual;
    function _outOfDate() internal pure virtual;

    function _signerExpired() internal pure virtual {
        revert TCB_Cert_Expired();
    }

    function _put(bytes32 key, string calldata json, bytes calldata signature) internal {
        bytes32 hash = sha256(bytes(json));
        _isNew(key, hash);
        (uint64 from, uint64 to) = _pcs.getCollateralValidity(_pcs.PCS_KEY(SIGNING, false));
        if (!_inside(from, to)) _signerExpired();
        AutomataSeals seals = _pcs.seals();
        if (address(seals) != address(0)) {
            seals.checkDocument(json, signature, _pcs.dataOf(SIGNING));
            _parse(key, json);
        }
        (from, to) = (Reading.date(json, "issueDate"), Reading.date(json, "nextUpdate"));
        if (!_within(from, to)) _expired();
        if (from <= _pieces[key].from) _outOfDate();
        _last(key, json);
        _pieces[key] = Piece(from, to, hash, abi.encode(json, signature));
    }

    /// What it costs to take the document apart.
    function _parse(bytes32, string calldata) internal virtual {}

    /// What a release asks after all this: numbers, roles.
    function _last(bytes32 key, string calldata json) internal virtual;
}

struct TcbInfoJsonObj {
    string tcbInfoStr;
    bytes signature;
}

struct EnclaveIdentityJsonObj {
    string identityStr;
    bytes signature;
}

struct TcbEvalJsonObj {
    string tcbEvaluationDataNumbers;
    bytes signature;
}

abstract contract StandInTcbDao is StandInJsonDao {
    error TCBInfo_Invalid();
    error TCB_Expired();
    error TCB_Out_Of_Date();

    function _expired() internal pure override {
        revert TCB_Expired();
    }

    function _outOfDate() internal pure override {
        revert TCB_Out_Of_Date();
    }

    function FMSPC_TCB_KEY(
        uint8 tcbId,
        bytes6 fmspc,
        uint32 version
    ) public view virtual returns (bytes32);

    function _parse(bytes32 key, string calldata json) internal virtual override {
        uint256 before = gasleft();
        _checkLevels(bytes(json));
        uint256 used = before - gasleft();
        uint256 amount = (bytes(json).length * 1800) / (_pieces[key].hash == 0 ? 1 : 2);
        if (amount > used) Gas.burn(amount - used);
    }

    /// What stands beside PCESVN in a level's "tcb" is a list of 16 components.
    function _checkLevels(bytes calldata json) private pure {
        uint256 depth;
        bytes32 parent; // the last member at depth 3
        for (uint256 i = 0; i < json.length; i++) {
            bytes1 c = json[i];
            if (c == "{" || c == "[") depth++;
            else if (c == "}" || c == "]") depth--;
            if (c != '"') continue;
            uint256 end = i + 1;
            while (json[end] != '"') end++;
            if (json[end + 1] == ":" && (depth == 3 || depth == 4)) {
                bytes32 key = keccak256(json[i + 1:end]);
                if (depth == 3) parent = key;
                else if (
                    parent == keccak256("tcb") &&
                    key != keccak256("pcesvn") &&
                    key != keccak256("sgxtcbcomponents") &&
                    key != keccak256("tdxtcbcomponents")
                ) revert TCBInfo_Invalid();
            }
            i = end;
        }
    }

    /// Empty strings for what is absent.
    function getTcbInfo(
        uint256 tcbId,
        string calldata fmspc,
        uint256 version
    ) external view returns (TcbInfoJsonObj memory info) {
        _onlyReaders();
        bytes6 id = Reading.hex6(bytes(fmspc));
        bytes memory data = _pieces[FMSPC_TCB_KEY(uint8(tcbId), id, uint32(version))].data;
        if (data.length != 0) (info.tcbInfoStr, info.signature) = abi.decode(data, (string, bytes));
    }

    function _keyOf(string calldata json) internal view returns (bytes32) {
        uint8 id = keccak256(Reading.text(json, "id")) == keccak256("TDX") ? 1 : 0;
        return FMSPC_TCB_KEY(id, Reading.fmspc(json), Reading.number(json, "version"));
    }
}

abstract contract StandInIdentityDao is StandInJsonDao {
    error Enclave_Id_Expired();
    error Enclave_Id_Out_Of_Date();
    error Enclave_Id_Mismatch();
    error Incorrect_Enclave_Id_Version();

    function _expired() internal pure override {
        revert Enclave_Id_Expired();
    }

    function _outOfDate() internal pure override {
        revert Enclave_Id_Out_Of_Date();
    }

    function ENCLAVE_ID_KEY(uint256 id, uint256 version) public view virtual returns (bytes32);

    /// Empty strings for what is absent.
    function getEnclaveIdentity(
        uint256 id,
        uint256 version
    ) external view returns (EnclaveIdentityJsonObj memory identity) {
        _onlyReaders();
        bytes memory data = _pieces[ENCLAVE_ID_KEY(id, version)].data;
        if (data.length != 0)
            (identity.identityStr, identity.signature) = abi.decode(data, (string, bytes));
    }

    function _check(uint256 id, uint256 version, string calldata json) internal pure {
        bytes32 name = keccak256(Reading.text(json, "id"));
        if (
            name !=
            keccak256(
                id == 2
                    ? bytes("TD_QE")
                    : id == 1
                        ? bytes("QVE")
                        : bytes("QE")
            )
        ) revert Enclave_Id_Mismatch();
        if (id == 2 && version != 4 && version != 5) revert Incorrect_Enclave_Id_Version();
    }
}

/// The part of an entry point that both releases share.
abstract contract StandInEntry {
    error Insufficient_Funds();

    event AttestationSubmitted(bool success, uint8 verifierType, bytes output);

    uint16 public getBp;
    /// The stand-in does not read the PCK certificate: the test says whose quotes will come.
    bytes6 public fmspc;
    uint8 public ca = PLATFORM;
    /// The TCB status that it finds: 0 UpToDate to 5 OutOfDateConfigurationNeeded.
    uint8 public status;

    /// Its router may not read the storage, as when nobody authorised it there.
    bool internal _isShutOut;

    /// What the originals' parsers use for a quote.
    uint256 internal _verifyGas;

    function setVerifyGas(uint256 verifyGas) external {
        _verifyGas = verifyGas;
    }

    function setShutOut(bool isShutOut) external {
        _isShutOut = isShutOut;
    }

    function setStatus(uint8 status_) external {
        status = status_;
    }

    function setBp(uint16 bp) external {
        getBp = bp;
    }

    function setPlatform(bytes6 fmspc_, uint8 ca_) external {
        fmspc = fmspc_;
        ca = ca_;
    }

    function verifyAndAttestOnChain(
        bytes calldata quote
    ) external payable returns (bool success, bytes memory output) {
        if (getBp > 0 && msg.value == 0) revert Insufficient_Funds();
        if (_verifyGas != 0) Gas.burn(_verifyGas);
        (success, output) = _verify(quote);
        emit AttestationSubmitted(success, 0, output);
    }

    function _verify(bytes calldata quote) internal view virtual returns (bool, bytes memory);

    /// Version and TEE type, which are little-endian in a quote, in its own byte order.
    function _kind(bytes calldata quote) internal pure returns (uint16 version, bytes4 tee) {
        version = uint16(uint8(quote[0])) | (uint16(uint8(quote[1])) << 8);
        tee = bytes4(quote[4:8]);
    }
}
