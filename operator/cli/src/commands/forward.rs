//! A port of a job's container, at a port of this machine.

use std::{future::ready, io, time::Duration};

use eai_api::session::Wish;
use eai_runtime::stream::{self, Message, Pace};
use futures::{Sink, SinkExt as _, Stream, StreamExt as _, sink, stream as streams};
use kube::Client;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::io::ReaderStream;

use crate::{
    arguments::PortForward,
    error::{Error, Result},
    hub::Hub,
    live, output,
};

/// Kubernetes' channels of a port's stream. Each begins with the port.
const DATA: u8 = 0;
const ERROR: u8 = 1;
/// How long what is still to come may take once this end has said all.
const LAST: Duration = Duration::from_secs(30);

/// Forwards connections until it is ended.
pub async fn run(hub: &Hub, arguments: &PortForward) -> Result<()> {
    let (local, remote) = ports(&arguments.ports)?;
    let wish = Wish::PortForward { index: arguments.index, port: remote };
    let path = live::path(&hub.job_namespace, &arguments.job, &wish)?;
    // Only this machine's users: whoever reaches the port acts in the caller's name.
    let listener = TcpListener::bind(("127.0.0.1", local)).await;
    let listener = listener.map_err(|error| Error::Failed(format!("port {local} here can't be used: {error}")))?;
    let address = listener.local_addr().map_err(|error| Error::Failed(error.to_string()))?;
    output::say(format!("{address} is port {remote} of {}; Ctrl-C ends it", arguments.job))?;
    loop {
        let accepted = listener.accept().await;
        let (connection, _) = accepted.map_err(|error| Error::Failed(format!("port {local} here: {error}")))?;
        let (client, path) = (hub.client.clone(), path.clone());
        tokio::spawn(async move {
            if let Err(error) = forward(&client, &path, connection).await {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

async fn forward(client: &Client, path: &str, connection: TcpStream) -> Result<()> {
    let (link, _) = live::open_at(client, path).await?;
    let (read, write) = connection.into_split();
    stream::join(link.into_socket(), outgoing(read), incoming(write), Pace::default()).await;
    Ok(())
}

/// What is sent from here.
fn outgoing(read: impl AsyncRead) -> impl Stream<Item = Message> {
    let data = ReaderStream::with_capacity(read, 16 << 10).take_while(|read| ready(read.is_ok()));
    let data = data.filter_map(|read| ready(read.ok()));
    let data = data.map(|bytes| Message::Binary([&[DATA], bytes.as_ref()].concat().into()));
    // Kubernetes has no word for the end of one half of a connection.
    let last = streams::once(async {
        tokio::time::sleep(LAST).await;
        stream::over()
    });
    data.chain(last)
}

/// What comes is written here. The first message of each channel only names the port.
fn incoming(write: impl AsyncWrite + Unpin) -> impl Sink<Message, Error = stream::Error> {
    let write = sink::unfold((write, [false; 2]), |(mut write, mut begun), message: Message| async move {
        let bytes = live::bytes(message);
        if let Some((&channel @ (DATA | ERROR), rest)) = bytes.split_first() {
            let names_the_port = begun.get_mut(usize::from(channel)).is_some_and(|b| !std::mem::replace(b, true));
            match channel {
                _ if names_the_port || rest.is_empty() => {}
                DATA => write.write_all(rest).await?,
                _ => return Err(io::Error::other(String::from_utf8_lossy(rest).into_owned())),
            }
        }
        Ok((write, begun))
    });
    write.sink_map_err(|error: io::Error| {
        eprintln!("a connection broke: {error}");
        stream::Error::Io(error)
    })
}

/// LOCAL:REMOTE, or one number for both.
fn ports(text: &str) -> Result<(u16, u16)> {
    let wrong = || Error::Usage(format!("{text} isn't LOCAL:REMOTE, such as 8080:80, or one number for both"));
    let (local, remote) = text.split_once(':').unwrap_or((text, text));
    match (local.parse(), remote.parse()) {
        (Ok(local), Ok(remote)) if remote > 0 => Ok((local, remote)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ports_are_numbers() {
        assert_eq!(ports("8080:80").unwrap(), (8080, 80));
        assert_eq!(ports("80").unwrap(), (80, 80));
        assert_eq!(ports("0:80").unwrap(), (0, 80));
        for bad in ["", ":", "a:80", "80:0", "70000:80", "1:2:3", "8080:"] {
            assert_eq!(ports(bad).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[tokio::test]
    async fn what_names_the_port_is_not_data_and_an_error_ends_it() {
        let (mut here, there) = tokio::io::duplex(100);
        let mut sink = Box::pin(incoming(there));
        let message = |bytes: &[u8]| Message::Binary(bytes.to_vec().into());
        for bytes in [&[DATA, 80, 0], &[ERROR, 80, 0]] {
            sink.send(message(bytes)).await.unwrap();
        }
        sink.send(message(b"\x00hello")).await.unwrap();
        sink.send(Message::Ping(Vec::new().into())).await.unwrap();
        let mut came = [0; 5];
        tokio::io::AsyncReadExt::read_exact(&mut here, &mut came).await.unwrap();
        assert_eq!(&came, b"hello");
        assert!(sink.send(message(b"\x01refused")).await.is_err());
    }
}
