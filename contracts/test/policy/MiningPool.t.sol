// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {IEmissionController} from "../../src/interfaces/IEmissionController.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IMiningPool} from "../../src/interfaces/IMiningPool.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {FeeToken, ReentrantToken} from "../mocks/Tokens.sol";
import {OwnedWallet} from "../mocks/Wallets.sol";
import {IMiningPools, PoolFixture} from "./PoolFixture.sol";

contract MiningPoolTest is PoolFixture {
    // ---------------------------------------------------------------------------------------------- factory

    function test_Create_MakesAPool() public {
        vm.recordLogs();
        vm.prank(STRANGER);
        IMiningPool made = IMiningPool(factory.create(7, 2000, INodeRegistry.Form.Permanent, 0));
        assertTrue(factory.isPool(address(made)), "known");
        assertTrue(!factory.isPool(STRANGER), "and no other");
        assertEq(factory.count(), 2, "two");
        assertEq(factory.pools(1), address(made), "in order");
        assertEq(made.operator(), STRANGER, "the caller operates it");
        assertEq(made.minRate(), 7, "rate");
        assertEq(made.feeBps(), 2000, "fee");
        assertEq(uint256(made.form()), uint256(INodeRegistry.Form.Permanent), "form");
        assertEq(made.class(), 0, "class");
        assertEq(made.minimum(), MINIMUM / 10, "its class's minimum");
        assertEq(made.index(), 1e27, "a share is a wei");
    }

    function test_RevertWhen_TheVaultHasNoCode() public {
        vm.expectRevert(IMiningPools.NoEmission.selector);
        this.deployFactory(STRANGER);
    }

    function deployFactory(address vault) external returns (address) {
        return deploy("MiningPools.sol:MiningPools", abi.encode(vault));
    }

    function test_RevertWhen_TheFeeIsTooHigh() public {
        vm.expectRevert(IMiningPool.BadParameter.selector);
        factory.create(0, 2001, INodeRegistry.Form.Personal, 1);
    }

    function test_RevertWhen_TheClassIsUnknown() public {
        vm.expectRevert();
        factory.create(0, 0, INodeRegistry.Form.Personal, 2);
    }

    function test_RevertWhen_InitializedByAnother() public {
        address[2] memory targets = [address(pool), factory.IMPLEMENTATION()];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(IMiningPool.NotTheFactory.selector);
            vm.prank(STRANGER);
            IMiningPool(targets[i]).initialize(STRANGER, 0, 0, INodeRegistry.Form.Personal, 1);
        }
        vm.expectRevert(IMiningPool.NotTheFactory.selector);
        vm.prank(address(factory));
        pool.initialize(STRANGER, 0, 0, INodeRegistry.Form.Personal, 1);
        IMiningPool bare = IMiningPool(factory.IMPLEMENTATION());
        vm.expectRevert(IMiningPool.ZeroAddress.selector);
        vm.prank(address(factory));
        bare.initialize(address(0), 0, 0, INodeRegistry.Form.Personal, 1);
    }

    // ----------------------------------------------------------------------------------------------- offers

    function ask(bytes32 hash, bytes memory signature) private view returns (bool) {
        (bool ok, bytes memory answer) =
            address(pool).staticcall(abi.encodeCall(IERC1271.isValidSignature, (hash, signature)));
        return ok && answer.length == 32 && abi.decode(answer, (bytes32)) == bytes32(IERC1271.isValidSignature.selector);
    }

    function test_Offer_OpensALease() public {
        IEscrow.LeaseTerms memory terms = poolLease(3);
        assertState(terms, IEscrow.LeaseState.Open);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, type(uint128).max, true);
        assertEq(escrow.balanceOf(address(pool)), 3 * RATE, "the pool is paid");
        assertEq(escrow.balanceOf(operator), 0, "and not the operator");
    }

    function test_Offer_IsCheapEnoughToAsk() public view {
        IEscrow.Offer memory offer = poolOffer();
        offer.member = "a cluster whose name is as long as a name of Kubernetes may be, sixty-three";
        bytes32 hash = escrow.offerDigest(offer);
        bytes memory signature = offerSignature(offer, OPERATOR_KEY);
        uint256 before = gasleft();
        assertTrue(ask(hash, signature), "good");
        assertAtMost(before - gasleft(), 75_000, "half of the allowance");
    }

    function test_Offer_RefusesAllThatDiffers() public view {
        IEscrow.Offer memory offer = poolOffer();
        bytes32 hash = escrow.offerDigest(offer);
        assertTrue(ask(hash, offerSignature(offer, OPERATOR_KEY)), "good");
        assertTrue(!ask(hash, offerSignature(offer, OTHER_KEY)), "another's key");
        assertTrue(!ask(hash ^ bytes32(uint256(1)), offerSignature(offer, OPERATOR_KEY)), "another digest");
        IEscrow.Offer memory second = poolOffer();
        second.nonce += 1;
        assertTrue(!ask(hash, offerSignature(second, OPERATOR_KEY)), "another offer");
        second = poolOffer();
        second.provider = provider;
        assertTrue(!ask(escrow.offerDigest(second), offerSignature(second, OPERATOR_KEY)), "another's offer");
        second = poolOffer();
        second.rate = MIN_RATE - 1;
        assertTrue(!ask(escrow.offerDigest(second), offerSignature(second, OPERATOR_KEY)), "too cheap");
        second.rate = MIN_RATE;
        assertTrue(ask(escrow.offerDigest(second), offerSignature(second, OPERATOR_KEY)), "just dear enough");
        assertTrue(!ask(hash, ""), "nothing");
        assertTrue(!ask(hash, sign(OPERATOR_KEY, hash)), "a bare signature");
        assertTrue(!ask(hash, abi.encode(offer, bytes(""))), "no signature");
    }

    function testFuzz_Offer_RefusesEveryOtherDigest(bytes32 hash, bytes memory junk) public view {
        IEscrow.Offer memory offer = poolOffer();
        if (hash == escrow.offerDigest(offer)) return;
        assertTrue(!ask(hash, offerSignature(offer, OPERATOR_KEY)), "the offer says another");
        assertTrue(!ask(hash, abi.encode(offer, sign(OPERATOR_KEY, hash))), "though the operator signed it");
        assertTrue(!ask(hash, sign(OPERATOR_KEY, hash)), "bare");
        assertTrue(!ask(hash, junk), "junk");
    }

    function test_Offer_NoGrantIsThePools() public {
        vm.warp(block.timestamp + 1 hours);
        fund(address(pool), 100e18);
        IEscrow.Grant memory grant = IEscrow.Grant({
            payer: address(pool),
            hubKey: hub,
            namespaceId: NAMESPACE,
            cap: 100e18,
            maxRate: RATE,
            expiry: START + 30 days,
            nonce: 0,
            deadline: START + 1 days
        });
        bytes32 hash = escrow.grantDigest(grant);
        bytes[2] memory signatures = [abi.encode(poolOffer(), sign(OPERATOR_KEY, hash)), sign(OPERATOR_KEY, hash)];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(IEscrow.BadSignature.selector);
            escrow.authorizeWithSignature(grant, signatures[i]);
        }
        // nor a voucher, as if the pool were a hub
        IEscrow.Settlement memory settlement = voucher(poolLease(1), 1, false);
        assertTrue(!ask(digestOf(settlement), sign(OPERATOR_KEY, digestOf(settlement))), "no voucher");
    }

    function test_Offer_OfAContractAsOperator() public {
        address wallet = address(new OwnedWallet(vm.addr(OTHER_KEY)));
        vm.prank(operator);
        pool.proposeOperator(wallet);
        vm.prank(wallet);
        pool.acceptOperator();
        IEscrow.Offer memory offer = poolOffer();
        assertTrue(ask(escrow.offerDigest(offer), offerSignature(offer, OTHER_KEY)), "as the wallet says");
        assertTrue(!ask(escrow.offerDigest(offer), offerSignature(offer, OPERATOR_KEY)), "not as another does");
    }

    function test_CancelOffers_VoidsThem() public {
        IEscrow.Offer memory offer = poolOffer();
        bytes memory signature = offerSignature(offer, OPERATOR_KEY);
        vm.prank(operator);
        pool.cancelOffers();
        assertEq(escrow.offerNonce(address(pool)), 1, "nonce");
        IEscrow.LeaseRequest memory request = defaultRequest();
        expectOpenSkipped(termsOf(request, address(pool), hub), IEscrow.OfferCancelled.selector);
        openAs(hub, request, offer, signature);
    }

    // --------------------------------------------------------------------------------------------- operator

    function test_RevertWhen_TheCallerIsNotTheOperator() public {
        bytes[4] memory calls = [
            abi.encodeCall(IMiningPool.admit, (STRANGER, true)),
            abi.encodeCall(IMiningPool.cancelOffers, ()),
            abi.encodeCall(IMiningPool.claimLease, (termsOf(defaultRequest(), address(pool), hub), 1)),
            abi.encodeCall(IMiningPool.proposeOperator, (STRANGER))
        ];
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(memberAt(0));
            (bool ok, bytes memory why) = address(pool).call(calls[i]);
            assertTrue(!ok && bytes4(why) == IMiningPool.NotOperator.selector, "not a member's");
        }
    }

    function test_Operator_HandsOverInTwoSteps() public {
        vm.prank(operator);
        pool.proposeOperator(other);
        assertEq(pool.operator(), operator, "not yet");
        vm.expectRevert(IMiningPool.NotProposed.selector);
        vm.prank(STRANGER);
        pool.acceptOperator();
        vm.expectEmit(address(pool));
        emit IMiningPool.OperatorChanged(other);
        vm.prank(other);
        pool.acceptOperator();
        assertEq(pool.operator(), other, "now");
        assertEq(pool.proposed(), address(0), "nobody is proposed");
        IEscrow.Offer memory offer = poolOffer();
        assertTrue(!ask(escrow.offerDigest(offer), offerSignature(offer, OPERATOR_KEY)), "the old one's are void");
        assertTrue(ask(escrow.offerDigest(offer), offerSignature(offer, OTHER_KEY)), "the new one signs");
        vm.expectRevert(IMiningPool.NotProposed.selector);
        vm.prank(other);
        pool.acceptOperator();
    }

    function test_ClaimLease_ASilentHubsFees() public {
        IEscrow.LeaseTerms memory terms = poolLease(1);
        vm.warp(block.timestamp + 5 hours);
        vm.prank(operator);
        pool.claimLease(terms, 5 * RATE);
        vm.warp(block.timestamp + WINDOW + 1);
        escrow.finalize(terms);
        assertEq(escrow.balanceOf(address(pool)), 5 * RATE, "the pool's");
    }

    function test_Operator_HoldsNothing() public {
        joinAs(0, 1, 1000e18);
        IEscrow.LeaseTerms memory terms = poolLease(1);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, type(uint128).max, true);
        pool.harvest();
        // whatever it is allowed to do, nothing goes to it but the fee
        vm.prank(operator);
        pool.admit(memberAt(0), false);
        vm.prank(operator);
        pool.cancelOffers();
        vm.expectRevert(IMiningPool.NothingDue.selector);
        vm.prank(operator);
        pool.withdraw(operator);
        vm.expectRevert(IMiningPool.BadAmount.selector);
        vm.prank(operator);
        pool.requestExit(type(uint256).max);
        remove(0, idOf(0, 0)); // and a member that isn't admitted any more leaves all the same
        exit(0, type(uint256).max);
        pool.startRound();
    }

    // ----------------------------------------------------------------------------------------------- joining

    function test_Join_RegistersThePool() public {
        vm.expectEmit(address(registry));
        emit INodeRegistry.NodeRegistered(address(pool), address(pool), INodeRegistry.Form.Business, 1);
        joinAs(0, 3, 500e18);
        INodeRegistry.Account memory account = registry.account(address(pool));
        assertEq(account.owner, address(pool), "its own owner");
        assertEq(account.devices, 3, "devices");
        assertEq(account.stake, 500e18, "stake");
        assertEq(pool.members(memberAt(0)).devices, 3, "the member's");
        assertEq(pool.holderOf(idOf(0, 2), 0), memberAt(0), "holder");
        joinAs(1, 2, 300e18);
        account = registry.account(address(pool));
        assertEq(account.devices, 5, "more devices");
        assertEq(account.stake, 800e18, "more stake");
        assertEq(token.balanceOf(address(pool)), 0, "nothing stays");
    }

    function test_RevertWhen_NotAdmitted() public {
        bytes32[] memory ids = one("x");
        vm.expectRevert(IMiningPool.NotAdmitted.selector);
        vm.prank(STRANGER);
        pool.join(ids, 0);
        vm.prank(operator);
        pool.admit(memberAt(0), false);
        vm.expectRevert(IMiningPool.NotAdmitted.selector);
        vm.prank(memberAt(0));
        pool.join(ids, 100e18);
    }

    function test_Join_StakeNeedsNoAdmission() public {
        joinAs(0, 1, 100e18);
        give(STRANGER, address(pool), 50e18);
        vm.prank(STRANGER);
        pool.join(new bytes32[](0), 50e18);
        assertEq(pool.stakeOf(STRANGER), 50e18, "staked");
    }

    function test_RevertWhen_JoiningWithNothing() public {
        vm.expectRevert(IMiningPool.BadAmount.selector);
        vm.prank(memberAt(0));
        pool.join(new bytes32[](0), 0);
    }

    function test_RevertWhen_TheStakeDoesNotCoverTheHardware() public {
        joinAs(1, 1, 10_000e18); // others' stake doesn't help
        vm.expectRevert(IMiningPool.StakeTooSmall.selector);
        joinAs(0, 3, 300e18 - 1);
        joinAs(0, 3, 300e18);
        vm.expectRevert(IMiningPool.StakeTooSmall.selector);
        vm.prank(memberAt(0));
        pool.join(one("x"), 0);
    }

    function test_RevertWhen_TheHardwareIsAnothers() public {
        joinAs(0, 1, 1000e18);
        bytes32[] memory ids = one(idOf(0, 0));
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NotYourHardware.selector, ids[0]));
        vm.prank(memberAt(1));
        pool.join(ids, 1000e18);
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NotYourHardware.selector, idOf(2, 0)));
        vm.prank(memberAt(2));
        pool.join(two(idOf(2, 0), idOf(2, 0)), 1000e18);
        registerNode(provider, owner, 1, 1000e18); // of a node outside
        ids[0] = hardwareOf(provider, 1)[0];
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsTaken.selector, ids[0]));
        vm.prank(memberAt(1));
        pool.join(ids, 1000e18);
    }

    function test_RevertWhen_TheTokenTakesAFee() public {
        joinAs(0, 1, 1000e18);
        vm.etch(address(token), address(new FeeToken()).code);
        vm.expectRevert(IMiningPool.TransferMismatch.selector);
        joinAs(0, 0, 100e18);
    }

    function test_Join_ATokenThatCallsBackGainsNothing() public {
        joinAs(0, 1, 1000e18);
        exit(0, 300e18);
        vm.etch(address(token), address(new ReentrantToken()).code);
        ReentrantToken hooked = ReentrantToken(address(token));
        bytes[3] memory calls = [
            abi.encodeCall(IMiningPool.startRound, ()),
            abi.encodeCall(IMiningPool.tidy, (one(idOf(1, 0)))),
            abi.encodeCall(IMiningPool.requestExit, (100e18))
        ];
        for (uint256 i = 0; i < 3; ++i) {
            hooked.attack(address(pool), calls[i]);
            joinAs(1, 0, 10e18);
            assertTrue(!hooked.succeeded(), "not while another call runs");
        }
        assertEq(pool.stakeOf(memberAt(1)), 30e18, "counted once");
        assertEq(registry.slashable(address(pool)), 1030e18, "all there");
    }

    // ---------------------------------------------------------------------------------------------- removing

    function test_RemoveHardware_KeepsTheEpochs() public {
        joinAs(0, 2, 1000e18);
        vm.warp(START + 3 days);
        remove(0, idOf(0, 0));
        assertEq(registry.account(address(pool)).devices, 1, "gone");
        assertEq(pool.members(memberAt(0)).devices, 1, "gone");
        assertEq(pool.holderOf(idOf(0, 0), 0), memberAt(0), "this epoch's is still its own");
        assertEq(pool.holderOf(idOf(0, 0), 1), address(0), "the next epoch's nobody's");
        assertEq(pool.holderOf(idOf(0, 1), 9), memberAt(0), "the other stays");
    }

    function test_RevertWhen_RemovingAnothers() public {
        joinAs(0, 1, 1000e18);
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NotYourHardware.selector, idOf(0, 0)));
        remove(1, idOf(0, 0));
        remove(0, idOf(0, 0));
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NotYourHardware.selector, idOf(0, 0)));
        remove(0, idOf(0, 0));
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NotYourHardware.selector, bytes32("x")));
        vm.prank(operator);
        pool.removeHardware(one("x"));
    }

    function test_Hardware_ChangesHandsWithTheEpoch() public {
        joinAs(0, 1, 1000e18);
        joinAs(1, 1, 1000e18);
        remove(0, idOf(0, 0));
        bytes32[] memory ids = one(idOf(0, 0));
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NotYourHardware.selector, ids[0]));
        vm.prank(memberAt(1));
        pool.join(ids, 0);
        warpToEnd(0, 0);
        vm.prank(memberAt(1));
        pool.join(ids, 0);
        assertEq(pool.holderOf(ids[0], 0), memberAt(0), "the last epoch's");
        assertEq(pool.holderOf(ids[0], 1), memberAt(1), "this epoch's");
        assertEq(pool.holderOf(ids[0], 50), memberAt(1), "from now on");
    }

    function testFuzz_Hardware_HasOneHolderPerEpoch(uint256 seed_) public {
        joinAs(0, 1, 10_000e18);
        joinAs(1, 1, 10_000e18);
        bytes32[] memory ids = one("shared");
        address[30] memory holders;
        for (uint256 i = 0; i < 24; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed_, i)));
            vm.warp(block.timestamp + s % 5 days);
            uint256 epoch = emission.epochAt(block.timestamp);
            address who = memberAt(s >> 64 & 1);
            vm.prank(who);
            if (s >> 65 & 1 == 0) {
                (bool ok,) = address(pool).call(abi.encodeCall(IMiningPool.join, (ids, 0)));
                if (ok) {
                    assertTrue(holders[epoch] == address(0), "one in an epoch");
                    for (uint256 later = epoch; later < 30; ++later) {
                        holders[later] = who;
                    }
                }
            } else {
                (bool ok,) = address(pool).call(abi.encodeCall(IMiningPool.removeHardware, (ids)));
                for (uint256 later = epoch + 1; ok && later < 30; ++later) {
                    holders[later] = address(0);
                }
            }
        }
        for (uint256 epoch = 0; epoch < 30; ++epoch) {
            assertEq(pool.holderOf(ids[0], epoch), holders[epoch], "as it went");
        }
    }

    function contest(bytes32 id) private {
        vm.prank(address(disputes));
        registry.startContest(id);
    }

    function endContest(bytes32 id, address winner) private {
        vm.prank(address(disputes));
        registry.endContest(id, winner);
    }

    function test_RemoveHardware_AContestKeepsNobody() public {
        joinAs(0, 2, 1000e18);
        contest(idOf(0, 0));
        remove(0, idOf(0, 0));
        remove(0, idOf(0, 1));
        exit(0, type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NothingToTidy.selector, idOf(0, 0)));
        pool.tidy(one(idOf(0, 0)));
        endContest(idOf(0, 0), address(pool));
        assertEq(registry.account(address(pool)).devices, 1, "won, and nobody's");
        vm.prank(STRANGER);
        pool.tidy(one(idOf(0, 0)));
        assertEq(registry.account(address(pool)).devices, 0, "given up");
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NothingToTidy.selector, idOf(0, 0)));
        pool.tidy(one(idOf(0, 0)));
    }

    function test_Tidy_WhatIsLostInAContest() public {
        joinAs(0, 2, 1000e18);
        registerNode(provider, owner, 1, 1000e18);
        contest(idOf(0, 0));
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NothingToTidy.selector, idOf(0, 0)));
        pool.tidy(one(idOf(0, 0)));
        endContest(idOf(0, 0), provider);
        pool.tidy(one(idOf(0, 0)));
        assertEq(pool.members(memberAt(0)).devices, 1, "one less");
        assertEq(pool.holderOf(idOf(0, 0), 1), address(0), "nobody's here");
        assertEq(registry.hardware(idOf(0, 0)).node, provider, "the winner's");
    }

    function test_Tidy_TakesNothingFromAnybody() public {
        joinAs(0, 1, 1000e18);
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NothingToTidy.selector, idOf(0, 0)));
        pool.tidy(one(idOf(0, 0)));
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NothingToTidy.selector, bytes32("x")));
        pool.tidy(one("x"));
    }

    function test_RemoveHardware_WhileWeighingCostsNobody() public {
        joinAs(0, 1, 1000e18);
        joinAs(1, 1, 1000e18);
        warpToEnd(0, PHASE / 2);
        remove(0, idOf(0, 0));
        exit(0, type(uint256).max);
        assertEq(registry.account(address(pool)).devices, 2, "the epoch is weighed with both");
        assertEq(pool.members(memberAt(0)).devices, 0, "though the member is free");
        vm.expectRevert(IMiningPool.NotYet.selector);
        pool.tidy(one(idOf(0, 0)));
        warpToEnd(0, PHASE);
        emission.weigh(address(pool), 0);
        pool.tidy(one(idOf(0, 0)));
        assertEq(registry.account(address(pool)).devices, 1, "then with one");
        assertEq(registry.hardware(idOf(0, 0)).freeAt, emission.endOf(1), "free as early as it would have been");
        pool.startRound();
    }

    // ---------------------------------------------------------------------------------------------- income

    bytes32[] private _ids;
    uint256[] private _times;

    /// @dev Members 0 and 1 with a device each, which give 30 and 70 hours in epoch 0; 100 hours' fees are harvested.
    function earn() private returns (uint256 mined) {
        joinAs(0, 1, 100_000e18);
        joinAs(1, 1, 100_000e18);
        IEscrow.LeaseTerms memory terms = poolLease(2);
        vm.warp(block.timestamp + 50 hours);
        settle(terms, type(uint128).max, true);
        recordAs(operator, terms);
        pool.harvest();
        (_ids, _times) = (two(idOf(0, 0), idOf(1, 0)), hoursOf(30, 70));
        attestSplit(0, _ids, _times);
        mined = emission.shareOf(address(pool), 0).mined;
        assertEq(mined, 300 * RATE, "three times the fee");
    }

    function vestAll(uint256 epoch) private {
        warpToEnd(epoch, 2 * PHASE + VESTING);
        emission.claim(address(pool), epoch);
    }

    function proveBoth() private {
        proveAt(0, _ids, _times, 0);
        proveAt(0, _ids, _times, 1);
    }

    function test_Income_IsDividedByTime() public {
        earn();
        vestAll(0);
        assertEq(pool.incomeOf(0), 400 * RATE, "fee and mined");
        proveBoth();
        vm.prank(STRANGER);
        pool.collect(0, _ids);
        pool.collectFee(0);
        uint256 net = 400 * RATE * 95 / 100;
        assertEq(pool.owed(memberAt(0)), net * 30 / 100, "thirty hours");
        assertEq(pool.owed(memberAt(1)), net * 70 / 100, "seventy hours");
        assertEq(pool.owed(operator), 400 * RATE * 5 / 100, "the operator's part");
        payOut(0);
        payOut(1);
        vm.prank(operator);
        pool.withdraw(operator);
        assertEq(token.balanceOf(address(pool)), 0, "nothing remains");
    }

    function test_Income_ComesAsItVests() public {
        earn();
        proveBoth();
        pool.collect(0, _ids);
        assertEq(pool.owed(memberAt(0)), 100 * RATE * 95 / 100 * 30 / 100, "of the fees");
        vm.expectRevert(IMiningPool.NothingDue.selector);
        pool.collect(0, _ids);
        warpToEnd(0, 2 * PHASE + VESTING / 4);
        vm.prank(STRANGER);
        emission.claim(address(pool), 0); // whoever has it paid
        pool.collect(0, one(_ids[0]));
        pool.collectFee(0);
        assertEq(pool.owed(memberAt(0)), 175 * RATE * 95 / 100 * 30 / 100, "and a quarter of what was mined");
        vestAll(0);
        pool.collect(0, _ids);
        pool.collectFee(0);
        assertEq(pool.owed(memberAt(0)), 400 * RATE * 95 / 100 * 30 / 100, "all");
        assertEq(pool.owed(memberAt(1)), 400 * RATE * 95 / 100 * 70 / 100, "all, in one");
        assertEq(pool.owed(operator), 400 * RATE * 5 / 100, "the operator's part");
    }

    function test_Income_IsOfWhoHadTheDevice() public {
        earn();
        remove(1, _ids[1]);
        exit(1, type(uint256).max);
        warpToEnd(1, 0);
        vm.prank(memberAt(0));
        pool.join(one(_ids[1]), 0);
        proveBoth();
        pool.collect(0, _ids);
        assertEq(pool.owed(memberAt(1)), 100 * RATE * 95 / 100 * 70 / 100, "though it left, and another has it now");
    }

    function test_Collect_NamedTwiceIsPaidOnce() public {
        earn();
        proveBoth();
        pool.collect(0, two(_ids[0], _ids[0]));
        assertEq(pool.owed(memberAt(0)), 100 * RATE * 95 / 100 * 30 / 100, "once");
    }

    function test_RevertWhen_TheProofIsBad() public {
        earn();
        bytes32[] memory proof = proofOf(_ids, _times, 0);
        vm.expectRevert(IMiningPool.BadProof.selector);
        pool.prove(0, _ids[0], 31 * HOUR_MS, proof);
        vm.expectRevert(IMiningPool.BadProof.selector);
        pool.prove(0, _ids[1], 30 * HOUR_MS, proof);
        vm.expectRevert(IMiningPool.BadProof.selector);
        pool.prove(0, _ids[0], 30 * HOUR_MS, new bytes32[](0));
        vm.expectRevert(IMiningPool.NoSplit.selector);
        pool.prove(1, _ids[0], 30 * HOUR_MS, proof);
        pool.prove(0, _ids[0], 30 * HOUR_MS, proof);
        vm.expectRevert(IMiningPool.AlreadyProved.selector);
        pool.prove(0, _ids[0], 30 * HOUR_MS, proof);
    }

    function test_RevertWhen_NobodyHadTheDevice() public {
        joinAs(0, 1, 1000e18);
        _ids = two(idOf(0, 0), "nobody's");
        _times = hoursOf(1, 1);
        attestSplit(0, _ids, _times);
        proveAt(0, _ids, _times, 0);
        bytes32[] memory proof = proofOf(_ids, _times, 1);
        vm.expectRevert(abi.encodeWithSelector(IMiningPool.NotYourHardware.selector, bytes32("nobody's")));
        pool.prove(0, "nobody's", HOUR_MS, proof);
    }

    function test_Income_AFalseSumPaysNoMoreThanThereIs() public {
        joinAs(0, 1, 1000e18);
        joinAs(1, 1, 1000e18);
        fund(address(pool), 1000e18);
        pool.harvest();
        (_ids, _times) = (two(idOf(0, 0), idOf(1, 0)), hoursOf(30, 70));
        attestSplit(0, _ids, _times, 50 * HOUR_MS); // it is 100
        proveAt(0, _ids, _times, 1);
        assertEq(pool.parts(0, _ids[1]).time, 50 * HOUR_MS, "no more than the sum");
        proveAt(0, _ids, _times, 0);
        assertEq(pool.parts(0, _ids[0]).time, 0, "nothing is left of it");
        pool.collect(0, _ids);
        pool.collectFee(0);
        assertEq(pool.owed(memberAt(1)) + pool.owed(operator), 1000e18, "all there is, and no more");
    }

    function test_CollectFee_NeedsASplit() public {
        joinAs(0, 1, 1000e18);
        fund(address(pool), 1000e18);
        pool.harvest();
        vm.expectRevert(IMiningPool.NoSplit.selector);
        pool.collectFee(0);
        attestSplit(0, one(idOf(0, 0)), oneTime(5));
        assertEq(pool.collectFee(0), 50e18, "a twentieth");
        vm.expectRevert(IMiningPool.NothingDue.selector);
        pool.collectFee(0);
    }

    function oneTime(uint256 hours_) private pure returns (uint256[] memory times) {
        times = new uint256[](1);
        times[0] = hours_ * HOUR_MS;
    }

    function test_Harvest_CountsForTheCurrentEpoch() public {
        vm.expectRevert(IMiningPool.NothingDue.selector);
        pool.harvest();
        fund(address(pool), 10e18);
        vm.expectEmit(address(pool));
        emit IMiningPool.Harvested(0, 10e18);
        vm.prank(STRANGER);
        assertEq(pool.harvest(), 10e18, "harvested");
        warpToEnd(2, 0);
        fund(address(pool), 7e18);
        pool.harvest();
        assertEq(pool.incomeOf(0), 10e18, "0");
        assertEq(pool.incomeOf(3), 7e18, "3");
        assertEq(token.balanceOf(address(pool)), 17e18, "there");
        assertEq(escrow.balanceOf(address(pool)), 0, "not in the escrow");
    }

    function test_Harvest_GiftsOfTokensAreNoIncome() public {
        assertTrue(token.transfer(address(pool), 5e18), "a gift");
        vm.expectRevert(IMiningPool.NothingDue.selector);
        pool.harvest();
        assertEq(pool.incomeOf(0), 0, "no income");
    }

    function test_Harvest_ATokenThatCallsBackGainsNothing() public {
        joinAs(0, 1, 1000e18);
        fund(address(pool), 10e18);
        vm.etch(address(token), address(new ReentrantToken()).code);
        ReentrantToken(address(token)).attack(address(pool), abi.encodeCall(IMiningPool.harvest, ()));
        pool.harvest();
        assertTrue(!ReentrantToken(address(token)).succeeded(), "not twice");
        assertEq(pool.incomeOf(0), 10e18, "once");
    }

    function test_RollOver_ToTheNextEpochWithASplit() public {
        joinAs(0, 1, 1000e18);
        fund(address(pool), 10e18);
        pool.harvest();
        warpToEnd(0, PHASE - 1);
        vm.expectRevert(IMiningPool.CannotRollOver.selector);
        pool.rollOver(0);
        warpToEnd(0, PHASE);
        vm.expectEmit(address(pool));
        emit IMiningPool.RolledOver(0, 10e18);
        pool.rollOver(0);
        vm.expectRevert(IMiningPool.NothingDue.selector);
        pool.rollOver(0);
        assertEq(pool.incomeOf(0), 0, "gone");
        assertEq(pool.incomeOf(1), 10e18, "over");
        warpToEnd(1, PHASE);
        pool.rollOver(1);
        attestSplit(2, one(idOf(0, 0)), oneTime(5));
        vm.expectRevert(IMiningPool.CannotRollOver.selector);
        pool.rollOver(2);
        proveAt(2, one(idOf(0, 0)), oneTime(5), 0);
        pool.collect(2, one(idOf(0, 0)));
        assertEq(pool.owed(memberAt(0)), 9.5e18, "two epochs later");
    }

    function test_RollOver_WhatIsMinedToo() public {
        joinAs(0, 1, 100_000e18);
        IEscrow.LeaseTerms memory terms = poolLease(1);
        vm.warp(block.timestamp + 50 hours);
        settle(terms, type(uint128).max, true);
        recordAs(operator, terms);
        warpToEnd(0, 0);
        seed(0);
        attestAll(address(pool), 0, 50 * HOUR_MS); // the time, but no split
        warpToEnd(0, PHASE);
        emission.weigh(address(pool), 0);
        warpToEnd(0, 2 * PHASE);
        uint256 mined = emission.allot(address(pool), 0);
        warpToEnd(0, 2 * PHASE + VESTING / 2);
        emission.claim(address(pool), 0);
        assertEq(pool.rollOver(0), mined / 2, "what has vested");
        vestAll(0);
        assertEq(pool.rollOver(0), mined - mined / 2, "and the rest");
        assertEq(pool.incomeOf(1), mined, "counts for the next");
    }

    /// @dev Splits, incomes, instalments and orders at random: no more than the income is ever credited, and no less but for
    /// a wei for each part.
    function testFuzz_Income_IsNeverExceeded(uint256 seed_, uint256[4] memory hours_, uint256 total) public {
        bytes32[] memory ids = new bytes32[](4);
        uint256[] memory times = new uint256[](4);
        for (uint256 i = 0; i < 4; ++i) {
            joinAs(i, 1, 50_000e18);
            ids[i] = idOf(i, 0);
            times[i] = bound(hours_[i], 0, 168 * HOUR_MS);
        }
        total = seed_ % 2 == 0 ? sumOf(times) : bound(total, 0, 700 * HOUR_MS);
        IEscrow.LeaseTerms memory terms = poolLease(1);
        vm.warp(block.timestamp + 1 + seed_ % 6 days);
        settle(terms, type(uint128).max, true);
        recordAs(operator, terms);
        pool.harvest();
        attestSplit(0, ids, times, total);
        (, uint256 agreed) = emission.splitOf(address(pool), 0);
        if (agreed == 0) return;
        for (uint256 i = 0; i < 6; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed_, i)));
            vm.warp(block.timestamp + s % 8 days);
            if (emission.vested(address(pool), 0) != 0) emission.claim(address(pool), 0);
            uint256 at_ = (s >> 64) % 4;
            if (!pool.parts(0, ids[at_]).isProved) proveAt(0, ids, times, at_);
            if (pool.dueOf(0, ids[at_]) != 0) pool.collect(0, one(ids[at_]));
        }
        for (uint256 i = 0; i < 4; ++i) {
            if (!pool.parts(0, ids[i]).isProved) proveAt(0, ids, times, i);
        }
        (bool ok,) = address(pool).call(abi.encodeCall(IMiningPool.collect, (0, ids)));
        (ok,) = address(pool).call(abi.encodeCall(IMiningPool.collectFee, (0)));
        uint256 sum = pool.owed(operator);
        for (uint256 i = 0; i < 4; ++i) {
            sum += pool.owed(memberAt(i));
        }
        assertAtMost(sum, pool.incomeOf(0), "no more than came in");
        assertAtMost(pool.incomeOf(0), token.balanceOf(address(pool)), "which is there");
        if (agreed == sumOf(times)) assertAtMost(pool.incomeOf(0), sum + 5, "and all but dust");
    }

    // --------------------------------------------------------------------------------------------- recording

    function test_Record_TheOperatorAtAnyTime() public {
        joinAs(0, 1, 1000e18);
        IEscrow.LeaseTerms memory terms = poolLease(1);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, type(uint128).max, false);
        recordAs(operator, terms);
        assertEq(feeOf(address(pool), 0), RATE, "counted");
    }

    function test_RevertWhen_AnotherRecordsTooEarly() public {
        joinAs(0, 1, 1000e18);
        IEscrow.LeaseTerms memory terms = poolLease(1);
        vm.warp(block.timestamp + 1 hours);
        // Before the vouchers come: the hour would never count.
        vm.expectRevert(IMiningPool.NotYet.selector);
        recordAs(memberAt(0), terms);
        warpToEnd(0, PHASE / 2 - 1);
        vm.expectRevert(IMiningPool.NotYet.selector);
        recordAs(memberAt(0), terms);
        warpToEnd(0, PHASE);
        vm.expectRevert(IMiningPool.NotYet.selector);
        recordAs(memberAt(0), terms);
    }

    function test_Record_AnyoneWhereItIsClosed() public {
        joinAs(0, 1, 1000e18);
        IEscrow.LeaseTerms memory terms = poolLease(1);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, type(uint128).max, true);
        recordAs(STRANGER, terms);
        assertEq(feeOf(address(pool), 0), RATE, "counted");
    }

    function test_Record_AMemberLate() public {
        joinAs(0, 1, 1000e18);
        vm.warp(START + EPOCH - 10 hours);
        IEscrow.LeaseTerms memory terms = poolLease(1);
        warpToEnd(0, PHASE / 2);
        settle(terms, type(uint128).max, false);
        vm.expectRevert(IMiningPool.NotYet.selector);
        recordAs(STRANGER, terms);
        recordAs(memberAt(0), terms);
        assertEq(feeOf(address(pool), 0), 10 * RATE, "the epoch's");
    }

    function test_Record_BadInputHurtsNobody() public {
        joinAs(0, 1, 1000e18);
        registerNode(provider, owner, 1, 1000e18);
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, type(uint128).max, true);
        vm.expectRevert(abi.encodeWithSelector(IEmissionController.NotYourLease.selector, idOf(terms)));
        recordAs(STRANGER, terms);
        terms.attempt += 77;
        vm.expectRevert(IMiningPool.NotYet.selector);
        recordAs(STRANGER, terms);
        vm.expectRevert(abi.encodeWithSelector(IEmissionController.NotYourLease.selector, idOf(terms)));
        recordAs(operator, terms);
    }

    // ------------------------------------------------------------------------------------------------- court

    /// @dev A case against the pool, decided by the first jury as `grade`, in the time for appeals.
    function accusedWith(uint8 grade) private returns (uint256 id) {
        joinAs(0, 1, 1000e18);
        for (uint256 i = 0; i < 12; ++i) {
            registerVerifier(address(uint160(0xFA00 + i)), address(uint160(0xFB00 + i)));
        }
        warpToEnd(0, 2 * PHASE);
        give(other, address(disputes), 10 * BOND);
        vm.prank(other);
        id = disputes.accuse(address(pool), 0, "it lied");
        voteAll(id, grade);
        vm.warp(block.timestamp + VOTING + 1);
        give(STRANGER, address(pool), 2 * BOND);
    }

    function voteAll(uint256 id, uint8 grade) private {
        vm.roll(block.number + 2);
        disputes.drawJury(id);
        address[] memory jury = disputes.jury(id, disputes.cases(id).round);
        for (uint256 i = 0; i < jury.length; ++i) {
            vm.prank(jury[i]);
            disputes.vote(id, grade);
        }
    }

    function appealAs(address who, uint256 id) private {
        vm.prank(who);
        pool.appeal(id);
    }

    function test_Appeal_ReturnsTheBondOfWhoWasRight() public {
        uint256 id = accusedWith(2);
        vm.expectEmit(address(pool));
        emit IMiningPool.Appealed(id, STRANGER);
        appealAs(STRANGER, id);
        assertEq(token.balanceOf(STRANGER), 0, "the bond is its own");
        vm.expectRevert(IMiningPool.NoAppeal.selector);
        pool.settleAppeal(id);
        voteAll(id, 0);
        vm.warp(block.timestamp + VOTING + 1);
        disputes.carryOut(id);
        // the accuser's bond, half of it, is the pool's; the appeal's isn't
        vm.expectRevert(IMiningPool.NothingDue.selector);
        pool.harvest();
        pool.settleAppeal(id);
        assertEq(pool.owed(STRANGER), 2 * BOND, "back");
        assertEq(pool.openAppeals(), 0, "none");
        uint256 epoch = emission.epochAt(block.timestamp);
        uint256 before = pool.incomeOf(epoch);
        pool.harvest();
        uint256 income = pool.incomeOf(epoch) - before;
        assertTrue(income >= BOND / 2 && income < BOND, "what the accuser lost");
        assertEq(token.balanceOf(address(pool)), 2 * BOND + income, "all there");
        assertEq(pool.stakeOf(memberAt(0)), 1000e18, "no stake is lost");
        vm.expectRevert(IMiningPool.NoAppeal.selector);
        pool.settleAppeal(id);
        vm.prank(STRANGER);
        pool.withdraw(STRANGER);
    }

    function test_Appeal_LosesTheBondOfWhoWasWrong() public {
        uint256 id = accusedWith(2);
        appealAs(STRANGER, id);
        voteAll(id, 2);
        vm.warp(block.timestamp + VOTING + 1);
        disputes.carryOut(id);
        vm.expectEmit(address(pool));
        emit IMiningPool.AppealSettled(id, STRANGER, false);
        pool.settleAppeal(id);
        assertEq(pool.owed(STRANGER), 0, "lost");
        assertEq(pool.stakeOf(memberAt(0)), 700e18, "as decided");
    }

    function test_Appeal_TakesNobodysPlace() public {
        uint256 id = accusedWith(1);
        appealAs(STRANGER, id);
        give(memberAt(2), address(pool), 2 * BOND);
        vm.expectRevert(IDisputes.WrongPhase.selector);
        appealAs(memberAt(2), id);
        voteAll(id, 0);
        vm.warp(block.timestamp + VOTING + 1);
        disputes.carryOut(id);
        pool.settleAppeal(id);
        assertEq(pool.owed(STRANGER), 2 * BOND, "who was first");
    }

    function test_RevertWhen_TheCaseIsNotThePools() public {
        joinAs(0, 1, 1000e18);
        registerNode(provider, owner, 1, 1000e18);
        warpToEnd(0, 2 * PHASE);
        give(other, address(disputes), 10 * BOND);
        vm.prank(other);
        uint256 id = disputes.accuse(provider, 0, "it lied");
        vm.warp(block.timestamp + VOTING + 1);
        give(STRANGER, address(pool), 2 * BOND);
        vm.expectRevert(IDisputes.NotParty.selector);
        appealAs(STRANGER, id);
        vm.expectRevert(IMiningPool.NoAppeal.selector);
        pool.settleAppeal(id);
    }

    function test_Appeal_OfAContest() public {
        joinAs(0, 1, 1000e18);
        for (uint256 i = 0; i < 12; ++i) {
            registerVerifier(address(uint160(0xFA00 + i)), address(uint160(0xFB00 + i)));
        }
        registerNode(provider, owner, 1, 1000e18);
        give(provider, address(disputes), BOND);
        vm.warp(block.timestamp + 1 days);
        vm.prank(provider);
        uint256 id = disputes.contest(idOf(0, 0));
        voteAll(id, 2);
        vm.warp(block.timestamp + VOTING + 1);
        give(memberAt(0), address(pool), 2 * BOND);
        appealAs(memberAt(0), id);
        voteAll(id, 1);
        vm.warp(block.timestamp + VOTING + 1);
        disputes.carryOut(id);
        pool.settleAppeal(id);
        assertEq(pool.owed(memberAt(0)), 2 * BOND, "back");
        assertEq(registry.hardware(idOf(0, 0)).node, address(pool), "the device stays");
        assertEq(pool.holderOf(idOf(0, 0), 9), memberAt(0), "the member's");
        pool.harvest();
    }
}
