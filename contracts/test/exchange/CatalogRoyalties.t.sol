// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {CatalogFixture} from "./CatalogFixture.sol";

contract CatalogRoyaltiesTest is CatalogFixture {
    uint256 private constant WHOLE = 1e18;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 48; ++i) {
            equip(person(i));
        }
    }

    /// @dev Person `i` of many.
    function person(uint256 i) private pure returns (address) {
        return address(uint160(0x9E000 + i));
    }

    function draftOf(uint256 bps) private pure returns (ICatalog.Draft memory draft) {
        draft = oneOff();
        (draft.royaltyBps, draft.window) = (uint16(bps), 0);
    }

    function rootBy(uint256 i, uint256 bps) private returns (uint256) {
        return listAs(person(i), draftOf(bps), new uint256[](0));
    }

    function childBy(uint256 i, uint256 bps, uint256[] memory parents) private returns (uint256) {
        return listAs(person(i), draftOf(bps), parents);
    }

    // ---------------------------------------------------------------------------------------------- parents

    function test_RevertWhen_AParentIsUnknown() public {
        vm.expectRevert(ICatalog.UnknownListing.selector);
        childBy(0, 0, one(7));
        // nor can a listing be its own parent, or its child's: the number isn't there yet
        vm.expectRevert(ICatalog.UnknownListing.selector);
        childBy(0, 0, one(1));
        vm.expectRevert(ICatalog.ParentsOutOfOrder.selector);
        childBy(0, 0, one(0));
    }

    function test_RevertWhen_AParentIsDelisted() public {
        uint256 parent = rootBy(0, 100);
        delist(parent);
        vm.expectRevert(ICatalog.IsDelisted.selector);
        childBy(1, 0, one(parent));
    }

    function test_RevertWhen_AParentDoesNotAllowIt() public {
        ICatalog.Draft memory draft = draftOf(0);
        draft.derivable = false;
        uint256 parent = listAs(person(0), draft, new uint256[](0));
        vm.expectRevert(abi.encodeWithSelector(ICatalog.NotDerivable.selector, parent));
        childBy(1, 0, one(parent));
    }

    function test_RevertWhen_ParentsAreOutOfOrder() public {
        uint256 first = rootBy(0, 100);
        uint256 second = rootBy(1, 100);
        vm.expectRevert(ICatalog.ParentsOutOfOrder.selector);
        childBy(2, 0, two(second, first));
        vm.expectRevert(ICatalog.ParentsOutOfOrder.selector);
        childBy(2, 0, two(first, first));
        childBy(2, 0, two(first, second));
    }

    function manyRoots(uint256 count, uint256 from, uint256 bps) private returns (uint256[] memory ids) {
        ids = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            ids[i] = rootBy(from + i, bps);
        }
    }

    function test_RevertWhen_ThereAreTooManyParents() public {
        uint256[] memory nine = manyRoots(9, 0, 10);
        vm.expectRevert(ICatalog.TooManyParents.selector);
        childBy(20, 0, nine);
        assertEq(catalog.parentsOf(childBy(20, 0, manyRoots(8, 0, 10))).length, 8, "eight");
    }

    function test_RevertWhen_ItIsTooDeep() public {
        uint256 last = rootBy(0, 100);
        for (uint256 depth = 1; depth <= 4; ++depth) {
            last = childBy(depth, 100, one(last));
            assertEq(catalog.listings(last).depth, depth, "depth");
        }
        vm.expectRevert(ICatalog.TooDeep.selector);
        childBy(5, 100, one(last));
        // the deepest parent counts
        uint256 root = rootBy(6, 100);
        vm.expectRevert(ICatalog.TooDeep.selector);
        childBy(5, 100, two(last, root));
    }

    function test_RevertWhen_ThereAreTooManyPayees() public {
        uint256[] memory parents = new uint256[](2);
        parents[0] = childBy(10, 100, manyRoots(8, 0, 100));
        parents[1] = childBy(30, 100, manyRoots(7, 20, 100));
        // 8 + 1 above the first, 7 + 1 above the second
        vm.expectRevert(ICatalog.TooManyPayees.selector);
        childBy(40, 0, parents);
        parents[1] = childBy(30, 100, manyRoots(6, 20, 100));
        assertEq(catalog.royaltiesOf(childBy(40, 0, parents)).length, 16, "sixteen");
    }

    function test_RevertWhen_RoyaltiesAreTooHigh() public {
        uint256 first = rootBy(0, 6000);
        uint256 second = rootBy(1, 4001);
        vm.expectRevert(ICatalog.RoyaltiesTooHigh.selector);
        childBy(2, 0, two(first, second));
        uint256 third = rootBy(1, 4000);
        uint256 child = childBy(2, 0, two(first, third));
        buy(child);
        assertEq(owed(person(0)), PRICE * 6 / 10, "all of it");
        assertEq(owed(person(1)), PRICE * 4 / 10, "is royalties");
        assertEq(owed(person(2)), 0, "and nothing is left");
    }

    /// @dev Eight that take everything each, by one seller: the sum is far above the whole and doesn't wrap.
    function test_RevertWhen_RoyaltiesAreEightTimesThePrice() public {
        uint256[] memory ids = new uint256[](8);
        for (uint256 i = 0; i < 8; ++i) {
            ids[i] = rootBy(0, 10_000);
        }
        vm.expectRevert(ICatalog.RoyaltiesTooHigh.selector);
        childBy(1, 0, ids);
    }

    // ---------------------------------------------------------------------------------------------- the chain

    function test_Derive_PaysUpTheChain() public {
        uint256 data = rootBy(0, 2000);
        uint256 algorithm = rootBy(1, 1000);
        // of a model's price a fifth is the data's, a tenth the algorithm's
        uint256 model = childBy(2, 5000, two(data, algorithm));
        buy(model);
        assertEq(owed(person(0)), 2e18, "data");
        assertEq(owed(person(1)), 1e18, "algorithm");
        assertEq(owed(person(2)), 7e18, "model");
        // half of the application's price is the model's, and of that half those above have their parts
        uint256 application = childBy(3, 0, one(model));
        assertEq(catalog.listings(application).depth, 2, "depth");
        buy(application);
        assertEq(owed(person(0)), 2e18 + 1e18, "data: a fifth of a half");
        assertEq(owed(person(1)), 1e18 + 0.5e18, "algorithm: a tenth of a half");
        assertEq(owed(person(2)), 7e18 + 3.5e18, "model: the rest of the half");
        assertEq(owed(person(3)), 5e18, "application");
        ICatalog.Share[] memory shares = catalog.royaltiesOf(application);
        assertEq(shares.length, 3, "three payees");
        assertEq(shares[0].payee, person(0), "first");
        assertEq(shares[0].part, WHOLE / 10, "its part");
        assertEq(shares[2].part, WHOLE * 35 / 100, "the model's");
        assertEq(catalog.parentsOf(application)[0], model, "and it says where it is from");
    }

    function test_Derive_AnswersToOneAncestorByTwoWays() public {
        uint256 root = rootBy(0, 1000);
        uint256 left = childBy(1, 1000, one(root));
        uint256 right = childBy(2, 1000, one(root));
        uint256 child = childBy(3, 0, two(left, right));
        assertEq(catalog.royaltiesOf(child).length, 3, "merged");
        buy(child);
        assertEq(owed(person(0)), 0.2e18, "a tenth of a tenth, twice");
        assertEq(owed(person(1)), 0.9e18, "left");
        assertEq(owed(person(2)), 0.9e18, "right");
        assertEq(owed(person(3)), 8e18, "child");
    }

    function test_Derive_FromOnesOwn() public {
        uint256 root = rootBy(0, 5000);
        uint256 child = childBy(0, 5000, one(root));
        buy(child);
        assertEq(owed(person(0)), PRICE, "all of it");
    }

    function test_Derive_FromWhatIsFree() public {
        uint256 root = rootBy(0, 0);
        uint256 child = childBy(1, 0, one(root));
        assertEq(catalog.royaltiesOf(child).length, 0, "nobody to pay");
        assertEq(catalog.parentsOf(child).length, 1, "but it says where it is from");
        buy(child);
        assertEq(owed(person(1)), PRICE, "all is the seller's");
    }

    /// @dev Nothing that a parent's seller does later changes what its children owe it.
    function test_Derive_TermsAreForGood() public {
        uint256 root = rootBy(0, 1000);
        uint256 child = childBy(1, 0, one(root));
        vm.startPrank(person(0));
        catalog.revise(root, 99e18, "l2", "r2");
        catalog.delist(root);
        vm.stopPrank();
        buy(child);
        assertEq(owed(person(0)), PRICE / 10, "as it was");
        assertEq(owed(person(1)), PRICE - PRICE / 10, "for both");
    }

    function test_Derive_ADeadPayeeHoldsUpNobody() public {
        uint256 root = rootBy(0, 1000);
        uint256 child = childBy(1, 0, one(root));
        buy(child);
        // person 0 never comes
        assertEq(withdrawAs(person(1)), PRICE - PRICE / 10, "paid all the same");
        assertEq(held(), 2 * MIN_BOND + PRICE / 10, "and its part waits");
    }

    function test_Derive_WaitsForTheWindow() public {
        uint256 root = rootBy(0, 1000);
        ICatalog.Draft memory draft = oneOff();
        uint256 child = listAs(person(1), draft, one(root));
        uint256 sale = buy(child);
        assertEq(owed(person(0)), 0, "held");
        refundAs(payer, sale);
        assertEq(owed(person(0)), 0, "refunded");
        buyAs(other, child, 1);
        vm.warp(START + REFUND);
        release(2);
        assertEq(owed(person(0)), PRICE / 10, "released");
    }

    function test_Rounding_FavoursTheSeller() public {
        uint256 root = rootBy(0, 3333);
        ICatalog.Draft memory draft = draftOf(0);
        draft.price = 2;
        uint256 child = listAs(person(1), draft, one(root));
        buy(child);
        assertEq(owed(person(0)), 0, "two thirds of a wei are none");
        assertEq(owed(person(1)), 2, "and stay with the seller");
    }

    /// @dev The longest list there can be: what a payment costs is bounded.
    function test_Release_CostsABoundedAmount() public {
        uint256[] memory parents = new uint256[](2);
        parents[0] = childBy(10, 5000, manyRoots(8, 0, 1000));
        parents[1] = childBy(30, 5000, manyRoots(6, 20, 1000));
        ICatalog.Draft memory draft = oneOff();
        uint256 child = listAs(person(40), draft, parents);
        uint256 sale = buy(child);
        vm.warp(START + REFUND);
        uint256 before = gasleft();
        release(sale);
        assertAtMost(before - gasleft(), 650_000, "sixteen and the seller, for the first time each");
        assertEq(owed(person(40)), 0, "all of it went up");
    }

    // ------------------------------------------------------------------------------------------------- fuzz

    /// @dev What each gets by the chain itself, one generation at a time, beside what the flat list gives.
    function payByHand(uint256 id, uint256 amount, uint256[8] memory got) private view {
        uint256[] memory parents = catalog.parentsOf(id);
        uint256 rest = amount;
        for (uint256 i = 0; i < parents.length; ++i) {
            uint256 part = amount * catalog.listings(parents[i]).royaltyBps / 10_000;
            rest -= part;
            payByHand(parents[i], part, got);
        }
        got[uint160(catalog.listings(id).seller) - 0x9E000] += rest;
    }

    function testFuzz_Derive_IsTheChain(uint256 seed, uint96 price) public {
        uint256[] memory depths = new uint256[](10);
        for (uint256 i = 1; i < 10; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 parent = seed % i;
            bool derived = parent != 0 && depths[parent] < 4;
            bool twice = derived && parent > 1 && depths[parent - 1] < 4;
            uint256[] memory parents = twice ? two(parent - 1, parent) : derived ? one(parent) : new uint256[](0);
            uint256 id = childBy(seed % 8, (seed >> 16) % 5001, parents);
            assertEq(id, i, "numbered");
            depths[id] = catalog.listings(id).depth;
        }
        ICatalog.Draft memory draft = draftOf(0);
        draft.price = uint96(bound(price, 1, 100_000e18));
        uint256 from = seed % 9 + 1;
        uint256[] memory above = depths[from] < 4 ? one(from) : new uint256[](0);
        uint256 sold = listAs(person(7), draft, above);
        uint256 before = held();
        buy(sold);
        uint256[8] memory got;
        payByHand(sold, draft.price, got);
        uint256 sum = 0;
        for (uint256 i = 0; i < 8; ++i) {
            uint256 paid = owed(person(i));
            sum += paid;
            uint256 off = paid > got[i] ? paid - got[i] : got[i] - paid;
            // a wei for each way up, and what 18 decimals of a part leave of the price
            assertAtMost(off, 40 + draft.price / 1e16, "as by hand");
        }
        assertEq(sum, draft.price, "exactly the price");
        assertEq(held(), before + draft.price, "is there");
    }

    function testFuzz_Royalties_NeverAboveThePrice(uint256 seed, uint96 price) public {
        uint256[] memory ids = new uint256[](8);
        uint256 left = 10_000;
        for (uint256 i = 0; i < 8; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 bps = i == 7 ? left : seed % (left + 1);
            left -= bps;
            ids[i] = rootBy(i, bps);
        }
        ICatalog.Draft memory draft = draftOf(0);
        draft.price = uint96(bound(price, 0, 1_000_000e18));
        uint256 child = listAs(person(8), draft, ids);
        buy(child);
        uint256 sum = 0;
        for (uint256 i = 0; i < 8; ++i) {
            uint256 wanted = uint256(draft.price) * catalog.listings(ids[i]).royaltyBps / 10_000;
            assertEq(owed(person(i)), wanted, "rounded down");
            sum += wanted;
        }
        assertAtMost(sum, draft.price, "never above the price");
        assertEq(owed(person(8)), draft.price - sum, "dust is the seller's");
        assertAtMost(owed(person(8)), 8, "and it is dust");
    }
}
