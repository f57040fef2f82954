//! Releases of the agent, as their engineer signs them and an owner's agent checks them.
//!
//! The form is cosign's: the "simple signing" payload that `cosign generate` writes, with the version as an annotation, and
//! an ECDSA signature over its bytes (P-256, SHA-256, DER). The version is in what is signed, so that nobody without the
//! key can give an old image a new number.

use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};
use semver::Version;
use serde::Deserialize;

use crate::{digest::Digest, image::ImageRef};

/// The longest payload that is read, in bytes.
pub const MOST_PAYLOAD: usize = 4096;
/// The longest signature: DER of two numbers of 32 bytes takes 72.
pub const MOST_SIGNATURE: usize = 80;
/// What a payload says it is.
const TYPE: &str = "cosign container image signature";
/// A P-256 key's `SubjectPublicKeyInfo` up to its point, which is the last 65 bytes, not compressed.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The length of a point, and its first byte.
const POINT: (usize, u8) = (65, 0x04);

/// The key that an owner lets releases be signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseKey(Vec<u8>);

/// Why a text is no release key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a release key is an ECDSA P-256 public key in PEM (BEGIN PUBLIC KEY), such as cosign.pub")]
pub struct KeyError;

impl ReleaseKey {
    /// Reads a public key in PEM.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).map_err(|_| KeyError)?;
        let point = der.as_ref().strip_prefix(&P256[..]).ok_or(KeyError)?;
        if (point.len(), point.first().copied()) != (POINT.0, Some(POINT.1)) {
            return Err(KeyError);
        }
        Ok(Self(point.to_vec()))
    }
}

/// Why a release isn't taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The signature isn't the key's over the payload.
    #[error("the signature isn't by the release key that this member's owner gave (update.releaseKey)")]
    BadSignature,
    /// More than a payload ever needs.
    #[error("the payload has {0} bytes, more than {MOST_PAYLOAD}")]
    TooLong(usize),
    /// Signed, and yet not readable.
    #[error("the signed payload isn't cosign's simple signing JSON with the annotation eai.network/version")]
    Malformed,
    /// Signed for another purpose.
    #[error("the signed payload isn't of type \"{TYPE}\"")]
    WrongType,
    /// Signed, for another image.
    #[error("what is signed is {signed}, not the image that is offered")]
    WrongDigest {
        /// The digest in the payload.
        signed: Digest,
    },
    /// Signed, under another version.
    #[error("what is signed is version {signed}, not {offered}")]
    WrongVersion {
        /// The version in the payload.
        signed: Version,
        /// What the offer says.
        offered: String,
    },
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
    optional: Optional,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: Digest,
}

#[derive(Deserialize)]
struct Optional {
    #[serde(rename = "eai.network/version")]
    version: String,
}

/// The version under which `key` signed `image`, which has to be `version`. Nothing of the payload is read before its
/// signature holds.
pub fn verify(
    key: &ReleaseKey,
    image: &ImageRef,
    version: &str,
    payload: &[u8],
    signature: &[u8],
) -> Result<Version, ReleaseError> {
    if payload.len() > MOST_PAYLOAD {
        return Err(ReleaseError::TooLong(payload.len()));
    }
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.0);
    public.verify(payload, signature).map_err(|_| ReleaseError::BadSignature)?;
    let Payload { critical, optional } = serde_json::from_slice(payload).map_err(|_| ReleaseError::Malformed)?;
    if critical.r#type != TYPE {
        return Err(ReleaseError::WrongType);
    }
    if critical.image.digest != image.digest() {
        return Err(ReleaseError::WrongDigest { signed: critical.image.digest });
    }
    let signed: Version = optional.version.parse().map_err(|_| ReleaseError::Malformed)?;
    if version.parse::<Version>().ok().as_ref() != Some(&signed) {
        return Err(ReleaseError::WrongVersion { signed, offered: version.to_owned() });
    }
    Ok(signed)
}

/// Whether `new` comes after `old`. What only differs in how it was built doesn't.
pub fn is_newer(new: &Version, old: &Version) -> bool {
    new.cmp_precedence(old).is_gt()
}
