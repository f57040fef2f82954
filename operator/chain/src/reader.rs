//! What can be asked of the Escrow without a key.

use std::{collections::BTreeSet, sync::Arc};

use alloy::{
    eips::BlockId,
    primitives::{B256, Bytes},
    rpc::types::{Filter, Log},
    sol_types::{SolCall as _, SolEvent},
};
use eai_core::{address::Address, metering::UsageMs, money::Amount, offer::SignedOffer};

use crate::{
    bindings::{IERC1271, IEscrow, IToken},
    convert,
    eip712::{self, Domain, Signature, SignatureError},
    endpoint::Endpoint,
    error::LedgerError,
    ids::{LeaseId, NamespaceId, TxHash},
    lease::{Authorization, Head, LeaseTerms, LeaseView},
    rpc::Rpc,
};

/// Reads one Escrow. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    rpc: Arc<Rpc>,
}

/// An authorisation and who it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The hub that may open leases.
    pub hub_key: Address,
    /// For this namespace of the hub.
    pub namespace: NamespaceId,
    /// What it may do. A revoked one has only `used` left.
    pub authorization: Authorization,
}

/// How a lease began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its terms.
    pub terms: LeaseTerms,
    /// What it held at first.
    pub hold: Amount,
    /// The transaction that opened it.
    pub tx: TxHash,
    /// The block it is in.
    pub block: u64,
}

/// A payment to a provider's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earning {
    /// The lease that paid.
    pub lease: LeaseId,
    /// What this payment brought.
    pub amount: Amount,
    /// What the lease has paid in all, this payment included.
    pub paid: Amount,
    /// What the hub says was used in all; at most `u64::MAX`, though a hub may state more.
    pub usage: UsageMs,
    /// The transaction.
    pub tx: TxHash,
    /// The block it is in.
    pub block: u64,
}

impl Reader {
    /// Prepares a connection. Nothing is sent, so the chain may be away.
    pub fn new(endpoint: Endpoint) -> Result<Self, LedgerError> {
        Ok(Self { rpc: Arc::new(Rpc::new(endpoint)?) })
    }

    pub(crate) const fn rpc(&self) -> &Arc<Rpc> {
        &self.rpc
    }

    /// What signatures must be made for.
    pub fn domain(&self) -> Domain {
        self.rpc.endpoint().domain()
    }

    fn escrow(&self) -> Address {
        self.rpc.endpoint().escrow
    }

    /// The latest block.
    pub async fn head(&self) -> Result<Head, LedgerError> {
        self.rpc.ready().await?;
        self.rpc.head().await
    }

    /// The token that the Escrow holds.
    pub async fn token(&self) -> Result<Address, LedgerError> {
        Ok(convert::from_address(self.rpc.call(self.escrow(), &IEscrow::TOKENCall {}).await?))
    }

    /// For how many seconds work still accrues in a lease once its closing was started.
    pub(crate) async fn closing_notice(&self) -> Result<u64, LedgerError> {
        let notice = self.rpc.call(self.escrow(), &IEscrow::CLOSING_NOTICECall {}).await?;
        u64::try_from(notice).map_err(|_| LedgerError::BadAnswer(format!("a closing notice of {notice} seconds")))
    }

    /// What `account` has of the chain's own coin, for gas, in wei of that coin.
    pub async fn gas_money(&self, account: Address) -> Result<u128, LedgerError> {
        self.rpc.ready().await?;
        self.rpc.coin_balance(account).await
    }

    /// The free balance of `account` in the Escrow.
    pub async fn balance(&self, account: Address) -> Result<Amount, LedgerError> {
        let call = IEscrow::balanceOfCall { account: convert::to_address(account) };
        convert::amount(self.rpc.call(self.escrow(), &call).await?)
    }

    /// What `account` has of EAI outside the Escrow.
    pub async fn token_balance(&self, account: Address) -> Result<Amount, LedgerError> {
        let call = IToken::balanceOfCall { account: convert::to_address(account) };
        convert::amount(self.rpc.call(self.token().await?, &call).await?)
    }

    /// What `payer` allows `hub_key` for `namespace`; all zero if nothing.
    pub async fn authorization(
        &self,
        payer: Address,
        hub_key: Address,
        namespace: NamespaceId,
    ) -> Result<Authorization, LedgerError> {
        let call = IEscrow::authorizationCall {
            payer: convert::to_address(payer),
            hubKey: convert::to_address(hub_key),
            namespaceId: namespace.into(),
        };
        let answer = self.rpc.call(self.escrow(), &call).await?;
        Ok(Authorization {
            cap: convert::amount(answer.cap)?,
            used: convert::amount(answer.used)?,
            max_rate: convert::amount(answer.maxRate)?,
            expiry: answer.expiry,
        })
    }

    /// Every authorisation that `payer` ever gave, as it stands now.
    pub async fn authorizations(&self, payer: Address) -> Result<Vec<Grant>, LedgerError> {
        let filter = Filter::new().event_signature(IEscrow::Authorized::SIGNATURE_HASH).topic1(word(payer));
        let mut given = BTreeSet::new();
        for log in self.rpc.logs(filter).await? {
            let event = decode::<IEscrow::Authorized>(&log)?;
            given.insert((convert::from_address(event.hubKey), NamespaceId::from(event.namespaceId)));
        }
        let mut grants = Vec::with_capacity(given.len());
        for (hub_key, namespace) in given {
            let authorization = self.authorization(payer, hub_key, namespace).await?;
            grants.push(Grant { hub_key, namespace, authorization });
        }
        Ok(grants)
    }

    /// The nonce that offers of `provider` must bear.
    pub async fn offer_nonce(&self, provider: Address) -> Result<u64, LedgerError> {
        self.rpc.call(self.escrow(), &IEscrow::offerNonceCall { provider: convert::to_address(provider) }).await
    }

    /// Whether the provider signed this offer, by key or, for a contract, by ERC-1271. Says nothing of its expiry and
    /// nonce.
    pub async fn accepts_offer(&self, offer: &SignedOffer) -> Result<bool, LedgerError> {
        match eip712::verify_offer(offer, self.domain()) {
            Ok(()) => return Ok(true),
            Err(SignatureError::Malformed) if offer.signature.parse::<Signature>().is_err() => return Ok(false),
            Err(_) => {}
        }
        let Ok(signature) = offer.signature.parse::<Signature>() else { return Ok(false) };
        let hash = B256::from(self.domain().offer_digest(&offer.offer));
        let call = IERC1271::isValidSignatureCall { hash, signature: Bytes::copy_from_slice(&signature.0) };
        match self.rpc.call(offer.offer.provider, &call).await {
            Ok(answer) => Ok(answer == IERC1271::isValidSignatureCall::SELECTOR),
            Err(error) if error.is_transient() => Err(error),
            // No contract, or one that refuses.
            Err(_) => Ok(false),
        }
    }

    /// Where the lease stands; `None` if it was never opened.
    pub async fn lease(&self, lease: LeaseId) -> Result<Option<LeaseView>, LedgerError> {
        self.lease_at(lease, BlockId::latest()).await
    }

    pub(crate) async fn lease_at(&self, lease: LeaseId, block: BlockId) -> Result<Option<LeaseView>, LedgerError> {
        let call = IEscrow::leaseCall { leaseId: lease.into() };
        LeaseView::from_sol(&self.rpc.call_at(self.escrow(), &call, block).await?)
    }

    /// How the lease began; `None` if it never did, or if the node keeps no events from then.
    pub async fn opening(&self, lease: LeaseId) -> Result<Option<Opening>, LedgerError> {
        let filter = Filter::new().event_signature(IEscrow::LeaseOpened::SIGNATURE_HASH).topic1(B256::from(lease));
        let logs = self.rpc.logs(filter).await?;
        logs.first().map(Opening::from_log).transpose()
    }

    /// Every lease that was opened in the blocks `first` to `last`, whoever the hub, oldest first. Ask for a few thousand
    /// blocks at a time.
    pub async fn openings(&self, first: u64, last: u64) -> Result<Vec<Opening>, LedgerError> {
        let filter = Filter::new().event_signature(IEscrow::LeaseOpened::SIGNATURE_HASH);
        self.rpc.logs_in(filter, first, last).await?.iter().map(Opening::from_log).collect()
    }

    /// The transaction that closed the lease; `None` if none did, or if the node keeps no events from then.
    pub async fn closing_tx(&self, lease: LeaseId) -> Result<Option<TxHash>, LedgerError> {
        let filter = Filter::new().event_signature(IEscrow::LeaseClosed::SIGNATURE_HASH).topic1(B256::from(lease));
        self.rpc.logs(filter).await?.first().map(|log| place(log).map(|(tx, _)| tx)).transpose()
    }

    /// Every payment that `provider` got, oldest first.
    pub async fn earnings(&self, provider: Address) -> Result<Vec<Earning>, LedgerError> {
        let filter = Filter::new().event_signature(IEscrow::Settled::SIGNATURE_HASH).topic2(word(provider));
        self.rpc.logs(filter).await?.iter().map(Earning::from_log).collect()
    }
}

impl Opening {
    fn from_log(log: &Log) -> Result<Self, LedgerError> {
        let event = decode::<IEscrow::LeaseOpened>(log)?;
        let (tx, block) = place(log)?;
        let terms = LeaseTerms::from_sol(&event.terms)?;
        Ok(Self { terms, hold: convert::amount(event.hold)?, tx, block })
    }
}

impl Earning {
    fn from_log(log: &Log) -> Result<Self, LedgerError> {
        let event = decode::<IEscrow::Settled>(log)?;
        let (tx, block) = place(log)?;
        Ok(Self {
            lease: event.leaseId.into(),
            amount: convert::amount(event.amount)?,
            paid: convert::amount(event.cumulativePaid)?,
            // A hub's own claim, which no rule of the contract bounds; money doesn't depend on it.
            usage: UsageMs(event.cumulativeUsageMs.saturating_to()),
            tx,
            block,
        })
    }
}

fn word(address: Address) -> B256 {
    convert::to_address(address).into_word()
}

fn decode<E: SolEvent>(log: &Log) -> Result<E, LedgerError> {
    E::decode_log(&log.inner)
        .map(|event| event.data)
        .map_err(|_| LedgerError::BadAnswer(format!("an event that isn't {}", E::SIGNATURE)))
}

fn place(log: &Log) -> Result<(TxHash, u64), LedgerError> {
    match (log.transaction_hash, log.block_number) {
        (Some(tx), Some(block)) => Ok((tx.into(), block)),
        _ => Err(LedgerError::BadAnswer("an event without its transaction".to_owned())),
    }
}
