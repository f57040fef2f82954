// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Catalog} from "../../src/exchange/Catalog.sol";
import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {IDataRegistry} from "../../src/interfaces/IDataRegistry.sol";
import {IGuardrail} from "../../src/interfaces/IGuardrail.sol";
import {IRaceBonds} from "../../src/interfaces/IRaceBonds.sol";
import {Guardrail} from "../../src/policy/Guardrail.sol";
import {RaceBonds} from "../../src/policy/RaceBonds.sol";
import {PoolFixture} from "../policy/PoolFixture.sol";

/// @notice Everything at once: what the pool's fixture has, and guardrail, races, catalog and data registry beside it. The
/// foundation is this contract, node and provider are one account, as they are in EAI.
abstract contract WholeFixture is PoolFixture {
    uint256 internal constant SELLER_KEY = 0x5E11E4;
    uint256 internal constant STAKE = 10_000e18;
    uint256 internal constant LISTING_BOND = 100e18;
    uint96 internal constant LEAK_BOND = 300e18;
    bytes32 internal constant IMAGE = keccak256("image");
    bytes32 internal constant REASON = keccak256("reason");

    Guardrail internal guardrail;
    RaceBonds internal races;
    Catalog internal catalog;
    IDataRegistry internal data;
    address internal seller = vm.addr(SELLER_KEY);
    address internal broker = address(0xB40C);
    bytes32 internal dataset;

    function setUp() public virtual override {
        super.setUp();
        guardrail = new Guardrail(payable(address(timelock)), council(3), 2);
        races = new RaceBonds(address(token), address(escrow), address(registry), 1 days, 2 days);
        catalog = new Catalog(catalogParameters());
        data = IDataRegistry(deploy("DataRegistry.sol:DataRegistry", abi.encode(dataParameters())));
        registerNode(provider, owner, 1, STAKE);
        give(provider, address(data), 1000e18);
        give(seller, address(catalog), 1000e18);
        give(seller, address(data), 1000e18);
        give(payer, address(catalog), 1000e18);
        publish();
        vm.warp(START + 1000);
    }

    function catalogParameters() private view returns (Catalog.Parameters memory) {
        return Catalog.Parameters({
            token: address(token),
            escrow: address(escrow),
            vault: address(emission),
            minBond: LISTING_BOND,
            maxWindow: 14 days,
            bondHold: 30 days,
            useNotice: 7 days
        });
    }

    function dataParameters() private view returns (IDataRegistry.Parameters memory p) {
        (p.token, p.registry) = (address(token), address(registry));
        (p.bond, p.fee) = (60e18, 10e18);
        (p.voting, p.appealing, p.claiming, p.maxLease) = (VOTING, APPEALING, 14 days, 90 days);
        (p.drawn, p.quorum) = (DRAWN, QUORUM);
    }

    // --------------------------------------------------------------------------------------------- council

    function council(uint256 count) internal pure returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = address(uint160(0xC0C0 + i));
        }
    }

    /// @dev The first two of the council.
    function impose(IGuardrail.Kind kind, bytes32 subject) internal {
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(council(3)[i]);
            guardrail.propose(kind, subject, 7 days, REASON);
        }
    }

    // ------------------------------------------------------------------------------------------------ data

    function publish() private {
        IDataRegistry.DatasetTerms memory t;
        (t.root, t.commitment, t.canaryRoot) = ("root", "commitment", "canaries");
        (t.minimum, t.leakBond) = (IDataRegistry.Assurance.L1Sandboxed, LEAK_BOND);
        vm.prank(seller);
        dataset = data.publish(t, broker, one(IMAGE));
    }

    /// @notice A lease of the dataset, for which the node stands.
    function dataLease() internal returns (bytes32 id) {
        IDataRegistry.LeaseTerms memory t;
        (t.dataset, t.node, t.image, t.escrowLease) = (dataset, provider, IMAGE, "escrow lease");
        (t.assurance, t.until) = (IDataRegistry.Assurance.L2Attested, uint40(block.timestamp + 30 days));
        vm.prank(payer);
        id = data.requestLease(t);
        vm.prank(provider);
        data.openLease(id);
    }

    function keyRelease(bytes32 nonce) internal view returns (IDataRegistry.KeyRelease memory r) {
        (r.node, r.image, r.policy, r.nodeKey, r.nonce) = (provider, IMAGE, "policy", "node key", nonce);
    }

    // --------------------------------------------------------------------------------------------- catalog

    /// @notice A model for 10 EAI, to be refunded within three days.
    function listing() internal returns (uint256 id) {
        ICatalog.Draft memory draft;
        (draft.kind, draft.terms, draft.derivable) = (ICatalog.Kind.Model, ICatalog.Terms.OneOff, true);
        (draft.window, draft.price, draft.bond) = (3 days, 10e18, uint96(LISTING_BOND));
        (draft.licence, draft.root) = ("licence", "root");
        vm.prank(seller);
        id = catalog.list(draft, new uint256[](0));
    }

    function buyIt(uint256 id) internal returns (uint256 sale) {
        uint32 version = catalog.listings(id).version;
        vm.prank(payer);
        sale = catalog.buy(id, version, 1, 10e18);
    }

    // ----------------------------------------------------------------------------------------------- races

    function readiness(address provider_, uint64 attempt) internal view returns (IRaceBonds.Readiness memory r) {
        (r.provider, r.hubKey, r.namespaceId, r.jobId) = (provider_, hub, NAMESPACE, keccak256("job"));
        (r.generation, r.attempt, r.bond, r.startWithin) = (1, attempt, 20e18, 60);
        (r.validUntil, r.nonce) = (uint64(block.timestamp + 1 hours), races.nonceOf(provider_));
    }

    /// @notice The node's capital, of which a part is locked for a race that it won.
    function race() internal returns (bytes32 id) {
        token.approve(address(races), 100e18);
        races.deposit(provider, 100e18);
        IRaceBonds.Readiness memory pledge = readiness(provider, 77);
        bytes memory signature = sign(PROVIDER_KEY, races.readinessDigest(pledge));
        vm.prank(hub);
        id = races.lock(pledge, signature);
    }
}
