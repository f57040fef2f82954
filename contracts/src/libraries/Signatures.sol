// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Signatures
/// @notice Whether an account signed a digest, by key or by ERC-1271.
/// @dev OpenZeppelin's SignatureChecker forwards all gas to the account and asks an account with code by ERC-1271 alone.
/// In a batch the first would let one item burn the gas of the others, and the second would refuse the key of an
/// account that delegates under EIP-7702. So: the key first, then ERC-1271 on an allowance.
library Signatures {
    /// @notice The gas that an account's ERC-1271 check may use.
    uint256 internal constant ERC1271_GAS = 150_000;

    /// @notice Whether `signature` is `signer`'s own key's over `digest`.
    function isByKey(address signer, bytes32 digest, bytes calldata signature) internal pure returns (bool) {
        // slither-disable-next-line unused-return
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        return failure == ECDSA.RecoverError.NoError && recovered == signer;
    }

    /// @notice Whether `r` and `vs` (ERC-2098) are `signer`'s own key's signature over `digest`.
    function isByKey(address signer, bytes32 digest, bytes32 r, bytes32 vs) internal pure returns (bool) {
        // slither-disable-next-line unused-return
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecover(digest, r, vs);
        return failure == ECDSA.RecoverError.NoError && recovered == signer;
    }

    /// @notice Whether `signature` is `signer`'s over `digest`, by key or by ERC-1271.
    function isBy(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        return isByKey(signer, digest, signature) || isByContract(signer, digest, signature);
    }

    /// @dev Reads one word of the answer, whatever its length, so that a long one costs the callee only. An account without
    /// code answers nothing, which is less than a word.
    function isByContract(address signer, bytes32 digest, bytes calldata signature) private view returns (bool) {
        bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        uint256 gasLimit = ERC1271_GAS;
        bool ok;
        bytes32 answer;
        assembly ("memory-safe") {
            ok := staticcall(gasLimit, signer, add(question, 0x20), mload(question), 0x00, 0x20)
            ok := and(ok, gt(returndatasize(), 0x1f))
            answer := mload(0x00)
        }
        return ok && answer == bytes32(IERC1271.isValidSignature.selector);
    }
}
