// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../interfaces/IEscrow.sol";

/// @title TypedData
/// @notice Lease ids, namespace ids and the EIP-712 struct hashes. Other implementations agree on test/vectors.
library TypedData {
    /// @notice EIP-712 type hash of {IEscrow.Offer}.
    bytes32 internal constant OFFER_TYPEHASH = keccak256(
        "Offer(address provider,string member,string class,uint256 rate,uint32 startWithin,uint64 validUntil,uint64 nonce)"
    );

    /// @notice EIP-712 type hash of {IEscrow.Voucher}.
    bytes32 internal constant VOUCHER_TYPEHASH = keccak256(
        "Voucher(bytes32 leaseId,address payer,address provider,uint64 generation,uint64 attempt,uint256 cumulativeAmount,uint256 cumulativeUsageMs,bytes32 usageRoot,bool isFinal)"
    );

    /// @dev Words in {IEscrow.LeaseTerms}, in bytes.
    uint256 private constant TERMS_SIZE = 9 * 32;

    /// @notice The id of the lease with `terms`, from memory.
    function leaseId(IEscrow.LeaseTerms memory terms) internal pure returns (bytes32 id) {
        // A struct of value types lies in memory as abi.encode would write it.
        assembly ("memory-safe") {
            id := keccak256(terms, TERMS_SIZE)
        }
    }

    /// @notice The id of the lease with `terms`, from calldata.
    /// @dev Words with dirty high bits hash to an id that no lease has.
    function leaseIdCalldata(IEscrow.LeaseTerms calldata terms) internal pure returns (bytes32 id) {
        // Copied behind the free memory pointer and forgotten: a batch doesn't grow memory.
        assembly ("memory-safe") {
            let at := mload(0x40)
            calldatacopy(at, terms, TERMS_SIZE)
            id := keccak256(at, TERMS_SIZE)
        }
    }

    /// @notice The id of the namespace with UID `namespaceUid` of the hub `hubId`.
    function namespaceId(bytes32 hubId, string calldata namespaceUid) internal pure returns (bytes32) {
        return keccak256(abi.encode(hubId, namespaceUid));
    }

    /// @notice The EIP-712 struct hash of `offer`.
    function hashOffer(IEscrow.Offer calldata offer) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                OFFER_TYPEHASH,
                offer.provider,
                keccak256(bytes(offer.member)),
                keccak256(bytes(offer.class)),
                offer.rate,
                offer.startWithin,
                offer.validUntil,
                offer.nonce
            )
        );
    }

    /// @notice The EIP-712 struct hash of `voucher`.
    function hashVoucher(IEscrow.Voucher memory voucher) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                VOUCHER_TYPEHASH,
                voucher.leaseId,
                voucher.payer,
                voucher.provider,
                voucher.generation,
                voucher.attempt,
                voucher.cumulativeAmount,
                voucher.cumulativeUsageMs,
                voucher.usageRoot,
                voucher.isFinal
            )
        );
    }

    /// @notice The EIP-712 struct hash of the voucher that `settlement` stands for, on the lease `id`.
    /// @dev Equal to {hashVoucher}, copied from calldata as it lies there. Dirty high bits in the terms mean an unknown
    /// lease; a dirty `isFinal` makes a digest that no hub signs.
    function hashSettlement(bytes32 id, IEscrow.Settlement calldata settlement) internal pure returns (bytes32 hash) {
        bytes32 typeHash = VOUCHER_TYPEHASH;
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, typeHash)
            mstore(add(at, 0x20), id)
            calldatacopy(add(at, 0x40), settlement, 0x40) // payer, provider
            calldatacopy(add(at, 0x80), add(settlement, 0xa0), 0x40) // generation, attempt
            calldatacopy(add(at, 0xc0), add(settlement, 0x120), 0x80) // the figures, usageRoot and isFinal
            hash := keccak256(at, 0x140)
        }
    }
}
