//! A node behind HTTPS, with a certificate from an authority of its own.

use std::{process::Command, sync::Arc};

use eai_chain::{Endpoint, LedgerError, Reader};
use eai_core::address::Address;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{anvil::CHAIN_ID, world::World};

/// Set in the child process, where the authority is trusted by `SSL_CERT_FILE`.
const CHILD: &str = "EAI_TEST_HTTPS_URL";

fn endpoint(url: &str, escrow: &str) -> Endpoint {
    Endpoint::new(url, CHAIN_ID, escrow.parse::<Address>().unwrap())
}

/// An authority's certificate, and a server's configuration with a certificate from it for `localhost`.
fn certificates() -> (String, ServerConfig) {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let chain = vec![certificate.der().clone()];
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    (authority.pem(), config)
}

async fn serve(listener: TcpListener, config: ServerConfig, to: String) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, to) = (acceptor.clone(), to.clone());
        tokio::spawn(async move {
            let Ok(mut outer) = acceptor.accept(stream).await else { return };
            let mut inner = TcpStream::connect(to.trim_start_matches("http://")).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
        });
    }
}

#[tokio::test]
async fn a_node_behind_https_is_used_if_its_certificate_is_trusted() {
    if let Ok(child) = std::env::var(CHILD) {
        let (url, escrow) = child.split_once(' ').unwrap();
        let reader = Reader::new(endpoint(url, escrow)).unwrap();
        assert!(reader.head().await.unwrap().number > 0);
        return;
    }
    let world = World::new().await;
    let (authority, config) = certificates();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(serve(listener, config, world.anvil.url()));

    let escrow = world.endpoint.escrow.to_string();
    let error = Reader::new(endpoint(&url, &escrow)).unwrap().head().await.unwrap_err();
    assert!(matches!(error, LedgerError::Unreachable(_)), "{error}");

    let file = std::env::temp_dir().join(format!("eai-chain-ca-{}.pem", std::process::id()));
    std::fs::write(&file, authority).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "https::a_node_behind_https_is_used_if_its_certificate_is_trusted"]);
    child.env(CHILD, format!("{url} {escrow}")).env("SSL_CERT_FILE", &file);
    let done = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    std::fs::remove_file(file).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
}
