// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {ICatalog} from "../interfaces/ICatalog.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Royalties} from "./Royalties.sol";
import {Sales} from "./Sales.sol";
import {Uses} from "./Uses.sol";

/// @title Catalog
/// @notice Listings, their bonds and what they are for. See {ICatalog}.
/// @dev No owner, no fee, no pause, no setter. It holds bonds, sales in their window, allowances, and what is owed, to the wei;
/// EAI sent here otherwise is lost.
contract Catalog is Sales, Uses, EIP712 {
    using SafeERC20 for IERC20;
    using TypedData for ICatalog.Delivery;

    /// @notice What it is deployed with.
    /// @param token EAI.
    /// @param escrow Whose leases pay for use.
    /// @param vault Where half of a forfeited bond goes.
    /// @param minBond The least bond; at least 2 wei, so that it can be halved.
    /// @param maxWindow The longest refund window.
    /// @param bondHold Seconds for which a bond answers after the end; at least `maxWindow`.
    /// @param useNotice Seconds for which an allowance that was ended can still be charged; more than two closing windows.
    struct Parameters {
        address token;
        address escrow;
        address vault;
        uint256 minBond;
        uint256 maxWindow;
        uint256 bondHold;
        uint256 useNotice;
    }

    /// @notice The shortest period of a subscription.
    uint256 public constant MIN_PERIOD = 1 hours;
    /// @notice The longest period of a subscription.
    uint256 public constant MAX_PERIOD = 366 days;

    /// @notice Where half of a forfeited bond goes.
    address public immutable VAULT;
    /// @inheritdoc ICatalog
    uint256 public immutable MIN_BOND;
    /// @inheritdoc ICatalog
    uint256 public immutable MAX_WINDOW;
    /// @inheritdoc ICatalog
    uint256 public immutable BOND_HOLD;

    mapping(uint256 id => mapping(uint256 version => Content)) private _contents;

    constructor(Parameters memory p) Royalties(p.token) Uses(p.escrow, p.useNotice) EIP712("EAI Catalog", "1") {
        if (p.vault == address(0)) revert ZeroAddress();
        if (p.minBond < 2 || p.minBond > type(uint96).max) revert BadParameter();
        if (p.maxWindow == 0 || p.maxWindow > p.bondHold || p.bondHold > 366 days) revert BadParameter();
        VAULT = p.vault;
        (MIN_BOND, MAX_WINDOW, BOND_HOLD) = (p.minBond, p.maxWindow, p.bondHold);
    }

    // ---------------------------------------------------------------------------------------------- selling

    /// @inheritdoc ICatalog
    function list(Draft calldata draft, uint256[] calldata parents) external returns (uint256 id) {
        _check(draft);
        id = ++listingCount;
        uint8 depth = _derive(id, parents);
        Listing storage listing = _listings[id];
        (listing.seller, listing.kind, listing.terms) = (msg.sender, draft.kind, draft.terms);
        (listing.derivable, listing.depth, listing.royaltyBps) = (draft.derivable, depth, draft.royaltyBps);
        (listing.version, listing.price, listing.bond) = (1, draft.price, draft.bond);
        (listing.period, listing.window) = (draft.period, draft.window);
        _contents[id][1] = Content({licence: draft.licence, root: draft.root});
        emit Listed(id, msg.sender, draft, parents);
        _take(draft.bond);
    }

    /// @inheritdoc ICatalog
    function revise(uint256 id, uint96 price, bytes32 licence, bytes32 root) external returns (uint32 version) {
        Listing storage listing = _own(id);
        if (listing.delistedAt != 0) revert IsDelisted();
        _checkPrice(listing.terms, price);
        if (licence == 0 || root == 0) revert BadParameter();
        version = ++listing.version;
        listing.price = price;
        _contents[id][version] = Content({licence: licence, root: root});
        emit Revised(id, version, price, licence, root);
    }

    /// @inheritdoc ICatalog
    function delist(uint256 id) external {
        Listing storage listing = _own(id);
        if (listing.delistedAt != 0) revert IsDelisted();
        listing.delistedAt = uint40(block.timestamp);
        emit Delisted(id);
    }

    /// @inheritdoc ICatalog
    function returnBond(uint256 id) external {
        Listing storage listing = _known(id);
        uint256 bond = listing.bond;
        uint256 freeAt = bondFreeAt(id);
        if (bond == 0 || freeAt == 0 || block.timestamp < freeAt || listing.held != 0) revert BondStillHeld();
        listing.bond = 0;
        emit BondReturned(id, bond);
        _credit(listing.seller, bond);
    }

    /// @inheritdoc ICatalog
    /// @dev Half leaves the two of them, so that a seller that is found out can't save its bond by a buyer of its own.
    function report(Delivery calldata delivery, bytes calldata signature) external {
        uint256 id = delivery.listing;
        Listing storage listing = _known(id);
        uint256 bond = listing.bond;
        bytes32 root = _contents[id][delivery.version].root;
        bool proves = bond != 0 && root != 0 && root != delivery.root && _access[id][delivery.buyer].since != 0;
        if (!proves) revert ProvesNothing();
        if (!Signatures.isBy(listing.seller, deliveryDigest(delivery), signature)) revert BadSignature();
        listing.bond = 0;
        if (listing.delistedAt == 0) {
            listing.delistedAt = uint40(block.timestamp);
            emit Delisted(id);
        }
        uint256 toBuyer = bond / 2;
        emit BondForfeited(id, delivery.buyer, delivery.root, toBuyer, bond - toBuyer);
        _credit(delivery.buyer, toBuyer);
        _token.safeTransfer(VAULT, bond - toBuyer);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc ICatalog
    function contentOf(uint256 id, uint32 version) external view returns (Content memory) {
        return _contents[id][version];
    }

    /// @inheritdoc ICatalog
    function bondFreeAt(uint256 id) public view returns (uint256) {
        Listing storage listing = _listings[id];
        (uint256 from, uint256 sold) = (listing.delistedAt, listing.soldUntil);
        if (from == 0) return 0;
        return (sold > from ? sold : from) + BOND_HOLD;
    }

    /// @inheritdoc ICatalog
    function deliveryDigest(Delivery calldata delivery) public view returns (bytes32) {
        return _hashTypedDataV4(delivery.hashDelivery());
    }

    /// @notice The token that everything is paid in.
    function TOKEN() external view returns (address) {
        return address(_token);
    }

    // --------------------------------------------------------------------------------------------- internal

    function _check(Draft calldata draft) private view {
        if (draft.bond < MIN_BOND) revert BondTooSmall();
        _checkPrice(draft.terms, draft.price);
        bool periodic = draft.terms == Terms.Subscription;
        bool timely = periodic
            ? draft.period >= MIN_PERIOD && draft.period <= MAX_PERIOD && draft.window <= draft.period
            : draft.period == 0;
        bool bounded = draft.window <= MAX_WINDOW && (draft.terms != Terms.PerUse || draft.window == 0);
        bool derived = draft.royaltyBps <= (draft.derivable ? BPS : 0);
        if (!timely || !bounded || !derived || draft.licence == 0 || draft.root == 0) revert BadParameter();
    }

    /// @dev A sale may be for nothing; time and use that cost nothing could be taken without bound, and bind the bond.
    function _checkPrice(Terms terms, uint256 price) private pure {
        if (terms != Terms.OneOff && price == 0) revert BadParameter();
        if (terms == Terms.PerUse && price > MAX_USE_PRICE) revert BadParameter();
    }

    /// @dev A listing of the caller's.
    function _own(uint256 id) private view returns (Listing storage listing) {
        listing = _known(id);
        if (listing.seller != msg.sender) revert NotSeller();
    }
}
