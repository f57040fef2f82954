// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// @notice Assertions and helpers; a failed assertion reverts with the two values.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error NotTrue(string what);
    error NotEqualUint(string what, uint256 got, uint256 wanted);
    error NotEqualAddress(string what, address got, address wanted);
    error NotEqualWord(string what, bytes32 got, bytes32 wanted);
    error NotAtMost(string what, uint256 got, uint256 limit);

    function assertTrue(bool value, string memory what) internal pure {
        if (!value) revert NotTrue(what);
    }

    function assertEq(uint256 got, uint256 wanted, string memory what) internal pure {
        if (got != wanted) revert NotEqualUint(what, got, wanted);
    }

    function assertEq(address got, address wanted, string memory what) internal pure {
        if (got != wanted) revert NotEqualAddress(what, got, wanted);
    }

    function assertEq(bytes32 got, bytes32 wanted, string memory what) internal pure {
        if (got != wanted) revert NotEqualWord(what, got, wanted);
    }

    function assertEq(string memory got, string memory wanted, string memory what) internal pure {
        if (keccak256(bytes(got)) != keccak256(bytes(wanted))) revert NotTrue(string.concat(what, ": ", got));
    }

    function assertAtMost(uint256 got, uint256 limit, string memory what) internal pure {
        if (got > limit) revert NotAtMost(what, got, limit);
    }

    /// @notice Deploys the artifact `what` (FILE.sol:NAME) as it would be deployed on a chain; reverts as its constructor
    /// does.
    function deploy(string memory what, bytes memory arguments) internal returns (address deployed) {
        bytes memory code = abi.encodePacked(vm.getCode(what), arguments);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
            if iszero(deployed) {
                let at := mload(0x40)
                returndatacopy(at, 0, returndatasize())
                revert(at, returndatasize())
            }
        }
    }

    /// @notice `value` brought into [low, high], the edges reached often.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        if (value >= low && value <= high) return value;
        uint256 size = high - low + 1;
        if (size == 0) return value;
        if (value <= 3 && size > value) return low + value;
        if (value >= type(uint256).max - 3 && size > type(uint256).max - value) {
            return high - (type(uint256).max - value);
        }
        return low + value % size;
    }
}
