// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";

contract ClosingTest is EscrowFixture {
    IEscrow.LeaseTerms private _terms;

    function setUp() public override {
        super.setUp();
        _terms = open();
        vm.warp(START + 100);
    }

    function unknown() private view returns (IEscrow.LeaseTerms memory terms) {
        terms = _terms;
        terms.generation += 1;
    }

    // ----------------------------------------------------------------------------------------- startClosing

    function test_RevertWhen_ClosingAnUnknownLease() public {
        IEscrow.LeaseTerms memory terms = unknown();
        vm.expectRevert(IEscrow.UnknownLease.selector);
        startClosing(payer, terms);
    }

    function test_RevertWhen_ClosingAClosedLease() public {
        settle(_terms, 0, true);
        vm.expectRevert(IEscrow.AlreadyClosed.selector);
        startClosing(payer, _terms);
    }

    function test_RevertWhen_ClosingTwice() public {
        startClosing(payer, _terms);
        vm.warp(START + 200);
        vm.expectRevert(IEscrow.AlreadyClosing.selector);
        startClosing(payer, _terms);
        vm.expectRevert(IEscrow.AlreadyClosing.selector);
        startClosing(provider, _terms);
        assertEq(lease(_terms).closingAt, START + 100, "the first start counts");
    }

    function test_RevertWhen_ClosingAnothersLease() public {
        vm.expectRevert(IEscrow.NotParty.selector);
        startClosing(other, _terms);
        vm.expectRevert(IEscrow.NotParty.selector);
        startClosing(hub, _terms);
    }

    function test_StartClosing_ByThePayer() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.LeaseClosing(idOf(_terms), payer, START + 100 + WINDOW);
        startClosing(payer, _terms);
        assertState(_terms, IEscrow.LeaseState.Closing);
        assertFigures(_terms, HOLD, 0, 0);
        assertEq(lease(_terms).closingAt, START + 100, "closingAt");
        assertEq(lease(_terms).openedAt, START, "openedAt");
        assertEq(escrow.balanceOf(payer), DEPOSIT - HOLD, "nothing is refunded yet");
    }

    function test_StartClosing_ByTheProvider() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.LeaseClosing(idOf(_terms), provider, START + 100 + WINDOW);
        startClosing(provider, _terms);
        assertState(_terms, IEscrow.LeaseState.Closing);
    }

    function test_StartClosing_OfAPausedLease() public {
        vm.warp(START + 100_000);
        settle(_terms, HOLD, false);
        assertState(_terms, IEscrow.LeaseState.Paused);
        startClosing(payer, _terms);
        assertState(_terms, IEscrow.LeaseState.Closing);
    }

    // --------------------------------------------------------------------------------------------- finalize

    function test_RevertWhen_FinalizingAnUnknownLease() public {
        IEscrow.LeaseTerms memory terms = unknown();
        vm.expectRevert(IEscrow.UnknownLease.selector);
        escrow.finalize(terms);
    }

    function test_RevertWhen_FinalizingAClosedLease() public {
        startClosing(payer, _terms);
        vm.warp(START + 100 + WINDOW + 1);
        escrow.finalize(_terms);
        vm.expectRevert(IEscrow.AlreadyClosed.selector);
        escrow.finalize(_terms);
    }

    function test_RevertWhen_FinalizingAnOpenLease() public {
        vm.warp(START + 10 * WINDOW);
        vm.expectRevert(IEscrow.ClosingWindowOpen.selector);
        escrow.finalize(_terms);
    }

    function test_RevertWhen_FinalizingTooEarly() public {
        startClosing(payer, _terms);
        vm.warp(START + 100 + WINDOW);
        vm.expectRevert(IEscrow.ClosingWindowOpen.selector);
        escrow.finalize(_terms);
    }

    function test_Finalize_RefundsTheRest() public {
        settle(_terms, 40 * PER_SECOND, false);
        startClosing(provider, _terms);
        vm.warp(START + 100 + WINDOW + 1);
        vm.expectEmit(address(escrow));
        emit IEscrow.LeaseClosed(idOf(_terms), 40 * PER_SECOND, HOLD - 40 * PER_SECOND);
        vm.prank(address(0xDEAD));
        escrow.finalize(_terms);
        assertState(_terms, IEscrow.LeaseState.Closed);
        assertEq(lease(_terms).endedAt, START + 100 + NOTICE, "endedAt");
        assertFigures(_terms, HOLD, 40 * PER_SECOND, HOLD - 40 * PER_SECOND);
        assertEq(escrow.balanceOf(payer), DEPOSIT - 40 * PER_SECOND, "payer");
        assertEq(escrow.balanceOf(provider), 40 * PER_SECOND, "provider");
        assertEq(escrow.balanceOf(address(0xDEAD)), 0, "nothing for the caller");
    }

    function test_Finalize_GivesBackToTheCap() public {
        settle(_terms, 40 * PER_SECOND, false);
        startClosing(payer, _terms);
        vm.warp(START + 100 + WINDOW + 1);
        escrow.finalize(_terms);
        assertEq(used(), 40 * PER_SECOND, "used");
    }

    function test_Finalize_OfAPausedLease() public {
        vm.warp(START + 100_000);
        settle(_terms, HOLD, false);
        startClosing(payer, _terms);
        vm.warp(START + 100_000 + WINDOW + 1);
        escrow.finalize(_terms);
        assertFigures(_terms, HOLD, HOLD, 0);
        assertState(_terms, IEscrow.LeaseState.Closed);
    }

    function test_Closing_NoticeIsWithinTheWindow() public view {
        assertEq(escrow.CLOSING_NOTICE(), NOTICE, "notice");
        assertTrue(escrow.CLOSING_NOTICE() < escrow.MIN_CLOSING_WINDOW(), "vouchers outlast it");
    }

    // --------------------------------------------------------------------------------------- at any second

    function testFuzz_Closing_VoucherOrFinalize(uint256 after_) public {
        after_ = bound(after_, 0, 2 * WINDOW);
        startClosing(payer, _terms);
        vm.warp(START + 100 + after_);
        IEscrow.Settlement memory settlement = signed(voucher(_terms, 50 * PER_SECOND, false), HUB_KEY);
        (bool finalized,) = address(escrow).call(abi.encodeCall(IEscrow.finalize, (_terms)));
        settleAsIs(settlement);
        uint256 paid = lease(_terms).paid;
        assertTrue(finalized == (after_ > WINDOW), "finalize works once the window is over");
        assertEq(paid, finalized ? 0 : 50 * PER_SECOND, "a voucher is paid until then");
    }
}
