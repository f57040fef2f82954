#![allow(clippy::unwrap_used, clippy::panic)]
//! The agent's streams, to a hub that does as a test says.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request},
    http::Response,
    routing::get,
};
use eai_api::session::CHECK_BYTES;
use eai_core::digest::Digest;
use kube::{Client, Config};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::*;
use crate::{
    artifacts::{Live, Progress, Spool},
    testing::{self, NAME, spec, world::World},
};

fn pace() -> Pace {
    Pace {
        ping: Duration::from_millis(50),
        silence: Duration::from_secs(1),
        last: Duration::from_millis(200),
        ..Pace::default()
    }
}

/// An agent, and a hub that it has opened its standing stream to.
struct Hub {
    world: World,
    standing: Link,
    streams: mpsc::Receiver<(String, Socket)>,
    count: u32,
    stop: CancellationToken,
    log: PathBuf,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = std::fs::remove_file(&self.log);
    }
}

impl Hub {
    async fn new(name: &str, assign: bool) -> Self {
        eai_runtime::tls::init();
        let (opened, mut streams) = mpsc::channel(8);
        let take = move |Path(session): Path<String>, mut request: Request| {
            let opened = opened.clone();
            async move {
                let (response, upgrade): (Response<Body>, _) = stream::accept(&mut request).unwrap();
                tokio::spawn(async move {
                    let socket = stream::accepted(upgrade).await.unwrap();
                    let _ = opened.send((session, socket)).await;
                });
                response
            }
        };
        let path = "/apis/artifacts.eai.network/v1alpha1/namespaces/cn-home-1/sessions/{session}/attach";
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = axum::serve(listener, Router::new().route(path, get(take)));
        tokio::spawn(async move { serving.await.unwrap() });
        let mut world = World::new().await;
        Arc::get_mut(&mut world.context).unwrap().hub = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
        if assign {
            world.assign(&testing::assignment(spec()));
        }
        let stop = CancellationToken::new();
        tokio::spawn(Streams::new(Arc::clone(&world.context), pace()).run(stop.clone()));
        let standing = standing(&mut streams).await;
        let log = std::env::temp_dir().join(format!("eai-stream-{name}-{}", std::process::id()));
        Self { world, standing, streams, count: 0, stop, log }
    }

    /// A log that the test writes.
    fn log(&self) -> (Live, watch::Sender<Progress>) {
        let (live, progress) = Live::new(Spool::open(&self.log, 0).unwrap());
        self.world.context.artifacts.put_live(NAME, 0, live.clone());
        (live, progress)
    }

    /// Asks for a session; returns its answer and its stream.
    async fn ask(&mut self, wish: Wish) -> (Answer, Link) {
        self.count += 1;
        let session = format!("s-{}", self.count);
        let open = Open { session: session.clone(), assignment: NAME.to_owned(), wish };
        self.standing.send(Message::Text(serde_json::to_string(&open).unwrap().into())).await.unwrap();
        let (opened, socket) = timeout(Duration::from_secs(15), self.streams.recv()).await.unwrap().unwrap();
        assert_eq!(opened, session);
        let mut link = Link::new(socket, pace());
        let answer = serde_json::from_str(link.next().await.unwrap().to_text().unwrap()).unwrap();
        (answer, link)
    }

    async fn refused(&mut self, wish: Wish) -> String {
        match self.ask(wish).await.0 {
            Answer::Refused { message } => message,
            answer @ Answer::Begin { .. } => panic!("{answer:?}"),
        }
    }
}

async fn standing(streams: &mut mpsc::Receiver<(String, Socket)>) -> Link {
    let (session, socket) = timeout(Duration::from_secs(5), streams.recv()).await.unwrap().unwrap();
    assert_eq!(session, STANDING);
    Link::new(socket, pace())
}

fn log(offset: u64, check: Option<&[u8]>) -> Wish {
    Wish::Log { index: 0, offset, check: check.map(|bytes| Digest::of(bytes).to_string()) }
}

fn write(live: &Live, progress: &watch::Sender<Progress>, bytes: &[u8]) {
    live.spool().append(bytes).unwrap();
    progress.send_modify(|p| p.version += 1);
}

async fn take(link: &mut Link, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        bytes.extend(link.next().await.unwrap().into_data());
    }
    bytes
}

#[tokio::test]
async fn a_log_comes_as_it_grows_and_ends_with_the_work() {
    let mut hub = Hub::new("grows", true).await;
    let (live, progress) = hub.log();
    write(&live, &progress, b"one\n");
    let (answer, mut link) = hub.ask(log(0, None)).await;
    assert_eq!(answer, Answer::Begin { offset: 0, anew: false });
    assert_eq!(take(&mut link, 4).await, b"one\n");
    // Long enough for any silence to end it.
    assert!(timeout(Duration::from_millis(2200), link.next()).await.is_err());
    write(&live, &progress, b"two\n");
    assert_eq!(take(&mut link, 4).await, b"two\n");
    progress.send_modify(|p| p.finished = true);
    assert!(matches!(link.next().await, Err(End::Closed(frame)) if stream::is_over(frame.as_ref())));
}

#[tokio::test]
async fn a_reader_whose_connection_breaks_goes_on_at_the_very_byte() {
    let mut hub = Hub::new("resume", true).await;
    let (live, progress) = hub.log();
    let whole: Vec<u8> = (0..40_000u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    let (mut read, mut written) = (Vec::new(), 0);
    for step in 1..=20 {
        let next = whole.len() * step / 20;
        write(&live, &progress, &whole[written..next]);
        written = next;
        let from = read.len().saturating_sub(usize::try_from(CHECK_BYTES).unwrap());
        let check = (!read.is_empty()).then(|| read[from..].to_vec());
        let (answer, mut link) = hub.ask(log(read.len() as u64, check.as_deref())).await;
        assert_eq!(answer, Answer::Begin { offset: read.len() as u64, anew: false });
        // Of some connections much is read, of some nothing, and then they break.
        let count = (written - read.len()) * (step % 3) / 2;
        read.extend(take(&mut link, count).await);
    }
    let (_, mut link) = hub.ask(log(read.len() as u64, None)).await;
    progress.send_modify(|p| p.finished = true);
    while let Ok(message) = link.next().await {
        read.extend(message.into_data());
    }
    assert!(read == whole);
}

#[tokio::test]
async fn what_is_no_longer_kept_is_said_to_be_missing() {
    let mut hub = Hub::new("missing", true).await;
    let (live, progress) = hub.log();
    write(&live, &progress, &[b'x'; 1000]);
    for _ in 0..30 {
        write(&live, &progress, &vec![b'y'; 100_000]);
    }
    let start = live.spool().start();
    assert!(start > 1000 && live.spool().end() == 3_001_000);
    let (answer, mut link) = hub.ask(log(1000, Some(&[b'x'; 1000]))).await;
    assert_eq!(answer, Answer::Begin { offset: start, anew: false });
    assert!(take(&mut link, 500_000).await.iter().all(|byte| *byte == b'y'));
    // A reader who falls behind what is kept is cut off, and told when it comes again.
    for _ in 0..200 {
        write(&live, &progress, &vec![b'z'; 100_000]);
    }
    let ended = loop {
        match link.next().await {
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    assert!(matches!(ended, End::Closed(frame) if !stream::is_over(frame.as_ref())));
}

#[tokio::test]
async fn what_somebody_has_of_another_log_is_not_gone_on_with() {
    let mut hub = Hub::new("anew", true).await;
    let (live, progress) = hub.log();
    write(&live, &progress, b"epoch 1\nepoch 2\n");
    let (answer, mut link) = hub.ask(log(8, Some(b"epoch 7\n"))).await;
    assert_eq!(answer, Answer::Begin { offset: 0, anew: true });
    assert_eq!(take(&mut link, 16).await, b"epoch 1\nepoch 2\n");
    assert_eq!(hub.ask(log(8, Some(b"epoch 1\n"))).await.0, Answer::Begin { offset: 8, anew: false });
    // It may still be reading what somebody has: that is waited for.
    let (later, told) = (live.clone(), progress.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        write(&later, &told, b"epoch 3\n");
    });
    let whole = b"epoch 1\nepoch 2\nepoch 3\n";
    assert_eq!(hub.ask(log(24, Some(whole))).await.0, Answer::Begin { offset: 24, anew: false });
    progress.send_modify(|p| p.finished = true);
    assert_eq!(hub.ask(log(90, None)).await.0, Answer::Begin { offset: 0, anew: true });
}

#[tokio::test]
async fn the_log_of_an_indexs_next_pod_comes_behind() {
    let mut hub = Hub::new("next", true).await;
    let (live, progress) = hub.log();
    write(&live, &progress, b"before the pause\n");
    let (_, mut link) = hub.ask(log(0, None)).await;
    take(&mut link, 17).await;
    // The next pod is there before the news that the one before is over.
    let start = live.spool().start();
    let (next, told) = Live::new(Spool::open(&hub.log, start).unwrap());
    hub.world.context.artifacts.put_live(NAME, 0, next.clone());
    progress.send_modify(|p| p.finished = true);
    write(&next, &told, b"after it\n");
    assert_eq!(take(&mut link, 9).await, b"after it\n");
}

#[tokio::test]
async fn work_that_is_not_here_or_is_over_is_refused_in_words() {
    let mut hub = Hub::new("refused", false).await;
    assert!(hub.refused(log(0, None)).await.contains("isn't here"));
    let assignment = testing::assignment(spec());
    hub.world.assign(&assignment);
    assert!(hub.refused(log(0, None)).await.contains("nothing of the log is there yet"));
    let mut stopped = assignment.clone();
    stopped.spec.desired = eai_api::assignment::Desired::Stop;
    hub.world.assign(&stopped);
    assert!(hub.refused(log(0, None)).await.contains("is over"));
}

#[tokio::test]
async fn nonsense_of_the_hubs_is_passed_over_and_a_stream_that_ends_is_opened_again() {
    let mut hub = Hub::new("nonsense", true).await;
    let (live, progress) = hub.log();
    write(&live, &progress, b"x");
    let path = r#"{"session":"../../x","assignment":"a","wish":"Events"}"#;
    for nonsense in ["", "{}", r#"{"session":"s","assignment":"a","wish":{"Fly":{}}}"#, path] {
        hub.standing.send(Message::Text(nonsense.into())).await.unwrap();
    }
    hub.ask(log(0, None)).await;
    hub.standing.send(stream::over()).await.unwrap();
    hub.standing = standing(&mut hub.streams).await;
    hub.ask(log(0, None)).await;
}

fn exec() -> Wish {
    Wish::Exec { index: 0, command: vec!["id".to_owned()], stdin: false }
}

#[tokio::test]
async fn commands_are_run_only_where_job_and_owner_allow_them() {
    let mut hub = Hub::new("exec", true).await;
    assert!(hub.refused(exec()).await.contains("spec.allowExec"));
    hub.world.assign(&testing::assignment(testing::spec_with(serde_json::json!({ "allowExec": true }))));
    assert!(hub.refused(exec()).await.contains("limits.allowExec"));
    assert!(hub.world.member.calls().iter().all(|call| !call.contains("exec")));
}

#[test]
fn both_must_allow_commands() {
    let limits = |allow_exec| crate::config::Limits { allow_exec, ..crate::config::Limits::default() };
    for (job, owner) in [(false, false), (false, true), (true, false), (true, true)] {
        let assignment = testing::assignment(testing::spec_with(serde_json::json!({ "allowExec": job })));
        assert_eq!(judge::commands(&assignment, &limits(owner)).is_ok(), job && owner);
    }
}

#[tokio::test]
async fn a_port_is_reached_only_of_a_pod_that_runs() {
    let mut hub = Hub::new("port", true).await;
    let port = Wish::PortForward { index: 0, port: 80 };
    assert!(hub.refused(port.clone()).await.contains("completion 0 doesn't run"));
    let pod = testing::pod(0, testing::running(0));
    hub.world.see_pod(&pod);
    let other = Wish::PortForward { index: 1, port: 80 };
    assert!(hub.refused(other).await.contains("completion 1 doesn't run"));
    hub.world.member.calls();
    // The API server in memory opens no streams.
    assert!(hub.refused(port.clone()).await.contains("opens no stream"));
    let asked = format!("GET {}/{}/portforward", crate::testing::world::PODS, pod.metadata.name.as_deref().unwrap());
    assert!(hub.world.member.calls().contains(&asked));
    hub.world.see_pod(&testing::pod(0, testing::ended(0, 5, 0)));
    assert!(hub.refused(port).await.contains("doesn't run"));
}

#[tokio::test]
async fn events_of_the_work_are_told_and_end() {
    let mut hub = Hub::new("events", true).await;
    assert!(hub.refused(Wish::Events).await.contains("can't list events"));
    let event = |name: &str| {
        serde_json::json!({ "metadata": { "name": name }, "involvedObject": { "name": name }, "type": "Warning",
            "reason": "BackOff", "message": "no such image", "lastTimestamp": "2026-01-01T00:00:00Z" })
    };
    let list = serde_json::json!({ "kind": "EventList", "apiVersion": "v1", "metadata": {},
        "items": [event("somebody-elses"), event(&format!("{NAME}-0-abcde"))] });
    hub.world.member.put("/api/v1/namespaces/eai-work/events", list);
    let (_, mut link) = hub.ask(Wish::Events).await;
    let told = link.next().await.unwrap();
    let told: eai_api::session::MemberEvent = serde_json::from_str(told.to_text().unwrap()).unwrap();
    assert_eq!((told.reason.as_str(), told.index), ("BackOff", Some(0)));
    assert!(matches!(link.next().await, Err(End::Closed(frame)) if stream::is_over(frame.as_ref())));
}
