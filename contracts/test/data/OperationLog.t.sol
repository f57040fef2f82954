// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MerkleTree} from "@openzeppelin/contracts/utils/structs/MerkleTree.sol";

import {OperationLog} from "../../src/data/OperationLog.sol";
import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {Vm} from "../utils/Vm.sol";
import {DataFixture} from "./DataFixture.sol";
import {LogReader} from "./LogReader.sol";

/// @notice The tree beside OpenZeppelin's of the same depth.
contract Trees {
    using MerkleTree for MerkleTree.Bytes32PushTree;
    using OperationLog for OperationLog.Tree;

    OperationLog.Tree private _ours;
    MerkleTree.Bytes32PushTree private _theirs;
    bytes32 public theirRoot;

    constructor() {
        theirRoot = _theirs.setup(uint8(OperationLog.DEPTH), 0);
    }

    function append(bytes32 leaf) external returns (uint256 ours, uint256 theirs) {
        ours = _ours.append(leaf);
        (theirs, theirRoot) = _theirs.push(leaf);
    }

    function appendOurs(bytes32 leaf) external returns (uint256) {
        return _ours.append(leaf);
    }

    function ourRoot() external view returns (bytes32) {
        return _ours.root();
    }

    /// @dev As if `count` leaves were there, for the edges that nobody can reach.
    function pretend(uint256 count) external {
        _ours.count = count;
    }
}

contract OperationLogTest is DataFixture, LogReader {
    // -------------------------------------------------------------------------------------------- the tree

    function test_Root_OfNothingIsOpenZeppelins() public {
        Trees trees = new Trees();
        assertEq(trees.ourRoot(), trees.theirRoot(), "of nothing");
    }

    function testFuzz_Root_IsOpenZeppelins(bytes32 seed, uint256 count) public {
        Trees trees = new Trees();
        count = bound(count, 1, 40);
        for (uint256 i = 0; i < count; ++i) {
            (uint256 ours, uint256 theirs) = trees.append(keccak256(abi.encode(seed, i)));
            assertEq(ours, theirs, "index");
            assertEq(ours, i, "without a gap");
            assertEq(trees.ourRoot(), trees.theirRoot(), "root");
        }
    }

    function test_Append_CostsALevelOrTwo() public {
        Trees trees = new Trees();
        for (uint256 i = 0; i < 64; ++i) {
            trees.appendOurs(keccak256(abi.encode(i)));
        }
        uint256 sum = 0;
        for (uint256 i = 64; i < 128; ++i) {
            uint256 before = gasleft();
            trees.appendOurs(keccak256(abi.encode(i)));
            sum += before - gasleft();
        }
        assertAtMost(sum / 64, 12_000, "gas of an entry");
    }

    function test_Append_GoesOnForEver() public {
        Trees trees = new Trees();
        // the last place of the tree but one; the last would be after many millennia
        trees.pretend((1 << 48) - 2);
        assertEq(trees.appendOurs("late"), (1 << 48) - 2, "still counted");
        assertTrue(trees.ourRoot() != trees.theirRoot(), "still in the root");
    }

    // ---------------------------------------------------------------------------------- from events alone

    /// @dev Every operation but the dataset's publishing and the request, which setUp made.
    function live() private {
        bytes32 id = leased;
        vm.startPrank(seller);
        data.allowImages(dataset, one(IMAGE_2));
        data.removeImages(dataset, one(IMAGE_2));
        data.appointBroker(dataset, address(7));
        data.appointBroker(dataset, broker);
        vm.stopPrank();
        released();
        run(id);
        vm.prank(seller);
        uint256 panel = data.requestVerification(id, 0, FEE);
        draw(panel);
        castAll(panel, 4, IDataRegistry.Finding.NoEvidenceFound);
        uint256 first = openCase(id, 0);
        vm.prank(seller);
        data.kill(id);
        vm.warp(block.timestamp + VOTING + 1);
        data.conclude(panel);
        appealAs(seller, first);
        vm.warp(block.timestamp + VOTING + 1);
        data.decide(first);
        vm.warp(data.claimableUntil(id) + 1);
        data.returnBond(id);
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        bytes32 next = request(t);
        open(next);
        vm.prank(owner);
        data.close(next);
        vm.prank(seller);
        data.retire(dataset);
    }

    function test_Log_RebuildsFromEventsAlone() public {
        vm.recordLogs();
        setUp(); // a registry of its own, from its first entry on
        live();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        bytes32[] memory leaves = leavesOf(logs, address(data));
        assertEq(leaves.length, data.logCount(), "as many events as entries");
        assertTrue(leaves.length > 20, "and there are many");
        assertEq(rebuild(leaves, 48), data.logRoot(), "the root");
        checkEveryOperation(logs);
    }

    function checkEveryOperation(Vm.Log[] memory logs) private view {
        uint256 seen = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(data) || logs[i].topics[0] != IDataRegistry.Logged.selector) continue;
            seen |= 1 << uint256(logs[i].topics[2]);
        }
        assertEq(seen, (1 << 19) - 1, "every kind of entry");
    }

    function test_Log_AChangedEventDoesNotFit() public {
        vm.recordLogs();
        setUp();
        live();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(data) || logs[i].topics[0] != IDataRegistry.Logged.selector) continue;
            bytes32[3] memory was = [logs[i].topics[1], logs[i].topics[2], logs[i].topics[3]];
            for (uint256 field = 1; field < 4; ++field) {
                logs[i].topics[field] = bytes32(uint256(was[field - 1]) ^ 1);
                bytes32 changed = rebuild(leavesOf(logs, address(data)), 48);
                assertTrue(changed != data.logRoot(), "another entry, another root");
                logs[i].topics[field] = was[field - 1];
            }
        }
        assertEq(rebuild(leavesOf(logs, address(data)), 48), data.logRoot(), "and back");
    }

    function test_Log_NeighboursCannotBeSwapped() public {
        vm.recordLogs();
        setUp();
        live();
        bytes32[] memory leaves = leavesOf(vm.getRecordedLogs(), address(data));
        // Pairs are sorted, so the root alone wouldn't tell; the index in the leaf does.
        (leaves[0], leaves[1]) = (leaves[1], leaves[0]);
        assertEq(rebuild(leaves, 48), data.logRoot(), "the tree alone is blind to it");
        bytes32 asFirst = data.leafOf(0, IDataRegistry.Operation.BrokerAppointed, dataset, seller, 1, "");
        assertTrue(leaves[0] != asFirst, "but what is second says so itself");
    }

    function test_Log_EveryEntryIsProvable() public {
        vm.recordLogs();
        setUp();
        live();
        bytes32[] memory leaves = leavesOf(vm.getRecordedLogs(), address(data));
        bytes32 root = data.logRoot();
        for (uint256 i = 0; i < leaves.length; ++i) {
            bytes32[] memory proof = prove(leaves, i, 48);
            assertTrue(MerkleProof.verify(proof, root, leaves[i]), "in it");
            assertTrue(!MerkleProof.verify(proof, root, keccak256("no entry")), "another isn't");
        }
    }

    function test_Log_LeavesAreOfOneChainAndContract() public {
        bytes32 here = data.leafOf(0, IDataRegistry.Operation.Retired, dataset, seller, 1, "");
        IDataRegistry twin = deployData(parameters());
        assertTrue(
            twin.leafOf(0, IDataRegistry.Operation.Retired, dataset, seller, 1, "") != here, "another contract's"
        );
        vm.chainId(4242);
        assertTrue(data.leafOf(0, IDataRegistry.Operation.Retired, dataset, seller, 1, "") != here, "another chain's");
    }

    function testFuzz_Log_EveryFieldIsInTheLeaf(uint256 index, bytes32 subject, address actor, uint256 time)
        public
        view
    {
        vm.assume(index < type(uint256).max && time < type(uint256).max);
        IDataRegistry.Operation killed = IDataRegistry.Operation.Killed;
        bytes32 leaf = data.leafOf(index, killed, subject, actor, time, "x");
        address another = address(uint160(actor) ^ 1);
        assertTrue(data.leafOf(index + 1, killed, subject, actor, time, "x") != leaf, "index");
        assertTrue(data.leafOf(index, IDataRegistry.Operation.Closed, subject, actor, time, "x") != leaf, "operation");
        assertTrue(data.leafOf(index, killed, keccak256(abi.encode(subject)), actor, time, "x") != leaf, "subject");
        assertTrue(data.leafOf(index, killed, subject, another, time, "x") != leaf, "actor");
        assertTrue(data.leafOf(index, killed, subject, actor, time + 1, "x") != leaf, "time");
        assertTrue(data.leafOf(index, killed, subject, actor, time, "y") != leaf, "detail");
    }

    function test_Log_OldRootsAreRebuiltFromAPrefix() public {
        vm.recordLogs();
        setUp();
        (uint256 count, bytes32 root) = (data.logCount(), data.logRoot());
        live();
        bytes32[] memory leaves = leavesOf(vm.getRecordedLogs(), address(data));
        assembly ("memory-safe") {
            mstore(leaves, count)
        }
        assertEq(rebuild(leaves, 48), root, "the root of then");
    }
}
