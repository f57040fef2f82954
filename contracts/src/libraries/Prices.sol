// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Prices
/// @notice A histogram of prices by weight, in steps of a sixteenth of an octave's start (6 % at most), with its median.
library Prices {
    /// @notice Sixteen buckets for each power of two up to 2^96.
    uint256 internal constant BUCKETS = 1536;

    /// @param filled Which buckets hold anything.
    /// @param total The weight of all.
    /// @param weights The weight in each bucket.
    struct Histogram {
        uint256[6] filled;
        uint256 total;
        mapping(uint256 bucket => uint256) weights;
    }

    /// @notice The bucket of `price`, which must be from 1 to 2^96 - 1.
    function bucketOf(uint256 price) internal pure returns (uint256) {
        uint256 octave = Math.log2(price);
        // the four bits below the highest
        uint256 step = octave >= 4 ? (price >> (octave - 4)) & 15 : (price << (4 - octave)) & 15;
        return octave * 16 + step;
    }

    /// @notice The lowest price of a bucket that holds any whole price.
    function floorOf(uint256 bucket) internal pure returns (uint256) {
        return ((16 + bucket % 16) << (bucket / 16)) >> 4;
    }

    /// @notice Adds `weight` at `price`.
    function add(Histogram storage histogram, uint256 price, uint256 weight) internal {
        if (weight == 0) return;
        uint256 bucket = bucketOf(price);
        // One bit, shifted: the linter takes it for the wrong way round.
        // forge-lint: disable-next-line(incorrect-shift)
        histogram.filled[bucket >> 8] |= 1 << (bucket & 255);
        histogram.weights[bucket] += weight;
        histogram.total += weight;
    }

    /// @notice The floor of the bucket below which less than half of the weight lies; 0 if there is no weight.
    function median(Histogram storage histogram) internal view returns (uint256) {
        uint256 half = (histogram.total + 1) / 2;
        if (half == 0) return 0;
        uint256 sum = 0;
        for (uint256 word = 0; word < 6; ++word) {
            uint256 left = histogram.filled[word];
            while (left != 0) {
                uint256 lowest = left & (~left + 1);
                uint256 bucket = word * 256 + Math.log2(lowest);
                sum += histogram.weights[bucket];
                if (sum >= half) return floorOf(bucket);
                left ^= lowest;
            }
        }
        return 0;
    }
}
