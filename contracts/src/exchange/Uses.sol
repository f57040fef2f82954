// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICatalog} from "../interfaces/ICatalog.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Royalties} from "./Royalties.sol";

/// @title Uses
/// @notice Use paid by a share of what leases pay, out of an allowance. Part of {ICatalog}.
/// @dev The escrow pays one provider and nobody else, and can't be changed. So the buyer puts an allowance aside, and says which
/// leases count by naming a namespace; what each owes follows from what the escrow says it paid, and from nobody's word.
abstract contract Uses is Royalties {
    using TypedData for IEscrow.LeaseTerms;

    /// @notice The highest price of use: a hundred times what the lease pays its provider.
    uint256 public constant MAX_USE_PRICE = 1_000_000;

    /// @notice Whose leases are counted.
    IEscrow public immutable ESCROW;
    /// @inheritdoc ICatalog
    uint256 public immutable USE_NOTICE;

    /// @inheritdoc ICatalog
    mapping(uint256 listing => mapping(bytes32 leaseId => uint256)) public usePaid;

    mapping(bytes32 key => Allowance) private _allowances;

    constructor(address escrow, uint256 notice) {
        if (escrow.code.length == 0) revert ZeroAddress();
        // What leases pay and what their use pays is the same money.
        if (IEscrow(escrow).TOKEN() != address(_token)) revert BadParameter();
        // A lease whose hub falls silent as the use ends is settled by then, a disputed claim on it included.
        if (notice <= 2 * IEscrow(escrow).CLOSING_WINDOW() || notice > 366 days) revert BadParameter();
        (ESCROW, USE_NOTICE) = (IEscrow(escrow), notice);
    }

    /// @inheritdoc ICatalog
    function allowUse(
        uint256 id,
        uint32 version,
        address hubKey,
        bytes32 namespaceId,
        uint256 mostPrice,
        uint256 amount
    ) external {
        Listing storage listing = _listed(id);
        if (listing.terms != Terms.PerUse) revert WrongTerms();
        if (version != listing.version) revert WrongVersion();
        uint256 price = listing.price;
        if (price > mostPrice) revert CostsMore(price);
        if (amount == 0 || amount > type(uint96).max) revert BadAmount();
        Allowance storage allowance = _allowances[_key(msg.sender, id, hubKey, namespaceId)];
        if (allowance.openedAt != 0) revert AllowanceExists();
        // The amount was just checked, a price of use when it was set.
        // forge-lint: disable-next-line(unsafe-typecast)
        (allowance.left, allowance.price) = (uint96(amount), uint64(price));
        allowance.openedAt = uint40(block.timestamp);
        _markBuyer(_access[id][msg.sender]);
        emit UseAllowed(id, msg.sender, hubKey, namespaceId, price, amount);
        _take(amount);
    }

    /// @inheritdoc ICatalog
    function addToAllowance(uint256 id, address hubKey, bytes32 namespaceId, uint256 amount) external {
        _listed(id);
        Allowance storage allowance = _running(msg.sender, id, hubKey, namespaceId);
        if (amount == 0 || amount > type(uint96).max - allowance.left) revert BadAmount();
        // just checked
        // forge-lint: disable-next-line(unsafe-typecast)
        allowance.left += uint96(amount);
        emit UseAllowed(id, msg.sender, hubKey, namespaceId, allowance.price, amount);
        _take(amount);
    }

    /// @inheritdoc ICatalog
    /// @dev What was paid is kept for listing and lease, so that a lease never pays twice, whatever is ended and allowed anew.
    function payUse(uint256 id, IEscrow.LeaseTerms calldata terms) external returns (uint256 fee) {
        bytes32 leaseId = terms.leaseIdCalldata();
        IEscrow.Lease memory lease = ESCROW.lease(leaseId);
        Allowance storage allowance = _allowances[_key(terms.payer, id, terms.hubKey, terms.namespaceId)];
        uint256 from = allowance.openedAt;
        uint256 to = _endOf(id, allowance);
        // A lease that never was has opened at 0.
        if (from == 0 || lease.openedAt < from || (to != 0 && lease.openedAt >= to)) revert LeaseDoesNotCount();
        uint256 before = usePaid[id][leaseId];
        uint256 due = lease.paid * allowance.price / BPS;
        uint96 left = allowance.left;
        fee = due > before ? due - before : 0;
        if (fee > left) fee = left;
        if (fee == 0) revert NothingDue();
        usePaid[id][leaseId] = before + fee;
        // at most what is left
        // forge-lint: disable-next-line(unsafe-typecast)
        left -= uint96(fee);
        allowance.left = left;
        emit UsePaid(id, leaseId, terms.payer, fee, left);
        _split(id, fee);
    }

    /// @inheritdoc ICatalog
    function endUse(uint256 id, address hubKey, bytes32 namespaceId) external {
        Allowance storage allowance = _running(msg.sender, id, hubKey, namespaceId);
        allowance.closingAt = uint40(block.timestamp);
        emit UseEnding(id, msg.sender, hubKey, namespaceId, _endOf(id, allowance) + USE_NOTICE);
    }

    /// @inheritdoc ICatalog
    function closeUse(uint256 id, address hubKey, bytes32 namespaceId) external returns (uint256 amount) {
        bytes32 key = _key(msg.sender, id, hubKey, namespaceId);
        Allowance storage allowance = _allowances[key];
        if (allowance.openedAt == 0) revert NoAllowance();
        uint256 end = _endOf(id, allowance);
        if (end == 0 || block.timestamp < end + USE_NOTICE) revert AllowanceStillHeld();
        amount = allowance.left;
        delete _allowances[key];
        emit UseEnded(id, msg.sender, hubKey, namespaceId, amount);
        _credit(msg.sender, amount);
    }

    /// @inheritdoc ICatalog
    function mayUse(address buyer, uint256 id, address hubKey, bytes32 namespaceId) external view returns (bool) {
        Allowance storage allowance = _allowances[_key(buyer, id, hubKey, namespaceId)];
        return allowance.left != 0 && _endOf(id, allowance) == 0;
    }

    /// @inheritdoc ICatalog
    function allowanceOf(address buyer, uint256 id, address hubKey, bytes32 namespaceId)
        external
        view
        returns (Allowance memory)
    {
        return _allowances[_key(buyer, id, hubKey, namespaceId)];
    }

    /// @dev An allowance that its buyer didn't end.
    function _running(address buyer, uint256 id, address hubKey, bytes32 namespaceId)
        private
        view
        returns (Allowance storage allowance)
    {
        allowance = _allowances[_key(buyer, id, hubKey, namespaceId)];
        if (allowance.openedAt == 0 || allowance.closingAt != 0) revert NoAllowance();
    }

    /// @dev From when on leases don't count: the buyer's end or the listing's, whichever came first; 0 if none.
    function _endOf(uint256 id, Allowance storage allowance) private view returns (uint256) {
        uint256 ended = allowance.closingAt;
        uint256 delisted = _listings[id].delistedAt;
        if (ended == 0) return delisted;
        return delisted != 0 && delisted < ended ? delisted : ended;
    }

    function _key(address buyer, uint256 id, address hubKey, bytes32 namespaceId) private pure returns (bytes32) {
        return keccak256(abi.encode(buyer, id, hubKey, namespaceId));
    }
}
