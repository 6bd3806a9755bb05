// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IAttestation, ISequencerRoles, TDXVerifier} from "../src/TDXVerifier.sol";
import {ITDXVerifier} from "../src/IVerifiers.sol";

/// STAND-IN FOR TESTS of a TDXVerifier that reads the output of Automata's release 1.1, where the TD
/// report stands two bytes earlier and the body's type takes the place of the TEE's. What it demands
/// is what the TDXVerifier demands that it is made from.
contract TDXVerifierV11 is ITDXVerifier {
    uint256 private constant BODY = 11;

    TDXVerifier private immutable _model;
    bool public constant isDevMode = false;
    address public authorizedSignature;

    constructor(TDXVerifier model) {
        _model = model;
    }

    function quoteVerifier() public view returns (IAttestation) {
        return _model.quoteVerifier();
    }

    function timelock() public view returns (address) {
        return _model.timelock();
    }

    function MRTD() public view returns (bytes memory) {
        return _model.MRTD();
    }

    function RTMR0() public view returns (bytes memory) {
        return _model.RTMR0();
    }

    function RTMR1() public view returns (bytes memory) {
        return _model.RTMR1();
    }

    function RTMR2() public view returns (bytes memory) {
        return _model.RTMR2();
    }

    function register(bytes calldata quote) external {
        require(
            ISequencerRoles(timelock()).isSequencer(msg.sender),
            "TDXVerifier: only sequencer can update keys"
        );
        (bool success, bytes memory report) = quoteVerifier().verifyAndAttestOnChain(quote);
        require(success, "TDXVerifier: quote verification failed");
        this.check(report);
        authorizedSignature = _model._getAddress(report, BODY + 520);
    }

    /// External, for slices are of calldata only.
    function check(bytes calldata report) external view {
        require(bytes4(report[:4]) == 0x00040002, "TDXVerifier: Quote is not of type TDX");
        require(report[4] == 0, "TDXVerifier: TCB_STATUS != OK");
        require(report[BODY + 120] & 0x0f == 0, "TDXVerifier: debug attributes are set");
        _same(report[BODY + 136:], MRTD(), "TDXVerifier: MRTD mismatch");
        _same(report[BODY + 328:], RTMR0(), "TDXVerifier: RTMR0 mismatch");
        _same(report[BODY + 376:], RTMR1(), "TDXVerifier: RTMR1 mismatch");
        _same(report[BODY + 424:], RTMR2(), "TDXVerifier: RTMR2 mismatch");
    }

    function verify(bytes calldata payload, bytes calldata signature) external view {
        bytes32 digest = MessageHashUtils.toEthSignedMessageHash(payload);
        require(
            ECDSA.recover(digest, signature) == authorizedSignature,
            "TDXVerifier: invalid signature"
        );
    }

    function _same(
        bytes calldata found,
        bytes memory wanted,
        string memory complaint
    ) private pure {
        require(keccak256(found[:48]) == keccak256(wanted), complaint);
    }
}
