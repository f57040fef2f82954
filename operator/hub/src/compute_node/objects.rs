//! What an accepted member has on the hub: its namespace, the bounds of it, and its agent's rights. Pure.

use std::collections::BTreeMap;

use eai_api::names::{
    AGENT_ACCOUNT, ARTIFACTS_GROUP, GROUP, HEARTBEAT_LEASE, MEMBER_LABEL, TOKEN_SECRET, member_namespace,
};
use k8s_openapi::{
    api::{
        coordination::v1::{Lease, LeaseSpec},
        core::v1::{Namespace, ResourceQuota, ResourceQuotaSpec, Secret, ServiceAccount},
        rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject},
    },
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};

/// Annotation on a member's namespace: the UID of the ComputeNode it was made for.
pub const NODE_UID_ANNOTATION: &str = "eai.network/compute-node-uid";

/// Labels of everything made for a member.
pub fn labels(member: &str) -> BTreeMap<String, String> {
    [(MEMBER_LABEL, member), ("app.kubernetes.io/managed-by", super::MANAGER)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Metadata of an object of `member`, named `name`, in its namespace.
pub fn metadata(member: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(member_namespace(member)),
        labels: Some(labels(member)),
        ..ObjectMeta::default()
    }
}

/// The member's namespace. The annotation ties it to one ComputeNode, so that a later one of the same name doesn't
/// inherit what lies in it.
pub fn namespace(member: &str, node_uid: &str) -> Namespace {
    let mut labels = labels(member);
    labels.insert("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned());
    let annotations = [(NODE_UID_ANNOTATION.to_owned(), node_uid.to_owned())];
    Namespace {
        metadata: ObjectMeta {
            name: Some(member_namespace(member)),
            labels: Some(labels),
            annotations: Some(annotations.into_iter().collect()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// Bounds on what the agent can make in its namespace, and on what the hub puts there.
pub fn quota(member: &str) -> ResourceQuota {
    // Kinds of our own aren't counted: Kubernetes refuses a counted kind until it has looked at it, which takes it
    // minutes after the kind was installed. A policy lets an agent make one MemberReport and nothing else.
    let hard =
        [("pods", "4"), ("services", "0"), ("persistentvolumeclaims", "0"), ("secrets", "16"), ("configmaps", "8")];
    ResourceQuota {
        metadata: metadata(member, "eai"),
        spec: Some(ResourceQuotaSpec {
            hard: Some(hard.map(|(name, most)| (name.to_owned(), Quantity(most.to_owned()))).into()),
            ..ResourceQuotaSpec::default()
        }),
        ..ResourceQuota::default()
    }
}

/// The agent's identity on the hub. No pod gets its token unless it asks for it.
pub fn account(member: &str) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(member, AGENT_ACCOUNT),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// The Secret that the agent's tokens are bound to. It holds nothing; deleting it revokes them all.
pub fn token_secret(member: &str) -> Secret {
    let mut metadata = metadata(member, TOKEN_SECRET);
    let note = "the agent's tokens are bound to this Secret: deleting it revokes them all";
    metadata.annotations = Some([("eai.network/purpose".to_owned(), note.to_owned())].into_iter().collect());
    Secret { metadata, type_: Some("Opaque".to_owned()), ..Secret::default() }
}

/// The heartbeat that the agent renews. Made once and never written again by the hub.
pub fn lease(member: &str) -> Lease {
    let spec = LeaseSpec { lease_duration_seconds: Some(40), ..LeaseSpec::default() };
    Lease { metadata: metadata(member, HEARTBEAT_LEASE), spec: Some(spec) }
}

/// All that an agent may do on the hub, and only within its own namespace. No Secret, no AIJob, no Assignment's spec.
pub fn role(member: &str) -> Role {
    let rules = vec![
        rule(GROUP, &["assignments"], &["get", "list", "watch"], &[]),
        rule(GROUP, &["assignments/status"], &["get", "patch", "update"], &[]),
        rule(GROUP, &["memberreports"], &["get", "create", "update", "patch"], &[]),
        rule("coordination.k8s.io", &["leases"], &["get", "update", "patch"], &[HEARTBEAT_LEASE]),
        rule("", &["serviceaccounts/token"], &["create"], &[AGENT_ACCOUNT]),
        rule(ARTIFACTS_GROUP, &["assignments/log", "assignments/outputs"], &["create", "update"], &[]),
        rule(ARTIFACTS_GROUP, &["assignments/checkpoint"], &["create", "get", "update"], &[]),
        rule(ARTIFACTS_GROUP, &["sessions/attach"], &["get"], &[]),
    ];
    Role { metadata: metadata(member, AGENT_ACCOUNT), rules: Some(rules) }
}

fn rule(group: &str, resources: &[&str], verbs: &[&str], names: &[&str]) -> PolicyRule {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(owned(&[group])),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        resource_names: (!names.is_empty()).then(|| owned(names)),
        non_resource_urls: None,
    }
}

/// Gives the agent its rights; deleting it takes them away.
pub fn binding(member: &str) -> RoleBinding {
    RoleBinding {
        metadata: metadata(member, AGENT_ACCOUNT),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: AGENT_ACCOUNT.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: AGENT_ACCOUNT.to_owned(),
            namespace: Some(member_namespace(member)),
            api_group: None,
        }]),
    }
}
