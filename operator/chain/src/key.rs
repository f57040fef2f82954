//! Private keys, read from files and never shown.

use std::{fmt, io, path::Path};

use alloy::{
    primitives::{B256, hex},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use eai_core::address::Address;
use zeroize::Zeroizing;

use crate::{convert, eip712::Signature};

/// A secp256k1 private key: a hub's, a provider's or a payer's. Wiped from memory when dropped; its `Debug` shows the
/// address only.
#[derive(Clone)]
pub struct Key(PrivateKeySigner);

/// Why a key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read.
    #[error("can't read the key file {path}: {source}; check that it exists and is readable by this user")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The text isn't a key. What it is instead isn't said, because it may be a secret all the same.
    #[error(
        "a key file holds one secp256k1 private key as 64 hexadecimal digits, with or without 0x; this one doesn't"
    )]
    Malformed,
}

impl Key {
    /// Reads a key from the file at `path`, which holds its hexadecimal digits and nothing else but white space.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| KeyError::Unreadable { path: path.display().to_string(), source })?;
        Self::parse(&Zeroizing::new(text))
    }

    /// Reads a key from its hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), bytes.as_mut_slice())
            .map_err(|_| KeyError::Malformed)?;
        PrivateKeySigner::from_slice(bytes.as_slice()).map(Self).map_err(|_| KeyError::Malformed)
    }

    /// The account that this key speaks for.
    pub fn address(&self) -> Address {
        convert::from_address(self.0.address())
    }

    /// Signs a 32-byte digest.
    pub(crate) fn sign(&self, digest: B256) -> Result<Signature, KeyError> {
        // Signing a 32-byte prehash with a valid key has no failure in practice; the type allows one.
        let signature = self.0.sign_hash_sync(&digest).map_err(|_| KeyError::Malformed)?;
        Ok(Signature::from(signature))
    }

    /// The signer of transactions.
    pub(crate) fn signer(&self) -> &PrivateKeySigner {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.address())
    }
}
