//! Certificates for tests.

use std::path::Path;

use k8s_openapi::api::core::v1::ConfigMap;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate and its key.
pub struct Pair {
    pub pem: String,
    pub key_pem: String,
    pub der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Pair {
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    pub fn write(&self, directory: &Path) -> super::super::gate::Files {
        let files =
            super::super::gate::Files { certificate: directory.join("tls.crt"), key: directory.join("tls.key") };
        std::fs::write(&files.certificate, &self.pem).unwrap();
        std::fs::write(&files.key, &self.key_pem).unwrap();
        files
    }
}

/// A certificate authority.
pub struct Authority {
    pub pem: String,
    pub der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }

    /// A certificate for `common_name`, for this use.
    pub fn issue(&self, common_name: &str, purpose: ExtendedKeyUsagePurpose) -> Pair {
        self.issue_with(vec![(DnType::CommonName, common_name)], purpose)
    }

    pub fn issue_with(&self, name: Vec<(DnType, &str)>, purpose: ExtendedKeyUsagePurpose) -> Pair {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, text) in name {
            params.distinguished_name.push(kind, text);
        }
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }

    /// The ConfigMap of an API server whose front proxy has certificates of this authority under these names.
    pub fn config(&self, allowed: &str) -> ConfigMap {
        let data = [
            ("requestheader-client-ca-file", self.pem.as_str()),
            ("requestheader-allowed-names", allowed),
            ("requestheader-username-headers", r#"["X-Remote-User"]"#),
            ("requestheader-uid-headers", r#"["X-Remote-Uid"]"#),
            ("requestheader-group-headers", r#"["X-Remote-Group"]"#),
            ("requestheader-extra-headers-prefix", r#"["X-Remote-Extra-"]"#),
        ];
        let mut map = ConfigMap::default();
        map.metadata.name = Some("extension-apiserver-authentication".to_owned());
        map.metadata.namespace = Some("kube-system".to_owned());
        map.data = Some(data.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        map
    }
}
