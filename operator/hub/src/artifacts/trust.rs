//! Who may speak in a user's name: the holder of a certificate of the front-proxy CA, under one of the allowed names. Both
//! are in the ConfigMap that every API server publishes for its extensions.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use rustls::{
    RootCertStore,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::{
    identity::{BadHeaderNames, HeaderNames, header_names, list},
    subject::common_name,
};

/// Where the ConfigMap is.
pub const NAMESPACE: &str = "kube-system";
/// Its name.
pub const NAME: &str = "extension-apiserver-authentication";

/// Who may speak in a user's name, and how they do.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Checks the certificate's chain during the handshake.
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// Common names that are let in; any if empty, as Kubernetes has it.
    allowed_names: Vec<String>,
    /// How the user is named.
    pub headers: HeaderNames,
}

/// Why the ConfigMap can't be trusted by; nobody is let in until it can.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It lacks what API aggregation needs.
    #[error(
        "ConfigMap {NAMESPACE}/{NAME} has no {0}: the API server must run with API aggregation configured (--requestheader-client-ca-file)"
    )]
    Missing(&'static str),
    /// The CA can't be read.
    #[error("requestheader-client-ca-file in ConfigMap {NAMESPACE}/{NAME} is not a PEM list of certificates")]
    BadCa,
    /// The header names can't be read.
    #[error("ConfigMap {NAMESPACE}/{NAME}: {0}")]
    BadNames(#[from] BadHeaderNames),
    /// No verifier can be made of the CA.
    #[error("requestheader-client-ca-file can't be used: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

impl Trust {
    /// Reads whom to trust from the ConfigMap.
    pub fn read(config: &ConfigMap) -> Result<Self, TrustError> {
        let get = |key: &'static str| config.data.as_ref().and_then(|data| data.get(key)).map(String::as_str);
        let ca = get("requestheader-client-ca-file").ok_or(TrustError::Missing("requestheader-client-ca-file"))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            roots.add(certificate.map_err(|_| TrustError::BadCa)?).map_err(|_| TrustError::BadCa)?;
        }
        if roots.is_empty() {
            return Err(TrustError::BadCa);
        }
        let names = |key: &'static str| header_names(key, get(key));
        let prefixes = list("requestheader-extra-headers-prefix", get("requestheader-extra-headers-prefix"))?;
        let headers = HeaderNames {
            user: names("requestheader-username-headers")?,
            uid: names("requestheader-uid-headers")?,
            group: names("requestheader-group-headers")?,
            extra_prefix: prefixes.into_iter().map(|prefix| prefix.to_ascii_lowercase()).collect(),
        };
        if headers.user.is_empty() {
            return Err(TrustError::Missing("requestheader-username-headers"));
        }
        Ok(Self {
            verifier: WebPkiClientVerifier::builder(Arc::new(roots)).build()?,
            allowed_names: list("requestheader-allowed-names", get("requestheader-allowed-names"))?,
            headers,
        })
    }

    /// Whether the holder of `certificate`, whose chain was verified, may speak in a user's name.
    pub fn allows(&self, certificate: &CertificateDer<'_>) -> bool {
        if self.allowed_names.is_empty() {
            return true;
        }
        let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return false };
        common_name(certificate.subject()).is_some_and(|name| self.allowed_names.iter().any(|allowed| allowed == name))
    }
}
