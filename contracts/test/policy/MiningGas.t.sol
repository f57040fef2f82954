// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEmissionController} from "../../src/interfaces/IEmissionController.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {PolicyFixture} from "./PolicyFixture.sol";

/// @notice What mining costs a node in an epoch, in steady state: recording a lease, being weighed, being allotted. Each is a
/// transaction of its own, so each is measured after a setUp that did what comes before: it starts cold. Attesting is the
/// verifiers'.
abstract contract MiningGasFixture is PolicyFixture {
    uint256 internal constant HOUR_MS = 3_600_000;

    IEscrow.LeaseTerms private _terms;

    function setUp() public override {
        super.setUp();
        registerNode(provider, owner, 1, 100_000e18);
        _terms = leaseWith(PROVIDER_KEY);
        for (uint256 epoch = 0; epoch < 2; ++epoch) {
            vm.warp(emission.endOf(epoch) - 1 days);
            settle(_terms, type(uint128).max, false);
            record(_terms);
            finish(provider, epoch, 100 * HOUR_MS);
        }
        vm.warp(emission.endOf(2) - 1 days);
        settle(_terms, type(uint128).max, false);
        prepare();
    }

    /// @notice Does what comes before the step that is measured.
    function prepare() internal virtual {}

    function recordCall() internal view returns (bytes memory) {
        IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](1);
        list[0] = _terms;
        return abi.encodeCall(IEmissionController.record, (provider, list));
    }

    function recordAndAttest() internal {
        record(_terms);
        warpToEnd(2, 0);
        seed(2);
        attestAll(provider, 2, 100 * HOUR_MS);
        warpToEnd(2, PHASE);
    }

    function measure(string memory name, bytes memory data) internal returns (uint256 gasUsed) {
        gasUsed = 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            gasUsed += data[i] == 0 ? 4 : 16;
        }
        address target = address(emission);
        assertTrue(target.code.length != 0, "deployed");
        bool ok;
        vm.prank(provider);
        assembly ("memory-safe") {
            let before := gas()
            ok := call(gas(), target, 0, add(data, 0x20), mload(data), 0, 0)
            gasUsed := add(gasUsed, sub(before, gas()))
        }
        assertTrue(ok, name);
        vm.snapshotValue("Mining", name, gasUsed);
    }
}

contract GasOfRecordingTest is MiningGasFixture {
    function test_Gas_Record() public {
        measure("record", recordCall());
        assertTrue(feeOf(provider, 2) != 0, "recorded");
    }
}

contract GasOfWeighingTest is MiningGasFixture {
    function prepare() internal override {
        recordAndAttest();
    }

    function test_Gas_Weigh() public {
        measure("weigh", abi.encodeCall(IEmissionController.weigh, (provider, 2)));
        assertTrue(emission.shareOf(provider, 2).weight != 0, "weighed");
    }
}

contract GasOfAllottingTest is MiningGasFixture {
    function prepare() internal override {
        recordAndAttest();
        emission.weigh(provider, 2);
        warpToEnd(2, 2 * PHASE);
    }

    function test_Gas_Allot() public {
        measure("allot", abi.encodeCall(IEmissionController.allot, (provider, 2)));
        assertTrue(emission.shareOf(provider, 2).mined != 0, "mined");
    }
}
