// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IDisputes
/// @notice Verifiers drawn by lot decide whether a node or a verifier cheated, and whose a hardware id is; a larger draw decides
/// appeals; only then does anything take effect.
interface IDisputes {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice What a case is about.
    enum Kind {
        None,
        Accusation,
        Contest
    }

    /// @notice A case.
    /// @param kind What it is about.
    /// @param round 0, or 1 once appealed.
    /// @param closed Whether it was carried out.
    /// @param roundAt When the round began.
    /// @param drawBlock The block whose hash draws the round's jury.
    /// @param epoch The epoch that an accusation is about.
    /// @param accused Who is accused; in a contest, who holds the hardware id.
    /// @param challenger Who opened it.
    /// @param appellant Who appealed; zero if nobody.
    /// @param subject The evidence's hash; in a contest, the hardware id.
    struct Case {
        Kind kind;
        uint8 round;
        bool closed;
        uint40 roundAt;
        uint64 drawBlock;
        uint64 epoch;
        address accused;
        address challenger;
        address appellant;
        bytes32 subject;
    }

    // ----------------------------------------------------------------------------------------------- events

    /// @notice A case was opened.
    event CaseOpened(
        uint256 indexed id,
        Kind kind,
        address indexed accused,
        address indexed challenger,
        uint256 epoch,
        bytes32 subject
    );
    /// @notice The jury of a round is drawn by `seed`.
    event JuryDrawn(uint256 indexed id, uint256 round, bytes32 seed);
    /// @notice A juror voted.
    event Voted(uint256 indexed id, uint256 round, address indexed juror, uint256 vote);
    /// @notice `by` appealed: a larger jury decides.
    event Appealed(uint256 indexed id, address indexed by);
    /// @notice The case was carried out.
    event CaseClosed(uint256 indexed id, uint256 verdict, uint256 slashed, uint256 forfeited);
    /// @notice `amount` is `account`'s to withdraw.
    event Credited(address indexed account, uint256 amount);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice A parameter of the deployment makes no sense.
    error BadParameter();
    /// @notice A zero address.
    error ZeroAddress();
    /// @notice The accused is neither a node nor a verifier, or the challenger in a contest is no node.
    error NotRegistered();
    /// @notice Nobody can accuse or contest itself.
    error NotYourself();
    /// @notice The epoch isn't over, or it is too long ago.
    error WrongEpoch();
    /// @notice There is no such case, or it is closed.
    error NoCase();
    /// @notice Not the time of the case for this.
    error WrongPhase();
    /// @notice The caller wasn't drawn.
    error NotDrawn();
    /// @notice The caller voted before.
    error AlreadyVoted();
    /// @notice There is no such vote.
    error BadVote();
    /// @notice Only the accused, its owner, or the challenger may appeal.
    error NotParty();
    /// @notice The jury was drawn already, or its block's hash isn't to be had yet.
    error CannotDraw();
    /// @notice Nothing to withdraw.
    error NothingOwed();

    // ------------------------------------------------------------------------------------------------ calls

    /// @notice Accuses a node or a verifier of cheating in `epoch`, in which it hadn't left yet. Takes {BOND} from the caller.
    /// @param evidence The hash of what the jury is to look at.
    function accuse(address accused, uint256 epoch, bytes32 evidence) external returns (uint256 id);

    /// @notice Contests a hardware id: the calling node says that it is its own. Takes {BOND}. Both are challenged at once, and
    /// the id earns for nobody until it is decided.
    function contest(bytes32 hardwareId) external returns (uint256 id);

    /// @notice Draws the round's jury, by the block after the one in which the round began. Anyone may. If nobody did for 256 blocks, a new block is
    /// appointed instead.
    function drawJury(uint256 id) external;

    /// @notice Votes. In an accusation 0 innocent, 1 minor, 2 major, 3 fraud; in a contest 0 neither, 1 the holder, 2 the
    /// challenger.
    function vote(uint256 id, uint8 vote_) external;

    /// @notice Appeals the first jury's verdict, for twice {BOND}.
    function appeal(uint256 id) external;

    /// @notice Carries out the verdict once it can't be appealed any more: the second jury's if more than half of it voted. Anyone
    /// may.
    function carryOut(uint256 id) external;

    /// @notice Sends what is owed to the caller.
    function withdraw(address to) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice A case.
    function cases(uint256 id) external view returns (Case memory);

    /// @notice How many accusations of `accused` for `epoch` are open.
    function pending(address accused, uint256 epoch) external view returns (uint256);

    /// @notice The verdict of a round as the votes stand.
    function verdict(uint256 id, uint256 round) external view returns (uint256);

    /// @notice The round whose verdict counts: the last; or the first, if no more than half of the second jury voted.
    function rulingRound(uint256 id) external view returns (uint8);

    /// @notice The jury of a round; none until it is drawn.
    function jury(uint256 id, uint256 round) external view returns (address[] memory);

    /// @notice What `account` can withdraw.
    function owed(address account) external view returns (uint256);

    /// @notice What opening a case takes.
    function BOND() external view returns (uint256);
}
