// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {DataFixture} from "./DataFixture.sol";

contract DataLeasesTest is DataFixture {
    // ------------------------------------------------------------------------------------------------- open

    function test_RevertWhen_OpeningWhatIsNotAskedFor() public {
        vm.expectRevert(IDataRegistry.WrongState.selector);
        open("none");
        open(leased);
        vm.expectRevert(IDataRegistry.WrongState.selector);
        open(leased);
        vm.prank(owner);
        data.close(leased);
        vm.expectRevert(IDataRegistry.WrongState.selector);
        open(leased);
    }

    function test_RevertWhen_AStrangerStands() public {
        address[4] memory others = [STRANGER, buyer, seller, broker];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(IDataRegistry.NotNode.selector);
            vm.prank(others[i]);
            data.openLease(leased);
        }
    }

    function test_RevertWhen_TheNodeIsNone() public {
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.node = STRANGER;
        bytes32 id = request(t);
        vm.expectRevert(IDataRegistry.NotRegistered.selector);
        vm.prank(STRANGER);
        data.openLease(id);
        t.node = verifierAt(0);
        id = request(t);
        vm.expectRevert(IDataRegistry.NotRegistered.selector);
        vm.prank(verifierAt(0));
        data.openLease(id);
        vm.prank(node);
        registry.quit();
        vm.expectRevert(IDataRegistry.NotRegistered.selector);
        open(leased);
    }

    function test_RevertWhen_OpenedTooLate() public {
        vm.warp(endOf(leased));
        vm.expectRevert(IDataRegistry.BadTime.selector);
        open(leased);
        vm.warp(endOf(leased) - 1);
        open(leased);
    }

    function test_RevertWhen_TheBondIsMissing() public {
        vm.prank(owner);
        token.approve(address(data), LEAK_BOND - 1);
        vm.expectRevert();
        open(leased);
        is_(leased, IDataRegistry.LeaseState.Requested);
    }

    function test_Open_TakesTheBondOfTheOwner() public {
        uint256 before = token.balanceOf(owner);
        expectLog(IDataRegistry.Operation.Opened, leased, owner, abi.encode(owner, uint256(LEAK_BOND)));
        open(leased);
        IDataRegistry.Lease memory got = data.leases(leased);
        is_(leased, IDataRegistry.LeaseState.Open);
        assertEq(got.guarantor, owner, "who stands for it");
        assertEq(got.bond, LEAK_BOND, "bond");
        assertEq(token.balanceOf(owner), before - LEAK_BOND, "the owner's");
        assertEq(held(), LEAK_BOND, "held");
        assertEq(data.claimableUntil(leased), endOf(leased), "as long as there is nothing to leak");
        releaseKey(leased, "nonce");
        assertEq(data.claimableUntil(leased), endOf(leased) + CLAIMING, "then until after the claim window");
    }

    function test_Open_TakesTheBondOfTheNode() public {
        vm.prank(node);
        data.openLease(leased);
        assertEq(data.leases(leased).guarantor, node, "who stands for it");
        vm.warp(data.claimableUntil(leased) + 1);
        data.returnBond(leased);
        assertEq(data.owed(node), LEAK_BOND, "and gets it back");
        assertEq(data.owed(owner), 0, "not its owner");
    }

    function testFuzz_Open_TakesTheDatasetsBond(uint96 bond) public {
        bond = uint96(bound(bond, 1, 100_000e18));
        IDataRegistry.DatasetTerms memory t = terms();
        (t.root, t.leakBond) = ("another", bond);
        IDataRegistry.LeaseTerms memory asked = leaseTerms();
        asked.dataset = publish(t);
        bytes32 id = request(asked);
        open(id);
        assertEq(held(), bond, "exactly that");
        vm.warp(data.claimableUntil(id) + 1);
        data.returnBond(id);
        assertEq(data.owed(owner), bond, "and back");
    }

    function test_Open_AnOwnerIsTheRegistrys() public {
        // a node of another owner: neither the first owner nor the seller may stand for it
        address another = address(0x0DF);
        registerNode(another, address(0x0E12), 1, 1000e18);
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.node = another;
        bytes32 id = request(t);
        assertEq(uint256(registry.account(another).role), uint256(INodeRegistry.Role.Node), "a node");
        vm.expectRevert(IDataRegistry.NotNode.selector);
        open(id);
        give(address(0x0E12), address(data), LEAK_BOND);
        vm.prank(address(0x0E12));
        data.openLease(id);
        vm.expectRevert(IDataRegistry.NotParty.selector);
        vm.prank(owner);
        data.close(id);
    }

    // --------------------------------------------------------------------------------------------- canaries

    function test_Canaries_AreCommittedToBeforeTheKey() public {
        expectLog(IDataRegistry.Operation.CanariesCommitted, leased, seller, abi.encode(bytes32("canaries")));
        vm.prank(seller);
        data.commitCanaries(leased, "canaries");
        assertEq(data.leases(leased).canaryRoot, "canaries", "kept");
        vm.expectRevert(IDataRegistry.TooLateForCanaries.selector);
        vm.prank(seller);
        data.commitCanaries(leased, "others");
    }

    function test_RevertWhen_CanariesComeTooLate() public {
        open(leased);
        vm.expectRevert(IDataRegistry.TooLateForCanaries.selector);
        vm.prank(seller);
        data.commitCanaries(leased, 0);
        releaseKey(leased, "nonce");
        vm.expectRevert(IDataRegistry.TooLateForCanaries.selector);
        vm.prank(seller);
        data.commitCanaries(leased, "canaries");
    }

    // ---------------------------------------------------------------------------------------------- running

    function test_RevertWhen_TheLeaseDoesNotRun() public {
        for (uint256 i = 0; i < 5; ++i) {
            setUp();
            if (i > 0) open(leased);
            if (i > 0) releaseKey(leased, "first");
            IDataRegistry.LeaseState wanted = IDataRegistry.LeaseState.Requested;
            if (i == 1) {
                vm.prank(buyer);
                data.kill(leased);
                wanted = IDataRegistry.LeaseState.Killed;
            } else if (i == 2) {
                vm.prank(buyer);
                data.close(leased);
                wanted = IDataRegistry.LeaseState.Closed;
            } else if (i > 2) {
                vm.warp(endOf(leased) + 1);
                wanted = IDataRegistry.LeaseState.Open;
            }
            is_(leased, wanted);
            refused(
                wanted == IDataRegistry.LeaseState.Open
                    ? IDataRegistry.BadTime.selector
                    : IDataRegistry.WrongState.selector
            );
        }
    }

    /// @dev Whatever needs a running lease reverts with `why`.
    function refused(bytes4 why) private {
        vm.expectRevert(why);
        releaseKey(leased, "nonce");
        vm.startPrank(node);
        vm.expectRevert(why);
        data.startJob(leased, "job");
        vm.expectRevert(why);
        data.commitOutput(leased, output());
        vm.stopPrank();
    }

    function test_RevertWhen_TheKeyIsForAnother() public {
        open(leased);
        vm.expectRevert(IDataRegistry.NotBroker.selector);
        vm.prank(seller);
        data.releaseKey(leased, keyRelease("nonce"));
        IDataRegistry.KeyRelease memory r = keyRelease("nonce");
        r.node = STRANGER;
        vm.startPrank(broker);
        vm.expectRevert(IDataRegistry.WrongNode.selector);
        data.releaseKey(leased, r);
        r = keyRelease("nonce");
        r.image = IMAGE_2;
        vm.expectRevert(IDataRegistry.WrongImage.selector);
        data.releaseKey(leased, r);
        vm.stopPrank();
        // even if the image is allowed by now
        vm.prank(seller);
        data.allowImages(dataset, one(IMAGE_2));
        vm.expectRevert(IDataRegistry.WrongImage.selector);
        vm.prank(broker);
        data.releaseKey(leased, r);
        assertTrue(!data.leases(leased).keyReleased, "nothing was released");
    }

    function test_RevertWhen_TheNonceWasUsed() public {
        open(leased);
        releaseKey(leased, "nonce");
        vm.expectRevert(IDataRegistry.NonceUsed.selector);
        releaseKey(leased, "nonce");
        releaseKey(leased, "another");
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.escrowLease = "second";
        bytes32 id = request(t);
        open(id);
        releaseKey(id, "nonce"); // each lease has its own
    }

    function test_ReleaseKey_IsOnRecord() public {
        open(leased);
        expectLog(IDataRegistry.Operation.KeyReleased, leased, broker, abi.encode(keyRelease("nonce")));
        releaseKey(leased, "nonce");
        assertTrue(data.leases(leased).keyReleased, "released");
    }

    function test_ReleaseKey_UntilTheLastSecond() public {
        open(leased);
        vm.warp(endOf(leased));
        releaseKey(leased, "nonce");
        run(leased);
    }

    function test_RevertWhen_AnotherWorks() public {
        released();
        address[3] memory others = [owner, buyer, STRANGER];
        for (uint256 i = 0; i < 3; ++i) {
            vm.startPrank(others[i]);
            vm.expectRevert(IDataRegistry.NotNode.selector);
            data.startJob(leased, "job");
            vm.expectRevert(IDataRegistry.NotNode.selector);
            data.commitOutput(leased, output());
            vm.stopPrank();
        }
    }

    function test_RevertWhen_TheOrderIsWrong() public {
        open(leased);
        vm.startPrank(node);
        vm.expectRevert(IDataRegistry.NoKey.selector);
        data.startJob(leased, "job");
        vm.stopPrank();
        releaseKey(leased, "nonce");
        vm.startPrank(node);
        vm.expectRevert(IDataRegistry.NoJob.selector);
        data.commitOutput(leased, output());
        data.startJob(leased, "job");
        IDataRegistry.Output memory empty = output();
        empty.root = 0;
        vm.expectRevert(IDataRegistry.BadOutput.selector);
        data.commitOutput(leased, empty);
        vm.stopPrank();
    }

    function test_JobsAndOutputs_AreOnRecord() public {
        released();
        vm.startPrank(node);
        expectLog(IDataRegistry.Operation.JobStarted, leased, node, abi.encode(bytes32("job")));
        data.startJob(leased, "job");
        expectLog(IDataRegistry.Operation.OutputCommitted, leased, node, abi.encode(uint256(0), output()));
        assertEq(data.commitOutput(leased, output()), 0, "the first");
        expectLog(IDataRegistry.Operation.OutputCommitted, leased, node, abi.encode(uint256(1), output()));
        assertEq(data.commitOutput(leased, output()), 1, "the second");
        vm.stopPrank();
        assertEq(data.leases(leased).jobs, 1, "jobs");
        assertEq(data.leases(leased).outputs, 2, "outputs");
    }

    // ------------------------------------------------------------------------------------------------- kill

    function test_RevertWhen_AStrangerKills() public {
        open(leased);
        address[4] memory others = [STRANGER, node, owner, broker];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(IDataRegistry.NotParty.selector);
            vm.prank(others[i]);
            data.kill(leased);
        }
        vm.expectRevert(IDataRegistry.NotParty.selector);
        data.kill("none");
    }

    function test_Kill_EndsItAtOnce() public {
        for (uint256 i = 0; i < 2; ++i) {
            setUp();
            released();
            vm.warp(block.timestamp + 100);
            address by = i == 0 ? seller : buyer;
            expectLog(IDataRegistry.Operation.Killed, leased, by, "");
            vm.prank(by);
            data.kill(leased);
            is_(leased, IDataRegistry.LeaseState.Killed);
            assertEq(data.leases(leased).endedAt, block.timestamp, "now");
            assertEq(data.claimableUntil(leased), block.timestamp + CLAIMING, "the claim window runs");
            refused(IDataRegistry.WrongState.selector);
            assertEq(data.leases(leased).bond, LEAK_BOND, "the bond stays");
        }
    }

    function test_Kill_TakesARequestBack() public {
        vm.prank(buyer);
        data.kill(leased);
        is_(leased, IDataRegistry.LeaseState.Killed);
        vm.expectRevert(IDataRegistry.WrongState.selector);
        open(leased);
        vm.expectRevert(IDataRegistry.WrongState.selector);
        data.returnBond(leased);
    }

    function test_RevertWhen_ThereIsNothingToKill() public {
        open(leased);
        vm.warp(endOf(leased) + 1);
        vm.expectRevert(IDataRegistry.BadTime.selector);
        vm.prank(seller);
        data.kill(leased);
        vm.warp(endOf(leased));
        vm.startPrank(seller);
        data.kill(leased);
        vm.expectRevert(IDataRegistry.WrongState.selector);
        data.kill(leased);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------------------------------------ close

    function test_RevertWhen_AStrangerCloses() public {
        vm.expectRevert(IDataRegistry.WrongState.selector);
        data.close(leased);
        open(leased);
        address[3] memory others = [STRANGER, seller, broker];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IDataRegistry.NotParty.selector);
            vm.prank(others[i]);
            data.close(leased);
        }
        vm.warp(endOf(leased));
        vm.expectRevert(IDataRegistry.NotParty.selector);
        data.close(leased);
        vm.warp(endOf(leased) + 1);
        data.close(leased); // anyone, once it is over
        assertEq(data.leases(leased).endedAt, endOf(leased), "ended when its time was over, not now");
    }

    function test_Close_ByBuyerNodeOrOwner() public {
        address[3] memory by = [buyer, node, owner];
        for (uint256 i = 0; i < 3; ++i) {
            setUp();
            open(leased);
            expectLog(IDataRegistry.Operation.Closed, leased, by[i], "");
            vm.prank(by[i]);
            data.close(leased);
            is_(leased, IDataRegistry.LeaseState.Closed);
            assertEq(data.leases(leased).endedAt, block.timestamp, "now");
            vm.expectRevert(IDataRegistry.WrongState.selector);
            vm.prank(by[i]);
            data.close(leased);
        }
    }

    // ------------------------------------------------------------------------------------------ return bond

    function test_RevertWhen_TheClaimWindowIsNotOver() public {
        vm.expectRevert(IDataRegistry.WrongState.selector);
        data.returnBond(leased);
        released();
        vm.warp(endOf(leased) + CLAIMING);
        vm.expectRevert(IDataRegistry.WrongTime.selector);
        data.returnBond(leased);
    }

    function test_ReturnBond_AtOnceIfThereWasNoKey() public {
        // a seller that has a lease opened only to kill it doesn't lock the bond up
        open(leased);
        commit(leased);
        vm.warp(block.timestamp + 100);
        vm.expectRevert(IDataRegistry.WrongTime.selector); // it runs: a key may still come
        data.returnBond(leased);
        vm.prank(seller);
        data.kill(leased);
        vm.expectRevert(IDataRegistry.WrongTime.selector);
        data.returnBond(leased);
        vm.warp(block.timestamp + 1);
        data.returnBond(leased);
        assertEq(data.owed(owner), LEAK_BOND, "back");
    }

    function test_ReturnBond_AfterTheWindowByAnyone() public {
        released();
        vm.warp(endOf(leased) + CLAIMING + 1);
        vm.prank(STRANGER);
        data.returnBond(leased);
        is_(leased, IDataRegistry.LeaseState.Closed);
        assertEq(data.leases(leased).endedAt, endOf(leased), "closed when its time was over");
        assertEq(data.owed(owner), LEAK_BOND, "the owner's");
        assertEq(data.leases(leased).bond, 0, "no more behind it");
        vm.expectRevert(IDataRegistry.WrongState.selector);
        data.returnBond(leased);
        assertEq(data.owed(owner), LEAK_BOND, "once");
    }

    function testFuzz_ReturnBond_AfterAnEarlyEnd(uint256 ran, bool killed) public {
        released();
        ran = bound(ran, 0, 30 days);
        vm.warp(block.timestamp + ran);
        vm.prank(buyer);
        if (killed) data.kill(leased);
        else data.close(leased);
        uint256 ended = block.timestamp;
        vm.warp(ended + CLAIMING);
        vm.expectRevert(IDataRegistry.WrongTime.selector);
        data.returnBond(leased);
        vm.warp(ended + CLAIMING + 1);
        expectLog(IDataRegistry.Operation.BondReturned, leased, STRANGER, abi.encode(owner, uint256(LEAK_BOND)));
        vm.prank(STRANGER);
        data.returnBond(leased);
        is_(leased, killed ? IDataRegistry.LeaseState.Killed : IDataRegistry.LeaseState.Closed);
    }

    function test_ReturnBond_NeedsNobodysLeave() public {
        open(leased);
        // the node has left, the seller has retired and has no broker, and nobody did anything
        vm.prank(node);
        registry.quit();
        vm.startPrank(seller);
        data.appointBroker(dataset, address(0));
        data.retire(dataset);
        vm.stopPrank();
        vm.warp(data.claimableUntil(leased) + 1);
        data.returnBond(leased);
        vm.prank(owner);
        data.withdraw(owner);
        assertEq(held(), 0, "out");
    }

    // --------------------------------------------------------------------------------------------- withdraw

    function test_Withdraw_PaysWhatIsOwedOnce() public {
        returned();
        vm.expectEmit(address(data));
        emit IDataRegistry.Withdrawn(owner, address(0xCA5), LEAK_BOND);
        vm.startPrank(owner);
        data.withdraw(address(0xCA5));
        assertEq(token.balanceOf(address(0xCA5)), LEAK_BOND, "paid");
        vm.expectRevert(IDataRegistry.NothingOwed.selector);
        data.withdraw(address(0xCA5));
        vm.stopPrank();
    }

    function test_RevertWhen_WithdrawingToNowhere() public {
        returned();
        vm.startPrank(owner);
        vm.expectRevert(IDataRegistry.ZeroAddress.selector);
        data.withdraw(address(0));
        vm.expectRevert(IDataRegistry.ZeroAddress.selector);
        data.withdraw(address(data));
        vm.stopPrank();
        vm.expectRevert(IDataRegistry.NothingOwed.selector);
        data.withdraw(address(this));
    }
}
