// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {EscrowFixture} from "./utils/EscrowFixture.sol";

/// @notice What a transaction costs in all: base fee, calldata and execution, in steady state (every account and
/// authorisation has been used before), over 50 distinct payers and providers. Committed under snapshots/.
/// @dev What is to be there before is made in setUp, which is a transaction of its own: each test starts cold.
contract GasTest is EscrowFixture {
    uint256 private constant N = 50;
    uint256 private constant TX_BASE = 21_000;

    IEscrow.LeaseTerms[] private _open;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < N; ++i) {
            fund(payerAt(i), DEPOSIT);
            fund(providerAt(i), 1);
            vm.prank(payerAt(i));
            escrow.authorize(hub, NAMESPACE, CAP, RATE, START + 30 days);
        }
        (bool ok,) = send(openCall("earlier"));
        assertTrue(ok, "opened");
        for (uint256 i = 0; i < N; ++i) {
            _open.push(termsOf(requestAt(i, "earlier"), providerAt(i), hub));
        }
        vm.warp(START + 100);
    }

    function payerAt(uint256 i) private pure returns (address) {
        return vm.addr(0x10000 + i);
    }

    function providerAt(uint256 i) private pure returns (address) {
        return vm.addr(0x20000 + i);
    }

    function requestAt(uint256 i, string memory job) private view returns (IEscrow.LeaseRequest memory request) {
        request = defaultRequest();
        request.payer = payerAt(i);
        request.jobId = keccak256(abi.encode(job, i));
    }

    function openCall(string memory job) private view returns (bytes memory) {
        IEscrow.LeaseRequest[] memory requests = new IEscrow.LeaseRequest[](N);
        IEscrow.Offer[] memory offers = new IEscrow.Offer[](N);
        bytes[] memory signatures = new bytes[](N);
        for (uint256 i = 0; i < N; ++i) {
            requests[i] = requestAt(i, job);
            offers[i] = defaultOffer();
            offers[i].provider = providerAt(i);
            signatures[i] = sign(0x20000 + i, escrow.offerDigest(offers[i]));
        }
        return abi.encodeCall(IEscrow.openBatch, (requests, offers, signatures));
    }

    function settleCall(uint256 count, bool isFinal) private view returns (bytes memory) {
        IEscrow.Settlement[] memory settlements = new IEscrow.Settlement[](count);
        for (uint256 i = 0; i < count; ++i) {
            settlements[i] = signed(voucher(_open[i], 90 * PER_SECOND + i, isFinal), HUB_KEY);
        }
        return abi.encodeCall(IEscrow.settleBatch, (settlements));
    }

    /// @notice Calls the escrow as the hub; returns the execution's gas too. The escrow's address is made warm first, as
    /// the receiver of a transaction is; in assembly, so that the data isn't copied on the test's own account.
    function send(bytes memory data) private returns (bool ok, uint256 gasUsed) {
        address target = address(escrow);
        assertTrue(target.code.length != 0, "deployed");
        vm.prank(hub);
        assembly ("memory-safe") {
            let before := gas()
            ok := call(gas(), target, 0, add(data, 0x20), mload(data), 0, 0)
            gasUsed := sub(before, gas())
        }
    }

    /// @notice EIP-2028: 16 gas for a byte, 4 for a zero.
    function calldataGas(bytes memory data) private pure returns (uint256 total) {
        for (uint256 i = 0; i < data.length; ++i) {
            total += data[i] == 0 ? 4 : 16;
        }
    }

    function measure(string memory name, bytes memory data, uint256 items) private {
        uint256 intrinsic = TX_BASE + calldataGas(data);
        (bool ok, uint256 execution) = send(data);
        assertTrue(ok, name);
        vm.snapshotValue("Escrow", name, (intrinsic + execution) / items);
    }

    function test_Gas_OpenBatch50PerLease() public {
        measure("open_batch50_per_lease", openCall("later"), N);
        assertEq(escrow.balanceOf(payerAt(N - 1)), DEPOSIT - 2 * HOLD, "the last one was opened");
    }

    function test_Gas_SettleBatch50PerVoucher() public {
        measure("settle_batch50_per_voucher", settleCall(N, false), N);
        assertEq(escrow.balanceOf(providerAt(N - 1)), 1 + 90 * PER_SECOND + N - 1, "the last one was paid");
    }

    function test_Gas_SettleSingle() public {
        measure("settle_single", settleCall(1, false), 1);
        assertEq(escrow.balanceOf(providerAt(0)), 1 + 90 * PER_SECOND, "it was paid");
    }

    function test_Gas_FinalBatch50PerVoucher() public {
        measure("final_batch50_per_voucher", settleCall(N, true), N);
        assertState(_open[N - 1], IEscrow.LeaseState.Closed);
    }
}
