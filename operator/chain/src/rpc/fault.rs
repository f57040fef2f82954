//! What a node's errors mean.

use std::error::Error;

use alloy::{
    primitives::{Bytes, U256, hex},
    rpc::json_rpc::{ErrorPayload, RpcError},
    sol_types::{Revert, SolError as _, SolInterface as _},
    transports::{TransportError, TransportErrorKind},
};
use eai_core::money::Amount;

use crate::{
    bindings::{
        IHubRegistry::{GenerationOutOfRange, NoHolder},
        IToken::ITokenErrors,
    },
    convert,
    error::LedgerError,
    refusal::Refusal,
};

/// Whether the node itself answered, if only to refuse.
pub const fn is_answer(error: &TransportError) -> bool {
    matches!(error, RpcError::ErrorResp(_))
}

/// What to tell the caller about a failed request.
pub fn ledger_error(error: TransportError) -> LedgerError {
    match error {
        RpcError::ErrorResp(payload) => refused(&payload),
        RpcError::Transport(kind) => transport(&kind),
        RpcError::NullResp => LedgerError::BadAnswer("nothing where something must be".to_owned()),
        RpcError::DeserError { err, .. } => LedgerError::BadAnswer(err.to_string()),
        other => LedgerError::BadRequest(other.to_string()),
    }
}

fn refused(payload: &ErrorPayload) -> LedgerError {
    if payload.is_retry_err() {
        return LedgerError::Unreachable(payload.message.to_string());
    }
    match payload.as_revert_data() {
        Some(data) => revert(&data),
        None => LedgerError::Rejected(payload.message.to_string()),
    }
}

/// What revert data says: one of the Escrow's reasons, one of the token's, or Solidity's own text.
fn revert(data: &Bytes) -> LedgerError {
    let Some(selector) = data.first_chunk::<4>() else {
        return LedgerError::Rejected("reverted without a reason".to_owned());
    };
    if let Ok(error) = ITokenErrors::abi_decode(data) {
        return LedgerError::Rejected(token_words(&error));
    }
    if let Ok(GenerationOutOfRange { current, highest }) = GenerationOutOfRange::abi_decode(data) {
        return LedgerError::Rejected(format!(
            "the hub's generation on chain is {current}; it can be raised to {highest} at most now, and never lowered"
        ));
    }
    if NoHolder::abi_decode(data).is_ok() {
        return LedgerError::Rejected("a generation needs a holder".to_owned());
    }
    if let Ok(text) = Revert::abi_decode(data) {
        return LedgerError::Rejected(text.reason);
    }
    match Refusal::from_selector(*selector) {
        Refusal::Unknown(_) => LedgerError::Rejected(format!("reverted with {}", hex::encode_prefixed(data))),
        known => LedgerError::Refused(known),
    }
}

fn token_words(error: &ITokenErrors) -> String {
    let eai = |word: U256| convert::amount(word).unwrap_or(Amount::MAX);
    match error {
        ITokenErrors::ERC20InsufficientBalance(e) => {
            format!("{} has {} EAI, less than the {} asked for", e.sender, eai(e.balance), eai(e.needed))
        }
        ITokenErrors::ERC20InsufficientAllowance(e) => {
            format!("{} may take {} EAI, less than the {} asked for", e.spender, eai(e.allowance), eai(e.needed))
        }
        ITokenErrors::ERC20InvalidReceiver(e) => format!("{} can't receive EAI", e.receiver),
    }
}

fn transport(kind: &TransportErrorKind) -> LedgerError {
    if let Some(http) = kind.as_http_error() {
        let words = format!("HTTP status {}", http.status);
        return match http.status {
            408 | 425 | 429 | 500.. => LedgerError::Unreachable(words),
            _ => LedgerError::Rejected(format!("the RPC node answered with {words}; check the RPC URL")),
        };
    }
    LedgerError::Unreachable(innermost(kind))
}

/// The innermost cause: `connection refused`, say. The outer ones quote the URL, which may hold an access key.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        Some(e) if e.is_timeout() => "no answer in time".to_owned(),
        Some(e) if e.is_connect() => "can't connect".to_owned(),
        Some(_) => "the request failed".to_owned(),
        None => cause.to_string(),
    }
}

/// Why the node didn't take a transaction.
pub enum SendFault {
    /// It has this very transaction already.
    Known,
    /// The nonce is used up: another transaction took it, or this one is in a block.
    NonceUsed,
    /// The fee is too low, by itself or to take the place of another transaction with this nonce.
    Underpriced,
    /// The account can't pay for gas.
    NoGasMoney,
    /// Anything else.
    Other(LedgerError),
}

impl From<TransportError> for SendFault {
    fn from(error: TransportError) -> Self {
        let Some(payload) = error.as_error_resp() else { return Self::Other(ledger_error(error)) };
        // Nodes agree on no codes here, but on words: geth's, which reth, erigon and anvil repeat.
        let words = payload.message.to_ascii_lowercase();
        let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        if says(&["already known", "already imported", "known transaction"]) {
            Self::Known
        } else if says(&["nonce too low"]) {
            Self::NonceUsed
        } else if says(&["underpriced", "less than block base fee", "fee too low"]) {
            Self::Underpriced
        } else if says(&["insufficient funds"]) {
            Self::NoGasMoney
        } else {
            Self::Other(ledger_error(error))
        }
    }
}

#[cfg(test)]
mod tests;
