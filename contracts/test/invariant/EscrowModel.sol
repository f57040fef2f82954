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
        uint256 claimed;
        bool disputed;
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
    /// @notice What each account put in, less what it took out; and what leases paid to it, less what its own paid.
    mapping(address => int256) public net;
    mapping(address => int256) public earned;
    mapping(address => uint256) public balances;
    mapping(address => uint256) public nonces;
    mapping(bytes32 => ModelGrant) public grants;
    mapping(address hub => mapping(address key => uint256)) private _ends;
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
        return accruedUntil(lease, block.timestamp);
    }

    function accruedUntil(ModelLease memory lease, uint256 end) private pure returns (uint256) {
        // a closing lease accrues for a quarter of an hour more, until the hub has seen it
        if (lease.closingAt != 0) end = min(lease.closingAt + 900, end);
        if (end < lease.openedAt) end = lease.openedAt;
        return lease.terms.rate * lease.terms.milliUnits * (end - lease.openedAt) / 1000 / 3600;
    }

    /// @notice The last second of a closing lease's window.
    function closesAt(ModelLease memory lease) public view returns (uint256) {
        return lease.closingAt + (lease.disputed ? WINDOW + WINDOW : WINDOW);
    }

    // ------------------------------------------------------------------------------------------------- keys

    /// @notice When `key` stops acting for `hub`; 0 if it never began.
    function endOf(address hub, address key) public view returns (uint256) {
        if (_ends[hub][key] != 0) return _ends[hub][key];
        return hub == key ? type(uint256).max : 0;
    }

    function acts(address hub, address key) public view returns (bool) {
        return endOf(hub, key) > block.timestamp;
    }

    /// @notice Appoints a key; returns whether that is allowed.
    function appoint(address hub, address key, uint256 end) external returns (bool) {
        if (endOf(hub, key) != 0 && !acts(hub, key)) return false;
        _ends[hub][key] = end;
        return true;
    }

    function retire(address hub, address key) external returns (bool) {
        if (!acts(hub, key)) return false;
        _ends[hub][key] = block.timestamp;
        return true;
    }

    // ---------------------------------------------------------------------------------------------- accounts

    function deposit(address account, uint256 amount) external {
        balances[account] += amount;
        net[account] += int256(amount);
        deposited += amount;
    }

    function withdraw(address account, uint256 amount) external {
        balances[account] -= amount;
        net[account] -= int256(amount);
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
        if (!acts(lease.terms.hubKey, caller)) return IEscrow.NotHubKey.selector;
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

    /// @notice Presents a voucher by `key`; returns why nothing came of it, or 0.
    function settle(uint256 i, uint256 amount, bool isFinal, address key) external returns (bytes4) {
        ModelLease storage lease = _leases[ids[i]];
        if (lease.closed) return IEscrow.AlreadyClosed.selector;
        if (lease.closingAt != 0 && block.timestamp > closesAt(lease)) return IEscrow.ClosingWindowOver.selector;
        uint256 end = endOf(lease.terms.hubKey, key);
        if (end == 0) return IEscrow.BadSignature.selector;
        bool retired = end <= block.timestamp;
        if (amount > lease.highestVoucher) lease.highestVoucher = amount;
        uint256 total = min(min(amount, accruedUntil(lease, min(end, block.timestamp))), lease.hold);
        if (total <= lease.paid && retired) return IEscrow.RetiredKey.selector;
        if (total <= lease.paid && !isFinal) return IEscrow.NothingToSettle.selector;
        pay(lease, total);
        if (isFinal && !retired) close(lease);
        return 0;
    }

    function pay(ModelLease storage lease, uint256 total) private {
        if (total <= lease.paid) return;
        balances[lease.terms.provider] += total - lease.paid;
        earned[lease.terms.provider] += int256(total - lease.paid);
        earned[lease.terms.payer] -= int256(total - lease.paid);
        lease.paid = total;
    }

    /// @notice Claims; returns why not, or 0.
    function claim(uint256 i, address caller, uint256 amount) external returns (bytes4) {
        ModelLease storage lease = _leases[ids[i]];
        if (lease.closed) return IEscrow.AlreadyClosed.selector;
        if (caller != lease.terms.provider) return IEscrow.NotParty.selector;
        if (lease.claimed != 0) return IEscrow.ClaimExists.selector;
        bool closing = lease.closingAt != 0;
        if (closing && block.timestamp > lease.closingAt + 1 days) return IEscrow.ClaimTooLate.selector;
        uint256 day = lease.terms.rate * lease.terms.milliUnits * 24 / 1000;
        uint256 most = min(min(amount, accrued(lease)), min(lease.paid + day, lease.hold));
        if (most <= lease.paid) return IEscrow.NothingToSettle.selector;
        lease.claimed = most;
        if (!closing) lease.closingAt = block.timestamp;
        return 0;
    }

    /// @notice Disputes; returns why not, or 0.
    function dispute(uint256 i, address caller) external returns (bytes4) {
        ModelLease storage lease = _leases[ids[i]];
        if (lease.closed) return IEscrow.AlreadyClosed.selector;
        if (caller != lease.terms.payer && !acts(lease.terms.hubKey, caller)) return IEscrow.NotParty.selector;
        if (lease.claimed == 0) return IEscrow.NoClaim.selector;
        if (lease.disputed) return IEscrow.AlreadyDisputed.selector;
        if (block.timestamp > closesAt(lease)) return IEscrow.ClosingWindowOver.selector;
        lease.disputed = true;
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
        if (lease.closed || lease.closingAt == 0 || block.timestamp <= closesAt(lease)) return false;
        if (!lease.disputed) pay(lease, lease.claimed);
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
