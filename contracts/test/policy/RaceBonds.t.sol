// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {IRaceBonds} from "../../src/interfaces/IRaceBonds.sol";
import {RaceBonds} from "../../src/policy/RaceBonds.sol";
import {FalseToken, FeeToken, LyingToken, ReentrantToken} from "../mocks/Tokens.sol";
import {OwnedWallet} from "../mocks/Wallets.sol";
import {RaceFixture} from "./RaceFixture.sol";

contract RaceBondsTest is RaceFixture {
    // ------------------------------------------------------------------------------------------ constructor

    function make(address token_, address escrow_, address registry_, uint256 lockTime, uint256 challenge)
        external
        returns (RaceBonds)
    {
        return new RaceBonds(token_, escrow_, registry_, lockTime, challenge);
    }

    function test_RevertWhen_AnAddressIsBad() public {
        vm.expectRevert(IRaceBonds.ZeroAddress.selector);
        this.make(address(0xDEAD), address(escrow), address(registry), 1 days, 1 days);
        vm.expectRevert(IRaceBonds.ZeroAddress.selector);
        this.make(address(token), address(0xDEAD), address(registry), 1 days, 1 days);
        vm.expectRevert(IRaceBonds.ZeroAddress.selector);
        this.make(address(token), address(escrow), address(0xDEAD), 1 days, 1 days);
    }

    function expectBadTimes(uint256 lockTime, uint256 challenge) private {
        vm.expectRevert(IRaceBonds.BadParameter.selector);
        this.make(address(token), address(escrow), address(registry), lockTime, challenge);
    }

    function test_RevertWhen_ATimeIsBad() public {
        expectBadTimes(1 hours - 1, 1 days);
        expectBadTimes(30 days + 1, 1 days);
        expectBadTimes(1 days, 1 hours - 1);
        expectBadTimes(1 days, 30 days + 1);
        this.make(address(token), address(escrow), address(registry), 1 hours, 30 days);
        this.make(address(token), address(escrow), address(registry), 30 days, 1 hours);
    }

    function test_Constructor_KeepsAll() public view {
        assertEq(races.TOKEN(), address(token), "token");
        assertEq(address(races.ESCROW()), address(escrow), "escrow");
        assertEq(address(races.REGISTRY()), address(registry), "registry");
        assertEq(races.LOCK_TIME(), LOCK_TIME, "lock");
        assertEq(races.CHALLENGE(), CHALLENGE, "challenge");
        assertEq(races.MAX_START(), NOTICE, "start");
    }

    // --------------------------------------------------------------------------------- deposit and withdraw

    function test_RevertWhen_DepositingBadly() public {
        vm.expectRevert(IRaceBonds.ZeroAddress.selector);
        races.deposit(address(0), 1);
        vm.expectRevert(IRaceBonds.BadAmount.selector);
        races.deposit(winner, 0);
        vm.expectRevert();
        vm.prank(other);
        races.deposit(winner, 1);
    }

    function test_Deposit_AddsToTheCapital() public {
        vm.expectEmit(address(races));
        emit IRaceBonds.Deposited(winner, address(this), 5);
        races.deposit(winner, 5);
        assertCapital(CAPITAL + 5, CAPITAL);
        assertEq(token.balanceOf(address(races)), 2 * CAPITAL + 5, "held");
    }

    function test_RevertWhen_WithdrawingBadly() public {
        vm.startPrank(winner);
        vm.expectRevert(IRaceBonds.ZeroAddress.selector);
        races.withdraw(1, address(0));
        vm.expectRevert(IRaceBonds.ZeroAddress.selector);
        races.withdraw(1, address(races));
        vm.expectRevert(IRaceBonds.BadAmount.selector);
        races.withdraw(0, winner);
        vm.expectRevert(IRaceBonds.BadAmount.selector);
        races.withdraw(CAPITAL + 1, winner);
        vm.stopPrank();
    }

    function test_Withdraw_WhatIsNotLockedAtOnce() public {
        lock();
        vm.startPrank(winner);
        vm.expectRevert(IRaceBonds.BadAmount.selector);
        races.withdraw(CAPITAL - RACE_BOND + 1, winner);
        vm.expectEmit(address(races));
        emit IRaceBonds.Withdrawn(winner, address(0xCA5), CAPITAL - RACE_BOND);
        races.withdraw(CAPITAL - RACE_BOND, address(0xCA5));
        vm.stopPrank();
        assertEq(token.balanceOf(address(0xCA5)), CAPITAL - RACE_BOND, "out");
        assertCapital(0, CAPITAL);
    }

    /// @dev A hub chooses no winner before the bond is locked, so who left costs it a refused call and nobody anything.
    function test_Withdraw_AfterSigningIsRefusedAtTheLock() public {
        IRaceBonds.Readiness memory pledge = readinessOf(winner, 1);
        bytes memory signature = signReadiness(pledge, WINNER_KEY);
        vm.prank(winner);
        races.withdraw(CAPITAL - RACE_BOND + 1, winner);
        vm.expectRevert(IRaceBonds.CapitalTooSmall.selector);
        vm.prank(hub);
        races.lock(pledge, signature);
        // and the race is the next one's
        assertRace(lockAs(hub, readinessOf(second, 1), SECOND_KEY), IRaceBonds.State.Locked);
    }

    // ------------------------------------------------------------------------------------------------- lock

    function test_RevertWhen_TheCallerIsNotTheHub() public {
        IRaceBonds.Readiness memory pledge = readinessOf(winner, 1);
        bytes memory signature = signReadiness(pledge, WINNER_KEY);
        address[3] memory callers = [other, winner, payer];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IRaceBonds.NotHubKey.selector);
            vm.prank(callers[i]);
            races.lock(pledge, signature);
        }
        vm.prank(hub);
        escrow.appointKey(hub, other, uint64(block.timestamp + 1 hours));
        vm.warp(block.timestamp + 1 hours);
        vm.expectRevert(IRaceBonds.NotHubKey.selector);
        vm.prank(other);
        races.lock(pledge, signature);
    }

    function test_RevertWhen_ThePromiseIsExpired() public {
        IRaceBonds.Readiness memory pledge = readinessOf(winner, 1);
        pledge.validUntil = uint64(block.timestamp - 1);
        expectLockReverts(pledge, WINNER_KEY, IRaceBonds.ReadinessExpired.selector);
        pledge.validUntil = uint64(block.timestamp);
        lockAs(hub, pledge, WINNER_KEY);
    }

    function test_RevertWhen_ThePromiseIsCancelled() public {
        IRaceBonds.Readiness memory pledge = readinessOf(winner, 1);
        vm.expectEmit(address(races));
        emit IRaceBonds.Cancelled(winner, 1);
        vm.prank(winner);
        assertEq(races.cancel(), 1, "nonce");
        expectLockReverts(pledge, WINNER_KEY, IRaceBonds.ReadinessCancelled.selector);
        pledge.nonce = 2;
        expectLockReverts(pledge, WINNER_KEY, IRaceBonds.ReadinessCancelled.selector);
        pledge.nonce = 1;
        lockAs(hub, pledge, WINNER_KEY);
    }

    function test_RevertWhen_ThePromiseIsBad() public {
        IRaceBonds.Readiness memory pledge = readinessOf(winner, 1);
        pledge.startWithin = 0;
        expectLockReverts(pledge, WINNER_KEY, IRaceBonds.BadReadiness.selector);
        pledge.startWithin = uint32(NOTICE + 1);
        expectLockReverts(pledge, WINNER_KEY, IRaceBonds.BadReadiness.selector);
        pledge.startWithin = uint32(NOTICE);
        pledge.bond = 0;
        expectLockReverts(pledge, WINNER_KEY, IRaceBonds.BadReadiness.selector);
        pledge.bond = 2 ** 96;
        expectLockReverts(pledge, WINNER_KEY, IRaceBonds.BadReadiness.selector);
        pledge.bond = 2 ** 96 - 1;
        expectLockReverts(pledge, WINNER_KEY, IRaceBonds.CapitalTooSmall.selector);
        pledge.bond = CAPITAL + 1;
        expectLockReverts(pledge, WINNER_KEY, IRaceBonds.CapitalTooSmall.selector);
        pledge.bond = CAPITAL;
        lockAs(hub, pledge, WINNER_KEY);
        assertCapital(0, CAPITAL);
    }

    function test_RevertWhen_TheProviderDidNotSign() public {
        expectLockReverts(readinessOf(winner, 1), SECOND_KEY, IRaceBonds.BadSignature.selector);
        IRaceBonds.Readiness memory pledge = readinessOf(winner, 1);
        bytes memory signature = signReadiness(pledge, WINNER_KEY);
        vm.chainId(31338);
        vm.expectRevert(IRaceBonds.BadSignature.selector);
        vm.prank(hub);
        races.lock(pledge, signature);
    }

    function testFuzz_Lock_AnyChangedFieldInvalidatesIt(uint256 field, uint64 by) public {
        IRaceBonds.Readiness memory pledge = readinessOf(winner, 1);
        bytes memory signature = signReadiness(pledge, WINNER_KEY);
        by = uint64(bound(by, 1, 500));
        field = field % 6;
        if (field == 0) pledge.jobId = bytes32(uint256(pledge.jobId) ^ by);
        if (field == 1) pledge.generation += by;
        if (field == 2) pledge.attempt += by;
        if (field == 3) pledge.bond += by;
        if (field == 4) pledge.startWithin += uint32(by);
        if (field == 5) pledge.validUntil += by;
        vm.expectRevert(IRaceBonds.BadSignature.selector);
        vm.prank(hub);
        races.lock(pledge, signature);
    }

    function test_RevertWhen_TheRaceHasAWinner() public {
        bytes32 race = lock();
        expectLockReverts(readinessOf(second, 1), SECOND_KEY, IRaceBonds.RaceExists.selector);
        expectLockReverts(readinessOf(winner, 1), WINNER_KEY, IRaceBonds.RaceExists.selector);
        vm.prank(hub);
        races.release(race);
        expectLockReverts(readinessOf(winner, 1), WINNER_KEY, IRaceBonds.RaceExists.selector);
    }

    function test_Lock_LocksTheBond() public {
        bytes32 race = races.raceOf(hub, NAMESPACE, JOB, 1, 1);
        vm.expectEmit(address(races));
        emit IRaceBonds.Locked(race, winner, hub, RACE_BOND, block.timestamp + LOCK_TIME);
        assertEq(lock(), race, "named");
        IRaceBonds.Lock memory made = races.lockOf(race);
        assertEq(made.provider, winner, "provider");
        assertEq(made.bond, RACE_BOND, "bond");
        assertEq(made.claimant, address(0), "nobody claims it");
        assertEq(made.lockedAt, block.timestamp, "at");
        assertEq(made.until, block.timestamp + LOCK_TIME, "until");
        assertEq(made.startWithin, START_WITHIN, "start");
        assertEq(made.hubKey, hub, "hub");
        assertRace(race, IRaceBonds.State.Locked);
        assertCapital(CAPITAL - RACE_BOND, CAPITAL);
    }

    function test_Lock_ByASessionKeyAndOfAContract() public {
        address wallet = address(new OwnedWallet(other));
        races.deposit(wallet, CAPITAL);
        vm.prank(hub);
        escrow.appointKey(hub, other, uint64(block.timestamp + 1 hours));
        lockAs(other, readinessOf(wallet, 1), OTHER_KEY);
        assertEq(races.capitalOf(wallet), CAPITAL - RACE_BOND, "by ERC-1271");
    }

    function test_Lock_AsManyAsTheCapitalIsGoodFor() public {
        for (uint64 i = 1; i <= 5; ++i) {
            lockAs(hub, readinessOf(winner, i), WINNER_KEY);
        }
        expectLockReverts(readinessOf(winner, 6), WINNER_KEY, IRaceBonds.CapitalTooSmall.selector);
    }

    // ---------------------------------------------------------------------------------------------- release

    function test_RevertWhen_ReleasingTooSoon() public {
        bytes32 race = lock();
        vm.warp(races.lockOf(race).until);
        vm.expectRevert(IRaceBonds.WrongTime.selector);
        vm.prank(winner);
        races.release(race);
        vm.warp(races.lockOf(race).until + 1);
        vm.expectEmit(address(races));
        emit IRaceBonds.Released(race, winner, RACE_BOND);
        vm.prank(other);
        races.release(race);
        assertCapital(CAPITAL, CAPITAL);
        assertRace(race, IRaceBonds.State.Released);
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.release(race);
    }

    function test_Release_ByTheHubAtOnce() public {
        bytes32 race = lock();
        vm.prank(hub);
        races.release(race);
        assertCapital(CAPITAL, CAPITAL);
    }

    function test_RevertWhen_TheHubReleasesAClaimedOne() public {
        (bytes32 race,) = claimed();
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        vm.prank(hub);
        races.release(race);
    }

    function test_RevertWhen_ThePaymentIsNone() public {
        lock();
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        vm.expectRevert(IRaceBonds.ShowsNoWork.selector);
        races.releaseByPayment(won);
        IEscrow.LeaseTerms memory took = takeOver();
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.releaseByPayment(took);
        took.attempt = 1;
        vm.expectRevert(IRaceBonds.WrongLease.selector);
        races.releaseByPayment(took);
    }

    function test_ReleaseByPayment_AtOnce() public {
        bytes32 race = lock();
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        vm.warp(block.timestamp + 1);
        settle(won, 1, false);
        vm.prank(other);
        races.releaseByPayment(won);
        assertCapital(CAPITAL, CAPITAL);
        assertRace(race, IRaceBonds.State.Released);
    }

    /// @dev A hub that opens two leases for one attempt, and shows the one that did nothing: the other meets the claim.
    function test_ReleaseByPayment_MeetsAClaim() public {
        bytes32 race = lock();
        IEscrow.LeaseTerms memory real = openFor(WINNER_KEY, 1);
        IEscrow.LeaseRequest memory request = requestFor(1);
        request.rate -= 1;
        IEscrow.LeaseTerms memory decoy = openFor(WINNER_KEY, request);
        vm.warp(block.timestamp + START_WITHIN);
        settle(decoy, 0, true);
        claim(decoy, takeOver());
        settle(real, 1, false);
        races.releaseByPayment(real);
        assertCapital(CAPITAL, CAPITAL);
        assertRace(race, IRaceBonds.State.Released);
    }

    function expectNoWord(IEscrow.Settlement memory word) private {
        vm.expectRevert(IRaceBonds.ShowsNoWork.selector);
        races.releaseByVoucher(word);
    }

    function test_RevertWhen_TheVoucherIsNone() public {
        lock();
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        expectNoWord(signed(voucher(won, 0, true), HUB_KEY));
        expectNoWord(signed(voucher(won, 1, false), OTHER_KEY));
        IEscrow.Settlement memory word = signed(voucher(won, 1, false), HUB_KEY);
        word.cumulativeAmount = 2;
        expectNoWord(word);
        word = voucher(won, 1, false);
        expectNoWord(word);
        word = signed(voucher(termsFor(SECOND_KEY, 1), 1, false), HUB_KEY);
        vm.expectRevert(IRaceBonds.WrongLease.selector);
        races.releaseByVoucher(word);
        word = signed(voucher(termsFor(WINNER_KEY, 2), 1, false), HUB_KEY);
        vm.expectRevert(IRaceBonds.NotLocked.selector);
        races.releaseByVoucher(word);
    }

    function test_ReleaseByVoucher_ByAnyKeyOfTheHub() public {
        vm.prank(hub);
        escrow.appointKey(hub, other, uint64(block.timestamp + 1 hours));
        bytes32 race = lock();
        IEscrow.LeaseTerms memory won = openFor(WINNER_KEY, 1);
        IEscrow.Settlement memory word = signed(voucher(won, 1, false), OTHER_KEY);
        vm.prank(hub);
        escrow.retireKey(hub, other);
        races.releaseByVoucher(word);
        assertRace(race, IRaceBonds.State.Released);
    }

    // ---------------------------------------------------------------------------------------------- tokens

    function withToken(address token_) private returns (RaceBonds) {
        return new RaceBonds(token_, address(escrow), address(registry), LOCK_TIME, CHALLENGE);
    }

    function test_RevertWhen_ATransferFallsShort() public {
        FeeToken fee = new FeeToken();
        RaceBonds made = withToken(address(fee));
        fee.approve(address(made), 1e18);
        vm.expectRevert(IRaceBonds.TransferMismatch.selector);
        made.deposit(winner, 1e18);
        made = withToken(address(new LyingToken()));
        vm.expectRevert(IRaceBonds.TransferMismatch.selector);
        made.deposit(winner, 1e18);
    }

    function test_RevertWhen_ATokenReturnsFalse() public {
        FalseToken no = new FalseToken();
        RaceBonds made = withToken(address(no));
        no.approve(address(made), 2e18);
        made.deposit(address(this), 1e18);
        no.refuse(true);
        vm.expectRevert();
        made.deposit(address(this), 1e18);
        vm.expectRevert();
        made.withdraw(1e18, other);
        assertEq(made.capitalOf(address(this)), 1e18, "it is there still");
    }

    function test_Callback_GainsNothing() public {
        ReentrantToken evil = new ReentrantToken();
        RaceBonds made = withToken(address(evil));
        evil.approve(address(made), 100e18);
        made.deposit(address(evil), 1e18);
        made.deposit(winner, 5e18);
        evil.attack(address(made), abi.encodeCall(made.withdraw, (1e18, address(evil))));
        evil.act(address(made), abi.encodeCall(made.withdraw, (1e18, address(evil))));
        assertTrue(!evil.succeeded(), "it is out once");
        assertEq(evil.balanceOf(address(made)), 5e18, "the other's is there");
        made.deposit(address(evil), 1e18);
        evil.attack(address(made), abi.encodeCall(made.withdraw, (1e18, address(evil))));
        vm.expectRevert(IRaceBonds.TransferMismatch.selector);
        made.deposit(winner, 1e18);
    }
}
