// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IMiningPool} from "../interfaces/IMiningPool.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";

/// @title PoolStakes
/// @notice Members' stakes behind one node, and how they leave. See {IMiningPool}.
/// @dev Stake is counted in shares of one price, {index}, whether it thaws or not: so a verdict takes the same part of each. The
/// price is never above what the registry has for all shares, and only falls; it is 1 again when nobody has any. What the
/// registry has beyond (gifts, rounding) is nobody's, and bears losses first.
///
/// The registry lets one amount thaw at a time and has all of it wait again with each addition. So exits go in rounds: while one
/// thaws, requests gather for the next.
abstract contract PoolStakes is IMiningPool, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @dev The price at which a share is a wei.
    uint256 internal constant ONE = 1e27;
    /// @notice The price below which nobody can stake any more: figures would become too coarse.
    uint256 public constant MIN_INDEX = 1e18;

    IERC20 internal immutable _token;
    /// @notice Nodes and verifiers.
    INodeRegistry public immutable REGISTRY;

    /// @inheritdoc IMiningPool
    uint256 public minimum;
    /// @inheritdoc IMiningPool
    uint256 public index;
    /// @inheritdoc IMiningPool
    uint256 public totalShares;
    /// @inheritdoc IMiningPool
    uint256 public round;
    /// @inheritdoc IMiningPool
    bool public isThawing;

    /// @inheritdoc IMiningPool
    mapping(address account => uint256) public owed;
    /// @inheritdoc IMiningPool
    mapping(address member => mapping(uint256 number => uint256 shares)) public exitOf;

    mapping(address member => Member) internal _members;
    mapping(uint256 number => Round) private _rounds;

    constructor(IERC20 token, INodeRegistry registry) {
        (_token, REGISTRY) = (token, registry);
    }

    /// @dev What a constructor would do for a clone.
    function _begin(uint256 minimum_) internal {
        (minimum, index) = (minimum_, ONE);
    }

    // ------------------------------------------------------------------------------------------------ exits

    /// @inheritdoc IMiningPool
    function requestExit(uint256 amount) external nonReentrant returns (uint256) {
        uint256 price = _sync();
        Member storage member = _members[msg.sender];
        uint256 stake = _worth(member.shares, price);
        if (amount == type(uint256).max) amount = stake;
        if (amount == 0 || amount > stake) revert BadAmount();
        if (stake - amount < minimum * member.devices) revert StakeTooSmall();
        // Up, and no more than there are: who stays loses nothing by it.
        uint256 shares = Math.min(Math.ceilDiv(amount * ONE, price), member.shares);
        if (amount == stake) shares = member.shares;
        member.shares -= shares.toUint128();
        _rounds[round].shares += shares.toUint128();
        exitOf[msg.sender][round] += shares;
        emit ExitRequested(msg.sender, round, amount, shares);
        return round;
    }

    /// @inheritdoc IMiningPool
    function startRound() external nonReentrant {
        uint256 number = round;
        Round storage starting = _rounds[number];
        if (isThawing || starting.shares == 0 || _isToBeWeighed()) revert CannotStart();
        uint256 amount = _worth(starting.shares, _sync());
        round = number + 1;
        emit RoundStarted(number, amount);
        if (amount == 0) {
            // Verdicts left less than a wei of it.
            totalShares -= starting.shares;
            starting.isDone = true;
            emit RoundFinished(number, 0, 0);
            return;
        }
        isThawing = true;
        REGISTRY.unbond(amount);
    }

    /// @inheritdoc IMiningPool
    function finishRound() external nonReentrant {
        if (!isThawing) revert NotThawing();
        uint256 number = round - 1;
        Round storage ending = _rounds[number];
        uint256 price = _sync();
        uint256 came = REGISTRY.account(address(this)).thawing;
        uint256 paid = Math.min(came, _worth(ending.shares, price));
        uint256 left = 0;
        // A verdict took what thaws first: the rest of what is theirs is still at stake, and must be asked back again.
        if (came < _worth(ending.shares, price)) {
            left = ending.shares - Math.min(Math.ceilDiv(came * ONE, price), ending.shares);
        }
        totalShares -= ending.shares - left;
        (ending.left, ending.paid, ending.isDone) = (left.toUint128(), paid.toUint96(), true);
        isThawing = false;
        emit RoundFinished(number, paid, left);
        if (came != 0) REGISTRY.withdraw(address(this));
    }

    /// @inheritdoc IMiningPool
    function takeExit(address member, uint256 number) external returns (uint256 amount) {
        Round storage over = _rounds[number];
        if (!over.isDone) revert NotThawing();
        uint256 shares = exitOf[member][number];
        if (shares == 0) revert NothingDue();
        exitOf[member][number] = 0;
        // Parts of what is still there, so that the last takes all that is left.
        amount = uint256(over.paid) * shares / over.shares;
        uint256 left = uint256(over.left) * shares / over.shares;
        over.shares -= shares.toUint128();
        over.paid -= amount.toUint96();
        over.left -= left.toUint128();
        _members[member].shares += left.toUint128();
        emit ExitTaken(member, number, amount, left);
        _credit(member, amount);
    }

    /// @inheritdoc IMiningPool
    function withdraw(address to) external returns (uint256 amount) {
        if (to == address(0) || to == address(this)) revert ZeroAddress();
        amount = owed[msg.sender];
        if (amount == 0) revert NothingDue();
        owed[msg.sender] = 0;
        emit Withdrawn(msg.sender, to, amount);
        _token.safeTransfer(to, amount);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IMiningPool
    function members(address member) external view returns (Member memory) {
        return _members[member];
    }

    /// @inheritdoc IMiningPool
    function stakeOf(address member) public view returns (uint256) {
        return _worth(_members[member].shares, _price());
    }

    /// @inheritdoc IMiningPool
    function rounds(uint256 number) external view returns (Round memory) {
        return _rounds[number];
    }

    // --------------------------------------------------------------------------------------------- internal

    /// @dev Whether the last epoch is still to be weighed.
    function _isToBeWeighed() internal view virtual returns (bool);

    /// @dev Books a stake of the caller's that the registry is about to take.
    function _addStake(uint256 amount) internal {
        uint256 price = _sync();
        if (price < MIN_INDEX) revert Ruined();
        uint256 shares = amount * ONE / price;
        _members[msg.sender].shares += shares.toUint128();
        totalShares += shares;
        emit Staked(msg.sender, amount, shares);
    }

    /// @dev Writes down the price.
    function _sync() private returns (uint256 price) {
        price = _price();
        if (price == index) return price;
        index = price;
        emit Priced(price);
    }

    /// @dev Wei of {ONE} shares: as before, or less where the registry has less for them.
    function _price() private view returns (uint256) {
        uint256 all = totalShares;
        if (all == 0) return ONE;
        return Math.min(index, REGISTRY.slashable(address(this)) * ONE / all);
    }

    function _worth(uint256 shares, uint256 price) private pure returns (uint256) {
        return shares * price / ONE;
    }

    function _credit(address account, uint256 amount) internal {
        if (amount == 0) return;
        owed[account] += amount;
        emit Credited(account, amount);
    }

    /// @dev Takes exactly `amount` from the caller.
    function _pull(uint256 amount) internal {
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        if (_token.balanceOf(address(this)) != before + amount) revert TransferMismatch();
    }
}
