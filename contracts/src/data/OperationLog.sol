// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @title OperationLog
/// @notice An append-only Merkle tree. Its root is OpenZeppelin's `MerkleTree`'s of the same depth with empty leaves of zero, and
/// its pairs are sorted, so `MerkleProof` proves inclusion.
/// @dev Unlike that one it hashes on the way in only what is complete, and computes the root when it is asked for. So an entry
/// costs one or two hashes and a stored word, on average, whatever the depth, instead of a walk to the root. A swap of two
/// neighbours would leave the root as it is: a leaf must contain its own index.
library OperationLog {
    /// @notice Levels below the root. 2^48 - 1 leaves can't be reached: a full block of them every second would take millennia.
    uint256 internal constant DEPTH = 48;

    struct Tree {
        uint256 count;
        /// The last complete left subtree of each level.
        mapping(uint256 level => bytes32) sides;
    }

    /// @notice Appends a leaf; returns its index.
    function append(Tree storage self, bytes32 leaf) internal returns (uint256 index) {
        index = self.count++;
        bytes32 node = leaf;
        uint256 level = 0;
        // Where it is a right child its pair is complete: on to the parent. At most one level for each bit of the index.
        for (uint256 place = index; place % 2 == 1; place /= 2) {
            node = Hashes.commutativeKeccak256(self.sides[level], node);
            ++level;
        }
        self.sides[level] = node;
    }

    /// @notice The root.
    function root(Tree storage self) internal view returns (bytes32 node) {
        bytes32 empty = 0;
        uint256 place = self.count;
        for (uint256 level = 0; level < DEPTH; ++level) {
            node = Hashes.commutativeKeccak256(place % 2 == 1 ? self.sides[level] : empty, node);
            empty = Hashes.commutativeKeccak256(empty, empty);
            place /= 2;
        }
    }
}
