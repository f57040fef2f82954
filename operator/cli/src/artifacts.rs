//! Logs and outputs, through the aggregated API with the caller's own identity.

use std::{
    fs::{self, File},
    io::Write,
    path::{Component, Path, PathBuf},
};

use eai_api::names::{ARTIFACTS_GROUP, VERSION};
use eai_core::digest::Digest;
use futures::{AsyncRead, AsyncReadExt as _};
use kube::Client;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

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
}

impl Source<'_> {
    /// Its path on the hub's API server.
    pub fn path(&self) -> String {
        let Self { namespace, job, index, .. } = self;
        let what = self.output.map_or_else(|| "log".to_owned(), |name| format!("outputs/{name}"));
        format!("/apis/{ARTIFACTS_GROUP}/{VERSION}/namespaces/{namespace}/aijobs/{job}/{what}?index={index}")
    }

    /// Copies it to `sink`; returns its length and digest.
    pub async fn copy(&self, client: &Client, sink: &mut impl Write) -> Result<(u64, Digest)> {
        let request = http::Request::get(self.path())
            .body(Vec::new())
            .map_err(|error| Error::Usage(format!("{} can't be asked for: {error}", self.path())))?;
        pour(client.request_stream(request).await?, sink).await
    }
}

async fn pour(mut from: impl AsyncRead + Unpin, sink: &mut impl Write) -> Result<(u64, Digest)> {
    let (mut hash, mut length, mut buffer) = (Sha256::new(), 0, vec![0; 64 << 10]);
    loop {
        let read = from
            .read(&mut buffer)
            .await
            .map_err(|error| Error::Failed(format!("the hub's answer broke off: {error}")))?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        hash.update(chunk);
        length += chunk.len() as u64;
        sink.write_all(chunk).map_err(|error| Error::Failed(format!("can't write: {error}")))?;
    }
    Ok((length, Digest::from_bytes(hash.finalize().into())))
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

/// Fetches to a file beside `to`, and puts it in place only if it is what was promised.
pub async fn fetch(source: &Source<'_>, client: &Client, to: &Path, promised: Digest) -> Result<u64> {
    let folder = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let part = part_of(to);
    let mut file = File::create(&part).map_err(Error::file(&part))?;
    let fetched = source.copy(client, &mut file).await.and_then(|(length, got)| {
        if got != promised {
            return Err(Error::WrongDigest { what: to.display().to_string(), got, promised });
        }
        file.sync_all().map_err(Error::file(&part))?;
        fs::rename(&part, to).map_err(Error::file(to))?;
        Ok(length)
    });
    if fetched.is_err() {
        // The failure is what matters; a leftover that can't be removed is only untidy.
        let _ = fs::remove_file(&part);
    }
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
    use futures::io::Cursor;

    use super::*;

    #[test]
    fn paths_are_the_aggregated_apis() {
        let log = Source { namespace: "vision", job: "digits", output: None, index: 0 };
        let base = "/apis/artifacts.eai.network/v1alpha1/namespaces/vision/aijobs/digits";
        assert_eq!(log.path(), format!("{base}/log?index=0"));
        let model = Source { output: Some("model"), index: 2, ..log };
        assert_eq!(model.path(), format!("{base}/outputs/model?index=2"));
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

    #[tokio::test]
    async fn what_is_copied_is_hashed() {
        let mut sink = Vec::new();
        let content = vec![7; 200_000];
        let (length, digest) = pour(Cursor::new(content.clone()), &mut sink).await.unwrap();
        assert_eq!((length, digest), (200_000, Digest::of(&content)));
        assert_eq!(sink, content);
    }
}
