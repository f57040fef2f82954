// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {FalseToken, FeeToken, LyingToken, ReentrantToken} from "../mocks/Tokens.sol";
import {IEAIToken} from "../utils/IEAIToken.sol";
import {DataFixture} from "./DataFixture.sol";

contract DataTokensTest is DataFixture {
    // --------------------------------------------------------------------------------------- strange tokens

    /// @dev A registry of bonds in another token, with a lease asked for.
    function withToken(address strange) private {
        IDataRegistry.Parameters memory p = parameters();
        p.token = strange;
        data = deployData(p);
        dataset = publish(terms());
        leased = request(leaseTerms());
        assertTrue(IEAIToken(strange).transfer(owner, 1e27), "some of it");
        vm.prank(owner);
        IEAIToken(strange).approve(address(data), type(uint256).max);
    }

    function test_Token_ThatTakesAFeeIsRefused() public {
        withToken(address(new FeeToken()));
        vm.expectRevert(IDataRegistry.TransferMismatch.selector);
        open(leased);
    }

    function test_Token_ThatLiesIsRefused() public {
        withToken(address(new LyingToken()));
        vm.expectRevert(IDataRegistry.TransferMismatch.selector);
        open(leased);
    }

    function test_Token_ThatReturnsFalseIsRefused() public {
        FalseToken no = new FalseToken();
        withToken(address(no));
        no.refuse(true);
        vm.expectRevert();
        open(leased);
        no.refuse(false);
        returned();
        no.refuse(true);
        vm.expectRevert();
        vm.prank(owner);
        data.withdraw(owner);
        assertEq(data.owed(owner), LEAK_BOND, "still owed");
        no.refuse(false);
        vm.prank(owner);
        data.withdraw(owner);
        assertEq(data.owed(owner), 0, "paid");
    }

    function test_Token_ThatCallsBackGetsNothingTwice() public {
        ReentrantToken evil = new ReentrantToken();
        withToken(address(evil));
        // As if the token were the owner's: it is owed, and withdraws again as it is paid.
        open(leased);
        vm.warp(data.claimableUntil(leased) + 1);
        evil.attack(address(data), abi.encodeCall(IDataRegistry.returnBond, (leased)));
        data.returnBond(leased);
        vm.prank(owner);
        data.withdraw(address(0xCA5)); // calls back into returnBond
        assertTrue(!evil.succeeded(), "refused");
        assertEq(evil.balanceOf(address(0xCA5)), LEAK_BOND, "once");
        assertEq(evil.balanceOf(address(data)), 0, "and nothing else");
    }

    /// @dev The token owns a node, and so may stand for its leases; two are asked for.
    function evilOwner() private returns (ReentrantToken evil, bytes32 first, bytes32 second) {
        evil = new ReentrantToken();
        withToken(address(evil));
        address its = address(0x0DF);
        registerNode(its, address(evil), 1, 1000e18);
        assertTrue(evil.transfer(address(evil), 1e27), "some of itself");
        evil.act(address(evil), abi.encodeCall(evil.approve, (address(data), type(uint256).max)));
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.node = its;
        first = request(t);
        t.escrowLease = "second";
        second = request(t);
    }

    function test_Token_ThatCallsBackOpensNothingTwice() public {
        (ReentrantToken evil, bytes32 first,) = evilOwner();
        evil.attack(address(data), abi.encodeCall(IDataRegistry.openLease, (first)));
        evil.act(address(data), abi.encodeCall(IDataRegistry.openLease, (first)));
        assertTrue(!evil.succeeded(), "refused");
        assertEq(evil.balanceOf(address(data)), LEAK_BOND, "one bond");
    }

    function test_Token_ThatCallsBackPaysNoTwoBondsAtOnce() public {
        (ReentrantToken evil, bytes32 first, bytes32 second) = evilOwner();
        evil.attack(address(data), abi.encodeCall(IDataRegistry.openLease, (second)));
        vm.expectRevert();
        evil.act(address(data), abi.encodeCall(IDataRegistry.openLease, (first)));
        is_(first, IDataRegistry.LeaseState.Requested);
        is_(second, IDataRegistry.LeaseState.Requested);
    }
}
