// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {PolicyFixture} from "../policy/PolicyFixture.sol";

/// @notice Committees are by lot: who registers a node once the seed is known chooses among lots, and whom to strike off.
contract LateNodeAttackTest is PolicyFixture {
    uint256 private constant TICKETS = 40;
    uint256 private constant MINE = 5;

    function isMine(address verifier) private pure returns (bool) {
        return uint160(verifier) - 0xF000 < MINE;
    }

    /// @notice Five of sixteen verifiers are the attacker's. It opens leases with many names that aren't nodes, waits for the seed,
    /// pays the one whose committee is its own, and registers that. No device ever worked, no stake was risked on the others.
    function test_Attack_NobodyChoosesAmongLots() public {
        IEscrow.LeaseTerms[] memory tickets = new IEscrow.LeaseTerms[](TICKETS);
        for (uint256 i = 0; i < TICKETS; ++i) {
            tickets[i] = leaseWith(0xBAD00 + i);
        }
        warpToEnd(0, 0);
        seed(0);
        uint256 best = TICKETS;
        for (uint256 i = 0; i < TICKETS && best == TICKETS; ++i) {
            address[] memory drawn = emission.committee(tickets[i].provider, 0);
            uint256 own = 0;
            for (uint256 j = 0; j < drawn.length; ++j) {
                if (isMine(drawn[j])) ++own;
            }
            if (own >= QUORUM) best = i;
        }
        if (best == TICKETS) return;
        address node = tickets[best].provider;
        settle(tickets[best], type(uint128).max, true);
        registerNode(node, owner, 1, 10_000e18);
        record(tickets[best]);
        address[] memory committee = emission.committee(node, 0);
        for (uint256 j = 0; j < committee.length; ++j) {
            if (!isMine(committee[j])) continue;
            vm.prank(committee[j]);
            emission.attest(node, 0, EPOCH * 1000, 0);
        }
        warpToEnd(0, PHASE);
        assertEq(emission.weigh(node, 0), 0, "mined by a committee of its choice");
    }

    /// @notice The owner is a name that the node gives: given late, it strikes off a verifier that was drawn.
    function test_Attack_NobodyStrikesOffWhoWasDrawn() public {
        address node = vm.addr(0xBAD00);
        warpToEnd(0, 0);
        seed(0);
        address[] memory before = emission.committee(node, 0);
        if (before.length == 0) return;
        registerNode(node, registry.account(before[0]).owner, 1, 1000e18);
        address[] memory drawn = emission.committee(node, 0);
        assertTrue(drawn.length == before.length && drawn[0] == before[0], "struck off");
    }
}
