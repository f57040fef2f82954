//! `eai-agent cleanup`: leaves nothing in the member's cluster that keeps it from being uninstalled.

use std::time::Duration;

use eai_api::names::ASSIGNMENT_LABEL;
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{Pod, Secret},
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams},
};

use crate::{
    identity,
    sweep::{ignore_gone, release},
};

/// How long it may take; the work's grace is within.
const LIMIT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(1);

/// What to clean up.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The agent's own namespace.
    #[arg(long, default_value = "eai-agent")]
    namespace: String,
    /// The namespace of work.
    #[arg(long, default_value = "eai-work")]
    work_namespace: String,
    /// The agent's own Deployment, deleted first so that no work begins any more.
    #[arg(long, default_value = "eai-agent")]
    deployment: String,
}

/// Why it couldn't be done.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// The cluster says no, or nothing.
    #[error("the member's cluster: {0}")]
    Kube(#[from] kube::Error),
    /// Something is still there.
    #[error("{pods} pods and {jobs} Jobs are still in namespace {namespace} after {} s", LIMIT.as_secs())]
    Left {
        /// Where.
        namespace: String,
        /// Jobs.
        jobs: usize,
        /// Pods.
        pods: usize,
    },
}

/// Stops the agent, so that nothing begins any more; ends all work and deletes it; then forgets the agent's keys.
pub async fn run(args: &Args, member: Client) -> Result<(), CleanupError> {
    let deployments: Api<Deployment> = Api::namespaced(member.clone(), &args.namespace);
    // In the foreground it is gone only when its pods are.
    ignore_gone(deployments.delete(&args.deployment, &DeleteParams::foreground()).await)?;
    wait_gone(&deployments, &args.deployment).await?;
    end_work(&args.work_namespace, &member).await?;
    let secrets: Api<Secret> = Api::namespaced(member, &args.namespace);
    ignore_gone(secrets.delete(identity::SECRET, &DeleteParams::default()).await)?;
    tracing::info!("no work and no keys are left");
    Ok(())
}

async fn end_work(namespace: &str, member: &Client) -> Result<(), CleanupError> {
    let started = tokio::time::Instant::now();
    loop {
        let (jobs, pods) = sweep(namespace, member).await?;
        if jobs + pods == 0 {
            return Ok(());
        }
        if started.elapsed() > LIMIT {
            return Err(CleanupError::Left { namespace: namespace.to_owned(), jobs, pods });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the Deployment, and with it its pods, is gone.
async fn wait_gone(deployments: &Api<Deployment>, name: &str) -> Result<(), kube::Error> {
    let started = tokio::time::Instant::now();
    while deployments.get_opt(name).await?.is_some() && started.elapsed() < LIMIT {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Deletes all work once; says how many Jobs and pods are still there.
async fn sweep(namespace: &str, member: &Client) -> Result<(usize, usize), kube::Error> {
    let ours = ListParams::default().labels(ASSIGNMENT_LABEL);
    let jobs: Api<Job> = Api::namespaced(member.clone(), namespace);
    let jobs_left = jobs.list_metadata(&ours).await?.items;
    for job in jobs_left.iter().filter(|job| job.metadata.deletion_timestamp.is_none()) {
        ignore_gone(jobs.delete(&job.name_any(), &DeleteParams::background()).await)?;
    }
    let pods: Api<Pod> = Api::namespaced(member.clone(), namespace);
    let pods_left = pods.list(&ours).await?.items;
    for pod in pods_left.iter().filter(|pod| pod.metadata.deletion_timestamp.is_some() || over(pod)) {
        match release(&pods, pod).await {
            // It changed under our hands; the next round sees how.
            Err(kube::Error::Api(status)) if status.code == 422 => {}
            done => done?,
        }
    }
    let secrets: Api<Secret> = Api::namespaced(member.clone(), namespace);
    for secret in secrets.list_metadata(&ours).await?.items {
        ignore_gone(secrets.delete(&secret.name_any(), &DeleteParams::default()).await)?;
    }
    Ok((jobs_left.len(), pods_left.len()))
}

fn over(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}
