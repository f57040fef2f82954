// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {GenesisAllocation, IEAIToken} from "./IEAIToken.sol";
import {Test} from "./Test.sol";
import {Vm} from "./Vm.sol";

/// @notice A payer with a deposit and an authorised hub, and a provider with an offer; and the words to work with them.
abstract contract EscrowFixture is Test {
    uint256 internal constant PAYER_KEY = 0xA11CE;
    uint256 internal constant PROVIDER_KEY = 0xB0B;
    uint256 internal constant HUB_KEY = 0x4B;
    uint256 internal constant OTHER_KEY = 0xEE;

    uint64 internal constant START = 1_800_000_000;
    uint256 internal constant WINDOW = 72 hours;
    uint256 internal constant NOTICE = 15 minutes;
    /// @dev One whole unit at this rate costs 1e15 wei a second.
    uint256 internal constant RATE = 3.6e18;
    uint256 internal constant PER_SECOND = 1e15;
    uint64 internal constant UNIT = 1000;
    uint256 internal constant DEPOSIT = 1000e18;
    uint256 internal constant CAP = 500e18;
    uint256 internal constant HOLD = 10e18;
    bytes32 internal constant NAMESPACE = keccak256("namespace");

    address internal payer = vm.addr(PAYER_KEY);
    address internal provider = vm.addr(PROVIDER_KEY);
    address internal hub = vm.addr(HUB_KEY);
    address internal other = vm.addr(OTHER_KEY);

    IEAIToken internal token;
    IEscrow internal escrow;

    function setUp() public virtual {
        vm.warp(START);
        token = deployToken();
        escrow = newEscrow(address(token), WINDOW);
        fund(payer, DEPOSIT);
        vm.prank(payer);
        escrow.authorize(hub, NAMESPACE, CAP, 2 * RATE, START + 30 days);
    }

    // ------------------------------------------------------------------------------------------- builders

    /// @notice The token, all of it this contract's.
    function deployToken() internal returns (IEAIToken) {
        return IEAIToken(deploy("EAIToken.sol:EAIToken", abi.encode(everythingTo(address(this)))));
    }

    function newEscrow(address token_, uint256 window) internal returns (IEscrow) {
        return IEscrow(deploy("Escrow.sol:Escrow", abi.encode(token_, window)));
    }

    function everythingTo(address recipient) internal pure returns (GenesisAllocation[] memory genesis) {
        genesis = new GenesisAllocation[](1);
        genesis[0] = GenesisAllocation({recipient: recipient, amount: 2_500_000_000e18});
    }

    /// @notice Gives `account` a free balance of `amount` more in the escrow.
    function fund(address account, uint256 amount) internal {
        token.approve(address(escrow), amount);
        escrow.depositFor(account, amount);
    }

    function defaultOffer() internal view returns (IEscrow.Offer memory) {
        return IEscrow.Offer({
            provider: provider,
            member: "home",
            class: "nvidia.com/gpu",
            rate: RATE,
            startWithin: 60,
            validUntil: START + 1 days,
            nonce: escrow.offerNonce(provider)
        });
    }

    function defaultRequest() internal view returns (IEscrow.LeaseRequest memory) {
        return IEscrow.LeaseRequest({
            payer: payer,
            namespaceId: NAMESPACE,
            jobId: keccak256("job"),
            generation: 1,
            attempt: 1,
            rate: RATE,
            milliUnits: UNIT,
            hold: HOLD,
            openBy: START + 1 days
        });
    }

    function termsOf(IEscrow.LeaseRequest memory request, address provider_, address hub_)
        internal
        pure
        returns (IEscrow.LeaseTerms memory)
    {
        return IEscrow.LeaseTerms({
            payer: request.payer,
            provider: provider_,
            hubKey: hub_,
            namespaceId: request.namespaceId,
            jobId: request.jobId,
            generation: request.generation,
            attempt: request.attempt,
            rate: request.rate,
            milliUnits: request.milliUnits
        });
    }

    function idOf(IEscrow.LeaseTerms memory terms) internal pure returns (bytes32) {
        return keccak256(abi.encode(terms));
    }

    function voucher(IEscrow.LeaseTerms memory terms, uint256 amount, bool isFinal)
        internal
        pure
        returns (IEscrow.Settlement memory)
    {
        return IEscrow.Settlement({
            terms: terms,
            cumulativeAmount: amount,
            cumulativeUsageMs: amount / 1e12,
            usageRoot: keccak256("usage"),
            isFinal: isFinal,
            r: 0,
            vs: 0
        });
    }

    // ------------------------------------------------------------------------------------------ signatures

    /// @notice `settlement` signed with `key`, in ERC-2098's short form.
    function signed(IEscrow.Settlement memory settlement, uint256 key)
        internal
        view
        returns (IEscrow.Settlement memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digestOf(settlement));
        settlement.r = r;
        settlement.vs = bytes32(uint256(s) | (uint256(v - 27) << 255));
        return settlement;
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function digestOf(IEscrow.Settlement memory settlement) internal view returns (bytes32) {
        return escrow.voucherDigest(
            IEscrow.Voucher({
                leaseId: idOf(settlement.terms),
                payer: settlement.terms.payer,
                provider: settlement.terms.provider,
                generation: settlement.terms.generation,
                attempt: settlement.terms.attempt,
                cumulativeAmount: settlement.cumulativeAmount,
                cumulativeUsageMs: settlement.cumulativeUsageMs,
                usageRoot: settlement.usageRoot,
                isFinal: settlement.isFinal
            })
        );
    }

    // --------------------------------------------------------------------------------------------- actions

    /// @notice Opens the default lease and returns its terms.
    function open() internal returns (IEscrow.LeaseTerms memory) {
        return open(defaultRequest());
    }

    function open(IEscrow.LeaseRequest memory request) internal returns (IEscrow.LeaseTerms memory terms) {
        terms = termsOf(request, provider, hub);
        openAs(hub, request, defaultOffer(), PROVIDER_KEY);
        assertTrue(lease(terms).openedAt != 0, "the lease was opened");
    }

    function openAs(address hub_, IEscrow.LeaseRequest memory request, IEscrow.Offer memory offer, uint256 key)
        internal
    {
        openAs(hub_, request, offer, sign(key, escrow.offerDigest(offer)));
    }

    function openAs(
        address hub_,
        IEscrow.LeaseRequest memory request,
        IEscrow.Offer memory offer,
        bytes memory signature
    ) internal {
        IEscrow.LeaseRequest[] memory requests = new IEscrow.LeaseRequest[](1);
        IEscrow.Offer[] memory offers = new IEscrow.Offer[](1);
        bytes[] memory signatures = new bytes[](1);
        (requests[0], offers[0], signatures[0]) = (request, offer, signature);
        vm.prank(hub_);
        escrow.openBatch(requests, offers, signatures);
    }

    function topUp(address hub_, IEscrow.LeaseTerms memory terms, uint256 amount) internal {
        IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](1);
        uint256[] memory amounts = new uint256[](1);
        (list[0], amounts[0]) = (terms, amount);
        vm.prank(hub_);
        escrow.topUpBatch(list, amounts);
    }

    /// @notice Presents a voucher of the hub for `amount` in all.
    function settle(IEscrow.LeaseTerms memory terms, uint256 amount, bool isFinal) internal {
        settle(voucher(terms, amount, isFinal), HUB_KEY);
    }

    function settle(IEscrow.Settlement memory settlement, uint256 key) internal {
        settleAsIs(signed(settlement, key));
    }

    function settleAsIs(IEscrow.Settlement memory settlement) internal {
        IEscrow.Settlement[] memory settlements = new IEscrow.Settlement[](1);
        settlements[0] = settlement;
        escrow.settleBatch(settlements);
    }

    function startClosing(address by, IEscrow.LeaseTerms memory terms) internal {
        vm.prank(by);
        escrow.startClosing(terms);
    }

    function lease(IEscrow.LeaseTerms memory terms) internal view returns (IEscrow.Lease memory) {
        return escrow.lease(idOf(terms));
    }

    function used() internal view returns (uint256) {
        return escrow.authorization(payer, hub, NAMESPACE).used;
    }

    // -------------------------------------------------------------------------------------------- checking

    function expectOpenSkipped(IEscrow.LeaseTerms memory terms, bytes4 reason) internal {
        vm.expectEmit(address(escrow));
        emit IEscrow.OpenSkipped(idOf(terms), reason);
    }

    function expectTopUpSkipped(IEscrow.LeaseTerms memory terms, bytes4 reason) internal {
        vm.expectEmit(address(escrow));
        emit IEscrow.TopUpSkipped(idOf(terms), reason);
    }

    function expectSettleSkipped(IEscrow.LeaseTerms memory terms, bytes4 reason) internal {
        vm.expectEmit(address(escrow));
        emit IEscrow.SettleSkipped(idOf(terms), reason);
    }

    function assertState(IEscrow.LeaseTerms memory terms, IEscrow.LeaseState wanted) internal view {
        assertEq(uint256(lease(terms).state), uint256(wanted), "state");
    }

    /// @notice The lease's figures, and that they add up.
    function assertFigures(IEscrow.LeaseTerms memory terms, uint256 hold, uint256 paid, uint256 refunded)
        internal
        view
    {
        IEscrow.Lease memory standing = lease(terms);
        assertEq(standing.hold, hold, "hold");
        assertEq(standing.paid, paid, "paid");
        assertEq(standing.refunded, refunded, "refunded");
        assertEq(standing.held, hold - paid - refunded, "held");
    }

    /// @notice How many logs of the last recording bear the event `topic`.
    function countLogs(Vm.Log[] memory logs, bytes32 topic) internal pure returns (uint256 count) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == topic) ++count;
        }
    }
}
