// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FoundationTimelock} from "../../src/governance/FoundationTimelock.sol";
import {IGuardrail} from "../../src/interfaces/IGuardrail.sol";
import {Guardrail} from "../../src/policy/Guardrail.sol";
import {Test} from "../utils/Test.sol";

/// @notice Is the timelock, has a council sign and changes it; beside it a model that keeps the whole history.
contract GuardrailHandler is Test {
    /// @notice A measure as the model remembers it; `until` is when it ended or will.
    struct Past {
        IGuardrail.Kind kind;
        bytes32 subject;
        uint256 from;
        uint256 until;
        bool provisional;
        bool lasting;
    }

    /// @notice A signature as the model remembers it.
    struct Signature {
        bytes32 what;
        uint256 term;
        address member;
        uint256 signedAt;
        bool used;
    }

    bytes32 private constant REASON = keccak256("reason");
    uint256 private constant PEOPLE = 7;

    Guardrail public immutable GUARDRAIL;
    uint256 public immutable BEGUN;
    address private immutable _timelock;

    Past[] private _history;
    Signature[] private _signatures;
    address[] private _council;
    uint256 private _quorum;
    uint256 private _term;
    mapping(bytes4 call => uint256) public done;

    constructor() {
        BEGUN = block.timestamp;
        newCouncil(4, 3);
        _timelock = address(new FoundationTimelock(72 hours, address(this)));
        GUARDRAIL = new Guardrail(payable(_timelock), _council, _quorum);
    }

    function person(uint256 i) public pure returns (address) {
        return address(uint160(0xFACE0 + i % PEOPLE));
    }

    function newCouncil(uint256 size, uint256 quorum) private {
        delete _council;
        for (uint256 i = 0; i < size; ++i) {
            _council.push(person(i));
        }
        (_quorum, _term) = (quorum, _term + 1);
    }

    function subjectOf(IGuardrail.Kind kind, uint256 which) public pure returns (bytes32) {
        return kind == IGuardrail.Kind.Freeze ? bytes32(0) : bytes32(1 + which % 3);
    }

    // ----------------------------------------------------------------------------------------- the history

    function pastLength() external view returns (uint256) {
        return _history.length;
    }

    function past(uint256 i) external view returns (Past memory) {
        return _history[i];
    }

    function councilSize() external view returns (uint256) {
        return _council.length;
    }

    /// @notice The number of the last measure against a subject, plus one; 0 if there was none.
    function lastOf(IGuardrail.Kind kind, bytes32 subject) public view returns (uint256) {
        for (uint256 i = _history.length; i > 0; --i) {
            if (_history[i - 1].kind == kind && _history[i - 1].subject == subject) return i;
        }
        return 0;
    }

    /// @notice Until when a subject is under a measure, by the model; 0 if it isn't.
    function standsUntil(IGuardrail.Kind kind, bytes32 subject) public view returns (uint256) {
        uint256 last = lastOf(kind, subject);
        if (last == 0) return 0;
        uint256 until = _history[last - 1].until;
        return block.timestamp < until ? until : 0;
    }

    /// @dev Whether one that has to wait may begin: nothing against the subject stands or ended within the week, and, if it is
    /// counted, fewer than 32 began within it.
    function mayBegin(IGuardrail.Kind kind, bytes32 subject, bool counted) private view returns (bool) {
        uint256 last = lastOf(kind, subject);
        if (last != 0 && block.timestamp < _history[last - 1].until + 7 days) return false;
        return !counted || begunSince(block.timestamp) < 32;
    }

    /// @notice How many provisional denials and quarantines began in the week before `time`.
    function begunSince(uint256 time) public view returns (uint256 count) {
        for (uint256 i = 0; i < _history.length; ++i) {
            Past storage one = _history[i];
            if (one.kind == IGuardrail.Kind.Freeze || !one.provisional) continue;
            if (one.from + 7 days > time && one.from <= time) ++count;
        }
    }

    /// @dev How many of the council have signed `what` of late.
    function signers(bytes32 what) private view returns (uint256 count) {
        for (uint256 m = 0; m < _council.length; ++m) {
            for (uint256 i = _signatures.length; i > 0; --i) {
                Signature storage one = _signatures[i - 1];
                bool fresh = one.term == _term && !one.used && block.timestamp < one.signedAt + 3 days;
                if (one.what == what && one.member == _council[m] && fresh) {
                    ++count;
                    break;
                }
            }
        }
    }

    function use(bytes32 what) private {
        for (uint256 i = 0; i < _signatures.length; ++i) {
            if (_signatures[i].what == what) _signatures[i].used = true;
        }
    }

    function isMember(address who) private view returns (bool) {
        for (uint256 i = 0; i < _council.length; ++i) {
            if (_council[i] == who) return true;
        }
        return false;
    }

    // --------------------------------------------------------------------------------------------- calls

    function pass(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, time % 3 == 0 ? 10 days : 2 days));
        ++done[this.pass.selector];
    }

    /// @notice Some sign a measure, in order.
    function sign(uint256 who, uint256 count, uint256 what, uint256 which, uint256 length) external {
        IGuardrail.Kind kind = IGuardrail.Kind(what % 3);
        bytes32 subject = subjectOf(kind, which);
        length = length % 4 == 0 ? bound(length, 0, 8 days) : 1 days * (1 + length % 7);
        count = bound(count, 1, 4);
        for (uint256 i = 0; i < count; ++i) {
            signOne(person(who % PEOPLE + i), kind, subject, length);
        }
    }

    function signOne(address member, IGuardrail.Kind kind, bytes32 subject, uint256 length) private {
        bytes32 what = keccak256(abi.encode(false, kind, subject, length));
        bool good = isMember(member) && length != 0 && length <= 7 days;
        _signatures.push(Signature(what, _term, member, block.timestamp, false));
        bool completes = good && signers(what) >= _quorum;
        bool fits = good && (!completes || mayBegin(kind, subject, kind != IGuardrail.Kind.Freeze));
        vm.prank(member);
        try GUARDRAIL.propose(kind, subject, length, REASON) returns (bool imposed) {
            assertTrue(fits, "it shouldn't have been possible");
            assertTrue(imposed == completes, "a quorum and nothing less imposes");
            if (!imposed) return;
            use(what);
            _history.push(Past(kind, subject, block.timestamp, block.timestamp + length, true, false));
            ++done[this.sign.selector];
        } catch {
            assertTrue(!fits, "it should have been possible");
            _signatures.pop();
        }
    }

    /// @notice Some sign that a measure end.
    function signEnd(uint256 who, uint256 count, uint256 what, uint256 which) external {
        IGuardrail.Kind kind = IGuardrail.Kind(what % 3);
        bytes32 subject = subjectOf(kind, which);
        count = bound(count, 1, 4);
        for (uint256 i = 0; i < count; ++i) {
            signEndOne(person(who % PEOPLE + i), kind, subject);
        }
    }

    function signEndOne(address member, IGuardrail.Kind kind, bytes32 subject) private {
        uint256 last = lastOf(kind, subject);
        bool good = isMember(member) && standsUntil(kind, subject) != 0 && _history[last - 1].provisional;
        bytes32 what = keccak256(abi.encode(true, last));
        _signatures.push(Signature(what, _term, member, block.timestamp, false));
        bool completes = good && signers(what) >= _quorum;
        vm.prank(member);
        try GUARDRAIL.proposeEnd(kind, subject, REASON) returns (bool ended) {
            assertTrue(good && ended == completes, "a quorum and nothing less ends");
            if (!ended) return;
            use(what);
            _history[last - 1].until = block.timestamp;
            ++done[this.signEnd.selector];
        } catch {
            assertTrue(!good, "it should have been possible");
            _signatures.pop();
        }
    }

    /// @notice The timelock denies or quarantines; a measure that stood ends where the lasting one begins.
    function decide(uint256 what, uint256 which) external {
        IGuardrail.Kind kind = IGuardrail.Kind(what % 2);
        bytes32 subject = subjectOf(kind, which);
        vm.prank(_timelock);
        if (kind == IGuardrail.Kind.Deny) GUARDRAIL.deny(subject, REASON);
        else GUARDRAIL.quarantine(subject, REASON);
        uint256 last = lastOf(kind, subject);
        if (last != 0 && block.timestamp < _history[last - 1].until) _history[last - 1].until = block.timestamp;
        _history.push(Past(kind, subject, block.timestamp, type(uint40).max, false, true));
        ++done[this.decide.selector];
    }

    /// @notice The timelock freezes.
    function freeze(uint256 length) external {
        length = bound(length, 0, 8 days);
        bool fits = length != 0 && length <= 7 days && mayBegin(IGuardrail.Kind.Freeze, 0, false);
        vm.prank(_timelock);
        try GUARDRAIL.freeze(length, REASON) {
            assertTrue(fits, "it shouldn't have been possible");
            _history.push(Past(IGuardrail.Kind.Freeze, 0, block.timestamp, block.timestamp + length, false, false));
            ++done[this.freeze.selector];
        } catch {
            assertTrue(!fits, "it should have been possible");
        }
    }

    /// @notice The timelock lifts.
    function lift(uint256 what, uint256 which) external {
        IGuardrail.Kind kind = IGuardrail.Kind(what % 3);
        bytes32 subject = subjectOf(kind, which);
        bool fits = standsUntil(kind, subject) != 0;
        vm.prank(_timelock);
        try GUARDRAIL.lift(kind, subject, REASON) {
            assertTrue(fits, "it shouldn't have been possible");
            _history[lastOf(kind, subject) - 1].until = block.timestamp;
            ++done[this.lift.selector];
        } catch {
            assertTrue(!fits, "it should have been possible");
        }
    }

    /// @notice The timelock appoints a council, good or bad.
    function appoint(uint256 size, uint256 quorum) external {
        size = bound(size, 0, PEOPLE);
        quorum = bound(quorum, 0, PEOPLE + 1);
        address[] memory members = new address[](size);
        for (uint256 i = 0; i < size; ++i) {
            members[i] = person(i);
        }
        bool fits = quorum >= 2 && quorum <= size && quorum * 2 > size;
        vm.prank(_timelock);
        try GUARDRAIL.setCouncil(members, quorum) {
            assertTrue(fits, "it shouldn't have been possible");
            newCouncil(size, quorum);
            ++done[this.appoint.selector];
        } catch {
            assertTrue(!fits, "it should have been possible");
        }
    }

    /// @notice Whoever isn't the timelock can't decide.
    function meddle(uint256 who, uint256 what, uint256 which) external {
        bytes memory data;
        if (what % 4 == 0) data = abi.encodeCall(GUARDRAIL.deny, (subjectOf(IGuardrail.Kind.Deny, which), REASON));
        if (what % 4 == 1) data = abi.encodeCall(GUARDRAIL.freeze, (1 days, REASON));
        if (what % 4 == 2) data = abi.encodeCall(GUARDRAIL.lift, (IGuardrail.Kind.Freeze, 0, REASON));
        if (what % 4 == 3) data = abi.encodeCall(GUARDRAIL.setCouncil, (_council, _quorum));
        vm.prank(person(who));
        (bool ok,) = address(GUARDRAIL).call(data);
        assertTrue(!ok, "nobody but the timelock");
        ++done[this.meddle.selector];
    }
}
