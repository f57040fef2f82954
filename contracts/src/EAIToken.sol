// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @notice One line of the genesis allocation.
/// @param recipient Who receives the tokens at deployment.
/// @param amount How many, in wei of EAI (18 decimals).
struct GenesisAllocation {
    address recipient;
    uint256 amount;
}

/// @title EAIToken
/// @notice EAI, an ERC-20 with permit (ERC-2612). The whole supply exists from the constructor on.
/// @dev There is no owner, no minter, no burner and no hook: after the constructor only balances and allowances move.
contract EAIToken is ERC20, ERC20Permit {
    /// @notice All EAI that will ever exist, in wei: 2.5 billion.
    uint256 public constant SUPPLY = 2_500_000_000e18;

    /// @notice The allocation doesn't sum to {SUPPLY}.
    /// @param sum What it sums to, in wei.
    error GenesisSumMismatch(uint256 sum);

    /// @notice A line of the allocation gives nothing; the list is meant to be read, so it holds no empty lines.
    /// @param index The line, from 0.
    error GenesisAmountZero(uint256 index);

    /// @param genesis Who receives what; must sum to {SUPPLY} exactly. A recipient may appear more than once.
    constructor(GenesisAllocation[] memory genesis) ERC20("EAI", "EAI") ERC20Permit("EAI") {
        for (uint256 i = 0; i < genesis.length; ++i) {
            if (genesis[i].amount == 0) revert GenesisAmountZero(i);
            _mint(genesis[i].recipient, genesis[i].amount);
        }
        if (totalSupply() != SUPPLY) revert GenesisSumMismatch(totalSupply());
    }
}
