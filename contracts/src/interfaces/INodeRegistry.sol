// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title INodeRegistry
/// @notice Who runs which node, on which hardware and for which stake; and who verifies.
/// @dev A node is named by the address that is paid in the escrow; a verifier by the address that attests and votes. Amounts are
/// wei of EAI, times unix seconds. A hardware id is a salted hash of a device's own identifiers, made by the agent.
interface INodeRegistry {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice What an account is. It stays that; who leaves and comes back takes another address.
    enum Role {
        None,
        Node,
        Verifier
    }

    /// @notice How a node is run, as its owner says.
    enum Form {
        Permanent,
        Business,
        Personal
    }

    /// @notice An account of the registry.
    /// @param owner Who gets what it mines, and whose accounts may not vouch for one another.
    /// @param since When it registered.
    /// @param until When it left; 0 if it didn't.
    /// @param role What it is.
    /// @param form How it is run; nodes only.
    /// @param class Which minimum stake applies for each device; nodes only.
    /// @param locks How many open cases keep its stake where it is.
    /// @param stake What answers for it and isn't on its way out.
    /// @param thawing What is on its way out, and still answers for it.
    /// @param thawsAt When `thawing` may be withdrawn.
    /// @param devices How many hardware ids it holds that nobody contests.
    struct Account {
        address owner;
        uint40 since;
        uint40 until;
        Role role;
        Form form;
        uint96 stake;
        uint96 thawing;
        uint40 thawsAt;
        uint16 locks;
        uint8 class;
        uint32 devices;
    }

    /// @notice Who holds a hardware id.
    /// @param node The node; after a release too, until another takes it.
    /// @param freeAt From when another may take it; 0 while it is held.
    /// @param contested Whether a contest is open, in which it earns for nobody.
    struct Hardware {
        address node;
        uint40 freeAt;
        bool contested;
    }

    // ----------------------------------------------------------------------------------------------- events

    /// @notice A node registered.
    event NodeRegistered(address indexed node, address indexed owner, Form form, uint8 class);
    /// @notice A verifier registered.
    event VerifierRegistered(address indexed verifier, address indexed owner);
    /// @notice `amount` was staked for `account`.
    event Staked(address indexed account, address indexed from, uint256 amount);
    /// @notice `amount` of `account`'s stake is on its way out until `thawsAt`.
    event Unbonding(address indexed account, uint256 amount, uint256 thawsAt);
    /// @notice `account` left. It earns and attests no more.
    event Left(address indexed account);
    /// @notice `amount` of `account`'s stake went to `to`.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    /// @notice `node` took the hardware id.
    event HardwareTaken(bytes32 indexed id, address indexed node);
    /// @notice `node` gave the hardware id up; another may take it from `freeAt` on.
    event HardwareReleased(bytes32 indexed id, address indexed node, uint256 freeAt);
    /// @notice The hardware id is contested, and earns for nobody.
    event HardwareContested(bytes32 indexed id, address indexed node);
    /// @notice The contest ended; `node` holds the hardware id, or nobody if it is zero.
    event HardwareSettled(bytes32 indexed id, address indexed node);
    /// @notice `amount` was taken from `account`'s stake: `reward` to the court for those who found out, the rest to the vault.
    event Slashed(address indexed account, uint256 amount, uint256 reward);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice A parameter of the deployment makes no sense.
    error BadParameter();
    /// @notice A zero address.
    error ZeroAddress();
    /// @notice An amount of zero, or above what can be counted.
    error BadAmount();
    /// @notice The token moved another amount than asked.
    error TransferMismatch();
    /// @notice The account is registered already, or was.
    error AlreadyRegistered();
    /// @notice The caller, or the account named, isn't registered in the role that this needs, or has left.
    error NotRegistered();
    /// @notice There is no such class.
    error UnknownClass();
    /// @notice The stake is below the minimum.
    error StakeTooSmall();
    /// @notice More hardware ids than a node may hold, or none.
    error BadHardware();
    /// @notice The hardware id is held by a node, or not free yet.
    error HardwareIsTaken(bytes32 id);
    /// @notice The caller doesn't hold the hardware id, or it is contested.
    error HardwareIsNotYours(bytes32 id);
    /// @notice Nothing to withdraw, or not yet.
    error StillThawing();
    /// @notice A case against the account is open.
    error Locked();
    /// @notice Only the court.
    error NotDisputes();

    // ---------------------------------------------------------------------------------------------- staking

    /// @notice Registers the caller as a node of `owner`, with its hardware ids and a stake taken from the caller.
    function registerNode(address owner, Form form, uint8 class, bytes32[] calldata ids, uint256 amount) external;

    /// @notice Registers the caller as a verifier of `owner`, with a stake of {VERIFIER_STAKE} at least.
    function registerVerifier(address owner, uint256 amount) external;

    /// @notice Adds to the stake of an account that hasn't left.
    function addStake(address who, uint256 amount) external;

    /// @notice Starts taking `amount` out of the calling node's stake. What is thawing already waits again with it.
    function unbond(uint256 amount) external;

    /// @notice Ends the caller's part, and starts taking all of its stake out. A verifier can take out all or nothing.
    function quit() external;

    /// @notice Sends what has thawed to `to`. Nothing but an open case against the caller can hold it back.
    function withdraw(address to) external;

    // --------------------------------------------------------------------------------------------- hardware

    /// @notice Adds hardware ids to the calling node.
    function addHardware(bytes32[] calldata ids) external;

    /// @notice Gives up hardware ids of the caller. Another may take them from the next epoch on.
    function removeHardware(bytes32[] calldata ids) external;

    // -------------------------------------------------------------------------------------- for the court

    /// @notice Keeps the stake of `who` where it is, however long it has thawed.
    function lock(address who) external;

    /// @notice Undoes one {lock}.
    function unlock(address who) external;

    /// @notice Takes `amount`, or all there is, of `who`'s stake: `rewardBps` of it to the court, the rest to the vault.
    /// @return taken What was taken in all.
    /// @return reward What the court got of it.
    function slash(address who, uint256 amount, uint256 rewardBps) external returns (uint256 taken, uint256 reward);

    /// @notice Opens a contest of a held hardware id.
    /// @return holder Who holds it.
    function startContest(bytes32 id) external returns (address holder);

    /// @notice Ends a contest: `winner` holds the id, or nobody if it is zero or has left.
    function endContest(bytes32 id, address winner) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice An account.
    function account(address who) external view returns (Account memory);

    /// @notice Who holds a hardware id.
    function hardware(bytes32 id) external view returns (Hardware memory);

    /// @notice The least stake with which `node` earns: its class's minimum for each device.
    function minimumOf(address node) external view returns (uint256);

    /// @notice What can be taken of `who`'s: stake and what is thawing.
    function slashable(address who) external view returns (uint256);

    /// @notice Up to `size` verifiers drawn by `seed` from those that were there at `time`, which must have passed. Each has
    /// another owner, and none is, owns, belongs to, or shares its owner with one of `outsiders`; whose owner counts if it had
    /// registered by `time`. Fewer, if there are too few.
    function draw(bytes32 seed, uint256 time, address[2] calldata outsiders, uint256 size)
        external
        view
        returns (address[] memory);

    /// @notice Seconds between unbonding and withdrawal.
    function UNBONDING() external view returns (uint256);

    /// @notice For each class, the least stake for each device.
    function classMinimums(uint256 class) external view returns (uint256);

    /// @notice The least stake of a verifier.
    function VERIFIER_STAKE() external view returns (uint256);
}
