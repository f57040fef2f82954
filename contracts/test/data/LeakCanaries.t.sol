// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {DataFixture} from "./DataFixture.sol";

contract LeakCanariesTest is DataFixture {
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
            IDataRegistry.Operation.CaseOpened,
            leased,
            seller,
            abi.encode(uint256(1), uint256(1), bytes32("evidence"), leaves)
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
}
