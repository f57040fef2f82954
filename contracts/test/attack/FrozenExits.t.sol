// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardrail} from "../../src/interfaces/IGuardrail.sol";
import {WholeFixture} from "./WholeFixture.sol";

/// @notice What test/policy/GuardrailExits shows of escrow, stakes and currencies, of all else that holds money.
contract FrozenExitsTest is WholeFixture {
    /// @dev Each test goes twice: under every measure that there is, of council and timelock; and with a guardrail that
    /// nobody can call.
    modifier underEverything(bytes32 subject) {
        uint256 state = vm.snapshotState();
        IGuardrail.Kind[2] memory kinds = [IGuardrail.Kind.Deny, IGuardrail.Kind.Quarantine];
        bytes32[3] memory subjects = [subject, IMAGE, dataset];
        for (uint256 i = 0; i < 6; ++i) {
            impose(kinds[i % 2], subjects[i / 2]);
        }
        vm.startPrank(address(timelock));
        for (uint256 i = 0; i < 3; ++i) {
            guardrail.deny(subjects[i], REASON);
            guardrail.quarantine(subjects[i], REASON);
        }
        vm.stopPrank();
        freezeOn();
        (bool open,) = guardrail.intakeOpen();
        (bool denied,) = guardrail.isDenied(subject);
        assertTrue(!open && denied, "the measures stand");
        _;
        vm.revertToState(state);
        vm.etch(address(guardrail), hex"fe");
        _;
    }

    /// @dev Again as soon as that is possible.
    function freezeOn() private {
        if (address(guardrail).code.length == 1) return;
        (bool open, uint256 until) = guardrail.intakeOpen();
        if (open && until <= block.timestamp) impose(IGuardrail.Kind.Freeze, 0);
    }

    function pass(uint256 time) private {
        freezeOn();
        vm.warp(block.timestamp + time);
        vm.roll(block.number + 10);
        freezeOn();
    }

    function got(address who, uint256 before, uint256 wanted) private view {
        assertEq(token.balanceOf(who), before + wanted, "out, to the wei");
    }

    function test_Exit_ASaleIsRefunded() public {
        uint256 sale = buyIt(listing());
        refunds(sale);
    }

    function refunds(uint256 sale) private underEverything("root") {
        uint256 before = token.balanceOf(payer);
        vm.startPrank(payer);
        catalog.refund(sale);
        catalog.withdraw(payer);
        vm.stopPrank();
        got(payer, before, 10e18);
    }

    function test_Exit_ASellerIsPaid() public {
        uint256 id = listing();
        sells(id, buyIt(id));
    }

    function sells(uint256 id, uint256 sale) private underEverything("root") {
        uint256 before = token.balanceOf(seller);
        pass(3 days);
        uint256[] memory sales = new uint256[](1);
        sales[0] = sale;
        catalog.release(sales);
        vm.prank(seller);
        catalog.delist(id);
        pass(30 days);
        catalog.returnBond(id);
        vm.prank(seller);
        catalog.withdraw(seller);
        got(seller, before, 10e18 + LISTING_BOND);
    }

    function test_Exit_ALeakBondReturns() public {
        bytes32 id = dataLease();
        vm.prank(broker);
        data.releaseKey(id, keyRelease("nonce"));
        leaves(id);
    }

    function leaves(bytes32 id) private underEverything(id) {
        uint256 before = token.balanceOf(provider);
        vm.prank(seller);
        data.kill(id);
        vm.warp(data.claimableUntil(id) + 1);
        freezeOn();
        data.returnBond(id);
        vm.prank(provider);
        data.withdraw(provider);
        got(provider, before, LEAK_BOND);
    }

    function test_Exit_ARacesBondReturns() public {
        returns_(race());
    }

    function returns_(bytes32 id) private underEverything(id) {
        uint256 before = token.balanceOf(provider);
        vm.prank(provider);
        races.withdraw(80e18, provider);
        pass(1 days + 1);
        races.release(id);
        vm.prank(provider);
        races.withdraw(20e18, provider);
        got(provider, before, 100e18);
    }

    function test_Exit_APoolsMember() public {
        joinAs(0, 1, 1000e18);
        joinAs(1, 1, 1000e18);
        fund(address(pool), 100e18);
        exits();
    }

    function exits() private underEverything("lease") {
        uint256 before = token.balanceOf(memberAt(0));
        pool.harvest();
        uint256[] memory times = new uint256[](1);
        times[0] = HOUR_MS;
        attestSplit(0, one(idOf(0, 0)), times);
        freezeOn();
        proveAt(0, one(idOf(0, 0)), times, 0);
        pool.collect(0, one(idOf(0, 0)));
        remove(0, idOf(0, 0));
        exit(0, type(uint256).max);
        pool.startRound();
        pass(UNBONDING);
        pool.finishRound();
        pool.takeExit(memberAt(0), 0);
        payOut(0);
        got(memberAt(0), before, 1000e18 + 95e18);
    }

    function knows(address who, address what) private view returns (bool) {
        bytes memory code = who.code;
        for (uint256 i = 20; i <= code.length; ++i) {
            uint256 word;
            assembly ("memory-safe") {
                word := mload(add(code, i))
            }
            if (address(uint160(word)) == what) return true;
        }
        return false;
    }

    function test_Nobody_ElseKnowsTheGuardrail() public view {
        address[7] memory all = [
            address(catalog),
            address(data),
            address(races),
            address(factory),
            factory.IMPLEMENTATION(),
            address(pool),
            address(timelock)
        ];
        for (uint256 i = 0; i < all.length; ++i) {
            assertTrue(!knows(all[i], address(guardrail)), "knows no guardrail");
            if (i != 6) assertTrue(!knows(address(guardrail), all[i]), "isn't known by it");
        }
        assertTrue(knows(address(catalog), address(escrow)), "what it knows is found by this");
    }
}
