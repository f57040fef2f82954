// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title IDataRegistry
/// @notice Who lent which data to whom, on which node, with which image, and what was done with it: an append-only log whose
/// root anyone can recompute. Behind each lease stands a bond that a proven leak forfeits to the seller.
/// @dev The data itself, its keys and the payment are elsewhere: only hashes and bonds are here. Amounts are wei of EAI, times
/// unix seconds. Merkle trees hash their pairs sorted, as OpenZeppelin's MerkleProof does.
interface IDataRegistry {
    // ------------------------------------------------------------------------------------------------ types

    /// @notice What it is deployed with. No time is zero or longer than a year.
    /// @param token EAI.
    /// @param registry Nodes and verifiers.
    /// @param bond What opening a case takes; an appeal takes twice that.
    /// @param fee The least that a verification costs.
    /// @param voting Seconds in which a panel votes.
    /// @param appealing Seconds after the first jury's voting in which it can be appealed.
    /// @param claiming Seconds after a lease's end in which a case can be opened.
    /// @param maxLease The longest lease, in seconds.
    /// @param drawn Verifiers of a panel; of an appeal's, twice as many and one.
    /// @param quorum How many of them must agree; more than half. Of an appeal's, more than half.
    struct Parameters {
        address token;
        address registry;
        uint96 bond;
        uint96 fee;
        uint256 voting;
        uint256 appealing;
        uint256 claiming;
        uint256 maxLease;
        uint256 drawn;
        uint256 quorum;
    }

    /// @notice How a lease is kept from leaking; each is more than the one before.
    enum Assurance {
        L0Isolated,
        L1Sandboxed,
        L2Attested,
        L3Encrypted
    }

    /// @notice How a lease stands. An open lease ends by itself at its `until`, in whichever state.
    enum LeaseState {
        None,
        Requested,
        Open,
        Killed,
        Closed
    }

    /// @notice What somebody who looked says. That no evidence was found is the strongest thing that can be said for a node:
    /// nobody can see that nothing leaked.
    enum Finding {
        Inconclusive,
        NoEvidenceFound,
        EvidenceFound
    }

    /// @notice What is on record. `subject` is the dataset's id for the first five, the lease's for all others; `detail` is the
    /// ABI encoding of what is in brackets.
    enum Operation {
        /// (DatasetTerms terms)
        Published,
        /// (bytes32[] images)
        ImagesAllowed,
        /// (bytes32[] images)
        ImagesRemoved,
        /// (address broker)
        BrokerAppointed,
        /// ()
        Retired,
        /// (LeaseTerms terms)
        Requested,
        /// (address guarantor, uint256 bond)
        Opened,
        /// (bytes32 canaryRoot)
        CanariesCommitted,
        /// (KeyRelease release)
        KeyReleased,
        /// (bytes32 job)
        JobStarted,
        /// (uint256 number, Output output)
        OutputCommitted,
        /// (uint256 panel, uint256 number, uint256 fee)
        VerificationRequested,
        /// (uint256 panel, uint256 number, Finding finding)
        Verdict,
        /// ()
        Killed,
        /// ()
        Closed,
        /// (uint256 case, uint256 panel, bytes32 evidence, bytes32[] canaryLeaves)
        CaseOpened,
        /// (uint256 case, uint256 panel)
        Appealed,
        /// (uint256 case, bool proven, uint256 toSeller, uint256 toJurors)
        CaseDecided,
        /// (address guarantor, uint256 bond)
        BondReturned
    }

    /// @notice What a dataset is, for good: who wants other terms publishes another.
    /// @param root Merkle root of its chunks as they are stored, encrypted.
    /// @param commitment Salted hash of the plain data: without the salt nobody can try out what a small or guessable dataset
    /// holds.
    /// @param canaryRoot Merkle root of salted canaries, each a {canaryLeaf} of subject 0. It is here before anyone can lease.
    /// @param minimum The least assurance of a lease.
    /// @param leakBond What stands behind each lease.
    struct DatasetTerms {
        bytes32 root;
        bytes32 commitment;
        bytes32 canaryRoot;
        Assurance minimum;
        uint96 leakBond;
    }

    /// @notice A dataset.
    /// @param seller Who published it.
    /// @param publishedAt When.
    /// @param retired Whether it takes no new leases.
    /// @param broker Who releases its keys; nobody if zero.
    /// @param terms What it is.
    struct Dataset {
        address seller;
        uint40 publishedAt;
        bool retired;
        address broker;
        DatasetTerms terms;
    }

    /// @notice What a buyer asks for.
    /// @param dataset The dataset's id.
    /// @param node The node that works with the data: whoever runs it is root there, and could leak.
    /// @param image Digest of the one image that gets the data.
    /// @param assurance How it is kept from leaking; the dataset's minimum at least.
    /// @param until When the lease ends by itself.
    /// @param escrowLease The escrow's lease that pays for it. Not checked here: the seller's broker does, before it releases a
    /// key.
    struct LeaseTerms {
        bytes32 dataset;
        address node;
        bytes32 image;
        Assurance assurance;
        uint40 until;
        bytes32 escrowLease;
    }

    /// @notice A lease of data.
    /// @param state How it stands.
    /// @param keyReleased Whether a key was ever released for it.
    /// @param endedAt When it was killed or closed; 0 if it wasn't.
    /// @param jobs How many jobs were started.
    /// @param outputs How many outputs were committed to.
    /// @param buyer Who asked for it.
    /// @param guarantor Whose bond stands behind it: the node or its owner.
    /// @param bond What is held; 0 once it was returned or forfeited.
    /// @param openCase The case that is open, if one is.
    /// @param canaryRoot Merkle root of canaries unique to this lease, each a {canaryLeaf} of its id; 0 if none.
    /// @param terms What the buyer asked for.
    struct Lease {
        LeaseState state;
        bool keyReleased;
        uint40 endedAt;
        uint32 jobs;
        uint32 outputs;
        address buyer;
        address guarantor;
        uint96 bond;
        uint64 openCase;
        bytes32 canaryRoot;
        LeaseTerms terms;
    }

    /// @notice What a broker says when it releases a key.
    /// @param node The node it is for; must be the lease's.
    /// @param image The image it is for; must be the lease's.
    /// @param policy Hash of the policy under which the broker checked the node.
    /// @param nodeKey Hash of the node's public key, to which the key was sealed.
    /// @param nonce Never used before with this lease.
    struct KeyRelease {
        address node;
        bytes32 image;
        bytes32 policy;
        bytes32 nodeKey;
        bytes32 nonce;
    }

    /// @notice What a job put out.
    /// @param root Merkle root of its encrypted chunks.
    /// @param kind Hash of the declared media type.
    /// @param size Bytes.
    struct Output {
        bytes32 root;
        bytes32 kind;
        uint64 size;
    }

    /// @notice A verification of an output.
    /// @param lease The lease.
    /// @param number Which of its outputs.
    /// @param fee What the seller paid for it.
    /// @param concluded Whether the verdict is on record.
    /// @param finding The verdict.
    struct Verification {
        bytes32 lease;
        uint32 number;
        uint96 fee;
        bool concluded;
        Finding finding;
    }

    /// @notice Verifiers drawn by lot.
    /// @param lease The lease that it is about.
    /// @param beganAt When it was convened.
    /// @param drawBlock The block whose hash draws it.
    /// @param size How many are drawn.
    /// @param quorum How many must agree; more than half.
    /// @param drawn Whether it was drawn.
    /// @param none How many found no evidence.
    /// @param found How many found evidence.
    struct Panel {
        bytes32 lease;
        uint40 beganAt;
        uint64 drawBlock;
        uint8 size;
        uint8 quorum;
        bool drawn;
        uint8 none;
        uint8 found;
    }

    /// @notice A seat on a panel.
    /// @param juror Who was drawn.
    /// @param finding What it said; Inconclusive until it voted.
    struct Seat {
        address juror;
        Finding finding;
    }

    /// @notice A canary as it is opened.
    /// @param ofLease Whether it is in the lease's commitment; in the dataset's otherwise.
    /// @param salt Its salt.
    /// @param value What was put into the data.
    /// @param proof From its leaf to the root.
    struct Canary {
        bool ofLease;
        bytes32 salt;
        bytes value;
        bytes32[] proof;
    }

    /// @notice A case: the seller says that a lease leaked.
    /// @param lease The lease.
    /// @param closed Whether it was decided.
    /// @param appellant Who appealed; zero if nobody.
    /// @param first The first jury.
    /// @param second The jury of the appeal; 0 if there was none.
    /// @param evidence Hash of what the jury is to look at.
    struct Case {
        bytes32 lease;
        bool closed;
        address appellant;
        uint64 first;
        uint64 second;
        bytes32 evidence;
    }

    // ----------------------------------------------------------------------------------------------- events

    /// @notice An entry of the log. Its leaf is {leafOf}; `index` counts from 0 without a gap.
    event Logged(
        uint256 indexed index,
        Operation indexed operation,
        bytes32 indexed subject,
        address actor,
        uint256 time,
        bytes detail
    );
    /// @notice A canary was opened in a case, and is burned.
    event CanaryOpened(uint256 indexed id, bytes32 indexed leaf, bool ofLease, bytes32 salt, bytes value);
    /// @notice A panel was convened about `lease`.
    event Convened(uint256 indexed panel, bytes32 indexed lease, uint256 size, uint256 quorum);
    /// @notice A panel was drawn by `seed`; a juror's seat is its place in the list.
    event Drawn(uint256 indexed panel, bytes32 seed, address[] jurors);
    /// @notice A juror voted. `report` is the hash of its reasons.
    event Voted(uint256 indexed panel, address indexed juror, Finding finding, bytes32 report);
    /// @notice `amount` is `account`'s to withdraw.
    event Credited(address indexed account, uint256 amount);
    /// @notice `account` had what it was owed sent to `to`.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    // ----------------------------------------------------------------------------------------------- errors

    /// @notice A parameter of the deployment makes no sense.
    error BadParameter();
    /// @notice A zero address.
    error ZeroAddress();
    /// @notice The token moved another amount than asked.
    error TransferMismatch();
    /// @notice Nothing to withdraw.
    error NothingOwed();
    /// @notice A dataset without root, commitment, canaries or bond.
    error BadTerms();
    /// @notice The dataset, or the lease, was there before.
    error Exists();
    /// @notice There is no such dataset.
    error NoDataset();
    /// @notice The caller isn't the dataset's seller.
    error NotSeller();
    /// @notice No images, or too many in one call.
    error BadImages();
    /// @notice The dataset takes no new leases.
    error DatasetRetired();
    /// @notice The image isn't allowed, or isn't the lease's.
    error WrongImage();
    /// @notice Less assurance than the dataset demands.
    error TooLittleAssurance();
    /// @notice The lease would end too late, or is over.
    error BadTime();
    /// @notice The lease isn't in the state for this.
    error WrongState();
    /// @notice Not a node of the registry, or one that left.
    error NotRegistered();
    /// @notice Only the node or its owner.
    error NotNode();
    /// @notice The key isn't for this node.
    error WrongNode();
    /// @notice Only the dataset's broker.
    error NotBroker();
    /// @notice The nonce was used.
    error NonceUsed();
    /// @notice The canaries are committed to, the key was released, or the root is zero.
    error TooLateForCanaries();
    /// @notice No key was released: there is nothing to work with, and nothing to leak.
    error NoKey();
    /// @notice No job was started.
    error NoJob();
    /// @notice There is no such output.
    error NoOutput();
    /// @notice A root of zero.
    error BadOutput();
    /// @notice The fee is too small, or too large to count.
    error BadFee();
    /// @notice The caller has no part in the lease that lets it do this.
    error NotParty();
    /// @notice The claim window is over, or not yet.
    error WrongTime();
    /// @notice A case about the lease is open.
    error CaseIsOpen();
    /// @notice There is no such case or verification, or it is closed.
    error NoCase();
    /// @notice Not the time of the panel for this.
    error WrongPhase();
    /// @notice No canaries, or too many.
    error BadCanaries();
    /// @notice The canary isn't in the commitment.
    error NotCommitted();
    /// @notice The canary was opened before.
    error Burned(bytes32 leaf);
    /// @notice The panel was drawn already, or its block's hash isn't to be had yet.
    error CannotDraw();
    /// @notice The caller doesn't sit there.
    error NotDrawn();
    /// @notice The caller voted before.
    error AlreadyVoted();
    /// @notice A vote must find something or nothing.
    error BadVote();

    // --------------------------------------------------------------------------------------------- datasets

    /// @notice Publishes a dataset of the caller.
    /// @param broker Who releases its keys.
    /// @param images Digests of the images that may work with it.
    /// @return id {datasetId} of the caller and the terms.
    function publish(DatasetTerms calldata terms, address broker, bytes32[] calldata images)
        external
        returns (bytes32 id);

    /// @notice Allows images.
    function allowImages(bytes32 dataset, bytes32[] calldata images) external;

    /// @notice Takes images off the list: no new lease with them. Leases that are open go on; {kill} ends one.
    function removeImages(bytes32 dataset, bytes32[] calldata images) external;

    /// @notice Names who releases keys from now on, for leases that are open too. Nobody does if it is zero.
    function appointBroker(bytes32 dataset, address broker) external;

    /// @notice Ends new leases for good.
    function retire(bytes32 dataset) external;

    // ----------------------------------------------------------------------------------------------- leases

    /// @notice Asks for a lease, as its buyer. It is open once the node's side stands for it.
    /// @return id {leaseId} of the caller and the terms.
    function requestLease(LeaseTerms calldata terms) external returns (bytes32 id);

    /// @notice Stands for a lease and opens it, as its node or the node's owner. Takes the dataset's leak bond.
    function openLease(bytes32 id) external;

    /// @notice Commits to canaries unique to the lease: once, and before a key is released.
    function commitCanaries(bytes32 id, bytes32 canaryRoot) external;

    /// @notice Puts on record that a key was released.
    function releaseKey(bytes32 id, KeyRelease calldata release) external;

    /// @notice Puts on record that the node started a job.
    function startJob(bytes32 id, bytes32 job) external;

    /// @notice Puts on record what a job put out.
    /// @return number The output's, from 0.
    function commitOutput(bytes32 id, Output calldata output) external returns (uint256 number);

    /// @notice Ends a lease at once, or takes back a request, as seller or buyer. No key is released for it any more.
    function kill(bytes32 id) external;

    /// @notice Ends a lease as its buyer or the node's side; once its time is over, anyone may.
    function close(bytes32 id) external;

    /// @notice Credits the bond to whom it was taken from, after the claim window, or after the lease's end if no key was ever
    /// released. Anyone may. Only an open case holds it back.
    function returnBond(bytes32 id) external;

    // ---------------------------------------------------------------------------------------- verifications

    /// @notice Has drawn verifiers look at an output, for `fee`, {FEE} at least, which is taken from the seller.
    function requestVerification(bytes32 id, uint256 number, uint256 fee) external returns (uint256 panel);

    /// @notice Puts the verdict on record once voting is over, and pays those who saw it so. Without a quorum, the fee returns
    /// to the seller. Anyone may.
    function conclude(uint256 panel) external;

    // ----------------------------------------------------------------------------------------------- leaks

    /// @notice Says that a lease leaked, as its seller: opens canaries that were found outside. Takes {BOND}. Until the claim
    /// window ends.
    /// @param evidence Hash of what the jury is to look at.
    function openCase(bytes32 id, bytes32 evidence, Canary[] calldata canaries) external returns (uint256 caseId);

    /// @notice Appeals the first verdict, as seller or the node's side, for twice {BOND}.
    function appeal(uint256 caseId) external;

    /// @notice Carries out the verdict once it can't be appealed any more. Anyone may.
    function decide(uint256 caseId) external;

    // ---------------------------------------------------------------------------------------------- panels

    /// @notice Draws a panel, two blocks after it was convened. Anyone may. If nobody did for 256 blocks, a new block is
    /// appointed instead.
    function drawPanel(uint256 panel) external;

    /// @notice Votes from a seat. In a case, evidence found means that the leak is proven.
    /// @param report Hash of the juror's reasons.
    function vote(uint256 panel, uint256 seat, Finding finding, bytes32 report) external;

    /// @notice Sends what is owed to the caller.
    function withdraw(address to) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice A dataset.
    function datasets(bytes32 id) external view returns (Dataset memory);

    /// @notice A lease.
    function leases(bytes32 id) external view returns (Lease memory);

    /// @notice A verification, by its panel.
    function verifications(uint256 panel) external view returns (Verification memory);

    /// @notice A case.
    function cases(uint256 caseId) external view returns (Case memory);

    /// @notice A panel.
    function panels(uint256 panel) external view returns (Panel memory);

    /// @notice A panel's seats; none until it is drawn.
    function seats(uint256 panel) external view returns (Seat[] memory);

    /// @notice What a panel finds as the votes stand.
    function findingOf(uint256 panel) external view returns (Finding);

    /// @notice Whether new leases of the dataset may use the image.
    function isAllowed(bytes32 dataset, bytes32 image) external view returns (bool);

    /// @notice Whether a canary was opened.
    function isBurned(bytes32 leaf) external view returns (bool);

    /// @notice Until when a case about the lease can be opened, as things stand; its bond returns after.
    function claimableUntil(bytes32 id) external view returns (uint256);

    /// @notice What `account` can withdraw.
    function owed(address account) external view returns (uint256);

    /// @notice The id of a dataset.
    function datasetId(address seller, DatasetTerms calldata terms) external view returns (bytes32);

    /// @notice The id of a lease.
    function leaseId(address buyer, LeaseTerms calldata terms) external view returns (bytes32);

    /// @notice The leaf of a canary: of `subject` 0 for a dataset's, of the lease's id for a lease's own. It binds chain,
    /// contract, seller and subject, so that it can be opened nowhere else and by nobody else.
    function canaryLeaf(address seller, bytes32 subject, bytes32 salt, bytes calldata value)
        external
        view
        returns (bytes32);

    /// @notice The leaf of a log entry, of what {Logged} says.
    function leafOf(
        uint256 index,
        Operation operation,
        bytes32 subject,
        address actor,
        uint256 time,
        bytes calldata detail
    ) external view returns (bytes32);

    /// @notice How many entries the log has.
    function logCount() external view returns (uint256);

    /// @notice The root of the log's Merkle tree of {LOG_DEPTH} levels; leaves that aren't there yet are zero.
    function logRoot() external view returns (bytes32);
}
