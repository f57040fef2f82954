// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IDisputes} from "../interfaces/IDisputes.sol";
import {IEmissionController} from "../interfaces/IEmissionController.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {Accrual} from "../libraries/Accrual.sol";
import {Prices} from "../libraries/Prices.sol";
import {Attestation} from "./Attestation.sol";

/// @title EmissionController
/// @notice The vault, and what it releases. See {IEmissionController}.
/// @dev No owner. The timelock moves one figure, the ceiling of R. Tokens leave by {claim} and {claimReward} alone, to the
/// owners of nodes and verifiers.
///
/// Everything is counted in favour of the vault: shares of fees, weights and allotments are rounded down, and R is the floor of
/// the median's bucket.
contract EmissionController is Attestation {
    using SafeERC20 for IERC20;
    using Prices for Prices.Histogram;

    /// @notice What it is deployed with.
    /// @param token EAI.
    /// @param escrow Whose leases count.
    /// @param registry Nodes and verifiers.
    /// @param disputes The court.
    /// @param timelock Who may set the ceiling; with a delay of {MIN_DELAY} at least.
    /// @param start When epoch 0 begins.
    /// @param epoch Seconds of an epoch; more than two windows.
    /// @param window Seconds of a phase.
    /// @param vesting Seconds over which an allotment vests.
    /// @param firstBudget What each epoch of the first era may allot.
    /// @param era Epochs after which the budget halves.
    /// @param initialRate R of the first epoch.
    /// @param ceiling The highest R.
    /// @param drawn N: how many verifiers are drawn for a node.
    /// @param quorum M: how many of them must attest a time for it to count; more than half.
    /// @param stakeBps Which part of what a node mined in the trailing epochs it must have at stake.
    /// @param rewardBps Which part of what a node mined its verifiers get besides, in all; {MAX_REWARD_BPS} at most.
    struct Parameters {
        address token;
        address escrow;
        address registry;
        address disputes;
        address payable timelock;
        uint256 start;
        uint256 epoch;
        uint256 window;
        uint256 vesting;
        uint256 firstBudget;
        uint256 era;
        uint256 initialRate;
        uint256 ceiling;
        uint256 drawn;
        uint256 quorum;
        uint256 stakeBps;
        uint256 rewardBps;
    }

    /// @notice The least delay of the timelock.
    uint256 public constant MIN_DELAY = 72 hours;
    /// @notice The most leases in a call.
    uint256 public constant MAX_BATCH = 64;
    /// @notice How many epochs trail another, for the median price and the stake.
    uint256 public constant TRAIL = 7;
    /// @notice How much is mined for each wei of weight, at most.
    uint256 public constant MULTIPLE = 3;
    /// @notice The most that {REWARD_BPS} may be.
    uint256 public constant MAX_REWARD_BPS = 1000;

    uint256 private constant BPS = 10_000;
    uint256 private constant UNIT_MS_PER_UNIT_HOUR = 3600 * MS;

    IERC20 private immutable _token;
    /// @inheritdoc IEmissionController
    IEscrow public immutable ESCROW;
    /// @inheritdoc IEmissionController
    IDisputes public immutable DISPUTES;
    /// @notice Who may set the ceiling.
    address public immutable TIMELOCK;
    /// @notice Seconds over which an allotment vests.
    uint256 public immutable VESTING;
    /// @notice What each epoch of the first era may allot.
    uint256 public immutable FIRST_BUDGET;
    /// @notice Epochs after which the budget halves.
    uint256 public immutable ERA;
    /// @notice Which part of what a node mined in the trailing epochs it must have at stake.
    uint256 public immutable STAKE_BPS;
    /// @inheritdoc IEmissionController
    uint256 public immutable REWARD_BPS;
    /// @dev For how long after its end work counts in a closing lease.
    uint256 private immutable _NOTICE;

    /// @notice The highest R.
    uint256 public ceiling;
    /// @notice The last R that was fixed.
    uint256 public lastRate;
    /// @inheritdoc IEmissionController
    uint256 public reserved;
    /// @inheritdoc IEmissionController
    mapping(address verifier => mapping(uint256 epoch => bool)) public isGuilty;

    mapping(uint256 epoch => Prices.Histogram) private _prices;
    mapping(uint256 epoch => mapping(address node => Share)) private _shares;
    mapping(bytes32 leaseId => Counted) private _counted;

    constructor(Parameters memory p) Attestation(p.registry, p.start, p.epoch, p.window, p.drawn, p.quorum) {
        if (p.token == address(0) || p.disputes == address(0)) revert ZeroAddress();
        if (p.vesting == 0 || p.rewardBps > MAX_REWARD_BPS) revert BadParameter();
        if (p.firstBudget == 0 || p.era == 0 || p.firstBudget > type(uint88).max) revert BadParameter();
        if (p.initialRate == 0 || p.initialRate > p.ceiling || p.ceiling > type(uint96).max) revert BadParameter();
        if (TimelockController(p.timelock).getMinDelay() < MIN_DELAY) revert BadParameter();
        if (IEscrow(p.escrow).TOKEN() != p.token) revert BadParameter();
        _token = IERC20(p.token);
        ESCROW = IEscrow(p.escrow);
        DISPUTES = IDisputes(p.disputes);
        TIMELOCK = p.timelock;
        VESTING = p.vesting;
        (FIRST_BUDGET, ERA, STAKE_BPS, REWARD_BPS) = (p.firstBudget, p.era, p.stakeBps, p.rewardBps);
        _NOTICE = IEscrow(p.escrow).CLOSING_NOTICE();
        (ceiling, lastRate) = (p.ceiling, p.initialRate);
        emit CeilingSet(p.ceiling);
    }

    // ------------------------------------------------------------------------------------------------- fees

    /// @inheritdoc IEmissionController
    function record(address node, IEscrow.LeaseTerms[] calldata leases) external {
        if (leases.length > MAX_BATCH) revert BatchTooLarge();
        address owner = _owner(node);
        if (msg.sender != node && msg.sender != owner) revert NotTheNode();
        uint256 current = epochAt(block.timestamp);
        for (uint256 i = 0; i < leases.length; ++i) {
            IEscrow.LeaseTerms calldata terms = leases[i];
            bytes32 leaseId = ESCROW.leaseIdOf(terms);
            if (terms.provider != node) revert NotYourLease(leaseId);
            // Who pays itself pays nobody.
            if (terms.payer == node || terms.payer == owner) continue;
            _record(node, leaseId, terms, current);
        }
    }

    /// @dev Counts one lease of `node`.
    function _record(address node, bytes32 leaseId, IEscrow.LeaseTerms calldata terms, uint256 current) private {
        IEscrow.Lease memory lease = ESCROW.lease(leaseId);
        if (lease.state == IEscrow.LeaseState.None) revert NotYourLease(leaseId);
        Counted storage counted = _counted[leaseId];
        uint256 from = Math.max(counted.until, lease.openedAt);
        uint256 until = _workedUntil(lease);
        if (until <= from) return;
        // What wasn't paid by now of the time until now will not count: vouchers that are held back gain nothing.
        uint256 fee = Math.min(lease.paid - counted.paid, Accrual.accrued(terms.rate, terms.milliUnits, until - from));
        // A lease never pays more than its hold, which fits.
        // forge-lint: disable-next-line(unsafe-typecast)
        (counted.paid, counted.until) = (uint96(lease.paid), uint40(until));
        // 0 is that there is nothing to spread, not a sum that could be missed by a wei.
        // slither-disable-next-line incorrect-equality
        if (fee == 0) return;
        if (current != 0 && block.timestamp < endOf(current - 1) + WINDOW) {
            _add(node, leaseId, terms.rate, current - 1, fee, from, until);
        }
        _add(node, leaseId, terms.rate, current, fee, from, until);
    }

    /// @dev Adds the part of `fee`, which accrued evenly from `from` to `until`, that lies in `epoch`.
    function _add(address node, bytes32 leaseId, uint256 rate, uint256 epoch, uint256 fee, uint256 from, uint256 until)
        private
    {
        uint256 end = endOf(epoch);
        uint256 low = Math.max(from, end - EPOCH);
        uint256 high = Math.min(until, end);
        if (high <= low) return;
        uint256 part = fee * (high - low) / (until - from);
        // Rounded down to nothing, there is nothing to add.
        // slither-disable-next-line incorrect-equality
        if (part == 0) return;
        Share storage share = _shares[epoch][node];
        // Fees are below 2^96 wei, so their time at a rate of 1 is below 2^118.
        // forge-lint: disable-start(unsafe-typecast)
        share.fee += uint128(part);
        // The time of the part as it counts, rounded down like it.
        // slither-disable-next-line divide-before-multiply
        share.time += uint128(part * UNIT_MS_PER_UNIT_HOUR / rate);
        // forge-lint: disable-end(unsafe-typecast)
        emit FeeRecorded(node, epoch, leaseId, part);
    }

    /// @dev Until when the work of a lease counts: now, or its end.
    function _workedUntil(IEscrow.Lease memory lease) private view returns (uint256) {
        if (lease.endedAt != 0) return lease.endedAt;
        if (lease.closingAt != 0) return Math.min(block.timestamp, lease.closingAt + _NOTICE);
        return block.timestamp;
    }

    // --------------------------------------------------------------------------------------------- allotting

    /// @inheritdoc IEmissionController
    function weigh(address node, uint256 epoch) external returns (uint256 weight) {
        _inPhase(epoch, 1);
        _owner(node);
        Share storage share = _shares[epoch][node];
        if (share.weighed) revert AlreadyWeighed();
        share.weighed = true;
        uint256 rate = _fixRate(epoch);
        uint256 time = attested(node, epoch);
        if (_isStaked(node, epoch)) {
            weight = Math.min(share.fee, Math.mulDiv(rate, time, UNIT_MS_PER_UNIT_HOUR));
        }
        // A price counts by the time that was paid for and attested: by neither alone.
        if (share.time != 0) {
            _prices[epoch].add(_price(share), Math.min(share.time, time));
        }
        // A weight is at most the fee, which is below 2^96; 1024 devices' time in 90 days is below 2^43 ms.
        // forge-lint: disable-next-line(unsafe-typecast)
        (share.weight, share.attested) = (uint96(weight), uint48(time));
        _epochs[epoch].weight += weight;
        emit Weighed(node, epoch, share.fee, time, weight);
    }

    /// @inheritdoc IEmissionController
    function allot(address node, uint256 epoch) external returns (uint256) {
        return _allot(node, epoch);
    }

    /// @inheritdoc IEmissionController
    function claim(address node, uint256 epoch) external returns (uint256 amount) {
        if (DISPUTES.pending(node, epoch) != 0) revert CaseOpen();
        amount = vested(node, epoch);
        // 0 is that there is nothing to pay, not a sum that could be missed by a wei.
        // slither-disable-next-line incorrect-equality
        if (amount == 0) revert NothingVested();
        address owner = REGISTRY.account(node).owner;
        // At most what was mined, which fits.
        // forge-lint: disable-next-line(unsafe-typecast)
        _shares[epoch][node].claimed += uint96(amount);
        reserved -= amount;
        emit Claimed(node, epoch, owner, amount);
        _token.safeTransfer(owner, amount);
    }

    /// @inheritdoc IEmissionController
    function claimReward(address node, uint256 epoch, address verifier) external returns (uint256 amount) {
        if (DISPUTES.pending(verifier, epoch) != 0) revert CaseOpen();
        Report storage report = _unpaid(node, epoch, verifier);
        amount = rewardOf(node, epoch);
        if (block.timestamp < endOf(epoch) + 2 * WINDOW + VESTING) revert NothingVested();
        report.isPaid = true;
        reserved -= amount;
        if (isGuilty[verifier][epoch]) {
            emit Forfeited(verifier, epoch, amount);
            return 0;
        }
        address owner = REGISTRY.account(verifier).owner;
        emit RewardClaimed(node, epoch, verifier, owner, amount);
        _token.safeTransfer(owner, amount);
    }

    /// @dev The report for which `verifier` is still to be paid.
    function _unpaid(address node, uint256 epoch, address verifier) private view returns (Report storage) {
        Share storage share = _shares[epoch][node];
        Report[] storage reports = _reports[epoch][node];
        for (uint256 i = 0; i < reports.length; ++i) {
            Report storage report = reports[i];
            if (report.verifier != verifier) continue;
            if (report.isPaid || share.mined == 0 || !_isNear(report.time, share.attested)) break;
            return report;
        }
        revert NoReward();
    }

    /// @inheritdoc IEmissionController
    function forfeit(address node, uint256 epoch, uint256 bps) external returns (uint256 amount) {
        if (msg.sender != address(DISPUTES)) revert NotDisputes();
        if (REGISTRY.account(node).role == INodeRegistry.Role.Verifier) isGuilty[node][epoch] = true;
        Share storage share = _shares[epoch][node];
        // The guilty don't get around it by leaving the allotting for later.
        if (share.weight != 0 && !share.allotted) _allot(node, epoch);
        amount = (uint256(share.mined) - share.claimed - share.forfeited) * bps / BPS;
        // forge-lint: disable-next-line(unsafe-typecast)
        share.forfeited += uint96(amount);
        reserved -= amount;
        emit Forfeited(node, epoch, amount);
    }

    /// @inheritdoc IEmissionController
    function setCeiling(uint256 ceiling_) external {
        if (msg.sender != TIMELOCK) revert NotTimelock();
        if (ceiling_ == 0 || ceiling_ > type(uint96).max) revert BadParameter();
        ceiling = ceiling_;
        emit CeilingSet(ceiling_);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IEmissionController
    function shareOf(address node, uint256 epoch) external view returns (Share memory) {
        return _shares[epoch][node];
    }

    /// @inheritdoc IEmissionController
    function rewardOf(address node, uint256 epoch) public view returns (uint256) {
        Share storage share = _shares[epoch][node];
        uint256 count = share.mined == 0 ? 0 : _countNear(node, epoch, share.attested);
        return count == 0 ? 0 : _rewards(share.mined) / count;
    }

    /// @inheritdoc IEmissionController
    function budgetOf(uint256 epoch) public view returns (uint256) {
        return FIRST_BUDGET >> Math.min(epoch / ERA, 255);
    }

    /// @inheritdoc IEmissionController
    function scheduleSum() external view returns (uint256 sum) {
        for (uint256 budget = FIRST_BUDGET; budget != 0; budget >>= 1) {
            sum += budget * ERA;
        }
    }

    /// @inheritdoc IEmissionController
    function trailingMined(address node, uint256 epoch) public view returns (uint256 sum) {
        for (uint256 back = 1; back <= TRAIL && back <= epoch; ++back) {
            Share storage share = _shares[epoch - back][node];
            // What isn't allotted yet counts for the most it can become, so that nobody gains by putting it off.
            sum += share.allotted ? share.mined : MULTIPLE * share.weight;
        }
    }

    /// @inheritdoc IEmissionController
    function vested(address node, uint256 epoch) public view returns (uint256) {
        Share memory share = _shares[epoch][node];
        uint256 begin = endOf(epoch) + 2 * WINDOW;
        if (!share.allotted || block.timestamp <= begin) return 0;
        uint256 time = Math.min(block.timestamp - begin, VESTING);
        uint256 total = (uint256(share.mined) - share.forfeited) * time / VESTING;
        return total > share.claimed ? total - share.claimed : 0;
    }

    // --------------------------------------------------------------------------------------------- internal

    /// @dev The owner of `node`, which must be a node that hasn't left.
    function _owner(address node) private view returns (address) {
        INodeRegistry.Account memory account = REGISTRY.account(node);
        if (account.role != INodeRegistry.Role.Node || account.until != 0) revert NotANode();
        return account.owner;
    }

    /// @dev What a node was paid for a unit-hour, on average over the epoch. No lease's rate is beyond 96 bits.
    function _price(Share memory share) private pure returns (uint256) {
        uint256 price = uint256(share.fee) * UNIT_MS_PER_UNIT_HOUR / share.time;
        return Math.min(Math.max(price, 1), type(uint96).max);
    }

    /// @dev Whether the node has at stake what its devices and what it mined lately ask for.
    function _isStaked(address node, uint256 epoch) private view returns (bool) {
        uint256 least = Math.max(REGISTRY.minimumOf(node), trailingMined(node, epoch) * STAKE_BPS / BPS);
        return REGISTRY.account(node).stake >= least;
    }

    /// @dev R of `epoch`: the median of the trailing epochs' median prices, at most a tenth above the last R, and at most the
    /// ceiling. Where nothing was settled, the last R.
    function _fixRate(uint256 epoch) private returns (uint256 rate) {
        rate = _epochs[epoch].rate;
        if (rate != 0) return rate;
        uint256 median = _trailingMedian(epoch);
        rate = median == 0 ? lastRate : Math.min(median, lastRate + Math.max(lastRate / 10, 1));
        rate = Math.min(rate, ceiling);
        lastRate = rate;
        // The ceiling fits.
        // forge-lint: disable-next-line(unsafe-typecast)
        _epochs[epoch].rate = uint96(rate);
        emit RateFixed(epoch, rate);
    }

    /// @dev The median of the medians of the epochs before `epoch` in which anything was settled, the lower of two; or 0.
    function _trailingMedian(uint256 epoch) private view returns (uint256) {
        uint256[] memory sorted = new uint256[](TRAIL);
        uint256 count = 0;
        for (uint256 back = 1; back <= TRAIL && back <= epoch; ++back) {
            uint256 median = _prices[epoch - back].median();
            if (median == 0) continue;
            uint256 place = count++;
            for (; place != 0 && sorted[place - 1] > median; --place) {
                sorted[place] = sorted[place - 1];
            }
            sorted[place] = median;
        }
        return count == 0 ? 0 : sorted[(count - 1) / 2];
    }

    function _allot(address node, uint256 epoch) private returns (uint256 mined) {
        if (block.timestamp < endOf(epoch) + 2 * WINDOW) revert WrongPhase();
        Share storage share = _shares[epoch][node];
        if (share.weight == 0 || share.allotted) revert NothingToAllot();
        share.allotted = true;
        mined = Math.mulDiv(_fixPot(epoch), share.weight, _epochs[epoch].weight);
        // At most three times a fee, and at most the pot, which fits.
        // forge-lint: disable-next-line(unsafe-typecast)
        share.mined = uint96(mined);
        // What nobody earned, and what doesn't divide, stays in the vault.
        reserved -= _rewards(mined) - rewardOf(node, epoch) * _countNear(node, epoch, share.attested);
        emit Allotted(node, epoch, mined);
    }

    /// @dev What verifiers get in all where nodes mined `mined`.
    function _rewards(uint256 mined) private view returns (uint256) {
        return mined * REWARD_BPS / BPS;
    }

    /// @dev What `epoch` allots to nodes, set aside with their verifiers' rewards when the first node is allotted: three times
    /// the weight; or less, so that both are within the budget and what the vault has left.
    function _fixPot(uint256 epoch) private returns (uint256 pot) {
        Epoch storage standing = _epochs[epoch];
        if (standing.potFixed) return standing.pot;
        uint256 most = Math.min(budgetOf(epoch), _token.balanceOf(address(this)) - reserved);
        pot = Math.min(MULTIPLE * standing.weight, most * BPS / (BPS + REWARD_BPS));
        standing.potFixed = true;
        // At most the first budget, which fits.
        // forge-lint: disable-next-line(unsafe-typecast)
        standing.pot = uint96(pot);
        reserved += pot + _rewards(pot);
        emit PotFixed(epoch, pot);
    }
}
