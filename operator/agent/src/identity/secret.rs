//! The Secret in the member's cluster in which the agent keeps what must survive it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use eai_core::seal::{KeyPair, SealError};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use zeroize::Zeroizing;

/// The Secret's name.
pub const NAME: &str = "eai-agent-identity";
const SEALING_KEY: &str = "sealingKey";
const TOKEN: &str = "token";
const EXPIRES: &str = "tokenExpiresAt";
const SECRET_UID: &str = "tokenSecretUid";
const GENERATION: &str = "hubGeneration";

/// Why the identity can't be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The member's API server says no, or nothing.
    #[error("Secret {NAME}: {0}")]
    Kube(#[from] kube::Error),
    /// What is there isn't a key. It isn't replaced: the hub knows this member by it.
    #[error(
        "Secret {NAME} holds no usable sealing key ({0}); restore it, or delete it and join again under a new invite"
    )]
    Key(#[from] SealError),
    /// What is there isn't what this agent wrote.
    #[error("Secret {NAME}: {0} can't be read; restore it, or delete it and join again under a new invite")]
    Malformed(&'static str),
}

/// A token for the hub, and what it is bound to. Its `Debug` doesn't show the token.
#[derive(Clone)]
pub struct Membership {
    /// The token.
    pub token: Zeroizing<String>,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The UID of the Secret on the hub that it is bound to, and its successors are to be.
    pub secret_uid: String,
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Membership").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The identity, in memory and in its Secret. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    api: Api<Secret>,
    /// The member's keys.
    pub keys: Arc<KeyPair>,
    generation: Arc<AtomicU64>,
}

impl Identity {
    /// Reads the identity from `namespace`, making keys if there are none yet; also the membership, if there is one.
    pub async fn load(member: Client, namespace: &str) -> Result<(Self, Option<Membership>), IdentityError> {
        let api: Api<Secret> = Api::namespaced(member, namespace);
        let secret = match api.get_opt(NAME).await? {
            Some(secret) => secret,
            None => create(&api).await?,
        };
        let data = secret.data.unwrap_or_default();
        let keys = KeyPair::from_private(text(&data, SEALING_KEY).unwrap_or_default())?;
        let generation = match text(&data, GENERATION) {
            None => 0,
            Some(text) => text.parse().map_err(|_| IdentityError::Malformed(GENERATION))?,
        };
        let membership = membership(&data)?;
        Ok((Self { api, keys: Arc::new(keys), generation: Arc::new(AtomicU64::new(generation)) }, membership))
    }

    /// Keeps `membership` for the next start.
    pub async fn save(&self, membership: &Membership) -> Result<(), IdentityError> {
        let patch = json!({ "stringData": {
            TOKEN: *membership.token,
            EXPIRES: membership.expires_at.to_string(),
            SECRET_UID: membership.secret_uid,
        }});
        self.api.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        Ok(())
    }

    /// The highest hub generation that work was taken from.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Raises the highest generation to `generation`, for good: it is written down before this returns.
    pub async fn raise_generation(&self, generation: u64) -> Result<(), IdentityError> {
        if generation <= self.generation() {
            return Ok(());
        }
        let patch = json!({ "stringData": { GENERATION: generation.to_string() } });
        self.api.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        self.generation.fetch_max(generation, Ordering::SeqCst);
        Ok(())
    }
}

async fn create(api: &Api<Secret>) -> Result<Secret, IdentityError> {
    let private = KeyPair::generate().private();
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            labels: Some(BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "eai-agent".to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(SEALING_KEY.to_owned(), ByteString(private.as_bytes().to_vec()))])),
        ..Secret::default()
    };
    match api.create(&PostParams::default(), &secret).await {
        // Another agent was here first; its keys are the member's.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(api.get(NAME).await?),
        created => Ok(created?),
    }
}

fn membership(data: &BTreeMap<String, ByteString>) -> Result<Option<Membership>, IdentityError> {
    let (Some(token), Some(expires), Some(uid)) = (text(data, TOKEN), text(data, EXPIRES), text(data, SECRET_UID))
    else {
        return Ok(None);
    };
    Ok(Some(Membership {
        token: Zeroizing::new(token.to_owned()),
        expires_at: expires.parse().map_err(|_| IdentityError::Malformed(EXPIRES))?,
        secret_uid: uid.to_owned(),
    }))
}

fn text<'a>(data: &'a BTreeMap<String, ByteString>, key: &str) -> Option<&'a str> {
    data.get(key).and_then(|bytes| std::str::from_utf8(&bytes.0).ok())
}
