// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEmissionController} from "../../src/interfaces/IEmissionController.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {Prices} from "../../src/libraries/Prices.sol";
import {EmissionController} from "../../src/policy/EmissionController.sol";
import {Vm} from "../utils/Vm.sol";
import {PolicyFixture} from "./PolicyFixture.sol";

/// @notice The last value that is allowed, the first wei that counts, and what is said of it.
contract EmissionEdgesTest is PolicyFixture {
    uint256 private constant SECOND_KEY = 0xB0C;
    uint256 private constant HOUR_MS = 3_600_000;
    uint256 private constant STAKE = 200_000e18;

    address private _node;
    address private _second;

    function setUp() public override {
        super.setUp();
        _node = provider;
        _second = vm.addr(SECOND_KEY);
        registerNode(_node, owner, 10, STAKE);
        registerNode(_second, address(0x0E12), 10, STAKE);
    }

    // ------------------------------------------------------------------------------------------ constructor

    function good() private view returns (EmissionController.Parameters memory p) {
        p = emissionParameters();
        (p.registry, p.disputes) = (address(registry), address(disputes));
    }

    function test_Deploy_TakesTheLastThatIsAllowed() public {
        for (uint256 i = 0; i < 8; ++i) {
            EmissionController.Parameters memory p = good();
            if (i == 0) p.epoch = 2 * p.window + 1;
            if (i == 1) p.epoch = 90 days;
            if (i == 2) p.firstBudget = type(uint88).max;
            if (i == 3) p.initialRate = p.ceiling;
            if (i == 4) p.ceiling = type(uint96).max;
            if (i == 5) (p.drawn, p.quorum) = (32, 17);
            if (i == 6) (p.drawn, p.quorum) = (4, 4);
            if (i == 7) p.rewardBps = 1000;
            vm.expectEmit(vm.computeCreateAddress(address(this), vm.getNonce(address(this))));
            emit IEmissionController.CeilingSet(p.ceiling);
            assertEq(new EmissionController(p).ceiling(), p.ceiling, "it stands");
        }
    }

    // ----------------------------------------------------------------------------------------------- record

    function test_Record_TakesAFullBatch() public {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, 3000 * PER_SECOND, false);
        IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](64);
        for (uint256 i = 0; i < 64; ++i) {
            list[i] = terms;
        }
        vm.prank(_node);
        emission.record(_node, list);
        assertEq(feeOf(_node, 0), 3000 * PER_SECOND, "once");
    }

    function test_Record_TwiceInASecondLosesNothing() public {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, 3000 * PER_SECOND, false);
        record(terms);
        settle(terms, 3600 * PER_SECOND, false);
        record(terms); // no time passed: what came since is left for later
        assertEq(feeOf(_node, 0), 3000 * PER_SECOND, "no time, no fee");
        vm.warp(block.timestamp + 1 hours);
        record(terms);
        assertEq(feeOf(_node, 0), 3600 * PER_SECOND, "the rest in the hour after");
    }

    function test_Record_CountsTheNotice() public {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(block.timestamp + 4 hours);
        startClosing(payer, terms);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, 5 hours * PER_SECOND, false);
        record(terms);
        assertEq(feeOf(_node, 0), (4 hours + NOTICE) * PER_SECOND, "fifteen minutes more");
    }

    function test_Record_CountsAWei() public {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, 1, false);
        vm.expectEmit(address(emission));
        emit IEmissionController.FeeRecorded(_node, 0, idOf(terms), 1);
        record(terms);
        assertEq(feeOf(_node, 0), 1, "a wei");
    }

    function test_Record_SaysNothingOfNothing() public {
        vm.warp(START + EPOCH - 6 hours);
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(START + EPOCH + 6 hours);
        settle(terms, 1, false);
        vm.recordLogs();
        record(terms);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(countLogs(logs, IEmissionController.FeeRecorded.selector), 0, "half a wei is nothing");
        assertEq(feeOf(_node, 0) + feeOf(_node, 1), 0, "in both epochs");
    }

    // ------------------------------------------------------------------------------------------------ weigh

    /// @dev The node works for `fees` in epoch 0, and `hours_` are attested.
    function readyToWeigh(uint256 fees, uint256 hours_) private {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY, payer, RATE, 10);
        vm.warp(block.timestamp + 6 days);
        settle(terms, fees, true);
        record(terms);
        warpToEnd(0, 0);
        seed(0);
        attestAll(_node, 0, hours_ * HOUR_MS);
        warpToEnd(0, PHASE);
    }

    function mineOne() private returns (uint256 mined) {
        readyToWeigh(100e18, 1000);
        emission.weigh(_node, 0);
        warpToEnd(0, 2 * PHASE);
        mined = emission.allot(_node, 0);
    }

    function test_Weigh_TakesTheMinimumExactly() public {
        readyToWeigh(100e18, 1000);
        uint256 minimum = registry.minimumOf(_node);
        vm.prank(_node);
        registry.unbond(STAKE - minimum);
        assertEq(emission.weigh(_node, 0), 100e18, "enough, to the wei");
    }

    function test_Weigh_TakesTheTrailingMinedExactly() public {
        readyToWeigh(10_000e18, 10_000);
        emission.weigh(_node, 0);
        uint256 needed = emission.trailingMined(_node, 1);
        work(PROVIDER_KEY, RATE, 10, 1 days);
        vm.prank(_node);
        registry.unbond(STAKE - needed);
        warpToEnd(1, 0);
        seed(1);
        attestAll(_node, 1, 1000 * HOUR_MS);
        warpToEnd(1, PHASE);
        assertEq(emission.weigh(_node, 1), 240 * RATE, "enough, to the wei");
    }

    function test_TrailingMined_IsOfSevenEpochs() public {
        uint256 mined = mineOne();
        assertEq(emission.trailingMined(_node, 0), 0, "nothing trails the first");
        for (uint256 epoch = 1; epoch <= 7; ++epoch) {
            assertEq(emission.trailingMined(_node, epoch), mined, "it trails");
        }
        assertEq(emission.trailingMined(_node, 8), 0, "no more");
    }

    function test_TrailingMined_IsWhatWasMinedOnceAllotted() public {
        readyToWeigh(100e18, 1000);
        emission.weigh(_node, 0);
        assertEq(emission.trailingMined(_node, 1), 300e18, "the most it can become");
        uint256 all = token.balanceOf(address(emission));
        vm.prank(address(emission));
        assertTrue(token.transfer(address(1), all - 7e18), "gone");
        warpToEnd(0, 2 * PHASE);
        emission.allot(_node, 0);
        assertEq(emission.trailingMined(_node, 1), forNodes(7e18), "what it became");
    }

    // ---------------------------------------------------------------------------------------------------- R

    /// @dev An epoch in which the node works a day at `rate`, attested; returns R of it.
    function rateAfter(uint256 epoch, uint256 rate) private returns (uint256) {
        if (rate != 0) work(PROVIDER_KEY, rate, 1, 1 days);
        warpToEnd(epoch, 0);
        seed(epoch);
        attestAll(_node, epoch, 24 * HOUR_MS);
        warpToEnd(epoch, PHASE);
        emission.weigh(_node, epoch);
        return emission.epochs(epoch).rate;
    }

    function test_Rate_IsFixedOnceAnEpoch() public {
        rateAfter(0, 5 * RATE);
        warpToEnd(1, PHASE);
        vm.expectEmit(address(emission));
        emit IEmissionController.RateFixed(1, RATE + RATE / 10);
        emission.weigh(_node, 1);
        vm.recordLogs();
        emission.weigh(_second, 1);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(countLogs(logs, IEmissionController.RateFixed.selector), 0, "not again");
        assertEq(emission.epochs(1).rate, RATE + RATE / 10, "the first one's");
        assertEq(emission.lastRate(), RATE + RATE / 10, "also for the next epoch");
    }

    function test_Rate_IsTheMedianOfSevenEpochs() public {
        rateAfter(0, 50 * RATE);
        uint256 wanted = RATE;
        for (uint256 epoch = 1; epoch <= 7; ++epoch) {
            wanted += wanted / 10;
            assertEq(rateAfter(epoch, 0), wanted, "it trails, and epochs without work don't");
        }
        assertEq(rateAfter(8, 0), wanted, "no more");
    }

    function test_Rate_MayBeAWei() public {
        assertEq(rateAfter(0, 1), RATE, "nothing trails the first");
        assertEq(rateAfter(1, 50 * RATE), 1, "a wei");
        assertEq(rateAfter(2, 50 * RATE), 1, "the lower of two");
        assertEq(rateAfter(3, 0), 2, "a wei more, since a tenth is nothing");
    }

    /// @dev R, computed anew each epoch from all prices so far.
    function testFuzz_Rate_IsTheLowerMedian(uint256 seed_) public {
        uint256[10] memory medians;
        uint256 last = RATE;
        for (uint256 epoch = 0; epoch < 10; ++epoch) {
            uint256 s = uint256(keccak256(abi.encode(seed_, epoch)));
            // now and then nothing; else between an eighth of R and all of it, or R could seldom follow
            uint256 price = s % 5 == 0 ? 0 : RATE / 8 + (s >> 8) % (RATE * 7 / 8);
            uint256 median = lowerMedian(medians, epoch);
            if (median != 0) last = median < last + last / 10 ? median : last + last / 10;
            assertEq(rateAfter(epoch, price), last, "R");
            if (price != 0) medians[epoch] = Prices.floorOf(Prices.bucketOf(price));
        }
    }

    /// @dev Of the seven before `epoch` that aren't 0: the one that has no more than half of the others below it, and none too
    /// many above.
    function lowerMedian(uint256[10] memory all, uint256 epoch) private pure returns (uint256) {
        uint256 begin = epoch < 7 ? 0 : epoch - 7;
        for (uint256 i = begin; i < epoch; ++i) {
            if (all[i] == 0) continue;
            (uint256 below, uint256 same, uint256 count) = (0, 0, 0);
            for (uint256 j = begin; j < epoch; ++j) {
                if (all[j] == 0) continue;
                ++count;
                if (all[j] < all[i]) ++below;
                if (all[j] == all[i]) ++same;
            }
            uint256 place = (count - 1) / 2;
            if (below <= place && place < below + same) return all[i];
        }
        return 0;
    }

    function test_Ceiling_MayBeAsHighAsFits() public {
        vm.prank(address(timelock));
        vm.expectEmit(address(emission));
        emit IEmissionController.CeilingSet(type(uint96).max);
        emission.setCeiling(type(uint96).max);
        assertEq(emission.ceiling(), type(uint96).max, "ceiling");
    }

    // -------------------------------------------------------------------------------------------- forfeiting

    function test_Forfeit_TwiceTakesOfWhatIsLeft() public {
        uint256 mined = mineOne();
        vm.startPrank(address(disputes));
        assertEq(emission.forfeit(_node, 0, 5000), mined / 2, "half");
        assertEq(emission.forfeit(_node, 0, 5000), mined / 4, "half of the rest");
        vm.stopPrank();
        assertEq(emission.reserved(), mined / 4 + mined / 100, "a quarter is left, and the rewards");
        assertTrue(!emission.isGuilty(_node, 0), "that mark is verifiers'");
    }

    function test_Forfeit_LeavesWhatWasClaimed() public {
        uint256 mined = mineOne();
        warpToEnd(0, 2 * PHASE + VESTING / 4);
        emission.claim(_node, 0);
        vm.prank(address(disputes));
        assertEq(emission.forfeit(_node, 0, 10_000), mined - mined / 4, "all that wasn't claimed");
        // less has vested of the quarter that is left than was claimed
        assertEq(emission.vested(_node, 0), 0, "nothing now");
        warpToEnd(0, 2 * PHASE + VESTING);
        assertEq(emission.vested(_node, 0), 0, "nor in the end");
        assertEq(token.balanceOf(owner), mined / 4, "the owner keeps what it had");
    }
}
