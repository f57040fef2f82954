// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMiningPool} from "../../src/interfaces/IMiningPool.sol";
import {PoolFixture} from "../policy/PoolFixture.sol";

/// @notice An appeal whose jury stays away is lost: its bond went to the vault, so nobody gets it out of the pool's income.
contract PoolAppealAttackTest is PoolFixture {
    function accuse() private returns (uint256 id) {
        vm.prank(other);
        id = disputes.accuse(address(pool), 0, "it lied");
    }

    /// @dev Convicted by the first jury, appealed by a stranger, and `voters` of the second vote, as `grade`.
    function appealed(uint256 voters, uint8 grade) private returns (uint256 id) {
        joinAs(0, 1, 1000e18);
        for (uint256 i = 0; i < 12; ++i) {
            registerVerifier(address(uint160(0xFA00 + i)), address(uint160(0xFB00 + i)));
        }
        warpToEnd(0, 2 * PHASE);
        give(other, address(disputes), 10 * BOND);
        id = accuse();
        // three accusers whom nobody heard: their bonds are the pool's income
        for (uint256 i = 0; i < 3; ++i) {
            accuse();
        }
        vote(id, 5, 2);
        vm.warp(block.timestamp + VOTING + 1);
        give(STRANGER, address(pool), 2 * BOND);
        vm.prank(STRANGER);
        pool.appeal(id);
        vote(id, voters, grade);
        vm.warp(block.timestamp + VOTING + 1);
        disputes.carryOut(id);
    }

    function vote(uint256 id, uint256 voters, uint8 grade) private {
        vm.roll(block.number + 2);
        disputes.drawJury(id);
        address[] memory jury = disputes.jury(id, disputes.cases(id).round);
        for (uint256 i = 0; i < voters; ++i) {
            vm.prank(jury[i]);
            disputes.vote(id, grade);
        }
    }

    function check(uint256 voters, uint8 grade) private {
        uint256 id = appealed(voters, grade);
        assertEq(disputes.owed(address(pool)), 0, "the court owes the pool nothing");
        vm.expectEmit(address(pool));
        emit IMiningPool.AppealSettled(id, STRANGER, false);
        pool.settleAppeal(id);
        assertEq(pool.owed(STRANGER), 0, "lost");
        assertEq(pool.openAppeals(), 0, "and over");
    }

    /// @dev Without money of the court's: settling reverts for ever, and what the court pays later is held back for ever.
    function test_Attack_AnUnheardAppealIsOver() public {
        check(0, 0);
    }

    function test_Attack_AnAppealHeardByTooFewIsOver() public {
        check(5, 0);
    }

    /// @dev With it: the pool's income pays the bond that the vault got.
    function test_Attack_AnUnheardAppealTakesNoIncome() public {
        uint256 id = appealed(0, 0);
        for (uint256 i = 2; i <= 4; ++i) {
            disputes.carryOut(i);
        }
        assertEq(disputes.owed(address(pool)), 3 * BOND, "income");
        pool.settleAppeal(id);
        assertEq(pool.owed(STRANGER), 0, "the stranger's appeal was lost");
        pool.harvest();
        assertEq(pool.incomeOf(emission.epochAt(block.timestamp)), 3 * BOND, "all of it is the members'");
    }
}
