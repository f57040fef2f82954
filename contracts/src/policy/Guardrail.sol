// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {IGuardrail} from "../interfaces/IGuardrail.sol";

/// @title Guardrail
/// @notice Limits on new work. See {IGuardrail}.
/// @dev It holds nothing and calls nobody: the constructor asks the timelock for its delay, and that is all.
contract Guardrail is IGuardrail {
    /// @inheritdoc IGuardrail
    uint256 public constant MIN_DELAY = 72 hours;
    /// @inheritdoc IGuardrail
    uint256 public constant LONGEST = 7 days;
    /// @inheritdoc IGuardrail
    uint256 public constant COOLDOWN = 7 days;
    /// @inheritdoc IGuardrail
    uint256 public constant SIGNING = 3 days;
    /// @inheritdoc IGuardrail
    uint256 public constant MAX_MEMBERS = 15;
    /// @inheritdoc IGuardrail
    uint256 public constant MAX_PROVISIONAL = 32;

    /// @dev The end of a measure that lasts until it is lifted.
    uint40 private constant LASTING = type(uint40).max;

    /// @inheritdoc IGuardrail
    address public immutable TIMELOCK;

    /// @inheritdoc IGuardrail
    uint256 public quorum;
    /// @notice Whether somebody sits on the council.
    mapping(address who => bool) public isMember;

    address[] private _members;
    /// @dev How many councils there were: a signature is of one of them.
    uint256 private _term;
    mapping(Kind kind => mapping(bytes32 subject => Measure)) private _measures;
    mapping(bytes32 id => mapping(address member => uint256)) private _signedAt;
    /// @dev When the last provisional denials and quarantines began; the oldest is overwritten.
    uint256[MAX_PROVISIONAL] private _begun;
    uint256 private _next;

    modifier onlyTimelock() {
        if (msg.sender != TIMELOCK) revert NotTimelock();
        _;
    }

    /// @param timelock Who decides; with a delay of {MIN_DELAY} at least.
    /// @param council_ Who sits on the first council.
    /// @param quorum_ How many of them must sign; more than half, and two at least.
    constructor(address payable timelock, address[] memory council_, uint256 quorum_) {
        if (timelock.code.length == 0 || TimelockController(timelock).getMinDelay() < MIN_DELAY) revert BadTimelock();
        TIMELOCK = timelock;
        _setCouncil(council_, quorum_);
    }

    // ------------------------------------------------------------------------------------------- the council

    /// @inheritdoc IGuardrail
    function propose(Kind kind, bytes32 subject, uint256 length, bytes32 reason) external returns (bool imposed) {
        _checkSubject(kind, subject);
        _checkLength(length);
        bytes32 id = keccak256(abi.encode(_term, false, kind, subject, length, reason));
        imposed = _sign(id, kind, subject, length, reason);
        if (!imposed) return false;
        _mustHaveCooled(kind, subject);
        if (kind != Kind.Freeze) _countProvisional();
        _impose(kind, subject, block.timestamp + length, reason, true);
    }

    /// @inheritdoc IGuardrail
    function proposeEnd(Kind kind, bytes32 subject, bytes32 reason) external returns (bool ended) {
        Measure storage standing = _measures[kind][subject];
        if (!_stands(standing) || !standing.provisional) revert NothingStands();
        // They lapse before another measure against the subject can begin, so they end none but this one.
        bytes32 id = keccak256(abi.encode(_term, true, kind, subject, reason));
        ended = _sign(id, kind, subject, 0, reason);
        if (ended) _lift(kind, subject, reason);
    }

    // ------------------------------------------------------------------------------------------ the timelock

    /// @inheritdoc IGuardrail
    function deny(bytes32 digest, bytes32 reason) external onlyTimelock {
        _checkSubject(Kind.Deny, digest);
        _impose(Kind.Deny, digest, LASTING, reason, false);
    }

    /// @inheritdoc IGuardrail
    function quarantine(bytes32 leaseId, bytes32 reason) external onlyTimelock {
        _checkSubject(Kind.Quarantine, leaseId);
        _impose(Kind.Quarantine, leaseId, LASTING, reason, false);
    }

    /// @inheritdoc IGuardrail
    function freeze(uint256 length, bytes32 reason) external onlyTimelock {
        _checkLength(length);
        _mustHaveCooled(Kind.Freeze, 0);
        _impose(Kind.Freeze, 0, block.timestamp + length, reason, false);
    }

    /// @inheritdoc IGuardrail
    function lift(Kind kind, bytes32 subject, bytes32 reason) external onlyTimelock {
        if (!_stands(_measures[kind][subject])) revert NothingStands();
        _lift(kind, subject, reason);
    }

    /// @inheritdoc IGuardrail
    function setCouncil(address[] calldata members, uint256 quorum_) external onlyTimelock {
        _setCouncil(members, quorum_);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IGuardrail
    function isDenied(bytes32 digest) external view returns (bool, uint256) {
        return _standsUntil(Kind.Deny, digest);
    }

    /// @inheritdoc IGuardrail
    function isQuarantined(bytes32 leaseId) external view returns (bool, uint256) {
        return _standsUntil(Kind.Quarantine, leaseId);
    }

    /// @inheritdoc IGuardrail
    function intakeOpen() external view returns (bool open, uint256 until) {
        Measure storage last = _measures[Kind.Freeze][0];
        open = !_stands(last);
        until = last.until;
        if (open) {
            uint256 cooled = until + COOLDOWN;
            until = until != 0 && cooled > block.timestamp ? cooled : block.timestamp;
        }
    }

    /// @inheritdoc IGuardrail
    function measure(Kind kind, bytes32 subject) external view returns (Measure memory) {
        return _measures[kind][subject];
    }

    /// @inheritdoc IGuardrail
    function council() external view returns (address[] memory) {
        return _members;
    }

    // --------------------------------------------------------------------------------------------- internal

    /// @dev Notes the caller's signature and says whether it completes the quorum; then all of them are used up.
    function _sign(bytes32 id, Kind kind, bytes32 subject, uint256 length, bytes32 reason) private returns (bool) {
        if (!isMember[msg.sender]) revert NotMember();
        if (reason == 0) revert NoReason();
        _signedAt[id][msg.sender] = block.timestamp;
        uint256 members = _members.length;
        uint256 count = 0;
        for (uint256 i = 0; i < members; ++i) {
            if (block.timestamp < _signedAt[id][_members[i]] + SIGNING) ++count;
        }
        emit Signed(msg.sender, kind, subject, length, reason, count);
        if (count < quorum) return false;
        for (uint256 i = 0; i < members; ++i) {
            delete _signedAt[id][_members[i]];
        }
        return true;
    }

    /// @dev Refuses while the last measure stands and for {COOLDOWN} after its end. That is no shorter than any that ends by itself.
    function _mustHaveCooled(Kind kind, bytes32 subject) private view {
        Measure storage last = _measures[kind][subject];
        if (_stands(last)) revert AlreadyStands();
        uint256 cooled = last.until + COOLDOWN;
        if (last.until != 0 && block.timestamp < cooled) revert NotBefore(cooled);
    }

    /// @dev Counts one more provisional denial or quarantine, if there is room for it.
    function _countProvisional() private {
        uint256 oldest = _next++ % MAX_PROVISIONAL;
        uint256 free = _begun[oldest] + COOLDOWN;
        if (block.timestamp < free) revert NotBefore(free);
        _begun[oldest] = block.timestamp;
    }

    function _impose(Kind kind, bytes32 subject, uint256 until, bytes32 reason, bool provisional) private {
        if (reason == 0) revert NoReason();
        // Days from now, or LASTING, which fits.
        // forge-lint: disable-next-line(unsafe-typecast)
        _measures[kind][subject] = Measure(reason, uint40(block.timestamp), uint40(until), provisional);
        emit Imposed(kind, subject, until, reason, provisional);
    }

    function _lift(Kind kind, bytes32 subject, bytes32 reason) private {
        if (reason == 0) revert NoReason();
        // forge-lint: disable-next-line(unsafe-typecast)
        _measures[kind][subject].until = uint40(block.timestamp);
        emit Lifted(kind, subject, reason);
    }

    function _setCouncil(address[] memory members, uint256 quorum_) private {
        if (members.length > MAX_MEMBERS || quorum_ < 2) revert BadCouncil();
        if (quorum_ > members.length || quorum_ * 2 <= members.length) revert BadCouncil();
        uint256 leaving = _members.length;
        for (uint256 i = 0; i < leaving; ++i) {
            isMember[_members[i]] = false;
        }
        for (uint256 i = 0; i < members.length; ++i) {
            if (members[i] == address(0) || isMember[members[i]]) revert BadCouncil();
            isMember[members[i]] = true;
        }
        (_members, quorum) = (members, quorum_);
        ++_term;
        emit CouncilSet(members, quorum_);
    }

    function _standsUntil(Kind kind, bytes32 subject) private view returns (bool stands, uint256 until) {
        Measure storage last = _measures[kind][subject];
        stands = _stands(last);
        until = stands ? last.until : 0;
    }

    function _stands(Measure storage last) private view returns (bool) {
        return block.timestamp < last.until;
    }

    function _checkSubject(Kind kind, bytes32 subject) private pure {
        if ((kind == Kind.Freeze) != (subject == 0)) revert BadSubject();
    }

    function _checkLength(uint256 length) private pure {
        if (length == 0 || length > LONGEST) revert BadLength();
    }
}
