// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FoundationTimelock} from "../../src/governance/FoundationTimelock.sol";
import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {IEmissionController} from "../../src/interfaces/IEmissionController.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {Disputes} from "../../src/policy/Disputes.sol";
import {EmissionController} from "../../src/policy/EmissionController.sol";
import {NodeRegistry} from "../../src/policy/NodeRegistry.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";

/// @notice Registry, vault and court beside an escrow, with verifiers, and the words to get nodes through an epoch.
abstract contract PolicyFixture is EscrowFixture {
    uint256 internal constant EPOCH = 7 days;
    uint256 internal constant PHASE = 1 days;
    uint256 internal constant VESTING = 28 days;
    uint256 internal constant UNBONDING = 30 days;
    uint256 internal constant VOTING = 3 days;
    uint256 internal constant APPEALING = 2 days;
    uint256 internal constant LIMIT = 14 days;
    uint256 internal constant BOND = 50e18;
    uint256 internal constant MINIMUM = 100e18;
    uint256 internal constant VERIFIER_STAKE = 500e18;
    uint256 internal constant DRAWN = 5;
    uint256 internal constant QUORUM = 3;
    uint256 internal constant VAULT = 1_000_000e18;
    uint256 internal constant VERIFIERS = 16;
    uint256 internal constant CEILING = 10 * RATE;

    /// @dev What each epoch of the first era allots; a test that wants another says so before {setUp}.
    uint256 internal firstBudget = 100_000e18;
    uint256 internal era = 4;
    /// @dev What verifiers get of what is mined, besides it.
    uint256 internal rewardBps = 100;

    NodeRegistry internal registry;
    EmissionController internal emission;
    Disputes internal disputes;
    FoundationTimelock internal timelock;

    address internal owner = address(0x0E11);
    uint64 private _attempts;

    function setUp() public virtual override {
        super.setUp();
        timelock = new FoundationTimelock(72 hours, address(this));
        deployPolicy();
        assertTrue(token.transfer(address(emission), VAULT), "the vault");
        fund(payer, 100_000_000e18);
        uint256 anything = escrow.MAX_CAP();
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, anything, 100 * RATE, START + 36500 days);
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            registerVerifier(verifierAt(i), address(uint160(0xA000 + i)));
        }
        vm.warp(START + 1);
    }

    /// @dev The three name one another, so the later ones' addresses are foreseen.
    function deployPolicy() internal virtual {
        uint64 nonce = vm.getNonce(address(this));
        address foreseenEmission = vm.computeCreateAddress(address(this), nonce + 1);
        address foreseenDisputes = vm.computeCreateAddress(address(this), nonce + 2);
        NodeRegistry.Parameters memory r = registryParameters();
        (r.vault, r.disputes) = (foreseenEmission, foreseenDisputes);
        registry = new NodeRegistry(r);
        EmissionController.Parameters memory e = emissionParameters();
        (e.registry, e.disputes) = (address(registry), foreseenDisputes);
        emission = new EmissionController(e);
        Disputes.Parameters memory d = disputesParameters();
        (d.registry, d.emission) = (address(registry), address(emission));
        disputes = new Disputes(d);
        assertEq(address(disputes), foreseenDisputes, "the court is where it was foreseen");
        assertEq(address(emission), foreseenEmission, "the vault is where it was foreseen");
    }

    function registryParameters() internal view returns (NodeRegistry.Parameters memory p) {
        p.token = address(token);
        (p.start, p.epoch, p.unbonding, p.verifierStake) = (START, EPOCH, UNBONDING, VERIFIER_STAKE);
        p.classMinimums = new uint256[](2);
        (p.classMinimums[0], p.classMinimums[1]) = (MINIMUM / 10, MINIMUM);
    }

    function emissionParameters() internal view returns (EmissionController.Parameters memory p) {
        (p.token, p.escrow, p.timelock) = (address(token), address(escrow), payable(address(timelock)));
        (p.start, p.epoch, p.window, p.vesting) = (START, EPOCH, PHASE, VESTING);
        (p.firstBudget, p.era) = (firstBudget, era);
        (p.initialRate, p.ceiling) = (RATE, CEILING);
        (p.drawn, p.quorum, p.stakeBps) = (DRAWN, QUORUM, 10_000);
        p.rewardBps = rewardBps;
    }

    function disputesParameters() internal view returns (Disputes.Parameters memory p) {
        p.token = address(token);
        (p.bond, p.voting, p.appealing, p.limit) = (BOND, VOTING, APPEALING, LIMIT);
        (p.drawn, p.quorum) = (DRAWN, QUORUM);
    }

    // ---------------------------------------------------------------------------------------- registering

    function verifierAt(uint256 i) internal pure returns (address) {
        return address(uint160(0xF000 + i));
    }

    /// @notice Tokens for `account`, and leave for `spender` to take them.
    function give(address account, address spender, uint256 amount) internal {
        assertTrue(token.transfer(account, amount), "transfer");
        vm.prank(account);
        token.approve(spender, type(uint256).max);
    }

    function registerVerifier(address verifier, address owner_) internal {
        give(verifier, address(registry), VERIFIER_STAKE);
        vm.prank(verifier);
        registry.registerVerifier(owner_, VERIFIER_STAKE);
    }

    function hardwareOf(address node, uint256 devices) internal pure returns (bytes32[] memory ids) {
        ids = new bytes32[](devices);
        for (uint256 i = 0; i < devices; ++i) {
            ids[i] = keccak256(abi.encode(node, i));
        }
    }

    function one(bytes32 id) internal pure returns (bytes32[] memory ids) {
        ids = new bytes32[](1);
        ids[0] = id;
    }

    function registerNode(address node, address owner_, uint256 devices, uint256 stake) internal {
        give(node, address(registry), stake);
        vm.prank(node);
        registry.registerNode(owner_, INodeRegistry.Form.Personal, 1, hardwareOf(node, devices), stake);
    }

    // ------------------------------------------------------------------------------------------- working

    /// @notice Opens a lease of `units` at `rate` with the node of `key`, for `payer_`.
    function leaseWith(uint256 key, address payer_, uint256 rate, uint64 units)
        internal
        returns (IEscrow.LeaseTerms memory)
    {
        IEscrow.LeaseRequest memory request = defaultRequest();
        (request.payer, request.rate, request.milliUnits) = (payer_, rate, units * UNIT);
        (request.attempt, request.openBy, request.hold) = (++_attempts, START + 36500 days, 100_000e18);
        IEscrow.Offer memory offer = defaultOffer();
        (offer.provider, offer.rate, offer.validUntil) = (vm.addr(key), rate, START + 36500 days);
        offer.nonce = escrow.offerNonce(offer.provider);
        openAs(hub, request, offer, key);
        return termsOf(request, offer.provider, hub);
    }

    function leaseWith(uint256 key) internal returns (IEscrow.LeaseTerms memory) {
        return leaseWith(key, payer, RATE, 1);
    }

    function record(IEscrow.LeaseTerms memory terms) internal {
        IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](1);
        list[0] = terms;
        vm.prank(terms.provider);
        emission.record(terms.provider, list);
    }

    /// @notice What nodes can be allotted of `most` that there is for them and their verifiers.
    function forNodes(uint256 most) internal view returns (uint256) {
        return most * 10_000 / (10_000 + rewardBps);
    }

    function feeOf(address node, uint256 epoch) internal view returns (uint256) {
        return emission.shareOf(node, epoch).fee;
    }

    /// @notice Goes to `time` after the end of `epoch`.
    function warpToEnd(uint256 epoch, uint256 time) internal {
        vm.warp(emission.endOf(epoch) + time);
        vm.roll(block.number + 10);
    }

    /// @notice Fixes the seed of an ended epoch.
    function seed(uint256 epoch) internal {
        vm.prevrandao(keccak256(abi.encode("randao", epoch)));
        emission.fixSeed(epoch);
    }

    /// @notice All who are drawn attest `time`.
    function attestAll(address node, uint256 epoch, uint256 time) internal {
        attestAll(node, epoch, time, 0);
    }

    /// @notice All who are drawn attest `time`, and how it divides.
    function attestAll(address node, uint256 epoch, uint256 time, bytes32 split) internal {
        address[] memory drawn = emission.committee(node, epoch);
        assertEq(drawn.length, DRAWN, "a full committee");
        for (uint256 i = 0; i < drawn.length; ++i) {
            vm.prank(drawn[i]);
            emission.attest(node, epoch, time, split);
        }
    }

    /// @notice Works a lease for `secs` from now, pays and records it.
    function work(uint256 key, uint256 rate, uint64 units, uint256 secs) internal {
        IEscrow.LeaseTerms memory terms = leaseWith(key, payer, rate, units);
        vm.warp(block.timestamp + secs);
        settle(terms, type(uint128).max, true);
        record(terms);
    }

    /// @notice Takes a node that has worked in `epoch` through attestation, weighing and allotting.
    function finish(address node, uint256 epoch, uint256 attested) internal returns (uint256 mined) {
        warpToEnd(epoch, 0);
        seed(epoch);
        attestAll(node, epoch, attested);
        warpToEnd(epoch, PHASE);
        emission.weigh(node, epoch);
        warpToEnd(epoch, 2 * PHASE);
        mined = emission.allot(node, epoch);
    }
}
