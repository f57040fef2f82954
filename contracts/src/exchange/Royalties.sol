// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ICatalog} from "../interfaces/ICatalog.sol";

/// @title Royalties
/// @notice Listings, who is paid of what they earn, and what each may withdraw. Half of {ICatalog}.
/// @dev A listing's parents exist before it and never change, so there are no cycles, and the whole chain above a listing is
/// worked out once, when it is listed: one flat list of payees, bounded, whose parts are at most the whole.
abstract contract Royalties is ICatalog {
    using SafeERC20 for IERC20;

    /// @notice The most parents of a listing.
    uint256 public constant MAX_PARENTS = 8;
    /// @notice The most generations above a listing.
    uint256 public constant MAX_DEPTH = 4;
    /// @notice The most accounts that royalties of a listing are paid to: it bounds what a payment costs.
    uint256 public constant MAX_PAYEES = 16;
    uint256 internal constant BPS = 10_000;
    /// @dev The whole of what a listing is paid, in {Share.part}.
    uint256 private constant WHOLE = 1e18;

    IERC20 internal immutable _token;

    /// @inheritdoc ICatalog
    uint256 public listingCount;
    /// @inheritdoc ICatalog
    mapping(address account => uint256) public owed;

    mapping(uint256 id => Listing) internal _listings;
    mapping(uint256 listing => mapping(address buyer => Access)) internal _access;
    mapping(uint256 id => uint256[]) private _parents;
    mapping(uint256 id => Share[]) private _shares;

    constructor(address token) {
        if (token.code.length == 0) revert ZeroAddress();
        _token = IERC20(token);
    }

    /// @inheritdoc ICatalog
    function withdraw(address to) external {
        if (to == address(0) || to == address(this)) revert ZeroAddress();
        uint256 amount = owed[msg.sender];
        // slither-disable-next-line incorrect-equality
        if (amount == 0) revert NothingOwed();
        owed[msg.sender] = 0;
        emit Withdrawn(msg.sender, to, amount);
        _token.safeTransfer(to, amount);
    }

    /// @inheritdoc ICatalog
    function listings(uint256 id) external view returns (Listing memory) {
        return _listings[id];
    }

    /// @inheritdoc ICatalog
    function parentsOf(uint256 id) external view returns (uint256[] memory) {
        return _parents[id];
    }

    /// @inheritdoc ICatalog
    function royaltiesOf(uint256 id) external view returns (Share[] memory) {
        return _shares[id];
    }

    // --------------------------------------------------------------------------------------------- the chain

    /// @dev Writes what `id` owes to `parents` and to theirs; returns how many generations are above it.
    function _derive(uint256 id, uint256[] calldata parents) internal returns (uint8 depth) {
        if (parents.length > MAX_PARENTS) revert TooManyParents();
        Share[] memory shares = new Share[](MAX_PAYEES);
        uint256 payees = 0;
        uint256 sum = 0;
        uint256 last = 0;
        for (uint256 i = 0; i < parents.length; ++i) {
            uint256 parent = parents[i];
            if (parent <= last) revert ParentsOutOfOrder();
            last = parent;
            Listing storage above = _listed(parent);
            if (!above.derivable) revert NotDerivable(parent);
            if (above.depth >= depth) depth = above.depth + 1;
            sum += above.royaltyBps;
            payees = _addChain(shares, payees, parent, above);
        }
        if (depth > MAX_DEPTH) revert TooDeep();
        if (sum > BPS) revert RoyaltiesTooHigh();
        _parents[id] = parents;
        for (uint256 i = 0; i < payees; ++i) {
            _shares[id].push(shares[i]);
        }
    }

    /// @dev Adds what one parent gets to `shares`: of its royalty each of its own payees has its part, the seller the rest.
    function _addChain(Share[] memory shares, uint256 payees, uint256 parent, Listing storage above)
        private
        view
        returns (uint256)
    {
        uint256 bps = above.royaltyBps;
        uint256 rest = WHOLE * bps / BPS;
        Share[] memory theirs = _shares[parent];
        for (uint256 i = 0; i < theirs.length; ++i) {
            uint256 part = theirs[i].part * bps / BPS;
            rest -= part;
            payees = _addShare(shares, payees, theirs[i].payee, part);
        }
        return _addShare(shares, payees, above.seller, rest);
    }

    /// @dev Adds `part` to `payee`'s, who is entered if new.
    function _addShare(Share[] memory shares, uint256 payees, address payee, uint256 part)
        private
        pure
        returns (uint256)
    {
        if (part == 0) return payees;
        for (uint256 i = 0; i < payees; ++i) {
            if (shares[i].payee == payee) {
                // all parts together are at most the whole, which fits; if they aren't, listing reverts
                // forge-lint: disable-next-line(unsafe-typecast)
                shares[i].part += uint64(part);
                return payees;
            }
        }
        if (payees == MAX_PAYEES) revert TooManyPayees();
        // as above
        // forge-lint: disable-next-line(unsafe-typecast)
        shares[payees] = Share({payee: payee, part: uint64(part)});
        return payees + 1;
    }

    // ---------------------------------------------------------------------------------------------- money

    /// @dev Credits `amount` that `id` is paid: royalties rounded down, and the rest, which is never negative, to its seller.
    function _split(uint256 id, uint256 amount) internal {
        // slither-disable-next-line incorrect-equality
        if (amount == 0) return;
        uint256 rest = amount;
        Share[] memory shares = _shares[id];
        for (uint256 i = 0; i < shares.length; ++i) {
            uint256 cut = amount * shares[i].part / WHOLE;
            rest -= cut;
            _credit(shares[i].payee, cut);
        }
        _credit(_listings[id].seller, rest);
    }

    function _credit(address account, uint256 amount) internal {
        if (amount == 0) return;
        owed[account] += amount;
        emit Credited(account, amount);
    }

    /// @dev Takes exactly `amount` of the caller's. Books are written before: a callback of the token that moves money in
    /// between makes the figures differ, and all of it reverts.
    function _take(uint256 amount) internal {
        if (amount == 0) return;
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(msg.sender, address(this), amount);
        if (_token.balanceOf(address(this)) != before + amount) revert TransferMismatch();
    }

    // ------------------------------------------------------------------------------------------- listings

    /// @dev Notes that a buyer has paid.
    function _markBuyer(Access storage access) internal {
        if (access.since == 0) access.since = uint40(block.timestamp);
    }

    /// @dev A listing, whether delisted or not.
    function _known(uint256 id) internal view returns (Listing storage listing) {
        listing = _listings[id];
        if (listing.seller == address(0)) revert UnknownListing();
    }

    /// @dev A listing that is for sale.
    function _listed(uint256 id) internal view returns (Listing storage listing) {
        listing = _known(id);
        if (listing.delistedAt != 0) revert IsDelisted();
    }
}
