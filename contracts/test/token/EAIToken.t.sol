// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GenesisAllocation, IEAIToken} from "../utils/IEAIToken.sol";
import {Test} from "../utils/Test.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

contract EAITokenTest is Test {
    uint256 private constant SUPPLY = 2_500_000_000e18;
    uint256 private constant OWNER_KEY = 0xA11CE;
    bytes32 private constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    address private _owner = vm.addr(OWNER_KEY);
    address private _a = address(0xA);
    address private _b = address(0xB);

    function create(GenesisAllocation[] memory genesis) private returns (IEAIToken) {
        return IEAIToken(deploy("EAIToken.sol:EAIToken", abi.encode(genesis)));
    }

    /// @dev External, so that a test can expect it to revert.
    function createExternal(GenesisAllocation[] memory genesis) external returns (IEAIToken) {
        return create(genesis);
    }

    function split(address to1, uint256 amount1, address to2, uint256 amount2)
        private
        pure
        returns (GenesisAllocation[] memory genesis)
    {
        genesis = new GenesisAllocation[](2);
        genesis[0] = GenesisAllocation(to1, amount1);
        genesis[1] = GenesisAllocation(to2, amount2);
    }

    // ------------------------------------------------------------------------------------------ constructor

    function test_RevertWhen_GenesisSumsToLess() public {
        vm.expectRevert(abi.encodeWithSelector(IEAIToken.GenesisSumMismatch.selector, SUPPLY - 1));
        this.createExternal(split(_a, 1, _b, SUPPLY - 2));
    }

    function test_RevertWhen_GenesisSumsToMore() public {
        vm.expectRevert(abi.encodeWithSelector(IEAIToken.GenesisSumMismatch.selector, SUPPLY + 1));
        this.createExternal(split(_a, 1, _b, SUPPLY));
    }

    function test_RevertWhen_GenesisIsEmpty() public {
        vm.expectRevert(abi.encodeWithSelector(IEAIToken.GenesisSumMismatch.selector, 0));
        this.createExternal(new GenesisAllocation[](0));
    }

    function test_RevertWhen_GenesisLineGivesNothing() public {
        vm.expectRevert(abi.encodeWithSelector(IEAIToken.GenesisAmountZero.selector, 1));
        this.createExternal(split(_a, SUPPLY, _b, 0));
    }

    function test_RevertWhen_GenesisRecipientIsZero() public {
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0)));
        this.createExternal(split(_a, SUPPLY - 1, address(0), 1));
    }

    function test_Constructor_GivesEachRecipientItsAmount() public {
        IEAIToken token = create(split(_a, 1, _b, SUPPLY - 1));
        assertEq(token.balanceOf(_a), 1, "a");
        assertEq(token.balanceOf(_b), SUPPLY - 1, "b");
        assertEq(token.totalSupply(), SUPPLY, "supply");
        assertEq(token.SUPPLY(), SUPPLY, "constant");
        assertEq(token.balanceOf(address(this)), 0, "nothing for the deployer");
    }

    function test_Constructor_AddsUpARepeatedRecipient() public {
        IEAIToken token = create(split(_a, 1, _a, SUPPLY - 1));
        assertEq(token.balanceOf(_a), SUPPLY, "a");
    }

    function testFuzz_Constructor_AcceptsAnySplit(uint256 seed, uint8 lines) public {
        uint256 count = bound(lines, 1, 20);
        GenesisAllocation[] memory genesis = new GenesisAllocation[](count);
        uint256 left = SUPPLY;
        for (uint256 i = 0; i < count; ++i) {
            bool last = i == count - 1;
            uint256 amount = last ? left : bound(uint256(keccak256(abi.encode(seed, i))), 1, left - (count - 1 - i));
            genesis[i] = GenesisAllocation(address(uint160(i + 1)), amount);
            left -= amount;
        }
        IEAIToken token = create(genesis);
        for (uint256 i = 0; i < count; ++i) {
            assertEq(token.balanceOf(genesis[i].recipient), genesis[i].amount, "line");
        }
        assertEq(token.totalSupply(), SUPPLY, "supply");
    }

    // --------------------------------------------------------------------------------------------- metadata

    function test_Metadata() public {
        IEAIToken token = create(split(_a, 1, _b, SUPPLY - 1));
        assertEq(token.name(), "EAI", "name");
        assertEq(token.symbol(), "EAI", "symbol");
        assertEq(token.decimals(), 18, "decimals");
    }

    // ----------------------------------------------------------------------------------------------- supply

    function test_Supply_HasNoMinterOrBurner() public {
        IEAIToken token = create(split(_a, 1, _b, SUPPLY - 1));
        string[6] memory calls = [
            "mint(address,uint256)",
            "mint(uint256)",
            "burn(uint256)",
            "burnFrom(address,uint256)",
            "owner()",
            "transferOwnership(address)"
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(_b);
            (bool ok,) = address(token).call(abi.encodeWithSignature(calls[i], _b, 1));
            assertTrue(!ok, calls[i]);
        }
        assertEq(token.totalSupply(), SUPPLY, "supply");
    }

    function testFuzz_Supply_IsUnchangedByTransfers(uint256 amount, address to) public {
        vm.assume(to != address(0) && to != _b && to != _a);
        IEAIToken token = create(split(_a, 1, _b, SUPPLY - 1));
        amount = bound(amount, 0, SUPPLY - 1);
        vm.prank(_b);
        assertTrue(token.transfer(to, amount), "transfer");
        assertEq(token.balanceOf(to), amount, "to");
        assertEq(token.balanceOf(_b), SUPPLY - 1 - amount, "from");
        assertEq(token.totalSupply(), SUPPLY, "supply");
    }

    // ----------------------------------------------------------------------------------------------- permit

    function permit(IEAIToken token, uint256 key, uint256 deadline) private returns (bool ok, bytes memory reason) {
        bytes32 structHash = keccak256(abi.encode(PERMIT_TYPEHASH, _owner, _b, 7, token.nonces(_owner), deadline));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return address(token).call(abi.encodeCall(token.permit, (_owner, _b, 7, deadline, v, r, s)));
    }

    function test_Permit_SetsTheAllowance() public {
        IEAIToken token = create(split(_owner, 7, _b, SUPPLY - 7));
        (bool ok,) = permit(token, OWNER_KEY, block.timestamp);
        assertTrue(ok, "permit");
        assertEq(token.allowance(_owner, _b), 7, "allowance");
        vm.prank(_b);
        assertTrue(token.transferFrom(_owner, _a, 7), "spend");
        assertEq(token.balanceOf(_a), 7, "spent");
    }

    function test_RevertWhen_PermitIsReplayed() public {
        IEAIToken token = create(split(_owner, 7, _b, SUPPLY - 7));
        bytes32 structHash = keccak256(abi.encode(PERMIT_TYPEHASH, _owner, _b, 7, 0, block.timestamp));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, digest);
        token.permit(_owner, _b, 7, block.timestamp, v, r, s);
        vm.expectRevert();
        token.permit(_owner, _b, 7, block.timestamp, v, r, s);
    }

    function test_RevertWhen_PermitIsLate() public {
        IEAIToken token = create(split(_owner, 7, _b, SUPPLY - 7));
        vm.warp(1000);
        (bool ok, bytes memory reason) = permit(token, OWNER_KEY, 999);
        assertTrue(!ok, "refused");
        assertEq(bytes32(bytes4(reason)), bytes32(ERC20Permit.ERC2612ExpiredSignature.selector), "reason");
    }

    function test_RevertWhen_PermitIsForged() public {
        IEAIToken token = create(split(_owner, 7, _b, SUPPLY - 7));
        (bool ok, bytes memory reason) = permit(token, 0xBAD, block.timestamp);
        assertTrue(!ok, "refused");
        assertEq(bytes32(bytes4(reason)), bytes32(ERC20Permit.ERC2612InvalidSigner.selector), "reason");
    }
}
