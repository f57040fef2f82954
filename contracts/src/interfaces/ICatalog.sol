// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "./IEscrow.sol";

/// @title ICatalog
/// @notice Data, algorithms, models, containers and applications for sale: once, by subscription, or by use.
/// @dev Amounts are wei of EAI, times unix seconds, shares parts of 10,000 unless said otherwise. A listing is named by its
/// number, from 1 up. Everything is paid by {withdraw}: nobody's refusal to be paid holds up anyone else.
interface ICatalog {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice What is listed.
    enum Kind {
        Data,
        Algorithm,
        Model,
        Container,
        Application
    }

    /// @notice How it is paid for.
    enum Terms {
        OneOff,
        Subscription,
        PerUse
    }

    /// @notice What a seller says of a listing. All but price, licence and root stays as it is for good.
    /// @param kind What it is.
    /// @param terms How it is paid for.
    /// @param derivable Whether others may list what they derived from it, under its `royaltyBps`.
    /// @param royaltyBps What of the price of a listing derived from it is this one's.
    /// @param period Seconds that a subscription's price pays for; 0 unless it is one.
    /// @param window Seconds in which a buyer may have its money back; 0 if sales are final, and where use is paid.
    /// @param price Wei for a sale or a period; of use, how many wei for 10,000 wei that a lease pays its provider.
    /// @param bond What the seller puts up, at least {MIN_BOND}.
    /// @param licence The hash of the licence.
    /// @param root The root of the content.
    struct Draft {
        Kind kind;
        Terms terms;
        bool derivable;
        uint16 royaltyBps;
        uint40 period;
        uint40 window;
        uint96 price;
        uint96 bond;
        bytes32 licence;
        bytes32 root;
    }

    /// @notice A listing as it stands.
    /// @param seller Who sells; zero if there is no such listing.
    /// @param kind As in {Draft}.
    /// @param terms As in {Draft}.
    /// @param derivable As in {Draft}.
    /// @param depth How many generations of parents it has.
    /// @param royaltyBps As in {Draft}.
    /// @param version Rises with every revision, from 1.
    /// @param price As in {Draft}; of the version.
    /// @param bond What is left of the bond.
    /// @param delistedAt When it was delisted; 0 if it wasn't.
    /// @param period As in {Draft}.
    /// @param window As in {Draft}.
    /// @param soldUntil Until when the longest subscription runs whose money was released.
    /// @param held How many sales are held: neither refunded nor released.
    struct Listing {
        address seller;
        Kind kind;
        Terms terms;
        bool derivable;
        uint8 depth;
        uint16 royaltyBps;
        uint32 version;
        uint96 price;
        uint96 bond;
        uint40 delistedAt;
        uint40 period;
        uint40 window;
        uint40 soldUntil;
        uint32 held;
    }

    /// @notice What a version of a listing is.
    struct Content {
        bytes32 licence;
        bytes32 root;
    }

    /// @notice A payee of a listing's royalties.
    /// @param payee Who is paid: the seller of an ancestor, or of several.
    /// @param part Its part of what the listing is paid, of 10^18.
    struct Share {
        address payee;
        uint64 part;
    }

    /// @notice A sale's money.
    enum SaleState {
        None,
        Held,
        Refunded,
        Released
    }

    /// @notice A sale.
    /// @param buyer Who paid.
    /// @param listing What it paid for.
    /// @param version The version that it saw. Access is to this and every later one.
    /// @param amount What it paid.
    /// @param duration Seconds of subscription that it paid for; 0 for a one-off sale.
    /// @param finalAt From when on the money is the seller's: the first second after the refund window.
    /// @param until The end of the buyer's access when it was sold; 2^40 - 1 for good.
    /// @param state Where the money is.
    struct Sale {
        address buyer;
        uint64 listing;
        uint32 version;
        uint96 amount;
        uint40 duration;
        uint40 finalAt;
        uint40 until;
        SaleState state;
    }

    /// @notice What a buyer has of a listing.
    /// @param since When it first paid for it; 0 if it never did.
    /// @param until The first second at which it no longer has access; 0 if it never had, 2^40 - 1 for good.
    /// @param refunded Whether it took a refund, which it can once.
    struct Access {
        uint40 since;
        uint40 until;
        bool refunded;
    }

    /// @notice An allowance for use: every lease of `buyer` that `hubKey` opens for `namespaceId` pays for it.
    /// @param left What is left of the allowance.
    /// @param price Of 10,000 wei that a lease pays, as agreed when it was opened.
    /// @param openedAt Leases opened from then on count; 0 if there is none.
    /// @param closingAt Leases opened from then on don't count; 0 if it isn't closing.
    struct Allowance {
        uint96 left;
        uint64 price;
        uint40 openedAt;
        uint40 closingAt;
    }

    /// @notice What a seller signs (EIP-712) for content that it hands to a buyer: what the buyer got has this root.
    struct Delivery {
        uint256 listing;
        uint32 version;
        address buyer;
        bytes32 root;
    }

    // ----------------------------------------------------------------------------------------------- events

    /// @notice A listing was made, derived from `parents`.
    event Listed(uint256 indexed id, address indexed seller, Draft draft, uint256[] parents);
    /// @notice The listing has a new price or content, for new sales.
    event Revised(uint256 indexed id, uint256 version, uint256 price, bytes32 licence, bytes32 root);
    /// @notice The listing is sold no more.
    event Delisted(uint256 indexed id);
    /// @notice The bond is the seller's again.
    event BondReturned(uint256 indexed id, uint256 amount);
    /// @notice The seller signed `root` for a version whose root is another: half the bond is `buyer`'s, half went to the vault.
    event BondForfeited(uint256 indexed id, address indexed buyer, bytes32 root, uint256 toBuyer, uint256 toVault);

    /// @notice A sale; `until` is the end of the buyer's access.
    event Bought(
        uint256 indexed sale,
        uint256 indexed listing,
        address indexed buyer,
        uint256 version,
        uint256 amount,
        uint256 until
    );
    /// @notice The buyer has its money back, and its access ends by as much.
    event Refunded(uint256 indexed sale, uint256 amount, uint256 until);
    /// @notice The sale's money went to the seller and up the chain.
    event Released(uint256 indexed sale, uint256 amount);
    /// @notice The sale's money can't be released, or not yet.
    event ReleaseSkipped(uint256 indexed sale);
    /// @notice `amount` is `account`'s to withdraw.
    event Credited(address indexed account, uint256 amount);
    /// @notice `amount` of `account`'s went to `to`.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice `buyer` pays for use of the listing with the leases that `hubKey` opens for `namespaceId`.
    event UseAllowed(
        uint256 indexed listing,
        address indexed buyer,
        address indexed hubKey,
        bytes32 namespaceId,
        uint256 price,
        uint256 amount
    );
    /// @notice A lease paid `fee` more for its use of the listing, of an allowance that has `left`.
    event UsePaid(uint256 indexed listing, bytes32 indexed leaseId, address indexed buyer, uint256 fee, uint256 left);
    /// @notice Leases opened from now on no longer count; what is left returns from `returnsAt` on.
    event UseEnding(
        uint256 indexed listing, address indexed buyer, address hubKey, bytes32 namespaceId, uint256 returnsAt
    );
    /// @notice What was left returned.
    event UseEnded(uint256 indexed listing, address indexed buyer, address hubKey, bytes32 namespaceId, uint256 amount);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice A parameter of the deployment, or of a listing, makes no sense or is out of bounds.
    error BadParameter();
    /// @notice A zero address, or the catalog itself, where money would go; or no contract where one should be.
    error ZeroAddress();
    /// @notice An amount or a count of zero, or above what can be counted.
    error BadAmount();
    /// @notice The token moved another amount than asked.
    error TransferMismatch();
    /// @notice There is no such listing.
    error UnknownListing();
    /// @notice The listing is sold no more.
    error IsDelisted();
    /// @notice The caller isn't the listing's seller.
    error NotSeller();
    /// @notice The bond is below the least.
    error BondTooSmall();
    /// @notice The bond answers for the listing still, or there is none.
    error BondStillHeld();
    /// @notice More parents than a listing may have.
    error TooManyParents();
    /// @notice Parents must be in rising order.
    error ParentsOutOfOrder();
    /// @notice The parent doesn't allow derivation.
    error NotDerivable(uint256 parent);
    /// @notice More generations than a listing may have.
    error TooDeep();
    /// @notice More people to pay royalties to than a listing may have.
    error TooManyPayees();
    /// @notice The parents' royalties are above the price.
    error RoyaltiesTooHigh();
    /// @notice The listing is paid for in another way.
    error WrongTerms();
    /// @notice The listing was revised since.
    error WrongVersion();
    /// @notice It costs more than the caller would pay.
    error CostsMore(uint256 cost);
    /// @notice The caller has it already.
    error AlreadyHas();
    /// @notice Paid too far ahead.
    error TooFarAhead();
    /// @notice The sale isn't the caller's, isn't held any more, or can't be refunded.
    error NotRefundable();
    /// @notice Nothing to withdraw.
    error NothingOwed();
    /// @notice There is such an allowance already.
    error AllowanceExists();
    /// @notice There is no such allowance, or it is closing.
    error NoAllowance();
    /// @notice What is left of the allowance stays until leases that count can be reported.
    error AllowanceStillHeld();
    /// @notice The lease doesn't count for the allowance: opened before or after, or never.
    error LeaseDoesNotCount();
    /// @notice Nothing is due.
    error NothingDue();
    /// @notice The delivery shows nothing: right root, unknown version, nobody who paid, or no bond.
    error ProvesNothing();
    /// @notice The seller didn't sign it.
    error BadSignature();

    // ---------------------------------------------------------------------------------------------- selling

    /// @notice Lists something of the caller's, and takes the bond. `parents` are the listings that it is derived from, in
    /// rising order: their royalties, and those of theirs, are paid of every sale.
    function list(Draft calldata draft, uint256[] calldata parents) external returns (uint256 id);

    /// @notice Changes price and content for new sales. Who bought has its version and this one.
    function revise(uint256 id, uint96 price, bytes32 licence, bytes32 root) external returns (uint32 version);

    /// @notice Ends new sales of the caller's listing. What was sold stays sold, subscriptions run on.
    function delist(uint256 id) external;

    /// @notice Credits the seller with the bond of a delisted listing, once it and what it sold are over for {BOND_HOLD} and no
    /// sale is held.
    function returnBond(uint256 id) external;

    /// @notice Shows that the seller handed a buyer something else than what is listed, by its own signature. Anyone may. The
    /// listing is sold no more; half the bond is the buyer's, half goes to the vault.
    function report(Delivery calldata delivery, bytes calldata signature) external;

    // ---------------------------------------------------------------------------------------------- buying

    /// @notice Buys a listing, or `periods` of a subscription, in the version that the caller saw and for `most` wei at most.
    function buy(uint256 listing, uint32 version, uint256 periods, uint256 most) external returns (uint256 sale);

    /// @notice Credits the buyer with all that it paid, within the listing's window. Once for a listing; later sales to the
    /// same buyer are final.
    function refund(uint256 sale) external;

    /// @notice Credits seller and royalties of sales that are final. Anyone may; what can't be released is skipped.
    function release(uint256[] calldata ids) external;

    /// @notice Sends what is owed to the caller. Nothing can pause this.
    function withdraw(address to) external;

    // ------------------------------------------------------------------------------------------------- use

    /// @notice Puts `amount` aside for the use of a listing by leases that the caller pays, that `hubKey` opens for
    /// `namespaceId` from now on. Each pays `price` for 10,000 wei that it pays its provider, and all no more than the allowance.
    /// @dev Which leases count is known beforehand, from the chain alone: whoever runs something that is paid by use keeps a
    /// namespace for it. A share of what the lease pays can't be driven up by cutting work into many leases.
    function allowUse(
        uint256 listing,
        uint32 version,
        address hubKey,
        bytes32 namespaceId,
        uint256 mostPrice,
        uint256 amount
    ) external;

    /// @notice Adds to an allowance of the caller's.
    function addToAllowance(uint256 listing, address hubKey, bytes32 namespaceId, uint256 amount) external;

    /// @notice Has a lease pay for its use, as far as it has paid its provider. Anyone may, as often as it pays more.
    function payUse(uint256 listing, IEscrow.LeaseTerms calldata terms) external returns (uint256 fee);

    /// @notice Ends an allowance of the caller's for leases opened from now on.
    function endUse(uint256 listing, address hubKey, bytes32 namespaceId) external;

    /// @notice Credits the caller with what is left, {USE_NOTICE} after {endUse} or the listing's end.
    function closeUse(uint256 listing, address hubKey, bytes32 namespaceId) external returns (uint256 amount);

    // ------------------------------------------------------------------------------------------------ views

    /// @notice A listing.
    function listings(uint256 id) external view returns (Listing memory);

    /// @notice What a version of a listing is.
    function contentOf(uint256 id, uint32 version) external view returns (Content memory);

    /// @notice Who gets which part of what the listing is paid; the rest is the seller's.
    function royaltiesOf(uint256 id) external view returns (Share[] memory);

    /// @notice The listings that it says it is derived from.
    function parentsOf(uint256 id) external view returns (uint256[] memory);

    /// @notice A sale.
    function sales(uint256 id) external view returns (Sale memory);

    /// @notice What `buyer` has of a listing.
    function accessOf(uint256 listing, address buyer) external view returns (Access memory);

    /// @notice Whether `buyer` has access to a listing that was bought or subscribed to, now.
    function has(address buyer, uint256 listing) external view returns (bool);

    /// @notice Whether a lease opened now by `hubKey` for `namespaceId` of `buyer` may use a listing that is paid by use.
    function mayUse(address buyer, uint256 listing, address hubKey, bytes32 namespaceId) external view returns (bool);

    /// @notice An allowance.
    function allowanceOf(address buyer, uint256 listing, address hubKey, bytes32 namespaceId)
        external
        view
        returns (Allowance memory);

    /// @notice What a lease has paid for the use of a listing.
    function usePaid(uint256 listing, bytes32 leaseId) external view returns (uint256);

    /// @notice From when on the bond can be returned; 0 while it is listed.
    function bondFreeAt(uint256 id) external view returns (uint256);

    /// @notice What `account` can withdraw.
    function owed(address account) external view returns (uint256);

    /// @notice How many listings there were.
    function listingCount() external view returns (uint256);

    /// @notice How many sales there were.
    function saleCount() external view returns (uint256);

    /// @notice The EIP-712 digest that a seller signs.
    function deliveryDigest(Delivery calldata delivery) external view returns (bytes32);

    /// @notice The least bond.
    function MIN_BOND() external view returns (uint256);

    /// @notice The longest refund window.
    function MAX_WINDOW() external view returns (uint256);

    /// @notice Seconds for which a bond answers after the listing and all that it sold are over.
    function BOND_HOLD() external view returns (uint256);

    /// @notice Seconds for which an allowance that was ended can still be charged.
    function USE_NOTICE() external view returns (uint256);
}
