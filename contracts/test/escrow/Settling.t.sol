// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";

contract SettlingTest is EscrowFixture {
    IEscrow.LeaseTerms private _terms;

    function setUp() public override {
        super.setUp();
        _terms = open();
        vm.warp(START + 100);
    }

    /// @dev Presents `settlement` as it is and checks that it was skipped for `reason` and changed nothing.
    function assertSkips(IEscrow.Settlement memory settlement, bytes4 reason) private {
        bytes32 before = fingerprint(settlement.terms);
        expectSettleSkipped(settlement.terms, reason);
        settleAsIs(settlement);
        assertEq(fingerprint(settlement.terms), before, "a skipped item changes nothing");
    }

    function assertSkips(uint256 amount, bool isFinal, bytes4 reason) private {
        assertSkips(signed(voucher(_terms, amount, isFinal), HUB_KEY), reason);
    }

    function fingerprint(IEscrow.LeaseTerms memory terms) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                escrow.lease(idOf(terms)),
                escrow.balanceOf(payer),
                escrow.balanceOf(provider),
                escrow.balanceOf(other),
                escrow.authorization(payer, hub, NAMESPACE)
            )
        );
    }

    function test_RevertWhen_BatchIsTooLarge() public {
        escrow.settleBatch(new IEscrow.Settlement[](64));
        vm.expectRevert(IEscrow.BatchTooLarge.selector);
        escrow.settleBatch(new IEscrow.Settlement[](65));
    }

    function test_Settle_AcceptsAnEmptyBatch() public {
        vm.recordLogs();
        escrow.settleBatch(new IEscrow.Settlement[](0));
        assertEq(vm.getRecordedLogs().length, 0, "logs");
    }

    // -------------------------------------------------------------------------------------------- not final

    function test_Settle_PaysTheProvider() public {
        settle(_terms, 90 * PER_SECOND, false);
        assertFigures(_terms, HOLD, 90 * PER_SECOND, 0);
        assertState(_terms, IEscrow.LeaseState.Open);
        assertEq(escrow.balanceOf(provider), 90 * PER_SECOND, "provider");
        assertEq(escrow.balanceOf(payer), DEPOSIT - HOLD, "payer");
        assertEq(used(), HOLD, "used");
        assertEq(token.balanceOf(address(escrow)), DEPOSIT, "no token moves");
        vm.prank(provider);
        escrow.withdraw(90 * PER_SECOND, provider);
        assertEq(token.balanceOf(provider), 90 * PER_SECOND, "withdrawn");
    }

    function test_Settle_SaysWhatWasPaid() public {
        settle(_terms, 10 * PER_SECOND, false);
        IEscrow.Settlement memory settlement = voucher(_terms, 90 * PER_SECOND, false);
        vm.expectEmit(address(escrow));
        emit IEscrow.Settled(idOf(_terms), provider, 80 * PER_SECOND, 90 * PER_SECOND, settlement.cumulativeUsageMs);
        settle(settlement, HUB_KEY);
    }

    function test_Settle_CanBePresentedByAnyone() public {
        IEscrow.Settlement memory settlement = signed(voucher(_terms, 90 * PER_SECOND, false), HUB_KEY);
        vm.prank(address(0xDEAD));
        settleAsIs(settlement);
        assertFigures(_terms, HOLD, 90 * PER_SECOND, 0);
    }

    function test_Settle_PaysTheDifference() public {
        settle(_terms, 10 * PER_SECOND, false);
        settle(_terms, 30 * PER_SECOND, false);
        settle(_terms, 31 * PER_SECOND, false);
        assertFigures(_terms, HOLD, 31 * PER_SECOND, 0);
        assertEq(escrow.balanceOf(provider), 31 * PER_SECOND, "provider");
    }

    function test_Settle_ClampsToElapsed() public {
        settle(_terms, 100 * PER_SECOND + 1, false);
        assertFigures(_terms, HOLD, 100 * PER_SECOND, 0);
        settle(voucher(_terms, type(uint256).max, false), HUB_KEY);
        assertFigures(_terms, HOLD, 100 * PER_SECOND, 0);
    }

    function test_Settle_PaysTheRestLater() public {
        IEscrow.Settlement memory settlement = signed(voucher(_terms, 150 * PER_SECOND, false), HUB_KEY);
        settleAsIs(settlement);
        assertFigures(_terms, HOLD, 100 * PER_SECOND, 0);
        vm.warp(START + 1000);
        settleAsIs(settlement);
        assertFigures(_terms, HOLD, 150 * PER_SECOND, 0);
    }

    function test_SkipsWhen_NoTimeHasPassed() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.attempt = 2;
        IEscrow.LeaseTerms memory terms = open(request);
        assertSkips(signed(voucher(terms, HOLD, false), HUB_KEY), IEscrow.NothingToSettle.selector);
    }

    function test_Settle_ClampsToTheHold() public {
        vm.warp(START + 1_000_000);
        settle(_terms, 100 * HOLD, false);
        assertFigures(_terms, HOLD, HOLD, 0);
        assertState(_terms, IEscrow.LeaseState.Paused);
        assertEq(escrow.balanceOf(provider), HOLD, "provider");
        assertSkips(200 * HOLD, false, IEscrow.NothingToSettle.selector);
    }

    function test_Settle_RoundsDown() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.attempt = 2;
        request.rate = 3_600_001;
        request.milliUnits = 999;
        IEscrow.LeaseTerms memory terms = open(request);
        vm.warp(START + 107);
        settle(terms, HOLD, false);
        // 3600001 x 999 x 7 / 3600000 = 6993.0019...
        assertFigures(terms, HOLD, 6993, 0);
    }

    function test_Settle_CountsParts() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.attempt = 2;
        request.milliUnits = 2500;
        IEscrow.LeaseTerms memory terms = open(request);
        vm.warp(START + 110);
        settle(terms, HOLD, false);
        assertFigures(terms, HOLD, 25 * PER_SECOND, 0);
    }

    function test_Settle_PaysWhileClosing() public {
        startClosing(payer, _terms);
        vm.warp(START + 100 + WINDOW);
        settle(_terms, 60 * PER_SECOND, false);
        assertFigures(_terms, HOLD, 60 * PER_SECOND, 0);
        assertState(_terms, IEscrow.LeaseState.Closing);
    }

    function test_Settle_PaysWorkDuringTheNotice() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.attempt = 2;
        IEscrow.LeaseTerms memory terms = open(request);
        vm.warp(START + 106);
        startClosing(payer, terms);
        vm.warp(START + 155);
        settle(terms, 49 * PER_SECOND, true);
        assertFigures(terms, HOLD, 49 * PER_SECOND, HOLD - 49 * PER_SECOND);
    }

    function test_Settle_ClampsToNowDuringTheNotice() public {
        startClosing(payer, _terms);
        vm.warp(START + 100 + NOTICE - 1);
        settle(_terms, HOLD, false);
        assertFigures(_terms, HOLD, (100 + NOTICE - 1) * PER_SECOND, 0);
    }

    function test_Settle_ClampsToTheEndOfTheNotice() public {
        startClosing(payer, _terms);
        vm.warp(START + 100 + NOTICE + 1);
        settle(_terms, HOLD, false);
        assertFigures(_terms, HOLD, (100 + NOTICE) * PER_SECOND, 0);
        vm.warp(START + 100 + WINDOW);
        assertSkips(HOLD, false, IEscrow.NothingToSettle.selector);
    }

    function test_Settle_GivesTheSameNoticeToAProvider() public {
        startClosing(provider, _terms);
        vm.warp(START + 100 + WINDOW);
        settle(_terms, HOLD, false);
        assertFigures(_terms, HOLD, (100 + NOTICE) * PER_SECOND, 0);
    }

    function test_SkipsWhen_VoucherIsReplayed() public {
        settle(_terms, 90 * PER_SECOND, false);
        assertSkips(90 * PER_SECOND, false, IEscrow.NothingToSettle.selector);
    }

    function test_SkipsWhen_VoucherIsStale() public {
        settle(_terms, 90 * PER_SECOND, false);
        assertSkips(89 * PER_SECOND, false, IEscrow.NothingToSettle.selector);
        assertSkips(0, false, IEscrow.NothingToSettle.selector);
    }

    // ------------------------------------------------------------------------------------------------ final

    function test_Final_PaysClosesAndRefunds() public {
        settle(_terms, 10 * PER_SECOND, false);
        vm.expectEmit(address(escrow));
        emit IEscrow.Settled(idOf(_terms), provider, 80 * PER_SECOND, 90 * PER_SECOND, 90_000);
        vm.expectEmit(address(escrow));
        emit IEscrow.LeaseClosed(idOf(_terms), 90 * PER_SECOND, HOLD - 90 * PER_SECOND);
        settle(_terms, 90 * PER_SECOND, true);
        assertState(_terms, IEscrow.LeaseState.Closed);
        assertFigures(_terms, HOLD, 90 * PER_SECOND, HOLD - 90 * PER_SECOND);
        assertEq(lease(_terms).openedAt, START, "openedAt");
        assertEq(lease(_terms).closingAt, 0, "closingAt");
        assertEq(lease(_terms).endedAt, START + 100, "endedAt");
        assertEq(escrow.balanceOf(provider), 90 * PER_SECOND, "provider");
        assertEq(escrow.balanceOf(payer), DEPOSIT - 90 * PER_SECOND, "payer");
    }

    function test_Final_GivesBackToTheCap() public {
        assertEq(used(), HOLD, "before");
        settle(_terms, 90 * PER_SECOND, true);
        assertEq(used(), 90 * PER_SECOND, "what was paid stays used");
    }

    function test_Final_RefundsTheLastWei() public {
        vm.warp(START + 1_000_000);
        settle(_terms, HOLD - 1, true);
        assertEq(escrow.balanceOf(payer), DEPOSIT - HOLD + 1, "payer");
        assertEq(used(), HOLD - 1, "used");
    }

    function test_Final_ClosesWhenNothingIsDue() public {
        vm.recordLogs();
        settle(_terms, 0, true);
        assertEq(vm.getRecordedLogs().length, 1, "LeaseClosed alone");
        assertState(_terms, IEscrow.LeaseState.Closed);
        assertFigures(_terms, HOLD, 0, HOLD);
        assertEq(escrow.balanceOf(payer), DEPOSIT, "payer");
        assertEq(used(), 0, "used");
    }

    function test_Final_ClosesWhenLowerThanPaid() public {
        settle(_terms, 90 * PER_SECOND, false);
        settle(_terms, 10 * PER_SECOND, true);
        assertState(_terms, IEscrow.LeaseState.Closed);
        assertFigures(_terms, HOLD, 90 * PER_SECOND, HOLD - 90 * PER_SECOND);
    }

    function test_Final_ClosesAPausedLease() public {
        vm.warp(START + 1_000_000);
        settle(_terms, HOLD, false);
        settle(_terms, HOLD, true);
        assertState(_terms, IEscrow.LeaseState.Closed);
        assertFigures(_terms, HOLD, HOLD, 0);
        assertEq(used(), HOLD, "used");
    }

    function test_Final_ClosesAClosingLease() public {
        startClosing(payer, _terms);
        vm.warp(START + 200);
        settle(_terms, 150 * PER_SECOND, true);
        assertState(_terms, IEscrow.LeaseState.Closed);
        assertFigures(_terms, HOLD, 150 * PER_SECOND, HOLD - 150 * PER_SECOND);
    }

    function test_Final_WorksWhenPayerIsProvider() public {
        IEscrow.Offer memory offer = defaultOffer();
        offer.provider = payer;
        IEscrow.LeaseRequest memory request = defaultRequest();
        openAs(hub, request, offer, PAYER_KEY);
        IEscrow.LeaseTerms memory terms = termsOf(request, payer, hub);
        vm.warp(START + 200);
        settle(terms, 90 * PER_SECOND, true);
        assertFigures(terms, HOLD, 90 * PER_SECOND, HOLD - 90 * PER_SECOND);
        assertEq(escrow.balanceOf(payer), DEPOSIT - HOLD, "nothing made, nothing lost");
    }

    function test_Final_SettlesAfterRevocation() public {
        vm.prank(payer);
        escrow.revoke(hub, NAMESPACE);
        settle(_terms, 50 * PER_SECOND, false);
        vm.warp(START + 40 days);
        settle(_terms, 90 * PER_SECOND, true);
        assertFigures(_terms, HOLD, 90 * PER_SECOND, HOLD - 90 * PER_SECOND);
        assertEq(used(), 90 * PER_SECOND, "used");
    }

    // --------------------------------------------------------------------------------------------- refusals

    function test_SkipsWhen_LeaseIsUnknown() public {
        IEscrow.LeaseTerms memory terms = _terms;
        terms.jobId = keccak256("another");
        assertSkips(signed(voucher(terms, 1, false), HUB_KEY), IEscrow.UnknownLease.selector);
        assertSkips(signed(voucher(terms, 1, true), HUB_KEY), IEscrow.UnknownLease.selector);
    }

    function test_SkipsWhen_LeaseIsClosed() public {
        settle(_terms, 10 * PER_SECOND, true);
        assertSkips(20 * PER_SECOND, false, IEscrow.AlreadyClosed.selector);
        assertSkips(20 * PER_SECOND, true, IEscrow.AlreadyClosed.selector);
        assertSkips(10 * PER_SECOND, true, IEscrow.AlreadyClosed.selector);
    }

    function test_SkipsWhen_WindowIsOver() public {
        startClosing(payer, _terms);
        vm.warp(START + 100 + WINDOW + 1);
        assertSkips(20 * PER_SECOND, false, IEscrow.ClosingWindowOver.selector);
        assertSkips(20 * PER_SECOND, true, IEscrow.ClosingWindowOver.selector);
    }

    function test_SkipsWhen_VoucherIsForged() public {
        assertSkips(signed(voucher(_terms, 1, false), PAYER_KEY), IEscrow.BadSignature.selector);
        assertSkips(signed(voucher(_terms, 1, false), PROVIDER_KEY), IEscrow.BadSignature.selector);
        assertSkips(voucher(_terms, 1, false), IEscrow.BadSignature.selector);
    }

    function test_SkipsWhen_VoucherWasChanged() public {
        IEscrow.Settlement memory original = signed(voucher(_terms, 10 * PER_SECOND, false), HUB_KEY);
        for (uint256 field = 0; field < 13; ++field) {
            IEscrow.Settlement memory changed = abi.decode(abi.encode(original), (IEscrow.Settlement));
            if (field == 0) changed.terms.payer = other;
            if (field == 1) changed.terms.provider = other;
            if (field == 2) changed.terms.hubKey = other;
            if (field == 3) changed.terms.namespaceId = keccak256("another");
            if (field == 4) changed.terms.jobId = keccak256("another");
            if (field == 5) changed.terms.generation += 1;
            if (field == 6) changed.terms.attempt += 1;
            if (field == 7) changed.terms.rate += 1;
            if (field == 8) changed.terms.milliUnits += 1;
            if (field == 9) changed.cumulativeAmount += 1;
            if (field == 10) changed.cumulativeUsageMs += 1;
            if (field == 11) changed.usageRoot = keccak256("another");
            if (field == 12) changed.isFinal = true;
            assertSkips(changed, field < 9 ? IEscrow.UnknownLease.selector : IEscrow.BadSignature.selector);
        }
        settleAsIs(original);
        assertFigures(_terms, HOLD, 10 * PER_SECOND, 0);
    }

    function test_SkipsWhen_VoucherIsAnotherLeases() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.attempt = 2;
        IEscrow.LeaseTerms memory second = open(request);
        vm.warp(START + 200);
        IEscrow.Settlement memory settlement = signed(voucher(_terms, 10 * PER_SECOND, false), HUB_KEY);
        settlement.terms = second;
        assertSkips(settlement, IEscrow.BadSignature.selector);
    }

    function test_Settle_SkipsOnlyTheBadItem() public {
        IEscrow.LeaseTerms[3] memory terms;
        for (uint64 i = 0; i < 3; ++i) {
            IEscrow.LeaseRequest memory request = defaultRequest();
            request.attempt = 10 + i;
            terms[i] = open(request);
        }
        vm.warp(START + 200);
        for (uint256 bad = 0; bad < 3; ++bad) {
            IEscrow.Settlement[] memory settlements = new IEscrow.Settlement[](3);
            for (uint256 i = 0; i < 3; ++i) {
                settlements[i] = signed(voucher(terms[i], (bad + 1) * PER_SECOND, false), HUB_KEY);
            }
            settlements[bad].vs ^= bytes32(uint256(1));
            expectSettleSkipped(terms[bad], IEscrow.BadSignature.selector);
            escrow.settleBatch(settlements);
        }
        assertFigures(terms[0], HOLD, 3 * PER_SECOND, 0);
        assertFigures(terms[1], HOLD, 3 * PER_SECOND, 0);
        assertFigures(terms[2], HOLD, 2 * PER_SECOND, 0);
    }

    // ------------------------------------------------------------------------------------------------- fuzz

    function testFuzz_Settle_PaysTheLeast(
        uint256 rate,
        uint256 milliUnits,
        uint256 hold,
        uint256 elapsed,
        uint256 amount
    ) public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.attempt = 2;
        request.rate = bound(rate, 0, escrow.MAX_RATE());
        request.milliUnits = uint64(bound(milliUnits, 1, escrow.MAX_MILLI_UNITS()));
        request.hold = bound(hold, 1, escrow.MAX_HOLD());
        elapsed = bound(elapsed, 0, 100 * 365 days);
        fund(payer, request.hold);
        uint256 noLimit = escrow.MAX_CAP();
        uint256 anyRate = escrow.MAX_RATE();
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, noLimit, anyRate, START + 1000);
        IEscrow.Offer memory offer = defaultOffer();
        offer.rate = anyRate;
        openAs(hub, request, offer, PROVIDER_KEY);
        IEscrow.LeaseTerms memory terms = termsOf(request, provider, hub);

        vm.warp(START + 100 + elapsed);
        settle(terms, amount, false);

        uint256 wanted = request.rate * request.milliUnits * elapsed / 3_600_000;
        if (amount < wanted) wanted = amount;
        if (request.hold < wanted) wanted = request.hold;
        assertFigures(terms, request.hold, wanted, 0);
        assertEq(escrow.balanceOf(provider), wanted, "provider");
    }

    function testFuzz_Settle_PaysUpToTheNotice(uint256 closing, uint256 presented, bool byPayer) public {
        closing = bound(closing, 0, 30 days);
        presented = bound(presented, 0, WINDOW);
        vm.warp(START + 100 + closing);
        startClosing(byPayer ? payer : provider, _terms);
        vm.warp(START + 100 + closing + presented);
        settle(_terms, type(uint256).max, false);
        uint256 wanted = (100 + closing + (presented < NOTICE ? presented : NOTICE)) * PER_SECOND;
        assertFigures(_terms, HOLD, wanted < HOLD ? wanted : HOLD, 0);
    }

    /// @dev Four vouchers of one lease: in order one by one, or shuffled with repetitions in batches, at one time.
    function testFuzz_Settle_TotalIsTheSameInAnyOrder(uint256[4] memory amounts, uint256 seed) public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.attempt = 2;
        IEscrow.LeaseTerms memory twin = open(request);
        vm.warp(START + 1000);
        uint256 most;
        for (uint256 i = 0; i < 4; ++i) {
            amounts[i] = bound(amounts[i], 0, HOLD + 1);
            if (amounts[i] > most) most = amounts[i];
            settle(_terms, amounts[i], false);
        }
        for (uint256 round = 0; round < 3; ++round) {
            IEscrow.Settlement[] memory settlements = new IEscrow.Settlement[](4);
            for (uint256 i = 0; i < 4; ++i) {
                uint256 pick = uint256(keccak256(abi.encode(seed, round, i))) % 4;
                // the last round presents each once, so that none is left out
                if (round == 2) pick = (seed % 4 + i) % 4;
                settlements[i] = signed(voucher(twin, amounts[pick], false), HUB_KEY);
            }
            escrow.settleBatch(settlements);
        }
        // the twin was opened 100 seconds later
        uint256 first = most < 1000 * PER_SECOND ? most : 1000 * PER_SECOND;
        uint256 second = most < 900 * PER_SECOND ? most : 900 * PER_SECOND;
        assertFigures(_terms, HOLD, first, 0);
        assertFigures(twin, HOLD, second, 0);
    }

    function testFuzz_Settle_RefusesAChangedBit(uint256 bit) public {
        IEscrow.Settlement memory settlement = signed(voucher(_terms, 10 * PER_SECOND, false), HUB_KEY);
        bytes memory data = abi.encodeCall(IEscrow.settleBatch, (one(settlement)));
        // past the selector, the array's offset and its length
        uint256 start = 4 + 64;
        bit = bound(bit, 0, (data.length - start) * 8 - 1);
        data[start + bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        // a dirty address, uint64 or bool makes the call revert; anything else skips the item
        (bool ok,) = address(escrow).call(data);
        assertFigures(_terms, HOLD, 0, 0);
        assertEq(escrow.balanceOf(provider), 0, ok ? "skipped" : "reverted");
    }

    function one(IEscrow.Settlement memory settlement) private pure returns (IEscrow.Settlement[] memory list) {
        list = new IEscrow.Settlement[](1);
        list[0] = settlement;
    }
}
