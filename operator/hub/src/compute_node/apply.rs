//! Writes what `build` decided. Everything is applied on the server's side, under one field manager, and nothing is
//! written into a namespace that isn't the member's own.

use std::{fmt::Debug, time::Instant};

use eai_api::{
    ComputeNode,
    compute_node::{Connection, SealedToken},
    names::{AGENT_ACCOUNT, AGENT_DEPLOYMENT, MEMBER_FINALIZER, TOKEN_SECRET, invite_role, member_namespace},
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        coordination::v1::Lease,
        core::v1::{Namespace, Secret},
        rbac::v1::{ClusterRole, RoleBinding},
    },
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    MANAGER,
    build::{Keep, Objects},
    memory::{Memory, Written},
    snapshot::Place,
    token,
};

/// Why something wasn't written; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The API server refused it or wasn't reached.
    #[error("writing {what} failed: {source}")]
    Api {
        /// What was written.
        what: String,
        /// Why it failed.
        source: kube::Error,
    },
    /// The API server gave an object without a UID.
    #[error("the API server gave {0} without a UID")]
    NoUid(&'static str),
    /// The first token.
    #[error(transparent)]
    Token(#[from] token::TokenError),
}

impl ApplyError {
    /// `what` failed because of `source`.
    pub fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        |source| Self::Api { what, source }
    }
}

/// Makes what an accepted member has. Returns the first token if one was minted.
pub async fn keep(
    client: &Client,
    memory: &Memory,
    node: &ComputeNode,
    place: &Place,
    keep: &Keep,
) -> Result<Option<SealedToken>, ApplyError> {
    let name = node.name_any();
    let written = match memory.written(&name, Instant::now()) {
        Some(written) if written.objects == keep.objects => written,
        _ => {
            memory.doubt(&name);
            let written = objects(client, node, place, &keep.objects).await?;
            memory.wrote(&name, written.clone());
            written
        }
    };
    if let Some(uid) = &keep.spent_invite {
        remove_invite(client, &name, uid).await?;
    }
    if !keep.mint {
        return Ok(None);
    }
    let node_uid = node.uid().ok_or(ApplyError::NoUid("the ComputeNode"))?;
    match token::mint(client, &name, &written.secret_uid, &node.spec.sealing_key, &node_uid).await {
        Ok(token) => Ok(Some(token)),
        Err(error) => {
            // Perhaps the Secret was deleted to revoke the tokens, and what is remembered of it is wrong.
            memory.doubt(&name);
            Err(error.into())
        }
    }
}

async fn objects(client: &Client, node: &ComputeNode, place: &Place, objects: &Objects) -> Result<Written, ApplyError> {
    let member = node.name_any();
    let namespace_uid = namespace(client, place, &objects.namespace).await?;
    apply(client, &member, &objects.quota).await?;
    apply(client, &member, &objects.account).await?;
    let secret = apply(client, &member, &objects.secret).await?;
    lease(client, &member, &objects.lease).await?;
    apply(client, &member, &objects.role).await?;
    apply(client, &member, &objects.binding).await?;
    match &objects.agent {
        Some(agent) => drop(apply(client, &member, agent).await?),
        None if node.spec.connection == Connection::Push => {
            remove::<Deployment>(client, &member, AGENT_DEPLOYMENT).await?;
        }
        None => {}
    }
    let secret_uid = secret.uid().ok_or(ApplyError::NoUid("a Secret"))?;
    Ok(Written { objects: objects.clone(), namespace_uid, secret_uid, at: Instant::now() })
}

/// Makes the namespace, or corrects the one that is the member's own. Creating fails if the name was taken meanwhile,
/// and applying fails if the namespace was made anew meanwhile: nobody else's is ever taken over.
async fn namespace(client: &Client, place: &Place, desired: &Namespace) -> Result<String, ApplyError> {
    let api: Api<Namespace> = Api::all(client.clone());
    let name = desired.name_any();
    let made = if let Place::Ours { uid } = place {
        let mut desired = desired.clone();
        desired.metadata.uid = Some(uid.clone());
        api.patch(&name, &params(), &Patch::Apply(&desired)).await
    } else {
        api.create(&PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }, desired).await
    };
    let made = made.map_err(ApplyError::api(format!("namespace {name}")))?;
    made.uid().ok_or(ApplyError::NoUid("a namespace"))
}

/// Makes the Lease if there is none. The agent alone writes it afterwards.
async fn lease(client: &Client, member: &str, desired: &Lease) -> Result<(), ApplyError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), &member_namespace(member));
    match api.create(&PostParams::default(), desired).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(ApplyError::api("the heartbeat Lease")(error)),
    }
}

fn params() -> PatchParams {
    PatchParams::apply(MANAGER).force()
}

async fn apply<K>(client: &Client, member: &str, object: &K) -> Result<K, ApplyError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let name = object.name_any();
    let api: Api<K> = Api::namespaced(client.clone(), &member_namespace(member));
    let patch = Patch::Apply(object);
    api.patch(&name, &params(), &patch).await.map_err(ApplyError::api(format!("{} {name}", K::kind(&()))))
}

async fn remove<K>(client: &Client, member: &str, name: &str) -> Result<(), ApplyError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &member_namespace(member));
    absent(api.delete(name, &DeleteParams::default()).await.map(drop))
        .map_err(ApplyError::api(format!("the removal of {} {name}", K::kind(&()))))
}

/// What is gone already needn't be removed.
fn absent(result: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other,
    }
}

/// Takes the agent's tokens and rights away. After this the API server refuses the agent, as soon as it stops
/// remembering that it once accepted the token (10 s).
pub async fn revoke(client: &Client, node: &ComputeNode) -> Result<(), ApplyError> {
    let member = &node.name_any();
    remove::<Secret>(client, member, TOKEN_SECRET).await?;
    remove::<RoleBinding>(client, member, AGENT_ACCOUNT).await?;
    if node.spec.connection == Connection::Push {
        remove::<Deployment>(client, member, AGENT_DEPLOYMENT).await?;
    }
    Ok(())
}

/// Removes the member's own namespace.
pub async fn remove_namespace(client: &Client, member: &str, uid: &str) -> Result<(), ApplyError> {
    let api: Api<Namespace> = Api::all(client.clone());
    let name = member_namespace(member);
    let deleted = api.delete(&name, &exactly(uid)).await.map(drop);
    absent(deleted).map_err(ApplyError::api(format!("the removal of namespace {name}")))
}

/// Removes an invite; its ServiceAccount and binding are the ClusterRole's and go with it.
pub async fn remove_invite(client: &Client, member: &str, uid: &str) -> Result<(), ApplyError> {
    let api: Api<ClusterRole> = Api::all(client.clone());
    let deleted = api.delete(&invite_role(member), &exactly(uid)).await.map(drop);
    absent(deleted).map_err(ApplyError::api("the removal of the invite"))
}

/// This object, and no other that has taken its name since.
fn exactly(uid: &str) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
        ..DeleteParams::background()
    }
}

/// Whether this ComputeNode stays until everything that was made for it is gone.
pub fn has_finalizer(node: &ComputeNode) -> bool {
    node.finalizers().iter().any(|f| f == MEMBER_FINALIZER)
}

/// Makes the ComputeNode stay until everything that was made for it is gone.
pub async fn add_finalizer(client: &Client, node: &ComputeNode) -> Result<(), ApplyError> {
    let mut finalizers = node.finalizers().to_vec();
    finalizers.push(MEMBER_FINALIZER.to_owned());
    set_finalizers(client, node, finalizers).await
}

/// Lets the ComputeNode go.
pub async fn remove_finalizer(client: &Client, node: &ComputeNode) -> Result<(), ApplyError> {
    let rest: Vec<_> = node.finalizers().iter().filter(|f| *f != MEMBER_FINALIZER).cloned().collect();
    absent_apply(set_finalizers(client, node, rest).await)
}

fn absent_apply(result: Result<(), ApplyError>) -> Result<(), ApplyError> {
    match result {
        Err(ApplyError::Api { source: kube::Error::Api(status), .. }) if status.is_not_found() => Ok(()),
        other => other,
    }
}

/// Written only if the ComputeNode is still the one that was read.
async fn set_finalizers(client: &Client, node: &ComputeNode, finalizers: Vec<String>) -> Result<(), ApplyError> {
    let api: Api<ComputeNode> = Api::all(client.clone());
    let version = node.resource_version();
    let patch = Patch::Merge(json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } }));
    let done = api.patch_metadata(&node.name_any(), &PatchParams::default(), &patch).await;
    done.map(drop).map_err(ApplyError::api("the ComputeNode's finalizer"))
}
