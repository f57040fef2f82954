// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VendorToken} from "../../src/exchange/VendorToken.sol";
import {IEAIToken} from "../utils/IEAIToken.sol";
import {Test} from "../utils/Test.sol";

/// @notice Three people who buy, redeem, send and give away, with three currencies.
contract VendorTokenHandler is Test {
    IEAIToken public immutable EAI;

    VendorToken[3] private _tokens;
    /// @notice Paid for tokens.
    uint256[3] public cameIn;
    /// @notice Paid out.
    uint256[3] public wentOut;
    /// @notice Sent without buying.
    uint256[3] public donated;

    constructor(IEAIToken eai, VendorToken[3] memory tokens) {
        EAI = eai;
        for (uint256 i = 0; i < 3; ++i) {
            _tokens[i] = tokens[i];
            for (uint256 who = 0; who < 3; ++who) {
                vm.prank(person(who));
                eai.approve(address(tokens[i]), type(uint256).max);
            }
        }
    }

    function tokenAt(uint256 i) public view returns (VendorToken) {
        return _tokens[i % 3];
    }

    function person(uint256 who) public pure returns (address) {
        return address(uint160(0xACE0 + who % 3));
    }

    function buy(uint256 i, uint256 who, uint256 amount) external {
        VendorToken token = tokenAt(i);
        // wei mostly, where rounding shows, or much
        amount = amount % 2 == 0 ? bound(amount, 1, 1000) : bound(amount, 1, 300e18);
        uint256 cost = token.costOf(amount);
        assertTrue(EAI.transfer(person(who), cost), "pocket money");
        vm.prank(person(who));
        assertEq(token.buy(amount, cost, person(who)), cost, "as foretold");
        cameIn[i % 3] += cost;
    }

    function redeem(uint256 i, uint256 who, uint256 amount) external {
        VendorToken token = tokenAt(i);
        uint256 all = token.balanceOf(person(who));
        if (all == 0) return;
        amount = amount % 2 == 0 && all > 1000 ? bound(amount, 1, 1000) : bound(amount, 1, all);
        uint256 payout = token.payoutOf(amount);
        uint256 before = EAI.balanceOf(person(who));
        vm.prank(person(who));
        assertEq(token.redeem(amount, payout, person(who)), payout, "as foretold");
        assertEq(EAI.balanceOf(person(who)), before + payout, "paid");
        wentOut[i % 3] += payout;
    }

    function send(uint256 i, uint256 from, uint256 to, uint256 amount) external {
        VendorToken token = tokenAt(i);
        amount = bound(amount, 0, token.balanceOf(person(from)));
        vm.prank(person(from));
        assertTrue(token.transfer(person(to), amount), "sent");
    }

    function donate(uint256 i, uint256 amount) external {
        amount = bound(amount, 1, 1e18);
        assertTrue(EAI.transfer(address(tokenAt(i)), amount), "donated");
        donated[i % 3] += amount;
    }
}
