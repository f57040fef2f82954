// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {DataFixture} from "./DataFixture.sol";

contract DatasetsTest is DataFixture {
    function deployExternal(IDataRegistry.Parameters memory p) external returns (IDataRegistry) {
        return deployData(p);
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
}
