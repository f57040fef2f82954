// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IFoundationTimelock} from "../../src/interfaces/IFoundationTimelock.sol";
import {IGuardrail} from "../../src/interfaces/IGuardrail.sol";
import {IMiningPool} from "../../src/interfaces/IMiningPool.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {IRaceBonds} from "../../src/interfaces/IRaceBonds.sol";
import {WholeFixture} from "./WholeFixture.sol";

/// @notice The table of SECURITY.md, line by line: the thief has the key and so has its holder.
contract StolenKeysTest is WholeFixture {
    uint256 private constant THIEF_KEY = 0x7417EF;
    uint256 private constant NEW_KEY = 0x9E3;

    address private _thief = vm.addr(THIEF_KEY);
    address private _new = vm.addr(NEW_KEY);

    // ------------------------------------------------------------------------------------------------ payers

    function test_Payer_ALeasesHoldIsSafe() public {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        uint256 free = escrow.balanceOf(payer);
        // The holder is first: what is free is out of reach, what is in the lease is its provider's or comes back.
        vm.startPrank(payer);
        escrow.revoke(hub, NAMESPACE);
        escrow.withdraw(free, _new);
        vm.expectRevert(IEscrow.InsufficientBalance.selector);
        escrow.withdraw(1, _thief);
        vm.stopPrank();
        vm.warp(block.timestamp + 1 hours);
        settle(terms, type(uint128).max, true);
        assertEq(escrow.balanceOf(provider), RATE, "the provider is paid all the same");
        vm.startPrank(_new);
        token.approve(address(escrow), free);
        escrow.deposit(free);
        escrow.authorize(hub, NAMESPACE, CAP, RATE, START + 100 days);
        vm.stopPrank();
        assertState(leaseOf(_new), IEscrow.LeaseState.Open);
    }

    function leaseOf(address payer_) private returns (IEscrow.LeaseTerms memory) {
        IEscrow.LeaseRequest memory request = defaultRequest();
        (request.payer, request.attempt, request.openBy) = (payer_, 4000, type(uint64).max);
        openAs(hub, request, standingOffer(), PROVIDER_KEY);
        return termsOf(request, provider, hub);
    }

    function standingOffer() private view returns (IEscrow.Offer memory offer) {
        offer = defaultOffer();
        offer.validUntil = type(uint64).max;
    }

    // -------------------------------------------------------------------------------------------------- hubs

    function test_Hub_IsRotatedByItsGuardian() public {
        vm.prank(hub);
        escrow.setGuardian(hub, other);
        vm.prank(other);
        escrow.appointKey(hub, _new, uint64(block.timestamp + 100 days));
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(block.timestamp + 100);
        vm.prank(other);
        escrow.retireKey(hub, hub);
        // the thief has the hub's own key: for time until now, and nothing else
        vm.warp(block.timestamp + 1 days);
        settle(voucher(terms, type(uint128).max, false), HUB_KEY);
        assertFigures(terms, 100_000e18, 100 * PER_SECOND, 0);
        IEscrow.LeaseRequest[] memory none = new IEscrow.LeaseRequest[](0);
        vm.expectRevert(IEscrow.NotHubKey.selector);
        vm.prank(hub);
        escrow.openBatchFor(hub, none, new IEscrow.Offer[](0), new bytes[](0));
        // the session key's word closes what the thief's couldn't
        settle(voucher(terms, 200 * PER_SECOND, true), NEW_KEY);
        assertFigures(terms, 100_000e18, 200 * PER_SECOND, 100_000e18 - 200 * PER_SECOND);
        // and that one is rotated in turn
        vm.prank(other);
        escrow.retireKey(hub, _new);
        vm.expectRevert(IEscrow.NotHubKey.selector);
        vm.prank(_new);
        escrow.openBatchFor(hub, none, new IEscrow.Offer[](0), new bytes[](0));
    }

    function test_Guardian_IsEndedByPayers() public {
        vm.prank(hub);
        escrow.setGuardian(hub, other);
        // the thief has the guardian's key: the hub is its own now, for good
        vm.startPrank(other);
        escrow.retireKey(hub, hub);
        escrow.appointKey(hub, _thief, uint64(block.timestamp + 100 days));
        escrow.setGuardian(hub, _thief);
        vm.stopPrank();
        vm.expectRevert(IEscrow.NotGuardian.selector);
        vm.prank(other);
        escrow.retireKey(hub, _thief);
        // it opens within the cap, with a provider that is its own; the payer's word ends that
        assertEq(thefts(1), uint256(IEscrow.LeaseState.Open), "within what payers authorised");
        vm.prank(payer);
        escrow.revoke(hub, NAMESPACE);
        assertEq(thefts(2), uint256(IEscrow.LeaseState.None), "and not after");
    }

    function thefts(uint64 attempt) private returns (uint256 state) {
        IEscrow.LeaseRequest[] memory requests = new IEscrow.LeaseRequest[](1);
        IEscrow.Offer[] memory offers = new IEscrow.Offer[](1);
        bytes[] memory signatures = new bytes[](1);
        (requests[0], offers[0]) = (defaultRequest(), standingOffer());
        (offers[0].provider, offers[0].nonce) = (_thief, 0);
        (requests[0].attempt, requests[0].openBy) = (8000 + attempt, type(uint64).max);
        signatures[0] = sign(THIEF_KEY, escrow.offerDigest(offers[0]));
        vm.prank(_thief);
        escrow.openBatchFor(hub, requests, offers, signatures);
        state = uint256(lease(termsOf(requests[0], _thief, hub)).state);
    }

    // ------------------------------------------------------------------------------------------------- nodes

    function test_Node_OffersAndPromisesAreCancelled() public {
        IEscrow.Offer memory offer = standingOffer();
        IRaceBonds.Readiness memory pledge = readiness(provider, 1);
        bytes memory promised = sign(PROVIDER_KEY, races.readinessDigest(pledge));
        vm.startPrank(provider);
        escrow.cancelOffers();
        races.cancel();
        vm.stopPrank();
        IEscrow.LeaseRequest memory request = defaultRequest();
        expectOpenSkipped(termsOf(request, provider, hub), IEscrow.OfferCancelled.selector);
        openAs(hub, request, offer, PROVIDER_KEY);
        vm.expectRevert(IRaceBonds.ReadinessCancelled.selector);
        vm.prank(hub);
        races.lock(pledge, promised);
    }

    function test_Node_StakeWaitsForThawing() public {
        vm.prank(provider); // the thief
        registry.unbond(STAKE);
        vm.warp(block.timestamp + UNBONDING - 1);
        vm.expectRevert(INodeRegistry.StillThawing.selector);
        vm.prank(provider);
        registry.withdraw(_thief);
        // The holder has as long to see it, and then it is a race: whoever has the key can be first.
        vm.warp(block.timestamp + 1);
        vm.prank(provider);
        registry.withdraw(_new);
        assertEq(token.balanceOf(_new), STAKE, "here the holder is");
    }

    function test_Node_WhatIsMinedIsTheOwners() public {
        work(PROVIDER_KEY, RATE, 1, 10 hours);
        uint256 mined = finish(provider, 0, 10 * HOUR_MS);
        vm.warp(block.timestamp + VESTING);
        vm.prank(provider); // the thief
        emission.claim(provider, 0);
        assertEq(token.balanceOf(owner), mined, "whoever claims it");
        assertEq(registry.account(provider).owner, owner, "which no call changes");
    }

    function test_Node_IsReplacedByAnother() public {
        bytes32[] memory ids = hardwareOf(provider, 1);
        vm.prank(provider);
        registry.quit();
        warpToEnd(0, 0);
        give(_new, address(registry), STAKE);
        vm.prank(_new);
        registry.registerNode(owner, INodeRegistry.Form.Personal, 1, ids, STAKE);
        assertEq(registry.hardware(ids[0]).node, _new, "the devices are the new one's");
        IEscrow.LeaseTerms[] memory none = new IEscrow.LeaseTerms[](0);
        vm.expectRevert();
        vm.prank(provider);
        emission.record(provider, none);
        vm.expectRevert(INodeRegistry.NotRegistered.selector);
        vm.prank(provider);
        registry.addHardware(ids);
    }

    // --------------------------------------------------------------------------------------------- verifiers

    function test_Verifier_AloneAttestsNothing() public {
        warpToEnd(0, 0);
        seed(0);
        address[] memory drawn = emission.committee(provider, 0);
        vm.prank(drawn[0]); // the thief
        emission.attest(provider, 0, EPOCH * 1000, 0);
        assertEq(emission.attested(provider, 0), 0, "one of five");
        for (uint256 i = 1; i < 3; ++i) {
            vm.prank(drawn[i]);
            emission.attest(provider, 0, 5 * HOUR_MS, 0);
        }
        assertEq(emission.attested(provider, 0), 5 * HOUR_MS, "and what others say counts, not what it says");
    }

    function test_Verifier_QuitsAndAnotherComes() public {
        address stolen = verifierAt(3);
        vm.startPrank(stolen);
        registry.quit();
        vm.expectRevert(INodeRegistry.StillThawing.selector);
        registry.withdraw(_thief);
        vm.expectRevert(INodeRegistry.AlreadyRegistered.selector);
        registry.registerVerifier(_thief, VERIFIER_STAKE);
        vm.stopPrank();
        registerVerifier(_new, registry.account(stolen).owner);
        bool seated = false;
        for (uint256 epoch = 0; epoch < 12; ++epoch) {
            warpToEnd(epoch, 0);
            seed(epoch);
            address[] memory drawn = emission.committee(provider, epoch);
            for (uint256 i = 0; i < drawn.length; ++i) {
                assertTrue(drawn[i] != stolen, "is drawn no more");
                seated = seated || drawn[i] == _new;
            }
        }
        assertTrue(seated, "the new one is, for the same owner");
    }

    // ------------------------------------------------------------------------------------------------- pools

    function test_Operator_TakesNothingOfMembers() public {
        joinAs(0, 1, 1000e18);
        fund(address(pool), 100e18);
        pool.harvest();
        vm.startPrank(operator); // the thief
        pool.admit(_thief, true);
        vm.expectRevert(IMiningPool.BadAmount.selector);
        pool.requestExit(1);
        vm.expectRevert(IMiningPool.NothingDue.selector);
        pool.withdraw(_thief);
        vm.stopPrank();
        IEscrow.Offer memory cheap = poolOffer();
        cheap.rate = MIN_RATE - 1;
        assertTrue(!signs(cheap, OPERATOR_KEY), "nothing below the least rate");
        assertTrue(signs(poolOffer(), OPERATOR_KEY), "offers above it");
        remove(0, idOf(0, 0));
        exit(0, type(uint256).max); // and members leave
    }

    function signs(IEscrow.Offer memory offer, uint256 key) private view returns (bool) {
        return IERC1271(address(pool)).isValidSignature(escrow.offerDigest(offer), offerSignature(offer, key))
            == IERC1271.isValidSignature.selector;
    }

    function test_Operator_IsHandedOver() public {
        vm.prank(operator);
        pool.proposeOperator(_new);
        vm.prank(_new);
        pool.acceptOperator();
        assertTrue(!signs(poolOffer(), OPERATOR_KEY), "the stolen key signs no more");
        assertTrue(signs(poolOffer(), NEW_KEY), "the new one does");
        vm.expectRevert(IMiningPool.NotOperator.selector);
        vm.prank(operator);
        pool.admit(_thief, true);
        vm.expectRevert(IMiningPool.NotOperator.selector);
        vm.prank(operator);
        pool.proposeOperator(_thief);
    }

    // -------------------------------------------------------------------------------------------------- data

    function test_Broker_IsReplaced() public {
        bytes32 id = dataLease();
        uint256 there = token.balanceOf(address(data));
        vm.prank(broker); // the thief
        data.releaseKey(id, keyRelease("stolen"));
        vm.prank(seller);
        data.appointBroker(dataset, _new);
        vm.expectRevert(IDataRegistry.NotBroker.selector);
        vm.prank(broker);
        data.releaseKey(id, keyRelease("again"));
        vm.prank(_new);
        data.releaseKey(id, keyRelease("honest"));
        vm.prank(seller);
        data.kill(id);
        assertEq(token.balanceOf(address(data)), there, "no money moved");
    }

    function test_Seller_OfData() public {
        bytes32 id = dataLease();
        vm.prank(broker);
        data.releaseKey(id, keyRelease("nonce"));
        vm.startPrank(seller); // the thief
        data.appointBroker(dataset, _thief);
        vm.expectRevert();
        data.openCase(id, "evidence", new IDataRegistry.Canary[](1)); // without the canaries' salts
        vm.expectRevert(IDataRegistry.NothingOwed.selector);
        data.withdraw(_thief);
        data.retire(dataset); // the holder: no new lease, whoever sells
        data.kill(id);
        vm.stopPrank();
        vm.warp(data.claimableUntil(id) + 1);
        data.returnBond(id);
        assertEq(data.owed(provider), LEAK_BOND, "the node's bond is the node's");
    }

    // ----------------------------------------------------------------------------------------------- catalog

    function test_Seller_OfTheCatalog() public {
        uint256 id = listing();
        uint256 sale = buyIt(id);
        // The thief signs that other content was handed over, with a buyer of its own.
        give(_thief, address(catalog), 10e18);
        vm.prank(_thief);
        catalog.buy(id, 1, 1, 10e18);
        ICatalog.Delivery memory false_ = ICatalog.Delivery({listing: id, version: 1, buyer: _thief, root: "other"});
        catalog.report(false_, sign(SELLER_KEY, catalog.deliveryDigest(false_)));
        assertEq(catalog.owed(_thief), LISTING_BOND / 2, "half of the bond is the thief's");
        // The listing ended with it. What is due to the seller goes to who withdraws first; buyers lose nothing.
        vm.prank(payer);
        catalog.refund(sale);
        assertEq(catalog.owed(payer), 10e18, "the buyer's");
        vm.expectRevert(ICatalog.NothingOwed.selector);
        vm.prank(seller);
        catalog.withdraw(_thief);
        assertEq(catalog.listings(id).bond, 0, "no more than the bond");
    }

    // --------------------------------------------------------------------------------- council and foundation

    function decide(address target, bytes memory call) private {
        timelock.schedule(target, 0, call, 0, 0, 72 hours);
        vm.warp(block.timestamp + 72 hours);
        timelock.execute(target, 0, call, 0, 0);
    }

    function test_Member_AloneDoesNothing() public {
        vm.startPrank(council(3)[0]); // the thief
        assertTrue(!guardrail.propose(IGuardrail.Kind.Freeze, 0, 7 days, REASON), "one of two");
        assertTrue(!guardrail.propose(IGuardrail.Kind.Deny, IMAGE, 7 days, REASON), "one of two");
        vm.stopPrank();
        (bool open,) = guardrail.intakeOpen();
        assertTrue(open, "nothing came of it");
        address[] memory next = council(3);
        next[0] = _new;
        decide(address(guardrail), abi.encodeCall(IGuardrail.setCouncil, (next, 2)));
        vm.expectRevert(IGuardrail.NotMember.selector);
        vm.prank(council(3)[0]);
        guardrail.propose(IGuardrail.Kind.Deny, IMAGE, 7 days, REASON);
        vm.prank(council(3)[1]);
        assertTrue(!guardrail.propose(IGuardrail.Kind.Deny, IMAGE, 7 days, REASON), "the stolen one's isn't counted");
    }

    function test_Quorum_IsReplaced() public {
        impose(IGuardrail.Kind.Freeze, 0); // the thief has two keys
        (bool open,) = guardrail.intakeOpen();
        assertTrue(!open, "at once");
        address[] memory next = new address[](2);
        (next[0], next[1]) = (_new, other);
        decide(address(guardrail), abi.encodeCall(IGuardrail.setCouncil, (next, 2)));
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IGuardrail.NotMember.selector);
            vm.prank(council(3)[i]);
            guardrail.propose(IGuardrail.Kind.Deny, IMAGE, 7 days, REASON);
        }
        decide(address(guardrail), abi.encodeCall(IGuardrail.lift, (IGuardrail.Kind.Freeze, 0, REASON)));
        (open,) = guardrail.intakeOpen();
        assertTrue(open, "and what it imposed is lifted, or ends by itself");
    }

    function test_Foundation_IsCancelled() public {
        bytes memory call = abi.encodeCall(emission.setCeiling, (1));
        timelock.schedule(address(emission), 0, call, 0, 0, 72 hours); // the thief
        bytes32 id = timelock.hashOperation(address(emission), 0, call, 0, 0);
        vm.warp(block.timestamp + 72 hours - 1);
        vm.expectRevert();
        timelock.execute(address(emission), 0, call, 0, 0);
        timelock.cancel(id); // the holder
        vm.warp(block.timestamp + 1);
        vm.expectRevert();
        timelock.execute(address(emission), 0, call, 0, 0);
        assertEq(emission.ceiling(), CEILING, "as it was");
    }

    function test_Foundation_IsRotated() public {
        decide(address(timelock), abi.encodeCall(IFoundationTimelock.offerHandover, (_new)));
        vm.prank(_new);
        timelock.acceptHandover();
        bytes memory call = abi.encodeCall(emission.setCeiling, (1));
        vm.expectRevert(); // the thief has the old key
        timelock.schedule(address(emission), 0, call, 0, 0, 72 hours);
        vm.expectRevert(IFoundationTimelock.NotTheFoundation.selector);
        timelock.retractHandover();
        vm.prank(_new);
        timelock.schedule(address(emission), 0, call, 0, 0, 72 hours);
        bytes32 id = timelock.hashOperation(address(emission), 0, call, 0, 0);
        vm.expectRevert();
        timelock.cancel(id);
        vm.prank(_new);
        timelock.cancel(id);
    }
}
