// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";

/// @notice What the escrow should do, written the plain way: a second implementation to hold the first against.
/// @dev No packing, no signatures; the handler says whether a signature is good.
contract EscrowModel {
    struct ModelLease {
        IEscrow.LeaseTerms terms;
        uint256 hold;
        uint256 paid;
        uint256 refunded;
        uint256 openedAt;
        uint256 closingAt;
        bool closed;
        uint256 highestVoucher;
    }

    struct ModelGrant {
        uint256 cap;
        uint256 used;
        uint256 maxRate;
        uint256 expiry;
    }

    uint256 public immutable WINDOW;

    uint256 public deposited;
    uint256 public withdrawn;
    mapping(address => uint256) public balances;
    mapping(address => uint256) public nonces;
    mapping(bytes32 => ModelGrant) public grants;
    bytes32[] public ids;
    mapping(bytes32 => ModelLease) private _leases;

    constructor(uint256 window) {
        WINDOW = window;
    }

    // ----------------------------------------------------------------------------------------------- reading

    function count() external view returns (uint256) {
        return ids.length;
    }

    function leaseAt(uint256 i) external view returns (ModelLease memory) {
        return _leases[ids[i]];
    }

    function grantKey(address payer, address hub, bytes32 namespaceId) public pure returns (bytes32) {
        return keccak256(abi.encode(payer, hub, namespaceId));
    }

    function stateAt(uint256 i) external view returns (IEscrow.LeaseState) {
        ModelLease storage lease = _leases[ids[i]];
        if (lease.closed) return IEscrow.LeaseState.Closed;
        if (lease.closingAt != 0) return IEscrow.LeaseState.Closing;
        return lease.paid == lease.hold ? IEscrow.LeaseState.Paused : IEscrow.LeaseState.Open;
    }

    /// @notice The most that the lease may have paid by now.
    function accrued(ModelLease memory lease) public view returns (uint256) {
        // a closing lease accrues for a quarter of an hour more, until the hub has seen it
        uint256 end = lease.closingAt != 0 ? min(lease.closingAt + 900, block.timestamp) : block.timestamp;
        return lease.terms.rate * lease.terms.milliUnits * (end - lease.openedAt) / 1000 / 3600;
    }

    // ---------------------------------------------------------------------------------------------- accounts

    function deposit(address account, uint256 amount) external {
        balances[account] += amount;
        deposited += amount;
    }

    function withdraw(address account, uint256 amount) external {
        balances[account] -= amount;
        withdrawn += amount;
    }

    function authorize(bytes32 key, uint256 cap, uint256 maxRate, uint256 expiry) external {
        ModelGrant storage grant = grants[key];
        (grant.cap, grant.maxRate, grant.expiry) = (cap, maxRate, expiry);
    }

    function revoke(bytes32 key) external {
        ModelGrant storage grant = grants[key];
        (grant.cap, grant.maxRate, grant.expiry) = (0, 0, 0);
    }

    function cancelOffers(address provider) external {
        ++nonces[provider];
    }

    // ------------------------------------------------------------------------------------------------ leases

    /// @notice Opens a lease; returns why not, or 0.
    function open(
        IEscrow.LeaseTerms calldata terms,
        uint256 hold,
        uint256 openBy,
        IEscrow.Offer calldata offer,
        bool signed
    ) external returns (bytes4) {
        bytes32 id = keccak256(abi.encode(terms));
        if (_leases[id].openedAt != 0) return IEscrow.LeaseExists.selector;
        if (openBy < block.timestamp) return IEscrow.OpenByPassed.selector;
        if (terms.milliUnits == 0 || terms.milliUnits > 1e9) return IEscrow.BadMilliUnits.selector;
        if (hold >= 2 ** 88) return IEscrow.AmountTooLarge.selector;
        if (terms.rate > offer.rate) return IEscrow.RateAboveOffer.selector;
        if (offer.validUntil < block.timestamp) return IEscrow.OfferExpired.selector;
        if (offer.nonce != nonces[terms.provider]) return IEscrow.OfferCancelled.selector;
        if (!signed) return IEscrow.BadSignature.selector;
        bytes4 reason = take(terms, hold);
        if (reason != 0) return reason;
        ids.push(id);
        ModelLease storage lease = _leases[id];
        (lease.terms, lease.hold, lease.openedAt) = (terms, hold, block.timestamp);
        return 0;
    }

    function topUp(uint256 i, address caller, uint256 amount) external returns (bytes4) {
        ModelLease storage lease = _leases[ids[i]];
        if (caller != lease.terms.hubKey) return IEscrow.NotHubKey.selector;
        if (lease.closed) return IEscrow.AlreadyClosed.selector;
        if (lease.closingAt != 0) return IEscrow.AlreadyClosing.selector;
        if (lease.hold + amount >= 2 ** 88) return IEscrow.AmountTooLarge.selector;
        bytes4 reason = take(lease.terms, amount);
        if (reason == 0) lease.hold += amount;
        return reason;
    }

    function take(IEscrow.LeaseTerms memory terms, uint256 amount) private returns (bytes4) {
        ModelGrant storage grant = grants[grantKey(terms.payer, terms.hubKey, terms.namespaceId)];
        if (grant.expiry == 0) return IEscrow.NotAuthorized.selector;
        if (grant.expiry <= block.timestamp) return IEscrow.AuthorizationExpired.selector;
        if (grant.maxRate < terms.rate) return IEscrow.RateAboveAuthorization.selector;
        if (amount == 0) return IEscrow.ZeroAmount.selector;
        if (grant.used + amount > grant.cap) return IEscrow.CapExceeded.selector;
        if (balances[terms.payer] < amount) return IEscrow.InsufficientBalance.selector;
        grant.used += amount;
        balances[terms.payer] -= amount;
        return 0;
    }

    function settle(uint256 i, uint256 amount, bool isFinal, bool signed) external returns (bytes4) {
        ModelLease storage lease = _leases[ids[i]];
        if (lease.closed) return IEscrow.AlreadyClosed.selector;
        if (lease.closingAt != 0 && block.timestamp > lease.closingAt + WINDOW) {
            return IEscrow.ClosingWindowOver.selector;
        }
        if (!signed) return IEscrow.BadSignature.selector;
        if (amount > lease.highestVoucher) lease.highestVoucher = amount;
        uint256 total = min(min(amount, accrued(lease)), lease.hold);
        if (total <= lease.paid && !isFinal) return IEscrow.NothingToSettle.selector;
        if (total > lease.paid) {
            balances[lease.terms.provider] += total - lease.paid;
            lease.paid = total;
        }
        if (isFinal) close(lease);
        return 0;
    }

    function startClosing(uint256 i, address caller) external returns (bool) {
        ModelLease storage lease = _leases[ids[i]];
        if (lease.closed || lease.closingAt != 0) return false;
        if (caller != lease.terms.payer && caller != lease.terms.provider) return false;
        lease.closingAt = block.timestamp;
        return true;
    }

    function finalize(uint256 i) external returns (bool) {
        ModelLease storage lease = _leases[ids[i]];
        if (lease.closed || lease.closingAt == 0 || block.timestamp <= lease.closingAt + WINDOW) return false;
        close(lease);
        return true;
    }

    function close(ModelLease storage lease) private {
        lease.closed = true;
        lease.refunded = lease.hold - lease.paid;
        balances[lease.terms.payer] += lease.refunded;
        grants[grantKey(lease.terms.payer, lease.terms.hubKey, lease.terms.namespaceId)].used -= lease.refunded;
    }

    function min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
