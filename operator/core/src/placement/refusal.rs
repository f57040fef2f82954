//! Why a member doesn't take a job, as data; in words in one place.

use std::fmt;

use crate::{class::Class, money::Amount};

/// Why a member doesn't take a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It takes no new work.
    Closed(String),
    /// The job insists on something else.
    Constraint {
        /// The attribute, such as `region`.
        attribute: &'static str,
        /// The member's value.
        has: String,
        /// The values that would do.
        wanted: Vec<String>,
    },
    /// It sells nothing of the class.
    NotOffered(Class),
    /// Its offer has run out.
    OfferExpired(Class),
    /// It asks more than the job pays.
    Price {
        /// What it asks per unit-hour.
        asks: Amount,
        /// What the job pays at most.
        pays: Amount,
    },
    /// No sandbox without network was probed to work there.
    NoSandbox,
    /// It doesn't offer the internet.
    NoInternet,
    /// It has too little free.
    Short(Shortage),
}

/// What is missing, over the whole gang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// What there is too little of: a resource's name, `cpu`, `memory`, or `room` when each is there but not together.
    pub resource: String,
    /// How much is free.
    pub free: u64,
    /// How much there is in all, where that is known.
    pub total: Option<u64>,
    /// How much the job needs.
    pub needed: u64,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(why) => f.write_str(why),
            Self::Constraint { attribute, has, wanted } => {
                write!(f, "its {attribute} is {has:?}, the job wants {}", wanted.join(" or "))
            }
            Self::NotOffered(class) => write!(f, "offers no {class}"),
            Self::OfferExpired(class) => write!(f, "its offer for {class} has expired"),
            Self::Price { asks, pays } => write!(f, "asks {asks} EAI per unit-hour, the job pays at most {pays}"),
            Self::NoSandbox => f.write_str("has no probed sandbox, which network None needs"),
            Self::NoInternet => f.write_str("doesn't offer the internet"),
            Self::Short(shortage) => shortage.fmt(f),
        }
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, free, total, needed } = self;
        let unit = match resource.as_str() {
            "cpu" => "m",
            "memory" => " bytes",
            _ => "",
        };
        match (resource.as_str(), total) {
            ("room", _) => write!(f, "room for {free} of {needed} pods on its nodes as they are"),
            (_, Some(total)) => write!(f, "{free} of {total} {resource} free, {needed} needed"),
            (_, None) => write!(f, "{free}{unit} {resource} free, {needed}{unit} needed"),
        }
    }
}
