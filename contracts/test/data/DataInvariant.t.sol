// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {DataFixture} from "./DataFixture.sol";
import {DataHandler} from "./DataHandler.sol";

contract DataInvariantTest is DataFixture {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    DataHandler private _handler;

    function setUp() public override {
        super.setUp();
        data = deployData(parameters());
        address another = address(0x0DF);
        registerNode(another, address(0x0E12), 1, 1000e18);
        address[5] memory all = [seller, node, another, owner, address(0x0E12)];
        for (uint256 i = 0; i < 5; ++i) {
            give(all[i], address(data), 10_000_000e18);
        }
        vm.warp(block.timestamp + 10);
        _handler = new DataHandler(data, token, seller, buyer, [node, another], [owner, address(0x0E12)]);
        _handler.start("image");
    }

    function selectors() private view returns (bytes4[] memory list) {
        list = new bytes4[](23);
        list[0] = _handler.pass.selector;
        list[1] = _handler.pass.selector;
        list[2] = _handler.request.selector;
        list[3] = _handler.open.selector;
        list[4] = _handler.release.selector;
        list[5] = _handler.release.selector;
        list[6] = _handler.work.selector;
        list[7] = _handler.kill.selector;
        list[8] = _handler.close.selector;
        list[9] = _handler.returnBond.selector;
        list[10] = _handler.verify.selector;
        list[11] = _handler.vote.selector;
        list[12] = _handler.vote.selector;
        list[13] = _handler.conclude.selector;
        list[14] = _handler.accuse.selector;
        list[15] = _handler.accuse.selector;
        list[16] = _handler.appeal.selector;
        list[17] = _handler.decide.selector;
        list[18] = _handler.decide.selector;
        list[19] = _handler.withdraw.selector;
        list[20] = _handler.open.selector;
        list[21] = _handler.work.selector;
        list[22] = _handler.verify.selector;
    }

    /// @notice Read by forge: what the fuzzer may call.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector({addr: address(_handler), selectors: selectors()});
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    // ------------------------------------------------------------------------------------------- invariants

    function invariant_DataRegistryIsSound() public view {
        checkPurse();
        checkLeases();
        assertEq(data.logCount(), _handler.entries(), "an event for each entry");
        assertEq(data.logRoot(), _handler.root(), "the root is what the events say");
    }

    function checkPurse() private view {
        address[21] memory all = _handler.everybody();
        uint256 sum = _handler.held();
        for (uint256 i = 0; i < all.length; ++i) {
            assertEq(data.owed(all[i]), _handler.owed(all[i]), "owed as the books say");
            sum += data.owed(all[i]);
        }
        assertEq(token.balanceOf(address(data)), sum, "it holds what it owes, bonds and fees, to the wei");
    }

    function checkLeases() private view {
        for (uint256 i = 0; i < _handler.leaseCount(); ++i) {
            DataHandler.Ghost memory wanted = _handler.ghost(i);
            IDataRegistry.Lease memory got = data.leases(wanted.id);
            assertEq(uint256(got.state), uint256(wanted.state), "state");
            assertEq(got.bond, wanted.bond, "bond");
            assertEq(got.guarantor, wanted.guarantor, "guarantor");
            assertEq(got.endedAt, wanted.ended, "ended");
            assertEq(got.openCase, wanted.openCase, "case");
            assertEq(got.outputs, wanted.outputs, "outputs");
            assertTrue(got.keyReleased == wanted.key, "key");
            assertAtMost(got.endedAt, got.terms.until, "no lease ends late");
            assertTrue(got.bond == 0 || got.guarantor != address(0), "no bond without its guarantor");
            assertTrue(wanted.burned == 0 || data.isBurned(_handler.leafOf(wanted.id, wanted.burned - 1)), "burned");
        }
    }

    /// @notice Read by forge, after each run: whatever state things are in, everything ends by itself and everybody gets out.
    function afterInvariant() external {
        uint256 latest = block.timestamp;
        for (uint256 i = 0; i < _handler.leaseCount(); ++i) {
            uint256 until = data.claimableUntil(_handler.ghost(i).id);
            if (until > latest) latest = until;
        }
        vm.warp(latest + 2 * VOTING + APPEALING + 1);
        for (uint256 id = 1; id <= _handler.caseCount(); ++id) {
            _handler.decide((id - 1) << 8); // case `id`: see the handler's firstOpen
        }
        for (uint256 panel = 0; panel < _handler.panelCount(); ++panel) {
            _handler.conclude(panel);
        }
        for (uint256 i = 0; i < _handler.leaseCount(); ++i) {
            _handler.returnBond(i);
        }
        address[21] memory all = _handler.everybody();
        for (uint256 i = 0; i < all.length; ++i) {
            _handler.take(all[i]);
        }
        assertEq(token.balanceOf(address(data)), 0, "all of it");
        assertEq(_handler.held(), 0, "and nothing is held");
        checkLeases();
    }

    // ------------------------------------------------------------------------------------------ not vacuous

    function test_Walk_ReachesEverything() public {
        bytes4[] memory list = selectors();
        for (uint256 step = 0; step < 3000; ++step) {
            uint256 s = uint256(keccak256(abi.encode("walk", step)));
            bytes memory call =
                abi.encodePacked(list[s % list.length], abi.encode(s >> 8, uint256(keccak256(abi.encode(s))), s >> 16));
            (bool ok,) = address(_handler).call(call);
            assertTrue(ok, "the handler doesn't fail");
            if (step % 100 == 0) invariant_DataRegistryIsSound();
        }
        invariant_DataRegistryIsSound();
        for (uint256 i = 0; i < list.length; ++i) {
            if (_handler.done(list[i]) < 5) revert NotEqualWord("never reached", 0, bytes32(list[i]));
        }
        assertTrue(_handler.done(bytes4("leak")) > 3, "leaks were proven");
        assertTrue(_handler.done(bytes4("free")) > 3, "and not proven");
        this.afterInvariant();
    }
}
