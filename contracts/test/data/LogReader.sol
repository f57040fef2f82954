// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {Vm} from "../utils/Vm.sol";

/// @notice Rebuilds the registry's log from events, as somebody who has nothing else: no call to the contract, and none of its
/// code.
abstract contract LogReader {
    /// @notice The leaves that the events of `emitter` say, in their order; reverts if one is missing or out of place.
    function leavesOf(Vm.Log[] memory logs, address emitter) internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](logs.length);
        uint256 count = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != emitter || logs[i].topics[0] != IDataRegistry.Logged.selector) continue;
            leaves[count++] = entryOf(logs[i]);
        }
        assembly ("memory-safe") {
            mstore(leaves, count)
        }
    }

    function entryOf(Vm.Log memory entry) private view returns (bytes32) {
        (address actor, uint256 time, bytes memory detail) = abi.decode(entry.data, (address, uint256, bytes));
        return keccak256(
            abi.encode(
                keccak256("eai.network data registry log entry"),
                block.chainid,
                entry.emitter,
                uint256(entry.topics[1]),
                uint256(entry.topics[2]),
                entry.topics[3],
                actor,
                time,
                keccak256(detail)
            )
        );
    }

    /// @notice The root of a tree of `depth` levels that begins with `leaves`, the rest zero.
    function rebuild(bytes32[] memory leaves, uint256 depth) internal pure returns (bytes32 root) {
        (root,) = climb(leaves, 0, depth);
    }

    /// @notice The proof of leaf `index`.
    function prove(bytes32[] memory leaves, uint256 index, uint256 depth)
        internal
        pure
        returns (bytes32[] memory proof)
    {
        (, proof) = climb(leaves, index, depth);
    }

    function climb(bytes32[] memory leaves, uint256 index, uint256 depth)
        private
        pure
        returns (bytes32 root, bytes32[] memory proof)
    {
        proof = new bytes32[](depth);
        bytes32[] memory level = new bytes32[](leaves.length + 2);
        for (uint256 i = 0; i < leaves.length; ++i) {
            level[i] = leaves[i];
        }
        uint256 size = leaves.length;
        bytes32 empty = 0;
        for (uint256 d = 0; d < depth; ++d) {
            (level[size], level[size + 1]) = (empty, empty);
            proof[d] = level[index ^ 1];
            size = (size + 1) / 2;
            for (uint256 i = 0; i < size; ++i) {
                level[i] = sorted(level[2 * i], level[2 * i + 1]);
            }
            empty = sorted(empty, empty);
            index /= 2;
        }
        root = size == 0 ? empty : level[0];
    }

    function sorted(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }
}
