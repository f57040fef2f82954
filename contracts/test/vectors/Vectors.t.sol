// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Catalog} from "../../src/exchange/Catalog.sol";
import {ICatalog} from "../../src/interfaces/ICatalog.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IRaceBonds} from "../../src/interfaces/IRaceBonds.sol";
import {TypedData} from "../../src/libraries/TypedData.sol";
import {RaceBonds} from "../../src/policy/RaceBonds.sol";
import {EscrowFixture} from "../utils/EscrowFixture.sol";

/// @notice The contract agrees with test/vectors/eip712.json, which no part of the contract made.
contract VectorsTest is EscrowFixture {
    string private _json;
    address private _signer;

    function setUp() public override {
        super.setUp();
        _json = vm.readFile("test/vectors/eip712.json");
        _signer = vm.parseJsonAddress(_json, ".signer");
        vm.chainId(vm.parseJsonUint(_json, ".domain.chainId"));
        // the contract at the vectors' address: it hashes its domain anew wherever it finds itself
        address home = vm.parseJsonAddress(_json, ".domain.verifyingContract");
        vm.etch(home, address(escrow).code);
        escrow = IEscrow(home);
    }

    function path(string memory list, uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(i), "].", field);
    }

    function count(string memory list) private view returns (uint256 n) {
        while (vm.keyExistsJson(_json, string.concat(".", list, "[", vm.toString(n), "]"))) ++n;
    }

    function number(string memory list, uint256 i, string memory field) private view returns (uint256) {
        return vm.parseUint(vm.parseJsonString(_json, path(list, i, field)));
    }

    function bytes32At(string memory list, uint256 i, string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, path(list, i, field));
    }

    function addressAt(string memory list, uint256 i, string memory field) private view returns (address) {
        return vm.parseJsonAddress(_json, path(list, i, field));
    }

    function text(string memory list, uint256 i, string memory field) private view returns (string memory) {
        return vm.parseJsonString(_json, path(list, i, field));
    }

    function offerAt(uint256 i) private view returns (IEscrow.Offer memory) {
        return IEscrow.Offer({
            provider: addressAt("offers", i, "message.provider"),
            member: text("offers", i, "message.member"),
            class: text("offers", i, "message.class"),
            rate: number("offers", i, "message.rate"),
            startWithin: uint32(number("offers", i, "message.startWithin")),
            validUntil: uint64(number("offers", i, "message.validUntil")),
            nonce: uint64(number("offers", i, "message.nonce"))
        });
    }

    function voucherAt(uint256 i) private view returns (IEscrow.Voucher memory) {
        return IEscrow.Voucher({
            leaseId: bytes32At("vouchers", i, "message.leaseId"),
            payer: addressAt("vouchers", i, "message.payer"),
            provider: addressAt("vouchers", i, "message.provider"),
            generation: uint64(number("vouchers", i, "message.generation")),
            attempt: uint64(number("vouchers", i, "message.attempt")),
            cumulativeAmount: number("vouchers", i, "message.cumulativeAmount"),
            cumulativeUsageMs: number("vouchers", i, "message.cumulativeUsageMs"),
            usageRoot: bytes32At("vouchers", i, "message.usageRoot"),
            isFinal: vm.parseJsonBool(_json, path("vouchers", i, "message.isFinal"))
        });
    }

    function grantAt(uint256 i) private view returns (IEscrow.Grant memory) {
        return IEscrow.Grant({
            payer: addressAt("grants", i, "message.payer"),
            hubKey: addressAt("grants", i, "message.hubKey"),
            namespaceId: bytes32At("grants", i, "message.namespaceId"),
            cap: number("grants", i, "message.cap"),
            maxRate: number("grants", i, "message.maxRate"),
            expiry: uint64(number("grants", i, "message.expiry")),
            nonce: uint64(number("grants", i, "message.nonce")),
            deadline: uint64(number("grants", i, "message.deadline"))
        });
    }

    function termsAt(uint256 i) private view returns (IEscrow.LeaseTerms memory) {
        return IEscrow.LeaseTerms({
            payer: addressAt("leases", i, "terms.payer"),
            provider: addressAt("leases", i, "terms.provider"),
            hubKey: addressAt("leases", i, "terms.hubKey"),
            namespaceId: bytes32At("leases", i, "terms.namespaceId"),
            jobId: bytes32At("leases", i, "terms.jobId"),
            generation: uint64(number("leases", i, "terms.generation")),
            attempt: uint64(number("leases", i, "terms.attempt")),
            rate: number("leases", i, "terms.rate"),
            milliUnits: uint64(number("leases", i, "terms.milliUnits"))
        });
    }

    /// @dev The digest's signature in the file recovers to the signer and is what the test key makes.
    function assertSigned(string memory list, uint256 i, bytes32 digest) private view {
        bytes memory signature = vm.parseJsonBytes(_json, path(list, i, "signature"));
        bytes memory made = sign(uint256(vm.parseJsonBytes32(_json, ".key")), digest);
        assertEq(keccak256(signature), keccak256(made), "signature");
        bytes32 r = bytes32At(list, i, "r");
        bytes32 vs = bytes32At(list, i, "vs");
        uint8 v = uint8(uint256(vs) >> 255) + 27;
        bytes32 s = bytes32(uint256(vs) << 1 >> 1);
        assertEq(ecrecover(digest, v, r, s), _signer, "the short form");
    }

    // ------------------------------------------------------------------------------------------------ tests

    function test_Vectors_AreThere() public view {
        assertEq(count("offers"), 7, "offers");
        assertEq(count("vouchers"), 7, "vouchers");
        assertEq(count("grants"), 4, "grants");
        assertEq(count("leases"), 4, "leases");
        assertEq(count("namespaces"), 5, "namespaces");
        assertEq(count("catalog.deliveries"), 4, "deliveries");
        assertEq(count("raceBonds.readiness"), 4, "readiness");
    }

    function test_Vectors_Domain() public view {
        (bool ok, bytes memory answer) = address(escrow).staticcall(abi.encodeWithSignature("eip712Domain()"));
        assertTrue(ok, "eip712Domain");
        (, string memory name, string memory version, uint256 chain, address contract_,,) =
            abi.decode(answer, (bytes1, string, string, uint256, address, bytes32, uint256[]));
        assertEq(name, vm.parseJsonString(_json, ".domain.name"), "name");
        assertEq(version, vm.parseJsonString(_json, ".domain.version"), "version");
        assertEq(chain, vm.parseJsonUint(_json, ".domain.chainId"), "chainId");
        assertEq(contract_, vm.parseJsonAddress(_json, ".domain.verifyingContract"), "verifyingContract");
        assertEq(TypedData.OFFER_TYPEHASH, vm.parseJsonBytes32(_json, ".typeHashes.Offer"), "Offer");
        assertEq(TypedData.VOUCHER_TYPEHASH, vm.parseJsonBytes32(_json, ".typeHashes.Voucher"), "Voucher");
    }

    function test_Vectors_Offers() public view {
        for (uint256 i = 0; i < count("offers"); ++i) {
            IEscrow.Offer memory offer = offerAt(i);
            assertEq(this.hashOffer(offer), bytes32At("offers", i, "structHash"), "structHash");
            bytes32 digest = escrow.offerDigest(offer);
            assertEq(digest, bytes32At("offers", i, "digest"), "digest");
            assertSigned("offers", i, digest);
        }
    }

    function test_Vectors_Vouchers() public view {
        for (uint256 i = 0; i < count("vouchers"); ++i) {
            IEscrow.Voucher memory message = voucherAt(i);
            assertEq(TypedData.hashVoucher(message), bytes32At("vouchers", i, "structHash"), "structHash");
            bytes32 digest = escrow.voucherDigest(message);
            assertEq(digest, bytes32At("vouchers", i, "digest"), "digest");
            assertSigned("vouchers", i, digest);
        }
    }

    function test_Vectors_Grants() public {
        assertEq(TypedData.GRANT_TYPEHASH, vm.parseJsonBytes32(_json, ".typeHashes.Grant"), "Grant");
        for (uint256 i = 0; i < count("grants"); ++i) {
            bytes32 digest = escrow.grantDigest(grantAt(i));
            assertEq(digest, bytes32At("grants", i, "digest"), "digest");
            assertEq(this.hashGrant(grantAt(i)), bytes32At("grants", i, "structHash"), "structHash");
            assertSigned("grants", i, digest);
        }
        IEscrow.Grant memory first = grantAt(0);
        escrow.authorizeWithSignature(first, vm.parseJsonBytes(_json, ".grants[0].signature"));
        assertEq(escrow.authorization(first.payer, first.hubKey, first.namespaceId).cap, first.cap, "cap");
    }

    function hashGrant(IEscrow.Grant calldata grant) external pure returns (bytes32) {
        return TypedData.hashGrant(grant);
    }

    /// @dev Where the vectors of another contract say that it is.
    function homeOf(string memory section, address made) private returns (address home) {
        home = vm.parseJsonAddress(_json, string.concat(".", section, ".domain.verifyingContract"));
        vm.etch(home, made.code);
        (bool ok, bytes memory answer) = home.staticcall(abi.encodeWithSignature("eip712Domain()"));
        assertTrue(ok, "eip712Domain");
        (, string memory name, string memory version, uint256 chain, address contract_,,) =
            abi.decode(answer, (bytes1, string, string, uint256, address, bytes32, uint256[]));
        assertEq(name, vm.parseJsonString(_json, string.concat(".", section, ".domain.name")), "name");
        assertEq(version, vm.parseJsonString(_json, string.concat(".", section, ".domain.version")), "version");
        assertEq(chain, vm.parseJsonUint(_json, string.concat(".", section, ".domain.chainId")), "chainId");
        assertEq(contract_, home, "verifyingContract");
    }

    function test_Vectors_Deliveries() public {
        address made = address(
            new Catalog(
                Catalog.Parameters({
                    token: address(token),
                    escrow: deployedEscrow(),
                    vault: address(1),
                    minBond: 2,
                    maxWindow: 1,
                    bondHold: 1,
                    useNotice: 2 * WINDOW + 1
                })
            )
        );
        Catalog catalog = Catalog(homeOf("catalog", made));
        bytes32 typeHash = vm.parseJsonBytes32(_json, ".catalog.typeHashes.Delivery");
        assertEq(TypedData.DELIVERY_TYPEHASH, typeHash, "Delivery");
        string memory list = "catalog.deliveries";
        for (uint256 i = 0; i < count(list); ++i) {
            ICatalog.Delivery memory delivery = ICatalog.Delivery({
                listing: number(list, i, "message.listing"),
                version: uint32(number(list, i, "message.version")),
                buyer: addressAt(list, i, "message.buyer"),
                root: bytes32At(list, i, "message.root")
            });
            bytes32 digest = catalog.deliveryDigest(delivery);
            assertEq(digest, bytes32At(list, i, "digest"), "digest");
            assertEq(this.hashDelivery(delivery), bytes32At(list, i, "structHash"), "structHash");
            assertSigned(list, i, digest);
        }
    }

    function hashDelivery(ICatalog.Delivery calldata delivery) external pure returns (bytes32) {
        return TypedData.hashDelivery(delivery);
    }

    /// @dev An escrow of this token with immutables of its own: {escrow} is code at another's address.
    function deployedEscrow() private returns (address) {
        return address(newEscrow(address(token), WINDOW));
    }

    function readinessAt(uint256 i) private view returns (IRaceBonds.Readiness memory) {
        string memory list = "raceBonds.readiness";
        return IRaceBonds.Readiness({
            provider: addressAt(list, i, "message.provider"),
            hubKey: addressAt(list, i, "message.hubKey"),
            namespaceId: bytes32At(list, i, "message.namespaceId"),
            jobId: bytes32At(list, i, "message.jobId"),
            generation: uint64(number(list, i, "message.generation")),
            attempt: uint64(number(list, i, "message.attempt")),
            bond: number(list, i, "message.bond"),
            startWithin: uint32(number(list, i, "message.startWithin")),
            validUntil: uint64(number(list, i, "message.validUntil")),
            nonce: uint64(number(list, i, "message.nonce"))
        });
    }

    function test_Vectors_Readiness() public {
        address made = address(new RaceBonds(address(token), deployedEscrow(), address(token), 1 days, 1 days));
        RaceBonds races = RaceBonds(homeOf("raceBonds", made));
        bytes32 typeHash = vm.parseJsonBytes32(_json, ".raceBonds.typeHashes.Readiness");
        assertEq(TypedData.READINESS_TYPEHASH, typeHash, "Readiness");
        string memory list = "raceBonds.readiness";
        for (uint256 i = 0; i < count(list); ++i) {
            bytes32 digest = races.readinessDigest(readinessAt(i));
            assertEq(digest, bytes32At(list, i, "digest"), "digest");
            assertEq(this.hashReadiness(readinessAt(i)), bytes32At(list, i, "structHash"), "structHash");
            assertSigned(list, i, digest);
        }
        // and it locks, with a signature that this suite didn't make
        IRaceBonds.Readiness memory first = readinessAt(0);
        token.approve(address(races), first.bond);
        races.deposit(first.provider, first.bond);
        vm.prank(first.hubKey);
        races.lock(first, vm.parseJsonBytes(_json, ".raceBonds.readiness[0].signature"));
        assertEq(races.capitalOf(first.provider), 0, "locked");
    }

    function hashReadiness(IRaceBonds.Readiness calldata readiness) external pure returns (bytes32) {
        return TypedData.hashReadiness(readiness);
    }

    function test_Vectors_Leases() public view {
        for (uint256 i = 0; i < count("leases"); ++i) {
            assertEq(escrow.leaseIdOf(termsAt(i)), bytes32At("leases", i, "leaseId"), "leaseId");
        }
    }

    function test_Vectors_Namespaces() public view {
        for (uint256 i = 0; i < count("namespaces"); ++i) {
            bytes32 id =
                escrow.namespaceIdOf(bytes32At("namespaces", i, "hubId"), text("namespaces", i, "namespaceUid"));
            assertEq(id, bytes32At("namespaces", i, "namespaceId"), "namespaceId");
        }
    }

    function testFuzz_LeaseId_IsTheHashOfTheTerms(IEscrow.LeaseTerms calldata terms) public view {
        IEscrow.LeaseTerms memory copy = terms;
        bytes32 wanted = keccak256(abi.encode(terms));
        assertEq(escrow.leaseIdOf(terms), wanted, "leaseIdOf");
        assertEq(TypedData.leaseId(copy), wanted, "from memory");
        assertEq(TypedData.leaseIdCalldata(terms), wanted, "from calldata");
    }

    function testFuzz_Settlement_HashesAsItsVoucher(IEscrow.Settlement calldata settlement, bytes32 domain)
        public
        pure
    {
        bytes32 wanted = TypedData.hashVoucher(
            IEscrow.Voucher({
                leaseId: keccak256(abi.encode(settlement.terms)),
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
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, wanted));
        (bytes32 gotId, bytes32 gotDigest) = TypedData.hashSettlement(domain, settlement);
        assertEq(gotId, keccak256(abi.encode(settlement.terms)), "id");
        assertEq(gotDigest, digest, "digest");
    }

    /// @dev End to end with signatures that this suite didn't make: a real escrow at the vectors' address.
    function test_Vectors_OpenAndSettle() public {
        IEscrow.LeaseTerms memory terms = termsAt(0);
        token.approve(address(escrow), DEPOSIT);
        escrow.depositFor(terms.payer, DEPOSIT);
        vm.prank(terms.payer);
        escrow.authorize(terms.hubKey, terms.namespaceId, CAP, RATE, START + 1 days);
        IEscrow.LeaseRequest memory request = defaultRequest();
        (request.payer, request.namespaceId, request.jobId) = (terms.payer, terms.namespaceId, terms.jobId);
        openAs(terms.hubKey, request, offerAt(0), vm.parseJsonBytes(_json, ".offers[0].signature"));
        assertState(terms, IEscrow.LeaseState.Open);
        vm.warp(START + 100);
        for (uint256 i = 0; i < 2; ++i) {
            IEscrow.Voucher memory message = voucherAt(i);
            IEscrow.Settlement memory settlement = voucher(terms, message.cumulativeAmount, message.isFinal);
            settlement.cumulativeUsageMs = message.cumulativeUsageMs;
            settlement.usageRoot = message.usageRoot;
            (settlement.r, settlement.vs) = (bytes32At("vouchers", i, "r"), bytes32At("vouchers", i, "vs"));
            settleAsIs(settlement);
        }
        assertState(terms, IEscrow.LeaseState.Closed);
        assertFigures(terms, HOLD, 90 * PER_SECOND, HOLD - 90 * PER_SECOND);
    }

    function hashOffer(IEscrow.Offer calldata offer) external pure returns (bytes32) {
        return TypedData.hashOffer(offer);
    }
}
