// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {PoolFixture} from "../policy/PoolFixture.sol";

/// @notice What isn't paid when it is recorded never counts: a rival may not record a pool's open leases.
contract PoolRecordAttackTest is PoolFixture {
    /// @dev What counts for two epochs of a lease that is paid at the middle of the window and at the end of the next epoch.
    function counted(bool rival) private returns (uint256) {
        joinAs(0, 1, 1000e18);
        IEscrow.LeaseTerms memory terms = poolLease(1);
        warpToEnd(0, PHASE / 2 - 1);
        settle(terms, type(uint128).max, false);
        recordAs(operator, terms);
        warpToEnd(0, PHASE - 1);
        if (rival) {
            IEscrow.LeaseTerms[] memory list = new IEscrow.LeaseTerms[](1);
            list[0] = terms;
            vm.prank(STRANGER);
            try pool.record(list) {} catch {}
        }
        warpToEnd(1, 0);
        settle(terms, type(uint128).max, false);
        recordAs(operator, terms);
        return feeOf(address(pool), 1);
    }

    function test_Attack_NoRivalRecordsWhatIsOpen() public {
        uint256 state = vm.snapshotState();
        uint256 honest = counted(false);
        vm.revertToState(state);
        uint256 attacked = counted(true);
        assertTrue(attacked + RATE / 1000 >= honest, "lost to a rival");
    }
}
