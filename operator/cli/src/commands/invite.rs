//! Inviting a member: an account that can create one ComputeNode, for a while.

use std::{fs, os::unix::fs::OpenOptionsExt as _, path::Path};

use eai_api::names::{GROUP, INVITE_LABEL, invite_account, invite_role};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{
    Api, Resource as _,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    arguments::Invite,
    error::{Error, Result},
    hub::Hub,
};

const MANAGER: &str = "kubectl-eai";

/// Makes an invite and says what the member's owner does with it.
pub async fn run(hub: &Hub, arguments: &Invite) -> Result<()> {
    let member = &arguments.member;
    let token = prepare(hub, member, arguments.expires.0).await?;
    let values = serde_norway::to_string(&values(hub, arguments, &token)?).map_err(|e| Error::Failed(e.to_string()))?;
    match &arguments.out {
        Some(path) => {
            write_secret(path, &values)?;
            let file = path.display();
            println!("wrote {file}; whoever has it can join as {member}. On the member's cluster:");
            println!(
                "  helm install eai-agent charts/eai-agent -n eai-agent --create-namespace -f {file} -f YOUR-VALUES"
            );
        }
        None => println!("# Values of the chart eai-agent; whoever has them can join as {member}.\n{values}"),
    }
    eprintln!("then, here: kubectl eai approve {member}");
    Ok(())
}

/// The account, its rights, and a token for it. The ClusterRole owns the rest, so that deleting it ends the invite.
async fn prepare(hub: &Hub, member: &str, seconds: u64) -> Result<String> {
    let (role, account) = (invite_role(member), invite_account(member));
    let labels = json!({INVITE_LABEL: member});
    let rules = json!([
        {"apiGroups": [GROUP], "resources": ["computenodes"], "verbs": ["create"]},
        {"apiGroups": [GROUP], "resources": ["computenodes"], "resourceNames": [member], "verbs": ["get"]},
    ]);
    let cluster_roles: Api<ClusterRole> = Api::all(hub.client.clone());
    let object = json!({"metadata": {"name": role, "labels": labels}, "rules": rules});
    let owner = apply(&cluster_roles, &role, &object).await?;
    let owner =
        owner.controller_owner_ref(&()).ok_or_else(|| Error::Failed("the invite's role has no UID".to_owned()))?;

    let metadata = json!({"name": account, "labels": labels, "ownerReferences": [owner]});
    apply(&hub.in_system::<ServiceAccount>(), &account, &json!({"metadata": metadata})).await?;
    let bindings: Api<ClusterRoleBinding> = Api::all(hub.client.clone());
    let object = json!({
        "metadata": {"name": role, "labels": labels, "ownerReferences": [owner]},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": hub.namespace}],
    });
    apply(&bindings, &role, &object).await?;

    let expires = i64::try_from(seconds).unwrap_or(i64::MAX);
    let spec = TokenRequestSpec { expiration_seconds: Some(expires), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let accounts: Api<ServiceAccount> = hub.in_system();
    let granted = accounts.create_token_request(&account, &PostParams::default(), &request).await?;
    granted.status.and_then(|s| s.token).ok_or_else(|| Error::Failed("the API server gave no token".to_owned()))
}

async fn apply<K>(api: &Api<K>, name: &str, object: &Value) -> Result<K>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let mut object = object.clone();
    object["apiVersion"] = json!(K::api_version(&()));
    object["kind"] = json!(K::kind(&()));
    Ok(api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(object)).await?)
}

/// The chart's values that the hub knows.
fn values(hub: &Hub, arguments: &Invite, token: &str) -> Result<Value> {
    let url = arguments.server.clone().unwrap_or_else(|| hub.config.cluster_url.to_string());
    let url = url.trim_end_matches('/').to_owned();
    if url.contains("127.0.0.1") || url.contains("localhost") {
        let why = "the kubeconfig names the hub's API server by a loopback address, which no member reaches; give \
                   --server https://HOST:PORT";
        return Err(Error::Usage(why.to_owned()));
    }
    let ca = hub.config.root_cert.as_deref().unwrap_or_default().iter().map(|der| pem(der)).collect::<String>();
    Ok(json!({"member": {"name": arguments.member}, "hub": {"url": url, "ca": ca, "inviteToken": token}}))
}

fn pem(der: &[u8]) -> String {
    use k8s_openapi::ByteString;
    // serde writes a ByteString as standard base64, which is what PEM wraps.
    let base64 = serde_json::to_value(ByteString(der.to_vec())).ok();
    let base64 = base64.as_ref().and_then(Value::as_str).unwrap_or_default();
    let lines = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

/// Writes a new file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(Error::file(path))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_pem() {
        let text = pem(&[0; 60]);
        assert!(text.starts_with("-----BEGIN CERTIFICATE-----\nAAAA"));
        assert!(text.lines().all(|line| line.len() <= 64));
        assert!(text.ends_with("-----END CERTIFICATE-----\n"));
    }
}
