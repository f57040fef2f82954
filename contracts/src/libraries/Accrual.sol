// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Accrual
/// @notice The most that a lease can owe after a time.
library Accrual {
    /// @notice Thousandths of a unit times seconds in a unit-hour.
    uint256 internal constant MILLI_UNIT_SECONDS_PER_UNIT_HOUR = 1000 * 3600;

    /// @notice What `milliUnits` at `rate` cost over `elapsed`, rounded down: rounding favours the payer.
    /// @dev Can't overflow: rate < 2^96, milliUnits < 2^30, elapsed < 2^40.
    /// @param rate Wei per unit-hour.
    /// @param milliUnits Thousandths of a unit.
    /// @param elapsed Seconds.
    /// @return Wei.
    function accrued(uint256 rate, uint256 milliUnits, uint256 elapsed) internal pure returns (uint256) {
        unchecked {
            return rate * milliUnits * elapsed / MILLI_UNIT_SECONDS_PER_UNIT_HOUR;
        }
    }
}
