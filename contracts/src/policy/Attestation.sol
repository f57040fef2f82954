// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IEmissionController} from "../interfaces/IEmissionController.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";

/// @title Attestation
/// @notice Epochs, the committees that are drawn for them, and what those say. See {IEmissionController}.
abstract contract Attestation is IEmissionController {
    uint256 internal constant MS = 1000;
    /// @dev A report is near what counted if it is within this part of it.
    uint256 private constant NEAR = 10;

    /// @inheritdoc IEmissionController
    INodeRegistry public immutable REGISTRY;
    /// @notice When epoch 0 begins.
    uint256 public immutable START;
    /// @notice Seconds of an epoch.
    uint256 public immutable EPOCH;
    /// @inheritdoc IEmissionController
    uint256 public immutable WINDOW;
    /// @notice How many verifiers are drawn for a node.
    uint256 public immutable DRAWN;
    /// @notice How many of them must attest.
    uint256 public immutable QUORUM;

    mapping(uint256 epoch => Epoch) internal _epochs;
    mapping(uint256 epoch => mapping(address node => Report[])) internal _reports;

    constructor(address registry, uint256 start, uint256 epoch, uint256 window, uint256 drawn, uint256 quorum) {
        if (registry == address(0)) revert ZeroAddress();
        if (window == 0 || epoch <= 2 * window || epoch > 90 days) revert BadParameter();
        if (quorum * 2 <= drawn || quorum > drawn || drawn > 32) revert BadParameter();
        REGISTRY = INodeRegistry(registry);
        (START, EPOCH, WINDOW) = (start, epoch, window);
        (DRAWN, QUORUM) = (drawn, quorum);
    }

    /// @inheritdoc IEmissionController
    function fixSeed(uint256 epoch) external returns (bytes32 seed) {
        _inPhase(epoch, 0);
        Epoch storage standing = _epochs[epoch];
        if (standing.seed != 0) revert WrongPhase();
        // Whoever calls first decides by the block; a later one finds it fixed.
        seed = keccak256(abi.encode(blockhash(block.number - 1), block.prevrandao, epoch));
        standing.seed = seed;
        emit SeedFixed(epoch, seed);
    }

    /// @inheritdoc IEmissionController
    function attest(address node, uint256 epoch, uint256 time, bytes32 split) external {
        _inPhase(epoch, 0);
        if (!_isAmong(msg.sender, committee(node, epoch))) revert NotDrawn();
        Report[] storage reports = _reports[epoch][node];
        for (uint256 i = 0; i < reports.length; ++i) {
            if (reports[i].verifier == msg.sender) revert AlreadyAttested();
        }
        // No node has so much time in an epoch: what is cut off says nothing.
        time = Math.min(time, type(uint88).max);
        // forge-lint: disable-next-line(unsafe-typecast)
        reports.push(Report({verifier: msg.sender, time: uint88(time), isPaid: false, split: split}));
        emit Attested(node, epoch, msg.sender, time, split);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IEmissionController
    function epochAt(uint256 time) public view returns (uint256) {
        if (time < START) revert WrongPhase();
        return (time - START) / EPOCH;
    }

    /// @inheritdoc IEmissionController
    function endOf(uint256 epoch) public view returns (uint256) {
        return START + (epoch + 1) * EPOCH;
    }

    /// @inheritdoc IEmissionController
    function epochs(uint256 epoch) external view returns (Epoch memory) {
        return _epochs[epoch];
    }

    /// @inheritdoc IEmissionController
    function reportsOf(address node, uint256 epoch) external view returns (Report[] memory) {
        return _reports[epoch][node];
    }

    /// @inheritdoc IEmissionController
    function committee(address node, uint256 epoch) public view returns (address[] memory) {
        bytes32 seed = _epochs[epoch].seed;
        uint256 since = REGISTRY.account(node).since;
        // A node names its owner at will: one that registers once the seed is known would choose whom to strike off, and among
        // many names the one with a committee of its own. 0 is the mark of a seed that isn't fixed, and of no node.
        // slither-disable-next-line incorrect-equality
        if (seed == 0 || since == 0 || since >= endOf(epoch)) return new address[](0);
        // Only who registered before the epoch's end: before anything of the seed could be known.
        return REGISTRY.draw(keccak256(abi.encode(seed, node)), endOf(epoch) - 1, [node, node], DRAWN);
    }

    /// @inheritdoc IEmissionController
    function attested(address node, uint256 epoch) public view returns (uint256 time) {
        uint256[] memory times = _times(node, epoch);
        for (uint256 i = 0; i < times.length; ++i) {
            uint256 agree = 0;
            for (uint256 j = 0; j < times.length; ++j) {
                if (times[j] >= times[i]) ++agree;
            }
            if (agree >= QUORUM && times[i] > time) time = times[i];
        }
        return Math.min(time, REGISTRY.account(node).devices * EPOCH * MS);
    }

    /// @inheritdoc IEmissionController
    function splitOf(address node, uint256 epoch) external view returns (bytes32 root, uint256 total) {
        Report[] memory reports = _reports[epoch][node];
        for (uint256 i = 0; i < reports.length; ++i) {
            if (reports[i].split == 0) continue;
            uint256 agree = 0;
            for (uint256 j = 0; j < reports.length; ++j) {
                if (reports[j].split == reports[i].split && reports[j].time == reports[i].time) ++agree;
            }
            // The quorum is more than half, and each reports once: no two can have it.
            if (agree >= QUORUM) return (reports[i].split, reports[i].time);
        }
        return (0, 0);
    }

    // --------------------------------------------------------------------------------------------- internal

    /// @dev How many reports are near `counted`.
    function _countNear(address node, uint256 epoch, uint256 counted) internal view returns (uint256 count) {
        uint256[] memory times = _times(node, epoch);
        for (uint256 i = 0; i < times.length; ++i) {
            if (_isNear(times[i], counted)) ++count;
        }
    }

    /// @dev Whether a report is within a tenth of what counted.
    function _isNear(uint256 time, uint256 counted) internal pure returns (bool) {
        uint256 apart = time > counted ? time - counted : counted - time;
        return apart * NEAR <= counted;
    }

    /// @dev The times alone, which lie in a word each.
    function _times(address node, uint256 epoch) private view returns (uint256[] memory times) {
        Report[] storage reports = _reports[epoch][node];
        times = new uint256[](reports.length);
        for (uint256 i = 0; i < times.length; ++i) {
            times[i] = reports[i].time;
        }
    }

    /// @dev Reverts unless it is the phase of `epoch` that begins `phase` windows after its end.
    function _inPhase(uint256 epoch, uint256 phase) internal view {
        uint256 begin = endOf(epoch) + phase * WINDOW;
        if (block.timestamp < begin || block.timestamp >= begin + WINDOW) revert WrongPhase();
    }

    function _isAmong(address who, address[] memory list) private pure returns (bool) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == who) return true;
        }
        return false;
    }
}
