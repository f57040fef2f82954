// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IMiningPool} from "../../src/interfaces/IMiningPool.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {PoolFixture} from "./PoolFixture.sol";
import {PoolHandler} from "./PoolHandler.sol";

contract PoolInvariantTest is PoolFixture {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    PoolHandler private _handler;

    function setUp() public override {
        firstBudget = 20_000e18;
        super.setUp();
        IEscrow.LeaseTerms memory terms = poolLease(4);
        _handler = new PoolHandler(token, escrow, emission, pool, terms);
        give(address(_handler), address(registry), 1_000_000e18);
        for (uint256 i = 0; i < 4; ++i) {
            give(memberAt(i), address(pool), 40_000_000e18);
        }
        // the pool is there from the beginning: the first who joins brings both
        vm.prank(memberAt(0));
        pool.join(one(bytes32("first")), 1000e18);
        _handler.begin(0, 1000e18);
    }

    function selectors() private view returns (bytes4[] memory list) {
        list = new bytes4[](27);
        for (uint256 i = 0; i < 3; ++i) {
            list[i] = _handler.pass.selector;
        }
        (list[3], list[4]) = (_handler.stake.selector, _handler.bring.selector);
        (list[5], list[6]) = (_handler.remove.selector, _handler.tidy.selector);
        (list[7], list[8]) = (_handler.contest.selector, _handler.requestExit.selector);
        (list[9], list[10]) = (_handler.startRound.selector, _handler.finishRound.selector);
        (list[11], list[12]) = (_handler.takeExit.selector, _handler.withdraw.selector);
        (list[13], list[14]) = (_handler.slash.selector, _handler.gift.selector);
        (list[15], list[16]) = (_handler.work.selector, _handler.harvest.selector);
        (list[17], list[18]) = (_handler.rollOver.selector, _handler.attest.selector);
        (list[19], list[20]) = (_handler.allot.selector, _handler.claim.selector);
        (list[21], list[22]) = (_handler.prove.selector, _handler.collect.selector);
        (list[23], list[24]) = (_handler.collectFee.selector, _handler.attest.selector);
        (list[25], list[26]) = (_handler.work.selector, _handler.prove.selector);
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

    function invariant_PoolIsSound() public {
        checkStakes();
        checkIncome();
        checkHardware();
        assertEq(token.totalSupply(), 2_500_000_000e18, "the supply is constant");
        assertEq(escrow.authorization(address(pool), hub, NAMESPACE).cap, 0, "nobody spends in the pool's name");
    }

    /// @dev What is a member's, wherever it is, but for what it can withdraw.
    function stakeAndExits(uint256 i) private view returns (uint256 atRisk, uint256 safe) {
        address member = memberAt(i);
        uint256 all = pool.totalShares();
        uint256 price = all == 0 ? 1e27 : registry.slashable(address(pool)) * 1e27 / all;
        if (pool.index() < price) price = pool.index();
        uint256 shares = pool.members(member).shares;
        for (uint256 number = 0; number <= pool.round(); ++number) {
            uint256 asked = pool.exitOf(member, number);
            if (asked == 0) continue;
            IMiningPool.Round memory round = pool.rounds(number);
            if (round.isDone) {
                safe += asked * round.paid / round.shares;
                shares += asked * round.left / round.shares;
            } else {
                shares += asked;
            }
        }
        atRisk = shares * price / 1e27;
    }

    function checkStakes() private view {
        uint256 sum = 0;
        uint256 slack = 2 * _handler.roundings() + 4;
        for (uint256 i = 0; i < 4; ++i) {
            (uint256 atRisk,) = stakeAndExits(i);
            sum += atRisk;
            uint256 model = _handler.atStake(i) / 1e18;
            assertAtMost(atRisk, model + slack + model / 1e12, "no more than its part");
            assertAtMost(model, atRisk + slack + model / 1e12, "and no less");
        }
        assertAtMost(sum, registry.slashable(address(pool)), "stakes are there");
        INodeRegistry.Account memory account = registry.account(address(pool));
        assertTrue(pool.isThawing() || account.thawing == 0, "nothing thaws but in a round");
    }

    function checkIncome() private view {
        uint256 last = emission.epochAt(block.timestamp) + 1;
        address[] memory accounts = new address[](5);
        for (uint256 i = 0; i < 4; ++i) {
            accounts[i] = memberAt(i);
        }
        accounts[4] = operator;
        uint256 rest = unowed(last + 1, _handler.ids(), accounts);
        assertAtMost(rest, _handler.roundings(), "every wei is somebody's, but for rounding");
        bytes32[] memory ids = _handler.ids();
        for (uint256 epoch = 0; epoch <= last; ++epoch) {
            IMiningPool.Income memory income = pool.incomes(epoch);
            assertEq(income.extra, _handler.came(epoch), "what came");
            (, uint256 total) = emission.splitOf(address(pool), epoch);
            uint256 time = 0;
            for (uint256 i = 0; i < ids.length; ++i) {
                time += pool.parts(epoch, ids[i]).time;
            }
            assertEq(income.time, time, "time");
            assertAtMost(time, total, "no more time than the split's");
            assertAtMost(income.fee, pool.incomeOf(epoch) * FEE_BPS / 10_000, "the operator's part");
        }
    }

    function checkHardware() private {
        uint256 epoch = emission.epochAt(block.timestamp);
        uint256[4] memory devices = [uint256(1), 0, 0, 0];
        for (uint256 i = 0; i < 6; ++i) {
            bytes32 id = _handler.idAt(i);
            _handler.write(id, epoch);
            for (uint256 e = 0; e <= epoch; ++e) {
                assertEq(pool.holderOf(id, e), _handler.had(id, e), "who had it");
            }
            address now_ = pool.holderOf(id, type(uint256).max);
            assertEq(now_, _handler.has(id), "who has it");
            if (now_ != address(0)) ++devices[uint160(now_) - 0xE000];
        }
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(pool.members(memberAt(i)).devices, devices[i], "devices");
        }
    }

    /// @notice Read by forge, after each run: whatever state things are in, everybody gets out with what is its own.
    function afterInvariant() external {
        uint256[4] memory due;
        for (uint256 i = 0; i < 4; ++i) {
            (uint256 atRisk, uint256 safe) = stakeAndExits(i);
            due[i] = atRisk + safe + pool.owed(memberAt(i));
            removeAll(i);
            if (pool.stakeOf(memberAt(i)) != 0) exit(i, type(uint256).max);
        }
        // what thaws, what was asked back, and what a verdict put off
        for (uint256 i = 0; i < 3; ++i) {
            clearRound();
        }
        for (uint256 i = 0; i < 4; ++i) {
            uint256 got = payOut(i);
            assertAtMost(got, due[i] + 4, "no more than its own");
            assertAtMost(due[i], got + 8 + due[i] / 1e12, "and all of it");
        }
    }

    function removeAll(uint256 member) private {
        if (pool.holderOf("first", type(uint256).max) == memberAt(member)) remove(member, "first");
        for (uint256 i = 0; i < 6; ++i) {
            bytes32 id = _handler.idAt(i);
            if (pool.holderOf(id, type(uint256).max) == memberAt(member)) remove(member, id);
        }
    }

    /// @dev Ends the round that thaws, pays it, asks the rest back, and starts the next.
    function clearRound() private {
        if (pool.isThawing()) {
            uint256 thawsAt = registry.account(address(pool)).thawsAt;
            if (block.timestamp < thawsAt) vm.warp(thawsAt);
            pool.finishRound();
        }
        for (uint256 number = 0; number < pool.round(); ++number) {
            for (uint256 i = 0; i < 4; ++i) {
                if (pool.exitOf(memberAt(i), number) != 0) pool.takeExit(memberAt(i), number);
            }
        }
        for (uint256 i = 0; i < 4; ++i) {
            if (pool.stakeOf(memberAt(i)) != 0) exit(i, type(uint256).max);
        }
        if (pool.rounds(pool.round()).shares == 0) return;
        uint256 epoch = emission.epochAt(block.timestamp);
        if (epoch != 0 && block.timestamp < emission.endOf(epoch - 1) + 2 * PHASE) {
            vm.warp(emission.endOf(epoch - 1) + 2 * PHASE);
        }
        pool.startRound();
    }

    // ------------------------------------------------------------------------------------------ not vacuous

    function test_Walk_ReachesEverything() public {
        bytes4[] memory list = selectors();
        for (uint256 step = 0; step < 4000; ++step) {
            uint256 s = uint256(keccak256(abi.encode("walk", step)));
            bytes memory call =
                abi.encodePacked(list[s % list.length], abi.encode(s >> 8, uint256(keccak256(abi.encode(s)))));
            (bool ok,) = address(_handler).call(call);
            assertTrue(ok, "the handler doesn't fail");
            if (step % 200 == 0) invariant_PoolIsSound();
        }
        invariant_PoolIsSound();
        for (uint256 i = 0; i < list.length; ++i) {
            if (_handler.done(list[i]) == 0) revert NotEqualWord("never reached", 0, bytes32(list[i]));
        }
    }
}
