// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "../test/utils/Vm.sol";

/// @notice What the prover offers beside forge's cheatcodes.
interface Svm {
    function createUint256(string calldata name) external pure returns (uint256);
    function enableSymbolicStorage(address account) external;
}

/// @notice A proof holds for every value of its arguments and every storage of the contracts it names.
/// @dev Differences are gathered in one word, so that the solver is asked once for each path.
abstract contract Symbolic {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Svm internal constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));

    /// @dev Any time that fits the contracts' fields for times with a year to spare.
    function anyTime() internal {
        uint256 time = svm.createUint256("time");
        vm.assume(time != 0 && time < 2 ** 39 - 366 days);
        vm.warp(time);
    }

    /// @dev 1 if `one` is over `other`, or 0; without a branch.
    function over(uint256 one, uint256 other) internal pure returns (uint256 is_) {
        assembly ("memory-safe") {
            is_ := gt(one, other)
        }
    }

    /// @dev The lesser; without a branch.
    function min(uint256 one, uint256 other) internal pure returns (uint256 lesser) {
        assembly ("memory-safe") {
            lesser := xor(other, and(xor(one, other), sub(0, lt(one, other))))
        }
    }

    /// @dev `one` if `which`, else `other`; without a branch.
    function pick(bool which, uint256 one, uint256 other) internal pure returns (uint256 picked) {
        assembly ("memory-safe") {
            picked := xor(other, and(xor(one, other), sub(0, which)))
        }
    }

    /// @dev 1 if so, or 0; without a branch.
    function bit(bool so) internal pure returns (uint256 is_) {
        assembly ("memory-safe") {
            is_ := so
        }
    }
}
