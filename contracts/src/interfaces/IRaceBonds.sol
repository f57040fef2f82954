// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "./IEscrow.sol";

/// @title IRaceBonds
/// @notice Readiness bonds for races. A provider that wins a race and isn't running in time loses a bond to who took over.
/// @dev A race is one attempt at a job of a hub. Amounts are wei of EAI, times unix seconds. Nobody judges: what was promised
/// is signed, and what became of it is read from the escrow.
interface IRaceBonds {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice A provider's promise (EIP-712), by key or ERC-1271: if it wins the race, it starts in time.
    /// @param provider Who promises; the provider of the lease.
    /// @param hubKey The hub that holds the race.
    /// @param namespaceId As in the lease's terms.
    /// @param jobId As in the lease's terms.
    /// @param generation As in the lease's terms.
    /// @param attempt As in the lease's terms.
    /// @param bond What it loses otherwise.
    /// @param startWithin Seconds from the lease's opening, {MAX_START} at most.
    /// @param validUntil The last second at which the bond may be locked.
    /// @param nonce Must equal {nonceOf} of the provider.
    struct Readiness {
        address provider;
        address hubKey;
        bytes32 namespaceId;
        bytes32 jobId;
        uint64 generation;
        uint64 attempt;
        uint256 bond;
        uint32 startWithin;
        uint64 validUntil;
        uint64 nonce;
    }

    /// @notice Where a race's bond is.
    enum State {
        None,
        Locked,
        Claimed,
        Released,
        Forfeited
    }

    /// @notice A race's bond.
    /// @param provider Who won.
    /// @param bond What is locked.
    /// @param claimant Who took over, and claims it; zero if nobody does.
    /// @param lockedAt When it was locked.
    /// @param until The last second at which it can be claimed; once claimed, at which the claim can be met.
    /// @param state Where it is.
    /// @param startWithin Within how many seconds the winner promised to start.
    /// @param hubKey The hub that held the race.
    struct Lock {
        address provider;
        uint96 bond;
        address claimant;
        uint40 lockedAt;
        uint40 until;
        State state;
        uint32 startWithin;
        address hubKey;
    }

    // ----------------------------------------------------------------------------------------------- events

    /// @notice `amount` was added to `provider`'s capital.
    event Deposited(address indexed provider, address indexed from, uint256 amount);
    /// @notice `amount` of `provider`'s capital left to `to`.
    event Withdrawn(address indexed provider, address indexed to, uint256 amount);
    /// @notice Whatever `provider` signed with a nonce below `nonce` locks no more.
    event Cancelled(address indexed provider, uint64 nonce);
    /// @notice `provider` won the race, and its bond is locked; it can be claimed until `until`.
    event Locked(bytes32 indexed race, address indexed provider, address indexed hubKey, uint256 bond, uint256 until);
    /// @notice `claimant` took over. Until `until`, a payment or a voucher to the winner voids the claim.
    event Claimed(bytes32 indexed race, address indexed claimant, uint256 until);
    /// @notice The bond is the winner's capital again.
    event Released(bytes32 indexed race, address indexed provider, uint256 bond);
    /// @notice The bond is the claimant's capital.
    event Forfeited(bytes32 indexed race, address indexed provider, address indexed claimant, uint256 bond);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice A parameter of the deployment makes no sense.
    error BadParameter();
    /// @notice A zero address, or this contract, where money would go; or no contract where one should be.
    error ZeroAddress();
    /// @notice An amount of zero, or above what there is.
    error BadAmount();
    /// @notice The token moved another amount than asked.
    error TransferMismatch();
    /// @notice The caller isn't a key that acts for the hub.
    error NotHubKey();
    /// @notice The promise is past its validUntil, or was when the bond was locked.
    error ReadinessExpired();
    /// @notice The promise's nonce isn't the provider's current one.
    error ReadinessCancelled();
    /// @notice A promise of no bond, of no time or of too much.
    error BadReadiness();
    /// @notice The provider didn't sign it.
    error BadSignature();
    /// @notice The race has its winner already.
    error RaceExists();
    /// @notice The provider's free capital is below the bond.
    error CapitalTooSmall();
    /// @notice The race's bond isn't locked, or not in the state that this needs.
    error NotLocked();
    /// @notice Not before the time is over, or not after.
    error WrongTime();
    /// @notice The leases aren't those of winner and runner-up of this race.
    error WrongLease();
    /// @notice The winner's lease hasn't ended, ended before the time it had to start, paid, or wasn't opened after the lock.
    error WinnerDidNotFail();
    /// @notice The runner-up's lease paid nothing, or wasn't opened in time.
    error RunnerUpDidNotRun();
    /// @notice The runner-up is winner, hub or payer by another name.
    error NotIndependent();
    /// @notice Neither a payment nor a voucher to the winner of this race.
    error ShowsNoWork();

    // ---------------------------------------------------------------------------------------------- capital

    /// @notice Adds `amount` of the caller's tokens to `provider`'s capital.
    function deposit(address provider, uint256 amount) external;

    /// @notice Sends `amount` of the caller's capital to `to`; what is locked isn't in it. At once, and nothing can pause this.
    /// @dev No notice is needed: a promise is worth something once its bond is locked, and a hub chooses no winner before.
    function withdraw(uint256 amount, address to) external;

    /// @notice Voids whatever the caller signed and wasn't locked.
    function cancel() external returns (uint64 nonce);

    // ------------------------------------------------------------------------------------------------ races

    /// @notice Locks the bond of a race's winner. A key of the hub does, before it opens the lease. Once for a race.
    function lock(Readiness calldata readiness, bytes calldata signature) external returns (bytes32 race);

    /// @notice Claims the bond for the runner-up, by its promise for the same race, whenever it signed that. Anyone may.
    /// @param readiness The runner-up's promise for the same race.
    /// @param won The winner's lease: opened after the lock, for `startWithin` at least, closed, and nothing paid.
    /// @param took The runner-up's: same payer and generation, a later attempt, opened after that time and paid for.
    function claim(
        Readiness calldata readiness,
        bytes calldata signature,
        IEscrow.LeaseTerms calldata won,
        IEscrow.LeaseTerms calldata took
    ) external;

    /// @notice Gives a claimed bond to the claimant, {CHALLENGE} after the claim. Anyone may.
    function forfeit(bytes32 race) external;

    /// @notice Releases a bond because a lease of the race has paid the winner. Anyone may, at any time.
    function releaseByPayment(IEscrow.LeaseTerms calldata terms) external;

    /// @notice Releases a bond because the hub signed that the winner worked, whatever became of the lease. Anyone may.
    function releaseByVoucher(IEscrow.Settlement calldata voucher) external;

    /// @notice Releases a bond that nobody claimed: once {LOCK_TIME} is over by anyone, before by a key of the hub.
    function release(bytes32 race) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice What `provider` can withdraw and can have locked.
    function capitalOf(address provider) external view returns (uint256);

    /// @notice The nonce that promises of `provider` must bear.
    function nonceOf(address provider) external view returns (uint64);

    /// @notice A race's bond.
    function lockOf(bytes32 race) external view returns (Lock memory);

    /// @notice A race's name.
    function raceOf(address hubKey, bytes32 namespaceId, bytes32 jobId, uint64 generation, uint64 attempt)
        external
        pure
        returns (bytes32);

    /// @notice The EIP-712 digest that a provider signs.
    function readinessDigest(Readiness calldata readiness) external view returns (bytes32);

    /// @notice The longest time to start that can be promised: the escrow's closing notice. Within it a provider can't end the
    /// time that counts by closing its lease.
    function MAX_START() external view returns (uint256);

    /// @notice Seconds for which a bond is locked at most, if nobody claims it.
    function LOCK_TIME() external view returns (uint256);

    /// @notice Seconds in which a claim can be met.
    function CHALLENGE() external view returns (uint256);
}
