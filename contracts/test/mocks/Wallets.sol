// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A wallet that can call anything for its owner.
abstract contract Wallet is IERC1271 {
    function act(address target, bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory answer) = target.call(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        return answer;
    }
}

/// @notice Takes its owner's signatures.
contract OwnedWallet is Wallet {
    address private immutable _OWNER;

    constructor(address owner) {
        _OWNER = owner;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return
            ECDSA.recoverCalldata(hash, signature) == _OWNER ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// @notice Answers every question with the magic value.
contract YesWallet is Wallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return IERC1271.isValidSignature.selector;
    }
}

/// @notice Answers with the magic value, but dirty behind it.
contract DirtyWallet is Wallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        bytes32 answer = bytes32(IERC1271.isValidSignature.selector) | bytes32(uint256(1));
        assembly ("memory-safe") {
            mstore(0, answer)
            return(0, 32)
        }
    }
}

/// @notice Answers with four bytes where a word is due.
contract ShortWallet is Wallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        bytes32 answer = bytes32(IERC1271.isValidSignature.selector);
        assembly ("memory-safe") {
            mstore(0, answer)
            return(0, 4)
        }
    }
}

/// @notice Reverts.
contract RevertingWallet is Wallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        revert("no");
    }
}

/// @notice Reverts, with the magic value for its reason.
contract MagicRevertingWallet is Wallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        bytes32 answer = bytes32(IERC1271.isValidSignature.selector);
        assembly ("memory-safe") {
            mstore(0, answer)
            revert(0, 32)
        }
    }
}

/// @notice Burns all the gas it is given.
contract BurningWallet is Wallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

/// @notice Answers with as much data as its gas buys.
contract BombWallet is Wallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 100000)
        }
    }
}

/// @notice Tries to change the escrow's state while it is asked.
contract MeddlingWallet is Wallet {
    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        (bool ok,) = msg.sender.staticcall(abi.encodeWithSignature("cancelOffers()"));
        return ok ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}
