// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "../test/utils/Vm.sol";

/// @notice Deploys the token and the escrow. Called by tools/deploy.mjs, which reads the configuration, checks what came
/// of it and writes the address book.
/// @dev Environment: DEPLOYER_KEY, GENESIS_RECIPIENTS and GENESIS_AMOUNTS (comma-separated), CLOSING_WINDOW (seconds).
contract Deploy {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    struct GenesisAllocation {
        address recipient;
        uint256 amount;
    }

    error LengthMismatch();

    function run() external returns (address token, address escrow, bytes32 tokenCodehash, bytes32 escrowCodehash) {
        GenesisAllocation[] memory genesis = readGenesis();
        uint256 closingWindow = vm.envUint("CLOSING_WINDOW");
        vm.startBroadcast(vm.envUint("DEPLOYER_KEY"));
        token = deploy("EAIToken.sol:EAIToken", abi.encode(genesis));
        escrow = deploy("Escrow.sol:Escrow", abi.encode(token, closingWindow));
        vm.stopBroadcast();
        (tokenCodehash, escrowCodehash) = (token.codehash, escrow.codehash);
    }

    function readGenesis() private view returns (GenesisAllocation[] memory genesis) {
        address[] memory recipients = vm.envAddress("GENESIS_RECIPIENTS", ",");
        uint256[] memory amounts = vm.envUint("GENESIS_AMOUNTS", ",");
        if (recipients.length != amounts.length) revert LengthMismatch();
        genesis = new GenesisAllocation[](recipients.length);
        for (uint256 i = 0; i < recipients.length; ++i) {
            genesis[i] = GenesisAllocation({recipient: recipients[i], amount: amounts[i]});
        }
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
