// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EAIToken, GenesisAllocation} from "../src/EAIToken.sol";
import {Escrow} from "../src/Escrow.sol";
import {LeaseSlot} from "../src/types/LeaseSlot.sol";
import {Symbolic} from "./Symbolic.sol";

/// @notice What the proofs of the Escrow look at, and what they assume of a state.
/// @dev The books are read from storage as it lies there, which takes no branches.
abstract contract EscrowBooks is Symbolic {
    /// @dev Where the Escrow keeps its mappings.
    uint256 private constant BALANCES = 2;
    uint256 private constant OFFER_NONCES = 3;
    uint256 private constant GRANT_NONCES = 4;
    uint256 private constant GUARDIANS = 5;
    uint256 private constant LEASES = 6;
    uint256 private constant GRANTS = 7;
    uint256 private constant KEYS = 8;
    uint256 private constant CLAIMS = 9;

    /// @dev How a lease stands.
    uint256 internal constant NONE = 0;
    uint256 internal constant OPEN = 1;
    uint256 internal constant CLOSING = 2;
    uint256 internal constant CLOSED = 3;

    Escrow internal escrow;
    EAIToken internal token;

    /// @dev The parties of the lease that a step is about.
    struct Parties {
        address payer;
        address provider;
        address hub;
        bytes32 namespaceId;
    }

    /// @dev Any account, lease, grant, key and claim that the step isn't about.
    struct Others {
        address account;
        bytes32 leaseId;
        address payer;
        address hub;
        address key;
        bytes32 namespaceId;
    }

    /// @dev What is looked at before and after a step.
    struct Books {
        uint256 payer;
        uint256 provider;
        uint256 grant;
        uint256 maxRate;
        LeaseSlot slot;
        uint256 claim;
        uint256 otherBalance;
        uint256 otherLease;
        uint256 otherClaim;
        uint256 otherGrant;
        uint256 otherMaxRate;
        uint256 otherKey;
        uint256 guardian;
        uint256 offerNonce;
        uint256 grantNonce;
    }

    function setUp() public virtual {
        GenesisAllocation[] memory genesis = new GenesisAllocation[](1);
        genesis[0] = GenesisAllocation({recipient: address(this), amount: 2_500_000_000e18});
        token = new EAIToken(genesis);
        escrow = new Escrow(address(token), 72 hours);
        svm.enableSymbolicStorage(address(escrow));
    }

    function word(bytes32 place) private view returns (uint256) {
        return uint256(vm.load(address(escrow), place));
    }

    function placeOf(address key, uint256 mapping_) private pure returns (bytes32) {
        return keccak256(abi.encode(key, mapping_));
    }

    function grantAt(address payer, address hub, bytes32 namespaceId) private pure returns (bytes32) {
        return keccak256(abi.encode(namespaceId, keccak256(abi.encode(hub, placeOf(payer, GRANTS)))));
    }

    function balanceOf(address account) internal view returns (uint256) {
        return word(placeOf(account, BALANCES));
    }

    function slotOf(bytes32 leaseId) internal view returns (LeaseSlot) {
        return LeaseSlot.wrap(word(keccak256(abi.encode(leaseId, LEASES))));
    }

    function claimOf(bytes32 leaseId) internal view returns (uint256) {
        return word(keccak256(abi.encode(leaseId, CLAIMS)));
    }

    /// @dev As {Escrow.keyUntil}.
    function keyUntil(address hub, address key) internal view returns (uint256 until) {
        until = word(keccak256(abi.encode(key, placeOf(hub, KEYS))));
        until = pick(until == 0 && key == hub, type(uint40).max, until);
    }

    function guardianOf(address hub) internal view returns (address) {
        return address(uint160(word(placeOf(hub, GUARDIANS))));
    }

    function usedOf(Books memory now_) internal pure returns (uint256) {
        return (now_.grant >> 96) & type(uint96).max;
    }

    /// @dev Wei in the lease that are neither paid nor refunded.
    function held(LeaseSlot slot) internal pure returns (uint256 rest) {
        unchecked {
            rest = slot.hold() - slot.paid();
        }
        rest = pick(slot.isClosed(), 0, rest);
    }

    function books(bytes32 leaseId, Parties memory by, Others memory but) internal view returns (Books memory now_) {
        now_.payer = balanceOf(by.payer);
        now_.provider = balanceOf(by.provider);
        now_.grant = word(grantAt(by.payer, by.hub, by.namespaceId));
        now_.maxRate = word(bytes32(uint256(grantAt(by.payer, by.hub, by.namespaceId)) + 1));
        now_.slot = slotOf(leaseId);
        now_.claim = claimOf(leaseId);
        now_.otherBalance = balanceOf(but.account);
        now_.otherLease = LeaseSlot.unwrap(slotOf(but.leaseId));
        now_.otherClaim = claimOf(but.leaseId);
        bytes32 grant = grantAt(but.payer, but.hub, but.namespaceId);
        now_.otherGrant = word(grant);
        now_.otherMaxRate = word(bytes32(uint256(grant) + 1));
        now_.otherKey = word(keccak256(abi.encode(but.key, placeOf(but.hub, KEYS))));
        now_.guardian = word(placeOf(but.hub, GUARDIANS));
        now_.offerNonce = word(placeOf(but.account, OFFER_NONCES));
        now_.grantNonce = word(placeOf(but.account, GRANT_NONCES));
    }

    /// @dev An account and the like that nothing else is, and any other lease.
    function others(bytes32 leaseId) internal pure returns (Others memory) {
        return Others({
            account: address(0xE5),
            leaseId: leaseId,
            payer: address(0xE6),
            hub: address(0xC3),
            key: address(0xE7),
            namespaceId: bytes32(uint256(0xD4))
        });
    }

    function stateOf(LeaseSlot slot) internal pure returns (uint256) {
        if (!slot.exists()) return NONE;
        if (slot.isClosed()) return CLOSED;
        return slot.closingAt() == 0 ? OPEN : CLOSING;
    }

    /// @dev What holds between any two calls: of a lease, and of accounts, because no more than SUPPLY exists.
    function sound(Books memory now_) internal view returns (bool) {
        return unsound(now_) == 0;
    }

    function unsound(Books memory now_) internal view returns (uint256 wrong) {
        unchecked {
            LeaseSlot slot = now_.slot;
            bool none = !slot.exists();
            wrong = over(slot.paid(), slot.hold());
            wrong |= over(slot.openedAt(), block.timestamp);
            wrong |= over(slot.closingAt(), block.timestamp);
            wrong |= bit(slot.openedAt() == 0) ^ bit(none) | bit(slot.hold() == 0) ^ bit(none);
            // a claim lies on an opened lease, and is within its hold
            wrong |= over(now_.claim & type(uint88).max, slot.hold());
            wrong |= over(held(slot), usedOf(now_));
            uint256 supply = 2_500_000_000e18;
            wrong |= over(now_.payer, supply) | over(now_.provider, supply) | over(held(slot), supply);
            wrong |= over(now_.payer + now_.provider + held(slot), supply);
        }
    }

    /// @dev Nothing of what a step isn't about has changed.
    function othersMoved(Books memory before, Books memory later) internal pure returns (uint256 wrong) {
        wrong = (before.otherBalance ^ later.otherBalance) | (before.otherLease ^ later.otherLease);
        wrong |= (before.otherClaim ^ later.otherClaim) | (before.otherGrant ^ later.otherGrant);
        wrong |= (before.otherMaxRate ^ later.otherMaxRate) | (before.otherKey ^ later.otherKey);
        wrong |= (before.guardian ^ later.guardian) | (before.offerNonce ^ later.offerNonce);
        wrong |= before.grantNonce ^ later.grantNonce;
    }

    /// @dev A lease's money is paid, refunded or held; what leaves it comes to its two parties, who are different.
    /// What was paid and what was put in never falls; what is closed stays as it is.
    function moneyLost(Books memory before, Books memory later) internal pure returns (uint256 wrong) {
        unchecked {
            LeaseSlot was = before.slot;
            LeaseSlot is_ = later.slot;
            uint256 put = is_.hold() - was.hold();
            uint256 paid = is_.paid() - was.paid();
            uint256 refunded = held(was) + put - held(is_) - paid;
            wrong = over(was.hold(), is_.hold()) | over(was.paid(), is_.paid()) | over(is_.paid(), is_.hold());
            wrong |= later.provider ^ (before.provider + paid);
            wrong |= later.payer ^ (before.payer + refunded - put);
            wrong |= usedOf(later) ^ (usedOf(before) + put - refunded);
            wrong |= pick(was.isClosed(), LeaseSlot.unwrap(was) ^ LeaseSlot.unwrap(is_), 0);
            // only closing refunds, and refunds all
            wrong |= pick(is_.isClosed() && !was.isClosed(), refunded ^ (is_.hold() - is_.paid()), refunded);
        }
    }
}
