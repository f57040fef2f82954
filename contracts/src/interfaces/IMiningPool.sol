// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {IEscrow} from "./IEscrow.sol";
import {INodeRegistry} from "./INodeRegistry.sol";

/// @title IMiningPool
/// @notice One registered node that many own: members bring hardware and stake, and divide what the node earns by the
/// accelerator time that their hardware gave.
/// @dev The pool is the node and its own owner, so that fees and mined EAI come to it and to nobody else. An operator signs its
/// offers and admits members; it holds nothing of theirs. Amounts are wei of EAI, times unix seconds, epochs the vault's.
interface IMiningPool is IERC1271 {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice A member.
    /// @param shares Its stake that isn't asked back, in shares: see {stakeOf}.
    /// @param devices How many hardware ids it has in the pool.
    /// @param isAdmitted Whether it may bring hardware.
    /// @param hasPart Whether it ever joined, or was operator: what it pays the pool doesn't count for mining.
    struct Member {
        uint128 shares;
        uint32 devices;
        bool isAdmitted;
        bool hasPart;
    }

    /// @notice Those who leave together.
    /// @param shares What they asked back, in shares.
    /// @param left What of it is a matter for another round, in shares: a verdict took what was thawing before it took what
    /// wasn't.
    /// @param paid What came of it, in wei.
    /// @param isDone Whether the round is over.
    struct Round {
        uint128 shares;
        uint128 left;
        uint96 paid;
        bool isDone;
    }

    /// @notice What is known of an epoch's income.
    /// @param extra Fees that were harvested in it, and what came over from epochs without a split.
    /// @param rolled What went over to the next epoch, as this one has no split.
    /// @param fee What the operator was credited.
    /// @param time Unit-milliseconds that were proved so far.
    struct Income {
        uint128 extra;
        uint128 rolled;
        uint128 fee;
        uint128 time;
    }

    /// @notice A device's part of an epoch.
    /// @param time Unit-milliseconds that were proved.
    /// @param paid What its holder was credited.
    /// @param isProved Whether they were.
    struct Part {
        uint96 time;
        uint128 paid;
        bool isProved;
    }

    // ----------------------------------------------------------------------------------------------- events

    /// @notice The operator admits `member` to bring hardware, or no longer does.
    event Admitted(address indexed member, bool isAdmitted);
    /// @notice `member` brought hardware.
    event HardwareAdded(address indexed member, bytes32 indexed id);
    /// @notice The hardware is `member`'s in the pool no more, from the next epoch on.
    event HardwareRemoved(address indexed member, bytes32 indexed id);
    /// @notice `member` staked.
    event Staked(address indexed member, uint256 amount, uint256 shares);
    /// @notice `member` asked back its stake; it goes with `round`.
    event ExitRequested(address indexed member, uint256 indexed round, uint256 amount, uint256 shares);
    /// @notice A round began: `amount` thaws.
    event RoundStarted(uint256 indexed round, uint256 amount);
    /// @notice A round is over: `paid` came of it; `left` shares must ask again.
    event RoundFinished(uint256 indexed round, uint256 paid, uint256 left);
    /// @notice `member` got its part of a round.
    event ExitTaken(address indexed member, uint256 indexed round, uint256 amount, uint256 shares);
    /// @notice 1e27 shares are `index` wei of stake now: a verdict took a part of all stake, or nobody has any.
    event Priced(uint256 index);
    /// @notice `amount` came in, and counts for `epoch`.
    event Harvested(uint256 indexed epoch, uint256 amount);
    /// @notice `amount` of an epoch without a split counts for the next.
    event RolledOver(uint256 indexed epoch, uint256 amount);
    /// @notice The hardware gave so many unit-milliseconds in `epoch`, for `member`.
    event Proved(uint256 indexed epoch, bytes32 indexed id, address indexed member, uint256 time);
    /// @notice `amount` is `account`'s to withdraw.
    event Credited(address indexed account, uint256 amount);
    /// @notice `amount` of `account`'s went to `to`.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    /// @notice `by` appealed a case against the pool, at its own cost.
    event Appealed(uint256 indexed id, address indexed by);
    /// @notice The appeal of a case is settled; its bond returned to who paid it, or is lost.
    event AppealSettled(uint256 indexed id, address indexed by, bool isReturned);
    /// @notice `operator` is to take over, once it accepts.
    event OperatorProposed(address indexed operator);
    /// @notice `operator` signs and admits from now on.
    event OperatorChanged(address indexed operator);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice A parameter makes no sense.
    error BadParameter();
    /// @notice Only the factory, once.
    error NotTheFactory();
    /// @notice A zero address, or the pool's own.
    error ZeroAddress();
    /// @notice Only the operator.
    error NotOperator();
    /// @notice Only who was proposed as operator.
    error NotProposed();
    /// @notice The operator didn't admit the caller.
    error NotAdmitted();
    /// @notice The hardware isn't the caller's, or nobody's, in the pool.
    error NotYourHardware(bytes32 id);
    /// @notice There is nothing to tidy up: book and registry agree.
    error NothingToTidy(bytes32 id);
    /// @notice An amount of zero, or above what there is.
    error BadAmount();
    /// @notice The token moved another amount than asked.
    error TransferMismatch();
    /// @notice What remains would be below the minimum for the member's hardware.
    error StakeTooSmall();
    /// @notice Verdicts took so much that nobody can stake here any more.
    error Ruined();
    /// @notice A round thaws already, or nobody asked, or the last epoch is still to be weighed.
    error CannotStart();
    /// @notice No round thaws, or this one isn't over.
    error NotThawing();
    /// @notice Nothing came in, or nothing is due.
    error NothingDue();
    /// @notice The epoch's attesting isn't over, or it has a split.
    error CannotRollOver();
    /// @notice The epoch has no split.
    error NoSplit();
    /// @notice The leaf isn't in the split.
    error BadProof();
    /// @notice The hardware's time of that epoch was proved before.
    error AlreadyProved();
    /// @notice The pool didn't appeal the case, or it isn't closed.
    error NoAppeal();
    /// @notice Not the time at which anyone may have these leases recorded, or this hardware taken from the registry.
    error NotYet();

    /// @notice Sets a new pool up. Only the factory, once.
    function initialize(address operator_, uint256 minRate_, uint256 feeBps_, INodeRegistry.Form form_, uint8 class_)
        external;

    // --------------------------------------------------------------------------------------------- operator

    /// @notice Lets `member` bring hardware, or no longer. What it brought stays. Only the operator.
    function admit(address member, bool isAdmitted) external;

    /// @notice Voids all offers in the pool's name. Only the operator.
    function cancelOffers() external;

    /// @notice Claims what a silent hub left unpaid under a lease, as the pool's. Only the operator: it closes the lease.
    function claimLease(IEscrow.LeaseTerms calldata terms, uint256 amount) external;

    /// @notice Proposes who is to be operator. Only the operator.
    function proposeOperator(address operator_) external;

    /// @notice Takes over. Only who was proposed.
    function acceptOperator() external;

    // ---------------------------------------------------------------------------------------------- members

    /// @notice Brings hardware, a stake, or both, taken from the caller. Hardware needs the operator's admission, and
    /// {minimum} at stake for each device; stake only, nothing.
    function join(bytes32[] calldata ids, uint256 amount) external;

    /// @notice Takes hardware out. At any time; what it gives until the epoch's end is still the caller's. While the last epoch
    /// is still to be weighed, the registry keeps it for the pool, so that nobody's leaving costs the others; {tidy} it then.
    function removeHardware(bytes32[] calldata ids) external;

    /// @notice Makes the pool's book and the registry agree about hardware that is in one of them only. Anyone may.
    function tidy(bytes32[] calldata ids) external;

    /// @notice Asks back `amount` of the caller's stake, or all with the highest number. What remains must cover its hardware.
    /// @return number The round with which it goes.
    function requestExit(uint256 amount) external returns (uint256 number);

    /// @notice Starts thawing what was asked back, if nothing thaws. Anyone may; but not while the last epoch is still to be
    /// weighed, as what thaws doesn't count then: two windows at most.
    function startRound() external;

    /// @notice Ends the round that has thawed. Anyone may.
    function finishRound() external;

    /// @notice Credits `member` its part of a round that is over. What it didn't get of its part is stake again. Anyone may.
    function takeExit(address member, uint256 number) external returns (uint256 amount);

    /// @notice Sends what is owed to the caller.
    function withdraw(address to) external returns (uint256 amount);

    // ----------------------------------------------------------------------------------------------- income

    /// @notice Has the vault count what leases accrued. The operator at any time, as with each recording vouchers that come later
    /// count less; members with hardware, in the second half of the time for recording; anyone, where leases are closed. Leases
    /// that were paid by who ever joined, or was operator, are left out: who pays itself pays nobody.
    function record(IEscrow.LeaseTerms[] calldata leases) external;

    /// @notice Takes in what the escrow and the court owe the pool; it counts for the current epoch. Anyone may.
    function harvest() external returns (uint256 amount);

    /// @notice Moves the income of an epoch that got no split to the next. Anyone may, as often as there is something.
    function rollOver(uint256 epoch) external returns (uint256 amount);

    /// @notice Proves that hardware gave `time` in `epoch`, by the attested split. Anyone may, once.
    function prove(uint256 epoch, bytes32 id, uint256 time, bytes32[] calldata proof) external;

    /// @notice Credits what is due by now for hardware whose time is proved, to who had it in the pool. Anyone may, as often as
    /// more income of that epoch has come: what is mined vests.
    function collect(uint256 epoch, bytes32[] calldata ids) external returns (uint256 amount);

    /// @notice Credits the operator what is due by now of an epoch with a split. Anyone may.
    function collectFee(uint256 epoch) external returns (uint256 amount);

    // ------------------------------------------------------------------------------------------------ court

    /// @notice Appeals a verdict against the pool. Anyone may: the bond is the caller's.
    function appeal(uint256 id) external;

    /// @notice Returns the bond of an appeal to who paid it, if the court returned it. Anyone may.
    function settleAppeal(uint256 id) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice A member.
    function members(address member) external view returns (Member memory);

    /// @notice What `member` has at stake and didn't ask back.
    function stakeOf(address member) external view returns (uint256);

    /// @notice A round of those who leave. The last is still to start, or open for more.
    function rounds(uint256 number) external view returns (Round memory);

    /// @notice What `member` asked back with a round and wasn't credited, in shares.
    function exitOf(address member, uint256 number) external view returns (uint256);

    /// @notice Who had the hardware in the pool in `epoch`; zero if nobody.
    function holderOf(bytes32 id, uint256 epoch) external view returns (address);

    /// @notice What came in for `epoch` and stays with it, by now.
    function incomeOf(uint256 epoch) external view returns (uint256);

    /// @notice What is known of an epoch's income.
    function incomes(uint256 epoch) external view returns (Income memory);

    /// @notice A device's part of an epoch.
    function parts(uint256 epoch, bytes32 id) external view returns (Part memory);

    /// @notice What {collect} would credit now for hardware whose time is proved.
    function dueOf(uint256 epoch, bytes32 id) external view returns (uint256);

    /// @notice What `account` can withdraw.
    function owed(address account) external view returns (uint256);

    /// @notice Who signs offers and admits members.
    function operator() external view returns (address);

    /// @notice Who was proposed as operator.
    function proposed() external view returns (address);

    /// @notice The least rate of an offer, in wei per unit-hour.
    function minRate() external view returns (uint256);

    /// @notice What of the income is the operator's, in ten-thousandths.
    function feeBps() external view returns (uint256);

    /// @notice How the node is registered.
    function form() external view returns (INodeRegistry.Form);

    /// @notice Which class the node is registered in; all hardware must be of it.
    function class() external view returns (uint8);

    /// @notice What a member must have at stake for each device.
    function minimum() external view returns (uint256);

    /// @notice Wei of 1e27 shares, as last written.
    function index() external view returns (uint256);

    /// @notice All shares, those that thaw included.
    function totalShares() external view returns (uint256);

    /// @notice The round that requests go with.
    function round() external view returns (uint256);

    /// @notice Whether the round before it thaws.
    function isThawing() external view returns (bool);

    /// @notice How many appeals aren't settled.
    function openAppeals() external view returns (uint256);
}
