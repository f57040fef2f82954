// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token that calls back into the escrow whenever tokens move, as an ERC-777 would.
contract ReentrantToken is ERC20 {
    address private _target;
    bytes private _data;
    bool public succeeded;

    constructor() ERC20("Reentrant", "RE") {
        _mint(msg.sender, 1e30);
    }

    /// @notice On the next movement, this calls `target` with `data`, once.
    function attack(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
        succeeded = false;
    }

    function _update(address from, address to, uint256 value) internal override {
        address target = _target;
        if (target != address(0)) {
            _target = address(0);
            (succeeded,) = target.call(_data);
        }
        super._update(from, to, value);
    }

    /// @notice Lets the token itself hold and move an account, so that its callback is a party.
    function act(address target, bytes calldata data) external {
        (bool ok,) = target.call(data);
        require(ok, "act");
    }
}

/// @notice A token that keeps a hundredth of every transfer.
contract FeeToken is ERC20 {
    constructor() ERC20("Fee", "FEE") {
        _mint(msg.sender, 1e30);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0)) return super._update(from, to, value);
        super._update(from, to, value - value / 100);
        super._update(from, address(0xFEE), value / 100);
    }
}

/// @notice A token that returns false where it should revert, and can be made to refuse.
contract FalseToken is ERC20 {
    bool public refuses;

    constructor() ERC20("False", "NO") {
        _mint(msg.sender, 1e30);
    }

    function refuse(bool value) external {
        refuses = value;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return !refuses && super.transfer(to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return !refuses && super.transferFrom(from, to, value);
    }
}

/// @notice A token that says it moved tokens and doesn't.
contract LyingToken is ERC20 {
    constructor() ERC20("Lying", "LIE") {
        _mint(msg.sender, 1e30);
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return true;
    }
}

/// @notice A token that returns nothing, as some old ones do.
contract SilentToken {
    mapping(address => uint256) public balanceOf;

    constructor() {
        balanceOf[msg.sender] = 1e30;
    }

    function transfer(address to, uint256 value) external {
        move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external {
        move(from, to, value);
    }

    function move(address from, address to, uint256 value) private {
        balanceOf[from] -= value;
        balanceOf[to] += value;
    }
}

/// @notice Deposits into the escrow during its token's callback.
contract NestedDepositor {
    function run(ERC20 token, IEscrow escrow, uint256 amount) external {
        token.approve(address(escrow), amount);
        escrow.deposit(amount);
    }
}
