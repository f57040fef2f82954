// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IFoundationTimelock
/// @notice What the foundation decides by: each decision is public for three days at least before anybody can carry it out.
/// @dev OpenZeppelin's TimelockController does the scheduling; this is what is different. There, one decision can lower the delay
/// to nothing or make anybody its administrator. Here the delay has a floor and a roof, and roles move in one way only: to a
/// new foundation that the old one's decision named and that took them itself.
interface IFoundationTimelock {
    // ----------------------------------------------------------------------------------------------- events

    /// @notice `to` may become the foundation until `until`.
    event HandoverOffered(address indexed to, uint256 until);
    /// @notice The offer to `to` is void.
    event HandoverRetracted(address indexed to);
    /// @notice The foundation was `from` and is `to`.
    event HandedOver(address indexed from, address indexed to);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice A delay below {MIN_DELAY} or above {MAX_DELAY}.
    error BadDelay();
    /// @notice The zero address, the timelock itself, or who is the foundation already.
    error BadFoundation();
    /// @notice Roles aren't granted, revoked or renounced here, by nobody: they are handed over.
    error RolesAreHandedOver();
    /// @notice There is no offer, it is another's, or its time is over.
    error NoHandover();
    /// @notice Only the timelock or the foundation.
    error NotTheFoundation();

    // ------------------------------------------------------------------------------------------------ calls

    /// @notice Offers the foundation's roles to `to`, for {ACCEPTANCE}; an earlier offer is void. Only by a decision.
    function offerHandover(address to) external;

    /// @notice Takes the roles that were offered to the caller. Who had them has none any more. What it had scheduled stays
    /// scheduled; the new foundation can cancel it.
    function acceptHandover() external;

    /// @notice Voids the offer. The foundation at once, or a decision.
    function retractHandover() external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice Who proposes and cancels. Anyone carries out what was decided.
    function foundation() external view returns (address);

    /// @notice To whom the roles are offered; the zero address for nobody.
    function heir() external view returns (address);

    /// @notice Until when the heir may accept.
    function acceptBy() external view returns (uint256);

    /// @notice The least delay there may ever be.
    function MIN_DELAY() external view returns (uint256);

    /// @notice The greatest, so that no decision is the last one.
    function MAX_DELAY() external view returns (uint256);

    /// @notice How long an offer stands.
    function ACCEPTANCE() external view returns (uint256);

    /// @notice For how long a decision can be carried out once it is ready. Later it is as if it had never been scheduled.
    function GRACE() external view returns (uint256);
}
