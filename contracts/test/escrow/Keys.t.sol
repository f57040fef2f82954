// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";

contract KeysTest is EscrowFixture {
    uint256 private constant SESSION_KEY = 0x5E5;
    uint256 private constant NEXT_KEY = 0x5E6;
    uint64 private constant UNTIL = START + 30 days;

    address private _session = vm.addr(SESSION_KEY);
    address private _next = vm.addr(NEXT_KEY);
    address private _guardian = address(0x6A4D);

    /// @dev The hub gets its guardian, who appoints the session key.
    function guarded() private {
        vm.prank(hub);
        escrow.setGuardian(hub, _guardian);
        appoint(_session, UNTIL);
    }

    function appoint(address key, uint64 until) private {
        vm.prank(_guardian);
        escrow.appointKey(hub, key, until);
    }

    function retire(address key) private {
        vm.prank(_guardian);
        escrow.retireKey(hub, key);
    }

    function acts(address hub_, address key) private view returns (bool) {
        return escrow.keyUntil(hub_, key) > block.timestamp;
    }

    function openFor(address caller, address hub_, uint64 attempt) private returns (IEscrow.LeaseTerms memory) {
        IEscrow.LeaseRequest[] memory requests = new IEscrow.LeaseRequest[](1);
        IEscrow.Offer[] memory offers = new IEscrow.Offer[](1);
        bytes[] memory signatures = new bytes[](1);
        (requests[0], offers[0]) = (defaultRequest(), defaultOffer());
        requests[0].attempt = attempt;
        requests[0].openBy = offers[0].validUntil = START + 20 days;
        signatures[0] = sign(PROVIDER_KEY, escrow.offerDigest(offers[0]));
        vm.prank(caller);
        escrow.openBatchFor(hub_, requests, offers, signatures);
        return termsOf(requests[0], provider, hub_);
    }

    // ---------------------------------------------------------------------------------- without a guardian

    function test_Keys_TheHubsOwnActsForEver() public view {
        assertEq(escrow.keyUntil(hub, hub), type(uint40).max, "until");
        assertEq(escrow.guardianOf(hub), address(0), "no guardian");
    }

    function test_Keys_StrangersDoNotAct() public view {
        assertEq(escrow.keyUntil(hub, other), 0, "a stranger");
        assertEq(escrow.keyUntil(hub, address(0)), 0, "nobody");
    }

    function test_SetGuardian_ByTheHub() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.GuardianSet(hub, _guardian);
        vm.prank(hub);
        escrow.setGuardian(hub, _guardian);
        assertEq(escrow.guardianOf(hub), _guardian, "guardian");
    }

    function test_Keys_WithoutAGuardian() public {
        vm.startPrank(hub);
        escrow.appointKey(hub, _session, UNTIL);
        assertTrue(acts(hub, _session), "appointed");
        escrow.retireKey(hub, _session);
        assertTrue(!acts(hub, _session), "retired");
        vm.stopPrank();
    }

    function test_RevertWhen_ARetiredHubManages() public {
        vm.startPrank(hub);
        escrow.retireKey(hub, hub);
        vm.expectRevert(IEscrow.NotGuardian.selector);
        escrow.setGuardian(hub, hub);
        vm.expectRevert(IEscrow.NotGuardian.selector);
        escrow.appointKey(hub, _session, UNTIL);
        vm.stopPrank();
        assertTrue(!acts(hub, hub), "it is over");
    }

    // ------------------------------------------------------------------------------------------ setGuardian

    function test_RevertWhen_AnotherSetsTheGuardian() public {
        vm.expectRevert(IEscrow.NotGuardian.selector);
        vm.prank(other);
        escrow.setGuardian(hub, other);
        guarded();
        vm.expectRevert(IEscrow.NotGuardian.selector);
        vm.prank(_session);
        escrow.setGuardian(hub, _session);
    }

    function test_RevertWhen_TheGuardianIsZero() public {
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        vm.prank(hub);
        escrow.setGuardian(hub, address(0));
    }

    function test_RevertWhen_TheHubManagesBesideItsGuardian() public {
        guarded();
        vm.startPrank(hub);
        vm.expectRevert(IEscrow.NotGuardian.selector);
        escrow.setGuardian(hub, hub);
        vm.expectRevert(IEscrow.NotGuardian.selector);
        escrow.appointKey(hub, _next, UNTIL);
        vm.expectRevert(IEscrow.NotGuardian.selector);
        escrow.retireKey(hub, _session);
        vm.stopPrank();
    }

    function test_SetGuardian_HandsOver() public {
        guarded();
        vm.prank(_guardian);
        escrow.setGuardian(hub, other);
        vm.expectRevert(IEscrow.NotGuardian.selector);
        vm.prank(_guardian);
        escrow.retireKey(hub, _session);
        vm.prank(other);
        escrow.retireKey(hub, _session);
        assertTrue(!acts(hub, _session), "the new one may");
    }

    // ------------------------------------------------------------------------------------------- appointKey

    function test_RevertWhen_AppointingZeroAddress() public {
        guarded();
        vm.expectRevert(IEscrow.ZeroAddress.selector);
        appoint(address(0), UNTIL);
    }

    function test_RevertWhen_AppointingTheHubsOwn() public {
        guarded();
        vm.expectRevert(IEscrow.UnknownKey.selector);
        appoint(hub, UNTIL);
    }

    function test_RevertWhen_TheAppointmentHasNoGoodEnd() public {
        guarded();
        vm.expectRevert(IEscrow.BadExpiry.selector);
        appoint(_next, START);
        vm.expectRevert(IEscrow.BadExpiry.selector);
        appoint(_next, type(uint40).max);
        appoint(_next, type(uint40).max - 1);
        appoint(_next, START + 1);
    }

    function test_RevertWhen_AppointingARetiredKey() public {
        guarded();
        retire(_session);
        vm.expectRevert(IEscrow.RetiredKey.selector);
        appoint(_session, UNTIL);
        appoint(_next, START + 10);
        vm.warp(START + 10);
        vm.expectRevert(IEscrow.RetiredKey.selector);
        appoint(_next, UNTIL);
    }

    function test_AppointKey_ActsUntilThen() public {
        guarded();
        vm.expectEmit(address(escrow));
        emit IEscrow.KeyAppointed(hub, _next, START + 10);
        appoint(_next, START + 10);
        vm.warp(START + 9);
        assertTrue(acts(hub, _next), "still");
        vm.warp(START + 10);
        assertTrue(!acts(hub, _next), "no more");
    }

    function test_AppointKey_MovesTheEnd() public {
        guarded();
        appoint(_session, START + 5);
        assertEq(escrow.keyUntil(hub, _session), START + 5, "sooner");
        appoint(_session, START + 50);
        assertEq(escrow.keyUntil(hub, _session), START + 50, "later");
    }

    function test_AppointKey_ForThisHubAlone() public {
        guarded();
        assertEq(escrow.keyUntil(other, _session), 0, "another hub");
        assertEq(escrow.keyUntil(_session, _session), type(uint40).max, "its own name");
        vm.prank(other);
        escrow.appointKey(other, hub, UNTIL);
        assertEq(escrow.keyUntil(hub, hub), type(uint40).max, "being appointed elsewhere changes nothing here");
    }

    // -------------------------------------------------------------------------------------------- retireKey

    function test_RevertWhen_RetiringAStranger() public {
        guarded();
        vm.expectRevert(IEscrow.UnknownKey.selector);
        retire(other);
    }

    function test_RevertWhen_RetiringTwice() public {
        guarded();
        retire(hub);
        vm.expectRevert(IEscrow.RetiredKey.selector);
        retire(hub);
        appoint(_next, START + 10);
        vm.warp(START + 10);
        vm.expectRevert(IEscrow.RetiredKey.selector);
        retire(_next);
    }

    function test_RetireKey_EndsIt() public {
        guarded();
        vm.warp(START + 7);
        vm.expectEmit(address(escrow));
        emit IEscrow.KeyRetired(hub, hub);
        retire(hub);
        assertEq(escrow.keyUntil(hub, hub), START + 7, "until");
        assertTrue(acts(hub, _session), "the others act on");
    }

    // ---------------------------------------------------------------------------------------------- opening

    function test_Open_ByASessionKey() public {
        guarded();
        IEscrow.LeaseTerms memory terms = openFor(_session, hub, 1);
        assertState(terms, IEscrow.LeaseState.Open);
        assertEq(terms.hubKey, hub, "under the hub's name");
        assertEq(used(), HOLD, "under the authorisation of the hub");
    }

    function test_Open_UnderItsOwnName() public {
        guarded();
        IEscrow.LeaseRequest memory request = defaultRequest();
        expectOpenSkipped(termsOf(request, provider, _session), IEscrow.NotAuthorized.selector);
        openAs(_session, request, defaultOffer(), PROVIDER_KEY);
        assertEq(used(), 0, "nothing taken");
    }

    function test_RevertWhen_OpeningWithoutActing() public {
        guarded();
        retire(_session);
        address[3] memory callers = [_session, other, address(0xDEAD)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IEscrow.NotHubKey.selector);
            this.openForExternal(callers[i]);
        }
        retire(hub);
        vm.expectRevert(IEscrow.NotHubKey.selector);
        this.openForExternal(hub);
    }

    function openForExternal(address caller) external {
        openFor(caller, hub, 1);
    }

    function test_TopUp_ByASessionKey() public {
        guarded();
        IEscrow.LeaseTerms memory terms = open();
        topUp(_session, terms, HOLD);
        assertFigures(terms, 2 * HOLD, 0, 0);
        retire(_session);
        expectTopUpSkipped(terms, IEscrow.NotHubKey.selector);
        topUp(_session, terms, HOLD);
        assertFigures(terms, 2 * HOLD, 0, 0);
    }

    // --------------------------------------------------------------------------------------------- settling

    function test_Settle_BySessionKey() public {
        guarded();
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 100);
        settle(voucher(terms, 60 * PER_SECOND, false), SESSION_KEY);
        assertFigures(terms, HOLD, 60 * PER_SECOND, 0);
        settle(voucher(terms, 70 * PER_SECOND, false), HUB_KEY);
        assertFigures(terms, HOLD, 70 * PER_SECOND, 0);
    }

    function test_Final_BySessionKey() public {
        guarded();
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 100);
        settle(voucher(terms, 60 * PER_SECOND, true), SESSION_KEY);
        assertState(terms, IEscrow.LeaseState.Closed);
        assertFigures(terms, HOLD, 60 * PER_SECOND, HOLD - 60 * PER_SECOND);
    }

    function test_SkipsWhen_TheKeyIsAnotherHubs() public {
        IEscrow.LeaseTerms memory terms = open();
        vm.prank(other);
        escrow.appointKey(other, _session, UNTIL);
        vm.warp(START + 100);
        expectSettleSkipped(terms, IEscrow.BadSignature.selector);
        settle(voucher(terms, 60 * PER_SECOND, false), SESSION_KEY);
        expectSettleSkipped(terms, IEscrow.BadSignature.selector);
        settle(voucher(terms, 60 * PER_SECOND, true), OTHER_KEY);
        assertFigures(terms, HOLD, 0, 0);
    }

    function test_Settle_MixedKeysInABatch() public {
        guarded();
        IEscrow.Settlement[] memory settlements = new IEscrow.Settlement[](6);
        uint256[6] memory keys = [HUB_KEY, SESSION_KEY, OTHER_KEY, HUB_KEY, OTHER_KEY, SESSION_KEY];
        IEscrow.LeaseTerms[6] memory terms;
        for (uint64 i = 0; i < 6; ++i) {
            terms[i] = openFor(hub, hub, i);
        }
        vm.warp(START + 100);
        for (uint256 i = 0; i < 6; ++i) {
            settlements[i] = signed(voucher(terms[i], (i + 1) * PER_SECOND, false), keys[i]);
        }
        escrow.settleBatch(settlements);
        for (uint256 i = 0; i < 6; ++i) {
            assertFigures(terms[i], HOLD, keys[i] == OTHER_KEY ? 0 : (i + 1) * PER_SECOND, 0);
        }
    }

    function test_Settle_RetiredKeyIsClamped() public {
        guarded();
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 50);
        retire(_session);
        vm.warp(START + 100);
        settle(voucher(terms, 90 * PER_SECOND, false), SESSION_KEY);
        assertFigures(terms, HOLD, 50 * PER_SECOND, 0);
    }

    function test_Settle_RetiredKeyIsNothingForLaterLeases() public {
        guarded();
        vm.warp(START + 50);
        retire(_session);
        IEscrow.LeaseTerms memory same = openFor(hub, hub, 2);
        vm.warp(START + 60);
        IEscrow.LeaseTerms memory later = openFor(hub, hub, 3);
        vm.warp(START + 100);
        expectSettleSkipped(same, IEscrow.RetiredKey.selector);
        settle(voucher(same, 90 * PER_SECOND, false), SESSION_KEY);
        expectSettleSkipped(later, IEscrow.RetiredKey.selector);
        settle(voucher(later, 90 * PER_SECOND, true), SESSION_KEY);
        assertFigures(later, HOLD, 0, 0);
    }

    function test_Final_RetiredKeyDoesNotClose() public {
        guarded();
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 50);
        retire(_session);
        settle(voucher(terms, 20 * PER_SECOND, true), SESSION_KEY);
        assertFigures(terms, HOLD, 20 * PER_SECOND, 0);
        assertState(terms, IEscrow.LeaseState.Open);
    }

    function test_SkipsWhen_TheRetiredKeysTimeIsPaid() public {
        guarded();
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 50);
        retire(_session);
        vm.warp(START + 100);
        settle(voucher(terms, 90 * PER_SECOND, false), SESSION_KEY);
        expectSettleSkipped(terms, IEscrow.RetiredKey.selector);
        settle(voucher(terms, 95 * PER_SECOND, false), SESSION_KEY);
        expectSettleSkipped(terms, IEscrow.RetiredKey.selector);
        settle(voucher(terms, 95 * PER_SECOND, true), SESSION_KEY);
        assertState(terms, IEscrow.LeaseState.Open);
    }

    function test_Settle_LapsedKeyIsClamped() public {
        guarded();
        appoint(_next, START + 30);
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 100);
        settle(voucher(terms, 90 * PER_SECOND, true), NEXT_KEY);
        assertFigures(terms, HOLD, 30 * PER_SECOND, 0);
        assertState(terms, IEscrow.LeaseState.Open);
    }

    // ------------------------------------------------------------------------------------------ a stolen key

    function test_StolenKey_RotationEndsIt() public {
        guarded();
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 40);
        // the thief has the hub's own key; the guardian retires it and the session key works on
        retire(hub);
        vm.warp(START + 1000);
        settle(voucher(terms, HOLD, true), HUB_KEY);
        assertFigures(terms, HOLD, 40 * PER_SECOND, 0);
        vm.expectRevert(IEscrow.NotHubKey.selector);
        this.openForExternal(hub);
        settle(voucher(terms, 60 * PER_SECOND, true), SESSION_KEY);
        assertFigures(terms, HOLD, 60 * PER_SECOND, HOLD - 60 * PER_SECOND);
        assertState(openFor(_session, hub, 9), IEscrow.LeaseState.Open);
    }

    function test_StolenKey_CannotAppoint() public {
        guarded();
        vm.startPrank(_session);
        vm.expectRevert(IEscrow.NotGuardian.selector);
        escrow.appointKey(hub, other, UNTIL);
        vm.stopPrank();
        vm.startPrank(hub);
        vm.expectRevert(IEscrow.NotGuardian.selector);
        escrow.appointKey(hub, other, UNTIL);
        vm.stopPrank();
    }

    function test_StolenKey_ProvidersKeepTheirs() public {
        guarded();
        IEscrow.LeaseTerms memory terms = open();
        vm.warp(START + 40);
        IEscrow.Settlement memory earned = signed(voucher(terms, 40 * PER_SECOND, false), HUB_KEY);
        retire(hub);
        vm.warp(START + 10 days);
        settleAsIs(earned);
        assertEq(escrow.balanceOf(provider), 40 * PER_SECOND, "paid in full");
    }

    // ------------------------------------------------------------------------------------------------- fuzz

    function testFuzz_Settle_RetiredKeyPaysItsTime(uint256 opened, uint256 retired, uint256 shown, uint256 amount)
        public
    {
        guarded();
        opened = bound(opened, 0, 1000);
        retired = bound(retired, 0, 2000);
        shown = bound(shown, 0, 1000) + (opened > retired ? opened : retired);
        IEscrow.LeaseTerms memory terms;
        if (opened <= retired) {
            vm.warp(START + opened);
            terms = openFor(hub, hub, 1);
        }
        vm.warp(START + retired);
        retire(_session);
        if (opened > retired) {
            vm.warp(START + opened);
            terms = openFor(hub, hub, 1);
        }
        vm.warp(START + shown);
        settle(voucher(terms, amount, false), SESSION_KEY);
        uint256 wanted = opened < retired ? (retired - opened) * PER_SECOND : 0;
        assertFigures(terms, HOLD, amount < wanted ? amount : wanted, 0);
    }
}
