// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {OwnedWallet} from "../mocks/Wallets.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

contract AccountsTest is EscrowFixture {
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    /// @dev External, so that a test can expect it to revert.
    function newEscrowExternal(address token_, uint256 window) external returns (IEscrow) {
        return newEscrow(token_, window);
    }

    function give(address account, uint256 amount) private {
        assertTrue(token.transfer(account, amount), "transfer");
    }

    // ------------------------------------------------------------------------------------------ constructor

    function test_RevertWhen_TokenHasNoCode() public {
        vm.expectRevert(IEscrow.TokenHasNoCode.selector);
        this.newEscrowExternal(address(0xDEAD), WINDOW);
    }

    function test_RevertWhen_ClosingWindowIsTooShort() public {
        vm.expectRevert(IEscrow.ClosingWindowTooShort.selector);
        this.newEscrowExternal(address(token), 72 hours - 1);
    }

    function test_Constructor_KeepsTokenAndWindow() public {
        IEscrow fresh = newEscrow(address(token), 96 hours);
        assertEq(fresh.TOKEN(), address(token), "token");
        assertEq(fresh.CLOSING_WINDOW(), 96 hours, "window");
        assertEq(fresh.MIN_CLOSING_WINDOW(), 72 hours, "least window");
        assertEq(fresh.MAX_BATCH(), 64, "batch");
        assertEq(fresh.MAX_MILLI_UNITS(), 1e9, "milliUnits");
        assertEq(fresh.MAX_HOLD(), type(uint88).max, "hold");
        assertEq(fresh.MAX_CAP(), type(uint96).max, "cap");
        assertEq(fresh.MAX_RATE(), type(uint96).max, "rate");
    }

    // ---------------------------------------------------------------------------------------------- deposit

    function test_RevertWhen_DepositIsZero() public {
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        escrow.deposit(0);
    }

    function test_RevertWhen_DepositIsNotAllowed() public {
        give(other, 10);
        vm.startPrank(other);
        token.approve(address(escrow), 9);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(escrow), 9, 10)
        );
        escrow.deposit(10);
        vm.stopPrank();
        assertEq(escrow.balanceOf(other), 0, "nothing credited");
    }

    function test_Deposit_CreditsTheCaller() public {
        give(other, 10);
        vm.startPrank(other);
        token.approve(address(escrow), 10);
        vm.expectEmit(address(escrow));
        emit IEscrow.Deposited(other, other, 7);
        escrow.deposit(7);
        vm.stopPrank();
        assertEq(escrow.balanceOf(other), 7, "account");
        assertEq(token.balanceOf(other), 3, "wallet");
        assertEq(token.balanceOf(address(escrow)), DEPOSIT + 7, "vault");
    }

    function testFuzz_Deposit_AddsUp(uint256 first, uint256 second) public {
        first = bound(first, 1, 1e27);
        second = bound(second, 1, 1e27);
        fund(other, first);
        fund(other, second);
        assertEq(escrow.balanceOf(other), first + second, "account");
        assertEq(token.balanceOf(address(escrow)), DEPOSIT + first + second, "vault");
    }

    // ------------------------------------------------------------------------------------------- depositFor

    function test_RevertWhen_DepositForZeroAddress() public {
        token.approve(address(escrow), 1);
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        escrow.depositFor(address(0), 1);
    }

    function test_DepositFor_CreditsTheAccount() public {
        uint256 before = token.balanceOf(address(this));
        token.approve(address(escrow), 5);
        vm.expectEmit(address(escrow));
        emit IEscrow.Deposited(other, address(this), 5);
        escrow.depositFor(other, 5);
        assertEq(escrow.balanceOf(other), 5, "account");
        assertEq(escrow.balanceOf(address(this)), 0, "not the caller");
        assertEq(token.balanceOf(address(this)), before - 5, "from the caller");
    }

    // ------------------------------------------------------------------------------------ depositWithPermit

    function permitOf(uint256 key, uint256 amount, uint256 deadline)
        private
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        address owner = vm.addr(OTHER_KEY);
        bytes32 structHash =
            keccak256(abi.encode(PERMIT_TYPEHASH, owner, address(escrow), amount, token.nonces(owner), deadline));
        return vm.sign(key, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }

    function test_DepositWithPermit_NeedsNoApproval() public {
        give(other, 10);
        (uint8 v, bytes32 r, bytes32 s) = permitOf(OTHER_KEY, 10, START);
        vm.prank(other);
        escrow.depositWithPermit(10, START, v, r, s);
        assertEq(escrow.balanceOf(other), 10, "account");
    }

    function test_DepositWithPermit_ToleratesAFrontRun() public {
        give(other, 10);
        (uint8 v, bytes32 r, bytes32 s) = permitOf(OTHER_KEY, 10, START);
        token.permit(other, address(escrow), 10, START, v, r, s);
        vm.prank(other);
        escrow.depositWithPermit(10, START, v, r, s);
        assertEq(escrow.balanceOf(other), 10, "account");
    }

    function test_RevertWhen_PermitIsBad() public {
        give(other, 10);
        (uint8 v, bytes32 r, bytes32 s) = permitOf(PAYER_KEY, 10, START);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(escrow), 0, 10)
        );
        vm.prank(other);
        escrow.depositWithPermit(10, START, v, r, s);
    }

    // --------------------------------------------------------------------------------------------- withdraw

    function test_RevertWhen_WithdrawalIsZero() public {
        vm.expectRevert(IEscrow.ZeroAmount.selector);
        vm.prank(payer);
        escrow.withdraw(0, payer);
    }

    function test_RevertWhen_WithdrawalToZeroAddress() public {
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        vm.prank(payer);
        escrow.withdraw(1, address(0));
    }

    function test_RevertWhen_WithdrawalToEscrow() public {
        vm.expectRevert(IEscrow.WithdrawToEscrow.selector);
        vm.prank(payer);
        escrow.withdraw(1, address(escrow));
    }

    function test_RevertWhen_WithdrawalIsAboveBalance() public {
        vm.expectRevert(IEscrow.InsufficientBalance.selector);
        vm.prank(payer);
        escrow.withdraw(DEPOSIT + 1, payer);
        vm.expectRevert(IEscrow.InsufficientBalance.selector);
        vm.prank(other);
        escrow.withdraw(1, other);
    }

    function test_Withdraw_LeavesHoldsAlone() public {
        open();
        vm.expectRevert(IEscrow.InsufficientBalance.selector);
        vm.prank(payer);
        escrow.withdraw(DEPOSIT - HOLD + 1, payer);
        vm.prank(payer);
        escrow.withdraw(DEPOSIT - HOLD, payer);
        assertEq(token.balanceOf(address(escrow)), HOLD, "the hold stays");
        assertEq(escrow.balanceOf(payer), 0, "account");
    }

    function test_Withdraw_SendsToTheReceiver() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.Withdrawn(payer, other, 3);
        vm.prank(payer);
        escrow.withdraw(3, other);
        assertEq(token.balanceOf(other), 3, "receiver");
        assertEq(token.balanceOf(payer), 0, "not the caller");
        assertEq(escrow.balanceOf(payer), DEPOSIT - 3, "account");
    }

    function testFuzz_Withdraw_GivesBackExactly(uint256 amount, uint256 part) public {
        amount = bound(amount, 2, 1e27);
        part = bound(part, 1, amount - 1);
        fund(other, amount);
        vm.startPrank(other);
        escrow.withdraw(part, other);
        escrow.withdraw(amount - part, other);
        vm.expectRevert(IEscrow.InsufficientBalance.selector);
        escrow.withdraw(1, other);
        vm.stopPrank();
        assertEq(token.balanceOf(other), amount, "wallet");
    }

    // -------------------------------------------------------------------------------------------- authorize

    function test_RevertWhen_AuthorizingZeroAddress() public {
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        escrow.authorize(address(0), NAMESPACE, 1, 1, START + 1);
    }

    function test_RevertWhen_CapIsTooLarge() public {
        vm.expectRevert(IEscrow.AmountTooLarge.selector);
        escrow.authorize(hub, NAMESPACE, uint256(type(uint96).max) + 1, 1, START + 1);
    }

    function test_RevertWhen_MaxRateIsTooLarge() public {
        vm.expectRevert(IEscrow.AmountTooLarge.selector);
        escrow.authorize(hub, NAMESPACE, 1, uint256(type(uint96).max) + 1, START + 1);
    }

    function test_RevertWhen_ExpiryIsNotInTheFuture() public {
        vm.expectRevert(IEscrow.BadExpiry.selector);
        escrow.authorize(hub, NAMESPACE, 1, 1, START);
        vm.expectRevert(IEscrow.BadExpiry.selector);
        escrow.authorize(hub, NAMESPACE, 1, 1, 0);
    }

    function test_RevertWhen_ExpiryIsBeyondCounting() public {
        vm.expectRevert(IEscrow.BadExpiry.selector);
        escrow.authorize(hub, NAMESPACE, 1, 1, uint64(type(uint40).max) + 1);
        escrow.authorize(hub, NAMESPACE, 1, 1, type(uint40).max);
    }

    function testFuzz_Authorize_Stores(uint256 cap, uint256 maxRate, uint256 expiry) public {
        cap = bound(cap, 0, type(uint96).max);
        maxRate = bound(maxRate, 0, type(uint96).max);
        expiry = bound(expiry, START + 1, type(uint40).max);
        vm.expectEmit(address(escrow));
        emit IEscrow.Authorized(other, hub, NAMESPACE, cap, maxRate, uint64(expiry));
        vm.prank(other);
        escrow.authorize(hub, NAMESPACE, cap, maxRate, uint64(expiry));
        IEscrow.Authorization memory grant = escrow.authorization(other, hub, NAMESPACE);
        assertEq(grant.cap, cap, "cap");
        assertEq(grant.used, 0, "used");
        assertEq(grant.maxRate, maxRate, "maxRate");
        assertEq(grant.expiry, expiry, "expiry");
    }

    function test_Authorize_KeepsKeysApart() public {
        vm.prank(other);
        escrow.authorize(hub, NAMESPACE, 1, 2, START + 3);
        assertEq(escrow.authorization(payer, hub, NAMESPACE).cap, CAP, "another payer's is untouched");
        assertEq(escrow.authorization(other, provider, NAMESPACE).cap, 0, "another hub key");
        assertEq(escrow.authorization(other, hub, keccak256("another")).cap, 0, "another namespace");
        assertEq(escrow.authorization(other, hub, NAMESPACE).cap, 1, "its own");
    }

    function test_Authorize_KeepsUsed() public {
        open();
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, 1, 2, START + 3);
        IEscrow.Authorization memory grant = escrow.authorization(payer, hub, NAMESPACE);
        assertEq(grant.cap, 1, "cap");
        assertEq(grant.used, HOLD, "used");
        assertEq(grant.maxRate, 2, "maxRate");
        assertEq(grant.expiry, START + 3, "expiry");
    }

    // ----------------------------------------------------------------------------------------------- revoke

    function test_Revoke_LeavesUsed() public {
        open();
        vm.expectEmit(address(escrow));
        emit IEscrow.Revoked(payer, hub, NAMESPACE);
        vm.prank(payer);
        escrow.revoke(hub, NAMESPACE);
        IEscrow.Authorization memory grant = escrow.authorization(payer, hub, NAMESPACE);
        assertEq(grant.cap, 0, "cap");
        assertEq(grant.used, HOLD, "used");
        assertEq(grant.maxRate, 0, "maxRate");
        assertEq(grant.expiry, 0, "expiry");
    }

    function test_Revoke_TouchesOnlyTheCallers() public {
        vm.prank(other);
        escrow.revoke(hub, NAMESPACE);
        vm.prank(payer);
        escrow.revoke(hub, keccak256("another"));
        vm.prank(payer);
        escrow.revoke(other, NAMESPACE);
        assertEq(escrow.authorization(payer, hub, NAMESPACE).cap, CAP, "untouched");
    }

    function test_Revoke_CanBeUndone() public {
        open();
        vm.startPrank(payer);
        escrow.revoke(hub, NAMESPACE);
        escrow.authorize(hub, NAMESPACE, 2 * HOLD, RATE, START + 1 days);
        vm.stopPrank();
        IEscrow.LeaseRequest memory request = defaultRequest();
        request.attempt = 2;
        open(request);
        assertEq(used(), 2 * HOLD, "what was used before the revocation counts");
    }

    // ------------------------------------------------------------------------------- authorizeWithSignature

    function defaultGrant() private view returns (IEscrow.Grant memory) {
        return IEscrow.Grant({
            payer: payer,
            hubKey: hub,
            namespaceId: keccak256("another namespace"),
            cap: 7e18,
            maxRate: 3e18,
            expiry: START + 2 days,
            nonce: escrow.grantNonce(payer),
            deadline: START + 60
        });
    }

    function present(IEscrow.Grant memory grant, uint256 key) private {
        bytes memory signature = sign(key, escrow.grantDigest(grant));
        vm.prank(address(0xDEAD));
        escrow.authorizeWithSignature(grant, signature);
    }

    function assertGranted(IEscrow.Grant memory grant) private view {
        IEscrow.Authorization memory got = escrow.authorization(grant.payer, grant.hubKey, grant.namespaceId);
        assertEq(got.cap, grant.cap, "cap");
        assertEq(got.maxRate, grant.maxRate, "maxRate");
        assertEq(got.expiry, grant.expiry, "expiry");
    }

    function test_Grant_AuthorizesForItsSigner() public {
        IEscrow.Grant memory grant = defaultGrant();
        bytes memory signature = sign(PAYER_KEY, escrow.grantDigest(grant));
        vm.expectEmit(address(escrow));
        emit IEscrow.Authorized(payer, hub, grant.namespaceId, 7e18, 3e18, START + 2 days);
        escrow.authorizeWithSignature(grant, signature);
        assertGranted(grant);
    }

    function test_Grant_WorksInTheDeadlinesLastSecond() public {
        IEscrow.Grant memory grant = defaultGrant();
        vm.warp(START + 60);
        present(grant, PAYER_KEY);
        assertGranted(grant);
    }

    function test_RevertWhen_GrantIsPastItsDeadline() public {
        IEscrow.Grant memory grant = defaultGrant();
        bytes memory signature = sign(PAYER_KEY, escrow.grantDigest(grant));
        vm.warp(START + 61);
        vm.expectRevert(IEscrow.GrantExpired.selector);
        escrow.authorizeWithSignature(grant, signature);
    }

    function test_RevertWhen_GrantIsPresentedTwice() public {
        IEscrow.Grant memory grant = defaultGrant();
        bytes memory signature = sign(PAYER_KEY, escrow.grantDigest(grant));
        escrow.authorizeWithSignature(grant, signature);
        vm.expectRevert(IEscrow.GrantCancelled.selector);
        escrow.authorizeWithSignature(grant, signature);
    }

    function test_RevertWhen_GrantWasOvertaken() public {
        IEscrow.Grant memory grant = defaultGrant();
        bytes memory signature = sign(PAYER_KEY, escrow.grantDigest(grant));
        vm.prank(payer);
        escrow.revoke(hub, NAMESPACE);
        vm.expectRevert(IEscrow.GrantCancelled.selector);
        escrow.authorizeWithSignature(grant, signature);
        grant = defaultGrant();
        signature = sign(PAYER_KEY, escrow.grantDigest(grant));
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, 1, 1, START + 1);
        vm.expectRevert(IEscrow.GrantCancelled.selector);
        escrow.authorizeWithSignature(grant, signature);
    }

    function test_RevertWhen_GrantIsBySomebodyElse() public {
        IEscrow.Grant memory grant = defaultGrant();
        bytes memory signature = sign(OTHER_KEY, escrow.grantDigest(grant));
        vm.expectRevert(IEscrow.BadSignature.selector);
        escrow.authorizeWithSignature(grant, signature);
    }

    function test_RevertWhen_GrantIsForAnotherChain() public {
        IEscrow.Grant memory grant = defaultGrant();
        bytes memory signature = sign(PAYER_KEY, escrow.grantDigest(grant));
        vm.chainId(block.chainid + 1);
        vm.expectRevert(IEscrow.BadSignature.selector);
        escrow.authorizeWithSignature(grant, signature);
    }

    function test_RevertWhen_GrantIsOutOfBounds() public {
        IEscrow.Grant memory grant = defaultGrant();
        grant.hubKey = address(0);
        bytes memory signature = sign(PAYER_KEY, escrow.grantDigest(grant));
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        escrow.authorizeWithSignature(grant, signature);
    }

    function test_Grant_ByAWallet() public {
        OwnedWallet wallet = new OwnedWallet(other);
        IEscrow.Grant memory grant = defaultGrant();
        (grant.payer, grant.nonce) = (address(wallet), 0);
        present(grant, OTHER_KEY);
        assertGranted(grant);
        grant.nonce = 1;
        bytes memory signature = sign(PAYER_KEY, escrow.grantDigest(grant));
        vm.expectRevert(IEscrow.BadSignature.selector);
        escrow.authorizeWithSignature(grant, signature);
    }

    /// @dev Any other word in the message is another message.
    function testFuzz_Grant_ChangedIsRefused(uint256 field, uint256 bit) public {
        IEscrow.Grant memory grant = defaultGrant();
        bytes memory signature = sign(PAYER_KEY, escrow.grantDigest(grant));
        field = bound(field, 0, 5);
        if (field == 0) grant.payer = address(uint160(grant.payer) ^ uint160(1 << (bit % 160)));
        if (field == 1) grant.hubKey = address(uint160(grant.hubKey) ^ uint160(1 << (bit % 160)));
        if (field == 2) grant.namespaceId ^= bytes32(1 << (bit % 256));
        if (field == 3) grant.cap ^= 1 << (bit % 90);
        if (field == 4) grant.maxRate ^= 1 << (bit % 90);
        if (field == 5) grant.deadline ^= uint64(1 << (40 + bit % 20));
        bytes4 reason = field == 0 ? IEscrow.GrantCancelled.selector : IEscrow.BadSignature.selector;
        vm.expectRevert(reason);
        escrow.authorizeWithSignature(grant, signature);
    }
}
