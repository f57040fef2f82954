// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Catalog} from "../../src/exchange/Catalog.sol";
import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IEAIToken} from "../utils/IEAIToken.sol";
import {CatalogFixture} from "./CatalogFixture.sol";

/// @notice Four people who list, derive, buy, return, use and leave; and a second set of books, kept by other means: what each
/// is to get is worked out up the chain, one generation at a time, and all sums are kept beside.
contract CatalogHandler is CatalogFixture {
    uint256 private constant PEOPLE = 4;
    uint256 private constant MOST = 14;

    /// @notice How often each call did something.
    mapping(bytes4 => uint256) public done;

    // What the catalog should hold, and for what.
    uint256 public bonds;
    uint256 public heldSales;
    uint256 public allowances;
    uint256 public owedInAll;
    /// @notice Paid out by {Catalog.withdraw}.
    uint256 public withdrawn;
    uint256 public toVault;
    /// @notice What each is to have been credited, by hand, and how many payments that rounds.
    mapping(address who => uint256) public credited;
    uint256 public payments;
    mapping(address who => uint256) public got;
    /// @notice The end of access, by hand.
    mapping(uint256 listing => mapping(address who => uint256)) public until;
    mapping(uint256 listing => mapping(address who => bool)) public took;
    mapping(uint256 listing => uint256) public heldOf;
    mapping(uint256 listing => mapping(address who => uint256)) public left;
    IEscrow.LeaseTerms[] private _leases;

    constructor(IEAIToken token_, IEscrow escrow_, Catalog catalog_) {
        (token, escrow, catalog) = (token_, escrow_, catalog_);
    }

    /// @notice Money and rights for everybody. Needs tokens.
    function begin() external {
        for (uint256 i = 0; i < PEOPLE; ++i) {
            assertTrue(token.transfer(person(i), 10_000_000e18), "pocket money");
            vm.prank(person(i));
            token.approve(address(catalog), type(uint256).max);
            fund(person(i), 100_000e18);
            vm.prank(person(i));
            escrow.authorize(hub, NAMESPACE, 1_000_000e18, RATE, START + 36500 days);
        }
    }

    function keyOf(uint256 i) public pure returns (uint256) {
        return 0xC0FFEE + i % PEOPLE;
    }

    function person(uint256 i) public pure returns (address) {
        return vm.addr(keyOf(i));
    }

    function keyOfPerson(address who) private pure returns (uint256) {
        for (uint256 i = 0; i < PEOPLE; ++i) {
            if (person(i) == who) return keyOf(i);
        }
        revert NotTrue("nobody");
    }

    function did(bytes4 what) private {
        ++done[what];
    }

    /// @dev One of the listings; 0 if there is none.
    function some(uint256 seed) private view returns (uint256) {
        uint256 count = catalog.listingCount();
        return count == 0 ? 0 : seed % count + 1;
    }

    // ---------------------------------------------------------------------------------------------- selling

    function pass(uint256 seed) external {
        vm.warp(block.timestamp + bound(seed, 1, 12 days));
        did(this.pass.selector);
    }

    function list(uint256 seed) external {
        uint256 count = catalog.listingCount();
        if (count == MOST) return;
        ICatalog.Draft memory draft = seed % 3 == 0 ? oneOff() : seed % 3 == 1 ? subscription() : perUse();
        draft.royaltyBps = uint16((seed >> 8) % 5001);
        draft.price = draft.terms == ICatalog.Terms.PerUse
            ? uint96(1 + (seed >> 32) % 20_000)
            : uint96((seed >> 24) % 2 == 0 ? 1 + (seed >> 32) % 1000 : 1 + (seed >> 32) % 100e18);
        draft.bond = uint96(MIN_BOND + (seed >> 100) % 10);
        if ((seed >> 25) % 4 == 0) draft.window = 0;
        uint256[] memory parents = new uint256[](0);
        uint256 first = some(seed >> 128);
        uint256 second = some(seed >> 160);
        if (mayDerive(first)) {
            parents = first < second && mayDerive(second) ? two(first, second) : one(first);
        }
        listAs(person(seed >> 200), draft, parents);
        bonds += draft.bond;
        did(this.list.selector);
    }

    function mayDerive(uint256 id) private view returns (bool) {
        if (id == 0) return false;
        ICatalog.Listing memory listing = catalog.listings(id);
        return listing.delistedAt == 0 && listing.depth < 4;
    }

    function revise(uint256 seed) external {
        uint256 id = some(seed);
        ICatalog.Listing memory listing = catalog.listings(id);
        if (id == 0 || listing.delistedAt != 0) return;
        uint96 price = uint96(1 + (seed >> 32) % (listing.terms == ICatalog.Terms.PerUse ? 20_000 : 100e18));
        vm.prank(listing.seller);
        catalog.revise(id, price, bytes32(seed | 1), bytes32(seed | 1));
        did(this.revise.selector);
    }

    function delist(uint256 seed, uint256 chance) external {
        uint256 id = some(seed);
        // seldom, so that there is something left to buy
        if (id == 0 || chance % 4 != 0 || catalog.listings(id).delistedAt != 0) return;
        delist(id);
        did(bytes4(keccak256("delist(uint256,uint256)")));
    }

    function returnBond(uint256 seed) external {
        uint256 id = some(seed);
        if (id == 0) return;
        ICatalog.Listing memory listing = catalog.listings(id);
        uint256 freeAt = catalog.bondFreeAt(id);
        bool free = listing.bond != 0 && freeAt != 0 && block.timestamp >= freeAt && heldOf[id] == 0;
        if (!free) vm.expectRevert(ICatalog.BondStillHeld.selector);
        catalog.returnBond(id);
        if (!free) return;
        bonds -= listing.bond;
        credit(listing.seller, listing.bond);
        did(this.returnBond.selector);
    }

    function report(uint256 seed, uint256 who, uint256 chance) external {
        uint256 id = some(seed);
        if (id == 0 || chance % 8 != 0) return;
        ICatalog.Listing memory listing = catalog.listings(id);
        ICatalog.Delivery memory made = delivery(id, person(who));
        bool proves = listing.bond != 0 && catalog.accessOf(id, person(who)).since != 0;
        bytes memory signature = sign(keyOfPerson(listing.seller), catalog.deliveryDigest(made));
        if (!proves) vm.expectRevert(ICatalog.ProvesNothing.selector);
        catalog.report(made, signature);
        if (!proves) return;
        bonds -= listing.bond;
        credit(person(who), listing.bond / 2);
        toVault += listing.bond - listing.bond / 2;
        did(bytes4(keccak256("report(uint256,uint256,uint256)")));
    }

    // ---------------------------------------------------------------------------------------------- buying

    function buy(uint256 seed, uint256 who, uint256 periods) external {
        uint256 id = some(seed);
        ICatalog.Listing memory listing = catalog.listings(id);
        if (id == 0 || listing.delistedAt != 0 || listing.terms == ICatalog.Terms.PerUse) return;
        address buyer = person(who);
        periods = listing.period == 0 ? 1 : periods % 3 + 1;
        uint256 from = until[id][buyer] < block.timestamp ? block.timestamp : until[id][buyer];
        bool has = listing.period == 0 && until[id][buyer] != 0;
        if (has || from + periods * listing.period > block.timestamp + 732 days) return;
        uint256 sale = buyAs(buyer, id, periods);
        until[id][buyer] = listing.period == 0 ? FOR_GOOD : from + periods * listing.period;
        uint256 amount = periods * listing.price;
        if (took[id][buyer] || listing.window == 0) {
            assertEq(stateOf(sale), uint256(ICatalog.SaleState.Released), "final at once");
            pay(id, amount);
        } else {
            heldSales += amount;
            ++heldOf[id];
        }
        did(this.buy.selector);
    }

    function refund(uint256 seed) external {
        uint256 count = catalog.saleCount();
        if (count == 0) return;
        // a late one mostly
        uint256 sale = seed % 2 == 0 ? count - (seed >> 8) % (count < 3 ? count : 3) : seed % count + 1;
        ICatalog.Sale memory made = catalog.sales(sale);
        bool may =
            made.state == ICatalog.SaleState.Held && block.timestamp < made.finalAt && !took[made.listing][made.buyer];
        if (!may) vm.expectRevert(ICatalog.NotRefundable.selector);
        vm.prank(made.buyer);
        catalog.refund(sale);
        if (!may) return;
        took[made.listing][made.buyer] = true;
        until[made.listing][made.buyer] = made.duration == 0 ? 0 : until[made.listing][made.buyer] - made.duration;
        heldSales -= made.amount;
        --heldOf[made.listing];
        credit(made.buyer, made.amount);
        did(this.refund.selector);
    }

    function release(uint256 seed, uint256 other_) external {
        uint256 count = catalog.saleCount();
        uint256[] memory ids = two(seed % (count + 2), other_ % (count + 2));
        for (uint256 i = 0; i < 2; ++i) {
            ICatalog.Sale memory made = catalog.sales(ids[i]);
            if (made.state != ICatalog.SaleState.Held || block.timestamp < made.finalAt) continue;
            if (i == 1 && ids[0] == ids[1]) continue;
            heldSales -= made.amount;
            --heldOf[made.listing];
            pay(made.listing, made.amount);
            did(bytes4(keccak256("release(uint256,uint256)")));
        }
        catalog.release(ids);
    }

    function withdraw(uint256 who) external {
        address from = person(who);
        uint256 amount = catalog.owed(from);
        if (amount == 0) return;
        assertEq(withdrawAs(from), amount, "all that is owed");
        owedInAll -= amount;
        withdrawn += amount;
        got[from] += amount;
        did(this.withdraw.selector);
    }

    // ------------------------------------------------------------------------------------------------- use

    function allow(uint256 seed, uint256 who, uint256 amount) external {
        uint256 id = some(seed);
        ICatalog.Listing memory listing = catalog.listings(id);
        if (id == 0 || listing.delistedAt != 0 || listing.terms != ICatalog.Terms.PerUse) return;
        address buyer = person(who);
        ICatalog.Allowance memory standing = catalog.allowanceOf(buyer, id, hub, NAMESPACE);
        if (standing.closingAt != 0) return;
        amount = bound(amount, 1, 3e18);
        vm.prank(buyer);
        if (standing.openedAt == 0) catalog.allowUse(id, listing.version, hub, NAMESPACE, listing.price, amount);
        else catalog.addToAllowance(id, hub, NAMESPACE, amount);
        allowances += amount;
        left[id][buyer] += amount;
        did(this.allow.selector);
    }

    function open(uint256 who) external {
        _leases.push(leaseOf(person(who)));
        did(bytes4(keccak256("open(uint256)")));
    }

    function work(uint256 seed) external {
        if (_leases.length == 0) return;
        IEscrow.LeaseTerms memory terms = _leases[seed % _leases.length];
        if (lease(terms).state != IEscrow.LeaseState.Open) return;
        work(terms, 1 + (seed >> 64) % 3000);
        did(bytes4(keccak256("work(uint256)")));
    }

    function payUse(uint256 seed, uint256 which) external {
        uint256 id = some(seed);
        if (id == 0 || _leases.length == 0) return;
        IEscrow.LeaseTerms memory terms = _leases[which % _leases.length];
        uint256 fee = feeOf(id, terms);
        if (fee == 0) vm.expectRevert();
        uint256 paid = catalog.payUse(id, terms);
        if (fee == 0) return;
        assertEq(paid, fee, "the share, as far as the allowance goes");
        left[id][terms.payer] -= fee;
        allowances -= fee;
        pay(id, fee);
        did(this.payUse.selector);
    }

    /// @dev What a lease is to pay now; 0 if it doesn't count.
    function feeOf(uint256 id, IEscrow.LeaseTerms memory terms) private view returns (uint256 fee) {
        ICatalog.Allowance memory standing = catalog.allowanceOf(terms.payer, id, hub, NAMESPACE);
        uint256 openedAt = lease(terms).openedAt;
        if (standing.openedAt == 0 || openedAt < standing.openedAt || openedAt >= endOf(id, standing)) return 0;
        uint256 due = lease(terms).paid * standing.price / 10_000;
        uint256 before = catalog.usePaid(id, idOf(terms));
        if (due <= before) return 0;
        return due - before < left[id][terms.payer] ? due - before : left[id][terms.payer];
    }

    /// @dev When use ends: never, if neither ended it.
    function endOf(uint256 id, ICatalog.Allowance memory standing) private view returns (uint256) {
        uint256 ended = standing.closingAt == 0 ? type(uint128).max : standing.closingAt;
        uint256 delisted = catalog.listings(id).delistedAt;
        return delisted != 0 && delisted < ended ? delisted : ended;
    }

    function endUse(uint256 seed, uint256 who, uint256 chance) external {
        uint256 id = some(seed);
        if (id == 0 || chance % 4 != 0) return;
        ICatalog.Allowance memory standing = catalog.allowanceOf(person(who), id, hub, NAMESPACE);
        if (standing.openedAt == 0 || standing.closingAt != 0) return;
        vm.prank(person(who));
        catalog.endUse(id, hub, NAMESPACE);
        did(bytes4(keccak256("endUse(uint256,uint256,uint256)")));
    }

    function closeUse(uint256 seed, uint256 who) external {
        uint256 id = some(seed);
        if (id == 0) return;
        address buyer = person(who);
        ICatalog.Allowance memory standing = catalog.allowanceOf(buyer, id, hub, NAMESPACE);
        bool may = standing.openedAt != 0 && block.timestamp >= endOf(id, standing) + USE_NOTICE;
        if (!may) vm.expectRevert();
        vm.prank(buyer);
        uint256 amount = catalog.closeUse(id, hub, NAMESPACE);
        if (!may) return;
        assertEq(amount, left[id][buyer], "what is left");
        left[id][buyer] = 0;
        allowances -= amount;
        credit(buyer, amount);
        did(bytes4(keccak256("closeUse(uint256,uint256)")));
    }

    // ----------------------------------------------------------------------------------------- second books

    function credit(address who, uint256 amount) private {
        credited[who] += amount;
        owedInAll += amount;
    }

    /// @dev What a payment brings to each, up the chain.
    function pay(uint256 id, uint256 amount) private {
        owedInAll += amount;
        ++payments;
        climb(id, amount);
    }

    function climb(uint256 id, uint256 amount) private {
        uint256[] memory parents = catalog.parentsOf(id);
        uint256 rest = amount;
        for (uint256 i = 0; i < parents.length; ++i) {
            uint256 part = amount * catalog.listings(parents[i]).royaltyBps / 10_000;
            rest -= part;
            climb(parents[i], part);
        }
        credited[catalog.listings(id).seller] += rest;
    }
}
