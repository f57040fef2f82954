// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IEscrow} from "../interfaces/IEscrow.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IRaceBonds} from "../interfaces/IRaceBonds.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {TypedData} from "../libraries/TypedData.sol";

/// @title RaceBonds
/// @notice Readiness bonds for races. See {IRaceBonds}.
/// @dev No owner and no setter. A forfeited bond becomes capital of who took over; it leaves by {withdraw} alone.
contract RaceBonds is IRaceBonds, EIP712 {
    using SafeERC20 for IERC20;
    using TypedData for *;

    IERC20 private immutable _token;
    /// @notice Whose leases tell what became of a promise.
    IEscrow public immutable ESCROW;
    /// @notice Who owns which node.
    INodeRegistry public immutable REGISTRY;
    /// @inheritdoc IRaceBonds
    uint256 public immutable MAX_START;
    /// @inheritdoc IRaceBonds
    uint256 public immutable LOCK_TIME;
    /// @inheritdoc IRaceBonds
    uint256 public immutable CHALLENGE;

    /// @inheritdoc IRaceBonds
    mapping(address provider => uint256) public capitalOf;
    /// @inheritdoc IRaceBonds
    mapping(address provider => uint64) public nonceOf;

    mapping(bytes32 race => Lock) private _locks;

    /// @param token EAI.
    /// @param escrow Whose leases tell what became of a promise.
    /// @param registry Who owns which node.
    /// @param lockTime Seconds for which a bond is locked at most; an hour to 30 days.
    /// @param challenge Seconds in which a claim can be met; an hour to 30 days.
    constructor(address token, address escrow, address registry, uint256 lockTime, uint256 challenge)
        EIP712("EAI RaceBonds", "1")
    {
        if (token.code.length == 0 || escrow.code.length == 0 || registry.code.length == 0) revert ZeroAddress();
        if (lockTime < 1 hours || lockTime > 30 days) revert BadParameter();
        if (challenge < 1 hours || challenge > 30 days) revert BadParameter();
        _token = IERC20(token);
        (ESCROW, REGISTRY) = (IEscrow(escrow), INodeRegistry(registry));
        (MAX_START, LOCK_TIME, CHALLENGE) = (IEscrow(escrow).CLOSING_NOTICE(), lockTime, challenge);
    }

    // ---------------------------------------------------------------------------------------------- capital

    /// @inheritdoc IRaceBonds
    function deposit(address provider, uint256 amount) external {
        if (provider == address(0)) revert ZeroAddress();
        if (amount == 0) revert BadAmount();
        capitalOf[provider] += amount;
        emit Deposited(provider, msg.sender, amount);
        // Booked before: a callback of the token that moves money in between makes the figures differ.
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        if (_token.balanceOf(address(this)) != before + amount) revert TransferMismatch();
    }

    /// @inheritdoc IRaceBonds
    function withdraw(uint256 amount, address to) external {
        if (to == address(0) || to == address(this)) revert ZeroAddress();
        uint256 capital = capitalOf[msg.sender];
        if (amount == 0 || amount > capital) revert BadAmount();
        capitalOf[msg.sender] = capital - amount;
        emit Withdrawn(msg.sender, to, amount);
        _token.safeTransfer(to, amount);
    }

    /// @inheritdoc IRaceBonds
    function cancel() external returns (uint64 nonce) {
        nonce = ++nonceOf[msg.sender];
        emit Cancelled(msg.sender, nonce);
    }

    // ------------------------------------------------------------------------------------------------ races

    /// @inheritdoc IRaceBonds
    /// @dev By the hub alone, so that nobody who got hold of a loser's promise locks its capital.
    function lock(Readiness calldata readiness, bytes calldata signature) external returns (bytes32 race) {
        if (!_acts(readiness.hubKey)) revert NotHubKey();
        if (block.timestamp > readiness.validUntil) revert ReadinessExpired();
        address provider = readiness.provider;
        if (readiness.nonce != nonceOf[provider]) revert ReadinessCancelled();
        (uint256 bond, uint256 startWithin) = (readiness.bond, readiness.startWithin);
        if (startWithin == 0 || startWithin > MAX_START) revert BadReadiness();
        if (bond == 0 || bond > type(uint96).max) revert BadReadiness();
        race = _raceOf(readiness);
        Lock storage standing = _locks[race];
        if (standing.state != State.None) revert RaceExists();
        if (!Signatures.isBy(provider, readinessDigest(readiness), signature)) revert BadSignature();
        uint256 capital = capitalOf[provider];
        if (capital < bond) revert CapitalTooSmall();
        capitalOf[provider] = capital - bond;
        // just checked
        // forge-lint: disable-next-line(unsafe-typecast)
        (standing.provider, standing.bond) = (provider, uint96(bond));
        (standing.lockedAt, standing.state) = (uint40(block.timestamp), State.Locked);
        (standing.startWithin, standing.hubKey) = (readiness.startWithin, readiness.hubKey);
        // thirty days at most
        // forge-lint: disable-next-line(unsafe-typecast)
        standing.until = uint40(block.timestamp + LOCK_TIME);
        emit Locked(race, provider, readiness.hubKey, bond, standing.until);
    }

    /// @inheritdoc IRaceBonds
    function claim(
        Readiness calldata readiness,
        bytes calldata signature,
        IEscrow.LeaseTerms calldata won,
        IEscrow.LeaseTerms calldata took
    ) external {
        bytes32 race = _raceOf(readiness);
        Lock storage standing = _locks[race];
        if (standing.state != State.Locked) revert NotLocked();
        if (block.timestamp > standing.until) revert WrongTime();
        _checkTerms(race, standing.provider, readiness.provider, won, took);
        _checkOutcome(standing, won, took);
        _checkIndependence(won, took.provider);
        if (readiness.validUntil < standing.lockedAt) revert ReadinessExpired();
        if (!Signatures.isBy(readiness.provider, readinessDigest(readiness), signature)) revert BadSignature();
        (standing.claimant, standing.state) = (readiness.provider, State.Claimed);
        // thirty days at most
        // forge-lint: disable-next-line(unsafe-typecast)
        standing.until = uint40(block.timestamp + CHALLENGE);
        emit Claimed(race, readiness.provider, standing.until);
    }

    /// @inheritdoc IRaceBonds
    function forfeit(bytes32 race) external {
        Lock storage standing = _locks[race];
        if (standing.state != State.Claimed) revert NotLocked();
        if (block.timestamp <= standing.until) revert WrongTime();
        standing.state = State.Forfeited;
        capitalOf[standing.claimant] += standing.bond;
        emit Forfeited(race, standing.provider, standing.claimant, standing.bond);
    }

    /// @inheritdoc IRaceBonds
    function releaseByPayment(IEscrow.LeaseTerms calldata terms) external {
        (bytes32 race, Lock storage standing) = _ofWinner(terms);
        if (ESCROW.lease(terms.leaseIdCalldata()).paid == 0) revert ShowsNoWork();
        _release(race, standing);
    }

    /// @inheritdoc IRaceBonds
    /// @dev A hub can close a lease for nothing before its voucher is presented. Its word stands here all the same; that of a
    /// key that was retired since, too.
    function releaseByVoucher(IEscrow.Settlement calldata voucher) external {
        (bytes32 race, Lock storage standing) = _ofWinner(voucher.terms);
        bytes32 digest = ESCROW.voucherDigest(
            IEscrow.Voucher({
                leaseId: voucher.terms.leaseIdCalldata(),
                payer: voucher.terms.payer,
                provider: voucher.terms.provider,
                generation: voucher.terms.generation,
                attempt: voucher.terms.attempt,
                cumulativeAmount: voucher.cumulativeAmount,
                cumulativeUsageMs: voucher.cumulativeUsageMs,
                usageRoot: voucher.usageRoot,
                isFinal: voucher.isFinal
            })
        );
        // an address, or zero, which is nobody's key
        // forge-lint: disable-next-line(unsafe-typecast)
        address signer = address(uint160(Signatures.signerOf(digest, voucher.r, voucher.vs)));
        bool word =
            voucher.cumulativeAmount != 0 && signer != address(0) && ESCROW.keyUntil(voucher.terms.hubKey, signer) != 0;
        if (!word) revert ShowsNoWork();
        _release(race, standing);
    }

    /// @inheritdoc IRaceBonds
    function release(bytes32 race) external {
        Lock storage standing = _locks[race];
        if (standing.state != State.Locked) revert NotLocked();
        if (block.timestamp <= standing.until && !_acts(standing.hubKey)) revert WrongTime();
        _release(race, standing);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IRaceBonds
    function lockOf(bytes32 race) external view returns (Lock memory) {
        return _locks[race];
    }

    /// @inheritdoc IRaceBonds
    function raceOf(address hubKey, bytes32 namespaceId, bytes32 jobId, uint64 generation, uint64 attempt)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(hubKey, namespaceId, jobId, generation, attempt));
    }

    /// @inheritdoc IRaceBonds
    function readinessDigest(Readiness calldata readiness) public view returns (bytes32) {
        return _hashTypedDataV4(readiness.hashReadiness());
    }

    /// @notice The token that bonds are in.
    function TOKEN() external view returns (address) {
        return address(_token);
    }

    // --------------------------------------------------------------------------------------------- internal

    /// @dev The bond of the race that `terms` are of, if they are its winner's.
    function _ofWinner(IEscrow.LeaseTerms calldata terms) private view returns (bytes32 race, Lock storage standing) {
        race = _raceOf(terms);
        standing = _locks[race];
        if (standing.state != State.Locked && standing.state != State.Claimed) revert NotLocked();
        if (terms.provider != standing.provider) revert WrongLease();
    }

    function _release(bytes32 race, Lock storage standing) private {
        standing.state = State.Released;
        capitalOf[standing.provider] += standing.bond;
        emit Released(race, standing.provider, standing.bond);
    }

    /// @dev The leases are those of `winner` in the race and of `runnerUp` in a later attempt at the same job.
    function _checkTerms(
        bytes32 race,
        address winner,
        address runnerUp,
        IEscrow.LeaseTerms calldata won,
        IEscrow.LeaseTerms calldata took
    ) private pure {
        bool first = won.provider == winner && _raceOf(won) == race;
        // The generation too: where a hub was restored from a backup, that the first was stopped isn't its fault.
        bool second = took.provider == runnerUp && took.payer == won.payer && took.attempt > won.attempt
            && raceOf(took.hubKey, took.namespaceId, took.jobId, took.generation, won.attempt) == race;
        if (!first || !second) revert WrongLease();
    }

    /// @dev The winner had its time and did nothing; the runner-up worked, after that time and within the lock's.
    function _checkOutcome(Lock storage standing, IEscrow.LeaseTerms calldata won, IEscrow.LeaseTerms calldata took)
        private
        view
    {
        IEscrow.Lease memory first = ESCROW.lease(won.leaseIdCalldata());
        uint256 startsBy = first.openedAt + standing.startWithin;
        bool failed = first.state == IEscrow.LeaseState.Closed && first.paid == 0 && first.openedAt >= standing.lockedAt
            && first.endedAt >= startsBy;
        if (!failed) revert WinnerDidNotFail();
        IEscrow.Lease memory second = ESCROW.lease(took.leaseIdCalldata());
        if (second.paid == 0 || second.openedAt < startsBy) revert RunnerUpDidNotRun();
    }

    /// @dev By names alone: nothing on a chain proves that two names are two people.
    function _checkIndependence(IEscrow.LeaseTerms calldata won, address runnerUp) private view {
        (address winner, address hub, address payer) = (won.provider, won.hubKey, won.payer);
        (address winners, address runnerUps) = (_ownerOf(winner), _ownerOf(runnerUp));
        bool same = runnerUp == winner || runnerUp == winners || runnerUps == winner || runnerUps == winners;
        bool hubs = runnerUp == hub || runnerUps == hub || ESCROW.keyUntil(hub, runnerUp) != 0
            || ESCROW.guardianOf(hub) == runnerUp;
        bool payers = runnerUp == payer || runnerUps == payer;
        if (same || hubs || payers) revert NotIndependent();
    }

    /// @dev Who owns a node; whoever isn't one owns itself.
    function _ownerOf(address node) private view returns (address owner) {
        owner = REGISTRY.account(node).owner;
        if (owner == address(0)) owner = node;
    }

    /// @dev Whether the caller acts for `hub` now.
    function _acts(address hub) private view returns (bool) {
        return ESCROW.keyUntil(hub, msg.sender) > block.timestamp;
    }

    function _raceOf(Readiness calldata r) private pure returns (bytes32) {
        return raceOf(r.hubKey, r.namespaceId, r.jobId, r.generation, r.attempt);
    }

    function _raceOf(IEscrow.LeaseTerms calldata terms) private pure returns (bytes32) {
        return raceOf(terms.hubKey, terms.namespaceId, terms.jobId, terms.generation, terms.attempt);
    }
}
