// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICatalog} from "../interfaces/ICatalog.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IRaceBonds} from "../interfaces/IRaceBonds.sol";

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

    /// @notice EIP-712 type hash of {IEscrow.Grant}.
    bytes32 internal constant GRANT_TYPEHASH = keccak256(
        "Grant(address payer,address hubKey,bytes32 namespaceId,uint256 cap,uint256 maxRate,uint64 expiry,uint64 nonce,uint64 deadline)"
    );

    /// @notice EIP-712 type hash of {ICatalog.Delivery}.
    bytes32 internal constant DELIVERY_TYPEHASH =
        keccak256("Delivery(uint256 listing,uint32 version,address buyer,bytes32 root)");

    /// @notice EIP-712 type hash of {IRaceBonds.Readiness}.
    bytes32 internal constant READINESS_TYPEHASH = keccak256(
        "Readiness(address provider,address hubKey,bytes32 namespaceId,bytes32 jobId,uint64 generation,uint64 attempt,uint256 bond,uint32 startWithin,uint64 validUntil,uint64 nonce)"
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

    /// @notice The EIP-712 struct hash of `grant`.
    function hashGrant(IEscrow.Grant calldata grant) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                GRANT_TYPEHASH,
                grant.payer,
                grant.hubKey,
                grant.namespaceId,
                grant.cap,
                grant.maxRate,
                grant.expiry,
                grant.nonce,
                grant.deadline
            )
        );
    }

    /// @notice The EIP-712 struct hash of `delivery`.
    function hashDelivery(ICatalog.Delivery calldata delivery) internal pure returns (bytes32) {
        return
            keccak256(abi.encode(DELIVERY_TYPEHASH, delivery.listing, delivery.version, delivery.buyer, delivery.root));
    }

    /// @notice The EIP-712 struct hash of `readiness`.
    function hashReadiness(IRaceBonds.Readiness calldata readiness) internal pure returns (bytes32) {
        // Value types alone: their encoding is that of the struct.
        return keccak256(abi.encode(READINESS_TYPEHASH, readiness));
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

    /// @notice The id of `settlement`'s lease, and the EIP-712 digest, under the domain separator `domain`, of the voucher that
    /// it stands for: those of {leaseId} and {hashVoucher}.
    /// @dev Copied from calldata as it lies there. Dirty high bits in the terms mean an unknown lease; a dirty `isFinal` makes
    /// a digest that no hub signs. Behind the free memory pointer, and forgotten: a batch doesn't grow memory.
    function hashSettlement(bytes32 domain, IEscrow.Settlement calldata settlement)
        internal
        pure
        returns (bytes32 id, bytes32 digest)
    {
        bytes32 typeHash = VOUCHER_TYPEHASH;
        assembly ("memory-safe") {
            let at := mload(0x40)
            let body := add(at, 0x40)
            calldatacopy(body, settlement, TERMS_SIZE)
            id := keccak256(body, TERMS_SIZE)
            // The voucher: payer and provider lie where they should already.
            mstore(at, typeHash)
            mstore(add(at, 0x20), id)
            calldatacopy(add(at, 0x80), add(settlement, 0xa0), 0x40) // generation, attempt
            calldatacopy(add(at, 0xc0), add(settlement, 0x120), 0x80) // the figures, usageRoot and isFinal
            let hash := keccak256(at, 0x140)
            mstore(at, hex"1901")
            mstore(add(at, 0x02), domain)
            mstore(add(at, 0x22), hash)
            digest := keccak256(at, 0x42)
        }
    }

    // ----------------------------------------------------------------------------------------- words as they lie
    //
    // Read without the compiler's check that a word's high bits are clean, which costs a batch more than reading. Only for
    // terms whose id is known to be a lease's, and for vouchers whose signature is checked: dirty ones are neither.

    /// @dev {IEscrow.Settlement} in bytes.
    uint256 private constant SETTLEMENT_SIZE = 15 * 32;

    /// @notice What {next} makes the first of `settlements` of. Not to be read.
    function beforeFirst(IEscrow.Settlement[] calldata settlements)
        internal
        pure
        returns (IEscrow.Settlement calldata settlement)
    {
        assembly ("memory-safe") {
            settlement := sub(settlements.offset, SETTLEMENT_SIZE)
        }
    }

    /// @notice The settlement that lies behind `settlement`, which mustn't be the last.
    function next(IEscrow.Settlement calldata settlement) internal pure returns (IEscrow.Settlement calldata behind) {
        assembly ("memory-safe") {
            behind := add(settlement, SETTLEMENT_SIZE)
        }
    }

    /// @notice The provider of `terms`.
    function providerRaw(IEscrow.LeaseTerms calldata terms) internal pure returns (address provider) {
        assembly ("memory-safe") {
            provider := calldataload(add(terms, 0x20))
        }
    }

    /// @notice The hub of `terms`.
    function hubRaw(IEscrow.LeaseTerms calldata terms) internal pure returns (uint256 hub) {
        assembly ("memory-safe") {
            hub := calldataload(add(terms, 0x40))
        }
    }

    /// @notice The size of `terms`.
    function milliUnitsRaw(IEscrow.LeaseTerms calldata terms) internal pure returns (uint256 milliUnits) {
        assembly ("memory-safe") {
            milliUnits := calldataload(add(terms, 0x100))
        }
    }

    /// @notice Whether `settlement` is final.
    function isFinalRaw(IEscrow.Settlement calldata settlement) internal pure returns (bool isFinal) {
        assembly ("memory-safe") {
            isFinal := calldataload(add(settlement, 0x180))
        }
    }
}
