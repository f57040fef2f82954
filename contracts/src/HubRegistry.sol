// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHubRegistry} from "./interfaces/IHubRegistry.sol";

/// @title HubRegistry
/// @notice See {IHubRegistry}.
contract HubRegistry is IHubRegistry {
    /// @inheritdoc IHubRegistry
    uint64 public constant MAX_STEP = 2 ** 40;

    mapping(address hubKey => Tenure) private _tenures;

    /// @inheritdoc IHubRegistry
    function tenureOf(address hubKey) external view returns (Tenure memory) {
        return _tenures[hubKey];
    }

    /// @inheritdoc IHubRegistry
    function raise(uint64 generation, bytes32 holder) external {
        uint64 current = _tenures[msg.sender].generation;
        uint64 highest = current > type(uint64).max - MAX_STEP ? type(uint64).max : current + MAX_STEP;
        if (generation <= current || generation > highest) revert GenerationOutOfRange(current, highest);
        if (holder == 0) revert NoHolder();
        _tenures[msg.sender] = Tenure(generation, holder);
        emit GenerationRaised(msg.sender, generation, holder);
    }
}
