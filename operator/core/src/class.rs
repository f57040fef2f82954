//! What is sold: accelerators by their Kubernetes resource name, and cores.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A resource class, the unit of price and metering: an extended resource's name such as `nvidia.com/gpu`, or `cpu`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Class(pub String);

impl Class {
    /// The class billed by core time.
    pub const CPU: &'static str = "cpu";

    /// The class of jobs without an accelerator.
    pub fn cpu() -> Self {
        Self(Self::CPU.to_owned())
    }

    /// Whether this class is billed by core time.
    pub fn is_cpu(&self) -> bool {
        self.0 == Self::CPU
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
