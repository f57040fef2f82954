//! The listener over real TLS.

use std::{net::SocketAddr, sync::Arc};

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        gate::{Files, Gate},
        server::serve,
        trust::Trust,
    },
    authority::{Authority, Pair},
    world::World,
};

const NAMES: &str = r#"["front-proxy-client"]"#;

struct Server {
    address: SocketAddr,
    gate: watch::Sender<Option<Gate>>,
    files: Files,
    serving: Authority,
    stop: CancellationToken,
    done: tokio::task::JoinHandle<()>,
    _world: World,
}

impl Server {
    async fn new(trust: Trust) -> Self {
        eai_runtime::tls::init();
        let world = World::new().await;
        let serving = Authority::new("serving");
        let files = serving.issue("eai-hub.eai-system.svc", ServerAuth).write(world.scratch.path());
        let (gate, passers) = watch::channel(Some(Gate::new(&files, Arc::new(trust)).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let done = tokio::spawn(serve(listener, world.app.clone(), passers, stop.clone()));
        Self { address, gate, files, serving, stop, done, _world: world }
    }

    async fn connect(&self, client: Option<&Pair>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.serving.der.clone()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match client {
            Some(pair) => config.with_client_auth_cert(vec![pair.der.clone()], pair.key()).unwrap(),
            None => config.with_no_client_auth(),
        };
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    /// The status line of a request as the user `admin`, or why there was none.
    async fn ask(&self, client: Option<&Pair>) -> Result<String, std::io::Error> {
        let mut stream = self.connect(client).await?;
        ask_over(&mut stream, "close").await
    }
}

async fn ask_over(stream: &mut TlsStream<TcpStream>, connection: &str) -> std::io::Result<String> {
    let request =
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Remote-User: admin\r\nConnection: {connection}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn only_the_front_proxys_certificate_lets_somebody_speak_in_a_users_name() {
    let (ca, other) = (Authority::new("front-proxy-ca"), Authority::new("front-proxy-ca"));
    let server = Server::new(Trust::read(&ca.config(NAMES)).unwrap()).await;

    assert!(server.ask(None).await.is_err(), "no certificate");
    assert!(server.ask(Some(&other.issue("front-proxy-client", ClientAuth))).await.is_err(), "another CA's");
    assert!(server.ask(Some(&ca.issue("front-proxy-client", ServerAuth))).await.is_err(), "for another use");
    let stranger = server.ask(Some(&ca.issue("kubernetes-admin", ClientAuth))).await.unwrap();
    assert_eq!(stranger, "HTTP/1.1 401 Unauthorized", "another name");
    let proxy = server.ask(Some(&ca.issue("front-proxy-client", ClientAuth))).await.unwrap();
    assert_eq!(proxy, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn with_no_names_given_any_certificate_of_the_ca_will_do() {
    let ca = Authority::new("front-proxy-ca");
    let server = Server::new(Trust::read(&ca.config("[]")).unwrap()).await;
    assert_eq!(server.ask(Some(&ca.issue("anyone", ClientAuth))).await.unwrap(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_change_of_trust_ends_the_connections_made_under_the_former_one() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let server = Server::new(Trust::read(&before.config(NAMES)).unwrap()).await;
    let old = before.issue("front-proxy-client", ClientAuth);
    let mut open = server.connect(Some(&old)).await.unwrap();
    assert_eq!(ask_over(&mut open, "keep-alive").await.unwrap(), "HTTP/1.1 200 OK");
    let trust = Arc::new(Trust::read(&after.config(NAMES)).unwrap());
    server.gate.send_replace(Some(Gate::new(&server.files, trust).unwrap()));
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_ne!(ask_over(&mut open, "keep-alive").await.unwrap_or_default(), "HTTP/1.1 200 OK");
    assert!(server.ask(Some(&old)).await.is_err());
    assert_eq!(server.ask(Some(&after.issue("front-proxy-client", ClientAuth))).await.unwrap(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn plain_text_and_silence_are_hung_up_on_and_the_server_goes_on() {
    let ca = Authority::new("front-proxy-ca");
    let server = Server::new(Trust::read(&ca.config(NAMES)).unwrap()).await;
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    let _silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(server.ask(Some(&ca.issue("front-proxy-client", ClientAuth))).await.unwrap(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_head_beyond_bounds_is_refused() {
    let ca = Authority::new("front-proxy-ca");
    let server = Server::new(Trust::read(&ca.config(NAMES)).unwrap()).await;
    let mut stream = server.connect(Some(&ca.issue("front-proxy-client", ClientAuth))).await.unwrap();
    let filler = "a".repeat(300 << 10);
    let request =
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Remote-User: admin\r\nX-Filler: {filler}\r\n\r\n");
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
}

#[tokio::test]
async fn it_stops_when_told_to() {
    let ca = Authority::new("front-proxy-ca");
    let server = Server::new(Trust::read(&ca.config(NAMES)).unwrap()).await;
    let mut open = server.connect(Some(&ca.issue("front-proxy-client", ClientAuth))).await.unwrap();
    ask_over(&mut open, "keep-alive").await.unwrap();
    server.stop.cancel();
    tokio::time::timeout(std::time::Duration::from_secs(5), server.done).await.unwrap().unwrap();
}

#[test]
fn a_config_map_without_what_is_needed_trusts_nobody() {
    let ca = Authority::new("ca");
    assert!(Trust::read(&ca.config(NAMES)).is_ok());
    let spoil = |key: &str, value: Option<&str>| {
        let mut map = ca.config(NAMES);
        let data = map.data.as_mut().unwrap();
        match value {
            Some(value) => drop(data.insert(key.to_owned(), value.to_owned())),
            None => drop(data.remove(key)),
        }
        Trust::read(&map).is_err()
    };
    assert!(spoil("requestheader-client-ca-file", None));
    assert!(spoil("requestheader-client-ca-file", Some("")));
    assert!(spoil(
        "requestheader-client-ca-file",
        Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")
    ));
    assert!(spoil("requestheader-username-headers", None));
    assert!(spoil("requestheader-username-headers", Some("[]")));
    assert!(spoil("requestheader-allowed-names", Some("front-proxy-client")), "not a list: not \"anyone\"");
}
