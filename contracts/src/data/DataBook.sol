// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IDataRegistry} from "../interfaces/IDataRegistry.sol";
import {OperationLog} from "./OperationLog.sol";

/// @title DataBook
/// @notice The log and the purse of the {IDataRegistry}.
abstract contract DataBook is IDataRegistry {
    using OperationLog for OperationLog.Tree;
    using SafeERC20 for IERC20;

    /// @dev No leaf of the log is ever a canary's, or the other way round.
    bytes32 private constant LOG_LEAF = keccak256("eai.network data registry log entry");
    bytes32 private constant CANARY_LEAF = keccak256("eai.network data registry canary");

    /// @notice Levels of the log's tree.
    uint256 public constant LOG_DEPTH = OperationLog.DEPTH;
    IERC20 private immutable _token;

    /// @inheritdoc IDataRegistry
    mapping(address account => uint256) public owed;
    OperationLog.Tree private _log;

    constructor(address token) {
        if (token == address(0)) revert ZeroAddress();
        _token = IERC20(token);
    }

    // -------------------------------------------------------------------------------------------- the purse

    /// @inheritdoc IDataRegistry
    function withdraw(address to) external {
        if (to == address(0) || to == address(this)) revert ZeroAddress();
        uint256 amount = owed[msg.sender];
        // 0 is that nothing is owed, not a sum that could be missed by a wei.
        // slither-disable-next-line incorrect-equality
        if (amount == 0) revert NothingOwed();
        owed[msg.sender] = 0;
        emit Withdrawn(msg.sender, to, amount);
        _token.safeTransfer(to, amount);
    }

    /// @dev Takes exactly `amount` from the caller. The last thing that a call does.
    function _take(uint256 amount) internal {
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        if (_token.balanceOf(address(this)) != before + amount) revert TransferMismatch();
    }

    function _credit(address account, uint256 amount) internal {
        owed[account] += amount;
        emit Credited(account, amount);
    }

    // ---------------------------------------------------------------------------------------------- the log

    function _record(Operation operation, bytes32 subject, bytes memory detail) internal {
        uint256 index = _log.count;
        emit Logged(index, operation, subject, msg.sender, block.timestamp, detail);
        // The index is known: it was the count.
        // slither-disable-next-line unused-return
        _log.append(leafOf(index, operation, subject, msg.sender, block.timestamp, detail));
    }

    /// @inheritdoc IDataRegistry
    function logCount() external view returns (uint256) {
        return _log.count;
    }

    /// @inheritdoc IDataRegistry
    function logRoot() external view returns (bytes32) {
        return _log.root();
    }

    /// @inheritdoc IDataRegistry
    function leafOf(
        uint256 index,
        Operation operation,
        bytes32 subject,
        address actor,
        uint256 time,
        bytes memory detail
    ) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                LOG_LEAF, block.chainid, address(this), index, operation, subject, actor, time, keccak256(detail)
            )
        );
    }

    /// @inheritdoc IDataRegistry
    function canaryLeaf(address seller, bytes32 subject, bytes32 salt, bytes calldata value)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(CANARY_LEAF, block.chainid, address(this), seller, subject, salt, keccak256(value)));
    }
}
