// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";
import {EscrowHandler} from "./EscrowHandler.sol";
import {EscrowModel} from "./EscrowModel.sol";

contract EscrowInvariantTest is EscrowFixture {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    EscrowHandler private _handler;
    EscrowModel private _model;

    function setUp() public override {
        vm.warp(START);
        (token, escrow) = (deployToken(), IEscrow(address(0)));
        escrow = newEscrow(address(token), WINDOW);
        _model = new EscrowModel(WINDOW);
        _handler = new EscrowHandler(token, escrow, _model);
        assertTrue(token.transfer(address(_handler), token.SUPPLY()), "to the handler");
        // something to begin with, so that short runs get somewhere
        for (uint256 i = 0; i < 3; ++i) {
            _handler.deposit(i, 500e18);
            for (uint256 j = 0; j < 4; ++j) {
                begin(i, j);
            }
        }
    }

    /// @dev Seeds chosen by search: each authorises another pair of hub and namespace.
    function begin(uint256 who, uint256 pair) private {
        for (uint256 seed = 0;; ++seed) {
            uint256 h = uint256(keccak256(abi.encode(seed, uint256(1)))) % 2;
            uint256 n = uint256(keccak256(abi.encode(seed, uint256(2)))) % 2;
            if (h * 2 + n != pair) continue;
            _handler.authorize(who, seed, 400e18);
            return;
        }
    }

    /// @notice Read by forge: what the fuzzer may call.
    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](20);
        selectors[0] = _handler.deposit.selector;
        selectors[1] = _handler.withdraw.selector;
        selectors[2] = _handler.donate.selector;
        selectors[3] = _handler.authorize.selector;
        selectors[4] = _handler.revoke.selector;
        selectors[5] = _handler.cancelOffers.selector;
        selectors[6] = _handler.open.selector;
        selectors[7] = _handler.open.selector;
        selectors[8] = _handler.topUp.selector;
        selectors[9] = _handler.settle.selector;
        selectors[10] = _handler.settle.selector;
        selectors[11] = _handler.settle.selector;
        selectors[12] = _handler.replay.selector;
        selectors[13] = _handler.startClosing.selector;
        selectors[14] = _handler.finalize.selector;
        selectors[15] = _handler.warp.selector;
        selectors[16] = _handler.appoint.selector;
        selectors[17] = _handler.retire.selector;
        selectors[18] = _handler.claim.selector;
        selectors[19] = _handler.dispute.selector;
        targets[0] = FuzzSelector({addr: address(_handler), selectors: selectors});
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    // ------------------------------------------------------------------------------------------- invariants

    /// @dev One campaign for all of them: a campaign for each would replay the same calls.
    function invariant_EscrowIsSound() public view {
        uint256 held = checkLeases();
        uint256 accounts = checkAccounts();
        uint256 vault = token.balanceOf(address(escrow));
        assertEq(vault, accounts + held + _handler.donated(), "the vault holds accounts, holds and strays");
        assertEq(accounts + held, _model.deposited() - _model.withdrawn(), "in less out is accounts and holds");
        assertEq(token.totalSupply(), 2_500_000_000e18, "the supply is constant");
    }

    /// @dev Every lease and, from what they took, every authorisation; returns what the leases hold.
    function checkLeases() private view returns (uint256 held) {
        uint256[12] memory took;
        uint256[3] memory heldBy;
        uint256 count = _model.count();
        for (uint256 i = 0; i < count; ++i) {
            IEscrow.Lease memory got = escrow.lease(_model.ids(i));
            EscrowModel.ModelLease memory wanted = _model.leaseAt(i);
            checkLease(got, wanted);
            assertEq(uint256(got.state), uint256(_model.stateAt(i)), "state");
            held += got.held;
            uint256 pair = pairOf(wanted.terms);
            took[pair] += got.hold - got.refunded;
            heldBy[pair % 3] += got.held;
        }
        for (uint256 i = 0; i < 3; ++i) {
            checkHolds(_handler.person(i), heldBy[i]);
        }
        for (uint256 i = 0; i < 12; ++i) {
            uint256 inUse =
                escrow.authorization(_handler.person(i), _handler.hub(i / 3), _handler.namespace(i / 6)).used;
            assertEq(inUse, took[i], "an authorisation's use is what its leases took");
        }
    }

    function checkLease(IEscrow.Lease memory got, EscrowModel.ModelLease memory wanted) private view {
        assertEq(got.hold, got.paid + got.refunded + got.held, "hold = paid + refunded + held");
        assertEq(got.hold, wanted.hold, "hold");
        assertEq(got.paid, wanted.paid, "paid");
        assertEq(got.refunded, wanted.refunded, "refunded");
        assertEq(got.openedAt, wanted.openedAt, "openedAt");
        assertEq(got.closingAt, wanted.closed ? 0 : wanted.closingAt, "closingAt");
        assertAtMost(got.paid, wanted.hold, "paid beyond the hold");
        assertAtMost(got.paid, _model.accrued(wanted), "paid beyond rate x elapsed");
        assertEq(got.closesAt, wanted.closed || wanted.closingAt == 0 ? 0 : _model.closesAt(wanted), "closesAt");
        uint256 claimed = wanted.disputed ? 0 : wanted.claimed;
        uint256 most = wanted.highestVoucher > claimed ? wanted.highestVoucher : claimed;
        assertAtMost(got.paid, most, "paid beyond the highest voucher and claim");
    }

    /// @dev The number from 0 to 11 of the authorisation that `terms` are under.
    function pairOf(IEscrow.LeaseTerms memory terms) private view returns (uint256 i) {
        while (terms.payer != _handler.person(i)) ++i;
        if (terms.hubKey != _handler.hub(0)) i += 3;
        if (terms.namespaceId != _handler.namespace(0)) i += 6;
    }

    /// @dev What an account's leases hold is out of what it put in and earned, and of nobody else's: with what is free it comes
    /// to exactly that.
    function checkHolds(address account, uint256 held) private view {
        int256 own = _model.net(account) + _model.earned(account);
        assertTrue(own >= 0, "no account is below nothing");
        assertAtMost(held, uint256(own), "holds beyond what it put in and earned");
        assertEq(held + escrow.balanceOf(account), uint256(own), "held and free");
    }

    /// @dev Every account against the model; returns their sum.
    function checkAccounts() private view returns (uint256 sum) {
        for (uint256 i = 0; i < 3; ++i) {
            address account = _handler.person(i);
            assertEq(escrow.balanceOf(account), _model.balances(account), "account");
            assertEq(escrow.offerNonce(account), _model.nonces(account), "nonce");
            sum += escrow.balanceOf(account);
        }
    }

    /// @notice Read by forge, after each run: everybody gets out with all that is theirs, whatever state things are in.
    function afterInvariant() external {
        for (uint256 i = 0; i < 3; ++i) {
            address account = _handler.person(i);
            uint256 balance = escrow.balanceOf(account);
            if (balance == 0) continue;
            vm.prank(account);
            escrow.withdraw(balance, account);
            _model.withdraw(account, balance);
            assertEq(token.balanceOf(account), balance, "out");
        }
        assertEq(token.balanceOf(address(escrow)), checkLeases() + _handler.donated(), "what is left");
    }

    // ------------------------------------------------------------------------------------------ not vacuous

    /// @dev A long walk with the same calls: the campaign means something only if it gets everywhere.
    function test_Walk_ReachesEveryOutcome() public {
        for (uint256 step = 0; step < 3600; ++step) {
            uint256 seed = uint256(keccak256(abi.encode("walk", step)));
            (uint256 a, uint256 b) = (seed >> 8, uint256(keccak256(abi.encode(seed))));
            uint256 action = seed % 20;
            if (action == 0) _handler.deposit(a, b);
            else if (action == 1 && a % 4 == 0) _handler.withdraw(a, b);
            else if (action == 2) _handler.authorize(a, b, b >> 8);
            else if (action == 3) _handler.revoke(a, b);
            else if (action == 4 && a % 4 == 0) _handler.cancelOffers(a);
            else if (action < 8) _handler.open(a, b);
            else if (action == 8) _handler.topUp(a, b, a);
            else if (action < 12) _handler.settle(a, b);
            else if (action == 12) _handler.replay(a);
            else if (action == 13) _handler.startClosing(a, b);
            else if (action == 14) _handler.finalize(a);
            else if (action == 15) _handler.appoint(a, b);
            else if (action == 16 && a % 4 == 0) _handler.retire(a);
            else if (action == 17 && a % 2 == 0) _handler.claim(a, b, a);
            else if (action == 18) _handler.dispute(a, b);
            else if (a % 4 == 0) _handler.warp(b);
        }
        invariant_EscrowIsSound();
        bytes4[14] memory onOpening = [
            bytes4(0),
            IEscrow.NotHubKey.selector,
            IEscrow.LeaseExists.selector,
            IEscrow.OpenByPassed.selector,
            IEscrow.BadMilliUnits.selector,
            IEscrow.RateAboveOffer.selector,
            IEscrow.OfferExpired.selector,
            IEscrow.OfferCancelled.selector,
            IEscrow.BadSignature.selector,
            IEscrow.NotAuthorized.selector,
            IEscrow.RateAboveAuthorization.selector,
            IEscrow.ZeroAmount.selector,
            IEscrow.CapExceeded.selector,
            IEscrow.InsufficientBalance.selector
        ];
        for (uint256 i = 0; i < onOpening.length; ++i) {
            assertReached(_handler.open.selector, onOpening[i], "open");
        }
        bytes4[6] memory onToppingUp = [
            bytes4(0),
            IEscrow.NotHubKey.selector,
            IEscrow.AlreadyClosed.selector,
            IEscrow.AlreadyClosing.selector,
            IEscrow.NotAuthorized.selector,
            IEscrow.CapExceeded.selector
        ];
        for (uint256 i = 0; i < onToppingUp.length; ++i) {
            assertReached(_handler.topUp.selector, onToppingUp[i], "topUp");
        }
        bytes4[6] memory onSettling = [
            bytes4(0),
            IEscrow.RetiredKey.selector,
            IEscrow.AlreadyClosed.selector,
            IEscrow.ClosingWindowOver.selector,
            IEscrow.BadSignature.selector,
            IEscrow.NothingToSettle.selector
        ];
        for (uint256 i = 0; i < onSettling.length; ++i) {
            assertReached(_handler.settle.selector, onSettling[i], "settle");
        }
        bytes4[6] memory onClaiming = [
            bytes4(0),
            IEscrow.AlreadyClosed.selector,
            IEscrow.NotParty.selector,
            IEscrow.ClaimExists.selector,
            IEscrow.ClaimTooLate.selector,
            IEscrow.NothingToSettle.selector
        ];
        for (uint256 i = 0; i < onClaiming.length; ++i) {
            assertReached(_handler.claim.selector, onClaiming[i], "claim");
        }
        bytes4[5] memory onDisputing = [
            bytes4(0),
            IEscrow.AlreadyClosed.selector,
            IEscrow.NotParty.selector,
            IEscrow.NoClaim.selector,
            IEscrow.AlreadyDisputed.selector
        ];
        for (uint256 i = 0; i < onDisputing.length; ++i) {
            assertReached(_handler.dispute.selector, onDisputing[i], "dispute");
        }
        assertReached(_handler.appoint.selector, 0, "appoint");
        assertReached(_handler.appoint.selector, IEscrow.RetiredKey.selector, "appoint");
        assertReached(_handler.retire.selector, 0, "retire");
        assertReached(_handler.replay.selector, IEscrow.NothingToSettle.selector, "replay");
        assertReached(_handler.startClosing.selector, 0, "startClosing");
        assertReached(_handler.startClosing.selector, IEscrow.NotParty.selector, "startClosing");
        assertReached(_handler.finalize.selector, 0, "finalize");
        assertReached(_handler.finalize.selector, IEscrow.ClosingWindowOpen.selector, "finalize");
    }

    function assertReached(bytes4 action, bytes4 outcome, string memory what) private view {
        if (_handler.outcomes(action, outcome) == 0) {
            revert NotEqualWord(string.concat("never reached on ", what), 0, bytes32(outcome));
        }
    }
}
