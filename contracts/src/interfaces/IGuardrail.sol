// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IGuardrail
/// @notice What hubs and agents ask before they begin NEW work: whether an image or a model is denied, a lease quarantined, or all
/// intake frozen.
/// @dev It knows no other contract but the timelock, and no contract asks it: it can't hold up settling, withdrawing, redeeming
/// or refunding, whoever rules it.
///
/// A council proposes, the timelock decides. When enough of the council sign the same measure, it takes effect at once, but
/// provisionally: it ends by itself, and can't be imposed again soon. Only the timelock makes one lasting. What a council that
/// went bad can do is bounded in number and in time, and so is what a freeze can do, whoever wants it.
interface IGuardrail {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice Deny: no new work with an image digest or a model root. Quarantine: no new work in one lease. Freeze: no new work.
    enum Kind {
        Deny,
        Quarantine,
        Freeze
    }

    /// @notice The last measure against a subject.
    /// @param reason The hash of the published reason.
    /// @param from Since when.
    /// @param until Until when; the greatest number for one that lasts until it is lifted.
    /// @param provisional Whether it is the council's, not the timelock's.
    struct Measure {
        bytes32 reason;
        uint40 from;
        uint40 until;
        bool provisional;
    }

    // ----------------------------------------------------------------------------------------------- events

    /// @notice `member` signed a measure of `length` seconds (0: that the standing one end); so many have by now.
    event Signed(
        address indexed member,
        Kind indexed kind,
        bytes32 indexed subject,
        uint256 length,
        bytes32 reason,
        uint256 count
    );
    /// @notice A measure stands until `until`; the council's if `provisional`, else the timelock's.
    event Imposed(Kind indexed kind, bytes32 indexed subject, uint256 until, bytes32 reason, bool provisional);
    /// @notice A measure was ended early.
    event Lifted(Kind indexed kind, bytes32 indexed subject, bytes32 reason);
    /// @notice Who sits on the council, and how many of them must sign.
    event CouncilSet(address[] members, uint256 quorum);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice The timelock has a delay below {MIN_DELAY}, or is none.
    error BadTimelock();
    /// @notice Too many members, one twice or none, or a quorum of not more than half of them or below two.
    error BadCouncil();
    /// @notice Only the timelock.
    error NotTimelock();
    /// @notice Only members of the council.
    error NotMember();
    /// @notice A measure without a reason.
    error NoReason();
    /// @notice A measure against nothing, or a freeze of something.
    error BadSubject();
    /// @notice No time at all, or more than {LONGEST}.
    error BadLength();
    /// @notice There is such a measure already.
    error AlreadyStands();
    /// @notice Nothing stands that could be ended, or nothing that the caller could end.
    error NothingStands();
    /// @notice Not again before `time`.
    error NotBefore(uint256 time);

    // ------------------------------------------------------------------------------------------- the council

    /// @notice Signs a measure of `length` seconds. Counts for {SIGNING} seconds, and not beyond this council's term. The signature
    /// that completes the quorum imposes the measure.
    /// @param kind What.
    /// @param subject Image digest or model root; lease id; 0 for a freeze.
    /// @param length Seconds, at most {LONGEST}.
    /// @param reason The hash of the published reason.
    /// @return imposed Whether this signature completed it.
    function propose(Kind kind, bytes32 subject, uint256 length, bytes32 reason) external returns (bool imposed);

    /// @notice Signs that a provisional measure, as it stands, be ended now. What the timelock decided stays.
    /// @return ended Whether this signature completed it.
    function proposeEnd(Kind kind, bytes32 subject, bytes32 reason) external returns (bool ended);

    // ------------------------------------------------------------------------------------------ the timelock

    /// @notice Denies an image digest or a model root until it is lifted; also one that is denied provisionally.
    function deny(bytes32 digest, bytes32 reason) external;

    /// @notice Quarantines a lease until it is lifted; also one that is quarantined provisionally.
    function quarantine(bytes32 leaseId, bytes32 reason) external;

    /// @notice Freezes all intake for `length` seconds, at most {LONGEST}; not before {COOLDOWN} after the last freeze, whoever's.
    function freeze(uint256 length, bytes32 reason) external;

    /// @notice Ends a measure, whoever's.
    function lift(Kind kind, bytes32 subject, bytes32 reason) external;

    /// @notice Appoints a council. What the old one had signed but not imposed is void; what it imposed runs out as it would.
    function setCouncil(address[] calldata members, uint256 quorum) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice Whether no new work may use this image digest or model root, and until when (0 if it may).
    function isDenied(bytes32 digest) external view returns (bool denied, uint256 until);

    /// @notice Whether no new work may begin in this lease, and until when (0 if it may).
    function isQuarantined(bytes32 leaseId) external view returns (bool quarantined, uint256 until);

    /// @notice Whether new work may begin. Until when: a freeze ends then at the latest; open intake isn't frozen before.
    function intakeOpen() external view returns (bool open, uint256 until);

    /// @notice The last measure against a subject, which may be over.
    function measure(Kind kind, bytes32 subject) external view returns (Measure memory);

    /// @notice Who sits on the council.
    function council() external view returns (address[] memory);

    /// @notice How many of them must sign.
    function quorum() external view returns (uint256);

    /// @notice Who decides.
    function TIMELOCK() external view returns (address);

    /// @notice The least delay of the timelock.
    function MIN_DELAY() external view returns (uint256);

    /// @notice The most seconds of a freeze, and of a provisional measure.
    function LONGEST() external view returns (uint256);

    /// @notice Seconds after the end of a freeze in which there is no other, and after any measure's in which the council can't
    /// impose one against the same subject. No shorter than the longest measure.
    function COOLDOWN() external view returns (uint256);

    /// @notice Seconds in which a signature counts.
    function SIGNING() external view returns (uint256);

    /// @notice The most members of a council.
    function MAX_MEMBERS() external view returns (uint256);

    /// @notice The most provisional denials and quarantines that begin in any {COOLDOWN}, so that they can't amount to a freeze.
    function MAX_PROVISIONAL() external view returns (uint256);
}
