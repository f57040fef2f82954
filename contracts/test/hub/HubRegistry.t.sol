// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHubRegistry} from "../../src/interfaces/IHubRegistry.sol";
import {Test} from "../utils/Test.sol";

contract HubRegistryTest is Test {
    uint64 private constant STEP = 2 ** 40;
    bytes32 private constant ONE = bytes32(uint256(1));
    bytes32 private constant OTHER = bytes32(uint256(2));
    /// @dev `_tenures` is the contract's first slot.
    uint256 private constant SLOT = 0;

    IHubRegistry private _registry;
    address private _hub = address(0xA);
    address private _stranger = address(0xB);

    function setUp() public {
        _registry = IHubRegistry(deploy("HubRegistry.sol:HubRegistry", ""));
    }

    function raise(address hub, uint64 generation, bytes32 holder) private {
        vm.prank(hub);
        _registry.raise(generation, holder);
    }

    function assertTenure(address hub, uint64 generation, bytes32 holder) private view {
        IHubRegistry.Tenure memory tenure = _registry.tenureOf(hub);
        assertEq(tenure.generation, generation, "the generation");
        assertEq(tenure.holder, holder, "the holder");
    }

    /// @dev Expects the next call to be refused for its generation.
    function expectOutOfRange(uint64 current, uint64 highest) private {
        vm.expectRevert(abi.encodeWithSelector(IHubRegistry.GenerationOutOfRange.selector, current, highest));
    }

    // ------------------------------------------------------------------------------------------- tenureOf

    function test_TenureOf_IsZeroAtFirst() public view {
        assertTenure(_hub, 0, 0);
        assertEq(_registry.MAX_STEP(), STEP, "the longest step");
    }

    // ---------------------------------------------------------------------------------------------- raise

    function test_Raise_KeepsGenerationAndHolder() public {
        raise(_hub, 1, ONE);
        assertTenure(_hub, 1, ONE);
    }

    function test_Raise_ReplacesBoth() public {
        raise(_hub, 1, ONE);
        raise(_hub, 7, OTHER);
        assertTenure(_hub, 7, OTHER);
    }

    function test_Raise_EmitsGenerationRaised() public {
        raise(_hub, 1, ONE);
        vm.expectEmit(address(_registry));
        emit IHubRegistry.GenerationRaised(_hub, 2, OTHER);
        raise(_hub, 2, OTHER);
    }

    function test_RevertWhen_TheGenerationIsThePresentOne() public {
        raise(_hub, 3, ONE);
        expectOutOfRange(3, 3 + STEP);
        raise(_hub, 3, OTHER);
        assertTenure(_hub, 3, ONE);
    }

    function test_RevertWhen_ThePresentHolderRepeatsItself() public {
        raise(_hub, 3, ONE);
        expectOutOfRange(3, 3 + STEP);
        raise(_hub, 3, ONE);
    }

    function test_RevertWhen_TheGenerationIsLower() public {
        raise(_hub, 3, ONE);
        expectOutOfRange(3, 3 + STEP);
        raise(_hub, 2, OTHER);
        assertTenure(_hub, 3, ONE);
    }

    function test_RevertWhen_TheGenerationIsZero() public {
        expectOutOfRange(0, STEP);
        raise(_hub, 0, ONE);
    }

    function test_Raise_GoesAsFarAsOneStep() public {
        raise(_hub, STEP, ONE);
        raise(_hub, 2 * STEP, ONE);
        assertTenure(_hub, 2 * STEP, ONE);
    }

    function test_RevertWhen_TheStepIsTooLong() public {
        expectOutOfRange(0, STEP);
        raise(_hub, STEP + 1, ONE);
        raise(_hub, 5, ONE);
        expectOutOfRange(5, 5 + STEP);
        raise(_hub, 6 + STEP, OTHER);
        expectOutOfRange(5, 5 + STEP);
        raise(_hub, type(uint64).max, OTHER);
        assertTenure(_hub, 5, ONE);
    }

    function test_Raise_EndsAtTheLastNumber() public {
        // So many steps that no test could take them.
        uint64 near = type(uint64).max - 3;
        vm.store(address(_registry), keccak256(abi.encode(_hub, SLOT)), bytes32(uint256(near)));
        assertEq(_registry.tenureOf(_hub).generation, near, "it was put there");
        raise(_hub, type(uint64).max - 1, ONE);
        raise(_hub, type(uint64).max, OTHER);
        assertTenure(_hub, type(uint64).max, OTHER);
        expectOutOfRange(type(uint64).max, type(uint64).max);
        raise(_hub, type(uint64).max, ONE);
    }

    function test_RevertWhen_ThereIsNoHolder() public {
        vm.expectRevert(IHubRegistry.NoHolder.selector);
        raise(_hub, 1, 0);
        assertTenure(_hub, 0, 0);
        raise(_hub, 1, ONE);
        vm.expectRevert(IHubRegistry.NoHolder.selector);
        raise(_hub, 2, 0);
        assertTenure(_hub, 1, ONE);
    }

    function testFuzz_Raise_ChangesTheSendersAlone(address one, address other, uint64 generation, bytes32 holder)
        public
    {
        vm.assume(one != other);
        if (holder == 0) holder = ONE;
        generation = uint64(bound(generation, 1, STEP));
        raise(other, 1, OTHER);
        raise(one, generation, holder);
        assertTenure(one, generation, holder);
        assertTenure(other, 1, OTHER);
    }

    function test_RevertWhen_MoneyComesWithIt() public {
        (bool taken,) = address(_registry).call{value: 1}(abi.encodeCall(IHubRegistry.raise, (uint64(1), ONE)));
        assertTrue(!taken, "it takes coins");
        (taken,) = address(_registry).call{value: 1}("");
        assertTrue(!taken, "it takes coins without a call");
        assertTenure(address(this), 0, 0);
    }

    function testFuzz_Raise_NeverFalls(uint64[] memory generations, bytes32[] memory holders) public {
        uint64 before;
        for (uint256 i = 0; i < generations.length; ++i) {
            // Near the present one half of the time, anywhere otherwise.
            uint64 asked = i % 2 == 0 ? generations[i] : uint64(bound(generations[i], 0, uint256(before) + 2 * STEP));
            bytes32 holder = holders.length == 0 ? ONE : holders[i % holders.length];
            vm.prank(_hub);
            (bool taken,) = address(_registry).call(abi.encodeCall(IHubRegistry.raise, (asked, holder)));
            uint64 present = _registry.tenureOf(_hub).generation;
            assertTrue(present >= before, "it fell");
            assertTrue(taken == (present > before), "it says what it did");
            assertTenure(_stranger, 0, 0);
            before = present;
        }
    }

    function testFuzz_Raise_TakesWhatIsInRange(uint64 present, uint64 asked, bytes32 holder) public {
        present = uint64(bound(present, 1, STEP));
        asked = uint64(bound(asked, 0, 3 * STEP));
        raise(_hub, present, ONE);
        vm.prank(_hub);
        (bool taken,) = address(_registry).call(abi.encodeCall(IHubRegistry.raise, (asked, holder)));
        assertTrue(taken == (asked > present && asked <= present + STEP && holder != 0), "taken exactly if it may be");
        if (taken) assertTenure(_hub, asked, holder);
        else assertTenure(_hub, present, ONE);
    }

    function test_Raise_OfTwoTheFirstHasIt() public {
        raise(_hub, 1, ONE);
        raise(_hub, 2, OTHER);
        expectOutOfRange(2, 2 + STEP);
        raise(_hub, 2, bytes32(uint256(3)));
        assertTenure(_hub, 2, OTHER);
    }
}
