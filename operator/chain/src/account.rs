//! What people do with an account of their own: payers, providers, and their tools.

use alloy::{
    primitives::U256,
    sol_types::{SolCall, SolStruct as _, eip712_domain},
};
use eai_core::{address::Address, money::Amount};

use crate::{
    bindings::{IEscrow, IToken, Permit},
    convert,
    eip712::SignatureError,
    endpoint::Endpoint,
    error::LedgerError,
    ids::{NamespaceId, TxHash},
    key::Key,
    lease::LeaseTerms,
    reader::Reader,
    sender::Sender,
};

/// Seconds for which a permit may be used.
const PERMIT_SECONDS: u64 = 3600;

/// One account's own acts. Each sends one transaction, waits until it is confirmed and returns its hash.
///
/// After [`LedgerError::Unconfirmed`] look at the balance before repeating a deposit or a withdrawal: these two, unlike
/// the rest, count each time.
pub struct Account {
    reader: Reader,
    sender: Sender,
}

impl Account {
    /// Prepares a connection. Nothing is sent, so the chain may be away.
    pub fn new(endpoint: Endpoint, key: Key) -> Result<Self, LedgerError> {
        let reader = Reader::new(endpoint)?;
        let sender = Sender::new(reader.rpc().clone(), key);
        Ok(Self { reader, sender })
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.sender.key().address()
    }

    /// What can be asked.
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Moves `amount` of the account's EAI into the Escrow, under a signed permit (ERC-2612): one transaction, and no
    /// allowance is left behind.
    pub async fn deposit(&self, amount: Amount) -> Result<TxHash, LedgerError> {
        let (owner, has) = (self.address(), self.reader.token_balance(self.address()).await?);
        if has < amount {
            return Err(LedgerError::BadRequest(format!("{owner} has {has} EAI, less than the {amount} to deposit")));
        }
        let token = self.reader.token().await?;
        let nonces = IToken::noncesCall { owner: convert::to_address(owner) };
        let permit = Permit {
            owner: convert::to_address(owner),
            spender: convert::to_address(self.reader.domain().escrow),
            value: convert::to_word(amount),
            nonce: self.reader.rpc().call(token, &nonces).await?,
            deadline: U256::from(self.reader.head().await?.time.saturating_add(PERMIT_SECONDS)),
        };
        let domain = eip712_domain! {
            name: "EAI",
            version: "1",
            chain_id: self.reader.domain().chain_id,
            verifying_contract: convert::to_address(token),
        };
        let signature = self.sender.key().sign(permit.eip712_signing_hash(&domain))?;
        let (r, s, v) = signature.parts().map_err(|e: SignatureError| LedgerError::BadRequest(e.to_string()))?;
        self.send(&IEscrow::depositWithPermitCall { amount: permit.value, deadline: permit.deadline, v, r, s }).await
    }

    /// Sends `amount` of the account's free balance in the Escrow to `to`.
    pub async fn withdraw(&self, amount: Amount, to: Address) -> Result<TxHash, LedgerError> {
        self.send(&IEscrow::withdrawCall { amount: convert::to_word(amount), to: convert::to_address(to) }).await
    }

    /// Lets `hub_key` open leases for `namespace` from this account until `expiry` (Unix seconds): at most `cap` in all,
    /// at most `max_rate` EAI per unit-hour. Replaces an earlier authorisation; what that one has used keeps counting.
    pub async fn authorize(
        &self,
        hub_key: Address,
        namespace: NamespaceId,
        cap: Amount,
        max_rate: Amount,
        expiry: u64,
    ) -> Result<TxHash, LedgerError> {
        self.send(&IEscrow::authorizeCall {
            hubKey: convert::to_address(hub_key),
            namespaceId: namespace.into(),
            cap: convert::to_word(cap),
            maxRate: convert::to_word(max_rate),
            expiry,
        })
        .await
    }

    /// Stops new leases and top-ups by `hub_key` for `namespace` at once. Open leases still settle.
    pub async fn revoke(&self, hub_key: Address, namespace: NamespaceId) -> Result<TxHash, LedgerError> {
        let call = IEscrow::revokeCall { hubKey: convert::to_address(hub_key), namespaceId: namespace.into() };
        self.send(&call).await
    }

    /// Voids every standing offer of this account. Open leases run on.
    pub async fn cancel_offers(&self) -> Result<TxHash, LedgerError> {
        self.send(&IEscrow::cancelOffersCall {}).await
    }

    /// Starts the closing window of a lease that this account pays or is paid by.
    pub async fn start_closing(&self, terms: &LeaseTerms) -> Result<TxHash, LedgerError> {
        self.send(&IEscrow::startClosingCall { terms: terms.to_sol() }).await
    }

    /// Closes a lease whose closing window is over; the rest of its hold returns to the payer's account.
    pub async fn finalize(&self, terms: &LeaseTerms) -> Result<TxHash, LedgerError> {
        self.send(&IEscrow::finalizeCall { terms: terms.to_sol() }).await
    }

    async fn send<C: SolCall>(&self, call: &C) -> Result<TxHash, LedgerError> {
        Ok(self.sender.send(call.abi_encode(), 0).await?.transaction_hash.into())
    }
}
