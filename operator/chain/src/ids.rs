//! 32-byte names on the chain, one type for each so that they can't be mixed up.

use std::{fmt, str::FromStr};

use alloy::{
    primitives::{B256, hex, keccak256},
    sol_types::SolValue as _,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not a 32-byte name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write 32 bytes as 0x and 64 hexadecimal digits")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.strip_prefix("0x").ok_or(IdError)?;
                let mut bytes = [0; 32];
                hex::decode_to_slice(digits, &mut bytes).map_err(|_| IdError)?;
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex::encode_prefixed(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl From<B256> for $name {
            fn from(word: B256) -> Self {
                Self(word.0)
            }
        }

        impl From<$name> for B256 {
            fn from(id: $name) -> Self {
                Self(id.0)
            }
        }
    };
}

id! {
    /// A hub, whatever its key: chosen once, when it is installed.
    HubId
}
id! {
    /// A namespace of a hub, by its UID: one that is deleted and made again is another one and inherits nothing.
    NamespaceId
}
id! {
    /// A job, to the chain.
    JobId
}
id! {
    /// A lease: the hash of its terms.
    LeaseId
}
id! {
    /// A commitment to the metering record behind a voucher.
    UsageRoot
}
id! {
    /// A word that a hub drew at random, by which it knows its own entry in the hubs' registry.
    Holder
}
id! {
    /// A transaction.
    TxHash
}

impl HubId {
    /// The id of a hub that wasn't given one: the hash of its `kube-system` namespace's UID, which is the nearest thing
    /// a cluster has to an identity.
    pub fn derived(kube_system_uid: &str) -> Self {
        keccak256(kube_system_uid).into()
    }
}

impl NamespaceId {
    /// The id of the namespace with UID `namespace_uid` of `hub`, as Escrow's `namespaceIdOf` computes it.
    pub fn of(hub: HubId, namespace_uid: &str) -> Self {
        keccak256((B256::from(hub), namespace_uid).abi_encode_params()).into()
    }
}

impl JobId {
    /// The id of the job with UID `job_uid`: its hash.
    pub fn of(job_uid: &str) -> Self {
        keccak256(job_uid).into()
    }
}

impl UsageRoot {
    /// The commitment to a metering record: the hash of its bytes. Whoever keeps the record can prove it later.
    pub fn of(record: &[u8]) -> Self {
        keccak256(record).into()
    }
}
