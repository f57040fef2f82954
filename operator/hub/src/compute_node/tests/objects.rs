use super::super::objects::*;

/// What the agent may do, written out: a change of its rights has to be made here too.
#[test]
fn the_agents_rights_are_these_and_no_others() {
    let role = role("home-1");
    let mut lines: Vec<String> = role
        .rules
        .unwrap()
        .iter()
        .map(|rule| {
            assert!(rule.non_resource_urls.is_none());
            format!(
                "{} {} {} {}",
                rule.api_groups.as_ref().unwrap().join(","),
                rule.resources.as_ref().unwrap().join(","),
                rule.verbs.join(","),
                rule.resource_names.as_deref().unwrap_or_default().join(",")
            )
        })
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            " serviceaccounts/token create agent",
            "artifacts.eai.network assignments/checkpoint create,get,update ",
            "artifacts.eai.network assignments/log,assignments/outputs create,update ",
            "artifacts.eai.network sessions/attach get ",
            "coordination.k8s.io leases get,update,patch agent",
            "eai.network assignments get,list,watch ",
            "eai.network assignments/status get,patch,update ",
            "eai.network memberreports get,create,update,patch ",
        ]
    );
}

#[test]
fn everything_is_labelled_with_the_member_and_lies_in_its_namespace() {
    let metas = [
        quota("home-1").metadata,
        account("home-1").metadata,
        token_secret("home-1").metadata,
        lease("home-1").metadata,
        role("home-1").metadata,
        binding("home-1").metadata,
        super::super::deployment::agent("home-1", "image", "1").metadata,
    ];
    for meta in metas {
        assert_eq!(meta.namespace.as_deref(), Some("cn-home-1"));
        assert_eq!(meta.labels.unwrap()["eai.network/member"], "home-1");
    }
}

#[test]
fn the_binding_gives_the_role_of_its_own_namespace_to_its_own_agent() {
    let binding = binding("home-1");
    assert_eq!((binding.role_ref.kind.as_str(), binding.role_ref.name.as_str()), ("Role", "agent"));
    let subjects = binding.subjects.unwrap();
    assert_eq!(subjects.len(), 1);
    assert_eq!(subjects[0].namespace.as_deref(), Some("cn-home-1"));
}

#[test]
fn the_push_agents_pod_passes_restricted_pod_security() {
    let deployment = super::super::deployment::agent("m", "image", "7");
    let template = deployment.spec.unwrap().template;
    assert_eq!(template.metadata.unwrap().annotations.unwrap()["eai.network/kubeconfig-version"], "7");
    let pod = template.spec.unwrap();
    let security = pod.security_context.unwrap();
    assert_eq!(security.run_as_non_root, Some(true));
    assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
    let container = pod.containers[0].security_context.clone().unwrap();
    assert_eq!(container.allow_privilege_escalation, Some(false));
    assert_eq!(container.read_only_root_filesystem, Some(true));
    assert_eq!(container.capabilities.unwrap().drop.unwrap(), ["ALL"]);
    assert!(pod.volumes.unwrap().iter().all(|v| v.secret.is_some() || v.empty_dir.is_some()), "nothing of the node");
}
