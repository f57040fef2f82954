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
/// @dev No owner, no fee, no upgrade, no pause. It calls the token, and asks a provider with code whether an offer is its
/// own (a static call on a gas allowance). Accounts are debited before tokens leave and credited after they have come,
/// by exactly what came, so that no callback of a token can be turned into money.
contract Escrow is IEscrow, EIP712 {
    using SafeERC20 for IERC20;
    using TypedData for *;

    /// @dev An authorisation as stored; the first three share a word. `used` never passes a cap when it rises, so it fits.
    struct Grant {
        uint96 cap;
        uint96 used;
        uint40 expiry;
        uint96 maxRate;
    }

    /// @inheritdoc IEscrow
    uint256 public constant MIN_CLOSING_WINDOW = 72 hours;
    /// @inheritdoc IEscrow
    uint256 public constant CLOSING_NOTICE = 15 minutes;
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

    mapping(bytes32 leaseId => LeaseSlot) private _leases;
    mapping(address payer => mapping(address hubKey => mapping(bytes32 namespaceId => Grant))) private _grants;

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
        if (hubKey == address(0)) revert ZeroAddress();
        if (cap > MAX_CAP || maxRate > MAX_RATE) revert AmountTooLarge();
        if (expiry <= block.timestamp || expiry > type(uint40).max) revert BadExpiry();
        Grant storage grant = _grants[msg.sender][hubKey][namespaceId];
        // All three were checked against their fields just above.
        // forge-lint: disable-start(unsafe-typecast)
        grant.cap = uint96(cap);
        grant.maxRate = uint96(maxRate);
        grant.expiry = uint40(expiry);
        // forge-lint: disable-end(unsafe-typecast)
        emit Authorized(msg.sender, hubKey, namespaceId, cap, maxRate, expiry);
    }

    /// @inheritdoc IEscrow
    function revoke(address hubKey, bytes32 namespaceId) external {
        Grant storage grant = _grants[msg.sender][hubKey][namespaceId];
        grant.cap = 0;
        grant.maxRate = 0;
        grant.expiry = 0;
        emit Revoked(msg.sender, hubKey, namespaceId);
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
        _checkSize(requests.length);
        _checkLength(requests.length, offers.length);
        _checkLength(requests.length, signatures.length);
        for (uint256 i = 0; i < requests.length; ++i) {
            _open(requests[i], offers[i], signatures[i]);
        }
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
    function settleBatch(Settlement[] calldata settlements) external {
        _checkSize(settlements.length);
        for (uint256 i = 0; i < settlements.length; ++i) {
            _settle(settlements[i]);
        }
    }

    /// @inheritdoc IEscrow
    function startClosing(LeaseTerms calldata terms) external {
        (bytes32 leaseId, LeaseSlot slot) = _notClosed(terms);
        if (slot.closingAt() != 0) revert AlreadyClosing();
        if (msg.sender != terms.payer && msg.sender != terms.provider) revert NotParty();
        _leases[leaseId] = slot.afterClosingStarted(block.timestamp);
        emit LeaseClosing(leaseId, msg.sender, block.timestamp + CLOSING_WINDOW);
    }

    /// @inheritdoc IEscrow
    function finalize(LeaseTerms calldata terms) external {
        (bytes32 leaseId, LeaseSlot slot) = _notClosed(terms);
        // slither-disable-next-line incorrect-equality
        if (slot.closingAt() == 0 || !_windowIsOver(slot)) revert ClosingWindowOpen();
        _leases[leaseId] = _close(leaseId, slot, terms);
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
        Grant memory grant = _grants[payer][hubKey][namespaceId];
        return Authorization({cap: grant.cap, used: grant.used, maxRate: grant.maxRate, expiry: grant.expiry});
    }

    /// @inheritdoc IEscrow
    function lease(bytes32 leaseId) external view returns (Lease memory standing) {
        LeaseSlot slot = _leases[leaseId];
        if (!slot.exists()) return standing;
        standing.hold = slot.hold();
        standing.paid = slot.paid();
        standing.openedAt = uint64(slot.openedAt());
        uint256 rest = standing.hold - standing.paid;
        if (slot.isClosed()) {
            standing.state = LeaseState.Closed;
            standing.refunded = rest;
            return standing;
        }
        standing.held = rest;
        standing.closingAt = uint64(slot.closingAt());
        if (standing.closingAt != 0) standing.state = LeaseState.Closing;
        // slither-disable-next-line incorrect-equality
        else standing.state = rest == 0 ? LeaseState.Paused : LeaseState.Open;
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

    /// @dev Opens one lease, or says why not.
    function _open(LeaseRequest calldata request, Offer calldata offer, bytes calldata signature) private {
        LeaseTerms memory terms = LeaseTerms({
            payer: request.payer,
            provider: offer.provider,
            hubKey: msg.sender,
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
        if (reason == 0) reason = _draw(request.payer, request.namespaceId, request.rate, request.hold);
        if (reason != 0) {
            emit OpenSkipped(leaseId, reason);
            return;
        }
        _leases[leaseId] = LeaseSlotLib.opened(request.hold, block.timestamp);
        emit LeaseOpened(leaseId, terms.payer, terms.provider, terms, request.hold);
    }

    /// @dev Why the request can't be opened whatever its offer, or 0.
    function _refuseRequest(bytes32 leaseId, LeaseRequest calldata request) private view returns (bytes4) {
        if (_leases[leaseId].exists()) return LeaseExists.selector;
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
        LeaseSlot slot = _leases[leaseId];
        bytes4 reason = _refuseTopUp(slot, terms.hubKey, amount);
        if (reason == 0) reason = _draw(terms.payer, terms.namespaceId, terms.rate, amount);
        if (reason != 0) {
            emit TopUpSkipped(leaseId, reason);
            return;
        }
        slot = slot.afterToppingUp(amount);
        _leases[leaseId] = slot;
        emit LeaseToppedUp(leaseId, amount, slot.hold());
    }

    /// @dev Why the lease can't be added to, or 0.
    function _refuseTopUp(LeaseSlot slot, address hubKey, uint256 amount) private view returns (bytes4) {
        if (msg.sender != hubKey) return NotHubKey.selector;
        if (!slot.exists()) return UnknownLease.selector;
        if (slot.isClosed()) return AlreadyClosed.selector;
        if (slot.closingAt() != 0) return AlreadyClosing.selector;
        if (amount > MAX_HOLD - slot.hold()) return AmountTooLarge.selector;
        return 0;
    }

    /// @dev Moves `amount` out of `payer`'s account under its authorisation of the caller, for work at `rate`; or says
    /// why not and changes nothing. The caller of this owes the amount to a lease.
    function _draw(address payer, bytes32 namespaceId, uint256 rate, uint256 amount) private returns (bytes4) {
        Grant storage grant = _grants[payer][msg.sender][namespaceId];
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

    /// @dev Pays one voucher, or says why not.
    function _settle(Settlement calldata settlement) private {
        bytes32 leaseId = settlement.terms.leaseIdCalldata();
        LeaseSlot slot = _leases[leaseId];
        bytes4 reason = _refuseVoucher(leaseId, slot, settlement);
        uint256 due = reason == 0 ? _due(slot, settlement) : 0;
        // slither-disable-next-line incorrect-equality
        if (reason == 0 && due == 0 && !settlement.isFinal) reason = NothingToSettle.selector;
        if (reason != 0) {
            emit SettleSkipped(leaseId, reason);
            return;
        }
        if (due != 0) {
            slot = slot.afterPaying(due);
            balanceOf[settlement.terms.provider] += due;
            emit Settled(leaseId, settlement.terms.provider, due, slot.paid(), settlement.cumulativeUsageMs);
        }
        if (settlement.isFinal) slot = _close(leaseId, slot, settlement.terms);
        _leases[leaseId] = slot;
    }

    /// @dev Why the voucher can't be paid, or 0.
    function _refuseVoucher(bytes32 leaseId, LeaseSlot slot, Settlement calldata settlement)
        private
        view
        returns (bytes4)
    {
        if (!slot.exists()) return UnknownLease.selector;
        if (slot.isClosed()) return AlreadyClosed.selector;
        if (slot.closingAt() != 0 && _windowIsOver(slot)) return ClosingWindowOver.selector;
        bytes32 digest = _hashTypedDataV4(leaseId.hashSettlement(settlement));
        if (!Signatures.isByKey(settlement.terms.hubKey, digest, settlement.r, settlement.vs)) {
            return BadSignature.selector;
        }
        return 0;
    }

    /// @dev What the voucher adds to what was paid, clamped to the time elapsed and to the hold; 0 for a stale one. The
    /// lease is open or closing, so its terms are within the bounds that opening checked.
    function _due(LeaseSlot slot, Settlement calldata settlement) private view returns (uint256) {
        uint256 until = block.timestamp;
        uint256 closingAt = slot.closingAt();
        if (closingAt != 0 && until > closingAt + CLOSING_NOTICE) until = closingAt + CLOSING_NOTICE;
        uint256 owed = Accrual.accrued(settlement.terms.rate, settlement.terms.milliUnits, until - slot.openedAt());
        if (owed > settlement.cumulativeAmount) owed = settlement.cumulativeAmount;
        if (owed > slot.hold()) owed = slot.hold();
        uint256 paid = slot.paid();
        return owed > paid ? owed - paid : 0;
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
        return slot.afterClosed();
    }

    /// @dev The lease with `terms`, which must have been opened and not closed.
    function _notClosed(LeaseTerms calldata terms) private view returns (bytes32 leaseId, LeaseSlot slot) {
        leaseId = terms.leaseIdCalldata();
        slot = _leases[leaseId];
        if (!slot.exists()) revert UnknownLease();
        if (slot.isClosed()) revert AlreadyClosed();
    }

    /// @dev Whether the window of a closing lease is over.
    function _windowIsOver(LeaseSlot slot) private view returns (bool) {
        return block.timestamp > slot.closingAt() + CLOSING_WINDOW;
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
