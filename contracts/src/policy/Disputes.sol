// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IDisputes} from "../interfaces/IDisputes.sol";
import {IEmissionController} from "../interfaces/IEmissionController.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";

/// @title Disputes
/// @notice Juries of verifiers drawn by lot. See {IDisputes}.
/// @dev No owner and no setter. It holds bonds and rewards; {withdraw} pays them out to whom they were credited.
contract Disputes is IDisputes {
    using SafeERC20 for IERC20;

    /// @notice What it is deployed with.
    /// @param token EAI.
    /// @param registry Nodes, verifiers and stakes.
    /// @param emission The vault.
    /// @param bond What opening a case takes; an appeal takes twice that.
    /// @param voting Seconds of a round.
    /// @param appealing Seconds after the first round in which it can be appealed.
    /// @param limit Seconds after an epoch's allotting began in which it can be the subject of an accusation.
    /// @param drawn Jurors of the first round; the second has twice as many and one.
    /// @param quorum How many of the first must agree; more than half. Of the second, more than half.
    struct Parameters {
        address token;
        address registry;
        address emission;
        uint256 bond;
        uint256 voting;
        uint256 appealing;
        uint256 limit;
        uint256 drawn;
        uint256 quorum;
    }

    /// @notice What those who found out get of what is slashed: half the challenger, half the jurors who saw it so.
    uint256 public constant CUT_BPS = 2000;
    uint256 private constant BPS = 10_000;
    /// @dev Votes of a contest.
    uint256 private constant HOLDER = 1;
    uint256 private constant CHALLENGER = 2;
    uint256 private constant WORST = 3;

    IERC20 private immutable _token;
    /// @notice Nodes, verifiers and stakes.
    INodeRegistry public immutable REGISTRY;
    /// @notice The vault.
    IEmissionController public immutable EMISSION;
    /// @inheritdoc IDisputes
    uint256 public immutable BOND;
    /// @notice Seconds of a round.
    uint256 public immutable VOTING;
    /// @notice Seconds in which a first verdict can be appealed.
    uint256 public immutable APPEALING;
    /// @notice Seconds after an epoch's allotting began in which it can be the subject of an accusation.
    uint256 public immutable LIMIT;
    /// @notice Jurors of the first round.
    uint256 public immutable DRAWN;
    /// @notice How many of them must agree.
    uint256 public immutable QUORUM;

    /// @notice How many cases there were.
    uint256 public count;
    /// @inheritdoc IDisputes
    mapping(address account => uint256) public owed;
    /// @inheritdoc IDisputes
    mapping(address accused => mapping(uint256 epoch => uint256)) public pending;

    mapping(uint256 id => Case) private _cases;
    mapping(uint256 id => mapping(uint256 round => bytes32)) private _seeds;
    mapping(uint256 id => mapping(uint256 round => address[])) private _voters;
    mapping(uint256 id => mapping(uint256 round => mapping(address juror => uint256))) private _votes;

    constructor(Parameters memory p) {
        if (p.token == address(0) || p.registry == address(0) || p.emission == address(0)) revert ZeroAddress();
        if (p.bond == 0 || p.voting == 0 || p.appealing == 0) revert BadParameter();
        if (p.quorum * 2 <= p.drawn || p.quorum > p.drawn || p.drawn > 32) revert BadParameter();
        uint256 phases = 2 * IEmissionController(p.emission).WINDOW();
        // A verdict comes after the allotting has begun, so that there is something to take.
        if (p.voting + p.appealing < phases) revert BadParameter();
        // Nobody gets its stake out before what it did can be judged.
        if (INodeRegistry(p.registry).UNBONDING() <= phases + p.limit) revert BadParameter();
        _token = IERC20(p.token);
        REGISTRY = INodeRegistry(p.registry);
        EMISSION = IEmissionController(p.emission);
        (BOND, VOTING, APPEALING, LIMIT) = (p.bond, p.voting, p.appealing, p.limit);
        (DRAWN, QUORUM) = (p.drawn, p.quorum);
    }

    // ---------------------------------------------------------------------------------------------- opening

    /// @inheritdoc IDisputes
    function accuse(address accused, uint256 epoch, bytes32 evidence) external returns (uint256 id) {
        INodeRegistry.Account memory account = REGISTRY.account(accused);
        if (account.role == INodeRegistry.Role.None) revert NotRegistered();
        if (accused == msg.sender) revert NotYourself();
        // Or there would always be another epoch to keep it for.
        if (account.until != 0 && epoch != 0 && account.until < EMISSION.endOf(epoch - 1)) revert WrongEpoch();
        uint256 end = EMISSION.endOf(epoch);
        uint256 last = end + 2 * EMISSION.WINDOW() + LIMIT;
        if (block.timestamp < end || block.timestamp > last) revert WrongEpoch();
        id = _open(Kind.Accusation, accused, epoch, evidence);
        ++pending[accused][epoch];
        REGISTRY.lock(accused);
        _take(BOND);
    }

    /// @inheritdoc IDisputes
    function contest(bytes32 hardwareId) external returns (uint256 id) {
        INodeRegistry.Account memory challenger = REGISTRY.account(msg.sender);
        if (challenger.role != INodeRegistry.Role.Node || challenger.until != 0) revert NotRegistered();
        address holder = REGISTRY.startContest(hardwareId);
        if (holder == msg.sender) revert NotYourself();
        id = _open(Kind.Contest, holder, 0, hardwareId);
        _take(BOND);
    }

    function _open(Kind kind, address accused, uint256 epoch, bytes32 subject) private returns (uint256 id) {
        id = ++count;
        Case storage opened = _cases[id];
        (opened.kind, opened.accused, opened.challenger, opened.subject) = (kind, accused, msg.sender, subject);
        // forge-lint: disable-next-line(unsafe-typecast)
        opened.epoch = uint64(epoch);
        _beginRound(opened);
        emit CaseOpened(id, kind, accused, msg.sender, epoch, subject);
    }

    function _beginRound(Case storage standing) private {
        standing.roundAt = uint40(block.timestamp);
        standing.drawBlock = _nextBlock();
    }

    /// @dev The block whose hash draws a jury: one that isn't there yet, so that nobody who convenes it, nor whoever builds the
    /// block that it is convened in, chooses the jury by what else goes into that block.
    function _nextBlock() private view returns (uint64) {
        return uint64(block.number + 1);
    }

    // --------------------------------------------------------------------------------------------- deciding

    /// @inheritdoc IDisputes
    function drawJury(uint256 id) external {
        Case storage standing = _open_(id);
        uint256 round = standing.round;
        if (_seeds[id][round] != 0 || block.number <= standing.drawBlock) revert CannotDraw();
        bytes32 hash = blockhash(standing.drawBlock);
        if (hash == 0) {
            // Too long ago for the chain to know: a block of the future decides, as before.
            standing.drawBlock = _nextBlock();
            return;
        }
        bytes32 seed = keccak256(abi.encode(hash, id, round));
        _seeds[id][round] = seed;
        emit JuryDrawn(id, round, seed);
    }

    /// @inheritdoc IDisputes
    function vote(uint256 id, uint8 vote_) external {
        Case storage standing = _open_(id);
        uint256 round = standing.round;
        if (block.timestamp > standing.roundAt + VOTING) revert WrongPhase();
        if (vote_ > (standing.kind == Kind.Contest ? CHALLENGER : WORST)) revert BadVote();
        if (!_isAmong(msg.sender, jury(id, round))) revert NotDrawn();
        if (_votes[id][round][msg.sender] != 0) revert AlreadyVoted();
        _votes[id][round][msg.sender] = uint256(vote_) + 1;
        _voters[id][round].push(msg.sender);
        emit Voted(id, round, msg.sender, vote_);
    }

    /// @inheritdoc IDisputes
    function appeal(uint256 id) external {
        Case storage standing = _open_(id);
        address accused = standing.accused;
        bool party =
            msg.sender == accused || msg.sender == standing.challenger || msg.sender == REGISTRY.account(accused).owner;
        if (!party) revert NotParty();
        uint256 from = standing.roundAt + VOTING;
        if (standing.round != 0 || block.timestamp <= from || block.timestamp > from + APPEALING) revert WrongPhase();
        standing.round = 1;
        standing.appellant = msg.sender;
        _beginRound(standing);
        emit Appealed(id, msg.sender);
        _take(2 * BOND);
    }

    /// @inheritdoc IDisputes
    function carryOut(uint256 id) external {
        Case storage standing = _open_(id);
        uint256 last = standing.roundAt + VOTING + (standing.round == 0 ? APPEALING : 0);
        if (block.timestamp <= last) revert WrongPhase();
        standing.closed = true;
        Case memory decided = standing;
        uint8 round = rulingRound(id);
        uint256 outcome = verdict(id, round);
        _settleAppeal(id, decided, outcome);
        // From here on what counts is who ruled.
        decided.round = round;
        if (decided.kind == Kind.Contest) _endContest(id, decided, outcome);
        else _punish(id, decided, outcome);
    }

    // ------------------------------------------------------------------------------------------- outcomes

    /// @dev Bonds and rights after a contest.
    function _endContest(uint256 id, Case memory decided, uint256 outcome) private {
        address winner = outcome == HOLDER ? decided.accused : outcome == CHALLENGER ? decided.challenger : address(0);
        REGISTRY.endContest(decided.subject, winner);
        if (outcome == CHALLENGER) {
            _credit(decided.challenger, BOND);
        } else {
            uint256 left = BOND - _reward(id, decided, outcome, BOND / 2);
            if (outcome == HOLDER) _credit(REGISTRY.account(decided.accused).owner, left);
            else _toVault(left);
        }
        emit CaseClosed(id, outcome, 0, 0);
    }

    /// @dev Bonds and punishment after an accusation.
    function _punish(uint256 id, Case memory decided, uint256 outcome) private {
        --pending[decided.accused][decided.epoch];
        REGISTRY.unlock(decided.accused);
        if (outcome == 0) {
            uint256 left = BOND - _reward(id, decided, 0, BOND / 2);
            _credit(REGISTRY.account(decided.accused).owner, left);
            emit CaseClosed(id, 0, 0, 0);
            return;
        }
        uint256 bps = gradeBps(outcome);
        uint256 forfeited = EMISSION.forfeit(decided.accused, decided.epoch, bps);
        uint256 amount = REGISTRY.slashable(decided.accused) * bps / BPS;
        (uint256 taken, uint256 cut) = REGISTRY.slash(decided.accused, amount, CUT_BPS);
        uint256 toJurors = _reward(id, decided, outcome, cut / 2);
        _credit(decided.challenger, BOND + cut - toJurors);
        emit CaseClosed(id, outcome, taken, forfeited);
    }

    /// @dev An appeal's bond returns to whom it made better off.
    function _settleAppeal(uint256 id, Case memory decided, uint256 outcome) private {
        if (decided.round == 0) return;
        uint256 before = verdict(id, 0);
        bool byChallenger = decided.appellant == decided.challenger;
        bool better = false;
        if (decided.kind == Kind.Contest) {
            better = outcome != before && outcome == (byChallenger ? CHALLENGER : HOLDER);
        } else {
            better = byChallenger ? outcome > before : outcome < before;
        }
        if (better) _credit(decided.appellant, 2 * BOND);
        else _toVault(2 * BOND);
    }

    /// @dev Divides `amount` among the jurors who saw it as it was decided; returns what they got in all.
    function _reward(uint256 id, Case memory decided, uint256 outcome, uint256 amount) private returns (uint256) {
        address[] memory voters = _voters[id][decided.round];
        uint256 agreed = 0;
        for (uint256 i = 0; i < voters.length; ++i) {
            if (_agrees(id, decided, voters[i], outcome)) ++agreed;
        }
        if (agreed == 0) return 0;
        uint256 each = amount / agreed;
        for (uint256 i = 0; i < voters.length; ++i) {
            if (_agrees(id, decided, voters[i], outcome)) _credit(voters[i], each);
        }
        return amount - amount % agreed;
    }

    /// @dev Whether a juror who voted saw it as it was decided, or, where it was punished, as worse.
    function _agrees(uint256 id, Case memory decided, address juror, uint256 outcome) private view returns (bool) {
        uint256 cast = _votes[id][decided.round][juror] - 1;
        return decided.kind == Kind.Accusation && outcome != 0 ? cast >= outcome : cast == outcome;
    }

    /// @inheritdoc IDisputes
    function withdraw(address to) external {
        if (to == address(0) || to == address(this)) revert ZeroAddress();
        uint256 amount = owed[msg.sender];
        if (amount == 0) revert NothingOwed();
        owed[msg.sender] = 0;
        _token.safeTransfer(to, amount);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IDisputes
    function cases(uint256 id) external view returns (Case memory) {
        return _cases[id];
    }

    /// @notice Which part of stake and unclaimed allotment a grade takes: 5, 30 and 100 %.
    function gradeBps(uint256 grade) public pure returns (uint256) {
        return grade == 1 ? 500 : grade == 2 ? 3000 : grade == WORST ? BPS : 0;
    }

    /// @inheritdoc IDisputes
    function verdict(uint256 id, uint256 round) public view returns (uint256) {
        address[] memory voters = _voters[id][round];
        uint256[4] memory tally = [uint256(0), 0, 0, 0];
        for (uint256 i = 0; i < voters.length; ++i) {
            ++tally[_votes[id][round][voters[i]] - 1];
        }
        uint256 needed = round == 0 ? QUORUM : DRAWN + 1;
        if (_cases[id].kind == Kind.Contest) {
            return tally[HOLDER] >= needed ? HOLDER : tally[CHALLENGER] >= needed ? CHALLENGER : 0;
        }
        // The worst that enough jurors see at least.
        uint256 sum = 0;
        for (uint256 grade = WORST; grade != 0; --grade) {
            sum += tally[grade];
            if (sum >= needed) return grade;
        }
        return 0;
    }

    /// @inheritdoc IDisputes
    /// @dev A second jury of which too few vote to agree on anything rules on nothing: or an appeal would acquit anybody as long
    /// as verifiers are few.
    function rulingRound(uint256 id) public view returns (uint8 round) {
        round = _cases[id].round;
        if (round != 0 && _voters[id][round].length <= DRAWN) round = 0;
    }

    /// @inheritdoc IDisputes
    function jury(uint256 id, uint256 round) public view returns (address[] memory) {
        bytes32 seed = _seeds[id][round];
        if (seed == 0) return new address[](0);
        Case storage standing = _cases[id];
        // Who registered before the round began. The second round's differ from the first's by lot.
        uint256 time = standing.roundAt - 1;
        address[2] memory parties = [standing.accused, standing.challenger];
        return REGISTRY.draw(seed, time, parties, round == 0 ? DRAWN : 2 * DRAWN + 1);
    }

    // --------------------------------------------------------------------------------------------- internal

    function _open_(uint256 id) private view returns (Case storage standing) {
        standing = _cases[id];
        if (standing.kind == Kind.None || standing.closed) revert NoCase();
    }

    function _take(uint256 amount) private {
        _token.safeTransferFrom(msg.sender, address(this), amount);
    }

    function _credit(address account, uint256 amount) private {
        owed[account] += amount;
        emit Credited(account, amount);
    }

    function _toVault(uint256 amount) private {
        _token.safeTransfer(address(EMISSION), amount);
    }

    function _isAmong(address who, address[] memory list) private pure returns (bool) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == who) return true;
        }
        return false;
    }
}
