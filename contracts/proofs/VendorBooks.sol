// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EAIToken, GenesisAllocation} from "../src/EAIToken.sol";
import {VendorToken} from "../src/exchange/VendorToken.sol";
import {Symbolic} from "./Symbolic.sol";

/// @notice A vendor's token of any supply, with any reserve that covers it, and what must hold of its calls.
abstract contract VendorBooks is Symbolic {
    address private constant BUYER = address(0xA1);
    address private constant RECEIVER = address(0xB2);

    EAIToken private _eai;
    VendorToken private _token;

    function setUp() public {
        GenesisAllocation[] memory genesis = new GenesisAllocation[](1);
        genesis[0] = GenesisAllocation({recipient: address(this), amount: 2_500_000_000e18});
        _eai = new EAIToken(genesis);
        _token = new VendorToken(address(_eai), address(0xD4), "V", "V", svm.createUint256("base"), slope());
        svm.enableSymbolicStorage(address(_eai));
        svm.enableSymbolicStorage(address(_token));
    }

    /// @dev By how much a whole token raises the price of the next.
    function slope() internal virtual returns (uint256);

    function reserve() private view returns (uint256) {
        return _eai.balanceOf(address(_token));
    }

    /// @dev Covered, and no more EAI in any two accounts than there are.
    function assumeCovered() private view {
        vm.assume(_token.totalSupply() <= type(uint96).max);
        vm.assume(reserve() <= 2_500_000_000e18 && _eai.balanceOf(BUYER) <= 2_500_000_000e18);
        vm.assume(_eai.balanceOf(RECEIVER) <= 2_500_000_000e18);
        vm.assume(_token.liability() <= reserve());
    }

    function buying(uint256 amount) internal {
        assumeCovered();
        vm.prank(BUYER);
        _token.buy(amount, type(uint256).max, RECEIVER);
        assert(_token.liability() <= reserve());
    }

    function redeeming(uint256 amount) internal {
        assumeCovered();
        uint256 owed = _token.liability();
        vm.prank(BUYER);
        _token.redeem(amount, 0, RECEIVER);
        // fewer tokens are worth no more: of the curve, not of the code
        vm.assume(_token.liability() <= owed);
        assert(_token.liability() <= reserve());
    }

    function roundTrip(uint256 amount) internal {
        assumeCovered();
        vm.prank(BUYER);
        uint256 cost = _token.buy(amount, type(uint256).max, BUYER);
        vm.prank(BUYER);
        assert(_token.redeem(amount, 0, RECEIVER) <= cost);
    }
}
