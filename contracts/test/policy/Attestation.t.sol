// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEmissionController} from "../../src/interfaces/IEmissionController.sol";
import {EmissionController} from "../../src/policy/EmissionController.sol";
import {PolicyFixture} from "./PolicyFixture.sol";

/// @notice Who is drawn, by what, and the last second for each.
contract AttestationTest is PolicyFixture {
    uint256 private constant NODES = 4;

    function nodeAt(uint256 i) private pure returns (address) {
        return address(uint160(0xD000 + i));
    }

    function registerAll() private {
        for (uint256 i = 0; i < NODES; ++i) {
            registerNode(nodeAt(i), address(uint160(0xE000 + i)), 1, MINIMUM);
        }
    }

    function test_Epoch_BeginsAtItsFirstSecond() public {
        assertEq(emission.epochAt(START), 0, "the first second");
        assertEq(emission.epochAt(START + EPOCH - 1), 0, "the last");
        assertEq(emission.epochAt(START + EPOCH), 1, "the next epoch's");
        vm.expectRevert(IEmissionController.WrongPhase.selector);
        emission.epochAt(START - 1);
    }

    function test_FixSeed_IsOfTheBlockBefore() public {
        warpToEnd(0, 0);
        vm.prevrandao("randao");
        bytes32 before = blockhash(block.number - 1);
        assertTrue(before != 0, "there is one");
        bytes32 wanted = keccak256(abi.encode(before, bytes32("randao"), uint256(0)));
        vm.expectEmit(address(emission));
        emit IEmissionController.SeedFixed(0, wanted);
        assertEq(emission.fixSeed(0), wanted, "seed");
    }

    function test_Attest_CutsOffWhatIsTooMuch() public {
        registerAll();
        warpToEnd(0, 0);
        seed(0);
        address[] memory list = emission.committee(nodeAt(0), 0);
        vm.expectEmit(address(emission));
        emit IEmissionController.Attested(nodeAt(0), 0, list[0], type(uint88).max, "split");
        vm.prank(list[0]);
        emission.attest(nodeAt(0), 0, 2 ** 88, "split");
        assertEq(emission.reportsOf(nodeAt(0), 0)[0].time, type(uint88).max, "not the bits above it");
    }

    function test_Committee_IsNobodyForNobody() public {
        warpToEnd(0, 0);
        seed(0);
        assertEq(emission.committee(other, 0).length, 0, "no such node");
    }

    function test_Committee_IsForWhoWasThereBeforeTheEnd() public {
        vm.warp(emission.endOf(0) - 1);
        registerNode(nodeAt(0), address(0xE000), 1, MINIMUM);
        vm.warp(emission.endOf(0));
        registerNode(nodeAt(1), address(0xE001), 1, MINIMUM);
        seed(0);
        assertEq(emission.committee(nodeAt(0), 0).length, DRAWN, "in the last second");
        assertEq(emission.committee(nodeAt(1), 0).length, 0, "a second later");
    }

    function test_Committee_IsOfWhoWasThereBeforeTheEnd() public {
        registerAll();
        vm.warp(emission.endOf(0) - 1);
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            registerVerifier(verifierAt(100 + i), address(uint160(0xB100 + i)));
        }
        vm.warp(emission.endOf(0));
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            registerVerifier(verifierAt(200 + i), address(uint160(0xB200 + i)));
        }
        seed(0);
        uint256 last = 0;
        for (uint256 i = 0; i < NODES; ++i) {
            address[] memory list = emission.committee(nodeAt(i), 0);
            assertEq(list.length, DRAWN, "full");
            for (uint256 j = 0; j < list.length; ++j) {
                assertTrue(list[j] < verifierAt(200), "one that came when the seed was known");
                if (list[j] >= verifierAt(100)) ++last;
            }
        }
        // half of those who may be: of twenty that are drawn, none of them would be a strange chance
        assertTrue(last != 0, "some that came in the last second");
    }

    function test_Committee_MayBeOfOne() public {
        EmissionController.Parameters memory p = emissionParameters();
        (p.registry, p.disputes, p.drawn, p.quorum) = (address(registry), address(disputes), 1, 1);
        emission = new EmissionController(p);
        registerAll();
        warpToEnd(0, 0);
        seed(0);
        address[] memory list = emission.committee(nodeAt(0), 0);
        assertEq(list.length, 1, "one");
        vm.prank(list[0]);
        emission.attest(nodeAt(0), 0, 70, "split");
        assertEq(emission.attested(nodeAt(0), 0), 70, "its word");
        (bytes32 root, uint256 total) = emission.splitOf(nodeAt(0), 0);
        assertEq(root, "split", "its split");
        assertEq(total, 70, "and its sum");
    }
}
