// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {DataFixture} from "./DataFixture.sol";

contract PanelsTest is DataFixture {
    // ------------------------------------------------------------------------------------------ the panel

    function test_RevertWhen_DrawingTooEarly() public {
        uint256 panel = asked();
        vm.expectRevert(IDataRegistry.CannotDraw.selector);
        data.drawPanel(panel);
        // nor in the next: its own hash, which decides, isn't known in it
        vm.roll(block.number + 1);
        vm.expectRevert(IDataRegistry.CannotDraw.selector);
        data.drawPanel(panel);
        vm.roll(block.number + 1);
        data.drawPanel(panel);
        assertEq(data.seats(panel).length, DRAWN, "drawn");
    }

    function test_RevertWhen_DrawingTwiceOrNothing() public {
        uint256 panel = verified();
        vm.expectRevert(IDataRegistry.CannotDraw.selector);
        data.drawPanel(panel);
        vm.expectRevert(IDataRegistry.CannotDraw.selector);
        data.drawPanel(panel + 1);
        vm.expectRevert(IDataRegistry.CannotDraw.selector);
        data.drawPanel(0);
    }

    function test_Draw_AppointsANewBlockWhenLate() public {
        uint256 panel = asked();
        uint256 late = block.number + 300;
        vm.roll(late);
        data.drawPanel(panel);
        assertEq(data.panels(panel).drawBlock, late + 1, "a block of the future");
        assertEq(data.seats(panel).length, 0, "nobody yet");
        vm.expectRevert(IDataRegistry.CannotDraw.selector);
        data.drawPanel(panel);
        draw(panel);
        assertEq(data.seats(panel).length, DRAWN, "drawn");
    }

    function test_Draw_KeepsWhoItDrew() public {
        uint256 panel = asked();
        vm.recordLogs();
        draw(panel);
        IDataRegistry.Seat[] memory all = data.seats(panel);
        (, address[] memory said) = abi.decode(vm.getRecordedLogs()[0].data, (bytes32, address[]));
        assertEq(said.length, all.length, "as the event says");
        for (uint256 i = 0; i < all.length; ++i) {
            assertEq(said[i], all[i].juror, "juror");
            assertEq(uint256(all[i].finding), uint256(OPEN), "no vote yet");
            for (uint256 j = 0; j < i; ++j) {
                assertTrue(all[j].juror != all[i].juror, "each once");
            }
        }
    }

    /// @dev A lease whose node is verifier 2's owner's, whose buyer is verifier 6, and whose seller owns verifier 9.
    function entangled() private returns (bytes32 id) {
        address its = address(0x0DF);
        registerNode(its, address(0xA002), 1, 1000e18);
        (seller, buyer, node) = (address(0xA009), verifierAt(6), its);
        give(seller, address(data), 100_000e18);
        give(its, address(data), 100_000e18);
        vm.warp(block.timestamp + 10);
        dataset = publish(terms());
        id = request(leaseTerms());
        vm.prank(its);
        data.openLease(id);
        commit(id);
        releaseKey(id, "nonce");
        run(id);
    }

    function test_Draw_LeavesAllPartiesOut() public {
        bytes32 id = entangled();
        for (uint256 i = 0; i < 30; ++i) {
            vm.prank(seller);
            uint256 panel = data.requestVerification(id, 0, FEE);
            draw(panel);
            assertEq(data.seats(panel).length, DRAWN, "a full panel nevertheless");
            for (uint256 j = 0; j < DRAWN; ++j) {
                address juror = seatOf(panel, j);
                assertTrue(juror != verifierAt(2), "not of the node's owner");
                assertTrue(juror != verifierAt(6), "not the buyer");
                assertTrue(juror != verifierAt(9), "not the seller's");
            }
        }
    }

    function test_Draw_LeavesAPartysOwnerAndItsOthersOut() public {
        // the buyer is a node of verifier 4's owner; that owner's name is itself a verifier's
        address its = address(0x0DF);
        address chief = verifierAt(5);
        registerNode(its, chief, 1, 1000e18);
        registerVerifier(address(0xF999), chief); // of the same owner
        buyer = its;
        vm.warp(block.timestamp + 10);
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        leased = request(t);
        asked();
        for (uint256 i = 0; i < 30; ++i) {
            vm.prank(seller);
            uint256 panel = data.requestVerification(leased, 0, FEE);
            draw(panel);
            assertEq(data.seats(panel).length, DRAWN, "full");
            for (uint256 j = 0; j < DRAWN; ++j) {
                assertTrue(seatOf(panel, j) != chief, "not the owner itself");
                assertTrue(seatOf(panel, j) != address(0xF999), "nor another of its");
            }
        }
    }

    function test_Draw_NobodyIsStruckOffByALateName() public {
        // Two chains alike, until in one the seller registers as a node of the juror's owner once the seed is known.
        uint256 panel = asked();
        vm.roll(block.number + 3);
        uint256 before = vm.snapshotState();
        data.drawPanel(panel);
        address first = seatOf(panel, 0);
        assertTrue(vm.revertToState(before), "back");
        address itsOwner = registry.account(first).owner;
        registerNode(seller, itsOwner, 1, 1000e18);
        registerNode(buyer, itsOwner, 1, 1000e18);
        data.drawPanel(panel);
        assertEq(seatOf(panel, 0), first, "still there");
        assertEq(data.seats(panel).length, DRAWN, "and all others");
    }

    function test_Draw_WhoRegistersLateIsNotDrawn() public {
        uint256 panel = asked();
        for (uint256 i = 0; i < 40; ++i) {
            registerVerifier(address(uint160(0xE000 + i)), address(uint160(0xE100 + i)));
        }
        draw(panel);
        for (uint256 i = 0; i < DRAWN; ++i) {
            assertTrue(uint160(seatOf(panel, i)) >= 0xF000, "of those who were there");
        }
    }

    function test_Draw_OfNobodyIsNobody() public {
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            vm.prank(verifierAt(i));
            registry.quit();
        }
        vm.warp(block.timestamp + 10);
        uint256 panel = verified();
        assertEq(data.seats(panel).length, 0, "nobody");
        assertTrue(data.panels(panel).drawn, "drawn");
        passVoting();
        data.conclude(panel);
        assertEq(data.owed(seller), FEE, "the fee is back");
    }

    function test_Gas_TheLargestJuryFitsIntoABlock() public {
        // the largest jury of a deployment: 65 seats
        IDataRegistry.Parameters memory p = parameters();
        (p.drawn, p.quorum) = (32, 17);
        data = deployData(p);
        for (uint256 i = 0; i < 80; ++i) {
            registerVerifier(address(uint160(0xE000 + i)), address(uint160(0xD000 + i)));
        }
        give(seller, address(data), 10_000e18);
        give(owner, address(data), 10_000e18);
        vm.warp(block.timestamp + 10);
        dataset = publish(terms());
        leased = request(leaseTerms());
        (uint256 caseId, uint256 panel) = accused();
        castAll(panel, 32, FOUND);
        passVoting();
        panel = appealAs(owner, caseId);
        vm.roll(block.number + 3);
        uint256 before = gasleft();
        data.drawPanel(panel);
        assertAtMost(before - gasleft(), 12_000_000, "a draw of 65 fits into a block");
        assertEq(data.seats(panel).length, 65, "all of them");
        castAll(panel, 65, FOUND);
        passVoting();
        before = gasleft();
        data.decide(caseId);
        assertAtMost(before - gasleft(), 6_000_000, "and so does its verdict");
        assertEq(uint256(registry.account(node).role), uint256(INodeRegistry.Role.Node), "of a node");
    }

    // ----------------------------------------------------------------------------------------------- votes

    function test_RevertWhen_WhoWasNotDrawnVotes() public {
        uint256 panel = asked();
        vm.expectRevert(IDataRegistry.NotDrawn.selector);
        data.vote(panel, 0, NONE, "report"); // nobody is drawn yet
        draw(panel);
        vm.startPrank(seatOf(panel, 1));
        vm.expectRevert(IDataRegistry.NotDrawn.selector);
        data.vote(panel, 0, NONE, "report"); // another's seat
        vm.expectRevert(IDataRegistry.NotDrawn.selector);
        data.vote(panel, DRAWN, NONE, "report");
        vm.expectRevert(IDataRegistry.NotDrawn.selector);
        data.vote(panel, type(uint256).max, NONE, "report");
        vm.stopPrank();
        for (uint256 seat = 0; seat < DRAWN; ++seat) {
            vm.expectRevert(IDataRegistry.NotDrawn.selector);
            vm.prank(STRANGER);
            data.vote(panel, seat, NONE, "report");
        }
    }

    function test_RevertWhen_VotingTwice() public {
        uint256 panel = verified();
        castAt(panel, 0, NONE);
        address juror = seatOf(panel, 0);
        vm.expectRevert(IDataRegistry.AlreadyVoted.selector);
        vm.prank(juror);
        data.vote(panel, 0, FOUND, "report");
        assertEq(data.panels(panel).none, 1, "once");
        assertEq(data.panels(panel).found, 0, "and no more");
    }

    function test_RevertWhen_VotingForNothing() public {
        uint256 panel = verified();
        address juror = seatOf(panel, 0);
        vm.expectRevert(IDataRegistry.BadVote.selector);
        vm.prank(juror);
        data.vote(panel, 0, OPEN, "report");
    }

    function test_RevertWhen_VotingTooLate() public {
        uint256 panel = verified();
        vm.warp(data.panels(panel).beganAt + VOTING);
        castAt(panel, 0, NONE);
        vm.warp(block.timestamp + 1);
        address juror = seatOf(panel, 1);
        vm.expectRevert(IDataRegistry.WrongPhase.selector);
        vm.prank(juror);
        data.vote(panel, 1, NONE, "report");
        vm.expectRevert(IDataRegistry.WrongPhase.selector);
        data.vote(panel + 1, 0, NONE, "report"); // there is none
    }

    function test_Vote_IsOnRecord() public {
        uint256 panel = verified();
        address juror = seatOf(panel, 0);
        vm.expectEmit(address(data));
        emit IDataRegistry.Voted(panel, juror, FOUND, "report");
        castAt(panel, 0, FOUND);
        assertEq(uint256(data.seats(panel)[0].finding), uint256(FOUND), "kept");
    }

    function testFuzz_Finding_IsTheQuorums(uint256 seed_) public {
        uint256 panel = verified();
        uint256[3] memory tally;
        for (uint256 i = 0; i < DRAWN; ++i) {
            uint256 cast = uint256(keccak256(abi.encode(seed_, i))) % 3;
            ++tally[cast];
            if (cast != 0) castAt(panel, i, IDataRegistry.Finding(cast));
        }
        finds(panel, tally[1] >= QUORUM ? NONE : tally[2] >= QUORUM ? FOUND : OPEN);
    }

    // ---------------------------------------------------------------------------------------- verifications

    function test_RevertWhen_ThereIsNothingToVerify() public {
        released();
        vm.startPrank(seller);
        vm.expectRevert(IDataRegistry.NoOutput.selector);
        data.requestVerification(leased, 0, FEE);
        vm.stopPrank();
        run(leased);
        vm.startPrank(seller);
        vm.expectRevert(IDataRegistry.NoOutput.selector);
        data.requestVerification(leased, 1, FEE);
        vm.expectRevert(IDataRegistry.BadFee.selector);
        data.requestVerification(leased, 0, FEE - 1);
        vm.expectRevert(IDataRegistry.BadFee.selector);
        data.requestVerification(leased, 0, uint256(type(uint96).max) + 1);
        vm.warp(data.claimableUntil(leased) + 1);
        vm.expectRevert(IDataRegistry.WrongTime.selector);
        data.requestVerification(leased, 0, FEE);
        vm.warp(data.claimableUntil(leased));
        data.requestVerification(leased, 0, FEE);
        vm.stopPrank();
    }

    function test_Verification_TakesTheFee() public {
        released();
        run(leased);
        uint256 before = token.balanceOf(seller);
        expectLog(
            IDataRegistry.Operation.VerificationRequested, leased, seller, abi.encode(uint256(1), uint256(0), 2 * FEE)
        );
        vm.prank(seller);
        uint256 panel = data.requestVerification(leased, 0, 2 * FEE);
        assertEq(token.balanceOf(seller), before - 2 * FEE, "paid");
        assertEq(held(), LEAK_BOND + 2 * FEE, "held");
        IDataRegistry.Verification memory got = data.verifications(panel);
        assertEq(got.lease, leased, "lease");
        assertEq(got.fee, 2 * FEE, "fee");
        assertTrue(!got.concluded, "open");
        assertEq(data.panels(panel).size, DRAWN, "size");
        assertEq(data.panels(panel).quorum, QUORUM, "quorum");
        assertEq(data.panels(panel).lease, leased, "about the lease");
    }

    function test_RevertWhen_ConcludingTooEarlyOrTwice() public {
        uint256 panel = verified();
        castAll(panel, DRAWN, NONE);
        vm.warp(data.panels(panel).beganAt + VOTING);
        vm.expectRevert(IDataRegistry.WrongPhase.selector);
        data.conclude(panel);
        vm.warp(block.timestamp + 1);
        data.conclude(panel);
        vm.expectRevert(IDataRegistry.NoCase.selector);
        data.conclude(panel);
        vm.expectRevert(IDataRegistry.NoCase.selector);
        data.conclude(panel + 1);
    }

    function test_RevertWhen_ConcludingACasesPanel() public {
        (, uint256 panel) = accused();
        castAll(panel, DRAWN, FOUND);
        passVoting();
        vm.expectRevert(IDataRegistry.NoCase.selector);
        data.conclude(panel);
    }

    function test_Conclude_PaysThoseWhoSawItSo() public {
        for (uint256 i = 0; i < 2; ++i) {
            setUp();
            uint256 panel = verified();
            castAll(panel, 4, i == 0 ? NONE : FOUND);
            castAt(panel, 4, i == 0 ? FOUND : NONE);
            passVoting();
            IDataRegistry.Finding finding = i == 0 ? NONE : FOUND;
            expectLog(IDataRegistry.Operation.Verdict, leased, address(this), abi.encode(panel, uint256(0), finding));
            data.conclude(panel);
            assertEq(uint256(data.verifications(panel).finding), uint256(finding), "the verdict");
            assertEq(data.owed(seatOf(panel, 0)), FEE / 4, "one who saw it so");
            assertEq(data.owed(seatOf(panel, 4)), 0, "one who didn't");
            assertEq(data.owed(seller), 0, "all of it is theirs");
            assertEq(data.leases(leased).bond, LEAK_BOND, "a verdict alone takes no bond");
        }
    }

    function test_Conclude_ReturnsTheFeeWithoutAQuorum() public {
        uint256 panel = verified();
        castAll(panel, 2, NONE);
        castAt(panel, 2, FOUND);
        castAt(panel, 3, FOUND);
        passVoting();
        data.conclude(panel);
        assertEq(uint256(data.verifications(panel).finding), uint256(OPEN), "nothing can be said");
        assertEq(data.owed(seller), FEE, "all of it is back");
    }

    function testFuzz_Conclude_LosesNoWei(uint256 fee, uint256 voters) public {
        released();
        run(leased);
        fee = bound(fee, FEE, 10_000e18);
        voters = bound(voters, 0, DRAWN);
        vm.prank(seller);
        uint256 panel = data.requestVerification(leased, 0, fee);
        draw(panel);
        castAll(panel, voters, FOUND);
        passVoting();
        data.conclude(panel);
        assertEq(allOwed(), fee, "to the wei");
        if (voters >= QUORUM) assertAtMost(data.owed(seller), voters - 1, "but for the rest of a division");
    }

    function test_Verification_HoldsNoBondBack() public {
        uint256 panel = asked();
        vm.prank(buyer);
        data.close(leased);
        vm.warp(data.claimableUntil(leased));
        vm.prank(seller);
        uint256 late = data.requestVerification(leased, 0, FEE);
        vm.warp(block.timestamp + 1);
        data.returnBond(leased);
        assertEq(data.owed(owner), LEAK_BOND, "back while one is open");
        passVoting();
        data.conclude(panel);
        data.conclude(late);
        assertEq(allOwed(), held(), "and all else is somebody's");
    }
}
