// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The one word that the chain keeps for a lease, from the low bits up: paid (88), hold (88), openedAt (40),
/// closingAt or endedAt (39), closed (1). A word of 0 is a lease that was never opened.
/// @dev Packed by hand: the compiler's own packing writes a struct field by field. Nothing here checks ranges; see each
/// function's condition.
type LeaseSlot is uint256;

using LeaseSlotLib for LeaseSlot global;

/// @title LeaseSlotLib
/// @notice Reads and changes a {LeaseSlot}.
library LeaseSlotLib {
    uint256 private constant AMOUNT_MASK = type(uint88).max;
    uint256 private constant TIME_MASK = type(uint40).max;
    uint256 private constant HOLD_AT = 88;
    uint256 private constant OPENED_AT = 176;
    uint256 private constant CLOSING_AT = 216;
    uint256 private constant CLOSING_MASK = type(uint40).max >> 1;
    uint256 private constant CLOSED = 1 << 255;

    /// @notice A lease opened at `time` with `hold_`. Both must fit their fields.
    function opened(uint256 hold_, uint256 time) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap((hold_ << HOLD_AT) | (time << OPENED_AT));
    }

    /// @notice Wei paid to the provider.
    function paid(LeaseSlot slot) internal pure returns (uint256) {
        return LeaseSlot.unwrap(slot) & AMOUNT_MASK;
    }

    /// @notice Wei that ever went in.
    function hold(LeaseSlot slot) internal pure returns (uint256) {
        return (LeaseSlot.unwrap(slot) >> HOLD_AT) & AMOUNT_MASK;
    }

    /// @notice Unix seconds; 0 if it was never opened.
    function openedAt(LeaseSlot slot) internal pure returns (uint256) {
        return (LeaseSlot.unwrap(slot) >> OPENED_AT) & TIME_MASK;
    }

    /// @notice When closing was started, in unix seconds; 0 if it wasn't. Of a closed lease, when its work ended.
    function closingAt(LeaseSlot slot) internal pure returns (uint256) {
        return (LeaseSlot.unwrap(slot) >> CLOSING_AT) & CLOSING_MASK;
    }

    /// @notice Whether it was ever opened.
    function exists(LeaseSlot slot) internal pure returns (bool) {
        return LeaseSlot.unwrap(slot) != 0;
    }

    /// @notice Whether its closing was started, or it is closed.
    function isClosingOrClosed(LeaseSlot slot) internal pure returns (bool) {
        return LeaseSlot.unwrap(slot) >> CLOSING_AT != 0;
    }

    /// @notice Whether it is closed.
    function isClosed(LeaseSlot slot) internal pure returns (bool) {
        return LeaseSlot.unwrap(slot) >= CLOSED;
    }

    /// @notice The slot after paying `amount` more, which must be at most hold - paid.
    function afterPaying(LeaseSlot slot, uint256 amount) internal pure returns (LeaseSlot) {
        unchecked {
            return LeaseSlot.wrap(LeaseSlot.unwrap(slot) + amount);
        }
    }

    /// @notice The slot after `amount` more was put in. The sum must fit its field.
    function afterToppingUp(LeaseSlot slot, uint256 amount) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) + (amount << HOLD_AT));
    }

    /// @notice The slot of an open lease after closing was started at `time`, which must fit its field.
    function afterClosingStarted(LeaseSlot slot, uint256 time) internal pure returns (LeaseSlot) {
        return LeaseSlot.wrap(LeaseSlot.unwrap(slot) | (time << CLOSING_AT));
    }

    /// @notice The slot once closed, its work ended at `time`, which must fit its field, whatever it was before.
    function afterClosed(LeaseSlot slot, uint256 time) internal pure returns (LeaseSlot) {
        uint256 kept = LeaseSlot.unwrap(slot) & type(uint216).max;
        return LeaseSlot.wrap(kept | (time << CLOSING_AT) | CLOSED);
    }
}
