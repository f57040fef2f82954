// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IRaceBonds} from "../../src/interfaces/IRaceBonds.sol";
import {RaceBonds} from "../../src/policy/RaceBonds.sol";
import {PolicyFixture} from "./PolicyFixture.sol";

/// @notice Two providers with capital, who race for jobs of the hub; and the words to have one fail and the other take over.
abstract contract RaceFixture is PolicyFixture {
    uint256 internal constant WINNER_KEY = 0x3A1;
    uint256 internal constant SECOND_KEY = 0x3A2;
    uint256 internal constant CAPITAL = 100e18;
    uint256 internal constant RACE_BOND = 20e18;
    uint32 internal constant START_WITHIN = 60;
    uint256 internal constant LOCK_TIME = 1 days;
    uint256 internal constant CHALLENGE = 2 days;
    bytes32 internal constant JOB = keccak256("job");

    RaceBonds internal races;
    address internal winner = vm.addr(WINNER_KEY);
    address internal second = vm.addr(SECOND_KEY);

    function setUp() public virtual override {
        super.setUp();
        races = new RaceBonds(address(token), address(escrow), address(registry), LOCK_TIME, CHALLENGE);
        token.approve(address(races), type(uint256).max);
        races.deposit(winner, CAPITAL);
        races.deposit(second, CAPITAL);
    }

    // ----------------------------------------------------------------------------------------- promises

    function readinessOf(address provider_, uint64 attempt) internal view returns (IRaceBonds.Readiness memory) {
        return IRaceBonds.Readiness({
            provider: provider_,
            hubKey: hub,
            namespaceId: NAMESPACE,
            jobId: JOB,
            generation: 1,
            attempt: attempt,
            bond: RACE_BOND,
            startWithin: START_WITHIN,
            validUntil: uint64(block.timestamp + 1 hours),
            nonce: races.nonceOf(provider_)
        });
    }

    function signReadiness(IRaceBonds.Readiness memory readiness, uint256 key) internal view returns (bytes memory) {
        return sign(key, races.readinessDigest(readiness));
    }

    function lockAs(address by, IRaceBonds.Readiness memory readiness, uint256 key) internal returns (bytes32) {
        bytes memory signature = signReadiness(readiness, key);
        vm.prank(by);
        return races.lock(readiness, signature);
    }

    /// @notice The winner wins the first attempt.
    function lock() internal returns (bytes32) {
        return lockAs(hub, readinessOf(winner, 1), WINNER_KEY);
    }

    // ------------------------------------------------------------------------------------------- leases

    function termsFor(uint256 key, uint64 attempt) internal view returns (IEscrow.LeaseTerms memory) {
        return termsOf(requestFor(attempt), vm.addr(key), hub);
    }

    function requestFor(uint64 attempt) internal view returns (IEscrow.LeaseRequest memory request) {
        request = defaultRequest();
        (request.jobId, request.attempt, request.openBy) = (JOB, attempt, type(uint64).max);
    }

    function openFor(uint256 key, IEscrow.LeaseRequest memory request) internal returns (IEscrow.LeaseTerms memory) {
        IEscrow.Offer memory offer = defaultOffer();
        (offer.provider, offer.validUntil) = (vm.addr(key), type(uint64).max);
        offer.nonce = escrow.offerNonce(offer.provider);
        openAs(hub, request, offer, key);
        return termsOf(request, offer.provider, hub);
    }

    function openFor(uint256 key, uint64 attempt) internal returns (IEscrow.LeaseTerms memory) {
        return openFor(key, requestFor(attempt));
    }

    /// @notice The winner's lease runs for `secs`, in which it does nothing, and the hub closes it.
    function failAfter(uint256 secs) internal returns (IEscrow.LeaseTerms memory won) {
        won = openFor(WINNER_KEY, 1);
        vm.warp(block.timestamp + secs);
        settle(won, 0, true);
    }

    /// @notice The runner-up takes over and works.
    function takeOver() internal returns (IEscrow.LeaseTerms memory took) {
        took = openFor(SECOND_KEY, 2);
        vm.warp(block.timestamp + 10);
        settle(took, PER_SECOND, false);
    }

    /// @notice The runner-up's claim, by its promise for the same race.
    function claim(IEscrow.LeaseTerms memory won, IEscrow.LeaseTerms memory took) internal {
        IRaceBonds.Readiness memory pledge = readinessOf(second, 1);
        bytes memory signature = signReadiness(pledge, SECOND_KEY);
        races.claim(pledge, signature, won, took);
    }

    function stateOf(bytes32 race) internal view returns (uint256) {
        return uint256(races.lockOf(race).state);
    }

    function assertRace(bytes32 race, IRaceBonds.State wanted) internal view {
        assertEq(stateOf(race), uint256(wanted), "state");
    }

    function assertCapital(uint256 winners, uint256 seconds_) internal view {
        assertEq(races.capitalOf(winner), winners, "the winner's capital");
        assertEq(races.capitalOf(second), seconds_, "the runner-up's capital");
    }

    // -------------------------------------------------------------------------------------------- refusals

    function expectLockReverts(IRaceBonds.Readiness memory pledge, uint256 key, bytes4 reason) internal {
        bytes memory signature = signReadiness(pledge, key);
        vm.expectRevert(reason);
        vm.prank(hub);
        races.lock(pledge, signature);
    }

    function expectClaimReverts(IEscrow.LeaseTerms memory won, IEscrow.LeaseTerms memory took, bytes4 reason) internal {
        IRaceBonds.Readiness memory pledge = readinessOf(took.provider, 1);
        bytes memory signature = signReadiness(pledge, SECOND_KEY);
        vm.expectRevert(reason);
        races.claim(pledge, signature, won, took);
    }

    /// @dev A struct in memory is a reference: changing one would change the other.
    function copyOf(IEscrow.LeaseTerms memory terms) internal pure returns (IEscrow.LeaseTerms memory) {
        return abi.decode(abi.encode(terms), (IEscrow.LeaseTerms));
    }

    /// @notice A race whose bond is claimed.
    function claimed() internal returns (bytes32 race, IEscrow.LeaseTerms memory won) {
        race = lock();
        won = failAfter(START_WITHIN);
        claim(won, takeOver());
    }
}
