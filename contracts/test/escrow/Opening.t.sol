// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";
import {Vm} from "../utils/Vm.sol";

contract OpeningTest is EscrowFixture {
    // --------------------------------------------------------------------------------------------- batches

    function batch(uint256 count)
        private
        view
        returns (IEscrow.LeaseRequest[] memory requests, IEscrow.Offer[] memory offers, bytes[] memory signatures)
    {
        requests = new IEscrow.LeaseRequest[](count);
        offers = new IEscrow.Offer[](count);
        signatures = new bytes[](count);
        bytes memory signature = sign(PROVIDER_KEY, escrow.offerDigest(defaultOffer()));
        for (uint256 i = 0; i < count; ++i) {
            requests[i] = defaultRequest();
            requests[i].jobId = bytes32(i);
            requests[i].hold = 1e18;
            offers[i] = defaultOffer();
            signatures[i] = signature;
        }
    }

    /// @dev Opens as `hub_` and checks that it was skipped for `reason` and changed nothing.
    function assertSkips(
        address hub_,
        IEscrow.LeaseRequest memory request,
        IEscrow.Offer memory offer,
        bytes memory signature,
        bytes4 reason
    ) private {
        IEscrow.LeaseTerms memory terms = termsOf(request, offer.provider, hub_);
        bytes32 before = fingerprint(terms);
        expectOpenSkipped(terms, reason);
        openAs(hub_, request, offer, signature);
        assertEq(fingerprint(terms), before, "a skipped item changes nothing");
    }

    function assertSkips(IEscrow.LeaseRequest memory request, IEscrow.Offer memory offer, bytes4 reason) private {
        assertSkips(hub, request, offer, sign(PROVIDER_KEY, escrow.offerDigest(offer)), reason);
    }

    function assertSkips(IEscrow.LeaseRequest memory request, bytes4 reason) private {
        assertSkips(request, defaultOffer(), reason);
    }

    /// @dev All that opening may change.
    function fingerprint(IEscrow.LeaseTerms memory terms) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                escrow.lease(idOf(terms)),
                escrow.balanceOf(payer),
                escrow.balanceOf(provider),
                escrow.authorization(terms.payer, terms.hubKey, terms.namespaceId)
            )
        );
    }

    function test_RevertWhen_OffersDiffer() public {
        (IEscrow.LeaseRequest[] memory requests,, bytes[] memory signatures) = batch(2);
        (, IEscrow.Offer[] memory fewer,) = batch(1);
        (, IEscrow.Offer[] memory more,) = batch(3);
        vm.expectRevert(IEscrow.LengthMismatch.selector);
        escrow.openBatch(requests, fewer, signatures);
        vm.expectRevert(IEscrow.LengthMismatch.selector);
        escrow.openBatch(requests, more, signatures);
    }

    function test_RevertWhen_SignaturesDiffer() public {
        (IEscrow.LeaseRequest[] memory requests, IEscrow.Offer[] memory offers,) = batch(2);
        vm.expectRevert(IEscrow.LengthMismatch.selector);
        escrow.openBatch(requests, offers, new bytes[](1));
        vm.expectRevert(IEscrow.LengthMismatch.selector);
        escrow.openBatch(requests, offers, new bytes[](3));
    }

    function test_RevertWhen_BatchIsTooLarge() public {
        (IEscrow.LeaseRequest[] memory requests, IEscrow.Offer[] memory offers, bytes[] memory signatures) = batch(65);
        vm.expectRevert(IEscrow.BatchTooLarge.selector);
        vm.prank(hub);
        escrow.openBatch(requests, offers, signatures);
    }

    function test_Open_AcceptsAnEmptyBatch() public {
        (IEscrow.LeaseRequest[] memory requests, IEscrow.Offer[] memory offers, bytes[] memory signatures) = batch(0);
        vm.recordLogs();
        escrow.openBatch(requests, offers, signatures);
        assertEq(vm.getRecordedLogs().length, 0, "logs");
    }

    function test_Open_OpensAFullBatch() public {
        (IEscrow.LeaseRequest[] memory requests, IEscrow.Offer[] memory offers, bytes[] memory signatures) = batch(64);
        vm.prank(hub);
        escrow.openBatch(requests, offers, signatures);
        for (uint256 i = 0; i < 64; ++i) {
            assertState(termsOf(requests[i], provider, hub), IEscrow.LeaseState.Open);
        }
        assertEq(escrow.balanceOf(payer), DEPOSIT - 64e18, "account");
    }

    // ------------------------------------------------------------------------------------------- good items

    function test_Open_MovesTheHold() public {
        IEscrow.LeaseTerms memory terms = open();
        assertState(terms, IEscrow.LeaseState.Open);
        assertFigures(terms, HOLD, 0, 0);
        assertEq(lease(terms).openedAt, START, "openedAt");
        assertEq(lease(terms).closingAt, 0, "closingAt");
        assertEq(escrow.balanceOf(payer), DEPOSIT - HOLD, "payer");
        assertEq(escrow.balanceOf(provider), 0, "provider");
        assertEq(token.balanceOf(address(escrow)), DEPOSIT, "no token moves");
    }

    function test_Open_ReportsTheTerms() public {
        IEscrow.LeaseTerms memory terms = termsOf(defaultRequest(), provider, hub);
        vm.expectEmit(address(escrow));
        emit IEscrow.LeaseOpened(idOf(terms), payer, provider, terms, HOLD);
        openAs(hub, defaultRequest(), defaultOffer(), PROVIDER_KEY);
        assertEq(escrow.leaseIdOf(terms), idOf(terms), "leaseIdOf");
    }

    function test_Open_CountsAsUsed() public {
        open();
        assertEq(used(), HOLD, "used");
        assertEq(escrow.authorization(payer, hub, NAMESPACE).cap, CAP, "cap");
    }

    function test_Open_TakesALowerRate() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.rate = RATE / 2;
        IEscrow.LeaseTerms memory terms = open(request);
        vm.warp(START + 100);
        settle(terms, HOLD, false);
        assertFigures(terms, HOLD, 100 * PER_SECOND / 2, 0);
    }

    function test_Open_TakesTheLimits() public {
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, HOLD, RATE, START + 101);
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.openBy = START + 100;
        request.milliUnits = 1_000_000_000;
        IEscrow.Offer memory offer = defaultOffer();
        offer.validUntil = START + 100;
        vm.prank(payer);
        escrow.withdraw(DEPOSIT - HOLD, payer);
        vm.warp(START + 100);
        openAs(hub, request, offer, PROVIDER_KEY);
        assertFigures(termsOf(request, provider, hub), HOLD, 0, 0);
        assertEq(escrow.balanceOf(payer), 0, "account");
        assertEq(used(), HOLD, "used");
    }

    function test_Open_TakesAnOfferAgain() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        for (uint64 attempt = 1; attempt <= 3; ++attempt) {
            request.attempt = attempt;
            assertFigures(open(request), HOLD, 0, 0);
        }
        assertEq(used(), 3 * HOLD, "used");
    }

    function testFuzz_Open_MovesTheHold(uint256 hold, uint256 rate, uint256 milliUnits, uint64 attempt) public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.hold = bound(hold, 1, CAP);
        request.rate = bound(rate, 0, RATE);
        request.milliUnits = uint64(bound(milliUnits, 1, 1_000_000_000));
        request.attempt = attempt;
        IEscrow.LeaseTerms memory terms = open(request);
        assertFigures(terms, request.hold, 0, 0);
        assertEq(escrow.balanceOf(payer), DEPOSIT - request.hold, "account");
        assertEq(used(), request.hold, "used");
    }

    // ---------------------------------------------------------------------------------------------- refusals

    function test_SkipsWhen_LeaseExists() public {
        IEscrow.LeaseTerms memory terms = open();
        assertSkips(defaultRequest(), IEscrow.LeaseExists.selector);
        IEscrow.LeaseRequest memory bigger = defaultRequest();
        bigger.hold = 2 * HOLD;
        assertSkips(bigger, IEscrow.LeaseExists.selector);
        settle(terms, 0, true);
        assertState(terms, IEscrow.LeaseState.Closed);
        assertSkips(defaultRequest(), IEscrow.LeaseExists.selector);
    }

    function test_SkipsWhen_LeaseIsTwiceInABatch() public {
        (IEscrow.LeaseRequest[] memory requests, IEscrow.Offer[] memory offers, bytes[] memory signatures) = batch(2);
        requests[1] = requests[0];
        expectOpenSkipped(termsOf(requests[1], provider, hub), IEscrow.LeaseExists.selector);
        vm.prank(hub);
        escrow.openBatch(requests, offers, signatures);
        assertEq(escrow.balanceOf(payer), DEPOSIT - 1e18, "one hold");
    }

    function test_SkipsWhen_OpenByIsPast() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.openBy = START - 1;
        assertSkips(request, IEscrow.OpenByPassed.selector);
    }

    function test_SkipsWhen_MilliUnitsAreBad() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.milliUnits = 0;
        assertSkips(request, IEscrow.BadMilliUnits.selector);
        request.milliUnits = 1_000_000_001;
        assertSkips(request, IEscrow.BadMilliUnits.selector);
    }

    function test_SkipsWhen_RateIsAboveOffer() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.rate = RATE + 1;
        assertSkips(request, IEscrow.RateAboveOffer.selector);
    }

    function test_SkipsWhen_OfferIsExpired() public {
        IEscrow.Offer memory offer = defaultOffer();
        offer.validUntil = START - 1;
        assertSkips(defaultRequest(), offer, IEscrow.OfferExpired.selector);
    }

    function test_SkipsWhen_OfferIsCancelled() public {
        IEscrow.Offer memory offer = defaultOffer();
        offer.nonce = 1;
        assertSkips(defaultRequest(), offer, IEscrow.OfferCancelled.selector);
        offer.nonce = 0;
        vm.prank(provider);
        escrow.cancelOffers();
        assertSkips(defaultRequest(), offer, IEscrow.OfferCancelled.selector);
    }

    function test_SkipsWhen_OfferIsForged() public {
        bytes32 digest = escrow.offerDigest(defaultOffer());
        assertSkips(hub, defaultRequest(), defaultOffer(), sign(OTHER_KEY, digest), IEscrow.BadSignature.selector);
        assertSkips(hub, defaultRequest(), defaultOffer(), sign(HUB_KEY, digest), IEscrow.BadSignature.selector);
        assertSkips(hub, defaultRequest(), defaultOffer(), "", IEscrow.BadSignature.selector);
        assertSkips(hub, defaultRequest(), defaultOffer(), new bytes(65), IEscrow.BadSignature.selector);
        bytes memory longer = abi.encodePacked(sign(PROVIDER_KEY, digest), uint8(0));
        assertSkips(hub, defaultRequest(), defaultOffer(), longer, IEscrow.BadSignature.selector);
    }

    function test_SkipsWhen_OfferWasChanged() public {
        bytes memory signature = sign(PROVIDER_KEY, escrow.offerDigest(defaultOffer()));
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.rate = 1;
        for (uint256 field = 0; field < 6; ++field) {
            IEscrow.Offer memory offer = defaultOffer();
            if (field == 0) offer.provider = other;
            if (field == 1) offer.member = "another";
            if (field == 2) offer.class = "cpu";
            if (field == 3) offer.rate -= 1;
            if (field == 4) offer.startWithin += 1;
            if (field == 5) offer.validUntil += 1;
            assertSkips(hub, request, offer, signature, IEscrow.BadSignature.selector);
        }
    }

    function test_SkipsWhen_NothingIsAuthorized() public {
        fund(other, DEPOSIT);
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.payer = other;
        assertSkips(request, IEscrow.NotAuthorized.selector);
        request.rate = 0;
        assertSkips(request, IEscrow.NotAuthorized.selector);
    }

    function test_SkipsWhen_CallerIsAnotherHub() public {
        bytes memory signature = sign(PROVIDER_KEY, escrow.offerDigest(defaultOffer()));
        assertSkips(other, defaultRequest(), defaultOffer(), signature, IEscrow.NotAuthorized.selector);
        assertSkips(payer, defaultRequest(), defaultOffer(), signature, IEscrow.NotAuthorized.selector);
    }

    function test_SkipsWhen_NamespaceIsAnother() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.namespaceId = escrow.namespaceIdOf(keccak256("hub"), "made-again");
        assertSkips(request, IEscrow.NotAuthorized.selector);
    }

    function test_SkipsWhen_AuthorizationIsRevoked() public {
        vm.prank(payer);
        escrow.revoke(hub, NAMESPACE);
        assertSkips(defaultRequest(), IEscrow.NotAuthorized.selector);
    }

    function test_SkipsWhen_AuthorizationIsExpired() public {
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, CAP, RATE, START + 10);
        vm.warp(START + 10);
        assertSkips(defaultRequest(), IEscrow.AuthorizationExpired.selector);
        vm.warp(START + 9);
        open();
    }

    function test_SkipsWhen_RateIsAboveAuthorization() public {
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, CAP, RATE - 1, START + 10);
        assertSkips(defaultRequest(), IEscrow.RateAboveAuthorization.selector);
    }

    function test_SkipsWhen_HoldIsZero() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.hold = 0;
        assertSkips(request, IEscrow.ZeroAmount.selector);
    }

    function test_SkipsWhen_HoldIsTooLarge() public {
        uint256 most = escrow.MAX_HOLD();
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, 2 * most, RATE, START + 10);
        fund(payer, most);
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.hold = most + 1;
        assertSkips(request, IEscrow.AmountTooLarge.selector);
        request.hold = type(uint256).max;
        assertSkips(request, IEscrow.AmountTooLarge.selector);
        request.hold = most;
        assertFigures(open(request), most, 0, 0);
    }

    function test_SkipsWhen_CapWouldBePassed() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.hold = CAP + 1;
        assertSkips(request, IEscrow.CapExceeded.selector);
        open();
        request.attempt = 2;
        request.hold = CAP - HOLD + 1;
        assertSkips(request, IEscrow.CapExceeded.selector);
        request.hold = CAP - HOLD;
        open(request);
    }

    function test_SkipsWhen_CapIsBelowUsed() public {
        open();
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, HOLD - 1, RATE, START + 10);
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.attempt = 2;
        request.hold = 1;
        assertSkips(request, IEscrow.CapExceeded.selector);
    }

    function test_SkipsWhen_BalanceIsTooSmall() public {
        vm.prank(payer);
        escrow.withdraw(DEPOSIT - HOLD + 1, payer);
        assertSkips(defaultRequest(), IEscrow.InsufficientBalance.selector);
    }

    // ------------------------------------------------------------------------------------------------- batch

    function test_Open_OpensTenOfAThousand() public {
        uint256 noLimit = escrow.MAX_CAP();
        vm.startPrank(payer);
        escrow.withdraw(DEPOSIT - 10e18, payer);
        escrow.authorize(hub, NAMESPACE, noLimit, RATE, START + 10);
        vm.stopPrank();
        IEscrow.LeaseRequest[] memory requests;
        uint256 opened;
        for (uint256 i = 0; i < 16; ++i) {
            IEscrow.Offer[] memory offers;
            bytes[] memory signatures;
            (requests, offers, signatures) = batch(63);
            for (uint256 j = 0; j < 63; ++j) {
                requests[j].jobId = bytes32(i * 63 + j);
            }
            vm.recordLogs();
            vm.prank(hub);
            escrow.openBatch(requests, offers, signatures);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            assertEq(logs.length, 63, "every item is answered for");
            opened += countLogs(logs, IEscrow.LeaseOpened.selector);
        }
        assertEq(opened, 10, "opened");
        assertEq(escrow.balanceOf(payer), 0, "account");
    }

    function test_Open_SkipsOnlyTheBadItem() public {
        for (uint256 bad = 0; bad < 3; ++bad) {
            (IEscrow.LeaseRequest[] memory requests, IEscrow.Offer[] memory offers, bytes[] memory signatures) =
                batch(3);
            for (uint256 i = 0; i < 3; ++i) {
                requests[i].attempt = uint64(10 + bad);
            }
            signatures[bad] = hex"00";
            expectOpenSkipped(termsOf(requests[bad], provider, hub), IEscrow.BadSignature.selector);
            vm.prank(hub);
            escrow.openBatch(requests, offers, signatures);
            for (uint256 i = 0; i < 3; ++i) {
                assertState(
                    termsOf(requests[i], provider, hub), i == bad ? IEscrow.LeaseState.None : IEscrow.LeaseState.Open
                );
            }
        }
        assertEq(used(), 6e18, "two of three, three times");
    }

    // ------------------------------------------------------------------------------------------ cancelOffers

    function test_CancelOffers_RaisesTheNonce() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.OffersCancelled(provider, 1);
        vm.prank(provider);
        assertEq(escrow.cancelOffers(), 1, "returned");
        assertEq(escrow.offerNonce(provider), 1, "stored");
        assertEq(escrow.offerNonce(other), 0, "another's");
        vm.prank(provider);
        assertEq(escrow.cancelOffers(), 2, "again");
    }

    function test_CancelOffers_VoidsWhatWasSigned() public {
        IEscrow.Offer memory before = defaultOffer();
        vm.prank(provider);
        escrow.cancelOffers();
        assertSkips(defaultRequest(), before, IEscrow.OfferCancelled.selector);
        open(); // the default offer bears the new nonce
    }

    function test_CancelOffers_LeavesLeasesAlone() public {
        IEscrow.LeaseTerms memory terms = open();
        vm.prank(provider);
        escrow.cancelOffers();
        vm.warp(START + 10);
        settle(terms, HOLD, false);
        assertFigures(terms, HOLD, 10 * PER_SECOND, 0);
    }
}
