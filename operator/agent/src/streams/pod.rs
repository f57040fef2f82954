//! Streams to a pod's container or port, through the member's own API server.

use eai_api::names::WORK_CONTAINER;
use eai_runtime::stream::{self, Socket};
use k8s_openapi::api::core::v1::Pod;
use kube::{Resource as _, api::AttachParams, core::Request};

use crate::context::Context;

/// Runs a command in the work container.
pub async fn exec(context: &Context, pod: &str, command: &[String], stdin: bool) -> Result<Socket, String> {
    let params = AttachParams::default().container(WORK_CONTAINER).stdin(stdin).stdout(true).stderr(true).tty(false);
    let request = requests(context).exec(pod, command, &params).map_err(|error| error.to_string())?;
    let (socket, closes) = connect(context, request.uri()).await?;
    if stdin && !closes {
        return Err("its cluster can't end a command's input; it takes Kubernetes 1.30 or later".to_owned());
    }
    Ok(socket)
}

/// Opens a connection to one of the pod's ports, from within its own network.
pub async fn port(context: &Context, pod: &str, port: u16) -> Result<Socket, String> {
    let request = requests(context).portforward(pod, &[port]).map_err(|error| error.to_string())?;
    connect(context, request.uri()).await.map(|(socket, _)| socket)
}

fn requests(context: &Context) -> Request {
    Request::new(Pod::url_path(&(), Some(&context.config.work_namespace)))
}

async fn connect(context: &Context, uri: &http::Uri) -> Result<(Socket, bool), String> {
    stream::connect(&context.member, &uri.to_string()).await.map_err(|error| {
        tracing::warn!(%error, "a stream to a pod can't be opened");
        "its cluster opens no stream to the container now; try again".to_owned()
    })
}
