// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {PolicyFixture} from "./PolicyFixture.sol";

contract EconomicsTest is PolicyFixture {
    uint256 private constant HOUR_MS = 3_600_000;
    uint256 private constant HONEST_KEY = 0x40E57;
    uint256 private constant SYBIL_KEY = 0x5B11;
    uint256 private constant STAKE = 1_000_000e18;

    address private _honest = vm.addr(HONEST_KEY);

    function setUp() public override {
        super.setUp();
        registerNode(_honest, owner, 1, STAKE);
    }

    function sybilKey(uint256 i) private pure returns (uint256) {
        return SYBIL_KEY + i;
    }

    function sybil(uint256 i) private pure returns (address) {
        return vm.addr(sybilKey(i));
    }

    /// @dev A payer whom only the cheat knows to be the node's owner.
    function straw(uint256 i, uint256 rate) private returns (address payer_) {
        payer_ = address(uint160(0x57A0 + i));
        fund(payer_, 100_000e18);
        uint256 anything = escrow.MAX_CAP();
        vm.prank(payer_);
        escrow.authorize(hub, NAMESPACE, anything, rate, START + 36500 days);
    }

    function attestAndWeigh(address[] memory nodes, uint256[] memory times, uint256 epoch) private {
        warpToEnd(epoch, 0);
        seed(epoch);
        for (uint256 i = 0; i < nodes.length; ++i) {
            attestAll(nodes[i], epoch, times[i]);
        }
        warpToEnd(epoch, PHASE);
        for (uint256 i = 0; i < nodes.length; ++i) {
            emission.weigh(nodes[i], epoch);
        }
        warpToEnd(epoch, 2 * PHASE);
    }

    function allot(address node, uint256 epoch) private returns (uint256) {
        return emission.shareOf(node, epoch).weight == 0 ? 0 : emission.allot(node, epoch);
    }

    /// @dev Leaves `left` in the vault, so that the budget is as short as that.
    function shortenVault(uint256 left) private {
        uint256 all = token.balanceOf(address(emission)) - emission.reserved();
        if (left >= all) return;
        vm.prank(address(emission));
        assertTrue(token.transfer(address(1), all - left), "shortened");
    }

    // ------------------------------------------------------------------------------------------- self-payers

    /// @dev Both give the same attested time. The honest one sells it at the market's price, R; the other one sells it to
    /// itself, through straw men, at a price of its choice. Its fees come back to it; the honest one keeps its own.
    function testFuzz_SelfPayer_EarnsNoMoreThanHonestWork(uint256 price, uint256 hours_, uint256 budget, uint256 payers)
        public
    {
        price = bound(price, 1, 100 * RATE);
        hours_ = bound(hours_, 1, 100);
        payers = bound(payers, 1, 3);
        registerNode(sybil(0), address(0x5B), 1, STAKE);
        IEscrow.LeaseTerms memory fair = leaseWith(HONEST_KEY, payer, RATE, 1);
        IEscrow.LeaseTerms[] memory own = new IEscrow.LeaseTerms[](payers);
        for (uint256 i = 0; i < payers; ++i) {
            own[i] = leaseWith(sybilKey(0), straw(i, price), price, 1);
        }
        vm.warp(block.timestamp + hours_ * 1 hours);
        settle(fair, type(uint128).max, true);
        record(fair);
        for (uint256 i = 0; i < payers; ++i) {
            settle(own[i], type(uint128).max, true);
            record(own[i]);
        }
        address[] memory nodes = new address[](2);
        uint256[] memory times = new uint256[](2);
        (nodes[0], nodes[1]) = (_honest, sybil(0));
        (times[0], times[1]) = (hours_ * HOUR_MS, hours_ * HOUR_MS);
        attestAndWeigh(nodes, times, 0);
        shortenVault(bound(budget, 0, 10 * hours_ * RATE));
        uint256 honest = allot(_honest, 0);
        uint256 cheat = allot(sybil(0), 0);
        // It mines no more than honest work, and lacks the fee besides.
        assertAtMost(cheat, honest + 1, "mined");
        assertAtMost(cheat, honest + feeOf(_honest, 0), "earned");
    }

    function testFuzz_SelfPayer_GainsNothingBySplitting(uint256 k, uint256 price, uint256 hours_, uint256 budget)
        public
    {
        k = bound(k, 2, 4);
        price = bound(price, RATE / 100 + 1, 10 * RATE);
        hours_ = bound(hours_, 4, 100);
        IEscrow.LeaseTerms[] memory own = new IEscrow.LeaseTerms[](k);
        address[] memory nodes = new address[](k + 1);
        uint256[] memory times = new uint256[](k + 1);
        for (uint256 i = 0; i < k; ++i) {
            registerNode(sybil(i), address(uint160(0x5B00 + i)), 1, STAKE);
            own[i] = leaseWith(sybilKey(i), straw(i, price), price, 1);
            // one machine's time, attested in k parts
            (nodes[i], times[i]) = (sybil(i), hours_ * HOUR_MS / k);
        }
        IEscrow.LeaseTerms memory fair = leaseWith(HONEST_KEY, payer, RATE, 1);
        (nodes[k], times[k]) = (_honest, hours_ * HOUR_MS);
        vm.warp(block.timestamp + hours_ * 1 hours);
        settle(fair, type(uint128).max, true);
        record(fair);
        for (uint256 i = 0; i < k; ++i) {
            settle(own[i], type(uint128).max, true);
            record(own[i]);
        }
        attestAndWeigh(nodes, times, 0);
        shortenVault(bound(budget, 0, 10 * hours_ * RATE));
        uint256 honest = allot(_honest, 0);
        uint256 cheat = 0;
        for (uint256 i = 0; i < k; ++i) {
            cheat += allot(sybil(i), 0);
        }
        assertAtMost(cheat, honest + k, "k parts are no more than the whole");
    }

    /// @dev The cheat's verifiers are as many as it likes, and every one that is drawn is its own; they attest the truth, as
    /// the honest node's do: more wouldn't be near. It pays itself at any price, in k nodes.
    function testFuzz_SelfPayer_GainsNothingByVerifying(uint256 k, uint256 price, uint256 hours_, uint256 budget)
        public
    {
        k = bound(k, 1, 3);
        price = bound(price, RATE / 100 + 1, 10 * RATE);
        hours_ = bound(hours_, 4, 100);
        address[] memory nodes = new address[](k + 1);
        uint256[] memory times = new uint256[](k + 1);
        IEscrow.LeaseTerms[] memory own = new IEscrow.LeaseTerms[](k);
        for (uint256 i = 0; i < k; ++i) {
            registerNode(sybil(i), address(uint160(0x5B00 + i)), 1, STAKE);
            own[i] = leaseWith(sybilKey(i), straw(i, price), price, 1);
            (nodes[i], times[i]) = (sybil(i), hours_ * HOUR_MS / k);
        }
        IEscrow.LeaseTerms memory fair = leaseWith(HONEST_KEY, payer, RATE, 1);
        (nodes[k], times[k]) = (_honest, hours_ * HOUR_MS);
        vm.warp(block.timestamp + hours_ * 1 hours);
        settle(fair, type(uint128).max, true);
        record(fair);
        for (uint256 i = 0; i < k; ++i) {
            settle(own[i], type(uint128).max, true);
            record(own[i]);
        }
        attestAndWeigh(nodes, times, 0);
        shortenVault(bound(budget, 0, 10 * hours_ * RATE));
        uint256 honest = allot(_honest, 0);
        honest += honest * rewardBps / 10_000;
        uint256 cheat = 0;
        for (uint256 i = 0; i < k; ++i) {
            cheat += allot(sybil(i), 0) + DRAWN * emission.rewardOf(sybil(i), 0);
        }
        assertAtMost(cheat, honest + 2 * k, "node and all its verifiers: no more than an honest node and its verifiers");
    }

    function test_SelfPayer_WithoutHardwareMinesNothing() public {
        registerNode(sybil(0), address(0x5B), 1, STAKE);
        IEscrow.LeaseTerms memory own = leaseWith(sybilKey(0), straw(0, RATE), RATE, 100);
        vm.warp(block.timestamp + 2 days);
        settle(own, type(uint128).max, true);
        record(own);
        assertTrue(feeOf(sybil(0), 0) > 1000e18, "a fortune moves");
        address[] memory nodes = new address[](1);
        nodes[0] = sybil(0);
        attestAndWeigh(nodes, new uint256[](1), 0);
        assertEq(emission.shareOf(sybil(0), 0).weight, 0, "and weighs nothing");
    }

    function test_SelfRenter_IsBoundByItsHardware() public {
        // A real machine, and leases for a hundred: verifiers may be mistaken, its one device's time is the bound.
        registerNode(sybil(0), address(0x5B), 1, STAKE);
        IEscrow.LeaseTerms memory own = leaseWith(sybilKey(0), straw(0, RATE), RATE, 100);
        vm.warp(START + 6 days);
        settle(own, type(uint128).max, true);
        record(own);
        address[] memory nodes = new address[](1);
        uint256[] memory times = new uint256[](1);
        (nodes[0], times[0]) = (sybil(0), type(uint128).max);
        attestAndWeigh(nodes, times, 0);
        assertAtMost(emission.shareOf(sybil(0), 0).weight, EPOCH / 1 hours * RATE, "a week of one device at R");
    }

    /// @dev R trails the market by some epochs. Where the market has fallen, renting from oneself at R mines what honest work at R
    /// would, which is more than honest work at the lower price; and more than that earns in all once that is below 3/4 of R.
    function testFuzz_SelfRenter_WhileTheMarketIsBelowR(uint256 price, uint256 hours_) public {
        price = bound(price, RATE / 100, RATE);
        hours_ = bound(hours_, 1, 100);
        registerNode(sybil(0), address(0x5B), 1, STAKE);
        IEscrow.LeaseTerms memory fair = leaseWith(HONEST_KEY, payer, price, 1);
        IEscrow.LeaseTerms memory own = leaseWith(sybilKey(0), straw(0, RATE), RATE, 1);
        vm.warp(block.timestamp + hours_ * 1 hours);
        settle(fair, type(uint128).max, true);
        record(fair);
        settle(own, type(uint128).max, true);
        record(own);
        address[] memory nodes = new address[](2);
        uint256[] memory times = new uint256[](2);
        (nodes[0], nodes[1]) = (_honest, sybil(0));
        (times[0], times[1]) = (hours_ * HOUR_MS, hours_ * HOUR_MS);
        attestAndWeigh(nodes, times, 0);
        uint256 honest = allot(_honest, 0) + feeOf(_honest, 0);
        uint256 cheat = allot(sybil(0), 0);
        assertAtMost(cheat, 3 * hours_ * RATE, "what honest work at R mines");
        if (4 * price >= 3 * RATE + 4) assertAtMost(cheat, honest, "no gain above three quarters of R");
        if (4 * price + 4 <= 3 * RATE) assertAtMost(honest, cheat, "below, the limit that the documentation states");
    }

    // ----------------------------------------------------------------------------------------------- hoarders

    function test_Hoarder_GainsNothingByOneRecording() public {
        IEscrow.LeaseTerms memory terms = leaseWith(HONEST_KEY);
        warpToEnd(2, 1 days); // three crowded epochs and a day of the thin one
        settle(terms, type(uint128).max, true);
        record(terms);
        assertAtMost(feeOf(_honest, 3), 1 days * PER_SECOND, "a day");
        assertEq(feeOf(_honest, 1), 0, "what is old is lost");
    }

    function test_Hoarder_GainsNothingByEmptyRecordings() public {
        IEscrow.LeaseTerms memory terms = leaseWith(HONEST_KEY);
        for (uint256 epoch = 0; epoch < 3; ++epoch) {
            warpToEnd(epoch, 0);
            record(terms);
        }
        warpToEnd(2, 1 days);
        settle(terms, type(uint128).max, true);
        record(terms);
        assertAtMost(feeOf(_honest, 3), 1 days * PER_SECOND, "a day");
        for (uint256 epoch = 0; epoch < 3; ++epoch) {
            assertEq(feeOf(_honest, epoch), 0, "nothing earlier");
        }
    }

    function testFuzz_Hoarder_EachEpochCountsItsOwn(uint256 seed_) public {
        IEscrow.LeaseTerms memory terms = leaseWith(HONEST_KEY);
        uint256 opened = block.timestamp;
        for (uint256 i = 0; i < 10; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed_, i)));
            vm.warp(block.timestamp + 1 + s % 5 days);
            if (s >> 64 & 3 == 0) settle(terms, type(uint128).max, false);
            if (s >> 66 & 1 == 0) record(terms);
        }
        settle(terms, type(uint128).max, true);
        record(terms);
        for (uint256 epoch = 0; epoch < 8; ++epoch) {
            uint256 begin = emission.endOf(epoch) - EPOCH;
            if (begin < opened) begin = opened;
            uint256 end = emission.endOf(epoch);
            if (end > block.timestamp) end = block.timestamp;
            uint256 own = end > begin ? (end - begin) * PER_SECOND : 0;
            assertAtMost(feeOf(_honest, epoch), own, "no more than its own time");
        }
    }

    // ------------------------------------------------------------------------------------------------- price

    /// @dev Epoch 0: the honest node sells `fair` hours at R, the other `wash` hours to itself at fifty times that, of which
    /// `attested` are attested. Returns R of epoch 1.
    function rateAfterWash(uint256 fair, uint64 washUnits, uint256 wash, uint256 attested) private returns (uint256) {
        registerNode(sybil(0), address(0x5B), 1, STAKE);
        IEscrow.LeaseTerms memory a = leaseWith(HONEST_KEY, payer, RATE, 1);
        IEscrow.LeaseTerms memory b = leaseWith(sybilKey(0), straw(0, 50 * RATE), 50 * RATE, washUnits);
        vm.warp(START + 1 + wash * 1 hours);
        settle(b, type(uint128).max, true);
        vm.warp(START + 1 + fair * 1 hours);
        settle(a, type(uint128).max, true);
        record(a);
        record(b);
        address[] memory nodes = new address[](2);
        uint256[] memory times = new uint256[](2);
        (nodes[0], nodes[1]) = (_honest, sybil(0));
        (times[0], times[1]) = (fair * HOUR_MS, attested * HOUR_MS);
        attestAndWeigh(nodes, times, 0);
        warpToEnd(1, PHASE);
        emission.weigh(_honest, 1);
        return emission.epochs(1).rate;
    }

    function test_Price_AMinorityCannotRaise() public {
        assertAtMost(rateAfterWash(100, 1, 90, 90), RATE, "ninety of a hundred and ninety");
    }

    function test_Price_UnattestedTimeDoesNotCount() public {
        assertAtMost(rateAfterWash(100, 10, 90, 99), RATE, "nine hundred hours, ninety-nine attested");
    }

    function test_Price_AMajorityRaisesByATenth() public {
        assertEq(rateAfterWash(90, 10, 40, 100), RATE + RATE / 10, "a tenth");
    }

    /// @dev An epoch in which the honest node sells `fair` hours at R, and the other one `flood` hours to itself for next to
    /// nothing. Returns R of that epoch.
    function epochWithFlood(uint256 epoch, uint256 fair, uint256 flood) private returns (uint256) {
        uint256 begin = emission.endOf(epoch) - EPOCH + 4 * PHASE;
        vm.warp(begin);
        IEscrow.LeaseTerms memory a = leaseWith(HONEST_KEY, payer, RATE, 1);
        IEscrow.LeaseTerms memory b = leaseWith(sybilKey(0), straw(0, 1), 1, 1);
        uint256 first = fair < flood ? fair : flood;
        vm.warp(begin + first * 1 hours);
        settle(first == fair ? a : b, type(uint128).max, true);
        vm.warp(begin + (fair + flood - first) * 1 hours);
        settle(first == fair ? b : a, type(uint128).max, true);
        record(a);
        record(b);
        address[] memory nodes = new address[](2);
        uint256[] memory times = new uint256[](2);
        (nodes[0], nodes[1]) = (_honest, sybil(0));
        (times[0], times[1]) = (fair * HOUR_MS, flood * HOUR_MS);
        attestAndWeigh(nodes, times, epoch);
        return emission.epochs(epoch).rate;
    }

    function test_Price_AMinorityCannotPushItDown() public {
        registerNode(sybil(0), address(0x5B), 1, STAKE);
        for (uint256 epoch = 0; epoch < 8; ++epoch) {
            uint256 rate = epochWithFlood(epoch, 20, 19);
            assertTrue(rate >= RATE * 15 / 16, "the median's bucket, however long it goes on");
        }
    }

    /// @dev What it takes: more attested time than all others sell, in four of seven epochs.
    function test_Price_AMajorityInFourOfSevenEpochsPushesItDown() public {
        registerNode(sybil(0), address(0x5B), 1, STAKE);
        uint256 moved = 0;
        for (uint256 epoch = 0; epoch < 12; ++epoch) {
            bool flooded = epoch >= 7 && epoch < 11;
            uint256 rate = epochWithFlood(epoch, 20, flooded ? 21 : 1);
            if (flooded) moved += feeOf(sybil(0), epoch);
            if (epoch < 11) assertTrue(rate >= RATE * 15 / 16, "three epochs aren't enough");
            else assertEq(rate, 1, "the fourth is");
        }
        assertAtMost(moved, 4 * 21, "and no fees to speak of, which return to the payer besides");
    }

    /// @dev And what it does: R is next to nothing for everybody, and rises from there by a tenth an epoch, or a wei.
    function test_Price_WhatIsPushedDownStaysDownForLong() public {
        registerNode(sybil(0), address(0x5B), 1, STAKE);
        epochWithFlood(0, 20, 21); // the first epoch alone, as no other counts yet
        assertEq(epochWithFlood(1, 20, 1), 1, "R is a wei");
        assertEq(emission.shareOf(_honest, 1).fee, 20 * RATE, "honest work");
        assertEq(emission.shareOf(_honest, 1).weight, 20, "weighs a wei an hour");
        for (uint256 epoch = 2; epoch < 12; ++epoch) {
            // the trailing median is the honest price again, but R creeps
            assertAtMost(epochWithFlood(epoch, 20, 1), epoch, "a wei an epoch");
        }
    }

    // ------------------------------------------------------------------------------------------------- stake

    function test_Stake_UnbondedStillAnswers() public {
        work(HONEST_KEY, RATE, 1, 1 days);
        warpToEnd(0, 0);
        seed(0);
        attestAll(_honest, 0, 24 * HOUR_MS);
        warpToEnd(0, PHASE);
        emission.weigh(_honest, 0);
        vm.prank(_honest);
        registry.unbond(STAKE);
        warpToEnd(0, 2 * PHASE + LIMIT);
        assertEq(registry.slashable(_honest), STAKE, "all of it");
    }

    function test_Stake_DelayingDoesNotHelp() public {
        work(HONEST_KEY, RATE, 1, 1 days);
        warpToEnd(0, 0);
        seed(0);
        attestAll(_honest, 0, 24 * HOUR_MS);
        warpToEnd(0, PHASE);
        emission.weigh(_honest, 0);
        uint256 before = emission.trailingMined(_honest, 1);
        warpToEnd(0, 2 * PHASE);
        emission.allot(_honest, 0);
        assertTrue(before != 0, "counted before");
        assertAtMost(emission.trailingMined(_honest, 1), before, "and no more after");
    }

    // ------------------------------------------------------------------------------------------------- vault

    function test_Vault_IsNotPromisedTwice() public {
        for (uint256 epoch = 0; epoch < 3; ++epoch) {
            work(HONEST_KEY, RATE, 1, 1 days);
            warpToEnd(epoch, 0);
            seed(epoch);
            attestAll(_honest, epoch, 24 * HOUR_MS);
            warpToEnd(epoch, PHASE);
            emission.weigh(_honest, epoch);
            warpToEnd(epoch, 2 * PHASE);
        }
        shortenVault(100e18);
        // all three are allotted at once from a vault that has enough for part of one
        uint256 sum = emission.allot(_honest, 2);
        assertEq(sum, forNodes(100e18), "all there is");
        assertAtMost(emission.allot(_honest, 0), 10, "nothing but what didn't divide");
        assertAtMost(emission.allot(_honest, 1), 10, "nothing but what didn't divide");
        assertAtMost(emission.reserved(), 100e18, "set aside once");
        vm.warp(block.timestamp + VESTING);
        emission.claim(_honest, 2);
        address[] memory drawn = emission.committee(_honest, 2);
        for (uint256 i = 0; i < drawn.length; ++i) {
            emission.claimReward(_honest, 2, drawn[i]);
        }
        assertAtMost(token.balanceOf(address(emission)), 10, "and paid, but for the wei that don't divide");
    }

    function test_Vault_KeepsTheRest() public {
        uint256 before = token.balanceOf(address(emission));
        work(HONEST_KEY, RATE, 1, 10 hours);
        uint256 mined = finish(_honest, 0, 10 * HOUR_MS);
        assertEq(mined, 3 * 10 * RATE, "three times the fee");
        vm.warp(block.timestamp + VESTING);
        emission.claim(_honest, 0);
        assertEq(token.balanceOf(address(emission)), before - mined, "the budget's rest stays");
    }
}
