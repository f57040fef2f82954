// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../interfaces/IDataRegistry.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {Panels} from "./Panels.sol";

/// @title DataLeases
/// @notice Datasets, leases of them, and what is done in a lease.
abstract contract DataLeases is Panels {
    /// @notice The most images in one call.
    uint256 public constant MAX_IMAGES = 64;
    /// @notice The longest lease, in seconds.
    uint256 public immutable MAX_LEASE;
    /// @notice Seconds after a lease's end in which a case can be opened.
    uint256 public immutable CLAIMING;

    mapping(bytes32 id => Dataset) internal _datasets;
    mapping(bytes32 id => Lease) internal _leases;
    /// @inheritdoc IDataRegistry
    mapping(bytes32 dataset => mapping(bytes32 image => bool)) public isAllowed;
    mapping(bytes32 lease => mapping(bytes32 nonce => bool)) private _nonces;

    constructor(uint256 maxLease, uint256 claiming) {
        (MAX_LEASE, CLAIMING) = (_checkedTime(maxLease), _checkedTime(claiming));
    }

    // --------------------------------------------------------------------------------------------- datasets

    /// @inheritdoc IDataRegistry
    function publish(DatasetTerms calldata terms, address broker, bytes32[] calldata images)
        external
        returns (bytes32 id)
    {
        if (terms.root == 0 || terms.commitment == 0 || terms.canaryRoot == 0 || terms.leakBond == 0) {
            revert BadTerms();
        }
        id = datasetId(msg.sender, terms);
        Dataset storage made = _datasets[id];
        if (made.seller != address(0)) revert Exists();
        (made.seller, made.publishedAt, made.terms) = (msg.sender, uint40(block.timestamp), terms);
        _record(Operation.Published, id, abi.encode(terms));
        _appoint(id, broker);
        _setImages(id, images, true);
    }

    /// @inheritdoc IDataRegistry
    function allowImages(bytes32 dataset, bytes32[] calldata images) external {
        _onlySeller(dataset);
        _setImages(dataset, images, true);
    }

    /// @inheritdoc IDataRegistry
    function removeImages(bytes32 dataset, bytes32[] calldata images) external {
        _onlySeller(dataset);
        _setImages(dataset, images, false);
    }

    /// @inheritdoc IDataRegistry
    function appointBroker(bytes32 dataset, address broker) external {
        _onlySeller(dataset);
        _appoint(dataset, broker);
    }

    /// @inheritdoc IDataRegistry
    function retire(bytes32 dataset) external {
        _onlySeller(dataset);
        if (_datasets[dataset].retired) revert DatasetRetired();
        _datasets[dataset].retired = true;
        _record(Operation.Retired, dataset, "");
    }

    function _setImages(bytes32 dataset, bytes32[] calldata images, bool allowed) private {
        if (images.length == 0 || images.length > MAX_IMAGES) revert BadImages();
        for (uint256 i = 0; i < images.length; ++i) {
            isAllowed[dataset][images[i]] = allowed;
        }
        _record(allowed ? Operation.ImagesAllowed : Operation.ImagesRemoved, dataset, abi.encode(images));
    }

    function _appoint(bytes32 dataset, address broker) private {
        _datasets[dataset].broker = broker;
        _record(Operation.BrokerAppointed, dataset, abi.encode(broker));
    }

    // ---------------------------------------------------------------------------------------------- opening

    /// @inheritdoc IDataRegistry
    function requestLease(LeaseTerms calldata terms) external returns (bytes32 id) {
        id = leaseId(msg.sender, terms);
        Lease storage lease = _leases[id];
        if (lease.state != LeaseState.None) revert Exists();
        _checkOffered(terms);
        (lease.state, lease.buyer, lease.terms) = (LeaseState.Requested, msg.sender, terms);
        _record(Operation.Requested, id, abi.encode(terms));
    }

    /// @inheritdoc IDataRegistry
    function openLease(bytes32 id) external {
        Lease storage lease = _leases[id];
        if (lease.state != LeaseState.Requested) revert WrongState();
        LeaseTerms memory terms = lease.terms;
        // What the seller offers may have changed since it was asked for.
        _checkOffered(terms);
        INodeRegistry.Account memory node = REGISTRY.account(terms.node);
        if (node.role != INodeRegistry.Role.Node || node.until != 0) revert NotRegistered();
        if (msg.sender != terms.node && msg.sender != node.owner) revert NotNode();
        uint96 bond = _datasets[terms.dataset].terms.leakBond;
        (lease.state, lease.guarantor, lease.bond) = (LeaseState.Open, msg.sender, bond);
        _record(Operation.Opened, id, abi.encode(msg.sender, uint256(bond)));
        _take(bond);
    }

    /// @dev Whether the seller offers this now.
    function _checkOffered(LeaseTerms memory terms) private view {
        Dataset storage dataset = _datasets[terms.dataset];
        if (dataset.seller == address(0)) revert NoDataset();
        if (dataset.retired) revert DatasetRetired();
        if (!isAllowed[terms.dataset][terms.image]) revert WrongImage();
        if (terms.assurance < dataset.terms.minimum) revert TooLittleAssurance();
        if (terms.until <= block.timestamp || terms.until > block.timestamp + MAX_LEASE) revert BadTime();
    }

    /// @inheritdoc IDataRegistry
    function commitCanaries(bytes32 id, bytes32 canaryRoot) external {
        Lease storage lease = _leases[id];
        _onlySeller(lease.terms.dataset);
        // What is committed to once the data is out there would prove nothing.
        if (lease.keyReleased || lease.canaryRoot != 0 || canaryRoot == 0) revert TooLateForCanaries();
        lease.canaryRoot = canaryRoot;
        _record(Operation.CanariesCommitted, id, abi.encode(canaryRoot));
    }

    // ---------------------------------------------------------------------------------------------- running

    /// @inheritdoc IDataRegistry
    function releaseKey(bytes32 id, KeyRelease calldata release) external {
        Lease storage lease = _running(id);
        if (msg.sender != _datasets[lease.terms.dataset].broker) revert NotBroker();
        if (release.node != lease.terms.node) revert WrongNode();
        if (release.image != lease.terms.image) revert WrongImage();
        if (_nonces[id][release.nonce]) revert NonceUsed();
        _nonces[id][release.nonce] = true;
        lease.keyReleased = true;
        _record(Operation.KeyReleased, id, abi.encode(release));
    }

    /// @inheritdoc IDataRegistry
    function startJob(bytes32 id, bytes32 job) external {
        Lease storage lease = _running(id);
        if (msg.sender != lease.terms.node) revert NotNode();
        if (!lease.keyReleased) revert NoKey();
        ++lease.jobs;
        _record(Operation.JobStarted, id, abi.encode(job));
    }

    /// @inheritdoc IDataRegistry
    function commitOutput(bytes32 id, Output calldata output) external returns (uint256 number) {
        Lease storage lease = _running(id);
        if (msg.sender != lease.terms.node) revert NotNode();
        if (lease.jobs == 0) revert NoJob();
        if (output.root == 0) revert BadOutput();
        number = lease.outputs++;
        _record(Operation.OutputCommitted, id, abi.encode(number, output));
    }

    // ----------------------------------------------------------------------------------------------- ending

    /// @inheritdoc IDataRegistry
    function kill(bytes32 id) external {
        Lease storage lease = _leases[id];
        bool isSeller = msg.sender == _datasets[lease.terms.dataset].seller;
        if (!isSeller && msg.sender != lease.buyer) revert NotParty();
        if (lease.state != LeaseState.Requested) _running(id);
        _end(id, LeaseState.Killed);
    }

    /// @inheritdoc IDataRegistry
    function close(bytes32 id) external {
        Lease storage lease = _leases[id];
        if (lease.state != LeaseState.Open) revert WrongState();
        bool over = block.timestamp > lease.terms.until;
        if (!over && msg.sender != lease.buyer && !_isOfNode(lease, msg.sender)) revert NotParty();
        _end(id, LeaseState.Closed);
    }

    /// @inheritdoc IDataRegistry
    function returnBond(bytes32 id) external {
        Lease storage lease = _leases[id];
        uint256 bond = lease.bond;
        if (bond == 0) revert WrongState();
        if (lease.openCase != 0) revert CaseIsOpen();
        if (block.timestamp <= claimableUntil(id)) revert WrongTime();
        lease.bond = 0;
        if (lease.state == LeaseState.Open) _end(id, LeaseState.Closed);
        _record(Operation.BondReturned, id, abi.encode(lease.guarantor, bond));
        _credit(lease.guarantor, bond);
    }

    /// @dev Ends a lease, now or when its time was over.
    function _end(bytes32 id, LeaseState how) internal {
        Lease storage lease = _leases[id];
        uint40 until = lease.terms.until;
        lease.endedAt = block.timestamp < until ? uint40(block.timestamp) : until;
        lease.state = how;
        _record(how == LeaseState.Killed ? Operation.Killed : Operation.Closed, id, "");
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IDataRegistry
    function datasets(bytes32 id) external view returns (Dataset memory) {
        return _datasets[id];
    }

    /// @inheritdoc IDataRegistry
    function leases(bytes32 id) external view returns (Lease memory) {
        return _leases[id];
    }

    /// @inheritdoc IDataRegistry
    function claimableUntil(bytes32 id) public view returns (uint256) {
        Lease storage lease = _leases[id];
        if (lease.guarantor == address(0)) return 0;
        uint256 end = lease.endedAt == 0 ? lease.terms.until : lease.endedAt;
        // Without a key there was nothing to leak, and nothing to wait for.
        return lease.keyReleased ? end + CLAIMING : end;
    }

    /// @inheritdoc IDataRegistry
    function datasetId(address seller, DatasetTerms calldata terms) public pure returns (bytes32) {
        return keccak256(abi.encode(seller, terms));
    }

    /// @inheritdoc IDataRegistry
    function leaseId(address buyer, LeaseTerms calldata terms) public pure returns (bytes32) {
        return keccak256(abi.encode(buyer, terms));
    }

    // --------------------------------------------------------------------------------------------- internal

    function _onlySeller(bytes32 dataset) internal view {
        if (msg.sender != _datasets[dataset].seller) revert NotSeller();
    }

    /// @dev The lease, which must be open and not over.
    function _running(bytes32 id) internal view returns (Lease storage lease) {
        lease = _leases[id];
        if (lease.state != LeaseState.Open) revert WrongState();
        if (block.timestamp > lease.terms.until) revert BadTime();
    }

    /// @dev Whether `who` is the node, its owner, or whose bond it is.
    function _isOfNode(Lease storage lease, address who) internal view returns (bool) {
        address node = lease.terms.node;
        return who == node || who == lease.guarantor || who == REGISTRY.account(node).owner;
    }

    function _partiesOf(bytes32 id) internal view override returns (address seller, address buyer, address node) {
        Lease storage lease = _leases[id];
        return (_datasets[lease.terms.dataset].seller, lease.buyer, lease.terms.node);
    }
}
