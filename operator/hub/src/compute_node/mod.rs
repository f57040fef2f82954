//! ComputeNode: members join, are accepted, get their namespace and rights, and leave.
//!
//! What the operator's ServiceAccount needs for it: computenodes get/list/watch/patch and computenodes/status update;
//! memberreports, leases and clusterroles list/watch; clusterroles `eai-invite-*` get/delete; namespaces `cn-*`
//! get/create/patch/delete; in them resourcequotas, serviceaccounts, secrets `agent-token`, roles, rolebindings and
//! deployments create/patch, leases create, secrets `member-kubeconfig` get, secrets, rolebindings and deployments
//! delete, serviceaccounts/token create; and everything that [`objects::role`] gives.

mod agent;
mod apply;
mod build;
mod deployment;
mod gather;
mod health;
mod memory;
mod objects;
mod offers;
mod removal;
mod snapshot;
mod standing;
mod status;
#[cfg(test)]
mod tests;
mod token;

use std::{sync::Arc, time::Duration};

use eai_api::{
    ComputeNode, MemberReport,
    compute_node::{Connection, SealedToken},
    names::{INVITE_LABEL, MEMBER_LABEL, member_of_namespace},
};
use eai_chain::Domain;
use futures::StreamExt as _;
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Namespace, rbac::v1::ClusterRole},
    jiff::Timestamp,
};
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    runtime::{
        Controller,
        controller::Action,
        events::{Event, EventType, Recorder},
        reflector::ObjectRef,
        watcher,
    },
};

use self::{
    apply::ApplyError,
    build::{Decision, Plan, Settings},
    memory::{Memory, RESYNC},
    removal::Step,
    snapshot::{Place, Snapshot},
    standing::{Leaving, Standing},
};
use crate::{
    context::{Fatal, Shared},
    heartbeat::Moment,
};

/// The field manager of everything that the hub applies.
pub const MANAGER: &str = "eai-operator";
/// Until a failed reconcile is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Until what a silent member has is told anew.
const COUNT: Duration = Duration::from_secs(10);
/// Until something that is on its way elsewhere is looked at again.
const SOON: Duration = Duration::from_secs(2);

/// What each reconcile is given.
struct Members {
    client: Client,
    recorder: Recorder,
    settings: Settings,
    memory: Memory,
}

/// Why a reconcile didn't come to its end.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Reading failed.
    #[error("reading what belongs to the member failed: {0}")]
    Gather(#[source] kube::Error),
    /// Writing failed; the status says so too.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The status couldn't be written.
    #[error("writing the ComputeNode's status failed: {0}")]
    Status(#[source] kube::Error),
}

/// Runs until `ctx.shutdown` is cancelled; called on the leader only.
pub async fn run(ctx: Shared) -> Result<(), Fatal> {
    let escrow = ctx.config.escrow.ok_or_else(|| Fatal::new("compute nodes", "no escrow is configured (--escrow)"))?;
    let members = Arc::new(Members {
        client: ctx.client.clone(),
        recorder: ctx.recorder.clone(),
        settings: Settings {
            domain: Domain { chain_id: ctx.config.chain_id, escrow },
            agent_image: ctx.config.agent_image.clone(),
        },
        memory: Memory::new(ctx.heartbeats.clone(), ctx.tallies.clone(), ctx.doubts.clone()),
    });
    let (beats, reports, places) = (members.clone(), members.clone(), members.clone());
    let labelled = |label: &str| watcher::Config::default().labels(label);
    Controller::new(Api::<ComputeNode>::all(ctx.client.clone()), watcher::Config::default())
        .watches(Api::<Lease>::all(ctx.client.clone()), labelled(MEMBER_LABEL), move |lease: Lease| {
            let member = member_of(lease.metadata.namespace.as_deref())?;
            beats.memory.heartbeats.observe(&member, &lease, Moment::now()).then(|| ObjectRef::new(&member))
        })
        .watches(
            Api::<MemberReport>::all(ctx.client.clone()),
            watcher::Config::default(),
            move |report: MemberReport| {
                let member = member_of(report.metadata.namespace.as_deref())?;
                reports.memory.report(&member, &report).then(|| ObjectRef::new(&member))
            },
        )
        .watches(Api::<Namespace>::all(ctx.client.clone()), labelled(MEMBER_LABEL), move |namespace: Namespace| {
            going(&places.memory, &namespace).map(|member| ObjectRef::new(&member))
        })
        .watches(Api::<ClusterRole>::all(ctx.client.clone()), labelled(INVITE_LABEL), |role: ClusterRole| {
            role.labels().get(INVITE_LABEL).map(|member| ObjectRef::new(member))
        })
        .graceful_shutdown_on(ctx.shutdown.clone().cancelled_owned())
        .run(reconcile, retry, members)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(%error, "compute node");
            }
        })
        .await;
    Ok(())
}

/// The member whose namespace is going away: nothing of what was written there can be taken as still there.
fn going(memory: &Memory, namespace: &Namespace) -> Option<String> {
    let member = member_of(namespace.metadata.name.as_deref())?;
    namespace.metadata.deletion_timestamp.as_ref()?;
    memory.doubt(&member);
    Some(member)
}

fn member_of(namespace: Option<&str>) -> Option<String> {
    namespace.and_then(member_of_namespace).map(str::to_owned)
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that kube asks for")]
fn retry(node: Arc<ComputeNode>, error: &Error, _: Arc<Members>) -> Action {
    match error {
        // Somebody wrote it meanwhile; the newer object is on its way here.
        Error::Status(kube::Error::Api(status)) if status.is_conflict() => Action::requeue(SOON),
        _ => {
            tracing::warn!(member = node.name_any(), %error, "a ComputeNode is tried again");
            Action::requeue(RETRY)
        }
    }
}

/// gather, build, apply, status.
async fn reconcile(node: Arc<ComputeNode>, members: Arc<Members>) -> Result<Action, Error> {
    let now = Moment::now();
    let snapshot = gather::gather(&members.client, &members.memory, node.clone(), now).await.map_err(Error::Gather)?;
    let decision = build::decide(&snapshot, &members.settings);
    let Some(acted) = act(&members, &snapshot, &decision).await? else { return Ok(Action::await_change()) };
    let findings = status::Findings {
        standing: &acted.standing,
        pulse: snapshot.pulse,
        offers: decision.offers.as_ref(),
        aspects: health::aspects(&snapshot, &acted.standing, decision.offers.as_ref()),
        summary: decision.summary,
        agent: snapshot.report.as_deref().map(agent::shown),
        token: acted.token,
        has_namespace: acted.has_namespace,
    };
    let new = status::build(&node, findings, now.wall);
    let token_expiry = new.token.as_ref().map(|token| token.expires_at.0);
    status::write(&members.client, &node, new).await.map_err(Error::Status)?;
    tell(&members.recorder, &node, &acted.standing).await;
    match acted.error {
        Some(error) => Err(error.into()),
        None => Ok(again(&acted.standing, &snapshot, token_expiry)),
    }
}

/// What came of acting on a decision.
struct Acted {
    standing: Standing,
    token: Option<SealedToken>,
    has_namespace: bool,
    error: Option<ApplyError>,
}

/// apply. `None` if the ComputeNode is gone, or was changed and comes again.
async fn act(members: &Members, snapshot: &Snapshot, decision: &Decision) -> Result<Option<Acted>, Error> {
    let Members { client, memory, .. } = members;
    let (node, name) = (&snapshot.node, snapshot.node.name_any());
    let mut acted = Acted {
        standing: decision.standing.clone(),
        token: node.status.as_ref().and_then(|status| status.token.clone()),
        has_namespace: matches!(snapshot.place, Place::Ours { .. }),
        error: None,
    };
    let result = match &decision.plan {
        Plan::Wait => Ok(()),
        Plan::Revoke => {
            acted.token = None;
            memory.doubt(&name);
            // Let in again, it has to be heard again.
            memory.heartbeats.forget(&name);
            apply::revoke(client, node).await
        }
        Plan::Leave => {
            acted.token = None;
            // Said before anything is taken away, so that whoever writes into the namespace stops first.
            if apply::has_finalizer(node) && !status::says(node, &acted.standing) {
                Ok(())
            } else {
                match removal::leave(client, memory, snapshot).await {
                    Ok(Step::Gone) => return Ok(None),
                    Ok(Step::Waiting(standing)) => {
                        acted.standing = standing;
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            }
        }
        Plan::Keep(_) if !apply::has_finalizer(node) => {
            apply::add_finalizer(client, node).await?;
            return Ok(None);
        }
        Plan::Keep(keep) => apply::keep(client, memory, node, &snapshot.place, keep).await.map(|minted| {
            acted.has_namespace = true;
            acted.token = minted.or(acted.token.take());
        }),
    };
    if let Err(error) = result {
        acted.standing = failed(&acted.standing, &error);
        acted.error = Some(error);
    }
    Ok(Some(acted))
}

fn failed(standing: &Standing, error: &ApplyError) -> Standing {
    match standing {
        Standing::Leaving(_) => Standing::Leaving(Leaving::Failed(error.to_string())),
        _ => Standing::ApplyFailed(error.to_string()),
    }
}

/// When to look again, if nothing changes before.
fn again(standing: &Standing, snapshot: &Snapshot, token: Option<Timestamp>) -> Action {
    let past = Duration::from_millis(500);
    let push = snapshot.node.spec.connection == Connection::Push;
    let wait = match standing {
        Standing::Leaving(_) | Standing::NamespaceTerminating(_) | Standing::KubeconfigAwaited(_) => SOON,
        // Nothing tells us when the Secret is corrected, or the namespace removed.
        Standing::KubeconfigRefused(_) | Standing::NamespaceTaken { .. } => RETRY,
        // Nor when work has gone.
        _ if snapshot.drain_by().is_some() && !snapshot.tally.is_some_and(|tally| tally.empty) => SOON,
        Standing::Silent(_) if snapshot.tally.is_none_or(|tally| tally.attempts > 0) => COUNT,
        _ => match (snapshot.pulse.fresh_for, token) {
            (Some(fresh), _) => fresh + past,
            // Perhaps it gets another kubeconfig.
            (None, _) if push => RETRY,
            (None, Some(expiry)) => {
                Duration::try_from(expiry.duration_since(snapshot.now)).map_or(RETRY, |left| left + past)
            }
            (None, None) => RESYNC,
        },
    };
    Action::requeue(wait.min(RESYNC))
}

/// Puts an event on the ComputeNode when it comes to stand elsewhere.
async fn tell(recorder: &Recorder, node: &ComputeNode, standing: &Standing) {
    if status::says(node, standing) {
        return;
    }
    let name = node.name_any();
    let bad = standing.is_stalled() || matches!(standing, Standing::Silent(_) | Standing::NoOffer(_));
    let event = Event {
        type_: if bad { EventType::Warning } else { EventType::Normal },
        reason: standing.reason().to_owned(),
        note: Some(standing.message(&name).chars().take(1000).collect()),
        action: "Join".to_owned(),
        secondary: None,
    };
    tracing::info!(member = name, standing = standing.reason(), "{}", standing.message(&name));
    if let Err(error) = recorder.publish(&event, &node.object_ref(&())).await {
        tracing::warn!(member = name, %error, "the event couldn't be recorded");
    }
}
