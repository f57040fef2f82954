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

/// @title Escrow
/// @notice Payers' accounts, leases with holds of their own, and their settlement. See {IEscrow}.
/// @dev No owner, no fee, no upgrade, no pause. It calls the token, and asks a provider with code whether an offer is its
/// own (a static call on a gas allowance). Accounts are debited before tokens leave and credited after they have come,
/// by exactly what came, so that no callback of a token can be turned into money.
contract Escrow is IEscrow, EIP712 {
    using SafeERC20 for IERC20;
    using TypedData for *;

    /// @dev The one word that the chain keeps for a lease.
    struct Slot {
        uint88 hold;
        uint88 paid;
        uint40 openedAt;
        uint40 closingAt; // 0: open; CLOSED: closed; else when closing was started
    }

    /// @dev An authorisation as stored; `used` is never above what a cap can be.
    struct Grant {
        uint88 cap;
        uint88 used;
        uint40 expiry;
        uint96 maxRate;
    }

    /// @inheritdoc IEscrow
    uint256 public constant MIN_CLOSING_WINDOW = 72 hours;
    /// @inheritdoc IEscrow
    uint256 public constant MAX_BATCH = 64;
    /// @inheritdoc IEscrow
    uint64 public constant MAX_MILLI_UNITS = 1_000_000_000;
    /// @inheritdoc IEscrow
    uint256 public constant MAX_CAP = type(uint88).max;
    /// @inheritdoc IEscrow
    uint256 public constant MAX_RATE = type(uint96).max;

    /// @dev `closingAt` of a closed lease.
    uint40 private constant CLOSED = type(uint40).max;

    /// @dev The token, typed.
    IERC20 private immutable _token;
    /// @inheritdoc IEscrow
    uint256 public immutable CLOSING_WINDOW;

    /// @inheritdoc IEscrow
    mapping(address account => uint256) public balanceOf;
    /// @inheritdoc IEscrow
    mapping(address provider => uint64) public offerNonce;

    mapping(bytes32 leaseId => Slot) private _leases;
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
        grant.cap = uint88(cap);
        grant.maxRate = uint96(maxRate);
        grant.expiry = uint40(expiry);
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
        _checkBatch(requests.length, offers.length);
        _checkBatch(requests.length, signatures.length);
        for (uint256 i = 0; i < requests.length; ++i) {
            _open(requests[i], offers[i], signatures[i]);
        }
    }

    /// @inheritdoc IEscrow
    function topUpBatch(LeaseTerms[] calldata terms, uint256[] calldata amounts) external {
        _checkBatch(terms.length, amounts.length);
        for (uint256 i = 0; i < terms.length; ++i) {
            _topUp(terms[i], amounts[i]);
        }
    }

    /// @inheritdoc IEscrow
    function settleBatch(Settlement[] calldata settlements) external {
        _checkBatch(settlements.length, settlements.length);
        for (uint256 i = 0; i < settlements.length; ++i) {
            _settle(settlements[i]);
        }
    }

    /// @inheritdoc IEscrow
    function startClosing(LeaseTerms calldata terms) external {
        bytes32 leaseId = terms.leaseIdCalldata();
        Slot memory slot = _leases[leaseId];
        if (slot.openedAt == 0) revert UnknownLease();
        if (slot.closingAt == CLOSED) revert AlreadyClosed();
        if (slot.closingAt != 0) revert AlreadyClosing();
        if (msg.sender != terms.payer && msg.sender != terms.provider) revert NotParty();
        _leases[leaseId].closingAt = uint40(block.timestamp);
        emit LeaseClosing(leaseId, msg.sender, block.timestamp + CLOSING_WINDOW);
    }

    /// @inheritdoc IEscrow
    function finalize(LeaseTerms calldata terms) external {
        bytes32 leaseId = terms.leaseIdCalldata();
        Slot memory slot = _leases[leaseId];
        if (slot.openedAt == 0) revert UnknownLease();
        if (slot.closingAt == CLOSED) revert AlreadyClosed();
        if (slot.closingAt == 0 || !_windowIsOver(slot.closingAt)) revert ClosingWindowOpen();
        _close(leaseId, slot, terms);
        _leases[leaseId] = slot;
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
        Slot memory slot = _leases[leaseId];
        if (slot.openedAt == 0) return standing;
        standing.hold = slot.hold;
        standing.paid = slot.paid;
        standing.openedAt = slot.openedAt;
        uint256 rest = slot.hold - slot.paid;
        if (slot.closingAt == CLOSED) {
            standing.state = LeaseState.Closed;
            standing.refunded = rest;
            return standing;
        }
        standing.held = rest;
        standing.closingAt = slot.closingAt;
        if (slot.closingAt != 0) standing.state = LeaseState.Closing;
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
        if (reason == 0) reason = _draw(request.payer, request.namespaceId, request.hold);
        if (reason != 0) {
            emit OpenSkipped(leaseId, reason);
            return;
        }
        // hold <= cap <= MAX_CAP, as _draw checked
        _leases[leaseId] = Slot({hold: uint88(request.hold), paid: 0, openedAt: uint40(block.timestamp), closingAt: 0});
        emit LeaseOpened(leaseId, terms.payer, terms.provider, terms, request.hold);
    }

    /// @dev Why the request can't be opened whatever its offer, or 0.
    function _refuseRequest(bytes32 leaseId, LeaseRequest calldata request) private view returns (bytes4) {
        if (_leases[leaseId].openedAt != 0) return LeaseExists.selector;
        if (block.timestamp > request.openBy) return OpenByPassed.selector;
        if (request.milliUnits == 0 || request.milliUnits > MAX_MILLI_UNITS) return BadMilliUnits.selector;
        if (request.rate > _grants[request.payer][msg.sender][request.namespaceId].maxRate) {
            // An absent authorisation has a maximum rate of 0; say which of the two it is.
            return _grants[request.payer][msg.sender][request.namespaceId].expiry == 0
                ? NotAuthorized.selector
                : RateAboveAuthorization.selector;
        }
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
        Slot storage slot = _leases[leaseId];
        bytes4 reason;
        if (msg.sender != terms.hubKey) reason = NotHubKey.selector;
        else if (slot.openedAt == 0) reason = UnknownLease.selector;
        else if (slot.closingAt == CLOSED) reason = AlreadyClosed.selector;
        else if (slot.closingAt != 0) reason = AlreadyClosing.selector;
        else reason = _draw(terms.payer, terms.namespaceId, amount);
        if (reason != 0) {
            emit TopUpSkipped(leaseId, reason);
            return;
        }
        // All that a lease holds counts in `used`, which _draw kept within MAX_CAP.
        slot.hold += uint88(amount);
        emit LeaseToppedUp(leaseId, amount, slot.hold);
    }

    /// @dev Moves `amount` out of `payer`'s account under its authorisation of the caller, or says why not and changes
    /// nothing. The caller of this owes the amount to a lease.
    function _draw(address payer, bytes32 namespaceId, uint256 amount) private returns (bytes4) {
        Grant storage grant = _grants[payer][msg.sender][namespaceId];
        (uint256 cap, uint256 used, uint256 expiry) = (grant.cap, grant.used, grant.expiry);
        if (expiry == 0) return NotAuthorized.selector;
        if (block.timestamp >= expiry) return AuthorizationExpired.selector;
        if (amount == 0) return ZeroAmount.selector;
        if (used > cap || amount > cap - used) return CapExceeded.selector;
        uint256 balance = balanceOf[payer];
        if (amount > balance) return InsufficientBalance.selector;
        unchecked {
            balanceOf[payer] = balance - amount;
            grant.used = uint88(used + amount);
        }
        return 0;
    }

    /// @dev Pays one voucher, or says why not.
    function _settle(Settlement calldata settlement) private {
        bytes32 leaseId = settlement.terms.leaseIdCalldata();
        Slot memory slot = _leases[leaseId];
        bytes4 reason = _refuseVoucher(leaseId, slot, settlement);
        uint256 due = reason == 0 ? _due(settlement, slot) : 0;
        if (reason == 0 && due == 0 && !settlement.isFinal) reason = NothingToSettle.selector;
        if (reason != 0) {
            emit SettleSkipped(leaseId, reason);
            return;
        }
        if (due != 0) {
            slot.paid += uint88(due);
            balanceOf[settlement.terms.provider] += due;
            emit Settled(leaseId, settlement.terms.provider, due, slot.paid, settlement.cumulativeUsageMs);
        }
        if (settlement.isFinal) _close(leaseId, slot, settlement.terms);
        _leases[leaseId] = slot;
    }

    /// @dev Why the voucher can't be paid, or 0.
    function _refuseVoucher(bytes32 leaseId, Slot memory slot, Settlement calldata settlement)
        private
        view
        returns (bytes4)
    {
        if (slot.openedAt == 0) return UnknownLease.selector;
        if (slot.closingAt == CLOSED) return AlreadyClosed.selector;
        if (slot.closingAt != 0 && _windowIsOver(slot.closingAt)) return ClosingWindowOver.selector;
        bytes32 digest = _hashTypedDataV4(leaseId.hashSettlement(settlement));
        if (!Signatures.isByKey(settlement.terms.hubKey, digest, settlement.r, settlement.vs)) {
            return BadSignature.selector;
        }
        return 0;
    }

    /// @dev What the voucher adds to what was paid: clamped to the time elapsed and to the hold. 0 for a stale
    /// one. The slot is an opened lease's, so the terms are within the bounds that opening checked.
    function _due(Settlement calldata settlement, Slot memory slot) private view returns (uint256) {
        uint256 until = slot.closingAt == 0 ? block.timestamp : slot.closingAt;
        uint256 owed = Accrual.accrued(settlement.terms.rate, settlement.terms.milliUnits, until - slot.openedAt);
        if (owed > settlement.cumulativeAmount) owed = settlement.cumulativeAmount;
        if (owed > slot.hold) owed = slot.hold;
        return owed > slot.paid ? owed - slot.paid : 0;
    }

    /// @dev Closes `slot` in memory (the caller stores it) and returns the rest to the payer's account and cap.
    function _close(bytes32 leaseId, Slot memory slot, LeaseTerms calldata terms) private {
        slot.closingAt = CLOSED;
        uint256 rest = slot.hold - slot.paid;
        if (rest != 0) {
            balanceOf[terms.payer] += rest;
            _grants[terms.payer][terms.hubKey][terms.namespaceId].used -= uint88(rest);
        }
        emit LeaseClosed(leaseId, slot.paid, rest);
    }

    /// @dev Whether the window of a lease whose closing was started at `closingAt` is over.
    function _windowIsOver(uint256 closingAt) private view returns (bool) {
        return block.timestamp > closingAt + CLOSING_WINDOW;
    }

    /// @dev Reverts unless a batch of `items` with `others` to go with them can be worked on.
    function _checkBatch(uint256 items, uint256 others) private pure {
        if (items != others) revert LengthMismatch();
        if (items > MAX_BATCH) revert BatchTooLarge();
    }
}
