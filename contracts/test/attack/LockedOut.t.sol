// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {PolicyFixture} from "../policy/PolicyFixture.sol";

/// @notice Who left is kept by no accusation for an epoch in which it wasn't there any more.
contract LockedOutAttackTest is PolicyFixture {
    address private node = address(0x0DE);

    function accuse(uint256 epoch) private returns (uint256 id) {
        vm.prank(other);
        id = disputes.accuse(node, epoch, "nothing");
    }

    /// @notice A year after it left: every four days somebody accuses it of the epoch that ended last, and it has each case closed
    /// as soon as it can be.
    function test_Attack_NobodyIsLockedOutForEver() public {
        registerNode(node, owner, 1, 1000e18);
        vm.prank(node);
        registry.quit();
        give(other, address(disputes), 1000 * BOND);
        uint256 last = 0;
        uint256 opened = 0;
        for (uint256 day = 14; day < 365; day += 4) {
            vm.warp(START + day * 1 days);
            vm.prank(other);
            try disputes.accuse(node, day / 7 - 1, "nothing") returns (uint256 id) {
                opened = id;
            } catch {}
            vm.warp(START + day * 1 days + VOTING + APPEALING - 4 days + 1);
            if (last != 0) disputes.carryOut(last);
            (last, opened) = (opened, 0);
            if (block.timestamp <= START + UNBONDING + 1) continue;
            vm.prank(node);
            try registry.withdraw(node) {
                break;
            } catch {}
        }
        assertEq(token.balanceOf(node), 1000e18, "out");
    }

    function test_Attack_AVerifierNeither() public {
        address verifier = verifierAt(0);
        vm.prank(verifier);
        registry.quit();
        give(other, address(disputes), BOND);
        warpToEnd(9, 0);
        vm.expectRevert(IDisputes.WrongEpoch.selector);
        vm.prank(other);
        disputes.accuse(verifier, 9, "nothing");
    }

    /// @notice For the epoch in which it left, and those before, it answers.
    function test_Accuse_ForTheEpochInWhichItLeft() public {
        registerNode(node, owner, 1, 1000e18);
        warpToEnd(0, 2 * PHASE);
        vm.prank(node);
        registry.quit();
        give(other, address(disputes), 2 * BOND);
        accuse(0);
        warpToEnd(1, 0);
        accuse(1);
        assertEq(registry.account(node).locks, 2, "locked");
    }
}
