//! Sealing secrets to one receiver's key: HPKE (RFC 9180), base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

type Kem = X25519HkdfSha256;

/// What something was sealed for; a sealed text opened for another purpose fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A member's token for the hub.
    MemberToken,
    /// A job's secret environment, for the member that won it.
    JobSecrets,
}

impl Purpose {
    const fn info(self) -> &'static [u8] {
        match self {
            Self::MemberToken => b"eai.network/v1alpha1 member-token",
            Self::JobSecrets => b"eai.network/v1alpha1 job-secrets",
        }
    }
}

/// A sealed text: base64 of the encapsulated key and of the ciphertext.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// The encapsulated key (32 bytes), base64.
    pub encapsulated_key: String,
    /// Ciphertext and tag, base64.
    pub ciphertext: String,
}

/// Why sealing or opening failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The receiver's public key can't be read.
    #[error("the sealing key is not base64 of a 32-byte X25519 public key")]
    BadPublicKey,
    /// The private key can't be read.
    #[error("the private key is not base64 of a 32-byte X25519 private key")]
    BadPrivateKey,
    /// The sealed text can't be read.
    #[error("the sealed text is not base64 of an HPKE encapsulation")]
    Malformed,
    /// Sealed to another key, for another purpose or context, or changed on the way.
    #[error("the sealed text was not made for this key and purpose, or was changed on the way")]
    NotForUs,
}

/// A receiver's key pair. The private half is wiped from memory when dropped.
pub struct KeyPair {
    private: <Kem as hpke::Kem>::PrivateKey,
    public: <Kem as hpke::Kem>::PublicKey,
}

impl KeyPair {
    /// A fresh pair, from the operating system's randomness.
    pub fn generate() -> Self {
        let (private, public) = Kem::gen_keypair();
        Self { private, public }
    }

    /// Reads a private key back from base64.
    pub fn from_private(text: &str) -> Result<Self, SealError> {
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| SealError::BadPrivateKey)?);
        let private = <Kem as hpke::Kem>::PrivateKey::from_bytes(&bytes).map_err(|_| SealError::BadPrivateKey)?;
        let public = Kem::sk_to_pk(&private);
        Ok(Self { private, public })
    }

    /// The private key as base64, to be kept in a Secret.
    pub fn private(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(Zeroizing::new(self.private.to_bytes().to_vec())))
    }

    /// The public key as base64, to be shown to anyone.
    pub fn public(&self) -> String {
        STANDARD.encode(self.public.to_bytes())
    }

    /// Opens what was sealed to this key for `purpose` within `context` (an object's UID, say).
    pub fn open(&self, purpose: Purpose, context: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| SealError::Malformed);
        let key = <Kem as hpke::Kem>::EncappedKey::from_bytes(&decode(&sealed.encapsulated_key)?)
            .map_err(|_| SealError::Malformed)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &OpModeR::Base,
            &self.private,
            &key,
            purpose.info(),
            &decode(&sealed.ciphertext)?,
            context.as_bytes(),
        )
        .map(Zeroizing::new)
        .map_err(|_| SealError::NotForUs)
    }
}

/// Seals `plain` to the holder of `public_key` (base64).
pub fn seal(public_key: &str, purpose: Purpose, context: &str, plain: &[u8]) -> Result<Sealed, SealError> {
    let bytes = STANDARD.decode(public_key).map_err(|_| SealError::BadPublicKey)?;
    let public = <Kem as hpke::Kem>::PublicKey::from_bytes(&bytes).map_err(|_| SealError::BadPublicKey)?;
    let (key, ciphertext) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeS::Base,
        &public,
        purpose.info(),
        plain,
        context.as_bytes(),
    )
    .map_err(|_| SealError::BadPublicKey)?;
    Ok(Sealed { encapsulated_key: STANDARD.encode(key.to_bytes()), ciphertext: STANDARD.encode(ciphertext) })
}
