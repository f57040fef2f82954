// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {Disputes} from "../../src/policy/Disputes.sol";
import {PolicyFixture} from "./PolicyFixture.sol";

contract DisputesTest is PolicyFixture {
    uint256 private constant HOUR_MS = 3_600_000;
    uint256 private constant STAKE = 10_000e18;

    address private _node;
    address private _challenger = address(0xC4A1);

    function setUp() public override {
        super.setUp();
        _node = provider;
        registerNode(_node, owner, 1, STAKE);
        give(_challenger, address(disputes), 1000 * BOND);
        give(owner, address(disputes), 100 * BOND);
    }

    function accuse() private returns (uint256 id) {
        vm.prank(_challenger);
        id = disputes.accuse(_node, 0, "evidence");
    }

    /// @dev An accusation just after epoch 0, its jury drawn.
    function accused() private returns (uint256 id) {
        warpToEnd(0, 10);
        id = accuse();
        draw(id);
    }

    function draw(uint256 id) private {
        vm.roll(block.number + 2);
        disputes.drawJury(id);
    }

    /// @dev The first `count` of the round's jury vote `vote`.
    function voteAll(uint256 id, uint256 round, uint256 count, uint8 vote) private {
        address[] memory list = disputes.jury(id, round);
        assertTrue(list.length >= count, "a jury");
        for (uint256 i = 0; i < count; ++i) {
            vm.prank(list[i]);
            disputes.vote(id, vote);
        }
    }

    function decide(uint256 id, uint8 vote) private {
        voteAll(id, 0, DRAWN, vote);
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        disputes.carryOut(id);
    }

    function stakeOf(address who) private view returns (uint256) {
        return registry.slashable(who);
    }

    // ------------------------------------------------------------------------------------------ constructor

    function good() private view returns (Disputes.Parameters memory p) {
        p = disputesParameters();
        (p.registry, p.emission) = (address(registry), address(emission));
    }

    function deployExternal(Disputes.Parameters memory p) external returns (Disputes) {
        return new Disputes(p);
    }

    function test_RevertWhen_AnAddressIsZero() public {
        for (uint256 i = 0; i < 3; ++i) {
            Disputes.Parameters memory p = good();
            if (i == 0) p.token = address(0);
            if (i == 1) p.registry = address(0);
            if (i == 2) p.emission = address(0);
            vm.expectRevert(IDisputes.ZeroAddress.selector);
            this.deployExternal(p);
        }
    }

    function test_RevertWhen_AParameterIsBad() public {
        for (uint256 i = 0; i < 6; ++i) {
            Disputes.Parameters memory p = good();
            if (i == 0) p.bond = 0;
            if (i == 1) p.voting = 0;
            if (i == 2) p.appealing = 0;
            if (i == 3) (p.drawn, p.quorum) = (6, 3);
            if (i == 4) (p.drawn, p.quorum) = (5, 6);
            if (i == 5) (p.drawn, p.quorum) = (33, 20);
            vm.expectRevert(IDisputes.BadParameter.selector);
            this.deployExternal(p);
        }
        this.deployExternal(good());
    }

    function test_RevertWhen_VerdictsComeTooSoon() public {
        Disputes.Parameters memory p = good();
        (p.voting, p.appealing) = (PHASE, PHASE - 1);
        vm.expectRevert(IDisputes.BadParameter.selector);
        this.deployExternal(p);
        p.appealing = PHASE;
        this.deployExternal(p);
    }

    function test_RevertWhen_StakeCouldLeave() public {
        Disputes.Parameters memory p = good();
        p.limit = UNBONDING - 2 * PHASE;
        vm.expectRevert(IDisputes.BadParameter.selector);
        this.deployExternal(p);
        p.limit -= 1;
        this.deployExternal(p);
    }

    // ----------------------------------------------------------------------------------------------- accuse

    function test_RevertWhen_TheAccusedIsNobody() public {
        warpToEnd(0, 10);
        vm.expectRevert(IDisputes.NotRegistered.selector);
        disputes.accuse(address(0xDEAD), 0, "evidence");
    }

    function test_RevertWhen_AccusingItself() public {
        warpToEnd(0, 10);
        vm.expectRevert(IDisputes.NotYourself.selector);
        vm.prank(_node);
        disputes.accuse(_node, 0, "evidence");
    }

    function test_RevertWhen_TheEpochIsWrong() public {
        vm.expectRevert(IDisputes.WrongEpoch.selector);
        accuse();
        warpToEnd(0, 2 * PHASE + LIMIT + 1);
        vm.expectRevert(IDisputes.WrongEpoch.selector);
        accuse();
        warpToEnd(0, 2 * PHASE + LIMIT);
        accuse();
    }

    function test_RevertWhen_TheBondIsMissing() public {
        warpToEnd(0, 10);
        vm.expectRevert();
        vm.prank(address(0xDEAD));
        disputes.accuse(_node, 0, "evidence");
    }

    function test_Accuse_OpensACase() public {
        warpToEnd(0, 10);
        vm.expectEmit(address(disputes));
        emit IDisputes.CaseOpened(1, IDisputes.Kind.Accusation, _node, _challenger, 0, "evidence");
        uint256 id = accuse();
        IDisputes.Case memory got = disputes.cases(id);
        assertEq(got.accused, _node, "accused");
        assertEq(got.challenger, _challenger, "challenger");
        assertEq(got.subject, "evidence", "evidence");
        assertEq(disputes.pending(_node, 0), 1, "pending");
        assertEq(registry.account(_node).locks, 1, "locked");
        assertEq(token.balanceOf(address(disputes)), BOND, "the bond");
    }

    // ---------------------------------------------------------------------------------------------- contest

    function contestant() private returns (address node) {
        node = address(0x0DF);
        registerNode(node, address(0x0E12), 1, STAKE);
        give(node, address(disputes), 10 * BOND);
    }

    function contested() private returns (uint256 id, address node, bytes32 hardware) {
        node = contestant();
        hardware = hardwareOf(_node, 1)[0];
        vm.warp(block.timestamp + 10);
        vm.prank(node);
        id = disputes.contest(hardware);
        draw(id);
    }

    function test_RevertWhen_TheContestantIsNoNode() public {
        bytes32 id = hardwareOf(_node, 1)[0];
        vm.expectRevert(IDisputes.NotRegistered.selector);
        vm.prank(_challenger);
        disputes.contest(id);
        vm.expectRevert(IDisputes.NotRegistered.selector);
        vm.prank(verifierAt(0));
        disputes.contest(id);
        address node = contestant();
        vm.startPrank(node);
        registry.quit();
        vm.expectRevert(IDisputes.NotRegistered.selector);
        disputes.contest(id);
        vm.stopPrank();
    }

    function test_RevertWhen_ContestingItsOwn() public {
        bytes32 id = hardwareOf(_node, 1)[0];
        vm.expectRevert(IDisputes.NotYourself.selector);
        vm.prank(_node);
        disputes.contest(id);
    }

    function test_RevertWhen_ThereIsNothingToContest() public {
        (, address node, bytes32 hardware) = contested();
        vm.startPrank(node);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsTaken.selector, hardware));
        disputes.contest(hardware);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsTaken.selector, bytes32("none")));
        disputes.contest("none");
        vm.stopPrank();
    }

    function test_Contest_EarnsForNobody() public {
        (, address node, bytes32 hardware) = contested();
        assertTrue(registry.hardware(hardware).contested, "contested");
        assertEq(registry.account(_node).devices, 0, "not the holder's");
        assertEq(registry.account(node).devices, 1, "not the challenger's either");
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsNotYours.selector, hardware));
        vm.prank(_node);
        registry.removeHardware(one(hardware));
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsTaken.selector, hardware));
        vm.prank(node);
        registry.addHardware(one(hardware));
    }

    // --------------------------------------------------------------------------------------------- drawJury

    function test_RevertWhen_DrawingInTheSameBlock() public {
        warpToEnd(0, 10);
        uint256 id = accuse();
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(IDisputes.CannotDraw.selector);
            disputes.drawJury(id);
            assertEq(disputes.jury(id, 0).length, 0, "nobody yet");
            // The next block's hash isn't known in that block either.
            vm.roll(block.number + 1);
        }
        disputes.drawJury(id);
        assertEq(disputes.jury(id, 0).length, DRAWN, "drawn");
    }

    function test_RevertWhen_DrawingTwice() public {
        uint256 id = accused();
        vm.expectRevert(IDisputes.CannotDraw.selector);
        disputes.drawJury(id);
    }

    function test_DrawJury_AppointsANewBlock() public {
        warpToEnd(0, 10);
        uint256 id = accuse();
        uint256 late = block.number + 300;
        vm.roll(late);
        disputes.drawJury(id);
        assertEq(disputes.cases(id).drawBlock, late + 1, "a new block");
        assertEq(disputes.jury(id, 0).length, 0, "nobody yet");
        vm.roll(late + 2);
        disputes.drawJury(id);
        assertEq(disputes.jury(id, 0).length, DRAWN, "drawn");
    }

    function test_DrawJury_LeavesPartiesOut() public {
        // the accused belongs to verifier 2's owner, the challenger is verifier 6
        address mine = address(0x5A5A);
        registerNode(mine, address(0xA002), 1, MINIMUM);
        give(verifierAt(6), address(disputes), 100 * BOND);
        warpToEnd(0, 10);
        for (uint256 i = 0; i < 20; ++i) {
            vm.prank(verifierAt(6));
            uint256 id = disputes.accuse(mine, 0, "evidence");
            vm.roll(block.number + 2);
            disputes.drawJury(id);
            address[] memory list = disputes.jury(id, 0);
            for (uint256 j = 0; j < list.length; ++j) {
                assertTrue(list[j] != verifierAt(2) && list[j] != verifierAt(6), "no party");
            }
        }
    }

    function test_DrawJury_NobodyIsStruckOffAfterwards() public {
        uint256 id = accused();
        address[] memory drawn = disputes.jury(id, 0);
        // The challenger names the owner of a juror whom it doesn't like for its own.
        address struck = registry.account(drawn[0]).owner;
        give(_challenger, address(registry), VERIFIER_STAKE);
        vm.prank(_challenger);
        registry.registerVerifier(struck, VERIFIER_STAKE);
        address[] memory still = disputes.jury(id, 0);
        assertEq(still.length, drawn.length, "as many");
        for (uint256 i = 0; i < drawn.length; ++i) {
            assertEq(still[i], drawn[i], "the same");
        }
        voteAll(id, 0, DRAWN, 3);
    }

    // ------------------------------------------------------------------------------------------------- vote

    function test_RevertWhen_AStrangerVotes() public {
        uint256 id = accused();
        vm.expectRevert(IDisputes.NotDrawn.selector);
        disputes.vote(id, 1);
        address[] memory list = disputes.jury(id, 0);
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            bool isDrawn = false;
            for (uint256 j = 0; j < list.length; ++j) {
                if (list[j] == verifierAt(i)) isDrawn = true;
            }
            if (!isDrawn) vm.expectRevert(IDisputes.NotDrawn.selector);
            vm.prank(verifierAt(i));
            disputes.vote(id, 1);
        }
    }

    function test_RevertWhen_VotingTwice() public {
        uint256 id = accused();
        voteAll(id, 0, 1, 0);
        address first = disputes.jury(id, 0)[0];
        vm.expectRevert(IDisputes.AlreadyVoted.selector);
        vm.prank(first);
        disputes.vote(id, 1);
    }

    function test_RevertWhen_TheVoteIsBad() public {
        uint256 id = accused();
        vm.expectRevert(IDisputes.BadVote.selector);
        disputes.vote(id, 4);
        (id,,) = contested();
        vm.expectRevert(IDisputes.BadVote.selector);
        disputes.vote(id, 3);
    }

    function test_RevertWhen_VotingTooLate() public {
        uint256 id = accused();
        address[] memory list = disputes.jury(id, 0);
        uint256 opened = block.timestamp;
        vm.warp(opened + VOTING + 1);
        vm.expectRevert(IDisputes.WrongPhase.selector);
        vm.prank(list[0]);
        disputes.vote(id, 1);
        vm.warp(opened + VOTING);
        vm.prank(list[0]);
        disputes.vote(id, 1);
    }

    function testFuzz_Verdict_IsTheQuorums(uint256 seed_) public {
        uint256 id = accused();
        address[] memory list = disputes.jury(id, 0);
        uint256[4] memory atLeast;
        for (uint256 i = 0; i < DRAWN; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed_, i)));
            if (s % 6 == 0) continue; // stays away
            uint8 cast = uint8((s >> 8) % 4);
            for (uint256 grade = 0; grade <= cast; ++grade) {
                ++atLeast[grade];
            }
            vm.prank(list[i]);
            disputes.vote(id, cast);
        }
        uint256 wanted = 0;
        for (uint256 grade = 1; grade < 4; ++grade) {
            if (atLeast[grade] >= QUORUM) wanted = grade;
        }
        assertEq(disputes.verdict(id, 0), wanted, "verdict");
    }

    // ----------------------------------------------------------------------------------------------- appeal

    function appealAs(address by, uint256 id) private {
        vm.prank(by);
        disputes.appeal(id);
    }

    function test_RevertWhen_AStrangerAppeals() public {
        uint256 id = accused();
        vm.warp(block.timestamp + VOTING + 1);
        vm.expectRevert(IDisputes.NotParty.selector);
        disputes.appeal(id);
    }

    function test_RevertWhen_AppealingAtTheWrongTime() public {
        uint256 id = accused();
        uint256 opened = block.timestamp;
        vm.warp(opened + VOTING);
        vm.expectRevert(IDisputes.WrongPhase.selector);
        appealAs(owner, id);
        vm.warp(opened + VOTING + APPEALING + 1);
        vm.expectRevert(IDisputes.WrongPhase.selector);
        appealAs(owner, id);
        vm.warp(opened + VOTING + APPEALING);
        appealAs(owner, id);
        vm.warp(opened + VOTING + APPEALING + VOTING + 1);
        vm.expectRevert(IDisputes.WrongPhase.selector);
        appealAs(_challenger, id);
    }

    /// @dev A verdict of `first`, appealed by `by`; the second jury is drawn.
    function appealed(address by, uint8 first) private returns (uint256 id) {
        id = accused();
        voteAll(id, 0, DRAWN, first);
        vm.warp(block.timestamp + VOTING + 1);
        appealAs(by, id);
        draw(id);
    }

    function finishAppeal(uint256 id, uint256 count, uint8 second) private {
        voteAll(id, 1, count, second);
        vm.warp(block.timestamp + VOTING + 1);
        disputes.carryOut(id);
    }

    function test_Appeal_ALargerJuryDecides() public {
        uint256 id = appealed(owner, 3);
        assertEq(disputes.jury(id, 1).length, 2 * DRAWN + 1, "twice as many and one");
        voteAll(id, 1, DRAWN, 2);
        assertEq(disputes.verdict(id, 1), 0, "five of eleven are too few");
        address sixth = disputes.jury(id, 1)[DRAWN];
        vm.prank(sixth);
        disputes.vote(id, 1);
        assertEq(disputes.verdict(id, 1), 1, "six see minor at least");
    }

    function test_Appeal_NothingTakesEffectBefore() public {
        uint256 id = appealed(owner, 3);
        assertEq(stakeOf(_node), STAKE, "untouched");
        vm.warp(block.timestamp + VOTING);
        vm.expectRevert(IDisputes.WrongPhase.selector);
        disputes.carryOut(id);
        assertEq(stakeOf(_node), STAKE, "still");
    }

    function test_Appeal_ReturnsTheBondWhenItHelped() public {
        uint256 id = appealed(owner, 3);
        finishAppeal(id, 6, 1);
        assertEq(disputes.owed(owner), 2 * BOND, "back");
        assertEq(stakeOf(_node), STAKE * 95 / 100, "minor, not fraud");
        setUp();
        id = appealed(_challenger, 0);
        finishAppeal(id, 6, 2);
        uint256 cut = STAKE * 30 / 100 / 5;
        assertTrue(disputes.owed(_challenger) >= 3 * BOND + cut / 2, "both bonds and its half of the cut");
    }

    function test_Appeal_LosesTheBondWhenItDidNot() public {
        uint256 id = appealed(owner, 1);
        uint256 vault = token.balanceOf(address(emission));
        finishAppeal(id, 6, 2);
        assertEq(disputes.owed(owner), 0, "gone");
        uint256 taken = STAKE * 30 / 100;
        assertEq(token.balanceOf(address(emission)), vault + 2 * BOND + taken - taken / 5, "to the vault");
    }

    function test_Appeal_WithoutAMajorityChangesNothing() public {
        for (uint256 i = 0; i < 2; ++i) {
            setUp();
            uint256 id = appealed(owner, 3);
            uint256 vault = token.balanceOf(address(emission));
            finishAppeal(id, DRAWN + i, 0);
            if (i == 0) {
                assertEq(stakeOf(_node), 0, "five of eleven rule on nothing: fraud it is");
                assertEq(disputes.owed(owner), 0, "and the appeal was in vain");
                assertEq(token.balanceOf(address(emission)), vault + 2 * BOND + STAKE - STAKE / 5, "to the vault");
                assertEq(disputes.owed(disputes.jury(id, 0)[0]), STAKE / 5 / 2 / DRAWN, "its jurors are the first");
            } else {
                assertEq(stakeOf(_node), STAKE, "six of eleven acquit");
            }
        }
    }

    // --------------------------------------------------------------------------------------------- carryOut

    function test_RevertWhen_ItIsNotTime() public {
        uint256 id = accused();
        vm.warp(block.timestamp + VOTING + APPEALING);
        vm.expectRevert(IDisputes.WrongPhase.selector);
        disputes.carryOut(id);
        vm.warp(block.timestamp + 1);
        disputes.carryOut(id);
        vm.expectRevert(IDisputes.NoCase.selector);
        disputes.carryOut(id);
        vm.expectRevert(IDisputes.NoCase.selector);
        disputes.carryOut(99);
        vm.expectRevert(IDisputes.NoCase.selector);
        disputes.vote(id, 1);
    }

    /// @dev The node earns in epoch 0, so that there is something to forfeit.
    function earn() private returns (uint256) {
        work(PROVIDER_KEY, RATE, 1, 1 days);
        return finish(_node, 0, 24 * HOUR_MS);
    }

    function test_CarryOut_SlashesByGrades() public {
        uint256[4] memory wanted = [uint256(0), 500, 3000, 10_000];
        for (uint8 grade = 1; grade < 4; ++grade) {
            setUp();
            uint256 mined = earn();
            uint256 id = accuse();
            draw(id);
            decide(id, grade);
            assertEq(stakeOf(_node), STAKE - STAKE * wanted[grade] / 10_000, "stake");
            assertEq(emission.shareOf(_node, 0).forfeited, mined * wanted[grade] / 10_000, "allotment");
            assertEq(registry.account(_node).locks, 0, "unlocked");
            assertEq(disputes.pending(_node, 0), 0, "not pending");
        }
    }

    function test_CarryOut_FindersGetAFifth() public {
        uint256 id = accused();
        uint256 vault = token.balanceOf(address(emission));
        address[] memory list = disputes.jury(id, 0);
        voteAll(id, 0, 4, 3);
        vm.prank(list[4]);
        disputes.vote(id, 0);
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        disputes.carryOut(id);
        uint256 cut = STAKE / 5;
        assertEq(disputes.owed(_challenger), BOND + cut / 2, "challenger");
        assertEq(disputes.owed(list[0]), cut / 2 / 4, "a juror who saw it so");
        assertEq(disputes.owed(list[4]), 0, "one who didn't");
        assertEq(token.balanceOf(address(emission)), vault + STAKE - cut, "the rest is the vault's");
    }

    function test_CarryOut_AcquittalPaysTheAccused() public {
        uint256 id = accused();
        address[] memory list = disputes.jury(id, 0);
        decide(id, 0);
        assertEq(disputes.owed(owner), BOND / 2, "half for the accused");
        assertEq(disputes.owed(list[0]), BOND / 2 / DRAWN, "half for the jurors");
        assertEq(stakeOf(_node), STAKE, "untouched");
        assertEq(disputes.owed(_challenger), 0, "the bond is gone");
    }

    function test_CarryOut_WithoutVotesIsAnAcquittal() public {
        warpToEnd(0, 10);
        uint256 id = accuse();
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        disputes.carryOut(id);
        assertEq(disputes.owed(owner), BOND, "all of the bond");
    }

    function test_CarryOut_ContestGoesToTheChallenger() public {
        (uint256 id, address node, bytes32 hardware) = contested();
        decide(id, 2);
        assertEq(registry.hardware(hardware).node, node, "holder");
        assertEq(registry.account(node).devices, 2, "one more");
        assertEq(registry.account(_node).devices, 0, "one less");
        assertEq(disputes.owed(node), BOND, "the bond is back");
    }

    function test_CarryOut_ContestGoesToTheHolder() public {
        (uint256 id, address node, bytes32 hardware) = contested();
        decide(id, 1);
        assertEq(registry.hardware(hardware).node, _node, "holder");
        assertTrue(!registry.hardware(hardware).contested, "not contested");
        assertEq(registry.account(_node).devices, 1, "as before");
        assertEq(disputes.owed(owner), BOND / 2, "half of the bond");
        assertEq(disputes.owed(node), 0, "gone");
    }

    function test_CarryOut_ContestGoesToNobody() public {
        (uint256 id, address node, bytes32 hardware) = contested();
        uint256 vault = token.balanceOf(address(emission));
        voteAll(id, 0, 2, 1); // too few to agree
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        disputes.carryOut(id);
        assertEq(registry.account(_node).devices, 0, "not the holder's");
        assertEq(token.balanceOf(address(emission)), vault + BOND, "the bond is the vault's");
        vm.prank(node);
        registry.addHardware(one(hardware));
        assertEq(registry.hardware(hardware).node, node, "anybody may take it");
    }

    function test_CarryOut_JudgesAVerifier() public {
        warpToEnd(0, 10);
        vm.prank(_challenger);
        uint256 id = disputes.accuse(verifierAt(0), 0, "it attested what wasn't");
        draw(id);
        decide(id, 3);
        assertEq(stakeOf(verifierAt(0)), 0, "all of it");
        assertTrue(registry.account(verifierAt(0)).until != 0, "and it is out");
    }

    // --------------------------------------------------------------------------------------------- withdraw

    function test_Withdraw_PaysWhatIsOwed() public {
        uint256 id = accused();
        decide(id, 0);
        uint256 before = token.balanceOf(owner);
        vm.startPrank(owner);
        disputes.withdraw(owner);
        assertEq(token.balanceOf(owner), before + BOND / 2, "paid");
        vm.expectRevert(IDisputes.NothingOwed.selector);
        disputes.withdraw(owner);
        vm.stopPrank();
    }

    function test_RevertWhen_NothingIsOwed() public {
        vm.expectRevert(IDisputes.NothingOwed.selector);
        disputes.withdraw(owner);
        vm.expectRevert(IDisputes.ZeroAddress.selector);
        disputes.withdraw(address(0));
        vm.expectRevert(IDisputes.ZeroAddress.selector);
        disputes.withdraw(address(disputes));
    }

    // ------------------------------------------------------------------------------------------------ exits

    function test_NobodyGetsOutBeforeJudgement() public {
        work(PROVIDER_KEY, RATE, 1, 1 days);
        warpToEnd(0, 0);
        seed(0);
        attestAll(_node, 0, 24 * HOUR_MS);
        warpToEnd(0, PHASE);
        emission.weigh(_node, 0);
        // as early as it can go with what it was weighed for
        vm.prank(_node);
        registry.quit();
        warpToEnd(0, 2 * PHASE + LIMIT);
        uint256 id = accuse();
        draw(id);
        warpToEnd(0, PHASE + UNBONDING);
        vm.expectRevert(INodeRegistry.StillThawing.selector);
        vm.prank(address(0xDEAD));
        registry.withdraw(_node);
        decideOpen(id);
        assertEq(stakeOf(_node), 0, "slashed on its way out");
    }

    /// @dev Votes fraud if the round is still open, and carries out.
    function decideOpen(uint256 id) private {
        uint256 opened = disputes.cases(id).roundAt;
        vm.warp(opened + VOTING);
        voteAll(id, 0, DRAWN, 3);
        vm.warp(opened + VOTING + APPEALING + 1);
        disputes.carryOut(id);
    }

    function test_EverybodyGetsOutInTheEnd() public {
        vm.prank(_node);
        registry.quit();
        warpToEnd(0, 2 * PHASE + LIMIT);
        uint256 id = accuse(); // in the last second, appealed in the last second, and nobody ever votes
        vm.warp(block.timestamp + VOTING + APPEALING);
        appealAs(_challenger, id);
        vm.warp(block.timestamp + VOTING + 1);
        disputes.carryOut(id);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(_node);
        registry.withdraw(_node);
        assertEq(token.balanceOf(_node), STAKE, "all of it");
    }

    // ------------------------------------------------------------------------------------------------- fuzz

    function testFuzz_TheCourtOwesWhatItHolds(uint256 seed_) public {
        uint256 stake = stakeOf(_node);
        uint256 id = accused();
        address[] memory list = disputes.jury(id, 0);
        for (uint256 i = 0; i < DRAWN; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed_, i)));
            if (s % 5 == 0) continue;
            vm.prank(list[i]);
            disputes.vote(id, uint8((s >> 8) % 4));
        }
        vm.warp(block.timestamp + VOTING + 1);
        if (seed_ % 2 == 0) {
            appealAs(seed_ % 4 == 0 ? owner : _challenger, id);
            draw(id);
            address[] memory larger = disputes.jury(id, 1);
            for (uint256 i = 0; i < larger.length; ++i) {
                uint256 s = uint256(keccak256(abi.encode(seed_, "second", i)));
                vm.prank(larger[i]);
                disputes.vote(id, uint8((s >> 8) % 4));
            }
        }
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        disputes.carryOut(id);
        uint256 sum = disputes.owed(owner) + disputes.owed(_challenger);
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            sum += disputes.owed(verifierAt(i));
        }
        assertEq(token.balanceOf(address(disputes)), sum, "all of it is somebody's");
        uint256 finders = sum > BOND ? sum - BOND : 0;
        uint256 refunds = 2 * BOND;
        assertAtMost(finders, (stake - stakeOf(_node)) / 5 + refunds, "a fifth of what was slashed, besides bonds");
    }
}
