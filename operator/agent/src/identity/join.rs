//! Joining a hub with an invite, and coming back to it after a long absence.

use std::{path::PathBuf, sync::Arc, time::Duration};

use eai_api::{
    ComputeNode, ComputeNodeSpec,
    compute_node::{Connection, SealedToken},
};
use eai_core::{
    address::Address,
    seal::{KeyPair, Purpose},
};
use eai_runtime::clock;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client, api::PostParams};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Membership;
use crate::{clients::Bearer, config::Config, health::Health, link::with_timeout};

/// Between looks at the ComputeNode while the admin decides.
pub const POLL: Duration = Duration::from_secs(2);
/// How much of its life a token must have left to be of use.
const USABLE: Duration = Duration::from_secs(30);

/// Who wants to join.
pub struct Applicant {
    /// The configuration.
    pub config: Config,
    /// A client of the hub whose requests carry `bearer`.
    pub hub: Client,
    /// What the requests carry; the invite's token while joining.
    pub bearer: Bearer,
    /// The member's keys.
    pub keys: Arc<KeyPair>,
    /// The account that is paid.
    pub owner: Address,
    /// The UID of the member's kube-system namespace.
    pub cluster_uid: String,
    /// Between looks at the ComputeNode while the admin decides: [`POLL`].
    pub poll: Duration,
    /// Told what joining waits for.
    pub health: Health,
}

/// Why joining doesn't go on. All but the last may pass: joining is tried again.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No token to ask with.
    #[error(
        "can't read the invite's token at {path:?}: {source}; get one with `kubectl eai invite {member}` on the hub"
    )]
    NoInvite {
        /// Where it should be.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
        /// The member.
        member: String,
    },
    /// The token isn't taken.
    #[error(
        "the hub doesn't take this invite ({0}): it has expired, was used up or is for another member; the hub's admin \
         makes a new one with `kubectl eai invite {1}`"
    )]
    InviteRefused(String, String),
    /// The hub couldn't be asked.
    #[error("asking the hub: {0}")]
    Hub(#[from] kube::Error),
    /// The admin, or someone, removed the ComputeNode.
    #[error("ComputeNode {0} was removed from the hub while this member waited to be accepted")]
    Removed(String),
    /// The name belongs to another member.
    #[error(
        "ComputeNode {0} on the hub has another sealing key, so it is another member's, or this member's before it lost \
         its Secret; choose another name, or have the hub's admin run `kubectl eai leave {0}` and invite it again"
    )]
    NameTaken(String),
}

impl JoinError {
    /// What is wrong with the invite, if nothing but a new one helps.
    pub fn no_invite(&self) -> Option<String> {
        match self {
            Self::NoInvite { path, source, .. } => Some(format!("{}: {source}", path.display())),
            Self::InviteRefused(why, _) => Some(why.clone()),
            Self::Hub(_) | Self::Removed(_) | Self::NameTaken(_) => None,
        }
    }
}

/// What the hub seals: a token, and the UID of the Secret it is bound to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Handover {
    token: String,
    secret_uid: String,
}

/// Makes this member's ComputeNode, if it isn't there, and waits until the hub hands over a token.
pub async fn join(applicant: &Applicant) -> Result<Membership, JoinError> {
    let api: Api<ComputeNode> = Api::all(applicant.hub.clone());
    let name = &applicant.config.member;
    // One that is there already saves a request that an invite's admission would refuse.
    if find(&api, applicant).await?.is_none() {
        create(&api, applicant).await?;
        tracing::info!(member = name, "asked to join; the hub's admin accepts with `kubectl eai approve {name}`");
    }
    applicant.health.say(&format!(
        "waits for the hub to let it in; if the hub's admin has not accepted it yet: `kubectl eai approve {name}`"
    ));
    loop {
        let node = get(&api, applicant).await?.ok_or_else(|| JoinError::Removed(name.clone()))?;
        if node.spec.sealing_key != applicant.keys.public() {
            return Err(JoinError::NameTaken(name.clone()));
        }
        if let Some(membership) = open(&node, &applicant.keys, clock::now()) {
            return Ok(membership);
        }
        tokio::time::sleep(applicant.poll).await;
    }
}

/// The ComputeNode, if there is one. A member that was away for longer than its token and its invite lasted has neither;
/// some hubs let anyone read a ComputeNode, in which a new token may lie, sealed to its member.
async fn find(api: &Api<ComputeNode>, applicant: &Applicant) -> Result<Option<ComputeNode>, JoinError> {
    let invited = match present_invite(applicant) {
        Ok(()) => get(api, applicant).await,
        Err(error) => Err(error),
    };
    match invited {
        Err(error) if error.no_invite().is_some() => {
            applicant.bearer.clear();
            get(api, applicant).await.ok().flatten().map(Some).ok_or(error)
        }
        found => found,
    }
}

fn present_invite(applicant: &Applicant) -> Result<(), JoinError> {
    let member = applicant.config.member.clone();
    let path = applicant.config.hub.as_ref().and_then(|hub| hub.invite_token_file.clone()).unwrap_or_default();
    let token = match std::fs::read_to_string(&path) {
        Ok(token) => Zeroizing::new(token),
        Err(source) => return Err(JoinError::NoInvite { path, source, member }),
    };
    if token.trim().is_empty() || !applicant.bearer.set(&token) {
        return Err(JoinError::InviteRefused("the file holds no token".to_owned(), member));
    }
    Ok(())
}

async fn get(api: &Api<ComputeNode>, applicant: &Applicant) -> Result<Option<ComputeNode>, JoinError> {
    with_timeout(api.get_opt(&applicant.config.member)).await.map_err(|error| refused(error, applicant))
}

async fn create(api: &Api<ComputeNode>, applicant: &Applicant) -> Result<(), JoinError> {
    let config = &applicant.config;
    let spec = ComputeNodeSpec {
        owner: applicant.owner,
        form: config.form,
        site: config.site,
        region: config.region.clone(),
        connection: Connection::Pull,
        sealing_key: applicant.keys.public(),
        cluster_uid: applicant.cluster_uid.clone(),
        accepted: false,
        cordon: false,
        drain: None,
    };
    let node = ComputeNode::new(&config.member, spec);
    match with_timeout(api.create(&PostParams::default(), &node)).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        created => created.map(drop).map_err(|error| refused(error, applicant)),
    }
}

fn refused(error: kube::Error, applicant: &Applicant) -> JoinError {
    match error {
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
            JoinError::InviteRefused(status.message.clone(), applicant.config.member.clone())
        }
        other => JoinError::Hub(other),
    }
}

/// The membership that the hub has sealed to `keys` in the status of `node`, if it is still of use.
pub(super) fn open(node: &ComputeNode, keys: &KeyPair, now: Timestamp) -> Option<Membership> {
    let SealedToken { sealed, expires_at } = node.status.as_ref()?.token.as_ref()?;
    if now.duration_until(expires_at.0).unsigned_abs() < USABLE || expires_at.0 < now {
        return None;
    }
    let uid = node.metadata.uid.as_deref()?;
    let plain = match keys.open(Purpose::MemberToken, uid, sealed) {
        Ok(plain) => plain,
        Err(error) => {
            tracing::warn!(%error, "the hub's token for this member can't be opened");
            return None;
        }
    };
    let Ok(handover) = serde_json::from_slice::<Handover>(&plain) else {
        tracing::warn!("the hub's token for this member isn't in a form that this agent knows");
        return None;
    };
    Some(Membership {
        token: Zeroizing::new(handover.token),
        expires_at: expires_at.0,
        secret_uid: handover.secret_uid,
    })
}
