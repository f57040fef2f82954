// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {LeaseSlot} from "../src/types/LeaseSlot.sol";
import {EscrowBooks} from "./EscrowBooks.sol";

/// @notice One step of the Escrow from any storage: what its books do, whoever calls with whatever.
/// @dev Inductive: a step that keeps the books from every state keeps them for ever. What is assumed of the state is what
/// every step is shown to keep.
contract EscrowProof is EscrowBooks {
    /// @dev Whose lease it is. The Escrow only compares addresses with one another, so these stand for any that differ.
    function parties() private pure returns (Parties memory) {
        return Parties(address(0xA1), address(0xB2), address(0xC3), bytes32(uint256(0xD4)));
    }

    /// @dev The parties' lease, of any other terms.
    function termsOf(Parties memory by, uint256[5] memory more) private pure returns (uint256[9] memory terms) {
        (terms[0], terms[1]) = (uint160(by.payer), uint160(by.provider));
        (terms[2], terms[3]) = (uint160(by.hub), uint256(by.namespaceId));
        (terms[4], terms[5], terms[6], terms[7], terms[8]) = (more[0], more[1], more[2], more[3], more[4]);
    }

    /// @dev A step of settling, and what is wrong with it.
    function settling(uint256 state, uint256[5] memory more, uint256[6] memory rest, bytes32 other)
        private
        returns (uint256 wrong)
    {
        anyTime();
        Parties memory by = parties();
        uint256[9] memory terms = termsOf(by, more);
        bytes32 leaseId = keccak256(abi.encodePacked(terms));
        vm.assume(other != leaseId);
        Others memory but = others(other);
        Books memory before = books(leaseId, by, but);
        vm.assume(stateOf(before.slot) == state);
        vm.assume(sound(before));
        bool clean = (terms[5] | terms[6] | terms[8]) >> 64 == 0;
        if (state != NONE) vm.assume(clean);
        bytes memory call = abi.encodePacked(IEscrow.settleBatch.selector, uint256(32), uint256(1), terms, rest);
        (bool ok,) = address(escrow).call(call);
        vm.assume(ok);
        Books memory later = books(leaseId, by, but);
        wrong = moneyLost(before, later) | othersMoved(before, later);
    }

    /// @dev A step that one party or anyone takes on a lease, and what is wrong with it.
    function stepping(bytes4 what, bytes memory tail, address sender, uint256[5] memory more, bytes32 other)
        private
        returns (uint256 wrong)
    {
        anyTime();
        Parties memory by = parties();
        uint256[9] memory terms = termsOf(by, more);
        bytes32 leaseId = keccak256(abi.encodePacked(terms));
        vm.assume(other != leaseId);
        Others memory but = others(other);
        Books memory before = books(leaseId, by, but);
        vm.assume(sound(before));
        vm.prank(sender);
        (bool ok,) = address(escrow).call(abi.encodePacked(what, terms, tail));
        vm.assume(ok);
        Books memory later = books(leaseId, by, but);
        wrong = moneyLost(before, later) | othersMoved(before, later);
        if (what != IEscrow.finalize.selector) wrong |= later.slot.paid() ^ before.slot.paid();
    }

    function check_startClosing(address sender, uint256[5] memory more, bytes32 other) public {
        assert(stepping(IEscrow.startClosing.selector, "", sender, more, other) == 0);
    }

    function check_claim(uint256[5] memory more, uint256 amount, bytes32 other) public {
        assert(stepping(IEscrow.claim.selector, abi.encode(amount), parties().provider, more, other) == 0);
    }

    function check_dispute(address sender, uint256[5] memory more, bytes32 other) public {
        assert(stepping(IEscrow.dispute.selector, "", sender, more, other) == 0);
    }

    function check_finalize(address sender, uint256[5] memory more, bytes32 other) public {
        assert(stepping(IEscrow.finalize.selector, "", sender, more, other) == 0);
    }

    /// @dev Adds to a lease whatever was authorised.
    function check_topUp(address sender, uint256[5] memory more, uint256 amount, bytes32 other) public {
        anyTime();
        Parties memory by = parties();
        uint256[9] memory terms = termsOf(by, more);
        bytes32 leaseId = keccak256(abi.encodePacked(terms));
        vm.assume(other != leaseId);
        Others memory but = others(other);
        Books memory before = books(leaseId, by, but);
        vm.assume(sound(before));
        bytes memory call = abi.encodePacked(
            IEscrow.topUpBatch.selector, uint256(64), uint256(64 + 10 * 32), uint256(1), terms, uint256(1), amount
        );
        vm.prank(sender);
        (bool ok,) = address(escrow).call(call);
        vm.assume(ok);
        Books memory later = books(leaseId, by, but);
        assert(moneyLost(before, later) | othersMoved(before, later) == 0);
    }

    /// @dev Keys, guardians, authorisations and nonces move no money.
    function unmoved(bytes memory call, address sender, bytes32 lease) private returns (uint256 wrong) {
        anyTime();
        Parties memory by = parties();
        Books memory before = books(lease, by, others(lease));
        vm.prank(sender);
        (bool ok,) = address(escrow).call(call);
        vm.assume(ok);
        Books memory later = books(lease, by, others(lease));
        wrong = (before.payer ^ later.payer) | (before.provider ^ later.provider) | (before.claim ^ later.claim);
        wrong |= (LeaseSlot.unwrap(before.slot) ^ LeaseSlot.unwrap(later.slot)) | (usedOf(before) ^ usedOf(later));
    }

    function check_retireKey(address sender, address hub, address key, bytes32 lease) public {
        assert(unmoved(abi.encodeCall(IEscrow.retireKey, (hub, key)), sender, lease) == 0);
    }

    function check_appointKey(address sender, address hub, address key, uint64 until, bytes32 lease) public {
        assert(unmoved(abi.encodeCall(IEscrow.appointKey, (hub, key, until)), sender, lease) == 0);
    }

    function check_authorize(address sender, uint256 cap, uint256 maxRate, uint64 expiry, bytes32 lease) public {
        Parties memory by = parties();
        bytes memory call = abi.encodeCall(IEscrow.authorize, (by.hub, by.namespaceId, cap, maxRate, expiry));
        assert(unmoved(call, sender, lease) == 0);
    }

    function check_revoke(address sender, bytes32 lease) public {
        Parties memory by = parties();
        assert(unmoved(abi.encodeCall(IEscrow.revoke, (by.hub, by.namespaceId)), sender, lease) == 0);
    }

    /// @dev Exactly what leaves the account leaves the Escrow, to whom it names.
    function check_withdraw(uint256 amount, bytes32 lease) public {
        svm.enableSymbolicStorage(address(token));
        Parties memory by = parties();
        Books memory before = books(lease, by, others(lease));
        uint256 there = token.balanceOf(address(escrow));
        vm.prank(by.payer);
        escrow.withdraw(amount, address(0xF8));
        Books memory later = books(lease, by, others(lease));
        unchecked {
            uint256 wrong = (before.payer - amount) ^ later.payer | over(amount, before.payer);
            wrong |= (there - amount) ^ token.balanceOf(address(escrow)) | over(amount, there);
            wrong |= (before.provider ^ later.provider) | othersMoved(before, later);
            assert(wrong | (LeaseSlot.unwrap(before.slot) ^ LeaseSlot.unwrap(later.slot)) == 0);
        }
    }

    /// @dev Exactly what comes to the Escrow comes into the account.
    function check_deposit(uint256 amount, bytes32 lease) public {
        svm.enableSymbolicStorage(address(token));
        Parties memory by = parties();
        Books memory before = books(lease, by, others(lease));
        uint256 there = token.balanceOf(address(escrow));
        vm.prank(by.payer);
        escrow.deposit(amount);
        Books memory later = books(lease, by, others(lease));
        unchecked {
            uint256 wrong = (before.payer + amount) ^ later.payer;
            wrong |= (there + amount) ^ token.balanceOf(address(escrow));
            wrong |= (before.provider ^ later.provider) | othersMoved(before, later);
            assert(wrong | (LeaseSlot.unwrap(before.slot) ^ LeaseSlot.unwrap(later.slot)) == 0);
        }
    }

    function check_settle_none(uint256[5] memory more, uint256[6] memory rest, bytes32 other) public {
        assert(settling(NONE, more, rest, other) == 0);
    }

    function check_settle_closed(uint256[5] memory more, uint256[6] memory rest, bytes32 other) public {
        assert(settling(CLOSED, more, rest, other) == 0);
    }

    function check_settle_open_not_final(uint256[5] memory more, uint256[6] memory rest, bytes32 other) public {
        vm.assume(rest[3] == 0);
        assert(settling(OPEN, more, rest, other) == 0);
    }

    function check_settle_open_final(uint256[5] memory more, uint256[6] memory rest, bytes32 other) public {
        vm.assume(rest[3] != 0);
        assert(settling(OPEN, more, rest, other) == 0);
    }

    function check_settle_closing_not_final(uint256[5] memory more, uint256[6] memory rest, bytes32 other) public {
        vm.assume(rest[3] == 0);
        assert(settling(CLOSING, more, rest, other) == 0);
    }

    function check_settle_closing_final(uint256[5] memory more, uint256[6] memory rest, bytes32 other) public {
        vm.assume(rest[3] != 0);
        assert(settling(CLOSING, more, rest, other) == 0);
    }
}
