// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FoundationTimelock} from "../../src/governance/FoundationTimelock.sol";
import {Test} from "../utils/Test.sol";

/// @notice Five people who decide, carry out, cancel, hand over and meddle; beside them a model of who may and of what must come of it.
contract FoundationTimelockHandler is Test {
    struct Decision {
        bytes data;
        bytes32 salt;
        uint256 readyAt;
        bool over;
    }

    FoundationTimelock public immutable timelock;

    // the model
    uint256 public delay = 72 hours;
    address public foundation;
    address private _heir;
    uint256 private _acceptBy;
    Decision[] private _decisions;

    constructor() {
        foundation = person(0);
        timelock = new FoundationTimelock(72 hours, person(0));
    }

    /// @notice Five people, and the timelock.
    function person(uint256 i) public view returns (address) {
        return i % 6 == 5 ? address(timelock) : address(uint160(0xFACE0 + i % 6));
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, 20 days));
    }

    /// @notice Somebody decides something about the timelock itself, good or bad.
    function decide(uint256 who, uint256 what, uint256 figure, uint256 wait) external {
        address caller = what % 4 == 0 ? person(who) : foundation;
        bytes memory data;
        if (what % 5 == 0) {
            data = abi.encodeCall(timelock.updateDelay, (bound(figure, 71 hours, 31 days)));
        } else if (what % 5 == 1) {
            data = abi.encodeCall(timelock.offerHandover, (person(figure)));
        } else if (what % 5 == 2) {
            data = abi.encodeCall(timelock.grantRole, (timelock.PROPOSER_ROLE(), person(figure)));
        } else if (what % 5 == 3) {
            data = abi.encodeCall(timelock.revokeRole, (timelock.PROPOSER_ROLE(), foundation));
        } else {
            data = abi.encodeCall(timelock.retractHandover, ());
        }
        wait = bound(wait, delay - 1 hours, delay + 5 days);
        bytes32 salt = bytes32(_decisions.length + 1);
        vm.prank(caller);
        try timelock.schedule(address(timelock), 0, data, 0, salt, wait) {
            assertTrue(caller == foundation && wait >= delay, "who decided, and for when");
            _decisions.push(Decision(data, salt, block.timestamp + wait, false));
        } catch {
            assertTrue(caller != foundation || wait < delay, "why not");
        }
    }

    /// @notice Anyone tries to carry out any decision.
    function execute(uint256 who, uint256 which) external {
        if (_decisions.length == 0) return;
        Decision storage decision = _decisions[which % _decisions.length];
        bool due =
            !decision.over && block.timestamp >= decision.readyAt && block.timestamp <= decision.readyAt + 30 days;
        bool fits = due && apply_(decision.data, true);
        vm.prank(person(who));
        try timelock.execute(address(timelock), 0, decision.data, 0, decision.salt) {
            assertTrue(fits, "neither early, late, twice, nor against the rules");
            decision.over = true;
            apply_(decision.data, false);
        } catch {
            assertTrue(!fits, "what is due and allowed can be carried out");
        }
    }

    /// @dev What the model makes of a decision; whether it is allowed.
    function apply_(bytes memory data, bool dry) private returns (bool) {
        bytes4 selector = bytes4(data);
        uint256 word = data.length < 36 ? 0 : wordOf(data);
        if (selector == timelock.updateDelay.selector) {
            if (word < 72 hours || word > 30 days) return false;
            if (!dry) delay = word;
            return true;
        }
        if (selector == timelock.offerHandover.selector) {
            address to = address(uint160(word));
            if (to == foundation || to == address(timelock)) return false;
            if (!dry) (_heir, _acceptBy) = (to, block.timestamp + 7 days);
            return true;
        }
        if (selector == timelock.retractHandover.selector) {
            if (_heir == address(0)) return false;
            if (!dry) (_heir, _acceptBy) = (address(0), 0);
            return true;
        }
        return false;
    }

    function wordOf(bytes memory data) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(data, 0x24))
        }
    }

    function cancel(uint256 who, uint256 which) external {
        if (_decisions.length == 0) return;
        Decision storage decision = _decisions[which % _decisions.length];
        address caller = who % 2 == 0 ? person(who) : foundation;
        bytes32 id = timelock.hashOperation(address(timelock), 0, decision.data, 0, decision.salt);
        bool may = caller == foundation && !decision.over && block.timestamp <= decision.readyAt + 30 days;
        vm.prank(caller);
        try timelock.cancel(id) {
            assertTrue(may, "who cancels, and what");
            decision.over = true;
        } catch {
            assertTrue(!may, "what stands can be cancelled");
        }
    }

    function accept(uint256 who) external {
        address caller = who % 3 == 0 || _heir == address(0) ? person(who) : _heir;
        vm.prank(caller);
        try timelock.acceptHandover() {
            assertTrue(caller == _heir && block.timestamp <= _acceptBy, "who accepts, and when");
            (foundation, _heir, _acceptBy) = (caller, address(0), 0);
        } catch {
            assertTrue(caller != _heir || block.timestamp > _acceptBy, "an heir in time can accept");
        }
    }

    function retract(uint256 who) external {
        if (who % 4 != 0) return;
        address caller = who % 8 == 0 ? foundation : person(who);
        bool may = (caller == foundation || caller == address(timelock)) && _heir != address(0);
        vm.prank(caller);
        try timelock.retractHandover() {
            assertTrue(may, "who retracts");
            (_heir, _acceptBy) = (address(0), 0);
        } catch {
            assertTrue(!may, "why not");
        }
    }

    /// @notice Anyone tries what nobody may without a decision.
    function meddle(uint256 who, uint256 what) external {
        address caller = person(who % 5);
        bytes memory data;
        if (what % 4 == 0) data = abi.encodeCall(timelock.updateDelay, (72 hours));
        if (what % 4 == 1) data = abi.encodeCall(timelock.offerHandover, (caller));
        if (what % 4 == 2) data = abi.encodeCall(timelock.grantRole, (timelock.PROPOSER_ROLE(), caller));
        if (what % 4 == 3) data = abi.encodeCall(timelock.renounceRole, (timelock.PROPOSER_ROLE(), caller));
        vm.prank(caller);
        (bool ok,) = address(timelock).call(data);
        assertTrue(!ok, "nobody");
    }
}
