//! Kubeconfigs that somebody else wrote, taken only if they do nothing but name a server and a credential.
//!
//! A kubeconfig can start a program (`exec`, `auth-provider`), read files of whoever loads it, skip certificate checks
//! or send traffic through a proxy. One that does any of it is refused, whole, with the place it does so.

use kube::config::{AuthInfo, Cluster, Kubeconfig};

/// Why a kubeconfig isn't taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// Not a kubeconfig at all.
    #[error("not a kubeconfig: {0}")]
    Unreadable(String),
    /// It does more than name a server and a credential.
    #[error(
        "{path}: {problem}; write a kubeconfig with certificate-authority-data and a token or client certificate data"
    )]
    Refused {
        /// The field, as in `users[0].user.exec`.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Something it can't do without is missing.
    #[error("{path}: missing")]
    Missing {
        /// The field.
        path: String,
    },
}

/// Reads a kubeconfig that names one server, by HTTPS with its own CA, and one credential, both inline.
pub fn parse_strict(text: &str) -> Result<Kubeconfig, KubeconfigError> {
    let config: Kubeconfig =
        serde_norway::from_str(text).map_err(|error| KubeconfigError::Unreadable(error.to_string()))?;
    for (i, named) in config.clusters.iter().enumerate() {
        let path = format!("clusters[{i}].cluster");
        check_cluster(&path, named.cluster.as_ref().ok_or_else(|| KubeconfigError::Missing { path: path.clone() })?)?;
    }
    for (i, named) in config.auth_infos.iter().enumerate() {
        let path = format!("users[{i}].user");
        check_user(&path, named.auth_info.as_ref().ok_or_else(|| KubeconfigError::Missing { path: path.clone() })?)?;
    }
    for (path, empty) in [("clusters", config.clusters.is_empty()), ("users", config.auth_infos.is_empty())] {
        if empty {
            return Err(KubeconfigError::Missing { path: path.to_owned() });
        }
    }
    if config.current_context.is_none() {
        return Err(KubeconfigError::Missing { path: "current-context".to_owned() });
    }
    Ok(config)
}

fn check_cluster(path: &str, cluster: &Cluster) -> Result<(), KubeconfigError> {
    let server = cluster.server.as_deref().unwrap_or_default();
    refuse(path, "server", !server.starts_with("https://"), "only an https:// address is taken")?;
    refuse(
        path,
        "insecure-skip-tls-verify",
        cluster.insecure_skip_tls_verify == Some(true),
        "certificates are always checked",
    )?;
    refuse(path, "certificate-authority", cluster.certificate_authority.is_some(), "files aren't read")?;
    refuse(path, "proxy-url", cluster.proxy_url.is_some(), "proxies aren't used")?;
    if cluster.certificate_authority_data.is_none() {
        return Err(KubeconfigError::Missing { path: format!("{path}.certificate-authority-data") });
    }
    Ok(())
}

fn check_user(path: &str, user: &AuthInfo) -> Result<(), KubeconfigError> {
    refuse(path, "exec", user.exec.is_some(), "programs aren't run")?;
    refuse(path, "auth-provider", user.auth_provider.is_some(), "plugins aren't run")?;
    refuse(path, "tokenFile", user.token_file.is_some(), "files aren't read")?;
    refuse(path, "client-certificate", user.client_certificate.is_some(), "files aren't read")?;
    refuse(path, "client-key", user.client_key.is_some(), "files aren't read")?;
    refuse(path, "username", user.username.is_some() || user.password.is_some(), "passwords aren't sent")?;
    refuse(path, "as", user.impersonate.is_some() || user.impersonate_groups.is_some(), "nobody is impersonated")?;
    let certificate = user.client_certificate_data.is_some() && user.client_key_data.is_some();
    if user.token.is_none() && !certificate {
        return Err(KubeconfigError::Missing { path: format!("{path}.token") });
    }
    Ok(())
}

fn refuse(path: &str, field: &str, refused: bool, problem: &'static str) -> Result<(), KubeconfigError> {
    if refused {
        return Err(KubeconfigError::Refused { path: format!("{path}.{field}"), problem });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
