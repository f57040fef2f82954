// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {DataFixture} from "./DataFixture.sol";

contract LeakCasesTest is DataFixture {
    // --------------------------------------------------------------------------------------------- decide

    function test_RevertWhen_DecidingTooEarlyOrTwice() public {
        (uint256 caseId, uint256 panel) = accused();
        castAll(panel, DRAWN, FOUND);
        uint256 began = data.panels(panel).beganAt;
        vm.warp(began + VOTING + APPEALING);
        vm.expectRevert(IDataRegistry.WrongPhase.selector);
        data.decide(caseId);
        vm.warp(began + VOTING + APPEALING + 1);
        data.decide(caseId);
        vm.expectRevert(IDataRegistry.NoCase.selector);
        data.decide(caseId);
        vm.expectRevert(IDataRegistry.NoCase.selector);
        data.decide(caseId + 1);
    }

    function test_Decide_AProvenLeakForfeitsTheBond() public {
        (uint256 caseId, uint256 panel) = accused();
        castAll(panel, 4, FOUND);
        castAt(panel, 4, NONE);
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        uint256 cut = LEAK_BOND / 5;
        expectLog(
            IDataRegistry.Operation.CaseDecided, leased, address(this), abi.encode(caseId, true, LEAK_BOND - cut, cut)
        );
        data.decide(caseId);
        assertEq(data.owed(seller), LEAK_BOND - cut + CASE_BOND, "four fifths, and its own bond");
        assertEq(data.owed(seatOf(panel, 0)), cut / 4, "a fifth for those who saw it so");
        assertEq(data.owed(seatOf(panel, 4)), 0, "nothing for who didn't");
        assertEq(data.owed(owner), 0, "nothing for who leaked");
        assertEq(data.leases(leased).bond, 0, "gone");
        assertEq(uint256(data.leases(leased).state), uint256(IDataRegistry.LeaseState.Killed), "and the lease is over");
        vm.expectRevert(IDataRegistry.WrongState.selector);
        releaseKey(leased, "another");
        vm.warp(data.claimableUntil(leased) + 1);
        vm.expectRevert(IDataRegistry.WrongState.selector);
        data.returnBond(leased);
        refuse(leased, canary(leased, 1), IDataRegistry.WrongState.selector);
    }

    function test_Decide_AnEndedLeaseStaysAsItEnded() public {
        (uint256 caseId, uint256 panel) = accused();
        vm.prank(owner);
        data.close(leased);
        uint256 ended = block.timestamp;
        castAll(panel, DRAWN, FOUND);
        decided(caseId);
        assertEq(uint256(data.leases(leased).state), uint256(IDataRegistry.LeaseState.Closed), "closed");
        assertEq(data.leases(leased).endedAt, ended, "then");
    }

    function test_Decide_NotProvenPaysTheAccused() public {
        (uint256 caseId, uint256 panel) = accused();
        castAll(panel, 4, NONE);
        castAt(panel, 4, FOUND);
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        uint256 half = CASE_BOND / 2;
        expectLog(
            IDataRegistry.Operation.CaseDecided,
            leased,
            address(this),
            abi.encode(caseId, false, uint256(0), half / 4 * 4)
        );
        data.decide(caseId);
        assertEq(data.owed(owner), CASE_BOND - half / 4 * 4, "half for the accused");
        assertEq(data.owed(seatOf(panel, 0)), half / 4, "half for those who saw it so");
        assertEq(data.owed(seatOf(panel, 4)), 0, "nothing for who didn't");
        assertEq(data.owed(seller), 0, "nothing for the seller");
        assertEq(data.leases(leased).bond, LEAK_BOND, "the bond is where it was");
        assertEq(data.leases(leased).openCase, 0, "and free");
        assertEq(uint256(data.leases(leased).state), uint256(IDataRegistry.LeaseState.Open), "the lease goes on");
    }

    function test_Decide_WithoutAQuorumItIsNotProven() public {
        (uint256 caseId, uint256 panel) = accused();
        castAll(panel, QUORUM - 1, FOUND);
        decided(caseId);
        assertEq(data.owed(owner), CASE_BOND, "all of it: nobody found none");
        assertEq(data.leases(leased).bond, LEAK_BOND, "untouched");
    }

    function test_Decide_WithoutADrawItIsNotProven() public {
        released();
        uint256 caseId = openCase(leased, 0);
        decided(caseId);
        assertEq(data.owed(owner), CASE_BOND, "all of it");
        assertEq(data.leases(leased).bond, LEAK_BOND, "untouched");
    }

    // --------------------------------------------------------------------------------------------- appeal

    function test_RevertWhen_AStrangerAppeals() public {
        (uint256 caseId,) = accused();
        passVoting();
        address[3] memory others = [STRANGER, buyer, broker];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IDataRegistry.NotParty.selector);
            appealAs(others[i], caseId);
        }
        vm.expectRevert(IDataRegistry.NoCase.selector);
        appealAs(seller, caseId + 1);
    }

    function test_RevertWhen_AppealingAtTheWrongTime() public {
        (uint256 caseId, uint256 panel) = accused();
        uint256 began = data.panels(panel).beganAt;
        vm.warp(began + VOTING);
        vm.expectRevert(IDataRegistry.WrongPhase.selector);
        appealAs(owner, caseId);
        vm.warp(began + VOTING + APPEALING + 1);
        vm.expectRevert(IDataRegistry.WrongPhase.selector);
        appealAs(owner, caseId);
        vm.warp(began + VOTING + APPEALING);
        appealAs(owner, caseId);
        vm.expectRevert(IDataRegistry.WrongPhase.selector); // once, though there is time
        appealAs(seller, caseId);
        passVoting();
        vm.expectRevert(IDataRegistry.WrongPhase.selector);
        appealAs(seller, caseId);
        data.decide(caseId);
        vm.expectRevert(IDataRegistry.NoCase.selector);
        appealAs(seller, caseId);
    }

    function test_Appeal_SellerNodeAndOwnerMay() public {
        address[3] memory by = [seller, node, owner];
        for (uint256 i = 0; i < 3; ++i) {
            setUp();
            (uint256 caseId,) = accused();
            passVoting();
            uint256 before = token.balanceOf(by[i]);
            expectLog(IDataRegistry.Operation.Appealed, leased, by[i], abi.encode(caseId, uint256(2)));
            uint256 panel = appealAs(by[i], caseId);
            assertEq(token.balanceOf(by[i]), before - 2 * CASE_BOND, "for twice the bond");
            assertEq(data.panels(panel).size, 2 * DRAWN + 1, "twice as many and one");
            assertEq(data.panels(panel).quorum, DRAWN + 1, "more than half of them");
            draw(panel);
            assertEq(data.seats(panel).length, 2 * DRAWN + 1, "drawn");
        }
    }

    /// @dev A first verdict of `first`, appealed by `by`, the second jury drawn.
    function appealed(address by, IDataRegistry.Finding first) private returns (uint256 caseId, uint256 panel) {
        (caseId, panel) = accused();
        castAll(panel, DRAWN, first);
        passVoting();
        panel = appealAs(by, caseId);
        draw(panel);
    }

    function test_Appeal_NothingTakesEffectBefore() public {
        (uint256 caseId, uint256 panel) = appealed(owner, FOUND);
        assertEq(data.leases(leased).bond, LEAK_BOND, "untouched");
        vm.warp(data.panels(panel).beganAt + VOTING);
        vm.expectRevert(IDataRegistry.WrongPhase.selector);
        data.decide(caseId);
        vm.warp(block.timestamp + 1);
        data.decide(caseId);
        assertEq(data.leases(leased).bond, 0, "now");
    }

    function test_Appeal_TheLargerJuryDecides() public {
        (uint256 caseId, uint256 panel) = appealed(owner, FOUND);
        castAll(panel, DRAWN + 1, NONE);
        passVoting();
        data.decide(caseId);
        assertEq(data.leases(leased).bond, LEAK_BOND, "the bond is where it was");
        uint256 toJurors = CASE_BOND / 2 / (DRAWN + 1) * (DRAWN + 1);
        assertEq(data.owed(owner), 2 * CASE_BOND + CASE_BOND - toJurors, "the appeal's bond, and half of the case's");
        assertEq(data.owed(seatOf(panel, 0)), CASE_BOND / 2 / (DRAWN + 1), "the second jury is paid");
        assertEq(data.owed(seller), 0, "the seller lost");
    }

    function test_Appeal_OfTheSellerCanProve() public {
        (uint256 caseId, uint256 panel) = appealed(seller, NONE);
        castAll(panel, DRAWN + 1, FOUND);
        passVoting();
        data.decide(caseId);
        uint256 toJurors = uint256(LEAK_BOND) / 5 / (DRAWN + 1) * (DRAWN + 1);
        assertEq(data.owed(seller), 3 * CASE_BOND + LEAK_BOND - toJurors, "bonds and the leak's");
        assertEq(allOwed(), held(), "to the wei");
    }

    function test_Appeal_LosesItsBondWhenItDidNotHelp() public {
        // the accused's goes to seller and jurors
        (uint256 caseId, uint256 panel) = appealed(owner, FOUND);
        castAll(panel, 2 * DRAWN + 1, FOUND);
        passVoting();
        data.decide(caseId);
        uint256 each = CASE_BOND / 11 + uint256(LEAK_BOND) / 5 / 11;
        assertEq(data.owed(seatOf(panel, 0)), each, "half of it, and the cut");
        assertEq(data.owed(owner), 0, "lost");
        assertEq(data.owed(seller), 3 * CASE_BOND + LEAK_BOND - 11 * each, "all else is the seller's");
        // the seller's to accused and jurors
        setUp();
        (caseId, panel) = appealed(seller, NONE);
        castAll(panel, 2 * DRAWN + 1, NONE);
        passVoting();
        data.decide(caseId);
        each = CASE_BOND / 11 + CASE_BOND / 2 / 11;
        assertEq(data.owed(seller), 0, "lost");
        assertEq(data.owed(owner), 3 * CASE_BOND - 11 * each, "the accused's");
    }

    function test_Appeal_OfTheWinnerIsLost() public {
        // a seller that won appeals nevertheless, and wins again: it got nothing by it
        (uint256 caseId, uint256 panel) = appealed(seller, FOUND);
        castAll(panel, 2 * DRAWN + 1, FOUND);
        passVoting();
        data.decide(caseId);
        uint256 each = CASE_BOND / 11;
        assertEq(data.owed(owner), 2 * CASE_BOND - 11 * each, "half of the appeal's");
        // and one that loses by its own appeal
        setUp();
        (caseId, panel) = appealed(seller, FOUND);
        castAll(panel, 2 * DRAWN + 1, NONE);
        passVoting();
        data.decide(caseId);
        assertEq(data.owed(seller), 0, "all lost");
        assertEq(data.leases(leased).bond, LEAK_BOND, "not proven");
    }

    function test_Appeal_WithoutAMajorityTheFirstVerdictStands() public {
        (uint256 caseId, uint256 panel) = appealed(owner, FOUND);
        castAll(panel, DRAWN, NONE); // five of eleven
        passVoting();
        data.decide(caseId);
        assertEq(data.leases(leased).bond, 0, "proven, as before");
        assertEq(data.owed(seatOf(data.cases(caseId).first, 0)) > 0 ? 1 : 0, 1, "the first jury is paid");
        setUp();
        (caseId, panel) = appealed(seller, NONE);
        castAll(panel, DRAWN, FOUND);
        passVoting();
        data.decide(caseId);
        assertEq(data.leases(leased).bond, LEAK_BOND, "not proven, as before");
    }

    function test_Appeal_WhereVerifiersAreFew() public {
        (uint256 caseId, uint256 panel) = accused();
        castAll(panel, DRAWN, FOUND);
        passVoting();
        // all but four leave before the appeal, which can't have its majority then
        for (uint256 i = 4; i < VERIFIERS; ++i) {
            vm.prank(verifierAt(i));
            registry.quit();
        }
        vm.warp(block.timestamp + 10);
        panel = appealAs(owner, caseId);
        draw(panel);
        assertEq(data.seats(panel).length, 4, "four");
        castAll(panel, 4, NONE);
        passVoting();
        data.decide(caseId);
        assertEq(data.leases(leased).bond, 0, "no acquittal for want of jurors");
    }

    // --------------------------------------------------------------------------------------------- exits

    function test_Exit_WhateverTheSellerDoes() public {
        // a case in the last second, appealed in the last second, and nobody ever draws or votes
        released();
        vm.warp(data.claimableUntil(leased));
        uint256 last = block.timestamp;
        uint256 caseId = openCase(leased, 0);
        vm.warp(last + VOTING + APPEALING);
        appealAs(seller, caseId);
        vm.warp(block.timestamp + VOTING + 1);
        data.decide(caseId);
        data.returnBond(leased);
        assertEq(data.owed(owner), LEAK_BOND + 3 * CASE_BOND, "its own, and all that the seller put in");
        assertEq(block.timestamp, last + 2 * VOTING + APPEALING + 1, "and no later than this");
        vm.prank(owner);
        data.withdraw(owner);
        assertEq(held(), 0, "out");
    }

    function test_Exit_CasesCannotFollowOneAnotherForEver() public {
        released();
        vm.prank(buyer);
        data.close(leased);
        uint256 last = data.claimableUntil(leased);
        uint256 caseId;
        uint256 opened = 0;
        while (block.timestamp <= last) {
            caseId = openCase(leased, opened++);
            decided(caseId);
        }
        assertEq(opened, 3, "as many as begin in the window");
        assertAtMost(block.timestamp, last + VOTING + APPEALING + 1, "the last has ended");
        refuse(leased, canary(leased, opened), IDataRegistry.WrongTime.selector);
        data.returnBond(leased);
        assertEq(data.owed(owner), LEAK_BOND + opened * CASE_BOND, "each paid for");
    }

    function test_Exit_NothingAsksAnotherContract() public {
        (uint256 caseId, uint256 panel) = accused();
        castAll(panel, DRAWN, NONE);
        vm.etch(address(registry), hex"fe"); // whatever becomes of the registry
        decided(caseId);
        vm.warp(data.claimableUntil(leased) + 1);
        data.returnBond(leased);
        vm.prank(owner);
        data.withdraw(owner);
    }

    // ------------------------------------------------------------------------------------------- fuzz

    function testFuzz_Case_LosesNoWei(uint256 seed_, uint96 leakBond) public {
        leakBond = uint96(bound(leakBond, 1, 50_000e18));
        IDataRegistry.DatasetTerms memory dt = terms();
        (dt.root, dt.leakBond) = ("another", leakBond);
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.dataset = publish(dt);
        leased = request(t);
        (uint256 caseId, uint256 panel) = accused();
        voteBySeed(panel, seed_);
        passVoting();
        if (seed_ % 2 == 0) {
            panel = appealAs(seed_ % 4 == 0 ? owner : seller, caseId);
            draw(panel);
            voteBySeed(panel, uint256(keccak256(abi.encode(seed_))));
        }
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        data.decide(caseId);
        uint256 bond = data.leases(leased).bond;
        assertEq(allOwed() + bond, held(), "all of it is somebody's");
        uint256 toVerifiers = allOwed() - data.owed(owner) - data.owed(seller);
        assertAtMost(toVerifiers, uint256(leakBond) / 5 + 3 * CASE_BOND / 2, "a fifth, and half of what was lost");
        assertTrue(bond == 0 || bond == leakBond, "all or nothing");
    }

    function voteBySeed(uint256 panel, uint256 seed_) private {
        uint256 mood = seed_ >> 200;
        for (uint256 i = 0; i < data.seats(panel).length; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed_, i)));
            if (s % 6 == 0) continue;
            bool found = s % 3 == 0 ? s % 2 == 0 : mood % 2 == 0;
            castAt(panel, i, found ? FOUND : NONE);
        }
    }
}
