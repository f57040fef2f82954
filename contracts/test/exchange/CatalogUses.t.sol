// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {CatalogFixture} from "./CatalogFixture.sol";

contract CatalogUsesTest is CatalogFixture {
    uint256 private constant AMOUNT = 5e18;

    uint256 private _id;

    function setUp() public override {
        super.setUp();
        _id = list(perUse());
    }

    function payUse(IEscrow.LeaseTerms memory terms) private returns (uint256) {
        return catalog.payUse(_id, terms);
    }

    function expectNothingDue(IEscrow.LeaseTerms memory terms) private {
        vm.expectRevert(ICatalog.NothingDue.selector);
        catalog.payUse(_id, terms);
    }

    function expectDoesNotCount(IEscrow.LeaseTerms memory terms) private {
        vm.expectRevert(ICatalog.LeaseDoesNotCount.selector);
        catalog.payUse(_id, terms);
    }

    // --------------------------------------------------------------------------------------------- allowUse

    function test_RevertWhen_AllowingWhatIsNotPaidByUse() public {
        uint256 id = list(oneOff());
        vm.expectRevert(ICatalog.WrongTerms.selector);
        vm.prank(payer);
        catalog.allowUse(id, 1, hub, NAMESPACE, USE_PRICE, AMOUNT);
        vm.expectRevert(ICatalog.UnknownListing.selector);
        catalog.allowUse(99, 1, hub, NAMESPACE, USE_PRICE, AMOUNT);
    }

    function test_RevertWhen_AllowingForADelistedOne() public {
        allowUse(_id, AMOUNT);
        delist(_id);
        vm.startPrank(payer);
        vm.expectRevert(ICatalog.IsDelisted.selector);
        catalog.allowUse(_id, 1, hub, "another", USE_PRICE, AMOUNT);
        vm.expectRevert(ICatalog.IsDelisted.selector);
        catalog.addToAllowance(_id, hub, NAMESPACE, AMOUNT);
        vm.stopPrank();
    }

    function test_RevertWhen_UseCostsMore() public {
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(ICatalog.CostsMore.selector, USE_PRICE));
        catalog.allowUse(_id, 1, hub, NAMESPACE, USE_PRICE - 1, AMOUNT);
        vm.expectRevert(ICatalog.WrongVersion.selector);
        catalog.allowUse(_id, 2, hub, NAMESPACE, USE_PRICE, AMOUNT);
        vm.stopPrank();
    }

    function test_RevertWhen_TheAmountIsBad() public {
        vm.startPrank(payer);
        vm.expectRevert(ICatalog.BadAmount.selector);
        catalog.allowUse(_id, 1, hub, NAMESPACE, USE_PRICE, 0);
        vm.expectRevert(ICatalog.BadAmount.selector);
        catalog.allowUse(_id, 1, hub, NAMESPACE, USE_PRICE, 2 ** 96);
        catalog.allowUse(_id, 1, hub, NAMESPACE, USE_PRICE, 1);
        vm.expectRevert(ICatalog.BadAmount.selector);
        catalog.addToAllowance(_id, hub, NAMESPACE, 0);
        vm.expectRevert(ICatalog.BadAmount.selector);
        catalog.addToAllowance(_id, hub, NAMESPACE, 2 ** 96 - 1);
        vm.stopPrank();
    }

    function test_RevertWhen_ItIsAllowedAlready() public {
        allowUse(_id, AMOUNT);
        vm.expectRevert(ICatalog.AllowanceExists.selector);
        vm.prank(payer);
        catalog.allowUse(_id, 1, hub, NAMESPACE, USE_PRICE, AMOUNT);
        endUse(_id);
        vm.expectRevert(ICatalog.AllowanceExists.selector);
        vm.prank(payer);
        catalog.allowUse(_id, 1, hub, NAMESPACE, USE_PRICE, AMOUNT);
    }

    function test_RevertWhen_ThereIsNothingToAddTo() public {
        vm.startPrank(payer);
        vm.expectRevert(ICatalog.NoAllowance.selector);
        catalog.addToAllowance(_id, hub, NAMESPACE, AMOUNT);
        vm.stopPrank();
        allowUse(_id, AMOUNT);
        endUse(_id);
        vm.expectRevert(ICatalog.NoAllowance.selector);
        vm.prank(payer);
        catalog.addToAllowance(_id, hub, NAMESPACE, AMOUNT);
    }

    function test_AllowUse_PutsItAside() public {
        uint256 before = held();
        vm.expectEmit(address(catalog));
        emit ICatalog.UseAllowed(_id, payer, hub, NAMESPACE, USE_PRICE, AMOUNT);
        allowUse(_id, AMOUNT);
        assertEq(held(), before + AMOUNT, "aside");
        ICatalog.Allowance memory made = allowance(_id);
        assertEq(made.left, AMOUNT, "left");
        assertEq(made.price, USE_PRICE, "price");
        assertEq(made.openedAt, START, "since");
        assertEq(made.closingAt, 0, "open");
        assertTrue(catalog.mayUse(payer, _id, hub, NAMESPACE), "may use");
        assertTrue(!catalog.mayUse(other, _id, hub, NAMESPACE), "nobody else");
        assertTrue(!catalog.mayUse(payer, _id, provider, NAMESPACE), "by no other hub");
        assertTrue(!catalog.mayUse(payer, _id, hub, "another"), "nowhere else");
        assertTrue(!catalog.has(payer, _id), "nothing is bought");
        assertEq(catalog.accessOf(_id, payer).since, START, "but it is a buyer, who can report");
        vm.prank(payer);
        catalog.addToAllowance(_id, hub, NAMESPACE, 7);
        assertEq(allowance(_id).left, AMOUNT + 7, "more");
        assertEq(held(), before + AMOUNT + 7, "aside too");
    }

    // ----------------------------------------------------------------------------------------------- payUse

    function test_RevertWhen_NothingWasAllowed() public {
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        work(terms, 100);
        expectDoesNotCount(terms);
    }

    function test_RevertWhen_TheLeaseWasOpenedBefore() public {
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        vm.warp(START + 1);
        allowUse(_id, AMOUNT);
        work(terms, 100);
        expectDoesNotCount(terms);
    }

    function test_RevertWhen_TheLeaseWasOpenedAfter() public {
        allowUse(_id, AMOUNT);
        vm.warp(START + 10);
        IEscrow.LeaseTerms memory last = leaseOf(payer);
        vm.warp(START + 11);
        endUse(_id);
        IEscrow.LeaseTerms memory late = leaseOf(payer);
        work(late, 100);
        expectDoesNotCount(late);
        work(last, 100);
        assertEq(payUse(last), 201 * PER_SECOND / 10, "what was opened before goes on");
    }

    function test_RevertWhen_TheLeaseWasOpenedAfterDelisting() public {
        allowUse(_id, AMOUNT);
        vm.warp(START + 10);
        IEscrow.LeaseTerms memory last = leaseOf(payer);
        vm.warp(START + 11);
        delist(_id);
        assertTrue(!catalog.mayUse(payer, _id, hub, NAMESPACE), "may not use");
        IEscrow.LeaseTerms memory late = leaseOf(payer);
        work(late, 100);
        expectDoesNotCount(late);
        vm.warp(block.timestamp + 1);
        endUse(_id);
        IEscrow.LeaseTerms memory later = leaseOf(payer);
        work(later, 100);
        expectDoesNotCount(later);
        work(last, 100);
        payUse(last);
    }

    function test_RevertWhen_TheLeaseWasNeverOpened() public {
        allowUse(_id, AMOUNT);
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        terms.jobId = "another";
        expectDoesNotCount(terms);
    }

    function test_RevertWhen_TheLeaseIsAnothers() public {
        allowUse(_id, AMOUNT);
        fund(other, DEPOSIT);
        vm.prank(other);
        escrow.authorize(hub, NAMESPACE, CAP, 2 * RATE, START + 30 days);
        IEscrow.LeaseTerms memory terms = leaseOf(other);
        work(terms, 100);
        expectDoesNotCount(terms);
        // its terms in the buyer's name are no lease
        terms.payer = payer;
        expectDoesNotCount(terms);
    }

    function test_RevertWhen_NothingIsDue() public {
        allowUse(_id, AMOUNT);
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        expectNothingDue(terms);
        work(terms, 100);
        payUse(terms);
        expectNothingDue(terms);
    }

    function test_PayUse_IsAShareOfWhatTheLeasePaid() public {
        allowUse(_id, AMOUNT);
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        work(terms, 1000);
        uint256 fee = 1000 * PER_SECOND / 10;
        vm.expectEmit(address(catalog));
        emit ICatalog.UsePaid(_id, idOf(terms), payer, fee, AMOUNT - fee);
        vm.prank(other);
        assertEq(payUse(terms), fee, "a tenth");
        assertEq(allowance(_id).left, AMOUNT - fee, "out of the allowance");
        assertEq(owed(seller), fee, "the seller's");
        assertEq(catalog.usePaid(_id, idOf(terms)), fee, "noted");
        work(terms, 500);
        assertEq(payUse(terms), fee / 2, "what was paid since");
        settle(terms, 1500 * PER_SECOND, true);
        expectNothingDue(terms);
    }

    function test_PayUse_PaysTheChain() public {
        ICatalog.Draft memory draft = perUse();
        uint256 child = listAs(other, draft, one(_id));
        vm.prank(payer);
        catalog.allowUse(child, 1, hub, NAMESPACE, USE_PRICE, AMOUNT);
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        work(terms, 1000);
        catalog.payUse(child, terms);
        assertEq(owed(seller), 0.01e18, "a tenth of a tenth");
        assertEq(owed(other), 0.09e18, "the rest");
    }

    function test_PayUse_NoMoreThanTheAllowance() public {
        allowUse(_id, 0.05e18);
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        work(terms, 1000);
        assertEq(payUse(terms), 0.05e18, "all there is");
        assertTrue(!catalog.mayUse(payer, _id, hub, NAMESPACE), "the hub sees that it is used up");
        expectNothingDue(terms);
        vm.prank(payer);
        catalog.addToAllowance(_id, hub, NAMESPACE, 1e18);
        assertEq(payUse(terms), 0.05e18, "the rest of the debt");
        assertEq(allowance(_id).left, 0.95e18, "and no more");
    }

    /// @dev As the authorisation of a hub is in the escrow: many leases or one, at whatever rate, it is a share of what was paid.
    function test_PayUse_CuttingWorkUpChangesNothing() public {
        allowUse(_id, AMOUNT);
        IEscrow.LeaseTerms memory whole = leaseOf(payer);
        work(whole, 1000);
        uint256 atOnce = payUse(whole);
        uint256 inParts = 0;
        for (uint256 i = 0; i < 10; ++i) {
            IEscrow.LeaseTerms memory part = leaseOf(payer);
            work(part, 100);
            inParts += payUse(part);
        }
        assertEq(inParts, atOnce, "the same");
    }

    function test_PayUse_AtThePriceThatWasAgreed() public {
        allowUse(_id, AMOUNT);
        vm.prank(seller);
        catalog.revise(_id, 1_000_000, "l2", "r2");
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        work(terms, 1000);
        assertEq(payUse(terms), 0.1e18, "as agreed");
        vm.prank(payer);
        catalog.addToAllowance(_id, hub, NAMESPACE, 1);
        assertEq(allowance(_id).price, USE_PRICE, "adding agrees to nothing new");
    }

    function test_PayUse_ForEachListingOfTheNamespace() public {
        uint256 second = list(perUse());
        allowUse(_id, AMOUNT);
        allowUse(second, AMOUNT);
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        work(terms, 1000);
        assertEq(catalog.payUse(_id, terms), 0.1e18, "one");
        assertEq(catalog.payUse(second, terms), 0.1e18, "and the other");
    }

    // --------------------------------------------------------------------------------- endUse and closeUse

    function test_RevertWhen_EndingNothing() public {
        vm.startPrank(payer);
        vm.expectRevert(ICatalog.NoAllowance.selector);
        catalog.endUse(_id, hub, NAMESPACE);
        vm.expectRevert(ICatalog.NoAllowance.selector);
        catalog.closeUse(_id, hub, NAMESPACE);
        vm.stopPrank();
        allowUse(_id, AMOUNT);
        endUse(_id);
        vm.expectRevert(ICatalog.NoAllowance.selector);
        vm.prank(payer);
        catalog.endUse(_id, hub, NAMESPACE);
        vm.expectRevert(ICatalog.NoAllowance.selector);
        vm.prank(other);
        catalog.closeUse(_id, hub, NAMESPACE);
    }

    function expectStillHeld() private {
        vm.expectRevert(ICatalog.AllowanceStillHeld.selector);
        vm.prank(payer);
        catalog.closeUse(_id, hub, NAMESPACE);
    }

    function test_RevertWhen_ClosingTooSoon() public {
        allowUse(_id, AMOUNT);
        vm.warp(START + 400 days);
        expectStillHeld();
        endUse(_id);
        vm.warp(START + 400 days + USE_NOTICE - 1);
        expectStillHeld();
        vm.warp(START + 400 days + USE_NOTICE);
        closeUse(_id);
    }

    function test_EndUse_StopsNewUse() public {
        allowUse(_id, AMOUNT);
        vm.warp(START + 1);
        vm.expectEmit(address(catalog));
        emit ICatalog.UseEnding(_id, payer, hub, NAMESPACE, START + 1 + USE_NOTICE);
        endUse(_id);
        assertTrue(!catalog.mayUse(payer, _id, hub, NAMESPACE), "may not use");
        assertEq(allowance(_id).closingAt, START + 1, "from now on");
    }

    function test_CloseUse_ReturnsWhatIsLeft() public {
        allowUse(_id, AMOUNT);
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        work(terms, 1000);
        uint256 fee = payUse(terms);
        endUse(_id);
        vm.warp(block.timestamp + USE_NOTICE);
        vm.expectEmit(address(catalog));
        emit ICatalog.UseEnded(_id, payer, hub, NAMESPACE, AMOUNT - fee);
        assertEq(closeUse(_id), AMOUNT - fee, "what is left");
        assertEq(withdrawAs(payer), AMOUNT - fee, "withdrawn");
        assertEq(held(), MIN_BOND + fee, "bond and fee");
        assertEq(allowance(_id).openedAt, 0, "gone");
        work(terms, 10);
        expectDoesNotCount(terms);
    }

    function test_CloseUse_AfterDelistingNeedsNoNotice() public {
        allowUse(_id, AMOUNT);
        delist(_id);
        vm.warp(START + 5 days);
        endUse(_id);
        vm.warp(START + USE_NOTICE - 1);
        expectStillHeld();
        vm.warp(START + USE_NOTICE);
        assertEq(closeUse(_id), AMOUNT, "by the listing's end, which came first");
    }

    function test_CloseUse_WithoutEndingIt() public {
        allowUse(_id, AMOUNT);
        delist(_id);
        vm.warp(START + USE_NOTICE);
        assertEq(closeUse(_id), AMOUNT, "the listing's end is enough");
    }

    function test_CloseUse_ThenAllowedAnew() public {
        allowUse(_id, AMOUNT);
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        work(terms, 1000);
        payUse(terms);
        endUse(_id);
        vm.warp(block.timestamp + USE_NOTICE);
        closeUse(_id);
        allowUse(_id, AMOUNT);
        work(terms, 100);
        expectDoesNotCount(terms);
        IEscrow.LeaseTerms memory second = leaseOf(payer);
        work(second, 1000);
        assertEq(payUse(second), 0.1e18, "new leases count");
    }

    /// @dev A silent hub, a claim, a dispute, and the hub's word at the last moment: all of it is over within the notice.
    function test_Notice_OutlastsTheEscrowsLongestClosing() public {
        allowUse(_id, AMOUNT);
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        vm.warp(START + 1000);
        endUse(_id);
        vm.warp(START + 1001);
        startClosing(provider, terms);
        vm.prank(provider);
        escrow.claim(terms, 1e18);
        vm.prank(payer);
        escrow.dispute(terms);
        vm.warp(START + 1001 + 2 * WINDOW);
        settle(terms, 1000 * PER_SECOND, true);
        expectStillHeld();
        assertEq(payUse(terms), 0.1e18, "in time");
    }

    function test_Bond_IsHeldForUseToo() public {
        allowUse(_id, AMOUNT);
        report(delivery(_id, payer), SELLER_KEY);
        assertEq(owed(payer), MIN_BOND / 2, "who pays by use is a buyer");
        assertTrue(!catalog.mayUse(payer, _id, hub, NAMESPACE), "and it is over");
    }

    // ------------------------------------------------------------------------------------------------- fuzz

    function testFuzz_PayUse_IsTheShareOfTheSum(uint256 price, uint256 amount, uint256 seed) public {
        ICatalog.Draft memory draft = perUse();
        draft.price = uint96(bound(price, 1, 1_000_000));
        _id = list(draft);
        amount = bound(amount, 1, 100e18);
        allowUse(_id, amount);
        IEscrow.LeaseTerms memory terms = leaseOf(payer);
        (uint256 paid, uint256 fees) = (0, 0);
        for (uint256 i = 0; i < 8; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            vm.warp(block.timestamp + 1 + seed % 100);
            paid += 1 + (seed >> 64) % PER_SECOND;
            settle(terms, paid, false);
            if (seed % 2 == 0) continue;
            uint256 due = paid * draft.price / 10_000;
            uint256 wanted = (due < amount ? due : amount) - fees;
            if (wanted == 0) expectNothingDue(terms);
            else assertEq(payUse(terms), wanted, "fee");
            fees += wanted;
        }
        assertEq(allowance(_id).left, amount - fees, "left");
        assertEq(owed(seller), fees, "paid");
        assertEq(catalog.usePaid(_id, idOf(terms)), fees, "noted");
    }
}
