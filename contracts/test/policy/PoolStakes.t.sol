// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMiningPool} from "../../src/interfaces/IMiningPool.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {PoolFixture} from "./PoolFixture.sol";

contract PoolStakesTest is PoolFixture {
    function setUp() public override {
        super.setUp();
        joinAs(0, 1, 1000e18);
        joinAs(1, 2, 3000e18);
        clearOfWeighing();
    }

    /// @dev To a time when no epoch is to be weighed.
    function clearOfWeighing() private {
        uint256 epoch = emission.epochAt(block.timestamp);
        if (epoch != 0) warpToEnd(epoch - 1, 2 * PHASE);
    }

    function thaw() private {
        vm.warp(registry.account(address(pool)).thawsAt);
    }

    /// @dev Through a round: started, thawed and finished.
    function wholeRound() private returns (uint256 round) {
        round = pool.round();
        clearOfWeighing();
        pool.startRound();
        thaw();
        pool.finishRound();
    }

    function registryHas() private view returns (uint256) {
        return registry.slashable(address(pool));
    }

    // ---------------------------------------------------------------------------------------------- staking

    function test_Stake_IsCounted() public {
        assertEq(pool.stakeOf(memberAt(0)), 1000e18, "first");
        assertEq(pool.stakeOf(memberAt(1)), 3000e18, "second");
        assertEq(registryHas(), 4000e18, "the registry's");
        assertEq(pool.totalShares(), 4000e18, "a share is a wei");
        joinAs(0, 0, 5);
        assertEq(pool.stakeOf(memberAt(0)), 1000e18 + 5, "more");
    }

    function test_Stake_GiftsAreNobodys() public {
        give(STRANGER, address(registry), 500e18);
        vm.prank(STRANGER);
        registry.addStake(address(pool), 500e18);
        assertEq(pool.stakeOf(memberAt(0)), 1000e18, "as before");
        joinAs(2, 1, 1000e18);
        assertEq(pool.stakeOf(memberAt(2)), 1000e18, "as much as was brought");
        slash(500e18);
        assertEq(pool.stakeOf(memberAt(1)), 3000e18, "and bear losses first");
        slash(500e18);
        assertEq(pool.stakeOf(memberAt(1)), 2700e18, "before all others");
    }

    function test_Stake_AGiftAfterALossMakesItGood() public {
        slash(400e18);
        assertEq(pool.stakeOf(memberAt(0)), 900e18, "lost");
        give(STRANGER, address(registry), 500e18);
        vm.prank(STRANGER);
        registry.addStake(address(pool), 500e18);
        assertEq(pool.stakeOf(memberAt(0)), 1000e18, "made good while nothing had written it down, and no more");
        slash(500e18);
        joinAs(2, 0, 1); // writes it down
        vm.prank(STRANGER);
        token.approve(address(registry), 500e18);
        assertTrue(token.transfer(STRANGER, 500e18), "more");
        vm.prank(STRANGER);
        registry.addStake(address(pool), 500e18);
        assertEq(pool.stakeOf(memberAt(0)), 900e18, "what is written stays");
    }

    function test_Stake_AGiftBeforeAnybodyIsIn() public {
        for (uint256 i = 0; i < 2; ++i) {
            for (uint256 j = 0; j < 1 + i; ++j) {
                remove(i, idOf(i, j));
            }
            exit(i, type(uint256).max);
        }
        uint256 round = wholeRound();
        pool.takeExit(memberAt(0), round);
        pool.takeExit(memberAt(1), round);
        assertEq(pool.totalShares(), 0, "empty");
        // who inflates an empty pool gains nothing of who comes next
        give(STRANGER, address(registry), 500e18);
        vm.prank(STRANGER);
        registry.addStake(address(pool), 500e18);
        joinAs(3, 0, 1);
        joinAs(2, 1, 1000e18);
        assertEq(pool.stakeOf(memberAt(2)), 1000e18, "whole");
        assertEq(pool.stakeOf(memberAt(3)), 1, "and no more");
    }

    // -------------------------------------------------------------------------------------------- requesting

    function test_RequestExit_Queues() public {
        vm.expectEmit(address(pool));
        emit IMiningPool.ExitRequested(memberAt(1), 0, 500e18, 500e18);
        assertEq(exit(1, 500e18), 0, "round");
        assertEq(pool.stakeOf(memberAt(1)), 2500e18, "less");
        assertEq(pool.exitOf(memberAt(1), 0), 500e18, "asked");
        exit(1, 100e18);
        exit(0, 900e18);
        assertEq(pool.exitOf(memberAt(1), 0), 600e18, "more");
        assertEq(pool.rounds(0).shares, 1500e18, "together");
        assertEq(registry.account(address(pool)).thawing, 0, "nothing thaws yet");
    }

    function test_RevertWhen_TheAmountIsBad() public {
        vm.expectRevert(IMiningPool.BadAmount.selector);
        exit(0, 0);
        vm.expectRevert(IMiningPool.BadAmount.selector);
        exit(0, 1000e18 + 1);
        vm.expectRevert(IMiningPool.BadAmount.selector);
        exit(2, type(uint256).max);
    }

    function test_RevertWhen_TheHardwareIsNotCovered() public {
        vm.expectRevert(IMiningPool.StakeTooSmall.selector);
        exit(1, 3000e18 - 2 * MINIMUM + 1);
        exit(1, 3000e18 - 2 * MINIMUM);
        vm.expectRevert(IMiningPool.StakeTooSmall.selector);
        exit(1, type(uint256).max);
        remove(1, idOf(1, 0));
        remove(1, idOf(1, 1));
        exit(1, type(uint256).max);
        assertEq(pool.stakeOf(memberAt(1)), 0, "all");
    }

    // ------------------------------------------------------------------------------------------------ rounds

    function test_Round_PaysWhoLeaves() public {
        exit(1, 1000e18);
        exit(0, 500e18);
        vm.expectEmit(address(pool));
        emit IMiningPool.RoundStarted(0, 1500e18);
        vm.prank(STRANGER);
        pool.startRound();
        assertEq(registry.account(address(pool)).thawing, 1500e18, "thaws");
        thaw();
        vm.expectEmit(address(pool));
        emit IMiningPool.RoundFinished(0, 1500e18, 0);
        vm.prank(STRANGER);
        pool.finishRound();
        vm.prank(STRANGER);
        assertEq(pool.takeExit(memberAt(1), 0), 1000e18, "its part");
        pool.takeExit(memberAt(0), 0);
        assertEq(payOut(0), 500e18, "first");
        assertEq(payOut(1), 1000e18, "second");
        assertEq(token.balanceOf(address(pool)), 0, "nothing remains");
        assertEq(pool.totalShares(), 2500e18, "who stays");
    }

    function test_RevertWhen_TheRoundCannotStart() public {
        vm.expectRevert(IMiningPool.CannotStart.selector);
        pool.startRound();
        exit(0, 1);
        pool.startRound();
        exit(1, 1000e18);
        vm.expectRevert(IMiningPool.CannotStart.selector);
        pool.startRound();
    }

    function test_RevertWhen_NothingThaws() public {
        vm.expectRevert(IMiningPool.NotThawing.selector);
        pool.finishRound();
        exit(0, 1);
        pool.startRound();
        vm.expectRevert(INodeRegistry.StillThawing.selector);
        pool.finishRound();
        vm.expectRevert(IMiningPool.NotThawing.selector);
        pool.takeExit(memberAt(0), 0);
    }

    function test_RevertWhen_ThereIsNothingToTake() public {
        exit(0, 1);
        wholeRound();
        vm.expectRevert(IMiningPool.NothingDue.selector);
        pool.takeExit(memberAt(1), 0);
        pool.takeExit(memberAt(0), 0);
        vm.expectRevert(IMiningPool.NothingDue.selector);
        pool.takeExit(memberAt(0), 0);
    }

    function test_Round_DustDoesNotDelayOthers() public {
        exit(1, 1000e18);
        pool.startRound();
        uint256 thawsAt = registry.account(address(pool)).thawsAt;
        for (uint256 i = 0; i < 20; ++i) {
            vm.warp(block.timestamp + 1 days);
            exit(0, 1);
            (bool ok,) = address(pool).call(abi.encodeCall(IMiningPool.startRound, ()));
            assertTrue(!ok, "only one at a time");
        }
        assertEq(registry.account(address(pool)).thawsAt, thawsAt, "as it was");
        vm.warp(thawsAt);
        pool.finishRound();
        assertEq(pool.takeExit(memberAt(1), 0), 1000e18, "in time");
        assertEq(pool.exitOf(memberAt(0), 1), 20, "the dust goes next");
    }

    function test_Round_WaitsForTheWeighing() public {
        exit(1, 1000e18);
        warpToEnd(0, 0);
        vm.expectRevert(IMiningPool.CannotStart.selector);
        pool.startRound();
        warpToEnd(0, PHASE);
        vm.expectRevert(IMiningPool.CannotStart.selector);
        pool.startRound();
        emission.weigh(address(pool), 0);
        pool.startRound();
    }

    function test_Round_WaitsTwoWindowsAtMost() public {
        exit(1, 1000e18);
        warpToEnd(0, 2 * PHASE - 1);
        vm.expectRevert(IMiningPool.CannotStart.selector);
        pool.startRound();
        warpToEnd(0, 2 * PHASE);
        pool.startRound();
    }

    function test_Round_WaitsWhileACaseIsOpen() public {
        exit(1, 1000e18);
        pool.startRound();
        vm.prank(address(disputes));
        registry.lock(address(pool));
        thaw();
        vm.expectRevert(INodeRegistry.Locked.selector);
        pool.finishRound();
        vm.prank(address(disputes));
        registry.unlock(address(pool));
        pool.finishRound();
        assertEq(pool.takeExit(memberAt(1), 0), 1000e18, "then all");
    }

    // ----------------------------------------------------------------------------------------------- slashing

    function test_Slash_IsSharedByAll() public {
        joinAs(2, 0, 4000e18);
        exit(2, 2000e18); // thaws
        pool.startRound();
        exit(2, 1000e18); // asked back
        slash(800e18); // a tenth of 8000, all of it from what thaws
        assertEq(registry.account(address(pool)).thawing, 1200e18, "as the registry takes it");
        assertEq(pool.stakeOf(memberAt(0)), 900e18, "a tenth");
        assertEq(pool.stakeOf(memberAt(1)), 2700e18, "a tenth");
        assertEq(pool.stakeOf(memberAt(2)), 900e18, "a tenth");
        thaw();
        pool.finishRound();
        // 2000 became 1800, of which 1200 came; the rest is stake again
        assertEq(pool.takeExit(memberAt(2), 0), 1200e18, "what came");
        assertEq(pool.stakeOf(memberAt(2)), 900e18 + 600e18 - 1, "what didn't, rounded down");
        exit(2, type(uint256).max);
        uint256 round = wholeRound();
        assertEq(pool.takeExit(memberAt(2), round), 900e18 + 1500e18 - 1, "all of it");
        assertEq(pool.stakeOf(memberAt(1)), 2700e18, "no more than a tenth");
        assertEq(registryHas(), 3600e18 + 1, "the others'");
    }

    function test_Slash_BeyondWhatThaws() public {
        exit(1, 1000e18);
        pool.startRound();
        slash(2000e18); // half of all
        assertEq(registry.account(address(pool)).thawing, 0, "nothing thaws any more");
        vm.expectEmit(address(pool));
        emit IMiningPool.RoundFinished(0, 0, 1000e18);
        pool.finishRound(); // so there is nothing to wait for
        assertEq(pool.takeExit(memberAt(1), 0), 0, "nothing came");
        assertEq(pool.stakeOf(memberAt(1)), 1500e18, "half of it is still there");
        assertEq(pool.stakeOf(memberAt(0)), 500e18, "and half of the others'");
    }

    function test_Slash_BelowTheMinimumStillLetsOut() public {
        slash(3900e18);
        assertEq(pool.stakeOf(memberAt(0)), 25e18, "below the minimum");
        vm.expectRevert(IMiningPool.StakeTooSmall.selector);
        exit(0, 1);
        vm.expectRevert(IMiningPool.StakeTooSmall.selector);
        joinHardware(0, 7, 10e18);
        remove(0, idOf(0, 0));
        exit(0, type(uint256).max);
        uint256 round = wholeRound();
        assertEq(pool.takeExit(memberAt(0), round), 25e18, "out with what is left");
    }

    function joinHardware(uint256 i, uint256 which, uint256 amount) private {
        vm.prank(memberAt(i));
        pool.join(one(idOf(i, which)), amount);
    }

    function test_Slash_LatecomersBearNoneOfWhatWas() public {
        slash(1000e18);
        joinAs(2, 1, 3000e18);
        assertEq(pool.stakeOf(memberAt(2)), 3000e18, "whole");
        assertEq(pool.stakeOf(memberAt(1)), 2250e18, "three quarters");
        slash(600e18);
        assertEq(pool.stakeOf(memberAt(2)), 2700e18, "a tenth of what came after");
        assertEq(pool.stakeOf(memberAt(1)), 2025e18, "a tenth");
    }

    function test_Slash_OfAllRuinsThePool() public {
        exit(1, 1000e18);
        pool.startRound();
        exit(1, 500e18);
        slash(4000e18);
        assertEq(pool.stakeOf(memberAt(0)), 0, "nothing");
        pool.finishRound();
        assertEq(pool.takeExit(memberAt(1), 0), 0, "nothing");
        clearOfWeighing();
        vm.expectEmit(address(pool));
        emit IMiningPool.RoundFinished(1, 0, 0);
        pool.startRound();
        vm.expectRevert(IMiningPool.Ruined.selector);
        joinAs(2, 1, 1000e18);
        remove(0, idOf(0, 0)); // hardware gets out of a ruin, too
        assertEq(registry.account(address(pool)).devices, 2, "two are left");
    }

    function test_Slash_AnEmptyPoolBeginsAnew() public {
        slash(1000e18);
        for (uint256 i = 0; i < 2; ++i) {
            for (uint256 j = 0; j < 1 + i; ++j) {
                remove(i, idOf(i, j));
            }
            exit(i, type(uint256).max);
        }
        uint256 round = wholeRound();
        assertEq(pool.takeExit(memberAt(0), round), 750e18, "three quarters");
        assertEq(pool.takeExit(memberAt(1), round), 2250e18, "three quarters");
        joinAs(2, 1, 100e18);
        assertEq(pool.index(), 1e27, "a share is a wei again");
        assertEq(pool.totalShares(), 100e18, "shares");
    }

    // ----------------------------------------------------------------------------------------------- whatever

    /// @dev Three members, exits of some, a slash before, while and after it thaws: nobody gets more than its part, all get
    /// what there is but for a few wei.
    function testFuzz_Exit_NobodyGetsMoreThanItsPart(uint256[3] memory stakes, uint256[3] memory asks, uint256 seed_)
        public
    {
        for (uint256 i = 0; i < 3; ++i) {
            stakes[i] = bound(stakes[i], 1, 100_000e18);
            joinAs(i, 0, stakes[i]);
        }
        slashSome(seed_);
        for (uint256 i = 0; i < 3; ++i) {
            uint256 free = pool.stakeOf(memberAt(i));
            uint256 bind = i == 2 ? 0 : (i + 1) * MINIMUM;
            if (free <= bind) continue;
            exit(i, bound(asks[i], 1, free - bind));
        }
        if (pool.rounds(0).shares != 0) {
            pool.startRound();
            slashSome(seed_ >> 32);
            if (pool.isThawing()) {
                thaw();
                pool.finishRound();
            }
        }
        slashSomeStake(seed_ >> 64);
        uint256 sum = 0;
        for (uint256 i = 0; i < 3; ++i) {
            if (pool.exitOf(memberAt(i), 0) != 0) pool.takeExit(memberAt(i), 0);
            uint256 has = pool.owed(memberAt(i)) + pool.stakeOf(memberAt(i));
            sum += has;
        }
        assertAtMost(sum, registryHas() + token.balanceOf(address(pool)), "no more than there is");
        assertAtMost(registryHas() + token.balanceOf(address(pool)), sum + 20 + sum / 1e9, "and nearly all");
    }

    /// @dev A slash of up to half of what there is; each loses its part.
    function slashSome(uint256 seed_) private {
        uint256 all = registryHas();
        uint256 amount = (seed_ & 0xffffffff) * (all / 2 / 2 ** 32 + 1) % (all / 2 + 1);
        if (amount == 0) return;
        uint256[3] memory before = [stakeAndExit(0), stakeAndExit(1), stakeAndExit(2)];
        slash(amount);
        for (uint256 i = 0; i < 3; ++i) {
            uint256 part = before[i] * (all - amount) / all;
            assertAtMost(stakeAndExit(i), part + 2, "no more than its part");
            assertAtMost(part, stakeAndExit(i) + 20 + part / 1e9, "and no less");
        }
    }

    /// @dev Once exits are paid, what was paid is out of reach.
    function slashSomeStake(uint256 seed_) private {
        uint256 paid = token.balanceOf(address(pool));
        slash((seed_ & 0xffffffff) % (registryHas() / 2 + 1));
        assertEq(token.balanceOf(address(pool)), paid, "what was paid is out of reach");
    }

    /// @dev What is a member's: at stake, asked back or thawing.
    function stakeAndExit(uint256 i) private view returns (uint256) {
        uint256 shares = pool.members(memberAt(i)).shares + pool.exitOf(memberAt(i), 0);
        uint256 price = pool.index();
        uint256 now_ = registryHas() * 1e27 / pool.totalShares();
        return shares * (price < now_ ? price : now_) / 1e27;
    }

    function testFuzz_Stake_InAndOutGainsNothing(uint256 first, uint256 second, uint256 lost) public {
        first = bound(first, 1, 1_000_000e18);
        lost = bound(lost, 0, registryHas() - 1e13);
        second = bound(second, 1, 1_000_000e18);
        slash(lost);
        give(memberAt(2), address(pool), 2_000_000e18);
        joinAs(2, 0, first);
        assertAtMost(pool.stakeOf(memberAt(2)), first, "no more than it brought");
        joinAs(3, 0, second / 1e6 + 1);
        uint256 stake = pool.stakeOf(memberAt(2));
        if (stake == 0) return;
        exit(2, (stake + 2) / 3);
        uint256 round = wholeRound();
        uint256 got = pool.takeExit(memberAt(2), round) + pool.stakeOf(memberAt(2));
        assertAtMost(got, first, "nor after");
    }

    // ---------------------------------------------------------------------------------------------- withdraw

    function test_RevertWhen_NothingIsOwed() public {
        vm.expectRevert(IMiningPool.NothingDue.selector);
        vm.prank(memberAt(0));
        pool.withdraw(memberAt(0));
    }

    function test_RevertWhen_WithdrawingToNobody() public {
        vm.expectRevert(IMiningPool.ZeroAddress.selector);
        pool.withdraw(address(0));
        vm.expectRevert(IMiningPool.ZeroAddress.selector);
        pool.withdraw(address(pool));
    }

    function test_Withdraw_IsOnce() public {
        exit(0, 10e18);
        uint256 round = wholeRound();
        pool.takeExit(memberAt(0), round);
        vm.expectEmit(address(pool));
        emit IMiningPool.Withdrawn(memberAt(0), STRANGER, 10e18);
        vm.prank(memberAt(0));
        pool.withdraw(STRANGER);
        assertEq(token.balanceOf(STRANGER), 10e18, "to whom it said");
        vm.expectRevert(IMiningPool.NothingDue.selector);
        vm.prank(memberAt(0));
        pool.withdraw(STRANGER);
    }
}
