//! What is done with a running job: streams through the hub to the member that runs it, with the caller's own identity.

use eai_api::{
    names::{ARTIFACTS_GROUP, VERSION},
    session::{Answer, Wish},
};
use eai_runtime::stream::{self, ConnectError, Link, Message, Pace};
use kube::{Client, core::Status};

use crate::{
    error::{Error, Result},
    hub::Hub,
};

/// Opens a stream to a job. Returns it and how it begins.
pub async fn open(hub: &Hub, job: &str, wish: &Wish) -> Result<(Link, Answer)> {
    open_at(&hub.client, &path(&hub.job_namespace, job, wish)?).await
}

/// The same at a path that is known.
pub async fn open_at(client: &Client, path: &str) -> Result<(Link, Answer)> {
    let (socket, _) = stream::connect(client, path).await.map_err(|error| failed(&error))?;
    let mut link = Link::new(socket, Pace::default());
    let first = link.next().await.map_err(|end| Error::Failed(format!("the hub's answer: {end}")))?;
    let answer = first.to_text().ok().and_then(|text| serde_json::from_str(text).ok());
    match answer {
        Some(Answer::Refused { message }) => Err(Error::Failed(message)),
        Some(answer) => Ok((link, answer)),
        None => {
            Err(Error::Failed("the hub answers with something else than a stream; is it of another version?".into()))
        }
    }
}

/// Its path on the hub's API server.
pub fn path(namespace: &str, job: &str, wish: &Wish) -> Result<String> {
    let what = match wish {
        Wish::Log { .. } => "log",
        Wish::Events => "events",
        Wish::Exec { .. } => "exec",
        Wish::PortForward { .. } => "portforward",
    };
    let wish = serde_json::to_string(wish).map_err(|error| Error::Failed(error.to_string()))?;
    Ok(format!(
        "/apis/{ARTIFACTS_GROUP}/{VERSION}/namespaces/{namespace}/aijobs/{job}/{what}?wish={}",
        escaped(wish.as_bytes())
    ))
}

/// Text as a part of a query.
fn escaped(text: &[u8]) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.iter().map(|&b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn failed(error: &ConnectError) -> Error {
    match error {
        ConnectError::Refused { code, message } => {
            let status = Status { code: *code, message: message.clone(), ..Status::default() };
            Error::Hub(kube::Error::Api(status.boxed()))
        }
        ConnectError::Broken(_) => Error::Failed(error.to_string()),
    }
}

/// What a message says in bytes; nothing if it is text.
pub fn bytes(message: Message) -> Vec<u8> {
    match message {
        Message::Binary(bytes) => bytes.into(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_wish_is_a_path_that_needs_no_more_escaping() {
        let wish = Wish::Log { index: 2, offset: 5, check: None };
        assert_eq!(
            path("vision", "digits", &wish).unwrap(),
            "/apis/artifacts.eai.network/v1alpha1/namespaces/vision/aijobs/digits/log?wish=\
             %7B%22Log%22%3A%7B%22index%22%3A2%2C%22offset%22%3A5%7D%7D"
        );
        let wish = Wish::Exec { index: 0, command: vec!["a b&c=é".into()], stdin: true };
        let path = path("vision", "digits", &wish).unwrap();
        assert!(path.parse::<http::Uri>().is_ok() && path.contains("/exec?wish=") && !path.contains('&'), "{path}");
    }
}
