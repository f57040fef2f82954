use std::convert::Infallible;

use axum::body::Bytes;
use eai_core::{digest::Digest, epoch::Epoch};
use futures::stream;
use tokio::io::AsyncReadExt as _;

use super::{
    super::{
        path::What,
        store::{Chunk, Key, Store, UploadError},
    },
    Scratch,
};

const UID: &str = "0b1f9c1e-0000-4000-8000-000000000001";

fn key_of(uid: &str) -> Key {
    Key::new(uid, Epoch { generation: 1, attempt: 2 }, 0, What::Output("model".to_owned())).unwrap()
}

fn key() -> Key {
    key_of(UID)
}

fn chunk(whole: &[u8], offset: u64) -> Chunk {
    Chunk { digest: Digest::of(whole), total: whole.len() as u64, offset, limit: 1000 }
}

/// A body that comes in pieces of three bytes.
fn body(bytes: &[u8]) -> impl futures::Stream<Item = Result<Bytes, Infallible>> + Send {
    let pieces: Vec<_> = bytes.chunks(3).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

async fn stored(store: &Store) -> Option<(Digest, Vec<u8>)> {
    let mut stored = store.read(&key()).await.unwrap()?;
    let mut bytes = Vec::new();
    stored.file.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(stored.size, bytes.len() as u64);
    Some((stored.digest, bytes))
}

fn files(scratch: &Scratch) -> Vec<String> {
    fn walk(path: &std::path::Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), into);
            } else {
                into.push(entry.file_name().into_string().unwrap());
            }
        }
    }
    let mut found = Vec::new();
    walk(scratch.path(), &mut found);
    found
}

#[tokio::test]
async fn an_upload_in_parts_is_there_only_once_it_is_whole() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).await.unwrap();
    let whole = b"a model of ten parts";
    let progress = store.write(&key(), chunk(whole, 0), body(&whole[..8])).await.unwrap();
    assert_eq!((progress.received, progress.complete), (8, false));
    assert!(stored(&store).await.is_none());
    let progress = store.write(&key(), chunk(whole, 8), body(&whole[8..])).await.unwrap();
    assert!(progress.complete);
    assert_eq!(stored(&store).await, Some((Digest::of(whole), whole.to_vec())));
    assert_eq!(files(&scratch).len(), 1, "no part is left");
}

#[tokio::test]
async fn what_is_stored_is_taken_as_done_and_nothing_is_written() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).await.unwrap();
    store.write(&key(), chunk(b"abc", 0), body(b"abc")).await.unwrap();
    for offset in [0, 1, 3] {
        let again = store.write(&key(), chunk(b"abc", offset), body(b"nonsense that is longer")).await.unwrap();
        assert!(again.complete);
    }
    assert_eq!(stored(&store).await.unwrap().1, b"abc");
}

#[tokio::test]
async fn an_empty_file_can_be_stored() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).await.unwrap();
    assert!(store.write(&key(), chunk(b"", 0), body(b"")).await.unwrap().complete);
    assert_eq!(stored(&store).await, Some((Digest::of(b""), Vec::new())));
}

#[tokio::test]
async fn content_that_hashes_to_something_else_is_dropped_and_what_was_there_stays() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).await.unwrap();
    store.write(&key(), chunk(b"old", 0), body(b"old")).await.unwrap();
    let wrong = store.write(&key(), chunk(b"new", 0), body(b"NEW")).await.unwrap_err();
    assert!(matches!(wrong, UploadError::WrongDigest { expected, found }
        if expected == Digest::of(b"new") && found == Digest::of(b"NEW")));
    assert_eq!(stored(&store).await.unwrap().1, b"old");
    assert_eq!(files(&scratch).len(), 1);
}

#[tokio::test]
async fn newer_content_replaces_older_and_who_reads_keeps_what_they_opened() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).await.unwrap();
    store.write(&key(), chunk(b"old", 0), body(b"old")).await.unwrap();
    let mut open = store.read(&key()).await.unwrap().unwrap();
    store.write(&key(), chunk(b"newer", 0), body(b"newer")).await.unwrap();
    assert_eq!(stored(&store).await.unwrap().1, b"newer");
    let mut bytes = Vec::new();
    open.file.read_to_end(&mut bytes).await.unwrap();
    assert_eq!((bytes.as_slice(), open.digest), (b"old".as_slice(), Digest::of(b"old")));
    assert_eq!(files(&scratch).len(), 1);
}

#[tokio::test]
async fn a_part_out_of_order_is_told_where_the_upload_stands() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).await.unwrap();
    let whole = b"0123456789";
    let refused = async |offset, bytes| store.write(&key(), chunk(whole, offset), body(bytes)).await.unwrap_err();
    assert!(matches!(refused(4, b"4567").await, UploadError::WrongOffset(0)), "nothing there yet");
    store.write(&key(), chunk(whole, 0), body(b"0123")).await.unwrap();
    assert!(matches!(refused(6, b"67").await, UploadError::WrongOffset(4)));
    assert!(matches!(refused(2, b"23").await, UploadError::WrongOffset(4)));
    store.write(&key(), chunk(whole, 4), body(b"456789")).await.unwrap();
    assert_eq!(stored(&store).await.unwrap().1, whole);
}

#[tokio::test]
async fn a_part_that_is_too_long_or_breaks_off_leaves_the_upload_where_it_stood() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).await.unwrap();
    let whole = b"0123456789";
    store.write(&key(), chunk(whole, 0), body(b"0123")).await.unwrap();
    let long = store.write(&key(), chunk(whole, 4), body(b"456789x")).await.unwrap_err();
    assert!(matches!(long, UploadError::TooLong(6)), "the whole was to be 10 long");
    let limited = Chunk { limit: 2, ..chunk(whole, 4) };
    assert!(matches!(store.write(&key(), limited, body(b"456")).await.unwrap_err(), UploadError::TooLong(2)));
    let broken = stream::iter([Ok(Bytes::from_static(b"45")), Err("the line was cut")]);
    assert!(matches!(store.write(&key(), chunk(whole, 4), broken).await.unwrap_err(), UploadError::BrokenOff(_)));
    store.write(&key(), chunk(whole, 4), body(b"456789")).await.unwrap();
    assert_eq!(stored(&store).await.unwrap().1, whole);
}

#[tokio::test]
async fn an_upload_begins_anew_at_0_and_another_takes_its_place() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).await.unwrap();
    store.write(&key(), chunk(b"0123456789", 0), body(b"01234567")).await.unwrap();
    store.write(&key(), chunk(b"0123456789", 0), body(b"012")).await.unwrap();
    store.write(&key(), chunk(b"another one", 0), body(b"ano")).await.unwrap();
    assert_eq!(files(&scratch).len(), 1, "one part at a time");
    assert!(matches!(
        store.write(&key(), chunk(b"0123456789", 3), body(b"3456789")).await.unwrap_err(),
        UploadError::WrongOffset(0)
    ));
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_and_two_don_t_write_at_once() {
    let scratch = Scratch::new();
    let mut store = Store::open(scratch.path()).await.unwrap();
    store.patience = std::time::Duration::from_millis(50);
    let stalled = stream::pending::<Result<Bytes, Infallible>>();
    let (first, second) = {
        let key = key();
        let first = store.write(&key, chunk(b"abc", 0), stalled);
        let second = async {
            tokio::task::yield_now().await;
            store.write(&key, chunk(b"abc", 0), body(b"abc")).await
        };
        tokio::join!(first, second)
    };
    assert!(matches!(first.unwrap_err(), UploadError::BrokenOff(_)));
    assert!(matches!(second.unwrap_err(), UploadError::Busy));
    store.write(&key(), chunk(b"abc", 0), body(b"abc")).await.unwrap();
}

#[tokio::test]
async fn a_job_is_removed_with_all_it_has_and_no_other() {
    let scratch = Scratch::new();
    let store = Store::open(scratch.path()).await.unwrap();
    for uid in ["job-a", "job-b"] {
        store.write(&key_of(uid), chunk(b"abc", 0), body(b"abc")).await.unwrap();
        let log = Key::new(uid, Epoch { generation: 1, attempt: 1 }, 3, What::Log).unwrap();
        store.write(&log, chunk(b"log", 0), body(b"log")).await.unwrap();
    }
    store.remove_job("job-a").await.unwrap();
    store.remove_job("job-a").await.unwrap();
    store.remove_job("..").await.unwrap();
    assert_eq!(store.jobs().await.unwrap(), ["job-b".to_owned()].into());
    assert!(store.read(&key_of("job-b")).await.unwrap().is_some());
}

#[test]
fn no_key_has_a_part_that_is_no_name() {
    let epoch = Epoch { generation: 1, attempt: 1 };
    for uid in ["", "..", "a/b", "A", "a_b", "."] {
        assert!(Key::new(uid, epoch, 0, What::Log).is_none(), "{uid}");
        assert!(Key::new("uid", epoch, 0, What::Output(uid.to_owned())).is_none(), "{uid}");
    }
}
