// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";

contract ToppingUpTest is EscrowFixture {
    IEscrow.LeaseTerms private _terms;

    function setUp() public override {
        super.setUp();
        _terms = open();
    }

    /// @dev Tops up as `hub_` and checks that it was skipped for `reason` and changed nothing.
    function assertSkips(address hub_, IEscrow.LeaseTerms memory terms, uint256 amount, bytes4 reason) private {
        bytes32 before = fingerprint(terms);
        expectTopUpSkipped(terms, reason);
        topUp(hub_, terms, amount);
        assertEq(fingerprint(terms), before, "a skipped item changes nothing");
    }

    function fingerprint(IEscrow.LeaseTerms memory terms) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                escrow.lease(idOf(terms)),
                escrow.balanceOf(payer),
                escrow.authorization(terms.payer, terms.hubKey, terms.namespaceId)
            )
        );
    }

    function test_RevertWhen_AmountsDiffer() public {
        vm.expectRevert(IEscrow.LengthMismatch.selector);
        escrow.topUpBatch(new IEscrow.LeaseTerms[](1), new uint256[](2));
        vm.expectRevert(IEscrow.LengthMismatch.selector);
        escrow.topUpBatch(new IEscrow.LeaseTerms[](2), new uint256[](1));
    }

    function test_RevertWhen_BatchIsTooLarge() public {
        escrow.topUpBatch(new IEscrow.LeaseTerms[](64), new uint256[](64));
        vm.expectRevert(IEscrow.BatchTooLarge.selector);
        escrow.topUpBatch(new IEscrow.LeaseTerms[](65), new uint256[](65));
    }

    // ------------------------------------------------------------------------------------------- good items

    function test_TopUp_AddsToTheHold() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.LeaseToppedUp(idOf(_terms), 3, HOLD + 3);
        topUp(hub, _terms, 3);
        assertFigures(_terms, HOLD + 3, 0, 0);
        assertEq(escrow.balanceOf(payer), DEPOSIT - HOLD - 3, "account");
        assertEq(used(), HOLD + 3, "used");
        assertEq(lease(_terms).openedAt, START, "openedAt");
    }

    function test_TopUp_ResumesAPausedLease() public {
        vm.warp(START + 20_000);
        settle(_terms, 20 * HOLD, false);
        assertState(_terms, IEscrow.LeaseState.Paused);
        assertFigures(_terms, HOLD, HOLD, 0);
        topUp(hub, _terms, HOLD);
        assertState(_terms, IEscrow.LeaseState.Open);
        settle(_terms, 20 * HOLD, false);
        assertFigures(_terms, 2 * HOLD, 2 * HOLD, 0);
        assertEq(escrow.balanceOf(provider), 2 * HOLD, "provider");
    }

    function test_TopUp_LeavesTheClamp() public {
        vm.warp(START + 10);
        topUp(hub, _terms, 100 * HOLD - 60 * HOLD);
        settle(_terms, 40 * HOLD, false);
        assertFigures(_terms, 41 * HOLD, 10 * PER_SECOND, 0);
    }

    function testFuzz_TopUp_AddsToTheHold(uint256 first, uint256 second) public {
        first = bound(first, 1, CAP - HOLD - 1);
        second = bound(second, 1, CAP - HOLD - first);
        topUp(hub, _terms, first);
        topUp(hub, _terms, second);
        assertFigures(_terms, HOLD + first + second, 0, 0);
        assertEq(used(), HOLD + first + second, "used");
        assertEq(escrow.balanceOf(payer), DEPOSIT - HOLD - first - second, "account");
    }

    // ---------------------------------------------------------------------------------------------- refusals

    function test_SkipsWhen_CallerIsNotTheHubKey() public {
        assertSkips(other, _terms, 1, IEscrow.NotHubKey.selector);
        assertSkips(payer, _terms, 1, IEscrow.NotHubKey.selector);
    }

    function test_SkipsWhen_LeaseIsUnknown() public {
        IEscrow.LeaseTerms memory terms = _terms;
        terms.attempt += 1;
        assertSkips(hub, terms, 1, IEscrow.UnknownLease.selector);
    }

    function test_SkipsWhen_LeaseIsClosed() public {
        settle(_terms, 0, true);
        assertSkips(hub, _terms, 1, IEscrow.AlreadyClosed.selector);
    }

    function test_SkipsWhen_LeaseIsClosing() public {
        startClosing(payer, _terms);
        assertSkips(hub, _terms, 1, IEscrow.AlreadyClosing.selector);
    }

    function test_SkipsWhen_AmountIsZero() public {
        assertSkips(hub, _terms, 0, IEscrow.ZeroAmount.selector);
    }

    function test_SkipsWhen_AuthorizationIsRevoked() public {
        vm.prank(payer);
        escrow.revoke(hub, NAMESPACE);
        assertSkips(hub, _terms, 1, IEscrow.NotAuthorized.selector);
    }

    function test_SkipsWhen_AuthorizationIsExpired() public {
        vm.warp(START + 30 days);
        assertSkips(hub, _terms, 1, IEscrow.AuthorizationExpired.selector);
        vm.warp(START + 30 days - 1);
        topUp(hub, _terms, 1);
        assertFigures(_terms, HOLD + 1, 0, 0);
    }

    function test_SkipsWhen_RateWasLowered() public {
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, CAP, RATE - 1, START + 10);
        assertSkips(hub, _terms, 1, IEscrow.RateAboveAuthorization.selector);
    }

    function test_SkipsWhen_HoldWouldBeTooLarge() public {
        uint256 most = escrow.MAX_HOLD();
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, 2 * most, RATE, START + 10);
        fund(payer, most);
        assertSkips(hub, _terms, most - HOLD + 1, IEscrow.AmountTooLarge.selector);
        assertSkips(hub, _terms, type(uint256).max, IEscrow.AmountTooLarge.selector);
        topUp(hub, _terms, most - HOLD);
        assertFigures(_terms, most, 0, 0);
        assertEq(lease(_terms).openedAt, START, "openedAt");
    }

    function test_SkipsWhen_CapWouldBePassed() public {
        assertSkips(hub, _terms, CAP - HOLD + 1, IEscrow.CapExceeded.selector);
        topUp(hub, _terms, CAP - HOLD);
        assertFigures(_terms, CAP, 0, 0);
    }

    function test_SkipsWhen_BalanceIsTooSmall() public {
        vm.prank(payer);
        escrow.withdraw(DEPOSIT - HOLD, payer);
        assertSkips(hub, _terms, 1, IEscrow.InsufficientBalance.selector);
    }

    function test_TopUp_SkipsOnlyTheBadItem() public {
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.attempt = 2;
        IEscrow.LeaseTerms memory second = open(request);
        IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](3);
        uint256[] memory amounts = new uint256[](3);
        (list[0], list[1], list[2]) = (_terms, _terms, second);
        (amounts[0], amounts[1], amounts[2]) = (1, CAP, 2);
        expectTopUpSkipped(_terms, IEscrow.CapExceeded.selector);
        vm.prank(hub);
        escrow.topUpBatch(list, amounts);
        assertFigures(_terms, HOLD + 1, 0, 0);
        assertFigures(second, HOLD + 2, 0, 0);
    }
}
