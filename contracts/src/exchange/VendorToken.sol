// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IVendorToken} from "../interfaces/IVendorToken.sol";

/// @title VendorToken
/// @notice A vendor's currency, fully reserved in EAI. See {IVendorToken}.
/// @dev No owner, no fee, no pause, no way to take EAI out but {redeem}. EAI sent here without buying only adds to the reserve.
contract VendorToken is IVendorToken, ERC20Permit {
    using SafeERC20 for IERC20;

    /// @inheritdoc IVendorToken
    uint256 public constant MAX_SUPPLY = type(uint96).max;
    uint256 private constant WHOLE = 1e18;

    IERC20 private immutable _eai;
    /// @inheritdoc IVendorToken
    address public immutable VENDOR;
    /// @inheritdoc IVendorToken
    uint256 public immutable BASE;
    /// @inheritdoc IVendorToken
    uint256 public immutable SLOPE;

    /// @param eai What it is redeemed in.
    /// @param vendor Who issues it.
    /// @param name_ Its name.
    /// @param symbol_ Its symbol.
    /// @param base The price of the first whole token.
    /// @param slope By how much a whole token raises the price of the next.
    constructor(address eai, address vendor, string memory name_, string memory symbol_, uint256 base, uint256 slope)
        ERC20(name_, symbol_)
        ERC20Permit(name_)
    {
        if (eai.code.length == 0 || vendor == address(0)) revert BadReceiver();
        if (base > type(uint96).max || slope > type(uint96).max || base + slope == 0) revert BadCurve();
        _eai = IERC20(eai);
        (VENDOR, BASE, SLOPE) = (vendor, base, slope);
    }

    /// @inheritdoc IVendorToken
    function buy(uint256 amount, uint256 most, address to) external returns (uint256) {
        return _buy(amount, most, to);
    }

    /// @inheritdoc IVendorToken
    function buyWithPermit(uint256 amount, uint256 most, address to, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint256)
    {
        // A permit is public once sent and anyone may use it up: what counts is the allowance that it left.
        try IERC20Permit(address(_eai)).permit(msg.sender, address(this), most, deadline, v, r, s) {} catch {}
        return _buy(amount, most, to);
    }

    /// @inheritdoc IVendorToken
    function redeem(uint256 amount, uint256 least, address to) external returns (uint256 payout) {
        if (to == address(0) || to == address(this)) revert BadReceiver();
        if (amount == 0 || amount > totalSupply()) revert BadAmount();
        payout = payoutOf(amount);
        if (payout < least) revert PaysLess(payout);
        _burn(msg.sender, amount);
        emit Redeemed(msg.sender, to, amount, payout);
        _eai.safeTransfer(to, payout);
    }

    /// @inheritdoc IVendorToken
    function costOf(uint256 amount) public view returns (uint256) {
        uint256 supply = totalSupply();
        return _worth(supply + amount, Math.Rounding.Ceil) - _worth(supply, Math.Rounding.Floor);
    }

    /// @inheritdoc IVendorToken
    function payoutOf(uint256 amount) public view returns (uint256) {
        uint256 supply = totalSupply();
        uint256 before = _worth(supply, Math.Rounding.Floor);
        uint256 rest = _worth(supply - amount, Math.Rounding.Ceil);
        // rounded against each other, the two may cross by a wei
        return before > rest ? before - rest : 0;
    }

    /// @inheritdoc IVendorToken
    function liability() external view returns (uint256) {
        return _worth(totalSupply(), Math.Rounding.Floor);
    }

    /// @inheritdoc IVendorToken
    function EAI() external view returns (address) {
        return address(_eai);
    }

    /// @dev Takes exactly what it costs, then makes the tokens.
    function _buy(uint256 amount, uint256 most, address to) private returns (uint256 cost) {
        if (amount == 0 || amount > MAX_SUPPLY - totalSupply()) revert BadAmount();
        cost = costOf(amount);
        if (cost > most) revert CostsMore(cost);
        _mint(to, amount);
        emit Bought(msg.sender, to, amount, cost);
        uint256 before = _eai.balanceOf(address(this));
        _eai.safeTransferFrom(msg.sender, address(this), cost);
        if (_eai.balanceOf(address(this)) != before + cost) revert TransferMismatch();
    }

    /// @dev V of `supply`. Can't overflow: all three figures are below 2^96.
    function _worth(uint256 supply, Math.Rounding rounding) private view returns (uint256) {
        return
            Math.mulDiv(BASE, supply, WHOLE, rounding)
                + Math.mulDiv(SLOPE * supply, supply, 2 * WHOLE * WHOLE, rounding);
    }
}
