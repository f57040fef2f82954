//! Rights, tried against the API server with real tokens.

use eai_e2e::{
    bearer::{self, Bearer, agent_token},
    demo,
    deploy::HUB_NAMESPACE,
    run,
};
use serde_json::{Value, json};

use crate::support::{START, says, text, world};

/// Asserts that each of these fails, and is called forbidden.
#[track_caller]
fn forbidden(who: &Bearer<'_>, attempts: &[&[&str]]) {
    for arguments in attempts {
        let (code, said) = who.kubectl(arguments, None).unwrap();
        assert_ne!(code, 0, "{arguments:?} was allowed: {said}");
        let refused = said.contains("Forbidden") || said.contains("forbidden") || said.contains("denied request");
        assert!(refused, "{arguments:?} failed, but not for want of rights: {said}");
    }
}

#[test]
fn an_agent_reads_no_aijob_no_secret_and_nothing_of_another_member_and_writes_no_spec() {
    let w = world();
    let agent = Bearer::new(&w.stage, "rights-agent", &agent_token(&w.stage, "home").unwrap()).unwrap();
    let assignments = w.stage.hub.get(&["assignments", "-n", "cn-home"]).unwrap();
    let assignment = text(&assignments["items"][0]["metadata"]["name"]).to_owned();
    let assignment = if assignment.is_empty() { "any".to_owned() } else { assignment };
    let (spec, accept) = (r#"{"spec":{"desired":"Stop"}}"#, r#"{"spec":{"accepted":true}}"#);
    let dry = "--dry-run=server";
    forbidden(
        &agent,
        &[
            &["get", "aijobs", "-A"],
            &["get", "aijobs", "-n", demo::NAMESPACE],
            &["get", "secrets", "-A"],
            &["get", "secrets", "-n", "cn-home"],
            &["get", "secret", "agent-token", "-n", "cn-home"],
            &["get", "secrets", "-n", HUB_NAMESPACE],
            &["get", "assignments", "-n", "cn-cloud"],
            &["get", "memberreports", "-n", "cn-cloud"],
            &["get", "computenodes"],
            &["get", "configmaps", "-n", "kube-system"],
            &["patch", "assignment", &assignment, "-n", "cn-home", "--type=merge", "-p", spec, dry],
            &["delete", "assignment", &assignment, "-n", "cn-home", dry],
            &["patch", "computenode", "home", "--type=merge", "-p", accept, dry],
            &["patch", "computenode", "home", "--subresource=status", "--type=merge", "-p", r#"{"status":{}}"#, dry],
            &["delete", "computenode", "cloud", dry],
            &["create", "token", "agent", "-n", "cn-cloud"],
            &["create", "token", "eai-operator", "-n", HUB_NAMESPACE],
            &["create", "rolebinding", "more", "-n", "cn-home", "--clusterrole=admin", "--user=x", dry],
        ],
    );
}

#[test]
fn an_agent_uploads_nothing_for_another_members_assignment() {
    let w = world();
    let agent = Bearer::new(&w.stage, "uploads-agent", &agent_token(&w.stage, "home").unwrap()).unwrap();
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let path =
        format!("/apis/artifacts.eai.network/v1alpha1/namespaces/cn-cloud/assignments/any/log?index=0&digest={digest}");
    let (code, said) = agent.kubectl(&["replace", "--raw", &path, "-f", "-"], Some("")).unwrap();
    assert_ne!(code, 0, "{said}");
    says(&said, &["orbidden"]);
}

#[test]
fn an_invite_creates_its_own_computenode_and_no_other_and_accepts_nobody() {
    let w = world();
    let out = w.stage.dir.join("values/invite-e2e-invited.yaml");
    let _ = std::fs::remove_file(&out);
    run::output(w.stage.eai(None).unwrap().args(["invite", "e2e-invited", "--out"]).arg(&out)).unwrap();
    let values: Value = serde_norway::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    let guest = Bearer::new(&w.stage, "invited", text(&values["hub"]["inviteToken"])).unwrap();
    let node = |name: &str, spec: Value| {
        let mut node = json!({
            "apiVersion": "eai.network/v1alpha1", "kind": "ComputeNode", "metadata": {"name": name},
            "spec": {"owner": w.stage.people.miners[0].address, "sealingKey": format!("{}=", "A".repeat(43))},
        });
        for (field, value) in spec.as_object().unwrap().clone() {
            node["spec"][field] = value;
        }
        node.to_string()
    };
    let create: &[&str] = &["create", "--dry-run=server", "-f", "-"];
    let (code, said) = guest.kubectl(create, Some(&node("e2e-invited", json!({})))).unwrap();
    assert_eq!(code, 0, "it may create its own: {said}");
    let wrong = [
        ("another's", node("e2e-other", json!({}))),
        ("one that is accepted", node("e2e-invited", json!({"accepted": true}))),
        ("one that the hub would dial", node("e2e-invited", json!({"connection": "Push"}))),
    ];
    for (what, node) in wrong {
        let (code, said) = guest.kubectl(create, Some(&node)).unwrap();
        assert_ne!(code, 0, "{what}: {said}");
        says(&said, &["denied request"]);
    }
    forbidden(&guest, &[&["get", "computenodes"], &["get", "aijobs", "-A"], &["get", "secrets", "-n", HUB_NAMESPACE]]);
    w.stage.hub.kubectl(&["delete", "clusterrole", "eai-invite-e2e-invited"]).unwrap();
}

#[test]
fn the_hub_binds_no_rights_and_mints_no_token_outside_its_members_namespaces() {
    let w = world();
    let hub = Bearer::new(&w.stage, "hub", &bearer::token(&w.stage, HUB_NAMESPACE, "eai-operator").unwrap()).unwrap();
    let (code, said) = hub.kubectl(&["get", "aijobs", "-A"], None).unwrap();
    assert_eq!(code, 0, "the token is the hub's: {said}");
    let dry = "--dry-run=server";
    let role = ["--verb=get", "--resource=secrets", dry];
    forbidden(
        &hub,
        &[
            &[
                "create",
                "rolebinding",
                "agent",
                "-n",
                "kube-system",
                "--role=extension-apiserver-authentication-reader",
                "--user=x",
                dry,
            ],
            &["create", "rolebinding", "agent", "-n", "default", "--clusterrole=admin", "--user=x", dry],
            &["create", "clusterrolebinding", "x", "--clusterrole=cluster-admin", "--user=x", dry],
            &["create", "role", "agent", "-n", "kube-system", role[0], role[1], role[2]],
            &["create", "role", "agent", "-n", demo::NAMESPACE, role[0], role[1], role[2]],
            &["create", "token", "default", "-n", "kube-system"],
            &["create", "token", "default", "-n", demo::NAMESPACE],
            &["create", "token", "default", "-n", "cn-home"],
            &["create", "secret", "generic", "agent-token", "-n", "kube-system", dry],
            &["create", "namespace", "not-a-members", dry],
            &["delete", "namespace", demo::NAMESPACE, dry],
            &["get", "secrets", "-n", "kube-system"],
            &["get", "secrets", "-n", demo::NAMESPACE],
        ],
    );
}

/// A vendor's ServiceAccount with the rights of `edit` in its own namespace.
fn editor(name: &str, namespace: &str) -> Bearer<'static> {
    let w = world();
    let binding = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "e2e-editor", "namespace": namespace}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "e2e-editor", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": "e2e-editor", "namespace": namespace}],
        },
    ]});
    w.stage.hub.apply(&binding.to_string()).unwrap();
    Bearer::new(&w.stage, name, &bearer::token(&w.stage, namespace, "e2e-editor").unwrap()).unwrap()
}

#[test]
fn a_vendor_reads_the_logs_and_outputs_of_their_own_namespace_and_of_no_other() {
    let w = world();
    let other = w.poor_vendor("nosy", "1");
    let owner = editor("owner", demo::NAMESPACE);
    let nosy = editor("nosy", &other.namespace);
    let jobs = w.stage.hub.get(&["aijobs", "-n", demo::NAMESPACE]).unwrap();
    let done = jobs["items"].as_array().unwrap().iter().find(|job| job["status"]["outputs"][0].is_object());
    let job = done.expect("the demo left a job with outputs");
    let name = text(&job["metadata"]["name"]);
    let base = format!("/apis/artifacts.eai.network/v1alpha1/namespaces/{}/aijobs/{name}", demo::NAMESPACE);
    let output = text(&job["status"]["outputs"][0]["name"]);
    for path in [format!("{base}/log?index=0"), format!("{base}/outputs/{output}?index=0")] {
        let (code, said) = owner.kubectl(&["get", "--raw", &path], None).unwrap();
        assert_eq!(code, 0, "{path}: {said}");
        let (code, said) = nosy.kubectl(&["get", "--raw", &path], None).unwrap();
        assert_ne!(code, 0, "{path} was given to a stranger");
        says(&said, &["orbidden"]);
    }
    forbidden(
        &nosy,
        &[&["get", "aijob", name, "-n", demo::NAMESPACE], &["get", "aijobs", "-A"], &["get", "assignments", "-A"]],
    );
    w.stage.hub.kubectl(&["delete", "sa,rolebinding", "e2e-editor", "-n", demo::NAMESPACE]).unwrap();
    other.leave(&w.stage, START).unwrap();
}
