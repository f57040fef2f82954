// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {OwnedWallet} from "../mocks/Wallets.sol";
import {CatalogFixture} from "./CatalogFixture.sol";

contract CatalogBondsTest is CatalogFixture {
    // ------------------------------------------------------------------------------------- delist and bond

    function test_RevertWhen_DelistingAnothersOrTwice() public {
        uint256 id = list(oneOff());
        vm.expectRevert(ICatalog.NotSeller.selector);
        vm.prank(other);
        catalog.delist(id);
        delist(id);
        vm.expectRevert(ICatalog.IsDelisted.selector);
        vm.prank(seller);
        catalog.delist(id);
    }

    function test_Delist_EndsNewSalesOnly() public {
        uint256 id = list(subscription());
        buyAs(payer, id, 2);
        vm.expectEmit(address(catalog));
        emit ICatalog.Delisted(id);
        delist(id);
        vm.expectRevert(ICatalog.IsDelisted.selector);
        vm.prank(other);
        catalog.buy(id, 1, 1, PRICE);
        vm.warp(START + 2 * MONTH - 1);
        assertTrue(catalog.has(payer, id), "the subscription runs on");
        vm.warp(START + 2 * MONTH);
        assertTrue(!catalog.has(payer, id), "to its end");
    }

    function test_Delist_LeavesTheRefund() public {
        uint256 id = list(oneOff());
        uint256 sale = buy(id);
        delist(id);
        refundAs(payer, sale);
        assertEq(withdrawAs(payer), PRICE, "all of it");
    }

    function expectBondHeld(uint256 id) private {
        vm.expectRevert(ICatalog.BondStillHeld.selector);
        catalog.returnBond(id);
    }

    function test_RevertWhen_TheBondAnswersStill() public {
        uint256 id = list(oneOff());
        vm.warp(START + 400 days);
        expectBondHeld(id);
        delist(id);
        uint256 freeAt = block.timestamp + BOND_HOLD;
        assertEq(catalog.bondFreeAt(id), freeAt, "free at");
        vm.warp(freeAt - 1);
        expectBondHeld(id);
        vm.warp(freeAt);
        catalog.returnBond(id);
        expectBondHeld(id);
        vm.expectRevert(ICatalog.UnknownListing.selector);
        catalog.returnBond(id + 1);
    }

    function test_RevertWhen_ASaleIsHeld() public {
        uint256 id = list(oneOff());
        uint256 sale = buy(id);
        delist(id);
        vm.warp(START + BOND_HOLD);
        expectBondHeld(id);
        release(sale);
        catalog.returnBond(id);
    }

    function test_ReturnBond_CreditsTheSeller() public {
        uint256 id = list(oneOff());
        delist(id);
        vm.warp(START + BOND_HOLD);
        vm.expectEmit(address(catalog));
        emit ICatalog.BondReturned(id, MIN_BOND);
        vm.prank(other);
        catalog.returnBond(id);
        assertEq(catalog.listings(id).bond, 0, "once");
        assertEq(withdrawAs(seller), MIN_BOND, "all of it");
        assertEq(held(), 0, "nothing is left");
    }

    function test_ReturnBond_WaitsForSubscriptions() public {
        uint256 id = list(subscription());
        uint256 sale = buyAs(payer, id, 10);
        delist(id);
        vm.warp(START + BOND_HOLD);
        release(sale);
        assertEq(catalog.bondFreeAt(id), START + 10 * MONTH + BOND_HOLD, "what was paid for counts");
        expectBondHeld(id);
        vm.warp(START + 10 * MONTH + BOND_HOLD);
        catalog.returnBond(id);
    }

    /// @dev Who buys ahead and takes its money back holds nobody's bond.
    function test_ReturnBond_ARefundedSubscriptionHoldsNothing() public {
        uint256 id = list(subscription());
        uint256 first = buyAs(payer, id, 1);
        vm.warp(START + REFUND - 1);
        uint256 second = buyAs(payer, id, 20);
        vm.warp(START + REFUND);
        release(first);
        refundAs(payer, second);
        delist(id);
        assertEq(catalog.bondFreeAt(id), START + MONTH + BOND_HOLD, "a month was sold");
    }

    function test_ReturnBond_ARefundedPartHoldsNothing() public {
        uint256 id = list(subscription());
        uint256 first = buyAs(payer, id, 20);
        uint256 second = buyAs(payer, id, 1);
        refundAs(payer, first);
        vm.warp(START + REFUND);
        release(second);
        delist(id);
        assertEq(catalog.bondFreeAt(id), START + MONTH + BOND_HOLD, "a month was sold");
    }

    // ----------------------------------------------------------------------------------------------- report

    function expectProvesNothing(ICatalog.Delivery memory made) private {
        bytes memory signature = sign(SELLER_KEY, catalog.deliveryDigest(made));
        vm.expectRevert(ICatalog.ProvesNothing.selector);
        catalog.report(made, signature);
    }

    function test_RevertWhen_ItProvesNothing() public {
        uint256 id = list(oneOff());
        buy(id);
        ICatalog.Delivery memory made = delivery(id, payer);
        made.root = keccak256("root");
        expectProvesNothing(made);
        made = delivery(id, payer);
        made.version = 2;
        expectProvesNothing(made);
        made.version = 0;
        expectProvesNothing(made);
        expectProvesNothing(delivery(id, other));
        made = delivery(id, payer);
        made.listing = id + 1;
        bytes memory signature = sign(SELLER_KEY, catalog.deliveryDigest(made));
        vm.expectRevert(ICatalog.UnknownListing.selector);
        catalog.report(made, signature);
    }

    function test_RevertWhen_TheSellerDidNotSign() public {
        uint256 id = list(oneOff());
        buy(id);
        ICatalog.Delivery memory made = delivery(id, payer);
        bytes memory signature = sign(PAYER_KEY, catalog.deliveryDigest(made));
        vm.expectRevert(ICatalog.BadSignature.selector);
        catalog.report(made, signature);
        signature = sign(SELLER_KEY, catalog.deliveryDigest(made));
        made.root = keccak256("another still");
        vm.expectRevert(ICatalog.BadSignature.selector);
        catalog.report(made, signature);
    }

    function test_RevertWhen_ItIsOfAnotherChain() public {
        uint256 id = list(oneOff());
        buy(id);
        ICatalog.Delivery memory made = delivery(id, payer);
        bytes memory signature = sign(SELLER_KEY, catalog.deliveryDigest(made));
        vm.chainId(31338);
        vm.expectRevert(ICatalog.BadSignature.selector);
        catalog.report(made, signature);
    }

    function test_RevertWhen_TheBondIsGone() public {
        uint256 id = list(oneOff());
        buy(id);
        report(delivery(id, payer), SELLER_KEY);
        expectProvesNothing(delivery(id, payer));
        uint256 second = list(oneOff());
        release(buyAs(other, second, 1));
        vm.warp(START + REFUND);
        release(2);
        delist(second);
        vm.warp(START + REFUND + BOND_HOLD);
        catalog.returnBond(second);
        expectProvesNothing(delivery(second, other));
    }

    function test_Report_ForfeitsTheBond() public {
        ICatalog.Draft memory draft = oneOff();
        draft.bond = uint96(MIN_BOND) + 1;
        uint256 id = list(draft);
        buy(id);
        ICatalog.Delivery memory made = delivery(id, payer);
        vm.expectEmit(address(catalog));
        emit ICatalog.Delisted(id);
        vm.expectEmit(address(catalog));
        emit ICatalog.BondForfeited(id, payer, made.root, MIN_BOND / 2, MIN_BOND / 2 + 1);
        report(made, SELLER_KEY);
        assertEq(owed(payer), MIN_BOND / 2, "half is the buyer's");
        assertEq(token.balanceOf(vault), MIN_BOND / 2 + 1, "the rest is the vault's");
        assertEq(catalog.listings(id).bond, 0, "nothing is left");
        assertEq(catalog.listings(id).delistedAt, START, "it is sold no more");
        refundAs(payer, 1);
        assertEq(withdrawAs(payer), MIN_BOND / 2 + PRICE, "and the refund stands");
        assertEq(held(), 0, "to the wei");
    }

    function test_Report_ReachesARevisedVersion() public {
        uint256 id = list(oneOff());
        buy(id);
        ICatalog.Delivery memory made = delivery(id, payer);
        vm.prank(seller);
        catalog.revise(id, PRICE, "l2", made.root);
        assertEq(made.version, 1, "of the first version");
        report(made, SELLER_KEY);
        assertEq(owed(payer), MIN_BOND / 2, "revising doesn't help");
    }

    function test_Report_AfterDelistingKeepsTheDate() public {
        uint256 id = list(oneOff());
        buy(id);
        refundAs(payer, 1);
        delist(id);
        vm.warp(START + BOND_HOLD);
        report(delivery(id, payer), SELLER_KEY);
        assertEq(catalog.listings(id).delistedAt, START, "as it was");
        assertEq(owed(payer), MIN_BOND / 2 + PRICE, "who took its money back is a buyer too");
    }

    function test_Report_OfASellerThatIsAContract() public {
        address wallet = address(new OwnedWallet(other));
        equip(wallet);
        uint256 id = listAs(wallet, oneOff(), new uint256[](0));
        buy(id);
        report(delivery(id, payer), OTHER_KEY);
        assertEq(owed(payer), MIN_BOND / 2, "by ERC-1271");
    }

    /// @dev A seller that is about to be found out reports itself by a buyer of its own: half is gone all the same.
    function test_Report_OfItselfCostsHalf() public {
        uint256 id = list(oneOff());
        buyAs(other, id, 1);
        report(delivery(id, other), SELLER_KEY);
        assertEq(owed(other), MIN_BOND / 2, "half comes back");
        assertEq(token.balanceOf(vault), MIN_BOND / 2, "half doesn't");
    }
}
