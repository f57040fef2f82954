// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VendorToken} from "./VendorToken.sol";

/// @title VendorTokenFactory
/// @notice Issues vendors' currencies and knows which are real: whoever is paid in one asks {isIssued}.
/// @dev No owner. Anyone may issue; a name is no promise about who the vendor is.
contract VendorTokenFactory {
    /// @notice The most bytes of a name.
    uint256 public constant MAX_NAME = 64;
    /// @notice The most bytes of a symbol.
    uint256 public constant MAX_SYMBOL = 16;

    /// @notice What all of them are redeemed in.
    address public immutable EAI;

    /// @notice Whether a token was issued here, and so is a {VendorToken}.
    mapping(address token => bool) public isIssued;
    /// @notice Every token that was issued here, in order.
    address[] public issued;

    /// @notice `vendor` issued `token`.
    event Issued(
        address indexed vendor, address indexed token, string name, string symbol, uint256 base, uint256 slope
    );

    /// @notice EAI's address holds no contract.
    error NoToken();
    /// @notice A name or symbol that is empty or too long.
    error BadName();

    /// @param eai What all of them are redeemed in.
    constructor(address eai) {
        if (eai.code.length == 0) revert NoToken();
        EAI = eai;
    }

    /// @notice Issues a currency of the caller's, with no tokens in it. `slope` 0 is a fixed rate of `base` wei for a whole token;
    /// otherwise each whole token raises the price of the next by `slope` wei.
    function issue(string calldata name, string calldata symbol, uint256 base, uint256 slope)
        external
        returns (address token)
    {
        if (bytes(name).length == 0 || bytes(name).length > MAX_NAME) revert BadName();
        if (bytes(symbol).length == 0 || bytes(symbol).length > MAX_SYMBOL) revert BadName();
        token = address(new VendorToken(EAI, msg.sender, name, symbol, base, slope));
        isIssued[token] = true;
        issued.push(token);
        emit Issued(msg.sender, token, name, symbol, base, slope);
    }

    /// @notice How many were issued.
    function count() external view returns (uint256) {
        return issued.length;
    }
}
