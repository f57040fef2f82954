// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {DataFixture} from "./DataFixture.sol";

contract LeakCasesTest is DataFixture {
    address private constant STRANGER = address(0x5716);
    IDataRegistry.Finding private constant FOUND = IDataRegistry.Finding.EvidenceFound;
    IDataRegistry.Finding private constant NONE = IDataRegistry.Finding.NoEvidenceFound;
    IDataRegistry.Finding private constant OPEN = IDataRegistry.Finding.Inconclusive;

    function expectLog(IDataRegistry.Operation operation, address actor, bytes memory detail) private {
        uint256 index = data.logCount();
        vm.expectEmit(address(data));
        emit IDataRegistry.Logged(index, operation, leased, actor, block.timestamp, detail);
    }

    function seatOf(uint256 panel, uint256 i) private view returns (address) {
        return data.seats(panel)[i].juror;
    }

    function finds(uint256 panel, IDataRegistry.Finding wanted) private view {
        assertEq(uint256(data.findingOf(panel)), uint256(wanted), "finding");
    }

    /// @dev Past the end of the voting that began now.
    function passVoting() private {
        vm.warp(block.timestamp + VOTING + 1);
    }

    function decided(uint256 caseId) private {
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        data.decide(caseId);
    }

    /// @dev What everybody is owed.
    function allOwed() private view returns (uint256 sum) {
        sum = data.owed(owner) + data.owed(node) + data.owed(seller) + data.owed(buyer);
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            sum += data.owed(verifierAt(i));
        }
    }

    // ------------------------------------------------------------------------------------------ the panel

    /// @dev A verification of the fixture's lease; its panel isn't drawn.
    function asked() private returns (uint256 panel) {
        released();
        run(leased);
        vm.prank(seller);
        panel = data.requestVerification(leased, 0, FEE);
    }

    function verified() private returns (uint256 panel) {
        panel = asked();
        draw(panel);
    }

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
        expectLog(IDataRegistry.Operation.VerificationRequested, seller, abi.encode(uint256(1), uint256(0), 2 * FEE));
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
            expectLog(IDataRegistry.Operation.Verdict, address(this), abi.encode(panel, uint256(0), finding));
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

    // ------------------------------------------------------------------------------------------ opening

    function test_RevertWhen_NoKeyWasReleased() public {
        open(leased);
        commit(leased);
        IDataRegistry.Canary[] memory list = canaries(leased, 0);
        vm.expectRevert(IDataRegistry.NoKey.selector);
        vm.prank(seller);
        data.openCase(leased, "evidence", list);
    }

    function test_RevertWhen_TheBondIsGone() public {
        released();
        vm.warp(data.claimableUntil(leased) + 1);
        data.returnBond(leased);
        refuse(leased, canary(leased, 0), IDataRegistry.WrongState.selector);
    }

    function test_RevertWhen_TheClaimWindowIsOver() public {
        released();
        vm.warp(data.claimableUntil(leased) + 1);
        refuse(leased, canary(leased, 0), IDataRegistry.WrongTime.selector);
        vm.warp(data.claimableUntil(leased));
        openCase(leased, 0);
    }

    function test_RevertWhen_ACaseIsOpen() public {
        released();
        openCase(leased, 0);
        refuse(leased, canary(leased, 1), IDataRegistry.CaseIsOpen.selector);
        vm.warp(data.claimableUntil(leased) + 1);
        vm.expectRevert(IDataRegistry.CaseIsOpen.selector);
        data.returnBond(leased);
    }

    function test_RevertWhen_ThereAreNoCanariesOrTooMany() public {
        released();
        vm.startPrank(seller);
        vm.expectRevert(IDataRegistry.BadCanaries.selector);
        data.openCase(leased, "evidence", new IDataRegistry.Canary[](0));
        vm.expectRevert(IDataRegistry.BadCanaries.selector);
        data.openCase(leased, "evidence", new IDataRegistry.Canary[](17));
        vm.stopPrank();
    }

    function test_OpenCase_TakesTheBondAndOpensTheCanaries() public {
        released();
        IDataRegistry.Canary[] memory list = new IDataRegistry.Canary[](2);
        (list[0], list[1]) = (canary(leased, 3), canary(0, 5));
        bytes32[] memory leaves = new bytes32[](2);
        leaves[0] = canaryLeaves(leased)[3];
        leaves[1] = canaryLeaves(0)[5];
        uint256 before = token.balanceOf(seller);
        vm.expectEmit(address(data));
        emit IDataRegistry.CanaryOpened(1, leaves[0], true, saltOf(3), valueOf(3));
        vm.expectEmit(address(data));
        emit IDataRegistry.CanaryOpened(1, leaves[1], false, saltOf(5), valueOf(5));
        vm.expectEmit(address(data));
        emit IDataRegistry.Convened(1, leased, DRAWN, QUORUM);
        expectLog(
            IDataRegistry.Operation.CaseOpened, seller, abi.encode(uint256(1), uint256(1), bytes32("evidence"), leaves)
        );
        vm.prank(seller);
        uint256 caseId = data.openCase(leased, "evidence", list);
        assertEq(token.balanceOf(seller), before - CASE_BOND, "the bond");
        assertEq(held(), LEAK_BOND + CASE_BOND, "both held");
        assertTrue(data.isBurned(leaves[0]) && data.isBurned(leaves[1]), "burned");
        assertTrue(!data.isBurned(canaryLeaves(leased)[5]), "no other");
        IDataRegistry.Case memory got = data.cases(caseId);
        assertEq(got.lease, leased, "lease");
        assertEq(got.evidence, "evidence", "evidence");
        assertEq(data.leases(leased).openCase, caseId, "open");
    }

    function test_OpenCase_WhileTheLeaseRuns() public {
        released();
        openCase(leased, 0);
        releaseKey(leased, "another"); // it isn't judged yet; the seller can kill it
        vm.prank(seller);
        data.kill(leased);
    }

    // ------------------------------------------------------------------------------------------ canaries

    function refuse(bytes32 id, IDataRegistry.Canary memory bad, bytes4 why) private {
        refuse(id, bad, abi.encodeWithSelector(why));
    }

    function refuseBurned(bytes32 id, IDataRegistry.Canary memory bad, bytes32 leaf) private {
        refuse(id, bad, abi.encodeWithSelector(IDataRegistry.Burned.selector, leaf));
    }

    function refuse(bytes32 id, IDataRegistry.Canary memory bad, bytes memory why) private {
        IDataRegistry.Canary[] memory list = new IDataRegistry.Canary[](1);
        list[0] = bad;
        vm.expectRevert(why);
        vm.prank(seller);
        data.openCase(id, "evidence", list);
    }

    function test_RevertWhen_ACanaryIsNotInTheCommitment() public {
        released();
        bytes4 why = IDataRegistry.NotCommitted.selector;
        IDataRegistry.Canary memory c = canary(leased, 0);
        c.salt = "another";
        refuse(leased, c, why);
        c = canary(leased, 0);
        c.value = "another";
        refuse(leased, c, why);
        c = canary(leased, 0);
        c.ofLease = false; // it isn't in the dataset's
        refuse(leased, c, why);
        c = canary(0, 0);
        c.ofLease = true; // nor is that in the lease's
        refuse(leased, c, why);
        c = canary(leased, 0);
        (c.proof[0], c.proof[1]) = (c.proof[1], c.proof[0]);
        refuse(leased, c, why);
        c = canary(leased, 0);
        c.proof = new bytes32[](0);
        refuse(leased, c, why);
    }

    function test_RevertWhen_TheLeaseHasNoCanariesOfItsOwn() public {
        open(leased);
        releaseKey(leased, "nonce");
        refuse(leased, canary(leased, 0), IDataRegistry.NotCommitted.selector);
        // those of the dataset are there for everybody
        IDataRegistry.Canary[] memory list = canaries(0, 0);
        vm.prank(seller);
        data.openCase(leased, "evidence", list);
    }

    function test_RevertWhen_ACanaryIsBurned() public {
        (uint256 caseId, uint256 panel) = accused();
        castAll(panel, DRAWN, NONE);
        decided(caseId);
        refuseBurned(leased, canary(leased, 0), canaryLeaves(leased)[0]);
        openCase(leased, 1);
    }

    function test_RevertWhen_ACanaryIsOpenedTwiceInOneCase() public {
        released();
        IDataRegistry.Canary[] memory list = new IDataRegistry.Canary[](2);
        (list[0], list[1]) = (canary(leased, 0), canary(leased, 0));
        vm.expectRevert(abi.encodeWithSelector(IDataRegistry.Burned.selector, canaryLeaves(leased)[0]));
        vm.prank(seller);
        data.openCase(leased, "evidence", list);
        assertTrue(!data.isBurned(canaryLeaves(leased)[0]), "and nothing is burned");
    }

    /// @dev Another lease of the same dataset, a key released.
    function second() private returns (bytes32 id) {
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.escrowLease = "second";
        id = request(t);
        open(id);
    }

    function test_Canary_OfOneLeaseIsNothingInAnother() public {
        released();
        bytes32 another = second();
        // even if the seller commits to the same tree for both
        bytes32 root = rootOf(canaryLeaves(leased));
        vm.prank(seller);
        data.commitCanaries(another, root);
        releaseKey(another, "nonce");
        refuse(another, canary(leased, 0), IDataRegistry.NotCommitted.selector);
        openCase(leased, 0);
    }

    function test_Canary_OfTheDatasetIsBurnedForAllItsLeases() public {
        released();
        bytes32 another = second();
        releaseKey(another, "nonce");
        IDataRegistry.Canary[] memory list = canaries(0, 0);
        vm.prank(seller);
        data.openCase(leased, "evidence", list);
        refuseBurned(another, canary(0, 0), canaryLeaves(0)[0]);
        // and for another dataset with the same canaries
        IDataRegistry.DatasetTerms memory again = terms();
        again.root = "another";
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.dataset = publish(again);
        bytes32 third = request(t);
        open(third);
        releaseKey(third, "nonce");
        refuseBurned(third, canary(0, 0), canaryLeaves(0)[0]);
    }

    function test_Canary_NobodyElseCanBurnIt() public {
        // Somebody saw the seller's canary in its transaction, and its tree in earlier proofs; it has a dataset with that very
        // root and a lease of it, and is quicker.
        released();
        address seller_ = seller;
        bytes32 root = terms().canaryRoot;
        IDataRegistry.Canary[] memory seen = canaries(0, 0);
        (seller, broker) = (address(0x7417), address(0x7417));
        give(seller, address(data), 1000e18);
        IDataRegistry.DatasetTerms memory sham = terms();
        sham.canaryRoot = root;
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.dataset = publish(sham);
        bytes32 id = request(t);
        open(id);
        releaseKey(id, "nonce");
        vm.expectRevert(IDataRegistry.NotCommitted.selector);
        vm.prank(seller);
        data.openCase(id, "evidence", seen);
        vm.prank(seller_);
        data.openCase(leased, "evidence", seen);
    }

    function test_Canary_LeafBindsAll() public {
        bytes32 leaf = data.canaryLeaf(seller, leased, "salt", "value");
        assertTrue(data.canaryLeaf(buyer, leased, "salt", "value") != leaf, "seller");
        assertTrue(data.canaryLeaf(seller, 0, "salt", "value") != leaf, "subject");
        assertTrue(data.canaryLeaf(seller, leased, "tlas", "value") != leaf, "salt");
        assertTrue(data.canaryLeaf(seller, leased, "salt", "eulav") != leaf, "value");
        assertTrue(deployData(parameters()).canaryLeaf(seller, leased, "salt", "value") != leaf, "contract");
        vm.chainId(4242);
        assertTrue(data.canaryLeaf(seller, leased, "salt", "value") != leaf, "chain");
    }

    function testFuzz_Canary_AnInnerNodeIsNoCanary(bytes32 salt, bytes calldata value) public {
        released();
        // an inner node of the tree as if it were a leaf: what hashes to it is two words, and a leaf is of seven
        (, bytes32[] memory proof) = walk(canaryLeaves(leased), 0);
        IDataRegistry.Canary memory c;
        (c.ofLease, c.salt, c.value, c.proof) = (true, salt, value, new bytes32[](1));
        c.proof[0] = proof[2];
        refuse(leased, c, IDataRegistry.NotCommitted.selector);
    }

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
        expectLog(IDataRegistry.Operation.CaseDecided, address(this), abi.encode(caseId, true, LEAK_BOND - cut, cut));
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
            IDataRegistry.Operation.CaseDecided, address(this), abi.encode(caseId, false, uint256(0), half / 4 * 4)
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
        passVoting();
        vm.expectRevert(IDataRegistry.WrongPhase.selector); // once
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
            expectLog(IDataRegistry.Operation.Appealed, by[i], abi.encode(caseId, uint256(2)));
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
}
