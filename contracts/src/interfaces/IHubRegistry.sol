// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IHubRegistry
/// @notice Which generation of a hub goes on, and who has it. A hub that was restored from a backup raises its generation here
/// before it begins anything, so that it and whoever still runs on the older record know of each other.
/// @dev Holds no money. Nobody owns it, and nothing else reads it.
interface IHubRegistry {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice Who goes on as a hub.
    /// @param generation The generation; 0 if the hub was never here.
    /// @param holder A random word that the hub wrote into its own record before it raised the generation: two hubs that were
    /// restored from the same backup tell by it which of them this is.
    struct Tenure {
        uint64 generation;
        bytes32 holder;
    }

    // ----------------------------------------------------------------------------------------------- events

    /// @notice The hub goes on as `generation`.
    /// @param hubKey The hub's key.
    /// @param generation The generation.
    /// @param holder Who has it.
    event GenerationRaised(address indexed hubKey, uint64 indexed generation, bytes32 holder);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice The generation isn't above the present one, or is too far above it.
    /// @param current The present one.
    /// @param highest The highest that it may be raised to now.
    error GenerationOutOfRange(uint64 current, uint64 highest);

    /// @notice A tenure without a holder is nobody's.
    error NoHolder();

    // ------------------------------------------------------------------------------------------------ calls

    /// @notice By how much a generation may be raised at once, so that whoever has the key for a while can't use up all numbers.
    /// @return The most: 2 ** 40.
    function MAX_STEP() external view returns (uint64);

    /// @notice Who goes on as the hub with this key; all zero if it was never here.
    /// @param hubKey The hub's key.
    /// @return Its tenure.
    function tenureOf(address hubKey) external view returns (Tenure memory);

    /// @notice Goes on as `generation` of the hub whose key sends this.
    /// @param generation Above the present one, by {MAX_STEP} at most.
    /// @param holder What the hub wrote into its record; not zero.
    function raise(uint64 generation, bytes32 holder) external;
}
