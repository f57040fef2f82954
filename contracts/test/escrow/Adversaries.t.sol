// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {FalseToken, FeeToken, LyingToken, ReentrantToken, SilentToken} from "../mocks/Tokens.sol";
import {
    BombWallet,
    BurningWallet,
    DirtyWallet,
    MagicRevertingWallet,
    MeddlingWallet,
    OwnedWallet,
    RevertingWallet,
    ShortWallet,
    Wallet,
    YesWallet
} from "../mocks/Wallets.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

contract AdversariesTest is EscrowFixture {
    uint256 private constant CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    // ----------------------------------------------------------------------------------------------- tokens

    function reentrantVault() private returns (ReentrantToken evil, IEscrow vault) {
        evil = new ReentrantToken();
        vault = newEscrow(address(evil), WINDOW);
        evil.approve(address(vault), type(uint256).max);
        vault.deposit(100);
    }

    function test_Token_NestedDepositReverts() public {
        (ReentrantToken evil, IEscrow vault) = reentrantVault();
        assertTrue(evil.transfer(address(evil), 50), "give the token tokens of its own");
        evil.act(address(evil), abi.encodeCall(evil.approve, (address(vault), 50)));
        evil.attack(address(vault), abi.encodeCall(IEscrow.deposit, (50)));
        vm.expectRevert(IEscrow.TransferMismatch.selector);
        vault.deposit(10);
        assertEq(vault.balanceOf(address(evil)), 0, "nothing counted");
    }

    function test_Token_NestedWithdrawalReverts() public {
        (ReentrantToken evil, IEscrow vault) = reentrantVault();
        vault.depositFor(address(evil), 50);
        evil.attack(address(vault), abi.encodeCall(IEscrow.withdraw, (50, address(0xBAD))));
        vm.expectRevert(IEscrow.TransferMismatch.selector);
        vault.deposit(10);
        assertEq(evil.balanceOf(address(vault)), 150, "vault");
    }

    function test_Token_NestedWithdrawalFindsNothing() public {
        (ReentrantToken evil, IEscrow vault) = reentrantVault();
        vault.depositFor(address(evil), 50);
        evil.attack(address(vault), abi.encodeCall(IEscrow.withdraw, (50, address(0xBAD))));
        evil.act(address(vault), abi.encodeCall(IEscrow.withdraw, (50, address(0xBAD))));
        assertTrue(!evil.succeeded(), "the nested withdrawal failed");
        assertEq(evil.balanceOf(address(0xBAD)), 50, "paid once");
        assertEq(evil.balanceOf(address(vault)), 100, "vault");
        assertEq(vault.balanceOf(address(this)), 100, "the other account is whole");
    }

    function test_Token_WithFeeIsRefused() public {
        FeeToken fee = new FeeToken();
        IEscrow vault = newEscrow(address(fee), WINDOW);
        fee.approve(address(vault), 1000);
        vm.expectRevert(IEscrow.TransferMismatch.selector);
        vault.deposit(1000);
    }

    function test_Token_ReturningFalseOnDeposit() public {
        FalseToken no = new FalseToken();
        IEscrow vault = newEscrow(address(no), WINDOW);
        no.approve(address(vault), 1000);
        no.refuse(true);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(no)));
        vault.deposit(1000);
    }

    function test_Token_ReturningFalseOnWithdrawal() public {
        FalseToken no = new FalseToken();
        IEscrow vault = newEscrow(address(no), WINDOW);
        no.approve(address(vault), 1000);
        vault.deposit(1000);
        no.refuse(true);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(no)));
        vault.withdraw(1000, other);
        assertEq(vault.balanceOf(address(this)), 1000, "account");
        no.refuse(false);
        vault.withdraw(1000, other);
        assertEq(no.balanceOf(other), 1000, "paid");
    }

    function test_Token_LyingIsRefused() public {
        LyingToken lie = new LyingToken();
        IEscrow vault = newEscrow(address(lie), WINDOW);
        vm.expectRevert(IEscrow.TransferMismatch.selector);
        vault.deposit(1000);
    }

    function test_Token_SilentWorks() public {
        SilentToken silent = new SilentToken();
        IEscrow vault = newEscrow(address(silent), WINDOW);
        vault.deposit(1000);
        vault.withdraw(400, other);
        assertEq(silent.balanceOf(other), 400, "paid");
        assertEq(vault.balanceOf(address(this)), 600, "account");
        // it has no permit at all: what counts is whether the transfer works
        vault.depositWithPermit(5, START, 27, 0, 0);
        assertEq(vault.balanceOf(address(this)), 605, "account");
    }

    function test_Token_SentDirectlyIsNobodys() public {
        assertTrue(token.transfer(address(escrow), 77), "transfer");
        assertEq(escrow.balanceOf(address(this)), 0, "not the sender's");
        vm.prank(payer);
        escrow.withdraw(DEPOSIT, payer);
        assertEq(token.balanceOf(address(escrow)), 77, "and nobody can take it");
    }

    // ---------------------------------------------------------------------------------------------- wallets

    function offerOf(address wallet) private view returns (IEscrow.Offer memory offer) {
        offer = defaultOffer();
        offer.provider = wallet;
        offer.nonce = escrow.offerNonce(wallet);
    }

    /// @dev The state of the default lease with `wallet` for its provider.
    function stateWith(address wallet) private view returns (IEscrow.LeaseState) {
        return lease(termsOf(defaultRequest(), wallet, hub)).state;
    }

    function test_Wallet_ProviderOffersAndIsPaid() public {
        OwnedWallet wallet = new OwnedWallet(other);
        openAs(hub, defaultRequest(), offerOf(address(wallet)), OTHER_KEY);
        IEscrow.LeaseTerms memory terms = termsOf(defaultRequest(), address(wallet), hub);
        assertState(terms, IEscrow.LeaseState.Open);
        vm.warp(START + 100);
        settle(terms, 100 * PER_SECOND, true);
        wallet.act(address(escrow), abi.encodeCall(IEscrow.withdraw, (100 * PER_SECOND, other)));
        assertEq(token.balanceOf(other), 100 * PER_SECOND, "withdrawn");
    }

    function test_Wallet_ProviderRefusesAnothers() public {
        OwnedWallet wallet = new OwnedWallet(other);
        IEscrow.LeaseTerms memory terms = termsOf(defaultRequest(), address(wallet), hub);
        expectOpenSkipped(terms, IEscrow.BadSignature.selector);
        openAs(hub, defaultRequest(), offerOf(address(wallet)), PROVIDER_KEY);
        wallet.act(address(escrow), abi.encodeCall(IEscrow.cancelOffers, ()));
        IEscrow.Offer memory offer = offerOf(address(wallet));
        offer.nonce = 0;
        expectOpenSkipped(terms, IEscrow.OfferCancelled.selector);
        openAs(hub, defaultRequest(), offer, OTHER_KEY);
        assertState(terms, IEscrow.LeaseState.None);
    }

    function test_Wallet_WrongAnswersAreRefused() public {
        Wallet[5] memory wallets = [
            Wallet(new RevertingWallet()),
            new MagicRevertingWallet(),
            new ShortWallet(),
            new DirtyWallet(),
            new BurningWallet()
        ];
        for (uint256 i = 0; i < wallets.length; ++i) {
            expectOpenSkipped(termsOf(defaultRequest(), address(wallets[i]), hub), IEscrow.BadSignature.selector);
            openAs(hub, defaultRequest(), offerOf(address(wallets[i])), "");
            assertTrue(stateWith(address(wallets[i])) == IEscrow.LeaseState.None, "refused");
        }
        // and the same call with a right answer goes through
        YesWallet yes = new YesWallet();
        openAs(hub, defaultRequest(), offerOf(address(yes)), "");
        assertTrue(stateWith(address(yes)) == IEscrow.LeaseState.Open, "taken");
    }

    function test_Wallet_PayerWorks() public {
        OwnedWallet wallet = new OwnedWallet(other);
        assertTrue(token.transfer(address(wallet), 2 * HOLD), "transfer");
        wallet.act(address(token), abi.encodeCall(token.approve, (address(escrow), 2 * HOLD)));
        wallet.act(address(escrow), abi.encodeCall(IEscrow.deposit, (2 * HOLD)));
        wallet.act(address(escrow), abi.encodeCall(IEscrow.authorize, (hub, NAMESPACE, HOLD, RATE, START + 1 days)));
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.payer = address(wallet);
        IEscrow.LeaseTerms memory terms = open(request);
        wallet.act(address(escrow), abi.encodeCall(IEscrow.startClosing, (terms)));
        vm.warp(START + WINDOW + 1);
        escrow.finalize(terms);
        wallet.act(address(escrow), abi.encodeCall(IEscrow.withdraw, (2 * HOLD, other)));
        assertEq(token.balanceOf(other), 2 * HOLD, "all of it came back");
    }

    function test_Wallet_DelegatedAccountSignsByKey() public {
        // EIP-7702: the provider's own address gets code that knows nothing of its key
        vm.etch(provider, address(new RevertingWallet()).code);
        openAs(hub, defaultRequest(), defaultOffer(), PROVIDER_KEY);
        assertTrue(stateWith(provider) == IEscrow.LeaseState.Open, "taken by key");
    }

    /// @dev Opens [good, with `wallet`, good] on just enough gas for the wallet's allowance, and checks the good ones.
    function assertHurtsNobody(Wallet wallet, IEscrow.LeaseState wanted) private {
        IEscrow.LeaseRequest[] memory requests = new IEscrow.LeaseRequest[](3);
        IEscrow.Offer[] memory offers = new IEscrow.Offer[](3);
        bytes[] memory signatures = new bytes[](3);
        for (uint64 i = 0; i < 3; ++i) {
            requests[i] = defaultRequest();
            requests[i].attempt = i;
            offers[i] = i == 1 ? offerOf(address(wallet)) : defaultOffer();
            signatures[i] = i == 1 ? bytes("") : sign(PROVIDER_KEY, escrow.offerDigest(offers[i]));
        }
        vm.prank(hub);
        escrow.openBatch{gas: 400_000}(requests, offers, signatures);
        assertState(termsOf(requests[0], provider, hub), IEscrow.LeaseState.Open);
        assertState(termsOf(requests[1], address(wallet), hub), wanted);
        assertState(termsOf(requests[2], provider, hub), IEscrow.LeaseState.Open);
    }

    function test_Wallet_BurningGasHurtsNobody() public {
        assertHurtsNobody(new BurningWallet(), IEscrow.LeaseState.None);
    }

    function test_Wallet_LongAnswerHurtsNobody() public {
        // its answer begins with a right word, and is not copied beyond it
        assertHurtsNobody(new BombWallet(), IEscrow.LeaseState.Open);
    }

    function test_Wallet_CannotMeddle() public {
        MeddlingWallet wallet = new MeddlingWallet();
        openAs(hub, defaultRequest(), offerOf(address(wallet)), "");
        assertTrue(stateWith(address(wallet)) == IEscrow.LeaseState.None, "refused");
        assertEq(escrow.offerNonce(address(wallet)), 0, "nothing changed");
    }

    // ------------------------------------------------------------------------------------------- signatures

    function test_Replay_OnAnotherChain() public {
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 100);
        IEscrow.Settlement memory here = signed(voucher(terms, 50 * PER_SECOND, false), HUB_KEY);
        uint256 home = block.chainid;
        vm.chainId(home + 1);
        expectSettleSkipped(terms, IEscrow.BadSignature.selector);
        settleAsIs(here);
        settle(terms, 20 * PER_SECOND, false); // signed for the fork
        assertFigures(terms, HOLD, 20 * PER_SECOND, 0);
        vm.chainId(home);
        settleAsIs(here);
        assertFigures(terms, HOLD, 50 * PER_SECOND, 0);
    }

    function test_Replay_OfferOnAnotherChain() public {
        bytes memory signature = sign(PROVIDER_KEY, escrow.offerDigest(defaultOffer()));
        vm.chainId(block.chainid + 1);
        expectOpenSkipped(termsOf(defaultRequest(), provider, hub), IEscrow.BadSignature.selector);
        openAs(hub, defaultRequest(), defaultOffer(), signature);
        assertTrue(stateWith(provider) == IEscrow.LeaseState.None, "refused");
    }

    function test_Replay_AtAnotherEscrow() public {
        IEscrow.LeaseTerms memory terms = open();
        IEscrow.Settlement memory here = signed(voucher(terms, 50 * PER_SECOND, false), HUB_KEY);
        IEscrow first = escrow;
        escrow = newEscrow(address(token), WINDOW);
        fund(payer, DEPOSIT);
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, CAP, RATE, START + 1 days);
        assertEq(idOf(open()), idOf(terms), "the same lease at another escrow");
        vm.warp(START + 100);
        expectSettleSkipped(terms, IEscrow.BadSignature.selector);
        settleAsIs(here);
        assertFigures(terms, HOLD, 0, 0);
        escrow = first;
        settleAsIs(here);
        assertFigures(terms, HOLD, 50 * PER_SECOND, 0);
    }

    function test_Replay_MirrorImage() public {
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 100);
        IEscrow.Settlement memory settlement = voucher(terms, 50 * PER_SECOND, false);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(HUB_KEY, digestOf(settlement));
        uint256 mirrored = CURVE_ORDER - uint256(s);
        settlement.r = r;
        // The short form has no room for a high s but below 2^255: there, v would be read from its top bit.
        settlement.vs = bytes32(mirrored | (uint256(v == 27 ? 1 : 0) << 255));
        expectSettleSkipped(terms, IEscrow.BadSignature.selector);
        settleAsIs(settlement);
        assertFigures(terms, HOLD, 0, 0);
    }

    // ----------------------------------------------------------------------------------------------- payers

    function test_Payer_CannotStarveALease() public {
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 100);
        IEscrow.Settlement memory inFlight = signed(voucher(terms, 100 * PER_SECOND, true), HUB_KEY);
        vm.startPrank(payer);
        escrow.revoke(hub, NAMESPACE);
        escrow.withdraw(DEPOSIT - HOLD, payer);
        escrow.startClosing(terms);
        vm.stopPrank();
        vm.warp(START + 100 + WINDOW);
        settleAsIs(inFlight);
        vm.prank(provider);
        escrow.withdraw(100 * PER_SECOND, provider);
        assertEq(token.balanceOf(provider), 100 * PER_SECOND, "paid in full");
    }

    function test_Payer_CannotCloseForFreeWork() public {
        // closing in the second after opening, so that the work which the hub hasn't stopped yet would cost nothing
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 1);
        startClosing(payer, terms);
        vm.warp(START + 60);
        settle(terms, 59 * PER_SECOND, true);
        assertEq(escrow.balanceOf(provider), 59 * PER_SECOND, "the minute is paid");
        assertEq(escrow.balanceOf(payer), DEPOSIT - 59 * PER_SECOND, "by the payer");
    }

    function test_Provider_CannotGainByClosing() public {
        // the notice is only room: what fills it is what the hub signs
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 100);
        startClosing(provider, terms);
        vm.warp(START + 100 + NOTICE);
        settle(terms, 100 * PER_SECOND, true);
        assertFigures(terms, HOLD, 100 * PER_SECOND, HOLD - 100 * PER_SECOND);
    }

    function test_Payer_CannotSpendAnothers() public {
        // a payer makes itself a hub and its own provider, and names another payer
        IEscrow.LeaseRequest memory request = defaultRequest();
        IEscrow.Offer memory offer = offerOf(other);
        vm.prank(other);
        escrow.authorize(other, NAMESPACE, CAP, RATE, START + 1 days);
        expectOpenSkipped(termsOf(request, other, other), IEscrow.NotAuthorized.selector);
        openAs(other, request, offer, OTHER_KEY);
        assertEq(escrow.balanceOf(payer), DEPOSIT, "untouched");
    }

    // --------------------------------------------------------------------------------------- stolen hub key

    /// @dev The thief's lease with the thief as provider, for `hold`.
    function steal(uint256 hold, uint64 attempt) private returns (IEscrow.LeaseTerms memory) {
        IEscrow.LeaseRequest memory request = defaultRequest();
        (request.hold, request.attempt, request.rate) = (hold, attempt, 2 * RATE);
        request.milliUnits = 1_000_000_000;
        IEscrow.Offer memory offer = offerOf(other);
        (offer.rate, offer.validUntil) = (2 * RATE, START + 30 days);
        request.openBy = START + 30 days;
        openAs(hub, request, offer, OTHER_KEY);
        return termsOf(request, other, hub);
    }

    function test_StolenHubKey_CostsAtMostTheCap() public {
        open(); // honest work in progress
        IEscrow.LeaseTerms memory terms = steal(CAP - HOLD, 2);
        assertState(terms, IEscrow.LeaseState.Open);
        expectOpenSkipped(termsOf(requestOf(terms, 3), other, hub), IEscrow.CapExceeded.selector);
        steal(1, 3);
        vm.warp(START + 1 hours);
        settle(terms, CAP, true);
        assertEq(escrow.balanceOf(other), CAP - HOLD, "the bound is reached");
        assertEq(escrow.balanceOf(payer), DEPOSIT - CAP, "and not passed");
    }

    function requestOf(IEscrow.LeaseTerms memory terms, uint64 attempt)
        private
        view
        returns (IEscrow.LeaseRequest memory request)
    {
        request = defaultRequest();
        (request.attempt, request.rate, request.milliUnits) = (attempt, terms.rate, terms.milliUnits);
    }

    function test_StolenHubKey_PaysNoFasterThanTheRate() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.hold = CAP;
        IEscrow.LeaseTerms memory terms = open(request);
        vm.warp(START + 10);
        settle(terms, CAP, true);
        assertFigures(terms, CAP, 10 * PER_SECOND, CAP - 10 * PER_SECOND);
    }

    function test_StolenHubKey_IsStoppedByRevoking() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.hold = CAP;
        IEscrow.LeaseTerms memory terms = open(request);
        vm.warp(START + 10);
        vm.startPrank(payer);
        escrow.revoke(hub, NAMESPACE);
        escrow.startClosing(terms);
        vm.stopPrank();
        vm.warp(START + 10 + WINDOW);
        expectOpenSkipped(termsOf(requestOf(stolenTerms(), 9), other, hub), IEscrow.NotAuthorized.selector);
        steal(1, 9);
        settle(terms, CAP, false);
        vm.warp(START + 11 + WINDOW);
        escrow.finalize(terms);
        uint256 taken = (10 + NOTICE) * PER_SECOND;
        assertFigures(terms, CAP, taken, CAP - taken);
        assertEq(escrow.balanceOf(payer), DEPOSIT - taken, "the rest is back");
    }

    function stolenTerms() private pure returns (IEscrow.LeaseTerms memory terms) {
        (terms.rate, terms.milliUnits) = (2 * RATE, 1_000_000_000);
    }

    function test_StolenHubKey_CannotTouchOthers() public {
        fund(address(0xCAFE), DEPOSIT);
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.payer = address(0xCAFE);
        expectOpenSkipped(termsOf(request, provider, hub), IEscrow.NotAuthorized.selector);
        openAs(hub, request, defaultOffer(), PROVIDER_KEY);
        assertEq(escrow.balanceOf(address(0xCAFE)), DEPOSIT, "untouched");
    }

    // ---------------------------------------------------------------------------------- receivers, squatters

    function test_Receiver_CannotBlockSettlement() public {
        IEscrow.LeaseTerms memory terms = open();
        vm.etch(provider, address(new RevertingWallet()).code);
        vm.warp(START + 100);
        settle(terms, 50 * PER_SECOND, true);
        assertEq(escrow.balanceOf(provider), 50 * PER_SECOND, "credited");
    }

    function test_Squatter_MakesItsOwnLease() public {
        // A second hub, seeing the first one's request, opens all of it first, for its own account.
        fund(other, DEPOSIT);
        vm.startPrank(other);
        escrow.authorize(other, NAMESPACE, CAP, RATE, START + 1 days);
        vm.stopPrank();
        IEscrow.LeaseRequest memory copy = defaultRequest();
        copy.payer = other;
        openAs(other, copy, defaultOffer(), PROVIDER_KEY);
        assertState(termsOf(copy, provider, other), IEscrow.LeaseState.Open);
        IEscrow.LeaseTerms memory terms = open();
        assertFigures(terms, HOLD, 0, 0);
        assertEq(escrow.balanceOf(payer), DEPOSIT - HOLD, "the first hub's lease is its own");
    }
}
