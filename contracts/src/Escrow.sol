// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IEscrow} from "./interfaces/IEscrow.sol";
import {Accrual} from "./libraries/Accrual.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {TypedData} from "./libraries/TypedData.sol";
import {LeaseSlot, LeaseSlotLib} from "./types/LeaseSlot.sol";

/// @title Escrow
/// @notice Payers' accounts, leases with holds of their own, and their settlement. See {IEscrow}.
/// @dev No owner, no fee, no upgrade, no pause. It calls the token, and asks a provider or payer with code whether an offer or
/// a grant is its own (a static call on a gas allowance). Accounts are debited before tokens leave and credited after they have come,
/// by exactly what came, so that no callback of a token can be turned into money.
contract Escrow is IEscrow, EIP712 {
    using SafeERC20 for IERC20;
    using TypedData for *;

    /// @dev An authorisation as stored; the first three share a word. `used` never passes a cap when it rises, so it fits.
    struct Allowance {
        uint96 cap;
        uint96 used;
        uint40 expiry;
        uint96 maxRate;
    }

    /// @dev A lease as stored: in a struct, so that its place is computed once for reading and writing.
    struct Stored {
        LeaseSlot slot;
    }

    /// @dev Who signed the last voucher of a batch, and until when that key acts: the next is mostly by the same.
    struct Signer {
        uint256 hub;
        uint256 key;
        uint256 until;
    }

    /// @inheritdoc IEscrow
    uint256 public constant MIN_CLOSING_WINDOW = 72 hours;
    /// @inheritdoc IEscrow
    uint256 public constant CLOSING_NOTICE = 15 minutes;
    /// @inheritdoc IEscrow
    uint256 public constant CLAIM_PERIOD = 24 hours;
    /// @inheritdoc IEscrow
    uint256 public constant CLAIM_LIMIT = 24 hours;
    /// @inheritdoc IEscrow
    uint256 public constant MAX_BATCH = 64;
    /// @inheritdoc IEscrow
    uint64 public constant MAX_MILLI_UNITS = 1_000_000_000;
    /// @inheritdoc IEscrow
    uint256 public constant MAX_HOLD = type(uint88).max;
    /// @inheritdoc IEscrow
    uint256 public constant MAX_CAP = type(uint96).max;
    /// @inheritdoc IEscrow
    uint256 public constant MAX_RATE = type(uint96).max;

    /// @dev The token, typed.
    IERC20 private immutable _token;
    /// @inheritdoc IEscrow
    uint256 public immutable CLOSING_WINDOW;

    /// @inheritdoc IEscrow
    mapping(address account => uint256) public balanceOf;
    /// @inheritdoc IEscrow
    mapping(address provider => uint64) public offerNonce;
    /// @inheritdoc IEscrow
    mapping(address payer => uint64) public grantNonce;
    /// @inheritdoc IEscrow
    mapping(address hub => address guardian) public guardianOf;

    mapping(bytes32 leaseId => Stored) private _leases;
    mapping(address payer => mapping(address hubKey => mapping(bytes32 namespaceId => Allowance))) private _grants;
    mapping(address hub => mapping(address key => uint256 until)) private _keys;
    mapping(bytes32 leaseId => Claim) private _claims;

    /// @param token The token to hold; EAI. A token that takes a fee on transfer can't be deposited.
    /// @param closingWindow Seconds between {startClosing} and {finalize}, at least {MIN_CLOSING_WINDOW}.
    constructor(address token, uint256 closingWindow) EIP712("EAI Escrow", "1") {
        if (token.code.length == 0) revert TokenHasNoCode();
        if (closingWindow < MIN_CLOSING_WINDOW) revert ClosingWindowTooShort();
        _token = IERC20(token);
        CLOSING_WINDOW = closingWindow;
    }

    // --------------------------------------------------------------------------------------------- accounts

    /// @inheritdoc IEscrow
    function deposit(uint256 amount) external {
        _deposit(msg.sender, amount);
    }

    /// @inheritdoc IEscrow
    function depositFor(address account, uint256 amount) external {
        _deposit(account, amount);
    }

    /// @inheritdoc IEscrow
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        // A permit is public once sent and anyone may use it up: what counts is the allowance that it left.
        try IERC20Permit(address(_token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(msg.sender, amount);
    }

    /// @inheritdoc IEscrow
    function withdraw(uint256 amount, address to) external {
        if (amount == 0) revert ZeroAmount();
        if (to == address(0)) revert ZeroAddress();
        if (to == address(this)) revert WithdrawToEscrow();
        uint256 balance = balanceOf[msg.sender];
        if (balance < amount) revert InsufficientBalance();
        unchecked {
            balanceOf[msg.sender] = balance - amount;
        }
        emit Withdrawn(msg.sender, to, amount);
        _token.safeTransfer(to, amount);
    }

    /// @inheritdoc IEscrow
    function authorize(address hubKey, bytes32 namespaceId, uint256 cap, uint256 maxRate, uint64 expiry) external {
        _authorize(msg.sender, hubKey, namespaceId, cap, maxRate, expiry);
    }

    /// @inheritdoc IEscrow
    function authorizeWithSignature(Grant calldata grant, bytes calldata signature) external {
        if (block.timestamp > grant.deadline) revert GrantExpired();
        if (grant.nonce != grantNonce[grant.payer]) revert GrantCancelled();
        if (!Signatures.isBy(grant.payer, grantDigest(grant), signature)) revert BadSignature();
        _authorize(grant.payer, grant.hubKey, grant.namespaceId, grant.cap, grant.maxRate, grant.expiry);
    }

    /// @inheritdoc IEscrow
    function revoke(address hubKey, bytes32 namespaceId) external {
        ++grantNonce[msg.sender];
        Allowance storage grant = _grants[msg.sender][hubKey][namespaceId];
        grant.cap = 0;
        grant.maxRate = 0;
        grant.expiry = 0;
        emit Revoked(msg.sender, hubKey, namespaceId);
    }

    // ------------------------------------------------------------------------------------------------- keys

    /// @inheritdoc IEscrow
    function setGuardian(address hub, address guardian) external {
        _checkGuardian(hub);
        if (guardian == address(0)) revert ZeroAddress();
        guardianOf[hub] = guardian;
        emit GuardianSet(hub, guardian);
    }

    /// @inheritdoc IEscrow
    function appointKey(address hub, address key, uint64 until) external {
        _checkGuardian(hub);
        if (key == address(0)) revert ZeroAddress();
        if (key == hub) revert UnknownKey();
        if (until <= block.timestamp || until >= type(uint40).max) revert BadExpiry();
        uint256 was = _keys[hub][key];
        if (was != 0 && was <= block.timestamp) revert RetiredKey();
        _keys[hub][key] = until;
        emit KeyAppointed(hub, key, until);
    }

    /// @inheritdoc IEscrow
    function retireKey(address hub, address key) external {
        _checkGuardian(hub);
        uint256 until = keyUntil(hub, key);
        if (until == 0) revert UnknownKey();
        if (until <= block.timestamp) revert RetiredKey();
        _keys[hub][key] = block.timestamp;
        emit KeyRetired(hub, key);
    }

    // ----------------------------------------------------------------------------------------------- leases

    /// @inheritdoc IEscrow
    function cancelOffers() external returns (uint64 nonce) {
        nonce = ++offerNonce[msg.sender];
        emit OffersCancelled(msg.sender, nonce);
    }

    /// @inheritdoc IEscrow
    function openBatch(LeaseRequest[] calldata requests, Offer[] calldata offers, bytes[] calldata signatures)
        external
    {
        _openBatch(msg.sender, requests, offers, signatures);
    }

    /// @inheritdoc IEscrow
    function openBatchFor(
        address hub,
        LeaseRequest[] calldata requests,
        Offer[] calldata offers,
        bytes[] calldata signatures
    ) external {
        _openBatch(hub, requests, offers, signatures);
    }

    /// @inheritdoc IEscrow
    function topUpBatch(LeaseTerms[] calldata terms, uint256[] calldata amounts) external {
        _checkSize(terms.length);
        _checkLength(terms.length, amounts.length);
        for (uint256 i = 0; i < terms.length; ++i) {
            _topUp(terms[i], amounts[i]);
        }
    }

    /// @inheritdoc IEscrow
    /// @dev In one piece, because a call for each item and step costs a batch a tenth more. `signer` is who signed the item
    /// before.
    function settleBatch(Settlement[] calldata settlements) external {
        _checkSize(settlements.length);
        bytes32 domain = _domainSeparatorV4();
        uint256 lastHub = 0;
        uint256 lastKey = 0;
        uint256 actsUntil = 0;
        Settlement calldata settlement = settlements.beforeFirst();
        for (uint256 i = 0; i < settlements.length; ++i) {
            settlement = settlement.next();
            (bytes32 leaseId, bytes32 digest) = domain.hashSettlement(settlement);
            Stored storage stored = _leases[leaseId];
            LeaseSlot slot = stored.slot;
            uint256 until = block.timestamp;
            if (slot.isClosingOrClosed()) {
                bytes4 reason = _refuseClosing(leaseId, slot);
                if (reason != 0) {
                    emit SettleSkipped(leaseId, reason);
                    continue;
                }
                until = _endOfWork(slot);
            }
            {
                uint256 key = Signatures.signerOf(digest, settlement.r, settlement.vs);
                uint256 hub = settlement.terms.hubRaw();
                if ((key ^ lastKey) | (hub ^ lastHub) != 0) {
                    (lastHub, lastKey) = (hub, key);
                    // both are addresses
                    // forge-lint: disable-next-line(unsafe-typecast)
                    actsUntil = keyUntil(address(uint160(hub)), address(uint160(key)));
                }
            }
            uint256 due = _due(slot, settlement, _min(until, actsUntil));
            // 0 is that nothing is due, not a sum that time or a transfer could miss by a wei
            // slither-disable-next-line incorrect-equality
            if (due == 0) {
                bytes4 reason = _whyNothing(slot, actsUntil, settlement.isFinalRaw());
                if (reason == 0) stored.slot = _close(leaseId, slot, settlement.terms);
                else emit SettleSkipped(leaseId, reason);
                continue;
            }
            address provider = settlement.terms.providerRaw();
            slot = slot.afterPaying(due);
            unchecked {
                // no more than the tokens that there are
                balanceOf[provider] += due;
            }
            emit Settled(leaseId, provider, due, slot.paid(), settlement.cumulativeUsageMs);
            if (settlement.isFinalRaw() && block.timestamp < actsUntil) {
                slot = _close(leaseId, slot, settlement.terms);
            }
            stored.slot = slot;
        }
    }

    /// @inheritdoc IEscrow
    function startClosing(LeaseTerms calldata terms) external {
        (bytes32 leaseId, LeaseSlot slot) = _notClosed(terms);
        if (slot.closingAt() != 0) revert AlreadyClosing();
        if (msg.sender != terms.payer && msg.sender != terms.provider) revert NotParty();
        _leases[leaseId].slot = _startClosing(leaseId, slot);
    }

    /// @inheritdoc IEscrow
    function claim(LeaseTerms calldata terms, uint256 amount) external returns (uint256 claimed) {
        (bytes32 leaseId, LeaseSlot slot) = _notClosed(terms);
        if (msg.sender != terms.provider) revert NotParty();
        if (_claims[leaseId].amount != 0) revert ClaimExists();
        uint256 closingAt = slot.closingAt();
        // 0 is the mark of a lease that isn't closing, not a time to be hit
        // slither-disable-next-line incorrect-equality
        if (closingAt == 0) {
            slot = _startClosing(leaseId, slot);
            _leases[leaseId].slot = slot;
        } else if (block.timestamp > closingAt + CLAIM_PERIOD) {
            revert ClaimTooLate();
        }
        uint256 paid = slot.paid();
        claimed = _min(amount, _accrued(slot, terms, _endOfWork(slot)));
        claimed = _min(claimed, paid + Accrual.accrued(terms.rate, terms.milliUnits, CLAIM_LIMIT));
        claimed = _min(claimed, slot.hold());
        if (claimed <= paid) revert NothingToSettle();
        // at most the hold, which fits
        // forge-lint: disable-next-line(unsafe-typecast)
        _claims[leaseId].amount = uint88(claimed);
        emit LeaseClaimed(leaseId, msg.sender, claimed);
    }

    /// @inheritdoc IEscrow
    function dispute(LeaseTerms calldata terms) external {
        (bytes32 leaseId, LeaseSlot slot) = _notClosed(terms);
        if (msg.sender != terms.payer && !_acts(terms.hubKey, msg.sender)) revert NotParty();
        Claim storage standing = _claims[leaseId];
        // 0 is the mark of no claim: a claim is of more than was paid
        // slither-disable-next-line incorrect-equality
        if (standing.amount == 0) revert NoClaim();
        if (standing.disputed) revert AlreadyDisputed();
        if (block.timestamp > _closesAt(leaseId, slot)) revert ClosingWindowOver();
        standing.disputed = true;
        emit ClaimDisputed(leaseId, msg.sender, _closesAt(leaseId, slot));
    }

    /// @inheritdoc IEscrow
    function finalize(LeaseTerms calldata terms) external {
        (bytes32 leaseId, LeaseSlot slot) = _notClosed(terms);
        // 0 is the mark of a lease that isn't closing, not a time to be hit
        // slither-disable-next-line incorrect-equality
        if (slot.closingAt() == 0 || block.timestamp <= _closesAt(leaseId, slot)) revert ClosingWindowOpen();
        Claim memory standing = _claims[leaseId];
        // A claim is never above the hold.
        if (!standing.disputed && standing.amount > slot.paid()) {
            slot = _pay(leaseId, slot, terms.provider, standing.amount - slot.paid(), 0);
        }
        _leases[leaseId].slot = _close(leaseId, slot, terms);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IEscrow
    function TOKEN() external view returns (address) {
        return address(_token);
    }

    /// @inheritdoc IEscrow
    function authorization(address payer, address hubKey, bytes32 namespaceId)
        external
        view
        returns (Authorization memory)
    {
        Allowance memory grant = _grants[payer][hubKey][namespaceId];
        return Authorization({cap: grant.cap, used: grant.used, maxRate: grant.maxRate, expiry: grant.expiry});
    }

    /// @inheritdoc IEscrow
    function lease(bytes32 leaseId) external view returns (Lease memory standing) {
        LeaseSlot slot = _leases[leaseId].slot;
        if (!slot.exists()) return standing;
        standing.hold = slot.hold();
        standing.paid = slot.paid();
        standing.openedAt = uint64(slot.openedAt());
        uint256 rest = standing.hold - standing.paid;
        if (slot.isClosed()) {
            standing.state = LeaseState.Closed;
            standing.refunded = rest;
            standing.endedAt = uint64(slot.closingAt());
            return standing;
        }
        standing.held = rest;
        standing.closingAt = uint64(slot.closingAt());
        if (standing.closingAt != 0) {
            standing.state = LeaseState.Closing;
            standing.closesAt = uint64(_closesAt(leaseId, slot));
        } else {
            // paused is exactly when nothing of the hold is left; paying is capped by it, so it can't step over 0
            // slither-disable-next-line incorrect-equality
            standing.state = rest == 0 ? LeaseState.Paused : LeaseState.Open;
        }
    }

    /// @inheritdoc IEscrow
    function claimOf(bytes32 leaseId) external view returns (Claim memory) {
        return _claims[leaseId];
    }

    /// @inheritdoc IEscrow
    function keyUntil(address hub, address key) public view returns (uint256 until) {
        until = _keys[hub][key];
        // 0 is the mark of a key that was never appointed or retired
        // slither-disable-next-line incorrect-equality
        if (until == 0 && key == hub) until = type(uint40).max;
    }

    /// @inheritdoc IEscrow
    function leaseIdOf(LeaseTerms calldata terms) external pure returns (bytes32) {
        return keccak256(abi.encode(terms));
    }

    /// @inheritdoc IEscrow
    function namespaceIdOf(bytes32 hubId, string calldata namespaceUid) external pure returns (bytes32) {
        return hubId.namespaceId(namespaceUid);
    }

    /// @inheritdoc IEscrow
    function offerDigest(Offer calldata offer) external view returns (bytes32) {
        return _hashTypedDataV4(offer.hashOffer());
    }

    /// @inheritdoc IEscrow
    function grantDigest(Grant calldata grant) public view returns (bytes32) {
        return _hashTypedDataV4(grant.hashGrant());
    }

    /// @inheritdoc IEscrow
    function voucherDigest(Voucher calldata voucher) external view returns (bytes32) {
        return _hashTypedDataV4(voucher.hashVoucher());
    }

    // --------------------------------------------------------------------------------------------- internal

    /// @dev Takes exactly `amount` from the caller, then credits `account`. What came is measured, so a callback that
    /// deposits or withdraws in between makes the figures differ and the call revert.
    function _deposit(address account, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        if (account == address(0)) revert ZeroAddress();
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        if (_token.balanceOf(address(this)) != before + amount) revert TransferMismatch();
        balanceOf[account] += amount;
        emit Deposited(account, msg.sender, amount);
    }

    /// @dev Writes an authorisation, whoever presents it.
    function _authorize(address payer, address hubKey, bytes32 namespaceId, uint256 cap, uint256 maxRate, uint64 expiry)
        private
    {
        if (hubKey == address(0)) revert ZeroAddress();
        if (cap > MAX_CAP || maxRate > MAX_RATE) revert AmountTooLarge();
        if (expiry <= block.timestamp || expiry > type(uint40).max) revert BadExpiry();
        ++grantNonce[payer];
        Allowance storage grant = _grants[payer][hubKey][namespaceId];
        // All three were checked against their fields just above.
        // forge-lint: disable-start(unsafe-typecast)
        grant.cap = uint96(cap);
        grant.maxRate = uint96(maxRate);
        grant.expiry = uint40(expiry);
        // forge-lint: disable-end(unsafe-typecast)
        emit Authorized(payer, hubKey, namespaceId, cap, maxRate, expiry);
    }

    /// @dev Opens leases of `hub`, which the caller must act for.
    function _openBatch(
        address hub,
        LeaseRequest[] calldata requests,
        Offer[] calldata offers,
        bytes[] calldata signatures
    ) private {
        _checkSize(requests.length);
        _checkLength(requests.length, offers.length);
        _checkLength(requests.length, signatures.length);
        if (!_acts(hub, msg.sender)) revert NotHubKey();
        for (uint256 i = 0; i < requests.length; ++i) {
            _open(hub, requests[i], offers[i], signatures[i]);
        }
    }

    /// @dev Opens one lease, or says why not.
    function _open(address hub, LeaseRequest calldata request, Offer calldata offer, bytes calldata signature) private {
        LeaseTerms memory terms = LeaseTerms({
            payer: request.payer,
            provider: offer.provider,
            hubKey: hub,
            namespaceId: request.namespaceId,
            jobId: request.jobId,
            generation: request.generation,
            attempt: request.attempt,
            rate: request.rate,
            milliUnits: request.milliUnits
        });
        bytes32 leaseId = terms.leaseId();
        bytes4 reason = _refuseRequest(leaseId, request);
        if (reason == 0) reason = _refuseOffer(request.rate, offer, signature);
        if (reason == 0) reason = _draw(request.payer, hub, request.namespaceId, request.rate, request.hold);
        if (reason != 0) {
            emit OpenSkipped(leaseId, reason);
            return;
        }
        _leases[leaseId].slot = LeaseSlotLib.opened(request.hold, block.timestamp);
        emit LeaseOpened(leaseId, terms.payer, terms.provider, terms, request.hold);
    }

    /// @dev Why the request can't be opened whatever its offer, or 0.
    function _refuseRequest(bytes32 leaseId, LeaseRequest calldata request) private view returns (bytes4) {
        if (_leases[leaseId].slot.exists()) return LeaseExists.selector;
        if (block.timestamp > request.openBy) return OpenByPassed.selector;
        if (request.milliUnits == 0 || request.milliUnits > MAX_MILLI_UNITS) return BadMilliUnits.selector;
        if (request.hold > MAX_HOLD) return AmountTooLarge.selector;
        return 0;
    }

    /// @dev Why the offer doesn't allow `rate`, or 0.
    function _refuseOffer(uint256 rate, Offer calldata offer, bytes calldata signature) private view returns (bytes4) {
        if (rate > offer.rate) return RateAboveOffer.selector;
        if (block.timestamp > offer.validUntil) return OfferExpired.selector;
        if (offer.nonce != offerNonce[offer.provider]) return OfferCancelled.selector;
        if (!Signatures.isBy(offer.provider, _hashTypedDataV4(offer.hashOffer()), signature)) {
            return BadSignature.selector;
        }
        return 0;
    }

    /// @dev Adds to one lease, or says why not.
    function _topUp(LeaseTerms calldata terms, uint256 amount) private {
        bytes32 leaseId = terms.leaseIdCalldata();
        LeaseSlot slot = _leases[leaseId].slot;
        bytes4 reason = _refuseTopUp(slot, terms.hubKey, amount);
        if (reason == 0) reason = _draw(terms.payer, terms.hubKey, terms.namespaceId, terms.rate, amount);
        if (reason != 0) {
            emit TopUpSkipped(leaseId, reason);
            return;
        }
        slot = slot.afterToppingUp(amount);
        _leases[leaseId].slot = slot;
        emit LeaseToppedUp(leaseId, amount, slot.hold());
    }

    /// @dev Why the lease can't be added to, or 0.
    function _refuseTopUp(LeaseSlot slot, address hubKey, uint256 amount) private view returns (bytes4) {
        if (!_acts(hubKey, msg.sender)) return NotHubKey.selector;
        if (!slot.exists()) return UnknownLease.selector;
        if (slot.isClosed()) return AlreadyClosed.selector;
        if (slot.closingAt() != 0) return AlreadyClosing.selector;
        if (amount > MAX_HOLD - slot.hold()) return AmountTooLarge.selector;
        return 0;
    }

    /// @dev Moves `amount` out of `payer`'s account under its authorisation of `hub`, for work at `rate`; or says why not
    /// and changes nothing. The caller of this owes the amount to a lease, and has checked that the sender acts for `hub`.
    function _draw(address payer, address hub, bytes32 namespaceId, uint256 rate, uint256 amount)
        private
        returns (bytes4)
    {
        Allowance storage grant = _grants[payer][hub][namespaceId];
        (uint256 cap, uint256 used, uint256 expiry) = (grant.cap, grant.used, grant.expiry);
        if (expiry == 0) return NotAuthorized.selector;
        if (block.timestamp >= expiry) return AuthorizationExpired.selector;
        if (rate > grant.maxRate) return RateAboveAuthorization.selector;
        if (amount == 0) return ZeroAmount.selector;
        if (used > cap || amount > cap - used) return CapExceeded.selector;
        uint256 balance = balanceOf[payer];
        if (amount > balance) return InsufficientBalance.selector;
        unchecked {
            balanceOf[payer] = balance - amount;
            // used + amount <= cap, which fits
            // forge-lint: disable-next-line(unsafe-typecast)
            grant.used = uint96(used + amount);
        }
        return 0;
    }

    /// @dev Why no voucher of the closing or closed lease can be paid, or 0.
    function _refuseClosing(bytes32 leaseId, LeaseSlot slot) private view returns (bytes4) {
        if (slot.isClosed()) return AlreadyClosed.selector;
        return block.timestamp > _closesAt(leaseId, slot) ? ClosingWindowOver.selector : bytes4(0);
    }

    /// @dev Why a voucher changes nothing for which nothing is due and whose key acts until `until`; 0 if it closes. Nothing
    /// is ever due under a lease that wasn't opened.
    function _whyNothing(LeaseSlot slot, uint256 until, bool isFinal) private view returns (bytes4) {
        if (!slot.exists()) return UnknownLease.selector;
        // 0 is the mark of nobody's signature, or of a key that never was the hub's
        // slither-disable-next-line incorrect-equality
        if (until == 0) return BadSignature.selector;
        if (until <= block.timestamp) return RetiredKey.selector;
        return isFinal ? bytes4(0) : NothingToSettle.selector;
    }

    /// @dev What the voucher adds to what was paid for time up to `until`, at most the hold; 0 for a stale one. The lease is
    /// open or closing, so its terms are within the bounds that opening checked.
    function _due(LeaseSlot slot, Settlement calldata settlement, uint256 until) private pure returns (uint256) {
        uint256 owed = _min(_accrued(slot, settlement.terms, until), settlement.cumulativeAmount);
        return _over(_min(owed, slot.hold()), slot.paid());
    }

    /// @dev What the lease's time costs from its opening to `until`.
    function _accrued(LeaseSlot slot, LeaseTerms calldata terms, uint256 until) private pure returns (uint256) {
        return Accrual.accrued(terms.rate, terms.milliUnitsRaw(), _over(until, slot.openedAt()));
    }

    /// @dev Until when a closing lease's work counts: now, or the end of the notice.
    function _endOfWork(LeaseSlot slot) private view returns (uint256) {
        return _min(block.timestamp, slot.closingAt() + CLOSING_NOTICE);
    }

    /// @dev Moves `amount` from the lease into the provider's account. The caller stores the slot that this returns.
    function _pay(bytes32 leaseId, LeaseSlot slot, address provider, uint256 amount, uint256 usageMs)
        private
        returns (LeaseSlot)
    {
        slot = slot.afterPaying(amount);
        unchecked {
            // no more than the tokens that there are
            balanceOf[provider] += amount;
        }
        emit Settled(leaseId, provider, amount, slot.paid(), usageMs);
        return slot;
    }

    /// @dev Starts the window of an open lease. The caller stores the slot that this returns.
    function _startClosing(bytes32 leaseId, LeaseSlot slot) private returns (LeaseSlot) {
        emit LeaseClosing(leaseId, msg.sender, block.timestamp + CLOSING_WINDOW);
        return slot.afterClosingStarted(block.timestamp);
    }

    /// @dev Returns the rest to the payer's account and cap. The caller stores the closed slot that this returns.
    function _close(bytes32 leaseId, LeaseSlot slot, LeaseTerms calldata terms) private returns (LeaseSlot) {
        uint256 rest = slot.hold() - slot.paid();
        if (rest != 0) {
            balanceOf[terms.payer] += rest;
            // what is left of a hold is at most MAX_HOLD
            // forge-lint: disable-next-line(unsafe-typecast)
            _grants[terms.payer][terms.hubKey][terms.namespaceId].used -= uint96(rest);
        }
        emit LeaseClosed(leaseId, slot.paid(), rest);
        return slot.afterClosed(slot.isClosingOrClosed() ? _endOfWork(slot) : block.timestamp);
    }

    /// @dev The lease with `terms`, which must have been opened and not closed.
    function _notClosed(LeaseTerms calldata terms) private view returns (bytes32 leaseId, LeaseSlot slot) {
        leaseId = terms.leaseIdCalldata();
        slot = _leases[leaseId].slot;
        if (!slot.exists()) revert UnknownLease();
        if (slot.isClosed()) revert AlreadyClosed();
    }

    /// @dev The last second of a closing lease's window, which a dispute doubles.
    function _closesAt(bytes32 leaseId, LeaseSlot slot) private view returns (uint256) {
        return slot.closingAt() + (_claims[leaseId].disputed ? 2 * CLOSING_WINDOW : CLOSING_WINDOW);
    }

    /// @dev Whether `key` acts for `hub` now.
    function _acts(address hub, address key) private view returns (bool) {
        return keyUntil(hub, key) > block.timestamp;
    }

    /// @dev Reverts unless the caller says which keys act for `hub`. A hub whose own key is retired doesn't any more.
    function _checkGuardian(address hub) private view {
        address guardian = guardianOf[hub];
        bool allowed = guardian == address(0) ? msg.sender == hub && _acts(hub, hub) : msg.sender == guardian;
        if (!allowed) revert NotGuardian();
    }

    /// @dev The lesser, without a branch.
    function _min(uint256 one, uint256 other) private pure returns (uint256 lesser) {
        assembly ("memory-safe") {
            lesser := xor(other, mul(xor(one, other), lt(one, other)))
        }
    }

    /// @dev By how much `one` is over `other`, or 0; without a branch.
    function _over(uint256 one, uint256 other) private pure returns (uint256 difference) {
        assembly ("memory-safe") {
            difference := mul(sub(one, other), gt(one, other))
        }
    }

    /// @dev Reverts if a batch of `items` is more than one call may work on.
    function _checkSize(uint256 items) private pure {
        if (items > MAX_BATCH) revert BatchTooLarge();
    }

    /// @dev Reverts unless the array of `others` goes with the batch of `items`.
    function _checkLength(uint256 items, uint256 others) private pure {
        if (items != others) revert LengthMismatch();
    }
}
