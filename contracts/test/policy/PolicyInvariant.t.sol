// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {IEmissionController} from "../../src/interfaces/IEmissionController.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {PolicyFixture} from "./PolicyFixture.sol";
import {PolicyHandler} from "./PolicyHandler.sol";

contract PolicyInvariantTest is PolicyFixture {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint256 private constant NODE_KEY = 0x90DE;

    PolicyHandler private _handler;

    function setUp() public override {
        firstBudget = 20_000e18;
        super.setUp();
        IEscrow.LeaseTerms[3] memory leases;
        for (uint256 i = 0; i < 3; ++i) {
            address node = vm.addr(NODE_KEY + i);
            give(node, address(registry), 100_000e18);
            vm.prank(node);
            registry.registerNode(
                address(uint160(0xB000 + i)), INodeRegistry.Form.Personal, 1, one(bytes32(i + 1)), 100_000e18
            );
            give(node, address(disputes), 10_000e18);
            leases[i] = leaseWith(NODE_KEY + i, payer, RATE, 4);
        }
        _handler = new PolicyHandler(token, escrow, registry, emission, disputes, leases);
        give(address(_handler), address(disputes), 100_000_000e18);
        vm.prank(address(_handler));
        token.approve(address(registry), type(uint256).max);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(vm.addr(NODE_KEY + i));
            token.approve(address(disputes), type(uint256).max);
        }
    }

    function selectors() private view returns (bytes4[] memory list) {
        list = new bytes4[](24);
        list[0] = _handler.pass.selector;
        list[1] = _handler.pass.selector;
        list[2] = _handler.pass.selector;
        list[3] = _handler.work.selector;
        list[4] = _handler.record.selector;
        list[5] = _handler.record.selector;
        list[6] = _handler.attest.selector;
        list[7] = _handler.attest.selector;
        list[8] = _handler.weigh.selector;
        list[9] = _handler.weigh.selector;
        list[10] = _handler.allot.selector;
        list[11] = _handler.claim.selector;
        list[12] = _handler.unbond.selector;
        list[13] = _handler.withdraw.selector;
        list[14] = _handler.addStake.selector;
        list[15] = _handler.take.selector;
        list[16] = _handler.release.selector;
        list[17] = _handler.accuse.selector;
        list[18] = _handler.contest.selector;
        list[19] = _handler.vote.selector;
        list[20] = _handler.appeal.selector;
        list[21] = _handler.carryOut.selector;
        list[22] = _handler.collect.selector;
        list[23] = _handler.claimReward.selector;
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

    function invariant_PolicyIsSound() public view {
        checkVault();
        checkRegistry();
        checkCourt();
        assertTrue(!_handler.earnedTwice(), "an id earned for two in one epoch");
        assertEq(token.totalSupply(), 2_500_000_000e18, "the supply is constant");
    }

    function checkVault() private view {
        uint256 epochs = emission.epochAt(block.timestamp) + 1;
        uint256 aside = 0;
        for (uint256 epoch = 0; epoch < epochs; ++epoch) {
            IEmissionController.Epoch memory standing = emission.epochs(epoch);
            (uint256 mined, uint256 weight) = (0, 0);
            aside += standing.pot + rewards(standing.pot);
            assertAtMost(standing.pot + rewards(standing.pot), emission.budgetOf(epoch), "beyond the budget");
            for (uint256 i = 0; i < 3; ++i) {
                IEmissionController.Share memory share = emission.shareOf(_handler.nodeAt(i), epoch);
                assertAtMost(share.weight, share.fee, "w beyond the fee");
                assertAtMost(share.mined, 3 * uint256(share.weight), "mined beyond 3w");
                assertAtMost(uint256(share.claimed) + share.forfeited, share.mined, "paid beyond what was mined");
                mined += share.mined;
                weight += share.weight;
                aside -= uint256(share.claimed) + share.forfeited + notDue(_handler.nodeAt(i), epoch, share.mined);
            }
            assertAtMost(mined, standing.pot, "mined beyond the pot");
            assertEq(standing.weight, weight, "the sum of weights");
        }
        assertEq(emission.reserved(), aside, "set aside = pots - claimed - forfeited");
        assertAtMost(aside, token.balanceOf(address(emission)), "what is set aside is there");
    }

    function rewards(uint256 mined) private view returns (uint256) {
        return mined * rewardBps / 10_000;
    }

    /// @dev What of the rewards for `mined` nobody earned, or was claimed already.
    function notDue(address node, uint256 epoch, uint256 mined) private view returns (uint256) {
        uint256 each = emission.rewardOf(node, epoch);
        uint256 due = 0;
        IEmissionController.Report[] memory reports = emission.reportsOf(node, epoch);
        uint256 counted = emission.shareOf(node, epoch).attested;
        for (uint256 i = 0; i < reports.length; ++i) {
            uint256 time = reports[i].time;
            if (time * 10 > counted * 11 || time * 10 < counted * 9) {
                assertTrue(!reports[i].isPaid, "paid though not near");
            } else if (!reports[i].isPaid) {
                due += each;
            }
        }
        return rewards(mined) - due;
    }

    function checkRegistry() private view {
        uint256 stakes = 0;
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            stakes += registry.slashable(verifierAt(i));
        }
        for (uint256 i = 0; i < 3; ++i) {
            address node = _handler.nodeAt(i);
            stakes += registry.slashable(node);
            uint256 held = 0;
            for (uint256 j = 0; j < 6; ++j) {
                INodeRegistry.Hardware memory device = registry.hardware(_handler.idAt(j));
                if (device.node == node && device.freeAt == 0 && !device.contested) ++held;
            }
            assertEq(registry.account(node).devices, held, "devices");
        }
        assertEq(token.balanceOf(address(registry)), stakes, "every stake is there");
    }

    function checkCourt() private view {
        uint256 sum = _handler.bonds() + disputes.owed(address(_handler));
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            sum += disputes.owed(verifierAt(i));
            sum += disputes.owed(address(uint160(0xA000 + i)));
        }
        for (uint256 i = 0; i < 3; ++i) {
            sum += disputes.owed(_handler.nodeAt(i)) + disputes.owed(address(uint160(0xB000 + i)));
        }
        assertEq(token.balanceOf(address(disputes)), sum, "the court holds what it owes");
        for (uint256 i = 0; i < 3; ++i) {
            address node = _handler.nodeAt(i);
            uint256 open = 0;
            for (uint256 id = 1; id <= _handler.lastCase(); ++id) {
                IDisputes.Case memory standing = disputes.cases(id);
                if (standing.kind == IDisputes.Kind.Accusation && standing.accused == node && !standing.closed) ++open;
            }
            assertEq(registry.account(node).locks, open, "locks");
        }
    }

    /// @notice Read by forge, after each run: whatever state things are in, every case ends and every stake gets out.
    function afterInvariant() external {
        vm.warp(block.timestamp + 2 * VOTING + APPEALING + 1);
        for (uint256 id = 1; id <= _handler.lastCase(); ++id) {
            if (!disputes.cases(id).closed) disputes.carryOut(id);
        }
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(_handler.nodeAt(i));
            registry.quit();
        }
        vm.warp(block.timestamp + UNBONDING);
        for (uint256 i = 0; i < 3; ++i) {
            address node = _handler.nodeAt(i);
            uint256 rest = registry.slashable(node);
            if (rest == 0) continue;
            uint256 before = token.balanceOf(node);
            vm.prank(node);
            registry.withdraw(node);
            assertEq(token.balanceOf(node), before + rest, "out");
        }
        checkVault();
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
            if (step % 100 == 0) invariant_PolicyIsSound();
        }
        invariant_PolicyIsSound();
        for (uint256 i = 0; i < list.length; ++i) {
            if (_handler.done(list[i]) == 0) revert NotEqualWord("never reached", 0, bytes32(list[i]));
        }
        uint256 mined = 0;
        for (uint256 epoch = 0; epoch < emission.epochAt(block.timestamp); ++epoch) {
            for (uint256 i = 0; i < 3; ++i) {
                mined += emission.shareOf(_handler.nodeAt(i), epoch).mined;
            }
        }
        assertTrue(mined > 1000e18, "much was mined");
    }
}
