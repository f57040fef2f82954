// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {IEmissionController} from "../../src/interfaces/IEmissionController.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {IEAIToken} from "../utils/IEAIToken.sol";
import {Test} from "../utils/Test.sol";

/// @notice Does to registry, vault and court whatever the fuzzer says, as three nodes, the verifiers and a quarrelsome stranger;
/// keeps what the contracts can't tell.
contract PolicyHandler is Test {
    uint256 public constant NODES = 3;
    uint256 public constant IDS = 6;
    uint256 private constant HUB_KEY = 0x4B;
    uint256 private constant BOND = 50e18;
    uint256 private constant UNBONDING = 30 days;
    uint256 private constant LIMIT = 14 days;

    IEAIToken public immutable TOKEN;
    IEscrow public immutable ESCROW;
    INodeRegistry public immutable REGISTRY;
    IEmissionController public immutable EMISSION;
    IDisputes public immutable DISPUTES;

    /// @notice Bonds of open cases.
    uint256 public bonds;
    /// @notice The last case.
    uint256 public lastCase;
    /// @notice How often each action did something.
    mapping(bytes4 action => uint256) public done;
    /// @notice The epoch in which each hardware id was last used to earn, and by whom.
    mapping(bytes32 id => mapping(uint256 epoch => address)) public earner;
    /// @notice Whether an id ever earned for two in one epoch.
    bool public earnedTwice;
    /// @notice When each node asked for stake back last, and how long that takes.
    mapping(address node => uint256) public askedAt;
    /// @notice When each node was weighed for an epoch.
    mapping(address node => mapping(uint256 epoch => uint256)) public weighedAt;

    IEscrow.LeaseTerms[NODES] private _leases;
    address[NODES] private _nodes;

    constructor(
        IEAIToken token,
        IEscrow escrow,
        INodeRegistry registry,
        IEmissionController emission,
        IDisputes disputes,
        IEscrow.LeaseTerms[NODES] memory leases
    ) {
        (TOKEN, ESCROW, REGISTRY, EMISSION, DISPUTES) = (token, escrow, registry, emission, disputes);
        for (uint256 i = 0; i < NODES; ++i) {
            _leases[i] = leases[i];
            _nodes[i] = leases[i].provider;
        }
    }

    function nodeAt(uint256 seed) public view returns (address) {
        return _nodes[seed % NODES];
    }

    function idAt(uint256 seed) public pure returns (bytes32) {
        return bytes32(seed % IDS + 1);
    }

    function epoch() private view returns (uint256) {
        return EMISSION.epochAt(block.timestamp);
    }

    function ok(bool success, bytes4 action) private {
        if (success) ++done[action];
    }

    // ------------------------------------------------------------------------------------------------- time

    function pass(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1 hours, 14 hours));
        vm.roll(block.number + 5);
        ++done[this.pass.selector];
    }

    // ------------------------------------------------------------------------------------------------- work

    function work(uint256 who, uint256 amount) external {
        IEscrow.LeaseTerms memory terms = _leases[who % NODES];
        IEscrow.Settlement[] memory list = new IEscrow.Settlement[](1);
        list[0].terms = terms;
        list[0].cumulativeAmount = ESCROW.lease(keccak256(abi.encode(terms))).paid + bound(amount, 1, 3000e18);
        bytes32 digest = ESCROW.voucherDigest(
            IEscrow.Voucher({
                leaseId: keccak256(abi.encode(terms)),
                payer: terms.payer,
                provider: terms.provider,
                generation: terms.generation,
                attempt: terms.attempt,
                cumulativeAmount: list[0].cumulativeAmount,
                cumulativeUsageMs: 0,
                usageRoot: 0,
                isFinal: false
            })
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(HUB_KEY, digest);
        (list[0].r, list[0].vs) = (r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
        ESCROW.settleBatch(list);
        ++done[this.work.selector];
    }

    function record(uint256 who) external {
        IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](1);
        list[0] = _leases[who % NODES];
        vm.prank(nodeAt(who));
        (bool success,) = address(EMISSION).call(abi.encodeCall(IEmissionController.record, (nodeAt(who), list)));
        ok(success, this.record.selector);
    }

    // ------------------------------------------------------------------------------------------- the epoch

    function attest(uint256 seed) external {
        if (epoch() == 0) return;
        uint256 ended = epoch() - 1;
        if (EMISSION.epochs(ended).seed == 0) {
            (bool fixed_,) = address(EMISSION).call(abi.encodeCall(IEmissionController.fixSeed, (ended)));
            if (!fixed_) return;
        }
        address node = nodeAt(seed);
        address[] memory list = EMISSION.committee(node, ended);
        for (uint256 i = 0; i < list.length; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed, i)));
            if (s % 5 == 0) continue;
            vm.prank(list[i]);
            (bool success,) = address(EMISSION)
                .call(
                    abi.encodeCall(
                        IEmissionController.attest, (node, ended, (s >> 8) % (400 hours * 1000), bytes32(s >> 64 & 1))
                    )
                );
            ok(success, this.attest.selector);
        }
    }

    function weigh(uint256 who) external {
        if (epoch() == 0) return;
        uint256 ended = epoch() - 1;
        address node = nodeAt(who);
        (bool success,) = address(EMISSION).call(abi.encodeCall(IEmissionController.weigh, (node, ended)));
        ok(success, this.weigh.selector);
        if (success) weighedAt[node][ended] = block.timestamp;
        if (!success || EMISSION.shareOf(node, ended).weight == 0) return;
        for (uint256 i = 0; i < IDS; ++i) {
            INodeRegistry.Hardware memory device = REGISTRY.hardware(idAt(i));
            if (device.node != node || device.freeAt != 0 || device.contested) continue;
            address before = earner[idAt(i)][ended];
            if (before != address(0) && before != node) earnedTwice = true;
            earner[idAt(i)][ended] = node;
        }
    }

    function allot(uint256 who, uint256 back) external {
        uint256 now_ = epoch();
        uint256 which = now_ < 3 ? now_ : now_ - back % 3;
        (bool success,) = address(EMISSION).call(abi.encodeCall(IEmissionController.allot, (nodeAt(who), which)));
        ok(success, this.allot.selector);
    }

    function claim(uint256 who, uint256 which) external {
        which %= epoch() + 1;
        (bool success,) = address(EMISSION).call(abi.encodeCall(IEmissionController.claim, (nodeAt(who), which)));
        ok(success, this.claim.selector);
    }

    function claimReward(uint256 who, uint256 which) external {
        which %= epoch() + 1;
        IEmissionController.Report[] memory reports = EMISSION.reportsOf(nodeAt(who), which);
        for (uint256 i = 0; i < reports.length; ++i) {
            bytes memory call =
                abi.encodeCall(IEmissionController.claimReward, (nodeAt(who), which, reports[i].verifier));
            (bool success, bytes memory answer) = address(EMISSION).call(call);
            ok(success, this.claimReward.selector);
            if (success && EMISSION.isGuilty(reports[i].verifier, which)) {
                assertEq(abi.decode(answer, (uint256)), 0, "the guilty get nothing");
            }
        }
    }

    // ---------------------------------------------------------------------------------------------- staking

    function unbond(uint256 who, uint256 amount) external {
        if (amount % 40 != 0) return; // or nothing would ever have thawed
        amount = bound(amount, 1, 2000e18);
        vm.prank(nodeAt(who));
        (bool success,) = address(REGISTRY).call(abi.encodeCall(INodeRegistry.unbond, (amount)));
        ok(success, this.unbond.selector);
        if (success) askedAt[nodeAt(who)] = block.timestamp;
    }

    function withdraw(uint256 who) external {
        address node = nodeAt(who);
        bool accused = REGISTRY.account(node).locks != 0;
        uint256 before = REGISTRY.slashable(node);
        uint256 thawing = REGISTRY.account(node).thawing;
        vm.prank(node);
        (bool success,) = address(REGISTRY).call(abi.encodeCall(INodeRegistry.withdraw, (address(0xCA5))));
        ok(success, this.withdraw.selector);
        if (!success) return;
        assertTrue(!accused, "out while accused");
        assertTrue(block.timestamp >= askedAt[node] + UNBONDING, "out before it has thawed");
        assertEq(REGISTRY.slashable(node), before - thawing, "what had thawed, and no more");
        for (uint256 e = 0; e < epoch(); ++e) {
            if (weighedAt[node][e] == 0 || weighedAt[node][e] > askedAt[node]) continue;
            uint256 last = EMISSION.endOf(e) + 2 * EMISSION.WINDOW() + LIMIT;
            assertTrue(block.timestamp > last, "out before the disputes of what it mined end");
        }
    }

    function addStake(uint256 who, uint256 amount) external {
        REGISTRY.addStake(nodeAt(who), bound(amount, 1, 20_000e18));
        ++done[this.addStake.selector];
    }

    function take(uint256 who, uint256 id) external {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = idAt(id);
        vm.prank(nodeAt(who));
        (bool success,) = address(REGISTRY).call(abi.encodeCall(INodeRegistry.addHardware, (ids)));
        ok(success, this.take.selector);
    }

    function release(uint256 who, uint256 id) external {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = idAt(id);
        vm.prank(nodeAt(who));
        (bool success,) = address(REGISTRY).call(abi.encodeCall(INodeRegistry.removeHardware, (ids)));
        ok(success, this.release.selector);
    }

    // ----------------------------------------------------------------------------------------------- cases

    function accuse(uint256 who, uint256 back) external {
        uint256 now_ = epoch();
        if (now_ == 0 || back % 3 != 0) return;
        address accused = back % 15 == 0 ? address(uint160(0xF000 + who % 16)) : nodeAt(who);
        uint256 which = now_ - 1 - (now_ > 1 ? back / 3 % 2 : 0);
        (bool success,) = address(DISPUTES).call(abi.encodeCall(IDisputes.accuse, (accused, which, "evidence")));
        ok(success, this.accuse.selector);
        if (success) opened(BOND);
    }

    function contest(uint256 who, uint256 id) external {
        vm.prank(nodeAt(who));
        (bool success,) = address(DISPUTES).call(abi.encodeCall(IDisputes.contest, (idAt(id))));
        ok(success, this.contest.selector);
        if (success) opened(BOND);
    }

    function opened(uint256 bond) private {
        ++lastCase;
        bonds += bond;
    }

    function vote(uint256 which, uint256 seed) external {
        if (lastCase == 0) return;
        which = lastCase - which % (lastCase < 4 ? lastCase : 4);
        IDisputes.Case memory standing = DISPUTES.cases(which);
        (bool drawn,) = address(DISPUTES).call(abi.encodeCall(IDisputes.drawJury, (which)));
        ok(drawn, IDisputes.drawJury.selector);
        address[] memory list = DISPUTES.jury(which, standing.round);
        for (uint256 i = 0; i < list.length; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed, i)));
            if (s % 6 == 0) continue;
            // mostly of one mind, or nothing would ever be decided
            uint8 cast = uint8(s % 3 == 0 ? (s >> 8) % 4 : seed % 3 == 0 ? (seed >> 8) % 4 : 0);
            vm.prank(list[i]);
            (bool success,) = address(DISPUTES).call(abi.encodeCall(IDisputes.vote, (which, cast)));
            ok(success, this.vote.selector);
        }
    }

    function appeal(uint256 which, uint256 seed) external {
        if (lastCase == 0) return;
        which = lastCase - which % (lastCase < 4 ? lastCase : 4);
        IDisputes.Case memory standing = DISPUTES.cases(which);
        vm.prank(seed % 2 == 0 ? standing.accused : standing.challenger);
        (bool success,) = address(DISPUTES).call(abi.encodeCall(IDisputes.appeal, (which)));
        ok(success, this.appeal.selector);
        if (success) bonds += 2 * BOND;
    }

    function carryOut(uint256 which) external {
        if (lastCase == 0) return;
        which = firstOpen(which);
        address accused = DISPUTES.cases(which).accused;
        (uint256 before, uint256 all) = (REGISTRY.slashable(accused), TOKEN.balanceOf(address(REGISTRY)));
        (bool success,) = address(DISPUTES).call(abi.encodeCall(IDisputes.carryOut, (which)));
        ok(success, this.carryOut.selector);
        uint256 taken = all - TOKEN.balanceOf(address(REGISTRY));
        assertAtMost(taken, before, "slashed beyond stake and thawing");
        assertEq(REGISTRY.slashable(accused), before - taken, "nobody else's is slashed");
        if (success) bonds -= DISPUTES.cases(which).round == 0 ? BOND : 3 * BOND;
    }

    /// @dev The oldest open case, mostly: or those who were accused once would never get out.
    function firstOpen(uint256 seed) private view returns (uint256) {
        if (seed % 4 == 0) return 1 + (seed >> 8) % lastCase;
        uint256 id = 1;
        while (id < lastCase && DISPUTES.cases(id).closed) ++id;
        return id;
    }

    function collect(uint256 who) external {
        address account = who % 2 == 0 ? nodeAt(who) : address(uint160(0xF000 + who % 16));
        vm.prank(account);
        (bool success,) = address(DISPUTES).call(abi.encodeCall(IDisputes.withdraw, (address(0xCA5))));
        ok(success, this.collect.selector);
    }
}
