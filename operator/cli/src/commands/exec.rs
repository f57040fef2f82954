//! A command in a job's container.

use std::{
    io::{Read as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use eai_api::session::Wish;
use eai_runtime::stream::{self, End, Message, Pace};
use futures::{Stream, StreamExt as _, sink, stream as streams};
use kube::core::{Status, response::StatusSummary};
use tokio::sync::mpsc::channel;

use crate::{
    arguments::Exec,
    error::{Error, Result},
    hub::Hub,
    live,
};

/// Kubernetes' channels of a command's stream.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;

/// Runs it, and ends as it does.
pub async fn run(hub: &Hub, arguments: &Exec) -> Result<()> {
    let Exec { job, index, stdin, command } = arguments;
    let wish = Wish::Exec { index: *index, command: command.clone(), stdin: *stdin };
    let (link, _) = live::open(hub, job, &wish).await?;
    let said: Arc<Mutex<Vec<u8>>> = Arc::default();
    let status = Arc::clone(&said);
    let show = sink::unfold((), move |(), message: Message| {
        let status = Arc::clone(&status);
        async move { show(&live::bytes(message), &status).map_err(stream::Error::Io) }
    });
    let input = if *stdin { input().left_stream() } else { streams::pending().right_stream() };
    let end = stream::join(link.into_socket(), input, show, Pace::default()).await;
    let said = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
    verdict(&said, &end)
}

/// What is typed, and its end.
fn input() -> impl Stream<Item = Message> {
    let (sender, typed) = channel(1);
    // A thread of its own, so that a read that nobody ends holds up nobody's end.
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = std::io::stdin().read(&mut buffer) {
            let bytes = [&[STDIN], buffer.get(..read).unwrap_or_default()].concat();
            if sender.blocking_send(Message::Binary(bytes.into())).is_err() {
                return;
            }
        }
    });
    let typed = streams::unfold(typed, |mut typed| async move { typed.recv().await.map(|message| (message, typed)) });
    let end = streams::iter([Message::Binary(vec![CLOSE, STDIN].into())]);
    typed.chain(end).chain(streams::pending())
}

/// Shows what came, and keeps what says how it ended.
fn show(bytes: &[u8], status: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    match bytes.split_first() {
        Some((&STDOUT, text)) => {
            std::io::stdout().write_all(text)?;
            std::io::stdout().flush()
        }
        Some((&STDERR, text)) => std::io::stderr().write_all(text),
        Some((&STATUS, text)) => {
            text.clone_into(&mut status.lock().unwrap_or_else(PoisonError::into_inner));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// How a command ended, by the status that its node sent last.
fn verdict(said: &[u8], end: &End) -> Result<()> {
    let Ok(status) = serde_json::from_slice::<Status>(said) else {
        return Err(Error::Failed(format!("the command's end is unknown: {end}; it may still run")));
    };
    if status.status == Some(StatusSummary::Success) {
        return Ok(());
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let code = causes.filter(|cause| cause.reason == "ExitCode").find_map(|cause| cause.message.parse().ok());
    Err(code.map_or(Error::Failed(status.message), Error::Exited))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_commands_exit_code_is_ours() {
        let end = End::Closed(None);
        assert!(verdict(br#"{"status":"Success"}"#, &end).is_ok());
        let failed = br#"{"status":"Failure","message":"exit code 7","reason":"NonZeroExitCode",
            "details":{"causes":[{"reason":"ExitCode","message":"7","field":""}]}}"#;
        assert_eq!(verdict(failed, &end).unwrap_err().exit_code(), 7);
        let other = br#"{"status":"Failure","message":"no such file","reason":"InternalError"}"#;
        assert_eq!(verdict(other, &end).unwrap_err().to_string(), "no such file");
        assert!(verdict(b"", &end).unwrap_err().to_string().contains("may still run"));
    }
}
