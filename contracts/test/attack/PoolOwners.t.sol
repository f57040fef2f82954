// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {PoolFixture} from "../policy/PoolFixture.sol";

/// @notice Registry and vault know a pool as its own owner. Its members own it all the same.
contract PoolOwnersAttackTest is PoolFixture {
    uint64 private _count;

    /// @dev A lease of the pool that `payer_` pays at `rate`, worked for two hours and closed.
    function paidBy(address payer_, uint256 rate) private returns (IEscrow.LeaseTerms memory terms) {
        fund(payer_, 1000e18);
        vm.prank(payer_);
        escrow.authorize(hub, NAMESPACE, 1000e18, 10 * RATE, START + 36500 days);
        IEscrow.LeaseRequest memory request = defaultRequest();
        (request.payer, request.rate, request.attempt) = (payer_, rate, 9000 + ++_count);
        (request.openBy, request.hold) = (START + 36500 days, 100e18);
        IEscrow.Offer memory offer = poolOffer();
        offer.rate = rate;
        openAs(hub, request, offer, offerSignature(offer, OPERATOR_KEY));
        terms = termsOf(request, address(pool), hub);
        vm.warp(block.timestamp + 2 hours);
        settle(terms, type(uint128).max, true);
        assertEq(lease(terms).paid, 2 * rate, "it was paid");
    }

    function paidBy(address payer_) private returns (IEscrow.LeaseTerms memory) {
        return paidBy(payer_, RATE);
    }

    function handOver(address to) private {
        vm.prank(pool.operator());
        pool.proposeOperator(to);
        vm.prank(to);
        pool.acceptOperator();
    }

    // ---------------------------------------------------------------------------------------------- payers

    function test_Attack_AMemberPaysItself() public {
        joinAs(0, 1, 1000e18);
        recordAs(operator, paidBy(memberAt(0)));
        assertEq(feeOf(address(pool), 0), 0, "counts nothing");
        assertEq(emission.shareOf(address(pool), 0).time, 0, "nor for the price");
    }

    function test_Attack_WhoLeftPaysItself() public {
        joinAs(0, 1, 1000e18);
        joinAs(1, 0, 10e18);
        exit(1, type(uint256).max);
        assertEq(pool.stakeOf(memberAt(1)), 0, "it asked all back");
        recordAs(operator, paidBy(memberAt(1)));
        assertEq(feeOf(address(pool), 0), 0, "or it would leave before each recording");
    }

    function test_Attack_TheOperatorPaysItself() public {
        joinAs(0, 1, 1000e18);
        IEscrow.LeaseTerms memory its = paidBy(operator);
        recordAs(operator, its);
        assertEq(feeOf(address(pool), 0), 0, "counts nothing");
        handOver(other);
        recordAs(other, its);
        recordAs(STRANGER, its); // closed, so anyone may
        assertEq(feeOf(address(pool), 0), 0, "nor once another operates");
        handOver(address(0x0E12));
        IEscrow.LeaseTerms memory formers = termsOf(defaultRequest(), address(pool), hub);
        formers.payer = other;
        recordAs(address(0x0E12), formers);
        assertEq(feeOf(address(pool), 0), 0, "nor who did in between");
    }

    function test_Record_CountsStrangersBesideMembers() public {
        joinAs(0, 1, 1000e18);
        IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](4);
        (list[0], list[1]) = (paidBy(memberAt(0)), paidBy(address(0xC0)));
        (list[2], list[3]) = (paidBy(operator), paidBy(address(0xC1)));
        vm.prank(operator);
        pool.record(list);
        assertEq(feeOf(address(pool), 0), 2 * 2 * RATE, "two of four, two hours each");
    }

    function test_Attack_MembersPricesMoveNothing() public {
        joinAs(0, 1, 1000e18);
        IEscrow.LeaseTerms memory fair = paidBy(address(0xC0));
        // and two hours more at twice the price, which it pays itself
        IEscrow.LeaseTerms memory own = paidBy(memberAt(0), 2 * RATE);
        recordAs(operator, fair);
        recordAs(operator, own);
        warpToEnd(0, 0);
        seed(0);
        attestAll(address(pool), 0, 4 * HOUR_MS);
        warpToEnd(0, PHASE);
        emission.weigh(address(pool), 0);
        assertEq(emission.shareOf(address(pool), 0).weight, 2 * RATE, "the stranger's hours");
        warpToEnd(1, PHASE);
        emission.weigh(address(pool), 1);
        assertAtMost(emission.epochs(1).rate, RATE, "its price");
    }

    function test_Record_WhoIsOnlyAdmittedIsAStranger() public {
        joinAs(0, 1, 1000e18);
        assertTrue(pool.members(memberAt(1)).isAdmitted, "admitted");
        recordAs(operator, paidBy(memberAt(1)));
        assertEq(feeOf(address(pool), 0), 2 * RATE, "counts: nobody can be made a member by another");
    }

    // -------------------------------------------------------------------------------------- the operator's part

    /// @dev An epoch with a split, and 1000 EAI of income.
    function earned() private {
        joinAs(0, 1, 1000e18);
        fund(address(pool), 1000e18);
        pool.harvest();
        uint256[] memory times = new uint256[](1);
        times[0] = HOUR_MS;
        attestSplit(0, one(idOf(0, 0)), times);
    }

    function test_CollectFee_BeforeTheHandoverIsTheFormersOne() public {
        earned();
        vm.prank(STRANGER);
        pool.collectFee(0);
        handOver(other);
        assertEq(pool.owed(operator), 50e18, "what was collected is its own");
        vm.prank(operator);
        pool.withdraw(operator);
        assertEq(token.balanceOf(operator), 50e18, "and leaves");
    }

    function test_CollectFee_WhatIsNotCollectedGoesWithThePart() public {
        earned();
        handOver(other);
        pool.collectFee(0);
        assertEq(pool.owed(operator), 0, "not the former one's");
        assertEq(pool.owed(other), 50e18, "but the next one's, so that a thief of the old key hasn't it");
    }

    // --------------------------------------------------------------------------------------------- committees

    function test_Committee_AMembersVerifierIsDrawnAsAny() public {
        // All verifiers are of one owner each; the pool's member 0 owns this one, under its own name.
        joinAs(0, 1, 1000e18);
        address mine = address(0xFACE);
        registerVerifier(mine, memberAt(0));
        bool drawn = false;
        for (uint256 epoch = 0; epoch < 20 && !drawn; ++epoch) {
            warpToEnd(epoch, 0);
            seed(epoch);
            address[] memory committee = emission.committee(address(pool), epoch);
            for (uint256 i = 0; i < committee.length; ++i) {
                if (committee[i] != mine) continue;
                drawn = true;
                vm.prank(mine);
                emission.attest(address(pool), epoch, EPOCH * 1000, 0);
                assertEq(emission.attested(address(pool), epoch), 0, "alone it attests nothing");
            }
        }
        assertTrue(drawn, "the limit that the documentation states");
    }
}
