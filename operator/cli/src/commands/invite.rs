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
    output,
};

const MANAGER: &str = "kubectl-eai";

/// The shortest life that Kubernetes gives a token.
const SHORTEST: u64 = 600;

/// Makes an invite and says what the member's owner does with it. Nothing is made if any of it can't be.
pub async fn run(hub: &Hub, arguments: &Invite) -> Result<()> {
    let member = &arguments.member;
    check_name(member)?;
    if arguments.expires.0 < SHORTEST {
        return Err(Error::Usage("--expires: an invite lasts at least 10m".to_owned()));
    }
    let url = server(&hub.config.cluster_url.to_string(), arguments.server.as_deref())?;
    let out = arguments.out.as_deref().map(|path| new_secret(path).map(|file| (path, file))).transpose()?;
    let made = prepare(hub, member, arguments.expires.0).await;
    let token = match (made, &out) {
        (Ok(token), _) => token,
        (Err(error), Some((path, _))) => {
            // The failure is what matters; an empty file is only untidy.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        (Err(error), None) => return Err(error),
    };
    let values = serde_norway::to_string(&values(hub, arguments, &url, &token));
    let values = values.map_err(|error| Error::Failed(error.to_string()))?;
    match out {
        Some((path, mut file)) => {
            std::io::Write::write_all(&mut file, values.as_bytes()).map_err(Error::file(path))?;
            let file = path.display();
            output::say(format!("wrote {file}; whoever has it can join as {member}. On the member's cluster:"))?;
            output::say(format!(
                "  helm install eai-agent charts/eai-agent -n eai-agent --create-namespace -f {file} -f YOUR-VALUES"
            ))?;
        }
        None => {
            output::say(format!("# Values of the chart eai-agent; whoever has them can join as {member}.\n{values}"))?;
        }
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
fn values(hub: &Hub, arguments: &Invite, url: &str, token: &str) -> Value {
    let ca = hub.config.root_cert.as_deref().unwrap_or_default().iter().map(|der| pem(der)).collect::<String>();
    json!({"member": {"name": arguments.member}, "hub": {"url": url, "ca": ca, "inviteToken": token}})
}

/// What a ComputeNode may be called, said before anything is made.
fn check_name(member: &str) -> Result<()> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let named = (1..=50).contains(&member.len()) && member.bytes().all(inner);
    if named && !member.starts_with('-') && !member.ends_with('-') {
        return Ok(());
    }
    let why =
        "a member's name is at most 50 lower-case letters, digits and -, beginning and ending with a letter or digit";
    Err(Error::Usage(format!("{member}: {why}")))
}

/// The hub's API server as a member reaches it: as given, or as the kubeconfig has it.
fn server(configured: &str, given: Option<&str>) -> Result<String> {
    if given.is_none() && ["://127.", "://localhost", "://[::1]"].iter().any(|local| configured.contains(local)) {
        let why = "the kubeconfig names the hub's API server by a loopback address, which no member reaches; give \
                   --server https://HOST:PORT";
        return Err(Error::Usage(why.to_owned()));
    }
    let url = given.unwrap_or(configured).trim_end_matches('/');
    if url.starts_with("https://") {
        Ok(url.to_owned())
    } else {
        Err(Error::Usage(format!("--server: {url} is no https:// address")))
    }
}

fn pem(der: &[u8]) -> String {
    use k8s_openapi::ByteString;
    // serde writes a ByteString as standard base64, which is what PEM wraps.
    let base64 = serde_json::to_value(ByteString(der.to_vec())).ok();
    let base64 = base64.as_ref().and_then(Value::as_str).unwrap_or_default();
    let lines = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

/// A new file that only its owner can read.
fn new_secret(path: &Path) -> Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path).map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::match_bool)]
    use std::path::PathBuf;

    use super::*;
    use crate::{
        duration::Seconds,
        testing::{hub, made, refused},
    };

    #[test]
    fn names_are_those_that_the_hub_takes() {
        for name in ["a", "home-1", &"x".repeat(50)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "Home", "home_1", "-a", "a-", "a.b", &"x".repeat(51)] {
            assert_eq!(check_name(name).unwrap_err().exit_code(), 2, "{name}");
        }
    }

    #[test]
    fn a_loopback_address_is_taken_only_if_it_is_meant() {
        let loopback = "https://127.0.0.1:6443/";
        assert!(server(loopback, None).is_err());
        assert_eq!(server(loopback, Some("https://hub:6443")).unwrap(), "https://hub:6443");
        assert_eq!(server(loopback, Some(loopback)).unwrap(), "https://127.0.0.1:6443");
        assert_eq!(server("https://hub.example.com:6443/", None).unwrap(), "https://hub.example.com:6443");
        assert!(server(loopback, Some("http://hub:6443")).is_err());
        assert!(server(loopback, Some("hub:6443")).is_err());
    }

    fn arguments(member: &str, out: Option<PathBuf>) -> Invite {
        Invite { member: member.to_owned(), expires: Seconds(3600), server: None, out }
    }

    const ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/eai-invite-home-1";
    const BINDING: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/eai-invite-home-1";
    const ACCOUNT: &str = "/api/v1/namespaces/eai-system/serviceaccounts/invite-home-1";

    #[tokio::test]
    async fn an_invite_is_one_account_that_the_role_owns() {
        let (hub, log) = hub(|asked| match asked.path.contains("/token") {
            true => (201, json!({"metadata": {}, "spec": {}, "status": {"token": "secret"}})),
            false => (200, made(&asked.body)),
        });
        assert_eq!(prepare(&hub, "home-1", 3600).await.unwrap(), "secret");
        let token = format!("{ACCOUNT}/token");
        assert_eq!(
            log.lines(),
            [format!("PATCH {ROLE}"), format!("PATCH {ACCOUNT}"), format!("PATCH {BINDING}"), format!("POST {token}"),]
        );
        let role = log.body("PATCH", ROLE);
        assert_eq!(role["metadata"]["labels"]["eai.network/invite"], "home-1");
        assert_eq!(
            role["rules"][0],
            json!({"apiGroups": ["eai.network"], "resources": ["computenodes"], "verbs": ["create"]})
        );
        assert_eq!(role["rules"][1]["resourceNames"], json!(["home-1"]));
        assert_eq!(role["rules"][1]["verbs"], json!(["get"]));
        assert_eq!(role["rules"].as_array().unwrap().len(), 2, "and no more");
        for path in [ACCOUNT, BINDING] {
            let owner = log.body("PATCH", path)["metadata"]["ownerReferences"][0].clone();
            assert_eq!(
                (owner["kind"].as_str(), owner["uid"].as_str()),
                (Some("ClusterRole"), Some("made-here")),
                "{path}"
            );
        }
        assert_eq!(log.body("POST", &token)["spec"]["expirationSeconds"], 3600);
        let subject = log.body("PATCH", BINDING)["subjects"][0].clone();
        assert_eq!(subject, json!({"kind": "ServiceAccount", "name": "invite-home-1", "namespace": "eai-system"}));
    }

    #[tokio::test]
    async fn nothing_is_made_for_an_invite_that_cannot_be_given() {
        let (hub, log) = hub(|_| refused(500));
        let taken = std::env::temp_dir().join(format!("kubectl-eai-invite-{}", std::process::id()));
        fs::write(&taken, "mine").unwrap();
        let short = Invite { expires: Seconds(599), ..arguments("home-1", None) };
        let plain = Invite { server: Some("http://hub".to_owned()), ..arguments("home-1", None) };
        for wrong in [arguments("Home", None), short, plain, arguments("home-1", Some(taken.clone()))] {
            assert!(run(&hub, &wrong).await.is_err());
        }
        assert!(log.lines().is_empty());
        assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
        fs::remove_file(&taken).unwrap();
        assert!(run(&hub, &arguments("home-1", Some(taken.clone()))).await.is_err());
        assert!(!taken.exists(), "a failed invite leaves no file");
    }

    #[tokio::test]
    async fn what_is_written_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let (hub, _) = hub(|asked| match asked.path.contains("/token") {
            true => (201, json!({"metadata": {}, "spec": {}, "status": {"token": "secret"}})),
            false => (200, made(&asked.body)),
        });
        let path = std::env::temp_dir().join(format!("kubectl-eai-values-{}", std::process::id()));
        run(&hub, &arguments("home-1", Some(path.clone()))).await.unwrap();
        let values: Value = serde_norway::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(values["member"]["name"], "home-1");
        assert_eq!(values["hub"]["url"], "https://hub.example.com:6443");
        assert_eq!(values["hub"]["inviteToken"], "secret");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn certificates_are_pem() {
        let text = pem(&[0; 60]);
        assert!(text.starts_with("-----BEGIN CERTIFICATE-----\nAAAA"));
        assert!(text.lines().all(|line| line.len() <= 64));
        assert!(text.ends_with("-----END CERTIFICATE-----\n"));
    }
}
