// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataRegistry} from "../interfaces/IDataRegistry.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {DataBook} from "./DataBook.sol";

/// @title Panels
/// @notice Verifiers drawn by lot, who look at something and say what they found.
/// @dev Who was drawn is stored when it is drawn. Were it computed anew for each vote, a party could register with a juror's
/// owner for its own after the draw, and so have that juror struck off.
abstract contract Panels is DataBook {
    /// @dev How many of a draw seller and buyer can have struck off: owned by either, by either's owner, or being that owner.
    uint256 private constant SPARE = 6;
    uint256 private constant LONGEST = 365 days;

    /// @notice Nodes and verifiers.
    INodeRegistry public immutable REGISTRY;
    /// @notice Seconds in which a panel votes.
    uint256 public immutable VOTING;
    /// @notice How many are drawn; twice as many and one for an appeal.
    uint256 public immutable DRAWN;
    /// @notice How many must agree; more than half, for an appeal too.
    uint256 public immutable QUORUM;

    /// @notice How many panels there were.
    uint256 public panelCount;
    mapping(uint256 id => Panel) private _panels;
    mapping(uint256 id => Seat[]) private _seats;

    constructor(address registry, uint256 voting, uint256 drawn, uint256 quorum) {
        if (registry == address(0)) revert ZeroAddress();
        if (quorum * 2 <= drawn || quorum > drawn || drawn > 32) revert BadParameter();
        REGISTRY = INodeRegistry(registry);
        (VOTING, DRAWN, QUORUM) = (_checkedTime(voting), drawn, quorum);
    }

    // ---------------------------------------------------------------------------------------------- drawing

    /// @inheritdoc IDataRegistry
    function drawPanel(uint256 id) external {
        Panel storage panel = _panels[id];
        if (panel.beganAt == 0 || panel.drawn || block.number <= panel.drawBlock) revert CannotDraw();
        bytes32 hash = blockhash(panel.drawBlock);
        if (hash == 0) {
            // Too long ago for the chain to know: a block of the future decides, as before.
            panel.drawBlock = uint64(block.number + 1);
            return;
        }
        panel.drawn = true;
        bytes32 seed = keccak256(abi.encode(hash, address(this), id));
        address[] memory jurors = _draw(panel, seed);
        for (uint256 i = 0; i < jurors.length; ++i) {
            _seats[id].push(Seat(jurors[i], Finding.Inconclusive));
        }
        emit Drawn(id, seed, jurors);
    }

    /// @dev The registry leaves the node's out; here go seller's and buyer's. Only who was registered before the panel was
    /// convened counts, or a party could register once it knows the seed, to have somebody struck off.
    function _draw(Panel storage panel, bytes32 seed) private view returns (address[] memory jurors) {
        (address seller, address buyer, address node) = _partiesOf(panel.lease);
        uint256 time = uint256(panel.beganAt) - 1;
        address[4] memory names = [seller, buyer, _ownerAt(seller, time), _ownerAt(buyer, time)];
        jurors = REGISTRY.draw(seed, time, [node, node], panel.size + SPARE);
        uint256 count = 0;
        for (uint256 i = 0; i < jurors.length && count < panel.size; ++i) {
            address owner = REGISTRY.account(jurors[i]).owner;
            if (_isAmong(owner, names) || _isAmong(jurors[i], names)) continue;
            jurors[count++] = jurors[i];
        }
        assembly ("memory-safe") {
            mstore(jurors, count)
        }
    }

    /// @dev The owner of `who`, if it was registered at `time`. An owner never changes.
    function _ownerAt(address who, uint256 time) private view returns (address) {
        INodeRegistry.Account memory account = REGISTRY.account(who);
        return account.since <= time ? account.owner : address(0);
    }

    function _isAmong(address who, address[4] memory names) private pure returns (bool) {
        return who == names[0] || who == names[1] || who == names[2] || who == names[3];
    }

    // ----------------------------------------------------------------------------------------------- voting

    /// @inheritdoc IDataRegistry
    function vote(uint256 id, uint256 seat, Finding finding, bytes32 report) external {
        Panel storage panel = _panels[id];
        if (block.timestamp > _votesUntil(id)) revert WrongPhase();
        if (finding == Finding.Inconclusive) revert BadVote();
        if (seat >= _seats[id].length) revert NotDrawn();
        Seat storage taken = _seats[id][seat];
        if (taken.juror != msg.sender) revert NotDrawn();
        if (taken.finding != Finding.Inconclusive) revert AlreadyVoted();
        taken.finding = finding;
        if (finding == Finding.EvidenceFound) ++panel.found;
        else ++panel.none;
        emit Voted(id, msg.sender, finding, report);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IDataRegistry
    function panels(uint256 id) external view returns (Panel memory) {
        return _panels[id];
    }

    /// @inheritdoc IDataRegistry
    function seats(uint256 id) external view returns (Seat[] memory) {
        return _seats[id];
    }

    /// @inheritdoc IDataRegistry
    function findingOf(uint256 id) public view returns (Finding) {
        Panel storage panel = _panels[id];
        if (panel.quorum == 0) return Finding.Inconclusive;
        if (panel.found >= panel.quorum) return Finding.EvidenceFound;
        return panel.none >= panel.quorum ? Finding.NoEvidenceFound : Finding.Inconclusive;
    }

    // --------------------------------------------------------------------------------------------- internal

    /// @dev The parties of a lease, none of whose verifiers may judge.
    function _partiesOf(bytes32 lease) internal view virtual returns (address seller, address buyer, address node);

    function _convene(bytes32 lease, uint256 size, uint256 quorum) internal returns (uint256 id) {
        id = ++panelCount;
        Panel storage panel = _panels[id];
        panel.lease = lease;
        panel.beganAt = uint40(block.timestamp);
        // The next block's hash, so that who convenes can't choose among hashes by what it puts into its own block.
        panel.drawBlock = uint64(block.number + 1);
        // At most 65: see the constructor.
        // forge-lint: disable-next-line(unsafe-typecast)
        (panel.size, panel.quorum) = (uint8(size), uint8(quorum));
        emit Convened(id, lease, size, quorum);
    }

    function _votesUntil(uint256 id) internal view returns (uint256) {
        return _panels[id].beganAt + VOTING;
    }

    /// @dev Divides `amount` among those of the panel who found `finding`; returns what they got in all.
    function _reward(uint256 id, Finding finding, uint256 amount) internal returns (uint256) {
        uint256 agreed = finding == Finding.EvidenceFound ? _panels[id].found : _panels[id].none;
        // 0 is that nobody agreed, not a count that could be missed.
        // slither-disable-next-line incorrect-equality
        if (agreed == 0) return 0;
        Seat[] memory all = _seats[id];
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i].finding == finding) _credit(all[i].juror, amount / agreed);
        }
        return amount - amount % agreed;
    }

    /// @dev A time of the deployment: it is something, and it ends.
    function _checkedTime(uint256 time) internal pure returns (uint256) {
        if (time == 0 || time > LONGEST) revert BadParameter();
        return time;
    }
}
