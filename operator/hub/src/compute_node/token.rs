//! The token that lets a pull member's agent in for the first time: minted, sealed to its key, never written in clear.

use eai_api::{
    compute_node::SealedToken,
    names::{AGENT_ACCOUNT, TOKEN_SECRET, member_namespace},
};
use eai_core::seal::{Purpose, SealError, seal};
use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::ServiceAccount,
    },
    jiff::{SignedDuration, Timestamp},
};
use kube::{Api, Client, api::PostParams};
use serde::Serialize;

/// How long an agent's token lasts, in seconds: the longest that the admission policy allows.
pub const LIFETIME_SECONDS: i64 = 3600;

/// Why a member has no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The API server didn't mint one.
    #[error("minting the agent's token failed: {0}")]
    Refused(#[from] kube::Error),
    /// The API server's answer has no token in it.
    #[error("the API server answered a token request without a token")]
    Empty,
    /// It can't be sealed to the member's key.
    #[error(
        "spec.sealingKey can't be sealed to ({0}): the agent wrote it when it joined; delete the ComputeNode and join again"
    )]
    Seal(#[from] SealError),
    /// It can't be written as JSON.
    #[error("the token can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// What is sealed: the token, and the UID of the Secret that it is bound to, which the agent can't read and needs to
/// renew it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Plain<'a> {
    token: &'a str,
    secret_uid: &'a str,
}

/// Whether a token must be minted: there is none, or it has run out and its agent is not there, or an invite newer than
/// the token says that the agent lost it. An agent that is there renews its token itself.
pub fn wanted(current: Option<&SealedToken>, alive: bool, invited: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(current) = current else { return true };
    if alive {
        return false;
    }
    let minted = current.expires_at.0 - SignedDuration::from_secs(LIFETIME_SECONDS);
    current.expires_at.0 <= now || invited.is_some_and(|invited| invited > minted)
}

/// Mints a token for `member`'s agent, bound to the Secret with `secret_uid`, and seals it to `sealing_key` for the
/// ComputeNode with `node_uid`.
pub async fn mint(
    client: &Client,
    member: &str,
    secret_uid: &str,
    sealing_key: &str,
    node_uid: &str,
) -> Result<SealedToken, TokenError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &member_namespace(member));
    let answer = accounts.create_token_request(AGENT_ACCOUNT, &PostParams::default(), &request(secret_uid)).await?;
    let status = answer.status.unwrap_or_default();
    let token = zeroize::Zeroizing::new(status.token.filter(|token| !token.is_empty()).ok_or(TokenError::Empty)?);
    let expires_at = status.expiration_timestamp.ok_or(TokenError::Empty)?;
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(&Plain { token: &token, secret_uid })?);
    let sealed = seal(sealing_key, Purpose::MemberToken, node_uid, &plain)?;
    Ok(SealedToken { sealed, expires_at })
}

fn request(secret_uid: &str) -> TokenRequest {
    TokenRequest {
        spec: Some(TokenRequestSpec {
            // None given: the API server's own.
            audiences: Some(Vec::new()),
            expiration_seconds: Some(LIFETIME_SECONDS),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                name: Some(TOKEN_SECRET.to_owned()),
                uid: Some(secret_uid.to_owned()),
            }),
        }),
        ..TokenRequest::default()
    }
}
