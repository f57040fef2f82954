// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {CatalogFixture} from "./CatalogFixture.sol";
import {CatalogHandler} from "./CatalogHandler.sol";

contract CatalogInvariantTest is CatalogFixture {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    CatalogHandler private _handler;

    function setUp() public override {
        super.setUp();
        _handler = new CatalogHandler(token, escrow, catalog);
        assertTrue(token.transfer(address(_handler), 1_000_000_000e18), "transfer");
        _handler.begin();
    }

    function selectors() private view returns (bytes4[] memory list_) {
        list_ = new bytes4[](20);
        list_[0] = _handler.pass.selector;
        list_[1] = _handler.list.selector;
        list_[2] = _handler.list.selector;
        list_[3] = _handler.revise.selector;
        list_[4] = bytes4(keccak256("delist(uint256,uint256)"));
        list_[5] = _handler.returnBond.selector;
        list_[6] = bytes4(keccak256("report(uint256,uint256,uint256)"));
        list_[7] = bytes4(keccak256("buy(uint256,uint256,uint256)"));
        list_[8] = bytes4(keccak256("buy(uint256,uint256,uint256)"));
        list_[9] = _handler.refund.selector;
        list_[10] = bytes4(keccak256("release(uint256,uint256)"));
        list_[11] = bytes4(keccak256("release(uint256,uint256)"));
        list_[12] = _handler.withdraw.selector;
        list_[13] = _handler.allow.selector;
        list_[14] = bytes4(keccak256("open(uint256)"));
        list_[15] = bytes4(keccak256("work(uint256)"));
        list_[16] = _handler.payUse.selector;
        list_[17] = _handler.payUse.selector;
        list_[18] = bytes4(keccak256("endUse(uint256,uint256,uint256)"));
        list_[19] = bytes4(keccak256("closeUse(uint256,uint256)"));
    }

    /// @notice Read by forge: what the fuzzer may call.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(_handler), selectors: selectors()});
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    // ------------------------------------------------------------------------------------------- invariants

    function invariant_CatalogIsSound() public view {
        checkMoney();
        checkPeople();
        checkListings();
    }

    function checkMoney() private view {
        uint256 sum = _handler.bonds() + _handler.heldSales() + _handler.allowances() + _handler.owedInAll();
        assertEq(held(), sum, "it holds bonds, sales, allowances and what is owed, to the wei");
        assertEq(token.balanceOf(vault), _handler.toVault(), "the vault has its halves");
    }

    function checkPeople() private view {
        uint256 sum = 0;
        for (uint256 i = 0; i < 4; ++i) {
            address who = _handler.person(i);
            sum += owed(who);
            // a wei for each way up in each payment, and what 18 decimals leave of the largest price
            uint256 slack = _handler.payments() * 1000;
            uint256 paid = owed(who) + _handler.got(who);
            uint256 wanted = _handler.credited(who);
            assertAtMost(paid > wanted ? paid - wanted : wanted - paid, slack, "each has what the chain gives it");
        }
        assertEq(sum, _handler.owedInAll(), "what is owed is what was credited, to the wei");
    }

    function checkListings() private view {
        for (uint256 id = 1; id <= catalog.listingCount(); ++id) {
            ICatalog.Listing memory listing = catalog.listings(id);
            assertEq(listing.held, _handler.heldOf(id), "sales that are held");
            assertAtMost(listing.depth, 4, "depth");
            ICatalog.Share[] memory shares = catalog.royaltiesOf(id);
            assertAtMost(shares.length, 16, "payees");
            uint256 parts = 0;
            for (uint256 i = 0; i < shares.length; ++i) {
                parts += shares[i].part;
            }
            assertAtMost(parts, 1e18, "royalties are at most the price");
            uint256[] memory parents = catalog.parentsOf(id);
            for (uint256 i = 0; i < parents.length; ++i) {
                assertTrue(parents[i] < id, "parents are older: no cycles");
                assertTrue(catalog.listings(parents[i]).depth < listing.depth, "and higher up");
            }
            for (uint256 i = 0; i < 4; ++i) {
                address who = _handler.person(i);
                assertEq(catalog.accessOf(id, who).until, _handler.until(id, who), "access is what was paid for");
                assertEq(
                    catalog.allowanceOf(who, id, hub, NAMESPACE).left, _handler.left(id, who), "allowances by hand"
                );
            }
        }
    }

    /// @notice Read by forge, after each run: whatever state things are in, everybody gets out with everything.
    function afterInvariant() external {
        uint256 count = catalog.listingCount();
        for (uint256 id = 1; id <= count; ++id) {
            if (catalog.listings(id).delistedAt == 0) delist(id);
        }
        vm.warp(block.timestamp + 3 * 366 days);
        for (uint256 sale = 1; sale <= catalog.saleCount(); ++sale) {
            release(sale);
        }
        for (uint256 id = 1; id <= count; ++id) {
            if (catalog.listings(id).bond != 0) catalog.returnBond(id);
            for (uint256 i = 0; i < 4; ++i) {
                if (catalog.allowanceOf(_handler.person(i), id, hub, NAMESPACE).openedAt == 0) continue;
                vm.prank(_handler.person(i));
                catalog.closeUse(id, hub, NAMESPACE);
            }
        }
        for (uint256 i = 0; i < 4; ++i) {
            if (owed(_handler.person(i)) != 0) withdrawAs(_handler.person(i));
        }
        assertEq(held(), 0, "nothing is left");
    }

    // ------------------------------------------------------------------------------------------ not vacuous

    function test_Walk_ReachesEverything() public {
        bytes4[] memory list_ = selectors();
        for (uint256 step = 0; step < 3000; ++step) {
            uint256 s = uint256(keccak256(abi.encode("walk", step)));
            bytes memory call = abi.encodePacked(
                list_[s % list_.length],
                abi.encode(s >> 8, uint256(keccak256(abi.encode(s))), uint256(keccak256(abi.encode(s, s))))
            );
            (bool ok,) = address(_handler).call(call);
            assertTrue(ok, "the handler doesn't fail");
            if (step % 100 == 0) invariant_CatalogIsSound();
        }
        invariant_CatalogIsSound();
        for (uint256 i = 0; i < list_.length; ++i) {
            if (_handler.done(list_[i]) == 0) revert NotEqualWord("never reached", 0, bytes32(list_[i]));
        }
    }
}
