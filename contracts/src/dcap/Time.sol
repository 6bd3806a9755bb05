// SPDX-License-Identifier: MIT
pragma solidity =0.8.31;

/// Calendar times in UTC, years 0 to 9999.
library Time {
    uint256 private constant HIGH_BITS = 0x808080808080808080808080;

    /// Two decimal digits at a memory address.
    function twoDigits(uint256 p) internal pure returns (bool ok, uint256 n) {
        uint256 tens;
        uint256 units;
        assembly ("memory-safe") {
            let w := mload(p)
            tens := sub(byte(0, w), 0x30)
            units := sub(byte(1, w), 0x30)
        }
        unchecked {
            ok = tens < 10 && units < 10;
            n = tens * 10 + units;
        }
    }

    /// Seconds since 1970 of twelve digits YYMMDDhhmmss, the first digit in the highest of the
    /// twelve low bytes; 0 for what is before 1970. Not ok: not all digits, or no such time.
    function fromDigits(
        uint256 century,
        uint256 digits
    ) internal pure returns (bool ok, uint256 t) {
        unchecked {
            // Each byte at least '0', at most '9' and below 0x80, all twelve at once.
            ok =
                (digits & HIGH_BITS) == 0 &&
                ((digits + 0x505050505050505050505050) & HIGH_BITS) == HIGH_BITS &&
                ((digits + 0x464646464646464646464646) & HIGH_BITS) == 0;
            if (!ok) return (false, 0);
            digits -= 0x303030303030303030303030;
            // In six lanes of 16 bits: tens * 10 + units.
            uint256 lanes = ((digits >> 8) & 0x00ff00ff00ff00ff00ff00ff) *
                10 +
                (digits & 0x00ff00ff00ff00ff00ff00ff);
            uint256 year = century * 100 + (lanes >> 80);
            uint256 month = (lanes >> 64) & 0xff;
            uint256 day = (lanes >> 48) & 0xff;
            uint256 second = lanes & 0xff;
            ok =
                month >= 1 &&
                month <= 12 &&
                day >= 1 &&
                ((lanes >> 32) & 0xff) <= 23 &&
                ((lanes >> 16) & 0xff) <= 59 &&
                second <= 59 &&
                day <= _length(year, month);
            second += ((lanes >> 32) & 0xff) * 3600 + ((lanes >> 16) & 0xff) * 60;
            t = _days(year, month, day) * 86400;
            t = year < 1970 ? 0 : t + second;
        }
    }

    function _length(uint256 year, uint256 month) private pure returns (uint256) {
        if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
        return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
    }

    /// Days since 1970; wraps for earlier years. The year is counted from March, so that the leap
    /// day is its last.
    function _days(uint256 year, uint256 month, uint256 day) private pure returns (uint256) {
        unchecked {
            uint256 y = year + 400 - (month <= 2 ? 1 : 0); // 400 years are 146097 days
            uint256 ofYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
            return y * 365 + y / 4 - y / 100 + y / 400 + ofYear - 719468 - 146097;
        }
    }
}
