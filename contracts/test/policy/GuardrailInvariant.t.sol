// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGuardrail} from "../../src/interfaces/IGuardrail.sol";
import {Guardrail} from "../../src/policy/Guardrail.sol";
import {Test} from "../utils/Test.sol";
import {GuardrailHandler} from "./GuardrailHandler.sol";

contract GuardrailInvariantTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    GuardrailHandler private _handler;

    function setUp() public {
        vm.warp(1_800_000_000);
        _handler = new GuardrailHandler();
    }

    function selectors() private view returns (bytes4[] memory list) {
        list = new bytes4[](12);
        list[0] = _handler.pass.selector;
        list[1] = _handler.pass.selector;
        list[2] = _handler.sign.selector;
        list[3] = _handler.sign.selector;
        list[4] = _handler.sign.selector;
        list[5] = _handler.sign.selector;
        list[6] = _handler.signEnd.selector;
        list[7] = _handler.decide.selector;
        list[8] = _handler.freeze.selector;
        list[9] = _handler.lift.selector;
        list[10] = _handler.appoint.selector;
        list[11] = _handler.meddle.selector;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(_handler), selectors: selectors()});
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_GuardrailIsBounded() public view {
        checkViews();
        checkHistory();
        Guardrail guardrail = _handler.GUARDRAIL();
        uint256 size = guardrail.council().length;
        assertEq(size, _handler.councilSize(), "the model's council");
        assertTrue(guardrail.quorum() * 2 > size && guardrail.quorum() >= 2, "more than half, and two at least");
    }

    function checkViews() private view {
        Guardrail guardrail = _handler.GUARDRAIL();
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 subject = _handler.subjectOf(IGuardrail.Kind.Deny, i);
            (bool denied, uint256 until) = guardrail.isDenied(subject);
            assertEq(until, _handler.standsUntil(IGuardrail.Kind.Deny, subject), "denied");
            assertTrue(denied == (until != 0), "denied until then");
            (denied, until) = guardrail.isQuarantined(subject);
            assertEq(until, _handler.standsUntil(IGuardrail.Kind.Quarantine, subject), "quarantined");
            assertTrue(denied == (until != 0), "quarantined until then");
        }
        (bool open, uint256 sure) = guardrail.intakeOpen();
        uint256 frozenUntil = _handler.standsUntil(IGuardrail.Kind.Freeze, 0);
        assertTrue(open == (frozenUntil == 0), "intake");
        if (!open) assertEq(sure, frozenUntil, "frozen until");
        else assertTrue(sure >= block.timestamp && sure <= block.timestamp + 7 days, "sure for a week at most");
    }

    function checkHistory() private view {
        uint256 frozen = 0;
        uint256 length = _handler.pastLength();
        for (uint256 i = 0; i < length; ++i) {
            GuardrailHandler.Past memory one = _handler.past(i);
            if (!one.lasting) assertAtMost(one.until - one.from, 7 days, "no longer than a week");
            if (one.kind == IGuardrail.Kind.Freeze) {
                frozen += (one.until < block.timestamp ? one.until : block.timestamp) - one.from;
            }
            if (one.provisional) assertAtMost(_handler.begunSince(one.from), 32, "in any week");
            for (uint256 j = i; j > 0; --j) {
                GuardrailHandler.Past memory earlier = _handler.past(j - 1);
                if (earlier.kind != one.kind || earlier.subject != one.subject) continue;
                bool waits = one.provisional || one.kind == IGuardrail.Kind.Freeze;
                if (waits) assertTrue(one.from >= earlier.until + 7 days, "not back to back");
                break;
            }
        }
        // a freeze that began is followed by as long a time without, so the first may be ahead by its own length
        assertAtMost(frozen, (block.timestamp - _handler.BEGUN()) / 2 + 7 days, "half of the time");
    }

    function afterInvariant() public {
        vm.warp(block.timestamp + 7 days);
        (bool open,) = _handler.GUARDRAIL().intakeOpen();
        assertTrue(open, "no freeze is longer");
        for (uint256 i = 0; i < 6; ++i) {
            IGuardrail.Kind kind = IGuardrail.Kind(i % 2);
            IGuardrail.Measure memory last = _handler.GUARDRAIL().measure(kind, _handler.subjectOf(kind, i / 2));
            if (last.provisional) assertTrue(last.until <= block.timestamp, "ended by itself");
        }
    }

    /// @notice A long walk by the same calls reaches each, so that the fuzzer doesn't pass for want of trying.
    function test_Walk_ReachesEverything() public {
        bytes4[] memory list = selectors();
        for (uint256 step = 0; step < 1200; ++step) {
            uint256 s = uint256(keccak256(abi.encode("walk", step)));
            bytes4 selector = list[s % list.length];
            bytes memory data =
                abi.encodePacked(selector, s >> 8, s >> 16, s >> 24, s >> 32, uint256(keccak256(abi.encode(s))));
            (bool ok,) = address(_handler).call(data);
            assertTrue(ok, "the handler doesn't fail");
        }
        invariant_GuardrailIsBounded();
        for (uint256 i = 0; i < list.length; ++i) {
            if (_handler.done(list[i]) == 0) revert NotEqualWord("never reached", 0, bytes32(list[i]));
        }
    }
}
