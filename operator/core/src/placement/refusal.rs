//! Why a member doesn't take a job, as data; in words in one place.

use std::fmt;

use super::model::Assurance;
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
    /// It saw through less of its work than the job insists on, in per cent.
    Trust {
        /// What it saw through.
        has: u8,
        /// What the job insists on.
        wanted: u8,
    },
    /// What a job there can rest on is too little.
    Assurance {
        /// What it can rest on.
        has: Assurance,
        /// What the job insists on.
        wanted: Assurance,
    },
    /// It refused the job before, for this reason.
    Before(String),
    /// It has too little free.
    Short(Shortage),
}

impl Refusal {
    /// Whether the member may take the job later, though neither changes.
    pub fn passes(&self) -> bool {
        // Probes are made again and again, and trust changes with each job.
        !matches!(
            self,
            Self::Constraint { .. }
                | Self::NotOffered(_)
                | Self::Price { .. }
                | Self::Assurance { .. }
                | Self::Before(_)
        )
    }
}

/// What is missing, over the whole gang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// What there is too little of: a resource's name, `cpu`, `memory`, [`ROOM`](Self::ROOM) when each is there but not
    /// together, or [`ISLAND`](Self::ISLAND) when they are but not on one interconnect.
    pub resource: String,
    /// How much is free.
    pub free: u64,
    /// How much there is in all, where that is known.
    pub total: Option<u64>,
    /// How much the job needs.
    pub needed: u64,
}

impl Shortage {
    /// What there is too little of when each resource is there, but not together on a node.
    pub const ROOM: &'static str = "room";
    /// The same when there is room enough, but not on one interconnect.
    pub const ISLAND: &'static str = "island";
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(why) | Self::Before(why) => f.write_str(why),
            Self::Constraint { attribute, has, wanted } => {
                write!(f, "its {attribute} is {has:?}, the job wants {}", wanted.join(" or "))
            }
            Self::NotOffered(class) => write!(f, "offers no {class}"),
            Self::OfferExpired(class) => write!(f, "its offer for {class} has expired"),
            Self::Price { asks, pays } => write!(f, "asks {asks} EAI per unit-hour, the job pays at most {pays}"),
            Self::NoSandbox => f.write_str("has no probed sandbox, which network None needs"),
            Self::NoInternet => f.write_str("doesn't offer the internet"),
            Self::Trust { has, wanted } => {
                write!(f, "saw {has} % of its work through, the job wants at least {wanted} %")
            }
            Self::Assurance { has, wanted } => write!(f, "assures {has}, the job wants at least {wanted}"),
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
            (Self::ISLAND, _) => write!(f, "room for {free} of {needed} pods on one interconnect"),
            (Self::ROOM, _) => write!(f, "room for {free} of {needed} pods on its nodes as they are"),
            (_, Some(total)) => write!(f, "{free} of {total} {resource} free, {needed} needed"),
            (_, None) => write!(f, "{free}{unit} {resource} free, {needed}{unit} needed"),
        }
    }
}
