// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEmissionController} from "../../src/interfaces/IEmissionController.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IMiningPool} from "../../src/interfaces/IMiningPool.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {IEAIToken} from "../utils/IEAIToken.sol";
import {Test} from "../utils/Test.sol";

/// @notice Does to a pool whatever the fuzzer says, as four members, the court and a stranger who sends gifts; and keeps a model of
/// what is whose: stakes in fractions of a wei, incomes and holders as they came.
contract PoolHandler is Test {
    uint256 public constant MEMBERS = 4;
    uint256 public constant IDS = 6;
    uint256 private constant FINE = 1e18;
    uint256 private constant HUB_KEY = 0x4B;
    uint256 private constant HOUR_MS = 3_600_000;

    IEAIToken public immutable TOKEN;
    IEscrow public immutable ESCROW;
    INodeRegistry public immutable REGISTRY;
    IEmissionController public immutable EMISSION;
    IMiningPool public immutable POOL;

    /// @notice What each has at stake, thawing included, in 1e-18 wei.
    mapping(uint256 member => uint256) public atStake;
    /// @notice What came in for each epoch, but for what was mined.
    mapping(uint256 epoch => uint256) public came;
    /// @notice Each loss and each exit may round a few wei off.
    uint256 public roundings;
    /// @notice Who had an id in an epoch.
    mapping(bytes32 id => mapping(uint256 epoch => address)) public had;
    /// @notice Who has it, and in which epoch that was last written down.
    mapping(bytes32 id => address) public has;
    mapping(bytes32 id => uint256) private _writtenUntil;
    /// @notice How often each action did something.
    mapping(bytes4 action => uint256) public done;

    IEscrow.LeaseTerms private _terms;
    address private immutable _OPERATOR;
    address private immutable _COURT;

    constructor(
        IEAIToken token,
        IEscrow escrow,
        IEmissionController emission,
        IMiningPool pool,
        IEscrow.LeaseTerms memory terms
    ) {
        (TOKEN, ESCROW, EMISSION, POOL, _terms) = (token, escrow, emission, pool, terms);
        REGISTRY = emission.REGISTRY();
        (_OPERATOR, _COURT) = (pool.operator(), address(emission.DISPUTES()));
    }

    /// @notice What a member staked before the walk began.
    function begin(uint256 who, uint256 amount) external {
        atStake[who] = amount * FINE;
    }

    function memberAt(uint256 i) public pure returns (address) {
        return address(uint160(0xE000 + i % MEMBERS));
    }

    function idAt(uint256 i) public pure returns (bytes32) {
        return bytes32(i % IDS + 1);
    }

    function ids() public pure returns (bytes32[] memory list) {
        list = new bytes32[](IDS);
        for (uint256 i = 0; i < IDS; ++i) {
            list[i] = idAt(i);
        }
    }

    function epoch() public view returns (uint256) {
        return EMISSION.epochAt(block.timestamp);
    }

    function one(bytes32 id) private pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = id;
    }

    function run(bytes memory data, bytes4 action) private returns (bool success) {
        (success,) = address(POOL).call(data);
        if (success) ++done[action];
    }

    function stakeIn() public view returns (uint256) {
        return REGISTRY.slashable(address(POOL));
    }

    // ------------------------------------------------------------------------------------------------- time

    function pass(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1 hours, 20 hours));
        vm.roll(block.number + 5);
        ++done[this.pass.selector];
    }

    // ----------------------------------------------------------------------------------------------- members

    function stake(uint256 who, uint256 amount) external {
        amount = amount % 3 == 0 ? bound(amount, 1, 1000) : bound(amount, 1, 5000e18);
        vm.prank(memberAt(who));
        if (!run(abi.encodeCall(IMiningPool.join, (new bytes32[](0), amount)), this.stake.selector)) return;
        atStake[who % MEMBERS] += amount * FINE;
    }

    function bring(uint256 who, uint256 id) external {
        vm.prank(memberAt(who));
        if (!run(abi.encodeCall(IMiningPool.join, (one(idAt(id)), 0)), this.bring.selector)) return;
        write(idAt(id), epoch());
        assertTrue(has[idAt(id)] == address(0) && had[idAt(id)][epoch()] == address(0), "one holder in an epoch");
        (has[idAt(id)], had[idAt(id)][epoch()]) = (memberAt(who), memberAt(who));
    }

    function remove(uint256 who, uint256 id) external {
        vm.prank(memberAt(who));
        if (!run(abi.encodeCall(IMiningPool.removeHardware, (one(idAt(id)))), this.remove.selector)) return;
        assertEq(has[idAt(id)], memberAt(who), "nobody else's");
        write(idAt(id), epoch());
        has[idAt(id)] = address(0);
    }

    function tidy(uint256 id) external {
        uint256 devices = POOL.members(has[idAt(id)]).devices;
        if (!run(abi.encodeCall(IMiningPool.tidy, (one(idAt(id)))), this.tidy.selector)) return;
        write(idAt(id), epoch());
        if (has[idAt(id)] != address(0)) {
            assertEq(POOL.members(has[idAt(id)]).devices, devices - 1, "one less");
            has[idAt(id)] = address(0);
        }
    }

    /// @notice Writes down who had the id in the epochs until `until`.
    function write(bytes32 id, uint256 until) public {
        for (uint256 e = _writtenUntil[id] + 1; e <= until; ++e) {
            had[id][e] = has[id];
        }
        if (until > _writtenUntil[id]) _writtenUntil[id] = until;
    }

    /// @notice A contest that somebody outside wins or nobody does, or the pool.
    function contest(uint256 id, uint256 outcome) external {
        if (outcome % 4 != 0) return;
        INodeRegistry.Hardware memory device = REGISTRY.hardware(idAt(id));
        if (device.node != address(POOL) || device.freeAt != 0) return;
        vm.prank(_COURT);
        if (device.contested) REGISTRY.endContest(idAt(id), outcome % 8 == 0 ? address(POOL) : address(0));
        else REGISTRY.startContest(idAt(id));
        ++done[this.contest.selector];
    }

    // ------------------------------------------------------------------------------------------------- exits

    function requestExit(uint256 who, uint256 amount) external {
        uint256 all = POOL.stakeOf(memberAt(who));
        if (all == 0) return;
        amount = amount % 4 == 0 ? type(uint256).max : bound(amount, 1, all);
        vm.prank(memberAt(who));
        run(abi.encodeCall(IMiningPool.requestExit, (amount)), this.requestExit.selector);
        ++roundings;
    }

    function startRound() external {
        uint256 thawing = REGISTRY.account(address(POOL)).thawing;
        if (!run(abi.encodeCall(IMiningPool.startRound, ()), this.startRound.selector)) return;
        assertEq(thawing, 0, "nobody who thaws waits longer");
    }

    function finishRound() external {
        uint256 number = POOL.round();
        if (number == 0 || !run(abi.encodeCall(IMiningPool.finishRound, ()), this.finishRound.selector)) return;
        IMiningPool.Round memory over = POOL.rounds(number - 1);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            uint256 part = uint256(over.paid) * FINE / over.shares * POOL.exitOf(memberAt(i), number - 1);
            // what was paid is out of the court's reach
            atStake[i] = part > atStake[i] ? 0 : atStake[i] - part;
        }
        roundings += 4;
    }

    function takeExit(uint256 who, uint256 number) external {
        number = POOL.round() == 0 ? 0 : number % POOL.round();
        run(abi.encodeCall(IMiningPool.takeExit, (memberAt(who), number)), this.takeExit.selector);
        ++roundings;
    }

    function withdraw(uint256 who) external {
        address account = who % 5 == 4 ? _OPERATOR : memberAt(who);
        uint256 owed = POOL.owed(account);
        uint256 before = TOKEN.balanceOf(account);
        vm.prank(account);
        if (!run(abi.encodeCall(IMiningPool.withdraw, (account)), this.withdraw.selector)) return;
        assertEq(TOKEN.balanceOf(account), before + owed, "what was owed, to who it was owed to");
    }

    // ----------------------------------------------------------------------------------------- court and gifts

    /// @notice A verdict takes up to a tenth, or rarely up to nine tenths.
    function slash(uint256 amount) external {
        uint256 all = stakeIn();
        if (all < 1e15 || amount % 3 != 0 || POOL.index() < 1e22) return;
        amount = bound(amount, 1, amount % 9 == 0 ? all * 9 / 10 : all / 10);
        uint256 whose = modelled();
        vm.prank(_COURT);
        REGISTRY.slash(address(POOL), amount, 0);
        // gifts bear it first
        uint256 rest = (all - amount) * FINE;
        if (rest < whose) {
            for (uint256 i = 0; i < MEMBERS; ++i) {
                atStake[i] = atStake[i] / 1e6 * (rest / 1e12) / (whose / 1e12) * 1e6;
            }
        }
        ++roundings;
        ++done[this.slash.selector];
    }

    function modelled() public view returns (uint256 sum) {
        for (uint256 i = 0; i < MEMBERS; ++i) {
            sum += atStake[i];
        }
    }

    function gift(uint256 amount) external {
        // A gift after a loss that nothing has written down yet makes it good, which the model doesn't know.
        bool isWritten = POOL.index() * POOL.totalShares() / 1e27 <= stakeIn();
        if (amount % 8 != 0 || !isWritten) return;
        amount = bound(amount, 1, 10e18);
        REGISTRY.addStake(address(POOL), amount);
        ++done[this.gift.selector];
    }

    // ------------------------------------------------------------------------------------------------ income

    function work(uint256 amount) external {
        IEscrow.Settlement[] memory list = new IEscrow.Settlement[](1);
        list[0].terms = _terms;
        list[0].cumulativeAmount = ESCROW.lease(keccak256(abi.encode(_terms))).paid + bound(amount, 1, 500e18);
        bytes32 digest = ESCROW.voucherDigest(
            IEscrow.Voucher({
                leaseId: keccak256(abi.encode(_terms)),
                payer: _terms.payer,
                provider: _terms.provider,
                generation: _terms.generation,
                attempt: _terms.attempt,
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
        if (amount % 2 == 0) return;
        IEscrow.LeaseTerms[] memory leases = new IEscrow.LeaseTerms[](1);
        leases[0] = _terms;
        vm.prank(_OPERATOR);
        POOL.record(leases);
    }

    function harvest() external {
        uint256 amount = ESCROW.balanceOf(address(POOL));
        if (run(abi.encodeCall(IMiningPool.harvest, ()), this.harvest.selector)) came[epoch()] += amount;
    }

    function rollOver(uint256 which) external {
        which %= epoch() + 1;
        uint256 amount = POOL.incomeOf(which);
        if (!run(abi.encodeCall(IMiningPool.rollOver, (which)), this.rollOver.selector)) return;
        came[which + 1] += amount;
        assertEq(POOL.incomeOf(which), 0, "all of it");
    }

    /// @dev A tree of the six ids: who knows two layers knows a proof.
    function leaf(uint256 which, uint256 i) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(idAt(i), timeOf(which, i)))));
    }

    /// @notice What is attested for an id in an epoch: of the sixth nothing.
    function timeOf(uint256 which, uint256 i) public pure returns (uint256) {
        return i == 5 ? 0 : uint256(keccak256(abi.encode(which, i))) % (100 * HOUR_MS);
    }

    function pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function layer(uint256 which, uint256 i) private pure returns (bytes32) {
        return pair(leaf(which, 2 * i), leaf(which, 2 * i + 1));
    }

    function proof(uint256 which, uint256 i) private pure returns (bytes32[] memory list) {
        list = new bytes32[](i < 4 ? 3 : 2);
        list[0] = leaf(which, i ^ 1);
        if (i < 4) (list[1], list[2]) = (layer(which, (i / 2) ^ 1), layer(which, 2));
        else list[1] = pair(layer(which, 0), layer(which, 1));
    }

    function attest(uint256 seed) external {
        if (epoch() == 0) return;
        uint256 ended = epoch() - 1;
        if (EMISSION.epochs(ended).seed == 0) {
            (bool fixed_,) = address(EMISSION).call(abi.encodeCall(IEmissionController.fixSeed, (ended)));
            if (!fixed_) return;
        }
        uint256 total = 0;
        for (uint256 i = 0; i < IDS; ++i) {
            total += timeOf(ended, i);
        }
        // every seventh epoch the sum is a lie, every fifth there is no split
        if (ended % 7 == 3) total /= 2;
        bytes32 root = pair(pair(layer(ended, 0), layer(ended, 1)), layer(ended, 2));
        if (ended % 5 == 2) root = 0;
        address[] memory list = EMISSION.committee(address(POOL), ended);
        for (uint256 i = 0; i < list.length; ++i) {
            if (uint256(keccak256(abi.encode(seed, i))) % 6 == 0) continue;
            vm.prank(list[i]);
            (bool success,) =
                address(EMISSION).call(abi.encodeCall(IEmissionController.attest, (address(POOL), ended, total, root)));
            if (success) ++done[this.attest.selector];
        }
    }

    function allot() external {
        if (epoch() == 0) return;
        uint256 ended = epoch() - 1;
        (bool success,) = address(EMISSION).call(abi.encodeCall(IEmissionController.weigh, (address(POOL), ended)));
        (success,) = address(EMISSION).call(abi.encodeCall(IEmissionController.allot, (address(POOL), ended)));
        if (success) ++done[this.allot.selector];
    }

    function claim(uint256 which) external {
        which %= epoch() + 1;
        (bool success,) = address(EMISSION).call(abi.encodeCall(IEmissionController.claim, (address(POOL), which)));
        if (success) ++done[this.claim.selector];
    }

    function prove(uint256 which, uint256 i) external {
        which %= epoch() + 1;
        i %= IDS;
        run(abi.encodeCall(IMiningPool.prove, (which, idAt(i), timeOf(which, i), proof(which, i))), this.prove.selector);
    }

    function collect(uint256 which, uint256 i) external {
        which %= epoch() + 1;
        address who = POOL.holderOf(idAt(i), which);
        uint256 before = POOL.owed(who);
        if (!run(abi.encodeCall(IMiningPool.collect, (which, one(idAt(i)))), this.collect.selector)) return;
        assertTrue(POOL.owed(who) > before, "the holder's");
    }

    function collectFee(uint256 which) external {
        which %= epoch() + 1;
        run(abi.encodeCall(IMiningPool.collectFee, (which)), this.collectFee.selector);
    }
}
