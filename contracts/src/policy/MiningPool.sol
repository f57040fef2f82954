// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IDisputes} from "../interfaces/IDisputes.sol";
import {IEmissionController} from "../interfaces/IEmissionController.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {IMiningPool} from "../interfaces/IMiningPool.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {PoolStakes} from "./PoolStakes.sol";

/// @title MiningPool
/// @notice One node that many own. See {IMiningPool}.
/// @dev Each pool is a clone of one implementation, made and initialized by {MiningPools} at once; nobody can change it after.
/// It signs nothing but offers, and calls nothing but token, escrow, registry, vault and court. Tokens leave by {withdraw}
/// alone, to whom they were credited; and, as a stake or an appeal's bond, in the call that brought them.
contract MiningPool is PoolStakes {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    /// @dev From which epoch on who has a device; zero if nobody.
    struct Holding {
        uint64 from;
        address holder;
    }

    /// @notice The most of the income that may be the operator's.
    uint256 public constant MAX_FEE_BPS = 2000;
    uint256 private constant BPS = 10_000;
    /// @dev The vote of a contest's jury for the holder.
    uint256 private constant HOLDER = 1;

    /// @notice Where offers are taken and fees paid.
    IEscrow public immutable ESCROW;
    /// @notice The vault.
    IEmissionController public immutable EMISSION;
    /// @notice The court.
    IDisputes public immutable DISPUTES;
    /// @notice Who makes pools.
    address public immutable FACTORY;

    /// @inheritdoc IMiningPool
    uint256 public minRate;
    /// @inheritdoc IMiningPool
    uint256 public feeBps;
    /// @inheritdoc IMiningPool
    INodeRegistry.Form public form;
    /// @inheritdoc IMiningPool
    uint8 public class;
    /// @inheritdoc IMiningPool
    address public operator;
    /// @inheritdoc IMiningPool
    address public proposed;
    /// @inheritdoc IMiningPool
    uint256 public openAppeals;

    /// @dev What came from the court and isn't income yet: appeals' bonds may be among it.
    uint256 private _fromCourt;
    mapping(uint256 caseId => address) private _appellants;
    mapping(bytes32 hardwareId => Holding[]) private _holdings;
    mapping(uint256 epoch => Income) private _incomes;
    mapping(uint256 epoch => mapping(bytes32 hardwareId => Part)) private _parts;

    modifier onlyOperator() {
        if (msg.sender != operator) revert NotOperator();
        _;
    }

    /// @param emission The vault, which knows escrow, registry and court.
    constructor(IEmissionController emission) PoolStakes(IERC20(emission.ESCROW().TOKEN()), emission.REGISTRY()) {
        (EMISSION, ESCROW, DISPUTES) = (emission, emission.ESCROW(), emission.DISPUTES());
        FACTORY = msg.sender;
    }

    /// @inheritdoc IMiningPool
    function initialize(address operator_, uint256 minRate_, uint256 feeBps_, INodeRegistry.Form form_, uint8 class_)
        external
    {
        if (msg.sender != FACTORY || operator != address(0)) revert NotTheFactory();
        if (operator_ == address(0)) revert ZeroAddress();
        if (feeBps_ > MAX_FEE_BPS) revert BadParameter();
        (minRate, feeBps, form, class) = (minRate_, feeBps_, form_, class_);
        _begin(REGISTRY.classMinimums(class_));
        _appoint(operator_);
    }

    // --------------------------------------------------------------------------------------------- operator

    /// @notice Whether `signature` is the operator's under an offer of the pool's whose digest in the escrow is `hash`.
    /// @dev The escrow asks, on a gas allowance. Anything that isn't such an offer is refused, so that nobody can be made to
    /// believe that the pool signed a grant, a permit or an order.
    /// @param signature `abi.encode(IEscrow.Offer offer, bytes signature)`, the latter over the offer's digest.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (IEscrow.Offer memory offer, bytes memory byOperator) = abi.decode(signature, (IEscrow.Offer, bytes));
        bool isOffer = offer.provider == address(this) && offer.rate >= minRate && ESCROW.offerDigest(offer) == hash;
        return isOffer && SignatureChecker.isValidSignatureNow(operator, hash, byOperator)
            ? IERC1271.isValidSignature.selector
            : bytes4(0xffffffff);
    }

    /// @inheritdoc IMiningPool
    function admit(address member, bool isAdmitted) external onlyOperator {
        _members[member].isAdmitted = isAdmitted;
        emit Admitted(member, isAdmitted);
    }

    /// @inheritdoc IMiningPool
    function cancelOffers() external onlyOperator {
        // slither-disable-next-line unused-return
        ESCROW.cancelOffers();
    }

    /// @inheritdoc IMiningPool
    function claimLease(IEscrow.LeaseTerms calldata terms, uint256 amount) external onlyOperator {
        // slither-disable-next-line unused-return
        ESCROW.claim(terms, amount);
    }

    /// @inheritdoc IMiningPool
    function proposeOperator(address operator_) external onlyOperator {
        proposed = operator_;
        emit OperatorProposed(operator_);
    }

    /// @inheritdoc IMiningPool
    function acceptOperator() external {
        if (msg.sender != proposed) revert NotProposed();
        proposed = address(0);
        _appoint(msg.sender);
    }

    function _appoint(address operator_) private {
        operator = operator_;
        _members[operator_].hasPart = true;
        emit OperatorChanged(operator_);
    }

    // --------------------------------------------------------------------------------------------- hardware

    /// @inheritdoc IMiningPool
    function join(bytes32[] calldata ids, uint256 amount) external nonReentrant {
        Member storage member = _members[msg.sender];
        if (ids.length != 0 && !member.isAdmitted) revert NotAdmitted();
        if (ids.length == 0 && amount == 0) revert BadAmount();
        if (amount != 0) {
            _pull(amount);
            _addStake(amount);
        }
        uint256 epoch = _epoch();
        for (uint256 i = 0; i < ids.length; ++i) {
            // Nobody has it, and nobody had it in this epoch.
            if (holderOf(ids[i], type(uint256).max) != address(0) || holderOf(ids[i], epoch) != address(0)) {
                revert NotYourHardware(ids[i]);
            }
            _hold(ids[i], epoch, msg.sender);
            emit HardwareAdded(msg.sender, ids[i]);
        }
        member.devices += ids.length.toUint32();
        member.hasPart = true;
        _register(ids, amount);
        if (ids.length != 0 && stakeOf(msg.sender) < minimum * member.devices) revert StakeTooSmall();
    }

    /// @dev Passes hardware and stake on to the registry; the first who joins registers the node.
    function _register(bytes32[] calldata ids, uint256 amount) private {
        if (amount != 0) _token.forceApprove(address(REGISTRY), amount);
        if (REGISTRY.account(address(this)).role == INodeRegistry.Role.None) {
            REGISTRY.registerNode(address(this), form, class, ids, amount);
            return;
        }
        if (amount != 0) REGISTRY.addStake(address(this), amount);
        if (ids.length != 0) REGISTRY.addHardware(ids);
    }

    /// @inheritdoc IMiningPool
    function removeHardware(bytes32[] calldata ids) external nonReentrant {
        bytes32[] memory held = new bytes32[](ids.length);
        uint256 count = 0;
        bool waits = _isToBeWeighed();
        for (uint256 i = 0; i < ids.length; ++i) {
            if (holderOf(ids[i], type(uint256).max) != msg.sender) revert NotYourHardware(ids[i]);
            _release(ids[i], msg.sender);
            INodeRegistry.Hardware memory device = REGISTRY.hardware(ids[i]);
            // Who leaves isn't kept by a contest or by the weighing: what the registry still has, {tidy} takes out.
            if (_isHeld(device) && !device.contested && !waits) held[count++] = ids[i];
        }
        assembly ("memory-safe") {
            mstore(held, count)
        }
        if (count != 0) REGISTRY.removeHardware(held);
    }

    /// @inheritdoc IMiningPool
    // The registry calls nobody when it takes hardware, and no call of the pool's runs within another.
    // slither-disable-next-line reentrancy-no-eth
    function tidy(bytes32[] calldata ids) external nonReentrant {
        for (uint256 i = 0; i < ids.length; ++i) {
            INodeRegistry.Hardware memory device = REGISTRY.hardware(ids[i]);
            address holder = holderOf(ids[i], type(uint256).max);
            if (holder != address(0) && !_isHeld(device)) {
                // lost in a contest
                _release(ids[i], holder);
            } else if (holder == address(0) && _isHeld(device) && !device.contested) {
                // its member left while it was contested, or an epoch was to be weighed
                // Where it came back from a contest after its stake had gone, the pool must be rid of it to be weighed at all.
                bool isCovered = REGISTRY.account(address(this)).stake >= REGISTRY.minimumOf(address(this));
                if (isCovered && _isToBeWeighed()) revert NotYet();
                bytes32[] memory one = new bytes32[](1);
                one[0] = ids[i];
                REGISTRY.removeHardware(one);
            } else {
                revert NothingToTidy(ids[i]);
            }
        }
    }

    /// @dev What it gives until the epoch's end is still its holder's; nobody else can bring it before.
    function _release(bytes32 id, address holder) private {
        _hold(id, _epoch() + 1, address(0));
        --_members[holder].devices;
        emit HardwareRemoved(holder, id);
    }

    function _hold(bytes32 id, uint256 epoch, address holder) private {
        _holdings[id].push(Holding({from: epoch.toUint64(), holder: holder}));
    }

    /// @dev Whether the registry has the device as the pool's, contested or not.
    function _isHeld(INodeRegistry.Hardware memory device) private view returns (bool) {
        return device.node == address(this) && device.freeAt == 0;
    }

    // ----------------------------------------------------------------------------------------------- income

    /// @inheritdoc IMiningPool
    function record(IEscrow.LeaseTerms[] calldata leases) external {
        // Whoever doesn't lose by it would record what isn't paid yet.
        bool mayLate = _members[msg.sender].devices != 0 && _isRecordingLate();
        if (msg.sender != operator && !mayLate) {
            // Under a closed lease no voucher is paid any more, so that nothing is lost by recording it now.
            for (uint256 i = 0; i < leases.length; ++i) {
                if (ESCROW.lease(ESCROW.leaseIdOf(leases[i])).state != IEscrow.LeaseState.Closed) revert NotYet();
            }
        }
        EMISSION.record(address(this), _ofStrangers(leases));
    }

    /// @dev The leases whose payers never had a part in the pool: the vault knows the pool itself as its owner, and no member.
    function _ofStrangers(IEscrow.LeaseTerms[] calldata leases)
        private
        view
        returns (IEscrow.LeaseTerms[] memory found)
    {
        found = new IEscrow.LeaseTerms[](leases.length);
        uint256 count = 0;
        for (uint256 i = 0; i < leases.length; ++i) {
            if (!_members[leases[i].payer].hasPart) found[count++] = leases[i];
        }
        assembly ("memory-safe") {
            mstore(found, count)
        }
    }

    /// @inheritdoc IMiningPool
    function harvest() external nonReentrant returns (uint256 amount) {
        uint256 epoch = _epoch();
        amount = ESCROW.balanceOf(address(this));
        uint256 bonds = _fromCourt + DISPUTES.owed(address(this));
        // While an appeal isn't settled its bond may be among them.
        uint256 fromCourt = openAppeals == 0 ? bonds : 0;
        // slither-disable-next-line incorrect-equality
        if (amount + fromCourt == 0) revert NothingDue();
        _incomes[epoch].extra += (amount + fromCourt).toUint128();
        emit Harvested(epoch, amount + fromCourt);
        if (fromCourt != 0) {
            _takeFromCourt();
            _fromCourt = 0; // it is income now
        }
        if (amount != 0) ESCROW.withdraw(amount, address(this));
        amount += fromCourt;
    }

    /// @inheritdoc IMiningPool
    function rollOver(uint256 epoch) external returns (uint256 amount) {
        // slither-disable-next-line unused-return
        (, uint256 total) = EMISSION.splitOf(address(this), epoch);
        if (total != 0 || block.timestamp < EMISSION.endOf(epoch) + EMISSION.WINDOW()) revert CannotRollOver();
        amount = incomeOf(epoch);
        if (amount == 0) revert NothingDue();
        _incomes[epoch].rolled += amount.toUint128();
        _incomes[epoch + 1].extra += amount.toUint128();
        emit RolledOver(epoch, amount);
    }

    /// @inheritdoc IMiningPool
    function prove(uint256 epoch, bytes32 id, uint256 time, bytes32[] calldata proof) external {
        (bytes32 root, uint256 total) = _split(epoch);
        Part storage part = _parts[epoch][id];
        if (part.isProved) revert AlreadyProved();
        address holder = holderOf(id, epoch);
        if (holder == address(0)) revert NotYourHardware(id);
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(id, time))));
        if (!MerkleProof.verifyCalldata(proof, root, leaf)) revert BadProof();
        Income storage income = _incomes[epoch];
        // Were the sum a lie, whoever proves last would get less: never more than the income is paid.
        time = Math.min(time, total - income.time);
        income.time += time.toUint128();
        (part.time, part.isProved) = (time.toUint96(), true);
        emit Proved(epoch, id, holder, time);
    }

    /// @inheritdoc IMiningPool
    function collect(uint256 epoch, bytes32[] calldata ids) external returns (uint256 amount) {
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 due = dueOf(epoch, ids[i]);
            _parts[epoch][ids[i]].paid += due.toUint128();
            amount += due;
            _credit(holderOf(ids[i], epoch), due);
        }
        if (amount == 0) revert NothingDue();
    }

    /// @inheritdoc IMiningPool
    function collectFee(uint256 epoch) external returns (uint256 amount) {
        _split(epoch);
        Income storage income = _incomes[epoch];
        amount = _feeOf(incomeOf(epoch)) - income.fee;
        if (amount == 0) revert NothingDue();
        income.fee += amount.toUint128();
        _credit(operator, amount);
    }

    // ------------------------------------------------------------------------------------------------ court

    /// @inheritdoc IMiningPool
    function appeal(uint256 id) external nonReentrant {
        uint256 bond = 2 * DISPUTES.BOND();
        ++openAppeals;
        // A case can be appealed once, so nobody's place is taken.
        _appellants[id] = msg.sender;
        emit Appealed(id, msg.sender);
        _pull(bond);
        _token.forceApprove(address(DISPUTES), bond);
        DISPUTES.appeal(id);
    }

    /// @inheritdoc IMiningPool
    function settleAppeal(uint256 id) external nonReentrant {
        IDisputes.Case memory decided = DISPUTES.cases(id);
        address by = _appellants[id];
        if (by == address(0) || !decided.closed) revert NoAppeal();
        delete _appellants[id];
        --openAppeals;
        (uint256 before, uint256 outcome) = (DISPUTES.verdict(id, 0), DISPUTES.verdict(id, DISPUTES.rulingRound(id)));
        // As the court decides who gets an appeal's bond.
        bool better = decided.kind == IDisputes.Kind.Contest ? outcome != before && outcome == HOLDER : outcome < before;
        emit AppealSettled(id, by, better);
        if (!better) return;
        uint256 bond = 2 * DISPUTES.BOND();
        _takeFromCourt();
        _fromCourt -= bond;
        _credit(by, bond);
    }

    /// @dev Has the court send what it owes, which isn't income before all appeals are settled.
    function _takeFromCourt() private {
        uint256 amount = DISPUTES.owed(address(this));
        if (amount == 0) return;
        _fromCourt += amount;
        DISPUTES.withdraw(address(this));
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IMiningPool
    function holderOf(bytes32 id, uint256 epoch) public view returns (address) {
        Holding[] storage holdings = _holdings[id];
        (uint256 low, uint256 high) = (0, holdings.length);
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (holdings[middle].from <= epoch) low = middle + 1;
            else high = middle;
        }
        return low == 0 ? address(0) : holdings[low - 1].holder;
    }

    /// @inheritdoc IMiningPool
    /// @dev Anyone can have the vault pay, so what it paid is asked of it.
    function incomeOf(uint256 epoch) public view returns (uint256) {
        Income storage income = _incomes[epoch];
        return EMISSION.shareOf(address(this), epoch).claimed + uint256(income.extra) - income.rolled;
    }

    /// @inheritdoc IMiningPool
    function incomes(uint256 epoch) external view returns (Income memory) {
        return _incomes[epoch];
    }

    /// @inheritdoc IMiningPool
    function parts(uint256 epoch, bytes32 id) external view returns (Part memory) {
        return _parts[epoch][id];
    }

    /// @inheritdoc IMiningPool
    function dueOf(uint256 epoch, bytes32 id) public view returns (uint256) {
        Part storage part = _parts[epoch][id];
        if (part.time == 0) return 0;
        (, uint256 total) = _split(epoch);
        uint256 income = incomeOf(epoch);
        return Math.mulDiv(income - _feeOf(income), part.time, total) - part.paid;
    }

    // --------------------------------------------------------------------------------------------- internal

    function _epoch() private view returns (uint256) {
        return EMISSION.epochAt(block.timestamp);
    }

    /// @dev The epoch's split, which must be there.
    function _split(uint256 epoch) private view returns (bytes32 root, uint256 total) {
        (root, total) = EMISSION.splitOf(address(this), epoch);
        if (total == 0) revert NoSplit();
    }

    function _feeOf(uint256 income) private view returns (uint256) {
        return income * feeBps / BPS;
    }

    /// @inheritdoc PoolStakes
    function _isToBeWeighed() internal view override returns (bool) {
        uint256 epoch = _epoch();
        // slither-disable-next-line incorrect-equality
        if (epoch == 0 || block.timestamp >= EMISSION.endOf(epoch - 1) + 2 * EMISSION.WINDOW()) return false;
        return !EMISSION.shareOf(address(this), epoch - 1).weighed;
    }

    /// @dev Whether it is the second half of the time in which the last epoch's fees are recorded.
    function _isRecordingLate() private view returns (bool) {
        uint256 epoch = _epoch();
        // slither-disable-next-line incorrect-equality
        if (epoch == 0) return false;
        uint256 since = block.timestamp - EMISSION.endOf(epoch - 1);
        return since >= EMISSION.WINDOW() / 2 && since < EMISSION.WINDOW();
    }
}
