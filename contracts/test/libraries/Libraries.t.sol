// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Accrual} from "../../src/libraries/Accrual.sol";
import {Prices} from "../../src/libraries/Prices.sol";
import {Signatures} from "../../src/libraries/Signatures.sol";
import {LeaseSlot, LeaseSlotLib} from "../../src/types/LeaseSlot.sol";
import {ShortWallet} from "../mocks/Wallets.sol";
import {Test} from "../utils/Test.sol";

contract LibrariesTest is Test {
    uint256 private constant MAX_AMOUNT = type(uint88).max;
    uint256 private constant MAX_TIME = type(uint40).max;
    uint256 private constant MAX_CLOSING = type(uint40).max >> 1;
    uint256 private constant CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    // -------------------------------------------------------------------------------------------- LeaseSlot

    function assertSlot(LeaseSlot slot, uint256 hold, uint256 paid, uint256 openedAt) private pure {
        assertEq(slot.hold(), hold, "hold");
        assertEq(slot.paid(), paid, "paid");
        assertEq(slot.openedAt(), openedAt, "openedAt");
        assertTrue(slot.exists(), "exists");
    }

    function testFuzz_LeaseSlot_KeepsFieldsApart(
        uint256 hold,
        uint256 more,
        uint256 paid,
        uint256 openedAt,
        uint256 closingAt
    ) public pure {
        hold = bound(hold, 1, MAX_AMOUNT - 1);
        more = bound(more, 1, MAX_AMOUNT - hold);
        paid = bound(paid, 0, hold);
        openedAt = bound(openedAt, 1, MAX_TIME);
        closingAt = bound(closingAt, 1, MAX_CLOSING);
        uint256 closedAt = MAX_CLOSING - closingAt + 1;

        LeaseSlot slot = LeaseSlotLib.opened(hold, openedAt);
        assertSlot(slot, hold, 0, openedAt);
        assertEq(slot.closingAt(), 0, "closingAt of a new lease");
        slot = slot.afterPaying(paid);
        assertSlot(slot, hold, paid, openedAt);
        slot = slot.afterToppingUp(more);
        assertSlot(slot, hold + more, paid, openedAt);
        slot = slot.afterClosingStarted(closingAt);
        assertSlot(slot, hold + more, paid, openedAt);
        assertEq(slot.closingAt(), closingAt, "closingAt");
        assertTrue(!slot.isClosed(), "not closed by closing");
        slot = slot.afterPaying(hold + more - paid);
        assertSlot(slot, hold + more, hold + more, openedAt);
        assertEq(slot.closingAt(), closingAt, "closingAt after paying");
        slot = slot.afterClosed(closedAt);
        assertSlot(slot, hold + more, hold + more, openedAt);
        assertTrue(slot.isClosed(), "closed");
        assertEq(slot.closingAt(), closedAt, "closedAt");
    }

    function test_LeaseSlot_OpensAtTheLimits() public pure {
        LeaseSlot slot = LeaseSlotLib.opened(MAX_AMOUNT, MAX_TIME).afterPaying(MAX_AMOUNT);
        assertSlot(slot, MAX_AMOUNT, MAX_AMOUNT, MAX_TIME);
        assertEq(slot.closingAt(), 0, "closingAt");
        assertTrue(!slot.isClosed(), "open");
        assertTrue(slot.afterClosed(MAX_CLOSING).isClosed(), "closed");
    }

    function test_LeaseSlot_ZeroWasNeverOpened() public pure {
        LeaseSlot slot = LeaseSlot.wrap(0);
        assertTrue(!slot.exists() && !slot.isClosed(), "none");
        assertEq(slot.hold() + slot.paid() + slot.openedAt() + slot.closingAt(), 0, "fields");
    }

    // ---------------------------------------------------------------------------------------------- Accrual

    function test_Accrual_OfAUnitHour() public pure {
        assertEq(Accrual.accrued(7e18, 1000, 3600), 7e18, "one unit");
        assertEq(Accrual.accrued(7e18, 500, 3600), 3.5e18, "half a unit");
        assertEq(Accrual.accrued(7e18, 2000, 1800), 7e18, "two units for half an hour");
        assertEq(Accrual.accrued(7e18, 1000, 0), 0, "no time");
        assertEq(Accrual.accrued(0, 1000, 3600), 0, "no rate");
    }

    function test_Accrual_AtTheLimits() public pure {
        uint256 most = Accrual.accrued(type(uint96).max, 1_000_000_000, MAX_TIME);
        assertEq(most, uint256(type(uint96).max) * 1_000_000_000 * MAX_TIME / 3_600_000, "limit");
    }

    function testFuzz_Accrual_RoundsDown(uint256 rate, uint256 milliUnits, uint256 elapsed) public pure {
        rate = bound(rate, 0, type(uint96).max);
        milliUnits = bound(milliUnits, 1, 1_000_000_000);
        elapsed = bound(elapsed, 0, MAX_TIME);
        uint256 exact = rate * milliUnits * elapsed;
        uint256 owed = Accrual.accrued(rate, milliUnits, elapsed);
        assertTrue(owed * 3_600_000 <= exact && (owed + 1) * 3_600_000 > exact, "floor");
    }

    function testFuzz_Accrual_IsSuperadditive(uint256 rate, uint256 milliUnits, uint256 first, uint256 second)
        public
        pure
    {
        rate = bound(rate, 0, type(uint96).max);
        milliUnits = bound(milliUnits, 1, 1_000_000_000);
        first = bound(first, 0, MAX_TIME / 2);
        second = bound(second, 0, MAX_TIME / 2);
        uint256 whole = Accrual.accrued(rate, milliUnits, first + second);
        uint256 parts = Accrual.accrued(rate, milliUnits, first) + Accrual.accrued(rate, milliUnits, second);
        assertAtMost(parts, whole, "splitting gains nothing");
        assertAtMost(whole, parts + 1, "and loses a wei at most");
    }

    // ------------------------------------------------------------------------------------------- Signatures

    function isBy(address signer, bytes32 digest, bytes calldata signature) external view returns (bool) {
        return Signatures.isBy(signer, digest, signature);
    }

    function isByShort(address signer, bytes32 digest, bytes32 r, bytes32 vs) private view returns (bool) {
        return signer != address(0) && Signatures.signerOf(digest, r, vs) == uint160(signer);
    }

    function keyFrom(uint256 seed) private pure returns (uint256) {
        return bound(seed, 1, CURVE_ORDER - 1);
    }

    function testFuzz_Signatures_TakesAKeys(uint256 key, bytes32 digest) public view {
        key = keyFrom(key);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        assertTrue(this.isBy(vm.addr(key), digest, abi.encodePacked(r, s, v)), "taken");
    }

    function testFuzz_Signatures_RefusesAnotherKeys(uint256 key, address signer, bytes32 digest, bytes32 another)
        public
        view
    {
        key = keyFrom(key);
        vm.assume(signer != vm.addr(key) && digest != another && signer.code.length == 0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        assertTrue(!this.isBy(signer, digest, abi.encodePacked(r, s, v)), "another signer");
        assertTrue(!this.isBy(vm.addr(key), another, abi.encodePacked(r, s, v)), "another digest");
    }

    function testFuzz_Signatures_RefusesTheMirrorImage(uint256 key, bytes32 digest) public view {
        key = keyFrom(key);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        bytes32 mirrored = bytes32(CURVE_ORDER - uint256(s));
        uint8 flipped = v == 27 ? 28 : 27;
        assertTrue(ecrecover(digest, flipped, r, mirrored) == vm.addr(key), "ecrecover itself would take it");
        assertTrue(!this.isBy(vm.addr(key), digest, abi.encodePacked(r, mirrored, flipped)), "refused");
    }

    function testFuzz_Signatures_RefusesTheZeroAddress(bytes32 digest, bytes32 r, bytes32 vs, bytes calldata any)
        public
        view
    {
        assertTrue(!isByShort(address(0), digest, r, vs), "short");
        assertTrue(!this.isBy(address(0), digest, any), "long");
    }

    /// @dev In a call of its own the memory behind a short answer is still zero, as the magic value's is.
    function test_Signatures_RefusesAShortAnswer() public {
        address wallet = address(new ShortWallet());
        assertTrue(!this.isBy(wallet, keccak256("digest"), ""), "refused");
    }

    function testFuzz_Signatures_FormsAgree(uint256 key, bytes32 digest) public view {
        key = keyFrom(key);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        bytes32 vs = bytes32(uint256(s) | (uint256(v - 27) << 255));
        assertTrue(isByShort(vm.addr(key), digest, r, vs), "short");
        assertTrue(!isByShort(vm.addr(key), digest, r, vs ^ bytes32(uint256(1) << 255)), "the other parity");
    }

    // ----------------------------------------------------------------------------------------------- Prices

    using Prices for Prices.Histogram;

    Prices.Histogram private _histogram;

    function testFuzz_Prices_FloorIsBelowByASixteenth(uint256 price) public pure {
        price = bound(price, 1, type(uint96).max);
        uint256 bucket = Prices.bucketOf(price);
        assertTrue(bucket < Prices.BUCKETS, "there is such a bucket");
        uint256 floor = Prices.floorOf(bucket);
        assertAtMost(floor, price, "not above");
        assertTrue(price - floor <= floor / 16, "by a sixteenth at most");
        assertEq(Prices.bucketOf(floor), bucket, "in the same bucket");
    }

    function testFuzz_Prices_BucketsRise(uint256 one, uint256 more) public pure {
        one = bound(one, 1, type(uint96).max);
        more = bound(more, one, type(uint96).max);
        assertAtMost(Prices.bucketOf(one), Prices.bucketOf(more), "in order");
    }

    function test_Prices_NothingHasNoMedian() public {
        assertEq(_histogram.median(), 0, "nothing");
        _histogram.add(5, 0);
        assertEq(_histogram.median(), 0, "nothing still");
    }

    function testFuzz_Prices_MedianIsTheMiddles(uint256 seed) public {
        uint256[9] memory prices;
        for (uint256 i = 0; i < 9; ++i) {
            uint256 s = uint256(keccak256(abi.encode(seed, i)));
            prices[i] = 1 + (s >> 8) % (1 << (s % 96 + 1)) % (type(uint96).max - 1);
            _histogram.add(prices[i], 7);
        }
        for (uint256 i = 0; i < 9; ++i) {
            for (uint256 j = i + 1; j < 9; ++j) {
                if (prices[j] < prices[i]) (prices[i], prices[j]) = (prices[j], prices[i]);
            }
        }
        assertEq(_histogram.median(), Prices.floorOf(Prices.bucketOf(prices[4])), "the fifth of nine");
    }

    function test_Prices_WeightsCount() public {
        _histogram.add(100, 50);
        _histogram.add(1000, 49);
        assertEq(_histogram.median(), Prices.floorOf(Prices.bucketOf(100)), "fifty of ninety-nine");
        _histogram.add(1000, 2);
        assertEq(_histogram.median(), Prices.floorOf(Prices.bucketOf(1000)), "fifty-one of a hundred and one");
    }
}
