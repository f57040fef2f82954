//! Before the hub is uninstalled: what would keep namespaces and objects from going away.
//!
//! Meant to run while the operator still does: it asks the operator to end jobs and let members go, then stops it, and
//! only takes away by itself what is left when that took too long. Leases that stay open are the payer's to close.

use std::time::Duration;

use eai_api::{
    AIJob, ComputeNode,
    names::{ARTIFACTS_GROUP, HUB_INFO, MEMBER_FINALIZER, SETTLEMENT_FINALIZER, VERSION, member_namespace},
};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        coordination::v1::Lease,
        core::v1::{ConfigMap, Namespace},
    },
    kube_aggregator::pkg::apis::apiregistration::v1::APIService,
};
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
/// How long the operator's pods may take to end.
const STOP: Duration = Duration::from_secs(35);
/// The operator's Deployment, and its leader Lease.
const OPERATOR: &str = "eai-operator";
const POLL: Duration = Duration::from_secs(2);

/// Cleans up.
pub async fn run(client: Client, namespace: &str) -> Result<(), Fatal> {
    clean(&client, namespace, SETTLE, LEAVE).await.map_err(|error| Fatal::new("cleanup", error))
}

async fn clean(client: &Client, own: &str, settle: Duration, members: Duration) -> Result<(), kube::Error> {
    end_jobs(client, settle).await?;
    let left = dismiss_members(client, members).await?;
    // From here on nothing must put back what is taken away, and no namespace goes while an API has nobody behind it.
    stop_operator(client, own).await?;
    for node in left {
        tracing::warn!(member = node.name_any(), "the operator didn't let the member go; its namespace is deleted");
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = member_namespace(&node.name_any());
        ignore_gone(namespaces.delete(&namespace, &DeleteParams::default()).await.map(drop))?;
        drop_finalizer(&Api::all(client.clone()), &node, MEMBER_FINALIZER).await?;
    }
    abandon_jobs(client).await
}

/// Cancels every job that may hold money, and waits for the operator to settle them.
async fn end_jobs(client: &Client, longest: Duration) -> Result<(), kube::Error> {
    let jobs: Api<AIJob> = Api::all(client.clone());
    for job in listed(&jobs).await?.iter().filter(|job| holds_money(job)) {
        let api: Api<AIJob> = Api::namespaced(client.clone(), &job.namespace().unwrap_or_default());
        let cancel = Patch::Merge(json!({ "spec": { "cancel": true } }));
        ignore_gone(api.patch(&job.name_any(), &PatchParams::default(), &cancel).await.map(drop))?;
    }
    wait_until_none(&jobs, holds_money, longest).await
}

fn holds_money(job: &AIJob) -> bool {
    job.finalizers().iter().any(|f| f == SETTLEMENT_FINALIZER)
}

/// Deletes every member, and waits for the operator to let them go; returns those that it didn't.
async fn dismiss_members(client: &Client, longest: Duration) -> Result<Vec<ComputeNode>, kube::Error> {
    let nodes: Api<ComputeNode> = Api::all(client.clone());
    for node in listed(&nodes).await? {
        ignore_gone(nodes.delete(&node.name_any(), &DeleteParams::default()).await.map(drop))?;
    }
    wait_until_none(&nodes, |_| true, longest).await?;
    listed(&nodes).await
}

/// Takes away the operator's Deployment and the API that it serves.
async fn stop_operator(client: &Client, namespace: &str) -> Result<(), kube::Error> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    ignore_gone(deployments.delete(OPERATOR, &DeleteParams::foreground()).await.map(drop))?;
    let services: Api<APIService> = Api::all(client.clone());
    let name = format!("{VERSION}.{ARTIFACTS_GROUP}");
    ignore_gone(services.delete(&name, &DeleteParams::default()).await.map(drop))?;
    let end = Instant::now() + STOP;
    while Instant::now() < end && deployments.get_opt(OPERATOR).await?.is_some() {
        sleep(POLL).await;
    }
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    ignore_gone(maps.delete(HUB_INFO, &DeleteParams::default()).await.map(drop))?;
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    ignore_gone(leases.delete(OPERATOR, &DeleteParams::default()).await.map(drop))
}

/// Takes the finalizer off jobs whose leases nobody will close any more, so that they can be deleted.
async fn abandon_jobs(client: &Client) -> Result<(), kube::Error> {
    for job in listed(&Api::<AIJob>::all(client.clone())).await?.iter().filter(|job| holds_money(job)) {
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
