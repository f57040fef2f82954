// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "./IDisputes.sol";
import {IEscrow} from "./IEscrow.sol";
import {INodeRegistry} from "./INodeRegistry.sol";

/// @title IEmissionController
/// @notice Releases EAI from a fixed vault for work that was paid for, and attested by others than hub and node.
/// @dev Epoch e ends at `T = START + (e + 1) x EPOCH`. Fees of e are recorded until T + WINDOW and verifiers attest from T until
/// then; nodes are weighed from T + WINDOW to T + 2 x WINDOW; from then on they are allotted, once and for all.
///
/// A node's weight is `w = min(fee accrued in e, R x attested time)`; it is allotted `min(3w, budget x w / total w)`, so that
/// mined to fee is 3 : 1 while the budget allows and never more. What isn't allotted stays in the vault. The verifiers whose
/// reports came within a tenth of the time that counted share a small part of what the node mined, out of the same budget and
/// besides it.
interface IEmissionController {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice What is known of an epoch.
    /// @param seed What its committees are drawn by; 0 until it is fixed.
    /// @param rate R, in wei per unit-hour; 0 until the first weighing.
    /// @param pot What nodes are allotted in all, at most; 0 until the first allotment.
    /// @param weight The sum of weights.
    /// @param potFixed Whether `pot` is fixed.
    struct Epoch {
        bytes32 seed;
        uint96 rate;
        uint96 pot;
        bool potFixed;
        uint256 weight;
    }

    /// @notice A node's part of an epoch.
    /// @param fee Wei of fees accrued and paid.
    /// @param time Unit-milliseconds that the fees were for.
    /// @param weight w.
    /// @param attested The attested unit-milliseconds that it was weighed with.
    /// @param weighed Whether it was weighed.
    /// @param allotted Whether it was allotted.
    /// @param mined Wei allotted.
    /// @param claimed Wei paid out.
    /// @param forfeited Wei of `mined` that a verdict took.
    struct Share {
        uint128 fee;
        uint128 time;
        uint96 weight;
        uint48 attested;
        bool weighed;
        bool allotted;
        uint96 mined;
        uint96 claimed;
        uint96 forfeited;
    }

    /// @notice What a verifier attested.
    /// @param verifier Who.
    /// @param time The node's unit-milliseconds; in a split the sum of its leaves.
    /// @param isPaid Whether its reward was claimed.
    /// @param split How the time divides among devices: a Merkle root, or 0.
    struct Report {
        address verifier;
        uint88 time;
        bool isPaid;
        bytes32 split;
    }

    /// @notice How much of a lease was counted.
    /// @param paid Wei of its payments.
    /// @param until Up to when.
    struct Counted {
        uint96 paid;
        uint40 until;
    }

    // ----------------------------------------------------------------------------------------------- events

    /// @notice `fee` of a lease counts for the node in `epoch`.
    event FeeRecorded(address indexed node, uint256 indexed epoch, bytes32 indexed leaseId, uint256 fee);
    /// @notice The committees of `epoch` are drawn by `seed`.
    event SeedFixed(uint256 indexed epoch, bytes32 seed);
    /// @notice `verifier` attests that the node worked for so many unit-milliseconds, divided among its devices by `split`.
    event Attested(address indexed node, uint256 indexed epoch, address indexed verifier, uint256 time, bytes32 split);
    /// @notice R of `epoch` is fixed.
    event RateFixed(uint256 indexed epoch, uint256 rate);
    /// @notice The node was weighed: with `fee`, `attested` time, and what came of it.
    event Weighed(address indexed node, uint256 indexed epoch, uint256 fee, uint256 attested, uint256 weight);
    /// @notice What `epoch` allots to nodes in all, at most.
    event PotFixed(uint256 indexed epoch, uint256 pot);
    /// @notice The node was allotted `mined`, which vests from now on.
    event Allotted(address indexed node, uint256 indexed epoch, uint256 mined);
    /// @notice `amount` went to the node's owner.
    event Claimed(address indexed node, uint256 indexed epoch, address indexed owner, uint256 amount);
    /// @notice `amount` went to the verifier's owner, for what it attested of the node.
    event RewardClaimed(
        address indexed node, uint256 indexed epoch, address indexed verifier, address owner, uint256 amount
    );
    /// @notice A verdict took `amount` of the node's allotment, or of the verifier's rewards, back into the vault.
    event Forfeited(address indexed node, uint256 indexed epoch, uint256 amount);
    /// @notice R may not be above `ceiling`.
    event CeilingSet(uint256 ceiling);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice A parameter of the deployment makes no sense.
    error BadParameter();
    /// @notice A zero address.
    error ZeroAddress();
    /// @notice Not the time of the epoch for this.
    error WrongPhase();
    /// @notice Only the node or its owner.
    error NotTheNode();
    /// @notice No such node, or it has left.
    error NotANode();
    /// @notice The lease isn't the caller's node's, or was never opened.
    error NotYourLease(bytes32 leaseId);
    /// @notice More than can be worked on at once.
    error BatchTooLarge();
    /// @notice The caller wasn't drawn for this node and epoch.
    error NotDrawn();
    /// @notice The caller attested this before.
    error AlreadyAttested();
    /// @notice The node was weighed before.
    error AlreadyWeighed();
    /// @notice The node was allotted before, or never weighed.
    error NothingToAllot();
    /// @notice Nothing has vested that wasn't claimed.
    error NothingVested();
    /// @notice The verifier didn't attest this, or not what counted, or the node mined nothing, or the reward was claimed.
    error NoReward();
    /// @notice A case against the node, or the verifier, is open for this epoch.
    error CaseOpen();
    /// @notice Only the court.
    error NotDisputes();
    /// @notice Only the timelock.
    error NotTimelock();

    // ------------------------------------------------------------------------------------------------ calls

    /// @notice Counts what leases of the calling node, or of `node` if the caller owns it, accrued since they were counted last.
    /// @dev Fees are spread evenly over the time since; the parts that lie in epochs whose recording is over don't count. No more
    /// counts than that time costs, so vouchers that were held back gain nothing. Leases paid by node or owner don't count.
    function record(address node, IEscrow.LeaseTerms[] calldata leases) external;

    /// @notice Fixes what committees of an ended epoch are drawn by. Anyone may; do it at once.
    function fixSeed(uint256 epoch) external returns (bytes32 seed);

    /// @notice Attests how many unit-milliseconds of accelerator time the node gave in the epoch. Only verifiers that were drawn.
    /// @param split 0, or the Merkle root of how `time` divides among the node's devices: a leaf is the double hash of
    /// `abi.encode(bytes32 hardwareId, uint256 time)`, in OpenZeppelin's convention; the leaves' times sum to `time`.
    function attest(address node, uint256 epoch, uint256 time, bytes32 split) external;

    /// @notice Weighs a node. Anyone may.
    function weigh(address node, uint256 epoch) external returns (uint256 weight);

    /// @notice Allots a weighed node its part. Anyone may.
    function allot(address node, uint256 epoch) external returns (uint256 mined);

    /// @notice Sends what has vested to the node's owner. Anyone may.
    function claim(address node, uint256 epoch) external returns (uint256 amount);

    /// @notice Sends the verifier's owner the reward for what it attested of the node, once all that the node was allotted has
    /// vested. Where a verdict found the verifier guilty in that epoch, the reward stays in the vault. Anyone may.
    function claimReward(address node, uint256 epoch, address verifier) external returns (uint256 amount);

    /// @notice Takes `bps` of what the node didn't claim back into the vault, or, of a verifier, all rewards of that epoch that it
    /// hasn't claimed. Only the court.
    function forfeit(address node, uint256 epoch, uint256 bps) external returns (uint256 amount);

    /// @notice Sets the highest R there may be. Only the timelock.
    function setCeiling(uint256 ceiling) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice The epoch of `time`.
    function epochAt(uint256 time) external view returns (uint256);

    /// @notice When `epoch` ends.
    function endOf(uint256 epoch) external view returns (uint256);

    /// @notice What is known of an epoch.
    function epochs(uint256 epoch) external view returns (Epoch memory);

    /// @notice A node's part of an epoch.
    function shareOf(address node, uint256 epoch) external view returns (Share memory);

    /// @notice Who is drawn to attest for a node; nobody for one that registered after the epoch's end.
    function committee(address node, uint256 epoch) external view returns (address[] memory);

    /// @notice What M of the N drawn agree on: the highest time that so many attest at least.
    function attested(address node, uint256 epoch) external view returns (uint256);

    /// @notice What was attested of a node.
    function reportsOf(address node, uint256 epoch) external view returns (Report[] memory);

    /// @notice How M of the N drawn agree that the node's time divides among its devices: a Merkle root as in {attest} and the sum
    /// of its leaves; zeros if they don't agree on both.
    function splitOf(address node, uint256 epoch) external view returns (bytes32 root, uint256 total);

    /// @notice What each verifier whose report was within a tenth of the time that counted gets, besides what the node mined.
    function rewardOf(address node, uint256 epoch) external view returns (uint256);

    /// @notice Whether a verdict found the verifier guilty of something in `epoch`, so that it gets no reward for it.
    function isGuilty(address verifier, uint256 epoch) external view returns (bool);

    /// @notice The most that `epoch` may allot, to nodes and their verifiers, by the schedule.
    function budgetOf(uint256 epoch) external view returns (uint256);

    /// @notice What all epochs together may allot, by the schedule.
    function scheduleSum() external view returns (uint256);

    /// @notice What `node` mined in the epochs that trail `epoch`, or can be allotted for them.
    function trailingMined(address node, uint256 epoch) external view returns (uint256);

    /// @notice What can be claimed now.
    function vested(address node, uint256 epoch) external view returns (uint256);

    /// @notice What is allotted, or set aside to be, to nodes and their verifiers, and neither claimed nor forfeited.
    function reserved() external view returns (uint256);

    /// @notice Whose leases count.
    function ESCROW() external view returns (IEscrow);

    /// @notice Nodes and verifiers.
    function REGISTRY() external view returns (INodeRegistry);

    /// @notice The court.
    function DISPUTES() external view returns (IDisputes);

    /// @notice Seconds of a phase.
    function WINDOW() external view returns (uint256);

    /// @notice Which part of what a node mined its verifiers get besides, in all.
    function REWARD_BPS() external view returns (uint256);
}
