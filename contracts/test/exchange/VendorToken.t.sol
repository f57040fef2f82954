// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VendorToken} from "../../src/exchange/VendorToken.sol";
import {VendorTokenFactory} from "../../src/exchange/VendorTokenFactory.sol";
import {IVendorToken} from "../../src/interfaces/IVendorToken.sol";
import {FeeToken} from "../mocks/Tokens.sol";
import {GenesisAllocation, IEAIToken} from "../utils/IEAIToken.sol";
import {Test} from "../utils/Test.sol";
import {VendorTokenHandler} from "./VendorTokenHandler.sol";

contract VendorTokenTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint256 private constant ALICE_KEY = 0xA11CE;
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    address private _alice = vm.addr(ALICE_KEY);
    address private _bob = address(0xB0B);
    address private _vendor = address(0x7E4D);

    IEAIToken private _eai;
    VendorTokenFactory private _factory;
    /// @dev 2 EAI each.
    VendorToken private _fixed;
    /// @dev 1 EAI for the first, half an EAI more for each.
    VendorToken private _curve;
    VendorTokenHandler private _handler;

    function setUp() public {
        GenesisAllocation[] memory genesis = new GenesisAllocation[](1);
        genesis[0] = GenesisAllocation({recipient: address(this), amount: 2_500_000_000e18});
        _eai = IEAIToken(deploy("EAIToken.sol:EAIToken", abi.encode(genesis)));
        _factory = new VendorTokenFactory(address(_eai));
        _fixed = issue(2e18, 0);
        _curve = issue(1e18, 0.5e18);
        assertTrue(_eai.transfer(_alice, 1_000_000e18), "transfer");
        allow(_fixed);
        allow(_curve);
        _handler = new VendorTokenHandler(_eai, [issue(3, 0), issue(0, 7e17), issue(123456789e9, 987654321e6)]);
        assertTrue(_eai.transfer(address(_handler), 1_000_000_000e18), "transfer");
    }

    function issue(uint256 base, uint256 slope) private returns (VendorToken) {
        vm.prank(_vendor);
        return VendorToken(_factory.issue("Vendor's own", "OWN", base, slope));
    }

    function allow(VendorToken token) private {
        vm.prank(_alice);
        _eai.approve(address(token), type(uint256).max);
    }

    function buy(VendorToken token, uint256 amount) private returns (uint256) {
        vm.prank(_alice);
        return token.buy(amount, type(uint256).max, _alice);
    }

    function redeem(VendorToken token, uint256 amount) private returns (uint256) {
        vm.prank(_alice);
        return token.redeem(amount, 0, _alice);
    }

    function held(VendorToken token) private view returns (uint256) {
        return _eai.balanceOf(address(token));
    }

    // ------------------------------------------------------------------------------------------ constructor

    function make(address eai, address vendor, uint256 base, uint256 slope) external returns (VendorToken) {
        return new VendorToken(eai, vendor, "n", "s", base, slope);
    }

    function test_RevertWhen_AnAddressIsBad() public {
        vm.expectRevert(IVendorToken.BadReceiver.selector);
        this.make(address(0xDEAD), _vendor, 1, 0);
        vm.expectRevert(IVendorToken.BadReceiver.selector);
        this.make(address(_eai), address(0), 1, 0);
    }

    function test_RevertWhen_TheCurveIsBad() public {
        vm.expectRevert(IVendorToken.BadCurve.selector);
        this.make(address(_eai), _vendor, 0, 0);
        vm.expectRevert(IVendorToken.BadCurve.selector);
        this.make(address(_eai), _vendor, 2 ** 96, 0);
        vm.expectRevert(IVendorToken.BadCurve.selector);
        this.make(address(_eai), _vendor, 0, 2 ** 96);
        this.make(address(_eai), _vendor, 2 ** 96 - 1, 2 ** 96 - 1);
    }

    function test_Constructor_KeepsAll() public view {
        assertEq(_curve.VENDOR(), _vendor, "vendor");
        assertEq(_curve.EAI(), address(_eai), "EAI");
        assertEq(_curve.BASE(), 1e18, "base");
        assertEq(_curve.SLOPE(), 0.5e18, "slope");
        assertEq(_curve.name(), "Vendor's own", "name");
        assertEq(_curve.symbol(), "OWN", "symbol");
        assertEq(_curve.totalSupply(), 0, "nothing is there yet");
    }

    // ------------------------------------------------------------------------------------------------ issue

    function test_RevertWhen_TheNameIsBad() public {
        string memory long = "12345678901234567890123456789012345678901234567890123456789012345";
        vm.expectRevert(VendorTokenFactory.BadName.selector);
        _factory.issue("", "S", 1, 0);
        vm.expectRevert(VendorTokenFactory.BadName.selector);
        _factory.issue("n", "", 1, 0);
        vm.expectRevert(VendorTokenFactory.BadName.selector);
        _factory.issue(long, "S", 1, 0);
        vm.expectRevert(VendorTokenFactory.BadName.selector);
        _factory.issue("n", "12345678901234567", 1, 0);
    }

    function test_RevertWhen_TheFactoryHasNoToken() public {
        vm.expectRevert(VendorTokenFactory.NoToken.selector);
        this.makeFactory(address(0xDEAD));
    }

    function makeFactory(address eai) external returns (VendorTokenFactory) {
        return new VendorTokenFactory(eai);
    }

    function test_Issue_KnowsIt() public {
        uint256 before = _factory.count();
        vm.prank(_bob);
        address token = _factory.issue("Bob's", "BOB", 5, 6);
        assertTrue(_factory.isIssued(token), "known");
        assertEq(_factory.count(), before + 1, "counted");
        assertEq(_factory.issued(before), token, "listed");
        assertEq(VendorToken(token).VENDOR(), _bob, "the caller's");
        VendorToken own = this.make(address(_eai), _bob, 5, 6);
        assertTrue(!_factory.isIssued(address(own)), "one that somebody made alone isn't");
    }

    // -------------------------------------------------------------------------------------------------- buy

    function test_RevertWhen_BuyingABadAmount() public {
        vm.expectRevert(IVendorToken.BadAmount.selector);
        buy(_fixed, 0);
        vm.expectRevert(IVendorToken.BadAmount.selector);
        buy(_fixed, 2 ** 96);
        buy(_fixed, 1e18);
        vm.expectRevert(IVendorToken.BadAmount.selector);
        buy(_fixed, 2 ** 96 - 1e18);
    }

    function test_RevertWhen_ItCostsMore() public {
        vm.startPrank(_alice);
        vm.expectRevert(abi.encodeWithSelector(IVendorToken.CostsMore.selector, 6e18));
        _fixed.buy(3e18, 6e18 - 1, _alice);
        _fixed.buy(3e18, 6e18, _alice);
        vm.stopPrank();
    }

    function test_RevertWhen_NothingIsAllowed() public {
        assertTrue(_eai.transfer(_bob, 10e18), "transfer");
        vm.expectRevert();
        vm.prank(_bob);
        _fixed.buy(1e18, 10e18, _bob);
    }

    function test_RevertWhen_ATransferFallsShort() public {
        FeeToken fee = new FeeToken();
        VendorToken token = this.make(address(fee), _vendor, 1e18, 0);
        fee.approve(address(token), type(uint256).max);
        vm.expectRevert(IVendorToken.TransferMismatch.selector);
        token.buy(1e18, 2e18, address(this));
    }

    function test_Buy_AtAFixedRate() public {
        vm.expectEmit(address(_fixed));
        emit IVendorToken.Bought(_alice, _alice, 3e18, 6e18);
        assertEq(buy(_fixed, 3e18), 6e18, "two EAI each");
        assertEq(_fixed.balanceOf(_alice), 3e18, "tokens");
        assertEq(held(_fixed), 6e18, "held");
        assertEq(_fixed.liability(), 6e18, "liability");
        assertEq(buy(_fixed, 1), 2, "a part");
    }

    function test_Buy_OnACurve() public {
        // 1 x 4 + 0.5 x 4 x 4 / 2
        assertEq(buy(_curve, 4e18), 8e18, "the first four");
        // from 4 to 6: 1 x 2 + 0.25 x (36 - 16)
        assertEq(buy(_curve, 2e18), 7e18, "the next two");
        assertEq(_curve.liability(), 15e18, "all six");
        assertEq(held(_curve), 15e18, "held");
    }

    function test_Buy_ForAnother() public {
        vm.prank(_alice);
        _fixed.buy(1e18, 2e18, _bob);
        assertEq(_fixed.balanceOf(_bob), 1e18, "his");
        assertEq(_fixed.balanceOf(_alice), 0, "not hers");
    }

    // --------------------------------------------------------------------------------------- buyWithPermit

    function permit(VendorToken token, uint256 value) private view returns (uint8, bytes32, bytes32) {
        bytes32 hash = keccak256(
            abi.encode(PERMIT_TYPEHASH, _alice, address(token), value, _eai.nonces(_alice), block.timestamp + 1 hours)
        );
        return vm.sign(ALICE_KEY, keccak256(abi.encodePacked(hex"1901", _eai.DOMAIN_SEPARATOR(), hash)));
    }

    function test_BuyWithPermit_NeedsNoApproval() public {
        VendorToken token = issue(2e18, 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(token, 6e18);
        uint256 deadline = block.timestamp + 1 hours;
        vm.prank(_alice);
        assertEq(token.buyWithPermit(3e18, 6e18, _alice, deadline, v, r, s), 6e18, "bought");
    }

    function test_BuyWithPermit_ToleratesAFrontRun() public {
        VendorToken token = issue(2e18, 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(token, 6e18);
        uint256 deadline = block.timestamp + 1 hours;
        _eai.permit(_alice, address(token), 6e18, deadline, v, r, s);
        vm.prank(_alice);
        assertEq(token.buyWithPermit(3e18, 6e18, _alice, deadline, v, r, s), 6e18, "bought");
    }

    // ----------------------------------------------------------------------------------------------- redeem

    function test_RevertWhen_RedeemingABadAmount() public {
        buy(_fixed, 5e18);
        vm.expectRevert(IVendorToken.BadAmount.selector);
        redeem(_fixed, 0);
        vm.expectRevert(IVendorToken.BadAmount.selector);
        redeem(_fixed, 5e18 + 1);
    }

    function test_RevertWhen_RedeemingAnothers() public {
        buy(_fixed, 5e18);
        vm.expectRevert();
        vm.prank(_bob);
        _fixed.redeem(1, 0, _bob);
        vm.expectRevert();
        vm.prank(_vendor);
        _fixed.redeem(1, 0, _vendor);
    }

    function test_RevertWhen_ItPaysLess() public {
        buy(_fixed, 5e18);
        vm.startPrank(_alice);
        vm.expectRevert(abi.encodeWithSelector(IVendorToken.PaysLess.selector, 4e18));
        _fixed.redeem(2e18, 4e18 + 1, _alice);
        _fixed.redeem(2e18, 4e18, _alice);
        vm.stopPrank();
    }

    function test_RevertWhen_TheReceiverIsBad() public {
        buy(_fixed, 5e18);
        vm.startPrank(_alice);
        vm.expectRevert(IVendorToken.BadReceiver.selector);
        _fixed.redeem(1e18, 0, address(0));
        vm.expectRevert(IVendorToken.BadReceiver.selector);
        _fixed.redeem(1e18, 0, address(_fixed));
        vm.stopPrank();
    }

    function test_Redeem_PaysWhatItCost() public {
        uint256 before = _eai.balanceOf(_alice);
        buy(_curve, 4e18);
        buy(_curve, 2e18);
        vm.expectEmit(address(_curve));
        emit IVendorToken.Redeemed(_alice, _alice, 2e18, 7e18);
        assertEq(redeem(_curve, 2e18), 7e18, "the last two");
        assertEq(redeem(_curve, 4e18), 8e18, "the first four");
        assertEq(_eai.balanceOf(_alice), before, "all of it");
        assertEq(held(_curve), 0, "nothing is left");
    }

    function test_Redeem_NeedsNobody() public {
        buy(_curve, 4e18);
        vm.prank(_alice);
        assertTrue(_curve.transfer(_bob, 1e18), "transfer");
        vm.prank(_bob);
        _curve.redeem(1e18, 0, address(0xCA5));
        // 1 x 1 + 0.25 x (16 - 9)
        assertEq(_eai.balanceOf(address(0xCA5)), 2.75e18, "paid");
    }

    function test_Donation_OnlyAdds() public {
        buy(_curve, 4e18);
        assertTrue(_eai.transfer(address(_curve), 3e18), "transfer");
        assertEq(_curve.payoutOf(4e18), 8e18, "the price is as before");
        assertEq(_curve.costOf(2e18), 7e18, "both ways");
        redeem(_curve, 4e18);
        assertEq(held(_curve), 3e18, "it stays");
    }

    // ------------------------------------------------------------------------------------------------- fuzz

    function testFuzz_RoundTrip_NeverGains(uint256 base, uint256 slope, uint256 supply, uint256 amount) public {
        VendorToken token = issue(bound(base, 1, 1e20), bound(slope, 0, 1e18));
        allow(token);
        buy(token, bound(supply, 1, 500e18));
        amount = bound(amount, 1, 500e18);
        uint256 before = _eai.balanceOf(_alice);
        uint256 cost = buy(token, amount);
        assertTrue(held(token) >= token.liability(), "covered");
        uint256 payout = redeem(token, amount);
        assertAtMost(payout, cost, "never more than it cost");
        assertAtMost(cost - payout, 4, "and wei less");
        assertAtMost(_eai.balanceOf(_alice), before, "no gain");
        assertTrue(held(token) >= token.liability(), "covered");
    }

    function testFuzz_Splitting_NeverGains(uint256 base, uint256 slope, uint256 whole, uint256 part) public {
        (base, slope) = (bound(base, 1, 1e20), bound(slope, 0, 1e18));
        (VendorToken one, VendorToken two) = (issue(base, slope), issue(base, slope));
        allow(one);
        allow(two);
        whole = bound(whole, 2, 500e18);
        part = bound(part, 1, whole - 1);
        uint256 atOnce = buy(one, whole);
        uint256 inParts = buy(two, part) + buy(two, whole - part);
        assertTrue(inParts >= atOnce, "buying in parts is no cheaper");
        atOnce = redeem(one, whole);
        inParts = redeem(two, part) + redeem(two, whole - part);
        assertTrue(inParts <= atOnce, "redeeming in parts pays no more");
    }

    function testFuzz_Cost_IsTheArea(uint256 base, uint256 slope, uint256 supply, uint256 amount) public {
        (base, slope) = (bound(base, 1, 1e20), bound(slope, 0, 1e18));
        VendorToken token = issue(base, slope);
        allow(token);
        supply = bound(supply, 1, 500e18);
        amount = bound(amount, 1, 500e18);
        buy(token, supply);
        // twice the area, in 36 more decimals: base x d x 2e18 + slope x ((s + d)^2 - s^2)
        uint256 area = base * amount * 2e18 + slope * ((supply + amount) ** 2 - supply ** 2);
        uint256 cost = token.costOf(amount);
        assertTrue(cost * 2e36 >= area && cost * 2e36 <= area + 4 * 2e36, "rounded up, by wei");
        buy(token, amount);
        uint256 payout = token.payoutOf(amount);
        assertTrue(payout * 2e36 <= area && (payout + 4) * 2e36 >= area, "rounded down, by wei");
    }

    function test_Limits_DoNotOverflow() public {
        VendorToken token = this.make(address(_eai), _vendor, 2 ** 96 - 1, 2 ** 96 - 1);
        uint256 cost = token.costOf(2 ** 96 - 1);
        assertTrue(cost > 2_500_000_000e18, "more than all EAI there is");
        vm.expectRevert();
        token.costOf(type(uint256).max);
    }

    // ------------------------------------------------------------------------------------------- invariants

    /// @notice Read by forge: what the fuzzer may call.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](4);
        selectors[0] = _handler.buy.selector;
        selectors[1] = _handler.redeem.selector;
        selectors[2] = _handler.send.selector;
        selectors[3] = _handler.donate.selector;
        targets[0] = FuzzSelector({addr: address(_handler), selectors: selectors});
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_TokenIsFullyReserved() public view {
        for (uint256 i = 0; i < 3; ++i) {
            VendorToken token = _handler.tokenAt(i);
            uint256 inIt = _handler.cameIn(i) - _handler.wentOut(i);
            assertEq(held(token), inIt + _handler.donated(i), "held is what came in less what went out");
            assertTrue(inIt >= token.liability(), "liabilities are covered without gifts");
            uint256 sum = 0;
            for (uint256 who = 0; who < 3; ++who) {
                sum += token.balanceOf(_handler.person(who));
            }
            assertEq(token.totalSupply(), sum, "every token is somebody's");
        }
    }

    function afterInvariant() external {
        for (uint256 i = 0; i < 3; ++i) {
            VendorToken token = _handler.tokenAt(i);
            for (uint256 who = 0; who < 3; ++who) {
                address person = _handler.person(who);
                uint256 all = token.balanceOf(person);
                if (all == 0) continue;
                vm.prank(person);
                token.redeem(all, 0, person);
            }
            assertEq(token.totalSupply(), 0, "all is redeemed");
            assertTrue(held(token) >= _handler.donated(i), "and the reserve sufficed");
        }
    }
}
