//! A vendor and an agent, each over its own connection, and the hub between them.

use std::time::Duration;

use axum::body::Body;
use eai_api::session::{Answer, Open, STANDING, Wish};
use eai_runtime::stream::{self, ConnectError, End, Link, Message, Pace, Socket, is_over};
use futures::{SinkExt as _, StreamExt as _};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kube::{Client, Config};
use serde_json::json;
use tokio::{net::TcpListener, time::timeout};

use super::{
    super::sessions::{Bounds, Limits},
    identity::names,
    world::{AGENT, ROOT, UID, VENDOR, World, read_path},
};

/// As fast as a test would have it.
pub fn bounds() -> Bounds {
    let pace = Pace {
        ping: Duration::from_millis(100),
        silence: Duration::from_millis(1200),
        last: Duration::from_millis(300),
        ..Pace::default()
    };
    Bounds {
        pace,
        limits: Limits { total: 4, user: 3, job: 2, member: 2 },
        answer: Duration::from_secs(4),
        recheck: Duration::from_millis(100),
        standing_recheck: Duration::from_millis(100),
        ..Bounds::default()
    }
}

pub struct Hub {
    pub world: World,
    url: String,
}

impl Hub {
    pub async fn new(bounds: Bounds) -> Self {
        eai_runtime::tls::init();
        let world = World::within(bounds).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = world.app.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let app = app.clone();
                let service = service_fn(move |request: axum::http::Request<hyper::body::Incoming>| {
                    let app = app.clone();
                    async move { Ok::<_, std::convert::Infallible>(app.answer(request.map(Body::new), &names()).await) }
                });
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
                tokio::spawn(serving);
            }
        });
        Self { world, url }
    }

    /// A connection of the API server's, in this user's name.
    fn client(&self, user: &str) -> Client {
        let mut config = Config::new(self.url.parse().unwrap());
        config.headers.push(("x-remote-user".parse().unwrap(), user.parse().unwrap()));
        Client::try_from(config).unwrap()
    }

    pub async fn vendor(&self, wish: &Wish) -> Result<Link, ConnectError> {
        self.as_user(VENDOR, "digits", wish).await
    }

    async fn as_user(&self, user: &str, job: &str, wish: &Wish) -> Result<Link, ConnectError> {
        let what = match wish {
            Wish::Log { .. } => "log",
            Wish::Events => "events",
            Wish::Exec { .. } => "exec",
            Wish::PortForward { .. } => "portforward",
        };
        let wish: Vec<String> = serde_json::to_string(wish).unwrap().bytes().map(|b| format!("%{b:02x}")).collect();
        let wish = wish.concat();
        let path = format!("{ROOT}/namespaces/research/aijobs/{job}/{what}?wish={wish}");
        let (socket, closes) = stream::connect(&self.client(user), &path).await?;
        assert!(closes, "the protocol is told");
        Ok(Link::new(socket, bounds().pace))
    }

    pub async fn agent(&self, name: &str) -> Result<Socket, ConnectError> {
        self.agent_of(AGENT, "cn-m", name).await
    }

    async fn agent_of(&self, user: &str, namespace: &str, name: &str) -> Result<Socket, ConnectError> {
        let path = format!("{ROOT}/namespaces/{namespace}/sessions/{name}/attach");
        stream::connect(&self.client(user), &path).await.map(|(socket, _)| socket)
    }

    /// An agent's standing stream, once the hub knows of it.
    pub async fn standing(&self) -> Link {
        let socket = self.agent(STANDING).await.unwrap();
        until(|| self.world.app.sessions.is_standing("cn-m")).await;
        Link::new(socket, bounds().pace)
    }
}

pub async fn until(mut holds: impl FnMut() -> bool) {
    timeout(Duration::from_mins(1), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

fn log() -> Wish {
    Wish::Log { index: 0, offset: 0, check: None }
}

pub async fn asked(standing: &mut Link) -> Open {
    serde_json::from_str(standing.next().await.unwrap().to_text().unwrap()).unwrap()
}

pub fn begin(offset: u64) -> Message {
    Message::Text(serde_json::to_string(&Answer::Begin { offset, anew: false }).unwrap().into())
}

/// A session with both its ends.
async fn session(hub: &Hub, standing: &mut Link) -> (Link, Link) {
    let wish = log();
    let (vendor, agent) = tokio::join!(hub.vendor(&wish), async {
        let open = asked(standing).await;
        assert_eq!((open.assignment, open.wish), (format!("{UID}-g1-a1"), log()));
        let mut agent = Link::new(hub.agent(&open.session).await.unwrap(), bounds().pace);
        agent.send(begin(7)).await.unwrap();
        agent
    });
    let mut vendor = vendor.unwrap();
    assert_eq!(vendor.next().await.unwrap(), begin(7));
    (vendor, agent)
}

pub fn refusal<T>(answer: Result<T, ConnectError>, code: u16) -> String {
    match answer {
        Err(ConnectError::Refused { code: found, message }) => {
            assert_eq!(found, code, "{message}");
            message
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it isn't refused"),
    }
}

#[tokio::test]
async fn what_an_agent_says_comes_to_the_vendor_and_back() {
    let hub = Hub::new(bounds()).await;
    let mut standing = hub.standing().await;
    let (mut vendor, mut agent) = session(&hub, &mut standing).await;
    for size in [0, 1, 1000, 200_000] {
        let bytes = Message::Binary(vec![7; size].into());
        agent.send(bytes.clone()).await.unwrap();
        assert_eq!(vendor.next().await.unwrap(), bytes);
        vendor.send(bytes.clone()).await.unwrap();
        assert_eq!(agent.next().await.unwrap(), bytes);
    }
    agent.send(Message::Binary("last".into())).await.unwrap();
    agent.send(stream::over()).await.unwrap();
    assert_eq!(vendor.next().await.unwrap(), Message::Binary("last".into()));
    assert!(matches!(vendor.next().await, Err(End::Closed(frame)) if is_over(frame.as_ref())));
    until(|| hub.world.app.sessions.is_idle()).await;
}

#[tokio::test]
async fn an_idle_session_outlasts_any_silence_that_would_end_it() {
    let hub = Hub::new(bounds()).await;
    let mut standing = hub.standing().await;
    let (mut vendor, mut agent) = session(&hub, &mut standing).await;
    // Nobody says anything for more than twice as long; everybody listens.
    let idle = timeout(Duration::from_millis(2600), async {
        tokio::select! {
            _ = vendor.next() => {}
            _ = agent.next() => {}
            _ = standing.next() => {}
        }
    });
    assert!(idle.await.is_err());
    agent.send(Message::Binary("x".into())).await.unwrap();
    assert_eq!(vendor.next().await.unwrap(), Message::Binary("x".into()));
}

#[tokio::test]
async fn an_end_that_falls_silent_ends_the_session() {
    let hub = Hub::new(bounds()).await;
    let mut standing = hub.standing().await;
    let (_silent, mut agent) = session(&hub, &mut standing).await;
    let ended = timeout(Duration::from_secs(5), agent.next()).await.unwrap();
    assert!(matches!(ended, Err(End::Closed(frame)) if !is_over(frame.as_ref())));
    until(|| hub.world.app.sessions.is_idle()).await;
}

#[tokio::test]
async fn a_slow_reader_holds_the_writer_up() {
    let hub = Hub::new(bounds()).await;
    let mut standing = hub.standing().await;
    let (mut vendor, agent) = session(&hub, &mut standing).await;
    let (mut to_hub, mut from_hub) = agent.into_socket().split();
    tokio::spawn(async move { while let Some(Ok(_)) = from_hub.next().await {} });
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = sent.clone();
    tokio::spawn(async move {
        for n in 0..400u32 {
            to_hub.send(Message::Binary(vec![u8::try_from(n % 251).unwrap(); 100_000].into())).await.unwrap();
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        to_hub.send(stream::over()).await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    let ahead = sent.load(std::sync::atomic::Ordering::SeqCst);
    assert!(ahead < 200, "{ahead} of 400 were taken of a writer whose reader has read none");
    for n in 0..400u32 {
        let Message::Binary(bytes) = vendor.next().await.unwrap() else { panic!() };
        assert!(bytes.len() == 100_000 && bytes[0] == u8::try_from(n % 251).unwrap(), "nothing is lost or out of turn");
    }
    assert!(matches!(vendor.next().await, Err(End::Closed(frame)) if is_over(frame.as_ref())));
}

#[tokio::test]
async fn where_no_agent_is_connected_the_vendor_is_told() {
    let hub = Hub::new(bounds()).await;
    assert!(refusal(hub.vendor(&log()).await, 502).contains("member m isn't connected"));
    let standing = hub.standing().await;
    drop(standing);
    until(|| !hub.world.app.sessions.is_standing("cn-m")).await;
    refusal(hub.vendor(&log()).await, 502);
}

#[tokio::test]
async fn an_agent_that_refuses_is_quoted_and_one_that_says_nothing_or_nonsense_is_not_waited_for() {
    let hub = Hub::new(bounds()).await;
    let answer = async |answer: Option<Message>| {
        let (wish, mut standing) = (log(), hub.standing().await);
        let (vendor, _agent) = tokio::join!(hub.vendor(&wish), async {
            let open = asked(&mut standing).await;
            let mut agent = hub.agent(&open.session).await.unwrap();
            match answer {
                Some(answer) => agent.send(answer).await.unwrap(),
                None => tokio::time::sleep(bounds().answer + Duration::from_millis(500)).await,
            }
            agent
        });
        vendor
    };
    let no = serde_json::to_string(&Answer::Refused { message: "not\u{7} here".to_owned() }).unwrap();
    assert_eq!(refusal(answer(Some(Message::Text(no.into()))).await, 409), "member m: not here");
    assert!(refusal(answer(None).await, 502).contains("doesn't answer"));
    for nonsense in [Message::Text("{}".into()), Message::Binary("x".into()), stream::over()] {
        assert!(refusal(answer(Some(nonsense)).await, 502).contains("no answer"));
    }
    // One that never opens the session.
    let (wish, mut standing) = (log(), hub.standing().await);
    let (vendor, _) = tokio::join!(hub.vendor(&wish), asked(&mut standing));
    assert!(refusal(vendor, 502).contains("doesn't answer"));
    assert!(hub.world.app.sessions.is_idle());
}

#[tokio::test]
async fn no_other_agent_gets_a_session() {
    let hub = Hub::new(Bounds { answer: Duration::from_secs(10), ..bounds() }).await;
    let other = "system:serviceaccount:cn-other:agent";
    let may = format!("{other} update assignments/status cn-other ");
    hub.world.api.allowed.lock().unwrap().insert(may);
    let mut standing = hub.standing().await;
    let wish = log();
    let (vendor, ()) = tokio::join!(hub.vendor(&wish), async {
        let open = asked(&mut standing).await;
        // In its own namespace it isn't known, in the other's it is forbidden.
        refusal(hub.agent_of(other, "cn-other", &open.session).await, 404);
        refusal(hub.agent_of(other, "cn-m", &open.session).await, 403);
        refusal(hub.agent_of(VENDOR, "cn-m", &open.session).await, 403);
        refusal(hub.agent("1-1").await, 404);
        // The right one still does, and once.
        let mut agent = hub.agent(&open.session).await.unwrap();
        agent.send(begin(0)).await.unwrap();
        refusal(hub.agent(&open.session).await, 404);
    });
    vendor.unwrap();
    refusal(hub.agent_of(other, "cn-m", STANDING).await, 403);
    refusal(hub.agent_of(AGENT, "research", STANDING).await, 404);
}

#[tokio::test]
async fn who_may_not_get_the_job_gets_no_stream_of_it() {
    let hub = Hub::new(bounds()).await;
    let _standing = hub.standing().await;
    for user in ["vendor2", AGENT] {
        assert!(refusal(hub.as_user(user, "digits", &log()).await, 403).contains("may not get AIJob digits"));
    }
    refusal(hub.as_user(VENDOR, "other", &log()).await, 403);
    let not_there = format!("{VENDOR} get aijobs/ research other");
    hub.world.api.allowed.lock().unwrap().insert(not_there);
    tokio::time::sleep(bounds().recheck).await;
    refusal(hub.as_user(VENDOR, "other", &log()).await, 404);
}

#[tokio::test]
async fn a_job_that_is_not_with_a_member_has_no_stream() {
    let hub = Hub::new(bounds()).await;
    let _standing = hub.standing().await;
    let wish = Wish::Log { index: 2, offset: 0, check: None };
    assert!(refusal(hub.vendor(&wish).await, 404).contains("2 completions"));
    let status = |status| hub.world.api.job.lock().unwrap()["status"] = status;
    status(json!({ "phase": "Pending" }));
    assert!(refusal(hub.vendor(&log()).await, 409).contains("it is Pending"));
    hub.world.api.job.lock().unwrap()["status"] = json!({ "phase": "Succeeded" });
    assert!(refusal(hub.vendor(&log()).await, 409).contains("ended: Succeeded"));
}

#[tokio::test]
async fn rights_that_end_end_what_rests_on_them() {
    let hub = Hub::new(bounds()).await;
    let mut standing = hub.standing().await;
    let (mut vendor, mut agent) = session(&hub, &mut standing).await;
    hub.world.api.allowed.lock().unwrap().remove(&format!("{VENDOR} get aijobs/ research digits"));
    assert!(timeout(Duration::from_secs(5), vendor.next()).await.unwrap().is_err());
    assert!(timeout(Duration::from_secs(5), agent.next()).await.unwrap().is_err());
    refusal(hub.vendor(&log()).await, 403);
    hub.world.api.allowed.lock().unwrap().clear();
    assert!(timeout(Duration::from_secs(5), standing.next()).await.unwrap().is_err());
    refusal(hub.agent(STANDING).await, 403);
    until(|| !hub.world.app.sessions.is_standing("cn-m")).await;
}

#[tokio::test]
async fn a_silent_api_server_takes_nobodys_session() {
    let hub = Hub::new(bounds()).await;
    let mut standing = hub.standing().await;
    let (mut vendor, mut agent) = session(&hub, &mut standing).await;
    *hub.world.api.up.lock().unwrap() = false;
    let idle = timeout(Duration::from_millis(500), async { tokio::join!(vendor.next(), agent.next()) }).await;
    assert!(idle.is_err());
}

#[tokio::test]
async fn no_more_than_so_many_at_once_and_what_ends_makes_room() {
    let hub = Hub::new(bounds()).await;
    let mut standing = hub.standing().await;
    let (first, _agent) = session(&hub, &mut standing).await;
    let (_second, mut agent) = session(&hub, &mut standing).await;
    assert!(refusal(hub.vendor(&log()).await, 403).contains("the job has 2 streams open"));
    agent.send(stream::over()).await.unwrap();
    drop(first);
    until(|| hub.world.app.sessions.is_idle()).await;
    session(&hub, &mut standing).await;
}

#[tokio::test]
async fn an_agent_that_comes_again_takes_its_own_place() {
    let hub = Hub::new(bounds()).await;
    let mut before = hub.standing().await;
    let mut after = Link::new(hub.agent(STANDING).await.unwrap(), bounds().pace);
    assert!(matches!(timeout(Duration::from_secs(5), before.next()).await.unwrap(), Err(End::Closed(_))));
    session(&hub, &mut after).await;
    assert!(hub.world.app.sessions.is_standing("cn-m"));
}

#[tokio::test]
async fn an_agent_that_floods_its_standing_stream_is_hung_up_on() {
    let hub = Hub::new(bounds()).await;
    for flood in [Message::Binary(vec![0; 100_000].into()), Message::Ping(Vec::new().into())] {
        let mut socket = hub.agent(STANDING).await.unwrap();
        let ended = timeout(Duration::from_secs(5), async { while socket.send(flood.clone()).await.is_ok() {} });
        assert!(ended.await.is_ok());
        until(|| !hub.world.app.sessions.is_standing("cn-m")).await;
    }
}

#[tokio::test]
async fn a_message_too_long_for_a_stream_ends_it() {
    let hub = Hub::new(bounds()).await;
    let mut standing = hub.standing().await;
    let (mut vendor, mut agent) = session(&hub, &mut standing).await;
    let _ = agent.send(Message::Binary(vec![0; stream::MOST_BYTES + 1].into())).await;
    assert!(matches!(vendor.next().await, Err(End::Closed(frame)) if !is_over(frame.as_ref())));
}

#[tokio::test]
async fn a_session_that_is_asked_for_without_a_stream_is_refused() {
    let hub = Hub::new(bounds()).await;
    let wish = "%7B%22Log%22%3A%7B%22index%22%3A0%2C%22offset%22%3A0%7D%7D";
    for path in ["events", "exec", "portforward"] {
        hub.world.get(VENDOR, &read_path(&format!("{path}?wish={wish}"))).await.refusal(400);
        hub.world.get(VENDOR, &read_path(path)).await.refusal(400);
        hub.world.put(VENDOR, &read_path(path), b"").await.refusal(405);
    }
    let attach = format!("{ROOT}/namespaces/cn-m/sessions/{STANDING}/attach");
    hub.world.get(AGENT, &attach).await.refusal(400);
    hub.world.put(AGENT, &attach, b"").await.refusal(405);
}
