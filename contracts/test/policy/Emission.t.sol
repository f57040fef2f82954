// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {IEmissionController} from "../../src/interfaces/IEmissionController.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EmissionController} from "../../src/policy/EmissionController.sol";
import {PolicyFixture} from "./PolicyFixture.sol";

contract EmissionTest is PolicyFixture {
    uint256 private constant SECOND_KEY = 0xB0C;
    uint256 private constant HOUR_MS = 3_600_000;

    address private _node;
    address private _second;

    function setUp() public override {
        super.setUp();
        _node = provider;
        _second = vm.addr(SECOND_KEY);
        registerNode(_node, owner, 10, 200_000e18);
        registerNode(_second, address(0x0E12), 10, 200_000e18);
    }

    // ------------------------------------------------------------------------------------------ constructor

    function good() private view returns (EmissionController.Parameters memory p) {
        p = emissionParameters();
        (p.registry, p.disputes) = (address(registry), address(disputes));
    }

    function deployExternal(EmissionController.Parameters memory p) external returns (EmissionController) {
        return new EmissionController(p);
    }

    function test_RevertWhen_AnAddressIsZero() public {
        for (uint256 i = 0; i < 3; ++i) {
            EmissionController.Parameters memory p = good();
            if (i == 0) p.token = address(0);
            if (i == 1) p.registry = address(0);
            if (i == 2) p.disputes = address(0);
            vm.expectRevert(IEmissionController.ZeroAddress.selector);
            this.deployExternal(p);
        }
    }

    function test_RevertWhen_AParameterIsBad() public {
        for (uint256 i = 0; i < 15; ++i) {
            EmissionController.Parameters memory p = good();
            if (i == 0) p.window = 0;
            if (i == 1) p.epoch = 2 * p.window;
            if (i == 2) p.epoch = 90 days + 1;
            if (i == 3) p.vesting = 0;
            if (i == 4) p.firstBudget = 0;
            if (i == 5) p.firstBudget = 2 ** 88;
            if (i == 6) p.era = 0;
            if (i == 7) p.initialRate = 0;
            if (i == 8) p.initialRate = p.ceiling + 1;
            if (i == 9) p.ceiling = 2 ** 96;
            if (i == 10) (p.drawn, p.quorum) = (4, 2);
            if (i == 11) (p.drawn, p.quorum) = (4, 5);
            if (i == 12) (p.drawn, p.quorum) = (33, 17);
            if (i == 13) p.token = address(this);
            if (i == 14) p.rewardBps = 1001;
            vm.expectRevert(IEmissionController.BadParameter.selector);
            this.deployExternal(p);
        }
        this.deployExternal(good());
    }

    function test_RevertWhen_TheTimelockIsTooQuick() public {
        EmissionController.Parameters memory p = good();
        address[] memory nobody = new address[](0);
        p.timelock = payable(address(new TimelockController(72 hours - 1, nobody, nobody, address(0))));
        vm.expectRevert(IEmissionController.BadParameter.selector);
        this.deployExternal(p);
    }

    // ----------------------------------------------------------------------------------------------- record

    function recordAs(address caller, IEscrow.LeaseTerms memory terms) private {
        IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](1);
        list[0] = terms;
        vm.prank(caller);
        emission.record(_node, list);
    }

    function test_RevertWhen_AnotherRecords() public {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.expectRevert(IEmissionController.NotTheNode.selector);
        recordAs(other, terms);
        recordAs(owner, terms);
        recordAs(_node, terms);
    }

    function test_RevertWhen_TheNodeIsNone() public {
        vm.expectRevert(IEmissionController.NotANode.selector);
        emission.record(other, new IEscrow.LeaseTerms[](0));
        vm.expectRevert(IEmissionController.NotANode.selector);
        emission.record(verifierAt(0), new IEscrow.LeaseTerms[](0));
        vm.startPrank(_node);
        registry.quit();
        vm.expectRevert(IEmissionController.NotANode.selector);
        emission.record(_node, new IEscrow.LeaseTerms[](0));
        vm.stopPrank();
    }

    function test_RevertWhen_TheLeaseIsAnothers() public {
        IEscrow.LeaseTerms memory terms = leaseWith(SECOND_KEY);
        vm.expectRevert(abi.encodeWithSelector(IEmissionController.NotYourLease.selector, idOf(terms)));
        recordAs(_node, terms);
        terms = leaseWith(PROVIDER_KEY);
        terms.attempt += 1000;
        vm.expectRevert(abi.encodeWithSelector(IEmissionController.NotYourLease.selector, idOf(terms)));
        recordAs(_node, terms);
    }

    function test_RevertWhen_TheBatchIsTooLarge() public {
        vm.expectRevert(IEmissionController.BatchTooLarge.selector);
        emission.record(_node, new IEscrow.LeaseTerms[](65));
    }

    function test_RevertWhen_NoEpochHasBegun() public {
        EmissionController.Parameters memory p = good();
        p.start = START + 100 days;
        EmissionController later = this.deployExternal(p);
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        vm.prank(_node);
        later.record(_node, new IEscrow.LeaseTerms[](0));
    }

    function test_Record_CountsWhatWasPaid() public {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, 3000 * PER_SECOND, false);
        vm.expectEmit(address(emission));
        emit IEmissionController.FeeRecorded(_node, 0, idOf(terms), 3000 * PER_SECOND);
        record(terms);
        assertEq(feeOf(_node, 0), 3000 * PER_SECOND, "fee");
        assertEq(emission.shareOf(_node, 0).time, 3_000_000, "unit-milliseconds");
    }

    function test_Record_CountsNothingTwice() public {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(block.timestamp + 1 hours);
        settle(terms, 3000 * PER_SECOND, false);
        record(terms);
        record(terms);
        vm.warp(block.timestamp + 1 hours);
        record(terms);
        assertEq(feeOf(_node, 0), 3000 * PER_SECOND, "once");
        vm.warp(block.timestamp + 1 hours);
        settle(terms, 5000 * PER_SECOND, true);
        record(terms);
        vm.warp(block.timestamp + 1 hours);
        record(terms);
        assertEq(feeOf(_node, 0), 5000 * PER_SECOND, "the rest once");
    }

    function test_Record_LeavesOutOwnPayers() public {
        address[2] memory own = [_node, owner];
        for (uint256 i = 0; i < 2; ++i) {
            fund(own[i], 200_000e18);
            uint256 anything = escrow.MAX_CAP();
            vm.prank(own[i]);
            escrow.authorize(hub, NAMESPACE, anything, RATE, START + 365 days);
            IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY, own[i], RATE, 1);
            vm.warp(block.timestamp + 1 hours);
            settle(terms, 3000 * PER_SECOND, true);
            record(terms);
        }
        assertEq(feeOf(_node, 0), 0, "nothing");
    }

    function test_Record_SpreadsOverEpochs() public {
        vm.warp(START + EPOCH - 6 hours);
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(START + EPOCH + 18 hours);
        settle(terms, 24 hours * PER_SECOND, false);
        record(terms);
        assertEq(feeOf(_node, 0), 6 hours * PER_SECOND, "before");
        assertEq(feeOf(_node, 1), 18 hours * PER_SECOND, "after");
    }

    function test_Record_DropsWhatIsTooOld() public {
        vm.warp(START + EPOCH - 6 hours);
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(START + EPOCH + PHASE);
        settle(terms, 30 hours * PER_SECOND, false);
        record(terms);
        assertEq(feeOf(_node, 0), 0, "its recording is over");
        assertEq(feeOf(_node, 1), 24 hours * PER_SECOND, "the rest alone");
    }

    function test_Record_EndsWithTheLease() public {
        vm.warp(START + EPOCH - 6 hours);
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(START + EPOCH - 2 hours);
        settle(terms, 4 hours * PER_SECOND, true);
        vm.warp(START + EPOCH + 20 hours);
        record(terms);
        assertEq(feeOf(_node, 0), 4 hours * PER_SECOND, "all in its epoch");
        assertEq(feeOf(_node, 1), 0, "nothing later");
    }

    function test_Record_EndsWithTheNotice() public {
        vm.warp(START + EPOCH - 6 hours);
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(START + EPOCH - 2 hours);
        startClosing(payer, terms);
        vm.warp(START + EPOCH + 20 hours);
        settle(terms, 4 hours * PER_SECOND, false);
        record(terms);
        assertEq(feeOf(_node, 0), 4 hours * PER_SECOND, "all in its epoch");
        assertEq(feeOf(_node, 1), 0, "nothing later");
    }

    function test_Record_HeldBackVouchersDoNotCount() public {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        vm.warp(START + 5 days);
        record(terms); // nothing was paid so far
        vm.warp(START + 5 days + 1 hours);
        settle(terms, 5 days * PER_SECOND, false);
        record(terms);
        assertEq(feeOf(_node, 0), 1 hours * PER_SECOND, "the last hour's");
    }

    function testFuzz_Record_IsWithinWhatWasPaid(uint256 seed_) public {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY);
        for (uint256 i = 0; i < 12; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed_, i)));
            vm.warp(block.timestamp + 1 + s % 3 days);
            if (s >> 64 & 1 == 0) settle(terms, (s >> 128) % 2e22, s >> 100 & 15 == 0);
            if (s >> 65 & 1 == 0) record(terms);
        }
        record(terms);
        uint256 sum = 0;
        for (uint256 epoch = 0; epoch < 10; ++epoch) {
            uint256 fee = feeOf(_node, epoch);
            assertAtMost(fee, EPOCH * PER_SECOND, "no more than the epoch's time");
            sum += fee;
        }
        assertAtMost(sum, lease(terms).paid, "no more than was paid");
    }

    // ------------------------------------------------------------------------------------------ attestation

    function test_FixSeed_OnceInItsPhase() public {
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        emission.fixSeed(0);
        warpToEnd(0, 0);
        bytes32 fixed_ = emission.fixSeed(0);
        assertEq(emission.epochs(0).seed, fixed_, "seed");
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        emission.fixSeed(0);
        warpToEnd(1, PHASE);
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        emission.fixSeed(1);
    }

    function test_Committee_IsNobodyBeforeTheSeed() public {
        warpToEnd(0, 0);
        assertEq(emission.committee(_node, 0).length, 0, "nobody");
        seed(0);
        assertEq(emission.committee(_node, 0).length, DRAWN, "as many as are drawn");
    }

    function test_RevertWhen_TheCallerWasNotDrawn() public {
        warpToEnd(0, 0);
        vm.expectRevert(IEmissionController.NotDrawn.selector);
        vm.prank(verifierAt(0));
        emission.attest(_node, 0, 1, 0);
        seed(0);
        address[] memory list = emission.committee(_node, 0);
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            bool isDrawn = false;
            for (uint256 j = 0; j < list.length; ++j) {
                if (list[j] == verifierAt(i)) isDrawn = true;
            }
            if (!isDrawn) vm.expectRevert(IEmissionController.NotDrawn.selector);
            vm.prank(verifierAt(i));
            emission.attest(_node, 0, 1, 0);
        }
        vm.expectRevert(IEmissionController.NotDrawn.selector);
        vm.prank(hub);
        emission.attest(_node, 0, 1, 0);
    }

    function test_RevertWhen_AttestedBefore() public {
        warpToEnd(0, 0);
        seed(0);
        attestAll(_node, 0, 5);
        address[] memory list = emission.committee(_node, 0);
        vm.expectRevert(IEmissionController.AlreadyAttested.selector);
        vm.prank(list[0]);
        emission.attest(_node, 0, 5, 0);
    }

    function test_RevertWhen_AttestingOutsideThePhase() public {
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        emission.attest(_node, 0, 5, 0);
        warpToEnd(0, 0);
        seed(0);
        address[] memory list = emission.committee(_node, 0);
        warpToEnd(0, PHASE);
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        vm.prank(list[0]);
        emission.attest(_node, 0, 5, 0);
    }

    function report(uint256 i, uint256 time) private {
        report(i, time, 0);
    }

    function report(uint256 i, uint256 time, bytes32 split) private {
        address[] memory list = emission.committee(_node, 0);
        vm.prank(list[i]);
        emission.attest(_node, 0, time, split);
    }

    function test_Attested_NeedsTheQuorum() public {
        warpToEnd(0, 0);
        seed(0);
        report(0, 100);
        report(1, 100);
        assertEq(emission.attested(_node, 0), 0, "two of five");
        report(2, 50);
        assertEq(emission.attested(_node, 0), 50, "three of five");
    }

    function test_Attested_AMinorityCannotRaise() public {
        warpToEnd(0, 0);
        seed(0);
        report(0, type(uint256).max);
        report(1, type(uint256).max);
        for (uint256 i = 2; i < 5; ++i) {
            report(i, 70);
        }
        assertEq(emission.attested(_node, 0), 70, "what three attest");
    }

    function testFuzz_Attested_IsTheQuorums(uint256[5] memory times) public {
        warpToEnd(0, 0);
        seed(0);
        for (uint256 i = 0; i < 5; ++i) {
            times[i] = bound(times[i], 0, EPOCH * 1000 * 12);
            report(i, times[i]);
        }
        // the third highest, by sorting
        for (uint256 i = 0; i < 5; ++i) {
            for (uint256 j = i + 1; j < 5; ++j) {
                if (times[j] > times[i]) (times[i], times[j]) = (times[j], times[i]);
            }
        }
        uint256 most = EPOCH * 1000 * 10;
        assertEq(emission.attested(_node, 0), times[2] < most ? times[2] : most, "the third highest");
    }

    function test_Attested_IsWithinTheDevicesTime() public {
        warpToEnd(0, 0);
        seed(0);
        attestAll(_node, 0, type(uint256).max);
        assertEq(emission.attested(_node, 0), 10 * EPOCH * 1000, "ten devices");
        vm.prank(address(disputes));
        registry.startContest(hardwareOf(_node, 1)[0]);
        assertEq(emission.attested(_node, 0), 9 * EPOCH * 1000, "a contested one earns nothing");
    }

    // ------------------------------------------------------------------------------------------------ split

    function assertSplit(bytes32 root, uint256 total, string memory what) private view {
        (bytes32 gotRoot, uint256 gotTotal) = emission.splitOf(_node, 0);
        assertEq(gotRoot, root, what);
        assertEq(gotTotal, total, what);
    }

    function test_Split_NeedsTheQuorum() public {
        warpToEnd(0, 0);
        seed(0);
        report(0, 70, "a");
        report(1, 70, "a");
        assertSplit(0, 0, "two of five");
        report(2, 70, "b");
        report(3, 70, "a");
        assertSplit("a", 70, "three of five");
        report(4, 70, "b");
        assertSplit("a", 70, "and it stays");
    }

    function test_Split_NeedsRootAndTotal() public {
        warpToEnd(0, 0);
        seed(0);
        report(0, 70, "a");
        report(1, 70, "a");
        report(2, 71, "a");
        report(3, 70, "b");
        assertSplit(0, 0, "three have the root, and three the sum, but not the same three");
        report(4, 70, "a");
        assertSplit("a", 70, "both");
    }

    function test_Split_MayBeNone() public {
        warpToEnd(0, 0);
        seed(0);
        attestAll(_node, 0, 70);
        assertSplit(0, 0, "zero is no root");
        IEmissionController.Report[] memory reports = emission.reportsOf(_node, 0);
        assertEq(reports.length, 5, "all reported");
        assertEq(reports[3].time, 70, "time");
        assertEq(reports[3].verifier, emission.committee(_node, 0)[3], "verifier");
    }

    function testFuzz_Split_IsTheQuorums(uint256 seed_) public {
        warpToEnd(0, 0);
        seed(0);
        uint256[4] memory votes = [uint256(0), 0, 0, 0];
        for (uint256 i = 0; i < 5; ++i) {
            uint256 choice = uint256(keccak256(abi.encode(seed_, i))) % 4;
            ++votes[choice];
            report(i, 70 + choice / 2, choice % 2 == 0 ? bytes32("a") : bytes32("b"));
        }
        (bytes32 root, uint256 total) = (0, 0);
        for (uint256 choice = 0; choice < 4; ++choice) {
            if (votes[choice] >= 3) (root, total) = (choice % 2 == 0 ? bytes32("a") : bytes32("b"), 70 + choice / 2);
        }
        assertSplit(root, total, "what three say");
    }

    function test_Committee_SharesNoOwner() public {
        address mine = address(0x5A5A);
        registerNode(mine, address(0xA004), 1, MINIMUM);
        warpToEnd(0, 0);
        seed(0);
        for (uint256 epoch = 0; epoch < 12; ++epoch) {
            if (epoch != 0) {
                warpToEnd(epoch, 0);
                seed(epoch);
            }
            address[] memory list = emission.committee(mine, epoch);
            for (uint256 i = 0; i < list.length; ++i) {
                assertTrue(list[i] != verifierAt(4), "verifier 4 has the same owner");
            }
        }
    }

    // ------------------------------------------------------------------------------------------------ weigh

    function readyToWeigh(uint256 fees, uint256 attested) private {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY, payer, RATE, 10);
        vm.warp(block.timestamp + 6 days);
        if (fees != 0) settle(terms, fees, true);
        record(terms);
        warpToEnd(0, 0);
        seed(0);
        attestAll(_node, 0, attested);
        warpToEnd(0, PHASE);
    }

    function test_RevertWhen_WeighingOutsideThePhase() public {
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        emission.weigh(_node, 0);
        warpToEnd(0, PHASE - 1);
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        emission.weigh(_node, 0);
        warpToEnd(0, 2 * PHASE);
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        emission.weigh(_node, 0);
    }

    function test_RevertWhen_WeighedBefore() public {
        warpToEnd(0, PHASE);
        emission.weigh(_node, 0);
        vm.expectRevert(IEmissionController.AlreadyWeighed.selector);
        emission.weigh(_node, 0);
    }

    function test_RevertWhen_WeighingWhoLeft() public {
        warpToEnd(0, PHASE);
        vm.prank(_node);
        registry.quit();
        vm.expectRevert(IEmissionController.NotANode.selector);
        emission.weigh(_node, 0);
    }

    function test_Weigh_IsTheFee() public {
        readyToWeigh(100e18, 1000 * HOUR_MS);
        vm.expectEmit(address(emission));
        emit IEmissionController.Weighed(_node, 0, 100e18, 1000 * HOUR_MS, 100e18);
        assertEq(emission.weigh(_node, 0), 100e18, "the fee");
        assertEq(emission.epochs(0).weight, 100e18, "the sum");
    }

    function test_Weigh_IsTheTimeAtR() public {
        readyToWeigh(100e18, 5 * HOUR_MS);
        assertEq(emission.weigh(_node, 0), 5 * RATE, "five hours");
    }

    function test_Weigh_AHubsWordIsNothing() public {
        readyToWeigh(1000e18, 0);
        assertEq(emission.weigh(_node, 0), 0, "nothing attested, nothing mined");
    }

    function test_Weigh_NeedsTheMinimum() public {
        readyToWeigh(100e18, 1000 * HOUR_MS);
        uint256 minimum = registry.minimumOf(_node);
        vm.prank(_node);
        registry.unbond(200_000e18 - minimum + 1);
        assertEq(emission.weigh(_node, 0), 0, "a wei is missing");
        vm.prank(_second);
        registry.unbond(200_000e18 - minimum);
        assertEq(emission.weigh(_second, 0), 0, "no fee");
    }

    function test_Weigh_NeedsTheTrailingMined() public {
        readyToWeigh(10_000e18, 10_000 * HOUR_MS);
        emission.weigh(_node, 0);
        uint256 mined = 3 * 10 * 6 days * PER_SECOND; // ten units for six days, as paid
        assertEq(emission.trailingMined(_node, 1), mined, "counts before it is allotted");
        warpToEnd(0, 2 * PHASE);
        assertEq(emission.allot(_node, 0), mined, "allotted");
        assertEq(emission.trailingMined(_node, 1), mined, "counts after");
        assertEq(emission.trailingMined(_node, 8), 0, "and no more after seven epochs");
        work(PROVIDER_KEY, RATE, 10, 1 days);
        vm.prank(_node);
        registry.unbond(200_000e18 - mined + 1);
        warpToEnd(1, 0);
        seed(1);
        attestAll(_node, 1, 1000 * HOUR_MS);
        warpToEnd(1, PHASE);
        assertEq(emission.weigh(_node, 1), 0, "a wei is missing");
    }

    // ---------------------------------------------------------------------------------------------------- R

    /// @dev An epoch in which the node works a day at `rate`, attested; returns R of it.
    function rateAfter(uint256 epoch, uint256 rate) private returns (uint256) {
        if (rate != 0) work(PROVIDER_KEY, rate, 1, 1 days);
        finishNoAllot(epoch);
        return emission.epochs(epoch).rate;
    }

    function finishNoAllot(uint256 epoch) private {
        warpToEnd(epoch, 0);
        seed(epoch);
        attestAll(_node, epoch, 24 * HOUR_MS);
        warpToEnd(epoch, PHASE);
        emission.weigh(_node, epoch);
    }

    function test_Rate_StaysWithoutSettlements() public {
        for (uint256 epoch = 0; epoch < 9; ++epoch) {
            assertEq(rateAfter(epoch, 0), RATE, "as deployed");
        }
    }

    function test_Rate_RisesByATenth() public {
        uint256 wanted = RATE;
        assertEq(rateAfter(0, 50 * RATE), wanted, "nothing trails the first");
        for (uint256 epoch = 1; epoch < 6; ++epoch) {
            wanted += wanted / 10;
            assertEq(rateAfter(epoch, 50 * RATE), wanted, "a tenth more");
        }
    }

    function test_Rate_FallsAtOnce() public {
        rateAfter(0, RATE / 4);
        uint256 fallen = rateAfter(1, RATE / 4);
        assertAtMost(fallen, RATE / 4, "no more than the median");
        assertAtMost(RATE / 4, fallen + fallen / 16 + 1, "and no more than a bucket below it");
    }

    function test_Rate_IsWithinTheCeiling() public {
        vm.prank(address(timelock));
        emission.setCeiling(RATE + 5);
        rateAfter(0, 50 * RATE);
        assertEq(rateAfter(1, 50 * RATE), RATE + 5, "the ceiling");
        vm.prank(address(timelock));
        emission.setCeiling(RATE / 2);
        assertEq(rateAfter(2, 50 * RATE), RATE / 2, "lowered at once");
    }

    function test_Ceiling_IsTheTimelocks() public {
        vm.expectRevert(IEmissionController.NotTimelock.selector);
        emission.setCeiling(1);
        vm.startPrank(address(timelock));
        vm.expectRevert(IEmissionController.BadParameter.selector);
        emission.setCeiling(0);
        vm.expectRevert(IEmissionController.BadParameter.selector);
        emission.setCeiling(2 ** 96);
        vm.stopPrank();
        // through the timelock, as it will be done
        bytes memory call = abi.encodeCall(IEmissionController.setCeiling, (42e18));
        timelock.schedule(address(emission), 0, call, 0, 0, 72 hours);
        vm.expectRevert();
        timelock.execute(address(emission), 0, call, 0, 0);
        vm.warp(block.timestamp + 72 hours);
        timelock.execute(address(emission), 0, call, 0, 0);
        assertEq(emission.ceiling(), 42e18, "ceiling");
    }

    // ------------------------------------------------------------------------------------------------ allot

    function test_RevertWhen_ThereIsNothingToAllot() public {
        readyToWeigh(100e18, 1000 * HOUR_MS);
        emission.weigh(_node, 0);
        emission.weigh(_second, 0);
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        emission.allot(_node, 0);
        warpToEnd(0, 2 * PHASE);
        emission.allot(_node, 0);
        vm.expectRevert(IEmissionController.NothingToAllot.selector);
        emission.allot(_node, 0);
        vm.expectRevert(IEmissionController.NothingToAllot.selector);
        emission.allot(_second, 0);
        vm.expectRevert(IEmissionController.NothingToAllot.selector);
        emission.allot(other, 0);
    }

    function test_Allot_IsThreeTimesTheWeight() public {
        readyToWeigh(100e18, 1000 * HOUR_MS);
        emission.weigh(_node, 0);
        warpToEnd(0, 2 * PHASE);
        vm.expectEmit(address(emission));
        emit IEmissionController.PotFixed(0, 300e18);
        vm.expectEmit(address(emission));
        emit IEmissionController.Allotted(_node, 0, 300e18);
        emission.allot(_node, 0);
        assertEq(emission.reserved(), 303e18, "set aside, with the verifiers' hundredth");
    }

    function test_Allot_IsThreeToOne() public {
        readyToWeigh(80e18, 1000 * HOUR_MS);
        emission.weigh(_node, 0);
        warpToEnd(0, 2 * PHASE);
        uint256 mined = emission.allot(_node, 0);
        assertEq(mined * 100 / (mined + 80e18), 75, "75 of 100 are mined");
    }

    function test_Allot_DividesTheBudget() public {
        uint256 fee = 40_000e18;
        fund(payer, 10 * fee);
        IEscrow.LeaseTerms memory first = leaseWith(PROVIDER_KEY, payer, 10 * RATE, 10);
        IEscrow.LeaseTerms memory second = leaseWith(SECOND_KEY, payer, 10 * RATE, 10);
        vm.warp(START + 6 days);
        settle(first, fee, true);
        settle(second, fee / 4, true);
        record(first);
        record(second);
        vm.prank(address(timelock));
        emission.setCeiling(1000 * RATE);
        warpToEnd(0, 0);
        seed(0);
        attestAll(_node, 0, 1680 * HOUR_MS);
        attestAll(_second, 0, 420 * HOUR_MS);
        warpToEnd(0, PHASE);
        uint256 w = emission.weigh(_node, 0) + emission.weigh(_second, 0);
        assertEq(w, 2100 * RATE, "both by time");
        warpToEnd(0, 2 * PHASE);
        // the vault is the narrowest here: all but 10,000 of it goes elsewhere
        uint256 excess = token.balanceOf(address(emission)) - 10_000e18;
        vm.prank(address(emission));
        assertTrue(token.transfer(address(1), excess), "gone");
        assertEq(emission.allot(_node, 0), forNodes(10_000e18) * 4 / 5, "four fifths");
        assertEq(emission.allot(_second, 0), forNodes(10_000e18) / 5, "one fifth");
        assertAtMost(emission.reserved(), 10_000e18, "with the rewards, what there is");
    }

    function test_Allot_IsWithinTheVault() public {
        readyToWeigh(100e18, 1000 * HOUR_MS);
        uint256 all = token.balanceOf(address(emission));
        vm.prank(address(emission));
        assertTrue(token.transfer(address(1), all - 7e18), "gone");
        emission.weigh(_node, 0);
        warpToEnd(0, 2 * PHASE);
        assertEq(emission.allot(_node, 0), forNodes(7e18), "what there is");
        assertAtMost(emission.reserved(), 7e18, "with the rewards");
    }

    function testFuzz_Allot_IsWithinAllBounds(
        uint256 fee,
        uint256 secondFee,
        uint256 time,
        uint256 secondTime,
        uint256 left
    ) public {
        fee = bound(fee, 1, 5000e18);
        secondFee = bound(secondFee, 1, 5000e18);
        IEscrow.LeaseTerms memory first = leaseWith(PROVIDER_KEY, payer, RATE, 10);
        IEscrow.LeaseTerms memory second = leaseWith(SECOND_KEY, payer, RATE, 10);
        vm.warp(START + 6 days);
        settle(first, fee, true);
        settle(second, secondFee, true);
        record(first);
        record(second);
        warpToEnd(0, 0);
        seed(0);
        attestAll(_node, 0, bound(time, 0, 1680 * HOUR_MS));
        attestAll(_second, 0, bound(secondTime, 0, 1680 * HOUR_MS));
        warpToEnd(0, PHASE);
        uint256 w = emission.weigh(_node, 0);
        uint256 v = emission.weigh(_second, 0);
        uint256 all = token.balanceOf(address(emission));
        left = bound(left, 0, all);
        vm.prank(address(emission));
        assertTrue(token.transfer(address(1), all - left), "gone");
        warpToEnd(0, 2 * PHASE);
        uint256 mined = w == 0 ? 0 : emission.allot(_node, 0);
        uint256 secondMined = v == 0 ? 0 : emission.allot(_second, 0);
        assertAtMost(mined, 3 * w, "three times");
        assertAtMost(secondMined, 3 * v, "three times");
        assertAtMost(w, feeOf(_node, 0), "the fee");
        uint256 rewards = 5 * (emission.rewardOf(_node, 0) + emission.rewardOf(_second, 0));
        assertAtMost(rewards, (mined + secondMined) * rewardBps / 10_000, "the rewards");
        assertAtMost(mined + secondMined + rewards, emission.budgetOf(0), "the budget");
        assertAtMost(mined + secondMined + rewards, left, "the vault");
        assertAtMost(emission.reserved(), left, "what is set aside is there");
    }

    // --------------------------------------------------------------------------------------------- schedule

    function test_Budget_Halves() public view {
        assertEq(emission.budgetOf(0), 100_000e18, "0");
        assertEq(emission.budgetOf(3), 100_000e18, "3");
        assertEq(emission.budgetOf(4), 50_000e18, "4");
        assertEq(emission.budgetOf(8), 25_000e18, "8");
        assertEq(emission.budgetOf(type(uint64).max), 0, "the end");
    }

    function test_Budget_SumsUp() public view {
        uint256 sum = 0;
        for (uint256 epoch = 0; epoch < 400; ++epoch) {
            sum += emission.budgetOf(epoch);
        }
        assertEq(emission.scheduleSum(), sum, "all epochs'");
        assertAtMost(sum, 2 * 4 * 100_000e18, "less than twice the first era's");
        assertAtMost(sum, VAULT, "the vault covers it");
    }

    // ------------------------------------------------------------------------------------------------ claim

    function mineOne() private returns (uint256 mined) {
        readyToWeigh(100e18, 1000 * HOUR_MS);
        emission.weigh(_node, 0);
        warpToEnd(0, 2 * PHASE);
        mined = emission.allot(_node, 0);
    }

    function test_Claim_PaysWhatHasVested() public {
        uint256 mined = mineOne();
        warpToEnd(0, 2 * PHASE + VESTING / 4);
        assertEq(emission.vested(_node, 0), mined / 4, "a quarter");
        vm.expectEmit(address(emission));
        emit IEmissionController.Claimed(_node, 0, owner, mined / 4);
        emission.claim(_node, 0);
        assertEq(token.balanceOf(owner), mined / 4, "to the owner");
        assertEq(emission.reserved(), mined - mined / 4 + mined / 100, "less is set aside");
    }

    function test_Claim_PaysAllInTheEnd() public {
        uint256 mined = mineOne();
        warpToEnd(0, 2 * PHASE + VESTING / 3);
        emission.claim(_node, 0);
        warpToEnd(0, 2 * PHASE + 10 * VESTING);
        emission.claim(_node, 0);
        assertEq(token.balanceOf(owner), mined, "all");
        assertEq(emission.reserved(), mined / 100, "nothing but the rewards is set aside");
    }

    function test_RevertWhen_NothingHasVested() public {
        vm.expectRevert(IEmissionController.NothingVested.selector);
        emission.claim(_node, 0);
        mineOne();
        vm.expectRevert(IEmissionController.NothingVested.selector);
        emission.claim(_node, 0);
        warpToEnd(0, 2 * PHASE + VESTING);
        emission.claim(_node, 0);
        vm.expectRevert(IEmissionController.NothingVested.selector);
        emission.claim(_node, 0);
    }

    function test_RevertWhen_ACaseIsOpen() public {
        mineOne();
        give(other, address(disputes), 10 * BOND);
        vm.prank(other);
        uint256 id = disputes.accuse(_node, 0, "evidence");
        warpToEnd(0, 2 * PHASE + VOTING + APPEALING + 1);
        vm.expectRevert(IEmissionController.CaseOpen.selector);
        emission.claim(_node, 0);
        disputes.carryOut(id);
        emission.claim(_node, 0);
    }

    function testFuzz_Claim_SumsUp(uint256 seed_) public {
        uint256 mined = mineOne();
        for (uint256 i = 0; i < 6; ++i) {
            vm.warp(block.timestamp + uint256(keccak256(abi.encode(seed_, i))) % 10 days);
            if (emission.vested(_node, 0) != 0) emission.claim(_node, 0);
            assertAtMost(token.balanceOf(owner), mined, "no more than the allotment");
            assertEq(token.balanceOf(owner) + emission.reserved(), mined + mined / 100, "the sum stays");
        }
    }

    // ---------------------------------------------------------------------------------------------- rewards

    /// @dev The node works, five verifiers attest `times`, and it is allotted.
    function mineWith(uint256[5] memory times) private returns (uint256 mined, address[] memory list) {
        IEscrow.LeaseTerms memory terms = leaseWith(PROVIDER_KEY, payer, RATE, 10);
        vm.warp(block.timestamp + 6 days);
        settle(terms, 100e18, true);
        record(terms);
        warpToEnd(0, 0);
        seed(0);
        for (uint256 i = 0; i < 5; ++i) {
            report(i, times[i]);
        }
        list = emission.committee(_node, 0);
        warpToEnd(0, PHASE);
        emission.weigh(_node, 0);
        warpToEnd(0, 2 * PHASE);
        if (emission.shareOf(_node, 0).weight != 0) mined = emission.allot(_node, 0);
    }

    function vestAll() private {
        warpToEnd(0, 2 * PHASE + VESTING);
    }

    function test_Reward_IsSharedByThoseWhoWereNear() public {
        // the third highest counts: 1000 hours
        (uint256 mined, address[] memory list) =
            mineWith([1100 * HOUR_MS, 900 * HOUR_MS, 1000 * HOUR_MS, 1101 * HOUR_MS, 899 * HOUR_MS]);
        assertEq(emission.shareOf(_node, 0).attested, 1000 * HOUR_MS, "what counted");
        uint256 each = mined / 100 / 3;
        assertEq(emission.rewardOf(_node, 0), each, "a third of the hundredth");
        assertEq(emission.reserved(), mined + 3 * each, "and no more is set aside");
        vestAll();
        for (uint256 i = 0; i < 5; ++i) {
            address verifiersOwner = registry.account(list[i]).owner;
            if (i > 2) {
                vm.expectRevert(IEmissionController.NoReward.selector);
                emission.claimReward(_node, 0, list[i]);
                continue;
            }
            vm.expectEmit(address(emission));
            emit IEmissionController.RewardClaimed(_node, 0, list[i], verifiersOwner, each);
            assertEq(emission.claimReward(_node, 0, list[i]), each, "paid");
            assertEq(token.balanceOf(verifiersOwner), each, "to the owner");
        }
        assertEq(emission.reserved(), mined, "the node's is untouched");
    }

    function test_RevertWhen_ThereIsNoReward() public {
        uint256 time = 1000 * HOUR_MS;
        (, address[] memory list) = mineWith([time, time, time, time, time]);
        vm.expectRevert(IEmissionController.NoReward.selector);
        emission.claimReward(_second, 0, list[0]);
        vm.expectRevert(IEmissionController.NoReward.selector);
        emission.claimReward(_node, 0, other);
        vm.expectRevert(IEmissionController.NoReward.selector);
        emission.claimReward(_node, 1, list[0]);
        warpToEnd(0, 2 * PHASE + VESTING - 1);
        vm.expectRevert(IEmissionController.NothingVested.selector);
        emission.claimReward(_node, 0, list[0]);
        vestAll();
        emission.claimReward(_node, 0, list[0]);
        vm.expectRevert(IEmissionController.NoReward.selector);
        emission.claimReward(_node, 0, list[0]);
    }

    function test_Reward_NobodyNearLeavesItInTheVault() public {
        uint256 most = type(uint256).max;
        (uint256 mined,) = mineWith([most, most, most, 0, 0]);
        assertTrue(mined != 0, "mined, by the devices' time");
        assertEq(emission.rewardOf(_node, 0), 0, "nobody was near that");
        assertEq(emission.reserved(), mined, "and nothing is set aside for it");
    }

    function test_Reward_NothingWhereTheNodeMinedNothing() public {
        (uint256 mined, address[] memory list) = mineWith([uint256(0), 0, 0, 0, 0]);
        assertEq(mined, 0, "nothing");
        vestAll();
        vm.expectRevert(IEmissionController.NoReward.selector);
        emission.claimReward(_node, 0, list[0]);
    }

    function test_Reward_NoneWhereNoneIsSet() public {
        rewardBps = 0;
        emission = this.deployExternal(good());
        vm.prank(address(this));
        assertTrue(token.transfer(address(emission), VAULT), "another vault");
        uint256 time = 1000 * HOUR_MS;
        (uint256 mined,) = mineWith([time, time, time, time, time]);
        assertEq(emission.reserved(), mined, "nothing but what is mined");
        assertEq(emission.rewardOf(_node, 0), 0, "nothing");
    }

    function accuseVerifier(address verifier) private returns (uint256 id) {
        give(other, address(disputes), 10 * BOND);
        vm.prank(other);
        id = disputes.accuse(verifier, 0, "it lied");
    }

    function test_RevertWhen_ACaseAgainstTheVerifierIsOpen() public {
        uint256 time = 1000 * HOUR_MS;
        (, address[] memory list) = mineWith([time, time, time, time, time]);
        uint256 id = accuseVerifier(list[0]);
        vestAll();
        vm.expectRevert(IEmissionController.CaseOpen.selector);
        emission.claimReward(_node, 0, list[0]);
        emission.claimReward(_node, 0, list[1]);
        disputes.carryOut(id); // nobody voted: acquitted
        assertTrue(emission.claimReward(_node, 0, list[0]) != 0, "paid");
    }

    function test_Reward_TheGuiltyGetNone() public {
        uint256 time = 1000 * HOUR_MS;
        (uint256 mined, address[] memory list) = mineWith([time, time, time, time, time]);
        uint256 id = accuseVerifier(list[0]);
        vm.roll(block.number + 2);
        disputes.drawJury(id);
        address[] memory jury = disputes.jury(id, 0);
        for (uint256 i = 0; i < jury.length; ++i) {
            vm.prank(jury[i]);
            disputes.vote(id, 1);
        }
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        disputes.carryOut(id);
        assertTrue(emission.isGuilty(list[0], 0), "guilty");
        vestAll();
        uint256 before = token.balanceOf(address(emission));
        uint256 each = emission.rewardOf(_node, 0);
        vm.expectEmit(address(emission));
        emit IEmissionController.Forfeited(list[0], 0, each);
        assertEq(emission.claimReward(_node, 0, list[0]), 0, "nothing");
        assertEq(token.balanceOf(address(emission)), before, "it stays");
        assertEq(emission.reserved(), mined + 4 * each, "and is free again");
        vm.expectRevert(IEmissionController.NoReward.selector);
        emission.claimReward(_node, 0, list[0]);
    }

    function testFuzz_Reward_IsWithinItsPart(uint256[5] memory times) public {
        for (uint256 i = 0; i < 5; ++i) {
            times[i] = bound(times[i], 0, 1800 * HOUR_MS);
        }
        (uint256 mined, address[] memory list) = mineWith(times);
        vestAll();
        uint256 counted = emission.shareOf(_node, 0).attested;
        uint256 sum = 0;
        for (uint256 i = 0; i < 5; ++i) {
            bool near = times[i] * 10 <= counted * 11 && times[i] * 10 >= counted * 9 && mined != 0;
            if (!near) vm.expectRevert(IEmissionController.NoReward.selector);
            sum += emission.claimReward(_node, 0, list[i]);
        }
        assertAtMost(sum, mined / 100, "a hundredth");
        assertEq(emission.reserved(), mined, "what remains is the node's");
    }

    // ---------------------------------------------------------------------------------------------- forfeit

    function test_RevertWhen_AnotherForfeits() public {
        vm.expectRevert(IEmissionController.NotDisputes.selector);
        emission.forfeit(_node, 0, 1);
    }

    function test_Forfeit_TakesItsPart() public {
        uint256 mined = mineOne();
        warpToEnd(0, 2 * PHASE + VESTING / 4);
        emission.claim(_node, 0);
        vm.expectEmit(address(emission));
        emit IEmissionController.Forfeited(_node, 0, (mined - mined / 4) / 2);
        vm.prank(address(disputes));
        emission.forfeit(_node, 0, 5000);
        warpToEnd(0, 2 * PHASE + VESTING);
        emission.claim(_node, 0);
        assertEq(token.balanceOf(owner), mined - (mined - mined / 4) / 2, "the rest");
        assertEq(emission.reserved(), mined / 100, "nothing but the rewards is set aside");
    }

    function test_Forfeit_AllotsFirst() public {
        readyToWeigh(100e18, 1000 * HOUR_MS);
        emission.weigh(_node, 0);
        warpToEnd(0, 2 * PHASE);
        vm.prank(address(disputes));
        assertEq(emission.forfeit(_node, 0, 10_000), 300e18, "all of it");
        vm.expectRevert(IEmissionController.NothingToAllot.selector);
        emission.allot(_node, 0);
        warpToEnd(0, 2 * PHASE + VESTING);
        assertEq(emission.vested(_node, 0), 0, "nothing left");
        assertEq(emission.reserved(), 3e18, "all but the rewards is back in the vault");
    }
}
