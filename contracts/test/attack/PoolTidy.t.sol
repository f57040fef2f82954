// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {PoolFixture} from "../policy/PoolFixture.sol";

/// @notice A member that leaves with a device under a contest of its own making doesn't cost the others an epoch.
contract PoolTidyAttackTest is PoolFixture {
    uint256 private constant RIVAL = 0x41BA1;

    function test_Attack_AContestThatEndsDoesNotUnstakeThePool() public {
        joinAs(0, 1, MINIMUM);
        joinAs(1, 1, MINIMUM);
        address rival = vm.addr(RIVAL);
        registerNode(rival, rival, 1, MINIMUM);
        give(rival, address(disputes), BOND);
        IEscrow.LeaseTerms memory terms = poolLease(1);
        vm.warp(START + 2 days + PHASE / 2);
        vm.prank(rival);
        uint256 id = disputes.contest(idOf(1, 0));
        vm.roll(block.number + 2);
        disputes.drawJury(id);
        address[] memory jury = disputes.jury(id, 0);
        for (uint256 i = 0; i < jury.length; ++i) {
            vm.prank(jury[i]);
            disputes.vote(id, 1);
        }
        // Its device isn't counted while it is contested, so that its stake can go.
        remove(1, idOf(1, 0));
        exit(1, type(uint256).max);
        pool.startRound();
        warpToEnd(0, 0);
        settle(terms, type(uint128).max, false);
        recordAs(operator, terms);
        seed(0);
        attestAll(address(pool), 0, EPOCH * 1000);
        // The contest is won: there the device is again, without its stake.
        warpToEnd(0, PHASE - 1);
        disputes.carryOut(id);
        try pool.tidy(one(idOf(1, 0))) {} catch {}
        warpToEnd(0, PHASE);
        assertTrue(emission.weigh(address(pool), 0) != 0, "the others' epoch is lost");
    }
}
