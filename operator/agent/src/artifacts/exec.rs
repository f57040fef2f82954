//! Commands run in the containers of ours in a work pod.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{AttachParams, AttachedProcess},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::work::pods::OUTPUTS_CONTAINER;

/// The most that a command's answer may hold; streams have no such bound.
const MAX_ANSWER: u64 = 64 << 10;
/// How long a command with an answer may take: it hashes a whole file.
const TIMEOUT: Duration = Duration::from_mins(10);
/// How much of a stream may be under way.
const STREAM_BUFFER: usize = 256 << 10;

/// Why a command didn't do its work.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The pod or its container is gone.
    #[error("the pod is gone")]
    Gone,
    /// It couldn't be run or broke off; it may work later.
    #[error("running a command in the outputs container failed: {0}")]
    Broken(String),
}

impl From<kube::Error> for ExecError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 404 => Self::Gone,
            other => Self::Broken(other.to_string()),
        }
    }
}

/// Runs `command` in the outputs container of `pod` and returns what it wrote, at most 64 KiB.
pub async fn answer(pods: &Api<Pod>, pod: &str, command: &[String]) -> Result<Vec<u8>, ExecError> {
    answer_of(pods, pod, OUTPUTS_CONTAINER, command).await
}

/// The same in any of its containers.
pub async fn answer_of(pods: &Api<Pod>, pod: &str, container: &str, command: &[String]) -> Result<Vec<u8>, ExecError> {
    let run = async {
        let mut process = start(pods, pod, container, command, 16 << 10).await?;
        let mut bytes = Vec::new();
        if let Some(stdout) = process.stdout() {
            let mut limited = stdout.take(MAX_ANSWER);
            limited.read_to_end(&mut bytes).await.map_err(|error| ExecError::Broken(error.to_string()))?;
        }
        finish(process).await?;
        Ok(bytes)
    };
    tokio::time::timeout(TIMEOUT, run).await.unwrap_or_else(|_| Err(ExecError::Broken("it took too long".to_owned())))
}

/// A command whose output is read as it comes. It ends with this.
pub struct Stream {
    _process: AttachedProcess,
    stdout: Box<dyn AsyncRead + Send + Unpin>,
}

/// Starts `command` in the outputs container of `pod`.
pub async fn stream(pods: &Api<Pod>, pod: &str, command: &[String]) -> Result<Stream, ExecError> {
    let mut process = start(pods, pod, OUTPUTS_CONTAINER, command, STREAM_BUFFER).await?;
    let stdout = process.stdout().ok_or_else(|| ExecError::Broken("it has no output".to_owned()))?;
    Ok(Stream { _process: process, stdout: Box::new(stdout) })
}

impl Stream {
    /// The next bytes, `count` of them unless the stream ends before.
    pub async fn read(&mut self, count: usize) -> Result<Vec<u8>, ExecError> {
        let mut bytes = Vec::with_capacity(count);
        let mut limited = (&mut self.stdout).take(count as u64);
        limited.read_to_end(&mut bytes).await.map_err(|error| ExecError::Broken(error.to_string()))?;
        Ok(bytes)
    }
}

/// A command that reads what it is given.
pub struct Inlet {
    process: AttachedProcess,
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
}

/// Starts `command`, which knows how much to read, in a container of `pod`.
pub async fn inlet(pods: &Api<Pod>, pod: &str, container: &str, command: &[String]) -> Result<Inlet, ExecError> {
    let params = AttachParams::default()
        .container(container)
        .stdin(true)
        .stdout(true)
        .stderr(false)
        .max_stdin_buf_size(STREAM_BUFFER);
    let mut process = pods.exec(pod, command, &params).await?;
    let stdin = process.stdin().ok_or_else(|| ExecError::Broken("it takes no input".to_owned()))?;
    Ok(Inlet { process, stdin: Box::new(stdin) })
}

impl Inlet {
    /// Gives it `bytes`.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ExecError> {
        let written = tokio::time::timeout(TIMEOUT, self.stdin.write_all(bytes)).await;
        let written = written.map_err(|_| ExecError::Broken("it took too long".to_owned()))?;
        written.map_err(|error| ExecError::Broken(error.to_string()))
    }

    /// Waits until it has done with all that it was given.
    pub async fn finish(mut self) -> Result<(), ExecError> {
        self.stdin.flush().await.map_err(|error| ExecError::Broken(error.to_string()))?;
        let ended = tokio::time::timeout(TIMEOUT, finish(self.process)).await;
        ended.unwrap_or_else(|_| Err(ExecError::Broken("it took too long".to_owned())))
    }
}

async fn start(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    command: &[String],
    buffer: usize,
) -> Result<AttachedProcess, ExecError> {
    let params = AttachParams::default()
        .container(container)
        .stdin(false)
        .stdout(true)
        .stderr(false)
        .max_stdout_buf_size(buffer);
    Ok(pods.exec(pod, command, &params).await?)
}

/// A command has succeeded only if the container runtime says so: a broken connection ends its output too.
async fn finish(mut process: AttachedProcess) -> Result<(), ExecError> {
    let status = match process.take_status() {
        Some(status) => status.await,
        None => None,
    };
    match status {
        Some(status) if status.status.as_deref() == Some("Success") => Ok(()),
        Some(status) => Err(ExecError::Broken(status.message.unwrap_or_default())),
        None => Err(ExecError::Broken("the connection broke off".to_owned())),
    }
}
