// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {PolicyFixture} from "../policy/PolicyFixture.sol";

/// @notice A seller with a dataset, a buyer, a node whose owner stands for it, and the words to take a lease through its life.
abstract contract DataFixture is PolicyFixture {
    uint256 internal constant CASE_BOND = 60e18;
    uint256 internal constant FEE = 10e18;
    uint256 internal constant CLAIMING = 14 days;
    uint256 internal constant MAX_LEASE = 90 days;
    uint96 internal constant LEAK_BOND = 1000e18;
    bytes32 internal constant IMAGE = keccak256("image");
    bytes32 internal constant IMAGE_2 = keccak256("image 2");
    uint256 internal constant CANARIES = 8;
    address internal constant STRANGER = address(0x5716);
    IDataRegistry.Finding internal constant FOUND = IDataRegistry.Finding.EvidenceFound;
    IDataRegistry.Finding internal constant NONE = IDataRegistry.Finding.NoEvidenceFound;
    IDataRegistry.Finding internal constant OPEN = IDataRegistry.Finding.Inconclusive;

    IDataRegistry internal data;
    address internal seller = address(0x5E11);
    address internal buyer = address(0xB11E);
    address internal broker = address(0xB40C);
    address internal node = address(0x0DE);
    bytes32 internal dataset;
    bytes32 internal leased;

    function setUp() public virtual override {
        super.setUp();
        data = deployData(parameters());
        give(seller, address(data), 100_000e18);
        give(owner, address(data), 100_000e18);
        registerNode(node, owner, 1, 1000e18);
        give(node, address(data), 100_000e18);
        vm.warp(START + 1000);
        dataset = publish(terms());
        leased = request(leaseTerms());
    }

    // ------------------------------------------------------------------------------------------- builders

    function parameters() internal view returns (IDataRegistry.Parameters memory p) {
        (p.token, p.registry) = (address(token), address(registry));
        (p.bond, p.fee) = (uint96(CASE_BOND), uint96(FEE));
        (p.voting, p.appealing, p.claiming, p.maxLease) = (VOTING, APPEALING, CLAIMING, MAX_LEASE);
        (p.drawn, p.quorum) = (DRAWN, QUORUM);
    }

    function deployData(IDataRegistry.Parameters memory p) internal returns (IDataRegistry) {
        return IDataRegistry(deploy("DataRegistry.sol:DataRegistry", abi.encode(p)));
    }

    function terms() internal view returns (IDataRegistry.DatasetTerms memory t) {
        (t.root, t.commitment) = ("root", "commitment");
        t.canaryRoot = rootOf(canaryLeaves(0));
        (t.minimum, t.leakBond) = (IDataRegistry.Assurance.L1Sandboxed, LEAK_BOND);
    }

    function leaseTerms() internal view returns (IDataRegistry.LeaseTerms memory t) {
        (t.dataset, t.node, t.image) = (dataset, node, IMAGE);
        (t.assurance, t.until) = (IDataRegistry.Assurance.L2Attested, uint40(block.timestamp + 30 days));
        t.escrowLease = "escrow lease";
    }

    function keyRelease(bytes32 nonce) internal view returns (IDataRegistry.KeyRelease memory r) {
        (r.node, r.image, r.policy, r.nodeKey, r.nonce) = (node, IMAGE, "policy", "node key", nonce);
    }

    function output() internal pure returns (IDataRegistry.Output memory) {
        return IDataRegistry.Output({root: "output", kind: keccak256("text/csv"), size: 12});
    }

    // ---------------------------------------------------------------------------------------- a lease's life

    function publish(IDataRegistry.DatasetTerms memory t) internal returns (bytes32) {
        vm.prank(seller);
        return data.publish(t, broker, one(IMAGE));
    }

    function request(IDataRegistry.LeaseTerms memory t) internal returns (bytes32) {
        vm.prank(buyer);
        return data.requestLease(t);
    }

    function open(bytes32 id) internal {
        vm.prank(owner);
        data.openLease(id);
    }

    function commit(bytes32 id) internal {
        bytes32 root = rootOf(canaryLeaves(id));
        vm.prank(seller);
        data.commitCanaries(id, root);
    }

    function releaseKey(bytes32 id, bytes32 nonce) internal {
        vm.prank(broker);
        data.releaseKey(id, keyRelease(nonce));
    }

    function run(bytes32 id) internal {
        vm.startPrank(node);
        data.startJob(id, "job");
        data.commitOutput(id, output());
        vm.stopPrank();
    }

    /// @notice The fixture's lease, with canaries of its own, and a key released.
    function released() internal returns (bytes32 id) {
        id = leased;
        open(id);
        commit(id);
        releaseKey(id, "nonce");
    }

    function endOf(bytes32 id) internal view returns (uint256) {
        return data.leases(id).terms.until;
    }

    // --------------------------------------------------------------------------------------------- canaries

    function saltOf(uint256 i) internal pure returns (bytes32) {
        return keccak256(abi.encode("salt", i));
    }

    function valueOf(uint256 i) internal pure returns (bytes memory) {
        return abi.encodePacked("Jane Canary, ", i, " Nowhere Lane");
    }

    function canaryLeaves(bytes32 subject) internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](CANARIES);
        for (uint256 i = 0; i < CANARIES; ++i) {
            leaves[i] = data.canaryLeaf(seller, subject, saltOf(i), valueOf(i));
        }
    }

    /// @notice The root of a tree of 2^n leaves.
    function rootOf(bytes32[] memory leaves) internal pure returns (bytes32 root) {
        (root,) = walk(leaves, 0);
    }

    function walk(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32 root, bytes32[] memory proof) {
        uint256 depth = 0;
        while (1 << depth < leaves.length) ++depth;
        proof = new bytes32[](depth);
        bytes32[] memory level = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            level[i] = leaves[i];
        }
        for (uint256 d = 0; d < depth; ++d) {
            proof[d] = level[index ^ 1];
            for (uint256 i = 0; i < leaves.length >> (d + 1); ++i) {
                level[i] = Hashes.commutativeKeccak256(level[2 * i], level[2 * i + 1]);
            }
            index /= 2;
        }
        root = level[0];
    }

    /// @notice Canary `i` of the dataset (`subject` 0) or of a lease.
    function canary(bytes32 subject, uint256 i) internal view returns (IDataRegistry.Canary memory opened) {
        (opened.ofLease, opened.salt, opened.value) = (subject != 0, saltOf(i), valueOf(i));
        (, opened.proof) = walk(canaryLeaves(subject), i);
    }

    function canaries(bytes32 subject, uint256 i) internal view returns (IDataRegistry.Canary[] memory list) {
        list = new IDataRegistry.Canary[](1);
        list[0] = canary(subject, i);
    }

    // ------------------------------------------------------------------------------------- panels and cases

    /// @notice Opens case number `i` about a lease, with canary `i` of its own.
    function openCase(bytes32 id, uint256 i) internal returns (uint256 caseId) {
        IDataRegistry.Canary[] memory list = canaries(id, i);
        vm.prank(seller);
        caseId = data.openCase(id, "evidence", list);
    }

    function draw(uint256 panel) internal {
        vm.roll(block.number + 3);
        data.drawPanel(panel);
    }

    function castAt(uint256 panel, uint256 seat, IDataRegistry.Finding finding) internal {
        vm.prank(data.seats(panel)[seat].juror);
        data.vote(panel, seat, finding, "report");
    }

    /// @notice The first `count` of a panel vote.
    function castAll(uint256 panel, uint256 count, IDataRegistry.Finding finding) internal {
        for (uint256 i = 0; i < count; ++i) {
            castAt(panel, i, finding);
        }
    }

    /// @notice A case with a key released, whose first jury is drawn.
    function accused() internal returns (uint256 caseId, uint256 panel) {
        bytes32 id = released();
        caseId = openCase(id, 0);
        panel = data.cases(caseId).first;
        draw(panel);
    }

    function appealAs(address by, uint256 caseId) internal returns (uint256 panel) {
        vm.prank(by);
        data.appeal(caseId);
        panel = data.cases(caseId).second;
    }

    /// @notice The balance of all that `data` holds, by whom it belongs to.
    function held() internal view returns (uint256) {
        return token.balanceOf(address(data));
    }

    // --------------------------------------------------------------------------------------- for the tests

    /// @dev The next entry of the log is to be this.
    function expectLog(IDataRegistry.Operation operation, bytes32 subject, address actor, bytes memory detail)
        internal
    {
        uint256 index = data.logCount();
        vm.expectEmit(address(data));
        emit IDataRegistry.Logged(index, operation, subject, actor, block.timestamp, detail);
    }

    function state(bytes32 id) internal view returns (uint256) {
        return uint256(data.leases(id).state);
    }

    function is_(bytes32 id, IDataRegistry.LeaseState wanted) internal view {
        assertEq(state(id), uint256(wanted), "state");
    }

    function seatOf(uint256 panel, uint256 i) internal view returns (address) {
        return data.seats(panel)[i].juror;
    }

    function finds(uint256 panel, IDataRegistry.Finding wanted) internal view {
        assertEq(uint256(data.findingOf(panel)), uint256(wanted), "finding");
    }

    /// @dev Past the end of the voting that began now.
    function passVoting() internal {
        vm.warp(block.timestamp + VOTING + 1);
    }

    function decided(uint256 caseId) internal {
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        data.decide(caseId);
    }

    /// @dev What everybody is owed.
    function allOwed() internal view returns (uint256 sum) {
        sum = data.owed(owner) + data.owed(node) + data.owed(seller) + data.owed(buyer);
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            sum += data.owed(verifierAt(i));
        }
    }

    /// @dev A verification of the fixture's lease; its panel isn't drawn.
    function asked() internal returns (uint256 panel) {
        released();
        run(leased);
        vm.prank(seller);
        panel = data.requestVerification(leased, 0, FEE);
    }

    function verified() internal returns (uint256 panel) {
        panel = asked();
        draw(panel);
    }

    function refuse(bytes32 id, IDataRegistry.Canary memory bad, bytes4 why) internal {
        refuse(id, bad, abi.encodeWithSelector(why));
    }

    function refuseBurned(bytes32 id, IDataRegistry.Canary memory bad, bytes32 leaf) internal {
        refuse(id, bad, abi.encodeWithSelector(IDataRegistry.Burned.selector, leaf));
    }

    function refuse(bytes32 id, IDataRegistry.Canary memory bad, bytes memory why) internal {
        IDataRegistry.Canary[] memory list = new IDataRegistry.Canary[](1);
        list[0] = bad;
        vm.expectRevert(why);
        vm.prank(seller);
        data.openCase(id, "evidence", list);
    }

    /// @dev Another lease of the same dataset, a key released.
    function second() internal returns (bytes32 id) {
        IDataRegistry.LeaseTerms memory t = leaseTerms();
        t.escrowLease = "second";
        id = request(t);
        open(id);
    }

    function returned() internal {
        open(leased);
        vm.warp(data.claimableUntil(leased) + 1);
        data.returnBond(leased);
    }
}
