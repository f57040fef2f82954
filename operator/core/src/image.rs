//! Container image references, always by digest.

use std::{fmt, str::FromStr};

use crate::digest::Digest;

/// An image named by registry, repository and digest: the same bytes wherever and whenever it is pulled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageRef {
    registry: String,
    repository: String,
    digest: Digest,
}

/// Why a text is not a usable image reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// No `@sha256:…`.
    #[error("name the image by digest, REGISTRY/REPOSITORY@sha256:…; a tag may change under a running job")]
    NoDigest,
    /// A first part that is no host name, so it isn't clear where to pull from.
    #[error("begin the image with its registry's host, such as registry.example.com/team/trainer@sha256:…")]
    NoRegistry,
    /// Characters that no repository has.
    #[error("a repository is lower-case letters, digits and . _ - between slashes")]
    BadRepository,
}

impl ImageRef {
    /// The registry's host, with its port if it has one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository within the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What the image's manifest hashes to.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether this image lies under `prefix`: a registry (`registry.example.com`) or a path in one
    /// (`registry.example.com/team`). A prefix ends at a slash, so that `example.com/team` doesn't allow
    /// `example.com/teammate`.
    pub fn is_under(&self, prefix: &str) -> bool {
        let whole = format!("{}/{}/", self.registry, self.repository);
        let prefix = prefix.trim_end_matches('/');
        !prefix.is_empty() && whole.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl FromStr for ImageRef {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let (name, digest) = text.split_once('@').ok_or(ImageError::NoDigest)?;
        let digest = digest.parse().map_err(|_| ImageError::NoDigest)?;
        let (registry, repository) = name.split_once('/').ok_or(ImageError::NoRegistry)?;
        let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'[' | b']');
        if !(registry.contains(['.', ':']) || registry == "localhost") || !registry.bytes().all(host) {
            return Err(ImageError::NoRegistry);
        }
        let part = |p: &str| {
            let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
            let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            p.bytes().all(inner) && edge(p.bytes().next()) && edge(p.bytes().last())
        };
        if !repository.split('/').all(part) {
            return Err(ImageError::BadRepository);
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), digest })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.registry, self.repository, self.digest)
    }
}
