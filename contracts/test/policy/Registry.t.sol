// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {NodeRegistry} from "../../src/policy/NodeRegistry.sol";
import {FeeToken} from "../mocks/Tokens.sol";
import {PolicyFixture} from "./PolicyFixture.sol";

contract RegistryTest is PolicyFixture {
    address private _node = address(0x0DE);

    function account(address who) private view returns (INodeRegistry.Account memory) {
        return registry.account(who);
    }

    function asCourt() private {
        vm.prank(address(disputes));
    }

    // ------------------------------------------------------------------------------------------ constructor

    function deployExternal(NodeRegistry.Parameters memory p) external returns (NodeRegistry) {
        return new NodeRegistry(p);
    }

    function good() private view returns (NodeRegistry.Parameters memory p) {
        p = registryParameters();
        (p.vault, p.disputes) = (address(1), address(2));
    }

    function test_RevertWhen_AnAddressIsZero() public {
        for (uint256 i = 0; i < 3; ++i) {
            NodeRegistry.Parameters memory p = good();
            if (i == 0) p.token = address(0);
            if (i == 1) p.vault = address(0);
            if (i == 2) p.disputes = address(0);
            vm.expectRevert(INodeRegistry.ZeroAddress.selector);
            this.deployExternal(p);
        }
    }

    function test_RevertWhen_AParameterIsBad() public {
        for (uint256 i = 0; i < 6; ++i) {
            NodeRegistry.Parameters memory p = good();
            if (i == 0) p.epoch = 0;
            if (i == 1) p.unbonding = 0;
            if (i == 2) p.unbonding = 365 days + 1;
            if (i == 3) p.verifierStake = 0;
            if (i == 4) p.classMinimums = new uint256[](0);
            if (i == 5) p.classMinimums = new uint256[](256);
            vm.expectRevert(INodeRegistry.BadParameter.selector);
            this.deployExternal(p);
        }
        this.deployExternal(good());
    }

    // ----------------------------------------------------------------------------------------- registerNode

    function test_RevertWhen_TheOwnerIsZero() public {
        vm.expectRevert(INodeRegistry.ZeroAddress.selector);
        registry.registerNode(address(0), INodeRegistry.Form.Personal, 1, one("id"), MINIMUM);
        vm.expectRevert(INodeRegistry.ZeroAddress.selector);
        registry.registerVerifier(address(0), VERIFIER_STAKE);
    }

    function test_RevertWhen_TheClassIsUnknown() public {
        vm.expectRevert(INodeRegistry.UnknownClass.selector);
        registry.registerNode(owner, INodeRegistry.Form.Personal, 2, one("id"), MINIMUM);
    }

    function test_RevertWhen_RegisteredBefore() public {
        registerNode(_node, owner, 1, MINIMUM);
        vm.startPrank(_node);
        vm.expectRevert(INodeRegistry.AlreadyRegistered.selector);
        registry.registerVerifier(owner, VERIFIER_STAKE);
        registry.quit();
        vm.expectRevert(INodeRegistry.AlreadyRegistered.selector);
        registry.registerNode(owner, INodeRegistry.Form.Personal, 1, one("id"), MINIMUM);
        vm.stopPrank();
    }

    function test_RevertWhen_TheStakeIsTooSmall() public {
        give(_node, address(registry), 10 * MINIMUM);
        vm.startPrank(_node);
        bytes32[] memory ids = hardwareOf(_node, 3);
        vm.expectRevert(INodeRegistry.StakeTooSmall.selector);
        registry.registerNode(owner, INodeRegistry.Form.Personal, 1, ids, 3 * MINIMUM - 1);
        registry.registerNode(owner, INodeRegistry.Form.Personal, 1, ids, 3 * MINIMUM);
        vm.stopPrank();
    }

    function test_RevertWhen_HardwareIsNoneOrTooMuch() public {
        give(_node, address(registry), 10_000 * MINIMUM);
        vm.startPrank(_node);
        vm.expectRevert(INodeRegistry.BadHardware.selector);
        registry.registerNode(owner, INodeRegistry.Form.Personal, 0, new bytes32[](0), MINIMUM);
        vm.expectRevert(INodeRegistry.BadHardware.selector);
        registry.registerNode(owner, INodeRegistry.Form.Personal, 0, hardwareOf(_node, 65), MINIMUM);
        registry.registerNode(owner, INodeRegistry.Form.Personal, 0, hardwareOf(_node, 64), 64 * MINIMUM);
        for (uint256 i = 1; i < 16; ++i) {
            registry.addHardware(hardwareOf(address(uint160(i)), 64));
        }
        vm.expectRevert(INodeRegistry.BadHardware.selector);
        registry.addHardware(one("one more"));
        vm.expectRevert(INodeRegistry.BadHardware.selector);
        registry.removeHardware(new bytes32[](0));
        vm.stopPrank();
        assertEq(account(_node).devices, 1024, "devices");
    }

    function test_RegisterNode_KeepsAll() public {
        give(_node, address(registry), 5 * MINIMUM);
        vm.expectEmit(address(registry));
        emit INodeRegistry.NodeRegistered(_node, owner, INodeRegistry.Form.Business, 1);
        vm.prank(_node);
        registry.registerNode(owner, INodeRegistry.Form.Business, 1, hardwareOf(_node, 2), 3 * MINIMUM);
        INodeRegistry.Account memory got = account(_node);
        assertEq(got.owner, owner, "owner");
        assertTrue(got.role == INodeRegistry.Role.Node, "role");
        assertTrue(got.form == INodeRegistry.Form.Business, "form");
        assertEq(got.class, 1, "class");
        assertEq(got.stake, 3 * MINIMUM, "stake");
        assertEq(got.since, block.timestamp, "since");
        assertEq(got.devices, 2, "devices");
        assertEq(registry.minimumOf(_node), 2 * MINIMUM, "minimum");
        assertEq(registry.hardware(hardwareOf(_node, 2)[1]).node, _node, "holder");
        assertEq(token.balanceOf(_node), 2 * MINIMUM, "taken");
    }

    // ------------------------------------------------------------------------------------- registerVerifier

    function test_RevertWhen_TheVerifiersStakeIsTooSmall() public {
        vm.expectRevert(INodeRegistry.StakeTooSmall.selector);
        registry.registerVerifier(owner, VERIFIER_STAKE - 1);
    }

    function test_RegisterVerifier_KeepsAll() public {
        give(_node, address(registry), VERIFIER_STAKE);
        vm.expectEmit(address(registry));
        emit INodeRegistry.VerifierRegistered(_node, owner);
        vm.prank(_node);
        registry.registerVerifier(owner, VERIFIER_STAKE);
        assertTrue(account(_node).role == INodeRegistry.Role.Verifier, "role");
        assertEq(account(_node).stake, VERIFIER_STAKE, "stake");
        assertEq(account(_node).owner, owner, "owner");
    }

    // --------------------------------------------------------------------------------------------- addStake

    function test_AddStake_Adds() public {
        registerNode(_node, owner, 1, MINIMUM);
        token.approve(address(registry), 7e18);
        vm.expectEmit(address(registry));
        emit INodeRegistry.Staked(_node, address(this), 7e18);
        registry.addStake(_node, 7e18);
        assertEq(account(_node).stake, MINIMUM + 7e18, "stake");
    }

    function test_RevertWhen_TheAmountIsBad() public {
        registerNode(_node, owner, 1, MINIMUM);
        vm.expectRevert(INodeRegistry.BadAmount.selector);
        registry.addStake(_node, 0);
        vm.expectRevert(INodeRegistry.BadAmount.selector);
        registry.addStake(_node, type(uint96).max);
    }

    function test_RevertWhen_StakingForNobody() public {
        vm.expectRevert(INodeRegistry.NotRegistered.selector);
        registry.addStake(_node, 1);
        registerNode(_node, owner, 1, MINIMUM);
        vm.prank(_node);
        registry.quit();
        vm.expectRevert(INodeRegistry.NotRegistered.selector);
        registry.addStake(_node, 1);
    }

    function test_RevertWhen_TheTokenTakesAFee() public {
        FeeToken fee = new FeeToken();
        NodeRegistry.Parameters memory p = good();
        p.token = address(fee);
        NodeRegistry other_ = this.deployExternal(p);
        fee.approve(address(other_), type(uint256).max);
        vm.expectRevert(INodeRegistry.TransferMismatch.selector);
        other_.registerVerifier(owner, VERIFIER_STAKE);
    }

    // ------------------------------------------------------------------------------------- unbonding, quitting

    function test_Unbond_Thaws() public {
        registerNode(_node, owner, 1, 3 * MINIMUM);
        vm.expectEmit(address(registry));
        emit INodeRegistry.Unbonding(_node, MINIMUM, block.timestamp + UNBONDING);
        vm.prank(_node);
        registry.unbond(MINIMUM);
        assertEq(account(_node).stake, 2 * MINIMUM, "stake");
        assertEq(account(_node).thawing, MINIMUM, "thawing");
        assertEq(registry.slashable(_node), 3 * MINIMUM, "all of it still answers");
    }

    function test_Unbond_WaitsAgain() public {
        registerNode(_node, owner, 1, 3 * MINIMUM);
        uint256 begin = block.timestamp;
        vm.prank(_node);
        registry.unbond(MINIMUM);
        vm.warp(begin + 10 days);
        vm.prank(_node);
        registry.unbond(MINIMUM);
        vm.warp(begin + UNBONDING);
        vm.expectRevert(INodeRegistry.StillThawing.selector);
        vm.prank(_node);
        registry.withdraw(_node);
        vm.warp(begin + 10 days + UNBONDING);
        vm.prank(_node);
        registry.withdraw(_node);
        assertEq(token.balanceOf(_node), 2 * MINIMUM, "both");
    }

    function test_RevertWhen_UnbondingTooMuch() public {
        registerNode(_node, owner, 1, 3 * MINIMUM);
        vm.startPrank(_node);
        vm.expectRevert(INodeRegistry.BadAmount.selector);
        registry.unbond(0);
        vm.expectRevert(INodeRegistry.BadAmount.selector);
        registry.unbond(3 * MINIMUM + 1);
        registry.unbond(3 * MINIMUM);
        vm.stopPrank();
    }

    function test_RevertWhen_AVerifierUnbonds() public {
        vm.expectRevert(INodeRegistry.NotRegistered.selector);
        vm.prank(verifierAt(0));
        registry.unbond(1);
    }

    function test_Quit_ThawsAll() public {
        vm.expectEmit(address(registry));
        emit INodeRegistry.Left(verifierAt(0));
        vm.prank(verifierAt(0));
        registry.quit();
        INodeRegistry.Account memory got = account(verifierAt(0));
        assertEq(got.until, block.timestamp, "until");
        assertEq(got.stake, 0, "stake");
        assertEq(got.thawing, VERIFIER_STAKE, "thawing");
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(verifierAt(0));
        registry.withdraw(owner);
        assertEq(token.balanceOf(owner), VERIFIER_STAKE, "out");
    }

    function test_RevertWhen_QuittingTwice() public {
        vm.startPrank(verifierAt(0));
        registry.quit();
        vm.expectRevert(INodeRegistry.NotRegistered.selector);
        registry.quit();
        vm.stopPrank();
        vm.expectRevert(INodeRegistry.NotRegistered.selector);
        registry.quit();
    }

    function test_Quit_FreesTheHardware() public {
        registerNode(_node, owner, 1, MINIMUM);
        address next = address(0x0DF);
        registerNode(next, owner, 1, 10 * MINIMUM);
        bytes32[] memory ids = hardwareOf(_node, 1);
        vm.prank(_node);
        registry.quit();
        vm.warp(START + EPOCH - 1);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsTaken.selector, ids[0]));
        vm.prank(next);
        registry.addHardware(ids);
        vm.warp(START + EPOCH);
        vm.prank(next);
        registry.addHardware(ids);
        assertEq(registry.hardware(ids[0]).node, next, "the next holder");
    }

    // --------------------------------------------------------------------------------------------- withdraw

    function test_RevertWhen_ItStillThaws() public {
        registerNode(_node, owner, 1, MINIMUM);
        vm.startPrank(_node);
        vm.expectRevert(INodeRegistry.StillThawing.selector);
        registry.withdraw(_node);
        registry.quit();
        vm.warp(block.timestamp + UNBONDING - 1);
        vm.expectRevert(INodeRegistry.StillThawing.selector);
        registry.withdraw(_node);
        vm.stopPrank();
    }

    function test_RevertWhen_ACaseIsOpen() public {
        registerNode(_node, owner, 1, MINIMUM);
        asCourt();
        registry.lock(_node);
        vm.prank(_node);
        registry.quit();
        vm.warp(block.timestamp + UNBONDING);
        vm.expectRevert(INodeRegistry.Locked.selector);
        vm.prank(_node);
        registry.withdraw(_node);
        asCourt();
        registry.unlock(_node);
        vm.prank(_node);
        registry.withdraw(_node);
        assertEq(token.balanceOf(_node), MINIMUM, "out");
    }

    function test_RevertWhen_WithdrawingToNobody() public {
        vm.expectRevert(INodeRegistry.ZeroAddress.selector);
        registry.withdraw(address(0));
        vm.expectRevert(INodeRegistry.ZeroAddress.selector);
        registry.withdraw(address(registry));
    }

    function test_Withdraw_PaysOut() public {
        registerNode(_node, owner, 1, MINIMUM);
        vm.startPrank(_node);
        registry.quit();
        vm.warp(block.timestamp + UNBONDING);
        vm.expectEmit(address(registry));
        emit INodeRegistry.Withdrawn(_node, owner, MINIMUM);
        registry.withdraw(owner);
        vm.expectRevert(INodeRegistry.StillThawing.selector);
        registry.withdraw(owner);
        vm.stopPrank();
        assertEq(token.balanceOf(owner), MINIMUM, "out");
    }

    // --------------------------------------------------------------------------------------------- hardware

    function test_RevertWhen_TheHardwareIsHeld() public {
        registerNode(_node, owner, 1, MINIMUM);
        bytes32 id = hardwareOf(_node, 1)[0];
        give(other, address(registry), MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsTaken.selector, id));
        vm.prank(other);
        registry.registerNode(other, INodeRegistry.Form.Personal, 1, one(id), MINIMUM);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsTaken.selector, id));
        vm.prank(_node);
        registry.addHardware(one(id));
    }

    function test_RemoveHardware_FreesItNextEpoch() public {
        registerNode(_node, owner, 2, 2 * MINIMUM);
        address next = address(0x0DF);
        registerNode(next, next, 1, 10 * MINIMUM);
        bytes32 id = hardwareOf(_node, 1)[0];
        vm.expectEmit(address(registry));
        emit INodeRegistry.HardwareReleased(id, _node, START + EPOCH);
        vm.prank(_node);
        registry.removeHardware(one(id));
        vm.warp(START + EPOCH - 1);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsTaken.selector, id));
        vm.prank(next);
        registry.addHardware(one(id));
        vm.warp(START + EPOCH);
        vm.expectEmit(address(registry));
        emit INodeRegistry.HardwareTaken(id, next);
        vm.prank(next);
        registry.addHardware(one(id));
        assertEq(registry.hardware(id).node, next, "holder");
        assertEq(registry.hardware(id).freeAt, 0, "held");
    }

    function test_RevertWhen_ReleasingAnothers() public {
        registerNode(_node, owner, 1, MINIMUM);
        bytes32 id = hardwareOf(_node, 1)[0];
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsNotYours.selector, id));
        vm.prank(other);
        registry.removeHardware(one(id));
        vm.startPrank(_node);
        registry.removeHardware(one(id));
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.HardwareIsNotYours.selector, id));
        registry.removeHardware(one(id));
        vm.stopPrank();
    }

    function test_Hardware_IsCounted() public {
        registerNode(_node, owner, 3, 3 * MINIMUM);
        vm.startPrank(_node);
        registry.addHardware(one("fourth"));
        assertEq(account(_node).devices, 4, "four");
        registry.removeHardware(hardwareOf(_node, 2));
        vm.stopPrank();
        assertEq(account(_node).devices, 2, "two");
        assertEq(registry.minimumOf(_node), 2 * MINIMUM, "minimum");
    }

    function testFuzz_Hardware_HasOneOwnerPerEpoch(uint256 released, uint256 taken) public {
        registerNode(_node, owner, 1, MINIMUM);
        address next = address(0x0DF);
        registerNode(next, next, 1, 10 * MINIMUM);
        bytes32 id = hardwareOf(_node, 1)[0];
        released = bound(released, block.timestamp, START + 5 * EPOCH);
        taken = bound(taken, released, START + 7 * EPOCH);
        vm.warp(released);
        vm.prank(_node);
        registry.removeHardware(one(id));
        vm.warp(taken);
        vm.prank(next);
        (bool ok,) = address(registry).call(abi.encodeCall(INodeRegistry.addHardware, (one(id))));
        assertTrue(ok == ((taken - START) / EPOCH > (released - START) / EPOCH), "only in a later epoch");
    }

    // ---------------------------------------------------------------------------------------- for the court

    function test_RevertWhen_AnotherPlaysTheCourt() public {
        vm.expectRevert(INodeRegistry.NotDisputes.selector);
        registry.lock(_node);
        vm.expectRevert(INodeRegistry.NotDisputes.selector);
        registry.unlock(_node);
        vm.expectRevert(INodeRegistry.NotDisputes.selector);
        registry.slash(_node, 1, 0);
        vm.expectRevert(INodeRegistry.NotDisputes.selector);
        registry.startContest("id");
        vm.expectRevert(INodeRegistry.NotDisputes.selector);
        registry.endContest("id", _node);
    }

    function test_Slash_TakesThawingFirst() public {
        registerNode(_node, owner, 1, 3 * MINIMUM);
        vm.prank(_node);
        registry.unbond(MINIMUM);
        asCourt();
        (uint256 taken,) = registry.slash(_node, MINIMUM + 1, 0);
        assertEq(taken, MINIMUM + 1, "taken");
        assertEq(account(_node).thawing, 0, "thawing");
        assertEq(account(_node).stake, 2 * MINIMUM - 1, "stake");
    }

    function test_Slash_TakesNoMoreThanThereIs() public {
        registerNode(_node, owner, 1, 3 * MINIMUM);
        vm.prank(_node);
        registry.unbond(MINIMUM);
        asCourt();
        (uint256 taken,) = registry.slash(_node, type(uint256).max, 0);
        assertEq(taken, 3 * MINIMUM, "all");
        assertEq(registry.slashable(_node), 0, "nothing is left");
    }

    function test_Slash_Divides() public {
        registerNode(_node, owner, 1, MINIMUM);
        uint256 vault = token.balanceOf(address(emission));
        vm.expectEmit(address(registry));
        emit INodeRegistry.Slashed(_node, 10e18, 2e18);
        asCourt();
        registry.slash(_node, 10e18, 2000);
        assertEq(token.balanceOf(address(disputes)), 2e18, "the court");
        assertEq(token.balanceOf(address(emission)), vault + 8e18, "the vault");
    }

    function test_Slash_EndsAVerifier() public {
        address verifier = verifierAt(3);
        asCourt();
        registry.slash(verifier, 1, 0);
        assertEq(account(verifier).until, block.timestamp, "out");
        assertEq(account(verifier).stake, 0, "stake");
        assertEq(account(verifier).thawing, VERIFIER_STAKE - 1, "thawing");
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(verifier);
        registry.withdraw(verifier);
    }

    function testFuzz_Slash_IsWithinWhatThereIs(uint256 stake, uint256 thawing, uint256 amount, uint256 bps) public {
        stake = bound(stake, MINIMUM, 1e26);
        thawing = bound(thawing, 1, stake);
        bps = bound(bps, 0, 2000);
        registerNode(_node, owner, 1, stake);
        vm.prank(_node);
        registry.unbond(thawing);
        uint256 vault = token.balanceOf(address(emission));
        asCourt();
        (uint256 taken, uint256 reward) = registry.slash(_node, amount, bps);
        assertEq(taken, amount < stake ? amount : stake, "taken");
        assertEq(registry.slashable(_node), stake - taken, "left");
        assertAtMost(reward * 5, taken, "a fifth at most");
        assertEq(token.balanceOf(address(emission)) - vault + reward, taken, "nothing is lost");
    }

    // ------------------------------------------------------------------------------------------------- draw

    function drawn(bytes32 by, address one_, address two, uint256 size) private view returns (address[] memory) {
        return registry.draw(by, block.timestamp - 1, [one_, two], size);
    }

    function test_Draw_OwnersDiffer() public {
        vm.warp(START + 10);
        for (uint256 i = 0; i < 8; ++i) {
            registerVerifier(address(uint160(0xFF00 + i)), address(0xA000)); // all of verifier 0's owner
        }
        vm.warp(START + 20);
        for (uint256 round = 0; round < 50; ++round) {
            address[] memory list = drawn(bytes32(round), address(0), address(0), 7);
            assertEq(list.length, 7, "as many");
            for (uint256 i = 0; i < 7; ++i) {
                for (uint256 j = 0; j < i; ++j) {
                    assertTrue(account(list[i]).owner != account(list[j]).owner, "another owner");
                }
            }
        }
    }

    function test_Draw_LeavesOutsidersOut() public {
        registerNode(_node, address(0xA003), 1, MINIMUM); // verifier 3's owner
        registerNode(address(0x0DF), verifierAt(5), 1, MINIMUM); // verifier 5 owns it
        vm.warp(START + 20);
        for (uint256 round = 0; round < 50; ++round) {
            address[] memory list = drawn(bytes32(round), _node, address(0x0DF), 10);
            address[] memory mine = drawn(bytes32(round), verifierAt(7), address(0xA009), 10);
            for (uint256 i = 0; i < 10; ++i) {
                assertTrue(list[i] != verifierAt(3) && list[i] != verifierAt(5), "by owner");
                assertTrue(mine[i] != verifierAt(7) && mine[i] != verifierAt(9), "itself, and who is owned");
            }
        }
    }

    function test_Draw_IsTheSameLater() public {
        vm.warp(START + 100);
        bytes32 before = keccak256(abi.encode(registry.draw("s", START + 50, [owner, owner], 7)));
        for (uint256 i = 0; i < 5; ++i) {
            registerVerifier(address(uint160(0xFF00 + i)), address(uint160(0xFE00 + i)));
            vm.prank(verifierAt(i));
            registry.quit();
            asCourt();
            registry.slash(verifierAt(10 + i), VERIFIER_STAKE, 0);
        }
        vm.warp(START + 300 days);
        assertEq(keccak256(abi.encode(registry.draw("s", START + 50, [owner, owner], 7))), before, "the same");
    }

    function test_Draw_OnlyWhoWasThere() public {
        vm.warp(START + 100);
        for (uint256 i = 0; i < 8; ++i) {
            vm.prank(verifierAt(i));
            registry.quit();
        }
        registerVerifier(address(0xFF00), address(0xFE00));
        vm.warp(START + 200);
        for (uint256 round = 0; round < 50; ++round) {
            address[] memory list = registry.draw(bytes32(round), START + 100, [owner, owner], 3);
            for (uint256 i = 0; i < list.length; ++i) {
                assertEq(account(list[i]).until, 0, "nobody who left");
            }
            list = registry.draw(bytes32(round), START + 99, [owner, owner], 3);
            for (uint256 i = 0; i < list.length; ++i) {
                assertTrue(list[i] != address(0xFF00), "nobody who came later");
            }
        }
    }

    function test_Draw_FewerWhereTooFew() public view {
        assertEq(registry.draw("s", START - 1, [owner, owner], 5).length, 0, "before anybody was there");
        assertAtMost(registry.draw("s", START, [owner, owner], 40).length, VERIFIERS, "no more than there are");
    }

    function test_Draw_IsFair() public view {
        uint256[VERIFIERS] memory times;
        for (uint256 round = 0; round < 800; ++round) {
            address[] memory list = registry.draw(keccak256(abi.encode(round)), START, [owner, owner], 4);
            for (uint256 i = 0; i < list.length; ++i) {
                ++times[uint160(list[i]) - 0xF000];
            }
        }
        // 200 of 800 each on average; chance strays by 12 or so
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            assertTrue(times[i] > 140 && times[i] < 260, "about as often");
        }
    }
}
