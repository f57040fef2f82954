// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @dev The token's constructor argument, as in src/EAIToken.sol.
struct GenesisAllocation {
    address recipient;
    uint256 amount;
}

/// @notice The token as tests see it. They deploy its artifact, and don't import its source: see foundry.toml.
interface IEAIToken is IERC20Metadata, IERC20Permit {
    error GenesisSumMismatch(uint256 sum);
    error GenesisAmountZero(uint256 index);

    function SUPPLY() external view returns (uint256);
}
