// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {IRaceBonds} from "../../src/interfaces/IRaceBonds.sol";
import {RaceBonds} from "../../src/policy/RaceBonds.sol";
import {IEAIToken} from "../utils/IEAIToken.sol";
import {RaceFixture} from "./RaceFixture.sol";

/// @notice Three providers that race for the hub's jobs, work or don't, and take over from each other; and a second set of books
/// kept by what was done, not by what the contract says.
contract RaceHandler is RaceFixture {
    /// @notice What happened in a race.
    struct Race {
        bytes32 id;
        uint256 winnerKey;
        uint256 secondKey;
        uint256 bond;
        uint256 lockedAt;
        uint256 openedAt;
        uint256 closedAt;
        uint256 tookAt;
        uint256 claimedAt;
        bool wonPaid;
        bool tookPaid;
        bool word;
        IRaceBonds.State state;
    }

    /// @notice How often each call did something.
    mapping(bytes4 => uint256) public done;
    /// @notice Capital by hand.
    mapping(address who => uint256) public capital;
    uint256 public lockedInAll;

    Race[] private _races;

    constructor(IEAIToken token_, IEscrow escrow_, INodeRegistry registry_, RaceBonds races_) {
        (token, escrow, races) = (token_, escrow_, races_);
        assertTrue(address(registry_) == address(races_.REGISTRY()), "the registry");
    }

    function keyAt(uint256 i) public pure returns (uint256) {
        return 0x3A1 + i % 3;
    }

    function personAt(uint256 i) public pure returns (address) {
        return vm.addr(keyAt(i));
    }

    function count() external view returns (uint256) {
        return _races.length;
    }

    function raceAt(uint256 i) external view returns (Race memory) {
        return _races[i];
    }

    function did(bytes4 what) private {
        ++done[what];
    }

    /// @dev A late race, mostly.
    function some(uint256 seed) private view returns (uint256) {
        uint256 n = _races.length;
        return seed % 4 == 0 || n < 3 ? (seed >> 8) % n : n - 1 - (seed >> 8) % 3;
    }

    function job(uint256 i) private pure returns (bytes32) {
        return keccak256(abi.encode("race", i));
    }

    function termsOfRace(uint256 i, uint256 key, uint64 attempt)
        private
        view
        returns (IEscrow.LeaseTerms memory terms)
    {
        terms = termsFor(key, attempt);
        terms.jobId = job(i);
    }

    function pledgeOf(uint256 i, uint256 key) private view returns (IRaceBonds.Readiness memory pledge) {
        pledge = readinessOf(vm.addr(key), 1);
        pledge.jobId = job(i);
    }

    function openRace(uint256 i, uint256 key, uint64 attempt) private {
        IEscrow.LeaseRequest memory request = requestFor(attempt);
        (request.jobId, request.hold) = (job(i), 1e18);
        openFor(key, request);
    }

    // ---------------------------------------------------------------------------------------------- capital

    function pass(uint256 seed) external {
        vm.warp(block.timestamp + (seed % 3 == 0 ? bound(seed >> 8, 1, 12 hours) : bound(seed >> 8, 1, 100)));
        did(this.pass.selector);
    }

    function deposit(uint256 who, uint256 amount) external {
        amount = bound(amount, 1, 30e18);
        races.deposit(personAt(who), amount);
        capital[personAt(who)] += amount;
        did(this.deposit.selector);
    }

    function withdraw(uint256 who, uint256 amount, uint256 chance) external {
        address from = personAt(who);
        if (capital[from] == 0 || chance % 4 != 0) return;
        amount = bound(amount, 1, capital[from]);
        vm.prank(from);
        races.withdraw(amount, address(this));
        capital[from] -= amount;
        did(this.withdraw.selector);
    }

    function cancel(uint256 who) external {
        vm.prank(personAt(who));
        races.cancel();
        did(this.cancel.selector);
    }

    // ------------------------------------------------------------------------------------------------ races

    function race(uint256 who, uint256 bond) external {
        uint256 i = _races.length;
        uint256 key = keyAt(who);
        IRaceBonds.Readiness memory pledge = pledgeOf(i, key);
        pledge.bond = bound(bond, 1, 25e18);
        bool good = pledge.bond <= capital[pledge.provider];
        bytes memory signature = signReadiness(pledge, key);
        if (!good) vm.expectRevert(IRaceBonds.CapitalTooSmall.selector);
        vm.prank(hub);
        bytes32 id = races.lock(pledge, signature);
        if (!good) return;
        capital[pledge.provider] -= pledge.bond;
        lockedInAll += pledge.bond;
        Race storage made = _races.push();
        (made.id, made.winnerKey, made.bond) = (id, key, pledge.bond);
        (made.lockedAt, made.state) = (block.timestamp, IRaceBonds.State.Locked);
        did(this.race.selector);
    }

    function open(uint256 seed) external {
        if (_races.length == 0) return;
        uint256 i = some(seed);
        if (_races[i].openedAt != 0) return;
        openRace(i, _races[i].winnerKey, 1);
        _races[i].openedAt = block.timestamp;
        did(bytes4(keccak256("open(uint256)")));
    }

    /// @dev The hub closes the winner's lease: for nothing mostly.
    function close(uint256 seed, uint256 paid) external {
        if (_races.length == 0) return;
        uint256 i = some(seed);
        Race storage standing = _races[i];
        if (standing.openedAt == 0 || standing.closedAt != 0) return;
        paid = paid % 4 == 0 ? 1 : 0;
        standing.wonPaid = paid == 1 && block.timestamp > standing.openedAt;
        settle(termsOfRace(i, standing.winnerKey, 1), paid, true);
        standing.closedAt = block.timestamp;
        did(this.close.selector);
    }

    /// @dev All of it at once, up to the claim: by single steps in the right order it seldom comes about.
    function fail(uint256 seed, uint256 late) external {
        if (_races.length == 0) return;
        uint256 i = some(seed);
        Race storage standing = _races[i];
        if (standing.openedAt != 0 || standing.tookAt != 0) return;
        openRace(i, standing.winnerKey, 1);
        standing.openedAt = block.timestamp;
        vm.warp(block.timestamp + START_WITHIN - (late % 8 == 0 ? 1 : 0));
        settle(termsOfRace(i, standing.winnerKey, 1), 0, true);
        standing.closedAt = block.timestamp;
        standing.secondKey = keyAt(standing.winnerKey - 0x3A1 + 1 + late % 2);
        openRace(i, standing.secondKey, 2);
        standing.tookAt = block.timestamp;
        vm.warp(block.timestamp + 1);
        settle(termsOfRace(i, standing.secondKey, 2), 1, false);
        standing.tookPaid = true;
        did(this.fail.selector);
    }

    function takeOver(uint256 seed, uint256 who) external {
        if (_races.length == 0) return;
        uint256 i = some(seed);
        Race storage standing = _races[i];
        if (standing.tookAt != 0) return;
        standing.secondKey = keyAt(who);
        openRace(i, standing.secondKey, 2);
        standing.tookAt = block.timestamp;
        did(bytes4(keccak256("takeOver(uint256,uint256)")));
    }

    function work(uint256 seed) external {
        if (_races.length == 0) return;
        uint256 i = some(seed);
        Race storage standing = _races[i];
        if (standing.tookAt == 0 || standing.tookPaid || block.timestamp == standing.tookAt) return;
        settle(termsOfRace(i, standing.secondKey, 2), 1, false);
        standing.tookPaid = true;
        did(bytes4(keccak256("work(uint256)")));
    }

    function claim(uint256 seed) external {
        if (_races.length == 0) return;
        uint256 i = some(seed);
        Race storage standing = _races[i];
        uint256 key = standing.secondKey == 0 ? SECOND_KEY : standing.secondKey;
        IRaceBonds.Readiness memory pledge = pledgeOf(i, key);
        bytes memory signature = signReadiness(pledge, key);
        bool facts = claimable(standing);
        if (!facts) vm.expectRevert();
        races.claim(pledge, signature, termsOfRace(i, standing.winnerKey, 1), termsOfRace(i, key, 2));
        if (!facts) return;
        (standing.claimedAt, standing.state) = (block.timestamp, IRaceBonds.State.Claimed);
        did(bytes4(keccak256("claim(uint256)")));
    }

    function claimable(Race storage standing) private view returns (bool) {
        uint256 startsBy = standing.openedAt + START_WITHIN;
        bool failed = standing.openedAt != 0 && standing.closedAt >= startsBy && !standing.wonPaid;
        bool took = standing.tookPaid && standing.tookAt >= startsBy && standing.secondKey != standing.winnerKey;
        return
            standing.state == IRaceBonds.State.Locked && failed && took
                && block.timestamp <= standing.lockedAt + LOCK_TIME;
    }

    function forfeit(uint256 seed) external {
        if (_races.length == 0) return;
        Race storage standing = _races[some(seed)];
        bool due = standing.state == IRaceBonds.State.Claimed && block.timestamp > standing.claimedAt + CHALLENGE;
        if (!due) vm.expectRevert();
        races.forfeit(standing.id);
        if (due) end(standing, IRaceBonds.State.Forfeited, standing.secondKey, this.forfeit.selector);
    }

    function release(uint256 seed, uint256 byHub) external {
        if (_races.length == 0) return;
        Race storage standing = _races[some(seed)];
        bool hubs = byHub % 8 == 0;
        bool due =
            standing.state == IRaceBonds.State.Locked && (hubs || block.timestamp > standing.lockedAt + LOCK_TIME);
        if (!due) vm.expectRevert();
        vm.prank(hubs ? hub : other);
        races.release(standing.id);
        if (due) end(standing, IRaceBonds.State.Released, standing.winnerKey, this.release.selector);
    }

    function showPayment(uint256 seed) external {
        if (_races.length == 0) return;
        uint256 i = some(seed);
        Race storage standing = _races[i];
        bool due = isOpen(standing) && standing.wonPaid;
        IEscrow.LeaseTerms memory terms = termsOfRace(i, standing.winnerKey, 1);
        if (!due) vm.expectRevert();
        races.releaseByPayment(terms);
        if (due) end(standing, IRaceBonds.State.Released, standing.winnerKey, this.showPayment.selector);
    }

    function showVoucher(uint256 seed, uint256 amount) external {
        if (_races.length == 0 || seed % 4 != 0) return;
        uint256 i = some(seed);
        Race storage standing = _races[i];
        amount = amount % 2;
        bool due = isOpen(standing) && amount == 1;
        IEscrow.Settlement memory word = signed(voucher(termsOfRace(i, standing.winnerKey, 1), amount, false), HUB_KEY);
        if (!due) vm.expectRevert();
        races.releaseByVoucher(word);
        if (!due) return;
        standing.word = true;
        end(standing, IRaceBonds.State.Released, standing.winnerKey, this.showVoucher.selector);
    }

    function isOpen(Race storage standing) private view returns (bool) {
        return standing.state == IRaceBonds.State.Locked || standing.state == IRaceBonds.State.Claimed;
    }

    function end(Race storage standing, IRaceBonds.State state, uint256 key, bytes4 what) private {
        standing.state = state;
        capital[vm.addr(key)] += standing.bond;
        lockedInAll -= standing.bond;
        did(what);
    }
}
