// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ITDXVerifier} from "./IVerifiers.sol";

interface IAttestation {
    function verifyAndAttestOnChain(
        bytes calldata rawQuote
    ) external payable returns (bool success, bytes memory output);
}

interface ISequencerRoles {
    function isSequencer(address account) external view returns (bool);
}

/// Holds the one key whose signatures count as TDX proofs. The key gets here inside a TDX quote
/// whose report must name the expected image, or, in dev mode, inside nothing at all.
contract TDXVerifier is ITDXVerifier {
    // Offsets in the output of Automata's DCAP contracts v1.0: a 13-byte header
    // (quote version 2, TEE type 4, TCB status 1, FMSPC 6), then the TD report body.
    uint256 private constant TEE_TYPE = 2;
    uint256 private constant TCB_STATUS = 6;
    uint256 private constant TD_ATTRIBUTES = 133;
    uint256 private constant MRTD_AT = 149;
    uint256 private constant RTMR0_AT = 341;
    uint256 private constant RTMR1_AT = 389;
    uint256 private constant RTMR2_AT = 437;
    uint256 private constant REPORT_DATA = 533;

    IAttestation public immutable quoteVerifier;
    address public immutable timelock;
    bool public immutable isDevMode;
    address public authorizedSignature;

    // 48-byte SHA-384 measurements, in two immutables each instead of three storage slots.
    bytes32 private immutable _mrtdHead;
    bytes16 private immutable _mrtdTail;
    bytes32 private immutable _rtmr0Head;
    bytes16 private immutable _rtmr0Tail;
    bytes32 private immutable _rtmr1Head;
    bytes16 private immutable _rtmr1Tail;
    bytes32 private immutable _rtmr2Head;
    bytes16 private immutable _rtmr2Tail;

    constructor(
        address dcap,
        address timelock_,
        bool isDevMode_,
        bytes memory mrtd,
        bytes memory rtmr0,
        bytes memory rtmr1,
        bytes memory rtmr2
    ) {
        require(dcap != address(0), "TDXVerifier: DCAP address can't be null");
        require(timelock_ != address(0), "TDXVerifier: Timelock address can't be null");
        quoteVerifier = IAttestation(dcap);
        timelock = timelock_;
        isDevMode = isDevMode_;
        (_mrtdHead, _mrtdTail) = _split(mrtd, "TDXVerifier: MRTD must have 48 bytes");
        (_rtmr0Head, _rtmr0Tail) = _split(rtmr0, "TDXVerifier: RTMR0 must have 48 bytes");
        (_rtmr1Head, _rtmr1Tail) = _split(rtmr1, "TDXVerifier: RTMR1 must have 48 bytes");
        (_rtmr2Head, _rtmr2Tail) = _split(rtmr2, "TDXVerifier: RTMR2 must have 48 bytes");
    }

    function MRTD() external view returns (bytes memory) {
        return bytes.concat(_mrtdHead, _mrtdTail);
    }

    function RTMR0() external view returns (bytes memory) {
        return bytes.concat(_rtmr0Head, _rtmr0Tail);
    }

    function RTMR1() external view returns (bytes memory) {
        return bytes.concat(_rtmr1Head, _rtmr1Tail);
    }

    function RTMR2() external view returns (bytes memory) {
        return bytes.concat(_rtmr2Head, _rtmr2Tail);
    }

    /// Makes the address in the quote's report data the only authorized signer. Replaces the
    /// previous one without a trace: whoever keeps several provers must arbitrate off chain.
    function register(bytes calldata quote) external {
        require(
            ISequencerRoles(timelock).isSequencer(msg.sender),
            "TDXVerifier: only sequencer can update keys"
        );
        if (isDevMode) {
            authorizedSignature = _getAddress(quote, 0);
            return;
        }
        (bool success, bytes memory report) = quoteVerifier.verifyAndAttestOnChain(quote);
        require(success, "TDXVerifier: quote verification failed");
        _validateReport(report);
        authorizedSignature = _getAddress(report, REPORT_DATA);
    }

    /// Reverts unless `signature` is the authorized signer's EIP-191 signature of `payload`.
    function verify(bytes calldata payload, bytes calldata signature) external view {
        address signer = authorizedSignature;
        require(signer != address(0), "TDXVerifier: authorized signer not registered");
        bytes32 digest = MessageHashUtils.toEthSignedMessageHash(payload);
        require(ECDSA.recover(digest, signature) == signer, "TDXVerifier: invalid signature");
    }

    /// The 20 bytes of `data` from `offset` on; panics (0x32) where they are not all there.
    function _getAddress(bytes memory data, uint256 offset) public pure returns (address) {
        uint160 account;
        for (uint256 i = 0; i < 20; ++i) {
            account = (account << 8) | uint8(data[offset + i]);
        }
        return address(account);
    }

    function _validateReport(bytes memory report) private view {
        require(report[0] == 0x00 && report[1] == 0x04, "TDXVerifier: Unsupported quote version");
        require(report[TEE_TYPE] == 0x81, "TDXVerifier: Quote is not of type TDX");
        require(report[TCB_STATUS] == 0x00, "TDXVerifier: TCB_STATUS != OK");
        require(report[TD_ATTRIBUTES] & 0x0f == 0x00, "TDXVerifier: debug attributes are set");
        require(_matches(report, MRTD_AT, _mrtdHead, _mrtdTail), "TDXVerifier: MRTD mismatch");
        require(_matches(report, RTMR0_AT, _rtmr0Head, _rtmr0Tail), "TDXVerifier: RTMR0 mismatch");
        require(_matches(report, RTMR1_AT, _rtmr1Head, _rtmr1Tail), "TDXVerifier: RTMR1 mismatch");
        require(_matches(report, RTMR2_AT, _rtmr2Head, _rtmr2Tail), "TDXVerifier: RTMR2 mismatch");
    }

    function _matches(
        bytes memory report,
        uint256 offset,
        bytes32 head,
        bytes16 tail
    ) private pure returns (bool) {
        if (report.length < offset + 48) return false;
        (bytes32 h, bytes16 t) = _load48(report, offset);
        return h == head && t == tail;
    }

    function _split(
        bytes memory measurement,
        string memory complaint
    ) private pure returns (bytes32, bytes16) {
        require(measurement.length == 48, complaint);
        return _load48(measurement, 0);
    }

    /// The caller has checked that 48 bytes are there.
    function _load48(
        bytes memory data,
        uint256 offset
    ) private pure returns (bytes32 head, bytes16 tail) {
        bytes32 word;
        assembly ("memory-safe") {
            let p := add(add(data, 32), offset)
            head := mload(p)
            word := mload(add(p, 32))
        }
        tail = bytes16(word);
    }
}
