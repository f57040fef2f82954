#![allow(clippy::unwrap_used, clippy::panic)]
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use eai_api::artifact::LOG_LIMIT_BYTES;
use eai_core::digest::Digest;

use super::{
    log::{Live, Source},
    spool::{GAP, Spool},
    upload::{PutError, Target, put},
    *,
};
use crate::testing::{api::Api, world::PODS};

const LIMIT: usize = 1 << 20;

/// A file of its own, gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("eai-spool-{name}-{}", std::process::id())))
    }

    fn open(&self) -> Spool {
        Spool::open(&self.0, 0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_short_log_is_kept_whole() {
    assert_eq!(LOG_LIMIT_BYTES, LIMIT as u64);
    let scratch = Scratch::new("short");
    let mut spool = scratch.open();
    assert!(spool.is_empty());
    assert_eq!(spool.tail().unwrap().digest, Digest::of(b""));
    spool.append(b"one\n").unwrap();
    spool.append(b"two").unwrap();
    let tail = spool.tail().unwrap();
    assert_eq!((tail.bytes.as_slice(), tail.truncated), (&b"one\ntwo"[..], false));
    assert_eq!(tail.digest, Digest::of(b"one\ntwo"));
    // Looking doesn't disturb writing.
    spool.append(b"\nthree").unwrap();
    assert_eq!(spool.tail().unwrap().bytes, b"one\ntwo\nthree");
}

#[test]
fn a_long_log_is_its_last_mebibyte_from_the_start_of_a_line() {
    let scratch = Scratch::new("long");
    let mut spool = scratch.open();
    let mut whole = Vec::new();
    for i in 0..100_000 {
        let line = format!("line {i} {}\n", "x".repeat(40));
        spool.append(line.as_bytes()).unwrap();
        whole.extend_from_slice(line.as_bytes());
        assert!(spool.len() <= 2 * LOG_LIMIT_BYTES);
    }
    let tail = spool.tail().unwrap();
    assert!(tail.truncated && tail.bytes.len() <= LIMIT && tail.bytes.len() > LIMIT - 100);
    assert!(whole.ends_with(&tail.bytes) && tail.bytes.starts_with(b"line "));
}

#[test]
fn a_log_without_lines_is_kept_to_the_byte() {
    let scratch = Scratch::new("lineless");
    let mut spool = scratch.open();
    for _ in 0..50 {
        spool.append(&vec![7; 100_000]).unwrap();
    }
    assert_eq!(spool.tail().unwrap().bytes.len(), LIMIT);
    let mut spool = Scratch::new("exact").open();
    spool.append(&vec![7; LIMIT]).unwrap();
    let tail = spool.tail().unwrap();
    assert_eq!((tail.bytes.len(), tail.truncated), (LIMIT, false));
}

#[test]
fn a_log_that_is_read_again_is_not_there_twice_and_an_earlier_one_stays() {
    let scratch = Scratch::new("again");
    let mut spool = scratch.open();
    spool.append(b"before the pause\n").unwrap();
    let mut spool = scratch.open();
    spool.append(b"after").unwrap();
    spool.reset().unwrap();
    spool.append(b"after it\n").unwrap();
    assert_eq!(spool.tail().unwrap().bytes, b"before the pause\nafter it\n");
    assert!(!spool.is_empty());
}

#[test]
fn a_log_that_is_read_again_keeps_its_offsets() {
    let whole = lines(0, 2_000);
    let whole = whole.as_bytes();
    let mut spool = Scratch::new("offsets").open();
    spool.append(&whole[..20_000]).unwrap();
    spool.begin_again().unwrap();
    spool.append(&whole[..10_000]).unwrap();
    spool.catch_up(false).unwrap();
    assert!(spool.is_behind() && spool.end() == 20_000, "no more than was read before");
    spool.append(&whole[10_000..30_000]).unwrap();
    spool.catch_up(true).unwrap();
    assert!(!spool.is_behind() && spool.end() == 30_000);
    // A connection that breaks before it has come to what is new changes nothing.
    spool.begin_again().unwrap();
    spool.append(&whole[..5_000]).unwrap();
    spool.begin_again().unwrap();
    spool.append(&whole[..40_000]).unwrap();
    spool.finish().unwrap();
    assert_eq!(spool.read(0, 100_000).unwrap().bytes, &whole[..40_000]);
    assert_eq!(spool.read(39_990, 100_000).unwrap().bytes, &whole[39_990..40_000]);
}

#[test]
fn what_nobody_read_shows_in_the_offsets() {
    let mut spool = Scratch::new("skipped").open();
    spool.append(b"first\n").unwrap();
    spool.begin_again().unwrap();
    spool.append(&vec![b'x'; LIMIT]).unwrap();
    spool.finish().unwrap();
    assert!(spool.start() > 6 && spool.end() == spool.start() + LIMIT as u64);
    assert_eq!(spool.read(6, 10).unwrap().offset, spool.start());
}

fn target() -> Target {
    Target { namespace: "cn-home-1".to_owned(), assignment: "a".to_owned() }
}

#[test]
fn paths_are_those_of_the_aggregated_api() {
    let base = "/apis/artifacts.eai.network/v1alpha1/namespaces/cn-home-1/assignments/a";
    assert_eq!(target().log(3, 7, "sha256:x"), format!("{base}/log?index=3&total=7&digest=sha256:x"));
    let output = target().output("model", 3, 5, 7, "sha256:x");
    assert_eq!(output, format!("{base}/outputs/model?index=3&offset=5&total=7&digest=sha256:x"));
    let checkpoint = target().checkpoint(3, 5, 7, "sha256:x");
    assert_eq!(checkpoint, format!("{base}/checkpoint?index=3&offset=5&total=7&digest=sha256:x"));
    assert_eq!(target().checkpoint_of(3), format!("{base}/checkpoint?index=3"));
}

#[tokio::test]
async fn answers_tell_whether_to_go_on_begin_anew_or_give_up() {
    let hub = Api::default();
    put(&hub.client(), "/x", b"abc".to_vec()).await.unwrap();
    assert_eq!(hub.sent("/x").unwrap(), b"abc");
    for (code, word) in [
        (401, "again"),
        (403, "again"),
        (404, "again"),
        (408, "again"),
        (429, "again"),
        (500, "again"),
        (503, "again"),
        (507, "again"),
        (409, "anew"),
        (416, "anew"),
        (422, "anew"),
        (400, "never"),
        (405, "never"),
        (413, "never"),
    ] {
        hub.fail(move |_, _| Some(code));
        let error = put(&hub.client(), "/x", vec![]).await.unwrap_err();
        let said = match error {
            PutError::Again(_) => "again",
            PutError::Restart(_) => "anew",
            PutError::Refused(_) => "never",
        };
        assert_eq!(said, word, "{code}");
        assert_eq!(error.is_hopeless(0), word == "never", "{code}");
        assert_eq!(error.is_hopeless(1000), word != "again", "{code}");
    }
}

/// The log of pod `p`, whose work is over or not.
fn source(member: &Api, over: &Arc<AtomicBool>) -> Source {
    let over = Arc::clone(over);
    Source {
        pods: kube::Api::namespaced(member.client(), "eai-work"),
        pod: "p".to_owned(),
        pod_uid: "uid".to_owned(),
        index: 2,
        over: Arc::new(move || over.load(Ordering::SeqCst)),
    }
}

/// Follows a log into a spool that nobody else reads.
async fn follow(source: Source, spool: Spool, hub: kube::Client, target: Target) -> LogState {
    let (live, progress) = Live::new(spool);
    super::log::follow(source, live, progress, hub, target).await
}

const LOG: &str = "/apis/artifacts.eai.network/v1alpha1/namespaces/cn-home-1/assignments/a/log";

#[tokio::test]
async fn a_log_that_is_over_is_kept_with_its_digest() {
    let (hub, member, over) = (Api::default(), Api::default(), Arc::new(AtomicBool::new(true)));
    member.text(&format!("{PODS}/p/log"), "loss 0.5\nloss 0.1\n");
    let scratch = Scratch::new("over");
    let state = follow(source(&member, &over), scratch.open(), hub.client(), target()).await;
    let LogState::Kept { pod_uid, log } = state else { panic!("{state:?}") };
    assert_eq!((pod_uid.as_str(), log.index, log.size_bytes, log.truncated), ("uid", 2, 18, false));
    assert_eq!(log.digest, Digest::of(b"loss 0.5\nloss 0.1\n"));
    assert_eq!(hub.sent(LOG).unwrap(), b"loss 0.5\nloss 0.1\n");
}

#[tokio::test]
async fn an_empty_log_is_kept_too() {
    let (hub, member, over) = (Api::default(), Api::default(), Arc::new(AtomicBool::new(true)));
    member.text(&format!("{PODS}/p/log"), "");
    let state = follow(source(&member, &over), Scratch::new("empty").open(), hub.client(), target()).await;
    assert!(matches!(&state, LogState::Kept { log, .. } if log.size_bytes == 0), "{state:?}");
    assert_eq!(hub.sent(LOG).unwrap(), b"");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_away_is_waited_for() {
    let (hub, member, over) = (Api::default(), Api::default(), Arc::new(AtomicBool::new(true)));
    member.text(&format!("{PODS}/p/log"), "x");
    hub.fail(|_, _| Some(503));
    let following = tokio::spawn(follow(source(&member, &over), Scratch::new("away").open(), hub.client(), target()));
    let mut asked = 0;
    until(|| {
        asked += hub.calls().len();
        asked > 2
    })
    .await;
    assert!(!following.is_finished());
    hub.heal();
    assert!(matches!(following.await.unwrap(), LogState::Kept { .. }));
}

#[tokio::test]
async fn a_log_of_a_pod_that_is_gone_is_lost() {
    let (hub, member, over) = (Api::default(), Api::default(), Arc::new(AtomicBool::new(true)));
    let state = follow(source(&member, &over), Scratch::new("gone").open(), hub.client(), target()).await;
    assert_eq!(state, LogState::Lost { pod_uid: "uid".to_owned() });
}

#[tokio::test]
async fn a_log_that_the_hub_refuses_is_given_up() {
    let (hub, member, over) = (Api::default(), Api::default(), Arc::new(AtomicBool::new(true)));
    member.text(&format!("{PODS}/p/log"), "x");
    hub.fail(|_, _| Some(400));
    let state = follow(source(&member, &over), Scratch::new("refused").open(), hub.client(), target()).await;
    assert!(matches!(state, LogState::Lost { .. }));
}

/// What is kept of a log that a node stops sending after `followed`, and of which it has `file` when the work is over.
async fn kept(name: &str, followed: &str, file: &str) -> (Vec<u8>, bool, Vec<String>) {
    let (hub, member, over) = (Api::default(), Api::default(), Arc::new(AtomicBool::new(false)));
    member.log(&format!("{PODS}/p/log"), followed, file);
    let source = source(&member, &over);
    // The work ends while its log is followed.
    let ends = {
        let over = Arc::clone(&over);
        move || over.swap(true, Ordering::SeqCst)
    };
    let state =
        follow(Source { over: Arc::new(ends), ..source }, Scratch::new(name).open(), hub.client(), target()).await;
    let LogState::Kept { log, .. } = state else { panic!("{state:?}") };
    let sent = hub.sent(LOG).unwrap();
    assert_eq!((log.digest, log.size_bytes), (Digest::of(&sent), sent.len() as u64));
    (sent, log.truncated, member.queries())
}

/// `count` lines, from the one numbered `from`.
fn lines(from: usize, count: usize) -> String {
    let lines: Vec<String> = (from..from + count).map(|i| format!("line {i} of a log that is long\n")).collect();
    lines.concat()
}

#[tokio::test]
async fn the_end_of_a_log_that_the_node_stopped_sending_is_kept() {
    let (sent, truncated, queries) = kept("stopped", "one\ntw", "one\ntwo\nthe result\n").await;
    assert_eq!((sent.as_slice(), truncated), (&b"one\ntwo\nthe result\n"[..], false));
    assert_eq!(queries.len(), 2, "{queries:?}");
    // All of it was there already.
    let (sent, truncated, _) = kept("whole", "one\ntwo\n", "one\ntwo\n").await;
    assert_eq!((sent.as_slice(), truncated), (&b"one\ntwo\n"[..], false));
}

#[tokio::test]
async fn of_a_long_log_its_true_last_mebibyte_is_kept() {
    let whole = format!("{}the result\n", lines(0, 200_000));
    // It is in another file by now, and following stopped far before.
    let (followed, file) = (&whole[..900_000], &whole[3_000_000..]);
    let (sent, truncated, queries) = kept("long-end", followed, file).await;
    assert!(truncated && sent.len() <= LIMIT && sent.len() > LIMIT - 100 && sent.starts_with(b"line "));
    assert!(whole.as_bytes().ends_with(&sent));
    // No more of it was moved than is likely to be needed.
    assert!(queries.last().unwrap().contains("tailLines="), "{queries:?}");
    let asked: usize =
        queries.last().unwrap().rsplit_once("tailLines=").unwrap().1.split('&').next().unwrap().parse().unwrap();
    assert!(asked < 80_000, "{asked}");
}

#[tokio::test]
async fn lines_that_are_shorter_at_the_end_are_asked_for_again() {
    // What was followed lets a line look long; at its end the log has a million short ones.
    let whole = format!("{}{}the result\n", lines(0, 2_000), "x\n".repeat(600_000));
    let (sent, truncated, queries) = kept("short-lines", &whole[..50_000], &whole).await;
    assert!(truncated && sent.len() > LIMIT - 100 && whole.as_bytes().ends_with(&sent));
    assert_eq!(queries.len(), 3, "{queries:?}");
}

#[tokio::test]
async fn a_new_file_that_begins_where_the_old_one_was_read_is_joined_to_it() {
    let whole = lines(0, 1_000);
    let (sent, truncated, _) = kept("joined", &whole[..20_000], &whole[15_000..]).await;
    assert_eq!((sent == whole.as_bytes(), truncated), (true, false));
}

#[tokio::test]
async fn lines_that_nobody_can_read_any_more_are_said_to_be_missing() {
    let whole = lines(0, 1_000);
    let (sent, truncated, _) = kept("missing", &whole[..10_000], &whole[20_000..]).await;
    assert_eq!(sent, [&whole.as_bytes()[..10_000], GAP, &whole.as_bytes()[20_000..]].concat());
    assert!(truncated);
}

#[tokio::test]
async fn a_pod_that_went_before_its_logs_end_was_read_keeps_what_was() {
    let (hub, member, over) = (Api::default(), Api::default(), Arc::new(AtomicBool::new(false)));
    let log = format!("{PODS}/p/log");
    member.log(&log, "first\n", "first\nlast\n");
    let source = source(&member, &over);
    let (node, end) = (member.clone(), Arc::clone(&over));
    // Asked whether it is over after its log was followed, the pod is gone.
    let goes = move || {
        let followed = end.swap(true, Ordering::SeqCst);
        if followed {
            node.fail(|_, _| Some(404));
        }
        followed
    };
    let state =
        follow(Source { over: Arc::new(goes), ..source }, Scratch::new("went").open(), hub.client(), target()).await;
    assert!(matches!(state, LogState::Kept { .. }), "{state:?}");
    assert_eq!(hub.sent(LOG).unwrap(), b"first\n");
}

/// Waits, by the clock of the test, until `holds`.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What is kept of a log whose connection ends before the work does: `files` are what the node has at each connection.
async fn kept_of(name: &str, files: &[&str]) -> (Vec<u8>, bool) {
    let (hub, member, over) = (Api::default(), Api::default(), Arc::new(AtomicBool::new(false)));
    let path = format!("{PODS}/p/log");
    member.text(&path, files[0]);
    let spool = Scratch::new(name).open();
    let following = tokio::spawn(follow(source(&member, &over), spool, hub.client(), target()));
    for file in &files[1..] {
        until(|| !member.queries().is_empty()).await;
        member.text(&path, file);
    }
    until(|| !member.queries().is_empty()).await;
    over.store(true, Ordering::SeqCst);
    let state = following.await.unwrap();
    let LogState::Kept { log, .. } = state else { panic!("{state:?}") };
    (hub.sent(LOG).unwrap(), log.truncated)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_before_the_work_is_made_anew() {
    let kept = kept_of("broken", &["first", "first and last"]).await;
    assert_eq!(kept, (b"first and last".to_vec(), false));
}

#[tokio::test(start_paused = true)]
async fn what_a_node_no_longer_has_is_kept_from_the_connection_before() {
    let whole = lines(0, 3_000);
    let files = [&whole[..20_000], &whole[15_000..40_000], &whole[35_000..]];
    assert_eq!(kept_of("moved", &files).await, (whole.as_bytes().to_vec(), false));
    let files = [&whole[..20_000], &whole[30_000..]];
    let (sent, truncated) = kept_of("moved-far", &files).await;
    assert_eq!(sent, [&whole.as_bytes()[..20_000], GAP, &whole.as_bytes()[30_000..]].concat());
    assert!(truncated);
}

#[tokio::test(start_paused = true)]
async fn a_long_log_needs_nothing_from_the_connection_before() {
    let whole = lines(0, 100_000);
    let (sent, truncated) = kept_of("moved-long", &[&whole[..20_000], &whole[100_000..]]).await;
    assert!(truncated && sent.len() > LIMIT - 100 && whole.as_bytes().ends_with(&sent));
}
