// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IEAIToken} from "../utils/IEAIToken.sol";
import {Test} from "../utils/Test.sol";
import {Vm} from "../utils/Vm.sol";
import {EscrowModel} from "./EscrowModel.sol";

/// @notice Does to the escrow whatever the fuzzer says, does the same to the model, and checks that both answer alike.
/// @dev Three people, each of them payer and provider at times, two hubs, two namespaces.
contract EscrowHandler is Test {
    uint256 private constant MAX_RATE = 10e18;

    IEAIToken public immutable TOKEN;
    IEscrow public immutable ESCROW;
    EscrowModel public immutable MODEL;

    /// @notice Tokens sent to the escrow without a deposit.
    uint256 public donated;
    /// @notice How often each branch was reached, by the selector of its outcome (0: success).
    mapping(bytes4 action => mapping(bytes4 outcome => uint256)) public outcomes;

    /// @dev Kept, because deriving an address from a key is the slowest thing in here.
    address[3] private _people = [vm.addr(personKey(0)), vm.addr(personKey(1)), vm.addr(personKey(2))];
    address[2] private _hubs = [vm.addr(hubKey(0)), vm.addr(hubKey(1))];
    address[4] private _sessions =
        [vm.addr(sessionKey(0)), vm.addr(sessionKey(1)), vm.addr(sessionKey(2)), vm.addr(sessionKey(3))];
    address private _stranger = vm.addr(0xBAD);

    IEscrow.Settlement[] private _presented;
    uint256[] private _presentedLease;
    address[] private _presentedKey;
    mapping(bytes32 id => uint256) private _paid;
    mapping(bytes32 id => uint256) private _hold;

    constructor(IEAIToken token, IEscrow escrow, EscrowModel model) {
        (TOKEN, ESCROW, MODEL) = (token, escrow, model);
        token.approve(address(escrow), type(uint256).max);
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(hub(i));
            escrow.setGuardian(hub(i), address(this));
        }
    }

    // ------------------------------------------------------------------------------------------------ actors

    function personKey(uint256 seed) private pure returns (uint256) {
        return 0x1000 + (seed % 3);
    }

    function hubKey(uint256 seed) private pure returns (uint256) {
        return 0x2000 + (seed % 2);
    }

    function person(uint256 seed) public view returns (address) {
        return _people[personKey(seed) - personKey(0)];
    }

    function hub(uint256 seed) public view returns (address) {
        return _hubs[hubKey(seed) - hubKey(0)];
    }

    function sessionKey(uint256 seed) private pure returns (uint256) {
        return 0x3000 + (seed % 4);
    }

    /// @dev A key that may act for hub number `h`, mostly its own or a session key; its number and its address.
    function keyFor(uint256 h, uint256 s) private view returns (uint256 key, address account) {
        if (oneIn(10, s, 90)) return (0xBAD, _stranger);
        if (oneIn(10, s, 93)) return (hubKey(h + 1), hub(h + 1));
        if (oneIn(2, s, 91)) return (hubKey(h), hub(h));
        uint256 i = pick(s, 92) % 4;
        return (sessionKey(i), _sessions[i]);
    }

    function namespace(uint256 seed) public pure returns (bytes32) {
        return bytes32(seed % 2 + 1);
    }

    /// @dev A number of its own for each use of `seed`.
    function pick(uint256 seed, uint256 use) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, use)));
    }

    /// @dev True once in `n`.
    function oneIn(uint256 n, uint256 seed, uint256 use) private pure returns (bool) {
        return pick(seed, use) % n == 0;
    }

    // ------------------------------------------------------------------------------------------------- keys

    function appoint(uint256 seed, uint256 end) external {
        (address hub_, address key) = (hub(seed), _sessions[pick(seed, 1) % 4]);
        end = block.timestamp + bound(end, 1, 90 days);
        bool wanted = MODEL.appoint(hub_, key, end);
        (bool ok, bytes memory reason) =
            address(ESCROW).call(abi.encodeCall(IEscrow.appointKey, (hub_, key, uint64(end))));
        assertTrue(ok == wanted, "appoint");
        ++outcomes[this.appoint.selector][ok ? bytes4(0) : bytes4(reason)];
    }

    function retire(uint256 seed) external {
        if (!oneIn(4, seed, 0)) return; // or nobody would ever act
        address hub_ = hub(seed);
        address key = oneIn(12, seed, 1) ? hub_ : _sessions[pick(seed, 2) % 4];
        bool wanted = MODEL.retire(hub_, key);
        (bool ok, bytes memory reason) = address(ESCROW).call(abi.encodeCall(IEscrow.retireKey, (hub_, key)));
        assertTrue(ok == wanted, "retire");
        ++outcomes[this.retire.selector][ok ? bytes4(0) : bytes4(reason)];
    }

    // ---------------------------------------------------------------------------------------------- accounts

    function deposit(uint256 who, uint256 amount) external {
        amount = bound(amount, 1, 1000e18);
        ESCROW.depositFor(person(who), amount);
        MODEL.deposit(person(who), amount);
    }

    function withdraw(uint256 who, uint256 amount) external {
        uint256 balance = MODEL.balances(person(who));
        if (balance == 0) return;
        amount = bound(amount, 1, balance);
        vm.prank(person(who));
        ESCROW.withdraw(amount, address(this));
        MODEL.withdraw(person(who), amount);
    }

    function donate(uint256 amount) external {
        amount = bound(amount, 1, 1e18);
        assertTrue(TOKEN.transfer(address(ESCROW), amount), "donate");
        donated += amount;
    }

    function authorize(uint256 who, uint256 seed, uint256 cap) external {
        (address payer, address hub_, bytes32 ns) = (person(who), hub(pick(seed, 1)), namespace(pick(seed, 2)));
        cap = bound(cap, 0, 3000e18);
        uint256 maxRate = oneIn(6, seed, 3) ? bound(pick(seed, 4), 0, MAX_RATE) : MAX_RATE;
        uint64 expiry = uint64(block.timestamp + bound(pick(seed, 5), 1, 60 days));
        if (oneIn(4, seed, 6)) {
            IEscrow.Grant memory grant = IEscrow.Grant({
                payer: payer,
                hubKey: hub_,
                namespaceId: ns,
                cap: cap,
                maxRate: maxRate,
                expiry: expiry,
                nonce: ESCROW.grantNonce(payer),
                deadline: uint64(block.timestamp)
            });
            ESCROW.authorizeWithSignature(grant, sign(personKey(who), ESCROW.grantDigest(grant)));
        } else {
            vm.prank(payer);
            ESCROW.authorize(hub_, ns, cap, maxRate, expiry);
        }
        MODEL.authorize(MODEL.grantKey(payer, hub_, ns), cap, maxRate, expiry);
    }

    function revoke(uint256 who, uint256 seed) external {
        if (!oneIn(3, seed, 0)) return; // or nothing would ever be open
        (address payer, address hub_, bytes32 ns) = (person(who), hub(pick(seed, 1)), namespace(pick(seed, 2)));
        vm.prank(payer);
        ESCROW.revoke(hub_, ns);
        MODEL.revoke(MODEL.grantKey(payer, hub_, ns));
    }

    function cancelOffers(uint256 who) external {
        vm.prank(person(who));
        ESCROW.cancelOffers();
        MODEL.cancelOffers(person(who));
    }

    // ------------------------------------------------------------------------------------------------ leases

    function open(uint256 seed, uint256 hold) external {
        uint256 count = 1 + pick(seed, 100) % 3;
        IEscrow.LeaseRequest[] memory requests = new IEscrow.LeaseRequest[](count);
        IEscrow.Offer[] memory offers = new IEscrow.Offer[](count);
        bytes[] memory signatures = new bytes[](count);
        bytes4[] memory wanted = new bytes4[](count);
        address hub_ = hub(pick(seed, 101));
        (, address caller) = keyFor(pick(seed, 101), seed);
        if (!MODEL.acts(hub_, caller)) {
            ++outcomes[this.open.selector][IEscrow.NotHubKey.selector];
            vm.expectRevert(IEscrow.NotHubKey.selector);
            vm.prank(caller);
            ESCROW.openBatchFor(hub_, requests, offers, signatures);
            return;
        }
        for (uint256 i = 0; i < count; ++i) {
            uint256 s = pick(seed, 200 + i);
            requests[i] = requestFrom(s, pick(hold, i));
            offers[i] = offerFrom(s);
            bool forged = oneIn(10, s, 1);
            signatures[i] = sign(forged ? 0xBAD : personKey(pick(s, 2)), ESCROW.offerDigest(offers[i]));
            wanted[i] = MODEL.open(
                termsFrom(requests[i], offers[i].provider, hub_),
                requests[i].hold,
                requests[i].openBy,
                offers[i],
                !forged
            );
        }
        vm.recordLogs();
        vm.prank(caller);
        if (caller == hub_) ESCROW.openBatch(requests, offers, signatures);
        else ESCROW.openBatchFor(hub_, requests, offers, signatures);
        checkOutcomes(this.open.selector, IEscrow.OpenSkipped.selector, wanted);
    }

    function requestFrom(uint256 s, uint256 hold) private view returns (IEscrow.LeaseRequest memory) {
        return IEscrow.LeaseRequest({
            payer: person(pick(s, 3)),
            namespaceId: namespace(pick(s, 4)),
            jobId: bytes32(pick(s, 5) % 3),
            generation: 1,
            attempt: uint64(pick(s, 6) % 2),
            // a few rates and sizes, so that the same lease comes up again
            rate: MAX_RATE / (1 + pick(s, 7) % 4),
            milliUnits: oneIn(12, s, 8) ? 0 : oneIn(2, s, 9) ? 1000 : 8000,
            hold: oneIn(12, s, 10) ? 0 : bound(hold, 1, 300e18),
            openBy: oneIn(12, s, 11) ? uint64(block.timestamp - 1) : uint64(block.timestamp + 10)
        });
    }

    function offerFrom(uint256 s) private view returns (IEscrow.Offer memory) {
        address provider = person(pick(s, 2));
        return IEscrow.Offer({
            provider: provider,
            member: "member",
            class: "cpu",
            rate: oneIn(6, s, 12) ? bound(pick(s, 13), 0, MAX_RATE) : MAX_RATE,
            startWithin: 60,
            validUntil: oneIn(12, s, 14) ? uint64(block.timestamp - 1) : uint64(block.timestamp),
            nonce: uint64(MODEL.nonces(provider)) + (oneIn(12, s, 15) ? 1 : 0)
        });
    }

    function termsFrom(IEscrow.LeaseRequest memory request, address provider, address hub_)
        private
        pure
        returns (IEscrow.LeaseTerms memory)
    {
        return IEscrow.LeaseTerms({
            payer: request.payer,
            provider: provider,
            hubKey: hub_,
            namespaceId: request.namespaceId,
            jobId: request.jobId,
            generation: request.generation,
            attempt: request.attempt,
            rate: request.rate,
            milliUnits: request.milliUnits
        });
    }

    function topUp(uint256 which, uint256 seed, uint256 amount) external {
        if (MODEL.count() == 0) return;
        which %= MODEL.count();
        IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](1);
        uint256[] memory amounts = new uint256[](1);
        bytes4[] memory wanted = new bytes4[](1);
        list[0] = MODEL.leaseAt(which).terms;
        amounts[0] = oneIn(10, seed, 0) ? 0 : bound(amount, 1, 300e18);
        (, address caller) = keyFor(list[0].hubKey == hub(0) ? 0 : 1, seed);
        wanted[0] = MODEL.topUp(which, caller, amounts[0]);
        vm.recordLogs();
        vm.prank(caller);
        ESCROW.topUpBatch(list, amounts);
        checkOutcomes(this.topUp.selector, IEscrow.TopUpSkipped.selector, wanted);
        grows(which);
    }

    function settle(uint256 seed, uint256 amount) external {
        if (MODEL.count() == 0) return;
        uint256 count = 1 + pick(seed, 100) % 3;
        IEscrow.Settlement[] memory settlements = new IEscrow.Settlement[](count);
        bytes4[] memory wanted = new bytes4[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 s = pick(seed, 200 + i);
            uint256 which = pick(s, 1) % MODEL.count();
            address key;
            (settlements[i], key) = voucherFrom(which, s, pick(amount, i));
            wanted[i] = MODEL.settle(which, settlements[i].cumulativeAmount, settlements[i].isFinal, key);
            _presented.push(settlements[i]);
            _presentedLease.push(which);
            _presentedKey.push(key);
        }
        present(this.settle.selector, settlements, wanted);
        for (uint256 i = 0; i < count; ++i) {
            grows(_presentedLease[_presentedLease.length - 1 - i]);
        }
    }

    /// @dev Around what is owed: below, at and above it; final once in eight.
    function voucherFrom(uint256 which, uint256 s, uint256 amount)
        private
        view
        returns (IEscrow.Settlement memory settlement, address account)
    {
        EscrowModel.ModelLease memory lease = MODEL.leaseAt(which);
        settlement.terms = lease.terms;
        settlement.cumulativeAmount =
            oneIn(10, s, 3) ? amount : bound(amount, lease.paid, lease.paid + 2 * MODEL.accrued(lease) + 1);
        settlement.cumulativeUsageMs = pick(s, 4);
        settlement.usageRoot = bytes32(pick(s, 5));
        settlement.isFinal = oneIn(8, s, 6);
        uint256 key;
        (key, account) = keyFor(settlement.terms.hubKey == hub(0) ? 0 : 1, s);
        (uint8 v, bytes32 r, bytes32 vs) = vm.sign(key, digestOf(settlement));
        (settlement.r, settlement.vs) = (r, bytes32(uint256(vs) | (uint256(v - 27) << 255)));
    }

    /// @dev Presents a voucher again that was presented before.
    function replay(uint256 seed) external {
        if (_presented.length == 0) return;
        uint256 i = seed % _presented.length;
        IEscrow.Settlement[] memory settlements = new IEscrow.Settlement[](1);
        bytes4[] memory wanted = new bytes4[](1);
        settlements[0] = _presented[i];
        wanted[0] =
            MODEL.settle(_presentedLease[i], settlements[0].cumulativeAmount, settlements[0].isFinal, _presentedKey[i]);
        present(this.replay.selector, settlements, wanted);
        grows(_presentedLease[i]);
    }

    function present(bytes4 action, IEscrow.Settlement[] memory settlements, bytes4[] memory wanted) private {
        vm.recordLogs();
        ESCROW.settleBatch(settlements);
        checkOutcomes(action, IEscrow.SettleSkipped.selector, wanted);
    }

    function startClosing(uint256 which, uint256 seed) external {
        if (MODEL.count() == 0) return;
        which %= MODEL.count();
        IEscrow.LeaseTerms memory terms = MODEL.leaseAt(which).terms;
        address caller = oneIn(2, seed, 0) ? terms.payer : terms.provider;
        if (oneIn(8, seed, 1)) caller = hub(seed);
        bool wanted = MODEL.startClosing(which, caller);
        vm.prank(caller);
        (bool ok, bytes memory reason) = address(ESCROW).call(abi.encodeCall(IEscrow.startClosing, (terms)));
        assertTrue(ok == wanted, "startClosing");
        ++outcomes[this.startClosing.selector][ok ? bytes4(0) : bytes4(reason)];
    }

    function claim(uint256 which, uint256 seed, uint256 amount) external {
        if (MODEL.count() == 0) return;
        which %= MODEL.count();
        EscrowModel.ModelLease memory lease = MODEL.leaseAt(which);
        address caller = oneIn(8, seed, 0) ? person(seed) : lease.terms.provider;
        if (!oneIn(8, seed, 1)) amount = bound(amount, 0, lease.paid + MODEL.accrued(lease) + 1);
        bytes4 wanted = MODEL.claim(which, caller, amount);
        vm.prank(caller);
        (bool ok, bytes memory reason) = address(ESCROW).call(abi.encodeCall(IEscrow.claim, (lease.terms, amount)));
        assertEq(ok ? bytes32(0) : bytes32(bytes4(reason)), bytes32(wanted), "claim");
        ++outcomes[this.claim.selector][wanted];
    }

    /// @dev The next lease from `which` on that is claimed and not closed, if one of the next few is.
    function claimedFrom(uint256 which) private view returns (uint256) {
        for (uint256 i = 0; i < 8; ++i) {
            EscrowModel.ModelLease memory lease = MODEL.leaseAt((which + i) % MODEL.count());
            if (lease.claimed != 0 && !lease.closed) return (which + i) % MODEL.count();
        }
        return which;
    }

    function dispute(uint256 which, uint256 seed) external {
        if (MODEL.count() == 0) return;
        which = claimedFrom(which % MODEL.count());
        EscrowModel.ModelLease memory lease = MODEL.leaseAt(which);
        address caller = oneIn(2, seed, 0) ? lease.terms.payer : lease.terms.hubKey;
        if (oneIn(8, seed, 1)) caller = _stranger;
        bytes4 wanted = MODEL.dispute(which, caller);
        vm.prank(caller);
        (bool ok, bytes memory reason) = address(ESCROW).call(abi.encodeCall(IEscrow.dispute, (lease.terms)));
        assertEq(ok ? bytes32(0) : bytes32(bytes4(reason)), bytes32(wanted), "dispute");
        ++outcomes[this.dispute.selector][wanted];
    }

    function finalize(uint256 which) external {
        if (MODEL.count() == 0) return;
        which %= MODEL.count();
        bool wanted = MODEL.finalize(which);
        (bool ok, bytes memory reason) =
            address(ESCROW).call(abi.encodeCall(IEscrow.finalize, (MODEL.leaseAt(which).terms)));
        assertTrue(ok == wanted, "finalize");
        ++outcomes[this.finalize.selector][ok ? bytes4(0) : bytes4(reason)];
        grows(which);
    }

    function warp(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, time % 4 == 0 ? 100 hours : 1 hours));
    }

    // ---------------------------------------------------------------------------------------------- checking

    /// @dev What is paid and what is held in all only grow, whatever is done to the lease.
    function grows(uint256 which) private {
        bytes32 id = MODEL.ids(which);
        IEscrow.Lease memory lease = ESCROW.lease(id);
        assertAtMost(_paid[id], lease.paid, "paid fell");
        assertAtMost(_hold[id], lease.hold, "hold fell");
        (_paid[id], _hold[id]) = (lease.paid, lease.hold);
    }

    /// @dev The skips among the recorded logs are those that the model foresaw, in order.
    function checkOutcomes(bytes4 action, bytes32 skipped, bytes4[] memory wanted) private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 next;
        for (uint256 i = 0; i < wanted.length; ++i) {
            ++outcomes[action][wanted[i]];
            if (wanted[i] == 0) continue;
            while (next < logs.length && logs[next].topics[0] != skipped) ++next;
            assertTrue(next < logs.length, "the model skips an item that the escrow took");
            assertEq(abi.decode(logs[next].data, (bytes32)), bytes32(wanted[i]), "reason");
            ++next;
        }
        while (next < logs.length) {
            assertTrue(logs[next].topics[0] != skipped, "the escrow skips an item that the model took");
            ++next;
        }
    }

    function sign(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function digestOf(IEscrow.Settlement memory settlement) private view returns (bytes32) {
        return ESCROW.voucherDigest(
            IEscrow.Voucher({
                leaseId: keccak256(abi.encode(settlement.terms)),
                payer: settlement.terms.payer,
                provider: settlement.terms.provider,
                generation: settlement.terms.generation,
                attempt: settlement.terms.attempt,
                cumulativeAmount: settlement.cumulativeAmount,
                cumulativeUsageMs: settlement.cumulativeUsageMs,
                usageRoot: settlement.usageRoot,
                isFinal: settlement.isFinal
            })
        );
    }
}
