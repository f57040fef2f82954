// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Catalog} from "../../src/exchange/Catalog.sol";
import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";

/// @notice A catalog beside an escrow, with a seller and buyers; and the words to work with them.
abstract contract CatalogFixture is EscrowFixture {
    uint256 internal constant SELLER_KEY = 0x5E11E4;
    uint256 internal constant MIN_BOND = 100e18;
    uint40 internal constant MAX_WINDOW = 14 days;
    uint256 internal constant BOND_HOLD = 30 days;
    uint256 internal constant USE_NOTICE = 7 days;
    uint96 internal constant PRICE = 10e18;
    uint40 internal constant REFUND = 3 days;
    uint40 internal constant MONTH = 30 days;
    /// @dev Use costs a tenth of what the lease pays.
    uint96 internal constant USE_PRICE = 1000;
    uint40 internal constant FOR_GOOD = type(uint40).max;

    address internal seller = vm.addr(SELLER_KEY);
    address internal vault = address(0x7A01);
    Catalog internal catalog;
    uint64 private _attempt;

    function setUp() public virtual override {
        super.setUp();
        catalog = new Catalog(parameters());
        equip(seller);
        equip(payer);
        equip(other);
    }

    function parameters() internal view returns (Catalog.Parameters memory) {
        return Catalog.Parameters({
            token: address(token),
            escrow: address(escrow),
            vault: vault,
            minBond: MIN_BOND,
            maxWindow: MAX_WINDOW,
            bondHold: BOND_HOLD,
            useNotice: USE_NOTICE
        });
    }

    /// @notice Pocket money, which the catalog may take.
    function equip(address who) internal {
        assertTrue(token.transfer(who, 1_000_000e18), "pocket money");
        vm.prank(who);
        token.approve(address(catalog), type(uint256).max);
    }

    // --------------------------------------------------------------------------------------------- drafts

    function oneOff() internal pure returns (ICatalog.Draft memory) {
        return ICatalog.Draft({
            kind: ICatalog.Kind.Model,
            terms: ICatalog.Terms.OneOff,
            derivable: true,
            royaltyBps: 1000,
            period: 0,
            window: REFUND,
            price: PRICE,
            bond: uint96(MIN_BOND),
            licence: keccak256("licence"),
            root: keccak256("root")
        });
    }

    function subscription() internal pure returns (ICatalog.Draft memory draft) {
        draft = oneOff();
        (draft.terms, draft.period) = (ICatalog.Terms.Subscription, MONTH);
    }

    function perUse() internal pure returns (ICatalog.Draft memory draft) {
        draft = oneOff();
        (draft.terms, draft.price, draft.window) = (ICatalog.Terms.PerUse, USE_PRICE, 0);
    }

    // -------------------------------------------------------------------------------------------- actions

    function listAs(address who, ICatalog.Draft memory draft, uint256[] memory parents) internal returns (uint256) {
        vm.prank(who);
        return catalog.list(draft, parents);
    }

    function list(ICatalog.Draft memory draft) internal returns (uint256) {
        return listAs(seller, draft, new uint256[](0));
    }

    function buyAs(address who, uint256 id, uint256 periods) internal returns (uint256) {
        ICatalog.Listing memory listing = catalog.listings(id);
        uint256 most = listing.price * periods;
        vm.prank(who);
        return catalog.buy(id, listing.version, periods, most);
    }

    function buy(uint256 id) internal returns (uint256) {
        return buyAs(payer, id, 1);
    }

    function refundAs(address who, uint256 sale) internal {
        vm.prank(who);
        catalog.refund(sale);
    }

    function release(uint256 sale) internal {
        catalog.release(one(sale));
    }

    function delist(uint256 id) internal {
        address who = catalog.listings(id).seller;
        vm.prank(who);
        catalog.delist(id);
    }

    function withdrawAs(address who) internal returns (uint256 amount) {
        uint256 before = token.balanceOf(who);
        vm.prank(who);
        catalog.withdraw(who);
        return token.balanceOf(who) - before;
    }

    function allowUse(uint256 id, uint256 amount) internal {
        ICatalog.Listing memory listing = catalog.listings(id);
        vm.prank(payer);
        catalog.allowUse(id, listing.version, hub, NAMESPACE, listing.price, amount);
    }

    function endUse(uint256 id) internal {
        vm.prank(payer);
        catalog.endUse(id, hub, NAMESPACE);
    }

    function closeUse(uint256 id) internal returns (uint256) {
        vm.prank(payer);
        return catalog.closeUse(id, hub, NAMESPACE);
    }

    /// @notice Another lease of `payer_`, of a whole unit.
    function leaseOf(address payer_) internal returns (IEscrow.LeaseTerms memory) {
        IEscrow.LeaseRequest memory request = defaultRequest();
        (request.payer, request.attempt, request.openBy) = (payer_, ++_attempt, type(uint64).max);
        IEscrow.Offer memory offer = defaultOffer();
        offer.validUntil = type(uint64).max;
        openAs(hub, request, offer, PROVIDER_KEY);
        return termsOf(request, provider, hub);
    }

    /// @notice Lets the lease work for `secs` and pays for all of its time.
    function work(IEscrow.LeaseTerms memory terms, uint256 secs) internal {
        vm.warp(block.timestamp + secs);
        settle(terms, (block.timestamp - lease(terms).openedAt) * PER_SECOND, false);
    }

    // ---------------------------------------------------------------------------------------------- words

    function one(uint256 id) internal pure returns (uint256[] memory ids) {
        ids = new uint256[](1);
        ids[0] = id;
    }

    function two(uint256 first, uint256 second) internal pure returns (uint256[] memory ids) {
        ids = new uint256[](2);
        (ids[0], ids[1]) = (first, second);
    }

    function delivery(uint256 id, address buyer) internal view returns (ICatalog.Delivery memory) {
        return ICatalog.Delivery({
            listing: id, version: catalog.listings(id).version, buyer: buyer, root: keccak256("something else")
        });
    }

    function report(ICatalog.Delivery memory made, uint256 key) internal {
        catalog.report(made, sign(key, catalog.deliveryDigest(made)));
    }

    function held() internal view returns (uint256) {
        return token.balanceOf(address(catalog));
    }

    function owed(address who) internal view returns (uint256) {
        return catalog.owed(who);
    }

    function allowance(uint256 id) internal view returns (ICatalog.Allowance memory) {
        return catalog.allowanceOf(payer, id, hub, NAMESPACE);
    }

    function stateOf(uint256 sale) internal view returns (uint256) {
        return uint256(catalog.sales(sale).state);
    }
}
