// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VendorToken} from "../../src/exchange/VendorToken.sol";
import {VendorTokenFactory} from "../../src/exchange/VendorTokenFactory.sol";
import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IGuardrail} from "../../src/interfaces/IGuardrail.sol";
import {Guardrail} from "../../src/policy/Guardrail.sol";
import {PolicyFixture} from "./PolicyFixture.sol";

/// @notice Every way out, under every measure at once.
contract GuardrailExitsTest is PolicyFixture {
    bytes32 private constant IMAGE = keccak256("image");
    bytes32 private constant MODEL = keccak256("model");
    bytes32 private constant REASON = keccak256("reason");

    Guardrail private _guardrail;
    VendorToken private _vendorToken;
    VendorTokenFactory private _factory;
    address private _node;
    IEscrow.LeaseTerms private _terms;

    function setUp() public override {
        super.setUp();
        _node = provider;
        registerNode(_node, owner, 10, 200_000e18);
        _factory = new VendorTokenFactory(address(token));
        _vendorToken = VendorToken(_factory.issue("Own", "OWN", 2e18, 1e18));
        token.approve(address(_vendorToken), type(uint256).max);
        _vendorToken.buy(50e18, type(uint256).max, address(this));
        _guardrail = new Guardrail(payable(address(timelock)), members(), 2);
        _terms = leaseWith(PROVIDER_KEY);
        imposeAll();
    }

    function members() private pure returns (address[] memory list) {
        list = new address[](3);
        (list[0], list[1], list[2]) = (address(0xC1), address(0xC2), address(0xC3));
    }

    function signAll(IGuardrail.Kind kind, bytes32 subject) private {
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(members()[i]);
            _guardrail.propose(kind, subject, 7 days, REASON);
        }
    }

    /// @dev The timelock's are lasting, so that the exits that take weeks stand under them too.
    function imposeAll() private {
        signAll(IGuardrail.Kind.Freeze, 0);
        signAll(IGuardrail.Kind.Deny, MODEL);
        signAll(IGuardrail.Kind.Quarantine, idOf(_terms));
        vm.startPrank(address(timelock));
        _guardrail.deny(IMAGE, REASON);
        _guardrail.deny(MODEL, REASON);
        _guardrail.quarantine(idOf(_terms), REASON);
        vm.stopPrank();
    }

    /// @notice Freezes again as soon as that is possible, however often.
    function freezeOn() private {
        (bool open, uint256 until) = _guardrail.intakeOpen();
        if (!open || until > block.timestamp) return;
        signAll(IGuardrail.Kind.Freeze, 0);
    }

    function test_Measures_Stand() public view {
        (bool open,) = _guardrail.intakeOpen();
        (bool image,) = _guardrail.isDenied(IMAGE);
        (bool model,) = _guardrail.isDenied(MODEL);
        (bool lease_,) = _guardrail.isQuarantined(idOf(_terms));
        assertTrue(!open && image && model && lease_, "all at once");
    }

    // ------------------------------------------------------------------------------------------- escrow

    function withdrawAll(address who) private returns (uint256 amount) {
        amount = escrow.balanceOf(who);
        uint256 before = token.balanceOf(who);
        vm.prank(who);
        escrow.withdraw(amount, who);
        assertEq(token.balanceOf(who), before + amount, "withdrawn");
    }

    function test_Exit_SettleAndWithdraw() public {
        vm.warp(block.timestamp + 1 hours);
        settle(_terms, 3000 * PER_SECOND, false);
        assertEq(withdrawAll(provider), 3000 * PER_SECOND, "the provider's");
    }

    function test_Exit_FinalVoucherRefunds() public {
        uint256 before = escrow.balanceOf(payer);
        vm.warp(block.timestamp + 1 hours);
        settle(_terms, 3000 * PER_SECOND, true);
        assertState(_terms, IEscrow.LeaseState.Closed);
        assertEq(escrow.balanceOf(payer), before + 100_000e18 - 3000 * PER_SECOND, "refunded");
        withdrawAll(payer);
    }

    function test_Exit_ClosingAndFinalize() public {
        uint256 before = escrow.balanceOf(payer);
        startClosing(payer, _terms);
        vm.warp(block.timestamp + WINDOW);
        settle(_terms, 500 * PER_SECOND, false);
        vm.warp(block.timestamp + 1);
        escrow.finalize(_terms);
        assertEq(escrow.balanceOf(payer), before + 100_000e18 - 500 * PER_SECOND, "refunded");
        assertEq(withdrawAll(provider), 500 * PER_SECOND, "a voucher in the window");
        withdrawAll(payer);
    }

    function test_Exit_Claim() public {
        vm.warp(block.timestamp + 1 hours);
        vm.prank(provider);
        uint256 claimed = escrow.claim(_terms, 3000 * PER_SECOND);
        vm.warp(block.timestamp + 2 * WINDOW + 1);
        escrow.finalize(_terms);
        assertEq(withdrawAll(provider), claimed, "the claim");
    }

    function test_Exit_RevokeAndWithdraw() public {
        vm.prank(payer);
        escrow.revoke(hub, NAMESPACE);
        withdrawAll(payer);
        assertEq(escrow.balanceOf(payer), 0, "all that was free");
    }

    function test_Exit_ToppedUpLeaseSettles() public {
        topUp(hub, _terms, 10e18);
        vm.warp(block.timestamp + 1 hours);
        settle(_terms, 3600 * PER_SECOND, true);
        assertEq(withdrawAll(provider), 3600 * PER_SECOND, "paid");
    }

    // ------------------------------------------------------------------------------------------- mining

    function test_Exit_MinedIsPaid() public {
        vm.warp(block.timestamp + 1 hours);
        settle(_terms, 3600 * PER_SECOND, true);
        record(_terms);
        freezeOn();
        uint256 mined = finish(_node, 0, 3_600_000);
        assertEq(mined, 3 * 3600 * PER_SECOND, "mined");
        freezeOn();
        vm.warp(block.timestamp + VESTING);
        uint256 before = token.balanceOf(owner);
        emission.claim(_node, 0);
        assertEq(token.balanceOf(owner), before + mined, "claimed");
    }

    function test_Exit_NodeStake() public {
        uint256 stake = registry.account(_node).stake;
        vm.prank(_node);
        registry.quit();
        vm.warp(block.timestamp + UNBONDING);
        freezeOn();
        uint256 before = token.balanceOf(owner);
        vm.prank(_node);
        registry.withdraw(owner);
        assertEq(token.balanceOf(owner), before + stake, "all of it");
    }

    function test_Exit_VerifierStake() public {
        address verifier = verifierAt(3);
        vm.startPrank(verifier);
        registry.quit();
        vm.warp(block.timestamp + UNBONDING);
        registry.withdraw(verifier);
        vm.stopPrank();
        assertEq(token.balanceOf(verifier), VERIFIER_STAKE, "all of it");
    }

    function test_Exit_CourtPays() public {
        warpToEnd(0, 0);
        give(other, address(disputes), BOND);
        vm.prank(other);
        uint256 id = disputes.accuse(_node, 0, "evidence");
        vm.roll(block.number + 10);
        disputes.drawJury(id);
        address[] memory jury = disputes.jury(id, 0);
        for (uint256 i = 0; i < jury.length; ++i) {
            vm.prank(jury[i]);
            disputes.vote(id, 1);
        }
        freezeOn();
        vm.warp(block.timestamp + VOTING + APPEALING + 1);
        disputes.carryOut(id);
        uint256 owed = disputes.owed(other);
        assertTrue(owed >= BOND, "the bond");
        vm.prank(other);
        disputes.withdraw(other);
        assertEq(token.balanceOf(other), owed, "and what it is due");
    }

    // --------------------------------------------------------------------------------- vendors, the token

    function test_Exit_Redeem() public {
        _vendorToken.buy(5e18, type(uint256).max, address(this));
        uint256 before = token.balanceOf(address(this));
        uint256 liability = _vendorToken.liability();
        _vendorToken.redeem(55e18, 0, address(this));
        assertEq(token.balanceOf(address(this)), before + liability, "all of the reserve");
    }

    function test_Exit_TokenMoves() public {
        assertTrue(token.transfer(other, 7), "moves");
        assertEq(token.balanceOf(other), 7, "moved");
    }

    // ------------------------------------------------------------------------------------------- nobody

    function knows(address who, address what) private view returns (bool) {
        bytes memory code = who.code;
        for (uint256 i = 20; i <= code.length; ++i) {
            uint256 word;
            assembly ("memory-safe") {
                word := mload(add(code, i))
            }
            if (address(uint160(word)) == what) return true;
        }
        return false;
    }

    function test_Nobody_KnowsTheGuardrail() public view {
        address[7] memory all = [
            address(token),
            address(escrow),
            address(registry),
            address(emission),
            address(disputes),
            address(_factory),
            address(_vendorToken)
        ];
        for (uint256 i = 0; i < all.length; ++i) {
            assertTrue(!knows(all[i], address(_guardrail)), "knows no guardrail");
            assertTrue(!knows(address(_guardrail), all[i]), "isn't known by it");
        }
        assertTrue(knows(address(_guardrail), address(timelock)), "it knows its timelock, and is found by this");
    }

    function test_Exit_WithABurningGuardrail() public {
        vm.etch(address(_guardrail), hex"fe");
        vm.warp(block.timestamp + 1 hours);
        settle(_terms, 3600 * PER_SECOND, true);
        record(_terms);
        assertEq(withdrawAll(provider), 3600 * PER_SECOND, "the provider's");
        withdrawAll(payer);
        _vendorToken.redeem(50e18, 0, address(this));
        uint256 mined = finish(_node, 0, 3_600_000);
        vm.warp(block.timestamp + VESTING);
        assertEq(emission.claim(_node, 0), mined, "claimed");
        vm.prank(_node);
        registry.quit();
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(_node);
        registry.withdraw(owner);
    }

    // ------------------------------------------------------------------------------------------- rogues

    function test_RogueMember_FreezesNothing() public {
        vm.warp(block.timestamp + 14 days);
        IEscrow.LeaseTerms memory second = leaseWith(PROVIDER_KEY);
        // all that it can name: the lease, the contracts, the payer; and it isn't the timelock
        bytes32[4] memory subjects = [
            idOf(second),
            bytes32(uint256(uint160(address(escrow)))),
            bytes32(uint256(uint160(address(token)))),
            bytes32(uint256(uint160(payer)))
        ];
        vm.startPrank(members()[2]);
        for (uint256 i = 0; i < subjects.length; ++i) {
            _guardrail.propose(IGuardrail.Kind.Deny, subjects[i], 7 days, REASON);
            _guardrail.propose(IGuardrail.Kind.Quarantine, subjects[i], 7 days, REASON);
            vm.expectRevert(IGuardrail.NotTimelock.selector);
            _guardrail.quarantine(subjects[i], REASON);
        }
        _guardrail.propose(IGuardrail.Kind.Freeze, 0, 7 days, REASON);
        vm.expectRevert(IGuardrail.NotTimelock.selector);
        _guardrail.freeze(7 days, REASON);
        vm.stopPrank();
        (bool quarantined,) = _guardrail.isQuarantined(idOf(second));
        (bool open,) = _guardrail.intakeOpen();
        assertTrue(!quarantined && open, "nothing came of it");
        vm.warp(block.timestamp + 1 hours);
        settle(second, 3600 * PER_SECOND, true);
        assertEq(withdrawAll(provider), 3600 * PER_SECOND, "paid");
    }

    function test_RogueCouncil_HoldsUpNoExit() public {
        // it freezes whenever it may, for half a year: intake is open half of the time, exits all of it
        uint256 frozen = 0;
        for (uint256 day = 0; day < 182; ++day) {
            freezeOn();
            (bool open,) = _guardrail.intakeOpen();
            if (!open) ++frozen;
            vm.warp(block.timestamp + 1 days);
            settle(_terms, (day + 1) * 100 * PER_SECOND, false);
            assertEq(withdrawAll(provider), 100 * PER_SECOND, "every day");
        }
        assertEq(frozen, 91, "half of the time, and no more");
    }
}
