// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {FalseToken, FeeToken, LyingToken, ReentrantToken} from "../mocks/Tokens.sol";
import {IEAIToken} from "../utils/IEAIToken.sol";
import {DataFixture} from "./DataFixture.sol";

contract DataLeasesTest is DataFixture {
    address private constant STRANGER = address(0x5716);

    function deployExternal(IDataRegistry.Parameters memory p) external returns (IDataRegistry) {
        return deployData(p);
    }

    /// @dev The next entry of the log is to be this.
    function expectLog(IDataRegistry.Operation operation, bytes32 subject, address actor, bytes memory detail) private {
        uint256 index = data.logCount();
        vm.expectEmit(address(data));
        emit IDataRegistry.Logged(index, operation, subject, actor, block.timestamp, detail);
    }

    function state(bytes32 id) private view returns (uint256) {
        return uint256(data.leases(id).state);
    }

    function is_(bytes32 id, IDataRegistry.LeaseState wanted) private view {
        assertEq(state(id), uint256(wanted), "state");
    }

    // ------------------------------------------------------------------------------------------ constructor

    function test_RevertWhen_AnAddressIsZero() public {
        for (uint256 i = 0; i < 2; ++i) {
            IDataRegistry.Parameters memory p = parameters();
            if (i == 0) p.token = address(0);
            if (i == 1) p.registry = address(0);
            vm.expectRevert(IDataRegistry.ZeroAddress.selector);
            this.deployExternal(p);
        }
    }

    function test_RevertWhen_AParameterIsBad() public {
        for (uint256 i = 0; i < 13; ++i) {
            IDataRegistry.Parameters memory p = parameters();
            if (i == 0) p.bond = 0;
            if (i == 1) p.fee = 0;
            if (i == 2) p.voting = 0;
            if (i == 3) p.voting = 365 days + 1;
            if (i == 4) p.appealing = 0;
            if (i == 5) p.appealing = 365 days + 1;
            if (i == 6) p.claiming = 0;
            if (i == 7) p.claiming = 365 days + 1;
            if (i == 8) p.maxLease = 0;
            if (i == 9) p.maxLease = 365 days + 1;
            if (i == 10) (p.drawn, p.quorum) = (6, 3);
            if (i == 11) (p.drawn, p.quorum) = (5, 6);
            if (i == 12) (p.drawn, p.quorum) = (33, 20);
            vm.expectRevert(IDataRegistry.BadParameter.selector);
            this.deployExternal(p);
        }
    }

    function test_Constructor_TakesTheEdges() public {
        IDataRegistry.Parameters memory p = parameters();
        (p.voting, p.appealing, p.claiming, p.maxLease) = (365 days, 365 days, 365 days, 365 days);
        (p.bond, p.fee, p.drawn, p.quorum) = (1, 1, 32, 32);
        this.deployExternal(p);
        (p.voting, p.appealing, p.claiming, p.maxLease) = (1, 1, 1, 1);
        (p.bond, p.fee, p.drawn, p.quorum) = (type(uint96).max, type(uint96).max, 1, 1);
        this.deployExternal(p);
    }

    function test_Constructor_StartsWithAnEmptyLog() public {
        IDataRegistry fresh = deployData(parameters());
        assertEq(fresh.logCount(), 0, "nothing");
        assertTrue(fresh.logRoot() != 0, "and a root of it");
    }

    // --------------------------------------------------------------------------------------------- datasets

    function test_RevertWhen_TheTermsAreBad() public {
        for (uint256 i = 0; i < 4; ++i) {
            IDataRegistry.DatasetTerms memory t = terms();
            if (i == 0) t.root = 0;
            if (i == 1) t.commitment = 0;
            if (i == 2) t.canaryRoot = 0;
            if (i == 3) t.leakBond = 0;
            vm.expectRevert(IDataRegistry.BadTerms.selector);
            publish(t);
        }
    }

    function test_RevertWhen_PublishedTwice() public {
        IDataRegistry.DatasetTerms memory t = terms();
        vm.expectRevert(IDataRegistry.Exists.selector);
        publish(t);
    }

    function test_RevertWhen_TheImagesAreNoneOrTooMany() public {
        IDataRegistry.DatasetTerms memory t = terms();
        t.root = "another";
        vm.startPrank(seller);
        vm.expectRevert(IDataRegistry.BadImages.selector);
        data.publish(t, broker, new bytes32[](0));
        vm.expectRevert(IDataRegistry.BadImages.selector);
        data.allowImages(dataset, new bytes32[](65));
        vm.expectRevert(IDataRegistry.BadImages.selector);
        data.removeImages(dataset, new bytes32[](0));
        data.allowImages(dataset, new bytes32[](64));
        vm.stopPrank();
    }

    function test_Publish_KeepsTheTerms() public {
        IDataRegistry.DatasetTerms memory t = terms();
        t.root = "another";
        bytes32 id = data.datasetId(seller, t);
        assertEq(id, keccak256(abi.encode(seller, t)), "named by seller and terms");
        expectLog(IDataRegistry.Operation.Published, id, seller, abi.encode(t));
        vm.prank(seller);
        assertEq(data.publish(t, broker, one(IMAGE)), id, "id");
        IDataRegistry.Dataset memory got = data.datasets(id);
        assertEq(got.seller, seller, "seller");
        assertEq(got.broker, broker, "broker");
        assertEq(got.publishedAt, block.timestamp, "when");
        assertTrue(!got.retired, "for sale");
        assertEq(keccak256(abi.encode(got.terms)), keccak256(abi.encode(t)), "terms");
        assertTrue(data.isAllowed(id, IMAGE) && !data.isAllowed(id, IMAGE_2), "images");
    }

    function test_Publish_NobodyTakesAnothersId() public {
        IDataRegistry.DatasetTerms memory t = terms();
        vm.prank(STRANGER); // copies what it saw
        bytes32 copied = data.publish(t, STRANGER, one(IMAGE));
        assertTrue(copied != dataset, "is another dataset");
        assertEq(data.datasets(dataset).seller, seller, "and this one the seller's");
    }

    function test_RevertWhen_TheCallerIsNotTheSeller() public {
        address[4] memory others = [STRANGER, buyer, broker, node];
        for (uint256 i = 0; i < 4; ++i) {
            vm.startPrank(others[i]);
            vm.expectRevert(IDataRegistry.NotSeller.selector);
            data.allowImages(dataset, one(IMAGE_2));
            vm.expectRevert(IDataRegistry.NotSeller.selector);
            data.removeImages(dataset, one(IMAGE));
            vm.expectRevert(IDataRegistry.NotSeller.selector);
            data.appointBroker(dataset, others[i]);
            vm.expectRevert(IDataRegistry.NotSeller.selector);
            data.retire(dataset);
            vm.expectRevert(IDataRegistry.NotSeller.selector);
            data.commitCanaries(leased, "canaries");
            vm.expectRevert(IDataRegistry.NotSeller.selector);
            data.requestVerification(leased, 0, FEE);
            vm.expectRevert(IDataRegistry.NotSeller.selector);
            data.openCase(leased, "evidence", new IDataRegistry.Canary[](1));
            vm.stopPrank();
        }
        vm.expectRevert(IDataRegistry.NotSeller.selector);
        data.commitCanaries("no lease", "canaries");
    }

    function test_Images_AreAllowedAndRemoved() public {
        bytes32[] memory both = new bytes32[](2);
        (both[0], both[1]) = (IMAGE, IMAGE_2);
        expectLog(IDataRegistry.Operation.ImagesAllowed, dataset, seller, abi.encode(both));
        vm.prank(seller);
        data.allowImages(dataset, both);
        assertTrue(data.isAllowed(dataset, IMAGE) && data.isAllowed(dataset, IMAGE_2), "both");
        expectLog(IDataRegistry.Operation.ImagesRemoved, dataset, seller, abi.encode(one(IMAGE)));
        vm.prank(seller);
        data.removeImages(dataset, one(IMAGE));
        assertTrue(!data.isAllowed(dataset, IMAGE) && data.isAllowed(dataset, IMAGE_2), "one");
    }

    function test_Images_RemovalEndsNewLeasesOnly() public {
        open(leased);
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.escrowLease = "second";
        bytes32 asked = request(t);
        vm.prank(seller);
        data.removeImages(dataset, one(IMAGE));
        vm.expectRevert(IDataRegistry.WrongImage.selector);
        open(asked);
        t.escrowLease = "third";
        vm.expectRevert(IDataRegistry.WrongImage.selector);
        request(t);
        releaseKey(leased, "nonce"); // what runs goes on
        run(leased);
    }

    function test_Broker_CanBeReplacedAtAnyTime() public {
        open(leased);
        releaseKey(leased, "first");
        address next = address(0xB40D);
        expectLog(IDataRegistry.Operation.BrokerAppointed, dataset, seller, abi.encode(next));
        vm.prank(seller);
        data.appointBroker(dataset, next);
        vm.expectRevert(IDataRegistry.NotBroker.selector); // a stolen key ends here
        releaseKey(leased, "second");
        vm.prank(next);
        data.releaseKey(leased, keyRelease("second"));
        vm.prank(seller);
        data.appointBroker(dataset, address(0));
        vm.expectRevert(IDataRegistry.NotBroker.selector);
        vm.prank(next);
        data.releaseKey(leased, keyRelease("third"));
    }

    function test_Retire_EndsNewLeasesForGood() public {
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.escrowLease = "second";
        bytes32 asked = request(t);
        open(leased);
        expectLog(IDataRegistry.Operation.Retired, dataset, seller, "");
        vm.prank(seller);
        data.retire(dataset);
        vm.expectRevert(IDataRegistry.DatasetRetired.selector);
        open(asked);
        t.escrowLease = "third";
        vm.expectRevert(IDataRegistry.DatasetRetired.selector);
        request(t);
        vm.expectRevert(IDataRegistry.DatasetRetired.selector);
        vm.prank(seller);
        data.retire(dataset);
        releaseKey(leased, "nonce");
    }

    // ---------------------------------------------------------------------------------------------- request

    function test_RevertWhen_TheSellerDoesNotOfferIt() public {
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.dataset = "none";
        vm.expectRevert(IDataRegistry.NoDataset.selector);
        request(t);
        t = leaseTerms();
        t.image = IMAGE_2;
        vm.expectRevert(IDataRegistry.WrongImage.selector);
        request(t);
    }

    function testFuzz_Request_NeedsTheMinimumOfAssurance(uint8 minimum, uint8 offered) public {
        IDataRegistry.DatasetTerms memory t = terms();
        (t.root, t.minimum) = ("another", IDataRegistry.Assurance(minimum % 4));
        IDataRegistry.LeaseTerms memory asked = leaseTerms();
        (asked.dataset, asked.assurance) = (publish(t), IDataRegistry.Assurance(offered % 4));
        if (offered % 4 < minimum % 4) vm.expectRevert(IDataRegistry.TooLittleAssurance.selector);
        request(asked);
    }

    function test_RevertWhen_TheTimeIsBad() public {
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.until = uint40(block.timestamp);
        vm.expectRevert(IDataRegistry.BadTime.selector);
        request(t);
        t.until = uint40(block.timestamp + MAX_LEASE + 1);
        vm.expectRevert(IDataRegistry.BadTime.selector);
        request(t);
        t.until = uint40(block.timestamp + MAX_LEASE);
        request(t);
        t.until = uint40(block.timestamp + 1);
        request(t);
        t.until = type(uint40).max;
        vm.expectRevert(IDataRegistry.BadTime.selector);
        request(t);
    }

    function test_RevertWhen_AskedTwice() public {
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        vm.expectRevert(IDataRegistry.Exists.selector);
        request(t);
        vm.prank(buyer);
        data.kill(leased);
        vm.expectRevert(IDataRegistry.Exists.selector); // nor once it was taken back
        request(t);
    }

    function test_Request_TakesNothing() public {
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.escrowLease = "second";
        bytes32 id = data.leaseId(buyer, t);
        expectLog(IDataRegistry.Operation.Requested, id, buyer, abi.encode(t));
        assertEq(request(t), id, "id");
        IDataRegistry.Lease memory got = data.leases(id);
        is_(id, IDataRegistry.LeaseState.Requested);
        assertEq(got.buyer, buyer, "buyer");
        assertEq(got.bond, 0, "no bond yet");
        assertEq(keccak256(abi.encode(got.terms)), keccak256(abi.encode(t)), "terms");
        assertEq(held(), 0, "and nothing held");
        assertEq(data.claimableUntil(id), 0, "nothing to claim");
    }

    function test_Request_IsOfItsBuyer() public {
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        vm.prank(STRANGER);
        bytes32 theirs = data.requestLease(t);
        assertTrue(theirs != leased, "another's request is another lease");
        assertEq(data.leases(leased).buyer, buyer, "this is the buyer's");
    }

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

    function returned() private {
        open(leased);
        vm.warp(data.claimableUntil(leased) + 1);
        data.returnBond(leased);
    }

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

    // --------------------------------------------------------------------------------------- strange tokens

    /// @dev A registry of bonds in another token, with a lease asked for.
    function withToken(address strange) private {
        IDataRegistry.Parameters memory p = parameters();
        p.token = strange;
        data = deployData(p);
        dataset = publish(terms());
        leased = request(leaseTerms());
        assertTrue(IEAIToken(strange).transfer(owner, 1e27), "some of it");
        vm.prank(owner);
        IEAIToken(strange).approve(address(data), type(uint256).max);
    }

    function test_Token_ThatTakesAFeeIsRefused() public {
        withToken(address(new FeeToken()));
        vm.expectRevert(IDataRegistry.TransferMismatch.selector);
        open(leased);
    }

    function test_Token_ThatLiesIsRefused() public {
        withToken(address(new LyingToken()));
        vm.expectRevert(IDataRegistry.TransferMismatch.selector);
        open(leased);
    }

    function test_Token_ThatReturnsFalseIsRefused() public {
        FalseToken no = new FalseToken();
        withToken(address(no));
        no.refuse(true);
        vm.expectRevert();
        open(leased);
        no.refuse(false);
        returned();
        no.refuse(true);
        vm.expectRevert();
        vm.prank(owner);
        data.withdraw(owner);
        assertEq(data.owed(owner), LEAK_BOND, "still owed");
        no.refuse(false);
        vm.prank(owner);
        data.withdraw(owner);
        assertEq(data.owed(owner), 0, "paid");
    }

    function test_Token_ThatCallsBackGetsNothingTwice() public {
        ReentrantToken evil = new ReentrantToken();
        withToken(address(evil));
        // As if the token were the owner's: it is owed, and withdraws again as it is paid.
        open(leased);
        vm.warp(data.claimableUntil(leased) + 1);
        evil.attack(address(data), abi.encodeCall(IDataRegistry.returnBond, (leased)));
        data.returnBond(leased);
        vm.prank(owner);
        data.withdraw(address(0xCA5)); // calls back into returnBond
        assertTrue(!evil.succeeded(), "refused");
        assertEq(evil.balanceOf(address(0xCA5)), LEAK_BOND, "once");
        assertEq(evil.balanceOf(address(data)), 0, "and nothing else");
    }

    /// @dev The token owns a node, and so may stand for its leases; two are asked for.
    function evilOwner() private returns (ReentrantToken evil, bytes32 first, bytes32 second) {
        evil = new ReentrantToken();
        withToken(address(evil));
        address its = address(0x0DF);
        registerNode(its, address(evil), 1, 1000e18);
        assertTrue(evil.transfer(address(evil), 1e27), "some of itself");
        evil.act(address(evil), abi.encodeCall(evil.approve, (address(data), type(uint256).max)));
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.node = its;
        first = request(t);
        t.escrowLease = "second";
        second = request(t);
    }

    function test_Token_ThatCallsBackOpensNothingTwice() public {
        (ReentrantToken evil, bytes32 first,) = evilOwner();
        evil.attack(address(data), abi.encodeCall(IDataRegistry.openLease, (first)));
        evil.act(address(data), abi.encodeCall(IDataRegistry.openLease, (first)));
        assertTrue(!evil.succeeded(), "refused");
        assertEq(evil.balanceOf(address(data)), LEAK_BOND, "one bond");
    }

    function test_Token_ThatCallsBackPaysNoTwoBondsAtOnce() public {
        (ReentrantToken evil, bytes32 first, bytes32 second) = evilOwner();
        evil.attack(address(data), abi.encodeCall(IDataRegistry.openLease, (second)));
        vm.expectRevert();
        evil.act(address(data), abi.encodeCall(IDataRegistry.openLease, (first)));
        is_(first, IDataRegistry.LeaseState.Requested);
        is_(second, IDataRegistry.LeaseState.Requested);
    }

    // ------------------------------------------------------------------------------------------ registrants

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
}
