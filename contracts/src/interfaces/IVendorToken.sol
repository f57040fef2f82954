// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IVendorToken
/// @notice A vendor's currency: bought with EAI and redeemed for EAI along one curve, by anyone, at any time.
/// @dev The price of the next whole token is `BASE + SLOPE x supply`, in wei of EAI; a slope of 0 is a fixed rate. A supply of s
/// is worth `V(s) = BASE x s + SLOPE x s^2 / 2`, with s in whole tokens. Buying costs the rise of V rounded up, redeeming
/// pays its fall rounded down, so what is held is never below V of the supply.
interface IVendorToken {
    /// @notice `amount` tokens were made for `to`, for `cost` wei of EAI of `from`.
    event Bought(address indexed from, address indexed to, uint256 amount, uint256 cost);
    /// @notice `amount` tokens of `from` were redeemed for `payout` wei of EAI, sent to `to`.
    event Redeemed(address indexed from, address indexed to, uint256 amount, uint256 payout);

    /// @notice A parameter is beyond what can be counted, or a token without any price.
    error BadCurve();
    /// @notice An amount of zero, or beyond {MAX_SUPPLY}.
    error BadAmount();
    /// @notice A zero address, or the token itself, where EAI would go.
    error BadReceiver();
    /// @notice It costs more than the caller would pay.
    error CostsMore(uint256 cost);
    /// @notice It pays less than the caller wants.
    error PaysLess(uint256 payout);
    /// @notice EAI moved another amount than asked.
    error TransferMismatch();

    /// @notice Makes `amount` tokens for `to`, for {costOf} wei of the caller's EAI, at most `most`. Needs an allowance.
    function buy(uint256 amount, uint256 most, address to) external returns (uint256 cost);

    /// @notice {buy} with an ERC-2612 permit of EAI for `most`. A permit that somebody else presented first does no harm.
    function buyWithPermit(uint256 amount, uint256 most, address to, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint256 cost);

    /// @notice Redeems `amount` of the caller's tokens for {payoutOf} wei of EAI, at least `least`, sent to `to`. Nothing can
    /// pause this.
    function redeem(uint256 amount, uint256 least, address to) external returns (uint256 payout);

    /// @notice What buying `amount` costs now.
    function costOf(uint256 amount) external view returns (uint256);

    /// @notice What redeeming `amount` pays now; `amount` is at most the supply.
    function payoutOf(uint256 amount) external view returns (uint256);

    /// @notice What redeeming all tokens would pay: never above what is held.
    function liability() external view returns (uint256);

    /// @notice Who issued it. It has no rights here.
    function VENDOR() external view returns (address);

    /// @notice What it is redeemed in.
    function EAI() external view returns (address);

    /// @notice The price of the first whole token, in wei of EAI.
    function BASE() external view returns (uint256);

    /// @notice By how many wei of EAI a whole token raises the price of the next.
    function SLOPE() external view returns (uint256);

    /// @notice The most tokens there may be, in their smallest unit.
    function MAX_SUPPLY() external view returns (uint256);
}
