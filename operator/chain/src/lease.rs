//! Leases: their terms, what is asked of the chain about them, and what it answers.

use alloy::{primitives::keccak256, sol_types::SolValue as _};
use eai_core::{address::Address, epoch::Epoch, metering::MilliUnits, money::Amount, offer::SignedOffer};

use crate::{
    bindings::IEscrow,
    convert,
    error::LedgerError,
    ids::{JobId, LeaseId, NamespaceId, TxHash},
    refusal::Refusal,
};

/// The latest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its time in Unix seconds: the chain's clock.
    pub time: u64,
}

/// What never changes in a lease. Its hash is the lease's id, so whoever knows the terms knows the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// Whose account the hold comes from and the refund returns to.
    pub payer: Address,
    /// Whose account is paid.
    pub provider: Address,
    /// The hub that opened it; its key signs the vouchers.
    pub hub_key: Address,
    /// The namespace that the payer authorised the hub for.
    pub namespace: NamespaceId,
    /// The job.
    pub job: JobId,
    /// The attempt at the job.
    pub epoch: Epoch,
    /// EAI per unit-hour.
    pub rate: Amount,
    /// How much is leased.
    pub units: MilliUnits,
}

impl LeaseTerms {
    /// The lease's id, as Escrow's `leaseIdOf` computes it.
    pub fn id(&self) -> LeaseId {
        keccak256(self.to_sol().abi_encode()).into()
    }

    pub(crate) fn from_sol(terms: &IEscrow::LeaseTerms) -> Result<Self, LedgerError> {
        Ok(Self {
            payer: convert::from_address(terms.payer),
            provider: convert::from_address(terms.provider),
            hub_key: convert::from_address(terms.hubKey),
            namespace: terms.namespaceId.into(),
            job: terms.jobId.into(),
            epoch: Epoch { generation: terms.generation, attempt: terms.attempt },
            rate: convert::amount(terms.rate)?,
            units: MilliUnits(terms.milliUnits),
        })
    }

    pub(crate) fn to_sol(&self) -> IEscrow::LeaseTerms {
        IEscrow::LeaseTerms {
            payer: convert::to_address(self.payer),
            provider: convert::to_address(self.provider),
            hubKey: convert::to_address(self.hub_key),
            namespaceId: self.namespace.into(),
            jobId: self.job.into(),
            generation: self.epoch.generation,
            attempt: self.epoch.attempt,
            rate: convert::to_word(self.rate),
            milliUnits: self.units.0,
        }
    }
}

/// A lease to open. The hub key is the ledger's own and the provider is the offer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Whose account pays.
    pub payer: Address,
    /// The namespace that the payer authorised the hub for.
    pub namespace: NamespaceId,
    /// The job.
    pub job: JobId,
    /// The attempt at the job.
    pub epoch: Epoch,
    /// EAI per unit-hour; at most the offer's and the authorisation's.
    pub rate: Amount,
    /// How much is leased.
    pub units: MilliUnits,
    /// What to move out of the payer's account into the lease.
    pub hold: Amount,
    /// The last second (Unix, of the chain's clock) at which the lease may be opened. A transaction that lies about for
    /// longer opens nothing.
    pub open_by: u64,
    /// The provider's offer that it is opened under.
    pub offer: SignedOffer,
}

impl OpenRequest {
    /// The terms of the lease that this opens when `hub_key` asks for it.
    pub fn terms(&self, hub_key: Address) -> LeaseTerms {
        LeaseTerms {
            payer: self.payer,
            provider: self.offer.offer.provider,
            hub_key,
            namespace: self.namespace,
            job: self.job,
            epoch: self.epoch,
            rate: self.rate,
            units: self.units,
        }
    }

    pub(crate) fn to_sol(&self) -> IEscrow::LeaseRequest {
        IEscrow::LeaseRequest {
            payer: convert::to_address(self.payer),
            namespaceId: self.namespace.into(),
            jobId: self.job.into(),
            generation: self.epoch.generation,
            attempt: self.epoch.attempt,
            rate: convert::to_word(self.rate),
            milliUnits: self.units.0,
            hold: convert::to_word(self.hold),
            openBy: self.open_by,
        }
    }
}

/// Money to add to an open lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUp {
    /// The lease.
    pub terms: LeaseTerms,
    /// What the lease is to have held in all afterwards ([`LeaseView::hold`]). A total rather than a difference, so that
    /// asking twice adds once.
    pub hold: Amount,
}

/// What became of one [`OpenRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenOutcome {
    /// The lease is open, by this call or by an earlier one.
    Opened(Opened),
    /// It isn't.
    Skipped(Skipped),
}

/// A lease that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The lease.
    pub lease: LeaseId,
    /// The transaction that opened it; `None` if an earlier call did and the node doesn't find it any more.
    pub tx: Option<TxHash>,
    /// When, in Unix seconds of the chain's clock.
    pub opened_at: u64,
    /// What it holds or held in all.
    pub hold: Amount,
}

/// An item of a batch that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The lease.
    pub lease: LeaseId,
    /// Why.
    pub reason: Refusal,
}

/// What became of one [`TopUp`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopUpOutcome {
    /// The lease has had `hold` in all, by this call or by an earlier one.
    ToppedUp(ToppedUp),
    /// Nothing was added.
    Skipped(Skipped),
}

/// A lease that has what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToppedUp {
    /// The lease.
    pub lease: LeaseId,
    /// The transaction; `None` if the lease had as much before.
    pub tx: Option<TxHash>,
    /// What it has held in all.
    pub hold: Amount,
}

/// What became of one voucher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettleOutcome {
    /// It was paid, or the lease was closed, by this call or by an earlier one.
    Settled(Settled),
    /// It changed nothing. [`Refusal::NothingToSettle`] is no fault: the voucher was paid before.
    Skipped(Skipped),
}

/// A lease's figures after a voucher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The lease.
    pub lease: LeaseId,
    /// The transaction; `None` if an earlier call closed the lease and the node doesn't find it any more.
    pub tx: Option<TxHash>,
    /// Paid to the provider in all, over every voucher.
    pub paid: Amount,
    /// Returned to the payer; zero while the lease is open.
    pub refunded: Amount,
    /// Whether the lease is closed.
    pub closed: bool,
}

/// Where a lease stands on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseState {
    /// Open, with money in it.
    Open,
    /// Open, all paid out; a top-up resumes it.
    Paused,
    /// Payer or provider started its closing; vouchers are still paid within the window.
    Closing,
    /// Closed: paid and refunded.
    Closed,
}

/// A lease as the chain has it. At all times `hold = paid + refunded + held`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// Where it stands.
    pub state: LeaseState,
    /// What ever went in.
    pub hold: Amount,
    /// Paid to the provider.
    pub paid: Amount,
    /// Returned to the payer.
    pub refunded: Amount,
    /// Still in it.
    pub held: Amount,
    /// When it was opened, in Unix seconds.
    pub opened_at: u64,
    /// When closing was started, in Unix seconds; `None` if it wasn't, or if the lease is closed.
    pub closing_at: Option<u64>,
}

impl LeaseView {
    pub(crate) fn from_sol(lease: &IEscrow::Lease) -> Result<Option<Self>, LedgerError> {
        let state = match lease.state {
            IEscrow::LeaseState::None => return Ok(None),
            IEscrow::LeaseState::Open => LeaseState::Open,
            IEscrow::LeaseState::Paused => LeaseState::Paused,
            IEscrow::LeaseState::Closing => LeaseState::Closing,
            IEscrow::LeaseState::Closed => LeaseState::Closed,
            IEscrow::LeaseState::__Invalid => {
                return Err(LedgerError::BadAnswer("a lease in no known state".to_owned()));
            }
        };
        Ok(Some(Self {
            state,
            hold: convert::amount(lease.hold)?,
            paid: convert::amount(lease.paid)?,
            refunded: convert::amount(lease.refunded)?,
            held: convert::amount(lease.held)?,
            opened_at: lease.openedAt,
            closing_at: (lease.closingAt != 0).then_some(lease.closingAt),
        }))
    }
}

/// What a payer allows a hub key to do for one namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    /// What may be in leases or spent, all in all.
    pub cap: Amount,
    /// What is in leases or spent.
    pub used: Amount,
    /// The highest rate at which a lease may be opened, in EAI per unit-hour.
    pub max_rate: Amount,
    /// The first Unix second at which it no longer holds; 0 if there is none.
    pub expiry: u64,
}

impl Authorization {
    /// What may still be put into leases at `now` (Unix seconds of the chain's clock).
    pub fn left(&self, now: u64) -> Amount {
        if now < self.expiry { self.cap.saturating_sub(self.used) } else { Amount::ZERO }
    }
}
