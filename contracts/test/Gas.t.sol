// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../src/interfaces/IEscrow.sol";
import {EscrowFixture} from "./utils/EscrowFixture.sol";

/// @notice What a transaction costs in all: base fee, calldata and execution, in steady state (every account and
/// authorisation has been used before), over 50 distinct payers and providers. Committed under snapshots/.
/// @dev What is to be there before is made in setUp, which is a transaction of its own: each test starts cold.
abstract contract GasFixture is EscrowFixture {
    uint256 internal constant N = 50;
    uint256 private constant TX_BASE = 21_000;

    IEscrow.LeaseTerms[] internal _open;

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < N; ++i) {
            fund(payerAt(i), DEPOSIT);
            if (paidBefore()) fund(providerAt(i), 1);
            vm.prank(payerAt(i));
            escrow.authorize(hub, NAMESPACE, CAP, RATE, START + 30 days);
        }
        // so many leases are open when anything is measured; the last 50 are what is settled
        for (uint256 round = 0; round * N < openBefore(); ++round) {
            uint256 left = openBefore() - round * N;
            this.openRound(round, left < N ? left : N);
        }
        (bool opened,) = send(openCall("earlier", HOLD, N));
        assertTrue(opened, "opened");
        for (uint256 i = 0; i < N; ++i) {
            _open.push(termsOf(requestAt(i, "earlier"), providerAt(i), hub));
        }
        vm.warp(START + 100);
    }

    /// @dev External, so that what it takes of memory is given back.
    function openRound(uint256 round, uint256 count) external {
        (bool ok,) = send(openCall(string.concat("earlier ", vm.toString(round)), 1, count));
        assertTrue(ok, "opened");
    }

    /// @notice How many leases are open besides the ones that are measured.
    function openBefore() internal pure virtual returns (uint256) {
        return 10;
    }

    /// @notice Whether providers have had money in the escrow.
    function paidBefore() internal pure virtual returns (bool) {
        return true;
    }

    /// @notice Where the figures go.
    function group() internal pure virtual returns (string memory) {
        return "Escrow";
    }

    function payerAt(uint256 i) internal pure returns (address) {
        return vm.addr(0x10000 + i);
    }

    function providerAt(uint256 i) internal pure returns (address) {
        return vm.addr(0x20000 + i);
    }

    function requestAt(uint256 i, string memory job) private view returns (IEscrow.LeaseRequest memory request) {
        request = defaultRequest();
        request.payer = payerAt(i);
        request.jobId = keccak256(abi.encode(job, i));
    }

    function openCall(string memory job, uint256 hold, uint256 count) internal view returns (bytes memory) {
        IEscrow.LeaseRequest[] memory requests = new IEscrow.LeaseRequest[](count);
        IEscrow.Offer[] memory offers = new IEscrow.Offer[](count);
        bytes[] memory signatures = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            requests[i] = requestAt(i, job);
            requests[i].hold = hold;
            offers[i] = defaultOffer();
            offers[i].provider = providerAt(i);
            signatures[i] = sign(0x20000 + i, escrow.offerDigest(offers[i]));
        }
        return abi.encodeCall(IEscrow.openBatch, (requests, offers, signatures));
    }

    function settleCall(uint256 count, bool isFinal) internal view returns (bytes memory) {
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

    function measure(string memory name, bytes memory data, uint256 items) internal {
        uint256 intrinsic = TX_BASE + calldataGas(data);
        (bool ok, uint256 execution) = send(data);
        assertTrue(ok, name);
        vm.snapshotValue(group(), name, (intrinsic + execution) / items);
    }
}

contract GasTest is GasFixture {
    function test_Gas_OpenBatch50PerLease() public {
        uint256 before = escrow.balanceOf(payerAt(N - 1));
        measure("open_batch50_per_lease", openCall("later", HOLD, N), N);
        assertEq(escrow.balanceOf(payerAt(N - 1)), before - HOLD, "the last one was opened");
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

/// @notice The same with ten thousand leases open: what the escrow keeps elsewhere costs nothing here.
contract GasAt10000Test is GasTest {
    function openBefore() internal pure override returns (uint256) {
        return 10_000;
    }

    function group() internal pure override returns (string memory) {
        return "EscrowAt10000";
    }
}

/// @notice As the batch, but no provider ever had an account: what a first payment costs.
contract GasOfTheFirstTouchTest is GasFixture {
    function paidBefore() internal pure override returns (bool) {
        return false;
    }

    function test_Gas_FirstTouchPerVoucher() public {
        measure("first_touch_per_voucher", settleCall(N, false), N);
        assertEq(escrow.balanceOf(providerAt(0)), 90 * PER_SECOND, "the first payment");
    }
}
