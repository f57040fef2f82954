// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {VendorBooks} from "./VendorBooks.sol";

/// @notice A vendor's token on any curve.
contract VendorProof is VendorBooks {
    function slope() internal pure override returns (uint256) {
        return svm.createUint256("slope");
    }

    function check_buying_keeps_it_covered(uint256 amount) public {
        buying(amount);
    }

    function check_redeeming_keeps_it_covered(uint256 amount) public {
        redeeming(amount);
    }

    function check_round_trip_gains_nothing(uint256 amount) public {
        roundTrip(amount);
    }
}
