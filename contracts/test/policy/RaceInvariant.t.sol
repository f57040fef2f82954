// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRaceBonds} from "../../src/interfaces/IRaceBonds.sol";
import {RaceFixture} from "./RaceFixture.sol";
import {RaceHandler} from "./RaceHandler.sol";

contract RaceInvariantTest is RaceFixture {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    RaceHandler private _handler;

    function setUp() public override {
        super.setUp();
        vm.prank(winner);
        races.withdraw(CAPITAL, address(this));
        vm.prank(second);
        races.withdraw(CAPITAL, address(this));
        _handler = new RaceHandler(token, escrow, registry, races);
        assertTrue(token.transfer(address(_handler), 100_000_000e18), "transfer");
        vm.prank(address(_handler));
        token.approve(address(races), type(uint256).max);
    }

    function selectors() private view returns (bytes4[] memory list) {
        list = new bytes4[](18);
        list[0] = _handler.pass.selector;
        list[1] = _handler.pass.selector;
        list[2] = _handler.deposit.selector;
        list[3] = _handler.withdraw.selector;
        list[4] = _handler.cancel.selector;
        list[5] = _handler.race.selector;
        list[6] = bytes4(keccak256("open(uint256)"));
        list[7] = _handler.close.selector;
        list[8] = bytes4(keccak256("takeOver(uint256,uint256)"));
        list[9] = bytes4(keccak256("work(uint256)"));
        list[10] = bytes4(keccak256("claim(uint256)"));
        list[11] = _handler.forfeit.selector;
        list[12] = _handler.release.selector;
        list[13] = _handler.showPayment.selector;
        list[14] = _handler.showVoucher.selector;
        list[15] = bytes4(keccak256("claim(uint256)"));
        list[16] = _handler.fail.selector;
        list[17] = _handler.fail.selector;
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

    function invariant_BondsAreSound() public view {
        uint256 sum = 0;
        for (uint256 i = 0; i < 3; ++i) {
            address who = _handler.personAt(i);
            assertEq(races.capitalOf(who), _handler.capital(who), "capital by hand");
            sum += races.capitalOf(who);
        }
        assertEq(token.balanceOf(address(races)), sum + _handler.lockedInAll(), "capital and bonds, to the wei");
        for (uint256 i = 0; i < _handler.count(); ++i) {
            RaceHandler.Race memory race = _handler.raceAt(i);
            assertEq(stateOf(race.id), uint256(race.state), "state by hand");
            assertEq(races.lockOf(race.id).bond, race.bond, "the bond stays what it was");
            if (race.state != IRaceBonds.State.Forfeited) continue;
            assertTrue(!race.wonPaid && !race.word, "whoever was paid, or has a voucher, loses nothing");
            assertTrue(race.closedAt >= race.openedAt + START_WITHIN, "nor who hadn't its time");
            assertTrue(race.tookPaid && race.secondKey != race.winnerKey, "and another took over");
        }
    }

    /// @notice Read by forge, after each run: whatever state things are in, every lock ends and all capital gets out.
    function afterInvariant() external {
        vm.warp(block.timestamp + LOCK_TIME + CHALLENGE + 1);
        for (uint256 i = 0; i < _handler.count(); ++i) {
            RaceHandler.Race memory race = _handler.raceAt(i);
            if (race.state == IRaceBonds.State.Locked) races.release(race.id);
            if (race.state == IRaceBonds.State.Claimed) races.forfeit(race.id);
        }
        for (uint256 i = 0; i < 3; ++i) {
            address who = _handler.personAt(i);
            uint256 all = races.capitalOf(who);
            if (all == 0) continue;
            vm.prank(who);
            races.withdraw(all, who);
        }
        assertEq(token.balanceOf(address(races)), 0, "nothing is left");
    }

    // ------------------------------------------------------------------------------------------ not vacuous

    function test_Walk_ReachesEverything() public {
        bytes4[] memory list = selectors();
        for (uint256 step = 0; step < 3000; ++step) {
            uint256 s = uint256(keccak256(abi.encode("walk", step)));
            bytes memory call = abi.encodePacked(
                list[s % list.length],
                abi.encode(s >> 8, uint256(keccak256(abi.encode(s))), uint256(keccak256(abi.encode(s, s))))
            );
            (bool ok,) = address(_handler).call(call);
            assertTrue(ok, "the handler doesn't fail");
            if (step % 200 == 0) invariant_BondsAreSound();
        }
        invariant_BondsAreSound();
        for (uint256 i = 0; i < list.length; ++i) {
            if (_handler.done(list[i]) == 0) revert NotEqualWord("never reached", 0, bytes32(list[i]));
        }
    }
}
