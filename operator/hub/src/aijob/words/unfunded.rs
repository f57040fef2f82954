//! Why a payer can't pay, in words.

use eai_chain::Refusal;
use eai_core::{address::Address, money::Amount};

use super::super::build::rules::LEAST_RUN_MS;

/// Why a payer can't pay for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields say what they are; the words are in words()")]
pub enum Unfunded {
    /// Too little is free.
    Balance { needed: Amount, free: Amount },
    /// Nothing is authorised.
    NotAuthorised,
    /// The authorisation is over.
    Expired,
    /// The authorisation's cap would be passed.
    Cap { needed: Amount, left: Amount },
    /// The authorisation allows no such rate.
    Rate { asked: Amount, allowed: Amount },
    /// The job's own budget is spent on earlier attempts.
    Budget { budget: Amount },
    /// What is left of the job's own budget buys no useful run.
    BudgetTooSmall { left: Amount, least: Amount },
}

impl Unfunded {
    /// One word.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Balance { .. } => "InsufficientFunds",
            Self::NotAuthorised => "NotAuthorised",
            Self::Expired => "AuthorisationExpired",
            Self::Cap { .. } => "CapExceeded",
            Self::Rate { .. } => "RateAboveAuthorisation",
            Self::Budget { .. } => "BudgetReached",
            Self::BudgetTooSmall { .. } => "BudgetTooSmall",
        }
    }

    pub(super) fn words(self, payer: Address, namespace: &str) -> String {
        let authorize = format!("kubectl eai authorize -n {namespace} --cap AMOUNT --max-rate RATE");
        match self {
            Self::Balance { needed, free } => format!(
                "The job needs a hold of {needed} EAI and {payer} has {free} free in the escrow; run `kubectl eai deposit AMOUNT` as {payer}, or wait for refunds."
            ),
            Self::NotAuthorised => format!(
                "{payer} hasn't authorised this hub for namespace {namespace} as it is now (an authorisation isn't inherited by a namespace made again); run `{authorize}` as {payer}."
            ),
            Self::Expired => {
                format!("{payer}'s authorisation for namespace {namespace} has expired; run `{authorize}` as {payer}.")
            }
            Self::Cap { needed, left } => format!(
                "The job needs a hold of {needed} EAI and {payer}'s authorisation for namespace {namespace} has {left} left; run `{authorize}` with a higher cap as {payer}, or wait for refunds."
            ),
            Self::Rate { asked, allowed } => format!(
                "The cheapest member that fits asks {asked} EAI per unit-hour and {payer} allows {allowed} for namespace {namespace}; run `{authorize}` with a higher rate as {payer}, or wait for a cheaper member."
            ),
            Self::Budget { budget } => {
                format!("The budget of {budget} EAI was spent on earlier attempts; raise spec.budget to go on.")
            }
            Self::BudgetTooSmall { left, least } => format!(
                "The budget has {left} EAI left, which is too little to run for {} s at the price of a member that fits; \
                 raise spec.budget so that {least} EAI or more are left.",
                LEAST_RUN_MS / 1000
            ),
        }
    }
}

/// The reason's word, in this project's spelling, when the chain is the one that refuses.
pub(super) fn refusal_reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::InsufficientBalance => "InsufficientFunds",
        Refusal::NotAuthorized => "NotAuthorised",
        Refusal::AuthorizationExpired => "AuthorisationExpired",
        Refusal::RateAboveAuthorization => "RateAboveAuthorisation",
        Refusal::CapExceeded => "CapExceeded",
        Refusal::OpenByPassed => "OpenByPassed",
        Refusal::OfferExpired => "OfferExpired",
        Refusal::OfferCancelled => "OfferCancelled",
        Refusal::RateAboveOffer => "RateAboveOffer",
        Refusal::BadSignature => "BadSignature",
        _ => "LeaseRefused",
    }
}
