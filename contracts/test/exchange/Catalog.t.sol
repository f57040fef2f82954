// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Catalog} from "../../src/exchange/Catalog.sol";
import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {FalseToken, FeeToken, LyingToken, ReentrantToken} from "../mocks/Tokens.sol";
import {CatalogFixture} from "./CatalogFixture.sol";

contract CatalogTest is CatalogFixture {
    // ------------------------------------------------------------------------------------------ constructor

    function make(Catalog.Parameters memory p) external returns (Catalog) {
        return new Catalog(p);
    }

    function test_RevertWhen_AnAddressIsBad() public {
        Catalog.Parameters memory p = parameters();
        p.token = address(0xDEAD);
        vm.expectRevert(ICatalog.ZeroAddress.selector);
        this.make(p);
        p = parameters();
        p.escrow = address(0xDEAD);
        vm.expectRevert(ICatalog.ZeroAddress.selector);
        this.make(p);
        p = parameters();
        p.vault = address(0);
        vm.expectRevert(ICatalog.ZeroAddress.selector);
        this.make(p);
    }

    function expectBadParameter(Catalog.Parameters memory p) private {
        vm.expectRevert(ICatalog.BadParameter.selector);
        this.make(p);
    }

    function test_RevertWhen_AParameterIsBad() public {
        Catalog.Parameters memory p = parameters();
        p.token = address(new FeeToken());
        expectBadParameter(p);
        p = parameters();
        p.minBond = 1;
        expectBadParameter(p);
        p.minBond = 2 ** 96;
        expectBadParameter(p);
        p = parameters();
        p.maxWindow = 0;
        expectBadParameter(p);
        p.maxWindow = p.bondHold + 1;
        expectBadParameter(p);
        p = parameters();
        p.bondHold = 366 days + 1;
        expectBadParameter(p);
        p = parameters();
        p.useNotice = 2 * WINDOW;
        expectBadParameter(p);
        p.useNotice = 366 days + 1;
        expectBadParameter(p);
    }

    function test_Constructor_KeepsAll() public {
        Catalog.Parameters memory p = parameters();
        (p.minBond, p.maxWindow, p.bondHold, p.useNotice) = (2, 366 days, 366 days, 2 * WINDOW + 1);
        Catalog made = this.make(p);
        assertEq(made.MIN_BOND(), 2, "bond");
        assertEq(made.MAX_WINDOW(), 366 days, "window");
        assertEq(made.BOND_HOLD(), 366 days, "hold");
        assertEq(made.USE_NOTICE(), 2 * WINDOW + 1, "notice");
        assertEq(made.TOKEN(), address(token), "token");
        assertEq(address(made.ESCROW()), address(escrow), "escrow");
        assertEq(made.VAULT(), vault, "vault");
        assertAtMost(address(made).code.length, 24_576, "what a chain deploys");
    }

    // ------------------------------------------------------------------------------------------------- list

    function expectBadDraft(ICatalog.Draft memory draft) private {
        vm.expectRevert(ICatalog.BadParameter.selector);
        list(draft);
    }

    function test_RevertWhen_TheBondIsTooSmall() public {
        ICatalog.Draft memory draft = oneOff();
        draft.bond = uint96(MIN_BOND - 1);
        vm.expectRevert(ICatalog.BondTooSmall.selector);
        list(draft);
    }

    function test_RevertWhen_TheContentIsUnnamed() public {
        ICatalog.Draft memory draft = oneOff();
        draft.root = 0;
        expectBadDraft(draft);
        draft = oneOff();
        draft.licence = 0;
        expectBadDraft(draft);
    }

    function test_RevertWhen_TheWindowIsBad() public {
        ICatalog.Draft memory draft = oneOff();
        draft.window = MAX_WINDOW + 1;
        expectBadDraft(draft);
        draft.window = MAX_WINDOW;
        list(draft);
        draft = subscription();
        draft.period = 2 days;
        draft.window = 2 days + 1;
        expectBadDraft(draft);
        draft.window = 2 days;
        list(draft);
        draft = perUse();
        draft.window = 1;
        expectBadDraft(draft);
    }

    function test_RevertWhen_ThePeriodIsBad() public {
        ICatalog.Draft memory draft = oneOff();
        draft.period = 1 hours;
        expectBadDraft(draft);
        draft = perUse();
        draft.period = 1 hours;
        expectBadDraft(draft);
        draft = subscription();
        draft.window = 0;
        draft.period = 1 hours - 1;
        expectBadDraft(draft);
        draft.period = 366 days + 1;
        expectBadDraft(draft);
        draft.period = 1 hours;
        list(draft);
        draft.period = 366 days;
        list(draft);
    }

    function test_RevertWhen_ThePriceIsBad() public {
        ICatalog.Draft memory draft = subscription();
        draft.price = 0;
        expectBadDraft(draft);
        draft = perUse();
        draft.price = 0;
        expectBadDraft(draft);
        draft.price = 1_000_001;
        expectBadDraft(draft);
        draft.price = 1_000_000;
        list(draft);
        draft = oneOff();
        draft.price = 0;
        list(draft);
    }

    function test_RevertWhen_TheRoyaltyIsBad() public {
        ICatalog.Draft memory draft = oneOff();
        draft.royaltyBps = 10_001;
        expectBadDraft(draft);
        draft.royaltyBps = 10_000;
        list(draft);
        draft.derivable = false;
        draft.royaltyBps = 1;
        expectBadDraft(draft);
        draft.royaltyBps = 0;
        list(draft);
    }

    function test_RevertWhen_TheBondIsNotThere() public {
        address poor = address(0x9004);
        vm.expectRevert();
        listAs(poor, oneOff(), new uint256[](0));
        assertEq(catalog.listingCount(), 0, "nothing is listed");
    }

    function test_List_KeepsAll() public {
        ICatalog.Draft memory draft = subscription();
        draft.kind = ICatalog.Kind.Data;
        draft.bond = uint96(MIN_BOND) + 7;
        vm.expectEmit(address(catalog));
        emit ICatalog.Listed(1, seller, draft, new uint256[](0));
        uint256 id = list(draft);
        assertEq(id, 1, "numbered from 1");
        assertEq(catalog.listingCount(), 1, "counted");
        ICatalog.Listing memory made = catalog.listings(id);
        assertEq(made.seller, seller, "seller");
        assertEq(uint256(made.kind), uint256(ICatalog.Kind.Data), "kind");
        assertEq(uint256(made.terms), uint256(ICatalog.Terms.Subscription), "terms");
        assertTrue(made.derivable, "derivable");
        assertEq(made.depth, 0, "depth");
        assertEq(made.royaltyBps, 1000, "royalty");
        assertEq(made.version, 1, "version");
        assertEq(made.price, PRICE, "price");
        assertEq(made.bond, MIN_BOND + 7, "bond");
        assertEq(made.period, MONTH, "period");
        assertEq(made.window, REFUND, "window");
        assertEq(made.delistedAt + made.soldUntil + made.held, 0, "the rest");
        assertEq(held(), MIN_BOND + 7, "the bond is held");
        ICatalog.Content memory content = catalog.contentOf(id, 1);
        assertEq(content.licence, draft.licence, "licence");
        assertEq(content.root, draft.root, "root");
    }

    function test_List_AllFiveKinds() public {
        for (uint8 kind = 0; kind < 5; ++kind) {
            ICatalog.Draft memory draft = oneOff();
            draft.kind = ICatalog.Kind(kind);
            assertEq(uint256(catalog.listings(list(draft)).kind), kind, "kind");
        }
    }

    // ----------------------------------------------------------------------------------------------- revise

    function test_RevertWhen_RevisingAnothers() public {
        uint256 id = list(oneOff());
        vm.expectRevert(ICatalog.NotSeller.selector);
        vm.prank(other);
        catalog.revise(id, 1, "l", "r");
        vm.expectRevert(ICatalog.UnknownListing.selector);
        catalog.revise(id + 1, 1, "l", "r");
    }

    function test_RevertWhen_RevisingBadly() public {
        uint256 id = list(subscription());
        uint256 use = list(perUse());
        vm.startPrank(seller);
        vm.expectRevert(ICatalog.BadParameter.selector);
        catalog.revise(id, 0, "l", "r");
        vm.expectRevert(ICatalog.BadParameter.selector);
        catalog.revise(id, 1, 0, "r");
        vm.expectRevert(ICatalog.BadParameter.selector);
        catalog.revise(id, 1, "l", 0);
        vm.expectRevert(ICatalog.BadParameter.selector);
        catalog.revise(use, 1_000_001, "l", "r");
        catalog.delist(id);
        vm.expectRevert(ICatalog.IsDelisted.selector);
        catalog.revise(id, 1, "l", "r");
        vm.stopPrank();
    }

    function test_Revise_IsForNewSalesOnly() public {
        uint256 id = list(oneOff());
        uint256 sale = buy(id);
        vm.expectEmit(address(catalog));
        emit ICatalog.Revised(id, 2, 3 * PRICE, "l2", "r2");
        vm.prank(seller);
        assertEq(catalog.revise(id, 3 * PRICE, "l2", "r2"), 2, "version");
        assertEq(catalog.sales(sale).amount, PRICE, "what was sold stays sold");
        assertEq(catalog.sales(sale).version, 1, "in its version");
        assertEq(catalog.contentOf(id, 1).root, keccak256("root"), "which is known still");
        assertEq(catalog.contentOf(id, 2).root, "r2", "beside the new one");
        assertEq(catalog.contentOf(id, 2).licence, "l2", "and its licence");
        assertEq(catalog.contentOf(id, 3).root, 0, "and no other");
        uint256 second = buyAs(other, id, 1);
        assertEq(catalog.sales(second).amount, 3 * PRICE, "the new price");
        assertEq(catalog.sales(second).version, 2, "the new version");
    }

    // ---------------------------------------------------------------------------------------------- tokens

    function withToken(address token_) private returns (Catalog) {
        Catalog.Parameters memory p = parameters();
        (p.token, p.escrow) = (token_, address(newEscrow(token_, WINDOW)));
        return new Catalog(p);
    }

    function test_RevertWhen_ATransferFallsShort() public {
        FeeToken fee = new FeeToken();
        Catalog made = withToken(address(fee));
        fee.approve(address(made), type(uint256).max);
        vm.expectRevert(ICatalog.TransferMismatch.selector);
        made.list(oneOff(), new uint256[](0));
        LyingToken lying = new LyingToken();
        made = withToken(address(lying));
        vm.expectRevert(ICatalog.TransferMismatch.selector);
        made.list(oneOff(), new uint256[](0));
    }

    function test_RevertWhen_ATokenReturnsFalse() public {
        FalseToken no = new FalseToken();
        Catalog made = withToken(address(no));
        no.approve(address(made), type(uint256).max);
        made.list(oneOff(), new uint256[](0));
        made.delist(1);
        vm.warp(START + BOND_HOLD);
        made.returnBond(1);
        no.refuse(true);
        vm.expectRevert();
        made.list(oneOff(), new uint256[](0));
        vm.expectRevert();
        made.withdraw(address(this));
        assertEq(made.owed(address(this)), MIN_BOND, "it is owed still");
        no.refuse(false);
        made.withdraw(address(this));
        assertEq(made.owed(address(this)), 0, "until it is paid");
    }

    function test_Callback_GainsNothing() public {
        ReentrantToken evil = new ReentrantToken();
        Catalog made = withToken(address(evil));
        assertTrue(evil.transfer(address(evil), 1000e18), "its own");
        evil.approve(address(made), type(uint256).max);
        evil.act(address(evil), abi.encodeCall(evil.approve, (address(made), type(uint256).max)));
        ICatalog.Draft memory draft = oneOff();
        draft.window = 0;
        made.list(draft, new uint256[](0));
        draft.window = REFUND;
        made.list(draft, new uint256[](0));
        // the token sells: it is owed, and pays itself out again while it is being paid
        evil.act(address(made), abi.encodeCall(made.list, (draft, new uint256[](0))));
        evil.act(address(made), abi.encodeCall(made.delist, (3)));
        vm.warp(START + BOND_HOLD);
        made.returnBond(3);
        evil.attack(address(made), abi.encodeCall(made.withdraw, (address(evil))));
        evil.act(address(made), abi.encodeCall(made.withdraw, (address(evil))));
        assertTrue(!evil.succeeded(), "nothing is owed twice");
        assertEq(evil.balanceOf(address(made)), 2 * MIN_BOND, "the others' bonds are there");
        // it buys, and takes its money back before it came in
        evil.attack(address(made), abi.encodeCall(made.refund, (1)));
        evil.act(address(made), abi.encodeCall(made.buy, (2, 1, 1, PRICE)));
        assertTrue(evil.succeeded(), "a refund while paying");
        assertEq(evil.balanceOf(address(made)), 2 * MIN_BOND + PRICE, "came in");
        assertEq(made.owed(address(evil)), PRICE, "and is owed, once");
    }

    function test_RevertWhen_ACallbackMovesMoney() public {
        ReentrantToken evil = new ReentrantToken();
        Catalog made = withToken(address(evil));
        evil.approve(address(made), type(uint256).max);
        assertTrue(evil.transfer(address(evil), 1000e18), "its own");
        evil.act(address(evil), abi.encodeCall(evil.approve, (address(made), type(uint256).max)));
        ICatalog.Draft memory draft = oneOff();
        evil.act(address(made), abi.encodeCall(made.list, (draft, new uint256[](0))));
        evil.act(address(made), abi.encodeCall(made.delist, (1)));
        vm.warp(START + BOND_HOLD);
        made.returnBond(1);
        // a withdrawal in the middle of somebody's deposit
        evil.attack(address(made), abi.encodeCall(made.withdraw, (address(evil))));
        vm.expectRevert(ICatalog.TransferMismatch.selector);
        made.list(draft, new uint256[](0));
    }
}
