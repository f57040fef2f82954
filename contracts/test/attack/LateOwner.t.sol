// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PolicyFixture} from "../policy/PolicyFixture.sol";

/// @notice A challenger that isn't registered owns a verifier. It isn't drawn; nor may it be once the challenger registers, whose
/// owner doesn't count then: its name does.
contract LateOwnerAttackTest is PolicyFixture {
    address private constant CHALLENGER = address(0xC4A11);
    address private constant MINE = address(0xFEED);

    function setUp() public override {
        super.setUp();
        registerVerifier(MINE, CHALLENGER);
        registerNode(provider, owner, 1, 10_000e18);
        for (uint256 i = 0; i < 12; ++i) {
            registerVerifier(address(uint160(0xFA00 + i)), address(uint160(0xFB00 + i)));
        }
        warpToEnd(0, 10);
    }

    function assertNotSeated(uint256 id, uint256 round) private view {
        address[] memory jury = disputes.jury(id, round);
        for (uint256 i = 0; i < jury.length; ++i) {
            assertTrue(jury[i] != MINE, "the challenger's own judges");
        }
    }

    function accuse() private returns (uint256 id) {
        vm.prank(CHALLENGER);
        id = disputes.accuse(provider, 0, "it lied");
        vm.roll(block.number + 2);
        disputes.drawJury(id);
    }

    function register() private {
        give(CHALLENGER, address(registry), VERIFIER_STAKE);
        vm.prank(CHALLENGER);
        registry.registerVerifier(address(0x0123), VERIFIER_STAKE);
    }

    /// @dev Ten cases, so that the lot would have seated it in one.
    function test_Attack_NobodySeatsItsOwnAfterwards() public {
        give(CHALLENGER, address(disputes), 10 * BOND);
        uint256[10] memory ids;
        address[][] memory before = new address[][](10);
        for (uint256 i = 0; i < 10; ++i) {
            ids[i] = accuse();
            assertNotSeated(ids[i], 0);
            before[i] = disputes.jury(ids[i], 0);
        }
        vm.warp(block.timestamp + 1);
        register();
        for (uint256 i = 0; i < 10; ++i) {
            assertNotSeated(ids[i], 0);
            address[] memory still = disputes.jury(ids[i], 0);
            assertEq(keccak256(abi.encode(still)), keccak256(abi.encode(before[i])), "who was drawn stays drawn");
        }
    }

    function test_Attack_NorInAnAppeal() public {
        give(CHALLENGER, address(disputes), 40 * BOND);
        uint256[6] memory ids;
        for (uint256 i = 0; i < 6; ++i) {
            ids[i] = accuse();
        }
        vm.warp(block.timestamp + VOTING + 1);
        for (uint256 i = 0; i < 6; ++i) {
            vm.prank(CHALLENGER);
            disputes.appeal(ids[i]);
        }
        vm.roll(block.number + 2);
        vm.warp(block.timestamp + 1);
        for (uint256 i = 0; i < 6; ++i) {
            disputes.drawJury(ids[i]);
        }
        register();
        for (uint256 i = 0; i < 6; ++i) {
            assertNotSeated(ids[i], 1);
        }
    }
}
