// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MerkleTree} from "@openzeppelin/contracts/utils/structs/MerkleTree.sol";

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {IEAIToken} from "../utils/IEAIToken.sol";
import {Test} from "../utils/Test.sol";
import {Vm} from "../utils/Vm.sol";
import {LogReader} from "./LogReader.sol";

/// @notice Does to the registry whatever the fuzzer says, as a seller, a buyer, two nodes and the verifiers; and keeps books of its
/// own: it foretells which call succeeds, who is owed what, and what the log's root is.
contract DataHandler is Test, LogReader {
    using MerkleTree for MerkleTree.Bytes32PushTree;

    uint256 private constant VOTING = 3 days;
    uint256 private constant APPEALING = 2 days;
    uint256 private constant CLAIMING = 14 days;
    uint256 private constant CASE_BOND = 60e18;
    uint256 private constant FEE = 10e18;
    uint96 private constant LEAK_BOND = 1000e18 + 7;
    uint256 private constant CANARIES = 8;

    /// @dev A lease as it should be.
    struct Ghost {
        bytes32 id;
        IDataRegistry.LeaseState state;
        address node;
        address guarantor;
        uint256 until;
        uint256 ended;
        uint256 bond;
        uint256 openCase;
        uint256 outputs;
        uint256 burned;
        bool canaries;
        bool key;
    }

    struct GhostCase {
        uint256 lease;
        uint256 first;
        uint256 second;
        address appellant;
        bool closed;
    }

    struct GhostPanel {
        uint256 began;
        uint256 needed;
        uint256 none;
        uint256 found;
        uint256 lease;
        uint256 fee;
        bool closed;
    }

    IDataRegistry public immutable DATA;
    IEAIToken public immutable TOKEN;
    address public immutable SELLER;
    address public immutable BUYER;
    bytes32 public dataset;

    /// @notice How often each action did something.
    mapping(bytes4 action => uint256) public done;
    /// @notice What each account should be owed.
    mapping(address account => uint256) public owed;
    /// @notice What should be held, besides what is owed.
    uint256 public held;
    /// @notice The log's root, as the events say and OpenZeppelin computes.
    bytes32 public root;
    uint256 public entries;
    MerkleTree.Bytes32PushTree private _tree;
    Ghost[] private _leases;
    /// @dev Counted from 1, as the registry's.
    GhostCase[] private _cases;
    GhostPanel[] private _panels;
    address[2] private _nodes;
    address[2] private _owners;

    modifier logged() {
        vm.recordLogs();
        _;
        bytes32[] memory leaves = leavesOf(vm.getRecordedLogs(), address(DATA));
        for (uint256 i = 0; i < leaves.length; ++i) {
            (, root) = _tree.push(leaves[i]);
        }
        entries += leaves.length;
    }

    constructor(
        IDataRegistry data,
        IEAIToken token,
        address seller,
        address buyer,
        address[2] memory nodes,
        address[2] memory owners
    ) {
        (DATA, TOKEN, SELLER, BUYER, _nodes, _owners) = (data, token, seller, buyer, nodes, owners);
        root = _tree.setup(48, 0);
        _cases.push();
        _panels.push();
    }

    function start(bytes32 image) external logged {
        IDataRegistry.DatasetTerms memory t;
        (t.root, t.commitment, t.canaryRoot, t.leakBond) = ("root", "commitment", "canaries", LEAK_BOND);
        bytes32[] memory images = new bytes32[](1);
        images[0] = image;
        vm.prank(SELLER);
        dataset = DATA.publish(t, SELLER, images);
    }

    // ------------------------------------------------------------------------------------------- the books

    function leaseCount() external view returns (uint256) {
        return _leases.length;
    }

    function ghost(uint256 i) external view returns (Ghost memory) {
        return _leases[i];
    }

    function caseCount() external view returns (uint256) {
        return _cases.length - 1;
    }

    function panelCount() external view returns (uint256) {
        return _panels.length - 1;
    }

    function nodeAt(uint256 i) external view returns (address) {
        return _nodes[i];
    }

    function ownerAt(uint256 i) external view returns (address) {
        return _owners[i];
    }

    function call(address by, bytes memory data) private returns (bool ok) {
        vm.prank(by);
        (ok,) = address(DATA).call(data);
    }

    /// @dev A call did as the books foretold.
    function judge(bool ok, bool foretold, bytes4 action) private {
        assertTrue(ok == foretold, ok ? "succeeded, and shouldn't have" : "failed, and shouldn't have");
        if (ok) ++done[action];
    }

    function owe(address account, uint256 amount) private {
        owed[account] += amount;
    }

    /// @dev One of the last leases, mostly.
    function pick(uint256 seed) private view returns (uint256) {
        uint256 count = _leases.length;
        return seed % 8 == 0 ? (seed >> 8) % count : count - 1 - (seed >> 8) % (count < 4 ? count : 4);
    }

    function endOf(Ghost storage l) private view returns (uint256) {
        return l.ended == 0 ? l.until : l.ended;
    }

    function claimable(Ghost storage l) private view returns (bool) {
        return l.guarantor != address(0) && block.timestamp <= endOf(l) + (l.key ? CLAIMING : 0);
    }

    function running(Ghost storage l) private view returns (bool) {
        return l.state == IDataRegistry.LeaseState.Open && block.timestamp <= l.until;
    }

    function finish(Ghost storage l, IDataRegistry.LeaseState how) private {
        l.state = how;
        l.ended = block.timestamp < l.until ? block.timestamp : l.until;
    }

    // ---------------------------------------------------------------------------------------------- leases

    function pass(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1 hours, 20 hours));
        vm.roll(block.number + 5);
        ++done[this.pass.selector];
    }

    function request(uint256 who, uint256 time) external logged {
        if (who % 3 == 0) return; // or the ones that are there would never get anywhere
        IDataRegistry.LeaseTerms memory t;
        (t.dataset, t.node, t.image) = (dataset, _nodes[who % 2], "image");
        t.until = uint40(block.timestamp + bound(time, 1 days, 15 days));
        t.escrowLease = bytes32(_leases.length + 1);
        Ghost storage l = _leases.push();
        vm.prank(BUYER);
        l.id = DATA.requestLease(t);
        (l.state, l.node, l.until) = (IDataRegistry.LeaseState.Requested, t.node, t.until);
        ++done[this.request.selector];
    }

    function open(uint256 which, uint256 how) external logged {
        if (_leases.length == 0) return;
        Ghost storage l = _leases[pick(which)];
        bool may = l.state == IDataRegistry.LeaseState.Requested && block.timestamp < l.until;
        uint256 side = l.node == _nodes[0] ? 0 : 1;
        address by = how % 2 == 0 ? l.node : _owners[side];
        bool ok = call(by, abi.encodeCall(IDataRegistry.openLease, (l.id)));
        judge(ok, may, this.open.selector);
        if (!ok) return;
        (l.state, l.guarantor, l.bond) = (IDataRegistry.LeaseState.Open, by, LEAK_BOND);
        held += LEAK_BOND;
        if (how % 8 == 0) return; // the seller forgets its canaries
        bytes32 canaryRoot = treeOf(l.id, 0, new bytes32[](3));
        assertTrue(call(SELLER, abi.encodeCall(IDataRegistry.commitCanaries, (l.id, canaryRoot))), "commit");
        l.canaries = true;
    }

    function release(uint256 which, bytes32 nonce) external logged {
        if (_leases.length == 0) return;
        Ghost storage l = _leases[pick(which)];
        IDataRegistry.KeyRelease memory r;
        (r.node, r.image, r.nonce) = (l.node, "image", keccak256(abi.encode(nonce, block.timestamp, l.id, entries)));
        bool ok = call(SELLER, abi.encodeCall(IDataRegistry.releaseKey, (l.id, r)));
        judge(ok, running(l), this.release.selector);
        if (ok) l.key = true;
    }

    function work(uint256 which) external logged {
        if (_leases.length == 0) return;
        Ghost storage l = _leases[pick(which)];
        bool started = call(l.node, abi.encodeCall(IDataRegistry.startJob, (l.id, "job")));
        judge(started, running(l) && l.key, this.work.selector);
        if (!started) return;
        IDataRegistry.Output memory output = IDataRegistry.Output("output", "kind", 1);
        assertTrue(call(l.node, abi.encodeCall(IDataRegistry.commitOutput, (l.id, output))), "output");
        ++l.outputs;
    }

    function kill(uint256 which, uint256 how) external logged {
        if (_leases.length == 0 || how % 8 > 1) return;
        Ghost storage l = _leases[pick(which)];
        bool may = l.state == IDataRegistry.LeaseState.Requested || running(l);
        bool ok = call(how % 2 == 0 ? SELLER : BUYER, abi.encodeCall(IDataRegistry.kill, (l.id)));
        judge(ok, may, this.kill.selector);
        if (ok) finish(l, IDataRegistry.LeaseState.Killed);
    }

    function close(uint256 which, uint256 how) external logged {
        if (_leases.length == 0) return;
        Ghost storage l = _leases[pick(which)];
        address by = how % 12 == 0 ? BUYER : how % 12 == 1 ? l.node : address(0xDEAD);
        bool may = l.state == IDataRegistry.LeaseState.Open && (by != address(0xDEAD) || block.timestamp > l.until);
        bool ok = call(by, abi.encodeCall(IDataRegistry.close, (l.id)));
        judge(ok, may, this.close.selector);
        if (ok) finish(l, IDataRegistry.LeaseState.Closed);
    }

    function returnBond(uint256 which) public logged {
        if (_leases.length == 0) return;
        Ghost storage l = _leases[which % _leases.length];
        bool may = l.bond != 0 && l.openCase == 0 && !claimable(l);
        bool ok = call(address(0xDEAD), abi.encodeCall(IDataRegistry.returnBond, (l.id)));
        judge(ok, may, this.returnBond.selector);
        if (!ok) return;
        owe(l.guarantor, l.bond);
        held -= l.bond;
        l.bond = 0;
        if (l.state == IDataRegistry.LeaseState.Open) finish(l, IDataRegistry.LeaseState.Closed);
    }

    // --------------------------------------------------------------------------------------- verifications

    function verify(uint256 which, uint256 number, uint256 fee) external logged {
        if (_leases.length == 0) return;
        uint256 place = pick(which);
        Ghost storage l = _leases[place];
        number = number % (l.outputs + 1);
        fee = bound(fee, FEE - 1, FEE + 1000);
        bool may = number < l.outputs && claimable(l) && fee >= FEE;
        bool ok = call(SELLER, abi.encodeCall(IDataRegistry.requestVerification, (l.id, number, fee)));
        judge(ok, may, this.verify.selector);
        if (!ok) return;
        convene(place, 3, fee);
        held += fee;
    }

    function convene(uint256 place, uint256 needed, uint256 fee) private returns (uint256) {
        GhostPanel storage p = _panels.push();
        (p.began, p.needed, p.lease, p.fee) = (block.timestamp, needed, place, fee);
        return _panels.length - 1;
    }

    function conclude(uint256 which) public logged {
        if (_panels.length == 1) return;
        uint256 panel = 1 + which % (_panels.length - 1);
        GhostPanel storage p = _panels[panel];
        bool may = p.fee != 0 && !p.closed && block.timestamp > p.began + VOTING;
        bool ok = call(address(0xDEAD), abi.encodeCall(IDataRegistry.conclude, (panel)));
        judge(ok, may, this.conclude.selector);
        if (!ok) return;
        p.closed = true;
        held -= p.fee;
        IDataRegistry.Finding finding = finds(panel);
        uint256 paid = finding == IDataRegistry.Finding.Inconclusive ? 0 : reward(panel, finding, p.fee);
        owe(SELLER, p.fee - paid);
    }

    function finds(uint256 panel) private view returns (IDataRegistry.Finding) {
        GhostPanel storage p = _panels[panel];
        if (p.found >= p.needed) return IDataRegistry.Finding.EvidenceFound;
        return p.none >= p.needed ? IDataRegistry.Finding.NoEvidenceFound : IDataRegistry.Finding.Inconclusive;
    }

    /// @dev Who voted so gets its part in the books; returns all of them.
    function reward(uint256 panel, IDataRegistry.Finding finding, uint256 amount) private returns (uint256 paid) {
        IDataRegistry.Seat[] memory seats = DATA.seats(panel);
        GhostPanel storage p = _panels[panel];
        uint256 agreed = finding == IDataRegistry.Finding.EvidenceFound ? p.found : p.none;
        for (uint256 i = 0; i < seats.length; ++i) {
            if (seats[i].finding != finding) continue;
            owe(seats[i].juror, amount / agreed);
            paid += amount / agreed;
        }
    }

    function vote(uint256 which, uint256 seed) external logged {
        if (_panels.length == 1) return;
        uint256 count = _panels.length - 1;
        uint256 panel = count - which % (count < 4 ? count : 4);
        GhostPanel storage p = _panels[panel];
        (bool drawn,) = address(DATA).call(abi.encodeCall(IDataRegistry.drawPanel, (panel)));
        if (drawn) ++done[IDataRegistry.drawPanel.selector];
        IDataRegistry.Seat[] memory seats = DATA.seats(panel);
        for (uint256 i = 0; i < seats.length; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed, i)));
            if (s % 6 == 0) continue;
            // mostly of one mind, or nothing would ever be decided
            IDataRegistry.Finding cast = IDataRegistry.Finding(1 + (s % 5 == 0 ? s >> 8 : seed) % 2);
            bool may = seats[i].finding == IDataRegistry.Finding.Inconclusive && block.timestamp <= p.began + VOTING;
            bool ok = call(seats[i].juror, abi.encodeCall(IDataRegistry.vote, (panel, i, cast, "report")));
            judge(ok, may, this.vote.selector);
            if (!ok) continue;
            if (cast == IDataRegistry.Finding.EvidenceFound) ++p.found;
            else ++p.none;
        }
    }

    // ----------------------------------------------------------------------------------------------- cases

    function accuse(uint256 which) external logged {
        if (_leases.length == 0) return;
        uint256 place = pick(which);
        Ghost storage l = _leases[place];
        uint256 next = l.burned < CANARIES ? l.burned : CANARIES - 1;
        bool may = l.key && l.bond != 0 && l.openCase == 0 && claimable(l) && l.canaries && l.burned < CANARIES;
        IDataRegistry.Canary[] memory list = new IDataRegistry.Canary[](1);
        (list[0].ofLease, list[0].salt, list[0].value) = (true, bytes32(next), "value");
        list[0].proof = new bytes32[](3);
        treeOf(l.id, next, list[0].proof);
        bool ok = call(SELLER, abi.encodeCall(IDataRegistry.openCase, (l.id, "evidence", list)));
        judge(ok, may, this.accuse.selector);
        if (!ok) return;
        ++l.burned;
        GhostCase storage c = _cases.push();
        (c.lease, c.first) = (place, convene(place, 3, 0));
        l.openCase = _cases.length - 1;
        held += CASE_BOND;
    }

    /// @dev The root of a lease's canaries; puts the proof of one of them into `proof`.
    function treeOf(bytes32 id, uint256 index, bytes32[] memory proof) private view returns (bytes32) {
        bytes32[] memory level = new bytes32[](CANARIES);
        for (uint256 i = 0; i < CANARIES; ++i) {
            level[i] = leafOf(id, i);
        }
        for (uint256 d = 0; d < 3; ++d) {
            proof[d] = level[index ^ 1];
            for (uint256 i = 0; i < CANARIES >> (d + 1); ++i) {
                level[i] = Hashes.commutativeKeccak256(level[2 * i], level[2 * i + 1]);
            }
            index /= 2;
        }
        return level[0];
    }

    function leafOf(bytes32 id, uint256 i) public view returns (bytes32) {
        return DATA.canaryLeaf(SELLER, id, bytes32(i), "value");
    }

    function appeal(uint256 which, uint256 how) external logged {
        if (_cases.length == 1) return;
        uint256 id = firstOpen(which);
        GhostCase storage c = _cases[id];
        Ghost storage l = _leases[c.lease];
        uint256 from = _panels[c.first].began + VOTING;
        bool may = !c.closed && c.second == 0 && block.timestamp > from && block.timestamp <= from + APPEALING;
        address by = how % 2 == 0 ? SELLER : how % 4 == 1 ? l.node : l.guarantor;
        bool ok = call(by, abi.encodeCall(IDataRegistry.appeal, (id)));
        judge(ok, may, this.appeal.selector);
        if (!ok) return;
        (c.appellant, c.second) = (by, convene(c.lease, 6, 0));
        held += 2 * CASE_BOND;
    }

    function decide(uint256 which) public logged {
        if (_cases.length == 1) return;
        uint256 id = firstOpen(which);
        GhostCase storage c = _cases[id];
        uint256 last = c.second == 0 ? _panels[c.first].began + VOTING + APPEALING : _panels[c.second].began + VOTING;
        bool may = !c.closed && block.timestamp > last;
        bool ok = call(address(0xDEAD), abi.encodeCall(IDataRegistry.decide, (id)));
        judge(ok, may, this.decide.selector);
        if (ok) settle(c);
    }

    /// @dev Who should get what of a case.
    function settle(GhostCase storage c) private {
        Ghost storage l = _leases[c.lease];
        (c.closed, l.openCase) = (true, 0);
        bool before = finds(c.first) == IDataRegistry.Finding.EvidenceFound;
        bool second = c.second != 0 && finds(c.second) != IDataRegistry.Finding.Inconclusive;
        uint256 panel = second ? c.second : c.first;
        bool proven = second ? finds(panel) == IDataRegistry.Finding.EvidenceFound : before;
        IDataRegistry.Finding finding =
            proven ? IDataRegistry.Finding.EvidenceFound : IDataRegistry.Finding.NoEvidenceFound;
        if (c.second != 0) {
            held -= 2 * CASE_BOND;
            bool bySeller = c.appellant == SELLER;
            if (proven != before && proven == bySeller) owe(c.appellant, 2 * CASE_BOND);
            else owe(bySeller ? l.guarantor : SELLER, 2 * CASE_BOND - reward(panel, finding, CASE_BOND));
        }
        held -= CASE_BOND;
        if (!proven) {
            owe(l.guarantor, CASE_BOND - reward(panel, finding, CASE_BOND / 2));
            ++done[bytes4("free")];
            return;
        }
        owe(SELLER, CASE_BOND + l.bond - reward(panel, finding, l.bond / 5));
        held -= l.bond;
        l.bond = 0;
        if (l.state == IDataRegistry.LeaseState.Open) finish(l, IDataRegistry.LeaseState.Killed);
        ++done[bytes4("leak")];
    }

    /// @dev The oldest open case, mostly.
    function firstOpen(uint256 seed) private view returns (uint256 id) {
        uint256 count = _cases.length - 1;
        if (seed % 4 == 0) return 1 + (seed >> 8) % count;
        id = 1;
        while (id < count && _cases[id].closed) ++id;
    }

    // ---------------------------------------------------------------------------------------------- purses

    function withdraw(uint256 who) public {
        address[21] memory all = everybody();
        take(all[who % 21]);
    }

    function take(address account) public {
        uint256 amount = owed[account];
        uint256 before = TOKEN.balanceOf(address(0xCA5));
        bool ok = call(account, abi.encodeCall(IDataRegistry.withdraw, (address(0xCA5))));
        judge(ok, amount != 0, this.withdraw.selector);
        assertEq(TOKEN.balanceOf(address(0xCA5)), before + amount, "paid what was owed");
        owed[account] = 0;
    }

    /// @notice All who can ever be owed something.
    function everybody() public view returns (address[21] memory all) {
        for (uint256 i = 0; i < 16; ++i) {
            all[i] = address(uint160(0xF000 + i));
        }
        (all[16], all[17], all[18], all[19], all[20]) = (SELLER, _nodes[0], _nodes[1], _owners[0], _owners[1]);
    }
}
