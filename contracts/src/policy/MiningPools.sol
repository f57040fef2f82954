// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {IEmissionController} from "../interfaces/IEmissionController.sol";
import {IMiningPool} from "../interfaces/IMiningPool.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {MiningPool} from "./MiningPool.sol";

/// @title MiningPools
/// @notice Makes mining pools and knows which are real: who joins one asks {isPool}.
/// @dev No owner. Anyone may make one; that it is real is no promise about its operator.
contract MiningPools {
    /// @notice The code that all of them share, and nobody can change.
    address public immutable IMPLEMENTATION;

    /// @notice Whether a pool was made here, and so is a {MiningPool}.
    mapping(address pool => bool) public isPool;
    /// @notice Every pool that was made here, in order.
    address[] public pools;

    /// @notice `operator` made `pool`.
    event Created(
        address indexed operator,
        address indexed pool,
        uint256 minRate,
        uint256 feeBps,
        INodeRegistry.Form form,
        uint8 class
    );

    /// @notice The vault's address holds no contract.
    error NoEmission();

    /// @param emission The vault that all of them mine from.
    constructor(IEmissionController emission) {
        if (address(emission).code.length == 0) revert NoEmission();
        IMPLEMENTATION = address(new MiningPool(emission));
    }

    /// @notice Makes a pool with the caller as its operator.
    /// @param minRate The least rate of its offers, in wei per unit-hour.
    /// @param feeBps What of the income is the operator's.
    /// @param form How the node is registered.
    /// @param class Which class the node is registered in.
    function create(uint256 minRate, uint256 feeBps, INodeRegistry.Form form, uint8 class)
        external
        returns (address pool)
    {
        pool = Clones.clone(IMPLEMENTATION);
        isPool[pool] = true;
        pools.push(pool);
        emit Created(msg.sender, pool, minRate, feeBps, form, class);
        IMiningPool(pool).initialize(msg.sender, minRate, feeBps, form, class);
    }

    /// @notice How many were made.
    function count() external view returns (uint256) {
        return pools.length;
    }
}
