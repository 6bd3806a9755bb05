// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// Where the parts of a TDX quote begin, as offsets into it.
struct Quote {
    uint256 version;
    uint256 bodyType; // 2: TD report 1.0, 3: TD report 1.5
    uint256 body;
    uint256 bodySize;
    uint256 signature; // over all before the length that stands in front of it
    uint256 auth; // the QE's authentication data
    uint256 authSize;
    uint256 cert; // the certification data
    uint256 certSize;
}

/// Layouts: Intel TDX DCAP Quoting Library API, appendix A (quote version 4 and 5). All integers
/// are little-endian.
library Quotes {
    uint256 internal constant TD10 = 2;
    uint256 internal constant TD15 = 3;

    // Offsets from the signature.
    uint256 internal constant KEY = 64;
    uint256 internal constant QE_REPORT = 134;
    uint256 internal constant QE_REPORT_SIZE = 384;
    uint256 internal constant QE_SIGNATURE = 518;
    uint256 private constant AUTH = 584;
    uint256 private constant MIN_SIGNATURE = AUTH + 6;

    uint256 private constant MAX_SIZE = 65536;
    uint256 private constant TD10_SIZE = 584;
    uint256 private constant TD15_SIZE = 648;
    bytes16 private constant INTEL_QE = 0x939a7233f79c4ca9940a0db3957f0607;

    function parse(bytes calldata quote) internal pure returns (Quote memory q) {
        unchecked {
            if (quote.length > MAX_SIZE) revert("a quote has at most 65536 bytes");
            if (quote.length < 54) revert("the quote ends inside its header");
            q.version = le16(quote, 0);
            if (q.version != 4 && q.version != 5) revert("the quote version is neither 4 nor 5");
            if (le16(quote, 2) != 2) revert("the attestation key type is not 2 (ECDSA P-256)");
            if (le32(quote, 4) != 0x81) revert("the TEE type is not 0x81 (TDX)");
            if (bytes16(quote[12:28]) != INTEL_QE) revert("the QE vendor id is not Intel's");
            (q.bodyType, q.body, q.bodySize) = (TD10, 48, TD10_SIZE);
            if (q.version == 5) {
                q.body = 54;
                q.bodyType = le16(quote, 48);
                if (q.bodyType == TD15) q.bodySize = TD15_SIZE;
                else if (q.bodyType != TD10) revert("the body is neither a TD report 1.0 nor 1.5");
                if (le32(quote, 50) != q.bodySize)
                    revert("the declared size is not that of the body's type");
            }
            q.signature = q.body + q.bodySize + 4;
            if (quote.length < q.signature + MIN_SIGNATURE)
                revert("the quote ends inside its body or signature");
            uint256 size = le32(quote, q.signature - 4);
            if (size < MIN_SIGNATURE || size > quote.length - q.signature)
                revert("the declared size of the signature data is not there");
            _signature(quote, q, size);
        }
    }

    /// What the outer certification data declares is filled to the last byte. Bytes may follow it
    /// inside the signature data, as behind the quote: nobody reads them.
    function _signature(bytes calldata quote, Quote memory q, uint256 size) private pure {
        unchecked {
            if (le16(quote, q.signature + 128) != 6)
                revert("the outer certification data type is not 6 (QE report)");
            q.auth = q.signature + AUTH;
            q.authSize = le16(quote, q.auth - 2);
            uint256 outer = le32(quote, q.signature + 130) + QE_REPORT;
            if (outer > size || outer < MIN_SIGNATURE + q.authSize)
                revert("the sizes inside the signature data do not agree");
            q.cert = q.auth + q.authSize + 6;
            q.certSize = le32(quote, q.cert - 4);
            if (q.certSize != outer - MIN_SIGNATURE - q.authSize)
                revert("the sizes inside the signature data do not agree");
            if (le16(quote, q.cert - 6) != 5)
                revert("the certification data is not of type 5 (PCK chain)");
        }
    }

    function le16(bytes calldata quote, uint256 at) internal pure returns (uint256 n) {
        assembly ("memory-safe") {
            let w := calldataload(add(quote.offset, at))
            n := or(byte(0, w), shl(8, byte(1, w)))
        }
    }

    function le32(bytes calldata quote, uint256 at) internal pure returns (uint256 n) {
        unchecked {
            n = le16(quote, at) | (le16(quote, at + 2) << 16);
        }
    }
}
