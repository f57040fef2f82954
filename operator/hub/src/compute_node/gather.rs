//! Reads everything that a reconcile decides on, once.

use std::sync::Arc;

use eai_api::{
    ComputeNode,
    compute_node::Connection,
    condition::{self, AVAILABLE},
    names::{INVITE_LABEL, KUBECONFIG_KEY, KUBECONFIG_SECRET, MEMBER_LABEL, invite_role, member_namespace},
};
use k8s_openapi::api::{
    core::v1::{Namespace, Secret},
    rbac::v1::ClusterRole,
};
use kube::{Api, Client, ResourceExt as _};

use super::{
    memory::Memory,
    objects::NODE_UID_ANNOTATION,
    snapshot::{Invite, Kubeconfig, Place, Snapshot},
};
use crate::heartbeat::Moment;

/// Reads everything about `node`.
pub async fn gather(
    client: &Client,
    memory: &Memory,
    node: Arc<ComputeNode>,
    now: Moment,
) -> Result<Snapshot, kube::Error> {
    let name = node.name_any();
    let deleting = node.metadata.deletion_timestamp.is_some();
    let before = node.status.as_ref();
    let was_alive = before.is_some_and(|status| condition::is_true(&status.conditions, AVAILABLE));
    let last_seen = before.and_then(|status| status.last_seen.as_ref()).map(|time| time.0);
    let pulse = memory.heartbeats.pulse(&name, (last_seen, was_alive), now);
    let place = match memory.written(&name, now.steady) {
        Some(written) if node.spec.accepted && !deleting => Place::Ours { uid: written.namespace_uid },
        _ => place(client, &node).await?,
    };
    let push = node.spec.connection == Connection::Push;
    let kubeconfig = match &place {
        Place::Ours { .. } if push && node.spec.accepted && !deleting => kubeconfig(client, &name).await?,
        _ => Kubeconfig::Absent,
    };
    let invite = if push || !node.spec.accepted && !deleting { None } else { invite(client, &name).await? };
    let (report, tally) = (memory.reported(&name), memory.tallies.of(&name, now.steady));
    let doubts = memory.doubts.of(&name, now.steady);
    Ok(Snapshot { report, node, place, kubeconfig, invite, pulse, tally, doubts, now: now.wall })
}

/// Looks whose the member's namespace is.
pub async fn place(client: &Client, node: &ComputeNode) -> Result<Place, kube::Error> {
    let found = Api::<Namespace>::all(client.clone()).get_opt(&member_namespace(&node.name_any())).await?;
    Ok(found.map_or(Place::Absent, |namespace| whose(&namespace, &node.name_any(), &node.uid().unwrap_or_default())))
}

/// Whether `namespace` was made for the ComputeNode `member` with UID `node_uid`. Pure.
pub fn whose(namespace: &Namespace, member: &str, node_uid: &str) -> Place {
    let labelled = namespace.labels().get(MEMBER_LABEL).is_some_and(|label| label == member);
    let made_for = namespace.annotations().get(NODE_UID_ANNOTATION);
    match made_for {
        Some(uid) if labelled && namespace.metadata.deletion_timestamp.is_some() => {
            tracing::debug!(member, uid, "the namespace is going away");
            Place::Terminating { held: held(namespace) }
        }
        Some(uid) if labelled && uid == node_uid => Place::Ours { uid: namespace.uid().unwrap_or_default() },
        Some(uid) if labelled => Place::Foreign { whose: format!("was made for an earlier ComputeNode (UID {uid})") },
        _ => Place::Foreign { whose: "wasn't made by this hub for a member".to_owned() },
    }
}

/// What keeps a namespace from going away.
fn held(namespace: &Namespace) -> String {
    let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let held = conditions.filter(|c| c.status == "True").filter_map(|c| c.message.clone());
    held.collect::<Vec<_>>().join("; ")
}

/// Looks at a push member's kubeconfig as strictly as its agent will.
async fn kubeconfig(client: &Client, member: &str) -> Result<Kubeconfig, kube::Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &member_namespace(member));
    Ok(secrets.get_opt(KUBECONFIG_SECRET).await?.map_or(Kubeconfig::Absent, |secret| judge(&secret)))
}

/// Whether a kubeconfig does no more than name a server and a credential. Pure.
pub fn judge(secret: &Secret) -> Kubeconfig {
    let Some(data) = secret.data.as_ref().and_then(|data| data.get(KUBECONFIG_KEY)) else {
        return Kubeconfig::Refused(format!("the Secret has no key {KUBECONFIG_KEY}"));
    };
    let Ok(text) = std::str::from_utf8(&data.0) else {
        return Kubeconfig::Refused("it isn't text".to_owned());
    };
    match eai_runtime::kubeconfig::parse_strict(text) {
        Ok(_) => Kubeconfig::Fine { version: secret.resource_version().unwrap_or_default() },
        Err(error) => Kubeconfig::Refused(error.to_string()),
    }
}

/// The member's invite, if it still is there.
async fn invite(client: &Client, member: &str) -> Result<Option<Invite>, kube::Error> {
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let found = roles.get_metadata_opt(&invite_role(member)).await?;
    Ok(found
        .filter(|role| role.labels().get(INVITE_LABEL).is_some_and(|label| label == member))
        .and_then(|role| Some(Invite { uid: role.uid()?, created: role.creation_timestamp()?.0 })))
}
