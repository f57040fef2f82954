// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IMiningPool} from "../../src/interfaces/IMiningPool.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {PolicyFixture} from "./PolicyFixture.sol";

/// @notice The factory as tests call it: its artifact is deployed, as it would be on a chain.
interface IMiningPools {
    event Created(
        address indexed operator,
        address indexed pool,
        uint256 minRate,
        uint256 feeBps,
        INodeRegistry.Form form,
        uint8 class
    );

    error NoEmission();

    function create(uint256 minRate, uint256 feeBps, INodeRegistry.Form form, uint8 class) external returns (address);
    function isPool(address pool) external view returns (bool);
    function pools(uint256 i) external view returns (address);
    function count() external view returns (uint256);
    function IMPLEMENTATION() external view returns (address);
}

/// @notice A pool with an operator and admitted members, and the words to take it through an epoch.
abstract contract PoolFixture is PolicyFixture {
    uint256 internal constant OPERATOR_KEY = 0x09E8;
    uint256 internal constant FEE_BPS = 500;
    uint256 internal constant MIN_RATE = RATE / 2;
    uint256 internal constant HOUR_MS = 3_600_000;
    address internal constant STRANGER = address(0x57A6);

    IMiningPools internal factory;
    IMiningPool internal pool;
    address internal operator = vm.addr(OPERATOR_KEY);

    uint64 private _leases;

    function setUp() public virtual override {
        super.setUp();
        factory = IMiningPools(deploy("MiningPools.sol:MiningPools", abi.encode(address(emission))));
        vm.prank(operator);
        pool = IMiningPool(factory.create(MIN_RATE, FEE_BPS, INodeRegistry.Form.Business, 1));
        for (uint256 i = 0; i < 4; ++i) {
            give(memberAt(i), address(pool), 1_000_000e18);
            vm.prank(operator);
            pool.admit(memberAt(i), true);
        }
    }

    // -------------------------------------------------------------------------------------------- members

    function memberAt(uint256 i) internal pure returns (address) {
        return address(uint160(0xE000 + i));
    }

    /// @notice Device `which` of member `i`.
    function idOf(uint256 i, uint256 which) internal pure returns (bytes32) {
        return keccak256(abi.encode(memberAt(i), which));
    }

    function joinAs(uint256 i, uint256 devices, uint256 amount) internal {
        bytes32[] memory ids = hardwareOf(memberAt(i), devices);
        vm.prank(memberAt(i));
        pool.join(ids, amount);
    }

    function remove(uint256 i, bytes32 id) internal {
        vm.prank(memberAt(i));
        pool.removeHardware(one(id));
    }

    function exit(uint256 i, uint256 amount) internal returns (uint256 round) {
        vm.prank(memberAt(i));
        round = pool.requestExit(amount);
    }

    /// @notice Sends what is owed to member `i`; returns it.
    function payOut(uint256 i) internal returns (uint256 amount) {
        if (pool.owed(memberAt(i)) == 0) return 0;
        vm.prank(memberAt(i));
        amount = pool.withdraw(memberAt(i));
    }

    /// @notice The court takes `amount` of the pool's.
    function slash(uint256 amount) internal {
        vm.prank(address(disputes));
        registry.slash(address(pool), amount, 0);
    }

    // --------------------------------------------------------------------------------------------- offers

    function poolOffer() internal view returns (IEscrow.Offer memory offer) {
        offer = defaultOffer();
        (offer.provider, offer.nonce) = (address(pool), escrow.offerNonce(address(pool)));
        offer.validUntil = START + 36500 days;
    }

    function offerSignature(IEscrow.Offer memory offer, uint256 key) internal view returns (bytes memory) {
        return abi.encode(offer, sign(key, escrow.offerDigest(offer)));
    }

    /// @notice Opens a lease of `units` with the pool.
    function poolLease(uint64 units) internal returns (IEscrow.LeaseTerms memory terms) {
        IEscrow.LeaseRequest memory request = defaultRequest();
        (request.milliUnits, request.attempt, request.openBy) = (units * UNIT, 5000 + ++_leases, START + 36500 days);
        request.hold = 100_000e18;
        IEscrow.Offer memory offer = poolOffer();
        openAs(hub, request, offer, offerSignature(offer, OPERATOR_KEY));
        terms = termsOf(request, address(pool), hub);
        assertTrue(lease(terms).openedAt != 0, "the lease was opened");
    }

    function recordAs(address caller, IEscrow.LeaseTerms memory terms) internal {
        IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](1);
        list[0] = terms;
        vm.prank(caller);
        pool.record(list);
    }

    // --------------------------------------------------------------------------------------------- splits

    function leafOf(bytes32 id, uint256 time) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(id, time))));
    }

    function leavesOf(bytes32[] memory ids, uint256[] memory times) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            leaves[i] = leafOf(ids[i], times[i]);
        }
    }

    /// @dev The layer above: pairs hashed, an odd one carried up.
    function above(bytes32[] memory layer) private pure returns (bytes32[] memory next) {
        next = new bytes32[]((layer.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            bool odd = 2 * i + 1 == layer.length;
            next[i] = odd ? layer[2 * i] : Hashes.commutativeKeccak256(layer[2 * i], layer[2 * i + 1]);
        }
    }

    function rootOf(bytes32[] memory ids, uint256[] memory times) internal pure returns (bytes32) {
        bytes32[] memory layer = leavesOf(ids, times);
        while (layer.length > 1) {
            layer = above(layer);
        }
        return layer[0];
    }

    function proofOf(bytes32[] memory ids, uint256[] memory times, uint256 which)
        internal
        pure
        returns (bytes32[] memory proof)
    {
        bytes32[] memory layer = leavesOf(ids, times);
        bytes32[] memory all = new bytes32[](32);
        uint256 count = 0;
        for (; layer.length > 1; which /= 2) {
            if (which ^ 1 < layer.length) all[count++] = layer[which ^ 1];
            layer = above(layer);
        }
        proof = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            proof[i] = all[i];
        }
    }

    function sumOf(uint256[] memory times) internal pure returns (uint256 sum) {
        for (uint256 i = 0; i < times.length; ++i) {
            sum += times[i];
        }
    }

    /// @notice All who are drawn attest the split, with `total` for its sum, and the pool is weighed and allotted.
    function attestSplit(uint256 epoch, bytes32[] memory ids, uint256[] memory times, uint256 total) internal {
        warpToEnd(epoch, 0);
        seed(epoch);
        attestAll(address(pool), epoch, total, ids.length == 0 ? bytes32(0) : rootOf(ids, times));
        warpToEnd(epoch, PHASE);
        emission.weigh(address(pool), epoch);
        warpToEnd(epoch, 2 * PHASE);
        if (emission.shareOf(address(pool), epoch).weight != 0) emission.allot(address(pool), epoch);
    }

    function attestSplit(uint256 epoch, bytes32[] memory ids, uint256[] memory times) internal {
        attestSplit(epoch, ids, times, sumOf(times));
    }

    function proveAt(uint256 epoch, bytes32[] memory ids, uint256[] memory times, uint256 which) internal {
        pool.prove(epoch, ids[which], times[which], proofOf(ids, times, which));
    }

    function two(bytes32 a, bytes32 b) internal pure returns (bytes32[] memory ids) {
        ids = new bytes32[](2);
        (ids[0], ids[1]) = (a, b);
    }

    function hoursOf(uint256 a, uint256 b) internal pure returns (uint256[] memory times) {
        times = new uint256[](2);
        (times[0], times[1]) = (a * HOUR_MS, b * HOUR_MS);
    }

    // --------------------------------------------------------------------------------------------- books

    /// @notice What the pool's tokens are, less what it owes by its own books, for epochs below `epochs` and `ids`.
    function unowed(uint256 epochs, bytes32[] memory ids, address[] memory accounts) internal view returns (uint256) {
        uint256 sum = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            sum += pool.owed(accounts[i]);
        }
        for (uint256 i = 0; i < pool.round(); ++i) {
            sum += pool.rounds(i).paid;
        }
        for (uint256 epoch = 0; epoch < epochs; ++epoch) {
            uint256 credited = pool.incomes(epoch).fee;
            for (uint256 i = 0; i < ids.length; ++i) {
                credited += pool.parts(epoch, ids[i]).paid;
            }
            assertAtMost(credited, pool.incomeOf(epoch), "credited beyond the income");
            sum += pool.incomeOf(epoch) - credited;
        }
        uint256 balance = token.balanceOf(address(pool));
        assertAtMost(sum, balance, "owed beyond what is there");
        return balance - sum;
    }
}
