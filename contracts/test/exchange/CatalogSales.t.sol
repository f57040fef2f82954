// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {Vm} from "../utils/Vm.sol";
import {CatalogFixture} from "./CatalogFixture.sol";

contract CatalogSalesTest is CatalogFixture {
    /// @dev What the fuzz test expects: the end of access, what the seller is to get, whether a refund was taken.
    uint256 private _until;
    uint256 private _paid;
    bool private _took;

    // -------------------------------------------------------------------------------------------------- buy

    function test_RevertWhen_BuyingWhatIsNotForSale() public {
        vm.expectRevert(ICatalog.UnknownListing.selector);
        catalog.buy(1, 1, 1, PRICE);
        vm.expectRevert(ICatalog.UnknownListing.selector);
        catalog.buy(0, 0, 1, PRICE);
        uint256 id = list(oneOff());
        delist(id);
        vm.expectRevert(ICatalog.IsDelisted.selector);
        catalog.buy(id, 1, 1, PRICE);
    }

    function test_RevertWhen_BuyingWhatIsPaidByUse() public {
        uint256 id = list(perUse());
        vm.expectRevert(ICatalog.WrongTerms.selector);
        vm.prank(payer);
        catalog.buy(id, 1, 1, PRICE);
    }

    /// @dev The seller changes the content, or the price, just before the sale.
    function test_RevertWhen_ItWasRevised() public {
        uint256 id = list(oneOff());
        vm.prank(seller);
        catalog.revise(id, PRICE, "l2", "r2");
        vm.expectRevert(ICatalog.WrongVersion.selector);
        vm.prank(payer);
        catalog.buy(id, 1, 1, PRICE);
    }

    function test_RevertWhen_ItCostsMore() public {
        uint256 id = list(subscription());
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(ICatalog.CostsMore.selector, PRICE));
        catalog.buy(id, 1, 1, PRICE - 1);
        vm.expectRevert(abi.encodeWithSelector(ICatalog.CostsMore.selector, 3 * PRICE));
        catalog.buy(id, 1, 3, 3 * PRICE - 1);
        catalog.buy(id, 1, 3, 3 * PRICE);
        vm.stopPrank();
    }

    function test_RevertWhen_TheCountIsBad() public {
        uint256 id = list(oneOff());
        uint256 sub = list(subscription());
        vm.startPrank(payer);
        vm.expectRevert(ICatalog.BadAmount.selector);
        catalog.buy(id, 1, 0, PRICE);
        vm.expectRevert(ICatalog.BadAmount.selector);
        catalog.buy(id, 1, 2, 2 * PRICE);
        vm.expectRevert(ICatalog.BadAmount.selector);
        catalog.buy(sub, 1, 0, PRICE);
        vm.stopPrank();
    }

    function test_RevertWhen_ThereIsNoMoney() public {
        uint256 id = list(oneOff());
        vm.expectRevert();
        vm.prank(address(0x9004));
        catalog.buy(id, 1, 1, PRICE);
        assertTrue(!catalog.has(address(0x9004), id), "no access");
    }

    function test_RevertWhen_BuyingTwice() public {
        uint256 id = list(oneOff());
        buy(id);
        vm.expectRevert(ICatalog.AlreadyHas.selector);
        vm.prank(payer);
        catalog.buy(id, 1, 1, PRICE);
        vm.prank(seller);
        catalog.revise(id, PRICE, "l2", "r2");
        vm.expectRevert(ICatalog.AlreadyHas.selector);
        vm.prank(payer);
        catalog.buy(id, 2, 1, PRICE);
    }

    function test_RevertWhen_PaidTooFarAhead() public {
        uint256 id = list(subscription());
        // 732 days are 24 months of 30, and 12 days
        buyAs(payer, id, 24);
        vm.expectRevert(ICatalog.TooFarAhead.selector);
        vm.prank(payer);
        catalog.buy(id, 1, 1, PRICE);
        vm.warp(START + 18 days);
        buyAs(payer, id, 1);
        assertEq(catalog.accessOf(id, payer).until, START + 750 days, "to the day");
    }

    function test_RevertWhen_FiguresWouldOverflow() public {
        ICatalog.Draft memory draft = subscription();
        draft.price = type(uint96).max;
        uint256 id = list(draft);
        vm.startPrank(payer);
        vm.expectRevert(ICatalog.TooFarAhead.selector);
        catalog.buy(id, 1, type(uint256).max, type(uint256).max);
        vm.expectRevert(ICatalog.TooFarAhead.selector);
        catalog.buy(id, 1, 732 days + 1, type(uint256).max);
        vm.expectRevert(ICatalog.BadAmount.selector);
        catalog.buy(id, 1, 2, type(uint256).max);
        vm.stopPrank();
    }

    function test_Buy_HoldsTheMoney() public {
        uint256 id = list(oneOff());
        vm.expectEmit(address(catalog));
        emit ICatalog.Bought(1, id, payer, 1, PRICE, FOR_GOOD);
        uint256 sale = buy(id);
        assertEq(sale, 1, "numbered from 1");
        assertEq(catalog.saleCount(), 1, "counted");
        ICatalog.Sale memory made = catalog.sales(sale);
        assertEq(made.buyer, payer, "buyer");
        assertEq(made.listing, id, "listing");
        assertEq(made.version, 1, "version");
        assertEq(made.amount, PRICE, "amount");
        assertEq(made.duration, 0, "for good");
        assertEq(made.until, FOR_GOOD, "until");
        assertEq(made.finalAt, START + REFUND, "final at");
        assertEq(stateOf(sale), uint256(ICatalog.SaleState.Held), "held");
        assertEq(catalog.listings(id).held, 1, "one is held");
        assertEq(held(), MIN_BOND + PRICE, "beside the bond");
        assertEq(owed(seller), 0, "nobody is paid yet");
        assertTrue(catalog.has(payer, id), "access");
        assertTrue(!catalog.has(other, id), "to the buyer alone");
        assertEq(catalog.accessOf(id, payer).since, START, "since");
    }

    function test_Buy_FinalSalesPayAtOnce() public {
        ICatalog.Draft memory draft = oneOff();
        draft.window = 0;
        uint256 id = list(draft);
        vm.expectEmit(address(catalog));
        emit ICatalog.Released(1, PRICE);
        uint256 sale = buy(id);
        assertEq(stateOf(sale), uint256(ICatalog.SaleState.Released), "released");
        assertEq(owed(seller), PRICE, "paid");
        assertEq(catalog.listings(id).held, 0, "nothing is held");
        vm.expectRevert(ICatalog.NotRefundable.selector);
        vm.prank(payer);
        catalog.refund(sale);
    }

    function test_Buy_ForNothing() public {
        ICatalog.Draft memory draft = oneOff();
        draft.price = 0;
        uint256 id = list(draft);
        vm.prank(address(0x9004));
        uint256 sale = catalog.buy(id, 1, 1, 0);
        assertTrue(catalog.has(address(0x9004), id), "access");
        assertEq(stateOf(sale), uint256(ICatalog.SaleState.Released), "nothing is held: it binds no bond");
        assertEq(owed(seller), 0, "nothing is owed");
    }

    function test_Buy_ASubscriptionRunsForItsPeriods() public {
        uint256 id = list(subscription());
        vm.expectEmit(address(catalog));
        emit ICatalog.Bought(1, id, payer, 1, 3 * PRICE, START + 3 * MONTH);
        uint256 sale = buyAs(payer, id, 3);
        assertEq(catalog.sales(sale).duration, 3 * MONTH, "duration");
        vm.warp(START + 3 * MONTH - 1);
        assertTrue(catalog.has(payer, id), "to the last second");
        vm.warp(START + 3 * MONTH);
        assertTrue(!catalog.has(payer, id), "and no longer");
    }

    function test_Buy_ARenewalAddsToTheEnd() public {
        uint256 id = list(subscription());
        buy(id);
        vm.warp(START + 10 days);
        buy(id);
        assertEq(catalog.accessOf(id, payer).until, START + 2 * MONTH, "no day is lost");
        vm.warp(START + 100 days);
        buy(id);
        assertEq(catalog.accessOf(id, payer).until, START + 100 days + MONTH, "after a gap it begins anew");
        assertEq(catalog.accessOf(id, payer).since, START, "a buyer since the first");
    }

    // ----------------------------------------------------------------------------------------------- refund

    function expectNotRefundable(address who, uint256 sale) private {
        vm.expectRevert(ICatalog.NotRefundable.selector);
        vm.prank(who);
        catalog.refund(sale);
    }

    function test_RevertWhen_RefundingAnothers() public {
        uint256 sale = buy(list(oneOff()));
        expectNotRefundable(other, sale);
        expectNotRefundable(seller, sale);
        expectNotRefundable(payer, sale + 1);
        expectNotRefundable(address(0), sale + 1);
    }

    function test_RevertWhen_TheWindowIsOver() public {
        uint256 sale = buy(list(oneOff()));
        vm.warp(START + REFUND);
        expectNotRefundable(payer, sale);
        vm.warp(START + REFUND - 1);
        refundAs(payer, sale);
    }

    function test_RevertWhen_RefundingTwice() public {
        uint256 sale = buy(list(oneOff()));
        refundAs(payer, sale);
        expectNotRefundable(payer, sale);
    }

    function test_RevertWhen_RefundingWhatWasReleased() public {
        uint256 sale = buy(list(oneOff()));
        vm.warp(START + REFUND);
        release(sale);
        vm.warp(START);
        expectNotRefundable(payer, sale);
    }

    function test_Refund_ReturnsAllAndEndsAccess() public {
        uint256 id = list(oneOff());
        uint256 sale = buy(id);
        vm.expectEmit(address(catalog));
        emit ICatalog.Refunded(sale, PRICE, 0);
        refundAs(payer, sale);
        assertTrue(!catalog.has(payer, id), "no access");
        assertTrue(catalog.accessOf(id, payer).refunded, "noted");
        assertEq(catalog.listings(id).held, 0, "nothing is held");
        uint256 before = token.balanceOf(payer);
        assertEq(withdrawAs(payer), PRICE, "all of it");
        assertEq(token.balanceOf(payer), before + PRICE, "in hand");
        assertEq(owed(seller), 0, "the seller has nothing");
    }

    /// @dev Whoever takes the content and its money back, again and again, gets to do it once.
    function test_Refund_OnceForAListing() public {
        uint256 id = list(oneOff());
        refundAs(payer, buy(id));
        uint256 sale = buy(id);
        assertEq(owed(seller), PRICE, "the second sale is final");
        expectNotRefundable(payer, sale);
        assertTrue(catalog.has(payer, id), "and gives access");
        uint256 another = list(oneOff());
        refundAs(payer, buy(another));
    }

    function test_Refund_OnceForSalesThatWereHeldToo() public {
        uint256 id = list(subscription());
        uint256 first = buy(id);
        uint256 second = buy(id);
        refundAs(payer, first);
        expectNotRefundable(payer, second);
        assertEq(catalog.accessOf(id, payer).until, START + MONTH, "the other month is left");
        vm.warp(START + REFUND);
        release(second);
        assertEq(owed(seller), PRICE, "and paid");
    }

    function test_Refund_TakesTheTimeBack() public {
        uint256 id = list(subscription());
        buy(id);
        vm.warp(START + MONTH - 1);
        uint256 sale = buyAs(payer, id, 4);
        vm.warp(START + MONTH + REFUND - 2);
        assertTrue(catalog.has(payer, id), "in the second month");
        vm.expectEmit(address(catalog));
        emit ICatalog.Refunded(sale, 4 * PRICE, START + MONTH);
        refundAs(payer, sale);
        assertTrue(!catalog.has(payer, id), "what is left is over");
        buy(id);
        assertEq(catalog.accessOf(id, payer).until, block.timestamp + MONTH, "a new run");
    }

    function test_Refund_NeedsNobody() public {
        uint256 id = list(oneOff());
        uint256 sale = buy(id);
        // the seller does what it can
        vm.startPrank(seller);
        catalog.revise(id, type(uint96).max, "l2", "r2");
        catalog.delist(id);
        vm.stopPrank();
        report(delivery(id, payer), SELLER_KEY);
        refundAs(payer, sale);
        assertEq(owed(payer), PRICE + (MIN_BOND / 2), "all of it");
    }

    // ---------------------------------------------------------------------------------------------- release

    function test_Release_PaysTheSeller() public {
        uint256 id = list(oneOff());
        uint256 sale = buy(id);
        vm.warp(START + REFUND);
        vm.expectEmit(address(catalog));
        emit ICatalog.Released(sale, PRICE);
        vm.expectEmit(address(catalog));
        emit ICatalog.Credited(seller, PRICE);
        vm.prank(other);
        catalog.release(one(sale));
        assertEq(owed(seller), PRICE, "the seller's");
        assertEq(owed(other), 0, "not who called");
        assertTrue(catalog.has(payer, id), "access stays");
        vm.expectEmit(address(catalog));
        emit ICatalog.Withdrawn(seller, seller, PRICE);
        assertEq(withdrawAs(seller), PRICE, "withdrawn");
        assertEq(held(), MIN_BOND, "the bond is left");
    }

    function test_Release_SkipsWhatItCannot() public {
        uint256 id = list(oneOff());
        uint256 refunded = buyAs(other, id, 1);
        refundAs(other, refunded);
        uint256 good = buy(id);
        uint256 second = list(oneOff());
        vm.warp(START + REFUND);
        uint256 early = buyAs(payer, second, 1);
        uint256[] memory ids = new uint256[](6);
        (ids[0], ids[1], ids[2], ids[3], ids[4], ids[5]) = (0, refunded, early, good, good, 99);
        vm.recordLogs();
        catalog.release(ids);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(countLogs(logs, ICatalog.ReleaseSkipped.selector), 5, "skipped");
        assertEq(countLogs(logs, ICatalog.Released.selector), 1, "released");
        assertEq(owed(seller), PRICE, "once");
    }

    function test_Release_NotASecondTooSoon() public {
        uint256 sale = buy(list(oneOff()));
        vm.warp(START + REFUND - 1);
        vm.expectEmit(address(catalog));
        emit ICatalog.ReleaseSkipped(sale);
        release(sale);
        assertEq(stateOf(sale), uint256(ICatalog.SaleState.Held), "held");
        vm.warp(START + REFUND);
        release(sale);
        assertEq(stateOf(sale), uint256(ICatalog.SaleState.Released), "released");
    }

    // --------------------------------------------------------------------------------------------- withdraw

    function test_RevertWhen_NothingIsOwed() public {
        vm.expectRevert(ICatalog.NothingOwed.selector);
        vm.prank(seller);
        catalog.withdraw(seller);
        uint256 sale = buy(list(oneOff()));
        vm.warp(START + REFUND);
        release(sale);
        withdrawAs(seller);
        vm.expectRevert(ICatalog.NothingOwed.selector);
        vm.prank(seller);
        catalog.withdraw(seller);
    }

    function test_RevertWhen_WithdrawingToNobody() public {
        refundAs(payer, buy(list(oneOff())));
        vm.startPrank(payer);
        vm.expectRevert(ICatalog.ZeroAddress.selector);
        catalog.withdraw(address(0));
        vm.expectRevert(ICatalog.ZeroAddress.selector);
        catalog.withdraw(address(catalog));
        catalog.withdraw(address(0xCA5));
        vm.stopPrank();
        assertEq(token.balanceOf(address(0xCA5)), PRICE, "to whom it says");
    }

    // ------------------------------------------------------------------------------------------------- fuzz

    function testFuzz_Subscription_TimeIsWhatWasPaid(uint256 seed, uint40 period, uint40 window) public {
        ICatalog.Draft memory draft = subscription();
        draft.period = uint40(bound(period, 1 hours, 366 days));
        draft.window = uint40(bound(window, 0, draft.period < MAX_WINDOW ? draft.period : MAX_WINDOW));
        uint256 id = list(draft);
        for (uint256 i = 0; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            buyAndPerhapsReturn(id, draft.period, seed);
            assertEq(catalog.accessOf(id, payer).until, _until, "until");
            assertTrue(catalog.has(payer, id) == (block.timestamp < _until), "has");
        }
        vm.warp(block.timestamp + MAX_WINDOW);
        for (uint256 sale = 1; sale <= catalog.saleCount(); ++sale) {
            release(sale);
        }
        assertEq(owed(seller), _paid, "paid for all that wasn't returned");
        assertEq(held(), MIN_BOND + _paid + owed(payer), "to the wei");
    }

    function buyAndPerhapsReturn(uint256 id, uint256 period, uint256 seed) private {
        uint256 periods = seed % 3 + 1;
        uint256 from = _until < block.timestamp ? block.timestamp : _until;
        if (from + periods * period > block.timestamp + 732 days) {
            vm.warp(block.timestamp + period);
            return;
        }
        uint256 sale = buyAs(payer, id, periods);
        vm.warp(block.timestamp + (seed >> 8) % (period / 2));
        if ((seed >> 128) % 3 == 0 && !_took && block.timestamp < catalog.sales(sale).finalAt) {
            refundAs(payer, sale);
            (_took, _until) = (true, from);
        } else {
            _paid += periods * PRICE;
            _until = from + periods * period;
        }
    }

    function testFuzz_Refund_IsToTheSecond(uint40 window, uint256 time) public {
        ICatalog.Draft memory draft = oneOff();
        draft.window = uint40(bound(window, 1, MAX_WINDOW));
        uint256 id = list(draft);
        uint256 sale = buy(id);
        vm.warp(START + bound(time, 0, 2 * MAX_WINDOW));
        bool open = block.timestamp < START + draft.window;
        release(sale);
        assertEq(owed(seller), open ? 0 : PRICE, "either the seller");
        if (!open) vm.expectRevert(ICatalog.NotRefundable.selector);
        vm.prank(payer);
        catalog.refund(sale);
        assertEq(owed(payer), open ? PRICE : 0, "or the buyer");
    }
}
