//! Before the hub is uninstalled: what would keep namespaces and objects from going away.
//!
//! Meant to run while the operator still does: it asks the operator to end jobs and let members go, and only takes away
//! by itself what is left when that took too long. Leases that stay open then are the payer's to close.

use std::time::Duration;

use eai_api::{
    AIJob, ComputeNode,
    names::{MEMBER_FINALIZER, SETTLEMENT_FINALIZER, member_namespace},
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::context::Fatal;

/// How long jobs may take to end and settle.
const SETTLE: Duration = Duration::from_mins(1);
/// How long members may take to go.
const LEAVE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_secs(2);

/// Cleans up.
pub async fn run(client: Client) -> Result<(), Fatal> {
    clean(&client, SETTLE, LEAVE).await.map_err(|error| Fatal::new("cleanup", error))
}

async fn clean(client: &Client, settle: Duration, members: Duration) -> Result<(), kube::Error> {
    let jobs: Api<AIJob> = Api::all(client.clone());
    let open = |job: &AIJob| job.finalizers().iter().any(|f| f == SETTLEMENT_FINALIZER);
    for job in listed(&jobs).await?.iter().filter(|job| open(job)) {
        let api: Api<AIJob> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
        let cancel = Patch::Merge(json!({ "spec": { "cancel": true } }));
        ignore_gone(api.patch(&job.name_any(), &PatchParams::default(), &cancel).await.map(drop))?;
    }
    wait_until_none(&jobs, open, settle).await?;
    let nodes: Api<ComputeNode> = Api::all(client.clone());
    for node in listed(&nodes).await? {
        ignore_gone(nodes.delete(&node.name_any(), &DeleteParams::default()).await.map(drop))?;
    }
    wait_until_none(&nodes, |_| true, members).await?;
    for node in listed(&nodes).await? {
        tracing::warn!(member = node.name_any(), "the operator didn't let the member go; its namespace is deleted");
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = member_namespace(&node.name_any());
        ignore_gone(namespaces.delete(&namespace, &DeleteParams::default()).await.map(drop))?;
        drop_finalizer(&nodes, &node, MEMBER_FINALIZER).await?;
    }
    for job in listed(&jobs).await?.iter().filter(|job| open(job)) {
        let lease = job.status.as_ref().and_then(|s| s.attempt.as_ref()).map(|a| a.lease.id.clone());
        tracing::warn!(
            job = job.name_any(),
            namespace = job.namespace(),
            lease,
            "the job's lease isn't closed: its payer or provider can close it on the chain"
        );
        let api: Api<AIJob> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
        drop_finalizer(&api, job, SETTLEMENT_FINALIZER).await?;
    }
    Ok(())
}

/// Every object of a kind; none if the kind isn't installed.
async fn listed<K>(api: &Api<K>) -> Result<Vec<K>, kube::Error>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn wait_until_none<K>(api: &Api<K>, matches: impl Fn(&K) -> bool, longest: Duration) -> Result<(), kube::Error>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let end = Instant::now() + longest;
    while Instant::now() < end && listed(api).await?.iter().any(&matches) {
        sleep(POLL).await;
    }
    Ok(())
}

async fn drop_finalizer<K>(api: &Api<K>, object: &K, finalizer: &str) -> Result<(), kube::Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let kept: Vec<&String> = object.finalizers().iter().filter(|f| *f != finalizer).collect();
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": kept } }));
    ignore_gone(api.patch(&object.name_any(), &PatchParams::default(), &patch).await.map(drop))
}

fn ignore_gone(result: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other,
    }
}
