//! Quote: where a job would go now, and at what price. An answer, not an object: nothing of it is stored.

use eai_core::money::Amount;
use serde::{Deserialize, Serialize};

/// Where a job would go now, and at what price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// `artifacts.eai.network/v1alpha1`.
    pub api_version: String,
    /// `Quote`.
    pub kind: String,
    /// Where it would go; none if it would have to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// In a word, why it would wait; `Placed` if it wouldn't.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// What each member asks, or why it doesn't take the job; those that take it first, cheapest first.
    pub members: Vec<Answer>,
}

/// Where a job would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The member.
    pub member: String,
    /// The class it would be billed in.
    pub class: String,
    /// EAI per unit-hour.
    pub rate: Amount,
    /// Thousandths of a unit that it would hold while it runs.
    pub milli_units: u64,
    /// What an hour of running would cost.
    pub hourly: Amount,
    /// What it would cost at most, if it ran for maxDurationSeconds and were never paused; the budget, if that is less.
    pub at_most: Amount,
    /// What its lease would hold at first.
    pub hold: Amount,
    /// Seconds within which the member promises to run it.
    pub start_within: u32,
}

/// What a member says to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The member.
    pub member: String,
    /// EAI per unit-hour, if it takes the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Amount>,
    /// Why it doesn't, if it doesn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}
