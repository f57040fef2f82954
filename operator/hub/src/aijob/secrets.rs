//! Secrets of a job, read with the hub's own rights and sealed to the member that won it.

use std::collections::BTreeMap;

use eai_api::{AIJob, ComputeNode, MemberReport};
use eai_core::seal::{Purpose, SealError, Sealed, seal};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use zeroize::Zeroizing;

use super::words::Say;

/// Why a job's secrets can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The vendor must change something.
    #[error("{message}")]
    Vendor {
        /// One word.
        reason: &'static str,
        /// What to do.
        message: String,
    },
    /// The member's key is no key.
    #[error("the member's sealing key can't be used: {0}")]
    Member(#[from] SealError),
    /// The API server didn't answer; try again.
    #[error("reading a Secret failed: {0}")]
    Api(#[source] kube::Error),
    /// The environment can't be written as JSON.
    #[error("the secret environment can't be written: {0}")]
    Encoding(#[from] serde_json::Error),
}

impl SecretsError {
    /// What is said of the job.
    pub fn say(&self) -> Say {
        match self {
            Self::Vendor { reason, message } => Say::Blocked { reason, message: message.clone() },
            other => Say::Blocked { reason: "SecretUnavailable", message: format!("{other}; it is tried again.") },
        }
    }
}

/// The secret environment of a job. Wiped from memory when dropped.
pub type Environment = BTreeMap<String, Zeroizing<String>>;

/// Reads the job's Secrets; nothing is kept.
pub async fn read(client: &Client, job: &AIJob, account: &str) -> Result<Environment, SecretsError> {
    let namespace = job.metadata.namespace.as_deref().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut secrets: BTreeMap<&str, Secret> = BTreeMap::new();
    let mut environment = Environment::new();
    for wanted in &job.spec.secrets {
        let name = wanted.secret_name.as_str();
        if !secrets.contains_key(name) {
            let secret = api.get(name).await.map_err(|error| unreadable(error, namespace, name, account))?;
            secrets.insert(name, secret);
        }
        let value = secrets.get(name).and_then(|s| s.data.as_ref()).and_then(|data| data.get(&wanted.key));
        let text = value.and_then(|bytes| std::str::from_utf8(&bytes.0).ok());
        let Some(text) = text else {
            return Err(missing(name, &wanted.key, value.is_some()));
        };
        environment.insert(wanted.name.clone(), Zeroizing::new(text.to_owned()));
    }
    for secret in secrets.into_values() {
        wipe(secret);
    }
    Ok(environment)
}

/// Seals an environment to a member's key, for this job alone.
pub fn seal_to(
    node: &ComputeNode,
    report: &MemberReport,
    job_uid: &str,
    environment: &Environment,
) -> Result<Sealed, SecretsError> {
    // A push member's agent makes its key after the ComputeNode was made, and reports it.
    let own = &node.spec.sealing_key;
    let key = if own.is_empty() { &report.spec.sealing_key } else { own };
    let plain: BTreeMap<&str, &str> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let plain = Zeroizing::new(serde_json::to_vec(&plain)?);
    Ok(seal(key, Purpose::JobSecrets, job_uid, &plain)?)
}

fn unreadable(error: kube::Error, namespace: &str, name: &str, account: &str) -> SecretsError {
    let kube::Error::Api(status) = &error else { return SecretsError::Api(error) };
    match status.code {
        404 => SecretsError::Vendor {
            reason: "SecretNotFound",
            message: format!("Secret {name} isn't in namespace {namespace}; make it, and the job goes on."),
        },
        403 => SecretsError::Vendor {
            reason: "SecretNotReadable",
            message: format!(
                "The hub may not read Secret {name}. Allow it with: kubectl -n {namespace} create role eai-read-{name} \
                 --verb=get --resource=secrets --resource-name={name} && kubectl -n {namespace} create rolebinding \
                 eai-read-{name} --role=eai-read-{name} --serviceaccount={account}"
            ),
        },
        _ => SecretsError::Api(error),
    }
}

fn missing(name: &str, key: &str, there: bool) -> SecretsError {
    let why = if there { "isn't text (UTF-8)" } else { "isn't there" };
    SecretsError::Vendor {
        reason: "SecretKeyMissing",
        message: format!("Key {key} of Secret {name} {why}; correct the Secret, and the job goes on."),
    }
}

fn wipe(secret: Secret) {
    for (_, value) in secret.data.into_iter().flatten() {
        drop(Zeroizing::new(value.0));
    }
}
