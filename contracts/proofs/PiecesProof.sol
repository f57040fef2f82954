// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {Signatures} from "../src/libraries/Signatures.sol";
import {TypedData} from "../src/libraries/TypedData.sol";
import {LeaseSlot, LeaseSlotLib} from "../src/types/LeaseSlot.sol";
import {Symbolic} from "./Symbolic.sol";

/// @notice The pieces of the Escrow: the lease's word, signatures and what a voucher's digest binds. keccak256 is taken for a
/// function without collisions and ecrecover for any function.
contract PiecesProof is Symbolic {
    using TypedData for *;

    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    function check_slot_paying(LeaseSlot slot, uint256 amount) public pure {
        unchecked {
            vm.assume(slot.paid() <= slot.hold() && amount <= slot.hold() - slot.paid());
            LeaseSlot later = slot.afterPaying(amount);
            assert(later.paid() == slot.paid() + amount);
            assert(LeaseSlot.unwrap(later) >> 88 == LeaseSlot.unwrap(slot) >> 88);
        }
    }

    function check_slot_toppingUp(LeaseSlot slot, uint256 amount) public pure {
        vm.assume(amount <= type(uint88).max - slot.hold());
        LeaseSlot later = slot.afterToppingUp(amount);
        assert(later.hold() == slot.hold() + amount && later.paid() == slot.paid());
        assert(LeaseSlot.unwrap(later) >> 176 == LeaseSlot.unwrap(slot) >> 176);
    }

    function check_slot_closing(LeaseSlot slot, uint256 time) public pure {
        vm.assume(time <= type(uint40).max >> 1 && !slot.isClosingOrClosed());
        LeaseSlot later = slot.afterClosingStarted(time);
        assert(later.closingAt() == time && !later.isClosed());
        assert(LeaseSlot.unwrap(later) << 40 == LeaseSlot.unwrap(slot) << 40);
    }

    function check_slot_closed(LeaseSlot slot, uint256 time) public pure {
        vm.assume(time <= type(uint40).max >> 1);
        LeaseSlot later = slot.afterClosed(time);
        assert(later.closingAt() == time && later.isClosed());
        assert(LeaseSlot.unwrap(later) << 40 == LeaseSlot.unwrap(slot) << 40);
    }

    function check_slot_opened(uint256 hold, uint256 time) public pure {
        vm.assume(hold <= type(uint88).max && time <= type(uint40).max);
        LeaseSlot slot = LeaseSlotLib.opened(hold, time);
        assert(slot.hold() == hold && slot.openedAt() == time && slot.paid() == 0 && !slot.isClosingOrClosed());
    }

    /// @dev One of two signatures that mirror each other counts, and it is ecrecover's.
    function check_signature(bytes32 digest, bytes32 r, bytes32 vs) public view {
        uint256 s = uint256(vs) & type(uint256).max >> 1;
        uint256 key = Signatures.signerOf(digest, r, vs);
        if (s > HALF_ORDER) {
            assert(key == 0);
        } else {
            // forge-lint: disable-next-line(unsafe-typecast)
            assert(key == uint160(ecrecover(digest, uint8((uint256(vs) >> 255) + 27), r, bytes32(s))));
        }
    }

    /// @dev The digest that settling looks at is the one of the voucher with the lease's id and the same figures.
    function check_voucher_digest(bytes32 domain, IEscrow.Settlement calldata item) public pure {
        (bytes32 id, bytes32 digest) = domain.hashSettlement(item);
        assert(id == keccak256(abi.encode(item.terms)));
        assert(digest == keccak256(abi.encodePacked(hex"1901", domain, voucherOf(item, id).hashVoucher())));
    }

    function voucherOf(IEscrow.Settlement calldata item, bytes32 id) private pure returns (IEscrow.Voucher memory) {
        return IEscrow.Voucher({
            leaseId: id,
            payer: item.terms.payer,
            provider: item.terms.provider,
            generation: item.terms.generation,
            attempt: item.terms.attempt,
            cumulativeAmount: item.cumulativeAmount,
            cumulativeUsageMs: item.cumulativeUsageMs,
            usageRoot: item.usageRoot,
            isFinal: item.isFinal
        });
    }

    /// @dev A voucher of another lease, figure or chain has another digest.
    function check_voucher_binds(
        bytes32[2] calldata domain,
        IEscrow.Settlement calldata one,
        IEscrow.Settlement calldata other
    ) public pure {
        (, bytes32 first) = domain[0].hashSettlement(one);
        (, bytes32 second) = domain[1].hashSettlement(other);
        vm.assume(first == second);
        uint256 differ = uint256(domain[0] ^ domain[1]) | bit(one.isFinal) ^ bit(other.isFinal);
        differ |= (one.cumulativeAmount ^ other.cumulativeAmount) | (one.cumulativeUsageMs ^ other.cumulativeUsageMs);
        differ |= uint256(one.usageRoot ^ other.usageRoot) | (one.terms.rate ^ other.terms.rate);
        differ |= uint256(one.terms.jobId ^ other.terms.jobId);
        differ |= uint256(one.terms.namespaceId ^ other.terms.namespaceId);
        differ |= uint160(one.terms.payer) ^ uint160(other.terms.payer);
        differ |= uint160(one.terms.provider) ^ uint160(other.terms.provider);
        differ |= uint160(one.terms.hubKey) ^ uint160(other.terms.hubKey);
        differ |= (one.terms.generation ^ other.terms.generation) | (one.terms.attempt ^ other.terms.attempt);
        differ |= one.terms.milliUnits ^ other.terms.milliUnits;
        assert(differ == 0);
    }
}
