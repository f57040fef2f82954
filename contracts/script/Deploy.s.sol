// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "../test/utils/Vm.sol";

/// @notice Deploys a list of contracts in order. Called by tools/deploy.mjs, which makes the list from tools/deployment.mjs and the
/// configuration, checks what came of it and writes the address book.
/// @dev Environment, the last three as long as one another, separated by commas: DEPLOYER_KEY, ARTIFACTS (FILE.sol:NAME), ARGUMENTS
/// (the constructor's, ABI-encoded), ADDRESSES (where each is foreseen, since they name one another).
contract Deploy {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error LengthMismatch();
    /// @dev Something else of the deployer's came in between: nothing was broadcast.
    error NotWhereForeseen(string artifact, address deployed);

    function run() external {
        string[] memory artifacts = vm.envString("ARTIFACTS", ",");
        bytes[] memory arguments = vm.envBytes("ARGUMENTS", ",");
        address[] memory addresses = vm.envAddress("ADDRESSES", ",");
        if (artifacts.length != arguments.length || artifacts.length != addresses.length) revert LengthMismatch();
        vm.startBroadcast(vm.envUint("DEPLOYER_KEY"));
        for (uint256 i = 0; i < artifacts.length; ++i) {
            address deployed = deploy(artifacts[i], arguments[i]);
            if (deployed != addresses[i]) revert NotWhereForeseen(artifacts[i], deployed);
        }
        vm.stopBroadcast();
    }

    /// @dev The artifact rather than the source, so that it is the very bytecode that abi/ was made from.
    function deploy(string memory what, bytes memory arguments) private returns (address deployed) {
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
}
