// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Disputes} from "../src/policy/Disputes.sol";
import {EmissionController} from "../src/policy/EmissionController.sol";
import {NodeRegistry} from "../src/policy/NodeRegistry.sol";
import {Vm} from "../test/utils/Vm.sol";

/// @notice Deploys the token and the escrow and, if it is configured, the policy: timelock, registry, vault, court and the vendors' currencies. Called
/// by tools/deploy.mjs, which reads the configuration, checks what came of it and writes the address book.
/// @dev Environment: DEPLOYER_KEY, GENESIS_RECIPIENTS and GENESIS_AMOUNTS (comma-separated; the zero address stands for the
/// vault), CLOSING_WINDOW (seconds), POLICY (JSON, or empty).
contract Deploy {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    struct GenesisAllocation {
        address recipient;
        uint256 amount;
    }

    error LengthMismatch();
    error NotWhereForeseen();

    /// @return deployed Token and escrow; then, if configured, timelock, registry, emission, disputes and vendorTokens.
    /// @return codehashes Theirs.
    function run() external returns (address[] memory deployed, bytes32[] memory codehashes) {
        string memory policy = vm.envString("POLICY");
        bool withPolicy = bytes(policy).length != 0;
        uint256 key = vm.envUint("DEPLOYER_KEY");
        address deployer = vm.addr(key);
        uint64 nonce = vm.getNonce(deployer);
        GenesisAllocation[] memory genesis = readGenesis(vm.computeCreateAddress(deployer, nonce + 4));
        deployed = new address[](withPolicy ? 7 : 2);
        vm.startBroadcast(key);
        deployed[0] = deploy("EAIToken.sol:EAIToken", abi.encode(genesis));
        deployed[1] = deploy("Escrow.sol:Escrow", abi.encode(deployed[0], vm.envUint("CLOSING_WINDOW")));
        if (withPolicy) {
            deployed[2] = deployTimelock(policy);
            // registry, vault and court name one another, so the later ones' addresses are foreseen
            deployed[4] = vm.computeCreateAddress(deployer, nonce + 4);
            deployed[5] = vm.computeCreateAddress(deployer, nonce + 5);
            deployed[3] = deploy("NodeRegistry.sol:NodeRegistry", abi.encode(registryParameters(policy, deployed)));
            address emission =
                deploy("EmissionController.sol:EmissionController", abi.encode(emissionParameters(policy, deployed)));
            address disputes = deploy("Disputes.sol:Disputes", abi.encode(disputesParameters(policy, deployed)));
            deployed[6] = deploy("VendorTokenFactory.sol:VendorTokenFactory", abi.encode(deployed[0]));
            if (emission != deployed[4] || disputes != deployed[5]) revert NotWhereForeseen();
        }
        vm.stopBroadcast();
        codehashes = new bytes32[](deployed.length);
        for (uint256 i = 0; i < deployed.length; ++i) {
            codehashes[i] = deployed[i].codehash;
        }
    }

    function readGenesis(address vault) private view returns (GenesisAllocation[] memory genesis) {
        address[] memory recipients = vm.envAddress("GENESIS_RECIPIENTS", ",");
        uint256[] memory amounts = vm.envUint("GENESIS_AMOUNTS", ",");
        if (recipients.length != amounts.length) revert LengthMismatch();
        genesis = new GenesisAllocation[](recipients.length);
        for (uint256 i = 0; i < recipients.length; ++i) {
            address recipient = recipients[i] == address(0) ? vault : recipients[i];
            genesis[i] = GenesisAllocation({recipient: recipient, amount: amounts[i]});
        }
    }

    // ----------------------------------------------------------------------------------------------- policy

    /// @dev A figure of the policy, as a decimal string.
    function figure(string memory policy, string memory name) private pure returns (uint256) {
        return vm.parseUint(vm.parseJsonString(policy, string.concat(".", name)));
    }

    /// @dev The council proposes and cancels; anyone executes what was decided; nobody administers but the timelock itself.
    function deployTimelock(string memory policy) private returns (address) {
        address[] memory council = vm.parseJsonAddressArray(policy, ".council");
        address[] memory anyone = new address[](1);
        return deploy(
            "TimelockController.sol:TimelockController",
            abi.encode(figure(policy, "timelockDelay"), council, anyone, address(0))
        );
    }

    function registryParameters(string memory policy, address[] memory deployed)
        private
        pure
        returns (NodeRegistry.Parameters memory p)
    {
        (p.token, p.vault, p.disputes) = (deployed[0], deployed[4], deployed[5]);
        (p.start, p.epoch) = (figure(policy, "start"), figure(policy, "epoch"));
        (p.unbonding, p.verifierStake) = (figure(policy, "unbonding"), figure(policy, "verifierStake"));
        string[] memory minimums = vm.parseJsonStringArray(policy, ".classMinimums");
        p.classMinimums = new uint256[](minimums.length);
        for (uint256 i = 0; i < minimums.length; ++i) {
            p.classMinimums[i] = vm.parseUint(minimums[i]);
        }
    }

    function emissionParameters(string memory policy, address[] memory deployed)
        private
        pure
        returns (EmissionController.Parameters memory p)
    {
        (p.token, p.escrow, p.timelock) = (deployed[0], deployed[1], payable(deployed[2]));
        (p.registry, p.disputes) = (deployed[3], deployed[5]);
        (p.start, p.epoch, p.window) = (figure(policy, "start"), figure(policy, "epoch"), figure(policy, "window"));
        (p.vesting, p.era) = (figure(policy, "vesting"), figure(policy, "era"));
        p.firstBudget = figure(policy, "firstBudget");
        (p.initialRate, p.ceiling) = (figure(policy, "initialRate"), figure(policy, "ceiling"));
        (p.drawn, p.quorum) = (figure(policy, "drawn"), figure(policy, "quorum"));
        p.stakeBps = figure(policy, "stakeBps");
    }

    function disputesParameters(string memory policy, address[] memory deployed)
        private
        pure
        returns (Disputes.Parameters memory p)
    {
        (p.token, p.registry, p.emission) = (deployed[0], deployed[3], deployed[4]);
        (p.bond, p.limit) = (figure(policy, "bond"), figure(policy, "limit"));
        (p.voting, p.appealing) = (figure(policy, "voting"), figure(policy, "appealing"));
        (p.drawn, p.quorum) = (figure(policy, "drawn"), figure(policy, "quorum"));
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
