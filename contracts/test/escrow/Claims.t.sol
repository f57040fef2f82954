// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";

contract ClaimsTest is EscrowFixture {
    IEscrow.LeaseTerms private _terms;

    function setUp() public override {
        super.setUp();
        _terms = open();
        vm.warp(START + 100);
    }

    function claim(IEscrow.LeaseTerms memory terms, uint256 amount) private returns (uint256) {
        vm.prank(provider);
        return escrow.claim(terms, amount);
    }

    function claimed() private view returns (uint256) {
        return escrow.claimOf(idOf(_terms)).amount;
    }

    function dispute(address by) private {
        vm.prank(by);
        escrow.dispute(_terms);
    }

    function unknown() private view returns (IEscrow.LeaseTerms memory terms) {
        terms = _terms;
        terms.generation += 1;
    }

    // ------------------------------------------------------------------------------------------------ claim

    function test_RevertWhen_ClaimingAnUnknownLease() public {
        IEscrow.LeaseTerms memory terms = unknown();
        vm.expectRevert(IEscrow.UnknownLease.selector);
        claim(terms, 1);
    }

    function test_RevertWhen_ClaimingAClosedLease() public {
        settle(_terms, 1, true);
        vm.expectRevert(IEscrow.AlreadyClosed.selector);
        claim(_terms, 2);
    }

    function test_RevertWhen_AnotherClaims() public {
        address[3] memory others = [payer, hub, other];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(IEscrow.NotParty.selector);
            escrow.claim(_terms, 1);
        }
    }

    function test_RevertWhen_ClaimingTwice() public {
        claim(_terms, 1);
        vm.expectRevert(IEscrow.ClaimExists.selector);
        claim(_terms, 2);
        dispute(payer);
        vm.expectRevert(IEscrow.ClaimExists.selector);
        claim(_terms, 2);
    }

    function test_RevertWhen_ClaimingTooLate() public {
        startClosing(payer, _terms);
        vm.warp(START + 100 + 24 hours + 1);
        vm.expectRevert(IEscrow.ClaimTooLate.selector);
        claim(_terms, 1);
        vm.warp(START + 100 + 24 hours);
        assertEq(claim(_terms, 1), 1, "in the last second");
    }

    function test_RevertWhen_NothingIsToBeClaimed() public {
        vm.expectRevert(IEscrow.NothingToSettle.selector);
        claim(_terms, 0);
        settle(_terms, 40 * PER_SECOND, false);
        vm.expectRevert(IEscrow.NothingToSettle.selector);
        claim(_terms, 40 * PER_SECOND);
        assertState(_terms, IEscrow.LeaseState.Open);
    }

    function test_Claim_StartsClosing() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.LeaseClosing(idOf(_terms), provider, START + 100 + WINDOW);
        vm.expectEmit(address(escrow));
        emit IEscrow.LeaseClaimed(idOf(_terms), provider, 50 * PER_SECOND);
        assertEq(claim(_terms, 50 * PER_SECOND), 50 * PER_SECOND, "claimed");
        assertState(_terms, IEscrow.LeaseState.Closing);
        assertEq(lease(_terms).closesAt, START + 100 + WINDOW, "closesAt");
    }

    function test_Claim_JoinsAClosing() public {
        startClosing(payer, _terms);
        vm.warp(START + 100 + 5 hours);
        claim(_terms, 50 * PER_SECOND);
        assertEq(lease(_terms).closingAt, START + 100, "closingAt");
        assertEq(lease(_terms).closesAt, START + 100 + WINDOW, "the window isn't moved");
    }

    function test_Claim_PaysNothingYet() public {
        claim(_terms, 50 * PER_SECOND);
        assertFigures(_terms, HOLD, 0, 0);
        assertEq(escrow.balanceOf(provider), 0, "provider");
        assertEq(claimed(), 50 * PER_SECOND, "claimed");
        assertTrue(!escrow.claimOf(idOf(_terms)).disputed, "not disputed");
    }

    function test_Claim_IsCappedByTime() public {
        assertEq(claim(_terms, HOLD), 100 * PER_SECOND, "100 seconds");
    }

    function test_Claim_IsCappedByADay() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        (request.attempt, request.hold) = (2, 400e18);
        IEscrow.LeaseTerms memory terms = open(request);
        vm.warp(START + 100 + 4 days);
        settle(terms, 100 * PER_SECOND, false);
        assertEq(claim(terms, 400e18), (100 + 24 hours) * PER_SECOND, "a day beyond what was paid");
    }

    function test_Claim_IsCappedByTheHold() public {
        vm.warp(START + 20 hours);
        assertEq(claim(_terms, type(uint256).max), HOLD, "the hold");
    }

    // ---------------------------------------------------------------------------------------------- dispute

    function test_RevertWhen_DisputingNoOpenLease() public {
        IEscrow.LeaseTerms memory terms = unknown();
        vm.expectRevert(IEscrow.UnknownLease.selector);
        escrow.dispute(terms);
        settle(_terms, 1, true);
        vm.expectRevert(IEscrow.AlreadyClosed.selector);
        dispute(payer);
    }

    function test_RevertWhen_AnotherDisputes() public {
        claim(_terms, 1);
        vm.expectRevert(IEscrow.NotParty.selector);
        dispute(provider);
        vm.expectRevert(IEscrow.NotParty.selector);
        dispute(other);
    }

    function test_RevertWhen_DisputingNoClaim() public {
        vm.expectRevert(IEscrow.NoClaim.selector);
        dispute(payer);
        startClosing(payer, _terms);
        vm.expectRevert(IEscrow.NoClaim.selector);
        dispute(payer);
    }

    function test_RevertWhen_DisputingTwice() public {
        claim(_terms, 1);
        dispute(payer);
        vm.expectRevert(IEscrow.AlreadyDisputed.selector);
        dispute(hub);
    }

    function test_RevertWhen_DisputingTooLate() public {
        claim(_terms, 1);
        vm.warp(START + 100 + WINDOW + 1);
        vm.expectRevert(IEscrow.ClosingWindowOver.selector);
        dispute(payer);
        vm.warp(START + 100 + WINDOW);
        dispute(payer);
    }

    function test_Dispute_VoidsAndLengthens() public {
        claim(_terms, 50 * PER_SECOND);
        vm.warp(START + 200);
        vm.expectEmit(address(escrow));
        emit IEscrow.ClaimDisputed(idOf(_terms), payer, START + 100 + 2 * WINDOW);
        dispute(payer);
        assertEq(lease(_terms).closesAt, START + 100 + 2 * WINDOW, "closesAt");
        vm.warp(START + 100 + 2 * WINDOW);
        vm.expectRevert(IEscrow.ClosingWindowOpen.selector);
        escrow.finalize(_terms);
    }

    function test_Dispute_VouchersAreStillPaid() public {
        claim(_terms, 50 * PER_SECOND);
        dispute(payer);
        vm.warp(START + 100 + 2 * WINDOW);
        settle(_terms, 70 * PER_SECOND, false);
        assertFigures(_terms, HOLD, 70 * PER_SECOND, 0);
        vm.warp(START + 100 + 2 * WINDOW + 1);
        expectSettleSkipped(_terms, IEscrow.ClosingWindowOver.selector);
        settle(_terms, 80 * PER_SECOND, false);
    }

    function test_Dispute_ByAKeyOfTheHub() public {
        claim(_terms, 50 * PER_SECOND);
        vm.prank(hub);
        escrow.appointKey(hub, other, START + 1 days);
        dispute(other);
        assertTrue(escrow.claimOf(idOf(_terms)).disputed, "disputed");
    }

    // --------------------------------------------------------------------------------------------- finalize

    function test_Finalize_PaysAClaim() public {
        claim(_terms, 50 * PER_SECOND);
        vm.warp(START + 100 + WINDOW + 1);
        vm.expectEmit(address(escrow));
        emit IEscrow.Settled(idOf(_terms), provider, 50 * PER_SECOND, 50 * PER_SECOND, 0);
        vm.expectEmit(address(escrow));
        emit IEscrow.LeaseClosed(idOf(_terms), 50 * PER_SECOND, HOLD - 50 * PER_SECOND);
        escrow.finalize(_terms);
        assertFigures(_terms, HOLD, 50 * PER_SECOND, HOLD - 50 * PER_SECOND);
        assertEq(escrow.balanceOf(provider), 50 * PER_SECOND, "provider");
        assertEq(escrow.balanceOf(payer), DEPOSIT - 50 * PER_SECOND, "payer");
        assertEq(used(), 50 * PER_SECOND, "used");
    }

    function test_Finalize_PaysWhatVouchersLeft() public {
        claim(_terms, 50 * PER_SECOND);
        settle(_terms, 30 * PER_SECOND, false);
        vm.warp(START + 100 + WINDOW + 1);
        escrow.finalize(_terms);
        assertFigures(_terms, HOLD, 50 * PER_SECOND, HOLD - 50 * PER_SECOND);
    }

    function test_Finalize_VouchersPassedTheClaim() public {
        for (uint256 i = 0; i < 2; ++i) {
            setUp();
            uint256 paid = (i == 0 ? 50 : 80) * PER_SECOND;
            claim(_terms, 50 * PER_SECOND);
            settle(_terms, paid, false);
            vm.warp(START + 100 + WINDOW + 1);
            vm.recordLogs();
            escrow.finalize(_terms);
            assertEq(countLogs(vm.getRecordedLogs(), IEscrow.Settled.selector), 0, "nothing is said to be settled");
            assertFigures(_terms, HOLD, paid, HOLD - paid);
        }
    }

    function test_Finalize_DisputedClaimIsVoid() public {
        claim(_terms, 50 * PER_SECOND);
        dispute(hub);
        vm.warp(START + 100 + 2 * WINDOW + 1);
        escrow.finalize(_terms);
        assertFigures(_terms, HOLD, 0, HOLD);
        assertEq(escrow.balanceOf(payer), DEPOSIT, "payer");
    }

    // -------------------------------------------------------------------------------------- a final voucher

    function test_Final_BarsTheClaim() public {
        claim(_terms, 90 * PER_SECOND);
        settle(_terms, 10 * PER_SECOND, true);
        assertFigures(_terms, HOLD, 10 * PER_SECOND, HOLD - 10 * PER_SECOND);
        vm.warp(START + 100 + WINDOW + 1);
        vm.expectRevert(IEscrow.AlreadyClosed.selector);
        escrow.finalize(_terms);
    }

    function test_Final_BarsALaterClaim() public {
        settle(_terms, 10 * PER_SECOND, true);
        vm.expectRevert(IEscrow.AlreadyClosed.selector);
        claim(_terms, 90 * PER_SECOND);
    }

    function test_Claim_LeavesTwoDays() public view {
        assertTrue(escrow.CLAIM_PERIOD() + 48 hours <= escrow.MIN_CLOSING_WINDOW(), "48 hours");
    }

    // ------------------------------------------------------------------------------------------------- fuzz

    function testFuzz_Claim_IsCapped(uint256 elapsed, uint256 paid, uint256 amount) public {
        elapsed = bound(elapsed, 1, 10 days);
        IEscrow.LeaseRequest memory request = defaultRequest();
        (request.attempt, request.hold) = (2, 400e18);
        IEscrow.LeaseTerms memory terms = open(request);
        vm.warp(START + 100 + elapsed);
        paid = bound(paid, 0, 400e18);
        if (paid != 0) settle(terms, paid, false);
        paid = lease(terms).paid;
        uint256 wanted = amount;
        if (wanted > elapsed * PER_SECOND) wanted = elapsed * PER_SECOND;
        if (wanted > paid + 24 hours * PER_SECOND) wanted = paid + 24 hours * PER_SECOND;
        if (wanted > 400e18) wanted = 400e18;
        if (wanted <= paid) {
            vm.expectRevert(IEscrow.NothingToSettle.selector);
            claim(terms, amount);
            return;
        }
        assertEq(claim(terms, amount), wanted, "claimed");
    }

    function testFuzz_Claim_AddsUp(uint256 amount, uint256 before, uint256 after_, bool disputed) public {
        amount = bound(amount, 1, 2 * HOLD);
        settle(_terms, bound(before, 0, 100 * PER_SECOND), false);
        vm.prank(provider);
        (bool ok,) = address(escrow).call(abi.encodeCall(IEscrow.claim, (_terms, amount)));
        if (!ok) return;
        if (disputed) dispute(payer);
        settle(_terms, bound(after_, 0, 2 * HOLD), false);
        vm.warp(START + 100 + 2 * WINDOW + 1);
        uint256 paid = lease(_terms).paid;
        uint256 wanted = !disputed && claimed() > paid ? claimed() : paid;
        escrow.finalize(_terms);
        assertFigures(_terms, HOLD, wanted, HOLD - wanted);
        assertEq(escrow.balanceOf(provider) + escrow.balanceOf(payer), DEPOSIT, "nothing made, nothing lost");
    }
}
