// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IRaceBonds} from "../../src/interfaces/IRaceBonds.sol";
import {RaceFixture} from "./RaceFixture.sol";

contract RaceClaimsTest is RaceFixture {
    // ------------------------------------------------------------------------------------------------ claim

    function test_RevertWhen_NothingIsLocked() public {
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = takeOver();
        expectClaimReverts(won, took, IRaceBonds.NotLocked.selector);
        bytes32 race = races.raceOf(hub, NAMESPACE, JOB, 1, 1);
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.forfeit(race);
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.release(race);
    }

    function test_RevertWhen_ClaimingTwice() public {
        lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = takeOver();
        claim(won, took);
        expectClaimReverts(won, took, IRaceBonds.NotLocked.selector);
    }

    function test_RevertWhen_ClaimingTooLate() public {
        bytes32 race = lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = takeOver();
        vm.warp(races.lockOf(race).until + 1);
        expectClaimReverts(won, took, IRaceBonds.WrongTime.selector);
        vm.warp(races.lockOf(race).until);
        claim(won, took);
    }

    function test_RevertWhen_TheWinnersLeaseIsAnother() public {
        lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = takeOver();
        IEscrow.LeaseTerms memory wrong = copyOf(won);
        wrong.provider = second;
        expectClaimReverts(wrong, took, IRaceBonds.WrongLease.selector);
        wrong = copyOf(won);
        wrong.attempt = 0;
        expectClaimReverts(wrong, took, IRaceBonds.WrongLease.selector);
        wrong = copyOf(won);
        wrong.jobId = "another";
        expectClaimReverts(wrong, took, IRaceBonds.WrongLease.selector);
        wrong = copyOf(won);
        wrong.rate += 1;
        // the right race, but there is no such lease
        expectClaimReverts(wrong, took, IRaceBonds.WinnerDidNotFail.selector);
    }

    function test_RevertWhen_TheRunnerUpsLeaseIsAnother() public {
        lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = takeOver();
        for (uint256 i = 0; i < 6; ++i) {
            IEscrow.LeaseTerms memory wrong = copyOf(took);
            if (i == 0) wrong.payer = other;
            if (i == 1) wrong.attempt = 1;
            if (i == 2) wrong.generation = 2;
            if (i == 3) wrong.jobId = "another";
            if (i == 4) wrong.namespaceId = "another";
            if (i == 5) wrong.hubKey = other;
            expectClaimReverts(won, wrong, IRaceBonds.WrongLease.selector);
        }
        // the lease of somebody else than who promised
        IRaceBonds.Readiness memory pledge = readinessOf(other, 1);
        bytes memory signature = signReadiness(pledge, OTHER_KEY);
        vm.expectRevert(IRaceBonds.WrongLease.selector);
        races.claim(pledge, signature, won, took);
    }

    function test_RevertWhen_TheWinnersLeaseIsOpen() public {
        lock();
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        vm.warp(block.timestamp + START_WITHIN);
        IEscrow.LeaseTerms memory took = takeOver();
        expectClaimReverts(won, took, IRaceBonds.WinnerDidNotFail.selector);
        startClosing(payer, won);
        expectClaimReverts(won, took, IRaceBonds.WinnerDidNotFail.selector);
        settle(won, 0, true);
        claim(won, took);
    }

    function test_RevertWhen_TheWinnerWasPaid() public {
        lock();
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        vm.warp(block.timestamp + START_WITHIN);
        settle(won, 1, true);
        IEscrow.LeaseTerms memory took = takeOver();
        expectClaimReverts(won, took, IRaceBonds.WinnerDidNotFail.selector);
    }

    function test_RevertWhen_TheWinnerHadNoTime() public {
        lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN - 1);
        vm.warp(block.timestamp + 1);
        IEscrow.LeaseTerms memory took = takeOver();
        expectClaimReverts(won, took, IRaceBonds.WinnerDidNotFail.selector);
    }

    function test_RevertWhen_TheLeaseIsOlderThanTheLock() public {
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        vm.warp(block.timestamp + 1);
        lock();
        vm.warp(block.timestamp + START_WITHIN);
        settle(won, 0, true);
        IEscrow.LeaseTerms memory took = takeOver();
        expectClaimReverts(won, took, IRaceBonds.WinnerDidNotFail.selector);
    }

    function test_RevertWhen_TheRunnerUpDidNothing() public {
        lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = termsFor(SECOND_KEY, 2);
        expectClaimReverts(won, took, IRaceBonds.RunnerUpDidNotRun.selector);
        openFor(SECOND_KEY, 2);
        expectClaimReverts(won, took, IRaceBonds.RunnerUpDidNotRun.selector);
        vm.warp(block.timestamp + 1);
        settle(took, 1, false);
        claim(won, took);
    }

    function test_RevertWhen_TheRunnerUpRanBeside() public {
        lock();
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        vm.warp(block.timestamp + START_WITHIN - 1);
        IEscrow.LeaseTerms memory took = openFor(SECOND_KEY, 2);
        vm.warp(block.timestamp + 1);
        settle(won, 0, true);
        settle(took, 1, false);
        expectClaimReverts(won, took, IRaceBonds.RunnerUpDidNotRun.selector);
    }

    function test_RevertWhen_TheRunnerUpsPromiseWasOver() public {
        IRaceBonds.Readiness memory pledge = readinessOf(second, 1);
        pledge.validUntil = uint64(block.timestamp + 1);
        bytes memory signature = signReadiness(pledge, SECOND_KEY);
        vm.warp(block.timestamp + 2);
        lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = takeOver();
        vm.expectRevert(IRaceBonds.ReadinessExpired.selector);
        races.claim(pledge, signature, won, took);
    }

    function test_RevertWhen_TheRunnerUpDidNotPromise() public {
        lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = takeOver();
        IRaceBonds.Readiness memory pledge = readinessOf(second, 1);
        bytes memory signature = signReadiness(pledge, WINNER_KEY);
        vm.expectRevert(IRaceBonds.BadSignature.selector);
        races.claim(pledge, signature, won, took);
        // nor is a promise for another attempt one for this race
        pledge = readinessOf(second, 2);
        signature = signReadiness(pledge, SECOND_KEY);
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.claim(pledge, signature, won, took);
    }

    function test_Claim_ThePromiseNeedsToHoldAtTheLockOnly() public {
        IRaceBonds.Readiness memory pledge = readinessOf(second, 1);
        pledge.validUntil = uint64(block.timestamp);
        bytes memory signature = signReadiness(pledge, SECOND_KEY);
        bytes32 race = lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = takeOver();
        vm.prank(second);
        races.cancel();
        uint256 until = block.timestamp + CHALLENGE;
        vm.expectEmit(address(races));
        emit IRaceBonds.Claimed(race, second, until);
        races.claim(pledge, signature, won, took);
        assertRace(race, IRaceBonds.State.Claimed);
        assertEq(races.lockOf(race).claimant, second, "claimant");
        assertEq(races.lockOf(race).until, until, "until");
        assertCapital(CAPITAL - RACE_BOND, CAPITAL);
    }

    /// @dev Nothing on the chain says when something was signed. What the bond rests on is that the winner failed and who took over.
    function test_Claim_ThePromiseMayBeSignedAfterTheRace() public {
        bytes32 race = lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = takeOver();
        // only now, and for any bond, with no capital: it says that it would have been ready
        vm.prank(second);
        races.withdraw(CAPITAL, second);
        IRaceBonds.Readiness memory pledge = readinessOf(second, 1);
        (pledge.bond, pledge.validUntil) = (type(uint96).max, uint64(block.timestamp));
        bytes memory signature = signReadiness(pledge, SECOND_KEY);
        races.claim(pledge, signature, won, took);
        assertRace(race, IRaceBonds.State.Claimed);
        vm.warp(block.timestamp + CHALLENGE + 1);
        races.forfeit(race);
        assertCapital(CAPITAL - RACE_BOND, RACE_BOND);
    }

    // ----------------------------------------------------------------------------------------- independence

    function expectNotIndependent(uint256 key) private {
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseTerms memory took = openFor(key, 2);
        vm.warp(block.timestamp + 10);
        settle(took, PER_SECOND, false);
        IRaceBonds.Readiness memory pledge = readinessOf(took.provider, 1);
        bytes memory signature = signReadiness(pledge, key);
        vm.expectRevert(IRaceBonds.NotIndependent.selector);
        races.claim(pledge, signature, won, took);
    }

    function test_RevertWhen_TheRunnerUpIsTheWinner() public {
        lock();
        expectNotIndependent(WINNER_KEY);
    }

    function test_RevertWhen_TheRunnerUpIsTheHub() public {
        lock();
        expectNotIndependent(HUB_KEY);
    }

    function test_RevertWhen_TheRunnerUpIsAKeyOfTheHub() public {
        vm.startPrank(hub);
        escrow.appointKey(hub, second, uint64(block.timestamp + 1));
        escrow.retireKey(hub, second);
        vm.stopPrank();
        lock();
        expectNotIndependent(SECOND_KEY);
    }

    function test_RevertWhen_TheRunnerUpIsTheHubsGuardian() public {
        vm.prank(hub);
        escrow.setGuardian(hub, second);
        lock();
        expectNotIndependent(SECOND_KEY);
    }

    function test_RevertWhen_TheRunnerUpIsThePayer() public {
        lock();
        expectNotIndependent(PAYER_KEY);
    }

    function test_RevertWhen_TheyHaveOneOwner() public {
        registerNode(winner, owner, 1, MINIMUM);
        registerNode(second, owner, 1, MINIMUM);
        lock();
        expectNotIndependent(SECOND_KEY);
    }

    function test_RevertWhen_TheRunnerUpOwnsTheWinner() public {
        registerNode(winner, second, 1, MINIMUM);
        lock();
        expectNotIndependent(SECOND_KEY);
    }

    function test_RevertWhen_TheRunnerUpOwnsTheWinnerAndIsOwned() public {
        registerNode(winner, second, 1, MINIMUM);
        registerNode(second, owner, 1, MINIMUM);
        lock();
        expectNotIndependent(SECOND_KEY);
    }

    function test_RevertWhen_TheWinnerOwnsTheRunnerUp() public {
        registerNode(second, winner, 1, MINIMUM);
        lock();
        expectNotIndependent(SECOND_KEY);
    }

    function test_RevertWhen_TheWinnerOwnsTheRunnerUpAndIsOwned() public {
        registerNode(second, winner, 1, MINIMUM);
        registerNode(winner, owner, 1, MINIMUM);
        lock();
        expectNotIndependent(SECOND_KEY);
    }

    function test_RevertWhen_TheHubOrThePayerOwnsTheRunnerUp() public {
        registerNode(second, hub, 1, MINIMUM);
        lock();
        expectNotIndependent(SECOND_KEY);
        uint256 third = 0x3A3;
        registerNode(vm.addr(third), payer, 1, MINIMUM);
        IRaceBonds.Readiness memory pledge = readinessOf(winner, 3);
        lockAs(hub, pledge, WINNER_KEY);
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 3);
        vm.warp(block.timestamp + START_WITHIN);
        settle(won, 0, true);
        IEscrow.LeaseTerms memory took = openFor(third, 4);
        vm.warp(block.timestamp + 10);
        settle(took, PER_SECOND, false);
        pledge = readinessOf(vm.addr(third), 3);
        bytes memory signature = signReadiness(pledge, third);
        vm.expectRevert(IRaceBonds.NotIndependent.selector);
        races.claim(pledge, signature, won, took);
    }

    function test_Claim_OwnersOfTheirOwnAreIndependent() public {
        registerNode(winner, owner, 1, MINIMUM);
        registerNode(second, address(0x0E12), 1, MINIMUM);
        bytes32 race = lock();
        claim(failAfter(START_WITHIN), takeOver());
        assertRace(race, IRaceBonds.State.Claimed);
    }

    // ---------------------------------------------------------------------------------------------- forfeit

    function test_RevertWhen_ForfeitingTooSoon() public {
        (bytes32 race,) = claimed();
        uint256 until = races.lockOf(race).until;
        vm.warp(until);
        vm.expectRevert(IRaceBonds.WrongTime.selector);
        races.forfeit(race);
        vm.warp(until + 1);
        races.forfeit(race);
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.forfeit(race);
    }

    function test_Forfeit_PaysTheRunnerUp() public {
        (bytes32 race,) = claimed();
        vm.warp(block.timestamp + CHALLENGE + 1);
        vm.expectEmit(address(races));
        emit IRaceBonds.Forfeited(race, winner, second, RACE_BOND);
        vm.prank(other);
        races.forfeit(race);
        assertCapital(CAPITAL - RACE_BOND, CAPITAL + RACE_BOND);
        assertRace(race, IRaceBonds.State.Forfeited);
        vm.prank(second);
        races.withdraw(CAPITAL + RACE_BOND, second);
        assertEq(token.balanceOf(second), CAPITAL + RACE_BOND, "to be had at once");
    }

    function test_RevertWhen_ReleasingWhatIsForfeited() public {
        (bytes32 race, IEscrow.LeaseTerms memory won) = claimed();
        vm.warp(block.timestamp + CHALLENGE + 1);
        races.forfeit(race);
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.releaseByPayment(won);
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.release(race);
        IEscrow.Settlement memory word = signed(voucher(won, 1, false), HUB_KEY);
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.releaseByVoucher(word);
    }

    // ------------------------------------------------------------------------------------------- adversaries

    /// @dev A lying hub lets the winner work, gives it a voucher, and closes its lease for nothing.
    function test_LyingHub_OneVoucherIsEnough() public {
        bytes32 race = lock();
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        vm.warp(block.timestamp + START_WITHIN);
        IEscrow.Settlement memory word = signed(voucher(won, 1, false), HUB_KEY);
        settle(won, 0, true);
        claim(won, takeOver());
        vm.expectRevert(IRaceBonds.ShowsNoWork.selector);
        races.releaseByPayment(won);
        races.releaseByVoucher(word);
        assertCapital(CAPITAL, CAPITAL);
        vm.warp(block.timestamp + CHALLENGE + 1);
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.forfeit(race);
    }

    /// @dev A lying hub with a runner-up of its own gives the winner nothing at all: it takes one bond for the race, reached
    /// here, and no second however it goes on.
    function test_LyingHub_CostsAtMostOneBondARace() public {
        (bytes32 race, IEscrow.LeaseTerms memory won) = claimed();
        vm.warp(block.timestamp + CHALLENGE + 1);
        races.forfeit(race);
        assertCapital(CAPITAL - RACE_BOND, CAPITAL + RACE_BOND);
        expectLockReverts(readinessOf(winner, 1), WINNER_KEY, IRaceBonds.RaceExists.selector);
        IEscrow.LeaseTerms memory took = termsFor(SECOND_KEY, 2);
        expectClaimReverts(won, took, IRaceBonds.NotLocked.selector);
        // another race needs another promise of the winner's
        IRaceBonds.Readiness memory pledge = readinessOf(winner, 2);
        bytes memory old = signReadiness(readinessOf(winner, 1), WINNER_KEY);
        vm.expectRevert(IRaceBonds.BadSignature.selector);
        vm.prank(hub);
        races.lock(pledge, old);
    }

    /// @dev A winner that didn't start closes its lease itself, to have ended before its time: the notice counts.
    function test_Dodging_ByClosingFails() public {
        IRaceBonds.Readiness memory pledge = readinessOf(winner, 1);
        pledge.startWithin = uint32(NOTICE);
        bytes32 race = lockAs(hub, pledge, WINNER_KEY);
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        startClosing(winner, won);
        vm.warp(block.timestamp + NOTICE + 5);
        settle(won, 0, true);
        claim(won, takeOver());
        assertRace(race, IRaceBonds.State.Claimed);
    }

    /// @dev A winner that didn't start claims in the escrow: the hub's final word voids it.
    function test_Dodging_ByAClaimFails() public {
        bytes32 race = lock();
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        vm.warp(block.timestamp + START_WITHIN);
        vm.prank(winner);
        escrow.claim(won, HOLD);
        vm.expectRevert(IRaceBonds.ShowsNoWork.selector);
        races.releaseByPayment(won);
        settle(won, 0, true);
        claim(won, takeOver());
        assertRace(race, IRaceBonds.State.Claimed);
    }

    /// @dev A hub restored from a backup begins a new generation: that the first lease came to nothing isn't the winner's fault.
    function test_Restore_ForfeitsNothing() public {
        lock();
        IEscrow.LeaseTerms memory won = failAfter(START_WITHIN);
        IEscrow.LeaseRequest memory request = requestFor(2);
        request.generation = 2;
        IEscrow.LeaseTerms memory took = openFor(SECOND_KEY, request);
        vm.warp(block.timestamp + 10);
        settle(took, PER_SECOND, false);
        expectClaimReverts(won, took, IRaceBonds.WrongLease.selector);
    }

    function test_SilentHub_LocksForABoundedTime() public {
        bytes32 race = lock();
        openFor(WINNER_KEY, 1);
        vm.warp(block.timestamp + LOCK_TIME + 1);
        vm.prank(winner);
        races.release(race);
        assertCapital(CAPITAL, CAPITAL);
    }

    // ------------------------------------------------------------------------------------------------- fuzz

    /// @dev Whatever the times: the bond is forfeited if and only if the winner had its time and was paid nothing, and the
    /// runner-up began after that and was paid.
    function testFuzz_Claim_OnlyOnTheFacts(uint256 ran, uint256 wait, uint256 wonPaid, uint256 tookPaid) public {
        bytes32 race = lock();
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        uint256 startsBy = block.timestamp + START_WITHIN;
        ran = bound(ran, START_WITHIN - 3, START_WITHIN + 3);
        wonPaid = wonPaid % 3 == 0 ? 1 : 0;
        tookPaid = tookPaid % 3 == 0 ? 0 : 1;
        vm.warp(block.timestamp + ran);
        settle(won, wonPaid, true);
        vm.warp(block.timestamp + bound(wait, 0, 4));
        bool facts = ran >= START_WITHIN && wonPaid == 0 && tookPaid == 1 && block.timestamp >= startsBy;
        IEscrow.LeaseTerms memory took = openFor(SECOND_KEY, 2);
        vm.warp(block.timestamp + 1);
        settle(took, tookPaid, false);
        IRaceBonds.Readiness memory pledge = readinessOf(second, 1);
        bytes memory signature = signReadiness(pledge, SECOND_KEY);
        if (!facts) vm.expectRevert();
        races.claim(pledge, signature, won, took);
        assertRace(race, facts ? IRaceBonds.State.Claimed : IRaceBonds.State.Locked);
    }
}
