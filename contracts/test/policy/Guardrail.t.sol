// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {FoundationTimelock} from "../../src/governance/FoundationTimelock.sol";
import {IGuardrail} from "../../src/interfaces/IGuardrail.sol";
import {Guardrail} from "../../src/policy/Guardrail.sol";
import {Test} from "../utils/Test.sol";

contract GuardrailTest is Test {
    uint256 private constant START = 1_800_000_000;
    bytes32 private constant IMAGE = keccak256("image");
    bytes32 private constant LEASE = keccak256("lease");
    bytes32 private constant REASON = keccak256("reason");
    uint256 private constant FOREVER = type(uint40).max;

    IGuardrail.Kind private constant DENY = IGuardrail.Kind.Deny;
    IGuardrail.Kind private constant QUARANTINE = IGuardrail.Kind.Quarantine;
    IGuardrail.Kind private constant FREEZE = IGuardrail.Kind.Freeze;

    address private _foundation = address(0xF0DA);
    FoundationTimelock private _timelock;
    Guardrail private _guardrail;

    function setUp() public {
        vm.warp(START);
        _timelock = new FoundationTimelock(72 hours, _foundation);
        _guardrail = new Guardrail(payable(address(_timelock)), members(5), 3);
    }

    // ---------------------------------------------------------------------------------------------- words

    function memberAt(uint256 i) private pure returns (address) {
        return address(uint160(0xC0C0 + i));
    }

    function members(uint256 count) private pure returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = memberAt(i);
        }
    }

    function signAs(uint256 i, IGuardrail.Kind kind, bytes32 subject, uint256 length) private returns (bool) {
        vm.prank(memberAt(i));
        return _guardrail.propose(kind, subject, length, REASON);
    }

    /// @notice The first three sign.
    function impose(IGuardrail.Kind kind, bytes32 subject, uint256 length) private {
        assertTrue(!signAs(0, kind, subject, length), "one");
        assertTrue(!signAs(1, kind, subject, length), "two");
        assertTrue(signAs(2, kind, subject, length), "three");
    }

    /// @notice The third signature, after two others', reverts with `reason`.
    function imposeInVain(IGuardrail.Kind kind, bytes32 subject, uint256 length, bytes memory reason) private {
        signAs(0, kind, subject, length);
        signAs(1, kind, subject, length);
        vm.expectRevert(reason);
        signAs(2, kind, subject, length);
    }

    function notBefore(uint256 time) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IGuardrail.NotBefore.selector, time);
    }

    function asTimelock() private {
        vm.prank(address(_timelock));
    }

    function assertDenied(bytes32 digest, bool wanted, uint256 wantedUntil) private view {
        (bool denied, uint256 until) = _guardrail.isDenied(digest);
        assertTrue(denied == wanted, "denied");
        assertEq(until, wantedUntil, "denied until");
    }

    function assertQuarantined(bytes32 lease, bool wanted, uint256 wantedUntil) private view {
        (bool quarantined, uint256 until) = _guardrail.isQuarantined(lease);
        assertTrue(quarantined == wanted, "quarantined");
        assertEq(until, wantedUntil, "quarantined until");
    }

    function assertOpen(bool wanted, uint256 wantedUntil) private view {
        (bool open, uint256 until) = _guardrail.intakeOpen();
        assertTrue(open == wanted, "open");
        assertEq(until, wantedUntil, "open until");
    }

    // ----------------------------------------------------------------------------------------- constructor

    function make(address timelock, address[] memory council, uint256 quorum) external returns (Guardrail) {
        return new Guardrail(payable(timelock), council, quorum);
    }

    function test_RevertWhen_TheTimelockIsBad() public {
        vm.expectRevert(IGuardrail.BadTimelock.selector);
        this.make(address(0xDEAD), members(3), 2);
        address[] memory nobody = new address[](0);
        address quick = address(new TimelockController(72 hours - 1, nobody, nobody, address(0)));
        vm.expectRevert(IGuardrail.BadTimelock.selector);
        this.make(quick, members(3), 2);
        vm.expectRevert();
        this.make(address(_guardrail), members(3), 2);
    }

    function badCouncil(uint256 i) private pure returns (address[] memory council, uint256 quorum) {
        (council, quorum) = (members(4), 3);
        if (i == 0) quorum = 2;
        if (i == 1) quorum = 5;
        if (i == 2) (council, quorum) = (members(1), 1);
        if (i == 3) (council, quorum) = (members(0), 0);
        if (i == 4) (council, quorum) = (members(16), 9);
        if (i == 5) council[3] = council[0];
        if (i == 6) council[1] = address(0);
        if (i == 7) quorum = type(uint256).max;
        if (i == 8) quorum = 1;
    }

    function test_RevertWhen_TheCouncilIsBad() public {
        for (uint256 i = 0; i < 9; ++i) {
            (address[] memory council, uint256 quorum) = badCouncil(i);
            vm.expectRevert(IGuardrail.BadCouncil.selector);
            this.make(address(_timelock), council, quorum);
        }
        this.make(address(_timelock), members(2), 2);
        this.make(address(_timelock), members(15), 8);
    }

    function test_Constructor_LeavesAllOpen() public view {
        assertDenied(IMAGE, false, 0);
        assertDenied(0, false, 0);
        assertQuarantined(LEASE, false, 0);
        assertOpen(true, START);
        assertEq(_guardrail.TIMELOCK(), address(_timelock), "timelock");
        assertEq(_guardrail.quorum(), 3, "quorum");
        assertEq(_guardrail.council().length, 5, "council");
        assertTrue(_guardrail.COOLDOWN() >= _guardrail.LONGEST(), "cooling is no shorter than the longest measure");
        assertTrue(_guardrail.SIGNING() < _guardrail.COOLDOWN(), "signatures end no later measure");
        assertTrue(_guardrail.LONGEST() == 7 days && _guardrail.COOLDOWN() == 7 days, "a week each");
    }

    // --------------------------------------------------------------------------------------------- propose

    function test_RevertWhen_AnotherProposes() public {
        address[3] memory others = [_foundation, address(_timelock), address(this)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(IGuardrail.NotMember.selector);
            _guardrail.propose(DENY, IMAGE, 1 days, REASON);
        }
    }

    function test_RevertWhen_TheSubjectIsBad() public {
        vm.expectRevert(IGuardrail.BadSubject.selector);
        signAs(0, DENY, 0, 1 days);
        vm.expectRevert(IGuardrail.BadSubject.selector);
        signAs(0, QUARANTINE, 0, 1 days);
        vm.expectRevert(IGuardrail.BadSubject.selector);
        signAs(0, FREEZE, LEASE, 1 days);
    }

    function testFuzz_RevertWhen_TheLengthIsBad(uint256 length, uint256 kind) public {
        if (length <= 7 days) length = length % 2 == 0 ? 0 : type(uint256).max - length;
        vm.expectRevert(IGuardrail.BadLength.selector);
        signAs(0, DENY, IMAGE, 7 days + 1);
        vm.prank(address(_timelock));
        vm.expectRevert(IGuardrail.BadLength.selector);
        _guardrail.freeze(7 days + 1, REASON);
        vm.expectRevert(IGuardrail.BadLength.selector);
        if (kind % 2 == 0) signAs(0, DENY, IMAGE, length);
        else signAs(0, FREEZE, 0, length);
    }

    function test_RevertWhen_ThereIsNoReason() public {
        vm.prank(memberAt(0));
        vm.expectRevert(IGuardrail.NoReason.selector);
        _guardrail.propose(DENY, IMAGE, 1 days, 0);
    }

    function test_Propose_AloneDoesNothing() public {
        vm.startPrank(memberAt(4));
        for (uint256 i = 0; i < 100; ++i) {
            assertTrue(!_guardrail.propose(DENY, bytes32(i + 1), 7 days, REASON), "alone");
            assertTrue(!_guardrail.propose(FREEZE, 0, 1 days + i, REASON), "alone");
            assertTrue(!_guardrail.propose(QUARANTINE, LEASE, 1 days, bytes32(i + 1)), "alone");
        }
        vm.stopPrank();
        assertDenied(bytes32(uint256(1)), false, 0);
        assertQuarantined(LEASE, false, 0);
        assertOpen(true, START);
    }

    function test_Propose_TwiceCountsOnce() public {
        for (uint256 i = 0; i < 5; ++i) {
            assertTrue(!signAs(0, DENY, IMAGE, 1 days), "the same one");
            assertTrue(!signAs(1, DENY, IMAGE, 1 days), "the other one");
        }
        assertDenied(IMAGE, false, 0);
    }

    function test_Propose_CountsTheSameMeasureOnly() public {
        signAs(0, DENY, IMAGE, 1 days);
        signAs(1, DENY, IMAGE, 1 days + 1);
        signAs(2, QUARANTINE, IMAGE, 1 days);
        signAs(3, DENY, LEASE, 1 days);
        vm.prank(memberAt(4));
        _guardrail.propose(DENY, IMAGE, 1 days, "another reason");
        assertDenied(IMAGE, false, 0);
        assertDenied(LEASE, false, 0);
        assertQuarantined(IMAGE, false, 0);
    }

    function testFuzz_Propose_SignaturesLapse(uint256 wait) public {
        wait = bound(wait, 0, 6 days);
        signAs(0, DENY, IMAGE, 1 days);
        signAs(1, DENY, IMAGE, 1 days);
        vm.warp(START + wait);
        assertTrue(signAs(2, DENY, IMAGE, 1 days) == (wait < 3 days), "three days");
        if (wait < 3 days) return;
        assertDenied(IMAGE, false, 0);
        assertTrue(!signAs(0, DENY, IMAGE, 1 days), "two fresh ones");
        assertTrue(signAs(1, DENY, IMAGE, 1 days), "three fresh ones");
    }

    function testFuzz_Propose_StandsUntilItsEnd(uint256 kind, uint256 length) public {
        length = bound(length, 1, 7 days);
        IGuardrail.Kind what = IGuardrail.Kind(kind % 3);
        bytes32 subject = what == FREEZE ? bytes32(0) : IMAGE;
        signAs(0, what, subject, length);
        signAs(1, what, subject, length);
        vm.expectEmit(address(_guardrail));
        emit IGuardrail.Signed(memberAt(2), what, subject, length, REASON, 3);
        vm.expectEmit(address(_guardrail));
        emit IGuardrail.Imposed(what, subject, START + length, REASON, true);
        signAs(2, what, subject, length);
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(START + length - 1 + i);
            uint256 until = i == 0 ? START + length : 0;
            assertDenied(IMAGE, what == DENY && i == 0, what == DENY ? until : 0);
            assertQuarantined(IMAGE, what == QUARANTINE && i == 0, what == QUARANTINE ? until : 0);
            (bool open,) = _guardrail.intakeOpen();
            assertTrue(open == (what != FREEZE || i == 1), "intake");
        }
        IGuardrail.Measure memory last = _guardrail.measure(what, subject);
        assertEq(last.reason, REASON, "reason");
        assertTrue(last.provisional && last.from == START && last.until == START + length, "the measure");
    }

    function test_Propose_UsesSignaturesUp() public {
        impose(DENY, IMAGE, 1 hours);
        assertTrue(!signAs(3, DENY, IMAGE, 1 hours), "one of the next three");
        assertTrue(!signAs(4, DENY, IMAGE, 1 hours), "two");
        assertDenied(IMAGE, true, START + 1 hours);
    }

    function test_RevertWhen_ItStandsAlready() public {
        impose(DENY, IMAGE, 7 days);
        imposeInVain(DENY, IMAGE, 7 days, abi.encodeWithSelector(IGuardrail.AlreadyStands.selector));
        impose(QUARANTINE, IMAGE, 7 days);
        impose(DENY, LEASE, 7 days);
        asTimelock();
        _guardrail.deny("lasting", REASON);
        imposeInVain(DENY, "lasting", 7 days, abi.encodeWithSelector(IGuardrail.AlreadyStands.selector));
    }

    function testFuzz_RevertWhen_TheSubjectHasNotCooled(uint256 kind, uint256 first, uint256 wait) public {
        IGuardrail.Kind what = IGuardrail.Kind(kind % 3);
        bytes32 subject = what == FREEZE ? bytes32(0) : IMAGE;
        first = bound(first, 1, 7 days);
        wait = bound(wait, 0, 7 days - 1);
        impose(what, subject, first);
        vm.warp(START + first + wait);
        imposeInVain(what, subject, 7 days, notBefore(START + first + 7 days));
        vm.warp(START + first + 7 days - 1);
        imposeInVain(what, subject, 7 days, notBefore(START + first + 7 days));
        vm.warp(START + first + 7 days);
        impose(what, subject, 7 days);
    }

    function test_RevertWhen_ThereWereTooMany() public {
        for (uint256 i = 0; i < 32; ++i) {
            vm.warp(START + i * 1 hours);
            impose(i % 2 == 0 ? DENY : QUARANTINE, bytes32(i + 1), 1 days);
        }
        vm.warp(START + 7 days - 1);
        imposeInVain(DENY, IMAGE, 1 days, notBefore(START + 7 days));
        vm.warp(START + 7 days);
        impose(DENY, IMAGE, 1 days);
        // the second of them began an hour after the first
        imposeInVain(QUARANTINE, LEASE, 1 days, notBefore(START + 7 days + 1 hours));
        asTimelock();
        _guardrail.quarantine(LEASE, REASON);
        assertQuarantined(LEASE, true, FOREVER);
    }

    function test_Propose_AFreezeIsCountedApart() public {
        for (uint256 i = 0; i < 32; ++i) {
            impose(DENY, bytes32(i + 1), 1 days);
        }
        impose(FREEZE, 0, 7 days);
        assertOpen(false, START + 7 days);
    }

    function test_Propose_ARogueCantSpoilSignatures() public {
        // the rogue signs first, so that its own signature lapses while others sign
        signAs(4, DENY, IMAGE, 1 days);
        vm.warp(START + 3 days - 1);
        signAs(0, DENY, IMAGE, 1 days);
        vm.warp(START + 3 days + 1);
        signAs(1, DENY, IMAGE, 1 days);
        assertTrue(signAs(2, DENY, IMAGE, 1 days), "three fresh ones");
    }

    // ------------------------------------------------------------------------------------------ proposeEnd

    function endAs(uint256 i, IGuardrail.Kind kind, bytes32 subject) private returns (bool) {
        vm.prank(memberAt(i));
        return _guardrail.proposeEnd(kind, subject, REASON);
    }

    function test_RevertWhen_NothingProvisionalStands() public {
        vm.expectRevert(IGuardrail.NothingStands.selector);
        endAs(0, DENY, IMAGE);
        impose(DENY, IMAGE, 1 days);
        vm.warp(START + 1 days);
        vm.expectRevert(IGuardrail.NothingStands.selector);
        endAs(0, DENY, IMAGE);
        asTimelock();
        _guardrail.freeze(2 days, REASON);
        vm.expectRevert(IGuardrail.NothingStands.selector);
        endAs(0, FREEZE, 0);
    }

    function test_RevertWhen_TheEndIsBadlyProposed() public {
        impose(DENY, IMAGE, 1 days);
        vm.expectRevert(IGuardrail.NotMember.selector);
        _guardrail.proposeEnd(DENY, IMAGE, REASON);
        vm.prank(memberAt(0));
        vm.expectRevert(IGuardrail.NoReason.selector);
        _guardrail.proposeEnd(DENY, IMAGE, 0);
    }

    function test_ProposeEnd_EndsIt() public {
        impose(FREEZE, 0, 7 days);
        vm.warp(START + 1 hours);
        assertTrue(!endAs(0, FREEZE, 0) && !endAs(4, FREEZE, 0), "two");
        assertOpen(false, START + 7 days);
        vm.expectEmit(address(_guardrail));
        emit IGuardrail.Lifted(FREEZE, 0, REASON);
        assertTrue(endAs(3, FREEZE, 0), "three");
        assertOpen(true, START + 1 hours + 7 days);
        vm.warp(START + 2 hours);
        imposeInVain(FREEZE, 0, 1 days, notBefore(START + 1 hours + 7 days));
        vm.prank(address(_timelock));
        vm.expectRevert(notBefore(START + 1 hours + 7 days));
        _guardrail.freeze(1 days, REASON);
    }

    function test_ProposeEnd_EndsNoLaterOne() public {
        impose(DENY, IMAGE, 1 hours);
        vm.warp(START + 1 hours - 1);
        endAs(0, DENY, IMAGE);
        endAs(1, DENY, IMAGE);
        asTimelock();
        _guardrail.lift(DENY, IMAGE, REASON);
        vm.warp(START + 1 hours - 1 + 7 days);
        impose(DENY, IMAGE, 1 hours);
        assertTrue(!endAs(2, DENY, IMAGE), "one");
        assertDenied(IMAGE, true, block.timestamp + 1 hours);
    }

    // ---------------------------------------------------------------------------------- deny, quarantine

    function test_RevertWhen_AnotherDecides() public {
        address[3] memory others = [_foundation, memberAt(0), address(this)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.startPrank(others[i]);
            vm.expectRevert(IGuardrail.NotTimelock.selector);
            _guardrail.deny(IMAGE, REASON);
            vm.expectRevert(IGuardrail.NotTimelock.selector);
            _guardrail.quarantine(LEASE, REASON);
            vm.expectRevert(IGuardrail.NotTimelock.selector);
            _guardrail.freeze(1 days, REASON);
            vm.expectRevert(IGuardrail.NotTimelock.selector);
            _guardrail.lift(DENY, IMAGE, REASON);
            vm.expectRevert(IGuardrail.NotTimelock.selector);
            _guardrail.setCouncil(members(3), 2);
            vm.stopPrank();
        }
    }

    function test_RevertWhen_ADecisionIsIncomplete() public {
        vm.startPrank(address(_timelock));
        vm.expectRevert(IGuardrail.BadSubject.selector);
        _guardrail.deny(0, REASON);
        vm.expectRevert(IGuardrail.BadSubject.selector);
        _guardrail.quarantine(0, REASON);
        vm.expectRevert(IGuardrail.NoReason.selector);
        _guardrail.deny(IMAGE, 0);
        vm.expectRevert(IGuardrail.NoReason.selector);
        _guardrail.quarantine(LEASE, 0);
        vm.expectRevert(IGuardrail.NoReason.selector);
        _guardrail.freeze(1 days, 0);
        vm.stopPrank();
    }

    function testFuzz_Deny_Lasts(uint256 time) public {
        vm.startPrank(address(_timelock));
        vm.expectEmit(address(_guardrail));
        emit IGuardrail.Imposed(DENY, IMAGE, FOREVER, REASON, false);
        _guardrail.deny(IMAGE, REASON);
        _guardrail.quarantine(LEASE, REASON);
        vm.warp(START + bound(time, 0, 36500 days));
        assertDenied(IMAGE, true, FOREVER);
        assertQuarantined(LEASE, true, FOREVER);
        _guardrail.lift(DENY, IMAGE, REASON);
        _guardrail.lift(QUARANTINE, LEASE, REASON);
        assertDenied(IMAGE, false, 0);
        assertQuarantined(LEASE, false, 0);
        vm.stopPrank();
    }

    function test_Deny_Confirms() public {
        impose(DENY, IMAGE, 4 days);
        endAs(0, DENY, IMAGE);
        endAs(1, DENY, IMAGE);
        asTimelock();
        _guardrail.deny(IMAGE, REASON);
        vm.expectRevert(IGuardrail.NothingStands.selector);
        endAs(2, DENY, IMAGE);
        vm.warp(START + 4 days);
        assertDenied(IMAGE, true, FOREVER);
    }

    function test_Deny_NeedsNoCooling() public {
        impose(DENY, IMAGE, 1 days);
        vm.warp(START + 2 days);
        vm.startPrank(address(_timelock));
        _guardrail.deny(IMAGE, REASON);
        _guardrail.lift(DENY, IMAGE, REASON);
        _guardrail.deny(IMAGE, "for another reason");
        vm.stopPrank();
        assertEq(_guardrail.measure(DENY, IMAGE).reason, "for another reason", "the last reason");
    }

    // ---------------------------------------------------------------------------------------------- freeze

    /// @notice Council (even) or timelock (odd) freezes; or reverts with `reason`.
    function freezeBy(uint256 who, uint256 length, bytes memory reason) private {
        if (who % 2 == 0) {
            signAs(0, FREEZE, 0, length);
            signAs(1, FREEZE, 0, length);
            if (reason.length != 0) vm.expectRevert(reason);
            signAs(2, FREEZE, 0, length);
        } else {
            vm.prank(address(_timelock));
            if (reason.length != 0) vm.expectRevert(reason);
            _guardrail.freeze(length, REASON);
        }
    }

    function testFuzz_RevertWhen_AFreezeIsRenewed(uint256 first, uint256 second, uint256 length, uint256 wait) public {
        length = bound(length, 1, 7 days);
        asTimelock();
        vm.expectRevert(IGuardrail.BadLength.selector);
        _guardrail.freeze(7 days + length, REASON);
        freezeBy(first, length, "");
        wait = bound(wait, 0, length + 7 days - 1);
        vm.warp(START + wait);
        freezeBy(
            second,
            length,
            wait < length
                ? abi.encodeWithSelector(IGuardrail.AlreadyStands.selector)
                : notBefore(START + length + 7 days)
        );
        vm.warp(START + length + 7 days - 1);
        freezeBy(second, length, notBefore(START + length + 7 days));
        vm.warp(START + length + 7 days);
        freezeBy(second, length, "");
        assertOpen(false, START + length + 7 days + length);
    }

    function testFuzz_Freeze_EndsByItself(uint256 length) public {
        length = bound(length, 1, 7 days);
        asTimelock();
        _guardrail.freeze(length, REASON);
        vm.warp(START + length - 1);
        assertOpen(false, START + length);
        vm.warp(START + length);
        assertOpen(true, START + length + 7 days);
    }

    // ------------------------------------------------------------------------------------------------ lift

    function test_RevertWhen_NothingCanBeLifted() public {
        vm.startPrank(address(_timelock));
        vm.expectRevert(IGuardrail.NothingStands.selector);
        _guardrail.lift(DENY, IMAGE, REASON);
        _guardrail.deny(IMAGE, REASON);
        vm.expectRevert(IGuardrail.NoReason.selector);
        _guardrail.lift(DENY, IMAGE, 0);
        vm.expectRevert(IGuardrail.NothingStands.selector);
        _guardrail.lift(QUARANTINE, IMAGE, REASON);
        _guardrail.lift(DENY, IMAGE, REASON);
        vm.expectRevert(IGuardrail.NothingStands.selector);
        _guardrail.lift(DENY, IMAGE, REASON);
        vm.stopPrank();
    }

    function test_Lift_EndsAnyMeasure() public {
        IGuardrail.Kind[3] memory kinds = [DENY, QUARANTINE, FREEZE];
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 subject = kinds[i] == FREEZE ? bytes32(0) : IMAGE;
            impose(kinds[i], subject, 7 days);
            vm.warp(block.timestamp + 1 hours);
            asTimelock();
            _guardrail.lift(kinds[i], subject, REASON);
            assertDenied(IMAGE, false, 0);
            assertQuarantined(IMAGE, false, 0);
            imposeInVain(kinds[i], subject, 1 days, notBefore(block.timestamp + 7 days));
        }
        assertOpen(true, block.timestamp + 7 days);
    }

    // ------------------------------------------------------------------------------------------ setCouncil

    function test_RevertWhen_TheNextCouncilIsBad() public {
        for (uint256 i = 0; i < 9; ++i) {
            (address[] memory council, uint256 quorum) = badCouncil(i);
            vm.prank(address(_timelock));
            vm.expectRevert(IGuardrail.BadCouncil.selector);
            _guardrail.setCouncil(council, quorum);
        }
        assertEq(_guardrail.council().length, 5, "the old one");
        assertTrue(_guardrail.isMember(memberAt(4)), "still on it");
    }

    function test_SetCouncil_VoidsSignatures() public {
        signAs(0, DENY, IMAGE, 1 days);
        signAs(1, DENY, IMAGE, 1 days);
        address[] memory next = new address[](3);
        (next[0], next[1], next[2]) = (memberAt(0), memberAt(1), address(0x4E));
        vm.expectEmit(address(_guardrail));
        emit IGuardrail.CouncilSet(next, 2);
        asTimelock();
        _guardrail.setCouncil(next, 2);
        vm.prank(address(0x4E));
        assertTrue(!_guardrail.propose(DENY, IMAGE, 1 days, REASON), "the first of this term");
        vm.expectRevert(IGuardrail.NotMember.selector);
        signAs(2, DENY, IMAGE, 1 days);
        assertTrue(signAs(0, DENY, IMAGE, 1 days), "the second");
    }

    function test_SetCouncil_AReturningMemberSignsAnew() public {
        signAs(0, DENY, IMAGE, 1 days);
        vm.startPrank(address(_timelock));
        address[] memory next = new address[](2);
        (next[0], next[1]) = (memberAt(1), memberAt(2));
        _guardrail.setCouncil(next, 2);
        _guardrail.setCouncil(members(5), 3);
        vm.stopPrank();
        signAs(1, DENY, IMAGE, 1 days);
        assertTrue(!signAs(2, DENY, IMAGE, 1 days), "the one before doesn't count");
    }

    function test_SetCouncil_LeavesMeasures() public {
        impose(DENY, IMAGE, 1 days);
        asTimelock();
        _guardrail.setCouncil(members(3), 2);
        assertDenied(IMAGE, true, START + 1 days);
        vm.warp(START + 1 days);
        assertDenied(IMAGE, false, 0);
        // a new council is no way round the cooling
        signAs(0, DENY, IMAGE, 1 days);
        vm.expectRevert(notBefore(START + 8 days));
        signAs(1, DENY, IMAGE, 1 days);
    }

    function testFuzz_SetCouncil_AnyQuorumWorks(uint256 size, uint256 quorum) public {
        size = bound(size, 2, 15);
        quorum = bound(quorum, size / 2 + 1, size);
        asTimelock();
        _guardrail.setCouncil(members(size), quorum);
        for (uint256 i = 0; i < quorum; ++i) {
            assertDenied(IMAGE, false, 0);
            assertTrue(signAs(size - 1 - i, DENY, IMAGE, 1 days) == (i + 1 == quorum), "the last of the quorum");
        }
        assertDenied(IMAGE, true, START + 1 days);
    }

    // ----------------------------------------------------------------------------------------------- views

    function testFuzz_IntakeOpen_SaysUntilWhen(uint256 length, uint256 wait) public {
        length = bound(length, 1, 7 days);
        wait = bound(wait, 0, 60 days);
        impose(FREEZE, 0, length);
        vm.warp(START + wait);
        uint256 end = START + length;
        bool cooling = block.timestamp < end + 7 days;
        if (wait < length) assertOpen(false, end);
        else assertOpen(true, cooling ? end + 7 days : block.timestamp);
        if (wait >= length && !cooling) impose(FREEZE, 0, length);
    }

    // ----------------------------------------------------------------------------------------- by timelock

    function test_Timelock_TakesThreeDays() public {
        bytes memory call = abi.encodeCall(_guardrail.freeze, (7 days, REASON));
        vm.prank(_foundation);
        _timelock.schedule(address(_guardrail), 0, call, 0, 0, 72 hours);
        vm.warp(START + 72 hours - 1);
        vm.expectRevert();
        _timelock.execute(address(_guardrail), 0, call, 0, 0);
        assertOpen(true, block.timestamp);
        vm.warp(START + 72 hours);
        _timelock.execute(address(_guardrail), 0, call, 0, 0);
        assertOpen(false, START + 72 hours + 7 days);
    }

    function test_Timelock_IsInTimeToConfirm() public {
        impose(DENY, IMAGE, 7 days);
        bytes memory call = abi.encodeCall(_guardrail.deny, (IMAGE, REASON));
        vm.warp(START + 3 days);
        vm.prank(_foundation);
        _timelock.schedule(address(_guardrail), 0, call, 0, 0, 72 hours);
        vm.warp(START + 6 days);
        _timelock.execute(address(_guardrail), 0, call, 0, 0);
        vm.warp(START + 30 days);
        assertDenied(IMAGE, true, FOREVER);
    }
}
