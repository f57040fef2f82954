// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICatalog} from "../interfaces/ICatalog.sol";
import {Royalties} from "./Royalties.sol";

/// @title Sales
/// @notice One-off sales and subscriptions: held for the refund window, then split. Part of {ICatalog}.
abstract contract Sales is Royalties {
    /// @notice The longest time that may be paid ahead.
    uint256 public constant MAX_AHEAD = 732 days;
    /// @dev The end of access for good.
    uint40 private constant FOR_GOOD = type(uint40).max;

    /// @inheritdoc ICatalog
    uint256 public saleCount;

    mapping(uint256 sale => Sale) private _sales;

    /// @inheritdoc ICatalog
    function buy(uint256 id, uint32 version, uint256 periods, uint256 most) external returns (uint256 sale) {
        Listing storage listing = _listed(id);
        if (listing.terms == Terms.PerUse) revert WrongTerms();
        if (version != listing.version) revert WrongVersion();
        if (periods == 0 || (listing.terms == Terms.OneOff && periods != 1)) revert BadAmount();
        // A period is a second at least: beyond this the figures below could overflow.
        if (periods > MAX_AHEAD) revert TooFarAhead();
        uint256 amount = listing.price * periods;
        if (amount > most) revert CostsMore(amount);
        if (amount > type(uint96).max) revert BadAmount();
        Access storage access = _access[id][msg.sender];
        uint40 duration = _extend(access, listing.period * periods);
        _markBuyer(access);
        sale = ++saleCount;
        _sales[sale] = Sale({
            buyer: msg.sender,
            // numbers count up from 1
            // forge-lint: disable-next-line(unsafe-typecast)
            listing: uint64(id),
            version: version,
            // just checked
            // forge-lint: disable-next-line(unsafe-typecast)
            amount: uint96(amount),
            duration: duration,
            finalAt: uint40(block.timestamp) + (access.refunded ? 0 : listing.window),
            until: access.until,
            state: SaleState.Held
        });
        ++listing.held;
        emit Bought(sale, id, msg.sender, version, amount, access.until);
        // What can't be refunded, or is nothing, needn't wait. The time was set just above, to this block's or later.
        // slither-disable-next-line incorrect-equality
        if (amount == 0 || _sales[sale].finalAt == block.timestamp) _release(sale);
        _take(amount);
    }

    /// @inheritdoc ICatalog
    function refund(uint256 sale) external {
        Sale storage standing = _sales[sale];
        Access storage access = _access[standing.listing][msg.sender];
        bool may = standing.buyer == msg.sender && standing.state == SaleState.Held && !access.refunded
            && block.timestamp < standing.finalAt;
        if (!may) revert NotRefundable();
        standing.state = SaleState.Refunded;
        --_listings[standing.listing].held;
        access.refunded = true;
        // A window isn't longer than a period, so the time that is taken back is of the run that lasts.
        access.until = standing.duration == 0 ? 0 : access.until - standing.duration;
        emit Refunded(sale, standing.amount, access.until);
        _credit(msg.sender, standing.amount);
    }

    /// @inheritdoc ICatalog
    function release(uint256[] calldata ids) external {
        for (uint256 i = 0; i < ids.length; ++i) {
            Sale storage standing = _sales[ids[i]];
            if (standing.state == SaleState.Held && block.timestamp >= standing.finalAt) _release(ids[i]);
            else emit ReleaseSkipped(ids[i]);
        }
    }

    /// @inheritdoc ICatalog
    function sales(uint256 id) external view returns (Sale memory) {
        return _sales[id];
    }

    /// @inheritdoc ICatalog
    function accessOf(uint256 id, address buyer) external view returns (Access memory) {
        return _access[id][buyer];
    }

    /// @inheritdoc ICatalog
    function has(address buyer, uint256 id) external view returns (bool) {
        return block.timestamp < _access[id][buyer].until;
    }

    /// @dev Adds `time` to what a buyer has, from now or from its end; 0 is for good. Returns what it added.
    function _extend(Access storage access, uint256 time) private returns (uint40) {
        uint256 until = access.until;
        // slither-disable-next-line incorrect-equality
        if (time == 0) {
            if (until != 0) revert AlreadyHas();
            access.until = FOR_GOOD;
            return 0;
        }
        if (until < block.timestamp) until = block.timestamp;
        until += time;
        if (until > block.timestamp + MAX_AHEAD) revert TooFarAhead();
        // just bounded
        // forge-lint: disable-next-line(unsafe-typecast)
        access.until = uint40(until);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint40(time);
    }

    /// @dev Splits a held sale's money. The bond answers for as long as what was paid for runs.
    function _release(uint256 sale) private {
        Sale storage standing = _sales[sale];
        standing.state = SaleState.Released;
        (uint256 id, uint256 amount) = (standing.listing, standing.amount);
        Listing storage listing = _listings[id];
        --listing.held;
        if (standing.duration != 0) {
            // What was bought before and refunded isn't in access any more; what was bought later isn't in this sale.
            uint40 until = _access[id][standing.buyer].until;
            if (until > standing.until) until = standing.until;
            if (until > listing.soldUntil) listing.soldUntil = until;
        }
        emit Released(sale, amount);
        _split(id, amount);
    }
}
