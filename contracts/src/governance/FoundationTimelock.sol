// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {IFoundationTimelock} from "../interfaces/IFoundationTimelock.sol";

/// @title FoundationTimelock
/// @notice The foundation's timelock. See {IFoundationTimelock}.
/// @dev The base makes the timelock its own administrator; since nothing grants or revokes here, that gives nobody anything.
/// No function of the base that changes roles or delay is left as it was: grantRole, revokeRole and renounceRole refuse
/// everybody, the timelock too, and updateDelay is bounded. What is left: schedule and cancel for the foundation, execute for
/// anyone, once it is time. Ether and tokens that are sent here leave like anything else, by a decision.
contract FoundationTimelock is IFoundationTimelock, TimelockController {
    /// @inheritdoc IFoundationTimelock
    uint256 public constant MIN_DELAY = 72 hours;
    /// @inheritdoc IFoundationTimelock
    uint256 public constant MAX_DELAY = 30 days;
    /// @inheritdoc IFoundationTimelock
    uint256 public constant ACCEPTANCE = 7 days;
    /// @inheritdoc IFoundationTimelock
    uint256 public constant GRACE = 30 days;

    /// @inheritdoc IFoundationTimelock
    address public foundation;
    /// @inheritdoc IFoundationTimelock
    address public heir;
    /// @inheritdoc IFoundationTimelock
    uint256 public acceptBy;

    /// @param delay Seconds between a decision and its execution, at least.
    /// @param foundation_ Who proposes and cancels.
    constructor(uint256 delay, address foundation_)
        TimelockController(delay, new address[](0), new address[](0), address(0))
    {
        _checkDelay(delay);
        _checkFoundation(foundation_);
        // Anyone may carry out what was decided: nobody can decide and then sit on it.
        _grantRole(EXECUTOR_ROLE, address(0));
        _appoint(foundation_);
    }

    // ---------------------------------------------------------------------------------------------- handover

    /// @inheritdoc IFoundationTimelock
    function offerHandover(address to) external {
        if (msg.sender != address(this)) revert TimelockUnauthorizedCaller(msg.sender);
        _checkFoundation(to);
        (heir, acceptBy) = (to, block.timestamp + ACCEPTANCE);
        emit HandoverOffered(to, acceptBy);
    }

    /// @inheritdoc IFoundationTimelock
    function acceptHandover() external {
        if (msg.sender != heir || block.timestamp > acceptBy) revert NoHandover();
        address from = foundation;
        _revokeRole(PROPOSER_ROLE, from);
        _revokeRole(CANCELLER_ROLE, from);
        (heir, acceptBy) = (address(0), 0);
        _appoint(msg.sender);
        emit HandedOver(from, msg.sender);
    }

    /// @inheritdoc IFoundationTimelock
    function retractHandover() external {
        if (msg.sender != foundation && msg.sender != address(this)) revert NotTheFoundation();
        address to = heir;
        if (to == address(0)) revert NoHandover();
        (heir, acceptBy) = (address(0), 0);
        emit HandoverRetracted(to);
    }

    // ------------------------------------------------------------------------------ what the base would allow

    /// @notice Changes the delay of later decisions, within its bounds. Only by a decision.
    function updateDelay(uint256 newDelay) public override {
        _checkDelay(newDelay);
        super.updateDelay(newDelay);
    }

    /// @notice Refuses everybody.
    function grantRole(bytes32, address) public pure override {
        revert RolesAreHandedOver();
    }

    /// @notice Refuses everybody.
    function revokeRole(bytes32, address) public pure override {
        revert RolesAreHandedOver();
    }

    /// @notice Refuses everybody: a foundation that left without an heir would leave everything as it is for ever.
    function renounceRole(bytes32, address) public pure override {
        revert RolesAreHandedOver();
    }

    /// @notice The state of a decision; one that nobody carried out in {GRACE} is as if it had never been scheduled.
    function getOperationState(bytes32 id) public view override returns (OperationState state) {
        state = super.getOperationState(id);
        if (state == OperationState.Ready && block.timestamp > getTimestamp(id) + GRACE) state = OperationState.Unset;
    }

    // --------------------------------------------------------------------------------------------- internal

    function _appoint(address to) private {
        foundation = to;
        _grantRole(PROPOSER_ROLE, to);
        _grantRole(CANCELLER_ROLE, to);
    }

    function _checkDelay(uint256 delay) private pure {
        if (delay < MIN_DELAY || delay > MAX_DELAY) revert BadDelay();
    }

    function _checkFoundation(address to) private view {
        if (to == address(0) || to == address(this) || to == foundation) revert BadFoundation();
    }
}
