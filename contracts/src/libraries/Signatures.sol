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

    /// @dev Half the order of secp256k1's group.
    uint256 private constant HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice Whether `signature` is `signer`'s own key's over `digest`.
    function isByKey(address signer, bytes32 digest, bytes calldata signature) internal pure returns (bool) {
        // the third answer says why a signature is malformed, which nobody asks here
        // slither-disable-next-line unused-return
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        return failure == ECDSA.RecoverError.NoError && recovered == signer;
    }

    /// @notice Whose key's signature over `digest` `r` and `vs` (ERC-2098) are; the zero address if nobody's.
    /// @dev By hand, because a batch does it for every item and the library's way costs it a tenth more.
    function signerOf(bytes32 digest, bytes32 r, bytes32 vs) internal view returns (uint256 key) {
        uint256 s = uint256(vs) & type(uint256).max >> 1;
        // Above lie the mirror images.
        if (s <= HALF_ORDER) {
            assembly ("memory-safe") {
                let at := mload(0x40)
                mstore(at, digest)
                mstore(add(at, 0x20), add(shr(255, vs), 27))
                mstore(add(at, 0x40), r)
                mstore(add(at, 0x60), s)
                // where there is no signer, the precompile answers nothing and the zero stays
                mstore(0x00, 0)
                pop(staticcall(gas(), 1, at, 0x80, 0x00, 0x20))
                key := mload(0x00)
            }
        }
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
