// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IEscrow
/// @notice Holds payers' deposits and pays providers for metered work, under vouchers signed by a hub.
/// @dev Amounts are wei of EAI. A rate is wei per unit-hour; a unit is one accelerator or, for class `cpu`, one core.
/// Times are unix seconds. Batches skip a bad item and say why: `reason` is the selector of one of the errors below.
///
/// A lease is named by the hash of its terms, and the terms travel in calldata: `leaseId = keccak256(abi.encode(terms))`.
/// The chain stores one word per lease. Whoever knows a lease's {LeaseOpened} event knows its terms.
interface IEscrow {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice Where a lease stands. `Paused` is `Open` with nothing left to pay: a top-up resumes it.
    enum LeaseState {
        None,
        Open,
        Paused,
        Closing,
        Closed
    }

    /// @notice A provider's standing offer (EIP-712), good for any number of leases until it lapses or is cancelled.
    /// @param provider Who is paid; signs, by key or ERC-1271.
    /// @param member The cluster the offer is for.
    /// @param class What is offered, for example `nvidia.com/gpu` or `cpu`.
    /// @param rate The price: wei per unit-hour. A lease may be opened at this rate or below.
    /// @param startWithin Seconds within which the provider promises to have the work running.
    /// @param validUntil The last second at which a lease may be opened under it.
    /// @param nonce Must equal {offerNonce} of the provider.
    struct Offer {
        address provider;
        string member;
        string class;
        uint256 rate;
        uint32 startWithin;
        uint64 validUntil;
        uint64 nonce;
    }

    /// @notice An authorisation that the payer signs (EIP-712), by key or ERC-1271, for anyone to present.
    /// @param payer Whose account pays.
    /// @param hubKey As in {authorize}.
    /// @param namespaceId As in {authorize}.
    /// @param cap As in {authorize}.
    /// @param maxRate As in {authorize}.
    /// @param expiry As in {authorize}.
    /// @param nonce Must equal {grantNonce} of the payer.
    /// @param deadline The last second at which it may be presented.
    struct Grant {
        address payer;
        address hubKey;
        bytes32 namespaceId;
        uint256 cap;
        uint256 maxRate;
        uint64 expiry;
        uint64 nonce;
        uint64 deadline;
    }

    /// @notice What never changes in a lease. Its hash is the lease's id.
    /// @param payer Whose account the hold came from and the refund returns to.
    /// @param provider Whose account is paid.
    /// @param hubKey The hub that opened the lease: its first key, which is its name. A key of the hub signs the vouchers.
    /// @param namespaceId See {namespaceIdOf}.
    /// @param jobId The hub's name for the job, its UID for example.
    /// @param generation The hub's generation, the first half of the epoch.
    /// @param attempt The attempt at the job, the second half of the epoch.
    /// @param rate Wei per unit-hour.
    /// @param milliUnits How many thousandths of a unit the lease is for.
    struct LeaseTerms {
        address payer;
        address provider;
        address hubKey;
        bytes32 namespaceId;
        bytes32 jobId;
        uint64 generation;
        uint64 attempt;
        uint256 rate;
        uint64 milliUnits;
    }

    /// @notice A lease to open. The provider comes from the offer and the hub from the call.
    /// @param payer Whose account pays.
    /// @param namespaceId The namespace that the payer authorised the hub for.
    /// @param jobId The hub's name for the job.
    /// @param generation The hub's generation.
    /// @param attempt The attempt at the job.
    /// @param rate Wei per unit-hour; at most the offer's and the authorisation's.
    /// @param milliUnits Thousandths of a unit, 1 to {MAX_MILLI_UNITS}.
    /// @param hold Wei to move out of the payer's account into the lease.
    /// @param openBy The last second at which the lease may be opened.
    struct LeaseRequest {
        address payer;
        bytes32 namespaceId;
        bytes32 jobId;
        uint64 generation;
        uint64 attempt;
        uint256 rate;
        uint64 milliUnits;
        uint256 hold;
        uint64 openBy;
    }

    /// @notice What a hub signs (EIP-712) for a lease: all that is owed since it was opened, not since the last voucher.
    /// @param leaseId The lease.
    /// @param payer As in the terms.
    /// @param provider As in the terms.
    /// @param generation As in the terms.
    /// @param attempt As in the terms.
    /// @param cumulativeAmount Wei owed in all.
    /// @param cumulativeUsageMs Unit-milliseconds used in all.
    /// @param usageRoot Commitment to the metering record behind the figures.
    /// @param isFinal Whether the lease closes and the rest of the hold returns to the payer.
    struct Voucher {
        bytes32 leaseId;
        address payer;
        address provider;
        uint64 generation;
        uint64 attempt;
        uint256 cumulativeAmount;
        uint256 cumulativeUsageMs;
        bytes32 usageRoot;
        bool isFinal;
    }

    /// @notice A voucher as {settleBatch} takes it: the terms stand for the fields that follow from them.
    /// @param terms The lease's terms.
    /// @param cumulativeAmount As in {Voucher}.
    /// @param cumulativeUsageMs As in {Voucher}.
    /// @param usageRoot As in {Voucher}.
    /// @param isFinal As in {Voucher}.
    /// @param r The signature of the voucher by a key of the hub, in the short form of ERC-2098.
    /// @param vs Its second half.
    struct Settlement {
        LeaseTerms terms;
        uint256 cumulativeAmount;
        uint256 cumulativeUsageMs;
        bytes32 usageRoot;
        bool isFinal;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice A lease as {lease} returns it. At all times `hold = paid + refunded + held`.
    /// @param state Where it stands.
    /// @param hold Wei that ever went in.
    /// @param paid Wei paid to the provider's account.
    /// @param refunded Wei returned to the payer's account.
    /// @param held Wei still in the lease.
    /// @param openedAt When it was opened; 0 if it never was.
    /// @param closingAt When closing was started; 0 if it wasn't, or if the lease is closed.
    /// @param closesAt The last second of the closing window; 0 unless the lease is closing.
    /// @param endedAt Of a closed lease, until when its work counted at most: its closing, or the end of the notice before.
    struct Lease {
        LeaseState state;
        uint256 hold;
        uint256 paid;
        uint256 refunded;
        uint256 held;
        uint64 openedAt;
        uint64 closingAt;
        uint64 closesAt;
        uint64 endedAt;
    }

    /// @notice A provider's claim on a lease whose hub is silent.
    /// @param amount Wei claimed in all since the lease was opened; 0 if there is no claim.
    /// @param disputed Whether it was disputed, and so is void.
    struct Claim {
        uint88 amount;
        bool disputed;
    }

    /// @notice What a payer allows a hub key to do for one namespace.
    /// @param cap Wei that may be in leases or spent, all in all.
    /// @param used Wei put into leases less what was refunded.
    /// @param maxRate The highest rate at which a lease may be opened.
    /// @param expiry The first second at which it no longer holds; 0 if there is no authorisation.
    struct Authorization {
        uint256 cap;
        uint256 used;
        uint256 maxRate;
        uint64 expiry;
    }

    // ----------------------------------------------------------------------------------------------- events

    /// @notice `amount` came into `account`'s account from `from`.
    event Deposited(address indexed account, address indexed from, uint256 amount);

    /// @notice `amount` left `account`'s account to `to`.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice `payer` authorised `hubKey` for `namespaceId`; replaces what was there, keeps what is used.
    event Authorized(
        address indexed payer,
        address indexed hubKey,
        bytes32 indexed namespaceId,
        uint256 cap,
        uint256 maxRate,
        uint64 expiry
    );

    /// @notice `payer` took back the authorisation. Open leases run on.
    event Revoked(address indexed payer, address indexed hubKey, bytes32 indexed namespaceId);

    /// @notice Every offer that `provider` signed with a nonce below `nonce` is void. Open leases run on.
    event OffersCancelled(address indexed provider, uint64 nonce);

    /// @notice `guardian` now says which keys act for `hub`.
    event GuardianSet(address indexed hub, address indexed guardian);

    /// @notice `key` acts for `hub` until `until`.
    event KeyAppointed(address indexed hub, address indexed key, uint64 until);

    /// @notice `key` no longer acts for `hub`. Its vouchers are paid for time up to now and close nothing.
    event KeyRetired(address indexed hub, address indexed key);

    /// @notice A lease was opened: `hold` moved from the payer's account into it. Every later call needs its `terms`.
    event LeaseOpened(
        bytes32 indexed leaseId, address indexed payer, address indexed provider, LeaseTerms terms, uint256 hold
    );

    /// @notice An item of {openBatch} changed nothing, because of `reason`.
    event OpenSkipped(bytes32 indexed leaseId, bytes4 reason);

    /// @notice `amount` more moved from the payer's account into the lease, which now has had `hold` in all.
    event LeaseToppedUp(bytes32 indexed leaseId, uint256 amount, uint256 hold);

    /// @notice An item of {topUpBatch} changed nothing, because of `reason`.
    event TopUpSkipped(bytes32 indexed leaseId, bytes4 reason);

    /// @notice `amount` moved from the lease to the provider's account. `cumulativeUsageMs` is what the voucher says, or 0
    /// where a claim was paid.
    event Settled(
        bytes32 indexed leaseId,
        address indexed provider,
        uint256 amount,
        uint256 cumulativePaid,
        uint256 cumulativeUsageMs
    );

    /// @notice An item of {settleBatch} changed nothing, because of `reason`.
    event SettleSkipped(bytes32 indexed leaseId, bytes4 reason);

    /// @notice `by` started the closing of the lease. Vouchers are paid until `closesAt`, for time up to now and
    /// {CLOSING_NOTICE} more.
    event LeaseClosing(bytes32 indexed leaseId, address indexed by, uint256 closesAt);

    /// @notice `provider` claims `amount` in all for work that the hub is silent about. Undisputed, it is paid by {finalize}.
    event LeaseClaimed(bytes32 indexed leaseId, address indexed provider, uint256 amount);

    /// @notice `by` disputed the claim on the lease, which is void. Vouchers are paid until `closesAt`.
    event ClaimDisputed(bytes32 indexed leaseId, address indexed by, uint256 closesAt);

    /// @notice The lease is closed: `paid` went to the provider in all, `refunded` returned to the payer's account.
    event LeaseClosed(bytes32 indexed leaseId, uint256 paid, uint256 refunded);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice The token address holds no contract.
    error TokenHasNoCode();
    /// @notice A closing window below {MIN_CLOSING_WINDOW} leaves providers too little time to present vouchers.
    error ClosingWindowTooShort();
    /// @notice A zero address where money or rights would go.
    error ZeroAddress();
    /// @notice An amount of zero.
    error ZeroAmount();
    /// @notice The amount is above what the escrow can count: {MAX_CAP}, {MAX_RATE} or, for a lease in all, {MAX_HOLD}.
    error AmountTooLarge();
    /// @notice The escrow itself can't be the receiver of a withdrawal.
    error WithdrawToEscrow();
    /// @notice The token moved another amount than asked.
    error TransferMismatch();
    /// @notice The free balance is too small. Deposit more, or wait for refunds.
    error InsufficientBalance();
    /// @notice The expiry isn't in the future, or is beyond what the escrow can count.
    error BadExpiry();
    /// @notice The batch's arrays differ in length.
    error LengthMismatch();
    /// @notice More than {MAX_BATCH} items.
    error BatchTooLarge();

    /// @notice Opening: the lease was opened before. Nothing needs doing.
    error LeaseExists();
    /// @notice Opening: the block is later than the request allows.
    error OpenByPassed();
    /// @notice Opening, top-up: the payer has not authorised this hub key for this namespace.
    error NotAuthorized();
    /// @notice Opening, top-up: the authorisation has expired.
    error AuthorizationExpired();
    /// @notice Opening: the rate is above the authorisation's.
    error RateAboveAuthorization();
    /// @notice Opening: the rate is above the offer's.
    error RateAboveOffer();
    /// @notice Opening, top-up: the authorisation's cap would be passed.
    error CapExceeded();
    /// @notice Opening: milliUnits is zero or above {MAX_MILLI_UNITS}.
    error BadMilliUnits();
    /// @notice Opening: the offer is past its validUntil.
    error OfferExpired();
    /// @notice Opening: the offer's nonce isn't the provider's current one.
    error OfferCancelled();
    /// @notice Opening: the offer isn't signed by its provider. Settling: the voucher isn't signed by a key of the hub.
    /// Authorising: the grant isn't signed by its payer.
    error BadSignature();
    /// @notice Authorising: the grant is past its deadline.
    error GrantExpired();
    /// @notice Authorising: the grant's nonce isn't the payer's current one.
    error GrantCancelled();
    /// @notice The caller is neither the hub's guardian nor, where it has none, the hub itself.
    error NotGuardian();
    /// @notice The key was never appointed; or it is the hub's own, which needs no appointment.
    error UnknownKey();
    /// @notice The key no longer acts for the hub, and never will again. Settling: and nothing is due for its time.
    error RetiredKey();

    /// @notice No lease with these terms was opened.
    error UnknownLease();
    /// @notice The lease is closed.
    error AlreadyClosed();
    /// @notice The lease is closing. A top-up needs an open lease; closing can be started once.
    error AlreadyClosing();
    /// @notice Opening, top-up: the caller isn't a key that acts for the hub.
    error NotHubKey();
    /// @notice Closing: the caller is neither the lease's payer nor its provider. Claiming: not its provider. Disputing:
    /// neither its payer nor a key of its hub.
    error NotParty();
    /// @notice Settling, claiming: nothing more is due under this voucher or claim now.
    error NothingToSettle();
    /// @notice Settling, disputing: the closing window is over; what remains is the payer's, by {finalize}.
    error ClosingWindowOver();
    /// @notice Finalizing: closing wasn't started, or its window isn't over.
    error ClosingWindowOpen();
    /// @notice Claiming: the lease has been closing for longer than {CLAIM_PERIOD}.
    error ClaimTooLate();
    /// @notice Claiming: the lease was claimed before.
    error ClaimExists();
    /// @notice Disputing: nothing is claimed.
    error NoClaim();
    /// @notice Disputing: the claim was disputed before.
    error AlreadyDisputed();

    // --------------------------------------------------------------------------------------------- accounts

    /// @notice Adds `amount` of the caller's tokens to the caller's account. Needs an allowance.
    function deposit(uint256 amount) external;

    /// @notice Adds `amount` of the caller's tokens to `account`'s account. Needs an allowance.
    function depositFor(address account, uint256 amount) external;

    /// @notice {deposit} with an ERC-2612 permit. A permit that somebody else presented first does no harm.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Sends `amount` of the caller's free balance to `to`. Nothing can pause this.
    function withdraw(uint256 amount, address to) external;

    /// @notice Lets `hubKey` open leases for `namespaceId` from the caller's account, at once until `expiry` (at most 2^40 - 1).
    /// Replaces an earlier authorisation; what it has used keeps counting.
    function authorize(address hubKey, bytes32 namespaceId, uint256 cap, uint256 maxRate, uint64 expiry) external;

    /// @notice Stops new leases and top-ups by `hubKey` for `namespaceId` at once. Open leases still settle.
    function revoke(address hubKey, bytes32 namespaceId) external;

    /// @notice {authorize} in the name of whoever signed `grant`. Any authorising or revoking by a payer voids what it signed
    /// before and nobody presented.
    function authorizeWithSignature(Grant calldata grant, bytes calldata signature) external;

    // ------------------------------------------------------------------------------------------------- keys

    /// @notice Names who says which keys act for `hub`. Only its guardian, or the hub itself while it has none.
    /// @dev A hub is the address that payers authorise. Its own key acts for it from the start. With a guardian, whoever
    /// steals that key, or a session key, can't appoint another: set one before anyone authorises the hub.
    function setGuardian(address hub, address guardian) external;

    /// @notice Lets `key` open, top up, settle and dispute for `hub` until `until`: a session key, or the next after a
    /// rotation. For an acting key it moves the end. Only the guardian, or the hub itself while it has none.
    function appointKey(address hub, address key, uint64 until) external;

    /// @notice Ends `key`'s acting for `hub`, its own included, now and for good; a new key is to be appointed besides.
    /// What it signed is still paid, for time up to now; it can't close, open or top up. Only the guardian, or the hub
    /// itself while it has none.
    function retireKey(address hub, address key) external;

    // ----------------------------------------------------------------------------------------------- leases

    /// @notice Voids every standing offer of the caller. Open leases run on.
    /// @return nonce The nonce that new offers must bear.
    function cancelOffers() external returns (uint64 nonce);

    /// @notice Opens leases; the caller is their hub key. At most {MAX_BATCH}; a bad item emits {OpenSkipped}.
    /// @param requests What to open.
    /// @param offers The offer that each is opened under.
    /// @param signatures The provider's signature of each offer.
    function openBatch(LeaseRequest[] calldata requests, Offer[] calldata offers, bytes[] calldata signatures) external;

    /// @notice {openBatch} by a key that acts for `hub`.
    function openBatchFor(
        address hub,
        LeaseRequest[] calldata requests,
        Offer[] calldata offers,
        bytes[] calldata signatures
    ) external;

    /// @notice Adds to the holds of open leases of the hub that the caller acts for. A bad item emits {TopUpSkipped}.
    /// @param terms The leases.
    /// @param amounts Wei to add to each.
    function topUpBatch(LeaseTerms[] calldata terms, uint256[] calldata amounts) external;

    /// @notice Presents vouchers; anyone may. A bad item emits {SettleSkipped}.
    /// @dev Pays min(voucher, rate x units x elapsed rounded down, hold) less what was paid. Elapsed runs from opening
    /// to now, and in a closing lease to {CLOSING_NOTICE} after closing was started at most. A final voucher closes the
    /// lease even if nothing is due. One by a retired key pays for time up to its retirement, and closes nothing.
    /// @param settlements The vouchers with their signatures.
    function settleBatch(Settlement[] calldata settlements) external;

    /// @notice Starts the closing window of a lease. Only its payer or its provider.
    /// @dev Work accrues for {CLOSING_NOTICE} more: until the hub has seen the closing, the work goes on, and it is not to
    /// be had for nothing. It makes no difference who began: what is paid is what the hub signs, and a provider that wants
    /// no more work gains nothing by time in which it does none.
    function startClosing(LeaseTerms calldata terms) external;

    /// @notice Claims `amount` in all for work that the hub gives no vouchers for; starts closing if nobody did. Only the
    /// provider, once, and within {CLAIM_PERIOD} of the start of closing.
    /// @dev Claimed is at most what time allows, the hold, and what {CLAIM_LIMIT} of work costs beyond what was paid. A
    /// final voucher closes the lease, and with it the claim. Undisputed, it is paid by {finalize}.
    /// @return claimed What is claimed in all.
    function claim(LeaseTerms calldata terms, uint256 amount) external returns (uint256 claimed);

    /// @notice Voids the claim on a lease. Only its payer or a key of its hub, while the closing window is open. The window
    /// then lasts twice as long, so that a dispute costs the payer time and the hub can still give its word.
    function dispute(LeaseTerms calldata terms) external;

    /// @notice Closes a lease whose closing window is over: an undisputed claim is paid and the rest returns to the payer's
    /// account. Anyone may.
    function finalize(LeaseTerms calldata terms) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice The free balance of `account`: deposits, earnings and refunds.
    function balanceOf(address account) external view returns (uint256);

    /// @notice What `payer` allows `hubKey` for `namespaceId`. A revoked one has only `used` left.
    function authorization(address payer, address hubKey, bytes32 namespaceId)
        external
        view
        returns (Authorization memory);

    /// @notice The nonce that offers of `provider` must bear.
    function offerNonce(address provider) external view returns (uint64);

    /// @notice The nonce that grants of `payer` must bear.
    function grantNonce(address payer) external view returns (uint64);

    /// @notice Who says which keys act for `hub`; the zero address if it is the hub itself.
    function guardianOf(address hub) external view returns (address);

    /// @notice The first second at which `key` no longer acts for `hub`; 0 if it never did. The hub's own key acts for ever,
    /// said as 2^40 - 1, unless it was retired.
    function keyUntil(address hub, address key) external view returns (uint256);

    /// @notice The claim on a lease.
    function claimOf(bytes32 leaseId) external view returns (Claim memory);

    /// @notice A lease's standing.
    function lease(bytes32 leaseId) external view returns (Lease memory);

    /// @notice The id of the lease with these terms: `keccak256(abi.encode(terms))`.
    function leaseIdOf(LeaseTerms calldata terms) external pure returns (bytes32);

    /// @notice The id of a namespace of a hub: `keccak256(abi.encode(hubId, namespaceUid))`.
    function namespaceIdOf(bytes32 hubId, string calldata namespaceUid) external pure returns (bytes32);

    /// @notice The EIP-712 digest that a provider signs.
    function offerDigest(Offer calldata offer) external view returns (bytes32);

    /// @notice The EIP-712 digest that a payer signs.
    function grantDigest(Grant calldata grant) external view returns (bytes32);

    /// @notice The EIP-712 digest that a hub key signs.
    function voucherDigest(Voucher calldata voucher) external view returns (bytes32);

    /// @notice The token that the escrow holds.
    function TOKEN() external view returns (address);

    /// @notice Seconds between {startClosing} and {finalize}.
    function CLOSING_WINDOW() external view returns (uint256);

    /// @notice Seconds for which work still accrues once closing was started: 15 minutes, in which the hub sees the closing
    /// and has the work stopped.
    function CLOSING_NOTICE() external view returns (uint256);

    /// @notice Seconds after the start of closing in which a claim may be made: 24 hours, so that two days at least are left
    /// to dispute it.
    function CLAIM_PERIOD() external view returns (uint256);

    /// @notice Seconds of work that a claim may be for, beyond what vouchers paid: 24 hours.
    function CLAIM_LIMIT() external view returns (uint256);

    /// @notice The least {CLOSING_WINDOW} there can be: 72 hours.
    function MIN_CLOSING_WINDOW() external view returns (uint256);

    /// @notice The most items in a batch.
    function MAX_BATCH() external view returns (uint256);

    /// @notice The most thousandths of a unit in a lease.
    function MAX_MILLI_UNITS() external view returns (uint64);

    /// @notice The most a lease may ever hold in all, in wei: 309 million EAI.
    function MAX_HOLD() external view returns (uint256);

    /// @notice The highest cap of an authorisation, in wei: 79 billion EAI.
    function MAX_CAP() external view returns (uint256);

    /// @notice The highest rate of an authorisation, in wei per unit-hour, and so of a lease.
    function MAX_RATE() external view returns (uint256);
}
