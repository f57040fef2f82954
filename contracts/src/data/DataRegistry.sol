// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {IDataRegistry} from "../interfaces/IDataRegistry.sol";
import {DataBook} from "./DataBook.sol";
import {DataLeases} from "./DataLeases.sol";
import {Panels} from "./Panels.sol";

/// @title DataRegistry
/// @notice Leases of data, their record, verifications and leak cases. See {IDataRegistry}.
/// @dev No owner and no setter. What is held is bonds of leases and cases, fees of verifications, and what is owed; each ends
/// at a time that is known, without anybody's leave but a transaction's, and nothing that ends it asks another contract.
contract DataRegistry is DataLeases {
    /// @notice What the jurors get of a forfeited leak bond.
    uint256 public constant CUT_BPS = 2000;
    uint256 private constant BPS = 10_000;
    /// @notice The most canaries that are opened in a case.
    uint256 public constant MAX_CANARIES = 16;

    /// @notice What opening a case takes.
    uint256 public immutable BOND;
    /// @notice The least that a verification costs.
    uint256 public immutable FEE;
    /// @notice Seconds in which a first verdict can be appealed.
    uint256 public immutable APPEALING;

    /// @notice How many cases there were.
    uint256 public caseCount;
    /// @inheritdoc IDataRegistry
    mapping(bytes32 leaf => bool) public isBurned;
    mapping(uint256 panel => Verification) private _verifications;
    mapping(uint256 id => Case) private _cases;

    constructor(Parameters memory p)
        DataBook(p.token)
        Panels(p.registry, p.voting, p.drawn, p.quorum)
        DataLeases(p.maxLease, p.claiming)
    {
        if (p.bond == 0 || p.fee == 0) revert BadParameter();
        (BOND, FEE, APPEALING) = (p.bond, p.fee, _checkedTime(p.appealing));
    }

    // ---------------------------------------------------------------------------------------- verifications

    /// @inheritdoc IDataRegistry
    function requestVerification(bytes32 id, uint256 number, uint256 fee) external returns (uint256 panel) {
        Lease storage lease = _leases[id];
        _onlySeller(lease.terms.dataset);
        if (number >= lease.outputs) revert NoOutput();
        if (block.timestamp > claimableUntil(id)) revert WrongTime();
        if (fee < FEE || fee > type(uint96).max) revert BadFee();
        panel = _convene(id, DRAWN, QUORUM);
        // Both were compared above.
        // forge-lint: disable-next-line(unsafe-typecast)
        _verifications[panel] = Verification(id, uint32(number), uint96(fee), false, Finding.Inconclusive);
        _record(Operation.VerificationRequested, id, abi.encode(panel, number, fee));
        _take(fee);
    }

    /// @inheritdoc IDataRegistry
    function conclude(uint256 panel) external {
        Verification storage verification = _verifications[panel];
        if (verification.lease == 0 || verification.concluded) revert NoCase();
        if (block.timestamp <= _votesUntil(panel)) revert WrongPhase();
        (bytes32 id, uint256 fee) = (verification.lease, verification.fee);
        Finding finding = findingOf(panel);
        (verification.concluded, verification.finding) = (true, finding);
        _record(Operation.Verdict, id, abi.encode(panel, uint256(verification.number), finding));
        if (finding != Finding.Inconclusive) fee -= _reward(panel, finding, fee);
        if (fee != 0) _credit(_sellerOf(id), fee);
    }

    // ------------------------------------------------------------------------------------------------ cases

    /// @inheritdoc IDataRegistry
    function openCase(bytes32 id, bytes32 evidence, Canary[] calldata canaries) external returns (uint256 caseId) {
        Lease storage lease = _leases[id];
        _onlySeller(lease.terms.dataset);
        if (!lease.keyReleased) revert NoKey();
        if (lease.bond == 0) revert WrongState();
        if (lease.openCase != 0) revert CaseIsOpen();
        if (block.timestamp > claimableUntil(id)) revert WrongTime();
        caseId = ++caseCount;
        // Cases are counted one by one.
        // forge-lint: disable-next-line(unsafe-typecast)
        lease.openCase = uint64(caseId);
        bytes32[] memory leaves = _burn(caseId, id, canaries);
        uint256 panel = _convene(id, DRAWN, QUORUM);
        Case storage opened = _cases[caseId];
        // Panels are, too.
        // forge-lint: disable-next-line(unsafe-typecast)
        (opened.lease, opened.first, opened.evidence) = (id, uint64(panel), evidence);
        _record(Operation.CaseOpened, id, abi.encode(caseId, panel, evidence, leaves));
        _take(BOND);
    }

    /// @dev Checks that each canary was committed to before the node had a key, and was never opened.
    function _burn(uint256 caseId, bytes32 id, Canary[] calldata canaries) private returns (bytes32[] memory leaves) {
        if (canaries.length == 0 || canaries.length > MAX_CANARIES) revert BadCanaries();
        bytes32 ofDataset = _datasets[_leases[id].terms.dataset].terms.canaryRoot;
        bytes32 ofLease = _leases[id].canaryRoot;
        leaves = new bytes32[](canaries.length);
        for (uint256 i = 0; i < canaries.length; ++i) {
            Canary calldata canary = canaries[i];
            bytes32 leaf = canaryLeaf(msg.sender, canary.ofLease ? id : bytes32(0), canary.salt, canary.value);
            if (!MerkleProof.verifyCalldata(canary.proof, canary.ofLease ? ofLease : ofDataset, leaf)) {
                revert NotCommitted();
            }
            if (isBurned[leaf]) revert Burned(leaf);
            isBurned[leaf] = true;
            leaves[i] = leaf;
            emit CanaryOpened(caseId, leaf, canary.ofLease, canary.salt, canary.value);
        }
    }

    /// @inheritdoc IDataRegistry
    function appeal(uint256 caseId) external {
        Case storage standing = _standing(caseId);
        bytes32 id = standing.lease;
        if (msg.sender != _sellerOf(id) && !_isOfNode(_leases[id], msg.sender)) revert NotParty();
        uint256 from = _votesUntil(standing.first);
        if (standing.second != 0 || block.timestamp <= from || block.timestamp > from + APPEALING) {
            revert WrongPhase();
        }
        uint256 panel = _convene(id, 2 * DRAWN + 1, DRAWN + 1);
        // Panels are counted one by one.
        // forge-lint: disable-next-line(unsafe-typecast)
        (standing.second, standing.appellant) = (uint64(panel), msg.sender);
        _record(Operation.Appealed, id, abi.encode(caseId, panel));
        _take(2 * BOND);
    }

    /// @inheritdoc IDataRegistry
    function decide(uint256 caseId) external {
        Case storage standing = _standing(caseId);
        uint256 last = standing.second == 0 ? _votesUntil(standing.first) + APPEALING : _votesUntil(standing.second);
        if (block.timestamp <= last) revert WrongPhase();
        standing.closed = true;
        Case memory decided = standing;
        Lease storage lease = _leases[decided.lease];
        lease.openCase = 0;
        (bool proven, uint256 panel) = _outcomeOf(decided);
        _settleAppeal(decided, proven, panel);
        if (!proven) {
            uint256 paid = _share(panel, Finding.NoEvidenceFound, BOND, lease.guarantor);
            _record(Operation.CaseDecided, decided.lease, abi.encode(caseId, false, uint256(0), paid));
            return;
        }
        uint256 bond = lease.bond;
        lease.bond = 0;
        uint256 toJurors = _reward(panel, Finding.EvidenceFound, bond * CUT_BPS / BPS);
        _credit(_sellerOf(decided.lease), BOND + bond - toJurors);
        _record(Operation.CaseDecided, decided.lease, abi.encode(caseId, true, bond - toJurors, toJurors));
        if (lease.state == LeaseState.Open) _end(decided.lease, LeaseState.Killed);
    }

    /// @dev What was decided, and by which panel. A second jury that doesn't agree leaves the first verdict as it is: where there
    /// are few verifiers an appeal would acquit anybody otherwise.
    function _outcomeOf(Case memory decided) private view returns (bool proven, uint256 panel) {
        panel = decided.first;
        Finding finding = findingOf(panel);
        Finding second = decided.second == 0 ? Finding.Inconclusive : findingOf(decided.second);
        if (second != Finding.Inconclusive) (panel, finding) = (decided.second, second);
        proven = finding == Finding.EvidenceFound;
    }

    /// @dev An appeal's bond returns to whom it made better off; otherwise the other side and the jurors get it.
    function _settleAppeal(Case memory decided, bool proven, uint256 panel) private {
        if (decided.second == 0) return;
        address seller = _sellerOf(decided.lease);
        bool bySeller = decided.appellant == seller;
        bool before = findingOf(decided.first) == Finding.EvidenceFound;
        if (proven != before && proven == bySeller) {
            _credit(decided.appellant, 2 * BOND);
        } else {
            Finding finding = proven ? Finding.EvidenceFound : Finding.NoEvidenceFound;
            _share(panel, finding, 2 * BOND, bySeller ? _leases[decided.lease].guarantor : seller);
        }
    }

    /// @dev Half of a lost bond to those who saw it as it was decided, the rest to `other`; returns what the former got.
    function _share(uint256 panel, Finding finding, uint256 amount, address other) private returns (uint256 paid) {
        paid = _reward(panel, finding, amount / 2);
        _credit(other, amount - paid);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IDataRegistry
    function verifications(uint256 panel) external view returns (Verification memory) {
        return _verifications[panel];
    }

    /// @inheritdoc IDataRegistry
    function cases(uint256 caseId) external view returns (Case memory) {
        return _cases[caseId];
    }

    function _standing(uint256 caseId) private view returns (Case storage standing) {
        standing = _cases[caseId];
        if (standing.lease == 0 || standing.closed) revert NoCase();
    }

    function _sellerOf(bytes32 id) private view returns (address) {
        return _datasets[_leases[id].terms.dataset].seller;
    }
}
