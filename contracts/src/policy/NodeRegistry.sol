// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {INodeRegistry} from "../interfaces/INodeRegistry.sol";

/// @title NodeRegistry
/// @notice Nodes, verifiers, their stakes and hardware. See {INodeRegistry}.
/// @dev No owner and no setter: court and vault are named at deployment. Stakes leave by {withdraw}, to whoever the account
/// says, and by {slash}, which only the court may call.
contract NodeRegistry is INodeRegistry {
    using SafeERC20 for IERC20;

    /// @notice What it is deployed with.
    /// @param token EAI.
    /// @param vault Where slashed stake goes: the EmissionController.
    /// @param disputes The court.
    /// @param start When epoch 0 began; as the vault's.
    /// @param epoch Seconds of an epoch; as the vault's.
    /// @param unbonding Seconds between unbonding and withdrawal.
    /// @param verifierStake The least stake of a verifier.
    /// @param classMinimums For each class, the least stake for each device.
    struct Parameters {
        address token;
        address vault;
        address disputes;
        uint256 start;
        uint256 epoch;
        uint256 unbonding;
        uint256 verifierStake;
        uint256[] classMinimums;
    }

    /// @notice The most hardware ids of a node.
    uint256 public constant MAX_DEVICES = 1024;
    /// @notice The most hardware ids in one call.
    uint256 public constant MAX_BATCH = 64;
    /// @notice How often a draw tries for each seat: lots fall on verifiers that left, too.
    uint256 public constant TRIES = 16;

    uint256 private constant BPS = 10_000;

    IERC20 private immutable _token;
    /// @notice Where slashed stake goes.
    address public immutable VAULT;
    /// @notice The court.
    address public immutable DISPUTES;
    /// @notice When epoch 0 began.
    uint256 public immutable START;
    /// @notice Seconds of an epoch.
    uint256 public immutable EPOCH;
    /// @inheritdoc INodeRegistry
    uint256 public immutable UNBONDING;
    /// @inheritdoc INodeRegistry
    uint256 public immutable VERIFIER_STAKE;

    /// @inheritdoc INodeRegistry
    uint256[] public classMinimums;

    mapping(address who => Account) private _accounts;
    mapping(bytes32 id => Hardware) private _hardware;
    /// @dev In the order of their registration, so that {Account.since} rises; who left stays.
    address[] private _verifiers;

    modifier onlyDisputes() {
        if (msg.sender != DISPUTES) revert NotDisputes();
        _;
    }

    constructor(Parameters memory p) {
        if (p.token == address(0) || p.vault == address(0) || p.disputes == address(0)) revert ZeroAddress();
        if (p.epoch == 0 || p.unbonding == 0 || p.unbonding > 365 days) revert BadParameter();
        if (p.verifierStake == 0 || p.classMinimums.length == 0 || p.classMinimums.length > type(uint8).max) {
            revert BadParameter();
        }
        _token = IERC20(p.token);
        VAULT = p.vault;
        DISPUTES = p.disputes;
        START = p.start;
        EPOCH = p.epoch;
        UNBONDING = p.unbonding;
        VERIFIER_STAKE = p.verifierStake;
        classMinimums = p.classMinimums;
    }

    // ---------------------------------------------------------------------------------------------- staking

    /// @inheritdoc INodeRegistry
    function registerNode(address owner, Form form, uint8 class, bytes32[] calldata ids, uint256 amount) external {
        if (class >= classMinimums.length) revert UnknownClass();
        Account storage node = _register(owner, Role.Node);
        (node.form, node.class) = (form, class);
        emit NodeRegistered(msg.sender, owner, form, class);
        _takeHardware(node, ids);
        _stake(msg.sender, amount);
        if (node.stake < minimumOf(msg.sender)) revert StakeTooSmall();
    }

    /// @inheritdoc INodeRegistry
    function registerVerifier(address owner, uint256 amount) external {
        if (amount < VERIFIER_STAKE) revert StakeTooSmall();
        _register(owner, Role.Verifier);
        _verifiers.push(msg.sender);
        emit VerifierRegistered(msg.sender, owner);
        _stake(msg.sender, amount);
    }

    /// @inheritdoc INodeRegistry
    function addStake(address who, uint256 amount) external {
        _active(who, Role.None);
        _stake(who, amount);
    }

    /// @inheritdoc INodeRegistry
    function unbond(uint256 amount) external {
        Account storage node = _active(msg.sender, Role.Node);
        if (amount == 0 || amount > node.stake) revert BadAmount();
        _unbond(node, amount);
    }

    /// @inheritdoc INodeRegistry
    function quit() external {
        Account storage who = _active(msg.sender, Role.None);
        who.until = uint40(block.timestamp);
        emit Left(msg.sender);
        _unbond(who, who.stake);
    }

    /// @inheritdoc INodeRegistry
    function withdraw(address to) external {
        if (to == address(0) || to == address(this)) revert ZeroAddress();
        Account storage who = _accounts[msg.sender];
        uint256 amount = who.thawing;
        if (amount == 0 || block.timestamp < who.thawsAt) revert StillThawing();
        if (who.locks != 0) revert Locked();
        who.thawing = 0;
        emit Withdrawn(msg.sender, to, amount);
        _token.safeTransfer(to, amount);
    }

    // --------------------------------------------------------------------------------------------- hardware

    /// @inheritdoc INodeRegistry
    function addHardware(bytes32[] calldata ids) external {
        _takeHardware(_active(msg.sender, Role.Node), ids);
    }

    /// @inheritdoc INodeRegistry
    function removeHardware(bytes32[] calldata ids) external {
        if (ids.length == 0 || ids.length > MAX_BATCH) revert BadHardware();
        Account storage node = _accounts[msg.sender];
        uint256 freeAt = _nextEpoch(block.timestamp);
        for (uint256 i = 0; i < ids.length; ++i) {
            Hardware storage device = _hardware[ids[i]];
            if (device.node != msg.sender || device.freeAt != 0 || device.contested) {
                revert HardwareIsNotYours(ids[i]);
            }
            // forge-lint: disable-next-line(unsafe-typecast)
            device.freeAt = uint40(freeAt);
            emit HardwareReleased(ids[i], msg.sender, freeAt);
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        node.devices -= uint32(ids.length);
    }

    // ---------------------------------------------------------------------------------------- for the court

    /// @inheritdoc INodeRegistry
    function lock(address who) external onlyDisputes {
        ++_accounts[who].locks;
    }

    /// @inheritdoc INodeRegistry
    function unlock(address who) external onlyDisputes {
        --_accounts[who].locks;
    }

    /// @inheritdoc INodeRegistry
    function slash(address who, uint256 amount, uint256 rewardBps)
        external
        onlyDisputes
        returns (uint256 taken, uint256 reward)
    {
        Account storage guilty = _accounts[who];
        // What is on its way out goes first: it answers for what was done before it left.
        uint256 fromThawing = amount < guilty.thawing ? amount : guilty.thawing;
        uint256 fromStake = amount - fromThawing;
        if (fromStake > guilty.stake) fromStake = guilty.stake;
        taken = fromThawing + fromStake;
        reward = taken * rewardBps / BPS;
        // Both are at most what they are taken from.
        // forge-lint: disable-start(unsafe-typecast)
        guilty.thawing -= uint96(fromThawing);
        guilty.stake -= uint96(fromStake);
        if (guilty.role == Role.Verifier && guilty.until == 0 && guilty.stake < VERIFIER_STAKE) {
            guilty.until = uint40(block.timestamp);
            emit Left(who);
            _unbondOf(who, guilty, guilty.stake);
        }
        // forge-lint: disable-end(unsafe-typecast)
        emit Slashed(who, taken, reward);
        _token.safeTransfer(DISPUTES, reward);
        _token.safeTransfer(VAULT, taken - reward);
    }

    /// @inheritdoc INodeRegistry
    function startContest(bytes32 id) external onlyDisputes returns (address holder) {
        Hardware storage device = _hardware[id];
        holder = device.node;
        if (holder == address(0) || device.freeAt != 0 || device.contested) revert HardwareIsTaken(id);
        device.contested = true;
        --_accounts[holder].devices;
        emit HardwareContested(id, holder);
    }

    /// @inheritdoc INodeRegistry
    function endContest(bytes32 id, address winner) external onlyDisputes {
        Hardware storage device = _hardware[id];
        device.contested = false;
        bool takes = winner != address(0) && _accounts[winner].until == 0;
        if (takes) {
            device.node = winner;
            ++_accounts[winner].devices;
        } else {
            device.freeAt = uint40(block.timestamp);
        }
        emit HardwareSettled(id, takes ? winner : address(0));
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc INodeRegistry
    function account(address who) external view returns (Account memory) {
        return _accounts[who];
    }

    /// @inheritdoc INodeRegistry
    function hardware(bytes32 id) external view returns (Hardware memory) {
        return _hardware[id];
    }

    /// @inheritdoc INodeRegistry
    function minimumOf(address node) public view returns (uint256) {
        return classMinimums[_accounts[node].class] * _accounts[node].devices;
    }

    /// @inheritdoc INodeRegistry
    function slashable(address who) external view returns (uint256) {
        return uint256(_accounts[who].stake) + _accounts[who].thawing;
    }

    /// @inheritdoc INodeRegistry
    function draw(bytes32 seed, uint256 time, address[2] calldata outsiders, uint256 size)
        external
        view
        returns (address[] memory)
    {
        address[] memory drawn = new address[](size);
        // Those who may not be drawn come first; the owners of those who were follow.
        address[] memory owners = new address[](size + 4);
        for (uint256 i = 0; i < 2; ++i) {
            Account storage outsider = _accounts[outsiders[i]];
            // Whoever registers names its owner at will: one that did so since could have somebody whom it knows struck off.
            (owners[2 * i], owners[2 * i + 1]) = (outsiders[i], outsider.since <= time ? outsider.owner : address(0));
        }
        uint256 among = _verifiersAt(time);
        uint256 count = 0;
        for (uint256 i = 0; i < TRIES * size && among != 0 && count < size; ++i) {
            address candidate = _verifiers[uint256(keccak256(abi.encode(seed, i))) % among];
            Account storage verifier = _accounts[candidate];
            if (verifier.until != 0 && verifier.until <= time) continue;
            address owner = verifier.owner;
            if (_isAmong(owner, owners, 4 + count) || _isAmong(candidate, owners, 4)) continue;
            (drawn[count], owners[4 + count]) = (candidate, owner);
            ++count;
        }
        assembly ("memory-safe") {
            mstore(drawn, count)
        }
        return drawn;
    }

    // --------------------------------------------------------------------------------------------- internal

    function _register(address owner, Role role) private returns (Account storage who) {
        if (owner == address(0)) revert ZeroAddress();
        who = _accounts[msg.sender];
        if (who.role != Role.None) revert AlreadyRegistered();
        (who.owner, who.role, who.since) = (owner, role, uint40(block.timestamp));
    }

    /// @dev The account `who`, which must be there in `role`, or in any if that is None.
    function _active(address who, Role role) private view returns (Account storage found) {
        found = _accounts[who];
        bool fits = role == Role.None ? found.role != Role.None : found.role == role;
        if (!fits || found.until != 0) revert NotRegistered();
    }

    /// @dev Takes exactly `amount` from the caller for `who`.
    function _stake(address who, uint256 amount) private {
        Account storage found = _accounts[who];
        if (amount == 0 || amount > type(uint96).max - found.stake) revert BadAmount();
        // forge-lint: disable-next-line(unsafe-typecast)
        found.stake += uint96(amount);
        emit Staked(who, msg.sender, amount);
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        if (_token.balanceOf(address(this)) != before + amount) revert TransferMismatch();
    }

    function _unbond(Account storage who, uint256 amount) private {
        _unbondOf(msg.sender, who, amount);
    }

    function _unbondOf(address name, Account storage who, uint256 amount) private {
        // forge-lint: disable-start(unsafe-typecast)
        who.stake -= uint96(amount);
        who.thawing += uint96(amount);
        who.thawsAt = uint40(block.timestamp + UNBONDING);
        // forge-lint: disable-end(unsafe-typecast)
        emit Unbonding(name, amount, who.thawsAt);
    }

    function _takeHardware(Account storage node, bytes32[] calldata ids) private {
        if (ids.length == 0 || ids.length > MAX_BATCH || node.devices + ids.length > MAX_DEVICES) {
            revert BadHardware();
        }
        for (uint256 i = 0; i < ids.length; ++i) {
            Hardware storage device = _hardware[ids[i]];
            if (!_isFree(device)) revert HardwareIsTaken(ids[i]);
            (device.node, device.freeAt) = (msg.sender, 0);
            emit HardwareTaken(ids[i], msg.sender);
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        node.devices += uint32(ids.length);
    }

    /// @dev Whether another node may take the device: nobody has it, or who had it released it or left, an epoch ago.
    function _isFree(Hardware storage device) private view returns (bool) {
        if (device.node == address(0)) return true;
        if (device.contested) return false;
        if (device.freeAt != 0) return block.timestamp >= device.freeAt;
        uint256 left = _accounts[device.node].until;
        return left != 0 && block.timestamp >= _nextEpoch(left);
    }

    /// @dev When the epoch after the one of `time` begins. Whoever earned with a device in an epoch is the last to in it.
    function _nextEpoch(uint256 time) private view returns (uint256) {
        return time < START ? START : START + ((time - START) / EPOCH + 1) * EPOCH;
    }

    /// @dev How many verifiers had registered by `time`.
    function _verifiersAt(uint256 time) private view returns (uint256 low) {
        uint256 high = _verifiers.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_accounts[_verifiers[middle]].since <= time) low = middle + 1;
            else high = middle;
        }
    }

    function _isAmong(address owner, address[] memory owners, uint256 count) private pure returns (bool) {
        for (uint256 i = 0; i < count; ++i) {
            if (owners[i] == owner) return true;
        }
        return false;
    }
}
