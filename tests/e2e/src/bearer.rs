//! Somebody who has nothing but a token for an API server.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use eai_testbed::ClusterName;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
    run,
    stage::Stage,
};

/// Somebody with a token for the hub's API server.
pub struct Bearer<'a> {
    cluster: &'a Cluster,
    kubeconfig: PathBuf,
}

impl<'a> Bearer<'a> {
    /// Whoever holds `token`; `name` is what they are called in file names.
    pub fn new(stage: &'a Stage, name: &str, token: &str) -> Result<Self> {
        let view = stage.hub.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"])?;
        let view: Value = serde_json::from_str(&view).map_err(|e| Error::unexpected("kubectl config view", e))?;
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": {"cluster": "hub", "user": name}}],
            "clusters": [{"name": "hub", "cluster": view["clusters"][0]["cluster"]}],
            "users": [{"name": name, "user": {"token": token}}],
        });
        let kubeconfig = stage.dir.join("bearers").join(name);
        run::write_secret(&kubeconfig, &config.to_string())?;
        Ok(Self { cluster: &stage.hub, kubeconfig })
    }

    /// Runs `kubectl` with the token alone; returns the exit code and all that it printed.
    pub fn kubectl(&self, arguments: &[&str], input: Option<&str>) -> Result<(i32, String)> {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig.display());
        self.cluster.try_kubectl(&[&[kubeconfig.as_str()], arguments].concat(), input)
    }

    /// A client with the token alone.
    pub async fn client(&self) -> Result<Client> {
        let bad = |error: &dyn std::fmt::Display| Error::unexpected("a bearer's kubeconfig", error.to_string());
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).map_err(|error| bad(&error))?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| bad(&error))?;
        Client::try_from(config).map_err(|error| bad(&error))
    }

    /// Their kubeconfig.
    pub fn kubeconfig(&self) -> &PathBuf {
        &self.kubeconfig
    }
}

/// A token of a ServiceAccount on the hub, as its admin can make one.
pub fn token(stage: &Stage, namespace: &str, account: &str) -> Result<String> {
    let token = stage.hub.kubectl(&["create", "token", account, "-n", namespace, "--duration=1h"])?;
    Ok(token.trim().to_owned())
}

/// A token of a member's agent, bound to the Secret that revokes it, like its own.
pub fn agent_token(stage: &Stage, member: &str) -> Result<String> {
    let namespace = eai_api::names::member_namespace(member);
    let secret = stage.hub.get(&["secret", "agent-token", "-n", &namespace])?;
    let uid = secret["metadata"]["uid"].as_str().unwrap_or_default();
    let token = stage.hub.kubectl(&[
        "create",
        "token",
        "agent",
        "-n",
        &namespace,
        "--duration=1h",
        "--bound-object-kind=Secret",
        "--bound-object-name=agent-token",
        &format!("--bound-object-uid={uid}"),
    ])?;
    Ok(token.trim().to_owned())
}

/// A token with claims of our own choosing, signed with `key` (a PEM file). Takes its header from `model`, a good token.
pub fn forge(model: &str, change: impl FnOnce(&mut Value), key: &std::path::Path) -> Result<String> {
    let bad = |what: &str| Error::unexpected("a token", what);
    let mut parts = model.split('.');
    let (Some(header), Some(claims)) = (parts.next(), parts.next()) else { return Err(bad("it has no claims")) };
    let claims = openssl(&["base64", "-d", "-A"], padded(claims).as_bytes())?;
    let mut claims: Value = serde_json::from_slice(&claims).map_err(|error| bad(&error.to_string()))?;
    change(&mut claims);
    let claims = url_safe(&openssl(&["base64", "-A"], claims.to_string().as_bytes())?);
    let signed = format!("{header}.{claims}");
    let signature = openssl(&["dgst", "-sha256", "-sign", &key.display().to_string()], signed.as_bytes())?;
    let signature = plain_signature(&signature).ok_or_else(|| bad("the key isn't one for ES256"))?;
    let signature = url_safe(&openssl(&["base64", "-A"], &signature)?);
    Ok(format!("{signed}.{signature}"))
}

/// The key with which the hub's cluster signs service accounts' tokens. Only the testbed's is at hand.
pub fn signing_key(stage: &Stage) -> Option<PathBuf> {
    let dirs = stage.testbed.as_ref()?.dirs();
    Some(dirs.cluster(ClusterName::Hub).join("pki/sa.key"))
}

const EC_KEY: [&str; 5] = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// A fresh key of the same kind, which nobody trusts.
pub fn other_key(stage: &Stage) -> Result<PathBuf> {
    let path = stage.dir.join("bearers/other.key");
    run::write_secret(&path, &String::from_utf8_lossy(&openssl(&EC_KEY, &[])?))?;
    Ok(path)
}

/// An ECDSA signature as tokens hold it, r and s of 32 bytes each, from the DER that openssl writes.
fn plain_signature(der: &[u8]) -> Option<Vec<u8>> {
    let mut rest = der.strip_prefix(&[0x30])?.get(1..)?;
    let mut plain = Vec::new();
    for _ in 0..2 {
        let (&length, tail) = rest.strip_prefix(&[0x02])?.split_first()?;
        let (number, tail) = tail.split_at_checked(length.into())?;
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        plain.extend(std::iter::repeat_n(0, 32_usize.checked_sub(number.len())?));
        plain.extend(number);
        rest = tail;
    }
    Some(plain)
}

fn padded(text: &str) -> String {
    let standard = text.replace('-', "+").replace('_', "/");
    format!("{standard}{}", "=".repeat((4 - standard.len() % 4) % 4))
}

fn url_safe(text: &[u8]) -> String {
    String::from_utf8_lossy(text).trim().trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// `openssl` with bytes in and bytes out.
fn openssl(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    use std::io::Write as _;
    let start = |source| Error::Start { command: "openssl".to_owned(), source };
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).map_err(start)?;
    }
    let output = child.wait_with_output().map_err(start)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let output_text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Command { command: format!("openssl {}", arguments.join(" ")), output: output_text })
}
