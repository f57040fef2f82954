//! Logs and outputs, through the aggregated API with the caller's own identity.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Component, Path, PathBuf},
};

use eai_api::names::{ARTIFACTS_GROUP, VERSION};
use eai_core::{digest::Digest, epoch::Epoch};
use futures::{AsyncRead, AsyncReadExt as _};
use kube::Client;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// The most that is asked for at a time: an API server cuts an answer that takes longer than a minute.
const PART: u64 = 8 << 20;
/// How often in a row an answer may break off before it is given up.
const TRIES: u32 = 3;

/// Something a job left.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The job's namespace.
    pub namespace: &'a str,
    /// The job.
    pub job: &'a str,
    /// An output's name; the log if `None`.
    pub output: Option<&'a str>,
    /// The completion.
    pub index: u32,
    /// The attempt; the current or last one if `None`.
    pub epoch: Option<Epoch>,
}

/// What the hub says that it is.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// What it hashes to.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

impl Source<'_> {
    /// Its path on the hub's API server.
    pub fn path(&self) -> String {
        let Self { namespace, job, index, .. } = self;
        let what = self.output.map_or_else(|| "log".to_owned(), |name| format!("outputs/{name}"));
        let epoch = self.epoch.map(|epoch| format!("&epoch={epoch}")).unwrap_or_default();
        format!("/apis/{ARTIFACTS_GROUP}/{VERSION}/namespaces/{namespace}/aijobs/{job}/{what}?index={index}{epoch}")
    }

    /// Copies all of it to `sink`, in one answer; returns its length and digest.
    pub async fn copy(&self, client: &Client, sink: &mut impl Write) -> Result<(u64, Digest)> {
        let mut hash = Sha256::new();
        let mut length = 0;
        let ended = pour(client.request_stream(self.request(None)?).await?, &mut hash, &mut length, sink).await?;
        ended.map_err(|error| broken_off(&error))?;
        Ok((length, Digest::from_bytes(hash.finalize().into())))
    }

    /// Copies `size` bytes of it to `sink`, part by part, going on where an answer broke off; returns their digest.
    async fn copy_parts(&self, client: &Client, size: u64, sink: &mut impl Write) -> Result<Digest> {
        let (mut hash, mut length, mut failures) = (Sha256::new(), 0u64, 0);
        while length < size {
            let before = length;
            let last = size.min(length + PART) - 1;
            let answer = client.request_stream(self.request(Some((length, last)))?).await?;
            let ended = pour(answer, &mut hash, &mut length, sink).await?;
            if length > size {
                return Err(Error::Failed(format!("the hub sends more than the {size} bytes it promised")));
            }
            failures = if length > before { 0 } else { failures + 1 };
            if failures >= TRIES {
                let silent = || io::Error::other("it sends nothing");
                return Err(broken_off(&ended.err().unwrap_or_else(silent)));
            }
        }
        Ok(Digest::from_bytes(hash.finalize().into()))
    }

    fn request(&self, range: Option<(u64, u64)>) -> Result<http::Request<Vec<u8>>> {
        let mut request = http::Request::get(self.path());
        if let Some((first, last)) = range {
            request = request.header(http::header::RANGE, format!("bytes={first}-{last}"));
        }
        request.body(Vec::new()).map_err(|error| Error::Usage(format!("{} can't be asked for: {error}", self.path())))
    }
}

fn broken_off(error: &io::Error) -> Error {
    Error::Failed(format!("the hub's answer broke off: {error}"))
}

/// Copies an answer to `sink` until it ends, or breaks off, which is the inner result. An error of the sink is the outer.
async fn pour(
    mut from: impl AsyncRead + Unpin,
    hash: &mut Sha256,
    length: &mut u64,
    sink: &mut impl Write,
) -> Result<io::Result<()>> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { return Ok(Ok(())) };
        sink.write_all(chunk).map_err(|error| Error::Failed(format!("can't write: {error}")))?;
        hash.update(chunk);
        *length += chunk.len() as u64;
    }
}

/// Where an output goes: its own path under `dir`, below its index if there are several completions. The path is the
/// job's word and stays within `dir`.
pub fn destination(dir: &Path, path: &str, index: u32, completions: u32) -> Result<PathBuf> {
    let path = Path::new(path);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_))) && path.file_name().is_some();
    if !inside {
        return Err(Error::Failed(format!("the output's path {} leads elsewhere; it isn't kept", path.display())));
    }
    let dir = if completions > 1 { dir.join(index.to_string()) } else { dir.to_owned() };
    Ok(dir.join(path))
}

/// Fetches to a file beside `to`, and puts it in place only if it is what was promised. A file that is there already is
/// replaced only with `force`.
pub async fn fetch(source: &Source<'_>, client: &Client, to: &Path, promise: Promise, force: bool) -> Result<()> {
    let taken = || {
        Error::Failed(format!(
            "{} is there already; say --force to replace it, or --dir for another place",
            to.display()
        ))
    };
    if !force && to.exists() {
        return Err(taken());
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let part = part_of(to);
    let fetched = async {
        let mut file = File::create(&part).map_err(Error::file(&part))?;
        let got = source.copy_parts(client, promise.size, &mut file).await?;
        if got != promise.digest {
            return Err(Error::WrongDigest { what: to.display().to_string(), got, promised: promise.digest });
        }
        file.sync_all().map_err(Error::file(&part))?;
        if force {
            return fs::rename(&part, to).map_err(Error::file(to));
        }
        // A link, unlike a rename, fails if somebody has put a file there meanwhile.
        fs::hard_link(&part, to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => taken(),
            _ => Error::File { path: to.to_owned(), source: error },
        })
    };
    let fetched = fetched.await;
    // Renamed away, or no longer needed. The result is what matters; a leftover would only be untidy.
    let _ = fs::remove_file(&part);
    fetched
}

fn part_of(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    to.with_file_name(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn log() -> Source<'static> {
        Source { namespace: "vision", job: "digits", output: None, index: 0, epoch: None }
    }

    #[test]
    fn paths_are_the_aggregated_apis() {
        let base = "/apis/artifacts.eai.network/v1alpha1/namespaces/vision/aijobs/digits";
        assert_eq!(log().path(), format!("{base}/log?index=0"));
        let epoch = Some(Epoch { generation: 1, attempt: 2 });
        let model = Source { output: Some("model"), index: 2, epoch, ..log() };
        assert_eq!(model.path(), format!("{base}/outputs/model?index=2&epoch=g1-a2"));
    }

    #[test]
    fn outputs_stay_in_their_folder() {
        let dir = Path::new("out");
        assert_eq!(destination(dir, "a/b.bin", 0, 1).unwrap(), Path::new("out/a/b.bin"));
        assert_eq!(destination(dir, "b.bin", 3, 4).unwrap(), Path::new("out/3/b.bin"));
        for path in ["", "/etc/passwd", "../x", "a/../../x", "./x", ".."] {
            assert!(destination(dir, path, 0, 1).is_err(), "{path}");
        }
    }

    /// A hub that serves `content` by ranges, at most `most` bytes at a time, and then breaks off.
    fn hub(content: Vec<u8>, most: usize) -> Client {
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let range = request.headers().get(http::header::RANGE).map(|value| value.to_str().unwrap().to_owned());
            let answer = match range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) {
                Some((first, last)) => {
                    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                    content[first..=last.min(content.len() - 1).min(first + most - 1)].to_vec()
                }
                None => content.clone(),
            };
            let answer = http::Response::new(kube::client::Body::from(answer));
            std::future::ready(Ok::<_, std::convert::Infallible>(answer))
        });
        Client::new(service, "default")
    }

    fn promise(content: &[u8]) -> Promise {
        Promise { digest: Digest::of(content), size: content.len() as u64 }
    }

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("kubectl-eai-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn files(&self) -> usize {
            fs::read_dir(&self.0).unwrap().count()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn what_is_copied_is_hashed() {
        let content = vec![7; 200_000];
        let mut sink = Vec::new();
        let (length, digest) = log().copy(&hub(content.clone(), 1), &mut sink).await.unwrap();
        assert_eq!((length, digest), (200_000, Digest::of(&content)));
        assert_eq!(sink, content);
    }

    #[tokio::test]
    async fn an_answer_that_ends_early_is_gone_on_with() {
        let scratch = Scratch::new("early");
        let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let to = scratch.0.join("model");
        fetch(&log(), &hub(content.clone(), 30_000), &to, promise(&content), false).await.unwrap();
        assert_eq!(fs::read(&to).unwrap(), content);
        assert_eq!(scratch.files(), 1, "no part is left");
    }

    #[tokio::test]
    async fn more_than_eight_mebibytes_come_in_parts() {
        let scratch = Scratch::new("large");
        let content: Vec<u8> = (0..=250).cycle().take(20 << 20).collect();
        let to = scratch.0.join("model");
        fetch(&log(), &hub(content.clone(), usize::MAX / 2), &to, promise(&content), false).await.unwrap();
        assert_eq!(Digest::of(&fs::read(&to).unwrap()), Digest::of(&content));
    }

    #[tokio::test]
    async fn an_empty_output_is_an_empty_file() {
        let scratch = Scratch::new("empty");
        let to = scratch.0.join("model");
        fetch(&log(), &hub(Vec::new(), 1), &to, promise(b""), false).await.unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"");
    }

    #[tokio::test]
    async fn what_is_not_as_promised_is_not_kept_and_what_was_there_stays() {
        let scratch = Scratch::new("wrong");
        let to = scratch.0.join("model");
        fs::write(&to, "mine").unwrap();
        let wrong = Promise { digest: Digest::of(b"right"), size: 5 };
        let error = fetch(&log(), &hub(b"wrong".to_vec(), 5), &to, wrong, true).await.unwrap_err();
        assert!(matches!(error, Error::WrongDigest { .. }));
        assert_eq!((fs::read(&to).unwrap(), scratch.files()), (b"mine".to_vec(), 1));
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_replaced_only_by_force() {
        let scratch = Scratch::new("force");
        let to = scratch.0.join("model");
        fs::write(&to, "mine").unwrap();
        let hub = hub(b"theirs".to_vec(), 6);
        let error = fetch(&log(), &hub, &to, promise(b"theirs"), false).await.unwrap_err();
        assert!(error.to_string().contains("--force"));
        assert_eq!(fs::read(&to).unwrap(), b"mine");
        fetch(&log(), &hub, &to, promise(b"theirs"), true).await.unwrap();
        assert_eq!((fs::read(&to).unwrap(), scratch.files()), (b"theirs".to_vec(), 1));
    }
}
